//! Commands: each ends in exactly one event, whatever becomes of the link.

use super::{Answer, Device, Event, Output, RequestId, after};
use crate::wire::{
    Batch, Code, Delivery, Failure, Json, MAX_NAME, MAX_TOPICS, Message, MessageKind, Mid, Num,
    Numbered, Pull, Register, Text, Topics,
};
use std::collections::VecDeque;
use std::time::Instant;

/// What waits for a link or an answer, in the order of the commands.
#[derive(Debug, Default)]
pub(super) struct Requests {
    list: VecDeque<Request>,
    last_id: u64,
    numbers: Numbers,
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Option<RequestId>, // none: the machine's own subscription
    pub(super) message: Message,
    adds: Topics,      // what its answer adds to the topics of every link
    num: Option<Text>, // on the link it was sent over, as long as that lives
    was_sent: bool,
    deadline: Option<Instant>,
}

/// Numbers of requests: milliseconds since the first, or more when there are more (Z-6). They grow
/// for as long as the machine lives, so an answer never finds a request of another link.
#[derive(Debug, Default)]
struct Numbers {
    origin: Option<Instant>,
    last: u64,
}

/// The last pull of a link.
#[derive(Debug)]
pub(super) struct LastPull {
    num: Text,
    is_whole: bool,    // its answer came, and all of it was taken
    unacked: Vec<Mid>, // what came and is not acknowledged yet
}

/// Most messages taken from one answer to a pull. Servers send at most 50.
const MAX_BATCH: usize = 256;

impl Numbers {
    //= docs/spec/zzw-push-proto.md#device-command
    //# The device MUST number its requests with a text of milliseconds that it never uses again,
    //# except for a pull that asks for the same messages.
    fn next(&mut self, now: Instant) -> Text {
        let origin = *self.origin.get_or_insert(now);
        let millis = now.saturating_duration_since(origin).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.last = millis.max(self.last.saturating_add(1));
        self.last.to_string().into()
    }
}

impl Requests {
    /// Commands that wait.
    pub(super) fn len(&self) -> usize {
        self.list.iter().filter(|known| known.id.is_some()).count()
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.list.iter().filter_map(|known| known.deadline).min()
    }

    pub(super) fn is_waiting_for(&self, kind: MessageKind) -> bool {
        self.list
            .iter()
            .any(|known| known.message.kind() == Some(kind))
    }

    pub(super) fn is_subscribing(&self) -> bool {
        self.list.iter().any(|known| known.id.is_none())
    }

    /// Topics that register requests still ask for.
    pub(super) fn asked_topics(&self) -> usize {
        self.list.iter().map(|known| known.adds.len()).sum()
    }

    fn remove(&mut self, is_it: impl FnMut(&Request) -> bool) -> Option<Request> {
        let at = self.list.iter().position(is_it)?;
        self.list.remove(at)
    }

    /// The request that this answers. One without a number answers the only one of its kind.
    //= docs/spec/zzw-push-proto.md#device-command
    //# The device MUST take a reply for that of the request with its number, as text or as a
    //# number, and one without a number for that of the only request that it can answer.
    fn claim(&mut self, reply: &Message) -> Option<Request> {
        let kind = reply.kind();
        let fits = |known: &Request| {
            let request = known.message.kind();
            known.num.is_some() && request.and_then(MessageKind::reply) == kind
        };
        let num = reply.num().as_str();
        if !num.is_empty() {
            return self.remove(|known| fits(known) && known.num.as_deref() == Some(num));
        }
        let concerns = |known: &Request| match (&known.message, reply) {
            (Message::Status(request), Message::StatusReply(status)) => status
                .alias
                .as_ref()
                .is_none_or(|who| *who == request.alias),
            _ => true,
        };
        let is_it = |known: &Request| fits(known) && concerns(known);
        self.only(is_it)
    }

