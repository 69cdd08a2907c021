//! When records expire: a heap of those that do, with the next one on top.
//!
//! An index in which no record ever expires takes nothing here. Otherwise each slot takes a word, its place in the
//! heap, and each record that expires takes three more. So a record that is deleted leaves the heap at once, and the
//! heap never holds stale entries.

use crate::segments::{Rows, SEGMENT_SLOTS};
use crate::types::{OutOfMemory, Slot};

/// The place of a slot that is not in the heap.
const NOWHERE: u32 = u32::MAX;
/// Words of an entry: the slot, and its moment in two halves, the lower first.
const ENTRY_WORDS: usize = 3;
/// The heap keeps this much spare room, so that it is not given back and requested again by turns.
const MOST_SPARE: usize = 2 * SEGMENT_SLOTS;

/// A moment in milliseconds since 1970, finite, and the slot whose record expires then. Of equal moments the lower slot
/// comes first.
type Entry = (f64, Slot);

/// The moments at which records expire, by slot and in order.
#[derive(Debug)]
pub(crate) struct Expiries {
    /// For each slot, its place in the heap.
    places: Rows<u32>,
    /// A binary heap: row `n` comes before rows `2n + 1` and `2n + 2`. Rows from `count` on are spare room.
    heap: Rows<u32>,
    count: usize,
}

impl Expiries {
    pub(crate) const fn new() -> Self {
        Self { places: Rows::new(1), heap: Rows::new(ENTRY_WORDS), count: 0 }
    }

    /// How many records expire.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Makes room for one more, in a slot below `slots`, so that the next [`Expiries::set`] cannot fail.
    pub(crate) fn reserve(&mut self, slots: usize) -> Result<(), OutOfMemory> {
        self.heap.reserve(self.count + 1)?;
        if slots > self.places.len() {
            self.places.reserve(slots)?;
            self.places.resize(slots, NOWHERE);
        }
        Ok(())
    }

    /// When the record of a slot expires; `None` if it never does.
    pub(crate) fn get(&self, slot: Slot) -> Option<f64> {
        self.place(slot).map(|at| self.entry(at).0)
    }

    /// The next one to expire, and when.
    pub(crate) fn next(&self) -> Option<Entry> {
        (!self.is_empty()).then(|| self.entry(0))
    }

    /// Returns a slot whose moment has come, if any. Prefers the last entry of the heap if that is due: removing it
    /// moves nothing, whereas removing the first moves as many entries as the heap has levels.
    pub(crate) fn due(&self, now_ms: f64) -> Option<Slot> {
        let is_due = |&(at_ms, _): &Entry| at_ms <= now_ms;
        let last = self.count.checked_sub(1).map(|at| self.entry(at)).filter(is_due);
        last.or_else(|| self.next().filter(is_due)).map(|(_, slot)| slot)
    }

    /// Sets the moment, which must be finite, at which the record of a slot without one expires. Needs an
    /// [`Expiries::reserve`] before it.
    pub(crate) fn set(&mut self, slot: Slot, at_ms: f64) {
        let last = self.count;
        if last == self.heap.len() {
            self.heap.resize(last + 1, NOWHERE);
        }
        self.count += 1;
        self.sift(last, (at_ms, slot));
    }

    /// Removes the moment of a slot, if it has one. Needs no memory.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let Some(at) = self.place(slot) else { return };
        self.places.row_mut(slot)[0] = NOWHERE;
        self.count -= 1;
        if at < self.count {
            self.sift(at, self.entry(self.count));
        }
        if self.heap.len() - self.count > MOST_SPARE {
            self.heap.resize(self.count + MOST_SPARE / 2, NOWHERE);
        }
    }

    /// Moves the moment of one slot to another, which must have none. Room for it must be reserved.
    pub(crate) fn relocate(&mut self, from: Slot, to: Slot) {
        if let Some(at) = self.place(from) {
            self.places.row_mut(from)[0] = NOWHERE;
            self.sift(at, (self.entry(at).0, to));
        }
    }

    /// Drops the slots at and above `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        for slot in len..self.places.len() {
            self.remove(Slot(slot as u32));
        }
        if len < self.places.len() {
            self.places.resize(len, NOWHERE);
        }
    }

    /// Returns whether all entries are where they should be, and every slot with a moment passes.
    pub(crate) fn is_sound(&self, mut passes: impl FnMut(Slot) -> bool) -> bool {
        let is_placed = |at: usize| {
            let (at_ms, slot) = self.entry(at);
            let is_after_parent = at == 0 || comes_before(self.entry((at - 1) / 2), (at_ms, slot));
            at_ms.is_finite() && is_after_parent && self.place(slot) == Some(at)
        };
        let placed = (0..self.places.len() as u32).map(Slot).filter(|&slot| self.place(slot).is_some()).count();
        placed == self.count && (0..self.count).all(|at| is_placed(at) && passes(self.entry(at).1))
    }

    /// Bytes held, spare room included.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.places.resident_bytes() + self.heap.resident_bytes()
    }

    fn place(&self, slot: Slot) -> Option<usize> {
        if slot.index() >= self.places.len() {
            return None;
        }
        self.places.row(slot).first().copied().filter(|&at| at != NOWHERE).map(|at| at as usize)
    }

    /// A row of the heap, below `count`.
    fn entry(&self, at: usize) -> Entry {
        let row = self.heap.row(Slot(at as u32));
        (f64::from_bits(u64::from(row[2]) << 32 | u64::from(row[1])), Slot(row[0]))
    }

    fn put(&mut self, at: usize, (at_ms, slot): Entry) {
        let bits = at_ms.to_bits();
        self.heap.row_mut(Slot(at as u32)).copy_from_slice(&[slot.0, bits as u32, (bits >> 32) as u32]);
        self.places.row_mut(slot)[0] = at as u32;
    }

    /// Puts an entry where it belongs, starting at a free row: moves it up while it precedes its parent, or else down.
    fn sift(&mut self, mut at: usize, entry: Entry) {
        while at > 0 {
            let parent = (at - 1) / 2;
            let above = self.entry(parent);
            if !comes_before(entry, above) {
                break;
            }
            self.put(at, above);
            at = parent;
        }
        loop {
            let children = (2 * at + 1)..(2 * at + 3).min(self.count);
            let first = children.reduce(|a, b| if comes_before(self.entry(b), self.entry(a)) { b } else { a });
            let Some(child) = first.filter(|&child| comes_before(self.entry(child), entry)) else { break };
            self.put(at, self.entry(child));
            at = child;
        }
        self.put(at, entry);
    }
}

