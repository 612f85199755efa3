//! Values for fuzzers are values that the codec keeps.
#![cfg(feature = "arbitrary")]

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use se5_events::*;

proptest! {
    #[test]
    fn arbitrary_values_are_encodable(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut u = Unstructured::new(&bytes);
        let sighting = Sighting::arbitrary(&mut u).expect("bytes that run out are zeros");
        let again = sighting.to_live(LiveForm::new(Dialect::V1)).to_sighting().expect("our own");
        prop_assert_eq!(&again.identity_name, &sighting.identity_name);
        prop_assert_eq!(again.at, sighting.at);

        let event = FaceEvent::arbitrary(&mut u).expect("bytes that run out are zeros");
        prop_assert_eq!(FaceEvent::decode(event.json().clone()).expect("our own"), event);

        let subscription = Subscription::arbitrary(&mut u).expect("bytes that run out are zeros");
        let mut json = Vec::new();
        subscription.encode(Dialect::V2, &mut json);
        prop_assert!(Subscription::decode(json.into(), &Limits::default()).is_ok());

        let query = HistoryQuery::arbitrary(&mut u).expect("bytes that run out are zeros");
        prop_assert!(query.to_query().starts_with("datetime_gte="));
    }
}
