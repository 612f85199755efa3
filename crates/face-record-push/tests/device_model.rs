//! FT-3: the terminal against a list of what became of each record, whatever happens to it.

mod device_kit;

use device_kit::{Rig, config, item, ms, off, secs, to};
use face_record_push::device::{
    Cause, Charge, Durability, Event, Input, LossReason, Op, OpId, Output, Overflow, Post, Seq,
    State, StoreError,
};
use face_record_push::{Answer, Item};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Record(usize), // bytes of its picture
    Store(u8),     // so many requests are carried out
    Full,
    Broken,
    Resume,
    Ack,
    Refuse,
    Busy,
    LoseAck, // the record arrives, the answer does not
    Lose,
    Wait(u64),
    NetworkIsBack,
    Switch(bool),
    PowerCut,
    DamageHead,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0_usize..6).prop_map(|kilobytes| Step::Record(kilobytes * 1_000)),
        12 => (1_u8..5).prop_map(Step::Store),
        2 => Just(Step::Full),
        1 => Just(Step::Broken),
        2 => Just(Step::Resume),
        8 => Just(Step::Ack),
        3 => Just(Step::Refuse),
        1 => Just(Step::Busy),
        2 => Just(Step::LoseAck),
        2 => Just(Step::Lose),
        5 => (1_u64..3_000).prop_map(Step::Wait),
        1 => Just(Step::NetworkIsBack),
        1 => any::<bool>().prop_map(Step::Switch),
        1 => Just(Step::PowerCut),
        1 => Just(Step::DamageHead),
    ]
}

fn overflow() -> impl Strategy<Value = Overflow> {
    prop_oneof![
        Just(Overflow::DropOldest),
        Just(Overflow::RefuseNew),
        Just(Overflow::DropImages),
        Just(Overflow::DropImagesThenRefuse),
    ]
}

fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![
        3 => Just(Durability::BeforeSend),
        1 => Just(Durability::Concurrent),
        1 => (1_u64..1_000).prop_map(|time| Durability::Lazy(ms(time))),
    ]
}

fn small(
    overflow: Overflow,
    durability: Durability,
    poison: Option<u32>,
) -> face_record_push::device::Config {
    let mut config = config();
    (config.overflow, config.durability, config.poison_after) = (overflow, durability, poison);
    (config.max_records, config.max_bytes, config.max_unstored) = (6, 24_000, 4);
    config.charge = Charge::Exact;
    config
}

/// What is known of each record from outside.
#[derive(Default)]
struct Model {
    taken: BTreeSet<Seq>, // in this life, or kept in an earlier one
    last_posted: Seq,
    posted: BTreeMap<Seq, Arc<Item>>, // in any life
    arrived: BTreeSet<Seq>,
    acked: BTreeSet<Seq>,
    lost: BTreeSet<Seq>,
    buried: BTreeSet<Seq>,
    kept: BTreeSet<Seq>,
}

struct World {
    rig: Rig,
    model: Model,
    seen: usize,          // of the log
    losses_before: usize, // those that the store held at the start of this life
    had_trouble: bool,    // a strip was taken back, or the store was broken: limits may be exceeded
}

impl Model {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Kept(seq) => assert!(self.kept.insert(*seq), "kept twice"),
            Event::Acked(seq) => assert!(self.acked.insert(*seq), "acked twice"),
            Event::Buried(seq) => assert!(self.buried.insert(*seq), "buried twice"),
            Event::Lost(loss) => {
                let within = (loss.from.0..=loss.to.0).map(Seq);
                let is_fresh = |seq: &Seq| {
                    let ends = [&self.acked, &self.buried, &self.lost];
                    self.taken.contains(seq) && !ends.iter().any(|end| end.contains(seq))
                };
                let fresh: Vec<Seq> = within.filter(is_fresh).collect();
                assert_eq!(fresh.len() as u64, loss.count, "{loss:?}");
                self.lost.extend(fresh);
            }
            _ => {}
        }
    }

    fn see(&mut self, post: &Post, durability: Durability) {
        assert!(post.seq >= self.last_posted, "out of order");
        assert!(!self.acked.contains(&post.seq), "posted again");
        if durability == Durability::BeforeSend {
            assert!(self.kept.contains(&post.seq), "posted before it was kept");
            let before = self.posted.insert(post.seq, post.item.clone());
            assert!(
                before.is_none_or(|item| item == post.item),
                "a repetition differs"
            );
        }
        self.last_posted = post.seq;
    }
}

