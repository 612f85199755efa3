//! Broken stores and the end.

use super::ledger::Pending;
use super::settings::{BROKEN, CLOSING};
use super::{Device, Event, IndexEntry, Loss, Op, OpId, Reason, Recovered, Seq};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the machine is up to as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// The store is broken.
    Paused,
    /// Waits for the store until then.
    Closing(Option<Instant>),
    Closed,
}

/// How long closing waits for the store.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

impl Device {
    /// Stops everything that would need the store.
    pub(super) fn pause(&mut self) {
        match self.life {
            Life::Running => {}
            Life::Closing(_) => {
                self.end();
                return;
            }
            Life::Paused | Life::Closed => return,
        }
        //= docs/spec/face-record-push.md#delivery
        //# The terminal MUST refuse records and post nothing while its store is broken.
        self.life = Life::Paused;
        self.stop_posting();
        self.retry_store_at = None;
        self.say(Event::Paused);
        self.abandon_questions(BROKEN);
    }

    /// Brings the store to where the machine is, which knows what happened since.
    pub(super) fn reconcile(&mut self, now: Instant, recovered: Recovered) {
        self.life = Life::Running;
        self.say(Event::Resumed);
        self.next_seq = self.next_seq.max(recovered.next_seq);
        let mut found = recovered.index;
        found.sort_unstable_by_key(|entry| entry.seq);
        let unanswered = self.ledger.take_all();
        self.sending.fetching = None;
        self.last_freed = None;

        self.owed_drops
            .extend(unanswered.iter().filter_map(|(_, pending)| match pending {
                Pending::Drop(loss) => Some(*loss),
                _ => None,
            }));
        for loss in std::mem::take(&mut self.owed_drops) {
            if is_done(&loss, &found, &recovered.losses, self) {
                self.note_loss(now, loss);
            } else {
                self.ask_to_drop(loss);
            }
        }
        self.settle(unanswered, &found);
        self.settle_settings(&recovered.subscription);

        if found
            .first()
            .is_some_and(|entry| entry.seq <= self.acked_upto)
        {
            //= docs/spec/face-record-push.md#delivery
            //# An advance that a power cut takes back MUST NOT cost more than a repetition.
            self.owed_advance = self.owed_advance.max(1);
            self.unadvanced = self.unadvanced.max(1);
        }
        self.append_again(&found);
        self.keep_within_limits();
    }

    fn settle(&mut self, unanswered: VecDeque<(OpId, Pending)>, found: &[IndexEntry]) {
        for (_, pending) in unanswered {
            match pending {
                Pending::Advance(count) => {
                    self.owed_advance = self.owed_advance.saturating_add(count);
                }
                Pending::Strip(pictures) => {
                    let (gone, left): (Vec<_>, Vec<_>) =
                        pictures.into_iter().partition(|(seq, _)| {
                            entry(found, *seq).is_none_or(|entry| entry.picture == 0)
                        });
                    self.stripped(&gone);
                    self.unstrip(&left);
                }
                Pending::Bury(seq) if entry(found, seq).is_none() => self.buried(seq),
                Pending::Bury(_) => self.sending.is_burying = false,
                Pending::Append(_) | Pending::Load(_) | Pending::Drop(_) | Pending::Configure => {}
            }
        }
    }

    /// Asks again for what is held and not in the store.
    fn append_again(&mut self, found: &[IndexEntry]) {
        for mut unstored in std::mem::take(&mut self.unstored) {
            let is_asked = unstored.append.take().is_some();
            if is_asked && entry(found, unstored.seq).is_some() {
                self.say(Event::Kept(unstored.seq));
                continue;
            }
            //= docs/spec/face-record-push.md#delivery
            //# The terminal MUST ask a store that was opened anew to keep the records that it still holds and the store has not.
            if is_asked {
                unstored.append = Some(self.ask_store(
                    Pending::Append(unstored.seq),
                    Op::Append {
                        seq: unstored.seq,
                        item: unstored.item.clone(),
                    },
                ));
            }
            self.unstored.push_back(unstored);
        }
    }

    pub(super) fn begin_to_close(&mut self, now: Instant) {
        match self.life {
            Life::Running => {}
            Life::Paused => {
                self.end();
                return;
            }
            Life::Closing(_) | Life::Closed => return,
        }
        self.stop_posting();
        self.append_all_lazy();
        self.ask_to_advance();
        self.abandon_waiting_questions(CLOSING);
        self.life = Life::Closing(now.checked_add(CLOSE_WITHIN));
    }

    pub(super) fn close_if_done(&mut self, now: Instant) {
        let Life::Closing(deadline) = self.life else {
            return;
        };
        let is_late = deadline.is_some_and(|deadline| deadline <= now);
        if is_late || !self.ledger.is_writing() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.flush_losses();
        self.abandon_questions(CLOSING);
        self.abandon_change();
        let drops: Vec<Loss> = self
            .ledger
            .drops()
            .chain(self.owed_drops.drain(..))
            .collect();
        for loss in drops {
            self.say(unsettled(loss.from, loss.to, loss.count));
        }
        if let (Some(first), Some(last)) = (self.unstored.front(), self.unstored.back()) {
            let count = self.unstored.len() as u64;
            self.say(unsettled(first.seq, last.seq, count));
        }
        self.unstored.clear();
        self.faults.clear();
        self.life = Life::Closed;
        //= docs/spec/face-record-push.md#delivery
        //# A machine that is closed MUST report so once, as the last thing it says.
        self.say(Event::Closed(Reason::Local));
    }
}

fn unsettled(from: Seq, to: Seq, count: u64) -> Event {
    Event::Unsettled { from, to, count }
}

fn entry(found: &[IndexEntry], seq: Seq) -> Option<&IndexEntry> {
    let at = found.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
    found.get(at)
}

/// Whether the store has dropped what the machine has: it has told of the loss, and none of the
/// records came back.
fn is_done(loss: &Loss, found: &[IndexEntry], told: &[Loss], device: &Device) -> bool {
    let from = found.partition_point(|entry| entry.seq < loss.from);
    let mut back = found
        .iter()
        .skip(from)
        .take_while(|entry| entry.seq <= loss.to)
        .filter(|entry| entry.seq > device.acked_upto && !device.queue.contains(entry.seq));
    let covers = |other: &Loss| {
        other.reason == loss.reason && other.from <= loss.from && loss.to <= other.to
    };
    told.iter().any(covers) && back.next().is_none()
}
