//! Where lanes leave news and pages pick it up.

use super::ring::Ring;
use super::view::{
    Card, Fate, Flow, Gap, GapState, Lane, Link, Mark, Text, Tone, WireBytes, WireLine, elided,
};
use crate::clock::unix_now;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{broadcast, mpsc};

/// Everything the page shows, bounded, and who wants to hear of changes.
///
/// Lanes write through [`FlowHandle`]s; each page reads a snapshot and then the changes since, which
/// are queued under the same lock, so that none is missed or doubled.
#[derive(Debug)]
pub struct Hub {
    board: Mutex<Board>,
    news: broadcast::Sender<Arc<str>>,
    started: Instant,
}

/// One flow's door to the [`Hub`].
#[derive(Debug, Clone)]
pub struct FlowHandle {
    hub: Arc<Hub>,
    flow: usize,
}

/// A person used a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Press {
    /// [`super::view::Switch::id`].
    pub switch: &'static str,
    /// On or off; on for one that does not hold.
    pub on: bool,
}

/// A switch could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PressError {
    /// No such flow, or it has no such switch.
    Unknown,
    /// The flow has not come to the last ones yet.
    Busy,
}

#[derive(Debug)]
struct Board {
    lanes: Vec<Lane>,
    flows: Vec<Shown>,
    pictures: Ring<Bytes>,
    wire: [Ring<WireBytes>; 2], // to the collecting end, and from it
    next_card: u64,
}

#[derive(Debug)]
struct Shown {
    view: Flow,
    presses: mpsc::Sender<Press>,
    is_dirty: bool, // link, counters, switches or gaps changed since the last patch
}

