//! Stores that are slow or fail, and what waits for them.

mod device_kit;

use analyst_proto::device::{Event, Input, Op, Output, Reason, ReplyToTimeout, State, TaskState};
use analyst_proto::link::HangUp;
use analyst_proto::link::{Down, Seq};
use device_kit::{Rig, config, finish, ms, secs};

/// With a store that does nothing.
fn stuck() -> Rig {
    let mut rig = Rig::up(config());
    rig.is_store_prompt = false;
    rig
}

//= docs/spec/analyst-proto.md#analyser
//# A request that the store has not carried out MUST be made again.
#[test]
fn a_request_that_failed_is_made_again_later_and_later() {
    let mut rig = stuck();
    let delivery = rig.start(1);
    for nth in 0..7 {
        let op = rig.fail_store();
        let wanted = (1_u32 << nth).min(30);
        let due = rig.device.poll_timeout().expect("a timer");
        let pause = (due - rig.now).as_secs_f64() / f64::from(wanted);
        assert!((0.79..1.21).contains(&pause), "{nth}: {pause}");
        rig.wait(due - rig.now);
        assert_eq!(rig.waiting.back().map(|(_, again)| again), Some(&op));
    }
    assert_eq!(rig.times_said(&Event::StoreTrouble), 1);
    assert!(!rig.is_acked(delivery));
    rig.store_one();
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.work(), [(1, 1)]);
    rig.start(2);
    rig.fail_store();
    assert_eq!(rig.times_said(&Event::StoreTrouble), 2, "it is new trouble");
}

#[test]
fn each_kind_of_request_is_made_again_and_what_depends_on_it_waits() {
    let mut rig = stuck();
    rig.start(1);
    rig.start(2);
    for wanted in [TaskState::Accepting, TaskState::Storing] {
        let ops = rig.waiting.len();
        for _ in 0..ops {
            rig.fail_store();
        }
        assert_eq!(rig.state_of(1), Some(wanted));
        assert_eq!(rig.messages(), []);
        rig.wait(secs(60));
        rig.store_all();
        if wanted == TaskState::Accepting {
            rig.take(1, 1);
        }
    }
    assert_eq!(rig.state_of(1), Some(TaskState::Offered));
    rig.sent();
    rig.timeout(2);
    rig.stopped(2, 1);
    let ops: Vec<Op> = (0..2).map(|_| rig.fail_store()).collect();
    assert!(matches!(ops[..], [Op::Delivered { .. }, Op::Cancel { .. }]));
    rig.wait(secs(24 * 60 * 60));
    assert_eq!(
        rig.device.state(),
        State::Closed,
        "it has failed for too long"
    );
}

#[test]
fn a_task_is_kept_until_all_about_it_is_stored() {
    let mut config = config();
    config.kept_results = 0;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.take(1, 1);
    rig.is_store_prompt = false;
    rig.sent();
    rig.wait(secs(100));
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
    rig.store_one();
    assert_eq!(rig.state_of(1), Some(TaskState::Forgetting));
    rig.store_one();
    assert_eq!(rig.state_of(1), None);
}

#[test]
fn requests_that_the_store_carries_out_in_another_order_do_no_harm() {
    let mut rig = stuck();
    rig.start(1);
    rig.store_one();
    rig.timeout(1);
    rig.start(1); // Cancel 1, Accept 2
    rig.fail_store();
    rig.store_one();
    rig.stopped(1, 1);
    assert_eq!(
        rig.work(),
        [(1, 1), (1, 2)],
        "it need not wait for Cancel 1"
    );
    rig.power_cut();
    rig.store_all();
    assert_eq!(rig.work().last(), Some(&(1, 3)));
}

//= docs/spec/analyst-proto.md#analyser
//# The analyser MUST end when its store has failed for `store_give_up`.
#[test]
fn a_store_that_fails_for_ten_minutes_is_the_end() {
    let mut rig = stuck();
    rig.start(1);
    rig.fail_store();
    for _ in 0..1_000 {
        if !rig.waiting.is_empty() {
            rig.fail_store();
        }
        let due = rig.device.poll_timeout();
        let Some(due) = due.filter(|due| *due < testkit::epoch() + secs(600)) else {
            break;
        };
        rig.wait(due - rig.now);
    }
    assert!(!rig.device.is_closed());
    rig.wait(testkit::epoch() + secs(600) - rig.now);
    let last = [
        Output::Event(Event::Closed(Reason::Store)),
        Output::Disconnect,
    ];
    assert_eq!(rig.log[rig.log.len() - 2..], last);
}

