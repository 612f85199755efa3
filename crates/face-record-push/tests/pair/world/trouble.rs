//! What goes wrong, and how it ends.

use super::{Happening, World};
use crate::plan::Trouble;
use face_record_push::device::Fault;

impl World {
    pub(super) fn make_trouble(&mut self) -> Result<(), String> {
        if self.healed.is_some() {
            return Ok(());
        }
        let kinds = self.plan.kinds.clone();
        let nth = usize::try_from(self.chance.below(self.terminals.len() as u64)).unwrap();
        match *self.chance.pick(&kinds) {
            Trouble::PowerCut => self.terminals[nth].doomed = Some((self.chance.below(4), true)),
            Trouble::Kill => self.terminals[nth].doomed = Some((self.chance.below(4), false)),
            Trouble::Crash => self.doomed = Some(self.chance.below(4)),
            Trouble::Outage => {
                self.network_is_up = false;
                self.after(30_000, Happening::NetworkHeals);
            }
            Trouble::Proxy => {
                self.proxy_answers = true;
                self.after(20_000, Happening::ProxyGoes);
            }
            Trouble::DiskFull => {
                self.terminals[nth].flash.fill();
                self.after(20_000, Happening::FlashFrees(nth));
            }
            Trouble::DiskBroken => self.break_flash(nth)?,
            Trouble::Rot => {
                let place = self.chance.below(4);
                self.terminals[nth].flash.rot(place);
            }
            Trouble::JournalFull => {
                self.journal.is_full = true;
                self.after(20_000, Happening::JournalFrees);
            }
            Trouble::JournalBroken => self.break_journal(),
            Trouble::ClockJump => {
                let terminal = &mut self.terminals[nth];
                terminal.clock_jumped = true;
                terminal.ahead += *self.chance.pick(&[-3_600_000, 60_000, 3_600_000]);
            }
            Trouble::Switch => {
                self.switch(nth, false)?;
                self.after(20_000, Happening::Switch(nth, true));
            }
            Trouble::Misbehave => self.misbehave(nth),
        }
        self.after(self.plan.trouble, Happening::Trouble);
        Ok(())
    }

    /// Faults that a receiver has to bear without loss, doubles or disorder.
    fn misbehave(&mut self, nth: usize) {
        let faults = [
            Fault::UserIdKind,
            Fault::EscapedSlashes,
            Fault::WrappedBase64,
            Fault::Rewritten,
            Fault::Duplicate(0.3),
            Fault::LoseAck(0.3),
        ];
        let (now, fault) = (self.schedule.now(), *self.chance.pick(&faults));
        let behaves_again = self.chance.percent(30);
        if let Some(device) = &mut self.terminals[nth].device {
            if behaves_again {
                device.clear_faults(now);
            }
            device.fault(now, fault);
        }
    }

    pub(super) fn heal(&mut self) {
        let now = self.schedule.now();
        self.healed = Some(now);
        self.doomed = None;
        self.network_is_up = true;
        self.proxy_answers = false;
        self.journal.is_full = false;
        for nth in 0..self.terminals.len() {
            let terminal = &mut self.terminals[nth];
            terminal.doomed = None;
            terminal.flash.free();
            if let Some(device) = &mut terminal.device {
                device.clear_faults(now);
            }
            self.after(1_000, Happening::Switch(nth, true));
        }
    }
}
