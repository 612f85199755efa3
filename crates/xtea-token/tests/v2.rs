//! The authenticated `v2.` token.
#![cfg(feature = "v2")]

mod common;

use common::{GOLDEN, GOLDEN_MILLIS, golden_key, lines, unhex};
use proptest::prelude::*;
use xtea_token::v2::{
    Admitted, AllowReplays, MacKey, ReplayCache, ReplayGuard, Request, Scope, Ticket, Verifier,
};
use xtea_token::{Accept, IssueError, TokenFormat, UnixMillis, UnixSeconds};

const ISSUED: UnixSeconds = UnixSeconds(1_501_234_567);
const NONCE: [u8; 8] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7];

fn key() -> MacKey {
    MacKey::new(7, std::array::from_fn(|i| u8::try_from(i).unwrap()))
}

fn verifier() -> Verifier {
    Verifier::new(key())
}

fn after(seconds: u64) -> UnixSeconds {
    UnixSeconds(ISSUED.0 + seconds)
}

fn push() -> Request<'static> {
    let body = "9261fe3d779c651a2f308779dab5bb2943f2335d65e4ca944082f5a1eaa29f60";
    Request::new("POST", "/push", unhex(body), Scope::PUBLISH)
}

fn ticket(scope: Scope, life: u64) -> Ticket<'static> {
    Ticket::new(scope, ISSUED, after(life), NONCE)
}

fn check(now: UnixSeconds, token: &str, request: &Request<'_>) -> bool {
    let granted = verifier().verify_request(now, token, request, &mut AllowReplays);
    granted.is_ok()
}

//= docs/spec/xtea-token.md#mac-of-a-v2-token
//= type=test
//# The MAC MUST be the first 16 bytes of HMAC-SHA256 over the domain, the length of the claims, the claims and the binding.
#[test]
fn every_golden_v2_token_is_issued_and_verified() {
    let mut count = 0;
    for line in lines(include_str!("vectors/v2_tokens.txt")) {
        let [kind, method, path, body, expires, scope, subject, token] = line[..] else {
            panic!("eight fields expected");
        };
        let scope = Scope::from_bits(scope.parse().unwrap());
        let expires = UnixSeconds(expires.parse().unwrap());
        let subject = if subject == "-" { "" } else { subject };
        let ticket = Ticket::new(scope, ISSUED, expires, NONCE).with_subject(subject);
        let grant = if kind == "bound" {
            let request = Request::new(method, path, unhex(body), scope);
            assert_eq!(&*key().issue_bound(&ticket, &request).unwrap(), token);
            verifier().verify_request(ISSUED, token, &request, &mut AllowReplays)
        } else {
            assert_eq!(&*key().issue_unbound(&ticket).unwrap(), token);
            verifier().verify_connection(ISSUED, token, subject, scope)
        };
        let grant = grant.unwrap();
        assert_eq!(
            (grant.scope, grant.key_id, grant.expires),
            (scope, 7, expires)
        );
        assert_eq!(grant.subject(), subject);
        count += 1;
    }
    assert_eq!(count, 3);
}

//= docs/spec/xtea-token.md#mac-of-a-v2-token
//= type=test
//# The binding of a bound token MUST cover the method, the path and the SHA-256 of the body.
#[test]
fn a_bound_token_is_rejected_with_another_method_path_or_body() {
    let token = key()
        .issue_bound(&ticket(Scope::PUBLISH, 300), &push())
        .unwrap();
    assert!(check(ISSUED, &token, &push()));
    let mut others = [push(); 4];
    others[0].method = "PUT";
    others[1].path = "/pusg";
    others[2].body_sha256[31] ^= 1;
    (others[3].method, others[3].path) = ("POST/", "push");
    for other in others {
        assert!(!check(ISSUED, &token, &other), "{other:?}");
    }
}

