//! The machine, shared by the connections, the writer and the timer.

use super::ask;
use crate::clock::{self, now, sleep_until};
use crate::http::Dialing;
use crate::records::{Db, Trouble, Writer};
use face_record_push::platform::{
    Config, Counters, Event, Head, Input, Novelty, Op, Output, Platform, Seq,
};
use face_record_push::{ExchangeId, Reply, UnixMillis};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// The machine and what it waits for.
///
/// Whoever has news tells the machine at once, under a lock that is held for microseconds, and
/// carries out what it asks for. An exchange that waits is woken by name, so no task stands between.
#[derive(Debug)]
pub(super) struct Core {
    inner: Mutex<Inner>,
    due: Notify,    // the next timer is earlier than what the timekeeper sleeps for
    events: Notify, // there is one, or there will be no more
    trouble: Trouble,
}

#[derive(Debug)]
struct Inner {
    platform: Platform,
    writer: Option<Writer>, // none once it has ended, or if nothing is kept
    forgets: bool,
    exchanges: HashMap<ExchangeId, Exchange>,
    next: u64,
    events: VecDeque<Event>,
    event_bytes: usize,
    armed: Option<Instant>,
    is_over: bool, // the application has the last event
    dialing: Dialing,
    runtime: Handle,
}

/// One that waits for the machine.
#[derive(Debug, Default)]
struct Exchange {
    told: VecDeque<Told>,
    waker: Option<Waker>,
}

/// What the machine says to an exchange.
#[derive(Debug)]
pub(super) enum Told {
    /// Read the body, up to so many bytes.
    Continue(u64),
    /// Answer; nothing follows.
    Send(Reply),
    /// Hang up; nothing follows.
    Disconnect,
}

/// An exchange that the machine knows of. Dropped before its end, it is disconnected.
#[derive(Debug)]
pub(super) struct Connected {
    core: Arc<Core>,
    id: ExchangeId,
    is_over: bool,
}

impl Core {
    /// Without a database, everything counts as kept.
    pub(super) fn start(config: Config, db: Option<Db>, dialing: Dialing) -> io::Result<Arc<Self>> {
        let next = db.as_ref().map_or(Ok(Seq(1)), Db::next_seq)?;
        let trouble = db.as_ref().map(Db::trouble).unwrap_or_default();
        let core = Arc::new(Self {
            trouble,
            inner: Mutex::new(Inner {
                platform: Platform::new(config, next),
                writer: None,
                forgets: db.is_none(),
                exchanges: HashMap::new(),
                next: 0,
                events: VecDeque::new(),
                event_bytes: 0,
                armed: None,
                is_over: false,
                dialing,
                runtime: Handle::current(),
            }),
            due: Notify::new(),
            events: Notify::new(),
        });
        let told = Arc::downgrade(&core);
        let start = |db| {
            Writer::start(db, move |outcomes| {
                if let Some(core) = told.upgrade() {
                    core.tell(outcomes);
                }
            })
        };
        core.inner().writer = db.map(start);
        Ok(core)
    }

    /// A request whose head has come.
    pub(super) fn connect(self: Arc<Self>, head: Head) -> Connected {
        let mut inner = self.inner();
        let id = ExchangeId(inner.next);
        inner.next += 1;
        inner.exchanges.insert(id, Exchange::default());
        inner
            .platform
            .handle_input(now(), Input::Connected(id, head));
        self.carry_out(inner);
        Connected {
            core: self,
            id,
            is_over: false,
        }
    }

    /// Gives the machine a command.
    pub(super) fn command<T>(
        self: &Arc<Self>,
        command: impl FnOnce(&mut Platform, Instant) -> T,
    ) -> T {
        let mut inner = self.inner();
        let answer = command(&mut inner.platform, now());
        self.carry_out(inner);
        answer
    }

    /// Tells the machine what has happened.
    pub(super) fn tell(self: &Arc<Self>, inputs: impl IntoIterator<Item = Input>) {
        let mut inner = self.inner();
        let now = now();
        for input in inputs {
            inner.platform.handle_input(now, input);
        }
        self.carry_out(inner);
    }

    /// What was last wrong with the database.
    pub(super) fn trouble(&self) -> String {
        self.trouble.words()
    }

    /// Closes the machine.
    pub(super) fn close(self: &Arc<Self>) {
        self.command(Platform::close);
    }

