//! What `face_receiver` owes to the disk, and what it does when the disk does not do its part.

mod kit;
mod kit_face;

use kit::{Folder, example, is_there};
use kit_face::{Receiver, Wire, is_acknowledged, pictures, query, record, unlike};
use std::process::Command;
use std::thread;

#[test]
fn a_picture_is_synced_before_its_row_and_the_row_before_the_answer() {
    let mut check = Command::new("strace");
    check.args(["-D", "-f", "-o", "/dev/null", "true"]);
    if !is_there(check) {
        return;
    }
    let folder = Folder::new("order");
    let trace = folder.join("trace");
    let mut command = Command::new("strace");
    command
        // The tracer stands aside: signals go to the receiver.
        .args(["-D", "-f", "-y", "-s", "16", "-o", &trace])
        .args(["-e", "trace=fsync,fdatasync,rename,write,writev,pwrite64,sendto"])
        .arg(example("face_receiver").get_program())
        .args(["--listen", "127.0.0.1:0", "--json"])
        .args(["--db", &folder.join("records.db")]);
    let receiver = Receiver::of(command);
    let mut wire = receiver.connect();
    for number in 1..=3 {
        let face = unlike(number, 2_000);
        assert!(is_acknowledged(&wire.post(record(number, "1", &face))));
    }
    // A picture that is there already, which its folder may not have kept yet.
    assert!(is_acknowledged(&wire.post(record(
        4,
        "1",
        &unlike(3, 2_000)
    ))));
    receiver.stop();
    let lines = ended(&trace);

    let is_answer = |line: &str| line.contains("\"HTTP/1.1 200 OK");
    let posts: Vec<&[String]> = lines.split(|line| is_answer(line)).collect();
    assert_eq!(posts.len(), 5, "{lines:#?}");
    for (number, post) in (1..).zip(&posts[..4]) {
        let place = |what: &str, of: &str| {
            let found = post
                .iter()
                .rposition(|line| line.contains(what) && line.contains(of));
            found.unwrap_or_else(|| panic!("{number}: no {what} of {of}: {post:#?}"))
        };
        let folder_synced = place("sync(", "records-pictures>");
        let row_written = place("pwrite64(", "records.db-wal>");
        let row_synced = place("sync(", "records.db-wal>");
        assert!(
            folder_synced < row_written && row_written < row_synced,
            "{post:#?}"
        );
        if number < 4 {
            let synced = place("sync(", "records-pictures/.new-");
            let renamed = place("rename(", "records-pictures/.new-");
            assert!(synced < renamed && renamed < folder_synced, "{post:#?}");
        }
    }
    assert_eq!(query(&folder, "SELECT count(*) FROM records"), ["4"]);
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let folder = Folder::new("killed");
    let mut acknowledged = 0_u64;
    for round in 1..=6_u64 {
        let receiver = Receiver::start(&folder, &[]);
        let address = receiver.address.clone();
        let from = acknowledged;
        let terminal = thread::spawn(move || {
            let mut acknowledged = from;
            let mut wire = Wire::to(&address);
            loop {
                let next = acknowledged + 1;
                let body = record(next, &next.to_string(), &unlike(next, 20_000));
                match wire.try_post("", body.as_bytes()) {
                    Ok(reply) if is_acknowledged(&reply) => acknowledged = next,
                    _ => return acknowledged,
                }
            }
        });
        // Some time within the next record or the one after.
        receiver
            .program
            .out
            .wait_for(usize::try_from(3 + round * 7 % 5).unwrap());
        receiver.program.kill();
        acknowledged = terminal.join().unwrap();
    }
    assert!(acknowledged > 12);
    let receiver = Receiver::start(&folder, &[]);
    let next = acknowledged + 1;
    // Perhaps it was kept, and only the answer was lost.
    let body = record(next, &next.to_string(), &unlike(next, 20_000));
    assert!(is_acknowledged(&receiver.post(body)));
    receiver.stop();
    let users = query(&folder, "SELECT user_id FROM records ORDER BY id");
    let expected: Vec<String> = (1..=next).map(|number| number.to_string()).collect();
    assert_eq!(users, expected);
    let files = pictures(&folder);
    for (number, hash) in (1..).zip(query(&folder, "SELECT picture FROM records ORDER BY id")) {
        assert!(
            files[&format!("{hash}.jpg")] == unlike(number, 20_000),
            "{number}"
        );
    }
    assert_eq!(query(&folder, "PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn a_full_database_puts_terminals_off_until_there_is_room() {
    let folder = Folder::new("no-room");
    let receiver = Receiver::start(&folder, &["--max-size", "1"]);
    let noise = |number: u64| {
        let mut body = vec![b'!'; 300_000];
        body[..8].copy_from_slice(&number.to_le_bytes());
        body
    };
    let replies: Vec<_> = (1..=5).map(|number| receiver.post(noise(number))).collect();
    assert!(is_acknowledged(&replies[0]), "{replies:?}");
    let last = replies.last().unwrap();
    assert_eq!(last.status, 503);
    assert!(last.head.contains("retry-after: 2\r\n"), "{}", last.head);
    assert!(last.body.contains(r#""code":503"#), "{}", last.body);
    receiver
        .program
        .err
        .line_with("store failed (database or disk is full)");
    receiver.stop();
    let receiver = Receiver::start(&folder, &[]);
    for number in 1..=5 {
        assert!(is_acknowledged(&receiver.post(noise(number))));
    }
    receiver.stop();
    assert_eq!(query(&folder, "SELECT count(*) FROM quarantine"), ["5"]);
}

#[test]
fn a_disk_that_fails_loses_nothing() {
    let folder = Folder::new("failing");
    let mut command = Command::new("sh");
    // Files end at 400 blocks of 512 bytes: writes beyond fail.
    let script = "trap '' XFSZ; ulimit -f 400; exec \"$@\"";
    let program = example("face_receiver");
    command
        .args(["-c", script, "sh"])
        .arg(program.get_program())
        .args([
            "--listen",
            "127.0.0.1:0",
            "--json",
            "--db",
            &folder.join("records.db"),
        ]);
    let receiver = Receiver::of(command);
    let body = |number: u64| {
        record(number, "1", &unlike(number, 2_000)).replace("样例小明", &"x".repeat(30_000))
    };
    let mut acknowledged = 0;
    let mut wire = receiver.connect();
    for number in 1..=30 {
        let reply = wire.post(body(number));
        if !is_acknowledged(&reply) {
            assert_eq!(reply.status, 503, "{reply:?}");
            break;
        }
        acknowledged = number;
    }
    assert!((1..30).contains(&acknowledged), "{acknowledged}");
    receiver.program.err.line_with("store failed (");
    receiver.program.kill();
    let receiver = Receiver::start(&folder, &[]);
    for number in acknowledged + 1..=30 {
        assert!(is_acknowledged(&receiver.post(body(number))));
    }
    receiver.stop();
    let times = query(
        &folder,
        "SELECT recognized_at / 1000 - 1660625866 FROM records ORDER BY id",
    );
    let expected: Vec<String> = (1..=30).map(|number| number.to_string()).collect();
    assert_eq!(times, expected);
    assert_eq!(query(&folder, "PRAGMA integrity_check"), ["ok"]);
}

/// The lines of a trace, once the program has ended in it.
fn ended(trace: &str) -> Vec<String> {
    let begun = drive::clock::now();
    loop {
        let text = std::fs::read_to_string(trace).unwrap();
        if text
            .lines()
            .last()
            .is_some_and(|line| line.contains("+++ exited with 0"))
        {
            return text.lines().map(str::to_owned).collect();
        }
        let waited = drive::clock::now().duration_since(begun);
        assert!(waited < kit::PATIENCE, "{text}");
        thread::yield_now();
    }
}
