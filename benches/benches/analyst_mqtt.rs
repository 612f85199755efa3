//! The MQTT connection of the examples (`drive::mqtt`) beside plain `rumqttc` of the same version:
//! messages for each second of CPU time of the client's thread, kernel included, sending and
//! receiving with quality of service 1 and 16 messages under way.
//!
//! Plain is `AsyncClient` with its defaults but for the window: it acknowledges by itself. Ours
//! acknowledges by hand, tells which message was acknowledged, and passes everything through a
//! channel. "By hand" is plain with acknowledgements of the application. The broker is mosquitto in a
//! process of its own, or the simulator in a thread of its own where that is not installed. Who sends
//! to a receiver is another thread, never more than two windows ahead of it, since mosquitto 2.0.11
//! has far more than its window under way at times. A message is a START.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "wall time is waited for; counts are far below 2^52"
)]

mod analyst_samples;

use analyst_proto::link::{Login, SendId};
use analyst_proto::wire::{ClientId, ParentTopic, Secret, Topic};
use analyst_samples::START;
use benches::process::Program;
use benches::{is_measured, median};
use cpu_time::ThreadTime;
use drive::lmq::{self, Lmq, Profile};
use drive::mqtt::{Connection, News, What};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// Messages that the broker has not acknowledged.
const WINDOW: u16 = 16;
/// Bytes of a payload that the machines take.
const MAX_PAYLOAD: usize = 64 << 10;

