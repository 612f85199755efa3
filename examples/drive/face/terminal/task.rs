//! The task that carries out what the machine asks for.

use super::api::Asked;
use super::people::People;
use super::post::{Posted, post};
use super::{Tally, TerminalCommand, TerminalNews, TerminalOptions, open_store};
use crate::clock;
use crate::http::{Caller, Dialing, Server};
use crate::store::Store;
use face_record_push::codec::MAX_ANSWER;
use face_record_push::device::{
    AttemptId, Cause, Device, Event, Input, Output, Post, Recovered, Seq, State, StoreError,
};
use face_record_push::{AskReply, ExchangeId, Host, Item, Refused, Subscription};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

/// A terminal at work.
pub(super) struct Terminal {
    options: TerminalOptions,
    device: Device,
    people: People,
    store: Option<Store>,
    reopening: Option<JoinHandle<Reopened>>,
    answers: mpsc::UnboundedSender<Input>,
    answered: mpsc::UnboundedReceiver<Input>,
    caller: Option<Caller>,
    owners_word: Arc<AtomicBool>, // whether the destination needs no check
    posts: JoinSet<Posted>,
    attempts: BTreeMap<AttemptId, AbortHandle>,
    askers: BTreeMap<ExchangeId, oneshot::Sender<AskReply>>,
    last_exchange: u64,
    next_at: Option<Instant>,
    waiting: Option<(Seq, Item)>, // a record for which the machine has no room yet
    dropped_before: u64,
    is_finished: bool,
    news: mpsc::Sender<TerminalNews>,
    news_lost: u64,
    tally: watch::Sender<Tally>,
}

type Reopened = io::Result<(Store, Recovered)>;

/// What the select of the main loop wakes up for.
enum Woken {
    Answered(Input),
    Posted(Posted),
    Asked(Asked),
    Told(TerminalCommand),
    Reopened(Reopened),
    Timer,
}

impl Terminal {
    /// Opens the store.
    pub(super) async fn open(
        options: TerminalOptions,
        news: mpsc::Sender<TerminalNews>,
    ) -> io::Result<Self> {
        let (answers, answered) = mpsc::unbounded_channel();
        let opening = reopen(&options, answers.clone(), Duration::ZERO);
        let (store, mut recovered) = opening.await.map_err(io::Error::other)??;
        let dropped_before = recovered.losses.iter().map(|loss| loss.count).sum();
        // Nothing may go to the old destination in the meantime.
        let wanted = options.dest.clone().map(Subscription::to);
        if wanted
            .as_ref()
            .is_some_and(|it| *it != recovered.subscription)
        {
            recovered.subscription = Subscription::default();
        }
        let mut device = Device::new(options.config.clone(), recovered);
        if let Some(wanted) = wanted.filter(|wanted| wanted != device.subscription()) {
            let refused = |_| io::Error::other("the destination cannot be kept");
            device.configure(clock::now(), wanted).map_err(refused)?;
        }
        let (serial, profile) = (options.identity.serial.clone(), options.identity.profile);
        let owners_word = Arc::new(AtomicBool::new(false));
        let tally = watch::Sender::new(tally_of(&device, dropped_before, 0));
        Ok(Self {
            caller: Some(caller(&options, &owners_word)?),
            people: People::new(options.crowd, serial, profile),
            next_at: options.crowd.interval().map(|_| clock::now()),
            options,
            device,
            store: Some(store),
            reopening: None,
            answers,
            answered,
            owners_word,
            posts: JoinSet::new(),
            attempts: BTreeMap::new(),
            askers: BTreeMap::new(),
            last_exchange: 0,
            waiting: None,
            dropped_before,
            is_finished: false,
            news,
            news_lost: 0,
            tally,
        })
    }

    pub(super) fn tally(&self) -> watch::Receiver<Tally> {
        self.tally.subscribe()
    }

