//! What every machine's tests share: virtual time, seeded chance, slow pipes, proof of determinism.
//!
//! A simulated world is a [`Schedule`] of things that will happen. It takes the next one, tells the
//! machines, and turns their outputs into further things. Nothing sleeps, nothing reads a clock, and
//! one seed always gives one history; [`Trace`] proves that.

pub mod campaign;
pub mod digest;
mod pipe;
mod rng;
mod schedule;
mod trace;

pub use pipe::Pipe;
pub use rng::Rng;
pub use schedule::{Schedule, epoch};
pub use trace::Trace;
