//! How long it takes from `POST /tasks` until the analyser has the START: HTTP, the dispatcher of the
//! examples with its store on the disk, its MQTT connection, the simulated broker, all in this
//! process; the analyser is a plain `rumqttc` client that answers at once.
//!
//! The floor is what cannot be done without: one sync of the disk, since an accepted task survives a
//! power cut, and one message through the same broker, both measured in turn with the tasks. The
//! dispatcher waits for two transactions of its store, the task's and then the attempt's, since a
//! START whose attempt is forgotten could end a later one.
//!
//! Tasks come 60 ms apart, when all connections have come to rest, and 8 ms apart, when the kernel
//! may still owe an acknowledgement of what went before, which small messages wait for unless
//! `TCP_NODELAY` is set. Wall time: reported, not judged.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "wall time is what is reported; counts are far below 2^52"
)]

mod analyst_samples;

use analyst_proto::link::Login;
use analyst_proto::platform::{Config, Event, Registration};
use analyst_proto::wire::{ClientId, ParentTopic, Secret};
use analyst_samples::START;
use benches::is_measured;
use drive::analyst::dispatcher::{Dispatcher, Options};
use drive::lmq::{self, Lmq, Profile};
use drive::tls::Trust;
use rumqttc::{AsyncClient, EventLoop, MqttOptions, Packet, QoS};
use std::fs::{self, File};
use std::future::pending;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

fn main() {
    let folder = std::env::temp_dir().join(format!("analyst-latency-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the store");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(&folder));
    drop(runtime);
    fs::remove_dir_all(&folder).expect("nobody uses it any more");
}

async fn run(folder: &Path) {
    let options = lmq::Options::new().with(|behaviour| behaviour.profile = Profile::Plain);
    let broker = Lmq::start(options).await.expect("a broker");
    let mut site = Site::start(&broker, folder).await;
    let mut other = Client::connect(&broker, "other", true).await;
    let mut number = 0;
    let mut floor = [0.0; 2];
    for (rest, rounds) in [(60, 400), (8, 800)] {
        let mut times = Times::default();
        for _ in 0..if is_measured() { rounds } else { 3 } {
            tokio::time::sleep(Duration::from_millis(rest)).await;
            let sync = site.sync();
            let hop = other.hop().await;
            times.sync.push(sync);
            times.hop.push(hop);
            times.floor.push(sync + hop);
            let (accepted, started) = site.one(number).await;
            times.accepted.push(accepted);
            times.started.push(started);
            number += 1;
        }
        floor = times.told(rest);
    }
    println!("## analyst: the same, many at once\n");
    for size in [16, 64] {
        let mut all = Vec::new();
        let mut spans = Vec::new();
        let bursts = if is_measured() { 2_000 / size } else { 1 };
        for _ in 0..bursts {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut times = site.burst(number, size).await;
            number += size;
            spans.push(times.iter().copied().max().unwrap_or_default());
            all.append(&mut times);
        }
        told(&format!("{size} at once: POST to START"), &mut all, floor);
        let spans = benches::median(spans.iter().map(Duration::as_secs_f64));
        println!("{:<34} {:>9.0} tasks/s", "", f64::from(size) / spans);
    }
}

#[derive(Default)]
struct Times {
    sync: Vec<Duration>,
    hop: Vec<Duration>,
    floor: Vec<Duration>,
    accepted: Vec<Duration>,
    started: Vec<Duration>,
}

impl Times {
    /// Prints them; the floor's percentiles.
    fn told(&mut self, rest: u64) -> [f64; 2] {
        println!(
            "## analyst: from POST /tasks to START at the analyser, one task each {rest} ms\n"
        );
        let floor = percentiles(&mut self.floor);
        for (name, times) in [
            ("a sync of the disk", &mut self.sync),
            ("a message through the broker", &mut self.hop),
            ("floor: both", &mut self.floor),
            ("POST to 202: the task is kept", &mut self.accepted),
            ("POST to START at the analyser", &mut self.started),
        ] {
            told(name, times, floor);
        }
        println!();
        floor
    }
}

fn percentiles(times: &mut [Duration]) -> [f64; 2] {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
    [at(50), at(99)]
}

fn told(name: &str, times: &mut [Duration], floor: [f64; 2]) {
    let [half, most] = percentiles(times);
    println!(
        "{name:<34} p50 {half:>7.0} us  p99 {most:>7.0} us  {:>5.2} and {:>5.2} of the floor",
        half / floor[0],
        most / floor[1]
    );
}

/// A dispatcher with one analyser.
struct Site {
    http: TcpStream,
    analyser: Client,
    verdicts: mpsc::UnboundedReceiver<()>,
    file: File,
}

fn client_id(name: &str) -> ClientId {
    ClientId::new(format!("GID_Analyst@@@{name}")).unwrap()
}

