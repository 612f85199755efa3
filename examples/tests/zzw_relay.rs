//! Rooms on port 9000: capture pictures, calls, and rooms of many.

mod kit_zzw;

use kit_zzw::{Guest, Heard, Raw, serve, soon};
use std::time::Duration;
use xtea_token::UnixSeconds;
use xtea_token::v2::{MacKey, Scope, Ticket};
use zzw_push_proto::platform::ClientToken;

const CAMERA: &str = "/capture-7-3-2/0";
const VIEWER: &str = "/capture-7-3-2/1";

#[tokio::test]
async fn three_viewers_see_every_picture_and_hear_no_echo() {
    let server = serve(|_| {}).await;
    let mut camera = Guest::enter(&server, CAMERA).await;
    let mut viewers = Vec::new();
    for _ in 0..3 {
        viewers.push(Guest::enter(&server, VIEWER).await);
    }
    for number in 0..20_u8 {
        camera.show(picture(number, 100_000)).await;
        for viewer in &mut viewers {
            viewer.sees(&picture(number, 100_000)).await;
        }
    }
    viewers[1].say("太暗了").await;
    camera.hears_text("太暗了").await;
    server.stop().await.unwrap();
    camera.is_closed(1001).await;
    for mut viewer in viewers {
        viewer.is_closed(1001).await;
    }
}

#[tokio::test]
async fn a_slow_viewer_gets_the_latest_picture_and_harms_nobody() {
    let server = serve(|options| options.rooms.stall_timeout = Duration::from_mins(5)).await;
    let mut camera = Guest::enter(&server, CAMERA).await;
    let mut slow = Raw::narrow(server.addresses().relay).await;
    slow.upgrade(VIEWER).await;
    let mut quick = [
        Guest::enter(&server, VIEWER).await,
        Guest::enter(&server, VIEWER).await,
    ];
    for number in 0..60_u8 {
        camera.show(picture(number, 250_000)).await;
        for viewer in &mut quick {
            viewer.sees(&picture(number, 250_000)).await;
        }
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&59) {
        let (first, payload) = slow.frame().await.unwrap();
        assert_eq!((first, payload.len()), (0x82, 250_000));
        seen.push(payload[0]);
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(seen.len() < 10, "it was shown what is long over: {seen:?}");
}

#[tokio::test]
async fn who_comes_late_sees_the_last_picture() {
    let server = serve(|options| options.rooms.keep_picture = Duration::from_mins(5)).await;
    let mut camera = Guest::enter(&server, CAMERA).await;
    let mut early = Guest::enter(&server, VIEWER).await;
    for number in [1, 2] {
        camera.show(picture(number, 300)).await;
        early.sees(&picture(number, 300)).await;
    }
    let mut late = Guest::enter(&server, VIEWER).await;
    late.sees(&picture(2, 300)).await;
}

#[tokio::test]
async fn a_new_camera_takes_the_place_of_the_old_one() {
    let server = serve(|_| {}).await;
    let mut viewer = Guest::enter(&server, VIEWER).await;
    let mut old = Guest::enter(&server, CAMERA).await;
    old.show(picture(1, 10)).await;
    viewer.sees(&picture(1, 10)).await;
    let mut new = Guest::enter(&server, CAMERA).await;
    old.is_closed(4001).await;
    new.show(picture(2, 10)).await;
    viewer.sees(&picture(2, 10)).await;
    viewer.say("hello").await;
    new.hears_text("hello").await;
}

#[tokio::test]
async fn a_viewer_shows_nothing() {
    let server = serve(|_| {}).await;
    let mut camera = Guest::enter(&server, CAMERA).await;
    let mut viewers = [
        Guest::enter(&server, VIEWER).await,
        Guest::enter(&server, VIEWER).await,
    ];
    viewers[0].show("a picture").await;
    viewers[0].say("text").await;
    camera.hears_text("text").await;
    camera.show(picture(1, 10)).await;
    viewers[1].sees(&picture(1, 10)).await;
}

#[tokio::test]
async fn both_sides_of_a_call_hear_everything_in_order() {
    let server = serve(|options| options.rooms.rejoin_wait = Duration::from_millis(100)).await;
    let mut calling = Guest::enter(&server, "/1203/0/android").await;
    let mut called = Guest::enter(&server, "/1203/1/ios").await;
    let talk = |mut guest: Guest, side: &'static str| async move {
        let other = if side == "主叫" { "被叫" } else { "主叫" };
        for number in 0..300 {
            if number % 3 == 0 {
                guest.show(vec![7; number * 200]).await;
            }
            guest.say(&format!("{side} {number}")).await;
            if number % 3 == 0 {
                assert_eq!(guest.hear().await, Heard::Binary(vec![7; number * 200]));
            }
            guest.hears_text(&format!("{other} {number}")).await;
        }
        guest
    };
    calling.say("").await;
    called.hears_text("").await;
    let calling = tokio::spawn(talk(calling, "主叫"));
    let called = tokio::spawn(talk(called, "被叫"));
    let (mut calling, called) = (calling.await.unwrap(), called.await.unwrap());
    drop(called);
    // It is told by the end of the call.
    calling.is_closed(1000).await;
}

