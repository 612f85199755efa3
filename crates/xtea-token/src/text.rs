//! Ciphertext as text: hexadecimal and Base64, each with exactly one accepted spelling.

/// How ciphertext is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Text {
    /// Two digits a byte, `0-9a-f`; upper case (not mixed) is accepted too.
    #[default]
    HexLower,
    /// Two digits a byte, `0-9A-F`; lower case (not mixed) is accepted too.
    HexUpper,
    /// Standard alphabet with `=`. May hold `/` and `+`, which a URL needs percent-encoded.
    Base64,
    /// URL alphabet without `=`.
    Base64UrlNoPad,
}

impl Text {
    /// Decodes into the front of `out`; `None` unless `text` is the one canonical spelling.
    pub(crate) fn decode<'b>(self, text: &[u8], out: &'b mut [u8]) -> Option<&'b mut [u8]> {
        match self {
            Self::HexLower | Self::HexUpper => decode_hex(text, out),
            Self::Base64 => decode_base64(strip_padding(text)?, standard_value, out),
            Self::Base64UrlNoPad => decode_base64(text, url_value, out),
        }
    }

    /// Encodes into the front of `out`; `None` when there is no room.
    pub(crate) fn encode(self, bytes: &[u8], out: &mut [u8]) -> Option<usize> {
        match self {
            Self::HexLower => encode_hex(bytes, b'a', out),
            Self::HexUpper => encode_hex(bytes, b'A', out),
            Self::Base64 => encode_base64(bytes, standard_digit, true, out),
            Self::Base64UrlNoPad => encode_base64(bytes, url_digit, false, out),
        }
    }
}

pub(crate) fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

/// What one pass over hexadecimal text has seen: 1 where the claim holds, so that the pass has no
/// branch and becomes vector code.
#[derive(Default)]
struct HexSeen {
    lower: u8,
    upper: u8,
    other: u8,
}

impl HexSeen {
    fn value(&mut self, digit: u8) -> u8 {
        let number = digit.wrapping_sub(b'0');
        let letter = (digit | 0x20).wrapping_sub(b'a');
        let is_number = u8::from(number < 10);
        let is_letter = u8::from(letter < 6);
        let lower_bit = (digit >> 5) & 1;
        self.lower |= is_letter & lower_bit;
        self.upper |= is_letter & !lower_bit;
        self.other |= 1 ^ (is_number | is_letter);
        if is_letter == 1 {
            letter.wrapping_add(10)
        } else {
            number & 0x0f
        }
    }

    fn is_canonical(&self) -> bool {
        (self.lower & self.upper) | self.other == 0
    }
}

//= docs/spec/xtea-token.md#text-forms
//# A hexadecimal token MUST have an even number of digits, all from `0-9a-f` or all from `0-9A-F`.
fn decode_hex<'b>(text: &[u8], out: &'b mut [u8]) -> Option<&'b mut [u8]> {
    if text.len() % 2 != 0 {
        return None;
    }
    let out = out.get_mut(..text.len() / 2)?;
    let mut seen = HexSeen::default();
    for (pair, byte) in text.chunks_exact(2).zip(out.iter_mut()) {
        if let &[high, low] = pair {
            *byte = (seen.value(high) << 4) | seen.value(low);
        }
    }
    seen.is_canonical().then_some(out)
}

fn encode_hex(bytes: &[u8], letter_a: u8, out: &mut [u8]) -> Option<usize> {
    let letters = letter_a.wrapping_sub(10);
    let digit = |value: u8| value.wrapping_add(if value < 10 { b'0' } else { letters });
    let out = out.get_mut(..bytes.len().checked_mul(2)?)?;
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            (*high, *low) = (digit(byte >> 4), digit(byte & 0x0f));
        }
    }
    Some(out.len())
}

/// Takes the `=` off; `None` when they are not exactly those the length asks for.
//= docs/spec/xtea-token.md#text-forms
//# A Base64 token MUST use the standard alphabet, carry its `=` padding and leave its unused low bits zero.
fn strip_padding(text: &[u8]) -> Option<&[u8]> {
    if text.len() % 4 != 0 {
        return None;
    }
    let ([bare @ .., b'=', b'='] | [bare @ .., b'='] | bare) = text;
    (bare.len().checked_next_multiple_of(4)? == text.len()).then_some(bare)
}

