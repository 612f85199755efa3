//! How plaintext becomes whole blocks, and the one way back.

use crate::error::IssueError;

/// How plaintext is brought to whole 8-byte blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Padding {
    /// 1 to 8 bytes, each holding their number; aligned plaintext gains a whole block.
    #[default]
    Pkcs7,
    /// 0 to 7 zero bytes; aligned plaintext gains nothing.
    Zero,
    /// 1 to 8 zero bytes; aligned plaintext gains a whole block (Bouncy Castle).
    ZeroAlways,
    /// None: the plaintext has a multiple of 16 bytes when issued, of 8 when opened (H2).
    None,
    /// A `u32` length in big-endian order, the plaintext, then zero bytes.
    LenPrefixBe,
}

/// Decrypted bytes without their padding.
pub(crate) struct Unpadded<'b> {
    pub(crate) plaintext: &'b [u8],
    /// False when the padding is not the canonical one; the plaintext is then meaningless. It is
    /// still looked at, so that a padding fault costs what a content fault costs.
    pub(crate) canonical: bool,
}

impl Padding {
    /// Pads the front of zeroed `out`; the padded length is a multiple of 8.
    pub(crate) fn pad(self, plaintext: &[u8], out: &mut [u8]) -> Result<usize, IssueError> {
        let (start, padded) = self.layout(plaintext.len()).ok_or(IssueError::Length)?;
        let zero_padded = matches!(self, Self::Zero | Self::ZeroAlways);
        if zero_padded && plaintext.contains(&0) {
            return Err(IssueError::ZeroByte);
        }
        let out = out.get_mut(..padded).ok_or(IssueError::Length)?;
        let (prefix, body) = out.split_at_mut_checked(start).ok_or(IssueError::Length)?;
        let (body, tail) = body
            .split_at_mut_checked(plaintext.len())
            .ok_or(IssueError::Length)?;
        body.copy_from_slice(plaintext);
        if self == Self::Pkcs7 {
            tail.fill(u8::try_from(tail.len()).map_err(|_| IssueError::Length)?);
        }
        if self == Self::LenPrefixBe {
            let len = u32::try_from(plaintext.len()).map_err(|_| IssueError::Length)?;
            prefix.copy_from_slice(&len.to_be_bytes());
        }
        Ok(padded)
    }

    /// Where the plaintext starts and how many bytes there are in all; `None` for a length this
    /// padding cannot carry.
    fn layout(self, len: usize) -> Option<(usize, usize)> {
        match self {
            Self::Pkcs7 | Self::ZeroAlways => {
                Some((0, len.checked_add(1)?.checked_next_multiple_of(8)?))
            }
            Self::Zero if len > 0 => Some((0, len.checked_next_multiple_of(8)?)),
            //= docs/spec/xtea-token.md#padding
            //# Without padding the plaintext MUST be as long as the ciphertext, and a multiple of 16 bytes when issued.
            Self::None if len > 0 && len % 16 == 0 => Some((0, len)),
            Self::LenPrefixBe if len > 0 => {
                Some((4, len.checked_add(4)?.checked_next_multiple_of(8)?))
            }
            Self::Zero | Self::None | Self::LenPrefixBe => None,
        }
    }

    /// Takes the padding off `bytes`, whose length is a positive multiple of 8.
    pub(crate) fn unpad(self, bytes: &[u8]) -> Unpadded<'_> {
        match self {
            Self::Pkcs7 => unpad_pkcs7(bytes),
            Self::Zero => unpad_zeros(bytes, 0, 7),
            Self::ZeroAlways => unpad_zeros(bytes, 1, 8),
            Self::None => Unpadded {
                plaintext: bytes,
                canonical: true,
            },
            Self::LenPrefixBe => unpad_len_prefix(bytes),
        }
    }
}

//= docs/spec/xtea-token.md#padding
//# Under PKCS#7 the last byte n MUST be in 1..=8 and the last n bytes MUST all equal n.
fn unpad_pkcs7(bytes: &[u8]) -> Unpadded<'_> {
    let count = bytes.last().copied().unwrap_or(0);
    let mut wrong = u8::from(!(1..=8).contains(&count));
    // All eight candidates are looked at, so that the work does not tell which one was wrong.
    for (byte, position) in bytes.iter().rev().zip(1..=8) {
        let expected = if position <= count { count } else { *byte };
        wrong |= byte ^ expected;
    }
    let kept = bytes.len().saturating_sub(usize::from(count.min(8)));
    Unpadded {
        plaintext: bytes.get(..kept).unwrap_or_default(),
        canonical: wrong == 0,
    }
}

//= docs/spec/xtea-token.md#padding
//# Under zero padding there MUST be 0..=7 trailing zero bytes after a plaintext that is not empty and holds no zero byte.
//= docs/spec/xtea-token.md#padding
//# Under always-zero padding there MUST be 1..=8 trailing zero bytes after a plaintext that holds no zero byte.
fn unpad_zeros(bytes: &[u8], least: usize, most: usize) -> Unpadded<'_> {
    let zeros = bytes.iter().rev().take(most).take_while(|b| **b == 0);
    let zeros = zeros.count();
    let kept = bytes.len().saturating_sub(zeros);
    let plaintext = bytes.get(..kept).unwrap_or_default();
    Unpadded {
        plaintext,
        canonical: zeros >= least && !plaintext.contains(&0),
    }
}

//= docs/spec/xtea-token.md#padding
//# Under the length prefix, a big-endian `u32` length of at least 1 MUST be followed by that many bytes and then only by zero bytes up to the next multiple of 8.
fn unpad_len_prefix(bytes: &[u8]) -> Unpadded<'_> {
    let split = || {
        let (prefix, body) = bytes.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_be_bytes(*prefix)).ok()?;
        let (plaintext, zeros) = body.split_at_checked(len)?;
        let canonical = len >= 1 && zeros.len() < 8 && zeros.iter().all(|byte| *byte == 0);
        canonical.then_some(plaintext)
    };
    let plaintext = split();
    Unpadded {
        plaintext: plaintext.unwrap_or(bytes),
        canonical: plaintext.is_some(),
    }
}
