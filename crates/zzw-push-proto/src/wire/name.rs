//! The names of members, and where in a message each stands.

use super::MAX_DEPTH;
use lenient_wire::{Kind, ScanError, Scanner, Value, text};

/// The members that some message knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    T,
    Alias,
    Num,
    Topic,
    Msg,
    Mid,
    Method,
    Opts,
    Aliases,
    Untopic,
    Info,
    Error,
    Code,
    Gap,
    Token,
    R,
    U,
    List,
    Status,
    One2One,
    One2Many,
    Many2Many,
    ChannelSize,
    TimeToLive,
    Total,
    Host,
    Service,
    CommunityId,
    Name,
}

const COUNT: usize = Slot::Name as usize + 1;

/// A set of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slots(u32);

/// Where the members of an object stand. Of a member that is written twice, the last.
pub(crate) struct Fields {
    kinds: [Kind; COUNT],
    // Start above end. A whole `Value` is written in parts and read at once, which costs more than
    // reading the JSON does.
    spans: [u64; COUNT],
    seen: Slots,
    has_novel: bool, // a member that no message knows
}

impl Slot {
    /// The member of this name. By length first: a list of names would be compared one by one.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        Some(match name.len() {
            1 => match name {
                [b't'] => Self::T,
                [b'r'] => Self::R,
                [b'u'] => Self::U,
                _ => return None,
            },
            3 => match name {
                [b'n', b'u', b'm'] => Self::Num,
                [b'm', b's', b'g'] => Self::Msg,
                [b'm', b'i', b'd'] => Self::Mid,
                [b'g', b'a', b'p'] => Self::Gap,
                _ => return None,
            },
            4 => match name {
                [b'o', b'p', b't', b's'] => Self::Opts,
                [b'i', b'n', b'f', b'o'] => Self::Info,
                [b'c', b'o', b'd', b'e'] => Self::Code,
                [b'l', b'i', b's', b't'] => Self::List,
                [b'h', b'o', b's', b't'] => Self::Host,
                [b'n', b'a', b'm', b'e'] => Self::Name,
                _ => return None,
            },
            5 => match name {
                [b'a', b'l', b'i', b'a', b's'] => Self::Alias,
                [b't', b'o', b'p', b'i', b'c'] => Self::Topic,
                [b'e', b'r', b'r', b'o', b'r'] => Self::Error,
                [b't', b'o', b'k', b'e', b'n'] => Self::Token,
                [b't', b'o', b't', b'a', b'l'] => Self::Total,
                _ => return None,
            },
            6 => match name {
                b"method" => Self::Method,
                b"status" => Self::Status,
                _ => return None,
            },
            7 => match name {
                b"aliases" => Self::Aliases,
                b"untopic" => Self::Untopic,
                b"service" => Self::Service,
                _ => return None,
            },
            11 => match name {
                //= docs/spec/zzw-push-proto.md#message
                //# The four counters MUST be read with either case of their first letter and be
                //# written in the document's.
                b"One2OneSize" | b"one2OneSize" => Self::One2One,
                b"channelSize" | b"ChannelSize" => Self::ChannelSize,
                b"communityId" => Self::CommunityId,
                _ => return None,
            },
            12 => match name {
                b"One2ManySize" | b"one2ManySize" => Self::One2Many,
                b"time_to_live" => Self::TimeToLive,
                _ => return None,
            },
            13 => match name {
                b"Many2ManySize" | b"many2ManySize" => Self::Many2Many,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// The member that `key` names in `json`.
    #[inline]
    //= docs/spec/zzw-push-proto.md#message
    //# The name of a member MUST be the same with JSON escapes in it.
    pub(crate) fn of_key(json: &[u8], key: Value) -> Option<Self> {
        match key.kind {
            Kind::Text => Self::of(key.of(json)),
            _ => Self::of(text(json, key)?.as_bytes()),
        }
    }

    /// What most messages have behind this member.
    fn likely_next(self) -> &'static [(Self, &'static str)] {
        match self {
            Self::T => &[(Self::Alias, "alias"), (Self::Method, "method")],
            Self::Method => &[(Self::Topic, "topic"), (Self::Alias, "alias")],
            Self::Alias => &[(Self::Mid, "mid"), (Self::Msg, "msg")],
            Self::Topic => &[(Self::Msg, "msg"), (Self::Num, "num")],
            Self::Mid => &[(Self::Msg, "msg")],
            Self::Msg => &[(Self::Opts, "opts"), (Self::Num, "num")],
            Self::Opts | Self::Info => &[(Self::Num, "num")],
            _ => &[],
        }
    }

    const fn bit(self) -> u32 {
        1_u32.wrapping_shl(self as u32)
    }
}

/// What most messages begin with.
const FIRST: &[(Slot, &str)] = &[(Slot::T, "t")];

impl Slots {
    pub(crate) const fn of(slots: &[Slot]) -> Self {
        let (mut bits, mut rest) = (0, slots);
        while let [first, behind @ ..] = rest {
            bits |= first.bit();
            rest = behind;
        }
        Self(bits)
    }

    pub(crate) const fn without(self, slot: Slot) -> Self {
        Self(self.0 & !slot.bit())
    }

    pub(crate) const fn contains(self, slot: Slot) -> bool {
        self.0 & slot.bit() != 0
    }
}

impl Fields {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            kinds: [Kind::Missing; COUNT],
            spans: [0; COUNT],
            seen: Slots(0),
            has_novel: false,
        }
    }

    /// Reads an object, all of it validated. In place, because this is large.
    #[inline]
    pub(crate) fn read(&mut self, json: &[u8]) -> Result<(), ScanError> {
        let fields = self;
        //= docs/spec/zzw-push-proto.md#message
        //# A message nested deeper than 64 levels MUST be reported as too deep.
        let mut scan = Scanner::new(json, MAX_DEPTH);
        scan.enter_object()?;
        let mut likely = FIRST;
        loop {
            // A guess costs a comparison and saves reading and looking up the name.
            let guessed = likely.iter().find(|(_, name)| scan.key_is(name));
            let slot = if let Some((slot, _)) = guessed {
                Some(*slot)
            } else if let Some(key) = scan.key()? {
                Slot::of_key(json, key)
            } else {
                break;
            };
            likely = slot.map_or(&[], Slot::likely_next);
            let Value { kind, start, end } = scan.value()?;
            match slot {
                Some(slot) => {
                    //= docs/spec/zzw-push-proto.md#message
                    //# If a member occurs twice in one object, the last one MUST win.
                    fields.seen.0 |= slot.bit();
                    if let Some(place) = fields.kinds.get_mut(slot as usize) {
                        *place = kind;
                    }
                    if let Some(place) = fields.spans.get_mut(slot as usize) {
                        *place = (u64::from(start) << 32) | u64::from(end);
                    }
                }
                None => fields.has_novel = true,
            }
        }
        scan.end()
    }

    #[inline]
    pub(crate) fn value(&self, slot: Slot) -> Value {
        let kind = self.kinds.get(slot as usize).copied();
        let span = self.spans.get(slot as usize).copied().unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the upper and the lower half"
        )]
        Value {
            kind: kind.unwrap_or_default(),
            start: (span >> 32) as u32,
            end: span as u32,
        }
    }

    pub(crate) fn has(&self, slot: Slot) -> bool {
        self.seen.contains(slot)
    }

    /// True if there are members beyond those.
    pub(crate) fn exceeds(&self, known: Slots) -> bool {
        self.has_novel || self.seen.0 & !known.0 != 0
    }
}
