//! A set of slots, one bit each.
//!
//! The bits lie in one flat vector, not in segments: testing a bit is on the path of every node that a search visits
//! and must cost one load, while a bit is so small a part of a record (an eighth of a byte beside hundreds) that
//! copying the vector when it grows is never noticed. It grows by a quarter, not by doubling.

use crate::types::{OutOfMemory, Slot};

const WORD_BITS: usize = u64::BITS as usize;
/// Smallest room taken, so that the first inserts do not reallocate one word at a time.
const MIN_WORDS: usize = 8;

/// Which slots are in the set, and how many.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SlotSet {
    words: Vec<u64>,
    count: usize,
}

impl SlotSet {
    pub(crate) const fn new() -> Self {
        Self { words: Vec::new(), count: 0 }
    }

    /// Makes room for the slots `0..len`, so that inserting them cannot fail.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let wanted = len.div_ceil(WORD_BITS);
        let held = self.words.capacity();
        if wanted > held {
            let grown = wanted.max(held + held / 4).max(MIN_WORDS);
            self.words.try_reserve_exact(grown - self.words.len())?;
        }
        Ok(())
    }

    /// Returns true when `slot` is in the set. One load; false for any slot that was never inserted, however large.
    #[inline]
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.words.get(slot.index() / WORD_BITS).is_some_and(|word| word & bit(slot) != 0)
    }

    /// Inserts `slot` and returns whether it was new. Refused without reserved room: nothing is allocated here.
    pub(crate) fn insert(&mut self, slot: Slot) -> bool {
        let at = slot.index() / WORD_BITS;
        if at >= self.words.len() {
            debug_assert!(at < self.words.capacity(), "{slot:?} was not reserved");
            if at >= self.words.capacity() {
                return false;
            }
            self.words.resize(at + 1, 0);
        }
        let Some(word) = self.words.get_mut(at) else { return false };
        let fresh = *word & bit(slot) == 0;
        *word |= bit(slot);
        self.count += usize::from(fresh);
        fresh
    }

    /// Inserts 64 slots at once, the bits of `word`, starting at slot `64 * at`. None of them may be in the set, and
    /// room for them must be reserved.
    pub(crate) fn insert_word(&mut self, at: usize, word: u64) {
        if word == 0 {
            return;
        }
        debug_assert!(at < self.words.capacity(), "word {at} was not reserved");
        if at >= self.words.len() && at < self.words.capacity() {
            self.words.resize(at + 1, 0);
        }
        if let Some(held) = self.words.get_mut(at) {
            debug_assert!(*held & word == 0, "word {at} is inserted twice");
            *held |= word;
            self.count += word.count_ones() as usize;
        }
    }

    /// Which of the 64 slots from `64 * at` on are in the set, one bit each.
    #[cfg(feature = "mmap")]
    pub(crate) fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }

    /// Removes `slot` and returns whether it was in the set.
    pub(crate) fn remove(&mut self, slot: Slot) -> bool {
        let Some(word) = self.words.get_mut(slot.index() / WORD_BITS) else { return false };
        let held = *word & bit(slot) != 0;
        *word &= !bit(slot);
        self.count -= usize::from(held);
        held
    }

    /// Exchanges the membership of two slots, both with reserved room.
    pub(crate) fn swap(&mut self, a: Slot, b: Slot) {
        match (self.contains(a), self.contains(b)) {
            (true, false) => {
                self.remove(a);
                self.insert(b);
            }
            (false, true) => {
                self.remove(b);
                self.insert(a);
            }
            _ => {}
        }
    }

    /// How many slots are in the set.
    #[inline]
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Returns true when no slot is in the set.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The slots of the set, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| slots_of_word(at, word))
    }

    /// The lowest slot of the set at or after `from`.
    pub(crate) fn next_from(&self, from: Slot) -> Option<Slot> {
        let first = from.index() / WORD_BITS;
        let head = self.words.get(first)? & (u64::MAX << (from.index() % WORD_BITS));
        let rest = self.words.iter().enumerate().skip(first + 1).map(|(at, &word)| (at, word));
        core::iter::once((first, head))
            .chain(rest)
            .find(|&(_, word)| word != 0)
            .and_then(|(at, word)| slots_of_word(at, word).next())
    }

    /// A copy with no spare room, for a job that needs the set as it was when the job began.
    pub(crate) fn snapshot(&self) -> Result<Self, OutOfMemory> {
        let mut words = Vec::new();
        words.try_reserve_exact(self.words.len())?;
        words.extend_from_slice(&self.words);
        Ok(Self { words, count: self.count })
    }

    /// Drops every slot at or above `len`, and the room for it.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.words.truncate(len.div_ceil(WORD_BITS));
        if !len.is_multiple_of(WORD_BITS)
            && let Some(last) = self.words.get_mut(len / WORD_BITS)
        {
            *last &= (1 << (len % WORD_BITS)) - 1;
        }
        self.words.shrink_to(len.div_ceil(WORD_BITS));
        self.count = self.words.iter().map(|word| word.count_ones() as usize).sum();
    }

    /// Bytes held, spare room included.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

