//! Between devices and broker.

use super::{Happening, World};
use crate::cable::{Cable, Frame};
use crate::saboteur::Saboteur;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use zzw_push_proto::WireError;
use zzw_push_proto::device::{self, Cause};
use zzw_push_proto::platform::{Input, LinkId, Peer, Transport};
use zzw_push_proto::wire::{Connect, Heartbeat, Message};

/// Frames that a driver holds for a link that does not take them, before it says so.
const SLOW_AT: usize = 2;

impl World {
    pub(super) fn dial(&mut self, nth: usize) -> Result<(), String> {
        let life = self.clients[nth].life;
        let unreachable = self.weather().unreachable;
        let fails = self.chance.percent(unreachable);
        if fails || !self.network_is_up || self.broker.is_none() {
            self.after(self.plan.latency, Happening::DialFails(nth, life));
            return Ok(());
        }
        let transport = self.clients[nth].plan.transport;
        let cable = self.lay(nth, Some(life), transport);
        let delay = self.chance.millis(0..=self.plan.latency);
        let now = self.schedule.now();
        let at = self.cables[cable].down.pipe.arrival(now, delay);
        self.schedule.at(at, Happening::LinkUp(nth, life, cable));
        self.broker_connects(cable)
    }

    /// Somebody else takes an alias.
    pub(super) fn impostor_comes(&mut self, nth: usize) -> Result<(), String> {
        if self.broker.is_none() || !self.network_is_up {
            return Ok(());
        }
        self.stats.impostors += 1;
        let transport = *self.chance.pick(&[Transport::Tcp, Transport::SocketIo]);
        let cable = self.lay(nth, None, transport);
        self.after(20_000, Happening::ImpostorLeaves(cable));
        self.broker_connects(cable)?;
        if transport == Transport::Tcp {
            let other = self.clients[(nth + 1) % self.clients.len()].alias.clone();
            let mut connect = Connect::new(self.clients[nth].alias.clone());
            // Somebody has found the other device's token, or has none.
            connect.token = self.token_of(nth).filter(|_| self.chance.percent(50));
            self.put_up(cable, &Message::Connect(connect));
            if self.chance.percent(30) {
                self.put_up(cable, &Message::Heartbeat(Heartbeat::new(other)));
            }
        }
        Ok(())
    }

    pub(super) fn impostor_leaves(&mut self, cable: usize) {
        if self.cables[cable].at_device {
            self.cables[cable].at_device = false;
            self.put_up_frame(cable, Frame::End);
        }
    }

    fn lay(&mut self, nth: usize, life: Option<u64>, transport: Transport) -> usize {
        let mut cable = Cable::new(nth, life, self.process, transport);
        if self.plan.is_byte_true {
            cable = cable.byte_true(&mut self.chance);
        }
        self.cables.push(cable);
        self.stats.links += 1;
        self.cables.len() - 1
    }

    fn broker_connects(&mut self, cable: usize) -> Result<(), String> {
        let known = &self.cables[cable];
        let last = u8::try_from(known.client % 200).unwrap();
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let mut peer = Peer::new(known.transport, address);
        let client = known.client;
        if known.transport == Transport::SocketIo {
            peer = peer.with_alias(self.clients[known.client].alias.clone());
            if let Some(token) = self.token_of(known.client) {
                peer = peer.with_token(token);
            }
        }
        self.links += 1;
        self.cables[cable].watch.stated.insert(client);
        let id = LinkId(cable as u64);
        self.tell_broker(Some(id), Input::Connected(id, peer))
    }

    /// Puts a message into a link on its way up.
    pub(super) fn put_up(&mut self, cable: usize, message: &Message) {
        match self.cables[cable].encode_up(message, &mut self.chance) {
            None => self.put_up_frame(cable, Frame::Message(message.clone())),
            Some(frames) => {
                for frame in frames {
                    self.put_up_frame(cable, frame);
                }
            }
        }
    }

    pub(super) fn put_up_frame(&mut self, cable: usize, frame: Frame) {
        let delay = self.chance.millis(0..=self.plan.latency);
        let now = self.schedule.now();
        let known = &mut self.cables[cable];
        if known.is_dead {
            return;
        }
        known.up.frames.push_back(frame);
        let at = known.up.pipe.arrival(now, delay);
        self.schedule.at(at, Happening::Up(cable));
    }

    pub(super) fn put_down(&mut self, cable: usize, message: &Message) {
        if let (Saboteur::LeakyLinks, Message::Deliver(_)) = (self.saboteur, message)
            && self.chance.percent(10)
        {
            return;
        }
        match self.cables[cable].encode_down(message, &mut self.chance) {
            None => self.put_down_frame(cable, Frame::Message(message.clone())),
            Some(frames) => {
                for frame in frames {
                    self.put_down_frame(cable, frame);
                }
            }
        }
    }

