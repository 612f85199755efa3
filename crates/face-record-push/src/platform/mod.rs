//! The receiver: keeps every push before it acknowledges it.

mod auth;
mod backoff;
mod budget;
mod enrol;
mod exchange;
mod freshness;
mod journal;
mod keep;
mod keys;
mod lanes;
mod table;
mod vocabulary;

pub use table::{Cue, TRANSITIONS, Transition};
pub use vocabulary::{
    AgeBasis, AskId, Config, Counters, EnrolError, Entry, Event, ExchangeState, Freshness, Head,
    Input, LinkId, Method, Novelty, Op, Output, QuarantineReason, Quarantined, Reason,
    RefusalReason, RemoteAuth, Seq, Source, StoreError, Terminal, TerminalAnswer, TerminalAsk,
    Undecided,
};

use crate::{ExchangeId, Push, Refused, SerialNumber, UnixMillis};
use budget::Budget;
use enrol::Enrolments;
use exchange::Exchange;
use freshness::Times;
use journal::{Identity, Journal};
use keep::Body;
use keys::Keys;
use lanes::Lanes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// The collecting end: one receiver of any number of terminals.
///
/// It tells whose body may come, has what came stored, acknowledges what the store has kept, and
/// reports each new entry once.
///
/// # What is guaranteed
///
/// Nothing is acknowledged that a power cut could still take away. What cannot be read is kept all
/// the same, since a terminal repeats what is refused for ever and sends nothing else meanwhile.
/// Entries are reported in the order of their numbers, over all terminals, so an application that
/// has dealt with entry 7 has dealt with all up to 7.
///
/// # What the driver owes
///
/// Every [`Output::Store`] but [`Op::Consumed`] is answered, in any order. Outputs are drained
/// before the next input is given. Inputs that come late or doubled do nothing.
#[derive(Debug)]
pub struct Platform {
    config: Config,
    serials: BTreeSet<SerialNumber>,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    /// Timers of exchanges.
    due: BTreeSet<(Instant, ExchangeId)>,
    lanes: Lanes,
    budget: Budget,
    journal: Journal,
    keys: Keys,
    enrolments: Enrolments,
    life: Life,
    /// The latest time that was told.
    latest: Option<Instant>,
    out: VecDeque<Output>,
    counters: Counters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// Until the store has answered, or for so long.
    Closing(Option<Instant>),
    Closed,
}

impl Platform {
    /// A receiver whose next entry has the number `next`: one more than any that its store holds or
    /// has ever held.
    pub fn new(config: Config, next: Seq) -> Self {
        let config = config.sane();
        Self {
            serials: config.serials.iter().cloned().collect(),
            exchanges: BTreeMap::new(),
            due: BTreeSet::new(),
            lanes: Lanes::default(),
            budget: Budget::new(config.budget, config.hard_max),
            journal: Journal::new(next),
            keys: Keys::new(
                config.keys_per_terminal,
                config.max_terminals,
                config.max_keys,
            ),
            enrolments: Enrolments::new(),
            life: Life::Open,
            latest: None,
            out: VecDeque::new(),
            counters: Counters::default(),
            config,
        }
    }

