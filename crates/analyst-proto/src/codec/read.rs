//! Reading messages.

use super::comments::without_comments;
use super::compact::{compacted, has_lone_surrogate};
use super::fields::{Fields, Slot, Slots, slot};
use super::number::{integer, task_id};
use super::{Lenience, goods, usual};
use crate::wire::{
    Action, Extra, Fail, Finish, IdForm, Message, Progress, Start, TaskId, Text, Timeout,
    UnixMillis, Unknown,
};
use crate::{WireError, WireErrorKind};
use bytes::Bytes;
use lenient_wire::{Kind, Scanner, Value, text};
use std::borrow::Cow;

/// Reads one message.
#[inline]
pub(super) fn message(payload: &Bytes, lenience: &Lenience) -> Result<Message, WireError> {
    let max = lenience.limits.bytes;
    if payload.len() > max {
        return Err(WireErrorKind::TooLong { max }.into());
    }
    if let Some(message) = usual::message(payload, lenience) {
        return Ok(message);
    }
    odd_message(payload, lenience).map_err(WireError::from)
}

/// Reads one message, however it is written.
#[inline(never)]
pub(super) fn odd_message(payload: &Bytes, lenience: &Lenience) -> Result<Message, WireErrorKind> {
    let json = trimmed(payload, lenience);
    match Envelope::read(&json, lenience) {
        Ok(envelope) => envelope.message(),
        Err(error @ WireErrorKind::NotJson { .. }) if lenience.comments => {
            let Cow::Owned(plain) = without_comments(&json) else {
                return Err(error);
            };
            let plain = trimmed(&plain.into(), lenience);
            Envelope::read(&plain, lenience)?.message()
        }
        Err(error) => Err(error),
    }
}

/// Without what some peers put before and behind a message.
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST skip a byte order mark before a message and NULs behind it.
fn trimmed(payload: &Bytes, lenience: &Lenience) -> Bytes {
    if !lenience.other_spellings {
        return payload.clone();
    }
    let json = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    let is_kept = |byte: &u8| !matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n');
    let end = json
        .iter()
        .rposition(is_kept)
        .map_or(0, |last| last.saturating_add(1));
    payload.slice_ref(json.get(..end).unwrap_or_default())
}

/// The two members that every message has, and what stands in `data`.
struct Envelope<'a> {
    json: &'a Bytes,
    lenience: &'a Lenience,
    action: Value,
    data: Value,
    fields: Fields,
    has_extra: bool,
}

