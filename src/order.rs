//! One small sort for the short, mostly sorted lists of candidates, and distances as integers in the same order.
//!
//! The standard library's sorts are faster on long lists, but each type that they are used with adds three to ten
//! kilobytes to the shipped WebAssembly. These lists mostly hold a few dozen items, nearly in order.

use crate::types::{Distance, Slot};

/// The longest list that is sorted by insertion alone. Longer ones are sorted roughly first, which brings items near
/// their places.
const MOST_BY_INSERTION: usize = 64;

/// The bits of a distance, mapped so that they order as the distances do; NaN comes first or last, by its sign.
#[inline]
pub(crate) const fn ordered_bits(distance: Distance) -> u32 {
    let bits = distance.to_bits();
    bits ^ (((bits.cast_signed() >> 31).cast_unsigned()) | 1 << 31)
}

/// The distance of [`ordered_bits`].
#[inline]
pub(crate) const fn distance_of_ordered(bits: u32) -> Distance {
    Distance::from_bits(if bits >> 31 == 1 { bits ^ (1 << 31) } else { !bits })
}

/// Sorts by distance, ties by slot. Insertion sort, which is linear when few items are out of place, preceded on long
/// lists by Shell's method, with gaps that shrink to about four ninths each time.
pub(crate) fn sort_by_distance<T: Copy>(items: &mut [T], key: impl Fn(&T) -> (Distance, Slot)) {
    sort_by(items, |a, b| {
        let ((a, slot_a), (b, slot_b)) = (key(a), key(b));
        a < b || (a == b && slot_a < slot_b)
    });
}

/// Sorts ascending. Not inlined (size).
#[inline(never)]
pub(crate) fn sort_numbers(numbers: &mut [u64]) {
    sort_by(numbers, |a, b| a < b);
}

/// Sorts by any order, in the same way as [`sort_by_distance`].
pub(crate) fn sort_by<T: Copy>(items: &mut [T], is_before: impl Fn(&T, &T) -> bool) {
    let mut gap = if items.len() > MOST_BY_INSERTION { items.len() * 4 / 9 } else { 1 };
    loop {
        for sorted in gap..items.len() {
            let item = items[sorted];
            let mut at = sorted;
            while at >= gap && is_before(&item, &items[at - gap]) {
                items[at] = items[at - gap];
                at -= gap;
            }
            items[at] = item;
        }
        if gap == 1 {
            return;
        }
        gap = (gap * 4 / 9).max(1);
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(mut items in prop::collection::vec((-9i32..9, 0u32..99), 0..500)) {
            let mut expected = items.clone();
            expected.sort();
            sort_by_distance(&mut items, |&(distance, slot)| (distance as f32, Slot(slot)));
            prop_assert_eq!(items, expected);
        }

        #[test]
        fn order_of_bits_is_order_of_floats(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(!a.is_nan() && !b.is_nan() && (a != 0.0 || b != 0.0));
            prop_assert_eq!(a < b, ordered_bits(a) < ordered_bits(b));
            prop_assert_eq!(distance_of_ordered(ordered_bits(a)).to_bits(), a.to_bits());
        }
    }
}
