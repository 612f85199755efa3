//! What happened, for all to write into and for the test to judge.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct Ledger {
    /// By publisher and number: answered with `-6`.
    kept: Mutex<BTreeMap<(usize, usize), Sent>>,
    pub(crate) answered: AtomicUsize,
    /// By alias: what its application got, in order.
    got: Mutex<BTreeMap<usize, Vec<Got>>>,
    received: AtomicUsize,
    /// When a door was asked to open, and how often it did.
    doors: Mutex<BTreeMap<String, (Instant, usize)>>,
    pub(crate) is_over: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) alias: usize,
    pub(crate) is_short: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Got {
    publisher: usize,
    number: usize,
}

impl Ledger {
    pub(crate) fn keep(&self, publisher: usize, number: usize, sent: Sent) {
        self.kept.lock().unwrap().insert((publisher, number), sent);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn got(&self, alias: usize, body: &str) {
        let mut words = body.split(' ').map(|word| word.parse().ok());
        let (Some(Some(publisher)), Some(Some(number))) = (words.next(), words.next()) else {
            panic!("a strange message: {body}");
        };
        let got = Got { publisher, number };
        self.got.lock().unwrap().entry(alias).or_default().push(got);
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ask_door(&self, user: &str) {
        let asked = (Instant::now(), 0);
        self.doors.lock().unwrap().insert(user.to_owned(), asked);
    }

    pub(crate) fn opened(&self, user: &str, late: Duration) {
        let mut doors = self.doors.lock().unwrap();
        let (at, times) = doors.get_mut(user).expect("somebody asked");
        *times += 1;
        assert!(at.elapsed() < late, "{user} came {:?} late", at.elapsed());
    }

    /// Messages that have to arrive.
    pub(crate) fn lasting(&self) -> usize {
        let kept = self.kept.lock().unwrap();
        kept.values().filter(|sent| !sent.is_short).count()
    }

    /// Of these, those that have.
    pub(crate) fn lasting_received(&self) -> usize {
        let (kept, got) = (self.kept.lock().unwrap(), self.got.lock().unwrap());
        let is_lasting = |got: &&Got| {
            kept.get(&(got.publisher, got.number))
                .is_some_and(|sent| !sent.is_short)
        };
        got.values().flatten().filter(is_lasting).count()
    }

    /// `sleepers` are the aliases that came when short messages were too old.
    pub(crate) fn judge(&self, sleepers: usize) {
        let (kept, got) = (self.kept.lock().unwrap(), self.got.lock().unwrap());
        for (alias, got) in &*got {
            judge_one(*alias, got, &kept, *alias < sleepers);
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
        let opened = doors.values().filter(|(_, times)| *times > 0).count();
        println!(
            "{} kept, {} came; {opened} of {} doors opened",
            kept.len(),
            self.received.load(Ordering::Relaxed),
            doors.len()
        );
        assert!(opened > 0, "no door was ever opened");
        assert!(
            doors.values().all(|(_, times)| *times < 2),
            "a door was opened twice"
        );
    }
}

fn judge_one(alias: usize, got: &[Got], kept: &BTreeMap<(usize, usize), Sent>, is_sleeper: bool) {
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    for (nth, Got { publisher, number }) in got.iter().enumerate() {
        let again = got[..nth].iter().any(|it| it == &got[nth]);
        assert!(!again, "{number} of {publisher} came twice to {alias}");
        // What was not answered may be kept late: by a node that was paused.
        let Some(sent) = kept.get(&(*publisher, *number)) else {
            continue;
        };
        assert_eq!(sent.alias, alias);
        let before = last.insert(*publisher, *number).unwrap_or_default();
        assert!(
            *number > before,
            "{number} of {publisher} came behind {before} to {alias}"
        );
        let is_late = sent.is_short && is_sleeper;
        assert!(!is_late, "{number} of {publisher} came after its time");
    }
}