impl<'a> Envelope<'a> {
    fn read(json: &'a Bytes, lenience: &'a Lenience) -> Result<Self, WireErrorKind> {
        let mut scan = Scanner::new(json, lenience.limits.depth);
        if !scan.at_object() {
            // JSON of another kind deserves the better message.
            scan.value().and_then(|_| scan.end())?;
            return Err(WireErrorKind::NotObject);
        }
        let mut envelope = Self {
            json,
            lenience,
            action: Value::default(),
            data: Value::default(),
            fields: Fields::default(),
            has_extra: false,
        };
        let mut repeated = None;
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            match top(json, key) {
                Some(Top::Action) => {
                    let action = scan.value()?;
                    if envelope.action.kind != Kind::Missing {
                        repeated = Some("action");
                    }
                    envelope.action = action;
                }
                Some(Top::Data) => {
                    if envelope.data.kind != Kind::Missing {
                        repeated = Some("data");
                    }
                    envelope.read_data(&mut scan)?;
                }
                None => {
                    scan.value()?;
                    envelope.has_extra = true;
                }
            }
        }
        //= docs/spec/analyst-proto.md#message
        //# What stands behind a message, other than white space, MUST make it unreadable.
        scan.end()?;
        if has_lone_surrogate(json) {
            return Err(WireErrorKind::LoneSurrogate);
        }
        match repeated {
            //= docs/spec/analyst-proto.md#message
            //# A strict reader MUST refuse a message that has a known member twice.
            Some(member) if !lenience.other_spellings => Err(WireErrorKind::Repeated(member)),
            _ => Ok(envelope),
        }
    }

    /// Reads what stands next: the `data`.
    fn read_data(&mut self, scan: &mut Scanner<'_>) -> Result<(), WireErrorKind> {
        if !scan.at_object() {
            self.data = scan.value()?;
            return Ok(());
        }
        self.fields = Fields::read(self.json, scan)?;
        self.data = Value {
            kind: Kind::Object,
            ..Value::default()
        };
        Ok(())
    }

    fn message(self) -> Result<Message, WireErrorKind> {
        let action = match self.action.kind {
            Kind::Missing | Kind::Null => return Err(WireErrorKind::Missing("action")),
            Kind::Text | Kind::EscapedText => shared(self.json, self.action),
            _ => None,
        };
        let action = action.ok_or(WireErrorKind::Shape("action"))?;
        let Some(known) = Action::of(&action) else {
            //= docs/spec/analyst-proto.md#message
            //# A message of an action that nobody knows MUST be kept whole.
            let mut scan = Scanner::new(self.json, self.lenience.limits.depth);
            let raw = compacted(self.json.slice(scan.value()?.range()));
            return Ok(Unknown { action, raw }.into());
        };
        //= docs/spec/analyst-proto.md#message
        //# A lenient reader MUST read an action whatever the case of its letters.
        if action != known.as_str() && !self.lenience.other_spellings {
            return Err(WireErrorKind::NotStrict("action"));
        }
        let envelope = if self.has_extra {
            let is_known = |json: &[u8], key| top(json, key).is_some();
            extra(self.json, self.lenience, is_known)?
        } else {
            Extra::default()
        };
        match self.data.kind {
            Kind::Object => Data {
                json: self.json,
                lenience: self.lenience,
                fields: self.fields,
            }
            .message(known, envelope),
            //= docs/spec/analyst-proto.md#message
            //# A lenient reader MUST read `data` also from a text that holds the object.
            Kind::Text | Kind::EscapedText => {
                if !self.lenience.other_spellings {
                    return Err(WireErrorKind::NotStrict("data"));
                }
                let inner = shared(self.json, self.data).ok_or(WireErrorKind::Shape("data"))?;
                let inner = inner.into_bytes();
                let mut scan = Scanner::new(&inner, self.lenience.limits.depth);
                let fields = Fields::read(&inner, &mut scan);
                let fields =
                    fields.and_then(|fields| scan.end().map(|()| fields).map_err(Into::into));
                let fields = fields.map_err(|error| error.within("data"))?;
                if has_lone_surrogate(&inner) {
                    return Err(WireErrorKind::LoneSurrogate);
                }
                Data {
                    json: &inner,
                    lenience: self.lenience,
                    fields,
                }
                .message(known, envelope)
            }
            //= docs/spec/analyst-proto.md#message
            //# `ANALYSIS_TIMEOUT` MUST be read also with `data` missing, null or empty, and no other
            //# message of the document without the number of its task.
            Kind::Missing | Kind::Null if known == Action::Timeout => Data {
                json: self.json,
                lenience: self.lenience,
                fields: Fields::default(),
            }
            .message(known, envelope),
            Kind::Missing | Kind::Null => Err(WireErrorKind::Missing("data")),
            _ => Err(WireErrorKind::Shape("data")),
        }
    }
}

/// What stands in `data`.
struct Data<'a> {
    json: &'a Bytes, // in which `fields` stand
    lenience: &'a Lenience,
    fields: Fields,
}

