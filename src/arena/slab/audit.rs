//! Checks and figures of the slabs for tests.

use super::{Pages, SlabName, Slabs, WORD_BYTES};

impl<const BITS: u32> Slabs<BITS> {
    /// Asserts that every total equals the sum of its parts, that a vacant index holds no memory, and that walking each
    /// slab with `record`, which gives a position's length and whether it is live, counts exactly what the slab counts.
    pub(in crate::arena) fn audit(&self, record: impl Fn(SlabName, usize) -> (usize, bool)) {
        let mut totals = (0, 0, self.oversize.capacity() + self.spares.iter().map(Pages::capacity).sum::<usize>());
        for (index, slab) in self.slabs.iter().enumerate() {
            let name = SlabName { index: index as u32, birth: slab.birth };
            assert!(slab.birth != 0 || slab.words.capacity() == 0);
            let (mut offset, mut live) = (0, 0);
            while offset < slab.words.len() {
                let (words, is_live) = record(name, offset);
                live += if is_live { words } else { 0 };
                offset += words;
            }
            assert_eq!((offset, live), (slab.words.len(), slab.live_words), "slab {index}");
            totals = (totals.0 + offset, totals.1 + live, totals.2 + slab.words.capacity());
        }
        assert_eq!(totals, (self.used_words, self.live_words, self.capacity_words));
        assert!(self.slabs.last().is_none_or(|last| last.birth != 0));
    }

    /// Slabs in existence.
    pub(in crate::arena) fn count(&self) -> usize {
        self.slabs.iter().filter(|slab| slab.birth != 0).count()
    }

    /// Bytes of all slabs, spare ones included, without the tables.
    pub(in crate::arena) const fn slab_bytes(&self) -> usize {
        self.capacity_words * WORD_BYTES
    }

    /// Indices in use or used before, up to the last slab.
    pub(in crate::arena) const fn table_len(&self) -> usize {
        self.slabs.len()
    }

    /// What the slabs hold once the open one has grown to its full size.
    pub(in crate::arena) fn grown_bytes(&self) -> usize {
        let open = self.open.and_then(|open| self.slabs.get(open));
        self.slab_bytes() + open.map_or(0, |open| (Self::SLAB_WORDS - open.words.capacity()) * WORD_BYTES)
    }
}
