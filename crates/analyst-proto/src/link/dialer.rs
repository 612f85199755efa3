//! The connection to the broker: when to ask where it is, when to connect, when to wait.

use super::backoff::Backoff;
use super::{Down, ExchangeId, HangUp, LinkConfig, Login};
use crate::wire::{ClientId, Text};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Keeps one connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dialer {
    phase: Phase,
    source: Source,
    login: Option<Login>,
    retry: Backoff,
    auth_retry: Backoff,
    steady_after: Duration,
    open_timeout: Duration,
    failed_opens: u32,
    lost: VecDeque<Instant>, // when connections broke lately
    exchanges: u64,
}

/// What a machine does about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Until then.
    Waiting(Instant),
    /// Asks the server where the broker is, until then.
    Fetching(ExchangeId, Instant),
    /// Connects, until then.
    Opening(Instant),
    /// Connected, since then.
    Up(Instant),
    /// For good.
    Closed,
}

/// Where the login comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    /// It is configured, and stays.
    Fixed,
    /// The server is asked, and again after so many connections in a row have failed.
    Server { timeout: Duration, again_after: u32 },
}

/// A dialer at one moment, but for the chance in its delays: two that are equal go on alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DialerSnapshot {
    phase: PhaseSnapshot,
    host: Option<(Text, ClientId)>,
    delays: [Duration; 2], // the next ones
    failed_opens: u32,
    lost: Vec<Duration>, // how long ago
}

/// A phase, with how long it still lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum PhaseSnapshot {
    Waiting(Duration),
    Fetching(Duration),
    Opening(Duration),
    /// And how long it has lasted, as far as that matters.
    Up(Duration),
    Closed,
}

/// What is to be done, or has happened, when a timer fires.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dialled {
    /// Ask the server.
    Fetch(ExchangeId),
    /// The server did not answer in time.
    FetchTimedOut,
    /// Connect.
    Open(Login),
    /// The broker did not answer in time: hang up.
    OpenTimedOut,
}

