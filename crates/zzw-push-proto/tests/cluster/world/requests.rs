//! Requests to Redis: late, over connections that break before or after it has done them.

use super::{Connection, Happening, World};
use crate::ledger::{Ledger, To};
use crate::saboteur::Saboteur;
use std::time::Duration;
use zzw_push_proto::platform::{
    Appended, Input, MessageId, NodeId, Seq, StoreError, StoreOp, StoreReply, UnixMillis,
};
use zzw_push_proto::wire::Json;

/// Something on its way to Redis.
#[derive(Debug, Clone)]
pub(super) struct Request {
    connection: Connection,
    seq: Seq,
    op: StoreOp,
}

/// Something on its way back.
#[derive(Debug)]
pub(super) struct Answer {
    request: Request,
    result: Result<StoreReply, StoreError>,
    /// It was done.
    is_done: bool,
}

impl Request {
    pub(super) fn new(connection: Connection, seq: Seq, op: StoreOp) -> Self {
        Self {
            connection,
            seq,
            op,
        }
    }

    fn alias(&self) -> Option<usize> {
        let (StoreOp::Claim { alias, .. }
        | StoreOp::Release { alias, .. }
        | StoreOp::Append { alias, .. }
        | StoreOp::Load { alias, .. }
        | StoreOp::Ack { alias, .. }
        | StoreOp::Subscribe { alias, .. }
        | StoreOp::Status { alias }) = &self.op
        else {
            return None;
        };
        Some(Ledger::alias_of(alias))
    }
}

impl World {
    /// A node asks.
    pub(super) fn ask_redis(&mut self, nth: usize, mut request: Request) {
        let now = self.schedule.now();
        let delay = self.chance.millis(0..=self.plan.store);
        if self.nodes[nth].is_cut_off {
            let delay = delay + Duration::from_millis(20);
            let answer = failure(request, false);
            self.schedule.at(now + delay, answer);
            return;
        }
        if let StoreOp::Renew { length, .. } = &mut request.op {
            *length = self.plan.lease.length;
        }
        if let (Saboteur::AnswersEarly, StoreOp::Append { alias, .. }) =
            (self.saboteur, &request.op)
        {
            let last = self.redis.store.aliases[alias].last;
            let mid = MessageId::next(last, self.redis_clock());
            let owner = self.redis.store.aliases[alias].owner;
            let answer = Answer {
                result: Ok(StoreReply::Appended(Appended::new(mid, last, owner, 0))),
                request: request.clone(),
                is_done: true,
            };
            let answer = Happening::RedisAnswers(Box::new(answer));
            self.schedule.after(delay, answer);
            let late = Happening::RedisCatchesUp(Box::new(request));
            self.schedule.after(delay + Duration::from_secs(1), late);
            return;
        }
        let lane = request.alias();
        let at = match lane {
            Some(lane) if self.saboteur != Saboteur::Disorder => {
                self.nodes[nth].lanes[lane].arrival(now, delay)
            }
            _ => now + delay,
        };
        let does = Happening::RedisDoes(Box::new(request));
        self.schedule.at(at, does);
    }

    /// True if what was sent over that connection still comes to Redis.
    pub(super) fn reaches_redis(&self, connection: Connection) -> bool {
        match self.broken.get(&connection) {
            Some(until) => self.schedule.now() <= *until,
            None => true,
        }
    }

    pub(super) fn redis_does(&mut self, request: Request) -> Result<(), String> {
        let delay = self.chance.millis(0..=self.plan.store);
        let weather = self.weather();
        let fails = self.chance.percent(weather.fails_before);
        if fails || !self.reaches_redis(request.connection) {
            let failure = failure(request, false);
            self.schedule.after(delay, failure);
            return Ok(());
        }
        let result = self.carry_out(request.op.clone())?;
        if self.chance.percent(weather.fails_after) {
            let failure = failure(request, true);
            self.schedule.after(delay, failure);
            return Ok(());
        }
        let answer = Answer {
            request,
            result,
            is_done: true,
        };
        let answer = Happening::RedisAnswers(Box::new(answer));
        self.schedule.after(delay, answer);
        Ok(())
    }

