//! The receiver: keeps every push before it acknowledges it.

mod vocabulary;

pub use vocabulary::{
    AgeBasis, AskId, Config, Counters, EnrolError, Entry, Event, Freshness, Head, Input, LinkId,
    Method, Novelty, Op, Output, QuarantineReason, Quarantined, Reason, RefusalReason, RemoteAuth,
    Seq, Source, StoreError, Terminal, TerminalAnswer, TerminalAsk, Undecided,
};
