//! The simulated broker, spoken to packet by packet.
#![cfg(unix)]

mod kit;

use analyst_proto::credentials::PasswordKey;
use analyst_proto::wire::{ClientId, ParentTopic, Secret};
use bytes::BytesMut;
use drive::lmq::*;
use kit::{Folder, PATIENCE, Program, example};
use rumqttc::mqttbytes::v4::*;
use rumqttc::mqttbytes::{Error, QoS};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const SECRET: &str = "analyst-test-secret";
const ANALYST: &str = "GID_Analyst@@@analyst_3";
const MONITOR: &str = "GID_Analyst@@@monitor";
/// Long enough for whatever comes at once, short enough to wait for what must not come.
const AWHILE: Duration = Duration::from_millis(300);

/// One connection.
struct Client {
    stream: TcpStream,
    buffer: BytesMut,
    last_id: u16,
}

impl Client {
    async fn open(at: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(at).await.unwrap(),
            buffer: BytesMut::new(),
            last_id: 0,
        }
    }

    /// Connects with these packets, and gives what comes back.
    async fn login_with(at: SocketAddr, connect: Connect) -> (Self, Option<ConnAck>) {
        let mut client = Self::open(at).await;
        client.send(Packet::Connect(connect)).await;
        let ack = match client.next().await {
            Some(Packet::ConnAck(ack)) => Some(ack),
            None => None,
            other => panic!("{other:?}"),
        };
        (client, ack)
    }

    /// Connects as a client with a session that lasts.
    async fn login(lmq: &Lmq, id: &str) -> (Self, bool) {
        let (client, ack) = Self::login_with(lmq.address(), connect(id)).await;
        let ack = ack.expect("a CONNACK");
        assert_eq!(ack.code, ConnectReturnCode::Success);
        (client, ack.session_present)
    }

    async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        // The other end may have hung up.
        let _ = self.stream.write_all(&bytes).await;
    }

    /// The next packet, or `None` if the broker hangs up.
    async fn next(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.buffer, 1 << 20) {
                Ok(packet) => return Some(packet),
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("{error}"),
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
            if read.expect("nothing comes").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next packet if it comes soon.
    async fn soon(&mut self) -> Option<Packet> {
        timeout(AWHILE, self.next()).await.ok().flatten()
    }

    /// The next message, which is acknowledged if it needs to be.
    async fn message(&mut self) -> Publish {
        let message = self.unacknowledged().await;
        self.acknowledge(&message).await;
        message
    }

    async fn unacknowledged(&mut self) -> Publish {
        match self.next().await {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("no message, but {other:?}"),
        }
    }

    async fn acknowledge(&mut self, message: &Publish) {
        if message.pkid != 0 {
            self.send(Packet::PubAck(PubAck::new(message.pkid))).await;
        }
    }

    /// Publishes for another client.
    async fn publish(&mut self, to: &str, qos: QoS, text: &str) {
        let mut publish = Publish::new(format!("Analyst/p2p/{to}"), qos, text);
        self.last_id += 1;
        publish.pkid = if qos == QoS::AtMostOnce {
            0
        } else {
            self.last_id
        };
        self.send(Packet::Publish(publish)).await;
    }

    /// Publishes with quality of service 1, and waits for the acknowledgement.
    async fn publish_acknowledged(&mut self, to: &str, text: &str) {
        self.publish(to, QoS::AtLeastOnce, text).await;
        let ack = Packet::PubAck(PubAck::new(self.last_id));
        assert_eq!(self.next().await, Some(ack));
    }

    async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        let mut subscribe = Subscribe::new(filter, QoS::AtLeastOnce);
        subscribe.pkid = 77;
        self.send(Packet::Subscribe(subscribe)).await;
        match self.next().await {
            Some(Packet::SubAck(ack)) => ack.return_codes[0],
            other => panic!("no SUBACK, but {other:?}"),
        }
    }

    /// Asserts that it is there and has been sent nothing else: what comes next is the answer to a
    /// ping.
    async fn is_silent(&mut self) {
        self.send(Packet::PingReq).await;
        assert_eq!(self.next().await, Some(Packet::PingResp));
    }

    async fn is_closed(&mut self) {
        assert_eq!(self.next().await, None);
    }
}

