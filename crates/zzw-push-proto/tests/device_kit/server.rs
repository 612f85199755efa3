//! A server, a store, an application, and pipes that lose what is in them.

use super::device_kit::{self, ME, body, texts};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use zzw_push_proto::device::{
    Ack, Answer, Cause, Config, Device, Event, Input, Output, Recovered, RequestId, Seq, State,
};
use zzw_push_proto::wire::{
    Batch, Bodies, Code, Delivery, Failure, Message, Mid, Num, Numbered, Texts, TopicList,
};

/// One thing that happens; what it happens to is counted from the oldest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Somebody publishes to the device.
    Push,
    /// The server delivers again what is not acknowledged.
    Redeliver(u8),
    /// The next message arrives at the device.
    ToDevice,
    /// The next message arrives at the server.
    ToServer,
    /// An acknowledgement overtakes what was sent before it.
    Overtake(u8),
    /// The server forgets to answer the next request.
    LoseAnswer,
    /// The server refuses the next request.
    Refuse,
    /// The link breaks, with what is in it.
    Cut,
    /// The driver does what was asked of the link.
    Dial,
    /// The driver fails to dial.
    Unreachable,
    /// The store is done with one request.
    Store(u8),
    /// The store fails.
    FailStore(u8),
    /// The power goes; what the store had committed is there, reported or not.
    PowerCut(u8),
    /// The application acknowledges.
    Acknowledge(u8),
    Publish,
    Register,
    Topics,
    Pull,
}

pub(crate) struct World {
    pub(crate) device: Device,
    config: Config,
    now: Instant,
    has_dialled: bool, // and the driver has not said how it ended
    is_up: bool,
    to_device: VecDeque<Message>,
    to_server: VecDeque<Message>,
    server: Server,
    disk: Vec<Delivery>, // in order of their numbers
    storing: Vec<(Seq, Delivery)>,
    told: Vec<String>,            // deliveries reported in this life
    worked_off: BTreeSet<String>, // acknowledged by the application
    waiting: BTreeMap<RequestId, Option<String>>, // commands; the body of what is published
    is_closed: bool,
    published: u32,
}

#[derive(Default)]
struct Server {
    queue: Vec<(String, bool)>, // messages for the device, and whether they are acknowledged
    is_bound: bool,
    sent: BTreeSet<String>, // over this link
    batch: Option<(Num, Vec<String>)>,
    published: BTreeMap<String, u32>, // by the device, how often
    loses: bool,
    refuses: bool,
}

