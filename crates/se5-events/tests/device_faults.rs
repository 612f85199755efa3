//! Everything a box does wrong, one fault at a time.

mod device_kit;

use device_kit::{GATE, Rig, face};
use se5_events::device::{Config, Event, Fault, Input, LinkId, Output, PingAnswer, Reboot};
use se5_events::{
    Answer, Ask, AskError, Dialect, FromBox, HistoryQuery, Limits, ToBox, UnixMillis, codec,
};
use std::collections::BTreeSet;
use std::time::Duration;

fn rig() -> Rig {
    let mut rig = Rig::new(Config::new(7));
    rig.join(1);
    rig.drain();
    rig
}

fn everything(dialect: Dialect) -> Ask {
    let (from, to) = (UnixMillis(0), UnixMillis(4_000_000_000_000));
    let mut query = HistoryQuery::new(dialect, from, to);
    query.per_page = 1_000;
    Ask::Events(query)
}

fn recorded(answer: Option<Answer>) -> Vec<String> {
    match answer {
        Some(Answer::Page(page)) => {
            let ids = page.records.iter().map(se5_events::FaceEvent::event_id);
            ids.map(|id| id.expect("an id").into_owned()).collect()
        }
        other => panic!("{other:?} is no page"),
    }
}

fn left(rig: &mut Rig) -> (u64, u64) {
    rig.input(Input::Disconnected(LinkId(1)));
    let left = rig.events().into_iter().find_map(|event| match event {
        Event::Left { sent, dropped, .. } => Some((sent, dropped)),
        _ => None,
    });
    left.expect("the link was there")
}

#[test]
fn half_open_links_hear_nothing_and_later_ones_do() {
    let mut rig = rig();
    rig.see(GATE);
    rig.fault(Fault::HalfOpen);
    rig.join(2);
    rig.see(GATE);
    let links: Vec<u64> = rig.sent().iter().map(|(link, ..)| *link).collect();
    assert_eq!(links, [1, 2]);
    assert_eq!(rig.device.answers_ping(LinkId(1)), PingAnswer::Ignore);
    assert_eq!(rig.device.answers_ping(LinkId(2)), PingAnswer::Answer);
    rig.device.clear_faults(rig.now);
    rig.see(GATE);
    assert_eq!(rig.ids(1), ["1607062639.2"]);
    assert_eq!(left(&mut rig), (2, 1));
}

#[test]
fn a_slow_link_that_is_half_open_loses_what_waited() {
    let mut rig = rig();
    rig.input(Input::Slow(LinkId(1)));
    rig.see(GATE);
    rig.fault(Fault::HalfOpen);
    rig.input(Input::Ready(LinkId(1)));
    assert_eq!(rig.sent().len(), 0);
    assert_eq!(left(&mut rig), (0, 1));
}

#[test]
fn pings_are_ignored_or_deadly() {
    let mut rig = rig();
    rig.fault(Fault::NoPong);
    assert_eq!(rig.device.answers_ping(LinkId(1)), PingAnswer::Ignore);
    rig.input(Input::Received(LinkId(1), ToBox::Ping));
    assert_eq!(rig.drain(), []);
    rig.fault(Fault::PingKills);
    assert_eq!(rig.device.answers_ping(LinkId(1)), PingAnswer::HangUp);
    rig.input(Input::Received(LinkId(1), ToBox::Ping));
    assert!(rig.drain().contains(&Output::Disconnect(LinkId(1))));
}

#[test]
fn pings_come_at_their_interval_to_those_who_subscribed() {
    let mut rig = rig();
    rig.connect(2);
    rig.join(3);
    rig.input(Input::Slow(LinkId(3)));
    rig.drain();
    rig.fault(Fault::PingsEvery(Duration::from_secs(5)));
    rig.wait(Duration::from_secs(16));
    assert_eq!(rig.drain(), [const { Output::Ping(LinkId(1)) }; 3]);
    rig.device.clear_faults(rig.now);
    rig.wait(Duration::from_secs(16));
    assert_eq!((rig.drain().len(), rig.device.poll_timeout()), (0, None));
    rig.fault(Fault::PingsEvery(Duration::ZERO));
    rig.wait(Duration::from_millis(10));
    assert_eq!(rig.drain().len(), 10, "a zero interval must not spin");
}

