//! Limits, what gives way to them, and the report of it.

use super::ledger::Pending;
use super::{Device, Event, Loss, LossReason, Op, Overflow, Seq};
use std::time::Instant;

/// Losses that are durable and not reported yet.
#[derive(Debug, Default)]
pub(super) struct Losses {
    list: Vec<Loss>,
    due: Option<Instant>,
}

/// Most losses that wait to be reported together.
const MERGED_MAX: usize = 64;

/// What a full disk costs at most at a time: so many records, or bytes of them.
const FREE_RECORDS: usize = 64;
const FREE_BYTES: u64 = 16 << 20;

impl Losses {
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }
}

impl Device {
    /// Makes room for a record that costs so many bytes, as the configuration says; false if it does
    /// not.
    pub(super) fn make_room(&mut self, cost: u64) -> bool {
        let (max_records, max_bytes) = (self.config.max_records, self.config.max_bytes);
        //= docs/spec/face-record-push.md#overflow
        //# The terminal MUST NOT keep more than `max_records` records, not counting the one being posted.
        //= docs/spec/face-record-push.md#overflow
        //# The terminal MUST NOT keep more than `max_bytes` as charged, not counting the record being posted.
        let is_crowded = |device: &Self| device.counted().0 >= max_records;
        let is_heavy = |device: &Self| device.counted().1.saturating_add(cost) > max_bytes;
        let refuses = self.refuses();
        if !refuses {
            self.drop_while(LossReason::Overflow, |device, _, _| is_crowded(device));
        }
        //= docs/spec/face-record-push.md#overflow
        //# Pictures MUST give way to bytes before any record does under `DropImages`, the oldest first.
        if self.strips() && !is_crowded(self) {
            self.strip_while(|device, _| is_heavy(device));
        }
        if !refuses {
            self.drop_while(LossReason::Overflow, |device, _, _| is_heavy(device));
        }
        !is_crowded(self) && !is_heavy(self)
    }

    /// Holds the limits again after a post, which was not counted.
    pub(super) fn keep_within_limits(&mut self) {
        if self.refuses() {
            return;
        }
        let (max_records, max_bytes) = (self.config.max_records, self.config.max_bytes);
        let is_heavy = |device: &Self| device.counted().1 > max_bytes;
        self.drop_while(LossReason::Overflow, |device, _, _| {
            device.counted().0 > max_records
        });
        if self.strips() {
            self.strip_while(|device, _| is_heavy(device));
        }
        self.drop_while(LossReason::Overflow, |device, _, _| is_heavy(device));
    }

    /// Frees room on the disk; false if there is nothing to free.
    pub(super) fn free_disk(&mut self) -> bool {
        let before = self.queue.bytes();
        let is_little = |device: &Self, count: usize| {
            count < FREE_RECORDS && before.saturating_sub(device.queue.bytes()) < FREE_BYTES
        };
        if self.strips() && self.strip_while(is_little) {
            return true;
        }
        !self.refuses()
            && self.drop_while(LossReason::Overflow, |device, count, next| {
                is_little(device, count) && device.is_kept(next)
            })
    }

    /// What counts against the limits: where something has to give way, the record that is posted
    /// cannot, and does not count.
    fn counted(&self) -> (usize, u64) {
        let (records, bytes) = (self.queue.len(), self.queue.bytes());
        if self.refuses() || !self.is_head_pinned() {
            return (records, bytes);
        }
        (
            records.saturating_sub(1),
            bytes.saturating_sub(self.queue.head_cost()),
        )
    }

    fn refuses(&self) -> bool {
        matches!(
            self.config.overflow,
            Overflow::RefuseNew | Overflow::DropImagesThenRefuse
        )
    }

    fn strips(&self) -> bool {
        matches!(
            self.config.overflow,
            Overflow::DropImages | Overflow::DropImagesThenRefuse
        )
    }

    /// Strips pictures, oldest first; false if there was none.
    fn strip_while(&mut self, is_needed: impl Fn(&Self, usize) -> bool) -> bool {
        let mut pictures: Vec<(Seq, u32)> = Vec::new();
        while is_needed(self, pictures.len()) {
            let unstored = &self.unstored;
            let is_kept = |seq| {
                unstored
                    .binary_search_by_key(&seq, |unstored| unstored.seq)
                    .is_err()
            };
            match self.queue.strip(is_kept) {
                Some(picture) => pictures.push(picture),
                None => break,
            }
        }
        let (Some((from, _)), Some((to, _))) = (pictures.first(), pictures.last()) else {
            return false;
        };
        let op = Op::Strip {
            from: *from,
            to: *to,
        };
        self.sending.let_go_of(*from, *to);
        self.last_freed = Some(self.ask_store(Pending::Strip(pictures), op));
        true
    }

