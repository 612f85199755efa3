//! Paths to relay rooms.

use proptest::prelude::*;
use zzw_push_proto::rooms::{DeviceKind, PathError, Role, RoomKind, RoomPath};

fn parsed(target: &str) -> RoomPath {
    RoomPath::parse(target).unwrap()
}

#[test]
//= docs/spec/zzw-push-proto.md#room-path
//# A path MUST lead to a room of pictures if its name begins with `capture-`, to a call if it has a
//# device, and else to a room of many.
fn a_capture_path_tells_the_place_and_the_side() {
    let path = parsed("/capture-1001-8-2/0");
    assert_eq!(path.kind(), RoomKind::OneToMany);
    assert_eq!(path.role(), Some(Role::Zero));
    assert_eq!(*path.room(), "capture-1001-8-2");
    let place = path.place().unwrap();
    assert_eq!(
        (place.community, place.building, place.unit),
        ("1001", "8", "2")
    );
    assert!(path.takes_posts());
    assert!(!parsed("/capture-1001-8-2/1").takes_posts());
}

#[test]
//= docs/spec/zzw-push-proto.md#room-path
//# A path MUST lead to a room of pictures if its name begins with `capture-`, to a call if it has a
//# device, and else to a room of many.
//= docs/spec/zzw-push-proto.md#room-path
//# A device that no document names MUST be kept as it came, up to 32 bytes.
fn a_call_path_tells_room_side_and_device() {
    let path = parsed("http://call.example.com/1203/1/ios");
    assert_eq!(path.kind(), RoomKind::OneToOne);
    assert_eq!(*path.room(), "1203");
    assert_eq!(path.role(), Some(Role::One));
    assert_eq!(path.device(), Some(&DeviceKind::Ios));
    assert_eq!(path.place(), None);
    assert!(!path.takes_posts());
    let path = parsed("/1203/0/harmony");
    assert_eq!(path.device().map(DeviceKind::as_str), Some("harmony"));
}

#[test]
//= docs/spec/zzw-push-proto.md#room-path
//# A path MUST lead to a room of pictures if its name begins with `capture-`, to a call if it has a
//# device, and else to a room of many.
fn whatever_tells_neither_pictures_nor_a_device_is_a_room_of_many() {
    for (target, role) in [
        ("/lobby", None),
        ("/lobby/", None),
        ("/lobby/1?token=x", Some(Role::One)),
    ] {
        let path = parsed(target);
        assert_eq!(
            (path.kind(), path.role()),
            (RoomKind::ManyToMany, role),
            "{target}"
        );
    }
}

#[test]
fn a_chinese_name_survives_encoded_and_raw() {
    let built = RoomPath::capture("李村", "3栋", "2单元", Role::One).unwrap();
    assert_eq!(parsed("/capture-李村-3栋-2单元/1"), built);
    assert_eq!(parsed(&built.to_string()), built);
    assert!(built.to_string().is_ascii());
    assert_eq!(built.place().unwrap().community, "李村");
}

#[test]
//= docs/spec/zzw-push-proto.md#room-path
//# A path MUST be percent-decoded exactly once, strictly and as UTF-8.
fn a_path_is_decoded_once() {
    let path = parsed("/a%2541/0/android");
    assert_eq!(*path.room(), "a%41");
    assert_eq!(path.to_string(), "/a%2541/0/android");
    assert_eq!(*parsed("/a+b").room(), "a+b");
}

