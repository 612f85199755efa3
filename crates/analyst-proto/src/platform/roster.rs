//! The analysers: who may be given a task, and who is next.

use super::task::Task;
use super::vocabulary::Registration;
use crate::sign::{Preset, SigningKey};
use crate::wire::{ClientId, TaskId, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Analysers by identifier, and those that are free in the order in which they are chosen.
#[derive(Debug, Clone)]
pub(super) struct Roster {
    analysts: BTreeMap<ClientId, Analyst>,
    keys: BTreeMap<Text, (SigningKey, ClientId)>, // by name
    free: BTreeSet<(usize, u64, ClientId)>,       // fewest tasks first, then longest idle
    resting: BTreeSet<(Instant, ClientId)>,       // suspended until then
    registered: usize,
    turns: u64,
    suspension: Suspension,
    preset: Preset,
}

/// When an analyser is given a rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspension {
    pub(super) after: u32,
    pub(super) min: Duration,
    pub(super) max: Duration,
}

/// One that is registered, or that still has tasks from before.
#[derive(Debug, Clone, Default)]
struct Analyst {
    registration: Option<Registration>,
    attempts: BTreeSet<(TaskId, u32)>, // that take up its room
    is_offline: bool,
    strikes: u32, // leases that ran out in a row
    rests: u32,
    rest: Option<Instant>,
    is_on_trial: bool, // after a rest: one task at a time
    idle_since: u64,   // in turns
    place: Option<(usize, u64)>,
}

/// A roster at one moment, with the order of turns in place of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RosterSnapshot(Vec<AnalystSnapshot>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AnalystSnapshot {
    client: ClientId,
    capacity: Option<usize>,
    attempts: Vec<(TaskId, u32)>,
    is_offline: bool,
    strikes: u32,
    rests: u32,
    rest: Option<Duration>,
    is_on_trial: bool,
    turn: usize,
}

impl Roster {
    pub(super) fn new(suspension: Suspension, preset: Preset) -> Self {
        Self {
            analysts: BTreeMap::new(),
            keys: BTreeMap::new(),
            free: BTreeSet::new(),
            resting: BTreeSet::new(),
            registered: 0,
            turns: 0,
            suspension,
            preset,
        }
    }

    pub(super) fn registered(&self) -> usize {
        self.registered
    }

    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    pub(super) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    pub(super) fn registration(&self, client: &ClientId) -> Option<&Registration> {
        self.analysts.get(client)?.registration.as_ref()
    }

    /// The key that whoever has this name signs with.
    pub(super) fn key(&self, name: &str) -> Option<&SigningKey> {
        self.keys.get(&Text::from(name)).map(|(key, _)| key)
    }

    /// Who has this name.
    pub(super) fn client(&self, name: &str) -> Option<&ClientId> {
        self.keys.get(&Text::from(name)).map(|(_, client)| client)
    }

    /// True if another analyser has this name.
    pub(super) fn is_taken(&self, registration: &Registration) -> bool {
        let owner = self.client(&registration.name);
        owner.is_some_and(|client| *client != registration.client_id)
    }

    pub(super) fn register(&mut self, registration: Registration) {
        let client = registration.client_id.clone();
        let key = SigningKey::new(self.preset, &registration.secret);
        let name = registration.name.clone();
        let analyst = self.analysts.entry(client.clone()).or_default();
        match analyst.registration.replace(registration) {
            Some(old) => drop(self.keys.remove(&old.name)),
            None => self.registered = self.registered.saturating_add(1),
        }
        self.keys.insert(name, (key, client.clone()));
        self.refresh(&client);
    }

    /// Its room is free, but nobody is given a task there.
    pub(super) fn unregister(&mut self, client: &ClientId) -> Option<Registration> {
        let analyst = self.analysts.get_mut(client)?;
        let registration = analyst.registration.take()?;
        self.registered = self.registered.saturating_sub(1);
        self.keys.remove(&registration.name);
        analyst.attempts.clear();
        if let Some(rest) = analyst.rest.take() {
            self.resting.remove(&(rest, client.clone()));
        }
        self.refresh(client);
        Some(registration)
    }

    pub(super) fn set_presence(&mut self, client: &ClientId, is_online: bool) {
        if let Some(analyst) = self.analysts.get_mut(client) {
            analyst.is_offline = !is_online;
            self.refresh(client);
        }
    }

    /// Who is to be given the task: one that has not had it; if there is none, one that
    /// `was_told` that its attempt is over.
    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST give a task to an analyser that has not had it before one that has, and
    //# among those to the one with the fewest tasks.
    pub(super) fn choose(
        &self,
        task: &Task,
        was_told: impl Fn(&ClientId) -> bool,
    ) -> Option<ClientId> {
        let mut second = None;
        for (_, _, client) in &self.free {
            if !task.was_tried_by(client) {
                return Some(client.clone());
            }
            if second.is_none() && was_told(client) {
                second = Some(client);
            }
        }
        second.cloned()
    }

