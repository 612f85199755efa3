//! The rules A-D1 to A-D9, and what is left after the power has gone.

mod device_kit;

use analyst_proto::BrokerProfile;
use analyst_proto::device::{Event, Op, Output, Run, TaskState};
use analyst_proto::link::Down;
use analyst_proto::wire::{Message, TaskId, Timeout};
use device_kit::{Rig, config, fail, finish, lmq, ms, secs, taken};

//= docs/spec/analyst-proto.md#analyser
//# The analyser MUST NOT acknowledge a task before it is stored.
//= docs/spec/analyst-proto.md#analyser
//# The analyser MUST acknowledge a task that is stored without waiting for its run.
#[test]
fn a_d1_a_task_is_acknowledged_once_it_is_stored() {
    let mut rig = Rig::up(config());
    rig.is_store_prompt = false;
    let (first, second) = (rig.start(1), rig.start(2));
    rig.wait(secs(30));
    assert_eq!(rig.acks, []);
    rig.store_one();
    assert_eq!(rig.acks, [first]);
    rig.store_one();
    assert_eq!(rig.acks, [first, second], "while the first one runs");
}

//= docs/spec/analyst-proto.md#analyser
//# A task that comes again while it waits for a run, is running, or has a result that the broker has not acknowledged MUST be acknowledged and start nothing.
#[test]
fn a_d2_a_task_that_comes_again_while_it_waits_or_runs_starts_nothing() {
    let mut rig = Rig::up(config());
    for id in [1, 2] {
        rig.start(id);
        rig.start_again(id);
        rig.start(id);
    }
    assert_eq!(rig.acks, [1, 2, 3, 4, 5, 6]);
    assert_eq!((rig.work(), rig.device.queued()), (vec![(1, 1)], 1));
    rig.take(1, 1);
    rig.start(1);
    assert_eq!(rig.work(), [(1, 1), (2, 1)]);
    assert_eq!(rig.messages(), [finish(1)]);
}

//= docs/spec/analyst-proto.md#analyser
//# The result of a finished task MUST be published again when the task comes again.
#[test]
fn a_d3_the_result_of_a_finished_task_is_published_again_on_request() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.take(1, 1);
    rig.sent();
    for nth in 2..5 {
        let delivery = if nth == 2 {
            rig.start_again(1)
        } else {
            rig.start(1)
        };
        assert!(rig.is_acked(delivery));
        assert_eq!(rig.messages(), vec![finish(1); nth]);
        rig.sent();
    }
    assert_eq!(rig.work(), [(1, 1)]);
    assert_eq!(rig.counters().delivered, 4);
    rig.power_cut();
    rig.connect();
    rig.start(1);
    assert_eq!(rig.messages(), vec![finish(1); 5], "also after a restart");
}

//= docs/spec/analyst-proto.md#analyser
//# A task that failed or is cancelled MUST run again, under the next number, when it comes again without DUP.
#[test]
fn a_d4_a_task_that_failed_or_is_cancelled_runs_again_when_it_comes_anew() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.fail(1, 1);
    rig.sent();
    rig.start(1);
    rig.timeout(1);
    rig.stopped(1, 2);
    rig.start_again(1);
    assert_eq!(rig.work(), [(1, 1), (1, 2)], "not with DUP");
    rig.start(1);
    assert_eq!(rig.work(), [(1, 1), (1, 2), (1, 3)]);
}

//= docs/spec/analyst-proto.md#analyser
//# A cancellation MUST NOT take away a result.
#[test]
fn a_d5_a_cancellation_takes_no_result_away() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.is_store_prompt = false;
    rig.take(1, 1);
    rig.timeout(1); // while it is stored
    rig.store_all();
    rig.timeout(1); // while it is offered
    rig.lose(Down::Lost);
    rig.connect();
    rig.sent();
    rig.timeout(1); // while it is kept
    rig.store_all();
    rig.start(1);
    assert_eq!(rig.messages(), vec![finish(1); 3]);
    assert_eq!(rig.cancels(), []);
}

#[test]
fn a_d5_what_a_cancelled_run_has_found_is_sent() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.timeout(1);
    rig.take(1, 1);
    assert_eq!(rig.messages(), [finish(1)]);
    rig.power_cut();
    rig.connect();
    assert_eq!(rig.messages(), [finish(1), finish(1)]);
}

//= docs/spec/analyst-proto.md#analyser
//# A result MUST NOT be published before it is stored.
#[test]
fn a_d6_a_result_is_published_once_it_is_stored() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.is_store_prompt = false;
    rig.take(1, 1);
    rig.wait(secs(60));
    assert_eq!(rig.messages(), []);
    rig.store_one();
    assert_eq!(rig.messages(), [finish(1)]);
}

