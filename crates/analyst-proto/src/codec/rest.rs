//! The tokens of JSON as machines write it.

use lenient_wire::plain_text;

/// What has not been read yet.
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl<'a> Rest<'a> {
    /// True at the next item of an object or a list, false behind its end.
    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    pub(super) fn next(&mut self, is_first: &mut bool, open: u8, close: u8) -> Option<bool> {
        if std::mem::take(is_first) {
            self.byte(open)?;
            return Some(self.byte(close).is_none());
        }
        self.space();
        let (byte, behind) = self.0.split_first()?;
        self.0 = behind;
        (*byte == b',' || *byte == close).then_some(*byte == b',')
    }

    /// Takes this byte, and white space before it.
    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    pub(super) fn byte(&mut self, byte: u8) -> Option<()> {
        self.space();
        let (first, behind) = self.0.split_first()?;
        if *first != byte {
            return None;
        }
        self.0 = behind;
        Some(())
    }

    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    pub(super) fn space(&mut self) {
        if let [..=b' ', ..] = self.0 {
            self.skip_space();
        }
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', behind @ ..] = self.0 {
            self.0 = behind;
        }
    }

    /// A text, without its quotes.
    #[inline]
    pub(super) fn quoted(&mut self) -> Option<&'a [u8]> {
        self.byte(b'"')?;
        let (text, behind) = plain_text(self.0)?;
        self.0 = behind;
        Some(text)
    }

    /// Takes a null.
    pub(super) fn is_null(&mut self) -> bool {
        self.space();
        self.is_named(b"null")
    }

    /// Digits without a leading zero. What follows them is no matter: it has to end a member.
    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    pub(super) fn natural(&mut self) -> Option<u64> {
        let [first @ b'0'..=b'9', behind @ ..] = self.0 else {
            return None;
        };
        self.0 = behind;
        let first = u64::from(first & 0xf);
        match behind {
            [b'0'..=b'9', ..] if first == 0 => None,
            [b'0'..=b'9', ..] => self.digits(first),
            _ => Some(first),
        }
    }

    /// The digits behind others.
    #[inline]
    fn digits(&mut self, before: u64) -> Option<u64> {
        let (mut number, mut rest) = (before, self.0);
        while let Some((eight, behind)) = rest.split_first_chunk() {
            let Some(digits) = eight_digits(u64::from_le_bytes(*eight)) else {
                break;
            };
            number = number.checked_mul(100_000_000)?.checked_add(digits)?;
            rest = behind;
        }
        while let [digit @ b'0'..=b'9', behind @ ..] = rest {
            let digit = u64::from(digit & 0xf);
            number = number.checked_mul(10)?.checked_add(digit)?;
            rest = behind;
        }
        self.0 = rest;
        Some(number)
    }

    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    pub(super) fn integer<T: TryFrom<i64>>(&mut self) -> Option<T> {
        self.space();
        let number = match self.0 {
            [b'-', behind @ ..] => {
                self.0 = behind;
                let number = i64::try_from(self.natural()?).ok()?;
                // There is no -0 here.
                number.checked_neg().filter(|number| *number != 0)?
            }
            _ => i64::try_from(self.natural()?).ok()?,
        };
        T::try_from(number).ok()
    }

    /// A number as the name of a member, with the colon behind it.
    #[expect(clippy::inline_always, reason = "a call costs as much as the work")]
    #[inline(always)]
    pub(super) fn numbered<T: TryFrom<i64>>(&mut self) -> Option<T> {
        self.byte(b'"')?;
        if let Some(b' ' | b'\t' | b'\n' | b'\r') = self.0.first() {
            return None;
        }
        let number = self.integer()?;
        let [b'"', behind @ ..] = self.0 else {
            return None;
        };
        self.0 = behind;
        self.byte(b':')?;
        Some(number)
    }

    /// Takes a name, with its quotes, or a word, if it is this one.
    #[inline]
    pub(super) fn is_named(&mut self, name: &[u8]) -> bool {
        let behind = self.0.strip_prefix(name);
        self.0 = behind.unwrap_or(self.0);
        behind.is_some()
    }

    /// How many bytes there are of that kind up to `end`.
    #[inline]
    pub(super) fn tally(&self, end: u8, is_counted: impl Fn(u8) -> bool) -> usize {
        let (mut many, mut rest) = (0_usize, self.0);
        while let Some((chunk, behind)) = rest.split_first_chunk::<32>() {
            if sum(chunk, |byte| byte == end) != 0 {
                break;
            }
            many = many.wrapping_add(usize::from(sum(chunk, &is_counted)));
            rest = behind;
        }
        let last = rest.iter().take_while(|byte| **byte != end);
        many.wrapping_add(last.filter(|byte| is_counted(**byte)).count())
    }
}

/// How many of these bytes are meant. A sum in a byte is what vectors are good at.
#[inline]
fn sum(chunk: &[u8; 32], is_meant: impl Fn(u8) -> bool) -> u8 {
    let add = |sum: u8, byte: &u8| sum.wrapping_add(u8::from(is_meant(*byte)));
    chunk.iter().fold(0, add)
}

/// The number that eight digits are, the first of them in the lowest byte.
#[inline]
fn eight_digits(digits: u64) -> Option<u64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let values = digits ^ (ONES * 0x30);
    // Adding 0x76 takes everything beyond 9 to the high bit.
    if (values | (values & (ONES * 0x7f)).wrapping_add(ONES * 0x76)) & (ONES * 0x80) != 0 {
        return None;
    }
    // Pairs, then fours, then all eight, each in the place of its higher half.
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}
