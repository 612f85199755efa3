//! The account of a terminal's API, and its tokens.

use crate::kit::{Folder, PATIENCE};
use crate::kit_face::base64;
use crate::{base, terminal};
use drive::clock;
use drive::face::receiver::ReceiverOptions;
use drive::face::terminal::{TerminalHandle, spawn_terminal};
use drive::http::{Call, Caller, Dialing, Place};
use drive::records;
use face_record_push::Login;
use face_record_push::platform::Terminal;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SUBSCRIBE: &str = "/v1/event/subscribe";
const LOGIN: &str = "/v1/auth/login";
const PASSWORD: &str = "open:sesame 密码";

#[tokio::test]
//= docs/spec/face-record-push.md#subscription
//# A terminal with an account MUST answer with code 401 whatever comes without that account or a live
//# token, except for a login.
async fn only_who_knows_the_account_is_let_in() {
    let folder = Folder::new("enrol-account");
    let (terminal, _) = guarded(&folder).await;
    let api = terminal.api().unwrap();
    let change = r#"{"event_dest":"http://127.0.0.1:9/Record"}"#;
    let strangers = [
        None,
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Bearer {}", "0".repeat(64))),
        Some(basic("admin", "wrong")),
        Some(basic("wrong", PASSWORD)),
        Some("Basic %%%".to_owned()),
        Some(format!("Digest {}", base64(PASSWORD.as_bytes()))),
    ];
    for stranger in &strangers {
        for (method, path, body) in [
            ("GET", SUBSCRIBE, ""),
            ("POST", SUBSCRIBE, change),
            ("DELETE", SUBSCRIBE, ""),
            ("GET", "/v1/elsewhere", ""),
        ] {
            let (status, reply) = ask(api, method, path, stranger.as_deref(), body).await;
            assert_eq!((status, &reply["code"]), (401, &json!(401)), "{stranger:?}");
            assert_eq!(reply["data"], Value::Null);
        }
    }
    let token = bearer(&log_in(api, PASSWORD, 5).await);
    for known in [&token, &basic("admin", PASSWORD)] {
        let (status, reply) = ask(api, "GET", SUBSCRIBE, Some(known), "").await;
        let data = json!({"event_dest": "", "enabled": true});
        assert_eq!(
            (status, &reply["data"]),
            (200, &data),
            "nothing was changed"
        );
        let elsewhere = ask(api, "GET", "/v1/elsewhere", Some(known), "").await;
        assert_eq!(elsewhere.0, 404);
    }
    let changed = ask(api, "POST", SUBSCRIBE, Some(&token), change).await;
    assert_eq!(changed.0, 200);
    terminal.stop().await;
}

#[tokio::test]
async fn a_login_that_is_wrong_buys_nothing() {
    let folder = Folder::new("enrol-login");
    let (terminal, _) = guarded(&folder).await;
    let api = terminal.api().unwrap();
    for (body, code) in [
        (json!({"username": "admin", "password": "wrong"}), 401),
        (json!({"username": "wrong", "password": PASSWORD}), 401),
        (json!({"username": "admin"}), 401),
        (json!({}), 401),
        (json!([]), 400),
        (json!({"padding": "x".repeat(70_000)}), 400),
    ] {
        let (status, reply) = ask(api, "POST", LOGIN, None, &body.to_string()).await;
        assert_eq!((status, &reply["code"]), (code, &json!(code)));
        assert_eq!(reply["data"], Value::Null);
    }
    assert_eq!(ask(api, "GET", LOGIN, None, "").await.0, 405);
    terminal.stop().await;

    let mut options = crate::terminal(&Folder::new("enrol-no-account"), 0);
    options.api = Some(([127, 0, 0, 1], 0).into());
    let open = spawn_terminal(options).await.unwrap();
    let body = json!({"username": "admin", "password": PASSWORD}).to_string();
    let (status, reply) = ask(open.api().unwrap(), "POST", LOGIN, None, &body).await;
    assert_eq!((status, &reply["code"]), (404, &json!(404)));
    open.stop().await;
}