//= docs/spec/xtea-token.md#checks-of-a-v2-token
//= type=test
//# The MAC MUST be compared in constant time.
//= docs/spec/xtea-token.md#checks-of-a-v2-token
//= type=test
//# Claims other than version, flags and key id MUST NOT be interpreted before the MAC has been found right.
#[test]
fn every_change_of_one_character_is_rejected() {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
    let token = key()
        .issue_bound(&ticket(Scope::PUBLISH, 300), &push())
        .unwrap();
    for position in 0..token.len() {
        for letter in alphabet {
            let mut changed = token.as_bytes().to_vec();
            changed[position] = *letter;
            let changed = String::from_utf8(changed).unwrap();
            assert!(
                changed == *token || !check(ISSUED, &changed, &push()),
                "{changed}"
            );
        }
    }
    for end in 0..token.len() {
        assert!(!check(ISSUED, &token[..end], &push()));
    }
    assert!(!check(ISSUED, &format!("{}A", &*token), &push()));
}

//= docs/spec/xtea-token.md#text-of-a-v2-token
//= type=test
//# A v2 token MUST be `v2.`, the claims, `.` and the MAC, both parts in URL Base64 without padding and with unused low bits zero.
#[test]
fn other_spellings_of_the_same_parts_are_rejected() {
    let token = key()
        .issue_bound(&ticket(Scope::PUBLISH, 300), &push())
        .unwrap();
    let (claims, mac) = token[3..].split_once('.').unwrap();
    for other in [
        format!("V2.{claims}.{mac}"),
        format!("v2.{claims}=.{mac}"),
        format!("v2.{claims}.{mac}=="),
        format!("v2.{claims}.{mac}."),
        format!("v2..{claims}.{mac}"),
        format!("v2.{claims}.{}x", &mac[..mac.len() - 1]),
        format!(" v2.{claims}.{mac}"),
        format!("v2.{claims}.{mac}\n"),
        format!("v2.{claims}.{}", mac.replace('_', "/")),
    ] {
        assert!(!check(ISSUED, &other, &push()), "{other}");
    }
}

//= docs/spec/xtea-token.md#text-of-a-v2-token
//= type=test
//# The claims MUST be exactly as long as the subject length says, and the MAC 16 bytes.
#[test]
fn a_subject_of_128_bytes_fits_and_one_of_129_does_not() {
    let alias = "门".repeat(42) + "ab";
    let fits = ticket(Scope::CONNECT, 60).with_subject(&alias);
    let token = key().issue_unbound(&fits).unwrap();
    let grant = verifier().verify_connection(ISSUED, &token, &alias, Scope::CONNECT);
    assert_eq!(grant.unwrap().subject(), alias);
    let longer = alias.clone() + "c";
    let too_long = ticket(Scope::CONNECT, 60).with_subject(&longer);
    assert_eq!(
        key().issue_unbound(&too_long).err(),
        Some(IssueError::Length)
    );
}

/// A token with its claims changed and signed again by someone who has the key.
fn forged(change: impl FnOnce(&mut Vec<u8>)) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut claims = vec![2, 0, 0, 7];
    claims.extend(ISSUED.0.to_be_bytes());
    claims.extend(after(60).0.to_be_bytes());
    claims.extend(2_u16.to_be_bytes());
    claims.extend(NONCE);
    claims.push(0);
    change(&mut claims);
    let secret: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap();
    mac.update(b"xtea-token/v2\n");
    mac.update(&u16::try_from(claims.len()).unwrap().to_be_bytes());
    mac.update(&claims);
    let mac = mac.finalize().into_bytes();
    format!("v2.{}.{}", base64url(&claims), base64url(&mac[..16]))
}

fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|b| (0..8).rev().map(move |i| b >> i & 1))
        .collect();
    bits.chunks(6)
        .map(|six| six.iter().fold(0, |n, bit| n << 1 | usize::from(*bit)) << (6 - six.len()))
        .map(|index| char::from(alphabet[index]))
        .collect()
}

//= docs/spec/xtea-token.md#checks-of-a-v2-token
//= type=test
//# The version MUST be 2 and every flag other than `bound` MUST be zero.
#[test]
fn claims_that_are_signed_but_not_well_formed_are_rejected() {
    let info = Request::new("GET", "/info", [0; 32], Scope::INFO);
    let holds = |change: fn(&mut Vec<u8>)| check(ISSUED, &forged(change), &info);
    assert!(holds(|_| {}));
    assert!(
        holds(|claims| claims[20] |= 0x80),
        "unknown scope bits are kept"
    );
    assert!(!holds(|claims| claims[0] = 1), "version");
    assert!(!holds(|claims| claims[1] = 2), "unknown flag");
    assert!(
        !holds(|claims| claims[1] = 1),
        "bound, but not signed with the request"
    );
    assert!(!holds(|claims| claims[3] = 8), "key id");
    assert!(!holds(|claims| claims[21] = 1), "scope");
    assert!(!holds(|claims| claims[30] = 1), "subject length");
    assert!(!holds(|claims| claims.push(0)), "trailing byte");
    assert!(
        !holds(|claims| {
            claims[30] = 1;
            claims.push(0xff);
        }),
        "subject that is not UTF-8"
    );
}

