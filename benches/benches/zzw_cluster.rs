//! What a push server costs whose messages are in a Redis that several nodes share: messages to one
//! alias and to 1,000 subscribers, by one, two and three nodes and by one and two shards, beside a
//! store in memory and on disk; what Redis is asked for each; and what it costs when all aliases of
//! a node that was killed come to another.
//!
//! Every node and every Redis is a process. Without redis-server and redis-cli there is nothing to
//! measure. `ZZW_ONLY` is `messages`, `script` or `storm` for one part.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "wall time is what is reported; counts are far below 2^52"
)]

mod zzw_links;
mod zzw_plant;

use benches::{is_measured, median};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zzw_links::{BODY, Tally, alias, ask, bind, body, publish, receive, subscribe};
use zzw_links::{to_alias, to_topic};
use zzw_plant::{Counts, Kept, NODE, Plant, Redis};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, mode, place, shards] = &*arguments
        && mode == NODE
    {
        return zzw_plant::serve(place, shards);
    }
    if !Redis::is_there() {
        println!("zzw_cluster: passed over, redis-server or redis-cli is not installed");
        return ExitCode::SUCCESS;
    }
    drive::cli::open_many_files();
    let folder = env::temp_dir().join(format!("zzw-cluster-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for what is kept");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let only = env::var("ZZW_ONLY").unwrap_or_default();
    let wants = |part: &str| only.is_empty() || only == part;
    let done: io::Result<()> = runtime.block_on(async {
        if wants("messages") {
            messages(&folder).await?;
        }
        if wants("script") {
            script(&folder).await?;
        }
        if wants("storm") {
            storm(&folder).await?;
        }
        Ok(())
    });
    fs::remove_dir_all(&folder).expect("nobody uses it any more");
    done.expect("servers that answer");
    ExitCode::SUCCESS
}

/// The case that others are compared with.
const REFERENCE: &str = "redis, 1 node";

/// Links that have the topic.
fn audience() -> usize {
    if is_measured() { 1_000 } else { 12 }
}

/// A plant with its links, and what was measured of it.
struct Case {
    name: &'static str,
    plant: Plant,
    /// As many at each node.
    publishers: Vec<TcpStream>,
    tally: Arc<Tally>,
    lone: Vec<Sample>,
    many: Vec<Sample>,
    fanned: Vec<Sample>,
}

/// One turn of a case: so many deliveries, and what they took.
struct Sample {
    deliveries: f64,
    wall: Duration,
    nodes: Duration,
    redis: Duration,
    /// From publication to delivery, in the middle; none where many are under way.
    latency: Option<Duration>,
    counts: Counts,
}

impl Case {
    async fn gather(
        folder: &Path,
        name: &'static str,
        kept: Kept,
        (nodes, shards): (usize, usize),
    ) -> io::Result<Self> {
        let plant = Plant::start(folder, kept, nodes, shards)?;
        let tally = Arc::new(Tally::default());
        for number in 0..audience() {
            let port = plant.nodes[number % nodes].port;
            let topics = ["c".to_owned(), "c_2".to_owned()];
            let stream = subscribe(port, number, topics).await?;
            tokio::spawn(receive(stream, Arc::clone(&tally)));
        }
        let mut publishers = Vec::new();
        for node in plant.nodes.iter().cycle().take(PUBLISHERS) {
            publishers.push(zzw_links::connect(node.port).await?);
        }
        Ok(Self {
            name,
            plant,
            publishers,
            tally,
            lone: Vec::new(),
            many: Vec::new(),
            fanned: Vec::new(),
        })
    }

    /// Aliases whose links are at the node after that of a publisher.
    fn targets(&self, publisher: usize) -> impl Iterator<Item = usize> + use<> {
        let nodes = self.plant.nodes.len();
        let first = (publisher + 1) % nodes;
        (first..audience()).step_by(nodes).cycle()
    }

