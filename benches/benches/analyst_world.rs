//! Both machines of analysers with a store, a broker and an application that answer at once, and
//! beside each a loop that keeps the same books without any of the rules: nothing is stored, nothing
//! runs out, nothing comes twice.

#![allow(dead_code, reason = "not every bench needs all of them")]
#![allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]

use crate::analyst_samples::START;
use analyst_proto::codec::{Lenience, decode};
use analyst_proto::device::{self, Device, Outcome, Recovered};
use analyst_proto::link::{DeliveryId, Incoming, Login};
use analyst_proto::platform::{self, Platform, Registration, Submission};
use analyst_proto::wire::{
    ClientId, ConnectionInfo, Finish, GoodsId, Message, ParentTopic, Secret, Start, Taken, TaskId,
    Topic, UnixMillis,
};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// By the wall clock.
pub(crate) const WALL: UnixMillis = UnixMillis(1_679_846_303_000);

/// A dispatcher with so many analysers at work and the rest of its tasks waiting.
pub(crate) struct Dispatching {
    pub(crate) platform: Platform,
    pub(crate) verdicts: u64,
    now: Instant,
    template: Start,
    submitted: u64,
    delivered: u64,
    at_work: VecDeque<TaskId>, // oldest first
}

/// The same without rules.
pub(crate) struct DispatchingFloor {
    parent: ParentTopic,
    template: Start,
    submitted: u64,
    tasks: BTreeMap<TaskId, (Arc<Message>, Option<ClientId>)>,
    queue: VecDeque<TaskId>,
    free: VecDeque<ClientId>,
    at_work: VecDeque<TaskId>,
    pub(crate) sent: Vec<(Topic, Arc<Message>)>,
}

/// An analyser that has the results of so many tasks.
pub(crate) struct Analysing {
    pub(crate) device: Device,
    now: Instant,
    template: Start,
    started: u64,
    pub(crate) published: u64,
}

/// The same without rules.
pub(crate) struct AnalysingFloor {
    template: Start,
    started: u64,
    kept: usize,
    results: BTreeMap<TaskId, (Start, Taken)>,
    order: VecDeque<TaskId>,
    pub(crate) sent: Vec<Arc<Message>>,
}

/// The task of the samples, which shares the memory of its message.
pub(crate) fn template() -> Start {
    match decode(&Bytes::from(START.to_owned()), &Lenience::field()) {
        Ok(Message::Start(start)) => start,
        _ => unreachable!("it is one"),
    }
}

pub(crate) fn task_id(number: u64) -> TaskId {
    TaskId(1_679_846_303_806_259_201 + 1024 * number)
}

fn taken() -> Taken {
    vec![(GoodsId(17), 1), (GoodsId(123), 2)]
}

pub(crate) fn client(number: usize) -> ClientId {
    ClientId::new(format!("GID_Analyst@@@analyst_{number}")).unwrap()
}

pub(crate) fn registration(number: usize) -> Registration {
    let secret = Secret::new("test-secret-of-32-characters-len");
    Registration::new(format!("analyst_{number}"), secret, client(number))
}

/// Of an ordinary broker, which does not limit the rate.
pub(crate) fn config(remembered: usize) -> platform::Config {
    let monitor = ClientId::new("GID_Analyst@@@monitor").unwrap();
    let parent = ParentTopic::new("Analyst").unwrap();
    let secret = Secret::new("test-secret");
    let login = Login::new("192.0.2.10", 1883, monitor, "monitor", secret, parent);
    let mut config = platform::Config::new(login, 7);
    config.max_tasks = 200_000;
    config.tombstones = remembered;
    config
}

impl Dispatching {
    /// As many verdicts are remembered as there are tasks.
    pub(crate) fn new(analysers: usize, tasks: usize) -> Self {
        let now = Instant::now();
        let mut world = Self {
            platform: Platform::new(now, config(tasks)),
            verdicts: 0,
            now,
            template: template(),
            submitted: 0,
            delivered: 0,
            at_work: VecDeque::new(),
        };
        for number in 0..analysers {
            world.platform.register(now, registration(number)).unwrap();
        }
        world.drain();
        (0..tasks).for_each(|_| world.submit());
        world
    }

    /// Runs until there is a tombstone for every one that there may be.
    pub(crate) fn season(&mut self, tasks: usize) {
        (0..tasks).for_each(|_| self.turn());
    }

    /// The analyser that has worked longest has a result, and another task is submitted.
    pub(crate) fn turn(&mut self) {
        self.now += Duration::from_micros(1);
        let id = self.at_work.pop_front().expect("somebody works");
        self.delivered += 1;
        let finish = Message::from(Finish::new(id, taken()));
        let incoming = Incoming::new(DeliveryId(self.delivered), false, finish);
        self.platform
            .handle_input(self.now, platform::Input::Received(incoming));
        self.drain();
        self.submit();
    }

