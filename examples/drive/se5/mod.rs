//! Both ends of `se5-events` on real sockets, each one task with a handle.
//!
//! ```no_run
//! # use drive::se5::*;
//! # async fn f() -> std::io::Result<()> {
//! let mut options = BoxOptions::new(7); // seed; loopback, ephemeral ports, two cameras, 2 events/s
//! options.listen = "127.0.0.1:5679".parse().unwrap();
//! let mut simulator = spawn_box(options).await?; // fails if a port is taken, saying which
//! let url = simulator.ws_url(); // ws://127.0.0.1:5679
//!
//! let options = SubscriberOptions::new(&url, simulator.http_url(), 1)?;
//! let mut subscriber = spawn_subscriber(options)?;
//! subscriber.control().send(SubscriberCommand::SubscribeAll { faces: true, registered: true });
//! simulator.control().send(BoxCommand::CutLinks);
//! while let Some(news) = subscriber.next().await {
//!     match news {
//!         SubscriberNews::Machine(event) => drop(event), // a se5_events::platform::Event
//!         SubscriberNews::Wire(wire) => drop(wire),      // exact bytes, if `options.tap` is set
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Handles are read with `next().await`, which is safe to cancel; commands go through a cloneable
//! control and never wait. `counters()` is a snapshot. `stop().await` ends a task in order, dropping
//! the handle ends it at once.

pub mod faults;
pub mod line;
mod link;
pub mod pictures;
mod simulator;
mod subscriber;
pub mod terminal;
mod traffic;
mod wire;

pub use simulator::{
    BoxCommand, BoxControl, BoxCounters, BoxHandle, BoxNews, BoxOptions, Emitted, spawn_box,
};
pub use subscriber::{
    SubscriberCommand, SubscriberControl, SubscriberCounters, SubscriberHandle, SubscriberNews,
    SubscriberOptions, spawn_subscriber,
};
pub use traffic::{Traffic, cameras};
pub use wire::Wire;
