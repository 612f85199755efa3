//! Socket.IO servers that do what the official ones do not, or not often.

use drive::zzw::device::{DeviceHandle, DeviceNews, DeviceOptions, Place, Via, spawn_device};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use zzw_push_proto::device::{Ack, Event};

/// A server of which every word is the test's.
struct Server {
    listener: TcpListener,
    via: Via,
}

/// One link of it.
struct Link(WebSocketStream<TcpStream>);

const OPEN: &str = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#;

impl Server {
    async fn new(via: Via) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, via }
    }

    fn device(&self) -> DeviceHandle {
        self.device_with(|_| {})
    }

    fn device_with(&self, change: impl FnOnce(&mut DeviceOptions)) -> DeviceHandle {
        let address = self.listener.local_addr().unwrap().to_string();
        let mut options = DeviceOptions::new("a", self.via, Place::parse(&address).unwrap(), 7);
        options.config.ack = Ack::Automatic;
        options.config.backoff_max = Duration::from_millis(1);
        options.config.backoff_min = Duration::from_millis(1);
        change(&mut options);
        spawn_device(options).unwrap()
    }

    async fn upgraded(&self) -> Link {
        let (stream, _) = self.listener.accept().await.unwrap();
        Link(tokio_tungstenite::accept_async(stream).await.unwrap())
    }

    /// Shakes hands as far as Socket.IO.
    async fn connected(&self, open: &str) -> Link {
        let mut link = self.upgraded().await;
        link.says(open).await;
        if self.via == Via::SocketIo {
            assert_eq!(link.hears().await, r#"40{"alias":"a"}"#);
            link.says(r#"40{"sid":"n"}"#).await;
        } else {
            link.says("40").await;
        }
        link
    }

    /// The alias is known, too.
    async fn bound(&self, device: &mut DeviceHandle) -> Link {
        let mut link = self.connected(OPEN).await;
        let heartbeat = r#"42["heartbeat",{"t":1,"alias":"a"}]"#;
        assert_eq!(link.hears().await, heartbeat);
        link.says(r#"42["heartbeat_c",{"t":-1,"alias":"a"}]"#).await;
        while !matches!(news(device).await, DeviceNews::Machine(Event::Bound)) {}
        link
    }
}

impl Link {
    async fn says(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn hears(&mut self) -> String {
        loop {
            match soon(self.0.next()).await.unwrap().unwrap() {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_mins(1), future).await;
    waited.expect("it comes in time")
}

async fn news(device: &mut DeviceHandle) -> DeviceNews {
    soon(device.next()).await.expect("it has not ended")
}

/// The body of the next delivery.
async fn delivered(device: &mut DeviceHandle) -> String {
    loop {
        if let DeviceNews::Delivered { delivery, .. } = news(device).await {
            return delivery.msg.to_text().unwrap().into_owned();
        }
    }
}

async fn disconnected(device: &mut DeviceHandle) -> String {
    loop {
        if let DeviceNews::Disconnected(why) = news(device).await {
            return why;
        }
    }
}

const BOTH: [Via; 2] = [Via::SocketIo, Via::SocketIoV2];

#[tokio::test]
async fn an_event_that_asks_for_an_acknowledgement_gets_one_of_each_kind() {
    for via in BOTH {
        let server = Server::new(via).await;
        let mut device = server.device();
        let mut link = server.bound(&mut device).await;
        link.says(r#"427["push",{"t":5,"alias":"a","mid":"1","msg":"门"}]"#)
            .await;
        let heard = [link.hears().await, link.hears().await];
        for expected in ["437[]", r#"42["push_c",{"t":-5,"alias":"a","mid":"1"}]"#] {
            assert!(
                heard.iter().any(|heard| heard == expected),
                "{via:?}: {heard:?}"
            );
        }
        assert_eq!(delivered(&mut device).await, "门");
    }
}

#[tokio::test]
async fn a_delivery_is_one_by_whatever_name_and_in_whatever_shape() {
    for via in BOTH {
        let server = Server::new(via).await;
        let mut device = server.device_with(|options| options.delivery_event = "news".to_owned());
        let mut link = server.bound(&mut device).await;
        for (text, packet) in [
            ("configured", r#"42["news",{"mid":"1","msg":"configured"}]"#),
            (
                "by default",
                r#"42["push",{"t":5,"mid":"2","msg":"by default"}]"#,
            ),
            ("unknown", r#"42["什么",{"mid":3,"msg":"unknown"}]"#),
            ("text", r#"42["push","{\"mid\":\"4\",\"msg\":\"text\"}"]"#),
            (
                "more",
                r#"42["push",{"mid":"5","msg":"more","x":[]},"ignored"]"#,
            ),
        ] {
            link.says(packet).await;
            assert_eq!(delivered(&mut device).await, text, "{via:?}");
        }
    }
}

#[tokio::test]
async fn connect_c_without_data_binds() {
    for via in BOTH {
        let server = Server::new(via).await;
        let mut device = server.device();
        let mut link = server.connected(OPEN).await;
        link.says(r#"42["connect_c"]"#).await;
        while !matches!(news(&mut device).await, DeviceNews::Machine(Event::Bound)) {}
    }
}

#[tokio::test]
async fn what_is_none_of_our_business_leaves_the_link_alone() {
    for via in BOTH {
        let server = Server::new(via).await;
        let mut device = server.device();
        let mut link = server.bound(&mut device).await;
        for packet in [
            "40",
            "431[]",
            "42/admin,[\"x\"]",
            "6",
            "41/admin,",
            "40/admin,{}",
        ] {
            link.says(packet).await;
        }
        link.says(r#"451-["blob",{"_placeholder":true,"num":0}]"#)
            .await;
        link.0.send(Message::binary(vec![4, 1, 2])).await.unwrap();
        link.0.send(Message::Ping("deep".into())).await.unwrap();
        link.says("2probe").await;
        while link.hears().await != "3probe" {}
        link.says(r#"42["push",{"mid":"1","msg":"still there"}]"#)
            .await;
        assert_eq!(delivered(&mut device).await, "still there");
    }
}

#[tokio::test]
async fn what_is_no_socketio_ends_the_link_and_the_next_one_is_tried() {
    let long = format!(
        r#"42["push",{{"mid":"1","msg":"{}"}}]"#,
        "长".repeat(40_000)
    );
    for via in BOTH {
        for packet in ["", "9", "4", "47", "42{}", "0{}", "42[\"push\"", &long] {
            let server = Server::new(via).await;
            let mut device = server.device();
            let mut link = server.bound(&mut device).await;
            link.says(packet).await;
            let why = disconnected(&mut device).await;
            assert!(!why.is_empty(), "{packet:.20}");
            server.bound(&mut device).await;
        }
    }
}

#[tokio::test]
async fn a_link_on_which_garbage_is_well_packed_is_given_up_after_some() {
    let server = Server::new(Via::SocketIo).await;
    let mut device = server.device();
    let mut link = server.bound(&mut device).await;
    for _ in 0..10 {
        link.says(r#"42["push","no object"]"#).await;
    }
    let mut garbled = 0;
    loop {
        match news(&mut device).await {
            DeviceNews::Machine(Event::Garbled(_)) => garbled += 1,
            DeviceNews::Machine(Event::Down(_)) => break,
            _ => {}
        }
    }
    assert_eq!(garbled, 10);
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted() {
    for (via, packet) in [
        (Via::SocketIo, r#"44{"message":"不行"}"#),
        (Via::SocketIoV2, r#"44"不行""#),
    ] {
        let server = Server::new(via).await;
        let mut device = server.device();
        let mut link = server.upgraded().await;
        link.says(OPEN).await;
        link.says(packet).await;
        let why = disconnected(&mut device).await;
        assert!(why.ends_with(" refuses: 不行"), "{why}");
        // And one that does so later.
        let mut link = server.bound(&mut device).await;
        link.says(packet).await;
        assert_eq!(disconnected(&mut device).await, "the server refuses: 不行");
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let brief = r#"0{"sid":"s","upgrades":[],"pingInterval":100,"pingTimeout":100}"#;
    for via in BOTH {
        let server = Server::new(via).await;
        let mut device = server.device();
        let mut link = server.connected(brief).await;
        let why = disconnected(&mut device).await;
        assert!(why.contains("in time"), "{why}");
        // The older revision has asked before.
        let mut heard = Vec::new();
        while let Some(Ok(Message::Text(text))) = soon(link.0.next()).await {
            heard.push(text.to_string());
        }
        assert_eq!(
            heard.contains(&"2".to_owned()),
            via == Via::SocketIoV2,
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_shakes_hands_for_ever_is_given_up() {
    for via in BOTH {
        let server = Server::new(via).await;
        let change =
            |options: &mut DeviceOptions| options.connect_timeout = Duration::from_millis(200);
        let mut device = server.device_with(change);
        let mut link = server.upgraded().await;
        link.says(OPEN).await;
        link.says("2").await;
        assert_eq!(disconnected(&mut device).await, "nobody answers in time");
    }
}

#[tokio::test]
async fn the_goodbye_is_the_last_word() {
    for via in BOTH {
        let server = Server::new(via).await;
        let mut device = server.device();
        let mut link = server.bound(&mut device).await;
        device.control().close();
        let mut heard = Vec::new();
        while let Some(Ok(Message::Text(text))) = soon(link.0.next()).await {
            heard.push(text.to_string());
        }
        let event = r#"42["disconnect",{"alias":"a"}]"#.to_owned();
        assert_eq!(heard.contains(&event), via == Via::SocketIoV2, "{heard:?}");
        assert_eq!(heard.last().unwrap(), "41");
        while soon(device.next()).await.is_some() {}
    }
}
