//! The broker against everything that can happen to it.

mod platform_kit;

use platform_kit::cast::Settings;
use platform_kit::model::{Op, World};
use proptest::prelude::*;
use std::collections::BTreeMap;
use zzw_push_proto::platform::LinkEnd;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    //= docs/spec/zzw-push-proto.md#alias
    //# An alias MUST have one link at most, the newest over whatever transport, and what it
    //# replaces be told `replaced` and closed.
    //= docs/spec/zzw-push-proto.md#alias
    //# The broker MUST NOT send anything on a link that is over.
    //= docs/spec/zzw-push-proto.md#alias
    //# Each request with a number MUST get exactly one reply unless its link ends.
    //= docs/spec/zzw-push-proto.md#queue
    //# The broker MUST answer -6 only when the publication is kept for every alias that it is for,
    //# or was for those online only.
    //= docs/spec/zzw-push-proto.md#queue
    //# A message that was acknowledged to its publisher MUST stay in the store until its alias has
    //# acknowledged it, its time is over, or newer ones have pushed it out.
    //= docs/spec/zzw-push-proto.md#queue
    //# Messages MUST be sent to a link for the first time in the order of their ids, in whichever
    //# order the store answers.
    //= docs/spec/zzw-push-proto.md#queue
    //# A link MUST NOT have more than `window` messages and `window_bytes` bytes unacknowledged,
    //# but for one message that is longer.
    //= docs/spec/zzw-push-proto.md#queue
    //# An acknowledgement MUST be told to the store until the store has done it, also if it was not
    //# waited for.
    //= docs/spec/zzw-push-proto.md#time-to-live
    //# A message MUST NOT be sent, sent again or pulled when its time is over.
    //= docs/spec/zzw-push-proto.md#presence
    //# Counters of what is now MUST equal what counting it anew gives.
    //= docs/spec/zzw-push-proto.md#store
    //# Answers of the store MUST be taken in any order.
    //= docs/spec/zzw-push-proto.md#store
    //# A failure of the store MUST be answered with `store_unavailable` and never become a -6.
    fn whatever_happens_the_promises_are_kept(
        settings in any::<u8>(),
        ops in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..300),
    ) {
        let mut world = World::new(Settings(settings));
        for (kind, a, b) in ops {
            world.apply(Op(kind, a, b));
        }
        world.settle();
    }
}

/// A model that reaches nothing proves nothing.
#[test]
fn the_model_comes_everywhere() {
    let mut reached: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 0..=u64::from(u8::MAX) * 2 {
        let mut rng = testkit::Rng::new(seed);
        let settings = Settings(rng.draw().to_le_bytes()[0]);
        let mut world = World::new(settings);
        for _ in 0..250 {
            let [kind, a, b, ..] = rng.draw().to_le_bytes();
            // So rarely the broker stops that there is something to stop.
            world.apply(Op(kind, a.min(if rng.percent(2) { 255 } else { 249 }), b));
        }
        for counted in world.settle() {
            // A broker that is alone has no lease to lose.
            let ends = counted
                .ended
                .iter()
                .filter(|(why, _)| *why != LinkEnd::Fenced)
                .map(|(why, count)| (why.as_str(), count));
            let figures = [
                ("bound", counted.bound),
                ("refused", counted.refused),
                ("delivered", counted.delivered),
                ("direct", counted.direct),
                ("redelivered", counted.redelivered),
                ("pulled", counted.pulled),
                ("acked", counted.acked),
                ("expired", counted.expired),
                ("evicted", counted.evicted),
                ("dropped", counted.dropped),
                ("late", counted.late),
                ("busy", counted.busy),
                ("denied", counted.denied),
                ("presence", counted.presence),
                ("presence lost", counted.presence_lost),
                ("tokens accepted", counted.tokens_accepted),
                ("tokens rejected", counted.tokens_rejected),
                ("unpublished", counted.unpublished),
                ("store failures", counted.store_failures),
            ];
            for (name, count) in ends.chain(figures) {
                *reached.entry(name).or_default() += count;
            }
        }
    }
    println!("{reached:#?}");
    let missed: Vec<_> = reached.iter().filter(|(_, count)| **count == 0).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
