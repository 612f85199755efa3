//! The types of messages.

use super::name::{Slot, Slots};

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// 1, event `heartbeat`
    Heartbeat,
    /// -1, event `heartbeat_c`
    HeartbeatReply,
    /// 2, event `register`
    Register,
    /// -2, event `register_c`
    Registered,
    /// 3, event `get_topic`
    Topics,
    /// -3, event `get_topic_c`
    TopicList,
    /// 4, event `pull`
    Pull,
    /// -4, event `pull_c`
    Batch,
    /// 5, event `push` unless configured otherwise
    Deliver,
    /// -5, event `push_c`
    Ack,
    /// 6, event `do_push`
    Publish,
    /// -6, event `do_push_c`
    Published,
    /// 7
    Counts,
    /// -7
    CountsReply,
    /// 8
    OpenDoor,
    /// 9
    Phone,
    /// 10
    Door,
    /// 14 and 11, event `connect`
    Connect,
    /// -14 and -11, event `connect_c`
    Connected,
    /// Event `info_status`
    Status,
    /// Event `info_status_c`
    StatusReply,
    /// Event `disconnect`
    Goodbye,
    /// 0, under the name of the event that would have told success
    Failure,
}

impl MessageKind {
    /// The kind of a frame with this `t`.
    pub fn of_t(t: i64) -> Option<Self> {
        Some(match t {
            0 => Self::Failure,
            1 => Self::Heartbeat,
            -1 => Self::HeartbeatReply,
            2 => Self::Register,
            -2 => Self::Registered,
            3 => Self::Topics,
            -3 => Self::TopicList,
            4 => Self::Pull,
            -4 => Self::Batch,
            5 => Self::Deliver,
            -5 => Self::Ack,
            6 => Self::Publish,
            -6 => Self::Published,
            7 => Self::Counts,
            -7 => Self::CountsReply,
            8 => Self::OpenDoor,
            9 => Self::Phone,
            10 => Self::Door,
            11 | 14 => Self::Connect,
            -11 | -14 => Self::Connected,
            _ => return None,
        })
    }

    /// The `t` of such a frame when we write it.
    pub fn t(self) -> Option<i64> {
        Some(match self {
            Self::Failure => 0,
            Self::Heartbeat => 1,
            Self::HeartbeatReply => -1,
            Self::Register => 2,
            Self::Registered => -2,
            Self::Topics => 3,
            Self::TopicList => -3,
            Self::Pull => 4,
            Self::Batch => -4,
            Self::Deliver => 5,
            Self::Ack => -5,
            Self::Publish => 6,
            Self::Published => -6,
            Self::Counts => 7,
            Self::CountsReply => -7,
            Self::OpenDoor => 8,
            Self::Phone => 9,
            Self::Door => 10,
            Self::Connect => 14,
            Self::Connected => -14,
            Self::Status | Self::StatusReply | Self::Goodbye => return None,
        })
    }

    /// The Socket.IO event that carries such messages. None for those of TCP only, and for failures:
    /// they go out under the name of the reply.
    pub fn event(self) -> Option<&'static str> {
        Some(match self {
            Self::Heartbeat => "heartbeat",
            Self::HeartbeatReply => "heartbeat_c",
            Self::Register => "register",
            Self::Registered => "register_c",
            Self::Topics => "get_topic",
            Self::TopicList => "get_topic_c",
            Self::Pull => "pull",
            Self::Batch => "pull_c",
            Self::Deliver => "push",
            Self::Ack => "push_c",
            Self::Publish => "do_push",
            Self::Published => "do_push_c",
            Self::Connect => "connect",
            Self::Connected => "connect_c",
            Self::Status => "info_status",
            Self::StatusReply => "info_status_c",
            Self::Goodbye => "disconnect",
            _ => return None,
        })
    }

    /// The kind of message that an event of this name carries.
    pub fn of_event(name: &str) -> Option<Self> {
        Some(match name {
            "heartbeat" => Self::Heartbeat,
            "heartbeat_c" => Self::HeartbeatReply,
            "register" => Self::Register,
            "register_c" => Self::Registered,
            "get_topic" => Self::Topics,
            "get_topic_c" => Self::TopicList,
            "pull" => Self::Pull,
            "pull_c" => Self::Batch,
            "push" => Self::Deliver,
            "push_c" => Self::Ack,
            "do_push" => Self::Publish,
            "do_push_c" => Self::Published,
            "connect" => Self::Connect,
            "connect_c" => Self::Connected,
            "info_status" => Self::Status,
            "info_status_c" => Self::StatusReply,
            "disconnect" => Self::Goodbye,
            _ => return None,
        })
    }

    /// The kind of message that answers this one, if one does when all is well.
    pub fn reply(self) -> Option<Self> {
        Some(match self {
            Self::Heartbeat => Self::HeartbeatReply,
            Self::Register => Self::Registered,
            Self::Topics => Self::TopicList,
            Self::Pull => Self::Batch,
            Self::Deliver => Self::Ack,
            Self::Publish => Self::Published,
            Self::Counts => Self::CountsReply,
            Self::Connect => Self::Connected,
            Self::Status => Self::StatusReply,
            _ => return None,
        })
    }

    /// True for what answers something, where a failure may come instead.
    pub(crate) fn is_reply(self) -> bool {
        matches!(
            self,
            Self::HeartbeatReply
                | Self::Registered
                | Self::TopicList
                | Self::Batch
                | Self::Ack
                | Self::Published
                | Self::CountsReply
                | Self::Connected
                | Self::StatusReply
        )
    }

    /// The members that are fields of such a message.
    pub(crate) const fn known(self) -> Slots {
        use Slot::{
            Alias, Aliases, ChannelSize, Code, Error, Gap, Info, List, Many2Many, Method, Mid, Msg,
            Num, One2Many, One2One, Opts, R, Status, T, Token, Topic, U, Untopic,
        };
        match self {
            Self::Heartbeat | Self::Connect => const { Slots::of(&[T, Alias, Token]) },
            Self::HeartbeatReply | Self::Goodbye => const { Slots::of(&[T, Alias]) },
            Self::Register => const { Slots::of(&[T, Topic, Untopic, Info, Num]) },
            Self::Registered | Self::Topics | Self::Published | Self::Counts => {
                const { Slots::of(&[T, Num]) }
            }
            Self::TopicList => const { Slots::of(&[T, Num, Topic]) },
            Self::Pull | Self::Status => const { Slots::of(&[T, Alias, Num]) },
            Self::Batch => const { Slots::of(&[T, Msg, Mid, Num]) },
            Self::Deliver => const { Slots::of(&[T, Alias, Mid, Msg, Topic]) },
            Self::Ack => const { Slots::of(&[T, Alias, Mid]) },
            Self::Publish => {
                const { Slots::of(&[T, Method, Topic, Alias, Aliases, Msg, Opts, Num]) }
            }
            Self::CountsReply => {
                const { Slots::of(&[T, One2One, One2Many, Many2Many, ChannelSize, Num]) }
            }
            Self::OpenDoor | Self::Phone | Self::Door => const { Slots::of(&[T, R, U]) },
            Self::Connected => const { Slots::of(&[T, Alias, Gap]) },
            Self::StatusReply => const { Slots::of(&[T, Alias, List, Status, Num]) },
            Self::Failure => const { Slots::of(&[T, Error, Code, Num]) },
        }
    }
}
