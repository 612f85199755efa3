//! What a link costs: a walk over each packet, and some bytes of memory.

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
        payload(&event.argument().expect("an object"))
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

#[test]
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
    assert!(held < 65_536, "{held} bytes of a megabyte"); // other tests hold some meanwhile
    assert!(size_of::<Decoder>() <= 128);
}
