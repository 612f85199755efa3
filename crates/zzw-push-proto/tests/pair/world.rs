//! One session: devices, a network, a broker, its store, and everybody who publishes.

mod broker;
mod client;
mod commands;
mod keeper;
mod network;
mod publisher;
mod sabotage;
mod settle;
mod speech;
mod stats;
mod stop;
mod trouble;
mod truth;

use crate::cable::Cable;
use crate::ledger::Ledger;
use crate::plan::{Plan, Weather};
use crate::saboteur::Saboteur;
use client::Client;
use keeper::Keeper;
use publisher::Exchange;
use sabotage::Sabotage;
pub(crate) use stats::Stats;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::campaign::Session;
use testkit::{Rng, Schedule, Trace, epoch};
use zzw_push_proto::platform::{
    AskId, ExchangeId, LinkId, MessageId, Platform, PublishId, Seq, UnixMillis,
};
use zzw_push_proto::wire::Text;

/// The wall clock when a session starts.
const START: u64 = 1_700_000_000_000;

pub(crate) struct World {
    plan: Plan,
    saboteur: Saboteur,
    schedule: Schedule<Happening>,
    chance: Rng,
    clients: Vec<Client>,
    cables: Vec<Cable>,
    broker: Option<Platform>,
    /// Counts the broker's processes, so that news for an old one is dropped.
    process: u64,
    /// When the broker is killed.
    doom: Option<Doom>,
    /// The link whose word the broker is about to hear.
    cause: Option<LinkId>,
    /// Links of the broker.
    links: u64,
    keeper: Keeper,
    ledger: Ledger,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    /// What the application has published and was told nothing of.
    published: BTreeMap<PublishId, usize>,
    /// Links whose frames wait for a decision, and the alias of a token that is to be verified.
    asked: BTreeMap<AskId, (LinkId, Option<Text>)>,
    next_exchange: u64,
    next_door: u64,
    letters: u64,
    /// Those that are published once all has healed and everything has arrived.
    last_letters: Option<Vec<Option<usize>>>,
    network_is_up: bool,
    /// The wall clock is ahead by so many milliseconds.
    ahead: i64,
    wake: Option<Instant>,
    healed: Option<Instant>,
    sabotage: Sabotage,
    stats: Stats,
    trace: Option<Trace>,
    narrates: bool,
}

/// When a process is stopped dead: at the so manieth such moment from now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doom {
    pub moment: Moment,
    pub left: u64,
}

/// Where a process can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before it hands out an output.
    Output,
    /// Before its store has done what it was asked.
    BeforeStore,
    /// Afterwards, but before it is told.
    AfterStore,
    /// When it has been told, before it hands out what it makes of that.
    AfterAnswer,
}

#[derive(Debug)]
enum Happening {
    Letter,
    Command(usize),
    Pull(usize),
    Trouble,
    Heal,
    /// One more for each alias, from that one on.
    LastLetters(usize),
    /// Somebody looks whether everything has settled.
    Look,
    Dial(usize, u64),
    DialFails(usize, u64),
    LinkUp(usize, u64, usize),
    /// The driver has hung up.
    HungUp(usize, u64),
    /// The next frame arrives.
    Up(usize),
    Down(usize),
    /// An end learns that its link is broken.
    BrokerEndBreaks(usize),
    DeviceEndBreaks(usize),
    Unblock(usize),
    IsSlow(usize),
    IsDrained(usize),
    StoreDoes(u64, Seq),
    StoreAnswers(u64, Seq),
    /// What a store has promised too early is done.
    StoreCatchesUp(u64),
    StoreRecovers,
    NetworkHeals,
    FlashDoes(usize, u64),
    Decide(u64, AskId),
    WorkedOff(usize, u64, MessageId),
    /// A driver writes again what it had better not.
    Repeat(usize, u64),
    PowerReturns(usize),
    BrokerStarts,
    ImpostorLeaves(usize),
    /// A driver that was late hands over what it got.
    LateFrame(usize, Box<zzw_push_proto::wire::Message>),
    /// For timers that have been armed anew meanwhile, they come to nothing.
    WakeClient(usize, Instant),
    WakeBroker(Instant),
}

