//! What the ends of a flow are at: a server of the flow's own, or nodes that all flows share.

use super::ends::{Kept, Plant};
use super::nodes::Nodes;
use crate::demo::cable::Cable;
use crate::zzw::server::Addresses;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One server, or one flow's part in several nodes.
pub(super) enum Site {
    Own(Box<Plant>),
    Shared(Box<Nodes>),
}

/// Where to connect to, and what leads on from there.
pub(super) struct Way {
    pub(super) address: SocketAddr,
    _cable: Option<Cable>,
}

impl Site {
    /// The nodes if there are any, else a server that keeps messages in that folder.
    pub(super) async fn start(nodes: Option<&Nodes>, folder: PathBuf) -> io::Result<Self> {
        Ok(match nodes {
            Some(nodes) => Self::Shared(Box::new(nodes.clone())),
            None => Self::Own(Box::new(Plant::start(Kept::Folder(folder)).await?)),
        })
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Where a node listens. One server is all nodes.
    pub(super) fn addresses(&self, node: usize) -> Addresses {
        match self {
            Self::Own(plant) => plant.addresses(),
            Self::Shared(nodes) => nodes.addresses(node),
        }
    }

    /// The same port of all nodes, that node's first.
    pub(super) fn ends(
        &self,
        node: usize,
        port: impl Fn(Addresses) -> SocketAddr,
    ) -> Vec<SocketAddr> {
        match self {
            Self::Own(plant) => vec![port(plant.addresses())],
            Self::Shared(nodes) => nodes.from(node, port),
        }
    }

    /// A way to that node, and to another when it is dead.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub(super) async fn way(
        &self,
        node: usize,
        port: impl Fn(Addresses) -> SocketAddr,
    ) -> io::Result<Way> {
        let ends = self.ends(node, &port);
        if !self.is_cluster() {
            let address = port(self.addresses(node));
            return Ok(Way {
                address,
                _cable: None,
            });
        }
        let cable = Cable::lay_to_any(ends).await?;
        Ok(Way {
            address: cable.address(),
            _cable: Some(cable),
        })
    }

    pub(super) fn token(&self) -> &str {
        match self {
            Self::Own(plant) => plant.token(),
            Self::Shared(nodes) => nodes.token(),
        }
    }

    /// True while there is something to connect to.
    pub(super) fn is_up(&self) -> bool {
        match self {
            Self::Own(plant) => plant.is_up(),
            Self::Shared(nodes) => nodes.is_up(),
        }
    }

    /// Aliases that are online.
    pub(super) fn online(&self) -> u64 {
        match self {
            Self::Own(plant) => plant.online(),
            Self::Shared(nodes) => nodes.online(),
        }
    }

    /// A message was acknowledged to the centre.
    pub(super) fn acknowledged(&self, message: (&'static str, u64), has_arrived: bool) {
        if let Self::Shared(nodes) = self {
            nodes.acknowledged(message, has_arrived);
        }
    }

    /// A message has arrived at the end.
    pub(super) fn arrived(&self, message: (&'static str, u64), is_late: bool) {
        if let Self::Shared(nodes) = self {
            nodes.arrived(message, is_late);
        }
    }

    /// Breaks the flow's own server off, or lets it start again. Nodes have switches of their own.
    pub(super) fn switch(&mut self, is_up: bool) {
        if let Self::Own(plant) = self {
            plant.switch(is_up);
        }
    }

    /// What goes by time.
    pub(super) async fn tick(&mut self) {
        if let Self::Own(plant) = self {
            plant.tick().await;
        }
    }

    /// Why it did not run to the end, if it did not. Nodes tell that in their own flow.
    pub(super) async fn stop(self) -> Result<(), String> {
        match self {
            Self::Own(plant) => plant.stop().await,
            Self::Shared(_) => Ok(()),
        }
    }
}
