//! Every sample of the vendor's document that is a message, comments and trailing commas included.
//!
//! The samples are written anew in the document's shape; names, numbers and texts are ours.

use analyst_proto::WireErrorKind;
use analyst_proto::codec::{Dialect, Lenience, decode, encode};
use analyst_proto::wire::*;
use bytes::Bytes;

macro_rules! sample {
    ($name:literal) => {
        Bytes::from_static(include_bytes!(concat!("samples/", $name)))
    };
}

fn read(sample: &Bytes) -> Message {
    decode(sample, &Lenience::document()).expect("a sample of the document")
}

fn written(message: &Message) -> String {
    let mut json = Vec::new();
    encode(message, &Dialect::default(), &mut json);
    String::from_utf8(json).unwrap()
}

/// The strict form of a sample is this, and says the same.
fn golden(message: &Message, expected: &str) {
    assert_eq!(written(message), expected);
    let strict = decode(&Bytes::from(expected.to_owned()), &Lenience::strict());
    assert_eq!(strict.as_ref(), Ok(message));
}

fn millis(time: i64) -> UnixMillis {
    UnixMillis(time)
}

#[test]
//= docs/spec/analyst-proto.md#message
//# A message MUST be written as compact JSON, `action` before `data`, and always with the same bytes.
//= docs/spec/analyst-proto.md#message
//# Floors MUST be written in ascending order, with -1 before all others.
fn the_printed_task_reads_and_has_one_strict_form() {
    let message = read(&sample!("start.json"));
    let Message::Start(start) = &message else {
        panic!("{message:?}");
    };
    assert_eq!(start.id, TaskId(1_679_846_303_806_259_201));
    assert_eq!(start.id_form, IdForm::Number);
    assert_eq!(start.top_video, "top-0001");
    assert_eq!(start.ass_video, Some("ass-0001".into()));
    let floors = start.goods_ids.floors();
    let floors: Vec<_> = floors.map(|(floor, ids)| (floor.0, ids.count())).collect();
    assert_eq!(floors, [(-1, 5), (1, 5), (2, 4), (3, 4), (4, 4), (5, 4)]);
    assert!(
        start
            .goods_ids
            .on(Floor(4))
            .eq([41, 47, 49, 60].map(GoodsId))
    );
    assert_eq!(start.goods_ids.len(), 26);
    let weights = [
        WeightChange::new(
            Floor(4),
            -512,
            millis(1_558_600_000_000),
            millis(1_558_600_000_821),
        ),
        WeightChange::new(
            Floor(2),
            -77,
            millis(1_558_600_003_493),
            millis(1_558_600_007_607),
        ),
    ];
    assert_eq!(start.weight_info.as_deref(), Some(&weights[..]));
    assert_eq!(start.door_open_timestamp, Some(millis(1_558_600_000_000)));
    assert_eq!(start.door_close_timestamp, Some(millis(1_558_600_000_821)));
    assert_eq!(start.analyst_id, None);
    assert!(start.extra.is_empty() && start.envelope.is_empty());
    assert_eq!(start.warnings(), []);
    golden(
        &message,
        concat!(
            r#"{"action":"ANALYSIS_START","data":{"id":1679846303806259201,"top_video":"top-0001","#,
            r#""goods_ids":{"-1":[2,5,8,10,12],"1":[2,5,8,10,12],"2":[21,27,29,30],"#,
            r#""3":[31,37,49,60],"4":[41,47,49,60],"5":[51,57,59,60]},"ass_video":"ass-0001","#,
            r#""weight_info":[{"startTimeStamp":1558600000000,"endTimeStamp":1558600000821,"#,
            r#""weight":-512,"floor":4},{"startTimeStamp":1558600003493,"#,
            r#""endTimeStamp":1558600007607,"weight":-77,"floor":2}],"#,
            r#""door_open_timestamp":1558600000000,"door_close_timestamp":1558600000821,"#,
            r#""analyst_id":null}}"#
        ),
    );
}

#[test]
fn the_printed_result_reads_and_has_one_strict_form() {
    let message = read(&sample!("finish.json"));
    let Message::Finish(finish) = &message else {
        panic!("{message:?}");
    };
    assert_eq!(finish.id, TaskId(1_679_277_852_554_428_417));
    assert_eq!(finish.taken, [(GoodsId(15), 3), (GoodsId(18), 4)]);
    golden(
        &message,
        r#"{"action":"ANALYSIS_FINISH","data":{"id":1679277852554428417,"RESULT":{"15":3,"18":4}}}"#,
    );
}

#[test]
fn the_printed_failure_reads_and_has_one_strict_form() {
    let message = read(&sample!("fail.json"));
    let Message::Fail(fail) = &message else {
        panic!("{message:?}");
    };
    assert_eq!(fail.id, TaskId(1_679_277_852_554_428_417));
    assert_eq!(fail.reason, "视频打不开");
    golden(
        &message,
        r#"{"action":"ANALYSIS_FAIL","data":{"id":1679277852554428417,"RESULT":"视频打不开"}}"#,
    );
}

#[test]
fn the_printed_cancellation_reads_without_a_task_and_ours_has_one() {
    let message = read(&sample!("timeout.json"));
    let Message::Timeout(timeout) = &message else {
        panic!("{message:?}");
    };
    assert_eq!(timeout.id, None);
    // What nobody has told cannot be told on.
    golden(&message, r#"{"action":"ANALYSIS_TIMEOUT","data":{}}"#);
    golden(
        &Timeout::new(TaskId(1_679_277_852_554_428_417)).into(),
        r#"{"action":"ANALYSIS_TIMEOUT","data":{"id":1679277852554428417}}"#,
    );
}

#[test]
fn the_printed_envelope_has_no_task() {
    let error = decode(&sample!("envelope.json"), &Lenience::document()).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::Missing("id"));
}

#[test]
//= docs/spec/analyst-proto.md#message
//# Comments and trailing commas MUST be read by a reader for documents only, and never be written.
fn comments_and_trailing_commas_are_for_documents_only() {
    for sample in [
        sample!("start.json"),
        sample!("finish.json"),
        sample!("fail.json"),
    ] {
        for lenience in [Lenience::strict(), Lenience::field()] {
            let error = decode(&sample, &lenience).unwrap_err();
            assert!(
                matches!(error.kind, WireErrorKind::NotJson { .. }),
                "{error}"
            );
        }
        let again = written(&read(&sample));
        assert!(!again.contains(['#', '\n', ' ']), "{again}");
    }
}
