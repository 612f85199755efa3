//! The terminals: machine, store, clock.

use super::network::Request;
use super::{Happening, StoreFault, World};
use crate::flash::Flash;
use crate::ledger::{Ledger, Record};
use crate::plan::{Plan, Saboteur};
use face_record_push::device::{Config, Device, Event, Input, Output, Post, Recovered, State};
use face_record_push::{
    Ask, Dest, ExchangeId, Profile, Refused, SerialNumber, Subscription, UnixMillis, codec,
};
use std::time::Instant;

/// A terminal, with what survives its power cuts.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// None while it has no power.
    pub device: Option<Device>,
    /// Counts its power cuts, so that news for an old life is dropped.
    pub life: u64,
    /// Outputs it still gets to hand out before it stops, and whether its power goes then.
    pub doomed: Option<(u64, bool)>,
    pub flash: Flash,
    pub ledger: Ledger,
    pub wake: Option<Instant>,
    /// Its clock is ahead of ours by so many milliseconds.
    pub ahead: i64,
    pub clock_jumped: bool,
    config: Config,
    /// The question that waits for its answer, and what it asks for.
    asked: Option<(ExchangeId, bool)>,
    /// Captures for which it had no room yet.
    next_question: u64,
}

impl Terminal {
    pub(crate) fn new(plan: &Plan, saboteur: Saboteur) -> Self {
        let dest = Dest::parse("http://192.0.2.10:8080/Record").unwrap();
        let mut config = plan.device.clone();
        if saboteur == Saboteur::StatusIsEnough {
            config.empty_is_ok = true;
        }
        Self {
            device: None,
            life: 0,
            doomed: None,
            flash: Flash::new(Subscription::to(dest), saboteur),
            ledger: Ledger::default(),
            wake: None,
            ahead: plan.ahead,
            clock_jumped: false,
            config,
            asked: None,
            next_question: 0,
        }
    }

    pub(crate) fn is_alive(&self, life: u64) -> bool {
        self.device.is_some() && self.life == life
    }

    /// True if it has nothing left to post or to store.
    pub(crate) fn is_drained(&self) -> bool {
        let is_idle = |device: &Device| device.queued() == 0 && device.state() == State::Idle;
        self.flash.is_idle() && self.device.as_ref().is_some_and(is_idle)
    }

    fn wall(&self, ours: UnixMillis) -> UnixMillis {
        ours.plus(self.ahead)
    }
}

impl World {
    pub(super) fn power_on(&mut self, nth: usize) -> Result<(), String> {
        let recovered = self.recovered(nth);
        let terminal = &mut self.terminals[nth];
        terminal.device = Some(Device::new(terminal.config.clone(), recovered));
        self.settle_terminal(nth)
    }

    fn recovered(&self, nth: usize) -> Recovered {
        let mut recovered = self.terminals[nth].flash.recover();
        if self.saboteur == Saboteur::StartsAnew {
            recovered.index.clear();
        }
        recovered
    }

    /// A face is recognised.
    pub(super) fn capture(&mut self, nth: usize) -> Result<(), String> {
        let (now, at) = (self.schedule.now(), self.wall());
        let has_picture = self.chance.percent(self.plan.pictures);
        let profile = self.plan.profile;
        let terminal = &mut self.terminals[nth];
        let count = terminal.ledger.captured.len() as u64;
        if count + 1 < self.plan.records && self.healed.is_none() {
            let pause = self.chance.millis(0..=self.plan.pace * 2);
            self.schedule.after(pause, Happening::Capture(nth));
        }
        let wall = terminal.wall(at);
        if let Some(device) = &mut terminal.device {
            let record = Record {
                terminal: nth,
                nth: count,
            };
            terminal.ledger.captured.push(at);
            match device.record(now, record.item(profile, wall, has_picture)) {
                Ok(seq) => {
                    self.stats.recorded += 1;
                    terminal.ledger.take(seq, count)?;
                }
                Err(Refused::Full(_) | Refused::Paused(_)) => self.stats.refused += 1,
                Err(refused) => return Err(format!("a record was refused: {refused}")),
            }
        }
        self.settle_terminal(nth)
    }

