//! Reading what Redis answers.

use redis::Value;
use std::fmt;
use zzw_push_proto::platform::{NodeId, Owner, StoreError, Transport};
use zzw_push_proto::wire::{Json, Text};

/// Why a request has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There was no answer.
    Lost,
    /// Redis has no memory left.
    Full,
    /// It says something else.
    Said(String),
}

/// Replies to one call, in order.
pub(super) struct Replies(std::vec::IntoIter<Value>);

impl Replies {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// What a reply consists of, if it is an array; fails with what Redis says against it.
    pub(super) fn of(value: Value) -> Result<Self, Trouble> {
        match sound(value)? {
            Value::Array(values) => Ok(Self::new(values)),
            Value::Nil => Ok(Self::new(Vec::new())),
            other => Err(odd(&other)),
        }
    }

    pub(super) fn value(&mut self) -> Result<Value, Trouble> {
        let next = self.0.next();
        sound(next.ok_or_else(|| Trouble::Said("an answer is too short".to_owned()))?)
    }

    pub(super) fn array(&mut self) -> Result<Self, Trouble> {
        Self::of(self.value()?)
    }

    pub(super) fn number(&mut self) -> Result<u64, Trouble> {
        match self.value()? {
            Value::Int(number) => u64::try_from(number).map_err(|_| odd(&Value::Int(number))),
            Value::BulkString(digits) => {
                let digits = String::from_utf8_lossy(&digits);
                let number = digits.parse();
                number.map_err(|_| Trouble::Said(format!("{digits} is no number")))
            }
            Value::Nil => Ok(0),
            other => Err(odd(&other)),
        }
    }

    /// Text; none if there is nothing.
    pub(super) fn text(&mut self) -> Result<Option<Text>, Trouble> {
        match self.value()? {
            Value::BulkString(bytes) if bytes.is_empty() => Ok(None),
            Value::BulkString(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(text.into())),
                Err(_) => Err(Trouble::Said("what is kept is no text".to_owned())),
            },
            Value::SimpleString(text) => Ok(Some(text.into())),
            Value::Okay => Ok(Some("OK".into())),
            Value::Nil => Ok(None),
            other => Err(odd(&other)),
        }
    }

    /// All texts that are left.
    pub(super) fn texts(mut self) -> Result<Vec<Text>, Trouble> {
        let mut texts = Vec::with_capacity(self.0.len());
        while self.0.len() > 0 {
            texts.extend(self.text()?);
        }
        Ok(texts)
    }

    /// A body; none if there is nothing.
    pub(super) fn json(&mut self) -> Result<Option<Json>, Trouble> {
        match self.value()? {
            Value::BulkString(bytes) => {
                let body = Json::parse(bytes);
                body.map(Some)
                    .map_err(|_| Trouble::Said("what is kept is no JSON".to_owned()))
            }
            Value::Nil => Ok(None),
            other => Err(odd(&other)),
        }
    }

    pub(super) fn owner(&mut self) -> Result<Option<Owner>, Trouble> {
        Ok(self.text()?.as_deref().and_then(owner))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("it does not answer"),
            Self::Full => f.write_str("it has no memory left"),
            Self::Said(what) => f.write_str(what),
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::Lost | Trouble::Said(_) => Self::Unavailable,
        }
    }
}

/// How an owner is written down.
pub(super) fn owner_text(owner: Owner) -> String {
    let transport = transport_text(owner.transport);
    format!("{}:{transport}", owner.node.0)
}

pub(super) fn transport_text(transport: Transport) -> &'static str {
    match transport {
        Transport::SocketIo => "sio",
        _ => "tcp",
    }
}

fn owner(text: &str) -> Option<Owner> {
    let (node, transport) = text.split_once(':')?;
    let transport = match transport {
        "sio" => Transport::SocketIo,
        _ => Transport::Tcp,
    };
    Some(Owner::new(NodeId(node.parse().ok()?), transport))
}

fn sound(value: Value) -> Result<Value, Trouble> {
    match value {
        Value::ServerError(error) if error.code() == "OOM" => Err(Trouble::Full),
        Value::ServerError(error) => Err(Trouble::Said(error.to_string())),
        value => Ok(value),
    }
}

/// Without what it holds, which may be a message.
fn odd(value: &Value) -> Trouble {
    let kind = match value {
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) => "text",
        Value::Array(_) => "a list",
        Value::Nil => "nothing",
        _ => "something else",
    };
    Trouble::Said(format!("{kind} is no answer to that"))
}
