//! Who passes a terminal: invented people, one record each.

use crate::faces::{Cast, Character, Dice, PictureSize, View};
use bytes::Bytes;
use face_record_push::device::Seq;
use face_record_push::{
    Item, Mask, Person, Profile, Recognition, RecognitionType, SerialNumber, UnixMillis, UserType,
};
use se5_events::PersonType;
use std::time::Duration;

/// How many people pass, and how large their pictures are.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Crowd {
    /// Names, scores and pictures follow from it.
    pub seed: u64,
    /// People a second; 2. Zero is none.
    pub rate: f64,
    /// Records, those of former lives included, after which nobody comes any more; `None` is never.
    /// Default `None`.
    pub count: Option<u64>,
    /// Size of a picture in bytes of JPEG: 0 is none, and small faces are padded with comments.
    /// `None` leaves them as they are, some 4 kB. Default `None`.
    pub picture_bytes: Option<usize>,
}

/// Makes records.
#[derive(Debug)]
pub(super) struct People {
    crowd: Crowd,
    serial: SerialNumber,
    profile: Profile,
    cast: Cast,
}

impl Crowd {
    /// The defaults, everything drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rate: 2.0,
            count: None,
            picture_bytes: None,
        }
    }

    /// The time between two people; `None` if there are none.
    pub(super) fn interval(&self) -> Option<Duration> {
        let seconds = 1.0 / self.rate;
        (self.rate > 0.0)
            .then(|| Duration::try_from_secs_f64(seconds).ok())
            .flatten()
    }
}

impl People {
    pub(super) fn new(crowd: Crowd, serial: SerialNumber, profile: Profile) -> Self {
        let cast = Cast::new(crowd.seed, PictureSize::Small);
        Self {
            crowd,
            serial,
            profile,
            cast,
        }
    }

    /// The record with this number. Its `user_id` is the number, so that whoever receives it can see
    /// whether one is missing.
    pub(super) fn record(&mut self, Seq(seq): Seq, at: UnixMillis) -> Item {
        // Seeds that lie one step apart give the same numbers, one step apart; a roll has none near.
        let mut dice = Dice(Dice(self.crowd.seed ^ seq.rotate_left(32)).roll());
        let character = self.passer_by(&mut dice);
        let mut person = Person::new(seq.to_string(), character.name);
        let mut recognition = Recognition::new(self.serial.as_str(), at);
        (recognition.recognition_type, person.user_type) = match character.kind {
            PersonType::Visitor => (RecognitionType::VISITOR, UserType::VISITOR),
            _ => (RecognitionType::EMPLOYEE, UserType::EMPLOYEE),
        };
        recognition.user = Some(person);
        recognition.score = ((0.6 + 0.39 * dice.fraction()) * 1e6).round() / 1e6;
        recognition.liveness = 0.9;
        recognition.temperature = 36.0 + (dice.fraction() * 10.0).round() / 10.0;
        recognition.mask = Mask::OFF;
        recognition.uuid = uuid(&mut dice, seq);
        let jpeg = self.picture(&character, seq);
        recognition.to_item(self.profile, jpeg)
    }

    /// Somebody with a name.
    fn passer_by(&self, dice: &mut Dice) -> Character {
        loop {
            let character = self.cast.character(dice.below(1 << 16));
            if !matches!(character.kind, PersonType::Stranger | PersonType::Blacklist) {
                return character;
            }
        }
    }

    /// A picture that no other record has.
    fn picture(&mut self, character: &Character, seq: u64) -> Option<Bytes> {
        let size = self.crowd.picture_bytes.unwrap_or_default();
        if self.crowd.picture_bytes == Some(0) {
            return None;
        }
        let face = self.cast.picture(character, View::Face)?;
        Some(commented(
            &face,
            &format!("{} {seq:020}", self.serial),
            size,
        ))
    }
}

/// The same picture with a comment in it, which viewers pass over, and of at least this size.
fn commented(jpeg: &[u8], comment: &str, size: usize) -> Bytes {
    let Some((start, rest)) = jpeg.split_at_checked(2) else {
        return Bytes::copy_from_slice(jpeg);
    };
    let mut whole = Vec::with_capacity(size.max(jpeg.len() + comment.len() + MARKER));
    whole.extend_from_slice(start);
    let mut text = comment.as_bytes().to_vec();
    loop {
        let missing = size.saturating_sub(whole.len() + rest.len() + MARKER);
        text.resize(missing.min(LONGEST).max(text.len()), b'.');
        let length = u16::try_from(text.len() + 2).unwrap_or(u16::MAX);
        whole.extend([0xff, 0xfe]);
        whole.extend(length.to_be_bytes());
        whole.append(&mut text);
        let missing = size.saturating_sub(whole.len() + rest.len());
        if missing < MARKER {
            // Before a marker there may be any number of these.
            whole.resize(whole.len() + missing, 0xff);
            break;
        }
    }
    whole.extend_from_slice(rest);
    whole.into()
}

/// What a comment takes beside its text.
const MARKER: usize = 4;

/// Longest text of a comment.
const LONGEST: usize = 65_533;

/// An id that ends in the record's number: two records with one id are one record to a platform, which
/// acknowledges the second and drops it.
fn uuid(dice: &mut Dice, seq: u64) -> String {
    let (high, low) = (dice.roll(), dice.roll());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0xfff,
        seq & 0xffff_ffff_ffff,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use face_record_push::{Push, codec};
    use std::collections::HashSet;

    #[test]
    fn pictures_have_the_size_that_is_asked_for_and_no_two_are_the_same() {
        for size in [5_000, 60_000, 65_540, 65_541, 65_543, 131_080, 200_001] {
            let mut crowd = Crowd::new(3);
            crowd.picture_bytes = Some(size);
            let mut people = People::new(crowd, SerialNumber::new("PS7"), Profile::V1_1);
            let mut picture = |seq| {
                let item = people.record(Seq(seq), UnixMillis(0));
                item.jpeg().unwrap().clone()
            };
            let (one, other) = (picture(1), picture(2));
            assert!(one.starts_with(&[0xff, 0xd8]) && one.ends_with(&[0xff, 0xd9]));
            assert!(one.len() == size || size < 14_000, "{} {size}", one.len());
            assert_ne!(one, other);
        }
    }

    #[test]
    fn no_two_records_of_any_profile_are_one_to_a_platform() {
        let at = UnixMillis(1_660_625_866_000);
        for (seed, profile) in (0..).zip([Profile::V1_0, Profile::V1_1, Profile::V1_3]) {
            let mut crowd = Crowd::new(seed);
            crowd.picture_bytes = Some(0);
            let mut people = People::new(crowd, SerialNumber::new("PS7"), profile);
            let mut keys = HashSet::new();
            for seq in 1..=2_000 {
                let mut body = Vec::new();
                codec::encode_push(&people.record(Seq(seq), at), &mut body);
                let push = Push::decode(body.into()).unwrap();
                let key = push.key(&people.serial);
                assert!(keys.insert(key), "{profile:?} {seq}");
            }
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_record() {
        let record = |seed, seq| {
            let serial = SerialNumber::new("PS7");
            let mut people = People::new(Crowd::new(seed), serial, Profile::V1_3);
            people.record(Seq(seq), UnixMillis(1_660_625_866_000))
        };
        assert_eq!(record(1, 7), record(1, 7));
        assert_ne!(record(1, 7), record(1, 8));
        assert_ne!(record(1, 7), record(2, 7));
    }
}
