//! Where a terminal may push to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A destination: a URL with scheme http or https, host and port.
///
/// ```
/// use face_record_push::{Dest, DestError, DestPolicy};
///
/// let dest = Dest::parse("http://192.0.2.10:9000/Record")?;
/// assert_eq!((dest.port(), dest.path()), (9000, "/Record"));
/// assert_eq!(DestPolicy::default().check(&dest), Ok(()));
/// let metadata = Dest::parse("http://169.254.169.254/latest")?;
/// assert_eq!(DestPolicy::default().check(&metadata), Err(DestError::Special));
/// # Ok::<(), DestError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Dest {
    url: String,
    scheme: Scheme,
    host: Host,
    port: u16,
    path: String,
}

/// Scheme of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the document names two")]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// Host of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3986 names three")]
pub enum Host {
    /// A name, to be resolved.
    Name(String),
    /// `192.0.2.10`
    V4(Ipv4Addr),
    /// `[2001:db8::1]`
    V6(Ipv6Addr),
}

/// Which destinations are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DestPolicy {
    /// Allow loopback, link-local, multicast and other special addresses; false.
    pub allow_special: bool,
    /// Ports that are allowed; empty allows all. Default empty.
    pub ports: Vec<u16>,
}

/// A destination that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DestError {
    /// Longer than 1,024 bytes.
    #[error(
        "event_dest is longer than {} bytes; use a shorter path",
        Dest::MAX_LEN
    )]
    TooLong,
    /// Neither `http://` nor `https://`.
    #[error("event_dest must begin with http:// or https://")]
    Scheme,
    /// A space, a control character, a backslash or another character that no URL has.
    #[error("event_dest has a character that no url may have; write it percent-encoded")]
    Character,
    /// Something before an `@`.
    #[error("event_dest must not name a user or password")]
    UserInfo,
    /// Something behind a `#`.
    #[error("event_dest must not have a fragment; leave out everything from the # on")]
    Fragment,
    /// No host, or none that can be one.
    #[error(
        "event_dest needs a host: a name, four decimal numbers, or an ipv6 address in brackets"
    )]
    Host,
    /// A port that is none.
    #[error("event_dest has a port that is no number from 1 to 65535")]
    Port,
    /// Leads to the terminal itself, or nowhere.
    #[error("event_dest leads to a special address (loopback, link-local, multicast); use another")]
    Special,
    /// A port that the policy does not list.
    #[error("event_dest has a port that is not allowed; use one of those the operator allows")]
    ForbiddenPort,
}

impl Dest {
    /// Longest URL, in bytes.
    pub const MAX_LEN: usize = 1_024;

    /// Reads a URL.
    ///
    /// Strict, since others will read it again and must not read something else: only ASCII, no
    /// user, no fragment, IPv4 addresses as four decimal numbers.
    ///
    /// # Errors
    ///
    /// [`DestError`] says what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, DestError> {
        //= docs/spec/face-record-push.md#destination
        //# A destination of more than 1024 characters MUST be refused.
        if url.len() > Self::MAX_LEN {
            return Err(DestError::TooLong);
        }
        //= docs/spec/face-record-push.md#destination
        //# A destination with user information, a fragment, a space or a control character MUST be
        //# refused.
        if !url.bytes().all(is_of_a_url) {
            return Err(DestError::Character);
        }
        //= docs/spec/face-record-push.md#destination
        //# A destination MUST have the scheme http or https, a host, and a port between 1 and 65535
        //# if it names one.
        let (scheme, rest) = scheme_of(url).ok_or(DestError::Scheme)?;
        if url.contains('#') {
            return Err(DestError::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(DestError::Host)?;
        if authority.contains('@') {
            return Err(DestError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => port_of(digits).ok_or(DestError::Port)?,
        };
        Ok(Self {
            url: url.to_owned(),
            scheme,
            host: host_of(host).ok_or(DestError::Host)?,
            port,
            path: if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            },
        })
    }

    /// The URL as it was given.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its host.
    pub fn host(&self) -> Host {
        self.host.clone()
    }

    /// Its port; 80 or 443 if it names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query: `/Record?site=1`; `/` if it names none.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl DestPolicy {
    /// Checks a destination as far as it says where it leads: a name is not resolved here.
    ///
    /// # Errors
    ///
    /// [`DestError::Special`] and [`DestError::ForbiddenPort`].
    pub fn check(&self, dest: &Dest) -> Result<(), DestError> {
        //= docs/spec/face-record-push.md#destination
        //# A destination with a port that is not among those of the policy MUST be refused where
        //# the policy names any.
        if !self.ports.is_empty() && !self.ports.contains(&dest.port) {
            return Err(DestError::ForbiddenPort);
        }
        let is_allowed = match &dest.host {
            Host::V4(address) => self.allows(IpAddr::V4(*address)),
            Host::V6(address) => self.allows(IpAddr::V6(*address)),
            Host::Name(name) => self.allow_special || !is_local_name(name),
        };
        is_allowed.then_some(()).ok_or(DestError::Special)
    }

    /// Whether a resolved address may be connected to. Drivers ask this when they connect, since a
    /// name may lead elsewhere by then.
    pub fn allows(&self, address: IpAddr) -> bool {
        //= docs/spec/face-record-push.md#destination
        //# A destination on a loopback, unspecified, link-local, multicast or broadcast address
        //# MUST be refused unless the policy allows special addresses.
        //= docs/spec/face-record-push.md#destination
        //# A destination on a private address MUST be allowed.
        self.allow_special
            || match address {
                IpAddr::V4(address) => !is_special_v4(address),
                IpAddr::V6(address) => !is_special_v6(address),
            }
    }
}

/// Visible ASCII without what RFC 3986 leaves out. A backslash is a slash to some readers.
fn is_of_a_url(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
}

fn scheme_of(url: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme.eq_ignore_ascii_case("http") {
        Some((Scheme::Http, rest))
    } else if scheme.eq_ignore_ascii_case("https") {
        Some((Scheme::Https, rest))
    } else {
        None
    }
}

/// The host, and what stands behind its colon.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), DestError> {
    let behind_brackets = authority.rfind(']').unwrap_or(0);
    let colon = authority
        .get(behind_brackets..)
        .and_then(|tail| tail.find(':'))
        .map(|at| at.saturating_add(behind_brackets));
    let Some(colon) = colon else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at_checked(colon).ok_or(DestError::Port)?;
    Ok((host, port.strip_prefix(':')))
}

