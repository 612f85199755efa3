//! The lane of `zzw-push-proto`: a push server over its store, a management centre that publishes,
//! and one end that comes and goes, once over lines and once over Socket.IO; beside them a camera at
//! the door and whoever looks at its pictures.

mod camera;
mod ends;
mod nodes;
mod site;
mod words;

use super::cable::Cable;
use super::hub::{FlowHandle, Hub, Press};
use super::outcome::Outcome;
use super::scratch::Scratch;
use super::view::{Card, Fate, Gap, GapState, Link, Mark, Text, Tone};
use super::{Stop, told_to_stop};
use crate::clock::{now, unix_now};
use crate::zzw::device::{DeviceNews, Outcome as Answered, Place, Via};
use camera::{Camera, Viewer};
use ends::{Centre, Home};
use nodes::Nodes;
use site::{Site, Way};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use words::{Doing, Names};
use zzw_push_proto::device::{Answer, Event};
use zzw_push_proto::wire::{Delivery, Json, Num, Publish};

/// Adds the lane and starts its flows, which end when `stop` says so. Each has a server of its own,
/// unless there is a Redis: then they share three nodes over it.
///
/// # Errors
///
/// If there is no room on the disk, no port can be had, or the Redis cannot be used.
pub(super) async fn start(
    hub: &Arc<Hub>,
    flows: &mut JoinSet<Outcome>,
    stop: &Stop,
    seed: u64,
    cluster: Option<&str>,
) -> io::Result<()> {
    hub.add_lane(words::lane(cluster.is_some()));
    let scratch = Arc::new(Scratch::new()?);
    let nodes = match cluster {
        Some(url) => Some(Nodes::start(hub, flows, stop, url).await?),
        None => None,
    };
    let phone = match cluster {
        Some(_) => words::PHONE_BESIDE,
        None => words::PHONE,
    };
    // The centres are at the first node, and each end at another.
    for (id, via, names, node) in [
        ("zzw-tcp", Via::Tcp, words::INDOOR, 1),
        ("zzw-sio", Via::SocketIo, phone, 2),
    ] {
        let folder = scratch.path().join(id);
        fs::create_dir(&folder)?;
        let site = Site::start(nodes.as_ref(), folder.join("server")).await?;
        let cable = Cable::lay_to_any(site.ends(node, |at| match via {
            Via::Tcp => at.push,
            _ => at.socketio,
        }))
        .await?;
        let end = place(cable.address());
        let centre = site.way(0, |at| at.push).await?;
        let relay = site.way(node, |at| at.relay).await?;
        // Rooms are within a node.
        let opener = (site.is_cluster() && via == Via::Tcp)
            .then(|| Centre::start(names.opener, end.clone(), seed));
        let view = words::flow(
            id,
            via,
            names,
            [site.addresses(0), site.addresses(node)],
            site.token(),
            site.is_cluster(),
        );
        let (handle, presses) = hub.add_flow(view);
        let flow = Push {
            id,
            names,
            handle,
            camera: Camera::start(relay.address, names.room, seed),
            viewer: Viewer::start(relay.address, names.room),
            site,
            cable,
            home: Home::new(names, via, end, folder.join("home"), seed),
            centre: Centre::start(names.centre, place(centre.address), seed)?,
            opener: opener.transpose()?,
            _ways: [centre, relay],
            is_bound: false,
            cut_until: None,
            asleep_until: None,
            shown: None,
            next: 1,
            pending: None,
            asking: None,
            opening: None,
            channels: 0,
            sent: BTreeSet::new(),
            arrived: BTreeSet::new(),
            last: 0,
            late: 0,
            doubled: 0,
            displaced: 0,
            asked_doors: 0,
            opened_doors: 0,
            gaps: 0,
            gap: None,
            _scratch: Arc::clone(&scratch),
        };
        flows.spawn(flow.run(presses, stop.clone()));
    }
    Ok(())
}

fn place(address: SocketAddr) -> Place {
    Place::Fixed {
        host: Ipv4Addr::LOCALHOST.to_string(),
        port: address.port(),
    }
}

