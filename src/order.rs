//! One small sort for the short, mostly sorted lists of candidates.
//!
//! The standard library's sorts are faster on long lists, and each type that they are used with adds three to ten
//! kilobytes to the shipped WebAssembly; these lists hold some dozens, and come nearly in order.

use crate::types::{Distance, Slot};

/// Sorts by distance, ties by slot: by insertion, so in linear time when few are out of place.
pub(crate) fn sort_by_distance<T: Copy>(items: &mut [T], key: impl Fn(&T) -> (Distance, Slot)) {
    let is_before = |a: &T, b: &T| {
        let ((a, slot_a), (b, slot_b)) = (key(a), key(b));
        a < b || (a == b && slot_a < slot_b)
    };
    for sorted in 1..items.len() {
        let item = items[sorted];
        let mut at = sorted;
        while at > 0 && is_before(&item, &items[at - 1]) {
            items[at] = items[at - 1];
            at -= 1;
        }
        items[at] = item;
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(mut items in prop::collection::vec((-9i32..9, 0u32..99), 0..80)) {
            let mut expected = items.clone();
            expected.sort();
            sort_by_distance(&mut items, |&(distance, slot)| (distance as f32, Slot(slot)));
            prop_assert_eq!(items, expected);
        }
    }
}
