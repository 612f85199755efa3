//! What must be true at every step.

use super::World;
use super::link::Frame;
use std::time::Instant;
use zzw_push_proto::platform::{MessageId, NodeId, Parcel};
use zzw_push_proto::wire::Batch;

impl World {
    /// A message is sent on a link. Gives which.
    ///
    /// - I4: nothing kept is sent when its time is over by the clock of Redis.
    /// - I5: nothing kept is sent by a node that is fenced by its own reckoning, nor later than
    ///   `fence` before its lease ends at Redis, nor for an epoch that has been over for longer than
    ///   [`crate::plan::Plan::overlap`].
    /// - I2: kept messages are sent on a link for the first time in the order of their ids.
    pub(super) fn check_delivery(
        &mut self,
        node: usize,
        nth: usize,
        parcel: &Parcel,
    ) -> Result<usize, String> {
        let letter = self.ledger.letter_of(parcel.body())?;
        let link = &self.links[nth];
        let (alias, mid) = (link.phone, parcel.mid());
        let account = &self.ledger.accounts[alias];
        if **parcel.alias() != *account.alias {
            return Err(format!(
                "a message for {:?} is sent to {alias}",
                parcel.alias()
            ));
        }
        let Some(row) = account.rows.get(&mid) else {
            if self.ledger.letters[letter].ttl > 0 {
                return Err(format!("{mid:?} is sent, and was never kept"));
            }
            return Ok(letter);
        };
        let until = row.until;
        self.check_kept(node, nth, mid, until)?;
        let link = &mut self.links[nth];
        let latest = link.sent.last().copied().unwrap_or_default();
        if link.sent.insert(mid) && mid < latest {
            return Err(format!("I2: {mid:?} is sent behind {latest:?}"));
        }
        Ok(letter)
    }

    /// Messages are brought by a pull: the same holds for them, and they may have been sent before.
    pub(super) fn check_batch(
        &mut self,
        node: usize,
        nth: usize,
        batch: &Batch,
    ) -> Result<Frame, String> {
        let mut brought = Vec::new();
        for mid in batch.mids.iter() {
            let mid = MessageId(mid.parse().map_err(|_| "no id")?);
            let account = &self.ledger.accounts[self.links[nth].phone];
            let row = account.rows.get(&mid);
            let row = *row.ok_or_else(|| format!("{mid:?} is pulled, and was never kept"))?;
            self.check_kept(node, nth, mid, row.until)?;
            self.links[nth].sent.insert(mid);
            brought.push((mid, row.letter));
        }
        if !brought.is_sorted() {
            return Err(format!("I2: pulled out of order: {brought:?}"));
        }
        self.stats.pulled += brought.len() as u64;
        let num = batch.num.as_str().trim_start_matches('p').parse();
        let num = num.map_err(|_| "I7: a pull that was not made")?;
        Ok(Frame::Batch(num, brought))
    }

    fn check_kept(
        &mut self,
        node: usize,
        nth: usize,
        mid: MessageId,
        until: Instant,
    ) -> Result<(), String> {
        let now = self.schedule.now();
        if until <= now {
            return Err(format!("I4: {mid:?} is sent when its time is over"));
        }
        let process = self.nodes[node].process;
        let platform = self.nodes[node].platform.as_ref();
        if platform.is_none_or(zzw_push_proto::platform::Platform::is_fenced) {
            return Err(format!("I5: {process} is fenced, and sends {mid:?}"));
        }
        let end = self.redis.leases.get(&NodeId(process));
        if end.is_none_or(|end| *end < now + self.plan.lease.fence) {
            return Err(format!(
                "I5: {process} sends {mid:?} when its lease is about to end, or has"
            ));
        }
        let link = &self.links[nth];
        if link.is_doubtful {
            return Err(format!(
                "I5: {process} has its lease again, and sends {mid:?} before it has asked"
            ));
        }
        let epoch = link.epoch.ok_or("a link without an epoch is sent to")?;
        if let Some(ended) = self.redis.ended(link.phone, epoch) {
            self.stats.stale += 1;
            if now > ended + self.plan.overlap() {
                return Err(format!(
                    "I5: {process} sends {mid:?} in epoch {epoch}, which has been over for {} ms",
                    (now - ended).as_millis()
                ));
            }
        }
        Ok(())
    }

    /// What a node counts is true (I6) and within its limits (I3).
    pub(super) fn check_node(&self, nth: usize) -> Result<(), String> {
        let node = &self.nodes[nth];
        let Some(platform) = &node.platform else {
            return Ok(());
        };
        let counters = platform.snapshot();
        // Counting takes longer than what happens between, and what is wrong stays wrong.
        if self.stats.steps % 8 == 0 {
            let recount = platform.recount();
            if counters != recount {
                return Err(format!("I6: counted {counters:?}, there are {recount:?}"));
            }
        }
        let window = self.plan.broker.window * usize::try_from(counters.online).unwrap();
        // Frames that wait for a claim are bounded by themselves, and bodies here are short.
        let waiting = 300 * self.plan.broker.max_waiting;
        let links = usize::try_from(counters.tcp_links + counters.socketio_links).unwrap();
        let most = self.plan.broker.max_held.saturating_add(waiting * links);
        if counters.unacked > window || counters.held_bytes > most {
            return Err(format!("I3: too much is held: {counters:?}"));
        }
        Ok(())
    }
}
