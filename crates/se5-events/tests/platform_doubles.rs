//! Which events are the same: pushed and fetched, doubled and merely alike.

mod platform_kit;

use platform_kit::*;
use proptest::prelude::*;
use se5_events::platform::*;
use se5_events::*;

/// A gap from the start on, repaired from `records` after `pushed` came on the first connection.
fn repaired(config: Config, pushed: &[FaceEvent], records: &[Sighting]) -> Rig {
    let dialect = config.dialect.unwrap();
    let mut rig = Rig::up(config);
    rig.pass(secs(10));
    for event in pushed {
        rig.face(event.clone());
    }
    rig.reconnect(secs(20));
    rig.serve(dialect, records, secs(30));
    assert_eq!(rig.filled().len(), 1);
    rig
}

fn fetched(rig: &Rig) -> Vec<String> {
    rig.faces(Source::Backfill)
}

//= docs/spec/se5-events.md#duplicates
//# Two live events MUST count as the same if device, time, identity and score are all equal and no
//# ids tell them apart.
#[test]
fn the_same_push_twice_is_delivered_once() {
    let mut rig = Rig::up(config());
    let one = sighting("a", START);
    rig.face(live(&one));
    rig.face(live(&one));
    let counters = rig.platform.counters();
    assert_eq!((counters.delivered_live, counters.duplicates_live), (1, 1));
}

#[test]
fn events_that_differ_in_any_field_of_the_key_are_two() {
    let one = sighting("a", START);
    let mut others = vec![one.clone(); 4];
    others[0].at = UnixMillis(START + 1);
    others[1].device_id = "another".into();
    others[2].identity_id = "42".into();
    others[3].score = 0.25;
    let mut rig = Rig::up(config());
    rig.face(live(&one));
    for other in &others {
        rig.face(live(other));
    }
    assert_eq!(rig.platform.counters().delivered_live, 5);
}

#[test]
fn a_device_that_gives_every_event_the_same_id_loses_none_in_dialect_one() {
    let mut rig = Rig::up(config());
    for nth in 0..5 {
        rig.face(live_with_id(&sighting("0", START + nth), Dialect::V1));
    }
    assert_eq!(rig.platform.counters().delivered_live, 5);
}

//= docs/spec/se5-events.md#duplicates
//# Two events of dialect 2 that both have an id MUST be compared by it first.
#[test]
fn in_dialect_two_the_id_alone_is_proof() {
    let mut config = config();
    config.dialect = Some(Dialect::V2);
    let mut rig = Rig::up(config);
    let one = sighting("1628066406652506", START);
    let mut moved = one.clone();
    moved.at = UnixMillis(START + 5_000);
    rig.face(live_with_id(&one, Dialect::V2));
    rig.face(live_with_id(&moved, Dialect::V2));
    assert_eq!(rig.platform.counters().duplicates_live, 1);
}

//= docs/spec/se5-events.md#duplicates
//# A live and a recorded event without common ids MUST count as the same if device and identity are
//# equal and their times differ by at most `match_tolerance`.
#[test]
fn a_pushed_event_without_an_id_is_known_in_the_history_by_its_fields() {
    let mut recorded = sighting("1607062639.7", START + 10_000);
    let pushed = live(&recorded);
    recorded.at = UnixMillis(START + 10_050);
    let rig = repaired(config(), &[pushed], &[recorded]);
    assert_eq!(fetched(&rig), [""; 0]);
    assert_eq!(rig.filled()[0].2, 1);
}

#[test]
fn beyond_the_tolerance_they_are_two() {
    let mut recorded = sighting("late", START + 10_000);
    let pushed = live(&recorded);
    recorded.at = UnixMillis(START + 10_051);
    let rig = repaired(config(), &[pushed], &[recorded]);
    assert_eq!(fetched(&rig), ["late"]);
}

#[test]
fn ids_of_another_form_do_not_hide_that_events_are_the_same() {
    let recorded = sighting("1607062639.737444", START + 10_000);
    let mut pushed = recorded.clone();
    pushed.event_id = "8812".into();
    let pushed = live_with_id(&pushed, Dialect::V1);
    let rig = repaired(config(), &[pushed], &[recorded]);
    assert_eq!(fetched(&rig), [""; 0]);
}

