//! What a message to many, an idle connection and a heartbeat cost a push server, beside others: CPU
//! time of the server for each delivery to N subscribers over loopback, one message at a time and in
//! bursts of 64, with acknowledgements, and beside one that takes nothing; memory and CPU time of connections that are registered and do nothing; heartbeats.
//!
//! Every server is a process with one thread that serves. Peers that are not installed are passed
//! over: mosquitto, redis-server, nats-server, and socket.io on Node (`INTEROP_NODE_PATH`).
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "wall time is what is reported; counts are far below 2^52"
)]

mod zzw_peers;

use benches::process::Program;
use benches::{is_measured, median};
use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zzw_peers::{MARK, Peer, SERVER};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, mode, kind] = &*arguments
        && mode == SERVER
    {
        return zzw_peers::serve(kind);
    }
    let folder = env::temp_dir().join(format!("zzw-servers-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for settings");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let only = env::var("ZZW_ONLY").unwrap_or_default();
    let wants = |part: &str| only.is_empty() || only == part;
    runtime.block_on(async {
        if wants("fan-out") {
            fan_out(&folder, if is_measured() { 1_000 } else { 10 }).await;
        }
        if wants("kept") {
            kept(&folder, if is_measured() { 1_000 } else { 10 }).await;
        }
        if wants("stalled") {
            stalled(&folder, if is_measured() { 100 } else { 5 }).await;
        }
        if wants("growth") {
            growth(&folder).await;
        }
        if wants("idle") {
            idle(&folder).await;
        }
        if wants("beats") {
            beats(&folder).await;
        }
    });
    fs::remove_dir_all(&folder).expect("nobody uses it any more");
    ExitCode::SUCCESS
}

/// Messages that are published at once.
const BURST: usize = 64;

/// A server with its subscribers and a publisher.
struct Audience {
    program: Program,
    port: u16,
    publisher: TcpStream,
    subscribers: Vec<TcpStream>,
}

/// What a delivery costs, in ns of CPU time of the server, and how many there were in a second.
#[derive(Debug, Clone, Copy)]
struct Cost {
    nanos: f64,
    rate: f64,
}

impl Audience {
    async fn gather(peer: Peer, folder: &Path, size: usize) -> io::Result<Self> {
        let (program, port) = peer.start(folder)?;
        let mut subscribers = Vec::new();
        for number in 0..size {
            subscribers.push(connect(port, peer.hello(number)).await?);
        }
        let publisher = connect(port, peer.publisher_hello()).await?;
        Ok(Self {
            program,
            port,
            publisher,
            subscribers,
        })
    }

    /// Publishes `rounds` times `burst` messages, each time once all have got all.
    async fn measure(&mut self, peer: Peer, burst: usize, rounds: usize) -> io::Result<Cost> {
        let mut batch = Vec::new();
        (0..burst).for_each(|_| peer.publish(&mut batch));
        let (start, spent) = (Instant::now(), self.program.cpu_time()?);
        for _ in 0..rounds {
            self.publisher.write_all(&batch).await?;
            for subscriber in &mut self.subscribers {
                if peer.is_acked() {
                    receive_and_acknowledge(peer, subscriber, burst).await?;
                } else {
                    receive(subscriber, burst).await?;
                }
            }
            drain(&self.publisher);
        }
        let spent = self.program.cpu_time()?.saturating_sub(spent);
        let deliveries = (rounds * burst * self.subscribers.len()) as f64;
        Ok(Cost {
            nanos: spent.as_nanos() as f64 / deliveries,
            rate: deliveries / start.elapsed().as_secs_f64(),
        })
    }
}

async fn connect(port: u16, hello: Vec<(Vec<u8>, &'static [u8])>) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    for (words, answer) in hello {
        stream.write_all(&words).await?;
        let mut heard = Vec::new();
        while !heard.windows(answer.len()).any(|part| part == answer) {
            let mut answer_part = vec![0; 4096];
            let patience = Duration::from_secs(10);
            let read = tokio::time::timeout(patience, stream.read(&mut answer_part)).await;
            let length = read.map_err(|_| io::Error::other("no answer to its hello"))??;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            heard.extend_from_slice(&answer_part[..length]);
        }
    }
    Ok(stream)
}

/// Waits for so many messages.
async fn receive(stream: &mut TcpStream, messages: usize) -> io::Result<()> {
    let mut seen = 0;
    let mut part = vec![0; 16 << 10];
    while seen < messages {
        let patience = Duration::from_secs(20);
        let read = tokio::time::timeout(patience, stream.read(&mut part)).await;
        let length = read.map_err(|_| io::Error::other(format!("{seen} of {messages} came")))??;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        seen += memchr::memchr_iter(MARK, &part[..length]).count();
    }
    Ok(())
}

