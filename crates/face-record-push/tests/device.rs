//! What a terminal does when everything else does as it should, and when the platform does not.

mod device_kit;

use device_kit::{HERE, Rig, config, item, ms, off, secs, to};
use face_record_push::device::{
    AttemptId, Cause, Durability, Event, Failure, Input, LossReason, Op, Seq, State,
};
use face_record_push::{Answer, AnswerError, Refused};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_record_is_kept_posted_and_advanced_over() {
    let mut rig = Rig::new(config());
    assert_eq!(rig.device.state(), State::Idle);
    assert_eq!(rig.record(item(1, 100)), Seq(1));
    assert_eq!(rig.device.state(), State::InFlight);
    assert_eq!(rig.posts[0].dest.as_str(), HERE);
    rig.ack();
    let expected = [Event::Kept(Seq(1)), Event::Acked(Seq(1)), Event::CaughtUp];
    assert_eq!(rig.events, expected);
    assert_eq!(rig.store.seen.last(), Some(&Op::Advance { upto: Seq(1) }));
    assert!(rig.store.rows.is_empty());
    assert_eq!((rig.device.state(), rig.device.queued()), (State::Idle, 0));
    assert_eq!(rig.device.poll_timeout(), None);
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST NOT post a record before it is kept where its durability is `BeforeSend`.
#[test]
fn nothing_is_posted_before_it_is_kept() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    rig.record(item(1, 0));
    assert_eq!((rig.posts.len(), rig.device.state()), (0, State::Idle));
    rig.store_all();
    assert_eq!(rig.posted(), [1]);
    assert_eq!(rig.store.seen.len(), 1, "posted from memory");
}

#[test]
fn concurrently_a_record_is_posted_while_it_is_being_kept() {
    let mut config = config();
    config.durability = Durability::Concurrent;
    let mut rig = Rig::new(config);
    rig.is_store_prompt = false;
    rig.record(item(1, 0));
    assert_eq!(rig.posted(), [1]);
    rig.ack();
    rig.store_all();
    assert!(rig.store.rows.is_empty());
    assert_eq!(rig.count(|event| matches!(event, Event::Kept(_))), 0);
    rig.check_counters();
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST NOT ask the store to keep a record that is acknowledged within the time of `Lazy` unless it closes or half of `max_unstored` wait.
#[test]
fn lazily_the_store_is_spared_if_the_platform_is_faster() {
    let mut config = config();
    config.durability = Durability::Lazy(ms(500));
    let mut rig = Rig::new(config);
    rig.record(item(1, 0));
    rig.ack();
    rig.record(item(2, 0));
    rig.wait(ms(499));
    assert_eq!(rig.store.seen, []);
    rig.wait(ms(1));
    assert_eq!(rig.events.last(), Some(&Event::Kept(Seq(2))));
    rig.ack();
    assert!(rig.store.rows.is_empty());
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST NOT have more than one post under way unless a fault says so.
//= docs/spec/face-record-push.md#delivery
//# The terminal MUST post its records in the order of their capture.
#[test]
fn there_is_one_post_in_flight_and_the_order_is_that_of_capture() {
    let mut rig = Rig::new(config());
    rig.record_many(5);
    assert_eq!(rig.posted(), [1]);
    rig.ack_all();
    assert_eq!(rig.posted(), [1, 2, 3, 4, 5]);
    assert_eq!(rig.acked(), [1, 2, 3, 4, 5]);
}

#[test]
fn the_next_record_is_read_while_one_is_in_flight() {
    let mut rig = Rig::new(config());
    rig.record_many(3);
    rig.ack();
    let loads = rig.store.seen.iter().filter_map(|op| match op {
        Op::Load { seq } => Some(seq.0),
        _ => None,
    });
    // The second was at hand when it was kept; the third is read while the second is in flight.
    assert_eq!(loads.collect::<Vec<_>>(), [3]);
    assert_eq!(rig.posted(), [1, 2]);
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST post a record again after anything but an acknowledgement.
//= docs/spec/face-record-push.md#delivery
//# The same record MUST be posted with the same bytes on every attempt.
//= docs/spec/face-record-push.md#delivery
//# The terminal MUST report once that its posts fail, and once that they succeed again.
#[test]
fn whatever_is_no_acknowledgement_keeps_the_record() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 10));
    let answers = [
        Answer::new(500, Some(200)),
        Answer::new(200, Some(500)),
        Answer::new(200, None),
        Answer::new(404, None),
    ];
    for answer in answers {
        rig.answer(answer);
        assert_eq!(rig.device.state(), State::Backoff, "{answer:?}");
        rig.wait_for_post();
    }
    for error in [AnswerError::Redirected(307), AnswerError::NotJson(200)] {
        let attempt = rig.in_flight.remove(0).attempt;
        rig.input(Input::Garbled(attempt, error));
        assert_eq!(rig.device.state(), State::Backoff);
        rig.wait_for_post();
    }
    rig.lose(Cause::Unreachable);
    rig.wait_for_post();
    assert_eq!(rig.device.counters().failed, 7);
    let bodies = rig.posts.iter().map(|post| Arc::clone(&post.item));
    assert!(bodies.clone().all(|item| item == rig.posts[0].item));
    rig.ack();
    let down = Failure::Refused(500, Some(200));
    let told: Vec<_> = rig.events[1..].to_vec();
    let expected = [
        Event::Down(down),
        Event::Up,
        Event::Acked(Seq(1)),
        Event::CaughtUp,
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_empty_answer_counts_only_where_it_is_allowed() {
    let mut config = config();
    config.empty_is_ok = true;
    let mut rig = Rig::new(config);
    rig.record(item(1, 0));
    rig.answer(Answer::new(204, None));
    assert_eq!(rig.acked(), [1]);
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST give up a post that has no answer within `exchange_timeout`.
#[test]
fn a_post_without_answer_is_given_up_after_ten_seconds() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 0));
    rig.wait(ms(9_999));
    assert_eq!(rig.device.state(), State::InFlight);
    let attempt = rig.posts[0].attempt;
    rig.wait(ms(1));
    assert_eq!(rig.given_up, [attempt]);
    let down = Event::Down(Failure::Disconnected(Cause::TimedOut));
    assert_eq!(rig.events.last(), Some(&down));
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST ignore an answer to a post that it has given up.
#[test]
fn the_answer_to_an_older_attempt_means_nothing() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 0));
    let old = rig.posts[0].attempt;
    rig.lose(Cause::Broken);
    rig.wait_for_post();
    rig.input(Input::Received(old, Answer::new(200, Some(200))));
    rig.input(Input::Disconnected(AttemptId(99), Cause::Broken));
    assert_eq!(rig.device.state(), State::InFlight);
    assert_eq!(rig.acked(), [0; 0]);
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST wait after a failed post for a time drawn evenly between zero and a bound that doubles with each failure up to `backoff_max`.
//= docs/spec/face-record-push.md#delivery
//# The terminal MUST reset that bound after an acknowledgement and when the network is back.
#[test]
fn delays_double_to_their_bound_and_an_acknowledgement_ends_that() {
    let mut rig = Rig::new(config());
    rig.record_many(2);
    let mut longest = Duration::ZERO;
    for nth in 0..200_u32 {
        rig.lose(Cause::Unreachable);
        let delay = rig.device.poll_timeout().expect("a timer") - rig.now;
        let bound = secs(1_u64.checked_shl(nth).filter(|_| nth < 7).unwrap_or(60)).min(secs(60));
        assert!(delay <= bound, "{delay:?} after {nth}");
        longest = longest.max(delay);
        rig.wait(delay);
    }
    assert!(longest > secs(50), "spread over the whole range");
    rig.ack();
    rig.lose(Cause::Unreachable);
    assert!(rig.device.poll_timeout().expect("a timer") - rig.now <= secs(1));
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST wait at least as long as `Retry-After` asks, up to `retry_after_max`.
#[test]
fn a_platform_that_asks_for_a_longer_delay_gets_it_up_to_a_limit() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 0));
    for (asked, waited) in [(30, 30), (86_400, 300)] {
        let mut answer = Answer::new(503, Some(503));
        answer.retry_after = Some(secs(asked));
        rig.answer(answer);
        let delay = rig.device.poll_timeout().expect("a timer") - rig.now;
        assert!(delay >= secs(waited) && delay <= secs(waited.max(60)));
        rig.wait(delay);
    }
}

