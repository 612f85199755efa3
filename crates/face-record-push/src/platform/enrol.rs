//! Telling terminals to push to us, and seeing to it that they still do.

use super::backoff::Backoff;
use super::{
    AskId, EnrolError, Event, Output, Platform, Terminal, TerminalAnswer, TerminalAsk, after,
};
use crate::{Refused, Subscription, Token};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The terminals enrolled, by the address of their API.
#[derive(Debug)]
pub(super) struct Enrolments {
    terminals: BTreeMap<Api, Enrolment>,
    /// Those whose turn it is to be asked, in order.
    ready: VecDeque<Api>,
    /// What is out, by number.
    asks: BTreeMap<AskId, Api>,
    due: BTreeSet<(Instant, Api)>,
    next_ask: AskId,
    enrolled: u64,
}

type Api = Arc<str>;

#[derive(Debug)]
struct Enrolment {
    terminal: Arc<Terminal>,
    wanted: Subscription,
    step: Step,
    due: Option<Instant>,
    token: Option<Token>,
    backoff: Backoff,
    /// The configuration was changed in this round.
    is_changed: bool,
    /// The application knows that it is enrolled.
    is_told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Ready,
    LoggingIn(AskId),
    Looking(AskId),
    Changing(AskId),
    Resting,
}

impl Platform {
    /// Sees to it that a terminal pushes to us: logs in if it has an account, looks at its
    /// configuration, changes it where it differs, and looks again. [`Event::Enrolled`] or
    /// [`Event::EnrolFailed`] follows. Enrolling a terminal again replaces its account and its
    /// subscription.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`] with [`Config::max_enrolled`](super::Config::max_enrolled) terminals or
    /// while [`Config::max_outputs`](super::Config::max_outputs) outputs wait, [`Refused::Closed`]
    /// also while closing.
    #[expect(clippy::result_large_err, reason = "gives its value back")]
    pub fn enrol(
        &mut self,
        now: Instant,
        terminal: Terminal,
        wanted: Subscription,
    ) -> Result<(), Refused<Terminal>> {
        self.handle_timeout(now);
        if self.is_closed() || self.is_closing() {
            return Err(Refused::Closed(terminal));
        }
        let api: Api = Arc::from(terminal.api.as_str());
        let enrolments = &mut self.enrolments;
        let is_known = enrolments.terminals.contains_key(&api);
        let is_one_too_many = !is_known && enrolments.terminals.len() >= self.config.max_enrolled;
        if is_one_too_many || self.out.len() >= self.config.max_outputs {
            return Err(Refused::Full(terminal));
        }
        enrolments.forget(&api);
        enrolments.enrolled = enrolments.enrolled.wrapping_add(1);
        let seed = self.config.seed ^ enrolments.enrolled.rotate_left(32);
        let enrolment = Enrolment {
            terminal: Arc::new(terminal),
            wanted,
            step: Step::Ready,
            due: None,
            token: None,
            backoff: Backoff::new(self.config.backoff_min, self.config.backoff_max, seed),
            is_changed: false,
            is_told: false,
        };
        enrolments.terminals.insert(Arc::clone(&api), enrolment);
        enrolments.ready.push_back(api);
        self.go_on(now);
        Ok(())
    }

    /// Looks after a terminal no longer. Its configuration stays as it is. False if it was not
    /// enrolled.
    pub fn forget(&mut self, now: Instant, terminal: &Terminal) -> bool {
        self.handle_timeout(now);
        let is_known = self.enrolments.forget(terminal.api.as_str());
        self.go_on(now);
        is_known
    }

    /// Begins with those whose turn it is.
    pub(super) fn ask_terminals(&mut self, now: Instant) {
        //= docs/spec/face-record-push.md#subscription
        //# The receiver MUST NOT have more than `max_enrolling` enrolments under way at a time.
        while self.enrolments.asks.len() < self.config.max_enrolling && !self.is_full() {
            let Some(api) = self.enrolments.ready.pop_front() else {
                return;
            };
            let Some(enrolment) = self.enrolments.terminals.get_mut(&api) else {
                continue;
            };
            enrolment.token = None;
            enrolment.is_changed = false;
            let has_account = enrolment.terminal.login.is_some();
            //= docs/spec/face-record-push.md#subscription
            //# The receiver MUST read the configuration of a terminal that it enrols before it
            //# changes it.
            let ask = if has_account {
                TerminalAsk::Login
            } else {
                TerminalAsk::GetConfig(None)
            };
            self.ask(now, &api, ask);
        }
    }

