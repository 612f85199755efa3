//! What signatures cost. Alone in its program: the counter counts for all of it.

use analyst_proto::sign::{Preset, Signer, SigningKey};
use analyst_proto::wire::{ConnectionInfoRequest, Secret, UnixMillis};

/// Forwards to the system's allocator and counts.
#[global_allocator]
static HEAP: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

#[test]
fn signing_and_verifying_allocate_nothing() {
    let at = UnixMillis(1_558_583_537_598);
    let request = ConnectionInfoRequest::new("analyst_3", at).unwrap();
    let params = request.params();
    let unsorted = [params[1], params[0]];
    for preset in Preset::ALL {
        let key = SigningKey::new(preset, &Secret::new("test-secret"));
        let mut good = String::new();
        key.sign(&params, &mut good);
        let mut out = String::with_capacity(128);
        // The test harness has a thread of its own, which can only add.
        let fewest = (0..100).map(|_| {
            let region = stats_alloc::Region::new(HEAP);
            out.clear();
            key.sign(&unsorted, &mut out);
            assert!(key.verify(&unsorted, &good));
            let change = region.change();
            change.allocations + change.reallocations
        });
        assert_eq!(fewest.min(), Some(0), "{preset:?}");
        assert_eq!(out, good);
    }
}
