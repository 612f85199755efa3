//! Every sample and everything we write conforms to the schemas in `docs/schema/face`.

use face_record_push::codec::*;
use face_record_push::*;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::path::Path;

/// A file of the repository; `None` where only the published package is at hand.
fn document(name: &str) -> Option<Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/face");
    let text = std::fs::read_to_string(folder.join(name)).ok()?;
    Some(serde_json::from_str(&text).expect("the schema is JSON"))
}

/// Says where `value` breaks `schema`, for the key words that our schemas use.
fn breach(types: &Json, schema: &Json, value: &Json) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        let schema = types["$defs"]
            .get(name)
            .expect("the reference leads somewhere");
        return breach(types, schema, value);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let mut breaches = any.iter().map(|schema| breach(types, schema, value));
        return (!breaches.any(|breach| breach.is_none())).then(|| "none of anyOf".to_owned());
    }
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let is_allowed = |name: &Json| name == kind || (name == "number" && kind == "integer");
    let kinds = &schema["type"];
    if !kinds
        .as_array()
        .map_or_else(|| is_allowed(kinds), |kinds| kinds.iter().any(is_allowed))
    {
        return Some(format!("{kind} is not {kinds}"));
    }
    let required = schema["required"].as_array().into_iter().flatten();
    if let Some(missing) = required
        .filter_map(Json::as_str)
        .find(|name| value.get(name).is_none())
    {
        return Some(format!("{missing} is missing"));
    }
    let members = value.as_object().into_iter().flatten();
    let known =
        members.filter_map(|(name, value)| Some((name, schema["properties"].get(name)?, value)));
    let mut breaches = known.filter_map(|(name, schema, value)| {
        breach(types, schema, value).map(|breach| format!("{name}: {breach}"))
    });
    breaches.next().or_else(|| {
        let mut elements = value.as_array().into_iter().flatten();
        let items = schema.get("items")?;
        elements.find_map(|element| breach(types, items, element))
    })
}

fn check(name: &str, json: &[u8]) {
    let Some(types) = document("types.json") else {
        return;
    };
    let value: Json = serde_json::from_slice(json).expect("JSON");
    let schema = types["$defs"].get(name).expect("a schema of that name");
    assert_eq!(breach(&types, schema, &value), None, "{name}");
}

/// Samples beside their schemas.
const SAMPLES: [(&str, &[u8]); 20] = [
    ("subscription", include_bytes!("samples/subscription.json")),
    (
        "subscription",
        include_bytes!("samples/subscription_printed.json"),
    ),
    (
        "subscription_reply",
        include_bytes!("samples/change_reply_printed.json"),
    ),
    (
        "subscription_reply",
        include_bytes!("samples/read_reply_printed.json"),
    ),
    ("reply", include_bytes!("samples/reply.json")),
    ("reply", include_bytes!("samples/reply_printed.json")),
    ("push_v1_0", include_bytes!("samples/record_v0_0_8.json")),
    ("push_v1_0", include_bytes!("samples/record_v1_0.json")),
    ("push_v1_1", include_bytes!("samples/record_v1_1.json")),
    ("push_v1_1", include_bytes!("samples/record_printed.json")),
    ("push_v1_2", include_bytes!("samples/record_v1_2.json")),
    ("push_v1_2_1", include_bytes!("samples/record_v1_2_1.json")),
    ("push_v1_3", include_bytes!("samples/record_v1_3.json")),
    ("push_alarm", include_bytes!("samples/alarm_v1_3.json")),
    ("push", include_bytes!("samples/record_v1_3.json")),
    ("push", include_bytes!("samples/alarm_v1_3.json")),
    ("auth_request", include_bytes!("samples/auth_request.json")),
    ("records_page", include_bytes!("samples/records_page.json")),
    ("login", include_bytes!("samples/login.json")),
    ("login_reply", include_bytes!("samples/login_reply.json")),
];

#[test]
fn every_sample_conforms() {
    for (name, sample) in SAMPLES {
        check(name, sample);
    }
}

#[test]
fn every_member_of_a_sample_is_in_its_schema() {
    let Some(types) = document("types.json") else {
        return;
    };
    for (name, sample) in SAMPLES {
        let value: Json = serde_json::from_slice(sample).expect("JSON");
        assert_eq!(
            stranger(&types, &types["$defs"][name], &value),
            None,
            "{name}"
        );
    }
}

/// Names a member of `value` that `schema` does not.
fn stranger(types: &Json, schema: &Json, value: &Json) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        return stranger(types, &types["$defs"][name], value);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let mut strangers = any.iter().map(|schema| stranger(types, schema, value));
        return strangers.try_fold(String::new(), |_, found| found);
    }
    let mut members = value.as_object().into_iter().flatten();
    let unknown = members.find_map(|(name, value)| match schema["properties"].get(name) {
        Some(schema) => stranger(types, schema, value).map(|inner| format!("{name}.{inner}")),
        None => Some(name.clone()),
    });
    unknown.or_else(|| {
        let mut elements = value.as_array().into_iter().flatten();
        elements.find_map(|element| stranger(types, &schema["items"], element))
    })
}

