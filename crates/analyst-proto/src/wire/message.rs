//! The four messages.

use super::{GoodsId, IdForm, TaskId, Text};

/// One message of either direction.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// `ANALYSIS_START`: a task for an analyser.
    Start(Start),
    /// `ANALYSIS_FINISH`: what an analyser found.
    Finish(Finish),
    /// `ANALYSIS_FAIL`: an analyser could not find out.
    Fail(Fail),
    /// `ANALYSIS_TIMEOUT`: an analyser need not go on.
    Timeout(Timeout),
    /// Any other action.
    Unknown(Unknown),
}

/// A task: which goods were taken, seen on these videos?
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Start {
    /// Number of the task, which comes back with its result.
    pub id: TaskId,
    /// How the number is spelled.
    pub id_form: IdForm,
    /// Video of the main camera.
    pub top_video: Text,
    /// `analyst_id`, which the document has no meaning for: raw JSON.
    pub analyst_id: Option<Text>,
}

/// What was taken: a count for each kind of goods, ascending.
pub type Taken = Vec<(GoodsId, i32)>;

/// What an analyser found.
#[derive(Debug, Clone, PartialEq)]
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
}

/// Why an analyser could not find out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fail {
    /// Number of the task.
    pub id: TaskId,
    /// How the number is spelled.
    pub id_form: IdForm,
    /// In words.
    pub reason: Text,
    /// `analyst_id` of the task, if the analyser echoes it: raw JSON.
    pub analyst_id: Option<Text>,
}

/// An analyser need not go on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Timeout {
    /// Number of the task. The document's sample has none.
    pub id: Option<TaskId>,
    /// How the number is spelled.
    pub id_form: IdForm,
}

/// A message whose action the document does not name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Unknown {
    /// Its action.
    pub action: Text,
    /// All of it.
    pub raw: Text,
}

impl Start {
    /// A task with one video and no goods.
    pub fn new(id: TaskId, top_video: impl Into<Text>) -> Self {
        Self {
            id,
            id_form: IdForm::Number,
            top_video: top_video.into(),
            analyst_id: None,
        }
    }
}

impl Finish {
    /// The result of a task.
    pub fn new(id: TaskId, taken: Taken) -> Self {
        Self {
            id,
            id_form: IdForm::Number,
            taken,
            analyst_id: None,
        }
    }
}

impl Fail {
    /// The failure of a task.
    pub fn new(id: TaskId, reason: impl Into<Text>) -> Self {
        Self {
            id,
            id_form: IdForm::Number,
            reason: reason.into(),
            analyst_id: None,
        }
    }
}

impl Timeout {
    /// Ends a task.
    pub fn new(id: TaskId) -> Self {
        Self {
            id: Some(id),
            id_form: IdForm::Number,
        }
    }
}
