//! Values out of a fuzzer's bytes, for people who fuzz on top of this crate.

use super::{
    DeviceKind, Dialect, FaceEvent, HistoryQuery, ListStyle, LiveForm, PersonType, Sighting,
    Subscription, TimeUnit, UnixMillis,
};
use arbitrary::{Arbitrary, Result, Unstructured};

/// Any sighting that a box could tell in its wire format, read back as it is.
impl<'a> Arbitrary<'a> for Sighting {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let event_id = String::arbitrary(u)?;
        let device_id = String::arbitrary(u)?;
        let mut sighting = Self::new(event_id, device_id, time(u)?);
        sighting.device_ip = u.arbitrary()?;
        sighting.device_kind = DeviceKind::from_wire(word(u)?);
        sighting.person = PersonType::from_wire(word(u)?);
        sighting.identity_id = u.arbitrary()?;
        sighting.identity_name = u.arbitrary()?;
        sighting.group_name = u.arbitrary()?;
        sighting.score = u.arbitrary::<f64>()?;
        sighting.registered = picture(u)?;
        sighting.face = picture(u)?;
        sighting.scene = picture(u)?;
        if u.arbitrary()? {
            sighting.identity_info = r#"{"name":"小明","type":1,"addTime":1594111791}"#.into();
        }
        if u.arbitrary()? {
            let number: i64 = u.arbitrary()?;
            sighting.extra.push(("novel".into(), number.to_string()));
        }
        Ok(sighting)
    }
}

/// A live or recorded event of either dialect.
impl<'a> Arbitrary<'a> for FaceEvent {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let sighting = Sighting::arbitrary(u)?;
        let dialect = dialect(u)?;
        if u.arbitrary()? {
            return Ok(sighting.to_recorded(dialect));
        }
        let mut form = LiveForm::new(dialect);
        form.face = u.arbitrary()?;
        form.scene = u.arbitrary()?;
        form.registered = u.arbitrary()?;
        form.script_ids = u.arbitrary()?;
        Ok(sighting.to_live(form))
    }
}

impl<'a> Arbitrary<'a> for Subscription {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let devices = Vec::<String>::arbitrary(u)?;
        Ok(Self::new(devices)
            .with_faces(u.arbitrary()?)
            .with_registered(u.arbitrary()?))
    }
}

impl<'a> Arbitrary<'a> for HistoryQuery {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut query = Self::new(dialect(u)?, time(u)?, time(u)?);
        query.page = u.arbitrary()?;
        query.per_page = u.arbitrary()?;
        query.devices = u.arbitrary()?;
        query.score_min = u.arbitrary()?;
        query.score_max = u.arbitrary()?;
        query.identity_id = u.arbitrary()?;
        query.identity_name = u.arbitrary()?;
        query.user_type = u.arbitrary()?;
        query.groups = u.arbitrary()?;
        query.room = u.arbitrary()?;
        query.top_k = u.arbitrary()?;
        query.unit = *u.choose(&[TimeUnit::Seconds, TimeUnit::Millis])?;
        query.list_style = *u.choose(&[ListStyle::Comma, ListStyle::Repeat, ListStyle::Json])?;
        Ok(query)
    }
}

fn dialect(u: &mut Unstructured<'_>) -> Result<Dialect> {
    Ok(*u.choose(&[Dialect::V1, Dialect::V2])?)
}

/// A time that reads as milliseconds.
fn time(u: &mut Unstructured<'_>) -> Result<UnixMillis> {
    Ok(UnixMillis(
        u.int_in_range(100_000_000_000..=99_999_999_999_999)?,
    ))
}

fn word(u: &mut Unstructured<'_>) -> Result<&'static str> {
    Ok(u.choose(&[
        "0", "1", "2", "3", "4", "5", "6", "photo", "rtsp", "employee", "stranger", "vip", "car",
        "novel",
    ])?)
}

fn picture(u: &mut Unstructured<'_>) -> Result<Option<bytes::Bytes>> {
    let jpeg: Option<Vec<u8>> = u.arbitrary()?;
    Ok(jpeg.filter(|jpeg| !jpeg.is_empty()).map(Into::into))
}
