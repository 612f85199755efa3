//! Two dispatchers whose analysers answer to either of them, over a relay that loses, doubles and
//! reorders: each task still gets one verdict, and where the relay is healthy no result is lost.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a simulation that overflows has failed"
)]

mod platform_kit;

use analyst_proto::link::{DeliveryId, Down, Incoming, SendId, Seq};
use analyst_proto::platform::{Config, Event, Input, NodeId, Op, Output, Platform, Relay, Verdict};
use analyst_proto::wire::{Fail, Finish, GoodsId, Message, TaskId};
use platform_kit::{WALL, config, id, ms, registration, secs, task};
use std::collections::{BTreeMap, BTreeSet};
use testkit::{Rng, Schedule, epoch};

/// What a session is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// The relay reorders and doubles, and the node that asks others is cut off and killed.
    Healthy,
    /// Everything is lost now and then, and both are killed.
    Bad,
}

#[derive(Debug, Clone)]
enum Happening {
    Submit(usize, u64),
    Wake(usize),
    Opened(usize, u32),
    Stored(usize, u32, Seq, Op),
    Sent(usize, u32, SendId),
    /// An analyser is given a task.
    Given(usize, u32, TaskId),
    /// Its result comes to the broker, for one of the dispatchers.
    Result(usize, Message),
    Relayed(usize, usize, Relay),
    Cut(usize),
    Crash(usize),
}

/// A dispatcher, its store and what the broker keeps for it.
struct Node {
    platform: Platform,
    config: Config,
    life: u32,
    connection: u32,
    disk: Vec<Op>,
    mail: BTreeMap<u64, Message>,
    deliveries: BTreeMap<DeliveryId, u64>,
    told: BTreeSet<TaskId>, // in this life
    submitted: BTreeSet<u64>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Total {
    relayed: u64,
    adopted: u64,
    unanswered: u64,
    unknown: u64,
    finished: usize,
    crashes: u64,
}

struct World {
    weather: Weather,
    random: Rng,
    agenda: Schedule<Happening>,
    nodes: [Node; 2],
    mails: u64,
    /// What each analyser has come to, and says again when it is asked again.
    memory: BTreeMap<(u32, TaskId), Message>,
    verdicts: BTreeMap<TaskId, Verdict>,
    total: Total,
}

const TASKS: u8 = 4;

/// The numbers of what a node is submitted.
fn numbers(node: usize) -> std::ops::RangeInclusive<u64> {
    let first = 10 * node as u64 + 1;
    first..=first + u64::from(TASKS) - 1
}

impl World {
    fn new(seed: u64, weather: Weather, has_peers: bool) -> Self {
        let mut random = Rng::new(seed);
        let now = epoch() + secs(3_600);
        let mut agenda = Schedule::new(now);
        let nodes = [0, 1].map(|own: usize| {
            let mut config = config();
            config.seed = random.draw();
            if has_peers {
                config.peers = [NodeId(1 - own as u64)].into();
            }
            if weather == Weather::Healthy {
                (config.lease, config.max_attempts) = (secs(900), 1);
            }
            Node {
                platform: Platform::new(now, config.clone()),
                config,
                life: 0,
                connection: 0,
                disk: Vec::new(),
                mail: BTreeMap::new(),
                deliveries: BTreeMap::new(),
                told: BTreeSet::new(),
                submitted: BTreeSet::new(),
            }
        });
        let owners = if weather == Weather::Healthy {
            0..1
        } else {
            0..2
        };
        for number in owners.flat_map(|own| numbers(own).map(move |number| (own, number))) {
            agenda.at(
                now + random.millis(0..=5_000),
                Happening::Submit(number.0, number.1),
            );
        }
        for _ in 0..random.below(5) {
            let node = match weather {
                Weather::Healthy => 1,
                Weather::Bad => usize::from(random.percent(50)),
            };
            let cut = Happening::Cut(node);
            let what = if random.percent(50) {
                cut
            } else {
                Happening::Crash(node)
            };
            agenda.at(now + random.millis(0..=90_000), what);
        }
        let mut world = Self {
            weather,
            random,
            agenda,
            nodes,
            mails: 0,
            memory: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            total: Total::default(),
        };
        world.begin(0);
        world.begin(1);
        world
    }

    /// Lives on until all tasks have ended.
    fn run(mut self) -> Result<Total, String> {
        let end = self.agenda.now() + secs(4 * 3_600);
        while self.agenda.now() < end {
            let happening = self.agenda.take().ok_or("nothing happens any more")?;
            self.happens(happening)?;
            if self.is_quiet() {
                for node in &self.nodes {
                    self.total.relayed += node.platform.counters().relayed;
                    self.total.adopted += node.platform.counters().adopted;
                }
                return Ok(self.total);
            }
        }
        Err(format!(
            "tasks without a verdict; {} have one",
            self.verdicts.len()
        ))
    }

    fn is_quiet(&self) -> bool {
        let owners = if self.weather == Weather::Healthy {
            1
        } else {
            2
        };
        let is_tidy = |node: &Node| node.mail.is_empty() && node.platform.is_up();
        self.verdicts.len() == owners * usize::from(TASKS) && self.nodes.iter().all(is_tidy)
    }

