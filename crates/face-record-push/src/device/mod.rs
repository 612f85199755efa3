//! The terminal: a queue of records, one post in flight, retried until acknowledged.

mod fault;
mod vocabulary;

pub use fault::Fault;
pub use vocabulary::{
    AttemptId, Cause, Charge, Config, Counters, Durability, Event, Failure, IndexEntry, Input,
    Loss, LossReason, Op, OpId, Output, Overflow, Post, Reason, Recovered, Seq, State, StoreError,
};