/// Between two messages.
const EVERY: Duration = Duration::from_millis(700);
/// How long a cut link lasts.
const CUT: Duration = Duration::from_secs(2);
/// How long an end without power is away.
const NO_POWER: Duration = Duration::from_secs(1);
/// How old a message is, in milliseconds, that was not delivered at once.
const LATE: i64 = 1_000;
/// After so many messages the centre says nothing more, which bounds what is remembered of them.
const MAX_MESSAGES: u64 = 50_000;

/// One server or several nodes, one end that comes and goes, and what arrived there.
struct Push {
    id: &'static str,
    names: Names,
    handle: FlowHandle,
    site: Site,
    cable: Cable,
    home: Home,
    centre: Centre,
    opener: Option<Centre>, // at the door's node, if the centre may be at another
    _ways: [Way; 2],        // to the centre's node and to the relay
    camera: Camera,
    viewer: Viewer,
    is_bound: bool,
    cut_until: Option<Instant>,
    asleep_until: Option<Instant>, // without power
    shown: Option<Link>,
    next: u64,
    pending: Option<(u64, Answered<Answer>)>,
    asking: Option<Answered<Answer>>, // for its channels
    opening: Option<Answered<()>>,    // the door
    channels: u64,
    sent: BTreeSet<u64>, // answered with -6
    arrived: BTreeSet<u64>,
    last: u64,
    late: u64,
    doubled: u64,
    displaced: u64,
    asked_doors: u64,
    opened_doors: u64,
    gaps: u64,
    gap: Option<(i64, usize)>, // since when, and how many had arrived
    _scratch: Arc<Scratch>,    // goes last
}

impl Push {
    async fn run(mut self, mut presses: mpsc::Receiver<Press>, mut stop: Stop) -> Outcome {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        let mut publish = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        publish.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end: Option<Instant> = None;
        loop {
            tokio::select! {
                news = self.home.next() => self.hear(news),
                () = self.centre.attend() => {}
                () = attend(&mut self.opener) => {}
                picture = self.viewer.next() => self.show_picture(picture),
                outcome = answered(&mut self.pending) => self.settle(outcome),
                channels = listed(&mut self.asking) => self.channels = channels.unwrap_or(self.channels),
                was_sent = sent(&mut self.opening) => if !was_sent {
                    self.card("", self.names.room, words::not_asked());
                },
                _ = publish.tick(), if end.is_none() && self.pending.is_none() => self.publish(),
                Some(press) = presses.recv() => self.obey(press),
                _ = tick.tick() => {
                    self.tick().await;
                    if end.is_some_and(|end| self.is_settled() || end <= now()) {
                        break;
                    }
                }
                patience = told_to_stop(&mut stop), if end.is_none() => {
                    end = now().checked_add(patience);
                    self.plug_in();
                    self.asleep_until = None;
                    for switch in ["down", "away"] {
                        self.handle.switched(switch, false);
                    }
                    self.site.switch(true);
                    self.home.switch(true);
                }
            }
        }
        self.finish().await
    }

    /// The next message: two of three to the end itself, one to the channel it is subscribed to.
    fn publish(&mut self) {
        if !self.site.is_up() || self.next > MAX_MESSAGES {
            return;
        }
        let number = self.next;
        self.next += 1;
        let body = words::body(number, unix_now().0);
        let msg = Json::text(&body);
        let publish = if number.is_multiple_of(3) {
            Publish::to_topics([self.names.channel].iter().collect(), msg, Num::Absent)
        } else {
            Publish::to_aliases([self.names.alias].iter().collect(), msg, Num::Absent)
        };
        self.pending = Some((number, self.centre.publish(publish)));
        self.handle
            .wire(false, "do_push", "text/plain", body.into());
    }

    /// What is not known to be kept may arrive or not; what is known to be kept must.
    fn settle(&mut self, (number, is_kept): (u64, bool)) {
        if !is_kept {
            return;
        }
        self.sent.insert(number);
        let has_arrived = self.arrived.contains(&number);
        self.site.acknowledged((self.id, number), has_arrived);
        if !has_arrived {
            self.handle.mark(Mark {
                id: number.to_string(),
                at: unix_now().0,
                fate: Fate::Sent,
            });
        }
    }