    /// The request that failed. A failure without a number is that of the only request there is
    /// (Z-7).
    //= docs/spec/zzw-push-proto.md#device-command
    //# The device MUST take a failure without a number for that of its only request, unless it may
    //# be about a heartbeat or a door frame.
    fn claim_failed(&mut self, num: &Num, is_alone: bool) -> Option<Request> {
        let num = num.as_str();
        if !num.is_empty() {
            return self.remove(|known| known.num.as_deref() == Some(num));
        }
        if is_alone {
            return self.only(|known| known.num.is_some());
        }
        None
    }

    fn only(&mut self, is_it: impl Fn(&Request) -> bool) -> Option<Request> {
        let mut fitting = self.list.iter().filter(|known| is_it(known));
        let is_one = fitting.next().is_some() && fitting.next().is_none();
        drop(fitting);
        is_one.then(|| self.remove(is_it)).flatten()
    }
}

impl Device {
    /// Takes a command; what waits is bounded by the caller.
    //= docs/spec/zzw-push-proto.md#device-command
    //# Every command MUST end in exactly one of an answer, a failure and a time-out.
    pub(super) fn ask(&mut self, now: Instant, message: Message) -> RequestId {
        self.requests.last_id = self.requests.last_id.saturating_add(1);
        let id = RequestId(self.requests.last_id);
        let deadline = after(now, self.config.request_timeout);
        let request = Request::new(Some(id), message, deadline);
        self.requests.list.push_back(request);
        self.go_on(now);
        id
    }

    /// Offers all topics to the server.
    pub(super) fn subscribe(&mut self, now: Instant) {
        self.requests.list.retain(|known| known.id.is_some());
        let deadline = after(now, self.config.request_timeout);
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST register all its topics on every link once it is bound, at most 100 in
        //# one message.
        let chunks = self.topics.chunks(MAX_TOPICS);
        let messages = chunks.map(|topics| {
            let mut register = Register::new(topics.iter().collect(), Num::Absent);
            register.info.clone_from(&self.config.info);
            Message::Register(register)
        });
        let own: Vec<Message> = messages.collect();
        // Before all commands, which may change the topics again.
        for message in own.into_iter().rev() {
            let request = Request::new(None, message, deadline);
            self.requests.list.push_front(request);
        }
    }

    /// Sends what was not sent over this link.
    pub(super) fn send_requests(&mut self, now: Instant) {
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST NOT send anything else before it is bound.
        let Some(session) = self.link.bound_mut() else {
            return;
        };
        let requests = &mut self.requests;
        for request in &mut requests.list {
            if request.num.is_some() {
                continue;
            }
            let reused = session.pull.as_ref().and_then(LastPull::num_to_reuse);
            let num = match (&request.message, reused) {
                (Message::Pull(_), Some(num)) => num.clone(),
                _ => requests.numbers.next(now),
            };
            if let Message::Pull(_) = request.message {
                session.pull = Some(LastPull::again(session.pull.take(), num.clone()));
            }
            let message = numbered(&request.message, Num::Str(num.clone()));
            self.out.push_back(Output::Send(message));
            request.num = Some(num);
            request.was_sent = true;
        }
    }

    /// What is late has no answer any more.
    //= docs/spec/zzw-push-proto.md#device-command
    //# The device MUST end a command within `request_timeout`, the time it waits for a link
    //# included.
    pub(super) fn time_out_requests(&mut self, now: Instant) {
        let is_late = |known: &Request| known.deadline.is_some_and(|due| due <= now);
        while let Some(request) = self.requests.remove(is_late) {
            match request.id {
                Some(_) => self.say_timed_out(&request),
                None => self.not_subscribed(now, None, Text::from_static("no answer in time")),
            }
        }
    }

    /// The link is gone. What may be done twice is sent again over the next one; a message that may
    /// have been published is not published again.
    pub(super) fn unsend_requests(&mut self) {
        self.requests.list.retain(|known| known.id.is_some());
        let is_risky =
            //= docs/spec/zzw-push-proto.md#device-command
            //# The device MUST NOT send a publication over another link that may have been carried
            //# out over the last.
            |known: &Request| known.was_sent && matches!(known.message, Message::Publish(_));
        while let Some(request) = self.requests.remove(is_risky) {
            self.say_timed_out(&request);
        }
        //= docs/spec/zzw-push-proto.md#device-command
        //# The device MUST send every other request again over the next link that was not answered
        //# over the last, without topics that a later one has changed.
        let topics = &self.topics;
        for request in &mut self.requests.list {
            request.num = None;
            request.forget_changed(topics);
        }
        while let Some(request) = self.requests.remove(Request::is_void) {
            self.say_timed_out(&request);
        }
    }

