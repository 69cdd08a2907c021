//! The candidates of a search: one array, sorted by distance, with linear insertion.
//!
//! Two heaps would move less but miss the cache more: at the widths that searches use, one array sorted by a single
//! integer is faster. A candidate that may not be returned (deleted, or refused by the caller's filter) stays in the
//! array, because the path to others may lead through it, but does not count towards `ef`. Twins beyond the first few
//! ([`Twins`]) are set aside.

use super::pool_entry::PoolEntry;
use super::set_aside::SetAside;
use super::twins::Twins;
use crate::types::{Candidate, Distance, OutOfMemory, Slot};

/// The largest `k` for which [`Pool::kth`] counts accepted candidates when rejected ones are among them.
const MOST_COUNTED: usize = 64;
/// How many entries before an equally distant one are checked for its twins. In data with few distinct distances, many
/// of them may not be twins.
const TWINS_LOOKBACK: usize = 32;

/// Sorted candidates, of which at most `ef` are accepted ones.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    entries: Vec<PoolEntry>,
    ef: usize,
    limit: usize,
    accepted: usize,
    /// The first entry that may be unexpanded.
    next: usize,
    /// An entry at or beyond this one is not kept.
    bound: u64,
    /// The distance of the bound.
    farthest: Distance,
    /// Twins that wait for [`Pool::take_back`] or [`Pool::walk_over`].
    set_aside: SetAside,
}

impl Pool {
    /// Empties the pool for a search of width `ef` that holds at most `limit` entries at once.
    pub(crate) fn begin(&mut self, ef: usize, limit: usize, twins: Twins) -> Result<(), OutOfMemory> {
        self.entries.clear();
        self.ef = ef;
        self.limit = limit.max(ef);
        self.entries.try_reserve(self.limit + 1)?;
        self.set_aside.begin(twins, self.limit)?;
        self.accepted = 0;
        self.next = 0;
        self.bound = u64::MAX;
        self.farthest = Distance::INFINITY;
        Ok(())
    }

    /// Returns true when there is no room for another rejected entry: the search should give way to an exact scan.
    #[inline]
    pub(super) const fn is_overflowing(&self) -> bool {
        self.entries.len() >= self.limit && self.accepted < self.ef
    }

    /// Returns true when a search that sets twins aside has left out an entry nearer than the farthest: it should give
    /// way to a scan too. Twins that are taken back find a pool full of accepted entries, and rejected ones may be too
    /// many for it.
    pub(super) fn has_lost(&self) -> bool {
        self.set_aside.has_lost(self.bound)
    }

    /// Returns false when a candidate at `distance` would not be kept. For NaN, inserting decides.
    #[inline]
    pub(super) const fn admits(&self, distance: Distance) -> bool {
        distance <= self.farthest || distance.is_nan()
    }

    /// Adds a candidate, unless it lies beyond the bound. It is set aside if too many of its twins are here.
    #[inline]
    pub(super) fn insert_unless_twin(
        &mut self,
        distance: Distance,
        slot: Slot,
        accepted: bool,
        are_twins: &dyn Fn(Slot, Slot) -> bool,
    ) {
        let entry = PoolEntry::new(distance, slot, accepted);
        if entry.0 >= self.bound {
            return;
        }
        // Either the pool overflows and the result of the search is not used, or the candidate counts as lost.
        if self.entries.len() + usize::from(!accepted) > self.limit {
            self.set_aside.lose(entry);
            return;
        }
        let at = self.insert_sorted(entry);
        // Nodes that are not twins seldom have equal distances.
        if at >= self.set_aside.most_in_pool()
            && self.entries[at - 1].distance_bits() == entry.distance_bits()
            && self.has_set_aside(at, are_twins)
        {
            return;
        }
        self.next = self.next.min(at);
        if accepted {
            self.accepted += 1;
            if self.accepted >= self.ef {
                self.shrink_to_ef();
            }
        }
    }

    /// Adds a candidate, however many twins it has, unless it lies beyond the bound. A call, unlike
    /// [`Pool::insert_unless_twin`], which is inlined.
    #[inline(never)]
    pub(super) fn insert(&mut self, distance: Distance, slot: Slot, accepted: bool) {
        self.insert_unless_twin(distance, slot, accepted, &|_, _| false);
    }

