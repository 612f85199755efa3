//! Instructions of codec, signatures and machines of analysers, counted by valgrind: the same in
//! every run, so that a change of one in a hundred is seen.
//!
//! A task through the dispatcher is submitted, given to an analyser, finished and confirmed among
//! 1,000 others; a task through the analyser is accepted, worked on and answered beside 1,000 results
//! that are kept. Store and broker answer at once.
//!
//! Each case is a process of its own that works so many times and then twice as many; what it costs
//! is the difference. Without valgrind, or without `--bench`, each case only runs.

mod analyst_samples;
mod analyst_world;

use analyst_proto::codec::{Dialect, Lenience, decode, encode};
use analyst_proto::sign::{Preset, SignValue, Signer as _, SigningKey};
use analyst_proto::wire::Secret;
use analyst_samples::{FAIL, FINISH, START, TIMEOUT, data_first};
use analyst_world::{Analysing, Dispatching};
use bytes::Bytes;
use std::hint::black_box;
use std::process::Command;

const TIMES: u64 = 500;

const MESSAGES: [(&str, &str); 4] = [
    ("START", START),
    ("FINISH", FINISH),
    ("FAIL", FAIL),
    ("TIMEOUT", TIMEOUT),
];

/// What a case does, made only when it is wanted.
type Make = Box<dyn FnOnce() -> Box<dyn FnMut()>>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, case, times] = &arguments[..]
        && flag == "--case"
    {
        let mut case = cases().swap_remove(case.parse().unwrap()).1();
        return (0..times.parse().unwrap()).for_each(|_| case());
    }
    let is_counted =
        benches::is_measured() && Command::new("valgrind").arg("--version").output().is_ok();
    println!("{:<40} {:>12}", "case", "instructions");
    for (nth, (name, make)) in cases().into_iter().enumerate() {
        if is_counted {
            let cost = (counted(nth, 2 * TIMES) - counted(nth, TIMES)) / TIMES;
            println!("{name:<40} {cost:>12}");
        } else {
            make()();
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

fn cases() -> Vec<(String, Make)> {
    let mut cases: Vec<(String, Make)> = Vec::new();
    for (name, json) in MESSAGES {
        cases.push((
            format!("decode {name}"),
            Box::new(move || decoding(json.into())),
        ));
    }
    for (name, json) in &MESSAGES[..2] {
        let make = move || decoding(data_first(json));
        cases.push((format!("decode {name}, data first"), Box::new(make)));
    }
    for (name, json) in MESSAGES {
        cases.push((format!("encode {name}"), Box::new(move || encoding(json))));
    }
    for preset in [Preset::MakeMd5, Preset::HmacSha1Base64] {
        for is_verified in [false, true] {
            let what = if is_verified { "verify" } else { "sign" };
            let make = Box::new(move || signing(preset, is_verified));
            cases.push((format!("{what} a request, {preset:?}"), make));
        }
    }
    cases.push((
        "a task through the dispatcher".to_owned(),
        Box::new(dispatching),
    ));
    cases.push((
        "a task through the analyser".to_owned(),
        Box::new(analysing),
    ));
    cases
}

fn decoding(json: String) -> Box<dyn FnMut()> {
    // As it comes from a socket: shared memory, which a message keeps slices of.
    let (payload, lenience) = (Bytes::from(json), Lenience::field());
    drop(payload.clone());
    Box::new(move || assert!(decode(black_box(&payload), &lenience).is_ok()))
}

fn encoding(json: &str) -> Box<dyn FnMut()> {
    let message = decode(&Bytes::from(json.to_owned()), &Lenience::field()).unwrap();
    let mut out = Vec::with_capacity(1024);
    Box::new(move || {
        out.clear();
        encode(black_box(&message), &Dialect::default(), &mut out);
        black_box(&out);
    })
}

fn signing(preset: Preset, is_verified: bool) -> Box<dyn FnMut()> {
    let key = SigningKey::new(preset, &Secret::new("test-secret-of-32-characters-len"));
    let params = [
        ("name", SignValue::Str("analyst_3")),
        ("timestamp", SignValue::Int(1_558_583_537_598)),
    ];
    let mut signature = String::new();
    key.sign(&params, &mut signature);
    let mut out = String::with_capacity(64);
    Box::new(move || {
        if is_verified {
            assert!(key.verify(black_box(&params), black_box(&signature)));
        } else {
            out.clear();
            key.sign(black_box(&params), &mut out);
            black_box(&out);
        }
    })
}

fn dispatching() -> Box<dyn FnMut()> {
    let mut world = Dispatching::new(10, 1_000);
    world.season(1_000);
    Box::new(move || world.turn())
}

fn analysing() -> Box<dyn FnMut()> {
    let mut world = Analysing::new(1_000);
    Box::new(move || world.turn())
}
