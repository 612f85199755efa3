//! The box.

mod fault;
mod vocabulary;

pub use fault::Fault;
pub use vocabulary::{
    Config, Delivery, EmptyList, Event, Input, LinkId, Output, Peer, Reason, SpotFollows,
};
