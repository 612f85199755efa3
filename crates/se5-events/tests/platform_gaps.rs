//! The subscriber, decision by decision: gaps and the history.

mod platform_kit;

use platform_kit::*;
use se5_events::platform::*;
use se5_events::*;

fn page_of(records: Vec<FaceEvent>, total: Option<u64>) -> Answer {
    let mut page = HistoryPage::default();
    page.records = records;
    page.total = total;
    Answer::Page(page)
}

//= docs/spec/se5-events.md#gaps
//# A gap MUST begin `overlap` before the last received message was sent and end `overlap` after the
//# new subscription was sent.
//= docs/spec/se5-events.md#gaps
//# A failed dial MUST NOT add a gap.
#[test]
fn a_gap_runs_from_the_last_byte_to_the_new_subscription_and_a_little_beyond() {
    let rig = with_gap(config());
    let up = rig.at().0 - START;
    assert_eq!(
        rig.gaps(),
        [span(8_000, up + 2_000)],
        "failed dials add none"
    );
}

//= docs/spec/se5-events.md#gaps
//# The first connection of a subscriber without a mark MUST NOT have a gap.
#[test]
fn the_first_connection_of_a_fresh_subscriber_has_no_gap() {
    let mut rig = Rig::new(config());
    rig.subscribe();
    rig.connect();
    assert!(rig.gaps().is_empty());
}

//= docs/spec/se5-events.md#gaps
//# Gaps that touch MUST be merged.
#[test]
fn gaps_that_touch_are_one_and_end_once() {
    let mut rig = with_gap(config());
    rig.pass(secs(1));
    rig.lose();
    rig.redial();
    let gaps = rig.gaps();
    assert_eq!(gaps.len(), 2);
    assert!(gaps[1].covers(gaps[0]));
    assert_eq!(rig.platform.open_gaps(), [gaps[1]]);
    rig.serve(Dialect::V1, &[], secs(60));
    assert_eq!(rig.filled(), [(gaps[1], 0, 0)]);
}

#[test]
fn the_history_is_asked_when_the_gap_is_over_and_not_before() {
    let mut rig = with_gap(config());
    let mut known = rig.platform.counters().asks;
    let end = rig.gaps()[0].to;
    while rig.filled().is_empty() {
        let (asks, at) = (rig.platform.counters().asks, rig.at());
        if asks > known {
            known = asks;
            let (id, query) = rig.query();
            let over = query.to.0.min(end.0) + 2_000 <= at.0 + 60_000;
            assert!(over, "{query:?} at {at:?}");
            rig.answer(id, page_of(vec![], Some(0)));
        } else {
            rig.next_timer();
        }
    }
    assert!(rig.at().0 >= end.0 + 2_000, "the history may lag behind");
}

//= docs/spec/se5-events.md#gaps
//# A query MUST be widened by `clock_slack` at both ends while fewer than eight live events have
//# told the offset.
#[test]
fn the_window_is_widened_while_the_clock_of_the_box_is_not_known() {
    let mut rig = with_gap(config());
    rig.serve(Dialect::V1, &[], secs(30));
    let queries: Vec<_> = rig
        .asks()
        .into_iter()
        .filter_map(|ask| match ask.2 {
            Ask::Events(query) => Some((query.from, query.to)),
            _ => None,
        })
        .collect();
    let gap = rig.gaps()[0];
    assert_eq!(queries.first().unwrap().0, gap.from.plus(-60_050));
    assert_eq!(queries.last().unwrap().1, gap.to.plus(60_050));
    assert!(
        queries.windows(2).all(|two| two[1].0 <= two[0].1),
        "no hole between slices"
    );
}

//= docs/spec/se5-events.md#gaps
//# A gap MUST be queried in the box's time, shifted by the estimated offset of its clock.
//= docs/spec/se5-events.md#gaps
//# The estimated offset MUST NOT change any reported time or freshness.
#[test]
fn the_window_is_shifted_into_the_time_of_the_box() {
    let mut rig = with_gap(config());
    let hour = 3_600_000;
    for nth in 0..8 {
        rig.face(live(&sighting("x", rig.at().0 + hour + nth)));
    }
    rig.lose();
    rig.redial();
    for nth in 0..8 {
        rig.face(live(&sighting("x", rig.at().0 + hour + nth)));
    }
    rig.log.retain(|output| !matches!(output, Output::Send(_)));
    let missed = sighting("missed", rig.gaps()[0].from.0 + hour + 5_000);
    rig.lose();
    rig.redial();
    rig.serve(Dialect::V1, &[missed], secs(300));
    assert_eq!(rig.faces(Source::Backfill), ["missed"]);
    assert!(matches!(rig.freshness().last(), Some(Freshness::Future(_))));
}