/// A right login with a session that lasts.
fn connect(id: &str) -> Connect {
    let mut connect = Connect::new(id);
    let key = PasswordKey::new(&Secret::new(SECRET));
    let password = key.password(&ClientId::new(id).unwrap());
    connect.set_login(user_name().to_string(), password.as_str());
    connect.clean_session = false;
    connect
}

fn options() -> Options {
    Options::new().with_secret(SECRET)
}

async fn start(change: impl FnOnce(&mut Behaviour)) -> Lmq {
    Lmq::start(options().with(change)).await.unwrap()
}

fn text(message: &Publish) -> &str {
    std::str::from_utf8(&message.payload).unwrap()
}

async fn code(lmq: &Lmq, connect: Connect) -> Option<ConnectReturnCode> {
    let (mut client, ack) = Client::login_with(lmq.address(), connect).await;
    if ack
        .as_ref()
        .is_none_or(|ack| ack.code != ConnectReturnCode::Success)
    {
        client.is_closed().await;
    }
    ack.map(|ack| ack.code)
}

#[tokio::test]
async fn who_may_connect() {
    use ConnectReturnCode::*;
    let lmq = start(|_| {}).await;
    let with = |id: &str, user_name: &str, password: &str| {
        let mut connect = Connect::new(id);
        connect.set_login(user_name, password);
        connect
    };
    let password = "PRZXuC7bY7vnEQOCFSzg0EmG4d4=";
    for (connect, expected) in [
        (connect(ANALYST), Success),
        (with(ANALYST, "Signature|k|i", password), Success),
        (with(ANALYST, "DeviceCredential|k|i", password), Success),
        (
            with(ANALYST, "Signature|k|i", "VRZXuC7bY7vnEQOCFSzg0EmG4d4="),
            BadUserNamePassword,
        ),
        (
            with(MONITOR, "Signature|k|i", password),
            BadUserNamePassword,
        ),
        (with(ANALYST, "Signature|k|i", ""), BadUserNamePassword),
        (Connect::new(ANALYST), BadUserNamePassword),
        (with(MONITOR, "k", "yFqau7D0Gtc2mXwGtQljuw4LCo4="), Success),
        (with(ANALYST, "k", password), BadUserNamePassword),
        (with(ANALYST, "Token|k|i", "RW|t"), Success),
        (with(ANALYST, "Token|k|i", "t"), BadUserNamePassword),
        (with("analyst_3", "Signature|k|i", ""), BadClientId),
        (with("", "Signature|k|i", ""), BadClientId),
    ] {
        let what = format!("{connect:?}");
        assert_eq!(code(&lmq, connect).await, Some(expected), "{what}");
    }
    let mut willing = connect(ANALYST);
    willing.last_will = Some(LastWill::new("Analyst", "x", QoS::AtMostOnce, false));
    assert_eq!(code(&lmq, willing).await, Some(NotAuthorized));
    let open = Lmq::start(Options::new()).await.unwrap();
    assert_eq!(
        code(&open, with(ANALYST, "Signature|k|i", "any")).await,
        Some(Success)
    );
    let mut rude = Client::open(lmq.address()).await;
    rude.send(Packet::PingReq).await;
    rude.is_closed().await;
}