fn main() {
    let folder = std::env::temp_dir().join(format!("analyst-mqtt-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for settings");
    let (_mosquitto, port, name) = match mosquitto(&folder) {
        Ok((program, port)) => (Some(program), port, "mosquitto"),
        Err(error) => {
            println!("mosquitto: passed over, {error}");
            (None, simulator(), "the simulator")
        }
    };
    let runtime = runtime();
    sending(&runtime, port, name);
    receiving(&runtime, port, name);
    fs::remove_dir_all(&folder).expect("nobody uses it any more");
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

fn mosquitto(folder: &Path) -> io::Result<(Program, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let path = folder.join("mosquitto.conf");
    let settings = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
         max_queued_messages 0\nmax_inflight_messages {WINDOW}\nlog_dest none\n"
    );
    fs::write(&path, settings)?;
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(path);
    let mut program = Program::start(command)?;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if !program.is_running()? {
            return Err(io::Error::other("it ended at once"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok((program, port))
}

/// In a thread of its own, as long as this program runs.
fn simulator() -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let plain = lmq::Options::new().with(|behaviour| behaviour.profile = Profile::Plain);
            let broker = Lmq::start(plain).await.expect("a broker");
            tell.send(broker.address().port()).expect("it is asked for");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("its port")
}

fn client_id(name: &str) -> ClientId {
    ClientId::new(format!("GID_Analyst@@@{name}")).unwrap()
}

fn topic_of(name: &str) -> Topic {
    let parent = ParentTopic::new("Analyst").unwrap();
    parent.p2p(&client_id(name))
}

/// Messages of one sample, a multiple of the window, and samples.
fn amounts() -> (u64, usize) {
    if is_measured() { (4_800, 31) } else { (48, 1) }
}

/// Two windows are asked for at first, and one more whenever one has come.
fn ask_for_more(received: u64, messages: u64, ask: &impl Fn()) {
    let window = u64::from(WINDOW);
    if received == 0 {
        ask();
    }
    if received.is_multiple_of(window) && received + window < messages {
        ask();
    }
}

/// Nanoseconds of this thread for each message.
fn cost(runtime: &Runtime, messages: u64, work: impl Future<Output = ()>) -> f64 {
    let start = ThreadTime::now();
    runtime.block_on(work);
    start.elapsed().as_secs_f64() * 1e9 / messages as f64
}

fn sending(runtime: &Runtime, port: u16, broker: &str) {
    let (messages, rounds) = amounts();
    let mut ours = runtime.block_on(Ours::connect(port, "ours"));
    let mut plain = runtime.block_on(Plain::connect(port, "plain", false));
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..2 {
            let at = (round + turn) % 2;
            costs[at].push(match at {
                0 => cost(runtime, messages, ours.send(messages)),
                _ => cost(runtime, messages, plain.send(messages)),
            });
        }
    }
    told(&format!("sending to {broker}"), &["ours", "plain"], &costs);
}

fn receiving(runtime: &Runtime, port: u16, broker: &str) {
    let (messages, rounds) = amounts();
    let mut ours = runtime.block_on(Ours::connect(port, "ours_in"));
    let mut plain = runtime.block_on(Plain::connect(port, "plain_in", false));
    let mut by_hand = runtime.block_on(Plain::connect(port, "hand_in", true));
    let names = ["ours_in", "plain_in", "hand_in"];
    let (order, orders) = std::sync::mpsc::channel::<&str>();
    let sender = thread::spawn(move || {
        let runtime = self::runtime();
        let mut sender = runtime.block_on(Plain::connect(port, "sender", false));
        while let Ok(to) = orders.recv() {
            sender.to = topic_of(to);
            runtime.block_on(sender.send(WINDOW.into()));
        }
    });
    let mut costs = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..3 {
            let at = (round + turn) % 3;
            let ask = || order.send(names[at]).expect("somebody sends");
            costs[at].push(match at {
                0 => cost(runtime, messages, ours.receive(messages, ask)),
                1 => cost(runtime, messages, plain.receive(messages, ask)),
                _ => cost(runtime, messages, by_hand.receive(messages, ask)),
            });
        }
    }
    drop(order);
    sender.join().expect("it ends");
    let names = ["ours", "plain", "plain, by hand"];
    told(&format!("receiving from {broker}"), &names, &costs);
}

fn told(what: &str, names: &[&str], costs: &[Vec<f64>]) {
    println!(
        "## analyst: {what}, {} bytes, {WINDOW} under way\n",
        START.len()
    );
    for (name, nanos) in names.iter().zip(costs) {
        let ratio = median(nanos.iter().zip(&costs[0]).map(|(it, ours)| it / ours));
        let nanos = median(nanos.iter().copied());
        println!(
            "{name:<18} {nanos:>8.0} ns CPU, {:>9.0} messages/CPU s; ours does {ratio:.2}x as many",
            1e9 / nanos
        );
    }
    println!();
}

/// The connection of the examples.
struct Ours {
    connection: Connection,
    heard: mpsc::Receiver<News>,
    to: Topic,
    sent: u64,
}

impl Ours {
    async fn connect(port: u16, name: &str) -> Self {
        let (tell, mut heard) = mpsc::channel(256);
        let parent = ParentTopic::new("Analyst").unwrap();
        let secret = Secret::new("");
        let login = Login::new("127.0.0.1", port, client_id(name), "user", secret, parent);
        let connection = Connection::open(1, &login, None, MAX_PAYLOAD, tell);
        let first = heard.recv().await.and_then(|it| it.of(Some(&connection)));
        assert!(matches!(first, Some(What::Connected)), "{first:?}");
        assert!(connection.subscribe(&topic_of(name)));
        // A subscription is not told of: a message to itself is through once it is made.
        let mut ours = Self {
            connection,
            heard,
            to: topic_of(name),
            sent: 0,
        };
        ours.publish();
        let mut expected = 2;
        while expected > 0 {
            expected -= 1;
            if let What::Delivered { delivery, .. } = ours.hear().await {
                assert!(ours.connection.acknowledge(delivery));
            }
        }
        ours.to = topic_of("nobody");
        ours
    }

    async fn hear(&mut self) -> What {
        let news = self.heard.recv().await;
        let what = news.and_then(|news| news.of(Some(&self.connection)));
        what.expect("news of this connection")
    }

    fn publish(&mut self) {
        self.sent += 1;
        let payload = START.as_bytes().to_vec();
        let published = self
            .connection
            .publish(SendId(self.sent), &self.to, payload);
        published.expect("there is room");
    }

    async fn send(&mut self, messages: u64) {
        let (mut published, mut acknowledged) = (0, 0);
        while acknowledged < messages {
            while published < messages && published < acknowledged + u64::from(WINDOW) {
                self.publish();
                published += 1;
            }
            match self.hear().await {
                What::Sent(_) => acknowledged += 1,
                other => panic!("{other:?}"),
            }
        }
    }

    async fn receive(&mut self, messages: u64, ask: impl Fn()) {
        for received in 0..messages {
            ask_for_more(received, messages, &ask);
            match self.hear().await {
                What::Delivered { delivery, .. } => {
                    assert!(self.connection.acknowledge(delivery));
                }
                other => panic!("{other:?}"),
            }
        }
        // The last acknowledgements are still to be written.
        tokio::task::yield_now().await;
    }
}

/// `rumqttc` as it comes.
struct Plain {
    client: AsyncClient,
    events: EventLoop,
    to: Topic,
    is_by_hand: bool,
}

impl Plain {
    async fn connect(port: u16, name: &str, is_by_hand: bool) -> Self {
        let mut options = MqttOptions::new(client_id(name).as_str(), "127.0.0.1", port);
        options.set_inflight(WINDOW);
        options.set_manual_acks(is_by_hand);
        let (client, mut events) = AsyncClient::new(options, 64);
        let own = topic_of(name);
        let subscribed = client.subscribe(own.as_str(), QoS::AtLeastOnce).await;
        subscribed.expect("there is room");
        loop {
            let event = events.poll().await.expect("a connection");
            if matches!(event, Event::Incoming(Packet::SubAck(_))) {
                break;
            }
        }
        Self {
            client,
            events,
            to: topic_of("nobody"),
            is_by_hand,
        }
    }

    async fn send(&mut self, messages: u64) {
        let (client, to) = (self.client.clone(), self.to.clone());
        tokio::spawn(async move {
            for _ in 0..messages {
                let payload = START.as_bytes().to_vec();
                let published = client.publish(to.as_str(), QoS::AtLeastOnce, false, payload);
                published.await.expect("a connection");
            }
        });
        let mut acknowledged = 0;
        while acknowledged < messages {
            let event = self.events.poll().await.expect("a connection");
            acknowledged += u64::from(matches!(event, Event::Incoming(Packet::PubAck(_))));
        }
    }

    async fn receive(&mut self, messages: u64, ask: impl Fn()) {
        let mut received = 0;
        ask_for_more(received, messages, &ask);
        while received < messages {
            let event = self.events.poll().await.expect("a connection");
            if let Event::Incoming(Packet::Publish(publish)) = event {
                received += 1;
                ask_for_more(received, messages, &ask);
                if self.is_by_hand {
                    self.client.try_ack(&publish).expect("there is room");
                }
            }
        }
    }
}
