//! The two machines of analysers by themselves: what a task costs from submission to confirmation as
//! tasks and analysers become more, what a waiting task and a registered analyser hold in memory, and
//! how long it takes to restore 100,000 tasks. No socket and no disk: store and broker answer at once.
//!
//! "Floor" is a loop that keeps the same books in a `BTreeMap` and queues, and does nothing else:
//! nothing is stored, nothing times out, nothing comes twice. What ours costs beyond it is the price
//! of the rules. From 100 to 100,000 tasks the cost of one is to grow no faster than the logarithm of
//! their number, that is 2.5 times.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "the origin of a virtual clock; counts are far below 2^52"
)]

mod analyst_samples;
mod analyst_world;

use analyst_proto::codec::{Lenience, decode};
use analyst_proto::link::Seq;
use analyst_proto::platform::{Input, Op, Output, Platform, Submission};
use analyst_proto::wire::{Message, Start, TaskId};
use analyst_samples::START;
use analyst_world::{
    Analysing, AnalysingFloor, Dispatching, DispatchingFloor, WALL, client, config, registration,
    task_id, template,
};
use benches::{held_bytes, is_measured, median};
use bytes::Bytes;
use cpu_time::ThreadTime;
use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

fn main() {
    dispatcher();
    analyser();
    memory();
    restore();
}

/// Numbers of tasks, or of results that are kept.
fn sizes(measured: &'static [usize]) -> &'static [usize] {
    if is_measured() { measured } else { &[20, 40] }
}

fn dispatcher() {
    println!("## analyst core: a task through the dispatcher, ns\n");
    let sizes = sizes(&[100, 1_000, 10_000, 100_000]);
    head("tasks", sizes);
    for analysers in self::sizes(&[10, 100, 1_000, 10_000]) {
        let mut worlds: Vec<Dispatching> = Vec::new();
        for &tasks in sizes {
            let mut world = Dispatching::new(*analysers, tasks);
            world.season(tasks + 1);
            worlds.push(world);
        }
        let mut floors: Vec<DispatchingFloor> = sizes
            .iter()
            .map(|tasks| DispatchingFloor::new(*analysers, *tasks))
            .collect();
        let ours = worlds.iter_mut().map(|world| boxed(|| world.turn()));
        let theirs = floors.iter_mut().map(|floor| boxed(|| floor.turn()));
        curve(
            &format!("{analysers} analysers"),
            ours.chain(theirs).collect(),
        );
        assert!(worlds.iter().all(|world| world.verdicts > 0));
    }
    println!();
}

fn analyser() {
    println!("## analyst core: a task through the analyser, ns\n");
    let sizes = sizes(&[10, 100, 1_000, 10_000]);
    head("results kept", sizes);
    let mut worlds: Vec<Analysing> = sizes.iter().map(|kept| Analysing::new(*kept)).collect();
    let mut floors: Vec<AnalysingFloor> = sizes
        .iter()
        .map(|kept| AnalysingFloor::new(*kept))
        .collect();
    let ours = worlds.iter_mut().map(|world| boxed(|| world.turn()));
    let theirs = floors.iter_mut().map(|floor| boxed(|| floor.turn()));
    curve("", ours.chain(theirs).collect());
    assert!(worlds.iter().all(|world| world.published > 0));
    println!();
}

fn boxed<'a>(turn: impl FnMut() + 'a) -> Box<dyn FnMut() + 'a> {
    Box::new(turn)
}

fn head(what: &str, sizes: &[usize]) {
    print!("{what:<28}");
    for size in sizes {
        print!(" {size:>9}");
    }
    println!(" {:>12}", "last : first");
}

/// Prints what each case costs, which is ours for each size and then the floor's: they take turns in
/// rounds, and a ratio is the median over the rounds.
fn curve(name: &str, mut cases: Vec<Box<dyn FnMut() + '_>>) {
    let (rounds, turns) = if is_measured() { (41, 300) } else { (1, 2) };
    let mut nanos = vec![Vec::new(); cases.len()];
    for round in 0..rounds {
        for turn in 0..cases.len() {
            let at = (round + turn) % cases.len();
            let start = ThreadTime::now();
            (0..turns).for_each(|_| cases[at]());
            let spent = start.elapsed().as_secs_f64() * 1e9;
            nanos[at].push(spent / f64::from(turns));
        }
    }
    let (ours, floor) = nanos.split_at(nanos.len() / 2);
    let ratio = |one: &[f64], other: &[f64]| median(one.iter().zip(other).map(|(a, b)| a / b));
    for (whose, nanos) in [("ours", ours), ("floor", floor)] {
        print!("{:<28}", format!("{name} {whose}").trim());
        for nanos in nanos {
            print!(" {:>9.0}", median(nanos.iter().copied()));
        }
        println!(" {:>12.2}", ratio(&nanos[nanos.len() - 1], &nanos[0]));
    }
    print!("{:<28}", "ours : floor");
    for (ours, floor) in ours.iter().zip(floor) {
        print!(" {:>9.2}", ratio(ours, floor));
    }
    println!();
}

/// A START as it comes, which keeps the memory of its message.
fn received(id: TaskId) -> Start {
    let json = START.replace("1679846303806259201", &id.to_string());
    match decode(&Bytes::from(json), &Lenience::field()) {
        Ok(Message::Start(start)) => start,
        _ => unreachable!("it is one"),
    }
}

