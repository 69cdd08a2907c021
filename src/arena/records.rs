//! All records of an index, wherever they are: warm, cold or mapped.

use super::block::InverseNorm;
use super::cold::{Cold, ReadPlan};
use super::evacuation::MoveError;
use super::mapped::MappedRecords;
use super::place::Place;
use super::record::{AppendError, PayloadKind, Record};
use super::slab::SlabName;
use super::used::Used;
use super::warm::WarmArena;
use crate::format::StoredBlock;
use crate::segments::Changes;
use crate::types::{OutOfMemory, Slot};

/// Records by slot: warm ones in memory, stored ones in blocks, or both.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) warm: WarmArena,
    pub(crate) cold: Cold,
    /// Whether places are kept, which only a stored index needs.
    is_stored: bool,
    /// Which warm records were read since [`Records::demote`] last looked, in a stored index.
    used: Used,
    /// Records that have not changed since they were mapped. They are not warm, and stored only while the first
    /// checkpoint is written.
    mapped: Option<MappedRecords>,
}

impl Records {
    /// An empty set with vectors of `dimensions`; 0 when the codes are the vectors and only payloads are kept here.
    pub(crate) const fn new(dimensions: usize) -> Self {
        Self { warm: WarmArena::new(dimensions), cold: Cold::new(0), is_stored: false, used: Used::new(), mapped: None }
    }

    /// An empty set with the same settings, which still knows the blocks that the store keeps.
    pub(crate) fn emptied(&self) -> Self {
        let (warm, cold) = (WarmArena::new(self.dimensions()), Cold::new(self.cold.kept_below()));
        Self { warm, cold, is_stored: self.is_stored, used: Used::new(), mapped: None }
    }

    /// Keeps places from here on, for the slots `0..len` and all later ones.
    pub(crate) fn store(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.cold.places_mut().reserve(len)?;
        self.is_stored = true;
        Ok(())
    }

    /// Reserves the read marks for slots `0..len`. Must precede giving them places: only records with a place can be
    /// evicted.
    pub(crate) fn reserve_read_marks(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.used.reserve(len)
    }

    /// Undoes [`Records::store`]. Every record must be warm or mapped.
    pub(crate) fn unstore(&mut self) {
        (self.cold, self.used) = (Cold::new(0), Used::new());
        self.is_stored = false;
    }

    /// Makes room for the slots `0..len`.
    pub(crate) fn cover(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.warm.cover(len)?;
        if self.is_stored { self.cold.places_mut().reserve(len) } else { Ok(()) }
    }

    pub(crate) const fn dimensions(&self) -> usize {
        self.warm.dimensions()
    }

    /// Makes room so that the next [`Records::append`] to `slot`, of a payload of `payload_bytes`, cannot fail.
    pub(crate) fn reserve(&mut self, slot: Slot, payload_bytes: usize) -> Result<(), AppendError> {
        self.cover(slot.index() + 1)?;
        self.warm.reserve(slot, payload_bytes)
    }

    /// As [`WarmArena::reserve_ahead`].
    pub(crate) fn reserve_ahead(&mut self, slots: usize, records: usize) -> Result<(), OutOfMemory> {
        self.warm.reserve_ahead(slots, records)
    }

    /// Gives `slot` its record, which is warm and not stored.
    ///
    /// # Errors
    /// As [`WarmArena::append`].
    pub(crate) fn append(
        &mut self,
        slot: Slot,
        inverse_norm: f32,
        vector: &[f32],
        kind: PayloadKind,
        payload: &[u8],
    ) -> Result<(), AppendError> {
        self.reserve(slot, payload.len())?;
        let was_here = self.is_here(slot);
        self.warm.append(slot, inverse_norm, vector, kind, payload)?;
        self.cold.set_place(slot, None, was_here);
        self.unmap(slot);
        Ok(())
    }

    fn unmap(&mut self, slot: Slot) {
        if let Some(mapped) = &mut self.mapped {
            mapped.forget(slot);
        }
    }

