//! The subscriber, decision by decision: whether the box is still there.

mod platform_kit;

use platform_kit::*;
use se5_events::platform::*;
use se5_events::*;

fn state(link: Link, assurance: Assurance, cause: Option<Cause>) -> Output {
    Output::Event(Event::State {
        link,
        assurance,
        cause,
    })
}

/// Silent from now on until the silence is looked into.
fn fall_silent(rig: &mut Rig) {
    rig.pass(secs(20));
    assert_eq!(rig.platform.link(), Link::Suspect);
}

fn prove_pong(rig: &mut Rig) {
    fall_silent(rig);
    rig.pong();
    rig.log.clear();
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST NOT doubt a connection that has been silent for less than `idle`.
#[test]
fn part_of_a_message_is_a_sign_of_life() {
    let mut rig = Rig::up(config());
    for _ in 0..100 {
        rig.pass(secs(15));
        rig.input(Input::Heard(rig.at()));
    }
    assert_eq!(rig.platform.link(), Link::Unconfirmed);
    assert_eq!(rig.pings(), 0);
}

//= docs/spec/se5-events.md#events
//# A malformed message MUST NOT end the connection it came on.
#[test]
fn a_garbled_message_is_told_and_changes_nothing_else() {
    let mut rig = Rig::up(config());
    rig.pass(secs(15));
    let error = FaceEvent::decode("[1]".into()).unwrap_err();
    rig.input(Input::Garbled(rig.at(), error.clone()));
    assert_eq!(rig.events(), [&Event::Malformed(error)]);
    assert_eq!(rig.platform.link(), Link::Unconfirmed);
    rig.pass(secs(15));
    assert_eq!(
        rig.platform.link(),
        Link::Unconfirmed,
        "it was a sign of life"
    );
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST give up a silent connection when a box that has answered pings before
//# answers none within `answer`.
#[test]
fn a_half_open_box_that_once_answered_pings_is_left_within_idle_and_answer() {
    let mut rig = Rig::up(config());
    prove_pong(&mut rig);
    fall_silent(&mut rig);
    assert_eq!((rig.pings(), rig.asks().len()), (1, 0));
    rig.pass(secs(10));
    assert!(rig.log.contains(&Output::Disconnect));
    let lost = state(Link::Waiting, Assurance::TcpOnly, Some(Cause::Silent));
    assert!(rig.log.contains(&lost));
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST take any received byte as a sign of life.
#[test]
fn any_byte_saves_a_suspect_connection() {
    let mut rig = Rig::up(config());
    prove_pong(&mut rig);
    fall_silent(&mut rig);
    rig.pass(secs(9));
    rig.input(Input::Heard(rig.at()));
    assert_eq!(rig.platform.link(), Link::Unconfirmed);
    rig.pass(secs(19));
    assert_eq!(rig.platform.link(), Link::Unconfirmed);
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST ask a silent box that never answered a ping for its device list.
#[test]
fn a_box_that_never_answered_a_ping_is_pinged_once_a_connection_and_asked_over_http() {
    let mut rig = Rig::up(config());
    fall_silent(&mut rig);
    assert_eq!((rig.pings(), rig.asks().len()), (1, 1));
    rig.answer(rig.asks()[0].0, Answer::Devices(devices()));
    assert_eq!(rig.platform.assurance(), Assurance::HttpOnly);
    assert_eq!(rig.platform.link(), Link::Unconfirmed);
    rig.pass(ms(59_999));
    assert_eq!(rig.asks().len(), 1);
    rig.pass(ms(1));
    assert_eq!((rig.pings(), rig.asks().len()), (1, 2));
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST NOT give up a connection for want of a pong unless the box has answered a
//# ping before.
#[test]
fn a_silent_healthy_box_without_pongs_stays_connected_for_a_day() {
    let mut rig = Rig::up(config());
    let end = rig.now + secs(86_400);
    while rig.now < end {
        for (id, ..) in rig.asks() {
            rig.answer(id, Answer::Devices(devices()));
        }
        rig.log.retain(|output| *output == Output::Connect);
        rig.next_timer();
    }
    assert_eq!(rig.dials(), 0);
    assert!(rig.platform.link() != Link::Waiting);
    assert!(rig.platform.counters().asks < 1_500);
}

#[test]
fn any_http_answer_at_all_proves_the_box() {
    let mut rig = Rig::up(config());
    fall_silent(&mut rig);
    rig.answer(rig.asks()[0].0, failed(500));
    assert_eq!(rig.platform.assurance(), Assurance::HttpOnly);
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST give up a silent connection when two such questions in a row are not
//# answered.
#[test]
fn a_box_that_does_not_answer_http_twice_is_left() {
    let mut rig = Rig::up(config());
    fall_silent(&mut rig);
    rig.answer(rig.asks()[0].0, Answer::Failed(AskError::Unreachable));
    assert_eq!(rig.platform.link(), Link::Suspect);
    rig.pass(secs(1));
    rig.answer(rig.asks()[1].0, Answer::Failed(AskError::Unreachable));
    assert_eq!(rig.platform.link(), Link::Waiting);
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST NOT send a ping when its ping policy is never.
#[test]
fn with_pings_off_the_box_is_asked_over_http_only() {
    let mut config = config();
    config.ping = PingPolicy::Never;
    let mut rig = Rig::up(config);
    fall_silent(&mut rig);
    assert_eq!((rig.pings(), rig.asks().len()), (0, 1));
}

#[test]
fn a_box_that_has_stopped_answering_pings_is_not_left_for_ever() {
    let mut rig = Rig::up(config());
    prove_pong(&mut rig);
    for _ in 0..2 {
        rig.pass(secs(30));
        assert_eq!(rig.platform.link(), Link::Waiting);
        rig.log.clear();
        rig.redial();
    }
    fall_silent(&mut rig);
    let check = rig
        .asks()
        .into_iter()
        .find(|ask| ask.2 == Ask::Devices(None));
    rig.answer(
        check.expect("it is asked over http again").0,
        Answer::Devices(devices()),
    );
    rig.pass(secs(50));
    assert_eq!(rig.platform.link(), Link::Unconfirmed);
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST stop pinging a box after two connections in a row were lost within 2 s of a
//# ping with no pong before.
#[test]
fn pings_that_kill_the_connection_twice_are_given_up() {
    let mut rig = Rig::up(config());
    for _ in 0..2 {
        fall_silent(&mut rig);
        rig.pass(ms(500));
        rig.lose();
        rig.redial();
    }
    assert!(rig.events().contains(&&Event::PingHarmful));
    rig.log.clear();
    fall_silent(&mut rig);
    assert_eq!(rig.pings(), 0);
}

#[test]
fn pings_that_outlive_the_connection_by_seconds_are_not_to_blame() {
    let mut rig = Rig::up(config());
    for _ in 0..4 {
        fall_silent(&mut rig);
        rig.pass(secs(3));
        rig.lose();
        rig.redial();
    }
    assert!(!rig.events().contains(&&Event::PingHarmful));
}

#[test]
fn three_ignored_pings_are_told_once() {
    let mut rig = Rig::up(config());
    for _ in 0..6 {
        rig.pass(secs(25));
        rig.input(Input::Heard(rig.at()));
        rig.pass(secs(10));
        rig.lose();
        rig.redial();
    }
    let told = rig
        .events()
        .into_iter()
        .filter(|event| **event == Event::PingIgnored);
    assert_eq!(told.count(), 1);
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST reconnect after `max_silence` without an event where that is configured.
#[test]
fn silence_without_events_ends_a_connection_if_wanted() {
    let mut config = config();
    config.max_silence = Some(secs(100));
    let mut rig = Rig::up(config);
    rig.pass(secs(10));
    let last = sighting("a", rig.at().0);
    rig.face(live(&last));
    for _ in 0..9 {
        rig.pass(secs(10));
        rig.input(Input::Heard(rig.at()));
    }
    rig.log.clear();
    rig.pass(secs(10));
    let stopped = state(Link::Waiting, Assurance::TcpOnly, Some(Cause::Stopped));
    assert!(rig.log.contains(&stopped));
    rig.pass(secs(1));
    rig.connect();
    // Whatever answered the pings, only the event proves the box.
    assert_eq!(rig.gaps()[0].from, last.at.plus(-2_000));
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST report with each change of state how well the connection is proven.
#[test]
fn assurance_is_told_with_every_change() {
    let mut rig = Rig::up(config());
    rig.pong();
    rig.face(live(&sighting("a", START)));
    rig.pong();
    assert_eq!(
        rig.events(),
        [
            &Event::State {
                link: Link::Unconfirmed,
                assurance: Assurance::Pong,
                cause: None
            },
            &Event::State {
                link: Link::Streaming,
                assurance: Assurance::Event,
                cause: None
            },
            rig.events()[2],
        ]
    );
}

//= docs/spec/se5-events.md#liveness
//# The subscriber MUST NOT ask anything over HTTP of its own accord where its configuration says that
//# HTTP cannot be asked.
//= docs/spec/se5-events.md#gaps
//# The subscriber MUST report its gaps open at once where its configuration says that HTTP cannot be
//# asked.
#[test]
fn without_http_a_silent_box_stays_connected_with_the_least_assurance() {
    let mut config = config();
    config.http = false;
    let mut rig = Rig::up(config);
    rig.face(live(&sighting("a", START)));
    rig.pass(secs(3_600));
    assert_eq!(rig.platform.link(), Link::Streaming);
    assert_eq!(rig.platform.assurance(), Assurance::TcpOnly);
    assert_eq!((rig.pings(), rig.asks().len()), (1, 0));
    rig.reconnect(secs(1));
    assert_eq!(rig.open(), [(rig.gaps()[0], OpenReason::Off)]);
    rig.pass(secs(3_600));
    assert!(rig.asks().is_empty());
}
