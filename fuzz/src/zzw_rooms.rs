//! The relay rooms: whatever is done to them, in whatever order, who hears what is allowed, memory
//! is bounded, and paths are read as they are written.

use arbitrary::{Arbitrary, Result, Unstructured};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zzw_push_proto::rooms::{
    Config, Event, Input, LinkId, Output, Role, RoomFrame, RoomKind, RoomPath, Rooms, Signal,
    SignalId, SignalKind, Sizes,
};
use zzw_push_proto::wire::{Door, Message};

/// A path that is read is written so that it is read the same.
pub fn path(data: &[u8]) {
    let Ok(target) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(path) = RoomPath::parse(target) else {
        return;
    };
    assert!(path.room().len() <= RoomPath::MAX_ROOM);
    assert_eq!(path.place().is_some(), path.kind() == RoomKind::OneToMany);
    let text = path.to_string();
    assert!(text.is_ascii() && text.starts_with('/'));
    assert_eq!(RoomPath::parse(&text), Ok(path));
}

/// Lists of operations never break an invariant: no frame is heard twice, out of order, in another
/// room or on the side it was said on; one link on each seat; memory within its limits; no signal
/// without permission, late, or twice; `Closed` once and last; and draining late or firing timers
/// again changes nothing.
pub fn ops(data: &[u8]) {
    let _ = try_ops(&mut Unstructured::new(data));
}

/// One thing done to the relay. Links and signals go by how long ago they came.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Operation {
    Join {
        target: u8,
    },
    Say {
        back: u8,
        len: u8,
        is_text: bool,
    },
    Post {
        target: u8,
        len: u8,
    },
    Slow {
        back: u8,
    },
    Drained {
        back: u8,
    },
    Gone {
        back: u8,
    },
    Signal {
        back: u8,
        what: u8,
        age_millis: u16,
        is_authorised: bool,
    },
    Again {
        back: u8,
        signal: u8,
    },
    Wait {
        millis: u16,
    },
    /// Up to the next timer.
    Fire,
    /// Rarely, or there would be nothing to close.
    Close {
        sure: u8,
    },
}

const TARGETS: [&str; 8] = [
    "/capture-1-2-3/0",
    "/capture-1-2-3/1",
    "/1203/0/ios",
    "/1203/1/android",
    "/1203",
    "/1203/0",
    "/1203/1",
    "/1204/1/ios",
];

/// What is known from outside.
#[derive(Default)]
struct Account {
    links: BTreeMap<LinkId, RoomPath>,
    /// By the frame's number.
    said: BTreeMap<u32, (Option<LinkId>, RoomPath)>,
    heard: BTreeMap<LinkId, u32>,
    heard_in_calls: BTreeSet<u32>,
    signals: Vec<Arc<Signal>>,
    passed: BTreeSet<SignalId>,
    next_link: u64,
    is_closed: bool,
}

fn try_ops(input: &mut Unstructured<'_>) -> Result<()> {
    let config = config(input)?;
    let mut account = Account::default();
    let (mut eager, mut lazy) = (Rooms::new(config.clone()), Rooms::new(config.clone()));
    let mut said = Vec::new();
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    let mut now = Instant::now() + Duration::from_secs(100);
    for _ in 0..400 {
        let Ok(operation) = Operation::arbitrary(input) else {
            break;
        };
        now += match operation {
            Operation::Wait { millis } => Duration::from_millis(millis.into()),
            Operation::Fire => eager
                .poll_timeout()
                .map_or(Duration::ZERO, |due| due.saturating_duration_since(now)),
            _ => Duration::ZERO,
        };
        let input = account.input(now, operation);
        for rooms in [&mut eager, &mut lazy] {
            match (&input, operation) {
                (Some(input), _) => rooms.handle_input(now, input.clone()),
                (None, Operation::Close { sure: 0 }) => rooms.close(now),
                (None, _) => rooms.handle_timeout(now),
            }
        }
        // Once more than the other.
        eager.handle_timeout(now);
        assert!(eager.poll_timeout().is_none_or(|due| due > now));
        let outputs = drain(&mut eager);
        account.check(now, &config, input.as_ref(), &outputs);
        said.extend(outputs);
        account.measure(&config, &eager);
    }
    eager.close(now);
    lazy.close(now);
    let outputs = drain(&mut eager);
    account.check(now, &config, None, &outputs);
    said.extend(outputs);
    assert_eq!(said, drain(&mut lazy), "draining late changes nothing");
    assert!(account.is_closed && eager.is_closed());
    assert_eq!((eager.held_bytes(), eager.poll_timeout()), (0, None));
    assert_eq!(eager.sizes(), Sizes::default());
    Ok(())
}

fn config(input: &mut Unstructured<'_>) -> Result<Config> {
    let mut config = Config::new();
    config.many_to_many = true;
    if bool::arbitrary(input)? {
        (config.max_picture, config.max_frame) = (200, 150);
        (config.queue, config.window) = (300, 2);
    }
    if bool::arbitrary(input)? {
        (config.max_held, config.max_links, config.max_rooms) = (400, 5, 3);
        (config.max_viewers, config.max_members) = (2, 2);
        (config.max_signals, config.max_announced) = (2, 1);
    }
    Ok(config)
}

fn drain(rooms: &mut Rooms) -> Vec<Output> {
    std::iter::from_fn(|| rooms.poll_output()).collect()
}

