//! The lane of `se5-events`: a simulated box and its subscriber, once for each dialect.

mod show;
mod words;

use super::cable::Cable;
use super::hub::{FlowHandle, Hub, Press};
use super::ledger::Ledger;
use super::outcome::Outcome;
use super::view::{Fate, Gap, GapState, Mark, Text};
use super::{Stop, told_to_stop};
use crate::clock::{now, unix_now};
use crate::se5::{
    BoxCommand, BoxHandle, BoxNews, BoxOptions, SubscriberCommand, SubscriberHandle,
    SubscriberNews, SubscriberOptions, spawn_box, spawn_subscriber,
};
use se5_events::device::{Fault, Reboot};
use se5_events::platform::{Event, Link, Source, Span};
use se5_events::{DeviceInfo, Dialect};
use show::Gallery;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Adds the lane and starts its flows, which end when `stop` says so.
///
/// # Errors
///
/// If no port can be had.
pub(super) async fn start(
    hub: &Arc<Hub>,
    flows: &mut JoinSet<Outcome>,
    stop: &Stop,
    seed: u64,
) -> io::Result<()> {
    hub.add_lane(words::lane());
    for (dialect, id, seed, rate) in [
        (Dialect::V1, "se5-v1", seed, 0.9),
        (Dialect::V2, "se5-v2", seed ^ 0x2222, 0.7),
    ] {
        let mut options = BoxOptions::new(seed);
        options.config.dialect = dialect;
        options.config.boot_time = Duration::from_secs(3);
        options.traffic.rate = rate;
        options.traffic.waits = true;
        let cameras = options.devices.clone();
        let simulator = spawn(options, dialect).await?;
        let (ws, http) = (simulator.ws_url(), simulator.http_url());
        let cable = Cable::lay(simulator.ws_addr()).await?;
        let by_cable = format!("ws://{}", cable.address());
        let mut options = SubscriberOptions::new(by_cable, &http, seed)?;
        options.tap = true;
        // A person is watching: what takes a box half a minute is over in a few seconds.
        options.config.backoff_max = Duration::from_secs(2);
        options.config.idle = Duration::from_secs(4);
        options.config.answer = Duration::from_secs(2);
        options.config.http_recheck = Duration::from_secs(5);
        // Someone passes every other second, so this much silence is a link that only seems open.
        options.config.max_silence = Some(Duration::from_secs(10));
        let subscriber = spawn_subscriber(options)?;
        let view = words::flow(id, dialect, &ws, &http, &cameras);
        let (handle, presses) = hub.add_flow(view);
        let flow = Se5 {
            id,
            gallery: Gallery::new(handle.clone(), http, cameras),
            handle,
            simulator,
            cable,
            subscriber,
            ledger: Ledger::default(),
            faults: Vec::new(),
            cut_until: None,
            gaps: 0,
        };
        flows.spawn(flow.run(presses, stop.clone()));
    }
    Ok(())
}

/// On the ports of a real box, which only one can have; else on free ones.
async fn spawn(mut options: BoxOptions, dialect: Dialect) -> io::Result<BoxHandle> {
    if dialect == Dialect::V1 {
        let mut standard = options.clone();
        standard.listen = SocketAddr::from(([127, 0, 0, 1], 5679));
        standard.http = SocketAddr::from(([127, 0, 0, 1], 5555));
        match spawn_box(standard).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            started => return started,
        }
    }
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    (options.listen, options.http) = (free, free);
    spawn_box(options).await
}

/// One box, its subscriber, and the book of what went between them.
struct Se5 {
    id: &'static str,
    handle: FlowHandle,
    gallery: Gallery,
    simulator: BoxHandle,
    cable: Cable,
    subscriber: SubscriberHandle,
    ledger: Ledger,
    faults: Vec<&'static str>, // switched on
    cut_until: Option<Instant>,
    gaps: u64,
}

/// How long a cut lasts: long enough for people to pass unseen.
const CUT: Duration = Duration::from_secs(4);
/// How long an event may be under way, with no gap open, before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(12);

