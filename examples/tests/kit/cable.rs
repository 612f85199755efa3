//! A connection that breaks anywhere.

use drive::faces::Dice;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A TCP proxy that drops each connection after some bytes one way, in the middle of whatever that is,
/// until it is mended.
pub struct Cable {
    address: SocketAddr,
    ends: Arc<Ends>,
}

#[derive(Default)]
struct Ends {
    far: Mutex<String>,
    is_sound: AtomicBool,
    is_cut: AtomicBool,
    broken: AtomicUsize,
}

impl Cable {
    /// A cable to the address `far`.
    pub fn new(far: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(Ends {
            far: Mutex::new(far.to_owned()),
            ..Ends::default()
        });
        let near_end = Arc::clone(&ends);
        std::thread::spawn(move || {
            let mut dice = Dice(seed);
            for near in listener.incoming() {
                // From inside the handshake to a few dozen messages further.
                let length = dice.below(400_000) >> dice.below(12);
                near_end.connect(near.unwrap(), length);
            }
        });
        Self { address, ends }
    }

    /// Address of the near end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections elsewhere.
    pub fn lead_to(&self, far: &str) {
        far.clone_into(&mut self.ends.far.lock().unwrap());
    }

    /// Breaks nothing from now on.
    pub fn mend(&self) {
        self.ends.is_cut.store(false, Ordering::Relaxed);
        self.ends.is_sound.store(true, Ordering::Relaxed);
    }

    /// Takes no connections, until told otherwise, and breaks those that are.
    pub fn cut(&self, is_cut: bool) {
        self.ends.is_cut.store(is_cut, Ordering::Relaxed);
    }

    /// Connections that have ended.
    pub fn breaks(&self) -> usize {
        self.ends.broken.load(Ordering::Relaxed)
    }
}

impl Ends {
    fn connect(self: &Arc<Self>, near: TcpStream, length: usize) {
        let far = self.far.lock().unwrap().clone();
        // Nobody there, or the cable is cut: the near end is dropped, and learns it.
        let far = Some(far).filter(|_| !self.is_cut.load(Ordering::Relaxed));
        let Some(Ok(far)) = far.map(TcpStream::connect) else {
            return;
        };
        // Cables do not hold back what comes in pieces.
        for end in [&near, &far] {
            end.set_nodelay(true).unwrap();
        }
        let up = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let ends = Arc::clone(self);
        std::thread::spawn(move || ends.pass(up.0, up.1, length));
        let ends = Arc::clone(self);
        std::thread::spawn(move || {
            ends.pass(far, near, length);
            ends.broken.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// Passes bytes on, only so many unless the cable is sound, then breaks both ways.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, mut left: usize) {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let passed = if self.is_cut.load(Ordering::Relaxed) {
                0
            } else if self.is_sound.load(Ordering::Relaxed) {
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
}
