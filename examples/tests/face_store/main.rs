//! The terminal's outbox: what it keeps, what it refuses, and what a power cut does to it.

mod cut_disk;
#[path = "../kit/mod.rs"]
mod kit;
mod model;
mod opening;
mod power_cut;
mod resume;
mod sick_disk;
mod trouble;

use drive::store::{Folder, Outbox, Settings, Store};
use face_record_push::Subscription;
use face_record_push::device::{Input, Loss, LossReason, Op, OpId, Recovered, Seq, StoreError};
use model::{Model, item};
use redb::ReadableTableMetadata as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[test]
fn what_is_stored_is_there_when_the_store_is_opened_again() {
    let folder = kit::Folder::new("store-again");
    let (mut outbox, found) = open(&folder);
    assert_eq!(Model::default().differs(&found), None);
    let mut model = Model::default();
    let dest =
        face_record_push::Dest::parse("http://192.0.2.10:9000/Record?from=%E4%B8%9C%E9%97%A8")
            .unwrap();
    let ops = [
        append(1, 0),
        append(2, 3_000),
        append(3, 70_000),
        append(4, 10),
        Op::Configure(Subscription::to(dest)),
        Op::Strip {
            from: Seq(2),
            to: Seq(2),
        },
        Op::Drop(lost(1, 1, LossReason::Overflow)),
    ];
    apply(&mut outbox, &mut model, &ops);
    outbox.close().unwrap();

    let (mut outbox, found) = open(&folder);
    assert_eq!(model.differs(&found), None);
    for (seq, item) in &model.items {
        let loaded = ask(&mut outbox, Op::Load { seq: Seq(*seq) });
        assert!(matches!(loaded, Input::Loaded(_, Some(loaded)) if loaded == *item));
    }
    let gone = ask(&mut outbox, Op::Load { seq: Seq(1) });
    assert!(matches!(gone, Input::Loaded(_, None)));
}

#[test]
fn a_number_is_never_given_twice_although_its_record_is_gone() {
    let folder = kit::Folder::new("store-numbers");
    let (mut outbox, _) = open(&folder);
    let mut model = Model::default();
    apply(&mut outbox, &mut model, &[append(1, 0), append(2, 0)]);
    apply(&mut outbox, &mut model, &[Op::Advance { upto: Seq(2) }]);
    // This one was refused for lack of room, but its loss was reported under its number.
    let loss = lost(3, 3, LossReason::StoreFull);
    apply(&mut outbox, &mut model, &[Op::Drop(loss)]);
    outbox.close().unwrap();
    let (_, found) = open(&folder);
    assert_eq!((found.next_seq, found.index.len()), (Seq(4), 0));
}

#[test]
fn acknowledgements_are_written_down_in_the_end() {
    let folder = kit::Folder::new("store-acks");
    let (mut outbox, _) = open(&folder);
    let mut model = Model::default();
    apply(&mut outbox, &mut model, &[append(1, 0), append(2, 0)]);
    apply(&mut outbox, &mut model, &[Op::Advance { upto: Seq(1) }]);
    let due = outbox.tidy_at().unwrap();
    outbox.tidy(due);
    assert_eq!(outbox.tidy_at(), None);
    drop(outbox); // as a crash would end it
    let (mut outbox, found) = open(&folder);
    assert_eq!(model.differs(&found), None);
    apply(&mut outbox, &mut model, &[Op::Advance { upto: Seq(2) }]);
    outbox.close().unwrap();
    assert_eq!(model.differs(&open(&folder).1), None);
}

#[test]
fn losses_stay_few_and_their_sums_right() {
    let folder = kit::Folder::new("store-losses");
    let mut settings = Settings::default();
    settings.max_losses = 20;
    let (mut outbox, _) = open_with(&folder, &settings);
    let mut model = Model::default();
    let reasons = [
        LossReason::Overflow,
        LossReason::StoreFull,
        LossReason::Corrupt,
    ];
    let ops: Vec<Op> = (0_u64..300)
        .map(|at| {
            Op::Drop(lost(
                3 * at + 1,
                3 * at + 2,
                reasons[usize::try_from(at % 7 % 3).unwrap()],
            ))
        })
        .collect();
    apply(&mut outbox, &mut model, &ops);
    outbox.close().unwrap();
    let (_, found) = open_with(&folder, &settings);
    assert_eq!(model.differs(&found), None);
    assert_eq!(found.losses.len(), 20);
    // The latest are still told one by one.
    assert_eq!(found.losses.last().unwrap().from, Seq(898));
}

#[test]
fn losses_that_continue_each_other_are_one() {
    let folder = kit::Folder::new("store-overflow");
    let (mut outbox, _) = open(&folder);
    let mut model = Model::default();
    let ops: Vec<Op> = (1..=500)
        .map(|seq| Op::Drop(lost(seq, seq, LossReason::Overflow)))
        .collect();
    apply(&mut outbox, &mut model, &ops);
    drop(outbox);
    let whole = Loss::new(Seq(1), Seq(500), 500, 500, LossReason::Overflow);
    assert_eq!(open(&folder).1.losses, [whole]);
}

