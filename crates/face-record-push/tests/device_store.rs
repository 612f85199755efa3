//! Stores that are full, broken, slow, or not what they were.

mod device_kit;

use device_kit::{HERE, Rig, THERE, config, item, ms, secs, to};
use face_record_push::Refused;
use face_record_push::device::{
    Charge, Config, Durability, Event, Input, LossReason, Op, OpId, Overflow, Seq, State,
    StoreError,
};

fn limited(overflow: Overflow, records: usize, bytes: u64) -> Config {
    let mut config = config();
    config.charge = Charge::Exact;
    (config.overflow, config.max_records, config.max_bytes) = (overflow, records, bytes);
    config
}

/// With a platform that does not answer.
fn crowded(overflow: Overflow) -> Rig {
    let mut rig = Rig::new(limited(overflow, 3, u64::MAX));
    rig.record_many(4);
    rig
}

//= docs/spec/face-record-push.md#overflow
//# The record being posted MUST NOT give way, nor its picture.
//= docs/spec/face-record-push.md#overflow
//# The oldest record that is not being posted MUST give way under `DropOldest`.
//= docs/spec/face-record-push.md#overflow
//# Every record that is gone without an acknowledgement MUST be reported with its range, how many are gone, how many of them were posted, and why.
//= docs/spec/face-record-push.md#overflow
//# Losses of one reason within `merge_losses` MUST be reported together.
#[test]
fn the_oldest_record_that_is_not_posted_gives_way() {
    let mut rig = crowded(Overflow::DropOldest);
    assert_eq!(rig.device.queued(), 4, "the one in flight does not count");
    rig.record_many(2);
    rig.wait(secs(1));
    let losses = rig.losses();
    assert_eq!(losses.len(), 1);
    assert_eq!((losses[0].from, losses[0].to), (Seq(2), Seq(3)));
    assert_eq!((losses[0].count, losses[0].tried), (2, 0));
    rig.ack_all();
    assert_eq!(rig.acked(), [1, 4, 5, 6]);
    rig.check_counters();
}

//= docs/spec/face-record-push.md#overflow
//# A loss MUST be kept in the transaction that drops its records.
#[test]
fn room_is_made_before_the_record_that_needs_it_is_kept() {
    let mut rig = crowded(Overflow::DropOldest);
    rig.is_store_prompt = false;
    rig.record(item(5, 0));
    let waiting: Vec<_> = rig.store.waiting.iter().map(|(_, op)| op).collect();
    assert!(matches!(waiting[0], Op::Drop(loss) if loss.from == Seq(2)));
    assert!(matches!(waiting[1], Op::Append { seq: Seq(5), .. }));
    assert_eq!(rig.losses(), [], "not before it is durable");
    rig.power_cut();
    assert_eq!(rig.device.queued(), 3, "of four, one was too many");
}

#[test]
fn a_flood_does_not_keep_the_first_from_being_posted() {
    let mut rig = crowded(Overflow::DropOldest);
    rig.is_store_prompt = false;
    rig.lose(face_record_push::device::Cause::Broken);
    rig.record_many(1);
    rig.input(Input::Connected);
    // The store is always one drop behind.
    for _ in 0..10 {
        rig.record_many(1);
        for _ in 0..2 {
            rig.store_one();
        }
    }
    assert!(rig.posts.len() > 1, "{:?}", rig.store.waiting);
}

#[test]
fn a_post_that_fails_counts_again_and_is_the_oldest() {
    let mut rig = crowded(Overflow::DropOldest);
    rig.refuse();
    rig.wait(secs(1));
    let losses = rig.losses();
    assert_eq!(
        (losses[0].from, losses[0].count, losses[0].tried),
        (Seq(1), 1, 1)
    );
    assert_eq!(rig.posted()[..2], [1, 2]);
}

//= docs/spec/face-record-push.md#overflow
//# The new record MUST be given back under `RefuseNew`.
#[test]
fn a_new_record_is_given_back_where_the_queue_refuses() {
    let mut rig = Rig::new(limited(Overflow::RefuseNew, 3, u64::MAX));
    rig.record_many(3);
    let refused = rig.device.record(rig.now, item(9, 10));
    assert_eq!(refused, Err(Refused::Full(item(9, 10))));
    rig.ack();
    assert_eq!(rig.record(item(9, 10)), Seq(4), "no number was spent");
    rig.ack_all();
    assert_eq!(rig.losses(), []);
}

