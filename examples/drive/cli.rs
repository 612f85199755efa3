//! What command lines have in common: keys, the local clock, times for people, how a program ends.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{Signal, SignalKind, signal};
use xtea_token::{InvalidKey, Key, UnixMillis};

const KEY_VARIABLE: &str = "XTEA_KEY";

/// Where a key may come from, in the order of preference; the environment variable `XTEA_KEY` is
/// the last.
#[derive(Clone, Default, clap::Args)]
pub struct KeyArgs {
    /// The key as 32 hexadecimal digits, or 16 ASCII characters.
    ///
    /// Other users of this machine can read command lines: outside of tests prefer `--key-file` or
    /// the environment variable `XTEA_KEY`.
    #[arg(long, value_name = "HEX32", global = true)]
    key: Option<String>,
    /// A file whose first line is the key
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "key")]
    key_file: Option<PathBuf>,
}

impl KeyArgs {
    /// Reads the key.
    ///
    /// # Errors
    ///
    /// A sentence for the user when there is no key or it is not one.
    pub fn read(&self) -> Result<Key, String> {
        let text = match (&self.key, &self.key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(file)) => first_line(file)?,
            (None, None) => std::env::var(KEY_VARIABLE)
                .map_err(|_| "no key; pass --key HEX32, --key-file FILE or set XTEA_KEY")?,
        };
        parse_key(&text).map_err(|error| error.to_string())
    }

    /// The arguments that name the same key in another command.
    pub fn repeated(&self) -> String {
        match (&self.key, &self.key_file) {
            (Some(key), _) => format!(" --key {key}"),
            (None, Some(file)) => format!(" --key-file {}", file.display()),
            (None, None) => String::new(),
        }
    }
}

impl fmt::Debug for KeyArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyArgs")
            .field("key_file", &self.key_file)
            .finish_non_exhaustive()
    }
}

/// 32 hexadecimal digits, else 16 ASCII characters as they are.
///
/// # Errors
///
/// [`InvalidKey`] for anything else.
pub fn parse_key(text: &str) -> Result<Key, InvalidKey> {
    Key::from_hex(text).or_else(|error| match text.as_bytes().try_into() {
        Ok(bytes) if text.is_ascii() => Ok(Key::new(bytes)),
        _ => Err(error),
    })
}

/// An address to listen on, as an argument.
///
/// # Errors
///
/// How to write one.
pub fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let example = "an ip address and a port are needed, as in 127.0.0.1:8080 or [::1]:8080";
    text.parse().map_err(|_| example)
}

/// How probable something is.
///
/// # Errors
///
/// If it is no number from 0 to 1.
pub fn probability(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|number: &f64| (0.0..=1.0).contains(number));
    number.ok_or("a number from 0 to 1 is needed")
}

/// A time as people write it: `500ms`, `3s`, `2m`, or seconds without a unit.
///
/// # Errors
///
/// If it is none.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    let wrong = "a time is needed, as in 500ms, 3s or 2m";
    let (number, unit) = text
        .find(|char: char| char.is_ascii_alphabetic())
        .map_or((text, "s"), |at| text.split_at(at));
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(wrong),
    };
    let number: f64 = number.parse().map_err(|_| wrong)?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| wrong)
}

/// A secret: as it was given, or the first line of a file, or what the environment variable holds,
/// which other users of the machine cannot read.
///
/// # Errors
///
/// A sentence for the user: the file cannot be read, or the secret is empty.
pub fn secret(
    given: Option<String>,
    file: Option<&Path>,
    variable: &str,
) -> io::Result<Option<String>> {
    let text = match (given, file) {
        (Some(secret), _) => secret,
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).map_err(|error| {
                let text = format!("cannot read {}: {error}", file.display());
                io::Error::new(error.kind(), text)
            })?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        (None, None) => match std::env::var(variable) {
            Ok(text) => text,
            Err(_) => return Ok(None),
        },
    };
    if text.is_empty() {
        let text = "the secret key is empty; give one, or none at all";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(Some(text))
}

/// The local clock.
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    UnixMillis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// A time as people write it, `2017-07-28T09:36:07.890Z`.
pub fn utc(UnixMillis(millis): UnixMillis) -> String {
    let (days, in_day) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// How long before `now` a time was, to the largest unit that fits twice.
pub fn age(now: UnixMillis, then: UnixMillis) -> String {
    let (millis, direction) = if then <= now {
        (now.0 - then.0, "ago")
    } else {
        (then.0 - now.0, "ahead")
    };
    let units = [
        ("days", 86_400_000),
        ("hours", 3_600_000),
        ("minutes", 60_000),
        ("seconds", 1000),
    ];
    let fits = units.into_iter().find(|(_, size)| millis >= 2 * size);
    let (unit, size) = fits.unwrap_or(("milliseconds", 1));
    format!("{} {unit} {direction}", millis / size)
}

/// What a program ends with: nobody reading any more is no error.
pub fn exit_code(program: &str, result: io::Result<()>) -> ExitCode {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Waits until the user or the system wants the program to end.
///
/// It listens from the call on, not from the first poll: call it before the program says anything,
/// since whoever hears that may also end it.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn told_to_end() -> impl Future<Output = ()> {
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    async {
        tokio::select! {
            () = arrival(interrupt) => {}
            () = arrival(terminate) => {}
        }
    }
}

/// Lets this program have as many files and connections open as the system allows: many systems give
/// it 1,024 unless asked for more.
pub fn open_many_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        // Then there are as many as before.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

async fn arrival(signal: io::Result<Signal>) {
    match signal {
        Ok(mut signal) => signal.recv().await.unwrap_or_default(),
        Err(_) => std::future::pending().await,
    }
}

fn first_line(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar, counted in eras of
/// 400 years that start in March, so that the leap day is the last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // 0000-03-01
    let (era, in_era) = (days / 146_097, days % 146_097);
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * in_year + 2) / 153; // months since March
    let day = in_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_501_234_567_890, "2017-07-28T09:36:07.890Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (9_999_999_999_999, "2286-11-20T17:46:39.999Z"),
        ] {
            assert_eq!(utc(UnixMillis(millis)), expected);
        }
    }

    #[test]
    fn ages_are_told_in_a_unit_that_fits() {
        let now = UnixMillis(1_000_000_000);
        for (then, expected) in [
            (1_000_000_000, "0 milliseconds ago"),
            (999_998_001, "1999 milliseconds ago"),
            (999_880_000, "2 minutes ago"),
            (1_000_090_000, "90 seconds ahead"),
            (0, "11 days ago"),
        ] {
            assert_eq!(age(now, UnixMillis(then)), expected);
        }
    }

    #[test]
    fn a_key_is_hexadecimal_first_and_sixteen_characters_second() {
        let shown = |text: &str| parse_key(text).is_ok();
        assert!(shown("000102030405060708090a0b0c0d0e0f"));
        assert!(shown("0123456789abcdef"));
        for bad in ["", "0123456789abcde", "密钥密钥密1", &"z".repeat(32)] {
            assert!(!shown(bad), "{bad}");
        }
    }
}
