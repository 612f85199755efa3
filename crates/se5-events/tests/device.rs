//! The box towards its subscribers: the link table, and who is sent what.

mod device_kit;

use device_kit::{DOOR, GATE, Rig, face};
use se5_events::device::{
    Config, EmptyList, Event, Fault, Input, LinkId, Output, Peer, PingAnswer, Reason, Reboot,
    SpotFollows,
};
use se5_events::{
    DeviceInfo, Dialect, FaceEvent, FromBox, Refused, Subscription, ToBox, UnixMillis,
};
use std::sync::Arc;

fn rig() -> Rig {
    Rig::new(Config::new(7))
}

fn garbage() -> se5_events::EventError {
    Subscription::decode("need_face".into(), &se5_events::Limits::default()).unwrap_err()
}

fn is_hung_up(outputs: &[Output], link: u64) -> bool {
    outputs.contains(&Output::Disconnect(LinkId(link)))
}

#[test]
fn a_connection_is_announced_and_sent_nothing() {
    let mut rig = rig();
    rig.connect(1);
    let joined = Event::Joined(LinkId(1), Peer("192.0.2.1:40000".into()));
    assert_eq!(rig.drain(), [Output::Event(joined)]);
    //= docs/spec/se5-events.md#box
    //= type=test
    //# The box MUST NOT send anything on a connection before it has received a valid subscription on it.
    rig.see(GATE);
    assert_eq!(rig.drain(), []);
    assert_eq!(rig.device.poll_timeout(), None);
}

#[test]
fn one_connection_too_many_is_hung_up_on() {
    let mut config = Config::new(7);
    config.max_links = 2;
    let mut rig = Rig::new(config);
    (1..=2).for_each(|link| rig.join(link));
    rig.drain();
    rig.connect(3);
    //= docs/spec/se5-events.md#box
    //= type=test
    //# The box MUST hang up on a connection beyond `max_links`.
    let refused = Event::Refused(Peer("192.0.2.3:40000".into()));
    let outputs = rig.drain();
    assert_eq!(
        outputs,
        [Output::Event(refused), Output::Disconnect(LinkId(3))]
    );
    rig.input(Input::Disconnected(LinkId(1)));
    rig.drain();
    rig.connect(4);
    assert!(matches!(&rig.events()[..], [Event::Joined(LinkId(4), _)]));
}

#[test]
fn a_subscription_is_confirmed_to_the_application_only() {
    let mut rig = rig();
    rig.connect(1);
    rig.drain();
    rig.subscribe(1, Subscription::new([GATE, DOOR]));
    assert_eq!(
        rig.drain(),
        [Output::Event(Event::Subscribed(LinkId(1), 2))]
    );
}

#[test]
fn a_garbled_subscription_is_counted_and_ignored() {
    let mut rig = rig();
    rig.connect(1);
    rig.drain();
    //= docs/spec/se5-events.md#box
    //= type=test
    //# The box MUST ignore a garbled subscription and count it.
    (0..9).for_each(|_| rig.input(Input::Garbled(LinkId(1), garbage())));
    assert_eq!(rig.drain().len(), 9);
    assert_eq!(rig.device.counters().garbled, 9);
    rig.see(GATE);
    assert_eq!(rig.sent().len(), 0);
    rig.subscribe(1, Subscription::new([GATE]));
    rig.see(GATE);
    assert_eq!(rig.sent().len(), 1);
}

#[test]
fn garbage_ends_a_link_only_where_configured() {
    let mut config = Config::new(7);
    config.refuse_after = Some(2);
    let mut rig = Rig::new(config);
    rig.join(1);
    rig.input(Input::Garbled(LinkId(1), garbage()));
    assert!(!is_hung_up(&rig.drain(), 1));
    rig.input(Input::Garbled(LinkId(1), garbage()));
    assert!(is_hung_up(&rig.drain(), 1));
    assert_eq!(rig.device.links().count(), 0);
}

#[test]
fn a_later_subscription_replaces_the_whole_earlier_one() {
    let mut rig = rig();
    rig.connect(1);
    rig.subscribe(1, Subscription::new([GATE]).with_faces(true));
    //= docs/spec/se5-events.md#subscription
    //= type=test
    //# The box MUST replace the whole subscription of a connection by a later one on the same connection.
    rig.subscribe(1, Subscription::new([DOOR]));
    rig.drain();
    rig.see(GATE);
    rig.see(DOOR);
    let sent = rig.sent();
    assert_eq!(sent.len(), 1);
    let event = face(&sent[0].1);
    assert_eq!(event.device_id().as_deref(), Some(DOOR));
    assert!(!event.face_picture().is_some());
}

