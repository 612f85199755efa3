//! An analyser of records in any order.

use super::*;

/// Records, in whatever order they come, make the same analyser of it, which tells no result that is
/// not among them.
pub fn restore(input: &mut Unstructured<'_>) -> Result<()> {
    let config = config(input)?;
    let mut records = Vec::new();
    let mut results = BTreeSet::new();
    for _ in 0..input.int_in_range(0..=24)? {
        let record = record(input)?;
        // No store holds two different results of one number.
        let is_new = match &record {
            Op::Result { id, run, nth, .. } => results.insert((*id, *run, *nth)),
            _ => true,
        };
        if is_new {
            records.push(record);
        }
    }
    let mut other = records.clone();
    for last in (1..other.len()).rev() {
        other.swap(last, input.int_in_range(0..=last)?);
    }
    assert_eq!(come_to(&config, &records), come_to(&config, &other));
    Ok(())
}

pub(super) fn record(input: &mut Unstructured<'_>) -> Result<Op> {
    let id = TaskId(input.int_in_range(1..=4)?);
    let run = Run(input.int_in_range(1..=3)?);
    let nth = input.int_in_range(1..=3)?;
    Ok(match input.int_in_range(0..=4)? {
        0 => Op::Cancel { id, run },
        1 => Op::Delivered { id, run, nth },
        2 => Op::Result {
            id,
            run,
            nth,
            outcome: Arc::new(found(id, run)),
        },
        3 => Op::Result {
            id,
            run,
            nth,
            outcome: Arc::new(Outcome::Failed("dark".into())),
        },
        _ => {
            // A record may be of another task than it says.
            let of = TaskId(id.0 + u64::from(input.ratio(1, 16)?));
            Op::Accept {
                id,
                run,
                task: Arc::new(start(of)),
            }
        }
    })
}

/// What becomes of each task, and what is told of it once there is a connection.
pub(super) fn come_to(
    config: &Config,
    records: &[Op],
) -> (Vec<Option<TaskState>>, usize, BTreeSet<String>) {
    let mut config = config.clone();
    // Which of too many are forgotten depends on which are the oldest.
    config.kept_results = 9;
    // So that what waits for room does not depend on it, either.
    (config.parallel, config.link.window) = (9, 9);
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    let now = Instant::now();
    let mut device = Device::new(now, config, Recovered::new(records.to_vec()));
    let states = (0..9).map(|id| device.task(TaskId(id))).collect();
    let queued = device.queued();
    let mut told = BTreeSet::new();
    while let Some(output) = device.poll_output() {
        match output {
            Output::Fetch(exchange) => device.handle_input(now, Input::Info(exchange, Ok(info()))),
            Output::Open(_) => {
                device.handle_input(now, Input::Connected);
            }
            Output::Store(seq, op) => {
                told.insert(format!("store {op:?}"));
                device.handle_input(now, Input::Stored(seq));
            }
            Output::Send(publish) => {
                check_known(&publish.message, records);
                told.insert(format!("send {:?}", publish.message));
                device.handle_input(now, Input::Sent(publish.send));
            }
            Output::Event(event @ (Event::Work { .. } | Event::Cancel { .. })) => {
                told.insert(format!("{event:?}"));
            }
            _ => {}
        }
    }
    assert_eq!(device.unsent(), 0);
    (states, queued, told)
}

pub(super) fn check_known(message: &Message, records: &[Op]) {
    let told = match message {
        Message::Finish(finish) => (finish.id, Outcome::Taken(finish.taken.clone())),
        Message::Fail(fail) => (fail.id, Outcome::Failed(fail.reason.clone())),
        other => panic!("an analyser does not say {other:?}"),
    };
    let is_known = records.iter().any(|op| match op {
        Op::Result { id, outcome, .. } => (*id, &**outcome) == (told.0, &told.1),
        _ => false,
    });
    assert!(is_known, "invented: {told:?}");
}