/// Answers whatever store and broker are asked for.
fn settle(platform: &mut Platform, now: Instant) {
    while let Some(output) = platform.poll_output() {
        let input = match output {
            Output::Open(_) => Input::Connected,
            Output::Store(seq, _) => Input::Stored(seq),
            Output::Send(publish) => Input::Sent(publish.send),
            _ => continue,
        };
        platform.handle_input(now, input);
    }
}

fn memory() {
    let (tasks, analysers) = if is_measured() {
        (100_000, 10_000)
    } else {
        (100, 100)
    };
    let now = Instant::now();
    let submitted = |platform: &mut Platform, from: usize, many: usize| {
        for number in (0..).skip(from).take(many) {
            let submission = Submission::new(received(task_id(number)));
            assert!(platform.submit(now, WALL, submission).is_ok());
            settle(platform, now);
        }
    };
    let (messages, alone) = held_bytes(|| {
        let starts: Vec<Start> = (0..)
            .take(tasks)
            .map(|nth| received(task_id(nth)))
            .collect();
        starts
    });
    drop(messages);
    let (mut waiting, held) = held_bytes(|| {
        let mut platform = Platform::new(now, config(tasks));
        submitted(&mut platform, 0, tasks);
        platform
    });
    settle(&mut waiting, now);
    let each = |bytes: usize, many: usize| bytes as f64 / many as f64;
    println!("## analyst core: memory, bytes for each\n");
    println!(
        "a message of {} bytes, decoded  {:>8.0}",
        START.len(),
        each(alone, tasks)
    );
    println!("a task that waits               {:>8.0}", each(held, tasks));
    println!(
        "of which the dispatcher's own   {:>8.0}",
        each(held - alone, tasks)
    );
    drop(waiting);

    let (floor, held) = held_bytes(|| {
        let tasks = (0..).take(tasks).map(|nth| {
            let message = Arc::new(Message::Start(received(task_id(nth))));
            (task_id(nth), (message, None::<usize>))
        });
        let tasks: BTreeMap<_, _> = tasks.collect();
        let queue: VecDeque<TaskId> = tasks.keys().copied().collect();
        (tasks, queue)
    });
    black_box(&floor);
    println!(
        "of which the floor's own        {:>8.0}",
        each(held - alone, tasks)
    );
    drop(floor);

    let (registrations, alone) =
        held_bytes(|| (0..analysers).map(registration).collect::<Vec<_>>());
    drop(registrations);
    let (platform, held) = held_bytes(|| {
        let mut platform = Platform::new(now, config(tasks));
        for number in 0..analysers {
            platform.register(now, registration(number)).unwrap();
        }
        platform
    });
    black_box(&platform);
    println!(
        "an analyser that is registered  {:>8.0}",
        each(held, analysers)
    );
    println!(
        "of which its registration       {:>8.0}\n",
        each(alone, analysers)
    );
}

/// Of ten tasks one is at an analyser, the others wait.
fn restore() {
    let tasks = if is_measured() { 100_000 } else { 100 };
    let task = |number: u64| {
        let mut task = template();
        task.id = task_id(number);
        Arc::new(Submission::new(task))
    };
    let mut records = Vec::new();
    for number in 0..tasks {
        let (id, attempt) = (task_id(number), 1);
        records.push(Op::Submit(id, task(number)));
        if number % 10 == 0 {
            let client = client(usize::try_from(number).unwrap());
            records.push(Op::Assign {
                id,
                attempt,
                client,
            });
            records.push(Op::Out { id, attempt });
        }
    }
    let now = Instant::now();
    let rounds = if is_measured() { 11 } else { 1 };
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let copy = records.clone();
        let start = ThreadTime::now();
        let platform = Platform::restore(now, WALL, config(100_000), copy);
        ours.push(start.elapsed().as_secs_f64());
        assert_eq!(
            platform.stats().queued + platform.stats().working,
            usize::try_from(tasks).unwrap()
        );
        drop(platform);

        let copy = records.clone();
        let start = ThreadTime::now();
        let (mut by_id, mut queue) = (BTreeMap::new(), VecDeque::new());
        for (nth, op) in (0..).zip(copy) {
            if let Op::Submit(id, submission) = op {
                let message = Arc::new(Message::Start(submission.task.clone()));
                by_id.insert(id, (submission, message, Seq(nth)));
                queue.push_back(id);
            }
        }
        floor.push(start.elapsed().as_secs_f64());
        black_box((by_id, queue));
    }
    let ratio = median(ours.iter().zip(&floor).map(|(ours, floor)| ours / floor));
    let (ours, floor) = (median(ours.into_iter()), median(floor.into_iter()));
    println!(
        "## analyst core: to restore {tasks} tasks from {} records\n",
        records.len()
    );
    println!(
        "ours   {:>8.1} ms, {:>6.0} ns a task",
        1e3 * ours,
        1e9 * ours / tasks as f64
    );
    println!(
        "floor  {:>8.1} ms, {:>6.0} ns a task",
        1e3 * floor,
        1e9 * floor / tasks as f64
    );
    println!("ours : floor {ratio:.2}");
}
