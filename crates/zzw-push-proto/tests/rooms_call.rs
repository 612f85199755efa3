//! Intercom calls and rooms of many.

mod rooms_kit;

use rooms_kit::*;
use zzw_push_proto::rooms::*;

const CALLER: &str = "/1203/0/android";
const CALLEE: &str = "/1203/1/ios";

fn group() -> Config {
    let mut config = Config::new();
    config.many_to_many = true;
    config
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# A frame MUST be passed on as it came, text as text and binary as binary, without being looked
//# at.
//= docs/spec/zzw-push-proto.md#room
//# A frame MUST NOT be heard on the side that it was said on.
fn each_side_hears_the_other_in_order_and_not_itself() {
    let mut relay = Relay::with(Config::new(), &[CALLER, CALLEE]);
    relay.says(1, text("a"));
    relay.says(2, picture("b"));
    relay.says(1, text("c"));
    assert_eq!(relay.heard(), ["2<a", "1<#b", "2<c"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# Frames of one link MUST be heard in their order.
fn a_short_frame_does_not_overtake_a_long_one() {
    let mut relay = Relay::with(Config::new(), &[CALLER, CALLEE]);
    let long = "x".repeat(40 << 10);
    for frame in [&long, &long, "short"] {
        relay.says(1, text(frame));
    }
    assert_eq!(relay.heard().len(), 1);
    relay.drained(2);
    let heard = relay.heard();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard.last().unwrap(), "2<short");
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# A link MUST NOT be handed more than `window` frames and `queue` bytes, or one picture, before it
//# has written them.
fn no_more_than_a_window_of_frames_is_with_the_driver() {
    let mut relay = Relay::with(Config::new(), &[CALLER, CALLEE]);
    for _ in 0..20 {
        relay.says(1, text("a"));
    }
    assert_eq!(relay.heard().len(), 16);
    relay.drained(2);
    assert_eq!(relay.heard().len(), 4);
}

#[test]
//= docs/spec/zzw-push-proto.md#call
//# What is said before the other side is there MUST wait for it, up to `queue` bytes and
//# `early_wait`.
fn what_is_said_early_waits_for_the_other_side() {
    let mut relay = Relay::with(Config::new(), &[CALLER]);
    relay.says(1, text("a"));
    relay.wait(secs(9));
    relay.says(1, text("b"));
    relay.join(2, CALLEE);
    relay.says(1, text("c"));
    assert_eq!(relay.heard(), ["2<a", "2<b", "2<c"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# Frames that are thrown away MUST be counted and reported with the reason.
//= docs/spec/zzw-push-proto.md#call
//# What is said before the other side is there MUST wait for it, up to `queue` bytes and
//# `early_wait`.
fn what_is_said_early_waits_for_ten_seconds() {
    let mut relay = Relay::with(Config::new(), &[CALLER]);
    relay.says(1, text("a"));
    relay.wait(secs(5));
    relay.says(1, text("b"));
    relay.wait(secs(5));
    relay.join(2, CALLEE);
    assert_eq!(relay.heard(), ["2<b"]);
    assert_eq!(relay.rooms.counters().expired, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#call
//# When more waits than may, whoever does not listen MUST be closed with 1013, or whoever talks if
//# nobody is there.
fn whoever_talks_too_much_to_nobody_is_closed() {
    let mut relay = Relay::with(Config::new(), &[CALLER]);
    let kilobytes = "x".repeat(1 << 10);
    for _ in 0..64 {
        relay.says(1, text(&kilobytes));
    }
    assert!(relay.heard().is_empty());
    assert_eq!(relay.rooms.held_bytes(), 64 << 10);
    relay.says(1, text(""));
    assert_eq!(relay.heard(), ["1!1013"]);
    assert_eq!(relay.rooms.held_bytes(), 0);
    assert_eq!(relay.rooms.counters().overflowed, 65);
}

#[test]
//= docs/spec/zzw-push-proto.md#call
//# When more waits than may, whoever does not listen MUST be closed with 1013, or whoever talks if
//# nobody is there.
fn whoever_does_not_listen_is_closed_and_the_other_may_wait_for_him() {
    let mut relay = Relay::with(Config::new(), &[CALLER, CALLEE]);
    let kilobytes = "x".repeat(8 << 10);
    for _ in 0..17 {
        relay.says(1, text(&kilobytes));
    }
    let heard = relay.heard();
    assert_eq!(heard.len(), 9);
    assert_eq!(heard.last().unwrap(), "2!1013");
    relay.join(3, CALLEE);
    relay.says(1, text("a"));
    assert_eq!(relay.heard(), ["3<a"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# A link that takes nothing for `stall_timeout` while there is something for it MUST be closed
//# with 1013.
fn whoever_takes_nothing_is_closed_after_ten_seconds() {
    let mut relay = Relay::with(Config::new(), &[CALLER, CALLEE]);
    relay.input(Input::Slow(LinkId(2)));
    relay.says(1, text("a"));
    relay.wait(secs(10));
    assert_eq!(relay.heard(), ["2!1013"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#call
//# A call MUST have one link on each side at most, the newest, and what it replaces be closed with
//# 4001.
fn a_newcomer_takes_the_seat_and_what_waits_for_it() {
    let mut relay = Relay::with(Config::new(), &[CALLER, CALLEE]);
    relay.input(Input::Slow(LinkId(2)));
    relay.says(1, text("a"));
    relay.join(3, CALLEE);
    relay.says(2, text("late"));
    relay.says(3, text("b"));
    assert_eq!(relay.heard(), ["2!4001", "3<a", "1<b"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#call
//# A call MUST have one link on each side at most, the newest, and what it replaces be closed with
//# 4001.
fn two_callers_are_one_call_with_the_second() {
    let mut relay = Relay::with(Config::new(), &[CALLER, CALLER]);
    relay.says(2, text("a"));
    relay.join(3, CALLEE);
    assert_eq!(relay.heard(), ["3<a"]);
    assert_eq!(relay.rooms.sizes().links, 2);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# A room MUST end with its last link, or with its last picture if that is later.
//= docs/spec/zzw-push-proto.md#call
//# Whoever is left alone for `rejoin_wait` MUST be closed with 1000.
fn whoever_is_left_alone_is_closed_unless_the_other_comes_back() {
    let mut relay = Relay::with(Config::new(), &[CALLER, CALLEE]);
    relay.gone(2);
    relay.wait(secs(4));
    relay.says(1, text("a"));
    relay.join(3, CALLEE);
    relay.wait(secs(10));
    assert_eq!(relay.heard(), ["3<a"]);
    relay.gone(1);
    relay.wait(secs(5));
    assert_eq!(relay.heard(), ["3!1000"]);
    assert_eq!(relay.rooms.sizes(), Sizes::default());
    assert_eq!(relay.rooms.poll_timeout(), None);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# Frames that are thrown away MUST be counted and reported with the reason.
//= docs/spec/zzw-push-proto.md#call
//# A call MUST NOT hear anything that was said in an earlier one.
fn the_next_call_does_not_hear_the_last_one() {
    let mut relay = Relay::with(Config::new(), &[CALLER]);
    relay.says(1, text("secret"));
    relay.gone(1);
    relay.join(2, CALLER);
    relay.join(3, CALLEE);
    assert!(relay.heard().is_empty());
    assert_eq!(relay.rooms.counters().left_behind, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#call
//# A call without a frame for `idle_timeout` MUST be closed with 1000, and so a call beyond
//# `max_call` where that is set.
fn a_call_in_which_nobody_speaks_for_90_seconds_is_over() {
    let mut relay = Relay::with(Config::new(), &[CALLER, CALLEE]);
    relay.wait(secs(60));
    relay.says(1, text("a"));
    relay.wait(secs(89));
    assert_eq!(relay.heard(), ["2<a"]);
    relay.wait(secs(1));
    assert_eq!(relay.heard(), ["1!1000", "2!1000"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#call
//# A call without a frame for `idle_timeout` MUST be closed with 1000, and so a call beyond
//# `max_call` where that is set.
fn a_call_may_have_a_longest_time() {
    let mut config = Config::new();
    config.max_call = Some(secs(120));
    let mut relay = Relay::with(config, &[CALLER]);
    relay.wait(secs(60));
    relay.join(2, CALLEE);
    for _ in 0..12 {
        relay.wait(secs(9));
        relay.says(1, text(""));
        relay.drained(2);
    }
    relay.drain();
    relay.wait(secs(12));
    assert_eq!(relay.heard(), ["1!1000", "2!1000"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#room-path
//# Rooms of one name and of different kinds MUST NOT meet.
fn calls_of_other_names_and_other_kinds_of_rooms_are_apart() {
    let targets = [CALLER, "/1204/1/ios", "/1203/1", CALLEE];
    let mut relay = Relay::with(group(), &targets);
    relay.says(1, text("a"));
    assert_eq!(relay.heard(), ["4<a"]);
    let sizes = relay.rooms.sizes();
    assert_eq!((sizes.one_to_one, sizes.many_to_many), (2, 1));
}

#[test]
//= docs/spec/zzw-push-proto.md#room-of-many
//# A room of many MUST be refused with 1008 unless it is switched on.
fn a_room_of_many_is_refused_unless_it_is_switched_on() {
    let mut relay = Relay::new(Config::new());
    relay.join(1, "/lobby");
    assert_eq!(relay.heard(), ["1!1008"]);
    assert_eq!(relay.rooms.counters().refused, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# A frame MUST NOT be heard on the side that it was said on.
//= docs/spec/zzw-push-proto.md#room-of-many
//# A frame in a room of many MUST be heard by everybody but its sender and those on its sender's
//# side.
fn in_a_room_of_many_all_hear_but_those_on_the_side_of_the_speaker() {
    let targets = ["/lobby", "/lobby", "/lobby/0", "/lobby/0", "/lobby/1"];
    let mut relay = Relay::with(group(), &targets);
    relay.says(1, text("a"));
    assert_eq!(relay.heard(), ["2<a", "3<a", "4<a", "5<a"]);
    relay.says(3, text("b"));
    assert_eq!(relay.heard(), ["1<b", "2<b", "5<b"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#room-of-many
//# A link of a room of many that does not listen MUST be closed with 1013, and the others go on.
fn in_a_room_of_many_the_one_who_does_not_listen_is_closed() {
    let mut relay = Relay::with(group(), &["/lobby", "/lobby", "/lobby"]);
    let kilobytes = "x".repeat(8 << 10);
    for _ in 0..17 {
        relay.says(1, text(&kilobytes));
        relay.drained(3);
    }
    assert_eq!(relay.heard().last().unwrap(), "2!1013");
    relay.says(3, text("a"));
    assert_eq!(relay.heard(), ["1<a"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# Links, rooms, viewers of a camera and links in a room of many MUST NOT exceed their limits, and
//# whoever comes beyond be closed with 1013.
fn there_are_so_many_rooms_links_and_members_and_no_more() {
    let mut config = group();
    (config.max_rooms, config.max_members, config.max_links) = (2, 2, 4);
    let mut relay = Relay::with(config, &["/a", "/a", "/b"]);
    relay.join(4, "/a");
    relay.join(5, "/c");
    relay.join(6, "/b");
    relay.join(7, "/b");
    assert_eq!(relay.heard(), ["4!1013", "5!1013", "7!1013"]);
    let refused: Vec<Event> = {
        relay.join(8, "/b");
        relay.events()
    };
    assert_eq!(refused, [Event::Refused(LinkId(8), Refusal::Links)]);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# What waits in all rooms together MUST NOT exceed `max_held` bytes.
fn all_rooms_together_hold_so_much_and_no_more() {
    let mut config = Config::new();
    config.max_held = 100;
    let mut relay = Relay::with(config, &["/1/0/ios", "/2/0/ios"]);
    relay.says(1, text("a"));
    relay.says(2, text("a"));
    assert_eq!(relay.heard(), ["2!1013"]);
    assert_eq!(relay.rooms.held_bytes(), 64);
}

#[test]
fn a_room_that_has_another_home_is_closed_and_only_that() {
    let targets = [
        "/1203/0/android",
        "/1203/1/ios",
        "/1204/0/android",
        "/capture-7-3-2/0",
        "/capture-7-3-2/1",
    ];
    let mut relay = Relay::with(Config::new(), &targets);
    let rooms: Vec<_> = relay.rooms.rooms().map(|(kind, _)| kind).collect();
    assert_eq!(rooms.len(), 3);
    let now = relay.now;
    relay
        .rooms
        .move_out(now, RoomKind::OneToOne, &"1203".into());
    let outputs = relay.drain();
    assert_eq!(short(&outputs), ["1!1001", "2!1001"]);
    let moved = |output: &&Output| {
        let left = Event::Left(LinkId(1), Departure::Moved);
        **output == Output::Event(left)
    };
    assert_eq!(outputs.iter().filter(moved).count(), 1);
    relay
        .rooms
        .move_out(now, RoomKind::OneToMany, &"capture-7-3-2".into());
    assert_eq!(relay.heard(), ["4!1001", "5!1001"]);
    assert_eq!(relay.rooms.sizes().links, 1);
    // None of that name and kind.
    relay
        .rooms
        .move_out(now, RoomKind::OneToMany, &"1204".into());
    assert!(relay.heard().is_empty());
}
