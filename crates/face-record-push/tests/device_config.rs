//! The configuration API of a terminal, and its owner's word.

mod device_kit;

use device_kit::{HERE, Rig, THERE, config, item, off, secs, to};
use face_record_push::device::{Cause, Event, Input, Op, State, StoreError};
use face_record_push::{Ask, AskError, AskReply, ExchangeId, Refused, Subscription};

fn change(dest: Option<&str>, is_enabled: Option<bool>) -> Ask {
    Ask::Change {
        event_dest: dest.map(str::to_owned),
        is_enabled,
    }
}

fn ask(rig: &mut Rig, exchange: u64, ask: Ask) {
    rig.input(Input::Asked(ExchangeId(exchange), ask));
}

fn codes(rig: &Rig) -> Vec<(u64, u16)> {
    let answers = rig.answers.iter();
    answers
        .map(|(exchange, reply)| (exchange.0, reply.code))
        .collect()
}

//= docs/spec/face-record-push.md#subscription
//# The terminal MUST keep a change before it answers it with code 200.
#[test]
fn a_change_is_kept_before_it_is_answered_and_in_force() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    ask(&mut rig, 1, change(Some(THERE), None));
    assert_eq!(
        (rig.answers.len(), rig.device.subscription()),
        (0, &to(HERE))
    );
    rig.store_one();
    assert_eq!(rig.answers, [(ExchangeId(1), AskReply::ok(None))]);
    assert_eq!(rig.events, [Event::Configured(to(THERE))]);
    assert_eq!(rig.device.subscription(), &to(THERE));
}

//= docs/spec/face-record-push.md#subscription
//# The terminal MUST leave a member of its configuration as it is where a change does not name it.
#[test]
fn what_a_change_leaves_out_stays_as_the_change_before_left_it() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    ask(&mut rig, 1, change(Some(THERE), None));
    ask(&mut rig, 2, change(None, Some(false)));
    assert_eq!(rig.store.waiting.len(), 1, "one at a time");
    rig.store_all();
    let mut expected = to(THERE);
    expected.is_enabled = false;
    assert_eq!(rig.device.subscription(), &expected);
    assert_eq!(codes(&rig), [(1, 200), (2, 200)]);
}

#[test]
fn a_change_that_could_not_be_kept_leaves_nothing_to_the_next() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    ask(&mut rig, 1, change(Some(THERE), None));
    ask(&mut rig, 2, change(None, Some(false)));
    rig.fail_store(StoreError::Full);
    rig.store_all();
    assert_eq!(codes(&rig), [(1, 503), (2, 200)]);
    assert_eq!(rig.device.subscription(), &off());
}

//= docs/spec/face-record-push.md#subscription
//# The terminal MUST answer an invalid change with code 400 and leave its configuration as it is.
#[test]
fn an_invalid_change_is_answered_with_400_and_changes_nothing() {
    let mut config = config();
    config.dest_policy.allow_special = false;
    config.dest_policy.ports = vec![9000];
    let mut rig = Rig::new(config);
    let bad = [
        "",
        "ftp://192.0.2.1/",
        "http://127.0.0.1:9000/",
        "http://192.0.2.1:22/Record",
    ];
    for (exchange, dest) in bad.into_iter().enumerate() {
        ask(&mut rig, exchange as u64, change(Some(dest), Some(false)));
    }
    rig.input(Input::Misasked(ExchangeId(9), AskError::Enabled));
    assert_eq!(
        codes(&rig),
        [(0, 400), (1, 400), (2, 400), (3, 400), (9, 400)]
    );
    assert_eq!(rig.answers[4].1.msg, AskError::Enabled.to_string());
    assert_eq!(
        (rig.device.subscription(), rig.store.seen.len()),
        (&to(HERE), 0)
    );
    assert_eq!(rig.device.counters().asked, 5);
}

//= docs/spec/face-record-push.md#subscription
//# The terminal MUST answer a question for its configuration with null only if its own settings say so.
#[test]
fn a_question_is_answered_with_what_is_in_force() {
    let mut rig = Rig::new(config());
    ask(&mut rig, 1, Ask::Read);
    assert_eq!(rig.answers[0].1, AskReply::ok(Some(to(HERE))));
    rig.config.literal_null = true;
    rig.power_cut();
    ask(&mut rig, 2, Ask::Read);
    assert_eq!(rig.answers[1].1, AskReply::ok(None));
}

#[test]
fn an_asker_that_hung_up_gets_no_answer_and_its_change_counts() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    ask(&mut rig, 1, change(Some(THERE), None));
    ask(&mut rig, 2, change(None, Some(false)));
    rig.input(Input::Unasked(ExchangeId(2)));
    rig.input(Input::Unasked(ExchangeId(1)));
    rig.store_all();
    assert_eq!(rig.answers, []);
    assert!(!rig.device.subscription().is_enabled);
}

