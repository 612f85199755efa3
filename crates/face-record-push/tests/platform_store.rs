//! What a receiver makes of its store's answers.

mod platform_kit;

use face_record_push::platform::*;
use face_record_push::*;
use platform_kit::*;
use std::time::Duration;

#[test]
fn what_the_store_fails_to_keep_is_answered_with_503_and_reported_once() {
    for error in [StoreError::Full, StoreError::Busy, StoreError::Broken] {
        let mut rig = Rig::new(config());
        let (first, second) = (rig.send(push("A", 1)), rig.send(push("A", 1)));
        rig.store_fails(1, error);
        for id in [first, second] {
            //= docs/spec/face-record-push.md#acknowledgement
            //= type=test
            //# A push that the store fails to keep MUST be answered with status 503.
            assert_eq!(rig.status(id), Some(503));
            //= docs/spec/face-record-push.md#acknowledgement
            //= type=test
            //# A reply with status 503 to a push MUST say in `Retry-After` when to come again.
            assert_eq!(rig.replies(id)[0].retry_after(), Some(secs(2)));
        }
        assert_eq!(rig.failures(), [error]);
        assert!(rig.kept().is_empty());
        let counters = rig.platform.counters();
        assert_eq!((counters.deferred, counters.store_failed), (2, 2));
        assert_eq!(rig.platform.reserved_bytes(), 0);
    }
}

#[test]
fn a_store_that_takes_too_long_is_not_waited_for_and_goes_on() {
    let mut rig = Rig::new(config());
    let id = rig.send(push("A", 1));
    rig.pass(secs(7));
    assert_eq!(rig.status(id), None);
    rig.pass(secs(1));
    //= docs/spec/face-record-push.md#acknowledgement
    //= type=test
    //# A request whose push the store has not answered within `store_timeout` MUST be answered with
    //# status 503.
    assert_eq!(rig.status(id), Some(503));
    let again = rig.send(push("A", 1));
    assert_eq!(rig.entries().len(), 1);
    rig.stored(1);
    assert_eq!(rig.status(again), Some(200));
    assert_eq!(rig.kept().len(), 1);
}

#[test]
fn a_push_whose_store_failed_is_never_taken_for_known() {
    let mut rig = Rig::new(config());
    rig.send(push("A", 1));
    rig.store_fails(1, StoreError::Broken);
    let again = rig.send(push("A", 1));
    assert_eq!(rig.status(again), None);
    assert_eq!(rig.entries().len(), 2);
    // The first one may have been kept all the same.
    rig.known(2);
    assert_eq!(rig.status(again), Some(200));
    assert!(rig.kept().is_empty());
}

#[test]
fn a_failed_import_does_not_take_a_push_of_the_same_record_along() {
    let mut rig = Rig::new(config());
    let at = rig.at();
    let seq = rig.platform.import(rig.now, at, serial("A"), push("A", 1));
    assert_eq!(seq, Ok(Seq(1)));
    rig.drain();
    let pushed = rig.send(push("A", 1));
    assert_eq!(rig.state(pushed), ExchangeState::Storing);
    let second = rig.platform.import(rig.now, at, serial("A"), push("A", 1));
    assert_eq!(second, Ok(Seq(2)));
    rig.drain();
    rig.stored(2);
    assert!(rig.kept().is_empty(), "number 1 comes first");
    rig.store_fails(1, StoreError::Busy);
    assert_eq!(rig.status(pushed), Some(503));
    assert_eq!(rig.reported(), [2]);
    assert!(!rig.kept()[0].is_actionable());
}

#[test]
fn an_imported_record_is_known_by_the_same_key_and_opens_nothing() {
    let mut rig = Rig::new(config());
    rig.send(push("A", 1));
    rig.stored(1);
    let at = rig.at();
    let known = rig.platform.import(rig.now, at, serial("A"), push("A", 1));
    assert_eq!(known, Ok(Seq(2)));
    let new = rig.platform.import(rig.now, at, serial("A"), push("A", 2));
    assert_eq!(new, Ok(Seq(3)));
    rig.drain();
    rig.stored(3);
    //= docs/spec/face-record-push.md#duplicates
    //= type=test
    //# An imported record MUST count as known by the same key as a pushed one.
    assert_eq!(rig.reported(), [1, 3]);
    let kept = rig.kept();
    //= docs/spec/face-record-push.md#freshness
    //= type=test
    //# An imported record MUST NOT be actionable.
    assert_eq!(kept[1].freshness, Freshness::Live);
    assert!(kept[0].is_actionable() && !kept[1].is_actionable());
    assert_eq!(kept[1].source, Source::Imported);
    let counters = rig.platform.counters();
    assert_eq!((counters.imported, counters.remembered), (1, 1));
}