/// A START's data with this number.
fn task(number: u32) -> String {
    let (_, data) = START.split_once(r#""data":"#).unwrap();
    let id = 1_679_846_303_806_259_201 + 1024 * u64::from(number);
    data[..data.len() - 1].replace("1679846303806259201", &id.to_string())
}

impl Site {
    async fn start(broker: &Lmq, folder: &Path) -> Self {
        let parent = ParentTopic::new("Analyst").unwrap();
        let address = broker.address();
        let (host, secret) = (address.ip().to_string(), Secret::new(""));
        let (monitor, user) = (client_id("monitor"), "monitor");
        let login = Login::new(host, address.port(), monitor, user, secret, parent);
        let mut config = Config::new(login, 7);
        config.lease = Duration::from_hours(1);
        let mut registration =
            Registration::new("analyst_1", Secret::new("secret-1"), client_id("analyst_1"));
        registration.capacity = 1_000;
        let dispatcher = Dispatcher::start(Options {
            http: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            trust: Trust::Nobody,
            data: folder.join("dispatcher"),
            config,
            registrations: vec![registration],
            tells: false,
        });
        let dispatcher = dispatcher.await.expect("a dispatcher");
        let http = TcpStream::connect(dispatcher.address()).await.unwrap();
        http.set_nodelay(true).unwrap();
        let (verdict, mut verdicts) = mpsc::unbounded_channel();
        let tell = move |event: &Event| match event {
            Event::Up | Event::Verdict { .. } => verdict.send(()).is_ok(),
            _ => false,
        };
        tokio::spawn(async move { dispatcher.run(pending(), tell).await });
        verdicts.recv().await.expect("a connection");
        Self {
            http,
            analyser: Client::connect(broker, "analyst_1", false).await,
            verdicts,
            file: File::create(folder.join("sync")).unwrap(),
        }
    }

    /// A record of a task, written and synced.
    fn sync(&mut self) -> Duration {
        let start = Instant::now();
        self.file.write_all(START.as_bytes()).unwrap();
        self.file.sync_data().unwrap();
        start.elapsed()
    }

    async fn post(&mut self, number: u32) {
        let body = task(number);
        let head = format!(
            "POST /tasks HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.http
            .write_all((head + &body).as_bytes())
            .await
            .unwrap();
    }

    /// How long it took until the task was accepted, and until its START was there.
    async fn one(&mut self, number: u32) -> (Duration, Duration) {
        let start = Instant::now();
        self.post(number).await;
        let mut answer = [0; 1024];
        let accepted = async {
            let len = self.http.read(&mut answer).await.unwrap();
            assert!(answer[..len].starts_with(b"HTTP/1.1 202"));
            start.elapsed()
        };
        let started = async {
            let payload = self.analyser.next().await;
            (start.elapsed(), payload)
        };
        let (accepted, (started, payload)) = tokio::join!(accepted, started);
        self.analyser.finish(&payload).await;
        self.verdicts.recv().await.expect("a verdict");
        (accepted, started)
    }

    /// So many are posted at once, over one connection each; how long each took.
    async fn burst(&mut self, first: u32, size: u32) -> Vec<Duration> {
        let address = self.http.peer_addr().unwrap();
        let mut links = Vec::new();
        for _ in 0..size {
            let link = TcpStream::connect(address).await.unwrap();
            link.set_nodelay(true).unwrap();
            links.push(link);
        }
        let start = Instant::now();
        for (number, link) in (first..).zip(&mut links) {
            std::mem::swap(link, &mut self.http);
            self.post(number).await;
            std::mem::swap(link, &mut self.http);
        }
        let (mut times, mut started) = (Vec::new(), Vec::new());
        for _ in 0..size {
            started.push(self.analyser.next().await);
            times.push(start.elapsed());
        }
        for payload in started {
            self.analyser.finish(&payload).await;
        }
        for _ in 0..size {
            self.verdicts.recv().await.expect("a verdict");
        }
        times
    }
}

/// A plain client that hears what is for it.
struct Client {
    name: &'static str,
    requests: AsyncClient,
    heard: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Client {
    async fn connect(broker: &Lmq, name: &'static str, is_clean: bool) -> Self {
        let address = broker.address();
        let id = client_id(name);
        let mut options = MqttOptions::new(id.as_str(), address.ip().to_string(), address.port());
        options.set_clean_session(is_clean);
        let (requests, mut events) = AsyncClient::new(options, 256);
        events.network_options.set_tcp_nodelay(true);
        let topic = format!("Analyst/p2p/{}", id.as_str());
        requests.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let (ready, mut is_ready) = mpsc::unbounded_channel();
        tokio::spawn(async move { listen(&mut events, &tell, &ready).await });
        is_ready.recv().await.expect("a subscription");
        Self {
            name,
            requests,
            heard,
        }
    }

    async fn next(&mut self) -> Vec<u8> {
        let patience = Duration::from_secs(20);
        let heard = tokio::time::timeout(patience, self.heard.recv()).await;
        heard.expect("a message").expect("a connection")
    }

    /// A message to itself, of the length of a START.
    async fn hop(&mut self) -> Duration {
        let start = Instant::now();
        self.publish(self.name, START.as_bytes().to_vec()).await;
        self.next().await;
        start.elapsed()
    }

    /// The result of this START.
    async fn finish(&self, start: &[u8]) {
        let text = std::str::from_utf8(start).unwrap();
        let (_, behind) = text.split_once(r#""id":"#).unwrap();
        let id = behind.split(',').next().unwrap();
        let json =
            format!(r#"{{"action":"ANALYSIS_FINISH","data":{{"id":{id},"RESULT":{{"17":1}}}}}}"#);
        self.publish("monitor", json.into_bytes()).await;
    }

    async fn publish(&self, to: &str, payload: Vec<u8>) {
        let topic = format!("Analyst/p2p/{}", client_id(to).as_str());
        let published = self
            .requests
            .publish(topic, QoS::AtLeastOnce, false, payload);
        published.await.unwrap();
    }
}

async fn listen(
    events: &mut EventLoop,
    tell: &mpsc::UnboundedSender<Vec<u8>>,
    ready: &mpsc::UnboundedSender<()>,
) {
    while let Ok(event) = events.poll().await {
        match event {
            rumqttc::Event::Incoming(Packet::SubAck(_)) => drop(ready.send(())),
            rumqttc::Event::Incoming(Packet::Publish(publish)) => {
                drop(tell.send(publish.payload.to_vec()));
            }
            _ => {}
        }
    }
}
