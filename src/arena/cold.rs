//! The cold arena: records in blocks in the store, and the blocks that have been read, up to a budget.
//!
//! A stored record has a place, whether or not it is also warm: demoting it only drops the warm copy. Blocks that were
//! read stay until others need their bytes. Eviction follows the clock algorithm of Corbató, *A Paging Experiment with
//! the Multics System* (1968): a hand goes round, passes over the blocks used since it last came by, and takes the
//! first that was not.

use super::block::{Block, InverseNorm};
use super::place::{Place, Places};
use super::record::Record;
use crate::format::{FormatError, StoredBlock};
use crate::order::sort_numbers;
use crate::types::{OutOfMemory, Slot};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// The blocks that a call needs and that are not in memory. The caller reads them from the store, all at once, and
/// calls again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadPlan {
    /// Numbers of the blocks, ascending.
    blocks: Vec<u32>,
}

impl ReadPlan {
    /// Number of blocks to read.
    pub const fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is nothing to read.
    pub const fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// A plan to read these blocks, given in any order.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn of(blocks: impl Iterator<Item = u32>) -> Result<Self, OutOfMemory> {
        let mut plan = Self::default();
        for block in blocks {
            plan.add(block)?;
        }
        Ok(plan)
    }

    /// Their numbers, ascending.
    pub(crate) fn blocks(&self) -> &[u32] {
        &self.blocks
    }

    pub(crate) fn add(&mut self, block: u32) -> Result<(), OutOfMemory> {
        if let Err(at) = self.blocks.binary_search(&block) {
            self.blocks.try_reserve(1)?;
            self.blocks.insert(at, block);
        }
        Ok(())
    }
}

/// Whether a block is in memory.
#[derive(Debug)]
enum Content {
    NotRead,
    Read(Block),
    /// The stored bytes are not what was written: the records are lost.
    Lost,
}

#[derive(Debug)]
struct BlockEntry {
    stored: StoredBlock,
    /// Number of its live records that have no warm copy.
    cold: u32,
    content: Content,
    /// Whether it was used since the hand last came by.
    used: AtomicBool,
    /// Whether it was read for a call that is yet to be counted.
    is_new: AtomicBool,
    /// The last call that was counted for it.
    counted: AtomicU32,
}

impl BlockEntry {
    const fn resident_bytes(&self) -> usize {
        if let Content::Read(block) = &self.content { block.resident_bytes() } else { 0 }
    }
}

#[derive(Debug)]
pub(crate) struct Cold {
    places: Places,
    /// Ascending by number.
    blocks: Vec<BlockEntry>,
    /// Blocks below this are named by a manifest in the store: their records need no warm copy.
    kept_below: u32,
    /// Whether demoting has found no more warm copies of the records of those blocks.
    has_nothing_to_demote: bool,
    hand: usize,
    cached_bytes: usize,
    hits: AtomicU64,
    misses: AtomicU64,
    /// The number of the current call: each search is one, and each lookup by id. It may need a block several times.
    call: AtomicU32,
    /// Whether blocks were read for a call that is yet to be repeated.
    expects_retry: AtomicBool,
}

impl Cold {
    pub(super) const fn new(kept_below: u32) -> Self {
        Self {
            places: Places::new(),
            blocks: Vec::new(),
            kept_below,
            has_nothing_to_demote: false,
            hand: 0,
            cached_bytes: 0,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            call: AtomicU32::new(1),
            expects_retry: AtomicBool::new(false),
        }
    }

    pub(super) const fn places(&self) -> &Places {
        &self.places
    }

    pub(super) const fn places_mut(&mut self) -> &mut Places {
        &mut self.places
    }

    /// Index of a block in `blocks`.
    fn position(&self, number: u32) -> Option<usize> {
        // Numbers are mostly consecutive, since those of one checkpoint are.
        let first = self.blocks.first()?.stored.number;
        let likely = number.wrapping_sub(first) as usize;
        if self.blocks.get(likely).is_some_and(|entry| entry.stored.number == number) {
            return Some(likely);
        }
        self.blocks.binary_search_by_key(&number, |entry| entry.stored.number).ok()
    }

