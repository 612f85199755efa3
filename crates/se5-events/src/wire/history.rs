//! The event history: what a box kept, page by page.

use super::subscription::{push_list, read_list};
use super::{Dialect, FaceEvent, Limits, Sighting, UnixMillis};
use crate::AskError;
use bytes::Bytes;
use lenient_wire::{Kind, ObjectWriter, Scanner, float, integer, text, unix_millis};
use std::fmt;

/// A question for recorded events.
///
/// ```text
/// GET  /SophonFace/api/events?datetime_gte=1607062600&datetime_lte=1607062660&page=0&per_page=50&streams=<id>,<id>
/// POST /sophon/v2/face/getevents
///      {"filters":{"datetime_gte":1607062600000,"datetime_lte":1607062660000,"media_device_ids":["<id>"]},
///       "page_limit":50,"page_index":0}
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct HistoryQuery {
    /// `datetime_gte`: the earliest time wanted.
    pub from: UnixMillis,
    /// `datetime_lte`: the latest time wanted, itself included.
    pub to: UnixMillis,
    /// `page` or `page_index`: which page, from 0.
    pub page: u32,
    /// `per_page` or `page_limit`: records on a page; 50.
    pub per_page: u32,
    /// `streams` or `media_device_ids`: only of these devices; empty means all.
    pub devices: Vec<String>,
    /// `score_min`: only scores from here on.
    pub score_min: Option<f64>,
    /// `score_max`: only scores up to here.
    pub score_max: Option<f64>,
    /// `identity_id`: only this person.
    pub identity_id: Option<String>,
    /// `name` or `identity_name`: only persons of this name.
    pub identity_name: Option<String>,
    /// `userType` or `user_type`: only persons on this list, as the box writes it.
    pub user_type: Option<String>,
    /// `groups` (dialect 1).
    pub groups: Option<String>,
    /// `room` (dialect 1).
    pub room: Option<String>,
    /// `top_k` (dialect 1).
    pub top_k: Option<u32>,
    /// The unit in which times are written. The document of dialect 2 says milliseconds and shows
    /// seconds; [`Self::new`] takes seconds for dialect 1 and milliseconds for dialect 2.
    pub unit: TimeUnit,
    /// How dialect 1 writes `streams`.
    pub list_style: ListStyle,
}

/// The unit of a time on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "the vendor knows these two")]
pub enum TimeUnit {
    /// Seconds, rounded outwards: down for the start, up for the end.
    #[default]
    Seconds,
    /// Milliseconds.
    Millis,
}

/// How a list is written in a query string. No document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ListStyle {
    /// `streams=a,b`
    #[default]
    Comma,
    /// `streams=a&streams=b`
    Repeat,
    /// `streams=["a","b"]`
    Json,
}

/// One page of recorded events.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct HistoryPage {
    /// The records, in the order the box gave them, which no document promises.
    pub records: Vec<FaceEvent>,
    /// `pagination.total_count`: records that match, over all pages.
    pub total: Option<u64>,
    /// `pagination.page` or `page_index`.
    pub page: Option<u32>,
    /// `pagination.num_pages`, dialect 1 only.
    pub pages: Option<u32>,
    /// Elements of the list that were no objects, and so are not in `records`.
    pub garbled: usize,
}

impl HistoryQuery {
    /// Everything from `from` to `to`, both included; page 0 of 50 records a page.
    pub fn new(dialect: Dialect, from: UnixMillis, to: UnixMillis) -> Self {
        Self {
            from,
            to,
            //= docs/spec/se5-events.md#events
            //# Pages of the history MUST be counted from 0.
            page: 0,
            per_page: 50,
            devices: Vec::new(),
            score_min: None,
            score_max: None,
            identity_id: None,
            identity_name: None,
            user_type: None,
            groups: None,
            room: None,
            top_k: None,
            unit: match dialect {
                Dialect::V1 => TimeUnit::Seconds,
                Dialect::V2 => TimeUnit::Millis,
            },
            list_style: ListStyle::Comma,
        }
    }

