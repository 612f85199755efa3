//! Every sample and everything we write conforms to the schemas in `docs/schema/se5`.

use proptest::prelude::*;
use se5_events::*;
use serde_json::Value as Json;
use std::path::Path;

mod kit;

/// A file of the repository; `None` where only the published package is at hand.
fn document(name: &str) -> Option<Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/se5");
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

#[test]
fn every_sample_conforms() {
    for (name, sample) in [
        (
            "subscription_v1",
            &include_bytes!("samples/subscription_v1.json")[..],
        ),
        (
            "subscription_v2",
            include_bytes!("samples/subscription_v2.json"),
        ),
        ("device_list_v1", include_bytes!("samples/devices_v1.json")),
        ("device_list_v2", include_bytes!("samples/devices_v2.json")),
        ("event_v1", include_bytes!("samples/event_v1.json")),
        ("event_v2", include_bytes!("samples/event_v2.json")),
        ("page_v1", include_bytes!("samples/history_v1.json")),
        ("page_v2", include_bytes!("samples/history_v2.json")),
        ("push_v1", include_bytes!("samples/push_v1.json")),
        ("push_v2", include_bytes!("samples/push_v2.json")),
        ("error", include_bytes!("samples/error_v1.json")),
        ("error", include_bytes!("samples/error_v2.json")),
        ("notice", include_bytes!("samples/notice_modified.json")),
        ("notice", include_bytes!("samples/notice_preview.json")),
    ] {
        check(name, sample);
    }
}

#[test]
fn every_member_of_a_sample_is_in_its_schema() {
    let Some(types) = document("types.json") else {
        return;
    };
    for (name, sample) in [
        ("event_v2", &include_bytes!("samples/event_v2.json")[..]),
        ("event_v1", include_bytes!("samples/event_v1.json")),
        ("push_v1", include_bytes!("samples/push_v1.json")),
        ("push_v2", include_bytes!("samples/push_v2.json")),
    ] {
        let value: serde_json::Map<String, Json> = serde_json::from_slice(sample).unwrap();
        // The vendor's own example of dialect 2 carries a member of dialect 1.
        for member in value
            .keys()
            .filter(|member| *member != "reg_pic" || name == "event_v1")
        {
            let known = &types["$defs"][name]["properties"];
            assert!(known.get(member).is_some(), "{name}: {member}");
        }
    }
}

#[test]
fn references_from_the_descriptions_lead_somewhere() {
    let Some(types) = document("types.json") else {
        return;
    };
    for name in ["asyncapi.json", "openapi.json"] {
        let text = document(name)
            .expect("it stands beside the types")
            .to_string();
        for reference in text.split("types.json#/$defs/").skip(1) {
            let target = reference.split('"').next().unwrap();
            assert!(types["$defs"].get(target).is_some(), "{name}: {target}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_we_write_conforms(sighting in kit::sighting()) {
        check("event_v1", sighting.to_live(LiveForm::new(Dialect::V1)).json());
        check("event_v2", sighting.to_live(LiveForm::new(Dialect::V2)).json());
        check("record_v1", sighting.to_recorded(Dialect::V1).json());
        check("record_v2", sighting.to_recorded(Dialect::V2).json());
    }
}
