//! Codes made ready to be compared many with many, as a bulk build compares them.

use super::space::Space;
use crate::segments::Array;
use crate::types::{Distance, OutOfMemory, Slot};
use crate::wipe::wipe;

/// How many codes are compared with a block of others together.
pub(crate) const CODES_TOGETHER: usize = 4;

/// Whether the codes of a block are the few or the many of a comparison: pairs of the few are turned round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Few,
    Many,
}

/// Codes that a bulk build can compare many with many. A trait of its own, so that in the package its code is in the
/// file of bulk builds (`pkg/build/split.mjs`).
pub(crate) trait BlockSpace: Space + Sync {
    /// A hash of what [`Space::are_twins`] compares: that of twins is the same.
    fn fingerprint(&self, slot: Slot) -> u64;

    /// Packs the codes of a block's slots into its words and scales.
    fn pack(&self, block: &mut Block, side: Side) -> Result<(), OutOfMemory>;

    /// Writes the distances of up to [`CODES_TOGETHER`] codes to those of `many` from position `from` on. They are
    /// coarse: good enough to find candidates, which are then scored. They do not depend on which of two codes is among
    /// the few.
    fn score_packed(&self, few: &Block, many: &Block, from: usize, distances: &mut [[Distance; CODES_TOGETHER]]);
}

/// Takes a row into a hash. A bad one costs time only, so it is a short one.
#[inline(never)]
pub(super) fn hashed(rows: &dyn Array, slot: Slot, hash: u64) -> u64 {
    rows.row(slot).chunks(8).fold(hash, |hash, bytes| {
        let word = bytes.iter().rfold(0, |word, &byte| word << 8 | u64::from(byte));
        let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    })
}

/// Codes of some slots, in the form in which they are compared.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(super) slots: Vec<Slot>,
    /// The codes as packed pairs of components, one after the other, where they are compared in that form.
    pub(super) words: Vec<i16>,
    /// The scale and the squared length of each code, as above.
    pub(super) scales: Vec<[f32; 2]>,
    /// The components of one code, while it is packed.
    pub(super) plain: Vec<i16>,
}

/// Natively nothing of the codes stays in memory that is given back.
impl Drop for Block {
    fn drop(&mut self) {
        wipe(&mut self.words);
        wipe(&mut self.plain);
    }
}

impl Block {
    /// Bytes held.
    pub(crate) const fn resident_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + (self.words.capacity() + self.plain.capacity()) * size_of::<i16>()
            + self.scales.capacity() * size_of::<[f32; 2]>()
    }

    /// Replaces the codes by those of `slots`.
    pub(crate) fn fill(
        &mut self,
        space: &dyn BlockSpace,
        slots: impl ExactSizeIterator<Item = Slot>,
        side: Side,
    ) -> Result<(), OutOfMemory> {
        self.slots.clear();
        self.slots.try_reserve(slots.len())?;
        self.slots.extend(slots);
        self.words.clear();
        space.pack(self, side)
    }

    /// Replaces the codes by `count` of those of `many`, from a position on, as the few.
    pub(crate) fn fill_from(&mut self, many: &Self, from: usize, count: usize) -> Result<(), OutOfMemory> {
        let Self { slots, words, scales, .. } = self;
        slots.clear();
        slots.try_reserve(count)?;
        slots.extend_from_slice(&many.slots[from..][..count]);
        words.clear();
        scales.clear();
        let len = many.words.len().checked_div(many.slots.len()).unwrap_or(0);
        words.try_reserve(count * len)?;
        words.extend(many.words[from * len..][..count * len].iter().copied().map(turned));
        scales.try_reserve(count)?;
        scales.extend_from_slice(many.scales.get(from..from + count).unwrap_or(&[]));
        Ok(())
    }

    /// The slots of the codes.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// How many codes there are.
    pub(crate) const fn len(&self) -> usize {
        self.slots.len()
    }
}

/// Two components, -7 to 7, as one word.
pub(super) const fn pair_of(low: i16, high: i16) -> i16 {
    low + (high << 12)
}

/// The same two the other way round.
const fn turned(word: i16) -> i16 {
    let low = (word << 4) >> 4;
    pair_of((word - low) >> 12, low)
}