#[test]
fn an_event_goes_to_those_who_named_its_device() {
    let mut rig = rig();
    //= docs/spec/se5-events.md#box
    //= type=test
    //# The box MUST send an event only to the subscribers that named its device.
    let lists: [&[&str]; 4] = [&[GATE], &[DOOR], &[DOOR, GATE], &[]];
    for (link, devices) in (1..).zip(lists) {
        rig.connect(link);
        rig.subscribe(link, Subscription::new(devices.iter().copied()));
    }
    rig.drain();
    rig.see(GATE);
    let links: Vec<u64> = rig.sent().iter().map(|(link, ..)| *link).collect();
    assert_eq!(links, [1, 3]);
}

#[test]
fn an_empty_list_is_nothing_or_everything_as_configured() {
    for (empty_list, sent) in [(EmptyList::None, 0), (EmptyList::All, 2)] {
        let mut config = Config::new(7);
        config.empty_list = empty_list;
        let mut rig = Rig::new(config);
        rig.connect(1);
        rig.subscribe(1, Subscription::default());
        rig.see(GATE);
        rig.see(DOOR);
        assert_eq!(rig.sent().len(), sent);
    }
}

/// Which of face, scene and registered picture a subscriber with these flags is sent.
fn pictures(config: Config, faces: bool, registered: bool) -> [bool; 3] {
    let mut rig = Rig::new(config);
    rig.connect(1);
    let wanted = Subscription::new([GATE]).with_faces(faces);
    rig.subscribe(1, wanted.with_registered(registered));
    let seen = rig.see(GATE);
    let event = face(&rig.sent()[0].1);
    let pictures = [
        (event.face_picture(), seen.face),
        (event.scene_picture(), seen.scene),
        (event.registered_picture(), seen.registered),
    ];
    pictures.map(|(sent, taken)| match sent.inline() {
        Some(image) => {
            assert_eq!(image.jpeg().unwrap(), taken.unwrap());
            true
        }
        None => false,
    })
}

#[test]
fn pictures_are_sent_exactly_as_asked() {
    //= docs/spec/se5-events.md#box
    //= type=test
    //# The box MUST send each picture exactly if the subscription asks for it.
    for (faces, registered) in [(false, false), (false, true), (true, false), (true, true)] {
        let sent = pictures(Config::new(7), faces, registered);
        assert_eq!(sent, [faces, faces, registered]);
        let mut config = Config::new(7);
        config.dialect = Dialect::V2;
        // Dialect 2 has no place for the scene.
        let sent = pictures(config, faces, registered);
        assert_eq!(sent, [faces, false, registered]);
    }
}

#[test]
fn the_scene_follows_the_flag_that_the_configuration_names() {
    for (follows, face_only, registered_only, neither) in [
        (SpotFollows::Face, true, false, false),
        (SpotFollows::Registered, false, true, false),
        (SpotFollows::Always, true, true, true),
    ] {
        let mut config = Config::new(7);
        config.spot_follows = follows;
        let scene = |faces, registered| pictures(config.clone(), faces, registered)[1];
        let sent = [scene(true, false), scene(false, true), scene(false, false)];
        assert_eq!(sent, [face_only, registered_only, neither]);
    }
}

#[test]
fn equal_wishes_share_one_message_and_four_are_enough() {
    let mut rig = rig();
    for link in 0..40 {
        rig.connect(link);
        let wanted = Subscription::new([GATE]).with_faces(link % 2 == 0);
        rig.subscribe(link, wanted.with_registered(link % 4 < 2));
    }
    rig.drain();
    rig.see(GATE);
    let sent = rig.sent();
    assert_eq!(sent.len(), 40);
    //= docs/spec/se5-events.md#box
    //= type=test
    //# The box MUST offer an event to all its subscribers as one shared message for each set of pictures and dialect.
    let mut addresses: Vec<_> = sent
        .iter()
        .map(|(_, message, _)| Arc::as_ptr(message))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 4);
}

#[test]
fn the_vendors_program_finds_its_ids_unless_they_are_turned_off() {
    for script_ids in [true, false] {
        let mut config = Config::new(7);
        config.script_ids = script_ids;
        let mut rig = Rig::new(config);
        rig.join(1);
        rig.see(GATE);
        let event = face(&rig.sent()[0].1);
        //= docs/spec/se5-events.md#events
        //= type=test
        //# The box MUST write `video_id` and `event_id` in dialect 1 unless its configuration turns them off.
        assert_eq!(event.video_id().is_some(), script_ids);
        assert_eq!(event.event_id().is_some(), script_ids);
    }
}

