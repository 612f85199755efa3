//! The subscriber's side of the world.

use super::{Connection, Happening, START, World, camera_id};
use crate::application::Fact;
use crate::plan::Saboteur;
use bytes::Bytes;
use se5_events::device::{self, Fault, LinkId, Peer};
use se5_events::platform::{self, Cause, Mark, Op};
use se5_events::{FaceEvent, FromBox, Subscription, ToBox, UnixMillis};
use testkit::Pipe;

impl World {
    pub(super) fn dialed(&mut self, id: u64) {
        if id != self.links || self.platform.is_none() {
            return;
        }
        if !self.network_is_up {
            return self.tell(|at| platform::Input::Disconnected(at, Cause::Unreachable));
        }
        let now = self.schedule.now();
        self.link = Some(Connection {
            id,
            to_box: Pipe::default(),
            to_subscriber: Pipe::default(),
            is_open: true,
        });
        let peer = Peer("192.0.2.7:40001".to_owned());
        self.the_box
            .handle_input(now, device::Input::Connected(LinkId(id), peer));
        self.tell(platform::Input::Connected);
    }

    pub(super) fn at_subscriber(&mut self, json: Bytes) {
        let is_first_camera = json.windows(4).any(|tail| tail == b"000\"");
        match self.saboteur {
            Saboteur::LeakyDriver if self.chance.percent(2) => return,
            Saboteur::BlindSpot if is_first_camera => return,
            _ => {}
        }
        let json = if self.saboteur == Saboteur::ForgedTime && self.chance.percent(2) {
            let text =
                String::from_utf8_lossy(&json).replace("\"timestamp\":17", "\"timestamp\":18");
            Bytes::from(text)
        } else {
            json
        };
        match FaceEvent::decode(json) {
            Ok(event) => self.tell(|at| platform::Input::Received(at, FromBox::Face(event))),
            Err(error) => self.tell(|at| platform::Input::Garbled(at, error)),
        }
    }

    /// Hands out what the subscriber has to say; false if it was killed meanwhile.
    pub(super) fn drain_subscriber(&mut self) -> Result<(), String> {
        loop {
            if self.doomed == Some(0) {
                self.kill();
                return Ok(());
            }
            let Some(platform) = &mut self.platform else {
                return Ok(());
            };
            let Some(output) = platform.poll_output() else {
                return Ok(());
            };
            self.doomed = self.doomed.map(|left| left - 1);
            if let Some(trace) = &mut self.trace {
                trace.note(&output);
            }
            if self.narrates {
                println!("{:>9}   {output:?}", self.schedule.elapsed_millis());
            }
            match output {
                platform::Output::Connect => self.dial(),
                platform::Output::Disconnect => self.hang_up(),
                platform::Output::Send(ToBox::Ask(id, dialect, ask)) => {
                    let news = Happening::Asked(self.process, id, dialect, ask);
                    self.after(self.plan.latency, news);
                }
                platform::Output::Send(message) => self.send_to_box(message),
                platform::Output::Store(Op::Mark { seq, mark }) => {
                    let mark = self.tampered(mark);
                    self.after(500, Happening::Stored(self.process, seq, mark));
                }
                platform::Output::Event(event) => self.give(&event)?,
                other => return Err(format!("{other:?} is new to this test")),
            }
        }
    }

    pub(super) fn give(&mut self, event: &platform::Event) -> Result<(), String> {
        match event {
            platform::Event::Face { source, .. } => {
                self.stats.delivered += 1;
                self.stats.backfilled += u64::from(*source == platform::Source::Backfill);
            }
            platform::Event::GapFilled { .. } => self.stats.filled += 1,
            platform::Event::GapOpen { .. } => self.stats.open += 1,
            _ => {}
        }
        if self.saboteur == Saboteur::NoBackfill && matches!(event, platform::Event::GapOpen { .. })
        {
            return Ok(());
        }
        let reorders = self
            .plan
            .faults
            .iter()
            .any(|fault| matches!(fault, Fault::Reorder(_)));
        let (by_key, happened) = (&self.by_key, &self.happened);
        let now = START.plus(self.schedule.elapsed_millis());
        self.app.take(now, event, |key| {
            let number = *by_key.get(&key)?;
            let happened = happened.get(number)?.at;
            Some(Fact {
                number,
                happened,
                may_be_reordered: reorders,
            })
        })
    }

    pub(super) fn dial(&mut self) {
        self.links += 1;
        self.link = None;
        let id = self.links;
        if self.network_is_up {
            self.after(self.plan.latency, Happening::Dialed(id));
        } else if self.chance.percent(50) {
            self.after(3_000, Happening::DialFailed(id, Cause::Unreachable));
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.links += 1; // a dial under way is for nobody now
        if let Some(link) = self.link.take() {
            self.after(self.plan.latency, Happening::BoxLearns(link.id));
        }
    }

    pub(super) fn tell(&mut self, input: impl FnOnce(UnixMillis) -> platform::Input) {
        let now = self.schedule.now();
        let at = match self.saboteur {
            Saboteur::FrozenWall => START,
            _ => self.wall(),
        };
        if let Some(platform) = &mut self.platform {
            platform.handle_input(now, input(at));
        }
    }

    pub(super) fn lost(&mut self, cause: Cause) {
        self.stats.losses += 1;
        if self.saboteur == Saboteur::SilentReconnect {
            // Reconnects by itself and says nothing: the subscription goes out again, the gap does not.
            let cameras: Vec<String> = (0..self.plan.subscribed).map(camera_id).collect();
            self.links += 1;
            let id = self.links;
            if !self.network_is_up {
                return self.tell(|at| platform::Input::Disconnected(at, cause));
            }
            self.link = Some(Connection {
                id,
                to_box: Pipe::default(),
                to_subscriber: Pipe::default(),
                is_open: true,
            });
            let now = self.schedule.now();
            let peer = Peer::default();
            self.the_box
                .handle_input(now, device::Input::Connected(LinkId(id), peer));
            self.send_to_box(ToBox::Subscribe(
                self.the_box.dialect(),
                Subscription::new(cameras),
            ));
            return;
        }
        self.tell(|at| platform::Input::Disconnected(at, cause));
    }

    pub(super) fn tampered(&self, mut mark: Mark) -> Mark {
        match self.saboteur {
            Saboteur::BoldMark => mark.live = mark.live.plus(60_000),
            Saboteur::ForgetfulMark => mark.open.clear(),
            _ => {}
        }
        mark
    }

    pub(super) fn store(&mut self, mark: Mark) {
        if self.saboteur == Saboteur::LyingStore && self.mark.is_some() {
            let moved = Mark {
                open: Vec::new(),
                live: self.wall(),
                ..mark
            };
            self.mark = Some(moved);
        } else {
            self.mark = Some(mark);
        }
    }
}
