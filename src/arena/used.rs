//! Which records have been read since the last look: one bit per slot.

use crate::types::{OutOfMemory, Slot};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Each read sets a bit, on any thread; the bits are read and cleared when room is made. They never shrink: they take
/// one bit for each slot of the largest size the index has had.
#[derive(Debug)]
pub(super) struct Used(Vec<AtomicU32>);

/// Where the bit of a slot is.
const fn place(slot: Slot) -> (usize, u32) {
    (slot.index() / u32::BITS as usize, 1 << (slot.0 % u32::BITS))
}

impl Used {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes room for the slots `0..len`.
    pub(super) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let words = len.div_ceil(u32::BITS as usize);
        if words > self.0.len() {
            self.0.try_reserve(words - self.0.len())?;
            self.0.resize_with(words, AtomicU32::default);
        }
        Ok(())
    }

    /// Notes that the record of a slot has been read.
    #[inline]
    pub(super) fn note(&self, slot: Slot) {
        let (at, bit) = place(slot);
        // Most bits are set already, and threads do not contend for a word that they only read.
        if let Some(word) = self.0.get(at).filter(|word| word.load(Relaxed) & bit == 0) {
            word.fetch_or(bit, Relaxed);
        }
    }

    pub(super) fn contains(&self, slot: Slot) -> bool {
        let (at, bit) = place(slot);
        self.0.get(at).is_some_and(|word| word.load(Relaxed) & bit != 0)
    }

    pub(super) fn clear(&self, slot: Slot) {
        let (at, bit) = place(slot);
        if let Some(word) = self.0.get(at) {
            word.fetch_and(!bit, Relaxed);
        }
    }

    /// Exchanges the bits of two slots.
    pub(super) fn swap(&self, a: Slot, b: Slot) {
        if self.contains(a) != self.contains(b) {
            for slot in [a, b] {
                let (at, bit) = place(slot);
                if let Some(word) = self.0.get(at) {
                    word.fetch_xor(bit, Relaxed);
                }
            }
        }
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        self.0.capacity() * size_of::<AtomicU32>()
    }
}
