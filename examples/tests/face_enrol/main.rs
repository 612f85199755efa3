//! A receiver that tells terminals where to push, and terminals that take that from those only who
//! know their account.

#[path = "../kit/mod.rs"]
mod kit;
#[path = "../kit_face/mod.rs"]
mod kit_face;

mod account;
mod programs;

use drive::face::receiver::{ReceiverHandle, ReceiverOptions, spawn_receiver};
use drive::face::terminal::{
    TerminalCommand, TerminalHandle, TerminalNews, TerminalOptions, spawn_terminal,
};
use drive::http::Dialing;
use drive::records;
use face_record_push::platform::{EnrolError, Event, Terminal};
use face_record_push::{Dest, Subscription, device};
use kit::{Folder, PATIENCE};
use kit_face::query;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_terminal_that_was_enrolled_pushes_here() {
    let folder = Folder::new("enrol");
    let mut options = terminal(&folder, 5);
    options.api = Some(([127, 0, 0, 1], 0).into());
    let terminal = spawn_terminal(options).await.unwrap();
    let mut receiver = spawn_receiver(receiver(&folder, &terminal)).await.unwrap();
    let mut is_enrolled = false;
    for _ in 0..5 {
        kept(&mut receiver, &mut is_enrolled).await;
    }
    assert!(is_enrolled);
    drop(receiver.stop().await);
    let users = query(&folder, "SELECT user_id FROM records ORDER BY id");
    assert_eq!(users, ["1", "2", "3", "4", "5"]);
    terminal.stop().await;
}

#[tokio::test]
async fn a_terminal_that_comes_back_with_pushing_switched_off_is_enrolled_again() {
    let folder = Folder::new("enrol-again");
    let mut options = terminal(&folder, 0);
    options.api = Some(([127, 0, 0, 1], 0).into());
    let first = spawn_terminal(options.clone()).await.unwrap();
    options.api = first.api();
    let mut wanted = receiver(&folder, &first);
    wanted.config.verify_every = Some(Duration::from_millis(100));
    wanted.config.backoff_max = Duration::from_millis(200);
    let mut receiver = spawn_receiver(wanted).await.unwrap();
    enrolled(&mut receiver).await;
    first.stop().await;

    // It reboots where nobody reaches it, and forgets that it was to push.
    let api = options.api.take();
    let mut silent = spawn_terminal(options.clone()).await.unwrap();
    let here = format!("http://{}/Record", receiver.address());
    let mut off = Subscription::to(Dest::parse(&here).unwrap());
    off.is_enabled = false;
    silent.control().send(TerminalCommand::Configure(off));
    loop {
        let news = tokio::time::timeout(PATIENCE, silent.next()).await;
        let news = news.unwrap().expect("it has not ended");
        if matches!(
            news,
            TerminalNews::Machine(device::Event::Configured(ref subscription))
                if !subscription.is_enabled
        ) {
            break;
        }
    }
    silent.stop().await;

    options.api = api;
    options.crowd.count = Some(3);
    let back = spawn_terminal(options).await.unwrap();
    let mut is_enrolled = false;
    for _ in 0..3 {
        kept(&mut receiver, &mut is_enrolled).await;
    }
    assert!(is_enrolled, "that is news");
    drop(receiver.stop().await);
    let tally = back.stop().await;
    assert_eq!(tally.recorded, 3);
}

#[tokio::test]
async fn a_special_address_is_not_called_unless_that_is_allowed() {
    let folder = Folder::new("enrol-special");
    let listen = "127.0.0.1:0".parse().unwrap();
    let records = records::Options::new(folder.join("records.db"));
    let mut receiver = spawn_receiver(ReceiverOptions::new(listen, records))
        .await
        .unwrap();
    let itself = Dest::parse(&format!("http://{}", receiver.address())).unwrap();
    let enrolled = receiver
        .control()
        .enrol(Terminal::new(itself.clone()), Subscription::to(itself));
    enrolled.unwrap();
    loop {
        let event = tokio::time::timeout(PATIENCE, receiver.next()).await;
        if let Event::EnrolFailed(_, why) = event.unwrap().unwrap() {
            assert_eq!(why, EnrolError::Forbidden);
            break;
        }
    }
    assert_eq!(receiver.counters().requests, 0);
    drop(receiver.stop().await);
}

/// A terminal that records so many people at once.
fn terminal(folder: &Folder, count: u64) -> TerminalOptions {
    let mut options = TerminalOptions::new(folder.join("terminal"), 7);
    options.config.dest_policy.allow_special = true;
    (options.crowd.rate, options.crowd.count) = (50.0, Some(count));
    options
}

/// A receiver that enrols a terminal.
fn receiver(folder: &Folder, terminal: &TerminalHandle) -> ReceiverOptions {
    let listen = "127.0.0.1:0".parse().unwrap();
    let records = records::Options::new(folder.join("records.db"));
    let mut options = ReceiverOptions::new(listen, records);
    options.dialing = Dialing {
        allows: Arc::new(|address| address.is_loopback()),
        ..Dialing::default()
    };
    options.terminals = vec![Terminal::new(base(terminal.api().unwrap()))];
    options
}

fn base(api: SocketAddr) -> Dest {
    Dest::parse(&format!("http://{api}")).unwrap()
}

async fn enrolled(receiver: &mut ReceiverHandle) {
    loop {
        let event = tokio::time::timeout(PATIENCE, receiver.next()).await;
        match event.unwrap().unwrap() {
            Event::Enrolled(_) => return,
            Event::EnrolFailed(_, why) => panic!("{why:?}"),
            _ => {}
        }
    }
}

/// Waits for the next record; tells whether a terminal was enrolled meanwhile.
async fn kept(receiver: &mut ReceiverHandle, is_enrolled: &mut bool) {
    loop {
        let event = tokio::time::timeout(PATIENCE, receiver.next()).await;
        match event.unwrap().unwrap() {
            Event::Kept(_) => return,
            Event::Enrolled(_) => *is_enrolled = true,
            _ => {}
        }
    }
}
