//! What a packet costs: nothing but the walk. One test, since the counter counts for all of them.

use bytes::Bytes;
use zzw_push_proto::socketio::*;

/// Forwards to the system's allocator and counts.
#[global_allocator]
static HEAP: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// The fewest allocations that `work` ever made. The counter counts for the whole process, and the
/// test harness has a thread of its own, which can only add.
fn allocations<T>(mut work: impl FnMut() -> T) -> (T, usize) {
    let mut once = || {
        let region = stats_alloc::Region::new(HEAP);
        let done = work();
        let change = region.change();
        (done, change.allocations + change.reallocations)
    };
    let mut fewest = once();
    for _ in 0..20 {
        let (done, count) = once();
        if count < fewest.1 {
            fewest = (done, count);
        }
    }
    fewest
}

#[test]
fn reading_and_writing_allocate_nothing() {
    let packet = Bytes::from(r#"212["do_push",{"t":6,"topic":["频道"],"msg":"门🚪"}]"#.to_owned());
    let mut link = Decoder::new(Revision::V4, Opening::Websocket);
    let (event, count) = allocations(|| match link.text(packet.clone()) {
        Ok(Packet::Event(event)) => event,
        other => panic!("{other:?}"),
    });
    assert_eq!(count, 0, "read");
    let (frame, count) = allocations(|| {
        assert_eq!(event.known(), Some(EventName::DoPush));
        event.payload()
    });
    assert_eq!(count, 0, "frame");
    let frame = frame.expect("an object").json;
    let mut out = Vec::with_capacity(packet.len() * 2);
    let ((), count) = allocations(|| {
        out.clear();
        write_event(&mut out, event.id(), "do_push", &[&frame]);
    });
    assert_eq!(count, 0, "write");
    assert_eq!(out, packet);
    let text = std::str::from_utf8(&packet).expect("text");
    let ((), count) = allocations(|| {
        out.clear();
        escape(text, &mut out);
    });
    assert_eq!(count, 0, "escape");
}
