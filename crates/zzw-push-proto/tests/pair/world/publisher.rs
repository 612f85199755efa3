//! Everybody who publishes: devices, callers over REST, the application.

use super::{Happening, World};
use crate::ledger::To;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use zzw_push_proto::platform::{Call, ExchangeId, Input};
use zzw_push_proto::rest::{Post, RestReply};
use zzw_push_proto::wire::{Lenience, Message, Num, Publish, Ttl};

/// A call over REST that has no answer yet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Exchange {
    Push(usize),
    Status,
}

/// Where calls come from.
const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

/// How long a message lives by itself, in seconds.
const LIFE: u64 = 259_200;

impl World {
    /// Somebody publishes something.
    pub(super) fn write_letter(&mut self) -> Result<(), String> {
        if self.healed.is_some() || self.letters >= self.plan.letters {
            return Ok(());
        }
        self.letters += 1;
        self.after(self.plan.pace * 2, Happening::Letter);
        let to = self.draw_targets();
        let ttl = *self.chance.pick(&self.plan.lives);
        let letter = self
            .ledger
            .write(to, ttl.unwrap_or(LIFE), self.plan.longest);
        self.stats.letters += 1;
        let nth = usize::try_from(self.chance.below(self.clients.len() as u64)).unwrap();
        match self.chance.below(10) {
            0..5 if self.client_publishes(nth, letter)? => Ok(()),
            0..8 => self.call(letter),
            _ => self.application_publishes(letter).map(|_| ()),
        }
    }

    fn draw_targets(&mut self) -> To {
        let topics = self.ledger.topics.len() as u64;
        let count = self.clients.len() as u64;
        let mut some = |of: u64, most: u64| {
            let count = self.chance.between(1..=most.min(of));
            let mut all: Vec<usize> = (0..count)
                .map(|_| usize::try_from(self.chance.below(of)).unwrap())
                .collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        if topics > 0 && some(100, 1)[0] < 40 {
            return To::Topics(some(topics, 2));
        }
        To::Aliases(some(count, 3))
    }

    /// The message that a letter is.
    pub(super) fn publish_of(&self, letter: usize, num: Num) -> Publish {
        let letter = &self.ledger.letters[letter];
        let body = letter.body.clone();
        let mut publish = match &letter.to {
            To::Aliases(clients) => {
                let aliases = clients.iter().map(|nth| &self.clients[*nth].alias);
                Publish::to_aliases(aliases.collect(), body, num)
            }
            To::Topics(topics) => {
                let topics = topics.iter().map(|nth| &self.ledger.topics[*nth]);
                Publish::to_topics(topics.collect(), body, num)
            }
        };
        publish.ttl = (letter.ttl != LIFE).then(|| Ttl::seconds(letter.ttl));
        publish
    }

    /// The application publishes a letter. False if it cannot.
    pub(super) fn application_publishes(&mut self, letter: usize) -> Result<bool, String> {
        let (now, at) = (self.schedule.now(), self.wall());
        let publish = self.publish_of(letter, Num::Absent);
        let mut is_taken = false;
        if let Some(broker) = &mut self.broker
            && let Ok(id) = broker.publish(now, at, publish)
        {
            self.published.insert(id, letter);
            is_taken = true;
        }
        self.settle_broker()?;
        Ok(is_taken)
    }

    fn call(&mut self, letter: usize) -> Result<(), String> {
        self.fire_broker()?;
        if self.broker.is_none() {
            return Ok(());
        }
        self.next_exchange += 1;
        let id = ExchangeId(self.next_exchange);
        self.exchanges.insert(id, Exchange::Push(letter));
        let mut publish = self.publish_of(letter, Num::new(id.0.to_string()));
        if self.plan.is_byte_true {
            let mut body = Vec::new();
            Post::encode(&publish, &mut body);
            let decoded = Post::decode(body.into(), Lenience::Vendor);
            let decoded = decoded.map_err(|error| format!("nonsense is posted: {error}"))?;
            let Message::Publish(posted) = decoded.message else {
                return Err("something else is posted".to_owned());
            };
            publish = posted;
        }
        let call = Call::Push(publish);
        let at = self.wall();
        self.tell_broker(None, Input::Called(id, CALLER, at, call))
    }

    /// When all has healed and arrived, everybody gets one more message.
    pub(super) fn write_last_letters(&mut self, from: usize) -> Result<(), String> {
        for nth in from..self.clients.len() {
            if self.is_rejected(nth) {
                self.last_letters.get_or_insert_default().push(None);
                continue;
            }
            let letter = self.ledger.write(To::Aliases(vec![nth]), LIFE, 1);
            if !self.application_publishes(letter)? {
                // Too much is on its way.
                let again = Happening::LastLetters(nth);
                self.schedule.after(Duration::from_secs(1), again);
                return Ok(());
            }
            self.last_letters.get_or_insert_default().push(Some(letter));
        }
        Ok(())
    }

    /// True for an alias that nobody has had, if messages to such are refused.
    fn is_rejected(&self, nth: usize) -> bool {
        let known = self.keeper.store.aliases.get(&self.clients[nth].alias);
        self.plan.broker.reject_unknown_alias && known.is_none_or(|known| known.epoch == 0)
    }

    /// Somebody asks over REST how an alias is.
    pub(super) fn call_status(&mut self, nth: usize) -> Result<(), String> {
        self.fire_broker()?;
        if self.broker.is_none() {
            return Ok(());
        }
        self.next_exchange += 1;
        let id = ExchangeId(self.next_exchange);
        self.exchanges.insert(id, Exchange::Status);
        let call = Call::Status(self.clients[nth].alias.clone());
        let at = self.wall();
        self.tell_broker(None, Input::Called(id, CALLER, at, call))
    }

    /// A call over REST is answered.
    pub(super) fn caller_learns(
        &mut self,
        id: ExchangeId,
        reply: &RestReply,
    ) -> Result<(), String> {
        let exchange = self.exchanges.remove(&id);
        let exchange = exchange.ok_or("an answer to nobody")?;
        match (exchange, reply) {
            (Exchange::Push(letter), RestReply::Published(published)) => {
                if published.num.as_str() != id.0.to_string() {
                    return Err("the answer to another call".to_owned());
                }
                self.stats.promised += 1;
                self.ledger.promise(letter)
            }
            (Exchange::Status, RestReply::Status(_)) => Ok(()),
            (_, RestReply::Failure(_)) => {
                self.stats.refused += 1;
                Ok(())
            }
            (exchange, reply) => Err(format!("{exchange:?} is answered with {reply:?}")),
        }
    }
}
