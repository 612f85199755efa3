//! What the simulator is to be like, and what is to go wrong.

use analyst_proto::wire::{ParentTopic, Secret};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// What a simulator is to be.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where to listen; any free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// The certificate that it shows; none, and it takes no TLS.
    pub tls: Option<TlsAcceptor>,
    /// The secret key behind passwords; none, and every password is right.
    pub secret: Option<Secret>,
    /// The only parent topic there is; none, and every one is.
    pub parent: Option<ParentTopic>,
    /// Everything that chance decides follows from it; 1.
    pub seed: u64,
    /// A file that gets a line of JSON for everything that happens; none.
    pub record: Option<PathBuf>,
    /// Whether people are told on standard error what is refused or goes wrong; false.
    pub tells: bool,
    /// How it behaves.
    pub behaviour: Behaviour,
}

/// How a simulator behaves. It can be changed while it runs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Behaviour {
    /// Which broker it is like.
    pub profile: Profile,
    /// What becomes of two connections with one client identifier.
    pub duplicate_id: DuplicateId,
    /// When a message that was not acknowledged is sent once more on the same connection; 3 s.
    pub redeliver: Option<Duration>,
    /// What MQTT's DUP flag says.
    pub dup_flag: DupFlag,
    /// How probable it is that a message is lost, on its way to the broker or from it; 0.
    pub drop: f64,
    /// How probable it is that a message is sent twice; 0.
    pub double: f64,
    /// How probable it is that later messages overtake one; 0.
    pub reorder: f64,
    /// How probable it is that a packet is a connection's last; 0.
    pub kill: f64,
    /// How probable it is that a message is acknowledged and lost; 0.
    pub lie: f64,
    /// The shortest and longest time that a message takes; none.
    pub delay: (Duration, Duration),
    /// What is swallowed while connections stay open.
    pub hole: Hole,
    /// Whether messages are kept for clients that are away; they are.
    pub offline: bool,
    /// The shortest and longest time until such a message shows; 5 s to 10 s, and none under
    /// [`Profile::Plain`].
    pub visible: (Duration, Duration),
    /// So many of them are sent at once; 30, and all under [`Profile::Plain`].
    pub batch: usize,
    /// How long it is between two such batches; 5 s.
    pub batch_every: Duration,
    /// What becomes of a payload over [`Self::max_payload`].
    pub over_size: OverSize,
    /// Largest payload, in bytes; 65,536.
    pub max_payload: usize,
    /// What becomes of a message over [`Self::max_rate`].
    pub over_rate: OverRate,
    /// Most messages of one client in a second; 20.
    pub max_rate: u32,
    /// How long a connection with a token lives; none, for ever.
    pub token_life: Option<Duration>,
    /// Whether point-to-point topics end with `/` when they arrive; false.
    pub topic_slash: bool,
}

/// Which broker it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[non_exhaustive]
pub enum Profile {
    /// Aliyun's: clients get what is for them without a subscription.
    #[default]
    Lmq,
    /// Any other: without a subscription nothing comes, and the publisher learns nothing of it.
    Plain,
}

/// What becomes of two connections with one client identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[non_exhaustive]
pub enum DuplicateId {
    /// The first is closed.
    #[default]
    KickOld,
    /// The second is refused.
    RefuseNew,
    /// Both stay, and everything goes to both.
    KeepBoth,
    /// Both are closed.
    DropBoth,
}

/// What MQTT's DUP flag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[non_exhaustive]
pub enum DupFlag {
    /// Whether the message was sent before.
    #[default]
    Honest,
    /// Never that it was.
    Always0,
    /// Always that it was.
    Always1,
}

/// What is swallowed while connections stay open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[non_exhaustive]
pub enum Hole {
    /// Nothing.
    #[default]
    None,
    /// What clients send.
    Up,
    /// What clients are sent.
    Down,
}

/// What becomes of a payload that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[non_exhaustive]
pub enum OverSize {
    /// It is acknowledged and lost.
    #[default]
    Discard,
    /// The connection is closed.
    Close,
}

/// What becomes of a message over the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[non_exhaustive]
pub enum OverRate {
    /// It is delivered, with a line in the log.
    #[default]
    Log,
    /// It is acknowledged and lost.
    Drop,
    /// The connection is closed.
    Close,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("tls", &self.tls.is_some())
            .field("seed", &self.seed)
            .field("behaviour", &self.behaviour)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// A simulator on any free port of this machine that takes every password.
    pub fn new() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: None,
            secret: None,
            parent: None,
            seed: 1,
            record: None,
            tells: false,
            behaviour: Behaviour::default(),
        }
    }

    /// The same with a secret key.
    #[must_use]
    pub fn with_secret(mut self, secret: &str) -> Self {
        self.secret = Some(Secret::new(secret));
        self
    }

    /// The same with another behaviour.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Behaviour)) -> Self {
        change(&mut self.behaviour);
        self
    }
}

impl Behaviour {
    /// When a message shows that is kept now: shortest and longest time.
    pub(super) fn visible_after(&self) -> (Duration, Duration) {
        match self.profile {
            Profile::Lmq => self.visible,
            Profile::Plain => (Duration::ZERO, Duration::ZERO),
        }
    }

    pub(super) fn batch(&self) -> usize {
        match self.profile {
            Profile::Lmq => self.batch,
            Profile::Plain => usize::MAX,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            duplicate_id: DuplicateId::default(),
            redeliver: Some(Duration::from_secs(3)),
            dup_flag: DupFlag::default(),
            drop: 0.0,
            double: 0.0,
            reorder: 0.0,
            kill: 0.0,
            lie: 0.0,
            delay: (Duration::ZERO, Duration::ZERO),
            hole: Hole::default(),
            offline: true,
            visible: (Duration::from_secs(5), Duration::from_secs(10)),
            batch: 30,
            batch_every: Duration::from_secs(5),
            over_size: OverSize::default(),
            max_payload: 64 * 1024,
            over_rate: OverRate::default(),
            max_rate: 20,
            token_life: None,
            topic_slash: false,
        }
    }
}