impl Hub {
    /// An empty page.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            board: Mutex::new(Board {
                lanes: Vec::new(),
                flows: Vec::new(),
                pictures: Ring::new(MAX_PICTURES, MAX_PICTURE_BYTES),
                wire: [(); 2].map(|()| Ring::new(MAX_WIRE, MAX_WIRE_BYTES)),
                next_card: 0,
            }),
            news: broadcast::channel(MAX_NEWS).0,
            started: Instant::now(),
        })
    }

    /// Adds a protocol.
    pub fn add_lane(&self, lane: Lane) {
        self.board().lanes.push(lane);
    }

    /// Adds a flow to its lane. The receiver gets what people do to it.
    pub fn add_flow(self: &Arc<Self>, view: Flow) -> (FlowHandle, mpsc::Receiver<Press>) {
        let (presses, receiver) = mpsc::channel(8);
        let mut board = self.board();
        board.flows.push(Shown {
            view,
            presses,
            is_dirty: false,
        });
        let flow = board.flows.len() - 1;
        let hub = Arc::clone(self);
        (FlowHandle { hub, flow }, receiver)
    }

    /// The whole page as one server-sent event, and the changes from then on.
    pub fn listen(&self) -> (Arc<str>, broadcast::Receiver<Arc<str>>) {
        let board = self.board();
        let flows: Vec<&Flow> = board.flows.iter().map(|shown| &shown.view).collect();
        let page = json!({ "now": unix_now().0, "lanes": board.lanes, "flows": flows });
        (sse("snapshot", &page), self.news.subscribe())
    }

    /// Sends what changed in figures and states. To be called a few times a second, which keeps the
    /// news few however fast events come.
    pub fn flush(&self) {
        let mut board = self.board();
        for shown in board.flows.iter_mut().filter(|shown| shown.is_dirty) {
            shown.is_dirty = false;
            let view = &shown.view;
            self.tell(
                "flow",
                &json!({
                    "flow": view.id, "link": view.link, "counters": view.counters,
                    "switches": view.switches, "gaps": view.gaps,
                }),
            );
        }
    }

    /// Hands a switch to its flow.
    ///
    /// # Errors
    ///
    /// [`PressError`] if there is no such switch, or too many were used at once.
    pub fn press(&self, flow: &str, switch: &str, on: bool) -> Result<(), PressError> {
        let board = self.board();
        let found = board.flows.iter().find(|shown| shown.view.id == flow);
        let shown = found.ok_or(PressError::Unknown)?;
        let known = shown.view.switches.iter().find(|known| known.id == switch);
        let switch = known.ok_or(PressError::Unknown)?.id;
        let press = Press { switch, on };
        shown.presses.try_send(press).map_err(|_| PressError::Busy)
    }

    /// Hands a switch to every flow that has it.
    pub fn press_everywhere(&self, switch: &str, on: bool) {
        let flows: Vec<&'static str> = self
            .board()
            .flows
            .iter()
            .map(|shown| shown.view.id)
            .collect();
        for flow in flows {
            // Flows differ in their switches.
            let _ = self.press(flow, switch, on);
        }
    }

    /// States and figures of every flow, as `GET /state` gives them.
    pub fn state(&self) -> Value {
        let board = self.board();
        let flow = |view: &Flow| {
            let counters: serde_json::Map<String, Value> = view
                .counters
                .iter()
                .map(|counter| (counter.id.to_owned(), counter.value.into()))
                .collect();
            let gaps = |state| view.gaps.iter().filter(|gap| gap.state == state).count();
            json!({
                "lane": view.lane,
                "link": view.link.state.en,
                "assurance": view.link.proof.en,
                "ends": view.ends.each_ref().map(|end| &end.address.en),
                "counters": counters,
                "gaps": {
                    "open": gaps(GapState::Open),
                    "filled": gaps(GapState::Filled),
                    "lost": gaps(GapState::Lost),
                },
                "switched_on": view.switches.iter().filter(|s| s.on).map(|s| s.id).collect::<Vec<_>>(),
            })
        };
        let flows: serde_json::Map<String, Value> = board
            .flows
            .iter()
            .map(|shown| (shown.view.id.to_owned(), flow(&shown.view)))
            .collect();
        json!({ "uptime_ms": self.uptime_ms(), "flows": flows })
    }

    /// A picture that is still held.
    pub fn picture(&self, id: u64) -> Option<Bytes> {
        self.board().pictures.find(id).cloned()
    }

    /// A message that is still held, as it was on the wire.
    pub fn wire(&self, id: u64) -> Option<WireBytes> {
        self.board().wire[usize::from(id % 2 == 1)]
            .find(id / 2)
            .cloned()
    }

    fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tell(&self, name: &str, news: &Value) {
        // Nobody listening is no error.
        let _ = self.news.send(sse(name, news));
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FlowHandle {
    /// Says what the connection is.
    pub fn link(&self, link: Link) {
        self.change(|view| view.link = link);
    }

    /// Sets a figure.
    pub fn set(&self, counter: &str, value: u64) {
        self.figure(counter, |figure| *figure = value);
    }

    /// Sets several figures; those that stay as they are cause no news.
    pub fn set_all(&self, pairs: &[(&str, u64)]) {
        let is_same = |&(counter, value): &(&str, u64)| self.counter(counter) == value;
        if !pairs.iter().all(is_same) {
            for (counter, value) in pairs {
                self.set(counter, *value);
            }
        }
    }

    /// Names a figure anew, if its name tells how what is counted is doing.
    pub fn rename(&self, counter: &str, title: Text) {
        self.change(|view| {
            let known = view.counters.iter_mut().find(|known| known.id == counter);
            if let Some(known) = known {
                known.title = title;
            }
        });
    }

    /// Raises a figure by one.
    pub fn count(&self, counter: &str) {
        self.figure(counter, |figure| *figure += 1);
    }

    /// A figure.
    pub fn counter(&self, counter: &str) -> u64 {
        let board = self.hub.board();
        let known = &board.flows[self.flow].view.counters;
        known
            .iter()
            .find(|known| known.id == counter)
            .map_or(0, |known| known.value)
    }

    /// Shows a switch as on or off.
    pub fn switched(&self, switch: &str, on: bool) {
        self.change(|view| {
            if let Some(switch) = view.switches.iter_mut().find(|known| known.id == switch) {
                switch.on = on;
            }
        });
    }

    /// Shows a gap. One that starts within the last, or that the last still waits to end, replaces it.
    pub fn gap(&self, gap: Gap) {
        self.change(|view| {
            let replaces = |last: &Gap| {
                last.state == GapState::Open && last.to.is_none_or(|to| gap.from <= to)
            };
            if view.gaps.back().is_some_and(replaces) {
                view.gaps.pop_back();
            }
            push_bounded(&mut view.gaps, gap, MAX_GAPS);
        });
    }

    /// Tells what became of the open gap that lies in `span`.
    pub fn gap_ended(&self, span: RangeInclusive<i64>, state: GapState, recovered: u64, why: Text) {
        self.change(|view| {
            let open = view.gaps.iter_mut().rev().find(|gap| {
                let is_in = gap.from <= *span.end() && gap.to.is_none_or(|to| *span.start() <= to);
                gap.state == GapState::Open && is_in
            });
            if let Some(gap) = open {
                gap.state = state;
                gap.recovered += recovered;
                gap.why = why;
            }
        });
    }

    /// True while a gap is being repaired.
    pub fn has_open_gap(&self) -> bool {
        let board = self.hub.board();
        let gaps = &board.flows[self.flow].view.gaps;
        gaps.iter().any(|gap| gap.state == GapState::Open)
    }

    /// Shows something that arrived; its id is given here.
    pub fn card(&self, mut card: Card) {
        let mut board = self.hub.board();
        card.id = board.next_card;
        board.next_card += 1;
        let view = &mut board.flows[self.flow].view;
        self.hub
            .tell("event", &json!({ "flow": view.id, "event": card }));
        push_bounded(&mut view.events, card, MAX_CARDS);
    }

    /// Shows an emitted event, or what became of one, on the time line.
    pub fn mark(&self, mark: Mark) {
        let mut board = self.hub.board();
        let view = &mut board.flows[self.flow].view;
        self.hub
            .tell("mark", &json!({ "flow": view.id, "mark": mark }));
        let marks = &mut view.marks;
        match marks.iter_mut().rev().find(|known| known.id == mark.id) {
            Some(known) if mark.fate != Fate::Sent => known.fate = mark.fate,
            _ => push_bounded(marks, mark, MAX_MARKS),
        }
    }

    /// Keeps a picture for the page.
    pub fn picture(&self, jpeg: Bytes) -> u64 {
        let len = jpeg.len();
        self.hub.board().pictures.push(jpeg, len)
    }

    /// Shows a message.
    pub fn wire(&self, outbound: bool, label: impl Into<String>, kind: &'static str, bytes: Bytes) {
        let mut board = self.hub.board();
        let len = bytes.len();
        let text = elided(&bytes);
        let way = usize::from(outbound);
        let nth = board.wire[way].push(WireBytes { kind, bytes }, len);
        let id = 2 * nth + u64::from(outbound);
        let view = &mut board.flows[self.flow].view;
        let line = WireLine {
            id,
            at: unix_now().0,
            outbound,
            label: label.into(),
            len,
            text,
        };
        self.hub
            .tell("wire", &json!({ "flow": view.id, "line": line }));
        let same = |one: &WireLine| one.outbound == outbound;
        if view.wire.iter().filter(|one| same(one)).count() >= MAX_LINES {
            let oldest = view.wire.iter().position(same);
            oldest.and_then(|at| view.wire.remove(at));
        }
        view.wire.push_back(line);
    }

    fn figure(&self, counter: &str, change: impl FnOnce(&mut u64)) {
        self.change(|view| {
            if let Some(counter) = view.counters.iter_mut().find(|known| known.id == counter) {
                change(&mut counter.value);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Flow)) {
        let shown = &mut self.hub.board().flows[self.flow];
        change(&mut shown.view);
        shown.is_dirty = true;
    }
}

impl Link {
    /// A state and how well it is proven.
    pub fn new(state: Text, proof: Text, tone: Tone) -> Self {
        Self { state, proof, tone }
    }
}

/// News a slow page may be behind before it gets a new snapshot.
const MAX_NEWS: usize = 512;
const MAX_PICTURES: usize = 512;
const MAX_PICTURE_BYTES: usize = 16 << 20;
const MAX_WIRE: usize = 256;
const MAX_WIRE_BYTES: usize = 16 << 20;
/// Per flow; of messages, each way.
const MAX_CARDS: usize = 30;
const MAX_GAPS: usize = 20;
const MAX_LINES: usize = 20;
const MAX_MARKS: usize = 400;

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    while queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// JSON has no line breaks outside of texts and escapes them inside, so one `data:` line holds it.
fn sse(name: &str, data: &Value) -> Arc<str> {
    format!("event: {name}\ndata: {data}\n\n").into()
}
