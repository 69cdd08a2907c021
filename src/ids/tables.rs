//! Which slot has an id: hash tables that hold only slots, and compare the ids of those.
//!
//! There are [`Tables::COUNT`] of them, chosen by the id's hash, because a hash table grows by copying itself: with
//! many small ones an insert waits for the copy of one at most, and only a part of the whole is held twice meanwhile.

use hashbrown::HashTable;

use super::by_slot::BySlot;
use crate::format::xxh64;
use crate::types::{Id, OutOfMemory, Slot};
use core::ops::Range;

/// Why the slot of an id cannot be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookupError {
    /// There is no memory for the tables.
    OutOfMemory,
    /// This slot of a stored index has the same id as another.
    Twice(Slot),
}

impl From<OutOfMemory> for LookupError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

/// The slots by their ids.
#[derive(Debug)]
pub(super) struct Tables([HashTable<u32>; Self::COUNT]);

impl Tables {
    /// How many tables there are.
    pub(super) const COUNT: usize = 64;

    /// Makes empty tables with room for `count` slots.
    pub(super) fn new(by_slot: &BySlot, count: usize) -> Result<Self, OutOfMemory> {
        let mut tables = Self([const { HashTable::new() }; Self::COUNT]);
        tables.reserve(by_slot, Self::share(count) * Self::COUNT)?;
        Ok(tables)
    }

    /// The most slots of `count` that one table gets: hashes spread evenly, give or take a few square roots of their
    /// number.
    const fn share(count: usize) -> usize {
        let share = count / Self::COUNT;
        share + 4 * share.isqrt()
    }

    /// Bytes that [`Tables::new`] allocates: an eighth of each table stays free, table lengths are powers of two, and
    /// each slot has a byte of metadata.
    pub(super) const fn bytes_for(count: usize) -> usize {
        let share = Self::share(count);
        let slots = if share < 4 { 4 } else { (share + share / 7 + 1).next_power_of_two() };
        if count == 0 { 0 } else { Self::COUNT * (slots * (size_of::<u32>() + 1) + 16) }
    }

    /// Adds those of `slots` that have ids.
    pub(super) fn add(&mut self, by_slot: &BySlot, slots: Range<usize>) -> Result<(), LookupError> {
        for slot in slots.map(|slot| Slot(slot as u32)) {
            let Some(id) = by_slot.get(slot) else { continue };
            let hash = hash_of(&id);
            let table = &mut self.0[part_of(hash)];
            let is_it = |&held: &u32| by_slot.get(Slot(held)).is_some_and(|held| held == id);
            if table.find(hash, is_it).is_some() {
                return Err(LookupError::Twice(slot));
            }
            let rehash = |&slot: &u32| hash_at(by_slot, slot);
            table.try_reserve(1, rehash).map_err(|_| LookupError::OutOfMemory)?;
            table.insert_unique(hash, slot.0, rehash);
        }
        Ok(())
    }

    /// Makes room in each table for its share of `additional` ids, and for one at least.
    pub(super) fn reserve(&mut self, by_slot: &BySlot, additional: usize) -> Result<(), OutOfMemory> {
        let share = additional.div_ceil(Self::COUNT);
        for table in &mut self.0 {
            table.try_reserve(share, |&slot| hash_at(by_slot, slot)).map_err(|_| OutOfMemory)?;
        }
        Ok(())
    }

    /// The slot of an id.
    pub(super) fn find(&self, by_slot: &BySlot, id: &Id) -> Option<Slot> {
        let hash = hash_of(id);
        let is_it = |&slot: &u32| by_slot.get(Slot(slot)).is_some_and(|held| *held == *id);
        self.0[part_of(hash)].find(hash, is_it).copied().map(Slot)
    }

    /// Adds a slot under its id, which no other slot may have. Needs a [`Tables::reserve`] before it.
    pub(super) fn insert(&mut self, by_slot: &BySlot, slot: Slot) {
        let hash = hash_at(by_slot, slot.0);
        self.0[part_of(hash)].insert_unique(hash, slot.0, |&slot| hash_at(by_slot, slot));
    }

    /// Removes a slot, which must still have its id. Returns false if it is in no table.
    pub(super) fn remove(&mut self, by_slot: &BySlot, slot: Slot) -> bool {
        let hash = hash_at(by_slot, slot.0);
        let entry = self.0[part_of(hash)].find_entry(hash, |&held| held == slot.0);
        entry.map(|entry| entry.remove()).is_ok()
    }

    /// Exchanges two slots, which must still have their own ids.
    pub(super) fn swap(&mut self, by_slot: &BySlot, a: Slot, b: Slot) {
        let [hash_of_a, hash_of_b] = [a, b].map(|slot| hash_at(by_slot, slot.0));
        // Goes through a slot that no entry has: if two ids share a hash, only the slot tells their entries apart.
        self.repoint(hash_of_a, a, Slot::NONE);
        self.repoint(hash_of_b, b, a);
        self.repoint(hash_of_a, Slot::NONE, b);
    }

    /// Points the entry of this hash and slot, if there is one, to another slot.
    fn repoint(&mut self, hash: u64, from: Slot, to: Slot) {
        if let Some(slot) = self.0[part_of(hash)].find_mut(hash, |&slot| slot == from.0) {
            *slot = to.0;
        }
    }

    /// Gives back the spare room of one table, if it is at most half full, by rewriting it. If there is no memory for
    /// the smaller table, the larger one stays.
    pub(super) fn shrink(&mut self, by_slot: &BySlot, part: usize) {
        let hash = |&slot: &u32| hash_at(by_slot, slot);
        let Some(table) = self.0.get_mut(part) else { return };
        let mut smaller = HashTable::new();
        if 2 * table.len() > table.capacity() || smaller.try_reserve(table.len(), hash).is_err() {
            return;
        }
        if smaller.allocation_size() < table.allocation_size() {
            for &slot in table.iter() {
                smaller.insert_unique(hash(&slot), slot, hash);
            }
            *table = smaller;
        }
    }

    /// How many slots are in each.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(super) fn lens(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(HashTable::len)
    }

    /// Bytes held, spare room included.
    pub(super) fn resident_bytes(&self) -> usize {
        self.0.iter().map(bytes_of).sum()
    }
}

/// Not inlined: the compiler would vectorize sums of such numbers, which is fast but long (size).
#[inline(never)]
fn bytes_of(table: &HashTable<u32>) -> usize {
    table.allocation_size()
}

/// The hash of the id in a slot. A slot without an id hashes to 0, and no table holds it.
fn hash_at(by_slot: &BySlot, slot: u32) -> u64 {
    by_slot.get(Slot(slot)).map_or(0, |id| hash_of(&id))
}

/// The hash of an id, the same on every platform and in every run. The seed tells numbers and strings apart.
fn hash_of(id: &Id) -> u64 {
    match id {
        Id::Number(number) => xxh64(&number.to_le_bytes(), 0),
        Id::Text(text) => xxh64(text.as_bytes(), 1),
    }
}

/// Which table an id is in. Uses bits of the hash that a table itself does not: it takes the lowest for the place and
/// the highest seven of a machine word (25 to 31, or 57 to 63) for the tag.
const fn part_of(hash: u64) -> usize {
    (hash >> 48) as usize % Tables::COUNT
}
