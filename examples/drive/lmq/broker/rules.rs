//! What a client may publish.

use super::super::ConnId;
use super::super::journal::What;
use super::super::login::Guest;
use super::super::options::{OverRate, OverSize, Profile};
use super::Broker;
use analyst_proto::wire::{ParentTopic, Topic};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, PubAck, Publish};
use std::time::Instant;

/// How much a client may still publish.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(now: Instant, rate: u32) -> Self {
        Self {
            tokens: rate.into(),
            at: now,
        }
    }

    /// Takes one of `rate` messages a second; false if there is none left.
    fn take(&mut self, now: Instant, rate: u32) -> bool {
        let rate = f64::from(rate);
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.at = now;
        self.tokens = (self.tokens + gained).min(rate);
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}

impl Broker {
    pub(super) fn publish(&mut self, now: Instant, id: ConnId, guest: &Guest, publish: Publish) {
        let client = guest.client.as_str();
        let at = (&*publish.topic, &*publish.payload);
        self.journal.message(now, What::Published, client, at);
        if self.happens(self.behaviour.drop) {
            return self.journal.message(now, What::Dropped, client, at);
        }
        if let Some(why) = self.forbids(guest, &publish) {
            return self.breaks_rule(now, id, client, why);
        }
        let is_lmq = self.behaviour.profile == Profile::Lmq;
        let is_too_large = publish.payload.len() > self.behaviour.max_payload;
        let is_too_fast = is_lmq && !self.takes_token(now, id);
        let mut is_lost = false;
        if is_too_large {
            self.journal
                .note(now, What::OverSize, client, "a payload is too large");
            match self.behaviour.over_size {
                OverSize::Discard => is_lost = true,
                OverSize::Close => return self.close(now, id, "a payload is too large"),
            }
        } else if is_too_fast {
            self.journal
                .note(now, What::OverRate, client, "messages come too fast");
            match self.behaviour.over_rate {
                OverRate::Log => {}
                OverRate::Drop => is_lost = true,
                OverRate::Close => return self.close(now, id, "messages come too fast"),
            }
        } else if self.happens(self.behaviour.lie) {
            self.journal.message(now, What::Lied, client, at);
            is_lost = true;
        }
        if publish.qos == QoS::AtLeastOnce {
            self.send(now, id, Packet::PubAck(PubAck::new(publish.pkid)));
        }
        if !is_lost {
            self.route(now, publish);
        }
    }

    /// Why a message must not be published.
    fn forbids(&self, guest: &Guest, publish: &Publish) -> Option<&'static str> {
        let topic = &*publish.topic;
        let is_lmq = self.behaviour.profile == Profile::Lmq;
        let parent = topic.split('/').next().unwrap_or_default();
        let is_of_parent = |known: &ParentTopic| {
            let behind = topic.strip_prefix(known.as_str());
            behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('/'))
        };
        if !guest.writes {
            Some("its token is not for publishing")
        } else if publish.qos == QoS::ExactlyOnce {
            Some("quality of service 2 is not supported")
        } else if publish.retain {
            Some("retained messages are not supported")
        } else if topic.is_empty() || topic.contains(['+', '#', '\0']) || parent.starts_with('$') {
            Some("a topic that nobody may publish to")
        } else if !self.parent.as_ref().is_none_or(is_of_parent) {
            Some("a parent topic that there is not")
        } else if is_lmq && topic.chars().count() > Topic::MAX_LEN_LMQ {
            Some("a topic of more than 64 characters")
        } else {
            None
        }
    }

    fn takes_token(&mut self, now: Instant, id: ConnId) -> bool {
        let rate = self.behaviour.max_rate;
        let connection = self.connections.get_mut(&id);
        connection.is_none_or(|connection| connection.bucket.take(now, rate))
    }
}
