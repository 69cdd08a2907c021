//! One candidate of a search as a single integer.

use crate::order::{distance_of_ordered, ordered_bits};
use crate::types::{Candidate, Distance, Slot};

/// Distance, slot and marks in one integer that sorts by distance, then by slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PoolEntry(pub(super) u64);

/// The mark of an entry whose links have been followed.
const EXPANDED: u64 = 1;
/// The mark of an entry that may be returned.
const ACCEPTED: u64 = 2;

impl PoolEntry {
    #[inline]
    pub(super) fn new(distance: Distance, slot: Slot, accepted: bool) -> Self {
        // NaN, which only crafted codes produce, may have either sign, depending on the platform: it counts as
        // farthest.
        let distance = if distance.is_nan() { Distance::INFINITY } else { distance };
        Self(u64::from(ordered_bits(distance)) << 32 | u64::from(slot.0) << 2 | if accepted { ACCEPTED } else { 0 })
    }

    #[inline]
    pub(super) const fn slot(self) -> Slot {
        Slot((self.0 as u32) >> 2)
    }

    #[inline]
    pub(super) const fn distance_bits(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    pub(super) fn distance(self) -> Distance {
        distance_of_ordered(self.distance_bits())
    }

    #[inline]
    pub(super) const fn is_accepted(self) -> bool {
        self.0 & ACCEPTED != 0
    }

    #[inline]
    pub(super) const fn is_expanded(self) -> bool {
        self.0 & EXPANDED != 0
    }

    /// Marks the entry as one whose links have been followed.
    #[inline]
    pub(super) const fn expand(&mut self) {
        self.0 |= EXPANDED;
    }

    #[inline]
    pub(super) fn candidate(self) -> Candidate {
        Candidate { distance: self.distance(), slot: self.slot() }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_entry_keeps_its_distance(distance in any::<f32>()) {
            prop_assume!(!distance.is_nan());
            prop_assert_eq!(PoolEntry::new(distance, Slot(5), true).distance().to_bits(), distance.to_bits());
        }
    }
}
