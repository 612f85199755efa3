//! The caller: one kept connection, and the right word for every way of not being answered.

#[path = "http/kit.rs"]
mod kit;
#[path = "http/script.rs"]
mod script;

use bytes::Bytes;
use drive::http::{Call, CallError, Caller, Dialing, Limits, Place, Reply};
use kit::{Receiver, body, millis, patient, until};
use script::{Scripted, Step};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

#[tokio::test]
async fn calls_to_one_place_share_a_connection() {
    let receiver = Receiver::start(patient()).await;
    let (mut caller, place) = (caller(), place(receiver.address()));
    for len in [0, 1, 62_000, 300_000] {
        let reply = call(&mut caller, &place, post(vec![body(len)])).await;
        assert_eq!(reply.unwrap().body, format!("read {len}"));
    }
    assert_eq!(receiver.links(), [receiver.links()[0]; 4]);
}

#[tokio::test]
async fn a_body_in_pieces_arrives_as_one() {
    let scripted = Scripted::start(vec![vec![Step::Hear, Step::Say(OK)]]).await;
    let pieces = vec![Bytes::from_static(b"{\"a\":\""), Bytes::new(), body(3)];
    let reply = call(&mut caller(), &scripted.place(), post(pieces)).await;
    assert_eq!(reply.unwrap().status, 200);
    let heard = scripted.heard();
    assert!(heard[0].ends_with("\r\n\r\n{\"a\":\"xxx"), "{heard:?}");
    assert!(heard[0].contains("\r\ncontent-length: 9\r\n"), "{heard:?}");
    let start = format!("POST /Record HTTP/1.1\r\nhost: {}\r\n", scripted.address);
    assert!(heard[0].starts_with(&start), "{heard:?}");
}