#[tokio::test]
async fn a_l7_point_to_point_needs_no_subscription() {
    let lmq = start(|_| {}).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    for (qos, id) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 1)] {
        monitor.publish(ANALYST, qos, "hello").await;
        let message = analyst.message().await;
        assert_eq!((message.qos, message.pkid, message.dup), (qos, id, false));
        assert_eq!(
            (&*message.topic, text(&message)),
            ("Analyst/p2p/GID_Analyst@@@analyst_3", "hello")
        );
    }
    assert_eq!(monitor.next().await, Some(Packet::PubAck(PubAck::new(2))));
    monitor.is_silent().await;
    // Its own subscription brings it nothing twice.
    let own = format!("Analyst/p2p/{ANALYST}");
    assert_eq!(
        analyst.subscribe(&own).await,
        SubscribeReasonCode::Success(QoS::AtLeastOnce)
    );
    monitor.publish_acknowledged(ANALYST, "once").await;
    assert_eq!(text(&analyst.message().await), "once");
    analyst.is_silent().await;
}

#[tokio::test]
async fn a_l8_topics_end_with_a_slash_if_that_is_wanted() {
    let lmq = start(|behaviour| behaviour.topic_slash = true).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    analyst.publish(ANALYST, QoS::AtMostOnce, "to myself").await;
    assert_eq!(
        analyst.message().await.topic,
        format!("Analyst/p2p/{ANALYST}/")
    );
}

#[tokio::test]
async fn watchers_subscribe_to_everything() {
    let lmq = start(|_| {}).await;
    let (mut watcher, _) = Client::login(&lmq, "GID_Analyst@@@watcher").await;
    watcher.subscribe("Analyst/p2p/#").await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish(ANALYST, QoS::AtMostOnce, "task").await;
    monitor
        .publish("GID_Analyst@@@分析器", QoS::AtMostOnce, "任务")
        .await;
    assert_eq!(text(&watcher.message().await), "task");
    assert_eq!(text(&watcher.message().await), "任务");
    for nth in 1..30 {
        let code = watcher.subscribe(&format!("Analyst/{nth}")).await;
        assert_eq!(code, SubscribeReasonCode::Success(QoS::AtLeastOnce));
    }
    assert_eq!(
        watcher.subscribe("Analyst/30").await,
        SubscribeReasonCode::Failure
    );
    assert_eq!(watcher.subscribe("a#").await, SubscribeReasonCode::Failure);
    watcher
        .send(Packet::Unsubscribe(Unsubscribe::new("Analyst/p2p/#")))
        .await;
    assert!(matches!(watcher.next().await, Some(Packet::UnsubAck(_))));
    monitor.publish_acknowledged(ANALYST, "unseen").await;
    watcher.is_silent().await;
}

#[tokio::test]
async fn a_l20_plain_brokers_want_a_subscription_and_do_not_say_so() {
    let lmq = start(|behaviour| behaviour.profile = Profile::Plain).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "lost").await;
    assert_eq!(lmq.count(What::Lost), 1);
    analyst.subscribe(&format!("Analyst/p2p/{ANALYST}")).await;
    monitor.publish_acknowledged(ANALYST, "heard").await;
    assert_eq!(text(&analyst.message().await), "heard");
    drop(analyst);
    monitor.publish_acknowledged(ANALYST, "kept").await;
    let (mut analyst, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present, "with its subscription");
    assert_eq!(text(&analyst.message().await), "kept");
    let mut short = connect("analyst_3");
    short.clean_session = true;
    assert_eq!(code(&lmq, short).await, Some(ConnectReturnCode::Success));
}

#[tokio::test]
async fn a_l13_what_is_not_acknowledged_comes_again() {
    for (flag, expected) in [
        (DupFlag::Honest, [false, true, true]),
        (DupFlag::Always0, [false; 3]),
        (DupFlag::Always1, [true; 3]),
    ] {
        let lmq = start(|behaviour| {
            behaviour.dup_flag = flag;
            behaviour.redeliver = Some(Duration::from_millis(50));
        });
        let lmq = lmq.await;
        let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
        let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
        monitor.publish_acknowledged(ANALYST, "task").await;
        let mut id = None;
        for dup in expected {
            let message = analyst.unacknowledged().await;
            assert_eq!((text(&message), message.dup), ("task", dup));
            assert_eq!(*id.get_or_insert(message.pkid), message.pkid);
        }
        analyst.send(Packet::PubAck(PubAck::new(id.unwrap()))).await;
        // One may have been on its way.
        while let Some(packet) = analyst.soon().await {
            assert!(matches!(packet, Packet::Publish(_)));
        }
        let again = lmq.count(What::Redelivered);
        assert_eq!(analyst.soon().await, None);
        assert_eq!(
            (again, lmq.count(What::Acknowledged)),
            (lmq.count(What::Redelivered), 1)
        );
    }
}

