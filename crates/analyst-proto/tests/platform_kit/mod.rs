//! A dispatcher under a virtual clock, for tests.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::arithmetic_side_effects,
    reason = "each test file uses its part of this"
)]

use analyst_proto::link::{DeliveryId, Incoming, Login, NotSent, Publish, SendId, Seq};
use analyst_proto::platform::{
    Config, Event, Input, Op, Output, Platform, Registration, Submission, Verdict,
};
use analyst_proto::wire::{
    ClientId, Fail, Finish, GoodsId, Message, ParentTopic, Secret, Start, Taken, TaskId, Timeout,
    UnixMillis,
};
use std::time::{Duration, Instant};
use testkit::epoch;

/// The wall-clock time at which every test begins.
pub const WALL: UnixMillis = UnixMillis(1_679_846_303_000);

/// A dispatcher, its clock and its store, and what it has said since somebody looked.
pub struct Rig {
    pub platform: Platform,
    pub now: Instant,
    /// Whether the store does at once what it is asked.
    pub stores: bool,
    /// Whether the broker acknowledges at once what it gets.
    pub acks: bool,
    pub log: Vec<Output>,
    pub records: Vec<Op>,
    config: Config,
    deliveries: u64,
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn client(number: u32) -> ClientId {
    ClientId::new(format!("GID_Analyst@@@analyst_{number}")).unwrap()
}

pub fn login() -> Login {
    Login::new(
        "broker.example",
        1883,
        ClientId::new("GID_Analyst@@@monitor").unwrap(),
        "monitor",
        Secret::new("test-secret"),
        ParentTopic::new("Analyst").unwrap(),
    )
}

pub fn config() -> Config {
    Config::new(login(), 7)
}

/// The number of a task that floating point would not keep.
pub fn id(number: u64) -> TaskId {
    TaskId(1_679_846_303_806_259_200 + number)
}

pub fn task(number: u64) -> Submission {
    Submission::new(Start::new(id(number), "样例/top.mp4"))
}

pub fn taken(count: i32) -> Taken {
    [(GoodsId(17), count)].into_iter().collect()
}

pub fn finish(number: u64, count: i32) -> Message {
    Message::Finish(Finish::new(id(number), taken(count)))
}

pub fn fail(number: u64, reason: &str) -> Message {
    Message::Fail(Fail::new(id(number), reason))
}

pub fn timeout(number: u64) -> Message {
    Message::Timeout(Timeout::new(id(number)))
}

pub fn registration(number: u32) -> Registration {
    Registration::new(
        format!("analyst_{number}"),
        Secret::new("test-secret"),
        client(number),
    )
}

impl Rig {
    /// With these analysers, and connected longer than it settles.
    pub fn up(config: Config, analysts: u32) -> Self {
        let mut rig = Self::down(config, analysts);
        rig.connect();
        rig.pass(secs(20));
        rig.log.clear();
        rig
    }

    /// Not connected yet.
    pub fn down(config: Config, analysts: u32) -> Self {
        let now = epoch() + secs(3_600);
        let mut rig = Self {
            platform: Platform::new(now, config.clone()),
            now,
            stores: true,
            acks: true,
            log: Vec::new(),
            records: Vec::new(),
            config,
            deliveries: 0,
        };
        for number in 1..=analysts {
            rig.platform.register(now, registration(number)).unwrap();
        }
        rig.run();
        rig
    }

    /// The same dispatcher in its next life, with what its store holds, `analysts` registered anew.
    pub fn restarted(&self, analysts: u32) -> Self {
        let records = self.records.clone();
        let platform = Platform::restore(self.now, self.wall(), self.config.clone(), records);
        let mut rig = Self {
            platform,
            log: Vec::new(),
            records: self.records.clone(),
            config: self.config.clone(),
            ..*self
        };
        for number in 1..=analysts {
            rig.platform
                .register(rig.now, registration(number))
                .unwrap();
        }
        rig.run();
        rig
    }

    pub fn wall(&self) -> UnixMillis {
        let passed = self.now.duration_since(epoch() + secs(3_600)).as_millis();
        WALL.plus(i64::try_from(passed).unwrap())
    }

