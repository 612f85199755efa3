//! What stands under which heading of the file. Names are those of the fields they are for.

use super::super::{self as server, cluster, store};
use super::units::{Size, Span};
use serde::Deserialize;
use std::path::PathBuf;
use zzw_push_proto::platform::{self, ClientToken, OnUnacked, Rate, Rule, Scopes};
use zzw_push_proto::rooms;

/// Fields that a file may have, each for one of the same name.
macro_rules! section {
    ($name:ident for $target:ty { $($field:ident: $kind:ty,)* } $(besides { $($own:ident: $own_kind:ty,)* })?) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[allow(clippy::struct_field_names, reason = "names of the settings")]
        pub(super) struct $name {
            $($field: Option<$kind>,)*
            $($(pub(super) $own: $own_kind,)*)?
        }

        impl $name {
            /// Changes what the file says, and nothing else.
            pub(super) fn apply(&self, target: &mut $target) {
                $(if let Some(value) = self.$field.clone() {
                    target.$field = value.into();
                })*
            }
        }
    };
}

section!(Ports for server::Ports {
    rest: u16,
    socketio: u16,
    push: u16,
    relay: u16,
    admin: u16,
});

section!(Store for store::Settings {
    cap: u64,
    max_topics: u64,
    max_aliases: u64,
    max_bytes: Size,
    group: usize,
    max_waiting: usize,
    reserve: Size,
    cache: Size,
    sweep_every: Span,
    compact_above: Size,
    compact_every: Span,
    compact_idle: Span,
    quick_repair_above: Size,
} besides {
    folder: Option<PathBuf>,
});

section!(Cluster for cluster::Settings {
    prefix: String,
    group: usize,
    max_inbox: usize,
    timeout: Span,
    max_skew: Span,
    sweep_after: Span,
} besides {
    redis: Option<String>,
});

section!(Lease for platform::Lease {
    length: Span,
    renew_every: Span,
    fence: Span,
    leave_after: Span,
});

section!(BrokerItself for platform::Config {
    weight: u32,
    window: usize,
    window_bytes: Size,
    max_held: Size,
    redeliver_after: Span,
    max_tries: u8,
    on_unacked: UnackedName,
    link_timeout: Span,
    slow_timeout: Span,
    ask_timeout: Span,
    door_life: Span,
    max_body: Size,
    pull_limit: usize,
    pull_bytes: Size,
    max_requests: usize,
    max_publishing: usize,
    max_waiting: usize,
    max_links: usize,
    frame_rate: Frequency,
    address_rate: Frequency,
    publish_rate: Frequency,
    max_garbled: u8,
    garbled_within: Span,
    drain_over: Span,
    bare_type7: bool,
    reject_unknown_alias: bool,
    allow_rebind: bool,
    require_heartbeat_first: bool,
    presence: bool,
    presence_grace: Span,
    client_token: ClientTokenName,
} besides {
    rules: Rules,
});

section!(Rules for platform::Rules {
    bind: RuleName,
    publish: RuleName,
    publish_to_alias: RuleName,
    register: RuleName,
    pull: RuleName,
    status: RuleName,
    open_door: DoorRuleName,
});

section!(Rooms for rooms::Config {
    many_to_many: bool,
    max_picture: Size,
    max_frame: Size,
    queue: Size,
    window: usize,
    max_held: Size,
    keep_picture: Span,
    early_wait: Span,
    stall_timeout: Span,
    idle_timeout: Span,
    max_call: Span,
    rejoin_wait: Span,
    max_links: usize,
    max_rooms: usize,
    max_viewers: usize,
    max_members: usize,
    door_ttl: Span,
    max_announced: usize,
    max_announcements: usize,
    max_signals: usize,
});

section!(Push for server::Push {
    links: usize,
    links_per_address: usize,
    per_second: u32,
});

section!(Relay for server::Relay {
    links_per_address: usize,
    ping_after: Span,
    message_time: Span,
    per_second: u32,
});

section!(SocketIo for server::SocketIo {
    ping_interval: Span,
    ping_timeout: Span,
    connect_timeout: Span,
    links: usize,
    links_per_address: usize,
    delivery_event: String,
});

/// With the rules, which have a heading of their own.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Broker(BrokerItself);

impl Broker {
    pub(super) fn apply(&self, target: &mut platform::Config) {
        self.0.apply(target);
        self.0.rules.apply(&mut target.rules);
    }
}

/// `{ per_second = 50, burst = 200 }`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frequency {
    per_second: u32,
    burst: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum UnackedName {
    Close,
    Park,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ClientTokenName {
    Off,
    Optional,
    Required,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RuleName {
    Allow,
    Deny,
    Token,
    Ask,
}

/// The same, where a token has to allow doors.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
struct DoorRuleName(RuleName);

impl From<Frequency> for Rate {
    fn from(frequency: Frequency) -> Self {
        Self::new(frequency.per_second, frequency.burst)
    }
}

impl From<UnackedName> for OnUnacked {
    fn from(name: UnackedName) -> Self {
        match name {
            UnackedName::Close => Self::Close,
            UnackedName::Park => Self::Park,
        }
    }
}

impl From<ClientTokenName> for ClientToken {
    fn from(name: ClientTokenName) -> Self {
        match name {
            ClientTokenName::Off => Self::Off,
            ClientTokenName::Optional => Self::Optional,
            ClientTokenName::Required => Self::Required,
        }
    }
}

impl RuleName {
    fn rule(self, needed: Scopes) -> Rule {
        match self {
            Self::Allow => Rule::Allow,
            Self::Deny => Rule::Deny,
            Self::Token => Rule::Token(needed),
            Self::Ask => Rule::Ask,
        }
    }
}

impl From<RuleName> for Rule {
    fn from(name: RuleName) -> Self {
        name.rule(Scopes::CONNECT)
    }
}

impl From<DoorRuleName> for Rule {
    fn from(name: DoorRuleName) -> Self {
        name.0.rule(Scopes::DOOR)
    }
}
