//! Reading messages.

use super::extra::object_at;
use super::name::{Fields, Slot, Slots};
use super::object::{Object, Read};
use super::{
    Ack, Batch, Code, Connect, ConnectCode, Connected, Counts, Decoded, Delivery, Door, Extra,
    Failure, Goodbye, Heartbeat, HeartbeatReply, Info, Json, Lenience, MAX_ALIASES, MAX_DEPTH,
    MAX_TOPICS, Message, MessageKind, Method, Num, Numbered, Other, Publish, Pull, Register,
    Status, StatusRequest, Text, TopicList, Ttl,
};
use crate::{WireError, WireErrorKind, repair::repair};
use bytes::Bytes;
use lenient_wire::{Kind, ScanError, Scanner, Value, text};

/// Where a message comes from, which may say what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// A line, from anybody.
    Line,
    /// A line from a server.
    FromServer,
    /// An event that carries this.
    Event(MessageKind),
    /// The body of a POST to `/push`.
    Post,
}

/// Reads a message, however it is written; repairs it once if it is broken and that is put up with.
pub(crate) fn read_any(
    source: &Bytes,
    form: Form,
    lenience: Lenience,
) -> Result<Decoded, WireError> {
    let mut fields = Fields::new();
    match fields.read(source) {
        Ok(()) => read_fields(source, &fields, form, lenience, false),
        Err(error) => read_odd(source, error, form, lenience),
    }
}

/// Reads what is no JSON object.
#[cold]
fn read_odd(
    json: &Bytes,
    error: ScanError,
    form: Form,
    lenience: Lenience,
) -> Result<Decoded, WireError> {
    let fault = |kind| WireError {
        kind,
        t: None,
        num: Num::Absent,
        raw: json.clone(),
    };
    //= docs/spec/zzw-push-proto.md#number-and-failure
    //# An error MUST be reported with the text as it came.
    let as_it_came = |error| WireError {
        raw: json.clone(),
        ..error
    };
    //= docs/spec/zzw-push-proto.md#lenience
    //# A byte order mark in front of a message MUST be skipped.
    if let Some(rest) = json.strip_prefix("\u{feff}".as_bytes()) {
        let rest = json.slice_ref(rest);
        return read_any(&rest, form, lenience).map_err(as_it_came);
    }
    if let Some(value) = single(json) {
        return match value.kind {
            //= docs/spec/zzw-push-proto.md#message
            //# A JSON null MUST be read as no message at all and never be written as one.
            Kind::Null => Ok(Decoded {
                message: Message::Null,
                is_repaired: false,
            }),
            // An object inside a text: `emit(name, jsonString)` is common from Java (Z-10).
            //= docs/spec/zzw-push-proto.md#lenience
            //# A lenient reader MUST read a JSON text that holds an object as that object.
            Kind::Text | Kind::EscapedText if lenience == Lenience::Vendor => {
                let inner = Text::of(json, value).unwrap_or_default();
                let inner = Bytes::copy_from_slice(inner.as_bytes());
                let mut fields = Fields::new();
                let read = fields.read(&inner);
                read.map_err(|_| fault(WireErrorKind::NotObject))?;
                let read = read_fields(&inner, &fields, form, lenience, false);
                read.map_err(as_it_came)
            }
            _ => Err(fault(WireErrorKind::NotObject)),
        };
    }
    //= docs/spec/zzw-push-proto.md#lenience
    //# A strict reader MUST NOT repair anything.
    if let (ScanError::Syntax { .. }, Lenience::Vendor) = (error, lenience) {
        if let Some(repaired) = repair(json) {
            let repaired = Bytes::from(repaired);
            let mut fields = Fields::new();
            if fields.read(&repaired).is_ok() {
                //= docs/spec/zzw-push-proto.md#lenience
                //# A message that was repaired MUST be told from one that was not.
                let read = read_fields(&repaired, &fields, form, lenience, true);
                return read.map_err(as_it_came);
            }
        }
    }
    Err(fault(error.into()))
}

/// The one value that is all of `json`.
fn single(json: &[u8]) -> Option<Value> {
    let mut scan = Scanner::new(json, MAX_DEPTH);
    let value = scan.value().ok()?;
    scan.end().ok().map(|()| value)
}

