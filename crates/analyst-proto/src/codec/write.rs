//! Writing messages: compact, strict, members in one order.
//!
//! Nothing is written that a message does not state: no attempt, no sender.

use super::Digits;
use super::dialect::{Dialect, Nested, ResultKey};
use super::fields::{Slot, Slots};
use crate::wire::{
    Action, Extra, Fail, Finish, Goods, GoodsId, IdForm, Message, Start, TaskId, Text, Unknown,
    WeightChange, cut, in_order,
};
use lenient_wire::{Kind, ObjectWriter, Scanner, push_text, push_utf8};

pub(super) fn message(message: &Message, dialect: Dialect, out: &mut Vec<u8>) {
    match message {
        Message::Start(start) => envelope(Action::Start, &start.envelope, out, |data| {
            write_start(start, dialect, data);
        }),
        Message::Finish(finish) => envelope(Action::Finish, &finish.envelope, out, |data| {
            write_finish(finish, dialect, data);
        }),
        Message::Fail(fail) => envelope(Action::Fail, &fail.envelope, out, |data| {
            write_fail(fail, dialect, data);
        }),
        Message::Timeout(timeout) => envelope(Action::Timeout, &timeout.envelope, out, |data| {
            //= docs/spec/analyst-proto.md#message
            //# `ANALYSIS_TIMEOUT` MUST be written with the number of its task.
            if let Some(id) = timeout.id {
                write_id(data, id, timeout.id_form);
            }
            write_extra(data, Action::Timeout, &timeout.extra);
        }),
        Message::Progress(progress) => {
            envelope(Action::Progress, &progress.envelope, out, |data| {
                write_id(data, progress.id, progress.id_form);
                write_extra(data, Action::Progress, &progress.extra);
            });
        }
        Message::Unknown(unknown) => write_unknown(unknown, out),
    }
}

//= docs/spec/analyst-proto.md#message
//# A message MUST be written as compact JSON, `action` before `data`, and always with the same bytes.
fn envelope(
    action: Action,
    beside: &Extra,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut ObjectWriter<'_>),
) {
    let mut object = ObjectWriter::new(out);
    object.text("action", action.as_str());
    let mut data = object.object("data");
    write(&mut data);
    data.end();
    for (name, json) in beside.iter() {
        if !matches!(name.as_str(), "action" | "data") {
            object.raw(name, json.as_bytes());
        }
    }
    object.end();
}

fn write_start(start: &Start, dialect: Dialect, data: &mut ObjectWriter<'_>) {
    write_id(data, start.id, start.id_form);
    write_text(data, "top_video", &start.top_video);
    write_nested(data, "goods_ids", dialect.nested, |out| {
        write_goods(out, &start.goods_ids);
    });
    //= docs/spec/analyst-proto.md#message
    //# An optional member that a message does not have MUST NOT be written.
    if let Some(video) = &start.ass_video {
        write_text(data, "ass_video", video);
    }
    if let Some(weights) = &start.weight_info {
        write_nested(data, "weight_info", dialect.nested, |out| {
            write_weights(out, weights);
        });
    }
    for (name, time) in [
        ("door_open_timestamp", start.door_open_timestamp),
        ("door_close_timestamp", start.door_close_timestamp),
    ] {
        if let Some(time) = time {
            push_integer(data.name(name), time.0);
        }
    }
    //= docs/spec/analyst-proto.md#message
    //# `ANALYSIS_START` MUST always be written with `analyst_id`, as null if it has none.
    data.raw(
        "analyst_id",
        label(start.analyst_id.as_ref()).unwrap_or(b"null"),
    );
    write_extra(data, Action::Start, &start.extra);
}

//= docs/spec/analyst-proto.md#message
//# A writer MUST NOT add the number of an attempt or who writes to a message that does not state it.
fn write_finish(finish: &Finish, dialect: Dialect, data: &mut ObjectWriter<'_>) {
    write_id(data, finish.id, finish.id_form);
    for name in result_names(dialect) {
        write_taken(data.name(name), &finish.taken);
    }
    if let Some(label) = label(finish.analyst_id.as_ref()) {
        data.raw("analyst_id", label);
    }
    write_extra(data, Action::Finish, &finish.extra);
}

fn write_fail(fail: &Fail, dialect: Dialect, data: &mut ObjectWriter<'_>) {
    write_id(data, fail.id, fail.id_form);
    for name in result_names(dialect) {
        //= docs/spec/analyst-proto.md#message
        //# A reason MUST be written with at most 512 bytes, and be cut between two characters.
        data.text(name, cut(&fail.reason, Fail::MAX_REASON));
    }
    if let Some(label) = label(fail.analyst_id.as_ref()) {
        data.raw("analyst_id", label);
    }
    write_extra(data, Action::Fail, &fail.extra);
}

