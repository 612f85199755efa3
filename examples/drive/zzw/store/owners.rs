//! Who has which alias, in this run.

use std::collections::{BTreeMap, HashMap};
use zzw_push_proto::platform::{Owner, Transport};
use zzw_push_proto::wire::{Text, Texts};

use super::roll::Roll;

/// The aliases that somebody has, and the order in which they are listed.
#[derive(Debug, Default)]
pub(super) struct Owners {
    by_alias: HashMap<Text, Owner>,
    rolls: BTreeMap<Transport, Roll>,
    /// What to set, last first, to be where the transaction began.
    undo: Vec<(Text, Option<Owner>)>,
}

impl Owners {
    /// Who has it.
    pub(super) fn of(&self, alias: &str) -> Option<Owner> {
        self.by_alias.get(alias).copied()
    }

    /// Gives it to somebody, or to nobody; returns who had it.
    pub(super) fn set(&mut self, alias: &Text, owner: Option<Owner>) -> Option<Owner> {
        let previous = self.put(alias, owner);
        if previous != owner {
            self.undo.push((alias.clone(), previous));
        }
        previous
    }

    /// How many there are on a transport, and those of a page.
    pub(super) fn list(&self, transport: Transport, offset: u64, size: u32) -> (u64, Texts) {
        let Some(roll) = self.rolls.get(&transport) else {
            return (0, Texts::default());
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        (roll.len(), roll.from(offset).take(size).collect())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_alias.len()
    }

    /// What has been set stays.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// What has been set since [`Self::keep`] has not happened.
    pub(super) fn undo(&mut self) {
        for (alias, owner) in std::mem::take(&mut self.undo).into_iter().rev() {
            self.put(&alias, owner);
        }
    }

    fn put(&mut self, alias: &Text, owner: Option<Owner>) -> Option<Owner> {
        let previous = match owner {
            Some(owner) => self.by_alias.insert(alias.clone(), owner),
            None => self.by_alias.remove(alias),
        };
        let transport = |owner: Option<Owner>| owner.map(|owner| owner.transport);
        if transport(previous) != transport(owner) {
            if let Some(roll) = transport(previous).and_then(|by| self.rolls.get_mut(&by)) {
                roll.remove(alias);
            }
            if let Some(by) = transport(owner) {
                self.rolls.entry(by).or_default().insert(alias.clone());
            }
        }
        previous
    }
}