impl Session for World {
    type Stats = Stats;

    fn narrate(&mut self) {
        println!("{:#?}", self.plan);
        self.narrates = true;
    }

    fn trace(&mut self) {
        self.trace = Some(Trace::default());
    }

    /// Runs until the world has healed and everything has settled.
    fn run(mut self) -> Result<Stats, String> {
        self.start_broker()?;
        self.stats.byte_true = u64::from(self.plan.is_byte_true);
        for nth in 0..self.clients.len() {
            if self.clients[nth].plan.is_present {
                self.power_on(nth)?;
            }
            if self.plan.commands > 0 {
                self.after(self.plan.commands, Happening::Command(nth));
            }
            if self.clients[nth].plan.pulls {
                self.after(self.plan.pulls, Happening::Pull(nth));
            }
        }
        self.after(self.plan.pace * 2, Happening::Letter);
        if !self.plan.kinds.is_empty() {
            self.after(self.plan.trouble, Happening::Trouble);
        }
        let span = self.plan.letters * self.plan.pace + 5_000;
        self.schedule
            .after(Duration::from_millis(span), Happening::Heal);
        while !self.has_settled()? {
            let happening = self.schedule.take().ok_or("nothing happens any more")?;
            self.stats.steps += 1;
            if self.stats.steps > 100_000 + 500 * self.plan.letters {
                return Err("the session spins".to_owned());
            }
            let is_timer = matches!(
                happening,
                Happening::WakeClient(..) | Happening::WakeBroker(_)
            );
            // Every run has an epoch of its own.
            if !is_timer {
                self.note(&happening);
            }
            self.happen(happening)?;
        }
        self.finish()
    }
}

impl World {
    pub(crate) fn new(plan: Plan, saboteur: Saboteur) -> Self {
        let aliases = (0..plan.clients.len()).map(client::alias_of).collect();
        let topics = (0..plan.topics).map(|nth| format!("t{nth}").into());
        let clients = plan.clients.iter().enumerate();
        Self {
            schedule: Schedule::new(epoch()),
            chance: Rng::new(plan.seed).stream("world"),
            clients: clients
                .map(|(nth, client)| Client::new(nth, *client))
                .collect(),
            cables: Vec::new(),
            broker: None,
            process: 0,
            doom: None,
            cause: None,
            links: 0,
            keeper: Keeper::new(plan.cap),
            ledger: Ledger::new(aliases, topics.collect()),
            exchanges: BTreeMap::new(),
            published: BTreeMap::new(),
            asked: BTreeMap::new(),
            next_exchange: 0,
            next_door: 0,
            letters: 0,
            last_letters: None,
            network_is_up: true,
            ahead: 0,
            wake: None,
            healed: None,
            sabotage: Sabotage::default(),
            stats: Stats::default(),
            trace: None,
            narrates: false,
            plan,
            saboteur,
        }
    }

    /// Kills the broker and the first device at these moments.
    pub(crate) fn stop_at(&mut self, broker: Option<Doom>, device: Option<Doom>) {
        self.doom = broker;
        self.clients[0].doom = device;
    }

