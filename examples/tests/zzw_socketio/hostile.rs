//! What nobody should send, and what becomes of those who do: of nobody else.
#![allow(clippy::disallowed_methods, reason = "somebody waits, by the clock")]

use crate::kit::{Poller, Raw, http, metric, server_with, wait_for, wait_until_open};
use crate::programs::PATIENCE;
use drive::ws::Message;
use drive::zzw::server::Server;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Ended,
    Lives,
}
use Fate::{Ended, Lives};

#[tokio::test(flavor = "multi_thread")]
async fn crafted_packets_harm_nobody_but_their_sender() {
    let server = impatient().await;
    let bystander = Bystander::start(&server);
    let long_namespace = format!("40/{},", "n".repeat(10_000));
    let deep = format!(r#"42["heartbeat",{}"#, "[".repeat(90_000));
    let long = format!(r#"42["heartbeat","{}"]"#, "a".repeat(110_000));
    let packets = [
        // Of the shape of CVE-2023-32695 and CVE-2024-38355.
        (r#"42[{"toString":"heartbeat"}]"#, Ended),
        (r#"42["error"]"#, Lives),
        (r#"42["newListener",{"length":-1}]"#, Lives),
        (r#"42["__proto__",{"__proto__":{"t":1}}]"#, Lives),
        // Numbers.
        (r#"4218446744073709551616["heartbeat",{}]"#, Ended),
        (r#"429007199254740992["heartbeat",{}]"#, Ended),
        ("43999999[]", Lives),
        ("43[]", Ended),
        (r#"451000000000-["push"]"#, Ended),
        (r#"45-["push"]"#, Ended),
        // What follows is no attachment.
        (r#"4564-["push"]"#, Ended),
        // Lengths and depths.
        (&*long_namespace, Ended),
        (&*deep, Ended),
        (&*long, Ended),
        // Out of turn, cut off, nothing at all.
        (r#"44{"message":"go away"}"#, Ended),
        (r#"42["heartbeat",{"t":1"#, Ended),
        ("42{}", Ended),
        ("42[]", Ended),
        ("42", Ended),
        ("47", Ended),
        ("4", Ended),
        ("4é", Ended),
        ("9", Ended),
        ("5", Ended),
        ("é", Ended),
        ("", Ended),
        (r#"42["heartbeat",null]"#, Lives),
        (r#"42["heartbeat",5]"#, Lives),
        (r#"42["heartbeat",{"alias":"\ud800"}]"#, Lives),
        (r#"42["do_push",{"alias":[[["a"]]],"msg":{}}]"#, Lives),
    ];
    for eio in [3, 4] {
        for (packet, fate) in packets {
            let mut raw = Raw::bound(&server, eio, "crafty").await;
            raw.say(packet).await;
            let name: String = packet.chars().take(40).collect();
            assert_eq!(fate_of(&mut raw).await, fate, "{eio}: {name}");
        }
        let mut raw = Raw::bound(&server, eio, "crafty").await;
        raw.send(Message::binary(vec![0; 64])).await;
        assert_eq!(fate_of(&mut raw).await, Ended, "{eio}: binary unannounced");
    }
    bystander.ends_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crafted_frames_and_bodies_harm_nobody_but_their_sender() {
    let server = impatient().await;
    let bystander = Bystander::start(&server);
    let at = server.addresses().socketio;
    // CVE-2022-21676: reserved bits in the first frame; then no mask, a control frame that is too
    // long, an announced length of 2^63, a continuation of nothing, no UTF-8.
    let frames: [&[u8]; 6] = [
        &[0xf1, 0x81, 0, 0, 0, 0, b'4'],
        &[0x81, 0x01, b'4'],
        &[0x89, 0xfe, 0x10, 0x00, 0, 0, 0, 0],
        &[
            0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
        ],
        &[0x80, 0x81, 0, 0, 0, 0, b'4'],
        &[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28],
    ];
    for eio in [3, 4] {
        for frame in frames {
            let mut stream = upgraded(&server, eio).await;
            stream.write_all(frame).await.unwrap();
            assert!(ends(&mut stream).await, "{eio}: {frame:?}");
        }
    }
    // In the middle of an upgrade.
    let poller = Poller::open(&server, "EIO=4").await;
    let mut stream = upgrading(&poller).await;
    stream.write_all(frames[0]).await.unwrap();
    assert!(ends(&mut stream).await);
    assert_eq!(poller.get().await.0, 400, "its session is gone");
    let bodies: [(&str, &str, u16); 8] = [
        ("EIO=4", "", 200),
        ("EIO=4", "\u{1e}", 400),
        ("EIO=4", "9", 400),
        ("EIO=4", "b!", 400),
        ("EIO=3", "99999999999999999999:4", 400),
        ("EIO=3", "-1:4", 400),
        ("EIO=3", "9:4", 400),
        ("EIO=3", "b4AAAA", 400),
    ];
    for (query, body, status) in bodies {
        let poller = Poller::open(&server, query).await;
        let (answered, said) = poller.post(body).await;
        assert_eq!(answered, status, "{query} {body:?}: {said}");
    }
    let long = "4".repeat(110_000);
    for query in ["EIO=3", "EIO=4"] {
        let poller = Poller::open(&server, query).await;
        let body = format!("{}:{long}", long.len());
        let body = if query == "EIO=3" { &body } else { &long };
        assert_eq!(poller.post(body).await.0, 413, "{query}");
        assert_eq!(poller.get().await.0, 400, "its session is gone");
    }
    // Two polls at a time.
    let poller = Poller::open(&server, "EIO=3").await;
    poller.get().await;
    let (one, other) = tokio::join!(poller.get(), poller.get());
    assert!([one.0, other.0].contains(&400), "{one:?} {other:?}");
    // A request that never ends, and one that never starts.
    let mut halves = Vec::new();
    for half in [
        "",
        "GET /socket.io/?EIO=4",
        "POST /socket.io/?EIO=4&sid=a HTTP/1.1\r\nA: b\r\n",
    ] {
        for _ in 0..100 {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(half.as_bytes()).await.unwrap();
            halves.push(stream);
        }
    }
    bystander.ends_well(&server).await;
    drop(halves);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_nobody_goes_on_with_end() {
    let server = impatient().await;
    let bystander = Bystander::start(&server);
    let before = resident();
    let at = server.addresses().socketio;
    let mut streams = Vec::new();
    for number in 0..1000 {
        let query = if number % 2 == 0 { "EIO=3" } else { "EIO=4" };
        let request = format!("GET /socket.io/?{query}&transport=polling&alias=a{number}");
        assert_eq!(http(at, &request, "").await.0, 200, "{number}");
        if number % 10 == 0 {
            // No namespace is connected on these, and their pings are not answered.
            streams.push(upgraded(&server, 3 + number / 10 % 2).await);
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    for stream in &mut streams {
        assert!(ends(stream).await);
    }
    bystander.ends_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_does_not_read_is_paused_then_cut_off() {
    const LINKS: usize = 20;
    let server = server_with(|options| {
        options.socketio.ping_timeout = PATIENCE;
        options.socketio.connect_timeout = Duration::from_secs(1);
        options.socketio.links_per_address = LINKS + 1;
        options.broker.slow_timeout = Duration::from_secs(1);
    })
    .await;
    let bystander = Bystander::start(&server);
    let before = resident();
    let mut greedy = Vec::new();
    for number in 0..LINKS {
        let path = format!("/socket.io/?EIO=3&transport=websocket&alias=greedy{number}");
        let mut stream = upgrade(server.addresses().socketio, &path).await;
        greedy.push(tokio::spawn(async move {
            stream.write_all(&frame(&many_topics())).await.unwrap();
            // 13 KB come for each: 20 links times 100 MB, if nobody looked.
            let ask = frame(r#"42["get_topic",{"num":"1"}]"#);
            for _ in 0..8_000 {
                if stream.write_all(&ask).await.is_err() {
                    break;
                }
            }
            stream
        }));
    }
    wait_for(&server, "slow_total", LINKS as u64).await;
    // Not a byte has been read, and yet nothing is held for them any more.
    wait_until_open(&server).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 100 << 20, "{grown} bytes");
    for stream in greedy {
        // What was on its way, and then the end.
        assert!(ends(&mut stream.await.unwrap()).await);
    }
    bystander.ends_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_posts_and_does_not_poll_is_cut_off() {
    let server = impatient().await;
    let bystander = Bystander::start(&server);
    let before = resident();
    let poller = Poller::open(&server, "EIO=4&alias=greedy").await;
    assert_eq!(
        poller.post(&format!("40\u{1e}{}", many_topics())).await.0,
        200
    );
    let asks = vec![r#"42["get_topic",{"num":"1"}]"#; 3_000].join("\u{1e}");
    let mut posts = 0;
    while poller.post(&asks).await.0 == 200 {
        posts += 1;
        assert!(posts < 10, "40 MB for each");
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    bystander.ends_well(&server).await;
}

/// A server that waits for nobody.
async fn impatient() -> Server {
    server_with(|options| {
        options.socketio.ping_interval = Duration::from_millis(500);
        options.socketio.ping_timeout = Duration::from_secs(3);
        options.socketio.connect_timeout = Duration::from_secs(1);
        options.broker.slow_timeout = Duration::from_secs(1);
    })
    .await
}

fn many_topics() -> String {
    let topics: Vec<String> = (0..100).map(|number| format!("{number:0>128}")).collect();
    format!(r#"42["register",{}]"#, serde_json::json!({"topic": topics}))
}

/// A link that beats as long as it lives, and notes the longest that it had to wait.
struct Bystander {
    task: JoinHandle<Duration>,
    leave: Arc<tokio::sync::Notify>,
}

impl Bystander {
    fn start(server: &Server) -> Self {
        let leave = Arc::new(tokio::sync::Notify::new());
        let left = Arc::clone(&leave);
        let at = server.addresses();
        let task = tokio::spawn(async move {
            let mut raw = Raw::bound_at(at.socketio, 4, "bystander").await;
            let mut longest = Duration::ZERO;
            let mut is_leaving = false;
            while !is_leaving {
                let asked = Instant::now();
                let beat = raw.ask(r#"42["heartbeat",{"alias":"bystander"}]"#).await;
                assert_eq!(beat, r#"42["heartbeat_c",{"t":-1,"alias":"bystander"}]"#);
                longest = longest.max(asked.elapsed());
                let pause = Duration::from_millis(10);
                is_leaving = tokio::time::timeout(pause, left.notified()).await.is_ok();
            }
            longest
        });
        Self { task, leave }
    }

    /// It was served all the time, and soon nobody else is left.
    async fn ends_well(self, server: &Server) {
        wait_for(server, "socketio_links", 1).await;
        assert_eq!(metric(server, "online_aliases").await, 1);
        self.leave.notify_one();
        let longest = self.task.await.unwrap();
        eprintln!("longest wait of a bystander: {longest:?}");
        // Much, for a machine that has other things to do as well.
        assert!(longest < Duration::from_secs(5), "{longest:?}");
    }
}

async fn fate_of(raw: &mut Raw) -> Fate {
    raw.say(r#"42["heartbeat",{"alias":"crafty"}]"#).await;
    loop {
        match raw.heard().await {
            None => return Ended,
            Some(packet) if packet == r#"42["heartbeat_c",{"t":-1,"alias":"crafty"}]"# => {
                return Lives;
            }
            Some(_) => {}
        }
    }
}

/// A websocket whose frames are written by hand.
async fn upgraded(server: &Server, eio: u32) -> TcpStream {
    let path = format!("/socket.io/?EIO={eio}&transport=websocket");
    upgrade(server.addresses().socketio, &path).await
}

async fn upgrading(poller: &Poller) -> TcpStream {
    let (at, path) = poller.place();
    upgrade(at, &path.replace("polling", "websocket")).await
}

async fn upgrade(at: std::net::SocketAddr, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // So that it is soon seen that nobody reads.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(at).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: push\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    stream
}

/// A text as a client's frame.
fn frame(text: &str) -> Vec<u8> {
    let length = text.len().to_be_bytes();
    let mut bytes = match text.len() {
        0..126 => vec![0x81, 0x80 | length[7]],
        _ => vec![0x81, 0xfe, length[6], length[7]],
    };
    // A mask of zeros changes nothing.
    bytes.extend([0; 4]);
    bytes.extend(text.bytes());
    bytes
}

/// True if the server ends the connection.
async fn ends(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    tokio::time::timeout(PATIENCE, read).await.is_ok()
}

/// Bytes of memory of this process, where that can be told.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}
