//! What a store keeps of each machine: a JSON object for each record.

use super::journal::Write;
use analyst_proto::codec::{self, Lenience};
use analyst_proto::device::{self, Outcome, Run};
use analyst_proto::platform::{self, Submission, Verdict};
use analyst_proto::wire::{ClientId, GoodsId, Message, Start, Taken, TaskId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A record of the dispatcher.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TaskRecord {
    Submit {
        id: u64,
        start: String,
        priority: i32,
        lease_ms: Option<u64>,
        expires_at: Option<i64>,
        max_attempts: Option<u32>,
    },
    Assign {
        id: u64,
        attempt: u32,
        client: String,
    },
    Out {
        id: u64,
        attempt: u32,
    },
    Over {
        id: u64,
        attempt: u32,
    },
    Fail {
        id: u64,
        attempt: Option<u32>,
        reason: String,
    },
    Terminal {
        id: u64,
        verdict: VerdictRecord,
    },
    Confirmed {
        id: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VerdictRecord {
    Finished(Vec<(u64, i32)>),
    Failed(Vec<String>),
    Expired,
    Cancelled,
}

/// A record of an analyser.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RunRecord {
    Accept {
        id: u64,
        run: u32,
        start: String,
    },
    Cancel {
        id: u64,
        run: u32,
    },
    Result {
        id: u64,
        run: u32,
        nth: u32,
        outcome: OutcomeRecord,
    },
    Delivered {
        id: u64,
        run: u32,
        nth: u32,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeRecord {
    Taken(Vec<(u64, i32)>),
    Failed(String),
}

/// What is to be written for a request of the dispatcher.
pub(super) fn of_dispatcher(op: &platform::Op) -> Write {
    use platform::Op;
    let id = op.id().0;
    let record = match op {
        Op::Submit(_, submission) => TaskRecord::Submit {
            id,
            start: start_text(&submission.task),
            priority: submission.priority,
            lease_ms: submission
                .lease
                .map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)),
            expires_at: submission.expires_at.map(|at| at.0),
            max_attempts: submission.max_attempts,
        },
        Op::Assign {
            attempt, client, ..
        } => TaskRecord::Assign {
            id,
            attempt: *attempt,
            client: client.to_string(),
        },
        Op::Out { attempt, .. } => TaskRecord::Out {
            id,
            attempt: *attempt,
        },
        Op::Over { attempt, .. } => TaskRecord::Over {
            id,
            attempt: *attempt,
        },
        Op::FailNoted {
            attempt, reason, ..
        } => TaskRecord::Fail {
            id,
            attempt: *attempt,
            reason: reason.to_string(),
        },
        Op::Terminal(_, verdict) => TaskRecord::Terminal {
            id,
            verdict: verdict.into(),
        },
        Op::Confirmed(_) => TaskRecord::Confirmed { id },
        // Forget, which is all that is left.
        _ => return Write::Erase { id, run: u32::MAX },
    };
    put(id, 0, &record)
}

/// What the dispatcher was asked to keep by this record.
pub(super) fn to_dispatcher(record: &[u8]) -> Result<platform::Op, String> {
    use platform::Op;
    Ok(match parse(record)? {
        TaskRecord::Submit {
            start,
            priority,
            lease_ms,
            expires_at,
            max_attempts,
            ..
        } => {
            let mut submission = Submission::new(start_of(start)?);
            submission.priority = priority;
            submission.lease = lease_ms.map(Duration::from_millis);
            submission.expires_at = expires_at.map(UnixMillis);
            submission.max_attempts = max_attempts;
            Op::Submit(submission.task.id, Arc::new(submission))
        }
        TaskRecord::Assign {
            id,
            attempt,
            client,
        } => Op::Assign {
            id: TaskId(id),
            attempt,
            client: ClientId::new(client).map_err(|error| error.to_string())?,
        },
        TaskRecord::Out { id, attempt } => Op::Out {
            id: TaskId(id),
            attempt,
        },
        TaskRecord::Over { id, attempt } => Op::Over {
            id: TaskId(id),
            attempt,
        },
        TaskRecord::Fail {
            id,
            attempt,
            reason,
        } => Op::FailNoted {
            id: TaskId(id),
            attempt,
            reason: reason.into(),
        },
        TaskRecord::Terminal { id, verdict } => Op::Terminal(TaskId(id), verdict.into()),
        TaskRecord::Confirmed { id } => Op::Confirmed(TaskId(id)),
    })
}

/// What is to be written for a request of an analyser.
pub(super) fn of_analyser(op: &device::Op) -> Write {
    use device::Op;
    let id = op.id().0;
    let (run, record) = match op {
        Op::Accept { run, task, .. } => {
            let start = start_text(task);
            (
                run.0,
                RunRecord::Accept {
                    id,
                    run: run.0,
                    start,
                },
            )
        }
        Op::Cancel { run, .. } => (run.0, RunRecord::Cancel { id, run: run.0 }),
        Op::Result {
            run, nth, outcome, ..
        } => {
            let outcome = match &**outcome {
                Outcome::Taken(taken) => OutcomeRecord::Taken(pairs(taken)),
                Outcome::Failed(reason) => OutcomeRecord::Failed(reason.to_string()),
                _ => OutcomeRecord::Failed("unknown".to_owned()),
            };
            let record = RunRecord::Result {
                id,
                run: run.0,
                nth: *nth,
                outcome,
            };
            (run.0, record)
        }
        Op::Delivered { run, nth, .. } => {
            let record = RunRecord::Delivered {
                id,
                run: run.0,
                nth: *nth,
            };
            (run.0, record)
        }
        Op::Forget { run, .. } => return Write::Erase { id, run: run.0 },
        _ => return Write::Erase { id, run: 0 },
    };
    put(id, run, &record)
}

/// What an analyser was asked to keep by this record.
pub(super) fn to_analyser(record: &[u8]) -> Result<device::Op, String> {
    use device::Op;
    Ok(match parse(record)? {
        RunRecord::Accept { run, start, .. } => {
            let task = start_of(start)?;
            Op::Accept {
                id: task.id,
                run: Run(run),
                task: Arc::new(task),
            }
        }
        RunRecord::Cancel { id, run } => Op::Cancel {
            id: TaskId(id),
            run: Run(run),
        },
        RunRecord::Result {
            id,
            run,
            nth,
            outcome,
        } => Op::Result {
            id: TaskId(id),
            run: Run(run),
            nth,
            outcome: Arc::new(match outcome {
                OutcomeRecord::Taken(taken) => Outcome::Taken(taken_of(taken)),
                OutcomeRecord::Failed(reason) => Outcome::Failed(reason.into()),
            }),
        },
        RunRecord::Delivered { id, run, nth } => Op::Delivered {
            id: TaskId(id),
            run: Run(run),
            nth,
        },
    })
}

impl From<&Verdict> for VerdictRecord {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Finished(taken) => Self::Finished(pairs(taken)),
            Verdict::Failed(reasons) => {
                Self::Failed(reasons.iter().map(ToString::to_string).collect())
            }
            Verdict::Cancelled => Self::Cancelled,
            _ => Self::Expired,
        }
    }
}

