//! What brokers do differently.

use std::time::Duration;

/// How a broker treats point-to-point messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BrokerProfile {
    /// Aliyun's micro message queue: a client gets what is for it without a subscription.
    Lmq,
    /// Any other broker: each client subscribes to its own topic.
    Plain,
}

/// How fast a client may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rate {
    /// Messages in a second, in the long run.
    pub per_second: u32,
    /// Messages at once.
    pub burst: u32,
}

impl Rate {
    /// So many messages a second in the long run, and so many at once.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

impl BrokerProfile {
    /// The profile of a broker, by the user name for it or by its host.
    pub fn detect(user_name: &str, host: &str) -> Self {
        //= docs/spec/analyst-proto.md#credentials
        //# A broker MUST be taken for Aliyun's if the user name begins with `Signature|`, `Token|` or
        //# `DeviceCredential|`, or if its host is below `mqtt.aliyuncs.com`, unless it is configured
        //# otherwise.
        let forms = ["Signature|", "Token|", "DeviceCredential|"];
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_lmq = forms.iter().any(|form| user_name.starts_with(form))
            || host.ends_with(".mqtt.aliyuncs.com");
        if is_lmq { Self::Lmq } else { Self::Plain }
    }

    /// Whether a client has to subscribe to its own topic, over each connection.
    pub fn needs_subscription(self) -> bool {
        self == Self::Plain
    }

    /// How fast a client may publish: 20 messages a second, or as it likes.
    pub fn rate(self) -> Option<Rate> {
        (self == Self::Lmq).then_some(Rate {
            per_second: 20,
            burst: 20,
        })
    }

    /// How long a message that the broker sends once more may arrive behind a later one; 15 s, or
    /// none where it keeps the order of each publisher.
    pub fn overtake_guard(self) -> Duration {
        match self {
            Self::Lmq => Duration::from_secs(15),
            Self::Plain => Duration::ZERO,
        }
    }

    /// How long after a connection is made messages may come that were sent before; 10 s, or 1 s.
    pub fn settle(self) -> Duration {
        match self {
            Self::Lmq => Duration::from_secs(10),
            Self::Plain => Duration::from_secs(1),
        }
    }

    /// Whether a message that is not acknowledged is delivered again over the same connection.
    pub fn delivers_again(self) -> bool {
        self == Self::Lmq
    }

    /// Largest payload, in bytes: Aliyun's broker drops larger ones and says nothing.
    pub fn payload_limit(self) -> usize {
        64 * 1024
    }

    /// Whether identifiers and topics are held against the lengths that the broker takes.
    pub fn checks_lengths(self) -> bool {
        self == Self::Lmq
    }
}
