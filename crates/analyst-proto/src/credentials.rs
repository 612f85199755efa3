//! User names and passwords of Aliyun's brokers.
//!
//! To a client both are opaque: it gets them from the server. A server that makes them, a broker
//! that checks them and whoever looks for a fault read them here.

use crate::sign::keyed;
use crate::wire::{ClientId, Secret, Text, UnixMillis};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::fmt;
use subtle::ConstantTimeEq;

/// A user name, by the way in which its password proves it.
///
/// ```
/// use analyst_proto::credentials::UserName;
///
/// let name = UserName::parse("Signature|test-key-id|post-cn-test");
/// let UserName::Signature { access_key_id, instance } = &name else {
///     panic!("another form");
/// };
/// assert_eq!((&**access_key_id, &**instance), ("test-key-id", "post-cn-test"));
/// assert_eq!(name.to_string(), "Signature|test-key-id|post-cn-test");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserName {
    /// `Signature|{access key id}|{instance}`: the password is [`PasswordKey::password`].
    Signature {
        /// Which key signs the password.
        access_key_id: Text,
        /// The broker's instance.
        instance: Text,
    },
    /// `Token|{access key id}|{instance}`: the password is a [`TokenPassword`].
    Token {
        /// Whose tokens they are.
        access_key_id: Text,
        /// The broker's instance.
        instance: Text,
    },
    /// `DeviceCredential|{access key id}|{instance}`: as [`Self::Signature`], with a key of each
    /// device.
    DeviceCredential {
        /// Which key signs the password.
        access_key_id: Text,
        /// The broker's instance.
        instance: Text,
    },
    /// Anything else: a bare access key of before 2018, whose password is
    /// [`PasswordKey::legacy_password`], or a user of another broker.
    Legacy(Text),
}

/// The key behind passwords, made ready once.
#[derive(Clone)]
pub struct PasswordKey(Hmac<Sha1>);

/// The password of a [`UserName::Token`]: what may be read with it, and what written.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenPassword {
    /// `R|{token}`: for what is received.
    Read(Secret),
    /// `W|{token}`: for what is published.
    Write(Secret),
    /// `RW|{token}`: one for both.
    Both(Secret),
    /// `R|{token}|W|{token}`: one for each.
    Each {
        /// For what is received.
        read: Secret,
        /// For what is published.
        write: Secret,
    },
}

impl UserName {
    /// Reads a user name. Every text is one.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split('|');
        let (Some(form), Some(key), Some(instance), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Self::Legacy(text.into());
        };
        //= docs/spec/analyst-proto.md#credentials
        //# A user name MUST be read as form, access key id and instance with `|` between them, and one
        //# of any other form MUST be left as it is.
        let (access_key_id, instance) = (Text::from(key), Text::from(instance));
        match form {
            "Signature" => Self::Signature {
                access_key_id,
                instance,
            },
            "Token" => Self::Token {
                access_key_id,
                instance,
            },
            "DeviceCredential" => Self::DeviceCredential {
                access_key_id,
                instance,
            },
            _ => Self::Legacy(text.into()),
        }
    }

    /// The user name whose password is signed with a key.
    pub fn signature(access_key_id: impl Into<Text>, instance: impl Into<Text>) -> Self {
        Self::Signature {
            access_key_id: access_key_id.into(),
            instance: instance.into(),
        }
    }

    /// Which key or account it names.
    pub fn access_key_id(&self) -> &str {
        match self {
            Self::Signature { access_key_id, .. }
            | Self::Token { access_key_id, .. }
            | Self::DeviceCredential { access_key_id, .. } => access_key_id,
            Self::Legacy(text) => text,
        }
    }

    /// The broker's instance, where it names one.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Signature { instance, .. }
            | Self::Token { instance, .. }
            | Self::DeviceCredential { instance, .. } => Some(instance),
            Self::Legacy(_) => None,
        }
    }
}

/// The instance of a broker: the first label of its host.
pub fn instance_of(host: &str) -> &str {
    //= docs/spec/analyst-proto.md#credentials
    //# The instance of a broker MUST be the first label of its host.
    host.split('.').next().unwrap_or_default()
}