//= docs/spec/se5-events.md#gaps
//# The subscriber MUST NOT have more than one history question out at a time.
#[test]
fn a_long_gap_is_cut_into_slices_asked_one_at_a_time() {
    let mut rig = Rig::up(config());
    rig.pass(secs(10));
    rig.face(live(&sighting("first", rig.at().0)));
    rig.lose();
    rig.pass(secs(0));
    for _ in 0..600 {
        rig.pass(secs(1));
    }
    rig.log.clear();
    rig.redial();
    let mut queries = Vec::new();
    while rig.filled().is_empty() {
        if rig.asks().is_empty() {
            rig.next_timer();
            continue;
        }
        assert_eq!(rig.asks().len(), 1, "one exchange at a time");
        let (id, query) = rig.query();
        assert!(query.to.since(query.from) <= 60_100);
        queries.push(query);
        rig.log.retain(|output| !matches!(output, Output::Send(_)));
        rig.answer(id, page_of(vec![], Some(0)));
    }
    assert!(queries.len() >= 11);
}

//= docs/spec/se5-events.md#gaps
//# A gap MUST be queried in slices of at most `slice` whose end stays fixed while their pages are
//# read.
//= docs/spec/se5-events.md#gaps
//# The records of a slice MUST be delivered in the order of their times.
#[test]
fn all_pages_of_a_slice_are_fetched_with_fixed_bounds_and_delivered_in_order_of_time() {
    let mut config = config();
    config.per_page = 3;
    let mut rig = with_gap(config);
    let mut records: Vec<Sighting> = (0..10)
        .map(|nth| sighting(&format!("r{nth}"), START + 20_000 + nth * 1_000))
        .collect();
    records.reverse();
    records.swap(2, 7);
    rig.serve(Dialect::V1, &records, secs(60));
    let ids: Vec<String> = (0..10).map(|nth| format!("r{nth}")).collect();
    assert_eq!(rig.faces(Source::Backfill), ids);
    let mut bounds = std::collections::BTreeMap::<u32, std::collections::BTreeSet<_>>::new();
    for (_, _, ask) in rig.asks() {
        let Ask::Events(query) = ask else { continue };
        bounds
            .entry(query.page)
            .or_default()
            .insert((query.from, query.to));
    }
    assert_eq!(bounds[&1].len(), 1);
    assert!(bounds[&0].is_superset(&bounds[&1]));
}

#[test]
fn a_page_that_comes_twice_ends_the_paging() {
    let mut config = config();
    config.per_page = 2;
    let mut rig = with_gap(config);
    let records: Vec<FaceEvent> = (0..2)
        .map(|nth| sighting(&format!("r{nth}"), START + 20_000 + nth).to_recorded(Dialect::V1))
        .collect();
    let mut asked = 0;
    while rig.open().is_empty() && asked < 500 {
        if let Some((id, _, Ask::Events(query))) = rig.asks().pop() {
            asked += 1;
            rig.log.retain(|output| !matches!(output, Output::Send(_)));
            let (from, to) = bounds(&query);
            let is_hit = (from..=to).contains(&(START + 20_000));
            // A box that does not know the parameter `page`, and tells no total.
            let page = if is_hit { records.clone() } else { vec![] };
            rig.answer(id, page_of(page, None));
        } else {
            rig.next_timer();
        }
    }
    assert_eq!(rig.faces(Source::Backfill), ["r0", "r1"]);
    assert!(asked < 100, "{asked}");
    assert_eq!(rig.open()[0].1, OpenReason::TooMany);
}

//= docs/spec/se5-events.md#gaps
//# A slice with more than `max_slice` records MUST be halved.
#[test]
fn a_slice_with_too_many_records_is_halved() {
    let mut config = config();
    config.max_slice = 20;
    let mut rig = with_gap(config);
    let records: Vec<Sighting> = (0..200)
        .map(|nth| sighting(&format!("r{nth}"), START + 15_000 + nth * 200))
        .collect();
    rig.serve(Dialect::V1, &records, secs(120));
    assert_eq!(rig.faces(Source::Backfill).len(), 200);
    assert_eq!(rig.filled().len(), 1);
}

