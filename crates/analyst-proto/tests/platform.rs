//! The dispatcher: from a task to its verdict.

mod platform_kit;

use analyst_proto::link::{Down, Seq};
use analyst_proto::platform::{Event, Input, Late, Op, Output, Reason, Refused, Verdict};
use analyst_proto::wire::{Message, TaskId, Text};
use platform_kit::{
    Rig, client, config, fail, finish, id, ms, registration, secs, taken, task, timeout,
};

#[test]
fn a_task_is_accepted_once_it_is_kept() {
    let mut rig = Rig::up(config(), 1);
    rig.stores = false;
    rig.submit(task(1));
    assert!(rig.events().is_empty());
    rig.submit(task(2));
    let asked = rig.asked();
    assert!(matches!(asked[..], [(_, Op::Submit(..))]));
    rig.tell(Input::Stored(asked[0].0));
    assert_eq!(rig.events(), [Event::Accepted(id(2))]);
}

#[test]
fn a_task_goes_to_an_analyser_and_its_result_comes_back() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    let [(to, Message::Start(start))] = &rig.published()[..] else {
        panic!("{:?}", rig.log);
    };
    assert_eq!((to.as_str(), start.id), ("1", id(1)));
    let delivery = rig.hear(finish(1, 4));
    assert!(rig.is_acked(delivery));
    let verdict = Event::Verdict {
        id: id(1),
        verdict: Verdict::Finished(taken(4)),
        attempts: 1,
        client: Some(client(1)),
    };
    assert_eq!(rig.events(), [Event::Accepted(id(1)), verdict]);
}

#[test]
fn a_number_in_use_is_refused() {
    let mut rig = Rig::up(config(), 1);
    let wall = rig.wall();
    rig.submit(task(1));
    let again = rig.platform.submit(rig.now, wall, task(1));
    assert_eq!(again, Err(Refused::Known(task(1))));
    rig.hear(finish(1, 4));
    rig.platform.confirm(rig.now, id(1)).unwrap();
    rig.pass(secs(1));
    let again = rig.platform.submit(rig.now, wall, task(1));
    assert_eq!(again, Err(Refused::Known(task(1))), "remembered");
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST refuse a task beyond `max_tasks`.
fn one_task_too_many_is_given_back() {
    let mut config = config();
    config.max_tasks = 2;
    let mut rig = Rig::up(config, 0);
    rig.submit(task(1));
    rig.submit(task(2));
    let wall = rig.wall();
    let third = rig.platform.submit(rig.now, wall, task(3));
    assert_eq!(third, Err(Refused::Full(task(3))));
}

#[test]
fn a_lease_that_runs_out_moves_the_task_to_another_analyser() {
    let mut rig = Rig::up(config(), 2);
    rig.submit(task(1));
    assert_eq!(rig.starts(), ["1"]);
    rig.log.clear();
    rig.pass(secs(59));
    assert!(rig.published().is_empty());
    rig.pass(secs(1));
    assert_eq!(
        rig.published()[0],
        ("1".to_owned(), timeout(1)),
        "stops first"
    );
    assert_eq!(rig.starts(), ["2"]);
    let timed_out = Event::TimedOut {
        id: id(1),
        attempt: 1,
        client: client(1),
    };
    assert_eq!(rig.events(), [timed_out]);
}

#[test]
fn delays_lie_between_attempts() {
    let mut config = config();
    config.suspend_after = 9;
    let mut rig = Rig::up(config, 3);
    rig.submit(task(1));
    rig.pass(secs(60)); // the second at once
    rig.log.clear();
    rig.pass(secs(60) + ms(1_999));
    assert_eq!(rig.stops(), ["2"]);
    assert!(rig.starts().is_empty());
    rig.pass(ms(1));
    assert_eq!(rig.starts(), ["3"], "the third after 2 s");
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A task MUST end as expired when all its attempts are over and nobody said anything.
fn nobody_answers() {
    let mut rig = Rig::up(config(), 3);
    rig.submit(task(1));
    rig.pass(secs(60 + 60 + 2 + 60));
    assert!(rig.verdicts().is_empty(), "somebody may be late");
    rig.pass(secs(2));
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Expired)]);
    assert_eq!(rig.stops(), ["1", "2", "3"]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A FAIL of the only attempt MUST end it, and the task if it is fatal or no attempt is left.
fn the_only_attempt_fails() {
    let mut rig = Rig::up(config(), 2);
    rig.submit(task(1));
    let delivery = rig.hear(fail(1, "视频无法打开"));
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.starts(), ["1", "2"]);
    assert!(rig.stops().is_empty(), "it knows");

    let mut once = config();
    once.max_attempts = 1;
    let mut rig = Rig::up(once, 2);
    rig.submit(task(1));
    rig.hear(fail(1, "视频无法打开"));
    let reasons = vec![Text::from("视频无法打开")];
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Failed(reasons))]);

    let mut fatal = config();
    fatal.fatal_reasons = vec!["404".to_owned()];
    let mut rig = Rig::up(fatal, 2);
    rig.submit(task(1));
    rig.hear(fail(1, "404 no such video"));
    let reasons = vec![Text::from("404 no such video")];
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Failed(reasons))]);
}

