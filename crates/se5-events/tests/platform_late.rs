//! The subscriber, decision by decision: what a slow network holds back.

mod platform_kit;

use platform_kit::*;
use se5_events::platform::*;
use se5_events::*;
use std::time::Duration;

/// An event of now comes, so much later.
fn face_that_took(rig: &mut Rig, late: Duration) {
    let one = sighting("slow", rig.at().0);
    rig.pass(late);
    rig.face(live(&one));
}

/// An event comes as quickly as events do.
fn prompt_face(rig: &mut Rig) {
    rig.face(live(&sighting("prompt", rig.at().0)));
}

/// A box that has shown that it answers pings, lost and dialled again.
fn known_to_answer_pings(config: Config) -> Rig {
    let mut rig = Rig::up(config);
    rig.pass(secs(20));
    rig.pong();
    rig.lose();
    rig.log.clear();
    rig
}

/// The start of the gap that a loss at this moment makes, in milliseconds after the start.
fn gap_begins(mut rig: Rig) -> i64 {
    rig.log.clear();
    rig.reconnect(secs(30));
    let gaps = rig.gaps();
    assert_eq!(gaps.len(), 1);
    gaps[0].from.since(UnixMillis(START))
}

//= docs/spec/se5-events.md#gaps
//# A live event MUST be taken to have been under way for as long as, by its own time, it fell behind
//# the quickest of the last 16 events.
#[test]
fn an_event_that_was_under_way_long_pulls_the_start_of_the_next_gap_back() {
    let mut rig = Rig::up(config());
    rig.pass(secs(30));
    prompt_face(&mut rig);
    face_that_took(&mut rig, secs(12));
    assert_eq!(gap_begins(rig), 30_000 - 2_000);
}

//= docs/spec/se5-events.md#gaps
//# A part of a message MUST NOT move the start of a gap.
#[test]
fn half_a_message_does_not_move_the_start_of_the_next_gap() {
    let mut rig = Rig::up(config());
    rig.pass(secs(15));
    prompt_face(&mut rig);
    for _ in 0..9 {
        rig.pass(secs(5));
        rig.input(Input::Heard(rig.at()));
    }
    assert_eq!(gap_begins(rig), 15_000 - 2_000);
}

#[test]
fn the_clock_of_the_box_makes_no_event_late() {
    for ahead in [-3_600_000, 3_600_000] {
        let mut rig = Rig::up(config());
        for _ in 0..9 {
            rig.pass(secs(5));
            rig.face(live(&sighting("x", rig.at().0 + ahead)));
        }
        assert_eq!(gap_begins(rig), 45_000 - 2_000, "{ahead}");
    }
}

#[test]
fn the_measure_is_the_quickest_event_and_not_the_usual_one() {
    let mut rig = Rig::up(config());
    rig.pass(secs(30));
    prompt_face(&mut rig);
    for _ in 0..7 {
        face_that_took(&mut rig, secs(4));
    }
    assert_eq!(gap_begins(rig), 30_000 + 6 * 4_000 - 2_000);
}

#[test]
fn an_event_as_quick_as_the_others_ends_the_lag() {
    let mut rig = Rig::up(config());
    rig.pass(secs(30));
    prompt_face(&mut rig);
    face_that_took(&mut rig, secs(12));
    rig.pass(secs(1));
    prompt_face(&mut rig);
    assert_eq!(gap_begins(rig), 43_000 - 2_000);
}

//= docs/spec/se5-events.md#gaps
//# A message that is no event MUST be taken to have been under way for as long as the event or pong
//# before it on the connection.
#[test]
fn a_garbled_message_behind_a_late_event_is_as_late() {
    let mut rig = Rig::up(config());
    rig.pass(secs(30));
    prompt_face(&mut rig);
    face_that_took(&mut rig, secs(12));
    rig.pass(secs(1));
    rig.garbled();
    assert_eq!(gap_begins(rig), 31_000 - 2_000);
}

//= docs/spec/se5-events.md#gaps
//# A pong MUST be taken to have been under way since the ping that it answers was sent.
#[test]
fn a_pong_pulls_the_start_of_the_next_gap_back_by_its_round_trip() {
    let mut rig = Rig::up(config());
    rig.pass(secs(20));
    assert_eq!(rig.pings(), 1);
    rig.pass(secs(7));
    rig.pong();
    assert_eq!(gap_begins(rig), 20_000 - 2_000);
}

