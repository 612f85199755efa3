//! What is on its way, in two kinds of network.

use super::moves::{Party, Step};
use super::{Client, World};
use crate::plan::{Order, Saboteur};
use analyst_proto::link::{DeliveryId, Incoming, Publish, SendId};
use analyst_proto::wire::{Attempt, ClientId, Message, Text, Timeout};
use analyst_proto::{device, platform};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// From one client to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// To this analyser.
    To(u8),
    /// From this analyser.
    From(u8),
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Start,
    Timeout,
    Finish,
    Fail,
}

/// A message that the broker has.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) kind: Kind,
    /// Which attempt it begins or ends, which it does not say.
    pub(super) attempt: u8,
    is_again: bool,
    label: Option<Text>,
    message: Arc<Message>,
}

/// A message that its receiver has not acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Unacked {
    delivery: DeliveryId,
    lane: Lane,
    pub(super) mail: Mail,
    /// The application has learned of it.
    pub(super) is_told: bool,
    /// The broker has an acknowledgement that the machine has not given.
    pub(super) is_acked: bool,
}

/// A message that the broker has not acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) send: SendId,
    pub(super) kind: Kind,
    pub(super) attempt: u8,
}

impl Lane {
    pub(crate) fn receiver(self) -> Party {
        match self {
            Self::To(nth) => Party::Analyst(nth),
            Self::From(_) => Party::Server,
        }
    }
}

impl Mail {
    fn key(&self) -> (Kind, u8, bool, &Option<Text>) {
        (self.kind, self.attempt, self.is_again, &self.label)
    }
}

impl Hash for Mail {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Hash for Unacked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.delivery, self.lane, self.is_told, self.is_acked).hash(state);
        self.mail.hash(state);
    }
}

pub(super) fn client(party: Party) -> ClientId {
    let text = match party {
        Party::Server => "GID_Analyst@@@monitor".to_owned(),
        Party::Analyst(nth) => format!("GID_Analyst@@@analyst_{nth}"),
    };
    ClientId::new(text).unwrap()
}

/// Whose this is.
pub(super) fn analyst(client: &str) -> u8 {
    let (_, nth) = client.rsplit_once('_').expect("an analyser");
    nth.parse().expect("a number")
}

impl World {
    fn lane(&mut self, lane: Lane) -> &mut Vec<Mail> {
        match lane {
            Lane::To(nth) => &mut self.analysts[usize::from(nth)].inbox,
            Lane::From(nth) => &mut self.analysts[usize::from(nth)].outbox,
        }
    }

    /// What can be delivered or lost.
    pub(super) fn network_steps(&self, steps: &mut Vec<Step>) {
        for (nth, analyst) in (0_u8..).zip(&self.analysts) {
            let lanes = [
                (Lane::To(nth), &analyst.inbox),
                (Lane::From(nth), &analyst.outbox),
            ];
            for (lane, mails) in lanes {
                for (at, mail) in mails.iter().enumerate() {
                    let is_first = at == 0;
                    let is_next = match self.plan.order {
                        Order::Fifo => is_first,
                        Order::Bag => is_first || mails[at - 1].key() != mail.key(),
                    };
                    if is_next {
                        self.mail_steps(lane, at, mail, steps);
                    }
                }
            }
        }
    }

    fn mail_steps(&self, lane: Lane, at: usize, mail: &Mail, steps: &mut Vec<Step>) {
        let at = u8::try_from(at).expect("a short lane");
        let (kind, attempt) = (mail.kind, mail.attempt);
        let deliver = |twice| Step::Deliver {
            lane,
            at,
            kind,
            attempt,
            twice,
        };
        steps.push(deliver(false));
        if self.left.duplicates > 0 {
            steps.push(deliver(true));
        }
        if self.left.losses > 0 {
            steps.push(Step::Lose { lane, at, kind });
        }
    }

    /// The broker takes a message, and will acknowledge it.
    pub(super) fn publish(&mut self, from: Party, publish: Publish) -> Result<(), String> {
        let to_analyst = |publish: &Publish| analyst(publish.topic.as_str());
        let (kind, lane, attempt, label) = match (&*publish.message, from) {
            (Message::Start(_), Party::Server) => {
                let nth = to_analyst(&publish);
                let attempt = self.ledger.sent_start(self.now, nth)?;
                (Kind::Start, Lane::To(nth), attempt, None)
            }
            (Message::Timeout(_), Party::Server) => {
                let nth = to_analyst(&publish);
                (
                    Kind::Timeout,
                    Lane::To(nth),
                    self.ledger.last_attempt(nth),
                    None,
                )
            }
            (Message::Finish(finish), Party::Analyst(nth)) => {
                (Kind::Finish, Lane::From(nth), 0, finish.analyst_id.clone())
            }
            (Message::Fail(fail), Party::Analyst(nth)) => {
                (Kind::Fail, Lane::From(nth), 0, fail.analyst_id.clone())
            }
            _ => return Err(format!("{from} sends {:?}", publish.message)),
        };
        let flight = Flight {
            send: publish.send,
            kind,
            attempt,
        };
        match from {
            Party::Server => self.server.client.flights.push_back(flight),
            Party::Analyst(nth) => {
                let client = &mut self.analysts[usize::from(nth)].client;
                client.flights.push_back(flight);
            }
        }
        let mail = Mail {
            kind,
            attempt,
            is_again: false,
            label,
            message: publish.message,
        };
        let order = self.plan.order;
        let mails = self.lane(lane);
        mails.push(mail);
        tidy(mails, order);
        Ok(())
    }

