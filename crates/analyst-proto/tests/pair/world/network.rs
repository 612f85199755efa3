//! From one client to the other, through the broker.

use super::{Delivered, Happening, Party, World};
use crate::ledger;
use crate::plan::Saboteur;
use analyst_proto::codec::{self, Dialect, Lenience};
use analyst_proto::link::{DeliveryId, Down, Incoming, Publish, SendId};
use analyst_proto::wire::{Attempt, ClientId, Message, TaskId};
use analyst_proto::{WireErrorKind, device, platform};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Which way something goes, as a client sees it.
#[derive(Clone, Copy)]
enum Way {
    To,
    From,
}

pub(super) fn client(party: Party) -> ClientId {
    let text = match party {
        Party::Server => "GID_Analyst@@@monitor".to_owned(),
        Party::Analyst(nth) => format!("GID_Analyst@@@analyst_{nth}"),
    };
    ClientId::new(text).unwrap()
}

fn party(topic: &str) -> Party {
    match topic.rsplit_once("analyst_") {
        Some((_, nth)) => Party::Analyst(nth.parse().unwrap()),
        None => Party::Server,
    }
}

impl World {
    pub(super) fn open(&mut self, party: Party) {
        self.connections += 1;
        let connection = self.connections;
        self.broker.disconnect(party);
        let life = self.life(party);
        life.connection = Some(connection);
        life.last = [None; 2];
        self.after(self.plan.latency, Happening::Opens(party, connection));
    }

    pub(super) fn hang_up(&mut self, party: Party) {
        self.life(party).connection = None;
        self.broker.disconnect(party);
    }

    pub(super) fn opens(&mut self, party: Party, connection: u64) -> Result<(), String> {
        if self.life(party).connection != Some(connection) {
            return Ok(());
        }
        if self.chance.percent(self.weather().refused) {
            self.life(party).connection = None;
            let reasons = [Down::Lost, Down::Refused(3), Down::Timeout];
            let why = *self.chance.pick(&reasons);
            return self.tell_down(party, why);
        }
        self.broker.connect(party, connection);
        match party {
            Party::Server => {
                self.tell_server(platform::Input::Connected)?;
            }
            Party::Analyst(nth) => {
                self.tell_analyst(nth, device::Input::Connected)?;
            }
        }
        self.deliver(party, true);
        self.schedule.after(
            Duration::from_secs(3),
            Happening::Redelivers(party, connection),
        );
        Ok(())
    }

    pub(super) fn breaks(&mut self, party: Party, connection: u64) -> Result<(), String> {
        if self.life(party).connection != Some(connection) {
            return Ok(());
        }
        self.hang_up(party);
        self.tell_down(party, Down::Lost)
    }

    fn tell_down(&mut self, party: Party, why: Down) -> Result<(), String> {
        match party {
            Party::Server => self.tell_server(platform::Input::Disconnected(why)),
            Party::Analyst(nth) => self.tell_analyst(nth, device::Input::Disconnected(why)),
        }
    }

    /// When something on its way arrives: in order, as far as the connection keeps one.
    fn arrival(&mut self, party: Party, way: Way, is_overtaken: bool) -> Instant {
        let delay = self.chance.millis(0..=self.plan.latency);
        let at = self.schedule.now() + delay;
        if is_overtaken {
            return at + self.chance.millis(0..=14_000);
        }
        let last = &mut self.life(party).last[way as usize];
        let at = last.map_or(at, |last| at.max(last));
        *last = Some(at);
        at
    }

    pub(super) fn publish(&mut self, from: Party, publish: &Publish) {
        let Some(connection) = self.life(from).connection else {
            return;
        };
        let mut payload = Vec::new();
        codec::encode(&publish.message, &Dialect::default(), &mut payload);
        self.note(&(from, publish.send, String::from_utf8_lossy(&payload)));
        let at = self.arrival(from, Way::From, false);
        let happening = Happening::PublishArrives {
            from,
            connection,
            send: publish.send,
            to: party(publish.topic.as_str()),
            payload: payload.into(),
        };
        self.schedule.at(at, happening);
    }

