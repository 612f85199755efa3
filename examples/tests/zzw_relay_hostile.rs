//! Port 9000 against peers that speak something else, too much, too slowly or not at all.

mod kit;
mod kit_zzw;
#[path = "zzw_server/process.rs"]
mod process;

use drive::zzw::server::Server;
use kit::PATIENCE;
use kit_zzw::{Guest, Raw, exchange, masked, serve};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

const CAMERA: &str = "/capture-7-3-2/0";
const VIEWER: &str = "/capture-7-3-2/1";

#[tokio::test]
async fn an_upgrade_that_is_none_is_told_why() {
    let server = serve(|_| {}).await;
    let relay = server.addresses().relay;
    let upgrade = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n";
    let cases = [
        (String::new(), 426),
        ("Upgrade: websocket\r\n".to_owned(), 426),
        (
            "Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Key: a\r\n".to_owned(),
            426,
        ),
        (format!("{upgrade}Sec-WebSocket-Version: 13\r\n"), 400),
        (
            format!("{upgrade}Sec-WebSocket-Key: a\r\nSec-WebSocket-Version: 8\r\n"),
            426,
        ),
        (
            format!("{upgrade}Sec-WebSocket-Key: a\r\nSec-WebSocket-Version: \r\n"),
            426,
        ),
    ];
    for (headers, status) in cases {
        // What is kept open would wait for another request.
        let connection = if headers.contains("Connection") {
            ""
        } else {
            "Connection: close\r\n"
        };
        let request = format!("GET {CAMERA} HTTP/1.1\r\nHost: a\r\n{connection}{headers}\r\n");
        let mut peer = Raw::dial(relay).await;
        peer.say(&request).await;
        let head = peer.head().await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{headers}: {head}"
        );
        let is_told = head
            .to_lowercase()
            .contains("\r\nsec-websocket-version: 13\r\n");
        assert_eq!(is_told, status == 426, "{headers}: {head}");
    }
    // An old client's key, and no version, are put up with.
    let mut sloppy = Raw::dial(relay).await;
    sloppy
        .say(format!(
            "GET {CAMERA} HTTP/1.1\r\n{upgrade}Host: a\r\nSec-WebSocket-Key: sloppy\r\n\r\n"
        ))
        .await;
    assert!(sloppy.head().await.starts_with("HTTP/1.1 101 "));
    works(&server).await;
}

#[tokio::test]
async fn what_is_no_http_is_hung_up_on() {
    let server = serve(|_| {}).await;
    let relay = server.addresses().relay;
    let long = "a".repeat(40_000);
    let cases: [(&str, Vec<u8>); 6] = [
        (
            "a hello of TLS",
            [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], &[7; 500][..]].concat(),
        ),
        (
            "noise",
            (0..2_000_u32)
                .map(|number| (number * 251).to_le_bytes()[0])
                .chain(*b"\r\n\r\n")
                .collect(),
        ),
        (
            "a line of the push port",
            b"{\"t\":14,\"alias\":\"m_2\"}\n\r\n\r\n".to_vec(),
        ),
        (
            "a head without end",
            format!("GET {CAMERA} HTTP/1.1\r\nX: {long}").into(),
        ),
        (
            "a long path",
            format!("GET /{long}/0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into(),
        ),
        ("frames without a handshake", masked(0x82, &[1; 200])),
    ];
    for (what, bytes) in cases {
        let mut peer = Raw::dial(relay).await;
        // It may be hung up on before all is sent.
        let _ = peer.0.write_all(&bytes).await;
        let _ = peer.0.shutdown().await;
        let said = String::from_utf8_lossy(&peer.rest().await).into_owned();
        let is_refused = said.is_empty() || said.starts_with("HTTP/1.1 4");
        assert!(is_refused, "{what}: {said}");
    }
    works(&server).await;
}

