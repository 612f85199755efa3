//! What somebody wants of a device.

use super::{Happening, World};
use zzw_push_proto::device::RequestId;
use zzw_push_proto::platform::Transport;
use zzw_push_proto::wire::{Door, Num, Topics};

/// What a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Publish(usize),
    /// To have the first topic.
    Register,
    /// To have it no more.
    Unregister,
    Other,
}

impl World {
    /// Now and then somebody wants something of a device, or wants to know how it is.
    pub(super) fn command(&mut self, nth: usize) -> Result<(), String> {
        if self.healed.is_none() {
            self.after(self.plan.commands, Happening::Command(nth));
        }
        if self.chance.percent(20) {
            return self.call_status(nth);
        }
        let now = self.schedule.now();
        let topics: Topics = self.ledger.topics.iter().take(1).collect();
        let whom = self.chance.below(self.clients.len() as u64);
        let whom = self.clients[usize::try_from(whom).unwrap()].alias.clone();
        let which = self.chance.below(6);
        let client = &mut self.clients[nth];
        let Some(device) = &mut client.device else {
            return Ok(());
        };
        let is_tcp = client.plan.transport == Transport::Tcp;
        let asked = match which {
            0 if !topics.is_empty() => device.register(now, topics).ok(),
            1 if !topics.is_empty() => device.unregister(now, topics).ok(),
            2 => device.topics(now).ok(),
            3 if is_tcp => device.server_info(now).ok(),
            3 => device.status(now, whom).ok(),
            _ => {
                self.next_door += 1;
                let door = Door::new("room", self.next_door.to_string());
                // Not bound is as good as said too late.
                let _ = device.open_door(now, door);
                None
            }
        };
        if let Some(id) = asked {
            let command = match which {
                0 => Command::Register,
                1 => Command::Unregister,
                _ => Command::Other,
            };
            client.commands.insert(id, command);
            if command != Command::Other {
                client.changed = Some((id, None));
            }
        }
        self.settle_client(nth)
    }

    /// It asks for its messages, as long as there are any.
    pub(super) fn pull(&mut self, nth: usize) -> Result<(), String> {
        self.after(20_000, Happening::Pull(nth));
        let now = self.schedule.now();
        let client = &mut self.clients[nth];
        if let Some(device) = &mut client.device
            && let Ok(id) = device.pull(now)
        {
            client.commands.insert(id, Command::Other);
        }
        self.settle_client(nth)
    }

    /// A device publishes a letter. False if it cannot.
    pub(super) fn client_publishes(&mut self, nth: usize, letter: usize) -> Result<bool, String> {
        let now = self.schedule.now();
        let publish = self.publish_of(letter, Num::Absent);
        let client = &mut self.clients[nth];
        let Some(device) = &mut client.device else {
            return Ok(false);
        };
        let Ok(id) = device.publish(now, publish) else {
            return Ok(false);
        };
        client.commands.insert(id, Command::Publish(letter));
        self.settle_client(nth)?;
        Ok(true)
    }

    pub(super) fn command_ends(&mut self, nth: usize, id: RequestId) -> Result<Command, String> {
        let command = self.clients[nth].commands.remove(&id);
        command.ok_or_else(|| format!("{id:?} ends, and has not begun or has ended before"))
    }
}
