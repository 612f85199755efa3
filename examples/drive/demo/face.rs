//! The lane of `face-record-push`: a simulated face terminal and its receiver, each with a store on
//! the disk, once for each of two profiles.

mod audit;
mod ends;
mod show;
mod words;

use super::cable::Cable;
use super::hub::{FlowHandle, Hub, Press};
use super::outcome::Outcome;
use super::scratch::Scratch;
use super::view::{Card, Fate, Gap, GapState, Link, Mark, Text, Tone};
use super::{Stop, told_to_stop};
use crate::clock::{now, unix_now};
use crate::face::receiver::ReceiverOptions;
use crate::face::terminal::{TerminalNews, TerminalOptions};
use crate::records;
use ends::{Platform, Terminal};
use face_record_push::device::Event as TerminalEvent;
use face_record_push::platform::{Entry, Event};
use face_record_push::{Dest, Profile, Push};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use words::Doing;

/// Adds the lane and starts its flows, which end when `stop` says so.
///
/// # Errors
///
/// If there is no room on the disk, or no port can be had.
pub(super) async fn start(
    hub: &Arc<Hub>,
    flows: &mut JoinSet<Outcome>,
    stop: &Stop,
    seed: u64,
) -> io::Result<()> {
    hub.add_lane(words::lane());
    let scratch = Arc::new(Scratch::new()?);
    for (id, profile, seed, rate) in [
        ("face-1-1", Profile::V1_1, seed, 1.5),
        ("face-1-3", Profile::V1_3, seed ^ 0x3333, 1.1),
    ] {
        let folder = scratch.path().join(id);
        fs::create_dir(&folder)?;
        let database = folder.join("records.db");
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut options = ReceiverOptions::new(free, records::Options::new(&database));
        // Whoever tries what the page offers to copy sends no more than that.
        options.config.budget = 32 << 20;
        let platform = Platform::start(options).await?;
        let cable = Cable::lay(platform.address()).await?;

        let mut options = TerminalOptions::new(folder.join("terminal"), seed);
        options.api = Some(free);
        options.dest = Some(dest(cable.address())?);
        options.identity.profile = profile;
        (options.crowd.rate, options.crowd.count) = (rate, Some(MAX_RECORDS));
        // A person is watching: what takes a terminal a minute is over in a second.
        options.config.backoff_min = Duration::from_millis(400);
        options.config.backoff_max = Duration::from_secs(1);
        options.config.retry_after_max = Duration::from_secs(1);
        options.config.exchange_timeout = Duration::from_secs(4);
        let serial = options.identity.serial.as_str().to_owned();
        let terminal = Terminal::start(options).await?;

        let (receiver, api) = (platform.address(), terminal.api());
        let view = words::flow(id, profile, &serial, receiver, api, &database);
        let (handle, presses) = hub.add_flow(view);
        let flow = Face {
            id,
            handle,
            serial,
            terminal,
            platform,
            cable,
            cut_until: None,
            is_down: false,
            shown: None,
            arrived: 0,
            late: 0,
            doubled: 0,
            displaced: 0,
            gaps: 0,
            gap: None,
            database,
            _scratch: Arc::clone(&scratch),
        };
        flows.spawn(flow.run(presses, stop.clone()));
    }
    Ok(())
}

fn dest(address: SocketAddr) -> io::Result<Dest> {
    Dest::parse(&format!("http://{address}/Record")).map_err(io::Error::other)
}

/// After so many records nobody passes any more, which keeps each folder below 1 GB: ten hours.
const MAX_RECORDS: u64 = 50_000;
/// How long a cut link lasts: long enough for people to pass.
const CUT: Duration = Duration::from_secs(2);
/// How long a terminal is without power.
const NO_POWER: Duration = Duration::from_secs(1);
/// How old a record is, in milliseconds, that was not posted at once. Terminals leave out fractions of
/// seconds.
const LATE: i64 = 3_000;

