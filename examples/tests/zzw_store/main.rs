//! The broker's stores: what they keep, what they refuse, and what a power cut does to them.

#[path = "../face_store/cut_disk.rs"]
mod cut_disk;
mod growth;
#[path = "../kit/mod.rs"]
mod kit;
mod limits;
#[allow(unreachable_pub, reason = "a fuzz target may use it")]
mod model;
#[path = "../../../crates/zzw-push-proto/tests/platform_kit/store.rs"]
#[allow(unreachable_pub, reason = "another test's")]
mod naive;
mod opening;
mod power_cut;
#[path = "../face_store/sick_disk.rs"]
mod sick_disk;
mod threads;
mod times;
mod trouble;

use drive::zzw::store::{Figures, Folder, Kept, Memory, Settings};
use model::{Answer, CAP, Step, Subject, World};
use proptest::prelude::*;
use std::time::Instant;
use zzw_push_proto::platform::{Appended, Entry, MessageId, StoreOp, StoreReply, UnixMillis};
use zzw_push_proto::wire::{Json, Text, Texts, Ttl};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_store_in_memory_answers_as_a_naive_one_does(
        steps in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..400),
    ) {
        play(InMemory(Memory::new(small())), steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_store_on_disk_answers_as_a_naive_one_does_also_when_it_is_opened_again(
        steps in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..400),
    ) {
        let disk = cut_disk::CutDisk::new(true);
        let kept = Kept::open(disk.clone(), small()).unwrap();
        play(OnDisk { disk, kept: Some(kept) }, steps);
    }
}

fn play(store: impl Subject, steps: Vec<(u8, u8, u8)>) {
    let mut world = World::new(store);
    for (kind, a, b) in steps {
        world.step(Step(kind, a, b));
    }
    world.settle();
}

struct InMemory(Memory);

impl Subject for InMemory {
    fn apply(&mut self, now: Instant, wall: UnixMillis, batch: &[StoreOp]) -> Vec<Answer> {
        let each = batch.iter().map(|op| self.0.execute(now, wall, op));
        each.collect()
    }

    fn reopen(&mut self, _crashes: bool) -> bool {
        false
    }

    fn messages(&self) -> u64 {
        self.0.figures().messages
    }
}

struct OnDisk {
    disk: cut_disk::CutDisk,
    kept: Option<Kept>,
}

impl Subject for OnDisk {
    fn apply(&mut self, now: Instant, wall: UnixMillis, batch: &[StoreOp]) -> Vec<Answer> {
        let kept = self.kept.as_mut().unwrap();
        kept.tidy(now, wall);
        kept.apply(now, wall, batch)
    }

    fn reopen(&mut self, crashes: bool) -> bool {
        let kept = self.kept.take().unwrap();
        if crashes {
            drop(kept);
        } else {
            kept.close().unwrap();
        }
        self.kept = Some(Kept::open(self.disk.clone(), small()).unwrap());
        true
    }

    fn messages(&self) -> u64 {
        self.kept.as_ref().unwrap().figures().messages
    }
}

/// Either store, at a time that the test sets.
struct Bench {
    place: Place,
    now: Instant,
    wall: u64,
}

enum Place {
    Memory(Box<Memory>),
    Disk(Box<Kept>),
}

/// One of each.
fn both(settings: &Settings) -> [Bench; 2] {
    let disk = cut_disk::CutDisk::new(true);
    let kept = Kept::open(disk, settings.clone()).unwrap();
    let memory = Memory::new(settings.clone());
    [Place::Memory(Box::new(memory)), Place::Disk(Box::new(kept))].map(Bench::new)
}

impl Bench {
    fn new(place: Place) -> Self {
        let (now, wall) = (now(), model::START);
        Self { place, now, wall }
    }

    fn disk(kept: Kept) -> Self {
        Self::new(Place::Disk(Box::new(kept)))
    }