impl Account {
    fn input(&mut self, now: Instant, operation: Operation) -> Option<Input> {
        let link = |back: u8| LinkId(self.next_link.saturating_sub((back % 6).into()));
        let target = |n: u8| RoomPath::parse(TARGETS[usize::from(n) % TARGETS.len()]).unwrap();
        Some(match operation {
            Operation::Join { target: n } => {
                self.next_link += 1;
                Input::Connected(LinkId(self.next_link), target(n))
            }
            Operation::Say { back, len, is_text } => {
                let from = link(back);
                let path = self.links.get(&from).cloned();
                let path = path.unwrap_or_else(|| target(0));
                Input::Received(from, self.frame(Some(from), path, len, is_text))
            }
            Operation::Post { target: n, len } => {
                let path = target(n);
                let frame = self.frame(None, path.clone(), len, false);
                Input::Posted(path, frame)
            }
            Operation::Slow { back } => Input::Slow(link(back)),
            Operation::Drained { back } => Input::Drained(link(back)),
            Operation::Gone { back } => Input::Disconnected(link(back)),
            Operation::Signal {
                back,
                what,
                age_millis,
                is_authorised,
            } => {
                let link = link(back);
                let door = Door::new("1203", "u");
                let message = match what % 3 {
                    0 => Message::OpenDoor(door),
                    1 => Message::Phone(door),
                    _ => Message::Door(door),
                };
                let id = SignalId(self.signals.len() as u64);
                let received = now - Duration::from_millis(u64::from(age_millis) % 7_000);
                let signal = Arc::new(Signal::of(id, &message, received)?);
                self.signals.push(Arc::clone(&signal));
                Input::Signal {
                    link,
                    signal,
                    is_authorised,
                }
            }
            Operation::Again { back, signal } => {
                let nth = usize::from(signal) % self.signals.len().max(1);
                Input::Signal {
                    link: link(back),
                    signal: Arc::clone(self.signals.get(nth)?),
                    is_authorised: true,
                }
            }
            Operation::Wait { .. } | Operation::Fire | Operation::Close { .. } => return None,
        })
    }

    /// A frame that begins with its number.
    fn frame(&mut self, from: Option<LinkId>, path: RoomPath, len: u8, is_text: bool) -> RoomFrame {
        let number = u32::try_from(self.said.len()).unwrap();
        self.said.insert(number, (from, path));
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.resize(4 + usize::from(len), b' ');
        if is_text {
            RoomFrame::Text(bytes.into())
        } else {
            RoomFrame::Binary(bytes.into())
        }
    }

    fn check(&mut self, now: Instant, config: &Config, input: Option<&Input>, outputs: &[Output]) {
        let mut passed = BTreeSet::new();
        for output in outputs {
            assert!(!self.is_closed, "nothing follows `Closed`");
            match output {
                Output::Send(link, frame) => self.hear(*link, frame),
                Output::Disconnect(link, _) => assert!(!self.links.contains_key(link)),
                Output::Signal {
                    signal, deadline, ..
                } => {
                    let Some(Input::Signal {
                        signal: given,
                        is_authorised: true,
                        ..
                    }) = input
                    else {
                        panic!("a signal goes out with its input or never");
                    };
                    assert_eq!(signal, given);
                    assert!(*deadline > now && *deadline <= signal.received + config.door_ttl);
                    passed.insert(signal.id);
                }
                Output::Event(Event::SignalDropped { signal, .. }) => {
                    assert!(!passed.contains(&signal.id));
                }
                Output::Event(Event::Signalled {
                    signal, receivers, ..
                }) => {
                    assert!(signal.kind != SignalKind::OpenDoor || *receivers > 0);
                }
                Output::Event(Event::Joined(link, path)) => {
                    assert!(self.links.insert(*link, path.clone()).is_none());
                }
                Output::Event(Event::Left(link, _)) => {
                    assert!(self.links.remove(link).is_some());
                }
                Output::Event(Event::Closed(_)) => self.is_closed = true,
                _ => {}
            }
        }
        for id in passed {
            assert!(self.passed.insert(id), "no signal goes out twice");
        }
    }

    fn hear(&mut self, link: LinkId, frame: &RoomFrame) {
        let to = &self.links[&link];
        let number = u32::from_be_bytes(frame.bytes()[..4].try_into().unwrap());
        let (from, path) = &self.said[&number];
        assert_eq!((to.kind(), to.room()), (path.kind(), path.room()));
        assert_ne!(*from, Some(link), "no echo");
        assert!(to.role().is_none() || to.role() != path.role(), "no echo");
        let last = self.heard.insert(link, number);
        assert!(last.is_none_or(|last| last < number), "in order");
        if to.kind() == RoomKind::OneToOne {
            assert!(self.heard_in_calls.insert(number), "heard once");
        }
    }

    fn measure(&self, config: &Config, rooms: &Rooms) {
        assert!(rooms.held_bytes() <= config.max_held);
        assert!(self.links.len() <= config.max_links);
        assert_eq!(rooms.sizes().links, self.links.len() as u64);
        let mut seats = BTreeSet::new();
        for path in self.links.values() {
            let is_seat = path.kind() == RoomKind::OneToOne
                || (path.kind(), path.role()) == (RoomKind::OneToMany, Some(Role::Zero));
            assert!(!is_seat || seats.insert((path.room(), path.role())));
        }
    }
}
