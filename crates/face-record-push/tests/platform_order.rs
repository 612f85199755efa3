//! In which order a receiver keeps, reports and acknowledges.

mod platform_kit;

use face_record_push::platform::*;
use face_record_push::*;
use platform_kit::*;
use proptest::prelude::*;

#[test]
fn one_push_of_a_terminal_is_at_the_store_at_a_time() {
    let mut rig = Rig::new(config());
    let first = rig.send(push("A", 1));
    let second = rig.send(push("A", 2));
    let other = rig.send(push("B", 1));
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# The receiver MUST NOT have more than one push of a terminal in the store's hands at a time.
    assert_eq!(rig.state(second), ExchangeState::Queued);
    assert_eq!(rig.state(other), ExchangeState::Storing);
    rig.stored(1);
    assert_eq!(rig.state(second), ExchangeState::Storing);
    rig.stored(3);
    assert_eq!(rig.status(second), None, "number 2 comes first");
    rig.stored(2);
    for id in [first, second, other] {
        assert_eq!(rig.status(id), Some(200));
    }
    assert_eq!(rig.reported(), [1, 2, 3]);
}

#[test]
fn a_failure_lets_the_next_push_of_the_terminal_to_the_store_only_after_its_503() {
    let mut rig = Rig::new(config());
    let first = rig.send(push("A", 1));
    let second = rig.send(push("A", 2));
    rig.store_fails(1, StoreError::Busy);
    assert_eq!(rig.status(first), Some(503));
    assert_eq!(rig.state(second), ExchangeState::Storing);
    let again = rig.send(push("A", 1));
    assert_eq!(rig.state(again), ExchangeState::Queued);
    rig.stored(2);
    rig.stored(3);
    assert_eq!(rig.reported(), [2, 3]);
    assert_eq!(rig.status(again), Some(200));
}

#[test]
fn a_terminal_that_comes_back_is_stored_behind_what_it_left_at_the_store() {
    let mut rig = Rig::new(config());
    let first = rig.connect(named(1, "A"));
    rig.receive(first, push("A", 1));
    rig.disconnect(first);
    let again = rig.connect(named(2, "A"));
    rig.receive(again, push("A", 2));
    assert_eq!(rig.state(again), ExchangeState::Queued);
    rig.stored(1);
    rig.stored(2);
    assert_eq!(rig.reported(), [1, 2]);
}

#[test]
fn what_waits_with_its_body_is_known_when_its_turn_comes() {
    let mut rig = Rig::new(config());
    rig.send(push("A", 1));
    let second = rig.send(push("A", 2));
    let twin = rig.send(push("A", 2));
    assert_eq!(rig.platform.waiting(), 2);
    rig.stored(1);
    rig.stored(2);
    assert_eq!(
        (rig.status(second), rig.status(twin)),
        (Some(200), Some(200))
    );
    assert_eq!(rig.reported(), [1, 2]);
    assert_eq!(rig.platform.waiting(), 0);
    assert_eq!(rig.platform.reserved_bytes(), 0);
}

#[test]
fn the_third_that_waits_with_its_body_sends_the_oldest_away() {
    let mut rig = Rig::new(config());
    rig.send(push("A", 1));
    let waiting: Vec<ExchangeId> = (2..5).map(|id| rig.send(push("A", id))).collect();
    assert_eq!(rig.status(waiting[0]), Some(503));
    assert_eq!(rig.status(waiting[1]), None);
    rig.pass(secs(5));
    assert_eq!(rig.status(waiting[1]), Some(503));
    assert_eq!(rig.status(waiting[2]), Some(503));
    rig.stored(1);
    assert_eq!(rig.reported(), [1]);
    assert_eq!(rig.platform.reserved_bytes(), 0);
}

