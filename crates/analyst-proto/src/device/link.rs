//! The connection: where it goes, when it is up, and what goes out over it.

use super::{Device, Event, Mail, Output, SHORTEST};
use crate::BrokerProfile;
use crate::link::{Bucket, Dialled, Down, ExchangeId, HangUp, Login, NotSent, SendId};
use crate::wire::{ConnectionInfo, NoInfo, TaskId};
use std::time::{Duration, Instant};

impl Device {
    /// Asks, connects, or waits, whatever is due.
    pub(super) fn dial(&mut self, now: Instant) {
        while let Some(dialled) = self.dialer.fire(now) {
            match dialled {
                Dialled::Fetch(exchange) => self.out.push_back(Output::Fetch(exchange)),
                Dialled::FetchTimedOut => self.say(Event::NotInformed(NoInfo::Unreachable)),
                Dialled::Open(login) => self.out.push_back(Output::Open(login)),
                Dialled::OpenTimedOut => {
                    self.out.push_back(Output::Hangup);
                    self.say(Event::HungUp(HangUp::NotOpened));
                }
            }
        }
    }

    /// The server has said where the broker is, or not.
    pub(super) fn informed(
        &mut self,
        now: Instant,
        exchange: ExchangeId,
        answer: Result<ConnectionInfo, NoInfo>,
    ) {
        if !self.dialer.is_fetching(exchange) {
            return;
        }
        match answer {
            Ok(info) => self.locate(now, &info),
            Err(why) => {
                let is_refused = matches!(why, NoInfo::Rejected(_));
                self.dialer.not_fetched(now, is_refused);
                self.say(Event::NotInformed(why));
            }
        }
    }

    fn locate(&mut self, now: Instant, info: &ConnectionInfo) {
        let login = Login::from(info);
        let profile = self.config.profile.unwrap_or_else(|| login.profile());
        self.say(Event::Info {
            client_id: info.client_id.clone(),
            server_client_id: info.server_client_id.clone(),
            profile,
        });
        for warning in info.warnings_for(profile) {
            self.say(Event::Warning(warning));
        }
        let topic = info.parent.p2p(&info.server_client_id);
        self.outbox.readdress(&topic);
        self.answers_to = Some(topic);
        let rate = self.config.rate.or_else(|| profile.rate());
        // What was published before counts, unless the broker is of another kind now.
        if self.bucket.is_none() || rate.is_none() {
            self.bucket = rate.map(|rate| Bucket::new(now, rate));
        }
        self.dialer.fetched(now, login);
        for id in std::mem::take(&mut self.unaddressed) {
            self.offer(id);
        }
        self.dial(now);
    }

    pub(super) fn connected(&mut self, now: Instant) {
        if !self.dialer.connected(now) {
            return;
        }
        //= docs/spec/analyst-proto.md#analyser
        //# On a `Plain` broker the analyser MUST subscribe to its own topic over each connection.
        //= docs/spec/analyst-proto.md#analyser
        //# On an `Lmq` broker the analyser MUST NOT subscribe.
        if self.profile() == Some(BrokerProfile::Plain) {
            if let Some(topic) = self.dialer.login().map(Login::topic) {
                self.out.push_back(Output::Subscribe(topic));
            }
        }
        self.publish(now);
        self.say(Event::Up);
    }

    pub(super) fn disconnected(&mut self, now: Instant, why: Down) {
        //= docs/spec/analyst-proto.md#analyser
        //# Credentials that the broker refuses MUST be asked for anew after `auth_backoff_min`, a fifth more or less, which doubles with each refusal up to `auth_backoff_max`.
        let Some(is_suspicious) = self.dialer.disconnected(now, why) else {
            return;
        };
        self.link_is_gone();
        self.say(Event::Down(why));
        if is_suspicious {
            self.say(Event::DuplicateIdSuspected);
        }
    }

    /// Drops the connection, to make another one after a while.
    pub(super) fn hang_up(&mut self, now: Instant, why: HangUp) {
        if !self.dialer.is_up() {
            return;
        }
        self.dialer.hung_up(now, why);
        self.link_is_gone();
        self.out.push_back(Output::Hangup);
        self.say(Event::HungUp(why));
    }

    fn link_is_gone(&mut self) {
        //= docs/spec/analyst-proto.md#analyser
        //# A result MUST be published over each connection until the broker has acknowledged it.
        self.outbox.disconnected();
        self.journal.disconnected();
        self.is_holding = false;
    }

    /// Sends what may be sent.
    pub(super) fn publish(&mut self, now: Instant) {
        if !self.dialer.is_up() {
            return;
        }
        //= docs/spec/analyst-proto.md#analyser
        //# The analyser MUST NOT publish the same message twice over one connection.
        let window = self.config.link.window;
        while let Some(publish) = self.outbox.send(now, window, self.bucket.as_mut()) {
            self.out.push_back(Output::Send(publish));
        }
    }

    /// When the next message may go out that only the rate holds back.
    pub(super) fn publishable_at(&self) -> Option<Instant> {
        let rate = self.bucket.as_ref().filter(|_| self.dialer.is_up());
        self.outbox.send_due(self.config.link.window, rate)
    }

    pub(super) fn sent(&mut self, now: Instant, send: SendId) {
        match self.outbox.sent(send) {
            Some(Mail::Result(id)) => self.delivered(now, id),
            Some(Mail::Busy(_)) => self.busy_answers = self.busy_answers.saturating_sub(1),
            None => {}
        }
    }

    pub(super) fn not_sent(&mut self, now: Instant, send: SendId, why: NotSent) {
        if !self.outbox.is_in_flight(send) {
            return;
        }
        match self.outbox.not_sent(send, why) {
            Some(Mail::Result(id)) => self.too_large(now, id),
            Some(Mail::Busy(_)) => self.busy_answers = self.busy_answers.saturating_sub(1),
            None => {}
        }
        if why != NotSent::TooLarge {
            self.hang_up(now, HangUp::NotSent);
        }
    }

    /// When a message has waited too long for the broker's acknowledgement.
    pub(super) fn unacknowledged_at(&self) -> Option<Instant> {
        let since = self.outbox.oldest().filter(|_| self.dialer.is_up())?;
        since.checked_add(self.config.link.ack_timeout.max(SHORTEST))
    }

    /// Lets the broker deliver again what was held, once there is nothing else to do.
    pub(super) fn release_held(&mut self, now: Instant) {
        let is_idle = self.queue.is_empty() && self.slots.is_empty();
        // Aliyun's brokers do so by themselves.
        if self.is_holding && is_idle && self.profile() == Some(BrokerProfile::Plain) {
            self.hang_up(now, HangUp::Held);
        }
    }

    /// Queues the result of a task for the dispatcher.
    pub(super) fn offer(&mut self, id: TaskId) {
        let Some(topic) = self.answers_to.clone() else {
            self.unaddressed.push_back(id);
            return;
        };
        if let Some(message) = self.answer(id) {
            self.outbox
                .push(Mail::Result(id), false, topic, message.into());
        }
    }

    /// Messages within this time of a task may be of the time before it.
    pub(super) fn overtake_guard(&self) -> Duration {
        // As long as it is not known, messages may come in any order.
        let profile = self.profile().unwrap_or(BrokerProfile::Lmq);
        let guard = self.config.overtake_guard;
        guard.unwrap_or_else(|| profile.overtake_guard())
    }

    /// `None` as long as the server has not said where the broker is.
    pub(super) fn profile(&self) -> Option<BrokerProfile> {
        let detected = self.dialer.login().map(Login::profile);
        self.config.profile.or(detected)
    }
}
