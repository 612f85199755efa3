//! Frames for the relay rooms: handed on at once or not at all.

use super::vocabulary::{Event, NodeMessage, Output};
use super::{LinkId, Platform};
use crate::wire::{Code, Message, Num};
use std::time::{Duration, Instant};

impl Platform {
    /// Tells the other nodes of a frame that the rooms of this one have let through.
    pub fn relay_door(&mut self, now: Instant, received: Instant, message: &Message) {
        let age = now.saturating_duration_since(received);
        let message = message.clone();
        self.tell_nodes(&NodeMessage::Door { message, age });
    }

    /// One that the rooms of another node have let through.
    pub(super) fn far_door(&mut self, now: Instant, message: Message, age: Duration) {
        let is_command = matches!(message, Message::OpenDoor(_));
        match now.checked_sub(age) {
            Some(received) if !(is_command && self.may_have_waited(now)) => {
                self.out.push(Output::FarDoor { received, message });
            }
            _ => self.counters.late = self.counters.late.saturating_add(1),
        }
    }

    /// `t:8`, `t:9`, `t:10` (Z-13): never kept, never answered.
    pub(super) fn door(
        &mut self,
        now: Instant,
        link: LinkId,
        received: Instant,
        message: Message,
        is_authorised: bool,
    ) {
        if !self.is_bound(link) {
            return self.fail(link, Code::NotBound, Num::Absent);
        }
        // Whoever announces that it is there is there, however late; a door opens in time or never.
        let waited = now.saturating_duration_since(received);
        let is_command = matches!(message, Message::OpenDoor(_));
        //= docs/spec/zzw-push-proto.md#permission
        //# A command to open a door that has waited for `door_life` MUST be dropped, counted and
        //# reported even if it is allowed.
        let is_late = waited >= self.config.door_life || self.may_have_waited(received);
        if is_authorised && is_command && is_late {
            self.counters.late = self.counters.late.saturating_add(1);
            return self.tell(Event::DoorTooLate(link));
        }
        if !is_authorised {
            self.counters.denied = self.counters.denied.saturating_add(1);
        }
        //= docs/spec/zzw-push-proto.md#permission
        //# A door frame MUST be handed to the rooms once, with the time at which it came, and never
        //# to the store.
        self.out.push(Output::Door {
            link,
            received,
            message,
            is_authorised,
        });
    }
}
