//! Names of keys. What is about one alias has one hash tag, so that a script about it stays within
//! one slot of a Redis Cluster.

use zzw_push_proto::platform::NodeId;

/// Makes names of keys.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = prefix.to_owned();
        Self { prefix }
    }

    /// What is known of an alias.
    pub(super) fn record(&self, alias: &str) -> String {
        format!("{}:r:{{a:{alias}}}", self.prefix)
    }

    /// Its messages.
    pub(super) fn queue(&self, alias: &str) -> String {
        format!("{}:q:{{a:{alias}}}", self.prefix)
    }

    /// Its topics.
    pub(super) fn topics(&self, alias: &str) -> String {
        format!("{}:s:{{a:{alias}}}", self.prefix)
    }

    /// What it tells about itself.
    pub(super) fn info(&self, alias: &str) -> String {
        format!("{}:i:{{a:{alias}}}", self.prefix)
    }

    /// The aliases that have a topic, and perhaps some that had it.
    pub(super) fn members(&self, topic: &str) -> String {
        format!("{}:m:{{t:{topic}}}", self.prefix)
    }

    /// A body that several queues share.
    pub(super) fn body(&self, node: NodeId, number: u64) -> String {
        format!("{}:b:{{{}-{number}}}", self.prefix, node.0)
    }

    /// What other nodes say to a node.
    pub(super) fn inbox(&self, node: NodeId) -> String {
        format!("{}:n:{{n:{}}}", self.prefix, node.0)
    }

    /// The aliases that a node has, and perhaps some that it had.
    pub(super) fn owned(&self, node: NodeId) -> String {
        format!("{}:na:{{n:{}}}", self.prefix, node.0)
    }

    /// Who clears up behind a node.
    pub(super) fn sweeper(&self, node: NodeId) -> String {
        format!("{}:sweep:{{n:{}}}", self.prefix, node.0)
    }

    /// The nodes and their leases.
    pub(super) fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    /// Epochs of the aliases that are listed, and the lists by transport.
    pub(super) fn lists(&self) -> [String; 3] {
        ["e", "tcp", "sio"].map(|what| format!("{}:al:{{al}}:{what}", self.prefix))
    }
}
