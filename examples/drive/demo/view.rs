//! What the page shows, in terms no protocol owns: lanes of flows, each with two ends and a link.
//!
//! A later protocol adds a lane by filling these in; neither the page nor the other lanes change.

use bytes::Bytes;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;

/// One protocol.
#[derive(Debug, Clone, Serialize)]
pub struct Lane {
    /// A word for URLs and the DOM.
    pub id: &'static str,
    /// Its name.
    pub title: Text,
    /// One sentence about it.
    pub about: Text,
}

/// One pair of ends and what went between them.
#[derive(Debug, Serialize)]
pub struct Flow {
    /// A word for URLs and the DOM, unique on the page.
    pub id: &'static str,
    /// [`Lane::id`] of its lane.
    pub lane: &'static str,
    /// What tells it from the lane's other flows.
    pub title: Text,
    /// Who sends, who receives.
    pub ends: [End; 2],
    /// The state of the connection.
    pub link: Link,
    /// Figures, in the order shown.
    pub counters: Vec<Counter>,
    /// What a person can do to it.
    pub switches: Vec<Switch>,
    /// Programs that do the same from outside.
    pub snippets: Vec<Snippet>,
    /// What can become of an emitted event.
    pub fates: &'static [Fate],
    /// Holes in the flow, oldest first.
    pub gaps: VecDeque<Gap>,
    /// What arrived, oldest first.
    pub events: VecDeque<Card>,
    /// What was emitted and what became of it, oldest first.
    pub marks: VecDeque<Mark>,
    /// Messages, oldest first.
    pub wire: VecDeque<WireLine>,
}

/// A text in both languages of the page.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Text {
    /// English.
    pub en: Cow<'static, str>,
    /// Chinese.
    pub zh: Cow<'static, str>,
}

/// One end of a flow.
#[derive(Debug, Clone, Default, Serialize)]
pub struct End {
    /// What it is.
    pub title: Text,
    /// Where it listens, or what it asks for.
    pub address: Text,
}

/// The state of a connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Link {
    /// The state.
    pub state: Text,
    /// How well that is proven.
    pub proof: Text,
    /// How to colour it.
    pub tone: Tone,
}

/// How a thing is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Neither good nor bad.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Being repaired, or to be looked at.
    Warn,
    /// Broken, or refused.
    Bad,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Counter {
    /// Its name in `GET /state`.
    pub id: &'static str,
    /// Its name for people.
    pub title: Text,
    /// How often.
    pub value: u64,
    /// How to colour it when it is not zero.
    pub tone: Tone,
}

/// Something a person can do to a flow.
#[derive(Debug, Clone, Serialize)]
pub struct Switch {
    /// Its name in `POST /fault`.
    pub id: &'static str,
    /// What it does.
    pub title: Text,
    /// The same in a sentence.
    pub hint: Text,
    /// True if it stays on until switched off; false if it happens once.
    pub holds: bool,
    /// True while it is on.
    pub on: bool,
}

/// A program that does the same from outside.
#[derive(Debug, Clone, Serialize)]
pub struct Snippet {
    /// What it does.
    pub title: Text,
    /// What runs it: `curl`, `Python`.
    pub language: &'static str,
    /// The program.
    pub code: String,
}

/// A hole in a flow.
#[derive(Debug, Clone, Serialize)]
pub struct Gap {
    /// Its start, in Unix milliseconds.
    pub from: i64,
    /// Its end, in Unix milliseconds; `None` while it lasts.
    pub to: Option<i64>,
    /// What became of it.
    pub state: GapState,
    /// Events that had been missed and were fetched.
    pub recovered: u64,
    /// Why it stays open.
    pub why: Text,
}

/// What became of a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GapState {
    /// The connection is still down, or the history is being asked.
    Open,
    /// Every event in it has been delivered.
    Filled,
    /// Given up.
    Lost,
}

/// One thing that arrived.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Card {
    /// Its place among all cards.
    pub id: u64,
    /// When it happened, in Unix milliseconds.
    pub at: i64,
    /// A name, shown as it came.
    pub title: String,
    /// Where, by what.
    pub place: String,
    /// Short remarks.
    pub tags: Vec<Tag>,
    /// True if things of its kind have pictures.
    pub pictured: bool,
    /// Pictures, for `GET /picture/ID`: what arrived first, what it was compared with second.
    pub pictures: Vec<u64>,
    /// How to colour it.
    pub tone: Tone,
}

/// A short remark.
#[derive(Debug, Clone, Serialize)]
pub struct Tag {
    /// The remark.
    pub text: Text,
    /// How to colour it.
    pub tone: Tone,
}

/// An emitted event on the time line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mark {
    /// The event's own id.
    pub id: String,
    /// When it was emitted, in Unix milliseconds.
    pub at: i64,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an emitted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Not arrived yet.
    Sent,
    /// Arrived at once.
    Live,
    /// Fetched later.
    Backfill,
    /// Kept by its sender until it could arrive.
    Late,
    /// Turned away, as it should be.
    Rejected,
}

