//! Which brokers may be connected to.
//!
//! An analyser goes where the server tells it to. Whoever can answer in the server's place could
//! otherwise send it to any service that it reaches.

use crate::BrokerError;
use crate::wire::ConnectionInfo;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which brokers are allowed.
///
/// ```
/// use analyst_proto::BrokerPolicy;
///
/// let mut policy = BrokerPolicy::default();
/// assert!(policy.allows_host("post-cn-test.mqtt.aliyuncs.com"));
/// assert!(!policy.allows_host("169.254.169.254"));
/// policy.hosts = vec![".mqtt.aliyuncs.com".into()];
/// assert!(!policy.allows_host("broker.example"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BrokerPolicy {
    /// Allow loopback, link-local, multicast and other special addresses; false.
    pub allow_special: bool,
    /// Hosts that are allowed, those with a dot in front with all below them; empty allows all.
    /// Default empty.
    pub hosts: Vec<String>,
    /// Ports that are allowed; empty allows all. Default empty.
    pub ports: Vec<u16>,
}

impl BrokerPolicy {
    /// Checks a broker as far as its name says where it leads: it is not resolved here.
    ///
    /// # Errors
    ///
    /// [`BrokerError`].
    pub fn check(&self, info: &ConnectionInfo) -> Result<(), BrokerError> {
        //= docs/spec/analyst-proto.md#connection-information
        //# A broker MUST NOT be connected to whose host or port is not among those of the policy where
        //# the policy names any.
        if !self.is_listed(&info.host) {
            return Err(BrokerError::Host);
        }
        if !self.ports.is_empty() && !self.ports.contains(&info.port) {
            return Err(BrokerError::Port);
        }
        let is_allowed = self.allow_special || !is_special_host(&info.host);
        is_allowed.then_some(()).ok_or(BrokerError::Special)
    }

    /// Whether a host may be connected to, whatever the port.
    pub fn allows_host(&self, host: &str) -> bool {
        self.is_listed(host) && (self.allow_special || !is_special_host(host))
    }

    /// Whether a resolved address may be connected to. Drivers ask this when they connect, since a
    /// name may lead elsewhere by then.
    pub fn allows(&self, address: IpAddr) -> bool {
        //= docs/spec/analyst-proto.md#connection-information
        //# A broker on a loopback, unspecified, link-local, multicast or broadcast address MUST NOT be
        //# connected to unless the policy allows special addresses.
        self.allow_special || !is_special(address)
    }

    fn is_listed(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_host = |listed: &String| {
            let listed = listed.to_ascii_lowercase();
            host == listed || (listed.starts_with('.') && host.ends_with(&listed))
        };
        self.hosts.is_empty() || self.hosts.iter().any(is_host)
    }
}

/// A host and the port behind it, as a server writes them; `None` if it is not just that.
///
/// Strict, since others will read it again and must not read something else.
pub(crate) fn split_host(text: &str) -> Option<(&str, Option<u16>)> {
    let behind_brackets = text.rfind(']').unwrap_or(0);
    let colon = text.get(behind_brackets..)?.find(':');
    let (host, port) = match colon {
        None => (text, None),
        Some(at) => {
            let (host, port) = text.split_at_checked(behind_brackets.saturating_add(at))?;
            (host, Some(port_of(port.strip_prefix(':')?)?))
        }
    };
    is_host(host).then_some((host, port))
}

fn port_of(digits: &str) -> Option<u16> {
    let is_number = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| is_number && *port != 0)
}

/// Whether this is a name, four decimal numbers, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if address_of(host).is_some() {
        return true;
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_of_a_name);
    // Many resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as an address.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex = last
        .get(..2)
        .is_some_and(|head| head.eq_ignore_ascii_case("0x"));
    let is_numeric = is_hex || last.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= 253 && name.split('.').all(is_label) && !is_numeric
}

fn address_of(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

fn is_special_host(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || address_of(host).is_some_and(is_special)
}

/// Not where a broker can be: this host, this link, everybody, or a cloud's own services. Private
/// networks are allowed, since brokers live there too.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => is_special_v6(address),
    }
}

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
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_special_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Unspecified, loopback, IPv4 addresses in the old form; Teredo; a cloud's metadata service.
        [0, 0, 0, 0, 0, 0, ..] | [0x2001, 0, ..] | [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => true,
        // IPv4-mapped, IPv4-translated, and translated by NAT64.
        //= docs/spec/analyst-proto.md#connection-information
        //# An IPv4 address inside an IPv6 address MUST be judged as that IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        [first, ..] => {
            let is_link_local = first & 0xffc0 == 0xfe80;
            let is_site_local = first & 0xffc0 == 0xfec0;
            is_link_local || is_site_local || first >= 0xff00
        }
    }
}
