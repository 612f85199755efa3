//! Drivers
