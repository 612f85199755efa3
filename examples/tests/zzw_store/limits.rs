//! What a store keeps at most, and how it tells what it lost.

use crate::{Bench, ack, append, append_for, append_topic, both, model, roomy, touch};
use crate::{subscribe, texts};
use zzw_push_proto::platform::{StoreError, StoreOp, StoreReply};
use zzw_push_proto::wire::{Texts, Ttl};

#[test]
//= docs/spec/zzw-push-proto.md#store
//# A queue MUST NOT hold more messages than its cap, and the oldest go for one more.
fn the_oldest_message_goes_for_one_too_many_and_the_next_owner_is_told() {
    for mut store in both(&roomy()) {
        let mut evicted = 0;
        for nth in 0..130 {
            evicted += store.append(append("m_1", &nth.to_string())).evicted;
        }
        let kept = texts(&store.load("m_1"));
        let newest: Vec<String> = (30..130).map(|nth| nth.to_string()).collect();
        assert_eq!((kept, evicted), (newest, 30));
        assert_eq!(store.figures().evicted, 30);
        assert_eq!(store.claim("m_1"), (1, 30));
        assert_eq!(store.claim("m_1"), (2, 0));
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# The gap of an alias MUST count what was pushed out and what expired before it was acknowledged.
fn a_gap_is_what_was_pushed_out_and_what_expired_before_it_was_acknowledged() {
    for mut store in both(&roomy()) {
        let mut mids = Vec::new();
        for nth in 0..102 {
            let op = append_for("m_1", &nth.to_string(), Ttl::seconds(1));
            mids.push(store.append(op).mid);
        }
        store.ask(ack("m_1", mids[50..60].to_vec())).unwrap();
        store.wall += 1000;
        store.ask(ack("m_1", mids[60..70].to_vec())).unwrap();
        assert_eq!(store.claim("m_1"), (1, 2 + 90));
        assert_eq!(store.figures().messages, 0);
    }
}

#[test]
fn a_body_for_a_topic_is_kept_once_and_only_as_long_as_somebody_needs_it() {
    for mut store in both(&roomy()) {
        for alias in 0..100 {
            store.ask(subscribe(&format!("m_{alias}"), ["t"])).unwrap();
        }
        let before = store.figures().bytes;
        let body = "x".repeat(50_000);
        let members = store.fan(append_topic("t", &body));
        assert_eq!(members.len(), 100);
        let grown = store.figures().bytes - before;
        assert!((50_000..60_000).contains(&grown), "{grown}");
        let entry = store.load("m_7").remove(0);
        assert_eq!(entry.topic.as_deref(), Some("t"));
        assert_eq!(entry.body.to_text().unwrap(), body);
        for (nth, (alias, appended)) in members.iter().enumerate() {
            assert!(store.figures().bytes > before + 50_000, "{nth}");
            store.ask(ack(alias, [appended.mid])).unwrap();
        }
        let figures = store.figures();
        assert_eq!((figures.bytes, figures.messages), (before, 0));
    }
}

#[test]
fn a_body_on_disk_is_written_once_for_all_members() {
    let folder = crate::kit::Folder::new("zzw-store-once");
    let mut store = Bench::disk(crate::open(&folder));
    let ops: Vec<StoreOp> = (0..200)
        .map(|alias| subscribe(&format!("m_{alias}"), ["t"]))
        .collect();
    store.ask_all(&ops);
    let body = "早上好".repeat(5_000);
    assert_eq!(store.fan(append_topic("t", &body)).len(), 200);
    store.into_kept().close().unwrap();
    let file = std::fs::read(folder.join("broker.redb")).unwrap();
    let found = file
        .windows(45_000)
        .filter(|bytes| *bytes == body.as_bytes());
    assert_eq!(found.count(), 1);
}

#[test]
fn a_full_store_refuses_messages_and_nothing_else_until_there_is_room() {
    let mut settings = roomy();
    settings.max_bytes = 100_000;
    let [mut store, _] = both(&settings);
    let body = "x".repeat(1000);
    let mut mids = Vec::new();
    let refused = loop {
        match store.ask(append(&format!("m_{}", mids.len() % 7), &body)) {
            Ok(StoreReply::Appended(appended)) => mids.push(appended.mid),
            refused => break refused,
        }
    };
    assert_eq!(refused, Err(StoreError::Full));
    assert!(mids.len() > 70, "{}", mids.len());
    assert!(store.figures().bytes <= 100_000);
    assert_eq!(store.claim("m_8"), (1, 0));
    store.ask(subscribe("m_1", ["t"])).unwrap();
    let to_topic = store.ask(append_topic("t", &body));
    assert_eq!(to_topic, Err(StoreError::Full));
    assert_eq!(store.load("m_0")[0].mid, mids[0]);
    store
        .ask(ack("m_0", mids.iter().copied().step_by(7)))
        .unwrap();
    store.ask(append("m_0", &body)).unwrap();
}

#[test]
fn what_has_expired_makes_room_in_a_full_store() {
    let mut settings = roomy();
    settings.max_bytes = 100_000;
    let [mut store, _] = both(&settings);
    let message = |nth| append_for(&format!("m_{nth}"), &"x".repeat(1000), Ttl::seconds(1));
    let full = (0..1000)
        .map(message)
        .find(|op| store.ask(op.clone()).is_err());
    store.wall += 2000;
    let mut tries = (0..).take_while(|_| store.ask(full.clone().unwrap()).is_err());
    assert!(tries.by_ref().count() <= 2);
}

#[test]
fn an_alias_has_no_more_topics_than_are_allowed() {
    let mut settings = roomy();
    settings.max_topics = 3;
    for mut store in both(&settings) {
        store.ask(subscribe("m_1", ["a", "b", "a"])).unwrap();
        let refused = store.ask(subscribe("m_1", ["b", "c", "d"]));
        assert_eq!(refused, Err(StoreError::TooManyTopics));
        assert_eq!(topics(&mut store, "m_1"), ["a", "b"]);
        let swap = StoreOp::Subscribe {
            alias: "m_1".into(),
            add: ["c", "d"].into_iter().collect(),
            remove: ["a"].into_iter().collect(),
            info: None,
        };
        store.ask(swap).unwrap();
        assert_eq!(topics(&mut store, "m_1"), ["b", "c", "d"]);
    }
}

#[test]
fn aliases_that_nobody_needs_are_forgotten_beyond_a_number_and_others_never() {
    let mut settings = roomy();
    settings.max_aliases = 100;
    for mut store in both(&settings) {
        let queued = store.append(append("queued", "a"));
        store.ask(subscribe("subscribed", ["t"])).unwrap();
        let (mut first, mut stayed) = (None, 0);
        for nth in 0..5000 {
            let alias = format!("m_{nth}");
            let (epoch, _) = store.claim(&alias);
            let appended = store.append(append(&alias, "b"));
            first = first.or(Some(appended.mid));
            store.ask(ack(&alias, [appended.mid])).unwrap();
            if nth == 777 {
                stayed = epoch;
            } else {
                store
                    .ask(StoreOp::Release {
                        alias: alias.into(),
                        epoch,
                    })
                    .unwrap();
            }
        }
        let figures = store.figures();
        assert!(figures.aliases < 400, "{figures:?}");
        assert!(figures.bytes < 100_000, "{figures:?}");
        assert_eq!(store.load("queued")[0].mid, queued.mid);
        assert_eq!(topics(&mut store, "subscribed"), ["t"]);
        assert_eq!(store.claim("m_777"), (stayed + 1, 0));
        // Whoever comes back gets an id and an epoch that it did not have before.
        let returned = store.append(append("m_0", "c"));
        assert!(returned.prev >= first.unwrap());
        assert!(store.claim("m_0").0 > 1);
        assert_eq!(figures.forgotten, 5002 - figures.aliases);
    }
}

#[test]
fn only_an_alias_that_somebody_has_had_is_known() {
    for mut store in both(&roomy()) {
        let only_known = |alias: &str| StoreOp::Append {
            alias: alias.into(),
            body: "a".into(),
            ttl: Ttl::default(),
            only_known: true,
        };
        store.ask(append("m_1", "for later")).unwrap();
        let refused = store.ask(only_known("m_1"));
        assert_eq!(refused, Err(StoreError::UnknownAlias));
        store.ask(touch("m_1")).unwrap();
        store.ask(only_known("m_1")).unwrap();
        assert_eq!(store.load("m_1").len(), 2);
    }
}

#[test]
fn pages_are_those_of_all_who_are_there() {
    for mut store in both(&roomy()) {
        for nth in 0..2500 {
            store.claim(&format!("m_{nth:04}"));
        }
        let path = "/info/allSocketIOAlias/13-200/x";
        let lenience = zzw_push_proto::wire::Lenience::Vendor;
        let request = zzw_push_proto::rest::RestRequest::parse("GET", path, lenience);
        let zzw_push_proto::rest::RestCall::SocketIoAliases(page) = request.unwrap().call else {
            panic!("another call");
        };
        let transport = zzw_push_proto::platform::Transport::SocketIo;
        let listed = store.ask(StoreOp::List { transport, page });
        let last: Texts = (2400..2500).map(|nth| format!("m_{nth}")).collect();
        let right = StoreReply::Listed {
            total: 2500,
            aliases: last,
        };
        assert_eq!(listed, Ok(right));
    }
}

fn topics(store: &mut Bench, alias: &str) -> Vec<String> {
    let [status, ..] = model::questions(alias);
    match store.ask(status).unwrap() {
        StoreReply::Status { topics, .. } => topics.iter().map(String::from).collect(),
        reply => panic!("{reply:?}"),
    }
}
