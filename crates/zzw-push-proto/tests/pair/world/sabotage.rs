//! Drivers and stores that break a rule.

use super::World;
use super::keeper::Answer;
use crate::saboteur::Saboteur;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use zzw_push_proto::platform::{Appended, Entry, MessageId, StoreOp, StoreReply, UnixMillis};
use zzw_push_proto::wire::{Code, Message, Num, Text};

/// What saboteurs have to remember.
#[derive(Debug, Default)]
pub(super) struct Sabotage {
    /// Changes of topics that were not answered: whose, over which link, since when.
    changes: Vec<(usize, usize, Instant, Message)>,
    /// Links that were bound by a heartbeat.
    beaten: BTreeSet<usize>,
    /// What the store has just read out.
    loaded: Vec<MessageId>,
    /// What overtaken pulls would have brought, by their links.
    overtaken: BTreeMap<usize, (Num, Vec<MessageId>)>,
    /// What the store has kept without a word.
    doubtful: BTreeMap<Text, BTreeSet<MessageId>>,
}

impl World {
    /// A device says something over a link.
    pub(super) fn note_change(&mut self, nth: usize, cable: usize, message: &Message) {
        if let (Saboteur::RepeatsUndoneChanges, Message::Register(register)) =
            (self.saboteur, message)
            && !register.untopics.is_empty()
        {
            let change = (nth, cable, self.schedule.now(), message.clone());
            self.sabotage.changes.push(change);
        }
    }

    /// A device hears something over a link.
    pub(super) fn note_answer(&mut self, cable: usize, message: &Message) {
        let is_it = |change: &(_, usize, _, Message)| {
            change.1 == cable && change.3.num().as_str() == message.num().as_str()
        };
        self.sabotage.changes.retain(|change| !is_it(change));
    }

    /// A device has its alias again.
    pub(super) fn repeat_changes(&mut self, nth: usize) {
        let Some(cable) = self.clients[nth].cable else {
            return;
        };
        let (now, patience) = (self.schedule.now(), self.plan.device.request_timeout);
        for (whose, over, at, message) in std::mem::take(&mut self.sabotage.changes) {
            if whose != nth || over == cable {
                self.sabotage.changes.push((whose, over, at, message));
            } else if now < at + patience {
                self.put_up(cable, &message);
            }
        }
    }

    /// The store tells the broker something.
    pub(super) fn note_loaded(&mut self, answer: &Answer) {
        self.sabotage.loaded = match (self.saboteur, answer) {
            (Saboteur::AcksOvertakenPulls, Ok(StoreReply::Loaded { entries, .. })) => {
                entries.iter().map(|entry| entry.mid).collect()
            }
            _ => Vec::new(),
        };
    }

    /// A link asks for messages.
    pub(super) fn note_pull(&mut self, cable: usize, num: &Num) -> Result<(), String> {
        let overtaken = self.sabotage.overtaken.remove(&cable);
        let client = self.cables[cable].watch.wants;
        if let (Some((_, mids)), Some(client)) = (overtaken.filter(|(of, _)| of != num), client) {
            let alias = self.clients[client].alias.clone();
            let _ = self.carry_out(StoreOp::Ack { alias, mids })?;
        }
        Ok(())
    }

    /// What the broker's driver writes when it is to write a message.
    pub(super) fn sabotage_frame(&mut self, cable: usize, message: &Arc<Message>) -> Arc<Message> {
        let sabotage = &mut self.sabotage;
        match (self.saboteur, &**message) {
            (Saboteur::AcksOvertakenPulls, Message::Failure(failure))
                if failure.code == Some(Code::Busy) && !sabotage.loaded.is_empty() =>
            {
                let mids = std::mem::take(&mut sabotage.loaded);
                let overtaken = (failure.num.clone(), mids);
                sabotage.overtaken.insert(cable, overtaken);
            }
            (Saboteur::AcksOvertakenPulls, Message::Batch(_)) => {
                sabotage.overtaken.remove(&cable);
            }
            (Saboteur::DropsGapOfBeaten, Message::HeartbeatReply(_)) => {
                sabotage.beaten.insert(cable);
            }
            (Saboteur::DropsGapOfBeaten, Message::Connected(connected))
                if sabotage.beaten.contains(&cable) =>
            {
                let mut connected = connected.clone();
                connected.gap = 0;
                return Arc::new(Message::Connected(connected));
            }
            _ => {}
        }
        Arc::clone(message)
    }

    /// The store has kept a message, and does not say so.
    pub(super) fn note_doubtful(&mut self, op: &StoreOp, answer: &Answer) {
        if let (StoreOp::Append { alias, .. }, Ok(StoreReply::Appended(appended))) = (op, answer) {
            let doubtful = self.sabotage.doubtful.entry(alias.clone()).or_default();
            doubtful.insert(appended.mid);
        }
    }

