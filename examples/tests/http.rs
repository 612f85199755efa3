//! The HTTP server and the caller against peers that are slow, greedy, rude or gone, on loopback.

#[path = "http/kit.rs"]
mod kit;

use bytes::Bytes;
use drive::http::{BodyError, Limits, Pace};
use kit::{Raw, Receiver, millis, patient, quick};
use std::time::Duration;

#[tokio::test]
async fn a_request_in_pieces_of_any_size_is_answered() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    for piece in [
        "POST /Rec",
        "ord HTTP/1.1\r\nContent-Le",
        "ngth: 4\r\n\r\n",
        "ab",
        "cd",
    ] {
        peer.say(piece).await;
        tokio::task::yield_now().await;
    }
    let answer = peer.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "read 4");
}

#[tokio::test]
//= docs/spec/face-record-push.md#fairness
//# A connection whose head is not complete in time MUST be hung up on.
async fn a_head_that_does_not_end_is_hung_up_on() {
    let receiver = Receiver::start(quick()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.say("POST /Record HTTP/1.1\r\nHost: a\r\n").await;
    assert_eq!(peer.rest().await, "");
    assert_eq!(receiver.read(), []);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_hung_up_on() {
    let receiver = Receiver::start(quick()).await;
    let mut peer = Raw::dial(&receiver).await;
    assert_eq!(peer.rest().await, "");
}

#[tokio::test]
async fn a_kept_connection_is_hung_up_on_when_it_is_idle_too_long() {
    let receiver = Receiver::start(quick()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(peer.answer().await.status, 200);
    assert_eq!(peer.rest().await, "");
}

#[tokio::test]
async fn a_body_that_stalls_is_hung_up_on_without_an_answer() {
    let receiver = Receiver::start(quick()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.post_head("Content-Length: 100").await;
    peer.say("only this").await;
    assert_eq!(peer.rest().await, "");
    assert_eq!(receiver.read(), [Err(BodyError::TooSlow)]);
}

#[tokio::test]
//= docs/spec/face-record-push.md#fairness
//# A body that comes slower than the least rate MUST be hung up on.
async fn a_body_that_trickles_below_the_rate_is_hung_up_on() {
    let pace = Pace {
        total: Duration::from_mins(1),
        grace: millis(200),
        rate: 1_000_000,
    };
    let receiver = Receiver::start(Limits { pace, ..quick() }).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.post_head("Content-Length: 100000").await;
    let trickle = async {
        while peer.try_say("x").await {
            tokio::time::sleep(millis(10)).await;
        }
    };
    tokio::time::timeout(kit::PATIENCE, trickle).await.unwrap();
    assert_eq!(receiver.read(), [Err(BodyError::TooSlow)]);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_broken() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.post_head("Content-Length: 100").await;
    peer.say("only this").await;
    drop(peer);
    receiver.wait_read(1).await;
    assert_eq!(receiver.read(), [Err(BodyError::Broken)]);
}

#[tokio::test]
async fn a_body_over_the_limit_can_be_read_on() {
    let receiver = Receiver::start(patient()).await;
    for framing in [kit::declared as fn(&[u8]) -> Vec<u8>, kit::chunked] {
        let body = vec![b'x'; 300_000];
        let mut peer = Raw::dial(&receiver).await;
        peer.say("POST /limit/100000 HTTP/1.1\r\nHost: a\r\n").await;
        peer.say(framing(&body)).await;
        let answer = peer.answer().await;
        let held: usize = answer.body.split(' ').next_back().unwrap().parse().unwrap();
        assert!(answer.body.starts_with("outgrew 100000, then read 300000"));
        assert!(held <= 100_000 + (64 << 10), "held {held}");
    }
    assert_eq!(receiver.read(), [Ok(300_000), Ok(300_000)]);
}

#[tokio::test]
async fn a_chunked_body_is_read_whole() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.post_head("Transfer-Encoding: chunked").await;
    peer.say("5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n")
        .await;
    assert_eq!(peer.answer().await.body, "read 11");
}

#[tokio::test]
async fn who_waits_for_leave_gets_it_when_the_body_is_read() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.post_head("Content-Length: 5\r\nExpect: 100-continue")
        .await;
    assert_eq!(peer.line().await, "HTTP/1.1 100 Continue");
    assert_eq!(peer.line().await, "");
    peer.say("hello").await;
    assert_eq!(peer.answer().await.body, "read 5");
}

#[tokio::test]
async fn who_waits_for_leave_and_is_refused_gets_the_answer_only() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.say(
        "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    )
    .await;
    assert_eq!(peer.answer().await.status, 503);
}

#[tokio::test]
async fn an_early_answer_to_a_body_of_fair_size_keeps_the_connection() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    for _ in 0..3 {
        peer.say("POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
            .await;
        peer.say(vec![b'x'; 200_000]).await;
        assert_eq!(peer.answer().await.status, 503);
    }
}

#[tokio::test]
async fn an_early_answer_to_a_huge_body_arrives_before_the_end() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.say("POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n")
        .await;
    peer.say(vec![b'x'; 100_000]).await;
    assert_eq!(peer.answer().await.status, 503);
    assert_eq!(peer.rest().await, "");
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.say("POST /Record HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    let answer = peer.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "read 3"));
    assert_eq!(peer.rest().await, "");
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.say("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let head = peer.head().await;
    assert_eq!(head.status, 200);
    let answer = peer.answer().await;
    assert_eq!(answer.body, "heartbeat");
}

#[tokio::test]
async fn a_head_of_too_many_or_too_long_lines_is_refused() {
    let receiver = Receiver::start(patient()).await;
    let many = "X: y\r\n".repeat(65);
    let long = format!("X: {}\r\n", "y".repeat(40_000));
    for lines in [many, long] {
        let mut peer = Raw::dial(&receiver).await;
        peer.say(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
            .await;
        let answer = peer.answer().await;
        assert_eq!(answer.status, 431, "{} {}", lines.len(), answer.body);
        assert_eq!(peer.rest().await, "");
    }
}

#[tokio::test]
async fn garbage_is_refused() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.say(Bytes::from_static(&[0x16, 3, 1, 0, 5, 1, 2, 3]))
        .await;
    assert_eq!(peer.answer().await.status, 400);
    assert_eq!(peer.rest().await, "");
}

#[tokio::test]
async fn a_request_with_two_framings_is_refused_or_closed() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.post_head("Content-Length: 3\r\nContent-Length: 4")
        .await;
    assert_eq!(peer.answer().await.status, 400);
    assert_eq!(peer.rest().await, "");
}

#[tokio::test]
async fn exchanges_under_way_finish_when_the_server_stops() {
    let receiver = Receiver::start(patient()).await;
    let mut idle = Raw::dial(&receiver).await;
    idle.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    let mut peer = Raw::dial(&receiver).await;
    peer.say("GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
    receiver.wait_held(1).await;
    let release = receiver.release.clone();
    let stopping = tokio::spawn(receiver.server.stop_within(kit::PATIENCE));
    assert_eq!(idle.rest().await, "");
    release.notify_waiters();
    assert_eq!(peer.answer().await.body, "held");
    assert_eq!(peer.rest().await, "");
    stopping.await.unwrap();
}

#[tokio::test]
async fn exchanges_that_do_not_finish_are_cut_off_when_patience_ends() {
    let receiver = Receiver::start(patient()).await;
    let mut peer = Raw::dial(&receiver).await;
    peer.say("GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
    receiver.wait_held(1).await;
    receiver.server.stop_within(millis(50)).await;
    assert_eq!(peer.rest().await, "");
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_answered_for() {
    let receiver = Receiver::start(Limits {
        exchange: millis(100),
        ..patient()
    })
    .await;
    let mut peer = Raw::dial(&receiver).await;
    peer.say("GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(peer.answer().await.status, 503);
}