#[test]
fn faults_of_framing_and_content_are_named_for_the_driver() {
    for fault in [
        Fault::Fragments(4),
        Fault::Binary,
        Fault::Coalesced,
        Fault::WrongTypes,
        Fault::EscapedSlashes,
        Fault::WrappedBase64,
        Fault::DataPrefix,
    ] {
        let mut rig = rig();
        rig.see(GATE);
        rig.fault(fault);
        rig.see(GATE);
        rig.device.clear_faults(rig.now);
        rig.see(GATE);
        let named: Vec<_> = rig.sent().into_iter().map(|(.., how)| how.faults).collect();
        assert_eq!(named, [vec![], vec![fault], vec![]]);
    }
}

#[test]
fn every_third_message_of_each_link_is_spoilt() {
    for fault in [Fault::Oversize(3), Fault::Truncated(3)] {
        let mut rig = rig();
        rig.fault(fault);
        (0..3).for_each(|_| drop(rig.see(GATE)));
        rig.join(2);
        (0..3).for_each(|_| drop(rig.see(GATE)));
        let sent = rig.sent();
        let is_spoilt = |link: u64| {
            let own = sent.iter().filter(move |(to, ..)| *to == link);
            own.map(|(.., how)| how.faults == [fault])
                .collect::<Vec<_>>()
        };
        assert_eq!(is_spoilt(1), [false, false, true, false, false, true]);
        assert_eq!(is_spoilt(2), [false, false, true]);
    }
}

#[test]
fn a_clock_that_is_off_shifts_pushes_and_history_alike() {
    let mut rig = rig();
    rig.fault(Fault::ClockOff(-7_200_000));
    let seen = rig.see(GATE);
    let pushed = face(&rig.sent()[0].1);
    let shifted = Some(seen.at.plus(-7_200_000));
    assert_eq!(pushed.timestamp().map(|time| time.unix), shifted);
    let Some(Answer::Page(page)) = rig.ask(&everything(Dialect::V1)) else {
        panic!("no page");
    };
    assert_eq!(page.records[0].timestamp().map(|time| time.unix), shifted);
}

#[test]
fn a_doubled_event_is_sent_twice_and_counted_once() {
    let mut rig = rig();
    rig.fault(Fault::Duplicate(0.5));
    (0..100).for_each(|_| drop(rig.see(GATE)));
    let ids = rig.ids(1);
    let once: BTreeSet<_> = ids.iter().collect();
    assert_eq!(once.len(), 100);
    assert!((120..180).contains(&ids.len()), "{} sent", ids.len());
    assert_eq!(rig.device.counters().duplicated, ids.len() as u64 - 100);
    assert_eq!(left(&mut rig), (100, 0));
}

#[test]
fn a_lost_event_is_in_the_history() {
    let mut rig = rig();
    rig.fault(Fault::Lose(0.5));
    (0..100).for_each(|_| drop(rig.see(GATE)));
    let sent = rig.ids(1).len() as u64;
    assert!((20..80).contains(&sent), "{sent} sent");
    assert_eq!(recorded(rig.ask(&everything(Dialect::V1))).len(), 100);
    assert_eq!(left(&mut rig), (sent, 100 - sent));
}

#[test]
fn impossible_probabilities_strike_never_or_always() {
    for (probability, sent) in [(f64::NAN, 10), (-1.0, 10), (0.0, 10), (1.0, 0), (7.0, 0)] {
        let mut rig = rig();
        rig.fault(Fault::Lose(probability));
        (0..10).for_each(|_| drop(rig.see(GATE)));
        assert_eq!(rig.sent().len(), sent, "with {probability}");
    }
}

