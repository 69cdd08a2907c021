//! The nearest members known so far, of each member.

use crate::metric::Kernels;
use crate::order::{distance_of_ordered, ordered_bits, sort_by};
use crate::types::{Distance, OutOfMemory};

/// How many are kept of a member's nearest. With 48 recall is lower: the heuristic then has too few directions to
/// choose from.
pub(super) const NEAREST_KEPT: usize = 64;

/// Another member, and how far away it is, in one number: nearer ones are smaller, and of equally near ones lower
/// members. So what is kept does not depend on what came first, and keeping order takes no branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Near(u64);

impl Near {
    /// Farther than any.
    pub(super) const NONE: Self = Self(u64::MAX);

    pub(super) const fn new(distance: Distance, member: u32) -> Self {
        Self((ordered_bits(distance) as u64) << 32 | member as u64)
    }

    pub(super) const fn member(self) -> u32 {
        self.0 as u32
    }

    pub(super) const fn distance(self) -> Distance {
        distance_of_ordered((self.0 >> 32) as u32)
    }
}

/// Puts one in its place among `nearest`, which are in order, instead of the last.
#[inline(always)]
pub(super) fn insert(nearest: &mut [Near], near: Near) {
    let mut at = nearest.len() - 1;
    while at > 0 && near < nearest[at - 1] {
        nearest[at] = nearest[at - 1];
        at -= 1;
    }
    nearest[at] = near;
}

/// How many members there may be: a list has 18 bits for each, and 14 for its distance.
pub(crate) const MOST_MEMBERS: usize = 1 << MEMBER_BITS;
const MEMBER_BITS: u32 = 18;
/// Farther than any.
const NONE: u32 = u32::MAX;
const MEMBER: u32 = (1 << MEMBER_BITS) - 1;

/// A member and roughly how far away it is, in the order of [`Near`] but for distances that differ by less than a
/// thirtieth. WebAssembly's memory never shrinks, so the lists are short; their members are scored again anyway.
const fn rough(near: Near) -> u32 {
    if near.0 == Near::NONE.0 { NONE } else { ((near.0 >> 32) as u32 & !MEMBER) | near.member() }
}

/// The nearest of each member.
#[derive(Debug)]
pub(super) struct Nearest {
    /// In order, and [`NONE`] where there are not so many.
    near: Vec<[u32; NEAREST_KEPT]>,
    /// The last of each, apart: it is asked for more often than the others.
    limits: Vec<u32>,
}

impl Nearest {
    /// Makes room for so many members, and has none yet: to write all of it takes longer than a step should.
    pub(super) fn new(members: usize) -> Result<Self, OutOfMemory> {
        let (mut near, mut limits) = (Vec::new(), Vec::new());
        near.try_reserve_exact(members)?;
        limits.try_reserve_exact(members)?;
        Ok(Self { near, limits })
    }

    /// Begins the lists of the members below `until`, for which there is room.
    pub(super) fn begin(&mut self, until: usize) {
        self.near.resize(until, [NONE; NEAREST_KEPT]);
        self.limits.resize(until, NONE);
    }

    /// Those of a member.
    pub(super) fn of(&self, member: usize) -> impl Iterator<Item = u32> {
        self.near[member].into_iter().take_while(|&near| near != NONE).map(|near| near & MEMBER)
    }

    /// Only members within this distance are of interest.
    pub(super) fn limit(&self, member: usize) -> Distance {
        let last = self.limits[member];
        if last == NONE {
            return Distance::INFINITY;
        }
        // The farthest that is as far away as the last, roughly.
        distance_of_ordered(last | MEMBER)
    }

    /// Asks for those of a member, which are merged with others later.
    pub(super) fn prefetch(&self, member: usize, kernels: Kernels) {
        kernels.prefetch(&self.near[member]);
    }

