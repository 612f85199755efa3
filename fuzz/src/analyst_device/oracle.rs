//! What must come of it.

use super::*;

impl World {
    pub(super) fn see(&mut self) {
        let outputs = self.twin.drain();
        for output in &outputs {
            assert!(!self.is_closed || *output == Output::Disconnect);
            match output {
                Output::Fetch(exchange) => self.fetch = Some(*exchange),
                Output::Store(seq, op) => self.waiting.push_back((*seq, op.clone())),
                Output::Send(publish) => self.published(publish),
                Output::Hangup | Output::Disconnect => self.cut(),
                Output::Ack(delivery) => self.acked(*delivery, &outputs),
                Output::Event(event) => self.told(event),
                _ => {}
            }
        }
    }

    pub(super) fn told(&mut self, event: &Event) {
        match event {
            Event::Work { id, run, .. } => {
                let other = self.works.insert(*id, *run);
                assert_eq!(other, None, "{id:?} runs twice at once");
                assert!(self.works.len() <= self.config.parallel);
                let last = self.last_runs.insert(*id, *run);
                assert!(last.is_none_or(|last| last < *run), "a number comes again");
            }
            Event::Cancel { id, run } => {
                assert_eq!(self.works.get(id), Some(run), "nobody works on it");
            }
            Event::Forgotten(id) => {
                self.last_runs.remove(id);
                assert!(!self.undelivered.contains_key(id), "not yet delivered");
            }
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
    }

    pub(super) fn published(&mut self, publish: &Publish) {
        assert!(self.in_flight.len() < self.config.link.window);
        let told = match &*publish.message {
            Message::Finish(finish) => {
                let handed_in = (finish.id, finish.taken.clone());
                assert!(self.handed_in.contains(&handed_in), "nobody has found it");
                (finish.id, Outcome::Taken(finish.taken.clone()))
            }
            Message::Fail(fail) => (fail.id, Outcome::Failed(fail.reason.clone())),
            other => panic!("an analyser does not say {other:?}"),
        };
        let is_busy = told.1 == Outcome::Failed("busy".into());
        let is_it = |op: &Op| match op {
            Op::Result { id, outcome, .. } => (*id, &**outcome) == (told.0, &told.1),
            _ => false,
        };
        assert!(is_busy || self.disk.iter().any(is_it), "it is not stored");
        self.in_flight.push_back(publish.clone());
    }

    pub(super) fn acked(&mut self, delivery: DeliveryId, outputs: &[Output]) {
        let given = self.deliveries.remove(&delivery);
        let given = given.expect("it is acknowledged twice, or over another connection");
        let Some((Message::Start(start), _)) = self.unacked.remove(&given) else {
            return;
        };
        let id = start.id;
        let is_stored = self.disk.iter().any(|op| op.id() == id);
        let busy = Output::Event(Event::Busy(id));
        assert!(is_stored || outputs.contains(&busy), "it is not stored");
    }

    pub(super) fn check(&self) {
        let device = &self.twin.device;
        assert_eq!(device.running(), self.works.len());
        assert!(
            device.tasks() <= TASKS as usize,
            "as many as there are numbers"
        );
        assert!(device.unsent() <= TASKS as usize + self.config.max_busy);
        assert_eq!(device.snapshot(self.now), self.twin.lazy.snapshot(self.now));
    }

    /// Everything is well from now on.
    pub(super) fn heal(&mut self) {
        for _ in 0..400 {
            self.wait(Duration::from_secs(20));
            self.connect();
            self.store_all();
            let held: Vec<u64> = self.unacked.keys().copied().collect();
            for given in held {
                self.deliver(given);
                self.store_all();
            }
            let works: Vec<_> = self.works.iter().map(|(&id, &run)| (id, run)).collect();
            for (id, run) in works {
                self.complete(id, run, found(id, run));
                self.store_all();
            }
            while !self.in_flight.is_empty() {
                self.sent();
                self.store_all();
            }
            let device = &self.twin.device;
            let is_idle = device.unsent() == 0 && device.queued() == 0;
            if is_idle && self.unacked.is_empty() && self.works.is_empty() {
                assert!(self.undelivered.is_empty(), "stored, and not sent");
                return self.check_over();
            }
        }
        panic!("it does not come to rest");
    }

    pub(super) fn check_over(&self) {
        for id in self.last_runs.keys() {
            let state = self.twin.device.task(*id);
            let is_over = matches!(
                state,
                None | Some(TaskState::Kept | TaskState::Cancelled | TaskState::Forgetting)
            );
            assert!(is_over, "{id:?} is {state:?}");
        }
    }

    pub(super) fn close(&mut self) {
        self.twin.device.close(self.now);
        self.twin.lazy.close(self.now);
        self.see();
        let end = &self.twin.log[self.twin.log.len() - 2..];
        assert!(matches!(
            end,
            [Output::Event(Event::Closed(_)), Output::Disconnect]
        ));
        assert_eq!(self.twin.device.poll_timeout(), None);
        self.input(Input::Connected);
        self.twin.compare();
    }
}