#[test]
fn two_strangers_in_the_same_millisecond_stay_two() {
    let records = [sighting("a", START + 10_000), sighting("b", START + 10_000)];
    for pushed in [vec![], vec![0], vec![1], vec![0, 1]] {
        for with_ids in [true, false] {
            let events: Vec<FaceEvent> = pushed
                .iter()
                .map(|nth| {
                    if with_ids {
                        live_with_id(&records[*nth], Dialect::V1)
                    } else {
                        live(&records[*nth])
                    }
                })
                .collect();
            let rig = repaired(config(), &events, &records);
            // Without ids two pushes that are equal in everything cannot be told from one.
            let distinct = if with_ids {
                pushed.len()
            } else {
                pushed.len().min(1)
            };
            assert_eq!(fetched(&rig).len(), 2 - distinct, "{pushed:?} {with_ids}");
        }
    }
}

#[test]
fn ids_tell_strangers_apart_whichever_was_missed() {
    let records = [sighting("a", START + 10_000), sighting("b", START + 10_020)];
    for seen in [0, 1] {
        let pushed = live_with_id(&records[seen], Dialect::V1);
        let rig = repaired(config(), &[pushed], &records);
        assert_eq!(fetched(&rig), [records[1 - seen].event_id.clone()]);
    }
}

//= docs/spec/se5-events.md#duplicates
//# Two ids of one form that differ MUST be taken to name two events.
#[test]
fn an_id_of_the_same_form_keeps_a_missed_event_from_passing_for_its_neighbour() {
    let (missed, seen) = (sighting("a", START + 10_000), sighting("b", START + 10_020));
    for dialect in [Dialect::V1, Dialect::V2] {
        let mut config = config();
        config.dialect = Some(dialect);
        let pushed = live_with_id(&seen, dialect);
        // The history does not show the neighbour, so no id has proven itself yet.
        let rig = repaired(config, &[pushed], std::slice::from_ref(&missed));
        assert_eq!(fetched(&rig), [missed.event_id.as_str()]);
    }
}

#[test]
fn scores_tell_strangers_apart_where_ids_do_not() {
    let mut records = [sighting("a", START + 10_000), sighting("b", START + 10_000)];
    records[1].score = 0.75;
    for seen in [0, 1] {
        let rig = repaired(config(), &[live(&records[seen])], &records);
        assert_eq!(fetched(&rig), [records[1 - seen].event_id.clone()]);
    }
}

//= docs/spec/se5-events.md#duplicates
//# Live and recorded events MUST be matched one to one, nearest in time first.
#[test]
fn of_several_records_the_nearest_is_the_known_one() {
    let records = [
        sighting("far", START + 9_970),
        sighting("near", START + 10_004),
        sighting("farther", START + 10_045),
    ];
    let pushed = live(&sighting("x", START + 10_000));
    let rig = repaired(config(), &[pushed], &records);
    assert_eq!(fetched(&rig), ["far", "farther"]);
}

#[test]
fn a_push_that_comes_after_the_repair_is_known() {
    let mut rig = Rig::up(config());
    rig.reconnect(secs(20));
    let one = sighting("a", START + 10_000);
    rig.serve(Dialect::V1, std::slice::from_ref(&one), secs(6));
    assert_eq!(fetched(&rig), ["a"]);
    rig.face(live(&one));
    assert_eq!(rig.platform.counters().duplicates_live, 1);
    let second = live(&sighting("b", START + 10_000));
    rig.face(second);
    assert_eq!(
        rig.platform.counters().duplicates_live,
        2,
        "equal in everything that was pushed"
    );
}

#[test]
fn what_was_fetched_is_not_fetched_again() {
    let records: Vec<Sighting> = (0..50)
        .map(|nth| sighting(&format!("r{nth}"), START + 5_000 + nth / 2))
        .collect();
    let mut rig = repaired(config(), &[], &records);
    assert_eq!(fetched(&rig).len(), 50);
    let gap = rig.gaps()[0];
    rig.platform.backfill(rig.now, gap).unwrap();
    rig.serve(Dialect::V1, &records, secs(60));
    assert_eq!(fetched(&rig).len(), 50);
    assert_eq!(rig.filled().last().unwrap().2, 50);
}

