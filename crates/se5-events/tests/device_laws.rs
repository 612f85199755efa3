//! What holds for the box whatever happens to it.

mod device_kit;

use device_kit::{GATE, Rig, face, sighting};
use proptest::collection::vec;
use proptest::prelude::*;
use se5_events::device::{Config, Device, Event, Fault, Input, LinkId, Output, Peer, Reboot};
use se5_events::{
    Answer, Ask, Dialect, ExchangeId, FromBox, HistoryQuery, Limits, Subscription, ToBox,
    UnixMillis, codec,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const DEVICES: [&str; 3] = [GATE, device_kit::DOOR, "third"];

/// One thing that happens, so many milliseconds after the last one.
#[derive(Debug, Clone)]
enum Op {
    Connect(u64),
    Subscribe(u64, Subscription),
    Garble(u64),
    Ping(u64),
    Slow(u64),
    Ready(u64),
    Leave(u64),
    See(&'static str),
    Ask(u32),
    Fault(Fault),
    ClearFaults,
    CutLinks,
    Reboot(Reboot),
    Wait,
}

impl Op {
    fn link(&self) -> Option<u64> {
        match self {
            Self::Connect(link)
            | Self::Subscribe(link, _)
            | Self::Garble(link)
            | Self::Ping(link)
            | Self::Slow(link)
            | Self::Ready(link)
            | Self::Leave(link) => Some(*link),
            _ => None,
        }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::HalfOpen),
        Just(Fault::NoPong),
        Just(Fault::PingKills),
        (0_u64..3_000).prop_map(|ms| Fault::PingsEvery(Duration::from_millis(ms))),
        (1_u32..5).prop_map(Fault::Truncated),
        Just(Fault::WrongTypes),
        (-10_000_i64..10_000).prop_map(Fault::ClockOff),
        (0.0..1.0).prop_map(Fault::Duplicate),
        (0_u32..6).prop_map(Fault::Reorder),
        (0.0..1.0).prop_map(Fault::Lose),
        (0_u64..3_000).prop_map(|ms| Fault::SlowHistory(Duration::from_millis(ms))),
        Just(Fault::UnsortedPages),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let link = || 0_u64..4;
    let wanted = (vec(0_usize..3, 0..3), any::<(bool, bool)>()).prop_map(|(devices, flags)| {
        Subscription::new(devices.into_iter().map(|device| DEVICES[device]))
            .with_faces(flags.0)
            .with_registered(flags.1)
    });
    prop_oneof![
        3 => link().prop_map(Op::Connect),
        3 => (link(), wanted).prop_map(|(link, wanted)| Op::Subscribe(link, wanted)),
        1 => link().prop_map(Op::Garble),
        1 => link().prop_map(Op::Ping),
        1 => link().prop_map(Op::Slow),
        1 => link().prop_map(Op::Ready),
        1 => link().prop_map(Op::Leave),
        12 => (0_usize..3).prop_map(|device| Op::See(DEVICES[device])),
        2 => (0_u32..3).prop_map(Op::Ask),
        2 => fault().prop_map(Op::Fault),
        1 => Just(Op::ClearFaults),
        1 => Just(Op::CutLinks),
        1 => (any::<bool>(), prop::option::of(any::<bool>())).prop_map(|(keeps, dialect)| {
            let mut how = Reboot::default();
            how.keep_history = keeps;
            how.dialect = dialect.map(|is_v2| if is_v2 { Dialect::V2 } else { Dialect::V1 });
            Op::Reboot(how)
        }),
        2 => Just(Op::Wait),
    ]
}

fn ops() -> impl Strategy<Value = Vec<(u64, Op)>> {
    vec((0_u64..400, op()), 0..80)
}

fn config() -> Config {
    let mut config = Config::new(7);
    (config.max_queue, config.max_history) = (3, 8);
    config
}

fn origin() -> Instant {
    Rig::new(config()).now
}

/// The box is given its time before each operation, as a driver with timers does.
fn apply(device: &mut Device, now: Instant, nth: usize, op: &Op) {
    let subscribed = |dialect, wanted: &Subscription| ToBox::Subscribe(dialect, wanted.clone());
    let garbage = || Subscription::decode("!".into(), &Limits::default()).unwrap_err();
    match op {
        Op::Connect(link) => {
            device.handle_input(now, Input::Connected(LinkId(*link), Peer::default()));
        }
        Op::Subscribe(link, wanted) => {
            let message = subscribed(device.dialect(), wanted);
            device.handle_input(now, Input::Received(LinkId(*link), message));
        }
        Op::Garble(link) => device.handle_input(now, Input::Garbled(LinkId(*link), garbage())),
        Op::Ping(link) => device.handle_input(now, Input::Received(LinkId(*link), ToBox::Ping)),
        Op::Slow(link) => device.handle_input(now, Input::Slow(LinkId(*link))),
        Op::Ready(link) => device.handle_input(now, Input::Ready(LinkId(*link))),
        Op::Leave(link) => device.handle_input(now, Input::Disconnected(LinkId(*link))),
        Op::See(at) => device.emit(now, sighting(nth as u64, at)).expect("room"),
        Op::Ask(page) => {
            let dialect = device.dialect();
            let mut query = HistoryQuery::new(dialect, UnixMillis(0), UnixMillis(i64::MAX));
            (query.page, query.per_page) = (*page, 3);
            let exchange = ExchangeId(nth as u64);
            device.handle_input(now, Input::Asked(exchange, dialect, Ask::Events(query)));
        }
        Op::Fault(fault) => device.fault(now, *fault),
        Op::ClearFaults => device.clear_faults(now),
        Op::CutLinks => device.cut_links(now),
        Op::Reboot(how) => device.reboot(now, *how),
        Op::Wait => device.handle_timeout(now),
    }
}

/// Runs `ops` with timers on time; `watch` sees the box after each.
fn run(ops: &[(u64, Op)], mut watch: impl FnMut(&mut Device, Instant, Option<&Op>)) -> Device {
    let (mut device, mut now) = (Device::new(config()), origin());
    for (nth, (pause, op)) in ops.iter().enumerate() {
        let next = now + Duration::from_millis(*pause);
        while let Some(due) = device.poll_timeout().filter(|&due| due <= next) {
            device.handle_timeout(due);
            watch(&mut device, due, None);
        }
        now = next;
        apply(&mut device, now, nth, op);
        watch(&mut device, now, Some(op));
    }
    device.close(now);
    watch(&mut device, now, None);
    device
}

fn drain(device: &mut Device) -> Vec<Output> {
    std::iter::from_fn(|| device.poll_output()).collect()
}

/// What concerns one link.
fn of_link(output: &Output, id: u64) -> bool {
    let link = match output {
        Output::Send(link, ..)
        | Output::Ping(link)
        | Output::Disconnect(link)
        | Output::Event(
            Event::Joined(link, _)
            | Event::Subscribed(link, _)
            | Event::Garbled(link, _)
            | Event::Left { link, .. }
            | Event::Dropped(link),
        ) => *link,
        _ => return false,
    };
    link == LinkId(id)
}

proptest! {
    #[test]
    fn draining_late_changes_nothing_and_a_replay_repeats_it(ops in ops()) {
        let mut eager = Vec::new();
        run(&ops, |device, _, _| eager.extend(drain(device)));
        let mut lazy = run(&ops, |_, _, _| {});
        prop_assert_eq!(&eager, &drain(&mut lazy));
        let mut again = run(&ops, |_, _, _| {});
        prop_assert_eq!(eager, drain(&mut again));
    }

    #[test]
    fn closed_is_said_once_and_last(ops in ops()) {
        let mut device = run(&ops, |_, _, _| {});
        device.close(origin());
        let outputs = drain(&mut device);
        let closed = |output: &&Output| matches!(output, Output::Event(Event::Closed(_)));
        prop_assert_eq!(outputs.iter().filter(closed).count(), 1);
        prop_assert!(outputs.last().as_ref().is_some_and(closed));
        prop_assert_eq!((device.poll_timeout(), device.poll_output()), (None, None));
    }

    #[test]
    fn timers_move_on_and_firing_twice_or_early_is_harmless(ops in ops()) {
        let mut failure = None;
        run(&ops, |device, now, _| {
            drain(device);
            device.handle_timeout(now);
            if !drain(device).is_empty() || device.poll_timeout().is_some_and(|due| due <= now) {
                failure = Some(now);
            }
        });
        prop_assert_eq!(failure, None);
    }

    /// SI-9, against a plain model of what each link asked for last.
    #[test]
    fn nothing_is_sent_that_was_not_asked_for(ops in ops()) {
        let mut wanted: BTreeMap<u64, (Dialect, Subscription)> = BTreeMap::new();
        // Held-back events were taken under an earlier subscription.
        let steady = ops.into_iter().filter(|(_, op)| !matches!(op, Op::Fault(Fault::Reorder(_)) | Op::Slow(_)));
        let steady: Vec<_> = steady.collect();
        let mut failure = None;
        run(&steady, |device, _, op| {
            if let Some(Op::Subscribe(link, subscription)) = op {
                if device.links().any(|known| known.id == LinkId(*link)) {
                    wanted.insert(*link, (device.dialect(), subscription.clone()));
                }
            }
            for output in drain(device) {
                match output {
                    Output::Send(LinkId(link), message, _) => {
                        let event = face(&message);
                        let is_right = wanted.get(&link).is_some_and(|(dialect, wanted)| {
                            wanted.wants(&event.device_id().unwrap_or_default())
                                && event.dialect() == *dialect
                                && event.face_picture().is_some() == wanted.faces
                                && event.scene_picture().is_some() == (wanted.faces && *dialect == Dialect::V1)
                                && event.registered_picture().is_some() == wanted.registered
                        });
                        if !is_right {
                            failure = Some(format!("{link} was sent {event:?}"));
                        }
                    }
                    Output::Event(Event::Left { link: LinkId(link), .. }) => {
                        wanted.remove(&link);
                    }
                    Output::Ping(LinkId(link)) if !wanted.contains_key(&link) => {
                        failure = Some(format!("{link} was pinged"));
                    }
                    _ => {}
                }
            }
        });
        prop_assert_eq!(failure, None);
    }

    /// SI-10 and ST-7: time passes alike, but one of the links does nothing.
    #[test]
    fn what_a_link_is_sent_does_not_depend_on_another_one(ops in ops(), one in 0_u64..4) {
        //= docs/spec/se5-events.md#box
        //= type=test
        //# What one subscriber does MUST NOT change what another one is sent.
        let mut with = run(&ops, |_, _, _| {});
        let only: Vec<_> = ops
            .into_iter()
            .map(|(pause, op)| {
                let is_other = op.link().is_some_and(|link| link != one);
                (pause, if is_other { Op::Wait } else { op })
            })
            .collect();
        let mut without = run(&only, |_, _, _| {});
        let own = |device: &mut Device| -> Vec<_> {
            drain(device).into_iter().filter(|output| of_link(output, one)).collect()
        };
        prop_assert_eq!(own(&mut with), own(&mut without));
    }

    #[test]
    fn sent_and_dropped_are_what_was_asked_for(ops in ops()) {
        let mut matching: BTreeMap<u64, u64> = BTreeMap::new();
        let mut wanted: BTreeMap<u64, Subscription> = BTreeMap::new();
        let mut failure = None;
        let mut totals = (0, 0);
        let mut device = run(&ops, |device, _, op| {
            match op {
                Some(Op::Subscribe(link, subscription))
                    if device.links().any(|known| known.id == LinkId(*link)) =>
                {
                    wanted.insert(*link, subscription.clone());
                }
                Some(Op::See(at)) => {
                    for (link, _) in wanted.iter().filter(|(_, wanted)| wanted.wants(at)) {
                        *matching.entry(*link).or_default() += 1;
                    }
                }
                _ => {}
            }
            for output in drain(device) {
                if let Output::Event(Event::Left { link, sent, dropped }) = output {
                    let asked = matching.remove(&link.0).unwrap_or_default();
                    if sent + dropped != asked {
                        failure = Some((link, sent, dropped, asked));
                    }
                    wanted.remove(&link.0);
                    totals = (totals.0 + sent, totals.1 + dropped);
                }
            }
        });
        prop_assert_eq!(failure, None);
        prop_assert_eq!((device.counters().sent, device.counters().dropped), totals);
        prop_assert_eq!(drain(&mut device), []);
    }

    /// SI-11: what waits for slow links, is held back or is remembered stays under its bound.
    #[test]
    fn memory_stays_bounded(ops in ops()) {
        let mut most = (0, 0);
        run(&ops, |device, _, _| {
            drain(device);
            let waiting = device.links().map(|link| link.waiting).max().unwrap_or_default();
            most = (most.0.max(waiting), most.1.max(device.history_len()));
        });
        // As many held back as wait in the queue, and one of them is released by the next.
        prop_assert!(most.0 <= 3 + 2, "{} waited", most.0);
        prop_assert!(most.1 <= 8, "{} kept", most.1);
    }

    #[test]
    fn pages_cover_the_history_exactly_once(
        times in vec(0_i64..5_000, 0..60),
        per_page in 1_u32..20,
        (from, span) in (0_i64..5_000, 0_i64..5_000),
        is_v2: bool,
        is_unsorted: bool,
    ) {
        let dialect = if is_v2 { Dialect::V2 } else { Dialect::V1 };
        let mut config = Config::new(7);
        config.dialect = dialect;
        let mut rig = Rig::new(config);
        if is_unsorted {
            rig.fault(Fault::UnsortedPages);
        }
        for (nth, millis) in (0..).zip(&times) {
            let mut one = sighting(nth, GATE);
            one.at = UnixMillis(device_kit::START + millis);
            rig.device.emit(rig.now, one).unwrap();
        }
        let from = device_kit::START + from;
        let mut query = HistoryQuery::new(dialect, UnixMillis(from), UnixMillis(from + span));
        query.unit = se5_events::TimeUnit::Millis;
        query.per_page = per_page;
        let (mut found, mut total) = (Vec::new(), None);
        while total.is_none_or(|total: u64| u64::from(query.page) * u64::from(per_page) < total) {
            let Some(Answer::Page(page)) = rig.ask(&Ask::Events(query.clone())) else {
                panic!("no page");
            };
            total = page.total;
            let times = page.records.iter().map(|record| {
                (record.timestamp().unwrap().unix.0, record.event_id().unwrap().into_owned())
            });
            found.extend(times);
            query.page += 1;
        }
        let mut expected: Vec<_> = (0..)
            .zip(&times)
            .map(|(nth, millis)| (device_kit::START + millis, sighting(nth, GATE).event_id))
            .filter(|(at, _)| (from..=from + span).contains(at))
            .collect();
        prop_assert_eq!(total, Some(expected.len() as u64));
        if is_unsorted {
            found.sort();
            expected.sort();
        } else {
            expected.sort_by_key(|(at, _)| *at);
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_defaced_event_still_says_everything(
        is_v2: bool,
        which in vec(0_usize..4, 0..5),
        (identity, name) in ("[0-9]{0,20}", "\\PC{0,8}"),
        (score, length) in (0.0..100.0, 0_usize..400),
    ) {
        let dialect = if is_v2 { Dialect::V2 } else { Dialect::V1 };
        let all = [Fault::WrongTypes, Fault::EscapedSlashes, Fault::WrappedBase64, Fault::DataPrefix];
        let faults: Vec<_> = which.into_iter().map(|nth| all[nth]).collect();
        let mut seen = sighting(3, "机房/7");
        (seen.identity_id, seen.identity_name, seen.score) = (identity, name, score);
        seen.face = Some(device_kit::jpeg(5, length));
        let sent = FromBox::Face(seen.to_live(se5_events::LiveForm::new(dialect)));
        let sent = face(&sent);
        let spoilt = codec::deface(sent.json().clone(), dialect, &faults);
        let read = se5_events::FaceEvent::decode(spoilt.clone()).unwrap();
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&spoilt).is_ok());
        prop_assert_eq!(read.key(), sent.key());
        prop_assert_eq!(read.person(), sent.person());
        prop_assert_eq!(read.device_kind(), sent.device_kind());
        prop_assert_eq!(read.group_name(), sent.group_name());
        prop_assert_eq!(read.dialect(), dialect);
        // What differs in its text reads the same as plain values.
        prop_assert_eq!(read.to_sighting().unwrap(), sent.to_sighting().unwrap());
    }

    #[test]
    fn deface_takes_anything(json in vec(any::<u8>(), 0..200), is_v2: bool) {
        let dialect = if is_v2 { Dialect::V2 } else { Dialect::V1 };
        for fault in [
            Fault::WrongTypes,
            Fault::EscapedSlashes,
            Fault::WrappedBase64,
            Fault::DataPrefix,
            Fault::Truncated(1),
            Fault::HalfOpen,
        ] {
            codec::deface(json.clone().into(), dialect, &[fault]);
        }
    }

    #[test]
    fn a_truncated_event_is_text_but_no_json(name in "\\PC{0,40}", is_v2: bool) {
        let dialect = if is_v2 { Dialect::V2 } else { Dialect::V1 };
        let mut seen = sighting(3, GATE);
        seen.identity_name = name;
        seen.registered = None;
        let mut form = se5_events::LiveForm::new(dialect);
        (form.face, form.scene) = (false, false);
        let cut = codec::deface(seen.to_live(form).json().clone(), dialect, &[Fault::Truncated(1)]);
        prop_assert!(std::str::from_utf8(&cut).is_ok());
        prop_assert!(se5_events::FaceEvent::decode(cut).is_err());
    }
}

#[test]
fn an_oversize_event_is_just_too_long_and_otherwise_whole() {
    let event = sighting(3, GATE).to_live(se5_events::LiveForm::new(Dialect::V1));
    let long = codec::deface(event.json().clone(), Dialect::V1, &[Fault::Oversize(1)]);
    assert_eq!(long.len(), codec::OVERSIZE);
    let error = se5_events::FaceEvent::decode(long.clone()).unwrap_err();
    let max = Limits::default().max_message;
    assert_eq!(error.kind, se5_events::EventErrorKind::TooLarge { max });
    let mut limits = Limits::default();
    limits.max_message += 1;
    let read = se5_events::FaceEvent::decode_within(long, &limits).unwrap();
    assert_eq!(read.key(), event.key());
}
