//! The analyser.