    /// What `deliveries` took, from before the first was published until all are done with.
    async fn sample(
        &mut self,
        deliveries: usize,
        what: impl AsyncFnOnce(&mut Self) -> io::Result<Option<Duration>>,
    ) -> io::Result<Sample> {
        let (counts, cpu) = (self.plant.counts(), self.plant.cpu_time()?);
        self.tally.expect(deliveries as u64);
        let start = Instant::now();
        let latency = what(self).await?;
        self.tally.all().await?;
        let wall = start.elapsed();
        // Servers have still to take the last acknowledgements.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let spent = self.plant.cpu_time()?;
        Ok(Sample {
            deliveries: deliveries as f64,
            wall,
            nodes: spent.0.saturating_sub(cpu.0),
            redis: spent.1.saturating_sub(cpu.1),
            latency,
            counts: self.plant.counts().since(&counts),
        })
    }

    /// Messages to one alias each, one after the other.
    async fn lone(&mut self, messages: usize) -> io::Result<Sample> {
        let sample = self.sample(messages, async |case| {
            let (body, mut targets) = (body(), case.targets(0));
            let mut latencies = Vec::new();
            let all = case.tally.clone();
            for _ in 0..messages {
                let line = to_alias(targets.next().unwrap_or_default(), &body);
                let (start, before) = (Instant::now(), all.seen());
                publish(&mut case.publishers[0], std::iter::once(line), 1).await?;
                while all.seen() == before {
                    tokio::task::yield_now().await;
                }
                latencies.push(start.elapsed().as_secs_f64());
            }
            Ok(Some(Duration::from_secs_f64(median(latencies.into_iter()))))
        });
        sample.await
    }

    /// Messages to one alias each, from all publishers.
    async fn many(&mut self, messages: usize) -> io::Result<Sample> {
        let sample = self.sample(messages, async |case| {
            let (body, count) = (body(), case.publishers.len());
            let targets: Vec<_> = (0..count).map(|at| case.targets(at)).collect();
            let publishers = case.publishers.iter_mut().zip(targets).enumerate();
            let publishing = publishers.map(|(at, (stream, targets))| {
                let own = messages / count + usize::from(at < messages % count);
                // Publishers of one node take turns with its aliases.
                let lines = targets.skip(37 * at).map(|to| to_alias(to, &body));
                publish(stream, lines.take(own), UNDER_WAY / count)
            });
            futures_util::future::try_join_all(publishing).await?;
            Ok(None)
        });
        sample.await
    }

    /// Messages to a topic, published at once.
    async fn fan_out(&mut self, messages: usize) -> io::Result<Sample> {
        let sample = self.sample(messages * audience(), async |case| {
            let body = body();
            let lines = (0..messages).map(|_| to_topic("c", &body));
            publish(&mut case.publishers[0], lines, messages).await?;
            Ok(None)
        });
        sample.await
    }
}

/// Links that publish, in all; a multiple of each number of nodes.
const PUBLISHERS: usize = 12;

/// Messages to aliases that are published and not yet answered, in all. A link may have 64.
const UNDER_WAY: usize = 384;

async fn messages(folder: &Path) -> io::Result<()> {
    let mut cases = Vec::new();
    for (name, kept, size) in [
        ("memory, 1 shard", Kept::Memory, (1, 1)),
        ("memory, 2 shards", Kept::Memory, (1, 2)),
        ("redb, 1 shard", Kept::Redb, (1, 1)),
        (REFERENCE, Kept::Redis, (1, 1)),
        ("redis, 2 nodes", Kept::Redis, (2, 1)),
        ("redis, 3 nodes", Kept::Redis, (3, 1)),
        ("redis, 1 node, 2 shards", Kept::Redis, (1, 2)),
    ] {
        cases.push(Case::gather(folder, name, kept, size).await?);
    }
    let (rounds, lone, many, fanned) = if is_measured() {
        (5, 400, 12_000, 8)
    } else {
        (1, 3, 30, 2)
    };
    for round in 0..rounds {
        for turn in 0..cases.len() {
            let index = (round + turn) % cases.len();
            let case = &mut cases[index];
            let sample = case.lone(lone).await?;
            case.lone.push(sample);
            let sample = case.many(many).await?;
            case.many.push(sample);
            let sample = case.fan_out(fanned).await?;
            case.fanned.push(sample);
        }
    }
    let size = audience();
    report(
        &cases,
        &format!("{BODY} bytes to one alias, {UNDER_WAY} under way"),
        |case| &case.many,
    );
    report(
        &cases,
        &format!("{BODY} bytes to one alias, one at a time"),
        |case| &case.lone,
    );
    report(
        &cases,
        &format!("{BODY} bytes to {size} subscribers, {fanned} under way"),
        |case| &case.fanned,
    );
    Ok(())
}

