//! The broker's process: the machine, what it says, and whether that is true.

use super::{Doom, Happening, Moment, World};
use crate::cable::Frame;
use crate::saboteur::Saboteur;
use std::sync::Arc;
use std::time::Duration;
use zzw_push_proto::platform::{
    AskId, Event, Grant, Input, LinkEnd, LinkId, NodeId, Output, Platform, Scopes, Verdict,
};
use zzw_push_proto::wire::{Code, Message};

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
        match &mut self.broker {
            Some(broker) if broker.poll_timeout().is_some_and(|due| due <= now) => {
                broker.handle_timeout(now);
                self.settle_broker()
            }
            _ => Ok(()),
        }
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
            if let Output::Door { message, .. } = &output {
                // Without the time at which it came, which is another in each run.
                self.note(&("broker", message));
            } else {
                self.note(&("broker", &output));
            }
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

    pub(super) fn do_for_broker(&mut self, output: Output) -> Result<(), String> {
        match output {
            Output::Send(id, message) => self.send(id, &message),
            Output::Deliver(id, parcel) => self.send(id, &Arc::new(parcel.to_message())),
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
}
