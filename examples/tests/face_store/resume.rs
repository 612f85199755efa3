//! A terminal whose store breaks under it.

use crate::model::item;
use crate::sick_disk::{Ailments, SickDisk};
use crate::{kit, now};
use drive::store::{Folder, Outbox, Settings};
use face_record_push::device::{Config, Device, Event, Input, Op, OpId, Output, Seq};
use face_record_push::{Answer, Dest, Item, Subscription};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_failed_sync_loses_no_record_once_the_store_is_opened_anew() {
    let mut pauses = 0;
    for fails_in in (0..24).step_by(2) {
        let folder = kit::Folder::new(&format!("store-resume-{fails_in}"));
        let disk = SickDisk::new(Folder::new(folder.path()).unwrap());
        let mut bench = Bench::new(&disk);
        disk.suffer(Ailments {
            sync_fails_in: Some(fails_in),
            ..Ailments::default()
        });
        while bench.device.next_seq() <= Seq(RECORDS) || bench.device.queued() > 0 {
            bench.step();
        }
        pauses += bench.pauses;
        let counters = bench.device.counters();
        assert_eq!((counters.acked, counters.lost), (RECORDS, 0), "{fails_in}");
        // What arrived twice arrived twice in a row of those that a power cut would repeat.
        let mut seen = 0;
        for seq in bench.arrived {
            assert!(seq <= seen + 1, "{fails_in}: {seq} after {seen}");
            seen = seen.max(seq);
        }
        assert_eq!((seen, bench.kept), (RECORDS, RECORDS), "{fails_in}");
    }
    assert!(pauses > 10, "the store hardly ever broke: {pauses}");
}

const RECORDS: u64 = 60;

/// A terminal, its store, and a platform that acknowledges everything.
struct Bench {
    disk: SickDisk,
    device: Device,
    outbox: Option<Outbox>,
    now: Instant,
    arrived: Vec<u64>,
    kept: u64,
    pauses: u64,
}

impl Bench {
    fn new(disk: &SickDisk) -> Self {
        let (outbox, recovered) = Outbox::open(disk.clone(), Settings::default()).unwrap();
        let now = now();
        let mut device = Device::new(Config::new(1), recovered);
        let dest = Dest::parse("http://192.0.2.10:9000/Record").unwrap();
        device.configure(now, Subscription::to(dest)).unwrap();
        Self {
            disk: disk.clone(),
            device,
            outbox: Some(outbox),
            now,
            arrived: Vec::new(),
            kept: 0,
            pauses: 0,
        }
    }

    /// Two people pass, then everything is done that is asked for.
    fn step(&mut self) {
        self.now += Duration::from_millis(300);
        self.device.handle_timeout(self.now);
        for _ in 0..2 {
            let seq = self.device.next_seq();
            if seq <= Seq(RECORDS) {
                let item: Arc<Item> = item(seq.0, 3_000);
                // A terminal that is paused lets nobody pass.
                let _ = self.device.record(self.now, Item::clone(&item));
            }
        }
        let (mut batch, mut inputs) = (Vec::new(), Vec::new());
        while let Some(output) = self.device.poll_output() {
            match output {
                Output::Store(id, op) => batch.push((id, op)),
                Output::Send(post) => {
                    self.arrived.push(post.seq.0);
                    inputs.push(Input::Received(post.attempt, Answer::new(200, Some(200))));
                }
                Output::Event(Event::Kept(_)) => self.kept += 1,
                Output::Event(Event::Lost(loss)) => panic!("{loss:?}"),
                Output::Event(Event::Paused) => {
                    self.pauses += 1;
                    self.reopen();
                    batch.clear();
                }
                _ => {}
            }
        }
        inputs.append(&mut self.carry_out(batch));
        for input in inputs {
            self.device.handle_input(self.now, input);
        }
    }

    fn carry_out(&mut self, batch: Vec<(OpId, Op)>) -> Vec<Input> {
        let outbox = self.outbox.as_mut().unwrap();
        let mut answers = outbox.apply(self.now, batch);
        answers.append(&mut outbox.tidy(self.now));
        answers
    }

    fn reopen(&mut self) {
        drop(self.outbox.take());
        let opened = Outbox::open(self.disk.clone(), Settings::default());
        let (outbox, recovered) = opened.unwrap();
        self.outbox = Some(outbox);
        self.device.resume(self.now, recovered);
    }
}
