//! Socket.IO over WebSocket, both revisions.

use super::DeviceOptions;
use super::dial::{End, Ends, FromLink, LAST_WORDS};
use crate::clock::sleep_until;
use crate::ws::{Error, Message as Frame, Utf8Bytes};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use lenient_wire::ObjectWriter;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use zzw_push_proto::WireError;
use zzw_push_proto::device::Cause;
use zzw_push_proto::socketio::engine::{EnginePacket, Handshake, Query, Transport};
use zzw_push_proto::socketio::{
    AckId, Decoder, Event, MAX_PACKET, Opening, Packet, Revision, write_ack, write_connect,
    write_disconnect, write_event,
};
use zzw_push_proto::wire::{Decoded, Lenience, Message, MessageKind};

/// A link on which both ends have shaken hands, as far down as Socket.IO.
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
    decoder: Decoder,
    handshake: Handshake,
}

/// What the reader wants to be sent.
enum Reply {
    Pong(Bytes),
    Ack(AckId),
}

struct Reader {
    socket: SplitStream<WebSocketStream<TcpStream>>,
    decoder: Decoder,
    handshake: Handshake,
    delivery_event: String,
    lenience: Lenience,
    replies: mpsc::Sender<Reply>,
}

struct Writer {
    socket: SplitSink<WebSocketStream<TcpStream>, Frame>,
    /// Between pings of ours, where they are ours.
    ping_interval: Option<Duration>,
    send_timeout: Duration,
    revision: Revision,
}

/// Replies that wait to be sent. A server that asks for more without reading is none.
const MAX_REPLIES: usize = 64;

/// How long the last events are ahead of the goodbye. The official servers hand events on a moment
/// after they have read them, and drop them if a goodbye was read meanwhile.
const SETTLE: Duration = Duration::from_millis(50);

/// Most messages that are flushed together.
const BATCH: usize = 64;

/// Shakes hands: as a WebSocket, in Engine.IO, and in Socket.IO.
pub(super) async fn open(
    stream: TcpStream,
    name: &str,
    revision: Revision,
    options: &DeviceOptions,
) -> Result<Socket, End> {
    let config = &options.config;
    let mut query = Query::new(revision, Transport::Websocket);
    query.alias = Some(config.alias.to_string());
    query.token = config.token.as_ref().map(|token| token.as_str().to_owned());
    let url = format!("ws://{name}/socket.io/?{query}");
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_PACKET + 1))
        .max_frame_size(Some(MAX_PACKET + 1))
        .max_write_buffer_size(1 << 20)
        .read_buffer_size(16 << 10);
    let upgraded = tokio_tungstenite::client_async_with_config(url, stream, Some(limits)).await;
    let (stream, _) = upgraded.map_err(|error| refusal(name, revision, &error))?;
    let mut socket = Socket {
        stream,
        decoder: Decoder::new(revision, Opening::Websocket),
        handshake: Handshake::new(""),
    };
    socket.shake_hands(name, options).await?;
    Ok(socket)
}

