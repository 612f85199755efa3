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
    Info,
    Aliases,
    Untopic,
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

/// So many stand in messages that come often: the first of [`Slot`].
const HOT: usize = Slot::Info as usize + 1;
const COLD: usize = Slot::Name as usize + 1 - HOT;

/// A set of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slots(u32);

/// Where the members of an object stand. Of a member that is written twice, the last.
pub(crate) struct Fields {
    hot: Places<HOT>,
    cold: Option<Places<COLD>>, // to clear it takes as long as to read a short message
    list: Option<List>,
    seen: Slots,
    has_novel: bool, // a member that no message knows
}

/// Start above end. A whole `Value` is written in parts and read at once, which costs more than
/// reading the JSON does.
#[derive(Clone, Copy)]
struct Places<const N: usize> {
    kinds: [Kind; N],
    spans: [u64; N],
}

/// A list of nothing but texts that need no unescaping.
#[derive(Clone, Copy)]
pub(crate) struct List {
    slot: Slot,
    pub(crate) len: usize,
    pub(crate) is_compact: bool, // as we would write it
}

impl Slot {
    /// The member of this name.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        if name.len() <= 7 {
            return Self::of_word(word(name));
        }
        Some(match name {
            b"time_to_live" => Self::TimeToLive,
            b"communityId" => Self::CommunityId,
            //= docs/spec/zzw-push-proto.md#message
            //# The four counters MUST be read with either case of their first letter and be
            //# written in the document's.
            b"One2OneSize" | b"one2OneSize" => Self::One2One,
            b"One2ManySize" | b"one2ManySize" => Self::One2Many,
            b"Many2ManySize" | b"many2ManySize" => Self::Many2Many,
            b"channelSize" | b"ChannelSize" => Self::ChannelSize,
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

    /// The member whose name this is, as [`word`] has it: to compare bytes one by one costs more
    /// than to find the name.
    #[inline]
    fn of_word(name: u64) -> Option<Self> {
        Some(match name {
            T => Self::T,
            R => Self::R,
            U => Self::U,
            NUM => Self::Num,
            MSG => Self::Msg,
            MID => Self::Mid,
            GAP => Self::Gap,
            OPTS => Self::Opts,
            INFO => Self::Info,
            CODE => Self::Code,
            LIST => Self::List,
            HOST => Self::Host,
            NAME => Self::Name,
            ALIAS => Self::Alias,
            TOPIC => Self::Topic,
            ERROR => Self::Error,
            TOKEN => Self::Token,
            TOTAL => Self::Total,
            METHOD => Self::Method,
            STATUS => Self::Status,
            ALIASES => Self::Aliases,
            UNTOPIC => Self::Untopic,
            SERVICE => Self::Service,
            _ => return None,
        })
    }

    fn is_list(self) -> bool {
        matches!(
            self,
            Self::Topic | Self::Alias | Self::Mid | Self::Aliases | Self::Untopic | Self::List
        )
    }

    const fn bit(self) -> u32 {
        1_u32.wrapping_shl(self as u32)
    }
}

const T: u64 = word(b"t");
const R: u64 = word(b"r");
const U: u64 = word(b"u");
const NUM: u64 = word(b"num");
const MSG: u64 = word(b"msg");
const MID: u64 = word(b"mid");
const GAP: u64 = word(b"gap");
const OPTS: u64 = word(b"opts");
const INFO: u64 = word(b"info");
const CODE: u64 = word(b"code");
const LIST: u64 = word(b"list");
const HOST: u64 = word(b"host");
const NAME: u64 = word(b"name");
const ALIAS: u64 = word(b"alias");
const TOPIC: u64 = word(b"topic");
const ERROR: u64 = word(b"error");
const TOKEN: u64 = word(b"token");
const TOTAL: u64 = word(b"total");
const METHOD: u64 = word(b"method");
const STATUS: u64 = word(b"status");
const ALIASES: u64 = word(b"aliases");
const UNTOPIC: u64 = word(b"untopic");
const SERVICE: u64 = word(b"service");

/// A name of at most seven bytes, the quote that ends it, and zeros: without the quote, a name that
/// ends with a zero would be taken for the one before it.
const fn word(name: &[u8]) -> u64 {
    let (mut word, mut rest) = (0, name);
    let mut shift = 0_u32;
    while let [first, behind @ ..] = rest {
        word |= (*first as u64).wrapping_shl(shift);
        shift = shift.wrapping_add(8);
        rest = behind;
    }
    word | (b'"' as u64).wrapping_shl(shift)
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
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            hot: Places::EMPTY,
            cold: None,
            list: None,
            seen: Slots(0),
            has_novel: false,
        }
    }

    /// Reads an object, all of it validated. In place, because this is large.
    #[inline]
    pub(crate) fn read(&mut self, json: &[u8]) -> Result<(), ScanError> {
        //= docs/spec/zzw-push-proto.md#message
        //# A message nested deeper than 64 levels MUST be reported as too deep.
        let mut scan = Scanner::new(json, MAX_DEPTH);
        scan.enter_object()?;
        loop {
            let slot = if let Some(slot) = scan.key_known(Slot::of_word) {
                Some(slot)
            } else if scan.leave_object() {
                return scan.end();
            } else {
                let mut copy = scan.clone();
                let Some(key) = copy.key()? else {
                    return copy.end();
                };
                scan = copy;
                Slot::of_key(json, key)
            };
            let value = if let Some(value) = scan.plain_value() {
                value
            } else {
                let mut copy = scan.clone();
                let value = self.odd_value(slot, &mut copy)?;
                scan = copy;
                value
            };
            self.put(slot, value);
        }
    }

    #[inline]
    //= docs/spec/zzw-push-proto.md#message
    //# If a member occurs twice in one object, the last one MUST win.
    fn put(&mut self, slot: Option<Slot>, value: Value) {
        let Some(slot) = slot else {
            self.has_novel = true;
            return;
        };
        self.seen.0 |= slot.bit();
        match (slot as usize).checked_sub(HOT) {
            None => self.hot.put(slot as usize, value),
            Some(place) => self.cold.get_or_insert(Places::EMPTY).put(place, value),
        }
    }

    /// Reads a value that is neither plain text nor a digit.
    #[inline(never)]
    fn odd_value(
        &mut self,
        slot: Option<Slot>,
        scan: &mut Scanner<'_>,
    ) -> Result<Value, ScanError> {
        match slot.filter(|slot| slot.is_list()) {
            Some(slot) if scan.at_array() => self.list(slot, scan),
            _ => scan.value(),
        }
    }

    /// Reads a list, and notes it if it is one of texts.
    fn list(&mut self, slot: Slot, scan: &mut Scanner<'_>) -> Result<Value, ScanError> {
        let start = scan.offset();
        scan.enter_array()?;
        let (mut len, mut is_of_texts, mut written) = (0_usize, true, 1_usize);
        while scan.element()? {
            let value = scan.value()?;
            is_of_texts &= value.kind == Kind::Text;
            len = len.wrapping_add(1);
            // With two quotes and a comma or bracket.
            written = written.wrapping_add(value.range().len()).wrapping_add(3);
        }
        let end = scan.offset();
        self.list = is_of_texts.then(|| List {
            slot,
            len,
            is_compact: written.max(2) == end.wrapping_sub(start),
        });
        #[expect(clippy::cast_possible_truncation, reason = "as the scanner's")]
        Ok(Value {
            kind: Kind::Array,
            start: start as u32,
            end: end as u32,
        })
    }

    #[inline]
    pub(crate) fn value(&self, slot: Slot) -> Value {
        match (slot as usize).checked_sub(HOT) {
            None => self.hot.value(slot as usize),
            Some(place) => self
                .cold
                .as_ref()
                .map(|cold| cold.value(place))
                .unwrap_or_default(),
        }
    }

    /// The list in `slot`, if it was noted.
    #[inline]
    pub(crate) fn list_of_texts(&self, slot: Slot) -> Option<List> {
        self.list.filter(|list| list.slot == slot)
    }

    pub(crate) fn has(&self, slot: Slot) -> bool {
        self.seen.contains(slot)
    }

    /// True if there are members beyond those.
    #[inline]
    pub(crate) fn exceeds(&self, known: Slots) -> bool {
        self.has_novel || self.seen.0 & !known.0 != 0
    }
}

impl<const N: usize> Places<N> {
    const EMPTY: Self = Self {
        kinds: [Kind::Missing; N],
        spans: [0; N],
    };

    #[inline]
    fn put(&mut self, place: usize, value: Value) {
        let Value { kind, start, end } = value;
        if let Some(place) = self.kinds.get_mut(place) {
            *place = kind;
        }
        if let Some(place) = self.spans.get_mut(place) {
            *place = (u64::from(start) << 32) | u64::from(end);
        }
    }

    #[inline]
    fn value(&self, place: usize) -> Value {
        let kind = self.kinds.get(place).copied();
        let span = self.spans.get(place).copied().unwrap_or_default();
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
}