    /// Connects as soon as it may.
    pub fn connect(&mut self) {
        self.tell(Input::Connected);
        while !self.platform.is_up() {
            let due = self.platform.poll_timeout().unwrap();
            self.pass(due - self.now);
            self.tell(Input::Connected);
        }
    }

    pub fn submit(&mut self, submission: Submission) {
        self.platform
            .submit(self.now, self.wall(), submission)
            .unwrap();
        self.run();
    }

    pub fn tell(&mut self, input: Input) {
        self.platform.handle_input(self.now, input);
        self.run();
    }

    /// Delivers a message; says by what it would be acknowledged.
    pub fn hear(&mut self, message: Message) -> DeliveryId {
        self.deliveries += 1;
        let delivery = DeliveryId(self.deliveries);
        self.tell(Input::Received(Incoming::new(delivery, false, message)));
        delivery
    }

    /// Lets time go by, from timer to timer.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.platform.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.platform.handle_timeout(self.now);
            let next = self.platform.poll_timeout();
            assert!(
                next.is_none_or(|next| next > self.now),
                "a timer in the past"
            );
            self.run();
        }
        self.now = end;
        self.platform.handle_timeout(end);
        self.run();
    }

    /// Does what is asked.
    fn run(&mut self) {
        while let Some(output) = self.platform.poll_output() {
            self.log.push(output.clone());
            match output {
                Output::Store(seq, op) if self.stores => {
                    self.records.push(op);
                    self.platform.handle_input(self.now, Input::Stored(seq));
                }
                Output::Send(publish) if self.acks => {
                    let sent = Input::Sent(publish.send);
                    self.platform.handle_input(self.now, sent);
                }
                _ => {}
            }
        }
    }

    /// Carries out what the store was asked for so far.
    pub fn store_all(&mut self) {
        let asked: Vec<(Seq, Op)> = self
            .log
            .iter()
            .filter_map(|output| match output {
                Output::Store(seq, op) => Some((*seq, op.clone())),
                _ => None,
            })
            .collect();
        for (seq, op) in asked {
            if !self.records.contains(&op) {
                self.records.push(op);
            }
            self.tell(Input::Stored(seq));
        }
    }

    pub fn fail_store(&mut self, seq: Seq) {
        self.tell(Input::StoreFailed(seq));
    }

    pub fn not_sent(&mut self, send: SendId, why: NotSent) {
        self.tell(Input::SendFailed(send, why));
    }

    /// What was said since somebody looked.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.log)
            .into_iter()
            .filter_map(|output| match output {
                Output::Event(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    /// What was published since somebody looked: to whom, and what.
    pub fn published(&self) -> Vec<(String, Message)> {
        self.publishes()
            .map(|publish| {
                let to = publish.topic.as_str().rsplit('_').next().unwrap();
                (to.to_owned(), (*publish.message).clone())
            })
            .collect()
    }

    pub fn publishes(&self) -> impl Iterator<Item = &Publish> {
        self.log.iter().filter_map(|output| match output {
            Output::Send(publish) => Some(publish),
            _ => None,
        })
    }

    /// The analysers that were given a task since somebody looked.
    pub fn starts(&self) -> Vec<String> {
        self.published()
            .into_iter()
            .filter(|(_, message)| matches!(message, Message::Start(_)))
            .map(|(to, _)| to)
            .collect()
    }

    /// The analysers that were told to stop since somebody looked.
    pub fn stops(&self) -> Vec<String> {
        self.published()
            .into_iter()
            .filter(|(_, message)| matches!(message, Message::Timeout(_)))
            .map(|(to, _)| to)
            .collect()
    }

    pub fn is_acked(&self, delivery: DeliveryId) -> bool {
        self.log.contains(&Output::Ack(delivery))
    }

    /// The verdicts that were told since somebody looked.
    pub fn verdicts(&self) -> Vec<(TaskId, Verdict)> {
        self.log
            .iter()
            .filter_map(|output| match output {
                Output::Event(Event::Verdict { id, verdict, .. }) => Some((*id, verdict.clone())),
                _ => None,
            })
            .collect()
    }

    /// Requests to the store that were made since somebody looked.
    pub fn asked(&self) -> Vec<(Seq, Op)> {
        self.log
            .iter()
            .filter_map(|output| match output {
                Output::Store(seq, op) => Some((*seq, op.clone())),
                _ => None,
            })
            .collect()
    }
}
