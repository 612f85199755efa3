//! The broker of the zzw push system: whatever is done to it and to its store, in whatever order,
//! its promises are kept.

#[path = "../../crates/zzw-push-proto/tests/platform_kit/cast.rs"]
mod cast;
#[path = "../../crates/zzw-push-proto/tests/platform_kit/checks.rs"]
mod checks;
#[path = "../../crates/zzw-push-proto/tests/platform_kit/model.rs"]
mod model;
#[path = "../../crates/zzw-push-proto/tests/platform_kit/store.rs"]
pub(crate) mod store;

use cast::Settings;
use model::{Op, World};

/// Lists of operations never break a promise: nothing is acknowledged that is not kept, messages of
/// an alias go out in order, within the window and in their time, to the newest link only; each
/// request gets one reply; what is kept arrives in the end; and draining late or firing timers twice
/// changes nothing.
pub fn ops(data: &[u8]) {
    let Some((settings, data)) = data.split_first() else {
        return;
    };
    let mut world = World::new(Settings(*settings));
    for op in data.chunks_exact(3).take(600) {
        if let [kind, a, b] = *op {
            world.apply(Op(kind, a, b));
        }
    }
    world.settle();
}