#[test]
fn an_analyser_that_is_busy_does_not_use_up_an_attempt() {
    let mut config = config();
    config.max_attempts = 1;
    let mut rig = Rig::up(config, 2);
    rig.submit(task(1));
    rig.hear(fail(1, "busy: 4 tasks"));
    assert_eq!(rig.starts(), ["1", "2"]);
    assert!(rig.verdicts().is_empty());
}

#[test]
fn results_for_tasks_that_nobody_has_change_nothing() {
    let mut rig = Rig::up(config(), 0);
    rig.submit(task(1));
    rig.log.clear();
    let delivery = rig.hear(finish(1, 4));
    assert!(rig.is_acked(delivery));
    rig.hear(fail(1, "?"));
    rig.hear(finish(90_000, 1));
    let unsolicited = Event::Unsolicited(id(1));
    let unknown = Event::UnknownResult(id(90_000));
    assert_eq!(rig.events(), [unsolicited.clone(), unsolicited, unknown]);
    assert_eq!(rig.platform.counters().stray, 3);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST report a number that is that of a task once it is rounded to floating point,
//# and take it for that task only if its settings say so.
fn a_rounded_number_is_recognised() {
    for takes in [false, true] {
        let mut config = config();
        config.rounded_ids = takes;
        let mut rig = Rig::up(config, 1);
        rig.submit(task(1));
        rig.hear(finish(0, 4)); // …200 for …201
        let (got, live) = (id(0), id(1));
        assert!(
            rig.log
                .contains(&Output::Event(Event::RoundedId { got, live }))
        );
        assert_eq!(rig.verdicts().len(), usize::from(takes));
    }
    // Two tasks that it could mean.
    let mut config = config();
    config.rounded_ids = true;
    let mut rig = Rig::up(config, 2);
    rig.submit(task(1));
    rig.submit(task(2));
    rig.log.clear();
    rig.hear(finish(0, 4));
    assert_eq!(rig.events(), [Event::UnknownResult(id(0))]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST report a result that comes after the verdict, and whether it says the same.
fn a_late_result_is_compared_with_the_verdict() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    rig.hear(finish(1, 4));
    for confirms in [false, true] {
        if confirms {
            rig.platform.confirm(rig.now, id(1)).unwrap();
            rig.pass(secs(1));
        }
        rig.log.clear();
        for message in [finish(1, 4), finish(1, 5), fail(1, "?")] {
            let delivery = rig.hear(message);
            assert!(rig.is_acked(delivery));
        }
        let late = [Late::Same, Late::Conflict, Late::Fail];
        let late = late.map(|late| Event::LateResult(id(1), late));
        assert_eq!(rig.events(), late);
    }
}

#[test]
fn a_task_can_be_cancelled_until_it_is_decided() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    rig.platform.cancel(rig.now, id(1)).unwrap();
    rig.pass(secs(0));
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Cancelled)]);
    assert_eq!(rig.stops(), ["1"]);
    let late = rig.platform.cancel(rig.now, id(1));
    assert_eq!(late, Err(Refused::Decided(id(1))));
    let unknown = rig.platform.cancel(rig.now, id(2));
    assert_eq!(unknown, Err(Refused::Unknown(id(2))));
    rig.log.clear();
    rig.hear(finish(1, 4));
    assert_eq!(rig.events(), [Event::LateResult(id(1), Late::Conflict)]);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# A task MUST end as expired at its time whatever the connection does.
fn a_person_at_the_door_is_not_made_to_wait() {
    for is_up in [true, false] {
        let mut rig = Rig::up(config(), 1);
        let mut urgent = task(1);
        urgent.expires_at = Some(rig.wall().plus(30_000));
        rig.submit(urgent);
        if !is_up {
            rig.tell(Input::Disconnected(Down::Lost));
        }
        rig.pass(ms(29_999));
        assert!(rig.verdicts().is_empty());
        rig.pass(ms(1));
        assert_eq!(rig.verdicts(), [(id(1), Verdict::Expired)]);
    }
}

#[test]
fn a_task_waits_in_the_queue_no_longer_than_it_may() {
    let mut config = config();
    config.queue_wait = Some(secs(10));
    let mut rig = Rig::up(config, 1);
    rig.submit(task(1)); // has an analyser
    rig.submit(task(2)); // waits for it
    rig.pass(secs(10));
    assert_eq!(rig.verdicts(), [(id(2), Verdict::Expired)]);
    assert!(rig.stops().is_empty());
}

