//! The types of messages.

use super::name::{Slot, Slots};
use crate::socketio::EventName;

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
            //= docs/spec/zzw-push-proto.md#message
            //# The type of a connect frame MUST be read from 14 and from 11.
            11 | 14 => Self::Connect,
            -11 | -14 => Self::Connected,
            _ => return None,
        })
    }

    /// The `t` of such a frame when we write it.
    //= docs/spec/zzw-push-proto.md#message
    //# A reply MUST be written with the negated type of its request.
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
    pub fn event(self) -> Option<EventName> {
        EventName::ALL
            .into_iter()
            .find(|event| Self::of_event(*event) == self)
    }

    /// The kind of message that this event carries.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# An event MUST carry the message that its name stands for.
    pub fn of_event(event: EventName) -> Self {
        match event {
            EventName::Heartbeat => Self::Heartbeat,
            EventName::HeartbeatReply => Self::HeartbeatReply,
            EventName::Register => Self::Register,
            EventName::RegisterReply => Self::Registered,
            EventName::GetTopic => Self::Topics,
            EventName::GetTopicReply => Self::TopicList,
            EventName::Pull => Self::Pull,
            EventName::PullReply => Self::Batch,
            EventName::Push => Self::Deliver,
            EventName::PushReply => Self::Ack,
            EventName::DoPush => Self::Publish,
            EventName::DoPushReply => Self::Published,
            EventName::Connect => Self::Connect,
            EventName::ConnectReply => Self::Connected,
            EventName::InfoStatus => Self::Status,
            EventName::InfoStatusReply => Self::StatusReply,
            EventName::Disconnect => Self::Goodbye,
        }
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
