//! Messages out of a fuzzer's bytes, for people who fuzz on top of this crate.

use super::{
    Ack, Batch, Code, Connect, ConnectCode, Counts, Delivery, Door, Extra, Failure, Heartbeat,
    HeartbeatReply, Info, Json, Message, Mid, Num, Numbered, Other, Publish, Pull, Register, Text,
    Texts, Token, TopicList, Ttl,
};
use arbitrary::{Arbitrary, Result, Unstructured};

/// Any message that has a `t`, as either end could write it.
impl<'a> Arbitrary<'a> for Message {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=20)? {
            0 => Self::Heartbeat(Heartbeat {
                alias: u.arbitrary()?,
                token: u.arbitrary::<Option<Text>>()?.map(Token),
                extra: u.arbitrary()?,
            }),
            1 => Self::HeartbeatReply(HeartbeatReply {
                alias: u.arbitrary()?,
                extra: u.arbitrary()?,
            }),
            2 => Self::Register(Register {
                topics: some(u)?,
                untopics: u.arbitrary()?,
                info: u.arbitrary()?,
                num: u.arbitrary()?,
                extra: u.arbitrary()?,
            }),
            3 => Self::Registered(u.arbitrary()?),
            4 => Self::Topics(u.arbitrary()?),
            5 => Self::TopicList(TopicList {
                topics: u.arbitrary()?,
                num: u.arbitrary()?,
                extra: u.arbitrary()?,
            }),
            6 => Self::Pull(Pull {
                alias: u.arbitrary()?,
                num: u.arbitrary()?,
                extra: u.arbitrary()?,
            }),
            7 => Self::Batch(Batch {
                bodies: u.arbitrary::<Vec<Json>>()?.into_iter().collect(),
                mids: u.arbitrary()?,
                num: u.arbitrary()?,
                extra: u.arbitrary()?,
            }),
            8 => Self::Deliver(Delivery {
                alias: u.arbitrary()?,
                mid: u.arbitrary()?,
                msg: u.arbitrary()?,
                topic: u.arbitrary()?,
                extra: u.arbitrary()?,
            }),
            9 => Self::Ack(Ack {
                alias: u.arbitrary()?,
                mid: u.arbitrary()?,
                extra: u.arbitrary()?,
            }),
            10 => Self::Publish(u.arbitrary()?),
            11 => Self::Published(u.arbitrary()?),
            12 => Self::Counts(u.arbitrary()?),
            13 => Self::CountsReply(Counts {
                is_bare: u.arbitrary()?,
                num: u.arbitrary()?,
                extra: u.arbitrary()?,
                ..Counts::new(
                    u32::arbitrary(u)?.into(),
                    u32::arbitrary(u)?.into(),
                    u32::arbitrary(u)?.into(),
                    u32::arbitrary(u)?.into(),
                )
            }),
            14 => Self::OpenDoor(u.arbitrary()?),
            15 => Self::Phone(u.arbitrary()?),
            16 => Self::Door(u.arbitrary()?),
            17 => Self::Connect(u.arbitrary()?),
            18 => {
                let mut connected = Connect::arbitrary(u)?.reply(u32::arbitrary(u)?.into());
                connected.extra = u.arbitrary()?;
                Self::Connected(connected)
            }
            19 => Self::Failure(Failure {
                error: u.arbitrary()?,
                code: u.arbitrary::<Option<Text>>()?.map(Code::of),
                num: u.arbitrary()?,
                extra: u.arbitrary()?,
            }),
            _ => {
                let t = i64::from(u.int_in_range(20..=90_u8)?);
                let raw = format!("{{\"t\":{t}}}");
                let raw = Json::parse(raw).map_err(|_| arbitrary::Error::IncorrectFormat)?;
                Self::Other(Other {
                    t: Some(t),
                    num: Num::Absent,
                    raw,
                })
            }
        })
    }
}

impl<'a> Arbitrary<'a> for Publish {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (msg, num) = (u.arbitrary()?, u.arbitrary()?);
        let mut publish = if u.arbitrary()? {
            let mut publish = Self::to_topics(some(u)?, msg, num);
            publish.aliases = u.arbitrary()?;
            publish
        } else {
            let mut publish = Self::to_aliases(some(u)?, msg, num);
            publish.topics = u.arbitrary()?;
            publish
        };
        publish.ttl = u
            .arbitrary::<Option<u32>>()?
            .map(|seconds| Ttl::seconds(seconds.into()));
        publish.opts = u.arbitrary()?;
        publish.extra = u.arbitrary()?;
        Ok(publish)
    }
}

impl<'a> Arbitrary<'a> for Connect {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut connect = Self::new(name(u)?);
        if u.arbitrary()? {
            connect.code = ConnectCode::Eleven;
        }
        connect.token = u.arbitrary::<Option<Text>>()?.map(Token);
        connect.extra = u.arbitrary()?;
        Ok(connect)
    }
}

impl<'a> Arbitrary<'a> for Door {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut door = Self::new(name(u)?, name(u)?);
        door.extra = u.arbitrary()?;
        Ok(door)
    }
}

impl<'a> Arbitrary<'a> for Numbered {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            num: u.arbitrary()?,
            extra: u.arbitrary()?,
        })
    }
}

impl<'a> Arbitrary<'a> for Info {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            community_id: u.arbitrary()?,
            name: u.arbitrary()?,
            extra: u.arbitrary()?,
        })
    }
}

impl<'a> Arbitrary<'a> for Num {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=2)? {
            0 => Self::Absent,
            1 => Self::Str(u.arbitrary()?),
            _ => Self::Num(i64::arbitrary(u)?.to_string().into()),
        })
    }
}

impl<'a> Arbitrary<'a> for Mid {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(if u.arbitrary()? {
            Self::Num(i64::arbitrary(u)?.to_string().into())
        } else {
            Self::Str(name(u)?)
        })
    }
}

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(u.arbitrary::<&str>()?.into())
    }
}

/// Up to eight texts.
impl<'a> Arbitrary<'a> for Texts {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let len = u.int_in_range(0..=8)?;
        (0..len).map(|_| u.arbitrary::<Text>()).collect()
    }
}

/// Text, or a small value of another kind.
impl<'a> Arbitrary<'a> for Json {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let json = *u.choose(&["null", "true", "-1.5e3", "[ ]", "{\"a\":\n[1,{}]}", ""])?;
        if json.is_empty() {
            return Ok(Self::text(u.arbitrary()?));
        }
        Self::parse(json).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

/// Members that no message knows.
impl<'a> Arbitrary<'a> for Extra {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut extra = Self::default();
        for _ in 0..u.int_in_range(0..=2)? {
            let name = format!("x{}", u.arbitrary::<&str>()?);
            extra.push(&name, &u.arbitrary()?);
        }
        Ok(extra)
    }
}

/// A text that says something.
fn name(u: &mut Unstructured<'_>) -> Result<Text> {
    let text: Text = u.arbitrary()?;
    Ok(if text.is_empty() {
        Text::from_static("小明")
    } else {
        text
    })
}

/// At least one text.
fn some(u: &mut Unstructured<'_>) -> Result<Texts> {
    let texts: Texts = u.arbitrary()?;
    Ok(if texts.is_empty() {
        Texts::from_iter(["小区"])
    } else {
        texts
    })
}
