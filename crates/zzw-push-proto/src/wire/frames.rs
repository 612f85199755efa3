//! The frames, one type per shape.

use super::{Bodies, Extra, Json, Mid, Num, Text, Texts, Token};

/// `t:1`: the link is alive. The first frame with an alias binds the link to it (Z-14).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Heartbeat {
    /// Who is alive; the link's alias if absent.
    pub alias: Option<Text>,
    /// The client's token, where servers ask for one (K-2).
    pub token: Option<Token>,
    /// Further members.
    pub extra: Extra,
}

/// `t:-1`: so is the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HeartbeatReply {
    /// The alias that the link is bound to (Z-16).
    pub alias: Option<Text>,
    /// Further members.
    pub extra: Extra,
}

/// `t:2`: adds topics to the alias, for ever (Z-17).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Register {
    /// Topics to add. Not empty unless [`Self::untopics`] has some.
    pub topics: Texts,
    /// Topics to remove: an extension of ours.
    pub untopics: Texts,
    /// Who registers.
    pub info: Option<Info>,
    /// Number of the request.
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// What a device says about itself when it registers. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Info {
    /// The residential area.
    pub community_id: Option<Text>,
    /// The device.
    pub name: Option<Text>,
    /// Further members.
    pub extra: Extra,
}

/// A frame that has a number and nothing else: `t:3`, `t:7`, `t:-2`, `t:-6`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Numbered {
    /// Number of the request.
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// `t:-3`: the topics of the alias. None is `[]`; the vendor's sample shows `[""]` (Z-18).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TopicList {
    /// The topics.
    pub topics: Texts,
    /// Number of the request.
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// `t:4`: asks for the messages not acknowledged yet (Z-19).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pull {
    /// Whose messages; the link's alias if absent.
    pub alias: Option<Text>,
    /// Number of the request. The same one asks for the same batch.
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// `t:-4`: messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Batch {
    /// The bodies.
    pub bodies: Bodies,
    /// Their ids in the same order: an extension of ours, empty from others.
    pub mids: Texts,
    /// Number of the request.
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// `t:5`: one message for an alias. In no document; see [`Message::Deliver`](super::Message).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Whose message; the link's alias if absent.
    pub alias: Option<Text>,
    /// What to acknowledge it by.
    pub mid: Mid,
    /// The body, as it was published.
    pub msg: Json,
    /// The topic it was published to, if it was not published to an alias.
    pub topic: Option<Text>,
    /// Further members.
    pub extra: Extra,
}

/// `t:-5`: the message has arrived (Z-4).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ack {
    /// Whose message; the link's alias if absent. Our own acknowledgements have it on both
    /// transports.
    pub alias: Option<Text>,
    /// Which message.
    pub mid: Mid,
    /// Further members.
    pub extra: Extra,
}

/// `t:8`, `t:9`, `t:10`: for the links of a relay room. Never stored (Z-13).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Door {
    /// `r`, the room.
    pub room: Text,
    /// `u`, the user.
    pub user: Text,
    /// Further members.
    pub extra: Extra,
}

/// `t:14`: binds the link to an alias; the offline messages follow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connect {
    /// The type it came with.
    pub code: ConnectCode,
    /// Who connects.
    pub alias: Text,
    /// The client's token, where servers ask for one (K-2).
    pub token: Option<Token>,
    /// Further members.
    pub extra: Extra,
}

/// `t:-14`: the link is bound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Connected {
    /// The type of the request, negated when written.
    pub code: ConnectCode,
    /// To whom.
    pub alias: Option<Text>,
    /// Messages that were lost to the queue's limit since the last connection.
    pub gap: u64,
    /// Further members.
    pub extra: Extra,
}

/// The type of a connect frame: its heading says 11, its sample 14 (Z-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ConnectCode {
    /// `11`, accepted.
    Eleven,
    /// `14`, what we write.
    #[default]
    Fourteen,
}

/// `info_status`, Socket.IO only: asks how somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusRequest {
    /// Who.
    pub alias: Text,
    /// Number of the request, if it has one; the document's has none.
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// `disconnect`, Socket.IO only: a clean goodbye (Z-26).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Goodbye {
    /// Who leaves.
    pub alias: Option<Text>,
    /// Further members.
    pub extra: Extra,
}

