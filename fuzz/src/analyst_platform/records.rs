//! A dispatcher of records in any order.

use super::*;

/// Records, in whatever order they come, make the same dispatcher of it, which tells no verdict that
/// does not follow from them.
pub fn restore(input: &mut Unstructured<'_>) -> Result<()> {
    let config = config(input)?;
    let mut records = Vec::new();
    let mut attempts: BTreeMap<(TaskId, u32), ClientId> = BTreeMap::new();
    for _ in 0..input.int_in_range(0..=24)? {
        let mut record = record(input)?;
        // No store holds two analysers of one attempt.
        if let Op::Assign {
            id,
            attempt,
            client,
        } = &mut record
        {
            let first = attempts.entry((*id, *attempt));
            client.clone_from(first.or_insert_with(|| client.clone()));
        }
        records.push(record);
    }
    // Nor two verdicts, but a result in the place of another verdict; nor two reasons of one attempt.
    let mut said = BTreeSet::new();
    records.retain(|record| match record {
        Op::Submit(id, _) => said.insert((0, *id, 0)),
        Op::Terminal(id, Verdict::Finished(_)) => said.insert((1, *id, 0)),
        Op::Terminal(id, _) => said.insert((2, *id, 0)),
        Op::FailNoted {
            id,
            attempt: Some(attempt),
            ..
        } => said.insert((3, *id, *attempt)),
        _ => true,
    });
    let mut other = records.clone();
    for last in (1..other.len()).rev() {
        other.swap(last, input.int_in_range(0..=last)?);
    }
    assert_eq!(come_to(&config, &records), come_to(&config, &other));
    Ok(())
}

pub(super) fn record(input: &mut Unstructured<'_>) -> Result<Op> {
    let id = id(input.int_in_range(1..=3)?);
    let attempt = input.int_in_range(1..=4)?;
    let reason = (*input.choose(&["busy", "太暗", "404"])?).into();
    Ok(match input.int_in_range(0..=9)? {
        0..=2 => Op::Submit(id, Arc::new(Submission::new(Start::new(id, "top.mp4")))),
        3 => Op::Assign {
            id,
            attempt,
            client: client(input.int_in_range(1..=ANALYSTS)?),
        },
        4 => Op::Out { id, attempt },
        5 => Op::Over { id, attempt },
        6 => Op::FailNoted {
            id,
            attempt: input.arbitrary::<bool>()?.then_some(attempt),
            reason,
        },
        7 => {
            let finished = Verdict::Finished(taken(1));
            let failed = Verdict::Failed(vec![reason]);
            let all = [finished, failed, Verdict::Expired, Verdict::Cancelled];
            Op::Terminal(id, input.choose(&all)?.clone())
        }
        8 => Op::Confirmed(id),
        _ => Op::Forget(id),
    })
}

/// What becomes of each task, in no order.
pub(super) fn come_to(config: &Config, records: &[Op]) -> (BTreeSet<String>, String) {
    let mut config = config.clone();
    // Which of too many are forgotten depends on which are the oldest.
    config.tombstones = 9;
    let now = epoch();
    let mut platform = Platform::restore(now, WALL, config, records.to_vec());
    let mut told = BTreeSet::new();
    while let Some(output) = platform.poll_output() {
        match output {
            Output::Store(seq, op) => {
                told.insert(format!("store {op:?}"));
                platform.handle_input(now, Input::Stored(seq));
            }
            Output::Event(Event::Verdict {
                id,
                verdict,
                attempts,
                ..
            }) => {
                check_known(id, &verdict, records);
                told.insert(format!("{id:?} {verdict:?} {attempts}"));
            }
            _ => {}
        }
    }
    (told, format!("{:?}", platform.stats()))
}

pub(super) fn check_known(id: TaskId, verdict: &Verdict, records: &[Op]) {
    let is_stored = records.contains(&Op::Terminal(id, verdict.clone()));
    let of_it = |op: &&Op| op.id() == id;
    let is_known = match verdict {
        Verdict::Finished(_) | Verdict::Cancelled => is_stored,
        Verdict::Failed(reasons) => {
            let is_said = |reason| {
                records
                    .iter()
                    .filter(of_it)
                    .any(|op| matches!(op, Op::FailNoted { reason: said, .. } if said == reason))
            };
            is_stored || reasons.iter().all(is_said)
        }
        _ => true,
    };
    assert!(is_known, "invented: {verdict:?}");
}