impl World {
    fn new(config: face_record_push::device::Config) -> Self {
        let mut rig = Rig::new(config);
        rig.is_store_prompt = false;
        Self {
            rig,
            model: Model::default(),
            seen: 0,
            losses_before: 0,
            had_trouble: false,
        }
    }

    fn apply(&mut self, step: &Step) {
        let rig = &mut self.rig;
        match step {
            Step::Record(picture) => {
                let nth = rig.device.next_seq();
                if rig.device.record(rig.now, item(nth.0, *picture)) == Ok(nth) {
                    self.model.taken.insert(nth);
                }
                rig.drain();
            }
            Step::Store(count) => {
                for _ in 0..*count {
                    if let Some(input) = rig.store.carry_out() {
                        rig.input(input);
                    }
                }
            }
            Step::Full => {
                let is_load = matches!(rig.store.waiting.front(), Some((_, Op::Load { .. })));
                if !rig.store.waiting.is_empty() && !is_load {
                    let op = rig.fail_store(StoreError::Full);
                    self.had_trouble |= matches!(op, Op::Strip { .. });
                }
            }
            Step::Broken => {
                self.had_trouble |= !rig.store.waiting.is_empty();
                rig.break_store();
            }
            Step::Resume => rig.resume(),
            Step::Ack | Step::LoseAck | Step::Refuse | Step::Busy | Step::Lose
                if rig.in_flight.is_empty() => {}
            Step::Ack => {
                self.model.arrived.insert(rig.in_flight[0].seq);
                rig.ack();
            }
            Step::LoseAck => {
                self.model.arrived.insert(rig.in_flight[0].seq);
                rig.lose(Cause::Broken);
            }
            Step::Refuse => rig.refuse(),
            Step::Busy => rig.answer(Answer::new(503, Some(503))),
            Step::Lose => rig.lose(Cause::Unreachable),
            Step::Wait(time) => rig.wait(ms(*time)),
            Step::NetworkIsBack => rig.input(Input::Connected),
            Step::Switch(is_on) => {
                let wanted = if *is_on { to(device_kit::HERE) } else { off() };
                drop(rig.device.configure(rig.now, wanted));
                rig.drain();
            }
            Step::PowerCut => {
                self.watch();
                self.cut();
            }
            Step::DamageHead => {
                // Never one that is on its way into the store or out of it.
                if let Some(seq) = rig.store.rows.keys().next().copied() {
                    rig.store.is_damaged = true;
                    rig.store.rows.remove(&seq);
                }
            }
        }
        self.watch();
        self.check();
    }

    fn cut(&mut self) {
        let rig = &mut self.rig;
        self.losses_before = rig.store.losses.len();
        rig.power_cut();
        let model = &mut self.model;
        let there: BTreeSet<Seq> = rig.store.rows.keys().copied().collect();
        let told: BTreeSet<Seq> = model
            .taken
            .iter()
            .filter(|seq| {
                rig.store
                    .losses
                    .iter()
                    .any(|loss| (loss.from..=loss.to).contains(seq))
            })
            .copied()
            .collect();
        for seq in &model.kept {
            let is_known = there.contains(seq) || model.acked.contains(seq) || told.contains(seq);
            let is_known = is_known || rig.store.dead.contains(seq) || rig.store.is_damaged;
            assert!(is_known, "{seq:?} was kept and is gone");
        }
        model.taken = there.clone();
        model.kept = there;
        model.acked.clear();
        model.lost.clear();
        model.buried.clear();
        model.last_posted = Seq(0);
        self.had_trouble = true;
        self.skip_report();
    }