    /// Takes one fact from the world. Never fails: what a terminal did wrong comes out as output.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.handle_timeout(now);
        if self.is_closed() {
            return;
        }
        match input {
            Input::Connected(id, head) => self.connected(now, id, head),
            Input::Received(at, id, push) => self.received(now, at, id, push),
            Input::Garbled(at, id, error) => self.garbled(now, at, id, error),
            Input::Outgrown(id) => self.outgrown(now, id),
            Input::Disconnected(id) => self.disconnected(id),
            Input::Stored(seq, novelty) => self.answered(now, seq, Ok(novelty)),
            Input::StoreFailed(seq, error) => self.answered(now, seq, Err(error)),
            Input::Answered(id, answer) => self.terminal_answered(now, id, answer),
        }
        self.go_on(now);
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        self.latest = self.latest.max(Some(now));
        while let Some((due, id)) = self.due.first().copied() {
            if due > now {
                break;
            }
            self.overdue(id);
            self.grant(now);
        }
        self.fire_enrolments(now);
        if matches!(self.life, Life::Closing(Some(end)) if end <= now) {
            self.give_up_the_rest();
            return self.end();
        }
        self.go_on(now);
    }

    /// Next thing to do, oldest first; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        let was_full = self.is_full();
        let output = self.out.pop_front();
        // What was held back because nobody drained goes on now.
        if let Some(latest) = self.latest.filter(|_| was_full && !self.is_full()) {
            self.go_on(latest);
        }
        output
    }

    /// When to call [`Self::handle_timeout`]; `None` means no timer is armed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let end = match self.life {
            Life::Open => None,
            Life::Closing(end) => end,
            Life::Closed => return None,
        };
        let exchanges = self.due.first().map(|(due, _)| *due);
        let timers = [exchanges, self.enrolments.next(), end];
        timers.into_iter().flatten().min()
    }

    /// Keeps a record that was asked for, unless one with its key is kept; `at` is now. If it is
    /// new, [`Event::Kept`] with the number that is returned follows; else it is counted as known.
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] for a question whether a person may pass, for another serial number
    /// than the record states, and for one that is not in [`Config::serials`];
    /// [`Refused::TooLarge`] beyond [`Config::max_body`]; [`Refused::Full`] with
    /// [`Config::max_importing`] imports at the store, without room in [`Config::budget`] or while
    /// [`Config::max_outputs`] outputs wait; [`Refused::Closed`] also while closing.
    #[expect(clippy::result_large_err, reason = "gives its value back")]
    pub fn import(
        &mut self,
        now: Instant,
        at: UnixMillis,
        serial: SerialNumber,
        push: Push,
    ) -> Result<Seq, Refused<Push>> {
        self.handle_timeout(now);
        if self.is_closed() || self.is_closing() {
            return Err(Refused::Closed(push));
        }
        let is_other = push.serial().is_some_and(|stated| stated != serial);
        let is_question = matches!(push, Push::RemoteAuth(_));
        if is_other || is_question || !self.is_listed(&serial) {
            return Err(Refused::Invalid(push));
        }
        let length = u64::try_from(push.json().len()).unwrap_or(u64::MAX);
        if length > self.config.max_body {
            return Err(Refused::TooLarge(push));
        }
        if self.is_full() || self.journal.importing() >= self.config.max_importing {
            return Err(Refused::Full(push));
        }
        //= docs/spec/face-record-push.md#duplicates
        //# An imported record MUST count as known by the same key as a pushed one.
        let key = push.key(&serial);
        if self.keys.contains(&serial, &key) {
            let counters = &mut self.counters;
            counters.known = counters.known.saturating_add(1);
            counters.remembered = counters.remembered.saturating_add(1);
            return Ok(self.journal.take_number());
        }
        let Some(share) = self.budget.reserve(length) else {
            return Err(Refused::Full(push));
        };
        let times = Times {
            happened: push.time(),
            sent: None,
            received: at,
        };
        let identity = Identity {
            is_quarantined: false,
            serial,
            key,
        };
        Ok(self.keep_import(times, Body { identity, push }, share))
    }

    /// Writes down that the application named `name` has dealt with every entry up to `seq`, for an
    /// application that does not write that itself, in one transaction with its effect. Where it
    /// begins after a crash, it must expect to see again what it had not written down.
    pub fn consumed(&mut self, now: Instant, name: impl Into<String>, seq: Seq) {
        self.handle_timeout(now);
        if !self.is_closed() {
            let name = name.into();
            self.out
                .push_back(Output::Store(Op::Consumed { name, seq }));
        }
    }

    /// Ends the machine: what waits is answered with 503, what the store has in hands may finish
    /// within [`Config::close_timeout`], and [`Event::Closed`] is the last output. Requests that
    /// come in between are answered with 503.
    pub fn close(&mut self, now: Instant) {
        self.handle_timeout(now);
        if self.life != Life::Open {
            return;
        }
        //= docs/spec/face-record-push.md#acknowledgement
        //# A receiver that closes MUST answer what waits with status 503 and let the store finish
        //# for `close_timeout`.
        self.life = Life::Closing(after(now, self.config.close_timeout));
        self.enrolments = Enrolments::new();
        let open: Vec<ExchangeId> = self.exchanges.keys().copied().collect();
        for id in open {
            match self.exchange(id) {
                ExchangeState::Storing => {}
                ExchangeState::Deciding => self.undecided(id),
                _ => self.defer(id),
            }
        }
        if self.config.close_timeout == Duration::ZERO {
            self.give_up_the_rest();
            return self.end();
        }
        self.go_on(now);
    }

    /// True once [`Event::Closed`] has been queued.
    pub fn is_closed(&self) -> bool {
        self.life == Life::Closed
    }

    /// Where a request is.
    pub fn exchange(&self, id: ExchangeId) -> ExchangeState {
        let exchange = self.exchanges.get(&id);
        exchange.map_or(ExchangeState::Over, Exchange::state)
    }

    /// What has been counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many requests wait for their turn, for the place that there is for large bodies, or with
    /// their bodies for the store to answer another push of their terminal.
    pub fn waiting(&self) -> usize {
        let with_turn = self.budget.asking().saturating_add(self.journal.queued());
        self.lanes.waiting().saturating_add(with_turn)
    }

    /// Bytes of memory that bodies may take now, in requests and in the store's hands: at most
    /// [`Config::budget`] and [`Config::hard_max`] together.
    //= docs/spec/face-record-push.md#fairness
    //# The bytes reserved MUST NOT exceed `budget`, apart from one body of up to `hard_max`.
    pub fn reserved_bytes(&self) -> u64 {
        self.budget.reserved()
    }

    fn is_closing(&self) -> bool {
        matches!(self.life, Life::Closing(_))
    }

    fn is_full(&self) -> bool {
        self.out.len() >= self.config.max_outputs
    }

    fn tell(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// Does what has become possible.
    fn go_on(&mut self, now: Instant) {
        match self.life {
            Life::Open => {
                self.grant(now);
                self.ask_terminals(now);
            }
            Life::Closing(_) if self.journal.is_idle() => self.end(),
            _ => {}
        }
    }

    /// Whom the store leaves without an answer is told to come again.
    fn give_up_the_rest(&mut self) {
        let open: Vec<ExchangeId> = self.exchanges.keys().copied().collect();
        for id in open {
            self.defer(id);
        }
    }

    fn end(&mut self) {
        self.life = Life::Closed;
        self.journal.forget_all();
        self.budget = Budget::new(self.config.budget, self.config.hard_max);
        self.tell(Event::Closed(Reason::Local));
    }
}

/// `wait` after `now`; a time too far away to be told never comes.
fn after(now: Instant, wait: Duration) -> Option<Instant> {
    now.checked_add(wait)
}
