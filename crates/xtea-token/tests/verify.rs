//! Time window, key rotation, mixed fleets, policy.

mod common;

use std::time::Duration;

use common::{GOLDEN, GOLDEN_MILLIS, Golden, golden_key};
use proptest::prelude::*;
use xtea_token::{
    Accept, Claim, Claims, Key, Text, TokenFormat, UnixMillis, UnixSeconds, Verifier, WordOrder,
};

const LEGACY: TokenFormat = TokenFormat::LEGACY;

fn verifier() -> Verifier {
    Verifier::new(LEGACY, golden_key()).unwrap()
}

fn accepted(verifier: &Verifier, now: u64, token: &str) -> bool {
    verifier.verify(UnixMillis(now), token).is_ok()
}

//= docs/spec/xtea-token.md#verification
//= type=test
//# A time MUST be accepted from `now - max_age` to `now + max_skew`, borders included, in saturating arithmetic.
#[test]
fn the_window_includes_its_borders_and_nothing_beyond() {
    let verifier = verifier().window(Duration::from_secs(10), Duration::from_millis(20));
    for (now, expected) in [
        (GOLDEN_MILLIS - 21, false),
        (GOLDEN_MILLIS - 20, true),
        (GOLDEN_MILLIS, true),
        (GOLDEN_MILLIS + 10_000, true),
        (GOLDEN_MILLIS + 10_001, false),
        (0, false),
        (u64::MAX, false),
    ] {
        assert_eq!(accepted(&verifier, now, GOLDEN), expected, "{now}");
    }
}

#[test]
fn the_window_saturates_at_both_ends_of_time() {
    let for_ever = verifier().window(Duration::MAX, Duration::MAX);
    for now in [0, GOLDEN_MILLIS, u64::MAX] {
        assert!(accepted(&for_ever, now, GOLDEN), "{now}");
    }
    let never_old = verifier().window(Duration::MAX, Duration::ZERO);
    assert!(accepted(&never_old, u64::MAX, GOLDEN));
    assert!(!accepted(&never_old, 0, GOLDEN));
}

#[test]
fn the_default_window_is_five_minutes_to_either_side() {
    for (now, expected) in [
        (GOLDEN_MILLIS - 300_001, false),
        (GOLDEN_MILLIS - 300_000, true),
        (GOLDEN_MILLIS + 300_000, true),
        (GOLDEN_MILLIS + 300_001, false),
    ] {
        assert_eq!(accepted(&verifier(), now, GOLDEN), expected, "{now}");
    }
}

//= docs/spec/xtea-token.md#verification
//= type=test
//# A time in seconds MUST count as the first millisecond of its second.
#[test]
fn seconds_count_as_the_first_millisecond_of_their_second() {
    let format = LEGACY.with_claims(Claims::UnixSeconds);
    let token = format
        .issue(&golden_key(), Claim::AtSeconds(UnixSeconds(1_501_234_567)))
        .unwrap();
    let exact = Verifier::new(format, golden_key())
        .unwrap()
        .window(Duration::ZERO, Duration::ZERO);
    assert!(accepted(&exact, 1_501_234_567_000, &token));
    assert!(!accepted(&exact, 1_501_234_567_001, &token));
}

#[test]
fn a_key_is_rotated_on_two_servers_without_a_token_being_refused() {
    let (old, new) = (|| Key::new([1; 16]), || Key::new([2; 16]));
    let with_keys = |first: Key, second: Option<Key>| {
        let verifier = Verifier::new(LEGACY, first).unwrap();
        match second {
            Some(key) => verifier.also_key(key).unwrap(),
            None => verifier,
        }
    };
    let steps = [
        with_keys(old(), None),
        with_keys(old(), Some(new())), // the new key second, everywhere
        with_keys(new(), Some(old())), // the new key first, everywhere
        with_keys(new(), None),        // the old key dropped
    ];
    let now = UnixMillis(GOLDEN_MILLIS);
    let exchange = |issuer: &Verifier, taker: &Verifier| {
        let token = issuer.issue(Claim::At(now)).unwrap();
        taker.verify(now, &token).map(|verified| verified.key_index)
    };
    for pair in steps.windows(2) {
        // While a step rolls out, one server is ahead of the other.
        let [behind, ahead] = pair else {
            unreachable!()
        };
        assert!(exchange(behind, ahead).is_ok());
        assert!(exchange(ahead, behind).is_ok());
    }
    assert_eq!(
        exchange(&steps[1], &steps[2]),
        Ok(1),
        "the old key is still in use"
    );
    assert_eq!(
        exchange(&steps[2], &steps[2]),
        Ok(0),
        "the old key can be dropped"
    );
    assert!(exchange(&steps[0], &steps[3]).is_err());
}

