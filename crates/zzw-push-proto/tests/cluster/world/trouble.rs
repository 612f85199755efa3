//! What goes wrong, and how it heals.

use super::link::Frame;
use super::node::Doom;
use super::{Happening, World};
use crate::plan::Trouble;
use std::time::Duration;
use zzw_push_proto::platform::Platform;

impl World {
    pub(super) fn make_trouble(&mut self) -> Result<(), String> {
        if self.healed.is_some() {
            return Ok(());
        }
        let kind = *self.chance.pick(&self.plan.kinds);
        let count = self.nodes.len() as u64;
        let nth = usize::try_from(self.chance.below(count)).unwrap();
        self.note(&(kind, nth));
        let is_up = self.nodes[nth].platform.is_some();
        match kind {
            Trouble::Crash if is_up => {
                let left = self.chance.below(4);
                self.doom(nth, false, left);
                if left == 0 || self.nodes[nth].paused_at.is_some() {
                    self.crash(nth);
                }
            }
            Trouble::CrashBehindAppend if is_up => {
                let left = self.chance.below(4);
                self.doom(nth, true, left);
            }
            Trouble::Pause if is_up && self.nodes[nth].paused_at.is_none() => self.pause(nth),
            Trouble::Drain if is_up && !self.nodes[nth].is_draining => self.drain(nth)?,
            Trouble::Partition if is_up => {
                self.stats.partitions += 1;
                let length = self.outage();
                self.cut_off(nth, length);
            }
            Trouble::Restart => {
                self.stats.restarts += 1;
                let length = Duration::from_millis(*self.chance.pick(&[100, 1_000, 7_000]));
                for nth in 0..self.nodes.len() {
                    self.cut_off(nth, length);
                }
            }
            Trouble::Cut => self.cut(),
            Trouble::Leave => {
                let phone = usize::try_from(self.chance.below(self.phones.len() as u64)).unwrap();
                self.leave(phone, true);
            }
            Trouble::Skew => {
                self.stats.skews += 1;
                self.nodes[nth].ahead = self.skew();
            }
            _ => {}
        }
        self.after(self.plan.trouble * 2, Happening::Trouble);
        Ok(())
    }

    fn doom(&mut self, nth: usize, waits: bool, left: u64) {
        self.nodes[nth].doom = Some(Doom {
            waits,
            left,
            has_appended: false,
        });
    }

    /// Shorter than a lease, or so long that the node is swept.
    fn outage(&mut self) -> Duration {
        let lease = u64::try_from(self.plan.lease.length.as_millis()).unwrap();
        let most = *self.chance.pick(&[500, lease, 2 * lease, 5 * lease]);
        self.chance.millis(1..=most)
    }

    fn pause(&mut self, nth: usize) {
        self.stats.pauses += 1;
        let length = self.outage();
        let now = self.schedule.now();
        let node = &mut self.nodes[nth];
        node.paused_at = Some(now);
        let resume = Happening::Resume(nth, node.process);
        self.schedule.after(length, resume);
    }

    fn drain(&mut self, nth: usize) -> Result<(), String> {
        if self.nodes[nth].paused_at.is_some() {
            return Ok(());
        }
        let now = self.schedule.now();
        self.nodes[nth].is_draining = true;
        if let Some(platform) = &mut self.nodes[nth].platform {
            platform.drain(now);
        }
        let kill = Happening::Kill(nth, self.nodes[nth].process);
        self.schedule.after(Duration::from_secs(15), kill);
        self.settle_node(nth)
    }

    fn cut_off(&mut self, nth: usize, length: Duration) {
        if self.nodes[nth].platform.is_none() || self.nodes[nth].is_cut_off {
            return;
        }
        self.cut_connection(nth);
        self.nodes[nth].is_cut_off = true;
        // What was sent over the old connection comes before what is sent over the next.
        let flushed = self.broken[&self.connection(nth)];
        let end = flushed.max(self.schedule.now() + length);
        let reconnect = Happening::Reconnect(nth, self.nodes[nth].process);
        self.schedule.at(end, reconnect);
    }

    /// Some link breaks.
    fn cut(&mut self) {
        let phone = usize::try_from(self.chance.below(self.phones.len() as u64)).unwrap();
        let Some(link) = self.phones[phone].link else {
            return;
        };
        self.stats.link_cuts += 1;
        if self.chance.percent(50) {
            self.put_down(link, Frame::End);
        } else {
            self.links[link].is_cut = true;
        }
        if self.chance.percent(50) {
            self.after(5_000, Happening::NodeEndBreaks(link));
        }
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.healed = Some(self.schedule.now());
        for nth in 0..self.nodes.len() {
            self.nodes[nth].doom = None;
            if self.nodes[nth].is_cut_off {
                let process = self.nodes[nth].process;
                let flushed = self.broken[&self.connection(nth)];
                self.schedule
                    .at(flushed, Happening::Reconnect(nth, process));
            }
            if self.nodes[nth].paused_at.is_some() {
                self.resume(nth)?;
            }
            if self.nodes[nth].platform.is_none() {
                self.after(1_000, Happening::Start(nth));
            }
        }
        for nth in 0..self.phones.len() {
            if self.chance.percent(10) {
                self.leave(nth, false);
            }
        }
        self.after(0, Happening::Look);
        Ok(())
    }

    /// The nodes that are there and have a lease.
    pub(super) fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.nodes.iter().filter_map(|node| node.platform.as_ref())
    }
}
