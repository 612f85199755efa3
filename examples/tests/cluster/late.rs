//! Redis carries out late what a node has asked for.

use crate::kit_zzw::Caller;
use crate::lost::{have_leases, two};
use crate::redis::Redis;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= docs/spec/zzw-push-proto.md#store
//= type=test
//# A store that nodes share MUST NOT give an alias away when the answer is not waited for any more:
//# its device may be at another node by then.
async fn a_claim_that_is_carried_out_late_takes_nothing() {
    let Some(redis) = Redis::start("late", &[]) else {
        return;
    };
    let servers = two(&redis).await;
    let [one, two] = &servers;
    let mut device = Caller::bound(two, "室内机").await;
    let epoch = || redis.ask(&["HGET", "zzw:r:{a:室内机}", "e"]);
    assert_eq!(epoch(), "1");
    // The device has tried another node, which is told nothing for so long that it gives up.
    redis.signal("STOP");
    let mut tried = Caller::dial(one).await;
    let refused = tried.asks(&json!({"t": 14, "alias": "室内机"})).await;
    assert_eq!(refused["code"], "store_unavailable");
    redis.signal("CONT");
    have_leases(&servers).await;
    assert_eq!(epoch(), "1");
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        device.is_heard_as("室内机").await;
    }
    // What is asked now is new.
    let bound = json!({"t": -14, "alias": "室内机"});
    let answer = tried.asks(&json!({"t": 14, "alias": "室内机"})).await;
    assert_eq!(answer, bound);
    assert_eq!(device.hears().await["code"], "replaced");
    for server in servers {
        server.stop().await.unwrap();
    }
}