/// So many broken connections within [`LinkConfig::steady_after`] make one think that another client
/// has our identifier.
const SUSPICIOUS: usize = 3;

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Dialer {
    /// Connects with a login that does not change.
    pub(crate) fn fixed(now: Instant, config: &LinkConfig, seed: u64, login: Login) -> Self {
        Self::new(now, config, seed, Source::Fixed, Some(login))
    }

    /// Asks the server for its login.
    pub(crate) fn asking(
        now: Instant,
        config: &LinkConfig,
        seed: u64,
        timeout: Duration,
        again_after: u32,
    ) -> Self {
        let source = Source::Server {
            timeout,
            again_after,
        };
        Self::new(now, config, seed, source, None)
    }

    fn new(
        now: Instant,
        config: &LinkConfig,
        seed: u64,
        source: Source,
        login: Option<Login>,
    ) -> Self {
        Self {
            phase: Phase::Waiting(now),
            source,
            login,
            retry: Backoff::new(config.backoff_min, config.backoff_max, seed),
            auth_retry: Backoff::new(config.auth_backoff_min, config.auth_backoff_max, !seed),
            open_timeout: config.open_timeout,
            steady_after: config.steady_after,
            failed_opens: 0,
            lost: VecDeque::new(),
            exchanges: 0,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    pub(crate) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting(due) | Phase::Fetching(_, due) | Phase::Opening(due) => Some(due),
            Phase::Up(_) | Phase::Closed => None,
        }
    }

    /// What is due at `now`. To be asked until there is nothing.
    pub(crate) fn fire(&mut self, now: Instant) -> Option<Dialled> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        match self.phase {
            Phase::Waiting(_) => Some(self.dial(now)),
            Phase::Fetching(..) => {
                self.wait(now);
                Some(Dialled::FetchTimedOut)
            }
            Phase::Opening(_) => {
                self.open_failed();
                self.wait(now);
                Some(Dialled::OpenTimedOut)
            }
            Phase::Up(_) | Phase::Closed => None,
        }
    }

    fn dial(&mut self, now: Instant) -> Dialled {
        match (&self.login, self.source) {
            (None, Source::Server { timeout, .. }) => {
                self.exchanges = self.exchanges.saturating_add(1);
                let exchange = ExchangeId(self.exchanges);
                self.phase = Phase::Fetching(exchange, later(now, timeout));
                Dialled::Fetch(exchange)
            }
            (Some(login), _) => {
                let login = login.clone();
                self.phase = Phase::Opening(later(now, self.open_timeout));
                Dialled::Open(login)
            }
            // A fixed login is never let go of.
            (None, Source::Fixed) => {
                self.wait(now);
                Dialled::OpenTimedOut
            }
        }
    }

    /// True if this exchange is the one that is waited for.
    pub(crate) fn is_fetching(&self, exchange: ExchangeId) -> bool {
        matches!(self.phase, Phase::Fetching(expected, _) if expected == exchange)
    }

    /// The server told where the broker is.
    pub(crate) fn fetched(&mut self, now: Instant, login: Login) {
        self.failed_opens = 0;
        self.login = Some(login);
        self.phase = Phase::Waiting(now);
    }

    /// The server did not tell; `is_refused` if it will not tell us soon either.
    pub(crate) fn not_fetched(&mut self, now: Instant, is_refused: bool) {
        if is_refused {
            self.wait_long(now);
        } else {
            self.wait(now);
        }
    }

    /// False if no connection was being made.
    pub(crate) fn connected(&mut self, now: Instant) -> bool {
        if !matches!(self.phase, Phase::Opening(_)) {
            return false;
        }
        self.failed_opens = 0;
        self.phase = Phase::Up(now);
        true
    }

    /// The connection is gone. `None` if there was none; else true if it is likely that another
    /// client has our identifier.
    pub(crate) fn disconnected(&mut self, now: Instant, why: Down) -> Option<bool> {
        match self.phase {
            Phase::Opening(_) => self.open_failed(),
            Phase::Up(since) => self.lived(now, since),
            Phase::Waiting(_) | Phase::Fetching(..) | Phase::Closed => return None,
        }
        if why == Down::BadCredentials {
            self.forget_login();
            self.wait_long(now);
            return Some(false);
        }
        let was_up = why == Down::Lost && self.failed_opens == 0;
        //= docs/spec/analyst-proto.md#link
        //# A machine MUST wait as long as `steady_after` after its connection has broken three times
        //# within that time, and report that another client is likely to have its identifier.
        let is_suspicious = was_up && self.note_lost(now);
        if is_suspicious {
            self.phase = Phase::Waiting(later(now, self.steady_after));
        } else {
            self.wait(now);
        }
        Some(is_suspicious)
    }

    /// We have hung up. If nothing was wrong, there is no reason to wait longer each time.
    pub(crate) fn hung_up(&mut self, now: Instant, why: HangUp) {
        let Phase::Up(since) = self.phase else {
            return;
        };
        self.lived(now, since);
        if why.is_deliberate() {
            self.phase = Phase::Waiting(later(now, self.retry.shortest()));
        } else {
            self.wait(now);
        }
    }

    pub(crate) fn close(&mut self) {
        self.phase = Phase::Closed;
    }

    /// What it is at `now`, with times relative to that.
    pub(crate) fn snapshot(&self, now: Instant) -> DialerSnapshot {
        let again_after = match self.source {
            Source::Fixed => 1,
            Source::Server { again_after, .. } => again_after,
        };
        let ages = self
            .lost
            .iter()
            .map(|&at| now.saturating_duration_since(at));
        DialerSnapshot {
            phase: self.phase_snapshot(now),
            host: self
                .login
                .as_ref()
                .map(|login| (login.host.clone(), login.client_id.clone())),
            delays: [self.retry.base(), self.auth_retry.base()],
            failed_opens: self.failed_opens.min(again_after),
            lost: ages.filter(|&age| age < self.steady_after).collect(),
        }
    }

    fn phase_snapshot(&self, now: Instant) -> PhaseSnapshot {
        match self.phase {
            Phase::Waiting(due) => PhaseSnapshot::Waiting(due.saturating_duration_since(now)),
            Phase::Fetching(_, due) => PhaseSnapshot::Fetching(due.saturating_duration_since(now)),
            Phase::Opening(due) => PhaseSnapshot::Opening(due.saturating_duration_since(now)),
            Phase::Up(since) => {
                let is_fresh = self.retry.is_fresh() && self.auth_retry.is_fresh();
                let age = now.saturating_duration_since(since).min(self.steady_after);
                PhaseSnapshot::Up(if is_fresh { Duration::ZERO } else { age })
            }
            Phase::Closed => PhaseSnapshot::Closed,
        }
    }

    /// A connection that has held is a success; one that breaks at once is none.
    fn lived(&mut self, now: Instant, since: Instant) {
        if now.saturating_duration_since(since) >= self.steady_after {
            self.retry.reset();
            self.auth_retry.reset();
        }
    }

    fn note_lost(&mut self, now: Instant) -> bool {
        let steady_after = self.steady_after;
        self.lost
            .retain(|&at| now.saturating_duration_since(at) < steady_after);
        self.lost.push_back(now);
        let is_suspicious = self.lost.len() >= SUSPICIOUS;
        if is_suspicious {
            self.lost.clear();
        }
        is_suspicious
    }

    fn open_failed(&mut self) {
        self.failed_opens = self.failed_opens.saturating_add(1);
        if let Source::Server { again_after, .. } = self.source {
            if self.failed_opens >= again_after {
                self.forget_login();
            }
        }
    }

    fn forget_login(&mut self) {
        if self.source != Source::Fixed {
            self.login = None;
        }
    }

    fn wait(&mut self, now: Instant) {
        self.phase = Phase::Waiting(later(now, self.retry.next()));
    }

    //= docs/spec/analyst-proto.md#link
    //# A machine MUST wait from `auth_backoff_min` on before it uses credentials again that the
    //# broker has refused.
    fn wait_long(&mut self, now: Instant) {
        self.phase = Phase::Waiting(later(now, self.auth_retry.next()));
    }
}

/// Later than `now`. A delay that no clock reaches is a century.
fn later(now: Instant, delay: Duration) -> Instant {
    let delay = delay.clamp(Duration::from_millis(1), CENTURY);
    now.checked_add(delay).unwrap_or(now)
}
