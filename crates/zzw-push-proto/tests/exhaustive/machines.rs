//! The machines, each state of one looked at once.
//!
//! A [`Platform`] cannot be copied, but does the same whenever it is told the same. So a state is
//! rebuilt by what leads to it, and what it does when it is told something is noted for the next time:
//! there are far fewer states of one node than of the world around it.

use crate::normal::digest_of;
use crate::plan::{FENCE, HORIZON, LENGTH, Plan, RENEW_EVERY, Saboteur};
use crate::tell::{ALIAS, Effect, Stimulus, WALL, effect_of};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::digest::{Digest, Ready};
use zzw_push_proto::platform::{
    Config, Input, Lease, LinkId, MessageId, NodeId, Output, Peer, Platform, PublishId, Seq,
    StoreError, Transport,
};
use zzw_push_proto::wire::{Ack, Json, Message, Num, Publish};

/// All states of nodes that were found.
pub(crate) struct Machines {
    lease: Lease,
    states: Vec<State>,
    known: HashMap<u128, StateId, Ready>,
    noted: HashMap<Way, Arc<Outcome>>,
    /// Machines that are in one of these states, each good for one way from it.
    live: HashMap<StateId, Live>,
    oldest: VecDeque<StateId>,
}

/// Names a state of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StateId(u32);

/// What a state becomes when it is told something, so many milliseconds later.
type Way = (StateId, u32, Stimulus);

struct State {
    node: NodeId,
    from: Option<Way>,
    seen: Seen,
}

/// What can be seen of a node from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// In how many milliseconds it wants to be woken.
    pub timeout: Option<u32>,
    pub is_fenced: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub to: StateId,
    pub effects: Vec<Effect>,
}

struct Live {
    machine: Platform,
    now: Instant,
    /// What the store has not answered, in order.
    seqs: Vec<Seq>,
    /// What its application is not told of yet, in order.
    publishing: Vec<PublishId>,
}

/// As many machines are kept alive.
const MOST_LIVE: usize = 10_000;

impl Machines {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            lease: lease(plan),
            states: Vec::new(),
            known: HashMap::default(),
            noted: HashMap::new(),
            live: HashMap::new(),
            oldest: VecDeque::new(),
        }
    }

    /// A node that has just been started.
    pub(crate) fn start(&mut self, node: NodeId) -> StateId {
        let live = Live::new(node, self.lease);
        self.note(node, None, live)
    }

    pub(crate) fn see(&self, state: StateId) -> Seen {
        self.state(state).seen
    }

    /// What a node does that is told something, so many milliseconds after it was told something last.
    pub(crate) fn go(
        &mut self,
        state: StateId,
        lag: u32,
        stimulus: Stimulus,
    ) -> Result<Arc<Outcome>, String> {
        let way = (state, lag, stimulus);
        if let Some(outcome) = self.noted.get(&way) {
            return Ok(Arc::clone(outcome));
        }
        let mut live = match self.live.remove(&state) {
            Some(live) => live,
            None => self.rebuild(state),
        };
        let effects = live.take(lag, &way.2);
        let timeout = live.machine.poll_timeout();
        if way.2 == Stimulus::Wake && timeout.is_some_and(|at| at <= live.now) {
            return Err("a timer is in the past once it has fired".to_owned());
        }
        let node = self.state(state).node;
        let to = self.note(node, Some(way.clone()), live);
        let outcome = Arc::new(Outcome { to, effects });
        self.noted.insert(way, Arc::clone(&outcome));
        Ok(outcome)
    }

    /// How many states and ways were found.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.states.len(), self.noted.len())
    }

    fn state(&self, state: StateId) -> &State {
        &self.states[state.0 as usize]
    }

    fn rebuild(&self, state: StateId) -> Live {
        let mut ways = Vec::new();
        let mut at = state;
        while let Some(way) = &self.state(at).from {
            ways.push(way);
            at = way.0;
        }
        let mut live = Live::new(self.state(at).node, self.lease);
        for (_, lag, stimulus) in ways.into_iter().rev() {
            live.take(*lag, stimulus);
        }
        live
    }

    fn note(&mut self, node: NodeId, from: Option<Way>, live: Live) -> StateId {
        let next = u32::try_from(self.states.len()).expect("fewer states than that");
        let state = match self.known.entry(digest_of(
            node,
            &live.machine,
            live.now,
            live.publishing.first(),
        )) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                let seen = live.see();
                self.states.push(State { node, from, seen });
                *place.insert(StateId(next))
            }
        };
        if self.live.insert(state, live).is_none() {
            self.oldest.push_back(state);
        }
        if self.oldest.len() > MOST_LIVE {
            let oldest = self.oldest.pop_front();
            oldest.and_then(|oldest| self.live.remove(&oldest));
        }
        state
    }
}