    /// Sets the entry aside when enough twins precede it, and returns whether it did. For an accepted entry only
    /// accepted twins count, for a rejected one only rejected twins.
    #[cold]
    fn has_set_aside(&mut self, at: usize, are_twins: &dyn Fn(Slot, Slot) -> bool) -> bool {
        let (entry, most) = (self.entries[at], self.set_aside.most_in_pool());
        let mut twins = 0;
        for other in self.entries[..at].iter().rev().take(TWINS_LOOKBACK) {
            if twins == most || other.distance_bits() != entry.distance_bits() {
                break;
            }
            let is_alike = other.is_accepted() == entry.is_accepted() && are_twins(other.slot(), entry.slot());
            twins += usize::from(is_alike);
        }
        if twins < most {
            return false;
        }
        self.entries.remove(at);
        self.set_aside.put(entry);
        true
    }

    /// Adds the twins that were set aside in a search of [`Twins::FewFirst`]; from then on none is set aside. Returns
    /// whether there is anything new to follow.
    pub(super) fn take_back(&mut self) -> bool {
        let Some(mut waiting) = self.set_aside.take_sorted() else { return false };
        let mut is_new = false;
        // In this order, no entry has to move for the next.
        for entry in waiting.drain(..).map(PoolEntry) {
            is_new |= entry.0 < self.bound;
            self.insert(entry.distance(), entry.slot(), entry.is_accepted());
        }
        self.set_aside.put_back(waiting);
        is_new
    }

    /// Returns a twin that was set aside, to be followed but not kept, while a search for links has found fewer than
    /// `ef`. Other nodes may be linked to that twin only.
    #[cold]
    pub(super) fn walk_over(&mut self) -> Option<Candidate> {
        if self.accepted >= self.ef {
            return None;
        }
        self.set_aside.next_to_walk()
    }

    /// Inserts an entry in order and returns its position. Searches from the end, moving entries on the way: a binary
    /// search and one move of all entries behind it would call into the engine in WebAssembly.
    #[inline(always)]
    fn insert_sorted(&mut self, entry: PoolEntry) -> usize {
        let mut at = self.entries.len();
        self.entries.push(entry);
        while let Some([first, second, third, fourth, place]) =
            at.checked_sub(4).and_then(|from| self.entries.get_mut(from..=at))
        {
            if *first < entry {
                break;
            }
            (*place, *fourth, *third, *second) = (*fourth, *third, *second, *first);
            at -= 4;
        }
        while let Some(before) = at.checked_sub(1).filter(|&before| self.entries[before] > entry) {
            self.entries[at] = self.entries[before];
            at = before;
        }
        self.entries[at] = entry;
        at
    }

    /// Keeps the first `ef` accepted entries and all entries before them.
    #[inline]
    fn shrink_to_ef(&mut self) {
        while let Some(&last) = self.entries.last() {
            if last.is_accepted() && self.accepted <= self.ef {
                self.bound = last.0;
                self.farthest = last.distance();
                return;
            }
            self.accepted -= usize::from(last.is_accepted());
            self.entries.pop();
        }
    }