    /// A new life begins with the losses of earlier ones.
    fn skip_report(&mut self) {
        let is_report = |output: &Output| matches!(output, Output::Event(Event::Lost(_)));
        let report = self.rig.log[self.seen..]
            .iter()
            .take_while(|output| is_report(output));
        let count = report.count();
        //= docs/spec/face-record-push.md#overflow
        //# A terminal that starts again MUST report the losses that its store has kept.
        assert_eq!(count, self.losses_before);
        self.seen += count;
    }

    /// Learns from what came out since the last time.
    fn watch(&mut self) {
        let (rig, model) = (&self.rig, &mut self.model);
        for output in &rig.log[self.seen..] {
            match output {
                Output::Event(event) => model.hear(event),
                Output::Send(post) => model.see(post, rig.config.durability),
                //= docs/spec/face-record-push.md#delivery
                //# The terminal MUST NOT advance over a record that is neither acknowledged nor lost nor set aside.
                Output::Store(_, Op::Advance { upto }) => {
                    assert!(model.acked.contains(upto), "FI-1");
                }
                _ => {}
            }
        }
        self.seen = rig.log.len();
    }

    fn check(&self) {
        let (rig, device) = (&self.rig, &self.rig.device);
        rig.check_counters();
        assert!(rig.in_flight.len() <= 1, "FI-2");
        let counters = device.counters();
        let unreported = counters.lost - self.model.lost.len() as u64;
        assert!(unreported <= counters.lost);
        // FI-3
        let is_bury = |(_, op): &(OpId, Op)| matches!(op, Op::Bury { .. });
        let is_burying = rig.store.waiting.iter().any(is_bury);
        let spare = usize::from(device.state() == State::InFlight || is_burying);
        let refuses = matches!(
            rig.config.overflow,
            Overflow::RefuseNew | Overflow::DropImagesThenRefuse
        );
        //= docs/spec/face-record-push.md#overflow
        //# The terminal MUST NOT keep more than `max_records` records, not counting the one being posted.
        //= docs/spec/face-record-push.md#overflow
        //# The terminal MUST NOT keep more than `max_bytes` as charged, not counting the record being posted.
        if !(refuses && self.had_trouble) {
            let spare = spare + usize::from(device.state() == State::Paused);
            assert!(device.queued() <= rig.config.max_records + spare);
        }
        if !self.had_trouble {
            let posted = if spare > 0 { 5_200 } else { 0 }; // the largest that is recorded here
            assert!(device.queued_bytes() <= rig.config.max_bytes + posted);
        }
        // FI-11
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST always have an output, a deadline or an answer to wait for while there is something to post and a place to post it to.
        let is_quiet = matches!(device.state(), State::Off | State::Idle | State::Paused);
        let is_waiting = device.poll_timeout().is_some() || !rig.store.waiting.is_empty();
        assert!(is_quiet || is_waiting, "hangs in {:?}", device.state());
    }

    /// Everything is well again: all records must go.
    fn heal(&mut self) {
        self.rig.is_store_prompt = true;
        self.rig.break_store(); // leaves nothing half done
        self.rig.resume();
        self.rig.wait(secs(2));
        drop(
            self.rig
                .device
                .configure(self.rig.now, to(device_kit::HERE)),
        );
        self.rig.drain();
        for _ in 0..100 {
            while !self.rig.in_flight.is_empty() {
                self.model.arrived.insert(self.rig.in_flight[0].seq);
                self.rig.ack();
                self.watch();
            }
            self.rig.wait(secs(2));
            self.watch();
            if self.rig.device.queued() == 0 {
                break;
            }
        }
        let (rig, model) = (&self.rig, &self.model);
        assert_eq!((rig.device.queued(), rig.device.state()), (0, State::Idle));
        assert_eq!(rig.store.rows.len(), 0, "left in the store");
        for seq in &model.taken {
            let ends = [&model.acked, &model.lost, &model.buried];
            let count = ends.iter().filter(|end| end.contains(seq)).count();
            assert_eq!(count, 1, "{seq:?}");
        }
        assert!(model.acked.is_subset(&model.arrived));
        let counters = rig.device.counters();
        assert_eq!(counters.lost, model.lost.len() as u64);
        assert_eq!(counters.acked, model.acked.len() as u64);
        assert_eq!(counters.recorded, model.taken.len() as u64);
        assert_eq!(rig.device.poll_timeout(), None);
    }
}

