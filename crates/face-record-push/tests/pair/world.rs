//! One session: terminals, a network, a receiver, and everything between them in bytes.

mod network;
mod receiver;
mod terminal;
mod trouble;

use crate::application::Application;
use crate::journal::Journal;
use crate::plan::{Plan, Saboteur, Weather};
use face_record_push::device::{self, AttemptId};
use face_record_push::platform::{self, Platform};
use face_record_push::{ExchangeId, UnixMillis};
use network::{Outcome, Request};
use receiver::Exchange;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::{Duration, Instant};
use terminal::Terminal;
use testkit::campaign::Session;
use testkit::{Rng, Schedule, Trace, epoch};

/// The receiver's wall clock when a session starts.
const START: UnixMillis = UnixMillis(1_700_000_000_000);

pub(crate) struct World {
    plan: Plan,
    saboteur: Saboteur,
    schedule: Schedule<Happening>,
    chance: Rng,
    terminals: Vec<Terminal>,
    platform: Option<Platform>,
    /// Counts the receiver's processes, so that news for an old one is dropped.
    process: u64,
    /// Outputs the receiver still gets to hand out before it is killed.
    doomed: Option<u64>,
    journal: Journal,
    app: Application,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    next_exchange: u64,
    network_is_up: bool,
    proxy_answers: bool,
    wake: Option<Instant>,
    /// Which store fails, and after how many requests.
    failing: Option<(StoreFault, u64)>,
    healed: Option<Instant>,
    stats: Stats,
    trace: Option<Trace>,
    narrates: bool,
}

/// What a session came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub recorded: u64,
    pub refused: u64,
    pub delivered: u64,
    pub repeated: u64,
    pub lost: u64,
    pub buried: u64,
    pub power_cuts: u64,
    pub crashes: u64,
    pub store_failures: u64,
    pub journal_failures: u64,
    pub trace: u64,
}

/// A request to a store that fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoreFault {
    FlashFull,
    FlashBroken,
    JournalFull,
    JournalBroken,
}

#[derive(Debug)]
enum Happening {
    Capture(usize),
    Trouble,
    NetworkHeals,
    ProxyGoes,
    Heal,
    /// Somebody looks whether everything has settled.
    Look,
    RequestArrives(Request),
    BodyArrives(u64, ExchangeId),
    ConnectionBreaks(u64, ExchangeId),
    AnswerArrives(usize, u64, AttemptId, Outcome),
    FlashCommits(usize, u64),
    FlashFrees(usize),
    FlashOpens(usize, u64),
    PowerReturns(usize),
    Switch(usize, bool),
    JournalCommits(u64),
    JournalFrees,
    JournalOpens(u64),
    ReceiverStarts,
    /// For timers that have been armed anew meanwhile, they come to nothing.
    WakeTerminal(usize, Instant),
    WakeReceiver(Instant),
}

impl Session for World {
    type Stats = Stats;

    fn narrate(&mut self) {
        println!("{:#?}", self.plan);
        self.narrates = true;
    }

    fn trace(&mut self) {
        self.trace = Some(Trace::default());
    }

    /// Runs until the world has healed and everything has settled.
    fn run(mut self) -> Result<Stats, String> {
        self.start_receiver()?;
        for nth in 0..self.terminals.len() {
            self.power_on(nth)?;
            self.after(self.plan.pace * 2, Happening::Capture(nth));
        }
        if !self.plan.kinds.is_empty() {
            self.after(self.plan.trouble, Happening::Trouble);
        }
        let span = self.plan.records * self.plan.pace + 5_000;
        self.schedule
            .after(Duration::from_millis(span), Happening::Heal);
        self.schedule
            .after(Duration::from_millis(span + 3_001), Happening::Look);
        let total = self.plan.records * self.plan.terminals as u64;
        let mut steps = 0_u64;
        loop {
            let happening = self.schedule.take().ok_or("nothing happens any more")?;
            if self.has_settled()? {
                break;
            }
            steps += 1;
            if steps > 100_000 + 200 * total {
                return Err("the session spins".to_owned());
            }
            let is_timer = matches!(
                happening,
                Happening::WakeTerminal(..) | Happening::WakeReceiver(_)
            );
            // Every run has an epoch of its own.
            if !is_timer {
                self.note(&happening);
            }
            self.happen(happening)?;
        }
        self.finish()
    }
}

impl World {
    pub(crate) fn new(plan: Plan, saboteur: Saboteur) -> Self {
        let now = epoch();
        let terminals = (0..plan.terminals)
            .map(|_| Terminal::new(&plan, saboteur))
            .collect();
        Self {
            schedule: Schedule::new(now),
            chance: Rng::new(plan.seed).stream("world"),
            terminals,
            platform: None,
            process: 0,
            doomed: None,
            journal: Journal::new(saboteur),
            app: Application::default(),
            exchanges: BTreeMap::new(),
            next_exchange: 0,
            network_is_up: true,
            proxy_answers: false,
            wake: None,
            failing: None,
            healed: None,
            stats: Stats::default(),
            trace: None,
            narrates: false,
            plan,
            saboteur,
        }
    }

    /// Cuts the first terminal's power and kills the receiver after so many things that they ask for.
    pub(crate) fn stop_after(&mut self, terminal: u64, receiver: u64) {
        self.terminals[0].doomed = Some((terminal, true));
        self.doomed = Some(receiver);
    }

    /// Lets a request to the first terminal's or the receiver's store fail, after so many.
    pub(crate) fn fail_store(&mut self, fault: StoreFault, after: u64) {
        self.failing = Some((fault, after));
    }

