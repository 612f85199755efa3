//! How old a receiver says that a record is.

mod platform_kit;

use face_record_push::platform::*;
use face_record_push::*;
use platform_kit::*;
use proptest::prelude::*;
use std::time::Duration;

/// What is said of a record that happened `age` before it came, and was sent `sent` before that.
fn judged(basis: AgeBasis, age: i64, sent: Option<i64>) -> Freshness {
    let mut config = config();
    config.age_basis = basis;
    let mut rig = Rig::new(config);
    let mut head = head(1);
    head.sent_at = sent.map(|sent| UnixMillis(START - sent));
    let id = rig.connect(head);
    rig.receive(id, push_at("A", 1, START - age));
    rig.stored(1);
    rig.freshness()[0]
}

#[test]
fn a_record_is_live_for_ten_seconds_and_late_with_its_age_from_then_on() {
    let ours = |age| judged(AgeBasis::Worst, age, None);
    //= docs/spec/face-record-push.md#freshness
    //= type=test
    //# A push MUST count as live only if its age is at most `live_within`.
    assert_eq!(ours(0), Freshness::Live);
    assert_eq!(ours(10_000), Freshness::Live);
    //= docs/spec/face-record-push.md#freshness
    //= type=test
    //# A push older than that MUST be reported as late with its age.
    assert_eq!(ours(11_000), Freshness::Late(secs(11)));
    //= docs/spec/face-record-push.md#freshness
    //= type=test
    //# A push more than `future_tolerance` ahead of a clock MUST be reported as ahead of time.
    assert_eq!(ours(-5_000), Freshness::Live);
    assert_eq!(ours(-6_000), Freshness::Future(secs(6)));
}

#[test]
fn a_push_without_a_time_is_of_unknown_freshness_and_opens_nothing() {
    let mut rig = Rig::new(config());
    rig.send(decode(r#"{"type":0,"data":{"deviceSN":"A"}}"#));
    rig.stored(1);
    //= docs/spec/face-record-push.md#freshness
    //= type=test
    //# A push without a readable time MUST be reported as of unknown freshness.
    assert_eq!(rig.freshness(), [Freshness::Unknown]);
    assert!(!rig.kept()[0].is_actionable());
}

#[test]
fn the_basis_says_which_clock_counts() {
    // Sent a minute ago by the terminal's clock, which is a minute behind.
    let (age, sent) = (60_000, Some(60_000));
    assert_eq!(judged(AgeBasis::DeviceHeader, age, sent), Freshness::Live);
    let late = Freshness::Late(secs(60));
    assert_eq!(judged(AgeBasis::ReceiverClock, age, sent), late);
    //= docs/spec/face-record-push.md#freshness
    //= type=test
    //# The larger age by the receiver's clock and by the time in the head MUST count under `Worst`.
    assert_eq!(judged(AgeBasis::Worst, age, sent), late);
    // A week old by the terminal's clock, which is a week behind.
    let week = 7 * 86_400;
    assert_eq!(
        judged(AgeBasis::Worst, 0, Some(-week * 1_000)),
        Freshness::Late(secs(604_800))
    );
    //= docs/spec/face-record-push.md#freshness
    //= type=test
    //# A push that is ahead of either clock MUST be reported as ahead of time under `Worst`.
    assert_eq!(
        judged(AgeBasis::Worst, 0, Some(60_000)),
        Freshness::Future(secs(60))
    );
    assert_eq!(
        judged(AgeBasis::DeviceHeader, 20_000, None),
        Freshness::Late(secs(20))
    );
}

proptest! {
    #[test]
    fn no_wrong_clock_makes_an_old_record_live(
        age in -100_000_i64..100_000,
        sent in proptest::option::of(-100_000_i64..100_000),
    ) {
        // Terminals tell whole seconds.
        let age = age / 1_000 * 1_000;
        let worst = judged(AgeBasis::Worst, age, sent);
        let ours = judged(AgeBasis::ReceiverClock, age, sent);
        let theirs = judged(AgeBasis::DeviceHeader, age, sent);
        if worst == Freshness::Live {
            prop_assert_eq!((ours, theirs), (Freshness::Live, Freshness::Live));
        }
    }
}

#[test]
fn freshness_is_judged_when_the_push_came() {
    let mut rig = Rig::new(config());
    rig.send(push("A", 1));
    rig.pass(secs(60));
    rig.stored(1);
    //= docs/spec/face-record-push.md#freshness
    //= type=test
    //# Freshness MUST be judged once, when the push came.
    assert_eq!(rig.freshness(), [Freshness::Live]);
    //= docs/spec/face-record-push.md#freshness
    //= type=test
    //# Only a pushed record that counts as live MUST be actionable.
    assert!(rig.kept()[0].is_actionable());
}

#[test]
//= docs/spec/face-record-push.md#reply
//# The receiver MUST NOT reply `pass` true to a record that is not live.
fn a_reply_says_yes_at_the_door_only_for_a_live_record_that_the_terminal_let_in() {
    let told = |legacy: LegacyPass, age: i64, pass: bool, wait: Duration| {
        let mut config = config();
        config.legacy_pass = legacy;
        let mut rig = Rig::new(config);
        let json = body_at("A", 1, START - age);
        let json = json.replace("\"pass\":true", &format!("\"pass\":{pass}"));
        let first = rig.send(decode(&json));
        rig.pass(wait);
        rig.stored(1);
        let again = rig.send(decode(&json));
        let mut said = Vec::new();
        for id in [first, again] {
            let mut text = Vec::new();
            codec::encode_reply(&rig.replies(id)[0], &mut text);
            let text = String::from_utf8(text).unwrap();
            said.push(match () {
                () if text.contains("\"pass\":true") => Some(true),
                () if text.contains("\"pass\":false") => Some(false),
                () => None,
            });
        }
        said
    };
    let now = Duration::ZERO;
    assert_eq!(told(LegacyPass::Omit, 0, true, now), [None, None]);
    assert_eq!(told(LegacyPass::Deny, 0, true, now), [Some(false); 2]);
    assert_eq!(told(LegacyPass::Echo, 0, true, now), [Some(true); 2]);
    assert_eq!(told(LegacyPass::Echo, 0, false, now), [Some(false); 2]);
    assert_eq!(told(LegacyPass::Echo, 11_000, true, now), [Some(false); 2]);
    assert_eq!(told(LegacyPass::Echo, -6_000, true, now), [Some(false); 2]);
    // The store took a while.
    assert_eq!(
        told(LegacyPass::Echo, 5_000, true, secs(6)),
        [Some(false); 2]
    );
}
