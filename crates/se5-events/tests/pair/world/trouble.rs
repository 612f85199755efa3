//! What goes wrong, and how it ends.

use super::{Happening, SUBSCRIBER, World};
use crate::plan::{Saboteur, Trouble};
use se5_events::Dialect;
use se5_events::device::Reboot;
use se5_events::platform::Cause;
use std::time::Duration;

impl World {
    pub(super) fn make_trouble(&mut self) {
        if self.healed.is_some() {
            return;
        }
        let now = self.schedule.now();
        let kinds = self.plan.kinds.clone();
        match *self.chance.pick(&kinds) {
            Trouble::Cut => self.cut(),
            Trouble::Freeze => self.freeze(),
            Trouble::Stall => self.stalled_until = now + self.chance.millis(0..=20_000),
            Trouble::Outage => {
                self.network_is_up = false;
                self.freeze();
                self.after(60_000, Happening::NetworkHeals);
            }
            Trouble::Reboot => {
                self.stats.reboots += 1;
                self.the_box.reboot(now, Reboot::default());
            }
            Trouble::Upgrade => self.upgrade(),
            Trouble::HangUp => self.the_box.cut_links(now),
            Trouble::BrokenHistory => {
                self.history_is_broken = true;
                self.after(60_000, Happening::HistoryHeals);
            }
            Trouble::Crash => self.doomed = Some(self.chance.below(3)),
        }
        self.after(self.plan.trouble, Happening::Trouble);
    }

    pub(super) fn cut(&mut self) {
        let Some(id) = self.link.as_ref().map(|link| link.id) else {
            return;
        };
        self.close(id);
        self.after(3_000, Happening::SubscriberLearns(id, Cause::Io));
        self.after(3_000, Happening::BoxLearns(id));
    }

    pub(super) fn freeze(&mut self) {
        let Some(id) = self.link.as_ref().map(|link| link.id) else {
            return;
        };
        self.close(id);
        if self.plan.keepalive && self.saboteur != Saboteur::NoLiveness {
            let dead = Happening::SubscriberLearns(id, Cause::Timeout);
            self.schedule.after(Duration::from_secs(30), dead);
        }
        self.schedule
            .after(Duration::from_secs(40), Happening::BoxLearns(id));
    }

    pub(super) fn upgrade(&mut self) {
        let other = match self.the_box.dialect() {
            Dialect::V1 => Dialect::V2,
            Dialect::V2 => Dialect::V1,
        };
        let mut how = Reboot::default();
        how.dialect = Some(other);
        self.stats.reboots += 1;
        let now = self.schedule.now();
        self.the_box.reboot(now, how);
    }

    /// The subscriber's process is killed; what it has not handed out is gone.
    pub(super) fn kill(&mut self) {
        self.doomed = None;
        if self.platform.take().is_none() {
            return;
        }
        self.stats.crashes += 1;
        self.process += 1;
        self.links += 1;
        if let Some(link) = self.link.take() {
            self.after(1_000, Happening::BoxLearns(link.id));
        }
        self.wakes[SUBSCRIBER] = None;
        self.app.restart();
        if self.mark.is_none() {
            self.promised_from = None;
        }
        let pause = self.chance.millis(0..=60_000);
        self.schedule.after(pause, Happening::Restart);
    }

    pub(super) fn heal(&mut self) {
        self.healed = Some(self.schedule.now());
        self.doomed = None;
        self.network_is_up = true;
        self.history_is_broken = false;
    }
}
