//! FT-7: 200 terminals come back with their backlogs at once.

mod platform_kit;

use face_record_push::ExchangeId;
use face_record_push::platform::*;
use platform_kit::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Sends large bodies.
const LARGE: &str = "T000";
/// Sends its body for a quarter of an hour.
const TRICKLING: &str = "T001";
/// Sees somebody now and then.
const QUIET: &str = "QUIET";

/// The receiver, its terminals, and its store, which commits 32 requests in 5 ms.
struct World {
    rig: Rig,
    requests: BTreeMap<ExchangeId, Terminal>,
    /// When which terminal comes again.
    coming: Vec<(Duration, Terminal)>,
    /// When whose body is complete.
    bodies: BTreeSet<(Duration, ExchangeId)>,
    writes: VecDeque<Seq>,
    commit_at: Option<Duration>,
    links: u64,
    /// Terminals say how long their bodies are.
    declares_lengths: bool,
    acknowledged: BTreeMap<String, u64>,
    most_reserved: u64,
    waits: Vec<Duration>,
}

/// A terminal, which sends as fast as it is let.
struct Terminal {
    sn: String,
    next: u64,
    body: u64,
    upload: Duration,
    since: Duration,
}

impl Terminal {
    fn new(sn: impl Into<String>, body: u64, upload: Duration) -> Self {
        Self {
            sn: sn.into(),
            next: 0,
            body,
            upload,
            since: Duration::ZERO,
        }
    }
}

impl World {
    fn new(declares_lengths: bool) -> Self {
        let usual = (2..200).map(|n| Terminal::new(format!("T{n:03}"), 134 * KIB, ms(11)));
        let odd = [
            Terminal::new(LARGE, 8 * MIB, ms(800)),
            Terminal::new(TRICKLING, 60 * KIB, secs(1_000)),
        ];
        Self {
            rig: Rig::new(config()),
            requests: BTreeMap::new(),
            coming: odd
                .into_iter()
                .chain(usual)
                .map(|t| (Duration::ZERO, t))
                .collect(),
            bodies: BTreeSet::new(),
            writes: VecDeque::new(),
            commit_at: None,
            links: 0,
            declares_lengths,
            acknowledged: BTreeMap::new(),
            most_reserved: 0,
            waits: Vec::new(),
        }
    }

    /// A millisecond.
    fn tick(&mut self) {
        self.connect();
        self.complete();
        self.commit();
        for output in self.rig.said() {
            self.take(output);
        }
        if self.commit_at.is_none() && !self.writes.is_empty() {
            self.commit_at = Some(self.rig.elapsed + ms(5));
        }
        self.most_reserved = self.most_reserved.max(self.rig.platform.reserved_bytes());
        self.rig.pass(ms(1));
    }

    fn connect(&mut self) {
        for (at, mut terminal) in std::mem::take(&mut self.coming) {
            if at > self.rig.elapsed {
                self.coming.push((at, terminal));
                continue;
            }
            self.links += 1;
            let mut head = named(self.links, &terminal.sn);
            head.length = Some(terminal.body).filter(|_| self.declares_lengths);
            terminal.since = self.rig.elapsed;
            terminal.next += 1;
            let id = self.rig.connect(head);
            self.requests.insert(id, terminal);
        }
    }

    fn complete(&mut self) {
        while let Some((due, id)) = self.bodies.first().copied() {
            if due > self.rig.elapsed {
                return;
            }
            self.bodies.pop_first();
            let terminal = &self.requests[&id];
            let push = push_at(&terminal.sn, terminal.next, self.rig.at().0);
            self.rig.receive(id, push);
        }
    }

    fn commit(&mut self) {
        if self.commit_at.is_some_and(|at| at <= self.rig.elapsed) {
            self.commit_at = None;
            for _ in 0..32 {
                let Some(seq) = self.writes.pop_front() else {
                    return;
                };
                self.rig.stored(seq.0);
            }
        }
    }

    fn take(&mut self, output: Output) {
        let now = self.rig.elapsed;
        match output {
            Output::Continue(id, _) => {
                self.bodies.insert((now + self.requests[&id].upload, id));
            }
            Output::Store(Op::Keep(entry)) => self.writes.push_back(entry.seq),
            Output::Send(id, reply) => {
                let terminal = self.requests.remove(&id).expect("a request");
                if terminal.sn == QUIET {
                    assert_eq!(reply.status(), 200);
                    self.waits.push(now.saturating_sub(terminal.since));
                } else if reply.status() == 200 {
                    *self.acknowledged.entry(terminal.sn.clone()).or_default() += 1;
                    self.coming.push((now, terminal));
                } else {
                    self.coming.push((now + secs(2), terminal));
                }
            }
            Output::Disconnect(id) => panic!("{id:?} was hung up on"),
            _ => {}
        }
    }
}

#[test]
fn a_live_record_of_a_quiet_terminal_is_answered_within_two_seconds_of_a_flood() {
    survive(true);
}

#[test]
fn so_it_is_where_only_24_bodies_at_a_time_have_room() {
    survive(false);
}

fn survive(declares_lengths: bool) {
    let mut world = World::new(declares_lengths);
    for tick in 0..10_000 {
        if tick % 2_000 == 1_000 {
            let quiet = Terminal::new(QUIET, 134 * KIB, ms(11));
            world.coming.push((Duration::ZERO, quiet));
        }
        world.tick();
    }
    assert_eq!(world.waits.len(), 5);
    assert!(
        world.waits.iter().all(|wait| *wait <= secs(2)),
        "{:?}",
        world.waits
    );
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# The bytes reserved MUST NOT exceed `budget`, apart from one body of up to `hard_max`.
    assert!(world.most_reserved <= 192 * MIB, "{}", world.most_reserved);
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# What one terminal does MUST NOT change what another one is answered.
    assert!(
        world.acknowledged.remove(LARGE) > Some(0),
        "large bodies get through"
    );
    assert_eq!(world.acknowledged.remove(TRICKLING), None);
    assert_eq!(world.acknowledged.len(), 198);
    let least = world.acknowledged.values().min().unwrap();
    let most = world.acknowledged.values().max().unwrap();
    assert!(most - least <= most / 4, "{least}..{most}");
}
