//! A device under a virtual clock, with a server that does as it is told.
#![allow(dead_code, reason = "each test program uses its part")]

use std::time::{Duration, Instant};
use zzw_push_proto::device::{Cause, Config, Device, Event, Input, Output, Recovered, RequestId};
use zzw_push_proto::wire::{
    Connect, Delivery, Heartbeat, Json, Lenience, Message, Mid, Num, Numbered, Texts,
};

pub(crate) const ME: &str = "m_2";

pub(crate) struct Rig {
    pub(crate) device: Device,
    pub(crate) now: Instant,
    fresh: Vec<Output>, // not looked at yet
}

impl Rig {
    pub(crate) fn new(config: Config) -> Self {
        Self::with(config, Recovered::empty())
    }

    pub(crate) fn with(config: Config, recovered: Recovered) -> Self {
        let mut rig = Self {
            device: Device::new(config, recovered),
            now: testkit::epoch(),
            fresh: Vec::new(),
        };
        rig.drain();
        rig
    }

    /// One that is bound, and of whom nothing is to be looked at yet.
    pub(crate) fn bound(config: Config) -> Self {
        let mut rig = Self::new(config);
        rig.bind();
        rig.take();
        rig
    }

    pub(crate) fn bind(&mut self) {
        self.input(Input::Connected);
        self.hear(connected(0));
        self.hear(beaten());
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.device.handle_input(self.now, input);
        self.drain();
    }

    pub(crate) fn hear(&mut self, message: Message) {
        self.input(Input::Received(message));
    }

    /// What a server writes, through the codec.
    pub(crate) fn hear_line(&mut self, json: &str) {
        let json = json.to_owned().into();
        self.input(
            match Message::decode_from_server(json, Lenience::default()) {
                Ok(decoded) => Input::Received(decoded.message),
                Err(error) => Input::Garbled(error),
            },
        );
    }

    pub(crate) fn cut(&mut self) {
        self.input(Input::Disconnected(Cause::Broken));
    }

    pub(crate) fn close(&mut self) {
        self.device.close(self.now);
        self.drain();
    }

    /// Time passes; timers are fired on time.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.device.poll_timeout().filter(|&due| due <= end) {
            self.now = due.max(self.now);
            self.device.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Waits until it dials.
    pub(crate) fn wait_for_dial(&mut self) -> Duration {
        let from = self.now;
        for _ in 0..100 {
            if self.fresh.contains(&Output::Connect) {
                return self.now - from;
            }
            let due = self.device.poll_timeout().expect("a timer");
            self.wait(due - self.now);
        }
        panic!("it does not dial");
    }

    fn drain(&mut self) {
        self.fresh
            .extend(std::iter::from_fn(|| self.device.poll_output()));
    }

    /// What came out since somebody looked.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        self.drain();
        std::mem::take(&mut self.fresh)
    }

    /// The events among it.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        let outputs = self.take().into_iter();
        outputs
            .filter_map(|output| match output {
                Output::Event(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    /// The messages among it.
    pub(crate) fn sent(&mut self) -> Vec<Message> {
        let outputs = self.take().into_iter();
        outputs
            .filter_map(|output| match output {
                Output::Send(message) => Some(message),
                _ => None,
            })
            .collect()
    }

    /// The one message among it.
    pub(crate) fn sent_one(&mut self) -> Message {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }
}

pub(crate) fn config() -> Config {
    Config::new(ME, 7)
}

pub(crate) fn connected(gap: u64) -> Message {
    Message::Connected(Connect::new(ME).reply(gap))
}

pub(crate) fn beaten() -> Message {
    Message::HeartbeatReply(Heartbeat::reply(Some(ME.into())))
}

pub(crate) fn push(mid: &str) -> Message {
    Message::Deliver(delivery(mid))
}

pub(crate) fn delivery(mid: &str) -> Delivery {
    Delivery::new(ME, Mid::new(mid), body(mid))
}

pub(crate) fn body(mid: &str) -> Json {
    Json::text(&format!("有人按门铃 {mid}"))
}

pub(crate) fn texts(texts: &[&str]) -> Texts {
    texts.iter().collect()
}

/// Its good answer, where that has nothing but a number.
pub(crate) fn done(request: &Message) -> Message {
    let numbered = Numbered::new(request.num().clone());
    match request {
        Message::Register(_) => Message::Registered(numbered),
        Message::Publish(_) => Message::Published(numbered),
        other => panic!("{other:?} is answered with more"),
    }
}

pub(crate) fn timed_out(request: RequestId, was_sent: bool) -> Event {
    Event::TimedOut { request, was_sent }
}

pub(crate) fn no_num() -> Num {
    Num::Absent
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
