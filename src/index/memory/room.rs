//! What an index holds, and what it frees when that exceeds its budget.

use super::budget::Holding;
use crate::compact::window;
use crate::index::Index;
use crate::index::maintain::Running;
use crate::segments::SEGMENT_SLOTS;
use crate::types::{OutOfMemory, Slot};

/// Frees what exceeds a budget of so many bytes.
///
/// Only a stored index can free anything, so opening and attaching set a pointer to this code. Every insert ends with
/// a call of it, and the pointer keeps it out of the part of the shipped wasm that an index in memory needs (size).
pub(in crate::index) type Fit = fn(&mut Index, usize);

impl Index {
    /// Makes the index enforce its budget from here on.
    pub(in crate::index) fn begin_fitting(&mut self) {
        self.fit = Some(Self::fit);
    }

    /// Stops enforcing the budget, undoing [`Index::begin_fitting`].
    pub(in crate::index) fn end_fitting(&mut self) {
        self.fit = None;
        self.scratch.set_room(usize::MAX);
    }

    /// The bytes held, as input of the budget policy. Linear in the number of segments.
    #[inline(never)]
    fn holding(&self) -> Holding {
        let crate::index::Parts { graph, codes, ids, tombstones, records, expiries } = &self.parts;
        let slots = tombstones.resident_bytes() + ids.resident_bytes() + expiries.resident_bytes();
        let hot = codes.resident_bytes() + graph.resident_bytes() + slots;
        // Records that wait to be linked will need rows of links.
        let lists = codes.len().saturating_sub(graph.len()) * graph.row_bytes() + self.bytes_of_work();
        let warm = records.warm.slab_bytes();
        Holding {
            max: self.config.max_bytes,
            hot: hot + lists + ids.unmade_bytes() + records.resident_bytes() - warm,
            warm,
            unlogged: self.unlogged_bytes(),
            scratch: self.scratch.wanted_bytes(),
            is_stored: self.is_stored(),
        }
    }

    /// Bytes of the changes that wait to be linked, and of the compaction under way.
    pub(in crate::index) fn bytes_of_work(&self) -> usize {
        self.pending.resident_bytes() + self.job.as_ref().map_or(0, Running::resident_bytes)
    }

    /// Hot and warm bytes as a share of the budget; 0 without a budget.
    pub(in crate::index) fn pressure(&self) -> f64 {
        if self.config.max_bytes.is_none() { 0.0 } else { self.holding().pressure() }
    }

    /// Whether one more record fits, with a payload of `payload_bytes`.
    pub(in crate::index) fn has_room(&self, payload_bytes: usize) -> bool {
        self.config.max_bytes.is_none() || {
            let crate::index::Parts { graph, codes, ids, records, .. } = &self.parts;
            let next = ids.next_slot().index();
            // Rows are allocated a segment at a time; the first segment grows by doubling.
            let rows = match next {
                _ if next < codes.len() => 0,
                _ if next < SEGMENT_SLOTS => next.max(1),
                _ if next.is_multiple_of(SEGMENT_SLOTS) => SEGMENT_SLOTS,
                _ => 0,
            };
            let record = 4 * records.dimensions() + payload_bytes;
            self.holding().has_room(rows * (codes.slot_bytes() + graph.row_bytes()) + record)
        }
    }

    /// Whether the window of codes and links, and the path of the walk, that packing needs still fit.
    pub(in crate::index) fn has_room_to_pack(&self) -> bool {
        self.config.max_bytes.is_none() || {
            let crate::index::Parts { graph, codes, .. } = &self.parts;
            // It grows by doubling.
            let path = 2 * self.len() * size_of::<Slot>();
            self.holding().has_room(window(self.len()) * (codes.slot_bytes() + graph.row_bytes()) + path)
        }
    }

    /// Whether so many bytes fit that a bulk build needs until its end.
    pub(in crate::index) fn has_room_for_bulk(&self, bytes: usize) -> bool {
        self.config.max_bytes.is_none() || self.holding().has_room(bytes)
    }

    /// Whether `records` more records fit, with payloads of `payload_bytes` in all. Rows allocated ahead do not count.
    /// A stored index could evict all but the record at hand, but only once the records are stored, so all of them
    /// count.
    #[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
    pub(in crate::index) fn has_room_for(&self, records: usize, payload_bytes: usize) -> bool {
        self.config.max_bytes.is_none() || {
            let crate::index::Parts { graph, codes, records: arena, .. } = &self.parts;
            let each = codes.slot_bytes() + graph.row_bytes() + 4 * arena.dimensions();
            self.holding().has_room(each.saturating_mul(records).saturating_add(payload_bytes))
        }
    }

    /// How many of `bytes` bytes of records to make warm at a time to write them again: part of what the budget leaves.
    #[inline(never)]
    pub(in crate::index) fn part_bytes(&self, bytes: u64) -> u64 {
        if self.config.max_bytes.is_none() { bytes } else { bytes.min(self.holding().shares().left as u64 / 4) }
    }

    /// Ends the retry that [`Index::expect_retry`] began, and frees what exceeds the budget.
    #[inline(never)]
    pub(crate) fn end_retry(&mut self) {
        self.parts.records.cold.end_retry();
        self.make_room();
    }

    /// Frees what exceeds the budget, unless a call is about to be repeated: what was read for it must stay, or the
    /// call might never have all that it needs at once. Every call that may increase the memory held ends with this.
    pub(in crate::index) fn make_room(&mut self) {
        if let (Some(max), Some(fit)) = (self.config.max_bytes, self.fit)
            && !self.parts.records.cold.expects_retry()
        {
            fit(self, max);
        }
    }

    /// Evicts blocks; then drops idle buffers but those of one call; then warm copies of records that the store keeps,
    /// and the room ahead of the others; and at last the remaining buffers.
    fn fit(&mut self, max: usize) {
        let mut holding = self.holding();
        self.parts.records.cold.evict_to(holding.shares().cache);
        if holding.is_too_warm() {
            self.scratch.set_room(0);
            holding = self.holding();
        }
        if holding.is_too_warm() {
            // Without memory for the list of slabs, the next call tries again.
            let _ = self.parts.records.demote(holding.shares().warm);
            if self.holding().is_too_warm() {
                self.parts.records.warm.tighten();
            }
            holding = self.holding();
        }
        let held = holding.hot + holding.warm + holding.unlogged + self.parts.records.cached_bytes();
        self.scratch.set_room(max.saturating_sub(held));
    }

    /// Whether more records are warm than the budget allows.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.config.max_bytes.is_some() && {
            let has_warm = self.parts.records.warm.live_bytes() > 0;
            has_warm && self.journal().is_some() && self.holding().is_over_budget()
        }
    }

    /// Drops warm copies of records that the store keeps, and cached blocks, where they exceed the budget.
    pub(crate) fn demote(&mut self) -> Result<(), OutOfMemory> {
        let demoted =
            if self.is_over_budget() { self.parts.records.demote(self.holding().shares().warm) } else { Ok(()) };
        self.make_room();
        demoted
    }
}
