//! What goes out on one link.

use super::bodies::Bodies;
use super::gate::Wire;
use super::lock;
use super::requests::{Answer, Requests};
use engineioxide::{DisconnectReason, Socket, Str, TransportType};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::mpsc::error::TrySendError;
use zzw_push_proto::platform::Parcel;
use zzw_push_proto::socketio::{AckId, escape, write_ack, write_disconnect, write_event};
use zzw_push_proto::wire::{Code, Message, Num};

/// What engineioxide keeps for a link.
pub(super) type Session = Socket<OnceLock<Arc<super::link::Link>>>;

/// What waits to be written to one link.
///
/// A packet is given to engineioxide at once as long as little is on its way there, and waits here
/// otherwise. So engineioxide's queue has always room for a ping: without, it would end the link.
pub(in super::super) struct Outbox {
    session: Weak<Session>,
    wire: OnceLock<Arc<Wire>>, // once it is a websocket
    style: Style,
    runtime: Handle,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

/// How packets are written to a link.
#[derive(Debug, Clone)]
pub(super) struct Style {
    /// Whether nothing but ASCII is sure to be understood (S-4).
    pub(super) escapes: bool,
    /// The event that carries deliveries.
    pub(super) delivery: Arc<str>,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: Requests,
    /// Not yet given to engineioxide.
    packets: VecDeque<Str>,
    bytes: usize,
    /// Given to it since all was written.
    given: usize,
    given_bytes: usize,
    is_full: bool,
    is_closing: bool,
    /// The client is to take note that this was meant (Z-26).
    is_farewell: bool,
}

/// Beyond so much a link is slow: a window of the broker's and some answers (G-3).
const MAX_PACKETS: usize = 48;
const MAX_BYTES: usize = 256 << 10;

/// Packets that a poll may fetch at once. python-socketio, old and new, hangs up at the seventeenth,
/// and there may be a ping or a pong and the end of a poll beside them.
const MAX_POLLED: usize = 14;

/// Packets that engineioxide's queue takes: what may be given between two writes, twice, and pings.
pub(super) const QUEUE: usize = 2 * MAX_PACKETS + 16;

/// Beyond so much it is cut off: it has asked for more than it reads.
const HARD_MAX_BYTES: usize = 2 << 20;

/// How long what is still to be written may take when a link is closed (Z-26).
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Outbox {
    pub(super) fn new(session: &Arc<Session>, style: Style, runtime: Handle) -> Self {
        Self {
            session: Arc::downgrade(session),
            wire: OnceLock::new(),
            style,
            runtime,
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Takes a delivery; true if it is full by that.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# Deliveries MUST be sent under the event `push` unless another name is configured.
    pub(in super::super) fn deliver(
        self: &Arc<Self>,
        parcel: &Parcel,
        bodies: &mut Bodies,
    ) -> bool {
        let mut waiting = lock(&self.waiting);
        if waiting.is_closing {
            return false;
        }
        let mut object = Vec::new();
        bodies.write(parcel, self.style.escapes, &mut object);
        let answer = Answer::unasked(&self.style.delivery);
        let is_full = self.put_answer(&mut waiting, &answer, &object);
        self.end_if_cut_off(waiting);
        is_full
    }

    /// Takes a message that is no delivery; true if it is full by that.
    pub(in super::super) fn send(self: &Arc<Self>, message: &Message) -> bool {
        let mut waiting = lock(&self.waiting);
        if waiting.is_closing {
            return false;
        }
        if let Message::Failure(failure) = message {
            // A client that came back by itself would throw out the one that has replaced it.
            waiting.is_farewell |= failure.code == Some(Code::Replaced);
        }
        let Some(answer) = waiting.requests.answer(message) else {
            return false;
        };
        let mut object = Vec::new();
        message.encode_event(&mut object);
        let is_full = self.put_answer(&mut waiting, &answer, &object);
        self.end_if_cut_off(waiting);
        is_full
    }

    /// Signals are of the lines only: no event carries them (Z-13).
    #[expect(clippy::unused_self, reason = "as the outbox of lines has it")]
    pub(in super::super) fn signal(&self, _message: &Message, _deadline: Instant) {}

    /// Writes what waits, then closes the link.
    ///
    /// Clients that are told to leave by a packet do not come back by themselves, so that is done
    /// only with those that wanted to go or have been replaced; the others find the transport closed
    /// and connect again.
    pub(in super::super) fn close(self: &Arc<Self>) {
        let mut waiting = lock(&self.waiting);
        if std::mem::replace(&mut waiting.is_closing, true) {
            return;
        }
        if let Some(goodbye) = waiting.requests.settle(GOODBYE) {
            waiting.is_farewell = true;
            if let Some(id) = goodbye.ack {
                self.put_ack(&mut waiting, id, &[]);
            }
        }
        //= docs/spec/zzw-push-proto.md#socket-io
        //# A server MUST send a DISCONNECT packet to a client that has said goodbye or was
        //# replaced, and MUST NOT send one to a client that is to come back.
        let is_farewell = waiting.is_farewell;
        if is_farewell {
            let mut packet = Vec::new();
            write_disconnect(&mut packet);
            self.put(&mut waiting, packet);
        }
        drop(waiting);
        let outbox = Arc::clone(self);
        self.runtime
            .spawn(async move { outbox.last_words(is_farewell).await });
    }

    /// Sends a packet that answers no request.
    pub(super) fn send_packet(self: &Arc<Self>, packet: Vec<u8>) {
        let mut waiting = lock(&self.waiting);
        if !waiting.is_closing {
            self.put(&mut waiting, packet);
        }
        self.end_if_cut_off(waiting);
    }

    /// Remembers a request, so that its answer finds its name.
    pub(super) fn ask(&self, reply: Cow<'static, str>, num: Num, ack: Option<AckId>) {
        lock(&self.waiting).requests.ask(reply, num, ack);
    }

    /// There is no answer to the request that was remembered last under this name, unless it has
    /// been sent already.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# The object of a reply MUST be sent as the acknowledgement, too, where the event asks for
    //# one, and an empty acknowledgement where there is no reply.
    pub(super) fn settle(&self, reply: &str) {
        let mut waiting = lock(&self.waiting);
        let id = waiting.requests.settle(reply).and_then(|answer| answer.ack);
        if let Some(id) = id.filter(|_| !waiting.is_closing) {
            self.put_ack(&mut waiting, id, &[]);
        }
    }

    /// All that was given to engineioxide is on its way. True once, when nothing waits any more after
    /// it was full.
    pub(super) fn written(&self) -> bool {
        let mut waiting = lock(&self.waiting);
        (waiting.given, waiting.given_bytes) = (0, 0);
        self.refill(waiting)
    }

    /// Packets of these lengths are no longer in engineioxide's queue. As [`Self::written`].
    pub(super) fn fetched(&self, packets: impl Iterator<Item = usize>) -> bool {
        let mut waiting = lock(&self.waiting);
        for length in packets {
            waiting.given = waiting.given.saturating_sub(1);
            waiting.given_bytes = waiting.given_bytes.saturating_sub(length);
        }
        self.refill(waiting)
    }

    fn refill(&self, mut waiting: MutexGuard<'_, Waiting>) -> bool {
        let Some(session) = self.session.upgrade() else {
            return false;
        };
        let most = most(&session);
        while waiting.has_room(most) {
            let Some(packet) = waiting.packets.pop_front() else {
                break;
            };
            waiting.bytes = waiting.bytes.saturating_sub(packet.len());
            if !waiting.give(&session, packet) {
                break;
            }
        }
        if !waiting.is_empty() {
            return false;
        }
        waiting.packets = VecDeque::new();
        let has_drained = std::mem::take(&mut waiting.is_full);
        drop(waiting);
        self.changed.notify_waiters();
        if let Some(wire) = self.wire.get().filter(|_| has_drained) {
            wire.go_on();
        }
        has_drained
    }

    pub(super) fn is_full(&self) -> bool {
        lock(&self.waiting).is_full
    }

    /// The link has become a websocket; false if it was one.
    pub(super) fn travel_by(&self, wire: Arc<Wire>) -> bool {
        self.wire.set(wire).is_ok()
    }

    /// The link is gone.
    pub(super) fn end(&self) {
        let mut waiting = lock(&self.waiting);
        *waiting = Waiting {
            is_closing: true,
            ..Waiting::default()
        };
        drop(waiting);
        self.changed.notify_waiters();
        self.cut();
    }

    /// Ends the session, from wherever.
    pub(super) fn end_session(&self, reason: DisconnectReason) {
        if let Some(session) = self.session.upgrade() {
            // It starts a task, and this may be a thread of the store.
            let _context = self.runtime.enter();
            session.close(reason);
        }
    }

    async fn last_words(&self, is_farewell: bool) {
        let Some(session) = self.session.upgrade() else {
            return;
        };
        let said = async {
            self.emptied().await;
            if is_farewell {
                session.closed().await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, said).await;
        session.close(DisconnectReason::ClosingServer);
        let _ = tokio::time::timeout(LAST_WORDS, session.closed()).await;
        self.cut();
    }

    async fn emptied(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if lock(&self.waiting).is_empty() {
                return;
            }
            changed.await;
        }
    }

    fn cut(&self) {
        if let Some(wire) = self.wire.get() {
            wire.cut();
        }
    }

    //= docs/spec/zzw-push-proto.md#socket-io
    //# The object of a reply MUST be sent as the acknowledgement, too, where the event asks for
    //# one, and an empty acknowledgement where there is no reply.
    fn put_answer(&self, waiting: &mut Waiting, answer: &Answer<'_>, object: &[u8]) -> bool {
        let mut packet = Vec::with_capacity(object.len().saturating_add(24));
        write_event(&mut packet, None, &answer.event, &[object]);
        let is_full = self.put(waiting, packet);
        match answer.ack {
            Some(id) => self.put_ack(waiting, id, &[object]) | is_full,
            None => is_full,
        }
    }

    fn put_ack(&self, waiting: &mut Waiting, id: AckId, arguments: &[&[u8]]) -> bool {
        let mut packet = Vec::new();
        write_ack(&mut packet, id, arguments);
        self.put(waiting, packet)
    }

    /// Takes a packet; true if it is full by that.
    fn put(&self, waiting: &mut Waiting, packet: Vec<u8>) -> bool {
        let Some(session) = self.session.upgrade() else {
            return false;
        };
        // What the codec writes is text.
        let mut packet = String::from_utf8(packet).unwrap_or_default();
        if self.style.escapes && !packet.is_ascii() {
            let mut escaped = Vec::with_capacity(packet.len().saturating_mul(2));
            escape(&packet, &mut escaped);
            packet = String::from_utf8(escaped).unwrap_or_default();
        }
        let packet = Str::from(packet);
        if waiting.packets.is_empty() && waiting.has_room(most(&session)) {
            waiting.give(&session, packet);
        } else {
            waiting.bytes = waiting.bytes.saturating_add(packet.len());
            waiting.packets.push_back(packet);
        }
        let is_over = waiting.is_over();
        is_over && !std::mem::replace(&mut waiting.is_full, is_over)
    }

    /// Gives up on a link that has asked for too much.
    fn end_if_cut_off(self: &Arc<Self>, mut waiting: MutexGuard<'_, Waiting>) {
        if waiting.bytes > HARD_MAX_BYTES && !std::mem::replace(&mut waiting.is_closing, true) {
            waiting.packets = VecDeque::new();
            waiting.bytes = 0;
            drop(waiting);
            self.end_session(DisconnectReason::TransportError);
            self.cut();
        }
    }
}

/// How many packets engineioxide may have at a time.
fn most(session: &Session) -> usize {
    match session.transport_type() {
        TransportType::Websocket => MAX_PACKETS,
        TransportType::Polling => MAX_POLLED,
    }
}

/// The name under which a goodbye is remembered.
pub(super) const GOODBYE: &str = "disconnect_c";

impl Waiting {
    /// Gives a packet to engineioxide; false if it cannot take it now.
    fn give(&mut self, session: &Session, packet: Str) -> bool {
        let length = packet.len();
        match session.emit(packet) {
            Ok(()) => {
                self.given = self.given.saturating_add(1);
                self.given_bytes = self.given_bytes.saturating_add(length);
                true
            }
            Err(TrySendError::Full(packet)) => {
                self.bytes = self.bytes.saturating_add(length);
                self.packets.push_front(packet);
                false
            }
            // Its end is being told.
            Err(TrySendError::Closed(_)) => true,
        }
    }

    fn has_room(&self, most: usize) -> bool {
        self.given < most && self.given_bytes < MAX_BYTES
    }

    fn is_over(&self) -> bool {
        let packets = self.given.saturating_add(self.packets.len());
        let bytes = self.given_bytes.saturating_add(self.bytes);
        packets > MAX_PACKETS || bytes > MAX_BYTES
    }

    fn is_empty(&self) -> bool {
        self.given == 0 && self.packets.is_empty()
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("style", &self.style)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}
