//! The device against a server that loses links, answers and the order of acknowledgements, with a
//! store that fails and power that goes: each message once, each command ended once.

mod device_kit;
#[path = "device_kit/server.rs"]
mod server;

use device_kit::{config, ms};
use proptest::collection::vec;
use proptest::prelude::*;
use server::{Step, World};
use zzw_push_proto::device::{Ack, Binding};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => Just(Step::Push),
        4 => any::<u8>().prop_map(Step::Redeliver),
        24 => Just(Step::ToDevice),
        24 => Just(Step::ToServer),
        4 => any::<u8>().prop_map(Step::Overtake),
        2 => Just(Step::LoseAnswer),
        2 => Just(Step::Refuse),
        3 => Just(Step::Cut),
        8 => Just(Step::Dial),
        1 => Just(Step::Unreachable),
        10 => any::<u8>().prop_map(Step::Store),
        3 => any::<u8>().prop_map(Step::FailStore),
        2 => (0_u8..4).prop_map(Step::PowerCut),
        8 => any::<u8>().prop_map(Step::Acknowledge),
        3 => Just(Step::Publish),
        1 => Just(Step::Register),
        1 => Just(Step::Topics),
        5 => Just(Step::Pull),
    ]
}

fn binding() -> impl Strategy<Value = Binding> {
    prop_oneof![Just(Binding::Frame), Just(Binding::Handshake)]
}

fn history() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let pause = prop_oneof![10 => 0_u64..20, 2 => 0_u64..3_000, 1 => 0_u64..60_000];
    vec((pause, step()), 0..200)
}

fn live(ack: Ack, max_storing: usize, binding: Binding, history: &[(u64, Step)]) {
    let mut config = config();
    config.binding = binding;
    (config.ack, config.max_storing) = (ack, max_storing);
    config.topics = vec!["c_9".into()];
    let mut world = World::new(config);
    for (pause, step) in history {
        world.wait(ms(*pause));
        world.step(*step);
    }
    world.heal();
    world.close();
}

proptest! {
    #[test]
    //= docs/spec/zzw-push-proto.md#device-delivery
    //# The device MUST report a delivery once as long as its id is among the last `remembered`.
    fn acknowledged_at_once_each_message_comes_once(history in history(), binding in binding()) {
        live(Ack::Automatic, 64, binding, &history);
    }

    #[test]
    fn acknowledged_by_hand_each_message_comes_once_and_none_is_lost(history in history(), binding in binding()) {
        live(Ack::Manual, 64, binding, &history);
    }

    #[test]
    //= docs/spec/zzw-push-proto.md#device-delivery
    //# The device MUST NOT report or acknowledge a delivery under `Stored` before it is stored.
    fn stored_each_message_is_kept_once_whatever_the_power_does(history in history(), binding in binding(), max_storing in 1_usize..6) {
        live(Ack::Stored, max_storing, binding, &history);
    }
}
