//! Members that a message has beyond those it is known for.

use super::json::whole;
use super::name::{Slot, Slots};
use super::slice::Cut;
use super::write::push_raw;
use super::{Json, MAX_DEPTH, Text};
use bytes::Bytes;
use lenient_wire::{Scanner, push_text, text};
use std::borrow::Cow;
use std::fmt;

/// The members of a message that this crate does not know, as they were written. Cheap to clone.
///
/// They are kept, compared, and written again behind the known ones. `Debug` shows their names.
#[derive(Clone, Default)]
pub struct Extra(Option<Box<Origin>>); // boxed: it is rare, and every message has room for it

#[derive(Clone)]
struct Origin {
    json: Bytes, // the whole object they stand in
    known: Slots,
}

impl Extra {
    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// True if there was never one, which is told at once.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Name and JSON of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Json)> {
        self.0.as_deref().into_iter().flat_map(Origin::members)
    }

    /// The last member of this name.
    pub fn member(&self, name: &str) -> Option<Json> {
        let members = self.iter().filter(|(known, _)| known == name);
        members.last().map(|(_, json)| json)
    }

    /// What was received under this name, if it is a text or a number.
    pub fn text(&self, name: &str) -> Option<Text> {
        let json = Bytes::copy_from_slice(self.member(name)?.as_bytes());
        let value = Scanner::new(&json, MAX_DEPTH).value().ok()?;
        Text::of(&json, value)
    }

    /// Adds a member. One that the message knows is not written: set its field instead.
    pub fn push(&mut self, name: &str, json: &Json) {
        let mut object = Vec::new();
        object.push(b'{');
        for (name, json) in self.iter() {
            push_text(&mut object, &name);
            object.push(b':');
            json.write(&mut object);
            object.push(b',');
        }
        push_text(&mut object, name);
        object.push(b':');
        push_raw(&mut object, json.as_bytes());
        object.push(b'}');
        let json = object.into();
        self.0 = Some(Box::new(Origin {
            json,
            known: Slots::default(),
        }));
    }

    /// The members of an object beyond `known`.
    //= docs/spec/zzw-push-proto.md#message
    //# Members that nobody knows MUST be kept as the JSON text they came in and be written behind
    //# the known ones.
    pub(crate) fn of(json: Bytes, known: Slots) -> Self {
        Self(Some(Box::new(Origin { json, known })))
    }
}

impl Origin {
    fn members(&self) -> impl Iterator<Item = (Cow<'_, str>, Json)> {
        let json = &self.json;
        let mut scan = Scanner::new(json, MAX_DEPTH);
        let is_object = scan.enter_object().is_ok();
        std::iter::from_fn(move || {
            loop {
                let key = if is_object {
                    scan.key().ok()??
                } else {
                    return None;
                };
                let value = scan.value().ok()?;
                if Slot::of_key(json, key).is_none_or(|slot| !self.known.contains(slot)) {
                    return Some((text(json, key)?, Json::of(json, value)));
                }
            }
        })
    }
}

impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        (self.0.is_none() && other.0.is_none()) || self.iter().eq(other.iter())
    }
}

impl Eq for Extra {}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// The range of an object's text as [`Extra::of`] wants it.
pub(crate) fn object_at(json: &impl Cut, value: lenient_wire::Value) -> Bytes {
    json.share(whole(value))
}