#[test]
fn more_records_than_fit_in_the_smallest_slice_leave_it_open() {
    let mut config = config();
    (config.max_slice, config.clock_slack) = (20, secs(0));
    let mut rig = with_gap(config);
    let mut records: Vec<Sighting> = (0..100)
        .map(|nth| sighting(&format!("r{nth}"), START + 30_000 + nth))
        .collect();
    records.push(sighting("later", START + 40_000));
    rig.serve(Dialect::V1, &records, secs(120));
    let (open, why) = rig.open()[0];
    assert_eq!(why, OpenReason::TooMany);
    assert!(open.touches(span(30_000, 30_100)) && !open.touches(span(40_000, 40_000)));
    assert!(
        rig.faces(Source::Backfill).contains(&"later".to_owned()),
        "the rest is repaired"
    );
    assert!(rig.filled().is_empty());
}

//= docs/spec/se5-events.md#gaps
//# A history question that is not answered MUST be asked again after 1 s, 2 s and 4 s before its
//# gap is reported open.
#[test]
fn the_history_gets_three_more_tries() {
    let mut rig = with_gap(config());
    let mut times = Vec::new();
    while rig.open().is_empty() {
        if let Some((id, ..)) = rig.asks().pop() {
            times.push(rig.elapsed.as_millis());
            rig.log.retain(|output| !matches!(output, Output::Send(_)));
            rig.answer(id, Answer::Failed(AskError::Unreachable));
        } else {
            rig.next_timer();
        }
    }
    let waits: Vec<_> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(waits, [1_000, 2_000, 4_000]);
    assert_eq!(rig.open(), [(rig.gaps()[0], OpenReason::NoAnswer)]);
    assert!(rig.platform.open_gaps().is_empty());
}

#[test]
fn a_history_that_refuses_leaves_the_gap_open() {
    let mut rig = with_gap(config());
    while rig.open().is_empty() {
        if let Some((id, ..)) = rig.asks().pop() {
            rig.log.retain(|output| !matches!(output, Output::Send(_)));
            rig.answer(id, failed(500));
        } else {
            rig.next_timer();
        }
    }
    assert_eq!(rig.open()[0].1, OpenReason::Refused);
}

#[test]
fn a_box_that_is_still_starting_is_given_time() {
    let mut rig = with_gap(config());
    let ready = rig.at().plus(120_000);
    while rig.filled().is_empty() {
        if let Some((id, ..)) = rig.asks().pop() {
            rig.log.retain(|output| !matches!(output, Output::Send(_)));
            let starting = AskError::Box {
                code: "DEVICE_INIT_ERROR".into(),
                message: String::new(),
                status: None,
            };
            let answer = if rig.at() < ready {
                Answer::Failed(starting)
            } else {
                page_of(vec![], Some(0))
            };
            rig.answer(id, answer);
        } else {
            rig.input(Input::Heard(rig.at()));
            rig.next_timer();
        }
        assert!(rig.open().is_empty());
    }
}

//= docs/spec/se5-events.md#gaps
//# A backfill MUST pause while the connection is down.
#[test]
fn repair_stops_while_down_and_goes_on_afterwards() {
    let mut rig = Rig::up(config());
    rig.lose();
    for _ in 0..400 {
        rig.pass(secs(1));
    }
    rig.redial();
    rig.serve(Dialect::V1, &[], secs(0));
    rig.log.retain(|output| !matches!(output, Output::Send(_)));
    let first = rig.gaps()[0];
    rig.lose();
    rig.pass(ms(1));
    let asks = rig.asks().len();
    rig.pass(ms(10));
    assert_eq!(rig.asks().len(), asks);
    rig.redial();
    let missed = sighting("missed", first.to.0 - 1_000);
    rig.serve(Dialect::V1, &[missed], secs(120));
    assert_eq!(rig.faces(Source::Backfill), ["missed"]);
    assert_eq!(rig.platform.open_gaps(), []);
}

//= docs/spec/se5-events.md#gaps
//# A backfill MUST NOT delay live events.
#[test]
fn live_events_do_not_wait_for_the_repair() {
    let mut rig = with_gap(config());
    rig.pass(secs(10));
    assert!(!rig.asks().is_empty());
    rig.face(live_with_id(&sighting("now", rig.at().0), Dialect::V1));
    assert_eq!(rig.faces(Source::Live), ["now"]);
}

#[test]
fn without_backfill_a_gap_is_reported_open_at_once() {
    let mut config = config();
    config.backfill = false;
    let mut rig = with_gap(config);
    assert_eq!(rig.open(), [(rig.gaps()[0], OpenReason::Off)]);
    rig.platform.backfill(rig.now, rig.gaps()[0]).unwrap();
    rig.serve(Dialect::V1, &[sighting("old", START + 30_000)], secs(60));
    assert_eq!(
        rig.faces(Source::Backfill),
        ["old"],
        "but it can be asked for"
    );
}

