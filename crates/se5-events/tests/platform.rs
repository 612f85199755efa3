//! The subscriber, decision by decision: dialects, dialling and freshness.

mod platform_kit;

use platform_kit::*;
use se5_events::platform::*;
use se5_events::*;
use std::time::Duration;

fn probing() -> Config {
    Config::new(7)
}

fn state(link: Link, assurance: Assurance, cause: Option<Cause>) -> Output {
    Output::Event(Event::State {
        link,
        assurance,
        cause,
    })
}

//= docs/spec/se5-events.md#subscription
//# The subscriber MUST send its subscription as the first message on every connection.
#[test]
fn the_subscription_is_the_first_message_of_every_connection() {
    let mut rig = Rig::new(config());
    rig.subscribe();
    for _ in 0..3 {
        rig.log.clear();
        rig.connect();
        let first = rig.log.first().cloned();
        assert!(matches!(
            first,
            Some(Output::Send(ToBox::Subscribe(Dialect::V1, _)))
        ));
        rig.lose();
        rig.until(secs(31), |output| *output == Output::Connect);
    }
}

#[test]
fn a_configured_dialect_is_dialled_at_once_and_never_asked_for() {
    let mut rig = Rig::new(config());
    rig.subscribe();
    assert_eq!(
        rig.said(),
        [
            Output::Connect,
            state(Link::Dialing, Assurance::TcpOnly, None)
        ]
    );
    rig.connect();
    rig.reconnect(secs(9));
    rig.pass(secs(10));
    assert!(
        rig.asks()
            .iter()
            .all(|(_, _, ask)| matches!(ask, Ask::Events(_)))
    );
}

#[test]
fn dialect_one_is_found_by_its_device_list() {
    let mut rig = Rig::new(probing());
    rig.subscribe();
    assert_eq!(rig.platform.link(), Link::Probing);
    let (id, dialect, _) = rig.asks()[0].clone();
    assert_eq!(dialect, Dialect::V1);
    rig.answer(id, Answer::Devices(devices()));
    assert_eq!(rig.platform.dialect(), Some(Dialect::V1));
    assert!(rig.events().contains(&&Event::DialectFound(Dialect::V1)));
    assert_eq!(rig.platform.link(), Link::Dialing);
}

//= docs/spec/se5-events.md#subscription
//# A subscriber that was not told the dialect MUST ask for the device list in dialect 1, and then
//# in dialect 2, before it connects.
#[test]
fn dialect_two_is_found_after_dialect_one_is_refused() {
    let mut rig = Rig::new(probing());
    rig.subscribe();
    rig.answer(rig.asks()[0].0, failed(404));
    let (id, dialect, _) = rig.asks()[1].clone();
    assert_eq!(dialect, Dialect::V2);
    rig.answer(id, Answer::Devices(devices()));
    rig.connect();
    assert_eq!(
        rig.count(|o| matches!(o, Output::Send(ToBox::Subscribe(Dialect::V2, _)))),
        1
    );
}

#[test]
fn a_box_of_neither_dialect_is_asked_again_later() {
    let mut rig = Rig::new(probing());
    rig.subscribe();
    rig.answer(rig.asks()[0].0, failed(404));
    rig.answer(rig.asks()[1].0, failed(404));
    assert_eq!(rig.platform.link(), Link::Waiting);
    assert!(rig.log.contains(&state(
        Link::Waiting,
        Assurance::TcpOnly,
        Some(Cause::NoDialect)
    )));
    rig.pass(secs(1));
    assert_eq!(rig.platform.link(), Link::Probing);
}

#[test]
fn an_unreachable_box_is_not_asked_in_the_other_dialect() {
    let mut rig = Rig::new(probing());
    rig.subscribe();
    rig.answer(rig.asks()[0].0, Answer::Failed(AskError::Unreachable));
    assert_eq!(rig.asks().len(), 1);
    assert_eq!(rig.platform.link(), Link::Waiting);
}

#[test]
fn a_probe_without_an_answer_ends() {
    let mut rig = Rig::new(probing());
    rig.subscribe();
    rig.pass(secs(10));
    assert_eq!(rig.platform.link(), Link::Waiting);
}

