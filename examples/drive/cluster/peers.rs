//! Leases, what nodes tell each other, and clearing up behind those that are gone.

use super::books::{Books, millis};
use super::lane::Lane;
use super::reply::{Replies, Trouble};
use super::scripts::Script;
use super::words;
use redis::cmd;
use std::time::{Duration, Instant};
use zzw_push_proto::platform::{NodeId, NodeInfo, NodeMessage, StoreReply, UnixMillis};
use zzw_push_proto::wire::Text;

/// What a node has left behind, of which so many aliases are seen to at once.
const SWEEP: usize = 200;

/// For so long one node clears up behind another before a third may.
const SWEEPING: Duration = Duration::from_secs(30);

impl Books {
    pub(super) async fn renew(
        &self,
        lane: &Lane,
        node: NodeId,
        info: &NodeInfo,
        length: Duration,
    ) -> Result<StoreReply, Trouble> {
        let mut renew = self.script(Script::Renew, &[self.keys.nodes()]);
        renew.arg(self.time()).arg(node.0);
        renew.arg(words::info_text(info)).arg(millis(length));
        let mut renewed = Replies::new(lane.call([renew]).await?).array()?;
        let at = renewed.number()?;
        self.clock.set(Some((UnixMillis(at), Instant::now())));
        if renewed.number()? == 0 {
            self.is_forgotten.set(true);
        }
        let mut listed = renewed.array()?;
        let mut nodes = Vec::new();
        let (mut living, mut dead) = (self.living.borrow_mut(), self.dead.borrow_mut());
        living.clear();
        dead.clear();
        while !listed.is_empty() {
            let mut node = listed.array()?;
            let (name, ends) = (NodeId(node.number()?), node.number()?);
            let told = node.text()?.unwrap_or_default();
            if ends <= at {
                dead.insert(name);
                continue;
            }
            living.insert(name);
            nodes.extend(words::info(&told).map(|info| (name, info)));
        }
        Ok(StoreReply::Renewed { nodes })
    }

    /// Says something to a node; false if there is none. It has waited for so long.
    pub(super) async fn tell(
        &self,
        lane: &Lane,
        to: NodeId,
        message: &NodeMessage,
        waited: Duration,
    ) -> Result<bool, Trouble> {
        let mut tell = self.script(Script::Tell, &[self.keys.inbox(to)]);
        tell.arg(self.settings.max_inbox);
        let now = self.redis_now();
        let then = now.map(|now| UnixMillis(now.0.saturating_sub(millis(waited))));
        if !words::write(self.node, message, then, &mut tell) {
            return Ok(false);
        }
        Ok(Replies::new(lane.call([tell]).await?).number()? == 1)
    }

    /// Makes the inbox of this node, unless it is there; returns where it is to be read from.
    pub(super) async fn begin(&self, lane: &Lane) -> Result<Text, Trouble> {
        let mut begin = cmd("XADD");
        begin.arg(self.keys.inbox(self.node));
        begin.arg(&["*", "k", "begun"]);
        let mut replies = Replies::new(lane.call([begin]).await?);
        Ok(replies.text()?.unwrap_or_default())
    }

    /// This node is over: nobody need wait for its lease to end.
    pub(super) async fn leave(&self, lane: &Lane) -> Result<(), Trouble> {
        let mut forget = cmd("HDEL");
        forget.arg(self.keys.nodes()).arg(self.node.0);
        let mut inbox = cmd("DEL");
        inbox.arg(self.keys.inbox(self.node));
        let mut left = cmd("SCARD");
        left.arg(self.keys.owned(self.node));
        let mut replies = Replies::new(lane.call([inbox, left]).await?);
        replies.value()?;
        // With what it still has, somebody has to clear up behind it.
        if replies.number()? == 0 {
            lane.call([forget]).await?;
        }
        Ok(())
    }

    /// Clears up some of what a dead node has left; true when nothing is left, or another node does
    /// it.
    pub(super) async fn sweep(&self, lane: &Lane, dead: NodeId) -> Result<bool, Trouble> {
        let owned = self.keys.owned(dead);
        let mut claim = cmd("SET");
        claim.arg(self.keys.sweeper(dead)).arg(self.node.0);
        claim.arg(&["NX", "PX"]).arg(millis(SWEEPING));
        let mut whose = cmd("GET");
        whose.arg(self.keys.sweeper(dead));
        let mut some = cmd("SRANDMEMBER");
        some.arg(&owned).arg(SWEEP);
        let mut replies = Replies::new(lane.call([claim, whose, some]).await?);
        replies.value()?;
        if replies.number()? != self.node.0 {
            return Ok(true);
        }
        let aliases = replies.array()?.texts()?;
        if aliases.is_empty() {
            let mut keys = cmd("DEL");
            keys.arg(self.keys.inbox(dead));
            let mut sweeper = cmd("DEL");
            sweeper.arg(self.keys.sweeper(dead));
            let mut forget = cmd("HDEL");
            forget.arg(self.keys.nodes()).arg(dead.0);
            lane.call([keys, forget, sweeper]).await?;
            return Ok(true);
        }
        let orphan = |alias: &Text| {
            let mut orphan = self.script(Script::Orphan, &[self.keys.record(alias)]);
            orphan.arg(dead.0);
            orphan
        };
        let mut epochs = Replies::new(lane.call(aliases.iter().map(orphan)).await?);
        let mut after = Vec::with_capacity(2 * aliases.len());
        for alias in &aliases {
            let epoch = epochs.number()?;
            if epoch > 0 {
                after.push(self.listed(alias, epoch, None));
            }
            let mut done = cmd("SREM");
            done.arg(&owned).arg(alias.as_str());
            after.push(done);
        }
        lane.call(after).await?;
        Ok(false)
    }
}
