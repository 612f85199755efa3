//! A task: `ANALYSIS_START`.

use super::{Attempt, Extra, Floor, Goods, IdForm, TaskId, Text, UnixMillis, Warning};
use crate::codec;
use std::fmt;

/// A task: which goods were taken, seen on these videos?
///
/// `Debug` shows no query of a video's address, which may let in whoever has it, and of members that
/// nobody knows the names only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Start {
    /// Number of the task, which comes back with its result.
    pub id: TaskId,
    /// How the number is spelled.
    pub id_form: IdForm,
    /// Video of the main camera.
    pub top_video: Text,
    /// What may be on which floor.
    pub goods_ids: Goods,
    /// Video of the second camera.
    pub ass_video: Option<Text>,
    /// What the scales saw; none if there are no scales.
    pub weight_info: Option<Vec<WeightChange>>,
    /// When the door was opened.
    pub door_open_timestamp: Option<UnixMillis>,
    /// When the door was closed. The scales may still move after it: the document's own do.
    pub door_close_timestamp: Option<UnixMillis>,
    /// `analyst_id`, which the document has no meaning for: raw JSON. See [`Attempt`].
    pub analyst_id: Option<Text>,
    /// Members of `data` that nobody knows.
    pub extra: Extra,
    /// Members beside `action` and `data`.
    pub envelope: Extra,
}

/// A change of weight on one floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WeightChange {
    /// `startTimeStamp`: when it began.
    pub start: UnixMillis,
    /// `endTimeStamp`: when the scales stood still again.
    pub end: UnixMillis,
    /// By how many grams; negative if something was taken.
    pub weight: i32,
    /// On which floor.
    pub floor: Floor,
}

impl Start {
    /// A task with one video and no goods.
    pub fn new(id: TaskId, top_video: impl Into<Text>) -> Self {
        Self {
            id,
            id_form: IdForm::Number,
            top_video: top_video.into(),
            goods_ids: Goods::default(),
            ass_video: None,
            weight_info: None,
            door_open_timestamp: None,
            door_close_timestamp: None,
            analyst_id: None,
            extra: Extra::default(),
            envelope: Extra::default(),
        }
    }

    /// Which attempt this is, if `analyst_id` has the label of one.
    pub fn attempt(&self) -> Option<Attempt> {
        Attempt::read(self.analyst_id.as_ref()?)
    }

    /// What a peer that keeps to the document might not take, though ours does.
    pub fn warnings(&self) -> Vec<Warning> {
        //= docs/spec/analyst-proto.md#message
        //# A member that is longer than the document has it MUST be read, and be flagged.
        let mut goods_ids = Vec::new();
        codec::write_goods(&mut goods_ids, &self.goods_ids);
        let mut weight_info = Vec::new();
        codec::write_weights(&mut weight_info, self.weight_info.as_deref().unwrap_or(&[]));
        let second = self.ass_video.as_ref().map_or(0, |video| video.len());
        [
            ("top_video", self.top_video.len(), 128),
            ("goods_ids", goods_ids.len(), 512),
            ("ass_video", second, 128),
            ("weight_info", weight_info.len(), 512),
        ]
        .into_iter()
        .filter_map(|(member, bytes, documented)| Warning::of_length(member, bytes, documented))
        .collect()
    }

    /// The same task in bytes of its own: it does not hold on to the message it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            top_video: self.top_video.detached(),
            ass_video: self.ass_video.as_ref().map(Text::detached),
            analyst_id: self.analyst_id.as_ref().map(Text::detached),
            extra: self.extra.detached(),
            envelope: self.envelope.detached(),
            ..self.clone()
        }
    }
}

impl WeightChange {
    /// A change of so many grams from `start` to `end`; negative if something was taken.
    pub const fn new(floor: Floor, weight: i32, start: UnixMillis, end: UnixMillis) -> Self {
        Self {
            start,
            end,
            weight,
            floor,
        }
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        //= docs/spec/analyst-proto.md#message
        //# Debug output of a message MUST NOT hold the query of a video's address or the value of a
        //# member that nobody knows.
        let (top, second) = (&self.top_video, self.ass_video.as_ref());
        f.debug_struct("Start")
            .field("id", &self.id)
            .field("id_form", &self.id_form)
            .field("top_video", &top.shown_address())
            .field("goods_ids", &self.goods_ids)
            .field("ass_video", &second.map(Text::shown_address))
            .field("weight_info", &self.weight_info)
            .field("door_open_timestamp", &self.door_open_timestamp)
            .field("door_close_timestamp", &self.door_close_timestamp)
            .field("analyst_id", &self.analyst_id.as_ref().map(Text::shown))
            .field("extra", &self.extra)
            .field("envelope", &self.envelope)
            .finish()
    }
}
