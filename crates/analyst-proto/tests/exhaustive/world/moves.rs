//! What can happen next.

use super::network::{Kind, Lane};
use std::fmt;

/// A client of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    Server,
    Analyst(u8),
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Starts,
    /// The oldest request to a store is carried out.
    Commit(Party),
    /// The broker's acknowledgement of the oldest message arrives.
    Acked(Party),
    Deliver {
        lane: Lane,
        at: u8,
        kind: Kind,
        attempt: u8,
        /// And it will be once more.
        twice: bool,
    },
    Lose {
        lane: Lane,
        at: u8,
        kind: Kind,
    },
    /// Time passes up to the next deadline.
    Time,
    Ends(u8, Outcome),
    /// So many requests that the store has not answered have been carried out.
    Crash(Party, u8),
    /// A TIMEOUT without the number of a task, with DUP or without.
    Stranger(u8, bool),
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Taken,
    Failed,
    Stopped,
}

/// A step, and whether somebody is killed in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub step: Step,
    pub cut: Option<Cut>,
}

/// A crash between two things that a machine asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// So many are done.
    pub after: u8,
    /// So many requests that the store has not answered are carried out.
    pub landed: u8,
}

impl Step {
    /// True if it is bound to happen some time.
    pub(crate) fn goes_on(self) -> bool {
        match self {
            Self::Commit(_) | Self::Acked(_) | Self::Time => true,
            Self::Deliver { twice, .. } => !twice,
            _ => false,
        }
    }

    /// True if a machine may do several things in it.
    pub(crate) fn may_be_cut(self) -> bool {
        !matches!(self, Self::Lose { .. } | Self::Crash(..) | Self::Starts)
    }

    /// Whose machine takes part in it.
    pub(crate) fn actor(self) -> Party {
        match self {
            Self::Commit(party) | Self::Acked(party) | Self::Crash(party, _) => party,
            Self::Deliver { lane, .. } | Self::Lose { lane, .. } => lane.receiver(),
            Self::Ends(analyst, _) | Self::Stranger(analyst, _) => Party::Analyst(analyst),
            Self::Starts | Self::Time => Party::Server,
        }
    }
}

impl From<Step> for Move {
    fn from(step: Step) -> Self {
        Self { step, cut: None }
    }
}

impl Move {
    pub(crate) const START: Self = Self {
        step: Step::Starts,
        cut: None,
    };

    pub(crate) fn cut(step: Step, cut: Cut) -> Self {
        Self {
            step,
            cut: Some(cut),
        }
    }

    /// True if a message or the broker's acknowledgement of one arrives, or does not.
    pub(crate) fn is_on_network(&self) -> bool {
        matches!(
            self.step,
            Step::Acked(_) | Step::Deliver { .. } | Step::Lose { .. } | Step::Stranger(..)
        )
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("the dispatcher"),
            Self::Analyst(nth) => write!(f, "analyser {}", nth + 1),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Starts => f.write_str("all start"),
            Self::Commit(party) => write!(f, "the store of {party} does what it was asked"),
            Self::Acked(party) => write!(f, "PUBACK reaches {party}"),
            Self::Deliver {
                lane,
                kind,
                attempt,
                twice,
                ..
            } => {
                let number = match attempt {
                    0 => String::new(),
                    attempt => format!(" {attempt}"),
                };
                let again = if twice { " and will again" } else { "" };
                write!(f, "{kind}{number} reaches {lane}{again}")
            }
            Self::Lose { lane, kind, .. } => write!(f, "{kind} is lost on its way to {lane}"),
            Self::Time => f.write_str("time passes"),
            Self::Ends(nth, outcome) => {
                let how = match outcome {
                    Outcome::Taken => "finds out",
                    Outcome::Failed => "fails",
                    Outcome::Stopped => "stops",
                };
                write!(f, "{} {how}", Party::Analyst(nth))
            }
            Self::Crash(party, landed) => {
                write!(f, "{party} crashes, {landed} of its requests are stored")
            }
            Self::Stranger(nth, is_again) => {
                let again = if is_again { " with DUP" } else { "" };
                write!(
                    f,
                    "TIMEOUT of nothing{again} reaches {}",
                    Party::Analyst(nth)
                )
            }
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step)?;
        if let Some(Cut { after, landed }) = self.cut {
            let party = self.step.actor();
            write!(
                f,
                "; {party} crashes after {after} outputs, {landed} of its requests are stored"
            )?;
        }
        Ok(())
    }
}