    /// The nearest candidate whose links have not been followed, marked as followed.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Candidate> {
        while let Some(entry) = self.entries.get_mut(self.next) {
            self.next += 1;
            if !entry.is_expanded() {
                entry.expand();
                return Some(entry.candidate());
            }
        }
        None
    }

    /// The two candidates that [`Pool::pop`] would return next if nothing nearer came.
    #[inline]
    pub(super) fn upcoming(&self) -> impl Iterator<Item = Slot> {
        let rest = &self.entries[self.next.min(self.entries.len())..];
        rest.iter().filter(|entry| !entry.is_expanded()).take(2).map(|entry| entry.slot())
    }

    /// The distance of the `k`-th candidate that may be returned. `None` if there are fewer, or if counting them would
    /// take long: `k` is beyond [`MOST_COUNTED`], and the pool has candidates that may not be returned.
    #[inline]
    pub(super) fn kth(&self, k: usize) -> Option<Distance> {
        if self.accepted < k {
            return None;
        }
        let nth = k.checked_sub(1)?;
        // Most often all candidates may be returned.
        if self.accepted == self.entries.len() {
            return self.entries.get(nth).map(|entry| entry.distance());
        }
        // A small `k` is cheap to count to, at every step of a search.
        (k <= MOST_COUNTED).then(|| self.accepted().nth(nth).map(|candidate| candidate.distance)).flatten()
    }

    /// The number of candidates that may be returned.
    pub(crate) const fn accepted_len(&self) -> usize {
        self.accepted
    }

    /// The candidates that may be returned, nearest first.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = Candidate> {
        self.entries.iter().filter(|entry| entry.is_accepted()).map(|entry| entry.candidate())
    }

    /// The nearest candidate, whether or not it may be returned.
    pub(super) fn nearest(&self) -> Option<Slot> {
        self.entries.first().map(|entry| entry.slot())
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<PoolEntry>() + self.set_aside.resident_bytes()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::graph::twins::TWINS_IN_POOL;
    use proptest::prelude::*;

    proptest! {
        /// Compares the pool with a model that sorts everything and cuts after the `ef`-th accepted candidate.
        #[test]
        fn keeps_the_nearest(ef in 1usize..12, offers in prop::collection::vec((-50i32..50, any::<bool>()), 0..200)) {
            let mut pool = Pool::default();
            pool.begin(ef, 1000, Twins::All).unwrap();
            let mut model: Vec<(f32, u32, bool)> = Vec::new();
            for (i, (distance, accepted)) in offers.into_iter().enumerate() {
                let distance = distance as f32 / 7.0;
                pool.insert(distance, Slot(i as u32), accepted);
                model.push((distance, i as u32, accepted));
            }
            model.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let expected: Vec<_> = model.iter().filter(|e| e.2).take(ef).map(|e| (e.0, e.1)).collect();
            let found: Vec<_> = pool.accepted().map(|c| (c.distance, c.slot.0)).collect();
            prop_assert_eq!(found, expected);
        }

        /// A candidate that is not admitted would not have been kept, even among equal distances, zeros of both signs
        /// and NaN, and even when the pool is reused.
        #[test]
        fn what_is_kept_is_admitted(
            searches in prop::collection::vec((1usize..5, prop::collection::vec((0usize..9, any::<bool>()), 0..40)), 1..4),
        ) {
            let distances = [f32::NEG_INFINITY, -1.0, -0.0, 0.0, 1.0, 1.0 + f32::EPSILON, f32::MAX, f32::INFINITY, f32::NAN];
            let mut pool = Pool::default();
            for (ef, offers) in searches {
                pool.begin(ef, 100, Twins::All).unwrap();
                prop_assert!(pool.admits(f32::INFINITY) && pool.admits(f32::NAN));
                for (i, (which, accepted)) in offers.into_iter().enumerate() {
                    let (before, is_admitted) = (pool.entries.clone(), pool.admits(distances[which]));
                    pool.insert(distances[which], Slot(i as u32), accepted);
                    prop_assert!(is_admitted || pool.entries == before, "{} at {ef}", distances[which]);
                    prop_assert!(pool.entries.is_sorted());
                }
            }
        }

        /// Setting twins aside and taking them back does not change the nearest. Until then few of each set are kept.
        #[test]
        fn twins_wait_and_come_back(
            ef in 1usize..12, offers in prop::collection::vec((0i32..9, 0u32..3, any::<bool>()), 0..300),
        ) {
            let mut pool = Pool::default();
            pool.begin(ef, 1000, Twins::FewFirst).unwrap();
            let mut plain = Pool::default();
            plain.begin(ef, 1000, Twins::All).unwrap();
            let kinds: Vec<(i32, u32)> = offers.iter().map(|&(distance, kind, _)| (distance, kind)).collect();
            let are_twins = |a: Slot, b: Slot| kinds[a.index()] == kinds[b.index()];
            for (i, (distance, _, accepted)) in offers.into_iter().enumerate() {
                let slot = Slot(i as u32);
                pool.insert_unless_twin(distance as f32, slot, accepted, &are_twins);
                plain.insert(distance as f32, slot, accepted);
                let like_it = |other: &&PoolEntry| {
                    are_twins(other.slot(), slot) && other.is_accepted() == accepted
                };
                prop_assert!(pool.entries.iter().filter(like_it).count() <= TWINS_IN_POOL);
            }
            pool.take_back();
            prop_assert_eq!(pool.set_aside.take_sorted(), Some(Vec::new()));
            let found: Vec<_> = pool.accepted().map(|c| (c.distance, c.slot)).collect();
            let expected: Vec<_> = plain.accepted().map(|c| (c.distance, c.slot)).collect();
            prop_assert_eq!(found, expected);
        }

        /// Candidates are followed nearest first, and each once.
        #[test]
        fn follows_each_once(distances in prop::collection::vec(0u32..1000, 1..50)) {
            let mut pool = Pool::default();
            pool.begin(64, 64, Twins::All).unwrap();
            let mut followed = Vec::new();
            for (i, &distance) in distances.iter().enumerate() {
                pool.insert(distance as f32, Slot(i as u32), true);
                if i % 3 == 0 {
                    let peeked = pool.upcoming().next();
                    let popped = pool.pop();
                    prop_assert_eq!(peeked, popped.map(|candidate| candidate.slot));
                    followed.extend(popped);
                }
            }
            followed.extend(core::iter::from_fn(|| pool.pop()));
            let mut followed: Vec<_> = followed.into_iter().map(|candidate| candidate.slot).collect();
            followed.sort_unstable();
            prop_assert_eq!(followed, (0..distances.len() as u32).map(Slot).collect::<Vec<_>>());
        }
    }

    /// What a search for links finds must not depend on the searches before it.
    #[test]
    fn a_search_for_links_leaves_twins_out_whatever_was_searched_before() {
        let mut pool = Pool::default();
        for twins in [Twins::FewFirst, Twins::Few] {
            pool.begin(50, 50, twins).unwrap();
            for slot in 0..40 {
                pool.insert_unless_twin(1.0, Slot(slot), true, &|_, _| true);
            }
            assert_eq!(pool.accepted_len(), TWINS_IN_POOL);
            assert_eq!(pool.take_back(), twins == Twins::FewFirst);
            assert_eq!(pool.accepted_len(), if twins == Twins::FewFirst { 40 } else { TWINS_IN_POOL });
            let walked: Vec<_> = core::iter::from_fn(|| pool.walk_over()).map(|candidate| candidate.slot.0).collect();
            assert_eq!(
                walked,
                if twins == Twins::Few { (TWINS_IN_POOL as u32..40).rev().collect() } else { Vec::new() }
            );
        }
    }

    /// The search gives way to a scan when twins took the room of other entries, and only then.
    #[test]
    fn what_twins_leave_no_room_for_is_not_forgotten() {
        for (with_twins, has_lost) in [(true, true), (false, false)] {
            let mut pool = Pool::default();
            pool.begin(2, 8, Twins::FewFirst).unwrap();
            (0..6).for_each(|slot| pool.insert_unless_twin(1.0, Slot(slot), false, &|_, _| with_twins));
            (10..12).for_each(|slot| pool.insert(5.0, Slot(slot), true));
            (20..26).for_each(|slot| pool.insert(2.0 + slot as f32 / 100.0, Slot(slot), false));
            assert_eq!(pool.accepted_len(), 2);
            pool.take_back();
            assert_eq!(pool.has_lost(), has_lost);
        }
    }

    #[test]
    fn rejected_entries_stop_at_the_limit() {
        let mut pool = Pool::default();
        pool.begin(2, 8, Twins::All).unwrap();
        for i in 0..20 {
            pool.insert(i as f32, Slot(i), false);
        }
        assert!(pool.is_overflowing());
        pool.insert(100.0, Slot(100), true);
        assert_eq!(pool.accepted().map(|c| c.slot).collect::<Vec<_>>(), [Slot(100)]);
    }
}
