//! A server of two cores, each of which has a connection to Redis of its own.

use crate::kit_zzw::{Caller, serve};
use crate::redis::Redis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_of_the_store_is_that_of_all_cores() {
    let Some(redis) = Redis::start("shards", &[]) else {
        return;
    };
    let server = serve(|options| {
        options.redis = Some(redis.url());
        options.shards = 2;
    })
    .await;
    let mut callers = Vec::new();
    for number in 0..40 {
        callers.push(Caller::bound(&server, &format!("室内机-{number}")).await);
    }
    // Each of them is a claim and a reading, and half of them are those of one core.
    assert!(server.kept().ops >= 60, "{:?}", server.kept());
    server.stop().await.unwrap();
}