#[test]
fn reordering_changes_the_order_and_loses_nothing() {
    let mut rig = rig();
    rig.fault(Fault::Reorder(8));
    let mut ids: Vec<_> = (0..20).map(|_| rig.see(GATE).event_id).collect();
    assert_eq!(rig.device.links().next().map(|link| link.waiting), Some(4));
    let mut sent = rig.ids(1);
    assert_eq!(sent.len(), 16);
    rig.wait(Duration::from_secs(1));
    sent.extend(rig.ids(1));
    assert_ne!(sent, ids);
    sent.sort_unstable();
    ids.sort_unstable();
    assert_eq!(sent, ids);
    assert_eq!(rig.device.poll_timeout(), None);
    assert_eq!(left(&mut rig), (20, 0));
}

#[test]
fn what_is_held_back_goes_out_with_the_fault_and_with_the_box() {
    let endings: [fn(&mut Rig); 3] = [
        |rig| rig.device.clear_faults(rig.now),
        |rig| rig.fault(Fault::Reorder(2)),
        |rig| rig.device.close(rig.now),
    ];
    for end in endings {
        let mut rig = rig();
        rig.fault(Fault::Reorder(100));
        (0..5).for_each(|_| drop(rig.see(GATE)));
        assert_eq!(rig.sent().len(), 0);
        end(&mut rig);
        assert_eq!(rig.sent().len(), 5);
    }
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut config = Config::new(7);
    config.max_queue = 4;
    let mut rig = Rig::new(config);
    rig.join(1);
    rig.fault(Fault::Reorder(u32::MAX));
    (0..100).for_each(|_| drop(rig.see(GATE)));
    assert_eq!(rig.sent().len(), 100);
}

#[test]
fn a_slow_history_answers_when_its_time_has_come() {
    let mut rig = rig();
    rig.see(GATE);
    rig.fault(Fault::SlowHistory(Duration::from_secs(3)));
    assert_eq!(rig.ask(&everything(Dialect::V1)), None);
    assert!(matches!(
        rig.ask(&Ask::Devices(None)),
        Some(Answer::Devices(_))
    ));
    rig.wait(Duration::from_millis(2_999));
    assert_eq!(rig.drain(), []);
    rig.see(GATE);
    rig.drain();
    rig.wait(Duration::from_millis(1));
    let outputs = rig.drain();
    let [Output::Answer(_, Answer::Page(page))] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(page.records.len(), 2, "the history as it is by then");
    assert_eq!(rig.device.poll_timeout(), None);
}

#[test]
fn waiting_questions_are_bounded_and_never_forgotten() {
    let mut config = Config::new(7);
    config.max_questions = 2;
    let mut rig = Rig::new(config);
    rig.fault(Fault::SlowHistory(Duration::MAX));
    assert_eq!(rig.ask(&everything(Dialect::V1)), None);
    assert_eq!(rig.ask(&everything(Dialect::V1)), None);
    let third = rig.ask(&everything(Dialect::V1));
    assert!(matches!(third, Some(Answer::Failed(AskError::Box { code, .. })) if code == "503"));
    let endings: [fn(&mut Rig); 2] = [
        |rig| rig.device.clear_faults(rig.now),
        |rig| rig.device.reboot(rig.now, Reboot::default()),
    ];
    for end in endings {
        end(&mut rig);
        let answered = rig.drain().into_iter();
        let answers = answered.filter(|output| matches!(output, Output::Answer(..)));
        assert_eq!(answers.count(), 2);
        rig.fault(Fault::SlowHistory(Duration::MAX));
        assert_eq!(rig.ask(&everything(Dialect::V1)), None);
        assert_eq!(rig.ask(&everything(Dialect::V1)), None);
    }
    rig.device.close(rig.now);
    let outputs = rig.drain();
    assert_eq!(outputs.len(), 3, "two answers, and closed last");
    assert!(matches!(outputs[2], Output::Event(Event::Closed(_))));
}