//= docs/spec/analyst-proto.md#analyser
//# A task MUST NOT run again before its run that was cancelled has ended.
#[test]
fn a_d7_a_cancelled_run_holds_its_slot_until_it_has_stopped() {
    let mut config = config();
    config.parallel = 2;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.timeout(1);
    rig.start(1);
    assert_eq!(rig.state_of(1), Some(TaskState::Queued));
    assert_eq!(rig.work(), [(1, 1)], "though there is another slot");
    rig.start(2);
    assert_eq!(rig.work(), [(1, 1), (2, 1)], "which is for others");
    rig.stopped(1, 1);
    assert_eq!(rig.work(), [(1, 1), (2, 1), (1, 2)]);
}

//= docs/spec/analyst-proto.md#analyser
//# What a cancelled run has found MUST be published, in place of a run that waits for it to end.
#[test]
fn a_d7_what_a_cancelled_run_has_found_is_used_in_place_of_the_next_run() {
    for stored in [0, 1, 2, 3] {
        let mut rig = Rig::up(config());
        rig.start(1);
        rig.is_store_prompt = false;
        rig.timeout(1);
        let delivery = rig.start(1);
        rig.take(1, 1);
        for _ in 0..stored {
            rig.store_one();
        }
        assert_eq!(rig.is_acked(delivery), stored >= 2);
        if stored < 3 {
            rig.store_all();
        } else {
            rig.power_cut();
            rig.connect();
        }
        assert_eq!(rig.messages().last(), Some(&finish(1)));
        assert_eq!((rig.work(), rig.device.queued()), (vec![(1, 1)], 0));
    }
}

#[test]
fn a_d7_a_cancelled_run_that_fails_lets_the_next_one_run() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.timeout(1);
    rig.start(1);
    rig.fail(1, 1);
    assert_eq!(rig.work(), [(1, 1), (1, 2)]);
    assert_eq!(rig.messages(), []);
}

//= docs/spec/analyst-proto.md#analyser
//# A cancellation within `overtake_guard` after its task came again without DUP MUST be ignored.
#[test]
fn a_d8_a_cancellation_just_after_a_task_came_again_is_of_the_time_before() {
    let mut rig = Rig::up(lmq());
    rig.start(1);
    rig.timeout(1);
    assert_eq!(rig.cancels(), [(1, 1)], "it had not come before");
    rig.start(1);
    rig.timeout(1); // while it waits for the first run to stop
    rig.stopped(1, 1);
    rig.wait(ms(14_999));
    let delivery = rig.timeout(1);
    assert!(rig.is_acked(delivery));
    assert_eq!(rig.state_of(1), Some(TaskState::Running));
    let (id, run) = (TaskId(1), Run(2));
    assert_eq!(rig.times_said(&Event::StaleCancel { id, run }), 2);
    rig.wait(ms(1));
    rig.timeout(1);
    assert_eq!(rig.cancels(), [(1, 1), (1, 2)]);
}

#[test]
fn a_d8_a_task_that_comes_again_while_it_runs_is_of_an_attempt_of_its_own() {
    let mut rig = Rig::up(lmq());
    rig.start(1);
    rig.wait(secs(60)); // the lease is over, and the second attempt overtakes its end
    rig.start(1);
    rig.timeout(1);
    assert_eq!(rig.cancels(), []);
    rig.wait(secs(15));
    rig.start_again(1); // which is nothing new
    rig.timeout(1);
    assert_eq!(rig.cancels(), [(1, 1)]);
}

#[test]
fn a_d8_a_task_that_comes_again_before_it_is_kept_is_of_an_attempt_of_its_own() {
    let mut rig = Rig::up(lmq());
    rig.is_store_prompt = false;
    rig.start(1);
    rig.start(1);
    rig.timeout(1);
    rig.store_all();
    assert_eq!(rig.state_of(1), Some(TaskState::Running));
    let (id, run) = (TaskId(1), Run(1));
    assert_eq!(rig.times_said(&Event::StaleCancel { id, run }), 1);
}

//= docs/spec/analyst-proto.md#analyser
//# A cancellation with DUP within `overtake_guard` after its task came MUST be ignored.
#[test]
fn a_d8_a_cancellation_that_comes_again_just_after_its_task_is_of_the_time_before() {
    let mut rig = Rig::up(lmq());
    let cancel = || Message::Timeout(Timeout::new(TaskId(1)));
    rig.timeout(1);
    assert!(rig.has_said(&Event::StrayCancel(TaskId(1))));
    rig.start(1);
    rig.wait(ms(14_999));
    rig.deliver(true, cancel());
    assert_eq!(rig.cancels(), []);
    rig.wait(ms(1));
    rig.deliver(true, cancel());
    assert_eq!(rig.cancels(), [(1, 1)]);
}

