//! The relay against a naive account of who may hear what (I10), with a driver that is honest.

mod rooms_kit;

use proptest::prelude::*;
use rooms_kit::steps::{Step, Writer, configs, number, steps};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use zzw_push_proto::rooms::*;

/// What is known from outside.
struct Model {
    config: Config,
    rooms: Rooms,
    now: Instant,
    links: BTreeMap<LinkId, RoomPath>,
    /// Frames by their numbers: who said it, where, and when.
    said: BTreeMap<u32, (Option<LinkId>, RoomPath, Instant)>,
    /// What each link has heard, in order.
    heard: BTreeMap<LinkId, Vec<u32>>,
    /// Frames and bytes that the driver has not written yet.
    in_flight: BTreeMap<LinkId, (usize, usize)>,
    said_in_calls: u64,
    heard_in_calls: u64,
    lost_in_calls: u64,
    pictures: BTreeMap<String, Instant>,
    announced: BTreeMap<(LinkId, String), Role>,
    passed: BTreeSet<SignalId>,
}

impl Model {
    fn new(config: Config) -> Self {
        Self {
            rooms: Rooms::new(config.clone()),
            config,
            now: testkit::epoch() + Duration::from_secs(100),
            links: BTreeMap::new(),
            said: BTreeMap::new(),
            heard: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            said_in_calls: 0,
            heard_in_calls: 0,
            lost_in_calls: 0,
            pictures: BTreeMap::new(),
            announced: BTreeMap::new(),
            passed: BTreeSet::new(),
        }
    }

