//! XTEA tokens beside the naive loop a Java or Rust program would write, and RustCrypto's `xtea`.

use std::fmt::Write as _;
use std::hint::black_box;

use benches::Group;
use sha2::{Digest, Sha256};
use xtea::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use xtea_token::v2::{self, AllowReplays, MacKey, ReplayCache, Request, Scope, Ticket};
use xtea_token::{
    Claim, Claims, Key, Padding, TokenFormat, UnixMillis, UnixSeconds, Verifier, WordOrder, Xtea,
    identify,
};

const KEY: [u8; 16] = *b"0123456789abcdef";
const NOW: UnixMillis = UnixMillis(1_501_234_567_890);

fn main() {
    single_block();
    bulk();
    issue_32_bytes();
    verify_32_bytes();
    legacy_token();
    rejections();
    identify_token();
    v2_token();
}

fn single_block() {
    let ours = Xtea::new(&Key::new(KEY), WordOrder::Little);
    let theirs = xtea::Xtea::new(&KEY.into());
    let (mut a, mut b, mut c, mut d) = ([7; 8], [7; 8].into(), [7; 8], [7; 8].into());
    Group::new("xtea: one block, each depending on the one before")
        .bytes(8)
        .case("encrypt, ours", || a = ours.encrypt_block(a))
        .case("encrypt, RustCrypto", || theirs.encrypt_block(&mut b))
        .case("decrypt, ours", || c = ours.decrypt_block(c))
        .case("decrypt, RustCrypto", || theirs.decrypt_block(&mut d))
        .case("schedule, ours", || {
            Xtea::new(black_box(&Key::new(KEY)), WordOrder::Big)
        })
        .goal("encrypt, ours", "encrypt, RustCrypto", 0.95)
        .goal("decrypt, ours", "decrypt, RustCrypto", 0.95)
        .run();
}

fn bulk() {
    const BLOCKS: usize = 8192;
    let ours = Xtea::new(&Key::new(KEY), WordOrder::Little);
    let theirs = xtea::Xtea::new(&KEY.into());
    let mut a = vec![[7_u8; 8]; BLOCKS];
    let mut b = vec![[7_u8; 8].into(); BLOCKS];
    let (mut c, mut d) = (a.clone(), b.clone());
    Group::new("xtea: 64 KiB, ECB encrypt and decrypt")
        .bytes(8 * BLOCKS)
        .case("encrypt, ours", || ours.encrypt_blocks(&mut a))
        .case("encrypt, RustCrypto", || theirs.encrypt_blocks(&mut b))
        .case("decrypt, ours", || ours.decrypt_blocks(&mut c))
        .case("decrypt, RustCrypto", || theirs.decrypt_blocks(&mut d))
        .goal("encrypt, ours", "encrypt, RustCrypto", 2.3)
        .goal("decrypt, ours", "decrypt, RustCrypto", 2.3)
        .run();
}

/// A format whose tokens of 32 bytes of ciphertext hold 32 bytes of plaintext.
const WIDE: TokenFormat = TokenFormat::LEGACY
    .with_claims(Claims::Opaque)
    .with_padding(Padding::None);
const PLAINTEXT: &[u8; 32] = b"1501234567890/0123456789abcdef/x";

fn issue_32_bytes() {
    let keyed = WIDE.keyed(&Key::new(KEY));
    let token = keyed.issue(Claim::Bytes(PLAINTEXT)).unwrap();
    assert_eq!(&*token, naive_issue(&KEY, PLAINTEXT));
    Group::new("xtea-token: issue a token of 32 bytes")
        .bytes(32)
        .case("ours", || keyed.issue(Claim::Bytes(black_box(PLAINTEXT))))
        .case("ours, key set-up each time", || {
            WIDE.issue(
                black_box(&Key::new(KEY)),
                Claim::Bytes(black_box(PLAINTEXT)),
            )
        })
        .case("naive loop + format!", || {
            naive_issue(black_box(&KEY), black_box(PLAINTEXT))
        })
        .goal("ours", "naive loop + format!", 5.0)
        .against("ours, key set-up each time", "naive loop + format!")
        .run();
}

