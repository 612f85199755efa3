//! One link after the other: dialling, binding, heartbeats, silence.

use super::requests::LastPull;
use super::{
    Binding, Cause, Config, Device, Event, LinkEnd, Output, Reason, Replaced, State, after,
};
use crate::WireError;
use crate::wire::{Code, Connect, Failure, Heartbeat, Message};
use std::time::{Duration, Instant};

/// The link, or what there is instead.
#[derive(Debug)]
pub(super) enum Link {
    /// Dials at that time.
    Waiting(Option<Instant>),
    /// Waits for the driver.
    Dialing,
    Up(Session),
    /// Waits for the driver to have ended it; then dials not before so long.
    Leaving(Duration),
    Closed,
}

/// What is known of a link that is up.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) bound_at: Option<Instant>,
    bind_by: Option<Instant>,
    beat_at: Option<Instant>,
    silent_at: Option<Instant>,
    unsure: [Option<Instant>; 2], // a heartbeat, a door frame: until then a failure may be theirs
    garbled: (Option<Instant>, u32), // end of the minute, how many in it
    pub(super) pull: Option<LastPull>,
    pub(super) subscribe_at: Option<Instant>, // again
}

const MINUTE: Duration = Duration::from_secs(60);

impl Link {
    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Up(session) => Some(session),
            _ => None,
        }
    }

    pub(super) fn bound_mut(&mut self) -> Option<&mut Session> {
        self.session_mut()
            .filter(|session| session.bound_at.is_some())
    }

    pub(super) fn state(&self) -> State {
        match self {
            Self::Waiting(_) | Self::Leaving(_) => State::Down,
            Self::Up(session) if session.bound_at.is_some() => State::Bound,
            Self::Dialing | Self::Up(_) => State::Opening,
            Self::Closed => State::Closed,
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Waiting(at) => *at,
            Self::Up(session) => {
                let bind_by = session.bind_by.filter(|_| session.bound_at.is_none());
                let due = [
                    bind_by,
                    session.beat_at,
                    session.silent_at,
                    session.subscribe_at,
                ];
                due.into_iter().flatten().min()
            }
            Self::Dialing | Self::Leaving(_) | Self::Closed => None,
        }
    }
}

impl Session {
    fn new(now: Instant, config: &Config) -> Self {
        Self {
            bound_at: None,
            bind_by: after(now, config.bind_timeout),
            beat_at: Some(now),
            silent_at: silence(now, config),
            unsure: [None; 2],
            garbled: (None, 0),
            pull: None,
            subscribe_at: None,
        }
    }

    /// True if a failure without a number can only be that of a request.
    //= docs/spec/zzw-push-proto.md#device-command
    //# The device MUST take a failure without a number for that of its only request, unless it may
    //# be about a heartbeat or a door frame.
    fn is_sure(&self, now: Instant) -> bool {
        self.bound_at.is_some() && self.unsure.iter().flatten().all(|until| *until <= now)
    }
}

impl Device {
    /// The driver has a link.
    pub(super) fn connected(&mut self, now: Instant) {
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST NOT have more than one link or dial at a time.
        if !matches!(self.link, Link::Dialing) {
            return;
        }
        self.link = Link::Up(Session::new(now, &self.config));
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST send type 14 and a heartbeat, in this order, as the first lines of a
        //# link.
        if self.config.binding == Binding::Frame {
            let mut connect = Connect::new(self.config.alias.clone());
            connect.token.clone_from(&self.config.token);
            self.send(Message::Connect(connect));
        }
        // A heartbeat comes before any operation, as the document advises. It binds, too, where the
        // server does not know the frame before it.
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST send a heartbeat as its first event on a link over Socket.IO.
        self.beat(now);
    }

    /// Timers of the link.
    pub(super) fn fire_link(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match &mut self.link {
            Link::Waiting(at) if is_due(*at) => {
                self.link = Link::Dialing;
                self.out.push_back(Output::Connect);
            }
            Link::Up(session) => {
                //= docs/spec/zzw-push-proto.md#device-link
                //# The device MUST end a link on which nothing came for `silent_periods` times
                //# `heartbeat`.
                if is_due(session.silent_at) {
                    return self.leave(now, LinkEnd::Silent, Duration::ZERO);
                }
                //= docs/spec/zzw-push-proto.md#device-link
                //# The device MUST leave a server that has not accepted its alias within
                //# `bind_timeout`.
                if session.bound_at.is_none() && is_due(session.bind_by) {
                    return self.leave(now, LinkEnd::Unbound, Duration::ZERO);
                }
                let offers = is_due(session.subscribe_at);
                if offers {
                    session.subscribe_at = None;
                }
                //= docs/spec/zzw-push-proto.md#device-link
                //# The device MUST send a heartbeat every `heartbeat`.
                if is_due(session.beat_at) {
                    self.beat(now);
                }
                if offers {
                    self.subscribe(now);
                }
            }
            _ => {}
        }
    }

    /// Something came.
    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST take whatever comes for a sign of life.
    pub(super) fn heard(&mut self, now: Instant) {
        let silent_at = silence(now, &self.config);
        if let Some(session) = self.link.session_mut() {
            session.silent_at = silent_at;
        }
    }