/// One terminal, its platform, and what arrived there.
struct Face {
    id: &'static str,
    handle: FlowHandle,
    serial: String,
    terminal: Terminal,
    platform: Platform,
    cable: Cable,
    cut_until: Option<Instant>,
    is_down: bool, // posts fail
    shown: Option<Link>,
    arrived: u64, // records come in order, so this is also the number of the last
    late: u64,
    doubled: u64,
    displaced: u64,
    gaps: u64,
    gap: Option<OpenGap>,
    database: PathBuf,
    _scratch: Arc<Scratch>, // goes last
}

/// While nothing gets through.
struct OpenGap {
    from: i64,
    acknowledged: u64, // when it began
}

impl Face {
    async fn run(mut self, mut presses: mpsc::Receiver<Press>, mut stop: Stop) -> Outcome {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end: Option<Instant> = None;
        loop {
            tokio::select! {
                news = self.terminal.next() => self.hear_terminal(&news),
                event = self.platform.next() => self.hear_platform(event),
                Some(press) = presses.recv() => self.obey(press),
                _ = tick.tick() => {
                    self.tick().await;
                    if end.is_some_and(|end| self.is_settled() || end <= now()) {
                        break;
                    }
                }
                patience = told_to_stop(&mut stop), if end.is_none() => {
                    end = now().checked_add(patience);
                    self.terminal.rest().await;
                    self.handle.switched("lose", false);
                    self.plug_in();
                    self.start_or_stop(true);
                }
            }
        }
        self.finish().await
    }

    async fn finish(mut self) -> Outcome {
        self.terminal.stop().await;
        let mut faults = Vec::new();
        let troubles = [self.terminal.trouble(), self.platform.trouble()];
        faults.extend(troubles.into_iter().flatten().map(str::to_owned));
        self.platform.stop().await;
        let tally = self.terminal.tally();
        if tally.recorded == 0 {
            faults.push("nothing was recorded".to_owned());
        }
        for (count, what) in [
            (tally.recorded.saturating_sub(self.arrived), "not delivered"),
            (self.doubled, "delivered twice"),
            (self.displaced, "delivered out of order"),
            (tally.dropped, "dropped by the terminal"),
        ] {
            if count > 0 {
                faults.push(format!("{count} records {what}"));
            }
        }
        let (database, serial) = (self.database, self.serial);
        let audit = move || audit::audit(&database, &serial, tally.recorded);
        match tokio::task::spawn_blocking(audit).await {
            Ok(found) => faults.extend(found),
            Err(error) => faults.push(error.to_string()),
        }
        Outcome {
            flow: self.id,
            sent: tally.recorded,
            arrived: self.arrived,
            repaired: self.late,
            gaps: self.gaps,
            faults,
        }
    }

    /// True if everything that was recorded is in the database, and the terminal knows.
    fn is_settled(&self) -> bool {
        let tally = self.terminal.tally();
        let is_running = self.terminal.is_on() && self.platform.is_up();
        is_running && tally.queued == 0 && self.arrived >= tally.recorded
    }

    /// What goes by time.
    async fn tick(&mut self) {
        if self.cut_until.is_some_and(|until| until <= now()) {
            self.plug_in();
        }
        self.platform.tick().await;
        self.terminal.tick().await;
        self.show_figures();
        self.show_link();
        if self.is_settled() {
            self.gap_ends();
        }
    }

    fn show_figures(&self) {
        let tally = self.terminal.tally();
        let pairs = [
            ("sent", tally.recorded),
            ("queued", tally.queued),
            ("acknowledged", tally.acknowledged),
            ("arrived", self.arrived),
            ("late", self.late),
            ("duplicates", self.platform.known()),
            ("lost", tally.dropped + self.displaced),
        ];
        self.handle.set_all(&pairs);
    }

    fn show_link(&mut self) {
        let queued = self.terminal.tally().queued;
        let doing = match queued {
            _ if !self.terminal.is_on() => Doing::NoPower,
            _ if self.is_down => Doing::Waiting,
            0 | 1 => Doing::Pushing,
            _ => Doing::CatchingUp,
        };
        let link = words::link(doing, queued);
        if self.shown.as_ref() != Some(&link) {
            self.handle.link(link.clone());
            self.shown = Some(link);
        }
    }