impl Se5 {
    async fn run(mut self, mut presses: mpsc::Receiver<Press>, mut stop: Stop) -> Outcome {
        self.subscriber
            .control()
            .send(SubscriberCommand::SubscribeAll {
                faces: true,
                registered: true,
            });
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end: Option<Instant> = None;
        loop {
            tokio::select! {
                Some(news) = self.simulator.next() => self.hear_box(&news),
                Some(news) = self.subscriber.next() => self.hear_subscriber(news),
                Some(press) = presses.recv() => self.obey(press),
                _ = tick.tick() => {
                    self.tick();
                    let is_settled = self.ledger.is_settled() && !self.handle.has_open_gap();
                    if end.is_some_and(|end| is_settled || end <= now()) {
                        break;
                    }
                }
                patience = told_to_stop(&mut stop), if end.is_none() => {
                    self.simulator.control().send(BoxCommand::Rate(0.0));
                    self.heal();
                    end = now().checked_add(patience);
                }
            }
        }
        // News of the last emissions may still be unread.
        while let Ok(Some(news)) =
            tokio::time::timeout(Duration::from_millis(50), self.simulator.next()).await
        {
            self.hear_box(&news);
        }
        self.finish().await
    }

    async fn finish(self) -> Outcome {
        let figures = self.subscriber.counters().machine;
        let ledger = &self.ledger;
        let mut faults = Vec::new();
        if ledger.delivered == 0 {
            faults.push("no event arrived".to_owned());
        }
        let missing = ledger.lost(now(), Duration::ZERO);
        if missing > 0 {
            faults.push(format!("{missing} events lost"));
        }
        if ledger.doubled > 0 {
            faults.push(format!("{} events delivered twice", ledger.doubled));
        }
        if self.handle.has_open_gap() {
            faults.push("a gap is still open".to_owned());
        }
        let outcome = Outcome {
            flow: self.id,
            sent: ledger.sent,
            arrived: ledger.delivered,
            repaired: figures.delivered_backfill,
            gaps: self.gaps,
            faults,
        };
        self.subscriber.stop().await;
        self.simulator.stop().await;
        outcome
    }

    /// What goes by time: a cut that lasts, and figures that are read.
    fn tick(&mut self) {
        if self.cut_until.is_some_and(|until| until <= now()) {
            self.plug_in();
        }
        self.show_figures();
    }

    fn show_figures(&self) {
        let figures = self.subscriber.counters().machine;
        let lost = if self.handle.has_open_gap() {
            0
        } else {
            self.ledger.lost(now(), PATIENCE)
        };
        let pairs = [
            ("sent", self.ledger.sent),
            ("arrived", self.ledger.delivered),
            ("backfilled", figures.delivered_backfill),
            (
                "duplicates",
                figures.duplicates_live + figures.duplicates_backfill,
            ),
            ("malformed", figures.malformed),
            ("lost", lost),
        ];
        self.handle.set_all(&pairs);
    }

    fn obey(&mut self, press: Press) {
        let control = self.simulator.control();
        match press.switch {
            "cut" if !press.on => self.plug_in(),
            "cut" => {
                self.cable.pull();
                self.cut_until = now().checked_add(CUT);
                self.handle.switched("cut", true);
            }
            "reboot" => control.send(BoxCommand::Reboot(Reboot::default())),
            "again" => {
                let to = unix_now();
                let from = to.plus(-120_000);
                let again = SubscriberCommand::Backfill(Span { from, to });
                self.subscriber.control().send(again);
            }
            held => {
                self.faults.retain(|fault| *fault != held);
                if press.on {
                    self.faults.push(held);
                }
                self.handle.switched(held, press.on);
                // A box forgets all of its faults at once.
                control.send(BoxCommand::Heal);
                for fault in &self.faults {
                    control.send(command(fault));
                }
            }
        }
    }

    fn plug_in(&mut self) {
        self.cable.plug_in();
        self.cut_until = None;
        self.handle.switched("cut", false);
    }