#[tokio::test]
async fn a_frame_that_breaks_the_rules_ends_the_link_with_its_status() {
    let server = serve(|_| {}).await;
    let relay = server.addresses().relay;
    let begun = masked(0x01, b"part");
    let cases: [(&str, Vec<u8>, u16); 13] = [
        ("not masked", vec![0x81, 2, b'h', b'i'], 1002),
        ("a reserved bit", masked(0xc1, b"hi"), 1002),
        ("a reserved kind of data", masked(0x83, b"hi"), 1002),
        ("a reserved kind of control", masked(0x8b, b"hi"), 1002),
        ("a ping in parts", masked(0x09, b"hi"), 1002),
        ("a ping that is too long", masked(0x89, &[0; 126]), 1002),
        ("a rest of nothing", masked(0x80, b"hi"), 1002),
        (
            "a text within a text",
            [begun.clone(), masked(0x81, b"hi")].concat(),
            1002,
        ),
        ("a text that is not UTF-8", masked(0x81, b"\xff\xfe"), 1007),
        (
            "one that is not UTF-8 over parts",
            [masked(0x01, b"\xe5\xb0"), masked(0x80, b"x")].concat(),
            1007,
        ),
        (
            "a text that is too long",
            masked(0x81, &vec![b'x'; (64 << 10) + 1]),
            1009,
        ),
        (
            "one that is too long over parts",
            [
                masked(0x01, &vec![b'x'; 40 << 10]),
                masked(0x80, &vec![b'x'; 40 << 10]),
            ]
            .concat(),
            1009,
        ),
        (
            "a length beyond all",
            vec![
                0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
            ],
            1009,
        ),
    ];
    let mut camera = Guest::enter(&server, CAMERA).await;
    for (what, bytes, status) in cases {
        let mut peer = Raw::dial(relay).await;
        peer.upgrade(VIEWER).await;
        peer.say(masked(0x81, what.as_bytes())).await;
        // What was said before it is heard.
        camera.hears_text(what).await;
        let _ = peer.0.write_all(&bytes).await;
        assert_eq!(peer.goodbye().await, Some(status), "{what}");
        assert_eq!(peer.rest().await, b"", "{what}");
    }
    works(&server).await;
}

#[tokio::test]
async fn a_camera_may_say_more_at_once_than_others() {
    let server = serve(|_| {}).await;
    let relay = server.addresses().relay;
    let mut viewer = Guest::enter(&server, VIEWER).await;
    let mut camera = Raw::dial(relay).await;
    camera.upgrade(CAMERA).await;
    let picture = vec![3; 1 << 20];
    camera.say(masked(0x82, &picture)).await;
    viewer.sees(&picture).await;
    // In any number of parts, with pings between them.
    let mut parts = Vec::new();
    for (number, part) in picture.chunks(1 << 12).enumerate() {
        let first = if number == 0 { 0x02 } else { 0x00 };
        parts.extend(masked(if number == 255 { 0x80 } else { first }, part));
        parts.extend(if number < 255 {
            masked(0x89, b"p")
        } else {
            Vec::new()
        });
    }
    camera.say(parts).await;
    viewer.sees(&picture).await;
    // The pongs came meanwhile, each or the last of some.
    assert_eq!(camera.frame().await, Some((0x8a, b"p".to_vec())));
    let _ = camera
        .0
        .write_all(&masked(0x82, &vec![3; (1 << 20) + 1]))
        .await;
    assert_eq!(camera.goodbye().await, Some(1009));
}

#[tokio::test]
async fn half_a_message_is_not_waited_for_for_ever() {
    let server = serve(|options| {
        options.relay.ping_after = Duration::from_millis(50);
        options.relay.message_time = Duration::from_millis(200);
    })
    .await;
    let relay = server.addresses().relay;
    let whole = masked(0x82, &[1; 1_000]);
    let cases = [
        ("a head", whole[..1].to_vec()),
        ("half", whole[..500].to_vec()),
        ("one part of many", masked(0x01, b"part")),
        (
            "a part, and pings",
            [masked(0x01, b"part"), masked(0x89, b"").repeat(5)].concat(),
        ),
        (
            "a whole one, and half of the next",
            [&whole[..], &whole[..500]].concat(),
        ),
    ];
    for (what, bytes) in cases {
        let mut peer = Raw::dial(relay).await;
        peer.upgrade(CAMERA).await;
        peer.say(&bytes).await;
        // Or it does not answer a ping, which it cannot then.
        let goodbye = peer.goodbye().await;
        assert!(matches!(goodbye, Some(1008 | 1001)), "{what}: {goodbye:?}");
    }
    let request = format!(
        "POST {CAMERA} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhalf"
    );
    let mut broken = Raw::dial(relay).await;
    broken.say(request).await;
    broken.0.shutdown().await.unwrap();
    let answer = String::from_utf8(broken.rest().await).unwrap();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
        "{answer}"
    );
}

#[tokio::test]
async fn a_flood_of_pings_or_words_that_nobody_hears_holds_up_nobody_else() {
    let server = serve(|options| options.relay.per_second = 1_000).await;
    let relay = server.addresses().relay;
    let floods = [
        masked(0x89, &[1; 125]),
        masked(0x81, b"word"),
        masked(0x82, b"picture"),
    ];
    let floods = floods.map(|frame| {
        tokio::spawn(async move {
            let mut peer = Raw::narrow(relay).await;
            peer.upgrade(VIEWER).await;
            let frames = frame.repeat(200);
            // Until it is hung up on, or the test is over.
            while peer.0.write_all(&frames).await.is_ok() {}
        })
    });
    let mut camera = Guest::enter(&server, CAMERA).await;
    let mut viewer = Guest::enter(&server, VIEWER).await;
    for number in 0..100 {
        camera.show(vec![number; 50_000]).await;
        viewer.sees(&vec![number; 50_000]).await;
    }
    // And it went on all the while.
    for flood in floods {
        assert!(!flood.is_finished(), "it was hung up on");
        flood.abort();
    }
}

