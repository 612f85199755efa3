//! Values out of a fuzzer's bytes, for people who fuzz on top of this crate.

use super::code::{
    AbnormalType, AlarmCode, AlarmStatus, EntryMode, Mask, Mode, RecognitionType, RecognizeStatus,
    UserType,
};
use super::{
    AlarmReport, Group, Item, Person, PersonFilter, Profile, Push, Recognition, RecordsQuery,
    Subscription, UnixMillis,
};
use crate::{Dest, codec};
use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;

/// Any recognition that a terminal could tell, read back as it is in profile 1.3.
impl<'a> Arbitrary<'a> for Recognition {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut recognition = Self::new(text(u)?, seconds(u)?);
        recognition.uuid = text(u)?;
        recognition.recognition_type = RecognitionType(u.arbitrary()?);
        recognition.recognize_status = RecognizeStatus(u.arbitrary()?);
        recognition.score = measure(u)?;
        recognition.liveness = measure(u)?;
        recognition.mask = Mask(u.arbitrary()?);
        recognition.mode = Mode(u.arbitrary()?);
        recognition.pass = u.arbitrary()?;
        recognition.temperature = measure(u)?;
        recognition.entry_mode = EntryMode(u.arbitrary()?);
        recognition.abnormal_type = AbnormalType(u.arbitrary()?);
        recognition.user = u.arbitrary()?;
        if u.arbitrary()? {
            let number: i64 = u.arbitrary()?;
            recognition.extra.push(("novel".into(), number.to_string()));
        }
        Ok(recognition)
    }
}

/// Any person that is somebody.
impl<'a> Arbitrary<'a> for Person {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut person = Self::new(u.arbitrary::<u32>()?.to_string(), text(u)?);
        person.user_type = UserType(u.arbitrary()?);
        person.ic_number = text(u)?;
        person.job_number = text(u)?;
        person.id_number = text(u)?;
        person.pin = text(u)?;
        person.remark = text(u)?;
        person.guest_from = u.arbitrary::<bool>()?.then(|| seconds(u)).transpose()?;
        person.guest_until = u.arbitrary::<bool>()?.then(|| seconds(u)).transpose()?;
        for _ in 0..u.int_in_range(0..=3)? {
            let id: u32 = u.arbitrary()?;
            person.groups.push(Group::new(id.to_string(), text(u)?));
        }
        Ok(person)
    }
}

impl<'a> Arbitrary<'a> for AlarmReport {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut alarm = Self::new(text(u)?, AlarmCode(u.arbitrary()?), seconds(u)?);
        alarm.description = text(u)?;
        alarm.user_id = u.arbitrary()?;
        alarm.status = AlarmStatus(u.arbitrary()?);
        if u.arbitrary()? {
            alarm.code = None;
        }
        Ok(alarm)
    }
}

/// A record in any profile, or an alarm.
impl<'a> Arbitrary<'a> for Item {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let jpeg: Option<Vec<u8>> = u.arbitrary()?;
        let jpeg = jpeg.map(Bytes::from);
        if u.ratio(1, 8)? {
            return Ok(AlarmReport::arbitrary(u)?.to_item(jpeg));
        }
        let profile = Profile::arbitrary(u)?;
        Ok(Recognition::arbitrary(u)?.to_item(profile, jpeg))
    }
}

/// What a terminal posts.
impl<'a> Arbitrary<'a> for Push {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut body = Vec::new();
        codec::encode_push(&Item::arbitrary(u)?, &mut body);
        Self::decode(body.into()).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for Profile {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(*u.choose(&[Self::V1_0, Self::V1_1, Self::V1_2, Self::V1_2_1, Self::V1_3])?)
    }
}

impl<'a> Arbitrary<'a> for Subscription {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let url = format!(
            "http://192.0.2.{}:{}/Record",
            u8::arbitrary(u)?,
            u.int_in_range(1..=65_535)?
        );
        let dest = u.arbitrary::<bool>()?.then(|| Dest::parse(&url).ok());
        Ok(Self {
            dest: dest.flatten().map(Into::into),
            is_enabled: u.arbitrary()?,
        })
    }
}

impl<'a> Arbitrary<'a> for RecordsQuery {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut query = Self::between(seconds(u)?, seconds(u)?);
        query.offset = u.int_in_range(0..=1 << 40)?;
        query.limit = u.int_in_range(1..=200)?;
        query.newest_first = u.arbitrary()?;
        query.person = match u.int_in_range(0..=3)? {
            0 => Some(PersonFilter::UserId(text(u)?)),
            1 => Some(PersonFilter::JobNumber(text(u)?)),
            2 => Some(PersonFilter::IcNumber(text(u)?)),
            _ => None,
        };
        Ok(query)
    }
}

/// A time that reads as seconds.
fn seconds(u: &mut Unstructured<'_>) -> Result<UnixMillis> {
    let seconds: i64 = u.int_in_range(1..=99_999_999_999)?;
    Ok(UnixMillis(
        seconds.saturating_mul(1_000).max(100_000_000_000),
    ))
}

/// Text that says something.
fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let text: String = u.arbitrary()?;
    Ok(if text.trim().is_empty() {
        "小明".to_owned()
    } else {
        text
    })
}

/// A finite number.
fn measure(u: &mut Unstructured<'_>) -> Result<f64> {
    let number: f64 = u.arbitrary()?;
    Ok(if number.is_finite() { number } else { 0.5 })
}
