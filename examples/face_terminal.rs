//! A face terminal.
fn main() {}
