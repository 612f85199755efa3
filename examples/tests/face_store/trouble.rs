//! Disks that fill up and syncs that fail.

use crate::model::Model;
use crate::sick_disk::{Ailments, SickDisk};
use crate::{LATER, answers, append, apply, ask, failures, kit, lost, now, open};
use drive::store::{Folder, Outbox, Settings};
use face_record_push::device::{Input, LossReason, Op, Seq, StoreError};

#[test]
fn a_record_that_would_go_into_the_reserve_is_refused_and_the_rest_of_its_batch_is_not() {
    let folder = kit::Folder::new("store-reserve");
    let (disk, mut outbox) = sick(&folder);
    let mut model = Model::default();
    apply(
        &mut outbox,
        &mut model,
        &[append(1, 1_000), append(2, 1_000)],
    );
    let free = |free| Ailments {
        free: Some(free),
        ..Ailments::default()
    };
    // Room for one of 20,000 bytes, not for one of 60,000.
    disk.suffer(free(Settings::default().reserve + 50_000));
    let ops = [
        append(3, 60_000),
        append(4, 20_000),
        append(5, 60_000),
        Op::Drop(lost(1, 1, LossReason::Overflow)),
        Op::Advance { upto: Seq(2) },
    ];
    let answers = answers(&mut outbox, &ops);
    let full = [(0, StoreError::Full), (2, StoreError::Full)];
    assert_eq!(failures(&answers), full);
    for at in [1, 3, 4] {
        model.apply(&ops[at]);
    }
    drop((outbox, disk));
    assert_eq!(model.differs(&open(&folder).1), None);
}

#[test]
fn room_that_acknowledged_records_have_left_in_the_file_can_be_used() {
    let folder = kit::Folder::new("store-inside");
    let (disk, mut outbox) = sick(&folder);
    let mut model = Model::default();
    let ops: Vec<Op> = (1..=100).map(|seq| append(seq, 60_000)).collect();
    apply(&mut outbox, &mut model, &ops);
    disk.suffer(Ailments {
        free: Some(0),
        ..Ailments::default()
    });
    let refused = ask(&mut outbox, append(101, 60_000));
    assert!(matches!(refused, Input::StoreFailed(_, StoreError::Full)));
    apply(&mut outbox, &mut model, &[Op::Advance { upto: Seq(64) }]);
    outbox.tidy(now() + LATER);
    let before = folder.path().join("outbox.redb").metadata().unwrap().len();
    apply(&mut outbox, &mut model, &[append(102, 60_000)]);
    let after = folder.path().join("outbox.redb").metadata().unwrap().len();
    assert!(after <= before, "{before} {after}");
}

#[test]
fn a_disk_that_is_full_loses_nothing_that_was_stored() {
    let folder = kit::Folder::new("store-full");
    let (disk, mut outbox) = sick(&folder);
    let mut model = Model::default();
    apply(&mut outbox, &mut model, &[append(1, 100), append(2, 5_000)]);
    disk.suffer(Ailments {
        room: Some(100_000),
        ..Ailments::default()
    });
    let ops = [
        append(3, 100),
        append(4, 300_000),
        append(5, 100),
        Op::Strip {
            from: Seq(2),
            to: Seq(2),
        },
        Op::Load { seq: Seq(1) },
    ];
    let answers = answers(&mut outbox, &ops);
    // What comes after the one that did not fit is not tried: it would change the order.
    let full = [(1, StoreError::Full), (2, StoreError::Full)];
    assert_eq!(failures(&answers), full);
    assert!(matches!(&answers[4], Input::Loaded(_, Some(_))));
    for at in [0, 3] {
        model.apply(&ops[at]);
    }
    assert!(!outbox.is_broken());
    disk.suffer(Ailments::default());
    apply(&mut outbox, &mut model, &[append(6, 300_000)]);
    drop((outbox, disk));
    assert_eq!(model.differs(&open(&folder).1), None);
}

#[test]
fn a_failed_sync_breaks_the_store_until_it_is_opened_anew() {
    for fails_in in 0..6 {
        let folder = kit::Folder::new(&format!("store-sync-{fails_in}"));
        let (disk, mut outbox) = sick(&folder);
        let mut model = Model::default();
        apply(&mut outbox, &mut model, &[append(1, 100)]);
        disk.suffer(Ailments {
            sync_fails_in: Some(fails_in),
            ..Ailments::default()
        });
        let mut seq = 2;
        let failed = loop {
            let op = append(seq, 2_000);
            match ask(&mut outbox, op.clone()) {
                Input::Stored(_) => model.apply(&op),
                Input::StoreFailed(_, StoreError::Broken) => break op,
                answer => panic!("{answer:?}"),
            }
            seq += 1;
        };
        // The disk is well again, but what it holds is not known.
        for op in [append(seq + 1, 0), Op::Load { seq: Seq(1) }] {
            let answer = ask(&mut outbox, op);
            assert!(matches!(answer, Input::StoreFailed(_, StoreError::Broken)));
        }
        assert!(outbox.is_broken() && outbox.tidy_at().is_none());
        outbox.close().unwrap_err();
        drop(disk);
        let (_, found) = open(&folder);
        let mut with_failed = model.clone();
        with_failed.apply(&failed);
        let is_known = model.differs(&found).is_none() || with_failed.differs(&found).is_none();
        assert!(is_known, "{fails_in}: {found:?}");
    }
}

fn sick(folder: &kit::Folder) -> (SickDisk, Outbox) {
    let disk = SickDisk::new(Folder::new(folder.path()).unwrap());
    let (outbox, _) = Outbox::open(disk.clone(), Settings::default()).unwrap();
    (disk, outbox)
}
