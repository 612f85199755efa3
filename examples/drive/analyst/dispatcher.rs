//! A dispatcher: the machine, its connection, its store, its desk over HTTP, and who submits tasks.

use super::journal::{Journal, Opened, Written};
use super::link::{Fact, Link};
use super::{MAX_PAYLOAD, records};
use crate::clock::{now, sleep_until, unix_now};
use crate::http::{self, Body, Incoming, Limits, Request, Response, Server, StatusCode};
use crate::mqtt::News;
use crate::tls::{self, Trust};
use analyst_proto::codec::{self, Lenience};
use analyst_proto::link::{Down, ExchangeId, Publish};
use analyst_proto::platform::{
    Config, Event, Input, Output, Platform, Reason, Refused, Registration, Submission,
};
use analyst_proto::wire::{
    ConnectionInfoRequest, InfoReply, Message, SignedRequest, TaskId, UnixMillis,
};
use analyst_proto::{RequestError, WireError};
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

/// What a dispatcher needs to know.
#[derive(Clone)]
pub struct Options {
    /// Where it listens for analysers and for tasks.
    pub http: SocketAddr,
    /// The certificate that it shows analysers and whoever submits tasks; none, and it speaks HTTP.
    pub tls: Option<TlsAcceptor>,
    /// Whose certificates are good for a broker over TLS.
    pub trust: Trust,
    /// Where its tasks are kept.
    pub data: PathBuf,
    /// The machine's own settings, with its login at the broker.
    pub config: Config,
    /// The analysers.
    pub registrations: Vec<Registration>,
    /// Whether people are told on standard error why the broker is not to be reached.
    pub tells: bool,
}

/// Submits tasks. Clones submit to the same dispatcher.
#[derive(Debug, Clone)]
pub struct Inlet(mpsc::Sender<ToUs>);

/// Why a task was not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotAccepted {
    /// It cannot be read.
    #[error("{0}")]
    Garbled(WireError),
    /// Its number is in use, or was not long ago.
    #[error("a task with this id is known already")]
    Known,
    /// There are too many.
    #[error("too many tasks: try again later")]
    Full,
    /// The dispatcher ends.
    #[error("the dispatcher ends")]
    Closed,
}

/// Why a task was not cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotCancelled {
    /// It is not known.
    #[error("no task with this id is known")]
    Unknown,
    /// It has a verdict.
    #[error("the task has a verdict already")]
    Decided,
    /// The dispatcher ends.
    #[error("the dispatcher ends")]
    Closed,
}

/// What other tasks tell.
#[derive(Debug)]
enum ToUs {
    Info(
        Result<SignedRequest, RequestError>,
        oneshot::Sender<InfoReply>,
    ),
    Submit(Box<Submission>, oneshot::Sender<Result<(), NotAccepted>>),
    Cancel(TaskId, oneshot::Sender<Result<(), NotCancelled>>),
}

/// A dispatcher that listens.
#[derive(Debug)]
pub struct Dispatcher {
    platform: Platform,
    journal: Journal,
    answers: mpsc::UnboundedReceiver<Written>,
    server: Server,
    link: Link,
    exchanges: u64,
    asked: HashMap<ExchangeId, oneshot::Sender<InfoReply>>,
    submitted: HashMap<TaskId, oneshot::Sender<Result<(), NotAccepted>>>,
    told: mpsc::Receiver<ToUs>,
    to_us: mpsc::Sender<ToUs>,
    heard: mpsc::Receiver<News>,
}

/// Longest task in a request, in bytes.
const MAX_TASK: usize = MAX_PAYLOAD;