impl From<VerdictRecord> for Verdict {
    fn from(record: VerdictRecord) -> Self {
        match record {
            VerdictRecord::Finished(taken) => Self::Finished(taken_of(taken)),
            VerdictRecord::Failed(reasons) => {
                Self::Failed(reasons.into_iter().map(Into::into).collect())
            }
            VerdictRecord::Expired => Self::Expired,
            VerdictRecord::Cancelled => Self::Cancelled,
        }
    }
}

fn put(id: u64, run: u32, record: &impl Serialize) -> Write {
    // A record has no map whose keys are no text, which is all that JSON minds.
    let record = serde_json::to_vec(record).unwrap_or_default();
    Write::Put { id, run, record }
}

fn parse<T: for<'r> Deserialize<'r>>(record: &[u8]) -> Result<T, String> {
    serde_json::from_slice(record).map_err(|error| format!("a record cannot be read: {error}"))
}

fn pairs(taken: &Taken) -> Vec<(u64, i32)> {
    taken
        .iter()
        .map(|(goods, count)| (goods.0, *count))
        .collect()
}

fn taken_of(pairs: Vec<(u64, i32)>) -> Taken {
    let taken = pairs.into_iter();
    taken
        .map(|(goods, count)| (GoodsId(goods), count))
        .collect()
}

fn start_text(start: &Start) -> String {
    let payload = super::link::write(&Message::Start(start.clone()));
    String::from_utf8(payload).unwrap_or_default()
}

fn start_of(text: String) -> Result<Start, String> {
    match codec::decode(&text.into(), &Lenience::strict()) {
        Ok(Message::Start(start)) => Ok(start),
        Ok(_) => Err("a record holds another message in place of a task".to_owned()),
        Err(error) => Err(format!("a record holds no task: {error}")),
    }
}