fn report(cases: &[Case], what: &str, samples: impl Fn(&Case) -> &Vec<Sample>) {
    println!("\n## zzw: {what}; published, delivered and acknowledged\n");
    println!(
        "{:<24} {:>12} {:>10} {:>10} {:>8} {:>10} {:>8}",
        "case", "deliveries/s", "us nodes", "us redis", "us all", "x redis, 1", "p50 us"
    );
    let of = |case: &Case, figure: &dyn Fn(&Sample) -> f64| {
        median(samples(case).iter().map(figure)) // by rounds
    };
    let each = |time: Duration, sample: &Sample| time.as_secs_f64() * 1e6 / sample.deliveries;
    let cost = |sample: &Sample| each(sample.nodes + sample.redis, sample);
    let reference = cases.iter().find(|case| case.name == REFERENCE);
    for case in cases {
        let pairs = samples(case)
            .iter()
            .zip(reference.map_or(&[][..], |it| samples(it)));
        println!(
            "{:<24} {:>12.0} {:>10.1} {:>10.1} {:>8.1} {:>9.2}x {:>8}",
            case.name,
            of(case, &|it| it.deliveries / it.wall.as_secs_f64()),
            of(case, &|it| each(it.nodes, it)),
            of(case, &|it| each(it.redis, it)),
            of(case, &cost),
            median(pairs.map(|(it, reference)| cost(it) / cost(reference))),
            latency(&samples(case)[..]),
        );
    }
    println!("\nasked of Redis for each delivery:\n");
    for case in cases.iter().filter(|case| case.plant.redis.is_some()) {
        if let Some(sample) = samples(case).last() {
            println!(
                "{:<24} {}",
                case.name,
                asked(&sample.counts, sample.deliveries)
            );
        }
    }
}

/// In microseconds, the one in the middle.
fn latency(samples: &[Sample]) -> String {
    let latencies = samples.iter().filter_map(|sample| sample.latency);
    let latency = median(latencies.map(|latency| latency.as_secs_f64() * 1e6));
    if latency.is_nan() {
        String::new()
    } else {
        format!("{latency:.0}")
    }
}

/// What Redis was asked for each of so many.
fn asked(counts: &Counts, each: f64) -> String {
    let mut text = format!(
        "{:.0} bytes in, {:.0} out, {:.0} to its file;",
        counts.received as f64 / each,
        counts.sent as f64 / each,
        counts.written as f64 / each,
    );
    let mut calls: Vec<_> = counts.calls.iter().collect();
    calls.sort_by_key(|(_, calls)| std::cmp::Reverse(**calls));
    for (name, calls) in calls {
        let calls = *calls as f64 / each;
        if calls >= 0.005 {
            let _ = write!(text, " {name} {calls:.2}");
        }
    }
    text
}

