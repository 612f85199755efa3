//! What a step of either machine costs, and whether that grows with what it holds.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "the time is read once and then stands still; counts are far below 2^52"
)]

use super::face_samples::{body, turn_over};
use benches::{Group, held_bytes};
use bytes::Bytes;
use face_record_push::device::{self, AttemptId, Device, IndexEntry, Op, Recovered};
use face_record_push::platform::{self, Head, LinkId, Novelty, Platform};
use face_record_push::{
    Answer, Dest, ExchangeId, Item, Profile, Push, Recognition, Subscription, UnixMillis,
};
use std::sync::Arc;
use std::time::Instant;

const NOW: UnixMillis = UnixMillis(1_660_625_866_000);

/// A terminal records one and gets one acknowledged, with few and with many waiting.
pub(crate) fn device() {
    let (mut few, mut many) = (Terminal::new(50), Terminal::new(50_000));
    Group::new("face: a terminal records one and gets one acknowledged")
        .case("50 wait", || few.step())
        .case("50,000 wait", || many.step())
        .goal("50,000 wait", "50 wait", 0.8)
        .run();
    let config = device::Config::new(1);
    let (_device, bytes) = held_bytes(|| Device::new(config, recovered(50_000)));
    println!(
        "A terminal holds {:.1} B for each of 50,000 records that wait (goal at most 64)\n",
        bytes as f64 / 50_000.0
    );
}

/// A terminal with a store that answers at once.
struct Terminal {
    device: Device,
    item: Arc<Item>,
    posted: Option<AttemptId>,
    now: Instant,
}

impl Terminal {
    fn new(waiting: u64) -> Self {
        let mut config = device::Config::new(1);
        config.max_records = 100_000;
        config.max_bytes = u64::MAX;
        let mut terminal = Self {
            device: Device::new(config, recovered(waiting)),
            item: Arc::new(Recognition::new("PS7", NOW).to_item(Profile::V1_1, None)),
            posted: None,
            now: Instant::now(),
        };
        terminal.device.handle_timeout(terminal.now);
        terminal.settle();
        terminal
    }

    fn step(&mut self) {
        let recorded = self.device.record(self.now, Item::clone(&self.item));
        recorded.expect("there is room");
        let attempt = self.posted.take().expect("one is posted");
        let answer = device::Input::Received(attempt, Answer::new(200, Some(200)));
        self.device.handle_input(self.now, answer);
        self.settle();
    }

    /// Carries out what the machine wants until it waits for the answer to a post.
    fn settle(&mut self) {
        while let Some(output) = self.device.poll_output() {
            let input = match output {
                device::Output::Store(op, Op::Load { .. }) => {
                    device::Input::Loaded(op, Some(Arc::clone(&self.item)))
                }
                device::Output::Store(op, _) => device::Input::Stored(op),
                device::Output::Send(post) => {
                    self.posted = Some(post.attempt);
                    continue;
                }
                _ => continue,
            };
            self.device.handle_input(self.now, input);
        }
    }
}

fn recovered(waiting: u64) -> Recovered {
    let dest = Dest::parse("http://192.0.2.10:8080/Record").expect("a destination");
    let mut recovered = Recovered::empty();
    recovered.next_seq = device::Seq(waiting + 1);
    recovered.subscription = Subscription::to(dest);
    let entry = |seq| IndexEntry::new(device::Seq(seq), 320, 46_000);
    recovered.index = (1..=waiting).map(entry).collect();
    recovered
}

/// A platform takes a record from the head of the request to the reply, while it reads none and many
/// others.
pub(crate) fn platform() {
    let (mut alone, mut among) = (Receiver::new(0), Receiver::new(1_000));
    let mut decoded = Receiver::new(0);
    Group::new("face: a platform takes a record of 300 B, head to reply")
        .case("no other terminal", || alone.step())
        .case("1,000 other terminals push", || among.step())
        .case("decode and key only", || {
            let push = decoded.push();
            push.key(&push.serial().expect("a serial number"))
        })
        .goal("1,000 other terminals push", "no other terminal", 0.5)
        .run();
}

/// A platform with a store that answers at once.
struct Receiver {
    platform: Platform,
    body: Vec<u8>,
    people: usize,
    next: u64,
    now: Instant,
}

impl Receiver {
    /// One that reads the bodies of so many other requests.
    fn new(others: u64) -> Self {
        let mut receiver = Self {
            platform: Platform::new(platform::Config::new(1), platform::Seq(1)),
            body: body(1, 0, &[]),
            people: 0,
            next: 0,
            now: Instant::now(),
        };
        for link in 0..others {
            receiver.connect(LinkId(link + 1));
        }
        receiver
    }

    fn connect(&mut self, link: LinkId) -> ExchangeId {
        self.next += 1;
        let id = ExchangeId(self.next);
        let mut head = Head::post(link, "192.0.2.7", "/Record");
        head.length = Some(62_000);
        let connected = platform::Input::Connected(id, head);
        self.platform.handle_input(self.now, connected);
        let output = self.platform.poll_output();
        assert!(matches!(output, Some(platform::Output::Continue(..))));
        id
    }

    /// No two are alike.
    fn push(&mut self) -> Push {
        self.people = (self.people + 1) % 80_000_000;
        turn_over(&mut self.body, self.people);
        Push::decode(Bytes::copy_from_slice(&self.body)).expect("a record")
    }

    fn step(&mut self) {
        let push = self.push();
        let id = self.connect(LinkId(0));
        let received = platform::Input::Received(NOW, id, push);
        self.platform.handle_input(self.now, received);
        let mut is_answered = false;
        while let Some(output) = self.platform.poll_output() {
            match output {
                platform::Output::Store(platform::Op::Keep(entry)) => {
                    let stored = platform::Input::Stored(entry.seq, Novelty::New);
                    self.platform.handle_input(self.now, stored);
                }
                platform::Output::Send(_, reply) => is_answered = reply.status() == 200,
                _ => {}
            }
        }
        assert!(is_answered);
    }
}
