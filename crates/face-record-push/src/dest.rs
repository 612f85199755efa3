//! Where a terminal may push to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A destination: a URL with scheme http or https, host and port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Dest {
    url: String,
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
    /// Neither `http://` nor `https://`.
    #[error("event_dest must begin with http:// or https://")]
    Scheme,
}

impl Dest {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`DestError`] says what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, DestError> {
        Ok(Self {
            url: url.to_owned(),
        })
    }

    /// The URL as it was given.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        Scheme::Http
    }

    /// Its host.
    pub fn host(&self) -> Host {
        Host::Name(String::new())
    }

    /// Its port; 80 or 443 if it names none.
    pub fn port(&self) -> u16 {
        80
    }

    /// Path and query: `/Record?site=1`; `/` if it names none.
    pub fn path(&self) -> &str {
        "/"
    }
}

impl DestPolicy {
    /// Checks a destination as far as it says where it leads: a name is not resolved here.
    ///
    /// # Errors
    ///
    /// [`DestError`]
    pub fn check(&self, _dest: &Dest) -> Result<(), DestError> {
        Ok(())
    }

    /// Whether a resolved address may be connected to. Drivers ask this when they connect, since a
    /// name may lead elsewhere by then.
    pub fn allows(&self, _address: IpAddr) -> bool {
        true
    }
}

impl fmt::Display for Dest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Debug for Dest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
