//! The document, the constant and the machine have one table of states.

mod device_kit;

use device_kit::{HERE, Rig, Store, THERE, config, item, off, secs, to};
use face_record_push::device::{
    AttemptId, Cause, Cue, Input, Op, OpId, State, StoreError, TRANSITIONS,
};
use face_record_push::{Answer, AnswerError};

/// Beside the crate in the repository, and not part of the package.
const DOCUMENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/design/face-terminal.md"
);

const STATES: [State; 8] = [
    State::Off,
    State::Idle,
    State::Fetching,
    State::InFlight,
    State::Backoff,
    State::Paused,
    State::Closing,
    State::Closed,
];

const CUES: [Cue; 19] = [
    Cue::Record,
    Cue::Loaded,
    Cue::Corrupt,
    Cue::AckLast,
    Cue::Ack,
    Cue::Refuse,
    Cue::Garbled,
    Cue::Disconnected,
    Cue::TimeOut,
    Cue::Wake,
    Cue::NetworkIsBack,
    Cue::Redirect,
    Cue::SwitchOff,
    Cue::SwitchOn,
    Cue::Break,
    Cue::Resume,
    Cue::Close,
    Cue::CloseOwed,
    Cue::Settle,
];

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
            assert_eq!(rig.device.state(), from, "before {cue:?}");
            give(&mut rig, cue);
            let row = TRANSITIONS
                .iter()
                .find(|row| row.from == from && row.cue == cue);
            let to = row.map_or(from, |row| row.to);
            assert_eq!(rig.device.state(), to, "{from:?} on {cue:?}");
        }
    }
}

/// A terminal in a state in which `cue` can happen if it can happen there at all.
fn reach(state: State, cue: Cue) -> Rig {
    let mut rig = Rig::new(config());
    match state {
        State::Off => return Rig::with_store(config(), Store::default()),
        State::Idle => {}
        State::Fetching => {
            rig.record(item(1, 0));
            rig.is_store_prompt = false;
            rig.power_cut();
        }
        State::InFlight => {
            rig.record(item(1, 0));
            if cue == Cue::Ack {
                rig.is_store_prompt = false;
                rig.record(item(2, 0));
                rig.store_one();
                // What was at hand is not any more.
                rig.power_cut();
                rig.store_one();
            }
        }
        State::Backoff => {
            rig.record(item(1, 0));
            rig.lose(Cause::Broken);
        }
        State::Paused => {
            rig.is_store_prompt = false;
            rig.configure(to(HERE));
            rig.break_store();
        }
        State::Closing => {
            rig.is_store_prompt = false;
            rig.configure(to(HERE));
            close(&mut rig);
        }
        _ => close(&mut rig),
    }
    rig
}

fn give(rig: &mut Rig, cue: Cue) {
    let state = rig.device.state();
    let attempt = rig.posts.last().map_or(AttemptId(9), |post| post.attempt);
    match cue {
        Cue::Record => {
            drop(rig.device.record(rig.now, item(9, 0)));
            rig.drain();
        }
        Cue::Loaded if state == State::Fetching => rig.store_all(),
        Cue::Corrupt if state == State::Fetching => {
            let (id, _) = rig.store.waiting.remove(0).expect("a load");
            rig.input(Input::Loaded(id, None));
        }
        Cue::Loaded | Cue::Corrupt => rig.input(Input::Loaded(OpId(99), None)),
        Cue::AckLast | Cue::Ack => {
            rig.input(Input::Received(attempt, Answer::new(200, Some(200))));
        }
        Cue::Refuse => rig.input(Input::Received(attempt, Answer::new(500, None))),
        Cue::Garbled => rig.input(Input::Garbled(attempt, AnswerError::NotJson(200))),
        Cue::Disconnected => rig.input(Input::Disconnected(attempt, Cause::Broken)),
        // These happen by time, in one state each; elsewhere other timers would speak.
        Cue::TimeOut if state == State::InFlight => rig.wait(secs(10)),
        Cue::Wake if state == State::Backoff => rig.wait(secs(1)),
        Cue::NetworkIsBack => rig.input(Input::Connected),
        // In the state without a destination it is the same as switching on.
        Cue::Redirect if state != State::Off => configure(rig, THERE, true),
        Cue::SwitchOff => configure(rig, HERE, false),
        Cue::SwitchOn => configure(rig, HERE, true),
        Cue::Break => {
            rig.is_store_prompt = false;
            drop(rig.device.configure(rig.now, off()));
            rig.drain();
            rig.break_store();
        }
        Cue::Resume => {
            let recovered = rig.store.recovered();
            rig.device.resume(rig.now, recovered);
        }
        Cue::Close => {
            rig.store
                .waiting
                .retain(|(_, op)| matches!(op, Op::Load { .. }));
            close(rig);
        }
        Cue::CloseOwed => {
            rig.is_store_prompt = false;
            drop(rig.device.configure(rig.now, off()));
            close(rig);
        }
        Cue::Settle if state == State::Closing => rig.store_all(),
        Cue::Settle => rig.input(Input::StoreFailed(OpId(99), StoreError::Full)),
        _ => {}
    }
}

/// The change is kept, and nothing else is answered that waits for the store.
fn configure(rig: &mut Rig, dest: &str, is_enabled: bool) {
    let mut wanted = to(dest);
    wanted.is_enabled = is_enabled;
    if rig.device.configure(rig.now, wanted).is_err() {
        return;
    }
    rig.drain();
    let is_change = |(_, op): &(OpId, Op)| matches!(op, Op::Configure(_));
    if let Some(at) = rig.store.waiting.iter().position(is_change) {
        let (id, _) = rig.store.waiting.remove(at).expect("it is there");
        rig.input(Input::Stored(id));
    }
}

fn close(rig: &mut Rig) {
    rig.device.close(rig.now);
    rig.drain();
}
