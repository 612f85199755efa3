//! What links, messages and fan-out cost in memory.

mod platform_kit;

use platform_kit::{Rig, config};
use std::sync::Mutex;
use zzw_push_proto::platform::{Input, LinkId, Output, Parcel, Rate};

/// Forwards to the system's allocator and counts.
#[global_allocator]
static HEAP: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// The counts are of the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const LINKS: u64 = 10_000;

fn broker() -> Rig {
    let mut config = config();
    config.address_rate = Rate::new(1_000_000, 1_000_000_000);
    Rig::new(config)
}

/// Bytes that the broker holds, without store, log and what the test itself keeps.
fn held(rig: &mut Rig) -> usize {
    rig.log = Vec::new();
    let region = stats_alloc::Region::new(HEAP);
    let platform = std::mem::replace(
        &mut rig.platform,
        zzw_push_proto::platform::Platform::new(config()),
    );
    drop(platform);
    let change = region.change();
    change.bytes_deallocated - change.bytes_allocated
}

#[test]
fn an_idle_link_takes_less_than_a_kibibyte() {
    let _alone = ONE_AT_A_TIME.lock();
    let mut rig = broker();
    for id in 1..=LINKS {
        rig.bind(id, &format!("m_{id}"));
        rig.says(id, r#"{"t":2,"topic":["c_1"],"num":"1"}"#);
        rig.log.clear();
    }
    // A message that has been acknowledged leaves nothing behind.
    for id in 1..=LINKS {
        let publish = format!(r#"{{"t":6,"alias":["m_{id}"],"msg":"x","num":"n"}}"#);
        rig.says(id, &publish);
        let mid = rig.store.aliases[&*format!("m_{id}")].last.0;
        rig.says(id, &format!(r#"{{"t":-5,"mid":"{mid}"}}"#));
        rig.log.clear();
    }
    assert_eq!(rig.platform.snapshot().acked, LINKS);
    let each = held(&mut rig) as u64 / LINKS;
    assert!((100..1024).contains(&each), "{each} bytes a link");
}

#[test]
fn a_link_that_was_held_is_given_back_as_a_whole() {
    let _alone = ONE_AT_A_TIME.lock();
    let mut rig = broker();
    for id in 1..=LINKS {
        rig.bind(id, &format!("m_{id}"));
        rig.log.clear();
    }
    for id in 1..=LINKS {
        rig.input(Input::Disconnected(LinkId(id)));
        rig.log.clear();
    }
    let left = held(&mut rig) as u64 / LINKS;
    assert!(left < 128, "{left} bytes of each link are left");
}

#[test]
//= docs/spec/zzw-push-proto.md#queue
//# A body for many MUST be held once.
fn what_goes_to_many_has_one_body_in_memory() {
    let _alone = ONE_AT_A_TIME.lock();
    let mut rig = broker();
    for id in 1..=100 {
        rig.bind(id, &format!("m_{id}"));
        rig.says(id, r#"{"t":2,"topic":["c_1"],"num":"1"}"#);
    }
    let text = "hello ".repeat(10);
    for (to, ttl) in [
        (r#""topic":["c_1"]"#, 0),
        (r#""topic":["c_1"]"#, 600),
        (r#""alias":["m_1","m_2","m_3"]"#, 0),
        (r#""alias":["m_1","m_2","m_3"]"#, 600),
    ] {
        rig.log.clear();
        let opts = format!(r#""opts":{{"time_to_live":{ttl}}}"#);
        rig.says(
            1,
            &format!(r#"{{"t":6,{to},"msg":"{text}",{opts},"num":"n"}}"#),
        );
        let parcel = |output: &Output| match output {
            Output::Deliver(_, parcel) => Some(parcel.clone()),
            _ => None,
        };
        let parcels: Vec<Parcel> = rig.log.iter().filter_map(parcel).collect();
        assert!(parcels.len() >= 3, "{} deliveries", parcels.len());
        let at = |parcel: &Parcel| parcel.body().as_bytes().as_ptr();
        for other in &parcels {
            assert!(other.is_like(&parcels[0]), "{to} {ttl}");
            assert_eq!(at(other), at(&parcels[0]), "{to} {ttl}");
        }
    }
}
