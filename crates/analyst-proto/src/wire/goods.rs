//! What may be on which floor.

use super::{Floor, GoodsId};
use std::fmt;

/// Goods by floor: [`Floor::ANY`] first, then from the lowest floor up. On a floor they keep their
/// order, and one that is named twice is there twice.
///
/// All of it is one piece of memory, however many floors there are.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Goods(Vec<Entry>);

/// Goods that are being read, floor by floor, in whatever order.
#[derive(Debug, Default)]
pub(crate) struct GoodsBuilder {
    goods: Goods,
    open: Option<(Floor, usize)>, // and where it begins
    last: Option<Floor>,          // of those that are closed
}

/// A floor stands before its goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Entry {
    Floor(Floor),
    Id(GoodsId),
}

impl Goods {
    /// None at all.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts these on a floor, in place of what was there. True if the floor was there before.
    pub fn set(&mut self, floor: Floor, ids: impl IntoIterator<Item = GoodsId>) -> bool {
        let start = self.0.len();
        self.0.push(Entry::Floor(floor));
        self.0.extend(ids.into_iter().map(Entry::Id));
        self.settle(floor, start)
    }

    /// These goods, each on its floor.
    pub(crate) fn placed(mut placed: Vec<(Floor, GoodsId)>) -> Self {
        placed.sort_by_key(|(floor, _)| rank(*floor));
        let mut goods = Self::new();
        let mut last = None;
        for (floor, id) in placed {
            if last.replace(floor) != Some(floor) {
                goods.0.push(Entry::Floor(floor));
            }
            goods.0.push(Entry::Id(id));
        }
        goods
    }

    /// Puts one more on a floor, behind those that are there.
    pub fn add(&mut self, floor: Floor, id: GoodsId) {
        let (at, block) = self.find(floor);
        if block.is_none() {
            self.0.insert(at, Entry::Floor(floor));
        }
        let end = at.saturating_add(block.unwrap_or(1));
        self.0.insert(end, Entry::Id(id));
    }

    /// The floors that are named, with what may be on each.
    pub fn floors(&self) -> impl Iterator<Item = (Floor, impl Iterator<Item = GoodsId>)> {
        self.blocks().map(|(floor, ids)| {
            let ids = ids.iter().filter_map(|entry| match entry {
                Entry::Id(id) => Some(*id),
                Entry::Floor(_) => None,
            });
            (floor, ids)
        })
    }

    /// What is named for this floor alone.
    pub fn on(&self, floor: Floor) -> impl Iterator<Item = GoodsId> {
        let block = self.floors().find(|(named, _)| *named == floor);
        block.into_iter().flat_map(|(_, ids)| ids)
    }

    /// How many goods there are on all floors.
    pub fn len(&self) -> usize {
        self.floors().map(|(_, ids)| ids.count()).sum()
    }

    /// True if no floor is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Moves the last floor, which begins at `start`, to where it belongs. True if it was there before,
    /// and is no more.
    fn settle(&mut self, floor: Floor, start: usize) -> bool {
        let (at, block) = self.find(floor);
        if at >= start {
            return false;
        }
        let len = block.unwrap_or(0);
        let tail = self.0.get_mut(at..).unwrap_or_default();
        // The new block to the front, then the one it replaces.
        tail.rotate_left(start.saturating_sub(at));
        if len != 0 {
            let new = self.0.len().saturating_sub(start);
            let old = at.saturating_add(new);
            self.0.drain(old..old.saturating_add(len));
        }
        len != 0
    }

    /// Where `floor` is, with the length of its block, or where it would be.
    fn find(&self, floor: Floor) -> (usize, Option<usize>) {
        let mut at = 0_usize;
        for (named, ids) in self.blocks() {
            let len = ids.len().saturating_add(1);
            if rank(named) >= rank(floor) {
                return (at, (named == floor).then_some(len));
            }
            at = at.saturating_add(len);
        }
        (at, None)
    }

    fn blocks(&self) -> impl Iterator<Item = (Floor, &[Entry])> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (Entry::Floor(floor), behind) = rest.split_first()? else {
                return None; // a floor is what every block begins with
            };
            let is_floor = |entry: &Entry| matches!(entry, Entry::Floor(_));
            let len = behind.iter().position(is_floor).unwrap_or(behind.len());
            let (ids, behind) = behind.split_at_checked(len)?;
            rest = behind;
            Some((*floor, ids))
        })
    }
}

impl GoodsBuilder {
    /// None yet, with room for all that there can be where so many commas and colons are: a comma
    /// stands behind each of them but the last, a colon behind each floor. Room for no more than
    /// `most`.
    pub(crate) fn with_room(marks: usize, most: usize) -> Self {
        let room = if marks == 0 {
            0
        } else {
            marks.saturating_add(1).min(most)
        };
        Self {
            goods: Goods(Vec::with_capacity(room)),
            ..Self::default()
        }
    }

    /// Begins a floor.
    #[inline]
    pub(crate) fn open(&mut self, floor: Floor) {
        self.open = Some((floor, self.goods.0.len()));
        self.goods.0.push(Entry::Floor(floor));
    }

    /// Adds to the floor that was begun.
    #[inline]
    pub(crate) fn push(&mut self, id: GoodsId) {
        self.goods.0.push(Entry::Id(id));
    }

    /// Ends the floor that was begun. True if it was there before, and is no more.
    //= docs/spec/analyst-proto.md#message
    //# Floors MUST be written in ascending order, with -1 before all others.
    pub(crate) fn close(&mut self) -> bool {
        let Some((floor, start)) = self.open.take() else {
            return false;
        };
        if self.last.is_none_or(|last| rank(last) < rank(floor)) {
            self.last = Some(floor);
            return false;
        }
        self.goods.settle(floor, start)
    }

    /// All of them.
    pub(crate) fn build(self) -> Goods {
        self.goods
    }
}

fn rank(floor: Floor) -> (bool, Floor) {
    (floor != Floor::ANY, floor)
}

impl<I: IntoIterator<Item = GoodsId>> FromIterator<(Floor, I)> for Goods {
    fn from_iter<T: IntoIterator<Item = (Floor, I)>>(floors: T) -> Self {
        let mut goods = Self::new();
        for (floor, ids) in floors {
            goods.set(floor, ids);
        }
        goods
    }
}

impl fmt::Debug for Goods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let floors = self.floors();
        f.debug_map()
            .entries(floors.map(|(floor, ids)| (floor.0, ids.map(|id| id.0).collect::<Vec<_>>())))
            .finish()
    }
}