#[test]
fn references_lead_somewhere() {
    let Some(types) = document("types.json") else {
        return;
    };
    for name in ["asyncapi.json", "openapi.json", "types.json"] {
        let text = document(name)
            .expect("it stands beside the types")
            .to_string();
        let mark = if name == "types.json" {
            "\"#/$defs/"
        } else {
            "types.json#/$defs/"
        };
        let targets = text.split(mark).skip(1);
        let mut count = 0;
        for target in targets.filter_map(|rest| rest.split('"').next()) {
            assert!(types["$defs"].get(target).is_some(), "{name}: {target}");
            count += 1;
        }
        assert!(count > 0, "{name}");
    }
}

fn posted(item: &Item) -> Vec<u8> {
    let mut body = Vec::new();
    encode_push(item, &mut body);
    body
}

fn recognition() -> impl Strategy<Value = Recognition> {
    let texts = (any::<String>(), any::<String>(), any::<String>());
    let numbers = (any::<f64>(), any::<f64>(), 0_i64..12, 0_i64..99_999_999_999);
    (texts, numbers, any::<bool>()).prop_map(|(texts, numbers, is_known)| {
        let (serial, name, id) = texts;
        let (score, temperature, code, at) = numbers;
        let mut recognition = Recognition::new(serial, UnixMillis(at * 1_000));
        (recognition.score, recognition.temperature) = (score, temperature);
        (recognition.mode, recognition.pass) = (Mode(code), is_known);
        recognition.user = is_known.then(|| {
            let mut person = Person::new(id.clone(), name);
            person.guest_from = Some(UnixMillis(at));
            person.groups = vec![Group::new(id, "东门")];
            person
        });
        recognition
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_terminals_write_conforms(
        recognition in recognition(),
        jpeg in prop::option::of(prop::collection::vec(any::<u8>(), 0..99)),
    ) {
        let jpeg = jpeg.map(bytes::Bytes::from);
        for (name, profile) in [
            ("push_v1_0", Profile::V1_0),
            ("push_v1_1", Profile::V1_1),
            ("push_v1_2", Profile::V1_2),
            ("push_v1_2_1", Profile::V1_2_1),
            ("push_v1_3", Profile::V1_3),
        ] {
            check(name, &posted(&recognition.to_item(profile, jpeg.clone())));
        }
        check("auth_request", &posted(&recognition.to_auth_request(Some("code"), jpeg.clone())));
        let alarm = AlarmReport::new("trace", AlarmCode::FIRE, recognition.at);
        check("push_alarm", &posted(&alarm.to_item(jpeg)));
    }
}

#[test]
fn what_receivers_write_conforms() {
    let token = || StoredToken::vouch(&RecordKey([0; 16]));
    for reply in [
        Reply::accepted(token(), None),
        Reply::accepted(token(), Some(false)),
        Reply::busy(std::time::Duration::from_secs(2)),
        Reply::failure(413),
    ] {
        let mut body = Vec::new();
        encode_reply(&reply, &mut body);
        check("reply", &body);
    }
    let mut decision = AuthDecision::new(true);
    decision.tips = Some("请进".to_owned());
    decision.score = Some(0.9);
    for decision in [decision, AuthDecision::undecided()] {
        let mut body = Vec::new();
        encode_reply(&Reply::decision(decision), &mut body);
        check("auth_reply", &body);
        check("reply", &body);
    }
}

#[test]
fn what_the_configuration_api_writes_conforms() {
    let dest = Dest::parse("http://192.0.2.10:9000/Record").expect("a destination");
    let subscription = Subscription::to(dest);
    let mut body = Vec::new();
    encode_ask(&subscription, &mut body);
    check("subscription", &body);
    for data in [None, Some(subscription), Some(Subscription::default())] {
        body.clear();
        encode_ask_reply(&AskReply::ok(data), false, &mut body);
        check("subscription_reply", &body);
    }
    body.clear();
    encode_query(
        &RecordsQuery::between(UnixMillis(0), UnixMillis(9_000)),
        &mut body,
    );
    check("records_query", &body);
    body.clear();
    let page = include_bytes!("samples/records_page.json");
    let page = read_page(200, &bytes::Bytes::from_static(page)).expect("a page");
    encode_page(&page, &mut body);
    check("records_page", &body);
    body.clear();
    encode_login(&Login::new("admin", "sample-only"), 5, &mut body);
    check("login", &body);
    body.clear();
    encode_token(&Token("sample".to_owned()), &mut body);
    check("login_reply", &body);
}
