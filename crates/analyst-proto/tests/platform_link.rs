//! The dispatcher's connection and its store, when they do not do what they should.

mod platform_kit;

use analyst_proto::BrokerProfile;
use analyst_proto::link::{Down, HangUp, NotSent};
use analyst_proto::platform::{Event, Input, Op, Output, Reason};
use analyst_proto::wire::Message;
use platform_kit::{Rig, config, fail, finish, id, ms, secs, task};

fn opens(rig: &Rig) -> usize {
    let is_open = |output: &&Output| matches!(output, Output::Open(_));
    rig.log.iter().filter(is_open).count()
}

#[test]
fn it_connects_at_once_and_says_so() {
    let mut rig = Rig::down(config(), 0);
    assert!(matches!(&rig.log[..], [Output::Open(login)] if login.host == "broker.example"));
    rig.connect();
    assert_eq!(rig.events(), [Event::Up]);
}

#[test]
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST subscribe to its own topic over each connection to an ordinary broker, and on
//# Aliyun's never.
fn it_subscribes_only_where_that_is_needed() {
    for (profile, wanted) in [(BrokerProfile::Plain, 1), (BrokerProfile::Lmq, 0)] {
        let mut config = config();
        config.profile = profile;
        let mut rig = Rig::down(config, 0);
        for _ in 0..2 {
            rig.log.clear();
            rig.connect();
            let is_own = |output: &&Output| {
                let own = "Analyst/p2p/GID_Analyst@@@monitor";
                matches!(output, Output::Subscribe(topic) if topic.as_str() == own)
            };
            let subscriptions = rig.log.iter().filter(is_own).count();
            assert_eq!(subscriptions, wanted, "{profile:?}");
            rig.tell(Input::Disconnected(Down::Lost));
        }
    }
}

#[test]
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST wait before connecting again for a time that doubles with each failure up to
//# `backoff_max`, of which up to a fifth more or less is chance.
fn it_connects_again_later_and_later() {
    let mut rig = Rig::down(config(), 0);
    for wanted in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        rig.log.clear();
        rig.tell(Input::Disconnected(Down::Refused(3)));
        rig.pass(ms(wanted * 79 / 100));
        assert_eq!(opens(&rig), 0, "{wanted}");
        rig.pass(ms(wanted * 42 / 100));
        assert_eq!(opens(&rig), 1, "{wanted}");
    }
}

#[test]
fn a_broker_that_says_nothing_is_hung_up_on() {
    let mut rig = Rig::down(config(), 0);
    rig.log.clear();
    rig.pass(secs(20));
    assert_eq!(rig.log[0], Output::Hangup);
    assert_eq!(rig.events(), [Event::HungUp(HangUp::NotOpened)]);
}

#[test]
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST wait from `auth_backoff_min` on before it uses credentials again that the broker
//# has refused.
fn refused_credentials_are_not_tried_again_soon() {
    let mut rig = Rig::down(config(), 0);
    for wanted in [30, 60] {
        rig.log.clear();
        rig.tell(Input::Disconnected(Down::BadCredentials));
        rig.pass(secs(wanted) * 79 / 100);
        assert_eq!(opens(&rig), 0);
        rig.pass(secs(wanted) * 42 / 100);
        assert_eq!(opens(&rig), 1);
    }
}

#[test]
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST wait as long as `steady_after` after its connection has broken three times within
//# that time, and report that another client is likely to have its identifier.
fn another_client_with_its_identifier_is_suspected() {
    for steady_after in [60, 10] {
        let mut config = config();
        config.link.steady_after = secs(steady_after);
        let mut rig = Rig::up(config, 0);
        for nth in 1..=3 {
            rig.log.clear();
            rig.tell(Input::Disconnected(Down::Lost));
            let suspects = rig.events().contains(&Event::DuplicateIdSuspected);
            assert_eq!(suspects, nth == 3);
            if nth < 3 {
                rig.connect();
            }
        }
        rig.pass(secs(steady_after - 1));
        assert_eq!(opens(&rig), 0);
        rig.pass(secs(1));
        assert_eq!(opens(&rig), 1);
    }
}

#[test]
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST hang up if the broker does not acknowledge a message within `ack_timeout`.
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST send a message again over the next connection until the broker has acknowledged
//# it, and in the same order.
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST NOT send the same message twice over one connection.
fn a_message_goes_out_once_for_each_connection_until_it_is_acknowledged() {
    let mut rig = Rig::up(config(), 2);
    rig.acks = false;
    rig.submit(task(1));
    rig.submit(task(2));
    assert_eq!(rig.starts(), ["1", "2"]);
    rig.log.clear();
    rig.pass(secs(19));
    assert!(rig.log.is_empty());
    rig.pass(secs(1));
    assert_eq!(rig.log[0], Output::Hangup);
    rig.acks = true;
    rig.connect();
    assert_eq!(rig.starts(), ["1", "2"]);
    rig.log.clear();
    rig.tell(Input::Disconnected(Down::Lost));
    rig.connect();
    assert!(rig.starts().is_empty());
}

#[test]
fn a_start_that_nobody_wants_any_more_does_not_go_out_again() {
    let mut rig = Rig::up(config(), 1);
    rig.acks = false;
    rig.submit(task(1));
    rig.tell(Input::Disconnected(Down::Lost));
    rig.platform.cancel(rig.now, id(1)).unwrap();
    rig.log.clear();
    rig.connect();
    assert!(rig.starts().is_empty());
    assert_eq!(rig.stops(), ["1"]);
}

