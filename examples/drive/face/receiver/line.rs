//! Records as lines: JSON for programs, words for people. Neither has a picture in it.

use crate::records::freshness;
use face_record_push::Push;
use face_record_push::platform::{EnrolError, Entry, Event, RefusalReason, StoreError};
use lenient_wire::ObjectWriter;
use std::borrow::Cow;
use xtea_token::UnixMillis;

/// Appends an entry as one line of JSON.
///
/// ```text
/// {"id":1,"device_sn":"PS71HD01MC22C00014","type":0,"recognized_at":1660625866000,
///  "received_at":1660625866312,"freshness":"live","actionable":true,"recognition_type":1,
///  "score":0.98,"pass":true,"user_id":"9007199254740993","user_name":"样例","picture":true}
/// ```
///
/// Times are milliseconds. Ids of people are texts, since many readers round numbers above 2^53.
/// What a push does not say is not there.
pub fn push_line(entry: &Entry, out: &mut Vec<u8>) {
    let mut line = ObjectWriter::new(out);
    line.display("id", entry.seq.0);
    line.text("device_sn", entry.serial.as_str());
    if let Some(kind) = entry.push.kind() {
        line.display("type", kind);
    }
    if let Some(time) = entry.push.time() {
        line.display("recognized_at", time.0);
    }
    line.display("received_at", entry.received.0);
    line.text("freshness", freshness(entry.freshness));
    line.display("actionable", entry.is_actionable());
    match &entry.push {
        Push::Record(record) => {
            if let Some(code) = record.recognition_type() {
                line.display("recognition_type", code.0);
            }
            if let Some(code) = record.recognize_status() {
                line.display("recognize_status", code.0);
            }
            if let Some(score) = record.score().filter(|score| score.is_finite()) {
                line.display("score", score);
            }
            if let Some(pass) = record.pass() {
                line.display("pass", pass);
            }
            if let Some(user) = record.user() {
                if let Some(id) = user.user_id() {
                    //= docs/spec/face-record-push.md#record
                    //# Whole numbers beyond 2^53 MUST be printed as text where the receiver prints
                    //# JSON.
                    line.text("user_id", &id.text);
                }
                if let Some(name) = user.name() {
                    line.text("user_name", &name);
                }
            }
        }
        Push::Alarm(alarm) => {
            if let Some(code) = alarm.code() {
                line.display("alarm_code", code.0);
            }
            if let Some(status) = alarm.status() {
                line.display("alarm_status", status.0);
            }
            if let Some(id) = alarm.user_id() {
                line.text("user_id", &id.text);
            }
        }
        _ => {}
    }
    line.display("picture", entry.push.picture().is_some());
    line.end();
    out.push(b'\n');
}

/// An entry in words.
pub fn words(entry: &Entry) -> String {
    let time = entry.push.time().map_or(entry.received.0, |time| time.0);
    let time = crate::cli::utc(UnixMillis(u64::try_from(time).unwrap_or_default()));
    let what = match &entry.push {
        Push::Record(record) => {
            let user = record.user();
            let name = user.and_then(|user| user.name()).unwrap_or_default();
            let id = user.and_then(|user| user.user_id());
            let id = id.map_or(Cow::Borrowed("nobody"), |id| id.text);
            let outcome = match record.pass() {
                Some(true) => "passed",
                Some(false) => "stopped",
                None => "seen",
            };
            format!("{} {} {outcome}", visible(&id), visible(&name))
        }
        Push::Alarm(alarm) => {
            let code = alarm.code().map(|code| code.to_string());
            let status = alarm.status().map(|status| status.to_string());
            format!(
                "alarm: {}, {}",
                code.unwrap_or_default(),
                status.unwrap_or_default()
            )
        }
        push => format!("type {}", push.kind().unwrap_or_default()),
    };
    let freshness = freshness(entry.freshness);
    format!(
        "{} {time} {} {what} ({freshness})",
        entry.seq.0,
        visible(entry.serial.as_str())
    )
}

/// That a write failed, and why. What terminals pushed is with them, and comes again.
pub fn store_failed(error: StoreError, trouble: &str) -> String {
    let what = match error {
        StoreError::Full => "make room",
        _ => "it is opened anew",
    };
    format!("store failed ({trouble}), {what}; terminals come again")
}

/// Other news in words, but for [`store_failed`]; `None` for what is not worth a line.
pub fn news(event: &Event) -> Option<String> {
    Some(match event {
        Event::Quarantined(what) => format!(
            "quarantine {}: {} bytes from {}: {}",
            what.seq.0,
            what.raw.len(),
            what.peer,
            crate::records::reason(what.why)
        ),
        Event::RemoteAuth(..) => "a terminal asked whether a person may pass".to_owned(),
        Event::Refused { peer, why } => format!("refused {peer}: {}", refusal(*why)),
        Event::Enrolled(terminal) => format!("enrolled {}: it pushes here", terminal.api),
        Event::EnrolFailed(terminal, error) => {
            format!(
                "cannot enrol {}: {}; trying again",
                terminal.api,
                why(*error)
            )
        }
        Event::Closed(_) => "closed".to_owned(),
        _ => return None,
    })
}

/// Why a terminal is not enrolled, and what to do.
fn why(error: EnrolError) -> String {
    let text = match error {
        EnrolError::Unreachable => "no answer; is it on, and the address right?",
        EnrolError::Untrusted => {
            "no TLS, or a certificate that is not trusted, so no password was sent; compare its key \
             with --terminal-key-pin or --terminal-ca"
        }
        EnrolError::Forbidden => {
            "it leads to this machine or another special address; pass --allow-special if that is \
             meant"
        }
        EnrolError::Unauthorized => "it refuses the account; look at --terminal-account",
        EnrolError::Refused(code) => {
            return format!(
                "it answers with code {code}; may it push where --advertise says, and does it have \
                 an account if --terminal-account is passed?"
            );
        }
        EnrolError::Garbled => "its answer is not that of a terminal; is this the port of its API?",
        EnrolError::NotTaken => "it took the address and then states another; who else sets it?",
        error => return format!("{error:?}"),
    };
    text.to_owned()
}

/// What a terminal sent, on one line: what would break it, or steer the screen, is shown as `\u{a}`.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn refusal(why: RefusalReason) -> &'static str {
    match why {
        RefusalReason::Path => "not one of the paths that were given",
        RefusalReason::Method => "neither POST nor GET nor HEAD",
        RefusalReason::Serial => "not one of the terminals that were given",
        RefusalReason::TooLong => "its body is too long",
        _ => "for a reason that has no name here",
    }
}
