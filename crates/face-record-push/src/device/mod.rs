//! The terminal: a queue of records, one post in flight, retried until acknowledged.
//!
//! ```
//! use face_record_push::device::{Config, Device, Event, Input, Output, Recovered};
//! use face_record_push::{Answer, Dest, Profile, Recognition, Subscription, UnixMillis};
//! # #[allow(clippy::disallowed_methods)]
//! # fn clock() -> std::time::Instant { std::time::Instant::now() }
//!
//! let mut recovered = Recovered::empty(); // what the disk holds
//! recovered.subscription = Subscription::to(Dest::parse("http://192.0.2.10:9000/Record")?);
//! let (mut device, now) = (Device::new(Config::new(7), recovered), clock());
//!
//! let seen = Recognition::new("PS71HD01MC22C00014", UnixMillis(1_660_625_866_000));
//! let seq = device.record(now, seen.to_item(Profile::V1_1, None))?;
//! let mut acked = None;
//! while let Some(output) = device.poll_output() {
//!     match output {
//!         // A disk, and a platform that takes everything.
//!         Output::Store(op, _) => device.handle_input(now, Input::Stored(op)),
//!         Output::Send(post) => {
//!             let answer = Answer::new(200, Some(200));
//!             device.handle_input(now, Input::Received(post.attempt, answer));
//!         }
//!         Output::Event(Event::Acked(seq)) => acked = Some(seq),
//!         _ => {}
//!     }
//! }
//! assert_eq!((acked, device.queued()), (Some(seq), 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dice;
mod fault;
mod keeping;
mod ledger;
mod life;
mod queue;
mod room;
mod sending;
mod settings;
mod table;
mod vocabulary;

pub use fault::Fault;
pub use table::{Cue, TRANSITIONS, Transition};
pub use vocabulary::{
    AttemptId, Cause, Charge, Config, Counters, Durability, Event, Failure, IndexEntry, Input,
    Loss, LossReason, Op, OpId, Output, Overflow, Post, Reason, Recovered, Seq, State, StoreError,
};

use crate::{Item, Refused, Subscription};
use dice::Dice;
use fault::Faults;
use keeping::Unstored;
use ledger::{Ledger, Pending};
use life::Life;
use queue::Queue;
use room::Losses;
use sending::Sending;
use settings::Settings;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A terminal: what it has recorded and nobody has acknowledged yet.
///
/// It holds 16 bytes for each record that waits. The records themselves are in the store; here are
/// only those on their way into it, the one that is posted, and the next one.
#[derive(Debug)]
pub struct Device {
    config: Config,
    queue: Queue,
    next_seq: Seq,
    unstored: VecDeque<Unstored>, // ascending
    ledger: Ledger,
    acked_upto: Seq,
    unadvanced: u32,       // acknowledgements that a power cut would take back
    owed_advance: u32,     // those of them that the store has not been told of
    owed_drops: Vec<Loss>, // drops for which the store had no room
    retry_store_at: Option<Instant>,
    last_freed: Option<OpId>, // the last request that made room on the disk
    losses: Losses,
    sending: Sending,
    settings: Settings,
    faults: Faults,
    dice: Dice,
    counters: Counters,
    life: Life,
    out: VecDeque<Output>,
}

/// Most acknowledgements that the store has not confirmed yet: so many records at most are posted
/// again after a power cut.
const UNADVANCED_MAX: u32 = 64;

/// Shortest delay: a timer of zero would never be in the future.
const SHORTEST: Duration = Duration::from_millis(1);

impl Device {
    /// A terminal with what its store held when it was opened. What is more than the limits allow
    /// gives way, unless [`Config::overflow`] refuses; losses of earlier lives are reported again,
    /// since a power cut may have come before the report. It begins with the first call.
    pub fn new(config: Config, recovered: Recovered) -> Self {
        let queue = Queue::new(config.charge, recovered.index);
        // Numbers of records that never came into the store are gone, too, if their loss is kept.
        let gone = recovered.losses.iter().map(|loss| loss.to);
        let last = gone.chain(queue.last()).max().unwrap_or_default();
        let counters = Counters {
            recorded: queue.len() as u64,
            ..Counters::default()
        };
        let mut device = Self {
            //= docs/spec/face-record-push.md#delivery
            //# The number of a record MUST NOT be used for another one, also not after the queue was empty and the power was cut.
            next_seq: recovered.next_seq.max(last.next()).max(Seq(1)),
            queue,
            unstored: VecDeque::new(),
            ledger: Ledger::default(),
            acked_upto: Seq::default(),
            unadvanced: 0,
            owed_advance: 0,
            owed_drops: Vec::new(),
            retry_store_at: None,
            last_freed: None,
            losses: Losses::default(),
            sending: Sending::default(),
            settings: Settings::new(recovered.subscription),
            faults: Faults::default(),
            dice: Dice::new(config.seed),
            counters,
            life: Life::Running,
            out: VecDeque::new(),
            config,
        };
        //= docs/spec/face-record-push.md#overflow
        //# A terminal that starts again MUST report the losses that its store has kept.
        for loss in recovered.losses {
            device.say(Event::Lost(loss));
        }
        device.keep_within_limits();
        device
    }

