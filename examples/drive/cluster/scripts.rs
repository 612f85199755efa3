//! The scripts, which are loaded once for each connection. Each touches one slot only.

use redis::aio::ConnectionLike;
use redis::{Cmd, RedisResult, cmd};

/// A script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Claim,
    Release,
    Orphan,
    Append,
    Load,
    Ack,
    Subscribe,
    List,
    Renew,
    Tell,
    Free,
    Own,
}

/// By which names the server knows them.
#[derive(Debug, Clone, Default)]
pub(super) struct Loaded(Vec<String>);

const PRELUDE: &str = include_str!("scripts/prelude.lua");

impl Script {
    const ALL: [Self; 12] = [
        Self::Claim,
        Self::Release,
        Self::Orphan,
        Self::Append,
        Self::Load,
        Self::Ack,
        Self::Subscribe,
        Self::List,
        Self::Renew,
        Self::Tell,
        Self::Free,
        Self::Own,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Claim => include_str!("scripts/claim.lua"),
            Self::Release => include_str!("scripts/release.lua"),
            Self::Orphan => include_str!("scripts/orphan.lua"),
            Self::Append => include_str!("scripts/append.lua"),
            Self::Load => include_str!("scripts/load.lua"),
            Self::Ack => include_str!("scripts/ack.lua"),
            Self::Subscribe => include_str!("scripts/subscribe.lua"),
            Self::List => include_str!("scripts/list.lua"),
            Self::Renew => include_str!("scripts/renew.lua"),
            Self::Tell => include_str!("scripts/tell.lua"),
            Self::Free => include_str!("scripts/free.lua"),
            Self::Own => include_str!("scripts/own.lua"),
        }
    }

    /// What stands above it. When Redis has no memory left, only what would grow for good is refused:
    /// leases go on, and whoever connects and acknowledges makes room.
    fn head(self) -> &'static str {
        match self {
            Self::Append | Self::Subscribe => "#!lua",
            _ => "#!lua flags=allow-oom",
        }
    }
}

impl Loaded {
    pub(super) async fn load(connection: &mut impl ConnectionLike) -> RedisResult<Self> {
        let mut names = Vec::with_capacity(Script::ALL.len());
        for script in Script::ALL {
            let text = format!("{}\n{PRELUDE}\n{}", script.head(), script.text());
            let load = cmd("SCRIPT").arg("LOAD").arg(text).to_owned();
            names.push(load.query_async(connection).await?);
        }
        Ok(Self(names))
    }

    /// Calls a script on keys; arguments are to be added.
    pub(super) fn call(&self, script: Script, keys: &[&str]) -> Cmd {
        let mut call = cmd("EVALSHA");
        let name = self.0.get(script as usize).map_or("", String::as_str);
        call.arg(name).arg(keys.len()).arg(keys);
        call
    }
}
