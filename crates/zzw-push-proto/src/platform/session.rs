//! Links: coming, getting an alias, going.

use super::bucket::Bucket;
use super::link::{Frame, Greeting, Link, Session, weight};
use super::vocabulary::{Event, LinkEnd, NodeMessage, Output, Peer};
use super::{LinkId, Owner, Pending, Platform, StoreOp, Transport, UnixMillis, later};
use crate::WireError;
use crate::wire::{
    Code, Connect, ConnectCode, Connected, Heartbeat, MAX_NAME, Message, Num, Text, is_name,
};
use std::time::Instant;

impl Platform {
    pub(super) fn connected(&mut self, now: Instant, id: LinkId, mut peer: Peer) {
        if self.links.contains(id) {
            return;
        }
        let refusal = if self.is_draining() {
            Some(Code::Draining)
        } else {
            //= docs/spec/zzw-push-proto.md#load
            //# A link beyond `max_links` MUST be told `busy` and closed.
            (self.links.len() >= self.config.max_links).then_some(Code::Busy)
        };
        if let Some(code) = refusal {
            self.counters.refused = self.counters.refused.saturating_add(1);
            self.fail(id, code, Num::Absent);
            return self.out.push(Output::Disconnect(id));
        }
        let alias = peer.alias.take();
        self.count_link(peer.transport, true);
        self.counters.accepted = self.counters.accepted.saturating_add(1);
        let link = Link {
            transport: peer.transport,
            address: peer.address,
            token: peer.token.map(Box::new),
            session: None,
            grant: None,
            last_seen: now,
            timer: None,
            slow_since: None,
            frames: Bucket::full(self.config.frame_rate, now),
            publishes: Bucket::full(self.config.publish_rate, now),
            garbled: 0,
            garbled_since: None,
            asking: None,
            waiting: None,
            requests: 0,
        };
        self.links.insert(id, link);
        self.wake(id, later(now, self.config.link_timeout));
        if let Some(alias) = alias {
            // A handshake is a connect frame by other means (Z-25). Its token, if it has one, is
            // found there.
            let connect = Message::Connect(Connect::new(alias));
            let frame = Frame {
                received: now,
                at: UnixMillis::default(),
                message: connect,
            };
            self.process(now, id, frame);
        }
    }

