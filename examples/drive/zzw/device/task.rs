//! The task that owns a [`Device`].

use super::dial::{End, FromLink, Link};
use super::kept::{Journal, Keeper, Unreported, Written};
use super::{Ask, Command, CommandError, DeviceCounters, DeviceNews, DeviceOptions, Reply, Show};
use crate::clock::{now, sleep_until};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use zzw_push_proto::device::{
    Answer, Device, Event, Input, Output, Recovered, Refused, RequestId, Seq,
};
use zzw_push_proto::wire::{Delivery, Door, Message};

/// A client at work.
pub(super) struct Task {
    device: Device,
    options: DeviceOptions,
    connection: Connection,
    asked: HashMap<RequestId, Reply<Answer>>,
    keeper: Option<Keeper>,
    last_seq: u64, // of what was told; the store's own with a folder
    news: mpsc::Sender<DeviceNews>,
    pending: VecDeque<DeviceNews>, // while the application is busy; nothing is then read
}

enum Connection {
    Down,
    /// Dials or is up.
    Open(Link),
    /// Sends its last words.
    Leaving(Link),
}

impl Task {
    pub(super) fn new(
        options: DeviceOptions,
        recovered: Recovered,
        journal: Option<Journal>,
        unreported: Vec<Unreported>,
        news: mpsc::Sender<DeviceNews>,
    ) -> Self {
        let told = |(seq, delivery): Unreported| DeviceNews::Delivered { seq, delivery };
        Self {
            device: Device::new(options.config.clone(), recovered),
            options,
            connection: Connection::Down,
            asked: HashMap::new(),
            keeper: journal.map(Keeper::new),
            last_seq: 0,
            news,
            pending: unreported.into_iter().map(told).collect(),
        }
    }