impl Data<'_> {
    fn message(&self, action: Action, envelope: Extra) -> Result<Message, WireErrorKind> {
        let known = Slots::of(action);
        if let (Some(slot), false) = (self.fields.repeated(known), self.lenience.other_spellings) {
            return Err(WireErrorKind::Repeated(slot.name()));
        }
        match action {
            Action::Start => self.start(envelope).map(Message::Start),
            Action::Finish => self.finish(envelope).map(Message::Finish),
            Action::Fail => self.fail(envelope).map(Message::Fail),
            Action::Timeout => {
                let id = match self.fields.of(Slot::Id).kind {
                    Kind::Missing | Kind::Null => None,
                    _ => Some(self.id()?),
                };
                Ok(Message::Timeout(Timeout {
                    id: id.map(|(id, _)| id),
                    id_form: id.map(|(_, form)| form).unwrap_or_default(),
                    extra: self.extra(known)?,
                    envelope,
                }))
            }
            Action::Progress => {
                let (id, id_form) = self.id()?;
                Ok(Message::Progress(Progress {
                    id,
                    id_form,
                    extra: self.extra(known)?,
                    envelope,
                }))
            }
        }
    }

    fn start(&self, envelope: Extra) -> Result<Start, WireErrorKind> {
        let (id, id_form) = self.id()?;
        let top_video = self.video(Slot::TopVideo)?;
        let top_video = top_video.ok_or(WireErrorKind::Missing("top_video"))?;
        let goods_ids = self.fields.of(Slot::GoodsIds);
        let goods_ids = goods::read_goods(self.json, goods_ids, self.lenience)?;
        let weight_info = match self.fields.of(Slot::WeightInfo) {
            none if is_none(none) => None,
            weights => Some(goods::read_weights(self.json, weights, self.lenience)?),
        };
        Ok(Start {
            id,
            id_form,
            top_video,
            goods_ids,
            ass_video: self.video(Slot::AssVideo)?,
            weight_info,
            door_open_timestamp: self.time(Slot::DoorOpen)?,
            door_close_timestamp: self.time(Slot::DoorClose)?,
            analyst_id: self.analyst_id(),
            extra: self.extra(Slots::of(Action::Start))?,
            envelope,
        })
    }

    fn finish(&self, envelope: Extra) -> Result<Finish, WireErrorKind> {
        let (id, id_form) = self.id()?;
        let result = self.result()?;
        Ok(Finish {
            id,
            id_form,
            taken: goods::read_taken(self.json, result, self.lenience)?,
            analyst_id: self.analyst_id(),
            extra: self.extra(Slots::of(Action::Finish))?,
            envelope,
        })
    }

    fn fail(&self, envelope: Extra) -> Result<Fail, WireErrorKind> {
        let (id, id_form) = self.id()?;
        let result = self.result()?;
        let reason = match result.kind {
            Kind::Text | Kind::EscapedText => {
                shared(self.json, result).ok_or(WireErrorKind::Shape("RESULT"))?
            }
            Kind::Missing if !self.lenience.other_spellings => {
                return Err(WireErrorKind::Missing("RESULT"));
            }
            _ if !self.lenience.other_spellings => return Err(WireErrorKind::NotStrict("RESULT")),
            //= docs/spec/analyst-proto.md#message
            //# A lenient reader MUST read any JSON as the reason of `ANALYSIS_FAIL`, and an empty one
            //# where it is missing or null.
            Kind::Missing | Kind::Null => Text::default(),
            _ => compacted(self.json.slice(result.range())),
        };
        Ok(Fail {
            id,
            id_form,
            reason,
            analyst_id: self.analyst_id(),
            extra: self.extra(Slots::of(Action::Fail))?,
            envelope,
        })
    }

    fn id(&self) -> Result<(TaskId, IdForm), WireErrorKind> {
        match self.fields.of(Slot::Id) {
            none if is_none(none) => Err(WireErrorKind::Missing("id")),
            id => task_id(self.json, id, self.lenience),
        }
    }

    //= docs/spec/analyst-proto.md#message
    //# An optional member that is null MUST be read as one that is missing.
    fn video(&self, slot: Slot) -> Result<Option<Text>, WireErrorKind> {
        match self.fields.of(slot) {
            none if is_none(none) => Ok(None),
            value if matches!(value.kind, Kind::Text | Kind::EscapedText) => {
                let text = shared(self.json, value).ok_or(WireErrorKind::Shape(slot.name()))?;
                Ok(Some(text))
            }
            _ => Err(WireErrorKind::Shape(slot.name())),
        }
    }

    //= docs/spec/analyst-proto.md#message
    //# Times MUST be read as milliseconds whatever their size, and not be checked against each other.
    fn time(&self, slot: Slot) -> Result<Option<UnixMillis>, WireErrorKind> {
        match self.fields.of(slot) {
            none if is_none(none) => Ok(None),
            time => integer(self.json, time, slot.name(), self.lenience)
                .map(|millis| Some(UnixMillis(millis))),
        }
    }

    fn analyst_id(&self) -> Option<Text> {
        match self.fields.of(Slot::AnalystId) {
            none if is_none(none) => None,
            label => Some(raw(self.json, label)),
        }
    }

    /// The result, whatever the case of its name.
    //= docs/spec/analyst-proto.md#message
    //# Of a result's names `RESULT` MUST win over `result`, and `result` over `Result`, which only a
    //# lenient reader takes.
    fn result(&self) -> Result<Value, WireErrorKind> {
        let [upper, lower, title] = [Slot::ResultUpper, Slot::ResultLower, Slot::ResultTitle]
            .map(|slot| self.fields.of(slot));
        if title.kind != Kind::Missing && !self.lenience.other_spellings {
            return Err(WireErrorKind::NotStrict("RESULT"));
        }
        let mut stated = [upper, lower, title].into_iter();
        Ok(stated
            .find(|value| value.kind != Kind::Missing)
            .unwrap_or_default())
    }

    fn extra(&self, known: Slots) -> Result<Extra, WireErrorKind> {
        if !self.fields.has_extra(known) {
            return Ok(Extra::default());
        }
        let is_known = |json: &[u8], key| slot(json, key).is_some_and(|slot| known.has(slot));
        extra(
            &self.json.slice(self.fields.object()),
            self.lenience,
            is_known,
        )
    }
}

