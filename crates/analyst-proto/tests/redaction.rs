//! What debug output and errors may not show.

use analyst_proto::credentials::*;
use analyst_proto::sign::*;
use analyst_proto::wire::*;
use proptest::prelude::*;
use std::fmt::Write as _;

/// Neither as text nor as bytes, base64 or hexadecimal.
fn assert_silent(shown: &str, secret: &str) {
    let bytes = format!("{:?}", secret.as_bytes());
    let bytes = bytes.trim_matches(['[', ']']);
    let mut hex = String::new();
    for byte in secret.bytes() {
        write!(hex, "{byte:02x}").unwrap();
    }
    for form in [secret, bytes, &hex] {
        assert!(!shown.contains(form), "{shown} shows {form}");
    }
}

proptest! {
    #[test]
    //= docs/spec/analyst-proto.md#credentials
    //# Keys, passwords, tokens and signatures MUST NOT appear in debug output or in errors.
    fn nothing_shows_a_secret(random in "[A-Z][a-z0-9]{15}") {
        let secret = Secret::new(&*random);
        let at = UnixMillis(1_558_583_537_598);
        let client = ClientId::new("GID_Analyst@@@analyst_3").unwrap();
        let mut shown = format!("{secret:?} {secret:#?} {:?}", PasswordKey::new(&secret));
        for preset in Preset::ALL {
            let key = SigningKey::new(preset, &secret);
            let request = ConnectionInfoRequest::new("analyst_3", at).unwrap().signed(&key);
            let mut sign = String::new();
            key.sign(&ConnectionInfoRequest::new("analyst_3", at).unwrap().params(), &mut sign);
            assert_silent(&format!("{request:?} {request:#?}"), &sign);
            write!(shown, "{key:?} {key:#?}").unwrap();
        }
        let password = PasswordKey::new(&secret).password(&client);
        let parent = ParentTopic::new("Analyst").unwrap();
        for password in [&secret, &password] {
            let info = ConnectionInfo::new(parent.clone(), client.clone(), client.clone(), "b.example")
                .with_login("user", password.clone());
            let mut body = Vec::new();
            let reply = InfoReply::Info(info.clone());
            reply.encode(&mut body);
            let decoded = InfoReply::decode(200, &body).unwrap();
            assert_silent(&format!("{info:?} {info:#?} {reply:?} {decoded:?}"), password.as_str());
        }
        for form in ["R|s", "W|s", "RW|s", "R|s|W|s"] {
            let password = TokenPassword::parse(&form.replace('s', &random)).unwrap();
            write!(shown, "{password:?} {password:#?}").unwrap();
        }
        for query in [
            format!("name=a&timestamp=1558583537598&sign={random}&sign={random}"),
            format!("name=a&timestamp={random}&sign={random}"),
            format!("name={random}%&timestamp=1&sign={random}"),
        ] {
            let error = SignedRequest::parse(&query, b"").unwrap_err();
            write!(shown, "{error} {error:?}").unwrap();
        }
        for body in [
            format!(r#"{{"status":0,"data":{{"data":{{"password":"{random}"}}}}}}"#),
            format!(r#"{{"status":0,"password":"{random}""#),
            format!(r#"{{"status":"{random}"}}"#),
        ] {
            let error = InfoReply::decode(200, body.as_bytes()).unwrap_err();
            write!(shown, "{error} {error:?}").unwrap();
        }
        assert_silent(&shown, &random);
    }
}

#[test]
fn what_a_program_needs_to_find_its_way_is_shown() {
    let key = SigningKey::new(Preset::MakeMd5, &Secret::new("test-secret"));
    let at = UnixMillis(1_558_583_537_598);
    let request = ConnectionInfoRequest::new("analyst_3", at)
        .unwrap()
        .signed(&key);
    let shown = format!("{request:?} {key:?}");
    for part in ["analyst_3", "1558583537598", "MakeMd5"] {
        assert!(shown.contains(part), "{shown} lacks {part}");
    }
}