#[test]
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST NOT have more messages under way than its window.
fn no_more_messages_are_under_way_than_the_window() {
    let mut rig = Rig::up(config(), 40);
    rig.acks = false;
    for number in 1..=40 {
        rig.submit(task(number));
    }
    assert_eq!(rig.starts().len(), 16);
    let first = rig.publishes().next().unwrap().send;
    rig.tell(Input::Sent(first));
    assert_eq!(rig.starts().len(), 17);
}

#[test]
fn a_driver_that_takes_no_more_is_hung_up_on() {
    let mut rig = Rig::up(config(), 1);
    rig.acks = false;
    rig.submit(task(1));
    let send = rig.publishes().next().unwrap().send;
    rig.log.clear();
    rig.not_sent(send, NotSent::Closed);
    assert_eq!(rig.log[0], Output::Hangup);
    rig.connect();
    assert_eq!(rig.starts(), ["1"]);
}

#[test]
fn news_of_a_connection_that_has_ended_means_nothing() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    rig.tell(Input::Disconnected(Down::Lost));
    rig.log.clear();
    rig.hear(finish(1, 4));
    rig.tell(Input::Disconnected(Down::Lost));
    assert!(rig.log.is_empty());
}

#[test]
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST ask its store again for what it has not done, after a delay that doubles with each
//# failure up to `store_retry_max`.
fn a_store_is_asked_again_for_what_it_has_not_done() {
    let mut rig = Rig::up(config(), 0);
    rig.stores = false;
    rig.submit(task(1));
    let (seq, op) = rig.asked().remove(0);
    for wanted in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        rig.log.clear();
        rig.fail_store(seq);
        rig.pass(ms(wanted * 79 / 100));
        assert!(rig.asked().is_empty(), "{wanted}");
        rig.pass(ms(wanted * 42 / 100));
        assert_eq!(rig.asked(), [(seq, op.clone())], "{wanted}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST end when its store has failed for `store_give_up`.
fn a_store_that_never_does_anything_ends_it() {
    let mut rig = Rig::up(config(), 0);
    rig.stores = false;
    rig.submit(task(1));
    let (seq, _) = rig.asked()[0];
    rig.fail_store(seq);
    rig.pass(secs(599));
    assert!(!rig.platform.is_closed());
    rig.pass(secs(1));
    assert!(rig.events().contains(&Event::Closed(Reason::Store)));
}

#[test]
//= docs/spec/analyst-proto.md#link
//= type=test
//# A machine MUST leave a delivery unacknowledged while `max_unstored` wait for the store, and on
//# an ordinary broker hang up once the store has answered, so that it is delivered again.
fn results_that_the_store_is_too_slow_for_come_again() {
    let mut config = config();
    config.link.max_unstored = 2;
    let mut cloud = config.clone();
    cloud.profile = BrokerProfile::Lmq;
    let mut rig = Rig::up(cloud, 1);
    rig.submit(task(1));
    rig.stores = false;
    for _ in 0..3 {
        rig.hear(finish(1, 1));
    }
    rig.store_all();
    assert!(!rig.log.contains(&Output::Hangup), "it comes again anyway");
    let mut rig = Rig::up(config, 3);
    for number in 1..=3 {
        rig.submit(task(number));
    }
    rig.stores = false;
    rig.log.clear();
    for number in 1..=3 {
        rig.hear(finish(number, 1));
    }
    assert_eq!(rig.asked().len(), 2);
    assert_eq!(rig.platform.counters().deferred, 1);
    rig.stores = true;
    let (seq, _) = rig.asked()[0];
    rig.tell(Input::Stored(seq));
    assert!(rig.log.contains(&Output::Hangup));
    rig.connect();
    rig.hear(finish(3, 1));
    let is_kept = |number: u64| {
        let terminal = |(_, op): &(_, Op)| matches!(op, Op::Terminal(it, _) if *it == id(number));
        rig.asked().iter().any(terminal)
    };
    assert!(is_kept(3));
}

#[test]
fn a_message_of_the_last_connection_is_not_acknowledged_over_the_next() {
    let mut rig = Rig::up(config(), 1);
    rig.submit(task(1));
    rig.stores = false;
    let delivery = rig.hear(finish(1, 4));
    rig.tell(Input::Disconnected(Down::Lost));
    rig.stores = true;
    rig.connect();
    rig.store_all();
    assert!(!rig.is_acked(delivery));
    assert_eq!(rig.verdicts().len(), 1);
}

#[test]
fn two_lives_of_one_seed_are_alike() {
    let life = || {
        let mut rig = Rig::up(config(), 2);
        rig.submit(task(1));
        rig.tell(Input::Disconnected(Down::Lost));
        rig.connect();
        rig.pass(secs(200));
        rig.log
    };
    assert_eq!(life(), life());
    assert!(life().iter().any(|output| {
        matches!(output, Output::Send(publish) if matches!(*publish.message, Message::Start(_)))
    }));
}

#[test]
fn failures_that_the_store_is_too_slow_for_come_again_too() {
    let mut config = config();
    config.link.max_unstored = 1;
    let mut rig = Rig::up(config, 2);
    rig.submit(task(1));
    rig.submit(task(2));
    rig.stores = false;
    rig.log.clear();
    rig.hear(fail(1, "太暗"));
    rig.hear(fail(2, "太暗"));
    let noted = rig
        .asked()
        .into_iter()
        .filter(|(_, op)| matches!(op, Op::FailNoted { .. }));
    assert_eq!(noted.count(), 1);
    assert_eq!(rig.platform.counters().deferred, 1);
}