    fn find(&self, number: u32) -> Option<&BlockEntry> {
        self.blocks.get(self.position(number)?)
    }

    fn find_mut(&mut self, number: u32) -> Option<&mut BlockEntry> {
        let at = self.position(number)?;
        self.blocks.get_mut(at)
    }

    /// Sets or clears the place of a slot. The record at its old place is dead. `was_here` tells whether that record
    /// was also warm or in a mapped file.
    pub(super) fn set_place(&mut self, slot: Slot, place: Option<Place>, was_here: bool) {
        let Some(before) = self.places.replace(slot, place) else { return };
        let mut freed = 0;
        if let Some(entry) = self.find_mut(before.block) {
            entry.stored.dead = (entry.stored.dead + 1).min(entry.stored.records);
            entry.cold = entry.cold.saturating_sub(u32::from(!was_here));
            if entry.cold == 0 {
                freed = entry.resident_bytes();
                entry.content = Content::NotRead;
            }
        }
        self.cached_bytes -= freed;
    }

    /// Notes that the record of a slot, which the store keeps, is nowhere else any more.
    pub(super) fn note_copy_dropped(&mut self, slot: Slot) {
        if let Some(entry) = self.places.get(slot).and_then(|place| self.find_mut(place.block)) {
            entry.cold += 1;
        }
    }

    /// Counts the record of a place as live. Returns false if it does not exist or all records of its block are live.
    pub(super) fn revive(&mut self, place: Place) -> bool {
        let entry = self.find_mut(place.block);
        let Some(entry) =
            entry.filter(|entry| u32::from(place.ordinal) < entry.stored.records && entry.stored.dead > 0)
        else {
            return false;
        };
        entry.stored.dead -= 1;
        entry.cold += 1;
        true
    }

    /// Exchanges the places of two slots.
    pub(super) fn swap(&mut self, a: Slot, b: Slot) {
        let (at_a, at_b) = (self.places.get(a), self.places.get(b));
        self.places.replace(a, at_b);
        self.places.replace(b, at_a);
    }

