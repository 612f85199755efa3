//! What really happened to the task, against which the dispatcher is checked.

use super::network::{Flight, Kind};
use crate::plan::LEASE;
use analyst_proto::platform::Verdict;
use std::hash::{Hash, Hasher};
use std::time::Instant;

/// What the application knows, and what the attempts are at.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    pub(super) is_accepted: bool,
    verdict: Option<Verdict>,
    /// In this life of the dispatcher.
    is_told: bool,
    attempts: Vec<Attempt>,
    /// Analysers that have found out what was taken, as bits.
    found: u8,
    fails: u8,
}

/// One attempt.
#[derive(Debug, Clone)]
struct Attempt {
    analyst: u8,
    /// Its lease, or the broker's time to take its START.
    until: Option<Instant>,
    has_arrived: bool,
    has_failed: bool,
    /// It takes up no room at its analyser.
    is_released: bool,
}

impl Ledger {
    pub(super) fn attempts(&self) -> u8 {
        u8::try_from(self.attempts.len()).expect("few attempts")
    }

    pub(super) fn analyst_of(&self, number: u8) -> Option<u8> {
        let attempt = self.attempts.get(usize::from(number).checked_sub(1)?);
        attempt.map(|attempt| attempt.analyst)
    }

    /// A START of this attempt has come to its analyser.
    pub(super) fn has_arrived(&self, number: u8) -> bool {
        let attempt = self.attempts.get(usize::from(number) - 1);
        attempt.is_some_and(|attempt| attempt.has_arrived)
    }

    pub(super) fn count_fail(&mut self) -> u8 {
        self.fails += 1;
        self.fails
    }

    /// The number of the last attempt of this analyser.
    pub(super) fn last_attempt(&self, analyst: u8) -> u8 {
        let numbered = (1..).zip(&self.attempts);
        let own = numbered.filter(|(_, attempt)| attempt.analyst == analyst);
        own.last().map_or(0, |(number, _)| number)
    }

    /// An analyser is going to be given the task.
    pub(super) fn assigned(&mut self, number: u32, analyst: u8) -> Result<(), String> {
        // What was not kept before a crash never was.
        self.attempts.truncate(number as usize - 1);
        let holds = |attempt: &Attempt| attempt.analyst == analyst && !attempt.is_released;
        if self.attempts.iter().any(holds) {
            return Err(format!("attempt {number} goes beyond the capacity (A-I7)"));
        }
        self.attempts.push(Attempt {
            analyst,
            until: None,
            has_arrived: false,
            has_failed: false,
            is_released: false,
        });
        Ok(())
    }

    /// A START goes to this analyser. Says of which attempt.
    pub(super) fn sent_start(&mut self, now: Instant, analyst: u8) -> Result<u8, String> {
        let number = self.attempts();
        match self.attempts.last_mut() {
            Some(attempt) if attempt.analyst == analyst => {
                attempt.until = Some(now + LEASE);
                Ok(number)
            }
            _ => Err(format!("START for analyser {analyst} out of turn")),
        }
    }

    /// The broker has acknowledged a message of the dispatcher.
    pub(super) fn server_acked(&mut self, now: Instant, flight: &Flight) {
        let at = usize::from(flight.attempt) - 1;
        if let Some(attempt) = self.attempts.get_mut(at) {
            match flight.kind {
                // Not if it was over before.
                Kind::Start => attempt.until = attempt.until.map(|_| now + LEASE),
                _ => attempt.is_released = true,
            }
        }
    }

    /// An attempt is known to have failed.
    pub(super) fn fail_noted(&mut self, number: u32) {
        if let Some(attempt) = self.attempts.get_mut(number as usize - 1) {
            attempt.is_released = true;
        }
    }

    /// The lease of an attempt is said to be over.
    pub(super) fn over(&mut self, now: Instant, number: u32) -> Result<(), String> {
        let Some(attempt) = self.attempts.get_mut(number as usize - 1) else {
            return Ok(());
        };
        if attempt.goes_on(now) {
            return Err(format!("the lease of attempt {number} is cut short"));
        }
        attempt.until = None;
        Ok(())
    }