    fn hear(&mut self, news: DeviceNews) {
        match news {
            DeviceNews::Delivered { delivery, .. } => self.delivered(&delivery),
            DeviceNews::Machine(Event::Bound) => self.is_bound = true,
            DeviceNews::Machine(Event::Subscribed) => self.asking = self.home.channels(),
            DeviceNews::Machine(Event::Down(_)) => self.gone(),
            DeviceNews::Machine(Event::DoorAsked(door)) => {
                self.opened_doors += 1;
                self.card(door.user.as_str(), door.room.as_str(), words::door());
            }
            DeviceNews::Machine(Event::Gap(lost)) => {
                self.card("", "", words::gap(lost));
            }
            _ => {}
        }
    }

    fn gone(&mut self) {
        self.is_bound = false;
        if self.gap.is_none() {
            self.gaps += 1;
            let (from, arrived) = (unix_now().0, self.arrived.len());
            self.gap = Some((from, arrived));
            self.show_gap(from, None, GapState::Open, 0);
        }
    }

    fn delivered(&mut self, delivery: &Delivery) {
        let Some(body) = delivery.msg.to_text() else {
            return;
        };
        self.handle.wire(
            true,
            if self.id == "zzw-tcp" { "t:5" } else { "push" },
            "text/plain",
            body.to_string().into(),
        );
        let Some((number, at)) = words::read_body(&body) else {
            let words = words::from_outside();
            return self.card(&body, delivery.mid.as_str(), words);
        };
        let is_late = unix_now().0.saturating_sub(at) > LATE;
        if !self.arrived.insert(number) {
            self.doubled += 1;
        } else if number < self.last {
            self.displaced += 1;
        }
        self.last = self.last.max(number);
        self.late += u64::from(is_late);
        self.site.arrived((self.id, number), is_late);
        self.handle.mark(Mark {
            id: number.to_string(),
            at,
            fate: Fate::Sent,
        });
        self.handle.mark(Mark {
            id: number.to_string(),
            at,
            fate: if is_late { Fate::Late } else { Fate::Live },
        });
        let place = delivery
            .topic
            .as_deref()
            .unwrap_or(self.names.alias)
            .to_owned();
        self.handle.card(Card {
            at,
            title: body.to_string(),
            place,
            tags: is_late.then(words::late).into_iter().collect(),
            tone: if is_late { Tone::Warn } else { Tone::Plain },
            ..Card::default()
        });
        self.show_figures();
    }

    fn show_picture(&self, jpeg: bytes::Bytes) {
        self.handle.count("pictures");
        let id = self.handle.picture(jpeg);
        self.handle.card(Card {
            at: unix_now().0,
            title: String::new(),
            place: self.names.room.to_owned(),
            tags: vec![words::capture()],
            pictured: true,
            pictures: vec![id],
            ..Card::default()
        });
    }

