//! Whose turn it is, and how much memory it takes.

mod platform_kit;

use face_record_push::platform::*;
use face_record_push::*;
use platform_kit::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const MIB: u64 = 1 << 20;

fn long(link: u64, sn: &str, length: u64) -> Head {
    let mut head = named(link, sn);
    head.length = Some(length);
    head
}

#[test]
fn a_terminal_sends_one_body_at_a_time() {
    let mut rig = Rig::new(config());
    let first = rig.connect(named(1, "A"));
    let second = rig.connect(named(2, "A"));
    let other = rig.connect(named(3, "B"));
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# The receiver MUST NOT read more than one body of a lane at a time.
    assert_eq!(rig.state(second), ExchangeState::Waiting);
    assert_eq!(rig.state(other), ExchangeState::Reading);
    rig.receive(first, push("A", 1));
    assert_eq!(rig.state(second), ExchangeState::Waiting);
    rig.stored(1);
    assert_eq!(rig.state(second), ExchangeState::Reading);
}

#[test]
fn a_connection_is_a_lane_until_its_terminal_is_known() {
    let mut rig = Rig::new(config());
    let first = rig.connect(head(1));
    let same = rig.connect(head(1));
    let other = rig.connect(head(2));
    assert_eq!(rig.state(first), ExchangeState::Reading);
    assert_eq!(rig.state(same), ExchangeState::Waiting);
    assert_eq!(rig.state(other), ExchangeState::Reading);
}

#[test]
fn the_third_that_waits_sends_the_oldest_of_its_lane_away() {
    let mut rig = Rig::new(config());
    let ids: Vec<ExchangeId> = (1..=4).map(|link| rig.connect(named(link, "A"))).collect();
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# The oldest waiting request of a lane MUST be answered with status 503 when more than
    //# `max_waiting_per_lane` wait.
    let statuses: Vec<Option<u16>> = ids.iter().map(|id| rig.status(*id)).collect();
    assert_eq!(statuses, [None, Some(503), None, None]);
}

#[test]
fn who_waits_too_long_or_with_too_many_is_told_to_come_again() {
    let mut config = config();
    config.max_waiting = 3;
    config.budget = 8 * MIB;
    let mut rig = Rig::new(config);
    rig.connect(named(1, "A"));
    let waiting: Vec<ExchangeId> = ["B", "C", "D", "E"]
        .iter()
        .map(|sn| rig.connect(named(2, sn)))
        .collect();
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# A request MUST be answered with status 503 when `max_waiting` wait already.
    assert_eq!(rig.status(waiting[3]), Some(503));
    assert_eq!(rig.platform.waiting(), 3);
    rig.pass(secs(5));
    for id in &waiting[..3] {
        //= docs/spec/face-record-push.md#fairness
        //= type=test
        //# A request that waits longer than `turn_timeout` MUST be answered with status 503.
        assert_eq!(rig.status(*id), Some(503));
    }
    assert_eq!(rig.platform.waiting(), 0);
}

#[test]
fn memory_is_reserved_whole_before_a_body_comes() {
    let mut config = config();
    config.budget = 20 * MIB;
    let mut rig = Rig::new(config);
    let declared = rig.connect(long(1, "A", 5 * MIB));
    assert_eq!(rig.limits(declared), [5 * MIB]);
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# The whole declared length of a body, or `max_body` if none is declared, MUST be reserved
    //# before it is read.
    assert_eq!(rig.platform.reserved_bytes(), 5 * MIB);
    let chunked = rig.connect(named(2, "B"));
    assert_eq!(rig.limits(chunked), [8 * MIB]);
    assert_eq!(rig.platform.reserved_bytes(), 13 * MIB);
    let too_many = rig.connect(named(3, "C"));
    assert_eq!(rig.state(too_many), ExchangeState::Waiting);
    // What has come is all that is held.
    rig.receive(chunked, push("B", 1));
    assert!(rig.platform.reserved_bytes() >= 13 * MIB);
    assert_eq!(rig.state(too_many), ExchangeState::Reading);
    rig.stored(1);
    rig.disconnect(declared);
    rig.disconnect(too_many);
    assert_eq!(rig.platform.reserved_bytes(), 0);
}

#[test]
fn a_repetition_holds_no_memory_for_a_body_that_is_at_the_store_already() {
    let mut rig = Rig::new(config());
    let large = body("A", 1).replace("aGk=", &"A".repeat(1 << 20));
    rig.send(decode(&large));
    let once = rig.platform.reserved_bytes();
    rig.send(decode(&large));
    assert!(once >= MIB && rig.platform.reserved_bytes() <= once + (4 << 10));
}

