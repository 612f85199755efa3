//! What the application sees, and what it may complain about.

use se5_events::platform::{Event, Source, Span};
use se5_events::{EventKey, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// An application with a database of events, which outlives its process.
#[derive(Debug, Default)]
pub(crate) struct Application {
    /// Every event ever stored, by its number at the box.
    pub stored: BTreeSet<usize>,
    /// Spans reported as open.
    pub open: Vec<Span>,
    /// Gaps announced and not ended, of this process.
    ledger: Vec<Span>,
    /// Events given by this process.
    given: BTreeSet<usize>,
    /// The newest live event of each device, of this process: its number at the box.
    newest: BTreeMap<String, usize>,
    is_closed: bool,
}

/// What the world knows of an event that is given to the application.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fact {
    /// Its number at the box.
    pub number: usize,
    /// When it happened, by the subscriber's clock.
    pub happened: UnixMillis,
    /// True if the box may push events out of order.
    pub may_be_reordered: bool,
}

impl Application {
    /// The process is gone; the database is not.
    pub(crate) fn restart(&mut self) {
        self.ledger.clear();
        self.given.clear();
        self.newest.clear();
    }

    /// Takes one event from the machine.
    pub(crate) fn take(
        &mut self,
        now: UnixMillis,
        event: &Event,
        look_up: impl FnOnce(EventKey) -> Option<Fact>,
    ) -> Result<(), String> {
        if self.is_closed {
            return Err(format!("{event:?} after Closed"));
        }
        match event {
            Event::Face {
                event: face,
                source,
                ..
            } => {
                let key = face.key();
                let truth = look_up(key).ok_or_else(|| format!("{face:?} never happened"))?;
                if !self.given.insert(truth.number) {
                    return Err(format!("{face:?} was given twice"));
                }
                self.stored.insert(truth.number);
                let age = now.since(truth.happened);
                if event.actionable() && age > 10_000 {
                    return Err(format!("{face:?} is actionable and {age} ms old"));
                }
                if *source == Source::Live && !truth.may_be_reordered {
                    let device = face.device_id().unwrap_or_default().into_owned();
                    let before = self.newest.insert(device, truth.number);
                    if before.is_some_and(|before| before > truth.number) {
                        return Err(format!("{face:?} came after a later one"));
                    }
                }
            }
            Event::Gap(span) => {
                self.ledger.retain(|known| !span.covers(*known));
                self.ledger.push(*span);
            }
            Event::GapFilled { span, .. } => {
                let before = self.ledger.len();
                self.ledger.retain(|known| known != span);
                if self.ledger.len() != before - 1 {
                    return Err(format!("{span:?} was filled and not in {:?}", self.ledger));
                }
            }
            Event::GapOpen { span, .. } => {
                let before = self.ledger.len();
                self.ledger.retain(|known| !known.covers(*span));
                if self.ledger.len() != before - 1 {
                    return Err(format!("{span:?} stays open and not in {:?}", self.ledger));
                }
                self.open.push(*span);
            }
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
        Ok(())
    }

    /// Gaps announced and not ended.
    pub(crate) fn unfinished(&self) -> &[Span] {
        &self.ledger
    }

    /// True if the application was told that events of this time may be missing.
    pub(crate) fn was_warned_of(&self, at: UnixMillis) -> bool {
        self.open
            .iter()
            .any(|span| span.from <= at && at <= span.to)
    }
}
