//! Names of clients and topics.

use crate::NameError;
use std::fmt;
use std::sync::Arc;

/// Identifier of an MQTT client, `GID_Analyst@@@analyst_3`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

/// The topic above all point-to-point topics, `Analyst`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParentTopic(Arc<str>);

/// The topic of what is for one client, `Analyst/p2p/GID_Analyst@@@analyst_3`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl ClientId {
    /// An identifier, if it can be a level of a topic.
    ///
    /// # Errors
    ///
    /// If it is empty, has more than 64 bytes, or one of `+`, `#`, `/`, `$` or a control character.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        Ok(Self(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ParentTopic {
    /// A parent topic; a trailing `/` is left out.
    ///
    /// # Errors
    ///
    /// If it is empty, has more than 64 bytes, or one of `+`, `#` or a control character.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        Ok(Self(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic of what is for `client`.
    pub fn p2p(&self, client: &ClientId) -> Topic {
        Topic(format!("{}/p2p/{}", self.0, client.0).into())
    }
}

impl Topic {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! shown_as_text {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

shown_as_text!(ClientId ParentTopic Topic);