impl Socket {
    async fn shake_hands(&mut self, name: &str, options: &DeviceOptions) -> Result<(), End> {
        let first = self.next().await.map_err(|end| match end.cause {
            // Servers of 4.x answer the older revision with HTTP where a WebSocket is by then.
            Cause::Broken if self.decoder.revision() == Revision::V4 => {
                let why = format!("{name} speaks no Socket.IO of 1.x and 2.x; use socketio");
                End::new(Cause::Garbled, why)
            }
            _ => end,
        })?;
        let EnginePacket::Open(handshake) = first else {
            let why = format!("{name}: a WebSocket, but no Socket.IO; that is on port 9906");
            return Err(End::new(Cause::Garbled, why));
        };
        self.handshake = handshake;
        if self.decoder.revision().client_connects() {
            let mut packet = vec![b'4'];
            write_connect(&mut packet, Some(&auth(options)));
            self.stream.send(frame(packet)).await.map_err(end_of)?;
        }
        loop {
            let packet = match self.next().await? {
                EnginePacket::Message(packet) => packet,
                EnginePacket::Close => return Err(End::new(Cause::Closed, "closed at once")),
                EnginePacket::Ping(content) => {
                    let mut pong = vec![b'3'];
                    pong.extend_from_slice(&content);
                    self.stream.send(frame(pong)).await.map_err(end_of)?;
                    continue;
                }
                _ => continue,
            };
            let packet = self.decoder.text(packet);
            match packet.map_err(|error| End::new(Cause::Garbled, error.to_string()))? {
                Packet::Connect(connect) => {
                    let is_old = connect.sid().is_none();
                    if self.decoder.revision() == Revision::V5 && is_old {
                        let why =
                            format!("{name} speaks Socket.IO of 1.x and 2.x; use socketio-v2");
                        return Err(End::new(Cause::Garbled, why));
                    }
                    return Ok(());
                }
                Packet::Error(refusal) => {
                    let text = refusal.message();
                    let text = text.as_deref().unwrap_or("it does not say why");
                    return Err(End::new(Cause::Closed, format!("{name} refuses: {text}")));
                }
                Packet::Disconnect => {
                    let why = format!("{name} refuses: it disconnects at once");
                    return Err(End::new(Cause::Closed, why));
                }
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> Result<EnginePacket, End> {
        loop {
            let packet = match self.stream.next().await {
                None | Some(Ok(Frame::Close(_))) => return Err(closed()),
                Some(Err(error)) => return Err(end_of(error)),
                Some(Ok(Frame::Text(text))) => Bytes::from(text),
                Some(Ok(_)) => continue,
            };
            let packet = EnginePacket::decode(&packet);
            return packet.map_err(|error| End::new(Cause::Garbled, error.to_string()));
        }
    }

    /// Reads and writes until one of both cannot go on, or the queue ends.
    pub(super) async fn talk(self, options: &DeviceOptions, ends: &mut Ends) -> End {
        let (sink, stream) = self.stream.split();
        let (replies, wanted) = mpsc::channel(MAX_REPLIES);
        let pings = self.decoder.revision().client_pings();
        let mut writer = Writer {
            socket: sink,
            ping_interval: pings.then_some(self.handshake.ping_interval),
            send_timeout: options.send_timeout,
            revision: self.decoder.revision(),
        };
        let mut reader = Reader {
            socket: stream,
            decoder: self.decoder,
            handshake: self.handshake,
            delivery_event: options.delivery_event.clone(),
            lenience: options.lenience,
            replies,
        };
        let end = tokio::select! {
            end = reader.read(&ends.news) => return end,
            end = writer.write(&mut ends.queue, wanted) => end,
        };
        if end.cause == Cause::Local {
            // Until the server has closed, too: then it has read everything.
            let closed = async { while let Some(Ok(_)) = reader.socket.next().await {} };
            let _ = tokio::time::timeout(LAST_WORDS, closed).await;
        }
        end
    }
}

impl Reader {
    async fn read(&mut self, news: &mpsc::Sender<FromLink>) -> End {
        let patience = self.handshake.ping_interval + self.handshake.ping_timeout;
        let mut dead_at = tokio::time::Instant::now() + patience;
        loop {
            let told = match tokio::time::timeout_at(dead_at, self.socket.next()).await {
                Err(_) => return End::broken("the server does not ping, or answer pings, in time"),
                Ok(None | Some(Ok(Frame::Close(_)))) => return closed(),
                Ok(Some(Err(error))) => return end_of(error),
                Ok(Some(Ok(Frame::Text(text)))) => self.packet(&text.into()),
                Ok(Some(Ok(Frame::Binary(_)))) => match self.decoder.binary() {
                    Ok(()) => Ok(None),
                    Err(error) => Err(End::new(Cause::Garbled, error.to_string())),
                },
                // Pings of the layer below say nothing about this one.
                Ok(Some(Ok(_))) => continue,
            };
            match told {
                Err(end) => return end,
                Ok(None) => {}
                Ok(Some(told)) => {
                    if news.send(told).await.is_err() {
                        return End::unheard();
                    }
                }
            }
            dead_at = tokio::time::Instant::now() + patience;
        }
    }

    /// What an Engine.IO packet brings, if it brings something.
    fn packet(&mut self, packet: &Bytes) -> Result<Option<FromLink>, End> {
        let packet = EnginePacket::decode(packet);
        match packet.map_err(|error| End::new(Cause::Garbled, error.to_string()))? {
            EnginePacket::Message(packet) => self.message(packet),
            EnginePacket::Ping(content) => self.reply(Reply::Pong(content)),
            EnginePacket::Close => Err(closed()),
            _ => Ok(None),
        }
    }

    fn message(&mut self, packet: Bytes) -> Result<Option<FromLink>, End> {
        match self.decoder.text(packet) {
            Ok(Packet::Event(event)) => {
                if let Some(id) = event.id() {
                    self.reply(Reply::Ack(id))?;
                }
                Ok(Some(match self.event(&event) {
                    Ok(decoded) => FromLink::Heard(decoded.message),
                    Err(error) => FromLink::Garbled(error),
                }))
            }
            Ok(Packet::Disconnect) => {
                let why = "the server has said goodbye";
                Err(End::new(Cause::Closed, why))
            }
            Ok(Packet::Error(refusal)) => {
                let text = refusal.message();
                let text = text.as_deref().unwrap_or("it does not say why");
                let why = format!("the server refuses: {text}");
                Err(End::new(Cause::Closed, why))
            }
            Err(error) if error.is_fatal() => Err(End::new(Cause::Garbled, error.to_string())),
            // We ask for no acknowledgements, and have no other namespace; and binary packets are
            // dropped.
            Ok(_) | Err(_) => Ok(None),
        }
    }

    fn event(&self, event: &Event) -> Result<Decoded, WireError> {
        // What is no object is an error that says so.
        let json = match event.payload() {
            Some(payload) => payload.json,
            None => event.argument().unwrap_or_default(),
        };
        let known = event.known();
        if event.name() == self.delivery_event {
            return Message::decode_event(MessageKind::Deliver, json, self.lenience);
        }
        match known.map(MessageKind::of_event) {
            // "No data", says the document.
            Some(MessageKind::Connected) if json.is_empty() => {
                let json = Bytes::from_static(b"{}");
                Message::decode_event(MessageKind::Connected, json, self.lenience)
            }
            Some(kind) => Message::decode_event(kind, json, self.lenience),
            // Whatever has an id and a body is a delivery (Z-3).
            None => Message::decode_from_server(json, self.lenience),
        }
    }

    fn reply(&self, reply: Reply) -> Result<Option<FromLink>, End> {
        match self.replies.try_send(reply) {
            Ok(()) => Ok(None),
            Err(_) => Err(End::broken("the server asks for more than it reads")),
        }
    }
}

impl Writer {
    async fn write(
        &mut self,
        queue: &mut mpsc::Receiver<Message>,
        mut replies: mpsc::Receiver<Reply>,
    ) -> End {
        let mut ping_at = self.next_ping();
        loop {
            let mut frames = Vec::new();
            tokio::select! {
                message = queue.recv() => match message {
                    Some(message) => frames.extend(self.event(&message)),
                    None => break,
                },
                Some(reply) = replies.recv() => frames.push(reply.frame()),
                () = sleep_until(ping_at) => {
                    frames.push(frame(vec![b'2']));
                    ping_at = self.next_ping();
                }
            }
            while frames.len() < BATCH {
                let Ok(message) = queue.try_recv() else { break };
                frames.extend(self.event(&message));
            }
            if let Err(end) = self.send(frames).await {
                return end;
            }
        }
        tokio::time::sleep(SETTLE).await;
        let mut goodbye = vec![b'4'];
        write_disconnect(&mut goodbye);
        // It may have gone before us.
        let _ = self.send(vec![frame(goodbye), Frame::Close(None)]).await;
        End::local()
    }

    /// The message as an event; none for what only lines have.
    fn event(&self, message: &Message) -> Option<Frame> {
        if self.revision == Revision::V5 && matches!(message, Message::Goodbye(_)) {
            // The name is reserved there: the official servers cut a link on which it comes. The
            // packet that is sent at the end says the same.
            return None;
        }
        let name = message.kind()?.event()?;
        let mut json = Vec::new();
        message.encode_event(&mut json);
        let mut packet = vec![b'4'];
        write_event(&mut packet, None, name.as_str(), &[&json]);
        Some(frame(packet))
    }

    fn next_ping(&self) -> Option<Instant> {
        self.ping_interval.map(|interval| Instant::now() + interval)
    }

    async fn send(&mut self, frames: Vec<Frame>) -> Result<(), End> {
        let sent = async {
            for frame in frames {
                self.socket.feed(frame).await?;
            }
            self.socket.flush().await
        };
        match tokio::time::timeout(self.send_timeout, sent).await {
            Ok(sent) => sent.map_err(end_of),
            Err(_) => Err(End::broken("the server takes nothing of what is sent")),
        }
    }
}

impl Reply {
    fn frame(self) -> Frame {
        match self {
            Self::Pong(content) => {
                let mut packet = vec![b'3'];
                packet.extend_from_slice(&content);
                frame(packet)
            }
            Self::Ack(id) => {
                let mut packet = vec![b'4'];
                write_ack(&mut packet, id, &[]);
                frame(packet)
            }
        }
    }
}

/// The alias and the token once more, for servers that look there.
fn auth(options: &DeviceOptions) -> Vec<u8> {
    let mut json = Vec::new();
    let mut object = ObjectWriter::new(&mut json);
    object.text("alias", &options.config.alias);
    if let Some(token) = &options.config.token {
        object.text("token", token.as_str());
    }
    object.end();
    json
}

/// Everything that is sent is UTF-8: it was written by us.
fn frame(packet: Vec<u8>) -> Frame {
    Frame::Text(Utf8Bytes::try_from(packet).unwrap_or_default())
}

fn closed() -> End {
    End::new(Cause::Closed, "the server has closed the link")
}

fn end_of(error: Error) -> End {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => closed(),
        Error::Capacity(error) => End::new(Cause::Garbled, error.to_string()),
        Error::Utf8(error) => End::new(Cause::Garbled, error),
        Error::Protocol(error) => End::broken(error.to_string()),
        error => End::broken(error.to_string()),
    }
}

/// Why there is no WebSocket.
fn refusal(name: &str, revision: Revision, error: &Error) -> End {
    let advice = "is this the Socket.IO port, 9906?";
    match error {
        Error::Http(response) => {
            let status = response.status().as_u16();
            let body = response.body().as_deref().unwrap_or_default();
            let body = String::from_utf8_lossy(body);
            if body.contains("Unsupported protocol version") {
                let other = match revision {
                    Revision::V4 => "socketio",
                    _ => "socketio-v2",
                };
                let why = format!("{name} does not speak this revision; use {other}");
                return End::new(Cause::Garbled, why);
            }
            End::unreachable(format!("{name} answers HTTP {status}; {advice}"))
        }
        Error::Io(error) => End::broken(format!("{name}: {error}; {advice}")),
        error => {
            let why = format!("{name}: no WebSocket server answers ({error}); {advice}");
            End::new(Cause::Garbled, why)
        }
    }
}
