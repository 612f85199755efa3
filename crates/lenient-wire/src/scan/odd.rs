//! What a scanner does where one look is not enough.

use super::Scanner;
use crate::grammar::{behind_escape, behind_number};
use crate::plain::{HIGH_BITS, is_utf8, stops_in};
use crate::value::{Kind, ScanError, Value, span};

impl Scanner<'_> {
    /// As [`Self::key`], however it is written.
    #[inline(never)]
    pub(super) fn odd_key(&mut self) -> Result<Option<Value>, ScanError> {
        if self.leaves(b'}')? {
            return Ok(None);
        }
        self.expect(b'"')?;
        let key = self.string()?;
        self.expect(b':')?;
        Ok(Some(key))
    }

    /// As [`Self::value`], whatever it is.
    #[inline(never)]
    pub(super) fn odd_value(&mut self) -> Result<Value, ScanError> {
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

    /// A whole object or array, without recursion: one bit per level says which of the two it is.
    fn composite(&mut self) -> Result<Value, ScanError> {
        self.skip_space();
        let start = self.offset();
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
                        return Ok(span(kind, start, self.offset()));
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
        let start = self.offset();
        let (kind, rest) = match self.rest {
            [b't', b'r', b'u', b'e', rest @ ..] => (Kind::True, rest),
            [b'f', b'a', b'l', b's', b'e', rest @ ..] => (Kind::False, rest),
            [b'n', b'u', b'l', b'l', rest @ ..] => (Kind::Null, rest),
            number => (
                Kind::Number,
                behind_number(number).ok_or_else(|| self.syntax())?,
            ),
        };
        self.rest = rest;
        Ok(span(kind, start, self.offset()))
    }

    /// The text behind an opening quote, whatever is in it.
    fn string(&mut self) -> Result<Value, ScanError> {
        let (start, mut kind, mut seen) = (self.offset(), Kind::Text, 0);
        loop {
            // Up to what is special, eight bytes at a time.
            while let Some((eight, behind)) = self.rest.split_first_chunk::<8>() {
                let bytes = u64::from_le_bytes(*eight);
                let stops = stops_in(bytes);
                if stops != 0 {
                    seen |= bytes & stops.wrapping_sub(1) & !stops;
                    let plain = (stops.trailing_zeros() / 8) as usize;
                    self.rest = self.rest.get(plain..).unwrap_or_default();
                    break;
                }
                seen |= bytes;
                self.rest = behind;
            }
            match self.rest {
                [b'"', ..] => return self.string_end(start, kind, seen),
                [b'\\', ..] => {
                    self.rest = behind_escape(self.rest).ok_or_else(|| self.syntax())?;
                    kind = Kind::EscapedText;
                }
                [] | [..=0x1f, ..] => return Err(self.syntax()),
                [byte, rest @ ..] => {
                    seen |= u64::from(*byte);
                    self.rest = rest;
                }
            }
        }
    }

    /// Behind the closing quote, at which the scanner stands.
    #[inline]
    fn string_end(&mut self, start: usize, kind: Kind, seen: u64) -> Result<Value, ScanError> {
        let end = self.offset();
        self.step();
        let text = self.json.get(start..end).unwrap_or_default();
        if seen & HIGH_BITS != 0 && !is_utf8(text) {
            return Err(ScanError::Utf8 { at: start });
        }
        Ok(span(kind, start, end))
    }
}