    /// Drops records, oldest first, but not the one that is posted; false if there was none.
    fn drop_while(
        &mut self,
        reason: LossReason,
        is_needed: impl Fn(&Self, usize, Seq) -> bool,
    ) -> bool {
        let mut run: Option<Loss> = None;
        let mut count = 0_usize;
        loop {
            // A head that waits for drops to be done would else be dropped for ever before its turn.
            let is_spared = self.queue.len() > 1 && self.is_head_due();
            //= docs/spec/face-record-push.md#overflow
            //# The record being posted MUST NOT give way, nor its picture.
            //= docs/spec/face-record-push.md#overflow
            //# The oldest record that is not being posted MUST give way under `DropOldest`.
            let at = usize::from(self.is_head_pinned() || is_spared);
            let Some(seq) = self.queue.nth(at) else {
                break;
            };
            if !is_needed(self, count, seq) {
                break;
            }
            self.queue.remove_nth(at);
            self.forget_unstored(seq);
            count = count.saturating_add(1);
            let one = self.loss_of(seq, reason);
            // Numbers between that are gone for another reason are another loss.
            let gap = run.take_if(|run| run.to.next() != seq);
            if let Some(gap) = gap {
                self.count_loss(gap);
            }
            run = Some(run.map_or(one, |run| joined(run, one)));
        }
        if let Some(run) = run {
            self.count_loss(run);
        }
        count > 0
    }

    /// Loses one record, wherever it is in the queue.
    pub(super) fn lose(&mut self, seq: Seq, reason: LossReason) {
        let loss = self.loss_of(seq, reason);
        if self.queue.remove(seq).is_some() {
            self.forget_unstored(seq);
            self.count_loss(loss);
        }
    }

    fn loss_of(&self, seq: Seq, reason: LossReason) -> Loss {
        Loss::new(seq, seq, 1, u64::from(self.queue.is_tried(seq)), reason)
    }

    fn count_loss(&mut self, loss: Loss) {
        //= docs/spec/face-record-push.md#overflow
        //# Every record that is gone without an acknowledgement MUST be reported with its range, how many are gone, how many of them were posted, and why.
        self.counters.lost = self.counters.lost.saturating_add(loss.count);
        self.sending.let_go_of(loss.from, loss.to);
        self.ask_to_drop(loss);
    }

    pub(super) fn ask_to_drop(&mut self, loss: Loss) {
        //= docs/spec/face-record-push.md#overflow
        //# A loss MUST be kept in the transaction that drops its records.
        self.last_freed = Some(self.ask_store(Pending::Drop(loss), Op::Drop(loss)));
    }

    /// Asks again for drops that the store had no room for.
    pub(super) fn drop_again(&mut self) {
        for loss in std::mem::take(&mut self.owed_drops) {
            self.ask_to_drop(loss);
        }
    }

    /// A loss is durable: reports it soon, with those of the same reason.
    pub(super) fn note_loss(&mut self, now: Instant, loss: Loss) {
        //= docs/spec/face-record-push.md#overflow
        //# Losses of one reason within `merge_losses` MUST be reported together.
        match self.joinable(loss) {
            Some(other) => *other = joined(*other, loss),
            None => self.losses.list.push(loss),
        }
        if self.losses.due.is_none() {
            let time = self.config.merge_losses.max(super::SHORTEST);
            self.losses.due = now.checked_add(time);
        }
        if self.losses.list.len() >= MERGED_MAX || self.losses.due.is_none() {
            self.flush_losses();
        }
    }

    /// The loss that another one can be reported with: a range must not take in what is not lost, or
    /// not for certain, or for another reason.
    fn joinable(&mut self, loss: Loss) -> Option<&mut Loss> {
        let list = &self.losses.list;
        let joins = |other: &Loss| {
            let both = joined(*other, loss);
            let open = self.ledger.drops().chain(self.owed_drops.iter().copied());
            let unlike = list.iter().filter(|one| one.reason != loss.reason);
            other.reason == loss.reason
                && !self.queue.has_between(both.from, both.to)
                && !open
                    .chain(unlike.copied())
                    .any(|one| one.from <= both.to && both.from <= one.to)
        };
        let at = list.iter().rposition(joins)?;
        self.losses.list.get_mut(at)
    }

    pub(super) fn report_losses(&mut self, now: Instant) {
        if self.losses.due.is_some_and(|due| due <= now) {
            self.flush_losses();
        }
    }

    pub(super) fn flush_losses(&mut self) {
        self.losses.due = None;
        for loss in std::mem::take(&mut self.losses.list) {
            self.say(Event::Lost(loss));
        }
    }

    pub(super) fn stripped(&mut self, pictures: &[(Seq, u32)]) {
        let (Some((from, _)), Some((to, _))) = (pictures.first(), pictures.last()) else {
            return;
        };
        let count = pictures.len() as u64;
        self.counters.stripped = self.counters.stripped.saturating_add(count);
        self.say(Event::Stripped {
            from: *from,
            to: *to,
            count,
        });
    }

    /// The store has not stripped these: they count again, and the limits are held at the next record.
    pub(super) fn unstrip(&mut self, pictures: &[(Seq, u32)]) {
        for (seq, picture) in pictures {
            self.queue.restore(*seq, *picture);
            self.sending.let_go_of(*seq, *seq);
        }
    }
}

fn joined(one: Loss, other: Loss) -> Loss {
    Loss {
        from: one.from.min(other.from),
        to: one.to.max(other.to),
        count: one.count.saturating_add(other.count),
        tried: one.tried.saturating_add(other.tried),
        reason: one.reason,
    }
}
