//! Redis is away for half a minute.

use crate::kit_zzw::{Caller, ask, call, serve, until};
use crate::redis::Redis;
use drive::zzw::server::{Options, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Two nodes over one server, which know each other.
pub(crate) async fn two(redis: &Redis) -> [Server; 2] {
    two_with(redis, |_| {}).await
}

/// The same, but for what is changed in the second.
pub(crate) async fn two_with(redis: &Redis, change: impl FnOnce(&mut Options)) -> [Server; 2] {
    let one = serve(|options| options.redis = Some(redis.url())).await;
    let two = serve(|options| {
        options.bind = [127, 0, 0, 2].into();
        options.redis = Some(redis.url());
        change(options);
    });
    let nodes = [one, two.await];
    for node in &nodes {
        let knows_both = async || hosts(&call(node, "/info").await).len() == 2;
        until("the other node", knows_both).await;
    }
    nodes
}

/// Waits until both have their leases again.
pub(crate) async fn have_leases(servers: &[Server; 2]) {
    for node in servers {
        let has_lease = async || call(node, "/info").await["stale"] != true;
        until("the node's lease", has_lease).await;
    }
}

/// Whose counts a node tells.
pub(crate) fn hosts(info: &Value) -> Vec<&str> {
    let fields = info.as_object().unwrap().iter();
    let hosts = fields.filter(|(_, counts)| counts.is_object());
    hosts.map(|(host, _)| host.as_str()).collect()
}

pub(crate) async fn publish(server: &Server, alias: &str, text: &str, ttl: Option<u32>) -> Value {
    let mut body = json!({
        "t": 6, "method": "publish_to_alias", "alias": [alias], "msg": text, "num": "1",
    });
    if let Some(ttl) = ttl {
        body["opts"] = json!({"time_to_live": ttl});
    }
    let path = format!("/push/{}", server.token().unwrap());
    let answer = ask(server.addresses().rest, "POST", &path, body.to_string()).await;
    answer.json()
}

pub(crate) async fn delivered(caller: &mut Caller) -> String {
    let delivery = caller.hears().await;
    assert_eq!(delivery["t"], 5, "{delivery}");
    let ack = json!({"t": -5, "mid": delivery["mid"]});
    caller.says(&ack).await;
    delivery["msg"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= docs/spec/zzw-push-proto.md#store
//= type=test
//# A failure of the store MUST be answered with `store_unavailable` and never become a -6.
async fn half_a_minute_without_redis_loses_nothing_that_was_acknowledged() {
    let Some(mut redis) = Redis::start("lost", &["--appendfsync", "always"]) else {
        return;
    };
    let servers = two(&redis).await;
    let [one, two] = &servers;
    let mut here = Caller::bound(one, "m_1").await;
    let mut there = Caller::bound(two, "m_2").await;
    let kept = json!({"t": -6, "num": "1"});
    assert_eq!(publish(one, "away", "先", None).await, kept);
    assert_eq!(publish(one, "m_2", "一", None).await, kept);
    assert_eq!(delivered(&mut there).await, "一");
    assert_eq!(publish(two, "m_1", "未确认", None).await, kept);
    let unacked = here.hears().await;
    assert_eq!(unacked["msg"], "未确认");

    redis.kill();
    let lost_at = Instant::now();
    let mut rounds = 0;
    while lost_at.elapsed() < Duration::from_secs(30) {
        rounds += 1;
        let refused = publish(one, "m_1", "持久", None).await;
        assert_eq!(refused["t"], 0, "{refused}");
        assert_eq!(refused["code"], "store_unavailable", "{refused}");
        let text = format!("此刻 {rounds}");
        assert_eq!(publish(one, "m_1", &text, Some(0)).await, kept);
        assert_eq!(here.hears().await["msg"], text);
        there.says(&json!({"t": 1, "alias": "m_2"})).await;
        assert_eq!(there.hears().await, json!({"t": -1, "alias": "m_2"}));
        let info = call(one, "/info").await;
        if lost_at.elapsed() > Duration::from_secs(20) {
            assert_eq!(info["stale"], true, "{info}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // Whoever comes now is told, and may come again.
    let mut newcomer = Caller::dial(one).await;
    let refused = newcomer.asks(&json!({"t": 14, "alias": "away"})).await;
    assert_eq!(refused["code"], "store_unavailable");

    redis.restart();
    let keeps = async || publish(one, "m_2", "二", None).await == kept;
    until("Redis", keeps).await;
    // Both links are still there, and what comes now comes to them.
    assert_eq!(delivered(&mut there).await, "二");
    have_leases(&servers).await;
    let answer = newcomer.asks(&json!({"t": 14, "alias": "away"})).await;
    assert_eq!(answer, json!({"t": -14, "alias": "away"}));
    assert_eq!(delivered(&mut newcomer).await, "先");
    // What was not acknowledged is there, and comes again to the next link.
    let mut again = Caller::bound(two, "m_1").await;
    assert_eq!(delivered(&mut again).await, "未确认");
    assert_eq!(here.hears().await["code"], "replaced");
    for server in servers {
        server.stop().await.unwrap();
    }
    let left = redis.ask(&["KEYS", "zzw:n*"]);
    assert_eq!(left, "", "nodes that have ended leave nothing behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_ends_is_gone_at_once_and_one_that_comes_is_there_soon() {
    let Some(redis) = Redis::start("coming", &[]) else {
        return;
    };
    let [one, two] = two(&redis).await;
    two.stop().await.unwrap();
    let is_alone = async || hosts(&call(&one, "/info").await) == ["127.0.0.1"];
    until("the other's end", is_alone).await;
    let servers = call(&one, "/info/servers").await;
    assert_eq!(servers["host"], "127.0.0.1");
    one.stop().await.unwrap();
}
