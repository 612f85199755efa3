//! Everything that boxes and networks do wrong, on purpose.

use super::Delivery;
use crate::UnixMillis;
use std::time::Duration;

/// Longest time for which [`Fault::Reorder`] holds an event back.
pub(super) const HOLD_BACK: Duration = Duration::from_secs(1);

/// Shortest interval of [`Fault::PingsEvery`]: a timer of zero would never be in the future.
const SHORTEST: Duration = Duration::from_millis(1);

/// One thing that goes wrong, from when it is switched on until it is switched off.
///
/// The machine decides when a fault strikes, by its seed and for each link by itself. Faults of state
/// it inflicts itself; those of framing and content it names in [`super::Delivery`] for the driver.
/// Switching one on again replaces its setting. `SF-n` is the number in the design.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// SF-1: sends nothing more on present links and answers no ping there, keeps TCP open. Later
    /// links, and HTTP, are sound.
    HalfOpen,
    /// SF-2: ignores pings. The driver asks [`super::Device::answers_ping`].
    NoPong,
    /// SF-3: hangs up on a ping.
    PingKills,
    /// SF-4: pings every subscriber at this interval, at least 1 ms.
    PingsEvery(Duration),
    /// SF-5: each message in so many frames.
    Fragments(u32),
    /// SF-6: binary instead of text messages.
    Binary,
    /// SF-7: several messages in one TCP segment.
    Coalesced,
    /// SF-8: a message too long to be accepted, every so many on a link. Zero counts as one.
    Oversize(u32),
    /// SF-9: truncated JSON, every so many messages on a link. Zero counts as one.
    Truncated(u32),
    /// SF-10: numbers as text, text as numbers, seconds for milliseconds.
    WrongTypes,
    /// SF-11: `\/` for `/`.
    EscapedSlashes,
    /// SF-12: line breaks inside base64.
    WrappedBase64,
    /// SF-13: `data:image/jpeg;base64,` before pictures in dialect 1.
    DataPrefix,
    /// SF-14: the clock is off by so many milliseconds: in pushes and in the history.
    ClockOff(i64),
    /// SF-17: an event is sent twice, with this probability.
    Duplicate(f64),
    /// SF-18: events are held back for at most 1 s and sent in another order, so many at a time.
    Reorder(u32),
    /// SF-19: an event is not pushed, with this probability. The history has it.
    Lose(f64),
    /// SF-20: history questions, those for recorded pictures among them, are answered after this time.
    SlowHistory(Duration),
    /// SF-21: history questions are answered with status 500.
    BrokenHistory,
    /// SF-22: the history of dialect 2 reads seconds where its document says milliseconds.
    SwappedUnit,
    /// SF-23: history pages are in no order.
    UnsortedPages,
}

/// The faults that are switched on, each kind once.
#[derive(Debug, Default)]
pub(super) struct Faults {
    on: Vec<Fault>,
}

impl Faults {
    pub(super) fn switch_on(&mut self, fault: Fault) {
        let kind = std::mem::discriminant(&fault);
        self.on
            .retain(|other| std::mem::discriminant(other) != kind);
        self.on.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.on.clear();
    }

    pub(super) fn is_on(&self, fault: Fault) -> bool {
        self.on.contains(&fault)
    }

    /// What the driver is to do to the message that is the `nth` on its link, from 1.
    pub(super) fn delivery(&self, nth: u64) -> Delivery {
        let strikes = |fault: &&Fault| match **fault {
            Fault::Oversize(every) | Fault::Truncated(every) => {
                nth.checked_rem(u64::from(every.max(1))) == Some(0)
            }
            Fault::Fragments(_)
            | Fault::Binary
            | Fault::Coalesced
            | Fault::WrongTypes
            | Fault::EscapedSlashes
            | Fault::WrappedBase64
            | Fault::DataPrefix => true,
            _ => false,
        };
        Delivery {
            faults: self.on.iter().filter(strikes).copied().collect(),
        }
    }

    pub(super) fn pings_every(&self) -> Option<Duration> {
        self.setting(|fault| match fault {
            Fault::PingsEvery(interval) => Some(interval.max(SHORTEST)),
            _ => None,
        })
    }

    pub(super) fn clock(&self, at: UnixMillis) -> UnixMillis {
        let off = self.setting(|fault| match fault {
            Fault::ClockOff(millis) => Some(millis),
            _ => None,
        });
        at.plus(off.unwrap_or_default())
    }

    pub(super) fn duplicate(&self) -> Option<f64> {
        self.setting(|fault| match fault {
            Fault::Duplicate(probability) => Some(probability),
            _ => None,
        })
    }

    pub(super) fn lose(&self) -> Option<f64> {
        self.setting(|fault| match fault {
            Fault::Lose(probability) => Some(probability),
            _ => None,
        })
    }

    /// How many events are held back together; fewer than two have no order.
    pub(super) fn reorder(&self) -> Option<usize> {
        self.setting(|fault| match fault {
            Fault::Reorder(count) if count > 1 => usize::try_from(count).ok(),
            _ => None,
        })
    }

    pub(super) fn slow_history(&self) -> Option<Duration> {
        self.setting(|fault| match fault {
            Fault::SlowHistory(delay) if !delay.is_zero() => Some(delay),
            _ => None,
        })
    }

    fn setting<T>(&self, of: impl Fn(Fault) -> Option<T>) -> Option<T> {
        self.on.iter().copied().find_map(of)
    }
}

/// `SplitMix64`: random enough for faults, and the same everywhere.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// One stream for each pair, so that what one link is dealt depends on no other link.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Self(seed ^ Self(stream).roll())
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// True with this probability; nothing that is no number strikes.
    pub(super) fn strikes(&mut self, probability: f64) -> bool {
        // 53 bits, as many as a float holds: evenly from 0 up to, but not including, 1.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let drawn = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < probability
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = (last as u64).saturating_add(1);
            let other = self.roll().checked_rem(bound).unwrap_or_default();
            items.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}
