//! The messages: what they say, in Rust's terms.