    /// The query string of dialect 1, percent-encoded, without the question mark.
    pub fn to_query(&self) -> String {
        let (from, to) = self.bounds();
        let mut query = format!(
            "datetime_gte={from}&datetime_lte={to}&page={}&per_page={}",
            self.page, self.per_page
        );
        let mut add = |name: &str, value: &str| {
            query.push('&');
            query.push_str(name);
            query.push('=');
            push_percent(&mut query, value);
        };
        match self.list_style {
            _ if self.devices.is_empty() => {}
            ListStyle::Comma => add("streams", &self.devices.join(",")),
            ListStyle::Repeat => self.devices.iter().for_each(|id| add("streams", id)),
            ListStyle::Json => {
                let mut list = Vec::new();
                push_list(&mut list, &self.devices);
                add("streams", &String::from_utf8_lossy(&list));
            }
        }
        let number = |score: Option<f64>| {
            let score = score.filter(|score| score.is_finite());
            score.map(|score| score.to_string())
        };
        let optional = [
            ("score_min", number(self.score_min)),
            ("score_max", number(self.score_max)),
            ("identity_id", self.identity_id.clone()),
            ("name", self.identity_name.clone()),
            ("userType", self.user_type.clone()),
            ("groups", self.groups.clone()),
            ("room", self.room.clone()),
            ("top_k", self.top_k.map(|count| count.to_string())),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                add(name, &value);
            }
        }
        query
    }

    /// Reads a query string of dialect 1, as a box does. Unknown members are passed over.
    pub fn from_query(query: &str) -> Self {
        let mut this = Self::new(Dialect::V1, UnixMillis(0), UnixMillis(i64::MAX));
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decoded(value);
            match name {
                "datetime_gte" => this.from = millis(&value, this.from),
                "datetime_lte" => this.to = millis(&value, this.to),
                "page" => this.page = value.parse().unwrap_or_default(),
                "per_page" => this.per_page = value.parse().unwrap_or(50),
                "streams" => this.devices.extend(list_items(&value)),
                "score_min" => this.score_min = finite(&value),
                "score_max" => this.score_max = finite(&value),
                "identity_id" => this.identity_id = Some(value),
                "name" => this.identity_name = Some(value),
                "userType" => this.user_type = Some(value),
                "groups" => this.groups = Some(value),
                "room" => this.room = Some(value),
                "top_k" => this.top_k = value.parse().ok(),
                _ => {}
            }
        }
        this
    }

    /// Appends the body of dialect 2.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (from, to) = self.bounds();
        let mut body = ObjectWriter::new(out);
        let mut filters = body.object("filters");
        filters
            .display("datetime_gte", from)
            .display("datetime_lte", to);
        if !self.devices.is_empty() {
            push_list(filters.name("media_device_ids"), &self.devices);
        }
        for (name, score) in [("score_min", self.score_min), ("score_max", self.score_max)] {
            if let Some(score) = score.filter(|score| score.is_finite()) {
                filters.display(name, score);
            }
        }
        let texts = [
            ("identity_id", &self.identity_id),
            ("identity_name", &self.identity_name),
            ("user_type", &self.user_type),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                filters.text(name, value);
            }
        }
        filters.end();
        body.display("page_limit", self.per_page)
            .display("page_index", self.page);
        body.end();
    }

    /// Reads a body of dialect 2, as a box does. Times are read by their size, so either unit goes;
    /// `unit` says which it was.
    ///
    /// # Errors
    ///
    /// [`AskError::Body`] if it is no JSON object.
    pub fn decode(json: &[u8], limits: &Limits) -> Result<Self, AskError> {
        let mut this = Self::new(Dialect::V2, UnixMillis(0), UnixMillis(i64::MAX));
        this.per_page = 10;
        let mut scan = Scanner::new(json, limits.max_depth);
        let body = |_| AskError::Body;
        scan.enter_object().map_err(body)?;
        while let Some(key) = scan.key().map_err(body)? {
            match key.of(json) {
                b"filters" if scan.at_object() => this.read_filters(&mut scan, json, limits)?,
                b"page_limit" => {
                    let value = scan.value().map_err(body)?;
                    this.per_page = integer(json, value)
                        .and_then(|n| n.try_into().ok())
                        .unwrap_or(10);
                }
                b"page_index" => {
                    let value = scan.value().map_err(body)?;
                    this.page = integer(json, value)
                        .and_then(|n| n.try_into().ok())
                        .unwrap_or(0);
                }
                _ => drop(scan.value().map_err(body)?),
            }
        }
        scan.end().map_err(body)?;
        Ok(this)
    }

    fn read_filters(
        &mut self,
        scan: &mut Scanner<'_>,
        json: &[u8],
        limits: &Limits,
    ) -> Result<(), AskError> {
        let body = |_| AskError::Body;
        scan.enter_object().map_err(body)?;
        while let Some(key) = scan.key().map_err(body)? {
            let name = key.of(json);
            if name == b"media_device_ids" && scan.at_array() {
                self.devices = read_list(scan, json, limits.max_items)
                    .map_err(body)?
                    .ok_or(AskError::Body)?;
                continue;
            }
            let value = scan.value().map_err(body)?;
            let text = text(json, value);
            match name {
                b"datetime_gte" | b"datetime_lte" => {
                    let text = text.unwrap_or_default();
                    self.unit = unit(&text);
                    if name == b"datetime_gte" {
                        self.from = millis(&text, self.from);
                    } else {
                        self.to = millis(&text, self.to);
                    }
                }
                b"score_min" => self.score_min = float(json, value),
                b"score_max" => self.score_max = float(json, value),
                b"identity_id" => self.identity_id = text.map(Into::into),
                b"identity_name" => self.identity_name = text.map(Into::into),
                b"user_type" => self.user_type = text.map(Into::into),
                _ => {}
            }
        }
        Ok(())
    }

    /// The range in the unit of the wire, never narrower than asked.
    fn bounds(&self) -> (i64, i64) {
        match self.unit {
            //= docs/spec/se5-events.md#events
            //# A query of dialect 2 MUST write times in milliseconds unless it was told to write
            //# seconds.
            TimeUnit::Millis => (self.from.0, self.to.0),
            //= docs/spec/se5-events.md#events
            //# A query of dialect 1 MUST write times in seconds, rounded so that the range does not
            //# shrink.
            TimeUnit::Seconds => (
                self.from.0.div_euclid(1000),
                self.to.0.saturating_add(999).div_euclid(1000),
            ),
        }
    }
}

