//! A node: its process, its clock, and what it says.

use super::link::Frame;
use super::requests::Request;
use super::{Connection, Happening, World};
use crate::saboteur::Saboteur;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::Pipe;
use zzw_push_proto::platform::{
    Event, Input, LinkEnd, NodeId, NodeInfo, NodeMessage, Output, Owner, Platform, Seq, StoreOp,
    StoreReply, UnixMillis,
};
use zzw_push_proto::rest::RestReply;
use zzw_push_proto::wire::Message;

/// A server, and the process that runs on it, if one does.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) platform: Option<Platform>,
    /// Which process this is; 0 if there has been none.
    pub(super) process: u64,
    /// It stands still since then: what comes waits.
    pub(super) paused_at: Option<Instant>,
    /// It stood still for long, and has not read yet what has come meanwhile.
    is_behind: bool,
    pub(super) waiting: VecDeque<Input>,
    pub(super) is_draining: bool,
    pub(super) is_cut_off: bool,
    /// Its connections to Redis so far.
    pub(super) connection: u64,
    /// Requests about one alias keep their order.
    pub(super) lanes: Vec<Pipe>,
    /// What it says to other nodes does.
    pub(super) relays: Pipe,
    /// What it has said to other nodes was lost, and they do not know.
    pub(super) owes: bool,
    /// Its wall clock is ahead by so many milliseconds.
    pub(super) ahead: i64,
    pub(super) wake: Option<Instant>,
    pub(super) doom: Option<Doom>,
    /// The epoch that it is about to be told.
    pub(super) claimed: Option<u64>,
    /// Its last request, and the last one before it had its lease again.
    asked: Seq,
    pub(super) asked_before: Seq,
    /// Who is there, by the last renewal.
    pub(super) renewed: Option<Vec<(NodeId, NodeInfo)>>,
}

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doom {
    /// Not before it is told that a message is kept.
    pub(super) waits: bool,
    /// So many outputs later.
    pub(super) left: u64,
    /// It was told.
    pub(super) has_appended: bool,
}

impl World {
    /// A process starts: another node for the others.
    pub(super) fn start(&mut self, nth: usize) -> Result<(), String> {
        if self.nodes[nth].platform.is_some() {
            return Ok(());
        }
        self.processes += 1;
        let process = self.processes;
        let mut config = self.plan.broker.clone();
        config.node = NodeId(process);
        config.seed = process;
        if let (Saboteur::NoFence, Some(lease)) = (self.saboteur, &mut config.lease) {
            lease.length = Duration::from_secs(3_600);
        }
        let ahead = self.skew();
        self.nodes[nth] = Node {
            platform: Some(Platform::new(config)),
            process,
            lanes: vec![Pipe::default(); self.plan.aliases],
            ahead,
            ..Node::default()
        };
        self.redis.inboxes.entry(NodeId(process)).or_default();
        let now = self.schedule.now();
        if let Some(platform) = &mut self.nodes[nth].platform {
            platform.handle_timeout(now);
        }
        self.settle_node(nth)
    }

    pub(super) fn skew(&mut self) -> i64 {
        let skew = i64::try_from(self.plan.skew).unwrap();
        let drawn = self.chance.between(0..=2 * self.plan.skew);
        i64::try_from(drawn).unwrap() - skew
    }

    pub(super) fn is_process(&self, nth: usize, process: u64) -> bool {
        self.nodes[nth].process == process && self.nodes[nth].platform.is_some()
    }

    /// Where a process runs, if it still does.
    pub(super) fn node_of(&self, process: u64) -> Option<usize> {
        (0..self.nodes.len()).find(|nth| self.is_process(*nth, process))
    }

    pub(super) fn connection(&self, nth: usize) -> Connection {
        let node = &self.nodes[nth];
        Connection {
            process: node.process,
            nth: node.connection,
        }
    }

    /// The process is gone, and all that it knew.
    pub(super) fn crash(&mut self, nth: usize) {
        self.stats.crashes += 1;
        self.cut_connection(nth);
        self.stop(nth);
        self.after(8_000, Happening::Start(nth));
    }

    /// Its links are over, and their other ends learn of it or not.
    pub(super) fn stop(&mut self, nth: usize) {
        let node = &mut self.nodes[nth];
        node.platform = None;
        node.paused_at = None;
        let process = node.process;
        self.exchanges.retain(|_, call| call.process != process);
        let lost = (0..self.links.len()).filter(|link| {
            let link = &self.links[*link];
            link.process == process && link.is_at_node
        });
        for link in lost.collect::<Vec<_>>() {
            self.links[link].is_at_node = false;
            if self.chance.percent(80) {
                self.put_down(link, Frame::End);
            }
        }
    }