    pub(super) fn tell_terminal(&mut self, nth: usize, input: Input) -> Result<(), String> {
        let now = self.schedule.now();
        self.note(&(nth, &input));
        if let Some(device) = &mut self.terminals[nth].device {
            device.handle_input(now, input);
        }
        self.settle_terminal(nth)
    }

    /// Drains the machine and arms its timer.
    pub(super) fn settle_terminal(&mut self, nth: usize) -> Result<(), String> {
        loop {
            let terminal = &mut self.terminals[nth];
            let Some(device) = &mut terminal.device else {
                return Ok(());
            };
            let Some(output) = device.poll_output() else {
                break;
            };
            match &mut terminal.doomed {
                Some((0, is_power_cut)) => {
                    let is_power_cut = *is_power_cut;
                    self.cut_power(nth, is_power_cut);
                    return Ok(());
                }
                Some((left, _)) => *left -= 1,
                None => {}
            }
            self.note(&(nth, &output));
            self.do_for_terminal(nth, output)?;
        }
        let terminal = &mut self.terminals[nth];
        let timer = terminal.device.as_ref().and_then(Device::poll_timeout);
        if let Some(at) = timer
            && terminal.wake.is_none_or(|armed| at < armed)
        {
            terminal.wake = Some(at);
            self.schedule.at(at, Happening::WakeTerminal(nth, at));
        }
        Ok(())
    }

    fn do_for_terminal(&mut self, nth: usize, output: Output) -> Result<(), String> {
        match output {
            Output::Send(post) => self.send(nth, &post),
            Output::Disconnect(attempt) => {
                let life = self.terminals[nth].life;
                if self.chance.percent(70) {
                    self.hang_up(|request| {
                        (request.terminal, request.life, request.attempt)
                            == (nth, life, Some(attempt))
                    });
                }
            }
            Output::Store(id, op) => {
                match self.fails_now(true) {
                    Some(StoreFault::FlashFull) => self.terminals[nth].flash.refuse_next(),
                    Some(_) => self.break_flash(nth)?,
                    None => {}
                }
                let terminal = &mut self.terminals[nth];
                if terminal.flash.is_broken {
                    let refused = Flash::refuse(id);
                    if let Some(device) = &mut terminal.device {
                        device.handle_input(self.schedule.now(), refused);
                    }
                } else if terminal.flash.ask(id, op) {
                    let life = terminal.life;
                    self.after(self.plan.commit, Happening::FlashCommits(nth, life));
                }
            }
            Output::Answer(id, reply) => self.asker_learns(nth, id, reply.code)?,
            Output::Event(event) => self.owner_learns(nth, &event)?,
            _ => return Err(format!("unexpected: {output:?}")),
        }
        Ok(())
    }

    fn send(&mut self, nth: usize, post: &Post) {
        let mut body = Vec::new();
        codec::encode_push(&post.item, &mut body);
        let at = self.wall();
        let terminal = &mut self.terminals[nth];
        let has_headers = self.plan.profile >= Profile::V1_2_1;
        let serial = Record {
            terminal: nth,
            nth: 0,
        };
        let request = Request {
            terminal: nth,
            life: terminal.life,
            attempt: Some(post.attempt),
            serial: has_headers.then(|| SerialNumber::new(serial.serial())),
            sent_at: has_headers.then(|| terminal.wall(at)),
            body: codec::deface(body.into(), &post.faults).body,
        };
        if self.saboteur == Saboteur::TwoInFlight
            && let Some(next) = terminal.flash.after(post.seq)
        {
            let mut body = Vec::new();
            codec::encode_push(&next, &mut body);
            let early = Request {
                attempt: None,
                body: body.into(),
                ..request.clone()
            };
            self.way(Happening::RequestArrives(early));
        }
        self.terminals[nth].flash.sabotage(post.seq, self.saboteur);
        self.post(request);
    }