#[tokio::test]
async fn what_is_said_early_waits_for_the_other_side() {
    let server = serve(|options| options.rooms.early_wait = Duration::from_mins(5)).await;
    let mut calling = Guest::enter(&server, "/1203/0/android").await;
    for number in 0..50 {
        calling.say(&number.to_string()).await;
    }
    let mut called = Guest::enter(&server, "/1203/1/ios").await;
    for number in 0..50 {
        called.hears_text(&number.to_string()).await;
    }
    called.say("here").await;
    calling.hears_text("here").await;
}

#[tokio::test]
async fn who_comes_from_another_network_takes_its_seat_again() {
    let server = serve(|_| {}).await;
    let mut caller = Guest::enter(&server, "/1203/0/android").await;
    let mut before = Guest::enter(&server, "/1203/1/ios").await;
    caller.say("one").await;
    before.hears_text("one").await;
    let mut after = Guest::enter(&server, "/1203/1/android").await;
    before.is_closed(4001).await;
    caller.say("two").await;
    after.hears_text("two").await;
    after.say("three").await;
    caller.hears_text("three").await;
}

#[tokio::test]
async fn rooms_of_many_are_off_unless_they_are_on() {
    let server = serve(|_| {}).await;
    Guest::enter(&server, "/meeting")
        .await
        .is_closed(1008)
        .await;
    let server = serve(|options| options.rooms.many_to_many = true).await;
    let mut guests = Vec::new();
    for path in ["/meeting", "/meeting/0", "/meeting/1", "/another"] {
        guests.push(Guest::enter(&server, path).await);
        // Its turn has come when its own words are through.
        guests.last_mut().unwrap().say(path).await;
    }
    // Who has no side hears the others; those of a side do not hear each other.
    guests[0].hears_text("/meeting/0").await;
    guests[0].hears_text("/meeting/1").await;
    guests[1].hears_text("/meeting/1").await;
    guests[3].say("alone").await;
    guests[2].say("all").await;
    guests[0].hears_text("all").await;
    guests[1].hears_text("all").await;
}