    /// True if this is the request that fails, to the terminals' stores or to the receiver's.
    fn fails_now(&mut self, is_flash: bool) -> Option<StoreFault> {
        let (fault, left) = self.failing.as_mut()?;
        let of_flash = matches!(fault, StoreFault::FlashFull | StoreFault::FlashBroken);
        if of_flash != is_flash {
            return None;
        }
        if *left == 0 {
            return self.failing.take().map(|(fault, _)| fault);
        }
        *left -= 1;
        None
    }

    /// True once nothing is under way any more. An error half an hour after all has healed.
    fn has_settled(&mut self) -> Result<bool, String> {
        let Some(healed) = self.healed else {
            return Ok(false);
        };
        let since = self.schedule.now().saturating_duration_since(healed);
        if since > Duration::from_secs(1_800) {
            let owing = self
                .terminals
                .iter()
                .position(|terminal| !terminal.is_drained());
            return Err(format!(
                "half an hour after all healed, {owing:?} still waits"
            ));
        }
        let is_quiet = self.exchanges.is_empty()
            && self.journal.is_idle()
            && self.platform.is_some()
            && self.terminals.iter().all(Terminal::is_drained);
        Ok(is_quiet && since > Duration::from_secs(3))
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        let now = self.schedule.now();
        match happening {
            Happening::Capture(nth) => self.capture(nth)?,
            Happening::Trouble => self.make_trouble()?,
            Happening::NetworkHeals => {
                self.network_is_up = true;
                for nth in 0..self.terminals.len() {
                    self.tell_terminal(nth, device::Input::Connected)?;
                }
            }
            Happening::ProxyGoes => self.proxy_answers = false,
            Happening::Heal => self.heal(),
            Happening::Look => self
                .schedule
                .after(Duration::from_secs(30), Happening::Look),
            Happening::RequestArrives(request) => self.request_arrives(request)?,
            Happening::BodyArrives(process, id) if process == self.process => {
                self.body_arrives(id)?;
            }
            Happening::ConnectionBreaks(process, id)
                if process == self.process && self.exchanges.remove(&id).is_some() =>
            {
                self.tell_receiver(platform::Input::Disconnected(id))?;
            }
            Happening::AnswerArrives(nth, life, attempt, outcome)
                if self.terminals[nth].is_alive(life) =>
            {
                self.answer_arrives(nth, attempt, &outcome)?;
            }
            Happening::FlashCommits(nth, life) if self.terminals[nth].is_alive(life) => {
                self.flash_commits(nth)?;
            }
            Happening::FlashFrees(nth) => self.terminals[nth].flash.free(),
            Happening::FlashOpens(nth, life) if self.terminals[nth].is_alive(life) => {
                self.flash_opens(nth)?;
            }
            Happening::PowerReturns(nth) if self.terminals[nth].device.is_none() => {
                self.power_on(nth)?;
            }
            Happening::Switch(nth, on) => self.switch(nth, on)?,
            Happening::JournalCommits(process) if process == self.process => {
                self.journal_commits()?;
            }
            Happening::JournalFrees => self.journal.is_full = false,
            Happening::JournalOpens(process) if process == self.process => {
                self.journal_opens()?;
            }
            Happening::ReceiverStarts if self.platform.is_none() => self.start_receiver()?,
            Happening::WakeTerminal(nth, armed) if self.terminals[nth].wake == Some(armed) => {
                self.terminals[nth].wake = None;
                if self.saboteur != Saboteur::NoTimers
                    && let Some(device) = &mut self.terminals[nth].device
                {
                    device.handle_timeout(now);
                }
                self.settle_terminal(nth)?;
            }
            Happening::WakeReceiver(armed) if self.wake == Some(armed) => {
                self.wake = None;
                if let Some(platform) = &mut self.platform {
                    platform.handle_timeout(now);
                }
                self.settle_receiver()?;
            }
            _ => {} // too late for whom it was meant
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Stats, String> {
        self.app.settle();
        for (nth, terminal) in self.terminals.iter().enumerate() {
            let seen = self.app.seen(nth);
            let checked = terminal.ledger.check(seen, &terminal.flash);
            checked.map_err(|what| format!("terminal {nth}: {what}"))?;
            self.stats.delivered += seen.len() as u64;
        }
        let now = self.schedule.now();
        if let Some(platform) = &mut self.platform {
            platform.close(now);
        }
        self.settle_receiver()?;
        let silent = self.platform.as_mut().is_none_or(|platform| {
            platform.poll_output().is_none() && platform.poll_timeout().is_none()
        });
        if !silent {
            return Err("a closed receiver has more to say".to_owned());
        }
        self.stats.trace = self.trace.map_or(0, Trace::value);
        Ok(self.stats)
    }

    /// The receiver's wall clock.
    fn wall(&self) -> UnixMillis {
        START.plus(self.schedule.elapsed_millis())
    }

    fn after(&mut self, most: u64, happening: Happening) {
        let delay = self.chance.millis(0..=most);
        self.schedule.after(delay, happening);
    }

    fn way(&mut self, happening: Happening) {
        self.after(self.plan.latency, happening);
    }

    fn weather(&self) -> Weather {
        if self.healed.is_some() {
            return Weather::default();
        }
        self.plan.weather.clone()
    }

    fn note(&mut self, what: &impl std::fmt::Debug) {
        if self.narrates {
            println!("{:>9} {what:?}", self.schedule.elapsed_millis());
        }
        if let Some(trace) = &mut self.trace {
            trace.note(what);
        }
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.recorded += other.recorded;
        self.refused += other.refused;
        self.delivered += other.delivered;
        self.repeated += other.repeated;
        self.lost += other.lost;
        self.buried += other.buried;
        self.power_cuts += other.power_cuts;
        self.crashes += other.crashes;
        self.store_failures += other.store_failures;
        self.journal_failures += other.journal_failures;
        self.trace ^= other.trace;
    }
}
