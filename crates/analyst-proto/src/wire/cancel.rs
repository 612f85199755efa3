//! What is said while an analyser works: `ANALYSIS_TIMEOUT` and `ANALYSIS_PROGRESS`.

use super::{Extra, IdForm, TaskId};

/// An analyser need not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeout {
    /// Number of the task. The document's sample has none.
    pub id: Option<TaskId>,
    /// How the number is spelled.
    pub id_form: IdForm,
    /// Members of `data` that nobody knows.
    pub extra: Extra,
    /// Members beside `action` and `data`.
    pub envelope: Extra,
}

/// An analyser is still at it. In no document: an extension that both ends have to agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of the task.
    pub id: TaskId,
    /// How the number is spelled.
    pub id_form: IdForm,
    /// Members of `data` that nobody knows.
    pub extra: Extra,
    /// Members beside `action` and `data`.
    pub envelope: Extra,
}

impl Timeout {
    /// Ends a task.
    pub fn new(id: TaskId) -> Self {
        Self {
            id: Some(id),
            id_form: IdForm::Number,
            extra: Extra::default(),
            envelope: Extra::default(),
        }
    }
}

impl Progress {
    /// Tells that a task is worked on.
    pub fn new(id: TaskId) -> Self {
        Self {
            id,
            id_form: IdForm::Number,
            extra: Extra::default(),
            envelope: Extra::default(),
        }
    }
}
