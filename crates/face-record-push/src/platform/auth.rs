//! A terminal asks whether a person may pass.

use super::{Event, ExchangeState, Platform, RemoteAuth, Undecided, after};
use crate::{AuthDecision, AuthRequest, ExchangeId, Refused, Reply};
use std::time::Instant;

impl Platform {
    /// Answers a question that [`Event::RemoteAuth`] told of.
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] if it is answered already, has gone or was never asked,
    /// [`Refused::Closed`].
    #[expect(clippy::result_large_err, reason = "gives its value back")]
    pub fn decide(
        &mut self,
        now: Instant,
        id: ExchangeId,
        decision: AuthDecision,
    ) -> Result<(), Undecided> {
        self.handle_timeout(now);
        if self.is_closed() {
            return Err(Refused::Closed(decision));
        }
        //= docs/spec/face-record-push.md#remote-auth
        //# A decision that comes too late MUST be given back.
        if self.exchange(id) != ExchangeState::Deciding {
            return Err(Refused::Invalid(decision));
        }
        //= docs/spec/face-record-push.md#remote-auth
        //# A decision MUST be answered with status 200 and the decision in `pass`.
        self.finish(id, Reply::decision(decision));
        self.go_on(now);
        Ok(())
    }

    pub(super) fn asked(
        &mut self,
        now: Instant,
        id: ExchangeId,
        request: AuthRequest,
        is_trusted: bool,
    ) {
        let questions = &mut self.counters.remote_auth;
        *questions = questions.saturating_add(1);
        match self.config.remote_auth {
            RemoteAuth::Ask(limit) if is_trusted => {
                self.deciding(id, after(now, limit));
                self.tell(Event::RemoteAuth(id, request));
            }
            _ => self.undecided(id),
        }
    }

    //= docs/spec/face-record-push.md#remote-auth
    //# The receiver MUST NOT answer that a person may pass unless the application has decided so.
    //= docs/spec/face-record-push.md#remote-auth
    //# A question that is not to be asked or was not decided in time MUST be answered with status
    //# 503 and `pass` false.
    pub(super) fn undecided(&mut self, id: ExchangeId) {
        self.finish(id, Reply::decision(AuthDecision::undecided()));
    }
}
