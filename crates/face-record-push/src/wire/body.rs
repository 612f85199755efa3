//! A received body and where its members are: what records, alarms and questions share.

use super::code::RecognizeStatus;
use super::index::{Form, Index, Slot};
use super::{Image, Timestamp, UnixMillis, User};
use crate::PushError;
use bytes::Bytes;
use lenient_wire::{Kind, Scanner, Value, boolean, float, integer, text, unix_millis};
use std::borrow::Cow;

/// The body as it came, and the places in it.
#[derive(Clone)]
pub(crate) struct Body {
    json: Bytes,
    index: Index,
}

impl Body {
    /// Reads a body; tells what it is, too.
    #[inline]
    pub(crate) fn read(json: Bytes) -> Result<(Self, Form), PushError> {
        let read = Index::read(&json).and_then(|index| Ok((index.form(&json)?, index)));
        match read {
            Ok((form, index)) => Ok((Self { json, index }, form)),
            Err(kind) => Err(PushError { kind, raw: json }),
        }
    }

    /// Reads a body that is a record by where it comes from.
    pub(crate) fn read_item(json: Bytes) -> Result<Self, PushError> {
        match Index::read_data(&json) {
            Ok(index) => Ok(Self { json, index }),
            Err(kind) => Err(PushError { kind, raw: json }),
        }
    }

    pub(crate) fn json(&self) -> &Bytes {
        &self.json
    }

    /// The object that states the facts: the envelope's data, or all of it where there is none.
    pub(crate) fn facts(&self) -> &[u8] {
        let data = self.value(Slot::Data);
        match data.kind {
            Kind::Object => data.of(&self.json).trim_ascii(),
            _ => &self.json,
        }
    }

    pub(crate) fn value(&self, slot: Slot) -> Value {
        self.index.of(slot)
    }

    /// The text or number at `slot`; `None` also for what is empty or white space.
    pub(crate) fn text(&self, slot: Slot) -> Option<Cow<'_, str>> {
        text(&self.json, self.value(slot)).filter(|text| !text.trim().is_empty())
    }

    pub(crate) fn integer(&self, slot: Slot) -> Option<i64> {
        integer(&self.json, self.value(slot))
    }

    pub(crate) fn float(&self, slot: Slot) -> Option<f64> {
        float(&self.json, self.value(slot))
    }

    pub(crate) fn boolean(&self, slot: Slot) -> Option<bool> {
        //= docs/spec/face-record-push.md#record
        //# A truth MUST be read from true and false and from 1 and 0.
        boolean(&self.json, self.value(slot))
    }

    /// A time with what the terminal wrote.
    pub(crate) fn timestamp(&self, slot: Slot) -> Option<Timestamp<'_>> {
        let raw = self.text(slot)?;
        Some(Timestamp {
            //= docs/spec/face-record-push.md#record
            //# A time MUST be read as seconds below 1e11, as milliseconds below 1e14 and as
            //# microseconds below 1e17.
            unix: UnixMillis(unix_millis(&raw)?),
            raw,
        })
    }

    pub(crate) fn device_sn(&self) -> Option<Cow<'_, str>> {
        self.text(Slot::DeviceSn)
    }

    pub(crate) fn status(&self) -> Option<RecognizeStatus> {
        self.integer(Slot::RecognizeStatus).map(RecognizeStatus)
    }

    pub(crate) fn picture(&self) -> Option<Image> {
        Image::of(&self.json, self.value(Slot::Picture))
    }

    pub(crate) fn user(&self) -> Option<User<'_>> {
        User::of(self)
    }

    /// The JSON of the member that `path` leads to, beginning at the facts.
    pub(crate) fn raw(&self, path: &[&str]) -> Option<&str> {
        let mut json = self.facts();
        for name in path {
            json = whole(json, member(json, name)?);
        }
        std::str::from_utf8(json).ok()
    }
}

/// The last member called `name` in the object `json`.
pub(crate) fn member(json: &[u8], name: &str) -> Option<Value> {
    let mut scan = Scanner::new(json, 64);
    let mut found = None;
    scan.enter_object().ok()?;
    while let Some(key) = scan.key().ok()? {
        let value = scan.bulk().ok()?;
        if text(json, key).as_deref() == Some(name) {
            found = Some(value);
        }
    }
    found
}

/// A value's JSON with the quotes that text has.
pub(crate) fn whole(json: &[u8], value: Value) -> &[u8] {
    let range = match value.kind {
        Kind::Text | Kind::EscapedText | Kind::Bulk => {
            (value.start as usize).saturating_sub(1)..(value.end as usize).saturating_add(1)
        }
        _ => value.range(),
    };
    json.get(range).unwrap_or_default()
}