//= docs/spec/face-record-push.md#overflow
//# A record that alone exceeds `max_bytes` MUST be refused.
#[test]
fn a_record_that_is_too_large_alone_is_given_back() {
    for overflow in [
        Overflow::DropOldest,
        Overflow::DropImages,
        Overflow::RefuseNew,
    ] {
        let mut rig = Rig::new(limited(overflow, 10, 1_000));
        rig.record(item(1, 100));
        let refused = rig.device.record(rig.now, item(2, 1_000));
        assert_eq!(refused, Err(Refused::TooLarge(item(2, 1_000))));
        assert_eq!(rig.device.queued(), 1);
    }
}

//= docs/spec/face-record-push.md#overflow
//# Pictures MUST give way to bytes before any record does under `DropImages`, the oldest first.
#[test]
fn pictures_give_way_to_bytes_but_none_that_may_have_arrived() {
    let mut rig = Rig::new(limited(Overflow::DropImages, 10, 3_000));
    for nth in 1..=5 {
        rig.record(item(nth, 900));
    }
    let (from, to, count) = (Seq(2), Seq(2), 1);
    let stripped = Event::Stripped { from, to, count };
    assert!(rig.events.contains(&stripped), "{:?}", rig.events);
    let pictures = |rig: &Rig| -> Vec<bool> {
        rig.store
            .rows
            .values()
            .map(|item| item.jpeg().is_some())
            .collect()
    };
    assert_eq!(pictures(&rig), [true, false, true, true, true]);
    rig.record(item(6, 1_800));
    assert_eq!(pictures(&rig), [true, false, false, false, true, true]);
    rig.ack_all();
    let posted: Vec<_> = rig
        .posts
        .iter()
        .map(|post| post.item.jpeg().is_some())
        .collect();
    assert_eq!(posted, [true, false, false, false, true, true]);
    assert_eq!((rig.acked().len(), rig.device.counters().stripped), (6, 3));
}

#[test]
fn a_picture_is_not_posted_while_it_is_being_stripped() {
    let mut rig = Rig::new(limited(Overflow::DropImages, 10, 2_000));
    for nth in 1..=3 {
        rig.record(item(nth, 900));
    }
    rig.is_store_prompt = false;
    rig.record(item(4, 900));
    assert!(matches!(
        rig.store.waiting[0].1,
        Op::Strip {
            from: Seq(2),
            to: Seq(2)
        }
    ));
    rig.ack();
    assert_eq!(
        rig.posted(),
        [1],
        "a power cut would bring the picture back"
    );
    rig.fail_store(StoreError::Full);
    rig.is_store_prompt = true;
    rig.store_all();
    assert_eq!(rig.posts[1].seq, Seq(2));
    assert!(rig.posts[1].item.jpeg().is_some(), "it is still there");
    assert_eq!(rig.device.counters().stripped, 0);
}

//= docs/spec/face-record-push.md#overflow
//# The picture of a record that may have arrived MUST NOT give way.
#[test]
fn records_of_an_earlier_life_keep_their_pictures_if_they_may_have_arrived() {
    let mut rig = Rig::new(limited(Overflow::DropImages, 1_000, u64::MAX));
    for nth in 0..100 {
        rig.record(item(nth, 100));
    }
    rig.config.max_bytes = rig.device.queued_bytes();
    rig.power_cut();
    rig.record(item(100, 100));
    let first = rig.events.iter().find_map(|event| match event {
        Event::Stripped { from, .. } => Some(*from),
        _ => None,
    });
    assert_eq!(first, Some(Seq(67)));
}

//= docs/spec/face-record-push.md#overflow
//# When the disk is full, the terminal MUST make room once as its overflow policy says and try again before it reports the record as lost.
#[test]
fn a_full_disk_costs_old_records_once_and_the_new_one_is_kept() {
    let mut rig = Rig::new(config());
    rig.record_many(100);
    rig.is_store_prompt = false;
    rig.record(item(100, 0));
    rig.fail_store(StoreError::Full);
    let waiting: Vec<_> = rig.store.waiting.iter().map(|(_, op)| op).collect();
    assert!(matches!(waiting[0], Op::Drop(loss) if loss.from == Seq(2) && loss.count == 64));
    assert!(matches!(waiting[1], Op::Append { seq: Seq(101), .. }));
    rig.store_all();
    assert_eq!(rig.events.last(), Some(&Event::Kept(Seq(101))));
    rig.check_counters();
}

#[test]
fn several_that_found_the_disk_full_share_what_was_freed() {
    let mut rig = Rig::new(config());
    rig.record_many(200);
    rig.is_store_prompt = false;
    rig.record_many(3);
    for _ in 0..3 {
        rig.fail_store(StoreError::Full);
    }
    let drops = rig
        .store
        .waiting
        .iter()
        .filter(|(_, op)| matches!(op, Op::Drop(_)));
    assert_eq!(drops.count(), 1);
    rig.store_all();
    assert_eq!(rig.device.counters().lost, 64);
}

