//! A platform that receives the records of face terminals.
fn main() {}