//= docs/spec/xtea-token.md#checks-of-a-v2-token
//= type=test
//# The token MUST NOT be issued later than `now + skew`, and `now` MUST be before its expiry.
#[test]
fn a_token_holds_from_skew_before_its_issue_until_the_second_before_expiry() {
    let token = key()
        .issue_bound(&ticket(Scope::PUBLISH, 300), &push())
        .unwrap();
    assert!(!check(UnixSeconds(ISSUED.0 - 301), &token, &push()));
    assert!(check(UnixSeconds(ISSUED.0 - 300), &token, &push()));
    assert!(check(after(299), &token, &push()));
    assert!(!check(after(300), &token, &push()));
    assert!(!check(UnixSeconds(0), &token, &push()));
    assert!(!check(UnixSeconds(u64::MAX), &token, &push()));
}

//= docs/spec/xtea-token.md#checks-of-a-v2-token
//= type=test
//# The time from issue to expiry MUST NOT exceed 900 seconds when bound and 86400 seconds when not.
#[test]
fn a_life_longer_than_allowed_is_neither_issued_nor_accepted() {
    let bound = |life| key().issue_bound(&ticket(Scope::PUBLISH, life), &push());
    assert!(bound(900).is_ok());
    assert_eq!(bound(901).err(), Some(IssueError::TimeOutOfRange));
    let unbound = |life| key().issue_unbound(&ticket(Scope::INFO, life));
    assert!(unbound(86_400).is_ok());
    assert_eq!(unbound(86_401).err(), Some(IssueError::TimeOutOfRange));
    let backwards = Ticket::new(Scope::INFO, after(1), ISSUED, NONCE);
    assert_eq!(
        key().issue_unbound(&backwards).err(),
        Some(IssueError::TimeOutOfRange)
    );

    let info = Request::new("GET", "/info", [0; 32], Scope::INFO);
    let lives =
        |life: u64| forged(|claims| claims[12..20].copy_from_slice(&after(life).0.to_be_bytes()));
    assert!(check(ISSUED, &lives(86_400), &info));
    assert!(!check(ISSUED, &lives(86_401), &info));
    assert!(!check(ISSUED, &lives(u64::MAX - ISSUED.0), &info));
}

//= docs/spec/xtea-token.md#use-of-v2-tokens
//= type=test
//# A request whose method is neither `GET` nor `HEAD`, and every request to `/push`, MUST carry a bound token.
#[test]
fn a_token_that_is_not_bound_reads_but_does_not_push() {
    let all = Scope::INFO | Scope::PUBLISH;
    let token = key().issue_unbound(&ticket(all, 300)).unwrap();
    let request = |method, path, scope| Request::new(method, path, [0; 32], scope);
    assert!(check(ISSUED, &token, &request("GET", "/info", Scope::INFO)));
    assert!(check(
        ISSUED,
        &token,
        &request("HEAD", "/info", Scope::INFO)
    ));
    assert!(!check(
        ISSUED,
        &token,
        &request("GET", "/push", Scope::PUBLISH)
    ));
    for method in ["POST", "PUT", "DELETE", "get", ""] {
        assert!(
            !check(ISSUED, &token, &request(method, "/info", Scope::INFO)),
            "{method}"
        );
    }
    assert!(!check(ISSUED, &token, &push()));
}

//= docs/spec/xtea-token.md#use-of-v2-tokens
//= type=test
//# A connection MUST carry a token that is not bound and whose subject is the alias that connects.
#[test]
fn whose_a_token_is_can_be_known_whatever_it_allows() {
    let own = ticket(Scope::INFO, 60).with_subject("m_2");
    let token = key().issue_unbound(&own).unwrap();
    let of = |now: u64, alias| verifier().verify_subject(UnixSeconds(now), &token, alias);
    let grant = of(ISSUED.0, "m_2").unwrap();
    assert_eq!((grant.subject(), grant.scope), ("m_2", Scope::INFO));
    assert!(of(ISSUED.0, "m_3").is_err());
    assert!(of(ISSUED.0, "").is_err());
    assert!(of(ISSUED.0 + 3600, "m_2").is_err());
}