    fn obey(&mut self, press: Press) {
        match press.switch {
            "cut" if !press.on => self.plug_in(),
            "cut" => {
                self.cable.pull();
                self.cut_until = now().checked_add(CUT);
                self.handle.switched("cut", true);
            }
            "power" => {
                self.terminal.cut_power(NO_POWER);
                self.is_down = false;
            }
            "lose" => {
                self.terminal.lose_answers(press.on);
                self.handle.switched("lose", press.on);
            }
            // Whatever else there is, is the platform's.
            _ => self.start_or_stop(!press.on),
        }
    }

    fn plug_in(&mut self) {
        self.cable.plug_in();
        self.cut_until = None;
        self.handle.switched("cut", false);
    }

    fn start_or_stop(&mut self, is_up: bool) {
        self.platform.switch(is_up);
        self.handle.switched("down", !is_up);
    }

    fn hear_terminal(&mut self, news: &TerminalNews) {
        match news {
            TerminalNews::Machine(TerminalEvent::Kept(seq)) => self.handle.mark(Mark {
                id: mark(seq.0),
                at: unix_now().0,
                fate: Fate::Sent,
            }),
            TerminalNews::Machine(TerminalEvent::Down(_)) => {
                self.is_down = true;
                self.gap_begins();
            }
            TerminalNews::Machine(TerminalEvent::Up) => self.is_down = false,
            TerminalNews::Finished => self.handle.card(Card {
                at: unix_now().0,
                place: " ".to_owned(),
                tags: vec![words::enough()],
                tone: Tone::Warn,
                ..Card::default()
            }),
            _ => {}
        }
    }

    fn hear_platform(&mut self, event: Event) {
        let Event::Kept(entry) = event else { return };
        let is_ours = entry.serial.as_str() == self.serial;
        let is_late = is_ours && self.is_late(&entry);
        if let Some(number) = number(&entry.push).filter(|_| is_ours) {
            self.count(number, is_late);
            self.handle.mark(Mark {
                id: mark(number),
                at: entry.push.time().unwrap_or(entry.received).0,
                fate: if is_late { Fate::Late } else { Fate::Live },
            });
        }
        show::entry(&self.handle, &entry, is_ours, is_late);
        self.show_figures();
    }

    fn is_late(&self, entry: &Entry) -> bool {
        let time = entry.push.time().unwrap_or(entry.received);
        self.gap.is_some() || entry.received.0.saturating_sub(time.0) > LATE
    }

    /// Each record has the number after that of the last.
    fn count(&mut self, number: u64, is_late: bool) {
        match self.arrived.checked_add(1) {
            Some(next) if number == next => {
                self.arrived = next;
                self.late += u64::from(is_late);
            }
            Some(next) if number < next => self.doubled += 1,
            _ => self.displaced += 1,
        }
    }

    fn gap_begins(&mut self) {
        if self.gap.is_none() {
            self.gaps += 1;
            let gap = OpenGap {
                from: unix_now().0,
                acknowledged: self.terminal.tally().acknowledged,
            };
            self.show_gap(&gap, None, GapState::Open, 0);
            self.gap = Some(gap);
        }
    }

    fn gap_ends(&mut self) {
        if let Some(gap) = self.gap.take() {
            let acknowledged = self.terminal.tally().acknowledged;
            let recovered = acknowledged.saturating_sub(gap.acknowledged);
            self.show_gap(&gap, Some(unix_now().0), GapState::Filled, recovered);
        }
    }

    fn show_gap(&self, gap: &OpenGap, to: Option<i64>, state: GapState, recovered: u64) {
        self.handle.gap(Gap {
            from: gap.from,
            to,
            state,
            recovered,
            why: Text::default(),
        });
    }
}

/// What a record is called on the time line.
fn mark(number: u64) -> String {
    number.to_string()
}

/// The number that the terminal gave a record.
fn number(push: &Push) -> Option<u64> {
    let Push::Record(record) = push else {
        return None;
    };
    record.user()?.user_id()?.text.parse().ok()
}