    /// The dispatcher decides that nobody can find out.
    pub(super) fn given_up(&self, now: Instant) -> Result<(), String> {
        let mut numbered = (1..).zip(&self.attempts);
        let going_on = numbered.find(|(_, attempt)| attempt.goes_on(now));
        match going_on {
            Some((number, _)) => Err(format!("it is given up, and attempt {number} lives (A-I2)")),
            None => Ok(()),
        }
    }

    /// The task is decided, and every lease is over.
    pub(super) fn decided(&mut self) {
        for attempt in &mut self.attempts {
            attempt.until = None;
        }
    }

    /// A START of this attempt arrives, `is_answered` if a failure stands for it already.
    pub(super) fn arrived(&mut self, number: u8, is_answered: bool) {
        if let Some(attempt) = self.attempts.get_mut(usize::from(number) - 1) {
            attempt.has_arrived = true;
            attempt.has_failed |= is_answered;
        }
    }

    /// A TIMEOUT of this attempt has ended the work of its analyser.
    pub(super) fn cancelled(&self, now: Instant, number: u8, analyst: u8) -> Result<(), String> {
        let lives = |attempt: &Attempt| {
            attempt.analyst == analyst && attempt.has_arrived && attempt.goes_on(now)
        };
        let mut later = (1..).zip(&self.attempts).skip(usize::from(number));
        match later.find(|(_, attempt)| lives(attempt)) {
            Some((wrong, _)) => Err(format!("TIMEOUT {number} ends attempt {wrong} (A-D8)")),
            None => Ok(()),
        }
    }

    pub(super) fn has_found(&mut self, analyst: u8) {
        self.found |= 1 << analyst;
    }

    /// A run of this analyser has failed, and with it whatever it was given.
    pub(super) fn has_failed(&mut self, analyst: u8) {
        for attempt in &mut self.attempts {
            attempt.has_failed |= attempt.analyst == analyst && attempt.has_arrived;
        }
    }

    /// The application learns the verdict.
    pub(super) fn learn(&mut self, verdict: Verdict) -> Result<(), String> {
        if std::mem::replace(&mut self.is_told, true) {
            return Err("the verdict is told twice (A-I1)".to_owned());
        }
        if let Verdict::Finished(taken) = &verdict {
            let (goods, _) = *taken.iter().next().ok_or("nobody found nothing")?;
            if self.found & 1 << goods.0 == 0 {
                return Err(format!("nobody found {taken:?} (A-I1)"));
            }
        }
        match &self.verdict {
            Some(old) if *old != verdict => Err(format!("{old:?}, and then {verdict:?} (A-I1)")),
            _ => {
                self.verdict = Some(verdict);
                Ok(())
            }
        }
    }

    pub(super) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The application has learned the verdict since the dispatcher was started.
    pub(super) fn is_told(&self) -> bool {
        self.is_told
    }

    /// The dispatcher is killed. So many attempts are stored.
    pub(super) fn crashed(&mut self, stored: u32) {
        self.attempts.truncate(stored as usize);
        self.is_told = false;
    }

    pub(super) fn hash_at(&self, now: Instant, state: &mut impl Hasher) {
        (self.is_accepted, self.is_told, self.found, self.fails).hash(state);
        match &self.verdict {
            None => state.write_u8(0),
            Some(Verdict::Finished(taken)) => (1_u8, taken).hash(state),
            Some(Verdict::Failed(reasons)) => (2_u8, reasons).hash(state),
            Some(Verdict::Expired) => state.write_u8(3),
            Some(_) => state.write_u8(4),
        }
        for attempt in &self.attempts {
            let left = attempt
                .until
                .map(|until| until.saturating_duration_since(now));
            let Attempt {
                analyst,
                has_arrived,
                has_failed,
                is_released,
                ..
            } = *attempt;
            (analyst, left, has_arrived, has_failed, is_released).hash(state);
        }
    }
}

impl Attempt {
    /// True if its analyser may still be at it.
    fn goes_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until) && !self.has_failed
    }
}
