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
