//! The box: many subscribers on one WebSocket port, and a history over HTTP.
//!
//! ```
//! use se5_events::device::{Config, Device, Input, LinkId, Output, Peer};
//! use se5_events::{Dialect, FromBox, Sighting, Subscription, ToBox, UnixMillis};
//! # #[allow(clippy::disallowed_methods)]
//! # fn clock() -> std::time::Instant { std::time::Instant::now() }
//!
//! let (mut device, now, link) = (Device::new(Config::new(7)), clock(), LinkId(1));
//! device.handle_input(now, Input::Connected(link, Peer("192.0.2.7:40001".into())));
//! let wanted = ToBox::Subscribe(Dialect::V1, Subscription::new(["gate"]));
//! device.handle_input(now, Input::Received(link, wanted));
//!
//! device.emit(now, Sighting::new("1607062639.737444", "gate", UnixMillis(1_607_062_639_701)))?;
//! let sent = std::iter::from_fn(|| device.poll_output()).find_map(|output| match output {
//!     Output::Send(to, message, _) => Some((to, message)),
//!     _ => None,
//! });
//! assert!(matches!(sent, Some((to, message)) if to == link && matches!(&*message, FromBox::Face(_))));
//! # Ok::<(), se5_events::Refused<Sighting>>(())
//! ```

mod answer;
mod fan_out;
mod fault;
mod history;
mod link;
mod vocabulary;

pub use fault::Fault;
pub use vocabulary::{
    Config, Counters, Delivery, EmptyList, Event, Input, LinkId, LinkStatus, Output, Peer,
    PingAnswer, Reason, Reboot, SpotFollows,
};

use crate::{Ask, DeviceInfo, Dialect, ExchangeId, Refused, Sighting, Subscription, ToBox};
use fan_out::Variants;
use fault::Faults;
use history::History;
use link::{Desk, Link};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// A box: any number of subscribers, one history, one firmware.
///
/// What a link is sent depends on that link, on the events and on the faults, never on another link,
/// with one exception that every server has: [`Config::max_links`] and [`Config::max_outputs`] are
/// shared.
#[derive(Debug)]
pub struct Device {
    config: Config,
    dialect: Dialect, // of the firmware, which a reboot may replace
    devices: Vec<DeviceInfo>,
    links: BTreeMap<LinkId, Link>,
    history: History,
    faults: Faults,
    questions: Vec<Question>,
    ping_at: Option<Instant>,
    booting_until: Option<Instant>,
    counters: Counters,
    is_closed: bool,
    out: VecDeque<Output>,
}

/// A question that is answered later.
#[derive(Debug)]
struct Question {
    due: Option<Instant>, // none if the clock does not reach that far
    exchange: ExchangeId,
    dialect: Dialect,
    ask: Ask,
}

impl Device {
    /// A box without devices, subscribers or history.
    pub fn new(config: Config) -> Self {
        Self {
            dialect: config.dialect,
            config,
            devices: Vec::new(),
            links: BTreeMap::new(),
            history: History::default(),
            faults: Faults::default(),
            questions: Vec::new(),
            ping_at: None,
            booting_until: None,
            counters: Counters::default(),
            is_closed: false,
            out: VecDeque::new(),
        }
    }

