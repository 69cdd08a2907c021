//! The warm arena: records in memory, uncompressed, one load away.

use super::locator::Locator;
use super::record::{self, AppendError, Header, MAX_PAYLOAD_BYTES, PayloadKind, Record};
use super::slab::{SLAB_BITS, SlabName, Slabs};
use crate::types::{OutOfMemory, Slot};

/// Records by slot. `BITS` is log2 of the words in a slab.
///
/// Reading is constant time. Nothing here grows by copying more than one slab.
#[derive(Debug)]
pub(crate) struct WarmArena<const BITS: u32 = SLAB_BITS> {
    dimensions: usize,
    locator: Locator,
    pub(super) slabs: Slabs<BITS>,
}

impl<const BITS: u32> WarmArena<BITS> {
    /// An empty arena of vectors of `dimensions`; 0 when the codes are the vectors and only payloads are kept here.
    pub(crate) const fn new(dimensions: usize) -> Self {
        Self { dimensions, locator: Locator::new(), slabs: Slabs::new() }
    }

    /// Dimensions of every vector in here.
    pub(crate) const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Makes room so that the next [`WarmArena::append`] to `slot`, of a payload of `payload_bytes`, cannot fail.
    pub(crate) fn reserve(&mut self, slot: Slot, payload_bytes: usize) -> Result<(), AppendError> {
        if payload_bytes > MAX_PAYLOAD_BYTES {
            return Err(AppendError::PayloadTooLong(payload_bytes));
        }
        let len = slot.index().checked_add(1).ok_or(OutOfMemory)?;
        self.locator.reserve(len)?;
        Ok(self.slabs.reserve(record::record_words(self.dimensions, payload_bytes))?)
    }

    /// Allocates ahead for `records` more records without payloads, in slots below `slots`. A hint: an append may still
    /// need memory.
    pub(crate) fn reserve_ahead(&mut self, slots: usize, records: usize) -> Result<(), OutOfMemory> {
        self.locator.reserve(slots)?;
        let words = record::record_words(self.dimensions, 0).checked_mul(records).ok_or(OutOfMemory)?;
        self.slabs.reserve_ahead(words)
    }

    /// Gives `slot` its record; the one it had becomes stale.
    ///
    /// # Errors
    /// The payload is too long, the vector has other dimensions, or there is no memory (never after a
    /// [`WarmArena::reserve`] of the same). Nothing has changed.
    pub(crate) fn append(
        &mut self,
        slot: Slot,
        inverse_norm: f32,
        vector: &[f32],
        kind: PayloadKind,
        payload: &[u8],
    ) -> Result<(), AppendError> {
        if vector.len() != self.dimensions {
            return Err(AppendError::DimensionMismatch { expected: self.dimensions, received: vector.len() });
        }
        self.reserve(slot, payload.len())?;
        let words = record::record_words(self.dimensions, payload.len());
        let record = Record { inverse_norm, vector, kind, payload };
        let position = self.slabs.push(words, |slab| record::write(slab, slot, &record))?;
        self.set_position(slot, Some(position));
        Ok(())
    }

    /// Removes the record of `slot`, whose bytes become stale. Returns false if there was none.
    pub(crate) fn remove(&mut self, slot: Slot) -> bool {
        self.set_position(slot, None)
    }

    /// Makes `slot` point to `position`, and retires the record that it pointed to. Returns true if there was one.
    fn set_position(&mut self, slot: Slot, position: Option<u32>) -> bool {
        let Some(before) = self.locator.replace(slot, position) else { return false };
        if let Some(header) = self.slabs.get(before).and_then(Header::read) {
            self.slabs.retire(before, header.record_words(self.dimensions));
        }
        true
    }

    /// Exchanges the records of two slots below the reserved length (either may have none). Every compaction moves
    /// records into free slots this way. No record's bytes move.
    pub(crate) fn swap(&mut self, a: Slot, b: Slot) {
        if a.index() >= self.locator.len() || b.index() >= self.locator.len() {
            debug_assert!(!self.contains(a) && !self.contains(b), "a record would stay behind: {a:?}, {b:?}");
            return;
        }
        let (at_a, at_b) = (self.locator.get(a), self.locator.get(b));
        for (slot, position) in [(a, at_b), (b, at_a)] {
            self.locator.replace(slot, position);
            if let Some(word) = position.and_then(|position| self.slabs.first_mut(position)) {
                *word = slot.0;
            }
        }
    }

    #[inline]
    fn words(&self, slot: Slot) -> Option<&[u32]> {
        self.slabs.get(self.locator.get(slot)?)
    }

