//! The broker's store: late, answering in any order, failing before and after it has done its work.

use super::{Doom, Happening, Moment, START, World};
use crate::ledger::Ledger;
use crate::saboteur::Saboteur;
use crate::store::MemoryStore;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use testkit::Pipe;
use zzw_push_proto::platform::{
    Input, LinkId, MessageId, Seq, StoreError, StoreOp, StoreReply, UnixMillis,
};
use zzw_push_proto::wire::Text;

/// What survives a crash of the broker, and what is on its way there.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub store: MemoryStore,
    /// Its clock is ahead of ours by so many milliseconds.
    pub ahead: i64,
    /// It fails whatever it is asked.
    pub is_out: bool,
    /// One request fails: after so many, and whether it has been done.
    pub failing: Option<(u64, bool)>,
    pub(super) pending: BTreeMap<Seq, StoreOp>,
    pub(super) answers: BTreeMap<Seq, VecDeque<Answer>>,
    pub(super) lanes: BTreeMap<Option<Text>, Pipe>,
    /// Links by their claims.
    pub(super) claims: BTreeMap<Seq, (LinkId, Text)>,
    /// What was promised too early.
    pub(super) late: Vec<StoreOp>,
}

pub(super) type Answer = Result<StoreReply, StoreError>;

impl Keeper {
    pub(super) fn new(cap: usize) -> Self {
        let mut store = MemoryStore::new();
        store.cap = cap;
        Self {
            store,
            ahead: 0,
            is_out: false,
            failing: None,
            pending: BTreeMap::new(),
            answers: BTreeMap::new(),
            lanes: BTreeMap::new(),
            claims: BTreeMap::new(),
            late: Vec::new(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.answers.is_empty()
    }
}

impl World {
    /// The broker asks.
    pub(super) fn ask_keeper(&mut self, seq: Seq, op: StoreOp) -> Result<(), String> {
        if let StoreOp::Claim { alias, .. } = &op {
            let client = self.ledger.client_of(alias)?;
            let link = self.cause.or_else(|| self.undecided(client));
            let link = link.ok_or("a claim that no link has caused")?;
            let watch = &mut self.cables[usize::try_from(link.0).unwrap()].watch;
            if let Some(other) = watch.wants.filter(|other| *other != client) {
                // It gives its first one back.
                watch.begin_anew();
                if self.ledger.accounts[other].newest == Some(link) {
                    self.ledger.lose_gap(other);
                }
            }
            watch.wants = Some(client);
            self.ledger.accounts[client].newest = Some(link);
            self.keeper.claims.insert(seq, (link, alias.clone()));
        }
        let lane = alias_in(&op).filter(|_| self.plan.has_lanes).cloned();
        let delay = self.chance.millis(0..=self.plan.store);
        let pipe = self.keeper.lanes.entry(lane).or_default();
        let mut at = pipe.arrival(self.schedule.now(), delay);
        if self.saboteur == Saboteur::Disorder {
            at = self.schedule.now() + delay;
        }
        self.keeper.pending.insert(seq, op);
        self.schedule
            .at(at, Happening::StoreDoes(self.process, seq));
        Ok(())
    }

    /// A link whose frame has waited for a decision for too long, so that the one behind it is served:
    /// one that wants this alias.
    fn undecided(&self, client: usize) -> Option<LinkId> {
        let mut asked = self.asked.values().map(|(link, _)| *link);
        asked.find(|link| {
            let cable = &self.cables[usize::try_from(link.0).unwrap()];
            cable.at_broker && cable.watch.stated.contains(&client)
        })
    }

    pub(super) fn store_does(&mut self, seq: Seq) -> Result<(), String> {
        if Doom::strikes(&mut self.doom, Moment::BeforeStore) {
            self.crash();
            return Ok(());
        }
        let Some(op) = self.keeper.pending.remove(&seq) else {
            return Ok(());
        };
        let fault = self.fault();
        let mut answers = VecDeque::new();
        if fault == Some(false) {
            answers.push_back(Err(StoreError::Unavailable));
        } else {
            let answer = self.carry_out(op.clone())?;
            if fault == Some(true) {
                self.note_doubtful(&op, &answer);
                if let Ok(StoreReply::Claimed { gap, .. }) = answer {
                    let (_, alias) = &self.keeper.claims[&seq];
                    let client = self.ledger.client_of(alias)?;
                    self.ledger.accounts[client].untold += gap;
                }
                answers.push_back(Err(StoreError::Unavailable));
            } else {
                self.in_parts(answer, &mut answers);
            }
        }
        self.note_owner(&op, fault)?;
        if let Some(Err(_)) = answers.back() {
            self.stats.store_failures += 1;
            match self.saboteur {
                Saboteur::SwallowsFailures => return Ok(()),
                Saboteur::FailureIsSuccess => {
                    if let StoreOp::Append { alias, .. } = &op {
                        let appended = self.guess(alias);
                        answers = VecDeque::from([Ok(StoreReply::Appended(appended))]);
                    }
                }
                _ => {}
            }
        }
        if Doom::strikes(&mut self.doom, Moment::AfterStore) {
            // Its answer is lost, and with it what a claim has told.
            self.keeper.answers.insert(seq, answers);
            self.crash();
            return Ok(());
        }
        let mut pipe = Pipe::default();
        for _ in 0..answers.len() {
            let delay = self.chance.millis(0..=self.plan.store);
            let at = pipe.arrival(self.schedule.now(), delay);
            self.schedule
                .at(at, Happening::StoreAnswers(self.process, seq));
        }
        self.keeper.answers.insert(seq, answers);
        Ok(())
    }

    /// Whether the store can be right about who has an alias.
    fn note_owner(&mut self, op: &StoreOp, fault: Option<bool>) -> Result<(), String> {
        if let StoreOp::Claim { alias, .. } | StoreOp::Release { alias, .. } = op {
            let client = self.ledger.client_of(alias)?;
            let known = self.keeper.store.aliases.get(alias);
            let is_owned = known.is_some_and(|known| known.owner.is_some());
            let account = &mut self.ledger.accounts[client];
            match (op, fault) {
                // Nobody knows the epoch that has begun.
                (StoreOp::Claim { .. }, Some(true)) => account.is_stale = true,
                (StoreOp::Claim { .. }, None) => account.is_stale = false,
                (StoreOp::Release { .. }, None) if !is_owned => account.is_stale = false,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether this request fails, and if so, whether it has been done.
    fn fault(&mut self) -> Option<bool> {
        if let Some((left, is_done)) = &mut self.keeper.failing {
            let is_done = *is_done;
            let Some(fewer) = left.checked_sub(1) else {
                self.keeper.failing = None;
                return Some(is_done);
            };
            *left = fewer;
        }
        let weather = self.weather();
        if self.keeper.is_out || self.chance.percent(weather.fails_before) {
            return Some(false);
        }
        self.chance.percent(weather.fails_after).then_some(true)
    }

    /// Some answers come in parts.
    fn in_parts(&mut self, answer: Answer, answers: &mut VecDeque<Answer>) {
        let Ok(StoreReply::Fanned { mut members, .. }) = answer else {
            return answers.push_back(answer);
        };
        while members.len() > 1 && self.chance.percent(50) {
            let part = members.split_off(members.len() / 2);
            answers.push_back(Ok(StoreReply::Fanned {
                members: part,
                is_last: false,
            }));
        }
        answers.push_back(Ok(StoreReply::Fanned {
            members,
            is_last: true,
        }));
    }

    pub(super) fn store_answers(&mut self, seq: Seq) -> Result<(), String> {
        let Some(answers) = self.keeper.answers.get_mut(&seq) else {
            return Ok(());
        };
        let Some(answer) = answers.pop_front() else {
            return Ok(());
        };
        if answers.is_empty() {
            self.keeper.answers.remove(&seq);
        }
        let claim = self.keeper.claims.remove(&seq);
        if let Some((link, alias)) = &claim {
            self.claim_ends(*link, alias, &answer)?;
        }
        self.note(&("store", seq, &answer));
        self.note_loaded(&answer);
        let is_end = Doom::strikes(&mut self.doom, Moment::AfterAnswer);
        let now = self.schedule.now();
        if let Some(broker) = &mut self.broker {
            broker.handle_input(
                now,
                match answer {
                    Ok(reply) => Input::Stored(seq, reply),
                    Err(error) => Input::StoreFailed(seq, error),
                },
            );
        }
        if is_end {
            self.crash();
            return Ok(());
        }
        // A link whose claim has failed may claim again at once.
        self.settle_for(claim.map(|(link, _)| link))
    }

    /// The broker is told how a claim ended.
    fn claim_ends(&mut self, link: LinkId, alias: &str, answer: &Answer) -> Result<(), String> {
        let client = self.ledger.client_of(alias)?;
        let account = &mut self.ledger.accounts[client];
        match answer {
            Ok(StoreReply::Claimed { gap, .. }) if account.newest.is_some() => account.owed += gap,
            Ok(StoreReply::Claimed { gap, .. }) => account.untold += gap,
            _ => {
                let cable = &mut self.cables[usize::try_from(link.0).unwrap()];
                if cable.watch.wants == Some(client) {
                    cable.watch.begin_anew();
                }
                if account.newest == Some(link) {
                    self.ledger.lose_gap(client);
                }
            }
        }
        Ok(())
    }

    pub(super) fn carry_out(&mut self, op: StoreOp) -> Result<Answer, String> {
        let at = self.keeper_wall();
        let now = self.schedule.now();
        let op = self.sabotage_op(op);
        match &op {
            StoreOp::Ack { alias, mids } => self.check_acks(alias, mids)?,
            StoreOp::Append { alias, .. } if self.saboteur == Saboteur::AnswersEarly => {
                let appended = self.guess(alias);
                self.keeper.late.push(op);
                let soon = Duration::from_millis(500);
                self.schedule
                    .after(soon, Happening::StoreCatchesUp(self.process));
                return Ok(Ok(StoreReply::Appended(appended)));
            }
            _ => {}
        }
        let mut answer = if self.saboteur == Saboteur::OnlyThosePresent {
            self.keep_for_those_present(at, op.clone())
        } else {
            self.keeper.store.execute(at, op.clone())
        };
        match (&op, &mut answer) {
            (StoreOp::Append { alias, body, .. }, Ok(StoreReply::Appended(appended))) => {
                let client = self.ledger.client_of(alias)?;
                let letter = self.ledger.letter_of(body)?;
                self.ledger.kept_for(letter, client)?;
                self.ledger.keep(now, client, appended.mid, letter, None)?;
            }
            (StoreOp::AppendTopic { topic, body, .. }, Ok(StoreReply::Fanned { members, .. })) => {
                let members = members.clone();
                self.check_fan(topic, body, &members)?;
            }
            (StoreOp::Load { alias, .. }, Ok(StoreReply::Loaded { entries, at, .. })) => {
                let client = self.ledger.client_of(alias)?;
                for entry in entries.iter() {
                    let left = Ledger::left(entry.expires_at, *at);
                    self.ledger.read(now, client, entry.mid, left)?;
                }
            }
            _ => {}
        }
        self.sabotage_answer(&op, &mut answer);
        Ok(answer)
    }

    /// The store is opened anew: a node that has gone has no aliases.
    pub(super) fn open_keeper(&mut self) {
        for known in self.keeper.store.aliases.values_mut() {
            known.owner = None;
            match self.saboteur {
                Saboteur::VolatileQueues => known.queue.clear(),
                Saboteur::VolatileTopics => known.topics.clear(),
                Saboteur::ReusesIds => known.last = MessageId(known.queue.len() as u64),
                _ => {}
            }
        }
    }

    pub(super) fn keeper_wall(&self) -> UnixMillis {
        let elapsed = self.schedule.elapsed_millis() + self.keeper.ahead;
        UnixMillis(START.saturating_add_signed(elapsed))
    }
}

/// Whose queue a request is about.
fn alias_in(op: &StoreOp) -> Option<&Text> {
    match op {
        StoreOp::Claim { alias, .. }
        | StoreOp::Release { alias, .. }
        | StoreOp::Append { alias, .. }
        | StoreOp::Load { alias, .. }
        | StoreOp::Ack { alias, .. }
        | StoreOp::Subscribe { alias, .. }
        | StoreOp::Status { alias } => Some(alias),
        _ => None,
    }
}
