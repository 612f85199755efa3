//! What the application can ask for.

use super::{Ack, Binding, Device, Refused, RequestId, State};
use crate::wire::{
    Door, Json, MAX_ALIASES, MAX_TOPICS, Message, MessageKind, Mid, Num, Numbered, Publish, Pull,
    Register, StatusRequest, Text, Texts, Topics, is_name,
};
use std::time::Instant;

/// The longest body of a message, in bytes (Z-20).
const MAX_BODY: usize = 64 << 10;

impl Device {
    /// Adds topics to the alias, on this link and on every later one.
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] for none, for more than 100, and for what is no name;
    /// [`Refused::Full`] beyond [`max_requests`](super::Config::max_requests) or
    /// [`max_topics`](super::Config::max_topics); [`Refused::Closed`].
    pub fn register(&mut self, now: Instant, topics: Topics) -> Result<RequestId, Refused<Topics>> {
        let topics = self.admit(now, topics)?;
        if !is_list(&topics, MAX_TOPICS) {
            return Err(Refused::Invalid(topics));
        }
        let wanted = self
            .topics
            .len()
            .saturating_add(self.requests.asked_topics());
        //= docs/spec/zzw-push-proto.md#device-command
        //# The device MUST refuse commands while `max_requests` wait, and topics beyond
        //# `max_topics`.
        if wanted.saturating_add(topics.len()) > self.config.max_topics {
            return Err(Refused::Full(topics));
        }
        let mut register = Register::new(topics, Num::Absent);
        register.info.clone_from(&self.config.info);
        Ok(self.ask(now, Message::Register(register)))
    }

    /// Removes topics from the alias: an extension that not every server has (Z-17). They are not
    /// subscribed to on later links, whatever the answer.
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] for none, for more than 100, and for what is no name;
    /// [`Refused::Full`] beyond [`max_requests`](super::Config::max_requests); [`Refused::Closed`].
    pub fn unregister(
        &mut self,
        now: Instant,
        topics: Topics,
    ) -> Result<RequestId, Refused<Topics>> {
        let topics = self.admit(now, topics)?;
        if !is_list(&topics, MAX_TOPICS) {
            return Err(Refused::Invalid(topics));
        }
        self.unwant(&topics);
        let register = Register {
            untopics: topics,
            ..Register::default()
        };
        Ok(self.ask(now, Message::Register(register)))
    }

    /// Asks for the topics of the alias.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`] beyond [`max_requests`](super::Config::max_requests); [`Refused::Closed`].
    pub fn topics(&mut self, now: Instant) -> Result<RequestId, Refused<()>> {
        self.admit(now, ())?;
        Ok(self.ask(now, Message::Topics(Numbered::default())))
    }

    /// Asks for the messages that wait. The next pull acknowledges them (Z-19), so it repeats the
    /// last one until all that came is acknowledged.
    ///
    /// # Errors
    ///
    /// [`Refused::Busy`] while another pull waits for its answer; [`Refused::Full`] beyond
    /// [`max_requests`](super::Config::max_requests); [`Refused::Closed`].
    pub fn pull(&mut self, now: Instant) -> Result<RequestId, Refused<()>> {
        self.admit(now, ())?;
        if self.requests.is_waiting_for(MessageKind::Pull) {
            return Err(Refused::Busy(()));
        }
        let mut pull = Pull::new(Num::Absent);
        pull.alias = Some(self.config.alias.clone());
        Ok(self.ask(now, Message::Pull(pull)))
    }

    /// Publishes a message; its number is given by the machine. When its link ends before the answer
    /// it is not published again, since it may have been: that is for the application to decide.
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] for no topics or aliases, for more than 100 topics or 1,000 aliases, for
    /// what is no name, and for a body above 64 KiB; [`Refused::Full`] beyond
    /// [`max_requests`](super::Config::max_requests); [`Refused::Closed`].
    #[expect(clippy::result_large_err, reason = "the message is given back")]
    pub fn publish(
        &mut self,
        now: Instant,
        publish: Publish,
    ) -> Result<RequestId, Refused<Publish>> {
        let publish = self.admit(now, publish)?;
        let is_fit = is_list(publish.targets(), MAX_ALIASES)
            && publish.topics.len() <= MAX_TOPICS
            && publish.aliases.len() <= MAX_ALIASES
            && publish.msg.as_bytes().len() <= MAX_BODY;
        if !is_fit {
            return Err(Refused::Invalid(publish));
        }
        Ok(self.ask(now, Message::Publish(publish)))
    }

    /// Publishes a message to one alias, kept for three days.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    #[expect(clippy::result_large_err, reason = "the message is given back")]
    pub fn publish_to_alias(
        &mut self,
        now: Instant,
        alias: impl Into<Text>,
        msg: Json,
    ) -> Result<RequestId, Refused<Publish>> {
        let aliases = [alias.into()].iter().collect();
        self.publish(now, Publish::to_aliases(aliases, msg, Num::Absent))
    }

    /// Asks how somebody is. Socket.IO only.
    ///
    /// # Errors
    ///
    /// [`Refused::Unsupported`] with [`Binding::Frame`]; [`Refused::Invalid`] for what is no name;
    /// [`Refused::Full`] beyond [`max_requests`](super::Config::max_requests); [`Refused::Closed`].
    pub fn status(&mut self, now: Instant, alias: Text) -> Result<RequestId, Refused<Text>> {
        let alias = self.admit(now, alias)?;
        if self.config.binding == Binding::Frame {
            return Err(Refused::Unsupported(alias));
        }
        if !is_name(&alias) {
            return Err(Refused::Invalid(alias));
        }
        Ok(self.ask(now, Message::Status(StatusRequest::new(alias))))
    }

    /// Asks how much the server has to do. TCP only.
    ///
    /// # Errors
    ///
    /// [`Refused::Unsupported`] with [`Binding::Handshake`]; [`Refused::Full`] beyond
    /// [`max_requests`](super::Config::max_requests); [`Refused::Closed`].
    pub fn server_info(&mut self, now: Instant) -> Result<RequestId, Refused<()>> {
        self.admit(now, ())?;
        if self.config.binding == Binding::Handshake {
            return Err(Refused::Unsupported(()));
        }
        Ok(self.ask(now, Message::Counts(Numbered::default())))
    }

    /// Asks to open the door of a room. Sent at once or not at all, and never again; nothing answers.
    /// TCP only.
    ///
    /// # Errors
    ///
    /// [`Refused::NotBound`] unless the server knows us on a link; [`Refused::Unsupported`] with
    /// [`Binding::Handshake`]; [`Refused::Invalid`] without room or user; [`Refused::Closed`].
    pub fn open_door(&mut self, now: Instant, door: Door) -> Result<(), Refused<Door>> {
        self.send_door(now, door, Message::OpenDoor)
    }

    /// Tells that the phone's side is there. As [`Self::open_door`].
    ///
    /// # Errors
    ///
    /// As [`Self::open_door`].
    pub fn phone_present(&mut self, now: Instant, door: Door) -> Result<(), Refused<Door>> {
        self.send_door(now, door, Message::Phone)
    }

    /// Tells that the door's side is there. As [`Self::open_door`].
    ///
    /// # Errors
    ///
    /// As [`Self::open_door`].
    pub fn door_present(&mut self, now: Instant, door: Door) -> Result<(), Refused<Door>> {
        self.send_door(now, door, Message::Door)
    }

    /// Acknowledges a delivery under [`Ack::Manual`]. Without a link it is acknowledged when it comes
    /// again. Twice is harmless.
    ///
    /// # Errors
    ///
    /// [`Refused::Unknown`] if it was not delivered or is not remembered any more;
    /// [`Refused::Unsupported`] under other settings, where the machine acknowledges;
    /// [`Refused::Closed`].
    pub fn acknowledge(&mut self, now: Instant, mid: Mid) -> Result<(), Refused<Mid>> {
        self.fire(now);
        if self.is_closed() {
            return Err(Refused::Closed(mid));
        }
        if self.config.ack != Ack::Manual {
            return Err(Refused::Unsupported(mid));
        }
        if !self.acknowledged(&mid) {
            return Err(Refused::Unknown(mid));
        }
        self.go_on(now);
        Ok(())
    }

    //= docs/spec/zzw-push-proto.md#device-command
    //# The device MUST send a command to open a door at once or refuse it, and never again.
    fn send_door(
        &mut self,
        now: Instant,
        door: Door,
        message: fn(Door) -> Message,
    ) -> Result<(), Refused<Door>> {
        self.fire(now);
        self.go_on(now);
        if self.is_closed() {
            return Err(Refused::Closed(door));
        }
        if self.config.binding == Binding::Handshake {
            return Err(Refused::Unsupported(door));
        }
        if door.room.is_empty() || door.user.is_empty() {
            return Err(Refused::Invalid(door));
        }
        if self.state() != State::Bound {
            return Err(Refused::NotBound(door));
        }
        self.send(message(door));
        self.be_unsure_of_doors(now);
        Ok(())
    }

    /// Gives the value back unless one more request may wait.
    fn admit<T>(&mut self, now: Instant, value: T) -> Result<T, Refused<T>> {
        self.fire(now);
        self.go_on(now);
        if self.is_closed() {
            return Err(Refused::Closed(value));
        }
        //= docs/spec/zzw-push-proto.md#device-command
        //# The device MUST refuse commands while `max_requests` wait, and topics beyond
        //# `max_topics`.
        if self.requests.len() >= self.config.max_requests {
            return Err(Refused::Full(value));
        }
        Ok(value)
    }
}

//= docs/spec/zzw-push-proto.md#device-command
//# The device MUST refuse a command that no server would take.
fn is_list(names: &Texts, max: usize) -> bool {
    !names.is_empty() && names.len() <= max && names.iter().all(|name| is_name(&name))
}
