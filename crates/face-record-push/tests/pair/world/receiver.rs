//! The receiver's process: machine, journal, application.

use super::network::{Outcome, Request};
use super::{Happening, StoreFault, World};
use crate::application::Application;
use crate::journal::Journal;
use crate::ledger::Record;
use crate::plan::Saboteur;
use face_record_push::device::Cause;
use face_record_push::platform::{
    Entry, Event, Input, Novelty, Op, Output, Platform, Quarantined, Seq, StoreError,
};
use face_record_push::{ExchangeId, Push, Reply};
use std::time::Duration;

/// A request that the receiver has not answered yet.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub request: Request,
}

impl World {
    pub(super) fn start_receiver(&mut self) -> Result<(), String> {
        let mut config = self.plan.platform.clone();
        if self.saboteur == Saboteur::NoWindow {
            config.keys_per_terminal = 0;
        }
        // What the journal has and the application has not comes first.
        let cursor = self.app.cursor();
        if self.saboteur == Saboteur::NoCatchingUp {
            let last = Seq(self.journal.next_seq().0 - 1);
            self.app.skip_to(last.max(cursor));
        } else {
            for row in self.journal.rows_after(cursor) {
                self.app.consume(row.seq, &row.entry, self.saboteur)?;
            }
        }
        self.platform = Some(Platform::new(config, self.journal.next_seq()));
        self.settle_receiver()
    }

    pub(super) fn tell_receiver(&mut self, input: Input) -> Result<(), String> {
        let now = self.schedule.now();
        if let Some(platform) = &mut self.platform {
            platform.handle_input(now, input);
        }
        self.settle_receiver()
    }

    /// Drains the machine and arms its timer.
    pub(super) fn settle_receiver(&mut self) -> Result<(), String> {
        loop {
            let Some(platform) = &mut self.platform else {
                return Ok(());
            };
            let Some(output) = platform.poll_output() else {
                break;
            };
            match &mut self.doomed {
                Some(0) => {
                    self.crash();
                    return Ok(());
                }
                Some(left) => *left -= 1,
                None => {}
            }
            self.note(&("receiver", &output));
            self.do_for_receiver(output)?;
        }
        let timer = self.platform.as_ref().and_then(Platform::poll_timeout);
        if let Some(at) = timer
            && self.wake.is_none_or(|armed| at < armed)
        {
            self.wake = Some(at);
            self.schedule.at(at, Happening::WakeReceiver(at));
        }
        Ok(())
    }

    fn do_for_receiver(&mut self, output: Output) -> Result<(), String> {
        match output {
            Output::Continue(id, _) => self.let_body_come(id),
            Output::Send(id, reply) => {
                let Some(exchange) = self.exchanges.remove(&id) else {
                    return Err("an answer for nobody".to_owned());
                };
                self.check_durability(&exchange.request, &reply)?;
                self.send_reply(&exchange.request, &reply);
            }
            Output::Disconnect(id) => {
                if let Some(exchange) = self.exchanges.remove(&id) {
                    self.answer(&exchange.request, Outcome::Nothing(Cause::Broken));
                }
            }
            Output::Store(op) => self.ask_journal(op),
            Output::Event(event) => self.application_learns(event)?,
            _ => return Err(format!("unexpected: {output:?}")),
        }
        Ok(())
    }

    /// No 200 may precede durability.
    fn check_durability(&self, request: &Request, reply: &Reply) -> Result<(), String> {
        if reply.status() != 200 || self.saboteur != Saboteur::None {
            return Ok(());
        }
        let is_kept = match Push::decode(request.body.clone()) {
            Ok(push) => {
                let serial = push.serial().ok_or("a record without a serial number")?;
                self.journal.holds(&serial, push.key(&serial))
            }
            Err(_) => true,
        };
        if is_kept {
            return Ok(());
        }
        Err("acknowledged before it was kept".to_owned())
    }

