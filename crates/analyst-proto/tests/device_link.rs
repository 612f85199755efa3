//! The analyser's connection: the rows of the table of the link, and what goes out over it.

mod device_kit;

use analyst_proto::device::{Event, Input, Output, Reason, State};
use analyst_proto::link::HangUp;
use analyst_proto::link::{Down, ExchangeId, NotSent, SendId};
use analyst_proto::wire::{ErrorCode, InfoWarning, NoInfo, Rejection, Secret};
use analyst_proto::{BrokerProfile, Rate};
use device_kit::{Rig, config, fail, finish, info, info_of, lmq, ms, secs};

/// Moves the clock to the next timer, and gives how far that was.
fn skip(rig: &mut Rig) -> f64 {
    let due = rig.device.poll_timeout().expect("a timer");
    let pause = due - rig.now;
    rig.wait(pause);
    pause.as_secs_f64()
}

fn no_info(rig: &mut Rig, why: NoInfo) {
    let exchange = *rig.fetches.last().expect("a question");
    rig.input(Input::Info(exchange, Err(why)));
}

fn subscriptions(rig: &Rig) -> Vec<String> {
    let topics = rig.log.iter().filter_map(|output| match output {
        Output::Subscribe(topic) => Some(topic.to_string()),
        _ => None,
    });
    topics.collect()
}

#[test]
fn an_analyser_asks_at_once_where_the_broker_is_and_connects() {
    let mut rig = Rig::new(config());
    assert_eq!(rig.log, [Output::Fetch(ExchangeId(1))]);
    assert_eq!(rig.device.state(), State::Fetching);
    rig.inform(info());
    assert_eq!(rig.device.state(), State::Opening);
    let said = Event::Info {
        client_id: info().client_id,
        server_client_id: info().server_client_id,
        profile: BrokerProfile::Plain,
    };
    assert_eq!(rig.events, [said]);
    let login = rig.opens.last().expect("a login");
    assert_eq!((&*login.host, login.port), ("192.0.2.10", 1_883));
    assert_eq!(login.password, Secret::new("hush"));
    rig.accept();
    assert_eq!(rig.device.state(), State::Up);
    assert_eq!(rig.log.last(), Some(&Output::Event(Event::Up)));
    assert_eq!(rig.device.poll_timeout(), None);
}

#[test]
fn a_server_that_refuses_is_asked_again_after_half_a_minute() {
    let mut rig = Rig::new(config());
    let refused = NoInfo::Rejected(Rejection::new(ErrorCode::SignInvalid, "sign is invaild"));
    no_info(&mut rig, refused.clone());
    assert_eq!(rig.events, [Event::NotInformed(refused)]);
    assert_eq!(rig.device.state(), State::Waiting);
    assert!((24.0..=36.0).contains(&skip(&mut rig)));
    assert_eq!(rig.fetches, [ExchangeId(1), ExchangeId(2)]);
}

#[test]
fn a_server_that_cannot_be_reached_is_asked_again_after_a_second() {
    let mut rig = Rig::new(config());
    for nth in 0..8 {
        no_info(&mut rig, NoInfo::Unreachable);
        assert_eq!(
            rig.times_said(&Event::NotInformed(NoInfo::Unreachable)),
            nth + 1
        );
        let wanted = (1_u32 << nth).min(60);
        let pause = skip(&mut rig) / f64::from(wanted);
        assert!((0.79..1.21).contains(&pause), "{nth}: {pause}");
    }
}

#[test]
fn a_server_that_does_not_answer_in_time_is_asked_again() {
    let mut rig = Rig::new(config());
    assert!((skip(&mut rig) - 10.0).abs() < 0.001);
    assert!(rig.has_said(&Event::NotInformed(NoInfo::Unreachable)));
    skip(&mut rig);
    let late = rig.fetches[0];
    rig.input(Input::Info(late, Ok(info())));
    assert_eq!(rig.device.state(), State::Fetching, "an old answer");
    rig.inform(info());
    rig.inform(info());
    assert_eq!(rig.opens.len(), 1, "a doubled answer");
}

