//! What holds for a receiver whatever happens to it.

mod platform_kit;

use face_record_push::platform::*;
use face_record_push::*;
use platform_kit::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// One thing done to a receiver. Requests and entries go by how long ago they were made.
#[derive(Debug, Clone)]
enum Step {
    Head {
        link: u64,
        sn: Option<u8>,
        length: Option<u64>,
        method: u8,
    },
    Push {
        back: u64,
        sn: u8,
        id: u8,
    },
    Question {
        back: u64,
        sn: u8,
    },
    Garbled {
        back: u64,
        id: u8,
    },
    Outgrown {
        back: u64,
    },
    Cut {
        back: u64,
    },
    Stored {
        seq: u64,
        novelty: Novelty,
    },
    StoreFailed {
        seq: u64,
        error: StoreError,
    },
    Answered {
        ask: u64,
        answer: TerminalAnswer,
    },
    Import {
        sn: u8,
        id: u8,
    },
    Enrol {
        n: u8,
    },
    Forget {
        n: u8,
    },
    Decide {
        back: u64,
        pass: bool,
    },
    Consumed,
    Timeout,
    Close,
}

fn wanted() -> Subscription {
    Subscription::to(Dest::parse("http://192.0.2.100/Record").unwrap())
}

fn terminal(n: u8) -> Terminal {
    let terminal = Terminal::new(Dest::parse(&format!("https://192.0.2.{n}:8000")).unwrap());
    if n % 2 == 0 {
        terminal.with_login(Login::new("admin", "secret"))
    } else {
        terminal
    }
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let length = proptest::option::of(prop_oneof![0..200_000_u64, 0..(70_u64 << 20)]);
    let error = prop_oneof![
        Just(StoreError::Full),
        Just(StoreError::Busy),
        Just(StoreError::Broken)
    ];
    let novelty = prop_oneof![3 => Just(Novelty::New), 1 => Just(Novelty::Known)];
    let answer = prop_oneof![
        Just(TerminalAnswer::Token(Token("t".to_owned()))),
        Just(TerminalAnswer::Config(None)),
        Just(TerminalAnswer::Config(Some(wanted()))),
        Just(TerminalAnswer::Taken),
        Just(TerminalAnswer::Failed(EnrolError::Unreachable)),
    ];
    let step = prop_oneof![
        8 => (0..6_u64, proptest::option::of(0..3_u8), length, 0..12_u8).prop_map(
            |(link, sn, length, method)| Step::Head { link, sn, length, method }
        ),
        8 => (0..5_u64, 0..3_u8, 0..6_u8).prop_map(|(back, sn, id)| Step::Push { back, sn, id }),
        1 => (0..5_u64, 0..3_u8).prop_map(|(back, sn)| Step::Question { back, sn }),
        1 => (0..5_u64, 0..3_u8).prop_map(|(back, id)| Step::Garbled { back, id }),
        1 => (0..5_u64).prop_map(|back| Step::Outgrown { back }),
        1 => (0..5_u64).prop_map(|back| Step::Cut { back }),
        6 => (1..20_u64, novelty).prop_map(|(seq, novelty)| Step::Stored { seq, novelty }),
        2 => (1..20_u64, error).prop_map(|(seq, error)| Step::StoreFailed { seq, error }),
        2 => (1..6_u64, answer).prop_map(|(ask, answer)| Step::Answered { ask, answer }),
        1 => (0..3_u8, 0..6_u8).prop_map(|(sn, id)| Step::Import { sn, id }),
        1 => (0..4_u8).prop_map(|n| Step::Enrol { n }),
        1 => (0..4_u8).prop_map(|n| Step::Forget { n }),
        1 => (0..5_u64, any::<bool>()).prop_map(|(back, pass)| Step::Decide { back, pass }),
        1 => Just(Step::Consumed),
        1 => Just(Step::Timeout),
        1 => prop_oneof![9 => Just(Step::Timeout), 1 => Just(Step::Close)],
    ];
    proptest::collection::vec((0..4_000_u64, step), 0..80)
}

fn config_of() -> impl Strategy<Value = Config> {
    (any::<u64>(), any::<bool>(), any::<bool>(), 0..3_u8).prop_map(|(seed, small, ask, legacy)| {
        let mut config = Config::new(seed);
        if small {
            (config.budget, config.max_waiting) = (9 << 20, 3);
            (config.keys_per_terminal, config.max_terminals) = (2, 1);
            (config.max_enrolling, config.max_importing) = (1, 1);
            config.verify_every = Some(Duration::from_secs(3));
        }
        if ask {
            config.remote_auth = RemoteAuth::Ask(Duration::from_secs(3));
        }
        config.legacy_pass = match legacy {
            0 => LegacyPass::Omit,
            1 => LegacyPass::Deny,
            _ => LegacyPass::Echo,
        };
        config
    })
}