    /// Goes on after it stood still: what is due first, then what has come meanwhile.
    pub(super) fn resume(&mut self, nth: usize) -> Result<(), String> {
        let now = self.schedule.now();
        let node = &mut self.nodes[nth];
        let pause = node.paused_at.take().map_or(Duration::ZERO, |at| now - at);
        node.is_behind = pause >= Duration::from_secs(1);
        let process = node.process;
        if let Some(platform) = &mut node.platform {
            if self.saboteur == Saboteur::HidesPauses {
                platform.handle_timeout(now);
            } else {
                platform.handle_input(now, Input::Paused(pause));
            }
        }
        self.settle_node(nth)?;
        while let Some(input) = self.nodes[nth].waiting.pop_front() {
            self.tell(nth, input)?;
        }
        self.nodes[nth].is_behind = false;
        if self.is_process(nth, process) {
            self.skip_inbox(process);
            self.after(self.plan.store, Happening::OwnUp(process));
            self.after(self.plan.store, Happening::ReadInbox(process));
        }
        Ok(())
    }

    pub(super) fn wake(&mut self, nth: usize, armed: Instant) -> Result<(), String> {
        let now = self.schedule.now();
        let node = &mut self.nodes[nth];
        if node.wake != Some(armed) || self.saboteur == Saboteur::NoTimers {
            return Ok(());
        }
        node.wake = None;
        let is_paused = node.paused_at.is_some();
        let Some(platform) = node.platform.as_mut().filter(|_| !is_paused) else {
            return Ok(());
        };
        platform.handle_timeout(now);
        if platform.poll_timeout().is_some_and(|due| due <= now) {
            return Err("a timer that has fired is still due".to_owned());
        }
        self.settle_node(nth)
    }

    /// Tells a node something, or lets it wait until the node goes on.
    pub(super) fn tell(&mut self, nth: usize, mut input: Input) -> Result<(), String> {
        let clock = self.redis_clock();
        let now = self.schedule.now();
        if self.nodes[nth].platform.is_none() {
            return Ok(());
        }
        if self.nodes[nth].paused_at.is_some() {
            self.nodes[nth].waiting.push_back(input);
            return Ok(());
        }
        if let Input::Disconnected(id) = &input {
            self.node_loses(nth, *id)?;
        }
        let node = &mut self.nodes[nth];
        match &mut input {
            Input::Received(_, at, _) | Input::Called(_, _, at, _) => {
                *at = UnixMillis(clock.0.saturating_add_signed(node.ahead));
            }
            Input::Stored(_, reply) => {
                if let StoreReply::Claimed { epoch, .. } = reply {
                    node.claimed = Some(*epoch);
                }
                if let (StoreReply::Appended(appended), Some(doom)) = (&reply, &mut node.doom) {
                    doom.waits = false;
                    let own = NodeId(node.process);
                    let is_elsewhere = |owner: &Owner| owner.node != own;
                    doom.has_appended |= appended.owner.as_ref().is_some_and(is_elsewhere);
                }
            }
            _ => {}
        }
        let node = &mut self.nodes[nth];
        if self.narrates {
            println!("          node {} hears {input:?}", node.process);
        }
        if let Some(platform) = &mut node.platform {
            platform.handle_input(now, input);
        }
        self.settle_node(nth)?;
        self.nodes[nth].claimed = None;
        Ok(())
    }

    /// Drains the machine and arms its timer.
    pub(super) fn settle_node(&mut self, nth: usize) -> Result<(), String> {
        loop {
            let node = &mut self.nodes[nth];
            let Some(platform) = &mut node.platform else {
                return Ok(());
            };
            let Some(output) = platform.poll_output() else {
                break;
            };
            if let Some(doom) = node.doom.as_mut().filter(|doom| !doom.waits) {
                let Some(left) = doom.left.checked_sub(1) else {
                    self.stats.widowed += u64::from(doom.has_appended);
                    self.crash(nth);
                    return Ok(());
                };
                doom.left = left;
            }
            self.note(&(self.nodes[nth].process, &output));
            self.do_for(nth, output)?;
        }
        self.check_node(nth)?;
        let (now, lateness) = (self.schedule.now(), self.plan.lateness);
        let node = &mut self.nodes[nth];
        let timer = node.platform.as_ref().and_then(Platform::poll_timeout);
        if let Some(at) = timer
            && node.wake.is_none_or(|armed| at < armed)
        {
            node.wake = Some(at);
            let fires = at.max(now) + self.chance.millis(0..=lateness);
            let wake = Happening::Wake(nth, node.process, at);
            self.schedule.at(fires, wake);
        }
        Ok(())
    }