impl Dispatcher {
    /// Opens the store and listens.
    ///
    /// # Errors
    ///
    /// If the store cannot be opened, the port is taken, or whom to trust cannot be read.
    pub async fn start(options: Options) -> io::Result<Self> {
        let broker_tls = tls::client(&options.trust, tls::UNNAMED).map_err(io::Error::other)?;
        let opened = Journal::open(&options.data, "dispatcher").map_err(io::Error::other)?;
        let Opened {
            journal,
            records,
            answers,
        } = opened;
        let kept: Result<Vec<_>, String> = records
            .iter()
            .map(|it| records::to_dispatcher(it))
            .collect();
        let kept = kept.map_err(io::Error::other)?;
        let mut platform = Platform::restore(now(), wall(), options.config, kept);
        for registration in options.registrations {
            platform.register(now(), registration).map_err(|_| {
                io::Error::other("two analysers have one name, or they are too many: correct the table of secrets")
            })?;
        }
        let listener = http::listen(options.http).await?;
        let (to_us, told) = mpsc::channel(256);
        let (link, heard) = Link::new(broker_tls, options.tells);
        let inlet = Inlet(to_us.clone());
        let limits = Limits {
            body: MAX_TASK,
            ..Limits::default()
        };
        let server = Server::start(listener, limits, options.tls, move |request, _| {
            let inlet = inlet.clone();
            async move { Some(inlet.answer(request, &limits).await) }
        })?;
        Ok(Self {
            platform,
            journal,
            answers,
            server,
            link,
            exchanges: 0,
            asked: HashMap::new(),
            submitted: HashMap::new(),
            told,
            to_us,
            heard,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where tasks are submitted.
    pub fn inlet(&self) -> Inlet {
        Inlet(self.to_us.clone())
    }

    /// Works until `told_to_end` is, or its store fails. `tell` is told what happens, and a verdict
    /// is confirmed once it returns true for it.
    ///
    /// # Errors
    ///
    /// If its store has failed.
    pub async fn run(
        mut self,
        told_to_end: impl Future<Output = ()>,
        mut tell: impl FnMut(&Event) -> bool,
    ) -> io::Result<()> {
        tokio::pin!(told_to_end);
        loop {
            if let Some(reason) = self.settle(&mut tell) {
                self.server.stop().await;
                return match reason {
                    Reason::Local => Ok(()),
                    _ => Err(io::Error::other(
                        "the store has failed for too long: mend what it said above, then start again",
                    )),
                };
            }
            tokio::select! {
                () = &mut told_to_end => self.platform.close(now()),
                Some(news) = self.heard.recv() => self.hear(news),
                Some(told) = self.told.recv() => self.learn(told),
                Some(written) = self.answers.recv() => self.written(written),
                () = sleep_until(self.platform.poll_timeout()) => {
                    self.platform.handle_timeout(now());
                }
            }
        }
    }

    /// Does what the machine asks for. Says why it has ended, if it has.
    fn settle(&mut self, tell: &mut impl FnMut(&Event) -> bool) -> Option<Reason> {
        let mut ended = None;
        while let Some(output) = self.platform.poll_output() {
            match output {
                Output::Open(login) => self.link.open(&login),
                Output::Subscribe(topic) => {
                    let is_up = self.link.subscribe(&topic);
                    self.note_unless(is_up);
                }
                Output::Send(publish) => self.publish(&publish),
                Output::Ack(delivery) => {
                    let is_up = self.link.acknowledge(delivery);
                    self.note_unless(is_up);
                }
                Output::Hangup => self.link.hang_up(),
                Output::InfoReply(exchange, reply) => {
                    if let Some(asker) = self.asked.remove(&exchange) {
                        // Whoever has hung up asks again.
                        let _ = asker.send(reply);
                    }
                }
                Output::Store(seq, op) => self.journal.ask(seq, records::of_dispatcher(&op)),
                Output::Event(event) => ended = self.happened(&event, tell).or(ended),
                Output::Disconnect => return ended,
                _ => {}
            }
        }
        None
    }

    fn happened(&mut self, event: &Event, tell: &mut impl FnMut(&Event) -> bool) -> Option<Reason> {
        let is_noted = tell(event);
        match event {
            Event::Accepted(id) => {
                if let Some(submitter) = self.submitted.remove(id) {
                    let _ = submitter.send(Ok(()));
                }
            }
            Event::Verdict { id, .. } => {
                // One that was cancelled or expired before it was kept.
                if let Some(submitter) = self.submitted.remove(id) {
                    let _ = submitter.send(Ok(()));
                }
                if is_noted {
                    // It is told again after a restart if this is refused.
                    let _ = self.platform.confirm(now(), *id);
                }
            }
            Event::Closed(reason) => return Some(*reason),
            _ => {}
        }
        None
    }

    /// Tells the machine that the connection is gone, unless it is up.
    fn note_unless(&mut self, is_up: bool) {
        if !is_up {
            let input = Input::Disconnected(Down::Lost);
            self.platform.handle_input(now(), input);
        }
    }

    fn publish(&mut self, publish: &Publish) {
        if let Err(why) = self.link.publish(publish) {
            let input = Input::SendFailed(publish.send, why);
            self.platform.handle_input(now(), input);
        }
    }

    fn hear(&mut self, news: News) {
        let input = match self.link.hear(news) {
            None => return,
            Some(Fact::Connected) => Input::Connected,
            Some(Fact::Disconnected(why)) => Input::Disconnected(why),
            Some(Fact::Received(incoming)) => Input::Received(incoming),
            Some(Fact::Garbled(delivery, kind)) => Input::Garbled(delivery, kind),
            Some(Fact::Sent(send)) => Input::Sent(send),
        };
        self.platform.handle_input(now(), input);
    }

    fn learn(&mut self, told: ToUs) {
        match told {
            ToUs::Info(request, asker) => {
                self.exchanges += 1;
                let exchange = ExchangeId(self.exchanges);
                self.asked.insert(exchange, asker);
                let at = wall();
                let input = Input::InfoRequest {
                    exchange,
                    at,
                    request,
                };
                self.platform.handle_input(now(), input);
            }
            ToUs::Submit(submission, submitter) => {
                let id = submission.task.id;
                let refused = match self.platform.submit(now(), wall(), *submission) {
                    Ok(()) => {
                        self.submitted.insert(id, submitter);
                        return;
                    }
                    Err(Refused::Known(_)) => NotAccepted::Known,
                    Err(Refused::Full(_)) => NotAccepted::Full,
                    Err(_) => NotAccepted::Closed,
                };
                let _ = submitter.send(Err(refused));
            }
            ToUs::Cancel(id, asker) => {
                let cancelled = self
                    .platform
                    .cancel(now(), id)
                    .map_err(|refused| match refused {
                        Refused::Unknown(_) => NotCancelled::Unknown,
                        Refused::Decided(_) => NotCancelled::Decided,
                        _ => NotCancelled::Closed,
                    });
                let _ = asker.send(cancelled);
            }
        }
    }

    fn written(&mut self, (seq, outcome): Written) {
        let input = match outcome {
            Ok(()) => Input::Stored(seq),
            Err(why) => {
                eprintln!("not stored: {why}");
                Input::StoreFailed(seq)
            }
        };
        self.platform.handle_input(now(), input);
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("http", &self.http)
            .field("tls", &self.tls.is_some())
            .field("trust", &self.trust)
            .field("data", &self.data)
            .field("config", &self.config)
            .field("registrations", &self.registrations)
            .field("tells", &self.tells)
            .finish()
    }
}

impl Inlet {
    /// Submits a task, the `data` object of a START; returns once it is kept.
    ///
    /// # Errors
    ///
    /// [`NotAccepted`].
    pub async fn submit(&self, data: &[u8]) -> Result<TaskId, NotAccepted> {
        let task = start(data)?;
        let id = task.id;
        let (submitter, accepted) = oneshot::channel();
        let submission = Box::new(Submission::new(task));
        let sent = self.0.send(ToUs::Submit(submission, submitter)).await;
        sent.map_err(|_| NotAccepted::Closed)?;
        accepted.await.unwrap_or(Err(NotAccepted::Closed))?;
        Ok(id)
    }

    /// Cancels a task. It has its verdict once that is told.
    ///
    /// # Errors
    ///
    /// [`NotCancelled`].
    pub async fn cancel(&self, id: TaskId) -> Result<(), NotCancelled> {
        let (asker, cancelled) = oneshot::channel();
        let sent = self.0.send(ToUs::Cancel(id, asker)).await;
        sent.map_err(|_| NotCancelled::Closed)?;
        cancelled.await.unwrap_or(Err(NotCancelled::Closed))
    }

    async fn answer(&self, request: Request<Incoming>, limits: &Limits) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let body = match http::collect(body, limits).await {
            Ok(body) => body,
            Err(answer) => return *answer,
        };
        let is_info =
            path.trim_end_matches('/') == ConnectionInfoRequest::PATH.trim_end_matches('/');
        match (head.method.as_str(), &*path) {
            ("GET" | "POST", _) if is_info => self.info(&query, &body).await,
            ("POST", "/tasks") => self.task(&body).await,
            ("DELETE", path) if path.starts_with("/tasks/") => self.give_up(path).await,
            _ => http::text(
                StatusCode::NOT_FOUND,
                "POST /tasks, DELETE /tasks/ID, or ask for connection info",
            ),
        }
    }

    async fn info(&self, query: &str, body: &Bytes) -> Response<Body> {
        let (asker, reply) = oneshot::channel();
        let request = SignedRequest::parse(query, body);
        let sent = self.0.send(ToUs::Info(request, asker)).await;
        let (Ok(()), Ok(reply)) = (sent, reply.await) else {
            return http::text(StatusCode::SERVICE_UNAVAILABLE, "the dispatcher ends");
        };
        let mut json = Vec::new();
        reply.encode(&mut json);
        http::answer(StatusCode::OK, "application/json", json)
    }

    async fn give_up(&self, path: &str) -> Response<Body> {
        let id = path.strip_prefix("/tasks/").and_then(|id| id.parse().ok());
        let Some(id) = id.map(TaskId) else {
            return http::text(StatusCode::NOT_FOUND, "the id of a task is a number");
        };
        match self.cancel(id).await {
            Ok(()) => http::text(StatusCode::ACCEPTED, "cancelled"),
            Err(why) => {
                let status = match why {
                    NotCancelled::Unknown => StatusCode::NOT_FOUND,
                    NotCancelled::Decided => StatusCode::CONFLICT,
                    NotCancelled::Closed => StatusCode::SERVICE_UNAVAILABLE,
                };
                http::text(status, &why.to_string())
            }
        }
    }

    async fn task(&self, body: &Bytes) -> Response<Body> {
        match self.submit(body).await {
            Ok(id) => {
                let json = format!(r#"{{"id":"{id}"}}"#);
                http::answer(StatusCode::ACCEPTED, "application/json", json)
            }
            Err(why) => {
                let status = match why {
                    NotAccepted::Garbled(_) => StatusCode::BAD_REQUEST,
                    NotAccepted::Known => StatusCode::CONFLICT,
                    _ => StatusCode::SERVICE_UNAVAILABLE,
                };
                http::text(status, &why.to_string())
            }
        }
    }
}

/// A task from the `data` object of a START.
fn start(data: &[u8]) -> Result<analyst_proto::wire::Start, NotAccepted> {
    let mut message = br#"{"action":"ANALYSIS_START","data":"#.to_vec();
    message.extend_from_slice(data);
    message.push(b'}');
    match codec::decode(&message.into(), &Lenience::field()) {
        Ok(Message::Start(start)) => Ok(start),
        Ok(_) => Err(NotAccepted::Closed), // the action is ours
        Err(error) => Err(NotAccepted::Garbled(error)),
    }
}

fn wall() -> UnixMillis {
    UnixMillis(unix_now().0)
}
