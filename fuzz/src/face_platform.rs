//! The receiver of face records: whatever is done to it and to its store, in whatever order, its
//! invariants hold.

use arbitrary::{Arbitrary, Result, Unstructured};
use face_record_push::platform::{
    AskId, Config, EnrolError, Event, ExchangeState, Head, Input, LinkId, Method, Novelty, Op,
    Output, Platform, RemoteAuth, Seq, StoreError, Terminal, TerminalAnswer,
};
use face_record_push::{
    AuthDecision, Dest, ExchangeId, LegacyPass, Login, Push, RecordKey, SerialNumber, Subscription,
    Token, UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Lists of operations never break an invariant: one reply to each request, none of 200 before the
/// push is kept, memory within its limits, numbers reported in order, `Closed` once and last; an
/// application that goes by journal and cursor sees every entry once, wherever the receiver crashes;
/// and draining late or firing timers twice changes nothing.
pub fn ops(data: &[u8]) {
    let _ = try_ops(&mut Unstructured::new(data));
}

/// One thing done to a machine or its store. Requests go by how long ago they came.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Operation {
    Head {
        link: u8,
        terminal: Option<u8>,
        length: Option<u32>,
        method: u8,
    },
    Record {
        back: u8,
        terminal: u8,
        id: u8,
        is_old: bool,
    },
    Question {
        back: u8,
        terminal: u8,
    },
    Garbled {
        back: u8,
        id: u8,
    },
    Outgrown {
        back: u8,
    },
    Cut {
        back: u8,
    },
    Decide {
        back: u8,
        pass: bool,
    },
    Import {
        terminal: u8,
        id: u8,
    },
    /// The store carries out its oldest request, or fails to.
    Execute {
        how: u8,
    },
    /// One of its answers arrives.
    Answer {
        which: u8,
    },
    Enrol {
        n: u8,
    },
    Forget {
        n: u8,
    },
    Configured {
        back: u8,
        how: u8,
    },
    Wait {
        millis: u16,
    },
    /// Up to the next timer.
    Fire,
    Close,
    /// The receiver is killed and starts again.
    Crash,
}

/// The store and the application: what survives a crash.
#[derive(Default)]
struct Journal {
    rows: BTreeMap<Seq, (SerialNumber, RecordKey)>,
    keys: BTreeSet<(SerialNumber, RecordKey)>,
    quarantine: BTreeSet<RecordKey>,
    last: Seq,
    cursor: Seq,
    seen: Vec<Seq>,
}

/// What the outputs of one life amount to.
#[derive(Default)]
struct Life {
    heads: u64,
    open: BTreeSet<ExchangeId>,
    /// What each request brought, if it is to be kept.
    brought: BTreeMap<ExchangeId, (SerialNumber, RecordKey)>,
    questions: BTreeSet<ExchangeId>,
    writes: VecDeque<Op>,
    answers: Vec<Input>,
    asked: Seq,
    told: Seq,
    asks: u64,
    is_closed: bool,
}

const START: i64 = 1_660_625_866_000;