#[test]
fn memory_at_the_store_is_held_although_the_request_has_gone() {
    let mut config = config();
    config.budget = 8 * MIB;
    let mut rig = Rig::new(config);
    let mut bodies = Vec::new();
    for link in 0..4_u64 {
        let sn = format!("T{link}");
        let id = rig.connect(long(link, &sn, 3 * MIB));
        bodies.push(id);
        let picture = "A".repeat(3 << 20);
        let json = body(&sn, 1).replace("aGk=", &picture[..(3 << 20) - 400]);
        rig.receive(id, decode(&json));
        rig.disconnect(id);
    }
    assert_eq!(rig.entries().len(), 2, "the others wait");
    rig.stored(1);
    rig.stored(2);
    assert_eq!(rig.platform.reserved_bytes(), 0);
    assert_eq!(rig.reported(), [1, 2]);
}

#[test]
fn one_body_beyond_the_usual_at_a_time() {
    let mut rig = Rig::new(config());
    let declared = rig.connect(long(1, "A", 30 * MIB));
    assert_eq!(rig.limits(declared), [64 * MIB]);
    let chunked = rig.connect(named(2, "B"));
    rig.input(Input::Outgrown(chunked));
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# A body longer than `max_body` MUST wait for the one place that there is for such bodies.
    assert_eq!(rig.state(chunked), ExchangeState::Outgrown);
    let usual = rig.connect(named(3, "C"));
    assert_eq!(rig.state(usual), ExchangeState::Reading, "not kept waiting");
    rig.receive(declared, push("A", 1));
    assert_eq!(
        rig.state(chunked),
        ExchangeState::Outgrown,
        "still in memory"
    );
    rig.stored(1);
    assert_eq!(rig.limits(chunked), [8 * MIB, 64 * MIB]);
    rig.input(Input::Outgrown(chunked));
    assert_eq!(rig.status(chunked), Some(413));
    let peer = "192.0.2.7".to_owned();
    let why = RefusalReason::TooLong;
    assert!(rig.events().contains(&&Event::Refused { peer, why }));
    rig.disconnect(usual);
    assert_eq!(rig.platform.reserved_bytes(), 0);
}

#[test]
fn who_waits_for_the_large_place_too_long_is_told_to_come_again() {
    let mut rig = Rig::new(config());
    rig.connect(long(1, "A", 30 * MIB));
    let declared = rig.connect(long(2, "B", 30 * MIB));
    let chunked = rig.connect(named(3, "C"));
    rig.input(Input::Outgrown(chunked));
    assert_eq!(rig.platform.waiting(), 2);
    rig.pass(secs(5));
    assert_eq!(
        (rig.status(declared), rig.status(chunked)),
        (Some(503), Some(503))
    );
    assert_eq!(rig.platform.reserved_bytes(), 64 * MIB);
}

#[test]
fn nothing_is_let_in_while_nobody_drains() {
    let mut config = config();
    config.max_outputs = 3;
    let mut platform = Platform::new(config, Seq(1));
    let now = origin();
    for id in 1..=10 {
        platform.handle_input(now, Input::Connected(ExchangeId(id), head(id)));
    }
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# The receiver MUST NOT let a body in while `max_outputs` outputs wait.
    let waiting = |platform: &Platform| {
        (1..=10)
            .filter(|id| platform.exchange(ExchangeId(*id)) == ExchangeState::Waiting)
            .count()
    };
    assert_eq!(waiting(&platform), 7);
    let said: Vec<Output> = std::iter::from_fn(|| platform.poll_output()).collect();
    assert_eq!(said.len(), 10, "what was held back goes on");
    assert_eq!(waiting(&platform), 0);
}

#[test]
fn lanes_that_wait_are_served_in_turn() {
    let mut config = config();
    config.budget = 8 * MIB;
    let mut rig = Rig::new(config);
    let mut served: Vec<String> = Vec::new();
    let mut names = BTreeMap::new();
    for (link, sn) in ["A", "A", "A", "B", "C", "B"].iter().enumerate() {
        let id = rig.connect(named(link as u64, sn));
        names.insert(id, (*sn).to_owned());
    }
    let mut seen = 0;
    while let Some(output) = rig.log.get(seen).cloned() {
        seen += 1;
        if let Output::Continue(id, _) = output {
            served.push(names[&id].clone());
            rig.disconnect(id);
        }
    }
    //= docs/spec/face-record-push.md#fairness
    //= type=test
    //# Lanes that wait MUST be served in turn.
    assert_eq!(served, ["A", "B", "C", "A", "B", "A"]);
}

