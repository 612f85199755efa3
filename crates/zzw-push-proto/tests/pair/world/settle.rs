//! The end of a session: when everything has settled, and what must be true then.

use super::{Happening, World};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use zzw_push_proto::device::Device;
use zzw_push_proto::platform::{Call, ExchangeId, Input, Output, Platform, Transport};
use zzw_push_proto::rest::{Page, RestReply};
use zzw_push_proto::wire::Text;

/// After so long, everything has settled.
const PATIENCE: Duration = Duration::from_secs(1_800);

impl World {
    /// True once nothing is under way any more. An error half an hour after all has healed.
    pub(super) fn has_settled(&mut self) -> Result<bool, String> {
        let Some(healed) = self.healed else {
            return Ok(false);
        };
        let since = self.schedule.now().saturating_duration_since(healed);
        if since < Duration::from_secs(5) {
            return Ok(false);
        }
        match self.obstacle() {
            // What was kept arrives by itself, so nothing more is written until it has.
            None if self.last_letters.is_none() => {
                self.last_letters = Some(Vec::new());
                self.after(0, Happening::LastLetters(0));
                Ok(false)
            }
            None => Ok(true),
            Some(what) if since > PATIENCE => {
                Err(format!("half an hour after all has healed, {what}"))
            }
            Some(_) => Ok(false),
        }
    }

    /// What is still under way.
    fn obstacle(&self) -> Option<String> {
        if self.broker.is_none() || !self.keeper.is_idle() {
            return Some("the broker is busy with its store".to_owned());
        }
        if !self.exchanges.is_empty() || !self.published.is_empty() || !self.asked.is_empty() {
            return Some("somebody waits for an answer".to_owned());
        }
        let last_letters = self.last_letters.as_ref();
        if last_letters.is_some_and(|letters| letters.len() < self.clients.len()) {
            return Some("somebody has not got the last letter".to_owned());
        }
        let comes = |nth: &usize| !self.clients[*nth].plan.never_comes;
        for nth in (0..self.clients.len()).filter(comes) {
            let client = &self.clients[nth];
            let name = client.alias.as_str();
            if !client.is_idle() {
                return Some(format!("{name} is busy"));
            }
            let cable = &self.cables[client.cable?];
            if !cable.at_broker {
                return Some(format!("{name} has a link that the broker has not"));
            }
            let known = self.keeper.store.aliases.get(&client.alias);
            let (now, at) = (self.schedule.now(), self.keeper_wall());
            let mut queue = known.into_iter().flat_map(|known| &known.queue);
            if queue.any(|entry| entry.expires_at > at && self.ledger.is_due(nth, entry.mid, now)) {
                return Some(format!("{name} has not got everything"));
            }
            let has = |topic: &Text| known.is_some_and(|known| known.topics.contains(topic));
            if let (Some((_, Some(has_it))), Some(topic)) =
                (client.changed, self.ledger.topics.first())
                && has(topic) != has_it
            {
                return Some(format!("{name} has a topic, or not, against its last word"));
            }
            let mut wanted = client.device.iter().flat_map(Device::subscriptions);
            if wanted.any(|topic| !has(topic)) {
                return Some(format!("{name} has not got all its topics"));
            }
        }
        for (nth, client) in self.clients.iter().enumerate() {
            let known = self.keeper.store.aliases.get(&client.alias);
            let is_owned = known.is_some_and(|known| known.owner.is_some());
            if is_owned && client.cable.is_none() && !self.ledger.accounts[nth].is_stale {
                return Some(format!("{} is listed, and away", client.alias.as_str()));
            }
        }
        let there = self.clients.iter().filter(|client| client.cable.is_some());
        if self.links != there.count() as u64 {
            return Some("the broker has a link that nobody else has".to_owned());
        }
        None
    }

    pub(super) fn finish(mut self) -> Result<super::Stats, String> {
        for cable in self.cables.iter().filter(|cable| cable.at_broker) {
            if let Some(num) = cable.watch.unanswered() {
                return Err(format!("request {} has no answer", num.as_str()));
            }
        }
        let mut last = self.last_letters.iter().flatten().flatten();
        if let Some(letter) = last.find(|letter| !self.ledger.letters[**letter].is_promised) {
            return Err(format!("letter {letter} was not taken though all is well"));
        }
        self.check_presence()?;
        let store = &self.keeper.store;
        self.ledger.check_gaps(store)?;
        let has_seen = |nth: usize, mid| self.clients[nth].app.has(mid);
        self.ledger.check_promises(store, has_seen)?;
        for (nth, client) in self.clients.iter().enumerate() {
            let told = self.ledger.accounts[nth].told;
            if client.app.gap > told {
                let heard = client.app.gap;
                return Err(format!(
                    "{told} lost messages were told, {heard} were heard"
                ));
            }
            if let Some(known) = store.aliases.get(&client.alias) {
                self.stats.evicted += known.evicted.len() as u64;
                self.stats.expired += known.expired.len() as u64;
            }
            self.stats.untold += self.ledger.accounts[nth].untold;
        }
        self.close()?;
        self.stats.trace = self.trace.map_or(0, testkit::Trace::value);
        Ok(self.stats)
    }

