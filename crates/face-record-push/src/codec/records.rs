//! The records query, both ends.

use super::terminal::{check_question, success};
use crate::platform::EnrolError;
use crate::wire::{PersonFilter, RecordsPage, RecordsQuery, member};
use crate::{AskError, Record, UnixMillis};
use bytes::Bytes;
use lenient_wire::{Kind, ObjectWriter, Scanner, integer, text, unix_millis};

/// Most elements of a page: five times what the documents allow.
const MAX_ITEMS: usize = 1_000;

/// Appends the body of a question for records.
pub fn encode_query(query: &RecordsQuery, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    for (name, time) in [("begin_time", query.from), ("end_time", query.to)] {
        if let Some(time) = time {
            object.display(name, time.0.div_euclid(1000));
        }
    }
    match &query.person {
        Some(PersonFilter::UserId(id)) => drop(object.text("user_id", id)),
        Some(PersonFilter::JobNumber(id)) => drop(object.text("job_number", id)),
        Some(PersonFilter::IcNumber(id)) => drop(object.text("ic_number", id)),
        None => {}
    }
    object
        .display("offset", query.offset)
        //= docs/spec/face-record-push.md#record
        //# A query of the terminal's records MUST NOT ask for more than 200 at a time.
        .display("limit", query.limit.clamp(1, 200))
        .display("sort", u8::from(query.newest_first));
    object.end();
}

/// Reads a question for records. A time of 0 is none, a limit beyond 200 is 200, and what is missing
/// has its default.
///
/// # Errors
///
/// [`AskError`] for what is no object.
pub fn read_query(body: &[u8]) -> Result<RecordsQuery, AskError> {
    check_question(body)?;
    let number = |name: &str| {
        let number = integer(body, member(body, name)?)?;
        u64::try_from(number).ok()
    };
    let time = |name: &str| {
        let unix = unix_millis(&text(body, member(body, name)?)?)?;
        (unix != 0).then_some(UnixMillis(unix))
    };
    let id = |name: &str| {
        let id = text(body, member(body, name)?)?;
        (!id.trim().is_empty()).then(|| id.into_owned())
    };
    let person = id("user_id")
        .map(PersonFilter::UserId)
        .or_else(|| id("job_number").map(PersonFilter::JobNumber))
        .or_else(|| id("ic_number").map(PersonFilter::IcNumber));
    let mut query = RecordsQuery::default();
    (query.from, query.to, query.person) = (time("begin_time"), time("end_time"), person);
    query.offset = number("offset").unwrap_or(0);
    query.limit = number("limit").unwrap_or(100).clamp(1, 200);
    query.newest_first = number("sort") == Some(1);
    Ok(query)
}

/// Appends the body of the answer to a question for records. Records lose their envelope.
pub fn encode_page(page: &RecordsPage, out: &mut Vec<u8>) {
    let count = page.records.len();
    let mut envelope = ObjectWriter::new(out);
    envelope.raw("code", "200").text("msg", "OK");
    let mut data = envelope.object("data");
    data.display("offset", page.offset)
        .display("limit", page.limit)
        .display("count", count)
        .display("total", page.total.unwrap_or(count as u64));
    let items = data.name("items");
    items.push(b'[');
    for (nth, record) in page.records.iter().enumerate() {
        if nth != 0 {
            items.push(b',');
        }
        items.extend_from_slice(record.facts());
    }
    items.push(b']');
    data.end();
    envelope.end();
}

/// Reads the answer to a question for records. The records share the memory of `body`.
///
/// # Errors
///
/// [`EnrolError`] if the terminal says no, or nothing that can be understood, or lists more than
/// 1,000 elements.
pub fn read_page(status: u16, body: &Bytes) -> Result<RecordsPage, EnrolError> {
    let envelope = success(status, body)?;
    if envelope.data.kind != Kind::Object {
        return Err(EnrolError::Garbled);
    }
    let data = envelope.data();
    let number = |name: &str| {
        let number = integer(data, envelope.member(name)?)?;
        u64::try_from(number).ok()
    };
    let mut page = RecordsPage {
        offset: number("offset").unwrap_or_default(),
        limit: number("limit").unwrap_or_default(),
        total: number("total"),
        ..RecordsPage::default()
    };
    let items = envelope.member("items").unwrap_or_default();
    if items.kind == Kind::Array {
        let items = body.slice_ref(items.of(data));
        read_items(&items, &mut page).ok_or(EnrolError::Garbled)?;
    }
    Ok(page)
}

fn read_items(items: &Bytes, page: &mut RecordsPage) -> Option<()> {
    let mut scan = Scanner::new(items, 64);
    scan.enter_array().ok()?;
    while scan.element().ok()? {
        let value = scan.value().ok()?;
        let read = page.records.len().saturating_add(page.garbled);
        if read >= MAX_ITEMS {
            return None;
        }
        match Record::decode_item(items.slice(value.range())) {
            Ok(record) => page.records.push(record),
            Err(_) => page.garbled = page.garbled.saturating_add(1),
        }
    }
    Some(())
}
