//! The terminal's outbox on disk: appends that survive a power cut beside SQLite and beside a bare
//! file, then opening and draining a backlog of `FACE_RECORDS` records (5,000 unless set).
//!
//! Appends are compared by the wall clock, since the disk is what they wait for: each round, every
//! store writes the same records in groups of the same size, one sync or one transaction a group.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::doc_markdown,
    reason = "disks are measured by the wall clock; counts are far below 2^52; SQLite is a name"
)]

mod face_queue;
mod face_samples;

use benches::process::Program;
use benches::{is_measured, median};
use cpu_time::ThreadTime;
use drive::store::{Folder, Outbox, Settings};
use face_queue::{Queue, people};
use face_record_push::Item;
use face_record_push::device::{Input, Op, OpId};
use rusqlite::Connection;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, mode, directory, records] = &*arguments {
        let records = records.parse().expect("a number of records");
        let path = Path::new(directory);
        match mode.as_str() {
            "fill" => fill(path, records),
            "open" => open(path),
            "drain" => drain(path),
            _ => return ExitCode::FAILURE,
        }
        return ExitCode::SUCCESS;
    }
    let directory = env::temp_dir().join(format!("face-outbox-{}", std::process::id()));
    appends(&directory, 1, 32, 0);
    appends(&directory, 32, 256, 0);
    appends(&directory, 32, 256, if is_measured() { 2_000 } else { 64 });
    backlog(&directory).expect("a backlog");
    ExitCode::SUCCESS
}

/// Keeps records in groups; returns once each is safe.
trait Keeper {
    fn keep(&mut self, items: &[Arc<Item>]);
}

fn appends(directory: &Path, group: usize, records: usize, before: usize) {
    let (rounds, records) = if is_measured() {
        (15, records)
    } else {
        (1, group)
    };
    fs::create_dir_all(directory).expect("a directory");
    let mut keepers: [(&str, Box<dyn Keeper>); 3] = [
        (OURS, Box::new(Queue::open(&directory.join("ours")))),
        (SQLITE, Box::new(Sqlite::new(directory))),
        (FILE, Box::new(Bare::new(directory))),
    ];
    let items: Vec<Arc<Item>> = people(0..records as u64);
    for (_, keeper) in &mut keepers {
        for _ in 0..before.div_ceil(64) {
            keeper.keep(&items[..items.len().min(64)]);
        }
    }
    let mut wall = [const { Vec::new() }; 3];
    let mut cpu = [const { Vec::new() }; 3];
    for round in 0..rounds {
        for turn in 0..keepers.len() {
            let index = (round + turn) % keepers.len();
            let (start, spent) = (Instant::now(), ThreadTime::now());
            for group in items.chunks(group) {
                keepers[index].1.keep(group);
            }
            wall[index].push(start.elapsed().as_secs_f64() / records as f64);
            cpu[index].push(spent.elapsed().as_secs_f64() / records as f64);
        }
    }
    drop(keepers);
    fs::remove_dir_all(directory).expect("nobody uses it any more");
    println!("## face: durable appends of 46 KB, {group} a group, {before} there before\n");
    let times = |peer: usize| {
        median(
            wall[peer]
                .iter()
                .zip(&wall[0])
                .map(|(peer, ours)| peer / ours),
        )
    };
    let goal = |times: f64| if times >= 2.0 { "met" } else { "MISSED" };
    println!(
        "{OURS} is {:.2}x as fast as {SQLITE} (goal 2x: {})",
        times(1),
        goal(times(1))
    );
    println!("{OURS} is {:.2}x as fast as {FILE}\n", times(2));
    println!(
        "{:<24} {:>12} {:>16}",
        "store", "records/s", "us CPU/record"
    );
    for (nth, name) in [OURS, SQLITE, FILE].iter().enumerate() {
        println!(
            "{name:<24} {:>12.0} {:>16.1}",
            1.0 / median(wall[nth].iter().copied()),
            1e6 * median(cpu[nth].iter().copied())
        );
    }
    println!();
}

const OURS: &str = "ours, redb";
const SQLITE: &str = "SQLite, WAL, FULL";
const FILE: &str = "bare file, fdatasync";

impl Keeper for Queue {
    fn keep(&mut self, items: &[Arc<Item>]) {
        Queue::keep(self, items);
    }
}

struct Sqlite {
    database: Connection,
}

