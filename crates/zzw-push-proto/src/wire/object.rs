//! Reading the members of an object.

use super::name::{Fields, Slot, Slots};
use super::slice::Cut;
use super::{
    Bodies, Extra, Json, Lenience, MAX_BODY_DEPTH, MAX_DEPTH, Mid, Num, Text, Texts, Token,
};
use crate::WireErrorKind;
use bytes::Bytes;
use lenient_wire::{Kind, Scanner, Value, integer};
use std::ops::Range;

pub(crate) type Read<T> = Result<T, WireErrorKind>;

/// An object that was received, and where its members are.
pub(crate) struct Object<'a> {
    pub(crate) json: &'a [u8],
    pub(crate) source: &'a Bytes, // of the same bytes
    pub(crate) fields: &'a Fields,
    pub(crate) lenience: Lenience,
}

impl Object<'_> {
    /// Hands over the members of an object inside this one.
    pub(crate) fn members(
        &self,
        object: Value,
        mut member: impl FnMut(Option<Slot>, Value) -> Read<()>,
    ) -> Read<()> {
        let json = object.of(self.json);
        let mut scan = Scanner::new(json, MAX_DEPTH);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            let slot = Slot::of_key(json, key);
            let mut value = scan.value()?;
            value.start = value.start.saturating_add(object.start);
            value.end = value.end.saturating_add(object.start);
            member(slot, value)?;
        }
        Ok(())
    }

    pub(crate) fn bodies(&self) -> Read<Bodies> {
        let value = self.fields.value(Slot::Msg);
        match (value.kind, self.lenience) {
            (Kind::Missing | Kind::Null, _) => Ok(Bodies::default()),
            (Kind::Array, _) | (_, Lenience::Vendor) => Ok(Bodies::of(self, value)),
            _ => Err(WireErrorKind::Shape("msg")),
        }
    }

    #[inline]
    pub(crate) fn body(&self) -> Read<Json> {
        let value = self.fields.value(Slot::Msg);
        match value.kind {
            Kind::Missing => Err(WireErrorKind::Missing("msg")),
            Kind::Object | Kind::Array => {
                //= docs/spec/zzw-push-proto.md#message
                //# A body nested deeper than 56 levels MUST be reported as too deep, so that what
                //# delivers it can be read.
                let depth = Scanner::new(value.of(self.json), MAX_BODY_DEPTH).value();
                depth.map_err(WireErrorKind::from)?;
                Ok(Json::of(self, value))
            }
            _ => Ok(Json::of(self, value)),
        }
    }

    #[inline]
    pub(crate) fn t(&self) -> Read<Option<i64>> {
        let value = self.fields.value(Slot::T);
        match (value.kind, value.of(self.json)) {
            (Kind::Missing | Kind::Null, _) => Ok(None),
            (Kind::Number, [digit @ b'0'..=b'9']) => Ok(Some(i64::from(digit & 0xf))),
            (Kind::Number, [b'-', digit @ b'0'..=b'9']) => {
                Ok(Some(0_i64.wrapping_sub(i64::from(digit & 0xf))))
            }
            (kind, _) => {
                let is_fit = kind == Kind::Number || self.lenience == Lenience::Vendor;
                let t = is_fit.then(|| integer(self.json, value)).flatten();
                t.map(Some).ok_or(WireErrorKind::Shape("t"))
            }
        }
    }

    #[inline]
    //= docs/spec/zzw-push-proto.md#number-and-failure
    //# The number of a request MUST be kept as it came, as text or as a number, and be echoed
    //# unchanged.
    pub(crate) fn num(&self) -> Read<Num> {
        let value = self.fields.value(Slot::Num);
        match value.kind {
            //= docs/spec/zzw-push-proto.md#number-and-failure
            //# A number that is missing or null MUST be read as absent and not be echoed.
            Kind::Missing | Kind::Null => Ok(Num::Absent),
            Kind::Number => Ok(Num::Num(Text::of(self, value).unwrap_or_default())),
            Kind::Text | Kind::EscapedText => {
                Ok(Num::Str(Text::of(self, value).unwrap_or_default()))
            }
            _ => Err(WireErrorKind::Shape("num")),
        }
    }

    #[inline]
    //= docs/spec/zzw-push-proto.md#message
    //# An id MUST be read from text and from a number alike, and go back as it came.
    pub(crate) fn mid(&self) -> Read<Mid> {
        let value = self.fields.value(Slot::Mid);
        let text = || Text::of(self, value).unwrap_or_default();
        match value.kind {
            Kind::Number => Ok(Mid::Num(text())),
            Kind::Text | Kind::EscapedText if value.start < value.end => Ok(Mid::Str(text())),
            Kind::Missing | Kind::Null | Kind::Text => Err(WireErrorKind::Missing("mid")),
            _ => Err(WireErrorKind::Shape("mid")),
        }
    }

    pub(crate) fn token(&self) -> Read<Option<Token>> {
        Ok(self.text(Slot::Token, "token")?.map(Token))
    }

    /// A text that may be absent; a number counts as one where that is put up with.
    #[inline]
    pub(crate) fn text(&self, slot: Slot, name: &'static str) -> Read<Option<Text>> {
        let value = self.fields.value(slot);
        //= docs/spec/zzw-push-proto.md#message
        //# The room and the user of a door frame MUST be read from text and from numbers alike.
        if is_door(slot) && value.kind == Kind::Number {
            return Ok(Text::of(self, value));
        }
        self.text_at(value, name)
    }

    #[inline]
    //= docs/spec/zzw-push-proto.md#lenience
    //# A lenient reader MUST read a type, an alias and a topic from text and from numbers alike.
    pub(crate) fn text_at(&self, value: Value, name: &'static str) -> Read<Option<Text>> {
        match value.kind {
            Kind::Missing | Kind::Null => Ok(None),
            Kind::Number if self.lenience == Lenience::Strict => Err(WireErrorKind::Shape(name)),
            Kind::Number | Kind::Text | Kind::EscapedText => Ok(Text::of(self, value)),
            _ => Err(WireErrorKind::Shape(name)),
        }
    }

    /// A text that has to be there.
    pub(crate) fn needed(&self, slot: Slot, name: &'static str) -> Read<Text> {
        match self.text(slot, name)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(WireErrorKind::Missing(name)),
        }
    }

    #[inline]
    pub(crate) fn texts(&self, slot: Slot, name: &'static str, max: usize) -> Read<Texts> {
        let value = self.fields.value(slot);
        if let (Kind::Array, Some(list)) = (value.kind, self.fields.list_of_texts(slot)) {
            if list.len > max {
                return Err(WireErrorKind::TooMany { field: name, max });
            }
            return Ok(Texts::of_list(self, value, list));
        }
        let is_number_fit = self.lenience == Lenience::Vendor;
        match value.kind {
            Kind::Missing | Kind::Null => return Ok(Texts::default()),
            //= docs/spec/zzw-push-proto.md#lenience
            //# One alias or topic MUST be read as a list of one.
            Kind::Array | Kind::Text | Kind::EscapedText => {}
            Kind::Number if is_number_fit => {}
            _ => return Err(WireErrorKind::Shape(name)),
        }
        let texts = Texts::of(self, value, is_number_fit).ok_or(WireErrorKind::Shape(name))?;
        if texts.len() > max {
            //= docs/spec/zzw-push-proto.md#publication
            //# A publication to more than 1000 aliases or 100 topics MUST fail as too large.
            return Err(WireErrorKind::TooMany { field: name, max });
        }
        Ok(texts)
    }

    /// A number of things; 0 if absent.
    pub(crate) fn count(&self, slot: Slot, name: &'static str) -> Read<u64> {
        let value = self.fields.value(slot);
        if matches!(value.kind, Kind::Missing | Kind::Null) {
            return Ok(0);
        }
        let count = integer(self.json, value).and_then(|count| u64::try_from(count).ok());
        count.ok_or(WireErrorKind::Shape(name))
    }

    #[inline]
    pub(crate) fn extra(&self, known: Slots) -> Extra {
        if self.fields.exceeds(known) {
            Extra::of(self.source.clone(), known)
        } else {
            Extra::default()
        }
    }
}

impl Cut for Object<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.json
    }

    fn share(&self, part: Range<usize>) -> Bytes {
        self.source.slice(part)
    }
}

/// The two members of which the document does not say what they are (Z-13).
fn is_door(slot: Slot) -> bool {
    matches!(slot, Slot::R | Slot::U)
}
