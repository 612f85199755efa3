//! The messages of analysers as one would write them for serde.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Goods by number, as they are.
pub(crate) type Tagged = Message<i32, u64>;
/// Goods by text, which can be read whichever member comes first.
pub(crate) type TaggedByText = Message<String, String>;

#[derive(Serialize, Deserialize)]
#[serde(
    tag = "action",
    content = "data",
    bound(
        deserialize = "F: Ord + Deserialize<'de>, G: Ord + Deserialize<'de>",
        serialize = "F: Ord + Serialize, G: Ord + Serialize"
    )
)]
pub(crate) enum Message<F, G> {
    #[serde(rename = "ANALYSIS_START")]
    Start(Start<F>),
    #[serde(rename = "ANALYSIS_FINISH")]
    Finish(Finish<G>),
    #[serde(rename = "ANALYSIS_FAIL")]
    Fail(Fail),
    #[serde(rename = "ANALYSIS_TIMEOUT")]
    Timeout(Timeout),
}

#[derive(Serialize, Deserialize)]
#[serde(bound(
    deserialize = "F: Ord + Deserialize<'de>",
    serialize = "F: Ord + Serialize"
))]
pub(crate) struct Start<F> {
    id: u64,
    top_video: String,
    goods_ids: BTreeMap<F, Vec<u64>>,
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
#[serde(bound(
    deserialize = "G: Ord + Deserialize<'de>",
    serialize = "G: Ord + Serialize"
))]
pub(crate) struct Finish<G> {
    id: u64,
    #[serde(rename = "RESULT")]
    taken: BTreeMap<G, i32>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Fail {
    id: u64,
    #[serde(rename = "RESULT")]
    reason: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Timeout {
    id: u64,
}