#[tokio::test]
async fn without_redelivery_it_comes_with_the_next_connection() {
    let lmq = start(|behaviour| {
        behaviour.redeliver = None;
        behaviour.visible = (Duration::from_millis(100), Duration::from_millis(200));
    });
    let lmq = lmq.await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    let (mut analyst, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(!is_present);
    monitor.publish_acknowledged(ANALYST, "task").await;
    assert!(!analyst.unacknowledged().await.dup);
    assert_eq!(analyst.soon().await, None);
    drop(analyst);
    let (mut analyst, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present);
    let message = analyst.message().await;
    assert_eq!((text(&message), message.dup), ("task", true));
    analyst.is_silent().await;
    drop(analyst);
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    assert_eq!(analyst.soon().await, None, "it was acknowledged");
}

#[tokio::test]
async fn a_l12_messages_are_kept_for_those_who_are_away() {
    let lmq = start(|behaviour| {
        behaviour.visible = (Duration::from_millis(200), Duration::from_millis(200));
        (behaviour.batch, behaviour.batch_every) = (2, Duration::from_millis(200));
        behaviour.max_rate = 1_000;
    });
    let lmq = lmq.await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor
        .publish_acknowledged(ANALYST, "before it was ever there")
        .await;
    drop(Client::login(&lmq, ANALYST).await);
    while lmq.count(What::Closed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let kept = Instant::now();
    for nth in 0..5 {
        monitor
            .publish_acknowledged(ANALYST, &nth.to_string())
            .await;
    }
    monitor
        .publish(ANALYST, QoS::AtMostOnce, "not of quality 1")
        .await;
    monitor.is_silent().await;
    let (mut analyst, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present);
    for nth in 0..5 {
        assert_eq!(text(&analyst.message().await), nth.to_string());
    }
    assert!(
        kept.elapsed() >= Duration::from_millis(600),
        "in three batches"
    );
    assert_eq!((lmq.count(What::Kept), lmq.count(What::Lost)), (5, 2));
    // A clean session forgets.
    drop(analyst);
    while lmq.count(What::Closed) == 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    monitor.publish_acknowledged(ANALYST, "forgotten").await;
    let mut clean = connect(ANALYST);
    clean.clean_session = true;
    let (mut analyst, ack) = Client::login_with(lmq.address(), clean).await;
    assert!(!ack.unwrap().session_present);
    assert_eq!(analyst.soon().await, None);
    drop(analyst);
    let (_, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(!is_present);
    lmq.change(|behaviour| behaviour.offline = false).await;
}

#[tokio::test]
async fn nothing_is_kept_if_that_is_off() {
    let lmq = start(|behaviour| behaviour.offline = false).await;
    drop(Client::login(&lmq, ANALYST).await);
    while lmq.count(What::Closed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "lost").await;
    monitor.is_silent().await;
    assert_eq!((lmq.count(What::Kept), lmq.count(What::Lost)), (0, 1));
}

#[tokio::test]
async fn a_l14_large_payloads_are_lost_silently_or_cost_the_connection() {
    let lmq = start(|_| {}).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor
        .publish_acknowledged(ANALYST, &"x".repeat(65_536))
        .await;
    assert_eq!(analyst.message().await.payload.len(), 65_536);
    monitor
        .publish_acknowledged(ANALYST, &"x".repeat(65_537))
        .await;
    analyst.is_silent().await;
    assert_eq!(lmq.count(What::OverSize), 1);
    lmq.change(|behaviour| behaviour.over_size = OverSize::Close)
        .await;
    monitor
        .publish(ANALYST, QoS::AtLeastOnce, &"x".repeat(65_537))
        .await;
    monitor.is_closed().await;
    // What is larger than any broker reads costs it always.
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor
        .publish(ANALYST, QoS::AtLeastOnce, &"x".repeat(1 << 20))
        .await;
    monitor.is_closed().await;
}

#[tokio::test]
async fn a_l15_messages_that_come_too_fast() {
    for over_rate in [OverRate::Log, OverRate::Drop, OverRate::Close] {
        let lmq = start(|behaviour| {
            behaviour.max_rate = 1;
            behaviour.over_rate = over_rate;
        });
        let lmq = lmq.await;
        let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
        let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
        for _ in 0..2 {
            monitor.publish(ANALYST, QoS::AtMostOnce, "x").await;
        }
        analyst.message().await;
        match over_rate {
            OverRate::Log => drop(analyst.message().await),
            OverRate::Drop => monitor.is_silent().await,
            _ => monitor.is_closed().await,
        }
        analyst.is_silent().await;
        assert_eq!(lmq.count(What::OverRate), 1, "{over_rate:?}");
    }
}

#[tokio::test]
async fn a_l17_kick_old_closes_the_first() {
    let lmq = start(|_| {}).await;
    let (mut first, _) = Client::login(&lmq, ANALYST).await;
    let (mut second, is_present) = Client::login(&lmq, ANALYST).await;
    first.is_closed().await;
    assert!(is_present);
    second.publish(ANALYST, QoS::AtMostOnce, "mine").await;
    assert_eq!(text(&second.message().await), "mine");
}

#[tokio::test]
async fn a_l17_refuse_new_refuses_the_second() {
    let lmq = start(|behaviour| behaviour.duplicate_id = DuplicateId::RefuseNew).await;
    let (mut first, _) = Client::login(&lmq, ANALYST).await;
    let refused = code(&lmq, connect(ANALYST)).await;
    assert_eq!(refused, Some(ConnectReturnCode::BadClientId));
    first.is_silent().await;
}

#[tokio::test]
async fn a_l17_keep_both_serves_both() {
    let lmq = start(|behaviour| behaviour.duplicate_id = DuplicateId::KeepBoth).await;
    let (mut first, _) = Client::login(&lmq, ANALYST).await;
    let (mut second, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "task").await;
    for client in [&mut first, &mut second] {
        assert_eq!(text(&client.message().await), "task");
        client.is_silent().await;
    }
    drop(first);
    monitor.publish_acknowledged(ANALYST, "again").await;
    assert_eq!(text(&second.message().await), "again");
}

#[tokio::test]
async fn a_l17_drop_both_closes_both() {
    let lmq = start(|behaviour| behaviour.duplicate_id = DuplicateId::DropBoth).await;
    let (mut first, _) = Client::login(&lmq, ANALYST).await;
    assert_eq!(code(&lmq, connect(ANALYST)).await, None);
    first.is_closed().await;
    let (mut third, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present);
    third.is_silent().await;
}

#[tokio::test]
async fn a_l21_a_broker_that_lies_acknowledges_what_it_loses() {
    let lmq = start(|behaviour| behaviour.lie = 1.0).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "lost").await;
    analyst.is_silent().await;
    lmq.change(|behaviour| behaviour.lie = 0.0).await;
    monitor.publish_acknowledged(ANALYST, "true").await;
    assert_eq!(text(&analyst.message().await), "true");
    assert_eq!(lmq.count(What::Lied), 1);
}

#[tokio::test]
async fn lost_messages_are_not_acknowledged() {
    let lmq = start(|behaviour| behaviour.drop = 1.0).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish(ANALYST, QoS::AtLeastOnce, "lost").await;
    monitor.is_silent().await;
    assert_eq!(lmq.count(What::Dropped), 1);
}

#[tokio::test]
async fn doubled_messages_come_twice() {
    let lmq = start(|behaviour| behaviour.double = 1.0).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish_acknowledged(ANALYST, "task").await;
    let first = analyst.unacknowledged().await;
    assert_eq!(analyst.message().await, first);
    analyst.is_silent().await;
}

/// What arrives of 20 messages if some of them are overtaken.
async fn overtaken(seed: u64, delay: Duration) -> Vec<u8> {
    let mut options = options();
    options.seed = seed;
    options.behaviour.reorder = 0.3;
    options.behaviour.delay = (Duration::ZERO, delay);
    let lmq = Lmq::start(options).await.unwrap();
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    for nth in 0..20 {
        monitor
            .publish(ANALYST, QoS::AtMostOnce, &nth.to_string())
            .await;
    }
    let mut order = Vec::new();
    for _ in 0..20 {
        order.push(text(&analyst.message().await).parse().unwrap());
    }
    assert!(lmq.count(What::Reordered) > 0);
    order
}

#[tokio::test]
async fn messages_overtake_others_and_all_arrive() {
    let order = overtaken(7, Duration::from_millis(10)).await;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..20).collect::<Vec<_>>());
    assert_ne!(order, sorted);
}

