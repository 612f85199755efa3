//! What a device's store keeps: deliveries, in the order in which they were given.

use std::collections::{BTreeSet, VecDeque};
use zzw_push_proto::device::{Recovered, Seq};
use zzw_push_proto::platform::MessageId;
use zzw_push_proto::wire::Delivery;

/// What survives a power cut, and what is on its way there.
#[derive(Debug, Default)]
pub(crate) struct Flash {
    rows: Vec<MessageId>,
    kept: BTreeSet<MessageId>,
    last: Option<Seq>,
    pending: VecDeque<(Seq, Delivery)>,
}

impl Flash {
    /// Takes a request.
    pub(crate) fn ask(&mut self, seq: Seq, delivery: Delivery) {
        self.pending.push_back((seq, delivery));
    }

    /// The oldest request, to be carried out or refused.
    pub(crate) fn take(&mut self) -> Option<(Seq, Delivery)> {
        self.pending.pop_front()
    }

    /// Keeps a delivery. An error if it is there already.
    pub(crate) fn keep(&mut self, seq: Seq, mid: MessageId) -> Result<(), String> {
        if self.last.is_some_and(|last| last >= seq) {
            return Err(format!("{seq:?} comes behind {:?}", self.last));
        }
        self.last = Some(seq);
        self.rows.push(mid);
        if self.kept.insert(mid) {
            return Ok(());
        }
        Err(format!("{mid:?} is given to the application twice"))
    }

    pub(crate) fn holds(&self, mid: MessageId) -> bool {
        self.kept.contains(&mid)
    }

    /// True if it is kept or will be, as things are.
    pub(crate) fn knows(&self, mid: MessageId) -> bool {
        let is_it = |delivery: &Delivery| MessageId::of(&delivery.mid) == Some(mid);
        self.holds(mid) || self.pending.iter().any(|(_, delivery)| is_it(delivery))
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The power goes: what is pending is gone.
    pub(crate) fn stop(&mut self) {
        self.pending.clear();
    }

    pub(crate) fn recover(&self, remembered: usize) -> Recovered {
        let from = self.rows.len().saturating_sub(remembered);
        let mut recovered = Recovered::empty();
        recovered.next_seq = self.last.map_or(Seq(0), Seq::next);
        recovered.mids = self.rows[from..].iter().map(|mid| mid.to_mid()).collect();
        recovered
    }
}
