//! Which node a client is sent to.

use super::vocabulary::NodeInfo;
use super::{NodeId, Platform};
use crate::wire::{ClusterInfo, NodeCounts, Servers, Text};
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::net::IpAddr;

impl Platform {
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
        info.weight = self.config.weight;
        info.is_draining = self.is_draining();
        info
    }

    pub(super) fn cluster(&self) -> ClusterInfo {
        let own = self.info();
        let nodes = std::iter::once(&own).chain(self.nodes.values());
        //= docs/spec/zzw-push-proto.md#presence
        //# Nodes with the same host MUST be counted together.
        let mut hosts: BTreeMap<&Text, NodeCounts> = BTreeMap::new();
        for node in nodes {
            let counts = hosts.entry(&node.host).or_default();
            *counts = std::mem::take(counts).plus(&node.counts);
        }
        ClusterInfo {
            nodes: hosts
                .into_iter()
                .map(|(host, counts)| (host.clone(), counts))
                .collect(),
            //= docs/spec/zzw-push-proto.md#presence
            //# Counts that may be old because other nodes cannot be heard MUST be marked with
            //# `stale`.
            is_stale: self.is_stale(),
        }
    }

    /// Where the links of a relay room meet, if that is another node. Every node that knows of
    /// the same ones says the same; one that drains has no rooms.
    //= docs/spec/zzw-push-proto.md#node
    //# The links of a relay room MUST meet at one node, which is the same whichever node is asked,
    //# and another one only if that is gone or a new one has come.
    pub fn home_of(&self, room: &str) -> Option<(NodeId, Servers)> {
        let others = self.nodes.iter().filter(|(_, node)| !node.is_draining);
        let best = others.max_by_key(|(id, _)| (liking(**id, room), **id));
        let (id, node) = best?;
        let own = (liking(self.config.node, room), self.config.node);
        let is_here = !self.is_draining() && own > (liking(*id, room), *id);
        (!is_here).then(|| (*id, Servers::new(node.host.clone(), node.service.clone())))
    }

    /// The node with the least links for its weight, of those that take any.
    ///
    /// Among equals each address has its own order: counts are some seconds old, and all clients of
    /// these seconds would go to the same node.
    //= docs/spec/zzw-push-proto.md#presence
    //# A client MUST be sent to the node with the least links for its weight, of those that take
    //# any.
    pub(super) fn least_loaded(&self, client: IpAddr) -> Option<Servers> {
        let own = self.info();
        let own = (!self.is_fenced()).then_some((self.config.node, &own));
        let others = self.nodes.iter().map(|(id, node)| (*id, node));
        let open = own
            .into_iter()
            .chain(others)
            //= docs/spec/zzw-push-proto.md#presence
            //# A client MUST NOT be sent to a node without a lease.
            //= docs/spec/zzw-push-proto.md#presence
            //# A node of weight 0 MUST NOT be recommended.
            .filter(|(_, node)| !node.is_draining && node.weight > 0);
        let (_, node) = open.min_by(|(one, a), (other, b)| {
            let by_rank = || Reverse(rank(*one, client)).cmp(&Reverse(rank(*other, client)));
            by_load(a, b).then_with(by_rank)
        })?;
        Some(Servers::new(node.host.clone(), node.service.clone()))
    }
}

/// How much a room likes a node.
fn liking(node: NodeId, room: &str) -> u64 {
    let room = room
        .bytes()
        .fold(0, |mixed, byte| mix(mixed ^ u64::from(byte)));
    mix(room ^ mix(node.0))
}

/// Links for each unit of weight, without a division.
fn by_load(a: &NodeInfo, b: &NodeInfo) -> Ordering {
    let load = |one: &NodeInfo, other: &NodeInfo| {
        u128::from(one.counts.online).saturating_mul(other.weight.into())
    };
    load(a, b).cmp(&load(b, a))
}

/// How much an address likes a node (rendezvous hashing): a node that goes moves only those clients
/// that it had, and the same address is told the same each time.
//= docs/spec/zzw-push-proto.md#presence
//# Among nodes of equal load an address MUST be told the same one by every node, and another one
//# only if that is gone.
fn rank(node: NodeId, client: IpAddr) -> u64 {
    let client = match client.to_canonical() {
        IpAddr::V4(address) => mix(u64::from(address.to_bits())),
        IpAddr::V6(address) => address
            .segments()
            .into_iter()
            .fold(0, |mixed, segment| mix(mixed ^ u64::from(segment))),
    };
    mix(client ^ mix(node.0))
}

/// One step of splitmix64: each bit of the result depends on each bit of the number.
pub(super) fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
