//! A box under a virtual clock, and what its tests say often.
#![allow(dead_code, reason = "each test program uses its part")]

use se5_events::device::{Config, Delivery, Device, Event, Fault, Input, LinkId, Output, Peer};
use se5_events::{
    Answer, Ask, Dialect, ExchangeId, FaceEvent, FromBox, Limits, Sighting, Subscription, ToBox,
    UnixMillis, codec,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When the first sighting happens.
pub(crate) const START: i64 = 1_607_062_639_701;

pub(crate) const GATE: &str = "04f98265-1fad-47e5-9dda-66e191272055";
pub(crate) const DOOR: &str = "f9f0768f-497c-45f3-9307-ae80a9d89390";

pub(crate) struct Rig {
    pub(crate) device: Device,
    pub(crate) now: Instant,
    pub(crate) seen: u64, // sightings so far
    asked: u64,
}

impl Rig {
    pub(crate) fn new(config: Config) -> Self {
        #[allow(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
        let now = Instant::now();
        Self {
            device: Device::new(config),
            now,
            seen: 0,
            asked: 0,
        }
    }

    /// Moves the clock, firing every timer when it is due.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.device.poll_timeout().filter(|&due| due <= end) {
            assert!(due >= self.now, "a timer was left behind");
            self.now = due;
            self.device.handle_timeout(due);
        }
        self.now = end;
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.device.handle_input(self.now, input);
    }

    pub(crate) fn connect(&mut self, link: u64) {
        self.input(Input::Connected(
            LinkId(link),
            Peer(format!("192.0.2.{link}:40000")),
        ));
    }

    pub(crate) fn subscribe(&mut self, link: u64, wanted: Subscription) {
        let dialect = self.device.dialect();
        self.input(Input::Received(
            LinkId(link),
            ToBox::Subscribe(dialect, wanted),
        ));
    }

    /// Connects and asks for every event at the gate.
    pub(crate) fn join(&mut self, link: u64) {
        self.connect(link);
        self.subscribe(link, Subscription::new([GATE]));
    }

    /// One more person at `device`, a tenth of a second after the last one.
    pub(crate) fn see(&mut self, device: &str) -> Sighting {
        let sighting = sighting(self.seen, device);
        self.seen += 1;
        self.device
            .emit(self.now, sighting.clone())
            .expect("room for one more");
        sighting
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.device.fault(self.now, fault);
    }

    pub(crate) fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.device.poll_output()).collect()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        let outputs = self.drain().into_iter();
        outputs
            .filter_map(|output| match output {
                Output::Event(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn sent(&mut self) -> Vec<(u64, Arc<FromBox>, Delivery)> {
        sends(self.drain())
    }

    /// Ids of the events sent on `link`.
    pub(crate) fn ids(&mut self, link: u64) -> Vec<String> {
        ids(self.sent(), link)
    }

    /// Asks in the box's dialect, through bytes there and back, and gives what came at once.
    pub(crate) fn ask(&mut self, ask: &Ask) -> Option<Answer> {
        let dialect = self.device.dialect();
        self.ask_in(dialect, ask)
    }

    pub(crate) fn ask_in(&mut self, dialect: Dialect, ask: &Ask) -> Option<Answer> {
        let limits = Limits::default();
        let request = codec::encode_ask(ask, dialect);
        let heard = codec::decode_ask(request.method, &request.target, &request.body, &limits);
        let (spoken, heard) = heard.expect("our own question");
        self.asked += 1;
        let exchange = ExchangeId(self.asked);
        self.input(Input::Asked(exchange, spoken, heard.clone()));
        let answer = self.drain().into_iter().find_map(|output| match output {
            Output::Answer(id, answer) if id == exchange => Some(answer),
            _ => None,
        })?;
        let response = codec::encode_answer(&answer, &heard, spoken);
        Some(codec::decode_answer(
            ask,
            response.status,
            response.body,
            &limits,
        ))
    }
}

pub(crate) fn sighting(nth: u64, device: &str) -> Sighting {
    let at = UnixMillis(START).plus(100 * i64::try_from(nth).expect("a small number"));
    let mut sighting = Sighting::new(format!("1607062639.{nth}"), device, at);
    sighting.device_ip = "192.0.2.101".into();
    sighting.person = se5_events::PersonType::Employee;
    sighting.identity_id = format!("{}", 1000 + nth);
    sighting.identity_name = "小明".into();
    sighting.score = 0.5 + f64::from(u8::try_from(nth % 50).expect("below 50")) / 100.0;
    sighting.registered = Some(jpeg(1, 700));
    sighting.face = Some(jpeg(2, 900));
    sighting.scene = Some(jpeg(3, 1_300));
    sighting
}

/// No picture, but as good as one: nothing here looks inside.
pub(crate) fn jpeg(salt: u8, length: usize) -> bytes::Bytes {
    let noise = (0..=u8::MAX).cycle().map(|at| at.wrapping_mul(31) ^ salt);
    [0xff, 0xd8, 0xff]
        .into_iter()
        .chain(noise.take(length))
        .collect()
}

pub(crate) fn sends(outputs: Vec<Output>) -> Vec<(u64, Arc<FromBox>, Delivery)> {
    let sends = outputs.into_iter().filter_map(|output| match output {
        Output::Send(LinkId(link), message, delivery) => Some((link, message, delivery)),
        _ => None,
    });
    sends.collect()
}

pub(crate) fn ids(sent: Vec<(u64, Arc<FromBox>, Delivery)>, link: u64) -> Vec<String> {
    let own = sent.into_iter().filter(|(to, ..)| *to == link);
    own.map(|(_, message, _)| face(&message).event_id().expect("script ids").into_owned())
        .collect()
}

/// The event as a subscriber reads it: decoded from its bytes.
pub(crate) fn face(message: &FromBox) -> FaceEvent {
    match message {
        FromBox::Face(event) => FaceEvent::decode(event.json().clone()).expect("our own event"),
        other => panic!("{other:?} is no event"),
    }
}
