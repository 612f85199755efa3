//! What a badly behaved terminal does, and that it does nothing else.

mod device_kit;

use bytes::Bytes;
use device_kit::{Rig, config, item, ms};
use face_record_push::device::{Cause, Event, Failure, Fault, Seq, State};
use face_record_push::{
    Person, Profile, Push, PushErrorKind, Recognition, RecordKey, SerialNumber, UnixMillis, codec,
};

const AT: UnixMillis = UnixMillis(1_660_625_866_000);

fn body(profile: Profile) -> Bytes {
    let mut seen = Recognition::new("PS71HD01MC22C00014", AT);
    seen.user = Some(Person::new("1007", "小明"));
    // 0xff is `/` in base64, again and again.
    let item = seen.to_item(profile, Some(vec![0xff; 300].into()));
    let mut body = Vec::new();
    codec::encode_push(&item, &mut body);
    body.into()
}

fn spoilt(profile: Profile, faults: &[Fault]) -> Bytes {
    codec::deface(body(profile), faults).body
}

fn text(body: &Bytes) -> &str {
    std::str::from_utf8(body).expect("text")
}

/// What a receiver tells repetitions by.
fn key(body: Bytes) -> RecordKey {
    let push = Push::decode(body).expect("a push");
    push.key(&SerialNumber::new("PS71HD01MC22C00014"))
}

#[test]
fn what_leaves_the_facts_as_they_are_leaves_the_key_as_it_is() {
    for profile in [Profile::V1_0, Profile::V1_1, Profile::V1_2_1, Profile::V1_3] {
        let sound = body(profile);
        let faults = [
            Fault::NoContentType,
            Fault::UserIdKind,
            Fault::EscapedSlashes,
            Fault::WrappedBase64,
            Fault::Rewritten,
        ];
        for fault in faults {
            let other = spoilt(profile, &[fault]);
            assert_eq!(other == sound, fault == Fault::NoContentType, "{fault:?}");
            assert_eq!(key(other), key(sound.clone()), "{profile:?} {fault:?}");
        }
        assert_eq!(key(spoilt(profile, &faults)), key(sound), "all at once");
    }
}

#[test]
fn content_type_is_the_only_thing_that_is_not_in_the_body() {
    assert!(codec::deface(body(Profile::V1_1), &[]).has_content_type);
    let without = codec::deface(body(Profile::V1_1), &[Fault::NoContentType]);
    assert!(!without.has_content_type);
}

#[test]
fn user_ids_change_their_kind_in_both_directions() {
    let number = body(Profile::V1_1);
    assert!(text(&number).contains("\"user_id\":1007"));
    let changed = spoilt(Profile::V1_1, &[Fault::UserIdKind]);
    assert!(text(&changed).contains("\"user_id\":\"1007\""));
    let changed = spoilt(Profile::V1_3, &[Fault::UserIdKind]);
    assert!(text(&changed).contains("\"user_id\":1007"));
}

#[test]
fn users_and_pictures_go_where_a_fault_says_so() {
    let none = spoilt(Profile::V1_1, &[Fault::NullUser, Fault::BlankPicture]);
    assert!(text(&none).contains("\"user\":null"));
    assert!(text(&none).contains("\"rgb_image\":\" \""));
    Push::decode(none).expect("still a push");
    let large = spoilt(Profile::V1_1, &[Fault::Oversize(1 << 20)]);
    assert!(large.len() > 1 << 20);
    Push::decode(large).expect("still a push");
}

#[test]
fn a_clock_can_be_off_and_a_comma_too_many() {
    let early = spoilt(Profile::V1_1, &[Fault::ClockOff(-3_600)]);
    let early = Push::decode(early).expect("a push");
    assert_eq!(early.time(), Some(AT.plus(-3_600_000)));
    let error = Push::decode(spoilt(Profile::V1_1, &[Fault::TrailingComma])).unwrap_err();
    assert!(matches!(error.kind, PushErrorKind::NotJson { .. }));
}

