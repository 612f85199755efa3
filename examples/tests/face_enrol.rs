//! A receiver that tells a terminal where to push.

mod kit;
mod kit_face;

use drive::face::receiver::{ReceiverOptions, spawn_receiver};
use drive::http::Dialing;
use drive::records;
use face_record_push::platform::{EnrolError, Event, Terminal};
use face_record_push::{Dest, Subscription};
use kit::{Folder, PATIENCE, Program, example};
use kit_face::query;
use std::sync::Arc;

#[tokio::test]
async fn a_terminal_that_was_enrolled_pushes_here() {
    let folder = Folder::new("enrol");
    let mut command = example("face_terminal");
    command
        .args(["--data", &folder.join("terminal"), "--api", "127.0.0.1:0"])
        .args(["--allow-special", "--rate", "50", "--count", "5"]);
    let mut terminal = Program::start(command);
    let line = terminal.out.line_with("listening ");
    let api = line.trim_start_matches("listening ");
    let api = Dest::parse(api.trim_end_matches("/v1/event/subscribe")).unwrap();

    let listen = "127.0.0.1:0".parse().unwrap();
    let records = records::Options::new(folder.join("records.db"));
    let mut options = ReceiverOptions::new(listen, records);
    options.dialing = Dialing {
        allows: Arc::new(|address| address.is_loopback()),
        ..Dialing::default()
    };
    let mut receiver = spawn_receiver(options).await.unwrap();
    let here = Dest::parse(&format!("http://{}/Record", receiver.address())).unwrap();
    let enrolled = receiver
        .control()
        .enrol(Terminal::new(api), Subscription::to(here));
    enrolled.unwrap();

    let (mut is_enrolled, mut kept) = (false, 0);
    while !is_enrolled || kept < 5 {
        let event = tokio::time::timeout(PATIENCE, receiver.next()).await;
        match event.unwrap().unwrap() {
            Event::Enrolled(_) => is_enrolled = true,
            Event::Kept(_) => kept += 1,
            Event::EnrolFailed(_, why) => panic!("{why:?}"),
            _ => {}
        }
    }
    assert!(terminal.finish().success(), "{}", terminal.said());
    drop(receiver.stop().await);
    let users = query(&folder, "SELECT user_id FROM records ORDER BY id");
    assert_eq!(users, ["1", "2", "3", "4", "5"]);
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
            assert_eq!(why, EnrolError::Unreachable);
            break;
        }
    }
    assert_eq!(receiver.counters().requests, 0);
    drop(receiver.stop().await);
}
