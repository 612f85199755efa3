//! Everything that can go wrong, by name, for command lines and pages.

use super::BoxCommand;
use se5_events::Dialect;
use se5_events::device::{Fault, Reboot};
use std::io;
use std::str::FromStr;
use std::time::Duration;

/// A fault and when it strikes: `NAME[=VALUE][@SECONDS]`.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Time since the start.
    pub after: Duration,
    /// Strike again at this interval.
    pub every: Option<Duration>,
    /// What happens.
    pub command: BoxCommand,
}

/// The names, for `--help`.
pub const LIST: &str = "\
Faults, as --fault NAME[=VALUE][@SECONDS]; @SECONDS is when it begins (at the start if not given):
  cut[=SECONDS]     cut every link without a word, once or at this interval
  silent            send and answer nothing more on present links, keep TCP open
  slow=BYTES        send at most so many bytes a second on each link
  truncated[=N]     every Nth message is cut off (3)
  oversize[=N]      every Nth message is too long for any subscriber (10)
  wrong-types       numbers as text, text as numbers, seconds for milliseconds
  escaped           \\/ for /
  wrapped           line breaks inside base64
  prefix            data:image/jpeg;base64, also in dialect 1
  binary            binary instead of text messages
  fragments[=N]     each message in N frames (3)
  coalesced         several messages in one TCP segment
  duplicate[=P]     an event is sent twice with this probability (0.3)
  reorder[=N]       up to N events are sent in another order (4)
  lose[=P]          an event is not pushed with this probability (0.3); the history has it
  clock=MS          the clock of the box is off by so many milliseconds
  ping[=SECONDS]    ping subscribers at this interval (5); the vendor's own program dies of it
  no-pong           ignore pings
  ping-kills        hang up on a ping
  slow-history[=S]  answer questions after so many seconds (3)
  broken-history    answer history questions with status 500
  swapped-unit      dialect 2 history reads seconds where its document says milliseconds
  unsorted          history pages are in no order
  reboot            drop every link and start again; the history is kept
  forget            reboot, and the history is lost
  dialect           reboot into the other dialect, as a firmware update does
  heal              end every fault";

impl FromStr for Planned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, after) = match text.rsplit_once('@') {
            Some((what, after)) => (what, parsed_seconds(after)?),
            None => (text, Duration::ZERO),
        };
        let (name, value) = match what.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (what, None),
        };
        let mut every = None;
        let command = match name {
            "cut" => {
                every = value.map(parsed_seconds).transpose()?;
                BoxCommand::CutLinks
            }
            "slow" => BoxCommand::Throttle(Some(number(value, None)?)),
            "reboot" => BoxCommand::Reboot(Reboot::default()),
            "forget" => {
                let mut reboot = Reboot::default();
                reboot.keep_history = false;
                BoxCommand::Reboot(reboot)
            }
            "dialect" => BoxCommand::SwitchDialect,
            "heal" => BoxCommand::Heal,
            _ => BoxCommand::Fault(fault(name, value)?),
        };
        let takes_none = matches!(name, "reboot" | "forget" | "dialect" | "heal");
        if takes_none && value.is_some() {
            return Err(format!("{name} takes no value"));
        }
        let after = match (after, every) {
            (Duration::ZERO, Some(every)) => every,
            (after, _) => after,
        };
        Ok(Self {
            after,
            every,
            command,
        })
    }
}

fn fault(name: &str, value: Option<&str>) -> Result<Fault, String> {
    let none = |fault| match value {
        None => Ok(fault),
        Some(_) => Err(format!("{name} takes no value")),
    };
    let seconds = |default| value.map_or(Ok(Duration::from_secs(default)), parsed_seconds);
    Ok(match name {
        "silent" => none(Fault::HalfOpen)?,
        "no-pong" => none(Fault::NoPong)?,
        "ping-kills" => none(Fault::PingKills)?,
        "ping" => Fault::PingsEvery(seconds(5)?),
        "fragments" => Fault::Fragments(number(value, Some(3))?),
        "binary" => none(Fault::Binary)?,
        "coalesced" => none(Fault::Coalesced)?,
        "oversize" => Fault::Oversize(number(value, Some(10))?),
        "truncated" => Fault::Truncated(number(value, Some(3))?),
        "wrong-types" => none(Fault::WrongTypes)?,
        "escaped" => none(Fault::EscapedSlashes)?,
        "wrapped" => none(Fault::WrappedBase64)?,
        "prefix" => none(Fault::DataPrefix)?,
        "clock" => Fault::ClockOff(number(value, None)?),
        "duplicate" => Fault::Duplicate(number(value, Some(0.3))?),
        "reorder" => Fault::Reorder(number(value, Some(4))?),
        "lose" => Fault::Lose(number(value, Some(0.3))?),
        "slow-history" => Fault::SlowHistory(seconds(3)?),
        "broken-history" => none(Fault::BrokenHistory)?,
        "swapped-unit" => none(Fault::SwappedUnit)?,
        "unsorted" => none(Fault::UnsortedPages)?,
        _ => return Err(format!("no fault is called {name}; --help lists them")),
    })
}

fn number<T: FromStr>(value: Option<&str>, default: Option<T>) -> Result<T, String> {
    match (value, default) {
        (Some(value), _) => value
            .parse()
            .map_err(|_| format!("{value} is not a fitting number")),
        (None, Some(default)) => Ok(default),
        (None, None) => Err("this fault needs a value: NAME=VALUE".to_owned()),
    }
}

fn parsed_seconds(text: &str) -> Result<Duration, String> {
    let number = text
        .parse()
        .map_err(|_| format!("{text} is not a number of seconds"))?;
    seconds(number).map_err(|error| error.to_string())
}

/// So many seconds.
///
/// # Errors
///
/// If it is negative, or more than a machine can wait.
pub fn seconds(number: f64) -> io::Result<Duration> {
    Duration::try_from_secs_f64(number).map_err(|_| {
        let text = format!("{number} is not a number of seconds");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

/// The dialect called `1` or `2`.
///
/// # Errors
///
/// For every other name.
pub fn dialect(name: &str) -> Result<Dialect, String> {
    match name {
        "1" => Ok(Dialect::V1),
        "2" => Ok(Dialect::V2),
        _ => Err("there are dialects 1 and 2".to_owned()),
    }
}
