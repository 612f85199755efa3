//! What messages cost: the walk, and one piece of memory for each list.

use analyst_proto::codec::{Dialect, Lenience, decode, encode};
use bytes::Bytes;
use std::sync::Mutex;

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

const TASK: &str = r#"{"data":{"door_close_timestamp":1558600000821,"goods_ids":{"1":[2,5,8,10,12],"3":[31,37,49,60],"2":[21,27,29,30],"5":[51,57,59,60],"4":[41,47,49,60],"-1":[2,5,8,10,12]},"top_video":"top","door_open_timestamp":1558600000000,"weight_info":[{"startTimeStamp":1558600000000,"endTimeStamp":1558600000821,"weight":-512,"floor":4},{"startTimeStamp":1558600003493,"endTimeStamp":1558600007607,"weight":-77,"floor":2}],"ass_video":"ass","analyst_id":"a#1","id":1679846303806259201},"action":"ANALYSIS_START"}"#;

#[test]
fn a_task_costs_one_allocation_for_its_goods_and_one_for_its_weights() {
    for (json, expected) in [
        (TASK, 2),
        (
            r#"{"action":"ANALYSIS_FINISH","data":{"id":"1","RESULT":{"18":4,"15":3},"analyst_id":"a#1"}}"#,
            1,
        ),
        (
            r#"{"action":"ANALYSIS_FINISH","data":{"id":1,"RESULT":{}}}"#,
            0,
        ),
        (
            r#"{"action":"ANALYSIS_FAIL","data":{"id":1,"RESULT":"视频打不开"}}"#,
            0,
        ),
        (r#"{"action":"ANALYSIS_TIMEOUT","data":{"id":1}}"#, 0),
        (r#"{"action":"ANALYSIS_PROGRESS","data":{"id":1}}"#, 0),
    ] {
        let payload = Bytes::from_static(json.as_bytes());
        for lenience in [Lenience::field(), Lenience::document()] {
            let count = allocations(|| decode(&payload, &lenience).unwrap());
            assert_eq!(count, expected, "{json}");
        }
        let message = decode(&payload, &Lenience::field()).unwrap();
        let mut out = Vec::with_capacity(1024);
        let count = allocations(|| {
            out.clear();
            encode(&message, &Dialect::default(), &mut out);
        });
        assert_eq!(count, 0, "{json}");
    }
}

#[test]
fn a_text_without_escapes_is_a_slice_of_the_message() {
    let payload = Bytes::from(TASK.to_owned());
    let analyst_proto::wire::Message::Start(start) = decode(&payload, &Lenience::field()).unwrap()
    else {
        panic!("a task");
    };
    let range = payload.as_ptr_range();
    assert!(range.contains(&start.top_video.as_bytes().as_ptr()));
    assert!(!range.contains(&start.detached().top_video.as_bytes().as_ptr()));
    assert_eq!(start.detached(), start);
}