    pub(super) fn received(&mut self, now: Instant, id: LinkId, at: UnixMillis, message: Message) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.last_seen = now;
        self.counters.received = self.counters.received.saturating_add(1);
        //= docs/spec/zzw-push-proto.md#load
        //# Frames of a link beyond `frame_rate` and those of an address beyond `address_rate` MUST
        //# be answered with `busy`, but for heartbeats and for acknowledgements that are waited
        //# for.
        if !link.is_free(&message) && !self.afford(now, id) {
            return self.fail(id, Code::Busy, message.num().clone());
        }
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        // Acknowledgements commute with whatever waits (I8), and later they would come again.
        //= docs/spec/zzw-push-proto.md#alias
        //# An acknowledgement MUST NOT wait for the decision about another frame.
        let is_ack = matches!(message, Message::Ack(_)) && link.alias().is_some();
        if !link.is_undecided() || is_ack {
            let frame = Frame {
                received: now,
                at,
                message,
            };
            return self.process(now, id, frame);
        }
        let waiting = link.waiting.get_or_insert_default();
        let bytes = waiting.bytes.saturating_add(weight(&message));
        //= docs/spec/zzw-push-proto.md#load
        //# A frame MUST be answered with `busy` while `max_waiting` wait on its link.
        if waiting.frames.len() >= self.config.max_waiting || bytes > self.config.window_bytes {
            return self.fail(id, Code::Busy, message.num().clone());
        }
        let frame = Frame {
            received: now,
            at,
            message,
        };
        let weight = waiting.push(frame, false);
        self.hold(weight);
    }

    pub(super) fn garbled(&mut self, now: Instant, id: LinkId, error: &WireError) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.last_seen = now;
        self.counters.garbled = self.counters.garbled.saturating_add(1);
        self.send(id, Message::Failure(error.to_failure()));
        self.misbehaved(now, id);
    }

    /// What nobody does by mistake often; a link that does it often is closed.
    //= docs/spec/zzw-push-proto.md#alias
    //# The broker MUST answer what is no message with a failure, and close a link with
    //# `max_garbled` of them within `garbled_within`.
    pub(super) fn misbehaved(&mut self, now: Instant, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let is_recent = link
            .garbled_since
            .is_some_and(|since| now.saturating_duration_since(since) < self.config.garbled_within);
        if !is_recent {
            (link.garbled, link.garbled_since) = (0, Some(now));
        }
        link.garbled = link.garbled.saturating_add(1);
        if link.garbled >= self.config.max_garbled {
            self.end(now, id, LinkEnd::Rude);
        }
    }

    /// What the frames that waited for a decision wanted.
    //= docs/spec/zzw-push-proto.md#alias
    //# Frames of a link MUST wait while it is being bound or one of them is being decided about,
    //# and then be served in their order.
    pub(super) fn go_on(&mut self, now: Instant, id: LinkId) {
        while let Some(link) = self.links.get_mut(id).filter(|link| !link.is_undecided()) {
            let Some((frame, weight)) = link.next_waiting() else {
                return;
            };
            self.let_go(weight);
            self.process(now, id, frame);
        }
    }

    pub(super) fn heartbeat(&mut self, now: Instant, id: LinkId, heartbeat: Heartbeat) {
        let bound = self.alias_of(id);
        match (heartbeat.alias, bound) {
            (Some(alias), None) => self.bind(now, id, &alias, Greeting::Heartbeat),
            //= docs/spec/zzw-push-proto.md#alias
            //# The broker MUST answer `alias_mismatch` to a frame with another alias than that of
            //# its link, and do nothing else with it, unless `allow_rebind` lets a heartbeat or a
            //# connect frame take that alias.
            (Some(alias), Some(bound)) if alias != bound => {
                self.rebind(now, id, &alias, Greeting::Heartbeat);
            }
            //= docs/spec/zzw-push-proto.md#alias
            //# The broker MUST answer a heartbeat with the alias of its link, and without one if it
            //# has none.
            (_, bound) => self.send(id, Message::HeartbeatReply(Heartbeat::reply(bound))),
        }
    }

    pub(super) fn connect(&mut self, now: Instant, id: LinkId, alias: &Text, code: ConnectCode) {
        match self.alias_of(id) {
            None => self.bind(now, id, alias, Greeting::Connect(code)),
            Some(bound) if bound != *alias => self.rebind(now, id, alias, Greeting::Connect(code)),
            Some(bound) => self.greet(id, bound, code),
        }
    }

    /// The link wants another alias than it has (Z-15).
    //= docs/spec/zzw-push-proto.md#alias
    //# A link that takes another alias MUST give back the one that it had, and what is under way
    //# for that MUST NOT touch the new one.
    fn rebind(&mut self, now: Instant, id: LinkId, alias: &Text, greeting: Greeting) {
        if !self.config.allow_rebind {
            return self.fail(id, Code::AliasMismatch, Num::Absent);
        }
        if let Some(code) = fault_of(alias) {
            return self.fail(id, code, Num::Absent);
        }
        let link = self.links.get_mut(id);
        if let Some(session) = link.and_then(|link| link.session.take()) {
            self.starved.remove(&id);
            self.let_go(session.held());
            self.counters.ended.count(LinkEnd::Rebound);
            self.end_session(now, id, session, LinkEnd::Rebound);
        }
        self.bind(now, id, alias, greeting);
    }

    /// The alias is this link's from now on; the store is asked for the next epoch of it.
    //= docs/spec/zzw-push-proto.md#alias
    //# The broker MUST bind a link by the alias of its handshake, by type 14 and 11, by a heartbeat
    //# with an alias, and by type -14 from a client.
    fn bind(&mut self, now: Instant, id: LinkId, alias: &Text, greeting: Greeting) {
        if let Some(code) = fault_of(alias) {
            return self.fail(id, code, Num::Absent);
        }
        //= docs/spec/zzw-push-proto.md#node
        //# A node without a lease MUST answer `store_unavailable` to who wants an alias.
        if self.is_fenced() {
            return self.fail(id, Code::StoreUnavailable, Num::Absent);
        }
        let alias = alias.detached();
        let mut replaced = None;
        let mut gap = 0;
        if let Some(old) = self.owners.get(&alias).copied().filter(|old| *old != id) {
            let session = self.links.get(old).and_then(|link| link.session.as_ref());
            replaced = session.and_then(|session| session.epoch.or(session.replaced));
            gap = session.map_or(0, |session| session.gap);
            // Last wins (Z-42).
            //= docs/spec/zzw-push-proto.md#alias
            //# An alias MUST have one link at most, the newest over whatever transport, and what it
            //# replaces be told `replaced` and closed.
            self.fail(old, Code::Replaced, Num::Absent);
            self.end(now, old, LinkEnd::Replaced);
        }
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        self.next_session = self.next_session.saturating_add(1);
        let mut session = Session::new(self.next_session, alias.clone(), greeting, replaced);
        session.gap = gap;
        link.session = Some(session);
        let owner = Owner::new(self.config.node, link.transport);
        self.owners.insert(alias.clone(), id);
        let op = StoreOp::Claim {
            alias: alias.clone(),
            owner,
        };
        self.ask_store(op, Pending::Claim(id, alias));
    }

    pub(super) fn claimed(
        &mut self,
        now: Instant,
        id: LinkId,
        alias: &Text,
        epoch: u64,
        previous: Option<Owner>,
        gap: u64,
    ) {
        //= docs/spec/zzw-push-proto.md#node
        //# The owner of an alias on another node MUST be told when its alias moves here, and when a
        //# message is kept for it.
        if let Some(owner) = previous.filter(|owner| owner.node != self.config.node) {
            let message = NodeMessage::Kick {
                alias: alias.clone(),
                epoch,
            };
            let node = owner.node;
            self.out.push(Output::Relay { node, message });
        }
        let is_elsewhere = self.is_elsewhere(previous);
        let Some(owner) = self.owners.get(alias).copied() else {
            return self.release(alias.clone(), epoch);
        };
        let Some(link) = self.links.get_mut(owner) else {
            return;
        };
        let transport = link.transport;
        let Some(session) = link.session.as_mut() else {
            return;
        };
        session.gap = session.gap.saturating_add(gap);
        if owner != id || session.epoch.is_some() {
            // A link that has been replaced since: whoever did it tells the gap.
            session.replaced = session.replaced.max(Some(epoch));
            return;
        }
        session.epoch = Some(epoch);
        self.counters.online = self.counters.online.saturating_add(1);
        self.counters.bound = self.counters.bound.saturating_add(1);
        let was_online = is_elsewhere || session.replaced.is_some();
        if session.kicked > epoch {
            self.fail(id, Code::Replaced, Num::Absent);
            return self.end(now, id, LinkEnd::Replaced);
        }
        match (session.greeting, transport) {
            (Greeting::Connect(code), _) => self.greet(id, alias.clone(), code),
            (Greeting::Heartbeat, Transport::Tcp) => self.beat(id, alias),
            //= docs/spec/zzw-push-proto.md#alias
            //# The broker MUST send `connect_c` over Socket.IO when a link is bound, also if a
            //# heartbeat has bound it.
            (Greeting::Heartbeat, Transport::SocketIo) => {
                self.greet(id, alias.clone(), ConnectCode::Fourteen);
                self.beat(id, alias);
            }
        }
        self.came(now, alias, was_online);
        self.tell(Event::Online(alias.clone(), id));
        self.pump(now, id);
        self.go_on(now, id);
    }

    //= docs/spec/zzw-push-proto.md#alias
    //# A link whose alias the store does not give MUST be told so and stay unbound, so that it can
    //# try again.
    pub(super) fn not_claimed(&mut self, now: Instant, id: LinkId, alias: &Text) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let is_for = |s: &&mut Session| s.alias == *alias && s.epoch.is_none();
        let Some(session) = link.session.as_mut().filter(is_for) else {
            return;
        };
        let replaced = session.replaced;
        link.session = None;
        self.owners.remove(alias);
        if let Some(epoch) = replaced {
            self.went(now, alias, LinkEnd::Replaced);
            self.release(alias.clone(), epoch);
        }
        self.fail(id, Code::StoreUnavailable, Num::Absent);
        self.go_on(now, id);
    }

    /// Forgets a link and all that it held; closes it unless it is gone.
    //= docs/spec/zzw-push-proto.md#alias
    //# The broker MUST NOT send anything on a link that is over.
    pub(super) fn end(&mut self, now: Instant, id: LinkId, why: LinkEnd) {
        let Some(link) = self.links.remove(id) else {
            return;
        };
        if let Some(timer) = link.timer {
            self.due.remove(&(timer, id));
        }
        self.starved.remove(&id);
        self.sure(id);
        if let Some(ask) = link.asking {
            self.asked.remove(&ask);
        }
        if let Some(place) = link.postponed() {
            self.forget_postponed(place);
        }
        self.let_go(link.held());
        self.count_link(link.transport, false);
        self.counters.ended.count(why);
        if why == LinkEnd::Slow {
            self.counters.slow = self.counters.slow.saturating_add(1);
        }
        if why != LinkEnd::Remote {
            self.out.push(Output::Disconnect(id));
        }
        if let Some(session) = link.session {
            self.end_session(now, id, session, why);
        }
    }

    fn end_session(&mut self, now: Instant, id: LinkId, session: Session, why: LinkEnd) {
        self.owners.remove(&session.alias);
        if session.epoch.is_some() {
            self.counters.online = self.counters.online.saturating_sub(1);
        }
        let unacked = session.inflight.len();
        self.counters.unacked = self.counters.unacked.saturating_sub(unacked);
        if !session.acks.is_empty() {
            let (alias, mids) = (session.alias.clone(), session.acks);
            self.ask_store(StoreOp::Ack { alias, mids }, Pending::Nothing);
        }
        // What replaces it claims the alias or, on another node, has done so. The answer to a claim
        // of its own that is on its way is dealt with when it comes.
        let epoch = session.epoch.or(session.replaced);
        if epoch.is_some() && !matches!(why, LinkEnd::Replaced | LinkEnd::Closing) {
            self.went(now, &session.alias, why);
        }
        if let Some(epoch) = epoch.filter(|_| why != LinkEnd::Replaced) {
            self.release(session.alias.clone(), epoch);
        }
        if session.epoch.is_some() {
            self.tell(Event::Offline(session.alias, id, why));
        }
    }

    /// Lets a timer of a link fire no later than then.
    pub(super) fn wake(&mut self, id: LinkId, at: Option<Instant>) {
        if let Some((link, at)) = self.links.get_mut(id).zip(at) {
            link.arm(&mut self.due, id, at);
        }
    }

    /// Does what is due on a link and arms its next timer. Hearing a frame moves no timer: only here
    /// is it found out that the link has not been silent.
    pub(super) fn overdue(&mut self, now: Instant, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if let Some(timer) = link.timer.take() {
            self.due.remove(&(timer, id));
        }
        let silent_at = later(link.last_seen, self.config.link_timeout);
        let slow_at = link
            .slow_since
            .and_then(|since| later(since, self.config.slow_timeout));
        //= docs/spec/zzw-push-proto.md#queue
        //# A link that is slow MUST be sent nothing of the queue, and be closed when it stays slow
        //# for `slow_timeout`.
        if slow_at.is_some_and(|at| at <= now) {
            return self.end(now, id, LinkEnd::Slow);
        }
        //= docs/spec/zzw-push-proto.md#alias
        //# The broker MUST close a link on which nothing came for `link_timeout`.
        if silent_at.is_some_and(|at| at <= now) {
            return self.end(now, id, LinkEnd::Silent);
        }
        if self.end_if_expired(now, id) {
            return;
        }
        self.wake(id, silent_at);
        self.wake(id, slow_at);
        self.resend(now, id);
    }

    pub(super) fn alias_of(&self, id: LinkId) -> Option<Text> {
        self.links.get(id)?.alias().cloned()
    }

    pub(super) fn is_bound(&self, id: LinkId) -> bool {
        let link = self.links.get(id);
        link.is_some_and(|link| link.alias().is_some())
    }

    pub(super) fn hold(&mut self, bytes: usize) {
        self.counters.held_bytes = self.counters.held_bytes.saturating_add(bytes);
    }

    pub(super) fn let_go(&mut self, bytes: usize) {
        self.counters.held_bytes = self.counters.held_bytes.saturating_sub(bytes);
    }

    fn beat(&mut self, id: LinkId, alias: &Text) {
        let reply = Heartbeat::reply(Some(alias.clone()));
        self.send(id, Message::HeartbeatReply(reply));
    }

    /// Tells what was lost, too. A heartbeat's reply cannot, so who was bound by one is told when it
    /// connects.
    //= docs/spec/zzw-push-proto.md#queue
    //# The number of messages that an alias has lost MUST be told once in `gap`, with the first
    //# answer to a handshake or a connect frame.
    fn greet(&mut self, id: LinkId, alias: Text, code: ConnectCode) {
        let session = self
            .links
            .get_mut(id)
            .and_then(|link| link.session.as_mut());
        let gap = session.map_or(0, |session| std::mem::take(&mut session.gap));
        let connected = Connected {
            code,
            alias: Some(alias),
            gap,
            ..Connected::default()
        };
        self.send(id, Message::Connected(connected));
    }

    /// True if the link and its address may do one thing more now.
    fn afford(&mut self, now: Instant, id: LinkId) -> bool {
        let rate = self.config.frame_rate;
        let Some(link) = self.links.get_mut(id) else {
            return false;
        };
        let address = link.address;
        link.frames.take(rate, now) && self.afford_address(now, address)
    }

    //= docs/spec/zzw-push-proto.md#presence
    //# Counters of what is now MUST equal what counting it anew gives.
    fn count_link(&mut self, transport: Transport, is_new: bool) {
        let count = match transport {
            Transport::Tcp => &mut self.counters.tcp_links,
            Transport::SocketIo => &mut self.counters.socketio_links,
        };
        *count = if is_new {
            count.saturating_add(1)
        } else {
            count.saturating_sub(1)
        };
    }
}

impl Link {
    /// True for what costs no token: heartbeats, and acknowledgements that are waited for.
    fn is_free(&self, message: &Message) -> bool {
        match message {
            Message::Heartbeat(_) => !self.brings_token(message),
            Message::Ack(ack) => super::MessageId::of(&ack.mid).is_some_and(|mid| {
                let session = self.session.as_ref();
                session.is_some_and(|session| session.inflight.contains(mid))
            }),
            _ => false,
        }
    }
}

/// What is wrong with an alias or a topic, if something is.
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST refuse an alias or a topic that is no name.
pub(super) fn fault_of(name: &str) -> Option<Code> {
    if is_name(name) {
        None
    } else if name.is_empty() {
        Some(Code::Missing)
    } else if name.len() > MAX_NAME {
        Some(Code::TooLarge)
    } else {
        Some(Code::Garbled)
    }
}
