//! The device: one alias, one link after the other, every message once.
//!
//! The same machine for lines over TCP and for Socket.IO: the driver picks the codec, and
//! [`Config::binding`] tells the machine.
//!
//! ```
//! use zzw_push_proto::device::{Config, Device, Event, Input, Output, Recovered};
//! use zzw_push_proto::wire::{Connect, Delivery, Message, Mid};
//! # #[allow(clippy::disallowed_methods)]
//! # fn clock() -> std::time::Instant { std::time::Instant::now() }
//!
//! let (mut device, now) = (Device::new(Config::new("m_2", 7), Recovered::empty()), clock());
//! let bound = Message::Connected(Connect::new("m_2").reply(0));
//! let push = Message::Deliver(Delivery::new("m_2", Mid::new("41"), "有人按门铃".into()));
//!
//! let (mut told, mut acked) = (Vec::new(), 0);
//! while let Some(output) = device.poll_output() {
//!     match output {
//!         // A server that pushes a message, and pushes it again.
//!         Output::Connect => device.handle_input(now, Input::Connected),
//!         Output::Send(Message::Connect(_)) => {
//!             for message in [&bound, &push, &push] {
//!                 device.handle_input(now, Input::Received(message.clone()));
//!             }
//!         }
//!         Output::Send(Message::Ack(_)) => acked += 1,
//!         Output::Event(Event::Delivered(delivery)) => told.push(delivery.msg),
//!         _ => {}
//!     }
//! }
//! assert_eq!((told.len(), acked), (1, 2));
//! ```

mod backoff;
mod commands;
mod doors;
mod link;
mod memory;
mod requests;
mod vocabulary;

pub use vocabulary::{
    Ack, Answer, Binding, Cause, Config, Counters, Event, Input, LinkEnd, Output, Reason,
    Recovered, Refused, Replaced, RequestId, Seq, State,
};

use crate::wire::{self, Delivery, Door, Goodbye, MAX_NAME, Message, Mid, Text};
use backoff::Backoff;
use doors::Doors;
use link::Link;
use memory::{Mark, Memory};
use requests::Requests;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A client of the push system: a door station, an indoor unit, a phone.
///
/// It dials when it is made, and again whenever the link is gone. What comes is at least once on the
/// wire and once for the application.
#[derive(Debug)]
pub struct Device {
    config: Config,
    link: Link,
    backoff: Backoff,
    topics: Vec<Text>,
    requests: Requests,
    memory: Memory,
    doors: Doors,
    counters: Counters,
    out: VecDeque<Output>,
}

/// Shortest delay: a timer of zero would never be in the future.
const SHORTEST: Duration = Duration::from_millis(1);

impl Device {
    /// A device with what its store held when it was opened. Its first output is
    /// [`Output::Connect`].
    pub fn new(config: Config, recovered: Recovered) -> Self {
        Self {
            link: Link::Dialing,
            backoff: Backoff::new(config.backoff_min, config.backoff_max, config.seed),
            topics: config.topics.clone(),
            requests: Requests::default(),
            memory: Memory::new(config.remembered, recovered),
            doors: Doors::default(),
            counters: Counters::default(),
            out: VecDeque::from([Output::Connect]),
            config,
        }
    }

