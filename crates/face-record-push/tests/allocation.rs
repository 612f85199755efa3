//! What decoding costs: nothing but the walk.

use bytes::Bytes;
use face_record_push::*;

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
//= docs/spec/face-record-push.md#record
//# Decoding a push MUST NOT copy or decode its picture.
fn decoding_allocates_nothing_and_copies_nothing() {
    let mut recognition = Recognition::new("PS7", UnixMillis(1_660_625_866_000));
    recognition.user = Some(Person::new("1", "小红"));
    let jpeg = Bytes::from(
        (0..46_000_u32)
            .map(|n| ((n * 37) >> 2).to_le_bytes()[0])
            .collect::<Vec<_>>(),
    );
    let serial = SerialNumber::new("PS7");
    for profile in [Profile::V1_0, Profile::V1_1, Profile::V1_2_1, Profile::V1_3] {
        let item = recognition.to_item(profile, Some(jpeg.clone()));
        let mut body = Vec::with_capacity(codec::push_len(&item));
        let ((), count) = allocations(|| {
            body.clear();
            codec::encode_push(&item, &mut body);
        });
        assert_eq!(count, 0, "encode");
        let escaped = String::from_utf8(body.clone()).unwrap().replace('/', "\\/");
        for body in [Bytes::from(body), Bytes::from(escaped)] {
            let range = body.as_ptr_range();
            let (push, count) = allocations(|| Push::decode(body.clone()).expect("a push"));
            assert_eq!(count, 0, "decode");
            let (picture, count) = allocations(|| push.picture());
            assert_eq!(count, 0, "picture");
            let text = picture.expect("a picture").as_wire().as_ptr_range();
            assert!(
                range.start < text.start && text.end < range.end,
                "a slice of the body"
            );
            let (_, count) = allocations(|| push.key(&serial));
            assert_eq!(count, 0, "key");
            let Push::Record(record) = push else {
                panic!("no record")
            };
            let name = || record.user().and_then(|user| user.name()).map(drop);
            assert_eq!(
                allocations(|| (name(), record.score(), record.device_sn().map(drop))).1,
                0
            );
        }
    }
}
