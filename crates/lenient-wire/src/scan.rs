//! A pull scanner: walks JSON text once, validates it, and says where each value stands.

use memchr::memchr;

/// Walks one JSON document from front to back.
///
/// Nothing is copied and nothing is allocated: a value is a [`Value`], its place in the text. The
/// caller enters the objects it knows and takes everything else as a whole value, which is
/// validated on the way. No recursion, so depth costs no stack.
///
/// ```
/// use lenient_wire::{Scanner, text};
///
/// let json = br#"{"name":"\u5c0f\u660e","extra":[1,{"a":null}]}"#;
/// let mut scan = Scanner::new(json, 64);
/// let mut name = None;
/// scan.enter_object()?;
/// while let Some(key) = scan.key()? {
///     match text(json, key).as_deref() {
///         Some("name") => name = text(json, scan.value()?),
///         _ => drop(scan.value()?),
///     }
/// }
/// scan.end()?;
/// assert_eq!(name.as_deref(), Some("小明"));
/// # Ok::<(), lenient_wire::ScanError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
    depth: u32,
    max_depth: u32,
    fresh: bool, // just behind `{` or `[`: no comma is due
}

/// Where a value stands in the text, and of what kind it is.
///
/// Offsets are bytes into the text given to [`Scanner::new`]. For text they exclude the quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Value {
    /// What stands there.
    pub kind: Kind,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Kind {
    /// Not in the document at all.
    #[default]
    Missing,
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number in JSON's grammar.
    Number,
    /// Text without a backslash: its bytes are its content.
    Text,
    /// Text with at least one escape.
    EscapedText,
    /// Text found by [`Scanner::bulk`]: neither its escapes nor its UTF-8 have been looked at.
    Bulk,
    /// `{…}`, validated.
    Object,
    /// `[…]`, validated.
    Array,
}

