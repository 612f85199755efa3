//! One link: what comes in on it.

use super::super::seats::Seat;
use super::gate::Wire;
use super::lock;
use super::outbox::{GOODBYE, Outbox, Session, Style};
use super::port::Node;
use super::requests::reply_to;
use crate::zzw::server::core::{Core, Outlet};
use bytes::Bytes;
use engineioxide::{DisconnectReason, ProtocolVersion, TransportType};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use zzw_push_proto::platform::{LinkId, Peer, Transport};
use zzw_push_proto::socketio::{
    Connect, Decoder, Event, EventName, Opening, Packet, PacketError, Revision, write_connect,
};
use zzw_push_proto::wire::{Code, Failure, Goodbye, Lenience, Message, MessageKind, Num, Token};

/// A link, from its first request on.
#[derive(Debug)]
pub(in super::super) struct Link {
    node: Arc<Node>,
    core: Arc<Core>,
    id: LinkId,
    address: IpAddr,
    outbox: Arc<Outbox>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    decoder: Decoder,
    stage: Stage,
    /// It is being closed for what it sent: what comes behind counts no more.
    is_over: bool,
}

/// How far a link has come.
#[derive(Debug)]
enum Stage {
    /// The client has to connect namespace `/` first.
    Opening(Introduction),
    /// The broker has it.
    Connected,
    Gone,
}

/// What a handshake says about the client.
#[derive(Debug, Clone, Default)]
pub(super) struct Introduction {
    pub(super) alias: Option<String>,
    pub(super) token: Option<String>,
}

/// Who opens a link.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) introduction: Introduction,
    pub(super) seat: Seat,
    /// If it comes by websocket.
    pub(super) wire: Option<Arc<Wire>>,
}

/// What an event asks for, which is remembered until it is answered.
enum Asked {
    /// A message for the broker.
    Message(Message),
    /// What is none.
    Garbled(zzw_push_proto::WireError),
}

impl Link {
    pub(super) fn open(node: &Arc<Node>, session: &Arc<Session>, visitor: &Visitor) -> Arc<Self> {
        let revision = match session.protocol {
            ProtocolVersion::V3 => Revision::V4,
            ProtocolVersion::V4 => Revision::V5,
        };
        let opening = match session.transport_type() {
            TransportType::Polling => Opening::Polling,
            TransportType::Websocket => Opening::Websocket,
        };
        let decoder = Decoder::new(revision, opening);
        let style = Style {
            escapes: decoder.wants_escapes(),
            delivery: Arc::clone(&node.delivery),
        };
        let core = Arc::clone(node.shards.next());
        let link = Arc::new(Self {
            node: Arc::clone(node),
            id: core.new_link(),
            core,
            address: visitor.seat.address(),
            outbox: Arc::new(Outbox::new(session, style, node.runtime.clone())),
            state: Mutex::new(State {
                decoder,
                stage: Stage::Opening(visitor.introduction.clone()),
                is_over: false,
            }),
        });
        if let Some(wire) = &visitor.wire {
            link.travel_by(wire);
        }
        link
    }

    /// Lets in who need not ask for it: clients of protocol 4 are connected by the server.
    pub(super) fn greet(self: &Arc<Self>) {
        let revision = lock(&self.state).decoder.revision();
        if revision.client_connects() {
            let link = Arc::downgrade(self);
            let patience = self.node.connect_timeout;
            self.node.runtime.spawn(async move {
                tokio::time::sleep(patience).await;
                if let Some(link) = link.upgrade().filter(|link| link.is_opening()) {
                    link.end(DisconnectReason::TransportClose);
                }
            });
        } else {
            self.connect(None);
        }
    }

    /// The stream under the link from now on; false if it has one.
    pub(super) fn travel_by(self: &Arc<Self>, wire: &Arc<Wire>) -> bool {
        let is_first = self.outbox.travel_by(Arc::clone(wire));
        if is_first {
            wire.belong_to(self);
        }
        is_first
    }

    /// A text has come.
    pub(super) fn text(&self, text: Bytes) {
        let mut state = lock(&self.state);
        if state.is_over {
            return;
        }
        let before = state.decoder.counters();
        let packet = state.decoder.text(text);
        self.core.socketio().add(before, state.decoder.counters());
        let revision = state.decoder.revision();
        let is_opening = matches!(state.stage, Stage::Opening(_));
        drop(state);
        match packet {
            Ok(Packet::Connect(connect)) if is_opening => self.connect(Some(&connect)),
            // Old servers do not mind.
            Ok(Packet::Connect(_)) if !revision.client_connects() => {}
            Ok(Packet::Foreign(foreign)) => {
                let mut refusal = Vec::new();
                foreign.refuse(revision, &mut refusal);
                if !refusal.is_empty() {
                    self.outbox.send_packet(refusal);
                }
            }
            Ok(Packet::Event(event)) if !is_opening => self.event(&event),
            Ok(Packet::Disconnect) if !is_opening => self.goodbye(),
            // Nothing was asked.
            Ok(Packet::Ack(_)) if !is_opening => {}
            Err(PacketError::Binary { .. }) => {}
            // Out of turn, or no packet.
            _ => self.refuse(),
        }
    }

    /// Binary data have come.
    pub(super) fn binary(&self) {
        let mut state = lock(&self.state);
        let before = state.decoder.counters();
        let is_expected = state.decoder.binary().is_ok();
        self.core.socketio().add(before, state.decoder.counters());
        drop(state);
        if !is_expected {
            self.refuse();
        }
    }

