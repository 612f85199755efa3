//! Everybody who publishes.

use super::{Happening, World, topic_of};
use crate::ledger::{Ledger, Letter, To};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use zzw_push_proto::platform::{Call, ExchangeId, Input, UnixMillis};
use zzw_push_proto::wire::{Message, Num, Publish, Text, Texts, Ttl};

/// A call that is to be answered.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) process: u64,
    pub(super) letter: usize,
}

impl World {
    /// Somebody publishes: over REST at some node, or over the link of some device.
    pub(super) fn write_letter(&mut self) {
        if self.healed.is_some() || self.stats.letters >= self.plan.letters {
            return;
        }
        let nth = self.ledger.letters.len();
        self.stats.letters += 1;
        let to = self.recipients();
        let ttl = *self.chance.pick(&self.plan.lives);
        self.ledger.letters.push(Letter {
            to,
            ttl,
            source: None,
            is_promised: false,
            kept: BTreeSet::new(),
        });
        let phone = usize::try_from(self.chance.below(self.plan.aliases as u64)).unwrap();
        let link = self.phones[phone].link.filter(|_| self.chance.percent(30));
        match link {
            Some(link) => {
                let publish = self.publish(nth);
                self.put_up(link, Message::Publish(publish));
            }
            None => self.after(self.plan.latency, Happening::Call(ExchangeId(nth as u64))),
        }
        self.after(self.plan.pace * 2, Happening::Letter);
    }

    fn recipients(&mut self) -> To {
        if self.plan.topics > 0 && self.chance.percent(30) {
            let topics = self.plan.topics as u64;
            return To::Topic(usize::try_from(self.chance.below(topics)).unwrap());
        }
        let first = usize::try_from(self.chance.below(self.plan.aliases as u64)).unwrap();
        let mut aliases = vec![first];
        if self.chance.percent(30) {
            let others = (0..self.plan.aliases).filter(|alias| *alias != first);
            aliases.extend(others);
        }
        To::Aliases(aliases)
    }

    fn publish(&self, letter: usize) -> Publish {
        let known = &self.ledger.letters[letter];
        let (body, num) = (Ledger::body(letter), Num::new(letter.to_string()));
        let mut publish = match &known.to {
            To::Aliases(aliases) => {
                let name = |nth: &usize| self.ledger.accounts[*nth].alias.clone();
                let aliases: Texts = aliases.iter().map(name).collect();
                Publish::to_aliases(aliases, body, num)
            }
            To::Topic(topic) => {
                let topics: Texts = [topic_of(*topic)]
                    .iter()
                    .collect::<Vec<&Text>>()
                    .into_iter()
                    .collect();
                Publish::to_topics(topics, body, num)
            }
        };
        publish.ttl = Some(Ttl::seconds(known.ttl));
        publish
    }

    /// A call reaches some node.
    pub(super) fn call(&mut self, exchange: ExchangeId) -> Result<(), String> {
        let letter = usize::try_from(exchange.0).unwrap();
        let node = usize::try_from(self.chance.below(self.plan.nodes as u64)).unwrap();
        if self.nodes[node].platform.is_none() {
            return Ok(()); // the caller is told by its own system
        }
        let process = self.nodes[node].process;
        self.exchanges
            .insert(exchange, Exchange { process, letter });
        let call = Call::Push(self.publish(letter));
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.tell(node, Input::Called(exchange, address, UnixMillis(0), call))
    }
}