#[test]
fn a_gap_given_up_can_be_asked_for_again() {
    let mut rig = with_gap(config());
    while rig.open().is_empty() {
        for (id, ..) in rig.asks() {
            rig.answer(id, Answer::Failed(AskError::Unreachable));
        }
        rig.next_timer();
    }
    let gap = rig.gaps()[0];
    rig.log.clear();
    rig.platform.backfill(rig.now, gap).unwrap();
    rig.drain();
    assert_eq!(rig.gaps(), [gap]);
    rig.serve(Dialect::V1, &[sighting("missed", START + 30_000)], secs(60));
    assert_eq!(rig.filled(), [(gap, 1, 0)]);
}

//= docs/spec/se5-events.md#gaps
//# The part of a gap that is older than `max_gap` MUST be reported open.
#[test]
fn the_older_part_of_too_long_a_gap_stays_open() {
    let mut config = config();
    (config.max_gap, config.clock_slack) = (secs(20), secs(0));
    let mut rig = with_gap(config);
    let gap = rig.gaps()[0];
    let records = [
        sighting("older", START + 20_000),
        sighting("newer", START + 55_000),
    ];
    rig.serve(Dialect::V1, &records, secs(60));
    assert_eq!(rig.faces(Source::Backfill), ["newer"]);
    let open = Span::new(gap.from, gap.to.plus(-20_000));
    assert_eq!(rig.open(), [(open, OpenReason::TooOld)]);
    assert!(rig.filled().is_empty());
}

//= docs/spec/se5-events.md#limits
//# The subscriber MUST NOT keep more than `max_gaps` gaps apart.
#[test]
fn at_most_so_many_gaps_are_kept_apart() {
    let mut config = config();
    config.max_gaps = 4;
    let mut rig = Rig::up(config);
    rig.pass(secs(3_000));
    let mut ledger: Vec<Span> = Vec::new();
    for nth in [0, 100, 200, 290, 400, 600, 1_000] {
        let one = span(nth * 1_000, nth * 1_000 + 5_000);
        rig.platform.backfill(rig.now, one).unwrap();
        rig.drain();
        for gap in rig.gaps() {
            ledger.retain(|other| !gap.covers(*other));
            ledger.push(gap);
        }
        rig.log.clear();
        ledger.sort_unstable();
        assert_eq!(rig.platform.open_gaps(), ledger);
        assert!(ledger.len() <= 4);
        assert!(ledger.iter().any(|gap| gap.covers(one)));
    }
}

#[test]
fn records_of_other_devices_are_left_out() {
    let mut rig = with_gap(config());
    let mut other = sighting("other", START + 30_000);
    other.device_id = "elsewhere".into();
    rig.serve(Dialect::V1, &[other], secs(60));
    assert!(rig.faces(Source::Backfill).is_empty());
    let asked = rig.asks().into_iter().find_map(|(_, _, ask)| match ask {
        Ask::Events(query) => Some(query.devices),
        _ => None,
    });
    assert_eq!(asked.unwrap(), [CAMERA]);
}

#[test]
fn the_lowest_score_is_passed_on() {
    let mut config = config();
    config.backfill_score_min = Some(0.6);
    let mut rig = with_gap(config);
    rig.pass(secs(10));
    assert_eq!(rig.query().1.score_min, Some(0.6));
}

//= docs/spec/se5-events.md#freshness
//# A recorded event MUST NOT be actionable.
#[test]
fn a_fetched_event_never_opens_a_door_and_its_pictures_are_not_fetched() {
    let mut rig = with_gap(config());
    let mut fresh = sighting("fresh", rig.at().0 - 500);
    fresh.face = Some("jpeg".into());
    rig.serve(Dialect::V1, &[fresh], secs(6));
    let face = rig
        .events()
        .into_iter()
        .find(|event| matches!(event, Event::Face { .. }));
    let Some(Event::Face {
        event, freshness, ..
    }) = face
    else {
        panic!("not delivered")
    };
    assert_eq!(*freshness, Freshness::Live);
    assert!(!face.unwrap().actionable());
    assert!(matches!(event.face_picture(), Picture::Remote(_)));
    assert!(
        !rig.asks()
            .iter()
            .any(|ask| matches!(ask.2, Ask::Picture(_)))
    );
}

