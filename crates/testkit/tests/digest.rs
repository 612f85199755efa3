//! What stands for a state stands for no other one.

use std::collections::HashSet;
use testkit::digest::{Digest, Ready};

#[test]
fn states_that_differ_have_digests_that_differ() {
    let mut seen: HashSet<u128, Ready> = HashSet::default();
    for one in 0_u64..300 {
        for other in [0_u32, 1, 7, u32::MAX] {
            for list in [vec![], vec![0_u8], vec![0, 0], vec![1; 8], vec![1; 9]] {
                assert!(seen.insert(Digest::of(&(one, other, list))));
            }
        }
    }
    // Where one text ends and the next begins matters, and in which order they come.
    for pair in [("a", "bc"), ("ab", "c"), ("c", "ab"), ("", "abc")] {
        assert!(seen.insert(Digest::of(&pair)));
    }
    assert_eq!(Digest::of(&("ab", "c")), Digest::of(&("ab", "c")));
}