    fn ask_all(&mut self, ops: &[StoreOp]) -> Vec<Answer> {
        let wall = UnixMillis(self.wall);
        match &mut self.place {
            Place::Memory(memory) => {
                let each = ops.iter().map(|op| memory.execute(self.now, wall, op));
                each.collect()
            }
            Place::Disk(kept) => kept.apply(self.now, wall, ops),
        }
    }

    fn ask(&mut self, op: StoreOp) -> Answer {
        self.ask_all(&[op]).pop().unwrap()
    }

    fn append(&mut self, op: StoreOp) -> Appended {
        match self.ask(op).unwrap() {
            StoreReply::Appended(appended) => appended,
            reply => panic!("{reply:?}"),
        }
    }

    fn fan(&mut self, op: StoreOp) -> Vec<(Text, Appended)> {
        match self.ask(op).unwrap() {
            StoreReply::Fanned { members, .. } => members,
            reply => panic!("{reply:?}"),
        }
    }

    fn load(&mut self, alias: &str) -> Vec<Entry> {
        let load = StoreOp::Load {
            alias: alias.into(),
            after: MessageId(0),
            limit: usize::MAX,
        };
        match self.ask(load).unwrap() {
            StoreReply::Loaded { entries, .. } => entries,
            reply => panic!("{reply:?}"),
        }
    }

    /// The epoch that begins and the gap that is told.
    fn claim(&mut self, alias: &str) -> (u64, u64) {
        match self.ask(model::claim(alias, 0)).unwrap() {
            StoreReply::Claimed { epoch, gap, .. } => (epoch, gap),
            reply => panic!("{reply:?}"),
        }
    }

    fn figures(&self) -> Figures {
        match &self.place {
            Place::Memory(memory) => memory.figures(),
            Place::Disk(kept) => kept.figures(),
        }
    }

    fn kept(&mut self) -> &mut Kept {
        match &mut self.place {
            Place::Disk(kept) => kept,
            Place::Memory(_) => panic!("not on disk"),
        }
    }

    fn into_kept(self) -> Kept {
        match self.place {
            Place::Disk(kept) => *kept,
            Place::Memory(_) => panic!("not on disk"),
        }
    }
}

fn open(folder: &kit::Folder) -> Kept {
    let medium = Folder::of(folder.path(), "broker").unwrap();
    Kept::open(medium, roomy()).unwrap()
}

/// A disk may be as full as it likes.
fn roomy() -> Settings {
    let mut settings = Settings::default();
    settings.reserve = 0;
    settings
}

/// What the naive store allows.
fn small() -> Settings {
    let mut settings = roomy();
    settings.cap = CAP as u64;
    settings
}

fn append(alias: &str, body: &str) -> StoreOp {
    append_for(alias, body, Ttl::default())
}

fn append_for(alias: &str, body: &str, ttl: Ttl) -> StoreOp {
    StoreOp::Append {
        alias: alias.into(),
        body: Json::text(body),
        ttl,
        only_known: false,
    }
}

fn append_topic(topic: &str, body: &str) -> StoreOp {
    StoreOp::AppendTopic {
        topic: topic.into(),
        body: Json::text(body),
        ttl: Ttl::default(),
    }
}

fn ack(alias: &str, mids: impl IntoIterator<Item = MessageId>) -> StoreOp {
    StoreOp::Ack {
        alias: alias.into(),
        mids: mids.into_iter().collect(),
    }
}

fn subscribe<'t>(alias: &str, topics: impl IntoIterator<Item = &'t str>) -> StoreOp {
    StoreOp::Subscribe {
        alias: alias.into(),
        add: topics.into_iter().collect(),
        remove: Texts::default(),
        info: None,
    }
}

/// Something that costs little and keeps nothing.
fn touch(alias: &str) -> StoreOp {
    model::claim(alias, 0)
}

fn texts(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| entry.body.to_text().unwrap().into_owned();
    entries.iter().map(text).collect()
}

#[allow(clippy::disallowed_methods, reason = "nothing here waits")]
fn now() -> Instant {
    Instant::now()
}
