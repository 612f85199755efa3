//! Clocks that are set, and messages whose time is over.

use crate::{Bench, append, append_for, both, model, roomy, texts, touch};
use std::time::Duration;
use zzw_push_proto::platform::{MessageId, StoreOp, StoreReply};
use zzw_push_proto::wire::Ttl;

const HOUR: u64 = 3_600_000;

impl Bench {
    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.wall += 1000 * seconds;
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#store
//# The time of a store MUST NOT go back, whatever is done to the clock.
fn a_message_lives_as_long_as_it_should_when_the_clock_is_set_back() {
    for mut store in both(&roomy()) {
        store
            .ask(append_for("m_1", "before", Ttl::seconds(60)))
            .unwrap();
        store.wall -= HOUR;
        store
            .ask(append_for("m_1", "behind", Ttl::seconds(60)))
            .unwrap();
        store.wait(59);
        assert_eq!(texts(&store.load("m_1")), ["before", "behind"]);
        store.wait(1);
        assert_eq!(store.load("m_1"), []);
        assert_eq!(store.claim("m_1"), (1, 2));
    }
}

#[test]
fn a_message_expires_early_by_no_more_than_the_clock_is_set_forward() {
    for mut store in both(&roomy()) {
        let ttl = Ttl::seconds(2 * 3600);
        store.ask(append_for("m_1", "a", ttl)).unwrap();
        store.wall += HOUR;
        store.ask(append_for("m_1", "b", ttl)).unwrap();
        store.wait(3599);
        assert_eq!(texts(&store.load("m_1")), ["a", "b"]);
        store.wait(1);
        assert_eq!(texts(&store.load("m_1")), ["b"]);
        // Set right again, it goes on.
        store.wall -= HOUR;
        store.wait(3599);
        assert_eq!(texts(&store.load("m_1")), ["b"]);
        store.wait(1);
        assert_eq!(store.load("m_1"), []);
    }
}

#[test]
fn ids_grow_and_stay_in_their_half_of_a_millisecond_whatever_the_clock_does() {
    for mut store in both(&roomy()) {
        let mut last = MessageId(0);
        for round in 0..40 {
            let ops: Vec<StoreOp> = (0..64).map(|_| append("m_1", "")).collect();
            for answer in store.ask_all(&ops) {
                let Ok(StoreReply::Appended(appended)) = answer else {
                    panic!("{answer:?}");
                };
                assert_eq!(appended.prev, last);
                assert!(appended.mid > last);
                assert_eq!(appended.mid.0 & 2048, 0);
                last = appended.mid;
            }
            // Not at all, back, and on.
            store.wall = store.wall.saturating_add_signed([0, -60_000, 7][round % 3]);
        }
        let ahead = last.0 / 4096 + 1_577_836_800_000 - model::START;
        assert!(ahead < 1000, "{ahead} ms");
    }
}

#[test]
fn a_store_that_is_opened_while_the_clock_is_behind_goes_on_from_where_it_was() {
    let disk = crate::cut_disk::CutDisk::new(true);
    let open = || Bench::disk(crate::Kept::open(disk.clone(), roomy()).unwrap());
    let mut store = open();
    let ttl = Ttl::seconds(60);
    let first = store.append(append_for("m_1", "a", ttl));
    store.wait(10);
    store.ask(append("m_2", "")).unwrap();
    drop(store);
    let mut store = open();
    store.wall -= HOUR;
    assert_eq!(store.append(append_for("m_1", "b", ttl)).prev, first.mid);
    store.wait(49);
    assert_eq!(texts(&store.load("m_1")), ["a", "b"]);
    store.wait(1);
    assert_eq!(texts(&store.load("m_1")), ["b"]);
}

#[test]
fn what_has_expired_is_removed_although_nobody_asks_for_it() {
    for mut store in both(&roomy()) {
        for alias in 0..500 {
            let op = append_for(&format!("m_{alias}"), "short", Ttl::seconds(5));
            store.ask(op).unwrap();
        }
        store.ask(append("m_0", "long")).unwrap();
        let full = store.figures();
        store.wait(6);
        // One goes round in so many requests.
        for _ in 0..700 {
            store.ask(touch("other")).unwrap();
        }
        let figures = store.figures();
        assert_eq!((figures.messages, figures.expired), (1, 500));
        assert!(figures.bytes < full.bytes, "{figures:?}");
        assert_eq!(store.claim("m_0"), (1, 1));
    }
}

#[test]
fn a_store_on_disk_removes_what_has_expired_while_it_is_idle() {
    let [_, mut store] = both(&roomy());
    for alias in 0..300 {
        let op = append_for(&format!("m_{alias}"), "short", Ttl::seconds(5));
        store.ask(op).unwrap();
    }
    let mut rounds = 0;
    while let Some(due) = store.kept().tidy_at() {
        let waited = due - store.now;
        store.wait(waited.as_secs() + 1);
        let (now, wall) = (store.now, store.wall);
        store
            .kept()
            .tidy(now, zzw_push_proto::platform::UnixMillis(wall));
        rounds += 1;
        assert!(rounds < 20, "{:?}", store.figures());
    }
    assert_eq!(store.figures().messages, 0);
}
