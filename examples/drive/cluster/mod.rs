//! The store that several nodes share: Redis or Valkey.
//!
//! What is kept is in Redis, and so are the leases by which nodes have their aliases and the inboxes
//! by which they tell each other. Each request is a script about one alias; requests that wait
//! together go out in one pipeline. `docs/design/zzw-cluster.md` has the keys and the reasons.

mod books;
mod driver;
mod inbox;
mod join;
mod keys;
mod lane;
mod peers;
mod reply;
mod scripts;
mod topics;
mod words;
mod worker;

pub use driver::Cluster;

use crate::zzw::store;
use books::Books;
use lane::Lane;
use redis::Client;
use redis::aio::MultiplexedConnection;
use scripts::Loaded;
use std::io;
use std::time::Duration;
use zzw_push_proto::platform::{NodeId, StoreError, StoreOp, StoreReply, UnixMillis};

/// What a request is answered with.
pub type Answer = Result<StoreReply, StoreError>;

/// How a node uses Redis.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// What the names of all keys begin with; `zzw`. Clusters that share a server differ in it.
    pub prefix: String,
    /// Most requests that go out together; 256.
    pub group: usize,
    /// Most words of other nodes that wait for one that does not read; 100,000. Then it is told that
    /// it has missed some.
    pub max_inbox: usize,
    /// After so long, an answer is not waited for any more; 2 s.
    pub timeout: Duration,
    /// By how much the clock of Redis may differ from this machine's; 60 s.
    pub max_skew: Duration,
    /// So long after the lease of another node has ended, its aliases are given to nobody; 20 s.
    pub sweep_after: Duration,
}

/// Carries out requests one batch after another, at a time that is given: for tests, and for those
/// who have no need for [`Cluster`]'s thread.
#[expect(missing_debug_implementations, reason = "a connection has none")]
pub struct Ledger {
    connection: MultiplexedConnection,
    books: Books,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: "zzw".to_owned(),
            group: 256,
            max_inbox: 100_000,
            timeout: Duration::from_secs(2),
            max_skew: Duration::from_mins(1),
            sweep_after: Duration::from_secs(20),
        }
    }
}

/// The server at an address, and where that is, without a password.
fn server(url: &str) -> Result<(Client, String), String> {
    let client = Client::open(url).map_err(|_| {
        "an address of Redis is written redis://host:port, with user:password@ before the host if \
         it wants one"
            .to_owned()
    })?;
    let name = client.get_connection_info().addr().to_string();
    Ok((client, name))
}

impl Ledger {
    /// Opens it for a node.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub async fn open(
        url: &str,
        settings: Settings,
        limits: &store::Settings,
        node: NodeId,
    ) -> io::Result<Self> {
        let (client, name) = server(url).map_err(io::Error::other)?;
        let wrong = |error| io::Error::other(format!("Redis at {name}: {}", join::plain(&error)));
        let connection = client.get_multiplexed_async_connection().await;
        let mut connection = connection.map_err(wrong)?;
        let scripts = Loaded::load(&mut connection).await.map_err(wrong)?;
        Ok(Self {
            connection,
            books: Books::new(settings, limits, node, scripts),
        })
    }

    /// From now on it is that time.
    pub fn set_time(&mut self, at: UnixMillis) {
        self.books.at = Some(at);
    }

    /// Carries requests out, in order, and answers each.
    pub async fn apply(&mut self, batch: &[StoreOp]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(batch.len());
        for group in groups(batch, Books::is_for_many) {
            let lane = Lane::default();
            let each = group
                .iter()
                .map(|op| self.books.answer(&lane, op, Duration::ZERO));
            answers.extend(lane.run(&mut self.connection, each.collect()).await);
        }
        answers
    }

    /// Clears up behind a node whose lease has ended.
    ///
    /// # Errors
    ///
    /// If Redis says something else.
    pub async fn sweep(&mut self, dead: NodeId) -> io::Result<()> {
        loop {
            let lane = Lane::default();
            let sweep = vec![self.books.sweep(&lane, dead)];
            let swept = lane.run(&mut self.connection, sweep).await;
            match swept.into_iter().next() {
                Some(Ok(false)) => {}
                Some(Ok(true)) => return Ok(()),
                _ => return Err(io::Error::other("Redis has not done it")),
            }
        }
    }
}

/// Requests that may go out together, in order.
fn groups<T>(batch: &[T], is_for_many: impl Fn(&T) -> bool) -> impl Iterator<Item = &[T]> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        let few = rest.iter().take_while(|item| !is_for_many(item));
        let count = few.count().max(1).min(rest.len());
        let (group, others) = rest.split_at(count);
        rest = others;
        (!group.is_empty()).then_some(group)
    })
}