    /// What was said to be done is done, unless its connection has broken meanwhile.
    pub(super) fn catch_up(&mut self, request: Request) -> Result<(), String> {
        if self.reaches_redis(request.connection) {
            let _late = self.carry_out(request.op)?;
        }
        Ok(())
    }

    /// An answer reaches its node, if the connection has held.
    pub(super) fn redis_answers(&mut self, answer: Answer) -> Result<(), String> {
        let Answer {
            request,
            mut result,
            is_done,
        } = answer;
        let Some(nth) = self.node_of(request.connection.process) else {
            return Ok(()); // nobody knows that this was asked: others see that the node is gone
        };
        if self.broken.contains_key(&request.connection) {
            result = Err(StoreError::Unavailable);
        }
        if result.is_err() {
            self.stats.store_failures += 1;
            self.note_unsure(&request, is_done);
        }
        let result = self.sabotage_answer(nth, &request, result);
        if let Ok(StoreReply::Renewed { nodes }) = &result {
            self.nodes[nth].renewed = Some(nodes.clone());
        }
        if let (StoreOp::Load { alias, .. }, Ok(_)) = (&request.op, &result)
            && request.seq > self.nodes[nth].asked_before
        {
            let (phone, process) = (Ledger::alias_of(alias), request.connection.process);
            for link in &mut self.links {
                link.is_doubtful &= link.phone != phone || link.process != process;
            }
        }
        let input = match result {
            Ok(reply) => Input::Stored(request.seq, reply),
            Err(error) => Input::StoreFailed(request.seq, error),
        };
        self.tell(nth, input)
    }

    fn sabotage_answer(
        &mut self,
        nth: usize,
        request: &Request,
        mut result: Result<StoreReply, StoreError>,
    ) -> Result<StoreReply, StoreError> {
        let clock = self.redis_clock().0;
        let node = &self.nodes[nth];
        match (self.saboteur, &request.op, &mut result) {
            (Saboteur::HidesFailedRenewals, StoreOp::Renew { .. }, Err(_)) => {
                let nodes = node.renewed.clone().ok_or(StoreError::Unavailable)?;
                Ok(StoreReply::Renewed { nodes })
            }
            (Saboteur::FailureIsSuccess, StoreOp::Append { alias, .. }, Err(_)) => {
                let known = &self.redis.store.aliases[alias];
                let mid = MessageId::next(known.last, UnixMillis(clock));
                let appended = Appended::new(mid, known.last, known.owner, 0);
                Ok(StoreReply::Appended(appended))
            }
            (
                Saboteur::NoEpochs | Saboteur::NoKicks,
                StoreOp::Load { .. },
                Ok(StoreReply::Loaded { epoch, .. }),
            ) => {
                *epoch = 0;
                result
            }
            (Saboteur::WallClock, StoreOp::Load { .. }, Ok(StoreReply::Loaded { at, .. })) => {
                *at = UnixMillis(clock.saturating_add_signed(node.ahead));
                result
            }
            (Saboteur::ImmortalNodes, StoreOp::Renew { .. }, Ok(StoreReply::Renewed { nodes })) => {
                let known = self.redis.known.iter();
                *nodes = known.map(|(node, info)| (*node, info.clone())).collect();
                result
            }
            _ => result,
        }
    }

    /// A node that lives on was told that what may be done is not.
    fn note_unsure(&mut self, request: &Request, is_done: bool) {
        if !is_done {
            return;
        }
        if let StoreOp::Claim { alias, .. } = &request.op {
            self.stats.unsure_claims += 1;
            self.ledger.accounts[Ledger::alias_of(alias)].is_unsure = true;
        }
        let StoreOp::AppendTopic { body, .. } = &request.op else {
            return;
        };
        let letter = self.ledger.letter_of(body);
        for account in &mut self.ledger.accounts {
            let mut rows = account.rows.values_mut();
            if let Some(row) = rows.find(|row| Ok(row.letter) == letter) {
                row.is_unsure = true;
            }
        }
    }