#[test]
fn what_cannot_be_imported_is_given_back() {
    let mut config = config();
    config.max_importing = 1;
    config.serials = vec![serial("A"), serial("B")];
    config.max_body = 1_000;
    let mut rig = Rig::new(config);
    let at = rig.at();
    let mut import = |sn: &str, push: Push| {
        rig.platform
            .import(rig.now, at, serial(sn), push)
            .map_err(|refused| std::mem::discriminant(&refused))
    };
    let given = push("A", 1);
    let invalid = Err(std::mem::discriminant(&Refused::Invalid(given.clone())));
    let full = Err(std::mem::discriminant(&Refused::Full(given.clone())));
    let large = Err(std::mem::discriminant(&Refused::TooLarge(given.clone())));
    assert_eq!(import("B", given.clone()), invalid);
    assert_eq!(import("C", push("C", 1)), invalid);
    assert_eq!(import("A", question("A")), invalid);
    let long = body("A", 1).replace("aGk=", &"A".repeat(1_000));
    assert_eq!(import("A", decode(&long)), large);
    assert_eq!(import("A", given.clone()), Ok(Seq(1)));
    assert_eq!(import("A", push("A", 2)), full);
    rig.drain();
    rig.stored(1);
    let after = rig.platform.import(rig.now, at, serial("A"), push("A", 2));
    assert_eq!(after, Ok(Seq(2)));
    rig.close();
    let closed = rig.platform.import(rig.now, at, serial("A"), given.clone());
    assert_eq!(closed, Err(Refused::Closed(given)));
}

#[test]
fn answers_to_nothing_and_second_answers_do_nothing() {
    let mut rig = Rig::new(config());
    rig.stored(7);
    let id = rig.send(push("A", 1));
    rig.send(push("B", 1));
    rig.store_fails(2, StoreError::Full);
    rig.stored(2);
    rig.stored(1);
    rig.store_fails(1, StoreError::Full);
    rig.stored(1);
    assert_eq!(rig.status(id), Some(200));
    assert_eq!(rig.reported(), [1]);
    assert_eq!(rig.failures(), [StoreError::Full]);
}

#[test]
fn what_an_application_has_consumed_is_written_down() {
    let mut rig = Rig::new(config());
    rig.platform.consumed(rig.now, "door", Seq(5));
    rig.drain();
    let name = "door".to_owned();
    assert_eq!(rig.log, [Output::Store(Op::Consumed { name, seq: Seq(5) })]);
}

#[test]
fn closing_lets_the_store_finish_and_sends_everybody_else_away() {
    let mut rig = Rig::new(config());
    let storing = rig.send(push("A", 1));
    let queued = rig.send(push("A", 2));
    let reading = rig.connect(named(50, "B"));
    let waiting = rig.connect(named(51, "B"));
    rig.close();
    for id in [queued, reading, waiting] {
        assert_eq!(rig.status(id), Some(503));
    }
    assert_eq!(rig.status(storing), None);
    let late = rig.connect(head(60));
    assert_eq!(rig.status(late), Some(503));
    assert!(!rig.platform.is_closed());
    rig.stored(1);
    //= docs/spec/face-record-push.md#acknowledgement
    //= type=test
    //# A receiver that closes MUST answer what waits with status 503 and let the store finish
    //# for `close_timeout`.
    assert_eq!(rig.status(storing), Some(200));
    assert_eq!(rig.reported(), [1]);
    let last = rig.log.last().cloned();
    assert_eq!(last, Some(Output::Event(Event::Closed(Reason::Local))));
    assert!(rig.platform.is_closed());
    rig.said();
    rig.connect(head(61));
    rig.stored(1);
    rig.close();
    assert!(rig.log.is_empty());
    assert_eq!(rig.platform.poll_timeout(), None);
}

#[test]
fn closing_does_not_wait_for_a_store_that_never_answers() {
    for (timeout, wait) in [(secs(5), secs(5)), (Duration::ZERO, Duration::ZERO)] {
        let mut config = config();
        config.close_timeout = timeout;
        let mut rig = Rig::new(config);
        let id = rig.send(push("A", 1));
        rig.close();
        rig.pass(wait);
        assert_eq!(rig.status(id), Some(503));
        assert!(rig.platform.is_closed());
        assert_eq!(rig.platform.reserved_bytes(), 0);
        let last = rig.log.last().cloned();
        assert_eq!(last, Some(Output::Event(Event::Closed(Reason::Local))));
    }
}

#[test]
fn repetitions_that_go_away_while_the_store_is_stuck_leave_nothing_behind() {
    let mut rig = Rig::new(config());
    let first = rig.send(push("A", 1));
    let size = |rig: &Rig| format!("{:?}", rig.platform).len();
    let before = size(&rig);
    for _ in 0..1_000 {
        let again = rig.send(push("A", 1));
        rig.disconnect(again);
    }
    assert!(size(&rig) < before + 200);
    rig.stored(1);
    assert_eq!(rig.status(first), Some(200));
    let counters = rig.platform.counters();
    assert_eq!((counters.kept, counters.known), (1, 0));
}

#[test]
fn an_import_that_is_answered_does_not_end_the_wait_for_a_push_of_the_same_record() {
    let mut rig = Rig::new(config());
    let at = rig.at();
    for _ in 0..2 {
        drop(rig.platform.import(rig.now, at, serial("A"), push("A", 1)));
    }
    rig.store_fails(1, StoreError::Busy);
    let first = rig.send(push("A", 1));
    rig.store_fails(2, StoreError::Busy);
    let second = rig.send(push("A", 1));
    assert_eq!(rig.state(second), ExchangeState::Storing);
    rig.stored(3);
    assert_eq!(
        (rig.status(first), rig.status(second)),
        (Some(200), Some(200))
    );
    assert_eq!(rig.reported(), [3]);
}