/// The same, and acknowledges each.
async fn receive_and_acknowledge(
    peer: Peer,
    stream: &mut TcpStream,
    messages: usize,
) -> io::Result<()> {
    let (mut seen, mut received) = (0, Vec::new());
    while seen < messages {
        let patience = Duration::from_secs(20);
        let read = tokio::time::timeout(patience, stream.read_buf(&mut received)).await;
        let length = read.map_err(|_| io::Error::other(format!("{seen} of {messages} came")))??;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut acknowledgements = Vec::new();
        seen += peer.acknowledge(&mut received, &mut acknowledgements);
        stream.write_all(&acknowledgements).await?;
    }
    Ok(())
}

/// Answers to a publisher are not read one by one.
fn drain(stream: &TcpStream) {
    let mut part = vec![0; 16 << 10];
    while stream.try_read(&mut part).is_ok_and(|length| length > 0) {}
}

/// A goal: how many times less than the peer, or how many times as much at most.
#[derive(Clone, Copy)]
enum Goal {
    Less(f64),
    AtMost(f64),
    None,
}

async fn fan_out(folder: &Path, size: usize) {
    let peers = [
        (Peer::Ours, Goal::None, Goal::None),
        (Peer::Bare, Goal::AtMost(1.25), Goal::AtMost(1.5)),
        (Peer::Mosquitto, Goal::Less(1.8), Goal::Less(40.0)),
        (Peer::Redis, Goal::Less(1.05), Goal::Less(1.8)),
        (Peer::Nats, Goal::None, Goal::Less(3.5)),
        (Peer::SocketIo, Goal::Less(2.0), Goal::Less(40.0)),
    ];
    let mut audiences = Vec::new();
    for (peer, lone, burst) in peers {
        match Audience::gather(peer, folder, size).await {
            Ok(audience) => audiences.push((peer, lone, burst, audience, Vec::new(), Vec::new())),
            Err(error) => println!("{}: passed over, {error}", peer.name()),
        }
    }
    let rounds = if is_measured() { 5 } else { 1 };
    for round in 0..rounds {
        for turn in 0..audiences.len() {
            let index = (round + turn) % audiences.len();
            let (peer, _, _, audience, lone, bursts) = &mut audiences[index];
            let name = peer.name();
            let cost = audience
                .measure(*peer, 1, if is_measured() { 50 } else { 1 })
                .await;
            lone.push(cost.unwrap_or_else(|error| panic!("{name}: {error}")));
            let cost = audience
                .measure(*peer, BURST, if is_measured() { 4 } else { 1 })
                .await;
            bursts.push(cost.unwrap_or_else(|error| panic!("{name}: {error}")));
        }
    }
    for is_burst in [false, true] {
        let what = if is_burst {
            "bursts of 64"
        } else {
            "one message at a time"
        };
        println!("\n## zzw: a message of 100 bytes to {size} subscribers, {what}\n");
        println!(
            "{:<18} {:>16} {:>14} {:>10}",
            "server", "ns CPU/delivery", "deliveries/s", "ours is"
        );
        let nanos = |costs: &[Cost]| median(costs.iter().map(|cost| cost.nanos));
        let pick = |audience: &(Peer, Goal, Goal, Audience, Vec<Cost>, Vec<Cost>)| {
            if is_burst {
                audience.5.clone()
            } else {
                audience.4.clone()
            }
        };
        let ours = pick(&audiences[0]);
        for audience in &audiences {
            let costs = pick(audience);
            let pairs = ours.iter().zip(&costs);
            let ratio = median(pairs.map(|(ours, theirs)| theirs.nanos / ours.nanos));
            let goal = if is_burst { audience.2 } else { audience.1 };
            println!(
                "{:<18} {:>16.0} {:>14.0} {:>9.2}x {}",
                audience.0.name(),
                nanos(&costs),
                median(costs.iter().map(|cost| cost.rate)),
                ratio,
                judge(goal, ratio),
            );
        }
    }
}

