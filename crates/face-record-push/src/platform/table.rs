//! Which state of a request follows which: the table of the design, as data.

use super::ExchangeState;

/// One row: in `from`, on `cue`, to `to`. What is in no row changes no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: ExchangeState,
    /// What happens.
    pub cue: Cue,
    /// The state after.
    pub to: ExchangeState,
}

/// What can move a request from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cue {
    /// The head of a push, its lane free, memory left.
    Head,
    /// The head of a push, its lane taken.
    HeadBehind,
    /// The head of a push beyond `max_body`, the place for such bodies taken.
    HeadLarge,
    /// A head that is refused for good.
    HeadRefused,
    /// The head of a heartbeat.
    Get,
    /// Its turn comes.
    Turn,
    /// The place for large bodies is free.
    SlotFree,
    /// It waited too long.
    TurnTimeout,
    /// Its body is longer than `max_body`, the place for such bodies taken.
    Outgrown,
    /// Its body is longer than `hard_max`.
    TooLong,
    /// A push, its terminal's place at the store free.
    Push,
    /// A push that is remembered as kept.
    PushKnown,
    /// A push that is being kept already.
    PushSame,
    /// A push, another one of its terminal at the store.
    PushBehind,
    /// A push of a terminal that is not listed.
    PushForeign,
    /// A body that cannot be read.
    Garbled,
    /// A question that the application is asked.
    Question,
    /// A question that is not to be asked.
    QuestionRefused,
    /// Its body did not end in time.
    ReadTimeout,
    /// Its terminal's place at the store is free.
    PlaceFree,
    /// Its terminal's place at the store is free, and it is known by now.
    PlaceFreeKnown,
    /// The store has kept it.
    Stored,
    /// The store has not kept it.
    StoreFailed,
    /// The application decided.
    Decided,
    /// The application did not decide in time.
    DecideTimeout,
    /// The store did not answer in time.
    StoreTimeout,
    /// It was cut off.
    Disconnected,
    /// `close`
    Close,
    /// The store did not answer in time after `close`.
    CloseTimeout,
}

const fn row(from: ExchangeState, cue: Cue, to: ExchangeState) -> Transition {
    Transition { from, cue, to }
}

/// Every change of state there is.
pub const TRANSITIONS: &[Transition] = &[
    row(ExchangeState::Over, Cue::Head, ExchangeState::Reading),
    row(ExchangeState::Over, Cue::HeadBehind, ExchangeState::Waiting),
    row(ExchangeState::Over, Cue::HeadLarge, ExchangeState::Outgrown),
    row(ExchangeState::Waiting, Cue::Turn, ExchangeState::Reading),
    row(
        ExchangeState::Waiting,
        Cue::TurnTimeout,
        ExchangeState::Over,
    ),
    row(
        ExchangeState::Waiting,
        Cue::Disconnected,
        ExchangeState::Over,
    ),
    row(ExchangeState::Waiting, Cue::Close, ExchangeState::Over),
    row(
        ExchangeState::Reading,
        Cue::Outgrown,
        ExchangeState::Outgrown,
    ),
    row(ExchangeState::Reading, Cue::TooLong, ExchangeState::Over),
    row(ExchangeState::Reading, Cue::Push, ExchangeState::Storing),
    row(ExchangeState::Reading, Cue::PushKnown, ExchangeState::Over),
    row(
        ExchangeState::Reading,
        Cue::PushSame,
        ExchangeState::Storing,
    ),
    row(
        ExchangeState::Reading,
        Cue::PushBehind,
        ExchangeState::Queued,
    ),
    row(
        ExchangeState::Reading,
        Cue::PushForeign,
        ExchangeState::Over,
    ),
    row(ExchangeState::Reading, Cue::Garbled, ExchangeState::Storing),
    row(
        ExchangeState::Reading,
        Cue::Question,
        ExchangeState::Deciding,
    ),
    row(
        ExchangeState::Reading,
        Cue::QuestionRefused,
        ExchangeState::Over,
    ),
    row(
        ExchangeState::Reading,
        Cue::ReadTimeout,
        ExchangeState::Over,
    ),
    row(
        ExchangeState::Reading,
        Cue::Disconnected,
        ExchangeState::Over,
    ),
    row(ExchangeState::Reading, Cue::Close, ExchangeState::Over),
    row(
        ExchangeState::Outgrown,
        Cue::SlotFree,
        ExchangeState::Reading,
    ),
    row(
        ExchangeState::Outgrown,
        Cue::TurnTimeout,
        ExchangeState::Over,
    ),
    row(
        ExchangeState::Outgrown,
        Cue::Disconnected,
        ExchangeState::Over,
    ),
    row(ExchangeState::Outgrown, Cue::Close, ExchangeState::Over),
    row(
        ExchangeState::Queued,
        Cue::PlaceFree,
        ExchangeState::Storing,
    ),
    row(
        ExchangeState::Queued,
        Cue::PlaceFreeKnown,
        ExchangeState::Over,
    ),
    row(ExchangeState::Queued, Cue::TurnTimeout, ExchangeState::Over),
    row(
        ExchangeState::Queued,
        Cue::Disconnected,
        ExchangeState::Over,
    ),
    row(ExchangeState::Queued, Cue::Close, ExchangeState::Over),
    row(ExchangeState::Storing, Cue::Stored, ExchangeState::Over),
    row(
        ExchangeState::Storing,
        Cue::StoreFailed,
        ExchangeState::Over,
    ),
    row(
        ExchangeState::Storing,
        Cue::Disconnected,
        ExchangeState::Over,
    ),
    row(
        ExchangeState::Storing,
        Cue::StoreTimeout,
        ExchangeState::Over,
    ),
    row(
        ExchangeState::Storing,
        Cue::CloseTimeout,
        ExchangeState::Over,
    ),
    row(ExchangeState::Deciding, Cue::Decided, ExchangeState::Over),
    row(
        ExchangeState::Deciding,
        Cue::DecideTimeout,
        ExchangeState::Over,
    ),
    row(
        ExchangeState::Deciding,
        Cue::Disconnected,
        ExchangeState::Over,
    ),
    row(ExchangeState::Deciding, Cue::Close, ExchangeState::Over),
];
