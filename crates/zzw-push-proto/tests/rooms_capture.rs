//! Cameras and those who look (R-1, Z-40).

mod rooms_kit;

use rooms_kit::*;
use zzw_push_proto::rooms::*;

const CAMERA: &str = "/capture-1-2-3/0";
const VIEWER: &str = "/capture-1-2-3/1";

#[test]
fn every_viewer_sees_a_picture_and_the_camera_does_not() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER, VIEWER, "/capture-1-2-4/1"]);
    relay.says(1, picture("a"));
    assert_eq!(relay.heard(), ["2<#a", "3<#a"]);
}

#[test]
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
fn a_viewer_whom_the_driver_calls_slow_waits_until_it_is_drained() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER]);
    relay.input(Input::Slow(LinkId(2)));
    relay.says(1, picture("a"));
    assert!(relay.heard().is_empty());
    relay.drained(2);
    assert_eq!(relay.heard(), ["2<#a"]);
}

#[test]
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
fn a_second_camera_replaces_the_first() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER]);
    relay.join(3, CAMERA);
    assert_eq!(relay.heard(), ["1!4001"]);
    relay.says(1, picture("old"));
    relay.says(3, picture("new"));
    assert_eq!(relay.heard(), ["2<#new"]);
}

#[test]
fn text_of_a_viewer_goes_to_the_camera_only() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER, VIEWER]);
    relay.says(2, text("left"));
    relay.says(3, text("right"));
    relay.says(3, picture("nonsense"));
    assert_eq!(relay.heard(), ["1<left", "1<right"]);
    assert_eq!(relay.rooms.counters().unfit, 1);
}

#[test]
fn text_of_a_viewer_does_not_wait_for_a_camera() {
    let mut relay = Relay::with(Config::new(), &[VIEWER]);
    relay.says(1, text("open"));
    relay.join(2, CAMERA);
    assert!(relay.heard().is_empty());
    assert_eq!(relay.rooms.counters().unheard, 1);
}

#[test]
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
fn a_viewer_who_takes_nothing_for_ten_seconds_is_closed() {
    let mut relay = Relay::with(Config::new(), &[CAMERA, VIEWER, VIEWER]);
    relay.says(1, picture("a"));
    relay.drained(3);
    relay.wait(secs(10));
    assert_eq!(relay.heard(), ["2<#a", "3<#a", "2!1013"]);
}

#[test]
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
fn a_room_with_a_posted_picture_only_ends_with_it() {
    let mut relay = Relay::new(Config::new());
    relay.input(Input::Posted(path(CAMERA), picture("a")));
    assert_eq!(relay.rooms.sizes().one_to_many, 1);
    relay.wait(secs(10));
    assert_eq!(relay.rooms.sizes(), Sizes::default());
    assert_eq!(relay.rooms.poll_timeout(), None);
}

#[test]
fn a_picture_that_is_too_large_closes_its_camera() {
    let mut config = Config::new();
    config.max_picture = 4;
    let mut relay = Relay::with(config, &[CAMERA, VIEWER]);
    relay.says(1, picture("12345"));
    assert_eq!(relay.heard(), ["1!1009"]);
}

#[test]
fn a_camera_has_so_many_viewers_and_no_more() {
    let mut config = Config::new();
    config.max_viewers = 1;
    let mut relay = Relay::with(config, &[VIEWER]);
    relay.join(2, VIEWER);
    relay.join(3, CAMERA);
    assert_eq!(relay.heard(), ["2!1013"]);
    assert_eq!(relay.rooms.sizes().links, 2);
}