proptest! {
    #[test]
    fn every_record_is_acknowledged_lost_and_reported_or_set_aside(
        overflow in overflow(),
        durability in durability(),
        poison in prop::option::of(1_u32..3),
        steps in vec(step(), 0..120),
    ) {
        let mut world = World::new(small(overflow, durability, poison));
        for step in &steps {
            world.apply(step);
        }
        world.heal();
    }

    #[test]
    fn pictures_go_before_rows_when_bytes_are_short(
        pictures in vec(0_usize..6_000, 1..40),
        acks in vec(any::<bool>(), 40),
    ) {
        let mut rig = Rig::new(small(Overflow::DropImages, Durability::BeforeSend, None));
        for (nth, (picture, is_acked)) in pictures.iter().zip(acks).enumerate() {
            let before = rig.device.counters().lost;
            let was_crowded = rig.device.queued() > rig.config.max_records;
            rig.record(item(nth as u64, *picture));
            if rig.device.counters().lost > before && !was_crowded {
                let posted = rig.in_flight[0].seq;
                let new = rig.device.next_seq().0 - 1;
                let left = rig.store.rows.iter().filter(|(seq, item)| {
                    **seq != posted && seq.0 != new && item.jpeg().is_some()
                });
                prop_assert_eq!(left.count(), 0);
            }
            if is_acked {
                rig.ack();
            }
        }
    }
}

/// FI-5
//= docs/spec/face-record-push.md#delivery
//# The terminal MUST NOT hold more records in memory than those that wait for the store and two.
#[test]
fn only_records_on_their_way_are_in_memory() {
    let mut config = config();
    config.max_unstored = 4;
    let mut rig = Rig::new(config);
    let mut items = Vec::new();
    let held = |items: &[Weak<Item>], rig: &Rig| {
        let stored = |item: &Arc<Item>| rig.store.rows.values().any(|row| Arc::ptr_eq(row, item));
        let alive = items.iter().filter_map(Weak::upgrade);
        // One is ours, one is the store's.
        alive
            .filter(|item| Arc::strong_count(item) > 1 + usize::from(stored(item)))
            .count()
    };
    for nth in 0..500 {
        rig.device.record(rig.now, item(nth, 100)).expect("room");
        while let Some(output) = rig.device.poll_output() {
            match output {
                Output::Store(id, op) => {
                    if let Op::Append { item, .. } = &op {
                        items.push(Arc::downgrade(item));
                    }
                    rig.store.waiting.push_back((id, op));
                    while let Some(input) = rig.store.carry_out() {
                        rig.device.handle_input(rig.now, input);
                    }
                }
                Output::Send(post) => rig.in_flight.push(post),
                _ => {}
            }
        }
        if nth == 0 {
            rig.in_flight[0].item = Arc::new(item(0, 0)); // the driver lets go of its own
        }
        assert!(held(&items, &rig) <= 2);
    }
}

#[test]
fn losses_say_why() {
    let mut config = small(Overflow::DropOldest, Durability::BeforeSend, None);
    config.merge_losses = secs(1);
    let mut rig = Rig::new(config);
    rig.record_many(20);
    rig.wait(secs(1));
    let losses = rig.losses();
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert_eq!(
        (losses[0].from, losses[0].to, losses[0].count),
        (Seq(2), Seq(14), 13)
    );
    assert_eq!(
        (losses[0].tried, losses[0].reason),
        (0, LossReason::Overflow)
    );
}
