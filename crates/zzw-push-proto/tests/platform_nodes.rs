//! Where clients are sent, and what is told of other nodes (Z-33, C-5).

mod platform_kit;

use platform_kit::{ADDRESS, Rig, START, config, secs};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use zzw_push_proto::platform::{
    Call, ExchangeId, Input, Lease, NodeId, NodeInfo, NodeMessage, Output, StoreOp, UnixMillis,
};
use zzw_push_proto::rest::RestReply;
use zzw_push_proto::wire::{NodeCounts, Service};

/// The broker of one of three nodes, which knows the others.
fn node(own: u64) -> Rig {
    let mut config = config();
    (config.node, config.host) = (NodeId(own), host(own).into());
    let mut rig = Rig::new(config);
    for other in (1..=3).filter(|other| *other != own) {
        hears(&mut rig, other, &idle(other));
    }
    rig
}

fn host(node: u64) -> String {
    format!("192.0.2.{node}")
}

fn idle(node: u64) -> NodeInfo {
    with_links(node, 0)
}

fn with_links(node: u64, links: u64) -> NodeInfo {
    NodeInfo::new(host(node), Service::default(), NodeCounts::new(links, 0, 0))
}

fn hears(rig: &mut Rig, node: u64, info: &NodeInfo) {
    let message = NodeMessage::Announce(info.clone());
    let node = NodeId(node);
    rig.input(Input::FromNode { node, message });
}

/// Where a client at that address is sent; `None` if nowhere.
fn sent_to(rig: &mut Rig, address: IpAddr) -> Option<String> {
    let call = Input::Called(ExchangeId(1), address, UnixMillis(START), Call::Servers);
    rig.input(call);
    match rig.log.pop() {
        Some(Output::Reply(_, RestReply::Servers(servers))) => Some(servers.host.to_string()),
        Some(Output::Reply(_, RestReply::Failure(_))) => None,
        other => panic!("{other:?}"),
    }
}

