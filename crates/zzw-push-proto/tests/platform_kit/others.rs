//! A broker that has a lease, another node beside it, and what that does to their store.

use super::{Rig, config, secs};
use std::time::Duration;
use zzw_push_proto::platform::{
    Event, Lease, MessageId, NodeId, NodeInfo, Owner, StoreOp, StoreReply, Transport,
};
use zzw_push_proto::wire::{Json, NodeCounts, Service, Ttl};

/// Node 1, which has a lease, and node 2 beside it.
pub fn node() -> Rig {
    let mut config = config();
    config.lease = Some(Lease::default());
    let mut rig = Rig::new(config);
    renew(&mut rig, 2, secs(100_000));
    rig.wait(Duration::ZERO);
    assert_eq!(rig.events(), [Event::Leased]);
    rig
}

/// Node 1 with an alias that has taken everything.
pub fn node_with_link() -> Rig {
    let mut rig = node();
    rig.bind(1, "m_1");
    rig.heard(1);
    rig.events();
    rig
}

/// Another node holds its lease for so long from now.
pub fn renew(rig: &mut Rig, node: u64, length: Duration) {
    let host = format!("192.0.2.{node}");
    let op = StoreOp::Renew {
        node: NodeId(node),
        info: NodeInfo::new(host, Service::default(), NodeCounts::default()),
        length,
    };
    rig.store.execute(rig.at(), op).unwrap();
}

/// Somebody else, whose words this node does not hear, keeps a message.
pub fn append_elsewhere(rig: &mut Rig, body: &str) -> MessageId {
    let op = StoreOp::Append {
        alias: "m_1".into(),
        body: Json::text(body),
        ttl: Ttl::default(),
        only_known: false,
    };
    match rig.store.execute(rig.at(), op) {
        Ok(StoreReply::Appended(appended)) => appended.mid,
        other => panic!("{other:?}"),
    }
}

/// The alias moves to node 2, and the kick is lost.
pub fn claim_elsewhere(rig: &mut Rig) {
    let op = StoreOp::Claim {
        alias: "m_1".into(),
        owner: Owner::new(NodeId(2), Transport::Tcp),
    };
    rig.store.execute(rig.at(), op).unwrap();
}

/// The bodies that a link was sent.
pub fn bodies(rig: &mut Rig, link: u64) -> Vec<String> {
    let heard = rig.heard(link).into_iter();
    let bodies = heard.filter_map(|json| {
        let (_, body) = json.split_once(r#""msg":""#)?;
        Some(body.split('"').next()?.to_owned())
    });
    bodies.collect()
}

/// What a link is told whose alias has a later one.
pub const REPLACED: [&str; 2] = [r#"{"t":0,"error":"replaced","code":"replaced"}"#, "closed"];
