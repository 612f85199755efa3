//! `zzw_server`, killed again and again, with a hundred ends that come, vanish and return over every
//! transport.

#![allow(
    clippy::disallowed_methods,
    reason = "when a process is killed is what matters here"
)]

#[path = "../kit/mod.rs"]
mod kit;
mod plant;

use drive::faces::Dice;
use drive::zzw::device::{
    CommandError, DeviceControl, DeviceHandle, DeviceNews, DeviceOptions, Place, Via, spawn_device,
};
use kit::Folder;
use plant::Plant;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use zzw_push_proto::device::Event;
use zzw_push_proto::wire::{Door, Json, Num, Publish, Ttl};

/// Messages that are answered with `-6`.
const MESSAGES: usize = 10_000;
const ALIASES: usize = 100;
const PUBLISHERS: usize = 4;
const KILLS: usize = 5;
/// Of the aliases, those that come only after the last message whose time is short is too old.
const SLEEPERS: usize = 10;
/// Requests of one publisher that are not answered yet.
const AHEAD: usize = 16;
/// How long messages last whose time is short, in seconds.
const SHORT: u32 = 1;
/// A door that opens later than that is opened for somebody else; with what a busy machine takes to
/// read it.
const LATE: Duration = Duration::from_secs(10);
/// No step takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// What happened, for all to write into and for the test to judge.
#[derive(Default)]
struct Ledger {
    /// By publisher and number: answered with `-6`.
    kept: Mutex<BTreeMap<(usize, usize), Sent>>,
    answered: AtomicUsize,
    /// By alias: what its application got, in order.
    got: Mutex<BTreeMap<usize, Vec<Got>>>,
    received: AtomicUsize,
    doors: Mutex<BTreeMap<String, (Instant, usize)>>,
    is_over: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sent {
    alias: usize,
    is_short: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Got {
    publisher: usize,
    number: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= docs/spec/zzw-push-proto.md#door
//# A door frame MUST be sent on with the time after which it is worth nothing, and not be written
//# after that.
//= docs/spec/zzw-push-proto.md#queue
//# A message that was acknowledged to its publisher MUST stay in the store until its alias has
//# acknowledged it, its time is over, or newer ones have pushed it out.
async fn whoever_is_killed_every_kept_message_arrives_once_in_order_and_no_door_opens_late() {
    let folder = Folder::new("zzw-chaos");
    let mut plant = Plant::start(&folder);
    let ledger = Arc::new(Ledger::default());
    let (mut ends, mut publishers) = (JoinSet::new(), JoinSet::new());
    for alias in SLEEPERS..ALIASES {
        ends.spawn(live(
            alias,
            options(alias, &plant, &folder),
            Arc::clone(&ledger),
        ));
    }
    for number in 0..PUBLISHERS {
        let options = DeviceOptions::new(
            format!("物业-{number}"),
            Via::Tcp,
            place(plant.push),
            number as u64,
        );
        publishers.spawn(publish(number, options, Arc::clone(&ledger)));
    }
    let (door, phone) = doors(&plant, &ledger);

    for kill in 1..=KILLS {
        let enough = MESSAGES * kill / (KILLS + 1);
        wait_until(|| ledger.answered.load(Ordering::Relaxed) >= enough).await;
        plant = plant.kill_and_restart(&folder);
    }
    let published = tokio::time::timeout(PATIENCE, publishers.join_all()).await;
    published.expect("publishers do not end");
    ledger.is_over.store(true, Ordering::Relaxed);
    // What is too old by now must not come any more, whoever connects.
    tokio::time::sleep(Duration::from_secs(u64::from(SHORT) + 1)).await;
    for alias in 0..SLEEPERS {
        ends.spawn(live(
            alias,
            options(alias, &plant, &folder),
            Arc::clone(&ledger),
        ));
    }
    let lasting = ledger.lasting();
    wait_until(|| ledger.lasting_received() >= lasting).await;
    ends.shutdown().await;
    door.abort();
    phone.abort();
    ledger.judge();
}

fn place(port: u16) -> Place {
    Place::parse(&format!("127.0.0.1:{port}")).unwrap()
}

fn options(alias: usize, plant: &Plant, folder: &Folder) -> DeviceOptions {
    let (via, port) = match alias % 3 {
        0 => (Via::Tcp, plant.push),
        1 => (Via::SocketIo, plant.socketio),
        _ => (Via::SocketIoV2, plant.socketio),
    };
    let mut options = DeviceOptions::new(name(alias), via, place(port), alias as u64);
    options.data = Some(folder.path().join(format!("end-{alias}")));
    options.config.backoff_min = Duration::from_millis(100);
    options.config.backoff_max = Duration::from_millis(500);
    options
}

fn name(alias: usize) -> String {
    format!("室内机-{alias}")
}

/// An end that is there for a while, vanishes without a word or says goodbye, and comes back, until
/// all has been published; then it stays.
async fn live(alias: usize, options: DeviceOptions, ledger: Arc<Ledger>) {
    let mut dice = Dice(alias as u64 * 7919 + 1);
    let mut last = 0;
    loop {
        let mut end = spawn_device(options.clone()).expect("the folder is free");
        let stays = ledger.is_over.load(Ordering::Relaxed);
        let while_there = if stays {
            PATIENCE
        } else {
            Duration::from_millis(200 + dice.roll() % 3_000)
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
                match answer.await {
                    Ok(_) => ledger.keep(publisher, number, sent),
                    // It may have been kept all the same.
                    Err(CommandError::TimedOut { .. } | CommandError::Refused(_)) => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Err(CommandError::Failed { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            });
        }
        asked.join_next().await;
    }
    asked.join_all().await;
    handle.0.abort();
}

/// A door that announces itself, and a phone that asks it to open, again and again.
fn doors(
    plant: &Plant,
    ledger: &Arc<Ledger>,
) -> (tokio::task::JoinHandle<()>, tokio::task::JoinHandle<()>) {
    let mut options = DeviceOptions::new("门口机", Via::Tcp, place(plant.push), 77);
    options.door = Some("3-2".into());
    let asked = Arc::clone(ledger);
    let door = tokio::spawn(async move {
        let mut door = spawn_device(options).unwrap();
        while let Some(news) = door.next().await {
            if let DeviceNews::Machine(Event::DoorAsked(door)) = news {
                let mut doors = asked.doors.lock().unwrap();
                let (at, times) = doors.get_mut(door.user.as_str()).expect("somebody asked");
                *times += 1;
                assert!(
                    at.elapsed() < LATE,
                    "{} came {:?} late",
                    door.user,
                    at.elapsed()
                );
            }
        }
    });
    let (_reader, control) = attended(DeviceOptions::new("手机", Via::Tcp, place(plant.push), 78));
    let asking = Arc::clone(ledger);
    let phone = tokio::spawn(async move {
        for number in 0.. {
            let user = format!("u-{number}");
            let asked = (Instant::now(), 0);
            asking.doors.lock().unwrap().insert(user.clone(), asked);
            // Refused while there is no link: then it is not said later either.
            drop(control.open_door(Door::new("3-2", user)).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    (door, phone)
}

/// A client whose news nobody wants.
fn attended(mut options: DeviceOptions) -> (tokio::task::JoinHandle<()>, DeviceControl) {
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

impl Ledger {
    fn keep(&self, publisher: usize, number: usize, sent: Sent) {
        self.kept.lock().unwrap().insert((publisher, number), sent);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    fn got(&self, alias: usize, body: &str) {
        let mut words = body.split(' ').map(|word| word.parse().ok());
        let (Some(Some(publisher)), Some(Some(number))) = (words.next(), words.next()) else {
            panic!("a strange message: {body}");
        };
        let got = Got { publisher, number };
        self.got.lock().unwrap().entry(alias).or_default().push(got);
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages that have to arrive.
    fn lasting(&self) -> usize {
        let kept = self.kept.lock().unwrap();
        kept.values().filter(|sent| !sent.is_short).count()
    }

    /// Of these, those that have.
    fn lasting_received(&self) -> usize {
        let (kept, got) = (self.kept.lock().unwrap(), self.got.lock().unwrap());
        let arrived = got.values().flatten();
        let is_lasting = |got: &&Got| {
            kept.get(&(got.publisher, got.number))
                .is_some_and(|sent| !sent.is_short)
        };
        arrived.filter(is_lasting).count()
    }

    fn judge(&self) {
        let (kept, got) = (self.kept.lock().unwrap(), self.got.lock().unwrap());
        assert!(kept.len() >= MESSAGES);
        for (alias, got) in &*got {
            let mut last = [0; PUBLISHERS];
            for Got { publisher, number } in got {
                // Growing: in order, and none twice.
                assert!(
                    *number > last[*publisher],
                    "{number} of {publisher} at {alias}: {got:?}"
                );
                last[*publisher] = *number;
                if let Some(sent) = kept.get(&(*publisher, *number)) {
                    assert_eq!(sent.alias, *alias);
                    let is_late = sent.is_short && *alias < SLEEPERS;
                    assert!(!is_late, "{number} of {publisher} came after its time");
                }
            }
        }
        for ((publisher, number), sent) in &*kept {
            let wanted = Got {
                publisher: *publisher,
                number: *number,
            };
            let has = got
                .get(&sent.alias)
                .is_some_and(|got| got.contains(&wanted));
            assert!(
                has || sent.is_short,
                "{number} of {publisher} is lost to {}",
                sent.alias
            );
        }
        let doors = self.doors.lock().unwrap();
        println!(
            "{} kept, {} came",
            kept.len(),
            self.received.load(Ordering::Relaxed)
        );
        let opened = doors.values().filter(|(_, times)| *times > 0).count();
        println!("{opened} of {} doors opened", doors.len());
        assert!(opened > 0, "no door was ever opened");
        assert!(
            doors.values().all(|(_, times)| *times < 2),
            "a door was opened twice"
        );
    }
}