#[test]
fn a_network_that_is_back_ends_the_delay() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 0));
    for _ in 0..10 {
        rig.lose(Cause::Unreachable);
        rig.input(Input::Connected);
        assert_eq!(rig.device.state(), State::InFlight);
    }
}

#[test]
fn a_record_is_read_again_after_a_long_delay() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 10));
    let mut answer = Answer::new(503, Some(503));
    answer.retry_after = Some(secs(6));
    rig.answer(answer);
    let item = Arc::downgrade(&rig.posts[0].item);
    rig.posts.clear();
    rig.log.clear();
    rig.store.seen.clear();
    assert_eq!(item.strong_count(), 1, "only the store holds it");
    rig.wait_for_post();
    assert_eq!(rig.store.seen, [Op::Load { seq: Seq(1) }]);
    assert_eq!(rig.posted(), [1]);
}

#[test]
fn without_a_destination_records_are_kept() {
    let mut rig = Rig::with_store(config(), device_kit::Store::default());
    rig.record_many(3);
    assert_eq!((rig.device.state(), rig.posts.len()), (State::Off, 0));
    rig.configure(to(HERE));
    rig.ack_all();
    assert_eq!(rig.acked(), [1, 2, 3]);
}

//= docs/spec/face-record-push.md#subscription
//# A terminal that is switched off MUST go on recording and post nothing after the post in flight.
#[test]
fn switched_off_the_post_in_flight_ends_and_the_rest_waits() {
    let mut rig = Rig::new(config());
    rig.record_many(3);
    rig.configure(off());
    assert_eq!(rig.device.state(), State::InFlight);
    rig.ack();
    assert_eq!((rig.device.state(), rig.device.queued()), (State::Off, 2));
    rig.wait(secs(100));
    assert_eq!(rig.posted(), [1]);
    rig.configure(to(HERE));
    rig.ack_all();
    assert_eq!(rig.acked(), [1, 2, 3]);
}