#[test]
fn a_box_that_comes_back_with_the_other_dialect_is_subscribed_to_in_it() {
    let mut rig = Rig::new(probing());
    rig.subscribe();
    rig.answer(rig.asks()[0].0, Answer::Devices(devices()));
    rig.connect();
    rig.lose();
    rig.until(secs(31), |output| *output == Output::Connect);
    rig.pass(secs(5));
    rig.log.clear();
    rig.connect();
    let (id, dialect, _) = rig.asks()[0].clone();
    assert_eq!(dialect, Dialect::V1, "first in the dialect it spoke last");
    rig.answer(id, failed(404));
    rig.pass(secs(1));
    rig.answer(rig.asks()[1].0, Answer::Devices(devices()));
    assert_eq!(rig.platform.dialect(), Some(Dialect::V2));
    let last = rig
        .log
        .iter()
        .rfind(|o| matches!(o, Output::Send(ToBox::Subscribe(..))));
    assert!(matches!(
        last,
        Some(Output::Send(ToBox::Subscribe(Dialect::V2, _)))
    ));
    let (first, second) = (rig.gaps()[0], rig.gaps()[1]);
    assert!(second.covers(first), "the gap grows by the deaf time");
    assert_eq!(rig.platform.open_gaps(), [second]);
}

#[test]
fn a_missed_change_of_dialect_is_found_when_the_silence_is_looked_into() {
    let mut rig = Rig::new(probing());
    rig.subscribe();
    rig.answer(rig.asks()[0].0, Answer::Devices(devices()));
    rig.connect();
    rig.reconnect(secs(31));
    // The HTTP service comes up later than the WebSocket.
    rig.answer(rig.asks()[1].0, Answer::Failed(AskError::Unreachable));
    rig.log.clear();
    rig.until(secs(60), |o| {
        matches!(o, Output::Send(ToBox::Ask(_, _, Ask::Devices(_))))
    });
    let check = rig
        .asks()
        .into_iter()
        .find(|ask| ask.2 == Ask::Devices(None));
    rig.answer(check.unwrap().0, failed(404));
    let probe = rig.asks().pop().unwrap();
    assert_eq!(probe.1, Dialect::V1);
    rig.answer(probe.0, failed(404));
    rig.answer(rig.asks().pop().unwrap().0, Answer::Devices(devices()));
    assert_eq!(rig.platform.dialect(), Some(Dialect::V2));
}

//= docs/spec/se5-events.md#subscription
//# The subscriber MUST refuse a subscription without device ids unless its configuration allows an
//# empty list.
#[test]
fn an_empty_subscription_is_refused_unless_allowed() {
    let mut strict = Platform::new(config());
    let nothing = Subscription::default();
    assert_eq!(
        strict.subscribe(origin(), nothing.clone()),
        Err(Refused::EmptyList(nothing.clone()))
    );
    let mut config = config();
    config.allow_empty = true;
    assert_eq!(Platform::new(config).subscribe(origin(), nothing), Ok(()));
}

//= docs/spec/se5-events.md#subscription
//# When the subscription changes on a live connection, the subscriber MUST send the new one on the
//# same connection.
#[test]
fn a_changed_subscription_goes_out_on_the_same_connection() {
    let mut rig = Rig::up(config());
    rig.face(live(&sighting("a", START)));
    rig.log.clear();
    rig.subscribe();
    assert!(rig.log.is_empty(), "the same again is nothing new");
    let other = Subscription::new([CAMERA, "other"]);
    rig.platform.subscribe(rig.now, other.clone()).unwrap();
    rig.drain();
    assert_eq!(
        rig.log[0],
        Output::Send(ToBox::Subscribe(Dialect::V1, other))
    );
    assert_eq!(rig.platform.link(), Link::Unconfirmed);
    assert_eq!(rig.dials(), 0);
}