fn port_of(digits: &str) -> Option<u16> {
    let is_number = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| is_number && *port != 0)
}

fn host_of(host: &str) -> Option<Host> {
    if let Some(inside) = host.strip_prefix('[') {
        return inside.strip_suffix(']')?.parse().ok().map(Host::V6);
    }
    if let Ok(address) = host.parse() {
        return Some(Host::V4(address));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_name = name.len() <= 253 && name.split('.').all(is_label);
    // Many resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as an address.
    //= docs/spec/face-record-push.md#destination
    //# An octal, hexadecimal or shortened form of an IPv4 address MUST NOT lead where its plain
    //# form may not.
    let is_number = name.rsplit('.').next().is_some_and(is_numeric_label);
    (is_name && !is_number).then(|| Host::Name(host.to_ascii_lowercase()))
}

fn is_label(label: &str) -> bool {
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(is_of_a_name)
}

fn is_numeric_label(label: &str) -> bool {
    let is_hex = label
        .get(..2)
        .is_some_and(|head| head.eq_ignore_ascii_case("0x"));
    is_hex || label.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Not where a receiver can be: this host, this link, everybody, or a cloud's own services. Private
/// networks are allowed, since that is where receivers live.
fn is_special_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    first == 0
        || address.is_loopback()
        || address.is_link_local()
        || first >= 224
        // Protocol assignments, among them metadata services.
        || (first, second, third) == (192, 0, 0)
        || address == Ipv4Addr::new(100, 100, 100, 200)
        || address == Ipv4Addr::new(168, 63, 129, 16)
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let bits = u32::from(high).checked_shl(16).unwrap_or_default() | u32::from(low);
        is_special_v4(Ipv4Addr::from(bits))
    };
    match segments {
        // Unspecified, loopback, and IPv4 addresses in the old form, of which no host is reached;
        // Teredo, which holds an IPv4 address scrambled.
        [0, 0, 0, 0, 0, 0, ..]
        | [0x2001, 0, ..]
        // A cloud's metadata service.
        | [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => true,
        // IPv4-mapped, IPv4-translated, and translated by NAT64.
        //= docs/spec/face-record-push.md#destination
        //# An IPv4 address inside an IPv6 address MUST be judged as that IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // 6to4 holds the IPv4 address further up.
        | [0x2002, high, low, ..] => v4(high, low),
        [first, ..] => {
            let is_link_local = first & 0xffc0 == 0xfe80;
            let is_site_local = first & 0xffc0 == 0xfec0;
            is_link_local || is_site_local || first >= 0xff00
        }
    }
}

impl fmt::Display for Dest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => fmt::Display::fmt(address, f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Debug for Dest {
    /// The path may be the secret that keeps others from pushing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}:{}/***", self.host, self.port)
    }
}