    /// All that was sent has been written.
    pub(super) fn written(&self) {
        if self.outbox.written() {
            self.core.drained(self.id);
        }
    }

    /// Packets of these lengths have been fetched by a poll.
    pub(super) fn fetched(&self, packets: impl Iterator<Item = usize>) {
        if self.outbox.fetched(packets) {
            self.core.drained(self.id);
        }
    }

    /// True while it takes less than it is sent.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.is_full()
    }

    /// Its stream is gone.
    pub(super) fn lost(&self) {
        self.end(DisconnectReason::TransportError);
    }

    /// engineioxide has done with it.
    pub(super) fn gone(&self) {
        let stage = std::mem::replace(&mut lock(&self.state).stage, Stage::Gone);
        if matches!(stage, Stage::Connected) {
            self.core.disconnected(self.id);
        }
        self.outbox.end();
    }

    fn is_opening(&self) -> bool {
        matches!(lock(&self.state).stage, Stage::Opening(_))
    }

    /// As the official servers do with what they cannot read.
    fn refuse(&self) {
        lock(&self.state).is_over = true;
        self.end(DisconnectReason::PacketParsingError);
    }

    fn end(&self, reason: DisconnectReason) {
        self.outbox.end_session(reason);
    }

    /// Connects namespace `/` and tells the broker of the link.
    fn connect(&self, connect: Option<&Connect>) {
        // Held until the broker knows the link, lest it hear of its end first.
        let mut state = lock(&self.state);
        let Stage::Opening(query) = &mut state.stage else {
            return;
        };
        let introduction = std::mem::take(query).or(connect);
        state.stage = Stage::Connected;
        let mut packet = Vec::new();
        let sid = connect.map(|_| format!(r#"{{"sid":"{}"}}"#, self.id.0));
        write_connect(&mut packet, sid.as_ref().map(String::as_bytes));
        self.outbox.send_packet(packet);
        self.introduce(introduction);
    }

    /// Here a handshake becomes a peer of the broker (Z-25, K-2).
    fn introduce(&self, introduction: Introduction) {
        let mut peer = Peer::new(Transport::SocketIo, self.address);
        if let Some(alias) = introduction.alias {
            peer = peer.with_alias(alias);
        }
        if let Some(token) = introduction.token {
            peer = peer.with_token(Token::new(token));
        }
        let outlet = Outlet::Events(Arc::clone(&self.outbox));
        self.core.connect(self.id, peer, outlet);
    }

    fn event(&self, event: &Event) {
        let Some(name) = event.known() else {
            return self.unknown(event);
        };
        let asked = read(name, event, self.node.lenience);
        let num = match &asked {
            Asked::Message(Message::Null) => return,
            Asked::Message(message) => message.num().clone(),
            Asked::Garbled(error) => error.num.clone(),
        };
        self.outbox.ask(reply_to(name), num, event.id());
        match asked {
            Asked::Message(message) => {
                let is_told = !matches!(message, Message::Ack(_));
                self.core.received(self.id, Ok(message));
                if !is_told {
                    // An acknowledgement that is in order is answered with nothing (Z-4).
                    self.outbox.settle(&reply_to(name));
                }
            }
            Asked::Garbled(error) => self.core.received(self.id, Err(error)),
        }
    }

    /// An event of which nothing is known is answered by the same rule (Z-2).
    //= docs/spec/zzw-push-proto.md#socket-io
    //# A failure MUST be sent under the name of the reply, also if nothing but the name of the
    //# request is known.
    fn unknown(&self, event: &Event) {
        let argument = event.argument().unwrap_or_default();
        let num = match Message::decode(argument, self.node.lenience) {
            Ok(decoded) => decoded.message.num().clone(),
            Err(error) => error.num,
        };
        let name = event.name();
        let reply = if name.len() <= MAX_ECHOED {
            format!("{name}_c").into()
        } else {
            reply_to(EventName::Connect)
        };
        let failure = Message::Failure(Failure::new(Code::UnknownType, num.clone()));
        self.outbox.ask(reply, num, event.id());
        self.outbox.send(&failure);
    }

    /// The client has left namespace `/`: the same as its event `disconnect`.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# A DISCONNECT packet from a client MUST count as its goodbye.
    fn goodbye(&self) {
        self.outbox.ask(GOODBYE.into(), Num::Absent, None);
        let goodbye = Message::Goodbye(Goodbye::default());
        self.core.received(self.id, Ok(goodbye));
    }
}

/// The longest name of an unknown event that is repeated in the answer, in bytes.
const MAX_ECHOED: usize = 64;

/// The message that an event carries. One without an argument carries an empty one.
fn read(name: EventName, event: &Event, lenience: Lenience) -> Asked {
    let json = event.argument().unwrap_or(Bytes::from_static(b"{}"));
    match Message::decode_event(MessageKind::of_event(name), json, lenience) {
        Ok(decoded) => Asked::Message(decoded.message),
        Err(error) => Asked::Garbled(error),
    }
}

impl Introduction {
    /// What the CONNECT of protocol 5 says counts before the query.
    //= docs/spec/zzw-push-proto.md#socket-io
    //# What `auth` says MUST count before what the query says.
    fn or(self, connect: Option<&Connect>) -> Self {
        let said = |member: Option<std::borrow::Cow<'_, str>>| {
            member.filter(|text| !text.is_empty()).map(String::from)
        };
        let alias = connect.and_then(|connect| said(connect.alias()));
        let token = connect.and_then(|connect| said(connect.token()));
        Self {
            alias: alias.or(self.alias),
            token: token.or(self.token),
        }
    }
}
