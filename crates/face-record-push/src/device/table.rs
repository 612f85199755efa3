//! The table of states, for people, for tests and for documents.

use super::State;

/// What can happen to a terminal, as the table of states has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cue {
    /// A record is taken, and the store keeps it.
    Record,
    /// The store has read the next record.
    Loaded,
    /// The store cannot read it, and there is no other.
    Corrupt,
    /// The platform acknowledges the post, and nothing else waits.
    AckLast,
    /// The platform acknowledges the post, and the next record is still to be read.
    Ack,
    /// The platform refuses.
    Refuse,
    /// What came back is no answer.
    Garbled,
    /// The post ended without an answer.
    Disconnected,
    /// The time for an answer is over.
    TimeOut,
    /// The delay is over, and the record is at hand.
    Wake,
    /// The network is back, and the record is at hand.
    NetworkIsBack,
    /// Another destination is in force.
    Redirect,
    /// Pushing is switched off.
    SwitchOff,
    /// Pushing is switched on.
    SwitchOn,
    /// The store breaks.
    Break,
    /// The store is open again.
    Resume,
    /// The terminal is to end, and the store owes nothing.
    Close,
    /// The terminal is to end, and the store owes an answer.
    CloseOwed,
    /// The store gives the last answer that it owed.
    Settle,
}

/// One row of the table of states. What has no row changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Transition {
    /// State before.
    pub from: State,
    /// What happens.
    pub cue: Cue,
    /// State after.
    pub to: State,
}

/// Every change of [`State`] in a terminal of the default [`super::Config`].
pub const TRANSITIONS: &[Transition] = &[
    row(State::Off, Cue::SwitchOn, State::Idle),
    row(State::Off, Cue::Break, State::Paused),
    row(State::Off, Cue::Close, State::Closed),
    row(State::Off, Cue::CloseOwed, State::Closing),
    row(State::Idle, Cue::Record, State::InFlight),
    row(State::Idle, Cue::SwitchOff, State::Off),
    row(State::Idle, Cue::Break, State::Paused),
    row(State::Idle, Cue::Close, State::Closed),
    row(State::Idle, Cue::CloseOwed, State::Closing),
    row(State::Fetching, Cue::Loaded, State::InFlight),
    row(State::Fetching, Cue::Corrupt, State::Idle),
    row(State::Fetching, Cue::SwitchOff, State::Off),
    row(State::Fetching, Cue::Break, State::Paused),
    row(State::Fetching, Cue::Close, State::Closed),
    row(State::Fetching, Cue::CloseOwed, State::Closing),
    row(State::InFlight, Cue::AckLast, State::Idle),
    row(State::InFlight, Cue::Ack, State::Fetching),
    row(State::InFlight, Cue::Refuse, State::Backoff),
    row(State::InFlight, Cue::Garbled, State::Backoff),
    row(State::InFlight, Cue::Disconnected, State::Backoff),
    row(State::InFlight, Cue::TimeOut, State::Backoff),
    row(State::InFlight, Cue::Break, State::Paused),
    row(State::InFlight, Cue::Close, State::Closed),
    row(State::InFlight, Cue::CloseOwed, State::Closing),
    row(State::Backoff, Cue::Wake, State::InFlight),
    row(State::Backoff, Cue::NetworkIsBack, State::InFlight),
    row(State::Backoff, Cue::Redirect, State::InFlight),
    row(State::Backoff, Cue::SwitchOff, State::Off),
    row(State::Backoff, Cue::Break, State::Paused),
    row(State::Backoff, Cue::Close, State::Closed),
    row(State::Backoff, Cue::CloseOwed, State::Closing),
    row(State::Paused, Cue::Resume, State::Idle),
    row(State::Paused, Cue::Close, State::Closed),
    row(State::Paused, Cue::CloseOwed, State::Closed),
    row(State::Closing, Cue::Break, State::Closed),
    row(State::Closing, Cue::Settle, State::Closed),
];

const fn row(from: State, cue: Cue, to: State) -> Transition {
    Transition { from, cue, to }
}
