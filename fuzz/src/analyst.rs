//! The messages of the analyser: nothing panics, nothing is lost, what is written reads back.

use crate::{analyst_device, analyst_platform};
use analyst_proto::codec::{
    Dialect, Lenience, Nested, ResultKey, decode, encode, without_comments,
};
use analyst_proto::sign::{Preset, SignValue, Signer as _, SigningKey};
use analyst_proto::wire::{
    ConnectionInfoRequest, IdForm, InfoReply, Message, RequestForm, Secret, SignedRequest,
};
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

/// Requests and replies: within their limits, whatever stands in them; what was read is written in one
/// way and read from it alike, and whatever the HTTP status was.
pub fn connection_info(data: &[u8]) {
    let queried = std::str::from_utf8(data).map(|query| SignedRequest::parse(query, b""));
    let posted = SignedRequest::parse("", data);
    for request in [queried.ok(), Some(posted)].into_iter().flatten().flatten() {
        check_request(&request);
    }
    let Ok(decoded) = InfoReply::decode(200, data) else {
        assert!(InfoReply::decode(500, data).is_err());
        return;
    };
    assert!(data.len() <= InfoReply::MAX_LEN);
    assert_eq!(InfoReply::decode(404, data).as_ref(), Ok(&decoded));
    let _ = format!("{decoded:?}");
    let once = replied(&decoded.reply);
    let again = InfoReply::decode(200, &once).expect("our own");
    assert_eq!(again.reply, decoded.reply);
    assert_eq!(replied(&again.reply), once);
    if let InfoReply::Info(info) = decoded.reply {
        assert!(info.port > 0 && info.keepalive > 0 && !info.host.is_empty());
    }
}

fn check_request(request: &SignedRequest) {
    let _ = format!("{request:?}");
    let length = request.name().chars().count();
    assert!((1..=ConnectionInfoRequest::MAX_NAME).contains(&length));
    assert_eq!(request.at().0.to_string().len(), 13);
    let get = request.call(RequestForm::Query);
    let (path, query) = get.target.split_once('?').expect("a query");
    assert!(SignedRequest::is_path(path) && get.body.is_empty());
    assert_eq!(SignedRequest::parse(query, b"").as_ref(), Ok(request));
    assert_eq!(
        SignedRequest::parse("", query.as_bytes()).as_ref(),
        Ok(request)
    );
    let post = request.call(RequestForm::Json);
    assert_eq!(SignedRequest::parse("", &post.body).as_ref(), Ok(request));
}

fn replied(reply: &InfoReply) -> Vec<u8> {
    let mut json = Vec::new();
    reply.encode(&mut json);
    json
}

/// The order of parameters does not matter to a signature, nor one that is called `sign`; what was
/// signed is verified, and nothing that reads otherwise.
pub fn sign(data: &[u8]) {
    // Whatever runs out is empty.
    let _ = try_sign(&mut Unstructured::new(data));
}

fn try_sign(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let key = SigningKey::new(
        *input.choose(&Preset::ALL)?,
        &Secret::new(input.arbitrary::<String>()?),
    );
    let mut params: Vec<(&str, SignValue<'_>)> = Vec::new();
    for _ in 0..input.int_in_range(0..=20)? {
        let name: &str = input.arbitrary()?;
        let value = match input.int_in_range(0..=2)? {
            0 => SignValue::Null,
            1 => SignValue::Int(input.arbitrary()?),
            _ => SignValue::Str(input.arbitrary()?),
        };
        // Those of one name stay in their order.
        if params.iter().all(|(known, _)| *known != name) {
            params.push((name, value));
        }
    }
    let mut signature = String::new();
    key.sign(&params, &mut signature);
    assert!(key.verify(&params, &signature));
    let mut other = params.clone();
    for last in (1..other.len()).rev() {
        other.swap(last, input.int_in_range(0..=last)?);
    }
    if other.iter().all(|(name, _)| *name != "sign") {
        let at = input.int_in_range(0..=other.len())?;
        other.insert(at, ("sign", SignValue::Str(&signature)));
    }
    let mut again = String::new();
    key.sign(&other, &mut again);
    assert_eq!(again, signature);
    assert!(key.verify(&other, &signature));
    let guess: String = input.arbitrary()?;
    let is_right = guess.eq_ignore_ascii_case(&signature);
    assert!(is_right || !key.verify(&params, &guess));
    Ok(())
}

/// Records in any order, for both machines.
pub fn restore(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let input = &mut Unstructured::new(rest);
    // A list that ends in the middle of a record is as good as one that ends before it.
    let _ = if first % 2 == 0 {
        analyst_device::restore(input)
    } else {
        analyst_platform::restore(input)
    };
}
