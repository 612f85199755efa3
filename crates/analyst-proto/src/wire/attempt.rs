//! The extension that tells attempts apart.

use super::{ClientId, Text};
use lenient_wire::{Kind, Scanner, push_text};

/// Which attempt at a task a message belongs to, written as `analyst_id`: `"<client>#<number>"`.
///
/// In no document: an extension of ours. A dispatcher labels a task with it, and an analyser that
/// knows nothing of it does not echo it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Attempt {
    /// Who was given the task.
    pub client: ClientId,
    /// The how many-th attempt it is, from 1.
    pub number: u32,
}

impl Attempt {
    /// The attempt of this number, by this analyser.
    pub const fn new(client: ClientId, number: u32) -> Self {
        Self { client, number }
    }

    /// Reads the label out of an `analyst_id`; `None` if it is something else.
    pub fn read(analyst_id: &Text) -> Option<Self> {
        //= docs/spec/analyst-proto.md#message
        //# The label of an attempt MUST be the analyser's client identifier, `#` and the number of
        //# the attempt from 1, in one text in `analyst_id`.
        let json = analyst_id.as_str().as_bytes();
        let value = Scanner::new(json, 0).value().ok()?;
        if value.kind == Kind::Number {
            return None;
        }
        let label = lenient_wire::text(json, value)?;
        let (client, number) = label.rsplit_once('#')?;
        if !number.starts_with(|first: char| matches!(first, '1'..='9')) {
            return None;
        }
        Some(Self {
            client: ClientId::new(client).ok()?,
            number: number.parse().ok()?,
        })
    }

    /// The label, as an `analyst_id` has it: raw JSON.
    pub fn to_json(&self) -> Text {
        let mut json = Vec::new();
        push_text(&mut json, &format!("{}#{}", self.client, self.number));
        String::from_utf8(json).unwrap_or_default().into()
    }
}
