//! A store that breaks a rule.

use super::World;
use super::keeper::Answer;
use crate::saboteur::Saboteur;
use zzw_push_proto::platform::{Appended, MessageId, StoreOp, StoreReply, UnixMillis};
use zzw_push_proto::wire::Text;

impl World {
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
        match (self.saboteur, op, answer) {
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
