//! What happens to a dispatcher.

use super::*;

impl World {
    pub(super) fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let last = if self.config.peers.is_empty() { 35 } else { 41 };
        match input.int_in_range(0..=last)? {
            0..=4 => self.submit(input)?,
            5 => {
                let (now, id) = (self.now, any_id(input)?);
                if self
                    .twin
                    .both(now, |platform| platform.cancel(now, id))
                    .is_ok()
                {
                    self.cancelled.insert(id);
                }
            }
            6..=8 => {
                let (now, id) = (self.now, any_id(input)?);
                let done = self.twin.both(now, |platform| platform.confirm(now, id));
                assert!(done.is_err() || self.told.contains(&id), "it was not told");
            }
            9 => self.register(
                input.int_in_range(1..=ANALYSTS)?,
                input.int_in_range(0..=2)?,
            ),
            10 => {
                let (now, client) = (self.now, client(input.int_in_range(1..=ANALYSTS)?));
                let done = self
                    .twin
                    .both(now, |platform| platform.unregister(now, &client));
                if done.is_ok() {
                    self.capacities.insert(client, 0);
                }
            }
            11..=15 => {
                for _ in 0..input.int_in_range(1..=4)? {
                    self.store(0);
                }
            }
            16 => {
                if !self.waiting.is_empty() {
                    self.store(input.int_in_range(0..=self.waiting.len() - 1)?);
                }
            }
            17 => {
                if let Some((seq, op)) = self.waiting.pop_front() {
                    // Whether it is there after a power cut is not known.
                    if input.arbitrary()? {
                        self.disk.push(op);
                    }
                    self.input(Input::StoreFailed(seq));
                }
            }
            18..=19 => self.connect(),
            20 => {
                let why = *input.choose(&[
                    Down::Lost,
                    Down::BadCredentials,
                    Down::Refused(3),
                    Down::Timeout,
                ])?;
                self.cut();
                self.input(Input::Disconnected(why));
            }
            21..=23 => self.sent(),
            24 => {
                if let Some(publish) = self.in_flight.pop_front() {
                    let why = *input.choose(&[NotSent::TooLarge, NotSent::Closed])?;
                    if let Message::Start(start) = &*publish.message {
                        let reason = "the task is larger than the broker takes";
                        self.failed.insert((start.id, reason.to_owned()));
                    }
                    self.input(Input::SendFailed(publish.send, why));
                }
            }
            25..=28 => {
                let (id, count) = (any_id(input)?, input.int_in_range(0..=2)?);
                let mut finish = Finish::new(id, taken(count));
                finish.analyst_id = label(input)?;
                self.hear(Message::Finish(finish));
            }
            29..=31 => {
                let reason = *input.choose(&["busy", "404", "太暗"])?;
                let mut fail = Fail::new(any_id(input)?, reason);
                fail.analyst_id = label(input)?;
                self.hear(Message::Fail(fail));
            }
            32 => self.hear(Message::Progress(Progress::new(any_id(input)?))),
            33 => {
                let client = client(input.int_in_range(1..=ANALYSTS)?);
                let online = input.arbitrary()?;
                self.input(Input::Presence { client, online });
            }
            34 => self.power_cut(input)?,
            36..=38 => self.peer_asks(input)?,
            39..=41 => self.peer_answers(input)?,
            // News of what is not there, and what is not for dispatchers.
            _ => {
                self.input(Input::Stored(Seq(u64::MAX)));
                self.input(Input::StoreFailed(Seq(u64::MAX)));
                self.input(Input::Sent(SendId(u64::MAX)));
                let rounded = TaskId(id(1).0 / 256 * 256);
                self.hear(Message::Finish(Finish::new(rounded, taken(1))));
                self.hear(Message::Start(Start::new(id(1), "top.mp4")));
                self.delivered += 1;
                let garbled = WireErrorKind::Missing("id");
                self.input(Input::Garbled(DeliveryId(self.delivered), garbled));
            }
        }
        self.see();
        Ok(())
    }

    /// Another dispatcher has a result, perhaps for a task of ours, and perhaps not for the first time.
    pub(super) fn peer_asks(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let id = any_id(input)?;
        let mut at = self.peers_ask.len();
        if at > 0 && input.ratio(1, 4)? {
            at = input.int_in_range(0..=at - 1)?;
        } else {
            let message = if input.arbitrary()? {
                let taken = taken(input.int_in_range(0..=2)?);
                self.seen.insert((id, taken.clone()));
                Message::Finish(Finish::new(id, taken))
            } else {
                let reason = *input.choose(&["busy", "404", "太暗"])?;
                self.failed.insert((id, reason.to_owned()));
                Message::Fail(Fail::new(id, reason))
            };
            let node = NodeId(input.int_in_range(1..=3)?);
            self.peers_ask.push((node, message));
        }
        let (node, message) = self.peers_ask[at].clone();
        let (ticket, message) = (Ticket(at as u64), Arc::new(message));
        let relay = Relay::Result { ticket, message };
        self.input(Input::FromNode { node, relay });
        Ok(())
    }

    /// Another dispatcher says whether it knows a task that we asked about, or did not.
    pub(super) fn peer_answers(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let asked: Vec<_> = self.asked.iter().copied().collect();
        let (node, ticket) = if asked.is_empty() || input.ratio(1, 8)? {
            (NodeId(input.int_in_range(1..=3)?), Ticket(7))
        } else {
            *input.choose(&asked)?
        };
        let relay = if input.arbitrary()? {
            Relay::Known { ticket }
        } else {
            Relay::Unknown { ticket }
        };
        self.input(Input::FromNode { node, relay });
        Ok(())
    }

    pub(super) fn submit(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let (now, wall, id) = (self.now, self.wall(), any_id(input)?);
        let mut submission = Submission::new(Start::new(id, "top.mp4"));
        submission.priority = input.int_in_range(-1..=1)?;
        if input.ratio(1, 4)? {
            submission.expires_at = Some(wall.plus(input.int_in_range(-10..=100_000)?));
        }
        let submit =
            |platform: &mut Platform| platform.submit(now, wall, submission.clone()).map_err(drop);
        if self.twin.both(now, submit).is_ok() {
            // It may have been forgotten, and is new.
            self.verdicts.remove(&id);
            self.told.remove(&id);
            self.accepted.remove(&id);
        }
        self.see();
        Ok(())
    }

    pub(super) fn register(&mut self, number: u32, capacity: usize) {
        let (now, client) = (self.now, client(number));
        let key = Secret::new("test-secret");
        let mut registration = Registration::new(format!("analyst_{number}"), key, client.clone());
        registration.capacity = capacity;
        let done = self
            .twin
            .both(now, |platform| platform.register(now, registration.clone()));
        if done.is_ok() {
            self.capacities.insert(client, capacity);
        }
        self.see();
    }

    pub(super) fn wall(&self) -> UnixMillis {
        let passed = (self.now - self.start).as_millis();
        WALL.plus(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.twin.platform.poll_timeout().filter(|&due| due <= end) {
            assert!(due >= self.now, "a timer was left behind");
            self.now = due;
            self.twin.fire(due);
            self.see();
        }
        self.now = end;
    }

    /// An analyser says something.
    pub(super) fn hear(&mut self, message: Message) {
        if !self.twin.platform.is_up() {
            return;
        }
        self.delivered += 1;
        let delivery = DeliveryId(self.delivered);
        let mut result = None;
        match &message {
            Message::Finish(finish) => {
                // A rounded number may be taken for any.
                let ids = (1..=TASKS).map(id).chain([finish.id]);
                self.seen.extend(ids.map(|id| (id, finish.taken.clone())));
                result = Some(finish.id);
            }
            Message::Fail(fail) => {
                self.failed.insert((fail.id, fail.reason.to_string()));
                result = Some(fail.id);
            }
            _ => {}
        }
        if let Some(id) = result {
            let is_found = matches!(message, Message::Finish(_));
            self.deliveries.insert(delivery, (id, is_found, false));
        }
        let incoming = Incoming::new(delivery, false, message);
        self.input(Input::Received(incoming));
    }

    pub(super) fn cut(&mut self) {
        self.in_flight.clear();
        self.deliveries.clear();
        self.is_opening = false;
    }

    pub(super) fn connect(&mut self) {
        if std::mem::take(&mut self.is_opening) {
            self.input(Input::Connected);
        }
    }

    pub(super) fn store(&mut self, at: usize) {
        if let Some((seq, op)) = self.waiting.remove(at) {
            self.disk.push(op);
            self.input(Input::Stored(seq));
        }
    }

    pub(super) fn store_all(&mut self) {
        while !self.waiting.is_empty() {
            self.store(0);
        }
    }

    pub(super) fn sent(&mut self) {
        if let Some(publish) = self.in_flight.pop_front() {
            self.input(Input::Sent(publish.send));
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        let now = self.now;
        // What time brings about is asked for before.
        self.twin.fire(now);
        self.see();
        let tell = |platform: &mut Platform| platform.handle_input(now, input.clone());
        self.twin.both(now, tell);
        self.see();
    }

    pub(super) fn power_cut(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        // A prefix of what was asked for has got there.
        for _ in 0..input.int_in_range(0..=self.waiting.len())? {
            self.disk.extend(self.waiting.pop_front().map(|(_, op)| op));
        }
        self.twin.compare();
        self.waiting.clear();
        self.cut();
        self.told.clear();
        self.asked.clear();
        let mut records = self.records();
        if input.arbitrary()? {
            records.reverse();
        }
        let next = Platform::restore(self.now, self.wall(), self.config.clone(), records);
        self.twin = Twin::new(next);
        self.see();
        for (client, capacity) in std::mem::take(&mut self.capacities) {
            let number = client.as_str().rsplit('_').next().map(str::parse);
            if let (Some(Ok(number)), 1..) = (number, capacity) {
                self.register(number, capacity);
            }
        }
        Ok(())
    }

    /// What the store hands back.
    pub(super) fn records(&self) -> Vec<Op> {
        let mut records: Vec<Op> = Vec::new();
        for op in &self.disk {
            match op {
                Op::Forget(id) => records.retain(|old| old.id() != *id),
                op => records.push(op.clone()),
            }
        }
        records
    }
}