    fn heal(&mut self) {
        self.plug_in();
        for fault in std::mem::take(&mut self.faults) {
            self.handle.switched(fault, false);
        }
        self.simulator.control().send(BoxCommand::Heal);
    }

    fn hear_box(&mut self, news: &BoxNews) {
        let BoxNews::Emitted(emitted) = news else {
            return;
        };
        let sighting = &emitted.sighting;
        self.ledger.emitted(now(), &sighting.event_id);
        self.handle.mark(Mark {
            id: sighting.event_id.clone(),
            at: sighting.at.0,
            fate: Fate::Sent,
        });
    }

    fn hear_subscriber(&mut self, news: SubscriberNews) {
        match news {
            SubscriberNews::Machine(event) => self.hear(event),
            SubscriberNews::Wire(wire) => self.gallery.wire(wire),
            SubscriberNews::Refused(why) => self.gallery.remark(why),
            _ => {}
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::State {
                link,
                assurance,
                cause,
            } => {
                let is_down = matches!(link, Link::Waiting);
                if is_down {
                    self.gap_begins();
                }
                self.handle.link(words::link(link, assurance, cause));
            }
            Event::Face {
                event,
                freshness,
                source,
            } => {
                if let Some(id) = event.event_id() {
                    self.ledger.arrived(&id);
                    let fate = match source {
                        Source::Live => Fate::Live,
                        _ => Fate::Backfill,
                    };
                    let at = event.timestamp().map_or(0, |timestamp| timestamp.unix.0);
                    let id = id.into_owned();
                    self.handle.mark(Mark { id, at, fate });
                }
                self.gallery.face(&event, freshness, source);
            }
            Event::Gap(span) => {
                self.gaps += 1;
                self.gap(span.from.0, Some(span.to.0));
            }
            Event::GapFilled {
                span, recovered, ..
            } => self.gap_ended(span, GapState::Filled, recovered, Text::default()),
            Event::GapOpen { span, why } => {
                self.gap_ended(span, GapState::Lost, 0, words::open_reason(why));
            }
            Event::Malformed(error) => self.gallery.malformed(&error),
            Event::ClockSkew { millis } => self.gallery.remark(words::clock_skew(millis)),
            _ => {}
        }
    }

    /// A link was lost. Where the gap really begins the machine says once the link is up again.
    fn gap_begins(&self) {
        if !self.handle.has_open_gap() {
            self.gap(unix_now().0, None);
        }
    }

    fn gap(&self, from: i64, to: Option<i64>) {
        self.handle.gap(Gap {
            from,
            to,
            state: GapState::Open,
            recovered: 0,
            why: Text::default(),
        });
    }

    fn gap_ended(&self, span: Span, state: GapState, recovered: u64, why: Text) {
        let (from, to) = (span.from.0, span.to.0);
        // Whoever sees the gap closed is to see what it brought.
        self.show_figures();
        self.handle.gap_ended(from..=to, state, recovered, why);
    }
}

/// What a switch of the page means to a box.
fn command(switch: &str) -> BoxCommand {
    match switch {
        "slow" => BoxCommand::Throttle(Some(12_000)),
        "silent" => BoxCommand::Fault(Fault::HalfOpen),
        "clock" => BoxCommand::Fault(Fault::ClockOff(3_600_000)),
        "truncated" => BoxCommand::Fault(Fault::Truncated(3)),
        "duplicate" => BoxCommand::Fault(Fault::Duplicate(0.5)),
        // Whatever else holds is the history's.
        _ => BoxCommand::Fault(Fault::BrokenHistory),
    }
}

/// The name of the camera that saw an event, and its address.
fn place(cameras: &[DeviceInfo], id: &str, ip: &str) -> String {
    let camera = cameras.iter().find(|camera| camera.id == id);
    let name = camera.and_then(|camera| camera.name.as_deref());
    format!("{} · {ip}", name.unwrap_or(id))
}
