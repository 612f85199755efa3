//! How a task went: `ANALYSIS_FINISH` and `ANALYSIS_FAIL`.

use super::{Attempt, Extra, GoodsId, IdForm, TaskId, Text, Warning};
use crate::codec;
use std::borrow::Cow;
use std::fmt;

/// What was taken: a count for each kind of goods, ascending.
pub type Taken = Vec<(GoodsId, i32)>;

/// What an analyser found.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finish {
    /// Number of the task.
    pub id: TaskId,
    /// How the number is spelled.
    pub id_form: IdForm,
    /// What was taken.
    pub taken: Taken,
    /// `analyst_id` of the task, if the analyser echoes it: raw JSON.
    pub analyst_id: Option<Text>,
    /// Members of `data` that nobody knows.
    pub extra: Extra,
    /// Members beside `action` and `data`.
    pub envelope: Extra,
}

/// Why an analyser could not find out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fail {
    /// Number of the task.
    pub id: TaskId,
    /// How the number is spelled.
    pub id_form: IdForm,
    /// In words. No more than [`Self::MAX_REASON`] bytes of it are sent.
    pub reason: Text,
    /// `analyst_id` of the task, if the analyser echoes it: raw JSON.
    pub analyst_id: Option<Text>,
    /// Members of `data` that nobody knows.
    pub extra: Extra,
    /// Members beside `action` and `data`.
    pub envelope: Extra,
}

impl Finish {
    /// The result of a task. Of two counts for one kind of goods the last one is kept.
    pub fn new(id: TaskId, mut taken: Taken) -> Self {
        put_in_order(&mut taken);
        Self {
            id,
            id_form: IdForm::Number,
            taken,
            analyst_id: None,
            extra: Extra::default(),
            envelope: Extra::default(),
        }
    }

    /// Which attempt this is the result of, if it says so.
    pub fn attempt(&self) -> Option<Attempt> {
        Attempt::read(self.analyst_id.as_ref()?)
    }

    /// What a peer that keeps to the document might not take, though ours does, and what it has no
    /// meaning for.
    pub fn warnings(&self) -> Vec<Warning> {
        //= docs/spec/analyst-proto.md#message
        //# A negative count MUST be read, and be flagged.
        let negative = self.taken.iter().filter(|(_, count)| *count < 0);
        let negative = negative.map(|(goods, count)| Warning::NegativeCount {
            goods: *goods,
            count: *count,
        });
        let mut result = Vec::new();
        codec::write_taken(&mut result, &self.taken);
        let length = Warning::of_length("RESULT", result.len(), 512);
        length.into_iter().chain(negative).collect()
    }
}

impl Fail {
    /// How much of a reason is sent, in bytes.
    pub const MAX_REASON: usize = 512;

    /// The failure of a task.
    pub fn new(id: TaskId, reason: impl Into<Text>) -> Self {
        Self {
            id,
            id_form: IdForm::Number,
            reason: reason.into(),
            analyst_id: None,
            extra: Extra::default(),
            envelope: Extra::default(),
        }
    }

    /// Which attempt failed, if it says so.
    pub fn attempt(&self) -> Option<Attempt> {
        Attempt::read(self.analyst_id.as_ref()?)
    }

    /// What a peer that keeps to the document might not take, though ours does.
    pub fn warnings(&self) -> Vec<Warning> {
        let length = Warning::of_length("RESULT", self.reason.len(), Self::MAX_REASON);
        length.into_iter().collect()
    }
}

impl fmt::Debug for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finish")
            .field("id", &self.id)
            .field("id_form", &self.id_form)
            .field("taken", &self.taken)
            .field("analyst_id", &self.analyst_id.as_ref().map(Text::shown))
            .field("extra", &self.extra)
            .field("envelope", &self.envelope)
            .finish()
    }
}

impl fmt::Debug for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fail")
            .field("id", &self.id)
            .field("id_form", &self.id_form)
            .field("reason", &self.reason.shown())
            .field("analyst_id", &self.analyst_id.as_ref().map(Text::shown))
            .field("extra", &self.extra)
            .field("envelope", &self.envelope)
            .finish()
    }
}

/// Ascending, with the last of several counts for one kind of goods.
pub(crate) fn put_in_order(taken: &mut Taken) {
    if is_in_order(taken) {
        return;
    }
    taken.sort_by_key(|(goods, _)| *goods);
    taken.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            earlier.1 = later.1;
        }
        is_same
    });
}

/// The same, of what somebody else holds.
pub(crate) fn in_order(taken: &[(GoodsId, i32)]) -> Cow<'_, [(GoodsId, i32)]> {
    if is_in_order(taken) {
        return Cow::Borrowed(taken);
    }
    let mut ordered = taken.to_vec();
    put_in_order(&mut ordered);
    Cow::Owned(ordered)
}

fn is_in_order(taken: &[(GoodsId, i32)]) -> bool {
    taken.is_sorted_by(|one, next| one.0 < next.0)
}
