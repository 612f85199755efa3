//! The end of a session: when everything has settled, and what must be true then.

use super::World;
use std::time::Duration;
use zzw_push_proto::device::Device;
use zzw_push_proto::platform::Transport;
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
            let mut wanted = client.device.iter().flat_map(Device::subscriptions);
            if wanted.any(|topic| !has(topic)) {
                return Some(format!("{name} has not got all its topics"));
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

    /// Who is said to be there is there.
    fn check_presence(&mut self) -> Result<(), String> {
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
        if counters.store_requests > 0 {
            return Err(format!("the store has answered all: {counters:?}"));
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
