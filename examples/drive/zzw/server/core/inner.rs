//! What the lock of the core guards.

use super::super::lines::Taken;
use super::super::socketio;
use super::super::tokens::Tokens;
use super::super::vault::Vault;
use super::Outlet;
use crate::clock::now;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use zzw_push_proto::platform::{
    ExchangeId, Input, LinkId, Parcel, Platform, Question, RoomCounts, Verdict,
};
use zzw_push_proto::rest::RestReply;
use zzw_push_proto::rooms::{self, CloseCode, Rooms, Signal, SignalId};
use zzw_push_proto::wire::Message;

/// The machines, the store, and the ways out.
pub(super) struct Inner {
    pub(super) platform: Platform,
    pub(super) rooms: Rooms,
    pub(super) store: Option<Vault>, // none once it has been closed
    pub(super) outlets: HashMap<LinkId, Outlet>,
    pub(super) unwritten: Vec<LinkId>, // over lines, with something that has not been handed over
    pub(super) calls: HashMap<ExchangeId, oneshot::Sender<RestReply>>,
    pub(super) bodies: socketio::Bodies,
    pub(super) judge: Judge,
    pub(super) tokens: Arc<Tokens>,
    pub(super) counted: RoomCounts,
    pub(super) next_signal: u64,
    pub(super) armed: Option<Instant>,
    /// When something has happened last.
    pub(super) pulse: Instant,
    /// [`Platform::node_changes`] when rooms were last looked at.
    pub(super) node_changes: u64,
}

/// A process in which nothing happens for so long stands still: four times the time between beats.
const PAUSE: Duration = Duration::from_secs(1);

/// Decides what the rules leave to the application.
pub(in super::super) type Judge = Box<dyn Fn(&Question) -> Verdict + Send>;

impl Inner {
    /// Tells the broker if the process stood still since something has happened last: nothing else
    /// would, since no clock of its own has stood still.
    pub(super) fn feel_pulse(&mut self, now: Instant) {
        let pause = now.saturating_duration_since(self.pulse);
        self.pulse = now;
        if pause >= PAUSE {
            self.platform.handle_input(now, Input::Paused(pause));
        }
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        let timers = [self.platform.poll_timeout(), self.rooms.poll_timeout()];
        timers.into_iter().flatten().min()
    }

    pub(super) fn send(&mut self, link: LinkId, message: &Message) {
        let taken = match self.outlets.get_mut(&link) {
            Some(Outlet::Lines(outlet)) => outlet.send(message),
            Some(Outlet::Events(outbox)) => Taken::by_itself(outbox.send(message)),
            Some(Outlet::Room(_)) | None => return,
        };
        self.note(link, taken);
    }

    pub(super) fn deliver(&mut self, link: LinkId, parcel: Parcel) {
        let taken = match self.outlets.get_mut(&link) {
            Some(Outlet::Lines(outlet)) => outlet.deliver(parcel),
            Some(Outlet::Events(outbox)) => {
                Taken::by_itself(outbox.deliver(&parcel, &mut self.bodies))
            }
            Some(Outlet::Room(_)) | None => return,
        };
        self.note(link, taken);
    }

    pub(super) fn note(&mut self, link: LinkId, taken: Taken) {
        if taken.is_news {
            self.unwritten.push(link);
        }
        if taken.is_full {
            self.slow(link);
        }
    }

    pub(super) fn slow(&mut self, link: LinkId) {
        let now = now();
        self.platform.handle_input(now, Input::Slow(link));
        self.rooms.handle_input(now, rooms::Input::Slow(link));
    }

    /// A frame of type 8, 9 or 10: to the rooms at once, or never (Z-13).
    pub(super) fn signal(
        &mut self,
        link: LinkId,
        received: Instant,
        message: &Message,
        is_authorised: bool,
    ) {
        self.next_signal += 1;
        if let Some(signal) = Signal::of(SignalId(self.next_signal), message, received) {
            let input = rooms::Input::Signal {
                link,
                signal: Arc::new(signal),
                is_authorised,
            };
            self.rooms.handle_input(now(), input);
        }
    }

    /// One that the rooms of another node have let through.
    pub(super) fn far_signal(&mut self, received: Instant, message: &Message) {
        self.next_signal += 1;
        if let Some(signal) = Signal::of(SignalId(self.next_signal), message, received) {
            let input = rooms::Input::FarSignal(Arc::new(signal));
            self.rooms.handle_input(now(), input);
        }
    }

    pub(super) fn obey_rooms(&mut self, output: rooms::Output) {
        match output {
            rooms::Output::Send(link, frame) => {
                if let Some(Outlet::Room(outbox)) = self.outlets.get(&link) {
                    outbox.send(frame);
                }
            }
            rooms::Output::Signal {
                link,
                signal,
                deadline,
            } => match self.outlets.get_mut(&link) {
                Some(Outlet::Lines(outlet)) => {
                    let taken = outlet.signal(&signal.to_message(), deadline);
                    self.note(link, taken);
                }
                Some(Outlet::Events(outbox)) => outbox.signal(&signal.to_message(), deadline),
                Some(Outlet::Room(_)) | None => {}
            },
            rooms::Output::Relay(signal) => {
                let (received, message) = (signal.received, signal.to_message());
                self.platform.relay_door(now(), received, &message);
            }
            rooms::Output::Disconnect(link, code) => self.hang_up(link, code),
            _ => {}
        }
    }

    pub(super) fn hang_up(&mut self, link: LinkId, code: CloseCode) {
        match self.outlets.remove(&link) {
            Some(Outlet::Lines(outlet)) => outlet.close(),
            Some(Outlet::Events(outbox)) => outbox.close(),
            Some(Outlet::Room(outbox)) => outbox.close(code),
            None => return,
        }
        // What it has announced there ends with it.
        self.rooms
            .handle_input(now(), rooms::Input::Disconnected(link));
    }

    /// Rooms whose home is another node now are closed here.
    pub(super) fn move_rooms(&mut self) {
        let changes = self.platform.node_changes();
        if std::mem::replace(&mut self.node_changes, changes) == changes {
            return;
        }
        let rooms = self.rooms.rooms();
        let gone = rooms.filter(|(_, room)| self.platform.home_of(room).is_some());
        let gone: Vec<_> = gone.map(|(kind, room)| (kind, room.clone())).collect();
        for (kind, room) in gone {
            self.rooms.move_out(now(), kind, &room);
        }
    }

    /// The broker tells how many rooms there are, so it has to know.
    pub(super) fn count_rooms(&mut self) {
        let sizes = self.rooms.sizes();
        let counted = RoomCounts {
            one_to_one: sizes.one_to_one,
            one_to_many: sizes.one_to_many,
            many_to_many: sizes.many_to_many,
            links: sizes.links,
        };
        if counted != self.counted {
            self.counted = counted;
            self.platform.handle_input(now(), Input::Rooms(counted));
        }
    }
}
