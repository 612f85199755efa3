//! The store as one core of several uses it.

use crate::zzw::place::Store;
use crate::zzw::store::Figures;
use std::sync::Arc;
use zzw_push_proto::platform::{Input, Seq, StoreOp};

/// A store that cores share, or have each for itself. Each numbers its requests from 1 on; the upper
/// bits tell whose a request is.
#[derive(Debug, Clone)]
pub(super) struct Vault {
    store: Arc<Store>,
    shard: usize,
}

/// More requests than a core will ever make.
const SHIFT: u32 = 48;

impl Vault {
    pub(super) fn new(store: Arc<Store>, shard: usize) -> Self {
        Self { store, shard }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// How the store stands. Of one that several cores share only the first tells, so that nothing
    /// is counted twice.
    pub(super) fn figures(&self) -> Figures {
        if self.shard > 0 {
            return Figures::default();
        }
        self.store.figures()
    }

    /// The store, if nobody else has it.
    pub(super) fn into_store(self) -> Option<Store> {
        Arc::into_inner(self.store)
    }

    /// See [`Store::submit`].
    pub(super) fn submit(&self, seq: Seq, op: StoreOp) -> Option<Input> {
        let shard = (self.shard as u64) << SHIFT;
        let answer = self.store.submit(Seq(seq.0 | shard), op)?;
        Some(addressed(answer).1)
    }
}

/// To which core an answer goes, and what that is told; what is no answer goes to the first.
pub(super) fn addressed(input: Input) -> (usize, Input) {
    let split = |seq: Seq| {
        let shard = usize::try_from(seq.0 >> SHIFT).unwrap_or_default();
        (shard, Seq(seq.0 & ((1 << SHIFT) - 1)))
    };
    match input {
        Input::Stored(seq, reply) => {
            let (shard, seq) = split(seq);
            (shard, Input::Stored(seq, reply))
        }
        Input::StoreFailed(seq, error) => {
            let (shard, seq) = split(seq);
            (shard, Input::StoreFailed(seq, error))
        }
        other => (0, other),
    }
}
