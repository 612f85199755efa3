//! The driver of MQTT connections against a broker that is spoken to packet by packet: what `rumqttc`
//! would do by itself and must not, named by the rules of the design.

use analyst_proto::link::{DeliveryId, Down, Login, NotSent, SendId};
use analyst_proto::wire::{ClientId, ParentTopic, Secret, Topic};
use bytes::BytesMut;
use drive::mqtt::{Connection, News, What};
use drive::tls::{self, Trust};
use rumqttc::mqttbytes::v4::*;
use rumqttc::mqttbytes::{Error, QoS};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_mins(1);
const MAX_PAYLOAD: usize = 64 * 1024;
const ANALYST: &str = "GID_Analyst@@@analyst_3";
const MONITOR: &str = "GID_Analyst@@@monitor";

/// A broker, one connection at a time.
struct Broker(TcpListener);

/// The broker's end of a connection.
struct Peer {
    stream: TcpStream,
    buffer: BytesMut,
}

/// The client's end, and what is told of it.
struct End {
    connection: Connection,
    heard: mpsc::Receiver<News>,
}

impl Broker {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn login(&self) -> Login {
        let parent = ParentTopic::new("Analyst").unwrap();
        let client = ClientId::new(ANALYST).unwrap();
        let port = self.0.local_addr().unwrap().port();
        Login::new(
            "127.0.0.1",
            port,
            client,
            "user",
            Secret::new("pass"),
            parent,
        )
    }

    async fn accept(&self) -> Peer {
        let (stream, _) = timeout(PATIENCE, self.0.accept()).await.unwrap().unwrap();
        let buffer = BytesMut::new();
        Peer { stream, buffer }
    }

    /// Both ends of a connection that is made.
    async fn connect(&self, number: u64) -> (End, Peer) {
        let mut end = End::open(number, &self.login());
        let mut peer = self.accept().await;
        peer.welcome().await;
        assert!(matches!(end.next().await, Some(What::Connected)));
        (end, peer)
    }
}

