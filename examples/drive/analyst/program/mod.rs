//! The programs around both ends: arguments in, words and lines of JSON out.

pub mod analyser;
pub mod dispatcher;
