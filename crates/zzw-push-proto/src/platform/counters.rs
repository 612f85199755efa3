//! What a [`super::Platform`] has counted.

/// What has happened so far, and what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Links over TCP now.
    pub tcp_links: u64,
    /// Links over Socket.IO now.
    pub socketio_links: u64,
    /// Aliases that are online here now.
    pub online: u64,
    /// Bytes of bodies held now.
    pub held_bytes: usize,
    /// Requests that the store has not answered now.
    pub store_requests: usize,
    /// Publications taken.
    pub published: u64,
    /// Messages sent for the first time.
    pub delivered: u64,
    /// Messages sent again on the same link.
    pub redelivered: u64,
    /// Messages acknowledged that were waited for.
    pub acked: u64,
    /// Messages not sent because their time was over.
    pub expired: u64,
    /// Messages that had to go for newer ones.
    pub evicted: u64,
    /// Messages for those who are online only that a link had no room for.
    pub dropped: u64,
    /// Commands for doors that had to wait for so long that they came to nothing.
    pub late: u64,
    /// Frames that were none.
    pub garbled: u64,
    /// Requests answered with `busy`.
    pub busy: u64,
    /// Requests that were not allowed.
    pub denied: u64,
    /// News of presence told, once for each topic.
    pub presence: u64,
    /// News of presence that were lost, to the store or to a limit.
    pub presence_lost: u64,
    /// Tokens of clients that were valid.
    pub tokens_accepted: u64,
    /// Tokens of clients that were not.
    pub tokens_rejected: u64,
    /// Requests that the store has failed.
    pub store_failures: u64,
    /// Aliases that the store would not let go.
    pub unreleased: u64,
    /// Links that were too slow.
    pub slow: u64,
}
