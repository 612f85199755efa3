//! A face event as one line of JSON, for pipes.

use super::pictures::Saved;
use lenient_wire::ObjectWriter;
use se5_events::platform::{Freshness, Source};
use se5_events::{EventKey, FaceEvent};
use std::borrow::Cow;

/// Appends the line, line feed included.
///
/// Ids are texts, since JavaScript and others round long numbers. Everything the event does not say
/// is `null`, and pictures are only named, never included.
///
/// ```text
/// {"key":"9f…","event_id":"1607062639.737444","device_id":"04f98265-…","device_ip":"192.168.1.101",
///  "device_type":"3","identity_id":"9007199254740993","identity_name":"测试员甲","group_name":"研发部",
///  "person_type":1,"person_type_missing":false,"score":0.78,"timestamp_ms":1607062639701,
///  "freshness":"live","age_ms":12,"source":"live","actionable":true,"pictures":["…-face.jpg"]}
/// ```
pub fn push_line(
    event: &FaceEvent,
    freshness: Freshness,
    source: Source,
    pictures: &Saved,
    out: &mut Vec<u8>,
) {
    let mut line = ObjectWriter::new(out);
    let person = event.person();
    line.text("key", &hex(&event.key()));
    let texts = [
        ("event_id", event.event_id()),
        ("device_id", event.device_id()),
        ("device_ip", event.device_ip()),
    ];
    for (name, value) in texts {
        push(&mut line, name, value);
    }
    match event.device_kind() {
        Some(kind) => line.text("device_type", kind.as_wire()),
        None => line.raw("device_type", "null"),
    };
    push(&mut line, "identity_id", event.identity_id());
    push(&mut line, "identity_name", event.identity_name());
    push(&mut line, "group_name", event.group_name());
    match person.kind.code() {
        Some(code) => line.display("person_type", code),
        None => line.text("person_type", person.kind.word()),
    };
    line.display("person_type_missing", person.defaulted);
    match event.score() {
        Some(score) => line.display("score", score),
        None => line.raw("score", "null"),
    };
    match event.timestamp() {
        Some(timestamp) => line.display("timestamp_ms", timestamp.unix.0),
        None => line.raw("timestamp_ms", "null"),
    };
    let (word, age) = match freshness {
        Freshness::Live => ("live", None),
        Freshness::Late(age) => ("late", i64::try_from(age.as_millis()).ok()),
        Freshness::Future(by) => ("future", i64::try_from(by.as_millis()).ok().map(|by| -by)),
        _ => ("unknown", None),
    };
    line.text("freshness", word);
    if let Some(age) = age {
        line.display("age_ms", age);
    }
    let is_live = source == Source::Live;
    line.text("source", if is_live { "live" } else { "backfill" })
        .display("actionable", is_live && freshness == Freshness::Live);
    let files = line.name("pictures");
    files.push(b'[');
    for (nth, file) in pictures.files.iter().enumerate() {
        if nth > 0 {
            files.push(b',');
        }
        lenient_wire::push_text(files, file);
    }
    files.push(b']');
    line.end();
    out.push(b'\n');
}

/// A key in hexadecimal digits.
pub fn hex(key: &EventKey) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(32);
    for byte in key.0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn push(line: &mut ObjectWriter<'_>, name: &str, value: Option<Cow<'_, str>>) {
    match value {
        Some(value) => line.text(name, &value),
        None => line.raw(name, "null"),
    };
}
