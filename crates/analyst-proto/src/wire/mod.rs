//! The messages: what they say, in Rust's terms.

#[cfg(feature = "arbitrary")]
mod any;
mod attempt;
mod cancel;
mod connection_info;
mod extra;
mod goods;
mod id;
mod info_reply;
mod message;
mod name;
mod request;
mod result;
mod secret;
mod task;
mod text;
mod warning;

pub use attempt::Attempt;
pub use cancel::{Progress, Timeout};
pub use connection_info::{ConnectionInfo, InfoWarning};
pub use extra::Extra;
pub use goods::Goods;
pub(crate) use goods::GoodsBuilder;
pub use id::{Floor, GoodsId, IdForm, TaskId, UnixMillis};
pub use info_reply::{DecodedInfo, ErrorCode, InfoReply, NoInfo, Rejection};
pub use message::{Action, Message, Unknown};
pub use name::{ClientId, ParentTopic, Topic};
pub use request::{ConnectionInfoRequest, InfoCall, RequestForm, SignedRequest};
pub use result::{Fail, Finish, Taken};
pub(crate) use result::{in_order, put_in_order};
pub use secret::Secret;
pub use task::{Start, WeightChange};
pub use text::Text;
pub(crate) use text::cut;
pub use warning::Warning;
