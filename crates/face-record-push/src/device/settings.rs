//! Where records go: the configuration API and the owner change it, the store keeps it.

use super::ledger::Pending;
use super::life::Life;
use super::{Device, Event, Op, Output};
use crate::{Ask, AskError, AskReply, Dest, ExchangeId, Subscription};
use std::collections::VecDeque;
use std::sync::Arc;

/// The configuration in force, the one that is being kept, and those that wait for that.
#[derive(Debug)]
pub(super) struct Settings {
    current: Subscription,
    wanted: Option<(Subscription, Asker)>,
    waiting: VecDeque<(Change, Asker)>,
}

/// Who wants a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Api(ExchangeId),
    /// Was answered, or hung up.
    Gone,
    Owner,
}

#[derive(Debug)]
enum Change {
    Whole(Subscription),
    Parts {
        dest: Option<Arc<Dest>>,
        is_enabled: Option<bool>,
    },
}

impl Settings {
    pub(super) fn new(current: Subscription) -> Self {
        Self {
            current,
            wanted: None,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn current(&self) -> &Subscription {
        &self.current
    }

    pub(super) fn unasked(&mut self, exchange: ExchangeId) {
        let wanted = self.wanted.iter_mut().map(|(_, asker)| asker);
        let waiting = self.waiting.iter_mut().map(|(_, asker)| asker);
        for asker in wanted.chain(waiting) {
            if *asker == Asker::Api(exchange) {
                *asker = Asker::Gone;
            }
        }
    }

    fn is_full(&self, max: usize) -> bool {
        let wanted = usize::from(self.wanted.is_some());
        self.waiting.len().saturating_add(wanted) >= max
    }

    fn with(&self, change: Change) -> Subscription {
        match change {
            Change::Whole(subscription) => subscription,
            //= docs/spec/face-record-push.md#subscription
            //# The terminal MUST leave a member of its configuration as it is where a change does not name it.
            Change::Parts { dest, is_enabled } => Subscription {
                dest: dest.or_else(|| self.current.dest.clone()),
                is_enabled: is_enabled.unwrap_or(self.current.is_enabled),
            },
        }
    }
}

impl Device {
    pub(super) fn asked(&mut self, exchange: ExchangeId, ask: Ask) {
        self.counters.asked = self.counters.asked.saturating_add(1);
        match self.answer_or_queue(exchange, ask) {
            Ok(()) => {}
            Err(reply) => self.out.push_back(Output::Answer(exchange, reply)),
        }
    }

    pub(super) fn misasked(&mut self, exchange: ExchangeId, error: AskError) {
        self.counters.asked = self.counters.asked.saturating_add(1);
        let reply = AskReply::failure(400, error.to_string());
        self.out.push_back(Output::Answer(exchange, reply));
    }

    /// `Err` is an answer that can be given at once.
    fn answer_or_queue(&mut self, exchange: ExchangeId, ask: Ask) -> Result<(), AskReply> {
        let Ask::Change {
            event_dest,
            is_enabled,
        } = ask
        else {
            let current = self.settings.current.clone();
            //= docs/spec/face-record-push.md#subscription
            //# The terminal MUST answer a question for its configuration with null only if its own settings say so.
            return Err(AskReply::ok((!self.config.literal_null).then_some(current)));
        };
        match self.life {
            Life::Running => {}
            Life::Paused => return Err(AskReply::failure(503, BROKEN)),
            Life::Closing(_) | Life::Closed => return Err(AskReply::failure(503, CLOSING)),
        }
        let policy = &self.config.dest_policy;
        let checked = |url: String| {
            let dest = Dest::parse(&url)?;
            policy.check(&dest)?;
            Ok(Arc::new(dest))
        };
        let dest = event_dest
            .map(checked)
            .transpose()
            //= docs/spec/face-record-push.md#subscription
            //# The terminal MUST answer an invalid change with code 400 and leave its configuration as it is.
            .map_err(|error: crate::DestError| AskReply::failure(400, error.to_string()))?;
        //= docs/spec/face-record-push.md#subscription
        //# The terminal MUST answer a change with code 503 while `max_questions` wait for the store.
        if self.settings.is_full(self.config.max_questions) {
            return Err(AskReply::failure(
                503,
                "too many questions; ask again later",
            ));
        }
        let change = Change::Parts { dest, is_enabled };
        self.settings
            .waiting
            .push_back((change, Asker::Api(exchange)));
        Ok(())
    }

    pub(super) fn change(&mut self, subscription: Subscription) -> Result<(), Subscription> {
        if self.settings.is_full(self.config.max_questions) {
            return Err(subscription);
        }
        let change = (Change::Whole(subscription), Asker::Owner);
        self.settings.waiting.push_back(change);
        Ok(())
    }

    /// Has the next change kept. One at a time: what it leaves out stays as the one before it left
    /// it, and that is known only then.
    pub(super) fn ask_to_configure(&mut self) {
        if self.settings.wanted.is_some() {
            return;
        }
        if let Some((change, asker)) = self.settings.waiting.pop_front() {
            let wanted = self.settings.with(change);
            self.settings.wanted = Some((wanted.clone(), asker));
            self.ask_store(Pending::Configure, Op::Configure(wanted));
        }
    }

    pub(super) fn configured(&mut self) {
        //= docs/spec/face-record-push.md#subscription
        //# The terminal MUST keep a change before it answers it with code 200.
        let Some((wanted, asker)) = self.settings.wanted.take() else {
            return;
        };
        let old = std::mem::replace(&mut self.settings.current, wanted.clone());
        if old.active_dest() != wanted.active_dest() {
            self.sending.start_afresh();
            self.sending.forget_refusals();
        }
        if let Asker::Api(exchange) = asker {
            let reply = AskReply::ok(None);
            self.out.push_back(Output::Answer(exchange, reply));
        }
        self.say(Event::Configured(wanted));
    }

    /// The store had no room for the change: the old configuration stays.
    pub(super) fn not_configured(&mut self) {
        if let Some((wanted, asker)) = self.settings.wanted.take() {
            self.turn_down(
                wanted,
                asker,
                "no room on the disk; make some, then ask again",
            );
        }
    }

    /// Answers every question that waits: nothing will come of it, or nobody knows what.
    pub(super) fn abandon_questions(&mut self, why: &str) {
        self.abandon_waiting_questions(why);
        if let Some((_, asker)) = &mut self.settings.wanted {
            if let Asker::Api(exchange) = *asker {
                *asker = Asker::Gone;
                self.fail(exchange, why);
            }
        }
    }

    pub(super) fn abandon_waiting_questions(&mut self, why: &str) {
        for (change, asker) in std::mem::take(&mut self.settings.waiting) {
            match asker {
                Asker::Api(exchange) => self.fail(exchange, why),
                Asker::Gone => {}
                Asker::Owner => self.settings.waiting.push_back((change, asker)),
            }
        }
    }

    /// Gives the owner's changes up that were not kept.
    pub(super) fn abandon_change(&mut self) {
        if let Some((wanted, asker)) = self.settings.wanted.take() {
            self.turn_down(wanted, asker, CLOSING);
        }
        for (change, asker) in std::mem::take(&mut self.settings.waiting) {
            let wanted = self.settings.with(change);
            self.turn_down(wanted, asker, CLOSING);
        }
    }

    /// The store is open again and holds `kept`.
    pub(super) fn settle_settings(&mut self, kept: &Subscription) {
        match self.settings.wanted.take() {
            Some((wanted, asker)) if wanted == *kept => {
                self.settings.wanted = Some((wanted, asker));
                self.configured();
            }
            Some((wanted, Asker::Owner)) => {
                let change = (Change::Whole(wanted), Asker::Owner);
                self.settings.waiting.push_front(change);
            }
            // Whoever asked was told that it failed, so what is in force has to be there.
            _ if self.settings.current != *kept => {
                let change = Change::Whole(self.settings.current.clone());
                self.settings.waiting.push_front((change, Asker::Owner));
            }
            _ => {}
        }
    }

    fn turn_down(&mut self, wanted: Subscription, asker: Asker, why: &str) {
        match asker {
            Asker::Api(exchange) => self.fail(exchange, why),
            Asker::Gone => {}
            Asker::Owner => self.say(Event::NotConfigured(wanted)),
        }
    }

    fn fail(&mut self, exchange: ExchangeId, why: &str) {
        let reply = AskReply::failure(503, why);
        self.out.push_back(Output::Answer(exchange, reply));
    }
}

pub(super) const CLOSING: &str = "the terminal is shutting down; ask again later";
pub(super) const BROKEN: &str = "the store is broken; ask again when it is open";
