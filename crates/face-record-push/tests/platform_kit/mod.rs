//! A receiver under a virtual clock, for tests.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::arithmetic_side_effects,
    reason = "each test file uses its part of this"
)]

use face_record_push::platform::{
    Config, Entry, Event, ExchangeState, Freshness, Head, Input, LinkId, Novelty, Op, Output,
    Platform, Quarantined, Seq, StoreError,
};
use face_record_push::{ExchangeId, Push, Reply, SerialNumber, UnixMillis};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The wall-clock time at which every test begins.
pub const START: i64 = 1_660_625_866_000;
/// Where terminals push to.
pub const PATH: &str = "/Record";

/// A receiver, its clock, and what it has said since somebody looked.
pub struct Rig {
    pub platform: Platform,
    pub now: Instant,
    pub elapsed: Duration,
    pub log: Vec<Output>,
    next: u64,
}

/// Defaults.
pub fn config() -> Config {
    Config::new(7)
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[expect(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
pub fn origin() -> Instant {
    Instant::now()
}

pub fn serial(text: &str) -> SerialNumber {
    SerialNumber::new(text)
}

/// A head without a serial number, on its own connection.
pub fn head(link: u64) -> Head {
    Head::post(LinkId(link), "192.0.2.7", PATH)
}

/// A head that tells its terminal.
pub fn named(link: u64, sn: &str) -> Head {
    let mut head = head(link);
    head.serial = Some(serial(sn));
    head
}

/// The body of a record: `id` tells it from others.
pub fn body(sn: &str, id: u64) -> String {
    body_at(sn, id, START)
}

pub fn body_at(sn: &str, id: u64, at: i64) -> String {
    let seconds = at / 1_000;
    format!(
        r#"{{"type":0,"data":{{"recognitionType":1,"deviceSN":"{sn}","recognizeScore":0.98,"mask":1,"rgb_image":"aGk=","pass":true,"mode":0,"user":{{"name":"王","user_id":{id},"type":1}},"timestamp":{seconds},"bodyTemperature":36.5}}}}"#
    )
}

pub fn push(sn: &str, id: u64) -> Push {
    decode(&body(sn, id))
}

pub fn push_at(sn: &str, id: u64, at: i64) -> Push {
    decode(&body_at(sn, id, at))
}

pub fn alarm(trace: &str, status: u8) -> Push {
    let json = format!(
        r#"{{"type":1,"data":{{"trace_id":"{trace}","code":10001,"event_time":{START},"status":{status}}}}}"#
    );
    decode(&json)
}

/// May this person pass?
pub fn question(sn: &str) -> Push {
    decode(&format!(
        r#"{{"deviceSN":"{sn}","recognizeStatus":2,"recognizeScore":0.9,"mask":0,"rgb_image":"","timestamp":1660625866}}"#
    ))
}

pub fn decode(json: &str) -> Push {
    Push::decode(json.to_owned().into()).expect("a push")
}

pub fn garbage(text: &str) -> face_record_push::PushError {
    Push::decode(text.to_owned().into()).expect_err("no push")
}

impl Rig {
    pub fn new(config: Config) -> Self {
        Self {
            platform: Platform::new(config, Seq(1)),
            now: origin(),
            elapsed: Duration::ZERO,
            log: Vec::new(),
            next: 0,
        }
    }

    pub fn at(&self) -> UnixMillis {
        UnixMillis(START + i64::try_from(self.elapsed.as_millis()).unwrap())
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.platform.poll_output() {
            self.log.push(output);
        }
    }

    pub fn input(&mut self, input: Input) {
        self.platform.handle_input(self.now, input);
        self.drain();
    }

    /// A request with this head.
    pub fn connect(&mut self, head: Head) -> ExchangeId {
        self.next += 1;
        let id = ExchangeId(self.next);
        self.input(Input::Connected(id, head));
        id
    }

    pub fn receive(&mut self, id: ExchangeId, push: Push) {
        self.input(Input::Received(self.at(), id, push));
    }

    pub fn garble(&mut self, id: ExchangeId, text: &str) {
        self.input(Input::Garbled(self.at(), id, garbage(text)));
    }

    /// A request with its body, on its own connection.
    pub fn send(&mut self, push: Push) -> ExchangeId {
        let id = self.connect(head(self.next + 1_000));
        self.receive(id, push);
        id
    }

    pub fn stored(&mut self, seq: u64) {
        self.input(Input::Stored(Seq(seq), Novelty::New));
    }

    pub fn known(&mut self, seq: u64) {
        self.input(Input::Stored(Seq(seq), Novelty::Known));
    }

    pub fn store_fails(&mut self, seq: u64, error: StoreError) {
        self.input(Input::StoreFailed(Seq(seq), error));
    }

    pub fn disconnect(&mut self, id: ExchangeId) {
        self.input(Input::Disconnected(id));
    }

    pub fn close(&mut self) {
        self.platform.close(self.now);
        self.drain();
    }

    pub fn state(&self, id: ExchangeId) -> ExchangeState {
        self.platform.exchange(id)
    }

    /// Passes time, firing every timer when it is due.
    pub fn pass(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Some(due) = self.platform.poll_timeout().filter(|due| *due <= end) {
            self.jump(due.max(self.now));
        }
        self.jump(end);
    }

    fn jump(&mut self, to: Instant) {
        self.elapsed += to - self.now;
        self.now = to;
        self.platform.handle_timeout(to);
        self.drain();
    }

    /// What was said, and forgets it.
    pub fn said(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.log)
    }

    /// Replies to one request.
    pub fn replies(&self, id: ExchangeId) -> Vec<Reply> {
        let reply = |output: &Output| match output {
            Output::Send(to, reply) if *to == id => Some(reply.clone()),
            _ => None,
        };
        self.log.iter().filter_map(reply).collect()
    }

    /// The status of the one reply to a request.
    pub fn status(&self, id: ExchangeId) -> Option<u16> {
        let replies = self.replies(id);
        assert!(replies.len() <= 1, "one reply at most");
        replies.first().map(Reply::status)
    }

    /// Up to how many bytes a body may come, each time that was said.
    pub fn limits(&self, id: ExchangeId) -> Vec<u64> {
        let limit = |output: &Output| match output {
            Output::Continue(to, limit) if *to == id => Some(*limit),
            _ => None,
        };
        self.log.iter().filter_map(limit).collect()
    }

    pub fn is_hung_up_on(&self, id: ExchangeId) -> bool {
        self.log.contains(&Output::Disconnect(id))
    }

    /// What the store was asked to keep.
    pub fn entries(&self) -> Vec<&Entry> {
        let mut found = Vec::new();
        for output in &self.log {
            if let Output::Store(Op::Keep(entry)) = output {
                found.push(entry);
            }
        }
        found
    }

    /// What the store was asked to keep in quarantine.
    pub fn quarantined(&self) -> Vec<&Quarantined> {
        let mut found = Vec::new();
        for output in &self.log {
            if let Output::Store(Op::Quarantine(body)) = output {
                found.push(body);
            }
        }
        found
    }

    pub fn events(&self) -> Vec<&Event> {
        let mut events = Vec::new();
        for output in &self.log {
            if let Output::Event(event) = output {
                events.push(event);
            }
        }
        events
    }

    /// Entries reported as kept.
    pub fn kept(&self) -> Vec<Arc<Entry>> {
        let mut kept = Vec::new();
        for event in self.events() {
            if let Event::Kept(entry) = event {
                kept.push(Arc::clone(entry));
            }
        }
        kept
    }

    /// Numbers of the entries reported as kept or in quarantine.
    pub fn reported(&self) -> Vec<u64> {
        let mut reported = Vec::new();
        for event in self.events() {
            match event {
                Event::Kept(entry) => reported.push(entry.seq.0),
                Event::Quarantined(body) => reported.push(body.seq.0),
                _ => {}
            }
        }
        reported
    }

    pub fn freshness(&self) -> Vec<Freshness> {
        self.kept().iter().map(|entry| entry.freshness).collect()
    }

    pub fn failures(&self) -> Vec<StoreError> {
        let mut failures = Vec::new();
        for event in self.events() {
            if let Event::StoreFailed(error) = event {
                failures.push(*error);
            }
        }
        failures
    }
}
