//! Everything that boxes and networks do wrong, on purpose.

use std::time::Duration;

/// One thing that goes wrong, from when it is switched on until it is switched off.
///
/// The machine decides by its seed when a fault strikes. Faults of state it inflicts itself; those
/// of framing and content it names in [`super::Delivery`] for the driver. `SF-n` is the number
/// in the design.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// SF-1: sends and answers nothing more on present links, keeps TCP open.
    HalfOpen,
    /// SF-2: ignores pings. The driver asks [`super::Device::answers_ping`].
    NoPong,
    /// SF-3: hangs up on a ping.
    PingKills,
    /// SF-4: pings every subscriber at this interval.
    PingsEvery(Duration),
    /// SF-5: each message in so many frames.
    Fragments(u32),
    /// SF-6: binary instead of text messages.
    Binary,
    /// SF-7: several messages in one TCP segment.
    Coalesced,
    /// SF-8: a message too long to be accepted, every so many.
    Oversize(u32),
    /// SF-9: truncated JSON, every so many messages.
    Truncated(u32),
    /// SF-10: numbers as text, text as numbers, seconds for milliseconds.
    WrongTypes,
    /// SF-11: `\/` for `/`.
    EscapedSlashes,
    /// SF-12: line breaks inside base64.
    WrappedBase64,
    /// SF-13: `data:image/jpeg;base64,` before pictures in dialect 1.
    DataPrefix,
    /// SF-14: the clock is off by so many milliseconds.
    ClockOff(i64),
    /// SF-17: an event is sent twice, with this probability.
    Duplicate(f64),
    /// SF-18: events are held back and sent in another order, up to so many at a time.
    Reorder(u32),
    /// SF-19: an event is not pushed, with this probability. The history has it.
    Lose(f64),
    /// SF-20: questions are answered after this time.
    SlowHistory(Duration),
    /// SF-21: history questions are answered with status 500.
    BrokenHistory,
    /// SF-22: the history of dialect 2 reads seconds where its document says milliseconds.
    SwappedUnit,
    /// SF-23: history pages are in no order.
    UnsortedPages,
}