#[test]
fn a_broken_history_answers_500_and_the_rest_works() {
    let mut rig = rig();
    rig.see(GATE);
    rig.fault(Fault::BrokenHistory);
    let answer = rig.ask(&everything(Dialect::V1));
    assert!(matches!(answer, Some(Answer::Failed(AskError::Box { code, .. })) if code == "500"));
    assert!(matches!(
        rig.ask(&Ask::Devices(None)),
        Some(Answer::Devices(_))
    ));
}

#[test]
fn a_history_that_reads_seconds_finds_nothing_in_milliseconds() {
    let mut config = Config::new(7);
    config.dialect = Dialect::V2;
    let mut rig = Rig::new(config);
    let seen = rig.see(GATE);
    let in_millis = HistoryQuery::new(Dialect::V2, seen.at.plus(-1_000), seen.at.plus(1_000));
    let mut in_seconds = in_millis.clone();
    in_seconds.unit = se5_events::TimeUnit::Seconds;
    let (in_millis, in_seconds) = (Ask::Events(in_millis), Ask::Events(in_seconds));
    assert_eq!(recorded(rig.ask(&in_millis)).len(), 1);
    rig.fault(Fault::SwappedUnit);
    assert_eq!(recorded(rig.ask(&in_millis)).len(), 0);
    assert_eq!(recorded(rig.ask(&in_seconds)).len(), 1);
}

#[test]
fn unsorted_pages_still_hold_each_record_once() {
    let mut rig = rig();
    let mut ids: Vec<_> = (0..50).map(|_| rig.see(GATE).event_id).collect();
    rig.fault(Fault::UnsortedPages);
    let mut found = Vec::new();
    for page in 0..8 {
        let Ask::Events(mut query) = everything(Dialect::V1) else {
            unreachable!();
        };
        (query.page, query.per_page) = (page, 7);
        found.extend(recorded(rig.ask(&Ask::Events(query))));
    }
    assert_ne!(found, ids);
    found.sort_unstable();
    ids.sort_unstable();
    assert_eq!(found, ids);
}

#[test]
fn the_same_seed_makes_the_same_mistakes_and_another_one_others() {
    let run = |seed| {
        let mut rig = Rig::new(Config::new(seed));
        (1..=3).for_each(|link| rig.join(link));
        for fault in [Fault::Lose(0.3), Fault::Duplicate(0.3), Fault::Reorder(4)] {
            rig.fault(fault);
        }
        (0..50).for_each(|_| drop(rig.see(GATE)));
        rig.drain()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn each_link_has_its_own_luck() {
    let mut rig = rig();
    rig.join(2);
    rig.drain();
    rig.fault(Fault::Lose(0.5));
    (0..64).for_each(|_| drop(rig.see(GATE)));
    let sent = rig.sent();
    let first = device_kit::ids(sent.clone(), 1);
    assert_ne!(first, device_kit::ids(sent, 2));
}

#[test]
fn a_box_in_front_of_a_driver_serves_what_the_faults_leave_readable() {
    let mut rig = rig();
    let all = se5_events::Subscription::new([GATE]);
    rig.subscribe(1, all.with_faces(true).with_registered(true));
    for fault in [
        Fault::WrappedBase64,
        Fault::DataPrefix,
        Fault::EscapedSlashes,
    ] {
        rig.fault(fault);
    }
    let seen = rig.see(GATE);
    let (_, message, how) = rig.sent().remove(0);
    let FromBox::Face(event) = &*message else {
        panic!("no event");
    };
    let bytes = codec::deface(event.json().clone(), rig.device.dialect(), &how.faults);
    assert_ne!(&bytes, event.json());
    let read = se5_events::FaceEvent::decode_within(bytes, &Limits::default()).unwrap();
    let jpeg = read.face_picture().inline().expect("a picture").jpeg();
    assert_eq!(jpeg.ok(), seen.face.map(|jpeg| jpeg.to_vec()));
}