fn verify_32_bytes() {
    let keyed = WIDE.keyed(&Key::new(KEY));
    let token = keyed.issue(Claim::Bytes(PLAINTEXT)).unwrap();
    assert_eq!(naive_open(&KEY, &token), PLAINTEXT);
    let mut buffer = [0; 152];
    Group::new("xtea-token: open a token of 32 bytes")
        .bytes(32)
        .case("ours", || {
            keyed.open(black_box(&token), &mut buffer).is_ok()
        })
        .case("naive loop + hex::decode", || {
            naive_open(black_box(&KEY), black_box(&token))
        })
        .goal("ours", "naive loop + hex::decode", 2.5)
        .run();
}

fn legacy_token() {
    let format = TokenFormat::LEGACY;
    let verifier = |older: usize| {
        (0..older).fold(
            Verifier::new(format, key(older)).unwrap(),
            |verifier, index| verifier.also_key(key(index)).unwrap(),
        )
    };
    let (one, four) = (verifier(0), verifier(3));
    let token = format.issue(&key(0), Claim::At(NOW)).unwrap();
    let last = format.issue(&key(2), Claim::At(NOW)).unwrap();
    assert_eq!(four.verify(NOW, &last).unwrap().key_index, 3);
    Group::new("xtea-token: the legacy token of 16 bytes")
        .bytes(16)
        .case("issue", || one.issue(Claim::At(black_box(NOW))))
        .case("verify, one key", || one.verify(NOW, black_box(&token)))
        .case("verify, fourth of four keys", || {
            four.verify(NOW, black_box(&last))
        })
        .case("naive issue", || {
            naive_issue(&KEY, black_box(b"1501234567890\x03\x03\x03"))
        })
        .case("naive open", || naive_open(&KEY, black_box(&token)))
        .against("issue", "naive issue")
        .against("verify, one key", "naive open")
        .run();
}

/// What a refused token costs should not tell why it is refused.
fn rejections() {
    let blocks = |plaintext: &[u8; 16]| naive_issue(&KEY, plaintext);
    let token = blocks(b"1501234567890\x03\x03\x03");
    let padding = blocks(b"1501234567890\x03\x02\x03");
    let digits = blocks(b"15012x4567890\x03\x03\x03");
    let late = blocks(b"1401234567890\x03\x03\x03");
    let verifier = Verifier::new(TokenFormat::LEGACY, Key::new(KEY)).unwrap();
    let verify = |token: &str| verifier.verify(NOW, black_box(token)).is_ok();
    assert!(verify(&token) && !verify(&padding) && !verify(&digits) && !verify(&late));
    Group::new("xtea-token: tokens refused for different reasons")
        .case("padding", || verify(&padding))
        .case("digits", || verify(&digits))
        .case("time", || verify(&late))
        .against("padding", "digits")
        .against("padding", "time")
        .run();
}

fn identify_token() {
    let token = TokenFormat::LEGACY.issue(&key(0), Claim::At(NOW)).unwrap();
    let (right, wrong) = ([key(0)], [key(1)]);
    Group::new("xtea-token: identify the format of the legacy token")
        .case("first finding", || {
            identify(black_box(&token), &right).next()
        })
        .case("all formats, one wrong key", || {
            identify(black_box(&token), &wrong).count()
        })
        .run();
}

