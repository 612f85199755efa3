//! Redis has no memory left.

use crate::kit_zzw::{Caller, call, until};
use crate::lost::{delivered, hosts, publish, two};
use crate::redis::Redis;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_keeps_nothing_more_until_somebody_makes_room() {
    let Some(redis) = Redis::start("memory", &[]) else {
        return;
    };
    let servers = two(&redis).await;
    let [one, two] = &servers;
    let used = |redis: &Redis| -> u64 {
        let info = redis.ask(&["INFO", "memory"]);
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        line.unwrap().trim().parse().unwrap()
    };
    let most = (used(&redis) + (1 << 20)).to_string();
    assert_eq!(redis.ask(&["CONFIG", "SET", "maxmemory", &most]), "OK");
    let kept = json!({"t": -6, "num": "1"});
    let long = "早".repeat(15_000);
    let mut count = 0;
    let refused = loop {
        let answer = publish(one, "满", &long, None).await;
        if answer != kept {
            break answer;
        }
        count += 1;
    };
    assert!(count > 3, "{count}");
    assert_eq!(refused["code"], "store_unavailable", "{refused}");
    // Longer than a lease: the nodes keep their places.
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(10) {
        assert_eq!(
            publish(two, "满", &long, None).await["code"],
            "store_unavailable"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(hosts(&call(one, "/info").await).len(), 2);
    // Whoever connects gets what is there, and makes room.
    let mut reader = Caller::bound(two, "满").await;
    for _ in 0..count {
        assert_eq!(delivered(&mut reader).await, long);
    }
    let keeps = async || publish(one, "满", &long, None).await == kept;
    until("room", keeps).await;
    assert_eq!(delivered(&mut reader).await, long);
    for server in servers {
        server.stop().await.unwrap();
    }
}
