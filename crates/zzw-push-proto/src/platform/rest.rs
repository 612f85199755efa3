//! Calls over REST.

use super::bucket::Bucket;
use super::store::{StoreOp, UnixMillis};
use super::vocabulary::{Call, ExchangeId, NodeInfo, Output};
use super::{Asker, Pending, Platform};
use crate::rest::RestReply;
use crate::wire::{AliasPage, ClusterInfo, Code, NodeCounts, Num, Servers, Status, Texts};
use std::net::IpAddr;
use std::time::Instant;

/// Addresses whose rate is remembered.
const MAX_ADDRESSES: usize = 65_536;

impl Platform {
    pub(super) fn called(
        &mut self,
        now: Instant,
        id: ExchangeId,
        address: IpAddr,
        at: UnixMillis,
        call: Call,
    ) {
        let asker = Asker::Exchange(id);
        //= docs/spec/zzw-push-proto.md#load
        //# Calls of an address beyond `address_rate` MUST be answered with status 429.
        if !self.afford_address(now, address) || self.pending.len() >= self.config.max_publishing {
            let num = match call {
                Call::Push(publish) => publish.num,
                _ => Num::Absent,
            };
            return self.refuse(asker, Code::Busy, num);
        }
        match call {
            Call::Push(publish) => self.publish_for(now, asker, at, &publish),
            Call::Info => {
                let reply = RestReply::Info(self.cluster());
                self.out.push(Output::Reply(id, reply));
            }
            Call::Servers => match self.least_loaded() {
                Some(servers) => {
                    let reply = RestReply::Servers(servers);
                    self.out.push(Output::Reply(id, reply));
                }
                //= docs/spec/zzw-push-proto.md#presence
                //# The question for a server MUST be answered with `draining` and status 503 where
                //# no node takes links.
                None => self.refuse(asker, Code::Draining, Num::Absent),
            },
            Call::Status(alias) => self.status(asker, &alias, Num::Absent),
            Call::Aliases(transport, page) => {
                //= docs/spec/zzw-push-proto.md#presence
                //# The lists of aliases MUST hold those that have a link over TCP and over
                //# Socket.IO, in the order of their bytes, with the number of all of them.
                self.ask_store(StoreOp::List { transport, page }, Pending::List(id));
            }
        }
    }

    pub(super) fn reply_status(&mut self, id: ExchangeId, status: Status) {
        self.out.push(Output::Reply(id, RestReply::Status(status)));
    }

    pub(super) fn listed(&mut self, id: ExchangeId, total: u64, aliases: Texts) {
        let reply = RestReply::Aliases(AliasPage::new(total, aliases));
        self.out.push(Output::Reply(id, reply));
    }

    /// How this node is.
    pub fn info(&self) -> NodeInfo {
        let counters = &self.counters;
        let counts = NodeCounts::new(
            self.rooms.links,
            counters.tcp_links,
            counters.socketio_links,
        );
        let service = self.config.service.clone();
        let mut info = NodeInfo::new(self.config.host.clone(), service, counts);
        info.is_draining = self.is_draining();
        info
    }

    /// True if that address may do one thing more now.
    pub(super) fn afford_address(&mut self, now: Instant, address: IpAddr) -> bool {
        let rate = self.config.address_rate;
        if self.addresses.len() >= MAX_ADDRESSES && !self.addresses.contains_key(&address) {
            self.addresses
                .retain(|_, bucket| !bucket.is_full(rate, now));
            if self.addresses.len() >= MAX_ADDRESSES {
                return false;
            }
        }
        let bucket = self.addresses.entry(address);
        let bucket = bucket.or_insert_with(|| Bucket::full(rate, now));
        bucket.take(rate, now)
    }

    fn cluster(&self) -> ClusterInfo {
        let own = self.info();
        let nodes = std::iter::once(&own).chain(self.nodes.values());
        ClusterInfo {
            nodes: nodes
                .map(|node| (node.host.clone(), node.counts.clone()))
                .collect(),
            is_stale: false,
        }
    }

    /// The node with the fewest links that takes any; this one among equals.
    //= docs/spec/zzw-push-proto.md#presence
    //# A client MUST be sent to the node with the least links of those that take any.
    fn least_loaded(&self) -> Option<Servers> {
        let own = self.info();
        let nodes = std::iter::once(&own).chain(self.nodes.values());
        let least = nodes
            .filter(|node| !node.is_draining)
            .min_by_key(|node| node.counts.online)?;
        Some(Servers::new(least.host.clone(), least.service.clone()))
    }
}
