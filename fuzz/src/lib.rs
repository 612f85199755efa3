//! Properties that hold for every input, one module per crate.
//!
//! A property is a function of bytes that panics when it does not hold. `cargo fuzz` looks for
//! bytes that break it; `tests/replay.rs` runs it over the seeds and past findings on stable:
//!
//! ```text
//! cargo +nightly fuzz run xtea_token_open fuzz/corpus/xtea_token_open fuzz/seeds/xtea_token_open
//! cargo test --manifest-path fuzz/Cargo.toml
//! cargo run --manifest-path fuzz/Cargo.toml --bin xtea_token_open -- FILE
//! ```
//!
//! To add one: write the function, name it in [`TARGETS`], add a file in `fuzz_targets` and its
//! entry in `Cargo.toml`, and put at least one seed into `seeds/<name>`.

pub mod analyst;
pub mod analyst_device;
pub mod analyst_platform;
pub mod face_device;
pub mod face_platform;
pub mod face_record_push;
pub mod lenient_wire;
pub mod se5_device;
pub mod se5_events;
pub mod se5_platform;
pub mod xtea_token;
pub mod zzw_device;
pub mod zzw_platform;
pub mod zzw_push;
pub mod zzw_rooms;
pub mod zzw_socketio;
pub mod zzw_store;

/// A statement about the code that panics for the bytes that refute it.
pub type Property = fn(&[u8]);

/// Every property by the name of its fuzz target, seeds and regressions.
pub const TARGETS: &[(&str, Property)] = &[
    ("analyst_connection_info", analyst::connection_info),
    ("analyst_device_ops", analyst_device::ops),
    ("analyst_lenient_json", analyst::lenient_json),
    ("analyst_message", analyst::message),
    ("analyst_platform_ops", analyst_platform::ops),
    ("analyst_restore", analyst::restore),
    ("analyst_sign", analyst::sign),
    ("face_device_ops", face_device::ops),
    ("face_platform_ops", face_platform::ops),
    ("face_push", face_record_push::push),
    ("face_reply", face_record_push::reply),
    ("face_subscribe", face_record_push::subscribe),
    ("face_dest", face_record_push::dest),
    ("face_records", face_record_push::records),
    ("face_outbox_row", face_record_push::outbox_row),
    ("se5_device_ops", se5_device::ops),
    ("se5_platform_ops", se5_platform::ops),
    ("lenient_scan", lenient_wire::scan),
    ("se5_config", se5_events::config),
    ("se5_device_list", se5_events::device_list),
    ("se5_event", se5_events::event),
    ("se5_history", se5_events::history),
    ("se5_image", se5_events::image),
    ("se5_notice", se5_events::notice),
    ("xtea_token_open", xtea_token::open),
    ("xtea_token_identify", xtea_token::identify),
    ("xtea_token_v2", xtea_token::v2),
    ("zzw_device_ops", zzw_device::ops),
    ("zzw_engineio3", zzw_socketio::engine),
    ("zzw_line_roundtrip", zzw_push::line_roundtrip),
    ("zzw_line_stream", zzw_push::line_stream),
    ("zzw_platform_ops", zzw_platform::ops),
    ("zzw_repair", zzw_push::repairs),
    ("zzw_rest_path", zzw_push::rest_path),
    ("zzw_room_path", zzw_rooms::path),
    ("zzw_rooms_ops", zzw_rooms::ops),
    ("zzw_socketio_packet", zzw_socketio::packet),
    ("zzw_store_ops", zzw_store::ops),
    ("zzw_text_fold", zzw_socketio::text_fold),
];

/// The body of one file in `fuzz_targets`: the property named in [`TARGETS`] under libFuzzer, and
/// without it a program that replays the files it is given.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::run($name, data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for file in std::env::args_os().skip(1) {
                $crate::run($name, &std::fs::read(file)?);
            }
            Ok(())
        }
    };
}

/// Runs the property of that name.
///
/// # Panics
///
/// When the property does not hold, or there is none of that name.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, property) = target.expect("the target is named in TARGETS");
    property(data);
}
