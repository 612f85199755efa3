//! The broker's process: the machine, what it says, and whether that is true.

use super::{Doom, Happening, Moment, World};
use crate::cable::Frame;
use crate::saboteur::Saboteur;
use std::sync::Arc;
use std::time::Duration;
use zzw_push_proto::platform::{
    AskId, Event, Grant, Input, LinkEnd, LinkId, MessageId, NodeId, Output, Platform, Scopes,
    Verdict,
};
use zzw_push_proto::wire::{Batch, Code, Connected, Delivery, Message, Register};

/// A frame for a door that is older opens none.
const DOOR_LIFE: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn start_broker(&mut self) -> Result<(), String> {
        self.open_keeper();
        let mut config = self.plan.broker.clone();
        config.node = NodeId(self.process + 1);
        self.broker = Some(Platform::new(config));
        self.settle_broker()
    }

    /// Tells the broker something; `cause` is the link that may get an alias by it.
    pub(super) fn tell_broker(
        &mut self,
        cause: Option<LinkId>,
        input: Input,
    ) -> Result<(), String> {
        let now = self.schedule.now();
        if let Some(broker) = &mut self.broker {
            broker.handle_input(now, input);
        }
        self.settle_for(cause)
    }

    /// Drains the machine after something that may get `cause` an alias.
    pub(super) fn settle_for(&mut self, cause: Option<LinkId>) -> Result<(), String> {
        self.cause = cause;
        let settled = self.settle_broker();
        self.cause = None;
        settled
    }

    /// What is due comes before what is about to be told.
    pub(super) fn fire_broker(&mut self) -> Result<(), String> {
        let now = self.schedule.now();
        if let Some(broker) = &mut self.broker {
            broker.handle_timeout(now);
        }
        self.settle_broker()
    }

    pub(super) fn wake_broker(&mut self) -> Result<(), String> {
        self.wake = None;
        let now = self.schedule.now();
        let Some(broker) = &mut self.broker else {
            return Ok(());
        };
        if self.saboteur == Saboteur::NoTimers {
            return Ok(());
        }
        broker.handle_timeout(now);
        if broker.poll_timeout().is_some_and(|due| due <= now) {
            return Err("a timer of the broker that has fired is still due".to_owned());
        }
        self.settle_broker()
    }

    /// Drains the machine and arms its timer.
    pub(super) fn settle_broker(&mut self) -> Result<(), String> {
        loop {
            let Some(broker) = &mut self.broker else {
                return Ok(());
            };
            let Some(output) = broker.poll_output() else {
                break;
            };
            if Doom::strikes(&mut self.doom, Moment::Output) {
                self.crash();
                return Ok(());
            }
            self.note(&("broker", &output));
            if let (Saboteur::RepliesTwice, Output::Send(_, message)) = (self.saboteur, &output)
                && let Message::Published(_) = **message
            {
                self.do_for_broker(output.clone())?;
            }
            self.do_for_broker(output)?;
        }
        let Some(broker) = &self.broker else {
            return Ok(());
        };
        let timer = broker.poll_timeout();
        self.check_counters(broker)?;
        if let Some(at) = timer
            && self.wake.is_none_or(|armed| at < armed)
        {
            self.wake = Some(at);
            let fires = self.late(at);
            self.schedule.at(fires, Happening::WakeBroker(at));
        }
        Ok(())
    }

    fn check_counters(&self, broker: &Platform) -> Result<(), String> {
        let counters = broker.snapshot();
        let links = counters.tcp_links + counters.socketio_links;
        let online = self.ledger.accounts.iter();
        let online = online.filter(|account| account.online.is_some()).count() as u64;
        let config = &self.plan.broker;
        if (links, counters.online) != (self.links, online) {
            let there = self.links;
            return Err(format!(
                "{online} of {there} links are online: {counters:?}"
            ));
        }
        let most = config.max_held + self.plan.clients.len() * config.window_bytes;
        if counters.held_bytes > most + 70_000 {
            return Err(format!("more is held than may be: {counters:?}"));
        }
        Ok(())
    }

    fn do_for_broker(&mut self, output: Output) -> Result<(), String> {
        match output {
            Output::Send(id, message) => self.send(id, &message),
            Output::Reply(id, reply) => self.caller_learns(id, &reply),
            Output::Door {
                message,
                is_authorised,
                ..
            } => {
                if self.saboteur == Saboteur::RepeatsDoors {
                    self.hand_over(&message, is_authorised)?;
                }
                self.hand_over(&message, is_authorised)
            }
            Output::Verify(ask, presented) => {
                self.asked
                    .insert(ask, (presented.link, Some(presented.alias)));
                let process = self.process;
                self.after(self.plan.work, Happening::Decide(process, ask));
                Ok(())
            }
            Output::Event(event) => self.application_learns(event),
            Output::Store(seq, op) => self.ask_keeper(seq, op),
            Output::Disconnect(id) => {
                let cable = self.cable_of(id)?;
                self.cables[cable].at_broker = false;
                self.links -= 1;
                self.put_down_frame(cable, Frame::End);
                if !self.cables[cable].watch.is_replaced {
                    self.link_is_over(cable);
                }
                Ok(())
            }
            other => Err(format!("unexpected: {other:?}")),
        }
    }

    /// The place of a link that is not over.
    fn cable_of(&self, id: LinkId) -> Result<usize, String> {
        let nth = usize::try_from(id.0).unwrap();
        match self.cables.get(nth) {
            Some(cable) if cable.at_broker && cable.process == self.process => Ok(nth),
            _ => Err(format!("{id:?} is over, and is told something")),
        }
    }

    fn send(&mut self, id: LinkId, message: &Arc<Message>) -> Result<(), String> {
        let mut cable = self.cable_of(id)?;
        if let (Saboteur::CrossedLinks, Message::Deliver(_)) = (self.saboteur, &**message) {
            let is_other = |nth: &usize| *nth != cable && self.cables[*nth].at_broker;
            cable = (0..self.cables.len()).find(is_other).unwrap_or(cable);
        }
        self.cables[cable].watch.answered(message)?;
        match &**message {
            Message::Deliver(delivery) => self.check_delivery(cable, delivery)?,
            Message::Batch(batch) => self.check_batch(cable, batch)?,
            Message::Connected(connected) => self.check_greeting(cable, connected)?,
            Message::Published(published) => {
                let letters = &self.cables[cable].watch.letters;
                let letter = letters.get(published.num.as_str());
                let letter = *letter.ok_or("confirms what was not published")?;
                self.ledger.promise(letter)?;
                self.stats.promised += 1;
            }
            Message::Registered(registered) => {
                self.subscribed(cable, registered.num.as_str());
            }
            Message::Failure(failure) => {
                self.stats.refused += 1;
                if failure.code == Some(Code::Replaced) {
                    self.cables[cable].watch.is_replaced = true;
                }
            }
            _ => {}
        }
        self.put_down(cable, message);
        if let (Saboteur::AcksForDevice, Message::Deliver(delivery)) = (self.saboteur, &**message)
            && let Some(broker) = &mut self.broker
        {
            let ack = Message::Ack(delivery.ack());
            let at = super::START;
            let at = zzw_push_proto::platform::UnixMillis(at);
            broker.handle_input(self.schedule.now(), Input::Received(id, at, ack));
        }
        Ok(())
    }

    fn check_delivery(&mut self, cable: usize, delivery: &Delivery) -> Result<(), String> {
        let now = self.schedule.now();
        let alias = delivery.alias.as_ref().ok_or("a delivery to nobody")?;
        let client = self.ledger.client_of(alias)?;
        let watch = &mut self.cables[cable].watch;
        let id = LinkId(cable as u64);
        if self.ledger.accounts[client].online != Some(id) {
            return Err(format!("{id:?} has not {}", alias.as_str()));
        }
        if watch.is_slow {
            return Err("a link that takes no more is sent a message".to_owned());
        }
        let letter = self.ledger.letter_of(&delivery.msg)?;
        let mid = MessageId::of(&delivery.mid).ok_or("an id that is none of ours")?;
        if self.ledger.letters[letter].ttl == 0 {
            return Ok(());
        }
        let row = self.ledger.accounts[client].rows.get(&mid);
        let row = row.ok_or_else(|| format!("{mid:?} was never kept"))?;
        let topic = row.topic.map(|topic| &self.ledger.topics[topic]);
        if row.letter != letter || topic != delivery.topic.as_ref() {
            return Err(format!("{mid:?} is not letter {letter}"));
        }
        if now >= row.until {
            return Err(format!("{mid:?} is sent when its time is over"));
        }
        let len = delivery.msg.as_bytes().len();
        let is_lasting = |mid| self.ledger.is_lasting(client, mid, now);
        let config = &self.plan.broker;
        if !watch.send(now, config, mid, len, is_lasting)? {
            self.stats.redelivered += 1;
        }
        Ok(())
    }

    fn check_batch(&mut self, cable: usize, batch: &Batch) -> Result<(), String> {
        let now = self.schedule.now();
        let watch = &mut self.cables[cable].watch;
        let client = watch.wants.ok_or("a batch for nobody")?;
        let mids: Option<Vec<MessageId>> = batch
            .mids
            .iter()
            .map(|mid| mid.parse().ok().map(MessageId))
            .collect();
        let mids = mids.ok_or("an id that is none of ours")?;
        let config = &self.plan.broker;
        let len: usize = batch.bodies.iter().map(|body| body.as_bytes().len()).sum();
        let is_long = len > config.pull_bytes && mids.len() > 1;
        if mids.len() != batch.bodies.len() || mids.len() > config.pull_limit || is_long {
            return Err(format!("{} messages of {len} bytes are pulled", mids.len()));
        }
        for (mid, body) in mids.iter().zip(batch.bodies.iter()) {
            let row = self.ledger.accounts[client].rows.get(mid);
            let row = row.ok_or_else(|| format!("{mid:?} was never kept"))?;
            if row.letter != self.ledger.letter_of(&body)? {
                return Err(format!("{mid:?} is another letter"));
            }
            if now >= row.until {
                return Err(format!("{mid:?} is pulled when its time is over"));
            }
        }
        self.stats.pulls += 1;
        watch.pulled(now, &mids)
    }

    /// What was lost is told with the alias.
    fn check_greeting(&mut self, cable: usize, connected: &Connected) -> Result<(), String> {
        let watch = &mut self.cables[cable].watch;
        let client = watch.wants.ok_or("a greeting for nobody")?;
        let account = &mut self.ledger.accounts[client];
        let owed = std::mem::take(&mut account.owed);
        if connected.gap != owed {
            let told = connected.gap;
            return Err(format!("{owed} messages were lost, {told} are told"));
        }
        account.told += owed;
        Ok(())
    }

    fn application_learns(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Online(alias, id) => {
                let client = self.ledger.client_of(&alias)?;
                let account = &mut self.ledger.accounts[client];
                if account.online.replace(id).is_some() || account.newest != Some(id) {
                    return Err(format!("{id:?} gets an alias that another has"));
                }
            }
            Event::Offline(alias, id, why) => {
                self.count_end(why);
                let client = self.ledger.client_of(&alias)?;
                let account = &mut self.ledger.accounts[client];
                if account.online.take() != Some(id) {
                    return Err(format!("{id:?} loses an alias that it has not"));
                }
            }
            Event::Asked(ask, question) => {
                self.asked.insert(ask, (question.link, None));
                let process = self.process;
                self.after(self.plan.work, Happening::Decide(process, ask));
            }
            Event::Published(id) => {
                let letter = self.published.remove(&id);
                self.ledger
                    .promise(letter.ok_or("confirms what was not published")?)?;
                self.stats.promised += 1;
            }
            Event::NotPublished(id, _) => {
                let letter = self.published.remove(&id);
                letter.ok_or("refuses what was not published")?;
                self.stats.refused += 1;
            }
            Event::NotReleased(alias) => {
                let client = self.ledger.client_of(&alias)?;
                self.ledger.accounts[client].is_stale = true;
            }
            Event::DoorTooLate(_) => {}
            Event::Closed(_) => self.broker_ends()?,
            other => return Err(format!("unexpected: {other:?}")),
        }
        Ok(())
    }

    fn count_end(&mut self, why: LinkEnd) {
        let stats = &mut self.stats;
        match why {
            LinkEnd::Silent => stats.silent += 1,
            LinkEnd::Unacked => stats.unacked += 1,
            LinkEnd::Slow => stats.too_slow += 1,
            LinkEnd::Rude => stats.rude += 1,
            LinkEnd::Replaced => stats.replaced += 1,
            LinkEnd::Kicked => stats.kicked += 1,
            LinkEnd::Rebound => stats.rebound += 1,
            LinkEnd::Expired => stats.outlived += 1,
            _ => {}
        }
    }

    pub(super) fn decide(&mut self, ask: AskId) -> Result<(), String> {
        let Some((link, presented)) = self.asked.remove(&ask) else {
            return Ok(());
        };
        let denied = self.weather().denied;
        let is_denied = self.chance.percent(denied);
        let lasts = Duration::from_secs(*self.chance.pick(&[40, 3_600]));
        let now = self.schedule.now();
        // It may have been too late.
        let _ = match (&mut self.broker, presented) {
            (None, _) => Ok(()),
            (Some(broker), None) if is_denied => broker.decide(now, ask, Verdict::Deny),
            (Some(broker), None) => broker.decide(now, ask, Verdict::Allow),
            (Some(broker), Some(_)) if is_denied => broker.verified(now, ask, None),
            (Some(broker), Some(alias)) => {
                let scopes = Scopes::CONNECT | Scopes::DOOR;
                broker.verified(now, ask, Some(Grant::new(alias, scopes, lasts)))
            }
        };
        self.settle_for(Some(link))
    }

    /// A frame for a door has come.
    pub(super) fn note_door(&mut self, message: &Message) -> Result<(), String> {
        let Message::OpenDoor(door) = message else {
            return Ok(());
        };
        let nth: Option<u64> = door.user.parse().ok();
        let now = self.schedule.now();
        let doors = &mut self.ledger.doors;
        doors.entry(nth.ok_or("a door of nobody's")?).or_insert(now);
        Ok(())
    }

    /// The broker hands a frame for a door over to the rooms.
    fn hand_over(&mut self, message: &Message, is_authorised: bool) -> Result<(), String> {
        let (Message::OpenDoor(door), now) = (message, self.schedule.now()) else {
            return Err(format!("unexpected: {message:?}"));
        };
        let nth: Option<u64> = door.user.parse().ok();
        let came = nth.and_then(|nth| self.ledger.doors.remove(&nth));
        let came = came.ok_or("a frame for a door is handed over twice")?;
        if !is_authorised {
            return Ok(());
        }
        let age = now.saturating_duration_since(came);
        if age > DOOR_LIFE {
            return Err(format!("a frame for a door is {} ms old", age.as_millis()));
        }
        // Somebody's device stands for the other end of the room.
        let mut online = self.ledger.accounts.iter().filter_map(|a| a.online);
        let is_tcp = |id: &LinkId| {
            let cable = &self.cables[usize::try_from(id.0).unwrap()];
            cable.transport == zzw_push_proto::platform::Transport::Tcp
        };
        if let Some(id) = online.find(is_tcp) {
            self.put_down(usize::try_from(id.0).unwrap(), message);
        }
        Ok(())
    }

    /// It asks to have topics no more.
    pub(super) fn unsubscribes(&mut self, cable: usize, register: &Register) -> Result<(), String> {
        let watch = &mut self.cables[cable].watch;
        let mut adds = Vec::new();
        for topic in register.topics.iter() {
            adds.push(self.ledger.topic_of(&topic)?);
        }
        watch.registers.insert(register.num.as_str().into(), adds);
        let client = self.cables[cable].client;
        for topic in register.untopics.iter() {
            let topic = self.ledger.topic_of(&topic)?;
            self.ledger.accounts[client].topics.remove(&topic);
            for cable in self.cables.iter_mut().filter(|c| c.client == client) {
                let registers = cable.watch.registers.values_mut();
                registers.for_each(|adds| adds.retain(|known| *known != topic));
            }
        }
        Ok(())
    }

    /// It is told that it has topics.
    fn subscribed(&mut self, cable: usize, num: &str) {
        let known = &mut self.cables[cable];
        if let Some(adds) = known.watch.registers.remove(num) {
            self.ledger.accounts[known.client].topics.extend(adds);
        }
    }

    /// The broker's process is killed; what it has not handed out is gone.
    pub(super) fn crash(&mut self) {
        if self.broker.take().is_none() {
            return;
        }
        self.stats.crashes += 1;
        // What it had asked of the store may have arrived.
        let landed = self.chance.percent(70);
        if let Err(what) = self.stop_keeper(landed) {
            panic!("{what}");
        }
        let is_power_cut = self.chance.percent(30);
        self.forget_links(is_power_cut);
        let pause = if self.healed.is_some() { 0 } else { 30_000 };
        self.after(pause, Happening::BrokerStarts);
    }

    /// The broker has stopped by itself.
    fn broker_ends(&mut self) -> Result<(), String> {
        if !self.published.is_empty() || !self.exchanges.is_empty() {
            return Err("the broker ends, and somebody waits for an answer".to_owned());
        }
        self.broker = None;
        self.stop_keeper(true)?;
        self.forget_links(false);
        self.after(5_000, Happening::BrokerStarts);
        Ok(())
    }

    /// No link of the broker's process is there any more.
    fn forget_links(&mut self, is_power_cut: bool) {
        self.doom = None;
        self.process += 1;
        self.wake = None;
        self.links = 0;
        self.asked.clear();
        self.published.clear();
        self.exchanges.clear();
        self.ledger.doors.clear();
        for client in 0..self.clients.len() {
            self.ledger.lose_gap(client);
            self.ledger.accounts[client].online = None;
        }
        for cable in 0..self.cables.len() {
            let known = &mut self.cables[cable];
            if !std::mem::take(&mut known.at_broker) {
                continue;
            }
            known.up.frames.clear();
            if is_power_cut {
                known.is_dead = true;
            } else {
                self.put_down_frame(cable, Frame::End);
            }
        }
    }
}
