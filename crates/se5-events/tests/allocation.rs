//! What decoding costs: nothing but the walk.

use bytes::Bytes;
use se5_events::*;

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
//= docs/spec/se5-events.md#pictures
//# Decoding an event MUST NOT copy or decode its pictures.
fn decoding_allocates_nothing_and_copies_nothing() {
    let mut sighting = Sighting::new("e-1", "camera", UnixMillis(1_566_016_554_020));
    sighting.identity_name = "小红".into();
    let jpeg = Bytes::from(vec![0xff; 50_000]);
    sighting.face = Some(jpeg.clone());
    sighting.scene = Some(jpeg.clone());
    sighting.registered = Some(jpeg);

    for dialect in [Dialect::V1, Dialect::V2] {
        let json = sighting.to_live(LiveForm::new(dialect)).json().clone();
        let range = json.as_ptr_range();
        let (event, count) = allocations(|| FaceEvent::decode(json.clone()).expect("an event"));
        assert_eq!(count, 0, "decode");

        let (picture, count) = allocations(|| event.face_picture());
        assert_eq!(count, 0, "picture");
        let text = picture
            .inline()
            .expect("a picture")
            .as_wire()
            .as_ptr_range();
        assert!(
            range.start < text.start && text.end < range.end,
            "a slice of the frame"
        );

        let (_, count) = allocations(|| (event.identity_name().map(drop), event.score()));
        assert_eq!(count, 0, "accessors");

        let mut out = Vec::with_capacity(100_000);
        picture
            .inline()
            .unwrap()
            .jpeg_into(&mut out, 8 << 20)
            .unwrap();
        let (_, count) = allocations(|| picture.inline().unwrap().jpeg_into(&mut out, 8 << 20));
        assert_eq!(count, 0, "the buffer is large enough");
    }

    let mut out = Vec::with_capacity(300_000);
    let ((), count) = allocations(|| {
        out.clear();
        sighting.encode_live(LiveForm::new(Dialect::V1), &mut out);
    });
    assert_eq!(count, 0, "encode");
}
