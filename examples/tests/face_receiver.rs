//! `face_receiver` as a process, against sockets that behave like terminals, and worse.

mod kit;
mod kit_face;

use face_record_push::codec::{self, Identity};
use face_record_push::{Profile, Recognition, SerialNumber, UnixMillis};
use kit::{Folder, Program, example, is_there};
use kit_face::{
    Receiver, Wire, base64, is_acknowledged, jpeg, pictures, query, record, record_with, unlike,
};
use serde_json::Value;
use std::process::Command;
use std::thread;

#[test]
fn each_profile_is_kept_and_told_in_a_line() {
    let folder = Folder::new("profiles");
    let receiver = Receiver::start(&folder, &[]);
    let profiles = [
        Profile::V1_0,
        Profile::V1_1,
        Profile::V1_2,
        Profile::V1_2_1,
        Profile::V1_3,
    ];
    let mut wire = receiver.connect();
    for (number, profile) in (1..).zip(profiles) {
        let at = UnixMillis(1_660_625_866_000 + number * 1000);
        let mut recognition = Recognition::new("PS7", at);
        recognition.uuid = format!("uuid-{number}");
        let item = recognition.to_item(profile, Some(jpeg(500).into()));
        let mut body = Vec::new();
        codec::encode_push(&item, &mut body);
        let identity = Identity::new(profile, SerialNumber::new("PS7"));
        let mut headers = String::new();
        if let Some(kind) = codec::content_type(profile) {
            headers.extend(["content-type: ", kind, "\r\n"]);
        }
        for (name, value) in codec::push_headers(&identity, at) {
            headers.extend([name, ": ", &value, "\r\n"]);
        }
        let reply = wire.post_with(&headers, &body);
        assert!(is_acknowledged(&reply), "{profile:?}: {reply:?}");
    }
    receiver.program.out.wait_for(5);
    for (number, line) in (1..).zip(receiver.program.out.json()) {
        assert_eq!(line["id"], number);
        assert_eq!(line["device_sn"], "PS7");
        assert_eq!(line["recognized_at"], 1_660_625_866_000_i64 + number * 1000);
        assert_eq!(line["freshness"], "late");
        assert_eq!(line["actionable"], Value::Bool(false));
        assert_eq!(line["picture"], Value::Bool(true));
    }
    let counters = receiver.stop();
    assert!(
        counters.contains("kept=5 known=0 quarantined=0"),
        "{counters}"
    );
    let kept = query(
        &folder,
        "SELECT count(*), count(DISTINCT picture) FROM records",
    );
    assert_eq!(kept, ["5|1"]);
}