#[test]
fn a_buried_record_is_not_queued_and_can_be_found() {
    let folder = kit::Folder::new("store-buried");
    let (mut outbox, _) = open(&folder);
    let mut model = Model::default();
    let ops = [append(1, 900), append(2, 0), Op::Bury { seq: Seq(1) }];
    apply(&mut outbox, &mut model, &ops);
    apply(&mut outbox, &mut model, &[Op::Advance { upto: Seq(2) }]);
    outbox.close().unwrap();
    assert_eq!(open(&folder).1.index, []);
    let database = redb::Database::open(folder.path().join("outbox.redb")).unwrap();
    let dead = redb::TableDefinition::<u64, (&[u8], &[u8])>::new("dead");
    let transaction = redb::ReadableDatabase::begin_read(&database).unwrap();
    let dead = transaction.open_table(dead).unwrap();
    let found = dead.get(1).unwrap().unwrap();
    assert_eq!(dead.len().unwrap(), 1);
    assert_eq!(found.value().1, item(1, 900).jpeg().unwrap());
}

#[test]
fn a_drained_store_gives_its_room_back() {
    let folder = kit::Folder::new("store-drained");
    let (mut outbox, _) = open(&folder);
    let mut model = Model::default();
    for first in (1..=600).step_by(60) {
        let ops: Vec<Op> = (first..first + 60).map(|seq| append(seq, 60_000)).collect();
        apply(&mut outbox, &mut model, &ops);
    }
    let size = || folder.path().join("outbox.redb").metadata().unwrap().len();
    assert!(size() > 36 << 20, "{}", size());
    apply(&mut outbox, &mut model, &[Op::Advance { upto: Seq(600) }]);
    while let Some(due) = outbox.tidy_at() {
        outbox.tidy(due);
    }
    assert!(size() < 1 << 20, "{}", size());
    apply(&mut outbox, &mut model, &[append(601, 10)]);
    drop(outbox);
    assert_eq!(model.differs(&open(&folder).1), None);
}

#[test]
fn the_thread_answers_everything_in_order() {
    let folder = kit::Folder::new("store-thread");
    let (answers, answered) = mpsc::channel();
    let medium = Folder::new(folder.path()).unwrap();
    let answer = move |input| answers.send(input).unwrap();
    let (store, _) = Store::open(medium, Settings::default(), answer).unwrap();
    for seq in 1..=200 {
        store.submit(OpId(3 * seq), append(seq, 100));
        store.submit(OpId(3 * seq + 1), Op::Load { seq: Seq(seq) });
        store.submit(OpId(3 * seq + 2), Op::Advance { upto: Seq(seq) });
    }
    store.hurry();
    store.close().unwrap();
    let (mut kept, mut loaded, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    for answer in answered {
        match answer {
            Input::Stored(OpId(id)) if id % 3 == 0 => kept.push(id / 3),
            Input::Stored(OpId(id)) => stored.push((id - 2) / 3),
            Input::Loaded(OpId(id), Some(it)) => {
                assert_eq!(it, item((id - 1) / 3, 100));
                loaded.push((id - 1) / 3);
            }
            answer => panic!("{answer:?}"),
        }
    }
    let all: Vec<u64> = (1..=200).collect();
    assert_eq!([kept, loaded, stored], [all.clone(), all.clone(), all]);
    assert_eq!(open(&folder).1.index, []);
}

/// A store with the usual settings, but for the reserve: nobody knows how full this disk is.
fn open(folder: &kit::Folder) -> (Outbox, Recovered) {
    open_with(folder, &Settings::default())
}

fn open_with(folder: &kit::Folder, settings: &Settings) -> (Outbox, Recovered) {
    let mut settings = settings.clone();
    settings.reserve = 0;
    let medium = Folder::new(folder.path()).unwrap();
    Outbox::open(medium, settings).unwrap()
}

fn append(seq: u64, picture: usize) -> Op {
    Op::Append {
        seq: Seq(seq),
        item: item(seq, picture),
    }
}

fn lost(from: u64, to: u64, reason: LossReason) -> Loss {
    let count = to - from + 1;
    Loss::new(Seq(from), Seq(to), count, count, reason)
}

/// Applies to both, and expects everything to be stored.
fn apply(outbox: &mut Outbox, model: &mut Model, ops: &[Op]) {
    for answer in answers(outbox, ops) {
        assert!(matches!(answer, Input::Stored(_)), "{answer:?}");
    }
    for op in ops {
        model.apply(op);
    }
}

fn answers(outbox: &mut Outbox, ops: &[Op]) -> Vec<Input> {
    let batch = (0..).map(OpId).zip(ops.iter().cloned());
    outbox.apply(now(), batch.collect())
}

fn ask(outbox: &mut Outbox, op: Op) -> Input {
    answers(outbox, &[op]).pop().unwrap()
}

/// What failed, by its place in the batch.
fn failures(answers: &[Input]) -> Vec<(u64, StoreError)> {
    let failure = |answer: &Input| match answer {
        Input::StoreFailed(id, error) => Some((id.0, *error)),
        _ => None,
    };
    answers.iter().filter_map(failure).collect()
}

#[allow(clippy::disallowed_methods, reason = "nothing here waits")]
fn now() -> Instant {
    Instant::now()
}

/// Longer than any store waits of its own accord.
const LATER: Duration = Duration::from_hours(1);
