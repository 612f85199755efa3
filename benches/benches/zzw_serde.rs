//! The messages as one would write them for `serde_json`.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// All messages in one, since serde cannot tag an enum by a number. `T` is what `topic` is: a list
/// in some messages, a text in others.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
pub(crate) struct Flat<'a, T> {
    t: i64,
    alias: Option<&'a str>,
    mid: Option<&'a str>,
    method: Option<&'a str>,
    topic: Option<T>,
    #[serde(borrow, default)]
    msg: Cow<'a, str>,
    opts: Option<Opts>,
    #[serde(borrow)]
    info: Option<Info<'a>>,
    num: Option<&'a str>,
}

/// A variant for each message; one that needs less stands behind those that need more.
#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only decoded")]
pub(crate) enum Untagged<'a> {
    #[serde(borrow)]
    Publish(Publish<'a>),
    #[serde(borrow)]
    Register(Register<'a>),
    #[serde(borrow)]
    Delivery(Delivery<'a>),
    #[serde(borrow)]
    Ack(Ack<'a>),
    #[serde(borrow)]
    Heartbeat(Heartbeat<'a>),
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
pub(crate) struct Publish<'a> {
    t: i64,
    method: &'a str,
    #[serde(borrow)]
    topic: Vec<&'a str>,
    #[serde(borrow)]
    msg: Cow<'a, str>,
    opts: Option<Opts>,
    num: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
pub(crate) struct Register<'a> {
    t: i64,
    #[serde(borrow)]
    topic: Vec<&'a str>,
    #[serde(borrow)]
    info: Info<'a>,
    num: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
pub(crate) struct Delivery<'a> {
    t: i64,
    alias: &'a str,
    mid: &'a str,
    #[serde(borrow)]
    msg: Cow<'a, str>,
    topic: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
pub(crate) struct Ack<'a> {
    t: i64,
    alias: &'a str,
    mid: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
pub(crate) struct Heartbeat<'a> {
    t: i64,
    alias: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
pub(crate) struct Opts {
    time_to_live: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only decoded")]
pub(crate) struct Info<'a> {
    community_id: &'a str,
    name: &'a str,
}

/// The type alone.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
pub(crate) struct Type {
    t: i64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OwnedPublish {
    t: i64,
    method: String,
    topic: Vec<String>,
    msg: String,
    opts: OwnedOpts,
    num: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OwnedOpts {
    time_to_live: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OwnedReply {
    t: i64,
    num: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OwnedDelivery {
    t: i64,
    pub(crate) alias: String,
    pub(crate) mid: String,
    msg: String,
    topic: String,
}