    /// Takes one fact from the world. Never fails: whatever a subscriber did wrong comes out as output.
    ///
    /// News of a link that is not there, or is there already, is old and means nothing.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.handle_timeout(now);
        if self.is_closed {
            return;
        }
        match input {
            Input::Connected(id, peer) => self.connected(id, peer),
            Input::Received(id, ToBox::Subscribe(dialect, wanted)) => {
                self.subscribe(id, dialect, wanted);
            }
            Input::Received(id, ToBox::Ping) => self.pinged(id),
            // No WebSocket carries questions; a driver without HTTP may still put them here.
            Input::Received(_, ToBox::Ask(exchange, dialect, ask))
            | Input::Asked(exchange, dialect, ask) => self.asked(now, exchange, dialect, ask),
            Input::Garbled(id, error) => {
                let Some(link) = self.links.get_mut(&id) else {
                    return;
                };
                let is_too_much = link.garble(self.config.refuse_after);
                //= docs/spec/se5-events.md#box
                //# The box MUST ignore a garbled subscription and count it.
                self.counters.garbled = self.counters.garbled.saturating_add(1);
                self.say(Event::Garbled(id, error));
                if is_too_much {
                    self.hang_up(id);
                }
            }
            Input::Slow(id) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.slow_down();
                }
            }
            Input::Ready(id) => {
                let (links, mut desk) = self.parts();
                if let Some(link) = links.get_mut(&id) {
                    link.speed_up(&mut desk);
                }
            }
            Input::Disconnected(id) => {
                if let Some(link) = self.links.remove(&id) {
                    link.leave(&mut self.parts().1);
                }
            }
        }
    }

    /// Fires what is due at `now`. Harmless when called early, late or twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed {
            return;
        }
        if self.faults.reorder().is_some() {
            let (links, mut desk) = self.parts();
            for link in links.values_mut() {
                link.release_due(now, &mut desk);
            }
        }
        if self.ping_at.is_some_and(|at| at <= now) {
            let (links, mut desk) = self.parts();
            for link in links.values() {
                link.ping(&mut desk);
            }
            self.arm_ping(now);
        }
        let is_due = |question: &Question| question.due.is_some_and(|due| due <= now);
        if self.questions.iter().any(is_due) {
            let (due, later) = std::mem::take(&mut self.questions)
                .into_iter()
                .partition(is_due);
            self.questions = later;
            self.answer_all(now, due);
        }
    }

    /// Next thing to do, oldest first; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` means no timer is armed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let questions = self.questions.iter().filter_map(|question| question.due);
        // Only this fault holds anything back.
        let links = self.faults.reorder().map(|_| self.links.values());
        let held = links.into_iter().flatten().filter_map(Link::release_at);
        questions.chain(held).chain(self.ping_at).min()
    }

    /// Shows a sighting to the subscribers that want it, and keeps it in the history.
    ///
    /// Its device need not be on the list: the list is what the box says over HTTP, events are what
    /// it sees. A box that is still starting ([`Config::boot_time`]) sees, too.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`] while [`Config::max_outputs`] wait, [`Refused::Closed`].
    #[expect(
        clippy::result_large_err,
        reason = "the refused value comes back as it was given"
    )]
    pub fn emit(&mut self, now: Instant, mut sighting: Sighting) -> Result<(), Refused<Sighting>> {
        self.handle_timeout(now);
        if self.is_closed {
            return Err(Refused::Closed(sighting));
        }
        if self.out.len() >= self.config.max_outputs {
            return Err(Refused::Full(sighting));
        }
        self.counters.emitted = self.counters.emitted.saturating_add(1);
        sighting.at = self.faults.clock(sighting.at);
        let (dialect, empty_list) = (self.dialect, self.config.empty_list);
        let (links, mut desk) = self.parts();
        let mut variants = Variants::new(&sighting, dialect, desk.config);
        for link in links.values_mut() {
            if let Some(pictures) = link.wants(&sighting.device_id, empty_list) {
                link.push(now, variants.with(pictures), &mut desk);
            }
        }
        if let Some(at) = self.history.push(sighting, self.config.max_history) {
            self.counters.forgotten = self.counters.forgotten.saturating_add(1);
            self.say(Event::Forgotten(at));
        }
        Ok(())
    }

    /// Adds a device to the list, or replaces the one with its id.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`] beyond [`Config::max_devices`], [`Refused::Closed`].
    #[expect(
        clippy::result_large_err,
        reason = "the refused value comes back as it was given"
    )]
    pub fn add_device(
        &mut self,
        now: Instant,
        info: DeviceInfo,
    ) -> Result<(), Refused<DeviceInfo>> {
        self.handle_timeout(now);
        if self.is_closed {
            return Err(Refused::Closed(info));
        }
        if let Some(known) = self.devices.iter_mut().find(|known| known.id == info.id) {
            *known = info;
        //= docs/spec/se5-events.md#limits
        //# The box MUST refuse a device beyond `max_devices`.
        } else if self.devices.len() >= self.config.max_devices {
            return Err(Refused::Full(info));
        } else {
            self.devices.push(info);
        }
        Ok(())
    }

    /// Takes a device off the list; false if it was not there. What it saw stays in the history.
    pub fn remove_device(&mut self, now: Instant, id: &str) -> bool {
        self.handle_timeout(now);
        let before = self.devices.len();
        self.devices.retain(|device| device.id != id);
        self.devices.len() < before
    }

    /// Switches `fault` on, until [`Self::clear_faults`].
    pub fn fault(&mut self, now: Instant, fault: Fault) {
        self.handle_timeout(now);
        if self.is_closed {
            return;
        }
        match fault {
            Fault::HalfOpen => self.half_open(true),
            // What the old setting holds back would otherwise be forgotten by a smaller one.
            Fault::Reorder(_) => self.release_all(),
            _ => {}
        }
        self.faults.switch_on(fault);
        if matches!(fault, Fault::PingsEvery(_)) {
            self.arm_ping(now);
        }
    }

    /// Switches every fault off. What they held back goes out now; what they lost stays lost.
    pub fn clear_faults(&mut self, now: Instant) {
        self.handle_timeout(now);
        self.faults.clear();
        self.ping_at = None;
        self.half_open(false);
        self.release_all();
        let waiting = std::mem::take(&mut self.questions);
        self.answer_all(now, waiting);
    }

    /// Hangs up on every subscriber, without a close frame, as a lost network would.
    pub fn cut_links(&mut self, now: Instant) {
        self.handle_timeout(now);
        self.hang_up_all();
    }

    /// Reboots: hangs up on every subscriber, leaves open questions unanswered, and answers new ones
    /// with `DEVICE_INIT_ERROR` for [`Config::boot_time`].
    ///
    /// Subscribers are taken meanwhile: the WebSocket of a box is up before its face engine is. Faults
    /// stay switched on.
    pub fn reboot(&mut self, now: Instant, how: Reboot) {
        self.handle_timeout(now);
        if self.is_closed {
            return;
        }
        self.hang_up_all();
        self.abandon_questions();
        if !how.keep_history {
            self.history.clear();
        }
        self.dialect = how.dialect.unwrap_or(self.dialect);
        self.booting_until = now.checked_add(self.config.boot_time);
        self.say(Event::Rebooted);
    }

    /// Ends the box: hangs up on every subscriber. Drain the outputs, then drop.
    pub fn close(&mut self, now: Instant) {
        self.handle_timeout(now);
        if self.is_closed {
            return;
        }
        self.release_all();
        self.hang_up_all();
        self.abandon_questions();
        self.faults.clear();
        self.ping_at = None;
        self.is_closed = true;
        //= docs/spec/se5-events.md#limits
        //# A machine that is closed MUST report so once, as the last thing it says.
        self.say(Event::Closed(Reason::Local));
    }

    /// True once [`Event::Closed`] has been queued.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What the driver does about a ping on `link`, whose pong is its own affair.
    pub fn answers_ping(&self, link: LinkId) -> PingAnswer {
        self.links
            .get(&link)
            .map_or(PingAnswer::Ignore, |link| link.answers_ping(&self.faults))
    }

    /// The dialect of the firmware that runs.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The devices on the list, in the order in which they were added.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceInfo> {
        self.devices.iter()
    }

    /// The subscribers, in the order of their ids.
    pub fn links(&self) -> impl Iterator<Item = LinkStatus<'_>> {
        self.links.values().map(Link::status)
    }

    /// Events in the history.
    pub fn history_len(&self) -> usize {
        self.history.len()
    }

    /// What the box has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn connected(&mut self, id: LinkId, peer: Peer) {
        if self.links.contains_key(&id) {
            return;
        }
        //= docs/spec/se5-events.md#box
        //# The box MUST hang up on a connection beyond `max_links`.
        if self.links.len() >= self.config.max_links {
            self.counters.refused = self.counters.refused.saturating_add(1);
            self.say(Event::Refused(peer));
            self.out.push_back(Output::Disconnect(id));
            return;
        }
        self.counters.joined = self.counters.joined.saturating_add(1);
        self.say(Event::Joined(id, peer.clone()));
        self.links.insert(id, Link::new(id, peer, self.config.seed));
    }

    fn subscribe(&mut self, id: LinkId, dialect: Dialect, wanted: Subscription) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        // The other dialect's members are unknown ones: passed over, so every default applies.
        let is_understood = dialect == self.dialect;
        let event = link.subscribe(if is_understood {
            wanted
        } else {
            Subscription::default()
        });
        self.counters.subscribed = self.counters.subscribed.saturating_add(1);
        self.say(event);
    }

    fn pinged(&mut self, id: LinkId) {
        if self.links.contains_key(&id) {
            self.counters.pinged = self.counters.pinged.saturating_add(1);
            if self.answers_ping(id) == PingAnswer::HangUp {
                self.hang_up(id);
            }
        }
    }

    fn half_open(&mut self, is_half_open: bool) {
        for link in self.links.values_mut() {
            link.half_open(is_half_open);
        }
    }

    fn release_all(&mut self) {
        let (links, mut desk) = self.parts();
        for link in links.values_mut() {
            link.release(&mut desk);
        }
    }

    fn hang_up(&mut self, id: LinkId) {
        if let Some(link) = self.links.remove(&id) {
            link.hang_up(&mut self.parts().1);
        }
    }

    fn hang_up_all(&mut self) {
        for link in std::mem::take(&mut self.links).into_values() {
            link.hang_up(&mut self.parts().1);
        }
    }

    fn arm_ping(&mut self, now: Instant) {
        //= docs/spec/se5-events.md#liveness
        //# The box MUST NOT send a ping unless its configuration or a fault says so.
        let interval = self.faults.pings_every();
        self.ping_at = interval.and_then(|interval| now.checked_add(interval));
    }

    fn say(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// The links, and what they need of the rest.
    fn parts(&mut self) -> (&mut BTreeMap<LinkId, Link>, Desk<'_>) {
        let desk = Desk {
            config: &self.config,
            faults: &self.faults,
            counters: &mut self.counters,
            out: &mut self.out,
        };
        (&mut self.links, desk)
    }
}
