//! What must come of it.

use super::*;

impl World {
    pub(super) fn see(&mut self) {
        for output in self.twin.drain() {
            assert!(!self.is_closed || output == Output::Disconnect);
            match output {
                Output::Open(_) => self.is_opening = true,
                Output::Store(seq, op) => self.waiting.push_back((seq, op)),
                Output::Send(publish) => self.published(publish),
                Output::Hangup | Output::Disconnect => self.cut(),
                Output::Ack(delivery) => self.acked(delivery),
                Output::Event(event) => self.heard(event),
                Output::Relay { node, relay } => self.relayed(node, relay),
                _ => {}
            }
        }
    }

    pub(super) fn is_kept(&self, is_it: impl Fn(&Op) -> bool) -> bool {
        self.disk.iter().any(is_it)
    }

    pub(super) fn heard(&mut self, event: Event) {
        match event {
            Event::Accepted(id) => {
                assert!(self.is_kept(|op| matches!(op, Op::Submit(it, _) if *it == id)));
                self.accepted.insert(id);
            }
            Event::Verdict { id, verdict, .. } => {
                let terminal = Op::Terminal(id, verdict.clone());
                assert!(self.is_kept(|op| *op == terminal), "it is not stored");
                assert!(self.told.insert(id), "told twice in one life");
                match &verdict {
                    Verdict::Finished(taken) => {
                        let is_seen = self.seen.contains(&(id, taken.clone()));
                        assert!(is_seen, "nobody has found it");
                    }
                    Verdict::Failed(reasons) => {
                        for reason in reasons {
                            let is_said = self.failed.contains(&(id, reason.to_string()));
                            assert!(is_said || self.config.rounded_ids, "nobody said {reason}");
                        }
                    }
                    Verdict::Cancelled => assert!(self.cancelled.contains(&id)),
                    _ => {}
                }
                let before = self.verdicts.insert(id, verdict.clone());
                assert!(
                    before.is_none_or(|before| before == verdict),
                    "two verdicts"
                );
            }
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
    }

    pub(super) fn published(&mut self, publish: Publish) {
        assert!(self.in_flight.len() < self.config.link.window);
        if let Message::Start(start) = &*publish.message {
            let is_it = |op: &Op| match op {
                Op::Assign { id, client, .. } => {
                    *id == start.id && publish.topic.client() == client.as_str()
                }
                _ => false,
            };
            assert!(self.is_kept(is_it), "the attempt is not stored");
        }
        self.in_flight.push_back(publish);
    }

    pub(super) fn relayed(&mut self, node: NodeId, relay: Relay) {
        assert!(self.config.peers.contains(&node), "no peer");
        match relay {
            Relay::Result { ticket, message } => {
                assert!(self.asked.insert((node, ticket)), "asked twice");
                match &*message {
                    Message::Finish(finish) => self.offered.insert((finish.id, true)),
                    Message::Fail(fail) => self.offered.insert((fail.id, false)),
                    _ => panic!("no result"),
                };
            }
            Relay::Known { ticket } => {
                let (asker, message) = &self.peers_ask[ticket.0 as usize];
                assert_eq!(node, *asker);
                if let Message::Finish(Finish { id, .. }) = message {
                    let is_it = |op: &Op| matches!(op, Op::Terminal(it, _) if it == id);
                    let is_deciding = self.waiting.iter().any(|(_, op)| is_it(op));
                    assert!(!is_deciding || self.is_kept(is_it), "not stored");
                }
            }
            Relay::Unknown { ticket } => assert_eq!(node, self.peers_ask[ticket.0 as usize].0),
            _ => unreachable!("there are no others"),
        }
    }

    pub(super) fn acked(&mut self, delivery: DeliveryId) {
        let Some((id, is_found, was_acked)) = self.deliveries.get_mut(&delivery) else {
            return; // no result
        };
        assert!(!std::mem::replace(was_acked, true), "acknowledged twice");
        let (id, is_found) = (*id, *is_found);
        if self.offered.contains(&(id, is_found)) {
            return; // the task was not known then, and may have come since
        }
        // What was found waits for the verdict; a failure may be noted before it.
        let is_deciding = self
            .waiting
            .iter()
            .any(|(_, op)| matches!(op, Op::Terminal(it, _) if *it == id));
        let is_decided = self.is_kept(|op| matches!(op, Op::Terminal(it, _) if *it == id));
        assert!(
            !is_found || !is_deciding || is_decided || self.config.rounded_ids,
            "acknowledged and not stored"
        );
    }

    pub(super) fn check(&self) {
        let platform = &self.twin.platform;
        let stats = platform.stats();
        assert!(tasks(platform) <= TASKS as usize);
        assert!(stats.remembered <= self.config.tombstones.max(1));
        assert!(stats.analysts <= self.config.max_analysts.max(ANALYSTS as usize));
        assert_eq!(
            platform.snapshot(self.now),
            self.twin.lazy.snapshot(self.now)
        );
    }

    /// Everything is well from now on: analysers answer whatever they are given.
    pub(super) fn heal(&mut self) {
        let now = self.now;
        for number in 1..=ANALYSTS {
            self.register(number, 1);
            let client = client(number);
            let presence = Input::Presence {
                client,
                online: true,
            };
            self.twin
                .both(now, |platform| platform.handle_input(now, presence.clone()));
        }
        for _ in 0..400 {
            self.wait(Duration::from_secs(30));
            self.connect();
            self.store_all();
            while let Some(publish) = self.in_flight.front() {
                let message = Arc::clone(&publish.message);
                self.sent();
                self.store_all();
                if let Message::Start(start) = &*message {
                    let mut finish = Finish::new(start.id, taken(1));
                    finish.analyst_id.clone_from(&start.analyst_id);
                    self.hear(Message::Finish(finish));
                    self.store_all();
                }
            }
            for number in 1..=TASKS {
                let (now, id) = (self.now, id(number));
                let _ = self.twin.both(now, |platform| platform.confirm(now, id));
                self.see();
                self.store_all();
            }
            if tasks(&self.twin.platform) == 0 && self.in_flight.is_empty() {
                let is_told = |id: &TaskId| self.verdicts.contains_key(id);
                assert!(self.accepted.iter().all(is_told), "without a verdict");
                return;
            }
        }
        panic!("not all tasks end: {:?}", self.twin.platform.stats());
    }

    pub(super) fn close(&mut self) {
        let now = self.now;
        self.twin.both(now, |platform| platform.close(now));
        self.see();
        let end = &self.twin.log[self.twin.log.len() - 2..];
        assert!(matches!(
            end,
            [Output::Event(Event::Closed(_)), Output::Disconnect]
        ));
        assert_eq!(self.twin.platform.poll_timeout(), None);
        self.twin
            .both(now, |platform| platform.handle_input(now, Input::Connected));
        self.see();
        self.twin.compare();
    }
}
