//! What is said between dispatcher and analyser.

use super::{Fail, Finish, IdForm, Progress, Start, TaskId, Text, Timeout};
use crate::WireError;
use crate::codec::compact;
use std::fmt;

/// One message of either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// `ANALYSIS_PROGRESS`: an analyser is still at it. In no document: ours.
    Progress(Progress),
    /// Any other action.
    Unknown(Unknown),
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// `ANALYSIS_START`
    Start,
    /// `ANALYSIS_FINISH`
    Finish,
    /// `ANALYSIS_FAIL`
    Fail,
    /// `ANALYSIS_TIMEOUT`
    Timeout,
    /// `ANALYSIS_PROGRESS`
    Progress,
}

/// A message whose action nobody knows. `Debug` does not show what it says.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unknown {
    /// Its action.
    pub action: Text,
    /// All of it: a JSON object without white space between its tokens.
    pub raw: Text,
}

impl Message {
    /// The task it is about, if it says so.
    pub fn id(&self) -> Option<TaskId> {
        self.numbered().map(|(id, _)| id)
    }

    /// How the number of its task is spelled, if it has one.
    pub fn id_form(&self) -> Option<IdForm> {
        self.numbered().map(|(_, form)| form)
    }

    /// What it is about, if anybody knows.
    pub fn action(&self) -> Option<Action> {
        Some(match self {
            Self::Start(_) => Action::Start,
            Self::Finish(_) => Action::Finish,
            Self::Fail(_) => Action::Fail,
            Self::Timeout(_) => Action::Timeout,
            Self::Progress(_) => Action::Progress,
            Self::Unknown(_) => return None,
        })
    }

    fn numbered(&self) -> Option<(TaskId, IdForm)> {
        match self {
            Self::Start(start) => Some((start.id, start.id_form)),
            Self::Finish(finish) => Some((finish.id, finish.id_form)),
            Self::Fail(fail) => Some((fail.id, fail.id_form)),
            Self::Timeout(timeout) => timeout.id.map(|id| (id, timeout.id_form)),
            Self::Progress(progress) => Some((progress.id, progress.id_form)),
            Self::Unknown(_) => None,
        }
    }
}

impl Action {
    /// All of them, in the document's order, ours last.
    pub const ALL: [Self; 5] = [
        Self::Start,
        Self::Finish,
        Self::Fail,
        Self::Timeout,
        Self::Progress,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "ANALYSIS_START",
            Self::Finish => "ANALYSIS_FINISH",
            Self::Fail => "ANALYSIS_FAIL",
            Self::Timeout => "ANALYSIS_TIMEOUT",
            Self::Progress => "ANALYSIS_PROGRESS",
        }
    }

    /// The action of that name, in whatever case its letters are.
    pub fn of(name: &str) -> Option<Self> {
        let is_named = |action: &Self| name.eq_ignore_ascii_case(action.as_str());
        Self::ALL.into_iter().find(is_named)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unknown")
            .field("action", &self.action.shown())
            .field("raw", &format_args!("{} bytes", self.raw.len()))
            .finish()
    }
}

impl Unknown {
    /// A message of that action, which is what `raw`, a JSON object, says.
    ///
    /// # Errors
    ///
    /// [`WireError`] if `raw` is no JSON.
    pub fn new(action: impl Into<Text>, raw: impl Into<Text>) -> Result<Self, WireError> {
        Ok(Self {
            action: action.into(),
            raw: compact(&raw.into())?,
        })
    }
}

macro_rules! messages {
    ($($name:ident)*) => {$(
        impl From<$name> for Message {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        }
    )*};
}

messages!(Start Finish Fail Timeout Progress Unknown);
