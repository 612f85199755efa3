//! Keys of recent records, which are known to be kept.

use crate::{RecordKey, SerialNumber};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Keys that the store has said to be durable; those of the terminal that was silent longest are
/// forgotten first. Only spares the store some work: what is not in here, the store decides.
#[derive(Debug)]
pub(super) struct Keys {
    max_per_terminal: usize,
    max_terminals: usize,
    max_in_all: usize,
    terminals: BTreeMap<SerialNumber, Recent>,
    by_use: BTreeMap<u64, SerialNumber>,
    uses: u64,
    len: usize,
}

#[derive(Debug, Default)]
struct Recent {
    keys: BTreeSet<RecordKey>,
    order: VecDeque<RecordKey>,
    last_use: u64,
}

impl Keys {
    pub(super) fn new(max_per_terminal: usize, max_terminals: usize, max_in_all: usize) -> Self {
        Self {
            max_per_terminal,
            max_terminals,
            max_in_all,
            terminals: BTreeMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            len: 0,
        }
    }

    pub(super) fn contains(&self, serial: &SerialNumber, key: &RecordKey) -> bool {
        let recent = self.terminals.get(serial);
        recent.is_some_and(|recent| recent.keys.contains(key))
    }

    /// Remembers a key that is kept.
    pub(super) fn insert(&mut self, serial: &SerialNumber, key: RecordKey) {
        if self.max_per_terminal == 0 {
            return;
        }
        self.uses = self.uses.saturating_add(1);
        let recent = self.terminals.entry(serial.clone()).or_default();
        self.by_use.remove(&recent.last_use);
        recent.last_use = self.uses;
        self.by_use.insert(self.uses, serial.clone());
        if recent.keys.insert(key) {
            recent.order.push_back(key);
            self.len = self.len.saturating_add(1);
        }
        //= docs/spec/face-record-push.md#duplicates
        //# The receiver MUST NOT remember more than `keys_per_terminal` keys of a terminal, nor
        //# those of more than `max_terminals`.
        if recent.order.len() > self.max_per_terminal {
            if let Some(oldest) = recent.order.pop_front() {
                recent.keys.remove(&oldest);
                self.len = self.len.saturating_sub(1);
            }
        }
        while self.terminals.len() > self.max_terminals || self.len > self.max_in_all {
            let Some((_, silent)) = self.by_use.pop_first() else {
                return;
            };
            let forgotten = self.terminals.remove(&silent);
            let keys = forgotten.map_or(0, |recent| recent.order.len());
            self.len = self.len.saturating_sub(keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_held_was_inserted_and_stays_within_every_limit(
            inserted in proptest::collection::vec((0_u8..6, 0_u8..20), 0..200),
            per_terminal in 0_usize..6,
            terminals in 1_usize..4,
            keys in 1_usize..12,
        ) {
            let mut held = Keys::new(per_terminal, terminals, keys);
            let serial = |n: u8| SerialNumber::new(n.to_string());
            for (at, (terminal, key)) in inserted.iter().enumerate() {
                held.insert(&serial(*terminal), RecordKey([*key; 16]));
                let seen = &inserted[..=at];
                let mut total = 0;
                for terminal in 0..6 {
                    let count = (0..20)
                        .filter(|key| held.contains(&serial(terminal), &RecordKey([*key; 16])))
                        .inspect(|key| assert!(seen.contains(&(terminal, *key))))
                        .count();
                    prop_assert!(count <= per_terminal);
                    total = count.saturating_add(total);
                }
                //= docs/spec/face-record-push.md#duplicates
                //= type=test
                //# The receiver MUST NOT remember more than `keys_per_terminal` keys of a terminal,
                //# nor those of more than `max_terminals`.
                prop_assert_eq!(total, held.len);
                prop_assert!(total <= keys && held.terminals.len() <= terminals);
                prop_assert_eq!(held.by_use.len(), held.terminals.len());
            }
        }
    }

    #[test]
    fn the_terminal_that_was_silent_longest_is_forgotten_first() {
        let mut keys = Keys::new(4, 2, 100);
        let [a, b, c] = ["a", "b", "c"].map(SerialNumber::new);
        let key = RecordKey([1; 16]);
        keys.insert(&a, key);
        keys.insert(&b, key);
        keys.insert(&a, RecordKey([2; 16]));
        keys.insert(&c, key);
        assert!(keys.contains(&a, &key) && keys.contains(&c, &key) && !keys.contains(&b, &key));
    }
}