impl Sqlite {
    fn new(directory: &Path) -> Self {
        let database = Connection::open(directory.join("queue.db")).expect("a database");
        let mode = database.pragma_update(None, "journal_mode", "WAL");
        mode.and_then(|()| database.pragma_update(None, "synchronous", "FULL"))
            .expect("settings");
        let create = "CREATE TABLE queue(seq INTEGER PRIMARY KEY, row BLOB, jpeg BLOB)";
        database.execute(create, ()).expect("a table");
        Self { database }
    }
}

impl Keeper for Sqlite {
    fn keep(&mut self, items: &[Arc<Item>]) {
        let transaction = self.database.transaction().expect("a transaction");
        let insert = "INSERT INTO queue(row, jpeg) VALUES(?, ?)";
        let mut statement = transaction.prepare_cached(insert).expect("a statement");
        for item in items {
            let mut row = Vec::new();
            item.write_row(&mut row);
            let jpeg = item.jpeg().map(|jpeg| &**jpeg);
            statement.execute((row, jpeg)).expect("an insertion");
        }
        drop(statement);
        transaction.commit().expect("a commit");
    }
}

/// What the disk itself takes.
struct Bare(File);

impl Bare {
    fn new(directory: &Path) -> Self {
        Self(File::create(directory.join("bare")).expect("a file"))
    }
}

impl Keeper for Bare {
    fn keep(&mut self, items: &[Arc<Item>]) {
        let mut bytes = Vec::new();
        for item in items {
            item.write_row(&mut bytes);
            bytes.extend_from_slice(item.jpeg().map_or(&[], |jpeg| jpeg));
        }
        self.0.write_all(&bytes).expect("written");
        self.0.sync_data().expect("synced");
    }
}

/// Fills a store, opens it after the filler is killed and after it is closed, drains it; each in a
/// process of its own, for its peak of memory.
fn backlog(directory: &Path) -> io::Result<()> {
    let records = env::var("FACE_RECORDS").ok();
    let records = records.and_then(|text| text.parse().ok());
    let records = records.unwrap_or(if is_measured() { 5_000 } else { 20 });
    println!("## face: an outbox of {records} records of 46 KB\n");
    let run = |mode: &str| -> io::Result<String> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(mode).arg(directory).arg(records.to_string());
        let mut program = Program::start(command)?;
        // A program that only fills does not end by itself: it is killed when it is dropped.
        program.line()
    };
    println!("filled: {}", run("fill")?);
    println!("opened after a kill: {}", run("open")?);
    println!("opened after that was closed: {}", run("open")?);
    println!("drained: {}", run("drain")?);
    fs::remove_dir_all(directory)
}

fn fill(directory: &Path, records: usize) {
    let mut queue = Queue::open(&directory.join("ours"));
    let start = Instant::now();
    queue.fill(records as u64);
    report(directory, records, start.elapsed());
    // Until it is killed.
    std::thread::sleep(Duration::from_mins(1));
}

fn open(directory: &Path) {
    let start = Instant::now();
    let folder = Folder::new(directory.join("ours")).expect("a folder");
    let (outbox, recovered) = Outbox::open(folder, Settings::default()).expect("a store");
    report(directory, recovered.index.len(), start.elapsed());
    outbox.close().expect("closed");
}

fn drain(directory: &Path) {
    let folder = Folder::new(directory.join("ours")).expect("a folder");
    let (mut outbox, recovered) = Outbox::open(folder, Settings::default()).expect("a store");
    let start = Instant::now();
    for entry in &recovered.index {
        let (seq, id) = (entry.seq, OpId(entry.seq.0));
        let loaded = outbox.apply(Instant::now(), vec![(id, Op::Load { seq })]);
        assert!(matches!(*loaded, [Input::Loaded(_, Some(_))]));
        outbox.apply(Instant::now(), vec![(id, Op::Advance { upto: seq })]);
    }
    let spent = start.elapsed();
    let hour = Duration::from_hours(1);
    outbox.tidy(Instant::now().checked_add(hour).expect("an hour from now"));
    outbox.close().expect("closed");
    report(directory, recovered.index.len(), spent);
}

fn report(directory: &Path, records: usize, spent: Duration) {
    let file = fs::metadata(directory.join("ours/outbox.redb")).map_or(0, |file| file.len());
    let peak = benches::process::peak_memory(std::process::id()).unwrap_or(0);
    println!(
        "{records} records in {:.0} ms, {:.0} records/s; peak of memory {:.1} MiB; file {:.1} MiB",
        spent.as_secs_f64() * 1e3,
        records as f64 / spent.as_secs_f64(),
        peak as f64 / f64::from(1 << 20),
        file as f64 / f64::from(1 << 20),
    );
}
