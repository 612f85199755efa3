//! Calls that wait for their answers.

use super::Core;
use std::sync::Arc;
use tokio::sync::oneshot;
use zzw_push_proto::platform::{ExchangeId, Input};
use zzw_push_proto::rest::RestReply;

/// A REST call that waits for its answer. Dropped before, it is hung up.
pub(in super::super) struct Exchange {
    pub(super) core: Arc<Core>,
    pub(super) id: ExchangeId,
    pub(super) answer: oneshot::Receiver<RestReply>,
}

impl Exchange {
    /// The answer; `None` if the server ends first.
    pub(in super::super) async fn answered(mut self) -> Option<RestReply> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let (mut inner, now) = self.core.awake();
        if inner.calls.remove(&self.id).is_some() {
            inner.platform.handle_input(now, Input::HungUp(self.id));
            self.core.carry_out(inner);
        }
    }
}