    fn happens(&mut self, happening: Happening) -> Result<(), String> {
        let now = self.agenda.now();
        match happening {
            Happening::Submit(own, number) => {
                let node = &mut self.nodes[own];
                node.submitted.insert(number);
                node.platform
                    .submit(now, WALL, task(number))
                    .map_err(|it| it.to_string())?;
                self.drain(own)
            }
            Happening::Wake(own) => {
                self.nodes[own].platform.handle_timeout(now);
                self.drain(own)
            }
            Happening::Opened(own, connection) if connection == self.nodes[own].connection => {
                self.tell(own, Input::Connected)?;
                let mails: Vec<u64> = self.nodes[own].mail.keys().copied().collect();
                mails
                    .into_iter()
                    .try_for_each(|mail| self.deliver(own, mail, true))
            }
            Happening::Stored(own, life, seq, op) if life == self.nodes[own].life => {
                self.nodes[own].disk.push(op);
                self.tell(own, Input::Stored(seq))
            }
            Happening::Sent(own, connection, send) if connection == self.nodes[own].connection => {
                self.tell(own, Input::Sent(send))
            }
            Happening::Given(own, analyst, id) => {
                self.is_given(own, analyst, id);
                Ok(())
            }
            Happening::Result(own, message) => {
                self.mails += 1;
                self.nodes[own].mail.insert(self.mails, message);
                self.deliver(own, self.mails, false)
            }
            Happening::Relayed(from, to, relay) => {
                let node = NodeId(from as u64);
                self.tell(to, Input::FromNode { node, relay })
            }
            Happening::Cut(own) => {
                self.hang_up(own);
                self.tell(own, Input::Disconnected(Down::Lost))
            }
            Happening::Crash(own) => {
                self.total.crashes += 1;
                self.total.relayed += self.nodes[own].platform.counters().relayed;
                self.total.adopted += self.nodes[own].platform.counters().adopted;
                self.hang_up(own);
                let node = &mut self.nodes[own];
                node.life += 1;
                node.told.clear();
                node.config.seed = self.random.draw();
                let (config, disk) = (node.config.clone(), node.disk.clone());
                node.platform = Platform::restore(now, WALL, config, disk);
                self.begin(own);
                self.drain(own)?;
                // What was not kept is submitted anew.
                let node = &self.nodes[own];
                let is_kept = |number: &u64| node.disk.iter().any(|op| op.id() == id(*number));
                let lost: Vec<u64> = node
                    .submitted
                    .iter()
                    .copied()
                    .filter(|it| !is_kept(it))
                    .collect();
                let mut lost = lost.into_iter();
                lost.try_for_each(|number| self.happens(Happening::Submit(own, number)))
            }
            _ => Ok(()), // of a life or a connection before
        }
    }

    /// Two analysers are registered.
    fn begin(&mut self, own: usize) {
        let now = self.agenda.now();
        for nth in 1..=2 {
            let analyst = registration(u32::try_from(2 * own).unwrap() + nth);
            self.nodes[own].platform.register(now, analyst).unwrap();
        }
        self.agenda.after(ms(0), Happening::Wake(own));
    }

    fn tell(&mut self, own: usize, input: Input) -> Result<(), String> {
        let now = self.agenda.now();
        self.nodes[own].platform.handle_input(now, input);
        self.drain(own)
    }

    fn deliver(&mut self, own: usize, mail: u64, is_again: bool) -> Result<(), String> {
        let node = &mut self.nodes[own];
        if !node.platform.is_up() {
            return Ok(());
        }
        let Some(message) = node.mail.get(&mail).cloned() else {
            return Ok(());
        };
        let delivery = DeliveryId(mail << 32 | u64::from(node.connection));
        node.deliveries.insert(delivery, mail);
        self.tell(
            own,
            Input::Received(Incoming::new(delivery, is_again, message)),
        )
    }

    fn hang_up(&mut self, own: usize) {
        let node = &mut self.nodes[own];
        node.connection += 1;
        node.deliveries.clear();
    }

    /// An analyser works on a task, or says again what it came to.
    fn is_given(&mut self, own: usize, analyst: u32, id: TaskId) {
        let is_bad = self.weather == Weather::Bad;
        let is_known = self.memory.contains_key(&(analyst, id));
        let longest = if is_bad { 90_000 } else { 40_000 };
        let time = self
            .random
            .millis(if is_known { 0..=50 } else { 1_000..=longest });
        let fails = is_bad && self.random.percent(15);
        let result = self.memory.entry((analyst, id)).or_insert_with(|| {
            if fails {
                return Message::Fail(Fail::new(id, "太暗"));
            }
            let taken = [(GoodsId(17), i32::try_from(analyst).unwrap())];
            Message::Finish(Finish::new(id, taken.into_iter().collect()))
        });
        let result = result.clone();
        // It may have been told of another dispatcher meanwhile.
        let to = match self.weather {
            Weather::Healthy => 1,
            Weather::Bad if self.random.percent(50) => 1 - own,
            Weather::Bad => own,
        };
        if !(is_bad && self.random.percent(5)) {
            self.agenda.after(time, Happening::Result(to, result));
        }
    }

