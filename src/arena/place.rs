//! Where in the store each slot's record is: one `u32` a slot.

use crate::segments::{Changes, Rows};
use crate::types::{OutOfMemory, Slot};

const ORDINAL_BITS: u32 = 8;
/// The most records in a block.
pub(crate) const MOST_RECORDS: usize = 1 << ORDINAL_BITS;
/// Blocks are numbered below this, which leaves the place of all ones for "nowhere".
pub(crate) const MOST_BLOCKS: u32 = (1 << (u32::BITS - ORDINAL_BITS)) - 1;

/// One record of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of the block, below [`MOST_BLOCKS`].
    pub(crate) block: u32,
    /// Which of its records, from 0 on.
    pub(crate) ordinal: u8,
}

impl Place {
    /// The word that is stored for a place; all ones stand for a slot without one.
    pub(crate) fn to_word(place: Option<Self>) -> u32 {
        place.map_or(u32::MAX, |Self { block, ordinal }| block << ORDINAL_BITS | u32::from(ordinal))
    }

    /// The place of a stored word; `None` for all ones.
    pub(crate) const fn from_word(word: u32) -> Option<Self> {
        if word == u32::MAX { None } else { Some(Self { block: word >> ORDINAL_BITS, ordinal: word as u8 }) }
    }
}

/// The places of all slots.
#[derive(Debug)]
pub(super) struct Places(Rows<u32>);

impl Places {
    pub(super) const fn new() -> Self {
        Self(Rows::new(1))
    }

    /// Makes room for the slots `0..len`.
    pub(super) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if len > self.0.len() {
            self.0.reserve(len)?;
            self.0.resize(len, Place::to_word(None));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> Option<Place> {
        if slot.index() >= self.0.len() {
            return None;
        }
        self.0.row(slot).first().copied().and_then(Place::from_word)
    }

    /// Sets or clears the place of a slot below the reserved length, and returns the old one. Always marks the segment
    /// as changed, even without a place before and after: the slot has a new record that is not stored.
    pub(super) fn replace(&mut self, slot: Slot, place: Option<Place>) -> Option<Place> {
        let before = self.get(slot);
        if slot.index() < self.0.len()
            && let Some(word) = self.0.row_mut(slot).first_mut()
        {
            *word = Place::to_word(place);
        }
        before
    }

    pub(super) fn truncate(&mut self, len: usize) {
        if len < self.0.len() {
            self.0.resize(len, Place::to_word(None));
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// One segment of the places, as stored.
    pub(super) fn segment(&self, at: usize) -> &[u32] {
        self.0.segment(at)
    }

    pub(super) const fn changes_mut(&mut self) -> &mut Changes {
        self.0.changes_mut()
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.0.resident_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_word() {
        let most = Place { block: MOST_BLOCKS - 1, ordinal: u8::MAX };
        for place in [None, Some(Place { block: 0, ordinal: 0 }), Some(Place { block: 7, ordinal: 200 }), Some(most)] {
            assert_eq!(Place::from_word(Place::to_word(place)), place);
        }
        assert_eq!(Place::to_word(Some(Place { block: 1, ordinal: 2 })), 0x102);
    }
}