#[test]
fn the_same_record_on_two_pages_is_one() {
    let mut config = config();
    config.per_page = 3;
    let mut records: Vec<Sighting> = (0..5)
        .map(|nth| sighting(&format!("r{nth}"), START + 12_000 + nth))
        .collect();
    records.insert(3, records[2].clone());
    let rig = repaired_any(config, &records);
    assert_eq!(fetched(&rig), ["r0", "r1", "r2", "r3", "r4"]);
}

/// As [`repaired`], however the gap ends.
fn repaired_any(config: Config, records: &[Sighting]) -> Rig {
    let mut rig = Rig::up(config);
    rig.pass(secs(10));
    rig.reconnect(secs(20));
    rig.serve(Dialect::V1, records, secs(60));
    rig
}

#[test]
fn the_rule_of_ids_trusts_nothing_else() {
    let mut config = config();
    config.key_rule = KeyRule::Id;
    let recorded = sighting("a", START + 10_000);
    let rig = repaired(
        config.clone(),
        &[live(&recorded)],
        std::slice::from_ref(&recorded),
    );
    assert_eq!(fetched(&rig), ["a"], "no id, no proof");
    let pushed = live_with_id(&recorded, Dialect::V1);
    let rig = repaired(config, &[pushed], &[recorded]);
    assert_eq!(fetched(&rig), [""; 0]);
}

#[test]
fn the_rule_of_fields_ignores_ids() {
    let mut config = config();
    (config.key_rule, config.dialect) = (KeyRule::Fields, Some(Dialect::V2));
    let mut rig = Rig::up(config);
    rig.face(live_with_id(&sighting("same", START), Dialect::V2));
    rig.face(live_with_id(&sighting("same", START + 1), Dialect::V2));
    rig.face(live_with_id(&sighting("other", START), Dialect::V2));
    let counters = rig.platform.counters();
    assert_eq!((counters.delivered_live, counters.duplicates_live), (2, 1));
}

#[test]
fn events_without_a_time_are_doubles_only_if_equal_to_the_byte() {
    let mut rig = Rig::up(config());
    for json in [
        r#"{"device_id":"x"}"#,
        r#"{"device_id":"x"}"#,
        r#"{"device_id":"x","a":1}"#,
    ] {
        rig.face(FaceEvent::decode(json.into()).unwrap());
    }
    assert_eq!(rig.platform.counters().delivered_live, 2);
}

#[test]
fn events_are_forgotten_after_the_window() {
    let mut rig = Rig::up(config());
    let one = sighting("a", START);
    rig.face(live(&one));
    for nth in 0..61 {
        rig.pass(secs(10));
        rig.face(live(&sighting("x", START + 1 + nth)));
    }
    rig.face(live(&one));
    assert_eq!(rig.platform.counters().duplicates_live, 0);
}

#[test]
fn events_next_to_a_gap_are_remembered_until_it_is_repaired() {
    let mut rig = Rig::up(config());
    rig.pass(secs(10));
    let last = sighting("last", rig.at().0);
    rig.face(live(&last));
    rig.lose();
    for _ in 0..7_200 {
        rig.pass(secs(1));
    }
    rig.redial();
    rig.serve(Dialect::V1, std::slice::from_ref(&last), secs(60));
    assert_eq!(fetched(&rig), [""; 0], "two hours later");
    assert_eq!(rig.filled()[0].2, 1);
}

//= docs/spec/se5-events.md#limits
//# The subscriber MUST NOT remember more than `window_keys` events against duplicates.
#[test]
fn a_gap_may_hold_more_events_than_the_window_has_keys() {
    let mut config = config();
    config.window_keys = 32;
    let records: Vec<Sighting> = (0..500)
        .map(|nth| sighting(&format!("r{nth}"), START + 10_100 + nth * 10))
        .collect();
    let rig = repaired(config, &[], &records);
    assert_eq!(fetched(&rig).len(), 500);
}

/// What a box saw: when, whom, with what score, and whether a push was lost.
type Saw = (i64, u8, u8, bool);