/// The text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanError {
    /// Not JSON from this byte on.
    Syntax {
        /// Byte offset.
        at: usize,
    },
    /// Text outside bulk values that is not UTF-8.
    Utf8 {
        /// Byte offset of the text.
        at: usize,
    },
    /// Nested deeper than the scanner was told to accept.
    TooDeep {
        /// The limit, in levels.
        max: u32,
    },
    /// Longer than offsets of 32 bits reach.
    TooLong,
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of `json` that accepts at most `max_depth` levels (capped at 64).
    pub fn new(json: &'a [u8], max_depth: u32) -> Self {
        Self {
            json,
            at: 0,
            depth: 0,
            max_depth: max_depth.min(64),
            fresh: false,
        }
    }

    /// Goes into the object that stands next.
    ///
    /// # Errors
    ///
    /// [`ScanError::Syntax`] if something else stands there, [`ScanError::TooDeep`] at the limit.
    pub fn enter_object(&mut self) -> Result<(), ScanError> {
        self.enter(b'{')
    }

    /// Goes into the array that stands next.
    ///
    /// # Errors
    ///
    /// As [`Self::enter_object`].
    pub fn enter_array(&mut self) -> Result<(), ScanError> {
        self.enter(b'[')
    }

    /// True if the next value is an object.
    pub fn at_object(&mut self) -> bool {
        self.peek() == Some(b'{')
    }

    /// True if the next value is an array.
    pub fn at_array(&mut self) -> bool {
        self.peek() == Some(b'[')
    }

    /// The next member's name in the object entered last, with the colon behind it; `None` when the
    /// object ends (the scanner then stands behind it).
    ///
    /// # Errors
    ///
    /// [`ScanError`] as the text has it.
    #[inline]
    pub fn key(&mut self) -> Result<Option<Value>, ScanError> {
        if self.leaves(b'}')? {
            return Ok(None);
        }
        self.expect(b'"')?;
        let key = self.string()?;
        self.expect(b':')?;
        Ok(Some(key))
    }

    /// True if the array entered last has another element, which is what stands next; false when it
    /// ends (the scanner then stands behind it).
    ///
    /// # Errors
    ///
    /// [`ScanError`] as the text has it.
    pub fn element(&mut self) -> Result<bool, ScanError> {
        Ok(!self.leaves(b']')?)
    }

    /// Takes the next value whole, validated.
    ///
    /// # Errors
    ///
    /// [`ScanError`] as the text has it.
    #[inline]
    pub fn value(&mut self) -> Result<Value, ScanError> {
        match self.peek() {
            Some(b'"') => {
                self.step();
                self.string()
            }
            Some(b'{' | b'[') => self.composite(),
            Some(_) => self.scalar(),
            None => Err(self.syntax()),
        }
    }

    /// Takes the next value like [`Self::value`], except that text is only searched for its end.
    ///
    /// For pictures: the end is the next quote with an even number of backslashes before it, so the
    /// search runs at the speed of `memchr`, also where every `/` is written `\/`. Whatever else
    /// the text holds is found out by whoever decodes it.
    ///
    /// # Errors
    ///
    /// [`ScanError`] as the text has it.
    pub fn bulk(&mut self) -> Result<Value, ScanError> {
        if self.peek() != Some(b'"') {
            return self.value();
        }
        self.step();
        let start = self.at;
        let mut from = start;
        loop {
            let rest = self.json.get(from..).unwrap_or_default();
            let Some(quote) = memchr(b'"', rest) else {
                return Err(ScanError::Syntax {
                    at: self.json.len(),
                });
            };
            let end = from.saturating_add(quote);
            // Backslashes are counted back to the last quote at most: each is looked at once.
            let run = self.json.get(from..end).unwrap_or_default();
            let backslashes = run.iter().rev().take_while(|&&b| b == b'\\').count();
            self.at = end.saturating_add(1);
            if backslashes % 2 == 0 {
                return span(Kind::Bulk, start, end);
            }
            from = self.at;
        }
    }

    /// Asserts that only white space is left.
    ///
    /// # Errors
    ///
    /// [`ScanError::Syntax`] if there is more.
    pub fn end(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.syntax()),
        }
    }

    /// Bytes walked so far.
    pub fn offset(&self) -> usize {
        self.at
    }

    fn enter(&mut self, open: u8) -> Result<(), ScanError> {
        self.expect(open)?;
        if self.depth >= self.max_depth {
            return Err(ScanError::TooDeep {
                max: self.max_depth,
            });
        }
        self.depth = self.depth.saturating_add(1);
        self.fresh = true;
        Ok(())
    }

    /// Behind the container's closing bracket (true), or at its next item (false).
    #[inline]
    fn leaves(&mut self, close: u8) -> Result<bool, ScanError> {
        let next = self.peek();
        if next == Some(close) {
            self.step();
            self.depth = self.depth.saturating_sub(1);
            self.fresh = false;
            return Ok(true);
        }
        if !std::mem::take(&mut self.fresh) {
            self.expect(b',')?;
        }
        Ok(false)
    }

    /// A whole object or array, without recursion: one bit per level says which of the two it is.
    fn composite(&mut self) -> Result<Value, ScanError> {
        self.skip_space();
        let start = self.at;
        let kind = if self.at_object() {
            Kind::Object
        } else {
            Kind::Array
        };
        let base = self.depth;
        let mut objects = 0_u64;
        loop {
            let is_object = self.at_object();
            self.enter(if is_object { b'{' } else { b'[' })?;
            objects = (objects << 1) | u64::from(is_object);
            // Up through every container that ends here, then to the next value.
            loop {
                let closes_object = objects & 1 == 1;
                let ended = if closes_object {
                    self.key()?.is_none()
                } else {
                    !self.element()?
                };
                if ended {
                    objects >>= 1;
                    if self.depth == base {
                        return span(kind, start, self.at);
                    }
                } else if self.at_object() || self.at_array() {
                    break;
                } else {
                    self.value()?;
                }
            }
        }
    }

    #[inline]
    fn scalar(&mut self) -> Result<Value, ScanError> {
        let start = self.at;
        let rest = self.json.get(start..).unwrap_or_default();
        let (kind, len) = match rest {
            [b't', b'r', b'u', b'e', ..] => (Kind::True, 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (Kind::False, 5),
            [b'n', b'u', b'l', b'l', ..] => (Kind::Null, 4),
            _ => (
                Kind::Number,
                number_len(rest).ok_or(ScanError::Syntax { at: start })?,
            ),
        };
        self.at = start.saturating_add(len);
        span(kind, start, self.at)
    }

    /// The text behind an opening quote, eight bytes at a time.
    #[inline]
    fn string(&mut self) -> Result<Value, ScanError> {
        let start = self.at;
        let mut kind = Kind::Text;
        let mut seen = 0;
        loop {
            let rest = self.json.get(self.at..).unwrap_or_default();
            let Some((eight, _)) = rest.split_first_chunk::<8>() else {
                return self.string_tail(start, kind, seen);
            };
            let bytes = u64::from_le_bytes(*eight);
            let stops = stops_in(bytes);
            let plain = stops.trailing_zeros() / 8; // bytes before the first stop
            seen |= bytes
                & 1_u64
                    .checked_shl(plain.saturating_mul(8))
                    .unwrap_or(0)
                    .wrapping_sub(1);
            self.at = self.at.saturating_add(plain as usize);
            match self.json.get(self.at) {
                _ if stops == 0 => {}
                Some(b'"') => return self.string_end(start, kind, seen),
                _ => self.escape(&mut kind)?,
            }
        }
    }

    /// As [`Self::string`], for the last seven bytes of the document.
    fn string_tail(&mut self, start: usize, kind: Kind, seen: u64) -> Result<Value, ScanError> {
        let (mut kind, mut seen) = (kind, seen);
        loop {
            match self.json.get(self.at) {
                Some(b'"') => return self.string_end(start, kind, seen),
                Some(b'\\' | ..=0x1f) => self.escape(&mut kind)?,
                Some(&byte) => {
                    seen |= u64::from(byte);
                    self.step();
                }
                None => return Err(self.syntax()),
            }
        }
    }

    /// Behind the closing quote, at which the scanner stands.
    #[inline]
    fn string_end(&mut self, start: usize, kind: Kind, seen: u64) -> Result<Value, ScanError> {
        let end = self.at;
        self.step();
        if seen & ASCII_HIGH_BITS != 0 {
            let text = self.json.get(start..end).unwrap_or_default();
            std::str::from_utf8(text).map_err(|_| ScanError::Utf8 { at: start })?;
        }
        span(kind, start, end)
    }

    /// Behind the escape at which the scanner stands; an error at a control character.
    fn escape(&mut self, kind: &mut Kind) -> Result<(), ScanError> {
        let tail = self.json.get(self.at..).unwrap_or_default();
        let len = escape_len(tail).ok_or(ScanError::Syntax { at: self.at })?;
        *kind = Kind::EscapedText;
        self.at = self.at.saturating_add(len);
        Ok(())
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), ScanError> {
        if self.peek() != Some(byte) {
            return Err(self.syntax());
        }
        self.step();
        Ok(())
    }

    #[inline]
    fn peek(&mut self) -> Option<u8> {
        match self.json.get(self.at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => {
                self.skip_space();
                self.json.get(self.at).copied()
            }
            byte => byte.copied(),
        }
    }

    fn skip_space(&mut self) {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let space = rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        self.at = self.at.saturating_add(space.count());
    }

    #[inline]
    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn syntax(&self) -> ScanError {
        ScanError::Syntax { at: self.at }
    }
}