    pub(super) fn do_for(&mut self, nth: usize, output: Output) -> Result<(), String> {
        match output {
            Output::Send(id, message) => {
                let link = self.open_link(nth, id)?;
                self.check_answer(link, &message)?;
                let frame = match &*message {
                    Message::Batch(batch) => self.check_batch(nth, link, batch)?,
                    _ => Frame::Said(message),
                };
                self.put_down(link, frame);
            }
            Output::Deliver(id, parcel) => {
                let link = self.open_link(nth, id)?;
                let letter = self.check_delivery(nth, link, &parcel)?;
                self.put_down(link, Frame::Delivery(parcel.mid(), letter));
            }
            Output::Reply(id, reply) => {
                let call = self.exchanges.remove(&id);
                let call = call.ok_or("I7: a call is answered twice, or was not made")?;
                if let RestReply::Published(_) = reply {
                    self.promise(call.letter)?;
                } else {
                    self.stats.refused += 1;
                }
            }
            Output::Event(event) => self.application_learns(nth, event)?,
            Output::Store(seq, op) => {
                let node = &mut self.nodes[nth];
                if node.is_behind && matches!(op, StoreOp::Claim { .. }) {
                    return Err("a link is bound whose end may have waited".to_owned());
                }
                node.asked = seq;
                let connection = self.connection(nth);
                self.ask_redis(nth, Request::new(connection, seq, op));
            }
            Output::Relay { node, message } => self.put_relay(nth, node, message),
            Output::Disconnect(id) => {
                let link = self.open_link(nth, id)?;
                self.links[link].is_at_node = false;
                self.put_down(link, Frame::End);
            }
            other => return Err(format!("unexpected: {other:?}")),
        }
        Ok(())
    }

    fn application_learns(&mut self, nth: usize, event: Event) -> Result<(), String> {
        match event {
            Event::Online(_, id) => {
                let link = self.open_link(nth, id)?;
                let epoch = self.nodes[nth].claimed;
                self.links[link].epoch = Some(epoch.ok_or("a link is bound without a claim")?);
            }
            Event::Offline(_, _, LinkEnd::Replaced) => self.stats.replaced += 1,
            Event::Offline(_, _, LinkEnd::Fenced) => self.stats.fenced_links += 1,
            Event::Fenced => self.stats.fences += 1,
            Event::Closed(_) => self.exit(nth),
            Event::Leased => {
                let node = &mut self.nodes[nth];
                node.asked_before = node.asked;
                for link in &mut self.links {
                    link.is_doubtful |= link.process == node.process && link.epoch.is_some();
                }
            }
            Event::Offline(..) | Event::NotReleased(_) => {}
            other => return Err(format!("unexpected: {other:?}")),
        }
        Ok(())
    }

    /// A process that has drained ends: what it has said goes out, and what was lost is owned up to.
    fn exit(&mut self, nth: usize) {
        self.stats.drains += 1;
        let process = self.nodes[nth].process;
        while let Some(platform) = &mut self.nodes[nth].platform {
            match platform.poll_output() {
                Some(Output::Relay { node, message }) => self.put_relay(nth, node, message),
                Some(_) => {}
                None => break,
            }
        }
        self.own_up(process);
        if !self.nodes[nth].is_cut_off && self.chance.percent(50) {
            self.redis.leave(NodeId(process));
        }
        self.cut_connection(nth);
        let end = self.schedule.now() + Duration::from_secs(60);
        let connection = Connection {
            process,
            nth: self.nodes[nth].connection,
        };
        self.broken.insert(connection, end);
        self.stop(nth);
        self.after(2_000, Happening::Start(nth));
    }

    /// A publisher is told that its letter is kept.
    pub(super) fn promise(&mut self, letter: usize) -> Result<(), String> {
        self.stats.promised += 1;
        self.ledger.promise(letter)
    }

    /// A node says something to another one.
    pub(super) fn put_relay(&mut self, nth: usize, to: NodeId, message: NodeMessage) {
        let is_lost = match (self.saboteur, &message) {
            (Saboteur::NoNudges, NodeMessage::Nudge { .. })
            | (Saboteur::NoKicks, NodeMessage::Kick { .. }) => true,
            (Saboteur::HidesDoubts, NodeMessage::Nudge { mid, .. }) => mid.0 == 0,
            _ => false,
        };
        if is_lost {
            return;
        }
        let delay = self.chance.millis(0..=self.plan.store);
        let connection = self.connection(nth);
        let at = self.nodes[nth].relays.arrival(self.schedule.now(), delay);
        let relay = Happening::Relay(connection, to, Box::new(message));
        self.schedule.at(at, relay);
    }

    /// An answer to a request on a link.
    fn check_answer(&mut self, link: usize, message: &Arc<Message>) -> Result<(), String> {
        let num = message.num().as_str();
        if num.is_empty() {
            return Ok(());
        }
        if num.starts_with('p') {
            let pulls = &mut self.links[link].pulls;
            let Some(open) = pulls.get_mut(num).filter(|open| **open > 0) else {
                return Err("I7: a pull is answered twice, or was not made".to_owned());
            };
            *open -= 1;
            return Ok(());
        }
        let letter = self.links[link].asked.remove(num);
        let letter = letter.ok_or("I7: a request is answered twice, or was not made")?;
        if let Message::Published(_) = **message {
            return self.promise(letter);
        }
        self.stats.refused += 1;
        Ok(())
    }
}