#[test]
fn a_disk_that_stays_full_costs_the_new_record_and_says_so() {
    let mut rig = Rig::new(config());
    rig.record_many(2);
    rig.is_store_prompt = false;
    rig.record(item(3, 0));
    rig.fail_store(StoreError::Full);
    rig.store_one(); // the drop
    rig.fail_store(StoreError::Full);
    rig.store_all();
    rig.wait(secs(1));
    let reasons: Vec<_> = rig
        .losses()
        .iter()
        .map(|loss| (loss.reason, loss.from.0))
        .collect();
    assert_eq!(
        reasons,
        [(LossReason::Overflow, 2), (LossReason::StoreFull, 3)]
    );
    assert_eq!(rig.store.losses, rig.losses());
    rig.check_counters();
}

#[test]
fn a_disk_without_room_for_a_loss_is_told_again_and_not_advanced_over_it() {
    let mut rig = crowded(Overflow::DropOldest);
    rig.is_store_prompt = false;
    rig.record(item(5, 0));
    assert!(matches!(rig.fail_store(StoreError::Full), Op::Drop(_)));
    rig.store_all();
    rig.ack();
    rig.store_all();
    assert_eq!(
        rig.posted(),
        [1],
        "the second is still there and may come back"
    );
    assert_eq!(rig.losses(), []);
    rig.wait(secs(1));
    rig.store_all();
    assert_eq!(rig.posted(), [1, 3]);
    rig.ack();
    rig.store_all();
    rig.wait(secs(1));
    assert_eq!(rig.losses().len(), 1);
    assert!(
        !rig.store.rows.contains_key(&Seq(3)),
        "now it is advanced over"
    );
    rig.check_counters();
}

#[test]
fn a_disk_that_is_full_for_everything_else_is_asked_again() {
    let mut config = config();
    config.poison_after = Some(1);
    let mut rig = Rig::new(config);
    rig.record_many(2);
    rig.is_store_prompt = false;
    rig.refuse();
    assert!(matches!(rig.fail_store(StoreError::Full), Op::Bury { .. }));
    rig.wait_for_post();
    assert_eq!(rig.posts[1].seq, Seq(1), "not set aside");
    rig.store_one(); // reads the second
    rig.ack();
    assert!(matches!(
        rig.fail_store(StoreError::Full),
        Op::Advance { .. }
    ));
    rig.store_all();
    rig.wait(secs(1));
    rig.is_store_prompt = true;
    rig.store_all();
    assert!(!rig.store.rows.contains_key(&Seq(1)));
}

//= docs/spec/face-record-push.md#delivery
//# The terminal MUST refuse records and post nothing while its store is broken.
//= docs/spec/face-record-push.md#delivery
//# The terminal MUST ask a store that was opened anew to keep the records that it still holds and the store has not.
#[test]
fn a_broken_store_stops_everything_until_it_is_opened_anew() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 0));
    rig.is_store_prompt = false;
    rig.record(item(2, 0));
    rig.break_store();
    assert_eq!(
        (rig.device.state(), rig.in_flight.len()),
        (State::Paused, 0)
    );
    assert_eq!(rig.given_up, [rig.posts[0].attempt]);
    let refused = rig.device.record(rig.now, item(3, 0));
    assert_eq!(refused, Err(Refused::Paused(item(3, 0))));
    let refused = rig.device.configure(rig.now, to(THERE));
    assert_eq!(refused, Err(Refused::Paused(to(THERE))));
    rig.wait(secs(100));
    assert_eq!((rig.posted(), rig.device.poll_timeout()), (vec![1], None));
    rig.is_store_prompt = true;
    rig.resume();
    rig.ack_all();
    assert_eq!(rig.acked(), [1, 2], "nothing is lost by a failed write");
    assert_eq!(
        rig.count(|event| matches!(event, Event::Paused | Event::Resumed)),
        2
    );
    rig.check_counters();
}

#[test]
fn what_was_kept_although_the_store_broke_is_not_kept_again() {
    let mut rig = Rig::new(config());
    rig.is_store_prompt = false;
    rig.record_many(2);
    let (id, _) = rig.store.waiting[0].clone();
    rig.store.carry_out(); // but its answer is another one
    rig.input(Input::StoreFailed(id, StoreError::Broken));
    rig.store.waiting.clear();
    rig.resume();
    assert_eq!(rig.events[2], Event::Kept(Seq(1)));
    let waiting: Vec<_> = rig.store.waiting.iter().map(|(_, op)| op).collect();
    assert!(matches!(
        waiting[..],
        [Op::Append { seq: Seq(2), .. }, Op::Load { seq: Seq(1) }]
    ));
}