    fn wait(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Some(due) = self.rooms.poll_timeout().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.rooms.handle_timeout(self.now);
            self.check(None);
        }
        self.now = end;
    }

    fn take(&mut self, input: &Input) {
        match input {
            Input::Received(link, frame) => {
                // What a link says that is not in a room is not heard by the machine.
                if let Some(path) = self.links.get(link).cloned() {
                    self.say(Some(*link), path, frame);
                }
            }
            Input::Posted(path, frame) => self.say(None, path.clone(), frame),
            Input::Drained(link) => {
                self.in_flight.remove(link);
            }
            Input::Disconnected(link) => self.announced.retain(|(one, _), _| one != link),
            Input::Signal {
                link,
                signal,
                is_authorised: true,
            } => {
                let side = match signal.kind {
                    SignalKind::Phone => Some(Role::One),
                    SignalKind::Door => Some(Role::Zero),
                    _ => None,
                };
                if let Some(side) = side {
                    let key = (*link, signal.door.room.to_string());
                    self.announced.insert(key, side);
                }
            }
            _ => {}
        }
        self.rooms.handle_input(self.now, input.clone());
        self.check(Some(input));
    }

    fn say(&mut self, link: Option<LinkId>, path: RoomPath, frame: &RoomFrame) {
        if path.kind() == RoomKind::OneToOne && link.is_some() {
            self.said_in_calls += 1;
        }
        if path.kind() == RoomKind::OneToMany && path.role() == Some(Role::Zero) {
            self.pictures.insert(path.room().to_string(), self.now);
        }
        self.said.insert(number(frame), (link, path, self.now));
    }

    fn check(&mut self, input: Option<&Input>) {
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Event(Event::Joined(link, path)) => {
                    assert!(self.links.insert(link, path).is_none());
                }
                Output::Event(Event::Left(link, _)) => {
                    assert!(self.links.remove(&link).is_some());
                    self.in_flight.remove(&link);
                }
                Output::Disconnect(link, _) => assert!(!self.links.contains_key(&link)),
                Output::Event(Event::Lost { kind, frames, .. }) => {
                    let is_posted = matches!(input, Some(Input::Posted(..)));
                    if kind == RoomKind::OneToOne && !is_posted {
                        self.lost_in_calls += frames;
                    }
                }
                Output::Send(link, frame) => self.hear(link, &frame),
                Output::Signal {
                    link,
                    signal,
                    deadline,
                } => self.signalled(input, link, &signal, deadline),
                _ => {}
            }
        }
        self.bounds();
    }

    fn hear(&mut self, link: LinkId, frame: &RoomFrame) {
        let to = &self.links[&link];
        let number = number(frame);
        let (from, path, at) = &self.said[&number];
        assert_eq!(
            (to.kind(), to.room()),
            (path.kind(), path.room()),
            "same room"
        );
        assert_ne!(*from, Some(link), "no echo");
        let is_same_side = to.role().is_some() && to.role() == path.role();
        assert!(!is_same_side, "no echo to the side it came from");
        if to.kind() == RoomKind::OneToMany && to.role() == Some(Role::One) {
            assert!(self.now < *at + self.config.keep_picture, "no old picture");
        }
        let earlier = self.heard.entry(link).or_default();
        assert!(earlier.last().is_none_or(|last| *last < number), "in order");
        earlier.push(number);
        if to.kind() == RoomKind::OneToOne {
            self.heard_in_calls += 1;
        }
        let (frames, bytes) = self.in_flight.entry(link).or_default();
        (*frames, *bytes) = (*frames + 1, *bytes + frame.len());
        if to.kind() == RoomKind::OneToMany && to.role() == Some(Role::One) {
            assert_eq!(*frames, 1, "one picture at a time");
        } else {
            assert!(*frames <= self.config.window);
            assert!(*bytes <= self.config.queue, "{bytes} bytes");
        }
    }

    fn signalled(
        &mut self,
        input: Option<&Input>,
        link: LinkId,
        signal: &Signal,
        deadline: Instant,
    ) {
        let Some(Input::Signal {
            link: from,
            signal: given,
            is_authorised: true,
        }) = input
        else {
            panic!("a signal goes out with its input or never");
        };
        assert_eq!(signal.id, given.id);
        assert!(deadline > self.now && deadline <= signal.received + Duration::from_secs(5));
        let wanted = match signal.kind {
            SignalKind::Door => Role::One,
            _ => Role::Zero,
        };
        let room = signal.door.room.to_string();
        assert_eq!(self.announced.get(&(link, room.clone())), Some(&wanted));
        assert_ne!(self.announced.get(&(*from, room)), Some(&wanted));
        self.passed.insert(signal.id);
    }

    fn bounds(&self) {
        assert!(self.rooms.held_bytes() <= self.config.max_held);
        let mut seats = BTreeSet::new();
        let mut rooms: BTreeMap<RoomKind, BTreeSet<&str>> = BTreeMap::new();
        for path in self.links.values() {
            let is_seat = path.kind() == RoomKind::OneToOne || path.takes_posts();
            assert!(
                !is_seat || seats.insert((path.room().as_str(), path.role())),
                "one link on each seat"
            );
            rooms.entry(path.kind()).or_default().insert(path.room());
        }
        let sizes = self.rooms.sizes();
        let count = |kind| rooms.get(&kind).map_or(0, |names| names.len() as u64);
        assert_eq!(sizes.links, self.links.len() as u64);
        assert_eq!(sizes.one_to_one, count(RoomKind::OneToOne));
        assert_eq!(sizes.many_to_many, count(RoomKind::ManyToMany));
        let mut shown = rooms.get(&RoomKind::OneToMany).cloned().unwrap_or_default();
        assert!(sizes.one_to_many >= shown.len() as u64);
        let keep = self.config.keep_picture;
        let kept = self
            .pictures
            .iter()
            .filter(|(_, at)| self.now < **at + keep);
        shown.extend(kept.map(|(name, _)| name.as_str()));
        assert!(sizes.one_to_many <= shown.len() as u64);
        assert!(self.links.len() <= self.config.max_links);
        let counters = self.rooms.counters();
        assert_eq!(counters.joined - counters.left, sizes.links);
    }

    fn close(mut self) {
        self.rooms.close(self.now);
        self.check(None);
        assert_eq!(self.rooms.held_bytes(), 0);
        assert_eq!(
            self.said_in_calls,
            self.heard_in_calls + self.lost_in_calls,
            "what was said in calls was heard once or told to be lost"
        );
    }
}

fn run(config: Config, steps: &[(u64, Step)]) {
    let (mut model, mut writer) = (Model::new(config), Writer::default());
    let mut before = BTreeSet::new();
    for (wait, step) in steps {
        model.wait(Duration::from_millis(*wait));
        let Some(input) = writer.input(model.now, step) else {
            continue;
        };
        if let Input::Signal { signal, .. } = &input {
            let id = signal.id;
            before.clone_from(&model.passed);
            model.passed.clear();
            model.take(&input);
            assert!(
                !model.passed.contains(&id) || before.insert(id),
                "no signal goes out twice"
            );
            model.passed.clone_from(&before);
        } else {
            model.take(&input);
        }
    }
    model.close();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    //= docs/spec/zzw-push-proto.md#room
    //# Frames of one link MUST be heard in their order.
    //= docs/spec/zzw-push-proto.md#room
    //# A frame MUST NOT be heard on the side that it was said on.
    //= docs/spec/zzw-push-proto.md#room
    //# What waits in all rooms together MUST NOT exceed `max_held` bytes.
    fn the_relay_does_what_a_naive_account_of_it_allows(config in configs(), steps in steps()) {
        run(config, &steps);
    }
}
