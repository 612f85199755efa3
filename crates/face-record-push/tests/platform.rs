//! What a receiver does with requests.

mod platform_kit;

use face_record_push::platform::*;
use face_record_push::*;
use platform_kit::*;

#[test]
fn a_push_is_kept_before_it_is_acknowledged() {
    let mut rig = Rig::new(config());
    let id = rig.connect(named(1, "A"));
    assert_eq!(rig.limits(id), [8 << 20]);
    rig.receive(id, push("A", 1));
    assert_eq!(rig.status(id), None);
    assert_eq!(rig.entries().len(), 1);
    assert_eq!(rig.reported(), [] as [u64; 0]);
    rig.stored(1);
    //= docs/spec/face-record-push.md#acknowledgement
    //= type=test
    //# The receiver MUST NOT acknowledge a push before it is kept.
    assert_eq!(rig.status(id), Some(200));
    assert_eq!(rig.reported(), [1]);
    assert_eq!(rig.state(id), ExchangeState::Over);
    assert_eq!(rig.platform.reserved_bytes(), 0);
}

#[test]
fn a_repetition_is_acknowledged_and_not_reported_again() {
    let mut rig = Rig::new(config());
    rig.send(push("A", 1));
    rig.stored(1);
    rig.said();
    let again = rig.send(push("A", 1));
    //= docs/spec/face-record-push.md#duplicates
    //= type=test
    //# A known push MUST be acknowledged and not be reported again.
    //= docs/spec/face-record-push.md#duplicates
    //= type=test
    //# A push MUST count as known if one with its serial number and key is kept.
    assert_eq!(rig.status(again), Some(200));
    assert!(rig.entries().is_empty() && rig.kept().is_empty());
    let counters = rig.platform.counters();
    assert_eq!(
        (counters.kept, counters.known, counters.remembered),
        (1, 1, 1)
    );
}

#[test]
fn the_store_decides_about_what_is_not_remembered() {
    let mut config = config();
    config.keys_per_terminal = 0;
    let mut rig = Rig::new(config);
    rig.send(push("A", 1));
    rig.stored(1);
    rig.said();
    let again = rig.send(push("A", 1));
    assert_eq!(rig.status(again), None);
    rig.known(2);
    //= docs/spec/face-record-push.md#duplicates
    //= type=test
    //# The store MUST decide whether a push is new unless it is remembered as kept.
    assert_eq!(rig.status(again), Some(200));
    assert!(rig.kept().is_empty());
}

#[test]
fn the_same_push_on_two_connections_waits_for_one_answer_of_the_store() {
    let mut rig = Rig::new(config());
    let first = rig.send(push("A", 1));
    let second = rig.send(push("A", 1));
    assert_eq!(rig.entries().len(), 1);
    assert_eq!(rig.state(second), ExchangeState::Storing);
    rig.stored(1);
    //= docs/spec/face-record-push.md#duplicates
    //= type=test
    //# A push that comes again while it is being kept MUST wait for the same answer of the
    //# store.
    assert_eq!(
        (rig.status(first), rig.status(second)),
        (Some(200), Some(200))
    );
    assert_eq!(rig.reported(), [1]);
}

#[test]
fn a_body_that_cannot_be_read_is_kept_bit_for_bit_and_acknowledged() {
    let mut rig = Rig::new(config());
    let id = rig.connect(named(1, "A"));
    rig.garble(id, "{\"type\":1,");
    let body = rig.quarantined()[0].clone();
    //= docs/spec/face-record-push.md#acknowledgement
    //= type=test
    //# A body that cannot be read MUST be kept in quarantine, bit for bit, and acknowledged.
    assert_eq!(body.raw, "{\"type\":1,");
    assert_eq!(body.serial, Some(serial("A")));
    assert_eq!(rig.status(id), None);
    rig.stored(1);
    assert_eq!(rig.status(id), Some(200));
    assert_eq!(rig.reported(), [1]);
}

