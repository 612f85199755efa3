//! The servers of the fan-out bench and how each is spoken to: what a subscriber says first, how it
//! knows that it is subscribed, and how something is published.

use benches::process::Program;
use drive::zzw::server::{Options, Server};
use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode};
use xtea_token::Key;
use zzw_push_proto::platform::Rate;

/// A way to send what one says to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The broker of this project, with messages for those who are online.
    Ours,
    /// The same with messages that it keeps until they are acknowledged.
    OursKept,
    /// Writes what comes on its first connection to all others, and does nothing else: the limit.
    Bare,
    Mosquitto,
    /// With acknowledgements.
    MosquittoQos1,
    Redis,
    Nats,
    SocketIo,
}

/// In every message once, and nowhere else: receivers count it.
pub(crate) const MARK: u8 = b'~';

/// First argument of this program when it is to be a server.
pub(crate) const SERVER: &str = "server";

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursKept => "ours, kept",
            Self::Bare => "bare send loop",
            Self::Mosquitto => "mosquitto",
            Self::MosquittoQos1 => "mosquitto QoS 1",
            Self::Redis => "redis",
            Self::Nats => "nats-server",
            Self::SocketIo => "socket.io",
        }
    }

    /// Starts the server; its port.
    pub(crate) fn start(self, folder: &Path) -> io::Result<(Program, u16)> {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let command = match self {
            Self::Ours | Self::OursKept | Self::Bare => {
                let mut command = Command::new(env::current_exe()?);
                command.args([SERVER, if self == Self::Bare { "bare" } else { "ours" }]);
                let mut program = Program::start(command)?;
                let port = program.line()?.parse().map_err(io::Error::other)?;
                return Ok((program, port));
            }
            Self::SocketIo => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/fan_out.js");
                let mut command = Command::new("node");
                command.arg(script);
                let modules = env::var_os("INTEROP_NODE_PATH");
                if let Some(modules) = modules {
                    command.env("NODE_PATH", modules);
                }
                let mut program = Program::start(command)?;
                let port = program.line()?.parse().map_err(io::Error::other)?;
                return Ok((program, port));
            }
            Self::Mosquitto | Self::MosquittoQos1 => {
                let path = folder.join(format!("mosquitto-{free}.conf"));
                let settings = format!(
                    "listener {free} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
                     max_queued_messages 0\nmax_inflight_messages 0\nlog_dest none\n"
                );
                fs::write(&path, settings)?;
                let mut command = Command::new("mosquitto");
                command.arg("-c").arg(path);
                command
            }
            Self::Redis => {
                let mut command = Command::new("redis-server");
                command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
                command.args(["--maxclients", "12000", "--port", &free.to_string()]);
                command
            }
            Self::Nats => {
                let mut command = Command::new("nats-server");
                command.args(["-a", "127.0.0.1", "-p", &free.to_string()]);
                command.env("GOMAXPROCS", "1");
                command
            }
        };
        let mut program = Program::start(command)?;
        while TcpStream::connect(("127.0.0.1", free)).is_err() {
            if !program.is_running()? {
                return Err(io::Error::other("it ended at once"));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok((program, free))
    }

    /// What subscriber number `number` says, in steps, each with what ends the wait for its answer.
    pub(crate) fn hello(self, number: usize) -> Vec<(Vec<u8>, &'static [u8])> {
        match self {
            Self::Ours | Self::OursKept => vec![
                (
                    format!("{{\"t\":14,\"alias\":\"m_{number}\"}}\n").into_bytes(),
                    b"-14",
                ),
                (
                    b"{\"t\":2,\"topic\":[\"c\",\"c_2\"],\"num\":\"1\"}\n".to_vec(),
                    b"-2",
                ),
            ],
            Self::Bare => vec![(b"hello\n".to_vec(), b"hello\n")],
            Self::Mosquitto | Self::MosquittoQos1 => vec![
                (mqtt_connect(number), b"\x20\x02\x00\x00"),
                (
                    mqtt_subscribe("c", u8::from(self == Self::MosquittoQos1)),
                    b"\x90\x03\x00\x01",
                ),
                (mqtt_subscribe("c_2", 0), b"\x90\x03\x00\x01"),
            ],
            Self::Redis => vec![(b"SUBSCRIBE c c_2\r\n".to_vec(), b":2\r\n")],
            Self::Nats => vec![(
                b"CONNECT {\"verbose\":false}\r\nSUB c 1\r\nSUB c_2 2\r\nPING\r\n".to_vec(),
                b"PONG\r\n",
            )],
            Self::SocketIo => vec![
                (
                    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\n\
                      Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                        .to_vec(),
                    b"pingTimeout",
                ),
                (websocket_text(b"40"), b"ready"),
            ],
        }
    }

    /// What a publisher says first.
    pub(crate) fn publisher_hello(self) -> Vec<(Vec<u8>, &'static [u8])> {
        match self {
            Self::Ours | Self::OursKept | Self::Redis => Vec::new(),
            Self::Bare => vec![(b"publisher\n".to_vec(), b"publisher\n")],
            Self::Mosquitto | Self::MosquittoQos1 => {
                vec![(mqtt_connect(usize::MAX), b"\x20\x02\x00\x00")]
            }
            Self::Nats => vec![(
                b"CONNECT {\"verbose\":false}\r\nPING\r\n".to_vec(),
                b"PONG\r\n",
            )],
            Self::SocketIo => self.hello(0),
        }
    }

    /// Appends what publishes a body of about 100 bytes.
    pub(crate) fn publish(self, out: &mut Vec<u8>) {
        let body = format!("{}{}", char::from(MARK), "x".repeat(90));
        match self {
            Self::Ours | Self::OursKept => {
                let ttl = if self == Self::Ours { 0 } else { 600 };
                let line = format!(
                    "{{\"t\":6,\"method\":\"publish\",\"topic\":[\"c\"],\"msg\":\"{body}\",\
                     \"opts\":{{\"time_to_live\":{ttl}}}}}\n"
                );
                out.extend_from_slice(line.as_bytes());
            }
            // As long as what ours sends to each.
            Self::Bare => out.extend_from_slice(
                format!("{{\"t\":5,\"alias\":\"m_1234\",\"mid\":\"893106921185280\",\"msg\":\"{body}\",\"topic\":\"c\"}}\n").as_bytes(),
            ),
            Self::Mosquitto => mqtt_publish(&body, 0, out),
            Self::MosquittoQos1 => mqtt_publish(&body, 1, out),
            Self::Redis => out.extend_from_slice(format!("PUBLISH c {body}\r\n").as_bytes()),
            Self::Nats => out
                .extend_from_slice(format!("PUB c {}\r\n{body}\r\n", body.len()).as_bytes()),
            Self::SocketIo => {
                let packet = format!("42[\"pub\",\"{body}\"]");
                out.extend_from_slice(&websocket_text(packet.as_bytes()));
            }
        }
    }

    /// Whether a subscriber has to acknowledge what it gets.
    pub(crate) fn is_acked(self) -> bool {
        matches!(self, Self::OursKept | Self::MosquittoQos1)
    }

    /// Takes whole messages out of what a subscriber has received and appends what acknowledges
    /// them; how many there were.
    pub(crate) fn acknowledge(self, received: &mut Vec<u8>, out: &mut Vec<u8>) -> usize {
        let (mut acked, mut taken) = (0, 0);
        while let Some(rest) = received.get(taken..).filter(|rest| rest.len() >= 2) {
            let Some(length) = self
                .message_len(rest)
                .filter(|length| *length <= rest.len())
            else {
                break;
            };
            let message = &rest[..length];
            taken += length;
            if !message.contains(&MARK) {
                continue;
            }
            acked += 1;
            if self == Self::MosquittoQos1 {
                let topic = usize::from(message[3]);
                out.extend_from_slice(&[0x40, 2, message[4 + topic], message[5 + topic]]);
            } else {
                let line = std::str::from_utf8(message).unwrap();
                let (head, _) = line.split_once(",\"msg\"").unwrap();
                let ids = head.strip_prefix("{\"t\":5").unwrap();
                out.extend_from_slice(format!("{{\"t\":-5{ids}}}\n").as_bytes());
            }
        }
        received.drain(..taken);
        acked
    }

    /// Bytes of the message that begins there, once that is known. Those of the bench need one byte
    /// for their length in MQTT.
    fn message_len(self, bytes: &[u8]) -> Option<usize> {
        if self == Self::MosquittoQos1 {
            return Some(2 + usize::from(bytes[1]));
        }
        let end = memchr::memchr(b'\n', bytes)?;
        Some(end + 1)
    }

    /// What a client says to show that it is alive, and how long the answer is.
    pub(crate) fn beat(self) -> Option<(&'static [u8], usize)> {
        match self {
            Self::Ours | Self::OursKept => {
                Some((b"{\"t\":1}\n", b"{\"t\":-1,\"alias\":\"m_0\"}\n".len()))
            }
            Self::Mosquitto => Some((b"\xc0\x00", 2)),
            Self::Redis => Some((b"*1\r\n$4\r\nPING\r\n", 7)),
            _ => None,
        }
    }
}

