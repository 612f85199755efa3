//! lenient-wire