//= docs/spec/xtea-token.md#text-forms
//# A URL Base64 token MUST use the URL alphabet, carry no `=` and leave its unused low bits zero.
fn decode_base64<'b>(
    text: &[u8],
    value: fn(u8) -> Option<u8>,
    out: &'b mut [u8],
) -> Option<&'b mut [u8]> {
    let bytes = text.len().checked_mul(3)? / 4;
    let out = out.get_mut(..bytes)?;
    for (digits, group) in text.chunks(4).zip(out.chunks_mut(3)) {
        let mut bits = 0_u32;
        for digit in digits {
            bits = (bits << 6) | u32::from(value(*digit)?);
        }
        bits <<= match digits.len() {
            2 => 12,
            3 => 6,
            _ => 0,
        };
        let [_, all @ ..] = bits.to_be_bytes();
        let (used, spare) = all.split_at_checked(group.len())?;
        if spare.iter().any(|byte| *byte != 0) {
            return None;
        }
        group.copy_from_slice(used);
    }
    (text.len() % 4 != 1).then_some(out)
}

fn encode_base64(bytes: &[u8], digit: fn(u8) -> u8, padded: bool, out: &mut [u8]) -> Option<usize> {
    let bare = bytes.len().checked_mul(4)?.div_ceil(3);
    let len = if padded {
        bare.checked_next_multiple_of(4)?
    } else {
        bare
    };
    let out = out.get_mut(..len)?;
    out.fill(b'=');
    for (group, digits) in bytes.chunks(3).zip(out.get_mut(..bare)?.chunks_mut(4)) {
        let bits = group
            .iter()
            .zip([16, 8, 0])
            .fold(0, |bits, (byte, shift)| bits | (u32::from(*byte) << shift));
        for (out, shift) in digits.iter_mut().zip([18, 12, 6, 0]) {
            let [.., low] = (bits >> shift).to_be_bytes();
            *out = digit(low & 0x3f);
        }
    }
    Some(len)
}

fn standard_value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit.wrapping_sub(b'A')),
        b'a'..=b'z' => Some(digit.wrapping_sub(b'a').wrapping_add(26)),
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0').wrapping_add(52)),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn url_value(digit: u8) -> Option<u8> {
    match digit {
        b'-' => Some(62),
        b'_' => Some(63),
        b'+' | b'/' => None,
        _ => standard_value(digit),
    }
}

fn standard_digit(value: u8) -> u8 {
    match value {
        0..=25 => value.wrapping_add(b'A'),
        26..=51 => value.wrapping_sub(26).wrapping_add(b'a'),
        52..=61 => value.wrapping_sub(52).wrapping_add(b'0'),
        62 => b'+',
        _ => b'/',
    }
}

fn url_digit(value: u8) -> u8 {
    match value {
        62 => b'-',
        63 => b'_',
        _ => standard_digit(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMS: [Text; 4] = [
        Text::HexLower,
        Text::HexUpper,
        Text::Base64,
        Text::Base64UrlNoPad,
    ];

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            for form in FORMS {
                let (mut text, mut back) = ([0; 128], [0; 64]);
                let len = form.encode(&bytes, &mut text).unwrap();
                let decoded = form.decode(&text[..len], &mut back);
                prop_assert_eq!(decoded.as_deref(), Some(bytes.as_slice()));
            }
        }

        #[test]
        fn what_decodes_encodes_to_the_same_text(text in "[A-Za-f0-9+/_=-]{0,24}") {
            for form in FORMS {
                let (mut bytes, mut again) = ([0; 64], [0; 128]);
                if let Some(bytes) = form.decode(text.as_bytes(), &mut bytes) {
                    let len = form.encode(bytes, &mut again).unwrap();
                    prop_assert!(again[..len].eq_ignore_ascii_case(text.as_bytes()));
                    let is_hex = matches!(form, Text::HexLower | Text::HexUpper);
                    prop_assert!(is_hex || again[..len] == *text.as_bytes());
                }
            }
        }
    }

    #[test]
    fn output_without_room_is_refused() {
        for form in FORMS {
            assert_eq!(form.encode(&[1, 2, 3], &mut [0; 3]), None);
            assert_eq!(form.decode(b"00000000", &mut [0; 3]), None);
        }
    }
}
