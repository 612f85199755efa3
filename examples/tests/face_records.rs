//! The receiver's database: what it holds, what it refuses, what it survives.

mod kit;
mod kit_face;

use bytes::Bytes;
use drive::records::{Db, Options, Writer};
use face_record_push::platform::{Config, Input, Novelty, Op, Output, Platform, Seq, StoreError};
use face_record_push::{Push, SerialNumber, UnixMillis};
use kit::{Folder, is_there};
use kit_face::{base64, jpeg, pictures, query, record, record_with, unlike};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

#[test]
fn each_column_says_what_the_body_said() {
    let folder = Folder::new("columns");
    let mut db = open(&folder);
    let record = record(7, "9007199254740993", &jpeg(900));
    let alarm = r#"{"type":1,"data":{"trace_id":"t","description":"d","code":10002,"user_id":5,
        "event_time":1660625866123,"status":3,"alarm_photo":""}}"#;
    let other = r#"{"type":77,"data":{"x":1}}"#;
    let first = r#"{"type":0,"data":{"deviceSN":"S","recognizeStatus":5,"recognizeScore":0.5,
        "pass":false,"timestamp":1660625866,"user":null}}"#;
    let bodies = [&*record, alarm, other, first];
    let ops: Vec<Op> = (1..)
        .zip(bodies)
        .map(|(seq, body)| keep(seq, body))
        .collect();
    db.write(&ops).unwrap();
    let rows = query(
        &folder,
        "SELECT id, device_sn, type, recognized_at, received_at, recognition_type,
                recognize_status, score, pass, user_id, user_name, alarm_code, alarm_status,
                length(picture), freshness FROM records ORDER BY id",
    );
    let expected = [
        "1|S|0|1660625873000|5000|1|null|0.875|1|9007199254740993|样例小明|null|null|64|unknown",
        "2|S|1|1660625866123|5000|null|null|null|null|5|null|10002|3|null|unknown",
        "3|S|77|null|5000|null|null|null|null|null|null|null|null|null|unknown",
        "4|S|0|1660625866000|5000|null|5|0.5|0|null|null|null|null|null|unknown",
    ];
    let without_freshness = |row: &str| row.rsplit_once('|').unwrap().0.to_owned();
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(without_freshness(row), without_freshness(expected));
    }
    assert_eq!(rows.len(), 4);
    let readable = query(
        &folder,
        "SELECT type, recognized_at, recognition_type FROM readable",
    );
    assert_eq!(readable[0], "record|2022-08-16T04:57:53.000Z|employee");
    assert_eq!(readable[1], "alarm|2022-08-16T04:57:46.123Z|null");
    let inside = "SELECT json_extract(raw, '$.data.user.name') FROM records WHERE id = 1";
    assert_eq!(query(&folder, inside), ["样例小明"]);
}

#[test]
fn a_body_comes_back_bit_for_bit_however_its_picture_is_written() {
    let folder = Folder::new("bodies");
    let mut db = open(&folder);
    let slashes: Vec<u8> = [0xff, 0xd8].into_iter().chain([0xff; 1001]).collect();
    let tidy = base64(&slashes);
    assert!(tidy.contains('/') && tidy.ends_with('='));
    let escaped = tidy.replace('/', "\\/");
    let wrapped = tidy
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap());
    let wrapped = wrapped.collect::<Vec<_>>().join("\\r\\n");
    let texts = [
        // text, whether there is a file, whether the text is cut out
        (tidy.clone(), true, true),
        (escaped.clone(), true, true),
        (format!("data:image/jpeg;base64,{tidy}"), true, true),
        (format!("data:image\\/jpeg;base64,{escaped}"), true, true),
        (wrapped, true, false),
        (tidy.trim_end_matches('=').to_owned(), true, false),
        (escaped.replacen("\\/", "/", 1), true, false),
        ("*** no picture ***".to_owned(), false, false),
        (" ".to_owned(), false, false),
        (String::new(), false, false),
        ("人脸".to_owned(), false, false),
    ];
    for (number, (text, has_file, is_cut)) in (1..).zip(texts) {
        let body = record_with(number, "1", &text);
        db.write(&[keep(number, &body)]).unwrap();
        let id = Seq(number);
        assert_eq!(db.body(id).unwrap().unwrap(), body.as_bytes(), "{text}");
        let sql = format!("SELECT picture IS NOT NULL, length(raw) FROM records WHERE id={number}");
        let row = query(&folder, &sql);
        let (found, length) = row[0].split_once('|').unwrap();
        assert_eq!(found == "1", has_file, "{text}");
        assert_eq!(
            length.parse::<usize>().unwrap() < 500,
            is_cut || text.len() < 50,
            "{text}"
        );
    }
    assert_eq!(db.body(Seq(999)).unwrap(), None);
    let types = query(
        &folder,
        "SELECT DISTINCT typeof(raw), json_valid(raw) FROM records",
    );
    assert_eq!(types, ["text|1"]);
}