#[test]
fn a_d8_a_cancellation_of_what_is_over_is_not_stale() {
    let mut rig = Rig::up(lmq());
    rig.start(1);
    rig.start(1);
    rig.take(1, 1);
    rig.timeout(1);
    let (id, run) = (TaskId(1), Run(1));
    assert!(!rig.has_said(&Event::StaleCancel { id, run }));
    assert_eq!(rig.counters().stale_cancels, 0);
}

#[test]
fn a_d8_a_plain_broker_keeps_the_order() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.timeout(1);
    rig.stopped(1, 1);
    rig.start(1);
    rig.timeout(1);
    assert_eq!(rig.cancels(), [(1, 1), (1, 2)]);
}

#[test]
fn a_d8_the_guard_is_there_after_a_restart() {
    let mut config = config();
    config.overtake_guard = Some(secs(5));
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.fail(1, 1);
    rig.sent();
    rig.start(1);
    rig.power_cut();
    rig.connect();
    rig.timeout(1);
    assert_eq!(rig.cancels(), []);
    rig.wait(secs(5));
    rig.timeout(1);
    assert_eq!(rig.cancels(), [(1, 3)]);
}

//= docs/spec/analyst-proto.md#analyser
//# Credentials that the broker refuses MUST be asked for anew after `auth_backoff_min`, a fifth more or less, which doubles with each refusal up to `auth_backoff_max`.
#[test]
fn a_d9_bad_credentials_are_asked_for_anew_and_never_in_a_tight_loop() {
    let mut rig = Rig::new(config());
    let mut pauses = Vec::new();
    for _ in 0..8 {
        rig.inform(device_kit::info());
        rig.lose(Down::BadCredentials);
        let asked = rig.fetches.len();
        let due = rig.device.poll_timeout().expect("a timer");
        pauses.push((due - rig.now).as_secs_f64());
        rig.wait(due - rig.now);
        assert_eq!(rig.fetches.len(), asked + 1);
    }
    for (nth, pause) in pauses.iter().enumerate() {
        let wanted = (30.0 * f64::from(1 << nth)).min(900.0);
        assert!((0.79..1.21).contains(&(pause / wanted)), "{pauses:?}");
    }
}

#[test]
fn a_power_cut_before_a_task_is_stored_leaves_nothing() {
    let mut rig = Rig::up(config());
    rig.is_store_prompt = false;
    rig.start(1);
    rig.power_cut();
    assert_eq!(rig.device.tasks(), 0);
    rig.connect();
    rig.start_again(1);
    rig.store_all();
    assert_eq!(rig.work(), [(1, 1)], "the broker delivers it again");
}

//= docs/spec/analyst-proto.md#analyser
//# A task that was accepted and has no result MUST run after a restart, under the next number.
#[test]
fn a_power_cut_makes_a_task_that_waited_or_ran_run_anew() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.start(2);
    rig.power_cut();
    rig.connect();
    let delivery = rig.start_again(1);
    assert!(rig.is_acked(delivery), "a repetition starts nothing");
    assert_eq!(rig.work(), [(1, 1), (1, 2)]);
    rig.is_store_prompt = false;
    rig.take(1, 2);
    rig.power_cut();
    rig.store_all();
    assert_eq!(rig.work(), [(1, 1), (1, 2), (2, 2), (1, 3)]);
    assert_eq!(rig.messages(), [], "that result was never stored");
    assert_eq!(rig.records().len(), 2, "what came before is forgotten");
}

//= docs/spec/analyst-proto.md#analyser
//# A result that the broker is not known to have acknowledged MUST be published after a restart.
#[test]
fn a_power_cut_makes_a_result_be_offered_again() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.take(1, 1);
    rig.power_cut();
    rig.connect();
    assert_eq!(rig.messages(), [finish(1), finish(1)]);
    rig.is_store_prompt = false;
    rig.sent();
    rig.power_cut(); // before it is stored that the broker has it
    rig.connect();
    assert_eq!(rig.messages(), [finish(1), finish(1), finish(1)]);
    rig.sent();
    rig.store_all();
    rig.power_cut();
    rig.connect();
    assert_eq!(rig.messages().len(), 3);
    assert_eq!(rig.state_of(1), Some(TaskState::Kept));
}

#[test]
fn results_of_earlier_lives_go_out_in_the_order_of_their_records() {
    let mut rig = Rig::up(config());
    for id in [3, 1, 2] {
        rig.start(id);
    }
    for id in [3, 1, 2] {
        rig.take(id, 1);
    }
    rig.power_cut();
    assert_eq!(rig.device.unsent(), 3);
    rig.is_broker_prompt = true;
    rig.connect();
    assert_eq!(rig.messages()[1..], [finish(3), finish(1), finish(2)]);
}