impl fmt::Debug for HistoryQuery {
    /// Whom it asks for is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryQuery")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("page", &self.page)
            .field("per_page", &self.per_page)
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}

impl HistoryPage {
    /// A page as a box gives it: `sightings` are those of this page, `total` counts all that match.
    pub fn of(
        dialect: Dialect,
        query: &HistoryQuery,
        sightings: impl IntoIterator<Item = impl AsRef<Sighting>>,
        total: u64,
    ) -> Self {
        let records = sightings
            .into_iter()
            .map(|s| s.as_ref().to_recorded(dialect))
            .collect();
        let pages = total.div_ceil(u64::from(query.per_page.max(1)));
        Self {
            records,
            total: Some(total),
            page: Some(query.page),
            pages: (dialect == Dialect::V1).then(|| u32::try_from(pages).unwrap_or(u32::MAX)),
            garbled: 0,
        }
    }

    /// The one record that was asked for by id.
    pub fn single(record: FaceEvent) -> Self {
        Self {
            records: vec![record],
            total: Some(1),
            ..Self::default()
        }
    }

    /// Appends the body of the answer.
    pub fn encode(&self, dialect: Dialect, per_page: u32, out: &mut Vec<u8>) {
        let mut body = ObjectWriter::new(out);
        let list = body.name(match dialect {
            Dialect::V1 => "data",
            Dialect::V2 => "events",
        });
        list.push(b'[');
        for (nth, record) in self.records.iter().enumerate() {
            if nth > 0 {
                list.push(b',');
            }
            list.extend_from_slice(record.json());
        }
        list.push(b']');
        let mut pagination = body.object("pagination");
        let (total, page) = (
            self.total.unwrap_or_default(),
            self.page.unwrap_or_default(),
        );
        match dialect {
            Dialect::V1 => pagination
                .display("num_pages", self.pages.unwrap_or_default())
                .display("page", page)
                .display("per_page", per_page)
                .display("total_count", total),
            Dialect::V2 => pagination
                .display("page_index", page)
                .display("page_limit", per_page)
                .display("total_count", total),
        };
        pagination.end();
        body.end();
    }

