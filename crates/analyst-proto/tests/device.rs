//! Tasks, from when they come until they are forgotten: the rows of the table of tasks.

mod device_kit;

use analyst_proto::device::{Event, Ignored, Op, Outcome, Refused, ReplyToTimeout, Run, TaskState};
use analyst_proto::link::NotSent;
use analyst_proto::wire::{IdForm, Message, TaskId};
use analyst_proto::{WireErrorKind, device::Input, link::DeliveryId};
use device_kit::{Rig, config, fail, finish, ms, secs, start, taken};
use std::sync::Arc;

/// With a run of task 1 and as many tasks queued as there is room for.
fn full() -> Rig {
    let mut rig = Rig::up(config());
    for id in 1..=5 {
        rig.start(id);
    }
    rig
}

/// With task 1 cancelled while it runs.
fn cancelling() -> Rig {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.timeout(1);
    assert_eq!(rig.state_of(1), Some(TaskState::Cancelling));
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

/// With a result of task 1 that the broker has.
fn finished() -> Rig {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.take(1, 1);
    rig.sent();
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
    rig
}

#[test]
fn an_unknown_task_is_stored_and_then_runs() {
    let mut rig = Rig::up(config());
    rig.is_store_prompt = false;
    rig.start(1);
    assert_eq!(rig.state_of(1), Some(TaskState::Accepting));
    assert_eq!(rig.work(), []);
    let op = rig.store_one();
    let task = Arc::new(start(1));
    let (id, run) = (TaskId(1), Run(1));
    assert_eq!(op, Op::Accept { id, run, task });
    assert_eq!(rig.state_of(1), Some(TaskState::Running));
    assert_eq!(rig.work(), [(1, 1)]);
}

#[test]
fn a_cancellation_of_an_unknown_task_is_reported() {
    let mut rig = Rig::up(config());
    let delivery = rig.timeout(1);
    assert!(rig.is_acked(delivery));
    assert!(rig.has_said(&Event::StrayCancel(TaskId(1))));
}

#[test]
fn a_task_that_comes_again_before_it_is_stored_is_acknowledged_with_the_first() {
    let mut rig = Rig::up(config());
    rig.is_store_prompt = false;
    let deliveries = [rig.start(1), rig.start_again(1), rig.start(1)];
    assert_eq!(rig.acks, []);
    rig.store_all();
    assert_eq!(rig.acks, deliveries);
    assert_eq!(rig.work(), [(1, 1)]);
}

#[test]
fn a_task_that_is_cancelled_before_it_is_stored_never_runs() {
    let mut rig = Rig::up(config());
    rig.is_store_prompt = false;
    rig.start(1);
    let delivery = rig.timeout(1);
    assert_eq!(rig.acks, [delivery], "the cancellation need not wait");
    rig.store_one();
    assert_eq!(rig.state_of(1), Some(TaskState::Cancelled));
    let (id, run) = (TaskId(1), Run(1));
    assert_eq!(rig.store_one(), Op::Cancel { id, run });
    assert_eq!(rig.work(), []);
}

#[test]
fn a_task_that_comes_anew_after_its_cancellation_and_before_it_is_stored_runs() {
    let mut rig = Rig::up(config());
    rig.is_store_prompt = false;
    rig.start(1);
    rig.timeout(1);
    rig.start(1);
    rig.store_all();
    assert_eq!(rig.work(), [(1, 1)]);
}

#[test]
fn a_queued_task_runs_when_a_slot_is_free() {
    let mut rig = full();
    assert_eq!(rig.state_of(2), Some(TaskState::Queued));
    assert_eq!(rig.device.queued(), 4);
    rig.take(1, 1);
    assert_eq!(rig.work(), [(1, 1), (2, 1)]);
}

#[test]
fn as_many_tasks_run_at_once_as_are_configured() {
    let mut config = config();
    config.parallel = 3;
    let mut rig = Rig::up(config);
    for id in 1..=5 {
        rig.start(id);
    }
    assert_eq!(rig.device.running(), 3);
    rig.take(2, 1);
    assert_eq!(rig.work(), [(1, 1), (2, 1), (3, 1), (4, 1)]);
}

#[test]
fn a_queued_task_that_is_cancelled_is_stored_as_such() {
    let mut rig = full();
    let delivery = rig.timeout(3);
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.state_of(3), Some(TaskState::Cancelled));
    let (id, run) = (TaskId(3), Run(1));
    assert_eq!(rig.disk.last(), Some(&Op::Cancel { id, run }));
    assert_eq!(rig.cancels(), [], "nobody works on it");
    let delivery = rig.start(6);
    assert!(rig.is_acked(delivery) && rig.messages().is_empty());
}

