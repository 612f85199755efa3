//! Signatures (A-S1 to A-S10).

use analyst_proto::sign::*;
use analyst_proto::wire::*;
use proptest::prelude::*;

const AT: UnixMillis = UnixMillis(1_558_583_537_598);

fn key(preset: Preset) -> SigningKey {
    SigningKey::new(preset, &Secret::new("test-secret"))
}

fn sign(preset: Preset, params: &[(&str, SignValue<'_>)]) -> String {
    let mut out = String::new();
    key(preset).sign(params, &mut out);
    out
}

/// What is digested, but for the digest: a preset of MD5 signs this text like that one.
fn assert_same(params: &[(&str, SignValue<'_>)], others: &[(&str, SignValue<'_>)]) {
    assert_eq!(sign(Preset::MakeMd5, params), sign(Preset::MakeMd5, others));
}

/// A line of the vectors: preset, signature, names and values of the parameters.
type Vector = (Preset, String, Vec<(String, String)>);

fn vectors() -> Vec<Vector> {
    let lines = include_str!("vectors/signatures.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let read = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        let preset = words.next().unwrap();
        let preset = Preset::ALL
            .into_iter()
            .find(|known| format!("{known:?}") == preset);
        let sign = words.next().unwrap();
        let param = |word: String| {
            let (name, value) = word.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        (preset.unwrap(), sign, words.map(param).collect())
    };
    lines.map(read).collect()
}

/// Undoes percent encoding.
fn plain(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_vectors_of_every_preset() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 42);
    for (preset, expected, params) in vectors {
        let texts: Vec<_> = params.iter().map(|(_, value)| plain(&value[2..])).collect();
        let values = params.iter().zip(&texts).map(|((name, value), text)| {
            let value = match &value[..2] {
                "i:" => SignValue::Int(text.parse().unwrap()),
                "n:" => SignValue::Null,
                _ => SignValue::Str(text),
            };
            (&**name, value)
        });
        let values: Vec<_> = values.collect();
        assert_eq!(sign(preset, &values), expected, "{preset:?} {params:?}");
        assert!(key(preset).verify(&values, &expected));
    }
}

#[test]
//= docs/spec/analyst-proto.md#signature
//# A parameter with the name `sign` MUST NOT be signed.
fn a_s1_sign_is_not_signed() {
    let name = ("name", SignValue::Str("a"));
    assert_same(&[name, ("sign", SignValue::Str("b"))], &[name]);
    assert_ne!(
        sign(Preset::MakeMd5, &[name, ("signs", SignValue::Str("b"))]),
        sign(Preset::MakeMd5, &[name])
    );
}

#[test]
//= docs/spec/analyst-proto.md#signature
//# A value MUST be signed as it is, neither percent-encoded nor escaped.
fn a_s2_the_decoded_value_is_signed() {
    let key = key(Preset::MakeMd5);
    let request = ConnectionInfoRequest::new("分析器 1%+", AT)
        .unwrap()
        .signed(&key);
    let mut query = String::new();
    request.encode_query(&mut query);
    assert!(
        query.starts_with("name=%E5%88%86%E6%9E%90%E5%99%A8%201%25%2B&"),
        "{query}"
    );
    for query in [
        query.clone(),
        query.replace("%20", "+"),
        query.to_ascii_lowercase(),
    ] {
        let read = SignedRequest::parse(&query, b"").unwrap();
        assert!(read.is_signed_by(&key), "{query}");
    }
}

#[test]
//= docs/spec/analyst-proto.md#signature
//# Null MUST be signed as `None` by default.
fn a_s3_null_is_signed_as_none() {
    assert_same(
        &[("fee", SignValue::Null)],
        &[("fee", SignValue::Str("None"))],
    );
    let name = ("name", SignValue::Str("a"));
    for preset in [
        Preset::WeChatPayMd5,
        Preset::WeChatPayHmacSha256,
        Preset::TopMd5,
        Preset::TopHmacMd5,
    ] {
        assert_eq!(
            sign(preset, &[name, ("fee", SignValue::Null)]),
            sign(preset, &[name])
        );
    }
}

#[test]
fn a_s4_escaped_text_is_signed_decoded() {
    let key = key(Preset::MakeMd5);
    let request = ConnectionInfoRequest::new("哈1", AT).unwrap().signed(&key);
    let mut body = Vec::new();
    request.encode_json(&mut body);
    let escaped = String::from_utf8(body).unwrap().replace('哈', "\\u54c8");
    let read = SignedRequest::parse("", escaped.as_bytes()).unwrap();
    assert_eq!(read.name(), "哈1");
    assert!(read.is_signed_by(&key));
}

#[test]
//= docs/spec/analyst-proto.md#signature
//# A number MUST be signed as its decimal digits.
fn a_s5_numbers_and_digit_strings_are_signed_alike() {
    for (number, digits) in [
        (0, "0"),
        (7, "7"),
        (-10, "-10"),
        (AT.0, "1558583537598"),
        (i64::MAX, "9223372036854775807"),
        (i64::MIN, "-9223372036854775808"),
    ] {
        assert_same(&[("n", number.into())], &[("n", digits.into())]);
    }
}

#[test]
//= docs/spec/analyst-proto.md#signature
//# An empty text MUST be signed as such by default.
fn a_s6_empty_texts_are_kept() {
    let name = ("name", SignValue::Str("a"));
    let both = [name, ("note", SignValue::Str(""))];
    assert_ne!(sign(Preset::MakeMd5, &both), sign(Preset::MakeMd5, &[name]));
    for preset in [Preset::WeChatPayMd5, Preset::WeChatPayHmacSha256] {
        assert_eq!(sign(preset, &both), sign(preset, &[name]));
    }
}

#[test]
fn a_s7_values_are_texts_numbers_and_null() {
    // How a list or an object would be signed nobody knows: there is no variant for one.
    for value in [SignValue::Str(""), SignValue::Int(0), SignValue::Null] {
        assert!(matches!(
            value,
            SignValue::Str(_) | SignValue::Int(_) | SignValue::Null
        ));
    }
}

#[test]
fn a_s8_a_request_that_is_signed_again_has_the_same_signature() {
    let key = key(Preset::MakeMd5);
    let request = ConnectionInfoRequest::new("analyst_3", AT).unwrap();
    let mut first = String::new();
    key.sign(&request.params(), &mut first);
    let mut params = request.params().to_vec();
    params.push(("sign", SignValue::Str(&first)));
    let mut second = String::new();
    key.sign(&params, &mut second);
    assert_eq!(first, second);
}

#[test]
//= docs/spec/analyst-proto.md#signature
//# A signature in hexadecimal MUST be verified whatever the case of its letters.
//= docs/spec/analyst-proto.md#signature
//# A signature MUST be compared in a time that does not depend on where it differs.
fn a_s9_verification() {
    let params = [
        ("name", SignValue::Str("a")),
        ("timestamp", SignValue::Int(AT.0)),
    ];
    for preset in Preset::ALL {
        let key = key(preset);
        let good = sign(preset, &params);
        assert!(key.verify(&params, &good));
        let is_hex = preset != Preset::HmacSha1Base64;
        assert_eq!(
            key.verify(&params, &good.to_ascii_lowercase()),
            is_hex,
            "{preset:?}"
        );
        assert_eq!(
            key.verify(&params, &good.to_ascii_uppercase()),
            is_hex,
            "{preset:?}"
        );
        for at in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
            let bad = String::from_utf8(bad).unwrap();
            assert!(!key.verify(&params, &bad), "{preset:?} {bad}");
        }
        let long = format!("{good}{good}{good}");
        for bad in [
            "",
            "0",
            &good[1..],
            &good[..good.len() - 1],
            &format!("{good}00"),
            &long,
            "记录",
        ] {
            assert!(!key.verify(&params, bad), "{preset:?} {bad}");
        }
        let other = SigningKey::new(preset, &Secret::new("another"));
        assert!(!other.verify(&params, &good));
    }
}

#[test]
//= docs/spec/analyst-proto.md#signature
//# A request MUST be signed over `name` and `timestamp`, and nothing else.
fn a_s10_name_and_timestamp_are_signed() {
    let request = ConnectionInfoRequest::new("analyst_3", AT).unwrap();
    let expected = [
        ("name", SignValue::Str("analyst_3")),
        ("timestamp", SignValue::Int(AT.0)),
    ];
    assert_eq!(request.params(), expected);
    let mut query = String::new();
    request
        .signed(&key(Preset::MakeMd5))
        .encode_query(&mut query);
    let expected = "name=analyst_3&timestamp=1558583537598&sign=414CF01A66FA2BD0DA58BF25B6ED2884";
    assert_eq!(query, expected);
    let more = format!("{query}&note=1");
    let read = SignedRequest::parse(&more, b"").unwrap();
    assert!(read.is_signed_by(&key(Preset::MakeMd5)));
}

/// A signer of somebody else's: the usual verification serves it.
struct Reversed;

impl Signer for Reversed {
    fn sign(&self, params: &[(&str, SignValue<'_>)], out: &mut String) {
        out.extend(params.iter().rev().flat_map(|(name, _)| name.chars().rev()));
    }
}

#[test]
fn a_signer_of_somebody_else_verifies_too() {
    let params = [("a", SignValue::Null), ("bc", SignValue::Null)];
    assert!(Reversed.verify(&params, "cba"));
    assert!(!Reversed.verify(&params, "CBA"));
    assert!(!Reversed.verify(&params, "cb"));
}

fn names() -> impl Strategy<Value = String> {
    "[0-9a-z一-三 +%]{1,12}"
}

proptest! {
    #[test]
    //= docs/spec/analyst-proto.md#signature
    //# Parameters MUST be signed in ascending order of the bytes of their names.
    fn the_order_of_parameters_does_not_matter(
        (params, shuffled) in prop::collection::btree_map("[a-zA-Z]{1,3}", "[0-9a-z]{0,3}", 0..24)
            .prop_map(|params| params.into_iter().collect::<Vec<_>>())
            .prop_flat_map(|params| (Just(params.clone()), Just(params).prop_shuffle())),
    ) {
        let values = |params: &[(String, String)]| {
            let mut out = Vec::new();
            for preset in Preset::ALL {
                let params: Vec<_> = params.iter().map(|(k, v)| (&**k, SignValue::Str(v))).collect();
                out.push(sign(preset, &params));
            }
            out
        };
        prop_assert_eq!(values(&params), values(&shuffled));
    }

    #[test]
    fn what_is_signed_is_verified(
        name in names(),
        at in 1_000_000_000_000_i64..=9_999_999_999_999,
        secret in ".{0,80}",
    ) {
        for preset in Preset::ALL {
            let key = SigningKey::new(preset, &Secret::new(&*secret));
            let request = ConnectionInfoRequest::new(&*name, UnixMillis(at)).unwrap().signed(&key);
            prop_assert!(request.is_signed_by(&key));
            let mut query = String::new();
            request.encode_query(&mut query);
            let mut body = Vec::new();
            request.encode_json(&mut body);
            for read in [
                SignedRequest::parse(&query, b""),
                SignedRequest::parse("", query.as_bytes()),
                SignedRequest::parse("", &body),
            ] {
                prop_assert_eq!(read.as_ref(), Ok(&request));
            }
        }
    }

    /// Names and times that differ are never signed as the same text, whatever joins them.
    #[test]
    fn two_requests_are_never_signed_as_one(
        first in "[0-9]{1,4}|[0-9a]{1,3}|a?timestamp[0-9=]{0,14}",
        second in "[0-9]{1,4}|[0-9a]{1,3}|a?timestamp[0-9]{0,14}",
        at in 1_000_000_000_000_i64..1_000_000_000_100,
        later in 0_i64..100,
    ) {
        let first = ConnectionInfoRequest::new(&*first, UnixMillis(at));
        let second = ConnectionInfoRequest::new(&*second, UnixMillis(at + later));
        let (Ok(first), Ok(second)) = (first, second) else {
            return Ok(());
        };
        for preset in Preset::ALL {
            let same = sign(preset, &first.params()) == sign(preset, &second.params());
            prop_assert_eq!(same, first == second);
        }
    }
}