    fn drain(&mut self, own: usize) -> Result<(), String> {
        while let Some(output) = self.nodes[own].platform.poll_output() {
            let Node {
                life, connection, ..
            } = self.nodes[own];
            let delay = self.random.millis(1..=200);
            match output {
                Output::Open(_) => {
                    self.agenda.after(delay, Happening::Opened(own, connection));
                }
                Output::Store(seq, op) => {
                    self.agenda
                        .after(delay, Happening::Stored(own, life, seq, op));
                }
                Output::Send(publish) => {
                    let sent = Happening::Sent(own, connection, publish.send);
                    self.agenda.after(delay, sent);
                    if let Message::Start(start) = &*publish.message {
                        let client = publish.topic.as_str().rsplit('_').next();
                        let analyst = client.and_then(|it| it.parse().ok()).ok_or("no analyser")?;
                        self.agenda
                            .after(delay, Happening::Given(own, analyst, start.id));
                    }
                }
                Output::Ack(delivery) => {
                    let node = &mut self.nodes[own];
                    let mail = node
                        .deliveries
                        .remove(&delivery)
                        .ok_or("acknowledged twice")?;
                    node.mail.remove(&mail);
                }
                Output::Relay { node, relay } => self.relay(own, node, &relay),
                Output::Hangup => self.hang_up(own),
                Output::Event(event) => self.learn(own, event)?,
                _ => {}
            }
        }
        if let Some(due) = self.nodes[own].platform.poll_timeout() {
            self.agenda.at(due, Happening::Wake(own));
        }
        Ok(())
    }

    /// Any number of times, and in any order.
    fn relay(&mut self, from: usize, to: NodeId, relay: &Relay) {
        let to = usize::try_from(to.0).unwrap();
        let (lost, longest) = match self.weather {
            Weather::Healthy => (0, 400),
            Weather::Bad => (15, 2_500),
        };
        let copies = 1 + u32::from(self.random.percent(15));
        for _ in 0..copies {
            let delay = self.random.millis(1..=longest);
            if !self.random.percent(lost) {
                let relayed = Happening::Relayed(from, to, relay.clone());
                self.agenda.after(delay, relayed);
            }
        }
    }

    fn learn(&mut self, own: usize, event: Event) -> Result<(), String> {
        match event {
            Event::Verdict { id, verdict, .. } => {
                if !self.nodes[own].told.insert(id) {
                    return Err(format!("{id:?}: told twice"));
                }
                if let Verdict::Finished(taken) = &verdict {
                    let is_it = |message: &Message| matches!(message, Message::Finish(it) if it.id == id && it.taken == *taken);
                    if !self.memory.values().any(is_it) {
                        return Err(format!("{id:?}: nobody found {taken:?}"));
                    }
                    self.total.finished += 1;
                } else if self.weather == Weather::Healthy {
                    return Err(format!("{id:?}: {verdict:?}, and it was found out"));
                }
                let before = self.verdicts.insert(id, verdict.clone());
                if before.is_some_and(|before| before != verdict) {
                    return Err(format!("{id:?}: two verdicts"));
                }
            }
            Event::NotRelayed(_) | Event::RelayUnanswered(..) => self.total.unanswered += 1,
            Event::UnknownResult(_) => self.total.unknown += 1,
            Event::StrangeNode(node) => return Err(format!("{node:?} is strange")),
            _ => {}
        }
        Ok(())
    }
}

fn run(weather: Weather, sessions: std::ops::Range<u64>) -> Total {
    let mut sum = Total::default();
    for seed in sessions {
        let total = World::new(seed, weather, true).run();
        let total = total.unwrap_or_else(|what| panic!("{weather:?}, seed {seed}: {what}"));
        sum.relayed += total.relayed;
        sum.adopted += total.adopted;
        sum.unanswered += total.unanswered;
        sum.unknown += total.unknown;
        sum.finished += total.finished;
        sum.crashes += total.crashes;
    }
    sum
}

#[test]
fn each_task_gets_one_verdict_whatever_becomes_of_relays() {
    let total = run(Weather::Bad, 0..400);
    assert!(total.adopted > 400 && total.unanswered > 200, "{total:?}");
    assert!(total.crashes > 200 && total.finished > 2_000, "{total:?}");
}

#[test]
fn no_result_of_a_living_node_is_lost_while_relays_arrive() {
    let total = run(Weather::Healthy, 0..400);
    assert_eq!((total.unanswered, total.unknown), (0, 0), "{total:?}");
    assert_eq!(total.finished, 400 * usize::from(TASKS), "{total:?}");
    assert!(total.relayed >= 1_600 && total.crashes > 200, "{total:?}");
}

#[test]
fn what_nobody_relays_is_lost() {
    let lost = World::new(1, Weather::Healthy, false).run();
    assert!(lost.is_err(), "{lost:?}");
}
