//! Which terminals are to push here, from the command line to the machine.

use super::{ReceiverControl, ReceiverOptions};
use crate::face::account;
use crate::tls::{self, KeyPin, Trust};
use face_record_push::platform::Terminal;
use face_record_push::{Dest, DestPolicy, Host, Login, Scheme, Subscription};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// What the command line says about terminals to be enrolled.
#[allow(clippy::doc_markdown, reason = "the docs are the help text")]
#[derive(Debug, Clone, Default, clap::Args)]
pub struct EnrolArgs {
    /// Tell the terminal with this API, http(s)://HOST:8000, to push here, and look every 10 minutes
    /// whether it still does; repeatable
    #[arg(long = "enrol", value_name = "URL", value_parser = Dest::parse)]
    terminals: Vec<Dest>,
    /// Where terminals reach this receiver, http://THIS:PORT/PATH [default: where it listens]
    #[arg(long, value_name = "URL", value_parser = Dest::parse, requires = "terminals")]
    advertise: Option<Dest>,
    /// A file of one line, user:password: the account of the terminals; or set FACE_TERMINAL_ACCOUNT
    /// [default: none]
    #[arg(long, value_name = "FILE", requires = "terminals")]
    terminal_account: Option<PathBuf>,
    /// For https: SHA-256 of the terminal's public key, which face_terminal prints; repeatable
    #[arg(
        long,
        value_name = "SHA256",
        requires = "terminals",
        conflicts_with = "terminal_ca"
    )]
    terminal_key_pin: Vec<KeyPin>,
    /// For https: the authorities that signed the terminals' certificates, PEM
    #[arg(long, value_name = "PEM", requires = "terminals")]
    terminal_ca: Option<PathBuf>,
    /// Enrol terminals on this machine and at other special addresses, too
    #[arg(long, requires = "terminals")]
    allow_special: bool,
}

impl EnrolArgs {
    /// Adds them to the options of a receiver.
    ///
    /// # Errors
    ///
    /// If an address cannot be the one of a terminal, if a file is not what it should be, or if a
    /// terminal would be called over TLS without anything to know it by.
    pub fn apply(self, options: &mut ReceiverOptions) -> io::Result<()> {
        if self.terminals.is_empty() {
            return Ok(());
        }
        let login = account(self.terminal_account.as_deref(), "FACE_TERMINAL_ACCOUNT")?;
        let mut policy = DestPolicy::default();
        policy.allow_special = self.allow_special;
        let has_trust = self.terminal_ca.is_some() || !self.terminal_key_pin.is_empty();
        for api in self.terminals {
            check(&api, &policy, has_trust)?;
            if let Some(danger) = danger(&api, login.as_ref()) {
                eprintln!("warning: {api}: {danger}");
            }
            let terminal = Terminal::new(api);
            options.terminals.push(match &login {
                Some(login) => terminal.with_login(login.clone()),
                None => terminal,
            });
        }
        options.advertise = self.advertise;
        options.dialing.allows = Arc::new(move |address| policy.allows(address));
        options.dialing.trust = match self.terminal_ca {
            Some(ca) => Trust::Authorities(ca),
            None if has_trust => Trust::Keys(self.terminal_key_pin),
            None => Trust::Nobody,
        };
        Ok(())
    }
}

/// Where terminals are to push, if any are to.
///
/// # Errors
///
/// If nobody else knows where that is, or if it is a place where nothing is taken.
pub(super) fn subscription(
    options: &ReceiverOptions,
    address: SocketAddr,
) -> io::Result<Option<Subscription>> {
    if options.terminals.is_empty() {
        return Ok(None);
    }
    // Nothing may have happened yet if this fails.
    tls::client(&options.dialing.trust, tls::HTTP).map_err(io::Error::other)?;
    let paths = &options.config.paths;
    if let Some(dest) = &options.advertise {
        let path = dest.path().split('?').next().unwrap_or_default();
        if !paths.is_empty() && !paths.iter().any(|taken| taken == path) {
            return Err(wrong(
                "the path to advertise is none at which records are taken: use the \
                              same one for --advertise and --path",
            ));
        }
        return Ok(Some(Subscription::to(dest.clone())));
    }
    if address.ip().is_unspecified() {
        return Err(wrong(
            "terminals have to be told where this machine is: pass --advertise \
                          http://ITS-ADDRESS:PORT/Record",
        ));
    }
    let scheme = if options.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let path = paths.first().map_or("/Record", String::as_str);
    let dest = Dest::parse(&format!("{scheme}://{address}{path}"));
    Ok(Some(Subscription::to(dest.map_err(io::Error::other)?)))
}

/// Has every terminal push there.
///
/// # Errors
///
/// If there are too many.
pub(super) fn enrol(
    control: &ReceiverControl,
    terminals: Vec<Terminal>,
    wanted: &Subscription,
) -> io::Result<()> {
    for terminal in terminals {
        let enrolled = control.enrol(terminal, wanted.clone());
        enrolled.map_err(|refused| wrong(&refused.to_string()))?;
    }
    Ok(())
}

fn check(api: &Dest, policy: &DestPolicy, has_trust: bool) -> io::Result<()> {
    let why = if api.path() != "/" {
        "has a path: give only scheme, host and port of the terminal's API"
    } else if policy.check(api).is_err() {
        "is on this machine or at another special address: pass --allow-special if that is meant"
    } else if api.scheme() == Scheme::Https && !has_trust {
        "cannot be told from an impostor: pass --terminal-key-pin or --terminal-ca. This prints the \
         pin: openssl s_client -connect HOST:PORT </dev/null | openssl x509 -noout -pubkey | openssl \
         pkey -pubin -outform der | sha256sum"
    } else {
        return Ok(());
    };
    Err(wrong(&format!("{api} {why}")))
}

/// What others on the network can see.
fn danger(api: &Dest, login: Option<&Login>) -> Option<&'static str> {
    let is_near = match api.host() {
        Host::V4(address) => address.is_loopback(),
        Host::V6(address) => IpAddr::V6(address).is_loopback(),
        Host::Name(_) => false,
    };
    let is_plain = api.scheme() == Scheme::Http && login.is_some() && !is_near;
    is_plain.then_some("the password crosses the network in the clear: use https if it has it")
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
