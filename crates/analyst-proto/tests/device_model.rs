//! The analyser in a world that loses connections, power and the order of what is stored: each task
//! that it takes is answered, and each result that it has stored arrives.

mod device_kit;
#[path = "device_kit/world.rs"]
mod world;

use analyst_proto::BrokerProfile;
use analyst_proto::device::{Busy, Config, ReplyToTimeout};
use analyst_proto::link::{Down, NotSent};
use device_kit::{ms, secs};
use proptest::collection::vec;
use proptest::prelude::*;
use world::{Step, World};

fn step() -> impl Strategy<Value = Step> {
    let down = prop_oneof![3 => Just(Down::Lost), 1 => Just(Down::BadCredentials)];
    let not_sent = prop_oneof![Just(NotSent::TooLarge), Just(NotSent::Closed)];
    prop_oneof![
        10 => (1_u64..6).prop_map(Step::Start),
        3 => (1_u64..6).prop_map(Step::Timeout),
        1 => Just(Step::BlankTimeout),
        4 => any::<u8>().prop_map(Step::Redeliver),
        14 => (1_u8..4).prop_map(Step::Store),
        2 => Just(Step::FailStore),
        3 => any::<u8>().prop_map(Step::StoreOther),
        10 => Just(Step::Connect),
        2 => down.prop_map(Step::Lose),
        8 => Just(Step::Sent),
        1 => not_sent.prop_map(Step::NotSent),
        6 => any::<u8>().prop_map(Step::Finish),
        3 => any::<u8>().prop_map(Step::Fail),
        2 => any::<u8>().prop_map(Step::Stop),
        1 => (0_u8..4).prop_map(Step::PowerCut),
    ]
}

fn histories() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let pause = prop_oneof![10 => 0_u64..20, 3 => 0_u64..3_000, 1 => 0_u64..60_000];
    vec((pause, step()), 0..150)
}

fn settings() -> impl Strategy<Value = Config> {
    let profile = prop_oneof![Just(BrokerProfile::Lmq), Just(BrokerProfile::Plain)];
    let limits = (1_usize..3, 0_usize..3, 0_usize..5, 1_usize..5, 1_usize..3);
    (profile, limits, any::<[bool; 2]>()).prop_map(|(profile, limits, [is_hold, is_reply])| {
        let mut config = device_kit::config();
        config.profile = Some(profile);
        (config.parallel, config.max_queue, config.kept_results, ..) = limits;
        (_, _, _, config.link.max_unstored, config.link.window) = limits;
        config.link.store_give_up = secs(1_000_000);
        if is_hold {
            config.busy = Busy::Hold;
        }
        if is_reply {
            config.reply_to_timeout = ReplyToTimeout::Fail;
        }
        config
    })
}

fn live(config: Config, history: &[(u64, Step)]) -> World {
    let mut world = World::new(config);
    world.step(Step::Connect);
    for (pause, step) in history {
        world.wait(ms(*pause));
        world.step(*step);
    }
    world.heal();
    world
}

proptest! {
    //= docs/spec/analyst-proto.md#analyser
    //# A result MUST be published over each connection until the broker has acknowledged it.
    //= docs/spec/analyst-proto.md#analyser
    //# A task MUST NOT run again before its run that was cancelled has ended.
    #[test]
    fn each_task_that_is_taken_is_answered_and_each_result_arrives(config in settings(), history in histories()) {
        live(config, &history);
    }
}

#[test]
fn the_world_of_these_tests_is_lively() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut works, mut answers, mut cancels, mut cuts) = (0, 0, 0, 0);
    for _ in 0..100 {
        let tree = (settings(), histories()).new_tree(&mut runner);
        let (config, history) = tree.expect("a history").current();
        let stats = live(config, &history).stats;
        works += stats.works;
        answers += stats.answers;
        cancels += stats.cancels;
        cuts += stats.cuts;
    }
    let all = [works, answers, cancels, cuts];
    assert!(all.iter().all(|&count| count >= 60), "{all:?}");
}