/// A machine and how many requests it has seen.
struct Driven {
    platform: Platform,
    heads: u64,
}

impl Driven {
    fn new(config: Config) -> Self {
        Self {
            platform: Platform::new(config, Seq(1)),
            heads: 0,
        }
    }

    fn id(&self, back: u64) -> ExchangeId {
        ExchangeId(self.heads.saturating_sub(back))
    }

    fn apply(&mut self, now: Instant, at: UnixMillis, step: Step) {
        let name = |sn: u8| format!("T{sn}");
        let input = match step {
            Step::Head {
                link,
                sn,
                length,
                method,
            } => {
                let mut head = head(link);
                head.serial = sn.map(|sn| serial(&name(sn)));
                head.length = length;
                head.method = match method {
                    0 => Method::Get,
                    1 => Method::Other,
                    _ => Method::Post,
                };
                self.heads += 1;
                Input::Connected(ExchangeId(self.heads), head)
            }
            Step::Push { back, sn, id } => {
                Input::Received(at, self.id(back), push(&name(sn), id.into()))
            }
            Step::Question { back, sn } => Input::Received(at, self.id(back), question(&name(sn))),
            Step::Garbled { back, id } => {
                Input::Garbled(at, self.id(back), garbage(&format!("nonsense {id}")))
            }
            Step::Outgrown { back } => Input::Outgrown(self.id(back)),
            Step::Cut { back } => Input::Disconnected(self.id(back)),
            Step::Stored { seq, novelty } => Input::Stored(Seq(seq), novelty),
            Step::StoreFailed { seq, error } => Input::StoreFailed(Seq(seq), error),
            Step::Answered { ask, answer } => Input::Answered(AskId(ask), answer),
            Step::Import { sn, id } => {
                let push = push(&name(sn), id.into());
                drop(self.platform.import(now, at, serial(&name(sn)), push));
                return;
            }
            Step::Enrol { n } => {
                drop(self.platform.enrol(now, terminal(n), wanted()));
                return;
            }
            Step::Forget { n } => {
                self.platform.forget(now, &terminal(n));
                return;
            }
            Step::Decide { back, pass } => {
                let id = self.id(back);
                drop(self.platform.decide(now, id, AuthDecision::new(pass)));
                return;
            }
            Step::Consumed => return self.platform.consumed(now, "app", Seq(3)),
            Step::Timeout => return self.platform.handle_timeout(now),
            Step::Close => return self.platform.close(now),
        };
        self.platform.handle_input(now, input);
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.platform.poll_output()).collect()
    }
}

fn wall(elapsed: u64) -> UnixMillis {
    UnixMillis(START + i64::try_from(elapsed).unwrap())
}

/// What was said to one request.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    replies: usize,
    hang_ups: usize,
}

