//! Questions over HTTP.

use super::history::{Complaint, Order};
use super::{Device, Fault, Output, Question};
use crate::{
    Answer, Ask, AskError, DeviceList, Dialect, ExchangeId, HistoryPage, HistoryQuery,
    RemotePicture, TimeUnit,
};
use bytes::Bytes;
use std::time::Instant;

/// A grey pixel.
const BLANK: &[u8] = include_bytes!("blank.jpg");

impl Device {
    pub(super) fn asked(&mut self, now: Instant, exchange: ExchangeId, dialect: Dialect, ask: Ask) {
        self.counters.asked = self.counters.asked.saturating_add(1);
        let delay = self.faults.slow_history().filter(|_| is_history(&ask));
        match delay {
            None => {
                let answer = self.answer(now, dialect, &ask);
                self.reply(exchange, answer);
            }
            Some(_) if self.questions.len() >= self.config.max_questions => {
                self.reply(exchange, Answer::Failed(AskError::Http(503)));
            }
            Some(delay) => self.questions.push(Question {
                due: now.checked_add(delay),
                exchange,
                dialect,
                ask,
            }),
        }
    }

    pub(super) fn answer_all(&mut self, now: Instant, questions: Vec<Question>) {
        for question in questions {
            let answer = self.answer(now, question.dialect, &question.ask);
            self.reply(question.exchange, answer);
        }
    }

    /// Whoever still waits is told that nobody is there any more.
    pub(super) fn abandon_questions(&mut self) {
        for question in std::mem::take(&mut self.questions) {
            self.reply(question.exchange, Answer::Failed(AskError::Unreachable));
        }
    }

    fn reply(&mut self, exchange: ExchangeId, answer: Answer) {
        if matches!(answer, Answer::Failed(_)) {
            self.counters.failed = self.counters.failed.saturating_add(1);
        }
        self.out.push_back(Output::Answer(exchange, answer));
    }

    fn answer(&self, now: Instant, dialect: Dialect, ask: &Ask) -> Answer {
        // A firmware has no endpoints of the other dialect.
        //= docs/spec/se5-events.md#box
        //# The box MUST answer the device list and the history in the dialect of the question.
        if dialect != self.dialect {
            return Answer::Failed(AskError::Http(404));
        }
        //= docs/spec/se5-events.md#box
        //# The box MUST answer `DEVICE_INIT_ERROR` for `boot_time` after a reboot.
        if self.booting_until.is_some_and(|until| now < until) {
            return Answer::Failed(Complaint::Booting.to_error(dialect));
        }
        if is_history(ask) && self.faults.is_on(Fault::BrokenHistory) {
            return Answer::Failed(AskError::Http(500));
        }
        let answer = match ask {
            Ask::Devices(id) => self.device_list(id.as_deref()).map(Answer::Devices),
            Ask::Events(query) => self.page(query).map(Answer::Page),
            Ask::Event(id) if id.is_empty() => Err(Complaint::Missing),
            Ask::Event(id) => {
                let found = self.history.event(dialect, id);
                let record = found.ok_or(Complaint::NotFound);
                record.map(|record| Answer::Page(HistoryPage::single(record)))
            }
            Ask::Picture(wanted) => self.picture(wanted).map(Answer::Picture),
        };
        answer.unwrap_or_else(|complaint| Answer::Failed(complaint.to_error(dialect)))
    }

    fn device_list(&self, id: Option<&str>) -> Result<DeviceList, Complaint> {
        let is_asked = |known: &str| id.is_none_or(|id| known == id);
        let devices: Vec<_> = self
            .devices
            .iter()
            .filter(|device| is_asked(&device.id))
            .cloned()
            .collect();
        if id.is_some() && devices.is_empty() {
            return Err(Complaint::NotFound);
        }
        Ok(DeviceList {
            devices,
            preview: None,
        })
    }

    fn page(&self, query: &HistoryQuery) -> Result<HistoryPage, Complaint> {
        let most = u32::try_from(self.config.limits.max_items).unwrap_or(u32::MAX);
        if !(1..=most).contains(&query.per_page) || query.from > query.to {
            return Err(Complaint::Invalid);
        }
        let order = if self.faults.is_on(Fault::UnsortedPages) {
            Order::Shuffled(self.config.seed)
        } else {
            Order::Time
        };
        let is_misread = self.faults.is_on(Fault::SwappedUnit)
            && self.dialect == Dialect::V2
            && query.unit == TimeUnit::Millis;
        if !is_misread {
            return Ok(self.history.page(self.dialect, query, order));
        }
        let mut misread = query.clone();
        misread.from.0 = query.from.0.saturating_mul(1000);
        misread.to.0 = query.to.0.saturating_mul(1000);
        Ok(self.history.page(self.dialect, &misread, order))
    }

    /// The document of dialect 2 gives a blank picture for a registered one that is not there.
    fn picture(&self, wanted: &RemotePicture) -> Result<Bytes, Complaint> {
        match (self.history.picture(wanted), self.dialect, wanted) {
            (Some(jpeg), ..) => Ok(jpeg),
            (None, Dialect::V2, RemotePicture::Registered { .. }) => Ok(Bytes::from_static(BLANK)),
            (None, ..) => Err(Complaint::NotFound),
        }
    }
}

/// True for questions that only the history can answer.
fn is_history(ask: &Ask) -> bool {
    matches!(
        ask,
        Ask::Events(_) | Ask::Event(_) | Ask::Picture(RemotePicture::Recorded { .. })
    )
}