/// Messages that are acknowledged, and kept until then.
async fn kept(folder: &Path, size: usize) {
    let mut audiences = Vec::new();
    for peer in [Peer::OursKept, Peer::MosquittoQos1] {
        match Audience::gather(peer, folder, size).await {
            Ok(audience) => audiences.push((peer, audience, Vec::new(), Vec::new())),
            Err(error) => println!("{}: passed over, {error}", peer.name()),
        }
    }
    for _ in 0..if is_measured() { 5 } else { 1 } {
        for (peer, audience, lone, bursts) in &mut audiences {
            let rounds: usize = if is_measured() { 20 } else { 1 };
            for (burst, rounds, costs) in [(1, rounds, lone), (BURST, rounds.div_ceil(5), bursts)] {
                let cost = audience.measure(*peer, burst, rounds).await;
                costs.push(cost.unwrap_or_else(|error| panic!("{}: {error}", peer.name())));
            }
        }
    }
    println!("\n## zzw: the same, kept until it is acknowledged\n");
    println!(
        "{:<18} {:>16} {:>16}",
        "server", "ns CPU, alone", "in bursts of 64"
    );
    let nanos = |costs: &[Cost]| median(costs.iter().map(|cost| cost.nanos));
    for (peer, _, lone, bursts) in &audiences {
        println!(
            "{:<18} {:>16.0} {:>16.0}",
            peer.name(),
            nanos(lone),
            nanos(bursts)
        );
    }
    if let [(_, _, lone, bursts), (_, _, their_lone, their_bursts)] = &*audiences {
        for (ours, theirs, what) in [
            (lone, their_lone, "alone"),
            (bursts, their_bursts, "in bursts"),
        ] {
            let ratio = nanos(theirs) / nanos(ours);
            println!(
                "{what}: ours costs {ratio:.2}x {}",
                judge(Goal::Less(2.0), ratio)
            );
        }
    }
}

/// Whether a goal is met by a server that costs `ratio` times as much as ours.
fn judge(goal: Goal, ratio: f64) -> String {
    let word = |met: bool| if met { "met" } else { "MISSED" };
    match goal {
        Goal::Less(least) => format!("less (goal {least}x: {})", word(ratio >= least)),
        Goal::AtMost(most) => format!(
            "less, {:.2}x its cost (goal at most {most}x: {})",
            1.0 / ratio,
            word(1.0 / ratio <= most)
        ),
        Goal::None => "less".to_owned(),
    }
}

/// What others pay for a subscriber that takes nothing.
async fn stalled(folder: &Path, size: usize) {
    println!("\n## zzw: {size} subscribers in bursts of 64, and one more that takes nothing\n");
    for peer in [Peer::Ours, Peer::Mosquitto, Peer::Redis] {
        let (Ok(mut alone), Ok(mut beside)) = (
            Audience::gather(peer, folder, size).await,
            Audience::gather(peer, folder, size).await,
        ) else {
            println!("{}: passed over", peer.name());
            continue;
        };
        let _stalled = connect(beside.port, peer.hello(size))
            .await
            .expect("a link");
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..if is_measured() { 15 } else { 1 } {
            let rounds = if is_measured() { 20 } else { 1 };
            for (audience, costs) in [(&mut alone, &mut without), (&mut beside, &mut with)] {
                let cost = audience.measure(peer, BURST, rounds).await;
                costs.push(cost.expect("deliveries").nanos);
            }
        }
        let pairs = without.iter().zip(&with);
        let ratio = median(pairs.map(|(without, with)| with / without));
        let (without, with) = (median(without.into_iter()), median(with.into_iter()));
        let name = peer.name();
        println!("{name:<18} {without:>8.0} ns without, {with:>8.0} ns with it: {ratio:.2}x");
    }
}

async fn growth(folder: &Path) {
    println!("\n## zzw: cost of a delivery as subscribers grow, one message at a time\n");
    let sizes: &[usize] = if is_measured() {
        &[100, 1_000, 5_000]
    } else {
        &[10, 20]
    };
    for peer in [Peer::Ours, Peer::Bare, Peer::Redis, Peer::Mosquitto] {
        let mut first = None;
        for size in sizes {
            let audience = Audience::gather(peer, folder, *size).await;
            let Ok(mut audience) = audience else {
                println!("{}: passed over", peer.name());
                break;
            };
            let rounds = (50_000 / size).clamp(1, 200);
            let mut costs = Vec::new();
            for _ in 0..3 {
                let cost = audience.measure(peer, 1, rounds).await.expect("deliveries");
                costs.push(cost.nanos);
            }
            let nanos = median(costs.into_iter());
            let grown = nanos / *first.get_or_insert(nanos);
            println!(
                "{:<18} {size:>6} subscribers {nanos:>8.0} ns {grown:>6.2}x",
                peer.name()
            );
        }
    }
}

