//! The task that owns a [`Platform`].

use super::{
    Command, Item, SubscriberCommand, SubscriberCounters, SubscriberNews, SubscriberOptions,
};
use super::{Wire, seq_of};
use crate::clock::{SEND_DEADLINE, now, sleep_until, unix_now};
use crate::http::Client;
use crate::mark::MarkFile;
use crate::ws::{self, ClientSocket, Error, Message, ProtocolError, Utf8Bytes};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use se5_events::platform::{Cause, Event, Input, Mark, Op, Output, Platform};
use se5_events::{
    Answer, Ask, AskError, Dialect, ExchangeId, FaceEvent, FromBox, Subscription, ToBox,
    UnixMillis, codec,
};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

/// A subscriber at work.
pub(super) struct Subscriber {
    platform: Platform,
    options: SubscriberOptions,
    client: Client,
    connection: Connection,
    asks: JoinSet<(ExchangeId, Answer, Option<Wire>)>,
    store: Store,
    everything: Option<Everything>,
    items: mpsc::Sender<Item>,
    pending: VecDeque<Item>, // while the application is busy; the box is then not read from
}

enum Connection {
    Down,
    Dialing(JoinHandle<Result<ClientSocket, Error>>),
    Up(Box<Line>),
}

/// An open connection.
struct Line {
    socket: Box<ClientSocket>,
    /// Bytes that the machine knows of.
    known: u64,
    look_at: Instant,
}

/// The mark file, written off the task because a disk may take its time.
struct Store {
    file: Option<MarkFile>,
    writing: JoinSet<(Op, io::Result<()>)>,
    next: Option<Op>,
    /// Marks that the application has not come to yet.
    unreached: usize,
}

/// The wish to subscribe to whatever devices there are.
struct Everything {
    faces: bool,
    registered: bool,
    ask_at: Option<Instant>,
    delay: Duration,
}

/// What the connection says.
enum News {
    Dialled(Result<Box<ClientSocket>, Error>),
    Came(Option<Result<Message, Error>>),
}

/// How often part of a message is looked for.
const LOOK: Duration = Duration::from_secs(1);

impl Subscriber {
    pub(super) fn new(
        options: SubscriberOptions,
        mark: Option<Mark>,
        file: Option<MarkFile>,
        items: mpsc::Sender<Item>,
    ) -> Self {
        let config = options.config.clone();
        Self {
            platform: match mark {
                Some(mark) => Platform::resume(config, mark),
                None => Platform::new(config),
            },
            options,
            client: Client::default(),
            connection: Connection::Down,
            asks: JoinSet::new(),
            store: Store {
                file,
                writing: JoinSet::new(),
                next: None,
                unreached: 0,
            },
            everything: None,
            items,
            pending: VecDeque::new(),
        }
    }

    pub(super) fn counters(&self) -> SubscriberCounters {
        SubscriberCounters {
            machine: self.platform.counters(),
            link: self.platform.link(),
        }
    }