    /// Takes one fact from the world. Never fails: whatever others did wrong comes out as output.
    ///
    /// Answers to a post or a request that is not open any more are old and mean nothing.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.fire(now);
        if self.life == Life::Closed {
            return;
        }
        match input {
            Input::Connected => self.network_is_back(),
            Input::Received(attempt, answer) => self.answered(now, attempt, answer),
            Input::Garbled(attempt, error) => self.ended(now, attempt, Failure::Garbled(error)),
            Input::Disconnected(attempt, cause) => {
                self.ended(now, attempt, Failure::Disconnected(cause));
            }
            Input::Asked(exchange, ask) => self.asked(exchange, ask),
            Input::Misasked(exchange, error) => self.misasked(exchange, error),
            Input::Unasked(exchange) => self.settings.unasked(exchange),
            Input::Stored(op) => self.stored(now, op),
            Input::StoreFailed(op, StoreError::Full) => self.no_room(now, op),
            Input::StoreFailed(op, StoreError::Broken) => {
                if self.ledger.contains(op) {
                    self.pause();
                }
            }
            Input::Loaded(op, item) => self.loaded(op, item),
        }
        self.go_on(now);
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.fire(now);
        self.go_on(now);
    }

    /// Next thing to do, oldest first; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` means no timer is armed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = match self.life {
            Life::Closed => return None,
            Life::Closing(deadline) => [deadline, self.losses.due(), None, None],
            Life::Paused => [None, self.losses.due(), None, None],
            Life::Running => [
                self.sending.due(),
                self.losses.due(),
                self.retry_store_at,
                self.lazy_due(),
            ],
        };
        due.into_iter().flatten().min()
    }

    /// Takes a record, and gives its number. [`Event::Kept`] says when it is safe.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`] while [`Config::max_unstored`] wait for the store, and, if
    /// [`Config::overflow`] refuses, beyond [`Config::max_records`] or [`Config::max_bytes`];
    /// [`Refused::TooLarge`] if it alone exceeds [`Config::max_bytes`]; [`Refused::Paused`];
    /// [`Refused::Closed`].
    pub fn record(&mut self, now: Instant, item: Item) -> Result<Seq, Refused<Item>> {
        self.handle_timeout(now);
        match self.life {
            Life::Running => {}
            Life::Paused => return Err(Refused::Paused(item)),
            Life::Closing(_) | Life::Closed => return Err(Refused::Closed(item)),
        }
        let entry = IndexEntry::new(self.next_seq, item.row_len(), item.picture_len());
        let cost = self.queue.cost(&entry);
        //= docs/spec/face-record-push.md#overflow
        //# A record that alone exceeds `max_bytes` MUST be refused.
        if cost > self.config.max_bytes {
            return Err(Refused::TooLarge(item));
        }
        let is_store_busy = self.unstored.len() >= self.config.max_unstored;
        //= docs/spec/face-record-push.md#overflow
        //# The new record MUST be given back under `RefuseNew`.
        //= docs/spec/face-record-push.md#overflow
        //# The terminal MUST refuse records while `max_unstored` wait for the store.
        if is_store_busy || self.owed_drops.len() >= OWED_MAX || !self.make_room(cost) {
            self.go_on(now); // pictures may have gone without making enough room
            return Err(Refused::Full(item));
        }
        self.next_seq = entry.seq.next();
        //= docs/spec/face-record-push.md#overflow
        //# The number of records taken MUST always be that of the records acknowledged, lost, set aside, queued and on their way into the store.
        self.counters.recorded = self.counters.recorded.saturating_add(1);
        self.queue.push(entry);
        self.take_in(now, entry.seq, Arc::new(item));
        self.go_on(now);
        Ok(entry.seq)
    }

    /// Changes where records go. In force, and reported by [`Event::Configured`], once it is kept.
    ///
    /// The destination is the owner's: [`Config::dest_policy`] is for the configuration API.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`] while [`Config::max_questions`] changes wait, [`Refused::Paused`],
    /// [`Refused::Closed`].
    pub fn configure(
        &mut self,
        now: Instant,
        subscription: Subscription,
    ) -> Result<(), Refused<Subscription>> {
        self.handle_timeout(now);
        match self.life {
            Life::Running => {}
            Life::Paused => return Err(Refused::Paused(subscription)),
            Life::Closing(_) | Life::Closed => return Err(Refused::Closed(subscription)),
        }
        self.change(subscription).map_err(Refused::Full)?;
        self.go_on(now);
        Ok(())
    }

    /// Goes on after [`Event::Paused`] with what the store held when it was opened anew.
    ///
    /// What was on its way and is not there is asked for again. What was acknowledged and is there
    /// again is not posted again.
    pub fn resume(&mut self, now: Instant, recovered: Recovered) {
        self.fire(now);
        if self.life == Life::Paused {
            self.reconcile(now, recovered);
            // Timers stood still meanwhile.
            self.fire(now);
        }
        self.go_on(now);
    }

    /// Switches `fault` on, until [`Self::clear_faults`].
    pub fn fault(&mut self, now: Instant, fault: Fault) {
        self.handle_timeout(now);
        self.faults.switch_on(fault);
        self.go_on(now);
    }

    /// Switches every fault off.
    pub fn clear_faults(&mut self, now: Instant) {
        self.handle_timeout(now);
        self.faults.clear();
    }

    /// Ends the terminal: gives up the post in flight at once and waits for the store, at most 5 s.
    /// Drain the outputs until [`Event::Closed`], then drop.
    pub fn close(&mut self, now: Instant) {
        self.fire(now);
        self.begin_to_close(now);
        self.go_on(now);
    }

    /// True once [`Event::Closed`] has been queued.
    pub fn is_closed(&self) -> bool {
        self.life == Life::Closed
    }

    /// What it does at the moment.
    pub fn state(&self) -> State {
        match self.life {
            Life::Closed => return State::Closed,
            Life::Closing(_) => return State::Closing,
            Life::Paused => return State::Paused,
            Life::Running => {}
        }
        if self.sending.is_in_flight() {
            return State::InFlight;
        }
        if self.settings.current().active_dest().is_none() {
            return State::Off;
        }
        match self.queue.nth(0) {
            None => State::Idle,
            Some(_) if self.sending.is_waiting() => State::Backoff,
            Some(head) if !self.may_post(head) => State::Idle,
            Some(_) => State::Fetching,
        }
    }

    /// The number that the next record gets.
    pub fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// Records that wait, those on their way into the store and the one being posted included.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// What those cost in the store, in bytes; see [`Config::charge`].
    pub fn queued_bytes(&self) -> u64 {
        self.queue.bytes()
    }

    /// Where records go.
    pub fn subscription(&self) -> &Subscription {
        self.settings.current()
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Fires timers; what follows from them is for [`Self::go_on`].
    fn fire(&mut self, now: Instant) {
        if self.life == Life::Closed {
            return;
        }
        self.report_losses(now);
        if self.life != Life::Running {
            return;
        }
        self.time_out(now);
        if self.retry_store_at.is_some_and(|at| at <= now) {
            self.retry_store_at = None;
            self.drop_again();
        }
        self.append_lazy(now);
    }

    /// Does what can be done now. Doing it twice does nothing more.
    fn go_on(&mut self, now: Instant) {
        match self.life {
            //= docs/spec/face-record-push.md#delivery
            //# The terminal MUST always have an output, a deadline or an answer to wait for while there is something to post and a place to post it to.
            Life::Running => {
                self.ask_to_advance();
                self.ask_to_configure();
                self.post(now);
                self.fetch();
            }
            Life::Closing(_) => self.close_if_done(now),
            Life::Paused | Life::Closed => {}
        }
    }

    fn ask_store(&mut self, pending: Pending, op: Op) -> OpId {
        let id = self.ledger.open(pending);
        self.out.push_back(Output::Store(id, op));
        id
    }

    fn say(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

/// Most drops that wait for a store without room.
const OWED_MAX: usize = 64;
