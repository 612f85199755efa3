//! The driver inside a program: applications that are slow, servers that are.

use crate::kit_push::{Push, folder};
use drive::zzw::device::{
    CommandError, DeviceControl, DeviceHandle, DeviceNews, DeviceOptions, Place, Via, spawn_device,
};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::Duration;
use zzw_push_proto::device::{Ack, Answer, Event, State};
use zzw_push_proto::wire::{Json, Mid, Num, Publish};

fn options(via: Via, address: &str, alias: &str) -> DeviceOptions {
    DeviceOptions::new(alias, via, Place::parse(address).unwrap(), 7)
}

async fn until_bound(device: &mut DeviceHandle) {
    loop {
        if let DeviceNews::Machine(Event::Bound) = news(device).await {
            return;
        }
    }
}

async fn news(device: &mut DeviceHandle) -> DeviceNews {
    let news = tokio::time::timeout(Duration::from_mins(1), device.next()).await;
    news.expect("news in time").expect("it has not ended")
}

fn to_alias(alias: &str, msg: Json) -> Publish {
    Publish::to_aliases([alias].iter().collect(), msg, Num::Absent)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_asks_for_nothing_is_sent_little_and_loses_nothing() {
    let push = tokio::task::spawn_blocking(|| Push::with(|options| options.store.cap = 1_000));
    let push = push.await.unwrap();
    for (via, name) in [
        (Via::Tcp, "tcp"),
        (Via::SocketIo, "socketio"),
        (Via::SocketIoV2, "v2"),
    ] {
        let address = push.address(name);
        let mut options_slow = options(via, &address, "slow");
        options_slow.config.ack = Ack::Automatic;
        let mut slow = spawn_device(options_slow).unwrap();
        until_bound(&mut slow).await;
        let mut publisher = spawn_device(options(via, &address, "quick")).unwrap();
        until_bound(&mut publisher).await;
        let control = publisher.control();
        for nth in 0..300 {
            let outcome = control.publish(to_alias("slow", Json::text(&nth.to_string())));
            assert_eq!(outcome.await, Ok(Answer::Published));
            // 64 news wait for the application, one beside them, and that is all.
            assert!(slow.counters().machine.delivered <= 65);
        }
        let mut texts = Vec::new();
        while texts.len() < 300 {
            if let DeviceNews::Delivered { seq, delivery } = news(&mut slow).await {
                texts.push(delivery.msg.to_text().unwrap().into_owned());
                assert_eq!(seq, texts.len() as u64);
            }
        }
        assert!(
            texts
                .iter()
                .map(String::as_str)
                .eq((0..300).map(|nth| nth.to_string()))
        );
        slow.stop().await;
        publisher.stop().await;
    }
    tokio::task::spawn_blocking(move || push.stop())
        .await
        .unwrap();
}

/// A server that takes one alias, and nothing after that.
fn deaf() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut links = Vec::new();
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let answer = line.replace("\"t\":14", "\"t\":-14");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            links.push(reader); // open, and never read from again
        }
    });
    address
}

async fn flood(control: &DeviceControl, count: usize) {
    let body = Json::text(&"x".repeat(60_000));
    for _ in 0..count {
        drop(control.publish(to_alias("a", body.clone())));
        tokio::task::yield_now().await;
    }
}

async fn disconnected(device: &mut DeviceHandle) -> String {
    loop {
        if let DeviceNews::Disconnected(why) = news(device).await {
            return why;
        }
    }
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_given_up() {
    let mut options = options(Via::Tcp, &deaf(), "a");
    options.send_timeout = Duration::from_millis(300);
    options.config.max_requests = 1_000;
    let mut device = spawn_device(options).unwrap();
    until_bound(&mut device).await;
    flood(&device.control(), 1_000).await;
    let why = disconnected(&mut device).await;
    assert_eq!(why, "the server takes nothing of what is sent");
}

#[tokio::test]
async fn a_link_with_too_much_to_send_is_given_up() {
    let mut options = options(Via::Tcp, &deaf(), "a");
    options.max_queue = 8;
    options.config.max_requests = 1_000;
    let mut device = spawn_device(options).unwrap();
    until_bound(&mut device).await;
    flood(&device.control(), 1_000).await;
    assert_eq!(disconnected(&mut device).await, "too much waits to be sent");
}

#[tokio::test]
async fn a_flood_of_commands_is_refused_at_the_brim() {
    let mut device = spawn_device(options(Via::Tcp, &deaf(), "a")).unwrap();
    until_bound(&mut device).await;
    let control = device.control();
    // Nobody else runs meanwhile.
    let outcomes: Vec<_> = (0..1_030).map(|_| control.topics()).collect();
    let refused = outcomes.into_iter().last().unwrap().await.unwrap_err();
    assert!(matches!(&refused, CommandError::Refused(why) if why.contains("too many")));
    device.stop().await;
    assert_eq!(control.topics().await, Err(CommandError::Ended));
    assert_eq!(
        control.acknowledge(Mid::new("1")).await,
        Err(CommandError::Ended)
    );
}

#[tokio::test]
async fn a_link_that_is_cut_comes_back() {
    let address = deaf();
    let mut options = options(Via::Tcp, &address, "a");
    options.config.backoff_min = Duration::from_millis(1);
    let mut device = spawn_device(options).unwrap();
    until_bound(&mut device).await;
    assert_eq!(device.counters().state, State::Bound);
    device.control().cut_link();
    assert_eq!(disconnected(&mut device).await, "cut");
    until_bound(&mut device).await;
    assert_eq!(device.counters().machine.bound, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_and_not_dealt_with_is_told_again_by_the_next_one() {
    let push = tokio::task::spawn_blocking(Push::start).await.unwrap();
    let data = folder("told-again");
    let start = || {
        let mut options = options(Via::Tcp, &push.address("tcp"), "again");
        options.data = Some(data.path().join("device"));
        spawn_device(options).unwrap()
    };
    let mut first = start();
    until_bound(&mut first).await;
    let control = first.control();
    for text in ["一", "二", "三"] {
        control
            .publish(to_alias("again", Json::text(text)))
            .await
            .unwrap();
    }
    let told = async |device: &mut DeviceHandle| loop {
        if let DeviceNews::Delivered { seq, delivery } = news(device).await {
            return (seq, delivery.msg.to_text().unwrap().into_owned());
        }
    };
    assert_eq!(told(&mut first).await, (1, "一".to_owned()));
    assert_eq!(told(&mut first).await, (2, "二".to_owned()));
    drop(first); // the second one was told, but nobody has come back for more
    let mut second = loop {
        // The folder is free once the first one's task is gone.
        tokio::task::yield_now().await;
        let mut options = options(Via::Tcp, &push.address("tcp"), "again");
        options.data = Some(data.path().join("device"));
        if let Ok(device) = spawn_device(options) {
            break device;
        }
    };
    assert_eq!(told(&mut second).await, (2, "二".to_owned()));
    assert_eq!(told(&mut second).await, (3, "三".to_owned()));
    second.stop().await;
    tokio::task::spawn_blocking(move || push.stop())
        .await
        .unwrap();
}
