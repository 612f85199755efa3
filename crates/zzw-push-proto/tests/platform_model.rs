//! The broker against everything that can happen to it.

mod platform_kit;

use platform_kit::model::{Op, World};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_the_promises_are_kept(
        ops in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..300),
    ) {
        let mut world = World::new();
        for (kind, a, b) in ops {
            world.apply(Op(kind, a, b));
        }
        world.settle();
    }
}