#[tokio::test]
async fn messages_that_take_their_time_keep_their_order() {
    let lmq = start(|behaviour| {
        behaviour.delay = (Duration::from_millis(20), Duration::from_millis(100));
    });
    let lmq = lmq.await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let started = Instant::now();
    for nth in 0..10 {
        analyst
            .publish(ANALYST, QoS::AtMostOnce, &nth.to_string())
            .await;
    }
    for nth in 0..10 {
        assert_eq!(text(&analyst.message().await), nth.to_string());
    }
    assert!(started.elapsed() >= Duration::from_millis(20));
}

/// Which of 200 messages are lost with this seed.
async fn lost_with(seed: u64) -> Vec<usize> {
    let mut options = options();
    options.seed = seed;
    (options.behaviour.lie, options.behaviour.max_rate) = (0.1, 1_000);
    let lmq = Lmq::start(options).await.unwrap();
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    for nth in 0..200 {
        analyst
            .publish(ANALYST, QoS::AtMostOnce, &nth.to_string())
            .await;
    }
    analyst.send(Packet::PingReq).await;
    let mut lost: Vec<usize> = (0..200).collect();
    while let Some(Packet::Publish(publish)) = analyst.next().await {
        let arrived: usize = text(&publish).parse().unwrap();
        lost.retain(|nth| *nth != arrived);
    }
    lost
}

