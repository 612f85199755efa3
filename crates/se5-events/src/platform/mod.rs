//! The subscriber.

mod vocabulary;

pub use vocabulary::{
    Assurance, Cause, Config, Event, Freshness, Input, KeyRule, Link, Mark, Op, OpenReason, Output,
    PingPolicy, Reason, Seq, Source, Span,
};