#[test]
fn of_two_pings_the_first_is_answered_first() {
    for (pongs, since) in [(1, 0), (2, 20_000)] {
        let mut config = config();
        config.backfill = false;
        let mut rig = known_to_answer_pings(config);
        rig.redial_silently();
        let up = rig.at();
        rig.pass(secs(25));
        assert_eq!(
            rig.pings(),
            2,
            "behind the subscription, and in the silence"
        );
        for _ in 0..pongs {
            rig.pong();
        }
        let begins = up.plus(since - 2_000).since(UnixMillis(START));
        assert_eq!(gap_begins(rig), begins);
    }
}

#[test]
fn a_pong_that_answers_no_ping_tells_nothing() {
    let mut rig = Rig::up(config());
    rig.pass(secs(20));
    rig.pong();
    rig.pass(secs(10));
    rig.pong();
    assert_eq!(gap_begins(rig), 30_000 - 2_000);
}

//= docs/spec/se5-events.md#gaps
//# A message MUST NOT be taken to have been sent before its connection was first subscribed on.
#[test]
fn the_start_of_a_gap_is_never_pulled_back_behind_the_subscription_of_the_connection() {
    let mut rig = Rig::up(config());
    rig.pass(secs(30));
    prompt_face(&mut rig);
    rig.reconnect(secs(20));
    let up = rig.at().since(UnixMillis(START));
    rig.serve(Dialect::V1, &[], secs(120));
    assert!(rig.platform.open_gaps().is_empty());
    rig.face(live(&sighting("from before", START + 5_000)));
    assert_eq!(gap_begins(rig), up - 2_000);
}

#[test]
fn a_new_connection_begins_without_a_lag() {
    let mut config = config();
    config.backfill = false;
    let mut rig = Rig::up(config);
    rig.pass(secs(30));
    prompt_face(&mut rig);
    face_that_took(&mut rig, secs(12));
    rig.reconnect(secs(1));
    rig.pass(secs(15));
    rig.garbled();
    let heard = rig.at().since(UnixMillis(START));
    assert_eq!(gap_begins(rig), heard - 2_000);
}

#[test]
fn a_gap_after_too_long_a_silence_begins_when_the_last_event_was_sent() {
    let mut config = config();
    config.max_silence = Some(secs(15));
    let mut rig = Rig::up(config);
    rig.pass(secs(10));
    prompt_face(&mut rig);
    face_that_took(&mut rig, secs(12));
    rig.pass(secs(15));
    assert_eq!(rig.platform.link(), Link::Waiting);
    rig.redial();
    assert_eq!(rig.gaps()[0].from, UnixMillis(START + 10_000 - 2_000));
}

#[test]
fn a_changed_subscription_does_not_hide_what_was_under_way() {
    let mut rig = Rig::up(config());
    rig.pass(secs(30));
    prompt_face(&mut rig);
    let slow = sighting("slow", rig.at().0);
    rig.pass(secs(12));
    let other = Subscription::new([CAMERA]);
    assert_eq!(rig.platform.subscribe(rig.now, other), Ok(()));
    rig.face(live(&slow));
    assert_eq!(gap_begins(rig), 30_000 - 2_000);
}

#[test]
fn a_mark_tells_when_the_last_event_was_sent_and_not_when_it_came() {
    let mut rig = Rig::up(config());
    rig.pass(secs(30));
    prompt_face(&mut rig);
    face_that_took(&mut rig, secs(12));
    rig.platform.close(rig.now);
    rig.drain();
    assert_eq!(rig.marks().last().unwrap().live, UnixMillis(START + 30_000));
}

//= docs/spec/se5-events.md#gaps
//# The subscriber MUST report a further gap where a subscription takes effect more than `overlap`
//# after it was sent, beginning `overlap` after the sending and ending `overlap` after the effect.
//= docs/spec/se5-events.md#gaps
//# The subscriber MUST report one gap for each lost connection, and further ones only if the new
//# subscription showed its effect late.
#[test]
fn a_subscription_that_takes_effect_late_opens_a_second_gap_up_to_then() {
    let mut config = config();
    config.backfill = false;
    let mut rig = Rig::up(config);
    rig.pass(secs(10));
    rig.lose();
    rig.redial_silently();
    let sent = rig.at();
    rig.pass(secs(9));
    assert_eq!(rig.gaps().len(), 1);
    prompt_face(&mut rig);
    let late = Span::new(sent.plus(2_000), sent.plus(11_000));
    assert_eq!(rig.gaps()[1..], [late]);
    assert_eq!(rig.open()[1..], [(late, OpenReason::Off)]);
    rig.pass(secs(9));
    prompt_face(&mut rig);
    assert_eq!(rig.gaps().len(), 2, "once");
}

