//! Bouncy Castle, what most Java programs that make these tokens use.
//!
//! Needs `java` and the Debian package `libbcprov-java`. Without them the tests say that they are
//! skipped, unless the environment variable `INTEROP` is `required`.

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::hex;
use xtea_token::{Claim, Claims, Key, Padding, TokenFormat, UnixMillis, WordOrder, Xtea};

const JAR: &str = "/usr/share/java/bcprov.jar";
const PROGRAM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/interop/BouncyCastle.java"
);

/// Bouncy Castle's answer to each line; `None` when it is not here and need not be.
fn bouncy_castle(questions: &str) -> Option<Vec<String>> {
    let required = std::env::var("INTEROP").is_ok_and(|value| value == "required");
    let has_java = Command::new("java").arg("-version").output().is_ok();
    if !has_java || !Path::new(JAR).exists() || !Path::new(PROGRAM).exists() {
        assert!(
            !required,
            "java with {JAR} is required; install libbcprov-java and a JDK"
        );
        println!("skipped: needs java and {JAR}");
        return None;
    }
    let mut java = Command::new("java")
        .args(["-cp", JAR, PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = java.stdin.take().unwrap();
    let questions = questions.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = java.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    Some(answers.lines().map(str::to_owned).collect())
}

/// Bytes that look random and are the same in every run: the cipher in counter mode.
fn random(count: u64) -> impl Iterator<Item = [u8; 8]> {
    let cipher = Xtea::new(&Key::new(*b"a random stream!"), WordOrder::Big);
    (0..count).map(move |index| cipher.encrypt_block(index.to_be_bytes()))
}

#[test]
fn ten_thousand_random_blocks_equal_bouncy_castle() {
    let words: Vec<[u8; 8]> = random(30_000).collect();
    let cases: Vec<([u8; 16], [u8; 8])> = words
        .chunks(3)
        .map(|words| ([words[0], words[1]].concat().try_into().unwrap(), words[2]))
        .collect();
    let questions = cases.iter().fold(String::new(), |mut text, (key, block)| {
        writeln!(text, "none {} {}", hex(key), hex(block)).unwrap();
        text
    });
    let Some(answers) = bouncy_castle(&questions) else {
        return;
    };
    assert_eq!(answers.len(), cases.len());
    for ((key, block), answer) in cases.into_iter().zip(answers) {
        let ours = Xtea::new(&Key::new(key), WordOrder::Big).encrypt_block(block);
        assert_eq!(hex(&ours), answer);
    }
}

#[test]
fn whole_tokens_equal_bouncy_castle() {
    let opaque = TokenFormat::LEGACY.with_claims(Claims::Opaque);
    let mut questions = String::new();
    let mut ours = Vec::new();
    let mut ask = |format: TokenFormat, claim: Claim<'_>, plaintext: &[u8]| {
        let key = common::golden_key();
        let padding = match format.padding {
            Padding::Pkcs7 => "pkcs7",
            _ => "zero",
        };
        let key_digits = "000102030405060708090a0b0c0d0e0f";
        writeln!(questions, "{padding} {key_digits} {}", hex(plaintext)).unwrap();
        ours.push(format.issue(&key, claim).unwrap().to_string());
    };
    for padding in [Padding::Pkcs7, Padding::ZeroAlways] {
        for offset in random(1000) {
            let millis = 1_000_000_000_000 + u64::from_be_bytes(offset) % 9_000_000_000_000;
            let format = TokenFormat::LEGACY.with_padding(padding);
            let plaintext = millis.to_string();
            ask(format, Claim::At(UnixMillis(millis)), plaintext.as_bytes());
        }
        for len in 0..=144 {
            let plaintext = "门口机-0123456789".repeat(8);
            let plaintext = &plaintext.as_bytes()[..len];
            ask(
                opaque.with_padding(padding),
                Claim::Bytes(plaintext),
                plaintext,
            );
        }
    }
    let Some(answers) = bouncy_castle(&questions) else {
        return;
    };
    assert_eq!(ours, answers);
}
