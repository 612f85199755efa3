//! Messages that the benches of analysers have in common.

#![allow(dead_code, reason = "not every bench needs all of them")]

use analyst_proto::sign::SignValue;

/// As a dispatcher publishes it: 10 goods on 3 floors, 2 changes of weight.
pub(crate) const START: &str = r#"{"action":"ANALYSIS_START","data":{"id":1679846303806259201,"top_video":"http://192.0.2.10/video/2023/03/26/top-1679846303806.mp4","goods_ids":{"-1":[4,9],"1":[17,123,9001],"2":[5,6,7,8,10]},"ass_video":"http://192.0.2.10/video/2023/03/26/ass-1679846303806.mp4","weight_info":[{"startTimeStamp":1679846290117,"endTimeStamp":1679846291544,"weight":-536,"floor":1},{"startTimeStamp":1679846295020,"endTimeStamp":1679846296101,"weight":-81,"floor":2}],"door_open_timestamp":1679846288000,"door_close_timestamp":1679846299000,"analyst_id":null}}"#;

/// Two kinds of goods were taken.
pub(crate) const FINISH: &str =
    r#"{"action":"ANALYSIS_FINISH","data":{"id":1679846303806259201,"RESULT":{"17":1,"123":2}}}"#;

pub(crate) const FAIL: &str = r#"{"action":"ANALYSIS_FAIL","data":{"id":1679846303806259201,"RESULT":"the video cannot be opened"}}"#;

pub(crate) const TIMEOUT: &str =
    r#"{"action":"ANALYSIS_TIMEOUT","data":{"id":1679846303806259201}}"#;

/// The same message with `data` before `action`.
pub(crate) fn data_first(json: &str) -> String {
    let inner = json.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    let (action, data) = inner.and_then(|it| it.split_once(',')).unwrap();
    format!("{{{data},{action}}}")
}

/// What is signed of parameters that are in order, as `k=v&k=v`.
pub(crate) fn signed_text(params: &[(&str, SignValue<'_>)]) -> String {
    let pairs = params.iter().map(|(name, value)| match value {
        SignValue::Str(text) => format!("{name}={text}"),
        SignValue::Int(number) => format!("{name}={number}"),
        _ => format!("{name}=None"),
    });
    pairs.collect::<Vec<_>>().join("&")
}
