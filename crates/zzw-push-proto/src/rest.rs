//! REST calls: a method and a path, and what is answered.

mod reply;
mod route;

pub use reply::RestReply;
pub use route::{Page, Post, RestCall, RestRequest};
pub(crate) use route::{decode, push_segment};
