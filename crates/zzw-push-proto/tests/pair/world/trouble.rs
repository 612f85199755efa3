//! What goes wrong, and how it ends.

use super::{Doom, Happening, Moment, World};
use crate::plan::Trouble;
use std::time::Duration;

impl World {
    pub(super) fn make_trouble(&mut self) -> Result<(), String> {
        if self.healed.is_some() {
            return Ok(());
        }
        self.after(self.plan.trouble, Happening::Trouble);
        let kind = *self.chance.pick(&self.plan.kinds);
        let nth = usize::try_from(self.chance.below(self.clients.len() as u64)).unwrap();
        let cable = self.clients[nth].cable;
        let now = self.schedule.now();
        match (kind, cable) {
            (Trouble::Crash, _) => self.doom = Some(self.draw_doom()),
            (Trouble::PowerCut, _) => self.clients[nth].doom = Some(self.draw_doom()),
            (Trouble::Drain, _) => {
                if let Some(broker) = &mut self.broker {
                    broker.drain(now);
                }
                self.settle_broker()?;
            }
            (Trouble::Leave, _) => {
                if let Some(device) = &mut self.clients[nth].device {
                    device.close(now);
                }
                self.settle_client(nth)?;
            }
            (Trouble::Cut, Some(cable)) => self.cut(cable),
            (Trouble::BlackHole, Some(cable)) => {
                let known = &mut self.cables[cable];
                known.is_dead = true;
                known.up.frames.clear();
                known.down.frames.clear();
            }
            (Trouble::Stall, Some(cable)) => {
                self.cables[cable].is_stalled = true;
                self.after(20_000, Happening::Unblock(cable));
            }
            (Trouble::Outage, _) => {
                self.network_is_up = false;
                let live = (0..self.cables.len()).rev().take(20);
                for cable in live.collect::<Vec<_>>() {
                    if self.cables[cable].at_device && self.cables[cable].at_broker {
                        self.cut(cable);
                    }
                }
                self.after(30_000, Happening::NetworkHeals);
            }
            (Trouble::StoreOutage, _) => {
                self.keeper.is_out = true;
                self.after(10_000, Happening::StoreRecovers);
            }
            (Trouble::ClockJump, _) => {
                let jumps = [-86_400_000, -3_000, 3_000, 20_000, 86_400_000];
                self.keeper.ahead += *self.chance.pick(&jumps);
                self.ahead += *self.chance.pick(&[0, -3_000, 3_000]);
            }
            (Trouble::Impostor, _) => self.impostor_comes(nth)?,
            (Trouble::Kick, _) => {
                let alias = self.clients[nth].alias.clone();
                if let Some(broker) = &mut self.broker {
                    // Nobody may have it.
                    let _ = broker.kick(now, alias);
                }
                self.settle_broker()?;
            }
            (Trouble::Garbage, Some(cable)) => {
                for _ in 0..self.chance.between(1..=12) {
                    self.write_garbage(cable);
                }
            }
            (_, None) => {}
        }
        Ok(())
    }

    fn draw_doom(&mut self) -> Doom {
        Doom {
            moment: *self.chance.pick(&Moment::ALL),
            left: self.chance.below(4),
        }
    }

    /// Nothing goes wrong any more, and everybody who comes at all is there.
    pub(super) fn heal(&mut self) {
        self.healed = Some(self.schedule.now());
        self.network_is_up = true;
        self.keeper.is_out = false;
        self.keeper.failing = None;
        self.doom = None;
        for cable in 0..self.cables.len() {
            self.unblock(cable);
            if self.cables[cable].life.is_none() {
                self.impostor_leaves(cable);
            }
        }
        self.after(0, Happening::BrokerStarts);
        for nth in 0..self.clients.len() {
            self.clients[nth].doom = None;
            if !self.clients[nth].plan.never_comes {
                self.after(1_000, Happening::PowerReturns(nth));
            }
        }
        self.schedule.after(Duration::from_secs(5), Happening::Look);
    }
}