//= docs/spec/xtea-token.md#verification
//= type=test
//# A verifier MUST NOT try more than 4 keys or more than 4 formats.
#[test]
fn a_fifth_key_and_a_fifth_format_are_refused() {
    let mut verifier = verifier();
    for index in 1..4 {
        verifier = verifier.also_key(Key::new([index; 16])).unwrap();
        let text = [Text::HexUpper, Text::Base64, Text::Base64UrlNoPad][usize::from(index) - 1];
        verifier = verifier.also_format(LEGACY.with_text(text)).unwrap();
    }
    assert!(verifier.clone().also_key(Key::new([4; 16])).is_err());
    let fifth = LEGACY.with_order(WordOrder::Little);
    assert_eq!(verifier.clone().also_format(fifth).unwrap_err().0, fifth);

    let format = LEGACY.with_text(Text::Base64UrlNoPad);
    let claim = Claim::At(UnixMillis(GOLDEN_MILLIS));
    let token = format.issue(&Key::new([3; 16]), claim).unwrap();
    let outcome = verifier.verify(UnixMillis(GOLDEN_MILLIS), &token).unwrap();
    assert_eq!((outcome.key_index, outcome.format_index), (3, 3));
    assert_eq!(outcome.claim(), claim);
}

//= docs/spec/xtea-token.md#verification
//= type=test
//# A token whose plaintext holds no time MUST NOT be verified.
#[test]
fn opaque_formats_are_refused() {
    let opaque = LEGACY.with_claims(Claims::Opaque);
    assert_eq!(Verifier::new(opaque, golden_key()).unwrap_err().0, opaque);
    assert!(verifier().also_format(opaque).is_err());
}

#[test]
fn every_golden_token_with_a_time_is_verified_with_its_claim() {
    for golden in Golden::all() {
        let Some(at) = golden.claim().at() else {
            continue;
        };
        let verifier = Verifier::new(golden.format, golden_key()).unwrap();
        let outcome = verifier.verify(at, golden.token).unwrap();
        assert_eq!(outcome.claim(), golden.claim());
    }
}

//= docs/spec/xtea-token.md#policy
//= type=test
//# A text that starts with `v2.` MUST NOT be tried as a legacy token.
#[test]
fn a_v2_text_never_falls_through_to_the_legacy_path() {
    let verifier = verifier().window(Duration::MAX, Duration::MAX);
    assert!(!accepted(&verifier, GOLDEN_MILLIS, &format!("v2.{GOLDEN}")));
    assert!(!accepted(&verifier, GOLDEN_MILLIS, "v2."));
}

#[test]
fn secure_only_rejects_every_legacy_token() {
    let verifier = verifier().accept(Accept::SecureOnly);
    assert!(!accepted(&verifier, GOLDEN_MILLIS, GOLDEN));
    assert_eq!(verifier.policy(), Accept::SecureOnly);
}

proptest! {
    #[test]
    fn a_token_is_verified_exactly_while_its_time_is_in_the_window(
        at in 1_000_000_000_000_u64..10_000_000_000_000,
        now in 1_000_000_000_000_u64..10_000_000_000_000,
        age in 0_u64..1_000_000_000_000,
        skew in 0_u64..1_000_000_000_000,
    ) {
        let verifier = verifier().window(Duration::from_millis(age), Duration::from_millis(skew));
        let token = verifier.issue(Claim::At(UnixMillis(at))).unwrap();
        let expected = at + age >= now && at <= now + skew;
        prop_assert_eq!(accepted(&verifier, now, &token), expected);
    }
}