//= docs/spec/face-record-push.md#subscription
//# The terminal MUST answer a change with code 503 while `max_questions` wait for the store.
#[test]
fn too_many_changes_are_put_off() {
    let mut config = config();
    config.max_questions = 2;
    let mut rig = Rig::new(config);
    rig.is_store_prompt = false;
    for exchange in 1..=3 {
        ask(&mut rig, exchange, change(Some(THERE), None));
    }
    assert_eq!(codes(&rig), [(3, 503)]);
    let refused = rig.device.configure(rig.now, off());
    assert_eq!(refused, Err(Refused::Full(off())));
    ask(&mut rig, 4, Ask::Read);
    assert_eq!(codes(&rig), [(3, 503), (4, 200)], "reading needs no store");
}

//= docs/spec/face-record-push.md#subscription
//# A new destination MUST apply from the next post on.
#[test]
fn another_destination_holds_from_the_next_post_on_and_does_not_wait() {
    let mut rig = Rig::new(config());
    rig.record_many(2);
    rig.configure(to(THERE));
    assert_eq!(rig.in_flight[0].dest.as_str(), HERE);
    for _ in 0..10 {
        rig.lose(Cause::Unreachable);
        rig.wait_for_post();
    }
    assert_eq!(rig.in_flight[0].dest.as_str(), THERE);
    rig.lose(Cause::Unreachable);
    rig.configure(to(HERE));
    assert_eq!(rig.device.state(), State::InFlight);
    assert_eq!(rig.in_flight[0].dest.as_str(), HERE);
    rig.lose(Cause::Unreachable);
    assert!(rig.device.poll_timeout().expect("a timer") - rig.now <= secs(1));
}

#[test]
fn the_same_destination_again_does_not_end_a_delay() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 0));
    rig.lose(Cause::Unreachable);
    rig.configure(to(HERE));
    assert_eq!(rig.device.state(), State::Backoff);
}

#[test]
fn the_owner_may_name_any_destination_and_is_told_if_it_was_not_kept() {
    let mut config = config();
    config.dest_policy.allow_special = false;
    let mut rig = Rig::new(config);
    let here = to("http://127.0.0.1:8080/Record");
    rig.configure(here.clone());
    assert_eq!(rig.device.subscription(), &here);
    rig.is_store_prompt = false;
    rig.configure(off());
    rig.fail_store(StoreError::Full);
    assert_eq!(rig.events.last(), Some(&Event::NotConfigured(off())));
    assert_eq!(rig.device.subscription(), &here);
}

#[test]
fn a_broken_store_answers_questions_and_keeps_the_owners_word() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    ask(&mut rig, 1, change(Some(THERE), None));
    ask(&mut rig, 2, change(None, Some(false)));
    rig.configure(to(THERE));
    rig.break_store();
    assert_eq!(codes(&rig), [(2, 503), (1, 503)]);
    ask(&mut rig, 3, change(None, Some(true)));
    ask(&mut rig, 4, Ask::Read);
    assert_eq!(codes(&rig)[2..], [(3, 503), (4, 200)]);
    rig.resume();
    let waiting: Vec<_> = rig.store.waiting.iter().map(|(_, op)| op.clone()).collect();
    assert_eq!(waiting, [Op::Configure(to(THERE))]);
    rig.store_all();
    assert_eq!(rig.device.subscription(), &to(THERE));
}

#[test]
fn a_change_that_was_kept_although_the_store_broke_is_in_force() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    ask(&mut rig, 1, change(Some(THERE), None));
    rig.store.subscription = to(THERE);
    rig.break_store();
    rig.resume();
    assert_eq!(codes(&rig), [(1, 503)], "nobody knew when it was asked");
    assert_eq!(rig.device.subscription(), &to(THERE));
    assert_eq!(rig.events.last(), Some(&Event::Configured(to(THERE))));
}

#[test]
fn a_terminal_that_closes_answers_every_question() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    ask(&mut rig, 1, change(Some(THERE), None));
    ask(&mut rig, 2, change(None, Some(false)));
    rig.configure(off());
    rig.device.close(rig.now);
    rig.drain();
    ask(&mut rig, 3, change(None, Some(true)));
    assert_eq!(codes(&rig), [(2, 503), (3, 503)]);
    rig.wait(secs(5));
    assert_eq!(codes(&rig), [(2, 503), (3, 503), (1, 503)]);
    let told = &rig.events[rig.events.len() - 2..];
    assert_eq!(told[0], Event::NotConfigured(off()));
    assert!(matches!(told[1], Event::Closed(_)));
}

//= docs/spec/face-record-push.md#subscription
//# The terminal MUST count as enabled and without a destination until it is configured.
#[test]
fn a_factory_new_terminal_is_enabled_and_goes_nowhere() {
    let rig = Rig::with_store(config(), device_kit::Store::default());
    assert_eq!(rig.device.subscription(), &Subscription::default());
    assert_eq!(rig.device.state(), State::Off);
}