//= docs/spec/xtea-token.md#use-of-v2-tokens
//= type=test
//# A connection MUST carry a token that is not bound and whose subject is the alias that connects.
#[test]
fn a_connection_token_is_valid_for_its_alias_and_scope_only() {
    let own = ticket(Scope::CONNECT | Scope::RELAY, 86_400).with_subject("m_2");
    let token = key().issue_unbound(&own).unwrap();
    let connects = |token: &str, alias, scope| {
        verifier()
            .verify_connection(ISSUED, token, alias, scope)
            .is_ok()
    };
    assert!(connects(&token, "m_2", Scope::CONNECT));
    assert!(connects(&token, "m_2", Scope::RELAY));
    assert!(connects(&token, "m_2", Scope::RELAY), "clients reconnect");
    assert!(!connects(&token, "m_2", Scope::DOOR));
    assert!(!connects(&token, "m_2", Scope::default()));
    assert!(!connects(&token, "m_3", Scope::CONNECT));
    assert!(!connects(&token, "", Scope::CONNECT));
    let nobody = key().issue_unbound(&ticket(Scope::CONNECT, 60)).unwrap();
    assert!(!connects(&nobody, "", Scope::CONNECT));
    let bound = key().issue_bound(&ticket(Scope::CONNECT, 60).with_subject("m_2"), &push());
    assert!(!connects(&bound.unwrap(), "m_2", Scope::CONNECT));
}

//= docs/spec/xtea-token.md#use-of-v2-tokens
//= type=test
//# A bound token MUST be accepted at most once while the replay cache remembers its nonce.
#[test]
fn a_nonce_is_taken_once_and_again_after_it_expired() {
    let mut replays = ReplayCache::<4>::new();
    let verifier = verifier();
    let token = key()
        .issue_bound(&ticket(Scope::PUBLISH, 300), &push())
        .unwrap();
    let mut take = |now, token: &str| {
        verifier
            .verify_request(now, token, &push(), &mut replays)
            .is_ok()
    };
    assert!(take(ISSUED, &token));
    assert!(!take(ISSUED, &token));
    assert!(!take(after(299), &token));
    let later = Ticket::new(Scope::PUBLISH, after(300), after(400), NONCE);
    let later = key().issue_bound(&later, &push()).unwrap();
    assert!(take(after(300), &later));
}

//= docs/spec/xtea-token.md#use-of-v2-tokens
//= type=test
//# A replay cache that is full of nonces of live tokens MUST reject further tokens.
#[test]
fn a_full_replay_cache_fails_closed_until_something_expires() {
    let mut replays = ReplayCache::<3>::default();
    let mut take = |now, nonce: u8, life| {
        let ticket = Ticket::new(Scope::PUBLISH, ISSUED, after(life), [nonce; 8]);
        let token = key().issue_bound(&ticket, &push()).unwrap();
        verifier()
            .verify_request(now, &token, &push(), &mut replays)
            .is_ok()
    };
    assert!(take(ISSUED, 1, 100) && take(ISSUED, 2, 200) && take(ISSUED, 3, 200));
    assert!(!take(ISSUED, 4, 200));
    assert!(!take(after(99), 4, 200));
    assert!(take(after(100), 4, 200));
    assert!(!take(after(100), 2, 200), "still remembered");
}

#[test]
fn a_replay_cache_holds_24_bytes_for_each_nonce() {
    assert_eq!(size_of::<ReplayCache>(), 4096 * 24);
}

#[test]
fn a_rejected_token_does_not_use_up_its_nonce() {
    let mut replays = ReplayCache::<1>::new();
    let token = key()
        .issue_bound(&ticket(Scope::PUBLISH, 300), &push())
        .unwrap();
    let mut other = push();
    other.scope = Scope::DOOR;
    assert!(
        verifier()
            .verify_request(ISSUED, &token, &other, &mut replays)
            .is_err()
    );
    assert!(
        verifier()
            .verify_request(ISSUED, &token, &push(), &mut replays)
            .is_ok()
    );
}