#[tokio::test]
async fn another_place_gets_its_own_connection() {
    let (one, two) = (
        Receiver::start(patient()).await,
        Receiver::start(patient()).await,
    );
    let mut caller = caller();
    for receiver in [&one, &two, &one] {
        let place = place(receiver.address());
        call(&mut caller, &place, post(vec![body(1)]))
            .await
            .unwrap();
    }
    assert_eq!((one.links().len(), two.links().len()), (2, 1));
    until(|| two.server.connections() == 0).await;
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced_for_free() {
    let receiver = Receiver::start(Limits {
        head: millis(50),
        ..patient()
    })
    .await;
    let (mut caller, place) = (caller(), place(receiver.address()));
    for _ in 0..3 {
        let reply = call(&mut caller, &place, post(vec![body(62_000)])).await;
        assert_eq!(reply.unwrap().status, 200);
        until(|| receiver.server.connections() == 0).await;
    }
    let mut links = receiver.links();
    links.dedup();
    assert_eq!(links.len(), 3);
}

#[tokio::test]
async fn a_connection_that_the_answer_closes_is_not_used_again() {
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    let script = || vec![Step::Hear, Step::Say(closing), Step::Hold];
    let scripted = Scripted::start(vec![script(), script()]).await;
    let mut caller = caller();
    for _ in 0..2 {
        let reply = call(&mut caller, &scripted.place(), post(vec![body(1)])).await;
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!(scripted.heard().len(), 2);
}

#[tokio::test]
async fn a_request_that_was_heard_is_not_repeated() {
    let scripted = Scripted::start(vec![
        vec![Step::Hear, Step::Say(OK), Step::Hear],
        vec![Step::Hear, Step::Say(OK)],
    ])
    .await;
    let mut caller = caller();
    let place = scripted.place();
    let first = call(&mut caller, &place, post(vec![body(1)])).await;
    assert_eq!(first.unwrap().status, 200);
    let second = call(&mut caller, &place, post(vec![body(2)])).await;
    assert_eq!(second, Err(CallError::Broken));
    assert_eq!(scripted.heard().len(), 2);
    let third = call(&mut caller, &place, post(vec![body(3)])).await;
    assert_eq!(third.unwrap().status, 200);
}

#[tokio::test]
async fn answers_that_are_none_are_broken() {
    for said in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Len",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"code\":2",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "{\"code\":200,\"msg\":\"success\",\"data\":{}}",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let scripted = Scripted::start(vec![vec![Step::Hear, Step::Say(said)]]).await;
        let reply = call(&mut caller(), &scripted.place(), post(vec![body(9)])).await;
        assert_eq!(reply, Err(CallError::Broken), "{said:?}");
    }
}

#[tokio::test]
async fn answers_that_do_not_end_are_late() {
    for said in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Len",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"code\":2",
        "HTTP/1.1 200 OK\r\n\r\n{\"code\":200}",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let script = vec![Step::Hear, Step::Say(said), Step::Hold];
        let scripted = Scripted::start(vec![script, vec![Step::Hear, Step::Say(OK)]]).await;
        let mut caller = caller();
        let place = scripted.place();
        let reply = caller.exchange(&place, post(vec![body(9)]), millis(100));
        assert_eq!(reply.await, Err(CallError::TimedOut), "{said:?}");
        let next = call(&mut caller, &place, post(vec![body(9)])).await;
        assert_eq!(next.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_body_that_nobody_takes_is_late() {
    let scripted = Scripted::start(vec![vec![Step::Hold]]).await;
    let mut caller = caller();
    let place = scripted.place();
    let huge = post(vec![body(32 << 20)]);
    let reply = caller.exchange(&place, huge, millis(200)).await;
    assert_eq!(reply, Err(CallError::TimedOut));
}

#[tokio::test]
//= docs/spec/face-record-push.md#destination
//# An answer longer than 64 KiB MUST NOT be read to its end.
async fn an_answer_that_is_too_long_is_cut_off() {
    let scripted = Scripted::start(vec![vec![Step::Hear, Step::Flood]]).await;
    let reply = call(&mut caller(), &scripted.place(), post(vec![body(1)])).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 64 << 10));
}

#[tokio::test]
//= docs/spec/face-record-push.md#destination
//# A redirection MUST NOT be followed.
async fn status_and_retry_after_are_told_and_redirects_are_not_followed() {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n";
    let moved = "HTTP/1.1 307 Moved\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n";
    let script = vec![Step::Hear, Step::Say(busy), Step::Hear, Step::Say(moved)];
    let scripted = Scripted::start(vec![script]).await;
    let mut caller = caller();
    let place = scripted.place();
    let reply = call(&mut caller, &place, post(vec![body(1)]))
        .await
        .unwrap();
    assert_eq!(
        (reply.status, reply.retry_after.as_deref()),
        (503, Some("2"))
    );
    let reply = call(&mut caller, &place, post(vec![body(1)]))
        .await
        .unwrap();
    assert_eq!((reply.status, reply.retry_after), (307, None));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let gone = Receiver::start(patient()).await;
    let place_gone = place(gone.address());
    gone.server.stop().await;
    let no_name = Place {
        host: "nobody.invalid".to_owned(),
        ..place_gone.clone()
    };
    for place in [place_gone, no_name] {
        let reply = call(&mut caller(), &place, post(vec![])).await;
        assert_eq!(reply, Err(CallError::Unreachable));
    }
}

#[tokio::test]
//= docs/spec/face-record-push.md#destination
//# The resolved address of a destination MUST be judged again when a connection to it is made.
async fn an_address_is_asked_about_whenever_it_is_connected_to() {
    let receiver = Receiver::start(Limits {
        head: millis(50),
        ..patient()
    })
    .await;
    let asked = Arc::new(Mutex::new(vec![]));
    let record = Arc::clone(&asked);
    // The name leads elsewhere the second time.
    let allows = move |address: IpAddr| {
        let mut asked = record.lock().unwrap();
        asked.push(address);
        asked.len() == 1
    };
    let mut caller = Caller::new(Dialing {
        allows: Arc::new(allows),
        ..Dialing::default()
    })
    .unwrap();
    let place = place(receiver.address());
    let reply = call(&mut caller, &place, post(vec![body(1)])).await;
    assert_eq!(reply.unwrap().status, 200);
    until(|| receiver.server.connections() == 0).await;
    let reply = call(&mut caller, &place, post(vec![body(1)])).await;
    assert_eq!(reply, Err(CallError::Forbidden));
    assert_eq!(*asked.lock().unwrap(), [receiver.address().ip(); 2]);
}

#[tokio::test]
async fn of_several_addresses_only_the_allowed_are_tried() {
    let receiver = Receiver::start(patient()).await;
    let mut caller = Caller::new(Dialing {
        allows: Arc::new(|address| address.is_ipv4()),
        ..Dialing::default()
    })
    .unwrap();
    let place = Place {
        host: "localhost".to_owned(),
        ..place(receiver.address())
    };
    let reply = call(&mut caller, &place, post(vec![body(1)])).await;
    assert_eq!(reply.unwrap().status, 200);
}

#[tokio::test]
async fn a_call_that_is_none_is_invalid_and_keeps_the_connection() {
    let receiver = Receiver::start(patient()).await;
    let (mut caller, place) = (caller(), place(receiver.address()));
    call(&mut caller, &place, post(vec![])).await.unwrap();
    let mut crooked = post(vec![]);
    crooked.headers = vec![("account", "a\r\nX: y".to_owned())];
    let reply = call(&mut caller, &place, crooked).await;
    assert_eq!(reply, Err(CallError::Invalid));
    call(&mut caller, &place, post(vec![])).await.unwrap();
    assert_eq!(receiver.links(), [receiver.links()[0]; 2]);
}

#[tokio::test]
async fn a_call_that_is_dropped_is_hung_up_on() {
    let receiver = Receiver::start(patient()).await;
    let (mut caller, place) = (caller(), place(receiver.address()));
    let mut held = post(vec![]);
    held.path = "/held".to_owned();
    tokio::select! {
        reply = caller.exchange(&place, held, kit::PATIENCE) => panic!("{reply:?}"),
        () = receiver.wait_held(1) => {}
    }
    until(|| receiver.server.connections() == 0).await;
}

fn caller() -> Caller {
    Caller::new(Dialing::default()).unwrap()
}

fn place(address: SocketAddr) -> Place {
    Place {
        is_tls: false,
        host: address.ip().to_string(),
        port: address.port(),
    }
}

fn post(body: Vec<Bytes>) -> Call {
    Call {
        method: "POST".to_owned(),
        path: "/Record".to_owned(),
        headers: vec![("content-type", "application/json".to_owned())],
        body,
    }
}

async fn call(caller: &mut Caller, place: &Place, call: Call) -> Result<Reply, CallError> {
    caller.exchange(place, call, Duration::from_secs(20)).await
}
