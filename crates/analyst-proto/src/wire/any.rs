//! Values out of a fuzzer's bytes, for people who fuzz on top of this crate.

use super::{
    Attempt, ClientId, Extra, Fail, Finish, Floor, Goods, GoodsId, IdForm, Message, Progress,
    Start, Taken, TaskId, Text, Timeout, UnixMillis, Unknown, WeightChange, cut,
};
use arbitrary::{Arbitrary, Result, Unstructured};

/// Any message that an encoder keeps.
impl<'a> Arbitrary<'a> for Message {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=5)? {
            0 => Start::arbitrary(u)?.into(),
            1 => Finish::arbitrary(u)?.into(),
            2 => Fail::arbitrary(u)?.into(),
            3 => Timeout::arbitrary(u)?.into(),
            4 => Progress::arbitrary(u)?.into(),
            _ => {
                let raw = r#"{"action":"ANALYSIS_PAUSE","data":{"id":1}}"#;
                let unknown = Unknown::new("ANALYSIS_PAUSE", raw);
                unknown
                    .map_err(|_| arbitrary::Error::IncorrectFormat)?
                    .into()
            }
        })
    }
}

impl<'a> Arbitrary<'a> for Start {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut start = Self::new(u.arbitrary()?, text(u)?);
        start.id_form = u.arbitrary()?;
        start.goods_ids = u.arbitrary()?;
        start.ass_video = u.arbitrary::<bool>()?.then(|| text(u)).transpose()?;
        if u.arbitrary()? {
            let changes = (0..u.int_in_range(0..=3)?).map(|_| WeightChange::arbitrary(u));
            start.weight_info = Some(changes.collect::<Result<_>>()?);
        }
        start.door_open_timestamp = u.arbitrary::<Option<_>>()?.map(UnixMillis);
        start.door_close_timestamp = u.arbitrary::<Option<_>>()?.map(UnixMillis);
        start.analyst_id = label(u)?;
        start.extra = u.arbitrary()?;
        start.envelope = u.arbitrary()?;
        Ok(start)
    }
}

impl<'a> Arbitrary<'a> for Finish {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut taken = Taken::new();
        for _ in 0..u.int_in_range(0..=4)? {
            taken.push((GoodsId(u.arbitrary()?), u.arbitrary()?));
        }
        let mut finish = Self::new(u.arbitrary()?, taken);
        finish.id_form = u.arbitrary()?;
        finish.analyst_id = label(u)?;
        finish.extra = u.arbitrary()?;
        finish.envelope = u.arbitrary()?;
        Ok(finish)
    }
}

/// With a reason that is sent whole.
impl<'a> Arbitrary<'a> for Fail {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let reason: String = u.arbitrary()?;
        let mut fail = Self::new(u.arbitrary()?, cut(&reason, Self::MAX_REASON));
        fail.id_form = u.arbitrary()?;
        fail.analyst_id = label(u)?;
        fail.extra = u.arbitrary()?;
        fail.envelope = u.arbitrary()?;
        Ok(fail)
    }
}

impl<'a> Arbitrary<'a> for Timeout {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut timeout = Self::new(u.arbitrary()?);
        timeout.id_form = u.arbitrary()?;
        timeout.extra = u.arbitrary()?;
        timeout.envelope = u.arbitrary()?;
        Ok(timeout)
    }
}

impl<'a> Arbitrary<'a> for Progress {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut progress = Self::new(u.arbitrary()?);
        progress.id_form = u.arbitrary()?;
        progress.extra = u.arbitrary()?;
        progress.envelope = u.arbitrary()?;
        Ok(progress)
    }
}

impl<'a> Arbitrary<'a> for TaskId {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.arbitrary().map(Self)
    }
}

impl<'a> Arbitrary<'a> for IdForm {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(*u.choose(&[Self::Number, Self::String])?)
    }
}

impl<'a> Arbitrary<'a> for Floor {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let is_odd: bool = u.arbitrary()?;
        Ok(Self(if is_odd {
            u.arbitrary()?
        } else {
            u.int_in_range(-1..=6)?
        }))
    }
}

impl<'a> Arbitrary<'a> for Goods {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut goods = Self::new();
        for _ in 0..u.int_in_range(0..=6)? {
            let ids: [u16; 3] = u.arbitrary()?;
            let some = u.int_in_range(0..=3)?;
            let ids = ids.into_iter().take(some);
            goods.set(u.arbitrary()?, ids.map(|id| GoodsId(id.into())));
        }
        Ok(goods)
    }
}

impl<'a> Arbitrary<'a> for WeightChange {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let [start, end] = u.arbitrary::<[i64; 2]>()?.map(UnixMillis);
        Ok(Self::new(u.arbitrary()?, u.arbitrary()?, start, end))
    }
}

/// Members that no document names.
impl<'a> Arbitrary<'a> for Extra {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut extra = Self::default();
        for _ in 0..u.int_in_range(0..=2)? {
            let name = format!("x{}", text(u)?.as_str());
            let json = *u.choose(&["null", "1.50", r#""a b""#, r#"{"a":[true,{}]}"#])?;
            let set = extra.set(name, json);
            set.map_err(|_| arbitrary::Error::IncorrectFormat)?;
        }
        Ok(extra)
    }
}

fn label(u: &mut Unstructured<'_>) -> Result<Option<Text>> {
    Ok(match u.int_in_range(0..=3)? {
        0 => ClientId::new("GID_Analyst@@@analyst_3")
            .ok()
            .map(|client| Attempt::new(client, 1).to_json()),
        1 => Some("7".into()),
        _ => None,
    })
}

fn text(u: &mut Unstructured<'_>) -> Result<Text> {
    let text: String = u.arbitrary()?;
    Ok(text.into())
}
