//! The demo: every end that exists, on the loopback address, behind one page.
//!
//! A lane is a module with a `start` function that adds a [`view::Lane`] and its flows to the
//! [`hub::Hub`] and spawns one task for each flow; the task ends with an [`Outcome`] once it is told
//! to stop. The page knows lanes and flows, but no protocol.

mod analyst;
mod cable;
mod face;
pub mod hub;
mod ledger;
mod outcome;
mod ring;
mod scratch;
mod se5;
mod token;
pub mod view;
mod zzw;

pub use outcome::{Outcome, table};

use crate::http;
use futures_util::FutureExt as _;
use hub::Hub;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How the demo is to run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where to serve the page; `None` is port 8800, or a free one if that is taken.
    pub listen: Option<SocketAddr>,
    /// End after so long; `None` is when told to.
    pub lasts: Option<Duration>,
    /// Decides who is seen, and when.
    pub seed: u64,
    /// The Redis over which the push lane runs three nodes; none, and one server without it.
    pub cluster: Option<String>,
}

/// Runs the demo until its time is over or `interrupted` is, then waits for what is still on its
/// way, and tells what became of each flow. `announce` is given the page's address.
///
/// With a duration, there is trouble on the way: links are cut, a platform is down for a quarter of
/// the time, a terminal is without power, one of several nodes is killed. A gap and its repair are part of what is shown.
///
/// # Errors
///
/// If an address cannot be listened on, or is none of this computer's own, if there is no room for a
/// temporary folder, or if the Redis cannot be used.
pub async fn run(
    options: Options,
    interrupted: impl Future<Output = ()>,
    announce: impl FnOnce(SocketAddr),
) -> io::Result<Vec<Outcome>> {
    tokio::pin!(interrupted);
    // From here on an interrupt is noticed, so that nothing is left behind.
    if interrupted.as_mut().now_or_never().is_some() {
        return Ok(Vec::new());
    }
    let hub = Hub::new();
    let (stop, stopped) = watch::channel(None);
    let mut flows = JoinSet::new();
    let listener = listen(options.listen).await?;
    se5::start(&hub, &mut flows, &stopped, options.seed).await?;
    face::start(&hub, &mut flows, &stopped, options.seed).await?;
    let cluster = options.cluster.as_deref();
    zzw::start(&hub, &mut flows, &stopped, options.seed, cluster).await?;
    analyst::start(&hub, &mut flows, &stopped, options.seed).await?;
    token::start(&hub, &mut flows, stopped);
    let page = crate::web::serve(listener, hub.clone())?;
    announce(page.address());

    let mut flush = tokio::time::interval(Duration::from_millis(100));
    let trouble = make_trouble(&hub, options.lasts);
    let end = after(options.lasts);
    tokio::pin!(trouble, end);
    let patience = loop {
        tokio::select! {
            _ = flush.tick() => hub.flush(),
            never = &mut trouble => match never {},
            () = &mut end => break Duration::from_secs(20),
            // Someone waits for the prompt.
            () = &mut interrupted => break Duration::from_secs(2),
        }
    };
    stop.send_replace(Some(patience));
    let mut outcomes = Vec::new();
    while !flows.is_empty() {
        tokio::select! {
            _ = flush.tick() => hub.flush(),
            Some(ended) = flows.join_next() => outcomes.push(ended?),
        }
    }
    outcomes.sort_by_key(|outcome| outcome.flow);
    Ok(outcomes)
}

/// The page shows pictures and takes commands, so it is nobody else's business.
async fn listen(address: Option<SocketAddr>) -> io::Result<tokio::net::TcpListener> {
    match address {
        Some(address) if !address.ip().is_loopback() => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{address} can be reached from outside: use 127.0.0.1 or [::1]"),
        )),
        Some(address) => http::listen(address).await,
        None => match http::listen(SocketAddr::from(([127, 0, 0, 1], PORT))).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => free().await,
            listener => listener,
        },
    }
}

/// A loopback address on a port that nobody uses.
async fn free() -> io::Result<tokio::net::TcpListener> {
    http::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await
}

/// How long flows may go on to get what is still under way; `None` until they are to end.
type Stop = watch::Receiver<Option<Duration>>;

/// Where people expect the page.
pub const PORT: u16 = 8800;

/// What goes wrong where nobody is there to switch it: after how many twelfths of the time, the
/// switch, and whether it is on.
const TROUBLE: [(u32, &str, bool); 8] = [
    (1, "away", true),
    (3, "away", false),
    (4, "cut", true),
    (6, "down", true),
    (6, "node-2", true),
    (7, "power", true),
    (9, "down", false),
    (9, "node-2", false),
];

/// Uses the switches of every flow that has them, then waits for ever.
async fn make_trouble(hub: &Hub, lasts: Option<Duration>) -> Infallible {
    if let Some(lasts) = lasts {
        let mut before = 0;
        for (twelfth, switch, on) in TROUBLE {
            tokio::time::sleep(lasts / 12 * (twelfth - before)).await;
            before = twelfth;
            hub.press_everywhere(switch, on);
        }
    }
    pending().await
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => pending().await,
    }
}

/// Waits until a flow is to end, and tells how long it may still take.
async fn told_to_stop(stop: &mut Stop) -> Duration {
    let told = stop.wait_for(Option::is_some).await;
    told.ok().and_then(|patience| *patience).unwrap_or_default()
}
