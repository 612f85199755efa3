//! Which event carries which frame.

/// The events of the push system.
///
/// | request | its frame's `t` | reply | its frame's `t` |
/// |---|---|---|---|
/// | `heartbeat` | 1 | `heartbeat_c` | -1 |
/// | `register` | 2 | `register_c` | -2 |
/// | `get_topic` | 3 | `get_topic_c` | -3 |
/// | `pull` | 4 | `pull_c` | -4 |
/// | `push`, from the server | 5 | `push_c`, from the client | -5 |
/// | `do_push` | 6 | `do_push_c` | -6 |
/// | `connect` | 14, not written | `connect_c` | -14 |
/// | `disconnect` | none | none | |
/// | `info_status` | none | `info_status_c` | none |
///
/// A failure goes out under the name of the reply, with `t` 0. The name of the delivery (`push`) is
/// in no document, so both ends should let it be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventName {
    /// `heartbeat`
    Heartbeat,
    /// `heartbeat_c`
    HeartbeatReply,
    /// `register`
    Register,
    /// `register_c`
    RegisterReply,
    /// `get_topic`
    GetTopic,
    /// `get_topic_c`
    GetTopicReply,
    /// `pull`
    Pull,
    /// `pull_c`
    PullReply,
    /// `push`: a delivery, from the server.
    Push,
    /// `push_c`: the client's acknowledgement of a delivery.
    PushReply,
    /// `do_push`
    DoPush,
    /// `do_push_c`
    DoPushReply,
    /// `connect`. The official clients of JavaScript and Java cannot send it: it is the name of
    /// their own event.
    Connect,
    /// `connect_c`
    ConnectReply,
    /// `disconnect`: a clean goodbye. Nobody answers with an event: a DISCONNECT packet makes the
    /// client report its own.
    Disconnect,
    /// `info_status`
    InfoStatus,
    /// `info_status_c`
    InfoStatusReply,
}

impl EventName {
    /// Every event, requests before their replies.
    pub const ALL: [Self; 17] = [
        Self::Heartbeat,
        Self::HeartbeatReply,
        Self::Register,
        Self::RegisterReply,
        Self::GetTopic,
        Self::GetTopicReply,
        Self::Pull,
        Self::PullReply,
        Self::Push,
        Self::PushReply,
        Self::DoPush,
        Self::DoPushReply,
        Self::Connect,
        Self::ConnectReply,
        Self::Disconnect,
        Self::InfoStatus,
        Self::InfoStatusReply,
    ];

    /// The event of this name, exactly as it is written.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }

    /// The event that carries frames of this type. 11 is 14 (Z-1); none for 0 and for the types
    /// that only the line protocol has.
    pub fn of_type(t: i64) -> Option<Self> {
        let t = match t {
            11 => 14,
            -11 => -14,
            t => t,
        };
        Self::ALL.into_iter().find(|event| event.t() == Some(t))
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::HeartbeatReply => "heartbeat_c",
            Self::Register => "register",
            Self::RegisterReply => "register_c",
            Self::GetTopic => "get_topic",
            Self::GetTopicReply => "get_topic_c",
            Self::Pull => "pull",
            Self::PullReply => "pull_c",
            Self::Push => "push",
            Self::PushReply => "push_c",
            Self::DoPush => "do_push",
            Self::DoPushReply => "do_push_c",
            Self::Connect => "connect",
            Self::ConnectReply => "connect_c",
            Self::Disconnect => "disconnect",
            Self::InfoStatus => "info_status",
            Self::InfoStatusReply => "info_status_c",
        }
    }

    /// The type of the frame it carries, if the line protocol has that frame.
    pub fn t(self) -> Option<i64> {
        Some(match self {
            Self::Heartbeat => 1,
            Self::HeartbeatReply => -1,
            Self::Register => 2,
            Self::RegisterReply => -2,
            Self::GetTopic => 3,
            Self::GetTopicReply => -3,
            Self::Pull => 4,
            Self::PullReply => -4,
            Self::Push => 5,
            Self::PushReply => -5,
            Self::DoPush => 6,
            Self::DoPushReply => -6,
            Self::Connect => 14,
            Self::ConnectReply => -14,
            Self::Disconnect | Self::InfoStatus | Self::InfoStatusReply => return None,
        })
    }

    /// True if its object has a `t` when we write it.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# The messages of `connect`, `disconnect`, `info_status` and `info_status_c` MUST be written
    //# without a type.
    pub fn writes_t(self) -> bool {
        self != Self::Connect && self.t().is_some()
    }

    /// True unless a `t` that came with the event contradicts it (Z-24). Absent is no contradiction,
    /// and neither is 0 in a reply: it failed.
    pub fn allows(self, t: Option<i64>) -> bool {
        match t {
            None => true,
            Some(0) => self.is_reply(),
            Some(t) => match self.t() {
                Some(_) => Self::of_type(t) == Some(self),
                None => false,
            },
        }
    }

    /// The event that answers this one.
    pub fn reply(self) -> Option<Self> {
        Some(match self {
            Self::Heartbeat => Self::HeartbeatReply,
            Self::Register => Self::RegisterReply,
            Self::GetTopic => Self::GetTopicReply,
            Self::Pull => Self::PullReply,
            Self::Push => Self::PushReply,
            Self::DoPush => Self::DoPushReply,
            Self::Connect => Self::ConnectReply,
            Self::InfoStatus => Self::InfoStatusReply,
            _ => return None,
        })
    }

    /// True for the events whose names end in `_c`.
    pub fn is_reply(self) -> bool {
        self.as_str().ends_with("_c")
    }

    /// True if clients send it, false if servers do. `connect_c` and `disconnect` are accepted from
    /// both.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# Deliveries MUST count as events of servers, and `push_c` as one of clients.
    pub fn is_from_client(self) -> bool {
        match self {
            Self::Push => false,
            Self::PushReply => true,
            event => !event.is_reply(),
        }
    }
}

impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