    /// Works until it is told to stop, then closes the store.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<TerminalCommand>,
        mut asked: mpsc::Receiver<Asked>,
        server: Option<Server>,
    ) {
        self.device.handle_timeout(clock::now());
        loop {
            self.carry_out();
            self.publish();
            if self.device.is_closed() {
                break;
            }
            let timer = [self.device.poll_timeout(), self.record_at()];
            let timer = timer.into_iter().flatten().min();
            let woken = tokio::select! {
                Some(input) = self.answered.recv() => Woken::Answered(input),
                Some(Ok(posted)) = self.posts.join_next() => Woken::Posted(posted),
                Some(asked) = asked.recv() => Woken::Asked(asked),
                Some(command) = commands.recv() => Woken::Told(command),
                Some(opened) = finished(&mut self.reopening) => Woken::Reopened(opened),
                () = clock::sleep_until(timer) => Woken::Timer,
            };
            self.react(woken);
        }
        // Whoever still waits is told so before the server goes.
        self.askers.clear();
        drop(asked);
        if let Some(server) = server {
            server.stop().await;
        }
        self.close_store().await;
    }

    fn react(&mut self, woken: Woken) {
        let now = clock::now();
        match woken {
            Woken::Answered(input) => {
                self.device.handle_input(now, input);
                while let Ok(input) = self.answered.try_recv() {
                    self.device.handle_input(now, input);
                }
                self.try_waiting(now);
            }
            Woken::Posted(posted) => {
                self.attempts.remove(&posted.attempt);
                self.caller = Some(posted.caller);
                self.device.handle_input(now, posted.input);
            }
            Woken::Asked(asked) => self.ask(now, asked),
            Woken::Told(command) => self.obey(now, command),
            Woken::Reopened(opened) => self.reopened(now, opened),
            Woken::Timer => {
                self.device.handle_timeout(now);
                self.record(now);
            }
        }
        let gone = |(exchange, reply): (&ExchangeId, &oneshot::Sender<AskReply>)| {
            reply.is_closed().then_some(*exchange)
        };
        let gone: Vec<ExchangeId> = self.askers.iter().filter_map(gone).collect();
        for exchange in gone {
            self.askers.remove(&exchange);
            self.device.handle_input(now, Input::Unasked(exchange));
        }
    }

    fn obey(&mut self, now: Instant, command: TerminalCommand) {
        match command {
            TerminalCommand::Rate(rate) => {
                self.options.crowd.rate = rate;
                self.next_at = self.options.crowd.interval().map(|_| now);
            }
            TerminalCommand::Configure(subscription) => {
                // A full machine is busy with changes that came before.
                let _ = self.device.configure(now, subscription);
            }
            TerminalCommand::Connected => self.device.handle_input(now, Input::Connected),
            TerminalCommand::Fault(fault) => self.device.fault(now, fault),
            TerminalCommand::Heal => self.device.clear_faults(now),
            TerminalCommand::Stop => {
                (self.next_at, self.waiting) = (None, None);
                self.device.close(now);
            }
        }
    }

    fn ask(&mut self, now: Instant, asked: Asked) {
        self.last_exchange += 1;
        let exchange = ExchangeId(self.last_exchange);
        self.askers.insert(exchange, asked.reply);
        let input = match asked.question {
            Ok(ask) => Input::Asked(exchange, ask),
            Err(error) => Input::Misasked(exchange, error),
        };
        self.device.handle_input(now, input);
    }

    /// Carries out everything that the machine asks for.
    fn carry_out(&mut self) {
        // At the end, acknowledgements need not wait for others.
        let is_hurried = self.device.state() == State::Closing;
        while let Some(output) = self.device.poll_output() {
            match output {
                Output::Send(post) => self.send(post),
                Output::Disconnect(attempt) => {
                    if let Some(attempt) = self.attempts.remove(&attempt) {
                        attempt.abort();
                    }
                }
                Output::Store(id, op) => {
                    if let Some(store) = &self.store {
                        store.submit(id, op);
                    } else {
                        let broken = Input::StoreFailed(id, StoreError::Broken);
                        let _ = self.answers.send(broken);
                    }
                }
                Output::Answer(exchange, reply) => {
                    if let Some(asker) = self.askers.remove(&exchange) {
                        // An asker that is gone wants no answer.
                        let _ = asker.send(reply);
                    }
                }
                Output::Event(event) => {
                    if event == Event::Paused {
                        self.begin_to_reopen(Duration::ZERO);
                    }
                    self.tell(TerminalNews::Machine(event));
                }
                _ => {}
            }
        }
        if let Some(store) = self.store.as_ref().filter(|_| is_hurried) {
            store.hurry();
        }
    }

    fn send(&mut self, wanted: Post) {
        let is_owners = self.options.dest.as_ref() == Some(&*wanted.dest);
        // What is an address was checked when it was configured; only a name can lead elsewhere now.
        let is_checked = is_owners || !matches!(wanted.dest.host(), Host::Name(_));
        self.owners_word.store(is_checked, Ordering::Relaxed);
        let made = self
            .caller
            .take()
            .map_or_else(|| caller(&self.options, &self.owners_word), Ok);
        let attempt = wanted.attempt;
        // Whom to trust was read before.
        let Ok(caller) = made else {
            let input = Input::Disconnected(attempt, Cause::Tls);
            let _ = self.answers.send(input);
            return;
        };
        let (identity, wall) = (self.options.identity.clone(), (self.options.wall)());
        let within = self.options.config.exchange_timeout.saturating_mul(2);
        let task = self
            .posts
            .spawn(post(caller, wanted, identity, wall, within));
        self.attempts.insert(attempt, task);
    }

    /// When somebody passes next; `None` if nobody does, or nobody can.
    fn record_at(&self) -> Option<Instant> {
        let enough = self.options.crowd.count.unwrap_or(u64::MAX);
        let is_open = self.waiting.is_none() && self.reopening.is_none();
        self.next_at
            .filter(|_| is_open && self.device.next_seq().0 <= enough)
    }

    /// Records everybody who has passed by now.
    fn record(&mut self, now: Instant) {
        let Some(interval) = self.options.crowd.interval() else {
            return;
        };
        for _ in 0..BURST {
            let Some(at) = self.record_at().filter(|at| *at <= now) else {
                return;
            };
            // Who came while nothing could be recorded has not waited.
            let next = at.checked_add(interval);
            let earliest = now.checked_sub(LAG).unwrap_or(now);
            self.next_at = next.map(|next| next.max(earliest));
            let seq = self.device.next_seq();
            let item = self.people.record(seq, (self.options.wall)());
            self.waiting = Some((seq, item));
            self.try_waiting(now);
        }
    }

    fn try_waiting(&mut self, now: Instant) {
        let Some((mut seq, mut item)) = self.waiting.take() else {
            return;
        };
        if seq != self.device.next_seq() {
            seq = self.device.next_seq();
            item = self.people.record(seq, (self.options.wall)());
        }
        match self.device.record(now, item) {
            Ok(seq) => self.tell(TerminalNews::Recorded(seq)),
            Err(Refused::Full(item) | Refused::Paused(item)) => self.waiting = Some((seq, item)),
            // Too large, or too late.
            Err(_) => {}
        }
    }

    fn begin_to_reopen(&mut self, delay: Duration) {
        let (options, answers) = (&self.options, self.answers.clone());
        let old = self.store.take();
        let opening = reopen(options, answers, delay);
        self.reopening = Some(tokio::spawn(async move {
            // Closed, it lets go of the file.
            let closed = tokio::task::spawn_blocking(move || drop(old)).await;
            closed.map_err(io::Error::other)?;
            opening.await.map_err(io::Error::other)?
        }));
    }

    fn reopened(&mut self, now: Instant, opened: Reopened) {
        self.reopening = None;
        match opened {
            Ok((store, recovered)) => {
                self.store = Some(store);
                self.device.resume(now, recovered);
                self.try_waiting(now);
            }
            Err(error) => {
                self.tell(TerminalNews::StoreClosed(error.to_string()));
                self.begin_to_reopen(REOPEN_DELAY);
            }
        }
    }

    async fn close_store(mut self) {
        if let Some(store) = self.store.take() {
            let closed = tokio::task::spawn_blocking(move || store.close()).await;
            if let Ok(Err(error)) = closed {
                self.tell(TerminalNews::StoreClosed(error.to_string()));
            }
        }
    }

    fn publish(&mut self) {
        let tally = tally_of(&self.device, self.dropped_before, self.news_lost);
        self.tally.send_replace(tally);
        let count = self.options.crowd.count.unwrap_or(u64::MAX);
        let is_finished = tally.recorded >= count && tally.queued == 0;
        if is_finished && !self.is_finished {
            self.is_finished = true;
            self.tell(TerminalNews::Finished);
        }
    }

    fn tell(&mut self, news: TerminalNews) {
        // Whoever hears it and looks at the figures finds those of after it.
        let tally = tally_of(&self.device, self.dropped_before, self.news_lost);
        self.tally.send_replace(tally);
        if self.news.try_send(news).is_err() {
            self.news_lost += 1;
        }
    }
}

