//! Presence (P-8): who comes and goes is published to those who watch a topic.

use super::parcel::Content;
use super::pending::Pending;
use super::store::{Owner, StoreOp, UnixMillis};
use super::vocabulary::LinkEnd;
use super::{Platform, later};
use crate::wire::{Json, MAX_NAME, Text, Texts, is_name};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// What is told about one alias and not told yet. More is lost, which is counted.
const MAX_NOTICES: usize = 16;

/// Aliases about whom something is to be told.
const MAX_SUBJECTS: usize = 65_536;

/// Behind the name of a topic: the one on which its presence is published.
const SUFFIX: &str = "/p";

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Presence {
    subjects: HashMap<Text, Subject>,
    /// When somebody who has gone is said to be offline.
    due: BTreeSet<(Instant, Text)>,
}

/// About one alias everything is told in order: the next notice waits until the store has answered
/// what the last one asked.
#[derive(Debug, Default)]
struct Subject {
    gone: Option<Gone>,
    notices: VecDeque<Notice>,
    current: Option<Notice>,
    /// Answers of the store that are due for it.
    answers: usize,
}

/// Whose last link is over, and who may come back so soon that nobody need know.
#[derive(Debug, Clone, Copy)]
struct Gone {
    since: Instant,
    until: Instant,
}

#[derive(Debug, Clone)]
struct Notice {
    action: Action,
    at: Instant,
    /// Of a change of topics.
    topics: Vec<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Join,
    Leave,
    Online,
    Offline,
}

impl Platform {
    /// An alias has a link. Nothing is told if it had one until now, here or elsewhere.
    pub(super) fn came(&mut self, now: Instant, alias: &Text, was_online: bool) {
        if !self.config.presence {
            return;
        }
        let is_back = self.forget_gone(alias);
        if !was_online && !is_back && !self.takes_back_offline(alias) {
            self.notice(now, alias, Action::Online, Vec::new());
        }
    }

    /// The link of an alias is over and none follows.
    //= docs/spec/zzw-push-proto.md#news
    //# Whoever is back within `presence_grace` MUST NOT be said to have been away, unless it said
    //# goodbye.
    pub(super) fn went(&mut self, now: Instant, alias: &Text, why: LinkEnd) {
        if !self.config.presence {
            return;
        }
        let is_final = matches!(why, LinkEnd::Goodbye | LinkEnd::Kicked | LinkEnd::Rebound);
        let is_full = self.presence.subjects.len() >= MAX_SUBJECTS;
        let until = later(now, self.config.presence_grace).filter(|_| !is_final && !is_full);
        let Some(until) = until else {
            return self.notice(now, alias, Action::Offline, Vec::new());
        };
        self.forget_gone(alias);
        let subject = self.presence.subjects.entry(alias.clone()).or_default();
        subject.gone = Some(Gone { since: now, until });
        self.presence.due.insert((until, alias.clone()));
    }

    /// The topics of an alias have changed.
    pub(super) fn moved(&mut self, now: Instant, alias: &Text, joined: &Texts, left: &Texts) {
        if !self.config.presence {
            return;
        }
        for (action, topics) in [(Action::Join, joined), (Action::Leave, left)] {
            let topics: Vec<Text> = topics.texts().filter(|topic| is_name(topic)).collect();
            if !topics.is_empty() {
                self.notice(now, alias, action, topics);
            }
        }
    }

    pub(super) fn fire_presence(&mut self, now: Instant) {
        while let Some((due, alias)) = self.presence.due.first().cloned() {
            if due > now {
                return;
            }
            self.presence.due.remove(&(due, alias.clone()));
            let subject = self.presence.subjects.get_mut(&alias);
            if let Some(gone) = subject.and_then(|subject| subject.gone.take()) {
                self.notice(gone.since, &alias, Action::Offline, Vec::new());
            }
        }
    }

    pub(super) fn next_presence(&self) -> Option<Instant> {
        self.presence.due.first().map(|(due, _)| *due)
    }

    /// The store tells the topics of somebody who has come or gone.
    pub(super) fn watched_topics(&mut self, alias: &Text, topics: &Texts, owner: Option<Owner>) {
        let is_elsewhere = self.is_elsewhere(owner);
        let Some(subject) = self.presence.subjects.get_mut(alias) else {
            return;
        };
        if let Some(notice) = &mut subject.current {
            // Whoever has come to another node meanwhile is not offline.
            //= docs/spec/zzw-push-proto.md#news
            //# Whoever has a link on another node MUST NOT be said to be offline.
            if !(notice.action == Action::Offline && is_elsewhere) {
                notice.topics = topics.texts().filter(|topic| is_name(topic)).collect();
                let notice = notice.clone();
                self.ask_watchers(alias, &notice);
            }
        }
        self.notice_answered(alias);
    }

    /// The store tells who watches a topic.
    //= docs/spec/zzw-push-proto.md#news
    //# News MUST be published to those online who have registered `T/p`, and be kept for nobody.
    pub(super) fn watchers(&mut self, now: Instant, alias: &Text, topic: Text, watchers: &[Text]) {
        let Some(subject) = self.presence.subjects.get(alias) else {
            return;
        };
        if let Some(body) = subject.current.as_ref().and_then(|n| self.body(n, alias)) {
            let at = self.wall(now).unwrap_or_default();
            let content = Content::new(&body, Some(topic));
            for watcher in watchers {
                self.direct(watcher, at, &content);
            }
            self.counters.presence = self.counters.presence.saturating_add(1);
        }
        self.notice_answered(alias);
    }

