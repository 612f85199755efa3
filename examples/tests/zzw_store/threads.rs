//! The store as the server uses it: with a thread, or answering at once.

use crate::{append, append_topic, kit, model, roomy, subscribe};
use drive::zzw::place::Store;
use std::collections::HashMap;
use std::sync::mpsc;
use zzw_push_proto::platform::{Input, MessageId, Seq, StoreError, StoreOp, StoreReply};

#[test]
fn memory_answers_at_once() {
    let never = |inputs| panic!("{inputs:?}");
    let store = Store::memory(roomy(), never);
    let answer = store.submit(Seq(7), append("m_1", "a"));
    let Some(Input::Stored(Seq(7), StoreReply::Appended(_))) = answer else {
        panic!("{answer:?}");
    };
    let figures = store.figures();
    assert_eq!((figures.ops, figures.messages), (1, 1));
    store.close().unwrap();
}

const COUNT: u64 = 3000;

#[test]
//= docs/spec/zzw-push-proto.md#store
//# Requests about one alias MUST be carried out in the order in which they were made.
//= docs/spec/zzw-push-proto.md#store
//# Every request MUST be answered once, whatever becomes of the store.
fn every_request_is_answered_once_and_those_of_an_alias_are_carried_out_in_order() {
    let folder = kit::Folder::new("zzw-store-thread");
    let (answers, answered) = mpsc::channel();
    let answer = move |inputs| answers.send(inputs).unwrap();
    let store = Store::open(folder.path(), roomy(), answer).unwrap();
    for nth in 0..COUNT {
        let alias = format!("m_{}", nth % 37);
        later(&store, Seq(nth), append(&alias, &nth.to_string()));
    }
    store.close().unwrap();
    let mut last: HashMap<u64, MessageId> = HashMap::new();
    let mut seen = 0;
    for input in answered.into_iter().flatten() {
        let Input::Stored(Seq(seq), StoreReply::Appended(appended)) = input else {
            panic!("{input:?}");
        };
        let before = last.insert(seq % 37, appended.mid).unwrap_or_default();
        assert_eq!(appended.prev, before, "{seq}");
        seen += 1;
    }
    assert_eq!(seen, COUNT);
    let store = Store::open(folder.path(), roomy(), drop).unwrap();
    let figures = store.figures();
    assert_eq!(figures.messages, COUNT);
    assert_eq!(figures.aliases, 37);
}

#[test]
fn what_comes_together_is_committed_together_and_what_comes_alone_alone() {
    let disk = crate::cut_disk::CutDisk::new(true);
    let (answers, answered) = mpsc::channel();
    let answer = move |inputs: Vec<Input>| answers.send(inputs.len()).unwrap();
    let store = Store::open_on(disk, roomy(), answer).unwrap();
    for nth in 0..5 {
        later(&store, Seq(nth), append("m_1", "a"));
        assert_eq!(answered.recv(), Ok(1));
    }
    for nth in 5..1285 {
        later(&store, Seq(nth), append("m_1", "a"));
    }
    let mut groups: Vec<usize> = Vec::new();
    while groups.iter().sum::<usize>() < 1280 {
        groups.push(answered.recv().unwrap());
    }
    assert!(groups.iter().all(|group| *group <= 64), "{groups:?}");
    assert!(groups.len() < 640, "{} groups", groups.len());
    store.close().unwrap();
}