/// Events in the two seconds before a loss, while down, and in the two seconds after.
fn saw() -> impl Strategy<Value = [Vec<Saw>; 3]> {
    let one = |from: i64, to: i64| {
        let anywhere = (from..to, 0..3_u8, 0..2_u8, any::<bool>());
        let crowded = (from + 980..from + 1_020, 0..2_u8, 0..2_u8, any::<bool>());
        proptest::collection::vec(prop_oneof![anywhere, crowded], 0..15)
    };
    (one(0, 2_000), one(2_000, 9_000), one(0, 2_000)).prop_map(|(a, b, c)| [a, b, c])
}

/// The sightings of a time, in order, each with whether its push is lost.
fn sightings(name: &str, from: i64, mut saw: Vec<Saw>) -> Vec<(Sighting, bool)> {
    saw.sort_unstable();
    let sighting = |(nth, (at, person, score, is_lost)): (usize, Saw)| {
        let mut one = sighting(&format!("{name}{nth}.5"), from + at);
        one.identity_id = "x".repeat(person.into());
        one.score = f64::from(score);
        (one, is_lost)
    };
    saw.into_iter().enumerate().map(sighting).collect()
}

/// Runs a loss and its repair; pushes come when they happen or, if `late`, after the repair.
fn run(
    config: Config,
    saw: [Vec<Saw>; 3],
    late: bool,
    form: impl Fn(&Sighting) -> FaceEvent,
    keep: impl Fn(&mut Vec<(Sighting, bool)>),
) -> (Rig, Vec<Sighting>) {
    let dialect = config.dialect.unwrap();
    let [before, between, after] = saw;
    let mut rig = Rig::up(config);
    let mut records = sightings("a", START, before);
    keep(&mut records);
    for (one, is_lost) in &records {
        rig.pass(ms(u64::try_from(one.at.0 - rig.at().0).unwrap()));
        if !is_lost {
            rig.face(form(one));
        }
    }
    rig.pass(ms(u64::try_from(START + 2_000 - rig.at().0).unwrap()));
    rig.lose();
    while rig.platform.link() != Link::Dialing {
        rig.next_timer();
    }
    rig.pass(secs(8));
    rig.connect();
    rig.input(Input::Heard(rig.at()));
    records.extend(sightings("b", START, between));
    let mut last = sightings("c", rig.at().0, after);
    keep(&mut last);
    for (one, is_lost) in last.iter().filter(|_| !late) {
        rig.pass(ms(u64::try_from(one.at.0 - rig.at().0).unwrap()));
        if !is_lost {
            rig.face(form(one));
        }
    }
    records.extend(last.iter().cloned());
    let records: Vec<Sighting> = records.into_iter().map(|(one, _)| one).collect();
    rig.serve(dialect, &records, secs(60));
    for (one, _) in last.iter().filter(|(_, is_lost)| late && !is_lost) {
        rig.face(form(one));
    }
    (rig, records)
}

proptest! {
    //= docs/spec/se5-events.md#duplicates
    //# Each event of the box MUST be delivered at most once within the window, live or from the
    //# history.
    #[test]
    fn with_ids_every_event_is_delivered_exactly_once(
        saw in saw(),
        is_v2 in any::<bool>(),
        per_page in 1..9_u32,
        late in any::<bool>(),
    ) {
        let dialect = if is_v2 { Dialect::V2 } else { Dialect::V1 };
        let mut config = config();
        (config.dialect, config.per_page) = (Some(dialect), per_page);
        let form = |one: &Sighting| live_with_id(one, dialect);
        let (rig, records) = run(config, saw, late, form, |_| ());
        let mut ids = rig.faces(Source::Live);
        ids.extend(rig.faces(Source::Backfill));
        ids.sort_unstable();
        let mut wanted: Vec<String> = records.into_iter().map(|one| one.event_id).collect();
        wanted.sort_unstable();
        prop_assert_eq!(ids, wanted);
        prop_assert_eq!(rig.filled().len(), 1);
    }

    #[test]
    fn without_ids_as_many_are_delivered_as_were_seen(saw in saw(), late in any::<bool>()) {
        // Without ids, pushes equal in every field are one; let there be none.
        let distinct = |all: &mut Vec<(Sighting, bool)>| {
            all.dedup_by_key(|(one, _)| one.at);
        };
        let (rig, records) = run(config(), saw, late, live, distinct);
        let counters = rig.platform.counters();
        let delivered = counters.delivered_live + counters.delivered_backfill;
        prop_assert_eq!(delivered, records.len() as u64);
    }
}
