//! The extensions: labels that tell attempts apart, and signs of progress.

mod platform_kit;

use analyst_proto::platform::{Event, Input, Op, Output, Verdict};
use analyst_proto::wire::{Message, Progress};
use platform_kit::{Rig, config, fail, finish, id, ms, secs, taken, task};

/// A failure that names an attempt of an analyser.
fn labelled(analyst: u32, attempt: u32) -> Message {
    let Message::Fail(mut fail) = fail(1, "太暗") else {
        unreachable!()
    };
    let label = format!(r#""GID_Analyst@@@analyst_{analyst}#{attempt}""#);
    fail.analyst_id = Some(label.into());
    Message::Fail(fail)
}

/// Two attempts were made, both without an answer so far; the second is the last.
fn second_attempt() -> Rig {
    let mut config = config();
    (config.label_attempts, config.max_attempts) = (true, 2);
    let mut rig = Rig::up(config, 3);
    rig.submit(task(1));
    rig.pass(secs(60));
    assert_eq!(rig.starts(), ["1", "2"]);
    rig.log.clear();
    rig
}

/// The attempts of failures that the store was asked to keep since somebody looked.
fn noted(rig: &Rig) -> Vec<Option<u32>> {
    let ops = rig.log.iter().filter_map(|output| match output {
        Output::Store(_, Op::FailNoted { attempt, .. }) => Some(*attempt),
        _ => None,
    });
    ops.collect()
}

#[test]
fn a_label_counts_from_the_analyser_alone_that_had_the_attempt() {
    let mut rig = second_attempt();
    rig.hear(labelled(3, 2));
    rig.hear(labelled(2, 1));
    assert_eq!(noted(&rig), [None]);
    rig.hear(labelled(1, 1));
    assert_eq!(noted(&rig), [None, Some(1)]);
    assert!(rig.verdicts().is_empty());
}

#[test]
fn a_p4_a_last_attempt_that_fails_waits_for_one_before_that_is_silent() {
    let mut rig = second_attempt();
    rig.hear(labelled(2, 2));
    assert_eq!(noted(&rig), [Some(2)]);
    rig.pass(ms(1_999));
    assert!(rig.verdicts().is_empty());
    rig.pass(ms(1));
    let reasons = vec!["太暗".into()];
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Failed(reasons))]);
}

#[test]
fn a_p4_a_last_attempt_that_fails_ends_the_task_if_none_before_is_silent() {
    let mut rig = second_attempt();
    rig.hear(labelled(1, 1));
    rig.hear(labelled(2, 2));
    let reasons = vec!["太暗".into(), "太暗".into()];
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Failed(reasons))]);
}

#[test]
fn a_label_of_an_attempt_that_nobody_was_given_yet_says_nothing() {
    let mut config = config();
    config.label_attempts = true;
    let mut rig = Rig::up(config, 2);
    rig.submit(task(1));
    rig.stores = false;
    rig.pass(secs(60)); // the second attempt is being kept
    rig.log.clear();
    rig.hear(labelled(2, 2));
    assert_eq!(noted(&rig), [None]);
}

#[test]
fn progress_gives_a_lease_to_nobody_who_has_none() {
    let mut config = config();
    (config.takes_progress, config.max_attempts) = (true, 1);
    let mut rig = Rig::up(config, 1);
    let progress = || Message::Progress(Progress::new(id(1)));
    rig.acks = false;
    rig.submit(task(1));
    rig.hear(progress());
    let send = rig.publishes().next().unwrap().send;
    rig.acks = true;
    rig.pass(secs(10));
    rig.tell(Input::Sent(send));
    rig.pass(secs(50));
    rig.hear(progress());
    rig.pass(ms(59_999));
    assert!(rig.verdicts().is_empty(), "which began anew");
    rig.hear(finish(1, 4));
    rig.hear(progress());
    rig.log.clear();
    rig.pass(secs(120));
    assert_eq!(rig.events(), Vec::<Event>::new());
    assert_eq!(rig.platform.stats().judged, 1);
    assert!(
        rig.records
            .contains(&Op::Terminal(id(1), Verdict::Finished(taken(4))))
    );
}