#[test]
fn what_a_late_subscription_missed_is_fetched() {
    let mut config = config();
    config.clock_slack = secs(0);
    let mut rig = Rig::up(config);
    rig.pass(secs(10));
    rig.lose();
    rig.redial_silently();
    let missed = sighting("missed", rig.at().0 + 5_000);
    rig.pass(secs(9));
    prompt_face(&mut rig);
    rig.serve(Dialect::V1, &[missed], secs(120));
    assert_eq!(rig.faces(Source::Backfill), ["missed"]);
    assert!(rig.platform.open_gaps().is_empty());
}

//= docs/spec/se5-events.md#gaps
//# A subscription that follows a gap MUST be taken to be in effect once anything is received on its
//# connection or the box answers whether it is there.
#[test]
fn every_sign_of_life_shows_that_the_subscription_has_arrived() {
    let garbled = FaceEvent::decode("[1]".into()).unwrap_err();
    let signs: [&dyn Fn(UnixMillis) -> Input; 4] = [
        &|at| Input::Received(at, FromBox::Face(live(&sighting("x", at.0)))),
        &|at| Input::Received(at, FromBox::Pong),
        &|at| Input::Garbled(at, garbled.clone()),
        &Input::Heard,
    ];
    for sign in signs {
        for (wait, gaps) in [(2_000, 1), (2_001, 2)] {
            let mut rig = Rig::up(config());
            rig.lose();
            rig.redial_silently();
            rig.pass(ms(wait));
            rig.input(sign(rig.at()));
            rig.pass(secs(5));
            rig.input(Input::Heard(rig.at()));
            assert_eq!(rig.gaps().len(), gaps, "{wait} {:?}", sign(rig.at()));
        }
    }
}

#[test]
fn the_answer_to_whether_a_quiet_box_is_there_shows_it_too() {
    let mut rig = Rig::up(config());
    rig.lose();
    rig.redial_silently();
    let sent = rig.at();
    rig.serve(Dialect::V1, &[], secs(19));
    assert_eq!(rig.gaps().len(), 1, "the history is another matter");
    rig.pass(secs(1));
    assert_eq!(rig.platform.link(), Link::Suspect);
    rig.pass(secs(3));
    let id = rig.asks().last().unwrap().0;
    rig.answer(id, Answer::Devices(devices()));
    let end = rig.at().plus(2_000);
    assert!(rig.gaps()[1].covers(Span::new(sent.plus(2_000), end)));
    assert_eq!((rig.gaps().len(), rig.gaps()[1].to), (2, end));
    rig.pass(secs(1));
    prompt_face(&mut rig);
    assert_eq!(rig.gaps().len(), 2);
}

#[test]
fn a_subscription_that_outlasts_the_check_is_awaited_further() {
    let mut rig = Rig::up(config());
    rig.lose();
    rig.redial_silently();
    rig.serve(Dialect::V1, &[], secs(20));
    let id = rig.asks().last().unwrap().0;
    rig.answer(id, Answer::Devices(devices()));
    let reported = rig.gaps()[1].to;
    rig.serve(Dialect::V1, &[], secs(30));
    prompt_face(&mut rig);
    let further = rig.gaps()[2];
    assert!(further.covers(Span::new(reported, rig.at().plus(2_000))));
    assert_eq!(rig.gaps().len(), 3);
}

#[test]
fn the_first_subscription_may_take_effect_whenever_it_does() {
    let mut rig = Rig::up(config());
    rig.pass(secs(15));
    prompt_face(&mut rig);
    assert!(rig.gaps().is_empty());
}