    /// A heartbeat was answered.
    pub(super) fn beaten(&mut self) {
        if let Some(session) = self.link.session_mut() {
            session.unsure[0] = None;
        }
    }

    /// A frame was sent that has no number and no answer, unless it fails.
    pub(super) fn be_unsure_of_doors(&mut self, now: Instant) {
        let until = after(now, self.config.request_timeout);
        if let Some(session) = self.link.session_mut() {
            session.unsure[1] = until;
        }
    }

    /// The server knows us.
    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST take an answer to type 14, an answer to a heartbeat that names its alias,
    //# and a delivery for the proof that it is bound.
    pub(super) fn bind(&mut self, now: Instant) {
        match self.link.session_mut() {
            Some(session) if session.bound_at.is_none() => session.bound_at = Some(now),
            _ => return,
        }
        self.counters.bound = self.counters.bound.saturating_add(1);
        self.say(Event::Bound);
        self.subscribe(now);
    }

    /// `t:0`
    pub(super) fn complaint(&mut self, now: Instant, failure: Failure) {
        let is_linked = failure.num.as_str().is_empty();
        if is_linked && is_replaced(&failure) {
            return self.replaced(now);
        }
        let session = self.link.session_mut();
        let is_sure = session.is_some_and(|session| session.is_sure(now));
        let Some(failure) = self.failed(now, failure, is_sure) else {
            return;
        };
        if !is_linked {
            return self.unexpected(Message::Failure(failure));
        }
        // An unknown type is the frame that binds; the heartbeat behind it binds as well.
        let is_final = !matches!(
            failure.code,
            None | Some(
                Code::UnknownType | Code::Garbled | Code::Missing | Code::NotBound | Code::Other(_)
            )
        );
        self.say(Event::LinkError(failure));
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST leave a server at once that refuses its alias or its token.
        if is_final && self.link.state() == State::Opening {
            self.leave(now, LinkEnd::Rejected, Duration::ZERO);
        }
    }

    //= docs/spec/zzw-push-proto.md#device-link
    //# The device MUST NOT dial again when another link has taken its alias, unless it was told
    //# after which time to.
    fn replaced(&mut self, now: Instant) {
        match self.config.replaced {
            Replaced::Close => self.end(Reason::Replaced),
            Replaced::After(wait) => self.leave(now, LinkEnd::Replaced, wait),
        }
    }

    /// What came is no message.
    pub(super) fn garbled(&mut self, now: Instant, error: WireError) {
        let window = after(now, MINUTE);
        let Some(session) = self.link.session_mut() else {
            return;
        };
        let (until, count) = &mut session.garbled;
        if until.is_none_or(|until| until <= now) {
            (*until, *count) = (window, 0);
        }
        *count = count.saturating_add(1);
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST end a link with `max_garbled` unreadable messages within a minute.
        let is_rude = *count >= self.config.max_garbled;
        self.counters.garbled = self.counters.garbled.saturating_add(1);
        self.heard(now);
        self.say(Event::Garbled(error));
        if is_rude {
            self.leave(now, LinkEnd::Garbled, Duration::ZERO);
        }
    }

    /// The driver has no link.
    pub(super) fn disconnected(&mut self, now: Instant, cause: Cause) {
        let least = match self.link {
            Link::Waiting(_) | Link::Closed => return,
            Link::Leaving(least) => least,
            Link::Dialing | Link::Up(_) => {
                self.lose(now, LinkEnd::Disconnected(cause));
                Duration::ZERO
            }
        };
        let delay = self.backoff.next().max(least);
        self.link = Link::Waiting(after(now, delay));
    }

    /// Ends the link from our side, and dials not before `least` is over.
    fn leave(&mut self, now: Instant, end: LinkEnd, least: Duration) {
        self.out.push_back(Output::Disconnect);
        self.lose(now, end);
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST NOT have more than one link or dial at a time.
        self.link = Link::Leaving(least);
    }

    fn lose(&mut self, now: Instant, end: LinkEnd) {
        // A server that takes links and drops them at once is no success.
        let bound_at = self.link.session_mut().and_then(|session| session.bound_at);
        let lasted = bound_at.map(|at| now.saturating_duration_since(at));
        //= docs/spec/zzw-push-proto.md#device-link
        //# The device MUST reset that bound only after a link that was bound for at least
        //# `heartbeat`.
        if lasted.is_some_and(|lasted| lasted >= self.config.heartbeat) {
            self.backoff.reset();
        }
        self.unsend_requests();
        self.say(Event::Down(end));
    }

    fn beat(&mut self, now: Instant) {
        let mut heartbeat = Heartbeat::new(self.config.alias.clone());
        heartbeat.token.clone_from(&self.config.token);
        self.send(Message::Heartbeat(heartbeat));
        let next = after(now, self.config.heartbeat);
        let until = after(now, self.config.request_timeout);
        if let Some(session) = self.link.session_mut() {
            session.beat_at = next;
            session.unsure[0] = until;
        }
    }
}

fn silence(now: Instant, config: &Config) -> Option<Instant> {
    let periods = config.silent_periods.max(1);
    after(now, config.heartbeat.saturating_mul(periods))
}

/// Old servers tell by the text only.
fn is_replaced(failure: &Failure) -> bool {
    match &failure.code {
        Some(code) => *code == Code::Replaced,
        None => failure.error == "replaced",
    }
}
