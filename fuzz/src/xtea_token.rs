//! Tokens: whatever the text, one spelling, no panic, no forgery.

use arbitrary::{Arbitrary, Result, Unstructured};
use xtea_token::v2::{AllowReplays, MacKey, Request, Scope, Ticket, Verifier};
use xtea_token::{
    Claim, Claims, IssueError, Key, Mode, Padding, Text, TokenFormat, UnixMillis, UnixSeconds,
    WordOrder, Xtea, shape,
};

/// Opening never panics, and what opens is issued again as the same text.
pub fn open(data: &[u8]) {
    let _ = try_open(&mut Unstructured::new(data));
}

/// Looking for the format is bounded, and every finding opens the token with the time it states.
pub fn identify(data: &[u8]) {
    let _ = try_identify(&mut Unstructured::new(data));
}

/// A `v2.` token is accepted only as it was issued, with its request and in its time.
pub fn v2(data: &[u8]) {
    let _ = try_v2(&mut Unstructured::new(data));
}

fn try_open(input: &mut Unstructured<'_>) -> Result<()> {
    let format = TokenFormat::arbitrary(input)?;
    let key = Key::arbitrary(input)?;
    if input.arbitrary()? {
        // Blocks of the fuzzer's own plaintext, so that padding and claims are reached.
        let token = encrypted(format.order, &key, input.bytes(input.len())?);
        let format = format.with_mode(Mode::Ecb).with_text(Text::HexLower);
        check_open(format, &key, &token);
    } else {
        check_open(format, &key, rest_as_text(input));
    }
    Ok(())
}

fn check_open(format: TokenFormat, key: &Key, token: &str) {
    let mut buffer = [0; 152];
    let Ok(claim) = format.open(key, token, &mut buffer) else {
        return;
    };
    match format.issue(key, claim) {
        Ok(again) if matches!(format.mode, Mode::CbcIvPrefix { .. }) => {
            let mut buffer = [0; 152];
            assert_eq!(format.open(key, &again, &mut buffer), Ok(claim));
        }
        Ok(again) => match format.text {
            Text::HexLower | Text::HexUpper => assert!(again.eq_ignore_ascii_case(token)),
            _ => assert_eq!(&*again, token),
        },
        Err(IssueError::Unsafe) => {
            assert!(matches!(format.claims, Claims::AliasThenMillis { .. }));
        }
        Err(error) => {
            assert_eq!((error, format.padding), (IssueError::Length, Padding::None));
        }
    }
}

fn try_identify(input: &mut Unstructured<'_>) -> Result<()> {
    let keys: [Key; 2] = [Key::arbitrary(input)?, Key::arbitrary(input)?];
    let keys = &keys[..input.int_in_range(0..=2)?];
    match (input.arbitrary()?, keys.last()) {
        (true, Some(key)) => {
            let format = TokenFormat::arbitrary(input)?.with_claims(Claims::Opaque);
            let plaintext = input.bytes(input.len())?;
            if let Ok(token) = format.issue(key, Claim::Bytes(plaintext)) {
                check_identify(&token, keys);
            }
        }
        _ => check_identify(rest_as_text(input), keys),
    }
    Ok(())
}

fn check_identify(token: &str, keys: &[Key]) {
    let _ = shape(token);
    let mut count = 0;
    let mut was_time = true;
    for finding in xtea_token::identify(token, keys) {
        let mut buffer = [0; 152];
        let claim = finding
            .format
            .open(&keys[finding.key_index], token, &mut buffer);
        assert_eq!(claim.map(|claim| claim.at()), Ok(finding.at));
        assert!(was_time || finding.at.is_none(), "a time after a text");
        was_time = finding.at.is_some();
        count += 1;
    }
    // Text forms, word orders, modes, paddings; each plaintext is a time or a text.
    assert!(count <= keys.len() * 4 * 2 * 3 * 5);
}

fn try_v2(input: &mut Unstructured<'_>) -> Result<()> {
    let key = || MacKey::new(7, [0x42; 32]);
    let now = UnixSeconds(1_501_234_567);
    let verifier = Verifier::new(key());
    let scope = Scope::from_bits(input.arbitrary()?);
    let expires = UnixSeconds(now.0.saturating_add(u64::from(u16::arbitrary(input)?)));
    let nonce = input.arbitrary()?;
    let (method, path) = (<&str>::arbitrary(input)?, <&str>::arbitrary(input)?);
    let request = Request::new(method, path, input.arbitrary()?, scope);
    let ticket = Ticket::new(scope, now, expires, nonce).with_subject(<&str>::arbitrary(input)?);
    let accepts = |token: &str, request: &Request<'_>| {
        let granted = verifier.verify_request(now, token, request, &mut AllowReplays);
        granted.is_ok()
    };
    if let Ok(token) = key().issue_bound(&ticket, &request) {
        let in_force = now < expires && scope != Scope::default();
        assert_eq!(accepts(&token, &request), in_force);
        let mut changed = token.as_bytes().to_vec();
        let position = input.choose_index(changed.len())?;
        changed[position] ^= input.int_in_range(1..=127)?;
        if let Ok(changed) = std::str::from_utf8(&changed) {
            assert!(!accepts(changed, &request), "forged");
        }
        let mut other = request;
        other.path = <&str>::arbitrary(input)?;
        assert!(
            other.path == path || !accepts(&token, &other),
            "moved to another path"
        );
    }
    let text = rest_as_text(input);
    assert!(!accepts(text, &request), "forged");
    let legacy = xtea_token::Verifier::new(TokenFormat::LEGACY, Key::new([0; 16]));
    let legacy = legacy
        .expect("the legacy format has a time")
        .secure(verifier.clone());
    if text.starts_with("v2.") {
        assert!(legacy.verify(UnixMillis(now.0 * 1000), text).is_err());
    }
    Ok(())
}

fn encrypted(order: WordOrder, key: &Key, plaintext: &[u8]) -> String {
    let cipher = Xtea::new(key, order);
    let blocks = plaintext.chunks_exact(8).flat_map(|block| {
        let block = block.try_into().expect("chunks of eight");
        cipher.encrypt_block(block)
    });
    blocks.map(|byte| format!("{byte:02x}")).collect()
}

/// The rest of the input, up to the first byte that is not UTF-8.
fn rest_as_text<'a>(input: &mut Unstructured<'a>) -> &'a str {
    let bytes = input.bytes(input.len()).unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
