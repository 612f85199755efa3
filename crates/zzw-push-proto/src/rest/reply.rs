//! What REST calls are answered with.

use super::RestCall;
use crate::wire::{
    AliasPage, ClusterInfo, Code, Failure, Lenience, Message, Num, Numbered, Servers, Status,
    read_reply,
};
use crate::{WireError, WireErrorKind};
use bytes::Bytes;

/// The answer to a call: HTTP status and body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestReply {
    /// To [`RestCall::Push`]: the message is kept for all who are away.
    Published(Numbered),
    /// To [`RestCall::Info`].
    Info(ClusterInfo),
    /// To [`RestCall::Servers`].
    Servers(Servers),
    /// To [`RestCall::Status`].
    Status(Status),
    /// To [`RestCall::ChannelAliases`] and [`RestCall::SocketIoAliases`].
    Aliases(AliasPage),
    /// To any: it failed.
    Failure(Failure),
}

impl RestReply {
    /// Reads the body of an answer to `call`. The status adds nothing: what failed says so.
    ///
    /// # Errors
    ///
    /// [`WireError`] for what is no answer to that.
    pub fn decode(call: &RestCall, body: Bytes, lenience: Lenience) -> Result<Self, WireError> {
        let reply = read_reply(&body, lenience, |object| {
            //= docs/spec/zzw-push-proto.md#rest
            //# An answer MUST be read as a failure if its type is 0, whatever its status.
            if object.is_failure() {
                return object.failure().map(Self::Failure);
            }
            match call {
                RestCall::Push => object.published().map(Self::Published),
                RestCall::Info => object.cluster().map(Self::Info),
                RestCall::Servers => object.servers().map(Self::Servers),
                RestCall::Status(_) => object.status().map(Self::Status),
                RestCall::ChannelAliases(_) | RestCall::SocketIoAliases(_) => {
                    object.aliases().map(Self::Aliases)
                }
            }
        });
        reply.map_err(|kind: WireErrorKind| WireError {
            kind,
            t: None,
            num: Num::Absent,
            raw: body,
        })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Published(published) => Message::Published(published.clone()).encode(out),
            Self::Info(info) => info.write(out),
            Self::Servers(servers) => servers.write(out),
            Self::Status(status) => Message::StatusReply(status.clone()).encode(out),
            Self::Aliases(page) => page.write(out),
            //= docs/spec/zzw-push-proto.md#rest
            //# Every answer with another status than 200 MUST hold a failure in its body, because
            //# old clients read nothing else.
            Self::Failure(failure) => Message::Failure(failure.clone()).encode(out),
        }
    }

    /// The HTTP status: 200 but for failures about tokens and load (Z-36).
    pub fn status(&self) -> u16 {
        match self {
            Self::Failure(failure) => failure.code.as_ref().map_or(200, Code::http_status),
            _ => 200,
        }
    }
}
