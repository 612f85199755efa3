//! Disks that fill up and syncs that fail.

use crate::sick_disk::{Ailments, SickDisk};
use crate::{Bench, ack, append, append_topic, kit, model, open, subscribe, texts};
use drive::zzw::store::{Folder, Kept, Settings};
use zzw_push_proto::platform::{StoreError, StoreOp, StoreReply};

#[test]
//= docs/spec/zzw-push-proto.md#store
//# A store whose disk has failed MUST fail every request until it is opened anew.
fn a_failed_sync_breaks_the_store_until_it_is_opened_anew() {
    for fails_in in 0..6 {
        let folder = kit::Folder::new(&format!("zzw-store-sync-{fails_in}"));
        let (disk, mut store) = sick(&folder);
        store.claim("m_1");
        disk.suffer(Ailments {
            sync_fails_in: Some(fails_in),
            ..Ailments::default()
        });
        let (mut kept, mut last) = (Vec::new(), 0);
        let refused = loop {
            match store.ask(append("m_1", &last.to_string())) {
                Ok(_) => kept.push(last.to_string()),
                Err(error) => break error,
            }
            last += 1;
        };
        assert_eq!(refused, StoreError::Unavailable);
        let why = store.figures().broken.unwrap();
        assert!(why.contains("the disk has failed"), "{why}");
        // The disk is well again, but what it holds is not known.
        let [status, claim, load] = model::questions("m_1");
        for op in [append("m_1", "later"), status, claim, load] {
            assert_eq!(store.ask(op), Err(StoreError::Unavailable));
        }
        assert_eq!(store.figures().broken.unwrap(), why);
        assert!(store.kept().tidy_at().is_none());
        store.into_kept().close().unwrap_err();
        drop(disk);
        let mut store = Bench::disk(open(&folder));
        assert_eq!(store.figures().broken, None);
        let mut found = texts(&store.load("m_1"));
        // What failed may be there, as a whole.
        found.truncate(kept.len() + usize::from(found.last() == Some(&last.to_string())));
        kept.extend((found.len() > kept.len()).then(|| last.to_string()));
        assert_eq!(found, kept, "{fails_in}");
        assert_eq!(store.claim("m_1"), (2, 0));
    }
}

#[test]
fn a_message_that_would_go_into_the_reserve_is_refused_and_the_rest_of_its_group_is_not() {
    let folder = kit::Folder::new("zzw-store-reserve");
    let (disk, mut store) = sick(&folder);
    store.ask(subscribe("m_2", ["t"])).unwrap();
    let first = store.append(append("m_1", "first"));
    disk.suffer(Ailments {
        free: Some(Settings::default().reserve + 50_000),
        ..Ailments::default()
    });
    let (small, large) = ("s".repeat(20_000), "l".repeat(60_000));
    let [status, claim, _] = model::questions("m_1");
    let answers = store.ask_all(&[
        append("m_1", &large),
        append("m_1", &small),
        append_topic("t", &large),
        ack("m_1", [first.mid]),
        claim,
        status,
    ]);
    let full: Vec<bool> = answers
        .iter()
        .map(|answer| *answer == Err(StoreError::Full))
        .collect();
    assert_eq!(full, [true, false, true, false, false, false]);
    drop((store, disk));
    let mut store = Bench::disk(open(&folder));
    assert_eq!(texts(&store.load("m_1")), [small]);
    assert_eq!(store.load("m_2"), []);
}