/// The script that keeps a message, called by nobody but this bench: the limit of one Redis, and the
/// memory that messages take, which depends on how much room a stream takes at first.
async fn script(folder: &Path) -> io::Result<()> {
    println!("\n## zzw: the script that keeps a message of {BODY} bytes, without a broker\n");
    let text = concat!(
        include_str!("../../examples/drive/cluster/scripts/prelude.lua"),
        "\n",
        include_str!("../../examples/drive/cluster/scripts/append.lua")
    );
    let aliases: usize = if is_measured() { 20_000 } else { 20 };
    for room in ["4096", "1024"] {
        println!("stream-node-max-bytes {room}");
        let redis = Redis::start(folder)?;
        redis.ask(&["CONFIG", "SET", "stream-node-max-bytes", room]);
        let name = redis.ask(&["SCRIPT", "LOAD", text]);
        let mut stream = zzw_links::connect(redis.port).await?;
        for (what, times) in [("the first of each alias", 1), ("four more of each", 4)] {
            let (before, cpu) = (redis.counts(), redis.program.cpu_time()?);
            let start = Instant::now();
            for _ in 0..times {
                keep(&mut stream, &name, aliases).await?;
            }
            let wall = start.elapsed();
            let spent = redis.program.cpu_time()?.saturating_sub(cpu);
            let counts = redis.counts().since(&before);
            let messages = (times * aliases) as f64;
            println!(
                "  {what}: {:.0} a second, {:.1} us CPU each, {:.0} bytes of memory each, {}",
                messages / wall.as_secs_f64(),
                spent.as_secs_f64() * 1e6 / messages,
                counts.memory as f64 / messages,
                asked(&counts, messages),
            );
        }
        for key in ["r", "q"] {
            let key = format!("zzw:{key}:{{a:{}}}", alias(7));
            let usage = redis.ask(&["MEMORY", "USAGE", &key]);
            println!("  {key} with 5 messages: {usage} bytes");
        }
        // As after a start: the file holds no snapshot, only what was written.
        let (start, written) = (Instant::now(), redis.counts().written);
        let answer = redis.ask(&["DEBUG", "LOADAOF"]);
        let (wall, messages) = (start.elapsed(), 5 * aliases);
        println!(
            "  {written} bytes of its file, {messages} messages, are read again in {wall:.2?}: {answer}"
        );
    }
    Ok(())
}