#[test]
fn what_is_in_quarantine_already_is_acknowledged_and_not_kept_again() {
    let mut rig = Rig::new(config());
    let first = rig.connect(named(1, "A"));
    rig.garble(first, "nonsense");
    rig.stored(1);
    let again = rig.connect(named(1, "A"));
    rig.garble(again, "nonsense");
    let keys: Vec<RecordKey> = rig.quarantined().iter().map(|body| body.key).collect();
    assert_eq!(keys[0], keys[1]);
    rig.known(2);
    //= docs/spec/face-record-push.md#acknowledgement
    //= type=test
    //# A body that is in quarantine already MUST be acknowledged and not be kept again.
    assert_eq!(rig.status(again), Some(200));
    assert_eq!(rig.reported(), [1]);
}

#[test]
fn a_push_of_another_terminal_than_its_head_says_is_kept_in_quarantine() {
    let mut rig = Rig::new(config());
    let id = rig.connect(named(1, "A"));
    rig.receive(id, push("B", 1));
    rig.stored(1);
    //= docs/spec/face-record-push.md#acknowledgement
    //= type=test
    //# A push whose serial number is not that of its head MUST be kept in quarantine and
    //# acknowledged.
    assert_eq!(rig.status(id), Some(200));
    assert_eq!(rig.quarantined()[0].why, QuarantineReason::SerialMismatch);
    assert_eq!(rig.quarantined()[0].raw, body("B", 1));
    assert!(rig.entries().is_empty());
}

#[test]
fn a_push_goes_by_the_serial_number_of_its_body_its_head_or_its_address() {
    let mut rig = Rig::new(config());
    rig.send(push("A", 1));
    rig.stored(1);
    let by_head = rig.connect(named(2, "B"));
    rig.receive(by_head, alarm("t", 1));
    rig.stored(2);
    rig.send(alarm("t", 1));
    rig.stored(3);
    let serials: Vec<String> = rig
        .kept()
        .iter()
        .map(|entry| entry.serial.to_string())
        .collect();
    //= docs/spec/face-record-push.md#duplicates
    //= type=test
    //# The serial number of a push MUST be that of its body, else that of its head, else the
    //# address that it came from.
    assert_eq!(serials, ["A", "B", "192.0.2.7"]);
}

#[test]
//= docs/spec/face-record-push.md#reply
//# A GET or HEAD MUST be answered with status 200 and an empty object and change nothing.
fn a_look_whether_we_are_there_changes_nothing() {
    let mut rig = Rig::new(config());
    let mut head = head(1);
    head.method = Method::Get;
    let id = rig.connect(head);
    assert_eq!(rig.status(id), Some(200));
    assert_eq!(rig.events(), [&Event::Heartbeat("192.0.2.7".to_owned())]);
    assert_eq!(rig.platform.poll_timeout(), None);
    assert_eq!(rig.platform.reserved_bytes(), 0);
}

#[test]
//= docs/spec/face-record-push.md#reply
//# A method other than POST, GET and HEAD MUST be answered with status 405.
fn only_path_method_serial_number_and_length_are_refused_for_good() {
    let mut config = config();
    config.paths = vec!["/Record/0123456789abcdef".to_owned()];
    config.serials = vec![serial("A")];
    let mut rig = Rig::new(config);
    let right = || {
        let mut head = named(1, "A");
        head.path = "/Record/0123456789abcdef".to_owned();
        head
    };
    let mut cases = Vec::new();
    //= docs/spec/face-record-push.md#acknowledgement
    //= type=test
    //# The path MUST be compared in constant time.
    for path in [
        "/Record",
        "/",
        "",
        "/Record/0123456789abcdeF",
        "/Record/0123456789abcdef0",
    ] {
        let mut head = right();
        head.path = path.to_owned();
        cases.push((head, 404, RefusalReason::Path));
    }
    let mut head = right();
    head.method = Method::Other;
    cases.push((head, 405, RefusalReason::Method));
    let mut head = right();
    head.serial = Some(serial("B"));
    cases.push((head, 403, RefusalReason::Serial));
    let mut head = right();
    head.length = Some((64 << 20) + 1);
    cases.push((head, 413, RefusalReason::TooLong));
    for (head, status, why) in cases {
        rig.said();
        let id = rig.connect(head);
        //= docs/spec/face-record-push.md#acknowledgement
        //= type=test
        //# The receiver MUST NOT refuse a request for good but for its path, its method, its serial
        //# number or a length beyond `hard_max`.
        //= docs/spec/face-record-push.md#acknowledgement
        //= type=test
        //# A path that is not configured MUST be answered with status 404 before a body is read.
        //= docs/spec/face-record-push.md#acknowledgement
        //= type=test
        //# A body longer than `hard_max` MUST be answered with status 413.
        assert_eq!(rig.status(id), Some(status), "{why:?}");
        let peer = "192.0.2.7".to_owned();
        assert_eq!(rig.events(), [&Event::Refused { peer, why }]);
        assert_eq!(rig.limits(id), [] as [u64; 0]);
    }
    rig.said();
    let id = rig.connect(right());
    assert_eq!(rig.limits(id).len(), 1);
}