fn addresses() -> impl Iterator<Item = IpAddr> {
    let v4 = (0..1_500).map(|n| IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 + n * 7)));
    let v6 = (0..1_500).map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + n)));
    v4.chain(v6)
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# Among nodes of equal load an address MUST be told the same one by every node, and another one
//# only if that is gone.
fn equals_share_the_clients_and_each_client_is_told_the_same_everywhere() {
    let mut nodes = [node(1), node(2), node(3)];
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for address in addresses() {
        let told: Vec<String> = nodes
            .iter_mut()
            .map(|rig| sent_to(rig, address).unwrap())
            .collect();
        assert!(told.iter().all(|host| *host == told[0]), "{told:?}");
        *shares.entry(told[0].clone()).or_default() += 1;
    }
    assert_eq!(shares.len(), 3);
    assert!(
        shares.values().all(|share| (850..1_150).contains(share)),
        "{shares:?}"
    );
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# Among nodes of equal load an address MUST be told the same one by every node, and another one
//# only if that is gone.
fn an_address_is_the_same_in_either_notation() {
    let mut rig = node(1);
    for address in addresses().take(100) {
        let IpAddr::V4(v4) = address else { continue };
        let mapped = IpAddr::V6(v4.to_ipv6_mapped());
        assert_eq!(sent_to(&mut rig, address), sent_to(&mut rig, mapped));
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# Among nodes of equal load an address MUST be told the same one by every node, and another one
//# only if that is gone.
fn a_node_that_goes_moves_only_the_clients_that_it_had() {
    let (mut all, mut two) = (node(1), node(1));
    let node = NodeId(3);
    let message = NodeMessage::Gone;
    two.input(Input::FromNode { node, message });
    for address in addresses() {
        let before = sent_to(&mut all, address).unwrap();
        let after = sent_to(&mut two, address).unwrap();
        assert!(before == after || before == host(3));
        assert_ne!(after, host(3));
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# A client MUST be sent to the node with the least links for its weight, of those that take any.
//= docs/spec/zzw-push-proto.md#presence
//# A node of weight 0 MUST NOT be recommended.
fn a_node_of_twice_the_weight_has_twice_the_links() {
    let mut rig = node(1);
    rig.bind(1, "m_1");
    rig.bind(2, "m_2");
    let mut heavy = with_links(2, 3);
    heavy.weight = 2;
    hears(&mut rig, 2, &heavy);
    hears(&mut rig, 3, &with_links(3, 9));
    // Two links of weight 1 are more than three of weight 2.
    assert_eq!(sent_to(&mut rig, ADDRESS), Some(host(2)));
    heavy.counts = NodeCounts::new(5, 0, 0);
    hears(&mut rig, 2, &heavy);
    assert_eq!(sent_to(&mut rig, ADDRESS), Some(host(1)));
    // None of weight 0 is chosen, even if there is no other.
    heavy.weight = 0;
    hears(&mut rig, 2, &heavy);
    for other in [1, 3] {
        let mut draining = with_links(other, 0);
        draining.is_draining = true;
        hears(&mut rig, other, &draining);
    }
    rig.platform.drain(rig.now);
    assert_eq!(sent_to(&mut rig, ADDRESS), None);
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# A node of weight 0 MUST NOT be recommended.
fn a_node_tells_its_own_weight() {
    let mut config = config();
    config.weight = 0;
    let mut rig = Rig::new(config);
    assert_eq!(rig.platform.info().weight, 0);
    assert_eq!(sent_to(&mut rig, ADDRESS), None);
}

#[test]
//= docs/spec/zzw-push-proto.md#presence
//# Counts that may be old because other nodes cannot be heard MUST be marked with `stale`.
fn the_counts_of_a_cluster_that_cannot_be_heard_are_marked_as_old() {
    let mut config = config();
    config.lease = Some(Lease::default());
    let mut rig = Rig::new(config);
    let other = StoreOp::Renew {
        node: NodeId(2),
        info: idle(2),
        length: Duration::from_secs(3600),
    };
    rig.store.execute(rig.at(), other).unwrap();
    let info = |rig: &mut Rig| {
        rig.calls(1, Call::Info);
        rig.replied(1).remove(0).1
    };
    rig.wait(Duration::ZERO);
    assert!(!info(&mut rig).contains("stale"));
    rig.fails = true;
    rig.wait(secs(1));
    let told = info(&mut rig);
    assert!(told.ends_with(r#","stale":true}"#), "{told}");
    assert!(
        told.contains(&host(2)),
        "what is known is told all the same"
    );
    assert!(sent_to(&mut rig, ADDRESS).is_some());
    rig.fails = false;
    rig.wait(secs(1));
    assert!(!info(&mut rig).contains("stale"));
}

#[test]
fn addresses_that_pause_make_room_for_others() {
    let mut rig = Rig::new(config());
    let address = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
    for n in 0..65_536 {
        sent_to(&mut rig, address(n)).unwrap();
    }
    assert_eq!(sent_to(&mut rig, address(65_536)), None, "busy");
    assert!(
        sent_to(&mut rig, address(7)).is_some(),
        "known ones are served"
    );
    rig.wait(secs(1));
    assert!(sent_to(&mut rig, address(65_536)).is_some());
}

/// Where a node sends those who want into a room; none if it is here.
fn home(rig: &Rig, room: &str) -> Option<String> {
    let home = rig.platform.home_of(room);
    home.map(|(_, servers)| servers.host.to_string())
}

#[test]
//= docs/spec/zzw-push-proto.md#node
//= type=test
//# The links of a relay room MUST meet at one node, which is the same whichever node is asked, and
//# another one only if that is gone or a new one has come.
fn every_node_names_the_same_home_of_a_room_and_only_rooms_of_one_that_goes_move() {
    let nodes = [node(1), node(2), node(3)];
    let mut without_three = node(1);
    let gone = NodeMessage::Gone;
    without_three.input(Input::FromNode {
        node: NodeId(3),
        message: gone,
    });
    let mut draining = node(1);
    let mut info = idle(3);
    info.is_draining = true;
    hears(&mut draining, 3, &info);
    assert_eq!(draining.platform.node_changes(), 3);
    hears(&mut draining, 3, &info);
    assert_eq!(draining.platform.node_changes(), 3, "it is news once");
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..3_000 {
        let room = format!("capture-小区-{number}-1");
        let told = (1..=3).zip(&nodes).map(|(own, rig)| {
            let elsewhere = home(rig, &room);
            elsewhere.unwrap_or_else(|| host(own))
        });
        let told: Vec<String> = told.collect();
        assert!(told.iter().all(|host| *host == told[0]), "{told:?}");
        *shares.entry(told[0].clone()).or_default() += 1;
        for rig in [&without_three, &draining] {
            let after = home(rig, &room).unwrap_or_else(|| host(1));
            assert!(after == told[0] || told[0] == host(3));
            assert_ne!(after, host(3));
        }
    }
    assert!(
        shares.values().all(|share| (850..1_150).contains(share)),
        "{shares:?}"
    );
}

#[test]
fn a_node_that_drains_has_no_rooms_and_one_that_is_alone_has_all() {
    let mut alone = Rig::new(config());
    assert_eq!(home(&alone, "1203"), None);
    alone.platform.drain(alone.now);
    assert_eq!(home(&alone, "1203"), None);
    let mut rig = node(1);
    rig.platform.drain(rig.now);
    let rooms = (0..100).map(|number| format!("{number}"));
    assert!(rooms.into_iter().all(|room| home(&rig, &room).is_some()));
}
