//! Breadth first through all that can happen.

use crate::plan::Plan;
use crate::world::{Cut, Move, Party, Step, World};
use analyst_proto::platform::Verdict;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use testkit::digest::Ready;

/// What a search has come to.
#[derive(Debug)]
pub(crate) struct Report {
    pub states: usize,
    pub moves: usize,
    /// States in which nothing more happens by itself.
    pub ends: usize,
    /// States after the task has finished, failed or expired.
    pub decided: [usize; 3],
    /// Moves from the beginning to the state that is furthest from it.
    pub depth: usize,
    pub counterexample: Option<Counterexample>,
}

/// The shortest way to something that must not be.
#[derive(Debug)]
pub(crate) struct Counterexample {
    pub moves: Vec<Move>,
    pub what: String,
}

/// The states that were found, as far as it takes to find the way back.
struct Found {
    /// Those from which all ways are gone, and those that lie on a way to the end.
    seen: [HashSet<u128, Ready>; 2],
    states: usize,
    ways: Vec<(u32, Move)>,
    queue: VecDeque<(u32, World)>,
    moves: usize,
    ends: usize,
    decided: [usize; 3],
    goes_on: bool,
}

/// How much is tried from a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ways {
    All,
    One,
}

/// More would not fit into memory.
const MOST: usize = 60_000_000;

/// Explores everything, or up to the first thing that must not be.
pub(crate) fn search(plan: &Plan) -> Report {
    let mut found = Found {
        seen: [HashSet::default(), HashSet::default()],
        states: 0,
        ways: Vec::new(),
        queue: VecDeque::new(),
        moves: 0,
        ends: 0,
        decided: [0; 3],
        goes_on: plan.goes_on,
    };
    let start = World::new(plan.clone()).unwrap_or_else(|what| panic!("at the start: {what}"));
    if let Err((_, what)) = found.add(0, Move::START, start) {
        panic!("at the start: {what}");
    }
    let mut last = 0;
    let what = loop {
        let next = if plan.is_deep {
            found.queue.pop_back()
        } else {
            found.queue.pop_front()
        };
        let Some((at, world)) = next else {
            break None;
        };
        last = at;
        if let Err((at, what)) = found.expand(at, &world) {
            last = at;
            break Some(what);
        }
    };
    let way = found.way(last);
    Report {
        states: found.states,
        moves: found.moves,
        ends: found.ends,
        decided: found.decided,
        depth: way.len(),
        counterexample: what.map(|what| Counterexample { moves: way, what }),
    }
}

impl Found {
    fn add(&mut self, from: u32, by: Move, world: World) -> Result<(), (u32, String)> {
        let Some(at) = self.note(Ways::All, from, by, &world) else {
            return Ok(());
        };
        if self.goes_on || world.verdict().is_none() {
            self.queue.push_back((at, world));
            return Ok(());
        }
        if world.may_crash() {
            let by = Step::Crash(Party::Server, 0).into();
            let next = self.go(at, &world, by)?;
            if let Some(at) = self.note(Ways::One, at, by, &next) {
                self.run_down(at, next)?;
            }
        }
        self.run_down(at, world)
    }

    /// Notes a state, if it is new, or is new as one from which all ways are gone. So it does not
    /// matter in which order states are found.
    fn note(&mut self, ways: Ways, from: u32, by: Move, world: &World) -> Option<u32> {
        let digest = world.digest();
        let [all, one] = &mut self.seen;
        let is_new = match ways {
            Ways::All if !all.insert(digest) => return None,
            Ways::All => !one.remove(&digest),
            Ways::One if all.contains(&digest) || !one.insert(digest) => return None,
            Ways::One => true,
        };
        if is_new {
            self.count(world);
        }
        let at = u32::try_from(self.ways.len()).expect("fewer states than that");
        self.ways.push((from, by));
        Some(at)
    }

    fn count(&mut self, world: &World) {
        self.states += 1;
        assert!(self.states < MOST, "too many states");
        match world.verdict() {
            Some(Verdict::Finished(_)) => self.decided[0] += 1,
            Some(Verdict::Failed(_)) => self.decided[1] += 1,
            Some(_) => self.decided[2] += 1,
            None => {}
        }
    }

    /// Goes one way to the end, or up to where others came before.
    fn run_down(&mut self, at: u32, world: World) -> Result<(), (u32, String)> {
        let (mut at, mut world) = (at, world);
        while let Some(step) = world.next() {
            world = self.go(at, &world, step.into())?;
            match self.note(Ways::One, at, step.into(), &world) {
                Some(next) => at = next,
                None => return Ok(()),
            }
        }
        self.ends += 1;
        world.check_end().map_err(|what| (at, what))
    }

    /// Goes all ways from a state.
    fn expand(&mut self, at: u32, world: &World) -> Result<(), (u32, String)> {
        let mut is_end = true;
        for step in world.steps() {
            is_end &= !step.goes_on();
            let next = self.go(at, world, step.into())?;
            let outputs = next.outputs();
            self.add(at, step.into(), next)?;
            if !world.may_crash() || !step.may_be_cut() {
                continue;
            }
            // At either end it is a crash of its own.
            for after in 1..outputs {
                let mut landed = 0;
                loop {
                    let by = Move::cut(step, Cut { after, landed });
                    let next = self.go(at, world, by)?;
                    let most = next.lost();
                    self.add(at, by, next)?;
                    if landed >= most {
                        break;
                    }
                    landed += 1;
                }
            }
        }
        if is_end {
            self.ends += 1;
            world.check_end().map_err(|what| (at, what))?;
        }
        Ok(())
    }

    fn go(&mut self, at: u32, world: &World, by: Move) -> Result<World, (u32, String)> {
        self.moves += 1;
        world.go(by).map_err(|what| {
            let end = u32::try_from(self.ways.len()).expect("fewer states than that");
            self.ways.push((at, by));
            (end, what)
        })
    }

    /// The moves that lead there.
    fn way(&self, to: u32) -> Vec<Move> {
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

impl Counterexample {
    /// How many of its moves are on the network.
    pub(crate) fn on_network(&self) -> usize {
        let moves = self.moves.iter();
        moves.filter(|by| by.is_on_network()).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [finished, failed, expired] = self.decided;
        write!(
            f,
            "{} states, {} moves, {} ends, at most {} moves deep; \
             finished in {finished}, failed in {failed}, expired in {expired}",
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