#[test]
fn what_is_acknowledged_is_not_posted_again_by_a_store_that_forgot_it() {
    let mut rig = Rig::new(config());
    rig.record_many(3);
    let rows = rig.store.rows.clone();
    rig.ack();
    rig.ack();
    rig.is_store_prompt = false;
    rig.configure(to(THERE));
    rig.break_store();
    rig.store.rows = rows;
    rig.resume();
    assert!(
        rig.store
            .waiting
            .iter()
            .any(|(_, op)| *op == Op::Advance { upto: Seq(2) })
    );
    rig.is_store_prompt = true;
    rig.store_all();
    rig.ack_all();
    assert_eq!(
        (rig.posted(), rig.acked()),
        (vec![1, 2, 3, 3], vec![1, 2, 3])
    );
    assert!(rig.store.rows.is_empty());
    assert_eq!(rig.device.subscription(), &to(THERE), "asked for again");
}

#[test]
fn a_store_that_comes_back_empty_costs_what_it_held_and_says_so() {
    let mut rig = Rig::new(config());
    rig.record_many(3);
    rig.is_store_prompt = false;
    rig.record(item(4, 0));
    rig.break_store();
    rig.store = device_kit::Store::default();
    rig.is_store_prompt = true;
    rig.resume();
    rig.ack_all();
    rig.wait(secs(1));
    assert_eq!(rig.acked(), [4]);
    let losses = rig.losses();
    assert_eq!(
        (losses[0].from, losses[0].to, losses[0].count),
        (Seq(1), Seq(3), 3)
    );
    assert_eq!(losses[0].reason, LossReason::Corrupt);
    assert_eq!(
        rig.store.subscription,
        to(HERE),
        "what is in force is kept again"
    );
    rig.check_counters();
}

#[test]
fn a_drop_that_the_broken_store_had_done_is_not_counted_twice() {
    for is_done in [false, true] {
        let mut rig = crowded(Overflow::DropOldest);
        rig.is_store_prompt = false;
        rig.record(item(5, 0));
        let (id, _) = rig.store.waiting[0].clone();
        if is_done {
            rig.store.carry_out();
        }
        rig.input(Input::StoreFailed(id, StoreError::Broken));
        rig.store.waiting.clear();
        rig.is_store_prompt = true;
        rig.resume();
        rig.wait(secs(1));
        // The first is lost, too: its post was given up, so it counts again.
        let lost: u64 = rig.store.losses.iter().map(|loss| loss.count).sum();
        assert_eq!((lost, rig.device.counters().lost), (2, 2));
        let reported: u64 = rig.losses().iter().map(|loss| loss.count).sum();
        assert_eq!(reported, 2);
    }
}

#[test]
fn answers_that_nobody_waits_for_mean_nothing() {
    let mut rig = Rig::new(config());
    rig.record(item(1, 0));
    for error in [StoreError::Full, StoreError::Broken] {
        rig.input(Input::StoreFailed(OpId(77), error));
    }
    rig.input(Input::Stored(OpId(1)));
    rig.input(Input::Loaded(OpId(1), None));
    rig.resume();
    assert_eq!(rig.device.state(), State::InFlight);
    assert_eq!(rig.events, [Event::Kept(Seq(1))]);
}

#[test]
fn an_acknowledgement_before_the_record_is_kept_outlives_a_full_disk() {
    let mut config = config();
    config.durability = Durability::Concurrent;
    let mut rig = Rig::new(config);
    rig.is_store_prompt = false;
    rig.record(item(1, 0));
    rig.fail_store(StoreError::Full);
    assert_eq!(rig.device.queued(), 1, "it may still arrive");
    rig.ack();
    assert_eq!((rig.acked(), rig.device.counters().lost), (vec![1], 0));
    rig.record(item(2, 0));
    rig.store_all();
    rig.refuse();
    rig.check_counters();
}

#[test]
fn many_records_are_read_one_ahead_and_advanced_over_one_by_one() {
    let mut rig = Rig::new(config());
    rig.record_many(500);
    rig.power_cut();
    assert_eq!(rig.store.rows.len(), 500);
    for left in (0..500).rev() {
        rig.ack();
        assert_eq!(rig.store.rows.len(), left);
    }
    rig.wait(ms(1));
    assert_eq!(rig.device.state(), State::Idle);
}
