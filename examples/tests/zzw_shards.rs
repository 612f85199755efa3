//! One server of several cores: to its clients it is the same as one of one.

#[path = "kit_zzw/mod.rs"]
mod kit_zzw;

use drive::zzw::server::{Options, Server};
use kit_zzw::{Caller, Guest, call, serve, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// More than shards, so that several have links.
const ALIASES: usize = 7;

async fn sharded(shards: usize, data: Option<PathBuf>) -> Server {
    serve(|options: &mut Options| {
        options.shards = shards;
        options.data = data;
    })
    .await
}

fn name(number: usize) -> String {
    format!("室内机-{number}")
}

async fn publish(caller: &mut Caller, message: Value) {
    let answer = caller.asks(&message).await;
    assert_eq!(answer, json!({"t": -6, "num": message["num"]}));
}

/// The next delivery, without its id, which is acknowledged.
async fn delivery(caller: &mut Caller) -> Value {
    let mut delivery = caller.hears().await;
    assert_eq!(delivery["t"], 5, "{delivery}");
    caller.says(&json!({"t": -5, "mid": delivery["mid"]})).await;
    delivery.as_object_mut().unwrap().remove("mid");
    delivery
}

/// What every alias hears in a history in which all of them do everything, one after the other.
async fn history(shards: usize, data: Option<PathBuf>) -> BTreeMap<String, Vec<Value>> {
    let server = sharded(shards, data).await;
    let mut heard: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut callers = Vec::new();
    for number in 0..ALIASES {
        let mut caller = Caller::bound(&server, &name(number)).await;
        let register = json!({"t": 2, "topic": ["小区"], "num": "r"});
        let answer = caller.asks(&register).await;
        assert_eq!(answer, json!({"t": -2, "num": "r"}));
        callers.push(caller);
    }
    let mut sender = Caller::dial(&server).await;
    for (number, caller) in callers.iter_mut().enumerate() {
        for nth in 0..3 {
            let message = json!({
                "t": 6, "method": "publish_to_alias", "alias": [name(number)],
                "msg": format!("{number} {nth} 早"), "num": format!("{number}-{nth}"),
            });
            publish(&mut sender, message).await;
        }
        for _ in 0..3 {
            let delivery = delivery(caller).await;
            heard.entry(name(number)).or_default().push(delivery);
        }
    }
    for ttl in [60, 0] {
        let message = json!({
            "t": 6, "method": "publish", "topic": ["小区"], "msg": {"ttl": ttl}, "num": "t",
            "opts": {"time_to_live": ttl},
        });
        publish(&mut sender, message).await;
        for (number, caller) in callers.iter_mut().enumerate() {
            let delivery = delivery(caller).await;
            heard.entry(name(number)).or_default().push(delivery);
        }
    }
    // Each comes again over another link, which is another core's; the old one is told.
    for (number, old) in callers.iter_mut().enumerate() {
        // What is acknowledged too late comes again, and may.
        old.is_heard_as(&name(number)).await;
        let message = json!({
            "t": 6, "method": "publish_to_alias", "alias": [name(number)], "msg": "未确认", "num": "u",
        });
        publish(&mut sender, message).await;
        assert_eq!(old.hears().await["msg"], "未确认");
        let mut new = Caller::bound(&server, &name(number)).await;
        let told = old.hears().await;
        assert_eq!(told["code"], "replaced");
        assert_eq!(old.hears().await, Value::Null);
        let delivery = delivery(&mut new).await;
        heard.entry(name(number)).or_default().push(delivery);
        *old = new;
    }
    let status = call(
        &server,
        &format!("/info/status/{}", "%E5%AE%A4%E5%86%85%E6%9C%BA-0"),
    )
    .await;
    assert_eq!(status, json!({"list": ["小区"], "status": "online"}));
    let listed = call(&server, "/info/allChannelAlias/1").await;
    assert_eq!(listed["total"], ALIASES);
    let are_counted = async || {
        let info = call(&server, "/info").await;
        info["127.0.0.1"]["channelSize"] == ALIASES + 1
    };
    until("the counts of all cores", are_counted).await;
    assert_eq!(server.counters().online, ALIASES as u64);
    drop((callers, sender));
    server.stop().await.unwrap();
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_several_cores_says_what_one_of_one_says() {
    let alone = history(1, None).await;
    assert_eq!(alone.len(), ALIASES);
    assert_eq!(history(3, None).await, alone);
    let folder = std::env::temp_dir().join(format!("zzw-shards-{}", std::process::id()));
    assert_eq!(history(3, Some(folder.clone())).await, alone);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cores_keep_together_is_counted_once() {
    let server = sharded(3, None).await;
    let mut sender = Caller::dial(&server).await;
    for number in 0..5 {
        let message = json!({
            "t": 6, "method": "publish_to_alias", "alias": ["不在"], "msg": "早", "num": number.to_string(),
        });
        publish(&mut sender, message).await;
    }
    assert_eq!(server.kept().messages, 5);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doors_and_rooms_are_the_same_from_every_core() {
    let server = sharded(3, None).await;
    let mut doors = Vec::new();
    for number in 0..3 {
        let alias = format!("门口机-{number}");
        let mut door = Caller::bound(&server, &alias).await;
        door.says(&json!({"t": 10, "r": "3-2", "u": "d"})).await;
        door.is_heard_as(&alias).await;
        doors.push(door);
    }
    let mut phone = Caller::bound(&server, "手机").await;
    let open = json!({"t": 8, "r": "3-2", "u": "u"});
    phone.says(&open).await;
    for door in &mut doors {
        assert_eq!(door.hears().await, open);
    }
    for room in 0..6 {
        let mut caller = Guest::enter(&server, &format!("/{room}/0/android")).await;
        let mut other = Guest::enter(&server, &format!("/{room}/1/ios")).await;
        caller.say("你好").await;
        other.hears_text("你好").await;
    }
    server.stop().await.unwrap();
}