    pub(super) fn put_down_frame(&mut self, cable: usize, frame: Frame) {
        let delay = self.chance.millis(0..=self.plan.latency);
        let now = self.schedule.now();
        let known = &mut self.cables[cable];
        if known.is_dead {
            return;
        }
        known.down.frames.push_back(frame);
        if known.is_stalled {
            if known.down.frames.len() >= SLOW_AT {
                self.schedule.at(now, Happening::IsSlow(cable));
            }
            return;
        }
        let at = known.down.pipe.arrival(now, delay);
        self.schedule.at(at, Happening::Down(cable));
    }

    pub(super) fn frame_comes_up(&mut self, cable: usize) -> Result<(), String> {
        let known = &mut self.cables[cable];
        let Some(frame) = known.up.frames.pop_front() else {
            return Ok(());
        };
        if !known.at_broker {
            // Nobody is there: the other end learns it, unless the host is gone, too.
            if known.at_device && self.chance.percent(50) {
                self.after(self.plan.latency, Happening::DeviceEndBreaks(cable));
            }
            return Ok(());
        }
        let arrived = match frame {
            Frame::End => return self.broker_end_breaks(cable),
            Frame::Message(message) => return self.message_comes_up(cable, message),
            Frame::Bytes(bytes) => known.decode_up(bytes),
        };
        for arrived in arrived {
            match arrived {
                Ok(message) => self.message_comes_up(cable, message)?,
                Err(error) => self.garbage_comes_up(cable, error)?,
            }
        }
        Ok(())
    }

    fn message_comes_up(&mut self, cable: usize, message: Message) -> Result<(), String> {
        if let (Saboteur::LateDoors, Message::OpenDoor(_)) = (self.saboteur, &message) {
            self.note_door(&message)?;
            let late = Happening::LateFrame(cable, Box::new(message));
            self.schedule.after(Duration::from_secs(6), late);
            return Ok(());
        }
        self.broker_hears(cable, message)
    }

    /// Somebody writes nonsense: only over links of bytes, and only if it was arranged.
    pub(super) fn write_garbage(&mut self, cable: usize) {
        let known = &mut self.cables[cable];
        if self.plan.is_byte_true && known.transport == Transport::Tcp {
            known.garbage += 1;
            let line = *self
                .chance
                .pick(&["{\"t\":6,\"num\":\"x\"}\n", "nonsense\n", "{\"t\":\n"]);
            self.put_up_frame(cable, Frame::Bytes(line.into()));
        }
    }

    fn garbage_comes_up(&mut self, cable: usize, error: WireError) -> Result<(), String> {
        let known = &mut self.cables[cable];
        known.garbage = known
            .garbage
            .checked_sub(1)
            .ok_or_else(|| format!("a device wrote nonsense: {error}"))?;
        if !known.at_broker {
            return Ok(());
        }
        if !error.num.as_str().is_empty() {
            known.watch.asks(error.num.as_str());
        }
        let id = LinkId(cable as u64);
        self.tell_broker(None, Input::Garbled(id, error))
    }

    /// The broker is told what has come over a link.
    pub(super) fn broker_hears(&mut self, cable: usize, message: Message) -> Result<(), String> {
        self.fire_broker()?;
        if !self.cables[cable].at_broker {
            return Ok(());
        }
        self.note(&("up", cable, &message));
        let watch = &mut self.cables[cable].watch;
        watch.heard(&message);
        match &message {
            Message::Publish(publish) => {
                let letter = self.ledger.letter_of(&publish.msg)?;
                watch.letters.insert(publish.num.as_str().into(), letter);
            }
            Message::Heartbeat(Heartbeat {
                alias: Some(alias), ..
            })
            | Message::Connect(Connect { alias, .. }) => {
                watch.stated.insert(self.ledger.client_of(alias)?);
            }
            Message::OpenDoor(_) => self.note_door(&message)?,
            Message::Pull(pull) => self.note_pull(cable, &pull.num)?,
            Message::Register(register) => self.unsubscribes(cable, register)?,
            _ => {}
        }
        let id = LinkId(cable as u64);
        let at = self.wall();
        if let (Saboteur::PublishesTwice, Message::Publish(_)) = (self.saboteur, &message) {
            self.cables[cable].watch.heard(&message);
            self.tell_broker(Some(id), Input::Received(id, at, message.clone()))?;
        }
        self.tell_broker(Some(id), Input::Received(id, at, message))
    }