impl Live {
    fn new(node: NodeId, lease: Lease) -> Self {
        let mut config = Config::new(node, format!("192.0.2.{}", node.0));
        let never = HORIZON * 1_000;
        config.lease = Some(lease);
        config.redeliver_after = never;
        config.link_timeout = never;
        config.drain_over = Duration::ZERO;
        Self {
            machine: Platform::new(config),
            now: testkit::epoch(),
            seqs: Vec::new(),
            publishing: Vec::new(),
        }
    }

    fn see(&self) -> Seen {
        let timeout = self.machine.poll_timeout();
        let left = timeout.map(|at| at.saturating_duration_since(self.now));
        let soon = left.filter(|left| *left < HORIZON);
        Seen {
            timeout: soon.map(millis),
            is_fenced: self.machine.is_fenced(),
        }
    }

    fn take(&mut self, lag: u32, stimulus: &Stimulus) -> Vec<Effect> {
        self.now += Duration::from_millis(lag.into());
        let (now, machine) = (self.now, &mut self.machine);
        match stimulus {
            Stimulus::Wake => machine.handle_timeout(now),
            Stimulus::Close => machine.close(now),
            Stimulus::Connected(link) => {
                let address = [192, 0, 2, 7].into();
                let peer = Peer::new(Transport::SocketIo, address).with_alias(ALIAS);
                machine.handle_input(now, Input::Connected(LinkId(u64::from(*link)), peer));
            }
            Stimulus::Disconnected(link) => {
                machine.handle_input(now, Input::Disconnected(LinkId(u64::from(*link))));
            }
            Stimulus::Acked(link, mid) => {
                let ack = Ack::new(ALIAS, MessageId(u64::from(*mid)).to_mid());
                let input = Input::Received(LinkId(u64::from(*link)), WALL, Message::Ack(ack));
                machine.handle_input(now, input);
            }
            Stimulus::Publish(nth) => {
                let body = Json::text(&"x".repeat(usize::from(*nth)));
                let publish = Publish::to_aliases([ALIAS].into_iter().collect(), body, Num::Absent);
                let id = machine.publish(now, WALL, publish).expect("room for it");
                self.publishing.push(id);
            }
            Stimulus::Answer(at, reply) => {
                let seq = self.seqs.remove(usize::from(*at));
                machine.handle_input(now, Input::Stored(seq, (**reply).clone()));
            }
            Stimulus::Failed(at) => {
                let seq = self.seqs.remove(usize::from(*at));
                machine.handle_input(now, Input::StoreFailed(seq, StoreError::Unavailable));
            }
            Stimulus::Heard(node, message) => {
                let (node, message) = (*node, (**message).clone());
                machine.handle_input(now, Input::FromNode { node, message });
            }
        }
        let mut effects = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            if let Output::Store(seq, _) = &output {
                self.seqs.push(*seq);
            }
            effects.extend(effect_of(output, &mut self.publishing));
        }
        effects
    }
}

/// What a node believes of its lease.
pub(crate) fn lease(plan: &Plan) -> Lease {
    let mut lease = Lease::default();
    (lease.length, lease.fence) = (LENGTH, FENCE);
    (lease.renew_every, lease.leave_after) = (RENEW_EVERY, plan.leave_after);
    if plan.saboteur == Saboteur::LongLease {
        (lease.length, lease.fence) = (LENGTH + FENCE, Duration::ZERO);
    }
    lease
}

pub(crate) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).expect("a short time")
}

/// What stands for a value, by what it shows of itself.
pub(crate) fn key_of(value: &impl std::fmt::Debug) -> u128 {
    Digest::of(&format!("{value:?}"))
}
