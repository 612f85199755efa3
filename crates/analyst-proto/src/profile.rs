//! What brokers do differently.

/// How a broker treats point-to-point messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BrokerProfile {
    /// Aliyun's micro message queue: a client gets what is for it without a subscription.
    Lmq,
    /// Any other broker: each client subscribes to its own topic.
    Plain,
}

impl BrokerProfile {
    /// The profile of a broker, by the user name for it or by its host.
    pub fn detect(user_name: &str, host: &str) -> Self {
        let forms = ["Signature|", "Token|", "DeviceCredential|"];
        let is_lmq = forms.iter().any(|form| user_name.starts_with(form))
            || host.ends_with(".mqtt.aliyuncs.com");
        if is_lmq { Self::Lmq } else { Self::Plain }
    }
}
