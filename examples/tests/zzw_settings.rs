//! The configuration file of `zzw_server`.

use drive::zzw::server::{Options, Settings};
use xtea_token::Key;

const SAMPLE: &str = include_str!("../zzw_server.toml");

#[test]
fn the_sample_says_what_the_defaults_are() {
    let sample = Settings::parse(SAMPLE).unwrap().options(vec![key()]);
    let defaults = Options::new(key());
    assert_eq!(format!("{:#?}", sample.unwrap()), format!("{defaults:#?}"));
}

#[test]
fn a_file_that_says_nothing_changes_nothing() {
    let empty = Settings::parse("").unwrap().options(vec![key()]).unwrap();
    assert_eq!(format!("{empty:?}"), format!("{:?}", Options::new(key())));
}

#[test]
fn every_field_can_be_written_and_stands_in_the_sample() {
    let options = Options::new(key());
    let sections = [
        ("ports", format!("{:#?}", options.ports)),
        ("store", format!("{:#?}", options.store)),
        ("cluster", format!("{:#?}", options.cluster)),
        ("lease", format!("{:#?}", options.lease)),
        ("broker", format!("{:#?}", options.broker)),
        ("broker.rules", format!("{:#?}", options.broker.rules)),
        ("rooms", format!("{:#?}", options.rooms)),
        ("push", format!("{:#?}", options.push)),
        ("relay", format!("{:#?}", options.relay)),
        ("socketio", format!("{:#?}", options.socketio)),
    ];
    // What this node is called, and whether it is alone, is not the user's; the ports are told where they
    // are.
    let own = [
        "node",
        "host",
        "service",
        "seed",
        "rules",
        "lease",
        "has_others",
    ];
    for (section, shown) in sections {
        let (_, part) = SAMPLE.split_once(&format!("\n[{section}]\n")).unwrap();
        let part = part.split("\n[").next().unwrap();
        let fields: Vec<&str> = shown.lines().filter_map(field).collect();
        assert!(fields.len() > 2, "{section}: {shown}");
        for field in fields {
            if ["broker", "rooms"].contains(&section) && own.contains(&field) {
                continue;
            }
            let line = format!("\n{field} = ");
            let remark = format!("\n# {field} = ");
            let part = format!("\n{part}");
            assert!(
                part.contains(&line) || part.contains(&remark),
                "{section}: {field} is not in the sample"
            );
            // This is a value for nothing here, but a field that is there says so in other words.
            let error = Settings::parse(&format!("[{section}]\n{field} = [[]]")).unwrap_err();
            assert!(!error.contains("unknown field"), "{section}: {error}");
        }
    }
}

