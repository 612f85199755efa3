//! The document, the constant and the machine have one table of states.

mod platform_kit;

use face_record_push::platform::*;
use face_record_push::*;
use platform_kit::*;

/// Beside the crate in the repository, and not part of the package.
const DOCUMENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/design/face-receiver.md"
);

const STATES: [ExchangeState; 7] = [
    ExchangeState::Over,
    ExchangeState::Waiting,
    ExchangeState::Reading,
    ExchangeState::Outgrown,
    ExchangeState::Queued,
    ExchangeState::Storing,
    ExchangeState::Deciding,
];

const CUES: [Cue; 29] = [
    Cue::Head,
    Cue::HeadBehind,
    Cue::HeadLarge,
    Cue::HeadRefused,
    Cue::Get,
    Cue::Turn,
    Cue::SlotFree,
    Cue::TurnTimeout,
    Cue::Outgrown,
    Cue::TooLong,
    Cue::Push,
    Cue::PushKnown,
    Cue::PushSame,
    Cue::PushBehind,
    Cue::PushForeign,
    Cue::Garbled,
    Cue::Question,
    Cue::QuestionRefused,
    Cue::ReadTimeout,
    Cue::PlaceFree,
    Cue::PlaceFreeKnown,
    Cue::Stored,
    Cue::StoreFailed,
    Cue::StoreTimeout,
    Cue::Decided,
    Cue::DecideTimeout,
    Cue::Disconnected,
    Cue::Close,
    Cue::CloseTimeout,
];

/// The request that is looked at.
const ID: ExchangeId = ExchangeId(900);

const LARGE: u64 = 30 << 20;

