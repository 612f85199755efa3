//! What a search is about: how much may happen, and how much may go wrong.

use std::fmt;
use std::time::Duration;

/// The circumstances of one search.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub name: &'static str,
    pub budgets: Budgets,
    /// By how much the second node renews its lease later than the first one.
    pub shift: Duration,
    /// What nobody waits for (renewals, acknowledgements, releases) is carried out and answered at
    /// once, unless the store is out of reach.
    pub hurries: bool,
    /// The store carries out at once whatever it is asked for; the answers take their time.
    pub is_eager: bool,
    /// The device may leave its link for another one to the same node, too.
    pub is_restless: bool,
    /// Time passes only when nothing is under way that nothing holds up.
    pub is_prompt: bool,
    /// Goes down before it goes on, which takes little memory and finds no shortest ways.
    pub is_deep: bool,
    /// Links are closed when their node has been without a lease for so long.
    pub leave_after: Duration,
    pub saboteur: Saboteur,
}

/// How often each thing may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budgets {
    /// A message is published.
    pub messages: u8,
    /// The device connects to the other node although it has a link.
    pub moves: u8,
    /// The store says of a request that it has failed; it may have done it.
    pub failures: u8,
    /// What one node tells the other is lost, and `Missed` follows.
    pub losses: u8,
    /// A node stands still for longer than its lease.
    pub pauses: u8,
    /// A node cannot reach the store.
    pub outages: u8,
    /// A node is killed, and started anew.
    pub crashes: u8,
    /// A node is closed, and started anew.
    pub ends: u8,
}

/// A rule of the design taken out, in the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saboteur {
    None,
    /// The machine takes its lease for longer than the store does.
    LongLease,
    /// Nobody hears of epochs: those that are read are 0, and kicks are dropped.
    NoEpochs,
    /// A message is said to be kept before it is.
    EarlyAnswer,
    /// A node that is gone stays listed.
    GoneStays,
    /// What is lost is lost without a word.
    NoMissed,
    /// Whoever takes an alias from a dead node leaves its epoch as it is.
    SweepKeepsEpoch,
}

/// How much is explored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effort {
    /// What takes some seconds without optimisation.
    Usual,
    /// What takes some minutes with it.
    Full,
    /// What takes some minutes more.
    Long,
}

impl Effort {
    pub(crate) fn of_this_run() -> Self {
        match std::env::var("EXHAUSTIVE").as_deref() {
            Ok("full") => Self::Full,
            Ok("long") => Self::Long,
            _ => Self::Usual,
        }
    }
}

/// How long the store keeps a lease.
pub(crate) const LENGTH: Duration = Duration::from_secs(3);

/// How long before its end a node sends nothing that is kept any more.
pub(crate) const FENCE: Duration = Duration::from_secs(1);

/// How often a lease is renewed. As long as the pause before a request that has failed is made again,
/// so that deadlines coincide.
pub(crate) const RENEW_EVERY: Duration = Duration::from_secs(1);

/// What is due later than that never comes.
pub(crate) const HORIZON: Duration = Duration::from_secs(3_600);

impl Plan {
    /// So many messages, and nothing that goes wrong.
    pub(crate) fn new(name: &'static str, messages: u8) -> Self {
        Self {
            name,
            budgets: Budgets {
                messages,
                moves: 0,
                failures: 0,
                losses: 0,
                pauses: 0,
                outages: 0,
                crashes: 0,
                ends: 0,
            },
            shift: Duration::ZERO,
            hurries: true,
            is_eager: false,
            is_restless: false,
            is_prompt: false,
            is_deep: false,
            leave_after: Duration::from_secs(1 << 30),
            saboteur: Saboteur::None,
        }
    }

    pub(crate) fn moving(mut self, moves: u8) -> Self {
        self.budgets.moves = moves;
        self
    }

    pub(crate) fn failing(mut self, failures: u8) -> Self {
        self.budgets.failures = failures;
        self
    }

    pub(crate) fn losing(mut self, losses: u8) -> Self {
        self.budgets.losses = losses;
        self
    }

    pub(crate) fn pausing(mut self, pauses: u8) -> Self {
        self.budgets.pauses = pauses;
        self
    }

    pub(crate) fn cut_off(mut self, outages: u8) -> Self {
        self.budgets.outages = outages;
        self
    }

    pub(crate) fn crashing(mut self, crashes: u8) -> Self {
        self.budgets.crashes = crashes;
        self
    }

    pub(crate) fn ending(mut self, ends: u8) -> Self {
        self.budgets.ends = ends;
        self
    }

    /// With nodes that do not renew their leases at the same time.
    pub(crate) fn shifted(mut self) -> Self {
        self.shift = RENEW_EVERY / 2;
        self
    }

    /// With every order of everything.
    pub(crate) fn unhurried(mut self) -> Self {
        self.hurries = false;
        self
    }

    /// With a store that does at once what it is asked for, unless it is out of reach, in a prompt world.
    pub(crate) fn eager(mut self) -> Self {
        self.is_eager = true;
        self.prompt()
    }

    /// With a device that also connects to where it is.
    pub(crate) fn restless(mut self) -> Self {
        self.is_restless = true;
        self
    }

    /// With a store and nodes that take no time, unless they are out of reach or stand still.
    pub(crate) fn prompt(mut self) -> Self {
        self.is_prompt = true;
        self
    }

    /// For more states than have room side by side.
    pub(crate) fn deep(mut self) -> Self {
        self.is_deep = true;
        self
    }

    /// With nodes that send their links away.
    pub(crate) fn leaving(mut self) -> Self {
        self.leave_after = RENEW_EVERY;
        self
    }

    pub(crate) fn spoiled(mut self, saboteur: Saboteur) -> Self {
        self.saboteur = saboteur;
        self
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Budgets {
            messages,
            moves,
            failures,
            losses,
            pauses,
            outages,
            crashes,
            ends,
        } = self.budgets;
        write!(
            f,
            "{messages} messages, M{moves} F{failures} L{losses} P{pauses} O{outages} C{crashes} \
             E{ends}"
        )?;
        let marks = [
            (self.shift > Duration::ZERO, "shifted"),
            (!self.hurries, "unhurried"),
            (self.is_eager, "eager"),
            (self.is_prompt && !self.is_eager, "prompt"),
            (self.is_restless, "restless"),
            (self.leave_after < HORIZON, "leaving"),
        ];
        for (_, mark) in marks.iter().filter(|(is_on, _)| *is_on) {
            write!(f, ", {mark}")?;
        }
        write!(f, " ({})", self.name)
    }
}
