//! Destinations: which are taken, and where they may lead (FT-11).

use face_record_push::*;
use proptest::prelude::*;
use std::net::IpAddr;

/// Parsed and judged by the default policy.
fn verdict(url: &str) -> Result<(), DestError> {
    DestPolicy::default().check(&Dest::parse(url)?)
}

#[test]
//= docs/spec/face-record-push.md#destination
//# A destination MUST have the scheme http or https, a host, and a port between 1 and 65535 if it
//# names one.
//= docs/spec/face-record-push.md#destination
//# A destination with user information, a fragment, a space or a control character MUST be refused.
//= docs/spec/face-record-push.md#destination
//# A destination of more than 1024 characters MUST be refused.
fn the_form_of_destinations() {
    let long = |len: usize| format!("http://192.0.2.1/{}", "a".repeat(len - 17));
    for (url, expected) in [
        ("http://192.0.2.10:9000/Record", Ok(())),
        ("https://192.0.2.10:9000/Reocrd", Ok(())),
        ("HTTP://192.0.2.10", Ok(())),
        ("http://receiver.example", Ok(())),
        ("http://receiver.example.:80/", Ok(())),
        ("http://my_host-1/a%20b?x=1&y=[2]", Ok(())),
        ("http://[2001:db8::1]:9000/Record", Ok(())),
        ("http://192.0.2.1:65535", Ok(())),
        ("http://192.0.2.1?site=1", Ok(())),
        (&long(1024), Ok(())),
        (&long(1025), Err(DestError::TooLong)),
        ("", Err(DestError::Scheme)),
        ("192.0.2.10:9000/Record", Err(DestError::Scheme)),
        ("//192.0.2.10/Record", Err(DestError::Scheme)),
        ("ftp://192.0.2.10/Record", Err(DestError::Scheme)),
        ("file:///etc/passwd", Err(DestError::Scheme)),
        ("http:192.0.2.10", Err(DestError::Scheme)),
        ("http:/192.0.2.10", Err(DestError::Scheme)),
        ("http://ip:port/Record", Err(DestError::Port)),
        ("http://user@192.0.2.10/", Err(DestError::UserInfo)),
        ("http://user:pw@192.0.2.10/", Err(DestError::UserInfo)),
        ("http://192.0.2.10@127.0.0.1/", Err(DestError::UserInfo)),
        ("http://192.0.2.10/#x", Err(DestError::Fragment)),
        ("http://192.0.2.10#@127.0.0.1/", Err(DestError::Fragment)),
        ("http:// 192.0.2.10/", Err(DestError::Character)),
        (" http://192.0.2.10/", Err(DestError::Character)),
        ("http://192.0.2.10/a b", Err(DestError::Character)),
        ("http://192.0.2.10/\r\nHost: x", Err(DestError::Character)),
        ("http://192.0.2.10/\0", Err(DestError::Character)),
        ("http://192.0.2.10\\@127.0.0.1/", Err(DestError::Character)),
        ("http://192.0.2.10/记录", Err(DestError::Character)),
        ("http://１２７.0.0.1/", Err(DestError::Character)),
        ("http://", Err(DestError::Host)),
        ("http:///Record", Err(DestError::Host)),
        ("http://:80/", Err(DestError::Host)),
        ("http://a..b/", Err(DestError::Host)),
        ("http://./", Err(DestError::Host)),
        ("http://127%2e0.0.1/", Err(DestError::Host)),
        ("http://[::1/", Err(DestError::Port)),
        ("http://[fe80::1%25eth0]/", Err(DestError::Host)),
        ("http://[192.0.2.1]/", Err(DestError::Host)),
        ("http://::1/", Err(DestError::Port)),
        ("http://192.0.2.10:/", Err(DestError::Port)),
        ("http://192.0.2.10:0/", Err(DestError::Port)),
        ("http://192.0.2.10:65536/", Err(DestError::Port)),
        ("http://192.0.2.10:+80/", Err(DestError::Port)),
        ("http://192.0.2.10:80:80/", Err(DestError::Port)),
    ] {
        assert_eq!(verdict(url), expected, "{url}");
    }
}