/// Appends one message for each alias, 64 in a pipeline.
async fn keep(stream: &mut TcpStream, script: &str, aliases: usize) -> io::Result<()> {
    const PIPELINE: usize = 64;
    let body = format!("\"{}\"", body());
    let numbers: Vec<usize> = (0..aliases).collect();
    for chunk in numbers.chunks(PIPELINE) {
        let mut out = String::new();
        for number in chunk {
            let [record, queue, topics] =
                ["r", "q", "s"].map(|kind| format!("zzw:{kind}:{{a:{}}}", alias(*number)));
            let command = [
                "EVALSHA", script, "3", &record, &queue, &topics, "", "600000", "1000", "0", "",
                "b", &body,
            ];
            let _ = write!(out, "*{}\r\n", command.len());
            for part in command {
                let _ = write!(out, "${}\r\n{part}\r\n", part.len());
            }
        }
        out.push_str("*2\r\n$4\r\nECHO\r\n$4\r\ndone\r\n");
        stream.write_all(out.as_bytes()).await?;
        let mut heard = Vec::new();
        while !heard.ends_with(b"done\r\n") {
            if stream.read_buf(&mut heard).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if heard.starts_with(b"-") {
            return Err(io::Error::other(
                String::from_utf8_lossy(&heard).into_owned(),
            ));
        }
    }
    Ok(())
}

/// Links that are being made at a time.
const AT_A_TIME: usize = 512;

/// All aliases of a node that was killed come to another.
async fn storm(folder: &Path) -> io::Result<()> {
    let count = if is_measured() { most_links() } else { 20 };
    println!("\n## zzw: {count} aliases at 2 nodes, of which one is killed\n");
    let mut plant = Plant::start(folder, Kept::Redis, 2, 1)?;
    let before = plant.counts();
    let held: Vec<u64> = peaks(&plant)?;
    let cpu = plant.cpu_time()?;
    let start = Instant::now();
    let ports = [plant.nodes[0].port, plant.nodes[1].port];
    let arriving = stream::iter(0..count).map(|number| async move {
        let topics = [
            format!("street_{}", number % 1_000),
            format!("town_{}", number % 50),
        ];
        subscribe(ports[number % 2], number, topics).await
    });
    let links: Vec<TcpStream> = arriving.buffered(AT_A_TIME).try_collect().await?;
    let (wall, each) = (start.elapsed(), count as f64);
    let spent = plant.cpu_time()?;
    let counts = plant.counts().since(&before);
    let grown = peaks(&plant)?.into_iter().zip(held);
    let grown: u64 = grown.map(|(now, then)| now.saturating_sub(then)).sum();
    println!(
        "come and register 2 topics: {:.2} s, {:.0} a second; us CPU each: nodes {:.1}, redis {:.1}",
        wall.as_secs_f64(),
        each / wall.as_secs_f64(),
        spent.0.saturating_sub(cpu.0).as_secs_f64() * 1e6 / each,
        spent.1.saturating_sub(cpu.1).as_secs_f64() * 1e6 / each,
    );
    println!("  each: {}", asked(&counts, each));
    println!(
        "  memory each, idle: {:.0} bytes in Redis, {:.0} in its node",
        counts.memory as f64 / each,
        grown as f64 / each
    );
    if let Some(redis) = &plant.redis {
        for kind in ["r", "s"] {
            let key = format!("zzw:{kind}:{{a:{}}}", alias(7));
            println!("  {key}: {} bytes", redis.ask(&["MEMORY", "USAGE", &key]));
        }
        for key in ["zzw:al:{al}:e", "zzw:al:{al}:tcp"] {
            let usage = redis.ask(&["MEMORY", "USAGE", key, "SAMPLES", "1000"]);
            println!("  {key}: {usage} bytes for all");
        }
    }
    let links = beats(&plant, links).await?;
    // Those of the second node stay.
    let (mut gone, stay): (Vec<_>, Vec<_>) = links
        .into_iter()
        .enumerate()
        .partition(|(number, _)| number % 2 == 0);
    drop(plant.nodes.remove(0));
    let numbers: Vec<usize> = gone.drain(..).map(|(number, _)| number).collect();
    let (before, cpu, start) = (plant.counts(), plant.cpu_time()?, Instant::now());
    let port = plant.nodes[0].port;
    let arriving = stream::iter(numbers.iter().copied()).map(|number| async move {
        let start = Instant::now();
        Ok::<_, io::Error>((bind(port, number).await?, start.elapsed()))
    });
    let back: Vec<(TcpStream, Duration)> =
        arriving.buffer_unordered(AT_A_TIME).try_collect().await?;
    let (wall, each) = (start.elapsed(), numbers.len() as f64);
    let spent = plant.cpu_time()?;
    let counts = plant.counts().since(&before);
    let mut waits: Vec<Duration> = back.iter().map(|(_, wait)| *wait).collect();
    waits.sort();
    let at = |share: usize| {
        waits
            .get(waits.len().saturating_sub(1) * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "come back: {each:.0} in {:.2} s, {:.0} a second; us CPU each: node {:.1}, redis {:.1}",
        wall.as_secs_f64(),
        each / wall.as_secs_f64(),
        spent.0.saturating_sub(cpu.0).as_secs_f64() * 1e6 / each,
        spent.1.saturating_sub(cpu.1).as_secs_f64() * 1e6 / each,
    );
    let waits = [50, 90, 99, 100].map(|share| (share, at(share)));
    let waits = waits.map(|(share, wait)| format!("p{share} {:.0}", wait.as_secs_f64() * 1e3));
    println!("  waits in ms: {}", waits.join(", "));
    println!("  each: {}", asked(&counts, each));
    drop(stay);
    Ok(())
}

/// A heartbeat of every link.
async fn beats(plant: &Plant, links: Vec<TcpStream>) -> io::Result<Vec<TcpStream>> {
    let (before, cpu, start) = (plant.counts(), plant.cpu_time()?, Instant::now());
    let count = links.len() as f64;
    let beating = stream::iter(links).map(|mut link| async {
        ask(&mut link, "{\"t\":1}\n", "-1").await?;
        Ok::<_, io::Error>(link)
    });
    let links = beating.buffered(AT_A_TIME).try_collect().await?;
    let (wall, spent) = (start.elapsed(), plant.cpu_time()?);
    let counts = plant.counts().since(&before);
    println!(
        "a heartbeat of each: {:.2} s; us CPU each: nodes {:.1}; scripts run in all {}",
        wall.as_secs_f64(),
        spent.0.saturating_sub(cpu.0).as_secs_f64() * 1e6 / count,
        counts.of("evalsha"),
    );
    Ok(links)
}

fn peaks(plant: &Plant) -> io::Result<Vec<u64>> {
    let nodes = plant.nodes.iter();
    nodes.map(|node| node.program.peak_memory()).collect()
}

/// 20,000 links, or as many as one process may have, less some that it needs itself.
fn most_links() -> usize {
    const OWN: usize = 500;
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let files = files.and_then(|files| files.split_whitespace().next()?.parse().ok());
    let files: usize = files.unwrap_or(20_000);
    files.saturating_sub(OWN).min(20_000)
}
