//! REST on port 9900: every call of the document, with tokens, aliases and bodies of every kind.

#![allow(clippy::disallowed_methods, reason = "a rate is one of the clock")]

mod kit_zzw;

use drive::zzw::server::Server;
use kit_zzw::{Answer, Caller, Guest, KEY, ask, exchange, serve};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Instant;
use xtea_token::v2::{MacKey, Request, Scope, Ticket};
use xtea_token::{Accept, Claim, Key, TokenFormat, UnixMillis, UnixSeconds};
use zzw_push_proto::platform::Rate;

/// Method and path of every call, without the token.
const CALLS: [(&str, &str); 7] = [
    ("POST", "/push"),
    ("GET", "/info"),
    ("GET", "/info/servers"),
    ("GET", "/servers"),
    ("GET", "/info/status/m_2"),
    ("GET", "/info/allChannelAlias/1"),
    ("GET", "/info/allSocketIOAlias/1"),
];

const PUBLISH: &str =
    r#"{"t":6,"method":"publish_to_alias","alias":["m_2"],"msg":"你好","num":"7"}"#;

#[tokio::test]
async fn a_message_is_pushed_to_aliases_and_to_channels() {
    let (server, rest, token) = start().await;
    let mut listener = Caller::bound(&server, "m_2").await;
    let topics = json!({"t": 2, "topic": ["小区"], "num": "1"});
    assert_eq!(listener.asks(&topics).await, json!({"t": -2, "num": "1"}));
    let forms = [
        (
            json!({"t": 6, "method": "publish_to_alias", "alias": ["m_2"], "msg": "一", "opts": {"time_to_live": 60}, "num": "1511857665"}),
            json!({"t": -6, "num": "1511857665"}),
        ),
        (
            json!({"t": 6, "method": "publish", "topic": ["小区"], "msg": "二", "opts": {}, "num": 2}),
            json!({"t": -6, "num": 2}),
        ),
        (
            json!({"method": "publish", "topic": "小区", "msg": {"三": [3]}}),
            json!({"t": -6}),
        ),
    ];
    for (request, answer) in forms {
        let pushed = ask(rest, "POST", &format!("/push/{token}"), request.to_string()).await;
        assert_eq!((pushed.status, pushed.json()), (200, answer));
        let pushed = listener.hears().await;
        assert_eq!((&pushed["t"], &pushed["alias"]), (&json!(5), &json!("m_2")));
        assert_eq!(pushed["msg"], request["msg"]);
    }
}

