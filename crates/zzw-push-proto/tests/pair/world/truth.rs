//! What the broker says and does, held against what is true.

use super::World;
use std::time::Duration;
use zzw_push_proto::platform::{Appended, LinkId, MessageId, Platform, Transport};
use zzw_push_proto::wire::{Batch, Connected, Delivery, Json, Message, Register, Text};

/// A frame for a door that is older opens none.
const DOOR_LIFE: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn check_counters(&self, broker: &Platform) -> Result<(), String> {
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

    pub(super) fn check_delivery(
        &mut self,
        cable: usize,
        delivery: &Delivery,
    ) -> Result<(), String> {
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

    pub(super) fn check_batch(&mut self, cable: usize, batch: &Batch) -> Result<(), String> {
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
    pub(super) fn check_greeting(
        &mut self,
        cable: usize,
        connected: &Connected,
    ) -> Result<(), String> {
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
    pub(super) fn subscribed(&mut self, cable: usize, num: &str) {
        let known = &mut self.cables[cable];
        if let Some(adds) = known.watch.registers.remove(num) {
            self.ledger.accounts[known.client].topics.extend(adds);
        }
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
    pub(super) fn hand_over(
        &mut self,
        message: &Message,
        is_authorised: bool,
    ) -> Result<(), String> {
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
            cable.transport == Transport::Tcp
        };
        if let Some(id) = online.find(is_tcp) {
            self.put_down(usize::try_from(id.0).unwrap(), message);
        }
        Ok(())
    }

    /// What is acknowledged is with the application.
    pub(super) fn check_acks(&self, alias: &Text, mids: &[MessageId]) -> Result<(), String> {
        let client = self.ledger.client_of(alias)?;
        let Some(known) = self.keeper.store.aliases.get(alias) else {
            return Ok(());
        };
        let is_kept = |mid: &MessageId| known.queue.iter().any(|entry| entry.mid == *mid);
        let mut unseen = mids
            .iter()
            .filter(|mid| !self.clients[client].app.has(**mid));
        match unseen.find(|mid| is_kept(mid)) {
            Some(mid) => Err(format!("{mid:?} is acknowledged, and nobody has seen it")),
            None => Ok(()),
        }
    }

    /// A message to a topic is kept for all who were told that they have it.
    pub(super) fn check_fan(
        &mut self,
        topic: &Text,
        body: &Json,
        members: &[(Text, Appended)],
    ) -> Result<(), String> {
        let now = self.schedule.now();
        let topic = self.ledger.topic_of(topic)?;
        let letter = self.ledger.letter_of(body)?;
        self.ledger.kept_for(letter, topic)?;
        for (alias, appended) in members {
            let client = self.ledger.client_of(alias)?;
            self.ledger
                .keep(now, client, appended.mid, letter, Some(topic))?;
        }
        for account in &self.ledger.accounts {
            let is_member = members.iter().any(|(alias, _)| *alias == account.alias);
            if account.topics.contains(&topic) && !is_member {
                return Err(format!(
                    "letter {letter} is not kept for {}, which has the topic",
                    account.alias.as_str()
                ));
            }
        }
        Ok(())
    }
}
