//! The box's side of the world.

use super::{Happened, Happening, World, camera_id};
use crate::plan::Saboteur;
use se5_events::device::{self, LinkId, PingAnswer};
use se5_events::platform::Cause;
use se5_events::{
    Answer, Ask, AskError, Dialect, ExchangeId, FromBox, LiveForm, PersonType, Sighting,
    Subscription, ToBox, codec,
};
use std::time::Duration;

impl World {
    pub(super) fn sight(&mut self) {
        let now = self.schedule.now();
        let camera = self.chance.below(self.plan.cameras);
        let at = self.wall();
        let number = self.emitted;
        self.emitted += 1;
        let device = camera_id(camera);
        let at_box = at.plus(self.plan.box_ahead);
        let mut event = Sighting::new(format!("{}.{number:06}", at_box.0 / 1000), &device, at_box);
        if self.chance.percent(60) {
            event.person = PersonType::Employee;
            event.identity_id = self.chance.below(4).to_string();
            "测试员".clone_into(&mut event.identity_name);
        }
        // Two strangers in the same millisecond differ by their score only.
        event.score = f64::from(u32::try_from(number).unwrap()) / 1024.0;
        // A firmware of another dialect gives the same event another key.
        for dialect in [Dialect::V1, Dialect::V2] {
            let key = event.to_live(LiveForm::new(dialect)).key();
            self.by_key.insert(key, self.happened.len());
        }
        let is_wanted = camera < self.plan.subscribed;
        self.happened.push(Happened { is_wanted, at });
        let _ = self.the_box.emit(now, event);
        self.stats.events += 1;
        if self.emitted < self.plan.events {
            let pause = if self.chance.percent(20) {
                0
            } else {
                2 * self.plan.pace
            };
            self.after(pause, Happening::Sighted);
        }
    }

    pub(super) fn at_box(&mut self, id: u64, message: ToBox) {
        let now = self.schedule.now();
        let link = LinkId(id);
        let message = match message {
            ToBox::Subscribe(dialect, subscription) => {
                let mut json = Vec::new();
                subscription.encode(dialect, &mut json);
                let (dialect, subscription) =
                    Subscription::decode(json.into(), &self.limits).unwrap();
                ToBox::Subscribe(dialect, subscription)
            }
            other => other,
        };
        if message == ToBox::Ping && self.the_box.answers_ping(link) == PingAnswer::Answer {
            self.send_to_subscriber(id, Happening::PongAtSubscriber);
        }
        self.the_box
            .handle_input(now, device::Input::Received(link, message));
    }

    pub(super) fn asked(&mut self, process: u64, id: ExchangeId, dialect: Dialect, ask: Ask) {
        if !self.network_is_up {
            self.schedule
                .after(Duration::from_secs(10), Happening::Unanswered(process, id));
            return;
        }
        let request = codec::encode_ask(&ask, dialect);
        let read = codec::decode_ask(request.method, &request.target, &request.body, &self.limits);
        let (dialect, mut ask_read) = read.unwrap();
        if let Ask::Events(query) = &mut ask_read {
            // What happened just now is in the history only in a moment.
            let known_to = self
                .wall()
                .plus(self.plan.box_ahead - self.plan.history_lag);
            query.to = query.to.min(known_to);
            if self.saboteur == Saboteur::OneCamera {
                query.devices.truncate(1);
            }
            if query.to < query.from {
                // Nothing of the range is known yet, which is no error.
                (query.from, query.devices) = (query.to, vec!["nobody".to_owned()]);
            }
        }
        self.next_ask += 1;
        let at_box = ExchangeId(self.next_ask);
        self.asks.insert(at_box, (process, id, dialect, ask));
        let now = self.schedule.now();
        self.the_box
            .handle_input(now, device::Input::Asked(at_box, dialect, ask_read));
    }

    pub(super) fn drain_box(&mut self) {
        while let Some(output) = self.the_box.poll_output() {
            if let Some(trace) = &mut self.trace {
                trace.note(&output);
            }
            match output {
                device::Output::Send(link, message, delivery) => {
                    let FromBox::Face(event) = &*message else {
                        continue;
                    };
                    let dialect = self.the_box.dialect();
                    let json = codec::deface(event.json().clone(), dialect, &delivery.faults);
                    self.send_to_subscriber(link.0, |id| Happening::AtSubscriber(id, json));
                }
                device::Output::Answer(id, answer) => self.answer(id, answer),
                device::Output::Disconnect(link) => {
                    // A box that goes down takes what is under way with it, or not.
                    let id = link.0;
                    if self.chance.percent(50) {
                        self.send_to_subscriber(id, |id| {
                            Happening::SubscriberLearns(id, Cause::Eof)
                        });
                    } else {
                        self.after(100, Happening::SubscriberLearns(id, Cause::Io));
                        self.close(id);
                    }
                }
                device::Output::Event(device::Event::Subscribed(_, 1..)) => {
                    self.promised_from.get_or_insert(self.happened.len());
                }
                _ => {}
            }
        }
    }

    pub(super) fn answer(&mut self, id: ExchangeId, mut answer: Answer) {
        let Some((process, asked, dialect, ask)) = self.asks.remove(&id) else {
            return;
        };
        if self.history_is_broken && matches!(ask, Ask::Events(_)) {
            answer = Answer::Failed(AskError::Http(500));
        }
        self.tamper_with(&ask, &mut answer);
        if !self.network_is_up {
            let lost = Happening::Unanswered(process, asked);
            return self.schedule.after(Duration::from_secs(10), lost);
        }
        let response = codec::encode_answer(&answer, &ask, dialect);
        let news = Happening::Answered(process, asked, ask, response.status, response.body);
        self.after(self.plan.latency, news);
    }

    fn tamper_with(&mut self, ask: &Ask, answer: &mut Answer) {
        let (Ask::Events(query), Answer::Page(page)) = (ask, answer) else {
            return;
        };
        match self.saboteur {
            Saboteur::ShortPages => drop(page.records.pop()),
            Saboteur::OnePage if query.page > 0 => page.records.clear(),
            Saboteur::CrossedAnswers => std::mem::swap(page, &mut self.page_before),
            _ => {}
        }
    }
}