    /// Fires the machine's timers, for ever.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            let armed = {
                let mut inner = self.inner();
                inner.armed = inner.platform.poll_timeout();
                inner.armed
            };
            tokio::select! {
                () = sleep_until(armed) => self.command(Platform::handle_timeout),
                () = self.due.notified() => {}
            }
        }
    }

    /// What happens next; `None` after the end.
    pub(super) async fn next_event(self: &Arc<Self>) -> Option<Event> {
        loop {
            {
                let mut inner = self.inner();
                if let Some(event) = inner.events.pop_front() {
                    inner.is_over = matches!(event, Event::Closed(_));
                    inner.event_bytes = inner.event_bytes.saturating_sub(weight(&event));
                    self.carry_out(inner);
                    return Some(event);
                }
                if inner.is_over {
                    return None;
                }
            }
            self.events.notified().await;
        }
    }

    /// How things stand.
    pub(super) fn counters(&self) -> Counters {
        self.inner().platform.counters()
    }

    /// Writes what is left, and gives the database back the first time.
    pub(super) fn end(&self) -> Option<Db> {
        let writer = self.inner().writer.take();
        writer.map(Writer::stop)
    }

    /// Does what the machine asks for, until there is nothing more or the application does not keep
    /// up: then nothing more is received.
    fn carry_out(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        while inner.events.len() < MAX_EVENTS && inner.event_bytes < MAX_EVENT_BYTES {
            match inner.platform.poll_output() {
                None => break,
                Some(Output::Continue(id, limit)) => inner.say(id, Told::Continue(limit)),
                Some(Output::Send(id, reply)) => inner.say(id, Told::Send(reply)),
                Some(Output::Disconnect(id)) => inner.say(id, Told::Disconnect),
                Some(Output::Store(op)) => match &inner.writer {
                    Some(writer) => writer.submit(op),
                    None if inner.forgets => inner.forget(&op),
                    None => {}
                },
                Some(Output::Ask(id, terminal, question)) => {
                    let (core, dialing) = (Arc::clone(self), inner.dialing.clone());
                    inner.runtime.spawn(async move {
                        let answer = ask::ask(&terminal, &question, dialing).await;
                        core.tell([Input::Answered(id, answer)]);
                    });
                }
                Some(Output::Event(event)) => {
                    inner.event_bytes += weight(&event);
                    inner.events.push_back(event);
                    self.events.notify_one();
                }
                Some(_) => {}
            }
        }
        let due = inner.platform.poll_timeout();
        let is_earlier = match (due, inner.armed) {
            (Some(due), Some(armed)) => due < armed,
            (due, None) => due.is_some(),
            (None, Some(_)) => false,
        };
        if is_earlier {
            inner.armed = due;
            self.due.notify_one();
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// As if it were kept.
    fn forget(&mut self, op: &Op) {
        let seq = match op {
            Op::Keep(entry) => entry.seq,
            Op::Quarantine(what) => what.seq,
            _ => return,
        };
        let stored = Input::Stored(seq, Novelty::New);
        self.platform.handle_input(now(), stored);
    }

    fn say(&mut self, id: ExchangeId, told: Told) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.told.push_back(told);
            if let Some(waker) = exchange.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Connected {
    pub(super) fn id(&self) -> ExchangeId {
        self.id
    }

    /// Tells the machine what has become of it.
    pub(super) fn tell(&self, input: Input) {
        self.core.tell([input]);
    }

    /// What the machine says next. After the end, for ever nothing.
    pub(super) async fn told(&mut self) -> Told {
        let (core, id) = (&self.core, self.id);
        let told = poll_fn(|context| {
            let mut inner = core.inner();
            let Some(exchange) = inner.exchanges.get_mut(&id) else {
                return Poll::Pending;
            };
            let told = exchange.told.pop_front();
            match told {
                Some(Told::Continue(limit)) => Poll::Ready(Told::Continue(limit)),
                Some(last) => {
                    inner.exchanges.remove(&id);
                    Poll::Ready(last)
                }
                None => {
                    exchange.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
        self.is_over = !matches!(told, Told::Continue(_));
        told
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if !self.is_over {
            self.core.inner().exchanges.remove(&self.id);
            self.core.tell([Input::Disconnected(self.id)]);
        }
    }
}

/// The wall clock.
pub(super) fn unix_now() -> UnixMillis {
    UnixMillis(clock::unix_now().0)
}

/// Events that may wait for the application, and the bytes of their bodies.
const MAX_EVENTS: usize = 4_096;
const MAX_EVENT_BYTES: usize = 32 << 20;

fn weight(event: &Event) -> usize {
    match event {
        Event::Kept(entry) => entry.push.json().len(),
        Event::Quarantined(what) => what.raw.len(),
        Event::RemoteAuth(_, request) => request.json().len(),
        _ => 0,
    }
}
