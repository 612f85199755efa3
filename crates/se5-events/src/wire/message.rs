//! What the two ends say to each other, on the WebSocket and over HTTP.

use super::{
    DeviceList, Dialect, FaceEvent, HistoryPage, HistoryQuery, RemotePicture, Subscription,
};
use crate::AskError;
use bytes::Bytes;
use std::fmt;

/// Pairs a question with its answer. The asking end chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// What a subscriber says to a box.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ToBox {
    /// Push me these. A WebSocket text message, in the words of one dialect.
    Subscribe(Dialect, Subscription),
    /// Are you there? A WebSocket ping.
    Ping,
    /// A question, over HTTP, at the endpoints of one dialect.
    Ask(ExchangeId, Dialect, Ask),
}

/// A question over HTTP.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Ask {
    /// The device list; with an id, of that device only.
    Devices(Option<String>),
    /// One page of the event history.
    Events(HistoryQuery),
    /// One recorded event, dialect 2 only.
    Event(String),
    /// A picture.
    Picture(RemotePicture),
}

/// What a box says to a subscriber.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FromBox {
    /// An event. A WebSocket message, usually text.
    Face(FaceEvent),
    /// I am here. A WebSocket pong.
    Pong,
    /// The answer to a question, over HTTP.
    Answer(ExchangeId, Answer),
}

/// An answer over HTTP.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Ask::Devices`].
    Devices(DeviceList),
    /// To [`Ask::Events`], and to [`Ask::Event`] with the one record.
    Page(HistoryPage),
    /// To [`Ask::Picture`]: a JPEG.
    Picture(Bytes),
    /// The question was not answered as asked.
    Failed(AskError),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devices(list) => f.debug_tuple("Devices").field(list).finish(),
            Self::Page(page) => f.debug_tuple("Page").field(page).finish(),
            Self::Picture(jpeg) => write!(f, "Picture(<jpeg {} B>)", jpeg.len()),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}
