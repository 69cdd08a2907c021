//! Which slots hold a live record, which a deleted one, and how many of each.
//!
//! A slot is in one of three states: *free* (holds nothing; may be given to a new record), *live*, or *deleted*: a
//! tombstone, whose node is still walked through by searches but never returned. Two bit sets hold the states, so that
//! a scan over the live slots reads whole words, and a search tests with one load whether a slot is live.
//!
//! ```text
//! free --add--> live --delete--> deleted --free--> free
//! ```

use crate::slot_set::SlotSet;
use crate::types::{OutOfMemory, Slot};

/// The state of every slot.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    live: SlotSet,
    deleted: SlotSet,
}

impl Tombstones {
    pub(crate) const fn new() -> Self {
        Self { live: SlotSet::new(), deleted: SlotSet::new() }
    }

    /// Makes room for the slots `0..len`, so that no change of their state can fail.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.live.reserve(len)?;
        self.deleted.reserve(len)
    }

    /// Returns true when `slot` is a tombstone. One load.
    #[inline]
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.deleted.contains(slot)
    }

    /// Returns true when `slot` holds a live record. One load.
    #[inline]
    pub(crate) fn is_live(&self, slot: Slot) -> bool {
        self.live.contains(slot)
    }

    /// Makes a free slot with reserved room live. Returns false and changes nothing if it is not free.
    pub(crate) fn add(&mut self, slot: Slot) -> bool {
        !self.deleted.contains(slot) && self.live.insert(slot)
    }

    /// Sets the states of 64 free slots with reserved room, from slot `64 * at` on. No bit may be set in both words.
    pub(crate) fn add_word(&mut self, at: usize, live: u64, deleted: u64) {
        debug_assert!(live & deleted == 0, "word {at} has slots in two states");
        self.live.insert_word(at, live);
        self.deleted.insert_word(at, deleted);
    }

    /// Makes a live slot a tombstone. Returns false and changes nothing if it is not live.
    pub(crate) fn delete(&mut self, slot: Slot) -> bool {
        self.live.remove(slot) && self.deleted.insert(slot)
    }

    /// Makes a tombstone a free slot. Returns false and changes nothing if it is not a tombstone.
    pub(crate) fn free(&mut self, slot: Slot) -> bool {
        self.deleted.remove(slot)
    }

    /// Exchanges the states of two slots with reserved room. A compaction uses it to move a record into a free slot.
    pub(crate) fn swap(&mut self, a: Slot, b: Slot) {
        self.live.swap(a, b);
        self.deleted.swap(a, b);
    }

    /// How many slots hold a live record.
    #[inline]
    pub(crate) const fn live(&self) -> usize {
        self.live.count()
    }

    /// How many slots are tombstones.
    #[inline]
    pub(crate) const fn deleted(&self) -> usize {
        self.deleted.count()
    }

    /// The live slots: iterate, read as words, or take a snapshot.
    #[inline]
    pub(crate) const fn live_slots(&self) -> &SlotSet {
        &self.live
    }

    /// The tombstones: iterate, read as words, or take a snapshot.
    #[inline]
    pub(crate) const fn deleted_slots(&self) -> &SlotSet {
        &self.deleted
    }

    /// Makes every slot at or above `len` free, and gives its room back.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.live.truncate(len);
        self.deleted.truncate(len);
    }

    /// Bytes held, spare room included.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.live.resident_bytes() + self.deleted.resident_bytes()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const SLOTS: usize = 200;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum State {
        Free,
        Live,
        Deleted,
    }

    #[derive(Clone, Debug)]
    enum Op {
        Add(usize),
        Delete(usize),
        Free(usize),
        Swap(usize, usize),
        Truncate(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0..SLOTS).prop_map(Op::Add),
            4 => (0..SLOTS).prop_map(Op::Delete),
            4 => (0..SLOTS).prop_map(Op::Free),
            2 => (0..SLOTS, 0..SLOTS).prop_map(|(a, b)| Op::Swap(a, b)),
            1 => (0..SLOTS).prop_map(Op::Truncate),
        ]
    }

    proptest! {
        #[test]
        fn states_and_counts_follow_a_plain_array(ops in prop::collection::vec(op(), 1..400)) {
            let mut tombstones = Tombstones::new();
            let mut model = [State::Free; SLOTS];
            for op in ops {
                tombstones.reserve(SLOTS).unwrap();
                let (at, from, to) = match op {
                    Op::Add(at) => (at, State::Free, State::Live),
                    Op::Delete(at) => (at, State::Live, State::Deleted),
                    Op::Free(at) => (at, State::Deleted, State::Free),
                    Op::Swap(a, b) => {
                        model.swap(a, b);
                        tombstones.swap(Slot(a as u32), Slot(b as u32));
                        continue;
                    }
                    Op::Truncate(len) => {
                        model[len..].fill(State::Free);
                        tombstones.truncate(len);
                        continue;
                    }
                };
                let allowed = model[at] == from;
                let slot = Slot(at as u32);
                let done = match to {
                    State::Live => tombstones.add(slot),
                    State::Deleted => tombstones.delete(slot),
                    State::Free => tombstones.free(slot),
                };
                prop_assert_eq!(done, allowed);
                if allowed {
                    model[at] = to;
                }
                let of = |state| model.iter().enumerate().filter(move |(_, s)| **s == state).map(|(at, _)| Slot(at as u32));
                prop_assert!(tombstones.live_slots().iter().eq(of(State::Live)));
                prop_assert!(tombstones.deleted_slots().iter().eq(of(State::Deleted)));
                for (at, &state) in model.iter().enumerate() {
                    prop_assert_eq!(tombstones.contains(Slot(at as u32)), state == State::Deleted);
                    prop_assert_eq!(tombstones.is_live(Slot(at as u32)), state == State::Live);
                }
                let (live, deleted) = (of(State::Live).count(), of(State::Deleted).count());
                prop_assert_eq!((tombstones.live(), tombstones.deleted()), (live, deleted));
            }
        }
    }

    #[test]
    fn a_slot_of_no_record_is_neither() {
        let mut tombstones = Tombstones::new();
        assert!(!tombstones.contains(Slot::NONE) && !tombstones.is_live(Slot::NONE));
        assert!(!tombstones.delete(Slot(0)) && !tombstones.free(Slot(0)));
        assert_eq!(tombstones.resident_bytes(), 0);
    }
}
