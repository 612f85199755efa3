//! Many seeds, on every core.

use std::panic::UnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs seeds 0 up to `sessions` on every core and adds up what they came to; stops at the first
/// failure.
///
/// # Panics
///
/// If a session fails, with its text.
pub fn in_parallel<T: Default + Send>(
    sessions: u64,
    run: impl Fn(u64) -> Result<T, String> + Sync,
    add: impl Fn(&mut T, T) + Sync,
) -> T {
    let next = AtomicU64::new(0);
    let worker = || {
        let mut total = T::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= sessions {
                return Ok(total);
            }
            let outcome = run(seed).inspect_err(|_| next.store(sessions, Ordering::Relaxed))?;
            add(&mut total, outcome);
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let mut total = T::default();
        for handle in handles {
            let outcome: Result<T, String> = handle.join().expect("sessions catch their panics");
            add(&mut total, outcome.unwrap_or_else(|what| panic!("{what}")));
        }
        total
    })
}

/// Runs one session. A failure or panic comes back as text that tells how to repeat it: with
/// `SIM_SEED` set, the test `pair` of `package` runs that seed alone and prints what happens.
///
/// # Errors
///
/// That text.
pub fn session<T>(
    package: &str,
    seed: u64,
    run: impl FnOnce() -> Result<T, String> + UnwindSafe,
) -> Result<T, String> {
    let outcome = std::panic::catch_unwind(run).unwrap_or_else(|_| Err("panicked".to_owned()));
    outcome.map_err(|what| {
        format!("{what}\nSIM_SEED={seed} cargo test -p {package} --test pair -- --nocapture")
    })
}

/// The number in the environment variable `name`, if it is set to one.
pub fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