/// One message, shortened for the screen.
#[derive(Debug, Clone, Serialize)]
pub struct WireLine {
    /// For `GET /wire/ID`, which has the exact bytes.
    pub id: u64,
    /// When, in Unix milliseconds.
    pub at: i64,
    /// True if the collecting end said it.
    pub outbound: bool,
    /// What it is: `WebSocket text`, `GET …`.
    pub label: String,
    /// Length of the exact bytes.
    pub len: usize,
    /// Its text, long base64 left out.
    pub text: String,
}

/// A message, whole.
#[derive(Debug, Clone)]
pub struct WireBytes {
    /// Its `Content-Type`.
    pub kind: &'static str,
    /// Exactly what was on the wire.
    pub bytes: Bytes,
}

impl Text {
    /// The same in both languages.
    pub fn same(text: impl Into<Cow<'static, str>>) -> Self {
        let en = text.into();
        Self { zh: en.clone(), en }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::same(text)
    }
}

impl Tag {
    /// A remark in both languages.
    pub fn new(text: Text, tone: Tone) -> Self {
        Self { text, tone }
    }
}

impl Flow {
    /// A flow that nothing has gone through.
    pub fn new(id: &'static str, lane: &'static str, title: Text) -> Self {
        Self {
            id,
            lane,
            title,
            ends: [End::default(), End::default()],
            link: Link::default(),
            counters: Vec::new(),
            switches: Vec::new(),
            snippets: Vec::new(),
            fates: &[Fate::Sent, Fate::Live, Fate::Backfill],
            gaps: VecDeque::new(),
            events: VecDeque::new(),
            marks: VecDeque::new(),
            wire: VecDeque::new(),
        }
    }

    /// With one more figure.
    #[must_use]
    pub fn counter(mut self, id: &'static str, title: Text, tone: Tone) -> Self {
        self.counters.push(Counter {
            id,
            title,
            value: 0,
            tone,
        });
        self
    }

    /// With something that happens once when pressed.
    #[must_use]
    pub fn press(mut self, id: &'static str, title: Text, hint: Text) -> Self {
        self.switches.push(Switch {
            id,
            title,
            hint,
            holds: false,
            on: false,
        });
        self
    }

    /// With something that is on or off.
    #[must_use]
    pub fn toggle(mut self, id: &'static str, title: Text, hint: Text) -> Self {
        self = self.press(id, title, hint);
        if let Some(switch) = self.switches.last_mut() {
            switch.holds = true;
        }
        self
    }

    /// With a program that does the same from outside.
    #[must_use]
    pub fn snippet(mut self, title: Text, language: &'static str, code: String) -> Self {
        self.snippets.push(Snippet {
            title,
            language,
            code,
        });
        self
    }
}

/// A text in English and Chinese.
pub fn text(en: impl Into<Cow<'static, str>>, zh: impl Into<Cow<'static, str>>) -> Text {
    Text {
        en: en.into(),
        zh: zh.into(),
    }
}

/// What fits the screen of a message: its text with every long run of base64 left out.
pub fn elided(bytes: &[u8]) -> String {
    let whole = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    let mut rest = &*whole;
    while let Some(start) = rest.find(is_base64) {
        let run = &rest[start..];
        let end = run.find(|c| !is_base64(c)).unwrap_or(run.len());
        shown.push_str(&rest[..start]);
        if end > LONGEST_RUN {
            shown.push_str(&run[..HEAD]);
            // Writing to a string cannot fail.
            let _ = write!(shown, " … {end} … ");
            shown.push_str(&run[end - TAIL..end]);
        } else {
            shown.push_str(&run[..end]);
        }
        rest = &run[end..];
    }
    shown.push_str(rest);
    if let Some((cut, _)) = shown.char_indices().nth(MAX_SHOWN) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

/// Longest run of base64 shown whole; ids, tokens and digests are shorter.
const LONGEST_RUN: usize = 96;
/// Characters shown of the start and of the end of a longer one.
const HEAD: usize = 16;
const TAIL: usize = 6;
/// Most characters of one message on the screen.
const MAX_SHOWN: usize = 4096;

fn is_base64(c: char) -> bool {
    // A backslash too: boxes may escape the slashes.
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_base64_is_left_out_and_its_length_told() {
        let json = format!(r#"{{"reg_pic":"{}","name":"小明"}}"#, "/9j/".repeat(50));
        assert_eq!(
            elided(json.as_bytes()),
            r#"{"reg_pic":"/9j//9j//9j//9j/ … 200 … j//9j/","name":"小明"}"#
        );
    }

    #[test]
    fn short_message_is_shown_as_it_is() {
        let json = r#"{"need_face":true,"event_list":["04f98265-1fad-47e5-9dda-66e191272055"]}"#;
        assert_eq!(elided(json.as_bytes()), json);
    }

    #[test]
    fn endless_message_is_cut_on_a_character() {
        let text = "小 ".repeat(MAX_SHOWN);
        assert_eq!(elided(text.as_bytes()).chars().count(), MAX_SHOWN + 1);
    }
}
