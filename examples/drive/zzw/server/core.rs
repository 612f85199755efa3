//! The machines of one node, shared by everything that listens.

mod exchange;
mod inner;

pub(super) use exchange::Exchange;
pub(super) use inner::Judge;

use super::lines;
use super::shards::Corridor;
use super::tokens::Tokens;
use super::vault::Vault;
use super::{relay, socketio};
use crate::clock::{self, now, sleep_until};
use crate::zzw::store::Figures;
use inner::Inner;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, broadcast, oneshot, watch};
use zzw_push_proto::WireError;
use zzw_push_proto::platform::{
    Call, Config, Counters, Event, ExchangeId, Input, LinkId, NodeId, NodeInfo, Output, Peer,
    Platform, PublishId, Refused, RoomCounts, UnixMillis,
};
use zzw_push_proto::rooms::{self, CloseCode, Rooms, Sizes};
use zzw_push_proto::wire::{Message, Publish, Servers};

/// The machines and the ways out.
///
/// Whoever has news tells the machines at once, under a lock that is held for microseconds, and puts
/// what they answer into the queues of links, which are written when the lock is free again. So
/// nothing is reordered, and a link that takes nothing holds up nobody.
pub(super) struct Core {
    node: NodeId,
    corridor: Arc<Corridor>,
    inner: Mutex<Inner>,
    due: Notify, // the next timer is earlier than what the timekeeper sleeps for
    next_link: AtomicU64,
    next_call: AtomicU64,
    closed: watch::Sender<bool>,
    links: watch::Sender<usize>, // that have not yet said their last words
    news: broadcast::Sender<Event>,
    socketio: socketio::Totals,
    unwritten: lines::Unwritten,
    losses: Arc<lines::Losses>,
}

/// Where what is sent to a link goes.
#[derive(Debug)]
pub(super) enum Outlet {
    /// Lines over TCP.
    Lines(lines::Outlet),
    /// Events over Socket.IO.
    Events(Arc<socketio::Outbox>),
    /// Frames of a relay room.
    Room(Arc<relay::Outbox>),
}

/// A link that may still have something to write. Dropped, it has not.
pub(super) struct Stay(Arc<Core>);

/// How everything stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) broker: Counters,
    pub(super) rooms: rooms::Counters,
    pub(super) sizes: Sizes,
    pub(super) store: Figures,
    pub(super) socketio: zzw_push_proto::socketio::Counters,
    pub(super) lost: lines::Lost,
}

impl Snapshot {
    /// How two cores stand together.
    pub(super) fn plus(self, other: &Self) -> Self {
        Self {
            broker: self.broker.plus(&other.broker),
            rooms: self.rooms.plus(other.rooms),
            sizes: self.sizes.plus(other.sizes),
            store: self.store.plus(&other.store),
            socketio: self.socketio.plus(other.socketio),
            lost: self.lost.plus(other.lost),
        }
    }
}

/// How long what is for others may be gathered, for each of them: writing to one costs a few
/// microseconds, so a burst for many is worth waiting for longer than one for few.
const GATHERED_PER_LINK: Duration = Duration::from_micros(16);

/// The same for all of them together.
const MAX_GATHERED: Duration = Duration::from_millis(20);

/// Nothing in this process happens less often.
const PULSE: Duration = Duration::from_millis(250);

/// News that nobody has read yet; older ones are dropped, and whoever reads is told how many.
pub(super) const MAX_NEWS: usize = 1024;

impl Core {
    /// A core without a store, which [`Self::furnish`] gives it.
    pub(super) fn new(
        config: Config,
        rooms: rooms::Config,
        judge: Judge,
        tokens: Arc<Tokens>,
        corridor: Arc<Corridor>,
        news: broadcast::Sender<Event>,
    ) -> Arc<Self> {
        let node = config.node;
        Arc::new(Self {
            node,
            corridor,
            inner: Mutex::new(Inner {
                platform: Platform::new(config),
                rooms: Rooms::new(rooms),
                store: None,
                outlets: HashMap::new(),
                unwritten: Vec::new(),
                calls: HashMap::new(),
                bodies: socketio::Bodies::default(),
                judge,
                tokens,
                counted: RoomCounts::default(),
                next_signal: 0,
                armed: None,
                pulse: now(),
                node_changes: 0,
            }),
            due: Notify::new(),
            next_link: AtomicU64::new(1),
            next_call: AtomicU64::new(1),
            closed: watch::Sender::new(false),
            links: watch::Sender::new(0),
            news,
            socketio: socketio::Totals::default(),
            unwritten: lines::Unwritten::default(),
            losses: Arc::default(),
        })
    }

