//! Between the two.

use super::receiver::Exchange;
use super::{Happening, World};
use crate::plan::Saboteur;
use bytes::Bytes;
use face_record_push::device::{AttemptId, Cause, Input};
use face_record_push::platform::{self, Head, LinkId};
use face_record_push::{Answer, ExchangeId, Push, Reply, SerialNumber, UnixMillis, codec};

/// A post under way.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub terminal: usize,
    pub life: u64,
    /// None if nobody waits for the answer.
    pub attempt: Option<AttemptId>,
    pub serial: Option<SerialNumber>,
    pub sent_at: Option<UnixMillis>,
    pub body: Bytes,
}

/// What comes back.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Answer(u16, Option<String>, Bytes),
    Nothing(Cause),
}

impl World {
    /// Puts a request on its way, through the weather.
    pub(super) fn post(&mut self, request: Request) {
        let weather = self.weather();
        if self.chance.percent(weather.repeated) {
            self.stats.repeated += 1;
            let again = Request {
                attempt: None,
                ..request.clone()
            };
            self.after(60_000, Happening::RequestArrives(again));
        }
        if self.network_is_up && self.chance.percent(weather.lost) {
            return;
        }
        self.way(Happening::RequestArrives(request));
    }

    pub(super) fn request_arrives(&mut self, request: Request) -> Result<(), String> {
        if !self.network_is_up || (self.platform.is_none() && !self.proxy_answers) {
            // Some learn it at once, some never.
            if self.chance.percent(50) {
                self.answer(&request, Outcome::Nothing(Cause::Unreachable));
            }
            return Ok(());
        }
        if self.proxy_answers {
            let outcome = self.nonsense();
            self.answer(&request, outcome);
            return Ok(());
        }
        self.next_exchange += 1;
        let id = ExchangeId(self.next_exchange);
        let link = match request.attempt {
            Some(_) => LinkId(request.terminal as u64),
            None => LinkId(1_000_000 + id.0),
        };
        let mut head = Head::post(link, format!("192.0.2.{}", request.terminal), "/Record");
        head.length = Some(request.body.len() as u64);
        head.serial.clone_from(&request.serial);
        head.sent_at = request.sent_at;
        self.exchanges.insert(id, Exchange { request });
        self.tell_receiver(platform::Input::Connected(id, head))
    }

    /// The receiver lets the body come.
    pub(super) fn let_body_come(&mut self, id: ExchangeId) {
        let process = self.process;
        if self.chance.percent(self.weather().reset) {
            if let Some(exchange) = self.exchanges.get(&id) {
                let request = exchange.request.clone();
                self.answer(&request, Outcome::Nothing(Cause::Broken));
            }
            self.way(Happening::ConnectionBreaks(process, id));
        } else {
            self.way(Happening::BodyArrives(process, id));
        }
    }

    pub(super) fn body_arrives(&mut self, id: ExchangeId) -> Result<(), String> {
        let Some(exchange) = self.exchanges.get(&id) else {
            return Ok(());
        };
        let at = self.wall();
        let input = match Push::decode(exchange.request.body.clone()) {
            Ok(push) => platform::Input::Received(at, id, push),
            Err(error) => platform::Input::Garbled(at, id, error),
        };
        self.tell_receiver(input)
    }

    pub(super) fn send_reply(&mut self, request: &Request, reply: &Reply) {
        let weather = self.weather();
        let mut body = Vec::new();
        codec::encode_reply(reply, &mut body);
        if self.chance.percent(weather.unanswered) {
            return;
        }
        let outcome = if self.chance.percent(weather.half_answered) {
            Outcome::Nothing(Cause::Broken)
        } else {
            let retry_after = reply.retry_after().map(|wait| wait.as_secs().to_string());
            Outcome::Answer(reply.status(), retry_after, body.into())
        };
        self.answer(request, outcome);
    }

    pub(super) fn answer(&mut self, request: &Request, outcome: Outcome) {
        if let Some(attempt) = request.attempt {
            let (terminal, life) = (request.terminal, request.life);
            self.way(Happening::AnswerArrives(terminal, life, attempt, outcome));
        }
    }

    pub(super) fn answer_arrives(
        &mut self,
        nth: usize,
        attempt: AttemptId,
        outcome: &Outcome,
    ) -> Result<(), String> {
        let mut input = match outcome {
            Outcome::Nothing(cause) => Input::Disconnected(attempt, *cause),
            Outcome::Answer(status, retry_after, body) => {
                match codec::read_answer(*status, retry_after.as_deref(), body) {
                    Ok(answer) => Input::Received(attempt, answer),
                    Err(error) => Input::Garbled(attempt, error),
                }
            }
        };
        let status = match outcome {
            Outcome::Answer(status, ..) => *status,
            Outcome::Nothing(_) => 0,
        };
        match self.saboteur {
            Saboteur::EveryAnswerIsYes if status > 0 => {
                input = Input::Received(attempt, Answer::new(200, Some(200)));
            }
            Saboteur::StatusIsEnough if status == 200 => {
                input = Input::Received(attempt, Answer::new(200, Some(200)));
            }
            _ => {}
        }
        self.tell_terminal(nth, input)
    }

    /// What something that is no receiver answers.
    fn nonsense(&mut self) -> Outcome {
        let answers: [(u16, &'static str); 8] = [
            (502, "<html>Bad Gateway</html>"),
            (200, ""),
            (200, "<html>Welcome</html>"),
            (200, r#"{"code":500,"msg":"failure","data":{}}"#),
            (200, r#"{"code":20"#),
            (200, r#"{"msg":"success"}"#),
            (301, ""),
            (500, r#"{"code":200,"msg":"success","data":{}}"#),
        ];
        let (status, body) = *self.chance.pick(&answers);
        Outcome::Answer(status, None, Bytes::from_static(body.as_bytes()))
    }
}
