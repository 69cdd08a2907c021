//! Where each slot's record is: one `u32` per slot.

use crate::segments::Rows;
use crate::types::{OutOfMemory, Slot};

/// The position of a slot that has no record. No record starts there: it would need words past the last position.
const NOWHERE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Locator {
    positions: Rows<u32>,
}

impl Locator {
    pub(super) const fn new() -> Self {
        Self { positions: Rows::new(1) }
    }

    /// Number of slots that can have a position without another [`Locator::reserve`].
    pub(super) const fn len(&self) -> usize {
        self.positions.len()
    }

    /// Makes room for the slots `0..len`.
    pub(super) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if len > self.positions.len() {
            self.positions.reserve(len)?;
            self.positions.resize(len, NOWHERE);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> Option<u32> {
        if slot.index() >= self.positions.len() {
            return None;
        }
        self.positions.row(slot).first().copied().filter(|&position| position != NOWHERE)
    }

    /// Sets or clears the position of a slot below `len`, and returns the old one.
    pub(super) fn replace(&mut self, slot: Slot, position: Option<u32>) -> Option<u32> {
        let before = self.get(slot);
        if slot.index() < self.positions.len()
            && let Some(place) = self.positions.row_mut(slot).first_mut()
        {
            *place = position.unwrap_or(NOWHERE);
        }
        before
    }

    /// Drops the slots at and above `len` and their room.
    pub(super) fn truncate(&mut self, len: usize) {
        if len <= self.positions.len() {
            self.positions.resize(len, NOWHERE);
        }
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.positions.resident_bytes()
    }
}
