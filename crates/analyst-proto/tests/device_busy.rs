//! Tasks for which there is no room: answered as busy, or left to the broker.

mod device_kit;

use analyst_proto::device::{Busy, Event, Output, TaskState};
use analyst_proto::link::NotSent;
use analyst_proto::wire::TaskId;
use device_kit::{Rig, config, fail, finish, lmq, secs};

/// With a run of task 1 and as many tasks queued as there is room for.
fn full(busy: Busy) -> Rig {
    let mut config = config();
    config.busy = busy;
    let mut rig = Rig::up(config);
    for id in 1..=5 {
        rig.start(id);
    }
    rig
}

/// With a failure of task 1 that the broker has.
fn failed() -> Rig {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.fail(1, 1);
    rig.sent();
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
    rig
}

//= docs/spec/analyst-proto.md#analyser
//# A task for which there is no room MUST be answered with the failure `busy`, or not be acknowledged, as configured.
#[test]
fn a_task_without_room_is_answered_as_busy() {
    let mut rig = full(Busy::Fail);
    let delivery = rig.start(6);
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.messages(), [fail(6, "busy")]);
    assert!(rig.has_said(&Event::Busy(TaskId(6))));
    assert_eq!(rig.state_of(6), None);
    assert_eq!(rig.disk.len(), 5, "nothing is stored of it");
}

#[test]
fn a_task_without_room_is_left_to_the_broker_under_hold() {
    let mut rig = full(Busy::Hold);
    let delivery = rig.start(6);
    assert!(!rig.is_acked(delivery));
    assert_eq!(rig.messages(), []);
    assert_eq!(rig.counters().held, 1);
}

#[test]
fn a_plain_broker_gets_a_new_connection_for_held_tasks_once_all_is_done() {
    let mut rig = full(Busy::Hold);
    rig.is_broker_prompt = true;
    rig.start(6);
    for id in 1..=4 {
        rig.take(id, 1);
    }
    assert!(
        !rig.log.contains(&Output::Hangup),
        "not while there is work"
    );
    rig.take(5, 1);
    assert!(rig.log.contains(&Output::Hangup));
    rig.connect();
    rig.start_again(6);
    assert_eq!(rig.work().last(), Some(&(6, 1)));
    let finish_5 = rig.messages().contains(&finish(5));
    assert!(finish_5, "over the next connection");
}

#[test]
fn aliyuns_broker_delivers_held_tasks_by_itself() {
    let mut config = lmq();
    (config.busy, config.max_queue) = (Busy::Hold, 0);
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.start(2);
    rig.take(1, 1);
    assert!(!rig.log.contains(&Output::Hangup));
    rig.start_again(2);
    assert_eq!(rig.work(), [(1, 1), (2, 1)]);
}

//= docs/spec/analyst-proto.md#analyser
//# A cancelled task that comes with DUP MUST NOT run again unless it was held or turned away before, or the analyser was restarted since.
#[test]
fn a_failed_task_that_was_held_runs_though_it_comes_with_dup() {
    let mut config = lmq();
    (config.busy, config.max_queue) = (Busy::Hold, 0);
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.fail(1, 1);
    rig.sent();
    rig.start(2);
    rig.start(1); // held
    rig.take(2, 1);
    let delivery = rig.start_again(1);
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.work(), [(1, 1), (2, 1), (1, 2)]);
    rig.wait(secs(15));
    rig.timeout(1);
    rig.stopped(1, 2);
    rig.start_again(1);
    assert_eq!(rig.work().len(), 3, "once only");
}

#[test]
fn answers_of_busy_are_bounded_and_then_tasks_are_held() {
    let mut config = config();
    (config.max_queue, config.max_busy) = (0, 2);
    let mut rig = Rig::up(config);
    for id in 1..=4 {
        rig.start(id);
    }
    assert_eq!((rig.counters().busy, rig.counters().held), (2, 1));
    assert_eq!(rig.device.unsent(), 2);
    rig.start_again(2);
    assert_eq!(rig.device.unsent(), 2, "one answer each");
    rig.sent();
    rig.start_again(4);
    assert_eq!((rig.counters().busy, rig.counters().held), (4, 1));
}

#[test]
fn an_answer_of_busy_is_taken_back_once_there_is_room() {
    let mut config = config();
    config.max_queue = 0;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.start(2);
    rig.start(3); // waits behind the answer for task 2
    rig.take(1, 1);
    rig.start(3);
    rig.sent();
    assert_eq!(rig.messages(), [fail(2, "busy"), finish(1)]);
}

#[test]
fn a_busy_answer_that_is_too_large_is_let_go_of() {
    let mut config = config();
    config.max_queue = 0;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.start(2);
    rig.not_sent(NotSent::TooLarge);
    assert_eq!(rig.device.unsent(), 0);
}

#[test]
fn a_failed_task_without_room_is_answered_as_busy_and_stays_as_it_is() {
    let mut rig = failed();
    for id in 2..=6 {
        rig.start(id);
    }
    rig.start(1);
    assert_eq!(rig.messages().last(), Some(&fail(1, "busy")));
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
}

#[test]
fn a_failed_task_that_was_answered_in_the_end_is_owed_nothing() {
    let mut config = lmq();
    (config.max_queue, config.max_busy) = (0, 1);
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.fail(1, 1);
    rig.sent();
    rig.start(2);
    rig.start(3); // is answered
    rig.start(1); // is held
    rig.sent();
    rig.start(1); // is answered
    rig.sent();
    rig.take(2, 1);
    rig.sent();
    rig.start_again(1);
    assert_eq!(rig.work(), [(1, 1), (2, 1)]);
    assert_eq!(rig.messages().last(), rig.messages().first(), "its failure");
}