/// Messages on their way that are not acknowledged, as a server limits them.
const WINDOW: usize = 8;

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let mut world = Self {
            device: Device::new(config.clone(), Recovered::empty()),
            config,
            now: testkit::epoch(),
            has_dialled: false,
            is_up: false,
            to_device: VecDeque::new(),
            to_server: VecDeque::new(),
            server: Server::default(),
            disk: Vec::new(),
            storing: Vec::new(),
            told: Vec::new(),
            worked_off: BTreeSet::new(),
            waiting: BTreeMap::new(),
            is_closed: false,
            published: 0,
        };
        world.see();
        world
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Push => {
                let mid = (self.server.queue.len() + 1).to_string();
                self.server.queue.push((mid, false));
                self.server.deliver(&mut self.to_device);
            }
            Step::Redeliver(nth) => {
                let sent = self.server.sent.iter().cloned().collect::<Vec<_>>();
                if let Some(mid) = pick(&sent, nth) {
                    self.to_device.push_back(device_kit::push(mid));
                }
            }
            Step::ToDevice => {
                if let Some(message) = self.to_device.pop_front() {
                    self.input(Input::Received(message));
                }
            }
            Step::ToServer => {
                if let Some(message) = self.to_server.pop_front() {
                    self.serve(&message);
                }
            }
            Step::Overtake(nth) => self.overtake(nth),
            Step::LoseAnswer => self.server.loses = true,
            Step::Refuse => self.server.refuses = true,
            Step::Cut => self.cut(Cause::Broken),
            Step::Dial => self.dial(),
            Step::Unreachable => {
                if self.has_dialled && !self.is_up {
                    self.cut(Cause::Unreachable);
                }
            }
            Step::Store(nth) => self.store(nth, true),
            Step::FailStore(nth) => self.store(nth, false),
            Step::PowerCut(committed) => self.power_cut(committed),
            Step::Acknowledge(nth) => {
                if let Some(mid) = pick(&self.told.clone(), nth) {
                    if self
                        .device
                        .acknowledge(self.now, Mid::new(mid.as_str()))
                        .is_ok()
                    {
                        self.worked_off.insert(mid.clone());
                    }
                }
            }
            Step::Publish => {
                self.published += 1;
                let name = format!("p{}", self.published);
                let asked = self.device.publish_to_alias(self.now, "m_3", body(&name));
                self.asked(asked.ok(), Some(name));
            }
            Step::Register => {
                let asked = self.device.register(self.now, texts(&["c_1"]));
                self.asked(asked.ok(), None);
            }
            Step::Topics => {
                let asked = self.device.topics(self.now);
                self.asked(asked.ok(), None);
            }
            Step::Pull => {
                let asked = self.device.pull(self.now);
                self.asked(asked.ok(), None);
            }
        }
        self.see();
        self.check();
    }

    /// Time passes; timers are fired on time.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.device.poll_timeout().filter(|&due| due <= end) {
            self.now = due.max(self.now);
            self.device.handle_timeout(self.now);
            let next = self.device.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timer spins");
            self.see();
        }
        self.now = end;
    }

    /// From now on everything is well: in the end each message has come exactly once.
    pub(crate) fn heal(&mut self) {
        (self.server.loses, self.server.refuses) = (false, false);
        for _ in 0..100 {
            self.dial();
            self.run_dry();
            self.wait(Duration::from_secs(5));
        }
        assert_eq!(self.device.state(), State::Bound);
        // What is not acknowledged on this link comes again over the next one.
        self.cut(Cause::Closed);
        for _ in 0..100 {
            self.dial();
            self.run_dry();
            self.wait(Duration::from_secs(5));
        }
        let left = self.server.queue.iter().filter(|(_, is_acked)| !is_acked);
        assert_eq!(left.count(), 0, "not acknowledged");
        assert!(self.waiting.is_empty(), "commands without an end");
        let mut got: Vec<String> = match self.config.ack {
            Ack::Stored => self.disk.iter().map(|kept| kept.mid.to_string()).collect(),
            _ => self.told.clone(),
        };
        let mut pushed: Vec<String> = self
            .server
            .queue
            .iter()
            .map(|(mid, _)| mid.clone())
            .collect();
        got.sort();
        pushed.sort();
        assert_eq!(got, pushed, "lost or doubled");
    }

    pub(crate) fn close(&mut self) {
        self.device.close(self.now);
        self.see();
        assert!(self.is_closed && self.waiting.is_empty());
        assert_eq!(self.device.poll_timeout(), None);
    }

    fn run_dry(&mut self) {
        for _ in 0..1_000 {
            while let Some(message) = self.to_server.pop_front() {
                self.serve(&message);
            }
            while !self.storing.is_empty() {
                self.store(0, true);
            }
            for mid in self.told.clone() {
                if self.config.ack == Ack::Manual && !self.worked_off.contains(&mid) {
                    let taken = self.device.acknowledge(self.now, Mid::new(mid.as_str()));
                    taken.expect("it was reported and is remembered");
                    self.worked_off.insert(mid);
                    self.see();
                }
            }
            match self.to_device.pop_front() {
                Some(message) => self.input(Input::Received(message)),
                None if self.to_server.is_empty() && self.storing.is_empty() => return,
                None => {}
            }
        }
        panic!("they talk for ever");
    }

    fn input(&mut self, input: Input) {
        self.device.handle_input(self.now, input);
        self.see();
    }

    fn dial(&mut self) {
        if self.has_dialled && !self.is_up {
            self.is_up = true;
            self.input(Input::Connected);
        }
    }

    fn cut(&mut self, cause: Cause) {
        if self.has_dialled {
            self.hang_up();
            self.has_dialled = false;
            self.input(Input::Disconnected(cause));
        }
    }

    fn hang_up(&mut self) {
        self.is_up = false;
        self.to_device.clear();
        self.to_server.clear();
        self.server.unbind();
    }

    fn overtake(&mut self, nth: u8) {
        let is_ack = |message: &Message| matches!(message, Message::Ack(_));
        let acks: Vec<usize> = (0..self.to_server.len())
            .filter(|&at| is_ack(&self.to_server[at]))
            .collect();
        if let Some(&at) = pick(&acks, nth) {
            let ack = self.to_server.remove(at).expect("it is there");
            self.serve(&ack);
        }
    }

    fn store(&mut self, nth: u8, works: bool) {
        if self.storing.is_empty() {
            return;
        }
        let at = usize::from(nth) % self.storing.len();
        let (seq, delivery) = self.storing.remove(at);
        if works {
            self.commit(delivery);
            self.input(Input::Stored(seq));
        } else {
            self.input(Input::StoreFailed(seq));
        }
    }

    fn commit(&mut self, delivery: Delivery) {
        let is_twice = self.disk.iter().any(|kept| kept.mid == delivery.mid);
        assert!(!is_twice, "{} is stored twice", delivery.mid);
        self.disk.push(delivery);
    }

    /// Only with a store does a device remember anything.
    fn power_cut(&mut self, committed: u8) {
        if self.config.ack != Ack::Stored {
            return;
        }
        let count = usize::from(committed).min(self.storing.len());
        let rest = self.storing.split_off(count);
        drop(rest);
        for (_, delivery) in std::mem::take(&mut self.storing) {
            self.commit(delivery);
        }
        self.hang_up();
        (self.has_dialled, self.told) = (false, Vec::new());
        self.waiting.clear();
        let mut recovered = Recovered::empty();
        recovered.mids = self.disk.iter().map(|kept| kept.mid.clone()).collect();
        recovered.next_seq = Seq(1_000 * (1 + self.disk.len() as u64));
        self.device = Device::new(self.config.clone(), recovered);
        self.see();
    }

    fn asked(&mut self, request: Option<RequestId>, body: Option<String>) {
        if let Some(request) = request {
            let before = self.waiting.insert(request, body);
            assert!(before.is_none(), "{request:?} is used twice");
        }
    }

    fn see(&mut self) {
        while let Some(output) = self.device.poll_output() {
            match output {
                Output::Connect => {
                    assert!(!self.has_dialled, "dialled twice");
                    self.has_dialled = true;
                }
                Output::Send(message) => {
                    assert!(self.is_up, "sent without a link");
                    self.to_server.push_back(message);
                }
                Output::Event(event) => {
                    assert!(!self.is_closed);
                    self.heard(event);
                }
                Output::Store(seq, delivery) => self.storing.push((seq, delivery)),
                Output::Disconnect if self.is_closed => {}
                Output::Disconnect => {
                    // The driver ends the link and says so.
                    self.hang_up();
                    self.has_dialled = false;
                    self.device
                        .handle_input(self.now, Input::Disconnected(Cause::Local));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn heard(&mut self, event: Event) {
        match event {
            Event::Delivered(delivery) => {
                let mid = delivery.mid.to_string();
                assert_eq!(delivery.msg, body(&mid));
                assert!(!self.told.contains(&mid), "{mid} is reported twice");
                self.told.push(mid);
            }
            Event::Answered(request, answer) => {
                let name = self.waiting.remove(&request).expect("nobody waits");
                if let (Some(name), Answer::Published) = (name, answer) {
                    assert_eq!(self.server.published.get(&name), Some(&1));
                }
            }
            Event::Failed { request, .. } => {
                self.waiting.remove(&request).expect("nobody waits");
            }
            Event::TimedOut { request, was_sent } => {
                // A power cut takes with it what was asked; so does the end.
                let name = self.waiting.remove(&request).expect("nobody waits");
                let count = name.and_then(|name| self.server.published.get(&name).copied());
                assert!(was_sent || count.is_none(), "published, and denied");
            }
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
    }

    fn check(&self) {
        for (name, count) in &self.server.published {
            assert_eq!(*count, 1, "{name} is published twice");
        }
        // Nothing is acknowledged that could still be lost.
        for (mid, _) in self.server.queue.iter().filter(|(_, is_acked)| *is_acked) {
            let is_safe = match self.config.ack {
                Ack::Stored => self.disk.iter().any(|kept| kept.mid.as_str() == *mid),
                Ack::Manual => self.worked_off.contains(mid),
                _ => self.told.contains(mid),
            };
            assert!(is_safe, "{mid} is acknowledged too early");
        }
    }

    fn serve(&mut self, message: &Message) {
        let server = &mut self.server;
        let num = message.num().clone();
        if !matches!(num, Num::Absent) {
            if std::mem::take(&mut server.loses) {
                if let Message::Publish(publish) = message {
                    server.publish(publish);
                }
                return;
            }
            if std::mem::take(&mut server.refuses) {
                let refusal = Failure::new(Code::Busy, num);
                return self.to_device.push_back(Message::Failure(refusal));
            }
        }
        let numbered = Numbered::new(num.clone());
        let reply = match message {
            Message::Connect(connect) => {
                server.is_bound = true;
                Message::Connected(connect.reply(0))
            }
            Message::Heartbeat(_) => {
                server.is_bound = true;
                device_kit::beaten()
            }
            Message::Register(_) => Message::Registered(numbered),
            Message::Topics(_) => Message::TopicList(TopicList::new(Texts::default(), num)),
            Message::Pull(_) => Message::Batch(server.pull(num)),
            Message::Publish(publish) => {
                server.publish(publish);
                Message::Published(numbered)
            }
            Message::Ack(ack) => {
                assert_eq!(ack.alias.as_deref(), Some(ME));
                server.acked(ack.mid.as_str());
                return server.deliver(&mut self.to_device);
            }
            other => panic!("{other:?}"),
        };
        self.to_device.push_back(reply);
        self.server.deliver(&mut self.to_device);
    }
}

impl Server {
    /// Delivers what fits into the window, oldest first.
    fn deliver(&mut self, to_device: &mut VecDeque<Message>) {
        if !self.is_bound {
            return;
        }
        let waiting = self.queue.iter().filter(|(_, is_acked)| !is_acked);
        for (mid, _) in waiting.take(WINDOW) {
            if self.sent.insert(mid.clone()) {
                to_device.push_back(device_kit::push(mid));
            }
        }
    }

    fn unbind(&mut self) {
        (self.is_bound, self.batch) = (false, None);
        self.sent.clear();
    }

    fn acked(&mut self, mid: &str) {
        for (known, is_acked) in &mut self.queue {
            *is_acked |= known == mid;
        }
        self.sent.remove(mid);
    }

    /// The same number asks for the same batch; another one acknowledges it.
    fn pull(&mut self, num: Num) -> Batch {
        match self.batch.take() {
            Some((last, mids)) if last == num => self.batch = Some((last, mids)),
            last => {
                for mid in last.map(|(_, mids)| mids).unwrap_or_default() {
                    self.acked(&mid);
                }
                let waiting = self.queue.iter().filter(|(_, is_acked)| !is_acked);
                let mids = waiting.take(5).map(|(mid, _)| mid.clone()).collect();
                self.batch = Some((num.clone(), mids));
            }
        }
        let mids = self.batch.as_ref().map_or(&[][..], |(_, mids)| mids);
        let bodies: Bodies = mids.iter().map(|mid| body(mid)).collect();
        Batch::new(bodies, mids.iter().collect(), num)
    }

    fn publish(&mut self, publish: &zzw_push_proto::wire::Publish) {
        let text = publish.msg.to_text().expect("a text").into_owned();
        let name = text.rsplit(' ').next().expect("a name").to_owned();
        *self.published.entry(name).or_default() += 1;
    }
}

fn pick<T>(list: &[T], nth: u8) -> Option<&T> {
    list.get(usize::from(nth).checked_rem(list.len())?)
}
