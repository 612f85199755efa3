//! What links ask: who answers it.

use super::link::Frame;
use super::presence::is_presence_topic;
use super::session::fault_of;
use super::store::{Owner, StoreOp};
use super::vocabulary::LinkEnd;
use super::{Asker, LinkId, Pending, Platform, Transport};
use crate::wire::{
    Code, Counts, Goodbye, Message, Num, Numbered, Register, Status, Text, Texts, TopicList,
};
use std::time::Instant;

impl Platform {
    /// Does what a frame wants and is allowed to.
    //= docs/spec/zzw-push-proto.md#alias
    //# Each request with a number MUST get exactly one reply unless its link ends.
    pub(super) fn perform(&mut self, now: Instant, id: LinkId, frame: Frame) {
        let Some(frame) = self.postpone(now, id, frame) else {
            return;
        };
        let Frame {
            received,
            at,
            message,
        } = frame;
        if needs_store(&message) && !self.has_room_for(now, id, &message) {
            return self.fail(id, Code::Busy, message.num().clone());
        }
        match message {
            Message::Heartbeat(heartbeat) => self.heartbeat(now, id, heartbeat),
            Message::Connect(connect) => self.connect(now, id, &connect.alias, connect.code),
            // With an alias it is taken for a connect frame.
            Message::Connected(_) => self.fail(id, Code::Missing, Num::Absent),
            Message::Register(register) => self.register(id, register),
            Message::Topics(topics) => self.topics(id, topics.num),
            Message::Pull(pull) => self.pull(now, id, pull),
            Message::Ack(ack) => self.acknowledged(now, id, &ack),
            Message::Publish(publish) => self.publish_for(now, Asker::Link(id), at, &publish),
            Message::Counts(counts) => self.counts(id, counts.num),
            Message::Status(status) => self.status(Asker::Link(id), &status.alias, status.num),
            Message::OpenDoor(_) | Message::Phone(_) | Message::Door(_) => {
                self.door(now, id, received, message, true);
            }
            Message::Goodbye(goodbye) => self.goodbye(now, id, &goodbye),
            // Answering what only servers say could make two servers talk for ever.
            //= docs/spec/zzw-push-proto.md#alias
            //# The broker MUST NOT answer a failure or a null.
            Message::Failure(_) | Message::Null => {}
            //= docs/spec/zzw-push-proto.md#alias
            //# The broker MUST answer `unknown_type` to a message of no known type and to one that
            //# only servers send, and keep the link.
            other => self.fail(id, Code::UnknownType, other.num().clone()),
        }
    }

    //= docs/spec/zzw-push-proto.md#topic
    //# The broker MUST answer type 2 when the store has done it and not before.
    pub(super) fn subscribed(&mut self, id: LinkId, num: Num) {
        if self.links.contains(id) {
            self.send(id, Message::Registered(Numbered::new(num)));
        }
    }

    //= docs/spec/zzw-push-proto.md#topic
    //# An alias without topics MUST be told an empty list.
    pub(super) fn topics_known(&mut self, id: LinkId, topics: Texts, num: Num) {
        if self.links.contains(id) {
            self.send(id, Message::TopicList(TopicList::new(topics, num)));
        }
    }

    pub(super) fn status(&mut self, asker: Asker, alias: &Text, num: Num) {
        if let Some(code) = fault_of(alias) {
            return self.refuse(asker, code, num);
        }
        let alias = alias.detached();
        let op = StoreOp::Status {
            alias: alias.clone(),
        };
        self.ask_store(op, Pending::Status { asker, alias, num });
    }

    pub(super) fn status_known(
        &mut self,
        asker: Asker,
        alias: Text,
        num: Num,
        topics: Texts,
        owner: Option<Owner>,
    ) {
        // Of its own links this node knows more than the store.
        let is_elsewhere = self.is_elsewhere(owner);
        //= docs/spec/zzw-push-proto.md#presence
        //# An alias MUST be called online exactly as long as a link has it, here or on another
        //# node.
        let is_online = is_elsewhere || self.is_online(&alias);
        match asker {
            Asker::Link(link) if self.links.contains(link) => {
                //= docs/spec/zzw-push-proto.md#presence
                //# The status of an alias MUST be told with the alias over Socket.IO and without it
                //# over REST.
                let mut status = Status::new(Some(alias), topics, is_online);
                status.num = num;
                self.send(link, Message::StatusReply(status));
            }
            //= docs/spec/zzw-push-proto.md#presence
            //# An alias that nobody knows MUST be called offline and without topics, with status
            //# 200 over REST.
            Asker::Exchange(exchange) => {
                self.reply_status(exchange, Status::new(None, topics, is_online));
            }
            Asker::Link(_) | Asker::Application => {}
        }
    }