    /// Removes the record of `slot`, wherever it is.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let was_here = self.is_here(slot);
        self.unmap(slot);
        self.warm.remove(slot);
        self.cold.set_place(slot, None, was_here);
        self.used.clear(slot);
    }

    /// Makes the records of a mapped file warm.
    pub(crate) fn copy_mapped(&mut self) -> Result<(), MoveError> {
        let mut next = Some(Slot(0));
        while let Some(slot) = next.and_then(|slot| self.mapped.as_ref()?.next_from(slot)) {
            self.copy_if_mapped(slot)?;
            next = Some(slot);
        }
        self.mapped = None;
        Ok(())
    }

    /// Gives up the mapped file, whose records the store must have.
    pub(crate) fn leave_mapped(&mut self) {
        let Some(mapped) = self.mapped.take() else { return };
        let mut next = mapped.next_from(Slot(0));
        while let Some(slot) = next {
            self.cold.note_copy_dropped(slot);
            next = mapped.next_from(Slot(slot.0 + 1));
        }
    }

    /// Makes the record of `slot` warm if it is in a mapped file. Must precede moving it.
    pub(crate) fn copy_if_mapped(&mut self, slot: Slot) -> Result<(), MoveError> {
        let dimensions = self.dimensions();
        let Self { warm, mapped: Some(mapped), .. } = self else { return Ok(()) };
        if mapped.contains(slot) {
            let Some(Record { inverse_norm, vector, kind, payload }) = mapped.record(slot, dimensions) else {
                return Err(MoveError::Malformed(slot));
            };
            // The record of a file has this many dimensions, and a payload no longer than any.
            warm.append(slot, inverse_norm, vector, kind, payload).map_err(|_| OutOfMemory)?;
            mapped.forget(slot);
        }
        Ok(())
    }

    /// Sets the records of a mapped file.
    #[cfg(feature = "mmap")]
    pub(crate) fn map(&mut self, mapped: MappedRecords) {
        self.mapped = Some(mapped);
    }

    /// Exchanges the records of two slots.
    pub(crate) fn swap(&mut self, a: Slot, b: Slot) {
        self.warm.swap(a, b);
        self.cold.swap(a, b);
        self.used.swap(a, b);
    }

    /// Whether `slot` has a record, wherever it is.
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.is_here(slot) || self.cold.places().get(slot).is_some()
    }

    /// Whether `slot` has a record that is warm or in a mapped file.
    fn is_here(&self, slot: Slot) -> bool {
        self.warm.contains(slot) || self.mapped.as_ref().is_some_and(|mapped| mapped.contains(slot))
    }

    /// The record of `slot`, if it is in memory.
    #[inline]
    pub(crate) fn record(&self, slot: Slot) -> Option<Record<'_>> {
        match self.warm.record(slot) {
            None if self.is_stored => self.cold.record(slot, self.dimensions()).or_else(|| self.mapped_record(slot)),
            None => self.mapped_record(slot),
            found => found,
        }
    }

    fn mapped_record(&self, slot: Slot) -> Option<Record<'_>> {
        self.mapped.as_ref()?.record(slot, self.dimensions())
    }

    /// The bytes of the header and the vector of a warm record, to touch ahead of reading them.
    #[inline]
    pub(crate) fn bytes(&self, slot: Slot) -> Option<&[u8]> {
        self.warm.bytes(slot)
    }

    /// Begins a call that may need records from the store: what [`Records::plan`] counts until the next is one call's.
    #[inline]
    pub(crate) fn begin_call(&self) {
        if self.is_stored {
            self.cold.begin_call();
        }
    }

    /// Returns which blocks must be read before the records of all these slots are in memory. Marks the warm ones as
    /// read and, if no block is missing, counts those of the others.
    pub(crate) fn plan(&self, slots: impl Iterator<Item = Slot> + Clone) -> Result<ReadPlan, OutOfMemory> {
        let mut plan = ReadPlan::default();
        let slots = slots.filter(|_| self.is_stored);
        for slot in slots.clone() {
            if self.is_here(slot) {
                self.used.note(slot);
            } else if let Some(block) = self.cold.missing(slot) {
                plan.add(block)?;
            }
        }
        // A call that needs blocks is repeated once they have been read, and counted then.
        if plan.is_empty() {
            slots.filter(|&slot| !self.is_here(slot)).for_each(|slot| self.cold.count(slot));
        }
        Ok(plan)
    }

    /// The block to read for the record of a slot that is not in memory; `None` when the block is lost.
    pub(crate) fn unread(&self, slot: Slot) -> Option<&StoredBlock> {
        self.cold.missing(slot).and_then(|block| self.cold.stored(block))
    }

    /// Whether the record of `slot` is only in a block, which is lost.
    pub(crate) fn is_lost(&self, slot: Slot) -> bool {
        !self.is_here(slot) && self.cold.is_lost(slot)
    }

    /// Gives a slot without a record the place of its stored record. Returns false and changes nothing if the place
    /// does not exist or every record of its block is already taken.
    pub(crate) fn adopt_place(&mut self, slot: Slot, place: Place) -> bool {
        let is_there = self.cold.revive(place);
        if is_there {
            self.cold.places_mut().replace(slot, Some(place));
        }
        is_there
    }

    /// Sets the place where a record was stored that is warm or mapped.
    pub(crate) fn set_place(&mut self, slot: Slot, place: Place) {
        self.cold.set_place(slot, Some(place), true);
    }

    /// The places of a segment of slots, as stored.
    pub(crate) fn stored_places(&self, segment: usize) -> &[u32] {
        self.cold.places().segment(segment)
    }

    /// Whether a slot has a record that is not stored.
    pub(crate) fn is_unstored(&self, slot: Slot) -> bool {
        self.cold.places().get(slot).is_none() && self.is_here(slot)
    }

    /// The record of a slot, if it is not stored.
    ///
    /// # Errors
    /// [`MoveError::Malformed`] in a mapped file.
    pub(crate) fn unstored(&self, slot: Slot) -> Result<Option<Record<'_>>, MoveError> {
        if !self.is_unstored(slot) {
            return Ok(None);
        }
        let found = self.warm.record(slot).or_else(|| self.mapped_record(slot));
        found.map(Some).ok_or(MoveError::Malformed(slot))
    }

    /// Makes the records of these blocks, which must be in memory, warm and unstored, so that they are written again.
    pub(crate) fn unstore_blocks(&mut self, blocks: &[u32]) -> Result<(), OutOfMemory> {
        for at in 0..self.cold.places().len() {
            let slot = Slot(at as u32);
            let Some(place) = self.cold.places().get(slot) else { continue };
            if blocks.binary_search(&place.block).is_err() {
                continue;
            }
            let was_warm = self.warm.contains(slot);
            if !was_warm {
                let dimensions = self.dimensions();
                let Some(Record { inverse_norm, vector, kind, payload }) = self.cold.record(slot, dimensions) else {
                    continue;
                };
                match self.warm.append(slot, inverse_norm, vector, kind, payload) {
                    Ok(()) => {}
                    Err(_) => return Err(OutOfMemory),
                }
            }
            self.cold.set_place(slot, None, was_warm);
        }
        Ok(())
    }

    /// Forgets the blocks numbered `from` and higher, which were not written after all.
    pub(crate) fn withdraw(&mut self, from: u32) {
        self.cold.withdraw(from);
    }

    /// Drops warm copies of records that the store keeps, until at most `budget_bytes` are warm or none is left to
    /// drop. The oldest slabs go first. Records read since the last look are spared, as in [`Cold::evict_to`], until
    /// nothing else is left.
    #[inline(never)]
    pub(crate) fn demote(&mut self, budget_bytes: usize) -> Result<(), OutOfMemory> {
        if self.cold.has_nothing_to_demote() {
            return Ok(());
        }
        // Moved records go to a new slab, behind all others.
        self.warm.seal();
        for spares in [true, false] {
            for slab in self.warm.oldest()? {
                if self.warm.slab_bytes() <= budget_bytes {
                    break;
                }
                self.demote_slab(slab, spares);
            }
        }
        if self.warm.slab_bytes() > budget_bytes {
            self.cold.note_nothing_to_demote();
        }
        self.warm.release_spares();
        Ok(())
    }

    /// Whether the store keeps the record of a slot, so that its warm copy can be dropped.
    fn is_kept(&self, slot: Slot) -> bool {
        self.cold.places().get(slot).is_some_and(|place| self.cold.keeps(place))
    }

    /// Does for one slab what [`Records::demote`] does for all. A slab of which at least half was read is spared as a
    /// whole. From any other, the records that were read move to the open slab, so that no more is moved than dropped.
    /// Records not yet stored are moved too, up to half of a slab, since a single one would keep the whole slab alive.
    fn demote_slab(&mut self, slab: SlabName, spares: bool) {
        let (mut read, mut live, mut unkept) = (0, 0, 0);
        self.each_live(slab, &mut |records, slot, words, _| {
            live += words;
            read += if records.used.contains(slot) { words } else { 0 };
            unkept += if records.is_kept(slot) { 0 } else { words };
        });
        let moves = 2 * unkept <= self.warm.slab_words(slab);
        if spares && read > 0 && 2 * read >= live {
            self.each_live(slab, &mut |records, slot, _, _| records.used.clear(slot));
            return;
        }
        self.each_live(slab, &mut |records, slot, words, position| {
            if !records.is_kept(slot) {
                if moves {
                    records.warm.refresh(slot, words, position);
                }
            } else if spares && records.used.contains(slot) {
                records.used.clear(slot);
                // A record that cannot be moved stays where it is.
                records.warm.refresh(slot, words, position);
            } else {
                records.warm.remove(slot);
                records.cold.note_copy_dropped(slot);
            }
        });
        self.warm.drop_slab(slab);
    }

    /// Calls `each` with the slot, length in words and position of each live record of a slab. Compiled once (size).
    fn each_live(&mut self, slab: SlabName, each: &mut dyn FnMut(&mut Self, Slot, usize, u32)) {
        let (mut offset, end) = (0, self.warm.slab_words(slab));
        while let Some((words, slot, position)) = self.warm.walk(slab, offset).filter(|_| offset < end) {
            offset += words;
            if let Some(position) = position {
                each(self, slot, words, position);
            }
        }
    }

    /// Reads of cold records that found their block in memory, and reads that did not.
    pub(crate) fn cache_counts(&self) -> (u64, u64) {
        self.cold.counts()
    }

    /// Takes the bytes of a block that a plan asked for. If they are not what was written, the block is lost.
    pub(crate) fn admit(
        &mut self,
        block: u32,
        bytes: Option<&[u8]>,
        inverse_norm: &mut InverseNorm<'_>,
    ) -> Result<(), OutOfMemory> {
        let dimensions = self.dimensions();
        if self.cold.admit(block, bytes, dimensions, inverse_norm)? {
            // The warm records of the block must be written again.
            for slot in (0..self.cold.places().len() as u32).map(Slot) {
                let is_there = self.cold.places().get(slot).is_some_and(|place| place.block == block);
                if is_there && self.warm.contains(slot) {
                    self.cold.set_place(slot, None, true);
                }
            }
        }
        Ok(())
    }

    /// Drops the slots at and above `len`, whose records are gone.
    pub(crate) fn truncate(&mut self, len: usize) {
        for at in len..self.cold.places().len() {
            let was_here = self.is_here(Slot(at as u32));
            self.cold.set_place(Slot(at as u32), None, was_here);
        }
        self.warm.truncate(len);
        self.cold.places_mut().truncate(len);
        if let Some(mapped) = &mut self.mapped {
            mapped.truncate(len);
        }
    }

    /// Which segments of places have changed since they were stored.
    pub(crate) const fn changes_mut(&mut self) -> &mut Changes {
        self.cold.places_mut().changes_mut()
    }

    /// Bytes of warm records that no slot points to any more.
    pub(crate) const fn stale_bytes(&self) -> usize {
        self.warm.stale_bytes()
    }

    /// Bytes that are always held: warm records, and the tables that locate the others.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.warm.resident_bytes()
            + self.cold.table_bytes()
            + self.used.resident_bytes()
            + self.mapped.as_ref().map_or(0, MappedRecords::resident_bytes)
    }

    /// Bytes of the blocks that were read.
    pub(crate) const fn cached_bytes(&self) -> usize {
        self.cold.cached_bytes()
    }
}
