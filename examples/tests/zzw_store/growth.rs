//! What a request costs does not grow with what is kept.

use crate::cut_disk::CutDisk;
use crate::{Bench, ack, append, roomy};
use drive::zzw::store::Kept;
use zzw_push_proto::platform::{MessageId, StoreOp, StoreReply};

const ALIASES: usize = 2_000;
const GROUP: usize = 64;

#[test]
fn what_a_message_costs_hardly_grows_with_how_many_there_are() {
    let disk = CutDisk::new(true);
    let mut settings = roomy();
    settings.quick_repair_above = u64::MAX;
    let mut store = Bench::disk(Kept::open(disk.clone(), settings).unwrap());
    let mut costs = Vec::new();
    let mut mids: Vec<(usize, MessageId)> = Vec::new();
    for round in 0..10 {
        let before = disk.bytes_written();
        let ops: Vec<StoreOp> = (0..10_000)
            .map(|nth| append(&alias(nth * 7919 + round), &"x".repeat(60)))
            .collect();
        for (first, group) in ops.chunks(GROUP).enumerate() {
            for (nth, answer) in store.ask_all(group).into_iter().enumerate() {
                let Ok(StoreReply::Appended(appended)) = answer else {
                    panic!("{answer:?}");
                };
                mids.push(((first * GROUP + nth) * 7919 + round, appended.mid));
            }
        }
        costs.push((disk.bytes_written() - before) / 10_000);
    }
    println!("bytes written a message, from 10,000 to 100,000: {costs:?}");
    assert_eq!(store.figures().messages, 100_000);
    assert!(costs[9] < costs[1] * 3, "{costs:?}");
    let before = disk.bytes_written();
    let acks: Vec<StoreOp> = mids[..20_000]
        .iter()
        .map(|(nth, mid)| ack(&alias(*nth), [*mid]))
        .collect();
    for group in acks.chunks(GROUP) {
        store.ask_all(group);
    }
    let cost = (disk.bytes_written() - before) / 20_000;
    println!("bytes written an acknowledgement: {cost}");
    assert!(cost < costs[9] * 2, "{cost} {costs:?}");
    assert_eq!(store.figures().messages, 80_000);
}

fn alias(nth: usize) -> String {
    format!("m_{}", nth % ALIASES)
}
