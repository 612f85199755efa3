//! Every switch of the simulated broker, with a dispatcher and analysers behind it: each task has its
//! result all the same, or those who watch are told what is wrong.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "programs are waited for")]

mod kit;
mod kit_analyst;

use kit::{PATIENCE, Program};
use kit_analyst::{Site, task};
use serde_json::json;

/// What both ends are told, so that they do not wait long for what is broken all the time.
const HURRY: [&str; 4] = ["--ack-timeout", "2s", "--steady-after", "1s"];

/// A dispatcher over a broker with these switches.
fn site(name: &str, switches: &[&str]) -> Site {
    let mut site = Site::bare(name, 2, !switches.contains(&"--plain"));
    let attempts = ["--lease", "2s", "--max-attempts", "100"];
    site.platform_args = [attempts, HURRY]
        .concat()
        .iter()
        .map(|&it| it.to_owned())
        .collect();
    site.start_broker(switches);
    site.start_platform();
    site
}

fn analyst(site: &Site, nth: usize) -> Program {
    let args = [&["--work-ms", "10"][..], &HURRY].concat();
    site.analyst(nth, &args)
}

/// Each task has the result that an analyser finds.
fn all_finish(site: &Site, tasks: u64) {
    for id in 1..=tasks {
        assert_eq!(site.post(&task(id)).unwrap().0, 202);
    }
    let count = usize::try_from(tasks).unwrap();
    for (id, outcome) in site.wait_for(count, 3 * PATIENCE) {
        assert_eq!(outcome["outcome"], "finished", "{id}: {outcome}");
        assert_eq!(
            outcome["result"],
            json!({"1": 1, "7": 1}),
            "{id}: {outcome}"
        );
    }
}

fn all_finish_with(name: &str, switches: &[&str], tasks: u64) {
    let site = site(&format!("analyst-switch-{name}"), switches);
    let analysts = [1, 2].map(|nth| analyst(&site, nth));
    for analyst in &analysts {
        // Before that the broker has no use for what is for it.
        analyst.out.line_with("connected to the broker");
    }
    all_finish(&site, tasks);
}

#[test]
fn messages_that_are_lost_are_made_up_for() {
    all_finish_with("lose", &["--lose", "0.1", "--redeliver", "500ms"], 10);
}

#[test]
fn messages_that_are_acknowledged_and_lost_are_made_up_for() {
    all_finish_with("lie", &["--lie", "0.1"], 20);
}

#[test]
fn messages_that_come_twice_do_nothing_twice() {
    let doubled = ["--duplicate", "0.7", "--redeliver", "100ms", "--dup-flag"];
    all_finish_with("always0", &[&doubled[..], &["always0"]].concat(), 5);
    all_finish_with("always1", &[&doubled[..], &["always1"]].concat(), 5);
}

#[test]
fn messages_in_any_order_are_put_right() {
    let late = [
        "--reorder",
        "0.5",
        "--delay",
        "0ms..500ms",
        "--topic-slash",
        "on",
    ];
    all_finish_with("reorder", &late, 10);
}

#[test]
fn connections_that_break_are_made_again() {
    all_finish_with("kill", &["--kill", "0.03", "--redeliver", "off"], 10);
    let plain = ["--plain", "--kill", "0.03", "--offline", "off"];
    all_finish_with("kill-plain", &plain, 10);
}

#[test]
fn a_broker_that_counts_is_never_given_too_much() {
    // 41 STARTs and as many PUBACKs take more than the second after which they would be too many.
    all_finish_with(
        "rate",
        &["--over-rate", "close", "--over-size", "close"],
        41,
    );
}

#[test]
fn two_analysers_of_one_name_are_survived_whatever_the_broker_makes_of_them() {
    for behaviour in ["kick-old", "refuse-new", "keep-both", "drop-both"] {
        let site = site(
            &format!("analyst-switch-{behaviour}"),
            &["--duplicate-id", behaviour],
        );
        let first = analyst(&site, 1);
        first.out.line_with("connected to the broker");
        // The second one has everything of the first but its memory.
        let mut rival = site.analyst_at(1, "rival");
        rival.args([
            "--server",
            &format!("http://{}", site.http),
            "--work-ms",
            "10",
        ]);
        rival.args(HURRY);
        let rival = Program::start(rival);
        rival.out.line_with("the broker (Lmq) knows us as");
        let second = analyst(&site, 2);
        second.out.line_with("connected to the broker");
        all_finish(&site, 2);
    }
}

#[test]
fn a_hole_is_noticed_and_told() {
    for hole in ["up", "down"] {
        let site = site(&format!("analyst-switch-{hole}"), &["--hole", hole]);
        // It is kept, and goes out once the hole is closed.
        assert_eq!(site.post(&task(1)).unwrap().0, 202);
        let platform = site.platform.as_ref().unwrap();
        platform
            .err
            .line_with("the connection to the broker is made anew");
    }
}
