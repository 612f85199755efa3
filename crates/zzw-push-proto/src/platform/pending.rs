//! Requests to the store, and what becomes of their answers.

use super::release::Release;
use super::store::{Appended, MessageId, Seq, StoreError, StoreOp, StoreReply, UnixMillis};
use super::vocabulary::{ExchangeId, Output, PublishId};
use super::{LinkId, Platform, offline, pull};
use crate::wire::{Code, Num, Text};
use std::time::Instant;

/// What an answer of the store is for.
#[derive(Debug)]
pub(super) enum Pending {
    Claim(LinkId, Text),
    Release(Release),
    Load {
        link: LinkId,
        session: u64,
        asked_at: Instant,
        limit: usize,
        known: MessageId,
    },
    Pull {
        link: LinkId,
        session: u64,
        asked_at: Instant,
        num: Num,
    },
    Append {
        publication: PublishId,
        alias: Text,
        asked_at: Instant,
    },
    AppendTopic {
        publication: PublishId,
        topic: Text,
        asked_at: Instant,
    },
    Members {
        publication: PublishId,
        topic: Text,
        at: UnixMillis,
    },
    Ack {
        link: LinkId,
        session: u64,
        mids: Vec<MessageId>,
    },
    Subscribe(LinkId, Text, Num),
    Topics(LinkId, Num),
    Status {
        asker: Asker,
        alias: Text,
        num: Num,
    },
    List(ExchangeId),
    Renew(Instant),
    Confirm {
        link: LinkId,
        session: u64,
    },
    /// The topics of somebody who has come or gone.
    WatchedTopics(Text),
    /// Who watches a topic of an alias.
    Watchers {
        alias: Text,
        topic: Text,
    },
    /// Nobody waits.
    Nothing,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    Link(LinkId),
    Exchange(ExchangeId),
    Application,
}

impl Platform {
    pub(super) fn ask_store(&mut self, op: StoreOp, pending: Pending) {
        self.next_seq = self.next_seq.saturating_add(1);
        let seq = Seq(self.next_seq);
        if let Some(link) = pending.link().and_then(|id| self.links.get_mut(id)) {
            link.requests = link.requests.saturating_add(1);
        }
        self.pending.insert(seq, pending);
        self.out.push(Output::Store(seq, op));
    }

    //= docs/spec/zzw-push-proto.md#store
    //# Answers of the store MUST be taken in any order.
    #[expect(clippy::too_many_lines, reason = "one arm for each request")]
    pub(super) fn stored(&mut self, now: Instant, seq: Seq, reply: StoreReply) {
        let reply = match reply {
            StoreReply::Fanned {
                members,
                is_last: false,
            } => return self.fanned_in_part(now, seq, members),
            reply => reply,
        };
        let Some(pending) = self.answered(seq) else {
            return;
        };
        match (pending, reply) {
            (
                Pending::Claim(link, alias),
                StoreReply::Claimed {
                    epoch,
                    previous,
                    gap,
                },
            ) => self.claimed(now, link, &alias, epoch, previous, gap),
            (
                Pending::Load {
                    link,
                    session,
                    asked_at,
                    limit,
                    known,
                },
                StoreReply::Loaded {
                    entries,
                    last,
                    epoch,
                    at,
                },
            ) => {
                let loaded = offline::Loaded {
                    entries,
                    asked_at,
                    at,
                    end: last.max(known),
                    epoch,
                    limit,
                };
                self.clock = Some((now, at));
                self.loaded(now, link, session, loaded);
            }
            (
                Pending::Pull {
                    link,
                    session,
                    asked_at,
                    num,
                },
                StoreReply::Loaded {
                    entries, at, epoch, ..
                },
            ) => {
                let pulled = pull::Pulled {
                    num,
                    asked_at,
                    entries,
                    at,
                    epoch,
                };
                self.pulled(now, link, session, pulled);
            }
            (
                Pending::Append {
                    publication,
                    alias,
                    asked_at,
                },
                StoreReply::Appended(appended),
            ) => {
                self.kept(now, publication, &alias, asked_at, appended);
                self.part_done(publication, None);
            }
            (
                Pending::AppendTopic {
                    publication,
                    topic,
                    asked_at,
                },
                StoreReply::Fanned { members, .. },
            ) => {
                self.fanned(now, publication, &topic, asked_at, members);
                self.part_done(publication, None);
            }
            (
                Pending::Members {
                    publication,
                    topic,
                    at,
                },
                StoreReply::Members(members),
            ) => {
                self.direct_to_members(publication, &topic, at, &members);
                self.part_done(publication, None);
            }
            (Pending::Subscribe(link, _, num), StoreReply::Done) => self.subscribed(link, num),
            (Pending::Subscribe(link, alias, num), StoreReply::Subscribed { joined, left }) => {
                self.moved(now, &alias, &joined, &left);
                self.subscribed(link, num);
            }
            (Pending::WatchedTopics(alias), StoreReply::Status { topics, owner }) => {
                self.watched_topics(&alias, &topics, owner);
            }
            (Pending::Watchers { alias, topic }, StoreReply::Members(watchers)) => {
                self.watchers(now, &alias, topic, &watchers);
            }
            (Pending::Topics(link, num), StoreReply::Status { topics, .. }) => {
                self.topics_known(link, topics, num);
            }
            (Pending::Status { asker, alias, num }, StoreReply::Status { topics, owner }) => {
                self.status_known(asker, alias, num, topics, owner);
            }
            (Pending::List(exchange), StoreReply::Listed { total, aliases }) => {
                self.listed(exchange, total, aliases);
            }
            (Pending::Renew(asked_at), StoreReply::Renewed { nodes }) => {
                self.renewed(now, asked_at, nodes);
            }
            (Pending::Confirm { link, session }, StoreReply::Loaded { last, epoch, .. }) => {
                self.confirmed(now, link, session, epoch, last);
            }
            (Pending::Ack { link, session, .. }, StoreReply::Done) => self.acks_told(link, session),
            (Pending::Release(_), StoreReply::Done) | (Pending::Nothing, _) => {}
            //= docs/spec/zzw-push-proto.md#store
            //# An answer that does not fit what was asked MUST count as a failure, and one to what
            //# was not asked as nothing.
            (pending, _) => self.failed(now, pending, StoreError::Unavailable),
        }
    }