#[test]
fn a_subscription_made_while_waiting_is_sent_on_the_next_connection() {
    let mut rig = Rig::up(config());
    rig.lose();
    let other = Subscription::new(["other"]);
    rig.platform.subscribe(rig.now, other.clone()).unwrap();
    rig.pass(secs(1));
    rig.log.clear();
    rig.connect();
    assert_eq!(
        rig.log[0],
        Output::Send(ToBox::Subscribe(Dialect::V1, other))
    );
}

//= docs/spec/se5-events.md#limits
//# The subscriber MUST refuse commands while `max_queue` outputs wait.
#[test]
fn commands_are_refused_while_outputs_are_not_drained() {
    let mut config = config();
    config.max_queue = 2;
    let mut rig = Rig::new(config);
    let wanted = Subscription::new([CAMERA]);
    rig.platform.subscribe(rig.now, wanted.clone()).unwrap();
    let other = Subscription::new(["other"]);
    let span = Span::new(UnixMillis(0), UnixMillis(1));
    assert_eq!(
        rig.platform.subscribe(rig.now, other.clone()),
        Err(Refused::Full(other))
    );
    assert_eq!(rig.platform.devices(rig.now), Err(Refused::Full(())));
    assert_eq!(
        rig.platform.backfill(rig.now, span),
        Err(Refused::Full(span))
    );
}

//= docs/spec/se5-events.md#limits
//# A machine that is closed MUST report so once, as the last thing it says.
#[test]
fn every_command_is_refused_after_close() {
    let mut rig = Rig::up(config());
    rig.platform.close(rig.now);
    rig.drain();
    let wanted = Subscription::new([CAMERA]);
    let span = Span::new(UnixMillis(0), UnixMillis(1));
    assert_eq!(
        rig.platform.subscribe(rig.now, wanted.clone()),
        Err(Refused::Closed(wanted))
    );
    assert_eq!(rig.platform.devices(rig.now), Err(Refused::Closed(())));
    assert_eq!(
        rig.platform.backfill(rig.now, span),
        Err(Refused::Closed(span))
    );
    assert_eq!(
        rig.log.last(),
        Some(&Output::Event(Event::Closed(Reason::Local)))
    );
    assert_eq!(rig.platform.poll_timeout(), None);
}

#[test]
fn the_device_list_is_had_without_a_subscription() {
    let mut rig = Rig::new(probing());
    let id = rig.platform.devices(rig.now).unwrap();
    rig.drain();
    rig.answer(id, failed(404));
    rig.answer(rig.asks()[1].0, Answer::Devices(devices()));
    assert!(rig.events().contains(&&Event::Devices(devices())));
    assert_eq!(rig.platform.dialect(), Some(Dialect::V2));
    assert_eq!(rig.platform.link(), Link::Idle);
    rig.subscribe();
    assert_eq!(rig.platform.link(), Link::Dialing, "no second probe");
}

