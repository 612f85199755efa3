//! What one link was sent and what it asked, to hold against the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use zzw_push_proto::platform::{Config, MessageId, OnUnacked};
use zzw_push_proto::wire::{Message, Text};

/// One link as the broker treats it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Who it is, as far as it has said.
    pub wants: Option<usize>,
    /// Aliases that it has stated.
    pub stated: BTreeSet<usize>,
    /// It was told that the link is slow.
    pub is_slow: bool,
    /// It was told that another link has its alias.
    pub is_replaced: bool,
    /// Requests by number: how often asked, how often answered.
    asked: BTreeMap<Text, (u32, u32)>,
    /// Letters by the number of the request that published them.
    pub letters: BTreeMap<Text, usize>,
    /// Topics by the number of the request that asks for them.
    pub registers: BTreeMap<Text, Vec<usize>>,
    sent: BTreeMap<MessageId, Sent>,
    latest: MessageId,
}

#[derive(Debug)]
struct Sent {
    at: Instant,
    tries: u8,
    len: usize,
    /// Neither acknowledged nor pulled.
    is_open: bool,
}

impl Watch {
    /// Its claim failed: a later one begins anew.
    pub(crate) fn begin_anew(&mut self) {
        self.sent.clear();
        self.latest = MessageId::default();
        self.wants = None;
    }

    /// The device has said something.
    pub(crate) fn heard(&mut self, message: &Message) {
        if let Message::Ack(ack) = message
            && let Some(sent) = MessageId::of(&ack.mid).and_then(|mid| self.sent.get_mut(&mid))
        {
            sent.is_open = false;
            // Whoever acknowledges something is sent the rest as often again.
            self.sent.values_mut().for_each(|sent| sent.tries = 1);
        }
        let is_answered = message.kind().is_some_and(|kind| kind.reply().is_some());
        let num = message.num().as_str();
        if is_answered && !num.is_empty() {
            self.asks(num);
        }
    }

    /// A request with that number has come.
    pub(crate) fn asks(&mut self, num: &str) {
        self.asked.entry(num.into()).or_default().0 += 1;
    }

    /// It is told something with a number.
    pub(crate) fn answered(&mut self, message: &Message) -> Result<(), String> {
        let num = message.num().as_str();
        if num.is_empty() {
            return Ok(());
        }
        let Some((asked, answered)) = self.asked.get_mut(num) else {
            return Err(format!("an answer to {num}, which was not asked"));
        };
        *answered += 1;
        if answered > asked {
            return Err(format!("request {num} is answered twice"));
        }
        Ok(())
    }

    /// A request that has no answer.
    pub(crate) fn unanswered(&self) -> Option<&Text> {
        let mut open = self.asked.iter();
        open.find(|(_, (asked, answered))| answered < asked)
            .map(|(num, _)| num)
    }

    /// A kept message is sent. `is_lasting` tells what is not about to expire.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        config: &Config,
        mid: MessageId,
        len: usize,
        is_lasting: impl Fn(MessageId) -> bool,
    ) -> Result<bool, String> {
        if let Some(sent) = self.sent.get_mut(&mid) {
            sent.tries += 1;
            if !sent.is_open {
                return Err(format!("{mid:?} is sent again though it was acknowledged"));
            }
            let is_spent = sent.tries > config.max_tries && config.on_unacked == OnUnacked::Close;
            if is_spent || now < sent.at + config.redeliver_after {
                return Err(format!("{mid:?} is sent again too soon or too often"));
            }
            sent.at = now;
            return Ok(false);
        }
        if mid <= self.latest {
            return Err(format!("{mid:?} comes behind {:?}", self.latest));
        }
        self.latest = mid;
        let sent = Sent {
            at: now,
            tries: 1,
            len,
            is_open: true,
        };
        self.sent.insert(mid, sent);
        let open = self.sent.iter().filter(|(_, sent)| sent.is_open);
        let (mut count, mut bytes) = (0, 0);
        for (_, sent) in open.filter(|(mid, _)| is_lasting(**mid)) {
            count += 1;
            bytes += sent.len;
        }
        if count > config.window || (bytes > config.window_bytes && count > 1) {
            return Err(format!(
                "{count} messages of {bytes} bytes are on their way"
            ));
        }
        Ok(true)
    }

    /// It is given messages that it has asked for: they are not pushed any more.
    pub(crate) fn pulled(&mut self, now: Instant, mids: &[MessageId]) -> Result<(), String> {
        if !mids.is_sorted() {
            return Err(format!("{mids:?} are pulled out of order"));
        }
        for mid in mids {
            self.latest = self.latest.max(*mid);
            let sent = self.sent.entry(*mid).or_insert(Sent {
                at: now,
                tries: 0,
                len: 0,
                is_open: false,
            });
            sent.is_open = false;
        }
        Ok(())
    }
}