    pub(super) async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        counters: watch::Sender<SubscriberCounters>,
    ) {
        let items = self.items.clone();
        loop {
            let look_at = match &self.connection {
                Connection::Up(line) => Some(line.look_at),
                _ => None,
            };
            let ask_at = self.everything.as_ref().and_then(|wish| wish.ask_at);
            let due = [self.platform.poll_timeout(), look_at, ask_at];
            let is_idle = self.pending.is_empty();
            tokio::select! {
                command = commands.recv() => match command {
                    None => return,
                    Some(Command::Told(SubscriberCommand::Stop)) => break,
                    Some(Command::Told(command)) => self.obey(command),
                    Some(Command::Reached(op)) => self.store.put(op),
                },
                news = self.connection.news(), if is_idle => self.hear(news),
                Some(Ok((id, answer, wire))) = self.asks.join_next() => {
                    self.tap(wire);
                    let answer = FromBox::Answer(id, answer);
                    self.platform.handle_input(now(), Input::Received(unix_now(), answer));
                }
                Some(Ok((op, result))) = self.store.writing.join_next() => {
                    self.stored(&op, result);
                }
                permit = items.reserve(), if !is_idle => {
                    let (Ok(permit), Some(item)) = (permit, self.pending.pop_front()) else {
                        return;
                    };
                    permit.send(item);
                }
                () = sleep_until(due.into_iter().flatten().min()) => {
                    self.look();
                    self.ask_for_devices();
                    self.platform.handle_timeout(now());
                }
            }
            // Before anyone is told what they count.
            counters.send_replace(self.counters());
            self.drain().await;
        }
        self.platform.close(now());
        self.drain().await;
        counters.send_replace(self.counters());
        drop(items);
        self.end(commands).await;
    }

    /// Hands over what is left, and stores the last mark once that has been dealt with.
    async fn end(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let deal = async {
            for item in std::mem::take(&mut self.pending) {
                if self.items.send(item).await.is_err() {
                    return;
                }
            }
            while self.store.unreached > 0 {
                match commands.recv().await {
                    Some(Command::Reached(op)) => self.store.put(op),
                    Some(Command::Told(_)) => {}
                    None => return,
                }
            }
            while self.store.writing.join_next().await.is_some() {
                self.store.write_next();
            }
        };
        // An application that does not come back for what is left does not want it.
        let _ = tokio::time::timeout(SEND_DEADLINE, deal).await;
    }

    fn obey(&mut self, command: SubscriberCommand) {
        let now = now();
        let refused = match command {
            SubscriberCommand::Subscribe(wanted) => {
                self.everything = None;
                let taken = self.platform.subscribe(now, wanted);
                taken.err().map(|refused| refused.to_string())
            }
            SubscriberCommand::SubscribeAll { faces, registered } => {
                self.everything = Some(Everything {
                    faces,
                    registered,
                    ask_at: Some(now),
                    delay: Duration::from_millis(500),
                });
                self.ask_for_devices();
                None
            }
            SubscriberCommand::Devices => {
                let asked = self.platform.devices(now);
                asked.err().map(|refused| refused.to_string())
            }
            SubscriberCommand::Backfill(span) => {
                let taken = self.platform.backfill(now, span);
                taken.err().map(|refused| refused.to_string())
            }
            SubscriberCommand::CutLink => {
                if matches!(self.connection, Connection::Up(_)) {
                    self.lost(Cause::Io);
                }
                None
            }
            SubscriberCommand::Stop => None,
        };
        if let Some(why) = refused {
            self.push(Item::News(SubscriberNews::Refused(why)));
        }
    }

    fn hear(&mut self, news: News) {
        let message = match news {
            News::Dialled(Ok(socket)) => {
                self.connection = Connection::Up(Box::new(Line {
                    known: socket.get_ref().bytes(),
                    socket,
                    look_at: now() + LOOK,
                }));
                let input = Input::Connected(unix_now());
                return self.platform.handle_input(now(), input);
            }
            News::Dialled(Err(error)) | News::Came(Some(Err(error))) => {
                return self.lost(cause(&error));
            }
            News::Came(None) => return self.lost(Cause::Eof),
            News::Came(Some(Ok(message))) => message,
        };
        if let Connection::Up(line) = &mut self.connection {
            line.known = line.socket.get_ref().bytes();
        }
        let at = unix_now();
        let input = match message {
            // The frame's own buffer, which the event and its pictures go on sharing.
            Message::Text(text) => self.event(at, text.into()),
            Message::Binary(bytes) => self.event(at, bytes),
            Message::Pong(_) => Input::Received(at, FromBox::Pong),
            Message::Close(frame) => {
                let code = frame.map_or(1005, |frame| frame.code.into());
                return self.lost(Cause::Close(code));
            }
            Message::Ping(_) | Message::Frame(_) => Input::Heard(at),
        };
        self.platform.handle_input(now(), input);
    }

    fn event(&mut self, at: UnixMillis, json: Bytes) -> Input {
        if self.options.tap {
            self.tap(Some(Wire::Received(json.clone())));
        }
        match FaceEvent::decode_within(json, &self.options.config.limits) {
            Ok(event) => Input::Received(at, FromBox::Face(event)),
            Err(error) => Input::Garbled(at, error),
        }
    }

    fn lost(&mut self, cause: Cause) {
        self.connection.hang_up();
        let input = Input::Disconnected(unix_now(), cause);
        self.platform.handle_input(now(), input);
    }

    /// Tells the machine of a large message that is still coming.
    fn look(&mut self) {
        let Connection::Up(line) = &mut self.connection else {
            return;
        };
        if line.look_at > now() {
            return;
        }
        line.look_at = now() + LOOK;
        let bytes = line.socket.get_ref().bytes();
        if bytes > line.known {
            line.known = bytes;
            self.platform.handle_input(now(), Input::Heard(unix_now()));
        }
    }

    async fn drain(&mut self) {
        while let Some(output) = self.platform.poll_output() {
            match output {
                Output::Connect => {
                    let url = self.options.ws.clone();
                    let dial = tokio::spawn(async move { ws::dial(&url).await });
                    self.connection = Connection::Dialing(dial);
                }
                Output::Send(ToBox::Subscribe(dialect, wanted)) => {
                    self.send_subscription(dialect, &wanted).await;
                }
                Output::Send(ToBox::Ping) => self.send(Message::Ping(Bytes::new())).await,
                Output::Send(ToBox::Ask(id, dialect, ask)) => self.ask(id, dialect, ask),
                Output::Event(event) => {
                    self.note_devices(&event);
                    self.push(Item::News(SubscriberNews::Machine(event)));
                }
                Output::Store(op) if self.store.file.is_some() => {
                    self.store.unreached += 1;
                    self.push(Item::Mark(op));
                }
                // Whoever names no file wants nothing kept.
                Output::Store(op) => self.stored(&op, Ok(())),
                Output::Disconnect => self.connection.hang_up(),
                _ => {}
            }
        }
    }

    async fn send_subscription(&mut self, dialect: Dialect, wanted: &Subscription) {
        let mut json = Vec::new();
        wanted.encode(dialect, &mut json);
        let json = Bytes::from(json);
        if self.options.tap {
            self.tap(Some(Wire::Sent(json.clone())));
        }
        if let Ok(text) = Utf8Bytes::try_from(json) {
            self.send(Message::Text(text)).await;
        }
    }

    async fn send(&mut self, message: Message) {
        let Connection::Up(line) = &mut self.connection else {
            return;
        };
        let sent = tokio::time::timeout(SEND_DEADLINE, line.socket.send(message)).await;
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.lost(cause(&error)),
            Err(_) => self.lost(Cause::Timeout),
        }
    }

    fn ask(&mut self, id: ExchangeId, dialect: Dialect, ask: Ask) {
        let request = codec::encode_ask(&ask, dialect);
        let url = format!("{}{}", self.options.http, request.target);
        let (client, limits) = (self.client.clone(), self.options.config.limits);
        let is_tapped = self.options.tap;
        if is_tapped {
            self.tap(Some(Wire::Asked {
                method: request.method,
                url: url.clone(),
                body: Bytes::copy_from_slice(&request.body),
            }));
        }
        self.asks.spawn(async move {
            let exchange = client.exchange(request.method, &url, request.body).await;
            let wire = |status, body| is_tapped.then_some(Wire::Answered { url, status, body });
            let Ok((status, body)) = exchange else {
                let answer = Answer::Failed(AskError::Unreachable);
                return (id, answer, wire(0, Bytes::new()));
            };
            let answer = codec::decode_answer(&ask, status, body.clone(), &limits);
            (id, answer, wire(status, body))
        });
    }

    /// Subscribes to the devices of a list, if that is the wish; if there is none, asks again.
    fn note_devices(&mut self, event: &Event) {
        let Some(wish) = &mut self.everything else {
            return;
        };
        match event {
            Event::Devices(list) if !list.devices.is_empty() => {
                let wanted = Subscription::new(list.ids())
                    .with_faces(wish.faces)
                    .with_registered(wish.registered);
                self.obey(SubscriberCommand::Subscribe(wanted));
            }
            Event::Devices(_) | Event::DevicesFailed(_) => {
                wish.ask_at = Some(now() + wish.delay);
                wish.delay = (wish.delay * 2).min(Duration::from_secs(30));
            }
            _ => {}
        }
    }

    fn ask_for_devices(&mut self) {
        let Some(wish) = &mut self.everything else {
            return;
        };
        if wish.ask_at.is_none_or(|at| at > now()) {
            return;
        }
        wish.ask_at = None;
        if self.platform.devices(now()).is_err() {
            wish.ask_at = Some(now() + wish.delay);
        }
    }

    fn stored(&mut self, op: &Op, result: io::Result<()>) {
        let Some(seq) = seq_of(op) else { return };
        let input = match result {
            Ok(()) => Input::Stored(seq),
            Err(error) => {
                let why = error.to_string();
                self.push(Item::News(SubscriberNews::MarkFailed(why)));
                Input::StoreFailed(seq)
            }
        };
        self.platform.handle_input(now(), input);
        self.store.write_next();
    }

    fn tap(&mut self, wire: Option<Wire>) {
        if let Some(wire) = wire {
            self.push(Item::News(SubscriberNews::Wire(wire)));
        }
    }

    fn push(&mut self, item: Item) {
        if !self.pending.is_empty() {
            return self.pending.push_back(item);
        }
        if let Err(full) = self.items.try_send(item) {
            self.pending.push_back(full.into_inner());
        }
    }
}

