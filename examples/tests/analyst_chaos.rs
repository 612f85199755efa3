//! A dispatcher, its analysers and the broker between them as programs, while everything goes wrong at
//! once: messages are lost, doubled, late and acknowledged for nothing, connections break, and every
//! program is killed again and again.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "programs are waited for")]

mod kit;
mod kit_analyst;

use kit::Program;
use kit_analyst::{Site, task};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const FIRST: u64 = 1_679_846_303_806_259_201;

/// Everything that the broker can do to a message and to a connection.
const FAULTS: [&str; 16] = [
    "--lose",
    "0.003",
    "--duplicate",
    "0.03",
    "--reorder",
    "0.03",
    "--lie",
    "0.01",
    "--kill",
    "0.001",
    "--delay",
    "0ms..20ms",
    "--redeliver",
    "1s",
    "--dup-flag",
    "always0",
];

/// What both ends are told, so that they do not wait long for what is broken all the time.
const PATIENCE: [&str; 4] = ["--ack-timeout", "3s", "--steady-after", "2s"];

/// A site whose parts are killed one after another.
struct Chaos {
    site: Site,
    broker: Vec<&'static str>,
    analysts: Vec<Program>,
    kills: usize,
}

impl Chaos {
    fn start(name: &str, analysts: usize, profile: &[&'static str], platform: &[&str]) -> Self {
        let is_signed = !profile.contains(&"--plain");
        let mut site = Site::bare(name, analysts, is_signed);
        let broker = [profile, &FAULTS].concat();
        let args = [platform, &PATIENCE].concat();
        site.platform_args = args.into_iter().map(str::to_owned).collect();
        site.start_broker(&broker);
        site.start_platform();
        let mut chaos = Self {
            site,
            broker,
            analysts: Vec::new(),
            kills: 0,
        };
        chaos.analysts = (1..=analysts).map(|nth| chaos.analyst(nth)).collect();
        chaos
    }

    fn analyst(&self, nth: usize) -> Program {
        let made_up = ["--work-ms", "5", "--fail", "0.02", "--hang", "0.002"];
        let seed = (nth + 100 * self.kills).to_string();
        let args = [&made_up[..], &PATIENCE, &["--seed", &seed]].concat();
        self.site.analyst(nth, &args)
    }

    /// Kills the next one and starts it again: two analysers, the dispatcher, two more analysers, the
    /// broker.
    fn kill(&mut self) {
        match self.kills % 4 {
            0 | 2 => {
                for nth in [self.kills, self.kills + 1] {
                    let nth = nth % self.analysts.len();
                    self.analysts.remove(nth).kill();
                    self.analysts.insert(nth, self.analyst(nth + 1));
                }
            }
            1 => {
                self.site.platform.take().unwrap().kill();
                self.site.start_platform();
            }
            _ => {
                self.site.broker.take().unwrap().kill();
                self.site.start_broker(&self.broker);
            }
        }
        self.kills += 1;
    }

    /// Posts these until each was answered.
    fn post(&self, open: &mut BTreeSet<u64>, most: usize) {
        let share: Vec<u64> = open.iter().copied().take(most).collect();
        for id in share {
            if let Ok((202 | 409, _)) = self.site.post(&task(id)) {
                open.remove(&id);
            }
        }
    }

    /// Submits so many tasks, a share at a time, and after each share kills somebody, so many times in
    /// all; then waits until each has its outcome.
    fn run(&mut self, tasks: u64, share: usize, kills: usize, pause: Duration) {
        let all: BTreeSet<u64> = (FIRST..FIRST + tasks).collect();
        let mut open = all.clone();
        let end = Instant::now() + 10 * kit::PATIENCE;
        while !open.is_empty() || self.kills < kills {
            self.post(&mut open, share);
            std::thread::sleep(pause);
            self.kill();
        }
        while self.site.outcomes().len() < all.len() {
            assert!(
                Instant::now() < end,
                "{} of {tasks}",
                self.site.outcomes().len()
            );
            std::thread::sleep(pause);
        }
        let outcomes = self.site.outcomes();
        let ids: BTreeSet<u64> = outcomes.keys().map(|id| id.parse().unwrap()).collect();
        assert_eq!(ids, all);
        // There are attempts enough for each, so what was found is what came out.
        for outcome in outcomes.values() {
            assert_eq!(outcome["outcome"], "finished", "{outcome}");
            assert_eq!(outcome["result"], json!({"1": 1, "7": 1}), "{outcome}");
        }
        // What is decided stays decided, and is not told again once it is confirmed.
        let platform = self.site.platform.as_mut().unwrap();
        platform.signal("TERM");
        assert!(platform.finish().success(), "{}", platform.said());
        self.site.start_platform();
        let platform = self.site.platform.as_mut().unwrap();
        platform.signal("TERM");
        assert!(platform.finish().success(), "{}", platform.said());
        assert_eq!(platform.out.lines(), Vec::<String>::new());
    }
}

#[test]
fn five_thousand_tasks_have_one_outcome_each_while_everybody_is_killed() {
    let tasks = std::env::var("CHAOS_TASKS").map_or(5000, |tasks| tasks.parse().unwrap());
    let platform = ["--lease", "2s", "--max-attempts", "100"];
    let mut chaos = Chaos::start("analyst-chaos", 12, &["--plain"], &platform);
    chaos.run(tasks, 250, 24, Duration::from_secs(2));
}

#[test]
fn tasks_over_aliyuns_broker_have_one_outcome_each_while_everybody_is_killed() {
    let platform = ["--lease", "3s", "--max-attempts", "100"];
    let mut chaos = Chaos::start("analyst-chaos-lmq", 3, &[], &platform);
    chaos.run(40, 15, 8, Duration::from_secs(3));
}
