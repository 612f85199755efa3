//! Client tokens (K-2): who is who on a link, and for how long.

use super::access::{AskId, Grant, Presented, Scopes};
use super::config::ClientToken;
use super::hooks::About;
use super::link::{Frame, Link};
use super::vocabulary::{LinkEnd, Output, Refused};
use super::{LinkId, Platform, later};
use crate::wire::{Code, Message, Num, Text, Token};
use std::time::Instant;

/// What a valid token allows on its link.
#[derive(Debug)]
pub(super) struct Granted {
    /// What was presented, so that the same is not verified with each heartbeat.
    token: Token,
    subject: Text,
    scopes: Scopes,
    until: Option<Instant>,
}

impl Platform {
    /// Answers [`Output::Verify`]: with what a valid token allows, or with `None`.
    ///
    /// # Errors
    ///
    /// [`Refused::Unknown`] if the question is settled: it took too long, or its link is over.
    pub fn verified(
        &mut self,
        now: Instant,
        id: AskId,
        grant: Option<Grant>,
    ) -> Result<(), Refused<AskId>> {
        self.handle_timeout(now);
        let link = self.answer_to(id, About::Token)?;
        self.settle_token(now, link, grant);
        self.end_if_drained(now);
        Ok(())
    }

    /// Gives the frame back if there is no token in it that has to be verified first.
    //= docs/spec/zzw-push-proto.md#permission
    //# A token that a client presents MUST be valid and its alias' own unless client tokens are
    //# off.
    pub(super) fn verify(&mut self, now: Instant, id: LinkId, mut frame: Frame) -> Option<Frame> {
        if self.config.client_token == ClientToken::Off {
            return Some(frame);
        }
        let Some((alias, token)) = alias_and_token(&mut frame.message) else {
            return Some(frame);
        };
        let link = self.links.get_mut(id)?;
        let bound = link.alias().cloned();
        // The token of a handshake is for the first frame with an alias.
        if token.is_none() && bound.is_none() && alias.is_some() {
            *token = link.token.take().map(|token| *token);
        }
        let known = link.granted(now).map(|granted| &granted.token);
        let Some(token) = token.as_ref().filter(|token| known != Some(token)) else {
            return Some(frame);
        };
        let Some(alias) = alias.cloned().or(bound) else {
            // A token is an alias' own.
            self.fail(id, Code::Missing, Num::Absent);
            return None;
        };
        let presented = Presented {
            link: id,
            address: link.address,
            alias,
            token: token.clone(),
        };
        if let Some(ask) = self.set_aside(now, id, frame, About::Token) {
            self.out.push(Output::Verify(ask, presented));
        }
        None
    }

    /// The frame with the token goes on, or does not.
    pub(super) fn settle_token(&mut self, now: Instant, id: LinkId, grant: Option<Grant>) {
        let Some(mut frame) = self.take_up(id) else {
            return;
        };
        let token = alias_and_token(&mut frame.message).and_then(|(_, token)| token.clone());
        if let Some((grant, token)) = grant.zip(token) {
            self.counters.tokens_accepted = self.counters.tokens_accepted.saturating_add(1);
            self.grant(now, id, &grant, &token);
            self.judge(now, id, frame);
        } else {
            self.counters.tokens_rejected = self.counters.tokens_rejected.saturating_add(1);
            self.fail(id, Code::Token, Num::Absent);
            //= docs/spec/zzw-push-proto.md#permission
            //# Tokens that are not valid MUST count like messages that cannot be read.
            self.misbehaved(now, id);
        }
        self.go_on(now, id);
    }

    /// True if the link may have that alias, as far as tokens decide.
    //= docs/spec/zzw-push-proto.md#permission
    //# Where client tokens are required, a link MUST NOT be bound without a valid one that allows
    //# to connect.
    pub(super) fn may_be(&self, now: Instant, id: LinkId, alias: &str) -> bool {
        let is_required = self.config.client_token == ClientToken::Required;
        match self.links.get(id).and_then(|link| link.granted(now)) {
            Some(granted) => {
                let is_enough = !is_required || granted.scopes.contains(Scopes::CONNECT);
                //= docs/spec/zzw-push-proto.md#permission
                //# A link that has shown whose it is MUST NOT be bound to another alias without a
                //# token of that.
                granted.subject == *alias && is_enough
            }
            None => !is_required,
        }
    }

    /// True if a valid token of the link allows all of that.
    pub(super) fn has_scopes(&self, now: Instant, id: LinkId, scopes: Scopes) -> bool {
        let link = self.links.get(id);
        link.is_some_and(|link| link.scopes(now).contains(scopes))
    }

    /// Ends a link that has its alias by a token whose time is over, so that it is sent nothing any
    /// more. True if it did.
    //= docs/spec/zzw-push-proto.md#permission
    //# A link that needs a token MUST be closed when the token expires before a new one has come.
    pub(super) fn end_if_expired(&mut self, now: Instant, id: LinkId) -> bool {
        if self.config.client_token != ClientToken::Required {
            return false;
        }
        let Some(link) = self.links.get(id) else {
            return false;
        };
        let granted = link.granted(now);
        if link.session.is_some() && granted.is_none() {
            self.fail(id, Code::Token, Num::Absent);
            self.end(now, id, LinkEnd::Expired);
            return true;
        }
        let until = granted.and_then(|granted| granted.until);
        self.wake(id, until);
        false
    }

    fn grant(&mut self, now: Instant, id: LinkId, grant: &Grant, token: &Token) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let granted = Granted {
            token: Token(token.0.detached()),
            subject: grant.subject.detached(),
            scopes: grant.scopes,
            until: later(now, grant.lasts),
        };
        link.grant = Some(Box::new(granted));
        self.end_if_expired(now, id);
    }
}

impl Link {
    /// What a token allows that is still valid.
    //= docs/spec/zzw-push-proto.md#permission
    //# A token that has expired MUST NOT allow anything.
    fn granted(&self, now: Instant) -> Option<&Granted> {
        let granted = self.grant.as_deref()?;
        let is_over = granted.until.is_some_and(|until| until <= now);
        (!is_over).then_some(granted)
    }

    /// What tokens allow on it.
    pub(super) fn scopes(&self, now: Instant) -> Scopes {
        let granted = self.granted(now);
        granted.map_or(Scopes::default(), |granted| granted.scopes)
    }

    /// True if the frame brings a token that is not known here, which costs something.
    pub(super) fn brings_token(&self, message: &Message) -> bool {
        let known = self.grant.as_ref().map(|granted| &granted.token);
        match message {
            Message::Heartbeat(heartbeat) => {
                let token = heartbeat.token.as_ref();
                token.is_some_and(|token| known != Some(token))
            }
            _ => false,
        }
    }
}

/// Of the frames that may bring a token: whose, and the place of it.
fn alias_and_token(message: &mut Message) -> Option<(Option<&Text>, &mut Option<Token>)> {
    match message {
        Message::Heartbeat(heartbeat) => Some((heartbeat.alias.as_ref(), &mut heartbeat.token)),
        Message::Connect(connect) => Some((Some(&connect.alias), &mut connect.token)),
        _ => None,
    }
}
