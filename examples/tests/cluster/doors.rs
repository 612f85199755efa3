//! A door at one node, the phone at another.

use crate::kit_zzw::Caller;
use crate::lost::two;
use crate::redis::Redis;
use serde_json::{Value, json};
use std::time::Duration;

/// What a caller hears within some time; nothing if that is nothing.
async fn soon(caller: &mut Caller) -> Option<Value> {
    let heard = tokio::time::timeout(Duration::from_secs(1), caller.hears());
    heard.await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_at_another_node_opens_at_once_or_never() {
    let Some(redis) = Redis::start("doors", &[]) else {
        return;
    };
    let [one, two] = two(&redis).await;
    let mut door = Caller::bound(&two, "门口机").await;
    let mut phone = Caller::bound(&one, "手机").await;
    let open = json!({"t": 8, "r": "1203", "u": "u_1"});
    door.says(&json!({"t": 10, "r": "1203", "u": "d_1"})).await;
    door.is_heard_as("门口机").await;
    phone.says(&json!({"t": 9, "r": "1203", "u": "u_1"})).await;
    assert_eq!(door.hears().await, json!({"t": 9, "r": "1203", "u": "u_1"}));
    phone.says(&open).await;
    assert_eq!(door.hears().await, open);
    assert_eq!(soon(&mut door).await, None, "it opens once");
    // The door itself may not open itself, wherever it asks.
    door.says(&json!({"t": 8, "r": "1203", "u": "d_1"})).await;
    assert_eq!(soon(&mut door).await, None);

    // Redis stands still with the command in its hands, and goes on when it is too late.
    redis.signal("STOP");
    phone.says(&open).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    redis.signal("CONT");
    assert_eq!(soon(&mut door).await, None);
    assert_eq!(soon(&mut door).await, None);
    let works_again = async {
        loop {
            phone.says(&open).await;
            if soon(&mut door).await.is_some() {
                return;
            }
        }
    };
    crate::kit_zzw::soon("the next command", works_again).await;
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}