#[test]
//= docs/spec/zzw-push-proto.md#room-path
//# A path MUST be percent-decoded exactly once, strictly and as UTF-8.
//= docs/spec/zzw-push-proto.md#room-path
//# A path that begins with `capture-` MUST be refused unless exactly three parts without dashes and
//# a side follow.
//= docs/spec/zzw-push-proto.md#room-path
//# The name of a room MUST have 1 to 128 bytes without a slash and control characters and not be a
//# step in a path.
//= docs/spec/zzw-push-proto.md#room-path
//# A device that no document names MUST be kept as it came, up to 32 bytes.
//= docs/spec/zzw-push-proto.md#room-path
//# A path of more than 4096 bytes MUST be refused.
fn what_leads_to_no_room_is_refused() {
    let long = format!("/{}", "a".repeat(129));
    let longer = format!("/a?{}", "a".repeat(RoomPath::MAX_TARGET));
    let device = format!("/a/0/{}", "d".repeat(33));
    for (target, error) in [
        ("", PathError::Shape),
        ("room/0", PathError::Shape),
        ("*", PathError::Shape),
        ("ws://host", PathError::Shape),
        ("/a/0/ios/x", PathError::Shape),
        ("/", PathError::Room),
        ("//0/ios", PathError::Room),
        ("/../0/ios", PathError::Room),
        ("/%2e/0/ios", PathError::Room),
        ("/a%2Fb/0/ios", PathError::Room),
        ("/a%0Ab/0/ios", PathError::Room),
        ("/a%00", PathError::Room),
        (&long, PathError::Room),
        ("/%zz", PathError::Escape),
        ("/%ff", PathError::Escape),
        ("/%E6%9D", PathError::Escape),
        ("/a/2", PathError::Role),
        ("/a/00/ios", PathError::Role),
        ("/a/0//", PathError::Device),
        (&device, PathError::Device),
        ("/capture-1-2/0", PathError::Capture),
        ("/capture-1-2-3-4/0", PathError::Capture),
        ("/capture--2-3/0", PathError::Capture),
        ("/capture-1-2-3", PathError::Capture),
        ("/capture-/0/ios", PathError::Capture),
        (&longer, PathError::TooLong { max: 4096 }),
    ] {
        assert_eq!(RoomPath::parse(target), Err(error), "{target}");
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#room-path
//# A path that is built MUST be read back as what it was built from.
fn nothing_is_built_that_would_be_read_as_something_else() {
    let call = RoomPath::call("capture-1-2-3", Role::Zero, DeviceKind::Ios);
    assert_eq!(call, Err(PathError::Capture));
    let group = RoomPath::group("capture-1-2-3", Some(Role::Zero));
    assert_eq!(group, Err(PathError::Capture));
    let capture = RoomPath::capture("a-b", "1", "1", Role::Zero);
    assert_eq!(capture, Err(PathError::Capture));
    let call = RoomPath::call("1", Role::Zero, DeviceKind::Other("ios".into())).unwrap();
    assert_eq!(call.device(), Some(&DeviceKind::Ios));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{1,12}",
        "[小区一二三栋A-Z %+?#&.]{1,10}",
        "\\PC{1,12}"
    ]
}

proptest! {
    #[test]
    //= docs/spec/zzw-push-proto.md#room-path
    //# A path that is built MUST be read back as what it was built from.
    fn what_is_built_is_read_back(
        name in name(),
        role in proptest::option::of(any::<bool>()),
        device in proptest::option::of("[a-z]{1,8}|android|ios|安卓"),
    ) {
        let role = role.map(|one| if one { Role::One } else { Role::Zero });
        let path = match (role, &device) {
            (Some(role), Some(device)) => RoomPath::call(name.as_str(), role, device.as_str()),
            _ => RoomPath::group(name.as_str(), role),
        };
        let parts: Vec<&str> = name.split('-').collect();
        let capture = match parts.as_slice() {
            [a, b, c] => RoomPath::capture(a, b, c, Role::One),
            _ => Err(PathError::Capture),
        };
        for path in [path, capture].into_iter().flatten() {
            let text = path.to_string();
            prop_assert!(text.is_ascii());
            prop_assert_eq!(RoomPath::parse(&text), Ok(path.clone()));
            prop_assert_eq!(RoomPath::parse(&format!("wss://host:9000{text}?token=1")), Ok(path));
        }
    }

    #[test]
    fn what_is_read_is_written_so_that_it_is_read_the_same(target in "/[capture%0-9a-fA-F/李-]{0,40}") {
        if let Ok(path) = RoomPath::parse(&target) {
            prop_assert_eq!(RoomPath::parse(&path.to_string()), Ok(path));
        }
    }
}
