//! Requests, one batch after another, at times that the test sets.

use crate::model::{ALIASES, Answer, CAP, Step, Subject, World};
use crate::redis::Redis;
use drive::cluster::{Ledger, Settings};
use drive::zzw::store;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::time::Instant;
use tokio::runtime::Runtime;
use zzw_push_proto::platform::{
    MessageId, NodeId, Owner, StoreError, StoreOp, StoreReply, Transport, UnixMillis,
};
use zzw_push_proto::wire::{Json, Text, Texts, Ttl};

/// A ledger, and the time that it tells itself.
struct OnRedis<'r> {
    runtime: &'r Runtime,
    ledger: Ledger,
    redis: &'r Redis,
    prefix: String,
    at: u64,
    told: Option<Instant>,
}

thread_local! {
    /// Each history has keys of its own.
    static NEXT: Cell<u32> = const { Cell::new(0) };
}

impl<'r> OnRedis<'r> {
    fn new(runtime: &'r Runtime, redis: &'r Redis) -> Self {
        let prefix = format!("t{}", NEXT.replace(NEXT.get() + 1));
        let mut settings = Settings::default();
        settings.prefix.clone_from(&prefix);
        let mut limits = store::Settings::default();
        limits.cap = CAP as u64;
        let ledger = async { Ledger::open(&redis.url(), settings, &limits, NodeId(1)).await };
        Self {
            runtime,
            ledger: runtime.block_on(ledger).unwrap(),
            redis,
            prefix,
            at: 0,
            told: None,
        }
    }

    fn ask_at(&mut self, at: u64, batch: &[StoreOp]) -> Vec<Answer> {
        self.ledger.set_time(UnixMillis(at));
        self.runtime.block_on(self.ledger.apply(batch))
    }

    fn ask(&mut self, op: StoreOp) -> Answer {
        self.at = self.at.max(START);
        self.ask_at(self.at, &[op]).pop().unwrap()
    }
}

impl Subject for OnRedis<'_> {
    fn apply(&mut self, now: Instant, wall: UnixMillis, batch: &[StoreOp]) -> Vec<Answer> {
        // The time does not go back.
        let passed = self.told.replace(now).map(|told| now - told);
        let passed = passed.unwrap_or_default().as_millis();
        self.at = wall.0.max(self.at + u64::try_from(passed).unwrap());
        self.ask_at(self.at, batch)
    }

    fn reopen(&mut self, _crashes: bool) -> bool {
        false
    }

    fn messages(&self) -> u64 {
        let kept = |alias: &&str| -> u64 {
            let queue = format!("{}:q:{{a:{alias}}}", self.prefix);
            self.redis.ask(&["XLEN", &queue]).parse().unwrap()
        };
        ALIASES.iter().map(kept).sum()
    }
}

const START: u64 = crate::model::START;

fn runtime() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

/// Random histories, on a server that keeps to slots, as those of a Redis Cluster do.
#[test]
fn redis_answers_as_a_naive_store_does_and_each_script_keeps_to_one_slot() {
    let Some(redis) = Redis::start("model", &["--cluster-enabled", "yes"]) else {
        return;
    };
    assert_eq!(redis.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    while !redis.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
        std::thread::yield_now();
    }
    let runtime = runtime();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let steps = proptest::collection::vec(any::<(u8, u8, u8)>(), 0..400);
    let played = runner.run(&steps, |steps| {
        let mut world = World::new(OnRedis::new(&runtime, &redis));
        for (kind, a, b) in steps {
            world.step(Step(kind, a, b));
        }
        world.settle();
        Ok(())
    });
    played.unwrap();
}

#[test]
fn a_body_for_many_is_kept_once_until_nobody_needs_it() {
    let Some(redis) = Redis::start("bodies", &[]) else {
        return;
    };
    let runtime = runtime();
    let mut store = OnRedis::new(&runtime, &redis);
    for alias in ALIASES {
        let joined = store.ask(subscribe(alias, &["t"], &[]));
        assert!(joined.is_ok(), "{joined:?}");
    }
    let bodies = |redis: &Redis, prefix: &str| {
        let keys = redis.ask(&["KEYS", &format!("{prefix}:b:*")]);
        keys.lines().filter(|line| !line.is_empty()).count()
    };
    let long = Json::text(&"早".repeat(1000));
    let fanned = store.ask(StoreOp::AppendTopic {
        topic: "t".into(),
        body: long.clone(),
        ttl: Ttl::default(),
    });
    let Ok(StoreReply::Fanned { members, .. }) = fanned else {
        panic!("{fanned:?}");
    };
    assert_eq!(members.len(), ALIASES.len());
    assert_eq!(bodies(&redis, &store.prefix), 1);
    for (alias, appended) in &members {
        let loaded = store.ask(load(alias));
        let Ok(StoreReply::Loaded { entries, .. }) = loaded else {
            panic!("{loaded:?}");
        };
        assert_eq!(entries[0].body, long);
        let (alias, mids) = (alias.clone(), vec![appended.mid]);
        assert_eq!(bodies(&redis, &store.prefix), 1);
        store.ask(StoreOp::Ack { alias, mids }).unwrap();
    }
    assert_eq!(bodies(&redis, &store.prefix), 0);
    // A short one is kept in each queue.
    let short = StoreOp::AppendTopic {
        topic: "t".into(),
        body: Json::text("short"),
        ttl: Ttl::default(),
    };
    store.ask(short).unwrap();
    assert_eq!(bodies(&redis, &store.prefix), 0);
}