#[tokio::test]
//= docs/spec/face-record-push.md#subscription
//# A token MUST expire after the time that its login asks for, of at least one minute and at most
//# 1440.
async fn a_token_expires() {
    let folder = Folder::new("enrol-expired");
    let (terminal, clock) = guarded(&folder).await;
    let api = terminal.api().unwrap();
    for (asked, minutes) in [
        (json!(5), 5),
        (Value::Null, 5),
        (json!(0), 1),
        (json!(1440), 1440),
        (json!(9999), 1440),
    ] {
        let body = json!({"username": "admin", "password": PASSWORD, "validTime": asked});
        let (_, reply) = ask(api, "POST", LOGIN, None, &body.to_string()).await;
        let token = bearer(reply["data"]["token"].as_str().unwrap());
        clock.fetch_add(minutes * 60 - 1, Ordering::SeqCst);
        let before = ask(api, "GET", SUBSCRIBE, Some(&token), "").await;
        assert_eq!(before.0, 200, "{asked}");
        clock.fetch_add(1, Ordering::SeqCst);
        let after = ask(api, "GET", SUBSCRIBE, Some(&token), "").await;
        assert_eq!(after.0, 401, "{asked}");
    }
    terminal.stop().await;
}

#[tokio::test]
async fn no_more_than_64_tokens_live_at_a_time() {
    let folder = Folder::new("enrol-tokens");
    let (terminal, _) = guarded(&folder).await;
    let api = terminal.api().unwrap();
    let mut tokens = Vec::new();
    for _ in 0..65 {
        tokens.push(log_in(api, PASSWORD, 5).await);
    }
    for (token, status) in [(&tokens[0], 401), (&tokens[1], 200), (&tokens[64], 200)] {
        let answer = ask(api, "GET", SUBSCRIBE, Some(&bearer(token)), "").await;
        assert_eq!(answer.0, status);
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 65);
    terminal.stop().await;
}

#[test]
fn options_do_not_show_accounts() {
    let folder = Folder::new("enrol-debug");
    let account = Login::new("admin", PASSWORD);
    let mut of_terminal = terminal(&folder, 0);
    of_terminal.api_account = Some(account.clone());
    let records = records::Options::new(folder.join("records.db"));
    let mut of_receiver = ReceiverOptions::new(([127, 0, 0, 1], 0).into(), records);
    let enrolled = Terminal::new(base(([127, 0, 0, 1], 8000).into())).with_login(account.clone());
    of_receiver.terminals = vec![enrolled.clone()];
    let shown = format!("{of_terminal:#?} {of_receiver:#?} {enrolled:#?} {account:?}");
    assert!(
        !shown.contains("sesame") && !shown.contains("admin"),
        "{shown}"
    );
}

/// A terminal with an account, and the seconds by which the clock of its API is ahead.
async fn guarded(folder: &Folder) -> (TerminalHandle, Arc<AtomicU64>) {
    let mut options = terminal(folder, 0);
    options.api = Some(([127, 0, 0, 1], 0).into());
    options.api_account = Some(Login::new("admin", PASSWORD));
    let ahead = Arc::new(AtomicU64::new(0));
    let (start, seconds) = (clock::now(), Arc::clone(&ahead));
    options.api_clock =
        Arc::new(move || start + Duration::from_secs(seconds.load(Ordering::SeqCst)));
    (spawn_terminal(options).await.unwrap(), ahead)
}

async fn log_in(api: SocketAddr, password: &str, minutes: u64) -> String {
    let body = json!({"username": "admin", "password": password, "validTime": minutes});
    let (status, reply) = ask(api, "POST", LOGIN, None, &body.to_string()).await;
    assert_eq!((status, &reply["code"]), (200, &json!(200)));
    reply["data"]["token"].as_str().unwrap().to_owned()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

async fn ask(
    api: SocketAddr,
    method: &str,
    path: &str,
    authorization: Option<&str>,
    body: &str,
) -> (u16, Value) {
    let place = Place {
        is_tls: false,
        host: api.ip().to_string(),
        port: api.port(),
    };
    let authorization = authorization.map(|value| ("authorization", value.to_owned()));
    let call = Call {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: authorization.into_iter().collect(),
        body: vec![body.to_owned().into()],
    };
    let mut caller = Caller::new(Dialing::default()).unwrap();
    let reply = caller.exchange(&place, call, PATIENCE).await.unwrap();
    let json = serde_json::from_slice(&reply.body);
    (reply.status, json.unwrap())
}