    pub(super) fn counters(&self) -> DeviceCounters {
        DeviceCounters {
            machine: self.device.counters(),
            state: self.device.state(),
        }
    }

    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        counters: watch::Sender<DeviceCounters>,
    ) {
        let news = self.news.clone();
        self.drain();
        while !self.device.is_closed() {
            let is_idle = self.pending.is_empty();
            let due = self.device.poll_timeout();
            tokio::select! {
                command = commands.recv() => match command {
                    None => return,
                    Some(command) => self.obey(command),
                },
                heard = self.connection.next(), if is_idle || self.connection.is_leaving() => {
                    self.hear(heard);
                }
                written = Keeper::written(self.keeper.as_mut()) => self.written(written),
                permit = news.reserve(), if !is_idle => {
                    let (Ok(permit), Some(item)) = (permit, self.pending.pop_front()) else {
                        return;
                    };
                    permit.send(item);
                }
                () = sleep_until(due) => self.device.handle_timeout(now()),
            }
            self.drain();
            counters.send_replace(self.counters());
        }
        drop(commands); // who commands from now on is told that it has ended
        self.end().await;
    }

    /// Hands over what is left, and lets the link and the disk finish.
    async fn end(mut self) {
        let Self {
            news,
            pending,
            connection,
            keeper,
            ..
        } = &mut self;
        let tell = async {
            for item in pending.drain(..) {
                if news.send(item).await.is_err() {
                    return;
                }
            }
        };
        let leave = async {
            if let Connection::Leaving(link) = connection {
                while !matches!(link.next().await, FromLink::Over(_)) {}
            }
            if let Some(keeper) = keeper {
                keeper.finish().await;
            }
        };
        tokio::join!(tell, leave);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ask(ask, reply) => self.ask(ask, reply),
            Command::Show(show, door, reply) => {
                let shown = self.show(show, door).map_err(refused);
                // Nobody need wait for the outcome.
                let _ = reply.send(shown);
            }
            Command::Acknowledge(mid, reply) => {
                let acknowledged = self.device.acknowledge(now(), mid).map_err(refused);
                let _ = reply.send(acknowledged);
            }
            Command::CutLink => {
                if matches!(self.connection, Connection::Open(_)) {
                    self.over(End::broken("cut"));
                }
            }
            Command::Close => self.device.close(now()),
        }
    }

    fn ask(&mut self, ask: Ask, reply: Reply<Answer>) {
        let (device, now) = (&mut self.device, now());
        let asked = match ask {
            Ask::Register(topics) => device.register(now, topics).map_err(refused),
            Ask::Unregister(topics) => device.unregister(now, topics).map_err(refused),
            Ask::Topics => device.topics(now).map_err(refused),
            Ask::Pull => device.pull(now).map_err(refused),
            Ask::Publish(publish) => device.publish(now, publish).map_err(refused),
            Ask::Status(alias) => device.status(now, alias).map_err(refused),
            Ask::ServerInfo => device.server_info(now).map_err(refused),
        };
        match asked {
            Ok(id) => drop(self.asked.insert(id, reply)),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn show(&mut self, show: Show, door: Door) -> Result<(), Refused<Door>> {
        match show {
            Show::OpenDoor => self.device.open_door(now(), door),
            Show::Phone => self.device.phone_present(now(), door),
            Show::Door => self.device.door_present(now(), door),
        }
    }

    fn hear(&mut self, news: FromLink) {
        let input = match news {
            FromLink::Over(end) => return self.over(end),
            // The machine wants nothing more of a link that it has ended.
            _ if self.connection.is_leaving() => return,
            FromLink::Up(address) => {
                self.push(DeviceNews::Connected(address));
                Input::Connected
            }
            FromLink::Heard(message) => Input::Received(message),
            FromLink::Garbled(error) => Input::Garbled(error),
        };
        self.device.handle_input(now(), input);
    }

    fn over(&mut self, end: End) {
        self.connection = Connection::Down;
        if let Some(why) = end.why {
            self.push(DeviceNews::Disconnected(why));
        }
        let input = Input::Disconnected(end.cause);
        self.device.handle_input(now(), input);
    }

    fn written(&mut self, written: Written) {
        if let Some(why) = written.failed {
            self.push(DeviceNews::StoreFailed(why));
            for seq in written.seqs {
                self.device.handle_input(now(), Input::StoreFailed(seq));
            }
            return;
        }
        for seq in written.seqs {
            self.device.handle_input(now(), Input::Stored(seq));
            // What is told by this has this number.
            self.last_seq = seq.0.saturating_sub(1);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.device.poll_output() {
            match output {
                Output::Connect => self.connection = Connection::Open(Link::dial(&self.options)),
                Output::Send(message) => self.send(message),
                Output::Event(event) => self.tell(event),
                Output::Store(seq, delivery) => self.keep(seq, delivery),
                Output::Disconnect => self.connection.leave(),
                _ => {}
            }
        }
    }

    fn send(&mut self, message: Message) {
        let Connection::Open(link) = &self.connection else {
            return;
        };
        let Some(queue) = &link.queue else { return };
        // If the link has ended, that is about to be told.
        if let Err(TrySendError::Full(_)) = queue.try_send(message) {
            self.over(End::broken("too much waits to be sent"));
        }
    }

    fn tell(&mut self, event: Event) {
        let (request, outcome) = match event {
            Event::Answered(request, answer) => (request, Ok(answer)),
            Event::Failed {
                request,
                code,
                text,
            } => (request, Err(CommandError::Failed { code, text })),
            Event::TimedOut { request, was_sent } => {
                (request, Err(CommandError::TimedOut { was_sent }))
            }
            Event::Delivered(delivery) => {
                self.last_seq += 1;
                let seq = self.last_seq;
                return self.push(DeviceNews::Delivered { seq, delivery });
            }
            event => {
                let is_bound = event == Event::Bound;
                self.push(DeviceNews::Machine(event));
                if is_bound {
                    self.announce();
                }
                return;
            }
        };
        if let Some(reply) = self.asked.remove(&request) {
            // Nobody need wait for the outcome.
            let _ = reply.send(outcome);
        }
    }

    /// Says on a new link which sides are here.
    fn announce(&mut self) {
        let user = self.options.config.alias.clone();
        let sides = [
            (Show::Door, self.options.door.clone()),
            (Show::Phone, self.options.phone.clone()),
        ];
        for (side, room) in sides {
            // It is bound, and what else could be wrong was checked at the start.
            if let Some(room) = room {
                let _ = self.show(side, Door::new(room, user.clone()));
            }
        }
    }

    fn keep(&mut self, seq: Seq, delivery: Delivery) {
        match &mut self.keeper {
            Some(keeper) => keeper.put(seq, delivery),
            None => self.device.handle_input(now(), Input::StoreFailed(seq)),
        }
    }

    fn push(&mut self, item: DeviceNews) {
        if !self.pending.is_empty() {
            return self.pending.push_back(item);
        }
        if let Err(full) = self.news.try_send(item) {
            self.pending.push_back(full.into_inner());
        }
    }
}

impl Connection {
    async fn next(&mut self) -> FromLink {
        match self {
            Self::Down => std::future::pending().await,
            Self::Open(link) | Self::Leaving(link) => link.next().await,
        }
    }

    fn is_leaving(&self) -> bool {
        matches!(self, Self::Leaving(_))
    }

    /// Lets the link send what it was given; then it is over.
    fn leave(&mut self) {
        *self = match std::mem::replace(self, Self::Down) {
            Self::Open(mut link) => {
                link.queue = None;
                Self::Leaving(link)
            }
            other => other,
        };
    }
}

fn refused<T>(refused: Refused<T>) -> CommandError
where
    Refused<T>: fmt::Display,
{
    CommandError::Refused(refused.to_string())
}
