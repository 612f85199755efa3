//! Whose calls are done.

use crate::kit_zzw::{KEY, ask, serve};
use crate::{CALLS, PUBLISH, encoded, start};
use serde_json::json;
use xtea_token::v2::{MacKey, Request, Scope, Ticket};
use xtea_token::{Accept, Claim, Key, TokenFormat, UnixMillis, UnixSeconds};

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

fn mac_key() -> MacKey {
    MacKey::new(7, [0x42; 32])
}

fn sha256(text: &str) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).into()
}