    /// Whether `slot` has a record.
    #[inline]
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.locator.get(slot).is_some()
    }

    /// The record of `slot`.
    #[inline]
    pub(crate) fn record(&self, slot: Slot) -> Option<Record<'_>> {
        record::read(self.words(slot)?, self.dimensions)
    }

    /// The full vector of `slot`.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn vector(&self, slot: Slot) -> Option<&[f32]> {
        let vector = self.words(slot)?.get(record::HEADER_WORDS..)?.get(..self.dimensions)?;
        Some(bytemuck::must_cast_slice(vector))
    }

    /// The payload of `slot` and what its bytes are.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn payload(&self, slot: Slot) -> Option<(PayloadKind, &[u8])> {
        self.record(slot).map(|record| (record.kind, record.payload))
    }

    /// The bytes of the header and the vector of `slot`, to touch ahead of reading them. Finding them loads nothing of
    /// the record itself.
    #[inline]
    pub(crate) fn bytes(&self, slot: Slot) -> Option<&[u8]> {
        Some(bytemuck::must_cast_slice(self.words(slot)?.get(..record::HEADER_WORDS + self.dimensions)?))
    }

    /// Every record, by ascending slot.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, Record<'_>)> {
        // The locator's length is bounded by the slots that were reserved, so the index fits.
        (0..self.locator.len()).map(|at| Slot(at as u32)).filter_map(|slot| Some((slot, self.record(slot)?)))
    }

    /// Drops the slots at and above `len`; their records become stale.
    pub(crate) fn truncate(&mut self, len: usize) {
        for at in len..self.locator.len() {
            self.remove(Slot(at as u32));
        }
        self.locator.truncate(len);
    }

    /// Makes room for the slots `0..len`, some of which may never get a record here.
    pub(crate) fn cover(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.locator.reserve(len)
    }

    /// Bytes of records that no slot points to any more: what an evacuation can reclaim.
    pub(crate) const fn stale_bytes(&self) -> usize {
        self.slabs.stale_bytes()
    }

    /// Bytes of records that slots point to.
    pub(crate) const fn live_bytes(&self) -> usize {
        self.slabs.live_bytes()
    }

    /// Bytes of the slabs, spare room and the tables of slabs included.
    pub(crate) fn slab_bytes(&self) -> usize {
        self.slabs.resident_bytes()
    }

    /// As [`Slabs::release_spares`].
    pub(super) fn release_spares(&mut self) {
        self.slabs.release_spares();
    }

    /// Gives back all room not taken by records.
    pub(crate) fn tighten(&mut self) {
        self.slabs.tighten();
    }

    /// Bytes held, spare room and the locator included.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.slabs.resident_bytes() + self.locator.resident_bytes()
    }

    /// The slabs, oldest first.
    pub(super) fn oldest(&self) -> Result<Vec<SlabName>, OutOfMemory> {
        self.slabs.oldest()
    }

    /// Closes the open slab, so that the next record begins another.
    pub(super) fn seal(&mut self) {
        self.slabs.seal();
    }

    /// Words of the records, live and stale, in a slab.
    pub(super) fn slab_words(&self, slab: SlabName) -> usize {
        self.slabs.used_bytes(slab) / size_of::<u32>()
    }

    /// Drops a slab without live records. Returns whether it did.
    pub(super) fn drop_slab(&mut self, slab: SlabName) -> bool {
        self.slabs.begin(slab).is_some_and(|(_, live)| live == 0) && self.slabs.drop_slab(slab)
    }

    /// The record at the word `offset` of a slab: its length in words, and its position when it is live.
    pub(super) fn walk(&self, slab: SlabName, offset: usize) -> Option<(usize, Slot, Option<u32>)> {
        let position = (slab.index << BITS).checked_add(offset as u32)?;
        let header = Header::read(self.slabs.get(position)?)?;
        let live = self.locator.get(header.slot) == Some(position);
        Some((header.record_words(self.dimensions), header.slot, live.then_some(position)))
    }

    /// Moves the live record of a slot to the open slab. Does nothing if it is there already or memory is refused.
    pub(super) fn refresh(&mut self, slot: Slot, words: usize, position: u32) {
        if let Ok(Some(copy)) = self.slabs.copy(position, words) {
            self.repoint(slot, copy);
        }
    }

    /// Makes `slot` point to a verified copy of its record; the original becomes stale.
    pub(super) fn repoint(&mut self, slot: Slot, copy: u32) {
        self.set_position(slot, Some(copy));
    }
}
