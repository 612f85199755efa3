//! The thread that speaks to Redis: it sends what waits, reads what other nodes say, and connects
//! again when the connection is lost.

use super::books::Books;
use super::driver::{Ask, Shared};
use super::inbox::{BLOCK, Inbox};
use super::lane::Lane;
use super::reply::Trouble;
use super::scripts::Loaded;
use super::{Answer, Settings, groups, join};
use crate::clock;
use crate::zzw::store::{self, parts};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use zzw_push_proto::platform::{
    Input, NodeId, NodeMessage, Seq, StoreError, StoreOp, StoreReply, UnixMillis,
};

pub(super) struct Worker<A> {
    client: Client,
    /// Where Redis is, without a password.
    name: String,
    settings: Settings,
    limits: store::Settings,
    node: NodeId,
    shared: Arc<Shared>,
    answer: RefCell<A>,
    /// Since when the leases of others have been seen to be over, without a break.
    dead: RefCell<BTreeMap<NodeId, Instant>>,
    has_lease: Cell<bool>,
}

/// The two connections of a node: one waits for words of others.
struct Connections {
    asking: MultiplexedConnection,
    reading: MultiplexedConnection,
    scripts: Loaded,
}

/// Why a connection is not used any more.
enum End {
    Closed,
    Lost(String),
}

/// The first pause before Redis is tried again, doubled up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Parts of what a dead node has left that are seen to while nobody else waits.
const SWEEPS: usize = 50;

impl<A: FnMut(Vec<Input>)> Worker<A> {
    pub(super) fn new(
        (client, name): (Client, String),
        settings: Settings,
        limits: store::Settings,
        node: NodeId,
        shared: Arc<Shared>,
        answer: A,
    ) -> Self {
        Self {
            client,
            name,
            settings,
            limits,
            node,
            shared,
            answer: RefCell::new(answer),
            dead: RefCell::default(),
            has_lease: Cell::new(false),
        }
    }

    pub(super) async fn run(
        self,
        mut asked: UnboundedReceiver<Ask>,
        begun: mpsc::Sender<io::Result<Vec<String>>>,
    ) {
        let first = async {
            let mut connections = self.connect().await?;
            let wall = UnixMillis(u64::try_from(clock::unix_now().0).unwrap_or_default());
            let max_skew = self.settings.max_skew;
            let notes = join::look_at(&mut connections.asking, wall, max_skew).await?;
            Ok::<_, String>((connections, notes))
        };
        let first = match first.await {
            Ok((connections, notes)) => {
                let _ = begun.send(Ok(notes));
                connections
            }
            Err(what) => {
                let what = format!("Redis at {} cannot be used: {what}", self.name);
                let _ = begun.send(Err(io::Error::other(what)));
                return;
            }
        };
        let mut books = Books::new(
            self.settings.clone(),
            &self.limits,
            self.node,
            first.scripts.clone(),
        );
        let mut inbox = None;
        let mut next = Some(first);
        while let Some(connections) = next {
            let since = Instant::now();
            books.scripts = connections.scripts.clone();
            let end = self
                .use_up(&books, &mut inbox, &mut asked, connections)
                .await;
            let End::Lost(what) = end else { return };
            self.note(&what);
            self.lose_words();
            self.dead.borrow_mut().clear();
            let is_flapping = since.elapsed() < LONGEST_PAUSE;
            next = self.reconnect(&mut asked, is_flapping).await;
        }
    }

