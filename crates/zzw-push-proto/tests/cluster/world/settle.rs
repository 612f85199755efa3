//! The end of a session: when everything has settled, and what must be true then.

use super::World;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use testkit::Trace;
use zzw_push_proto::platform::{
    Call, ExchangeId, Input, NodeId, NodeInfo, Output, Platform, UnixMillis,
};
use zzw_push_proto::rest::RestReply;

/// After so long, everything has settled: half-open links are silent for too long, leases end, and
/// those who are gone are swept.
const PATIENCE: Duration = Duration::from_secs(120);

impl World {
    /// True once nothing is under way any more.
    pub(super) fn has_settled(&mut self) -> Result<bool, String> {
        let Some(healed) = self.healed else {
            return Ok(false);
        };
        let since = self.schedule.now().saturating_duration_since(healed);
        if since < Duration::from_secs(2) {
            return Ok(false);
        }
        match self.obstacle() {
            None => Ok(true),
            Some(what) if since > PATIENCE => Err(format!(
                "{} s after all has healed, {what}",
                PATIENCE.as_secs()
            )),
            Some(_) => Ok(false),
        }
    }

    /// What is still under way.
    fn obstacle(&self) -> Option<String> {
        let others = self.nodes.len() - 1;
        for node in &self.nodes {
            let Some(platform) = &node.platform else {
                return Some("a node is down".to_owned());
            };
            let process = node.process;
            if platform.is_fenced() || node.is_draining {
                return Some(format!("I5: {process} is fenced, or about to stop"));
            }
            let is_there = |(node, _): &(NodeId, NodeInfo)| self.node_of(node.0).is_some();
            let told = node.renewed.as_deref().unwrap_or_default();
            if platform.snapshot().nodes != others || !told.iter().all(is_there) {
                return Some(format!("I6: {process} does not know who is there"));
            }
        }
        if let Some((exchange, _)) = self.exchanges.first_key_value() {
            return Some(format!("I7: call {} is not answered", exchange.0));
        }
        for (nth, phone) in self.phones.iter().enumerate() {
            let account = &self.ledger.accounts[nth];
            let alias = account.alias.as_str();
            let has = |platform: &&Platform| platform.is_online(alias);
            let bound = self.platforms().filter(has).count();
            if phone.is_gone {
                if bound > 0 {
                    return Some(format!("I5: {alias} has a link, and is away"));
                }
                let owner = self.redis.store.aliases[&account.alias].owner;
                let is_listed = owner.is_some_and(|owner| self.node_of(owner.node.0).is_some());
                if is_listed && !account.is_unsure {
                    return Some(format!("I6: {alias} is listed, and away"));
                }
                continue;
            }
            let Some(link) = phone.link.filter(|link| self.links[*link].is_at_node) else {
                return Some(format!("{alias} has no link"));
            };
            let link = &self.links[link];
            let node = &self.nodes[link.node];
            if bound != 1 || !node.platform.as_ref().is_some_and(|p| has(&p)) {
                return Some(format!("I5: {alias} has {bound} links, or a wrong one"));
            }
            if !link.asked.is_empty() || link.pulls.values().any(|open| *open > 0) {
                return Some(format!("I7: {alias} has not got an answer"));
            }
            let known = &self.redis.store.aliases[&account.alias];
            if known.owner.map(|owner| owner.node) != Some(NodeId(link.process)) {
                let owner = known.owner;
                return Some(format!("I6: {alias} is listed under {owner:?}"));
            }
            let clock = self.redis_clock();
            let mut queue = known.queue.iter();
            let is_due = |entry: &&zzw_push_proto::platform::Entry| {
                let row = account.rows.get(&entry.mid);
                entry.expires_at > clock && row.is_none_or(|row| !row.is_unsure)
            };
            if let Some(entry) = queue.find(is_due) {
                let mid = entry.mid;
                return Some(format!("I1: {alias} has not got {mid:?}, or not said so"));
            }
        }
        None
    }

    pub(super) fn finish(mut self) -> Result<super::Stats, String> {
        let now = self.schedule.now();
        self.ledger.check_promises(now, &self.redis.store)?;
        self.check_presence()?;
        for account in &self.ledger.accounts {
            let known = &self.redis.store.aliases[&account.alias];
            self.stats.evicted += known.evicted.len() as u64;
            self.stats.expired += known.expired.len() as u64;
            let waiting = known.queue.iter();
            let waiting = waiting.filter_map(|entry| account.rows.get(&entry.mid));
            self.stats.stranded += waiting.filter(|row| row.is_unsure).count() as u64;
        }
        let confirmed = self.platforms().map(|node| node.snapshot().confirmed);
        self.stats.confirmed = confirmed.sum();
        self.stats.seconds = u64::try_from(self.schedule.elapsed_millis()).unwrap() / 1_000;
        self.stats.trace = self.trace.map_or(0, Trace::value);
        Ok(self.stats)
    }

    /// Every node says of each alias whether it is there, and is right.
    fn check_presence(&mut self) -> Result<(), String> {
        for node in 0..self.nodes.len() {
            for nth in 0..self.phones.len() {
                let is_there = !self.phones[nth].is_gone;
                let account = &self.ledger.accounts[nth];
                if !is_there && account.is_unsure {
                    continue;
                }
                let alias = account.alias.clone();
                match self.ask_now(node, Call::Status(alias))? {
                    RestReply::Status(status) if status.is_online == is_there => {}
                    reply => return Err(format!("I6: {nth} is there, {is_there}: {reply:?}")),
                }
            }
        }
        Ok(())
    }

    /// The answer to a call, from a Redis that answers at once.
    fn ask_now(&mut self, nth: usize, call: Call) -> Result<RestReply, String> {
        let now = self.schedule.now();
        let id = ExchangeId(u64::MAX);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let input = Input::Called(id, address, UnixMillis(0), call);
        let platform = self.nodes[nth].platform.as_mut().ok_or("a node is gone")?;
        platform.handle_input(now, input);
        while let Some(output) = self.nodes[nth]
            .platform
            .as_mut()
            .and_then(Platform::poll_output)
        {
            match output {
                Output::Reply(asked, reply) if asked == id => return Ok(reply),
                Output::Store(seq, op) => {
                    let reply = self.carry_out(op)?;
                    let reply = reply.map_err(|error| error.to_string())?;
                    if let Some(platform) = &mut self.nodes[nth].platform {
                        platform.handle_input(now, Input::Stored(seq, reply));
                    }
                }
                // What a timer that was just due has to say.
                other => self.do_for(nth, other)?,
            }
        }
        Err("I7: a call has no answer".to_owned())
    }
}
