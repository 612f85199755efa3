//! What a store refuses to open, and that it leaves it as it is.

use crate::{Bench, ack, append, append_topic, kit, model, open, roomy, subscribe, texts};
use drive::zzw::store::{Folder, Kept, OpenError};
use std::path::Path;
use zzw_push_proto::platform::{MessageId, StoreOp, StoreReply};
use zzw_push_proto::wire::{Lenience, Message, Texts};

#[test]
fn everything_but_who_is_there_survives() {
    let folder = kit::Folder::new("zzw-store-again");
    let mut store = Bench::disk(open(&folder));
    store.ask(subscribe("m_1", ["t", "楼栋"])).unwrap();
    store
        .ask(told(
            "m_1",
            r#"{"communityId":7,"name":"东门","floor":[3]}"#,
        ))
        .unwrap();
    for nth in 0..103 {
        store.ask(append("m_1", &nth.to_string())).unwrap();
    }
    let fanned = store.fan(append_topic("t", "to all"));
    store.claim("m_2");
    let last = store.append(append("m_2", "x")).mid;
    store.ask(ack("m_2", [last])).unwrap();
    let figures = store.figures();
    store.into_kept().close().unwrap();

    let mut store = Bench::disk(open(&folder));
    let again = store.figures();
    assert_eq!(
        (again.messages, again.bytes),
        (figures.messages, figures.bytes)
    );
    assert_eq!((again.aliases, again.owned), (2, 0));
    let kept = store.load("m_1");
    assert_eq!(texts(&kept)[..2], ["4", "5"]);
    assert_eq!(kept.last().unwrap().topic.as_deref(), Some("t"));
    assert_eq!(kept.last().unwrap().mid, fanned[0].1.mid);
    let info = store.kept().info("m_1").unwrap().unwrap();
    let right = r#"{"communityId":"7","name":"东门","floor":[3]}"#;
    assert_eq!(info.as_str(), right);
    let [status, ..] = model::questions("m_1");
    let right = StoreReply::Status {
        topics: ["t", "楼栋"].into_iter().collect(),
        owner: None,
    };
    assert_eq!(store.ask(status), Ok(right));
    assert_eq!(store.claim("m_1"), (1, 4));
    assert_eq!(store.claim("m_2"), (2, 0));
    assert_eq!(store.append(append("m_2", "y")).prev, last);
}