#[test]
fn what_is_no_push_stays_as_it_is() {
    for body in ["", "[]", "{", "{\"type\":0", "}"] {
        let faults = [Fault::UserIdKind, Fault::WrappedBase64, Fault::NullUser];
        let other = codec::deface(Bytes::from(body), &faults);
        assert_eq!(other.body, body);
    }
}

#[test]
fn faults_of_content_are_named_in_posts_until_they_are_cleared() {
    let mut rig = Rig::new(config());
    rig.device.fault(rig.now, Fault::ClockOff(5));
    rig.device.fault(rig.now, Fault::ClockOff(60));
    rig.device.fault(rig.now, Fault::Duplicate(0.0));
    rig.device.fault(rig.now, Fault::Rewritten);
    rig.record_many(2);
    rig.lose(Cause::Broken);
    rig.wait_for_post();
    rig.ack();
    rig.device.clear_faults(rig.now);
    rig.ack();
    rig.record(item(3, 0));
    let faults: Vec<_> = rig.posts.iter().map(|post| post.faults.clone()).collect();
    let (first, again) = (
        vec![Fault::ClockOff(60)],
        vec![Fault::ClockOff(60), Fault::Rewritten],
    );
    assert_eq!(faults, [first.clone(), again, first, vec![]]);
}

#[test]
fn an_acknowledged_record_is_posted_once_more() {
    let mut rig = Rig::new(config());
    rig.device.fault(rig.now, Fault::Duplicate(1.0));
    rig.record_many(2);
    rig.ack();
    rig.refuse(); // of the second copy, which means nothing
    rig.ack();
    rig.wait(ms(10_000)); // the next copy is never answered
    assert_eq!(rig.posted(), [1, 1, 2, 2]);
    assert_eq!(rig.acked(), [1, 2]);
    assert_eq!(rig.device.state(), State::Idle);
    let counters = rig.device.counters();
    assert_eq!((counters.posts, counters.failed, counters.acked), (4, 2, 2));
}

#[test]
fn an_acknowledgement_is_lost_and_the_record_comes_again() {
    let mut rig = Rig::new(config());
    rig.device.fault(rig.now, Fault::LoseAck(1.0));
    rig.record(item(1, 0));
    rig.ack();
    let down = Failure::Disconnected(Cause::Broken);
    assert_eq!(rig.events.last(), Some(&Event::Down(down)));
    rig.device.clear_faults(rig.now);
    rig.wait_for_post();
    rig.ack();
    assert_eq!((rig.posted(), rig.acked()), (vec![1, 1], vec![1]));
}

#[test]
fn two_are_posted_at_once_and_the_second_comes_again() {
    let mut rig = Rig::new(config());
    rig.record_many(3);
    rig.device.fault(rig.now, Fault::TwoAtOnce);
    rig.device.handle_timeout(rig.now);
    rig.drain();
    assert_eq!(rig.posted(), [1, 2]);
    assert_eq!(rig.in_flight.len(), 2);
    // The platform takes the second first.
    rig.in_flight.swap(0, 1);
    rig.ack();
    assert_eq!(rig.acked(), [0; 0], "its answer means nothing");
    rig.device.clear_faults(rig.now);
    rig.ack_all();
    assert_eq!(rig.posted(), [1, 2, 2, 3]);
    assert_eq!(rig.acked(), [1, 2, 3]);
    rig.check_counters();
}

#[test]
fn the_same_seed_makes_the_same_faults() {
    let run = |seed| {
        let mut config = config();
        config.seed = seed;
        let mut rig = Rig::new(config);
        rig.device.fault(rig.now, Fault::Duplicate(0.5));
        rig.record_many(20);
        rig.ack_all();
        assert_eq!(rig.acked().last(), Some(&Seq(20).0));
        rig.posted()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
