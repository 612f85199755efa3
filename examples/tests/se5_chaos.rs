//! `se5_subscribe` and `se5_box` through a cable that breaks anywhere.

mod kit;

use drive::faces::Dice;
use kit::{SimulatedBox, ids, sorted, subscribe};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn wherever_the_connection_breaks_every_event_of_dialect_1_arrives_once() {
    break_anywhere(1, "1");
}

#[test]
fn wherever_the_connection_breaks_every_event_of_dialect_2_arrives_once() {
    break_anywhere(2, "2");
}

fn break_anywhere(seed: u64, dialect: &str) {
    let args = [
        "--wait",
        "--rate",
        "60",
        "--count",
        "240",
        "--dialect",
        dialect,
    ];
    let simulator = SimulatedBox::start(&args);
    let cable = Cable::new(simulator.ws_address().to_owned(), seed);
    let subscriber = subscribe(&cable.url, &simulator.http, &["--faces"]);
    simulator.program.out.wait_for(240);
    cable.is_sound.store(true, Ordering::Relaxed);
    subscriber.out.wait_for(240);
    subscriber.err.line_with("gap filled: ");
    let printed = ids(&subscriber.out);
    assert_eq!(sorted(printed), sorted(simulator.emitted(240)));
    assert!(cable.breaks() > 2, "{}", cable.breaks());
}

/// A TCP proxy that drops each connection after some bytes, in the middle of whatever that is.
struct Cable {
    url: String,
    is_sound: Arc<AtomicBool>,
    broken: Arc<AtomicUsize>,
}

impl Cable {
    fn new(to: String, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cable = Self {
            url: format!("ws://{}", listener.local_addr().unwrap()),
            is_sound: Arc::default(),
            broken: Arc::default(),
        };
        let (is_sound, broken) = (Arc::clone(&cable.is_sound), Arc::clone(&cable.broken));
        std::thread::spawn(move || {
            let mut dice = Dice(seed);
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(&to).unwrap());
                // From inside the handshake to a few dozen events further.
                let length = dice.below(400_000) >> dice.below(12);
                let up = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || pass(up.0, up.1, usize::MAX, &AtomicBool::new(true)));
                let (is_sound, broken) = (Arc::clone(&is_sound), Arc::clone(&broken));
                std::thread::spawn(move || {
                    pass(far, near, length, &is_sound);
                    broken.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        cable
    }

    fn breaks(&self) -> usize {
        self.broken.load(Ordering::Relaxed)
    }
}

/// Passes bytes on, only so many unless the cable is sound, then breaks both ways.
fn pass(mut from: TcpStream, mut to: TcpStream, mut left: usize, is_sound: &AtomicBool) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let passed = if is_sound.load(Ordering::Relaxed) {
            length
        } else {
            length.min(left)
        };
        left = left.saturating_sub(length);
        if to.write_all(&buffer[..passed]).is_err() || passed < length {
            break;
        }
    }
    // Either may be gone already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