proptest! {
    #[test]
    fn draining_late_changes_nothing(config in config_of(), steps in steps()) {
        let (mut now, mut elapsed) = (origin(), 0);
        let (mut eager, mut lazy) = (Driven::new(config.clone()), Driven::new(config));
        let mut seen = Vec::new();
        for (wait, step) in steps {
            now += Duration::from_millis(wait);
            elapsed += wait;
            eager.apply(now, wall(elapsed), step.clone());
            seen.extend(eager.drain());
            lazy.apply(now, wall(elapsed), step);
            prop_assert_eq!(eager.platform.poll_timeout(), lazy.platform.poll_timeout());
        }
        prop_assert_eq!(seen, lazy.drain());
    }

    #[test]
    fn firing_timers_twice_or_early_changes_nothing(config in config_of(), steps in steps()) {
        let (mut now, mut elapsed) = (origin(), 0);
        let (mut once, mut often) = (Driven::new(config.clone()), Driven::new(config));
        for (wait, step) in steps {
            let early = now + Duration::from_millis(wait / 2);
            now += Duration::from_millis(wait);
            elapsed += wait;
            once.platform.handle_timeout(early);
            often.platform.handle_timeout(early);
            often.platform.handle_timeout(early);
            once.apply(now, wall(elapsed), step.clone());
            often.apply(now, wall(elapsed), step);
            often.platform.handle_timeout(now);
            prop_assert_eq!(once.drain(), often.drain());
        }
    }

    #[test]
    fn replaying_the_same_gives_the_same(config in config_of(), steps in steps()) {
        let run = || {
            let (mut now, mut elapsed) = (origin(), 0);
            let mut driven = Driven::new(config.clone());
            for (wait, step) in steps.clone() {
                now += Duration::from_millis(wait);
                elapsed += wait;
                driven.apply(now, wall(elapsed), step);
            }
            (driven.drain(), driven.platform.counters())
        };
        prop_assert_eq!(run(), run());
    }

    /// FI-6 to FI-11.
    #[test]
    fn the_invariants_hold_whatever_happens(config in config_of(), steps in steps()) {
        let (mut now, mut elapsed) = (origin(), 0);
        let mut driven = Driven::new(config.clone());
        let mut told: BTreeMap<ExchangeId, Told> = BTreeMap::new();
        let mut cut = BTreeSet::new();
        let mut open: BTreeSet<ExchangeId> = BTreeSet::new();
        let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
        let (mut last_asked, mut last_told) = (Seq(0), Seq(0));
        let (mut asks, mut closed) = (0_u64, 0);
        let ends = [Step::Close, Step::Timeout, Step::Timeout].map(|step| (4_000, step));
        for (wait, step) in steps.into_iter().chain(ends) {
            now += Duration::from_millis(wait);
            elapsed += wait;
            let heads = driven.heads;
            driven.platform.handle_timeout(now);
            let was_closed = driven.platform.is_closed();
            match &step {
                Step::Cut { back } => {
                    let id = driven.id(*back);
                    if driven.platform.exchange(id) != ExchangeState::Over {
                        cut.insert(id);
                        open.remove(&id);
                    }
                }
                Step::Stored { seq, .. } | Step::StoreFailed { seq, .. } => {
                    answered.insert(Seq(*seq));
                }
                _ => {}
            }
            driven.apply(now, wall(elapsed), step);
            if driven.heads > heads && !was_closed {
                open.insert(ExchangeId(driven.heads));
            }
            for output in driven.drain() {
                //= docs/spec/face-record-push.md#acknowledgement
                //= type=test
                //# Each request MUST be answered exactly once unless it is disconnected.
                prop_assert_eq!(closed, 0, "nothing follows Closed");
                match output {
                    Output::Send(id, _) => {
                        told.entry(id).or_default().replies += 1;
                        prop_assert!(open.remove(&id));
                    }
                    Output::Disconnect(id) => {
                        told.entry(id).or_default().hang_ups += 1;
                        prop_assert!(open.remove(&id));
                    }
                    Output::Continue(id, limit) => {
                        // It may have been let in just before it was cut off.
                        prop_assert!(open.contains(&id) || cut.contains(&id));
                        prop_assert!(limit <= config.hard_max);
                    }
                    Output::Store(
 Op::Keep(Entry { seq, .. }) | Op::Quarantine(Quarantined { seq, .. }),
) => {
                        prop_assert!(seq > last_asked);
                        last_asked = seq;
                        asked.insert(seq);
                    }
                    Output::Event(Event::Kept(entry)) => {
                        prop_assert!(entry.seq > last_told && answered.contains(&entry.seq));
                        prop_assert!(asked.contains(&entry.seq));
                        let is_live = entry.freshness == Freshness::Live;
                        let is_pushed = entry.source == Source::Pushed;
                        prop_assert_eq!(entry.is_actionable(), is_live && is_pushed);
                        last_told = entry.seq;
                    }
                    Output::Event(Event::Quarantined(body)) => {
                        prop_assert!(body.seq > last_told && answered.contains(&body.seq));
                        last_told = body.seq;
                    }
                    Output::Event(Event::Closed(_)) => closed += 1,
                    Output::Ask(id, ..) => {
                        prop_assert!(id.0 > asks);
                        asks = id.0;
                    }
                    _ => {}
                }
            }
            prop_assert!(driven.platform.reserved_bytes() <= config.budget + config.hard_max);
            driven.platform.handle_timeout(now);
            let next = driven.platform.poll_timeout();
            prop_assert!(next.is_none_or(|next| next > now));
            // What waits for neither a timer nor the store would wait for ever.
            for id in &open {
                let state = driven.platform.exchange(*id);
                prop_assert!(state != ExchangeState::Over);
                prop_assert!(next.is_some() || state == ExchangeState::Storing);
            }
        }
        prop_assert_eq!(closed, 1);
        prop_assert!(open.is_empty(), "{:?}", open);
        for (id, told) in told {
            let is_cut = usize::from(cut.contains(&id));
            prop_assert_eq!(told.replies + told.hang_ups + is_cut, 1);
        }
        prop_assert_eq!(driven.platform.poll_timeout(), None);
        prop_assert_eq!(driven.platform.waiting(), 0);
        let counters = driven.platform.counters();
        prop_assert!(counters.remembered <= counters.known);
        prop_assert!(counters.store_failed <= counters.deferred);
    }
}