fn mqtt_connect(number: usize) -> Vec<u8> {
    let id = format!("m_{number}");
    let mut packet = vec![0x10, u8::try_from(12 + id.len()).unwrap()];
    packet.extend_from_slice(b"\x00\x04MQTT\x04\x02\x00\x00\x00");
    packet.push(u8::try_from(id.len()).unwrap());
    packet.extend_from_slice(id.as_bytes());
    packet
}

fn mqtt_subscribe(topic: &str, qos: u8) -> Vec<u8> {
    let length = u8::try_from(topic.len()).unwrap();
    let mut packet = vec![0x82, length + 5, 0, 1, 0, length];
    packet.extend_from_slice(topic.as_bytes());
    packet.push(qos);
    packet
}

fn mqtt_publish(body: &str, qos: u8, out: &mut Vec<u8>) {
    let id = if qos > 0 { &b"\x00\x01"[..] } else { b"" };
    let length = 3 + id.len() + body.len();
    out.extend_from_slice(&[0x30 | (qos << 1), u8::try_from(length).unwrap(), 0, 1, b'c']);
    out.extend_from_slice(id);
    out.extend_from_slice(body.as_bytes());
}

/// A text frame of a client, masked with zeros.
fn websocket_text(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let mut frame = vec![0x81];
    if length < 126 {
        frame.push(0x80 | length);
    } else {
        frame.extend_from_slice(&[0xfe, 0, length]);
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text);
    frame
}

