//! The lane of `analyst-proto`: a dispatcher over its store, two analysers over theirs, and between
//! them a simulated broker with faults to switch on.

mod ends;
mod words;

use super::hub::{FlowHandle, Hub, Press};
use super::outcome::Outcome;
use super::scratch::Scratch;
use super::view::{Card, Fate, Gap, GapState, Link, Mark, Tag, Text};
use super::{Stop, told_to_stop};
use crate::clock::{now, unix_now};
use analyst_proto::platform::{Event, Late, Verdict};
use analyst_proto::wire::TaskId;
use ends::{Analysers, Broker, Desk};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use words::Doing;

/// Adds the lane and starts its flow, which ends when `stop` says so.
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
    let scratch = Scratch::new()?;
    let broker = Broker::start(seed).await?;
    let (desk, events) = Desk::start(scratch.path().join("dispatcher"), &broker, seed).await?;
    let analysers = Analysers::start(scratch.path(), desk.address(), seed);
    let view = words::flow("analyst", desk.address(), broker.address());
    let (handle, presses) = hub.add_flow(view);
    let flow = Tasks {
        handle,
        broker,
        desk,
        events,
        analysers,
        is_up: false,
        away_until: None,
        shown: None,
        next: 1,
        open: BTreeMap::new(),
        decided: BTreeMap::new(),
        accepted: 0,
        finished: 0,
        failed: 0,
        timed_out: 0,
        late: 0,
        repeated: 0,
        repaired: 0,
        contradictions: 0,
        gaps: 0,
        gap: None,
        _scratch: scratch,
    };
    flows.spawn(flow.run(presses, stop.clone()));
    Ok(())
}

/// Between two tasks.
const EVERY: Duration = Duration::from_millis(900);
/// How long an analyser without power is away.
const NO_POWER: Duration = Duration::from_secs(1);
/// After so many tasks nobody submits one any more, which bounds what is remembered of them.
const MAX_TASKS: u64 = 50_000;
/// The number before the first task: more digits than floating point keeps.
const BEFORE: u64 = 1_679_846_303_806_259_200;

/// One dispatcher, two analysers, and what became of the tasks.
struct Tasks {
    handle: FlowHandle,
    broker: Broker,
    desk: Desk,
    events: mpsc::UnboundedReceiver<Event>,
    analysers: Analysers,
    is_up: bool,
    away_until: Option<Instant>, // an analyser without power
    shown: Option<Link>,
    next: u64,
    open: BTreeMap<TaskId, i64>, // accepted, since then
    decided: BTreeMap<TaskId, Verdict>,
    accepted: u64,
    finished: u64,
    failed: u64,
    timed_out: u64,
    late: u64,
    repeated: u64,
    repaired: u64,
    contradictions: u64,
    gaps: u64,
    gap: Option<(i64, u64)>, // since when, and how many were decided
    _scratch: Scratch,       // goes last
}

impl Tasks {
    async fn run(mut self, mut presses: mpsc::Receiver<Press>, mut stop: Stop) -> Outcome {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        let mut submit = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        submit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end: Option<Instant> = None;
        let mut enough: Option<Instant> = None;
        loop {
            tokio::select! {
                Some(event) = self.events.recv() => self.hear(event),
                _ = submit.tick(), if end.is_none() => self.submit(),
                Some(press) = presses.recv() => self.obey(press).await,
                _ = tick.tick() => {
                    self.tick().await;
                    if enough.is_some_and(|enough| enough <= now()) {
                        self.cancel_all();
                    }
                    if end.is_some_and(|end| self.open.is_empty() || end <= now()) {
                        break;
                    }
                }
                patience = told_to_stop(&mut stop), if end.is_none() => {
                    end = now().checked_add(patience);
                    // What takes longer is given up, which is a verdict, too.
                    enough = now().checked_add(patience / 2);
                    for switch in ["down", "away", "lossy", "double"] {
                        self.handle.switched(switch, false);
                    }
                    self.broker.be_good().await;
                    self.desk.switch(true);
                    self.analysers.switch(1, true).await;
                    self.away_until = None;
                }
            }
        }
        self.finish().await
    }

    fn submit(&mut self) {
        if self.next <= MAX_TASKS && self.desk.is_up() {
            let id = BEFORE + self.next;
            self.next += 1;
            let task = format!(
                r#"{{"id":{id},"top_video":"样例/{}.mp4","goods_ids":{{"1":[17,4],"2":[30],"-1":[7]}}}}"#,
                self.next
            );
            self.handle.wire(
                false,
                "POST /tasks",
                "application/json",
                task.clone().into(),
            );
            self.desk.submit(task);
        }
    }

    fn cancel_all(&self) {
        for id in self.open.keys() {
            self.desk.cancel(*id);
        }
    }

