//! Where keys come from. What is wrong with one is told, never the key.

use super::super::Keys;
use super::units::Span;
use crate::cli::parse_key;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use xtea_token::v2::MacKey;
use xtea_token::{Accept, Key, TokenFormat};

const VARIABLE: &str = "XTEA_KEY";

/// Keys on a command line.
#[derive(Clone, Default, clap::Args)]
pub struct KeyArgs {
    /// A key of tokens as 32 hexadecimal digits, or 16 ASCII characters; the first issues, all verify
    ///
    /// Other users of this machine can read command lines: outside of tests prefer `--key-file`, the
    /// configuration file, or the environment variable `XTEA_KEY` with one key or several, separated
    /// by commas.
    #[arg(long, value_name = "HEX32")]
    key: Vec<String>,
    /// A file with a key on each line; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// What stands under `[keys]`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Keyring {
    xtea: Vec<String>,
    file: Option<PathBuf>,
    formats: Option<Vec<String>>,
    mac: Vec<String>,
    accept: Option<AcceptName>,
    max_age: Option<Span>,
    max_skew: Option<Span>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AcceptName {
    Legacy,
    Both,
    SecureOnly,
}

impl KeyArgs {
    /// The keys, those of the file last. None is no error: they may stand elsewhere.
    ///
    /// # Errors
    ///
    /// A sentence for the user when one is no key.
    pub fn read(&self) -> Result<Vec<Key>, String> {
        let mut keys = list("--key", &self.key)?;
        if let Some(file) = &self.key_file {
            keys.extend(from_file(file)?);
        }
        Ok(keys)
    }
}

impl Keyring {
    /// All keys, where `given` ones stand for those of the file.
    pub(super) fn keys(self, given: Vec<Key>, folder: &Path) -> Result<Keys, String> {
        let mut xtea = given;
        if xtea.is_empty() {
            xtea = list("[keys] xtea", &self.xtea)?;
            if let Some(file) = &self.file {
                xtea.extend(from_file(&folder.join(file))?);
            }
        }
        if xtea.is_empty() {
            let texts = std::env::var(VARIABLE).unwrap_or_default();
            let texts: Vec<&str> = texts.split(',').map(str::trim).collect();
            if texts != [""] {
                xtea = list(VARIABLE, &texts)?;
            }
        }
        let mut rest = xtea.into_iter();
        let missing = "no key for tokens; pass --key HEX32 or --key-file FILE, set XTEA_KEY, or \
                       write [keys] into the configuration file";
        let mut keys = Keys::new(rest.next().ok_or(missing)?);
        keys.xtea.extend(rest);
        if let Some(names) = &self.formats {
            keys.formats = names
                .iter()
                .map(|name| format(name))
                .collect::<Result<_, _>>()?;
        }
        let mac = self.mac.iter().enumerate();
        keys.mac = mac
            .map(|(index, text)| mac_key(text).ok_or_else(|| wrong_mac(index)))
            .collect::<Result<_, _>>()?;
        keys.accept = self.accept.map(|accept| match accept {
            AcceptName::Legacy => Accept::Legacy,
            AcceptName::Both => Accept::Both,
            AcceptName::SecureOnly => Accept::SecureOnly,
        });
        keys.max_age = self.max_age.map_or(keys.max_age, Into::into);
        keys.max_skew = self.max_skew.map_or(keys.max_skew, Into::into);
        Ok(keys)
    }
}

fn list(from: &str, texts: &[impl AsRef<str>]) -> Result<Vec<Key>, String> {
    let keys = texts.iter().enumerate().map(|(index, text)| {
        let wrong = |error| format!("{from}, key {}: {error}", index + 1);
        parse_key(text.as_ref()).map_err(wrong)
    });
    keys.collect()
}

fn from_file(path: &Path) -> Result<Vec<Key>, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
    let lines = text.lines().enumerate();
    let lines =
        lines.map(|(index, line)| (index, line.split('#').next().unwrap_or_default().trim()));
    let keys = lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            parse_key(line).map_err(|error| format!("{name}, line {}: {error}", index + 1))
        });
    let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(format!("{name}: no key in it; write one on a line"));
    }
    Ok(keys)
}

fn format(name: &str) -> Result<TokenFormat, String> {
    TokenFormat::preset(name).ok_or_else(|| {
        let known: Vec<&str> = TokenFormat::PRESETS.iter().map(|(name, _)| *name).collect();
        format!(
            "[keys] formats: no token format is called {name:?}; there are {}",
            known.join(", ")
        )
    })
}

/// `ID:HEX64`
fn mac_key(text: &str) -> Option<MacKey> {
    let (id, digits) = text.split_once(':')?;
    let (digits, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes: Vec<u8> = digits
        .iter()
        .map(|pair| {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            let [high, low] = [digit(pair[0])?, digit(pair[1])?];
            u8::try_from(high << 4 | low).ok()
        })
        .collect::<Option<_>>()?;
    Some(MacKey::new(id.parse().ok()?, bytes.try_into().ok()?))
}

fn wrong_mac(index: usize) -> String {
    format!(
        "[keys] mac, key {}: write ID:HEX64, a number up to 65535 and 64 hexadecimal digits",
        index + 1
    )
}

impl fmt::Debug for KeyArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyArgs")
            .field("keys", &self.key.len())
            .field("key_file", &self.key_file)
            .finish()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("xtea", &self.xtea.len())
            .field("file", &self.file)
            .field("formats", &self.formats)
            .field("mac", &self.mac.len())
            .field("accept", &self.accept)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_key_is_a_number_and_64_digits() {
        let digits = "0f".repeat(32);
        assert_eq!(mac_key(&format!("7:{digits}")).unwrap().id(), 7);
        assert_eq!(
            mac_key(&format!("65535:{}", digits.to_uppercase()))
                .unwrap()
                .id(),
            65_535
        );
        for text in [
            String::new(),
            digits.clone(),
            format!(":{digits}"),
            format!("65536:{digits}"),
            format!("7:{digits}0f"),
            format!("7:{}", &digits[1..]),
            format!("7:{}+f", &digits[2..]),
        ] {
            assert!(mac_key(&text).is_none(), "{text}");
        }
    }
}
