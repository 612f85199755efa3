//! A backlog from the terminal's disk to the receiver's database: `FACE_RECORDS` records of 62 KB
//! (2,000 unless set) through a terminal and a receiver, each a process of its own. First a fifth of
//! them, then all, so that what grows with the backlog shows.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "disks are measured by the wall clock; counts are far below 2^52"
)]

mod face_queue;
mod face_samples;

use benches::is_measured;
use benches::process::Program;
use drive::face::receiver::{ReceiverOptions, spawn_receiver};
use drive::face::terminal::{TerminalNews, TerminalOptions, spawn_terminal};
use drive::records;
use face_queue::Queue;
use face_record_push::Dest;
use rusqlite::Connection;
use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, mode, directory, argument] = &*arguments {
        let (directory, runtime) = (Path::new(directory), tokio::runtime::Runtime::new());
        let runtime = runtime.expect("a runtime");
        match mode.as_str() {
            "fill" => fill(directory, argument.parse().expect("a number of records")),
            "terminal" => runtime.block_on(terminal(directory, argument)),
            "receiver" => runtime.block_on(receiver(directory)),
            _ => return ExitCode::FAILURE,
        }
        return ExitCode::SUCCESS;
    }
    let records = env::var("FACE_RECORDS").ok();
    let records = records.and_then(|text| text.parse().ok());
    let records: u64 = records.unwrap_or(if is_measured() { 2_000 } else { 10 });
    println!("## face: a backlog of {records} records of 62 KB from disk to database\n");
    for records in [records / 5, records] {
        drain(records).expect("a drained backlog");
    }
    ExitCode::SUCCESS
}

/// Peaks of memory are looked at so often.
const FIFTHS: u64 = 5;

fn drain(records: u64) -> io::Result<()> {
    let directory = env::temp_dir().join(format!("face-backlog-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let run = |mode: &str, argument: &str| {
        let mut command = Command::new(env::current_exe()?);
        command.arg(mode).arg(&directory).arg(argument);
        Program::start(command)
    };
    run("fill", &records.to_string())?.line()?;
    let mut receiver = run("receiver", "")?;
    let url = receiver.line()?;
    let mut terminal = run("terminal", &url)?;
    let before = terminal.line()?;
    assert_eq!(before, format!("{records} queued"));
    let start = Instant::now();
    let mut peaks = [const { Vec::new() }; 2];
    for fifth in 1..=FIFTHS {
        assert_eq!(terminal.line()?, format!("{fifth} of {FIFTHS}"));
        for (peaks, program) in peaks.iter_mut().zip([&terminal, &receiver]) {
            let peak = program.peak_memory().unwrap_or(0) as f64 / f64::from(1 << 20);
            peaks.push(format!("{peak:.1}"));
        }
    }
    let spent = start.elapsed();
    let cpu = [&terminal, &receiver].map(|program| {
        let spent = program.cpu_time().unwrap_or_default();
        spent.as_secs_f64() * 1e6 / records as f64
    });
    // Printed once its store is closed.
    assert_eq!(terminal.line()?, "closed");
    let outbox = fs::metadata(directory.join("outbox/outbox.redb"))?.len();
    drop((terminal, receiver));
    check(&directory, records);
    println!(
        "{records} records, {:.0} a second; {:.0} us of CPU for each at the terminal, {:.0} at the \
         receiver; outbox {:.2} MiB after",
        records as f64 / spent.as_secs_f64(),
        cpu[0],
        cpu[1],
        outbox as f64 / f64::from(1 << 20),
    );
    for (name, peaks) in ["terminal", "receiver"].iter().zip(peaks) {
        println!(
            "  peak of the {name} in MiB, after each fifth: {}",
            peaks.join(", ")
        );
    }
    fs::remove_dir_all(&directory)
}

/// The database holds every record once, in order.
fn check(directory: &Path, records: u64) {
    let database = Connection::open(directory.join("records.db")).expect("a database");
    let sql = "SELECT CAST(user_id AS INTEGER) FROM records ORDER BY id";
    let mut statement = database.prepare(sql).expect("a statement");
    let people = statement.query_map([], |row| row.get(0)).expect("rows");
    let people: Vec<i64> = people.map(|person| person.expect("a person")).collect();
    assert!(people.iter().copied().eq(1..=records.cast_signed()));
}

fn fill(directory: &Path, records: u64) {
    Queue::open(&directory.join("outbox")).fill(records);
    println!("filled");
}

/// Pushes what it has until nothing is left.
async fn terminal(directory: &Path, url: &str) {
    let mut options = TerminalOptions::new(directory.join("outbox"), 1);
    options.dest = Some(Dest::parse(url).expect("a destination"));
    options.config.dest_policy.allow_special = true;
    options.crowd.rate = 0.0;
    options.crowd.count = Some(0);
    let mut terminal = spawn_terminal(options).await.expect("a terminal");
    println!("{} queued", terminal.tally().queued);
    let all = terminal.tally().queued;
    let mut fifths = 0;
    while let Some(news) = terminal.next().await {
        let drained = all - terminal.tally().queued;
        while fifths < FIFTHS && drained >= all * (fifths + 1) / FIFTHS {
            fifths += 1;
            println!("{fifths} of {FIFTHS}");
        }
        if matches!(news, TerminalNews::Finished) {
            break;
        }
    }
    // What it has cost is read meanwhile.
    tokio::time::sleep(Duration::from_millis(300)).await;
    terminal.stop().await;
    println!("closed");
    tokio::time::sleep(Duration::from_secs(5)).await;
}

async fn receiver(directory: &Path) {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let records = records::Options::new(directory.join("records.db"));
    let receiver = spawn_receiver(ReceiverOptions::new(listen, records)).await;
    let mut receiver = receiver.expect("a receiver");
    println!("http://{}/Record", receiver.address());
    while receiver.next().await.is_some() {}
}