#[inline]
const fn bit(slot: Slot) -> u64 {
    1 << (slot.index() % WORD_BITS)
}

/// The slots whose bits are set in `word`, the word at position `at`, ascending.
#[inline]
pub(crate) fn slots_of_word(at: usize, word: u64) -> impl Iterator<Item = Slot> {
    let mut left = word;
    core::iter::from_fn(move || {
        let low = (left != 0).then(|| left.trailing_zeros())?;
        left &= left - 1;
        // A word holds 64 slots and slots are u32, so the position of any set bit fits.
        Some(Slot((at * WORD_BITS) as u32 + low))
    })
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u32),
        Remove(u32),
        Swap(u32, u32),
        Truncate(u32),
    }

    fn op() -> impl Strategy<Value = Op> {
        let slot = || prop_oneof![0u32..8, 0u32..300, 0u32..5000];
        prop_oneof![
            8 => slot().prop_map(Op::Insert),
            4 => slot().prop_map(Op::Remove),
            2 => (slot(), slot()).prop_map(|(a, b)| Op::Swap(a, b)),
            1 => slot().prop_map(Op::Truncate),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_set_of_integers(ops in prop::collection::vec(op(), 1..200)) {
            let mut set = SlotSet::new();
            let mut model = BTreeSet::new();
            for op in ops {
                set.reserve(5000).unwrap();
                match op {
                    Op::Insert(slot) => prop_assert_eq!(set.insert(Slot(slot)), model.insert(slot)),
                    Op::Remove(slot) => prop_assert_eq!(set.remove(Slot(slot)), model.remove(&slot)),
                    Op::Swap(a, b) => {
                        set.swap(Slot(a), Slot(b));
                        if model.contains(&a) != model.contains(&b) {
                            let (from, to) = if model.contains(&a) { (a, b) } else { (b, a) };
                            model.remove(&from);
                            model.insert(to);
                        }
                    }
                    Op::Truncate(len) => {
                        set.truncate(len as usize);
                        model.retain(|&slot| slot < len);
                        prop_assert!(set.resident_bytes() <= (len as usize).div_ceil(64) * 8);
                    }
                }
                prop_assert_eq!(set.count(), model.len());
                prop_assert_eq!(set.is_empty(), model.is_empty());
                prop_assert!(set.iter().map(|slot| slot.0).eq(model.iter().copied()));
                for from in [0, 1, 63, 64, 65, 300, 4999, 6000] {
                    let wanted = model.range(from..).next().copied().map(Slot);
                    prop_assert_eq!(set.next_from(Slot(from)), wanted);
                    prop_assert_eq!(set.contains(Slot(from)), model.contains(&from));
                }
                prop_assert_eq!(&set.snapshot().unwrap(), &set);
            }
        }
    }

    #[test]
    fn slots_far_beyond_the_room_are_absent() {
        let mut set = SlotSet::new();
        assert!(!set.contains(Slot::NONE));
        assert!(!set.remove(Slot::NONE));
        assert_eq!(set.next_from(Slot::NONE), None);
    }

    #[test]
    fn a_snapshot_does_not_follow() {
        let mut set = SlotSet::new();
        set.reserve(10).unwrap();
        set.insert(Slot(3));
        let fixed = set.snapshot().unwrap();
        set.insert(Slot(4));
        set.remove(Slot(3));
        assert!(fixed.iter().eq([Slot(3)]));
        assert!(set.iter().eq([Slot(4)]));
        assert_eq!(fixed.resident_bytes(), 8);
    }

    #[test]
    fn room_grows_in_small_steps_and_an_impossible_one_is_refused() {
        let mut set = SlotSet::new();
        for len in 0..200_000 {
            set.reserve(len).unwrap();
            assert!(set.resident_bytes() <= (len.div_ceil(64) * 8 * 5 / 4).max(MIN_WORDS * 8));
        }
        let held = set.resident_bytes();
        assert_eq!(set.reserve(usize::MAX), Err(OutOfMemory));
        assert_eq!(set.resident_bytes(), held);
    }
}
