//! Values for fuzzers are values that the codec keeps.
#![cfg(feature = "arbitrary")]

use analyst_proto::codec::{Dialect, Lenience, Nested, ResultKey, decode, encode};
use analyst_proto::wire::Message;
use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;

proptest! {
    #[test]
    fn arbitrary_values_are_encodable(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        key in prop::sample::select(vec![ResultKey::Upper, ResultKey::Lower, ResultKey::Both]),
        nested in prop::sample::select(vec![Nested::Native, Nested::StringEncoded]),
    ) {
        let mut u = Unstructured::new(&bytes);
        let message = Message::arbitrary(&mut u).expect("bytes that run out are zeros");
        let dialect = Dialect::default().with_result_key(key).with_nested(nested);
        let mut json = Vec::new();
        encode(&message, &dialect, &mut json);
        let again = decode(&json.into(), &Lenience::field()).expect("our own");
        prop_assert_eq!(again, message);
    }
}
