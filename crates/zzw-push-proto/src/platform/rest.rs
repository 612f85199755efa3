//! Calls over REST.

use super::bucket::Bucket;
use super::store::{StoreOp, UnixMillis};
use super::vocabulary::{Call, ExchangeId, Output};
use super::{Asker, Pending, Platform};
use crate::rest::RestReply;
use crate::wire::{AliasPage, Code, Num, Status, Texts};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Addresses whose rate is remembered.
const MAX_ADDRESSES: usize = 65_536;

/// How often those that have paused are forgotten to make room.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl Platform {
    pub(super) fn called(
        &mut self,
        now: Instant,
        id: ExchangeId,
        address: IpAddr,
        at: UnixMillis,
        call: Call,
    ) {
        let asker = Asker::Exchange(id);
        self.counters.calls = self.counters.calls.saturating_add(1);
        //= docs/spec/zzw-push-proto.md#load
        //# Calls of an address beyond `address_rate` MUST be answered with status 429.
        if !self.afford_address(now, address) || self.pending.len() >= self.config.max_publishing {
            let num = match call {
                Call::Push(publish) => publish.num,
                _ => Num::Absent,
            };
            return self.refuse(asker, Code::Busy, num);
        }
        match call {
            Call::Push(publish) => self.publish_for(now, asker, at, &publish),
            Call::Info => {
                let reply = RestReply::Info(self.cluster());
                self.out.push(Output::Reply(id, reply));
            }
            Call::Servers => match self.least_loaded(address) {
                Some(servers) => {
                    let reply = RestReply::Servers(servers);
                    self.out.push(Output::Reply(id, reply));
                }
                //= docs/spec/zzw-push-proto.md#presence
                //# The question for a server MUST be answered with `draining` and status 503 where
                //# no node takes links.
                None => self.refuse(asker, Code::Draining, Num::Absent),
            },
            Call::Status(alias) => self.status(asker, &alias, Num::Absent),
            Call::Aliases(transport, page) => {
                //= docs/spec/zzw-push-proto.md#presence
                //# The lists of aliases MUST hold those that have a link over TCP and over
                //# Socket.IO, in the order of their bytes, with the number of all of them.
                self.ask_store(StoreOp::List { transport, page }, Pending::List(id));
            }
        }
    }

    pub(super) fn reply_status(&mut self, id: ExchangeId, status: Status) {
        self.out.push(Output::Reply(id, RestReply::Status(status)));
    }

    pub(super) fn listed(&mut self, id: ExchangeId, total: u64, aliases: Texts) {
        let reply = RestReply::Aliases(AliasPage::new(total, aliases));
        self.out.push(Output::Reply(id, reply));
    }

    /// True if that address may do one thing more now.
    pub(super) fn afford_address(&mut self, now: Instant, address: IpAddr) -> bool {
        let rate = self.config.address_rate;
        let is_full = |platform: &Self| platform.addresses.len() >= MAX_ADDRESSES;
        if is_full(self) && !self.addresses.contains_key(&address) {
            // Not with each call: whoever has many addresses would make all of them slow.
            let is_swept = |swept: Instant| now.saturating_duration_since(swept) < SWEEP_EVERY;
            if !self.swept_at.is_some_and(is_swept) {
                self.swept_at = Some(now);
                self.addresses
                    .retain(|_, bucket| !bucket.is_full(rate, now));
            }
            if is_full(self) {
                return false;
            }
        }
        let bucket = self.addresses.entry(address);
        let bucket = bucket.or_insert_with(|| Bucket::full(rate, now));
        bucket.take(rate, now)
    }
}