    /// Reads the body of an answer, in either dialect. Records are slices of `json`.
    ///
    /// # Errors
    ///
    /// [`AskError::Body`] if it is no such object, or has more than `limits.max_items` records.
    pub fn decode(json: &Bytes, limits: &Limits) -> Result<Self, AskError> {
        let body = |_| AskError::Body;
        let mut scan = Scanner::new(json, limits.max_depth);
        let (mut page, mut found) = (Self::default(), false);
        scan.enter_object().map_err(body)?;
        while let Some(key) = scan.key().map_err(body)? {
            match key.of(json) {
                b"data" | b"events" if scan.at_array() => {
                    found = true;
                    page.read_records(&mut scan, json, limits)?;
                }
                b"pagination" if scan.at_object() => page.read_pagination(&mut scan, json)?,
                _ => drop(scan.value().map_err(body)?),
            }
        }
        scan.end().map_err(body)?;
        found.then_some(page).ok_or(AskError::Body)
    }

    fn read_records(
        &mut self,
        scan: &mut Scanner<'_>,
        json: &Bytes,
        limits: &Limits,
    ) -> Result<(), AskError> {
        let body = |_| AskError::Body;
        (self.records, self.garbled) = (Vec::new(), 0); // the last list wins
        scan.enter_array().map_err(body)?;
        while scan.element().map_err(body)? {
            let value = scan.value().map_err(body)?;
            if self.records.len().saturating_add(self.garbled) >= limits.max_items {
                return Err(AskError::Body);
            }
            if value.kind == Kind::Object {
                match FaceEvent::decode_recorded(json.slice(value.range()), limits) {
                    Ok(record) => self.records.push(record),
                    Err(_) => self.garbled = self.garbled.saturating_add(1),
                }
            } else {
                //= docs/spec/se5-events.md#events
                //# An element of a history page that is no object MUST be counted and passed over.
                self.garbled = self.garbled.saturating_add(1);
            }
        }
        Ok(())
    }

    fn read_pagination(&mut self, scan: &mut Scanner<'_>, json: &[u8]) -> Result<(), AskError> {
        let body = |_| AskError::Body;
        scan.enter_object().map_err(body)?;
        while let Some(key) = scan.key().map_err(body)? {
            let number = integer(json, scan.value().map_err(body)?);
            let small = number.and_then(|number| u32::try_from(number).ok());
            match key.of(json) {
                b"total_count" => self.total = number.and_then(|number| number.try_into().ok()),
                b"page" | b"page_index" => self.page = small,
                b"num_pages" => self.pages = small,
                _ => {}
            }
        }
        Ok(())
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|score: &f64| score.is_finite())
}

fn millis(text: &str, default: UnixMillis) -> UnixMillis {
    unix_millis(text).map_or(default, UnixMillis)
}

/// The unit of a time as it was written, told by its size.
fn unit(text: &str) -> TimeUnit {
    let whole = text.trim().split('.').next().unwrap_or_default();
    let count: Option<i64> = whole.parse().ok();
    if count.is_some_and(|count| count.unsigned_abs() < 100_000_000_000) {
        TimeUnit::Seconds
    } else {
        TimeUnit::Millis
    }
}

/// The ids of a list, whichever [`ListStyle`] it is in.
fn list_items(value: &str) -> Vec<String> {
    if !value.starts_with('[') {
        return value
            .split(',')
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect();
    }
    let mut scan = Scanner::new(value.as_bytes(), 2);
    read_list(&mut scan, value.as_bytes(), usize::MAX)
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// Appends `text` with everything but RFC 3986's unreserved characters and the comma escaped.
pub(crate) fn push_percent(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |nibble: u8| {
                char::from_digit(u32::from(nibble), 16)
                    .unwrap_or('0')
                    .to_ascii_uppercase()
            };
            out.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
}

/// `text` with its escapes resolved; what is no escape stays.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = tail
            .split_first_chunk::<2>()
            .filter(|_| byte == b'%')
            .and_then(|(hex, behind)| {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let [high, low] = *hex;
                let value = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
                Some((u8::try_from(value).ok()?, behind))
            });
        if let Some((value, behind)) = escaped {
            out.push(value);
            rest = behind;
        } else {
            out.push(if byte == b'+' { b' ' } else { byte });
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
