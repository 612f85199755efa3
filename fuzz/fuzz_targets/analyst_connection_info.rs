//! See `fuzz_targets::TARGETS`.
#![cfg_attr(fuzzing, no_main)]

fuzz_targets::target!("analyst_connection_info");