    pub(super) fn acked(&mut self, party: Party) -> Result<(), String> {
        match party {
            Party::Server => {
                let flights = &mut self.server.client.flights;
                let flight = flights.pop_front().expect("a message on its way");
                self.ledger.server_acked(self.now, &flight);
                self.tell_server(platform::Input::Sent(flight.send))
            }
            Party::Analyst(nth) => {
                let analyst = &mut self.analysts[usize::from(nth)];
                let flight = analyst.client.flights.pop_front().expect("a message");
                if analyst.owes == Some(flight.kind) {
                    analyst.owes = None;
                }
                self.tell_analyst(nth, device::Input::Sent(flight.send))
            }
        }
    }

    pub(super) fn lose(&mut self, lane: Lane, at: u8) {
        self.left.losses -= 1;
        self.lane(lane).remove(usize::from(at));
    }

    pub(super) fn deliver(&mut self, lane: Lane, at: u8, twice: bool) -> Result<(), String> {
        let (order, says_again) = (self.plan.order, self.plan.says_again);
        let mails = self.lane(lane);
        let mail = mails.remove(usize::from(at));
        if twice {
            let mut copy = mail.clone();
            copy.is_again |= says_again;
            mails.insert(usize::from(at), copy);
            tidy(mails, order);
            self.left.duplicates -= 1;
        }
        let (message, is_again) = ((*mail.message).clone(), mail.is_again);
        let (kind, attempt) = (mail.kind, mail.attempt);
        match lane {
            Lane::To(nth) => {
                let is_acked = self.plan.saboteur == Saboteur::AnalystAcksEarly;
                let client = &mut self.analysts[usize::from(nth)].client;
                let delivery = client.take_in(lane, mail, is_acked);
                let before = self.before(nth);
                if kind == Kind::Start {
                    self.ledger.arrived(attempt, false);
                }
                let incoming = Incoming::new(delivery, is_again, message);
                self.tell_analyst(nth, device::Input::Received(incoming))?;
                self.check_delivery(nth, before, kind, attempt)
            }
            Lane::From(_) => {
                let is_acked = self.plan.saboteur == Saboteur::ServerAcksEarly;
                let delivery = self.server.client.take_in(lane, mail, is_acked);
                self.hearing = Some(delivery);
                let message = self.blame(message);
                let incoming = Incoming::new(delivery, is_again, message);
                self.tell_server(platform::Input::Received(incoming))?;
                self.hearing = None;
                Ok(())
            }
        }
    }

    /// A cancellation of whatever there is.
    pub(super) fn stranger(&mut self, nth: u8, is_again: bool) -> Result<(), String> {
        self.left.strangers -= 1;
        let before = self.before(nth);
        // Nobody waits for its acknowledgement.
        let mut timeout = Timeout::new(super::TASK);
        timeout.id = None;
        let incoming = Incoming::new(STRANGE, is_again, Message::Timeout(timeout));
        self.tell_analyst(nth, device::Input::Received(incoming))?;
        self.check_stranger(nth, before, is_again)
    }

    /// Ascribes a failure to an attempt as a careless dispatcher would.
    fn blame(&mut self, message: Message) -> Message {
        let Message::Fail(mut fail) = message else {
            return message;
        };
        let number = match self.plan.saboteur {
            Saboteur::NaiveFail => self.ledger.attempts(),
            Saboteur::CountedFail => self.ledger.count_fail(),
            _ => return Message::Fail(fail),
        };
        if let Some(nth) = self.ledger.analyst_of(number) {
            let client = client(Party::Analyst(nth));
            fail.analyst_id = Some(Attempt::new(client, u32::from(number)).to_json());
        }
        Message::Fail(fail)
    }

    /// What was not acknowledged over a connection that is gone comes again over the next.
    pub(super) fn give_back(&mut self, unacked: Vec<Unacked>) {
        let (order, says_again) = (self.plan.order, self.plan.says_again);
        for Unacked { lane, mut mail, .. } in unacked.into_iter().rev() {
            mail.is_again |= says_again;
            let mails = self.lane(lane);
            mails.insert(0, mail);
            tidy(mails, order);
        }
    }
}

/// What a message is acknowledged by that the broker does not deliver again.
pub(super) const STRANGE: DeliveryId = DeliveryId(u64::MAX);

impl<O> Client<O> {
    /// Notes a delivery, under the first number that is free.
    fn take_in(&mut self, lane: Lane, mail: Mail, is_acked: bool) -> DeliveryId {
        let is_free = |id: &DeliveryId| self.unacked.iter().all(|it| it.delivery != *id);
        let delivery = (1..=u64::MAX).map(DeliveryId).find(is_free);
        let delivery = delivery.expect("a free number");
        self.unacked.push(Unacked {
            delivery,
            lane,
            mail,
            is_told: false,
            is_acked,
        });
        delivery
    }

    /// The machine acknowledges a delivery.
    pub(super) fn acknowledged(&mut self, delivery: DeliveryId) -> Result<Unacked, String> {
        let at = self.unacked.iter().position(|it| it.delivery == delivery);
        let at = at.ok_or_else(|| format!("{delivery:?} is acknowledged and never came"))?;
        Ok(self.unacked.remove(at))
    }

    /// The delivery that goes by this number.
    pub(super) fn delivery(&mut self, delivery: DeliveryId) -> Option<&mut Unacked> {
        self.unacked.iter_mut().find(|it| it.delivery == delivery)
    }
}

/// Where there is no order, none is told from another.
fn tidy(mails: &mut [Mail], order: Order) {
    if order == Order::Bag {
        mails.sort_by(|one, other| one.key().cmp(&other.key()));
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::To(nth) => write!(f, "{}", Party::Analyst(nth)),
            Self::From(nth) => write!(f, "the dispatcher from {}", Party::Analyst(nth)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "START",
            Self::Timeout => "TIMEOUT",
            Self::Finish => "FINISH",
            Self::Fail => "FAIL",
        })
    }
}