    /// From now on, what is to be kept is kept there.
    pub(super) fn furnish(&self, vault: Vault) {
        self.inner().store = Some(vault);
    }

    /// Its name among nodes.
    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    /// How it is.
    pub(super) fn info(&self) -> NodeInfo {
        self.inner().platform.info()
    }

    /// A number for a new link.
    pub(super) fn new_link(&self) -> LinkId {
        LinkId(self.next_link.fetch_add(1, Ordering::Relaxed))
    }

    /// A link of the push system is up.
    pub(super) fn connect(&self, link: LinkId, peer: Peer, outlet: Outlet) {
        let (mut inner, now) = self.awake();
        inner.outlets.insert(link, outlet);
        inner
            .platform
            .handle_input(now, Input::Connected(link, peer));
        self.carry_out(inner);
    }

    /// A message came on a link, or something that is none.
    pub(super) fn received(&self, link: LinkId, message: Result<Message, WireError>) {
        self.tell([received(link, message)]);
    }

    /// The same for one of many that follow one another: what they say for links over lines is
    /// handed over to these by [`Self::spread`], or when something else happens. Tells when it came.
    pub(super) fn received_one_of(
        &self,
        link: LinkId,
        message: Result<Message, WireError>,
    ) -> Instant {
        let (mut inner, now) = self.awake();
        inner.platform.handle_input(now, received(link, message));
        self.obey_all(&mut inner);
        now
    }

    /// Says something on a link over lines that the broker knows nothing of.
    pub(super) fn say(&self, link: LinkId, message: &Message) {
        let mut inner = self.inner();
        inner.send(link, message);
        // It may be slow by that, which is the broker's to time.
        self.obey_all(&mut inner);
    }

    /// Hands over what messages of a link have said for links over lines: to itself at once, to be
    /// written by its task, and to the others unless more is about to follow and it has been
    /// gathered for so short a time that it is better written together. True if it did.
    pub(super) fn spread(&self, link: LinkId, gathered: Option<Duration>) -> bool {
        let mut inner = self.inner();
        if let Some(Outlet::Lines(outlet)) = inner.outlets.get_mut(&link) {
            outlet.hand_over();
        }
        if *inner.unwritten == [link] {
            inner.unwritten.clear();
        }
        let worth = GATHERED_PER_LINK
            .saturating_mul(u32::try_from(inner.unwritten.len()).unwrap_or(u32::MAX));
        let is_done = gathered.is_none_or(|gathered| gathered >= worth.min(MAX_GATHERED));
        if is_done {
            self.hand_over(&mut inner);
        }
        is_done
    }

    /// A link has written all that it was given, after it was full.
    pub(super) fn drained(&self, link: LinkId) {
        let (mut inner, now) = self.awake();
        if let Some(Outlet::Lines(outlet)) = inner.outlets.get_mut(&link) {
            outlet.drained();
        }
        inner.platform.handle_input(now, Input::Drained(link));
        inner.rooms.handle_input(now, rooms::Input::Drained(link));
        self.carry_out(inner);
    }

    /// A link is gone.
    pub(super) fn disconnected(&self, link: LinkId) {
        let (mut inner, now) = self.awake();
        inner.outlets.remove(&link);
        inner.platform.handle_input(now, Input::Disconnected(link));
        inner
            .rooms
            .handle_input(now, rooms::Input::Disconnected(link));
        self.carry_out(inner);
    }

    /// A WebSocket wants into a relay room.
    pub(super) fn join(&self, link: LinkId, path: rooms::RoomPath, outlet: Arc<relay::Outbox>) {
        let mut inner = self.inner();
        inner.outlets.insert(link, Outlet::Room(outlet));
        inner
            .rooms
            .handle_input(now(), rooms::Input::Connected(link, path));
        self.carry_out(inner);
    }

    /// Where a room is, if at another node.
    pub(super) fn home_of(&self, room: &str) -> Option<(NodeId, Servers)> {
        self.inner().platform.home_of(room)
    }

    /// Tells the rooms what has happened.
    pub(super) fn tell_rooms(&self, input: rooms::Input) {
        let mut inner = self.inner();
        inner.rooms.handle_input(now(), input);
        self.carry_out(inner);
    }

