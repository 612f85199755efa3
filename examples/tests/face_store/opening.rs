//! What a store refuses to open, and that it leaves it as it is.

use crate::cut_disk::CutDisk;
use crate::model::{Model, item};
use crate::{append, apply, kit, open};
use drive::faces::Dice;
use drive::store::{Folder, OpenError, Outbox, Settings};
use face_record_push::device::{Op, Seq};
use std::path::Path;

#[test]
fn a_store_in_use_is_not_opened_twice() {
    let folder = kit::Folder::new("store-twice");
    let (outbox, _) = open(&folder);
    let error = Folder::new(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("already in use"), "{error}");
    drop(outbox);
    Folder::new(folder.path()).unwrap();
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    for (name, content) in [
        ("text", b"name,number\nsomeone,1\n".as_slice()),
        ("empty", b""),
        ("short", b"redb"),
        ("zeros", &[0; 8192]),
    ] {
        let folder = kit::Folder::new(&format!("store-foreign-{name}"));
        std::fs::write(folder.join("outbox.redb"), content).unwrap();
        let error = refused(&folder);
        assert!(matches!(error, OpenError::Foreign(_)), "{name}: {error}");
    }
}

#[test]
fn a_store_of_another_program_is_left_alone() {
    let folder = kit::Folder::new("store-other");
    let other = redb::TableDefinition::<&str, &str>::new("cache");
    write(&folder.path().join("outbox.redb"), other, "key", "value");
    let error = refused(&folder);
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let folder = kit::Folder::new("store-later");
    open(&folder).0.close().unwrap();
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let file = folder.path().join("outbox.redb");
    write(&file, meta, "format", b"face outbox 2 (2031)".as_slice());
    let error = refused(&folder);
    assert!(
        error.to_string().contains("later version (2 (2031))"),
        "{error}"
    );
}

#[test]
fn a_damaged_store_is_left_alone() {
    let folder = kit::Folder::new("store-damaged");
    let (mut outbox, _) = open(&folder);
    let ops: Vec<Op> = (1..=40).map(|seq| append(seq, 5_000)).collect();
    apply(&mut outbox, &mut Model::default(), &ops);
    outbox.close().unwrap();
    let file = folder.path().join("outbox.redb");
    let whole = std::fs::read(&file).unwrap();
    let jpeg = item(20, 5_000).jpeg().unwrap().clone();
    let picture = whole.windows(5_000).position(|bytes| bytes == jpeg);
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    for (what, bytes) in [
        ("cut off", whole[..whole.len() / 2].to_vec()),
        ("a header only", whole[..4096].to_vec()),
        ("a picture of other bytes", flipped(picture.unwrap() + 77)),
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
    assert_eq!(open(&folder).1.index.len(), 40);
}

#[test]
fn a_beginning_that_was_cut_off_is_begun_again() {
    let folder = kit::Folder::new("store-begun");
    std::fs::write(folder.join("outbox.new"), b"half a store").unwrap();
    let (mut outbox, found) = open(&folder);
    assert_eq!(Model::default().differs(&found), None);
    apply(&mut outbox, &mut Model::default(), &[append(1, 0)]);
    drop(outbox);
    assert_eq!(open(&folder).1.next_seq, Seq(2));
}

#[test]
fn a_folder_that_is_none_or_cannot_be_written_to_is_named() {
    let folder = kit::Folder::new("store-no-folder");
    std::fs::write(folder.join("file"), b"").unwrap();
    for path in [Path::new(&folder.join("file")), Path::new("/proc/none")] {
        let error = Folder::new(path).unwrap_err();
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
        let shown = path.display().to_string();
        assert!(error.to_string().contains(&shown), "{error}");
    }
}

#[test]
fn a_store_is_opened_without_reading_its_pictures_also_after_a_power_cut() {
    for (quick_repair_above, is_quick) in [(1 << 20, true), (u64::MAX, false)] {
        let disk = CutDisk::new(true);
        let mut settings = Settings::default();
        settings.quick_repair_above = quick_repair_above;
        let (mut outbox, _) = Outbox::open(disk.clone(), settings.clone()).unwrap();
        let mut model = Model::default();
        for first in (1..=400).step_by(40) {
            let ops: Vec<Op> = (first..first + 40).map(|seq| append(seq, 60_000)).collect();
            apply(&mut outbox, &mut model, &ops);
        }
        disk.cut_after(0);
        drop(outbox);
        disk.cycle(&mut Dice(1));
        let before = disk.bytes_read();
        let (_outbox, found) = Outbox::open(disk.clone(), settings).unwrap();
        assert_eq!(model.differs(&found), None);
        let read = disk.bytes_read() - before;
        assert_eq!(read < 2 << 20, is_quick, "{read}");
    }
}

/// The error, once it is clear that no byte has changed.
fn refused(folder: &kit::Folder) -> OpenError {
    let before = folder.files();
    let medium = Folder::new(folder.path()).unwrap();
    let error = Outbox::open(medium, Settings::default()).unwrap_err();
    let mut after = folder.files();
    after.remove("outbox.lock");
    let without_lock = before.into_iter().filter(|(name, _)| name != "outbox.lock");
    assert_eq!(after, without_lock.collect(), "{error}");
    error
}

fn write<V: redb::Value + 'static>(
    file: &Path,
    table: redb::TableDefinition<'_, &'static str, V>,
    key: &str,
    value: V::SelfType<'_>,
) {
    let database = redb::Database::create(file).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut opened = transaction.open_table(table).unwrap();
    opened.insert(key, value).unwrap();
    drop(opened);
    transaction.commit().unwrap();
}
