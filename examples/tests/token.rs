//! The `token` example as a process.

use std::path::PathBuf;
use std::process::{Command, Output};

const KEY: &str = "000102030405060708090a0b0c0d0e0f";
const GOLDEN: &str = "80c8075e1bf49c61388e2146c387fe3a";
const AT: &str = "1501234567890";

/// Runs the example that `cargo test` has built beside this test.
fn token(args: &[&str]) -> Output {
    let output = command(args).output();
    output.expect("the example is built: `cargo build -p examples --examples`")
}

fn command(args: &[&str]) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let program = path
        .join("examples")
        .join(format!("token{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program);
    command.args(args).env_remove("XTEA_KEY");
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn issue_prints_only_the_token() {
    let output = token(&["issue", "--key", KEY, "--at", AT]);
    assert_eq!(stdout(&output), format!("{GOLDEN}\n"));
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn issue_follows_the_preset() {
    for (preset, expected) in [
        ("legacy-upper", "80C8075E1BF49C61388E2146C387FE3A"),
        ("legacy-base64", "gMgHXhv0nGE4jiFGw4f+Og=="),
        ("legacy-base64url", "gMgHXhv0nGE4jiFGw4f-Og"),
        ("legacy-seconds", "80c8075e1bf49c61e2f1ca96d84a1f2c"),
        ("zero-padded", "80c8075e1bf49c612292a9da8fba4e85"),
        (
            "length-prefixed",
            "8999ebb5f6ad6095a070732bb182a4d3d95c47af0ac02f6f",
        ),
        ("little-endian", "466f1f5ee17122c398fee23cf198edb9"),
    ] {
        let output = token(&["issue", "--key", KEY, "--at", AT, "--preset", preset]);
        assert_eq!(stdout(&output), format!("{expected}\n"), "{preset}");
    }
}

#[test]
fn a_token_issued_now_is_accepted_now() {
    let issued = token(&["issue", "--key", KEY]);
    let output = token(&["verify", "--key", KEY, stdout(&issued).trim_end()]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "token accepted\n");
}

#[test]
fn the_window_is_measured_from_the_given_time() {
    for (at, window, code) in [
        ("1501234867890", "300", 0),
        ("1501234867891", "300", 1),
        ("1501234267890", "300", 0),
        ("1501234267889", "300", 1),
        ("1501234567890", "0", 0),
        ("1501234567891", "0", 1),
    ] {
        let output = token(&[
            "verify", "--key", KEY, GOLDEN, "--at", at, "--window", window,
        ]);
        assert_eq!(output.status.code(), Some(code), "{at} {window}");
    }
}

#[test]
fn every_rejection_prints_the_same_line() {
    let other_key = "ffffffffffffffffffffffffffffffff";
    for args in [
        ["verify", "--key", KEY, GOLDEN].as_slice(),
        &["verify", "--key", other_key, GOLDEN, "--at", AT],
        &["verify", "--key", KEY, &GOLDEN[..31], "--at", AT],
        &["verify", "--key", KEY, "测试", "--at", AT],
        &["verify", "--key", KEY, "", "--at", AT],
        &[
            "verify",
            "--key",
            KEY,
            "--preset",
            "little-endian",
            GOLDEN,
            "--at",
            AT,
        ],
    ] {
        let output = token(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert_eq!(stdout(&output), "token rejected\n", "{args:?}");
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn identify_lists_the_format_the_age_and_the_next_command() {
    let output = token(&["identify", GOLDEN, "--key", KEY]);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    let format =
        "big-endian ecb pkcs7 hex-lower unix-millis  1501234567890 = 2017-07-28T09:36:07.890Z  ";
    assert!(
        lines[0].starts_with(format) && lines[0].ends_with(" days ago  canonical"),
        "{lines:?}"
    );
    let next = format!(
        "next: curl http://127.0.0.1:9900/info/$(cargo run --release --example token -- issue --key {KEY})"
    );
    assert_eq!(lines[1..], [next]);
    assert!(output.status.success());
}

#[test]
fn identify_finds_text_that_is_chinese() {
    let output = token(&["identify", "486a06d53a69e857", "--key", KEY]);
    let first = "big-endian ecb pkcs7 hex-lower opaque  text, weak evidence  canonical\n";
    assert!(stdout(&output).starts_with(first), "{}", stdout(&output));
}

#[test]
fn identify_says_what_the_shape_tells_when_nothing_opens() {
    for (text, hint) in [
        ("0123456789abcdef01234567", "look-alike"),
        ("00112233445566778899aabbccddeeff", "try another key"),
        ("v2.AgEABw.AA", "MAC key"),
        ("gMgHXhv0nGE4jiFGw4f%2BOg==", "percent-decode"),
        ("不是令牌", "not a token"),
    ] {
        let output = token(&["identify", text, "--key", KEY]);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            stdout(&output).contains(hint),
            "{text}: {}",
            stdout(&output)
        );
    }
}

#[test]
fn a_block_is_encrypted_and_decrypted_in_either_order() {
    let plain = "4142434445464748";
    for (order, expected) in [("big", "497df3d072612cb5"), ("little", "cae7697e006ee921")] {
        let output = token(&["block", plain, "--order", order, "--key", KEY]);
        assert_eq!(stdout(&output).trim_end(), expected);
        let back = token(&[
            "block",
            expected,
            "--order",
            order,
            "--key",
            KEY,
            "--decrypt",
        ]);
        assert_eq!(stdout(&back).trim_end(), plain);
    }
}

#[test]
fn the_key_can_come_from_a_file_or_the_environment_or_as_characters() {
    let issue = ["issue", "--at", AT];
    let from_environment = command(&issue).env("XTEA_KEY", KEY).output().unwrap();
    assert_eq!(stdout(&from_environment).trim_end(), GOLDEN);

    let file = std::env::temp_dir().join(format!("密钥-{}.txt", std::process::id()));
    std::fs::write(&file, format!("{KEY}\nnot the key\n")).unwrap();
    let from_file = command(&issue)
        .arg("--key-file")
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(stdout(&from_file).trim_end(), GOLDEN);

    let characters = token(&["issue", "--at", AT, "--key", "0123456789abcdef"]);
    let digits = token(&[
        "issue",
        "--at",
        AT,
        "--key",
        "30313233343536373839616263646566",
    ]);
    assert_eq!(characters.stdout, digits.stdout);
}

#[test]
fn wrong_arguments_exit_with_2_and_a_sentence_on_standard_error() {
    for args in [
        [].as_slice(),
        &["issue"],
        &["issue", "--key", "00"],
        &["issue", "--key", "密钥"],
        &["issue", "--key", KEY, "--preset", "none"],
        &["issue", "--key", KEY, "--at", "-1"],
        &["issue", "--key", KEY, "--at", "0"],
        &["issue", "--key", KEY, "--key-file", "key.txt"],
        &["issue", "--key-file", "/no/such/文件"],
        &["verify", "--key", KEY],
        &["block", "00", "--key", KEY],
        &["block", "+123456789abcdef", "--key", KEY],
        &["nonsense"],
    ] {
        let output = token(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            output.stdout.is_empty() && !stderr(&output).is_empty(),
            "{args:?}"
        );
    }
}