/// Most records that are made before anything else is done.
const BURST: usize = 16;

/// How far behind its rate a terminal may be and still catch up.
const LAG: Duration = Duration::from_millis(100);

const REOPEN_DELAY: Duration = Duration::from_secs(1);

fn reopen(
    options: &TerminalOptions,
    answers: mpsc::UnboundedSender<Input>,
    delay: Duration,
) -> JoinHandle<Reopened> {
    let (folder, settings) = (options.folder.clone(), options.store.clone());
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let opening = tokio::task::spawn_blocking(move || open_store(&folder, &settings, answers));
        opening.await.map_err(io::Error::other)?
    })
}

fn caller(options: &TerminalOptions, owners_word: &Arc<AtomicBool>) -> io::Result<Caller> {
    let policy = options.config.dest_policy.clone();
    let owners_word = Arc::clone(owners_word);
    let allows =
        move |address: IpAddr| owners_word.load(Ordering::Relaxed) || policy.allows(address);
    Caller::new(Dialing {
        // One byte more tells that there is more.
        max_answer: MAX_ANSWER + 1,
        allows: Arc::new(allows),
        ..options.dialing.clone()
    })
    .map_err(io::Error::other)
}

fn tally_of(device: &Device, dropped_before: u64, news_lost: u64) -> Tally {
    let machine = device.counters();
    let recorded = device.next_seq().0.saturating_sub(1);
    let queued = device.queued() as u64;
    let dropped = dropped_before.saturating_add(machine.lost);
    let gone = recorded.saturating_sub(queued);
    Tally {
        recorded,
        acknowledged: gone.saturating_sub(dropped).saturating_sub(machine.buried),
        queued,
        queued_bytes: device.queued_bytes(),
        dropped,
        state: device.state(),
        machine,
        news_lost,
    }
}

/// What a task has come to, once it has; `None` if there is none.
async fn finished(task: &mut Option<JoinHandle<Reopened>>) -> Option<Reopened> {
    let ended = task.as_mut()?.await;
    Some(ended.unwrap_or_else(|error| Err(io::Error::other(error))))
}
