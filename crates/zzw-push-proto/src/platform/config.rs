//! Settings of a [`super::Platform`].

use super::access::Rules;
use super::lease::Lease;
use super::store::NodeId;
use crate::wire::{Service, Text};
use std::time::Duration;

/// Settings of a broker.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// This node.
    pub node: NodeId,
    /// Address or name that `/info` and `/info/servers` tell.
    pub host: Text,
    /// Ports that `/info/servers` tells.
    pub service: Service,
    /// How many links this node takes, compared with others; 1. Clients are sent to none of weight 0.
    pub weight: u32,
    /// How this node holds its place among others that share its store; none: it is alone.
    pub lease: Option<Lease>,
    /// Seed of the jitter while draining.
    pub seed: u64,
    /// Messages that may be unacknowledged on a link; 32.
    pub window: usize,
    /// Bytes of bodies that may be unacknowledged on a link; 256 KiB.
    pub window_bytes: usize,
    /// Bytes of bodies held in all; 1 GiB. Beyond that nothing is published and nothing read.
    pub max_held: usize,
    /// When a message is sent again; 30 s.
    pub redeliver_after: Duration,
    /// How often a message is sent on one link; 3.
    pub max_tries: u8,
    /// What becomes of a link that acknowledges none of them; [`OnUnacked::Close`].
    pub on_unacked: OnUnacked,
    /// After which silence a link is gone; 90 s.
    pub link_timeout: Duration,
    /// How long a link may be slow; 10 s.
    pub slow_timeout: Duration,
    /// How long the application may take to decide; 5 s. Then it is no.
    pub ask_timeout: Duration,
    /// After so long, a command for a door opens none; 5 s.
    pub door_life: Duration,
    /// Longest body, in bytes; 64 KiB.
    pub max_body: usize,
    /// Messages of one pull; 50.
    pub pull_limit: usize,
    /// Bytes of bodies of one pull; 64 KiB.
    pub pull_bytes: usize,
    /// Requests of one link that the store has not answered; 64. Beyond that, `busy`.
    pub max_requests: usize,
    /// Publications that the store has not kept; 65,536. Beyond that, `busy`.
    pub max_publishing: usize,
    /// Frames that wait on a link for a decision; 32. Beyond that, `busy`.
    pub max_waiting: usize,
    /// Most links; 1,048,576.
    pub max_links: usize,
    /// Frames a second on a link, and at once: 50, 200. Heartbeats and expected acknowledgements
    /// cost nothing.
    pub frame_rate: Rate,
    /// Frames and calls a second from one address, and at once: 500, 1,000.
    pub address_rate: Rate,
    /// Publications a second on a link, and at once: 20, 40.
    pub publish_rate: Rate,
    /// How many unreadable frames end a link; 10.
    pub max_garbled: u8,
    /// Within what time; 60 s.
    pub garbled_within: Duration,
    /// Over what time links are closed while draining; 5 s.
    pub drain_over: Duration,
    /// Type 7 is answered with the four counters only, as the document shows it; false.
    pub bare_type7: bool,
    /// Messages for an alias that nobody has ever had fail with `unknown_alias`; false.
    pub reject_unknown_alias: bool,
    /// A link that states another alias than it has takes that and loses the one it has; false: it is
    /// an error (Z-15).
    pub allow_rebind: bool,
    /// A link without an alias may do nothing but get one, by a heartbeat or a connect frame; false:
    /// it may publish and ask (Z-14).
    pub require_heartbeat_first: bool,
    /// Who comes, goes, joins a topic `T` and leaves it is published on `T/p`, for those who have
    /// registered that and are online; false (P-8).
    ///
    /// The body is `{"action":"online","alias":A,"timestamp":milliseconds}`, or `offline`, `join`,
    /// `leave`. The time is that of the inputs, 0 before the first one that has one.
    pub presence: bool,
    /// How long somebody may be away without being said to be offline; 5 s. A goodbye is said at
    /// once.
    pub presence_grace: Duration,
    /// Whether clients need tokens (K-2); [`ClientToken::Optional`].
    pub client_token: ClientToken,
    /// Who may do what.
    pub rules: Rules,
}

/// Whether clients need tokens. Those of REST are the driver's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ClientToken {
    /// Tokens of clients are not looked at.
    Off,
    /// Nobody needs one, but one that is presented must be valid.
    #[default]
    Optional,
    /// A link is given an alias for a valid token only, and closed when that expires before a new one
    /// has come with a heartbeat.
    Required,
}

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers")]
pub struct Rate {
    /// In a second.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// What becomes of a link that acknowledges nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUnacked {
    /// It is closed.
    Close,
    /// Nothing more is pushed to it until it acknowledges something: for clients that pull.
    Park,
}

impl Config {
    /// The defaults, for a node of that name.
    pub fn new(node: NodeId, host: impl Into<Text>) -> Self {
        Self {
            node,
            host: host.into(),
            service: Service::default(),
            weight: 1,
            lease: None,
            seed: 0,
            window: 32,
            window_bytes: 256 << 10,
            max_held: 1 << 30,
            redeliver_after: Duration::from_secs(30),
            max_tries: 3,
            on_unacked: OnUnacked::Close,
            link_timeout: Duration::from_secs(90),
            slow_timeout: Duration::from_secs(10),
            ask_timeout: Duration::from_secs(5),
            door_life: Duration::from_secs(5),
            max_body: 64 << 10,
            pull_limit: 50,
            pull_bytes: 64 << 10,
            max_requests: 64,
            max_publishing: 65_536,
            max_waiting: 32,
            max_links: 1 << 20,
            frame_rate: Rate::new(50, 200),
            address_rate: Rate::new(500, 1_000),
            publish_rate: Rate::new(20, 40),
            max_garbled: 10,
            garbled_within: Duration::from_secs(60),
            drain_over: Duration::from_secs(5),
            bare_type7: false,
            reject_unknown_alias: false,
            presence: false,
            presence_grace: Duration::from_secs(5),
            allow_rebind: false,
            require_heartbeat_first: false,
            client_token: ClientToken::default(),
            rules: Rules::default(),
        }
    }

    /// Zero would stop everything, or let timers fire for ever.
    pub(super) fn sane(mut self) -> Self {
        let least = Duration::from_millis(1);
        self.window = self.window.max(1);
        self.pull_limit = self.pull_limit.max(1);
        self.max_tries = self.max_tries.max(1);
        self.redeliver_after = self.redeliver_after.max(least);
        self.link_timeout = self.link_timeout.max(least);
        self.slow_timeout = self.slow_timeout.max(least);
        self.ask_timeout = self.ask_timeout.max(least);
        if let Some(lease) = &mut self.lease {
            *lease = lease.sane();
        }
        self
    }
}

impl Rate {
    /// So often in a second, so often at once.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}