#[test]
fn urgent_tasks_go_first_and_older_ones_of_the_same_urgency() {
    let mut rig = Rig::up(config(), 0);
    for (number, priority) in [(1, 0), (2, 0), (3, 7)] {
        let mut submission = task(number);
        submission.priority = priority;
        rig.submit(submission);
    }
    rig.platform.register(rig.now, registration(1)).unwrap();
    rig.pass(secs(0));
    for number in [3, 1, 2] {
        let published = rig.published();
        let Some((_, Message::Start(start))) = published.last() else {
            panic!("{published:?}");
        };
        assert_eq!(start.id, id(number));
        rig.log.clear();
        rig.hear(finish(number, 1));
    }
}

#[test]
fn a_task_is_nudged_when_half_its_lease_is_over() {
    let mut config = config();
    config.nudge = true;
    let mut rig = Rig::up(config, 1);
    rig.submit(task(1));
    rig.pass(secs(30));
    assert_eq!(rig.starts(), ["1", "1"]);
    rig.log.clear();
    rig.pass(secs(30));
    assert_eq!(rig.stops(), ["1"], "the lease is no longer for it");
}

#[test]
fn a_task_that_no_broker_takes_fails() {
    let mut rig = Rig::up(config(), 1);
    rig.acks = false;
    rig.submit(task(1));
    let send = rig.publishes().next().unwrap().send;
    rig.not_sent(send, analyst_proto::link::NotSent::TooLarge);
    let reason = Text::from("the task is larger than the broker takes");
    assert_eq!(rig.verdicts(), [(id(1), Verdict::Failed(vec![reason]))]);
    assert_eq!(rig.platform.stats().free, 1);
}

#[test]
fn what_is_none_of_a_dispatchers_business_is_acknowledged_and_counted() {
    let mut rig = Rig::up(config(), 1);
    let start = Message::Start(task(1).task);
    for message in [start, timeout(1)] {
        let delivery = rig.hear(message);
        assert!(rig.is_acked(delivery));
    }
    assert_eq!(rig.platform.counters().unexpected, 2);
    let unexpected = ["ANALYSIS_START", "ANALYSIS_TIMEOUT"].map(Event::Unexpected);
    assert_eq!(rig.events(), unexpected);
}

