//! What makes two pushes the same.

use crate::SerialNumber;
use crate::wire::{Body, Slot};
use lenient_wire::{clean_base64, text, unix_millis};
use std::fmt;
use twox_hash::xxhash3_128::{DEFAULT_SECRET_LENGTH, RawHasher, SecretBuffer};

/// What makes two pushes of one terminal the same: 128 bits of what they say.
///
/// XXH3 over the serial number and facts, each behind its length, so that `("ab", "c")` and
/// `("a", "bc")` differ. Not cryptographic: a terminal that made two records collide would only hide
/// its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(pub [u8; 16]);

impl RecordKey {
    /// The key of a body that says nothing by which it could be told apart: its bytes.
    pub fn of_body(serial: &SerialNumber, body: &[u8]) -> Self {
        //= docs/spec/face-record-push.md#duplicates
        //# The key of any other push MUST be made of its body.
        let mut facts = Facts::new(serial, Kind::Body);
        facts.add(Some(body));
        facts.key()
    }

    /// By the record's own id or, where there is none, by what it says.
    pub(crate) fn of_record(serial: &SerialNumber, record: &Body) -> Self {
        //= docs/spec/face-record-push.md#duplicates
        //# The key of a record that has a `uuid` MUST be made of that, its second and its person.
        // A firmware that gives one id to two records would else lose the second without a trace.
        if let Some(uuid) = record.text(Slot::Uuid) {
            let mut facts = Facts::new(serial, Kind::Uuid);
            facts.add(Some(uuid.trim().as_bytes()));
            let time = record.timestamp(Slot::Timestamp);
            let second = time.map(|time| time.unix.0.div_euclid(1_000));
            facts.add(second.map(i64::to_le_bytes));
            facts.number(record, Slot::UserId);
            return facts.key();
        }
        let Some(time) = record.timestamp(Slot::Timestamp) else {
            return Self::of_body(serial, record.facts());
        };
        //= docs/spec/face-record-push.md#duplicates
        //# The key of any other record with a time MUST be made of its time, outcome, person, score
        //# and picture.
        //= docs/spec/face-record-push.md#duplicates
        //# Two records of one terminal in one second MUST NOT count as the same for that.
        let mut facts = Facts::new(serial, Kind::Record);
        facts.add(Some(&time.unix.0.to_le_bytes()));
        facts.number(record, Slot::RecognitionType);
        facts.number(record, Slot::RecognizeStatus);
        facts.number(record, Slot::UserId);
        facts.number(record, Slot::IcNumber);
        facts.number(record, Slot::EntryMode);
        facts.number(record, Slot::AbnormalType);
        facts.add(record.boolean(Slot::Pass).map(|pass| [u8::from(pass)]));
        let score = record.float(Slot::RecognizeScore);
        // Adding zero makes the negative one positive.
        facts.add(score.map(|score| (score + 0.0).to_bits().to_le_bytes()));
        facts.picture(record);
        facts.key()
    }

    /// By trace id, status and time; by everything where there is no trace id.
    pub(crate) fn of_alarm(serial: &SerialNumber, alarm: &Body) -> Self {
        let Some(trace) = alarm.text(Slot::TraceId) else {
            return Self::of_body(serial, alarm.json());
        };
        //= docs/spec/face-record-push.md#duplicates
        //# The key of an alarm that has a trace id MUST be made of that, its status and its time.
        let mut facts = Facts::new(serial, Kind::Alarm);
        facts.add(Some(trace.trim().as_bytes()));
        facts.number(alarm, Slot::AlarmStatus);
        let time = alarm.text(Slot::EventTime);
        match time.as_deref().and_then(unix_millis) {
            Some(unix) => facts.add(Some(unix.to_le_bytes())),
            None => facts.add(time.as_deref()),
        }
        facts.key()
    }
}

/// Collects what a key is made of, without allocating.
struct Facts {
    hasher: RawHasher<&'static [u8; DEFAULT_SECRET_LENGTH]>,
}

/// Keeps keys of one kind apart from those of another.
enum Kind {
    Body,
    Uuid,
    Record,
    Alarm,
}

impl Facts {
    fn new(serial: &SerialNumber, kind: Kind) -> Self {
        let mut facts = Self {
            hasher: RawHasher::new(SecretBuffer::default()),
        };
        facts.add(Some([kind as u8]));
        facts.add(Some(serial.as_str()));
        facts
    }

    /// A fact, or that there is none.
    fn add(&mut self, fact: Option<impl AsRef<[u8]>>) {
        match fact {
            Some(fact) => {
                let fact = fact.as_ref();
                self.hasher.write(&(fact.len() as u64).to_le_bytes());
                self.hasher.write(fact);
            }
            None => self.hasher.write(&u64::MAX.to_le_bytes()),
        }
    }

    /// A number or an id: `1`, `"1"`, `1.0` and `" 1 "` are the same, `"01"` is another.
    fn number(&mut self, body: &Body, slot: Slot) {
        let text = text(body.json(), body.value(slot));
        let text = text.as_deref().map(str::trim);
        //= docs/spec/face-record-push.md#duplicates
        //# A key that is made of what a push says MUST NOT depend on the white space, the order of
        //# members or the escapes of its JSON.
        let whole = text.map(|text| match text.split_once('.') {
            Some((whole, zeros))
                if is_made_of(whole, b'0'..=b'9') && is_made_of(zeros, b'0'..=b'0') =>
            {
                whole
            }
            _ => text,
        });
        self.add(whole.filter(|text| !text.is_empty()));
    }

    /// What a picture encodes, told by its characters: escapes, prefix and padding do not count.
    fn picture(&mut self, body: &Body) {
        let picture = body.picture();
        let text = picture
            .as_ref()
            .map_or(&[][..], |picture| picture.as_wire());
        let mut len = 0_u64;
        clean_base64(text, |piece| {
            self.hasher.write(piece);
            len = len.saturating_add(piece.len() as u64);
        });
        self.hasher.write(&len.to_le_bytes());
    }

    fn key(&self) -> RecordKey {
        RecordKey(self.hasher.finish_128().to_le_bytes())
    }
}

fn is_made_of(text: &str, digits: std::ops::RangeInclusive<u8>) -> bool {
    !text.is_empty() && text.bytes().all(|byte| digits.contains(&byte))
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