    /// The store has failed: this notice is lost.
    //= docs/spec/zzw-push-proto.md#news
    //# News that are lost to the store or to a limit MUST be counted.
    pub(super) fn notice_failed(&mut self, alias: &Text) {
        self.counters.presence_lost = self.counters.presence_lost.saturating_add(1);
        self.notice_answered(alias);
    }

    /// What time it is by the wall clock, as far as the broker has been told.
    pub(super) fn wall(&self, then: Instant) -> Option<UnixMillis> {
        let (heard, at) = self.clock?;
        let millis = |by: Duration| u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let later = millis(then.saturating_duration_since(heard));
        let earlier = millis(heard.saturating_duration_since(then));
        Some(UnixMillis(
            at.0.saturating_add(later).saturating_sub(earlier),
        ))
    }

    fn notice(&mut self, at: Instant, alias: &Text, action: Action, topics: Vec<Text>) {
        let is_full = self.presence.subjects.len() >= MAX_SUBJECTS;
        if is_full && !self.presence.subjects.contains_key(alias) {
            self.counters.presence_lost = self.counters.presence_lost.saturating_add(1);
            return;
        }
        let subject = self.presence.subjects.entry(alias.clone()).or_default();
        if subject.notices.len() >= MAX_NOTICES {
            self.counters.presence_lost = self.counters.presence_lost.saturating_add(1);
            return;
        }
        subject.notices.push_back(Notice { action, at, topics });
        self.next_notice(alias);
    }

    //= docs/spec/zzw-push-proto.md#news
    //# News of one alias MUST be published in their order, with the time at which they happened.
    fn next_notice(&mut self, alias: &Text) {
        let Some(subject) = self.presence.subjects.get_mut(alias) else {
            return;
        };
        if subject.current.is_some() {
            return;
        }
        let Some(notice) = subject.notices.pop_front() else {
            if subject.gone.is_none() {
                self.presence.subjects.remove(alias);
            }
            return;
        };
        subject.current = Some(notice.clone());
        if notice.topics.is_empty() {
            subject.answers = 1;
            let op = StoreOp::Status {
                alias: alias.clone(),
            };
            self.ask_store(op, Pending::WatchedTopics(alias.clone()));
        } else {
            self.ask_watchers(alias, &notice);
        }
    }

    fn ask_watchers(&mut self, alias: &Text, notice: &Notice) {
        if let Some(subject) = self.presence.subjects.get_mut(alias) {
            subject.answers = subject.answers.saturating_add(notice.topics.len());
        }
        for topic in &notice.topics {
            let topic = Text::from(format!("{topic}{SUFFIX}"));
            let op = StoreOp::Members {
                topic: topic.clone(),
            };
            let alias = alias.clone();
            self.ask_store(op, Pending::Watchers { alias, topic });
        }
    }

    fn notice_answered(&mut self, alias: &Text) {
        let Some(subject) = self.presence.subjects.get_mut(alias) else {
            return;
        };
        subject.answers = subject.answers.saturating_sub(1);
        if subject.answers == 0 {
            subject.current = None;
            self.next_notice(alias);
        }
    }

    /// True if it was about to be said to be offline.
    fn forget_gone(&mut self, alias: &Text) -> bool {
        let Some(subject) = self.presence.subjects.get_mut(alias) else {
            return false;
        };
        let Some(gone) = subject.gone.take() else {
            return false;
        };
        self.presence.due.remove(&(gone.until, alias.clone()));
        self.next_notice(alias);
        true
    }

    /// True if the last thing to be told about it, and not begun, was that it is offline: neither that
    /// nor that it is online need be told then.
    fn takes_back_offline(&mut self, alias: &Text) -> bool {
        let subject = self.presence.subjects.get_mut(alias);
        let notices = subject.map(|subject| &mut subject.notices);
        notices.is_some_and(|notices| {
            let is_offline = |last: &Notice| last.action == Action::Offline;
            let is_last = notices.back().is_some_and(is_offline);
            is_last && notices.pop_back().is_some()
        })
    }

    fn body(&self, notice: &Notice, alias: &Text) -> Option<Json> {
        let action = match notice.action {
            Action::Join => "join",
            Action::Leave => "leave",
            Action::Online => "online",
            Action::Offline => "offline",
        };
        let alias = Json::text(alias);
        let at = self.wall(notice.at).unwrap_or_default().0;
        let alias = alias.as_str();
        let body = format!(r#"{{"action":"{action}","alias":{alias},"timestamp":{at}}}"#);
        Json::parse(body.into_bytes()).ok()
    }
}

impl Presence {
    pub(super) fn clear(&mut self) {
        self.subjects.clear();
        self.due.clear();
    }
}

/// True for the topic on which the presence of another one is published.
pub(super) fn is_presence_topic(topic: &str) -> bool {
    topic.len() <= MAX_NAME && topic.strip_suffix(SUFFIX).is_some_and(is_name)
}
