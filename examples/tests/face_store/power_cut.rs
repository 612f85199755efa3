//! Power cuts at any moment of a store's life.

use crate::cut_disk::CutDisk;
use crate::model::{Model, draw};
use drive::faces::Dice;
use drive::store::{Outbox, Settings};
use face_record_push::device::{Input, Op, OpId, Recovered, Seq};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Lives per case.
const LIVES: usize = 6;

#[test]
fn what_was_stored_survives_every_power_cut_and_nothing_else_appears() {
    let cases = std::env::var("POWER_CUTS").ok();
    let cases = cases.map_or(CASES, |cases| cases.parse().expect("a number of cases"));
    let mut cuts = 0;
    for seed in 0..cases {
        match case(seed, true) {
            Ok(more) => cuts += more,
            Err(why) => panic!("seed {seed}: {why}"),
        }
    }
    println!("{cases} cases, {cuts} power cuts");
    assert!(cuts > cases, "the power was hardly ever cut: {cuts}");
}

#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    let controls = 40;
    let fails = |seed: &u64| {
        let lives = catch_unwind(AssertUnwindSafe(|| case(*seed, false)));
        !matches!(lives, Ok(Ok(_)))
    };
    let failed = (0..controls).filter(fails).count();
    assert!(failed >= 36, "only {failed} of {controls} cases noticed");
}

/// Enough for every change; `POWER_CUTS` asks for more.
const CASES: u64 = 500;

/// One disk, some lives; returns how often the power was cut in the middle of work.
fn case(seed: u64, is_honest: bool) -> Result<u64, String> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9) + 17);
    let disk = CutDisk::new(is_honest);
    let mut settings = Settings::default();
    settings.advances = 1 + dice.roll() % 6;
    settings.max_losses = 4 + dice.below(4);
    settings.cache = [64 << 10, 4 << 20][dice.below(2)];
    settings.quick_repair_above = [0, u64::MAX][dice.below(2)];
    settings.advance_delay = Duration::ZERO;
    if dice.below(2) == 0 {
        settings.compact_above = 0;
        (settings.compact_every, settings.compact_idle) = (Duration::ZERO, Duration::ZERO);
    }
    let (mut life, mut cuts) = (Life::default(), 0);
    for _ in 0..LIVES {
        if dice.below(8) > 0 {
            disk.cut_after(dice.roll() % 70);
        }
        live(&disk, &settings, &mut life, &mut dice)?;
        cuts += u64::from(disk.is_off());
        disk.cycle(&mut dice);
    }
    // The last word is had in peace.
    open(&disk, &settings, &mut life)?;
    Ok(cuts)
}

/// What the store must hold, and what it may hold besides.
#[derive(Default)]
struct Life {
    kept: Model,
    /// Requests that were not answered, or not all: acknowledgements that may be lost.
    soft: Vec<Op>,
    /// What was asked when the power went.
    asked: Vec<Op>,
}

fn live(
    disk: &CutDisk,
    settings: &Settings,
    life: &mut Life,
    dice: &mut Dice,
) -> Result<(), String> {
    let Some(mut outbox) = open(disk, settings, life)? else {
        return Ok(());
    };
    let (mut last, mut unanswered) = (OpId(0), BTreeSet::new());
    for _ in 0..2 + dice.below(12) {
        let mut wanted = life.expected();
        let ops = 1 + dice.below(4);
        life.asked = std::iter::repeat_with(|| {
            let op = draw(dice, &wanted);
            wanted.apply(&op);
            op
        })
        .take(ops)
        .collect();
        let batch = life.asked.iter().map(|op| {
            last.0 += 1;
            (last, op.clone())
        });
        let batch: Vec<_> = batch.collect();
        unanswered.extend(batch.iter().map(|(id, _)| *id));
        let mut answers = outbox.apply(now(), batch);
        if dice.below(6) == 0 {
            answers.append(&mut outbox.tidy(now()));
        }
        for answer in answers {
            match answer {
                Input::Stored(id) => assert!(unanswered.remove(&id), "answered twice"),
                _ if disk.is_off() => return Ok(()),
                answer => return Err(format!("refused without a cause: {answer:?}")),
            }
        }
        life.soft.append(&mut life.asked);
        if unanswered.is_empty() {
            life.settle();
        }
    }
    if dice.below(2) == 0 {
        let closed = outbox.close();
        if !disk.is_off() {
            closed.map_err(|error| format!("cannot close: {error}"))?;
            life.settle();
        }
    }
    Ok(())
}

/// Opens the store and compares it; `None` if the power goes meanwhile.
fn open(disk: &CutDisk, settings: &Settings, life: &mut Life) -> Result<Option<Outbox>, String> {
    let (mut outbox, found) = match Outbox::open(disk.clone(), settings.clone()) {
        Ok(opened) => opened,
        Err(_) if disk.is_off() => return Ok(None),
        Err(error) => return Err(format!("cannot open: {error}")),
    };
    life.recognise(&found)?;
    let loads: Vec<_> = life
        .kept
        .items
        .keys()
        .map(|seq| Op::Load { seq: Seq(*seq) })
        .collect();
    let batch = loads.into_iter().zip(0..).map(|(op, id)| (OpId(id), op));
    let answers = outbox.apply(now(), batch.collect());
    for (answer, (seq, item)) in answers.iter().zip(&life.kept.items) {
        let is_it = matches!(answer, Input::Loaded(_, Some(loaded)) if loaded == item);
        if !is_it {
            return Err(format!("record {seq} is not what was kept: {answer:?}"));
        }
    }
    Ok(Some(outbox))
}

impl Life {
    fn expected(&self) -> Model {
        let mut model = self.kept.clone();
        self.soft.iter().for_each(|op| model.apply(op));
        model
    }

    /// What was soft is kept for good.
    fn settle(&mut self) {
        self.kept = self.expected();
        self.soft.clear();
        self.asked.clear();
    }

    /// All that was asked in one go is there, or nothing of it.
    fn recognise(&mut self, found: &Recovered) -> Result<(), String> {
        let with_soft = self.expected();
        let mut with_asked = with_soft.clone();
        self.asked.iter().for_each(|op| with_asked.apply(op));
        let why = self.kept.differs(found);
        let mut candidates = [self.kept.clone(), with_soft, with_asked].into_iter();
        let it = candidates.find(|candidate| candidate.differs(found).is_none());
        self.kept = it.ok_or_else(|| why.unwrap_or_default())?;
        self.soft.clear();
        self.asked.clear();
        Ok(())
    }
}

#[allow(clippy::disallowed_methods, reason = "nothing here waits")]
fn now() -> Instant {
    Instant::now()
}