    pub(super) fn publish_arrives(
        &mut self,
        from: Party,
        connection: u64,
        send: SendId,
        to: Party,
        payload: &Bytes,
    ) {
        if !self.broker.is_connected(from, connection) {
            return;
        }
        let weather = self.weather();
        let needs_subscription = self.plan.profile.needs_subscription();
        let copies = match () {
            () if self.chance.percent(weather.lied) => 0,
            () if self.chance.percent(weather.doubled) => 2,
            () => 1,
        };
        for _ in 0..copies {
            self.broker.keep(to, payload.clone(), needs_subscription);
        }
        if self.chance.percent(weather.strange) {
            let strange = self.strange();
            self.broker.keep(to, strange, needs_subscription);
        }
        self.deliver(to, false);
        if self.chance.percent(weather.broken) {
            let at = self.arrival(from, Way::To, false);
            self.schedule.at(at, Happening::Breaks(from, connection));
            return;
        }
        let at = self.arrival(from, Way::To, false);
        self.schedule
            .at(at, Happening::AckComes(from, connection, send));
    }

    /// What a stranger may say.
    fn strange(&mut self) -> Bytes {
        let far = ledger::made_up().0;
        let near = ledger::id(self.chance.below(self.plan.tasks)).0;
        let choices = [
            r#"{"action":"ANALYSIS_TIMEOUT"}"#.to_owned(),
            format!(r#"{{"action":"ANALYSIS_FINISH","data":{{"id":{far},"RESULT":{{"1":1}}}}}}"#),
            format!(r#"{{"action":"ANALYSIS_FINISH","data":{{"id":{near}.5,"RESULT":{{}}}}}}"#),
            r#"{"action":"ANALYSIS_RESTART","data":{"id":1}}"#.to_owned(),
            "ANALYSIS".to_owned(),
            String::new(),
        ];
        self.chance.pick(&choices).clone().into()
    }

    fn deliver(&mut self, party: Party, is_again: bool) {
        let Some(connection) = self.life(party).connection else {
            return;
        };
        if !self.broker.is_connected(party, connection) {
            return;
        }
        for mail in self.broker.deliver(party, is_again) {
            let is_overtaken = self.chance.percent(self.weather().overtaken);
            let at = self.arrival(party, Way::To, is_overtaken);
            // Some brokers never say that it is again.
            let says = mail.was_sent && self.plan.seed % 3 != 0;
            let happening =
                Happening::DeliveryArrives(party, connection, mail.packet, says, mail.payload);
            self.schedule.at(at, happening);
        }
    }

    pub(super) fn redelivers(&mut self, party: Party, connection: u64) {
        if !self.broker.is_connected(party, connection) {
            return;
        }
        // Only the cloud does so over the same connection.
        if !self.plan.profile.needs_subscription() {
            self.deliver(party, true);
        }
        self.schedule.after(
            Duration::from_secs(3),
            Happening::Redelivers(party, connection),
        );
    }

    pub(super) fn ack_comes(
        &mut self,
        party: Party,
        connection: u64,
        send: SendId,
    ) -> Result<(), String> {
        if self.life(party).connection != Some(connection) {
            return Ok(());
        }
        match party {
            Party::Server => self.tell_server(platform::Input::Sent(send)),
            Party::Analyst(nth) => {
                self.analysts[nth].delivers(send);
                self.tell_analyst(nth, device::Input::Sent(send))
            }
        }
    }

    pub(super) fn delivery_arrives(
        &mut self,
        party: Party,
        connection: u64,
        packet: u64,
        is_again: bool,
        payload: &Bytes,
    ) -> Result<(), String> {
        if self.life(party).connection != Some(connection) {
            return Ok(());
        }
        self.next_delivery += 1;
        let delivery = DeliveryId(self.next_delivery);
        let message = codec::decode(payload, &Lenience::field()).map_err(|error| error.kind);
        let id = match &message {
            Ok(Message::Finish(finish)) if party == Party::Server => Some(finish.id),
            Ok(Message::Start(start)) if party != Party::Server => Some(start.id),
            _ => None,
        };
        let delivered = Delivered {
            party,
            connection,
            packet,
            id,
        };
        self.deliveries.insert(delivery, delivered);
        match party {
            Party::Server => self.server_hears(delivery, is_again, message),
            Party::Analyst(nth) => {
                let message = message.map(|message| self.misread(message));
                if self.saboteur == Saboteur::AnalystAcksEarly {
                    self.acknowledge(delivery)?;
                }
                let input = match message {
                    Ok(message) => {
                        device::Input::Received(Incoming::new(delivery, is_again, message))
                    }
                    Err(kind) => device::Input::Garbled(delivery, kind),
                };
                self.tell_analyst(nth, input)
            }
        }
    }

    fn server_hears(
        &mut self,
        delivery: DeliveryId,
        is_again: bool,
        message: Result<Message, WireErrorKind>,
    ) -> Result<(), String> {
        let message = message.map(|message| self.blame(message));
        if self.saboteur == Saboteur::ServerAcksEarly {
            self.acknowledge(delivery)?;
        }
        let input = match message {
            Ok(message) => platform::Input::Received(Incoming::new(delivery, is_again, message)),
            Err(kind) => platform::Input::Garbled(delivery, kind),
        };
        self.tell_server(input)
    }

    /// Ascribes a failure to an attempt as a careless dispatcher would.
    fn blame(&mut self, message: Message) -> Message {
        let Message::Fail(mut fail) = message else {
            return message;
        };
        let attempts = self.ledger.fate(fail.id).leases.len();
        let counted = self.fails_counted.entry(fail.id).or_default();
        *counted += 1;
        let number = match self.saboteur {
            Saboteur::NaiveFail => u32::try_from(attempts).unwrap(),
            Saboteur::CountedFail => *counted,
            _ => return Message::Fail(fail),
        };
        let at = usize::try_from(number).unwrap();
        let lease = self.ledger.fate(fail.id).leases.get(at.wrapping_sub(1));
        if let Some(lease) = lease {
            let client = client(Party::Analyst(lease.analyst));
            fail.analyst_id = Some(Attempt::new(client, number).to_json());
        }
        Message::Fail(fail)
    }

    fn misread(&self, message: Message) -> Message {
        match message {
            Message::Start(mut start) if self.saboteur == Saboteur::RoundsNumbers => {
                start.id.0 &= !0xff;
                Message::Start(start)
            }
            message => message,
        }
    }

    /// A client acknowledges what it was delivered.
    pub(super) fn acknowledge(&mut self, delivery: DeliveryId) -> Result<(), String> {
        let Some(delivered) = self.deliveries.remove(&delivery) else {
            return Err(format!("{delivery:?} is acknowledged twice, or never came"));
        };
        let Delivered {
            party,
            connection,
            packet,
            id,
        } = delivered;
        if self.life(party).connection != Some(connection) {
            return Err(format!(
                "{delivery:?} is acknowledged over another connection"
            ));
        }
        let is_broken = self.chance.percent(self.weather().broken);
        let at = self.arrival(party, Way::From, false);
        let happening = if is_broken {
            Happening::Breaks(party, connection)
        } else {
            Happening::AckArrives(party, connection, packet, id)
        };
        self.schedule.at(at, happening);
        Ok(())
    }

    /// From here on nobody delivers it again.
    pub(super) fn ack_arrives(
        &mut self,
        party: Party,
        connection: u64,
        packet: u64,
        id: Option<TaskId>,
    ) -> Result<(), String> {
        if !self.broker.is_connected(party, connection) {
            return Ok(());
        }
        self.broker.acknowledge(party, packet);
        match (party, id) {
            (Party::Server, Some(id)) => self.check_finish(id),
            (Party::Analyst(nth), Some(id)) => self.check_start(nth, id),
            _ => Ok(()),
        }
    }
}
