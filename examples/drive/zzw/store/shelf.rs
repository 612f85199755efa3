//! What a store is made of: the few things that memory and disk do differently.

use std::collections::BTreeSet;
use zzw_push_proto::platform::{Entry, MessageId, UnixMillis};
use zzw_push_proto::wire::{Json, Text};

/// Where a store keeps things. It does as it is told; what is to be kept is decided in
/// [`super::desk`].
pub(super) trait Shelf {
    /// Why it failed.
    type Error;
    /// A body that several queues share.
    type Shared: Clone;

    /// What is known of an alias.
    fn record(&mut self, alias: &str) -> Result<Option<Record>, Self::Error>;

    fn set_record(&mut self, alias: &Text, record: &Record) -> Result<(), Self::Error>;

    /// Forgets an alias, which has neither messages nor topics.
    fn forget(&mut self, alias: &str) -> Result<(), Self::Error>;

    /// The next aliases in the order of their bytes.
    fn aliases(&mut self, after: &str, limit: usize) -> Result<Vec<(Text, Record)>, Self::Error>;

    /// Puts a message at the end of a queue.
    fn put(
        &mut self,
        alias: &Text,
        mid: MessageId,
        expires_at: UnixMillis,
        body: Body<'_, Self::Shared>,
    ) -> Result<(), Self::Error>;

    /// Takes a message out of a queue; returns the lengths of what went with it.
    fn take(&mut self, alias: &str, mid: MessageId) -> Result<Option<Taken>, Self::Error>;

    /// Keeps a body for so many queues, at least one.
    fn share(
        &mut self,
        topic: &Text,
        body: &Json,
        queues: u64,
    ) -> Result<Self::Shared, Self::Error>;

    /// The messages of a queue behind `after`, oldest first, that are alive at `at`.
    fn entries(
        &mut self,
        alias: &str,
        after: MessageId,
        limit: usize,
        at: UnixMillis,
    ) -> Result<Vec<Entry>, Self::Error>;

    /// The oldest messages of a queue and when their time is over.
    fn expiries(&mut self, alias: &str, limit: usize) -> Result<Vec<Expiry>, Self::Error>;

    fn topics(&mut self, alias: &str) -> Result<BTreeSet<Text>, Self::Error>;

    fn members(&mut self, topic: &str) -> Result<Vec<Text>, Self::Error>;

    fn join(&mut self, alias: &Text, topic: &Text) -> Result<(), Self::Error>;

    fn leave(&mut self, alias: &Text, topic: &Text) -> Result<(), Self::Error>;

    /// Keeps what a device tells about itself; returns the length of what it told before.
    fn set_info(&mut self, alias: &Text, info: &Json) -> Result<usize, Self::Error>;

    fn info(&mut self, alias: &str) -> Result<Option<Json>, Self::Error>;
}

/// What is known of an alias besides its messages and topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) epoch: u64,
    /// The id that it was given last.
    pub(super) last: MessageId,
    /// Messages lost and not told.
    pub(super) gap: u64,
    /// Messages in its queue.
    pub(super) len: u64,
    /// No message of the queue expires before.
    pub(super) soonest: UnixMillis,
    pub(super) topics: u64,
    /// Somebody has had it.
    pub(super) is_claimed: bool,
}

/// The body of a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body<'b, S> {
    Own(&'b Json),
    Shared(&'b S),
}

/// A message and when its time is over.
pub(super) type Expiry = (MessageId, UnixMillis);

/// What has gone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    /// Bytes of a body that the message had for itself.
    pub(super) own: usize,
    /// Bytes of a shared body and of its topic, if this was the last message that had it.
    pub(super) shared: Option<usize>,
}
