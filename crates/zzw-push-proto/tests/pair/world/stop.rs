//! How processes end, and what is left of them.

use super::{Happening, World};
use crate::cable::Frame;
use std::collections::VecDeque;
use zzw_push_proto::device::Ack;
use zzw_push_proto::platform::StoreReply;

impl World {
    /// The broker's process is killed; what it has not handed out is gone.
    pub(super) fn crash(&mut self) {
        if self.broker.take().is_none() {
            return;
        }
        self.stats.crashes += 1;
        // What it had asked of the store may have arrived.
        let landed = self.chance.percent(70);
        if let Err(what) = self.stop_keeper(landed) {
            panic!("{what}");
        }
        let is_power_cut = self.chance.percent(30);
        self.forget_links(is_power_cut);
        let pause = if self.healed.is_some() { 0 } else { 30_000 };
        self.after(pause, Happening::BrokerStarts);
    }

    /// The broker has stopped by itself.
    pub(super) fn broker_ends(&mut self) -> Result<(), String> {
        if !self.published.is_empty() || !self.exchanges.is_empty() {
            return Err("the broker ends, and somebody waits for an answer".to_owned());
        }
        self.broker = None;
        self.stop_keeper(true)?;
        self.forget_links(false);
        self.after(5_000, Happening::BrokerStarts);
        Ok(())
    }

    /// No link of the broker's process is there any more.
    pub(super) fn forget_links(&mut self, is_power_cut: bool) {
        self.doom = None;
        self.process += 1;
        self.wake = None;
        self.links = 0;
        self.asked.clear();
        self.published.clear();
        self.exchanges.clear();
        self.ledger.doors.clear();
        for client in 0..self.clients.len() {
            self.ledger.lose_gap(client);
            self.ledger.accounts[client].online = None;
        }
        for cable in 0..self.cables.len() {
            let known = &mut self.cables[cable];
            if !std::mem::take(&mut known.at_broker) {
                continue;
            }
            known.up.frames.clear();
            if is_power_cut {
                known.is_dead = true;
            } else {
                self.put_down_frame(cable, Frame::End);
            }
        }
    }

    /// The broker is gone. What was asked of the store just arrived there, or never will.
    pub(super) fn stop_keeper(&mut self, is_done: bool) -> Result<(), String> {
        let pending = std::mem::take(&mut self.keeper.pending);
        let landed = self.chance.below(pending.len() as u64 + 1);
        let landed = if is_done { landed } else { 0 };
        let answers = std::mem::take(&mut self.keeper.answers);
        let claims = std::mem::take(&mut self.keeper.claims);
        let mut lost: Vec<_> = answers.into_iter().collect();
        for (seq, op) in pending.into_iter().take(usize::try_from(landed).unwrap()) {
            lost.push((seq, VecDeque::from([self.carry_out(op)?])));
        }
        for (seq, answers) in lost {
            for answer in answers {
                if let (Ok(StoreReply::Claimed { gap, .. }), Some((_, alias))) =
                    (answer, claims.get(&seq))
                {
                    let client = self.ledger.client_of(alias)?;
                    self.ledger.accounts[client].untold += gap;
                }
            }
        }
        self.keeper.late.clear();
        self.keeper.lanes.clear();
        Ok(())
    }

    /// Everything that is not in the store is gone.
    pub(super) fn cut_power(&mut self, nth: usize) {
        if self.clients[nth].device.is_none() {
            return;
        }
        self.stats.power_cuts += 1;
        let is_silent = self.chance.percent(50);
        let cable = self.clients[nth].cable;
        self.end_life(nth);
        if let Some(cable) = cable {
            self.cables[cable].at_device = false;
            if is_silent {
                self.cables[cable].is_dead = true;
            } else {
                self.put_up_frame(cable, Frame::End);
            }
        }
        let pause = if self.healed.is_some() { 0 } else { 20_000 };
        self.after(pause, Happening::PowerReturns(nth));
    }

    /// The machine has ended, and so does the program.
    pub(super) fn client_ends(&mut self, nth: usize) -> Result<(), String> {
        if !self.clients[nth].commands.is_empty() {
            return Err("a device ends, and a command has not".to_owned());
        }
        self.end_life(nth);
        self.after(20_000, Happening::PowerReturns(nth));
        Ok(())
    }

    pub(super) fn end_life(&mut self, nth: usize) {
        let client = &mut self.clients[nth];
        client.device = None;
        client.life += 1;
        client.doom = None;
        client.wake = None;
        client.cable = None;
        client.commands.clear();
        client.changed = None;
        client.flash.stop();
        client.app.end_life(client.plan.ack == Ack::Stored);
    }
}