/// Serves in the way called `kind` on one thread, until it is killed.
pub(crate) fn serve(kind: &str) -> ExitCode {
    if kind == "bare" {
        bare();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let key = Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
        let mut options = Options::new(key);
        let ports = &mut options.ports;
        (ports.rest, ports.socketio, ports.push, ports.relay) = (0, 0, 0, 0);
        let fast = Rate::new(1_000_000, 1_000_000);
        let broker = &mut options.broker;
        (broker.frame_rate, broker.address_rate) = (fast, fast);
        broker.publish_rate = fast;
        options.push.links_per_address = options.push.links;
        let server = Server::start(options).await.unwrap();
        println!("{}", server.addresses().push.port());
        server.closed().await;
    });
    ExitCode::SUCCESS
}

/// The least that can be done: read from one, write to all.
fn bare() -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let mut receivers = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut hello = [0; 64];
        let length = stream.read(&mut hello).unwrap();
        stream.write_all(&hello[..length]).unwrap();
        if hello.starts_with(b"hello") {
            receivers.push(stream);
            continue;
        }
        let mut messages = vec![0; 64 << 10];
        loop {
            let length = stream.read(&mut messages).unwrap_or(0);
            if length == 0 {
                break;
            }
            for receiver in &mut receivers {
                receiver.write_all(&messages[..length]).unwrap();
            }
        }
    }
}