#[test]
fn a_store_that_does_something_now_and_then_is_not_given_up() {
    let mut rig = stuck();
    for id in 1..=4 {
        rig.start(id);
        rig.fail_store();
        rig.wait(secs(500));
        rig.store_all();
    }
    assert!(!rig.device.is_closed());
}

//= docs/spec/analyst-proto.md#analyser
//# A delivery that would have to wait for the store beside `max_unstored` others MUST NOT be acknowledged, and the analyser MUST hang up once the store has caught up.
#[test]
fn deliveries_beyond_a_bound_are_turned_away_and_come_over_a_new_connection() {
    let mut config = config();
    config.link.max_unstored = 3;
    let mut rig = Rig::up(config);
    rig.is_store_prompt = false;
    for id in [1, 2, 3, 4, 1] {
        rig.start(id);
    }
    assert_eq!(rig.counters().turned_away, 2);
    assert_eq!(rig.device.tasks(), 3);
    rig.wait(secs(100));
    assert_eq!(rig.device.state(), State::Up);
    rig.store_one();
    assert_eq!(rig.acks, [1]);
    assert!(rig.has_said(&Event::HungUp(HangUp::TurnedAway)));
    rig.store_all();
    assert_eq!(rig.acks, [1], "the others went with their connection");
    rig.connect();
    for id in 1..=4 {
        let delivery = rig.start_again(id);
        rig.store_all();
        assert!(rig.is_acked(delivery));
    }
    assert_eq!(rig.times_said(&Event::HungUp(HangUp::TurnedAway)), 1);
}

#[test]
fn nothing_is_acknowledged_over_another_connection() {
    let mut rig = stuck();
    rig.start(1);
    rig.lose(Down::Lost);
    rig.connect();
    let delivery = rig.start_again(1);
    rig.store_all();
    assert_eq!(rig.acks, [delivery]);
}

#[test]
fn answers_of_the_store_that_nobody_waits_for_mean_nothing() {
    let mut rig = stuck();
    rig.start(1);
    let before = rig.device.snapshot(rig.now);
    for seq in [0, 2, 99] {
        rig.input(Input::Stored(Seq(seq)));
        rig.input(Input::StoreFailed(Seq(seq)));
    }
    assert_eq!(rig.device.snapshot(rig.now), before);
    rig.store_all();
    rig.input(Input::Stored(Seq(1)));
    rig.input(Input::StoreFailed(Seq(1)));
    assert_eq!(rig.work(), [(1, 1)]);
    assert!(!rig.has_said(&Event::StoreTrouble));
}

#[test]
fn a_slow_store_holds_up_the_result_and_not_the_slot() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.start(2);
    rig.is_store_prompt = false;
    rig.take(1, 1);
    assert_eq!(rig.work(), [(1, 1), (2, 1)]);
    rig.wait(ms(1));
    assert_eq!(rig.messages(), []);
    rig.store_all();
    assert_eq!(rig.messages(), [finish(1)]);
}

#[test]
fn a_failed_task_that_was_turned_away_runs_though_it_comes_with_dup() {
    let mut config = config();
    config.link.max_unstored = 1;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.fail(1, 1);
    rig.sent();
    rig.is_store_prompt = false;
    rig.start(2);
    rig.start(1); // turned away
    assert_eq!(rig.counters().turned_away, 1);
    rig.store_all();
    rig.connect();
    rig.start_again(1);
    rig.store_all();
    rig.take(2, 1);
    assert_eq!(rig.work(), [(1, 1), (2, 1), (1, 2)]);
}

#[test]
fn a_result_is_not_published_since_an_answer_before_it_is_stored() {
    let mut config = config();
    config.reply_to_timeout = ReplyToTimeout::Fail;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.is_store_prompt = false;
    rig.timeout(1);
    rig.take(1, 1);
    while rig.waiting.len() > 1 {
        rig.store_one();
    }
    assert_eq!(rig.messages(), [], "what was found is not stored");
    rig.store_one();
    assert_eq!(rig.messages(), [finish(1)]);
}

#[test]
fn it_is_stored_once_that_a_result_was_delivered() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.take(1, 1);
    rig.sent();
    let records = rig.records().len();
    rig.start(1);
    rig.sent();
    assert_eq!(rig.messages(), [finish(1), finish(1)]);
    assert_eq!(rig.records().len(), records);
}
