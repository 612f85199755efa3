//! Names of clients and topics (A-10, A-11, A-36, A-37, A-L1, A-L2, A-L7, A-L8).

use analyst_proto::NameError;
use analyst_proto::wire::*;
use proptest::prelude::*;

fn client(text: &str) -> Result<ClientId, NameError> {
    ClientId::new(text)
}

#[test]
//= docs/spec/analyst-proto.md#names
//# A client identifier MUST be refused that is empty, has more than 64 bytes, or has one of `+`, `#`,
//# `/` and `$` in it.
//= docs/spec/analyst-proto.md#names
//# A client identifier MUST be refused that can be divided at `@@@` in more than one place.
fn a_11_client_ids() {
    let long = "a".repeat(65);
    for (text, expected) in [
        ("GID_Analyst@@@analyst_3", Ok(())),
        ("analyst_3", Ok(())),
        ("分析器 1", Ok(())),
        ("a@@b", Ok(())),
        (&long[1..], Ok(())),
        (&long, Err(NameError::TooLong(64))),
        ("", Err(NameError::Empty)),
        ("a/b", Err(NameError::Forbidden('/'))),
        ("+", Err(NameError::Forbidden('+'))),
        ("a#", Err(NameError::Forbidden('#'))),
        ("$SYS", Err(NameError::Forbidden('$'))),
        ("a\0", Err(NameError::Forbidden('\0'))),
        ("a\nb", Err(NameError::Forbidden('\n'))),
        ("a@@@b@@@c", Err(NameError::Ambiguous)),
        ("a@@@@b", Err(NameError::Ambiguous)),
    ] {
        assert_eq!(client(text).map(drop), expected, "{text:?}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#names
//# A parent topic MUST be refused that is empty, has more than 64 bytes, has `+` or `#` in it, or
//# begins with `$`.
//= docs/spec/analyst-proto.md#names
//# A parent topic MUST be taken with and without `/` at its end, as the same.
fn a_10_parent_topics() {
    let long = "a".repeat(65);
    for (text, expected) in [
        ("Analyst", Ok("Analyst")),
        ("Analyst/", Ok("Analyst")),
        ("site/7", Ok("site/7")),
        ("a$b", Ok("a$b")),
        (&long[1..], Ok(&long[1..])),
        (&long, Err(NameError::TooLong(64))),
        ("", Err(NameError::Empty)),
        ("/", Err(NameError::Empty)),
        ("$SYS", Err(NameError::Forbidden('$'))),
        ("a/+", Err(NameError::Forbidden('+'))),
        ("#", Err(NameError::Forbidden('#'))),
        ("a\0b", Err(NameError::Forbidden('\0'))),
    ] {
        let parent = ParentTopic::new(text);
        let parent = parent.as_ref().map(ParentTopic::as_str).map_err(|e| *e);
        assert_eq!(parent, expected, "{text:?}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#names
//# What is for a client MUST be published to `{parent}/p2p/{client}`, without `/` at the end.
fn a_l7_what_is_for_a_client_has_a_topic_of_its_own() {
    let parent = ParentTopic::new("Analyst/").unwrap();
    let topic = parent.p2p(&client("GID_Analyst@@@analyst_3").unwrap());
    assert_eq!(topic.as_str(), "Analyst/p2p/GID_Analyst@@@analyst_3");
    assert_eq!(topic.to_string(), topic.as_str());
}

#[test]
//= docs/spec/analyst-proto.md#names
//# A point-to-point topic MUST be read with and without `/` at its end, as the same.
//= docs/spec/analyst-proto.md#names
//# Names MUST be checked alike in what is sent and in what is received.
fn a_37_a_l8_topics_are_read_with_and_without_a_slash() {
    for (text, expected) in [
        ("Analyst/p2p/a", Ok(("Analyst", "a"))),
        ("Analyst/p2p/a/", Ok(("Analyst", "a"))),
        ("site/p2p/x/p2p/a", Ok(("site/p2p/x", "a"))),
        ("p2p/p2p/p2p", Ok(("p2p", "p2p"))),
        ("Analyst/p2p/a//", Err(NameError::NotPointToPoint)),
        ("Analyst//p2p/a", Err(NameError::NotPointToPoint)),
        ("Analyst/P2P/a", Err(NameError::NotPointToPoint)),
        ("Analyst/p2p", Err(NameError::NotPointToPoint)),
        ("Analyst", Err(NameError::NotPointToPoint)),
        ("p2p/a", Err(NameError::NotPointToPoint)),
        ("/p2p/a", Err(NameError::Empty)),
        ("", Err(NameError::NotPointToPoint)),
        ("Analyst/p2p/", Err(NameError::NotPointToPoint)),
        ("Analyst/p2p/+", Err(NameError::Forbidden('+'))),
        ("$SYS/p2p/a", Err(NameError::Forbidden('$'))),
        (
            "Analyst/p2p/a\u{202e}b",
            Err(NameError::Forbidden('\u{202e}')),
        ),
    ] {
        let topic = Topic::parse(text);
        let parts = topic.as_ref().map(|topic| (topic.parent(), topic.client()));
        assert_eq!(parts.map_err(|error| *error), expected, "{text:?}");
    }
}

#[test]
fn a_l1_groups_and_devices() {
    let id = client("GID_Analyst@@@analyst_3").unwrap();
    assert_eq!(
        (id.group(), id.device()),
        (Some("GID_Analyst"), Some("analyst_3"))
    );
    assert_eq!(ClientId::of("GID_Analyst", "analyst_3"), Ok(id));
    assert_eq!(client("analyst_3").unwrap().group(), None);
    for (group, device) in [("", "a"), ("a", "")] {
        assert_eq!(ClientId::of(group, device), Err(NameError::Empty));
    }
    for (group, device) in [("a@@@b", "c"), ("a", "b@@@c"), ("a@", "b"), ("a", "@b")] {
        assert_eq!(ClientId::of(group, device), Err(NameError::Ambiguous));
    }
    for (text, is_of_lmq) in [
        ("GID_Analyst@@@analyst_3", true),
        ("GID-abc@@@分析器", true),
        ("GID_ab@@@a", false),
        ("XID_Analyst@@@a", false),
        ("GID_A.b.c@@@a", false),
        ("GID_Analyst@@@", false),
        ("GID_Analyst", false),
    ] {
        assert_eq!(client(text).unwrap().is_of_lmq(), is_of_lmq, "{text}");
    }
}

#[test]
fn a_l2_topics_of_64_characters() {
    let parent = ParentTopic::new("Analyst").unwrap();
    let of = |len| parent.p2p(&client(&"a".repeat(len)).unwrap());
    assert!(of(52).is_of_lmq());
    assert!(!of(53).is_of_lmq());
}

#[test]
//= docs/spec/analyst-proto.md#names
//# A name MUST be refused that has a control character, a character that changes the direction or the
//# line of a text, or a code point that is no character in it.
fn every_character_that_a_log_cannot_show_is_refused() {
    let bad = [
        '\0', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202a}',
    ];
    let more = [
        '\u{200e}',
        '\u{200f}',
        '\u{2066}',
        '\u{2069}',
        '\u{fdd0}',
        '\u{ffff}',
        '\u{1fffe}',
    ];
    for char in bad.into_iter().chain(more) {
        let text = format!("a{char}b");
        let error = NameError::Forbidden(char);
        assert_eq!(client(&text), Err(error));
        assert_eq!(ParentTopic::new(&text), Err(error));
        assert!(!error.to_string().contains(char), "{error}");
    }
}

/// What the broker must never read out of a name.
fn is_harmless(name: &str, beside: &[char]) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name
            .chars()
            .any(|char| char.is_control() || beside.contains(&char))
}

/// Any text, with what has a meaning somewhere more often than chance has it.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => any::<char>().prop_map(String::from),
        4 => (0_u8..128).prop_map(|byte| char::from(byte).to_string()),
        1 => prop::sample::select(vec!["/", "+", "#", "$SYS", "@@@", "/p2p/", "\0", "\u{202e}", "p2p"])
            .prop_map(String::from),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

#[test]
fn every_ascii_character_alone() {
    for byte in 0..128_u8 {
        let char = char::from(byte);
        let text = char.to_string();
        let is_good = !char.is_ascii_control() && !"+#/$".contains(char);
        assert_eq!(client(&text).is_ok(), is_good, "{char:?}");
    }
}

proptest! {
    #[test]
    fn no_name_says_more_than_a_name(text in texts()) {
        if let Ok(id) = ClientId::new(&text) {
            prop_assert!(is_harmless(id.as_str(), &['+', '#', '/', '$']));
            prop_assert_eq!(id.as_str(), &*text);
            if let (Some(group), Some(device)) = (id.group(), id.device()) {
                if !group.is_empty() && !device.is_empty() {
                    prop_assert_eq!(ClientId::of(group, device), Ok(id));
                }
            }
        }
        if let Ok(parent) = ParentTopic::new(&text) {
            prop_assert!(is_harmless(parent.as_str(), &['+', '#']));
            prop_assert!(!parent.as_str().starts_with('$') && !parent.as_str().ends_with('/'));
        }
        if let Ok(topic) = Topic::parse(&text) {
            let without = text.strip_suffix('/').unwrap_or(&text);
            prop_assert_eq!(topic.as_str(), without);
        }
    }

    #[test]
    fn a_topic_is_read_as_what_it_was_made_of(parent in texts(), client in texts()) {
        let (Ok(parent), Ok(client)) = (ParentTopic::new(parent), ClientId::new(client)) else {
            return Ok(());
        };
        let topic = parent.p2p(&client);
        prop_assert_eq!(topic.parent(), parent.as_str());
        prop_assert_eq!(topic.client(), client.as_str());
        prop_assert_eq!(Topic::parse(&format!("{topic}/")), Ok(topic.clone()));
        prop_assert_eq!(Topic::parse(topic.as_str()), Ok(topic));
    }
}