    async fn connect(&self) -> Result<Connections, String> {
        let timeout = self.settings.timeout;
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(timeout));
        let patient = config.clone().set_response_timeout(Some(BLOCK + timeout));
        let config = config.set_response_timeout(Some(timeout));
        let connect = |config| async move {
            let client = &self.client;
            let connection = client.get_multiplexed_async_connection_with_config(config);
            connection.await.map_err(|error| join::plain(&error))
        };
        let mut asking = connect(&config).await?;
        let scripts = Loaded::load(&mut asking)
            .await
            .map_err(|error| join::plain(&error))?;
        Ok(Connections {
            asking,
            reading: connect(&patient).await?,
            scripts,
        })
    }

    /// Tries until it succeeds, and refuses what is asked meanwhile; none when nobody asks any more.
    async fn reconnect(
        &self,
        asked: &mut UnboundedReceiver<Ask>,
        is_flapping: bool,
    ) -> Option<Connections> {
        let mut pause = is_flapping.then_some(FIRST_PAUSE);
        loop {
            let attempt = async {
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
                self.connect().await
            };
            let connected = {
                let mut attempt = std::pin::pin!(attempt);
                loop {
                    tokio::select! {
                        connected = &mut attempt => break connected,
                        ask = asked.recv() => self.refuse([ask?]),
                    }
                }
            };
            match connected {
                Ok(connections) => return Some(connections),
                Err(what) => self.note(&what),
            }
            let longer = pause.map_or(FIRST_PAUSE, |pause| pause * 2);
            pause = Some(longer.min(LONGEST_PAUSE));
        }
    }

    async fn use_up(
        &self,
        books: &Books,
        inbox: &mut Option<Inbox>,
        asked: &mut UnboundedReceiver<Ask>,
        connections: Connections,
    ) -> End {
        let Connections {
            mut asking,
            mut reading,
            ..
        } = connections;
        let begun = match self.alone(books, &mut asking, Books::begin).await {
            Ok(begun) => begun,
            Err(what) => return End::Lost(what),
        };
        // What others have said meanwhile may be lost.
        if inbox.is_some() {
            self.tell_machine(vec![Input::Missed]);
        }
        let inbox = inbox.get_or_insert_with(|| Inbox::new(&books.keys, self.node, begun));
        self.shared.figures().broken = None;
        let (is_deaf, deaf) = oneshot::channel();
        let read = async {
            let what = loop {
                match inbox.read(&mut reading).await {
                    Ok(inputs) if inputs.is_empty() => {}
                    Ok(inputs) => self.tell_machine(inputs),
                    Err(trouble) => break trouble.to_string(),
                }
            };
            // What is being asked is to be answered all the same.
            let _ = is_deaf.send(what);
            std::future::pending().await
        };
        tokio::select! {
            end = self.serve(books, asked, &mut asking, deaf) => end,
            end = read => end,
        }
    }

    /// Carries out what waits at one moment together, until nobody asks any more.
    async fn serve(
        &self,
        books: &Books,
        asked: &mut UnboundedReceiver<Ask>,
        connection: &mut MultiplexedConnection,
        mut deaf: oneshot::Receiver<String>,
    ) -> End {
        let mut batch = Vec::new();
        let most = self.settings.group.max(1);
        loop {
            let count = tokio::select! {
                count = asked.recv_many(&mut batch, most) => count,
                what = &mut deaf => return End::Lost(what.unwrap_or_default()),
            };
            if count == 0 {
                let _ = self.alone(books, connection, Books::leave).await;
                return End::Closed;
            }
            let (mut done, mut lost) = (0, None);
            for group in groups(&batch, Ask::is_for_many) {
                done += group.len();
                if let Err(what) = self.carry_out(books, connection, group).await {
                    lost = Some(what);
                    break;
                }
            }
            self.refuse(batch.drain(..).skip(done));
            if let Some(what) = lost {
                return End::Lost(what);
            }
            if let Err(what) = self.look_after_others(books, asked, connection).await {
                return End::Lost(what);
            }
        }
    }

    async fn carry_out(
        &self,
        books: &Books,
        connection: &mut MultiplexedConnection,
        group: &[Ask],
    ) -> Result<(), String> {
        let lane = Lane::default();
        let each = group.iter().map(|ask| async {
            match ask {
                Ask::Store(_, op, since) => Some(books.answer(&lane, op, since.elapsed()).await),
                Ask::Tell(node, message, since) => {
                    let told = books.tell(&lane, *node, message, since.elapsed());
                    if told.await.is_err() {
                        self.lose_words();
                    }
                    None
                }
            }
        });
        let answers = lane.run(connection, each.collect()).await;
        let mut inputs = Vec::with_capacity(group.len());
        let mut has_renewed = false;
        for (ask, answer) in group.iter().zip(answers) {
            if let (Ask::Store(seq, op, _), Some(answer)) = (ask, answer) {
                has_renewed |= matches!(op, StoreOp::Renew { .. }) && answer.is_ok();
                self.put(&mut inputs, *seq, answer);
            }
        }
        let waiting = &self.shared.waiting;
        waiting.fetch_sub(group.len(), Ordering::Relaxed);
        {
            let mut figures = self.shared.figures();
            figures.ops += group.len() as u64;
            figures.commits += lane.sent();
            figures.evicted = books.tally.evicted.get();
        }
        self.tell_machine(inputs);
        if has_renewed {
            self.renewed(books);
        }
        if lane.is_lost() {
            return Err(Trouble::Lost.to_string());
        }
        books.trouble.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// Remembers since when other nodes have been gone.
    fn renewed(&self, books: &Books) {
        let now = Instant::now();
        let dead = books.dead.borrow();
        let mut since = self.dead.borrow_mut();
        since.retain(|node, _| dead.contains(node));
        for node in dead.iter() {
            since.entry(*node).or_insert(now);
        }
    }

    async fn look_after_others(
        &self,
        books: &Books,
        asked: &UnboundedReceiver<Ask>,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), String> {
        if books.is_forgotten.take() && self.has_lease.replace(true) {
            // Others took this node for dead, and its inbox is gone.
            self.alone(books, connection, Books::begin).await?;
            self.tell_machine(vec![Input::Missed]);
        }
        let has_lost_words = &self.shared.has_lost_words;
        if !books.living.borrow().is_empty() && has_lost_words.swap(false, Ordering::Relaxed) {
            let others = books.living.borrow().clone();
            for node in others.into_iter().filter(|node| *node != self.node) {
                let lane = Lane::default();
                let tell = vec![books.tell(&lane, node, &NodeMessage::Missed, Duration::ZERO)];
                let told = lane.run(connection, tell).await;
                if !matches!(told.first(), Some(Ok(_))) {
                    self.lose_words();
                    return Err(Trouble::Lost.to_string());
                }
            }
        }
        let first_dead = || {
            let dead = self.dead.borrow();
            let mut dead = dead.iter();
            dead.find(|(_, since)| since.elapsed() >= self.settings.sweep_after)
                .map(|(node, _)| *node)
        };
        let Some(dead) = first_dead() else {
            return Ok(());
        };
        for _ in 0..SWEEPS {
            let lane = Lane::default();
            let swept = lane.run(connection, vec![books.sweep(&lane, dead)]).await;
            match swept.into_iter().next() {
                Some(Ok(true)) => {
                    self.dead.borrow_mut().remove(&dead);
                    return Ok(());
                }
                Some(Ok(false)) if asked.is_empty() => {}
                Some(Ok(false)) => return Ok(()),
                _ => return Err(Trouble::Lost.to_string()),
            }
        }
        Ok(())
    }

    /// Does one thing that nobody has asked for.
    async fn alone<'b, T>(
        &self,
        books: &'b Books,
        connection: &mut MultiplexedConnection,
        what: impl AsyncFn(&'b Books, &Lane) -> Result<T, Trouble>,
    ) -> Result<T, String> {
        let lane = Lane::default();
        let mut done = lane.run(connection, vec![what(books, &lane)]).await;
        match done.pop() {
            Some(Ok(done)) => Ok(done),
            Some(Err(trouble)) => Err(trouble.to_string()),
            None => Err(Trouble::Lost.to_string()),
        }
    }

    /// What the machine is told of an answer; of many members bit by bit, so that it has time for
    /// others.
    fn put(&self, inputs: &mut Vec<Input>, seq: Seq, answer: Answer) {
        match answer {
            Ok(StoreReply::Fanned { members, .. }) if !members.is_empty() => {
                for part in parts(seq, members) {
                    self.tell_machine(std::mem::take(inputs));
                    inputs.push(part);
                }
            }
            Ok(reply) => inputs.push(Input::Stored(seq, reply)),
            Err(error) => inputs.push(Input::StoreFailed(seq, error)),
        }
    }

    /// Other nodes have to look again, once they can be told.
    fn lose_words(&self) {
        self.shared.has_lost_words.store(true, Ordering::Relaxed);
    }

    /// Remembers why there is no connection.
    fn note(&self, what: &str) {
        self.shared.figures().broken = Some(format!("Redis at {}: {what}", self.name));
    }

    fn refuse(&self, asks: impl IntoIterator<Item = Ask>) {
        let mut inputs = Vec::new();
        for ask in asks {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            match ask {
                Ask::Store(seq, ..) => {
                    inputs.push(Input::StoreFailed(seq, StoreError::Unavailable));
                }
                Ask::Tell(..) => self.lose_words(),
            }
        }
        self.tell_machine(inputs);
    }

    fn tell_machine(&self, inputs: Vec<Input>) {
        if !inputs.is_empty() {
            (self.answer.borrow_mut())(inputs);
        }
    }
}