#[test]
fn a_label_tells_which_attempt_failed() {
    let mut config = config();
    config.label_attempts = true;
    let mut rig = Rig::up(config, 3);
    rig.submit(task(1));
    let [(_, Message::Start(start))] = &rig.published()[..] else {
        panic!("{:?}", rig.log);
    };
    let label = start.analyst_id.clone().unwrap();
    assert_eq!(label, r#""GID_Analyst@@@analyst_1#1""#);
    rig.pass(secs(60));
    rig.log.clear();
    let labelled = |attempt: u32| {
        let Message::Fail(mut fail) = fail(1, "?") else {
            unreachable!()
        };
        let label = format!(r#""GID_Analyst@@@analyst_{attempt}#{attempt}""#);
        fail.analyst_id = Some(label.into());
        Message::Fail(fail)
    };
    rig.hear(labelled(1));
    rig.pass(secs(1));
    assert!(rig.starts().is_empty(), "an earlier attempt");
    rig.hear(labelled(2));
    rig.pass(secs(2));
    assert_eq!(rig.starts(), ["3"], "this one");
}

#[test]
fn an_analyser_that_is_offline_is_given_nothing() {
    let mut rig = Rig::up(config(), 1);
    for online in [false, true] {
        let client = client(1);
        rig.tell(Input::Presence { client, online });
        if !online {
            rig.submit(task(1));
        }
        assert_eq!(rig.starts().len(), usize::from(online));
    }
}

#[test]
fn an_analyser_that_is_unregistered_is_given_nothing_more() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    let gone = rig.platform.unregister(rig.now, &client(1));
    assert_eq!(gone, Ok(registration(1)));
    rig.submit(task(2));
    assert_eq!(rig.starts(), ["1"]);
    rig.hear(finish(1, 4));
    assert_eq!(rig.verdicts().len(), 1, "its result still counts");
    let again = rig.platform.unregister(rig.now, &client(1));
    assert_eq!(again, Err(Refused::Unknown(client(1))));
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST give no task to an analyser for a while after `suspend_after` of its leases
//# have run out in a row, and then one task at a time until it answers.
fn an_analyser_that_never_answers_is_given_a_rest() {
    let mut config = config();
    config.max_attempts = 1;
    let mut rig = Rig::up(config, 0);
    let mut strong = registration(1);
    strong.capacity = 3;
    rig.platform.register(rig.now, strong).unwrap();
    for number in 1..=6 {
        rig.submit(task(number));
    }
    assert_eq!(rig.starts().len(), 3);
    rig.log.clear();
    rig.pass(secs(60));
    assert!(rig.starts().is_empty());
    let rests = Event::Suspended(client(1), secs(60));
    assert!(rig.events().contains(&rests));
    rig.pass(secs(60));
    assert_eq!(rig.starts().len(), 1, "one to try it");
    rig.log.clear();
    rig.pass(secs(60));
    let rests = Event::Suspended(client(1), secs(120));
    assert!(rig.events().contains(&rests), "longer each time");
    rig.pass(secs(120));
    assert_eq!(rig.starts().len(), 1);
    rig.hear(finish(5, 4));
    assert_eq!(rig.platform.stats().free, 1);
}

#[test]
fn what_ends_it_is_told_once_and_last() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    rig.log.clear();
    rig.platform.close(rig.now);
    rig.platform.close(rig.now);
    rig.pass(secs(100));
    let closed = Output::Event(Event::Closed(Reason::Local));
    assert_eq!(rig.log, [closed, Output::Disconnect]);
    assert!(rig.platform.poll_timeout().is_none());
    let wall = rig.wall();
    let late = rig.platform.submit(rig.now, wall, task(2));
    assert_eq!(late, Err(Refused::Closed(task(2))));
    assert_eq!(
        rig.platform.cancel(rig.now, id(1)),
        Err(Refused::Closed(id(1)))
    );
    assert_eq!(
        rig.platform.confirm(rig.now, id(1)),
        Err(Refused::Closed(id(1)))
    );
    rig.tell(Input::Stored(Seq(1)));
    assert!(rig.platform.poll_output().is_none());
}

#[test]
fn verdicts_are_forgotten_when_they_are_many_or_old() {
    let mut config = config();
    config.tombstones = 1;
    config.tombstone_time = secs(3_600);
    let mut rig = Rig::up(config, 1);
    for number in [1, 2] {
        rig.submit(task(number));
        rig.hear(finish(number, 4));
        rig.platform.confirm(rig.now, id(number)).unwrap();
        rig.pass(secs(1));
    }
    assert_eq!(forgotten(&rig), [id(1)]);
    rig.log.clear();
    rig.pass(secs(3_600));
    assert_eq!(forgotten(&rig), [id(2)]);
    assert_eq!(rig.platform.stats().remembered, 0);
}

#[test]
//= docs/spec/analyst-proto.md#dispatcher
//= type=test
//# The dispatcher MUST refuse the number of a task that it has not forgotten, or whose records the
//# store has not.
fn a_number_is_free_again_once_the_store_has_forgotten_it() {
    let mut config = config();
    config.tombstones = 0;
    let mut rig = Rig::up(config, 1);
    rig.submit(task(1));
    rig.hear(finish(1, 4));
    rig.stores = false;
    rig.platform.confirm(rig.now, id(1)).unwrap();
    rig.pass(secs(1));
    let is_free = |rig: &mut Rig| {
        let mut other = rig.platform.clone();
        other.submit(rig.now, rig.wall(), task(1)).is_ok()
    };
    assert!(!is_free(&mut rig));
    let (confirmed, _) = rig.asked().pop().unwrap();
    rig.tell(Input::Stored(confirmed));
    assert_eq!(forgotten(&rig), [id(1)]);
    let (forget, _) = rig.asked().pop().unwrap();
    rig.fail_store(forget);
    assert!(!is_free(&mut rig));
    rig.tell(Input::Stored(forget));
    assert!(is_free(&mut rig));
}

#[test]
fn a_task_is_forgotten_behind_all_that_is_to_be_stored_about_it() {
    let mut config = config();
    config.tombstones = 0;
    let mut rig = Rig::up(config, 1);
    rig.acks = false;
    rig.submit(task(1));
    rig.stores = false;
    let send = rig.publishes().last().unwrap().send;
    rig.tell(Input::Sent(send));
    let (out, _) = rig.asked().pop().unwrap();
    rig.fail_store(out);
    rig.stores = true;
    rig.hear(finish(1, 4));
    rig.platform.confirm(rig.now, id(1)).unwrap();
    rig.pass(ms(1));
    assert_eq!(forgotten(&rig), []);
    rig.tell(Input::Stored(out));
    assert_eq!(forgotten(&rig), [id(1)]);
}

fn forgotten(rig: &Rig) -> Vec<TaskId> {
    let asked = rig.asked().into_iter();
    asked
        .filter_map(|(_, op)| match op {
            Op::Forget(id) => Some(id),
            _ => None,
        })
        .collect()
}