#[test]
fn words_of_the_other_dialect_subscribe_to_nothing() {
    for (own, other) in [(Dialect::V1, Dialect::V2), (Dialect::V2, Dialect::V1)] {
        let mut config = Config::new(7);
        config.dialect = own;
        let mut rig = Rig::new(config);
        rig.connect(1);
        //= docs/spec/se5-events.md#subscription
        //= type=test
        //# The box MUST pass over members of a subscription that it does not know.
        let wanted = ToBox::Subscribe(other, Subscription::new([GATE]));
        rig.input(Input::Received(LinkId(1), wanted));
        assert!(rig.events().contains(&Event::Subscribed(LinkId(1), 0)));
        rig.see(GATE);
        assert_eq!(rig.sent().len(), 0);
    }
}

#[test]
fn a_slow_subscriber_loses_its_oldest_events_and_only_those() {
    let mut config = Config::new(7);
    config.max_queue = 3;
    let mut rig = Rig::new(config);
    rig.join(1);
    rig.join(2);
    rig.input(Input::Slow(LinkId(1)));
    rig.drain();
    (0..5).for_each(|_| drop(rig.see(GATE)));
    let outputs = rig.drain();
    //= docs/spec/se5-events.md#box
    //= type=test
    //# The box MUST drop the oldest message of a slow subscriber when more than `max_queue` wait, and count it.
    let dropped = Output::Event(Event::Dropped(LinkId(1)));
    assert_eq!(
        outputs.iter().filter(|&output| *output == dropped).count(),
        2
    );
    let sent = device_kit::sends(outputs);
    assert_eq!(device_kit::ids(sent, 2).len(), 5);
    assert_eq!(rig.device.links().next().map(|link| link.waiting), Some(3));
    rig.input(Input::Ready(LinkId(1)));
    //= docs/spec/se5-events.md#box
    //= type=test
    //# The box MUST send its messages to one subscriber in the order in which they were emitted unless a fault reorders them.
    assert_eq!(rig.ids(1), ["1607062639.2", "1607062639.3", "1607062639.4"]);
    rig.input(Input::Disconnected(LinkId(1)));
    let left = Event::Left {
        link: LinkId(1),
        sent: 3,
        dropped: 2,
    };
    assert_eq!(rig.events(), [left]);
}

#[test]
fn what_waits_for_a_lost_subscriber_counts_as_dropped() {
    let mut rig = rig();
    rig.join(1);
    rig.see(GATE);
    rig.input(Input::Slow(LinkId(1)));
    rig.see(GATE);
    rig.see(DOOR);
    rig.drain();
    rig.input(Input::Disconnected(LinkId(1)));
    let left = Event::Left {
        link: LinkId(1),
        sent: 1,
        dropped: 1,
    };
    assert_eq!(rig.events(), [left]);
}

#[test]
fn old_and_doubled_news_of_links_means_nothing() {
    let mut rig = rig();
    let link = LinkId(9);
    let news = [
        Input::Received(
            link,
            ToBox::Subscribe(Dialect::V1, Subscription::new([GATE])),
        ),
        Input::Received(link, ToBox::Ping),
        Input::Garbled(link, garbage()),
        Input::Slow(link),
        Input::Ready(link),
        Input::Disconnected(link),
    ];
    for input in news {
        rig.input(input);
        assert_eq!(rig.drain(), []);
    }
    rig.join(9);
    rig.drain();
    rig.connect(9);
    assert_eq!(rig.drain(), []);
    rig.see(GATE);
    assert_eq!(rig.sent().len(), 1, "the doubled news reset the link");
}

#[test]
fn a_ping_is_the_drivers_affair() {
    let mut rig = rig();
    rig.join(1);
    rig.drain();
    rig.input(Input::Received(LinkId(1), ToBox::Ping));
    assert_eq!(rig.drain(), []);
    assert_eq!(rig.device.answers_ping(LinkId(1)), PingAnswer::Answer);
    assert_eq!(rig.device.answers_ping(LinkId(2)), PingAnswer::Ignore);
    assert_eq!(rig.device.counters().pinged, 1);
}

#[test]
fn a_sound_box_never_pings() {
    let mut rig = rig();
    rig.join(1);
    rig.drain();
    //= docs/spec/se5-events.md#liveness
    //= type=test
    //# The box MUST NOT send a ping unless its configuration or a fault says so.
    rig.wait(std::time::Duration::from_secs(86_400));
    assert_eq!(rig.drain(), []);
}

#[test]
fn cut_links_are_gone_and_the_box_goes_on() {
    let mut rig = rig();
    (1..=2).for_each(|link| rig.join(link));
    rig.drain();
    rig.device.cut_links(rig.now);
    let outputs = rig.drain();
    assert!(is_hung_up(&outputs, 1) && is_hung_up(&outputs, 2));
    rig.join(3);
    rig.see(GATE);
    assert_eq!(rig.ids(3).len(), 1);
}