#[test]
fn topics_that_would_be_too_many_leave_no_trace() {
    let Some(redis) = Redis::start("topics", &[]) else {
        return;
    };
    let runtime = runtime();
    let mut store = OnRedis::new(&runtime, &redis);
    let many: Vec<String> = (0..1_001).map(|nth| format!("t{nth}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = store.ask(subscribe("m_1", &many, &[]));
    assert_eq!(refused, Err(StoreError::TooManyTopics));
    let kept = redis.ask(&["KEYS", &format!("{}:*", store.prefix)]);
    assert_eq!(kept, "");
    store.ask(subscribe("m_1", &many[..1_000], &[])).unwrap();
}

/// A program dies between the two sets that a topic is kept in.
#[test]
fn who_is_a_member_by_mistake_gets_nothing_and_is_forgotten() {
    let Some(redis) = Redis::start("members", &[]) else {
        return;
    };
    let runtime = runtime();
    let mut store = OnRedis::new(&runtime, &redis);
    store.ask(subscribe("m_1", &["t"], &[])).unwrap();
    let members = format!("{}:m:{{t:t}}", store.prefix);
    assert_eq!(redis.ask(&["SADD", &members, "m_2"]), "1");
    let fanned = store.ask(StoreOp::AppendTopic {
        topic: "t".into(),
        body: Json::text("hi"),
        ttl: Ttl::default(),
    });
    let Ok(StoreReply::Fanned { members: kept, .. }) = fanned else {
        panic!("{fanned:?}");
    };
    assert_eq!(kept.len(), 1);
    assert_eq!(redis.ask(&["SMEMBERS", &members]), "m_1");
}

#[test]
fn what_a_dead_node_had_is_nobodys_and_its_epochs_are_over() {
    let Some(redis) = Redis::start("sweep", &[]) else {
        return;
    };
    let runtime = runtime();
    let mut store = OnRedis::new(&runtime, &redis);
    let claim = |alias: &str, node| StoreOp::Claim {
        alias: alias.into(),
        owner: Owner::new(NodeId(node), Transport::Tcp),
    };
    for nth in 0..450 {
        store.ask(claim(&format!("d_{nth}"), 2)).unwrap();
    }
    store.ask(claim("d_7", 3)).unwrap();
    runtime.block_on(store.ledger.sweep(NodeId(2))).unwrap();
    let status = |store: &mut OnRedis<'_>, alias: &str| {
        let alias = Text::from(alias);
        match store.ask(StoreOp::Status { alias }) {
            Ok(StoreReply::Status { owner, .. }) => owner.map(|owner| owner.node.0),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status(&mut store, "d_7"), Some(3), "it had moved");
    assert_eq!(status(&mut store, "d_8"), None);
    let epoch = |store: &mut OnRedis<'_>, alias| match store.ask(load(&Text::from(alias))) {
        Ok(StoreReply::Loaded { epoch, .. }) => epoch,
        other => panic!("{other:?}"),
    };
    assert_eq!(epoch(&mut store, "d_8"), 2, "the dead node's was 1");
    assert_eq!(epoch(&mut store, "d_7"), 2);
    let listed = redis.ask(&[
        "ZRANGE",
        &format!("{}:al:{{al}}:tcp", store.prefix),
        "0",
        "-1",
    ]);
    assert_eq!(listed, "d_7");
    let left = redis.ask(&["KEYS", &format!("{}:na:*", store.prefix)]);
    assert!(
        left.ends_with("{n:3}") && left.lines().count() == 1,
        "{left}"
    );
}

fn load(alias: &Text) -> StoreOp {
    StoreOp::Load {
        alias: alias.clone(),
        after: MessageId(0),
        limit: 100,
    }
}

fn subscribe(alias: &str, add: &[&str], remove: &[&str]) -> StoreOp {
    StoreOp::Subscribe {
        alias: alias.into(),
        add: add.iter().collect::<Texts>(),
        remove: remove.iter().collect::<Texts>(),
        info: None,
    }
}
