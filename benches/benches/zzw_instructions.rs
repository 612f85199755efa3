//! Instructions of the codec of the zzw push system, counted by valgrind: the same in every run, so
//! that a change of one in a hundred is seen.
//!
//! Each case is a process of its own that works so many times and then twice as many; what it costs
//! is the difference. Without valgrind, or without `--bench`, each case only runs.

mod zzw_frames;

use bytes::Bytes;
use std::hint::black_box;
use std::process::Command;
use zzw_frames::{ACK, DELIVERY, ESCAPED, HEARTBEAT, PUBLISH, REGISTER, REPLY};
use zzw_push_proto::line::LineSplitter;
use zzw_push_proto::wire::{DeliveryFrame, Lenience, Message, Mid};

const TIMES: u64 = 500;

const FRAMES: [(&str, &str); 7] = [
    ("publish", PUBLISH),
    ("publish, body with escapes", ESCAPED),
    ("register", REGISTER),
    ("heartbeat", HEARTBEAT),
    ("ack", ACK),
    ("delivery", DELIVERY),
    ("reply", REPLY),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, case, times] = &arguments[..]
        && flag == "--case"
    {
        let mut case = cases().swap_remove(case.parse().unwrap()).1;
        return (0..times.parse().unwrap()).for_each(|_| case());
    }
    let is_counted =
        benches::is_measured() && Command::new("valgrind").arg("--version").output().is_ok();
    println!("{:<40} {:>12}", "case", "instructions");
    for (nth, (name, mut case)) in cases().into_iter().enumerate() {
        if is_counted {
            let cost = (counted(nth, 2 * TIMES) - counted(nth, TIMES)) / TIMES;
            println!("{name:<40} {cost:>12}");
        } else {
            case();
            println!("{name:<40} {:>12}", "not counted");
        }
    }
}

/// Instructions of a process that runs the case so many times.
fn counted(case: usize, times: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--case", &case.to_string(), &times.to_string()])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let (_, count) = told
        .rsplit_once("Collected :")
        .expect("callgrind's summary");
    count.trim().lines().next().unwrap().parse().unwrap()
}

fn cases() -> Vec<(String, Box<dyn FnMut()>)> {
    let mut cases: Vec<(String, Box<dyn FnMut()>)> = Vec::new();
    for (name, line) in FRAMES {
        // As it comes from a socket: shared memory, which a line is a slice of.
        let json = Bytes::from(line.to_owned());
        let shared = json.clone();
        let decode = move || {
            black_box(Message::decode(
                black_box(&shared).clone(),
                Lenience::Vendor,
            ))
            .unwrap();
        };
        cases.push((format!("decode, {name}"), Box::new(decode)));
        let (message, mut out) = (message(json), Vec::with_capacity(1024));
        let encode = move || {
            out.clear();
            black_box(&message).encode(&mut out);
            black_box(&out);
        };
        cases.push((format!("encode, {name}"), Box::new(encode)));
    }
    cases.push(("a delivery to 100".to_owned(), Box::new(fan_out(100))));
    cases.push((
        "lines of 64 KiB, lent".to_owned(),
        Box::new(lines(64 << 10)),
    ));
    cases
}

fn fan_out(receivers: usize) -> impl FnMut() {
    let Message::Deliver(delivery) = message(DELIVERY.into()) else {
        unreachable!("it is one")
    };
    let to: Vec<(String, Mid)> = (0..receivers)
        .map(|n| (format!("m_2_00A1{n:04}"), Mid::new(format!("1024-{n}"))))
        .collect();
    let mut out = Vec::with_capacity(256 * receivers);
    move || {
        out.clear();
        let frame = DeliveryFrame::new(black_box(&delivery));
        for (alias, mid) in &to {
            frame.write_line(Some(alias), mid, &mut out);
        }
        black_box(&out);
    }
}

fn lines(len: usize) -> impl FnMut() {
    let mixed = FRAMES
        .iter()
        .cycle()
        .flat_map(|(_, line)| [line.as_bytes(), b"\n"]);
    let stream: Vec<u8> = mixed.flatten().copied().take(len).collect();
    move || {
        let mut splitter = LineSplitter::default();
        let mut lines = splitter.split(black_box(&stream));
        while let Some(line) = lines.next_line() {
            black_box(line).unwrap();
        }
    }
}

fn message(json: Bytes) -> Message {
    Message::decode(json, Lenience::Strict).unwrap().message
}