    /// Takes in `others`. A member that is known already has the same distance there.
    pub(super) fn merge<const COUNT: usize>(&mut self, member: usize, others: &[Near; COUNT]) {
        let mut others = others.map(rough);
        sort_by(&mut others, |a, b| a < b);
        let ours = &mut self.near[member];
        let mut merged = [NONE; NEAREST_KEPT];
        let (mut i, mut j) = (0, 0);
        for merged in &mut merged {
            let other = if j < COUNT { others[j] } else { NONE };
            let our = ours[i];
            *merged = our.min(other);
            i += usize::from(our <= other);
            j += usize::from(other <= our);
        }
        *ours = merged;
        self.limits[member] = merged[NEAREST_KEPT - 1];
    }

    /// Replaces those of a member by `chosen`, in that order.
    pub(super) fn choose(&mut self, member: usize, chosen: impl Iterator<Item = u32>) {
        self.near[member] = [NONE; NEAREST_KEPT];
        for (near, chosen) in self.near[member].iter_mut().zip(chosen) {
            *near = chosen;
        }
    }

    /// Bytes held.
    pub(super) const fn resident_bytes(&self) -> usize {
        self.near.capacity() * size_of::<[u32; NEAREST_KEPT]>() + self.limits.capacity() * size_of::<u32>()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn begun(members: usize) -> Nearest {
        let mut nearest = Nearest::new(members).unwrap();
        nearest.begin(members);
        nearest
    }

    fn near() -> impl Strategy<Value = (i32, u32)> {
        (-3..3, 0..40u32)
    }

    proptest! {
        #[test]
        fn the_order_is_by_distance_and_then_by_member(a in (any::<f32>(), any::<u32>()), b in (any::<f32>(), any::<u32>())) {
            prop_assume!(!a.0.is_nan() && !b.0.is_nan());
            let [one, other] = [a, b].map(|(distance, member)| Near::new(distance, member));
            prop_assert_eq!(one.cmp(&other), a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            prop_assert_eq!((one.distance().to_bits(), one.member()), (a.0.to_bits(), a.1));
        }

        /// Each list has its members once, and a member has the same distance in all.
        #[test]
        fn merging_keeps_the_nearest_once(lists in prop::collection::vec(prop::collection::vec(near(), 0..9), 0..30)) {
            let distance = |member: u32| (member % 7) as f32 - 2.0;
            let mut nearest = begun(2);
            let mut all: Vec<Near> = Vec::new();
            for list in lists {
                let mut list: Vec<Near> = list.into_iter().map(|(_, member)| Near::new(distance(member), member)).collect();
                list.sort();
                list.dedup();
                let mut others = [Near::NONE; 9];
                others[..list.len()].copy_from_slice(&list);
                nearest.merge(1, &others);
                all.extend(list);
            }
            all.sort();
            all.dedup();
            prop_assert!(nearest.of(1).eq(all.iter().take(NEAREST_KEPT).map(|near| near.member())));
            prop_assert_eq!(nearest.of(0).count(), 0);
            prop_assert_eq!(nearest.limit(0), Distance::INFINITY);
            if all.len() >= NEAREST_KEPT {
                prop_assert!(nearest.limit(1) >= all[NEAREST_KEPT - 1].distance());
            }
        }

        /// What is within the limit of a full list, and only that, can be one of the nearest.
        #[test]
        fn the_limit_is_a_little_farther_than_the_last(distance in -1e30f32..1e30) {
            let mut nearest = begun(1);
            for from in 0..NEAREST_KEPT as u32 {
                nearest.merge(0, &[Near::new(distance, from)]);
            }
            let limit = nearest.limit(0);
            prop_assert!(distance <= limit && limit - distance <= distance.abs() / 31.0 + f32::MIN_POSITIVE);
        }
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let mut nearest = begun(1);
        for from in (0..200).rev() {
            nearest.merge(0, &[Near::new((from * from) as f32, from), Near::new(1e6, 1000 + from)]);
        }
        assert!(nearest.of(0).eq(0..NEAREST_KEPT as u32));
        nearest.choose(0, [7, 3].into_iter());
        assert!(nearest.of(0).eq([7, 3]));
    }
}