#[tokio::test]
async fn a_push_that_lacks_something_is_answered_with_its_number() {
    let (_server, rest, token) = start().await;
    let push = format!("/push/{token}");
    for (body, status, code) in [
        (r#"{"t":6,"method":"publish","num":"9"}"#, 200, "missing"),
        (
            r#"{"t":6,"method":"publish","topic":[],"msg":"a","num":"9"}"#,
            200,
            "missing",
        ),
        (
            r#"{"t":6,"method":"publish","topic":["a"],"num":"9"}"#,
            200,
            "missing",
        ),
        (r#"{"t":1,"alias":"a","num":"9"}"#, 200, "garbled"),
        (
            r#"{"t":6,"method":"publish","topic":["a"],"msg":"a","opts":{"time_to_live":-1},"num":"9"}"#,
            200,
            "garbled",
        ),
    ] {
        let answer = ask(rest, "POST", &push, body).await;
        let said = answer.json();
        assert_eq!(
            (answer.status, &said["t"], &said["num"]),
            (status, &json!(0), &json!("9")),
            "{body}: {said}"
        );
        assert!(said["error"].is_string(), "{said}");
        let known = [code, "unknown_type"];
        assert!(
            known.contains(&said["code"].as_str().unwrap()),
            "{body}: {said}"
        );
    }
    let missing = ask(rest, "POST", &push, r#"{"t":6}"#).await;
    assert_eq!(missing.json()["error"], "参数不全");
    for body in ["", "[]", "null", "{", "\u{fffd}\0"] {
        let answer = ask(rest, "POST", &push, body).await;
        assert_eq!(answer.json()["t"], 0, "{body:?}: {}", answer.text());
    }
    let gbk = [
        br#"{"t":6,"method":"publish","topic":["a"],"msg":""#.as_slice(),
        &[0xc4, 0xe3],
        br#""}"#,
    ]
    .concat();
    let answer = ask(rest, "POST", &push, gbk).await;
    assert_eq!(answer.json()["code"], "garbled", "{}", answer.text());
}

#[tokio::test]
async fn the_cluster_tells_how_many_links_there_are() {
    let (server, rest, token) = start().await;
    let info = format!("/info/{token}");
    let sizes = |answer: Answer| answer.json()["127.0.0.1"].clone();
    let counts = |web: u64, channel: u64| json!({"webSocketSize": web, "channelSize": channel, "onlineAllSize": web + channel, "socketIOSize": 0});
    assert_eq!(sizes(ask(rest, "GET", &info, "").await), counts(0, 0));
    let _one = Caller::bound(&server, "m_2").await;
    let mut two = Caller::dial(&server).await;
    // Once it is answered, it is there.
    two.asks(&json!({"t": 1})).await;
    let _camera = Guest::enter(&server, "/capture-1-2-3/0").await;
    assert_eq!(sizes(ask(rest, "GET", &info, "").await), counts(1, 2));
}

#[tokio::test]
async fn the_server_with_least_to_do_is_told_with_its_ports() {
    let (server, rest, token) = start().await;
    let at = server.addresses();
    let wanted = json!({
        "service": {"rest": at.rest.port(), "webSocket": at.relay.port(), "socket": at.socketio.port(), "push": at.push.port()},
        "host": "127.0.0.1",
    });
    for path in ["/info/servers", "/servers"] {
        let answer = ask(rest, "GET", &format!("{path}/{token}"), "").await;
        assert_eq!((answer.status, answer.json()), (200, wanted.clone()));
        assert!(
            answer
                .head
                .to_lowercase()
                .contains("\r\ncontent-type: application/json; charset=utf-8\r\n"),
            "{}",
            answer.head
        );
    }
}

#[tokio::test]
//= docs/spec/zzw-push-proto.md#rest
//# A segment MUST be percent-decoded exactly once, as UTF-8.
async fn the_status_of_any_alias_is_told_however_it_is_spelt() {
    let (server, rest, token) = start().await;
    let long = "长".repeat(42) + "ab"; // 128 bytes
    let names = [
        ("servers", "servers"),
        ("status", "status"),
        ("100%", "100%25"),
        ("100%", "100%"),
        ("%2F", "%252F"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("小明😀", "%E5%B0%8F%E6%98%8E%F0%9F%98%80"),
        (&long, &encoded(&long)),
    ];
    for (alias, segment) in names {
        let path = format!("/info/status/{segment}/{token}");
        let status = ask(rest, "GET", &path, "").await;
        let known = status.json()["status"].clone();
        assert_eq!((status.status, known), (200, json!("offline")), "{alias}");
        let mut caller = Caller::bound(&server, alias).await;
        caller
            .asks(&json!({"t": 2, "topic": ["m_2", "c_2"], "num": ""}))
            .await;
        let status = ask(rest, "GET", &path, "").await;
        assert_eq!(
            status.json(),
            json!({"list": ["c_2", "m_2"], "status": "online"}),
            "{alias}"
        );
        let clear = json!({"t": 2, "topic": [], "untopic": ["m_2", "c_2"], "num": ""});
        assert_eq!(caller.asks(&clear).await["t"], -2);
        drop(caller);
        while ask(rest, "GET", &path, "").await.json()["status"] != "offline" {}
    }
    // Nobody can have these.
    let long = "a".repeat(129);
    for (segment, why) in [
        ("a%2Fb", "garbled"),
        (&*long, "too_large"),
        ("%0a", "garbled"),
    ] {
        let answer = ask(rest, "GET", &format!("/info/status/{segment}/{token}"), "").await;
        let said = answer.json();
        let wanted = (200, &json!(0), &json!(why));
        assert_eq!(
            (answer.status, &said["t"], &said["code"]),
            wanted,
            "{segment}"
        );
    }
    let broken = ask(rest, "GET", &format!("/info/status/%ff/{token}"), "").await;
    assert_eq!((broken.status, &broken.json()["t"]), (400, &json!(0)));
}

#[tokio::test]
async fn lists_of_aliases_come_in_pages() {
    let (server, rest, token) = start().await;
    let mut callers = Vec::new();
    for number in 0..120 {
        callers.push(Caller::bound(&server, &format!("别名{number:03}")).await);
    }
    let names = |from: usize, to: usize| -> Vec<String> {
        (from..to)
            .map(|number| format!("别名{number:03}"))
            .collect()
    };
    for (page, from, to) in [
        ("1", 0, 100),
        ("2", 100, 120),
        ("3", 120, 120),
        ("4294967295", 120, 120),
        ("1-7", 0, 7),
        ("3-50", 100, 120),
        ("0", 0, 100),
        ("-1", 0, 100),
        ("x", 0, 100),
        ("%31", 0, 100),
        ("99999999999999999999", 0, 100),
        ("", 0, 100),
    ] {
        let answer = ask(
            rest,
            "GET",
            &format!("/info/allChannelAlias/{page}/{token}"),
            "",
        )
        .await;
        assert_eq!(
            answer.json(),
            json!({"total": 120, "list": names(from, to)}),
            "page {page}"
        );
    }
    let answer = ask(
        rest,
        "GET",
        &format!("/info/allSocketIOAlias/1/{token}"),
        "",
    )
    .await;
    assert_eq!(answer.json(), json!({"total": 0, "list": []}));
}

#[tokio::test]
//= docs/spec/zzw-push-proto.md#permission
//# A call without a valid token MUST be answered with status 401 and do nothing.
async fn no_call_is_done_without_a_valid_token() {
    let (_server, rest, token) = start().await;
    let now = drive::cli::now().0;
    let key = Key::from_hex(KEY).unwrap();
    let foreign = Key::from_hex("ff0102030405060708090a0b0c0d0e0f").unwrap();
    let issue = |key: &Key, at| {
        let claim = Claim::At(UnixMillis(at));
        TokenFormat::LEGACY
            .issue(key, claim)
            .unwrap()
            .as_str()
            .to_owned()
    };
    let mut changed = token.clone().into_bytes();
    changed[5] ^= 1;
    let bad = [
        ("expired", issue(&key, now - 301_000)),
        ("not yet valid", issue(&key, now + 400_000)),
        ("foreign", issue(&foreign, now)),
        ("changed", String::from_utf8(changed).unwrap()),
        ("cut", token[..16].to_owned()),
        ("doubled", format!("{token}{token}")),
        ("a word", "servers".to_owned()),
        ("v2", "v2.AAAA.BBBB".to_owned()),
        ("empty", String::new()),
        ("too long", "0".repeat(513)),
        ("Chinese", "%E4%BB%A4%E7%89%8C".to_owned()),
        ("with a zero", "%00".to_owned()),
    ];
    for (method, path) in CALLS {
        for (what, token) in &bad {
            let answer = ask(rest, method, &format!("{path}/{token}"), PUBLISH).await;
            let said = answer.json();
            assert_eq!(
                (answer.status, &said["t"], &said["code"]),
                (401, &json!(0), &json!("token")),
                "{what} for {path}: {said}"
            );
        }
        let answer = ask(rest, method, &format!("{path}/{token}"), PUBLISH).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        // Percent-encoded once, as any segment may be.
        let encoded = encoded(&token);
        let answer = ask(
            rest,
            method,
            &format!("{path}/{encoded}?{token}#x"),
            PUBLISH,
        )
        .await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let answer = ask(rest, "POST", "/push/servers", PUBLISH).await;
    assert_eq!(
        answer.json()["num"],
        "7",
        "a refusal repeats the number: {}",
        answer.text()
    );
}

#[tokio::test]
async fn while_keys_are_changed_tokens_of_the_old_one_are_taken() {
    let old = Key::from_hex("ff0102030405060708090a0b0c0d0e0f").unwrap();
    let server = serve(|options| {
        options
            .keys
            .xtea
            .push(Key::from_hex("ff0102030405060708090a0b0c0d0e0f").unwrap());
        options
            .keys
            .formats
            .push(TokenFormat::preset("legacy-seconds").unwrap());
    })
    .await;
    let rest = server.addresses().rest;
    let now = drive::cli::now();
    let seconds = TokenFormat::preset("legacy-seconds").unwrap();
    let tokens = [
        TokenFormat::LEGACY.issue(&old, Claim::At(now)).unwrap(),
        seconds
            .issue(&old, Claim::AtSeconds(UnixSeconds(now.0 / 1000)))
            .unwrap(),
    ];
    for token in tokens {
        let answer = ask(rest, "GET", &format!("/info/{}", token.as_str()), "").await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn a_bound_token_is_for_one_request_and_taken_once() {
    let server = serve(|options| options.keys.mac = vec![mac_key()]).await;
    let rest = server.addresses().rest;
    let now = UnixSeconds(drive::cli::now().0 / 1000);
    let ticket = |scope, nonce| Ticket::new(scope, now, UnixSeconds(now.0 + 300), [nonce; 8]);
    let bound = |method: &str, path: &str, body: &str, scope, nonce| {
        let request = Request::new(method, path, sha256(body), scope);
        let token = mac_key().issue_bound(&ticket(scope, nonce), &request);
        token.unwrap().as_str().to_owned()
    };
    let good = bound("POST", "/push", PUBLISH, Scope::PUBLISH, 1);
    for status in [200, 401, 401] {
        let answer = ask(rest, "POST", &format!("/push/{good}"), PUBLISH).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let changed = PUBLISH.replace("你好", "开门");
    let unbound = mac_key().issue_unbound(&ticket(Scope::PUBLISH, 2)).unwrap();
    let foreign = MacKey::new(7, [9; 32]);
    let request = Request::new("POST", "/push", sha256(PUBLISH), Scope::PUBLISH);
    let refused = [
        (
            "another body",
            bound("POST", "/push", &changed, Scope::PUBLISH, 3),
        ),
        (
            "another path",
            bound("POST", "/info", PUBLISH, Scope::PUBLISH, 4),
        ),
        (
            "another method",
            bound("GET", "/push", PUBLISH, Scope::PUBLISH, 5),
        ),
        (
            "another scope",
            bound("POST", "/push", PUBLISH, Scope::INFO, 6),
        ),
        ("not bound", unbound.as_str().to_owned()),
        (
            "another key",
            foreign
                .issue_bound(&ticket(Scope::PUBLISH, 7), &request)
                .unwrap()
                .as_str()
                .to_owned(),
        ),
    ];
    for (what, token) in refused {
        let answer = ask(rest, "POST", &format!("/push/{token}"), PUBLISH).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (401, &json!("token")),
            "{what}"
        );
    }
    // What only reads may be asked again with one that is not bound, as far as its scope goes.
    for (scope, paths) in [
        (
            Scope::INFO,
            ["/info", "/info/servers", "/servers"].as_slice(),
        ),
        (Scope::STATUS, &["/info/status/m_2"]),
        (
            Scope::ALIAS_LISTS,
            &["/info/allChannelAlias/1", "/info/allSocketIOAlias/1"],
        ),
    ] {
        let token = mac_key().issue_unbound(&ticket(scope, 8)).unwrap();
        for (method, path) in CALLS.iter().filter(|(method, _)| *method == "GET") {
            for _ in 0..2 {
                let answer = ask(rest, method, &format!("{path}/{}", token.as_str()), "").await;
                let status = if paths.contains(path) { 200 } else { 401 };
                assert_eq!(answer.status, status, "{path}");
            }
        }
    }
    // Both generations are taken while clients move.
    let legacy = server.token().unwrap();
    assert_eq!(
        ask(rest, "GET", &format!("/info/{legacy}"), "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn where_only_authenticated_tokens_are_taken_others_are_not() {
    let server = serve(|options| {
        options.keys.mac = vec![mac_key()];
        options.keys.accept = Some(Accept::SecureOnly);
    })
    .await;
    let rest = server.addresses().rest;
    let key = Key::from_hex(KEY).unwrap();
    let legacy = TokenFormat::LEGACY
        .issue(&key, Claim::At(drive::cli::now()))
        .unwrap();
    let own = server.token().unwrap();
    assert!(own.starts_with("v2."));
    for (method, path) in CALLS {
        let answer = ask(
            rest,
            method,
            &format!("{path}/{}", legacy.as_str()),
            PUBLISH,
        )
        .await;
        assert_eq!(answer.status, 401, "{path}");
        // What the server tells at its start reads, and changes nothing.
        let answer = ask(rest, method, &format!("{path}/{own}"), PUBLISH).await;
        assert_eq!(
            answer.status,
            if method == "GET" { 200 } else { 401 },
            "{path}"
        );
    }
}

#[tokio::test]
//= docs/spec/zzw-push-proto.md#rest
//# The `Content-Type` of a posted publication MUST NOT matter.
async fn bodies_come_in_every_way_that_http_has() {
    let (server, rest, token) = start().await;
    let mut listener = Caller::bound(&server, "m_2").await;
    let length = PUBLISH.len();
    let (one, two) = PUBLISH.split_at(30);
    let requests = [
        format!("POST /push/{token} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{PUBLISH}"),
        format!(
            "POST /push/{token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:X};a=b\r\n{two}\r\n0\r\nX: y\r\n\r\n",
            one.len(),
            two.len()
        ),
        format!(
            "POST /push/{token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n{PUBLISH}"
        ),
        format!(
            "POST http://a:9900/push/{token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: text/plain; charset=gbk\r\nContent-Length: {length}\r\n\r\n{PUBLISH}"
        ),
        format!(
            "POST /push/{token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n\u{feff}{PUBLISH}",
            length + 3
        ),
    ];
    for request in requests {
        let answer = exchange(rest, &request).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"t": -6, "num": "7"})),
            "{request}"
        );
        assert_eq!(listener.hears().await["msg"], "你好", "{request}");
    }
    let answer = exchange(rest, format!("GET /info/{token} HTTP/1.0\r\n\r\n")).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn one_connection_may_carry_many_calls() {
    let (_server, rest, token) = start().await;
    let mut peer = kit_zzw::Raw::dial(rest).await;
    let asked = format!("GET /info/status/m_2/{token} HTTP/1.1\r\nHost: a\r\n\r\n");
    peer.say(asked.repeat(3)).await;
    peer.say(asked.replace("Host: a", "Host: a\r\nConnection: close"))
        .await;
    let answers = String::from_utf8(peer.rest().await).unwrap();
    let all = answers.matches(r#"{"list":[],"status":"offline"}"#).count();
    assert_eq!(all, 4, "{answers}");
}

#[tokio::test]
async fn a_body_has_at_most_64_kib() {
    let (_server, rest, token) = start().await;
    let push = format!("/push/{token}");
    let body = |length: usize| {
        let bare = r#"{"t":6,"method":"publish","topic":["a"],"msg":""}"#;
        bare.replace(
            r#""msg":"""#,
            &format!(r#""msg":"{}""#, "x".repeat(length - bare.len())),
        )
    };
    let answer = ask(rest, "POST", &push, body(64 << 10)).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"t": -6})));
    for length in [(64 << 10) + 1, 1 << 20] {
        let answer = ask(rest, "POST", &push, body(length)).await;
        let said = answer.json();
        assert_eq!(
            (answer.status, &said["t"], &said["code"]),
            (413, &json!(0), &json!("too_large"))
        );
    }
    let chunked = format!(
        "POST {push} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n11000\r\n{}\r\n0\r\n\r\n",
        body(0x11000)
    );
    assert_eq!(exchange(rest, chunked).await.status, 413);
}

#[tokio::test]
//= docs/spec/zzw-push-proto.md#rest
//# A path that is no call MUST be answered with status 404, a call by another method with 405, and
//# one that cannot be decoded with 400.
//= docs/spec/zzw-push-proto.md#rest
//# Every answer with another status than 200 MUST hold a failure in its body, because old clients
//# read nothing else.
async fn another_method_or_path_is_refused_with_a_failure() {
    let (_server, rest, token) = start().await;
    for (method, path) in CALLS {
        for wrong in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            if wrong != method {
                let answer = ask(rest, wrong, &format!("{path}/{token}"), "").await;
                let said = answer.json();
                assert_eq!(
                    (answer.status, &said["t"]),
                    (405, &json!(0)),
                    "{wrong} {path}"
                );
                let allow = format!("\r\nallow: {}\r\n", method.to_lowercase());
                assert!(
                    answer.head.to_lowercase().contains(&allow),
                    "{wrong} {path}: {}",
                    answer.head
                );
            }
        }
    }
    for path in [
        "",
        "/nothing",
        "/info/nothing",
        "/info/status",
        "/push/a/b",
        "/info/allChannelAlias",
        "/info/status/a/b/c",
    ] {
        let answer = ask(rest, "GET", &format!("{path}/{token}"), "").await;
        assert_eq!(
            (answer.status, &answer.json()["t"]),
            (404, &json!(0)),
            "{path}"
        );
    }
}

#[tokio::test]
//= docs/spec/zzw-push-proto.md#load
//# Calls of an address beyond `address_rate` MUST be answered with status 429.
async fn whoever_asks_too_often_is_told_to_wait() {
    let server = serve(|options| options.broker.address_rate = Rate::new(1, 5)).await;
    let (rest, token) = (server.addresses().rest, server.token().unwrap());
    let began = Instant::now();
    let mut done = 0;
    for number in 0..40 {
        let answer = ask(rest, "GET", &format!("/info/{token}"), "").await;
        match answer.status {
            200 => done += 1,
            status => {
                let said = answer.json();
                let wanted = (429, &json!(0), &json!("busy"));
                assert_eq!((status, &said["t"], &said["code"]), wanted);
            }
        }
        assert!(done > 0 && (number < 5 || done >= 5));
    }
    assert!(done <= 6 + began.elapsed().as_secs(), "{done} of 40");
}

async fn start() -> (Server, SocketAddr, String) {
    let server = serve(|_| {}).await;
    let (rest, token) = (server.addresses().rest, server.token().unwrap());
    (server, rest, token)
}

/// Every byte escaped.
fn encoded(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}

fn mac_key() -> MacKey {
    MacKey::new(7, [0x42; 32])
}

fn sha256(text: &str) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).into()
}