#[test]
fn what_a_device_tells_replaces_what_it_told_before() {
    for mut store in crate::both(&roomy()) {
        store
            .ask(told("m_1", r#"{"name":"a much longer name"}"#))
            .unwrap();
        let before = store.figures().bytes;
        store.ask(told("m_1", r#"{"name":"b"}"#)).unwrap();
        assert_eq!(before - store.figures().bytes, 17);
        let nothing = store.ask(subscribe("m_1", []));
        let unchanged = StoreReply::Subscribed {
            joined: Texts::default(),
            left: Texts::default(),
        };
        assert_eq!(nothing, Ok(unchanged));
        let info = match &mut store.place {
            crate::Place::Memory(memory) => memory.info("m_1"),
            crate::Place::Disk(kept) => kept.info("m_1").unwrap(),
        };
        assert_eq!(info.unwrap().as_str(), r#"{"name":"b"}"#);
    }
}

#[test]
fn a_store_in_use_is_not_opened_twice() {
    let folder = kit::Folder::new("zzw-store-twice");
    let kept = open(&folder);
    let error = Folder::of(folder.path(), "broker").unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    // The outbox of a terminal may be beside it.
    Folder::new(folder.path()).unwrap();
    drop(kept);
    open(&folder);
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    for (name, content) in [
        ("text", b"name,number\nsomeone,1\n".as_slice()),
        ("empty", b""),
        ("zeros", &[0; 8192]),
    ] {
        let folder = kit::Folder::new(&format!("zzw-store-foreign-{name}"));
        std::fs::write(folder.join("broker.redb"), content).unwrap();
        let error = refused(&folder);
        assert!(matches!(error, OpenError::Foreign(_)), "{name}: {error}");
    }
}

#[test]
fn the_outbox_of_a_terminal_is_left_alone() {
    let folder = kit::Folder::new("zzw-store-other");
    let medium = Folder::of(folder.path(), "broker").unwrap();
    let outbox = drive::store::Outbox::open(medium, drive::store::Settings::default());
    outbox.unwrap().0.close().unwrap();
    let error = refused(&folder);
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let folder = kit::Folder::new("zzw-store-later");
    open(&folder).close().unwrap();
    sign(&folder, "format", b"zzw broker 2 (2031)");
    let error = refused(&folder);
    let shown = error.to_string();
    assert!(shown.contains("later version (2 (2031))"), "{shown}");
}

#[test]
fn a_damaged_store_is_left_alone() {
    let folder = kit::Folder::new("zzw-store-damaged");
    let mut store = Bench::disk(open(&folder));
    for nth in 0..40 {
        let op = append(
            &format!("m_{}", nth % 5),
            &format!("{nth} {}", "z".repeat(5_000)),
        );
        store.ask(op).unwrap();
    }
    store.into_kept().close().unwrap();
    let file = folder.path().join("broker.redb");
    let whole = std::fs::read(&file).unwrap();
    let body = whole.windows(500).position(|bytes| bytes == [b'z'; 500]);
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    for (what, bytes) in [
        ("cut off", whole[..whole.len() / 2].to_vec()),
        ("a header only", whole[..4096].to_vec()),
        ("a body of other bytes", flipped(body.unwrap() + 77)),
        ("a length of its own", flipped(12)),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let error = refused(&folder);
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{what}: {error}"
        );
    }
    std::fs::write(&file, whole).unwrap();
    sign(&folder, "state", b"short");
    let error = refused(&folder);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_beginning_that_was_cut_off_is_begun_again() {
    let folder = kit::Folder::new("zzw-store-begun");
    std::fs::write(folder.join("broker.new"), b"half a store").unwrap();
    let mut store = Bench::disk(open(&folder));
    assert_eq!(store.append(append("m_1", "a")).prev, MessageId(0));
}

#[test]
fn a_folder_that_is_none_or_cannot_be_written_to_is_named() {
    let folder = kit::Folder::new("zzw-store-no-folder");
    std::fs::write(folder.join("file"), b"").unwrap();
    for path in [Path::new(&folder.join("file")), Path::new("/proc/none")] {
        let opened = drive::zzw::place::Store::open(path, roomy(), drop);
        let error = opened.unwrap_err();
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
        let shown = path.display().to_string();
        assert!(error.to_string().contains(&shown), "{error}");
    }
}

/// The error, once it is clear that no byte has changed.
fn refused(folder: &kit::Folder) -> OpenError {
    let before = folder.files();
    let medium = Folder::of(folder.path(), "broker").unwrap();
    let error = Kept::open(medium, roomy()).unwrap_err();
    let mut after = folder.files();
    after.remove("broker.lock");
    let without_lock = before.into_iter().filter(|(name, _)| name != "broker.lock");
    assert_eq!(after, without_lock.collect(), "{error}");
    error
}

fn sign(folder: &kit::Folder, key: &str, value: &[u8]) {
    let database = redb::Database::open(folder.join("broker.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let mut meta = transaction.open_table(meta).unwrap();
    meta.insert(key, value).unwrap();
    drop(meta);
    transaction.commit().unwrap();
}

fn told(alias: &str, info: &str) -> StoreOp {
    let frame = format!(r#"{{"t":2,"topic":["t"],"info":{info}}}"#);
    let decoded = Message::decode(frame.into(), Lenience::Vendor).unwrap();
    let Message::Register(register) = decoded.message else {
        panic!("{:?}", decoded.message);
    };
    StoreOp::Subscribe {
        alias: alias.into(),
        add: Texts::default(),
        remove: Texts::default(),
        info: register.info,
    }
}