    /// What the store would have said.
    pub(super) fn guess(&self, alias: &Text) -> Appended {
        let known = self.keeper.store.aliases.get(alias);
        let prev = known.map_or(MessageId::default(), |known| known.last);
        let mid = MessageId::next(prev, self.keeper_wall());
        Appended::new(mid, prev, known.and_then(|known| known.owner), 0)
    }

    pub(super) fn store_catches_up(&mut self) -> Result<(), String> {
        for op in std::mem::take(&mut self.keeper.late) {
            let answer = self.keeper.store.execute(self.keeper_wall(), op.clone());
            if let (StoreOp::Append { alias, body, .. }, Ok(StoreReply::Appended(appended))) =
                (op, answer)
            {
                let client = self.ledger.client_of(&alias)?;
                let letter = self.ledger.letter_of(&body)?;
                let now = self.schedule.now();
                self.ledger.kept_for(letter, client)?;
                self.ledger.keep(now, client, appended.mid, letter, None)?;
            }
        }
        Ok(())
    }

    pub(super) fn sabotage_op(&self, op: StoreOp) -> StoreOp {
        match (self.saboteur, op) {
            (Saboteur::ForgetsAcks, StoreOp::Ack { alias, .. }) => StoreOp::Ack {
                alias,
                mids: Vec::new(),
            },
            (Saboteur::AcksAllBefore, StoreOp::Ack { alias, mids }) => {
                let last = mids.iter().max().copied().unwrap_or_default();
                let known = self.keeper.store.aliases.get(&alias);
                let queue = known.into_iter().flat_map(|known| &known.queue);
                let before = queue.map(|entry| entry.mid).filter(|mid| *mid <= last);
                StoreOp::Ack {
                    mids: before.collect(),
                    alias,
                }
            }
            (Saboteur::KeepsOwners, StoreOp::Release { alias, .. }) => {
                StoreOp::Release { alias, epoch: 0 }
            }
            (_, op) => op,
        }
    }

    /// Whoever is away has no topics for a moment.
    pub(super) fn keep_for_those_present(&mut self, at: UnixMillis, op: StoreOp) -> Answer {
        let store = &mut self.keeper.store;
        if !matches!(op, StoreOp::AppendTopic { .. }) {
            return store.execute(at, op);
        }
        let absent = store
            .aliases
            .iter_mut()
            .filter(|(_, known)| known.owner.is_none());
        let topics: Vec<_> = absent
            .map(|(alias, known)| (alias.clone(), std::mem::take(&mut known.topics)))
            .collect();
        let answer = store.execute(at, op);
        for (alias, topics) in topics {
            store.aliases.entry(alias).or_default().topics = topics;
        }
        answer
    }

    pub(super) fn sabotage_answer(&mut self, op: &StoreOp, answer: &mut Answer) {
        let store = &mut self.keeper.store;
        let doubtful = &mut self.sabotage.doubtful;
        match (self.saboteur, op, answer) {
            (
                Saboteur::HidesDoubtful,
                StoreOp::Load { alias, after, .. },
                Ok(StoreReply::Loaded { entries, last, .. }),
            ) => {
                let hidden = doubtful.get(alias);
                let is_hidden =
                    |entry: &Entry| hidden.is_some_and(|mids| mids.contains(&entry.mid));
                if let Some(first) = entries.iter().position(is_hidden) {
                    entries.truncate(first);
                    *last = entries.last().map_or(*after, |entry| entry.mid);
                }
            }
            (
                Saboteur::HidesDoubtful,
                StoreOp::Append { alias, .. } | StoreOp::Claim { alias, .. },
                _,
            ) => {
                doubtful.remove(alias);
            }
            (Saboteur::HidesDoubtful, StoreOp::AppendTopic { .. }, _) => doubtful.clear(),
            (
                Saboteur::DeletesWhenRead,
                StoreOp::Load { alias, .. },
                Ok(StoreReply::Loaded { entries, .. }),
            ) => {
                let known = store.aliases.entry(alias.clone()).or_default();
                known.queue.retain(|kept| !entries.contains(kept));
            }
            (
                Saboteur::ServesExpired,
                StoreOp::Load { .. },
                Ok(StoreReply::Loaded { entries, .. }),
            ) => {
                for entry in entries {
                    entry.expires_at.0 += 3_600_000;
                }
            }
            (
                Saboteur::NewestFirst,
                StoreOp::Load { .. },
                Ok(StoreReply::Loaded { entries, .. }),
            ) => entries.reverse(),
            (
                Saboteur::SilentEviction,
                StoreOp::Append { alias, .. },
                Ok(StoreReply::Appended(appended)),
            ) => {
                let known = store.aliases.entry(alias.clone()).or_default();
                known.gap -= std::mem::take(&mut appended.evicted).min(known.gap);
            }
            (
                Saboteur::TellsGapTwice,
                StoreOp::Claim { alias, .. },
                Ok(StoreReply::Claimed { gap, .. }),
            ) => {
                let known = store.aliases.entry(alias.clone()).or_default();
                known.gap = *gap;
            }
            _ => {}
        }
    }
}
