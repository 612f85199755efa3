//! What debug output and errors of the wire may not show.

use zzw_push_proto::rest::RestRequest;
use zzw_push_proto::wire::*;

const SECRET: &str = "s3cr3t";

#[test]
//= docs/spec/zzw-push-proto.md#permission
//# Tokens, bodies of messages, what a device tells about itself and frames of rooms MUST NOT appear
//# in debug output.
//= docs/spec/zzw-push-proto.md#permission
//# An error MUST NOT repeat what a peer sent.
fn debug_output_shows_neither_tokens_nor_bodies() {
    for json in [
        r#"{"t":1,"alias":"a","token":"s3cr3t"}"#,
        r#"{"t":14,"alias":"a","token":"s3cr3t"}"#,
        r#"{"t":5,"mid":"1","msg":"s3cr3t"}"#,
        r#"{"t":-4,"msg":["s3cr3t"]}"#,
        r#"{"t":6,"alias":["a"],"msg":{"s3cr3t":"s3cr3t"},"opts":{"x":"s3cr3t"},"y":"s3cr3t"}"#,
        r#"{"t":2,"topic":["a"],"info":{"name":"s3cr3t","z":"s3cr3t"}}"#,
        r#"{"t":99,"msg":"s3cr3t"}"#,
        r#"{"t":1,"msg":"s3cr3t"#,
        r#"{"t":6,"msg":"s3cr3t"}"#,
    ] {
        let read = Message::decode(json.into(), Lenience::Vendor);
        let failure = read
            .as_ref()
            .err()
            .map(|error| (error.to_string(), error.to_failure()));
        let shown = format!("{read:?} {read:#?} {failure:?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let request = RestRequest::parse("GET", "/info/s3cr3t", Lenience::Vendor).unwrap();
    assert!(!format!("{request:?}").contains(SECRET));
    let delivery = Delivery::new("a", Mid::new("1"), SECRET.into());
    assert!(!format!("{delivery:?} {:?}", DeliveryFrame::new(&delivery)).contains(SECRET));
}