#[test]
fn an_alarm_without_a_serial_number_is_kept_under_that_of_the_head() {
    let folder = Folder::new("alarm");
    let receiver = Receiver::start(&folder, &[]);
    let raised = r#"{"type":1,"data":{"trace_id":"t","description":"d","code":10002,"event_time":1660625866123,"status":1}}"#;
    let released = raised.replace(r#""status":1"#, r#""status":3"#);
    for body in [raised, &released, raised] {
        assert!(is_acknowledged(
            &receiver.connect().post_with("sn: PS7\r\n", body)
        ));
    }
    assert!(is_acknowledged(&receiver.post(raised)));
    receiver.stop();
    let rows = query(
        &folder,
        "SELECT device_sn, alarm_code, alarm_status FROM records",
    );
    assert_eq!(rows, ["PS7|10002|1", "PS7|10002|3", "127.0.0.1|10002|1"]);
}

#[test]
fn whatever_a_body_says_it_is_it_is_taken() {
    let folder = Folder::new("types");
    let receiver = Receiver::start(&folder, &[]);
    let kinds = [
        "",
        "content-type: application/json\r\n",
        "content-type: text/plain; charset=gbk\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: multipart/form-data\r\n",
        "Content-Type:\r\n",
        "x-unknown: \u{1F600}\r\nuser-agent: \r\n",
    ];
    for (number, kind) in (1..).zip(kinds) {
        let reply = receiver.connect().post_with(kind, record(number, "1", b""));
        assert!(is_acknowledged(&reply), "{kind}: {reply:?}");
    }
    receiver.stop();
    assert_eq!(query(&folder, "SELECT count(*) FROM records"), ["7"]);
}

#[test]
fn spellings_of_text_and_pictures_come_through() {
    let folder = Folder::new("spellings");
    let receiver = Receiver::start(&folder, &[]);
    let face = jpeg(999);
    let escaped = base64(&face).replace('/', "\\/");
    let name = r"\u6837\u4f8b\/😀";
    let body = record_with(1, r#""9007199254740993""#, &escaped).replace("样例小明", name);
    assert!(is_acknowledged(&receiver.post(&body)));
    assert!(is_acknowledged(&receiver.post(record(
        2,
        "9007199254740993",
        &face
    ))));
    receiver.program.out.wait_for(2);
    let lines = receiver.program.out.json();
    assert_eq!(lines[0]["user_name"], "样例/😀");
    assert_eq!(lines[1]["user_name"], "样例小明");
    for line in lines {
        assert_eq!(line["user_id"], "9007199254740993");
    }
    receiver.stop();
    let rows = query(&folder, "SELECT user_name, user_id, picture FROM records");
    let (first, hash) = rows[0].rsplit_once('|').unwrap();
    assert_eq!(first, "样例/😀|9007199254740993");
    assert_eq!(rows[1], format!("样例小明|9007199254740993|{hash}"));
    assert_eq!(pictures(&folder)[&format!("{hash}.jpg")], face);
}

#[test]
fn every_way_to_send_a_body_is_understood() {
    let folder = Folder::new("ways");
    let receiver = Receiver::start(&folder, &[]);
    let bodies: Vec<String> = (1..=6).map(|n| record(n, "1", &unlike(n, 2_000))).collect();

    // In chunks.
    let mut wire = receiver.connect();
    wire.send("POST /Record HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    for chunk in bodies[0].as_bytes().chunks(700) {
        wire.send(format!("{:x}\r\n", chunk.len()))
            .send(chunk)
            .send("\r\n");
    }
    assert!(is_acknowledged(&wire.send("0\r\n\r\n").reply()));

    // On the same connection, after asking for leave.
    let length = bodies[1].len();
    let head = format!(
        "POST /Record HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    );
    let leave = wire.send(head).head().unwrap();
    assert!(leave.starts_with("HTTP/1.1 100 "), "{leave}");
    assert!(is_acknowledged(&wire.send(&bodies[1]).reply()));

    // Byte by byte at the beginning, and two in a row without waiting.
    let post = |body: &str| {
        let length = body.len();
        format!("POST /Record HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let both = post(&bodies[2]) + &post(&bodies[3]);
    let (slow, rest) = both.split_at(60);
    for byte in slow.bytes() {
        wire.send([byte]);
    }
    wire.send(rest);
    assert!(is_acknowledged(&wire.reply()));
    assert!(is_acknowledged(&wire.reply()));

    // HTTP/1.0, which closes, and HTTP/1.0 that keeps the connection.
    let length = bodies[4].len();
    let mut wire = receiver.connect();
    wire.send(format!(
        "POST /Record HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{}",
        bodies[4]
    ));
    assert!(is_acknowledged(&wire.reply()));
    assert_eq!(wire.rest(), b"");
    let mut wire = receiver.connect();
    let length = bodies[5].len();
    for _ in 0..2 {
        wire.send(format!(
            "POST /Record HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: {length}\r\n\r\n{}",
            bodies[5]
        ));
        assert!(is_acknowledged(&wire.reply()));
    }
    receiver.stop();
    assert_eq!(query(&folder, "SELECT count(*) FROM records"), ["6"]);
}

#[test]
fn large_bodies_are_taken_up_to_64_mib_and_no_further() {
    let folder = Folder::new("large");
    let receiver = Receiver::start(&folder, &[]);
    let large = record(1, "1", &unlike(1, 2_500_000));
    assert!(is_acknowledged(&receiver.post(&large)));
    let larger = record(2, "1", &unlike(2, 9 << 20));
    assert!(is_acknowledged(&receiver.post(&larger)));
    let larger = record(3, "1", &unlike(3, 9 << 20));
    let larger = format!("{:x}\r\n{larger}\r\n0\r\n\r\n", larger.len());
    let mut wire = receiver.connect();
    wire.send("POST /Record HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    wire.send(&larger);
    assert!(is_acknowledged(&wire.reply()));
    let mut wire = receiver.connect();
    wire.send("POST /Record HTTP/1.1\r\nhost: x\r\ncontent-length: 67108865\r\n\r\n");
    assert_eq!(wire.reply().status, 413);
    assert!(is_acknowledged(&receiver.post(record(4, "1", b""))));
    let counters = receiver.stop();
    assert!(
        counters.contains("kept=4 ") && counters.contains("refused=1 "),
        "{counters}"
    );
}

#[test]
fn a_heartbeat_is_answered_and_other_methods_are_not_allowed() {
    let folder = Folder::new("methods");
    let receiver = Receiver::start(&folder, &[]);
    let mut wire = receiver.connect();
    for path in ["/Record", "/", "/any?x=1"] {
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        let reply = wire.reply();
        assert_eq!((reply.status, &*reply.body), (200, "{}"));
    }
    wire.send("HEAD /Record HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(wire.head().unwrap().starts_with("HTTP/1.1 200 "));
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        wire.send(format!("{method} /Record HTTP/1.1\r\nhost: x\r\n\r\n"));
        let reply = wire.reply();
        assert_eq!(reply.status, 405, "{method}");
        assert!(
            reply.head.contains("allow: POST, GET, HEAD\r\n"),
            "{}",
            reply.head
        );
    }
    let counters = receiver.stop();
    assert!(counters.contains("heartbeats=4 refused=5"), "{counters}");
}

#[test]
fn what_cannot_be_read_is_acknowledged_and_kept_bit_for_bit() {
    let folder = Folder::new("garbage");
    let receiver = Receiver::start(&folder, &[]);
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let nested = [r#"{"type":0,"data":"#.as_bytes(), &deep, b"}"].concat();
    let comma = br#"{"type":1,"data":{"trace_id":"t","status":1,},}"#.to_vec();
    let cut = record(1, "1", &jpeg(300)).into_bytes()[..200].to_vec();
    let gbk = b"{\"type\":0,\"data\":{\"user\":{\"name\":\"\xd1\xf9\xc0\xfd\"}}}".to_vec();
    let any: Vec<u8> = (0..=255).collect();
    let bodies = [
        nested,
        deep,
        comma,
        cut,
        gbk,
        any,
        Vec::new(),
        b"null".to_vec(),
    ];
    for _ in 0..2 {
        for body in &bodies {
            let reply = receiver.post(body);
            assert!(is_acknowledged(&reply), "{reply:?}");
        }
    }
    let counters = receiver.stop();
    assert!(
        counters.contains("kept=0 known=8 quarantined=8"),
        "{counters}"
    );
    let kept: Vec<Vec<u8>> = rusqlite::Connection::open(folder.join("records.db"))
        .unwrap()
        .prepare("SELECT raw FROM quarantine ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(kept == bodies);
}

#[test]
fn a_record_is_kept_once_however_often_and_wherever_it_comes() {
    let folder = Folder::new("once");
    let receiver = Receiver::start(&folder, &[]);
    let body = record(1, "1", &jpeg(3_000));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut wire = receiver.connect();
                for _ in 0..10 {
                    // A third one that waits sends the oldest away, with 503.
                    assert!([200, 503].contains(&wire.post(&body).status));
                }
            });
        }
    });
    assert!(is_acknowledged(&receiver.post(&body)));
    receiver.program.kill();
    let receiver = Receiver::start(&folder, &[]);
    assert!(is_acknowledged(&receiver.post(&body)));
    let other = body.replace(r#""S""#, r#""T""#);
    assert!(is_acknowledged(&receiver.post(other)));
    let counters = receiver.stop();
    assert!(counters.contains("kept=1 known=1"), "{counters}");
    let rows = query(&folder, "SELECT device_sn FROM records ORDER BY id");
    assert_eq!(rows, ["S", "T"]);
}

#[test]
fn told_to_end_it_acknowledges_what_it_keeps_and_ends_well() {
    let folder = Folder::new("term");
    let receiver = Receiver::start(&folder, &[]);
    let posting = |terminal: u64, address: String| {
        let mut acknowledged = Vec::new();
        let mut wire = Wire::to(&address);
        for number in 1.. {
            let body = record(number, "1", &unlike(number, 8_000));
            let body = body.replace(r#""S""#, &format!(r#""S{terminal}""#));
            match wire.try_post("", body.as_bytes()) {
                Ok(reply) if is_acknowledged(&reply) => {
                    acknowledged.push(format!("S{terminal}|{}", 1_660_625_866 + number));
                }
                _ => break,
            }
        }
        acknowledged
    };
    let terminals: Vec<_> = (0..6)
        .map(|terminal| {
            let address = receiver.address.clone();
            thread::spawn(move || posting(terminal, address))
        })
        .collect();
    receiver.program.out.wait_for(60);
    let counters = receiver.stop();
    let joined = terminals
        .into_iter()
        .map(|terminal| terminal.join().unwrap());
    let acknowledged: Vec<String> = joined.flatten().collect();
    assert!(acknowledged.len() >= 60);
    let rows = query(
        &folder,
        "SELECT device_sn, recognized_at / 1000 FROM records",
    );
    for record in &acknowledged {
        assert!(
            rows.contains(record),
            "{record} was acknowledged; {counters}"
        );
    }
    assert!(!std::path::Path::new(&folder.join("records.db-wal")).exists());
}

#[test]
fn only_the_secret_path_and_listed_terminals_are_served() {
    let folder = Folder::new("secret");
    let args = ["--path", "/7f3a", "--serial", "S", "--serial", "T"];
    let receiver = Receiver::start(&folder, &args);
    assert_eq!(receiver.post(record(1, "1", b"")).status, 404);
    let post = |headers: &str, body: &str| {
        let length = body.len();
        let mut wire = receiver.connect();
        wire.send(format!(
            "POST /7f3a HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ));
        wire.reply().status
    };
    assert_eq!(post("", &record(1, "1", b"")), 200);
    assert_eq!(post("sn: U\r\n", &record(2, "1", b"")), 403);
    assert_eq!(post("sn: T\r\n", &record(3, "1", b"")), 200);
    let said = receiver.program.said();
    assert!(!said.contains("7f3a"), "{said}");
    let counters = receiver.stop();
    assert!(
        counters.contains("kept=1 known=0 quarantined=1"),
        "{counters}"
    );
    let why = query(&folder, "SELECT why FROM quarantine");
    assert_eq!(
        why,
        ["the serial number of the head is not that of the body"]
    );
}

#[test]
fn nobody_passes_because_the_receiver_was_asked() {
    let folder = Folder::new("asked");
    let receiver = Receiver::start(&folder, &[]);
    let question = r#"{"deviceSN":"S","recognizeStatus":4,"timestamp":1660625866}"#;
    let reply = receiver.post(question);
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains(r#""pass":false"#), "{}", reply.body);
    let counters = receiver.stop();
    assert!(
        counters.contains("kept=0 known=0 quarantined=0"),
        "{counters}"
    );
}

#[test]
fn half_a_body_holds_up_nobody_else() {
    let folder = Folder::new("half");
    let receiver = Receiver::start(&folder, &[]);
    let mut halves: Vec<Wire> = (0..40).map(|_| receiver.connect()).collect();
    for wire in &mut halves {
        wire.send("POST /Record HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n{\"type\":0,");
    }
    let mut wire = receiver.connect();
    for number in 1..=20 {
        assert!(is_acknowledged(&wire.post(record(number, "1", b""))));
    }
    drop(halves);
    assert!(is_acknowledged(&wire.post(record(21, "1", b""))));
    let counters = receiver.stop();
    assert!(counters.contains("kept=21 "), "{counters}");
}

#[test]
fn what_a_terminal_sends_breaks_no_line() {
    let folder = Folder::new("lines");
    let mut command = example("face_receiver");
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--db",
        &folder.join("records.db"),
    ]);
    let receiver = Receiver::of(command);
    let forged = r#"{"type":0,"data":{"deviceSN":"PS7\n9 PS8","timestamp":1660625866,
        "user":{"user_id":"1\r","name":"张三\u001b[2J"}}}"#;
    assert!(is_acknowledged(&receiver.post(forged)));
    receiver.program.out.wait_for(1);
    let expected = r"1 2022-08-16T04:57:46.000Z PS7\u{a}9 PS8 1\u{d} 张三\u{1b}[2J seen (late)";
    assert_eq!(receiver.program.out.lines(), [expected]);
    receiver.stop();
}

#[test]
fn what_cannot_work_is_said_at_the_start() {
    let folder = Folder::new("start");
    let receiver = Receiver::start(&folder, &[]);
    let db = folder.join("records.db");
    let foreign = folder.join("foreign.db");
    std::fs::write(&foreign, "dear diary").unwrap();
    let other = folder.join("other.db");
    let below = format!("{foreign}/records.db");
    let cases: [(&[&str], &str); 12] = [
        (
            &["--listen", &receiver.address, "--db", &other],
            "the port is taken",
        ),
        (
            &["--listen", "127.0.0.1:0", "--db", &foreign],
            "is no SQLite database",
        ),
        (
            &["--listen", "127.0.0.1:0", "--db", &db],
            "in use by another receiver",
        ),
        (&["--db", folder.path().to_str().unwrap()], "name a file"),
        (&["--db", &below], "name another"),
        (
            &["--db", &folder.join("new.db"), "--pictures", &foreign],
            "foreign.db: ",
        ),
        (&["--listen", "nowhere"], "an ip address and a port"),
        (&["--max-size", "0"], "0 is not in 1.."),
        (&["--max-size", "-1"], "invalid value '-1'"),
        (&["--path", "Record"], "a path begins with /"),
        (&["--cert", "x.pem"], "--key"),
        (
            &["--cert", "x.pem", "--key", "y.pem", "--db", &other],
            "x.pem",
        ),
    ];
    for (args, expected) in cases {
        let mut command = example("face_receiver");
        command.args(args);
        let mut program = Program::start(command);
        assert!(!program.finish().success(), "{args:?}");
        assert!(
            program.said().contains(expected),
            "{args:?}: {}",
            program.said()
        );
    }
    assert_eq!(std::fs::read(&foreign).unwrap(), b"dear diary");
    assert!(!std::path::Path::new(&other).exists());
    receiver.stop();
}

#[cfg(unix)]
#[test]
fn a_database_that_may_only_be_read_is_said_at_the_start() {
    let folder = Folder::new("read-only");
    Receiver::start(&folder, &[]).stop();
    for name in ["records.db", "records-pictures"] {
        let path = folder.path().join(name);
        let before = std::fs::metadata(&path).unwrap().permissions();
        let mut permissions = before.clone();
        permissions.set_readonly(true);
        std::fs::set_permissions(&path, permissions).unwrap();
        let is_superuser = if path.is_dir() {
            std::fs::write(path.join("probe"), "").is_ok()
        } else {
            std::fs::File::options().write(true).open(&path).is_ok()
        };
        if is_superuser {
            println!("skipped: permissions mean nothing to the superuser");
        } else {
            let mut command = example("face_receiver");
            command.args([
                "--listen",
                "127.0.0.1:0",
                "--db",
                &folder.join("records.db"),
            ]);
            let mut program = Program::start(command);
            assert_eq!(program.finish().code(), Some(1));
            let line = program.err.line_with("this user may not write there");
            assert!(line.contains(name), "{line}");
        }
        std::fs::set_permissions(&path, before).unwrap();
        // Nothing was left behind that keeps the next one from starting.
        Receiver::start(&folder, &[]).stop();
    }
}

#[test]
fn curl_pushes_over_tls() {
    let mut curl = Command::new("curl");
    curl.arg("--version");
    if !is_there(curl) {
        return;
    }
    let folder = Folder::new("tls");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let receiver = Receiver::start(&folder, &["--cert", &cert, "--key", &key]);
    let body = folder.join("body.json");
    std::fs::write(&body, record(1, "1", &jpeg(50_000))).unwrap();
    let output = Command::new("curl")
        .args([
            "-s",
            "-m",
            "20",
            "--cacert",
            &cert,
            "-d",
            &format!("@{body}"),
        ])
        .arg(format!("https://{}/Record", receiver.address))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with(r#"{"code":200"#), "{said}");
    receiver.stop();
    assert_eq!(query(&folder, "SELECT count(picture) FROM records"), ["1"]);
}
