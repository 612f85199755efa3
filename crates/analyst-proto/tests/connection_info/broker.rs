//! Where the broker is and who is who there, as replies say it, and where one may go.

use super::*;
use analyst_proto::link::Login;

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A `brokerUrl` MUST be read with and without `tcp://`, `mqtt://`, `mqtts://` or `ssl://` before it,
//# and with and without `/` behind it.
//= docs/spec/analyst-proto.md#connection-information
//# The port in a `brokerUrl` MUST count only if `port` is missing.
fn a_8_spellings_of_brokers() {
    let host = "post-cn-test.mqtt.aliyuncs.com";
    let url = format!("\"{host}\"");
    for (spelled, is_tls) in [
        (format!("tcp://{host}"), false),
        (format!("mqtt://{host}/"), false),
        (format!("TCP://{host}:9"), false),
        (format!("{host}:9"), false),
        (format!("mqtts://{host}"), true),
        (format!("ssl://{host}:8883"), true),
    ] {
        let decoded = decoded(&with(&url, &format!("\"{spelled}\""))).unwrap();
        let mut expected = info();
        expected.is_tls = is_tls;
        assert_eq!(decoded.warnings, [], "{spelled}");
        assert_eq!(decoded.reply, InfoReply::Info(expected), "{spelled}");
    }
    assert_eq!(given(&with("brokerUrl", "broker_url")), info());
    let mut expected = info();
    expected.port = 9;
    for without_port in ["\"port\": null,", ""] {
        let body = with("\"port\": 1883,", without_port);
        let body = body.replace(&url, &format!("\"tcp://{host}:9\""));
        assert_eq!(given(&body), expected);
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A `brokerUrl` MUST be `ssl://` and the host if the broker's port is one of TLS, and the bare host
//# if not.
//= docs/spec/analyst-proto.md#connection-information
//# An analyser MUST NOT connect without TLS where `ssl://` or `mqtts://` stands before the host.
fn tls_is_asked_for_in_the_broker_url_and_nowhere_else() {
    let mut encrypted = info();
    encrypted.is_tls = true;
    for (info, url) in [(info(), ""), (encrypted, "ssl://")] {
        let mut json = Vec::new();
        InfoReply::Info(info.clone()).encode(&mut json);
        let json = String::from_utf8(json).unwrap();
        let member = format!(r#""brokerUrl":"{url}post-cn-test.mqtt.aliyuncs.com""#);
        assert!(json.contains(&member), "{json}");
        assert_eq!(given(&json), info);
        assert_eq!(Login::from(&info).is_tls, info.is_tls);
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A `brokerUrl` MUST be refused that is more than a scheme of MQTT, a host and a port.
fn a_8_hosts_that_are_none() {
    let url = "\"post-cn-test.mqtt.aliyuncs.com\"";
    for bad in [
        "",
        "/",
        "tcp://",
        "http://b.example",
        "ws://b.example",
        "user@b.example",
        "a:b@b.example",
        "b.example\\r\\nX: y",
        "b.example\\u0000",
        "b example",
        "b.example/path",
        "b.example?x",
        "b.example#x",
        "b..example",
        ":1883",
        "b.example:",
        "b.example:0",
        "b.example:65536",
        "b.example:+1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "::1",
        "[::1",
        "记录",
        "a%62",
    ] {
        let body = with(url, &format!("\"{bad}\""));
        assert_eq!(decoded(&body), Err(InfoError::Host), "{bad}");
    }
    for good in [
        "b",
        "b.example.",
        "my_host-1",
        "192.0.2.1",
        "[2001:db8::1]",
        "B.Example",
    ] {
        let info = decoded(&with(url, &format!("\"{good}\"")))
            .unwrap()
            .reply
            .into_info();
        assert_eq!(&*info.unwrap().host, good);
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A `port` that is no number from 1 to 65535 MUST be refused.
//= docs/spec/analyst-proto.md#connection-information
//# A `keepalive` that is no number from 1 to 65535 MUST be read as 60, with a warning.
fn a_9_ports_and_keepalives() {
    let mut expected = info();
    (expected.port, expected.keepalive) = (65_535, 1);
    for quote in ["", "\""] {
        let body = with("1883", &format!("{quote}65535{quote}"));
        assert_eq!(
            given(&body.replace("60", &format!("{quote}1{quote}"))),
            expected
        );
    }
    for bad in [
        "0",
        "65536",
        "-1",
        "1.5",
        "\"\"",
        "\"x\"",
        "true",
        "[]",
        "99999999999999999999",
    ] {
        assert_eq!(decoded(&with("1883", bad)), Err(InfoError::Port), "{bad}");
        let decoded = decoded(&with("60", bad)).unwrap();
        assert_eq!(decoded.warnings, [InfoWarning::Keepalive], "{bad}");
        assert_eq!(decoded.reply, InfoReply::Info(info()));
    }
    let missing = decoded(&with("\"keepalive\": 60,", "")).unwrap();
    assert_eq!(missing.warnings, [InfoWarning::Keepalive]);
    assert_eq!(
        decoded(&with("60", "1000000000")).unwrap().warnings,
        [InfoWarning::Keepalive]
    );
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A user name with U+0000 in it MUST be refused: MQTT has no such text.
fn a_10_a_11_names_in_replies_are_checked() {
    for (from, to, member, error) in [
        (
            "\"Analyst\"",
            "\"Analyst/#\"",
            "topic",
            NameError::Forbidden('#'),
        ),
        (
            "\"Analyst\"",
            "\"$SYS\"",
            "topic",
            NameError::Forbidden('$'),
        ),
        ("GID_Analyst@@@analyst_3", "", "client_id", NameError::Empty),
        (
            "GID_Analyst@@@analyst_3",
            "a/b",
            "client_id",
            NameError::Forbidden('/'),
        ),
        (
            "GID_Analyst@@@monitor",
            "a@@@b@@@c",
            "server_client_id",
            NameError::Ambiguous,
        ),
        (
            "test-key-id",
            "\\u0000",
            "user_name",
            NameError::Forbidden('\0'),
        ),
    ] {
        let error = InfoError::Name { member, error };
        assert_eq!(decoded(&with(from, to)), Err(error));
    }
    assert_eq!(given(&with("\"Analyst\"", "\"Analyst/\"")), info());
}

#[test]
fn a_12_user_name_and_password_are_taken_as_they_are() {
    let body = with("Signature|test-key-id|post-cn-test", "Signature|")
        .replace("PRZXuC7bY7vnEQOCFSzg0EmG4d4=", "R|分\\u6790");
    let info = given(&body);
    assert_eq!(info.user_name, "Signature|");
    assert_eq!(info.password.as_str(), "R|分析");
}

#[test]
//= docs/spec/analyst-proto.md#names
//# A client identifier or a topic that Aliyun's broker does not take MUST be warned of, and MUST NOT be
//# refused, where the broker is Aliyun's.
fn a_l1_a_l2_what_aliyuns_broker_does_not_take_is_warned_of() {
    let long = format!("GID_Analyst@@@{}", "a".repeat(50));
    for (from, to, warning) in [
        (
            "GID_Analyst@@@analyst_3",
            "analyst_3",
            InfoWarning::ClientId,
        ),
        (
            "GID_Analyst@@@monitor",
            "XID_Analyst@@@monitor",
            InfoWarning::ClientId,
        ),
        ("GID_Analyst@@@analyst_3", &long, InfoWarning::Topic),
        (
            "key-id|post-cn-test",
            "key-id|post-cn-other",
            InfoWarning::Instance,
        ),
    ] {
        let body = with(from, to);
        assert_eq!(decoded(&body).unwrap().warnings, [warning], "{to}");
        let plain = body.replace("post-cn-test.mqtt.aliyuncs.com", "b.example");
        let plain = plain.replace("Signature|", "plain-");
        assert_eq!(decoded(&plain).unwrap().warnings, [], "{to}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A broker MUST NOT be connected to whose host or port is not among those of the policy where the
//# policy names any.
fn which_brokers_a_policy_allows() {
    let mut policy = BrokerPolicy::default();
    assert_eq!(policy.check(&info()), Ok(()));
    policy.hosts = vec![".MQTT.aliyuncs.com".into(), "b.example".into()];
    policy.ports = vec![1_883];
    assert_eq!(policy.check(&info()), Ok(()));
    for (host, port, expected) in [
        ("B.Example.", 1_883, Ok(())),
        ("b.example", 22, Err(BrokerError::Port)),
        ("a.b.example", 1_883, Err(BrokerError::Host)),
        ("xmqtt.aliyuncs.com", 1_883, Err(BrokerError::Host)),
        ("mqtt.aliyuncs.com", 1_883, Err(BrokerError::Host)),
    ] {
        let mut info = info();
        (info.host, info.port) = (host.into(), port);
        assert_eq!(policy.check(&info), expected, "{host}");
        assert_eq!(policy.allows_host(host), expected != Err(BrokerError::Host));
    }
}

#[test]
//= docs/spec/analyst-proto.md#connection-information
//# A broker on a loopback, unspecified, link-local, multicast or broadcast address MUST NOT be connected
//# to unless the policy allows special addresses.
//= docs/spec/analyst-proto.md#connection-information
//# An IPv4 address inside an IPv6 address MUST be judged as that IPv4 address.
fn where_brokers_may_be() {
    let mut lenient = BrokerPolicy::default();
    lenient.allow_special = true;
    for host in [
        "localhost",
        "a.localhost.",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[ff02::1]",
        "[fec0::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:0:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001::1]",
        "[fd00:ec2::254]",
    ] {
        let mut info = info();
        info.host = host.into();
        assert_eq!(
            BrokerPolicy::default().check(&info),
            Err(BrokerError::Special),
            "{host}"
        );
        assert_eq!(lenient.check(&info), Ok(()), "{host}");
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            assert!(!BrokerPolicy::default().allows(address) && lenient.allows(address));
        }
    }
    for host in [
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "[fd12::1]",
        "[::ffff:10.0.0.1]",
        "[2002:c000:201::]",
    ] {
        assert!(BrokerPolicy::default().allows_host(host), "{host}");
    }
}
