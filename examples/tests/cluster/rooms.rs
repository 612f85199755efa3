//! Relay rooms whose links come to different nodes.

use crate::kit_zzw::{Guest, Heard, Raw, ask, call, until};
use crate::lost::{hosts, two, two_with};
use crate::redis::Redis;
use drive::zzw::server::{Options, Server};

/// A room whose home is the first or the second of two nodes, as seen from the sizes of their rooms.
async fn room_at(servers: &[Server; 2], home: usize) -> String {
    for number in 0.. {
        let are_empty = async || servers.iter().all(|server| server.sizes().links == 0);
        until("empty rooms", are_empty).await;
        let room = format!("{number}");
        let guest = Guest::enter(&servers[0], &format!("/{room}/0/android")).await;
        let is_first = servers[0].sizes().links == 1;
        drop(guest);
        if is_first == (home == 0) {
            return room;
        }
    }
    unreachable!("rooms are spread")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# The links of a relay room MUST meet at one node, which is the same whichever node is asked, and
//# another one only if that is gone or a new one has come.
async fn links_of_a_room_meet_whichever_node_they_come_to() {
    let Some(redis) = Redis::start("rooms", &[]) else {
        return;
    };
    let servers = two(&redis).await;
    for home in 0..2 {
        let room = room_at(&servers, home).await;
        let mut caller = Guest::enter(&servers[0], &format!("/{room}/0/android")).await;
        let mut other = Guest::enter(&servers[1], &format!("/{room}/1/ios")).await;
        caller.say("你好").await;
        other.hears_text("你好").await;
        let long = "早".repeat(20_000);
        other.say(&long).await;
        caller.hears_text(&long).await;
        other.show(vec![7; 60_000]).await;
        caller.sees(&vec![7; 60_000]).await;
        assert_eq!(servers[home].sizes().links, 2);
        assert_eq!(servers[1 - home].sizes().links, 0);
        drop(caller);
        drop(other);
    }
    // A camera without WebSocket posts to either, and its viewers see it.
    for (number, camera) in servers.iter().enumerate() {
        let mut near = Guest::enter(&servers[0], &format!("/capture-1-2-{number}/1")).await;
        let mut far = Guest::enter(&servers[1], &format!("/capture-1-2-{number}/1")).await;
        let path = format!("/capture-1-2-{number}/0");
        let answer = ask(camera.addresses().relay, "POST", &path, "jpeg").await;
        assert_eq!((answer.status, answer.text()), (200, "taken\n"));
        near.sees(b"jpeg").await;
        far.sees(b"jpeg").await;
    }
    for server in servers {
        server.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_move_when_their_home_goes_and_links_are_told() {
    let Some(redis) = Redis::start("moving", &[]) else {
        return;
    };
    let servers = two(&redis).await;
    let room = room_at(&servers, 1).await;
    let mut caller = Guest::enter(&servers[0], &format!("/{room}/0/android")).await;
    let mut other = Guest::enter(&servers[1], &format!("/{room}/1/ios")).await;
    caller.say("在吗").await;
    other.hears_text("在吗").await;
    let [one, two] = servers;
    two.stop().await.unwrap();
    assert!(matches!(caller.hear().await, Heard::Closed(_)));
    other.is_closed(1001).await;
    let is_alone = async || hosts(&call(&one, "/info").await).len() == 1;
    until("the other's end", is_alone).await;
    let mut caller = Guest::enter(&one, &format!("/{room}/0/android")).await;
    let mut other = Guest::enter(&one, &format!("/{room}/1/ios")).await;
    other.say("在").await;
    caller.hears_text("在").await;
    one.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_passed_on_is_told_where_to_go() {
    let Some(redis) = Redis::start("redirect", &[]) else {
        return;
    };
    // The second node tells others a name at which it cannot be reached from here.
    let hidden = |options: &mut Options| options.advertise = Some("127.0.0.9".into());
    let servers = two_with(&redis, hidden).await;
    let path = |room: u32| format!("/{room}/0/android");
    let is_hidden = async |room: &u32| {
        let mut guest = Raw::dial(servers[0].addresses().relay).await;
        guest.say(request(&path(*room), "")).await;
        guest.head().await.starts_with("HTTP/1.1 307 ")
    };
    let mut room = 0;
    while !is_hidden(&room).await {
        room += 1;
    }
    let relay = servers[0].addresses().relay;
    let port = servers[1].addresses().relay.port();
    let mut guest = Raw::dial(relay).await;
    guest.say(request(&path(room), "")).await;
    let head = guest.head().await;
    let location = format!("location: ws://127.0.0.9:{port}{}", path(room));
    assert!(head.contains(&location), "{head}");
    // Whoever was passed on stays, whatever this node thinks of the room's home.
    let mut guest = Raw::dial(relay).await;
    let mark = "X-Zzw-Passed-On: 1\r\n";
    guest.say(request(&path(room), mark)).await;
    assert!(guest.head().await.starts_with("HTTP/1.1 101 "));
    for server in servers {
        server.stop_now().await.unwrap();
    }
}

fn request(path: &str, marks: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{marks}\r\n"
    )
}