    fn register(&mut self, id: LinkId, register: Register) {
        let Some(alias) = self.alias_of(id) else {
            //= docs/spec/zzw-push-proto.md#alias
            //# The broker MUST answer `not_bound` to a frame that needs an alias on a link that has
            //# none.
            return self.fail(id, Code::NotBound, register.num);
        };
        let names = register.topics.iter().chain(register.untopics.iter());
        let watches = self.config.presence;
        //= docs/spec/zzw-push-proto.md#news
        //# A topic `T/p` MUST be accepted in a registration where `presence` is set, and nowhere
        //# else from a client.
        let is_fit = |topic: &str| watches && is_presence_topic(topic);
        let faults = names.map(|topic| fault_of(&topic).filter(|_| !is_fit(&topic)));
        let fault = faults.into_iter().find(Option::is_some);
        if let Some(code) = fault.flatten() {
            return self.fail(id, code, register.num);
        }
        //= docs/spec/zzw-push-proto.md#topic
        //# The broker MUST add the topics of type 2 to those that the alias has, keep them until
        //# they are removed, and take what is there already for done.
        let op = StoreOp::Subscribe {
            alias: alias.clone(),
            add: register.topics,
            //= docs/spec/zzw-push-proto.md#topic
            //# The broker MUST remove the topics that type 2 names in `untopic`.
            remove: register.untopics,
            //= docs/spec/zzw-push-proto.md#topic
            //# The broker MUST hand what a device tells about itself to the store, all of it.
            info: register.info,
        };
        self.ask_store(op, Pending::Subscribe(id, alias, register.num));
    }

    fn topics(&mut self, id: LinkId, num: Num) {
        match self.alias_of(id) {
            Some(alias) => self.ask_store(StoreOp::Status { alias }, Pending::Topics(id, num)),
            None => self.fail(id, Code::NotBound, num),
        }
    }

    fn counts(&mut self, id: LinkId, num: Num) {
        // Over TCP only, where the document has it.
        let link = self.links.get(id);
        if link.is_none_or(|link| link.transport != Transport::Tcp) {
            return self.fail(id, Code::UnknownType, num);
        }
        let rooms = self.rooms;
        let mut counts = Counts::new(
            rooms.one_to_one,
            rooms.one_to_many,
            rooms.many_to_many,
            self.counters.tcp_links,
        );
        //= docs/spec/zzw-push-proto.md#alias
        //# The broker MUST answer type 7 over TCP with the four counters, and with type -7 unless
        //# `bare_type7` is set.
        counts.is_bare = self.config.bare_type7;
        counts.num = num;
        self.send(id, Message::CountsReply(counts));
    }

    fn goodbye(&mut self, now: Instant, id: LinkId, goodbye: &Goodbye) {
        let bound = self.alias_of(id);
        let is_other = goodbye.alias.as_ref().zip(bound.as_ref());
        //= docs/spec/zzw-push-proto.md#alias
        //# The broker MUST answer `alias_mismatch` to a frame with another alias than that of its
        //# link, and do nothing else with it, unless `allow_rebind` lets a heartbeat or a connect
        //# frame take that alias.
        if is_other.is_some_and(|(stated, bound)| stated != bound) {
            return self.fail(id, Code::AliasMismatch, Num::Absent);
        }
        //= docs/spec/zzw-push-proto.md#alias
        //# The broker MUST end a link that says goodbye at once.
        self.end(now, id, LinkEnd::Goodbye);
    }

    //= docs/spec/zzw-push-proto.md#load
    //# A request MUST be answered with `busy` while the store has `max_requests` of its link, or
    //# `max_publishing` publications in all.
    fn has_room_for(&mut self, now: Instant, id: LinkId, message: &Message) -> bool {
        let max = self.config.max_requests;
        let has_room = |link: &super::Link| link.requests < max;
        let is_publish = matches!(message, Message::Publish(_));
        self.links.get(id).is_some_and(has_room) && (!is_publish || self.afford_publish(now, id))
    }
}

fn needs_store(message: &Message) -> bool {
    matches!(
        message,
        Message::Register(_)
            | Message::Topics(_)
            | Message::Pull(_)
            | Message::Publish(_)
            | Message::Status(_)
    )
}