#[test]
fn what_is_written_is_taken() {
    let text = r#"
        bind = "::"
        advertise = "push.example.com"
        lenience = "strict"
        doors = "nobody"
        [ports]
        rest = 1
        admin = 2
        [keys]
        formats = ["legacy-seconds", "little-endian"]
        mac = ["7:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"]
        accept = "secure-only"
        max_age = "1h"
        [store]
        folder = "data"
        cap = 7
        reserve = "1GiB"
        [broker]
        window = 3
        window_bytes = 70000
        on_unacked = "park"
        link_timeout = "250ms"
        frame_rate = { per_second = 1, burst = 2 }
        bare_type7 = true
        client_token = "required"
        rules = { bind = "token", open_door = "token", pull = "deny", status = "ask" }
        [rooms]
        max_call = "2h"
        [relay]
        per_second = 5
        [socketio]
        delivery_event = "msg"
    "#;
    let options = Settings::parse(text).unwrap().options(vec![key()]).unwrap();
    let shown = format!("{options:?}");
    for part in [
        "bind: ::",
        r#"advertise: Some("push.example.com")"#,
        "lenience: Strict",
        "doors: Nobody",
        "rest: 1, socketio: 9906",
        "admin: Some(2)",
        "claims: UnixSeconds",
        "order: Little",
        "MacKey { id: 7",
        "accept: Some(SecureOnly)",
        "max_age: 3600s",
        r#"data: Some("data")"#,
        "cap: 7",
        "reserve: 1073741824",
        "window: 3, window_bytes: 70000",
        "on_unacked: Park",
        "link_timeout: 250ms",
        "frame_rate: Rate { per_second: 1, burst: 2 }",
        "bare_type7: true",
        "client_token: Required",
        "bind: Token(Scopes(16))",
        "open_door: Token(Scopes(64))",
        "pull: Deny",
        "status: Ask",
        "max_call: Some(7200s)",
        "per_second: 5",
        r#"delivery_event: "msg""#,
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
}

#[test]
fn an_error_names_line_and_key() {
    let cases = [
        ("bind = \"localhost\"", "line 1, bind: "),
        (
            "\n\nport = 1",
            "line 3, port: unknown field `port`, expected one of `bind`",
        ),
        ("[ports]\nrest = 70000", "line 2, rest: "),
        ("[ports]\nrest = \"9900\"", "line 2, rest: "),
        (
            "[broker]\n\nlink_timeout = 90",
            "line 3, link_timeout: invalid type: integer `90`, expected a time with its unit",
        ),
        ("[broker]\nmax_body = \"64kb\"", "line 2, max_body: "),
        ("[broker]\nmax_body = -1", "line 2, max_body: "),
        (
            "[broker]\nframe_rate = { per_second = 1 }",
            "line 2, frame_rate: missing field `burst`",
        ),
        (
            "[broker.rules]\nbind = \"maybe\"",
            "line 2, bind: unknown variant `maybe`, expected one of `allow`, `deny`, `token`, `ask`",
        ),
        ("[brokers]\nwindow = 1", "line 1: unknown field `brokers`"),
        ("[ports]\nrest = 1\nrest = 2", "line 3, rest: duplicate key"),
        ("[ports\nrest = 1", "line 1: "),
        ("bind 1", "line 1: "),
        ("bind = ", "line 1, bind: "),
    ];
    for (text, start) in cases {
        let error = Settings::parse(text).unwrap_err();
        assert!(error.starts_with(start), "{text:?}: {error}");
        assert!(!error.contains('\n'), "{text:?}: {error}");
    }
}

#[test]
fn no_error_shows_a_key() {
    let secret = "c0ffee00112233445566778899aabbcc";
    let texts = [
        format!("[keys]\nxtea = \"{secret}\""),
        format!("[keys]\nxtea = [{secret}]"),
        format!("[keys]\nxtea = [\"{secret}]"),
        format!("[keys]\nxtea = [12345678901234567890{secret}]"),
        "[keys]\nxtea = [1234567890123456]".to_owned(),
        format!("[keys]\nmac = \"1:{secret}\""),
        format!("[keys]\nxtea = [\"{secret}\"]\naccept = \"{secret}\""),
    ];
    for text in &texts {
        let error = Settings::parse(text).unwrap_err();
        let is_shown = error.contains("c0ffee") || error.contains("1234567890");
        assert!(error.contains("line ") && !is_shown, "{error}");
    }
    let texts = [
        format!("[keys]\nxtea = [\"{secret}00\"]"),
        format!("[keys]\nxtea = [\"{secret}\"]\nmac = [\"1:{secret}\"]"),
    ];
    for text in &texts {
        let settings = Settings::parse(text).unwrap();
        assert!(!format!("{settings:?}").contains("c0ffee"));
        let error = settings.options(Vec::new()).unwrap_err().to_string();
        assert!(
            error.contains("key 1") && !error.contains("c0ffee"),
            "{error}"
        );
    }
    let settings = Settings::parse(&format!("[keys]\nxtea = [\"{secret}\"]")).unwrap();
    let options = settings.options(Vec::new()).unwrap();
    assert!(!format!("{options:?}").contains("c0ffee"));
}

#[test]
fn keys_that_are_given_stand_for_those_of_the_file() {
    let text = "[keys]\nxtea = [\"0123456789abcdef\", \"fedcba9876543210\"]";
    let count = |given| {
        let settings = Settings::parse(text).unwrap();
        settings.options(given).unwrap().keys.xtea.len()
    };
    assert_eq!(count(Vec::new()), 2);
    assert_eq!(count(vec![key()]), 1);
}

/// The name of a field of the struct itself, as `Debug` shows it.
fn field(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("    ")
        .filter(|rest| !rest.starts_with(' '))?;
    rest.split_once(':').map(|(name, _)| name)
}

fn key() -> Key {
    Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap()
}
