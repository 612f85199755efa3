//! The messages: what they say, in Rust's terms.

mod connection_info;
mod id;
mod message;
mod name;
mod secret;
mod text;

pub use connection_info::ConnectionInfo;
pub use id::{Floor, GoodsId, IdForm, TaskId, UnixMillis};
pub use message::{Fail, Finish, Message, Start, Taken, Timeout, Unknown};
pub use name::{ClientId, ParentTopic, Topic};
pub use secret::Secret;
pub use text::Text;