fn read_fields(
    source: &Bytes,
    fields: &Fields,
    form: Form,
    lenience: Lenience,
    is_repaired: bool,
) -> Result<Decoded, WireError> {
    let object = Object {
        json: source,
        source,
        fields,
        lenience,
    };
    let (t, kind) = match object.t().and_then(|t| Ok((t, object.kind(t, form)?))) {
        Ok((t, Some(kind))) => (t, kind),
        Ok((t, None)) => return object.decoded(is_repaired, |object| object.other(t)),
        Err(kind) => return Err(object.fault(kind)),
    };
    // A message is large. One that comes often is written in its place, all others are moved there.
    match kind {
        MessageKind::Heartbeat => object.decoded(is_repaired, |object| {
            object.heartbeat().map(Message::Heartbeat)
        }),
        MessageKind::Ack => object.decoded(is_repaired, |object| object.ack().map(Message::Ack)),
        MessageKind::Deliver => object.decoded(is_repaired, |object| {
            object.delivery().map(Message::Deliver)
        }),
        MessageKind::Publish => {
            object.decoded(is_repaired, |object| object.publish().map(Message::Publish))
        }
        MessageKind::Register => object.decoded(is_repaired, |object| {
            object.register().map(Message::Register)
        }),
        _ => object.decoded(is_repaired, |object| object.of_kind(kind, t)),
    }
}

impl Form {
    /// True if a message is of this kind when its type says so.
    #[inline]
    pub(crate) fn agrees(self, kind: MessageKind) -> bool {
        match self {
            Self::Line | Self::FromServer => true,
            Self::Event(event) => event == kind,
            Self::Post => kind == MessageKind::Publish,
        }
    }
}