#[tokio::test]
async fn chance_follows_from_the_seed() {
    let first = lost_with(5).await;
    assert!(!first.is_empty());
    assert_eq!(lost_with(5).await, first);
    assert_ne!(lost_with(6).await, first);
}

#[tokio::test]
async fn killed_connections_are_closed_and_their_sessions_are_not() {
    let lmq = start(|behaviour| behaviour.kill = 1.0).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    analyst.send(Packet::PingReq).await;
    analyst.is_closed().await;
    let (_, is_present) = Client::login(&lmq, ANALYST).await;
    assert!(is_present);
    assert_eq!(lmq.count(What::Killed), 1);
}

#[tokio::test]
async fn holes_swallow_one_way() {
    let lmq = start(|behaviour| behaviour.hole = Hole::Up).await;
    let (mut analyst, _) = Client::login(&lmq, ANALYST).await;
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    monitor.publish(ANALYST, QoS::AtLeastOnce, "lost").await;
    assert_eq!(monitor.soon().await, None);
    lmq.change(|behaviour| behaviour.hole = Hole::Down).await;
    monitor.publish(ANALYST, QoS::AtMostOnce, "swallowed").await;
    assert_eq!(analyst.soon().await, None);
    assert_eq!(lmq.count(What::Swallowed), 2);
    lmq.change(|behaviour| behaviour.hole = Hole::None).await;
    monitor.publish_acknowledged(ANALYST, "heard").await;
    assert_eq!(text(&analyst.message().await), "heard");
}