#[test]
fn a_running_task_that_is_cancelled_holds_its_slot() {
    let mut rig = full();
    let delivery = rig.timeout(1);
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.cancels(), [(1, 1)]);
    assert_eq!(rig.work(), [(1, 1)]);
    rig.stopped(1, 1);
    assert_eq!(rig.state_of(1), Some(TaskState::Cancelled));
    assert_eq!(rig.work(), [(1, 1), (2, 1)]);
    assert_eq!(rig.messages(), []);
}

#[test]
fn a_cancelled_run_that_fails_is_not_answered() {
    let mut rig = cancelling();
    rig.fail(1, 1);
    assert_eq!(rig.state_of(1), Some(TaskState::Cancelled));
    assert_eq!(rig.messages(), []);
}

#[test]
fn a_cancellation_is_answered_where_that_is_configured() {
    let mut config = config();
    config.reply_to_timeout = ReplyToTimeout::Fail;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.start(2);
    rig.timeout(1);
    assert_eq!(rig.messages(), [fail(1, "timeout")]);
    assert_eq!(rig.work(), [(1, 1)], "it still has its slot");
    rig.sent();
    rig.take(1, 1);
    assert_eq!(rig.messages(), [fail(1, "timeout"), finish(1)]);
    assert_eq!(rig.work(), [(1, 1), (2, 1)]);
}

#[test]
fn an_answer_to_a_cancellation_is_taken_back_if_there_is_a_result() {
    let mut config = config();
    (config.reply_to_timeout, config.parallel) = (ReplyToTimeout::Fail, 2);
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.start(2);
    rig.take(2, 1);
    rig.timeout(1);
    rig.is_store_prompt = false;
    rig.take(1, 1);
    rig.sent();
    assert_eq!(rig.messages(), [finish(2)], "the answer waited behind this");
    rig.store_all();
    assert_eq!(rig.messages(), [finish(2), finish(1)]);
}

#[test]
fn what_a_run_finds_after_its_answer_counts_though_the_task_came_anew() {
    let mut config = config();
    config.reply_to_timeout = ReplyToTimeout::Fail;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.timeout(1);
    rig.sent();
    rig.start(1);
    rig.take(1, 1);
    rig.power_cut();
    rig.connect();
    assert_eq!(rig.messages().last(), Some(&finish(1)));
}

#[test]
fn a_cancelled_run_that_was_answered_may_just_stop() {
    let mut config = config();
    config.reply_to_timeout = ReplyToTimeout::Fail;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.timeout(1);
    rig.sent();
    rig.stopped(1, 1);
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
    assert_eq!(rig.device.running(), 0);
}

//= docs/spec/analyst-proto.md#analyser
//# The outcome of a run that is not at work MUST be refused.
#[test]
fn the_outcome_of_another_run_is_handed_back() {
    let mut rig = full();
    for (id, run) in [(1, 0), (1, 2), (2, 1), (9, 1)] {
        let refused = rig.device.complete(rig.now, TaskId(id), Run(run), taken());
        assert_eq!(refused, Err(Refused(taken())));
    }
    rig.take(1, 1);
    let refused = rig.device.complete(rig.now, TaskId(1), Run(1), taken());
    assert_eq!(refused, Err(Refused(taken())));
}

#[test]
fn a_run_that_stops_without_being_cancelled_has_failed() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.stopped(1, 1);
    assert_eq!(rig.messages(), [fail(1, "stopped")]);
    rig.stopped(1, 1);
    assert_eq!(rig.counters().failed, 1);
}

//= docs/spec/analyst-proto.md#analyser
//# A cancelled task that comes with DUP MUST NOT run again unless it was held or turned away before, or the analyser was restarted since.
#[test]
fn a_task_that_is_cancelled_and_comes_with_dup_does_not_run_again() {
    let mut rig = cancelling();
    let deliveries = [rig.start_again(1), rig.timeout(1)];
    assert!(deliveries.iter().all(|&delivery| rig.is_acked(delivery)));
    rig.stopped(1, 1);
    let deliveries = [rig.start_again(1), rig.timeout(1)];
    assert!(deliveries.iter().all(|&delivery| rig.is_acked(delivery)));
    assert_eq!(rig.state_of(1), Some(TaskState::Cancelled));
    assert_eq!(rig.disk.len(), 2);
}

#[test]
fn a_result_that_is_stored_is_published_once_the_link_is_up() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.lose(analyst_proto::link::Down::Lost);
    rig.take(1, 1);
    assert_eq!(rig.state_of(1), Some(TaskState::Offered));
    assert_eq!(rig.messages(), []);
    rig.connect();
    assert_eq!(rig.messages(), [finish(1)]);
}