#[test]
fn members_are_told_in_parts() {
    let folder = kit::Folder::new("zzw-store-parts");
    let (answers, answered) = mpsc::channel();
    let answer = move |inputs: Vec<Input>| answers.send(inputs).unwrap();
    let store = Store::open(folder.path(), roomy(), answer).unwrap();
    for nth in 0..1200 {
        let op = subscribe(&format!("m_{nth:04}"), ["t"]);
        later(&store, Seq(nth), op);
    }
    later(&store, Seq(2000), append_topic("t", "a"));
    later(&store, Seq(2001), append_topic("nobody", "a"));
    store.close().unwrap();
    let mut parts = Vec::new();
    for input in answered.into_iter().flatten() {
        match input {
            Input::Stored(Seq(2000), StoreReply::Fanned { members, is_last }) => {
                parts.push((members.len(), is_last));
            }
            Input::Stored(Seq(2001), reply) => {
                let nobody = StoreReply::Fanned {
                    members: Vec::new(),
                    is_last: true,
                };
                assert_eq!(reply, nobody);
                parts.push((0, true));
            }
            input => assert!(matches!(
                input,
                Input::Stored(_, StoreReply::Subscribed { .. })
            )),
        }
    }
    assert_eq!(parts, [(500, false), (500, false), (200, true), (0, true)]);
}

#[test]
fn too_many_requests_at_once_are_refused_but_nobody_stays_who_goes() {
    let disk = crate::cut_disk::CutDisk::new(true);
    let mut settings = roomy();
    settings.max_waiting = 0;
    let (answers, answered) = mpsc::channel();
    let answer = move |inputs: Vec<Input>| answers.send(inputs).unwrap();
    let store = Store::open_on(disk, settings, answer).unwrap();
    let refused = store.submit(Seq(1), append("m_1", "a"));
    let Some(Input::StoreFailed(Seq(1), StoreError::Full)) = refused else {
        panic!("{refused:?}");
    };
    let release = StoreOp::Release {
        alias: "m_1".into(),
        epoch: 1,
    };
    later(&store, Seq(2), release);
    let told = answered.recv().unwrap();
    let [Input::Stored(Seq(2), StoreReply::Done)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(store.figures().waiting, 0);
    store.close().unwrap();
}

#[test]
fn the_store_may_be_dropped_by_whoever_it_answers() {
    let disk = crate::cut_disk::CutDisk::new(true);
    let (given, taken) = mpsc::channel::<Store>();
    let (done, ended) = mpsc::channel();
    let answer = move |_| {
        drop(taken.recv());
        done.send(()).unwrap();
    };
    let store = Store::open_on(disk.clone(), roomy(), answer).unwrap();
    later(&store, Seq(1), append("m_1", "a"));
    given.send(store).unwrap();
    ended.recv().unwrap();
    // Its thread has closed the file once nothing of it is left.
    assert_eq!(ended.recv(), Err(mpsc::RecvError));
    let store = Store::open_on(disk, roomy(), drop).unwrap();
    assert_eq!(store.figures().messages, 1);
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# Every request MUST be answered once, whatever becomes of the store.
fn a_store_that_breaks_answers_everybody_and_says_why() {
    let folder = kit::Folder::new("zzw-store-thread-broken");
    let medium = drive::store::Folder::of(folder.path(), "broker").unwrap();
    let disk = crate::sick_disk::SickDisk::new(medium);
    let (answers, answered) = mpsc::channel();
    let answer = move |inputs| answers.send(inputs).unwrap();
    let store = Store::open_on(disk.clone(), roomy(), answer).unwrap();
    disk.suffer(crate::sick_disk::Ailments {
        sync_fails_in: Some(0),
        ..Default::default()
    });
    for nth in 0..200 {
        later(&store, Seq(nth), model::claim("m_1", 0));
    }
    let failed = |input: &Input| matches!(input, Input::StoreFailed(_, StoreError::Unavailable));
    let all = answered.iter().flatten().take(200);
    assert!(all.collect::<Vec<_>>().iter().all(failed));
    let why = store.figures().broken.unwrap();
    assert!(why.contains("check the disk"), "{why}");
    store.close().unwrap_err();
}

/// Asks for something that is not answered at once.
fn later(store: &Store, seq: Seq, op: StoreOp) {
    let answer = store.submit(seq, op);
    assert!(answer.is_none(), "{answer:?}");
}
