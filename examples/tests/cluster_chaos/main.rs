//! Three nodes and their Redis, killed, paused and restarted one after the other, under two hundred
//! ends that wander between them.

#![allow(
    clippy::disallowed_methods,
    reason = "when a process is killed is what matters here"
)]

mod given_up;
#[path = "../kit/mod.rs"]
mod kit;
#[path = "../kit_zzw/mod.rs"]
mod kit_zzw;
mod ledger;
mod plant;
#[path = "../cluster/redis.rs"]
#[allow(dead_code, reason = "another test's")]
mod redis;

use drive::faces::Dice;
use drive::zzw::device::{
    CommandError, DeviceControl, DeviceHandle, DeviceNews, DeviceOptions, Place, Via, spawn_device,
};
use kit::Folder;
use ledger::{Ledger, Sent};
use plant::Node;
use redis::Redis;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};
use zzw_push_proto::device::{Event, Replaced};
use zzw_push_proto::wire::{Door, Json, Num, Publish, Ttl};

/// Messages that are answered with `-6`.
const MESSAGES: usize = 10_000;
const ALIASES: usize = 200;
/// Two at each node.
const PUBLISHERS: usize = 6;
/// Of the aliases, those that come only after the last message whose time is short is too old.
const SLEEPERS: usize = 20;
/// Requests of one publisher that are not answered yet.
const AHEAD: usize = 8;
/// Between an answer and the next request.
const PACE: Duration = Duration::from_millis(120);
/// How long messages last whose time is short, in seconds.
const SHORT: u32 = 1;
/// A door that opens later than that is opened for somebody else; with what a busy machine takes to
/// read it.
const LATE: Duration = Duration::from_secs(10);
/// No step takes longer.
const PATIENCE: Duration = Duration::from_mins(3);
/// What `/info` tells is true within ten seconds; a busy machine may take longer, so that is printed.
const TRUE_AFTER: Duration = Duration::from_secs(30);

const ALL: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

