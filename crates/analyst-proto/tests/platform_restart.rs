//! The dispatcher after a restart, from each kind of last record.

mod platform_kit;

use analyst_proto::platform::{Op, Submission, Verdict};
use analyst_proto::wire::{TaskId, Text};
use platform_kit::{Rig, client, config, fail, finish, id, secs, taken, task, timeout};
use std::sync::Arc;

fn submitted() -> Op {
    Op::Submit(id(1), Arc::new(task(1)))
}

fn assigned(attempt: u32) -> Op {
    Op::Assign {
        id: id(1),
        attempt,
        client: client(attempt),
    }
}

fn out(attempt: u32) -> Op {
    Op::Out { id: id(1), attempt }
}

fn over(attempt: u32) -> Op {
    Op::Over { id: id(1), attempt }
}

fn failed(attempt: Option<u32>) -> Op {
    Op::FailNoted {
        id: id(1),
        attempt,
        reason: "太暗".into(),
    }
}

/// A dispatcher with these records and three analysers, not connected yet.
fn life(records: &[Op]) -> Rig {
    let mut rig = Rig::down(config(), 0);
    rig.records = records.to_vec();
    rig.restarted(3)
}

#[test]
fn a_task_that_was_submitted_waits() {
    let mut rig = life(&[submitted()]);
    assert_eq!(rig.platform.stats().queued, 1);
    rig.connect();
    assert_eq!(rig.starts(), ["1"]);
}

#[test]
fn a_task_whose_only_attempt_failed_waits_for_the_next() {
    let mut rig = life(&[submitted(), assigned(1), out(1), failed(Some(1))]);
    rig.connect();
    assert_eq!(rig.starts(), ["2"]);
    assert!(rig.stops().is_empty());
}

#[test]
fn an_attempt_that_the_broker_may_not_have_goes_out_again() {
    let mut rig = life(&[submitted(), assigned(1)]);
    rig.connect();
    assert_eq!(rig.starts(), ["1"]);
    assert!(
        !rig.asked()
            .iter()
            .any(|(_, op)| matches!(op, Op::Assign { .. }))
    );
}

#[test]
fn an_attempt_that_goes_on_has_a_fresh_lease_from_the_first_connection_on() {
    let mut rig = life(&[submitted(), assigned(1), out(1)]);
    rig.pass(secs(15));
    rig.connect();
    rig.log.clear();
    rig.pass(secs(59));
    assert!(rig.published().is_empty());
    rig.pass(secs(1));
    assert_eq!(rig.stops(), ["1"]);
    assert_eq!(rig.starts(), ["2"]);
}

#[test]
fn an_attempt_that_is_over_is_told_so_once_more() {
    let mut rig = life(&[submitted(), assigned(1), out(1), over(1)]);
    rig.connect();
    assert_eq!(rig.published()[0], ("1".to_owned(), timeout(1)));
    assert_eq!(rig.starts(), ["2"]);

    let all = [
        assigned(1),
        over(1),
        assigned(2),
        over(2),
        assigned(3),
        over(3),
    ];
    let records: Vec<Op> = [submitted()].into_iter().chain(all).collect();
    let mut rig = life(&records);
    rig.connect();
    assert_eq!(rig.stops(), ["1", "2", "3"]);
    rig.pass(secs(2));
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Expired)]);
}

#[test]
fn an_analyser_that_has_the_task_again_is_not_told_to_stop() {
    let again = Op::Assign {
        id: id(1),
        attempt: 2,
        client: client(1),
    };
    let mut rig = life(&[submitted(), assigned(1), out(1), over(1), again]);
    rig.connect();
    assert!(rig.stops().is_empty());
    assert_eq!(rig.starts(), ["1"]);
}

#[test]
fn reasons_are_remembered() {
    let records = [
        submitted(),
        assigned(1),
        over(1),
        assigned(2),
        failed(None),
        over(2),
        assigned(3),
        over(3),
    ];
    let mut rig = life(&records);
    rig.connect();
    rig.pass(secs(2));
    let reasons = vec![Text::from("太暗")];
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Failed(reasons))]);
}