fn try_ops(input: &mut Unstructured<'_>) -> Result<()> {
    let config = config(input)?;
    let mut journal = Journal::default();
    let mut life = Life::default();
    let mut eager = Platform::new(config.clone(), Seq(1));
    let mut lazy = Platform::new(config.clone(), Seq(1));
    let mut said = Vec::new();
    #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    let mut now = Instant::now();
    let mut wall = UnixMillis(START);
    for _ in 0..400 {
        let Ok(operation) = Operation::arbitrary(input) else {
            break;
        };
        let wait = match operation {
            Operation::Wait { millis } => Duration::from_millis(millis.into()),
            Operation::Fire => eager
                .poll_timeout()
                .map_or(Duration::ZERO, |due| due.saturating_duration_since(now)),
            _ => Duration::ZERO,
        };
        now += wait;
        wall = wall.plus(i64::try_from(wait.as_millis()).unwrap_or_default());
        if let Operation::Crash = operation {
            assert_eq!(said, drain(&mut lazy), "draining late changes nothing");
            journal.catch_up();
            let next = Seq(journal.last.0 + 1);
            (eager, lazy) = (
                Platform::new(config.clone(), next),
                Platform::new(config.clone(), next),
            );
            (life, said) = (Life::default(), Vec::new());
            continue;
        }
        eager.handle_timeout(now);
        lazy.handle_timeout(now);
        for output in drain(&mut eager) {
            life.account(&output, &mut journal, &config);
            said.push(output);
        }
        for step in life.steps(operation, wall, &eager, &mut journal) {
            step.apply(&mut eager, now);
            step.apply(&mut lazy, now);
        }
        eager.handle_timeout(now);
        for output in drain(&mut eager) {
            life.account(&output, &mut journal, &config);
            said.push(output);
        }
        life.check(&eager, now, &config);
    }
    eager.close(now);
    lazy.close(now);
    now += config.close_timeout;
    eager.handle_timeout(now);
    lazy.handle_timeout(now);
    for output in drain(&mut eager) {
        life.account(&output, &mut journal, &config);
        said.push(output);
    }
    assert_eq!(said, drain(&mut lazy), "draining late changes nothing");
    assert!(life.is_closed && life.open.is_empty());
    assert_eq!(eager.poll_timeout(), None);
    journal.catch_up();
    let rows: Vec<Seq> = journal.rows.keys().copied().collect();
    assert_eq!(journal.seen, rows, "every entry once, in order");
    Ok(())
}

fn config(input: &mut Unstructured<'_>) -> Result<Config> {
    let mut config = Config::new(input.arbitrary()?);
    if input.arbitrary()? {
        (config.budget, config.max_waiting) = (9 << 20, 3);
        (config.keys_per_terminal, config.max_terminals) = (2, 1);
        (config.max_enrolling, config.max_importing) = (1, 1);
        config.verify_every = Some(Duration::from_secs(3));
    }
    if input.arbitrary()? {
        config.remote_auth = RemoteAuth::Ask(Duration::from_secs(3));
    }
    if input.arbitrary()? {
        config.legacy_pass = LegacyPass::Echo;
    }
    if input.arbitrary()? {
        config.serials = (0..2).map(serial).collect();
    }
    Ok(config)
}

/// Something that is done to both machines.
enum Step {
    Input(Input),
    Decide(ExchangeId, bool),
    Import(UnixMillis, SerialNumber, Push),
    Enrol(Terminal),
    Forget(Terminal),
    Close,
}

impl Step {
    fn apply(&self, platform: &mut Platform, now: Instant) {
        match self {
            Self::Input(input) => platform.handle_input(now, input.clone()),
            Self::Decide(id, pass) => {
                drop(platform.decide(now, *id, AuthDecision::new(*pass)));
            }
            Self::Import(at, serial, push) => {
                drop(platform.import(now, *at, serial.clone(), push.clone()));
            }
            Self::Enrol(terminal) => drop(platform.enrol(now, terminal.clone(), wanted())),
            Self::Forget(terminal) => {
                platform.forget(now, terminal);
            }
            Self::Close => platform.close(now),
        }
        platform.handle_timeout(now);
    }
}

impl Journal {
    /// The application reads what it has not seen, as after a crash.
    fn catch_up(&mut self) {
        let rows = self.rows.range(Seq(self.cursor.0 + 1)..);
        self.seen.extend(rows.map(|(seq, _)| *seq));
        self.cursor = self.cursor.max(self.last);
    }

    /// Carries out a request; `None` if it fails.
    fn execute(&mut self, op: Op) -> Option<(Seq, Novelty)> {
        let (seq, is_new) = match op {
            Op::Keep(entry) => {
                let row = (entry.serial, entry.key);
                let is_new = self.keys.insert(row.clone());
                if is_new {
                    self.rows.insert(entry.seq, row);
                }
                (entry.seq, is_new)
            }
            Op::Quarantine(body) => (body.seq, self.quarantine.insert(body.key)),
            _ => return None,
        };
        self.last = self.last.max(seq);
        let novelty = if is_new { Novelty::New } else { Novelty::Known };
        Some((seq, novelty))
    }
}

