//! Parameters in the order in which they are signed.

use super::SignValue;

/// So many are sorted without the heap.
const FEW: usize = 16;

/// Hands out parameters in ascending order of their names' bytes. Those of one name stay in their
/// order.
//= docs/spec/analyst-proto.md#signature
//# Parameters MUST be signed in ascending order of the bytes of their names.
pub(super) fn for_each_sorted<'a>(
    params: &[(&'a str, SignValue<'a>)],
    mut each: impl FnMut((&'a str, SignValue<'a>)),
) {
    if params.is_sorted_by_key(|(name, _)| *name) {
        return params.iter().copied().for_each(each);
    }
    let mut few = [0; FEW];
    let mut many;
    let order = if let Some(few) = few.get_mut(..params.len()) {
        few
    } else {
        many = vec![0; params.len()];
        many.as_mut_slice()
    };
    for (place, at) in order.iter_mut().enumerate() {
        *at = place;
    }
    order.sort_unstable_by_key(|at| (params.get(*at).map(|(name, _)| *name), *at));
    for at in order {
        if let Some(param) = params.get(*at) {
            each(*param);
        }
    }
}
