//! What happened: counted, told, and written down as lines of JSON.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum What {
    /// A client was let in.
    Connected,
    /// A client was not let in.
    Refused,
    /// A connection ended.
    Closed,
    /// A client broke a rule, or a limit was reached.
    Rule,
    /// A message came from a client.
    Published,
    /// A message was sent to a client.
    Pushed,
    /// A message was sent once more.
    Redelivered,
    /// A client acknowledged a message.
    Acknowledged,
    /// A message was kept for a client that is away.
    Kept,
    /// A message was for nobody, or for somebody who is away and has no session.
    Lost,
    /// A fault that was asked for: lost on the way.
    Dropped,
    /// A fault that was asked for: sent twice.
    Doubled,
    /// A fault that was asked for: overtaken.
    Reordered,
    /// A fault that was asked for: a connection was killed.
    Killed,
    /// A fault that was asked for: acknowledged and lost.
    Lied,
    /// A fault that was asked for: swallowed while the connection stays open.
    Swallowed,
    /// A payload was too large.
    OverSize,
    /// A client published too fast.
    OverRate,
}

/// How often each thing happened. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Arc<Mutex<BTreeMap<What, u64>>>);

/// Keeps account.
#[derive(Debug)]
pub(super) struct Journal {
    started: Instant,
    counts: Counts,
    file: Option<File>,
    tells: bool,
}

impl Counts {
    pub(super) fn of(&self, what: What) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&what).copied().unwrap_or_default()
    }

    fn add(&self, what: What) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what).or_default() += 1;
    }
}

impl Journal {
    pub(super) fn new(started: Instant, record: Option<&Path>, tells: bool) -> io::Result<Self> {
        Ok(Self {
            started,
            counts: Counts::default(),
            file: record.map(File::create).transpose()?,
            tells,
        })
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Notes what happened to a client, in words.
    pub(super) fn note(&mut self, now: Instant, what: What, client: &str, why: &str) {
        self.counts.add(what);
        self.write(now, what, json!({ "client": client, "why": why }));
        if self.tells && what.is_worth_telling() {
            // Names of clients were checked, those of refused ones were not.
            eprintln!("{}: {}: {why}", what.word(), client.escape_debug());
        }
    }

    /// Notes what happened to a message.
    pub(super) fn message(&mut self, now: Instant, what: What, client: &str, at: (&str, &[u8])) {
        self.counts.add(what);
        if self.file.is_some() {
            let (topic, payload) = at;
            let payload = String::from_utf8_lossy(payload);
            let line = json!({ "client": client, "topic": topic, "payload": payload });
            self.write(now, what, line);
        }
    }

    fn write(&mut self, now: Instant, what: What, mut line: Value) {
        let Some(file) = &mut self.file else { return };
        let at = now.saturating_duration_since(self.started);
        line["ms"] = u64::try_from(at.as_millis()).unwrap_or(u64::MAX).into();
        line["event"] = what.word().into();
        if let Err(error) = writeln!(file, "{line}") {
            eprintln!("the record ends here: {error}");
            self.file = None;
        }
    }
}

impl What {
    /// The name it has in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Rule => "rule",
            Self::Published => "published",
            Self::Pushed => "pushed",
            Self::Redelivered => "redelivered",
            Self::Acknowledged => "acknowledged",
            Self::Kept => "kept",
            Self::Lost => "lost",
            Self::Dropped => "dropped",
            Self::Doubled => "doubled",
            Self::Reordered => "reordered",
            Self::Killed => "killed",
            Self::Lied => "lied",
            Self::Swallowed => "swallowed",
            Self::OverSize => "over-size",
            Self::OverRate => "over-rate",
        }
    }

    fn is_worth_telling(self) -> bool {
        matches!(
            self,
            Self::Connected
                | Self::Refused
                | Self::Closed
                | Self::Rule
                | Self::Lost
                | Self::Killed
                | Self::OverSize
                | Self::OverRate
        )
    }
}
