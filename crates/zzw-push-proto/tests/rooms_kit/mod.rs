//! A relay with a clock, and what it says in short.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::unchecked_time_subtraction,
    clippy::cast_possible_truncation,
    reason = "not every test uses all of it"
)]

pub mod steps;

use std::sync::Arc;
use std::time::{Duration, Instant};
use zzw_push_proto::rooms::*;

pub struct Relay {
    pub rooms: Rooms,
    pub now: Instant,
    signals: u64,
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub fn text(text: &str) -> RoomFrame {
    RoomFrame::Text(text.to_owned().into())
}

pub fn picture(text: &str) -> RoomFrame {
    RoomFrame::Binary(text.to_owned().into())
}

pub fn path(target: &str) -> RoomPath {
    RoomPath::parse(target).unwrap()
}

impl Relay {
    pub fn new(config: Config) -> Self {
        Self {
            rooms: Rooms::new(config),
            now: testkit::epoch(),
            signals: 0,
        }
    }

    /// A relay with links 1, 2, … in these rooms.
    pub fn with(config: Config, targets: &[&str]) -> Self {
        let mut relay = Self::new(config);
        for (link, target) in (1..).zip(targets) {
            relay.join(link, target);
        }
        relay.drain();
        relay
    }

    pub fn input(&mut self, input: Input) {
        self.rooms.handle_input(self.now, input);
    }

    pub fn join(&mut self, link: u64, target: &str) {
        self.input(Input::Connected(LinkId(link), path(target)));
    }

    pub fn says(&mut self, link: u64, frame: RoomFrame) {
        self.input(Input::Received(LinkId(link), frame));
    }

    pub fn drained(&mut self, link: u64) {
        self.input(Input::Drained(LinkId(link)));
    }

    pub fn gone(&mut self, link: u64) {
        self.input(Input::Disconnected(LinkId(link)));
    }

    pub fn signal(&mut self, kind: SignalKind, room: &str) -> Arc<Signal> {
        use zzw_push_proto::wire::{Door, Message};
        let door = Door::new(room, "u1");
        let message = match kind {
            SignalKind::OpenDoor => Message::OpenDoor(door),
            SignalKind::Phone => Message::Phone(door),
            _ => Message::Door(door),
        };
        self.signals += 1;
        Arc::new(Signal::of(SignalId(self.signals), &message, self.now).unwrap())
    }

    pub fn hand_over(&mut self, link: u64, signal: &Arc<Signal>, is_authorised: bool) {
        self.input(Input::Signal {
            link: LinkId(link),
            signal: Arc::clone(signal),
            is_authorised,
        });
    }

    pub fn announce(&mut self, link: u64, kind: SignalKind, room: &str) {
        let signal = self.signal(kind, room);
        self.hand_over(link, &signal, true);
    }

    /// Time passes; every timer fires when it is due.
    pub fn wait(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Some(due) = self.rooms.poll_timeout().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.rooms.handle_timeout(self.now);
        }
        self.now = end;
        self.rooms.handle_timeout(self.now);
    }

    pub fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.rooms.poll_output()).collect()
    }

    /// What was sent and closed: `2<hello`, `2<#jpeg` for binary, `2!1013`, `2<t8`.
    pub fn heard(&mut self) -> Vec<String> {
        short(&self.drain())
    }

    pub fn events(&mut self) -> Vec<Event> {
        self.drain().into_iter().filter_map(event).collect()
    }
}

pub fn event(output: Output) -> Option<Event> {
    match output {
        Output::Event(event) => Some(event),
        _ => None,
    }
}

pub fn short(outputs: &[Output]) -> Vec<String> {
    let one = |output: &Output| match output {
        Output::Send(LinkId(link), frame) => {
            let mark = if matches!(**frame, RoomFrame::Binary(_)) {
                "#"
            } else {
                ""
            };
            let text = String::from_utf8_lossy(frame.bytes()).into_owned();
            Some(format!("{link}<{mark}{text}"))
        }
        Output::Disconnect(LinkId(link), code) => Some(format!("{link}!{}", code.code())),
        Output::Signal { link, signal, .. } => {
            let t = match signal.kind {
                SignalKind::OpenDoor => 8,
                SignalKind::Phone => 9,
                _ => 10,
            };
            Some(format!("{}<t{t}", link.0))
        }
        _ => None,
    };
    outputs.iter().filter_map(one).collect()
}