#[test]
fn a_terminal_that_is_not_listed_is_refused_once_its_body_tells() {
    let mut config = config();
    config.serials = vec![serial("A")];
    let mut rig = Rig::new(config);
    let id = rig.send(push("B", 1));
    //= docs/spec/face-record-push.md#acknowledgement
    //= type=test
    //# A terminal that is not listed MUST be answered with status 403.
    assert_eq!(rig.status(id), Some(403));
    assert!(rig.entries().is_empty());
    let nobody = rig.send(alarm("t", 1));
    assert_eq!(rig.quarantined()[0].why, QuarantineReason::NoSerial);
    rig.stored(1);
    assert_eq!(rig.status(nobody), Some(200));
    // Its head is one of ours: it would repeat what is refused for ever.
    let mixed = rig.connect(named(9, "A"));
    rig.receive(mixed, push("B", 2));
    rig.stored(2);
    assert_eq!(rig.status(mixed), Some(200));
    assert_eq!(rig.quarantined()[1].why, QuarantineReason::SerialMismatch);
}

#[test]
fn a_request_that_is_cut_off_leaves_nothing_behind() {
    let mut rig = Rig::new(config());
    let reading = rig.connect(named(1, "A"));
    let waiting = rig.connect(named(2, "A"));
    assert_eq!(rig.state(waiting), ExchangeState::Waiting);
    rig.disconnect(reading);
    assert_eq!(rig.state(waiting), ExchangeState::Reading);
    rig.disconnect(waiting);
    assert_eq!(rig.platform.reserved_bytes(), 0);
    assert_eq!(rig.platform.poll_timeout(), None);
    assert_eq!(rig.platform.counters().disconnected, 2);
}

#[test]
fn a_push_is_kept_although_its_request_is_cut_off_meanwhile() {
    let mut rig = Rig::new(config());
    let id = rig.send(push("A", 1));
    rig.disconnect(id);
    rig.stored(1);
    //= docs/spec/face-record-push.md#acknowledgement
    //= type=test
    //# A push whose request is disconnected while it is being kept MUST be kept all the same.
    assert_eq!(rig.reported(), [1]);
    assert_eq!(rig.status(id), None);
    assert_eq!(rig.platform.reserved_bytes(), 0);
    let again = rig.send(push("A", 1));
    assert_eq!(rig.status(again), Some(200));
}

#[test]
fn a_body_that_does_not_end_is_hung_up_on() {
    let mut rig = Rig::new(config());
    let id = rig.connect(head(1));
    rig.pass(secs(59));
    assert!(!rig.is_hung_up_on(id));
    rig.pass(secs(1));
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# A request whose body is not complete within `read_timeout` MUST be hung up on.
    assert!(rig.is_hung_up_on(id));
    assert_eq!(rig.status(id), None);
    rig.receive(id, push("A", 1));
    assert!(rig.entries().is_empty());
    assert_eq!(rig.platform.reserved_bytes(), 0);
}