    /// More parts follow, so the request stays open.
    fn fanned_in_part(&mut self, now: Instant, seq: Seq, members: Vec<(Text, Appended)>) {
        if let Some(Pending::AppendTopic {
            publication,
            topic,
            asked_at,
        }) = self.pending.get(&seq)
        {
            let (publication, topic, asked_at) = (*publication, topic.clone(), *asked_at);
            self.fanned(now, publication, &topic, asked_at, members);
        }
    }

    pub(super) fn store_failed(&mut self, now: Instant, seq: Seq, error: StoreError) {
        if let Some(pending) = self.answered(seq) {
            self.counters.store_failures = self.counters.store_failures.saturating_add(1);
            self.failed(now, pending, error);
        }
    }

    fn answered(&mut self, seq: Seq) -> Option<Pending> {
        let pending = self.pending.remove(&seq)?;
        if let Some(link) = pending.link().and_then(|id| self.links.get_mut(id)) {
            link.requests = link.requests.saturating_sub(1);
        }
        Some(pending)
    }

    //= docs/spec/zzw-push-proto.md#store
    //# A failure of the store MUST be answered with `store_unavailable` and never become a -6.
    fn failed(&mut self, now: Instant, pending: Pending, error: StoreError) {
        let code = match error {
            StoreError::UnknownAlias => Code::UnknownAlias,
            StoreError::Unavailable | StoreError::Full => Code::StoreUnavailable,
            StoreError::TooManyTopics => Code::TooLarge,
        };
        if let (Pending::Claim(_, alias) | Pending::Append { alias, .. }, StoreError::Unavailable) =
            (&pending, error)
        {
            // Perhaps it is done all the same.
            self.unsure(now, alias);
        }
        if matches!(pending, Pending::AppendTopic { .. }) && error == StoreError::Unavailable {
            // For some of its members, perhaps, and nobody knows for which.
            self.unsure_of_all(now);
        }
        match pending {
            Pending::Claim(link, alias) => self.not_claimed(now, link, &alias),
            Pending::Release(release) => self.not_released(now, release),
            Pending::Load { link, session, .. } => self.not_loaded(now, link, session),
            Pending::Append {
                publication, alias, ..
            } => {
                // Perhaps it is kept all the same.
                self.look_again(now, &alias);
                self.part_done(publication, Some(code));
            }
            Pending::AppendTopic { publication, .. } | Pending::Members { publication, .. } => {
                self.part_done(publication, Some(code));
            }
            Pending::Pull { link, num, .. }
            | Pending::Subscribe(link, _, num)
            | Pending::Topics(link, num) => self.refuse(Asker::Link(link), code, num),
            Pending::Status { asker, num, .. } => self.refuse(asker, code, num),
            Pending::Renew(_) => self.not_renewed(now),
            Pending::Confirm { link, session } => self.not_confirmed(now, link, session),
            Pending::List(exchange) => self.refuse(Asker::Exchange(exchange), code, Num::Absent),
            Pending::Ack {
                link,
                session,
                mids,
            } => self.acks_not_told(now, link, session, mids),
            Pending::WatchedTopics(alias) | Pending::Watchers { alias, .. } => {
                self.notice_failed(&alias);
            }
            Pending::Nothing => {}
        }
    }
}

impl Pending {
    /// The link whose request it is.
    fn link(&self) -> Option<LinkId> {
        match self {
            Self::Pull { link, .. }
            | Self::Subscribe(link, _, _)
            | Self::Topics(link, _)
            | Self::Status {
                asker: Asker::Link(link),
                ..
            } => Some(*link),
            _ => None,
        }
    }
}
