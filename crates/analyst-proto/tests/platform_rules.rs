//! The dispatcher's rules, one by one.

mod platform_kit;

use analyst_proto::BrokerProfile;
use analyst_proto::link::Down;
use analyst_proto::platform::{Event, Input, Late, Op, Output, Verdict};
use analyst_proto::wire::{Message, Text};
use platform_kit::{Rig, client, config, fail, finish, id, ms, secs, taken, task, timeout};

/// Two attempts were made, the second goes on.
fn second_attempt() -> Rig {
    let mut rig = Rig::up(config(), 3);
    rig.submit(task(1));
    rig.pass(secs(60));
    assert_eq!(rig.starts(), ["1", "2"]);
    rig.log.clear();
    rig
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The lease of an attempt MUST begin when the broker acknowledges its START.
fn a_p1_a_lease_begins_with_the_brokers_acknowledgement() {
    let mut rig = Rig::up(config(), 2);
    rig.acks = false;
    rig.submit(task(1));
    rig.pass(secs(10));
    let send = rig.publishes().next().unwrap().send;
    rig.tell(Input::Sent(send));
    rig.log.clear();
    rig.pass(ms(59_999));
    assert!(rig.stops().is_empty());
    rig.pass(ms(1));
    assert_eq!(rig.stops(), ["1"]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The first FINISH for a task that has no verdict MUST become its verdict, whoever sent it.
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST send TIMEOUT to the analyser that has a task when an earlier attempt may
//# have finished it.
fn a_p2_the_first_finish_wins_whoever_sent_it() {
    let mut rig = second_attempt();
    rig.hear(finish(1, 4));
    assert_eq!(rig.stops(), ["2"], "it may be the first one's");
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Finished(taken(4)))]);
    rig.log.clear();
    rig.hear(finish(1, 5));
    assert_eq!(rig.events(), [Event::LateResult(id(1), Late::Conflict)]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A FAIL MUST NOT end an attempt unless it is known to be of that attempt.
fn a_p3_a_fail_decides_only_while_a_single_attempt_was_made() {
    let mut rig = second_attempt();
    let delivery = rig.hear(fail(1, "太暗"));
    assert!(rig.is_acked(delivery));
    let held = Event::FailHeld {
        id: id(1),
        reason: "太暗".into(),
    };
    assert_eq!(rig.events(), [held]);
    rig.pass(secs(59));
    assert!(rig.starts().is_empty(), "the second may well go on");
    rig.hear(finish(1, 4));
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Finished(taken(4)))]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A task MUST end as failed only when each of its attempts has failed or is over, and after
//# `linger` if one before the last has not failed.
fn a_p4_a_task_fails_only_when_nothing_more_can_come() {
    let mut config = config();
    config.max_attempts = 2;
    let mut rig = Rig::up(config, 2);
    rig.submit(task(1));
    rig.pass(secs(60));
    rig.hear(fail(1, "太暗"));
    rig.pass(secs(60));
    assert!(rig.verdicts().is_empty(), "one has said nothing yet");
    rig.pass(ms(1_999));
    assert!(rig.verdicts().is_empty());
    let mut late = rig.restarted(2);
    rig.pass(ms(1));
    let reasons = vec![Text::from("太暗")];
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Failed(reasons))]);
    // In another world the result was only late.
    late.connect();
    late.hear(finish(1, 4));
    assert_eq!(late.verdicts(), [(id(1), Verdict::Finished(taken(4)))]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST NOT give a task to the same analyser again before the broker has
//# acknowledged the TIMEOUT of the attempt before.
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST send TIMEOUT to an analyser whose lease has run out.
fn a_p5_the_same_analyser_is_told_to_stop_before_it_starts_again() {
    let mut strong = platform_kit::registration(1);
    strong.capacity = 2;
    let mut rig = Rig::up(config(), 0);
    rig.platform.register(rig.now, strong).unwrap();
    rig.submit(task(1));
    rig.acks = false;
    rig.log.clear();
    rig.pass(secs(65));
    assert_eq!(rig.published(), [("1".to_owned(), timeout(1))]);
    let send = rig.publishes().next().unwrap().send;
    rig.log.clear();
    rig.tell(Input::Sent(send));
    assert_eq!(rig.starts(), ["1"]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST give a task to an analyser that has not had it before one that has, and
//# among those to the one with the fewest tasks.
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST NOT have more attempts with an analyser at a time than its capacity.
fn a_p6_the_one_with_the_fewest_tasks_is_chosen_and_then_the_longest_idle() {
    let mut rig = Rig::up(config(), 2);
    let mut strong = platform_kit::registration(3);
    strong.capacity = 2;
    rig.platform.register(rig.now, strong).unwrap();
    for number in 1..=5 {
        rig.submit(task(number));
    }
    assert_eq!(rig.starts(), ["1", "2", "3", "3"], "no room for the fifth");
    rig.log.clear();
    rig.hear(finish(2, 1)); // 2 is free, and gets the fifth
    assert_eq!(rig.starts(), ["2"]);
    rig.hear(finish(1, 1));
    rig.hear(finish(5, 1));
    rig.log.clear();
    rig.submit(task(6));
    assert_eq!(rig.starts(), ["1"], "2 was busy until now");
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST NOT send START before the attempt is stored.
fn a_p7_a_start_leaves_once_its_attempt_is_kept() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    rig.hear(finish(1, 1));
    rig.stores = false;
    rig.submit(task(2));
    rig.log.retain(|output| matches!(output, Output::Store(..)));
    rig.store_all();
    assert!(matches!(
        rig.asked().last(),
        Some((_, Op::Assign { attempt: 1, .. }))
    ));
    assert!(rig.starts().is_empty());
    rig.store_all();
    assert_eq!(rig.starts(), ["1"]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST acknowledge a result only once what follows from it is stored.
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST report the verdict of a task once it is stored, and again after each restart
//# until it is confirmed.
fn a_p8_a_verdict_is_told_once_it_is_kept_and_until_it_is_confirmed() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    rig.stores = false;
    rig.log.clear();
    let delivery = rig.hear(finish(1, 4));
    assert!(rig.verdicts().is_empty());
    assert!(!rig.is_acked(delivery));
    rig.store_all();
    assert!(rig.is_acked(delivery));
    let verdict = [(id(1), Verdict::Finished(taken(4)))];
    assert_eq!(rig.verdicts(), verdict);

    rig.stores = true;
    let mut rig = rig.restarted(1);
    assert_eq!(rig.verdicts(), verdict, "again");
    rig.platform.confirm(rig.now, id(1)).unwrap();
    rig.pass(secs(1));
    let rig = rig.restarted(1);
    assert!(rig.verdicts().is_empty());
    assert_eq!(rig.platform.stats().remembered, 1);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A FINISH that comes before a verdict of failure or expiry is stored MUST replace it.
fn a_result_is_not_thrown_away_while_its_failure_is_being_kept() {
    let mut config = config();
    config.max_attempts = 1;
    let mut rig = Rig::up(config, 1);
    rig.submit(task(1));
    rig.stores = false;
    rig.log.clear();
    rig.pass(secs(60));
    let expired = rig.asked();
    assert!(matches!(
        expired[..],
        [(_, Op::Terminal(_, Verdict::Expired))]
    ));
    let delivery = rig.hear(finish(1, 4));
    rig.tell(Input::Stored(expired[0].0));
    assert!(rig.verdicts().is_empty(), "that one says nothing any more");
    rig.store_all();
    assert!(rig.is_acked(delivery));
    let verdict = [(id(1), Verdict::Finished(taken(4)))];
    assert_eq!(rig.verdicts(), verdict);
    assert_eq!(
        rig.restarted(1).verdicts(),
        verdict,
        "with both in the store"
    );
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST NOT judge by time while it is not connected, nor within `settle` after it
//# was.
fn a_p9_a_deaf_dispatcher_does_not_judge() {
    let mut config = config();
    config.settle = secs(10);
    let mut rig = Rig::up(config, 2);
    rig.submit(task(1));
    rig.log.clear();
    rig.tell(Input::Disconnected(Down::Lost));
    rig.pass(secs(100));
    assert!(rig.starts().is_empty());
    rig.connect();
    rig.pass(ms(9_999));
    assert!(rig.stops().is_empty());
    let mut heard = rig.restarted(2);
    rig.pass(ms(1));
    assert_eq!(rig.stops(), ["1"]);
    assert_eq!(rig.starts(), ["2"]);
    heard.connect();
    heard.hear(finish(1, 4));
    assert_eq!(heard.verdicts(), [(id(1), Verdict::Finished(taken(4)))]);
}

#[test]
fn a_p10_room_is_free_once_the_broker_has_the_timeout() {
    let mut config = config();
    config.max_attempts = 1;
    let mut rig = Rig::up(config, 1);
    rig.submit(task(1));
    rig.submit(task(2));
    rig.acks = false;
    rig.log.clear();
    rig.pass(secs(60));
    assert_eq!(rig.published(), [("1".to_owned(), timeout(1))]);
    let send = rig.publishes().next().unwrap().send;
    rig.tell(Input::Sent(send));
    assert_eq!(rig.starts(), ["1"]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST NOT publish more messages a second than `rate`.
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST send TIMEOUT before START where both wait.
fn a_p13_the_rate_is_kept_and_those_who_may_stop_hear_it_first() {
    let mut config = config();
    config.rate = BrokerProfile::Lmq.rate();
    config.suspend_after = 1_000;
    let mut rig = Rig::up(config, 100);
    for number in 1..=60 {
        rig.submit(task(number));
    }
    assert_eq!(rig.starts().len(), 20, "at once");
    rig.pass(secs(1));
    assert_eq!(rig.starts().len(), 40);
    rig.pass(secs(1));
    assert_eq!(rig.starts().len(), 60);
    rig.log.clear();
    rig.pass(secs(58));
    let messages = rig.published().into_iter().map(|(_, message)| message);
    let is_stop: Vec<bool> = messages
        .map(|it| matches!(it, Message::Timeout(_)))
        .collect();
    assert_eq!(is_stop.len(), 20);
    assert!(is_stop.iter().all(|&it| it), "{is_stop:?}");
    assert_eq!(rig.platform.stats().unsent, 16, "and as many again wait");
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST report a task as accepted once it is stored.
fn a_task_whose_store_fails_is_not_accepted() {
    let mut rig = Rig::up(config(), 1);
    rig.stores = false;
    rig.submit(task(1));
    let (seq, _) = rig.asked()[0];
    rig.log.clear();
    rig.fail_store(seq);
    assert_eq!(rig.events(), [Event::StoreTrouble]);
    rig.pass(ms(1_201));
    let (again, _) = rig.asked()[0];
    assert_eq!(again, seq);
    rig.tell(Input::Stored(seq));
    assert_eq!(rig.events(), [Event::Accepted(id(1))]);
}

#[test]
fn nobody_is_named_whose_result_it_may_not_be() {
    let mut rig = second_attempt();
    rig.hear(finish(1, 4));
    let named = rig.log.iter().any(|output| {
        matches!(
            output,
            Output::Event(Event::Verdict {
                client: Some(_),
                ..
            })
        )
    });
    assert!(!named);
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    rig.hear(finish(1, 4));
    let named = rig.log.iter().any(|output| {
        matches!(output, Output::Event(Event::Verdict { client: Some(it), .. }) if *it == client(1))
    });
    assert!(named);
}

#[test]
fn a_p8_a_fail_that_comes_again_waits_for_what_keeps_it_and_nothing_else() {
    let mut rig = second_attempt();
    rig.stores = false;
    let first = rig.hear(fail(1, "太暗"));
    let (noted, _) = rig.asked().pop().unwrap();
    rig.pass(secs(60)); // and what is known of the second attempt is stored before that
    let is_over = |op: &Op| matches!(op, Op::Over { .. });
    let (over, _) = rig.asked().into_iter().find(|(_, op)| is_over(op)).unwrap();
    rig.tell(Input::Stored(over));
    let second = rig.hear(fail(1, "太暗"));
    assert!(!rig.is_acked(first) && !rig.is_acked(second));
    rig.tell(Input::Stored(noted));
    assert!(rig.is_acked(first) && rig.is_acked(second));
    let third = rig.hear(fail(1, "太暗"));
    assert!(rig.is_acked(third));
    let other = rig.hear(fail(1, "404"));
    let again = rig.hear(fail(1, "太暗"));
    assert!(
        rig.is_acked(again) && !rig.is_acked(other),
        "another reason"
    );
}

#[test]
fn a_p1_a_lease_is_a_second_at_least_and_an_hour_at_most() {
    for (asked, given) in [(0, 1), (36_000, 3_600)] {
        let mut rig = Rig::up(config(), 1);
        let mut submission = task(1);
        submission.lease = Some(secs(asked));
        rig.submit(submission);
        rig.pass(ms(1_000 * given - 1));
        assert!(rig.stops().is_empty());
        rig.pass(ms(1));
        assert_eq!(rig.stops(), ["1"]);
    }
}
