//! The messages: what they say, in Rust's terms.

mod connection_info;
mod id;
mod info_reply;
mod message;
mod name;
mod request;
mod secret;
mod text;

pub use connection_info::{ConnectionInfo, InfoWarning};
pub use id::{Floor, GoodsId, IdForm, TaskId, UnixMillis};
pub use info_reply::{DecodedInfo, ErrorCode, InfoReply, NoInfo, Rejection};
pub use message::{Fail, Finish, Message, Start, Taken, Timeout, Unknown};
pub use name::{ClientId, ParentTopic, Topic};
pub use request::{ConnectionInfoRequest, InfoCall, RequestForm, SignedRequest};
pub use secret::Secret;
pub use text::Text;
