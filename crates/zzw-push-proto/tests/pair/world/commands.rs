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
        if self.chance.percent(self.plan.topic_changes) && !self.ledger.topics.is_empty() {
            let is_wanted = self.chance.percent(50);
            self.change_topic(nth, is_wanted)?;
            if self.chance.percent(self.plan.second_thoughts) {
                self.change_topic(nth, !is_wanted)?;
            }
            return Ok(());
        }
        let now = self.schedule.now();
        let whom = self.chance.below(self.clients.len() as u64);
        let whom = self.clients[usize::try_from(whom).unwrap()].alias.clone();
        let which = self.chance.below(4);
        let client = &mut self.clients[nth];
        let Some(device) = &mut client.device else {
            return Ok(());
        };
        let is_tcp = client.plan.transport == Transport::Tcp;
        let asked = match which {
            0 => device.topics(now).ok(),
            1 if is_tcp => device.server_info(now).ok(),
            1 => device.status(now, whom).ok(),
            _ => {
                self.next_door += 1;
                let door = Door::new("room", self.next_door.to_string());
                // Not bound is as good as said too late.
                let _ = device.open_door(now, door);
                None
            }
        };
        if let Some(id) = asked {
            client.commands.insert(id, Command::Other);
        }
        self.settle_client(nth)
    }

    /// It is to have the first topic from now on, or not.
    fn change_topic(&mut self, nth: usize, is_wanted: bool) -> Result<(), String> {
        let now = self.schedule.now();
        let topics: Topics = self.ledger.topics.iter().take(1).collect();
        let client = &mut self.clients[nth];
        let Some(device) = &mut client.device else {
            return Ok(());
        };
        let (asked, command) = if is_wanted {
            (device.register(now, topics), Command::Register)
        } else {
            (device.unregister(now, topics), Command::Unregister)
        };
        if let Ok(id) = asked {
            client.commands.insert(id, command);
            client.changed = Some((id, None));
        }
        self.settle_client(nth)
    }

    /// It asks for its messages, as long as there are any.
    pub(super) fn pull(&mut self, nth: usize) -> Result<(), String> {
        // In the end there has to be a moment in which nobody waits for the store.
        let calm = self.healed.map_or(0, |_| 20_000);
        self.after(self.plan.pulls.max(calm), Happening::Pull(nth));
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