    /// Takes one fact from the world. Never fails: whatever others did wrong comes out as output.
    ///
    /// News of a link that has ended, or of a store that was not asked, mean nothing.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.fire(now);
        if self.is_closed() {
            return;
        }
        match input {
            Input::Connected => self.connected(now),
            Input::Received(message) => self.received(now, message),
            Input::Garbled(error) => self.garbled(now, error),
            Input::Disconnected(cause) => self.disconnected(now, cause),
            Input::Stored(seq) => self.stored(seq),
            Input::StoreFailed(seq) => {
                if let Some(mid) = self.memory.not_stored(seq) {
                    self.say(Event::NotStored(mid));
                }
            }
        }
        self.go_on(now);
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    //= docs/spec/zzw-push-proto.md#device-link
    //# When outputs are drained and how often timers fire MUST NOT change what a machine does.
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
        self.link.due().into_iter().chain(self.requests.due()).min()
    }

    /// Ends the machine: every command that waits ends, and over Socket.IO the server is told. Drain
    /// the outputs, then drop.
    pub fn close(&mut self, now: Instant) {
        self.fire(now);
        self.end(Reason::Local);
    }

    /// True once [`Event::Closed`] has been queued.
    pub fn is_closed(&self) -> bool {
        self.state() == State::Closed
    }

    /// What it does at the moment.
    pub fn state(&self) -> State {
        self.link.state()
    }

    /// The topics that are subscribed to on every link.
    pub fn subscriptions(&self) -> &[Text] {
        &self.topics
    }

    /// Commands that wait for a link or an answer.
    pub fn waiting(&self) -> usize {
        self.requests.len()
    }

    /// Deliveries that wait for the store.
    pub fn storing(&self) -> usize {
        self.memory.storing()
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Fires timers; what follows from them is for [`Self::go_on`].
    fn fire(&mut self, now: Instant) {
        if !self.is_closed() {
            self.fire_link(now);
            self.time_out_requests(now);
        }
    }

    /// Does what can be done now. Doing it twice does nothing more.
    fn go_on(&mut self, now: Instant) {
        self.send_requests(now);
    }

    fn received(&mut self, now: Instant, message: Message) {
        if self.link.session_mut().is_none() {
            return; // a link that we have ended, or none at all
        }
        self.heard(now);
        let is_bound = self.state() == State::Bound;
        match message {
            Message::Connected(connected) if self.is_us(connected.alias.as_ref()) => {
                self.bind(now);
                //= docs/spec/zzw-push-proto.md#device-link
                //# The device MUST report the gap that a server tells.
                if connected.gap > 0 {
                    self.say(Event::Gap(connected.gap));
                }
            }
            Message::HeartbeatReply(reply) if self.is_us(reply.alias.as_ref()) => {
                self.beaten();
                // Without an alias it comes from a server that knows none (Z-16).
                if reply.alias.is_some() {
                    self.bind(now);
                }
            }
            Message::Deliver(delivery) if self.is_ours(&delivery) => {
                self.bind(now);
                self.delivered(delivery);
            }
            Message::Registered(_)
            | Message::TopicList(_)
            | Message::Batch(_)
            | Message::Published(_)
            | Message::CountsReply(_)
            | Message::StatusReply(_) => self.answered(message),
            Message::OpenDoor(door) => self.door_asked(now, door),
            Message::Phone(door) if is_bound => self.say(Event::PhonePresent(door)),
            Message::Door(door) if is_bound => self.say(Event::DoorPresent(door)),
            Message::Failure(failure) => self.complaint(now, failure),
            Message::Null => {} // no message at all (Z-5)
            other => self.unexpected(other),
        }
    }

    /// True if it was new, false if it had come before, `None` if it has to come again.
    //= docs/spec/zzw-push-proto.md#device-delivery
    //# The device MUST report a delivery once as long as its id is among the last `remembered`.
    fn delivered(&mut self, delivery: Delivery) -> Option<bool> {
        match self.memory.mark(&delivery.mid) {
            Some(mark) => {
                self.counters.repeated = self.counters.repeated.saturating_add(1);
                //= docs/spec/zzw-push-proto.md#device-delivery
                //# The device MUST acknowledge a delivery that comes again if it may acknowledge
                //# it.
                if mark == Mark::Acked {
                    self.send_ack(&delivery.mid);
                }
                return Some(false);
            }
            None if self.config.ack != Ack::Stored => {}
            //= docs/spec/zzw-push-proto.md#device-delivery
            //# The device MUST leave a delivery alone, so that it comes again, while `max_storing`
            //# wait for the store.
            None if self.memory.storing() >= self.config.max_storing => {
                self.counters.deferred = self.counters.deferred.saturating_add(1);
                return None;
            }
            None => {
                let seq = self.memory.store(delivery.clone());
                //= docs/spec/zzw-push-proto.md#device-delivery
                //# The device MUST NOT report or acknowledge a delivery under `Stored` before it is
                //# stored.
                self.out.push_back(Output::Store(seq, delivery));
                return Some(true);
            }
        }
        let mid = delivery.mid.clone();
        self.tell(delivery);
        //= docs/spec/zzw-push-proto.md#device-delivery
        //# The device MUST acknowledge a delivery behind its report under `Automatic`, when it is
        //# told to under `Manual`, and once it is stored under `Stored`.
        if self.config.ack == Ack::Automatic {
            self.memory.remember(&mid, Mark::Acked);
            self.send_ack(&mid);
        } else {
            self.memory.remember(&mid, Mark::Open);
        }
        Some(true)
    }

    //= docs/spec/zzw-push-proto.md#device-delivery
    //# The device MUST acknowledge a delivery behind its report under `Automatic`, when it is told
    //# to under `Manual`, and once it is stored under `Stored`.
    fn stored(&mut self, seq: Seq) {
        if let Some(delivery) = self.memory.stored(seq) {
            let mid = delivery.mid.clone();
            self.tell(delivery);
            self.send_ack(&mid);
        }
    }

    /// The application has worked it off. False if nothing is known of it.
    fn acknowledged(&mut self, mid: &Mid) -> bool {
        match self.memory.mark(mid) {
            None => return false,
            Some(Mark::Acked) => {}
            Some(Mark::Open) => {
                self.memory.remember(mid, Mark::Acked);
                self.send_ack(mid);
            }
        }
        true
    }

    fn tell(&mut self, delivery: Delivery) {
        self.counters.delivered = self.counters.delivered.saturating_add(1);
        self.say(Event::Delivered(delivery));
    }

    /// Without a link nothing is lost: the server delivers it again over the next one (Z-28), and it is
    /// acknowledged then.
    fn send_ack(&mut self, mid: &Mid) {
        //= docs/spec/zzw-push-proto.md#device-delivery
        //# The device MUST NOT queue acknowledgements for a link.
        if self.state() != State::Bound {
            return;
        }
        //= docs/spec/zzw-push-proto.md#device-delivery
        //# The device MUST acknowledge with its alias and the id as it came.
        let ack = wire::Ack::new(self.config.alias.clone(), mid.clone());
        self.send(Message::Ack(ack));
        self.settle_pull(mid);
        self.counters.acked = self.counters.acked.saturating_add(1);
    }

    //= docs/spec/zzw-push-proto.md#device-delivery
    //# The device MUST report a request to open a door once within `door_window`, and none while it
    //# is not bound.
    fn door_asked(&mut self, now: Instant, door: Door) {
        let is_bound = self.state() == State::Bound;
        if is_bound && self.doors.is_new(now, self.config.door_window, &door) {
            self.say(Event::DoorAsked(door));
        } else {
            self.counters.doors_dropped = self.counters.doors_dropped.saturating_add(1);
        }
    }

    fn end(&mut self, reason: Reason) {
        if self.is_closed() {
            return;
        }
        // So that the server does not wait for us to come back (Z-26).
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST say goodbye over Socket.IO when it is closed while it is bound.
        if self.state() == State::Bound && self.config.binding == Binding::Handshake {
            self.send(Message::Goodbye(Goodbye::new(self.config.alias.clone())));
        }
        self.abandon_requests();
        self.memory.clear();
        self.link = Link::Closed;
        //= docs/spec/zzw-push-proto.md#device-link
        //# A machine that is closed MUST report so once, and no other event after that.
        self.say(Event::Closed(reason));
        self.out.push_back(Output::Disconnect);
    }

    fn is_us(&self, alias: Option<&Text>) -> bool {
        alias.is_none_or(|alias| *alias == self.config.alias)
    }

    /// True for what is for us and can be remembered.
    //= docs/spec/zzw-push-proto.md#device-delivery
    //# The device MUST NOT acknowledge an id of more than 128 bytes.
    fn is_ours(&self, delivery: &Delivery) -> bool {
        self.is_us(delivery.alias.as_ref()) && delivery.mid.as_str().len() <= MAX_NAME
    }

    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST pass up what it has not expected and what is for another alias.
    fn unexpected(&mut self, message: Message) {
        self.counters.unexpected = self.counters.unexpected.saturating_add(1);
        self.say(Event::Unexpected(message));
    }

    fn send(&mut self, message: Message) {
        self.out.push_back(Output::Send(message));
    }

    fn say(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

/// Later than `now`; never, if no clock gets there.
fn after(now: Instant, delay: Duration) -> Option<Instant> {
    now.checked_add(delay.max(SHORTEST))
}
