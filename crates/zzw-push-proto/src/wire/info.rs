//! What servers tell about themselves and about aliases.

use super::{Extra, Num, Text, Texts};

/// `t:-7`: how much a server has to do (Z-11, Z-12).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// `One2OneSize`: intercom calls.
    pub one_to_one: u64,
    /// `One2ManySize`: rooms of capture pictures.
    pub one_to_many: u64,
    /// `Many2ManySize`: other rooms.
    pub many_to_many: u64,
    /// `channelSize`: TCP links.
    pub channels: u64,
    /// Written without `t`, as the document shows it.
    pub is_bare: bool,
    /// Number of the request.
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// `info_status_c`, and `/info/status`: how somebody is (Z-29).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Status {
    /// Who; not over REST.
    pub alias: Option<Text>,
    /// The topics.
    pub topics: Texts,
    /// Whether somebody with that alias is connected.
    pub is_online: bool,
    /// Number of the request, if it had one.
    pub num: Num,
    /// Further members.
    pub extra: Extra,
}

/// `/info/servers`: where to connect (Z-33).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Servers {
    /// The server with least to do: an address or a name.
    pub host: Text,
    /// Its ports.
    pub service: Service,
    /// Further members.
    pub extra: Extra,
}

/// The ports of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// `rest`: 9900.
    pub rest: u16,
    /// `webSocket`: 9000, the relay rooms.
    pub web_socket: u16,
    /// `socket`: 9906, Socket.IO.
    pub socket: u16,
    /// `push`: 9800, lines over TCP.
    pub push: u16,
    /// Further members.
    pub extra: Extra,
}

/// `/info`: the servers of a cluster and what each has to do (Z-31).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClusterInfo {
    /// By advertised host, in the order of the answer.
    pub nodes: Vec<(Text, NodeCounts)>,
    /// `stale`: the counts of other servers are old (C-5). Written only if true.
    pub is_stale: bool,
}

/// The links of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NodeCounts {
    /// `webSocketSize`: relay links.
    pub web_sockets: u64,
    /// `channelSize`: TCP links.
    pub channels: u64,
    /// `onlineAllSize`: all of them (Z-32).
    pub online: u64,
    /// `socketIOSize`: Socket.IO links.
    pub socket_ios: u64,
    /// Further members.
    pub extra: Extra,
}

/// `/info/allChannelAlias`, `/info/allSocketIOAlias`: aliases that are connected, by page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AliasPage {
    /// Aliases on all pages.
    pub total: u64,
    /// Those of this page, in the order of their bytes.
    pub aliases: Texts,
    /// Further members.
    pub extra: Extra,
}

impl Counts {
    /// Counters of a server, to be written with `t`.
    pub fn new(one_to_one: u64, one_to_many: u64, many_to_many: u64, channels: u64) -> Self {
        Self {
            one_to_one,
            one_to_many,
            many_to_many,
            channels,
            ..Self::default()
        }
    }
}

impl Status {
    /// How somebody is.
    pub fn new(alias: Option<Text>, topics: Texts, is_online: bool) -> Self {
        Self {
            alias,
            topics,
            is_online,
            ..Self::default()
        }
    }
}

impl Servers {
    /// A server and its ports.
    pub fn new(host: impl Into<Text>, service: Service) -> Self {
        Self {
            host: host.into(),
            service,
            extra: Extra::default(),
        }
    }
}

impl Default for Service {
    /// The ports of the document.
    fn default() -> Self {
        Self {
            rest: 9900,
            web_socket: 9000,
            socket: 9906,
            push: 9800,
            extra: Extra::default(),
        }
    }
}

impl NodeCounts {
    /// Counts whose sum is [`Self::online`].
    pub fn new(web_sockets: u64, channels: u64, socket_ios: u64) -> Self {
        Self {
            web_sockets,
            channels,
            socket_ios,
            //= docs/spec/zzw-push-proto.md#presence
            //# The number in `onlineAllSize` MUST be the sum of the other three.
            online: web_sockets
                .saturating_add(channels)
                .saturating_add(socket_ios),
            extra: Extra::default(),
        }
    }

    /// Those of both; further members are those of the first.
    #[must_use]
    pub(crate) fn plus(self, other: &Self) -> Self {
        Self {
            web_sockets: self.web_sockets.saturating_add(other.web_sockets),
            channels: self.channels.saturating_add(other.channels),
            online: self.online.saturating_add(other.online),
            socket_ios: self.socket_ios.saturating_add(other.socket_ios),
            extra: self.extra,
        }
    }
}

impl AliasPage {
    /// A page of aliases.
    pub fn new(total: u64, aliases: Texts) -> Self {
        Self {
            total,
            aliases,
            extra: Extra::default(),
        }
    }
}
