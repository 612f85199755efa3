//! The subscriber, decision by decision: marks and restarts.

mod platform_kit;

use platform_kit::*;
use se5_events::platform::*;
use se5_events::*;

/// Where the query windows are exact: the box's clock is known by enough events.
fn known_clock(rig: &mut Rig) -> Vec<Sighting> {
    let seen: Vec<Sighting> = (0..8)
        .map(|nth| sighting(&format!("known-{nth}"), rig.at().0 + nth))
        .collect();
    for one in &seen {
        rig.face(live(one));
    }
    rig.log.clear();
    seen
}

#[test]
fn marks_tell_how_far_the_events_are_complete() {
    let mut rig = Rig::new(config());
    rig.subscribe();
    rig.connect();
    assert_eq!(rig.marks()[0].live, UnixMillis(START));
    for _ in 0..60 {
        rig.pass(secs(1));
        rig.face(live(&sighting("x", rig.at().0)));
    }
    let marks = rig.marks();
    assert!((6..=7).contains(&marks.len()), "{}", marks.len());
    assert!(marks.windows(2).all(|two| two[0].live < two[1].live));
    assert!(marks.iter().all(|mark| mark.open.is_empty()));
}

//= docs/spec/se5-events.md#gaps
//# A mark MUST NOT be later than the newest time up to which every event was delivered or is in an
//# open gap of that mark.
#[test]
fn a_mark_follows_every_slice_and_holds_what_is_left() {
    let mut rig = Rig::up(config());
    rig.lose();
    for _ in 0..300 {
        rig.pass(secs(1));
    }
    rig.log.clear();
    rig.redial();
    let gap = rig.gaps()[0];
    assert_eq!(rig.marks().last().unwrap().open, [gap]);
    rig.serve(Dialect::V1, &[], secs(30));
    let left: Vec<i64> = rig
        .marks()
        .iter()
        .map(|mark| mark.open.iter().map(|span| span.to.since(span.from)).sum())
        .collect();
    assert!(left.len() > 5, "{left:?}");
    assert!(left.windows(2).all(|two| two[1] <= two[0]), "{left:?}");
    assert_eq!(left.last(), Some(&0));
}

#[test]
fn a_gap_that_grows_under_repair_leaves_no_less_to_be_done() {
    let mut rig = Rig::up(config());
    rig.lose();
    for _ in 0..300 {
        rig.pass(secs(1));
    }
    rig.redial();
    for _ in 0..4 {
        let (id, _) = rig.query();
        rig.answer(id, Answer::Page(HistoryPage::default()));
    }
    rig.lose();
    let before = rig.marks().last().unwrap().open[0].from;
    assert!(before > UnixMillis(START));
    rig.log.clear();
    rig.redial_silently();
    assert_eq!(rig.marks()[0].open[0].from, before);
}

#[test]
fn a_mark_that_could_not_be_stored_is_made_up_for_by_the_next() {
    let mut rig = Rig::new(config());
    rig.subscribe();
    rig.connect();
    let first = rig.marks()[0].clone();
    rig.input(Input::StoreFailed(Seq(0)));
    rig.log.clear();
    rig.pass(secs(10));
    assert_eq!(rig.marks(), [first]);
    rig.log.clear();
    rig.pass(secs(9));
    assert!(rig.marks().is_empty(), "once");
}

//= docs/spec/se5-events.md#gaps
//# A subscriber that resumes from a mark MUST report the span from the mark to its first
//# subscription as a gap.
#[test]
fn a_restarted_subscriber_fetches_what_came_in_between() {
    let mut rig = Rig::up(config());
    known_clock(&mut rig);
    rig.pass(secs(5));
    rig.platform.close(rig.now);
    rig.drain();
    let mark = rig.marks().pop().unwrap();
    let mut again = Rig::of(Platform::resume(config(), mark.clone()));
    again.elapsed = rig.elapsed + secs(100);
    again.subscribe();
    again.connect();
    let up = again.at();
    assert_eq!(
        again.gaps(),
        [Span::new(mark.live.plus(-2_000), up.plus(2_000))]
    );
    let missed = sighting("missed", START + 50_000);
    again.serve(Dialect::V1, &[missed], secs(60));
    assert_eq!(again.faces(Source::Backfill), ["missed"]);
}

#[test]
fn a_gap_left_by_close_is_in_the_last_mark_and_repaired_after_a_restart() {
    let mut rig = with_gap(config());
    let gap = rig.gaps()[0];
    rig.platform.close(rig.now);
    rig.drain();
    assert_eq!(rig.open(), [(gap, OpenReason::Closed)]);
    let mark = rig.marks().pop().unwrap();
    assert_eq!(mark.open, [gap]);
    let mut again = Rig::of(Platform::resume(config(), mark));
    again.elapsed = rig.elapsed + secs(300);
    again.subscribe();
    again.connect();
    assert!(again.platform.open_gaps()[0].covers(gap));
    again.serve(Dialect::V1, &[sighting("missed", START + 30_000)], secs(60));
    assert_eq!(again.faces(Source::Backfill), ["missed"]);
    assert!(again.platform.open_gaps().is_empty());
}

#[test]
fn a_subscriber_closed_before_it_connects_keeps_its_mark() {
    let mark = Mark {
        live: UnixMillis(START),
        open: vec![span(-9_000, -5_000)],
        box_ahead: 17,
    };
    let mut rig = Rig::of(Platform::resume(config(), mark.clone()));
    rig.subscribe();
    rig.platform.close(rig.now);
    rig.drain();
    assert_eq!(rig.marks(), [mark]);
}

#[test]
fn an_empty_mark_is_a_fresh_start() {
    let mut rig = Rig::of(Platform::resume(config(), Mark::default()));
    rig.subscribe();
    rig.connect();
    assert!(rig.gaps().is_empty());
}