#[test]
//= docs/spec/face-record-push.md#destination
//# A destination on a loopback, unspecified, link-local, multicast or broadcast address MUST be
//# refused unless the policy allows special addresses.
//= docs/spec/face-record-push.md#destination
//# An IPv4 address inside an IPv6 address MUST be judged as that IPv4 address.
//= docs/spec/face-record-push.md#destination
//# A destination on a private address MUST be allowed.
fn where_destinations_may_lead() {
    let mut open = DestPolicy::default();
    open.allow_special = true;
    for (host, is_allowed) in [
        ("10.0.0.1", true),
        ("172.16.0.1", true),
        ("192.168.1.1", true),
        ("100.64.0.1", true),
        ("203.0.113.1", true),
        ("223.255.255.255", true),
        ("[2001:db8::1]", true),
        ("[fd00::1]", true),
        ("[::ffff:192.168.1.1]", true),
        ("[64:ff9b::c0a8:101]", true),
        ("[2002:c0a8:101::1]", true),
        ("0.0.0.0", false),
        ("0.1.2.3", false),
        ("127.0.0.1", false),
        ("127.255.255.254", false),
        ("169.254.169.254", false),
        ("192.0.0.192", false),
        ("100.100.100.200", false),
        ("168.63.129.16", false),
        ("224.0.0.1", false),
        ("240.0.0.1", false),
        ("255.255.255.255", false),
        ("[::]", false),
        ("[::1]", false),
        ("[::7f00:1]", false),
        ("[::ffff:127.0.0.1]", false),
        ("[::ffff:7f00:1]", false),
        ("[::ffff:169.254.169.254]", false),
        ("[::ffff:0:127.0.0.1]", false),
        ("[64:ff9b::7f00:1]", false),
        ("[64:ff9b:1::a9fe:a9fe]", false),
        ("[2002:7f00:1::1]", false),
        ("[2001:0:1:2:3:4:5:6]", false),
        ("[fe80::1]", false),
        ("[febf::1]", false),
        ("[fec0::1]", false),
        ("[ff02::1]", false),
        ("[fd00:ec2::254]", false),
        ("localhost", false),
        ("LOCALHOST.", false),
        ("a.localhost", false),
        ("localhost.example", true),
    ] {
        let url = format!("http://{host}:9000/Record");
        let expected = is_allowed.then_some(()).ok_or(DestError::Special);
        assert_eq!(verdict(&url), expected, "{url}");
        assert_eq!(open.check(&Dest::parse(&url).unwrap()), Ok(()), "{url}");
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            assert_eq!(DestPolicy::default().allows(address), is_allowed, "{host}");
            assert!(open.allows(address));
        }
    }
}

#[test]
//= docs/spec/face-record-push.md#destination
//# An octal, hexadecimal or shortened form of an IPv4 address MUST NOT lead where its plain form may
//# not.
fn addresses_in_disguise_are_no_hosts() {
    for host in [
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.1",
        "0X7F.0.0.1",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "127.0.0.0x1",
        "1.2.3.4.5",
        "256.0.0.1",
        "0",
        "0x",
        "example.0x10",
        "a.1",
    ] {
        let url = format!("http://{host}/Record");
        assert_eq!(verdict(&url), Err(DestError::Host), "{url}");
    }
}

#[test]
//= docs/spec/face-record-push.md#destination
//# A destination with a port that is not among those of the policy MUST be refused where the policy
//# names any.
fn ports_may_be_limited() {
    let mut policy = DestPolicy::default();
    policy.ports = vec![80, 9000];
    for (url, expected) in [
        ("http://192.0.2.1/", Ok(())),
        ("http://192.0.2.1:9000/", Ok(())),
        ("https://192.0.2.1/", Err(DestError::ForbiddenPort)),
        ("http://192.0.2.1:22/", Err(DestError::ForbiddenPort)),
    ] {
        assert_eq!(policy.check(&Dest::parse(url).unwrap()), expected, "{url}");
    }
}

#[test]
fn a_destination_is_told_by_its_parts() {
    for (url, scheme, host, port, path) in [
        (
            "http://192.0.2.10:9000/Record?a=1",
            Scheme::Http,
            "192.0.2.10",
            9000,
            "/Record?a=1",
        ),
        (
            "https://[2001:db8::1]",
            Scheme::Https,
            "[2001:db8::1]",
            443,
            "/",
        ),
        (
            "http://Receiver.Example?x=1",
            Scheme::Http,
            "receiver.example",
            80,
            "/?x=1",
        ),
    ] {
        let dest = Dest::parse(url).unwrap();
        assert_eq!(
            (dest.scheme(), dest.port(), dest.path()),
            (scheme, port, path)
        );
        assert_eq!(
            (dest.host().to_string().as_str(), dest.as_str()),
            (host, url)
        );
        assert_eq!(dest.to_string(), url);
        assert!(!format!("{dest:?}").contains("Record"));
    }
}

proptest! {
    #[test]
    fn what_is_taken_reads_the_same_from_its_parts(url in r"(http|https|HTTP)://([a-z0-9.:\[\]x@-]{1,20})(:[0-9]{1,6})?(/[!-~]{0,20})?") {
        if let Ok(dest) = Dest::parse(&url) {
            let scheme = if dest.scheme() == Scheme::Http { "http" } else { "https" };
            let again = format!("{scheme}://{}:{}{}", dest.host(), dest.port(), dest.path());
            let again = Dest::parse(&again).expect("its own parts");
            prop_assert_eq!((again.host(), again.port(), again.path()), (dest.host(), dest.port(), dest.path()));
            prop_assert_eq!(DestPolicy::default().check(&again), DestPolicy::default().check(&dest));
        }
    }

    #[test]
    fn any_text_never_panics(url: String, tail in "[ -~]{0,40}") {
        let _ = Dest::parse(&url);
        let _ = Dest::parse(&format!("http://{tail}"));
    }
}