    pub(super) fn flash_commits(&mut self, nth: usize) -> Result<(), String> {
        if self.terminals[nth].flash.is_broken {
            return Ok(());
        }
        let count = usize::try_from(self.chance.between(1..=8)).unwrap();
        let terminal = &mut self.terminals[nth];
        let answers = terminal.flash.commit(count);
        if !terminal.flash.is_idle() {
            let life = terminal.life;
            self.after(self.plan.commit, Happening::FlashCommits(nth, life));
        }
        for answer in answers {
            if matches!(answer, Input::StoreFailed(..)) {
                self.stats.store_failures += 1;
            }
            self.tell_terminal(nth, answer)?;
        }
        Ok(())
    }

    pub(super) fn break_flash(&mut self, nth: usize) -> Result<(), String> {
        let terminal = &mut self.terminals[nth];
        if terminal.device.is_none() || terminal.flash.is_broken {
            return Ok(());
        }
        let life = terminal.life;
        let answers = terminal.flash.break_down(&mut self.chance);
        self.stats.store_failures += 1;
        self.after(5_000, Happening::FlashOpens(nth, life));
        for answer in answers {
            self.tell_terminal(nth, answer)?;
        }
        Ok(())
    }

    pub(super) fn flash_opens(&mut self, nth: usize) -> Result<(), String> {
        let now = self.schedule.now();
        self.terminals[nth].flash.is_broken = false;
        let recovered = self.recovered(nth);
        let terminal = &mut self.terminals[nth];
        if self.saboteur == Saboteur::ForgetsUnstored {
            terminal.device = Some(Device::new(terminal.config.clone(), recovered));
        } else if let Some(device) = &mut terminal.device {
            device.resume(now, recovered);
        }
        self.settle_terminal(nth)
    }

    fn owner_learns(&mut self, nth: usize, event: &Event) -> Result<(), String> {
        let ledger = &mut self.terminals[nth].ledger;
        match event {
            Event::Kept(seq) => ledger.keep(*seq)?,
            Event::Lost(loss) => {
                self.stats.lost += loss.count;
                if self.saboteur != Saboteur::SilentDrop {
                    ledger.lose(*loss);
                }
            }
            Event::Buried(seq) => {
                self.stats.buried += 1;
                ledger.bury(*seq);
            }
            _ => {}
        }
        Ok(())
    }

    /// Someone switches pushing on or off, and insists until it is answered.
    pub(super) fn switch(&mut self, nth: usize, on: bool) -> Result<(), String> {
        let on = on || self.healed.is_some();
        let terminal = &mut self.terminals[nth];
        if terminal.device.is_none() || terminal.asked.is_some() {
            self.after(2_000, Happening::Switch(nth, on));
            return Ok(());
        }
        terminal.next_question += 1;
        let id = ExchangeId(terminal.next_question);
        terminal.asked = Some((id, on));
        let ask = Ask::Change {
            event_dest: None,
            is_enabled: Some(on),
        };
        self.tell_terminal(nth, Input::Asked(id, ask))
    }

    fn asker_learns(&mut self, nth: usize, id: ExchangeId, code: u16) -> Result<(), String> {
        let terminal = &mut self.terminals[nth];
        let Some((asked, on)) = terminal.asked.take() else {
            return Err("an answer without a question".to_owned());
        };
        if asked != id {
            return Err("an answer to another question".to_owned());
        }
        if code != 200 {
            self.after(2_000, Happening::Switch(nth, on));
        } else if terminal.flash.subscription().is_enabled != on {
            return Err("a change was confirmed before it was kept".to_owned());
        }
        Ok(())
    }

    /// Everything that is not on the disk is gone; after a power cut, also what need not stay there.
    pub(super) fn cut_power(&mut self, nth: usize, is_power_cut: bool) {
        let terminal = &mut self.terminals[nth];
        terminal.doomed = None;
        if terminal.device.take().is_none() {
            return;
        }
        self.stats.power_cuts += 1;
        terminal.life += 1;
        terminal.wake = None;
        terminal.flash.stop(is_power_cut, &mut self.chance);
        terminal.ledger.end_life();
        let unanswered = terminal.asked.take();
        if let Some((_, on)) = unanswered {
            self.after(2_000, Happening::Switch(nth, on));
        }
        if self.chance.percent(70) {
            self.hang_up(|request| request.terminal == nth);
        }
        self.after(20_000, Happening::PowerReturns(nth));
    }
}
