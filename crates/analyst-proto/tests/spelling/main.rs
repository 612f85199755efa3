//! Messages in every spelling that peers use or might use, row by row of the design (A-14 to A-39).

mod envelope;
mod members;

use analyst_proto::codec::{
    Dialect, Lenience, Nested, ResultKey, decode, encode, without_comments,
};
use analyst_proto::wire::*;
use analyst_proto::{WireError, WireErrorKind};
use bytes::Bytes;

fn with(lenience: &Lenience, json: &str) -> Result<Message, WireErrorKind> {
    decode(&Bytes::from(json.to_owned()), lenience).map_err(|WireError { kind, .. }| kind)
}

fn field(json: &str) -> Result<Message, WireErrorKind> {
    with(&Lenience::field(), json)
}

fn strict(json: &str) -> Result<Message, WireErrorKind> {
    with(&Lenience::strict(), json)
}

fn read(json: &str) -> Message {
    field(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// Both readers read it.
fn plain(json: &str) -> Message {
    let message = read(json);
    assert_eq!(strict(json).as_ref(), Ok(&message), "{json}");
    message
}

fn written_as(message: &Message, dialect: Dialect) -> String {
    let mut json = Vec::new();
    encode(message, &dialect, &mut json);
    String::from_utf8(json).unwrap()
}

fn written(message: &Message) -> String {
    written_as(message, Dialect::default())
}

fn start(message: Message) -> Start {
    match message {
        Message::Start(start) => start,
        other => panic!("{other:?}"),
    }
}

fn finish(message: Message) -> Finish {
    match message {
        Message::Finish(finish) => finish,
        other => panic!("{other:?}"),
    }
}

fn fail(message: Message) -> Fail {
    match message {
        Message::Fail(fail) => fail,
        other => panic!("{other:?}"),
    }
}

/// A task with these members beside the required ones.
fn task(members: &str) -> String {
    let data = format!(r#"{{"id":1,"top_video":"v","goods_ids":{{}}{members}}}"#);
    format!(r#"{{"action":"ANALYSIS_START","data":{data}}}"#)
}

fn goods(json: &str) -> String {
    let data = format!(r#"{{"id":1,"top_video":"v","goods_ids":{json}}}"#);
    format!(r#"{{"action":"ANALYSIS_START","data":{data}}}"#)
}

fn result(json: &str) -> String {
    format!(r#"{{"action":"ANALYSIS_FINISH","data":{{"id":1,"RESULT":{json}}}}}"#)
}

fn reason(json: &str) -> String {
    format!(r#"{{"action":"ANALYSIS_FAIL","data":{{"id":1,"RESULT":{json}}}}}"#)
}

fn progress(id: &str) -> String {
    format!(r#"{{"action":"ANALYSIS_PROGRESS","data":{{"id":{id}}}}}"#)
}

fn floors(goods: &Goods) -> Vec<(i32, Vec<u64>)> {
    let floors = goods.floors();
    floors
        .map(|(floor, ids)| (floor.0, ids.map(|id| id.0).collect()))
        .collect()
}
