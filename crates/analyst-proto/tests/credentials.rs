//! User names, passwords, and what they tell of a broker (A-L3 to A-L6).

use analyst_proto::BrokerProfile;
use analyst_proto::credentials::*;
use analyst_proto::wire::*;
use std::time::Duration;

#[test]
//= docs/spec/analyst-proto.md#credentials
//# A user name MUST be read as form, access key id and instance with `|` between them, and one of any
//# other form MUST be left as it is.
fn a_l3_user_names() {
    for (text, instance) in [
        ("Signature|test-key-id|post-cn-test", Some("post-cn-test")),
        ("Token|test-key-id|post-cn-test", Some("post-cn-test")),
        (
            "DeviceCredential|test-key-id|mqtt-cn-test",
            Some("mqtt-cn-test"),
        ),
        ("Signature||", Some("")),
        ("test-key-id", None),
        ("", None),
        ("signature|a|b", None),
        ("Signature|a", None),
        ("Signature|a|b|c", None),
    ] {
        let name = UserName::parse(text);
        assert_eq!(name.instance(), instance, "{text}");
        assert_eq!(name.to_string(), text);
        assert_eq!(matches!(name, UserName::Legacy(_)), instance.is_none());
    }
    let name = UserName::signature("test-key-id", "post-cn-test");
    assert_eq!(name.to_string(), "Signature|test-key-id|post-cn-test");
    assert_eq!(name.access_key_id(), "test-key-id");
}

#[test]
//= docs/spec/analyst-proto.md#credentials
//# The instance of a broker MUST be the first label of its host.
fn a_l3_the_instance_is_the_first_label_of_the_host() {
    assert_eq!(
        instance_of("post-cn-test.mqtt.aliyuncs.com"),
        "post-cn-test"
    );
    assert_eq!(instance_of("broker"), "broker");
    assert_eq!(instance_of(""), "");
}

#[test]
//= docs/spec/analyst-proto.md#credentials
//# The password of a client MUST be the base64 of HMAC-SHA1 under the secret key over the whole client
//# identifier.
//= docs/spec/analyst-proto.md#credentials
//# The legacy password MUST be the same over the group only.
//= docs/spec/analyst-proto.md#credentials
//# A password MUST be compared in a time that does not depend on where it differs.
fn a_l4_a_l5_password_vectors() {
    let lines = include_str!("vectors/passwords.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let [what, secret, client, password] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let key = PasswordKey::new(&Secret::new(secret));
        let client = ClientId::new(client).unwrap();
        let is_whole = what == "whole";
        let group = client.group().unwrap_or_default();
        let made = if is_whole {
            key.password(&client)
        } else {
            key.legacy_password(group)
        };
        assert_eq!(made.as_str(), password);
        let has_group = client.group().is_some();
        assert_eq!(key.verify(&client, password), is_whole);
        assert_eq!(
            key.verify_legacy(&client, password),
            !is_whole || !has_group
        );
        for at in 0..password.len() {
            let mut wrong = password.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            assert!(!key.verify(&client, std::str::from_utf8(&wrong).unwrap()));
        }
        let other = ClientId::new("GID_Other@@@x").unwrap();
        for wrong in [
            "",
            "A",
            &password[1..],
            &password.to_lowercase(),
            &password.repeat(3),
        ] {
            assert!(!key.verify(&client, wrong), "{wrong}");
        }
        assert!(!key.verify(&other, password) && !key.verify_legacy(&other, password));
    }
}

#[test]
//= docs/spec/analyst-proto.md#credentials
//# A password of tokens MUST be read as `R|`, `W|` or `RW|` and a token, or as `R|`, a token, `|W|` and
//# a token.
fn a_l6_passwords_of_tokens() {
    let secret = |text: &str| Secret::new(text);
    for (text, expected) in [
        ("R|t", TokenPassword::Read(secret("t"))),
        ("W|t=", TokenPassword::Write(secret("t="))),
        ("RW|t", TokenPassword::Both(secret("t"))),
    ] {
        assert_eq!(TokenPassword::parse(text), Some(expected.clone()));
        assert_eq!(expected.password().as_str(), text);
    }
    let Some(each) = TokenPassword::parse("R|t1|W|t2") else {
        panic!("no password");
    };
    assert!(matches!(&each, TokenPassword::Each { read, write }
        if (read.as_str(), write.as_str()) == ("t1", "t2")));
    assert_eq!(each.password().as_str(), "R|t1|W|t2");
    for text in [
        "",
        "R",
        "R|",
        "X|t",
        "r|t",
        "W|t1|R|t2",
        "R|t1|W|",
        "R|t1|W|t2|x",
        "RW|a|W|b",
    ] {
        assert_eq!(TokenPassword::parse(text), None, "{text}");
    }
    let at = UnixMillis(1_558_583_537_598);
    assert_eq!(TokenPassword::ends(at).since(at), 30 * 24 * 60 * 60 * 1000);
}

#[test]
//= docs/spec/analyst-proto.md#credentials
//# A broker MUST be taken for Aliyun's if the user name begins with `Signature|`, `Token|` or
//# `DeviceCredential|`, or if its host is below `mqtt.aliyuncs.com`, unless it is configured otherwise.
fn brokers_are_told_by_user_name_and_host() {
    for (user_name, host, expected) in [
        ("Signature|k|i", "broker.example", BrokerProfile::Lmq),
        ("Token|k|i", "broker.example", BrokerProfile::Lmq),
        ("DeviceCredential|k|i", "broker.example", BrokerProfile::Lmq),
        ("", "post-cn-test.mqtt.aliyuncs.com", BrokerProfile::Lmq),
        ("", "Post-CN-test.MQTT.aliyuncs.com.", BrokerProfile::Lmq),
        ("analyst", "broker.example", BrokerProfile::Plain),
        ("signature|k|i", "broker.example", BrokerProfile::Plain),
        ("", "mqtt.aliyuncs.com.example", BrokerProfile::Plain),
        ("", "mqtt.aliyuncs.com", BrokerProfile::Plain),
    ] {
        assert_eq!(
            BrokerProfile::detect(user_name, host),
            expected,
            "{user_name} {host}"
        );
    }
}

#[test]
fn what_a_profile_means() {
    let (lmq, plain) = (BrokerProfile::Lmq, BrokerProfile::Plain);
    assert!(!lmq.needs_subscription() && plain.needs_subscription());
    let rate = lmq.rate().unwrap();
    assert_eq!((rate.per_second, rate.burst, plain.rate()), (20, 20, None));
    assert_eq!(lmq.overtake_guard(), Duration::from_secs(15));
    assert_eq!(plain.overtake_guard(), Duration::ZERO);
    assert_eq!(lmq.settle(), Duration::from_secs(10));
    assert_eq!(plain.settle(), Duration::from_secs(1));
    assert_eq!(
        (lmq.payload_limit(), plain.payload_limit()),
        (65_536, 65_536)
    );
    assert!(lmq.checks_lengths() && !plain.checks_lengths());
}
