//! The set of nodes that a search has met, cleared in constant time.

use crate::types::{OutOfMemory, Slot};

/// A slot is in the set when its stamp is the current epoch. One byte a slot keeps the stamps of a hundred thousand
/// nodes in the second-level cache; the price is one real clearing every 255 searches.
#[derive(Debug, Default)]
pub(super) struct Visited {
    stamps: Vec<u8>,
    epoch: u8,
}

impl Visited {
    /// Empties the set and makes room for slots below `len`.
    pub(super) fn begin(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if self.stamps.capacity() < len {
            // An eighth to spare, so that a growing index does not reallocate at every insert.
            self.stamps.try_reserve_exact(len + len / 8 + 64 - self.stamps.len())?;
        }
        self.stamps.resize(len, 0);
        if self.epoch == u8::MAX {
            self.stamps.fill(0);
            self.epoch = 0;
        }
        self.epoch += 1;
        Ok(())
    }

    /// Adds a slot and returns whether it was new. A slot beyond the reserved length counts as met: a link of a mapped
    /// file, which is not checked before it is followed, may lead to one.
    #[inline]
    pub(super) fn insert(&mut self, slot: Slot) -> bool {
        let Some(stamp) = self.stamps.get_mut(slot.index()) else { return false };
        let fresh = *stamp != self.epoch;
        *stamp = self.epoch;
        fresh
    }

    /// Returns whether a slot, which may be out of range, is in the set.
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.stamps.get(slot.index()) == Some(&self.epoch)
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        self.stamps.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_that_wraps_forgets_everything() {
        let mut visited = Visited::default();
        for round in 0..600 {
            visited.begin(10).unwrap();
            assert!(!visited.contains(Slot(3)) && visited.insert(Slot(3)), "round {round}");
            assert!(visited.contains(Slot(3)) && !visited.insert(Slot(3)), "round {round}");
        }
    }

    #[test]
    fn growing_keeps_the_set_empty() {
        let mut visited = Visited::default();
        visited.begin(1).unwrap();
        assert!(visited.insert(Slot(0)));
        visited.begin(5000).unwrap();
        assert!((0..5000).all(|i| visited.insert(Slot(i))));
    }
}