    /// An attempt takes up room.
    pub(super) fn occupy(&mut self, client: &ClientId, id: TaskId, attempt: u32) {
        let analyst = self.analysts.entry(client.clone()).or_default();
        analyst.attempts.insert((id, attempt));
        self.refresh(client);
    }

    /// An attempt takes up room no more.
    pub(super) fn release(&mut self, client: &ClientId, id: TaskId, attempt: u32) {
        let Some(analyst) = self.analysts.get_mut(client) else {
            return;
        };
        if analyst.attempts.remove(&(id, attempt)) {
            self.turns = self.turns.saturating_add(1);
            analyst.idle_since = self.turns;
            self.refresh(client);
        }
    }

    /// It has answered.
    pub(super) fn answered(&mut self, client: &ClientId) {
        if let Some(analyst) = self.analysts.get_mut(client) {
            analyst.strikes = 0;
            analyst.rests = 0;
            analyst.is_on_trial = false;
            self.refresh(client);
        }
    }

    /// A lease of it has run out. Says how long it rests, if it does.
    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST give no task to an analyser for a while after `suspend_after` of its
    //# leases have run out in a row, and then one task at a time until it answers.
    pub(super) fn timed_out(&mut self, now: Instant, client: &ClientId) -> Option<Duration> {
        let Suspension { after, min, max } = self.suspension;
        let analyst = self.analysts.get_mut(client)?;
        analyst.strikes = analyst.strikes.saturating_add(1);
        let is_enough = analyst.is_on_trial || analyst.strikes >= after;
        if !is_enough || analyst.rest.is_some() || analyst.registration.is_none() {
            return None;
        }
        let rest = min
            .saturating_mul(2_u32.saturating_pow(analyst.rests))
            .min(max);
        analyst.rests = analyst.rests.saturating_add(1);
        analyst.strikes = 0;
        let until = now.checked_add(rest)?;
        analyst.rest = Some(until);
        self.resting.insert((until, client.clone()));
        self.refresh(client);
        Some(rest)
    }

    /// Whose rest is over may be tried out.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some((until, client)) = self.resting.first().cloned() {
            if now < until {
                return;
            }
            self.resting.pop_first();
            if let Some(analyst) = self.analysts.get_mut(&client) {
                analyst.rest = None;
                analyst.is_on_trial = true;
            }
            self.refresh(&client);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.resting.first().map(|(until, _)| *until)
    }

    /// What it is at `now`.
    pub(super) fn snapshot(&self, now: Instant) -> RosterSnapshot {
        let mut turns: Vec<u64> = self.analysts.values().map(|it| it.idle_since).collect();
        turns.sort_unstable();
        turns.dedup();
        let analysts = self
            .analysts
            .iter()
            .map(|(client, analyst)| AnalystSnapshot {
                client: client.clone(),
                capacity: analyst.registration.as_ref().map(|it| it.capacity),
                attempts: analyst.attempts.iter().copied().collect(),
                is_offline: analyst.is_offline,
                strikes: analyst.strikes.min(self.suspension.after),
                rests: analyst.rests,
                rest: analyst.rest.map(|at| at.saturating_duration_since(now)),
                is_on_trial: analyst.is_on_trial,
                turn: turns.binary_search(&analyst.idle_since).unwrap_or(0),
            });
        RosterSnapshot(analysts.collect())
    }

    /// Puts it where it belongs among those that are free, or takes it away.
    fn refresh(&mut self, client: &ClientId) {
        let Some(analyst) = self.analysts.get_mut(client) else {
            return;
        };
        let place = analyst.place();
        let old = std::mem::replace(&mut analyst.place, place);
        let is_forgotten = analyst.registration.is_none() && analyst.attempts.is_empty();
        if let Some((tasks, since)) = old {
            self.free.remove(&(tasks, since, client.clone()));
        }
        if let Some((tasks, since)) = place {
            self.free.insert((tasks, since, client.clone()));
        }
        if is_forgotten {
            self.analysts.remove(client);
        }
    }
}

impl Analyst {
    /// Its place among those that are free, if it is.
    //= docs/spec/analyst-proto.md#dispatcher
    //# The dispatcher MUST NOT have more attempts with an analyser at a time than its capacity.
    fn place(&self) -> Option<(usize, u64)> {
        let capacity = self.registration.as_ref()?.capacity;
        let capacity = if self.is_on_trial {
            capacity.min(1)
        } else {
            capacity
        };
        let tasks = self.attempts.len();
        let is_free = tasks < capacity && !self.is_offline && self.rest.is_none();
        is_free.then_some((tasks, self.idle_since))
    }
}
