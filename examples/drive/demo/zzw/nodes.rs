//! Three nodes over one Redis, which all flows of the lane share, and a flow that shows them: each
//! can be killed, and started again where it was.

mod words;

use super::ends::{Kept, Plant};
use super::words::Names;
use crate::clock::unix_now;
use crate::demo::hub::{FlowHandle, Hub, Press};
use crate::demo::outcome::Outcome;
use crate::demo::view::{Card, Fate, Gap, GapState, Link, Mark, Tag, Text};
use crate::demo::{Stop, told_to_stop};
use crate::zzw::server::Addresses;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How many there are.
pub(super) const NODES: usize = 3;

/// The nodes as other flows of the lane see them. They run until the last of these is gone.
#[derive(Clone)]
pub(super) struct Nodes {
    addresses: [Addresses; NODES],
    token: String,
    book: Arc<Mutex<Book>>,
    handle: FlowHandle,
    _in_use: mpsc::Sender<()>,
}

/// What was acknowledged, and what has become of it if a node was dead then.
#[derive(Default)]
struct Book {
    living: usize,
    online: u64,
    is_short: bool,            // of a node
    waiting: BTreeSet<Letter>, // acknowledged while all nodes were there
    at_risk: BTreeSet<Letter>, // acknowledged or on its way while one was dead
    sent: u64,                 // at risk, ever
    arrived: u64,              // of these
    late: u64,                 // of these
}