impl PasswordKey {
    /// Makes a key ready.
    pub fn new(secret: &Secret) -> Self {
        Self(keyed(secret.as_str().as_bytes()))
    }

    /// The password of a client, for the forms `Signature` and `DeviceCredential`.
    pub fn password(&self, client: &ClientId) -> Secret {
        //= docs/spec/analyst-proto.md#credentials
        //# The password of a client MUST be the base64 of HMAC-SHA1 under the secret key over the whole
        //# client identifier.
        self.of(client.as_str())
    }

    /// The password of all clients of a group, as it was before 2018.
    pub fn legacy_password(&self, group: &str) -> Secret {
        //= docs/spec/analyst-proto.md#credentials
        //# The legacy password MUST be the same over the group only.
        self.of(group)
    }

    /// True if `password` is that of the client.
    pub fn verify(&self, client: &ClientId, password: &str) -> bool {
        self.is_of(client.as_str(), password)
    }

    /// True if `password` is the legacy one of the client's group.
    pub fn verify_legacy(&self, client: &ClientId, password: &str) -> bool {
        let group = client.group().unwrap_or(client.as_str());
        self.is_of(group, password)
    }

    fn of(&self, text: &str) -> Secret {
        Secret::new(STANDARD.encode(self.digest(text)))
    }

    fn is_of(&self, text: &str, password: &str) -> bool {
        let mut given = [0; 32];
        let len = STANDARD.decode_slice(password, &mut given).ok();
        let given = len.and_then(|len| given.get(..len)).unwrap_or_default();
        //= docs/spec/analyst-proto.md#credentials
        //# A password MUST be compared in a time that does not depend on where it differs.
        self.digest(text).ct_eq(given).into()
    }

    fn digest(&self, text: &str) -> [u8; 20] {
        self.0
            .clone()
            .chain_update(text)
            .finalize()
            .into_bytes()
            .into()
    }
}

impl TokenPassword {
    /// The longest life of a token: 30 days. The broker drops the connection when it ends.
    pub const MAX_LIFE: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

    /// Reads a password; `None` if it is none of tokens.
    //= docs/spec/analyst-proto.md#credentials
    //# A password of tokens MUST be read as `R|`, `W|` or `RW|` and a token, or as `R|`, a token,
    //# `|W|` and a token.
    pub fn parse(password: &str) -> Option<Self> {
        let mut parts = password.split('|');
        let (right, token) = (parts.next()?, parts.next()?);
        let more = (parts.next(), parts.next(), parts.next());
        let secret = |token: &str| (!token.is_empty()).then(|| Secret::new(token));
        match (right, more) {
            ("R", (None, ..)) => secret(token).map(Self::Read),
            ("W", (None, ..)) => secret(token).map(Self::Write),
            ("RW", (None, ..)) => secret(token).map(Self::Both),
            ("R", (Some("W"), Some(write), None)) => Some(Self::Each {
                read: secret(token)?,
                write: secret(write)?,
            }),
            _ => None,
        }
    }

    /// The password's text.
    pub fn password(&self) -> Secret {
        Secret::new(match self {
            Self::Read(token) => format!("R|{}", token.as_str()),
            Self::Write(token) => format!("W|{}", token.as_str()),
            Self::Both(token) => format!("RW|{}", token.as_str()),
            Self::Each { read, write } => format!("R|{}|W|{}", read.as_str(), write.as_str()),
        })
    }

    /// When a token that is issued at `at` ends at the latest.
    pub fn ends(at: UnixMillis) -> UnixMillis {
        let life = i64::try_from(Self::MAX_LIFE.as_millis());
        at.plus(life.unwrap_or(i64::MAX))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self {
            Self::Signature { .. } => "Signature",
            Self::Token { .. } => "Token",
            Self::DeviceCredential { .. } => "DeviceCredential",
            Self::Legacy(text) => return f.write_str(text),
        };
        let instance = self.instance().unwrap_or_default();
        write!(f, "{form}|{}|{instance}", self.access_key_id())
    }
}

impl fmt::Debug for PasswordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordKey(..)")
    }
}

impl fmt::Debug for TokenPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "Read(..)",
            Self::Write(_) => "Write(..)",
            Self::Both(_) => "Both(..)",
            Self::Each { .. } => "Each(..)",
        })
    }
}
