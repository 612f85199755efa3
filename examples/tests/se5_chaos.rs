//! `se5_subscribe` and `se5_box` through a cable that breaks anywhere.

mod kit;

use kit::cable::Cable;
use kit::{SimulatedBox, ids, sorted, subscribe};

#[test]
fn wherever_the_connection_breaks_every_event_of_dialect_1_arrives_once() {
    break_anywhere(1, "1");
}

#[test]
fn wherever_the_connection_breaks_every_event_of_dialect_2_arrives_once() {
    break_anywhere(2, "2");
}

fn break_anywhere(seed: u64, dialect: &str) {
    let args = [
        "--wait",
        "--rate",
        "60",
        "--count",
        "240",
        "--dialect",
        dialect,
    ];
    let simulator = SimulatedBox::start(&args);
    let cable = Cable::new(simulator.ws_address(), seed);
    let url = format!("ws://{}", cable.address());
    let subscriber = subscribe(&url, &simulator.http, &["--faces"]);
    simulator.program.out.wait_for(240);
    cable.mend();
    subscriber.out.wait_for(240);
    subscriber.err.line_with("gap filled: ");
    let printed = ids(&subscriber.out);
    assert_eq!(sorted(printed), sorted(simulator.emitted(240)));
    assert!(cable.breaks() > 2, "{}", cable.breaks());
}
