//! A terminal inside the test, where clocks and disks can be had as wanted.

use crate::kit::Folder;
use drive::face::terminal::{Tally, TerminalHandle, TerminalNews, TerminalOptions, spawn_terminal};
use drive::http::{self, Limits, Server, StatusCode};
use face_record_push::codec;
use face_record_push::device::{Event, LossReason, Seq};
use face_record_push::{Dest, Push, UnixMillis};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Heard = Arc<Mutex<Vec<(u64, i64)>>>;

#[tokio::test]
async fn a_clock_that_jumps_back_an_hour_changes_no_order() {
    let folder = Folder::new("face-clock");
    let (server, heard) = receiver().await;
    let mut options = options(&folder, &server);
    (options.crowd.rate, options.crowd.count) = (500.0, Some(60));
    // Every 20th look at it sets it back.
    let looks = AtomicI64::new(0);
    let noon = 1_660_625_866_000;
    options.wall = Arc::new(move || {
        let look = looks.fetch_add(1, Ordering::Relaxed);
        UnixMillis(noon + look * 1000 - look / 20 * 3_600_000)
    });
    let mut terminal = spawn_terminal(options).await.unwrap();
    finished(&mut terminal).await;
    let tally = terminal.stop().await;
    assert_eq!((tally.acknowledged, tally.dropped), (60, 0));
    let heard = heard.lock().unwrap();
    let ids: Vec<u64> = heard.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=60).collect::<Vec<u64>>());
    assert!(heard.windows(2).any(|pair| pair[1].1 < pair[0].1 - 3_000));
}

#[tokio::test]
async fn records_for_which_the_disk_has_no_room_are_reported_and_the_others_arrive() {
    let folder = Folder::new("face-no-room");
    let (server, heard) = receiver().await;
    let mut options = options(&folder, &server);
    (options.crowd.rate, options.crowd.count) = (200.0, Some(5));
    let mut first = spawn_terminal(options.clone()).await.unwrap();
    finished(&mut first).await;
    first.stop().await;

    options.store.reserve = u64::MAX;
    options.crowd.count = Some(12);
    let mut second = spawn_terminal(options.clone()).await.unwrap();
    let (mut next, mut is_finished) = (Seq(6), false);
    while next < Seq(13) || !is_finished {
        match second.next().await.unwrap() {
            // However many reports it takes.
            TerminalNews::Machine(Event::Lost(loss)) => {
                let range = (loss.from, loss.to.0 + 1 - loss.from.0);
                assert_eq!(range, (next, loss.count));
                assert_eq!(loss.reason, LossReason::StoreFull);
                next = loss.to.next();
            }
            TerminalNews::Finished => is_finished = true,
            TerminalNews::StoreClosed(why) => panic!("{why}"),
            _ => {}
        }
    }
    let tally = second.stop().await;
    assert_sum(&tally);
    assert_eq!((tally.recorded, tally.acknowledged), (12, 5));

    // The losses are known in the next life, and numbers go on.
    options.store.reserve = 0;
    options.crowd.count = Some(15);
    let mut third = spawn_terminal(options).await.unwrap();
    assert_eq!(third.tally().dropped, 7);
    finished(&mut third).await;
    let tally = third.stop().await;
    assert_sum(&tally);
    let ids: Vec<u64> = heard.lock().unwrap().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 13, 14, 15]);
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_called_unless_the_owner_says_so() {
    let folder = Folder::new("face-name");
    let (server, heard) = receiver().await;
    let mut options = options(&folder, &server);
    let port = server.address().port();
    options.dest = Some(Dest::parse(&format!("http://localhost:{port}/Record")).unwrap());
    (options.crowd.rate, options.crowd.count) = (200.0, Some(2));
    let mut terminal = spawn_terminal(options.clone()).await.unwrap();
    finished(&mut terminal).await;
    terminal.stop().await;
    assert_eq!(heard.lock().unwrap().len(), 2);

    // Kept, it is one destination among others.
    options.dest = None;
    options.crowd.count = Some(3);
    let mut terminal = spawn_terminal(options).await.unwrap();
    loop {
        let news = terminal.next().await.unwrap();
        if let TerminalNews::Machine(Event::Down(failure)) = news {
            let shown = format!("{failure:?}");
            assert!(shown.contains("Forbidden"), "{shown}");
            break;
        }
    }
    assert_eq!(heard.lock().unwrap().len(), 2);
}

/// A platform that acknowledges everything, and what it was told.
async fn receiver() -> (Server, Heard) {
    let heard = Heard::default();
    let told = Arc::clone(&heard);
    let listener = http::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let server = Server::start(listener, Limits::default(), None, move |request, _| {
        let told = Arc::clone(&told);
        async move {
            let body = http::collect(request.into_body(), &Limits::default()).await;
            let Ok(Push::Record(record)) = codec::decode_push(body.ok()?) else {
                return None;
            };
            let id = record.user()?.user_id()?.text.parse().ok()?;
            told.lock().unwrap().push((id, record.timestamp()?.unix.0));
            let body = r#"{"code":200,"msg":"success","data":{}}"#;
            Some(http::answer(StatusCode::OK, "application/json", body))
        }
    });
    (server.unwrap(), heard)
}

fn options(folder: &Folder, server: &Server) -> TerminalOptions {
    let mut options = TerminalOptions::new(folder.join("terminal"), 5);
    let url = format!("http://{}/Record", server.address());
    options.dest = Some(Dest::parse(&url).unwrap());
    options.store.reserve = 0;
    options
}

async fn finished(terminal: &mut TerminalHandle) {
    let patience = Duration::from_mins(1);
    let finished = async {
        loop {
            match terminal.next().await.expect("it ends before") {
                TerminalNews::Finished => return,
                TerminalNews::StoreClosed(why) => panic!("{why}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(patience, finished).await.unwrap();
}

fn assert_sum(tally: &Tally) {
    let sum = tally.acknowledged + tally.queued + tally.dropped;
    assert_eq!(tally.recorded, sum, "{tally:?}");
}