    /// Tells the broker what has happened.
    pub(super) fn tell(&self, inputs: impl IntoIterator<Item = Input>) {
        let (mut inner, now) = self.awake();
        inner.platform.handle_timeout(now);
        for input in inputs {
            inner.platform.handle_input(now, input);
        }
        self.carry_out(inner);
    }

    /// A REST call whose token is valid.
    pub(super) fn call(self: &Arc<Self>, address: IpAddr, call: Call) -> Exchange {
        let id = ExchangeId(self.next_call.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        let (mut inner, now) = self.awake();
        inner.calls.insert(id, answer);
        let input = Input::Called(id, address, unix_now(), call);
        inner.platform.handle_input(now, input);
        self.carry_out(inner);
        Exchange {
            core: Arc::clone(self),
            id,
            answer: answered,
        }
    }

    /// Publishes something of the application's own.
    #[expect(clippy::result_large_err, reason = "gives its value back")]
    pub(super) fn publish(&self, publish: Publish) -> Result<PublishId, Refused<Publish>> {
        let (mut inner, now) = self.awake();
        let published = inner.platform.publish(now, unix_now(), publish);
        self.carry_out(inner);
        published
    }

    /// Takes no new links and lets those there are go, see [`Platform::drain`].
    pub(super) fn drain(&self) {
        let (mut inner, now) = self.awake();
        inner.platform.drain(now);
        self.carry_out(inner);
    }

    /// Ends both machines.
    pub(super) fn close(&self) {
        let (mut inner, now) = self.awake();
        inner.platform.close(now);
        inner.rooms.close(now);
        self.carry_out(inner);
    }

    /// Waits until the broker is closed.
    pub(super) async fn closed(&self) {
        // The sender lives as long as this.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Waits until all links have said their last words, which each does in its own time.
    pub(super) async fn left(&self) {
        // The sender lives as long as this.
        let _ = self.links.subscribe().wait_for(|links| *links == 0).await;
    }

    /// A link that is to be waited for before the program ends.
    pub(super) fn stay(self: &Arc<Self>) -> Stay {
        self.links.send_modify(|links| *links += 1);
        Stay(Arc::clone(self))
    }

    /// The store, once, to be closed.
    pub(super) fn take_store(&self) -> Option<Vault> {
        self.inner().store.take()
    }

    /// What the operator should know about the store.
    pub(super) fn notes(&self) -> Vec<String> {
        let inner = self.inner();
        let store = inner.store.as_ref();
        store
            .map(|vault| vault.store().notes().to_vec())
            .unwrap_or_default()
    }

    /// Writes to links over lines, for ever.
    pub(super) async fn write(self: Arc<Self>) {
        self.unwritten.write().await;
    }

    /// Where links over lines count what they are not given.
    pub(super) fn losses(&self) -> Arc<lines::Losses> {
        Arc::clone(&self.losses)
    }

    /// What links over Socket.IO have lost.
    pub(super) fn socketio(&self) -> &socketio::Totals {
        &self.socketio
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let inner = self.inner();
        Snapshot {
            broker: inner.platform.snapshot(),
            rooms: inner.rooms.counters(),
            sizes: inner.rooms.sizes(),
            store: inner.store.as_ref().map(Vault::figures).unwrap_or_default(),
            socketio: self.socketio.sums(),
            lost: self.losses.sums(),
        }
    }

    /// True if a link of this node has the alias.
    pub(super) fn is_online(&self, alias: &str) -> bool {
        self.inner().platform.is_online(alias)
    }

    /// True once no new links are taken.
    pub(super) fn is_draining(&self) -> bool {
        self.inner().platform.is_draining()
    }

    /// Fires the machines' timers, for ever.
    pub(super) async fn keep_time(self: Arc<Self>) {
        // A node asks for its lease when it hears what time it is.
        self.tell([]);
        loop {
            let armed = {
                let mut inner = self.inner();
                inner.armed = inner.next_timer();
                inner.armed
            };
            let beat = now() + PULSE;
            tokio::select! {
                () = sleep_until(Some(armed.map_or(beat, |armed| armed.min(beat)))) => {
                    let (mut inner, now) = self.awake();
                    inner.platform.handle_timeout(now);
                    inner.rooms.handle_timeout(now);
                    self.carry_out(inner);
                }
                () = self.due.notified() => {}
            }
        }
    }

    /// Does what the machines ask for, until there is nothing more, and has it written.
    fn carry_out(&self, mut inner: MutexGuard<'_, Inner>) {
        self.obey_all(&mut inner);
        self.hand_over(&mut inner);
    }

    fn hand_over(&self, inner: &mut Inner) {
        if inner.unwritten.is_empty() {
            return;
        }
        let links = inner.unwritten.drain(..);
        self.unwritten
            .add(links.filter_map(|link| match inner.outlets.get_mut(&link) {
                Some(Outlet::Lines(outlet)) => outlet.hand_over(),
                _ => None,
            }));
    }

    fn obey_all(&self, inner: &mut Inner) {
        loop {
            let mut is_idle = true;
            while let Some(output) = inner.platform.poll_output() {
                is_idle = false;
                self.obey(inner, output);
            }
            inner.move_rooms();
            while let Some(output) = inner.rooms.poll_output() {
                is_idle = false;
                inner.obey_rooms(output);
            }
            inner.count_rooms();
            if is_idle {
                break;
            }
        }
        let due = inner.next_timer();
        let is_earlier = match (due, inner.armed) {
            (Some(due), Some(armed)) => due < armed,
            (due, None) => due.is_some(),
            (None, Some(_)) => false,
        };
        if is_earlier {
            inner.armed = due;
            self.due.notify_one();
        }
    }

    fn obey(&self, inner: &mut Inner, output: Output) {
        match output {
            Output::Send(link, message) => inner.send(link, &message),
            Output::Deliver(link, parcel) => inner.deliver(link, parcel),
            Output::Reply(exchange, reply) => {
                if let Some(answer) = inner.calls.remove(&exchange) {
                    // Whoever called may be gone.
                    let _ = answer.send(reply);
                }
            }
            Output::Door {
                link,
                received,
                message,
                is_authorised,
            } => inner.signal(link, received, &message, is_authorised),
            Output::FarDoor { received, message } => inner.far_signal(received, &message),
            Output::Relay { node, message } => {
                let message = self.corridor.tell(self.node, node, message);
                if let Some((vault, message)) = inner.store.as_ref().zip(message) {
                    vault.store().tell(node, message);
                }
            }
            Output::Store(seq, op) => {
                let answer = inner.store.as_ref().and_then(|store| store.submit(seq, op));
                if let Some(input) = answer {
                    inner.platform.handle_input(now(), input);
                }
            }
            Output::Verify(id, asked) => {
                let grant = inner.tokens.grant(asked.token.as_str(), &asked.alias);
                // It was asked just now.
                let _ = inner.platform.verified(now(), id, grant);
            }
            Output::Disconnect(link) => inner.hang_up(link, CloseCode::Normal),
            Output::Event(Event::Asked(id, question)) => {
                let verdict = (inner.judge)(&question);
                // It was asked just now.
                let _ = inner.platform.decide(now(), id, verdict);
            }
            Output::Event(event) => {
                let is_last = matches!(event, Event::Closed(_));
                // Nobody need listen.
                let _ = self.news.send(event);
                if is_last {
                    inner.calls.clear();
                    self.closed.send_replace(true);
                }
            }
            // One node has nobody to relay to.
            _ => {}
        }
    }

    /// Both machines and the time, when something happens; the broker knows by then if the process
    /// stood still before.
    fn awake(&self) -> (MutexGuard<'_, Inner>, Instant) {
        let mut inner = self.inner();
        let now = now();
        inner.feel_pulse(now);
        (inner, now)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let links = &self.0.links;
        links.send_if_modified(|links| {
            *links = links.saturating_sub(1);
            *links == 0 // nobody waits for anything else
        });
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

/// The wall clock.
pub(super) fn unix_now() -> UnixMillis {
    UnixMillis(u64::try_from(clock::unix_now().0).unwrap_or_default())
}

fn received(link: LinkId, message: Result<Message, WireError>) -> Input {
    match message {
        Ok(message) => Input::Received(link, unix_now(), detached(message)),
        Err(error) => Input::Garbled(link, error),
    }
}

/// A body that is kept must not hold on to all that was read together with it.
fn detached(message: Message) -> Message {
    match message {
        Message::Publish(mut publish) => {
            publish.msg = publish.msg.detached();
            Message::Publish(publish)
        }
        other => other,
    }
}
