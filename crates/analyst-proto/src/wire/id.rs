//! Numbers that name something.

use std::fmt;

/// Number of a task: any unsigned number of 64 bits, which is more than a reader with floating
/// point keeps apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// How a task's number was spelled. An answer spells it likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IdForm {
    /// `1679846303806259201`, as the document has it.
    #[default]
    Number,
    /// `"1679846303806259201"`.
    String,
}

/// Number of a kind of goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoodsId(pub u64);

/// A floor of a cabinet, from 1; [`Floor::ANY`] stands for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Floor(pub i32);

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// Wall-clock time is data: drivers read it and hand it in, machines compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub i64);

impl Floor {
    /// Goods of this key may be on any floor.
    pub const ANY: Self = Self(-1);
}

impl UnixMillis {
    /// This time moved by `millis`, which may be negative.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this is, in milliseconds; negative if it is before.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