    /// Who is said to be there is there, also over REST.
    fn check_presence(&mut self) -> Result<(), String> {
        let due = self.broker.as_ref().and_then(Platform::poll_timeout);
        if let Some(late) = due.and_then(|due| self.schedule.now().checked_duration_since(due)) {
            // No quiet moment: whoever is about to be let go may be seen or not.
            if late > Duration::from_millis(self.plan.lateness) {
                return Err(format!("a timer is {} ms late", late.as_millis()));
            }
            return Ok(());
        }
        let by = |world: &Self, transport| -> Vec<Text> {
            let clients = world.clients.iter().enumerate();
            let is_listed = |(nth, client): &(usize, &super::Client)| {
                let is_stale = world.ledger.accounts[*nth].is_stale;
                client.cable.is_some() && client.plan.transport == transport && !is_stale
            };
            let mut listed: Vec<_> = clients
                .filter(is_listed)
                .map(|(_, client)| client.alias.clone())
                .collect();
            listed.sort();
            listed
        };
        let is_stale = self.ledger.accounts.iter().any(|account| account.is_stale);
        for transport in [Transport::Tcp, Transport::SocketIo] {
            let there = by(self, transport);
            let reply = self.ask_now(Call::Aliases(transport, Page::new(1)))?;
            let RestReply::Aliases(page) = reply else {
                return Err(format!("asked who is there: {reply:?}"));
            };
            let listed: Vec<Text> = page.aliases.texts().collect();
            let is_true = page.total == there.len() as u64 && listed == there;
            if !is_true && !is_stale {
                return Err(format!("{there:?} are there, {listed:?} are listed"));
            }
        }
        for nth in 0..self.clients.len() {
            let is_there = self.clients[nth].cable.is_some();
            let alias = self.clients[nth].alias.clone();
            match self.ask_now(Call::Status(alias))? {
                RestReply::Status(status) if status.is_online == is_there => {}
                reply => return Err(format!("asked about {nth}: {reply:?}")),
            }
        }
        let RestReply::Info(info) = self.ask_now(Call::Info)? else {
            return Err("asked how the node is, it says something else".to_owned());
        };
        let there: usize = [Transport::Tcp, Transport::SocketIo]
            .map(|transport| {
                let is_by = |client: &&super::Client| client.plan.transport == transport;
                let there = self.clients.iter().filter(|client| client.cable.is_some());
                there.filter(is_by).count()
            })
            .iter()
            .sum();
        if info
            .nodes
            .iter()
            .map(|(_, counts)| counts.online)
            .sum::<u64>()
            != there as u64
        {
            return Err(format!("{there} links are there: {info:?}"));
        }
        self.check_owners()
    }

    /// The answer to a call, from a store that answers at once.
    fn ask_now(&mut self, call: Call) -> Result<RestReply, String> {
        let (now, at) = (self.schedule.now(), self.keeper_wall());
        let broker = self.broker.as_mut().ok_or("the broker is gone")?;
        let id = ExchangeId(u64::MAX);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        broker.handle_input(now, Input::Called(id, address, at, call));
        while let Some(output) = self.broker.as_mut().and_then(Platform::poll_output) {
            match output {
                Output::Reply(asked, reply) if asked == id => return Ok(reply),
                Output::Store(seq, op) => {
                    let reply = self.keeper.store.execute(at, op);
                    let reply = reply.map_err(|error| error.to_string())?;
                    if let Some(broker) = &mut self.broker {
                        broker.handle_input(now, Input::Stored(seq, reply));
                    }
                }
                // What a timer that was just due has to say.
                other => self.do_for_broker(other)?,
            }
        }
        Err("a call has no answer".to_owned())
    }

    /// What the store and the machine know of each alias is true.
    fn check_owners(&self) -> Result<(), String> {
        let Some(broker) = &self.broker else {
            return Ok(());
        };
        for (nth, client) in self.clients.iter().enumerate() {
            let is_there = client.cable.is_some();
            let name = client.alias.as_str();
            if broker.is_online(&client.alias) != is_there {
                return Err(format!("{name} is wrongly said to be there, or not"));
            }
            let known = self.keeper.store.aliases.get(&client.alias);
            let owner = known.and_then(|known| known.owner);
            let by = owner.map(|owner| owner.transport);
            let truth: Option<Transport> = is_there.then_some(client.plan.transport);
            if by != truth && !self.ledger.accounts[nth].is_stale {
                return Err(format!("{name} is listed under {by:?}, not {truth:?}"));
            }
        }
        let counters = broker.snapshot();
        let pulled = self.clients.iter().filter(|client| client.plan.pulls);
        let longest = usize::try_from(self.plan.longest).unwrap() + 60;
        let batch = self.plan.broker.pull_bytes.max(longest);
        // What the store has lost while it was on its way is held until it would be sent again, and
        // what is still on its way, until it has arrived.
        let mut known = self.keeper.store.aliases.values();
        let is_done = |known: &crate::store::Alias| {
            known.queue.is_empty() && known.evicted.is_empty() && known.expired.is_empty()
        };
        let most = if known.all(is_done) {
            pulled.count() * batch
        } else {
            usize::MAX
        };
        if counters.store_requests > 0 || counters.held_bytes > most {
            return Err(format!("nothing is under way: {counters:?}"));
        }
        Ok(())
    }

    /// Everything is closed, and says nothing more.
    fn close(&mut self) -> Result<(), String> {
        let now = self.schedule.now();
        let Some(mut broker) = self.broker.take() else {
            return Ok(());
        };
        broker.close(now);
        while broker.poll_output().is_some() {}
        broker.handle_timeout(now + PATIENCE);
        let held = broker.snapshot().held_bytes;
        if broker.poll_output().is_some() || broker.poll_timeout().is_some() || held > 0 {
            return Err("a closed broker has more to say".to_owned());
        }
        Ok(())
    }
}
