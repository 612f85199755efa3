//! Numbers as their decimal digits, eight at a time. What the standard library formats for every
//! taste takes several times as long.

/// The digits of a number, without the heap.
#[derive(Debug)]
pub(crate) struct Digits {
    bytes: [u8; 24],
    skipped: usize, // zeros that stand before them
}

/// What eight digits can count.
const EIGHT: u64 = 100_000_000;
/// Eight zeros.
const ZEROS: u64 = 0x3030_3030_3030_3030;

impl Digits {
    #[inline]
    pub(crate) fn of(number: u64) -> Self {
        let (mut rest, mut chunks) = (number, [ZEROS; 3]);
        // The lowest digits go to the end.
        for chunk in chunks.iter_mut().rev() {
            *chunk = eight_digits(rest % EIGHT);
            rest /= EIGHT;
            if rest == 0 {
                break;
            }
        }
        let [first, second, third] = chunks.map(zeros_before);
        let skipped = match (first, second) {
            (8, 8) => third.min(7).wrapping_add(16), // a zero has a digit
            (8, _) => second.wrapping_add(8),
            _ => first,
        };
        let mut bytes = [b'0'; 24];
        let mut places = bytes.as_mut_slice();
        for chunk in chunks {
            let Some((place, behind)) = places.split_first_chunk_mut() else {
                break; // three chunks are 24 bytes
            };
            (*place, places) = (chunk.to_le_bytes(), behind);
        }
        Self { bytes, skipped }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.skipped..).unwrap_or_default()
    }
}

/// The digits of a number below 100,000,000, the first of them in the lowest byte.
#[inline]
fn eight_digits(number: u64) -> u64 {
    // Two fours, then pairs, then digits, the higher half of each in the lower place. A division by
    // a hundred or ten is a product, which is exact for so small numbers.
    let fours = (number / 10_000) | (number % 10_000).wrapping_shl(32);
    let hundreds = (fours.wrapping_mul(5_243) >> 19) & 0x0000_007f_0000_007f;
    let pairs = hundreds
        | fours
            .wrapping_sub(hundreds.wrapping_mul(100))
            .wrapping_shl(16);
    let tens = (pairs.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | pairs.wrapping_sub(tens.wrapping_mul(10)).wrapping_shl(8);
    digits | ZEROS
}

/// How many zeros eight digits begin with.
#[inline]
fn zeros_before(digits: u64) -> usize {
    (digits ^ ZEROS).trailing_zeros().wrapping_shr(3) as usize
}

#[cfg(test)]
mod tests {
    use super::Digits;
    use proptest::prelude::*;

    fn check(number: u64) {
        assert_eq!(Digits::of(number).as_bytes(), number.to_string().as_bytes());
    }

    #[test]
    fn numbers_around_every_power_of_ten_have_their_digits() {
        for power in (0..20).map(|exponent| 10_u64.pow(exponent)) {
            for near in [
                power - 1,
                power,
                power + 1,
                power.wrapping_mul(9),
                power / 7,
            ] {
                check(near);
            }
        }
        check(0);
        check(u64::MAX);
        (0..20_000).for_each(|low| {
            check(low);
            check(low * 10_000 + 9_999);
        });
    }

    proptest! {
        #[test]
        fn any_number_has_its_digits(number: u64, shift in 0_u32..64) {
            check(number >> shift);
        }
    }
}
