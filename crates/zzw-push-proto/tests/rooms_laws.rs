//! What holds for the relay whatever happens to it.

mod rooms_kit;

use proptest::prelude::*;
use rooms_kit::steps::{Step, Writer, configs, steps};
use std::time::{Duration, Instant};
use zzw_push_proto::rooms::*;

fn drain(rooms: &mut Rooms) -> Vec<Output> {
    std::iter::from_fn(|| rooms.poll_output()).collect()
}

/// Does all steps from a start on, and tells what came out, with deadlines counted from the start.
fn history(
    config: &Config,
    steps: &[(u64, Step)],
    start: Instant,
    mut after_each: impl FnMut(&mut Rooms, Instant, &mut Vec<Output>),
) -> Vec<String> {
    let (mut rooms, mut writer) = (Rooms::new(config.clone()), Writer::default());
    let (mut now, mut said) = (start, Vec::new());
    for (wait, step) in steps {
        now = now.checked_add(Duration::from_millis(*wait)).unwrap();
        match writer.input(now, step) {
            Some(input) => rooms.handle_input(now, input),
            None => rooms.handle_timeout(now),
        }
        after_each(&mut rooms, now, &mut said);
    }
    rooms.close(now);
    rooms.close(now);
    rooms.handle_input(now, Input::Drained(LinkId(1)));
    said.extend(drain(&mut rooms));
    assert!(rooms.is_closed());
    assert_eq!(rooms.poll_timeout(), None);
    assert_eq!(rooms.held_bytes(), 0);
    assert_eq!(rooms.sizes(), Sizes::default());
    let is_end = |output: &&Output| matches!(output, Output::Event(Event::Closed(Reason::Local)));
    assert_eq!(said.iter().filter(is_end).count(), 1, "`Closed` once");
    assert!(said.last().as_ref().is_some_and(is_end), "`Closed` last");
    said.iter().map(|output| told(output, start)).collect()
}

fn told(output: &Output, start: Instant) -> String {
    match output {
        Output::Send(link, frame) => format!("{link:?} {:?}", frame.bytes()),
        Output::Signal {
            link,
            signal,
            deadline,
        } => format!("{link:?} {:?} {:?}", signal.id, *deadline - start),
        Output::Event(Event::Signalled {
            signal, receivers, ..
        }) => format!("signalled {:?} {receivers}", signal.id),
        Output::Event(Event::SignalDropped { signal, why, .. }) => {
            format!("dropped {:?} {why:?}", signal.id)
        }
        other => format!("{other:?}"),
    }
}

fn start() -> Instant {
    testkit::epoch() + Duration::from_secs(100)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    //= docs/spec/zzw-push-proto.md#device-link
    //# A machine that is closed MUST report so once, and no other event after that.
    //= docs/spec/zzw-push-proto.md#device-link
    //# When outputs are drained and how often timers fire MUST NOT change what a machine does.
    fn draining_late_changes_nothing(config in configs(), steps in steps()) {
        let start = start();
        let lazy = history(&config, &steps, start, |_, _, _| {});
        let eager = history(&config, &steps, start, |rooms, _, said| said.extend(drain(rooms)));
        prop_assert_eq!(eager, lazy);
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#device-link
    //# When outputs are drained and how often timers fire MUST NOT change what a machine does.
    fn firing_timers_again_changes_nothing(config in configs(), steps in steps()) {
        let start = start();
        let once = history(&config, &steps, start, |_, _, _| {});
        let often = history(&config, &steps, start, |rooms, now, _| {
            for _ in 0..3 {
                rooms.handle_timeout(now);
                assert!(rooms.poll_timeout().is_none_or(|due| due > now));
            }
        });
        prop_assert_eq!(once, often);
    }

    #[test]
    fn a_recorded_history_comes_out_the_same(config in configs(), steps in steps()) {
        let first = start();
        let later = first + Duration::from_secs(12_345);
        let one = history(&config, &steps, first, |_, _, _| {});
        prop_assert_eq!(one, history(&config, &steps, later, |_, _, _| {}));
    }
}

#[test]
fn a_relay_without_links_has_no_timer() {
    let mut rooms = Rooms::new(Config::new());
    assert_eq!(rooms.poll_timeout(), None);
    rooms.handle_timeout(start());
    assert!(drain(&mut rooms).is_empty());
}

#[test]
fn a_relay_may_go_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&Rooms::new(Config::new()));
}

#[test]
fn waits_of_no_length_and_of_all_time_do_no_harm() {
    for wait in [Duration::ZERO, Duration::MAX] {
        let mut config = Config::new();
        (config.keep_picture, config.early_wait) = (wait, wait);
        (config.stall_timeout, config.idle_timeout) = (wait, wait);
        (config.rejoin_wait, config.max_call) = (wait, Some(wait));
        (config.door_ttl, config.many_to_many) = (wait, true);
        let steps: Vec<(u64, Step)> = (0..200_usize)
            .map(|n| match n % 4 {
                0 => (0, Step::Join { target: n % 11 }),
                1 => (
                    1,
                    Step::Say {
                        back: 0,
                        len: 10,
                        is_text: true,
                    },
                ),
                2 => (
                    0,
                    Step::Say {
                        back: 3,
                        len: 10,
                        is_text: false,
                    },
                ),
                _ => (0, Step::Gone { back: 7 }),
            })
            .collect();
        history(&config, &steps, start(), |rooms, now, _| {
            rooms.handle_timeout(now);
            assert!(rooms.poll_timeout().is_none_or(|due| due > now));
        });
    }
}

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST NOT appear
//# in debug output.
fn no_frame_is_shown_by_debug() {
    let frame = RoomFrame::Text("secret".into());
    assert_eq!(format!("{frame:?}"), "Text(6 bytes)");
}
