//! Cameras and those who look (R-1, Z-40).

mod rooms_kit;

use rooms_kit::*;
use zzw_push_proto::rooms::*;

const CAMERA: &str = "/capture-1-2-3/0";
const VIEWER: &str = "/capture-1-2-3/1";

#[test]
//= docs/spec/zzw-push-proto.md#capture
//# A picture MUST be sent to every viewer of its room and to nobody else.
fn every_viewer_sees_a_picture_and_the_camera_does_not() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER, VIEWER, "/capture-1-2-4/1"]);
    relay.says(1, picture("a"));
    assert_eq!(relay.heard(), ["2<#a", "3<#a"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#capture
//# A picture for many MUST be held once.
fn all_viewers_share_one_frame() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER, VIEWER]);
    relay.says(1, picture("a"));
    let frames: Vec<_> = relay.drain();
    let [Output::Send(_, one), Output::Send(_, other)] = frames.as_slice() else {
        panic!("{frames:?}");
    };
    assert!(std::sync::Arc::ptr_eq(one, other));
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# Frames that are thrown away MUST be counted and reported with the reason.
//= docs/spec/zzw-push-proto.md#capture
//# A viewer that is busy MUST be sent the latest picture when it is ready, and none in between.
//= docs/spec/zzw-push-proto.md#room
//# A link MUST NOT be handed more than `window` frames and `queue` bytes, or one picture, before it
//# has written them.
fn a_slow_viewer_gets_the_latest_picture_and_is_told_what_it_missed() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER, VIEWER]);
    for shot in ["a", "b", "c", "d"] {
        relay.says(1, picture(shot));
        relay.drained(3);
    }
    assert_eq!(relay.heard(), ["2<#a", "3<#a", "3<#b", "3<#c", "3<#d"]);
    relay.drained(2);
    let outputs = relay.drain();
    assert_eq!(short(&outputs), ["2<#d"]);
    let lost = Event::Lost {
        kind: RoomKind::OneToMany,
        room: "capture-1-2-3".into(),
        link: Some(LinkId(2)),
        frames: 2,
        why: Loss::Missed,
    };
    assert!(outputs.contains(&Output::Event(lost)), "{outputs:?}");
    assert_eq!(relay.rooms.counters().missed, 2);
}