//= docs/spec/analyst-proto.md#message
//# A result MUST be written under `RESULT`, unless the dialect has it under `result` or under both.
fn result_names(dialect: Dialect) -> impl Iterator<Item = &'static str> {
    let (upper, lower) = match dialect.result_key {
        ResultKey::Upper => (Some(Slot::ResultUpper), None),
        ResultKey::Lower => (None, Some(Slot::ResultLower)),
        ResultKey::Both => (Some(Slot::ResultUpper), Some(Slot::ResultLower)),
    };
    upper.into_iter().chain(lower).map(Slot::name)
}

//= docs/spec/analyst-proto.md#message
//# The number of a task MUST be written in the form it came in.
fn write_id(data: &mut ObjectWriter<'_>, id: TaskId, form: IdForm) {
    let out = data.name("id");
    match form {
        IdForm::Number => push_natural(out, id.0),
        IdForm::String => {
            out.push(b'"');
            push_natural(out, id.0);
            out.push(b'"');
        }
    }
}

fn write_text(data: &mut ObjectWriter<'_>, name: &str, text: &Text) {
    push_utf8(data.name(name), text.as_bytes());
}

//= docs/spec/analyst-proto.md#message
//# `goods_ids` and `weight_info` MUST be written as JSON, unless the dialect has them as texts that
//# hold it.
fn write_nested(
    data: &mut ObjectWriter<'_>,
    name: &str,
    nested: Nested,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let out = data.name(name);
    match nested {
        Nested::Native => write(out),
        Nested::StringEncoded => {
            let mut json = Vec::new();
            write(&mut json);
            push_utf8(out, &json);
        }
    }
}

//= docs/spec/analyst-proto.md#message
//# The order of the goods on a floor and their repeats MUST be kept.
pub(crate) fn write_goods(out: &mut Vec<u8>, goods: &Goods) {
    out.push(b'{');
    for (nth, (floor, ids)) in goods.floors().enumerate() {
        push_comma(out, nth);
        out.push(b'"');
        push_integer(out, floor.0.into());
        out.extend_from_slice(b"\":[");
        for (nth, id) in ids.enumerate() {
            push_comma(out, nth);
            push_natural(out, id.0);
        }
        out.push(b']');
    }
    out.push(b'}');
}

pub(crate) fn write_weights(out: &mut Vec<u8>, weights: &[WeightChange]) {
    out.push(b'[');
    for (nth, change) in weights.iter().enumerate() {
        push_comma(out, nth);
        let mut object = ObjectWriter::new(out);
        push_integer(object.name("startTimeStamp"), change.start.0);
        push_integer(object.name("endTimeStamp"), change.end.0);
        push_integer(object.name("weight"), change.weight.into());
        push_integer(object.name("floor"), change.floor.0.into());
        object.end();
    }
    out.push(b']');
}

pub(crate) fn write_taken(out: &mut Vec<u8>, taken: &[(GoodsId, i32)]) {
    out.push(b'{');
    for (nth, (goods, count)) in in_order(taken).iter().enumerate() {
        push_comma(out, nth);
        out.push(b'"');
        push_natural(out, goods.0);
        out.extend_from_slice(b"\":");
        push_integer(out, (*count).into());
    }
    out.push(b'}');
}

fn write_extra(data: &mut ObjectWriter<'_>, action: Action, extra: &Extra) {
    let known = Slots::of(action);
    for (name, json) in extra.iter() {
        let slot = Slot::of(name.as_bytes());
        if !slot.is_some_and(|slot| known.has(slot)) {
            data.raw(name, json.as_bytes());
        }
    }
}

/// The label of an attempt, if it is JSON and says something.
fn label(analyst_id: Option<&Text>) -> Option<&[u8]> {
    let json = analyst_id?.as_bytes();
    let kind = kind(json)?;
    (kind != Kind::Null).then_some(json)
}

fn write_unknown(unknown: &Unknown, out: &mut Vec<u8>) {
    let raw = unknown.raw.as_bytes();
    if kind(raw) == Some(Kind::Object) {
        return out.extend_from_slice(raw);
    }
    out.extend_from_slice(b"{\"action\":");
    push_text(out, &unknown.action);
    out.push(b'}');
}

/// What JSON is; `None` if it is none.
fn kind(json: &[u8]) -> Option<Kind> {
    let mut scan = Scanner::new(json, 64);
    let value = scan.value().ok()?;
    scan.end().ok().map(|()| value.kind)
}

/// A comma before all but the first.
fn push_comma(out: &mut Vec<u8>, nth: usize) {
    if nth != 0 {
        out.push(b',');
    }
}

fn push_integer(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push_natural(out, number.unsigned_abs());
}

#[inline]
fn push_natural(out: &mut Vec<u8>, number: u64) {
    if number < 10 {
        return out.push(b'0' | u8::try_from(number).unwrap_or_default());
    }
    out.extend_from_slice(Digits::of(number).as_bytes());
}