//= docs/spec/se5-events.md#gaps
//# A history answer without records in dialect 2 MUST be asked once more in seconds if a live event
//# was seen in its range.
#[test]
fn dialect_two_is_asked_in_seconds_where_milliseconds_find_nothing() {
    let mut config = config();
    config.dialect = Some(Dialect::V2);
    let mut rig = Rig::up(config);
    let seen = sighting("seen", rig.at().0);
    rig.face(live_with_id(&seen, Dialect::V2));
    let missed = sighting("missed", START + 10_000);
    rig.reconnect(secs(20));
    let mut units = Vec::new();
    while rig.filled().is_empty() {
        let Some((id, dialect, Ask::Events(query))) = rig.asks().pop() else {
            rig.next_timer();
            continue;
        };
        rig.log.retain(|output| !matches!(output, Output::Send(_)));
        assert_eq!(dialect, Dialect::V2);
        units.push(query.unit);
        let records = [seen.clone(), missed.clone()];
        let answer = match query.unit {
            TimeUnit::Seconds => page(Dialect::V2, &records, &query),
            TimeUnit::Millis => HistoryPage::default(),
        };
        rig.answer(id, Answer::Page(answer));
    }
    assert_eq!(rig.faces(Source::Backfill), ["missed"]);
    assert_eq!(units[..2], [TimeUnit::Millis, TimeUnit::Seconds]);
    assert!(
        units[2..].iter().all(|unit| *unit == TimeUnit::Seconds),
        "remembered"
    );
}

#[test]
fn an_empty_range_is_asked_for_in_seconds_until_milliseconds_have_found_something() {
    let mut config = config();
    config.dialect = Some(Dialect::V2);
    let mut rig = with_gap(config);
    let seen = sighting("seen", START + 30_000);
    rig.serve(Dialect::V2, &[seen], secs(60));
    let units: Vec<TimeUnit> = rig
        .asks()
        .into_iter()
        .filter_map(|(_, _, ask)| match ask {
            Ask::Events(query) => Some(query.unit),
            _ => None,
        })
        .collect();
    let [first, second, rest @ ..] = &*units else {
        panic!("{units:?}")
    };
    assert_eq!((*first, *second), (TimeUnit::Millis, TimeUnit::Seconds));
    assert!(
        rest.iter().all(|unit| *unit == TimeUnit::Millis),
        "{rest:?}"
    );
}

#[test]
fn the_history_waits_for_a_driver_that_does_not_drain() {
    let mut config = config();
    config.max_queue = 8;
    let mut rig = with_gap(config);
    while rig.asks().is_empty() {
        rig.next_timer();
    }
    let (first, _) = rig.query();
    for nth in 0..8 {
        let face = live(&sighting("x", rig.at().0 + nth));
        let input = Input::Received(rig.at(), FromBox::Face(face));
        rig.platform.handle_input(rig.now, input);
    }
    let answer = FromBox::Answer(first, page_of(vec![], Some(0)));
    let input = Input::Received(rig.at(), answer);
    rig.platform.handle_input(rig.now, input);
    let asks = rig.platform.counters().asks;
    let later = rig.now + secs(10);
    rig.platform.handle_timeout(later);
    assert!(rig.platform.poll_timeout().is_none_or(|next| next > later));
    assert_eq!(rig.platform.counters().asks, asks);
    rig.drain();
    assert!(
        rig.platform
            .poll_timeout()
            .is_some_and(|next| next <= later),
        "due at once"
    );
    rig.platform.handle_timeout(later);
    assert_eq!(rig.platform.counters().asks, asks + 1);
}

#[test]
fn what_the_box_recorded_before_the_first_subscription_was_not_missed() {
    let mut rig = Rig::up(config());
    let first = sighting("first", rig.at().0);
    rig.face(live(&first));
    let before = sighting("before", START - 10_000);
    rig.reconnect(secs(5));
    rig.serve(Dialect::V1, &[before, first], secs(60));
    assert!(rig.faces(Source::Backfill).is_empty());
}

#[test]
fn a_garbled_record_leaves_its_slice_open() {
    let mut rig = with_gap(config());
    while rig.open().is_empty() {
        if let Some((id, ..)) = rig.asks().pop() {
            rig.log.retain(|output| !matches!(output, Output::Send(_)));
            let mut page = HistoryPage::default();
            (page.total, page.garbled) = (Some(1), 1);
            rig.answer(id, Answer::Page(page));
        } else {
            rig.next_timer();
        }
    }
    assert_eq!(rig.open()[0].1, OpenReason::Refused);
    assert!(rig.platform.counters().malformed > 0);
}