//= docs/spec/face-record-push.md#delivery
//# The number of a record MUST NOT be used for another one, also not after the queue was empty and the power was cut.
//= docs/spec/face-record-push.md#delivery
//# An advance that a power cut takes back MUST NOT cost more than a repetition.
#[test]
fn a_terminal_goes_on_where_the_power_cut_it_off() {
    let mut rig = Rig::new(config());
    rig.record_many(5);
    rig.ack();
    rig.ack();
    rig.power_cut();
    assert_eq!(rig.device.next_seq(), Seq(6));
    rig.ack_all();
    assert_eq!(rig.acked(), [1, 2, 3, 4, 5]);
    rig.power_cut();
    assert_eq!(rig.record(item(6, 0)), Seq(6), "no number is used twice");
    rig.check_counters();
}

//= docs/spec/face-record-push.md#overflow
//# A record that the store cannot read back MUST be reported as lost and not hold up those behind it.
#[test]
fn what_cannot_be_read_back_is_reported_and_the_next_goes_on() {
    let mut rig = Rig::new(config());
    rig.record_many(4);
    rig.store.rows.remove(&Seq(3));
    rig.ack_all();
    rig.wait(secs(1));
    assert_eq!(rig.acked(), [1, 2, 4]);
    let losses = rig.losses();
    assert_eq!((losses[0].from, losses[0].to), (Seq(3), Seq(3)));
    assert_eq!(losses[0].reason, LossReason::Corrupt);
    assert_eq!(rig.store.losses, losses);
    rig.check_counters();
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST set a record aside after `poison_after` refusals in a row that do not ask it to come again later, where that is configured.
//= docs/spec/face-record-push.md#delivery
//# The terminal MUST NOT set a second record aside before one was acknowledged.
//= docs/spec/face-record-push.md#overflow
//# A record that is set aside MUST be kept apart and not count as lost.
#[test]
fn a_record_that_is_always_refused_is_set_aside_once_until_one_is_taken() {
    let mut config = config();
    config.poison_after = Some(3);
    let mut rig = Rig::new(config);
    rig.record_many(3);
    for _ in 0..20 {
        rig.refuse();
        rig.wait_for_post();
    }
    assert_eq!(
        rig.store.dead,
        [Seq(1)],
        "a platform that refuses all buries one"
    );
    rig.ack();
    for nth in 0..3 {
        rig.refuse();
        if nth < 2 {
            rig.wait_for_post();
        }
    }
    assert_eq!(rig.store.dead, [Seq(1), Seq(3)]);
    assert_eq!(rig.events.last(), Some(&Event::CaughtUp));
    assert_eq!(rig.device.counters().buried, 2);
    rig.check_counters();
}

#[test]
fn a_busy_platform_and_a_broken_network_bury_nothing() {
    let mut config = config();
    config.poison_after = Some(1);
    let mut rig = Rig::new(config);
    rig.record(item(1, 0));
    for _ in 0..5 {
        rig.answer(Answer::new(503, Some(503)));
        rig.wait_for_post();
        rig.lose(Cause::Broken);
        rig.wait_for_post();
    }
    assert_eq!(rig.store.dead, []);
}

//= docs/spec/face-record-push.md#overflow
//# The terminal MUST refuse records while `max_unstored` wait for the store.
#[test]
fn a_store_that_is_slow_bounds_what_is_taken() {
    let mut config = config();
    config.max_unstored = 2;
    let mut rig = Rig::new(config);
    rig.is_store_prompt = false;
    rig.record_many(2);
    let refused = rig.device.record(rig.now, item(3, 0));
    assert_eq!(refused, Err(Refused::Full(item(3, 0))));
    rig.store_all();
    rig.record(item(3, 0));
}

#[test]
fn closing_gives_up_the_post_and_waits_for_the_store() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 0));
    rig.is_store_prompt = false;
    rig.record(item(2, 0));
    rig.device.close(rig.now);
    rig.drain();
    assert_eq!(rig.given_up, [rig.posts[0].attempt]);
    assert_eq!(rig.device.state(), State::Closing);
    let refused = rig.device.record(rig.now, item(3, 0));
    assert_eq!(refused, Err(Refused::Closed(item(3, 0))));
    rig.store_all();
    assert!(rig.device.is_closed());
    assert_eq!(rig.count(|event| matches!(event, Event::Closed(_))), 1);
    assert_eq!(rig.store.rows.len(), 2);
}

#[test]
fn closing_ends_without_the_store_and_says_what_it_does_not_know() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    rig.record_many(2);
    rig.device.close(rig.now);
    rig.drain();
    rig.wait(ms(4_999));
    assert!(!rig.device.is_closed());
    rig.wait(ms(1));
    let (from, to, count) = (Seq(1), Seq(2), 2);
    let told = &rig.events[rig.events.len() - 2..];
    assert_eq!(told[0], Event::Unsettled { from, to, count });
    assert!(matches!(told[1], Event::Closed(_)));
}