async fn idle(folder: &Path) {
    println!("\n## zzw: connections that are registered with 2 topics and idle\n");
    println!(
        "{:<18} {:>8} {:>18} {:>22}",
        "server", "links", "bytes a link", "us CPU to come and register"
    );
    let steps: &[usize] = if is_measured() {
        &[1_000, 4_000, 9_000]
    } else {
        &[10, 20]
    };
    for peer in [
        Peer::Ours,
        Peer::Mosquitto,
        Peer::Redis,
        Peer::Nats,
        Peer::SocketIo,
    ] {
        let (program, port) = match peer.start(folder) {
            Ok(started) => started,
            Err(error) => {
                println!("{}: passed over, {error}", peer.name());
                continue;
            }
        };
        let mut links = Vec::new();
        // What the first links bring with them, however many follow, is not theirs.
        for number in 0..steps[0] / 10 {
            links.push(connect(port, peer.hello(number)).await.expect("a link"));
        }
        let (base, from) = (resident(program.id()).expect("memory"), links.len());
        let spent = program.cpu_time().expect("cpu time");
        for step in steps {
            while links.len() < *step {
                links.push(
                    connect(port, peer.hello(links.len()))
                        .await
                        .expect("a link"),
                );
            }
            let grown = resident(program.id()).expect("memory").saturating_sub(base);
            let cpu = program.cpu_time().expect("cpu time").saturating_sub(spent);
            let count = (links.len() - from) as f64;
            println!(
                "{:<18} {step:>8} {:>18.0} {:>22.1}",
                peer.name(),
                grown as f64 / count,
                cpu.as_nanos() as f64 / 1e3 / count
            );
        }
        let before = resident(program.id()).expect("memory");
        let mut batch = Vec::new();
        (0..BURST).for_each(|_| peer.publish(&mut batch));
        let mut publisher = connect(port, peer.publisher_hello()).await.expect("a link");
        publisher.write_all(&batch).await.expect("it takes a burst");
        for link in &mut links {
            receive(link, BURST).await.expect("deliveries");
        }
        let after = resident(program.id()).expect("memory");
        println!(
            "{:<18} after a burst of {BURST} to each: {:.2}x the memory",
            peer.name(),
            after as f64 / before as f64
        );
    }
}

/// Memory that the process holds resident and shares with no file, in bytes.
fn resident(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024)
        .ok_or_else(|| io::Error::other("no RssAnon in its status"))
}

async fn beats(folder: &Path) {
    println!("\n## zzw: heartbeats\n");
    println!(
        "{:<18} {:>6} {:>14} {:>12}",
        "server", "depth", "ns CPU/beat", "beats/s"
    );
    let mut measured = Vec::new();
    for peer in [Peer::Ours, Peer::Mosquitto, Peer::Redis] {
        let (Ok((program, port)), Some((words, answer))) = (peer.start(folder), peer.beat()) else {
            println!("{}: passed over", peer.name());
            continue;
        };
        let hello = if peer == Peer::Redis {
            Vec::new()
        } else {
            peer.hello(0)
        };
        let mut stream = connect(port, hello).await.expect("a link");
        for depth in [1, 16] {
            let batch = words.repeat(depth);
            let rounds = if is_measured() { 20_000 / depth } else { 1 };
            let mut costs = Vec::new();
            let mut rate = Vec::new();
            for _ in 0..5 {
                let (start, spent) = (Instant::now(), program.cpu_time().expect("cpu time"));
                let mut heard = vec![0; answer * depth];
                for _ in 0..rounds {
                    stream.write_all(&batch).await.expect("it takes beats");
                    stream.read_exact(&mut heard).await.expect("it answers");
                }
                let spent = program.cpu_time().expect("cpu time").saturating_sub(spent);
                let count = (rounds * depth) as f64;
                costs.push(spent.as_nanos() as f64 / count);
                rate.push(count / start.elapsed().as_secs_f64());
            }
            let nanos = median(costs.into_iter());
            measured.push((peer, depth, nanos));
            let rate = median(rate.into_iter());
            println!("{:<18} {depth:>6} {nanos:>14.0} {rate:>12.0}", peer.name());
        }
    }
    let find = |peer, depth| {
        let found = measured.iter().find(|(p, d, _)| (*p, *d) == (peer, depth));
        found.map(|(_, _, nanos)| *nanos)
    };
    for (peer, depth, least) in [
        (Peer::Mosquitto, 1, 1.2),
        (Peer::Redis, 1, 0.95),
        (Peer::Redis, 16, 1.3),
    ] {
        if let (Some(ours), Some(theirs)) = (find(Peer::Ours, depth), find(peer, depth)) {
            let ratio = theirs / ours;
            println!(
                "{} at depth {depth}: ours costs {}",
                peer.name(),
                format_args!("{ratio:.2}x {}", judge(Goal::Less(least), ratio))
            );
        }
    }
}