//= docs/spec/analyst-proto.md#analyser
//# On a `Plain` broker the analyser MUST subscribe to its own topic over each connection.
#[test]
fn an_analyser_subscribes_over_each_connection_to_a_plain_broker() {
    let mut rig = Rig::new(config());
    rig.inform(info());
    rig.accept();
    assert_eq!(subscriptions(&rig), ["Analyst/p2p/GID_Analyst@@@analyst_3"]);
    rig.lose(Down::Lost);
    skip(&mut rig);
    rig.accept();
    assert_eq!(subscriptions(&rig).len(), 2);
}

//= docs/spec/analyst-proto.md#analyser
//# On an `Lmq` broker the analyser MUST NOT subscribe.
#[test]
fn an_analyser_does_not_subscribe_at_aliyuns_broker() {
    let mut detected = info();
    detected.user_name = "Signature|key|post-cn-1".into();
    for (config, info) in [(lmq(), info()), (config(), detected)] {
        let mut rig = Rig::new(config);
        rig.inform(info);
        rig.accept();
        assert_eq!(subscriptions(&rig), Vec::<String>::new());
    }
}

#[test]
fn names_that_are_too_long_for_aliyuns_broker_are_warned_of() {
    let long = "x".repeat(60);
    let mut rig = Rig::new(lmq());
    rig.inform(info_of(&long, "monitor"));
    assert!(rig.has_said(&Event::Warning(InfoWarning::Topic)));
    let mut rig = Rig::new(config());
    rig.inform(info_of(&long, "monitor"));
    assert_eq!(rig.events.len(), 1, "others have no such limits");
}

#[test]
fn a_connection_that_is_not_made_in_time_is_hung_up_and_tried_again() {
    let mut rig = Rig::new(config());
    rig.inform(info());
    assert!((skip(&mut rig) - 20.0).abs() < 0.001);
    assert!(rig.has_said(&Event::HungUp(HangUp::NotOpened)));
    assert_eq!(rig.log.iter().filter(|o| **o == Output::Hangup).count(), 1);
    skip(&mut rig);
    assert_eq!((rig.fetches.len(), rig.opens.len()), (1, 2));
}

#[test]
fn after_three_failed_connections_the_server_is_asked_again() {
    let mut rig = Rig::new(config());
    rig.inform(info());
    for why in [Down::Lost, Down::Refused(3), Down::Timeout] {
        assert_eq!(rig.fetches.len(), 1);
        rig.lose(why);
        assert!(rig.has_said(&Event::Down(why)));
        skip(&mut rig);
    }
    assert_eq!((rig.fetches.len(), rig.opens.len()), (2, 3));
}

#[test]
fn a_connection_that_was_made_makes_failures_count_from_zero() {
    let mut rig = Rig::new(config());
    rig.inform(info());
    for _ in 0..2 {
        rig.lose(Down::Lost);
        skip(&mut rig);
    }
    rig.accept();
    for _ in 0..3 {
        rig.lose(Down::Lost);
        skip(&mut rig);
    }
    assert_eq!(rig.fetches.len(), 1);
}

#[test]
fn bad_credentials_are_forgotten_also_if_they_were_good_before() {
    let mut rig = Rig::up(config());
    rig.lose(Down::BadCredentials);
    assert!(rig.has_said(&Event::Down(Down::BadCredentials)));
    assert!(skip(&mut rig) >= 24.0);
    assert_eq!((rig.fetches.len(), rig.opens.len()), (2, 1));
}

#[test]
fn three_broken_connections_within_a_minute_make_one_suspect_another_client() {
    let mut rig = Rig::up(config());
    rig.lose(Down::Lost);
    rig.connect();
    rig.lose(Down::Lost);
    rig.connect();
    assert!(!rig.has_said(&Event::DuplicateIdSuspected));
    rig.lose(Down::Lost);
    assert!(rig.has_said(&Event::DuplicateIdSuspected));
    assert!((skip(&mut rig) - 60.0).abs() < 0.001);
    rig.accept();
    rig.lose(Down::Lost);
    assert_eq!(rig.times_said(&Event::DuplicateIdSuspected), 1);
}

#[test]
fn slow_losses_are_not_suspicious() {
    let mut rig = Rig::up(config());
    for _ in 0..5 {
        rig.wait(secs(31));
        rig.lose(Down::Lost);
        rig.connect();
    }
    assert!(!rig.has_said(&Event::DuplicateIdSuspected));
}

