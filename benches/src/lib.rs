//! Bench harness
