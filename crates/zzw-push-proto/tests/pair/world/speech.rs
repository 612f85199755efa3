//! What the program around a device writes, in which order.

use super::World;
use zzw_push_proto::wire::Message;

impl World {
    /// A device says something.
    pub(super) fn say(&mut self, nth: usize, message: Message) -> Result<(), String> {
        let client = &mut self.clients[nth];
        let cable = client.cable.ok_or("sends without a link")?;
        if client.plan.beats_first && matches!(message, Message::Connect(_)) {
            client.held = Some((cable, message));
            return Ok(());
        }
        let held = client.held.take().filter(|(whose, _)| *whose == cable);
        self.check_change(nth, &message)?;
        self.note_change(nth, cable, &message);
        self.put_up(cable, &message);
        if let Some((_, connect)) = held {
            self.put_up(cable, &connect);
        }
        Ok(())
    }

    /// Once its last word about a topic was answered, it asks for nothing else.
    fn check_change(&self, nth: usize, message: &Message) -> Result<(), String> {
        let changed = self.clients[nth].changed;
        if let (Message::Register(register), Some((_, Some(has_it))), Some(topic)) =
            (message, changed, self.ledger.topics.first())
        {
            let against = if has_it {
                &register.untopics
            } else {
                &register.topics
            };
            if against.iter().any(|other| *other == **topic) {
                return Err(format!("{register:?} is against the last word of {nth}"));
            }
        }
        Ok(())
    }
}