#[test]
fn a_picture_is_a_file_named_by_its_hash_and_kept_once() {
    let folder = Folder::new("hash");
    let mut db = open(&folder);
    let face = jpeg(5_000);
    let ops = [1, 2].map(|number| keep(number, &record(number, "1", &face)));
    db.write(&ops).unwrap();
    let names = query(&folder, "SELECT picture FROM records ORDER BY id");
    assert_eq!(names[0], names[1]);
    let files = pictures(&folder);
    assert_eq!(files.len(), 1);
    assert_eq!(files[&format!("{}.jpg", names[0])], face);
    let mut sum = Command::new("sha256sum");
    if is_there(version("sha256sum")) {
        let path = folder.join(&format!("records-pictures/{}.jpg", names[0]));
        let output = sum.arg(path).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with(&names[0]));
    }
}

#[test]
//= docs/spec/face-record-push.md#duplicates
//# A push and its key MUST be kept in one transaction.
fn a_repetition_is_known_in_one_transaction_in_the_next_and_after_a_restart() {
    let folder = Folder::new("repetition");
    let mut db = open(&folder);
    let body = record(1, "1", &jpeg(300));
    let written = db.write(&[keep(1, &body), keep(2, &body)]).unwrap();
    assert_eq!(written, [(Seq(1), Novelty::New), (Seq(2), Novelty::Known)]);
    let known = |db: &mut Db, seq| db.write(&[keep(seq, &body)]).unwrap()[0].1;
    assert_eq!(known(&mut db, 3), Novelty::Known);
    drop(db);
    let mut db = open(&folder);
    assert!(db.next_seq().unwrap() > Seq(1));
    assert_eq!(known(&mut db, 4), Novelty::Known);
    let elsewhere = keep_from("other", 5, &body.replace(r#""deviceSN":"S","#, ""));
    assert_eq!(db.write(&[elsewhere]).unwrap()[0].1, Novelty::New);
    assert_eq!(query(&folder, "SELECT count(*) FROM records"), ["2"]);
}

#[test]
fn a_number_is_never_used_again_even_if_its_row_is_deleted() {
    let folder = Folder::new("numbers");
    let mut db = open(&folder);
    assert_eq!(db.next_seq().unwrap(), Seq(1));
    db.write(&[keep(5, &record(1, "1", b""))]).unwrap();
    db.write(&[quarantine(9, b"garbage")]).unwrap();
    assert_eq!(db.next_seq().unwrap(), Seq(10));
    Connection::open(folder.join("records.db"))
        .unwrap()
        .execute_batch("DELETE FROM records; DELETE FROM quarantine;")
        .unwrap();
    assert_eq!(db.next_seq().unwrap(), Seq(10));
}

#[test]
fn what_is_in_quarantine_is_kept_bit_for_bit_and_once() {
    let folder = Folder::new("quarantine");
    let mut db = open(&folder);
    let raw: Vec<u8> = (0..=255).collect();
    let written = db
        .write(&[quarantine(1, &raw), quarantine(2, &raw)])
        .unwrap();
    assert_eq!(written, [(Seq(1), Novelty::New), (Seq(2), Novelty::Known)]);
    let rows = query(&folder, "SELECT id, peer, why, length(raw) FROM quarantine");
    assert!(rows[0].starts_with("1|192.0.2.7|"), "{rows:?}");
    assert!(rows[0].ends_with("|256"), "{rows:?}");
    assert_eq!(rows.len(), 1);
    let kept: Vec<u8> = Connection::open(folder.join("records.db"))
        .unwrap()
        .query_row("SELECT raw FROM quarantine", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, raw);
}

#[test]
fn a_cursor_only_goes_forward() {
    let folder = Folder::new("cursor");
    let mut db = open(&folder);
    assert_eq!(db.cursor("payroll").unwrap(), None);
    for (seq, expected) in [(4, 4), (2, 4), (7, 7)] {
        let name = "payroll".to_owned();
        let seq = Seq(seq);
        assert_eq!(db.write(&[Op::Consumed { name, seq }]).unwrap(), []);
        assert_eq!(db.cursor("payroll").unwrap(), Some(Seq(expected)));
    }
}

/// What makes a database another one.
type Spoil<'a> = &'a dyn Fn(&Path);

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let page = |db: &Path, at: usize, bytes: &[u8]| {
        let mut file = std::fs::read(db).unwrap();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        std::fs::write(db, file).unwrap();
    };
    let cases: [(&str, &str, Spoil<'_>); 9] = [
        ("text", "is no SQLite database", &|db| {
            std::fs::write(db, "dear diary").unwrap();
        }),
        ("empty", "is no SQLite database", &|db| {
            std::fs::write(db, "").unwrap();
        }),
        ("foreign", "another program", &|db| {
            std::fs::remove_file(db).unwrap();
            let connection = Connection::open(db).unwrap();
            connection.execute_batch("CREATE TABLE photos (x)").unwrap();
        }),
        ("newer", "has version 999", &|db| {
            let connection = Connection::open(db).unwrap();
            connection
                .execute_batch("PRAGMA user_version = 999")
                .unwrap();
        }),
        ("truncated", "is damaged", &|db| {
            let file = std::fs::read(db).unwrap();
            std::fs::write(db, &file[..file.len() / 2]).unwrap();
        }),
        ("longer", "is damaged", &|db| {
            let mut file = std::fs::read(db).unwrap();
            file.extend([0; 8192]);
            std::fs::write(db, file).unwrap();
        }),
        ("holed", "is damaged", &|db| {
            let length = std::fs::read(db).unwrap().len();
            page(db, length - 8192, &[0x5a; 8192]);
        }),
        ("header", "is no SQLite database", &|db| {
            page(db, 0, &[0; 16]);
        }),
        ("schema", "is damaged", &|db| page(db, 100, &[0xee; 200])),
    ];
    for (name, why, spoil) in cases {
        let folder = Folder::new(&format!("refused-{name}"));
        let mut db = open(&folder);
        let ops: Vec<Op> = (1..200).map(|n| keep(n, &record(n, "1", b""))).collect();
        db.write(&ops).unwrap();
        drop(db);
        let path = PathBuf::from(folder.join("records.db"));
        spoil(&path);
        std::fs::remove_file(folder.join("records.db-lock")).unwrap();
        std::fs::remove_dir_all(folder.join("records-pictures")).unwrap();
        let before = folder.files();
        let error = Db::open(Options::new(&path)).unwrap_err();
        assert!(error.to_string().contains(why), "{name}: {error}");
        assert!(
            error.to_string().contains("left as it is"),
            "{name}: {error}"
        );
        assert_eq!(before.keys().collect::<Vec<_>>(), ["records.db"], "{name}");
        assert_eq!(folder.files(), before, "{name}");
    }
}

#[test]
fn a_newer_version_is_seen_in_the_log_too() {
    let folder = Folder::new("newer-log");
    drop(open(&folder));
    let newer = Connection::open(folder.join("records.db")).unwrap();
    newer.execute_batch("PRAGMA user_version = 999").unwrap();
    let killed = Folder::new("newer-log-killed");
    let files = files_of_db(&folder);
    for (name, content) in &files {
        std::fs::write(killed.join(name), content).unwrap();
    }
    let error = Db::open(Options::new(killed.join("records.db"))).unwrap_err();
    assert!(error.to_string().contains("version 999"), "{error}");
    assert_eq!(files_of_db(&killed), files);
}

#[test]
fn a_database_in_use_is_refused() {
    let folder = Folder::new("in-use");
    let mut db = open(&folder);
    let error = Db::open(Options::new(folder.join("records.db"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("another receiver"), "{error}");
    db.write(&[keep(1, &record(1, "1", b""))]).unwrap();
    drop(db);
    assert_eq!(open(&folder).next_seq().unwrap(), Seq(2));
}

#[test]
fn a_folder_that_is_not_there_is_named_with_advice() {
    let folder = Folder::new("no-folder");
    let error = Db::open(Options::new(folder.join("no/such/records.db"))).unwrap_err();
    assert!(
        error.to_string().contains("make its folder first"),
        "{error}"
    );
}

#[test]
fn what_a_killed_receiver_left_is_tidied_up() {
    let folder = Folder::new("tidy");
    let mut db = open(&folder);
    db.write(&[keep(1, &record(1, "1", &jpeg(400)))]).unwrap();
    // A copy taken while it runs is what a kill leaves.
    let killed = Folder::new("tidy-killed");
    for (name, content) in files_of_db(&folder) {
        std::fs::write(killed.join(&name), content).unwrap();
    }
    std::fs::create_dir(killed.join("records-pictures")).unwrap();
    for (name, content) in pictures(&folder) {
        std::fs::write(killed.join(&format!("records-pictures/{name}")), content).unwrap();
    }
    std::fs::write(killed.join("records-pictures/.new-1"), "half a pic").unwrap();
    std::fs::write(killed.join("records.db-new"), "half a database").unwrap();
    let mut db = open(&killed);
    assert_eq!(pictures(&killed).len(), 1);
    let known = db.write(&[keep(2, &record(1, "1", &jpeg(400)))]).unwrap();
    assert_eq!(known, [(Seq(2), Novelty::Known)]);
    assert!(db.body(Seq(1)).unwrap().is_some());
}

#[test]
fn a_picture_whose_row_never_came_does_no_harm() {
    let folder = Folder::new("orphan");
    let face = jpeg(700);
    let mut db = open(&folder);
    db.write(&[keep(1, &record(1, "1", &face))]).unwrap();
    Connection::open(folder.join("records.db"))
        .unwrap()
        .execute_batch("DELETE FROM records")
        .unwrap();
    let body = record(1, "1", &face);
    let written = db.write(&[keep(2, &body)]).unwrap();
    assert_eq!(written, [(Seq(2), Novelty::New)]);
    assert_eq!(db.body(Seq(2)).unwrap().unwrap(), body.as_bytes());
    assert_eq!(pictures(&folder).len(), 1);
}

#[test]
fn a_full_database_refuses_what_does_not_fit_and_goes_on_with_what_does() {
    let folder = Folder::new("full");
    let mut options = Options::new(folder.join("records.db"));
    options.max_bytes = Some(300_000);
    let db = Db::open(options).unwrap();
    let trouble = db.trouble();
    assert_eq!(trouble.words(), "");
    let (answers, answered) = mpsc::channel();
    let writer = Writer::start(db, move |inputs| {
        for input in inputs {
            answers.send(input).unwrap();
        }
    });
    let large = vec![b'x'; 400_000];
    writer.submit(keep(1, &record(1, "1", b"")));
    writer.submit(quarantine(2, &large));
    writer.submit(keep(3, &record(3, "1", b"")));
    let db = writer.stop();
    let answers: Vec<Input> = answered.iter().collect();
    assert!(
        matches!(answers[0], Input::Stored(Seq(1), Novelty::New)),
        "{answers:?}"
    );
    assert!(
        matches!(answers[1], Input::StoreFailed(Seq(2), StoreError::Full)),
        "{answers:?}"
    );
    assert!(
        matches!(answers[2], Input::Stored(Seq(3), Novelty::New)),
        "{answers:?}"
    );
    assert!(trouble.words().contains("full"), "{}", trouble.words());
    drop(db);
    assert_eq!(
        query(&folder, "SELECT id FROM records ORDER BY id"),
        ["1", "3"]
    );
    let mut db = open(&folder);
    assert_eq!(
        db.write(&[quarantine(4, &large)]).unwrap()[0].1,
        Novelty::New
    );
}

#[test]
fn a_store_that_broke_keeps_nothing_until_it_is_whole_again() {
    let folder = Folder::new("broken");
    let mut db = open(&folder);
    db.write(&[keep(1, &record(1, "1", b""))]).unwrap();
    let pictures = folder.join("records-pictures");
    std::fs::remove_dir_all(&pictures).unwrap();
    std::fs::write(&pictures, "in the way").unwrap();
    let op = keep(2, &record(2, "1", &jpeg(500)));
    for _ in 0..3 {
        assert_eq!(db.write(std::slice::from_ref(&op)), Err(StoreError::Broken));
    }
    assert!(db.next_seq().is_err());
    std::fs::remove_file(&pictures).unwrap();
    assert_eq!(db.write(&[op]).unwrap(), [(Seq(2), Novelty::New)]);
    assert_eq!(db.next_seq().unwrap(), Seq(3));
    assert_eq!(
        query(&folder, "SELECT id FROM records ORDER BY id"),
        ["1", "2"]
    );
}

#[test]
fn what_a_failed_write_has_kept_all_the_same_is_told() {
    let folder = Folder::new("unsettled");
    let mut db = open(&folder);
    let ops = [
        keep(1, &record(1, "1", b"")),
        quarantine(2, b"{"),
        keep(3, &record(3, "1", b"")),
    ];
    db.write(&ops[..2]).unwrap();
    let own = [(Seq(1), Novelty::New), (Seq(2), Novelty::New)];
    assert_eq!(db.settle(&ops).unwrap(), own);
    let again = [keep(4, &record(1, "1", b"")), quarantine(5, b"{")];
    let before = [(Seq(4), Novelty::Known), (Seq(5), Novelty::Known)];
    assert_eq!(db.settle(&again).unwrap(), before);
}

#[test]
fn a_database_that_is_damaged_while_open_is_not_written_to() {
    let folder = Folder::new("torn");
    let mut db = open(&folder);
    db.write(&[keep(1, &record(1, "1", b""))]).unwrap();
    drop(db);
    let mut db = open(&folder);
    let path = folder.join("records.db");
    let whole = std::fs::read(&path).unwrap();
    let torn: Vec<u8> = whole
        .iter()
        .take(8192)
        .copied()
        .chain(vec![0xa5; whole.len() - 8192])
        .collect();
    overwrite(&path, &torn);
    assert_eq!(
        db.write(&[keep(2, &record(2, "1", b""))]),
        Err(StoreError::Broken)
    );
    assert_eq!(std::fs::read(&path).unwrap(), torn);
    overwrite(&path, &whole);
    let written = db.write(&[keep(2, &record(2, "1", b""))]).unwrap();
    assert_eq!(written, [(Seq(2), Novelty::New)]);
}

#[test]
fn a_tool_that_holds_the_database_only_delays() {
    let folder = Folder::new("busy");
    let mut db = open(&folder);
    let tool = Connection::open(folder.join("records.db")).unwrap();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(
        db.write(&[keep(1, &record(1, "1", b""))]),
        Err(StoreError::Busy)
    );
    tool.execute_batch("COMMIT").unwrap();
    assert_eq!(
        db.write(&[keep(1, &record(1, "1", b""))]).unwrap()[0].1,
        Novelty::New
    );
}

#[test]
//= docs/spec/face-record-push.md#duplicates
//# The journal MUST give an application the entries after its cursor, in their order and without a
//# hole.
fn the_writer_answers_everything_in_order() {
    let folder = Folder::new("writer");
    let (answers, answered) = mpsc::channel();
    let writer = Writer::start(open(&folder), move |inputs| answers.send(inputs).unwrap());
    let ops: Vec<Op> = (1..=500)
        .map(|n| keep(n, &record(n, "1", &unlike(n, 100))))
        .collect();
    for op in ops {
        writer.submit(op);
    }
    drop(writer);
    let batches: Vec<Vec<Input>> = answered.iter().collect();
    let seqs: Vec<u64> = batches.iter().flatten().map(stored).collect();
    assert_eq!(seqs, (1..=500).collect::<Vec<_>>());
    assert!(batches.len() < 250, "{} transactions", batches.len());
    assert_eq!(
        query(
            &folder,
            "SELECT count(*), count(DISTINCT picture) FROM records"
        ),
        ["500|500"]
    );
}

#[test]
fn the_sqlite_shell_reads_what_is_written_while_it_is_written() {
    if !is_there(version("sqlite3")) {
        return;
    }
    let folder = Folder::new("shell");
    let mut db = open(&folder);
    db.write(&[keep(1, &record(1, "1", b""))]).unwrap();
    let output = Command::new("sqlite3")
        .arg(folder.join("records.db"))
        .arg("SELECT user_name, recognized_at FROM readable; PRAGMA integrity_check;")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "样例小明|2022-08-16T04:57:47.000Z\nok\n");
    assert_eq!(
        db.write(&[keep(2, &record(2, "1", b""))]).unwrap()[0].1,
        Novelty::New
    );
}

fn version(program: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("--version");
    command
}

fn open(folder: &Folder) -> Db {
    Db::open(Options::new(folder.join("records.db"))).unwrap()
}

/// What the machine asks for when this body comes from terminal S.
fn keep(seq: u64, body: &str) -> Op {
    keep_from("S", seq, body)
}

fn keep_from(serial: &str, seq: u64, body: &str) -> Op {
    let push = Push::decode(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let mut platform = Platform::new(Config::new(1), Seq(seq));
    let serial = SerialNumber::new(serial);
    platform
        .import(drive::clock::now(), UnixMillis(5_000), serial, push)
        .unwrap();
    op_of(&mut platform)
}

fn quarantine(seq: u64, raw: &[u8]) -> Op {
    use face_record_push::ExchangeId;
    use face_record_push::platform::{Head, LinkId};
    let mut platform = Platform::new(Config::new(1), Seq(seq));
    let (now, id) = (drive::clock::now(), ExchangeId(1));
    let head = Head::post(LinkId(1), "192.0.2.7", "/Record");
    platform.handle_input(now, Input::Connected(id, head));
    assert!(matches!(platform.poll_output(), Some(Output::Continue(..))));
    let error = Push::decode(Bytes::copy_from_slice(raw)).unwrap_err();
    platform.handle_input(now, Input::Garbled(UnixMillis(5_000), id, error));
    op_of(&mut platform)
}

fn op_of(platform: &mut Platform) -> Op {
    match platform.poll_output() {
        Some(Output::Store(op)) => op,
        output => panic!("{output:?}"),
    }
}

fn stored(input: &Input) -> u64 {
    match input {
        Input::Stored(seq, Novelty::New) => seq.0,
        input => panic!("{input:?}"),
    }
}

/// The database and its log, without the lock.
fn files_of_db(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let names = ["records.db", "records.db-wal"];
    let file = |name: &str| (name.to_owned(), std::fs::read(folder.join(name)).unwrap());
    names.into_iter().map(file).collect()
}

/// Changes a file in place, as a failing disk does.
fn overwrite(path: &str, content: &[u8]) {
    use std::io::Write as _;
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all(content).unwrap();
}
