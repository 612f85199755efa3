//! A push as a row: the columns that people search by, and the body.

use super::body::Split;
use super::signed;
use face_record_push::Push;
use face_record_push::platform::{Entry, Freshness, QuarantineReason, Source};
use rusqlite::types::ValueRef;
use rusqlite::{ToSql, Transaction, named_params, types::ToSqlOutput};
use std::borrow::Cow;

/// A push as it is kept.
#[derive(Debug)]
pub(super) struct Row<'e> {
    entry: &'e Entry,
    split: Split<'e>,
}

/// What of a push has a column. Each is null if the push does not say.
#[derive(Default)]
struct Columns<'p> {
    recognition_type: Option<i64>,
    recognize_status: Option<i64>,
    score: Option<f64>,
    user_id: Option<Cow<'p, str>>,
    user_name: Option<Cow<'p, str>>,
    alarm_code: Option<i64>,
    alarm_status: Option<i64>,
}

/// Bytes that are text if they can be, so that tools show them and read them as JSON.
struct Readable<'b>(&'b [u8]);

impl<'e> Row<'e> {
    pub(super) fn of(entry: &'e Entry) -> Self {
        Self {
            entry,
            split: Split::of(entry.push.json(), entry.push.picture().as_ref()),
        }
    }

    /// Name and content of the picture's file.
    pub(super) fn file(&self) -> Option<(&str, &[u8])> {
        let picture = self.split.picture.as_ref()?;
        Some((&picture.hash, &picture.jpeg))
    }

    /// Writes it; false if one with its key is there.
    pub(super) fn insert(&self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        let (entry, split) = (self.entry, &self.split);
        let columns = Columns::of(&entry.push);
        let cut = split.cut.as_ref();
        let inserted = transaction.prepare_cached(INSERT)?.execute(named_params! {
            ":id": signed(entry.seq),
            ":device_sn": entry.serial.as_str(),
            ":key": entry.key.to_string(),
            ":type": entry.push.kind(),
            ":recognized_at": entry.push.time().map(|time| time.0),
            ":received_at": entry.received.0,
            ":recognition_type": columns.recognition_type,
            ":recognize_status": columns.recognize_status,
            ":score": columns.score,
            ":pass": entry.push.pass(),
            ":user_id": columns.user_id,
            ":user_name": columns.user_name,
            ":alarm_code": columns.alarm_code,
            ":alarm_status": columns.alarm_status,
            ":freshness": freshness(entry.freshness),
            ":is_imported": entry.source == Source::Imported,
            ":picture": split.picture.as_ref().map(|picture| &*picture.hash),
            ":picture_at": cut.map(|cut| i64::try_from(cut.at).unwrap_or(i64::MAX)),
            ":picture_escaped": cut.map(|cut| cut.escapes_slashes),
            ":raw": Readable(&split.raw),
        })?;
        Ok(inserted == 1)
    }
}

const INSERT: &str = "
INSERT INTO records (
    id, device_sn, key, type, recognized_at, received_at, recognition_type, recognize_status, score,
    pass, user_id, user_name, alarm_code, alarm_status, freshness, is_imported,
    picture, picture_at, picture_escaped, raw
) VALUES (
    :id, :device_sn, :key, :type, :recognized_at, :received_at, :recognition_type,
    :recognize_status, :score, :pass, :user_id, :user_name, :alarm_code, :alarm_status, :freshness,
    :is_imported, :picture, :picture_at, :picture_escaped, :raw
) ON CONFLICT (device_sn, key) DO NOTHING";

impl<'p> Columns<'p> {
    fn of(push: &'p Push) -> Self {
        match push {
            Push::Record(record) => {
                let user = record.user();
                Self {
                    recognition_type: record.recognition_type().map(|code| code.0),
                    recognize_status: record.recognize_status().map(|code| code.0),
                    score: record.score(),
                    user_id: user.and_then(|user| user.user_id()).map(|id| id.text),
                    user_name: user.and_then(|user| user.name()),
                    ..Self::default()
                }
            }
            Push::Alarm(alarm) => Self {
                user_id: alarm.user_id().map(|id| id.text),
                alarm_code: alarm.code().map(|code| code.0),
                alarm_status: alarm.status().map(|status| status.0),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

impl ToSql for Readable<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match std::str::from_utf8(self.0) {
            Ok(text) => ValueRef::Text(text.as_bytes()),
            Err(_) => ValueRef::Blob(self.0),
        }))
    }
}

/// Why a body is in quarantine, in words.
pub fn reason(why: QuarantineReason) -> String {
    match why {
        QuarantineReason::Unreadable(kind) => kind.to_string(),
        QuarantineReason::SerialMismatch => {
            "the serial number of the head is not that of the body".to_owned()
        }
        _ => "for a reason that has no name here".to_owned(),
    }
}

/// How old an entry was when it came, in one word.
pub fn freshness(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Live => "live",
        Freshness::Late(_) => "late",
        Freshness::Future(_) => "future",
        _ => "unknown",
    }
}