    pub(super) fn terminal_answered(&mut self, now: Instant, id: AskId, answer: TerminalAnswer) {
        let Some(api) = self.enrolments.asks.remove(&id) else {
            return;
        };
        let Some(enrolment) = self.enrolments.terminals.get_mut(&api) else {
            return;
        };
        let next = match (enrolment.step, answer) {
            (_, TerminalAnswer::Failed(error)) => Err(error),
            (Step::LoggingIn(_), TerminalAnswer::Token(token)) => {
                enrolment.token = Some(token);
                Ok(TerminalAsk::GetConfig(enrolment.token.clone()))
            }
            (Step::Looking(_), TerminalAnswer::Config(stated)) => {
                //= docs/spec/face-record-push.md#subscription
                //# The receiver MUST report a terminal as enrolled only once the terminal states the
                //# wanted configuration.
                if stated.as_ref() == Some(&enrolment.wanted) {
                    return self.enrolled(now, &api);
                }
                //= docs/spec/face-record-push.md#subscription
                //# The receiver MUST change the configuration of a terminal only where it differs
                //# from the wanted one.
                if enrolment.is_changed {
                    Err(EnrolError::NotTaken)
                } else {
                    enrolment.is_changed = true;
                    let wanted = enrolment.wanted.clone();
                    Ok(TerminalAsk::PutConfig(enrolment.token.clone(), wanted))
                }
            }
            (Step::Changing(_), TerminalAnswer::Taken) => {
                Ok(TerminalAsk::GetConfig(enrolment.token.clone()))
            }
            _ => Err(EnrolError::Garbled),
        };
        match next {
            Ok(ask) => self.ask(now, &api, ask),
            Err(error) => self.enrol_failed(now, &api, error),
        }
    }

    pub(super) fn fire_enrolments(&mut self, now: Instant) {
        while let Some((due, api)) = self.enrolments.due.first().cloned() {
            if due > now {
                return;
            }
            self.enrolments.arm(&api, None);
            let Some(enrolment) = self.enrolments.terminals.get_mut(&api) else {
                continue;
            };
            match enrolment.step {
                Step::LoggingIn(id) | Step::Looking(id) | Step::Changing(id) => {
                    self.enrolments.asks.remove(&id);
                    self.enrol_failed(now, &api, EnrolError::Unreachable);
                }
                Step::Resting => {
                    enrolment.step = Step::Ready;
                    self.enrolments.ready.push_back(api);
                }
                Step::Ready => {}
            }
        }
    }

    fn ask(&mut self, now: Instant, api: &Api, ask: TerminalAsk) {
        let enrolments = &mut self.enrolments;
        let Some(enrolment) = enrolments.terminals.get_mut(api) else {
            return;
        };
        let id = enrolments.next_ask;
        enrolments.next_ask = AskId(id.0.saturating_add(1));
        enrolment.step = match ask {
            TerminalAsk::Login => Step::LoggingIn(id),
            TerminalAsk::GetConfig(_) => Step::Looking(id),
            TerminalAsk::PutConfig(..) => Step::Changing(id),
        };
        let terminal = Arc::clone(&enrolment.terminal);
        enrolments.asks.insert(id, Arc::clone(api));
        enrolments.arm(api, after(now, self.config.ask_timeout));
        self.out.push_back(Output::Ask(id, terminal, ask));
    }

    fn enrolled(&mut self, now: Instant, api: &Api) {
        let Some(enrolment) = self.enrolments.terminals.get_mut(api) else {
            return;
        };
        enrolment.backoff.reset();
        let is_news = enrolment.is_changed || !enrolment.is_told;
        enrolment.is_told = true;
        let terminal = Arc::clone(&enrolment.terminal);
        //= docs/spec/face-record-push.md#subscription
        //# The receiver MUST look at the configuration of an enrolled terminal again every
        //# `verify_every` where that is configured.
        self.rest(now, api, self.config.verify_every);
        if is_news {
            self.tell(Event::Enrolled(terminal));
        }
    }

    fn enrol_failed(&mut self, now: Instant, api: &Api, error: EnrolError) {
        let Some(enrolment) = self.enrolments.terminals.get_mut(api) else {
            return;
        };
        enrolment.is_told = false;
        let terminal = Arc::clone(&enrolment.terminal);
        //= docs/spec/face-record-push.md#subscription
        //# The receiver MUST try a failed enrolment again after a delay drawn evenly between zero
        //# and a bound that doubles with each failure up to `backoff_max`.
        let delay = enrolment.backoff.next();
        self.rest(now, api, Some(delay));
        self.tell(Event::EnrolFailed(terminal, error));
    }

    fn rest(&mut self, now: Instant, api: &Api, wait: Option<Duration>) {
        if let Some(enrolment) = self.enrolments.terminals.get_mut(api) {
            enrolment.step = Step::Resting;
            enrolment.token = None;
        }
        let due = wait.and_then(|wait| after(now, wait));
        self.enrolments.arm(api, due);
    }
}

impl Enrolments {
    pub(super) fn new() -> Self {
        Self {
            terminals: BTreeMap::new(),
            ready: VecDeque::new(),
            asks: BTreeMap::new(),
            due: BTreeSet::new(),
            next_ask: AskId(1),
            enrolled: 0,
        }
    }

    /// When the next timer is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    fn forget(&mut self, api: &str) -> bool {
        let Some((api, enrolment)) = self.terminals.remove_entry(api) else {
            return false;
        };
        if let Some(due) = enrolment.due {
            self.due.remove(&(due, Arc::clone(&api)));
        }
        match enrolment.step {
            Step::LoggingIn(id) | Step::Looking(id) | Step::Changing(id) => {
                self.asks.remove(&id);
            }
            Step::Ready => self.ready.retain(|ready| *ready != api),
            Step::Resting => {}
        }
        true
    }

    fn arm(&mut self, api: &Api, due: Option<Instant>) {
        let Some(enrolment) = self.terminals.get_mut(api) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut enrolment.due, due) {
            self.due.remove(&(before, Arc::clone(api)));
        }
        self.due.extend(due.map(|due| (due, Arc::clone(api))));
    }
}
