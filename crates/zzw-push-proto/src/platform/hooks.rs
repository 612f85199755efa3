//! Who may do what, and asking the application.

use super::access::{AskId, Question, Rule, Verdict};
use super::link::{Frame, Link};
use super::vocabulary::{Event, Refused};
use super::{LinkId, Platform, later};
use crate::wire::{Code, Connect, Message, Method, Text, Token};
use std::sync::Arc;
use std::time::Instant;

/// A question about a frame, which is the first of those that wait on its link.
#[derive(Debug)]
pub(super) struct Asked {
    link: LinkId,
    about: About,
    deadline: Option<Instant>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// May it be done?
    Doing,
    /// Is its token valid?
    Token,
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
        let link = self.answer_to(id, About::Doing)?;
        self.settle(now, link, verdict);
        self.end_if_drained(now);
        Ok(())
    }

    /// Does what a frame wants, as soon as its token is verified and if it may be done.
    pub(super) fn process(&mut self, now: Instant, id: LinkId, mut frame: Frame) {
        frame.message = as_connect(frame.message);
        if let Some(frame) = self.verify(now, id, frame) {
            self.judge(now, id, frame);
        }
    }

    /// Does what a frame wants, or asks whether it may be done.
    pub(super) fn judge(&mut self, now: Instant, id: LinkId, frame: Frame) {
        if let Some(alias) = self.alias_to_bind(id, &frame.message) {
            if !self.may_be(now, id, alias) {
                return self.deny(now, id, frame, Code::Token);
            }
        }
        if self.is_too_early(id, &frame.message) {
            return self.fail(id, Code::NotBound, frame.message.num().clone());
        }
        //= docs/spec/zzw-push-proto.md#permission
        //# Each kind of operation MUST have a rule that allows it, denies it, asks for scopes of a
        //# token, or asks the application.
        match self.rule_for(id, &frame.message) {
            Rule::Allow => self.perform(now, id, frame),
            Rule::Deny => self.deny(now, id, frame, Code::NotAllowed),
            Rule::Token(scopes) if self.has_scopes(now, id, scopes) => self.perform(now, id, frame),
            Rule::Token(_) => self.deny(now, id, frame, Code::Token),
            Rule::Ask => self.ask(now, id, frame),
        }
    }

    /// Lets a frame be the first of those that wait, until it is decided about.
    pub(super) fn set_aside(
        &mut self,
        now: Instant,
        id: LinkId,
        frame: Frame,
        about: About,
    ) -> Option<AskId> {
        let deadline = later(now, self.config.ask_timeout);
        let link = self.links.get_mut(id)?;
        self.next_ask = self.next_ask.saturating_add(1);
        let ask = AskId(self.next_ask);
        link.asking = Some(ask);
        let weight = link.waiting.get_or_insert_default().push(frame, true);
        self.hold(weight);
        let link = id;
        let asked = Asked {
            link,
            about,
            deadline,
        };
        self.asked.insert(ask, asked);
        Some(ask)
    }

    /// The frame that was set aside or postponed.
    pub(super) fn take_up(&mut self, id: LinkId) -> Option<Frame> {
        let link = self.links.get_mut(id)?;
        link.asking = None;
        link.waiting.as_mut()?.postponed = None;
        let (frame, weight) = link.next_waiting()?;
        self.let_go(weight);
        Some(frame)
    }

    /// The link of a question that is answered now.
    pub(super) fn answer_to(&mut self, id: AskId, about: About) -> Result<LinkId, Refused<AskId>> {
        match self.asked.get(&id) {
            Some(asked) if asked.about == about => {
                let link = asked.link;
                self.asked.remove(&id);
                Ok(link)
            }
            _ => Err(Refused::Unknown(id)),
        }
    }

    //= docs/spec/zzw-push-proto.md#permission
    //# What the application or the driver has not decided within `ask_timeout` MUST be denied.
    pub(super) fn fire_asked(&mut self, now: Instant) {
        // All are given the same time, so the oldest is due first.
        while let Some(first) = self.asked.first_entry() {
            if first.get().deadline.is_none_or(|deadline| deadline > now) {
                return;
            }
            let asked = first.remove();
            match asked.about {
                About::Doing => self.settle(now, asked.link, Verdict::Deny),
                About::Token => self.settle_token(now, asked.link, None),
            }
        }
    }

    pub(super) fn next_asked(&self) -> Option<Instant> {
        self.asked.first_key_value()?.1.deadline
    }

    /// True for what needs no alias, on a link that has none, where it should have.
    //= docs/spec/zzw-push-proto.md#alias
    //# Where `require_heartbeat_first` is set, a link without an alias MUST be answered `not_bound`
    //# to all but what binds it and heartbeats.
    fn is_too_early(&self, id: LinkId, message: &Message) -> bool {
        let needs_none = matches!(
            message,
            Message::Publish(_) | Message::Status(_) | Message::Counts(_)
        );
        self.config.require_heartbeat_first && needs_none && !self.is_bound(id)
    }

    /// The alias that a frame wants for its link, which has none or may change it.
    pub(super) fn alias_to_bind<'m>(&self, id: LinkId, message: &'m Message) -> Option<&'m Text> {
        let alias = match message {
            Message::Heartbeat(heartbeat) => heartbeat.alias.as_ref()?,
            Message::Connect(connect) => &connect.alias,
            _ => return None,
        };
        let bound = self.links.get(id).and_then(Link::alias);
        let is_wanted = bound.is_none_or(|bound| self.config.allow_rebind && bound != alias);
        is_wanted.then_some(alias)
    }

    fn rule_for(&self, id: LinkId, message: &Message) -> Rule {
        let rules = &self.config.rules;
        let is_bound = || self.is_bound(id);
        match message {
            Message::Heartbeat(_) | Message::Connect(_) => {
                let alias = self.alias_to_bind(id, message);
                alias.map_or(Rule::Allow, |_| rules.bind)
            }
            Message::Publish(publish) => match publish.method {
                Method::Publish => rules.publish,
                Method::PublishToAlias => rules.publish_to_alias,
            },
            Message::Register(_) if is_bound() => rules.register,
            Message::Pull(_) if is_bound() => rules.pull,
            Message::Status(_) => rules.status,
            Message::OpenDoor(_) if is_bound() => rules.open_door,
            _ => Rule::Allow,
        }
    }

    fn ask(&mut self, now: Instant, id: LinkId, frame: Frame) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let bound = link.alias().cloned();
        let alias = bound.or_else(|| self.alias_to_bind(id, &frame.message).cloned());
        let question = Question {
            link: id,
            address: link.address,
            alias,
            scopes: link.scopes(now),
            message: Arc::new(frame.message.clone()),
        };
        if let Some(ask) = self.set_aside(now, id, frame, About::Doing) {
            self.tell(Event::Asked(ask, question));
        }
    }

    fn settle(&mut self, now: Instant, id: LinkId, verdict: Verdict) {
        let Some(frame) = self.take_up(id) else {
            return;
        };
        match verdict {
            Verdict::Allow => self.perform(now, id, frame),
            Verdict::Deny => self.deny(now, id, frame, Code::NotAllowed),
        }
        self.go_on(now, id);
    }

    //= docs/spec/zzw-push-proto.md#permission
    //# What is denied MUST fail with its number and be counted.
    fn deny(&mut self, now: Instant, id: LinkId, frame: Frame, code: Code) {
        match frame.message {
            //= docs/spec/zzw-push-proto.md#permission
            //# A command to open a door that is denied MUST be handed to the rooms as denied, so
            //# that it is reported, and not be answered.
            Message::OpenDoor(_) => self.door(now, id, frame.received, frame.message, false),
            other => {
                self.counters.denied = self.counters.denied.saturating_add(1);
                self.fail(id, code, other.num().clone());
            }
        }
    }
}

/// Some clients send the name of the answer (Z-25).
//= docs/spec/zzw-push-proto.md#alias
//# The broker MUST bind a link by the alias of its handshake, by type 14 and 11, by a heartbeat
//# with an alias, and by type -14 from a client.
fn as_connect(message: Message) -> Message {
    match message {
        Message::Connected(connected) => match connected.alias {
            Some(alias) => {
                let mut connect = Connect::new(alias);
                connect.token = connected.extra.text("token").map(Token);
                Message::Connect(connect)
            }
            None => Message::Connected(connected),
        },
        other => other,
    }
}