    fn submit(&mut self) {
        let mut task = self.template.clone();
        task.id = task_id(self.submitted);
        self.submitted += 1;
        let submitted = self.platform.submit(self.now, WALL, Submission::new(task));
        assert!(submitted.is_ok(), "there is room for it");
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.platform.poll_output() {
            let input = match output {
                platform::Output::Open(_) => platform::Input::Connected,
                platform::Output::Store(seq, _) => platform::Input::Stored(seq),
                platform::Output::Send(publish) => {
                    if let Message::Start(start) = &*publish.message {
                        self.at_work.push_back(start.id);
                    }
                    platform::Input::Sent(publish.send)
                }
                platform::Output::Event(platform::Event::Verdict { id, .. }) => {
                    self.verdicts += 1;
                    self.platform.confirm(self.now, id).expect("a verdict");
                    continue;
                }
                _ => continue,
            };
            self.platform.handle_input(self.now, input);
        }
        // A driver asks before it sleeps.
        std::hint::black_box(self.platform.poll_timeout());
    }
}

impl DispatchingFloor {
    pub(crate) fn new(analysers: usize, tasks: usize) -> Self {
        let mut floor = Self {
            parent: ParentTopic::new("Analyst").unwrap(),
            template: template(),
            submitted: 0,
            tasks: BTreeMap::new(),
            queue: VecDeque::new(),
            free: (0..analysers).map(client).collect(),
            at_work: VecDeque::new(),
            sent: Vec::new(),
        };
        (0..tasks).for_each(|_| floor.submit());
        floor
    }

    pub(crate) fn turn(&mut self) {
        self.sent.clear();
        let id = self.at_work.pop_front().expect("somebody works");
        let finish = Finish::new(id, taken());
        let (_, analyser) = self.tasks.remove(&finish.id).expect("a task");
        self.free.extend(analyser);
        std::hint::black_box(finish);
        self.submit();
    }

    fn submit(&mut self) {
        let mut task = self.template.clone();
        task.id = task_id(self.submitted);
        self.submitted += 1;
        self.queue.push_back(task.id);
        let message = Arc::new(Message::Start(task));
        self.tasks
            .insert(task_id(self.submitted - 1), (message, None));
        while !self.free.is_empty() {
            let Some(id) = self.queue.pop_front() else {
                return;
            };
            let (message, analyser) = self.tasks.get_mut(&id).expect("a task");
            let client = self.free.pop_front().expect("one that is free");
            self.sent
                .push((self.parent.p2p(&client), Arc::clone(message)));
            *analyser = Some(client);
            self.at_work.push_back(id);
        }
    }
}

impl Analysing {
    pub(crate) fn new(kept: usize) -> Self {
        let now = Instant::now();
        let mut config = device::Config::new("analyst_3", 7);
        config.kept_results = kept;
        let mut world = Self {
            device: Device::new(now, config, Recovered::empty()),
            now,
            template: template(),
            started: 0,
            published: 0,
        };
        world.drain();
        (0..kept).for_each(|_| world.turn());
        world
    }

    /// A task comes, is worked on, and the broker takes its result.
    pub(crate) fn turn(&mut self) {
        self.now += Duration::from_micros(1);
        let mut task = self.template.clone();
        task.id = task_id(self.started);
        self.started += 1;
        let incoming = Incoming::new(DeliveryId(self.started), false, Message::Start(task));
        self.device
            .handle_input(self.now, device::Input::Received(incoming));
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.device.poll_output() {
            let input = match output {
                device::Output::Fetch(exchange) => {
                    let parent = ParentTopic::new("Analyst").unwrap();
                    let monitor = ClientId::new("GID_Analyst@@@monitor").unwrap();
                    let info = ConnectionInfo::new(parent, client(3), monitor, "192.0.2.10");
                    device::Input::Info(exchange, Ok(info))
                }
                device::Output::Open(_) => device::Input::Connected,
                device::Output::Store(seq, _) => device::Input::Stored(seq),
                device::Output::Send(publish) => {
                    self.published += 1;
                    device::Input::Sent(publish.send)
                }
                device::Output::Event(device::Event::Work { id, run, .. }) => {
                    let outcome = Outcome::Taken(taken());
                    let completed = self.device.complete(self.now, id, run, outcome);
                    completed.expect("it was at work");
                    continue;
                }
                _ => continue,
            };
            self.device.handle_input(self.now, input);
        }
        std::hint::black_box(self.device.poll_timeout());
    }
}

impl AnalysingFloor {
    pub(crate) fn new(kept: usize) -> Self {
        let mut floor = Self {
            template: template(),
            started: 0,
            kept,
            results: BTreeMap::new(),
            order: VecDeque::new(),
            sent: Vec::new(),
        };
        (0..kept).for_each(|_| floor.turn());
        floor
    }

    pub(crate) fn turn(&mut self) {
        self.sent.clear();
        let mut task = self.template.clone();
        task.id = task_id(self.started);
        self.started += 1;
        let (id, taken) = (task.id, taken());
        let finish = Finish::new(id, taken.clone());
        self.sent.push(Arc::new(finish.into()));
        self.results.insert(id, (task, taken));
        self.order.push_back(id);
        if self.order.len() > self.kept {
            let oldest = self.order.pop_front().expect("there is one");
            self.results.remove(&oldest);
        }
    }
}