    /// The machine ends.
    pub(super) fn abandon_requests(&mut self) {
        for request in std::mem::take(&mut self.requests.list) {
            if request.id.is_some() {
                self.say_timed_out(&request);
            }
        }
    }

    fn say_timed_out(&mut self, request: &Request) {
        if let Some(id) = request.id {
            self.say(Event::TimedOut {
                request: id,
                was_sent: request.was_sent,
            });
        }
    }

    /// An answer came.
    pub(super) fn answered(&mut self, reply: Message) {
        let claimed = self.requests.claim(&reply);
        if let Message::Batch(batch) = &reply {
            // Also if nobody waits any more: what it brings counts as delivered.
            let pull = self.pull_mut();
            let is_last = pull.is_some_and(|pull| *pull.num == *batch.num.as_str());
            if claimed.is_some() || is_last {
                let pulled = self.pulled(batch);
                if let Some(id) = claimed.and_then(|request| request.id) {
                    self.say(Event::Answered(id, pulled));
                }
                return;
            }
        }
        let Some(request) = claimed else {
            return self.unexpected(reply);
        };
        let Some(id) = request.id else {
            return self.subscribed();
        };
        let answer = match reply {
            Message::Registered(_) => {
                self.want(&request.adds);
                Answer::Registered
            }
            Message::TopicList(list) => Answer::Topics(list.topics),
            Message::Published(_) => Answer::Published,
            Message::StatusReply(status) => Answer::Status(status),
            Message::CountsReply(counts) => Answer::ServerInfo(counts),
            other => return self.unexpected(other),
        };
        self.say(Event::Answered(id, answer));
    }

    /// The messages that a pull brought.
    //= docs/spec/zzw-push-proto.md#device-delivery
    //# The device MUST treat pulled messages with ids like pushed ones, and give those without in
    //# the answer.
    fn pulled(&mut self, batch: &Batch) -> Answer {
        let is_id = |mid: &Text| !mid.is_empty() && mid.len() <= MAX_NAME;
        let mut mids = batch.mids.texts();
        let (mut bare, mut known) = (Vec::new(), Vec::new());
        for body in batch.bodies.iter() {
            match mids.next().filter(is_id) {
                Some(mid) if known.len() < MAX_BATCH => known.push((Mid::new(mid), body)),
                Some(_) => break, // comes again
                None => bare.push(body),
            }
        }
        if let Some(pull) = self.pull_mut() {
            pull.is_whole = known.len().saturating_add(bare.len()) == batch.bodies.len();
            // Ids of their own bytes, since they outlive the message.
            let own = |(mid, _): &(Mid, Json)| Mid::new(mid.as_str());
            pull.unacked = known.iter().map(own).collect();
        }
        let (mut fresh, mut repeated) = (0_usize, 0_usize);
        let alias = self.config.alias.clone();
        for (mid, body) in known {
            match self.delivered(Delivery::new(alias.clone(), mid, body)) {
                Some(true) => fresh = fresh.saturating_add(1),
                Some(false) => repeated = repeated.saturating_add(1),
                None => {}
            }
        }
        Answer::Pulled {
            fresh,
            repeated,
            bare: bare.into_iter().collect(),
        }
    }

