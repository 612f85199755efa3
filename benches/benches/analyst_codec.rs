//! Messages of analysers beside what a program would do with `serde_json`; signatures beside keying
//! anew for each.

use analyst_proto::codec::{Dialect, Lenience, decode, encode};
use analyst_proto::sign::{Preset, SignValue, Signer as _, SigningKey};
use analyst_proto::wire::Secret;
use benches::Group;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::hint::black_box;

/// As a dispatcher publishes it: 10 goods on 3 floors, 2 changes of weight.
const START: &str = r#"{"action":"ANALYSIS_START","data":{"id":1679846303806259201,"top_video":"http://192.0.2.10/video/2023/03/26/top-1679846303806.mp4","goods_ids":{"-1":[4,9],"1":[17,123,9001],"2":[5,6,7,8,10]},"ass_video":"http://192.0.2.10/video/2023/03/26/ass-1679846303806.mp4","weight_info":[{"startTimeStamp":1679846290117,"endTimeStamp":1679846291544,"weight":-536,"floor":1},{"startTimeStamp":1679846295020,"endTimeStamp":1679846296101,"weight":-81,"floor":2}],"door_open_timestamp":1679846288000,"door_close_timestamp":1679846299000,"analyst_id":null}}"#;
const FINISH: &str =
    r#"{"action":"ANALYSIS_FINISH","data":{"id":1679846303806259201,"RESULT":{"17":1,"123":2}}}"#;

fn main() {
    for (name, json, goal) in [("START", START, 3.0), ("FINISH", FINISH, 2.0)] {
        both_ways(name, json, goal);
    }
    sign(Preset::MakeMd5);
    sign(Preset::HmacSha1Base64);
}

fn both_ways(name: &str, json: &'static str, goal: f64) {
    let payload = Bytes::from_static(json.as_bytes());
    let (strict, lenience) = (Lenience::strict(), Lenience::field());
    Group::new(format!("analyst: decode {name}"))
        .bytes(payload.len())
        .case("ours", || decode(&payload, &lenience).is_ok())
        .case("ours, strict", || decode(&payload, &strict).is_ok())
        .case("serde_json Value", || {
            serde_json::from_slice::<Value>(&payload).is_ok()
        })
        .case("serde tagged enum", || {
            serde_json::from_slice::<Tagged>(&payload).is_ok()
        })
        .goal("ours", "serde_json Value", goal)
        .against("ours", "serde tagged enum")
        .against("ours, strict", "serde tagged enum")
        .run();

    let message = decode(&payload, &lenience).unwrap();
    let tagged: Tagged = serde_json::from_slice(&payload).unwrap();
    let value: Value = serde_json::from_slice(&payload).unwrap();
    let mut ours = Vec::with_capacity(2 * payload.len());
    let mut theirs = Vec::with_capacity(2 * payload.len());
    let mut third = Vec::with_capacity(2 * payload.len());
    Group::new(format!("analyst: encode {name}, buffer reused"))
        .bytes(payload.len())
        .case("ours", || {
            ours.clear();
            encode(&message, &Dialect::default(), &mut ours);
            ours.len()
        })
        .case("serde_json Value", || {
            theirs.clear();
            serde_json::to_writer(&mut theirs, &value).unwrap();
            theirs.len()
        })
        .case("serde tagged enum", || {
            third.clear();
            serde_json::to_writer(&mut third, &tagged).unwrap();
            third.len()
        })
        .against("ours", "serde_json Value")
        .against("ours", "serde tagged enum")
        .run();
}

fn sign(preset: Preset) {
    let secret = Secret::new("test-secret-of-32-characters-len");
    let key = SigningKey::new(preset, &secret);
    let params = [
        ("name", SignValue::Str("analyst_3")),
        ("timestamp", SignValue::Int(1_558_583_537_598)),
    ];
    let mut signature = String::new();
    key.sign(&params, &mut signature);
    let (mut once, mut anew) = (String::new(), String::new());
    Group::new(format!("analyst: a request signed by {preset:?}"))
        .case("sign", || {
            once.clear();
            key.sign(black_box(&params), &mut once);
            once.len()
        })
        .case("sign, keyed anew", || {
            anew.clear();
            SigningKey::new(preset, black_box(&secret)).sign(&params, &mut anew);
            anew.len()
        })
        .case("verify", || key.verify(black_box(&params), &signature))
        .case("verify, keyed anew", || {
            SigningKey::new(preset, black_box(&secret)).verify(&params, &signature)
        })
        .against("sign", "sign, keyed anew")
        .against("verify", "verify, keyed anew")
        .run();
}

/// The messages as one would write them for serde.
#[derive(Serialize, Deserialize)]
#[serde(tag = "action", content = "data")]
enum Tagged {
    #[serde(rename = "ANALYSIS_START")]
    Start(Start),
    #[serde(rename = "ANALYSIS_FINISH")]
    Finish(Finish),
}

#[derive(Serialize, Deserialize)]
struct Start {
    id: u64,
    top_video: String,
    goods_ids: BTreeMap<i32, Vec<u64>>,
    ass_video: Option<String>,
    weight_info: Option<Vec<Weight>>,
    door_open_timestamp: Option<i64>,
    door_close_timestamp: Option<i64>,
    analyst_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Weight {
    #[serde(rename = "startTimeStamp")]
    start: i64,
    #[serde(rename = "endTimeStamp")]
    end: i64,
    #[serde(rename = "weight")]
    grams: i32,
    floor: i32,
}

#[derive(Serialize, Deserialize)]
struct Finish {
    id: u64,
    #[serde(rename = "RESULT")]
    taken: BTreeMap<u64, i32>,
}