#[test]
fn a_device_list_that_does_not_come_is_told() {
    let mut rig = Rig::new(config());
    rig.platform.devices(rig.now).unwrap();
    rig.pass(secs(10));
    assert!(
        rig.events()
            .contains(&&Event::DevicesFailed(AskError::Unreachable))
    );
    assert_eq!(rig.platform.poll_timeout(), None);
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST give up a dial that has not succeeded within `dial_timeout`.
#[test]
fn a_dial_without_an_answer_is_given_up_after_ten_seconds() {
    let mut rig = Rig::new(config());
    rig.subscribe();
    rig.pass(ms(9_999));
    assert_eq!(rig.platform.link(), Link::Dialing);
    rig.log.clear();
    rig.pass(ms(1));
    assert_eq!(
        rig.said(),
        [
            Output::Disconnect,
            state(Link::Waiting, Assurance::TcpOnly, Some(Cause::Timeout))
        ]
    );
}

//= docs/spec/se5-events.md#gaps
//# The subscriber MUST report one gap for each lost connection, and further ones only if the new
//# subscription showed its effect late.
#[test]
fn every_kind_of_loss_is_treated_alike() {
    let causes = [
        Cause::Eof,
        Cause::Close(1001),
        Cause::Oversize,
        Cause::NotUtf8,
        Cause::Io,
    ];
    for cause in causes {
        let mut rig = Rig::up(config());
        rig.input(Input::Disconnected(rig.at(), cause));
        let lost = state(Link::Waiting, Assurance::TcpOnly, Some(cause));
        assert!(rig.log.contains(&lost));
        assert!(rig.until(ms(501), |output| *output == Output::Connect));
        rig.connect();
        assert_eq!(rig.gaps().len(), 1);
    }
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST reset that bound after an event or after `stable` of connection.
#[test]
fn an_event_resets_the_backoff_and_a_short_connection_does_not() {
    let longest = |with_event: bool| {
        let mut rig = Rig::up(config());
        let mut longest = Duration::ZERO;
        for nth in 0..40 {
            if with_event {
                rig.face(live(&sighting("a", START + nth)));
            }
            rig.lose();
            let before = rig.now;
            rig.log.clear();
            assert!(rig.until(secs(31), |output| *output == Output::Connect));
            longest = longest.max(rig.now - before);
            rig.connect();
        }
        longest
    };
    assert!(longest(true) <= ms(500));
    assert!(longest(false) > secs(10));
}

#[test]
fn a_connection_of_thirty_seconds_resets_the_backoff() {
    let mut rig = Rig::up(config());
    for _ in 0..20 {
        for _ in 0..3 {
            rig.pass(secs(10));
            rig.input(Input::Heard(rig.at()));
        }
        rig.lose();
        rig.log.clear();
        assert!(rig.until(ms(500), |output| *output == Output::Connect));
        rig.connect();
    }
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST wait before dialling again for a time drawn evenly between zero and a bound
//# that doubles with each failure up to `backoff_max`.
#[test]
fn a_day_without_a_box_costs_a_bounded_number_of_dials() {
    for seed in 0..20 {
        let mut config = config();
        config.seed = seed;
        let mut rig = Rig::new(config);
        rig.subscribe();
        let end = rig.now + secs(86_400);
        let mut timers = 0;
        while rig.now < end {
            if rig.platform.link() == Link::Dialing {
                rig.input(Input::Disconnected(rig.at(), Cause::Refused));
            }
            rig.next_timer();
            timers += 1;
        }
        let dials = rig.dials();
        // On average one in 15 s; a draw of 5,760 stays within a tenth of that.
        assert!((5_000..6_600).contains(&dials), "{dials} dials");
        assert!(timers <= 2 * dials);
    }
}

//= docs/spec/se5-events.md#freshness
//# An event MUST count as live only if its age is at most `live_within`.
//= docs/spec/se5-events.md#freshness
//# An event older than that MUST be reported as late with its age.
//= docs/spec/se5-events.md#freshness
//# An event more than `future_tolerance` ahead of the clock MUST be reported as ahead of time.
//= docs/spec/se5-events.md#freshness
//# An event without a readable time MUST be reported as of unknown freshness.
//= docs/spec/se5-events.md#freshness
//# Only a pushed event that counts as live MUST be actionable.
#[test]
fn freshness_is_judged_once_by_both_wall_clocks() {
    let mut rig = Rig::up(config());
    let cases = [
        (-10_000, Freshness::Live),
        (-10_001, Freshness::Late(ms(10_001))),
        (5_000, Freshness::Live),
        (5_001, Freshness::Future(ms(5_001))),
    ];
    for (nth, (ahead, wanted)) in cases.into_iter().enumerate() {
        rig.log.clear();
        rig.face(live(&sighting(&nth.to_string(), START + ahead)));
        assert_eq!(rig.freshness(), [wanted]);
        let face = rig
            .events()
            .into_iter()
            .find(|e| matches!(e, Event::Face { .. }));
        assert_eq!(face.unwrap().actionable(), wanted == Freshness::Live);
    }
    rig.log.clear();
    rig.face(FaceEvent::decode(r#"{"device_id":"x"}"#.into()).unwrap());
    assert_eq!(rig.freshness(), [Freshness::Unknown]);
}

//= docs/spec/se5-events.md#freshness
//# The operator's `clock_offset` MUST be added to the box's times before they are judged.
#[test]
fn the_operators_clock_offset_corrects_freshness() {
    let mut config = config();
    config.clock_offset = 3_600_000;
    let mut rig = Rig::up(config);
    rig.face(live(&sighting("a", START - 3_600_000)));
    assert_eq!(rig.freshness(), [Freshness::Live]);
}

//= docs/spec/se5-events.md#freshness
//# A clock that differs by the same amount in the first eight events of a connection MUST be
//# reported once for that connection.
#[test]
fn a_wrong_clock_of_the_box_is_told_once_a_connection() {
    let mut rig = Rig::up(config());
    for nth in 0..20_i64 {
        rig.face(live(&sighting(
            &nth.to_string(),
            START - 3_600_000 + nth * 100,
        )));
    }
    let skews: Vec<_> = rig
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::ClockSkew { .. }))
        .collect();
    assert_eq!(skews, [&Event::ClockSkew { millis: -3_599_650 }]);
    assert!(
        rig.freshness()
            .iter()
            .all(|f| matches!(f, Freshness::Late(_))),
        "advice only"
    );
}

#[test]
fn events_late_by_different_times_are_no_sign_of_a_wrong_clock() {
    let mut rig = Rig::up(config());
    for nth in 0..20_i64 {
        rig.face(live(&sighting(
            &nth.to_string(),
            START - 60_000 - nth * 1_000,
        )));
    }
    assert!(
        !rig.events()
            .iter()
            .any(|event| matches!(event, Event::ClockSkew { .. }))
    );
}

#[test]
fn late_and_doubled_news_from_the_driver_does_nothing() {
    let mut rig = Rig::new(config());
    let face = live(&sighting("a", START));
    rig.connect();
    rig.lose();
    rig.face(face.clone());
    assert!(rig.log.is_empty());
    let mut rig = Rig::up(config());
    rig.connect();
    assert!(rig.log.is_empty());
    rig.lose();
    rig.log.clear();
    rig.lose();
    rig.connect();
    rig.face(face);
    rig.answer(ExchangeId(99), Answer::Devices(devices()));
    assert!(rig.log.is_empty());
}

#[test]
fn a_box_that_comes_back_with_the_other_dialect_may_take_its_time_to_start() {
    let mut rig = Rig::new(probing());
    rig.subscribe();
    rig.answer(rig.asks()[0].0, Answer::Devices(devices()));
    rig.connect();
    rig.reconnect(secs(5));
    let ready = rig.elapsed + secs(100);
    let starting = AskError::Box {
        code: "503".into(),
        message: String::new(),
        status: Some("DEVICE_INIT_ERROR".into()),
    };
    let mut done = 1;
    while rig.platform.dialect() == Some(Dialect::V1) {
        let Some((id, dialect, ask)) = rig.asks().get(done).cloned() else {
            rig.next_timer();
            // It answers pings all the while.
            rig.pong();
            continue;
        };
        done += 1;
        let answer = match (dialect, ask) {
            (Dialect::V1, _) => failed(404),
            _ if rig.elapsed < ready => Answer::Failed(starting.clone()),
            _ => Answer::Devices(devices()),
        };
        rig.answer(id, answer);
        assert!(rig.elapsed < ready + secs(10), "never found");
    }
    assert!(rig.open().is_empty(), "the history waits for the dialect");
    assert!(
        rig.platform.open_gaps()[0].to >= rig.at(),
        "the deaf time is missed"
    );
}

#[test]
fn a_box_whose_dialect_could_not_be_verified_is_asked_again() {
    let mut rig = Rig::new(probing());
    rig.subscribe();
    rig.answer(rig.asks()[0].0, Answer::Devices(devices()));
    rig.connect();
    rig.reconnect(secs(5));
    rig.answer(rig.asks()[1].0, Answer::Failed(AskError::Unreachable));
    rig.log.clear();
    for _ in 0..7 {
        rig.pass(secs(10));
        rig.pong();
    }
    let lists = rig
        .asks()
        .into_iter()
        .filter(|(_, _, ask)| *ask == Ask::Devices(None));
    assert_eq!(lists.count(), 1);
}
