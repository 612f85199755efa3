//! A list in order, of which any page is found without walking over those before it.

use zzw_push_proto::wire::Text;

/// Texts in the order of their bytes, each once, in leaves.
#[derive(Debug, Default)]
pub(super) struct Roll {
    leaves: Vec<Vec<Text>>, // none is empty
    len: u64,
}

/// A leaf that is longer becomes two.
const LEAF: usize = 512;

impl Roll {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn insert(&mut self, text: Text) {
        // Behind the last that begins before it.
        let at = self.leaf_of(&text);
        let Some(leaf) = self.leaves.get_mut(at) else {
            self.leaves.push(vec![text]);
            self.len += 1;
            return;
        };
        if let Err(place) = leaf.binary_search(&text) {
            leaf.insert(place, text);
            self.len += 1;
            if leaf.len() > LEAF {
                let half = leaf.split_off(LEAF / 2);
                self.leaves.insert(at + 1, half);
            }
        }
    }

    pub(super) fn remove(&mut self, text: &Text) {
        let at = self.leaf_of(text);
        let Some(leaf) = self.leaves.get_mut(at) else {
            return;
        };
        if let Ok(place) = leaf.binary_search(text) {
            leaf.remove(place);
            self.len -= 1;
            if leaf.is_empty() {
                self.leaves.remove(at);
            }
        }
    }

    /// Those behind the first `offset`.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = &Text> {
        let mut skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut leaves = self.leaves.as_slice();
        while let [first, rest @ ..] = leaves {
            if skip < first.len() {
                break;
            }
            (skip, leaves) = (skip - first.len(), rest);
        }
        leaves.iter().flatten().skip(skip)
    }

    fn leaf_of(&self, text: &Text) -> usize {
        let before = |leaf: &Vec<Text>| leaf.first().is_some_and(|first| first <= text);
        self.leaves.partition_point(before).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faces::Dice;
    use std::collections::BTreeSet;

    #[test]
    fn every_page_is_that_of_a_sorted_list() {
        let (mut roll, mut model, mut dice) = (Roll::default(), BTreeSet::new(), Dice(7));
        for round in 0..20_000 {
            let text = Text::from(format!("m_{}", dice.below(3000)));
            // It grows, then it shrinks.
            if dice.below(10) < if round < 10_000 { 7 } else { 2 } {
                model.insert(text.clone());
                roll.insert(text);
            } else {
                model.remove(&text);
                roll.remove(&text);
            }
            if round % 500 == 0 {
                let offset = dice.below(2500);
                let page: Vec<&Text> = roll.from(offset as u64).take(100).collect();
                let right: Vec<&Text> = model.iter().skip(offset).take(100).collect();
                assert_eq!((roll.len(), page), (model.len() as u64, right));
            }
        }
        for text in &model {
            roll.remove(text);
        }
        assert_eq!((roll.len(), roll.leaves.len()), (0, 0));
    }
}
