//! Where the broker is, and who one is there.

use super::{ClientId, ParentTopic, Secret, Text};

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
    /// `keepalive`, in seconds.
    pub keepalive: u16,
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
}