fn v2_token() {
    let key = MacKey::new(7, [0x42; 32]);
    let verifier = v2::Verifier::new(key.clone());
    let now = UnixSeconds(NOW.0 / 1000);
    let ticket = Ticket::new(Scope::PUBLISH, now, UnixSeconds(now.0 + 300), [7; 8]);
    let body = vec![b'x'; 64 * 1024];
    let hashed =
        |body: &[u8]| Request::new("POST", "/push", Sha256::digest(body).into(), Scope::PUBLISH);
    let request = hashed(&body);
    let token = key.issue_bound(&ticket, &request).unwrap();
    let verify = |request: &Request<'_>| {
        let token = black_box(&token);
        verifier
            .verify_request(now, token, request, &mut AllowReplays)
            .is_ok()
    };
    assert!(verify(&request));
    let mut full = ReplayCache::<4096>::new();
    for nonce in 0_u64..4095 {
        let ticket = Ticket::new(Scope::PUBLISH, now, ticket.expires, nonce.to_be_bytes());
        let token = key.issue_bound(&ticket, &request).unwrap();
        assert!(
            verifier
                .verify_request(now, &token, &request, &mut full)
                .is_ok()
        );
    }
    let seen = Ticket::new(Scope::PUBLISH, now, ticket.expires, [0; 8]);
    let seen = key.issue_bound(&seen, &request).unwrap();
    Group::new("xtea-token: the v2 token, bound to a POST")
        .case("issue", || key.issue_bound(black_box(&ticket), &request))
        .case("verify, body hashed already", || verify(&request))
        .case("verify, 64 KiB body", || verify(&hashed(black_box(&body))))
        .case("refuse a replay, 4095 nonces held", || {
            verifier
                .verify_request(now, &seen, &request, &mut full)
                .is_ok()
        })
        .run();
}

fn key(index: usize) -> Key {
    let mut bytes = KEY;
    bytes[0] += u8::try_from(index).unwrap();
    Key::new(bytes)
}

/// What a programmer writes who looks XTEA up: a loop per block and `format!` per byte.
fn naive_issue(key: &[u8; 16], plaintext: &[u8]) -> String {
    let mut text = String::new();
    for block in plaintext.chunks(8) {
        let [left, right] = naive_block(key, words(block), false);
        for byte in [left.to_be_bytes(), right.to_be_bytes()].as_flattened() {
            write!(text, "{byte:02x}").unwrap();
        }
    }
    text
}

fn naive_open(key: &[u8; 16], token: &str) -> Vec<u8> {
    let mut plaintext = Vec::with_capacity(token.len() / 2);
    for block in hex::decode(token).unwrap().chunks(8) {
        let [left, right] = naive_block(key, words(block), true);
        plaintext.extend(left.to_be_bytes());
        plaintext.extend(right.to_be_bytes());
    }
    plaintext
}

fn naive_block(key: &[u8; 16], [mut left, mut right]: [u32; 2], decrypt: bool) -> [u32; 2] {
    const DELTA: u32 = 0x9E37_79B9;
    let ([k0, k1], [k2, k3]) = (words(&key[..8]), words(&key[8..]));
    let keys = [k0, k1, k2, k3];
    let mix = |word: u32| ((word << 4) ^ (word >> 5)).wrapping_add(word);
    let mut sum = if decrypt { DELTA.wrapping_mul(32) } else { 0 };
    for _ in 0..32 {
        if decrypt {
            right =
                right.wrapping_sub(mix(left) ^ sum.wrapping_add(keys[(sum >> 11 & 3) as usize]));
            sum = sum.wrapping_sub(DELTA);
            left = left.wrapping_sub(mix(right) ^ sum.wrapping_add(keys[(sum & 3) as usize]));
        } else {
            left = left.wrapping_add(mix(right) ^ sum.wrapping_add(keys[(sum & 3) as usize]));
            sum = sum.wrapping_add(DELTA);
            right =
                right.wrapping_add(mix(left) ^ sum.wrapping_add(keys[(sum >> 11 & 3) as usize]));
        }
    }
    [left, right]
}

fn words(block: &[u8]) -> [u32; 2] {
    let word = |at: usize| u32::from_be_bytes(block[at..at + 4].try_into().unwrap());
    [word(0), word(4)]
}
