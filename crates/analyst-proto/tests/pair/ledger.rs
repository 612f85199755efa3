//! What really happened, against which everything is checked.

use analyst_proto::platform::Verdict;
use analyst_proto::wire::{GoodsId, Taken, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Numbers that floating point would not keep apart.
const FIRST: u64 = 1_679_846_303_806_259_200;

/// What the application knows of its tasks, and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    tasks: BTreeMap<TaskId, Fate>,
}

/// One task.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    pub is_accepted: bool,
    pub was_cancelled: bool,
    pub is_urgent: bool,
    pub verdict: Option<Verdict>,
    pub is_confirmed: bool,
    /// What analysers found out.
    pub computed: BTreeSet<Vec<(GoodsId, i32)>>,
    /// Its attempts.
    pub leases: Vec<Lease>,
    /// The dispatcher has told of a result that came too late, or too early.
    pub told: u64,
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Lease {
    pub analyst: usize,
    /// When the broker had its START.
    pub since: Option<Instant>,
    /// The analyser has said since that it failed.
    pub has_failed: bool,
}

/// The number of the nth task.
pub(crate) fn id(nth: u64) -> TaskId {
    TaskId(FIRST + nth)
}

/// A number that a stranger makes up.
pub(crate) fn made_up() -> TaskId {
    id(500_000)
}

/// What this analyser finds in this run.
pub(crate) fn found(id: TaskId, analyst: usize, run: u32) -> Taken {
    let analyst = u64::try_from(analyst).unwrap();
    [
        (GoodsId(id.0 - FIRST + 1), 1 + i32::try_from(run).unwrap()),
        (GoodsId(1_000_000 + analyst), 4),
    ]
    .into_iter()
    .collect()
}

impl Lease {
    /// True if its analyser may still be at it.
    pub(crate) fn goes_on(&self, now: Instant, lease: Duration) -> bool {
        self.since.is_some_and(|since| now < since + lease) && !self.has_failed
    }
}

impl Ledger {
    pub(crate) fn fate(&mut self, id: TaskId) -> &mut Fate {
        self.tasks.entry(id).or_default()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&TaskId, &Fate)> {
        self.tasks.iter()
    }

    /// True if every task has a verdict that is confirmed.
    pub(crate) fn is_complete(&self, tasks: u64) -> bool {
        let all = u64::try_from(self.tasks.len()).unwrap() == tasks;
        all && self.tasks.values().all(|fate| fate.is_confirmed)
    }

    /// The application learns a verdict. True if it is news.
    pub(crate) fn learn(&mut self, id: TaskId, verdict: Verdict) -> Result<bool, String> {
        let Some(fate) = self.tasks.get_mut(&id) else {
            return Err(format!("a verdict for {id}, which nobody submitted"));
        };
        if let Some(old) = &fate.verdict {
            if *old != verdict {
                return Err(format!("{id}: {old:?}, and then {verdict:?}"));
            }
            if fate.is_confirmed {
                return Err(format!("{id}: told again after it was confirmed"));
            }
            return Ok(false);
        }
        match &verdict {
            Verdict::Finished(taken) => {
                let taken: Vec<_> = taken.iter().map(|it| (it.0, it.1)).collect();
                if !fate.computed.contains(&taken) {
                    return Err(format!("{id}: nobody found {taken:?}"));
                }
            }
            Verdict::Cancelled if !fate.was_cancelled => {
                return Err(format!("{id}: nobody cancelled it"));
            }
            _ => {}
        }
        fate.verdict = Some(verdict);
        Ok(true)
    }

    /// The dispatcher decides that nobody can find out.
    pub(crate) fn gives_up(&self, now: Instant, id: TaskId, lease: Duration) -> Result<(), String> {
        let Some(fate) = self.tasks.get(&id) else {
            return Err(format!("{id} is given up, which nobody submitted"));
        };
        for attempt in &fate.leases {
            if attempt.goes_on(now, lease) {
                return Err(format!("{id} is given up, and yet {attempt:?}"));
            }
        }
        Ok(())
    }
}