#[test]
fn a_late_first_subscription_after_a_restart_opens_a_second_gap() {
    let mark = Mark {
        live: UnixMillis(START - 60_000),
        open: vec![],
        box_ahead: 0,
    };
    let mut rig = Rig::of(Platform::resume(config(), mark));
    rig.subscribe();
    rig.connect();
    rig.pass(secs(9));
    prompt_face(&mut rig);
    assert_eq!(rig.gaps().len(), 2);
    assert_eq!(rig.gaps()[1].to, rig.at().plus(2_000));
}

#[test]
fn a_connection_lost_before_any_effect_leaves_one_gap_from_its_subscription_on() {
    let mut rig = Rig::up(config());
    rig.lose();
    rig.redial_silently();
    rig.pass(secs(9));
    rig.lose();
    rig.redial();
    let up = rig.at();
    assert_eq!(rig.gaps().len(), 2);
    assert!(rig.gaps()[1].covers(rig.gaps()[0]));
    assert_eq!(rig.gaps()[1].to, up.plus(2_000));
}

//= docs/spec/se5-events.md#gaps
//# The subscriber MUST ping a box that is known to answer pings right behind a subscription that
//# follows a gap.
#[test]
fn a_box_known_to_answer_pings_is_pinged_right_behind_the_subscription() {
    let mut rig = known_to_answer_pings(config());
    rig.redial_silently();
    let sent: Vec<_> = rig
        .log
        .iter()
        .filter(|output| matches!(output, Output::Send(_)))
        .collect();
    assert!(
        matches!(
            sent[..2],
            [
                Output::Send(ToBox::Subscribe(..)),
                Output::Send(ToBox::Ping)
            ]
        ),
        "{sent:?}"
    );
    rig.pass(ms(500));
    rig.pong();
    rig.pass(secs(9));
    prompt_face(&mut rig);
    assert_eq!(rig.gaps().len(), 1, "the pong has shown it");
}

#[test]
fn a_box_that_never_answered_a_ping_is_not_pinged_behind_the_subscription() {
    let mut rig = Rig::up(config());
    rig.pass(secs(25));
    rig.input(Input::Heard(rig.at()));
    rig.lose();
    rig.log.clear();
    rig.redial();
    assert_eq!(rig.pings(), 0);
}

#[test]
fn with_pings_off_none_follows_the_subscription() {
    let mut config = config();
    config.ping = PingPolicy::Never;
    let mut rig = known_to_answer_pings(config);
    rig.redial();
    assert_eq!(rig.pings(), 0);
}

#[test]
fn a_box_that_pings_were_found_to_harm_is_not_pinged_behind_the_subscription() {
    let mut rig = Rig::up(config());
    for _ in 0..2 {
        rig.pass(secs(20));
        rig.lose();
        rig.redial();
    }
    assert!(rig.events().contains(&&Event::PingHarmful));
    rig.pong();
    rig.lose();
    rig.log.clear();
    rig.redial();
    assert_eq!(rig.pings(), 0, "though it may say pong of itself");
}

#[test]
fn no_ping_follows_the_first_subscription() {
    let mut rig = Rig::new(config());
    rig.subscribe();
    rig.connect();
    assert_eq!(rig.pings(), 0);
}

#[test]
fn another_dialect_found_on_a_connection_awaits_its_effect_anew() {
    let mut config = config();
    (config.dialect, config.backfill) = (None, false);
    let mut rig = Rig::new(config);
    rig.subscribe();
    rig.answer(rig.asks()[0].0, Answer::Devices(devices()));
    rig.connect();
    rig.lose();
    rig.log.clear();
    rig.redial_silently();
    rig.pass(secs(5));
    let first = rig.asks()[0].0;
    rig.answer(first, failed(404));
    let second = rig.asks()[1].0;
    rig.answer(second, Answer::Devices(devices()));
    assert_eq!(rig.platform.dialect(), Some(Dialect::V2));
    let (sent, known) = (rig.at(), rig.gaps().len());
    rig.pass(secs(9));
    prompt_face(&mut rig);
    let late = Span::new(sent.plus(2_000), sent.plus(11_000));
    assert_eq!(rig.gaps()[known..], [late]);
}

#[test]
fn with_a_doubtful_clock_nothing_is_asked_before_the_gap_is_over_by_any_clock() {
    let mut rig = with_gap(config());
    rig.pass(ms(3_999));
    assert_eq!(rig.asks(), [], "the box's clock may be a minute behind");
    rig.pass(ms(1));
    rig.query();
}