    /// Lets one request to the broker's store fail, after so many, and whether it has been done.
    pub(crate) fn fail_store(&mut self, after: u64, is_done: bool) {
        self.keeper.failing = Some((after, is_done));
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        let is_mine = |process: u64| process == self.process;
        let is_alive = |nth: usize, life: u64| self.clients[nth].is_alive(life);
        match happening {
            Happening::Letter => self.write_letter()?,
            Happening::Command(nth) => self.command(nth)?,
            Happening::Pull(nth) => self.pull(nth)?,
            Happening::Trouble => self.make_trouble()?,
            Happening::Heal => self.heal(),
            Happening::LastLetters(nth) => self.write_last_letters(nth)?,
            Happening::Look => self.schedule.after(Duration::from_secs(5), Happening::Look),
            Happening::Dial(nth, life) if is_alive(nth, life) => self.dial(nth)?,
            Happening::DialFails(nth, life) if is_alive(nth, life) => self.dial_fails(nth)?,
            Happening::LinkUp(nth, life, cable) => self.link_up(nth, life, cable)?,
            Happening::HungUp(nth, life) if is_alive(nth, life) => self.hung_up(nth)?,
            Happening::Up(cable) => self.frame_comes_up(cable)?,
            Happening::Down(cable) => self.frame_comes_down(cable)?,
            Happening::BrokerEndBreaks(cable) => self.broker_end_breaks(cable)?,
            Happening::DeviceEndBreaks(cable) => self.device_end_breaks(cable)?,
            Happening::Unblock(cable) => self.unblock(cable),
            Happening::IsSlow(cable) => self.is_slow(cable)?,
            Happening::IsDrained(cable) => self.is_drained(cable)?,
            Happening::StoreDoes(process, seq) if is_mine(process) => self.store_does(seq)?,
            Happening::StoreAnswers(process, seq) if is_mine(process) => {
                self.store_answers(seq)?;
            }
            Happening::StoreCatchesUp(process) if is_mine(process) => self.store_catches_up()?,
            Happening::StoreRecovers => self.keeper.is_out = false,
            Happening::NetworkHeals => self.network_is_up = true,
            Happening::FlashDoes(nth, life) if is_alive(nth, life) => self.flash_does(nth)?,
            Happening::Decide(process, ask) if is_mine(process) => self.decide(ask)?,
            Happening::WorkedOff(nth, life, mid) if is_alive(nth, life) => {
                self.worked_off(nth, mid)?;
            }
            Happening::Repeat(nth, life) if is_alive(nth, life) => self.repeat_changes(nth),
            Happening::PowerReturns(nth) if self.clients[nth].device.is_none() => {
                self.power_on(nth)?;
            }
            Happening::BrokerStarts if self.broker.is_none() => self.start_broker()?,
            Happening::ImpostorLeaves(cable) => self.impostor_leaves(cable),
            Happening::LateFrame(cable, message) => self.broker_hears(cable, *message)?,
            Happening::WakeClient(nth, armed) if self.clients[nth].wake == Some(armed) => {
                self.wake_client(nth)?;
            }
            Happening::WakeBroker(armed) if self.wake == Some(armed) => self.wake_broker()?,
            _ => {} // too late for whom it was meant
        }
        Ok(())
    }

    /// The wall clock, of the broker and of everybody but its store.
    fn wall(&self) -> UnixMillis {
        let elapsed = self.schedule.elapsed_millis() + self.ahead;
        UnixMillis(START.saturating_add_signed(elapsed))
    }

    fn after(&mut self, most: u64, happening: Happening) {
        let delay = self.chance.millis(0..=most);
        self.schedule.after(delay, happening);
    }

    /// When a timer that is set for then fires.
    fn late(&mut self, at: Instant) -> Instant {
        at + self.chance.millis(0..=self.plan.lateness)
    }

    fn weather(&self) -> Weather {
        if self.healed.is_some() {
            return Weather::default();
        }
        self.plan.weather.clone()
    }

    fn note(&mut self, what: &impl std::fmt::Debug) {
        if self.narrates {
            println!("{:>9} {what:?}", self.schedule.elapsed_millis());
        }
        if let Some(trace) = &mut self.trace {
            trace.note(what);
        }
    }
}

impl Doom {
    /// True if this is the moment.
    fn strikes(doom: &mut Option<Self>, moment: Moment) -> bool {
        match doom {
            Some(known) if known.moment == moment => match known.left.checked_sub(1) {
                Some(left) => {
                    known.left = left;
                    false
                }
                None => doom.take().is_some(),
            },
            _ => false,
        }
    }
}

impl Moment {
    pub(crate) const ALL: [Self; 4] = [
        Self::Output,
        Self::BeforeStore,
        Self::AfterStore,
        Self::AfterAnswer,
    ];
}