impl Object<'_> {
    #[inline(never)]
    fn decoded(
        &self,
        is_repaired: bool,
        read: impl FnOnce(&Self) -> Read<Message>,
    ) -> Result<Decoded, WireError> {
        match read(self) {
            Ok(message) => Ok(Decoded {
                message,
                is_repaired,
            }),
            Err(kind) => Err(self.fault(kind)),
        }
    }

    #[cold]
    fn fault(&self, kind: WireErrorKind) -> WireError {
        WireError {
            kind,
            t: self.t().unwrap_or(None),
            //= docs/spec/zzw-push-proto.md#number-and-failure
            //# A failure MUST carry the number of the request that failed wherever it can be read.
            num: self.num().unwrap_or_default(),
            raw: self.source.clone(),
        }
    }

    //= docs/spec/zzw-push-proto.md#message
    //# A message of no known type MUST be kept whole together with its number.
    fn other(&self, t: Option<i64>) -> Read<Message> {
        Ok(Message::Other(Other {
            t,
            num: self.num()?,
            raw: Json::of(self, single(self.json).unwrap_or_default()),
        }))
    }

    /// What the object is; `None` if that is not known.
    #[inline]
    fn kind(&self, t: Option<i64>, form: Form) -> Read<Option<MessageKind>> {
        let known = t.and_then(MessageKind::of_t);
        match form {
            Form::Line => Ok(known.or_else(|| t.is_none().then(|| self.bare_kind())?)),
            //= docs/spec/zzw-push-proto.md#message
            //# What comes from a server with an id and a body MUST be read as a delivery, whatever
            //# its type.
            Form::FromServer if self.is_delivery() => Ok(Some(MessageKind::Deliver)),
            Form::FromServer => Ok(known.or_else(|| t.is_none().then(|| self.bare_kind())?)),
            //= docs/spec/zzw-push-proto.md#number-and-failure
            //# An event of a reply that carries type 0 MUST be read as a failure.
            Form::Event(kind) if t == Some(0) && kind.is_reply() => Ok(Some(MessageKind::Failure)),
            Form::Event(kind) => {
                //= docs/spec/zzw-push-proto.md#lenience
                //# The name of an event MUST decide what its message is where its type says
                //# otherwise, unless the reader is strict.
                let agrees = t.is_none() || known == Some(kind);
                if !agrees && self.lenience == Lenience::Strict {
                    //= docs/spec/zzw-push-proto.md#lenience
                    //# A strict reader MUST refuse an event whose type contradicts its name.
                    return Err(WireErrorKind::Contradiction);
                }
                Ok(Some(kind))
            }
            Form::Post if t.is_none() || t == Some(6) => Ok(Some(MessageKind::Publish)),
            Form::Post => Err(WireErrorKind::Shape("t")),
        }
    }

    /// What an object without a type is by its members.
    fn bare_kind(&self) -> Option<MessageKind> {
        let has = |slot| self.fields.has(slot);
        if self.is_delivery() {
            return Some(MessageKind::Deliver);
        }
        let counters = [Slot::One2One, Slot::One2Many, Slot::Many2Many];
        //= docs/spec/zzw-push-proto.md#message
        //# An object without a type that has the four counters MUST be read as the reply to type 7.
        if counters.into_iter().all(has) && has(Slot::ChannelSize) {
            return Some(MessageKind::CountsReply);
        }
        (has(Slot::List) && has(Slot::Status)).then_some(MessageKind::StatusReply)
    }

    fn is_delivery(&self) -> bool {
        let mid = self.fields.value(Slot::Mid).kind;
        let is_mid = matches!(mid, Kind::Text | Kind::EscapedText | Kind::Number);
        is_mid && self.fields.has(Slot::Msg)
    }

    pub(crate) fn of_kind(&self, kind: MessageKind, t: Option<i64>) -> Read<Message> {
        let extra = || self.extra(kind.known());
        Ok(match kind {
            MessageKind::Heartbeat => Message::Heartbeat(self.heartbeat()?),
            MessageKind::HeartbeatReply => Message::HeartbeatReply(HeartbeatReply {
                alias: self.text(Slot::Alias, "alias")?,
                extra: extra(),
            }),
            MessageKind::Register => Message::Register(self.register()?),
            MessageKind::Registered => Message::Registered(self.numbered(kind)?),
            MessageKind::Topics => Message::Topics(self.numbered(kind)?),
            MessageKind::TopicList => Message::TopicList(TopicList {
                topics: self.texts(Slot::Topic, "topic", usize::MAX)?,
                num: self.num()?,
                extra: extra(),
            }),
            MessageKind::Pull => Message::Pull(Pull {
                alias: self.text(Slot::Alias, "alias")?,
                num: self.num()?,
                extra: extra(),
            }),
            MessageKind::Batch => Message::Batch(Batch {
                bodies: self.bodies()?,
                mids: self.texts(Slot::Mid, "mid", usize::MAX)?,
                num: self.num()?,
                extra: extra(),
            }),
            MessageKind::Deliver => Message::Deliver(self.delivery()?),
            MessageKind::Ack => Message::Ack(self.ack()?),
            MessageKind::Publish => Message::Publish(self.publish()?),
            MessageKind::Published => Message::Published(self.numbered(kind)?),
            MessageKind::Counts => Message::Counts(self.numbered(kind)?),
            MessageKind::CountsReply => Message::CountsReply(Counts {
                one_to_one: self.count(Slot::One2One, "One2OneSize")?,
                one_to_many: self.count(Slot::One2Many, "One2ManySize")?,
                many_to_many: self.count(Slot::Many2Many, "Many2ManySize")?,
                channels: self.count(Slot::ChannelSize, "channelSize")?,
                is_bare: t.is_none(),
                num: self.num()?,
                extra: extra(),
            }),
            MessageKind::OpenDoor => Message::OpenDoor(self.door(kind)?),
            MessageKind::Phone => Message::Phone(self.door(kind)?),
            MessageKind::Door => Message::Door(self.door(kind)?),
            MessageKind::Connect => Message::Connect(Connect {
                code: code_of(t),
                alias: self.needed(Slot::Alias, "alias")?,
                token: self.token()?,
                extra: extra(),
            }),
            MessageKind::Connected => Message::Connected(Connected {
                code: code_of(t),
                alias: self.text(Slot::Alias, "alias")?,
                gap: self.count(Slot::Gap, "gap")?,
                extra: extra(),
            }),
            MessageKind::Status => Message::Status(StatusRequest {
                alias: self.needed(Slot::Alias, "alias")?,
                num: self.num()?,
                extra: extra(),
            }),
            MessageKind::StatusReply => Message::StatusReply(self.status()?),
            MessageKind::Goodbye => Message::Goodbye(Goodbye {
                alias: self.text(Slot::Alias, "alias")?,
                extra: extra(),
            }),
            MessageKind::Failure => Message::Failure(Failure {
                error: self.text(Slot::Error, "error")?.unwrap_or_default(),
                code: self.text(Slot::Code, "code")?.map(Code::of),
                num: self.num()?,
                extra: extra(),
            }),
        })
    }

    #[inline]
    fn heartbeat(&self) -> Read<Heartbeat> {
        Ok(Heartbeat {
            alias: self.text(Slot::Alias, "alias")?,
            token: self.token()?,
            extra: self.extra(MessageKind::Heartbeat.known()),
        })
    }

    #[inline]
    fn ack(&self) -> Read<Ack> {
        Ok(Ack {
            alias: self.text(Slot::Alias, "alias")?,
            mid: self.mid()?,
            extra: self.extra(MessageKind::Ack.known()),
        })
    }

    #[inline]
    fn delivery(&self) -> Read<Delivery> {
        // Other servers may write something else there; the message matters more.
        //= docs/spec/zzw-push-proto.md#message
        //# A topic of another shape MUST NOT make a delivery unreadable.
        let topic = self.text(Slot::Topic, "topic").unwrap_or_default();
        Ok(Delivery {
            alias: self.text(Slot::Alias, "alias")?,
            mid: self.mid()?,
            msg: self.body()?,
            extra: self.extra(Delivery::known(topic.as_ref())),
            topic,
        })
    }

    fn numbered(&self, kind: MessageKind) -> Read<Numbered> {
        Ok(Numbered {
            num: self.num()?,
            extra: self.extra(kind.known()),
        })
    }

    fn door(&self, kind: MessageKind) -> Read<Door> {
        Ok(Door {
            room: self.needed(Slot::R, "r")?,
            user: self.needed(Slot::U, "u")?,
            extra: self.extra(kind.known()),
        })
    }

    fn register(&self) -> Read<Register> {
        let register = Register {
            topics: self.texts(Slot::Topic, "topic", MAX_TOPICS)?,
            untopics: self.texts(Slot::Untopic, "untopic", MAX_TOPICS)?,
            info: self.info()?,
            num: self.num()?,
            extra: self.extra(MessageKind::Register.known()),
        };
        if register.topics.is_empty() && register.untopics.is_empty() {
            //= docs/spec/zzw-push-proto.md#topic
            //# A registration without topics MUST fail as incomplete.
            return Err(WireErrorKind::Missing("topic"));
        }
        Ok(register)
    }

    fn info(&self) -> Read<Option<Info>> {
        let value = self.fields.value(Slot::Info);
        match value.kind {
            Kind::Missing | Kind::Null => return Ok(None),
            Kind::Object => {}
            _ => return Err(WireErrorKind::Shape("info")),
        }
        let mut info = Info::default();
        let mut has_novel = false;
        self.members(value, |slot, member| {
            match slot {
                Some(Slot::CommunityId) => {
                    info.community_id = self.text_at(member, "communityId")?;
                }
                Some(Slot::Name) => info.name = self.text_at(member, "name")?,
                _ => has_novel = true,
            }
            Ok(())
        })?;
        if has_novel {
            info.extra = Extra::of(object_at(self, value), Info::KNOWN);
        }
        Ok(Some(info))
    }

    fn publish(&self) -> Read<Publish> {
        let topics = self.texts(Slot::Topic, "topic", MAX_TOPICS)?;
        let slot = match self.fields.value(Slot::Alias).kind {
            Kind::Missing | Kind::Null => Slot::Aliases,
            _ => Slot::Alias,
        };
        let aliases = self.texts(slot, "alias", MAX_ALIASES)?;
        let method = match self.fields.value(Slot::Method) {
            name if name.kind == Kind::Text => {
                Method::named(name.of(self.json)).ok_or(WireErrorKind::Shape("method"))?
            }
            name if name.kind != Kind::Missing => {
                let name = text(self.json, name).ok_or(WireErrorKind::Shape("method"))?;
                Method::of(&name).ok_or(WireErrorKind::Shape("method"))?
            }
            //= docs/spec/zzw-push-proto.md#publication
            //# The method MUST be inferred where it is missing and only one of the lists has
            //# something in it.
            _ if !topics.is_empty() && aliases.is_empty() => Method::Publish,
            _ if topics.is_empty() && !aliases.is_empty() => Method::PublishToAlias,
            _ => return Err(WireErrorKind::Missing("method")),
        };
        let (ttl, opts) = self.opts()?;
        let publish = Publish {
            method,
            topics,
            aliases,
            msg: self.body()?,
            ttl,
            opts,
            num: self.num()?,
            extra: self.extra(MessageKind::Publish.known()),
        };
        //= docs/spec/zzw-push-proto.md#publication
        //# A publication for nobody MUST fail as incomplete.
        if publish.targets().is_empty() {
            let is_topic = method == Method::Publish;
            let name = if is_topic { "topic" } else { "alias" };
            return Err(WireErrorKind::Missing(name));
        }
        Ok(publish)
    }

    fn opts(&self) -> Read<(Option<Ttl>, Extra)> {
        let value = self.fields.value(Slot::Opts);
        match value.kind {
            Kind::Missing | Kind::Null => return Ok((None, Extra::default())),
            Kind::Object => {}
            _ => return Err(WireErrorKind::Shape("opts")),
        }
        let (mut ttl, mut extra) = (None, Extra::default());
        let mut has_novel = false;
        self.members(value, |slot, member| {
            match slot {
                Some(Slot::TimeToLive) => ttl = self.ttl(member)?,
                _ => has_novel = true,
            }
            Ok(())
        })?;
        if has_novel {
            extra = Extra::of(object_at(self, value), Publish::KNOWN_OPTS);
        }
        Ok((ttl, extra))
    }

    fn ttl(&self, value: Value) -> Read<Option<Ttl>> {
        let wrong = WireErrorKind::Shape("time_to_live");
        match value.kind {
            Kind::Missing | Kind::Null => Ok(None),
            Kind::Text | Kind::EscapedText | Kind::Number => {
                let text = text(self.json, value).ok_or(wrong)?;
                Ttl::parse(&text).map(Some).ok_or(wrong)
            }
            _ => Err(wrong),
        }
    }

    pub(crate) fn status(&self) -> Read<Status> {
        let is_online = match self.text(Slot::Status, "status")?.as_deref() {
            Some("online") => true,
            Some("offline") => false,
            _ => return Err(WireErrorKind::Shape("status")),
        };
        Ok(Status {
            alias: self.text(Slot::Alias, "alias")?,
            topics: self.texts(Slot::List, "list", usize::MAX)?,
            is_online,
            num: self.num()?,
            extra: self.extra(MessageKind::StatusReply.known()),
        })
    }
}

impl Info {
    pub(crate) const KNOWN: Slots = Slots::of(&[Slot::CommunityId, Slot::Name]);
}

impl Delivery {
    /// The members that are fields: without the topic if what stands there is none.
    pub(crate) fn known(topic: Option<&Text>) -> Slots {
        let known = MessageKind::Deliver.known();
        topic.map_or(known.without(Slot::Topic), |_| known)
    }
}

impl Publish {
    pub(crate) const KNOWN_OPTS: Slots = Slots::of(&[Slot::TimeToLive]);
}

impl From<ScanError> for WireErrorKind {
    fn from(error: ScanError) -> Self {
        match error {
            //= docs/spec/zzw-push-proto.md#line
            //# Text that is not UTF-8 MUST cost its line and not its link.
            ScanError::Utf8 { .. } => Self::NotUtf8,
            ScanError::TooDeep { max } => Self::TooDeep { max },
            ScanError::Syntax { at } => Self::NotJson { offset: at },
            _ => Self::NotJson { offset: 0 },
        }
    }
}

fn code_of(t: Option<i64>) -> ConnectCode {
    match t {
        Some(11 | -11) => ConnectCode::Eleven,
        _ => ConnectCode::Fourteen,
    }
}
