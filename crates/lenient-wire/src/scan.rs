//! A pull scanner: walks JSON text once, validates it, and says where each value stands.

use crate::plain::{HIGH_BITS, ONES, plain_text};
use crate::value::{Kind, ScanError, Value, span};
use memchr::memchr;

mod odd;

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
    rest: &'a [u8], // of `json`, not walked yet
    depth: u32,
    max_depth: u32,
    fresh: bool, // just behind `{` or `[`: no comma is due
    is_too_long: bool,
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of `json` that accepts at most `max_depth` levels (capped at 64).
    ///
    /// Of a text beyond 4 GiB it reads nothing and says [`ScanError::TooLong`].
    #[inline]
    pub fn new(json: &'a [u8], max_depth: u32) -> Self {
        let is_too_long = u32::try_from(json.len()).is_err();
        let json = if is_too_long { &[] } else { json };
        Self {
            json,
            rest: json,
            depth: 0,
            max_depth: max_depth.min(64),
            fresh: false,
            is_too_long,
        }
    }

    /// Goes into the object that stands next.
    ///
    /// # Errors
    ///
    /// [`ScanError::Syntax`] if something else stands there, [`ScanError::TooDeep`] at the limit.
    #[inline]
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
        // Without white space and escapes, as machines write it, one look at the text is enough.
        if let (true, [b'"', text @ ..]) | (false, [b',', b'"', text @ ..]) =
            (self.fresh, self.rest)
        {
            if let Some((key, [b':', behind @ ..])) = self.plain_text(text) {
                (self.rest, self.fresh) = (behind, false);
                return Ok(Some(key));
            }
        }
        self.odd_key()
    }

    /// Takes the next member's name if it is `name`, written without white space and escapes.
    ///
    /// A device writes its members in the same order every time. Guessing the next one costs a
    /// comparison and saves reading and looking up the name. False says nothing about the document;
    /// [`Self::key`] then tells what stands there.
    #[inline]
    pub fn key_is(&mut self, name: &str) -> bool {
        let rest = if self.fresh {
            Some(self.rest)
        } else {
            self.rest.strip_prefix(b",")
        };
        let behind = rest
            .and_then(|rest| rest.strip_prefix(b"\""))
            .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            .and_then(|rest| rest.strip_prefix(b"\":"));
        if let Some(behind) = behind {
            (self.rest, self.fresh) = (behind, false);
        }
        behind.is_some()
    }

    /// Takes the next member's name if it has at most seven bytes, no white space stands around it,
    /// and `known` knows it by those bytes and the quote behind them, the first lowest, then zeros.
    ///
    /// To match a number costs less than to read a name and compare it with others. `None` says
    /// nothing about the document; [`Self::key`] then tells what stands there.
    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    pub fn key_known<T>(&mut self, known: impl FnOnce(u64) -> Option<T>) -> Option<T> {
        let ((true, [b'"', text @ ..]) | (false, [b',', b'"', text @ ..])) =
            (self.fresh, self.rest)
        else {
            return None;
        };
        let eight = u64::from_le_bytes(*text.first_chunk()?);
        let others = eight ^ (ONES * 0x22);
        let quotes = others.wrapping_sub(ONES) & !others & HIGH_BITS;
        let bytes = (quotes.trailing_zeros() / 8) as usize; // 8 if there is none
        let [b'"', b':', behind @ ..] = text.get(bytes..)? else {
            return None;
        };
        // Up to the lowest mark, which is the highest bit of the quote. A name of eight bytes has no
        // quote among them, and is nobody's.
        let found = known(eight & (quotes ^ quotes.wrapping_sub(1)))?;
        (self.rest, self.fresh) = (behind, false);
        Some(found)
    }

    /// Leaves the object entered last if it ends here, without white space.
    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    pub fn leave_object(&mut self) -> bool {
        let [b'}', behind @ ..] = self.rest else {
            return false;
        };
        self.rest = behind;
        self.depth = self.depth.saturating_sub(1);
        self.fresh = false;
        true
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
        match self.plain_value() {
            Some(value) => Ok(value),
            None => self.odd_value(),
        }
    }

    /// Takes the next value if it is text without escapes or a number of one digit, and no white space
    /// stands before it.
    ///
    /// Whoever reads many short documents asks this before [`Self::value`], of a copy: a scanner
    /// that no call has a reference to can stay in registers. `None` says nothing about the document.
    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    pub fn plain_value(&mut self) -> Option<Value> {
        let start = self.offset();
        let (value, behind) = match self.rest {
            [b'"', text @ ..] => self.plain_text(text)?,
            [b'0'..=b'9', behind @ ..] => {
                (span(Kind::Number, start, start.wrapping_add(1)), behind)
            }
            [b'-', b'0'..=b'9', behind @ ..] => {
                (span(Kind::Number, start, start.wrapping_add(2)), behind)
            }
            _ => return None,
        };
        if value.kind == Kind::Number && !matches!(behind, [b',' | b'}' | b']', ..]) {
            return None;
        }
        self.rest = behind;
        Some(value)
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
        let start = self.offset();
        while let Some(quote) = memchr(b'"', self.rest) {
            let (run, behind) = self.rest.split_at(quote);
            // Backslashes are counted back to the last quote at most: each is looked at once.
            let backslashes = run.iter().rev().take_while(|&&b| b == b'\\').count();
            let end = self.offset().wrapping_add(quote);
            self.rest = behind.get(1..).unwrap_or_default();
            if backslashes % 2 == 0 {
                return Ok(span(Kind::Bulk, start, end));
            }
        }
        self.rest = &[];
        Err(self.syntax())
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
    #[inline]
    pub fn offset(&self) -> usize {
        // `rest` is a tail of `json`, so it cannot wrap.
        self.json.len().wrapping_sub(self.rest.len())
    }

    #[inline]
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

    /// The text at the front of `text`, a tail of the document, and what follows its closing quote.
    /// `None` if it has an escape or a fault.
    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    fn plain_text(&self, text: &'a [u8]) -> Option<(Value, &'a [u8])> {
        let (plain, behind) = plain_text(text)?;
        let start = self.json.len().wrapping_sub(text.len());
        let value = span(Kind::Text, start, start.wrapping_add(plain.len()));
        Some((value, behind))
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
        if let [b' ' | b'\t' | b'\n' | b'\r', ..] = self.rest {
            self.skip_space();
        }
        self.rest.first().copied()
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    #[inline]
    fn step(&mut self) {
        if let [_, rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    #[cold]
    fn syntax(&self) -> ScanError {
        if self.is_too_long {
            ScanError::TooLong
        } else {
            ScanError::Syntax { at: self.offset() }
        }
    }
}