#[test]
fn what_comes_while_a_result_is_stored_or_offered_is_acknowledged() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.is_store_prompt = false;
    rig.take(1, 1);
    assert_eq!(rig.state_of(1), Some(TaskState::Storing));
    rig.start(1);
    rig.timeout(1);
    rig.store_all();
    assert_eq!(rig.state_of(1), Some(TaskState::Offered));
    rig.start(1);
    rig.timeout(1);
    rig.start_again(1);
    assert_eq!(rig.acks, [1, 3, 2, 4, 5, 6], "the second with the result");
    assert_eq!(rig.messages(), [finish(1)]);
    assert_eq!(rig.work(), [(1, 1)]);
}

#[test]
fn a_result_that_the_broker_has_is_reported_and_kept() {
    let rig = finished();
    let (id, run, nth) = (TaskId(1), Run(1), 1);
    assert!(rig.has_said(&Event::Delivered { id, run }));
    assert_eq!(rig.disk.last(), Some(&Op::Delivered { id, run, nth }));
}

//= docs/spec/analyst-proto.md#analyser
//# A result that is too large for the broker MUST be replaced by the failure `result too large`.
#[test]
fn a_result_that_is_too_large_becomes_a_failure() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.take(1, 1);
    rig.not_sent(NotSent::TooLarge);
    assert_eq!(rig.messages(), [finish(1), fail(1, "result too large")]);
    let (id, run) = (TaskId(1), Run(1));
    assert!(rig.has_said(&Event::TooLarge { id, run }));
    rig.power_cut();
    rig.connect();
    assert_eq!(rig.messages().last(), Some(&fail(1, "result too large")));
    rig.not_sent(NotSent::TooLarge);
    assert!(rig.has_said(&Event::Undeliverable { id, run }));
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
}

#[test]
fn a_kept_result_survives_a_cancellation() {
    let mut rig = finished();
    let delivery = rig.timeout(1);
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
}

//= docs/spec/analyst-proto.md#analyser
//# A failure MUST be published again when its task comes again with DUP.
#[test]
fn a_failure_is_published_again_when_its_task_comes_again_with_dup() {
    let mut rig = failed();
    let delivery = rig.start_again(1);
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.messages(), [fail(1, "dark"), fail(1, "dark")]);
    assert_eq!(rig.work(), [(1, 1)]);
}

//= docs/spec/analyst-proto.md#analyser
//# A task that is over MUST be forgotten after `kept_for`, or when it is the oldest of more than `kept_results`.
#[test]
fn a_task_that_is_over_is_forgotten_after_a_day() {
    let mut rig = finished();
    rig.is_broker_prompt = true;
    rig.wait(secs(60 * 60));
    rig.start(2);
    rig.timeout(2);
    rig.stopped(2, 1);
    rig.wait(ms(23 * 3_600_000 - 1));
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
    rig.wait(ms(1));
    assert_eq!(rig.state_of(1), None);
    assert_eq!(rig.state_of(2), Some(TaskState::Cancelled));
    assert!(rig.has_said(&Event::Forgotten(TaskId(1))));
    let (id, run) = (TaskId(1), Run(1));
    assert_eq!(rig.disk.last(), Some(&Op::Forget { id, run }));
    rig.wait(secs(60 * 60));
    assert_eq!((rig.device.tasks(), rig.records().len()), (0, 0));
}

#[test]
fn the_oldest_of_too_many_tasks_that_are_over_is_forgotten() {
    let mut config = config();
    config.kept_results = 3;
    let mut rig = Rig::up(config);
    rig.is_broker_prompt = true;
    for id in 1..=3 {
        rig.start(id);
        rig.take(id, 1);
    }
    rig.start(1); // asked for again, and so the youngest
    rig.start(4);
    rig.take(4, 1);
    assert_eq!(rig.state_of(2), None);
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
    assert_eq!(rig.device.tasks(), 3);
}

#[test]
fn a_task_that_comes_while_it_is_forgotten_runs_under_the_next_number() {
    let mut config = config();
    config.kept_results = 0;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.is_store_prompt = false;
    rig.take(1, 1);
    rig.store_all();
    rig.sent();
    let (id, run, nth) = (TaskId(1), Run(1), 1);
    assert_eq!(rig.store_one(), Op::Delivered { id, run, nth });
    assert_eq!(rig.state_of(1), Some(TaskState::Forgetting));
    rig.timeout(1);
    assert!(rig.has_said(&Event::StrayCancel(id)));
    rig.start(1);
    assert_eq!(rig.store_one(), Op::Forget { id, run });
    rig.store_all();
    assert_eq!(rig.work(), [(1, 1), (1, 2)]);
}