/// What somebody does to a receiver with little memory.
#[derive(Debug, Clone)]
enum Act {
    Connect {
        link: u64,
        sn: Option<u8>,
        length: Option<u64>,
    },
    Body {
        which: u8,
        id: u8,
    },
    Outgrow {
        which: u8,
    },
    Cut {
        which: u8,
    },
    Store {
        how: u8,
    },
    Wait {
        millis: u16,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let length = proptest::option::of(0..70 * MIB);
    prop_oneof![
        4 => (0..9_u64, proptest::option::of(0..4_u8), length)
            .prop_map(|(link, sn, length)| Act::Connect { link, sn, length }),
        4 => (any::<u8>(), 0..9_u8).prop_map(|(which, id)| Act::Body { which, id }),
        2 => any::<u8>().prop_map(|which| Act::Outgrow { which }),
        1 => any::<u8>().prop_map(|which| Act::Cut { which }),
        3 => (0..4_u8).prop_map(|how| Act::Store { how }),
        2 => (0..4_000_u16).prop_map(|millis| Act::Wait { millis }),
    ]
}

proptest! {
    /// FI-6, FI-8, and no deadlock: once the store answers and terminals send what they are let
    /// send, every request comes to its end without a timer.
    #[test]
    fn everybody_comes_to_an_end_and_memory_stays_bounded(
        acts in proptest::collection::vec(act(), 1..100),
    ) {
        let mut config = config();
        (config.budget, config.max_waiting) = (20 * MIB, 8);
        let mut rig = Rig::new(config);
        let mut all: Vec<(ExchangeId, String)> = Vec::new();
        let mut gone = BTreeSet::new();
        let mut answered = 0;
        for act in acts {
            match act {
                Act::Connect { link, sn, length } => {
                    let name = sn.map(|sn| format!("T{sn}"));
                    let mut head = head(link);
                    head.serial = name.as_deref().map(serial);
                    head.length = length;
                    let sn = name.unwrap_or_else(|| "T0".to_owned());
                    all.push((rig.connect(head), sn));
                }
                Act::Body { which, id } if !all.is_empty() => {
                    let (exchange, sn) = all[usize::from(which) % all.len()].clone();
                    rig.receive(exchange, push(&sn, id.into()));
                }
                Act::Outgrow { which } if !all.is_empty() => {
                    rig.input(Input::Outgrown(all[usize::from(which) % all.len()].0));
                }
                Act::Cut { which } if !all.is_empty() => {
                    let id = all[usize::from(which) % all.len()].0;
                    if rig.state(id) != ExchangeState::Over {
                        gone.insert(id);
                    }
                    rig.disconnect(id);
                }
                Act::Store { how } => {
                    if let Some(seq) = rig.entries().get(answered).map(|entry| entry.seq.0) {
                        answered += 1;
                        match how {
                            0 => rig.store_fails(seq, StoreError::Busy),
                            1 => rig.known(seq),
                            _ => rig.stored(seq),
                        }
                    }
                }
                Act::Wait { millis } => rig.pass(ms(millis.into())),
                _ => {}
            }
            prop_assert!(rig.platform.reserved_bytes() <= (20 + 64) * MIB);
            prop_assert!(rig.platform.waiting() <= 200);
        }
        // No more time passes.
        for _ in 0..1_000 {
            let mut is_idle = true;
            for (exchange, sn) in all.clone() {
                if rig.state(exchange) == ExchangeState::Reading {
                    rig.receive(exchange, push(&sn, exchange.0));
                    is_idle = false;
                }
            }
            if let Some(seq) = rig.entries().get(answered).map(|entry| entry.seq.0) {
                answered += 1;
                rig.stored(seq);
                is_idle = false;
            }
            if is_idle {
                break;
            }
        }
        //= docs/spec/face-record-push.md#acknowledgement
        //= type=test
        //# Each request MUST be answered exactly once unless it is disconnected.
        for (exchange, _) in all {
            prop_assert_eq!(rig.state(exchange), ExchangeState::Over, "{:?}", exchange);
            let is_gone = gone.contains(&exchange) || rig.is_hung_up_on(exchange);
            prop_assert_eq!(rig.replies(exchange).len(), usize::from(!is_gone));
        }
        prop_assert_eq!(rig.platform.reserved_bytes(), 0);
        prop_assert_eq!(rig.platform.waiting(), 0);
        prop_assert_eq!(rig.platform.poll_timeout(), None);
    }
}