impl Value {
    /// The bytes of this value in `json`, the text it was found in.
    pub fn of<'a>(&self, json: &'a [u8]) -> &'a [u8] {
        json.get(self.range()).unwrap_or_default()
    }

    /// The place as a range.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax { at } => write!(f, "not json from byte {at} on"),
            Self::Utf8 { at } => write!(f, "text at byte {at} is not utf-8"),
            Self::TooDeep { max } => write!(f, "nested deeper than {max} levels"),
            Self::TooLong => write!(f, "longer than 4 GiB"),
        }
    }
}

impl std::error::Error for ScanError {}

const ASCII_HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Marks the high bit of each byte at which plain text stops: a quote, a backslash, a control
/// character. Marks above the first one may be false.
#[inline]
fn stops_in(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Subtracting borrows out of exactly the bytes that are too small, up to the first of them.
    let below = |bytes: u64, bound: u8| {
        bytes.wrapping_sub(ONES.wrapping_mul(u64::from(bound))) & !bytes & ASCII_HIGH_BITS
    };
    let equal = |byte: u8| below(bytes ^ ONES.wrapping_mul(u64::from(byte)), 1);
    below(bytes, 0x20) | equal(b'"') | equal(b'\\')
}

fn span(kind: Kind, start: usize, end: usize) -> Result<Value, ScanError> {
    match (u32::try_from(start), u32::try_from(end)) {
        (Ok(start), Ok(end)) => Ok(Value { kind, start, end }),
        _ => Err(ScanError::TooLong),
    }
}

/// Length of the escape at the front of `tail`.
fn escape_len(tail: &[u8]) -> Option<usize> {
    match tail {
        [
            b'\\',
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
            ..,
        ] => Some(2),
        [b'\\', b'u', a, b, c, d, ..] => [a, b, c, d]
            .iter()
            .all(|digit| digit.is_ascii_hexdigit())
            .then_some(6),
        _ => None,
    }
}

/// Length of the number at the front of `rest`, in JSON's grammar.
fn number_len(rest: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let tail = rest.get(from..).unwrap_or_default();
        from.saturating_add(tail.iter().take_while(|b| b.is_ascii_digit()).count())
    };
    let int = usize::from(rest.first() == Some(&b'-'));
    let mut end = digits(int);
    let leading_zero = rest.get(int) == Some(&b'0') && end > int.saturating_add(1);
    if end == int || leading_zero {
        return None;
    }
    if rest.get(end) == Some(&b'.') {
        let fraction = end.saturating_add(1);
        end = digits(fraction);
        if end == fraction {
            return None;
        }
    }
    if let Some(b'e' | b'E') = rest.get(end) {
        let sign = end.saturating_add(1);
        let exponent =
            sign.saturating_add(usize::from(matches!(rest.get(sign), Some(b'+' | b'-'))));
        end = digits(exponent);
        if end == exponent {
            return None;
        }
    }
    Some(end)
}
