//! Links by their ids.

use super::LinkId;
use super::link::Link;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Links by their ids. Each in a place of its own, so that the table stays small and is walked fast.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<LinkId, Box<Link>, BuildHasherDefault<Mixer>>);

/// Spreads numbers. The driver chooses the ids, so nobody can choose them badly on purpose.
#[derive(Debug, Default)]
pub(super) struct Mixer(u64);

impl Links {
    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.0.get(&id).map(|link| &**link)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.0.get_mut(&id).map(|link| &mut **link)
    }

    pub(super) fn contains(&self, id: LinkId) -> bool {
        self.0.contains_key(&id)
    }

    pub(super) fn insert(&mut self, id: LinkId, link: Link) {
        self.0.insert(id, Box::new(link));
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Box<Link>> {
        self.0.remove(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of their ids, so that the same history always has the same end.
    pub(super) fn ids(&self) -> Vec<LinkId> {
        let mut ids: Vec<LinkId> = self.0.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.0.iter().map(|(id, link)| (*id, &**link))
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
