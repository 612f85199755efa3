//! How calls come over HTTP, and how many at most.

use crate::kit_zzw::{Caller, Raw, ask, exchange, serve};
use crate::{CALLS, PUBLISH, start};
use serde_json::json;
use std::time::Instant;
use zzw_push_proto::platform::Rate;

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
    let mut peer = Raw::dial(rest).await;
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
