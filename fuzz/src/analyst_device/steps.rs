//! What happens to an analyser.

use super::*;

impl World {
    pub(super) fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.int_in_range(0..=31)? {
            0..=6 => {
                let id = TaskId(input.int_in_range(1..=TASKS)?);
                self.give(Message::Start(start(id)));
            }
            7..=8 => {
                let id = TaskId(input.int_in_range(1..=TASKS)?);
                self.give(Message::Timeout(Timeout::new(id)));
            }
            9 => {
                let mut timeout = Timeout::new(TaskId(0));
                timeout.id = None;
                self.give(Message::Timeout(timeout));
            }
            10..=11 => {
                let held: Vec<u64> = self.unacked.keys().copied().collect();
                if !held.is_empty() {
                    self.deliver(*input.choose(&held)?);
                }
            }
            12..=16 => {
                for _ in 0..input.int_in_range(1..=3)? {
                    self.store(0);
                }
            }
            17 => {
                if !self.waiting.is_empty() {
                    self.store(input.int_in_range(0..=self.waiting.len() - 1)?);
                }
            }
            18 => {
                if let Some((seq, op)) = self.waiting.pop_front() {
                    // Whether it is there after a power cut is not known.
                    if input.arbitrary()? {
                        self.carry_out(op);
                    }
                    self.input(Input::StoreFailed(seq));
                }
            }
            19..=21 => self.connect(),
            22 => {
                let why = *input.choose(&[
                    Down::Lost,
                    Down::BadCredentials,
                    Down::Refused(3),
                    Down::Timeout,
                ])?;
                self.cut();
                self.input(Input::Disconnected(why));
            }
            23..=24 => self.sent(),
            25 => {
                if let Some(publish) = self.in_flight.pop_front() {
                    let why = *input.choose(&[NotSent::TooLarge, NotSent::Closed])?;
                    self.not_sent(&publish, why);
                }
            }
            26..=28 => self.end(input)?,
            29 => self.power_cut(input)?,
            30 => {
                if let Some(exchange) = self.fetch.take() {
                    let rejection = Rejection::new(ErrorCode::SignInvalid, "sign is invaild");
                    let why = [NoInfo::Rejected(rejection), NoInfo::Unreachable];
                    self.input(Input::Info(exchange, Err(input.choose(&why)?.clone())));
                }
            }
            // News of what is not there, and what is not for analysers.
            _ => {
                self.input(Input::Stored(Seq(u64::MAX)));
                self.input(Input::StoreFailed(Seq(u64::MAX)));
                self.input(Input::Sent(SendId(u64::MAX)));
                self.input(Input::SendFailed(SendId(u64::MAX), NotSent::TooLarge));
                self.input(Input::Info(ExchangeId(u64::MAX), Err(NoInfo::Unreachable)));
                self.give(Message::Finish(Finish::new(TaskId(1), Vec::new())));
            }
        }
        Ok(())
    }

    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.twin.device.poll_timeout().filter(|&due| due <= end) {
            assert!(due >= self.now, "a timer was left behind");
            self.now = due;
            self.twin.fire(due);
            self.see();
        }
        self.now = end;
    }

    /// The dispatcher has something to say, now or over the next connection.
    pub(super) fn give(&mut self, message: Message) {
        self.given += 1;
        self.unacked.insert(self.given, (message, false));
        self.deliver(self.given);
    }

    pub(super) fn deliver(&mut self, given: u64) {
        if self.twin.device.state() != State::Up {
            return;
        }
        let Some((message, came)) = self.unacked.get_mut(&given) else {
            return;
        };
        let is_again = std::mem::replace(came, true);
        let message = message.clone();
        self.delivered += 1;
        let delivery = DeliveryId(self.delivered);
        self.deliveries.insert(delivery, given);
        self.input(Input::Received(Incoming::new(delivery, is_again, message)));
    }

    pub(super) fn cut(&mut self) {
        self.in_flight.clear();
        self.deliveries.clear();
    }

    pub(super) fn connect(&mut self) {
        if let Some(exchange) = self.fetch.take() {
            self.input(Input::Info(exchange, Ok(info())));
        }
        if self.twin.device.state() == State::Opening {
            self.input(Input::Connected);
        }
    }

    pub(super) fn store(&mut self, at: usize) {
        if let Some((seq, op)) = self.waiting.remove(at) {
            self.carry_out(op);
            self.input(Input::Stored(seq));
        }
    }

    pub(super) fn store_all(&mut self) {
        while !self.waiting.is_empty() {
            self.store(0);
        }
    }

    pub(super) fn carry_out(&mut self, op: Op) {
        if let Op::Result { id, outcome, .. } = &op {
            match &**outcome {
                Outcome::Taken(taken) => drop(self.undelivered.insert(*id, taken.clone())),
                _ => drop(self.undelivered.remove(id)),
            }
        }
        self.disk.push(op);
    }

    pub(super) fn sent(&mut self) {
        if let Some(publish) = self.in_flight.pop_front() {
            if let Message::Finish(finish) = &*publish.message {
                self.undelivered.remove(&finish.id);
            }
            self.input(Input::Sent(publish.send));
        }
    }

    pub(super) fn not_sent(&mut self, publish: &Publish, why: NotSent) {
        if let (Message::Finish(finish), NotSent::TooLarge) = (&*publish.message, why) {
            self.undelivered.remove(&finish.id);
        }
        self.input(Input::SendFailed(publish.send, why));
    }

    pub(super) fn end(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let works: Vec<_> = self.works.iter().map(|(&id, &run)| (id, run)).collect();
        if works.is_empty() {
            let none = Outcome::Taken(Vec::new());
            let is_taken = self.twin.complete(self.now, TaskId(1), Run(1), none);
            assert!(!is_taken, "nobody works on it");
            self.see();
            return Ok(());
        }
        let (id, run) = *input.choose(&works)?;
        let outcome = match input.int_in_range(0..=3)? {
            0 => Outcome::Failed("dark".into()),
            _ => found(id, run),
        };
        self.complete(id, run, outcome);
        Ok(())
    }

    pub(super) fn complete(&mut self, id: TaskId, run: Run, outcome: Outcome) {
        if let Outcome::Taken(taken) = &outcome {
            self.handed_in.insert((id, taken.clone()));
        }
        self.works.remove(&id);
        let is_taken = self.twin.complete(self.now, id, run, outcome);
        assert!(is_taken, "a run at work");
        self.see();
    }

    pub(super) fn power_cut(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        // A prefix of what was asked for has got there.
        for _ in 0..input.int_in_range(0..=self.waiting.len())? {
            if let Some((_, op)) = self.waiting.pop_front() {
                self.carry_out(op);
            }
        }
        self.twin.compare();
        self.waiting.clear();
        self.cut();
        self.works.clear();
        self.fetch = None;
        let mut records = self.records();
        if input.arbitrary()? {
            records.reverse();
        }
        self.twin = Twin::new(self.now, &self.config, &records);
        self.see();
        Ok(())
    }

    /// What the store hands back.
    pub(super) fn records(&self) -> Vec<Op> {
        let mut records: Vec<Op> = Vec::new();
        for op in &self.disk {
            match op {
                Op::Forget { id, run } => {
                    records.retain(|old| old.id() != *id || run_of(old) > *run);
                }
                op => records.push(op.clone()),
            }
        }
        records
    }

    pub(super) fn input(&mut self, input: Input) {
        self.twin.input(self.now, input);
        self.see();
    }
}
