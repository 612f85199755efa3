//! Crowds: what one address or all of them may take, and that the others do not notice.

#[path = "http/crowd.rs"]
mod crowd;
#[path = "http/kit.rs"]
mod kit;

use crowd::Crowd;
use drive::http::{BodyError, Limits};
use kit::{Raw, Receiver, patient, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HELD: &str = "GET /held HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_newcomer_takes_the_seat_of_the_one_that_was_idle_longest() {
    let receiver = Receiver::start(Limits {
        connections: 3,
        ..patient()
    })
    .await;
    let (mut first, mut second, mut third) = (
        Raw::dial(&receiver).await,
        Raw::dial(&receiver).await,
        Raw::dial(&receiver).await,
    );
    // In this order they begin to wait.
    for peer in [&mut second, &mut first, &mut third] {
        peer.say(GET).await;
        assert_eq!(peer.answer().await.status, 200);
    }
    let mut fourth = Raw::dial(&receiver).await;
    fourth.say(GET).await;
    assert_eq!(fourth.answer().await.status, 200);
    assert_eq!(second.rest().await, "");
    for peer in [&mut first, &mut third, &mut fourth] {
        peer.say(GET).await;
        assert_eq!(peer.answer().await.status, 200);
    }
    assert_eq!(receiver.server.connections(), 3);
}

#[tokio::test]
async fn a_connection_that_is_being_answered_keeps_its_seat() {
    let receiver = Receiver::start(Limits {
        connections: 2,
        ..patient()
    })
    .await;
    let (mut waiting, mut sending) = (Raw::dial(&receiver).await, Raw::dial(&receiver).await);
    waiting.say(HELD).await;
    receiver.wait_held(1).await;
    sending.post_head("Content-Length: 4").await;
    sending.say("ab").await;
    until(|| receiver.links().len() == 2).await;
    for _ in 0..3 {
        let mut newcomer = Raw::dial(&receiver).await;
        assert_eq!(newcomer.rest().await, "");
    }
    sending.say("cd").await;
    assert_eq!(sending.answer().await.body, "read 4");
    receiver.release.notify_waiters();
    assert_eq!(waiting.answer().await.body, "held");
}

#[tokio::test]
//= docs/spec/face-record-push.md#fairness
//# The connections MUST NOT exceed their limits, in all and from one address.
async fn one_address_takes_only_its_own_seats() {
    let receiver = Receiver::start(Limits {
        per_address: 2,
        ..patient()
    })
    .await;
    let mut other = Raw::dial_from("127.0.0.2", receiver.address()).await;
    let mut greedy = vec![];
    for _ in 0..10 {
        let mut peer = Raw::dial_from("127.0.0.3", receiver.address()).await;
        peer.say(GET).await;
        assert_eq!(peer.answer().await.status, 200);
        greedy.push(peer);
    }
    for peer in &mut greedy[..8] {
        assert_eq!(peer.rest().await, "");
    }
    assert_eq!(receiver.server.connections(), 3);
    other.say(GET).await;
    assert_eq!(other.answer().await.status, 200);
}

#[tokio::test]
async fn one_address_that_is_busy_gets_no_more_and_others_do() {
    let receiver = Receiver::start(Limits {
        per_address: 1,
        ..patient()
    })
    .await;
    let mut busy = Raw::dial_from("127.0.0.3", receiver.address()).await;
    busy.say(HELD).await;
    receiver.wait_held(1).await;
    let mut second = Raw::dial_from("127.0.0.3", receiver.address()).await;
    assert_eq!(second.rest().await, "");
    let mut other = Raw::dial_from("127.0.0.2", receiver.address()).await;
    other.say(GET).await;
    assert_eq!(other.answer().await.status, 200);
    receiver.release.notify_waiters();
    assert_eq!(busy.answer().await.body, "held");
}

#[tokio::test]
async fn seats_are_free_again_when_their_holders_leave() {
    let receiver = Receiver::start(Limits {
        connections: 2,
        per_address: 2,
        ..patient()
    })
    .await;
    for _ in 0..20 {
        let mut peer = Raw::dial(&receiver).await;
        peer.say(GET).await;
        assert_eq!(peer.answer().await.status, 200);
        drop(peer);
    }
    until(|| receiver.server.connections() == 0).await;
}

#[tokio::test]
async fn a_body_of_64_mib_is_read_when_allowed_and_else_not_at_all() {
    let receiver = Receiver::start(patient()).await;
    let body = kit::body(64 << 20);
    let mut peer = Raw::dial(&receiver).await;
    peer.say("POST /limit/8388608 HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n")
        .await;
    peer.say(&body).await;
    let answer = peer.answer().await;
    assert_eq!(
        answer.body,
        "outgrew 8388608, then read 67108864 having held 0"
    );
    let mut peer = Raw::dial(&receiver).await;
    peer.say("POST /limit/8388608 HTTP/1.1\r\nHost: a\r\nContent-Length: 67108865\r\n\r\n")
        .await;
    assert_eq!(peer.rest().await, "");
    assert_eq!(receiver.read(), [Ok(64 << 20), Err(BodyError::Outgrown)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_silent_connections_find_few_seats_and_lock_nobody_out() {
    let receiver = Receiver::start(Limits {
        connections: 256,
        per_address: 200,
        ..patient()
    })
    .await;
    let mut device = Raw::dial_from("127.0.0.2", receiver.address()).await;
    let crowd = Crowd::gather(receiver.address(), 10_000, "");
    eprintln!("{} connections made", crowd.len());
    assert!(receiver.server.connections() <= 201);
    for _ in 0..20 {
        device.say("POST /Record HTTP/1.1\r\nHost: a\r\n").await;
        device.say(kit::declared(&kit::body(62_000))).await;
        assert_eq!(device.answer().await.body, "read 62000");
    }
}

/// No test: the process in which a [`Crowd`] stands.
#[test]
fn crowd_of_connections() {
    crowd::stand();
}
