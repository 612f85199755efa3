//! The names of members, and where in a message each stands.

use super::MAX_DEPTH;
use bytes::Bytes;
use lenient_wire::{Kind, ScanError, Scanner, Value, text};

macro_rules! slots {
    ($($slot:ident = $($name:literal)|+,)+) => {
        /// The members that some message knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Slot {
            $($slot,)+
        }

        const ALL: &[Slot] = &[$(Slot::$slot),+];

        impl Slot {
            #[inline]
            pub(crate) fn of(name: &[u8]) -> Option<Self> {
                match name {
                    $($($name)|+ => Some(Self::$slot),)+
                    _ => None,
                }
            }
        }
    };
}

slots! {
    T = b"t",
    Alias = b"alias",
    Num = b"num",
    Topic = b"topic",
    Msg = b"msg",
    Mid = b"mid",
    Method = b"method",
    Opts = b"opts",
    Aliases = b"aliases",
    Untopic = b"untopic",
    Info = b"info",
    Error = b"error",
    Code = b"code",
    Gap = b"gap",
    Token = b"token",
    R = b"r",
    U = b"u",
    List = b"list",
    Status = b"status",
    // Either case of the first letter (Z-11).
    One2One = b"One2OneSize" | b"one2OneSize",
    One2Many = b"One2ManySize" | b"one2ManySize",
    Many2Many = b"Many2ManySize" | b"many2ManySize",
    ChannelSize = b"channelSize" | b"ChannelSize",
    TimeToLive = b"time_to_live",
    Total = b"total",
    Host = b"host",
    Service = b"service",
    CommunityId = b"communityId",
    Name = b"name",
}

/// A set of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slots(u32);

/// Where the members of an object stand. Of a member that is written twice, the last.
pub(crate) struct Fields {
    at: [Value; ALL.len()],
    seen: Slots,
    has_novel: bool, // a member that no message knows
}

impl Slot {
    /// The member that `key` names in `json`.
    #[inline]
    pub(crate) fn of_key(json: &[u8], key: Value) -> Option<Self> {
        match key.kind {
            Kind::Text => Self::of(key.of(json)),
            _ => Self::of(text(json, key)?.as_bytes()),
        }
    }

    const fn bit(self) -> u32 {
        1_u32.wrapping_shl(self as u32)
    }
}

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
    /// Reads an object, all of it validated.
    #[inline]
    pub(crate) fn read(json: &Bytes) -> Result<Self, ScanError> {
        let json: &[u8] = json;
        let mut fields = Self {
            at: [Value::default(); ALL.len()],
            seen: Slots(0),
            has_novel: false,
        };
        let mut scan = Scanner::new(json, MAX_DEPTH);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            let slot = Slot::of_key(json, key);
            let value = scan.value()?;
            match slot {
                Some(slot) => {
                    fields.seen.0 |= slot.bit();
                    if let Some(place) = fields.at.get_mut(slot as usize) {
                        *place = value;
                    }
                }
                None => fields.has_novel = true,
            }
        }
        scan.end()?;
        Ok(fields)
    }

    #[inline]
    pub(crate) fn value(&self, slot: Slot) -> Value {
        self.at.get(slot as usize).copied().unwrap_or_default()
    }

    pub(crate) fn has(&self, slot: Slot) -> bool {
        self.seen.contains(slot)
    }

    /// True if there are members beyond those.
    pub(crate) fn exceeds(&self, known: Slots) -> bool {
        self.has_novel || self.seen.0 & !known.0 != 0
    }
}
