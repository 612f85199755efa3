//! Questions over HTTP: which are out, what they are for, and what their answers mean.

use super::clock::after;
use super::{Assurance, Cause, Event, Link, Platform, Span};
use crate::{Answer, Ask, AskError, Dialect, ExchangeId, ToBox};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The questions that are out.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    next: u64,
    out: BTreeMap<ExchangeId, Exchange>,
}

/// When the dialect of a connected box is asked for again.
#[derive(Debug, Default)]
pub(super) struct Verify {
    pub(super) at: Option<Instant>,
    is_starting: bool,
    starts: u8,
}

#[derive(Debug, Clone, Copy)]
struct Exchange {
    purpose: Purpose,
    dialect: Dialect,
    /// The other dialect was tried before.
    is_second: bool,
    due: Option<Instant>,
}

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Which dialect the box speaks.
    Dialect,
    /// The application wants the device list.
    List,
    /// Whether a silent box is there.
    Check,
    /// A page of the history.
    Page,
}

impl Exchanges {
    /// Questions of the application that are out.
    pub(super) fn lists(&self) -> usize {
        let lists = self.out.values().filter(|one| one.purpose == Purpose::List);
        lists.count()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.out.values().filter_map(|exchange| exchange.due).min()
    }

    fn is_out(&self, purpose: Purpose) -> bool {
        self.out
            .values()
            .any(|exchange| exchange.purpose == purpose)
    }

    /// Answers to these are not wanted any more.
    pub(super) fn forget(&mut self, purpose: Purpose) {
        self.out.retain(|_, exchange| exchange.purpose != purpose);
    }

    fn add(&mut self, exchange: Exchange) -> ExchangeId {
        let id = ExchangeId(self.next);
        self.next = self.next.wrapping_add(1);
        self.out.insert(id, exchange);
        id
    }

    fn take_due(&mut self, now: Instant) -> Option<Exchange> {
        let is_due = |exchange: &Exchange| exchange.due.is_some_and(|due| due <= now);
        let (&id, _) = self.out.iter().find(|(_, exchange)| is_due(exchange))?;
        self.out.remove(&id)
    }
}

impl Platform {
    /// Asks which dialect the box speaks: first in the one it spoke last, then in the other.
    pub(super) fn ask_dialect(&mut self, now: Instant) {
        self.verify.at = None;
        let first = self.dialect.unwrap_or(Dialect::V1);
        self.ask(now, Purpose::Dialect, first, false, Ask::Devices(None));
    }

    /// A question of ours was answered with `error`: perhaps the box has another firmware by now.
    pub(super) fn doubt_dialect(&mut self, now: Instant, error: &AskError) {
        if !self.is_verified && speaks_otherwise(error) && !self.is_dialect_in_doubt() {
            self.ask_dialect(now);
        }
    }

    /// True until the box has answered which dialect it speaks, or cannot be asked.
    pub(super) fn is_dialect_in_doubt(&self) -> bool {
        let is_starting = self.verify.at.is_some() && self.verify.is_starting;
        is_starting || self.exchanges.is_out(Purpose::Dialect)
    }

    /// A box that is starting is about to tell, and the history can wait for that; five minutes at
    /// most. Any other is asked in the background.
    fn verify_later(&mut self, now: Instant, is_starting: bool) {
        let verify = &mut self.verify;
        verify.is_starting = is_starting && verify.starts < 75;
        verify.starts = verify.starts.saturating_add(1);
        let soon = Duration::from_secs(4);
        let wait = if verify.is_starting {
            soon
        } else {
            self.config.http_recheck
        };
        verify.at = after(now, wait);
    }

    pub(super) fn ask_list(&mut self, now: Instant) -> ExchangeId {
        let first = self.dialect.unwrap_or(Dialect::V1);
        self.ask(now, Purpose::List, first, false, Ask::Devices(None))
    }

    pub(super) fn ask_check(&mut self, now: Instant) {
        let dialect = self.dialect.unwrap_or(Dialect::V1);
        self.ask(now, Purpose::Check, dialect, false, Ask::Devices(None));
    }

    pub(super) fn ask(
        &mut self,
        now: Instant,
        purpose: Purpose,
        dialect: Dialect,
        is_second: bool,
        ask: Ask,
    ) -> ExchangeId {
        let wait = match purpose {
            Purpose::Check => self.config.answer,
            _ => self.config.ask_timeout,
        };
        let id = self.exchanges.add(Exchange {
            purpose,
            dialect,
            is_second,
            due: after(now, wait),
        });
        self.counters.asks = self.counters.asks.saturating_add(1);
        self.send(ToBox::Ask(id, dialect, ask));
        id
    }