/// What a store does with its oldest, or some other, open request.
#[derive(Debug, Clone, Copy)]
enum Step {
    Send { terminal: u8, id: u8 },
    Cut { which: u8 },
    Answer { which: u8, how: u8 },
    Wait { millis: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, 0..6_u8).prop_map(|(terminal, id)| Step::Send { terminal, id }),
        1 => any::<u8>().prop_map(|which| Step::Cut { which }),
        4 => (any::<u8>(), 0..5_u8).prop_map(|(which, how)| Step::Answer { which, how }),
        1 => (0..3_000_u16).prop_map(|millis| Step::Wait { millis }),
    ]
}

proptest! {
    /// FI-9, FT-6: whatever order the store answers in and whatever it fails, numbers are reported
    /// in order, nothing is reported or acknowledged that is not kept, and nothing twice.
    #[test]
    fn reports_follow_the_numbers_whatever_the_store_does(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut rig = Rig::new(config());
        let mut open: Vec<(Seq, RecordKey, String)> = Vec::new();
        let mut kept = std::collections::BTreeSet::new();
        let mut sent = Vec::new();
        let mut seen = 0;
        for step in steps {
            match step {
                Step::Send { terminal, id } => {
                    let sn = format!("T{terminal}");
                    let push = push(&sn, id.into());
                    let key = push.key(&serial(&sn));
                    sent.push((rig.send(push), sn, key));
                }
                Step::Cut { which } if !sent.is_empty() => {
                    let at = usize::from(which) % sent.len();
                    rig.disconnect(sent[at].0);
                }
                Step::Answer { which, how } if !open.is_empty() => {
                    let (seq, key, sn) = open.remove(usize::from(which) % open.len());
                    match how {
                        0 => rig.store_fails(seq.0, StoreError::Busy),
                        _ if kept.insert((sn, key)) => rig.stored(seq.0),
                        _ => rig.known(seq.0),
                    }
                }
                Step::Wait { millis } => rig.pass(ms(millis.into())),
                _ => {}
            }
            for output in &rig.log[seen..] {
                if let Output::Store(Op::Keep(entry)) = output {
                    open.push((entry.seq, entry.key, entry.serial.to_string()));
                }
            }
            seen = rig.log.len();
            for (id, sn, key) in &sent {
                if rig.status(*id) == Some(200) {
                    prop_assert!(kept.contains(&(sn.clone(), *key)), "kept before acknowledged");
                }
            }
        }
        let reported = rig.reported();
        //= docs/spec/face-record-push.md#duplicates
        //= type=test
        //# The number of an entry MUST be higher than that of all entries before it, whichever
        //# terminal they came from.
        prop_assert!(reported.is_sorted_by(|a, b| a < b), "{reported:?}");
        let mut keys: Vec<_> = rig.kept().iter().map(|e| (e.serial.to_string(), e.key)).collect();
        let all = keys.len();
        keys.sort();
        keys.dedup();
        //= docs/spec/face-record-push.md#duplicates
        //= type=test
        //# A new entry MUST be reported once.
        prop_assert_eq!(keys.len(), all);
        //= docs/spec/face-record-push.md#acknowledgement
        //= type=test
        //# The pushes of one terminal MUST be kept, reported and acknowledged in the same order.
        let asked: Vec<u64> = rig.entries().iter().map(|entry| entry.seq.0).collect();
        prop_assert!(asked.is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn who_is_sent_away_with_its_body_leaves_no_place_behind() {
    let mut rig = Rig::new(config());
    rig.send(push("A", 1));
    rig.send(push("A", 2));
    rig.send(push("A", 3));
    rig.pass(secs(5));
    assert_eq!(rig.platform.waiting(), 0);
    let (third, fourth) = (rig.send(push("A", 4)), rig.send(push("A", 5)));
    assert_eq!(rig.platform.waiting(), 2);
    rig.stored(1);
    assert_eq!(rig.state(third), ExchangeState::Storing);
    assert_eq!(rig.state(fourth), ExchangeState::Queued);
}
