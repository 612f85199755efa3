//! A node stands still, and its devices do not wait for it.

use crate::kit::Folder;
use crate::kit_zzw::{Caller, soon, until};
use crate::plant::Node;
use crate::redis::Redis;
use serde_json::json;
use std::time::Duration;

async fn dial(node: &Node) -> Caller {
    Caller::at(node.push().parse().unwrap()).await
}

/// Asks until it has its alias: a node that has just gone on may not have found its store yet.
async fn bind(caller: &mut Caller, alias: &str) {
    let bound = json!({"t": -14, "alias": alias});
    let asked = async {
        loop {
            let answer = caller.asks(&json!({"t": 14, "alias": alias})).await;
            if answer == bound {
                return;
            }
            assert_eq!(answer["code"], "store_unavailable", "{answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the store", asked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= docs/spec/zzw-push-proto.md#alias
//= type=test
//# When the process stood still, a link MUST NOT be bound before what may have waited meanwhile is
//# read, and not at all if its end is among that.
async fn who_has_gone_to_another_node_stays_there_when_the_first_goes_on() {
    let Some(redis) = Redis::start("given-up", &[]) else {
        return;
    };
    let folder = Folder::new("cluster-given-up");
    let nodes = [1, 2].map(|number| Node::start(number, &redis.url(), &folder));
    let know_both = async || nodes.iter().all(|node| node.hosts().len() == 2);
    until("the other node", know_both).await;
    let [paused, other] = &nodes;
    paused.signal("STOP");
    let mut tries = Vec::new();
    for _ in 0..3 {
        let mut caller = dial(paused).await;
        caller.says(&json!({"t": 14, "alias": "室内机"})).await;
        tries.push(caller);
    }
    // Too short for the node to lose Redis.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    drop(tries);
    let mut device = dial(other).await;
    bind(&mut device, "室内机").await;
    paused.signal("CONT");
    // Whoever waited for it is served, when those who did not could have been.
    bind(&mut dial(paused).await, "手机").await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        device.is_heard_as("室内机").await;
    }
}