    pub(super) fn fire_exchanges(&mut self, now: Instant) {
        while let Some(exchange) = self.exchanges.take_due(now) {
            self.settle(now, exchange, Answer::Failed(AskError::Unreachable));
        }
        if self.verify.at.is_some_and(|due| due <= now) {
            self.ask_dialect(now);
        }
    }

    pub(super) fn answered(&mut self, now: Instant, id: ExchangeId, answer: Answer) {
        if let Some(exchange) = self.exchanges.out.remove(&id) {
            self.settle(now, exchange, answer);
        }
    }

    fn settle(&mut self, now: Instant, exchange: Exchange, answer: Answer) {
        match exchange.purpose {
            Purpose::Page => self.page(now, answer),
            Purpose::Check => self.checked(now, &answer),
            Purpose::Dialect | Purpose::List => self.listed(now, exchange, answer),
        }
    }

    /// A device list, or none: it tells the dialect, too.
    fn listed(&mut self, now: Instant, exchange: Exchange, answer: Answer) {
        let error = match answer {
            Answer::Devices(list) => {
                if self.config.dialect.is_none() {
                    self.found(now, exchange.dialect);
                }
                if exchange.purpose == Purpose::List {
                    self.tell(Event::Devices(list));
                }
                return self.repair(now);
            }
            Answer::Failed(error) => error,
            _ => AskError::Body,
        };
        let is_open = self.config.dialect.is_none() && !exchange.is_second;
        if is_open && speaks_otherwise(&error) {
            let other = match exchange.dialect {
                Dialect::V1 => Dialect::V2,
                Dialect::V2 => Dialect::V1,
            };
            self.ask(now, exchange.purpose, other, true, Ask::Devices(None));
            return;
        }
        match (exchange.purpose, self.link) {
            (Purpose::List, _) => self.tell(Event::DevicesFailed(error)),
            (_, Link::Probing) => {
                let cause = match error {
                    AskError::Unreachable => Cause::Unreachable,
                    _ => Cause::NoDialect,
                };
                self.wait(now, cause);
            }
            // Nothing was learnt, so nothing changes: ask again later.
            _ => {
                if self.is_up() && !self.is_verified {
                    self.verify_later(now, is_starting(&error));
                }
                self.repair(now);
                self.fire_repair(now);
            }
        }
    }

    fn found(&mut self, now: Instant, dialect: Dialect) {
        let before = self.dialect.replace(dialect);
        self.is_verified = true;
        self.verify = Verify::default();
        if before != Some(dialect) {
            self.unit = None;
            self.seen.doubt_ids();
            self.tell(Event::DialectFound(dialect));
        }
        if self.link == Link::Probing {
            self.exchanges.forget(Purpose::Dialect);
            self.dial(now);
        } else if self.is_up() && before != Some(dialect) {
            // The box was asked in words it does not know: it has sent nothing since.
            let deaf_from = self.subscribed;
            self.stop_slice();
            self.send_subscription(now);
            if let Some(at) = self.wall.at(now) {
                let overlap = super::clock::millis(self.config.overlap);
                let from = deaf_from.plus(0_i64.saturating_sub(overlap));
                self.missed(Span::new(from, at.plus(overlap)));
                self.await_effect(now, at);
            }
        }
    }

    /// The answer to whether a silent box is there.
    fn checked(&mut self, now: Instant, answer: &Answer) {
        if self.link != Link::Suspect {
            return;
        }
        if matches!(answer, Answer::Failed(AskError::Unreachable)) {
            if self.life.not_answered(now, Duration::from_secs(1)) {
                self.hang_up(now, Cause::Silent);
            }
            return;
        }
        if let Answer::Failed(error) = answer {
            self.doubt_dialect(now, error);
        }
        self.life.answered(now, self.config.http_recheck);
        if let Some(at) = self.wall.at(now) {
            self.effect_is_overdue(now, at);
        }
        self.go(self.quiet_link(), Assurance::HttpOnly, None);
    }
}

/// True if the box answered, but not as one that speaks the dialect it was asked in.
fn speaks_otherwise(error: &AskError) -> bool {
    !matches!(error, AskError::Unreachable) && !is_starting(error)
}

/// The error's code in dialect 2, its status beside a number in dialect 1.
const STARTING: &str = "DEVICE_INIT_ERROR";

/// True if the box will answer once it has started.
pub(super) fn is_starting(error: &AskError) -> bool {
    match error {
        AskError::Http(status) => *status == 503,
        AskError::Box { code, status, .. } => {
            code == STARTING || status.as_deref() == Some(STARTING)
        }
        _ => false,
    }
}