//= docs/spec/analyst-proto.md#analyser
//# A cancelled task MUST be cancelled after a restart.
#[test]
fn a_power_cut_leaves_a_cancelled_task_cancelled() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.timeout(1);
    rig.power_cut();
    assert_eq!(rig.state_of(1), Some(TaskState::Cancelled));
    assert_eq!(rig.device.running(), 0, "nobody works any more");
    rig.connect();
    rig.start(1);
    assert_eq!(rig.work(), [(1, 1), (1, 2)]);
}

//= docs/spec/analyst-proto.md#analyser
//# A cancelled task that comes with DUP MUST NOT run again unless it was held or turned away before, or the analyser was restarted since.
#[test]
fn a_cancelled_task_that_came_anew_before_a_power_cut_runs_when_it_comes_with_dup() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.timeout(1);
    rig.stopped(1, 1);
    rig.is_store_prompt = false;
    rig.start(1); // is neither stored nor acknowledged
    rig.power_cut();
    rig.connect();
    rig.start_again(1);
    rig.store_all();
    assert_eq!(rig.work(), [(1, 1), (1, 2)]);
}

#[test]
fn a_cancellation_that_was_not_stored_is_undone_by_a_power_cut() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.is_store_prompt = false;
    rig.timeout(1);
    rig.power_cut();
    rig.store_all();
    assert_eq!(rig.work(), [(1, 1), (1, 2)]);
}

/// A long life of one task, and what each record leads to.
fn history() -> Vec<Op> {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.fail(1, 1);
    rig.sent();
    rig.start(1);
    rig.timeout(1);
    rig.start(1);
    rig.take(1, 2);
    rig.sent();
    rig.start(2);
    rig.disk
}

//= docs/spec/analyst-proto.md#analyser
//# What an analyser does after a restart MUST NOT depend on the order of its records.
#[test]
fn the_order_of_records_does_not_matter() {
    let records = history();
    assert_eq!(records.len(), 9);
    let of = |records: Vec<Op>| {
        let rig = Rig::restored(config(), records);
        (rig.state_of(1), rig.state_of(2), rig.device.unsent())
    };
    let wanted = of(records.clone());
    let mut random = testkit::Rng::new(7);
    for _ in 0..200 {
        let mut shuffled = records.clone();
        for last in (1..shuffled.len()).rev() {
            let other = usize::try_from(random.below(last as u64 + 1)).expect("small");
            shuffled.swap(last, other);
        }
        assert_eq!(of(shuffled), wanted);
    }
}

#[test]
fn a_torn_last_record_is_as_if_it_was_never_asked_for() {
    let records = history();
    let states: Vec<_> = (0..=records.len())
        .map(|kept| {
            let mut config = config();
            config.parallel = 2;
            let rig = Rig::restored(config, records[..kept].to_vec());
            (rig.state_of(1), rig.device.unsent())
        })
        .collect();
    let (running, kept) = (Some(TaskState::Running), Some(TaskState::Kept));
    let (offered, cancelled) = (Some(TaskState::Offered), Some(TaskState::Cancelled));
    let wanted = [
        (None, 0),
        (running, 0),   // Accept 1
        (offered, 1),   // Result 1, a failure
        (kept, 0),      // Delivered
        (running, 0),   // Accept 2
        (cancelled, 0), // Cancel 2
        (running, 0),   // Accept 3
        (offered, 1),   // Result 2, used in its place
        (kept, 0),      // Delivered
        (kept, 0),      // another task
    ];
    assert_eq!(states, wanted);
}

#[test]
fn records_that_make_no_sense_make_no_results() {
    let (id, run, nth) = (TaskId(1), Run(1), 1);
    let records = vec![
        Op::Delivered { id, run, nth },
        Op::Forget { id: TaskId(2), run },
        Op::Accept {
            id: TaskId(3),
            run,
            task: device_kit::start(4).into(),
        },
    ];
    let rig = Rig::restored(config(), records);
    assert_eq!((rig.device.tasks(), rig.device.unsent()), (0, 0));
}

#[test]
fn more_than_there_is_room_for_is_taken_up_after_a_restart() {
    let mut rig = Rig::up(config());
    for id in 1..=5 {
        rig.start(id);
    }
    rig.config.max_queue = 1;
    rig.power_cut();
    rig.connect();
    assert_eq!((rig.device.running(), rig.device.queued()), (1, 4));
    rig.start(6);
    assert_eq!(rig.messages(), [fail(6, "busy")]);
    rig.complete(1, 2, taken());
    assert_eq!(rig.work().last(), Some(&(2, 2)));
}

#[test]
fn a_machine_of_aliyuns_broker_subscribes_to_nothing() {
    let rig = Rig::up(lmq());
    assert_eq!(rig.config.profile, Some(BrokerProfile::Lmq));
    let is_subscribe = |output: &Output| matches!(output, Output::Subscribe(_));
    assert!(!rig.log.iter().any(is_subscribe));
}
