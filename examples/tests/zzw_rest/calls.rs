//! What each call does and answers.

use crate::kit_zzw::{Answer, Caller, Guest, ask, until};
use crate::{encoded, start};
use serde_json::json;

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
        let is_gone = async || ask(rest, "GET", &path, "").await.json()["status"] == "offline";
        until(alias, is_gone).await;
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
