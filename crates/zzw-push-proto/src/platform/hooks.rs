//! Who may do what, and asking the application.

use super::link::{Frame, weight};
use super::vocabulary::{AskId, Event, Question, Refused, Rule, Verdict};
use super::{LinkId, Platform, later};
use crate::wire::{Code, Message, Method};
use std::sync::Arc;
use std::time::Instant;

/// A question to the application. The frame that it is about is the first of those that wait on its
/// link.
#[derive(Debug)]
pub(super) struct Asked {
    link: LinkId,
    deadline: Option<Instant>,
}

impl Platform {
    /// Answers [`Event::Asked`].
    ///
    /// # Errors
    ///
    /// [`Refused::Unknown`] if the question is settled: it took too long, or its link is over.
    pub fn decide(
        &mut self,
        now: Instant,
        id: AskId,
        verdict: Verdict,
    ) -> Result<(), Refused<AskId>> {
        self.handle_timeout(now);
        let asked = self.asked.remove(&id).ok_or(Refused::Unknown(id))?;
        self.settle(now, asked.link, verdict);
        self.end_if_drained();
        Ok(())
    }

    /// Does what a frame wants, or asks whether it may be done.
    pub(super) fn process(&mut self, now: Instant, id: LinkId, frame: Frame) {
        match self.rule_for(id, &frame.message) {
            Rule::Allow => self.admit(now, id, frame),
            Rule::Deny => self.deny(id, frame.message),
            Rule::Ask => self.ask(now, id, frame),
        }
    }

    /// Does what a frame wants and may want. One for a door may have waited too long for that (K-4).
    fn admit(&mut self, now: Instant, id: LinkId, frame: Frame) {
        if frame.is_late(now, self.config.door_life) {
            self.counters.late = self.counters.late.saturating_add(1);
        } else {
            self.perform(now, id, frame.at, frame.message);
        }
    }

    pub(super) fn fire_asked(&mut self, now: Instant) {
        // All are given the same time, so the oldest is due first.
        while let Some(first) = self.asked.first_entry() {
            if first.get().deadline.is_none_or(|deadline| deadline > now) {
                return;
            }
            let asked = first.remove();
            self.settle(now, asked.link, Verdict::Deny);
        }
    }

    pub(super) fn next_asked(&self) -> Option<Instant> {
        self.asked.first_key_value()?.1.deadline
    }

    fn rule_for(&self, id: LinkId, message: &Message) -> Rule {
        let rules = &self.config.rules;
        let is_bound = self.alias_of(id).is_some();
        match message {
            Message::Heartbeat(heartbeat) if !is_bound && heartbeat.alias.is_some() => rules.bind,
            Message::Connect(_) | Message::Connected(_) if !is_bound => rules.bind,
            Message::Publish(publish) => match publish.method {
                Method::Publish => rules.publish,
                Method::PublishToAlias => rules.publish_to_alias,
            },
            Message::Register(_) if is_bound => rules.register,
            Message::Pull(_) if is_bound => rules.pull,
            Message::Status(_) => rules.status,
            Message::OpenDoor(_) if is_bound => rules.open_door,
            _ => Rule::Allow,
        }
    }

    fn ask(&mut self, now: Instant, id: LinkId, frame: Frame) {
        self.next_ask = self.next_ask.saturating_add(1);
        let ask = AskId(self.next_ask);
        let bound = self.alias_of(id);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let weight = weight(&frame.message);
        let stated = match &frame.message {
            Message::Connect(connect) => Some(connect.alias.clone()),
            Message::Connected(connected) => connected.alias.clone(),
            Message::Heartbeat(heartbeat) => heartbeat.alias.clone(),
            _ => None,
        };
        let question = Question {
            link: id,
            address: link.peer.address,
            alias: bound.or(stated),
            message: Arc::new(frame.message.clone()),
        };
        link.asking = Some(ask);
        link.waiting.push_front(frame);
        link.waiting_bytes = link.waiting_bytes.saturating_add(weight);
        self.hold(weight);
        let deadline = later(now, self.config.ask_timeout);
        self.asked.insert(ask, Asked { link: id, deadline });
        self.tell(Event::Asked(ask, question));
    }

    fn settle(&mut self, now: Instant, id: LinkId, verdict: Verdict) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.asking = None;
        let Some(frame) = link.waiting.pop_front() else {
            return;
        };
        let weight = weight(&frame.message);
        link.waiting_bytes = link.waiting_bytes.saturating_sub(weight);
        self.let_go(weight);
        match verdict {
            Verdict::Allow => self.admit(now, id, frame),
            Verdict::Deny => self.deny(id, frame.message),
        }
        self.go_on(now, id);
    }

    fn deny(&mut self, id: LinkId, message: Message) {
        match message {
            Message::OpenDoor(_) => self.door(id, message, false),
            other => self.fail(id, Code::NotAllowed, other.num().clone()),
        }
    }
}
