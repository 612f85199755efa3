//! What sessions came to, added up.

use std::ops::AddAssign;

/// What a session came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub letters: u64,
    pub promised: u64,
    pub refused: u64,
    pub delivered: u64,
    pub redelivered: u64,
    pub expired: u64,
    pub evicted: u64,
    pub untold: u64,
    pub links: u64,
    pub crashes: u64,
    pub power_cuts: u64,
    pub store_failures: u64,
    pub flash_failures: u64,
    pub doors: u64,
    pub pulls: u64,
    pub slow: u64,
    /// Links that the broker has ended, for these reasons.
    pub silent: u64,
    pub unacked: u64,
    pub too_slow: u64,
    pub rude: u64,
    pub replaced: u64,
    pub kicked: u64,
    pub rebound: u64,
    pub outlived: u64,
    pub impostors: u64,
    pub byte_true: u64,
    pub steps: u64,
    pub trace: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        let Self {
            letters,
            promised,
            refused,
            delivered,
            redelivered,
            expired,
            evicted,
            untold,
            links,
            crashes,
            power_cuts,
            store_failures,
            flash_failures,
            doors,
            pulls,
            slow,
            silent,
            unacked,
            too_slow,
            rude,
            replaced,
            kicked,
            rebound,
            outlived,
            impostors,
            byte_true,
            steps,
            trace,
        } = other;
        self.letters += letters;
        self.promised += promised;
        self.refused += refused;
        self.delivered += delivered;
        self.redelivered += redelivered;
        self.expired += expired;
        self.evicted += evicted;
        self.untold += untold;
        self.links += links;
        self.crashes += crashes;
        self.power_cuts += power_cuts;
        self.store_failures += store_failures;
        self.flash_failures += flash_failures;
        self.doors += doors;
        self.pulls += pulls;
        self.slow += slow;
        self.silent += silent;
        self.unacked += unacked;
        self.too_slow += too_slow;
        self.rude += rude;
        self.replaced += replaced;
        self.kicked += kicked;
        self.rebound += rebound;
        self.outlived += outlived;
        self.impostors += impostors;
        self.byte_true += byte_true;
        self.steps += steps;
        self.trace ^= trace;
    }
}