impl Life {
    fn id(&self, back: u8) -> ExchangeId {
        ExchangeId(self.heads.saturating_sub(u64::from(back % 8)))
    }

    fn steps(
        &mut self,
        operation: Operation,
        at: UnixMillis,
        platform: &Platform,
        journal: &mut Journal,
    ) -> Vec<Step> {
        let input = match operation {
            Operation::Head {
                link,
                terminal,
                length,
                method,
            } => {
                let mut head = Head::post(LinkId(u64::from(link % 8)), "192.0.2.7", "/Record");
                head.serial = terminal.map(serial);
                head.length = length.map(|length| u64::from(length % (70 << 20)));
                head.method = match method % 16 {
                    0 => Method::Get,
                    1 => Method::Other,
                    _ => Method::Post,
                };
                self.heads += 1;
                let id = ExchangeId(self.heads);
                if !platform.is_closed() {
                    self.open.insert(id);
                }
                Input::Connected(id, head)
            }
            Operation::Record {
                back,
                terminal,
                id,
                is_old,
            } => {
                let push = record(terminal, id, is_old);
                let exchange = self.id(back);
                if platform.exchange(exchange) == ExchangeState::Reading {
                    let serial = serial(terminal);
                    let key = push.key(&serial);
                    self.brought.insert(exchange, (serial, key));
                }
                Input::Received(at, exchange, push)
            }
            Operation::Question { back, terminal } => {
                let exchange = self.id(back);
                if platform.exchange(exchange) == ExchangeState::Reading {
                    self.questions.insert(exchange);
                }
                let json = format!(r#"{{"deviceSN":"T{}","recognizeStatus":2}}"#, terminal % 3);
                Input::Received(at, exchange, decode(json))
            }
            Operation::Garbled { back, id } => {
                let error = Push::decode(format!("nonsense {}", id % 4).into());
                Input::Garbled(at, self.id(back), error.expect_err("nonsense"))
            }
            Operation::Outgrown { back } => Input::Outgrown(self.id(back)),
            Operation::Cut { back } => {
                self.open.remove(&self.id(back));
                Input::Disconnected(self.id(back))
            }
            Operation::Decide { back, pass } => {
                return vec![Step::Decide(self.id(back), pass)];
            }
            Operation::Import { terminal, id } => {
                let push = record(terminal, id, true);
                return vec![Step::Import(at, serial(terminal), push)];
            }
            Operation::Execute { how } => {
                if let Some(op) = self.writes.pop_front() {
                    let (Op::Keep(_) | Op::Quarantine(_)) = &op else {
                        return Vec::new();
                    };
                    let seq = seq_of(&op);
                    let done = (how % 4 != 0).then(|| journal.execute(op)).flatten();
                    self.answers.push(match done {
                        Some((seq, novelty)) => Input::Stored(seq, novelty),
                        None => Input::StoreFailed(seq, StoreError::Busy),
                    });
                }
                return Vec::new();
            }
            Operation::Answer { which } => {
                if self.answers.is_empty() {
                    return Vec::new();
                }
                self.answers.remove(usize::from(which) % self.answers.len())
            }
            Operation::Enrol { n } => return vec![Step::Enrol(terminal(n))],
            Operation::Forget { n } => return vec![Step::Forget(terminal(n))],
            Operation::Configured { back, how } => {
                let id = AskId(self.asks.saturating_sub(u64::from(back % 4)));
                Input::Answered(id, answer(how))
            }
            Operation::Close => return vec![Step::Close],
            Operation::Wait { .. } | Operation::Fire | Operation::Crash => return Vec::new(),
        };
        vec![Step::Input(input)]
    }

    fn account(&mut self, output: &Output, journal: &mut Journal, config: &Config) {
        assert!(!self.is_closed, "nothing follows Closed");
        match output {
            Output::Continue(id, limit) => {
                assert!(self.open.contains(id) && *limit <= config.hard_max);
            }
            Output::Send(id, reply) => {
                assert!(self.open.remove(id), "one reply to each request");
                if let Some(row) = self.brought.get(id).filter(|_| reply.status() == 200) {
                    let is_kept = journal.keys.contains(row) || !journal.quarantine.is_empty();
                    assert!(is_kept, "kept before acknowledged");
                }
                if self.questions.contains(id) && reply.status() == 200 {
                    assert!(matches!(config.remote_auth, RemoteAuth::Ask(_)));
                }
            }
            Output::Disconnect(id) => assert!(self.open.remove(id), "no reply and a hang-up"),
            Output::Store(op) => {
                assert!(seq_of(op) > self.asked, "numbers ascend");
                self.asked = seq_of(op);
                self.writes.push_back(op.clone());
            }
            Output::Event(Event::Kept(entry)) => {
                assert!(entry.seq > self.told, "reported in order");
                self.told = entry.seq;
                let row = (entry.serial.clone(), entry.key);
                assert_eq!(journal.rows.get(&entry.seq), Some(&row), "kept as reported");
                if entry.seq > journal.cursor {
                    journal.seen.push(entry.seq);
                    journal.cursor = entry.seq;
                }
            }
            Output::Event(Event::Quarantined(body)) => {
                assert!(body.seq > self.told && journal.quarantine.contains(&body.key));
                self.told = body.seq;
            }
            Output::Event(Event::Closed(_)) => self.is_closed = true,
            Output::Ask(id, ..) => {
                assert!(id.0 > self.asks);
                self.asks = id.0;
            }
            _ => {}
        }
    }

    /// Whoever is not answered waits for a timer or for the store, and memory is bounded.
    fn check(&self, platform: &Platform, now: Instant, config: &Config) {
        assert!(platform.reserved_bytes() <= config.budget + config.hard_max);
        let next = platform.poll_timeout();
        assert!(
            next.is_none_or(|next| next > now),
            "a timer that is due has fired"
        );
        let owed = self.writes.len() + self.answers.len();
        for id in &self.open {
            match platform.exchange(*id) {
                ExchangeState::Over => panic!("{id:?} was forgotten"),
                ExchangeState::Storing => assert!(owed > 0, "the store owes an answer"),
                _ => assert!(next.is_some(), "a timer is armed"),
            }
        }
        if owed == 0 && self.open.is_empty() {
            assert_eq!(platform.reserved_bytes(), 0);
        }
    }
}

fn serial(terminal: u8) -> SerialNumber {
    SerialNumber::new(format!("T{}", terminal % 3))
}

fn decode(json: String) -> Push {
    Push::decode(json.into()).expect("a push")
}

fn record(terminal: u8, id: u8, is_old: bool) -> Push {
    let at = START / 1_000 - if is_old { 3_600 } else { 0 };
    decode(format!(
        r#"{{"type":0,"data":{{"deviceSN":"T{}","timestamp":{at},"pass":true,"user":{{"user_id":{}}}}}}}"#,
        terminal % 3,
        id % 8,
    ))
}

fn wanted() -> Subscription {
    Subscription::to(Dest::parse("http://192.0.2.100/Record").expect("a destination"))
}

fn terminal(n: u8) -> Terminal {
    let api = format!("https://192.0.2.{}:8000", 1 + n % 3);
    let terminal = Terminal::new(Dest::parse(&api).expect("a destination"));
    if n.is_multiple_of(2) {
        terminal.with_login(Login::new("admin", "secret"))
    } else {
        terminal
    }
}

fn answer(how: u8) -> TerminalAnswer {
    match how % 5 {
        0 => TerminalAnswer::Token(Token("t".to_owned())),
        1 => TerminalAnswer::Config(None),
        2 => TerminalAnswer::Config(Some(wanted())),
        3 => TerminalAnswer::Taken,
        _ => TerminalAnswer::Failed(EnrolError::Unreachable),
    }
}

fn seq_of(op: &Op) -> Seq {
    match op {
        Op::Keep(entry) => entry.seq,
        Op::Quarantine(body) => body.seq,
        _ => Seq(0),
    }
}

fn drain(platform: &mut Platform) -> Vec<Output> {
    std::iter::from_fn(|| platform.poll_output()).collect()
}