#[test]
//= docs/spec/zzw-push-proto.md#capture
//# A viewer that is busy MUST be sent the latest picture when it is ready, and none in between.
fn a_viewer_whom_the_driver_calls_slow_waits_until_it_is_drained() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER]);
    relay.input(Input::Slow(LinkId(2)));
    relay.says(1, picture("a"));
    assert!(relay.heard().is_empty());
    relay.drained(2);
    assert_eq!(relay.heard(), ["2<#a"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#capture
//# A viewer that comes within `keep_picture` MUST be shown the last picture.
//= docs/spec/zzw-push-proto.md#capture
//# A picture MUST NOT be shown any more once it is `keep_picture` old.
fn a_late_viewer_is_shown_the_last_picture_for_ten_seconds() {
    let mut relay = Relay::with(Config::new(), &[CAMERA]);
    relay.says(1, picture("a"));
    relay.wait(std::time::Duration::from_millis(9_999));
    relay.join(2, VIEWER);
    assert_eq!(relay.heard(), ["2<#a"]);
    relay.wait(std::time::Duration::from_millis(1));
    relay.join(3, VIEWER);
    assert!(relay.heard().is_empty());
    assert_eq!(relay.rooms.held_bytes(), 0);
}

#[test]
//= docs/spec/zzw-push-proto.md#capture
//# A second camera MUST replace the first, which is closed with 4001.
fn a_second_camera_replaces_the_first() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER]);
    relay.join(3, CAMERA);
    assert_eq!(relay.heard(), ["1!4001"]);
    relay.says(1, picture("old"));
    relay.says(3, picture("new"));
    assert_eq!(relay.heard(), ["2<#new"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#capture
//# Text of a viewer MUST go to the camera only, or be dropped if there is none.
//= docs/spec/zzw-push-proto.md#capture
//# Binary frames of a viewer MUST be dropped.
fn text_of_a_viewer_goes_to_the_camera_only() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER, VIEWER]);
    relay.says(2, text("left"));
    relay.says(3, text("right"));
    relay.says(3, picture("nonsense"));
    assert_eq!(relay.heard(), ["1<left", "1<right"]);
    assert_eq!(relay.rooms.counters().unfit, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#capture
//# Text of a viewer MUST go to the camera only, or be dropped if there is none.
fn text_of_a_viewer_does_not_wait_for_a_camera() {
    let mut relay = Relay::with(Config::new(), &[VIEWER]);
    relay.says(1, text("open"));
    relay.join(2, CAMERA);
    assert!(relay.heard().is_empty());
    assert_eq!(relay.rooms.counters().unheard, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#capture
//# Viewers MUST NOT be able to drive their camera out.
fn viewers_cannot_drive_a_camera_out() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER]);
    for _ in 0..10_000 {
        relay.says(2, text("0123456789"));
    }
    let outputs = relay.drain();
    assert_eq!(short(&outputs).len(), 16);
    assert!(relay.rooms.counters().overflowed > 8_000);
    assert!(relay.rooms.held_bytes() <= 64 << 10);
    relay.drained(1);
    assert_eq!(relay.heard().len(), 16);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# A link that takes nothing for `stall_timeout` while there is something for it MUST be closed
//# with 1013.
fn a_viewer_who_takes_nothing_for_ten_seconds_is_closed() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER, VIEWER]);
    relay.says(1, picture("a"));
    relay.drained(3);
    relay.wait(secs(10));
    assert_eq!(relay.heard(), ["2<#a", "3<#a", "2!1013"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#capture
//# The body of a POST MUST be taken for a picture where the path is a camera's, and for nothing
//# elsewhere.
fn a_posted_picture_is_published() {
    let mut relay = Relay::with(Config::new(), &[VIEWER]);
    relay.input(Input::Posted(path(CAMERA), picture("a")));
    assert_eq!(relay.heard(), ["1<#a"]);
    for target in [VIEWER, "/1203/0/ios", "/lobby/0"] {
        relay.input(Input::Posted(path(target), picture("b")));
        assert!(relay.heard().is_empty(), "{target}");
    }
    assert_eq!(relay.rooms.counters().unfit, 3);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# A room MUST end with its last link, or with its last picture if that is later.
fn a_room_with_a_posted_picture_only_ends_with_it() {
    let mut relay = Relay::new(Config::new());
    relay.input(Input::Posted(path(CAMERA), picture("a")));
    assert_eq!(relay.rooms.sizes().one_to_many, 1);
    relay.wait(secs(10));
    assert_eq!(relay.rooms.sizes(), Sizes::default());
    assert_eq!(relay.rooms.poll_timeout(), None);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# A link that sends a frame beyond the limit MUST be closed with 1009.
fn a_picture_that_is_too_large_closes_its_camera() {
    let mut config = Config::new();
    config.max_picture = 4;
    let mut relay = Relay::with(config, &[CAMERA, VIEWER]);
    relay.says(1, picture("12345"));
    assert_eq!(relay.heard(), ["1!1009"]);
}

#[test]
//= docs/spec/zzw-push-proto.md#room
//# Links, rooms, viewers of a camera and links in a room of many MUST NOT exceed their limits, and
//# whoever comes beyond be closed with 1013.
fn a_camera_has_so_many_viewers_and_no_more() {
    let mut config = Config::new();
    config.max_viewers = 1;
    let mut relay = Relay::with(config, &[VIEWER]);
    relay.join(2, VIEWER);
    relay.join(3, CAMERA);
    assert_eq!(relay.heard(), ["2!1013"]);
    assert_eq!(relay.rooms.sizes().links, 2);
}