/// Returns whether one entry comes before another. Moments are finite, so this is a total order.
fn comes_before(a: Entry, b: Entry) -> bool {
    a.0 < b.0 || (a.0 == b.0 && a.1 < b.1)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn next(model: &BTreeMap<u32, f64>) -> Option<Entry> {
        let entries = model.iter().map(|(&slot, &at_ms)| (at_ms, Slot(slot)));
        entries.reduce(|a, b| if comes_before(b, a) { b } else { a })
    }

    proptest! {
        /// Each step gives a slot a moment, removes the next one or any, moves one, or drops the last slots.
        #[test]
        fn the_next_one_is_the_first_of_all(steps in prop::collection::vec((0u32..40, 0u8..9, 0u8..20), 1..300)) {
            let (mut expiries, mut model) = (Expiries::new(), BTreeMap::new());
            for (slot, kind, moment) in steps {
                match kind {
                    0..4 if !model.contains_key(&slot) => {
                        expiries.reserve(slot as usize + 1).unwrap();
                        expiries.set(Slot(slot), f64::from(moment));
                        model.insert(slot, f64::from(moment));
                    }
                    4 | 5 => {
                        if let Some((_, slot)) = expiries.next() {
                            expiries.remove(slot);
                            model.remove(&slot.0);
                        }
                    }
                    6 => {
                        expiries.remove(Slot(slot));
                        model.remove(&slot);
                    }
                    7 => {
                        let to = if moment % 2 == 0 { slot / 2 } else { slot + u32::from(moment) };
                        if !model.contains_key(&to) {
                            expiries.reserve(to as usize + 1).unwrap();
                            expiries.relocate(Slot(slot), Slot(to));
                            if let Some(moment) = model.remove(&slot) {
                                model.insert(to, moment);
                            }
                        }
                    }
                    8 => {
                        expiries.truncate(slot as usize);
                        model.retain(|&held, _| held < slot);
                    }
                    _ => {}
                }
                prop_assert_eq!((expiries.next(), expiries.len()), (next(&model), model.len()));
                let now_ms = f64::from(moment);
                let due = expiries.due(now_ms);
                prop_assert_eq!(due.is_some(), model.values().any(|&at_ms| at_ms <= now_ms));
                prop_assert!(due.is_none_or(|slot| model[&slot.0] <= now_ms));
                prop_assert!((0..60).all(|slot| expiries.get(Slot(slot)) == model.get(&slot).copied()));
                prop_assert!(expiries.is_sound(|slot| model.contains_key(&slot.0)));
            }
        }
    }

    #[test]
    fn room_follows_the_number_of_those_that_expire() {
        const SLOTS: usize = 20 * SEGMENT_SLOTS;
        let mut expiries = Expiries::new();
        assert_eq!(expiries.resident_bytes(), 0);
        for slot in 0..SLOTS {
            expiries.reserve(slot + 1).unwrap();
            expiries.set(Slot(slot as u32), (slot * 7919 % 1000) as f64);
        }
        let full = expiries.resident_bytes();
        assert!(full <= SLOTS * 16 + 4096, "{full}");
        let mut before = f64::MIN;
        while let Some((at_ms, slot)) = expiries.next() {
            assert!(at_ms >= before, "in order");
            before = at_ms;
            expiries.remove(slot);
        }
        assert!(expiries.resident_bytes() <= SLOTS * 4 + MOST_SPARE * 12 + 4096);
        expiries.truncate(0);
        assert!(expiries.resident_bytes() <= MOST_SPARE * 12 + 4096);
    }
}