#[test]
fn a_shared_store_can_stand_in_for_the_cache() {
    struct Never;
    impl ReplayGuard for Never {
        fn take(&mut self, _: UnixSeconds, _: xtea_token::v2::Nonce, _: UnixSeconds) -> bool {
            false
        }
    }
    let token = key()
        .issue_bound(&ticket(Scope::PUBLISH, 300), &push())
        .unwrap();
    assert!(
        verifier()
            .verify_request(ISSUED, &token, &push(), &mut Never)
            .is_err()
    );
}

#[test]
fn keys_are_told_apart_by_number_and_a_number_is_taken_once() {
    let two = verifier().also_key(MacKey::new(8, [8; 32])).unwrap();
    let token = MacKey::new(8, [8; 32]).issue_bound(&ticket(Scope::PUBLISH, 60), &push());
    let grant = two.verify_request(ISSUED, &token.unwrap(), &push(), &mut AllowReplays);
    assert_eq!(grant.unwrap().key_id, 8);
    assert_eq!(
        two.clone()
            .also_key(MacKey::new(7, [0; 32]))
            .unwrap_err()
            .0
            .id(),
        7
    );
    let four = two.also_key(MacKey::new(1, [1; 32])).unwrap();
    let four = four.also_key(MacKey::new(2, [2; 32])).unwrap();
    assert!(four.also_key(MacKey::new(3, [3; 32])).is_err());
}

//= docs/spec/xtea-token.md#policy
//= type=test
//# A `v2.` token MUST be rejected under the policy `Legacy`, and a legacy token under `SecureOnly`.
#[test]
fn the_policy_decides_which_generation_is_admitted() {
    let legacy_only = xtea_token::Verifier::new(TokenFormat::LEGACY, golden_key()).unwrap();
    assert_eq!(legacy_only.policy(), Accept::Legacy);
    let both = legacy_only.clone().secure(verifier());
    assert_eq!(both.policy(), Accept::Both);
    let v2 = key()
        .issue_bound(&ticket(Scope::PUBLISH, 300), &push())
        .unwrap();
    let admitted = |verifier: &xtea_token::Verifier, token: &str| {
        let now = UnixMillis(GOLDEN_MILLIS);
        match verifier.admit(now, token, &push(), &mut AllowReplays) {
            Ok(Admitted::Legacy(_)) => "legacy",
            Ok(Admitted::Secure(_)) => "secure",
            Ok(_) => "unknown",
            Err(_) => "rejected",
        }
    };
    for (verifier, legacy, secure) in [
        (legacy_only.clone(), "legacy", "rejected"),
        (both.clone(), "legacy", "secure"),
        (both.clone().accept(Accept::Legacy), "legacy", "rejected"),
        (both.accept(Accept::SecureOnly), "rejected", "secure"),
        (legacy_only.accept(Accept::Both), "legacy", "rejected"),
    ] {
        assert_eq!(admitted(&verifier, GOLDEN), legacy, "{verifier:?}");
        assert_eq!(admitted(&verifier, &v2), secure, "{verifier:?}");
    }
}

#[test]
fn debug_shows_neither_key_nor_token() {
    let shown = format!("{:?} {:?}", MacKey::new(7, [0x55; 32]), verifier());
    assert!(
        shown.contains("id: 7") && !shown.contains("55") && !shown.contains("85"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn what_is_issued_is_granted(
        scope in 1_u16.., life in 1_u64..900, nonce: [u8; 8], subject in "\\PC{0,32}",
        path in "(/\\PC{0,10}){1,3}", body: [u8; 32],
    ) {
        let scope = Scope::from_bits(scope);
        let request = Request::new("POST", &path, body, scope);
        let ticket = Ticket::new(scope, ISSUED, after(life), nonce).with_subject(&subject);
        let token = key().issue_bound(&ticket, &request).unwrap();
        let grant = verifier().verify_request(ISSUED, &token, &request, &mut AllowReplays).unwrap();
        prop_assert_eq!(grant.subject(), subject.as_str());
        prop_assert_eq!(grant.scope, scope);
    }

    #[test]
    fn no_text_is_accepted_or_makes_the_verifier_panic(text in "v2\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,22}|\\PC*") {
        prop_assert!(!check(ISSUED, &text, &push()));
    }
}
