//! The two ends of the face lane, which can be switched off and on.

use crate::clock::now;
use crate::face::receiver::{ReceiverHandle, ReceiverOptions, spawn_receiver};
use crate::face::terminal::{
    Tally, TerminalCommand, TerminalHandle, TerminalNews, TerminalOptions, spawn_terminal,
};
use face_record_push::device::Fault;
use face_record_push::platform::Event;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A terminal whose power can be cut.
pub(super) struct Terminal {
    options: TerminalOptions,
    handle: Option<TerminalHandle>,
    tally: Tally, // the last one of a life that is over
    due: Option<Instant>,
    loses_answers: bool,
    trouble: Option<String>,
}

/// A receiver that can be stopped and started on the same port, over the same database.
pub(super) struct Platform {
    options: ReceiverOptions,
    handle: Option<ReceiverHandle>,
    ending: Option<JoinHandle<()>>,
    is_wanted: bool,
    known_before: u64, // in former lives
    trouble: Option<String>,
}

/// Between two attempts to start an end whose port or file the last life still has.
const AGAIN: Duration = Duration::from_millis(200);

impl Terminal {
    pub(super) async fn start(mut options: TerminalOptions) -> io::Result<Self> {
        let handle = spawn_terminal(options.clone()).await?;
        // Whoever was told the address finds it there in every life.
        options.api = handle.api();
        Ok(Self {
            options,
            tally: handle.tally(),
            handle: Some(handle),
            due: None,
            loses_answers: false,
            trouble: None,
        })
    }

    /// Where its configuration API listens.
    pub(super) fn api(&self) -> Option<SocketAddr> {
        self.options.api
    }

    pub(super) fn is_on(&self) -> bool {
        self.handle.is_some()
    }

    /// Why it does not start.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    pub(super) fn tally(&self) -> Tally {
        self.handle
            .as_ref()
            .map_or(self.tally, TerminalHandle::tally)
    }

    /// Ends it in the middle of whatever it does; it comes back after `pause`.
    pub(super) fn cut_power(&mut self, pause: Duration) {
        self.tally = self.tally();
        self.handle = None;
        self.due = now().checked_add(pause);
    }

    /// Has it miss every other acknowledgement, in this life and the next.
    pub(super) fn lose_answers(&mut self, does: bool) {
        self.loses_answers = does;
        let command = if does {
            TerminalCommand::Fault(Fault::LoseAck(0.5))
        } else {
            TerminalCommand::Heal
        };
        if let Some(handle) = &self.handle {
            handle.control().send(command);
        }
    }

    /// Lets nobody pass any more, and heals it.
    pub(super) async fn rest(&mut self) {
        // A command would leave open whether somebody passes before it is obeyed.
        self.options.crowd.rate = 0.0;
        self.loses_answers = false;
        self.stop().await;
        self.due = Some(now());
    }

    pub(super) async fn stop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.tally = handle.stop().await;
        }
    }

    /// Its news, while it has power.
    pub(super) async fn next(&mut self) -> TerminalNews {
        if let Some(handle) = &mut self.handle {
            if let Some(news) = handle.next().await {
                return news;
            }
            // It ended by itself.
            self.cut_power(AGAIN);
        }
        pending().await
    }

    /// Starts it if it is time.
    pub(super) async fn tick(&mut self) {
        if self.handle.is_some() || self.due.is_none_or(|due| now() < due) {
            return;
        }
        match spawn_terminal(self.options.clone()).await {
            Ok(handle) => {
                (self.handle, self.due, self.trouble) = (Some(handle), None, None);
                self.lose_answers(self.loses_answers);
            }
            Err(error) => {
                self.due = now().checked_add(AGAIN);
                self.trouble = Some(error.to_string());
            }
        }
    }
}

impl Platform {
    pub(super) async fn start(mut options: ReceiverOptions) -> io::Result<Self> {
        let handle = spawn_receiver(options.clone()).await?;
        options.listen = handle.address();
        Ok(Self {
            options,
            handle: Some(handle),
            ending: None,
            is_wanted: true,
            known_before: 0,
            trouble: None,
        })
    }

    /// Where it listens, in every life.
    pub(super) fn address(&self) -> SocketAddr {
        self.options.listen
    }

    pub(super) fn is_up(&self) -> bool {
        self.handle.is_some() && self.is_wanted
    }

    /// Why it does not start.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Records that came once more and were known.
    pub(super) fn known(&self) -> u64 {
        let known = |handle: &ReceiverHandle| handle.counters().known;
        self.known_before + self.handle.as_ref().map_or(0, known)
    }

    /// Stops it, or has it started by [`Self::tick`].
    pub(super) fn switch(&mut self, is_wanted: bool) {
        self.is_wanted = is_wanted;
        if let Some(handle) = self.handle.as_mut().filter(|_| !is_wanted) {
            handle.close();
        }
    }

    /// What happens next, also while it is being stopped.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let Some(handle) = &mut self.handle else {
                return pending().await;
            };
            if let Some(event) = handle.next().await {
                return event;
            }
            self.known_before = self.known();
            if let Some(handle) = self.handle.take() {
                self.ending = Some(tokio::spawn(async {
                    handle.stop().await;
                }));
            }
        }
    }

    /// Starts it if it is wanted and its last life is over.
    pub(super) async fn tick(&mut self) {
        if self.ending.as_ref().is_some_and(JoinHandle::is_finished) {
            self.ending = None;
        }
        if !self.is_wanted || self.handle.is_some() || self.ending.is_some() {
            return;
        }
        match spawn_receiver(self.options.clone()).await {
            Ok(handle) => (self.handle, self.trouble) = (Some(handle), None),
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    /// Waits until it has let go of the database.
    pub(super) async fn stop(mut self) {
        if let Some(handle) = self.handle.take() {
            handle.stop().await;
        }
        if let Some(ending) = self.ending.take() {
            // Its panic was told where it happened.
            let _ = ending.await;
        }
    }
}
