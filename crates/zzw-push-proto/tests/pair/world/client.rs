//! The devices: machine, store, application.

use super::commands::Command;
use super::{Doom, Happening, Moment, World};
use crate::application::Application;
use crate::cable::Frame;
use crate::flash::Flash;
use crate::plan;
use crate::saboteur::Saboteur;
use std::collections::BTreeMap;
use std::time::Instant;
use zzw_push_proto::device::{
    Ack, Answer, Cause, Device, Event, Input, Output, Recovered, RequestId, Seq, State,
};
use zzw_push_proto::platform::MessageId;
use zzw_push_proto::wire::{Delivery, Message, Text, Token};

/// A device, with what survives its power cuts.
#[derive(Debug)]
pub(crate) struct Client {
    pub plan: plan::Client,
    pub alias: Text,
    /// None while it has no power.
    pub device: Option<Device>,
    /// Counts its lives, so that news for an old one is dropped.
    pub life: u64,
    pub doom: Option<Doom>,
    pub flash: Flash,
    pub app: Application,
    pub wake: Option<Instant>,
    /// The link that it has.
    pub cable: Option<usize>,
    /// What it holds back until it has beaten, and for which link.
    pub(super) held: Option<(usize, Message)>,
    /// Commands that have not ended.
    pub(super) commands: BTreeMap<RequestId, Command>,
    /// The last command about the first topic, and whether it has that since it was answered.
    pub(super) changed: Option<(RequestId, Option<bool>)>,
}

/// The name of the so manieth alias.
pub(super) fn alias_of(nth: usize) -> Text {
    match nth % 3 {
        2 => format!("小明{nth}").into(),
        _ => format!("m_{nth}").into(),
    }
}

impl Client {
    pub(super) fn new(nth: usize, plan: plan::Client) -> Self {
        Self {
            plan,
            alias: alias_of(nth),
            device: None,
            life: 0,
            doom: None,
            flash: Flash::default(),
            app: Application::default(),
            wake: None,
            cable: None,
            held: None,
            commands: BTreeMap::new(),
            changed: None,
        }
    }

    pub(super) fn is_alive(&self, life: u64) -> bool {
        self.device.is_some() && self.life == life
    }

    /// True if it has its alias and nothing left to do.
    pub(super) fn is_idle(&self) -> bool {
        let is_bound = |device: &Device| device.state() == State::Bound;
        let is_settled = self.commands.is_empty() && self.flash.pending() == 0;
        is_settled && self.device.as_ref().is_some_and(is_bound)
    }
}

impl World {
    pub(super) fn power_on(&mut self, nth: usize) -> Result<(), String> {
        let token = self.token_of(nth);
        let mut config = self.plan.device.clone();
        let client = &mut self.clients[nth];
        config.alias = client.alias.clone();
        config.ack = client.plan.ack;
        config.token = token;
        config.binding = client.plan.binding();
        config.seed ^= client.life << 8 ^ nth as u64;
        let topics = self.ledger.topics.iter().enumerate();
        let topics = topics.filter(|(topic, _)| (topic + nth) % 2 == 0);
        config.topics = topics.map(|(_, topic)| topic.clone()).collect();
        if self.saboteur == Saboteur::ShortMemory {
            config.remembered = 1;
        }
        let mut recovered = Recovered::empty();
        if client.plan.ack == Ack::Stored {
            recovered = client.flash.recover(config.remembered);
            if self.saboteur == Saboteur::ForgetsIds {
                recovered.mids.clear();
            }
        }
        client.device = Some(Device::new(config, recovered));
        self.settle_client(nth)
    }

    /// A device's token, where they have some.
    pub(super) fn token_of(&self, nth: usize) -> Option<Token> {
        let token = || Token::new(format!("token of {nth}"));
        self.plan.has_tokens.then(token)
    }

    pub(super) fn tell_client(&mut self, nth: usize, input: Input) -> Result<(), String> {
        let now = self.schedule.now();
        self.note(&(nth, &input));
        if let Some(device) = &mut self.clients[nth].device {
            device.handle_input(now, input);
        }
        self.settle_client(nth)
    }

    /// A message arrives at a device.
    pub(super) fn client_hears(&mut self, nth: usize, message: Message) -> Result<(), String> {
        let life = self.clients[nth].life;
        let mids: Vec<MessageId> = match &message {
            Message::Deliver(delivery) => MessageId::of(&delivery.mid).into_iter().collect(),
            Message::Batch(batch) => {
                let mids = batch.mids.iter();
                mids.filter_map(|mid| mid.parse().ok().map(MessageId))
                    .collect()
            }
            _ => Vec::new(),
        };
        self.tell_client(nth, Input::Received(message))?;
        let client = &mut self.clients[nth];
        if client.plan.ack == Ack::Stored && client.is_alive(life) {
            // What it has not given to its store is left to come again.
            for mid in mids {
                if !client.flash.knows(mid) {
                    client.app.excuse(mid);
                }
            }
        }
        Ok(())
    }

