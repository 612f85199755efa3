//! One link: two pipes, and what stands at their ends.

use crate::watch::Watch;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use testkit::{Pipe, Rng};
use zzw_push_proto::WireError;
use zzw_push_proto::line::LineCodec;
use zzw_push_proto::platform::Transport;
use zzw_push_proto::socketio::{Decoder, EventName, Opening, Packet, Revision, write_event};
use zzw_push_proto::wire::{Lenience, Message, MessageKind};

/// A link, from when a driver has it until both ends have gone.
#[derive(Debug)]
pub(crate) struct Cable {
    /// Whose it is.
    pub client: usize,
    /// Of which life of the device; an impostor's has none.
    pub life: Option<u64>,
    /// To which process of the broker.
    pub process: u64,
    pub transport: Transport,
    /// Which ends have not gone.
    pub at_device: bool,
    pub at_broker: bool,
    pub up: Way,
    pub down: Way,
    /// What is put into it is lost.
    pub is_dead: bool,
    /// The device does not read.
    pub is_stalled: bool,
    pub watch: Watch,
    /// Lines of nonsense on their way up.
    pub garbage: u64,
    codecs: Option<Box<Codecs>>,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Way {
    pub pipe: Pipe,
    pub frames: VecDeque<Frame>,
}

/// What goes over a link.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    Message(Message),
    Bytes(Bytes),
    /// Nothing more comes.
    End,
}

#[derive(Debug)]
struct Codecs {
    up: Codec,
    down: Codec,
}

#[derive(Debug)]
enum Codec {
    Lines(LineCodec, BytesMut),
    Packets(Decoder),
}

/// What came: a message, or something that is none.
pub(crate) type Arrived = Result<Message, WireError>;

impl Cable {
    pub(crate) fn new(
        client: usize,
        life: Option<u64>,
        process: u64,
        transport: Transport,
    ) -> Self {
        Self {
            client,
            life,
            process,
            transport,
            at_device: true,
            at_broker: true,
            up: Way::default(),
            down: Way::default(),
            is_dead: false,
            is_stalled: false,
            watch: Watch::default(),
            garbage: 0,
            codecs: None,
        }
    }

    /// What goes over it is bytes.
    pub(crate) fn byte_true(mut self, chance: &mut Rng) -> Self {
        let (up, down) = if self.transport == Transport::Tcp {
            let lines = |max| Codec::Lines(LineCodec::new(max), BytesMut::new());
            (lines(LineCodec::SERVER_MAX), lines(LineCodec::DEVICE_MAX))
        } else {
            let revision = *chance.pick(&[Revision::V4, Revision::V5]);
            let opening = *chance.pick(&[Opening::Polling, Opening::Websocket]);
            let packets = || Codec::Packets(Decoder::new(revision, opening));
            (packets(), packets())
        };
        self.codecs = Some(Box::new(Codecs { up, down }));
        self
    }

    /// What carries a message up, if that is bytes.
    pub(crate) fn encode_up(&self, message: &Message, chance: &mut Rng) -> Option<Vec<Frame>> {
        Some(self.codecs.as_ref()?.up.encode(message, chance))
    }

    /// What carries a message down, if that is bytes.
    pub(crate) fn encode_down(&self, message: &Message, chance: &mut Rng) -> Option<Vec<Frame>> {
        Some(self.codecs.as_ref()?.down.encode(message, chance))
    }

    /// What bytes bring up.
    pub(crate) fn decode_up(&mut self, bytes: Bytes) -> Vec<Arrived> {
        let codecs = self.codecs.as_mut().expect("bytes came over it");
        codecs.up.decode(bytes, Message::decode)
    }

    /// What bytes bring down.
    pub(crate) fn decode_down(&mut self, bytes: Bytes) -> Vec<Arrived> {
        let codecs = self.codecs.as_mut().expect("bytes came over it");
        codecs.down.decode(bytes, Message::decode_from_server)
    }
}

impl Codec {
    fn encode(&self, message: &Message, chance: &mut Rng) -> Vec<Frame> {
        let mut out = Vec::new();
        match self {
            Self::Lines(..) => {
                message.encode_line(&mut out);
                let mut bytes = Bytes::from(out);
                let mut pieces = Vec::new();
                while chance.percent(30) && bytes.len() > 1 {
                    let at = chance.between(1..=bytes.len() as u64 - 1);
                    let piece = bytes.split_to(usize::try_from(at).unwrap());
                    pieces.push(Frame::Bytes(piece));
                }
                pieces.push(Frame::Bytes(bytes));
                pieces
            }
            Self::Packets(decoder) => {
                let mut json = Vec::new();
                message.encode_event(&mut json);
                write_event(&mut out, None, event_of(message).as_str(), &[&json]);
                let packet = String::from_utf8(out).expect("packets are text");
                vec![Frame::Bytes(decoder.outbound(&packet).into_owned().into())]
            }
        }
    }

    fn decode(
        &mut self,
        bytes: Bytes,
        read: fn(Bytes, Lenience) -> Result<zzw_push_proto::wire::Decoded, WireError>,
    ) -> Vec<Arrived> {
        match self {
            Self::Lines(lines, buffer) => {
                buffer.extend_from_slice(&bytes);
                let line = std::iter::from_fn(|| lines.decode(buffer));
                let line = line.map(|line| line.expect("no line is too long"));
                line.map(|line| Ok(read(line, Lenience::Vendor)?.message))
                    .collect()
            }
            Self::Packets(decoder) => {
                let packet = decoder.text(bytes).expect("a packet");
                let Packet::Event(event) = packet else {
                    panic!("{packet:?} is no event");
                };
                let kind = MessageKind::of_event(event.known().expect("an event of ours"));
                let json = event.payload().expect("an event with an object").json;
                vec![
                    Message::decode_event(kind, json, Lenience::Vendor)
                        .map(|decoded| decoded.message),
                ]
            }
        }
    }
}

/// The event that carries a message: a failure comes in place of an answer.
fn event_of(message: &Message) -> EventName {
    let kind = message.kind();
    kind.and_then(MessageKind::event)
        .unwrap_or(EventName::DoPushReply)
}
