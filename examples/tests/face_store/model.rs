//! What a store should hold, told in a few lines.

use bytes::Bytes;
use drive::faces::Dice;
use face_record_push::device::{Loss, LossReason, Op, Recovered, Seq};
use face_record_push::{Dest, Item, Subscription};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a store should hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) next: u64,
    pub(crate) items: BTreeMap<u64, Arc<Item>>,
    pub(crate) losses: HashMap<LossReason, Lost>,
    pub(crate) subscription: Subscription,
}

/// Losses of one reason: the first, the last, how many, how many of them tried.
pub(crate) type Lost = (u64, u64, u64, u64);

impl Model {
    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Append { seq, item } => {
                self.items.insert(seq.0, Arc::clone(item));
                self.next = self.next.max(seq.0 + 1);
            }
            Op::Advance { upto } => {
                self.items.retain(|seq, _| *seq > upto.0);
                self.next = self.next.max(upto.0 + 1);
            }
            Op::Drop(loss) => {
                let gone = loss.from.0..=loss.to.0;
                self.items.retain(|seq, _| !gone.contains(seq));
                self.next = self.next.max(loss.to.0 + 1);
                add(&mut self.losses, loss);
            }
            Op::Strip { from, to } => {
                for (_, item) in self.items.range_mut(from.0..=to.0) {
                    *item = Arc::new(item.without_picture());
                }
            }
            Op::Bury { seq } => {
                self.items.remove(&seq.0);
            }
            Op::Configure(subscription) => self.subscription = subscription.clone(),
            _ => {}
        }
    }

    /// What differs from what was found.
    pub(crate) fn differs(&self, found: &Recovered) -> Option<String> {
        let index: Vec<_> = found
            .index
            .iter()
            .map(|entry| (entry.seq.0, entry.row, entry.picture))
            .collect();
        let expected: Vec<_> = self
            .items
            .iter()
            .map(|(seq, item)| (*seq, item.row_len(), item.picture_len()))
            .collect();
        let mut losses = HashMap::new();
        found.losses.iter().for_each(|loss| add(&mut losses, loss));
        if index != expected {
            return Some(format!("records {index:?} instead of {expected:?}"));
        }
        if found.next_seq != Seq(self.next.max(1)) {
            return Some(format!("{:?} instead of {}", found.next_seq, self.next));
        }
        if losses != self.losses {
            return Some(format!("losses {losses:?} instead of {:?}", self.losses));
        }
        (found.subscription != self.subscription).then(|| "another configuration".to_owned())
    }
}

fn add(losses: &mut HashMap<LossReason, Lost>, loss: &Loss) {
    let sum = losses.entry(loss.reason).or_insert((u64::MAX, 0, 0, 0));
    *sum = (
        sum.0.min(loss.from.0),
        sum.1.max(loss.to.0),
        sum.2 + loss.count,
        sum.3 + loss.tried,
    );
}

/// A record that is told from every other.
pub(crate) fn item(seq: u64, picture: usize) -> Arc<Item> {
    let mut row = vec![1, 0, 0, 0, 0];
    row.extend(
        format!(r#"{{"type":0,"data":{{"user":{{"name":"样例乙","user_id":{seq}}}}}}}"#).bytes(),
    );
    let jpeg: Vec<u8> = (0..picture)
        .map(|at| u8::try_from((at as u64 * 7 + seq * 31) % 251).unwrap())
        .collect();
    Arc::new(Item::read_row(&row.into(), Some(Bytes::from(jpeg))).unwrap())
}

/// What a terminal may ask of a store that holds `model`.
pub(crate) fn draw(dice: &mut Dice, model: &Model) -> Op {
    let held: Vec<u64> = model.items.keys().copied().collect();
    let any = |dice: &mut Dice| held.get(dice.below(held.len())).copied();
    let first = held.first().copied();
    match (dice.below(16), any(dice), first) {
        (8..=10, _, Some(first)) => Op::Advance { upto: Seq(first) },
        (11, Some(upto), _) => Op::Advance { upto: Seq(upto) },
        (12, Some(from), _) => {
            let to = any(dice).unwrap_or(from).max(from);
            let count = held.iter().filter(|seq| (from..=to).contains(seq)).count() as u64;
            let reasons = [
                LossReason::Overflow,
                LossReason::StoreFull,
                LossReason::Corrupt,
            ];
            let reason = reasons[dice.below(3)];
            Op::Drop(Loss::new(Seq(from), Seq(to), count, count.min(1), reason))
        }
        (13, Some(from), _) => Op::Strip {
            from: Seq(from),
            to: Seq(any(dice).unwrap_or(from).max(from)),
        },
        (14, Some(seq), _) if dice.below(3) == 0 => Op::Bury { seq: Seq(seq) },
        (15, ..) => {
            let url = format!("http://192.0.2.{}:9000/Record", dice.below(250));
            let mut subscription = Subscription::to(Dest::parse(&url).unwrap());
            subscription.is_enabled = dice.below(2) == 0;
            Op::Configure(subscription)
        }
        _ => {
            let sizes = [0, 0, 300, 1500, 5000, 20_000];
            let seq = model.next.max(1);
            let item = item(seq, sizes[dice.below(sizes.len())]);
            Op::Append {
                seq: Seq(seq),
                item,
            }
        }
    }
}