//= docs/spec/analyst-proto.md#analyser
//# A cancellation without the number of a task MUST cancel nothing unless it comes without DUP while one task alone waits for a run or is running.
#[test]
fn a_34_a_cancellation_without_a_number_cancels_the_only_task_and_no_other() {
    let mut rig = Rig::up(config());
    let idle = rig.blank_timeout(false);
    assert!(rig.is_acked(idle));
    rig.start(1);
    rig.start(2);
    rig.blank_timeout(false);
    assert_eq!(rig.cancels(), [], "there are two");
    rig.take(1, 1);
    rig.blank_timeout(true);
    assert_eq!(rig.cancels(), [], "it is a repetition");
    assert_eq!(rig.times_said(&Event::AmbiguousCancel), 3);
    rig.blank_timeout(false);
    assert_eq!(rig.cancels(), [(2, 1)]);
    rig.blank_timeout(false);
    assert_eq!(rig.cancels(), [(2, 1)]);
    assert_eq!(rig.counters().ambiguous_cancels, 4);
}

//= docs/spec/analyst-proto.md#analyser
//# A message that is not for analysers, or cannot be read, MUST be acknowledged, counted and reported, and MUST change nothing else.
#[test]
fn a_36_what_is_not_for_analysers_is_acknowledged_and_counted() {
    let mut rig = Rig::up(config());
    rig.start(1);
    let before = rig.device.snapshot(rig.now);
    let deliveries = [
        rig.deliver(false, finish(1)),
        rig.deliver(true, fail(1, "echo")),
    ];
    let kind = WireErrorKind::Missing("id");
    rig.input(Input::Garbled(DeliveryId(99), kind));
    assert!(deliveries.iter().all(|&delivery| rig.is_acked(delivery)));
    assert!(rig.is_acked(99));
    assert_eq!((rig.counters().wrong_way, rig.counters().garbled), (2, 1));
    let wrong = Event::Ignored(Ignored::WrongWay(TaskId(1)));
    assert_eq!(rig.times_said(&wrong), 2);
    assert!(rig.has_said(&Event::Ignored(Ignored::Garbled(kind))));
    assert_eq!(rig.device.snapshot(rig.now), before);
}

//= docs/spec/analyst-proto.md#analyser
//# An answer MUST spell the number of its task as the task did.
#[test]
fn a_22_an_answer_spells_its_number_as_the_task_did() {
    let mut config = config();
    config.max_queue = 0;
    let mut rig = Rig::up(config);
    let quoted = |id| {
        let mut task = start(id);
        task.id_form = IdForm::String;
        Message::Start(task)
    };
    rig.deliver(false, quoted(1));
    rig.deliver(false, quoted(2));
    rig.take(1, 1);
    rig.sent();
    rig.sent();
    rig.start(1);
    rig.sent();
    rig.deliver(true, quoted(1));
    let forms: Vec<IdForm> = rig
        .messages()
        .into_iter()
        .map(|message| match message {
            Message::Finish(finish) => finish.id_form,
            Message::Fail(fail) => fail.id_form,
            _ => unreachable!("no answer"),
        })
        .collect();
    let (quoted, bare) = (IdForm::String, IdForm::Number);
    assert_eq!(forms, [quoted, quoted, bare, quoted]);
}

//= docs/spec/analyst-proto.md#analyser
//# An answer MUST NOT carry the `analyst_id` of its task unless the extension `attempt` is on.
#[test]
fn the_label_of_a_task_is_echoed_by_the_extension_only() {
    let label = "\"GID_Analyst@@@analyst_3#1\"";
    for (is_on, label, echoed) in [
        (false, label.to_owned(), None),
        (true, label.to_owned(), Some(label.into())),
        (true, "x".repeat(129), None),
    ] {
        let mut config = config();
        (config.echo_attempt, config.max_queue) = (is_on, 0);
        let mut rig = Rig::up(config);
        for id in [1, 2] {
            let mut task = start(id);
            task.analyst_id = Some(label.clone().into());
            rig.deliver(false, Message::Start(task));
        }
        rig.take(1, 1);
        rig.sent();
        for message in rig.messages() {
            let got = match message {
                Message::Finish(finish) => finish.analyst_id,
                Message::Fail(fail) => fail.analyst_id,
                _ => unreachable!("no answer"),
            };
            assert_eq!(got, echoed);
        }
        assert_eq!(rig.messages().len(), 2);
    }
}

#[test]
fn an_outcome_that_is_handed_back_does_not_show_in_its_error() {
    let refused = Refused(Outcome::Failed("private".into()));
    assert!(!format!("{refused:?} {refused}").contains("private"));
}
