//! The document, the constant and the machine have one table of states.

mod platform_kit;

use platform_kit::*;
use se5_events::platform::*;
use se5_events::*;

/// Beside the crate in the repository, and not part of the package.
const DOCUMENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/design/se5-platform.md"
);

const LINKS: [Link; 8] = [
    Link::Idle,
    Link::Probing,
    Link::Dialing,
    Link::Unconfirmed,
    Link::Streaming,
    Link::Suspect,
    Link::Waiting,
    Link::Closed,
];

const CUES: [Cue; 16] = [
    Cue::Subscribe,
    Cue::SubscribeUnknown,
    Cue::DialectFound,
    Cue::NoDialect,
    Cue::Connected,
    Cue::Disconnected,
    Cue::Face,
    Cue::Garbled,
    Cue::Pong,
    Cue::Heard,
    Cue::DialTimeout,
    Cue::Idle,
    Cue::HttpAnswer,
    Cue::Dead,
    Cue::Wake,
    Cue::Close,
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
    for from in LINKS {
        for cue in CUES {
            let Some(mut rig) = reach(from, cue) else {
                continue;
            };
            assert_eq!(rig.platform.link(), from);
            give(&mut rig, cue);
            let row = TRANSITIONS
                .iter()
                .find(|row| row.from == from && row.cue == cue);
            let to = row.map_or(from, |row| row.to);
            assert_eq!(rig.platform.link(), to, "{from:?} on {cue:?}");
        }
    }
}

#[test]
fn a_suspect_link_that_was_streaming_goes_back_to_streaming() {
    for cue in [Cue::Garbled, Cue::Pong, Cue::Heard, Cue::HttpAnswer] {
        let mut rig = Rig::up(config());
        rig.face(live(&sighting("a", START)));
        rig.pass(secs(20));
        assert_eq!(rig.platform.link(), Link::Suspect);
        give(&mut rig, cue);
        assert_eq!(rig.platform.link(), Link::Streaming, "{cue:?}");
    }
}

/// A subscriber in state `link`, where `cue` can happen at all.
fn reach(link: Link, cue: Cue) -> Option<Rig> {
    let mut config = config();
    let is_unknown = link == Link::Probing || cue == Cue::SubscribeUnknown;
    if is_unknown {
        config.dialect = None;
    }
    let mut rig = Rig::new(config);
    if link == Link::Idle {
        return Some(rig);
    }
    if link == Link::Closed {
        rig.platform.close(rig.now);
        return Some(rig);
    }
    rig.subscribe();
    if link == Link::Probing {
        // An unknown dialect has no other cues than these in this state.
        return Some(rig);
    }
    if is_unknown {
        return None;
    }
    if link == Link::Dialing {
        return Some(rig);
    }
    rig.connect();
    match link {
        Link::Streaming => rig.face(live(&sighting("a", START))),
        Link::Suspect => rig.pass(secs(20)),
        Link::Waiting => rig.lose(),
        _ => {}
    }
    Some(rig)
}

fn give(rig: &mut Rig, cue: Cue) {
    let link = rig.platform.link();
    match cue {
        Cue::Subscribe | Cue::SubscribeUnknown => {
            let other = Subscription::new([CAMERA, "other"]);
            drop(rig.platform.subscribe(rig.now, other));
            rig.drain();
        }
        Cue::DialectFound if link == Link::Probing => {
            rig.answer(rig.asks()[0].0, Answer::Devices(devices()));
        }
        Cue::NoDialect if link == Link::Probing => {
            rig.answer(rig.asks()[0].0, failed(404));
            rig.answer(rig.asks()[1].0, failed(404));
        }
        Cue::Connected => rig.connect(),
        Cue::Disconnected => rig.lose(),
        Cue::Face => rig.face(live(&sighting("b", START + 1))),
        Cue::Garbled => {
            let error = FaceEvent::decode("[]".into()).unwrap_err();
            rig.input(Input::Garbled(rig.at(), error));
        }
        Cue::Pong => rig.pong(),
        Cue::Heard => rig.input(Input::Heard(rig.at())),
        // These happen by time, in one state each; elsewhere other timers would speak.
        Cue::DialTimeout if link == Link::Dialing => rig.pass(secs(10)),
        Cue::Idle if matches!(link, Link::Unconfirmed | Link::Streaming) => rig.pass(secs(20)),
        Cue::Wake if link == Link::Waiting => rig.pass(ms(500)),
        Cue::HttpAnswer if link == Link::Suspect => {
            rig.answer(rig.asks()[0].0, Answer::Devices(devices()));
        }
        Cue::Dead if link == Link::Suspect => {
            rig.answer(rig.asks()[0].0, Answer::Failed(AskError::Unreachable));
            rig.pass(secs(1));
            rig.answer(rig.asks()[1].0, Answer::Failed(AskError::Unreachable));
        }
        Cue::Close => {
            rig.platform.close(rig.now);
            rig.drain();
        }
        _ => {}
    }
}
