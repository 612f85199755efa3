//! What messages cost: nothing but the walk.

use bytes::{Bytes, BytesMut};
use std::sync::Mutex;
use zzw_push_proto::line::LineCodec;
use zzw_push_proto::wire::*;

/// Forwards to the system's allocator and counts.
#[global_allocator]
static HEAP: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// The fewest allocations that `work` ever made. The counter counts for the whole process, and the
/// test harness has a thread of its own, which can only add.
fn allocations<T>(mut work: impl FnMut() -> T) -> usize {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let counts = (0..100).map(|_| {
        let region = stats_alloc::Region::new(HEAP);
        let done = work();
        let change = region.change();
        drop(done);
        change.allocations + change.reallocations
    });
    counts.min().unwrap()
}

#[test]
fn frames_are_read_and_written_without_an_allocation() {
    let mut out = Vec::with_capacity(1024);
    for json in [
        r#"{"t":1,"alias":"m_2"}"#,
        r#"{"t":-1,"alias":"别名"}"#,
        r#"{"t":2,"topic":["c_1","c_2"],"info":{"communityId":"c","name":"门口"},"num":"1"}"#,
        r#"{"t":4,"num":1}"#,
        r#"{"t":-4,"msg":["a",{}],"mid":["1","2"],"num":1}"#,
        r#"{"t":5,"alias":"m_2","mid":"7","msg":{"a":[1]},"topic":"c_1"}"#,
        r#"{"t":-5,"alias":"m_2","mid":"7"}"#,
        r#"{"t":6,"method":"publish_to_alias","alias":["m_2"],"msg":"开门","opts":{"time_to_live":60},"num":""}"#,
        r#"{"t":-6,"num":""}"#,
    ] {
        let json = Bytes::from(json);
        let count = allocations(|| Message::decode(json.clone(), Lenience::Vendor).unwrap());
        assert_eq!(count, 0, "{json:?}");
        let message = Message::decode(json.clone(), Lenience::Vendor)
            .unwrap()
            .message;
        let count = allocations(|| {
            out.clear();
            message.encode_line(&mut out);
        });
        assert_eq!(count, 0, "{json:?}");
    }
}

#[test]
fn a_delivery_to_many_is_encoded_once() {
    let mut delivery = Delivery::new("", Mid::new(""), "火警".into());
    delivery.topic = Some("c_1".into());
    let frame = DeliveryFrame::new(&delivery);
    let mut out = Vec::with_capacity(1 << 20);
    let mids: Vec<Mid> = (0..1000).map(|mid| Mid::new(mid.to_string())).collect();
    let count = allocations(|| {
        out.clear();
        for mid in &mids {
            frame.write_line(Some("m_2"), mid, &mut out);
        }
    });
    assert_eq!(count, 0);
    let mut each = Vec::new();
    for mid in mids {
        delivery.alias = Some("m_2".into());
        delivery.mid = mid;
        Message::Deliver(delivery.clone()).encode_line(&mut each);
    }
    assert_eq!(out, each);
}

#[test]
fn lines_of_one_read_share_its_allocations() {
    let stream = "{\"t\":1,\"alias\":\"m_2\"}\n".repeat(1000);
    let mut codec = LineCodec::default();
    let count = allocations(|| {
        let mut received = BytesMut::from(stream.as_str());
        let lines = std::iter::from_fn(|| codec.decode(&mut received)).count();
        assert_eq!(lines, 1000);
    });
    assert!(count <= 3, "{count} for 1000 lines");
}
