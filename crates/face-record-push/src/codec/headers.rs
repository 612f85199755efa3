//! What stands beside the body: content type, and who pushes.

use crate::platform::{Head, Method};
use crate::{Profile, SerialNumber, UnixMillis};
use lenient_wire::unix_millis;

/// Who pushes, for the headers that profile 1.2.1 introduced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// What the firmware sends.
    pub profile: Profile,
    /// Header `sn`.
    pub serial: SerialNumber,
    /// Header `model`; empty.
    pub model: String,
    /// Header `account`; empty. No document says what it is.
    pub account: String,
    /// Unit of header `timestamp`, of which no document speaks; milliseconds.
    pub header_time: HeaderTime,
}

/// Unit of a header's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum HeaderTime {
    /// 13 digits.
    #[default]
    Millis,
    /// 10 digits.
    Seconds,
}

impl Identity {
    /// A terminal of which only the serial number is known.
    pub fn new(profile: Profile, serial: SerialNumber) -> Self {
        Self {
            profile,
            serial,
            model: String::new(),
            account: String::new(),
            header_time: HeaderTime::Millis,
        }
    }
}

/// `Content-Type` of a push; none before profile 1.1.
pub fn content_type(profile: Profile) -> Option<&'static str> {
    //= docs/spec/face-record-push.md#delivery
    //# A post MUST carry `Content-Type: application/json` from profile 1.1 on and none before.
    (profile > Profile::V1_0).then_some("application/json")
}

/// The headers of a push sent at `now`, in lower case, besides `content-type`; none before profile
/// 1.2.1. Characters that no header may have are left out.
pub fn push_headers(identity: &Identity, now: UnixMillis) -> Vec<(&'static str, String)> {
    //= docs/spec/face-record-push.md#delivery
    //# A post MUST carry the headers `model`, `sn`, `timestamp` and `account` from profile 1.2.1 on
    //# and none of them before.
    if identity.profile < Profile::V1_2_1 {
        return Vec::new();
    }
    let time = match identity.header_time {
        HeaderTime::Millis => now.0,
        HeaderTime::Seconds => now.0.div_euclid(1000),
    };
    vec![
        ("model", printable(&identity.model)),
        ("sn", printable(identity.serial.as_str())),
        ("timestamp", time.to_string()),
        ("account", printable(&identity.account)),
    ]
}

/// Notes one header of a request: `sn`, `model`, `timestamp`, `account`, `content-length`, in
/// whatever case; others say nothing.
///
/// The first of several with one name counts, empty ones do not. A time that is none is passed over.
pub fn note_header(head: &mut Head, name: &str, value: &[u8]) {
    let value = String::from_utf8_lossy(value);
    let value = value.trim();
    if value.is_empty() {
        return;
    }
    match name.to_ascii_lowercase().as_str() {
        "sn" if head.serial.is_none() => head.serial = Some(SerialNumber::new(value)),
        "model" if head.model.is_none() => head.model = Some(value.to_owned()),
        "account" if head.account.is_none() => head.account = Some(value.to_owned()),
        "timestamp" if head.sent_at.is_none() => {
            head.sent_at = unix_millis(value).map(UnixMillis);
        }
        "content-length" if head.length.is_none() => head.length = value.parse().ok(),
        //= docs/spec/face-record-push.md#record
        //# The receiver MUST take a push with any `Content-Type` and with none.
        _ => {}
    }
}

/// What a request's method wants.
pub fn method(name: &str) -> Method {
    match name {
        "POST" => Method::Post,
        "GET" | "HEAD" => Method::Get,
        _ => Method::Other,
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).collect()
}