    fn card(&self, title: &str, place: &str, tag: super::view::Tag) {
        self.handle.card(Card {
            at: unix_now().0,
            title: title.to_owned(),
            place: place.to_owned(),
            tone: tag.tone,
            tags: vec![tag],
            ..Card::default()
        });
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
                self.home.kill();
                self.asleep_until = now().checked_add(NO_POWER);
                self.gone();
            }
            "away" => {
                self.home.switch(!press.on);
                self.handle.switched("away", press.on);
                if press.on {
                    self.gone();
                }
            }
            "door" if self.is_bound => {
                self.asked_doors += 1;
                let centre = self.opener.as_ref().unwrap_or(&self.centre);
                self.opening = Some(centre.open_door(self.names));
            }
            "door" => self.card("", self.names.room, words::nobody_there()),
            // Whatever else there is, is the server's.
            _ => {
                self.site.switch(!press.on);
                self.handle.switched("down", press.on);
            }
        }
    }

    fn plug_in(&mut self) {
        self.cable.plug_in();
        self.cut_until = None;
        self.handle.switched("cut", false);
    }

    /// What goes by time.
    async fn tick(&mut self) {
        if self.cut_until.is_some_and(|until| until <= now()) {
            self.plug_in();
        }
        if self.asleep_until.is_none_or(|until| until <= now()) {
            self.asleep_until = None;
            self.home.tick().await;
        }
        self.site.tick().await;
        self.camera.tick();
        self.show_figures();
        self.show_link();
        let is_caught_up = self.is_bound && self.waiting() == 0;
        if let Some((from, arrived)) = self.gap.filter(|_| is_caught_up) {
            let recovered = self.arrived.len().saturating_sub(arrived);
            self.gap = None;
            self.show_gap(from, Some(unix_now().0), GapState::Filled, count(recovered));
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

    fn show_figures(&self) {
        self.handle.set_all(&[
            ("sent", count(self.sent.len())),
            ("queued", self.waiting()),
            ("arrived", count(self.arrived.len())),
            ("late", self.late),
            ("online", self.site.online()),
            ("channels", self.channels),
            ("doors", self.opened_doors),
            ("lost", self.doubled + self.displaced),
        ]);
    }

    fn show_link(&mut self) {
        let doing = match self.waiting() {
            _ if !self.site.is_up() => Doing::ServerDown,
            _ if self.asleep_until.is_some() => Doing::NoPower,
            _ if !self.home.is_wanted() => Doing::Away,
            _ if !self.is_bound => Doing::Connecting,
            0 | 1 => Doing::Online,
            _ => Doing::CatchingUp,
        };
        let link = words::link(doing, self.waiting());
        if self.shown.as_ref() != Some(&link) {
            self.handle.link(link.clone());
            self.shown = Some(link);
        }
    }

    /// Messages that are kept for the end and have not arrived.
    fn waiting(&self) -> u64 {
        count(self.sent.difference(&self.arrived).count())
    }

    /// True if everything that was kept has arrived, and nothing is under way.
    fn is_settled(&self) -> bool {
        self.pending.is_none() && self.waiting() == 0 && self.site.is_up()
    }

    async fn finish(mut self) -> Outcome {
        let figures = (count(self.sent.len()), self.waiting());
        self.camera.stop();
        self.viewer.stop();
        self.home.stop().await;
        self.centre.stop().await;
        if let Some(opener) = self.opener {
            opener.stop().await;
        }
        let mut faults: Vec<String> = self.site.stop().await.err().into_iter().collect();
        if figures.0 == 0 {
            faults.push("nothing was published".to_owned());
        }
        if self.handle.counter("pictures") == 0 {
            faults.push("no picture came through the relay".to_owned());
        }
        for (count, what) in [
            (figures.1, "messages not delivered"),
            (self.doubled, "messages delivered twice"),
            (self.displaced, "messages delivered out of order"),
            (
                self.opened_doors.saturating_sub(self.asked_doors),
                "doors opened that nobody asked for",
            ),
        ] {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        }
        Outcome {
            flow: self.id,
            sent: figures.0,
            arrived: figures.0 - figures.1,
            repaired: self.late,
            gaps: self.gaps,
            faults,
        }
    }
}

/// The outcome of what was published last, once there is one.
async fn answered(pending: &mut Option<(u64, Answered<Answer>)>) -> (u64, bool) {
    match pending {
        Some((number, answer)) => {
            let number = *number;
            let is_kept = answer.await.is_ok();
            *pending = None;
            (number, is_kept)
        }
        None => std::future::pending().await,
    }
}

/// How many channels the end is subscribed to, once it has asked.
async fn listed(asking: &mut Option<Answered<Answer>>) -> Option<u64> {
    match asking {
        Some(answer) => {
            let answer = answer.await;
            *asking = None;
            match answer {
                Ok(Answer::Topics(topics)) => Some(count(topics.len())),
                _ => None,
            }
        }
        None => std::future::pending().await,
    }
}

/// Reads news that nobody wants, if there may be any.
async fn attend(opener: &mut Option<Centre>) {
    match opener {
        Some(opener) => opener.attend().await,
        None => std::future::pending().await,
    }
}

/// True once a request to open the door was sent, false if it could not be.
async fn sent(opening: &mut Option<Answered<()>>) -> bool {
    match opening {
        Some(outcome) => {
            let is_sent = outcome.await.is_ok();
            *opening = None;
            is_sent
        }
        None => std::future::pending().await,
    }
}

fn count(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
