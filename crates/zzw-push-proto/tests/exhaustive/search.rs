//! Breadth first through all that can happen.

use crate::machines::Machines;
use crate::plan::Plan;
use crate::world::{Fault, Step, World};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use testkit::digest::Ready;

/// What a search has come to.
#[derive(Debug)]
pub(crate) struct Report {
    pub states: usize,
    pub moves: usize,
    /// States of single nodes, and what can be said to them.
    pub nodes: (usize, usize),
    /// States to which the world comes back for ever if nothing more goes wrong.
    pub ends: usize,
    /// Moves from the beginning to the state that was found last: the furthest from it, unless the plan is
    /// deep.
    pub depth: usize,
    pub counterexample: Option<Counterexample>,
}

/// The shortest way to something that must not be.
#[derive(Debug)]
pub(crate) struct Counterexample {
    pub moves: Vec<Step>,
    pub what: String,
}

/// The states that were found, as far as it takes to find the way back, and the way on.
struct Found {
    seen: HashMap<u128, u32, Ready>,
    ways: Vec<(u32, Step)>,
    /// Where each state goes if nothing more goes wrong, and what must not be if it stays there.
    rests: Vec<(u32, Option<Fault>)>,
    queue: VecDeque<(u32, World)>,
    moves: usize,
}

/// More would not fit into memory.
const MOST: usize = 60_000_000;

/// Explores everything, or up to the first thing that must not be.
pub(crate) fn search(plan: &Plan) -> Report {
    let mut machines = Machines::new(plan);
    let start = World::new(plan, &mut machines).unwrap_or_else(|what| panic!("at first: {what}"));
    let mut found = Found {
        seen: HashMap::default(),
        ways: Vec::new(),
        rests: Vec::new(),
        queue: VecDeque::new(),
        moves: 0,
    };
    found.add(0, Step::Starts, start);
    let mut wrong = None;
    while let Some((at, world)) = found.next(plan) {
        if let Err((step, what)) = found.expand(at, &world, &mut machines) {
            let mut moves = found.way(at);
            moves.push(step);
            wrong = Some(Counterexample { moves, what });
            break;
        }
    }
    let mut ends = 0;
    if wrong.is_none() {
        let rests = found.rests();
        ends = rests.len();
        // Unless a plan is deep, states are numbered in the order of their distance.
        let fault = rests
            .into_iter()
            .find_map(|at| Some((at, found.rests[at as usize].1?)));
        wrong = fault.map(|(at, fault)| Counterexample {
            moves: found.way(at),
            what: fault.text().to_owned(),
        });
    }
    Report {
        states: found.ways.len(),
        moves: found.moves,
        nodes: machines.count(),
        ends,
        depth: found.way(found.last()).len(),
        counterexample: wrong,
    }
}

impl Found {
    fn next(&mut self, plan: &Plan) -> Option<(u32, World)> {
        if plan.is_deep {
            self.queue.pop_back()
        } else {
            self.queue.pop_front()
        }
    }

    /// The number of a state, which is noted if it is new.
    fn add(&mut self, from: u32, by: Step, world: World) -> u32 {
        let next = u32::try_from(self.ways.len()).expect("fewer states than that");
        match self.seen.entry(world.digest()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                place.insert(next);
                assert!(self.ways.len() < MOST, "too many states");
                self.ways.push((from, by));
                self.rests.push((next, None));
                self.queue.push_back((next, world));
                next
            }
        }
    }

    /// Goes all ways from a state.
    fn expand(
        &mut self,
        at: u32,
        world: &World,
        machines: &mut Machines,
    ) -> Result<(), (Step, String)> {
        let goes_on = world.next(machines);
        let mut rest = at;
        for step in world.steps(machines) {
            self.moves += 1;
            let next = world.go(step, machines).map_err(|what| (step, what))?;
            let next = self.add(at, step, next);
            if goes_on == Some(step) {
                rest = next;
            }
        }
        self.rests[at as usize] = (rest, world.fault_at_rest());
        Ok(())
    }

    /// The states to which the world comes back for ever if nothing more goes wrong: time goes round.
    fn rests(&self) -> Vec<u32> {
        let mut round = vec![0_u32; self.rests.len()];
        let mut rests = Vec::new();
        for start in 0..self.rests.len() {
            let mark = u32::try_from(start).expect("fewer states than that") + 1;
            let mut at = start;
            while round[at] == 0 {
                round[at] = mark;
                at = self.rests[at].0 as usize;
            }
            if round[at] != mark {
                continue;
            }
            let first = at;
            loop {
                rests.push(u32::try_from(at).expect("fewer states than that"));
                at = self.rests[at].0 as usize;
                if at == first {
                    break;
                }
            }
        }
        rests.sort_unstable();
        rests
    }

    fn last(&self) -> u32 {
        u32::try_from(self.ways.len() - 1).expect("fewer states than that")
    }

    /// The moves that lead there.
    fn way(&self, to: u32) -> Vec<Step> {
        let mut way = Vec::new();
        let mut at = to;
        while at != 0 {
            let (from, by) = self.ways[at as usize];
            way.push(by);
            at = from;
        }
        way.reverse();
        way
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, told) = self.nodes;
        write!(
            f,
            "{} states, {} moves, {} ends, the last one {} moves away; {nodes} states of a node, told \
             {told} things",
            self.states, self.moves, self.ends, self.depth
        )
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, by) in (1..).zip(&self.moves) {
            writeln!(f, "  {nth:2}. {by}")?;
        }
        write!(f, "  {}", self.what)
    }
}
