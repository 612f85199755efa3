//! 10,000 idle connections, in a process of their own: its memory is what is measured.

#[path = "http/crowd.rs"]
mod crowd;
#[path = "http/kit.rs"]
mod kit;

use crowd::Crowd;
use drive::http::Limits;
use kit::{PATIENCE, Raw, Receiver, patient, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_cost_little_memory_and_nobody_else_any_time() {
    for (said, most) in [("", 6 << 10), (GET, 24 << 10)] {
        let receiver = Receiver::start(Limits {
            connections: 20_000,
            per_address: 20_000,
            head: 10 * PATIENCE,
            ..patient()
        })
        .await;
        let mut device = Raw::dial_from("127.0.0.2", receiver.address()).await;
        let before = crowd::resident_bytes();
        let wanted = crowd::open_files().saturating_sub(300).min(10_000);
        let crowd = Crowd::gather(receiver.address(), wanted, said);
        until(|| receiver.server.connections() > crowd.len()).await;
        let each = crowd::resident_bytes().saturating_sub(before) / crowd.len();
        eprintln!("{} connections, {each} bytes each", crowd.len());
        assert!(each <= most, "{each}");
        for _ in 0..20 {
            device.say("POST /Record HTTP/1.1\r\nHost: a\r\n").await;
            device.say(kit::declared(&kit::body(62_000))).await;
            assert_eq!(device.answer().await.body, "read 62000");
        }
        drop(crowd);
        until(|| receiver.server.connections() == 1).await;
    }
}

/// No test: the process in which a [`Crowd`] stands.
#[test]
fn crowd_of_connections() {
    crowd::stand();
}