#[test]
fn a_verdict_is_told_again_until_it_is_confirmed() {
    let terminal = Op::Terminal(id(1), Verdict::Finished(taken(4)));
    let rig = life(&[submitted(), assigned(1), terminal.clone()]);
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Finished(taken(4)))]);
    let rig = life(&[submitted(), assigned(1), terminal, Op::Confirmed(id(1))]);
    assert!(rig.verdicts().is_empty());
    assert_eq!(rig.platform.stats().remembered, 1);
}

#[test]
fn a_result_that_a_crash_took_the_acknowledgement_of_comes_again() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    rig.hear(finish(1, 4));
    let mut rig = rig.restarted(1);
    rig.log.clear();
    rig.connect();
    let delivery = rig.hear(finish(1, 4));
    assert!(rig.is_acked(delivery));
    assert!(rig.verdicts().is_empty());
}

#[test]
fn time_goes_on_while_nobody_runs() {
    let mut urgent = task(1);
    let mut rig = Rig::down(config(), 0);
    urgent.expires_at = Some(rig.wall().plus(5_000));
    rig.records = vec![Op::Submit(id(1), Arc::new(urgent))];
    rig.pass(secs(6));
    let rig = rig.restarted(1);
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Expired)]);
}

#[test]
fn what_is_left_of_a_forgotten_task_is_forgotten_too() {
    let rig = life(&[assigned(1), out(1)]);
    assert_eq!(rig.asked().len(), 1);
    assert!(matches!(rig.asked()[0].1, Op::Forget(TaskId(_))));
    assert_eq!(rig.platform.stats().queued, 0);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The records of a task MUST mean the same in any order.
fn records_mean_the_same_in_any_order() {
    let records = [
        submitted(),
        assigned(1),
        out(1),
        over(1),
        assigned(2),
        failed(None),
    ];
    let mut wanted = None;
    for order in permutations(records.len()) {
        let shuffled: Vec<Op> = order.iter().map(|&at| records[at].clone()).collect();
        let mut rig = life(&shuffled);
        rig.connect();
        rig.pass(secs(200));
        let said = format!("{:?}", rig.log);
        assert_eq!(
            *wanted.get_or_insert_with(|| said.clone()),
            said,
            "{order:?}"
        );
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(count - 1) {
        for at in 0..count {
            let mut longer = shorter.clone();
            longer.insert(at, count - 1);
            all.push(longer);
        }
    }
    all
}

/// Cuts a history after each of its records: whatever was promised before is kept.
#[test]
fn no_record_is_a_bad_one_to_stop_behind() {
    let mut rig = Rig::up(config(), 2);
    rig.submit(task(1));
    rig.pass(secs(60));
    rig.hear(fail(1, "太暗"));
    rig.hear(finish(1, 4));
    let history = rig.records.clone();
    assert_eq!(history.len(), 8, "{history:#?}");
    for end in 1..=history.len() {
        let mut rig = life(&history[..end]);
        rig.connect();
        rig.hear(finish(1, 4));
        let verdict = Verdict::Finished(taken(4));
        let told = rig.verdicts();
        // Before the first attempt nobody can have a result.
        if end == 1 {
            rig.pass(secs(1));
            rig.hear(finish(1, 4));
        }
        assert!(
            told.is_empty() || told == [(id(1), verdict.clone())],
            "{end}"
        );
        assert_eq!(rig.verdicts(), [(id(1), verdict)], "{end}");
    }
}

#[test]
fn a_submission_keeps_what_it_asks_for() {
    let mut wish = task(1);
    wish.priority = 3;
    wish.lease = Some(secs(5));
    wish.max_attempts = Some(1);
    let keep: Submission = wish.clone();
    let mut rig = life(&[Op::Submit(id(1), Arc::new(keep))]);
    rig.connect();
    rig.pass(secs(5));
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Expired)]);
}
