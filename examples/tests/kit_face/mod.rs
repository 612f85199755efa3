//! Records to push, and a look at what became of them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use crate::kit::Folder;
use rusqlite::Connection;
use std::collections::BTreeMap;

pub fn record(number: u64, user: &str, jpeg: &[u8]) -> String {
    record_with(number, user, &base64(jpeg))
}

/// A record in the form of profile 1.1.
pub fn record_with(number: u64, user: &str, picture: &str) -> String {
    let time = 1_660_625_866 + number;
    format!(
        r#"{{"type":0,"data":{{"recognitionType":1,"deviceSN":"S","recognizeScore":0.875,"mask":0,"rgb_image":"{picture}","pass":true,"mode":0,"user":{{"name":"样例小明","user_id":{user},"type":1}},"timestamp":{time},"bodyTemperature":36.5}}}}"#
    )
}

pub fn jpeg(length: usize) -> Vec<u8> {
    let tail = (0..=250).cycle().step_by(31).take(length);
    [0xff, 0xd8, 0xff].into_iter().chain(tail).collect()
}

/// A picture unlike that of any other number.
pub fn unlike(number: u64, length: usize) -> Vec<u8> {
    let mut jpeg = jpeg(length);
    jpeg[3..11].copy_from_slice(&number.to_le_bytes());
    jpeg
}

pub fn base64(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    lenient_wire::push_base64(&mut text, bytes);
    String::from_utf8(text).unwrap()
}

/// What a tool sees, a line for each row.
pub fn query(folder: &Folder, sql: &str) -> Vec<String> {
    use rusqlite::types::ValueRef;
    let connection = Connection::open(folder.join("records.db")).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let word = |at| match row.get_ref_unwrap(at) {
            ValueRef::Null => "null".to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Text(text) | ValueRef::Blob(text) => {
                String::from_utf8_lossy(text).into_owned()
            }
        };
        Ok((0..columns).map(word).collect::<Vec<_>>().join("|"))
    };
    let lines = statement.query_map([], line).unwrap();
    lines.map(Result::unwrap).collect()
}

pub fn pictures(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder.join("records-pictures")).unwrap();
    let entries = entries.map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}