impl Connection {
    async fn news(&mut self) -> News {
        match self {
            Self::Down => std::future::pending().await,
            Self::Dialing(dial) => News::Dialled(match dial.await {
                Ok(dialled) => dialled.map(Box::new),
                Err(_) => Err(Error::Io(io::ErrorKind::Interrupted.into())),
            }),
            Self::Up(line) => News::Came(line.socket.next().await),
        }
    }

    fn hang_up(&mut self) {
        if let Self::Dialing(dial) = std::mem::replace(self, Self::Down) {
            dial.abort();
        }
    }
}

impl Store {
    fn put(&mut self, op: Op) {
        self.unreached = self.unreached.saturating_sub(1);
        self.next = Some(op);
        self.write_next();
    }

    /// One at a time, and the newest only: each replaces the one before.
    fn write_next(&mut self) {
        if !self.writing.is_empty() {
            return;
        }
        let (Some(file), Some(op)) = (&self.file, self.next.take()) else {
            return;
        };
        let file = file.clone();
        self.writing.spawn_blocking(move || {
            let result = match &op {
                Op::Mark { mark, .. } => file.store(mark),
                _ => Ok(()),
            };
            (op, result)
        });
    }
}

/// What an error of the transport means to the machine.
fn cause(error: &Error) -> Cause {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
        ) => Cause::Eof,
        Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Cause::Refused,
            io::ErrorKind::TimedOut => Cause::Timeout,
            io::ErrorKind::UnexpectedEof => Cause::Eof,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Cause::Unreachable,
            _ => Cause::Io,
        },
        Error::Capacity(_) => Cause::Oversize,
        Error::Utf8(_) => Cause::NotUtf8,
        Error::Http(response) => Cause::Handshake(response.status().as_u16()),
        _ => Cause::Io,
    }
}