#[tokio::test]
//= docs/spec/zzw-push-proto.md#room-path
//# A GET without an upgrade MUST be answered with status 426, and a POST to another place than a
//# camera's with 405.
async fn a_camera_without_websocket_posts() {
    let server = serve(|options| options.rooms.max_picture = 50_000).await;
    let relay = server.addresses().relay;
    let mut viewer = Guest::enter(&server, VIEWER).await;
    let ask = |head: String, body: Vec<u8>| async move {
        let mut peer = Raw::dial(relay).await;
        peer.say(format!(
            "{head} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ))
        .await;
        // Who is refused may be hung up on before all is sent.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.0, &body).await;
        let answer = String::from_utf8(peer.rest().await).unwrap();
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    assert_eq!(ask(format!("POST {CAMERA}"), picture(5, 50_000)).await, 200);
    viewer.sees(&picture(5, 50_000)).await;
    let answers = [
        ("POST", CAMERA, 50_001, 413),
        ("POST", CAMERA, 0, 400),
        ("POST", VIEWER, 10, 405),
        ("POST", "/1203/0/android", 10, 405),
        ("PUT", CAMERA, 10, 405),
        ("GET", CAMERA, 0, 426),
        ("HEAD", CAMERA, 0, 426),
        ("GET", "/capture-7-3/0", 0, 404),
        ("GET", "/capture-7-3-2-1/0", 0, 404),
        ("GET", "/capture-7-3-2", 0, 404),
        ("GET", "/1203/2/ios", 0, 404),
        ("GET", "/", 0, 404),
        ("GET", "/a/0/ios/more", 0, 404),
    ];
    for (method, path, length, status) in answers {
        let answer = ask(format!("{method} {path}"), picture(6, length)).await;
        assert_eq!(answer, status, "{method} {path} with {length} bytes");
    }
    assert_eq!(ask(format!("POST {CAMERA}"), picture(7, 9)).await, 200);
    viewer.sees(&picture(7, 9)).await;
}

#[tokio::test]
//= docs/spec/zzw-push-proto.md#permission
//# A client token MUST be an authenticated one of its alias, in time and with the scope for what it
//# is used for.
//= docs/spec/zzw-push-proto.md#permission
//# A room MUST NOT be entered with a token that is not valid, nor without one where client tokens
//# are required.
async fn a_token_that_is_presented_must_be_valid() {
    let server = serve(|options| options.keys.mac.push(mac_key())).await;
    let good = token("m_2", Scope::RELAY);
    let mut camera = Guest::enter(&server, &format!("{CAMERA}?alias=m_2&token={good}")).await;
    let mut viewer = Guest::enter(&server, VIEWER).await;
    viewer.say("hello").await;
    camera.hears_text("hello").await;
    let of_rest = server.token().unwrap();
    for (alias, token) in [
        ("m_3", good.clone()),
        ("m_2", format!("{}x", &good[..good.len() - 1])),
        ("m_2", token("m_2", Scope::CONNECT)),
        ("m_2", of_rest),
    ] {
        let mut peer = Raw::dial(server.addresses().relay).await;
        peer.say(request(&format!("{CAMERA}?alias={alias}&token={token}")))
            .await;
        let head = peer.head().await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{alias} {token}: {head}");
    }
}

#[tokio::test]
//= docs/spec/zzw-push-proto.md#permission
//# A room MUST NOT be entered with a token that is not valid, nor without one where client tokens
//# are required.
async fn where_tokens_are_required_nobody_gets_in_without_one() {
    let server = serve(|options| {
        options.keys.mac.push(mac_key());
        options.broker.client_token = ClientToken::Required;
    })
    .await;
    let mut peer = Raw::dial(server.addresses().relay).await;
    peer.say(request(CAMERA)).await;
    let head = peer.head().await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    let good = token("m_2", Scope::RELAY);
    Guest::enter(&server, &format!("{CAMERA}?alias=m_2&token={good}")).await;
}

fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: a\r\n\r\n"
    )
}

fn mac_key() -> MacKey {
    MacKey::new(7, [0x42; 32])
}

fn token(alias: &str, scope: Scope) -> String {
    let now = UnixSeconds(drive::cli::now().0 / 1000);
    let expires = UnixSeconds(now.0 + 300);
    let ticket = Ticket::new(scope, now, expires, [1; 8]).with_subject(alias);
    mac_key().issue_unbound(&ticket).unwrap().to_string()
}

#[tokio::test]
async fn whoever_answers_pings_may_be_silent() {
    let server = serve(|options| options.relay.ping_after = Duration::from_millis(50)).await;
    let relay = server.addresses().relay;
    let mut deaf = Raw::dial(relay).await;
    deaf.upgrade(VIEWER).await;
    let mut alive = Raw::dial(relay).await;
    alive.upgrade(VIEWER).await;
    for _ in 0..5 {
        assert_eq!(alive.frame().await, Some((0x89, Vec::new())));
        alive.say(kit_zzw::masked(0x8a, b"")).await;
    }
    assert_eq!(deaf.goodbye().await, Some(1001));
    let mut camera = soon("a camera", Guest::enter(&server, CAMERA)).await;
    camera.show(picture(1, 5)).await;
    while alive.frame().await != Some((0x82, picture(1, 5))) {}
}

fn picture(number: u8, length: usize) -> Vec<u8> {
    vec![number; length]
}
