//! The task that owns a [`Device`].

use super::super::link::{FromLink, LinkHandle, Parcel, ToLink};
use super::super::traffic::{Street, Traffic};
use super::{BoxCommand, BoxCounters, BoxNews, Emitted};
use crate::clock::{now, sleep_until, unix_now};
use crate::http::Server;
use crate::ws::PingRule;
use bytes::Bytes;
use se5_events::device::{
    Config, Delivery, Device, Event, Input, LinkId, Output, PingAnswer, Reboot,
};
use se5_events::{
    Answer, Ask, DeviceInfo, Dialect, ExchangeId, FromBox, Sighting, Subscription, ToBox, codec,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Messages waiting for one link from which on it counts as slow.
pub(super) const HIGH_WATER: usize = 8;

/// A question that came over HTTP, and where its answer goes.
pub(super) type Asked = (Dialect, Ask, oneshot::Sender<Answer>);

/// A box at work.
pub(super) struct Simulator {
    device: Device,
    street: Street,
    traffic: Traffic,
    emitted: u64,
    next_emit: Option<Instant>,
    is_awaited: bool, // the first subscriber, before anything is emitted
    is_ending: bool,
    links: BTreeMap<LinkId, LinkHandle>,
    exchanges: BTreeMap<ExchangeId, oneshot::Sender<Answer>>,
    last_exchange: u64,
    prepared: Option<(Arc<FromBox>, Delivery, Parcel)>,
    throttle: Arc<AtomicU64>,
    news: mpsc::Sender<BoxNews>,
    news_lost: u64,
    counters: watch::Sender<BoxCounters>,
    config: Config,
}

/// Where a box's tasks meet.
pub(super) struct Ends {
    pub(super) commands: mpsc::UnboundedReceiver<BoxCommand>,
    pub(super) links: mpsc::Receiver<FromLink>,
    pub(super) questions: mpsc::Receiver<Asked>,
    pub(super) servers: [Server; 2],
}

impl Simulator {
    pub(super) fn new(
        config: Config,
        traffic: Traffic,
        throttle: Arc<AtomicU64>,
        news: mpsc::Sender<BoxNews>,
        counters: watch::Sender<BoxCounters>,
    ) -> Self {
        Self {
            device: Device::new(config.clone()),
            street: Street::new(config.seed, traffic.pictures),
            traffic,
            emitted: 0,
            next_emit: traffic.interval().map(|_| now()),
            is_awaited: traffic.waits,
            is_ending: false,
            links: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            last_exchange: 0,
            prepared: None,
            throttle,
            news,
            news_lost: 0,
            counters,
            config,
        }
    }

    /// Adds a camera; false if there are too many.
    pub(super) fn add(&mut self, info: DeviceInfo) -> bool {
        self.device.add_device(now(), info).is_ok()
    }

    pub(super) async fn run(mut self, mut ends: Ends) {
        loop {
            let emit_at = self.next_emit.filter(|_| self.may_emit());
            let due = [self.device.poll_timeout(), emit_at].into_iter().flatten();
            tokio::select! {
                command = ends.commands.recv() => match command {
                    None | Some(BoxCommand::Stop) => break,
                    Some(command) => self.obey(command),
                },
                Some(news) = ends.links.recv() => self.hear(news),
                Some(question) = ends.questions.recv() => self.ask(question),
                () = sleep_until(due.min()) => {
                    self.device.handle_timeout(now());
                    self.emit_due();
                }
            }
            self.drain();
        }
        self.end(ends).await;
    }

    async fn end(mut self, mut ends: Ends) {
        self.is_ending = true;
        let mut open = self.links.len();
        self.device.close(now());
        self.drain();
        self.exchanges.clear();
        let gone = async {
            while open > 0 {
                match ends.links.recv().await {
                    Some(FromLink::Gone(_)) => open -= 1,
                    Some(_) => {}
                    None => return,
                }
            }
        };
        // Links end by themselves, soon after the box let go of them.
        let _ = tokio::time::timeout(Duration::from_secs(3), gone).await;
        for server in ends.servers {
            server.stop().await;
        }
    }

    fn obey(&mut self, command: BoxCommand) {
        let now = now();
        match command {
            BoxCommand::Emit(sighting) => self.emit(*sighting),
            BoxCommand::Rate(rate) => {
                self.traffic.rate = rate;
                self.next_emit = self.traffic.interval().map(|_| now);
            }
            BoxCommand::AddDevice(info) => {
                // Too many is what the machine says it is: not added.
                let _ = self.device.add_device(now, info);
            }
            BoxCommand::RemoveDevice(id) => {
                self.device.remove_device(now, &id);
            }
            BoxCommand::Fault(fault) => self.device.fault(now, fault),
            BoxCommand::Throttle(rate) => {
                self.throttle.store(rate.unwrap_or(0), Ordering::Relaxed);
            }
            BoxCommand::Heal => {
                self.throttle.store(0, Ordering::Relaxed);
                self.device.clear_faults(now);
            }
            BoxCommand::CutLinks => self.device.cut_links(now),
            BoxCommand::Reboot(how) => self.device.reboot(now, how),
            BoxCommand::SwitchDialect => {
                let other = match self.device.dialect() {
                    Dialect::V1 => Dialect::V2,
                    Dialect::V2 => Dialect::V1,
                };
                self.device
                    .reboot(now, Reboot::default().into_dialect(other));
            }
            BoxCommand::Stop => {}
        }
        self.set_ping_rules();
    }

    fn hear(&mut self, news: FromLink) {
        let input = match news {
            FromLink::Joined(id, peer, handle) => {
                self.links.insert(id, handle);
                Input::Connected(id, peer)
            }
            FromLink::Said(id, bytes) => match self.subscription(bytes) {
                Ok((dialect, wanted)) => Input::Received(id, ToBox::Subscribe(dialect, wanted)),
                Err(error) => Input::Garbled(id, error),
            },
            FromLink::Heard(id, message) => Input::Received(id, message),
            FromLink::Ready(id) => return self.caught_up(id),
            FromLink::Gone(id) => {
                self.links.remove(&id);
                Input::Disconnected(id)
            }
        };
        let is_new = matches!(input, Input::Connected(..));
        self.device.handle_input(now(), input);
        if is_new {
            self.set_ping_rules();
        }
    }

    fn subscription(
        &self,
        bytes: Bytes,
    ) -> Result<(Dialect, Subscription), se5_events::EventError> {
        if self.config.python_literal {
            Subscription::decode_literal(bytes, &self.config.limits)
        } else {
            Subscription::decode(bytes, &self.config.limits)
        }
    }

    fn ask(&mut self, (dialect, ask, answer): Asked) {
        self.last_exchange += 1;
        let exchange = ExchangeId(self.last_exchange);
        self.exchanges.retain(|_, waiting| !waiting.is_closed());
        self.exchanges.insert(exchange, answer);
        self.device
            .handle_input(now(), Input::Asked(exchange, dialect, ask));
    }

    /// False while there is nobody to show anything to, and while the news is not read: what is
    /// emitted is also told.
    fn may_emit(&self) -> bool {
        !self.is_awaited && self.news.capacity() > self.news.max_capacity() / 4
    }

    fn emit_due(&mut self) {
        let (Some(at), Some(interval)) = (self.next_emit, self.traffic.interval()) else {
            return;
        };
        if at > now() || !self.may_emit() {
            return;
        }
        let devices: Vec<DeviceInfo> = self.device.devices().cloned().collect();
        if let Some(sighting) = self.street.sighting(unix_now(), &devices) {
            self.emit(sighting);
        }
        // What could not be emitted in time is not made up for in a burst.
        let is_late = now().saturating_duration_since(at) > Duration::from_millis(50);
        self.next_emit = Some(if is_late { now() } else { at } + interval);
        if self
            .traffic
            .count
            .is_some_and(|count| self.emitted >= count)
        {
            self.next_emit = None;
            self.tell(BoxNews::Exhausted);
        }
    }

    fn emit(&mut self, sighting: Sighting) {
        let mut told = sighting.clone();
        (told.registered, told.face, told.scene) = (None, None, None);
        if self.device.emit(now(), sighting).is_ok() {
            self.emitted += 1;
            self.tell(BoxNews::Emitted(Emitted { sighting: told }));
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.device.poll_output() {
            match output {
                Output::Send(id, message, delivery) => self.send(id, message, delivery),
                Output::Ping(id) => self.queue(id, ToLink::Ping),
                Output::Answer(exchange, answer) => {
                    if let Some(asker) = self.exchanges.remove(&exchange) {
                        // Who asked may have given up.
                        let _ = asker.send(answer);
                    }
                }
                Output::Event(event) => {
                    if self.is_awaited && matches!(event, Event::Subscribed(..)) {
                        self.is_awaited = false;
                        self.next_emit = self.traffic.interval().map(|_| now());
                    }
                    self.tell(BoxNews::Machine(event));
                }
                Output::Disconnect(id) => {
                    // Only let go of at the end, it sends what it has.
                    if let Some(link) = self.links.remove(&id).filter(|_| !self.is_ending) {
                        link.cut();
                    }
                }
                _ => {}
            }
        }
        let queued = self.links.values().map(LinkHandle::pending).sum();
        self.counters.send_replace(BoxCounters {
            machine: self.device.counters(),
            links: self.links.len(),
            queued,
            news_lost: self.news_lost,
        });
    }

    /// Puts a message into bytes once, however many links it goes to.
    fn send(&mut self, id: LinkId, message: Arc<FromBox>, delivery: Delivery) {
        let FromBox::Face(event) = &*message else {
            return;
        };
        let parcel = match &self.prepared {
            Some((last, how, parcel)) if Arc::ptr_eq(last, &message) && *how == delivery => {
                parcel.clone()
            }
            _ => {
                let json = event.json().clone();
                let json = codec::deface(json, event.dialect(), &delivery.faults);
                let parcel = Parcel::new(json, &delivery.faults);
                self.prepared = Some((message, delivery, parcel.clone()));
                parcel
            }
        };
        self.queue(id, ToLink::Send(parcel));
    }

    fn queue(&mut self, id: LinkId, item: ToLink) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if link.queue.try_send(item).is_err() {
            // It is ending, or the queue is smaller than what the machine may send at once.
            if let Some(link) = self.links.remove(&id) {
                link.cut();
            }
            return self.device.handle_input(now(), Input::Disconnected(id));
        }
        let is_full = link.pending() >= HIGH_WATER;
        if is_full && !link.is_slow && link.queue.try_send(ToLink::Tell).is_ok() {
            link.is_slow = true;
            self.device.handle_input(now(), Input::Slow(id));
        }
    }

    /// A slow link has sent all that was queued when it was asked to tell.
    fn caught_up(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        // What the machine had put out before it was told of the slowness comes first.
        if link.pending() == 0 || link.queue.try_send(ToLink::Tell).is_err() {
            link.is_slow = false;
            self.device.handle_input(now(), Input::Ready(id));
        }
    }

    fn set_ping_rules(&self) {
        for (id, link) in &self.links {
            link.rules.set(match self.device.answers_ping(*id) {
                PingAnswer::Answer => PingRule::Answer,
                PingAnswer::Ignore => PingRule::Ignore,
                PingAnswer::HangUp => PingRule::HangUp,
            });
        }
    }

    fn tell(&mut self, news: BoxNews) {
        if self.news.try_send(news).is_err() {
            self.news_lost += 1;
        }
    }
}