/// A message: whose flow, and its number there.
type Letter = (&'static str, u64);

/// The nodes from their own side.
struct Cluster {
    handle: FlowHandle,
    plants: Vec<Plant>,
    ports: [u16; NODES],
    place: Place,
    book: Arc<Mutex<Book>>,
    killed: u64,
    gap: Option<(i64, u64)>, // since when, and how many at risk had arrived
    shown: Option<Link>,
}

/// What the nodes keep messages in.
struct Place {
    url: String,
    prefix: String,
}

impl Nodes {
    /// Starts them, and adds their flow.
    ///
    /// # Errors
    ///
    /// The sentence of the server that cannot be started.
    pub(super) async fn start(
        hub: &Arc<Hub>,
        flows: &mut JoinSet<Outcome>,
        stop: &Stop,
        url: &str,
    ) -> io::Result<Self> {
        let place = Place {
            url: url.to_owned(),
            // Neither another demo nor an earlier one is to be met.
            prefix: format!("zzw-demo-{}-{}", std::process::id(), unix_now().0),
        };
        let kept = || Kept::Redis {
            url: place.url.clone(),
            prefix: place.prefix.clone(),
        };
        let plants = [
            Plant::start(kept()).await?,
            Plant::start(kept()).await?,
            Plant::start(kept()).await?,
        ];
        let addresses = plants.each_ref().map(Plant::addresses);
        let token = plants[0].token().to_owned();
        let ports = addresses.map(|at| at.push.port());
        let view = words::flow(&addresses, &token, &place.pattern());
        let (handle, presses) = hub.add_flow(view);
        let book = Arc::new(Mutex::new(Book {
            living: NODES,
            ..Book::default()
        }));
        let (in_use, until) = mpsc::channel(1);
        let cluster = Cluster {
            handle: handle.clone(),
            plants: plants.into(),
            ports,
            place,
            book: Arc::clone(&book),
            killed: 0,
            gap: None,
            shown: None,
        };
        flows.spawn(cluster.run(presses, stop.clone(), until));
        Ok(Self {
            addresses,
            token,
            book,
            handle,
            _in_use: in_use,
        })
    }

    /// Where one listens.
    pub(super) fn addresses(&self, node: usize) -> Addresses {
        self.addresses[node % NODES]
    }

    /// The same port of all of them, that node's first.
    pub(super) fn from(
        &self,
        node: usize,
        port: impl Fn(Addresses) -> SocketAddr,
    ) -> Vec<SocketAddr> {
        let nodes = (0..NODES).map(|nth| self.addresses(node + nth));
        nodes.map(port).collect()
    }

    /// A token for any of them.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// True while there is one to connect to.
    pub(super) fn is_up(&self) -> bool {
        self.book().living > 0
    }

    /// Aliases that are online, together.
    pub(super) fn online(&self) -> u64 {
        self.book().online
    }

    /// A message was acknowledged to who published it.
    pub(super) fn acknowledged(&self, letter: Letter, has_arrived: bool) {
        let mut book = self.book();
        if !book.is_short {
            if !has_arrived {
                book.waiting.insert(letter);
            }
            return;
        }
        book.sent += 1;
        if has_arrived {
            book.arrived += 1;
        } else {
            book.at_risk.insert(letter);
        }
        drop(book);
        mark(&self.handle, letter, Fate::Sent);
        if has_arrived {
            mark(&self.handle, letter, Fate::Live);
        }
    }

    /// A message has arrived, perhaps after it had to wait.
    pub(super) fn arrived(&self, letter: Letter, is_late: bool) {
        let mut book = self.book();
        book.waiting.remove(&letter);
        if book.at_risk.remove(&letter) {
            book.arrived += 1;
            book.late += u64::from(is_late);
            drop(book);
            let fate = if is_late { Fate::Late } else { Fate::Live };
            mark(&self.handle, letter, fate);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

impl Cluster {
    async fn run(
        mut self,
        mut presses: mpsc::Receiver<Press>,
        mut stop: Stop,
        mut in_use: mpsc::Receiver<()>,
    ) -> Outcome {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_ending = false;
        loop {
            tokio::select! {
                Some(press) = presses.recv(), if !is_ending => self.obey(press),
                _ = tick.tick() => self.tick().await,
                // What waits for an end is delivered by whoever it is at.
                _ = told_to_stop(&mut stop), if !is_ending => {
                    is_ending = true;
                    for node in 0..NODES {
                        self.switch(node, true);
                    }
                }
                _ = in_use.recv() => break,
            }
        }
        self.finish().await
    }

    fn obey(&mut self, press: Press) {
        let node = words::SWITCHES.iter().position(|id| *id == press.switch);
        if let Some(node) = node {
            self.switch(node, !press.on);
        }
    }

    fn switch(&mut self, node: usize, is_up: bool) {
        if self.plants[node].is_wanted() == is_up {
            return;
        }
        self.plants[node].switch(is_up);
        self.handle.switched(words::SWITCHES[node], !is_up);
        if is_up {
            return self.card(node, words::started());
        }
        self.killed += 1;
        self.card(node, words::killed());
        let (at_risk, arrived) = self.book().lose_a_node();
        for letter in at_risk {
            mark(&self.handle, letter, Fate::Sent);
        }
        if self.gap.is_none() {
            let from = unix_now().0;
            self.gap = Some((from, arrived));
            self.show_gap(from, None, GapState::Open, 0);
        }
    }

    /// What goes by time.
    async fn tick(&mut self) {
        for plant in &mut self.plants {
            plant.tick().await;
        }
        let living = self.plants.iter().filter(|plant| plant.is_up()).count();
        let is_whole = living == NODES && self.plants.iter().all(Plant::is_wanted);
        let (figures, arrived, is_settled) = {
            let mut book = self.book();
            book.living = living;
            book.online = self.plants.iter().map(Plant::online).sum();
            book.is_short = !is_whole;
            let figures = [("sent", book.sent), ("arrived", book.arrived)];
            (figures, book.arrived, book.at_risk.is_empty())
        };
        self.handle.set_all(&figures);
        self.handle.set_all(&[("killed", self.killed)]);
        self.show_nodes();
        if let Some((from, before)) = self.gap.filter(|_| is_whole && is_settled) {
            self.gap = None;
            let recovered = arrived.saturating_sub(before);
            self.show_gap(from, Some(unix_now().0), GapState::Filled, recovered);
        }
    }

    fn show_nodes(&mut self) {
        let dead: Vec<usize> = (0..NODES)
            .filter(|node| !self.plants[*node].is_up())
            .collect();
        let who = self.plants.iter().map(|plant| {
            let aliases = Names::all_in_cluster().into_iter();
            aliases.filter(|alias| plant.has(alias)).collect()
        });
        let link = words::link(&dead, &who.collect::<Vec<Vec<_>>>());
        for (node, plant) in self.plants.iter().enumerate() {
            self.handle
                .set_all(&[(words::SWITCHES[node], plant.online())]);
        }
        if self.shown.as_ref() == Some(&link) {
            return;
        }
        for node in 0..NODES {
            let title = words::title(node, dead.contains(&node));
            self.handle.rename(words::SWITCHES[node], title);
        }
        self.handle.link(link.clone());
        self.shown = Some(link);
    }

    fn show_gap(&self, from: i64, to: Option<i64>, state: GapState, recovered: u64) {
        self.handle.gap(Gap {
            from,
            to,
            state,
            recovered,
            why: Text::default(),
        });
    }

    fn card(&self, node: usize, tag: Tag) {
        self.handle.card(Card {
            at: unix_now().0,
            title: format!("127.0.0.1:{}", self.ports[node]),
            place: format!("{} / {NODES}", node + 1),
            tone: tag.tone,
            tags: vec![tag],
            ..Card::default()
        });
    }

    async fn finish(self) -> Outcome {
        let mut faults = Vec::new();
        for plant in self.plants {
            faults.extend(plant.stop().await.err());
        }
        self.place.tidy_up().await;
        let book = lock(&self.book);
        let lost = book.sent - book.arrived;
        if lost > 0 {
            let what = "acknowledged while a node was dead, and not delivered";
            faults.push(format!("{lost} messages {what}"));
        }
        Outcome {
            flow: words::FLOW,
            sent: book.sent,
            arrived: book.arrived,
            repaired: book.late,
            gaps: self.killed,
            faults,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

impl Book {
    /// From now on one is dead. What is on its way, and how many had arrived.
    fn lose_a_node(&mut self) -> (Vec<Letter>, u64) {
        self.is_short = true;
        let waiting: Vec<Letter> = std::mem::take(&mut self.waiting).into_iter().collect();
        self.sent += u64::try_from(waiting.len()).unwrap_or(u64::MAX);
        self.at_risk.extend(&waiting);
        (waiting, self.arrived)
    }
}

impl Place {
    /// Removes what is left: the nodes are those of this run only.
    async fn tidy_up(&self) {
        // What cannot be removed now expires.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.remove()).await;
    }

    async fn remove(&self) -> redis::RedisResult<()> {
        let client = redis::Client::open(&*self.url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut cursor = 0;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(self.pattern());
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
            // One by one, as they may be in different slots.
            for key in keys {
                let mut unlink = redis::cmd("UNLINK");
                unlink.arg(key).exec_async(&mut connection).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    fn pattern(&self) -> String {
        format!("{}:*", self.prefix)
    }
}

fn mark(handle: &FlowHandle, (flow, number): Letter, fate: Fate) {
    handle.mark(Mark {
        id: format!("{flow}-{number}"),
        at: unix_now().0,
        fate,
    });
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
