//! Values for fuzzers are values that the codec keeps.
#![cfg(feature = "arbitrary")]

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use zzw_push_proto::socketio::*;

proptest! {
    #[test]
    fn arbitrary_packets_are_encodable(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let mut u = Unstructured::new(&bytes);
        let revision = Revision::arbitrary(&mut u).expect("bytes that run out are zeros");
        let opening = Opening::arbitrary(&mut u).expect("bytes that run out are zeros");
        let packet = Packet::arbitrary(&mut u).expect("bytes that run out are zeros");
        let mut out = Vec::new();
        packet.encode(revision, &mut out);
        let again = Packet::decode(&out.clone().into());
        prop_assert_eq!(again.as_ref(), Ok(&packet));
        let text = String::from_utf8(out).expect("text");
        let sent = Decoder::new(revision, opening).outbound(&text).into_owned();
        prop_assert!(Packet::decode(&sent.into()).is_ok());
    }
}