    fn ask_journal(&mut self, op: Op) {
        match self.fails_now(false) {
            Some(StoreFault::JournalFull) => self.journal.refuse_next(),
            Some(_) => self.break_journal(),
            None => {}
        }
        let lie = Journal::lie(&op);
        if self.journal.ask(op) {
            let process = self.process;
            self.after(self.plan.commit, Happening::JournalCommits(process));
        }
        let lies = [Saboteur::AcknowledgesEarly, Saboteur::LyingJournal];
        if lies.contains(&self.saboteur)
            && let (Some(input), Some(platform)) = (lie, &mut self.platform)
        {
            platform.handle_input(self.schedule.now(), input);
        }
    }

    pub(super) fn journal_commits(&mut self) -> Result<(), String> {
        if self.journal.is_broken {
            return Ok(());
        }
        let count = usize::try_from(self.chance.between(1..=32)).unwrap();
        let answers = self.journal.commit(count);
        if !self.journal.is_idle() {
            let process = self.process;
            self.after(self.plan.commit, Happening::JournalCommits(process));
        }
        self.journal_answers(answers)
    }

    pub(super) fn journal_opens(&mut self) -> Result<(), String> {
        let answers = self.journal.open(&mut self.chance);
        self.journal_answers(answers)
    }

    fn journal_answers(&mut self, answers: Vec<Input>) -> Result<(), String> {
        for answer in answers {
            let answer = match (self.saboteur, answer) {
                (Saboteur::AcknowledgesEarly | Saboteur::LyingJournal, _) => continue,
                (Saboteur::FailureIsSuccess, Input::StoreFailed(seq, _)) => {
                    Input::Stored(seq, Novelty::New)
                }
                (_, answer) => answer,
            };
            self.note(&("receiver", &answer));
            self.tell_receiver(answer)?;
        }
        Ok(())
    }

    fn application_learns(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Kept(entry) => {
                self.check_freshness(&entry)?;
                self.app.consume(entry.seq, &entry, self.saboteur)
            }
            Event::Quarantined(quarantined) => Err(unreadable(&quarantined)),
            Event::StoreFailed(StoreError::Full | StoreError::Broken | StoreError::Busy) => {
                self.stats.journal_failures += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// No door may open for an old record, as far as any clock can tell.
    fn check_freshness(&self, entry: &Entry) -> Result<(), String> {
        let record = Record::of(&entry.push).ok_or("an entry that no terminal sent")?;
        let terminal = &self.terminals[record.terminal];
        let clock_is_wrong = self.plan.ahead != 0 || terminal.clock_jumped;
        if clock_is_wrong || !Application::opens_door(entry, self.saboteur) {
            return Ok(());
        }
        let index = usize::try_from(record.nth).unwrap();
        let age = entry.received.since(terminal.ledger.captured[index]);
        if age > 11_000 {
            return Err(format!("a door opens for a record of {age} ms ago"));
        }
        Ok(())
    }

    /// The receiver's process is killed; what it has not handed out is gone.
    pub(super) fn crash(&mut self) {
        self.doomed = None;
        if self.platform.take().is_none() {
            return;
        }
        self.stats.crashes += 1;
        self.process += 1;
        self.wake = None;
        self.journal.stop(&mut self.chance);
        self.app.crash();
        let exchanges = std::mem::take(&mut self.exchanges);
        for exchange in exchanges.into_values() {
            if self.chance.percent(70) {
                self.answer(&exchange.request, Outcome::Nothing(Cause::Broken));
            }
        }
        let pause = self.chance.millis(0..=30_000);
        self.schedule.after(pause, Happening::ReceiverStarts);
    }

    pub(super) fn break_journal(&mut self) {
        if self.platform.is_some() && !self.journal.is_broken {
            self.journal.break_down();
            let process = self.process;
            let pause = Duration::from_millis(self.chance.between(0..=5_000));
            self.schedule.after(pause, Happening::JournalOpens(process));
        }
    }

    /// The terminal has given up waiting.
    pub(super) fn hang_up(&mut self, is_mine: impl Fn(&Request) -> bool) {
        let process = self.process;
        let ids: Vec<ExchangeId> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| is_mine(&exchange.request))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.way(Happening::ConnectionBreaks(process, id));
        }
    }
}

fn unreadable(quarantined: &Quarantined) -> String {
    format!("what a terminal sent could not be read: {quarantined:?}")
}