    /// The record of a slot, if its block has been read.
    #[inline]
    pub(super) fn record(&self, slot: Slot, dimensions: usize) -> Option<Record<'_>> {
        let Place { block, ordinal } = self.places.get(slot)?;
        let entry = self.find(block)?;
        let Content::Read(read) = &entry.content else { return None };
        entry.used.store(true, Relaxed);
        read.record(ordinal, dimensions)
    }

    /// The block of a slot's record.
    fn block_of(&self, slot: Slot) -> Option<&BlockEntry> {
        self.find(self.places.get(slot)?.block)
    }

    /// The number of the block to read for the record of a slot; `None` when it is in memory or lost.
    pub(super) fn missing(&self, slot: Slot) -> Option<u32> {
        let entry = self.block_of(slot).filter(|entry| matches!(entry.content, Content::NotRead));
        entry.map(|entry| entry.stored.number)
    }

    /// Whether the block of a slot's record is lost.
    pub(super) fn is_lost(&self, slot: Slot) -> bool {
        self.block_of(slot).is_some_and(|entry| matches!(entry.content, Content::Lost))
    }

    /// Begins a call, for [`Cold::count`].
    pub(super) fn begin_call(&self) {
        self.call.fetch_add(1, Relaxed);
    }

    /// Counts the block of a slot's record as one that the current call needs, and has: a miss if it was read for the
    /// call, else a hit. Once, however many of its records the call looks at, and however often.
    pub(super) fn count(&self, slot: Slot) {
        let entry = self.block_of(slot).filter(|entry| matches!(entry.content, Content::Read(_)));
        let Some(entry) = entry else { return };
        let call = self.call.load(Relaxed);
        if entry.counted.swap(call, Relaxed) != call {
            let counter = if entry.is_new.swap(false, Relaxed) { &self.misses } else { &self.hits };
            counter.fetch_add(1, Relaxed);
        }
    }

    /// How often a call found a block in memory, and how often one had to be read for it.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.hits.load(Relaxed), self.misses.load(Relaxed))
    }

    /// The entry of a block; `None` when it has no live records.
    pub(crate) fn stored(&self, number: u32) -> Option<&StoredBlock> {
        self.find(number).map(|entry| &entry.stored).filter(|stored| stored.dead < stored.records)
    }

    /// The blocks with live records.
    pub(crate) fn with_live_records(&self) -> impl Iterator<Item = &StoredBlock> {
        self.blocks.iter().map(|entry| &entry.stored).filter(|stored| stored.dead < stored.records)
    }

    /// The blocks with live records, except lost ones.
    pub(crate) fn sound(&self) -> impl Iterator<Item = &StoredBlock> {
        let is_sound =
            |entry: &&BlockEntry| !matches!(entry.content, Content::Lost) && entry.stored.dead < entry.stored.records;
        self.blocks.iter().filter(is_sound).map(|entry| &entry.stored)
    }

    /// Blocks that have not been read and have records without a warm copy, ascending by number. None of them is lost.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &StoredBlock> {
        let is_unread = |entry: &&BlockEntry| matches!(entry.content, Content::NotRead) && entry.cold > 0;
        self.blocks.iter().filter(is_unread).map(|entry| &entry.stored)
    }

    /// Whether the block must be read before its records are there: it exists, and is neither in memory nor lost.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn must_be_read(&self, number: u32) -> bool {
        self.find(number).is_some_and(|entry| matches!(entry.content, Content::NotRead))
    }

    /// Lost blocks with records that have no warm copy.
    pub(crate) fn lost(&self) -> impl Iterator<Item = &StoredBlock> {
        let is_lost = |entry: &&BlockEntry| matches!(entry.content, Content::Lost) && entry.cold > 0;
        self.blocks.iter().filter(is_lost).map(|entry| &entry.stored)
    }

    /// Sorts slots, each in the lower half of a word, by their places. Those without one come last.
    pub(crate) fn sort_by_place(&self, order: &mut [u64]) {
        for word in &mut *order {
            let slot = Slot(*word as u32);
            *word = u64::from(Place::to_word(self.places.get(slot))) << u32::BITS | u64::from(slot.0);
        }
        sort_numbers(order);
    }

    /// Adds a block that has been, or is being, written. Its number must be the highest.
    pub(crate) fn add(&mut self, stored: StoredBlock) -> Result<(), OutOfMemory> {
        self.blocks.try_reserve(1)?;
        self.blocks.push(BlockEntry {
            stored,
            cold: 0,
            content: Content::NotRead,
            used: AtomicBool::new(false),
            is_new: AtomicBool::new(false),
            counted: AtomicU32::new(0),
        });
        Ok(())
    }

    /// Takes the bytes of a block that a plan asked for; `None` when the store has none. Returns whether the block is
    /// lost: it is if these are not what was written.
    pub(crate) fn admit(
        &mut self,
        number: u32,
        bytes: Option<&[u8]>,
        dimensions: usize,
        inverse_norm: &mut InverseNorm<'_>,
    ) -> Result<bool, OutOfMemory> {
        // A block that is no longer needed may be gone from the store.
        let Some(entry) = self.find_mut(number).filter(|entry| matches!(entry.content, Content::NotRead)) else {
            return Ok(false);
        };
        let sound = bytes.filter(|bytes| entry.stored.is_content(bytes));
        entry.content = match sound.map(|bytes| Block::read(&entry.stored, bytes, dimensions, inverse_norm)) {
            Some(Ok(block)) => Content::Read(block),
            Some(Err(FormatError::OutOfMemory)) => return Err(OutOfMemory),
            Some(Err(_)) | None => Content::Lost,
        };
        entry.used.store(true, Relaxed);
        let (bytes, is_lost) = (entry.resident_bytes(), matches!(entry.content, Content::Lost));
        self.cached_bytes += bytes;
        Ok(is_lost)
    }

    /// Notes that the blocks of a plan have been read from the store for a call that is repeated next.
    pub(crate) fn expect_retry(&self, plan: &ReadPlan) {
        plan.blocks()
            .iter()
            .filter_map(|&number| self.find(number))
            .for_each(|entry| entry.is_new.store(true, Relaxed));
        self.expects_retry.store(true, Relaxed);
    }

    /// Whether blocks were read for a call that is yet to be repeated.
    pub(crate) fn expects_retry(&self) -> bool {
        self.expects_retry.load(Relaxed)
    }

    /// Notes that the call has been repeated. It may have used none of the blocks.
    pub(crate) fn end_retry(&self) {
        self.expects_retry.store(false, Relaxed);
    }

    /// Evicts blocks until those in memory take at most `budget_bytes`.
    pub(crate) fn evict_to(&mut self, budget_bytes: usize) {
        // Two rounds, because in the first a block may only lose its mark.
        let mut left = 2 * self.blocks.len();
        while self.cached_bytes > budget_bytes && left > 0 {
            left -= 1;
            self.hand = if self.hand + 1 < self.blocks.len() { self.hand + 1 } else { 0 };
            let Some(entry) = self.blocks.get_mut(self.hand) else { return };
            let bytes = entry.resident_bytes();
            if bytes > 0 && !entry.used.swap(false, Relaxed) {
                entry.content = Content::NotRead;
                self.cached_bytes -= bytes;
            }
        }
    }

    /// Evicts the blocks of a plan.
    pub(crate) fn give_up(&mut self, plan: &ReadPlan) {
        for &number in plan.blocks() {
            let Some(entry) = self.find_mut(number).filter(|entry| matches!(entry.content, Content::Read(_))) else {
                continue;
            };
            let bytes = entry.resident_bytes();
            entry.content = Content::NotRead;
            self.cached_bytes -= bytes;
        }
    }

    /// Forgets blocks without live records.
    pub(crate) fn drop_dead(&mut self) {
        self.blocks.retain(|entry| entry.stored.dead < entry.stored.records);
    }

    /// Whether the store keeps the record of this place: its manifest names the block.
    pub(super) const fn keeps(&self, place: Place) -> bool {
        place.block < self.kept_below
    }

    pub(super) const fn kept_below(&self) -> u32 {
        self.kept_below
    }

    /// Notes that the blocks below this number are in the store, and named by its manifest.
    pub(crate) const fn keep_below(&mut self, number: u32) {
        self.kept_below = number;
        self.has_nothing_to_demote = false;
    }

    /// Whether [`Cold::note_nothing_to_demote`] has noted that no record the store keeps has a warm copy.
    pub(super) const fn has_nothing_to_demote(&self) -> bool {
        self.has_nothing_to_demote
    }

    /// Notes that all warm copies of records that the store keeps have been dropped.
    pub(super) const fn note_nothing_to_demote(&mut self) {
        self.has_nothing_to_demote = true;
    }

    /// Forgets the blocks from number `from` on, which were not written after all, and the places of their records.
    pub(super) fn withdraw(&mut self, from: u32) {
        for at in 0..self.places.len() {
            let slot = Slot(at as u32);
            if self.places.get(slot).is_some_and(|place| place.block >= from) {
                self.places.replace(slot, None);
            }
        }
        self.blocks.retain(|entry| entry.stored.number < from);
        self.cached_bytes = self.blocks.iter().map(BlockEntry::resident_bytes).sum();
    }

    /// Bytes of the blocks in memory.
    pub(super) const fn cached_bytes(&self) -> usize {
        self.cached_bytes
    }

    /// Bytes of the tables.
    pub(super) fn table_bytes(&self) -> usize {
        self.places.resident_bytes() + self.blocks.capacity() * size_of::<BlockEntry>()
    }
}