#[tokio::test]
async fn a_l6_tokens_have_rights_and_end() {
    let lmq = start(|behaviour| behaviour.token_life = Some(Duration::from_secs(2))).await;
    let with = |password: &str| {
        let mut connect = connect(ANALYST);
        connect.set_login("Token|simulator|lmq", password);
        connect
    };
    let (mut monitor, _) = Client::login(&lmq, MONITOR).await;
    let (mut reader, _) = Client::login_with(lmq.address(), with("R|t")).await;
    monitor.publish_acknowledged(ANALYST, "task").await;
    assert_eq!(text(&reader.message().await), "task");
    reader.publish(MONITOR, QoS::AtMostOnce, "result").await;
    reader.is_closed().await;
    let (mut writer, _) = Client::login_with(lmq.address(), with("W|t")).await;
    monitor.publish_acknowledged(ANALYST, "task").await;
    writer.is_silent().await;
    writer.publish(MONITOR, QoS::AtMostOnce, "result").await;
    assert_eq!(text(&monitor.message().await), "result");
    writer.is_closed().await;
    monitor.is_silent().await;
}

#[tokio::test]
async fn a_l11_what_the_broker_does_not_have_costs_the_connection() {
    let mut options = options();
    options.parent = Some(ParentTopic::new("Analyst").unwrap());
    let lmq = Lmq::start(options).await.unwrap();
    let publish = |topic: &str, qos, retain| {
        let mut publish = Publish::new(topic, qos, "x");
        (publish.pkid, publish.retain) = (u16::from(qos != QoS::AtMostOnce), retain);
        publish
    };
    let long = format!("Analyst/{}", "a".repeat(57));
    for bad in [
        publish("Analyst/x", QoS::ExactlyOnce, false),
        publish("Analyst/x", QoS::AtMostOnce, true),
        publish("Other/x", QoS::AtMostOnce, false),
        publish("Analysts", QoS::AtMostOnce, false),
        publish("$SYS/x", QoS::AtMostOnce, false),
        publish("Analyst/#", QoS::AtMostOnce, false),
        publish(&long, QoS::AtMostOnce, false),
    ] {
        let (mut client, _) = Client::login(&lmq, ANALYST).await;
        let what = format!("{bad:?}");
        client.send(Packet::Publish(bad)).await;
        assert_eq!(client.next().await, None, "{what}");
    }
    let (mut client, _) = Client::login(&lmq, ANALYST).await;
    client
        .send(Packet::Publish(publish(&long[1..], QoS::AtMostOnce, false)))
        .await;
    client.is_closed().await;
    let (mut client, _) = Client::login(&lmq, ANALYST).await;
    client
        .send(Packet::Publish(publish(
            &long[..64],
            QoS::AtMostOnce,
            false,
        )))
        .await;
    client.is_silent().await;
    assert_eq!(lmq.count(What::Rule), 8);
}

#[tokio::test]
async fn a_l16_whoever_is_silent_for_too_long_is_gone() {
    let lmq = start(|_| {}).await;
    let mut short = connect(ANALYST);
    short.keep_alive = 1;
    let (mut client, _) = Client::login_with(lmq.address(), short).await;
    let started = Instant::now();
    client.is_closed().await;
    assert!(started.elapsed() >= Duration::from_millis(1_500));
}

#[tokio::test]
async fn a_client_is_kicked_on_demand() {
    let lmq = start(|_| {}).await;
    let (mut client, _) = Client::login(&lmq, ANALYST).await;
    lmq.kick(&ClientId::new(ANALYST).unwrap()).await;
    client.is_closed().await;
}

