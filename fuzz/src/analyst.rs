//! The messages of the analyser: nothing panics, nothing is lost, what is written reads back.

use analyst_proto::codec::{
    Dialect, Lenience, Nested, ResultKey, decode, encode, without_comments,
};
use analyst_proto::wire::{IdForm, Message};
use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use serde::de::IgnoredAny;

/// What a stricter reader reads, a more lenient one reads alike; what was read can be written, and
/// once it has been written it stays as it is; ids are exact.
pub fn message(data: &[u8]) {
    let payload = Bytes::copy_from_slice(data);
    let strict = decode(&payload, &Lenience::strict());
    let field = decode(&payload, &Lenience::field());
    let document = decode(&payload, &Lenience::document());
    if strict.is_ok() {
        assert_eq!(strict, field);
    }
    if field.is_ok() {
        assert_eq!(field, document);
    }
    if let Ok(message) = document {
        check_received(&message);
    }
    if let Ok(message) = Message::arbitrary(&mut Unstructured::new(data)) {
        check_built(&message);
    }
}

fn check_received(message: &Message) {
    let _ = format!("{message:?}");
    let once = written(message, Dialect::default());
    let again = decode(&once, &Lenience::field()).expect("our own");
    assert_eq!(written(&again, Dialect::default()), once);
    assert_eq!(again.id(), message.id());
    // A reason may have been cut.
    if !matches!(message, Message::Fail(_)) {
        assert_eq!(&again, message);
    }
    if let (Some(id), Some(form)) = (message.id(), message.id_form()) {
        let spelled = match form {
            IdForm::Number => format!("\"id\":{id}"),
            _ => format!("\"id\":\"{id}\""),
        };
        let text = String::from_utf8_lossy(&once);
        assert!(text.contains(&spelled), "{spelled}");
    }
}

fn check_built(message: &Message) {
    for result_key in [ResultKey::Upper, ResultKey::Lower, ResultKey::Both] {
        for nested in [Nested::Native, Nested::StringEncoded] {
            let dialect = Dialect::default()
                .with_result_key(result_key)
                .with_nested(nested);
            let json = written(message, dialect);
            assert!(serde_json::from_slice::<IgnoredAny>(&json).is_ok());
            let again = decode(&json, &Lenience::field()).expect("our own");
            assert_eq!(&again, message);
        }
    }
}

fn written(message: &Message, dialect: Dialect) -> Bytes {
    let mut json = Vec::new();
    encode(message, &dialect, &mut json);
    json.into()
}

/// Taking comments and trailing commas out changes no JSON, and leaves nothing to be taken out.
pub fn lenient_json(data: &[u8]) {
    let plain = without_comments(data);
    assert_eq!(plain.len(), data.len());
    assert_eq!(without_comments(&plain), plain);
    if serde_json::from_slice::<IgnoredAny>(data).is_ok() {
        assert_eq!(plain, data);
    }
}