impl Peer {
    /// The next packet; `None` at the end of the connection.
    async fn next(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.buffer, 1 << 20) {
                Ok(packet) => return Some(packet),
                Err(Error::InsufficientBytes(_)) => {
                    let read = self.stream.read_buf(&mut self.buffer);
                    if timeout(PATIENCE, read).await.unwrap().unwrap_or(0) == 0 {
                        return None;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, 1 << 20).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn welcome(&mut self) -> Connect {
        let Some(Packet::Connect(connect)) = self.next().await else {
            panic!("no CONNECT");
        };
        let ack = ConnAck::new(ConnectReturnCode::Success, true);
        self.send(Packet::ConnAck(ack)).await;
        connect
    }

    async fn publish(&mut self, pkid: u16, payload: impl Into<Vec<u8>>) {
        let topic = format!("Analyst/p2p/{ANALYST}");
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
        publish.pkid = pkid;
        self.send(Packet::Publish(publish)).await;
    }

    async fn published(&mut self) -> Publish {
        match self.next().await {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("{other:?}"),
        }
    }

    async fn acknowledge(&mut self, pkid: u16) {
        self.send(Packet::PubAck(PubAck::new(pkid))).await;
    }
}

impl End {
    fn open(number: u64, login: &Login) -> Self {
        Self::trusting(number, login, &Trust::Nobody)
    }

    fn trusting(number: u64, login: &Login, trust: &Trust) -> Self {
        let (news, heard) = mpsc::channel(256);
        let tls = tls::client(trust, tls::UNNAMED).unwrap();
        let connection = Connection::open(number, login, tls, MAX_PAYLOAD, news);
        Self { connection, heard }
    }

    /// What is told next; `None` once nothing more can be.
    async fn next(&mut self) -> Option<What> {
        let news = timeout(PATIENCE, self.heard.recv()).await.unwrap()?;
        news.of(Some(&self.connection))
    }

    async fn delivered(&mut self) -> (DeliveryId, Vec<u8>) {
        match self.next().await {
            Some(What::Delivered {
                delivery, payload, ..
            }) => (delivery, payload.into()),
            other => panic!("{other:?}"),
        }
    }

    async fn sent(&mut self) -> SendId {
        match self.next().await {
            Some(What::Sent(send)) => send,
            other => panic!("{other:?}"),
        }
    }

    /// Why it ended, and that nothing goes on after that.
    async fn ended(&mut self) -> (Down, String) {
        let Some(What::Disconnected { why, said }) = self.next().await else {
            panic!("it goes on");
        };
        assert!(self.next().await.is_none(), "its task has ended");
        (why, said)
    }

    fn publish(&self, send: u64, payload: impl Into<Vec<u8>>) -> Result<(), NotSent> {
        self.connection
            .publish(SendId(send), &monitor(), payload.into())
    }
}

fn monitor() -> Topic {
    let parent = ParentTopic::new("Analyst").unwrap();
    parent.p2p(&ClientId::new(MONITOR).unwrap())
}

#[tokio::test]
async fn a_r2_nothing_outlives_its_connection() {
    let broker = Broker::start().await;
    let (mut first, mut peer) = broker.connect(1).await;
    first.publish(1, "never acknowledged").unwrap();
    assert_eq!(peer.published().await.payload, "never acknowledged");
    drop(peer);
    assert_eq!(first.ended().await.0, Down::Lost);
    drop(first);
    let second = End::open(2, &broker.login());
    let mut peer = broker.accept().await;
    let connect = peer.welcome().await;
    assert!(!connect.clean_session, "the broker is to keep the session");
    assert_eq!(connect.client_id, ANALYST);
    second.publish(2, "new").unwrap();
    assert_eq!(
        peer.published().await.payload,
        "new",
        "the old one is ours to repeat"
    );
}

#[tokio::test]
async fn a_r3_the_largest_payload_passes_and_a_larger_one_does_no_harm() {
    let broker = Broker::start().await;
    let (mut end, mut peer) = broker.connect(1).await;
    let largest = vec![b'x'; MAX_PAYLOAD];
    peer.publish(1, largest.clone()).await;
    assert_eq!(end.delivered().await.1, largest);
    let larger = vec![b'x'; MAX_PAYLOAD + 1];
    assert_eq!(end.publish(1, larger), Err(NotSent::TooLarge));
    end.publish(2, largest.clone()).unwrap();
    let published = peer.published().await;
    assert_eq!(published.payload, largest);
    peer.acknowledge(published.pkid).await;
    assert_eq!(end.sent().await, SendId(2));
}

#[tokio::test]
async fn a_r4_it_subscribes_when_it_is_told_to_and_at_no_other_time() {
    let broker = Broker::start().await;
    let (first, mut peer) = broker.connect(1).await;
    assert!(first.connection.subscribe(&monitor()));
    let Some(Packet::Subscribe(subscribe)) = peer.next().await else {
        panic!("no SUBSCRIBE");
    };
    let filter = SubscribeFilter::new(monitor().to_string(), QoS::AtLeastOnce);
    assert_eq!(subscribe.filters, [filter]);
    drop(first);
    let (second, mut peer) = broker.connect(2).await;
    second.publish(1, "first").unwrap();
    assert_eq!(peer.published().await.payload, "first");
}

#[tokio::test]
async fn a_r5_a_failed_connection_is_not_tried_again() {
    let broker = Broker::start().await;
    let mut end = End::open(1, &broker.login());
    drop(broker.accept().await);
    assert_eq!(end.ended().await.0, Down::Lost);
    let login = broker.login();
    drop(broker);
    let (why, said) = End::open(2, &login).ended().await;
    assert_eq!(why, Down::Lost);
    assert!(said.contains("refused"), "{said}");
}

#[tokio::test]
async fn a_r6_a_full_queue_is_said_and_nobody_waits_for_room() {
    let broker = Broker::start().await;
    // Nothing is acknowledged, so the queue fills up; and this test is the only other task, so
    // waiting would be for ever.
    let (mut end, mut peer) = broker.connect(1).await;
    peer.publish(1, "delivered").await;
    let (delivery, _) = end.delivered().await;
    let refused = (0..100_000).find_map(|send| end.publish(send, "one more").err());
    assert_eq!(refused, Some(NotSent::Closed));
    assert!(!end.connection.acknowledge(delivery));
    assert!(!end.connection.subscribe(&monitor()));
}

#[tokio::test]
async fn a_r7_each_acknowledgement_is_of_its_message() {
    let broker = Broker::start().await;
    let (mut end, mut peer) = broker.connect(1).await;
    for send in 10..13 {
        end.publish(send, send.to_string()).unwrap();
    }
    let mut published = Vec::new();
    for _ in 0..3 {
        published.push(peer.published().await);
    }
    for publish in published.iter().rev() {
        peer.acknowledge(publish.pkid).await;
        let send = end.sent().await;
        assert_eq!(publish.payload, send.0.to_string());
    }
}

#[tokio::test]
async fn a_r8_nothing_is_acknowledged_before_the_machine_says_so() {
    let broker = Broker::start().await;
    let (mut old, mut peer) = broker.connect(1).await;
    peer.publish(7, "delivered, and not acknowledged").await;
    let (stale, _) = old.delivered().await;
    drop((old, peer));
    let (mut end, mut peer) = broker.connect(2).await;
    peer.publish(7, "first").await;
    peer.publish(8, "second").await;
    let (_first, _) = end.delivered().await;
    let (second, _) = end.delivered().await;
    assert!(
        end.connection.acknowledge(stale),
        "it is of no connection of ours"
    );
    assert!(end.connection.acknowledge(second));
    assert_eq!(peer.next().await, Some(Packet::PubAck(PubAck::new(8))));
}

#[tokio::test]
async fn a_r9_waiting_for_something_else_does_not_start_the_connection_over() {
    let broker = Broker::start().await;
    let mut end = End::open(1, &broker.login());
    let mut peer = broker.accept().await;
    let Some(Packet::Connect(_)) = peer.next().await else {
        panic!("no CONNECT");
    };
    // Whoever waits for news has timers too.
    for _ in 0..20 {
        assert!(
            timeout(Duration::from_millis(1), end.heard.recv())
                .await
                .is_err()
        );
    }
    let ack = ConnAck::new(ConnectReturnCode::Success, false);
    peer.send(Packet::ConnAck(ack)).await;
    assert!(matches!(end.next().await, Some(What::Connected)));
}

#[tokio::test]
async fn a_r10_a_doubled_acknowledgement_ends_the_connection_and_no_more() {
    let broker = Broker::start().await;
    let (mut end, mut peer) = broker.connect(1).await;
    end.publish(1, "once").unwrap();
    let pkid = peer.published().await.pkid;
    peer.acknowledge(pkid).await;
    assert_eq!(end.sent().await, SendId(1));
    peer.acknowledge(pkid).await;
    assert_eq!(end.ended().await.0, Down::Lost);
}

#[tokio::test]
async fn a_r11_whoever_is_hung_up_on_learns_it_at_once() {
    let broker = Broker::start().await;
    let (end, mut peer) = broker.connect(1).await;
    // The broker does not answer, and the machine has waited long enough.
    drop(end.connection);
    assert_eq!(peer.next().await, None);
}

#[tokio::test]
async fn a_r12_settings_that_the_library_does_not_take_are_never_given() {
    let broker = Broker::start().await;
    let mut login = broker.login();
    login.keepalive = 0;
    let _end = End::open(1, &login);
    let connect = broker.accept().await.welcome().await;
    assert_eq!(connect.keep_alive, 1);
}

#[tokio::test]
async fn a_broker_that_refuses_is_told_from_one_that_is_away() {
    for (code, expected) in [
        (ConnectReturnCode::BadUserNamePassword, Down::BadCredentials),
        (ConnectReturnCode::NotAuthorized, Down::BadCredentials),
        (ConnectReturnCode::ServiceUnavailable, Down::Refused(3)),
    ] {
        let broker = Broker::start().await;
        let mut end = End::open(1, &broker.login());
        let mut peer = broker.accept().await;
        assert!(matches!(peer.next().await, Some(Packet::Connect(_))));
        peer.send(Packet::ConnAck(ConnAck::new(code, false))).await;
        assert_eq!(end.ended().await.0, expected);
    }
}

#[cfg(unix)]
mod encrypted {
    use super::*;
    use drive::lmq::{Lmq, Options};
    use std::path::PathBuf;

    /// A certificate for `localhost` that signs itself, and its key, in a folder that is gone when
    /// this is.
    struct Files(PathBuf);

    impl Files {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mqtt-tls-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(path.join("cert.pem"), pair.cert.pem()).unwrap();
            std::fs::write(path.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
            Self(path)
        }

        fn certificate(&self) -> PathBuf {
            self.0.join("cert.pem")
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    async fn broker(files: &Files) -> (Lmq, Login) {
        let mut options = Options::new();
        let key = files.0.join("key.pem");
        options.tls = Some(tls::acceptor(&files.certificate(), &key, tls::UNNAMED).unwrap());
        options.listen = "[::1]:0".parse().unwrap();
        if std::net::TcpListener::bind(options.listen).is_err() || !is_first("localhost").await {
            options.listen = "127.0.0.1:0".parse().unwrap();
        }
        let lmq = Lmq::start(options).await.unwrap();
        let parent = ParentTopic::new("Analyst").unwrap();
        let [analyst, monitor] = [ANALYST, MONITOR].map(|id| ClientId::new(id).unwrap());
        let mut info = lmq.info(&parent, &analyst, &monitor);
        info.host = "localhost".into();
        (lmq, Login::from(&info))
    }

    /// Whether this name leads to an IPv6 address first.
    async fn is_first(name: &str) -> bool {
        let mut addresses = tokio::net::lookup_host((name, 1)).await.unwrap();
        addresses.next().is_some_and(|address| address.is_ipv6())
    }

    #[tokio::test]
    async fn a_r1_messages_go_both_ways_over_our_own_tls() {
        let files = Files::new("both");
        let (lmq, mut login) = broker(&files).await;
        assert!(login.is_tls);
        let trust = Trust::Authorities(files.certificate());
        let mut analyst = End::trusting(1, &login, &trust);
        assert!(matches!(analyst.next().await, Some(What::Connected)));
        login.client_id = ClientId::new(MONITOR).unwrap();
        login.password = lmq.password(&login.client_id);
        let mut monitor = End::trusting(1, &login, &trust);
        assert!(matches!(monitor.next().await, Some(What::Connected)));
        for len in [0, 1, MAX_PAYLOAD] {
            analyst.publish(1, vec![b'x'; len]).unwrap();
            let (delivery, payload) = monitor.delivered().await;
            assert_eq!(payload.len(), len);
            assert!(monitor.connection.acknowledge(delivery));
            assert_eq!(analyst.sent().await, SendId(1));
        }
        lmq.kick(&login.client_id).await;
        assert_eq!(monitor.ended().await.0, Down::Lost);
    }

    #[tokio::test]
    async fn a_broker_that_nobody_trusts_is_not_spoken_to() {
        let (files, other) = (Files::new("trusted"), Files::new("other"));
        let (_lmq, mut login) = broker(&files).await;
        let trusted = Trust::Authorities(files.certificate());
        let stranger = Trust::Authorities(other.certificate());
        for (trust, advice) in [
            (Trust::Nobody, "whose certificates"),
            (stranger, "certificate"),
        ] {
            let (why, said) = End::trusting(1, &login, &trust).ended().await;
            assert_eq!(why, Down::Lost);
            assert!(said.contains(advice), "{said}");
        }
        // The certificate is for another name.
        login.host = "127.0.0.1".into();
        End::trusting(1, &login, &trusted).ended().await;
        // Nobody speaks TLS here.
        let plain = Broker::start().await;
        let mut login = plain.login();
        login.is_tls = true;
        let mut end = End::trusting(1, &login, &trusted);
        drop(plain.accept().await);
        end.ended().await;
    }
}
