//! Types 8, 9 and 10: open the door, a phone is there, a door is there.

use crate::wire::{Door, Message};
use std::time::Instant;

/// A message for the other side of a room, which is worth something at once or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signal {
    /// Names it.
    pub id: SignalId,
    /// What it says.
    pub kind: SignalKind,
    /// For which room, and by whom.
    pub door: Door,
    /// When it came from the network. Whatever is done with it later, it gets no younger.
    pub received: Instant,
}

/// Names a signal, for whoever might hand it over twice. The driver chooses it and uses it for no
/// other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct SignalId(pub u64);

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignalKind {
    /// `t:8`: open the door. For the links that have announced the door.
    OpenDoor,
    /// `t:9`: the sender is a phone of this room. For the door.
    Phone,
    /// `t:10`: the sender is the door of this room. For the phones.
    Door,
}

impl Signal {
    /// The signal in a message, if it is one.
    pub fn of(id: SignalId, message: &Message, received: Instant) -> Option<Self> {
        let (kind, door) = match message {
            Message::OpenDoor(door) => (SignalKind::OpenDoor, door),
            Message::Phone(door) => (SignalKind::Phone, door),
            Message::Door(door) => (SignalKind::Door, door),
            _ => return None,
        };
        Some(Self {
            id,
            kind,
            door: door.clone(),
            received,
        })
    }

    /// The message to send.
    pub fn to_message(&self) -> Message {
        let door = self.door.clone();
        match self.kind {
            SignalKind::OpenDoor => Message::OpenDoor(door),
            SignalKind::Phone => Message::Phone(door),
            SignalKind::Door => Message::Door(door),
        }
    }
}
