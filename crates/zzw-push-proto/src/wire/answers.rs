//! What REST answers with: reading and writing.

use super::extra::object_at;
use super::name::{Fields, Slot, Slots};
use super::object::{Object, Read};
use super::write::Writer;
use super::{
    AliasPage, ClusterInfo, Extra, Failure, Lenience, Message, MessageKind, NodeCounts, Numbered,
    Servers, Service, Text,
};
use crate::{WireErrorKind, repair::repair};
use bytes::Bytes;
use lenient_wire::{Kind, Scanner, boolean, integer, push_text, text};

/// Reads an object and what `read` makes of it; repairs it once if it is broken and that is put up
/// with.
pub(crate) fn read_reply<T>(
    body: &Bytes,
    lenience: Lenience,
    read: impl FnOnce(&Object<'_>) -> Read<T>,
) -> Read<T> {
    let body = match body.strip_prefix("\u{feff}".as_bytes()) {
        Some(rest) => body.slice_ref(rest),
        None => body.clone(),
    };
    let mut fields = Fields::new();
    let json = match (fields.read(&body).map_err(WireErrorKind::from), lenience) {
        (Ok(()), _) => body,
        (Err(kind @ WireErrorKind::NotJson { .. }), Lenience::Vendor) => {
            //= docs/spec/zzw-push-proto.md#rest
            //# An answer MUST be readable with broken JSON that a lenient reader repairs.
            let repaired = Bytes::from(repair(&body).ok_or(kind)?);
            fields = Fields::new();
            fields.read(&repaired).map_err(|_| kind)?;
            repaired
        }
        (Err(kind), _) => return Err(kind),
    };
    read(&Object {
        json: &json,
        source: &json,
        fields: &fields,
        lenience,
    })
}

impl Object<'_> {
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.t(), Ok(Some(0)))
    }

    pub(crate) fn failure(&self) -> Read<Failure> {
        match self.of_kind(MessageKind::Failure, None)? {
            Message::Failure(failure) => Ok(failure),
            _ => Err(WireErrorKind::Shape("t")),
        }
    }

    pub(crate) fn published(&self) -> Read<Numbered> {
        match (self.t()?, self.of_kind(MessageKind::Published, None)?) {
            (Some(-6), Message::Published(published)) => Ok(published),
            _ => Err(WireErrorKind::Shape("t")),
        }
    }

    pub(crate) fn servers(&self) -> Read<Servers> {
        let service = self.fields.value(Slot::Service);
        if service.kind != Kind::Object {
            return Err(WireErrorKind::Missing("service"));
        }
        Ok(Servers {
            host: self.needed(Slot::Host, "host")?,
            service: Service::read(&object_at(self, service))?,
            extra: self.extra(Servers::KNOWN),
        })
    }

    pub(crate) fn aliases(&self) -> Read<AliasPage> {
        Ok(AliasPage {
            total: self.count(Slot::Total, "total")?,
            aliases: self.texts(Slot::List, "list", usize::MAX)?,
            extra: self.extra(AliasPage::KNOWN),
        })
    }

    /// Every member is a server, but for `stale` if it is a truth.
    pub(crate) fn cluster(&self) -> Read<ClusterInfo> {
        let mut info = ClusterInfo::default();
        let mut scan = Scanner::new(self.json, super::MAX_DEPTH);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            let value = scan.value()?;
            match value.kind {
                Kind::Object => {
                    let host = Text::of(self, key).unwrap_or_default();
                    let counts = NodeCounts::read(&object_at(self, value))?;
                    info.nodes.push((host, counts));
                }
                Kind::True | Kind::False if key.of(self.json) == b"stale" => {
                    info.is_stale = boolean(self.json, value).unwrap_or_default();
                }
                _ => return Err(WireErrorKind::Shape("host")),
            }
        }
        Ok(info)
    }
}

/// Reads numbers whose names stand nowhere else in the protocol; the rest is further members.
fn read_counts<const N: usize>(json: &Bytes, names: [&'static str; N]) -> Read<([u64; N], Extra)> {
    let mut counts = [0; N];
    let mut extra = Extra::default();
    let mut scan = Scanner::new(json, super::MAX_DEPTH);
    scan.enter_object()?;
    while let Some(key) = scan.key()? {
        let value = scan.value()?;
        let name = text(json, key).unwrap_or_default();
        match names
            .iter()
            .zip(&mut counts)
            .find(|(known, _)| **known == name)
        {
            Some((known, place)) => {
                let count = integer(json, value).and_then(|count| count.try_into().ok());
                *place = count.ok_or(WireErrorKind::Shape(known))?;
            }
            None => extra.push(&name, &super::Json::of(json, value)),
        }
    }
    Ok((counts, extra))
}

impl Service {
    fn read(json: &Bytes) -> Read<Self> {
        let names = ["rest", "webSocket", "socket", "push"];
        let (ports, extra) = read_counts(json, names)?;
        let [rest, web_socket, socket, push] =
            ports.map(|port| u16::try_from(port).map_err(|_| WireErrorKind::Shape("service")));
        Ok(Self {
            rest: rest?,
            web_socket: web_socket?,
            socket: socket?,
            push: push?,
            extra,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut to = Writer::new(out);
        to.number("\"rest\":", self.rest.into())
            .number("\"webSocket\":", self.web_socket.into())
            .number("\"socket\":", self.socket.into())
            .number("\"push\":", self.push.into())
            .extra(&self.extra, Slots::default())
            .end();
    }
}

impl NodeCounts {
    fn read(json: &Bytes) -> Read<Self> {
        let names = [
            "webSocketSize",
            "channelSize",
            "onlineAllSize",
            "socketIOSize",
        ];
        let ([web_sockets, channels, online, socket_ios], extra) = read_counts(json, names)?;
        Ok(Self {
            web_sockets,
            channels,
            online,
            socket_ios,
            extra,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut to = Writer::new(out);
        to.number("\"webSocketSize\":", self.web_sockets)
            .number("\"channelSize\":", self.channels)
            .number("\"onlineAllSize\":", self.online)
            .number("\"socketIOSize\":", self.socket_ios)
            .extra(&self.extra, Slots::default())
            .end();
    }
}

impl Servers {
    const KNOWN: Slots = Slots::of(&[Slot::Host, Slot::Service]);

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut to = Writer::new(out);
        self.service.write(to.name("\"service\":"));
        to.text("\"host\":", self.host.as_utf8())
            .extra(&self.extra, Self::KNOWN)
            .end();
    }
}

impl AliasPage {
    const KNOWN: Slots = Slots::of(&[Slot::Total, Slot::List]);

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut to = Writer::new(out);
        to.number("\"total\":", self.total)
            .texts("\"list\":", &self.aliases)
            .extra(&self.extra, Self::KNOWN)
            .end();
    }
}

impl ClusterInfo {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (nth, (host, counts)) in self.nodes.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            push_text(out, host);
            out.push(b':');
            counts.write(out);
        }
        if self.is_stale {
            let comma = if self.nodes.is_empty() { "" } else { "," };
            out.extend_from_slice(comma.as_bytes());
            out.extend_from_slice(b"\"stale\":true");
        }
        out.push(b'}');
    }
}
