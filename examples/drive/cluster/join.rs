//! What a server has to be before a node keeps anything on it.

use super::reply::{Replies, Trouble};
use redis::aio::ConnectionLike;
use redis::cmd;
use std::collections::HashMap;
use std::time::Duration;
use zzw_push_proto::platform::UnixMillis;

/// The oldest version with all commands.
const OLDEST: (u32, u32) = (7, 0);

/// Looks at a server; returns what the operator should know, in sentences.
///
/// # Errors
///
/// A sentence that says what to change.
pub(super) async fn look_at(
    connection: &mut impl ConnectionLike,
    wall: UnixMillis,
    max_skew: Duration,
) -> Result<Vec<String>, String> {
    let info = info(connection).await?;
    let said = |name: &str| info.get(name).map_or("", String::as_str);
    let version = said("redis_version");
    if parts(version).is_none_or(|version| version < OLDEST) {
        return Err(format!(
            "it is Redis {version}; 7.0 or later is needed, or Valkey"
        ));
    }
    if said("role") != "master" {
        let of = said("master_host");
        return Err(format!(
            "it is a replica, which keeps nothing by itself; give the address of its master, {of}"
        ));
    }
    if said("cluster_enabled") == "1" && nodes_of_cluster(connection).await? > 1 {
        return Err(
            "it is one of several servers of a Redis Cluster; give one that holds all slots, or a \
             server without cluster-enabled"
                .to_owned(),
        );
    }
    let policy = said("maxmemory_policy");
    if policy != "noeviction" {
        return Err(format!(
            "its maxmemory-policy is {policy}, which throws kept messages away; set it to \
             noeviction: redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its \
             configuration file"
        ));
    }
    let mut notes = Vec::new();
    if said("aof_enabled") != "1" {
        notes.push(
            "Redis keeps no append-only file: what was acknowledged is lost when it ends; set \
             appendonly yes"
                .to_owned(),
        );
    }
    let skew = skew(connection, wall).await?;
    let ahead = if skew < 0 { "behind" } else { "ahead of" };
    let seconds = skew.unsigned_abs() / 1000;
    if Duration::from_millis(skew.unsigned_abs()) > max_skew {
        return Err(format!(
            "its clock is {seconds} s {ahead} this machine's; set both by NTP"
        ));
    }
    if seconds >= 2 {
        notes.push(format!(
            "the clock of Redis is {seconds} s {ahead} this machine's"
        ));
    }
    Ok(notes)
}

async fn info(connection: &mut impl ConnectionLike) -> Result<HashMap<String, String>, String> {
    let said: String = cmd("INFO")
        .query_async(connection)
        .await
        .map_err(|error| plain(&error))?;
    let lines = said.lines().filter_map(|line| line.split_once(':'));
    Ok(lines
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect())
}

async fn nodes_of_cluster(connection: &mut impl ConnectionLike) -> Result<u64, String> {
    let mut info = cmd("CLUSTER");
    info.arg("INFO");
    let said: String = info
        .query_async(connection)
        .await
        .map_err(|error| plain(&error))?;
    let known = said
        .lines()
        .find_map(|line| line.strip_prefix("cluster_known_nodes:"));
    Ok(known
        .and_then(|known| known.trim().parse().ok())
        .unwrap_or(1))
}

/// By how many milliseconds the server's clock is ahead.
async fn skew(connection: &mut impl ConnectionLike, wall: UnixMillis) -> Result<i64, String> {
    let time = cmd("TIME");
    let said = time
        .query_async(connection)
        .await
        .map_err(|error| plain(&error))?;
    let read = || -> Result<u64, Trouble> {
        let mut time = Replies::of(said)?;
        Ok(time.number()? * 1000 + time.number()? / 1000)
    };
    let at = read().map_err(|_| "it does not tell the time".to_owned())?;
    let signed = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    Ok(signed(at) - signed(wall.0))
}

fn parts(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// What Redis or the network says, in one line.
pub(super) fn plain(error: &redis::RedisError) -> String {
    error.to_string().replace('\n', " ")
}