#[tokio::test]
async fn what_a_server_would_tell_lets_a_client_in() {
    let lmq = start(|_| {}).await;
    let id = |text| ClientId::new(text).unwrap();
    let info = lmq.info(
        &ParentTopic::new("Analyst").unwrap(),
        &id(ANALYST),
        &id(MONITOR),
    );
    assert_eq!(info.warnings(), []);
    let mut connect = Connect::new(info.client_id.as_str());
    connect.set_login(&*info.user_name, info.password.as_str());
    let at = format!("{}:{}", info.host, info.port).parse().unwrap();
    let (_, ack) = Client::login_with(at, connect).await;
    assert_eq!(ack.map(|ack| ack.code), Some(ConnectReturnCode::Success));
}

#[tokio::test]
async fn garbage_harms_only_who_sends_it() {
    let lmq = start(|_| {}).await;
    let (mut good, _) = Client::login(&lmq, ANALYST).await;
    for bytes in [
        &[0x20, 2, 0, 0][..],
        &[0xff; 64],
        &[0x10, 0],
        &[0x30, 0x80, 0x80, 0x80, 0x80],
    ] {
        let mut client = Client::open(lmq.address()).await;
        client.stream.write_all(bytes).await.unwrap();
        client.is_closed().await;
    }
    good.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_what_it_is_and_ends_when_told() {
    let folder = Folder::new("analyst-broker");
    let (secret, record) = (folder.join("secret"), folder.join("record"));
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let mut command = example("analyst_broker");
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--secret-file",
        &secret,
        "--record",
        &record,
    ]);
    command.args([
        "--redeliver",
        "50ms",
        "--reorder",
        "--duplicate",
        "0",
        "--lose",
        "0",
    ]);
    let mut program = Program::start(command);
    let line = program.out.line_with("listening ");
    program.out.line_with("no broker for production");
    program.out.line_with("mosquitto_sub");
    let at = line.strip_prefix("listening ").unwrap().parse().unwrap();
    let (mut client, ack) = Client::login_with(at, connect(ANALYST)).await;
    assert_eq!(ack.map(|ack| ack.code), Some(ConnectReturnCode::Success));
    client.publish(ANALYST, QoS::AtMostOnce, "任务").await;
    assert_eq!(text(&client.message().await), "任务");
    program.signal("TERM");
    assert_eq!(program.finish().code(), Some(0), "{}", program.said());
    assert!(!program.said().contains(SECRET));
    let record = std::fs::read_to_string(record).unwrap();
    let events = record.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["event"].as_str().unwrap().to_owned()
    });
    let events: Vec<_> = events.filter(|event| event != "reordered").collect();
    assert_eq!(events, ["connected", "published", "pushed"]);
    assert!(!record.contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_comes_from_the_environment_too() {
    let mut command = example("analyst_broker");
    command
        .args(["--listen", "127.0.0.1:0", "--plain"])
        .env("LMQ_SECRET", SECRET);
    let program = Program::start(command);
    let line = program.out.line_with("listening ");
    let at = line.strip_prefix("listening ").unwrap().parse().unwrap();
    let mut wrong = connect(ANALYST);
    wrong.set_login("user", "wrong");
    let (_, ack) = Client::login_with(at, wrong).await;
    assert_eq!(
        ack.map(|ack| ack.code),
        Some(ConnectReturnCode::BadUserNamePassword)
    );
    let (_, ack) = Client::login_with(at, connect(ANALYST)).await;
    assert_eq!(ack.map(|ack| ack.code), Some(ConnectReturnCode::Success));
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    for args in [
        ["--lose", "2"],
        ["--reorder", "-1"],
        ["--redeliver", "0"],
        ["--redeliver", "soon"],
        ["--delay", "2s..1s"],
        ["--parent", "a/#"],
        ["--offline", "maybe"],
        ["--secret-file", "/nowhere/secret"],
        ["--record", "/nowhere/record"],
    ] {
        let mut command = example("analyst_broker");
        command.args(["--listen", "127.0.0.1:0"]).args(args);
        let mut program = Program::start(command);
        assert!(!program.finish().success(), "{args:?}");
        assert!(!program.err.lines().is_empty());
    }
}
