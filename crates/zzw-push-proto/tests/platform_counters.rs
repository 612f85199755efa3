//! What the broker counts (P-9, I6).

mod platform_kit;

use platform_kit::{Rig, config, secs};
use zzw_push_proto::platform::{Call, Input, LinkEnd, LinkId, Rule};
use zzw_push_proto::wire::{Num, Publish};

fn publish(alias: &str, ttl: u32) -> String {
    format!(r#"{{"t":6,"alias":["{alias}"],"msg":"x","opts":{{"time_to_live":{ttl}}},"num":"n"}}"#)
}

#[test]
fn everything_that_happens_is_counted() {
    let mut config = config();
    config.max_links = 3;
    config.rules.status = Rule::Ask;
    let mut rig = Rig::new(config);
    rig.bind(1, "m_1");
    rig.connect_socketio(2, "m_2");
    rig.connect(3);
    rig.connect(4);
    rig.says(3, &publish("m_1", 600));
    rig.says(3, &publish("m_1", 0));
    rig.says(3, &publish("m_9", 600));
    let call = Publish::to_aliases(["m_2"].into_iter().collect(), "x".into(), Num::Absent);
    rig.calls(1, Call::Push(call));
    rig.is_held = true;
    rig.says(3, &publish("m_2", 600));
    let now = rig.platform.snapshot();
    assert_eq!(now, rig.platform.recount());
    assert_eq!((now.tcp_links, now.socketio_links, now.online), (2, 1, 2));
    assert_eq!((now.accepted, now.refused, now.bound), (3, 1, 2));
    assert_eq!((now.received, now.calls), (5, 1));
    assert_eq!(
        (now.published, now.publishing, now.store_requests),
        (5, 1, 1)
    );
    assert_eq!((now.delivered, now.direct, now.unacked), (3, 1, 2));
    rig.is_held = false;
    rig.fails = true;
    rig.answer_all();
    rig.fails = false;
    assert_eq!(rig.platform.snapshot().unpublished, 1);
    rig.says(1, r#"{"t":4,"num":"p"}"#);
    let now = rig.platform.snapshot();
    assert_eq!((now.pulled, now.unacked), (1, 1));
    assert_eq!(now, rig.platform.recount());
}

#[test]
fn ends_are_counted_by_why() {
    let mut rig = Rig::new(config());
    rig.bind(1, "m_1");
    rig.bind(2, "m_1");
    rig.bind(3, "m_3");
    rig.platform.kick(rig.now, "m_3".into()).unwrap();
    rig.bind(4, "m_4");
    rig.input(Input::Disconnected(LinkId(4)));
    rig.wait(secs(90));
    let ended = rig.platform.snapshot().ended;
    let counted: Vec<(LinkEnd, u64)> = ended.iter().filter(|(_, count)| *count > 0).collect();
    let expected = [
        (LinkEnd::Remote, 1),
        (LinkEnd::Replaced, 1),
        (LinkEnd::Silent, 1),
        (LinkEnd::Kicked, 1),
    ];
    assert_eq!(counted, expected);
    assert_eq!(ended.of(LinkEnd::Kicked), 1);
    for (nth, why) in LinkEnd::ALL.into_iter().enumerate() {
        let is_alone = LinkEnd::ALL
            .iter()
            .filter(|other| other.as_str() == why.as_str());
        assert_eq!(is_alone.count(), 1);
        assert_eq!(why as usize, nth, "each has its own place");
    }
    assert_eq!(rig.platform.snapshot(), rig.platform.recount());
}