#[test]
fn a_disk_that_is_full_loses_nothing_that_was_stored() {
    let folder = kit::Folder::new("zzw-store-full");
    let (disk, mut store) = sick(&folder);
    store.ask(subscribe("m_2", ["t"])).unwrap();
    let first = store.append(append("m_1", "first"));
    disk.suffer(Ailments {
        room: Some(150_000),
        ..Ailments::default()
    });
    let large = "l".repeat(300_000);
    let [_, claim, load] = model::questions("m_1");
    let answers = store.ask_all(&[
        append("m_1", "second"),
        append("m_1", &large),
        append("m_1", "third"),
        append_topic("t", "fourth"),
        load.clone(),
        claim,
    ]);
    // What comes after the one that did not fit is not tried: it would change the order.
    for (nth, answer) in answers.iter().enumerate() {
        let is_full = *answer == Err(StoreError::Full);
        assert_eq!(is_full, (1..4).contains(&nth), "{nth}: {answer:?}");
    }
    let Ok(StoreReply::Loaded { entries, .. }) = &answers[4] else {
        panic!("{answers:?}");
    };
    assert_eq!(texts(entries), ["first", "second"]);
    let Ok(StoreReply::Claimed {
        epoch: 1,
        previous: None,
        ..
    }) = &answers[5]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(store.figures().owned, 1);
    disk.suffer(Ailments::default());
    store.ask(ack("m_1", [first.mid])).unwrap();
    store.ask(append("m_1", &large)).unwrap();
    assert_eq!(store.figures().broken, None);
    drop((store, disk));
    let mut store = Bench::disk(open(&folder));
    assert_eq!(texts(&store.load("m_1")), ["second", &large]);
    assert_eq!(store.claim("m_1"), (2, 0));
}

#[test]
fn whoever_claims_while_the_disk_is_full_is_not_shown_as_the_owner() {
    let folder = kit::Folder::new("zzw-store-full-claim");
    let (disk, mut store) = sick(&folder);
    store.claim("m_1");
    disk.suffer(Ailments {
        room: Some(0),
        ..Ailments::default()
    });
    // Somewhere on the way the file has to grow.
    let refused = (0..2000).find(|nth| {
        let claimed = store.ask(model::claim(&format!("m_{nth}{}", "x".repeat(100)), 0));
        claimed == Err(StoreError::Full)
    });
    let Some(refused) = refused else {
        return assert_eq!(store.figures().owned, 2001);
    };
    assert_eq!(store.figures().owned, 1 + refused);
    let [status, ..] = model::questions(&format!("m_{refused}{}", "x".repeat(100)));
    let answer = store.ask(status).unwrap();
    assert!(
        matches!(answer, StoreReply::Status { owner: None, .. }),
        "{answer:?}"
    );
}

#[test]
fn a_drained_store_gives_its_room_back() {
    let folder = kit::Folder::new("zzw-store-drained");
    let mut store = Bench::disk(open(&folder));
    let body = "b".repeat(60_000);
    let mut mids = Vec::new();
    for _ in 0..10 {
        let ops: Vec<StoreOp> = (0..60)
            .map(|nth| append(&format!("m_{nth}"), &body))
            .collect();
        for (nth, answer) in store.ask_all(&ops).into_iter().enumerate() {
            let Ok(StoreReply::Appended(appended)) = answer else {
                panic!("{answer:?}");
            };
            mids.push((nth, appended.mid));
        }
    }
    let size = || std::fs::metadata(folder.join("broker.redb")).unwrap().len();
    assert!(size() > 36 << 20, "{}", size());
    assert!(store.figures().file_bytes > 36 << 20);
    let acks: Vec<StoreOp> = mids
        .iter()
        .map(|(nth, mid)| ack(&format!("m_{nth}"), [*mid]))
        .collect();
    for group in acks.chunks(64) {
        store.ask_all(group);
    }
    assert_eq!(store.figures().messages, 0);
    while let Some(due) = store.kept().tidy_at() {
        let wall = zzw_push_proto::platform::UnixMillis(store.wall);
        store.kept().tidy(due, wall);
    }
    assert!(size() < 1 << 20, "{}", size());
    store.ask(append("m_1", "a")).unwrap();
    drop(store);
    assert_eq!(texts(&Bench::disk(open(&folder)).load("m_1")), ["a"]);
}

fn sick(folder: &kit::Folder) -> (SickDisk, Bench) {
    let folder = Folder::of(folder.path(), "broker").unwrap();
    let disk = SickDisk::new(folder);
    let kept = Kept::open(disk.clone(), Settings::default()).unwrap();
    (disk, Bench::disk(kept))
}