#[test]
fn a_reboot_may_change_the_dialect_and_keeps_the_history() {
    let mut rig = rig();
    rig.join(1);
    rig.see(GATE);
    rig.drain();
    let how = Reboot::default().into_dialect(Dialect::V2);
    rig.device.reboot(rig.now, how);
    let outputs = rig.drain();
    assert!(is_hung_up(&outputs, 1));
    assert_eq!(outputs.last(), Some(&Output::Event(Event::Rebooted)));
    assert_eq!(rig.device.history_len(), 1);
    rig.join(2);
    rig.see(GATE);
    let event = face(&rig.sent()[0].1);
    assert_eq!(event.dialect(), Dialect::V2);
    rig.device
        .reboot(rig.now, Reboot::default().losing_history());
    assert_eq!(rig.device.history_len(), 0);
}

#[test]
fn closing_hangs_up_and_says_so_last() {
    let mut rig = rig();
    rig.join(1);
    rig.fault(Fault::Reorder(8));
    rig.see(GATE);
    rig.drain();
    rig.device.close(rig.now);
    rig.device.close(rig.now);
    let outputs = rig.drain();
    let kinds: Vec<_> = outputs
        .iter()
        .map(|output| match output {
            Output::Send(..) => "send",
            Output::Event(Event::Left { .. }) => "left",
            Output::Disconnect(_) => "disconnect",
            Output::Event(Event::Closed(Reason::Local)) => "closed",
            _ => "other",
        })
        .collect();
    //= docs/spec/se5-events.md#limits
    //= type=test
    //# A machine that is closed MUST report so once, as the last thing it says.
    assert_eq!(kinds, ["send", "left", "disconnect", "closed"]);
    rig.connect(2);
    let refused = rig.device.emit(rig.now, device_kit::sighting(1, GATE));
    assert!(matches!(refused, Err(Refused::Closed(_))));
    assert_eq!((rig.drain().len(), rig.device.poll_timeout()), (0, None));
}

#[test]
fn an_undrained_box_refuses_events_and_gives_them_back() {
    let mut config = Config::new(7);
    config.max_outputs = 10;
    let mut rig = Rig::new(config);
    rig.join(1);
    let sighting = device_kit::sighting(0, GATE);
    let taken = (0..20).filter(|_| rig.device.emit(rig.now, sighting.clone()).is_ok());
    assert_eq!(taken.count(), 8);
    let refused = rig.device.emit(rig.now, sighting.clone());
    assert_eq!(refused, Err(Refused::Full(sighting)));
    rig.drain();
    rig.see(GATE);
    assert_eq!(rig.device.counters().emitted, 9);
}

#[test]
fn devices_are_added_replaced_and_removed_within_the_limit() {
    let mut config = Config::new(7);
    config.max_devices = 2;
    let mut rig = Rig::new(config);
    let now = rig.now;
    assert_eq!(rig.device.add_device(now, DeviceInfo::new(GATE)), Ok(()));
    assert_eq!(rig.device.add_device(now, DeviceInfo::new(DOOR)), Ok(()));
    //= docs/spec/se5-events.md#limits
    //= type=test
    //# The box MUST refuse a device beyond `max_devices`.
    let third = DeviceInfo::new("third");
    let refused = rig.device.add_device(now, third.clone());
    assert_eq!(refused, Err(Refused::Full(third)));
    let renamed = DeviceInfo::new(GATE).with_name("东门");
    assert_eq!(rig.device.add_device(now, renamed), Ok(()));
    let names: Vec<_> = rig
        .device
        .devices()
        .map(|device| device.name.as_deref())
        .collect();
    assert_eq!(names, [Some("东门"), None]);
    assert!(rig.device.remove_device(rig.now, GATE));
    assert!(!rig.device.remove_device(rig.now, GATE));
}

#[test]
fn a_pushed_event_says_what_was_seen() {
    for dialect in [Dialect::V1, Dialect::V2] {
        let mut config = Config::new(7);
        config.dialect = dialect;
        let mut rig = Rig::new(config);
        rig.join(1);
        let seen = rig.see(GATE);
        let sent = rig.sent();
        let FromBox::Face(event) = &*sent[0].1 else {
            panic!("no event");
        };
        let event = FaceEvent::decode(event.json().clone()).unwrap();
        assert_eq!(event.dialect(), dialect);
        assert_eq!(event.identity_name().as_deref(), Some("小明"));
        assert_eq!(event.identity_id().as_deref(), Some(&*seen.identity_id));
        assert_eq!(event.timestamp().map(|time| time.unix), Some(seen.at));
        assert_eq!(
            event.timestamp().map(|time| time.unix),
            Some(UnixMillis(device_kit::START))
        );
        assert_eq!(event.score(), Some(seen.score));
        assert_eq!(event.person().kind, seen.person);
        assert_eq!(event.device_ip().as_deref(), Some(&*seen.device_ip));
    }
}
