//! Which state follows which: the table of the design, as data.

use super::Link;

/// One row: in `from`, on `cue`, to `to`. What is in no row changes no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: Link,
    /// What happens.
    pub cue: Cue,
    /// The state after.
    pub to: Link,
}

/// What can move a subscriber from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cue {
    /// `subscribe`, the dialect known.
    Subscribe,
    /// `subscribe`, the dialect not known.
    SubscribeUnknown,
    /// A device list came: the dialect is known.
    DialectFound,
    /// No device list came, in neither dialect.
    NoDialect,
    /// The WebSocket opened.
    Connected,
    /// The WebSocket closed, or did not open.
    Disconnected,
    /// An event came.
    Face,
    /// A message came that is no event.
    Garbled,
    /// A pong came.
    Pong,
    /// Part of a message came.
    Heard,
    /// The dial took too long.
    DialTimeout,
    /// Nothing came for `idle`.
    Idle,
    /// A silent box answered over HTTP.
    HttpAnswer,
    /// A silent box is found dead.
    Dead,
    /// Waiting is over, the dialect known.
    Wake,
    /// `close`
    Close,
}

const fn row(from: Link, cue: Cue, to: Link) -> Transition {
    Transition { from, cue, to }
}

/// Every change of state there is. A suspect link that was streaming goes back to streaming where
/// this table says unconfirmed.
pub const TRANSITIONS: &[Transition] = &[
    row(Link::Idle, Cue::Subscribe, Link::Dialing),
    row(Link::Idle, Cue::SubscribeUnknown, Link::Probing),
    row(Link::Idle, Cue::Close, Link::Closed),
    row(Link::Probing, Cue::DialectFound, Link::Dialing),
    row(Link::Probing, Cue::NoDialect, Link::Waiting),
    row(Link::Probing, Cue::Close, Link::Closed),
    row(Link::Dialing, Cue::Connected, Link::Unconfirmed),
    row(Link::Dialing, Cue::Disconnected, Link::Waiting),
    row(Link::Dialing, Cue::DialTimeout, Link::Waiting),
    row(Link::Dialing, Cue::Close, Link::Closed),
    row(Link::Unconfirmed, Cue::Face, Link::Streaming),
    row(Link::Unconfirmed, Cue::Idle, Link::Suspect),
    row(Link::Unconfirmed, Cue::Disconnected, Link::Waiting),
    row(Link::Unconfirmed, Cue::Close, Link::Closed),
    row(Link::Streaming, Cue::Subscribe, Link::Unconfirmed),
    row(Link::Streaming, Cue::Idle, Link::Suspect),
    row(Link::Streaming, Cue::Disconnected, Link::Waiting),
    row(Link::Streaming, Cue::Close, Link::Closed),
    row(Link::Suspect, Cue::Face, Link::Streaming),
    row(Link::Suspect, Cue::Garbled, Link::Unconfirmed),
    row(Link::Suspect, Cue::Pong, Link::Unconfirmed),
    row(Link::Suspect, Cue::Heard, Link::Unconfirmed),
    row(Link::Suspect, Cue::HttpAnswer, Link::Unconfirmed),
    row(Link::Suspect, Cue::Dead, Link::Waiting),
    row(Link::Suspect, Cue::Disconnected, Link::Waiting),
    row(Link::Suspect, Cue::Close, Link::Closed),
    row(Link::Waiting, Cue::Wake, Link::Dialing),
    row(Link::Waiting, Cue::Close, Link::Closed),
];