type Nodes = Arc<Mutex<Vec<Node>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= docs/spec/zzw-push-proto.md#queue
//= type=test
//# A message that was acknowledged to its publisher MUST stay in the store until its alias has
//# acknowledged it, its time is over, or newer ones have pushed it out.
async fn whichever_node_is_lost_every_kept_message_arrives_once_in_order() {
    // What is written is on the disk before it is answered: Redis is killed, too.
    let Some(mut redis) = Redis::start("chaos", &["--appendfsync", "always"]) else {
        return;
    };
    let folder = Folder::new("cluster-chaos");
    let nodes: Vec<Node> = (0..3)
        .map(|number| Node::start(number, &redis.url(), &folder))
        .collect();
    let nodes = Arc::new(Mutex::new(nodes));
    let ledger = Arc::new(Ledger::default());
    let (mut ends, mut publishers) = (JoinSet::new(), JoinSet::new());
    for alias in SLEEPERS..ALIASES {
        ends.spawn(live(alias, nodes.clone(), folder.join(""), ledger.clone()));
    }
    for number in 0..PUBLISHERS {
        let name = format!("物业-{number}");
        let place = place(&nodes.lock().unwrap()[number % 3].push());
        let options = DeviceOptions::new(name, Via::Tcp, place, number as u64);
        publishers.spawn(publish(number, options, ledger.clone()));
    }
    let (door, phone) = doors(&nodes, &ledger);

    let until = |share: usize| {
        let ledger = ledger.clone();
        async move {
            let enough = MESSAGES * share / 9;
            wait_until(|| ledger.answered.load(Ordering::Relaxed) >= enough).await;
            println!("{} answered", ledger.answered.load(Ordering::Relaxed));
        }
    };
    let node = |number: usize, what: &dyn Fn(&mut Node)| what(&mut nodes.lock().unwrap()[number]);
    let hosts = |number: usize| nodes.lock().unwrap()[number].hosts();
    let shows = async |number: usize, wanted: &[&str]| {
        let since = Instant::now();
        while hosts(number) != wanted {
            assert!(
                since.elapsed() < TRUE_AFTER,
                "{:?} are not {wanted:?}",
                hosts(number)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!(
            "node {number} shows {wanted:?} after {:.1?}",
            since.elapsed()
        );
    };
    shows(1, &ALL).await;

    until(1).await;
    node(0, &Node::kill);
    shows(1, &ALL[1..]).await;
    shows(2, &ALL[1..]).await;
    for _ in 0..5 {
        let sent_to = nodes.lock().unwrap()[2].call("/info/servers").unwrap();
        assert_ne!(sent_to["host"], nodes.lock().unwrap()[0].host());
    }
    node(0, &Node::restart);
    shows(1, &ALL).await;

    until(2).await;
    // Longer than its lease: the others take it for dead, and it finds out when it goes on.
    node(1, &|it| it.signal("STOP"));
    tokio::time::sleep(Duration::from_secs(11)).await;
    node(1, &|it| it.signal("CONT"));
    shows(0, &ALL).await;

    until(3).await;
    redis.restart();

    until(4).await;
    node(2, &Node::kill);
    node(2, &Node::restart);
    shows(0, &ALL).await;

    until(5).await;
    redis.signal("STOP");
    tokio::time::sleep(Duration::from_secs(4)).await;
    redis.signal("CONT");

    until(6).await;
    node(0, &|it| it.signal("STOP"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    node(0, &|it| it.signal("CONT"));

    until(7).await;
    for number in 0..3 {
        node(number, &Node::stop);
        node(number, &Node::restart);
    }
    shows(0, &ALL).await;

    until(8).await;
    node(1, &Node::kill);
    redis.restart();
    node(1, &Node::restart);

    let published = tokio::time::timeout(PATIENCE, publishers.join_all()).await;
    published.expect("publishers do not end");
    ledger.is_over.store(true, Ordering::Relaxed);
    // What is too old by now must not come any more, whoever connects.
    tokio::time::sleep(Duration::from_secs(u64::from(SHORT) + 1)).await;
    for alias in 0..SLEEPERS {
        ends.spawn(live(alias, nodes.clone(), folder.join(""), ledger.clone()));
    }
    let lasting = ledger.lasting();
    wait_until(|| ledger.lasting_received() >= lasting).await;
    ends.shutdown().await;
    door.abort();
    phone.abort();
    ledger.judge(SLEEPERS);
}

fn place(address: &str) -> Place {
    Place::parse(address).unwrap()
}

fn options(alias: usize, node: &Node, folder: &str) -> DeviceOptions {
    let (via, address) = match alias % 3 {
        0 => (Via::Tcp, node.push()),
        1 => (Via::SocketIo, node.socketio()),
        _ => (Via::SocketIoV2, node.socketio()),
    };
    let mut options = DeviceOptions::new(name(alias), via, place(&address), alias as u64);
    options.data = Some(format!("{folder}end-{alias}").into());
    options.config.backoff_min = Duration::from_millis(100);
    options.config.backoff_max = Duration::from_millis(500);
    // A node that stood still cannot know that somebody who polled has given up.
    options.config.replaced = Replaced::After(Duration::from_millis(500));
    options
}

fn name(alias: usize) -> String {
    format!("室内机-{alias}")
}

/// An end that is at one node for a while, vanishes without a word or says goodbye, and comes to
/// another, until all has been published; then it looks for one that serves it, and stays.
async fn live(alias: usize, nodes: Nodes, folder: String, ledger: Arc<Ledger>) {
    let mut dice = Dice(alias as u64 * 7919 + 1);
    let mut last = 0;
    loop {
        let at = dice.below(3);
        let options = options(alias, &nodes.lock().unwrap()[at], &folder);
        // An end that was dropped may not have let go of its folder yet.
        let Ok(mut end) = spawn_device(options) else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let stays = ledger.is_over.load(Ordering::Relaxed);
        let while_there = if stays {
            PATIENCE
        } else {
            Duration::from_millis(200 + dice.roll() % 4_000)
        };
        let leaves = tokio::time::sleep(while_there);
        tokio::pin!(leaves);
        loop {
            tokio::select! {
                news = end.next() => match news {
                    Some(DeviceNews::Delivered { seq, delivery }) => {
                        // The number tells what was told before the last life ended.
                        if seq > last {
                            last = seq;
                            let body = delivery.msg.to_text().expect("a text");
                            ledger.got(alias, &body);
                        }
                    }
                    Some(_) => {}
                    None => panic!("{} ended by itself", name(alias)),
                },
                () = &mut leaves => break,
            }
        }
        match dice.roll() % 3 {
            0 => drop(end),
            1 => end.stop().await,
            _ => {
                end.control().cut_link();
                end.stop().await;
            }
        }
        tokio::time::sleep(Duration::from_millis(dice.roll() % 1_500)).await;
    }
}

/// Publishes to one alias after the other until enough has been answered with `-6` by all.
async fn publish(publisher: usize, options: DeviceOptions, ledger: Arc<Ledger>) {
    let mut dice = Dice(publisher as u64 + 99);
    let handle = attended(options);
    let control = handle.1.clone();
    let mut asked = JoinSet::new();
    let mut number = 0;
    while ledger.answered.load(Ordering::Relaxed) < MESSAGES {
        while asked.len() < AHEAD {
            number += 1;
            let sent = Sent {
                alias: dice.below(ALIASES),
                is_short: dice.below(20) == 0,
            };
            let body = format!("{publisher} {number} 开门请求");
            let aliases = [name(sent.alias)].iter().collect();
            let mut message = Publish::to_aliases(aliases, Json::text(&body), Num::Absent);
            message.ttl = sent.is_short.then(|| Ttl::seconds(SHORT.into()));
            let answer = control.publish(message);
            let (ledger, number) = (Arc::clone(&ledger), number);
            asked.spawn(async move {
                let answer = answer.await;
                // So that there is something under way whatever happens.
                tokio::time::sleep(PACE).await;
                match answer {
                    Ok(_) => ledger.keep(publisher, number, sent),
                    // It may have been kept all the same.
                    Err(
                        CommandError::TimedOut { .. }
                        | CommandError::Refused(_)
                        | CommandError::Failed { .. },
                    ) => tokio::time::sleep(Duration::from_millis(50)).await,
                    Err(error) => panic!("{error}"),
                }
            });
        }
        asked.join_next().await;
    }
    asked.join_all().await;
    handle.0.abort();
}

/// A door that announces itself at one node, and a phone that asks it to open at another, again and
/// again.
fn doors(nodes: &Nodes, ledger: &Arc<Ledger>) -> (JoinHandle<()>, JoinHandle<()>) {
    let at = |node: usize| place(&nodes.lock().unwrap()[node].push());
    let mut options = DeviceOptions::new("门口机", Via::Tcp, at(1), 77);
    options.door = Some("3-2".into());
    let asked = Arc::clone(ledger);
    let door = tokio::spawn(async move {
        let mut door = spawn_device(options).unwrap();
        while let Some(news) = door.next().await {
            if let DeviceNews::Machine(Event::DoorAsked(door)) = news {
                asked.opened(door.user.as_str(), LATE);
            }
        }
    });
    let (_reader, control) = attended(DeviceOptions::new("手机", Via::Tcp, at(2), 78));
    let asking = Arc::clone(ledger);
    let phone = tokio::spawn(async move {
        for number in 0.. {
            let user = format!("u-{number}");
            asking.ask_door(&user);
            // Refused while there is no link: then it is not said later either.
            drop(control.open_door(Door::new("3-2", user)).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    (door, phone)
}

/// A client whose news nobody wants.
fn attended(mut options: DeviceOptions) -> (JoinHandle<()>, DeviceControl) {
    options.config.backoff_min = Duration::from_millis(100);
    options.config.backoff_max = Duration::from_millis(300);
    let mut handle: DeviceHandle = spawn_device(options).unwrap();
    let control = handle.control();
    let reader = tokio::spawn(async move { while handle.next().await.is_some() {} });
    (reader, control)
}

async fn wait_until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it does not get there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
