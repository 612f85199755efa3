//! What other nodes say to this one.

use super::keys::Keys;
use super::reply::{Replies, Trouble};
use super::words::{self, Word};
use redis::aio::MultiplexedConnection;
use redis::{Value, cmd};
use std::time::Duration;
use zzw_push_proto::platform::{Input, NodeId, NodeMessage};
use zzw_push_proto::wire::Text;

/// The inbox of a node, as it is read.
#[derive(Debug)]
pub(super) struct Inbox {
    key: String,
    /// Up to here it has been read.
    last: Text,
}

/// How long to wait for something at once.
pub(super) const BLOCK: Duration = Duration::from_secs(1);

/// Words that are read at once.
const AT_ONCE: usize = 1_000;

impl Inbox {
    pub(super) fn new(keys: &Keys, node: NodeId, last: Text) -> Self {
        let key = keys.inbox(node);
        Self { key, last }
    }

    /// Waits for words, and takes them out; none came if it waited in vain.
    pub(super) async fn read(
        &mut self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Vec<Input>, Trouble> {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(AT_ONCE);
        read.arg("BLOCK").arg(super::books::millis(BLOCK));
        read.arg("STREAMS").arg(&self.key).arg(self.last.as_str());
        let said: Value = read
            .query_async(connection)
            .await
            .map_err(|error| lost(&error))?;
        let (mut inputs, mut doors) = (Vec::new(), Vec::new());
        let mut streams = Replies::of(said)?;
        while !streams.is_empty() {
            let mut stream = streams.array()?;
            stream.value()?; // its name, which is known
            let mut entries = stream.array()?;
            while !entries.is_empty() {
                let mut entry = entries.array()?;
                self.last = entry.text()?.unwrap_or_default();
                match words::read(entry.array()?)? {
                    Some(Word::Said(node, message)) => {
                        inputs.push(Input::FromNode { node, message });
                    }
                    Some(Word::Door(node, message, came)) => doors.push((node, message, came)),
                    Some(Word::Missed(_)) => inputs.push(Input::Missed),
                    Some(Word::Begun) | None => {}
                }
            }
        }
        if !doors.is_empty() {
            // However long it has waited there, or here: it gets no younger.
            let time = cmd("TIME").query_async(connection).await;
            let mut time = Replies::of(time.map_err(|error| lost(&error))?)?;
            let now = time.number()? * 1000 + time.number()? / 1000;
            inputs.extend(doors.into_iter().map(|(node, message, came)| {
                let age = Duration::from_millis(now.saturating_sub(came));
                let message = NodeMessage::Door { message, age };
                Input::FromNode { node, message }
            }));
        }
        if !inputs.is_empty() {
            let mut trim = cmd("XTRIM");
            trim.arg(&self.key).arg("MINID").arg(behind(&self.last));
            let _: Value = trim
                .query_async(connection)
                .await
                .map_err(|error| lost(&error))?;
        }
        Ok(inputs)
    }
}

/// The id that follows another.
fn behind(id: &str) -> String {
    let (ms, seq) = id.split_once('-').unwrap_or((id, "0"));
    let seq = seq.parse::<u64>().unwrap_or_default().saturating_add(1);
    format!("{ms}-{seq}")
}

fn lost(error: &redis::RedisError) -> Trouble {
    Trouble::Said(super::join::plain(error))
}