/// The members of an object that nobody knows.
//= docs/spec/analyst-proto.md#message
//# Members that nobody knows MUST be kept as JSON text, beside `action` and in `data`, and be written
//# behind the known ones.
fn extra(
    object: &Bytes,
    lenience: &Lenience,
    is_known: impl Fn(&[u8], Value) -> bool,
) -> Result<Extra, WireErrorKind> {
    let mut extra = Extra::default();
    let mut scan = Scanner::new(object, lenience.limits.depth);
    scan.enter_object()?;
    while let Some(key) = scan.key()? {
        let value = scan.value()?;
        if is_known(object, key) {
            continue;
        }
        let name = shared(object, key).ok_or(WireErrorKind::NotUtf8)?;
        let is_there = extra.insert(name, raw(object, value));
        if is_there && !lenience.other_spellings {
            return Err(WireErrorKind::Repeated("a member that nobody knows"));
        }
        if extra.len() > lenience.limits.extra {
            return Err(WireErrorKind::TooMany {
                what: "members that nobody knows",
                max: lenience.limits.extra,
            });
        }
    }
    Ok(extra)
}

/// What a text found in `json` says; a slice if it has no escapes.
fn shared(json: &Bytes, value: Value) -> Option<Text> {
    match value.kind {
        Kind::Text => Some(Text::validated(json.slice(value.range()))),
        _ => text(json, value).map(|text| text.into_owned().into()),
    }
}

/// A value as it is written, without white space between its tokens.
fn raw(json: &Bytes, value: Value) -> Text {
    let range = value.range();
    compacted(json.slice(match value.kind {
        Kind::Text | Kind::EscapedText => {
            range.start.saturating_sub(1)..range.end.saturating_add(1)
        }
        _ => range,
    }))
}

fn is_none(value: Value) -> bool {
    matches!(value.kind, Kind::Missing | Kind::Null)
}

enum Top {
    Action,
    Data,
}

/// The member of the envelope that a name is.
fn top(json: &[u8], key: Value) -> Option<Top> {
    let name = match key.kind {
        Kind::EscapedText => text(json, key)?,
        _ => Cow::Borrowed(std::str::from_utf8(key.of(json)).ok()?),
    };
    match name.as_bytes() {
        b"action" => Some(Top::Action),
        b"data" => Some(Top::Data),
        _ => None,
    }
}
