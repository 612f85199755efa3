//! Lists, walked when someone asks.

use super::name::List;
use super::slice::{Cut, Slice};
use super::write::push_raw;
use super::{Json, MAX_DEPTH, Text};
use lenient_wire::{Kind, Scanner, Value, push_text};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Texts in order: topics, aliases, ids of messages. Cheap to clone.
///
/// A received list stays the slice of the message that it is. It was validated when the message was
/// decoded; each walk reads it again.
#[derive(Clone, Default)]
pub struct Texts {
    json: Slice, // an array of texts and numbers, or one text
    len: usize,
    is_compact: bool, // the array as we write it
}

/// So many are compared one by one faster than by their hashes.
const FEW: usize = 16;

/// The topics of a message.
pub type Topics = Texts;

/// The aliases of a message.
pub type Aliases = Texts;

/// JSON values in order: the bodies that a pull brings. Cheap to clone, read like [`Texts`].
#[derive(Clone, Default)]
pub struct Bodies {
    json: Slice, // an array, or one value
    len: usize,
}

impl Texts {
    /// Number of texts, with what occurs twice.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The texts in order.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let json: &[u8] = &self.json;
        values(json).filter_map(|value| lenient_wire::text(json, value))
    }

    /// The texts in order, as texts that outlive the list.
    pub fn texts(&self) -> impl Iterator<Item = Text> {
        values(&self.json).filter_map(|value| Text::of(&self.json, value))
    }

    /// Each text where it occurs first (Z-22).
    //= docs/spec/zzw-push-proto.md#publication
    //# A name that occurs twice in a publication MUST count once, where it occurs first.
    pub fn distinct(&self) -> Vec<Text> {
        if self.len <= FEW {
            let mut distinct = Vec::with_capacity(self.len);
            for text in self.texts() {
                if !distinct.contains(&text) {
                    distinct.push(text);
                }
            }
            return distinct;
        }
        let mut seen = HashSet::with_capacity(self.len);
        let is_new = |text: &Text| seen.insert(text.clone());
        self.texts().filter(is_new).collect()
    }

    /// A list of so many texts as we would write it.
    #[inline]
    pub(crate) fn compact(json: Slice, len: usize) -> Self {
        Self {
            json,
            len,
            is_compact: true,
        }
    }

    /// A list whose elements have been looked at already.
    #[inline]
    pub(crate) fn of_list(json: &impl Cut, value: Value, list: List) -> Self {
        Self {
            json: json.cut(value.range()),
            len: list.len,
            is_compact: list.is_compact,
        }
    }

    /// A list found in a message: an array, or one value that is none. `None` if something in it is
    /// neither text nor, where numbers are accepted, a number.
    pub(crate) fn of(json: &impl Cut, value: Value, accepts_numbers: bool) -> Option<Self> {
        let is_fit = |kind: Kind| match kind {
            Kind::Text | Kind::EscapedText => true,
            Kind::Number => accepts_numbers,
            _ => false,
        };
        let json = json.cut(super::json::whole(value));
        let mut len = 0_usize;
        for value in values(&json) {
            if !is_fit(value.kind) {
                return None;
            }
            len = len.saturating_add(1);
        }
        Some(Self {
            json,
            len,
            is_compact: false,
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.is_compact {
            return out.extend_from_slice(&self.json);
        }
        out.push(b'[');
        for (nth, text) in self.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            push_text(out, &text);
        }
        out.push(b']');
    }
}

impl Bodies {
    /// Number of bodies.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bodies in order.
    pub fn iter(&self) -> impl Iterator<Item = Json> {
        values(&self.json).map(|value| Json::of(&self.json, value))
    }

    pub(crate) fn of(json: &impl Cut, value: Value) -> Self {
        let json = json.cut(super::json::whole(value));
        let len = values(&json).count();
        Self { json, len }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let is_array = matches!(self.json.first(), Some(b'['));
        if is_array {
            return push_raw(out, &self.json);
        }
        out.push(b'[');
        push_raw(out, &self.json);
        out.push(b']');
    }
}

impl<T: AsRef<str>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let (mut json, mut len) = (vec![b'['], 0_usize);
        for text in texts {
            if len > 0 {
                json.push(b',');
            }
            push_text(&mut json, text.as_ref());
            len = len.saturating_add(1);
        }
        json.push(b']');
        let json = json.into();
        Self {
            json,
            len,
            is_compact: true,
        }
    }
}

impl FromIterator<Json> for Bodies {
    fn from_iter<I: IntoIterator<Item = Json>>(bodies: I) -> Self {
        let (mut json, mut len) = (vec![b'['], 0_usize);
        for body in bodies {
            if len > 0 {
                json.push(b',');
            }
            body.write(&mut json);
            len = len.saturating_add(1);
        }
        json.push(b']');
        let json = json.into();
        Self { json, len }
    }
}

impl PartialEq for Texts {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Texts {}

impl PartialEq for Bodies {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Bodies {}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bodies({} of {} bytes)", self.len, self.json.len())
    }
}

/// The elements of an array, or the one value that is none. Nothing for an empty text.
fn values(json: &[u8]) -> impl Iterator<Item = Value> {
    let mut scan = Scanner::new(json, MAX_DEPTH);
    let is_array = scan.at_array() && scan.enter_array().is_ok();
    let mut is_one = !is_array && !json.is_empty();
    std::iter::from_fn(move || {
        let goes_on = if is_array {
            scan.element().unwrap_or(false)
        } else {
            std::mem::take(&mut is_one)
        };
        goes_on.then(|| scan.value().ok()).flatten()
    })
}
