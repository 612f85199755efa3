//! What happens to the world, not to a message.

use super::{Happening, Party, World};
use crate::plan::Trouble;

impl World {
    pub(super) fn make_trouble(&mut self) -> Result<(), String> {
        if self.healed.is_some() {
            return Ok(());
        }
        self.after(self.plan.trouble, Happening::Trouble);
        let kinds = self.plan.kinds.clone();
        let kind = *self.chance.pick(&kinds);
        let nth = usize::try_from(self.chance.below(self.analysts.len() as u64)).unwrap();
        self.note(&(kind, nth));
        match kind {
            Trouble::Crash if self.server.platform.is_some() => self.crash(),
            Trouble::PowerCut if self.analysts[nth].device.is_some() => self.cut_power(nth, 20_000),
            Trouble::Crash | Trouble::PowerCut => {}
            Trouble::Cut if self.chance.percent(50) => self.cut(Party::Server)?,
            Trouble::Cut => self.cut(Party::Analyst(nth))?,
            Trouble::Amnesia => {
                self.broker.forget_all();
                self.cut_all()?;
            }
            Trouble::Outage => self.cut_all()?,
            Trouble::Absence => {
                if self.analysts[nth].device.is_some() {
                    self.cut_power(nth, 300_000);
                }
            }
        }
        Ok(())
    }

    fn cut_all(&mut self) -> Result<(), String> {
        self.cut(Party::Server)?;
        for nth in 0..self.analysts.len() {
            self.cut(Party::Analyst(nth))?;
        }
        Ok(())
    }

    fn cut(&mut self, party: Party) -> Result<(), String> {
        match self.life(party).connection {
            Some(connection) => self.breaks(party, connection),
            None => Ok(()),
        }
    }

    /// All is well from now on.
    pub(super) fn heal(&mut self) {
        self.healed = Some(self.schedule.now());
        for nth in 0..self.analysts.len() {
            self.shake(nth);
        }
    }
}
