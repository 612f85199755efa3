//! What a device holds, whatever it is sent. One test, since the counter counts for all.

use zzw_push_proto::device::{Ack, Config, Device, Input, Recovered};
use zzw_push_proto::wire::{Lenience, Message};

/// Forwards to the system's allocator and counts.
#[global_allocator]
static HEAP: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

#[test]
//= docs/spec/zzw-push-proto.md#device-delivery
//# The device MUST NOT hold a message any longer than until it is reported and stored.
fn a_device_that_is_flooded_holds_ids_and_not_messages() {
    let now = testkit::epoch();
    let mut config = Config::new("m_2", 7);
    (config.ack, config.max_garbled) = (Ack::Manual, u32::MAX);
    let region = stats_alloc::Region::new(HEAP);
    let mut device = Device::new(config, Recovered::empty());
    device.handle_input(now, Input::Connected);
    let body = "x".repeat(32 << 10);
    for nth in 0..10_000_u32 {
        device.pull(now).ok();
        for line in [
            format!(r#"{{"t":5,"alias":"m_2","mid":"{nth:0100}","msg":"{body}"}}"#),
            format!(r#"{{"t":5,"mid":"{nth:0200}","msg":1}}"#),
            format!(r#"{{"t":-4,"msg":[1,2],"mid":["a{nth:0100}"],"num":"{nth}"}}"#),
            format!(r#"{{"t":8,"r":"{nth:0100}","u":"u"}}"#),
            format!(r#"{{"t":0,"error":"{nth}","num":"{nth}"}}"#),
            format!(r#"{{"t":{nth},"garbage":"#),
        ] {
            let heard = match Message::decode_from_server(line.into(), Lenience::Vendor) {
                Ok(decoded) => Input::Received(decoded.message),
                Err(error) => Input::Garbled(error),
            };
            device.handle_input(now, heard);
            while device.poll_output().is_some() {}
        }
    }
    let change = region.change();
    let held = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    assert!(held < 128 << 10, "{held} bytes");
    println!(
        "{held} bytes held, {} of them by itself",
        size_of::<Device>()
    );
}
