//! What a search is about: how large the world is, and how much may go wrong in it.

use std::fmt;
use std::time::Duration;

/// The circumstances of one search.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub name: &'static str,
    pub analysts: usize,
    pub attempts: u32,
    pub order: Order,
    pub budgets: Budgets,
    /// The broker says so when it delivers a message again.
    pub says_again: bool,
    pub has_labels: bool,
    /// An analyser takes a TIMEOUT for an old one so long after a second START.
    pub guard: Duration,
    /// What no other message waits for is stored and acknowledged at once, unless there is a crash.
    pub hurries: bool,
    /// Goes all ways also once the application has learned the verdict, and not one.
    pub goes_on: bool,
    /// Goes down before it goes on, which takes little memory and finds no shortest ways.
    pub is_deep: bool,
    pub overtaking: Overtaking,
    pub saboteur: Saboteur,
}

/// In which order messages from one client to another arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Fifo,
    /// In any.
    Bag,
}

/// When it is wrong that a TIMEOUT ends a later attempt than its own at the same analyser. It costs a
/// chance to find out what was taken, and is no reason for a wrong verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overtaking {
    /// It is not looked at.
    Never,
    /// If the analyser was given both, and not by one message that came twice.
    OfStarts,
    /// Always.
    Always,
}

/// How often each thing may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budgets {
    /// A message is delivered twice.
    pub duplicates: u8,
    /// A message is lost that the broker has acknowledged.
    pub losses: u8,
    /// The dispatcher or an analyser is killed and comes back.
    pub crashes: u8,
    /// A TIMEOUT without the number of a task comes to an analyser.
    pub strangers: u8,
}

/// A rule of the design taken out, in the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saboteur {
    None,
    /// A FAIL is of the current attempt.
    NaiveFail,
    /// The nth FAIL is of the nth attempt.
    CountedFail,
    /// The dispatcher's driver acknowledges results as they come.
    ServerAcksEarly,
    /// The analyser's driver acknowledges tasks as they come.
    AnalystAcksEarly,
    /// The dispatcher's store says at once that an attempt is kept.
    StartsEarly,
    /// The analyser's store says at once that a result is kept.
    OffersEarly,
}

/// How long an analyser has a task, and how long the broker has to take it; the shortest that there
/// is.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// Shorter, so that a final failure can come within a lease.
pub(crate) const LINGER: Duration = Duration::from_millis(500);

/// As long, so that deadlines coincide.
pub(crate) const SETTLE: Duration = LINGER;

impl Plan {
    pub(crate) fn new(name: &'static str, analysts: usize, attempts: u32, order: Order) -> Self {
        let guard = match order {
            Order::Fifo => Duration::ZERO,
            Order::Bag => LEASE,
        };
        Self {
            name,
            analysts,
            attempts,
            order,
            budgets: Budgets {
                duplicates: 0,
                losses: 0,
                crashes: 0,
                strangers: 0,
            },
            says_again: true,
            has_labels: false,
            guard,
            hurries: true,
            goes_on: false,
            is_deep: false,
            overtaking: Overtaking::Never,
            saboteur: Saboteur::None,
        }
    }

    pub(crate) fn with(mut self, duplicates: u8, losses: u8, crashes: u8) -> Self {
        self.budgets.duplicates = duplicates;
        self.budgets.losses = losses;
        self.budgets.crashes = crashes;
        self
    }

    /// With attempts that are told apart on the wire.
    pub(crate) fn labelled(mut self) -> Self {
        self.has_labels = true;
        self
    }

    /// A broker that never says that it delivers a message again.
    pub(crate) fn forgetful(mut self) -> Self {
        self.says_again = false;
        self
    }

    /// With every order of everything, also after the verdict.
    pub(crate) fn unhurried(mut self) -> Self {
        (self.hurries, self.goes_on) = (false, true);
        self
    }

    /// For more states than have room side by side.
    pub(crate) fn deep(mut self) -> Self {
        self.is_deep = true;
        self
    }

    /// With TIMEOUTs that name no task.
    pub(crate) fn with_strangers(mut self, strangers: u8) -> Self {
        self.budgets.strangers = strangers;
        self
    }

    pub(crate) fn minding(mut self, overtaking: Overtaking) -> Self {
        self.overtaking = overtaking;
        self
    }

    pub(crate) fn guarded_for(mut self, guard: Duration) -> Self {
        self.guard = guard;
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
            duplicates,
            losses,
            crashes,
            strangers,
        } = self.budgets;
        let (name, order, analysts, attempts) =
            (self.name, self.order, self.analysts, self.attempts);
        write!(
            f,
            "{order:?}, {analysts} analysers, {attempts} attempts, D{duplicates} L{losses} C{crashes}"
        )?;
        if strangers > 0 {
            write!(f, " TIMEOUT of nothing {strangers}")?;
        }
        let marks = [
            (self.has_labels, "labels"),
            (!self.says_again, "no DUP"),
            (!self.hurries, "unhurried"),
            (self.overtaking != Overtaking::Never, "overtaking minded"),
        ];
        for (_, mark) in marks.iter().filter(|(is_on, _)| *is_on) {
            write!(f, ", {mark}")?;
        }
        write!(f, " ({name})")
    }
}