#[test]
fn the_document_and_the_constant_agree() {
    let document = std::fs::read_to_string(DOCUMENT).expect("run this from the repository");
    let rows: Vec<String> = document
        .lines()
        .skip_while(|line| *line != "| from | on | to |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(str::to_owned)
        .collect();
    let constant: Vec<String> = TRANSITIONS
        .iter()
        .map(|row| format!("| {:?} | {:?} | {:?} |", row.from, row.cue, row.to))
        .collect();
    assert_eq!(rows, constant);
}

#[test]
fn the_constant_and_the_machine_agree_for_every_state_and_cue() {
    for from in STATES {
        for cue in CUES {
            let mut rig = reach(from, cue);
            assert_eq!(rig.state(ID), from, "before {cue:?}");
            give(&mut rig, from, cue);
            let row = TRANSITIONS
                .iter()
                .find(|row| row.from == from && row.cue == cue);
            let to = row.map_or(from, |row| row.to);
            assert_eq!(rig.state(ID), to, "{from:?} on {cue:?}");
        }
    }
}

/// A receiver with the request in `state`.
fn reach(state: ExchangeState, cue: Cue) -> Rig {
    let mut config = config();
    config.serials = ["A", "B", "F", "H", "K", "L", "S", "Z"]
        .map(serial)
        .to_vec();
    let is_refusing = cue == Cue::QuestionRefused && state != ExchangeState::Deciding;
    if !is_refusing {
        config.remote_auth = RemoteAuth::Ask(secs(3));
    }
    let mut rig = Rig::new(config);
    match state {
        ExchangeState::Waiting => {
            rig.connect(named(1, "A"));
            rig.input(Input::Connected(ID, named(2, "A")));
        }
        ExchangeState::Outgrown => {
            rig.connect(large(1, "H"));
            rig.input(Input::Connected(ID, head(2)));
            rig.input(Input::Outgrown(ID));
        }
        ExchangeState::Over => {}
        _ if cue == Cue::TooLong => rig.input(Input::Connected(ID, large(2, "H"))),
        _ => rig.input(Input::Connected(ID, head(2))),
    }
    match state {
        ExchangeState::Queued => {
            rig.send(push("H", 1));
            if cue == Cue::PlaceFreeKnown {
                rig.send(push("H", 2));
            }
            rig.receive(ID, push("H", 2));
        }
        ExchangeState::Storing => rig.receive(ID, push("H", 2)),
        ExchangeState::Deciding => rig.receive(ID, question("H")),
        _ => {}
    }
    rig
}

fn large(link: u64, sn: &str) -> Head {
    let mut head = named(link, sn);
    head.length = Some(LARGE);
    head
}

/// The number of the last entry that the store was asked to keep.
fn last(rig: &Rig) -> u64 {
    rig.entries().last().map_or(0, |entry| entry.seq.0)
}

fn give(rig: &mut Rig, state: ExchangeState, cue: Cue) {
    match cue {
        Cue::Head => rig.input(Input::Connected(ID, head(70))),
        Cue::HeadBehind => {
            rig.connect(named(70, "Z"));
            rig.input(Input::Connected(ID, named(71, "Z")));
        }
        Cue::HeadLarge => {
            rig.connect(large(70, "Z"));
            rig.input(Input::Connected(ID, large(71, "L")));
        }
        Cue::HeadRefused => {
            let mut head = head(70);
            head.length = Some(1 << 40);
            rig.input(Input::Connected(ID, head));
        }
        Cue::Get => {
            let mut head = head(70);
            head.method = Method::Get;
            rig.input(Input::Connected(ID, head));
        }
        Cue::Outgrown => {
            rig.connect(large(70, "Z"));
            rig.input(Input::Outgrown(ID));
        }
        Cue::TooLong => rig.input(Input::Outgrown(ID)),
        Cue::Push => rig.receive(ID, push("F", 1)),
        Cue::PushKnown => {
            rig.send(push("K", 1));
            let all: Vec<u64> = (1..=last(rig)).collect();
            if state == ExchangeState::Reading {
                for seq in all {
                    rig.stored(seq);
                }
            }
            rig.receive(ID, push("K", 1));
        }
        Cue::PushSame => {
            rig.send(push("S", 1));
            rig.receive(ID, push("S", 1));
        }
        Cue::PushBehind => {
            rig.send(push("B", 1));
            rig.receive(ID, push("B", 2));
        }
        Cue::PushForeign => rig.receive(ID, push("FOREIGN", 1)),
        Cue::Garbled => rig.garble(ID, "nonsense"),
        Cue::Question | Cue::QuestionRefused => rig.receive(ID, question("H")),
        Cue::Stored if state == ExchangeState::Storing => rig.stored(1),
        Cue::StoreFailed if state == ExchangeState::Storing => {
            rig.store_fails(1, StoreError::Busy);
        }
        Cue::Stored => rig.stored(77),
        Cue::StoreFailed => rig.store_fails(77, StoreError::Full),
        Cue::Decided => {
            drop(rig.platform.decide(rig.now, ID, AuthDecision::new(true)));
            rig.drain();
        }
        Cue::Disconnected => rig.disconnect(ID),
        Cue::Close => rig.close(),
        // These happen by others or by time, in some states only; elsewhere they are other cues.
        Cue::Turn if state == ExchangeState::Waiting => rig.disconnect(ExchangeId(1)),
        Cue::SlotFree if state == ExchangeState::Outgrown => rig.disconnect(ExchangeId(1)),
        Cue::PlaceFree if state == ExchangeState::Queued => rig.stored(1),
        Cue::PlaceFreeKnown if state == ExchangeState::Queued => {
            rig.stored(1);
            assert_eq!(rig.state(ID), ExchangeState::Queued);
            rig.stored(2);
        }
        Cue::TurnTimeout => {
            let can_wait = [
                ExchangeState::Waiting,
                ExchangeState::Outgrown,
                ExchangeState::Queued,
            ];
            if can_wait.contains(&state) {
                rig.pass(secs(5));
            }
        }
        Cue::ReadTimeout if state == ExchangeState::Reading => rig.pass(secs(60)),
        Cue::DecideTimeout if state == ExchangeState::Deciding => rig.pass(secs(3)),
        Cue::StoreTimeout if state == ExchangeState::Storing => rig.pass(secs(8)),
        Cue::CloseTimeout if state == ExchangeState::Storing => {
            rig.close();
            assert_eq!(rig.state(ID), ExchangeState::Storing);
            rig.pass(secs(5));
        }
        _ => {}
    }
}
