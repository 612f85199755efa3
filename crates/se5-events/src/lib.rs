//! se5-events