#[test]
fn news_of_a_connection_that_is_not_there_means_nothing() {
    let mut rig = Rig::new(config());
    rig.accept();
    rig.lose(Down::Lost);
    rig.start(1);
    rig.timeout(1);
    rig.input(Input::Sent(SendId(1)));
    rig.input(Input::SendFailed(SendId(1), NotSent::Closed));
    assert_eq!(rig.log.len(), 1);
    assert_eq!(rig.device.state(), State::Fetching);
}

//= docs/spec/analyst-proto.md#analyser
//# A result MUST be published over each connection until the broker has acknowledged it.
//= docs/spec/analyst-proto.md#analyser
//# The analyser MUST NOT publish the same message twice over one connection.
#[test]
fn what_the_broker_did_not_acknowledge_goes_out_again_over_the_next_connection() {
    let mut rig = Rig::up(config());
    for id in 1..=3 {
        rig.start(id);
        rig.take(id, 1);
    }
    rig.wait(secs(19));
    assert_eq!(rig.messages(), [finish(1)], "one at a time");
    for nth in 2..=4 {
        rig.lose(Down::Lost);
        rig.connect();
        assert_eq!(rig.messages(), vec![finish(1); nth]);
    }
    rig.is_broker_prompt = true;
    rig.sent();
    assert_eq!(rig.messages()[4..], [finish(2), finish(3)]);
    let sends: Vec<u64> = rig.sends.iter().map(|publish| publish.send.0).collect();
    assert_eq!(sends, [1, 2, 3, 4, 5, 6], "each under a number of its own");
}

//= docs/spec/analyst-proto.md#analyser
//# The analyser MUST hang up when the broker has not acknowledged a message within `ack_timeout`.
#[test]
fn a_broker_that_does_not_acknowledge_is_hung_up() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.take(1, 1);
    rig.wait(ms(19_999));
    assert_eq!(rig.device.state(), State::Up);
    rig.wait(ms(1));
    assert!(rig.has_said(&Event::HungUp(HangUp::NotAcknowledged)));
    assert_eq!(rig.device.state(), State::Waiting);
    rig.connect();
    assert_eq!(rig.messages(), [finish(1), finish(1)]);
    assert_eq!(rig.fetches.len(), 1);
}

#[test]
fn a_message_that_cannot_be_published_costs_the_connection() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.take(1, 1);
    rig.not_sent(NotSent::Closed);
    assert!(rig.has_said(&Event::HungUp(HangUp::NotSent)));
    assert_eq!(rig.messages().len(), 1, "not again over this one");
    rig.connect();
    rig.sent();
    assert_eq!(rig.messages(), [finish(1), finish(1)]);
    assert_eq!(rig.device.unsent(), 0);
}

#[test]
fn late_news_of_a_message_means_nothing() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.take(1, 1);
    let old = rig.in_flight[0].send;
    rig.lose(Down::Lost);
    rig.connect();
    for late in [
        Input::SendFailed(old, NotSent::Closed),
        Input::SendFailed(old, NotSent::TooLarge),
        Input::Sent(old),
        Input::Sent(SendId(99)),
    ] {
        rig.input(late);
    }
    assert_eq!(rig.device.state(), State::Up);
    assert_eq!(rig.device.unsent(), 1);
}

#[test]
fn answers_go_to_the_dispatcher_that_the_server_named_last() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.take(1, 1);
    rig.lose(Down::BadCredentials);
    rig.start(2);
    skip(&mut rig);
    rig.inform(info_of("other", "standby"));
    rig.accept();
    let topics: Vec<String> = rig.sends.iter().map(|p| p.topic.to_string()).collect();
    assert_eq!(
        topics,
        ["Analyst/p2p/GID_Analyst@@@monitor", "Analyst/p2p/standby"]
    );
}

#[test]
fn answers_of_busy_go_out_again_over_the_next_connection() {
    let mut config = config();
    config.max_queue = 0;
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.start(2);
    rig.lose(Down::Lost);
    rig.connect();
    assert_eq!(rig.messages(), [fail(2, "busy"), fail(2, "busy")]);
}

