//! Things that are done to a relay, drawn at random.

use super::{RoomFrame, path};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zzw_push_proto::rooms::*;
use zzw_push_proto::wire::{Door, Message};

/// One thing. Links go by how long ago they came.
#[derive(Debug, Clone)]
pub enum Step {
    Join {
        target: usize,
    },
    Say {
        back: u64,
        len: usize,
        is_text: bool,
    },
    Post {
        target: usize,
        len: usize,
    },
    Slow {
        back: u64,
    },
    Drained {
        back: u64,
    },
    Gone {
        back: u64,
    },
    Signal {
        back: u64,
        what: u8,
        room: u8,
        age_millis: u64,
        /// How many signals ago this one was handed over first.
        again: Option<u64>,
        is_authorised: bool,
    },
    Timeout,
}

/// Rooms of every kind, and both sides of each.
pub const TARGETS: [&str; 11] = [
    "/capture-1-2-3/0",
    "/capture-1-2-3/1",
    "/capture-李村-2-3/0",
    "/capture-李村-2-3/1",
    "/1203/0/ios",
    "/1203/1/android",
    "/1204/0/ios",
    "/1204/1/other",
    "/1203",
    "/1203/0",
    "/1203/1",
];

pub fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let wait = prop_oneof![6 => Just(0), 3 => 1..900_u64, 1 => 1_000..12_000_u64, 1 => 80_000..100_000_u64];
    let back = || 0..6_u64;
    let len = || prop_oneof![4 => 0..40_usize, 3 => 300..800_usize, 1 => 0..1_500_usize];
    let step = prop_oneof![
        6 => (0..TARGETS.len()).prop_map(|target| Step::Join { target }),
        12 => (back(), len(), any::<bool>())
            .prop_map(|(back, len, is_text)| Step::Say { back, len, is_text }),
        1 => (0..TARGETS.len(), len()).prop_map(|(target, len)| Step::Post { target, len }),
        1 => back().prop_map(|back| Step::Slow { back }),
        6 => back().prop_map(|back| Step::Drained { back }),
        2 => back().prop_map(|back| Step::Gone { back }),
        4 => (
            back(),
            0..3_u8,
            0..2_u8,
            prop_oneof![3 => Just(0), 1 => 0..7_000_u64],
            proptest::option::weighted(0.2, 1..4_u64),
            proptest::bool::weighted(0.8),
        )
            .prop_map(|(back, what, room, age_millis, again, is_authorised)| Step::Signal {
                back,
                what,
                room,
                age_millis,
                again,
                is_authorised,
            }),
        1 => Just(Step::Timeout),
    ];
    proptest::collection::vec((wait, step), 0..120)
}

pub fn configs() -> impl Strategy<Value = Config> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(is_small, is_tight, has_end)| {
        let mut config = Config::new();
        config.many_to_many = true;
        if is_small {
            (config.max_picture, config.max_frame) = (1_200, 800);
            (config.queue, config.window) = (1_000, 3);
        }
        if is_tight {
            (config.max_held, config.max_links) = (1_500, 6);
            (config.max_rooms, config.max_viewers, config.max_members) = (3, 2, 2);
        }
        if has_end {
            config.max_call = Some(Duration::from_secs(20));
        }
        config
    })
}

/// Turns steps into inputs: numbers links, frames and signals in the order they come.
#[derive(Debug, Default)]
pub struct Writer {
    links: u64,
    frames: u32,
    signals: Vec<Arc<Signal>>,
}

impl Writer {
    /// The input of a step at a time; none for a timeout.
    pub fn input(&mut self, now: Instant, step: &Step) -> Option<Input> {
        let link = |back: u64| LinkId(self.links.saturating_sub(back));
        Some(match *step {
            Step::Join { target } => {
                self.links += 1;
                Input::Connected(LinkId(self.links), path(TARGETS[target]))
            }
            Step::Say { back, len, is_text } => {
                let link = link(back);
                Input::Received(link, self.frame(len, is_text))
            }
            Step::Post { target, len } => {
                Input::Posted(path(TARGETS[target]), self.frame(len, false))
            }
            Step::Slow { back } => Input::Slow(link(back)),
            Step::Drained { back } => Input::Drained(link(back)),
            Step::Gone { back } => Input::Disconnected(link(back)),
            Step::Signal {
                back,
                what,
                room,
                age_millis,
                again,
                is_authorised,
            } => {
                let link = link(back);
                let nth = again.and_then(|again| self.signals.len().checked_sub(again as usize));
                let signal = match nth {
                    Some(nth) => Arc::clone(&self.signals[nth]),
                    None => self.signal(now, what, room, age_millis),
                };
                Input::Signal {
                    link,
                    signal,
                    is_authorised,
                }
            }
            Step::Timeout => return None,
        })
    }

    /// A frame that begins with its number.
    fn frame(&mut self, len: usize, is_text: bool) -> RoomFrame {
        self.frames += 1;
        let bytes = format!("{:<width$}", self.frames, width = len.max(1)).into();
        if is_text {
            RoomFrame::Text(bytes)
        } else {
            RoomFrame::Binary(bytes)
        }
    }

    fn signal(&mut self, now: Instant, what: u8, room: u8, age_millis: u64) -> Arc<Signal> {
        let door = Door::new(format!("120{room}"), "u");
        let message = match what {
            0 => Message::OpenDoor(door),
            1 => Message::Phone(door),
            _ => Message::Door(door),
        };
        let id = SignalId(self.signals.len() as u64);
        let received = now - Duration::from_millis(age_millis);
        let signal = Arc::new(Signal::of(id, &message, received).unwrap());
        self.signals.push(Arc::clone(&signal));
        signal
    }
}

/// The number that a frame begins with.
pub fn number(frame: &RoomFrame) -> u32 {
    let text = std::str::from_utf8(frame.bytes()).unwrap();
    text.trim_end().parse().unwrap()
}