    /// Carries out a request, and notes what is kept by it.
    pub(super) fn carry_out(
        &mut self,
        op: StoreOp,
    ) -> Result<Result<StoreReply, StoreError>, String> {
        let (clock, now) = (self.redis_clock(), self.schedule.now());
        let body = match &op {
            StoreOp::Append { body, .. } | StoreOp::AppendTopic { body, .. } => Some(body.clone()),
            _ => None,
        };
        match &op {
            StoreOp::Renew { node, info, length } => {
                self.renew_at_redis(*node, *length);
                self.redis.known.insert(*node, info.clone());
            }
            StoreOp::Release { alias, .. } if self.saboteur == Saboteur::ReleasesAnyEpoch => {
                if let Some(known) = self.redis.store.aliases.get_mut(alias) {
                    known.owner = None;
                }
                return Ok(Ok(StoreReply::Done));
            }
            StoreOp::Ack { alias, mids } => {
                let account = &self.ledger.accounts[Ledger::alias_of(alias)];
                if let Some(mid) = mids.iter().find(|mid| !account.seen.contains(mid)) {
                    return Err(format!("I1: {mid:?} is given up, and nobody has seen it"));
                }
            }
            StoreOp::Claim { alias, .. } => {
                self.redis.epochs[Ledger::alias_of(alias)].push(now);
            }
            _ => {}
        }
        let alias = match &op {
            StoreOp::Append { alias, .. }
            | StoreOp::Claim { alias, .. }
            | StoreOp::Load { alias, .. } => Some(alias.clone()),
            _ => None,
        };
        let result = self.redis.store.execute(clock, op);
        match (&result, body, &alias) {
            (Ok(StoreReply::Appended(appended)), Some(body), Some(alias)) => {
                let target = Ledger::alias_of(alias);
                self.note_kept(target, appended.mid, &body)?;
                let letter = self.ledger.letter_of(&body)?;
                self.ledger.letters[letter].kept.insert(target);
            }
            (Ok(StoreReply::Fanned { members, .. }), Some(body), _) => {
                for (alias, appended) in members {
                    self.note_kept(Ledger::alias_of(alias), appended.mid, &body)?;
                }
                let letter = self.ledger.letter_of(&body)?;
                let letter = &mut self.ledger.letters[letter];
                if let To::Topic(topic) = letter.to {
                    letter.kept.insert(topic);
                }
            }
            (Ok(StoreReply::Claimed { gap, .. }), _, Some(alias)) => {
                self.ledger.accounts[Ledger::alias_of(alias)].told += gap;
            }
            (Ok(StoreReply::Loaded { entries, .. }), _, Some(alias))
                if self.saboteur == Saboteur::DeletesWhenRead =>
            {
                let read: Vec<MessageId> = entries.iter().map(|entry| entry.mid).collect();
                if let Some(known) = self.redis.store.aliases.get_mut(alias) {
                    known.queue.retain(|entry| !read.contains(&entry.mid));
                }
            }
            _ => {}
        }
        Ok(result)
    }

    fn note_kept(&mut self, alias: usize, mid: MessageId, body: &Json) -> Result<(), String> {
        let letter = self.ledger.letter_of(body)?;
        let now = self.schedule.now();
        self.ledger.keep(now, alias, mid, letter)
    }

    /// What the script does that renews a lease: it gives the node an inbox if it has none any more,
    /// and sweeps those who are gone.
    fn renew_at_redis(&mut self, node: NodeId, length: Duration) {
        let now = self.schedule.now();
        self.redis.leases.insert(node, now + length);
        let has_inbox = self.redis.inboxes.contains_key(&node);
        if !has_inbox && self.saboteur != Saboteur::NoInboxAgain {
            let inbox = self.redis.inboxes.entry(node).or_default();
            inbox.is_cut = true;
            self.notify_reader(node);
        }
        if let Some(before) = now.checked_sub(self.plan.sweep_after) {
            let keeps_epoch = self.saboteur == Saboteur::SweepsWithoutEpoch;
            self.stats.swept += self.redis.sweep(now, before, keeps_epoch);
        }
    }

    /// What is on its way may still be done, but nothing comes back.
    pub(super) fn cut_connection(&mut self, nth: usize) {
        let connection = self.connection(nth);
        let flush = self.chance.millis(0..=self.plan.store);
        let until = self.schedule.now() + flush;
        self.broken.entry(connection).or_insert(until);
    }
}

fn failure(request: Request, is_done: bool) -> Happening {
    Happening::RedisAnswers(Box::new(Answer {
        request,
        result: Err(StoreError::Unavailable),
        is_done,
    }))
}
