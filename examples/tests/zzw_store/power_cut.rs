//! Power cuts at any moment of a store's life.

use crate::cut_disk::CutDisk;
use crate::model::{ALIASES, Answer, Draw, START, Step, TOPICS, questions};
use crate::naive::MemoryStore;
use crate::{now, small};
use drive::faces::Dice;
use drive::zzw::store::{Kept, Settings};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{StoreOp, UnixMillis};

/// Lives per case.
const LIVES: usize = 6;

/// Enough for every change; `POWER_CUTS` asks for more.
const CASES: u64 = 200;

#[test]
//= docs/spec/zzw-push-proto.md#store
//# A store on disk MUST NOT confirm what a power cut could still undo.
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

/// One disk, some lives; returns how often the power was cut in the middle of work.
fn case(seed: u64, is_honest: bool) -> Result<u64, String> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9) + 17);
    let disk = CutDisk::new(is_honest);
    let mut settings = small();
    settings.cache = [64 << 10, 4 << 20][dice.below(2)];
    settings.quick_repair_above = [0, u64::MAX][dice.below(2)];
    settings.sweep_every = Duration::ZERO;
    if dice.below(2) == 0 {
        settings.compact_above = 0;
        (settings.compact_every, settings.compact_idle) = (Duration::ZERO, Duration::ZERO);
    }
    let mut naive = MemoryStore::new();
    naive.cap = crate::model::CAP;
    let mut life = Life {
        settings,
        naive,
        asked: Vec::new(),
        draw: Draw::default(),
        now: now(),
        wall: START,
    };
    let mut cuts = 0;
    for _ in 0..LIVES {
        live(&disk, &mut life, &mut dice)?;
        cuts += u64::from(disk.is_off());
        disk.cycle(&mut dice);
    }
    // The last word is had in peace.
    let disk = disk.clone();
    open(&disk, &mut life)?;
    Ok(cuts)
}

struct Life {
    settings: Settings,
    /// What the store must hold.
    naive: MemoryStore,
    /// What was asked when the power went: all of it may be there, or nothing.
    asked: Vec<StoreOp>,
    draw: Draw,
    now: Instant,
    wall: u64,
}

fn live(disk: &CutDisk, life: &mut Life, dice: &mut Dice) -> Result<(), String> {
    let Some(mut kept) = open(disk, life)? else {
        return Ok(());
    };
    if dice.below(8) > 0 {
        disk.cut_after(dice.roll() % 70);
    }
    for _ in 0..2 + dice.below(12) {
        let mut byte = || u8::try_from(dice.below(256)).unwrap_or_default();
        let ops = 1 + byte() % 6;
        let steps = (0..ops).map(|_| Step(byte(), byte(), byte()));
        life.asked = steps.map(|step| life.draw.op(step)).collect();
        let answers = kept.apply(life.now, UnixMillis(life.wall), &life.asked);
        if disk.is_off() && answers.iter().any(Result::is_err) {
            return Ok(());
        }
        let mut after = life.naive.clone();
        life.expect(&mut after, &answers)?;
        life.naive = after;
        life.asked.clear();
        let waited = 500 * dice.below(8) as u64;
        life.wall += waited;
        life.now += Duration::from_millis(waited);
        if dice.below(4) == 0 {
            kept.tidy(life.now, UnixMillis(life.wall));
        }
        if disk.is_off() {
            return Ok(());
        }
    }
    if dice.below(3) > 0 {
        let closed = kept.close();
        if !disk.is_off() {
            closed.map_err(|error| format!("cannot close: {error}"))?;
        }
    }
    Ok(())
}

/// Opens the store and compares everything in it.
fn open(disk: &CutDisk, life: &mut Life) -> Result<Option<Kept>, String> {
    let opened = Kept::open(disk.clone(), life.settings.clone());
    let mut kept = match opened {
        Ok(kept) => kept,
        Err(_) if disk.is_off() => return Ok(None),
        Err(error) => return Err(format!("cannot open: {error}")),
    };
    let mut asked: Vec<StoreOp> = ALIASES.iter().flat_map(|alias| questions(alias)).collect();
    asked.extend(TOPICS.map(|topic| StoreOp::Members {
        topic: topic.into(),
    }));
    let answers = kept.apply(life.now, UnixMillis(life.wall), &asked);
    let mut without = life.naive.clone();
    let mut with = life.naive.clone();
    // What was asked was asked at this time, since the clock stands still when the power is gone.
    for op in &life.asked {
        let _ = with.execute(UnixMillis(life.wall), op.clone());
    }
    life.asked = asked;
    for naive in [&mut without, &mut with] {
        naive
            .aliases
            .values_mut()
            .for_each(|alias| alias.owner = None);
    }
    life.naive = match life.expect(&mut without, &answers) {
        Ok(()) => without,
        Err(why) => life
            .expect(&mut with, &answers)
            .map(|()| with)
            .map_err(|_| why)?,
    };
    life.asked.clear();
    Ok(Some(kept))
}

impl Life {
    fn expect(&self, naive: &mut MemoryStore, answers: &[Answer]) -> Result<(), String> {
        if answers.len() != self.asked.len() {
            return Err(format!("{} answers", answers.len()));
        }
        for (op, answer) in self.asked.iter().zip(answers) {
            let right = naive.execute(UnixMillis(self.wall), op.clone());
            if *answer != right {
                return Err(format!("{op:?}: {answer:?} instead of {right:?}"));
            }
        }
        Ok(())
    }
}