    pub(super) fn frame_comes_down(&mut self, cable: usize) -> Result<(), String> {
        let known = &mut self.cables[cable];
        if known.is_stalled {
            return Ok(());
        }
        let Some(frame) = known.down.frames.pop_front() else {
            return Ok(());
        };
        let (nth, life) = (known.client, known.life);
        if !known.at_device {
            if known.at_broker && self.chance.percent(50) {
                self.after(self.plan.latency, Happening::BrokerEndBreaks(cable));
            }
            return Ok(());
        }
        if life.is_none() {
            known.at_device = !matches!(frame, Frame::End);
            return Ok(());
        }
        let arrived = match frame {
            Frame::End => {
                known.at_device = false;
                return self.link_ends(nth, cable, Cause::Closed);
            }
            Frame::Message(message) => return self.message_comes_down(nth, cable, message),
            Frame::Bytes(bytes) => known.decode_down(bytes),
        };
        for arrived in arrived {
            let message = arrived.map_err(|error| format!("the broker wrote nonsense: {error}"))?;
            self.message_comes_down(nth, cable, message)?;
        }
        Ok(())
    }

    fn message_comes_down(
        &mut self,
        nth: usize,
        cable: usize,
        message: Message,
    ) -> Result<(), String> {
        if self.clients[nth].cable != Some(cable) {
            return Ok(());
        }
        self.note_answer(cable, &message);
        self.client_hears(nth, message)
    }

    pub(super) fn broker_end_breaks(&mut self, cable: usize) -> Result<(), String> {
        self.fire_broker()?;
        let known = &mut self.cables[cable];
        if !known.at_broker {
            return Ok(());
        }
        known.up.frames.clear();
        known.at_broker = false;
        self.links -= 1;
        self.link_is_over(cable);
        let id = LinkId(cable as u64);
        self.tell_broker(None, Input::Disconnected(id))
    }

    /// The broker has a link no more; unless another has its alias, what it owed is lost.
    pub(super) fn link_is_over(&mut self, cable: usize) {
        let id = LinkId(cable as u64);
        let Some(client) = self.cables[cable].watch.wants else {
            return;
        };
        if self.ledger.accounts[client].newest == Some(id) {
            self.ledger.lose_gap(client);
        }
    }

    pub(super) fn device_end_breaks(&mut self, cable: usize) -> Result<(), String> {
        let known = &mut self.cables[cable];
        if !std::mem::take(&mut known.at_device) {
            return Ok(());
        }
        known.down.frames.clear();
        let nth = known.client;
        self.link_ends(nth, cable, Cause::Broken)
    }

    fn link_ends(&mut self, nth: usize, cable: usize, cause: Cause) -> Result<(), String> {
        self.fire_client(nth)?;
        if self.clients[nth].cable != Some(cable) {
            return Ok(());
        }
        self.clients[nth].cable = None;
        self.tell_client(nth, device::Input::Disconnected(cause))
    }

    /// A link breaks. Each end learns of it soon, or finds out by itself.
    pub(super) fn cut(&mut self, cable: usize) {
        let known = &mut self.cables[cable];
        known.is_dead = true;
        known.up.frames.clear();
        known.down.frames.clear();
        if self.chance.percent(60) {
            self.after(self.plan.latency, Happening::BrokerEndBreaks(cable));
        }
        if self.chance.percent(60) {
            self.after(self.plan.latency, Happening::DeviceEndBreaks(cable));
        }
    }

    pub(super) fn unblock(&mut self, cable: usize) {
        let known = &mut self.cables[cable];
        if !std::mem::take(&mut known.is_stalled) {
            return;
        }
        for _ in 0..known.down.frames.len() {
            let now = self.schedule.now();
            let at = known.down.pipe.arrival(now, Duration::ZERO);
            self.schedule.at(at, Happening::Down(cable));
        }
        let now = self.schedule.now();
        self.schedule.at(now, Happening::IsDrained(cable));
    }

    pub(super) fn is_slow(&mut self, cable: usize) -> Result<(), String> {
        let known = &mut self.cables[cable];
        if !known.at_broker || !known.is_stalled || known.watch.is_slow {
            return Ok(());
        }
        known.watch.is_slow = true;
        self.stats.slow += 1;
        self.tell_broker(None, Input::Slow(LinkId(cable as u64)))
    }

    pub(super) fn is_drained(&mut self, cable: usize) -> Result<(), String> {
        let known = &mut self.cables[cable];
        if !known.at_broker || !std::mem::take(&mut known.watch.is_slow) {
            return Ok(());
        }
        self.tell_broker(None, Input::Drained(LinkId(cable as u64)))
    }
}
