//! Values for fuzzers are values that the codec keeps.
#![cfg(feature = "arbitrary")]

use arbitrary::{Arbitrary, Unstructured};
use face_record_push::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn arbitrary_values_are_encodable(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut u = Unstructured::new(&bytes);
        let recognition = Recognition::arbitrary(&mut u).expect("bytes that run out are zeros");
        let mut body = Vec::new();
        codec::encode_push(&recognition.to_item(Profile::V1_3, None), &mut body);
        let Push::Record(record) = Push::decode(body.into()).expect("our own") else {
            return Err(TestCaseError::fail("no record"));
        };
        let mut again = record.to_recognition();
        again.recognize_status = recognition.recognize_status; // not in this profile
        again.liveness = recognition.liveness;
        prop_assert!(again == recognition);

        let push = Push::arbitrary(&mut u).expect("bytes that run out are zeros");
        prop_assert_eq!(Push::decode(push.json().clone()).expect("our own"), push);

        let subscription = Subscription::arbitrary(&mut u).expect("bytes that run out are zeros");
        let mut json = Vec::new();
        codec::encode_ask_reply(&AskReply::ok(Some(subscription.clone())), false, &mut json);
        prop_assert_eq!(codec::read_ask_reply(200, &json), Ok(Some(subscription)));

        let query = RecordsQuery::arbitrary(&mut u).expect("bytes that run out are zeros");
        let mut json = Vec::new();
        codec::encode_query(&query, &mut json);
        prop_assert_eq!(codec::read_query(&json), Ok(query));
    }
}