    /// What is due comes before what is about to be told.
    pub(super) fn fire_client(&mut self, nth: usize) -> Result<(), String> {
        let now = self.schedule.now();
        match &mut self.clients[nth].device {
            Some(device) if device.poll_timeout().is_some_and(|due| due <= now) => {
                device.handle_timeout(now);
                self.settle_client(nth)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn wake_client(&mut self, nth: usize) -> Result<(), String> {
        let now = self.schedule.now();
        let client = &mut self.clients[nth];
        client.wake = None;
        let Some(device) = &mut client.device else {
            return Ok(());
        };
        if self.saboteur == Saboteur::NoDeviceTimers {
            return Ok(());
        }
        device.handle_timeout(now);
        if device.poll_timeout().is_some_and(|due| due <= now) {
            return Err("a timer of a device that has fired is still due".to_owned());
        }
        self.settle_client(nth)
    }

    /// Drains the machine and arms its timer.
    pub(super) fn settle_client(&mut self, nth: usize) -> Result<(), String> {
        loop {
            let client = &mut self.clients[nth];
            let Some(device) = &mut client.device else {
                return Ok(());
            };
            let Some(output) = device.poll_output() else {
                break;
            };
            if Doom::strikes(&mut client.doom, Moment::Output) {
                self.cut_power(nth);
                return Ok(());
            }
            self.note(&(nth, &output));
            self.do_for_client(nth, output)?;
        }
        let client = &mut self.clients[nth];
        let timer = client.device.as_ref().and_then(Device::poll_timeout);
        if let Some(at) = timer
            && client.wake.is_none_or(|armed| at < armed)
        {
            client.wake = Some(at);
            let fires = self.late(at);
            self.schedule.at(fires, Happening::WakeClient(nth, at));
        }
        let device = self.clients[nth].device.as_ref();
        if device.is_some_and(Device::is_closed) {
            self.client_ends(nth)?;
        }
        Ok(())
    }

    fn do_for_client(&mut self, nth: usize, output: Output) -> Result<(), String> {
        let life = self.clients[nth].life;
        match output {
            Output::Connect => self.after(self.plan.latency, Happening::Dial(nth, life)),
            Output::Send(message) => self.say(nth, message)?,
            Output::Store(seq, delivery) => {
                self.clients[nth].flash.ask(seq, delivery);
                if self.saboteur == Saboteur::LyingFlash {
                    self.after(0, Happening::FlashDoes(nth, life));
                    let stored = Input::Stored(seq);
                    if let Some(device) = &mut self.clients[nth].device {
                        device.handle_input(self.schedule.now(), stored);
                    }
                }
                self.after(self.plan.flash, Happening::FlashDoes(nth, life));
            }
            Output::Event(event) => self.owner_learns(nth, event)?,
            Output::Disconnect => {
                if let Some(cable) = self.clients[nth].cable.take() {
                    self.cables[cable].at_device = false;
                    self.put_up_frame(cable, Frame::End);
                }
                if self.saboteur != Saboteur::ForgetsHangUp {
                    self.after(self.plan.latency, Happening::HungUp(nth, life));
                }
            }
            other => return Err(format!("unexpected: {other:?}")),
        }
        Ok(())
    }

    fn owner_learns(&mut self, nth: usize, event: Event) -> Result<(), String> {
        match event {
            Event::Delivered(delivery) => self.application_takes(nth, &delivery)?,
            Event::NotStored(mid) => {
                let mid = MessageId::of(&mid).ok_or("an id that is none of ours")?;
                self.clients[nth].app.excuse(mid);
            }
            Event::Gap(gap) => self.clients[nth].app.gap += gap,
            Event::Bound if self.saboteur == Saboteur::RepeatsUndoneChanges => {
                self.after(0, Happening::Repeat(nth, self.clients[nth].life));
            }
            Event::Answered(id, answer) => {
                let command = self.command_ends(nth, id)?;
                let has_it = match (command, &answer) {
                    (Command::Publish(letter), Answer::Published) => {
                        return self.ledger.promise(letter);
                    }
                    (Command::Register, Answer::Registered) => true,
                    (Command::Unregister, Answer::Registered) => false,
                    _ => return Ok(()),
                };
                if let Some((last, outcome)) = &mut self.clients[nth].changed
                    && *last == id
                {
                    *outcome = Some(has_it);
                }
            }
            Event::Failed { request, .. } | Event::TimedOut { request, .. } => {
                self.command_ends(nth, request)?;
            }
            Event::DoorAsked(door) => {
                self.stats.doors += 1;
                if !self.ledger.opened.insert(door.user.as_str().into()) {
                    return Err("a door is to be opened twice".to_owned());
                }
            }
            Event::Unexpected(message) if !is_late(&message) => {
                return Err(format!("the broker says what nobody expects: {message:?}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn application_takes(&mut self, nth: usize, delivery: &Delivery) -> Result<(), String> {
        let mid = MessageId::of(&delivery.mid).ok_or("an id that is none of ours")?;
        self.check_letter(nth, mid, delivery)?;
        let life = self.clients[nth].life;
        let is_ordered = self.is_ordered(nth, mid);
        let client = &mut self.clients[nth];
        match client.plan.ack {
            Ack::Stored if self.saboteur == Saboteur::LyingFlash => {}
            Ack::Stored if self.saboteur == Saboteur::HidesFlashFailures => {}
            Ack::Stored if client.flash.holds(mid) => {}
            Ack::Stored => return Err(format!("{mid:?} is reported before it is stored")),
            ack => {
                if client.app.take(mid, is_ordered)? {
                    self.stats.delivered += 1;
                }
                if ack == Ack::Manual {
                    self.after(self.plan.work, Happening::WorkedOff(nth, life, mid));
                }
            }
        }
        Ok(())
    }

    /// True unless it is not kept, as ids in the upper half of a millisecond show, or has been lost for
    /// the store while it was on its way.
    fn is_ordered(&self, nth: usize, mid: MessageId) -> bool {
        let known = self.keeper.store.aliases.get(&self.clients[nth].alias);
        let is_lost = known.is_some_and(|k| k.evicted.contains(&mid) || k.expired.contains(&mid));
        mid.0 & 2048 == 0 && !is_lost
    }

    /// It is what was published, and for this device.
    fn check_letter(&self, nth: usize, mid: MessageId, delivery: &Delivery) -> Result<(), String> {
        let letter = self.ledger.letter_of(&delivery.msg)?;
        let row = self.ledger.accounts[nth].rows.get(&mid);
        let is_it = match row {
            Some(row) => row.letter == letter,
            None => self.ledger.letters[letter].ttl == 0,
        };
        if is_it {
            return Ok(());
        }
        Err(format!("{mid:?} brings letter {letter}, which it is not"))
    }

    pub(super) fn worked_off(&mut self, nth: usize, mid: MessageId) -> Result<(), String> {
        let now = self.schedule.now();
        if let Some(device) = &mut self.clients[nth].device {
            let acknowledged = device.acknowledge(now, mid.to_mid());
            acknowledged.map_err(|refused| format!("an acknowledgement is refused: {refused}"))?;
        }
        self.settle_client(nth)
    }

    pub(super) fn flash_does(&mut self, nth: usize) -> Result<(), String> {
        let flash_fails = self.weather().flash_fails;
        let client = &mut self.clients[nth];
        if Doom::strikes(&mut client.doom, Moment::BeforeStore) {
            self.cut_power(nth);
            return Ok(());
        }
        let Some((seq, delivery)) = client.flash.take() else {
            return Ok(());
        };
        let answer = if self.chance.percent(flash_fails) && self.saboteur != Saboteur::LyingFlash {
            self.stats.flash_failures += 1;
            if self.saboteur == Saboteur::HidesFlashFailures {
                Input::Stored(seq)
            } else {
                Input::StoreFailed(seq)
            }
        } else {
            self.flash_keeps(nth, seq, &delivery)?;
            Input::Stored(seq)
        };
        let client = &mut self.clients[nth];
        if Doom::strikes(&mut client.doom, Moment::AfterStore) {
            self.cut_power(nth);
            return Ok(());
        }
        let is_end = Doom::strikes(&mut client.doom, Moment::AfterAnswer);
        let now = self.schedule.now();
        if let Some(device) = &mut client.device {
            device.handle_input(now, answer);
        }
        if is_end {
            self.cut_power(nth);
            return Ok(());
        }
        self.settle_client(nth)
    }

    fn flash_keeps(&mut self, nth: usize, seq: Seq, delivery: &Delivery) -> Result<(), String> {
        let mid = MessageId::of(&delivery.mid).ok_or("an id that is none of ours")?;
        self.check_letter(nth, mid, delivery)?;
        let is_ordered = self.is_ordered(nth, mid);
        let client = &mut self.clients[nth];
        client.flash.keep(seq, mid)?;
        if client.app.take(mid, is_ordered)? {
            self.stats.delivered += 1;
        }
        Ok(())
    }

    pub(super) fn link_up(&mut self, nth: usize, life: u64, cable: usize) -> Result<(), String> {
        if !self.clients[nth].is_alive(life) {
            if std::mem::take(&mut self.cables[cable].at_device) {
                self.put_up_frame(cable, Frame::End);
            }
            return Ok(());
        }
        if !self.cables[cable].at_device {
            return self.dial_fails(nth);
        }
        self.clients[nth].cable = Some(cable);
        self.tell_client(nth, Input::Connected)
    }

    pub(super) fn dial_fails(&mut self, nth: usize) -> Result<(), String> {
        self.tell_client(nth, Input::Disconnected(Cause::Unreachable))
    }

    pub(super) fn hung_up(&mut self, nth: usize) -> Result<(), String> {
        self.tell_client(nth, Input::Disconnected(Cause::Local))
    }
}

/// An answer that came after its command had ended.
fn is_late(message: &Message) -> bool {
    matches!(
        message,
        Message::Registered(_)
            | Message::TopicList(_)
            | Message::Published(_)
            | Message::CountsReply(_)
            | Message::StatusReply(_)
            | Message::Batch(_)
            | Message::Failure(_)
    )
}