//= docs/spec/analyst-proto.md#analyser
//# An analyser that is closed MUST report so once, as the last thing it says.
#[test]
fn a_machine_that_is_closed_says_so_and_nothing_else() {
    let mut rig = Rig::up(config());
    rig.start(1);
    rig.device.close(rig.now);
    rig.device.close(rig.now);
    rig.drain();
    let last = [
        Output::Event(Event::Closed(Reason::Local)),
        Output::Disconnect,
    ];
    assert_eq!(rig.log[rig.log.len() - 2..], last);
    let length = rig.log.len();
    rig.lose(Down::Lost);
    rig.start(2);
    rig.stopped(1, 1);
    rig.wait(secs(1_000));
    assert_eq!(rig.log.len(), length);
    assert_eq!(
        (rig.device.state(), rig.device.poll_timeout()),
        (State::Closed, None)
    );
}

#[test]
fn a_close_at_any_moment_of_the_link_is_the_end() {
    let steps: [&dyn Fn(&mut Rig); 3] = [&|_| {}, &|rig| rig.inform(info()), &|rig| {
        rig.lose(Down::Lost);
    }];
    for count in 0..=steps.len() {
        let mut rig = Rig::new(config());
        for step in &steps[..count] {
            step(&mut rig);
        }
        rig.device.close(rig.now);
        rig.drain();
        assert!(rig.device.is_closed());
        assert_eq!(rig.log.last(), Some(&Output::Disconnect));
    }
}

#[test]
fn limits_of_zero_are_taken_for_one() {
    let mut config = config();
    (config.parallel, config.max_queue) = (0, 0);
    (config.link.window, config.link.max_unstored) = (0, 0);
    let mut rig = Rig::up(config);
    rig.start(1);
    rig.take(1, 1);
    rig.sent();
    assert_eq!(rig.counters().delivered, 1);
}

#[test]
fn delays_that_no_clock_reaches_do_no_harm() {
    let mut config = config();
    let forever = std::time::Duration::MAX;
    (config.fetch_timeout, config.kept_for) = (forever, forever);
    config.link.open_timeout = forever;
    config.link.ack_timeout = forever;
    config.link.store_give_up = forever;
    (config.link.backoff_min, config.link.backoff_max) = (forever, forever);
    let mut rig = Rig::new(config);
    assert_eq!(rig.device.state(), State::Fetching);
    rig.inform(info());
    rig.accept();
    rig.start(1);
    rig.take(1, 1);
    rig.sent();
    rig.wait(secs(1_000_000));
    assert_eq!(rig.device.tasks(), 1);
    rig.lose(Down::Lost);
    rig.wait(secs(1_000_000));
    assert_eq!(rig.device.state(), State::Waiting);
}

#[test]
fn a_password_does_not_show() {
    let rig = Rig::up(config());
    let shown = format!("{:?} {:?}", rig.device, rig.log);
    assert!(shown.contains("analyst_3") && !shown.contains("hush"));
}

#[test]
//= docs/spec/analyst-proto.md#analyser
//= type=test
//# The analyser MUST NOT publish more messages a second than `rate`.
fn a_l15_results_go_out_no_faster_than_aliyuns_broker_takes_them() {
    let mut config = lmq();
    (config.max_queue, config.link.window) = (50, 50);
    for (rate, at_once, pause) in [(None, 20, 50), (Some(Rate::new(4, 2)), 2, 250)] {
        config.rate = rate;
        let mut rig = Rig::up(config.clone());
        for id in 1..=30 {
            rig.start(id);
            rig.store_all();
        }
        rig.lose(Down::Lost);
        for id in 1..=30 {
            rig.take(id, 1);
            rig.store_all();
        }
        rig.log.clear();
        rig.connect();
        assert_eq!(rig.messages().len(), at_once);
        for more in 1..=30 - at_once {
            rig.wait(ms(pause - 1));
            assert_eq!(rig.messages().len(), at_once + more - 1);
            rig.wait(ms(1));
            assert_eq!(rig.messages().len(), at_once + more);
        }
        assert_eq!(rig.messages()[29], finish(30), "in order, and all of them");
    }
}

#[test]
fn an_ordinary_broker_gets_results_as_fast_as_they_come() {
    let mut config = config();
    (config.max_queue, config.link.window) = (50, 50);
    let mut rig = Rig::up(config);
    rig.log.clear();
    for id in 1..=30 {
        rig.start(id);
        rig.store_all();
        rig.take(id, 1);
        rig.store_all();
    }
    assert_eq!(rig.messages().len(), 30);
}