    fn hear(&mut self, event: Event) {
        let at = unix_now().0;
        match event {
            Event::Up => self.is_up = true,
            Event::Down(_) | Event::HungUp(_) => self.gone(),
            Event::Accepted(id) => {
                self.accepted += 1;
                self.open.insert(id, at);
                self.mark(id, at, Fate::Sent);
            }
            Event::TimedOut { id, client, .. } => {
                self.timed_out += 1;
                self.card(id, client.as_str(), words::timed_out());
            }
            Event::Verdict {
                id,
                verdict,
                attempts,
                client,
            } => {
                let who = client.map_or_else(String::new, |client| client.to_string());
                self.decide(id, &verdict, attempts, &who);
            }
            Event::LateResult(id, late) => {
                self.late += 1;
                self.card(id, "", words::late(late == Late::Same));
            }
            _ => {}
        }
        self.show_figures();
    }

    fn decide(&mut self, id: TaskId, verdict: &Verdict, attempts: u32, who: &str) {
        if let Some(before) = self.decided.get(&id) {
            self.repeated += 1;
            self.contradictions += u64::from(before != verdict);
            return;
        }
        self.decided.insert(id, verdict.clone());
        let since = self.open.remove(&id).unwrap_or_default();
        let is_first = attempts <= 1;
        self.mark(id, since, if is_first { Fate::Live } else { Fate::Late });
        let tag = match verdict {
            Verdict::Finished(_) => {
                self.finished += 1;
                self.repaired += u64::from(!is_first);
                words::finished(attempts)
            }
            Verdict::Failed(_) => {
                self.failed += 1;
                words::failed()
            }
            Verdict::Cancelled => words::cancelled(),
            _ => {
                self.failed += 1;
                words::expired()
            }
        };
        self.card(id, who, tag);
    }

    fn mark(&self, id: TaskId, at: i64, fate: Fate) {
        self.handle.mark(Mark {
            id: id.to_string(),
            at,
            fate,
        });
    }

    fn card(&self, id: TaskId, place: &str, tag: Tag) {
        self.handle.card(Card {
            at: unix_now().0,
            title: id.to_string(),
            place: place.to_owned(),
            tone: tag.tone,
            tags: vec![tag],
            ..Card::default()
        });
    }

    fn gone(&mut self) {
        self.is_up = false;
        if self.gap.is_none() {
            self.gaps += 1;
            let from = unix_now().0;
            self.gap = Some((from, count(self.decided.len())));
            self.show_gap(from, None, GapState::Open, 0);
        }
    }

    fn show_gap(&self, from: i64, to: Option<i64>, state: GapState, recovered: u64) {
        self.handle.gap(Gap {
            from,
            to,
            state,
            recovered,
            why: Text::default(),
        });
    }

    async fn obey(&mut self, press: Press) {
        match press.switch {
            "down" => {
                self.desk.switch(!press.on);
                self.handle.switched("down", press.on);
                if press.on {
                    self.gone();
                }
            }
            "away" => {
                self.analysers.switch(1, !press.on).await;
                self.handle.switched("away", press.on);
            }
            "power" => {
                self.analysers.switch(0, false).await;
                self.away_until = now().checked_add(NO_POWER);
            }
            "cut" => self.broker.cut().await,
            // Whatever else there is, is the broker's.
            switch => {
                self.broker.misbehave(switch, press.on).await;
                self.handle.switched(switch, press.on);
            }
        }
    }

    /// What goes by time.
    async fn tick(&mut self) {
        if self.away_until.is_some_and(|until| until <= now()) {
            self.away_until = None;
            self.analysers.switch(0, true).await;
        }
        self.desk.tick().await;
        self.show_figures();
        self.show_link();
        let is_caught_up = self.is_up && self.open.len() <= 2;
        if let Some((from, before)) = self.gap.filter(|_| is_caught_up) {
            let decided = count(self.decided.len()).saturating_sub(before);
            self.gap = None;
            self.show_gap(from, Some(unix_now().0), GapState::Filled, decided);
        }
    }

    fn show_figures(&self) {
        self.handle.set_all(&[
            ("sent", self.accepted),
            ("working", count(self.open.len())),
            ("arrived", self.finished),
            ("failed", self.failed),
            ("timed_out", self.timed_out),
            ("late", self.late),
            ("repeated", self.repeated),
            ("lost", self.contradictions),
        ]);
    }

    fn show_link(&mut self) {
        let doing = match self.open.len() {
            _ if !self.desk.is_up() => Doing::Down,
            _ if !self.is_up => Doing::Connecting,
            0..=3 => Doing::Idle,
            _ => Doing::Busy,
        };
        let link = words::link(doing, count(self.open.len()));
        if self.shown.as_ref() != Some(&link) {
            self.handle.link(link.clone());
            self.shown = Some(link);
        }
    }

    async fn finish(mut self) -> Outcome {
        self.analysers.stop().await;
        self.desk.stop().await;
        let mut faults = Vec::new();
        if self.accepted == 0 {
            faults.push("no task was accepted".to_owned());
        }
        for (count, what) in [
            (count(self.open.len()), "tasks without a verdict"),
            (self.contradictions, "tasks with two verdicts"),
        ] {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        }
        Outcome {
            flow: "analyst",
            sent: self.accepted,
            arrived: count(self.decided.len()),
            repaired: self.repaired,
            gaps: self.gaps,
            faults,
        }
    }
}

fn count(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
