//! Where the broker is, and who one is there.

use super::{ClientId, ParentTopic, Secret, Text};
use crate::BrokerProfile;

/// What a server answers `get_connection_info` with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// `topic`: the parent of all point-to-point topics.
    pub parent: ParentTopic,
    /// `client_id`: who the analyser is at the broker.
    pub client_id: ClientId,
    /// `server_client_id`: who the dispatcher is at the broker.
    pub server_client_id: ClientId,
    /// `user_name`.
    pub user_name: Text,
    /// `password`.
    pub password: Secret,
    /// `brokerUrl`: name of the broker's host.
    pub host: Text,
    /// `port`.
    pub port: u16,
    /// Whether `brokerUrl` asks for TLS, as `ssl://` or `mqtts://` before the host does.
    pub is_tls: bool,
    /// `keepalive`, in seconds.
    pub keepalive: u16,
}

/// Something about connection information that its server should know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InfoWarning {
    /// `keepalive` is missing, 0 or too large.
    #[error(
        "`keepalive` is no number from 1 to 65535: {} is taken",
        ConnectionInfo::KEEPALIVE
    )]
    Keepalive,
    /// Aliyun's broker takes no such client identifier.
    #[error("a client id is not GID_group@@@device with a group of 7 to 64 characters")]
    ClientId,
    /// Aliyun's broker takes no such topic.
    #[error("a topic has more than 64 characters with its client id: shorten either")]
    Topic,
    /// The user name is for another instance than the host.
    #[error("`user_name` and `brokerUrl` name different instances")]
    Instance,
}

impl ConnectionInfo {
    /// Where brokers listen.
    pub const PORT: u16 = 1_883;
    /// Seconds between signs of life, unless a server says otherwise.
    pub const KEEPALIVE: u16 = 60;

    /// Connection information with the usual port and keepalive.
    pub fn new(
        parent: ParentTopic,
        client_id: ClientId,
        server_client_id: ClientId,
        host: impl Into<Text>,
    ) -> Self {
        Self {
            parent,
            client_id,
            server_client_id,
            user_name: Text::default(),
            password: Secret::new(""),
            host: host.into(),
            port: Self::PORT,
            is_tls: false,
            keepalive: Self::KEEPALIVE,
        }
    }

    /// The same with a user name and a password.
    #[must_use]
    pub fn with_login(self, user_name: impl Into<Text>, password: Secret) -> Self {
        Self {
            user_name: user_name.into(),
            password,
            ..self
        }
    }

    /// How the broker treats point-to-point messages, as its host and the user name tell.
    pub fn profile(&self) -> BrokerProfile {
        BrokerProfile::detect(&self.user_name, &self.host)
    }

    /// What the broker will not like, if it is what its host and the user name tell.
    pub fn warnings(&self) -> Vec<InfoWarning> {
        self.warnings_for(self.profile())
    }

    /// What a broker of this profile will not like.
    pub fn warnings_for(&self, profile: BrokerProfile) -> Vec<InfoWarning> {
        use crate::credentials::{UserName, instance_of};
        let mut warnings = Vec::new();
        //= docs/spec/analyst-proto.md#names
        //# A client identifier or a topic that Aliyun's broker does not take MUST be warned of, and
        //# MUST NOT be refused, where the broker is Aliyun's.
        if !profile.checks_lengths() {
            return warnings;
        }
        let clients = [&self.client_id, &self.server_client_id];
        if !clients.iter().all(|client| client.is_of_lmq()) {
            warnings.push(InfoWarning::ClientId);
        }
        let is_short = |client: &&ClientId| self.parent.p2p(client).is_of_lmq();
        if !clients.iter().all(is_short) {
            warnings.push(InfoWarning::Topic);
        }
        // Behind another host may be a proxy, or a simulator.
        let is_aliyuns = BrokerProfile::detect("", &self.host) == BrokerProfile::Lmq;
        let user_name = UserName::parse(&self.user_name);
        let is_other = |instance: &str| !instance.eq_ignore_ascii_case(instance_of(&self.host));
        if is_aliyuns && user_name.instance().is_some_and(is_other) {
            warnings.push(InfoWarning::Instance);
        }
        warnings
    }
}