    /// A failure came that belongs to a request. Gives it back if it does not.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        failure: Failure,
        is_alone: bool,
    ) -> Option<Failure> {
        let Some(request) = self.requests.claim_failed(&failure.num, is_alone) else {
            return Some(failure);
        };
        match request.id {
            Some(request) => self.say(Event::Failed {
                request,
                code: failure.code,
                text: failure.error,
            }),
            None => self.not_subscribed(now, failure.code, failure.error),
        }
        None
    }

    fn subscribed(&mut self) {
        let is_refused = match self.link.session_mut() {
            Some(session) => session.subscribe_at.is_some(),
            None => true,
        };
        if !is_refused && !self.requests.is_subscribing() {
            self.say(Event::Subscribed);
        }
    }

    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST offer topics again after `heartbeat` that the server has not taken.
    fn not_subscribed(&mut self, now: Instant, code: Option<Code>, text: Text) {
        let again = after(now, self.config.heartbeat);
        if let Some(session) = self.link.session_mut() {
            session.subscribe_at = again;
        }
        self.say(Event::NotSubscribed { code, text });
    }

    /// Subscribes to these on every link from now on.
    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST register topics on later links that were registered by command, and none
    //# that were removed or refused.
    fn want(&mut self, topics: &Topics) {
        for topic in topics.texts() {
            if !self.topics.contains(&topic) && self.topics.len() < self.config.max_topics {
                self.topics.push(topic.detached());
            }
        }
    }

    /// Subscribes to these no more, whatever earlier requests are answered with.
    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST register topics on later links that were registered by command, and none
    //# that were removed or refused.
    pub(super) fn unwant(&mut self, topics: &Topics) {
        let gone: Vec<Text> = topics.texts().collect();
        self.topics.retain(|topic| !gone.contains(topic));
        for request in &mut self.requests.list {
            let kept = request.adds.texts().filter(|topic| !gone.contains(topic));
            request.adds = kept.collect();
        }
    }

    /// A message was acknowledged.
    pub(super) fn settle_pull(&mut self, mid: &Mid) {
        if let Some(pull) = self.pull_mut() {
            pull.unacked.retain(|known| known != mid);
        }
    }

    fn pull_mut(&mut self) -> Option<&mut LastPull> {
        self.link.session_mut()?.pull.as_mut()
    }
}

impl Request {
    fn new(id: Option<RequestId>, message: Message, deadline: Option<Instant>) -> Self {
        let adds = match &message {
            Message::Register(register) if id.is_some() => register.topics.clone(),
            _ => Topics::default(),
        };
        Self {
            id,
            message,
            adds,
            num: None,
            was_sent: false,
            deadline,
        }
    }

    /// Leaves out topics that are wanted or unwanted since: sent again, it would come behind what
    /// changed that.
    fn forget_changed(&mut self, wanted: &[Text]) {
        if let Message::Register(register) = &mut self.message {
            if self.was_sent {
                register.topics = self.adds.clone();
                let gone = register.untopics.texts();
                let gone = gone.filter(|topic| !wanted.contains(topic));
                register.untopics = gone.collect();
            }
        }
    }

    /// True for a change of topics of which nothing is left.
    fn is_void(&self) -> bool {
        match &self.message {
            Message::Register(register) => {
                register.topics.is_empty() && register.untopics.is_empty()
            }
            _ => false,
        }
    }
}

impl LastPull {
    /// Another number would acknowledge what came with this one (Z-19).
    //= docs/spec/zzw-push-proto.md#device-delivery
    //# The device MUST pull with the last number of its link until all that came with it is
    //# acknowledged.
    fn num_to_reuse(&self) -> Option<&Text> {
        (!self.is_whole || !self.unacked.is_empty()).then_some(&self.num)
    }

    fn again(last: Option<Self>, num: Text) -> Self {
        let same = last.filter(|last| last.num == num);
        same.unwrap_or(Self {
            num,
            is_whole: false,
            unacked: Vec::new(),
        })
    }
}

/// The message with its number.
fn numbered(message: &Message, num: Num) -> Message {
    let mut message = message.clone();
    match &mut message {
        Message::Register(Register { num: place, .. })
        | Message::Pull(Pull { num: place, .. })
        | Message::Topics(Numbered { num: place, .. })
        | Message::Counts(Numbered { num: place, .. }) => *place = num,
        Message::Publish(publish) => publish.num = num,
        Message::Status(status) => status.num = num,
        _ => {}
    }
    message
}
