//! What a link holds: next to nothing. One test, since the counter counts for all of them.

use zzw_push_proto::socketio::*;

/// Forwards to the system's allocator and counts.
#[global_allocator]
static HEAP: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

#[test]
//= docs/spec/zzw-push-proto.md#socket-io
//# Attachments that are due MUST NOT hold memory.
fn a_link_that_is_told_nonsense_holds_no_memory() {
    let mut link = Decoder::new(Revision::V4, Opening::Polling);
    let region = stats_alloc::Region::new(HEAP);
    for n in 0..10_000_u32 {
        let _ = link.text(format!(r#"5{}-["Ã©{n}"]"#, n % 80).into());
        let _ = link.text(format!("0/{n}Ã©,").into());
        let _ = link.binary();
    }
    let change = region.change();
    let held = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    assert!(held < 4_096, "{held} bytes"); // the harness may hold some meanwhile
    assert!(size_of::<Decoder>() <= 128);
}
