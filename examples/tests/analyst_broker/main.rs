//! The simulated broker, spoken to packet by packet.
#![cfg(unix)]

mod delivery;
mod faults;
#[path = "../kit/mod.rs"]
mod kit;
mod program;
mod rules;

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