/// A frame of a type that nobody documented, or with none (Z-2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Other {
    /// Its type.
    pub t: Option<i64>,
    /// Its number, so that it can be answered.
    pub num: Num,
    /// All of it.
    pub raw: Json,
}

impl Heartbeat {
    /// A heartbeat of `alias`.
    pub fn new(alias: impl Into<Text>) -> Self {
        Self {
            alias: Some(alias.into()),
            ..Self::default()
        }
    }

    /// Its reply, with the alias that the link is bound to.
    pub fn reply(bound: Option<Text>) -> HeartbeatReply {
        HeartbeatReply {
            alias: bound,
            ..HeartbeatReply::default()
        }
    }
}

impl Register {
    /// Adds these topics.
    pub fn new(topics: Texts, num: Num) -> Self {
        Self {
            topics,
            num,
            ..Self::default()
        }
    }
}

impl Numbered {
    /// With this number.
    pub fn new(num: Num) -> Self {
        Self {
            num,
            ..Self::default()
        }
    }
}

impl TopicList {
    /// The answer to the request of that number.
    pub fn new(topics: Texts, num: Num) -> Self {
        Self {
            topics,
            num,
            ..Self::default()
        }
    }
}

impl Pull {
    /// Asks for the link's messages.
    pub fn new(num: Num) -> Self {
        Self {
            num,
            ..Self::default()
        }
    }
}

impl Batch {
    /// Messages with their ids in the same order.
    pub fn new(bodies: Bodies, mids: Texts, num: Num) -> Self {
        Self {
            bodies,
            mids,
            num,
            ..Self::default()
        }
    }
}

impl Delivery {
    /// A message for `alias`.
    pub fn new(alias: impl Into<Text>, mid: Mid, msg: Json) -> Self {
        Self {
            alias: Some(alias.into()),
            mid,
            msg,
            topic: None,
            extra: Extra::default(),
        }
    }

    /// The acknowledgement of it.
    pub fn ack(&self) -> Ack {
        Ack {
            alias: self.alias.clone(),
            mid: self.mid.clone(),
            extra: Extra::default(),
        }
    }
}

impl Ack {
    /// The acknowledgement by `alias` of that message.
    pub fn new(alias: impl Into<Text>, mid: Mid) -> Self {
        Self {
            alias: Some(alias.into()),
            mid,
            extra: Extra::default(),
        }
    }
}

impl Door {
    /// For that room, by that user.
    pub fn new(room: impl Into<Text>, user: impl Into<Text>) -> Self {
        Self {
            room: room.into(),
            user: user.into(),
            extra: Extra::default(),
        }
    }
}

impl Connect {
    /// Binds the link to `alias`.
    pub fn new(alias: impl Into<Text>) -> Self {
        Self {
            code: ConnectCode::default(),
            alias: alias.into(),
            token: None,
            extra: Extra::default(),
        }
    }

    /// Its reply, of the type it came with.
    pub fn reply(&self, gap: u64) -> Connected {
        Connected {
            code: self.code,
            alias: Some(self.alias.clone()),
            gap,
            extra: Extra::default(),
        }
    }
}

impl ConnectCode {
    /// The type of the request: 11 or 14.
    pub fn t(self) -> i64 {
        match self {
            Self::Eleven => 11,
            Self::Fourteen => 14,
        }
    }
}

impl StatusRequest {
    /// Asks how `alias` is.
    pub fn new(alias: impl Into<Text>) -> Self {
        Self {
            alias: alias.into(),
            num: Num::Absent,
            extra: Extra::default(),
        }
    }
}

impl Goodbye {
    /// `alias` leaves.
    pub fn new(alias: impl Into<Text>) -> Self {
        Self {
            alias: Some(alias.into()),
            ..Self::default()
        }
    }
}

impl std::fmt::Debug for Info {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        //= docs/spec/zzw-push-proto.md#permission
        //# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST
        //# NOT appear in debug output.
        f.debug_struct("Info").finish_non_exhaustive()
    }
}