#[tokio::test]
async fn links_of_one_address_end_at_a_limit() {
    let server = serve(|options| options.relay.links_per_address = 3).await;
    let relay = server.addresses().relay;
    let mut guests = Vec::new();
    for _ in 0..3 {
        guests.push(Guest::enter(&server, VIEWER).await);
    }
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n";
    let request = format!("GET {VIEWER} HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n");
    let mut late = Raw::dial(relay).await;
    late.say(&request).await;
    assert!(late.head().await.starts_with("HTTP/1.1 503 "));
    // Who posts takes no place.
    let post = format!(
        "POST {CAMERA} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
    );
    assert_eq!(exchange(relay, post).await.status, 200);
    guests.pop();
    let again = async {
        loop {
            let mut late = Raw::dial(relay).await;
            late.say(&request).await;
            if late.head().await.starts_with("HTTP/1.1 101 ") {
                return;
            }
        }
    };
    kit_zzw::soon("a free place", again).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn two_thousand_idle_links_cost_little_and_leave_nothing_behind() {
    drive::cli::open_many_files();
    let server = process::Server::start(&[]);
    let relay = server.relay;
    let before = memory(&server);
    let mut idle = Vec::new();
    for _ in 0..2_000 {
        let mut peer = Raw::dial(relay).await;
        peer.upgrade("/capture-9-9-9/1").await;
        idle.push(peer);
        // A room has 1,000 viewers at most; they are let go again.
        if idle.len() == 1_000 {
            assert_eq!(links(&server), 1_000);
        }
    }
    assert_eq!(links(&server), 1_000);
    let mut refused = idle.split_off(1_000);
    assert_eq!(refused[0].goodbye().await, Some(1013));
    drop(refused);
    for number in 0..1_000 {
        let mut peer = Raw::dial(relay).await;
        peer.upgrade(&format!("/{number}/0/android")).await;
        idle.push(peer);
    }
    assert_eq!(links(&server), 2_000);
    let each = memory(&server).saturating_sub(before) / 2_000;
    println!("{each} bytes of memory for each idle link");
    assert!(each < 32 << 10, "{each} bytes for an idle link");
    let mut camera = Guest::at(relay, CAMERA).await;
    let mut viewer = Guest::at(relay, VIEWER).await;
    for number in 0..20 {
        camera.show(vec![number; 100_000]).await;
        viewer.sees(&vec![number; 100_000]).await;
    }
    drop((camera, viewer, idle));
    until(&server, 0).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn pictures_that_nobody_takes_are_not_held() {
    let server = process::Server::start(&[]);
    let mut camera = Guest::at(server.relay, CAMERA).await;
    let mut viewer = Guest::at(server.relay, VIEWER).await;
    camera.show(vec![0; 1_000_000]).await;
    viewer.sees(&vec![0; 1_000_000]).await;
    let before = memory(&server);
    let mut deaf = Vec::new();
    for _ in 0..100 {
        let mut peer = Raw::narrow(server.relay).await;
        peer.upgrade(VIEWER).await;
        deaf.push(peer);
    }
    let mut most = 0;
    for number in 0..100 {
        camera.show(vec![number; 1_000_000]).await;
        viewer.sees(&vec![number; 1_000_000]).await;
        most = most.max(memory(&server));
    }
    let growth = most.saturating_sub(before);
    println!(
        "100 pictures of 1 MB for 100 who take none: {} KiB more memory",
        growth >> 10
    );
    // Each holds on to one picture, and half of them to the same.
    assert!(growth < 64 << 20, "{growth} bytes more");
}

/// What it is for still works.
async fn works(server: &Server) {
    let mut calling = Guest::enter(server, "/works/0/android").await;
    let mut called = Guest::enter(server, "/works/1/ios").await;
    calling.say("喂").await;
    called.hears_text("喂").await;
}

#[cfg(target_os = "linux")]
fn memory(server: &process::Server) -> u64 {
    server.program.memory().unwrap()
}

#[cfg(target_os = "linux")]
fn links(server: &process::Server) -> u64 {
    let page = process::get(server.admin, "/metrics").body;
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix("zzw_room_links "));
    line.unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
async fn until(server: &process::Server, wanted: u64) {
    let gone = async {
        while links(server) != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

/// Every address of a server is this machine's own.
#[tokio::test]
async fn it_listens_where_it_is_told_to_and_nowhere_else() {
    let server = serve(|_| {}).await;
    let own: SocketAddr = ([127, 0, 0, 2], server.addresses().relay.port()).into();
    assert!(tokio::net::TcpStream::connect(own).await.is_err());
}
