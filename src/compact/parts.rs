//! The arrays of an index that change together.

use crate::arena::Records;
use crate::expiry::Expiries;
use crate::graph::Graph;
use crate::ids::{IdMap, LookupError};
use crate::quantize::Codes;
use crate::segments::SEGMENT_SLOTS;
use crate::tombstone::Tombstones;
use crate::types::{OutOfMemory, Slot};

/// Everything that is kept for each slot.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) graph: Graph,
    pub(crate) codes: Codes,
    pub(crate) ids: IdMap,
    pub(crate) tombstones: Tombstones,
    pub(crate) records: Records,
    pub(crate) expiries: Expiries,
}

impl Parts {
    /// The number of slots. Each slot below it is live, deleted or free.
    pub(crate) const fn slots(&self) -> usize {
        self.ids.len()
    }

    /// The bytes that the graph and the codes hold.
    pub(super) fn graph_and_codes(&self) -> [usize; 2] {
        [self.graph.resident_bytes(), self.codes.resident_bytes()]
    }

    /// Makes room for one more record, apart from its graph node and its bytes in the warm arena.
    pub(crate) fn reserve_slot(&mut self) -> Result<(), LookupError> {
        let len = self.slots() + 1;
        self.ids.reserve(1)?;
        self.tombstones.reserve(len)?;
        Ok(self.codes.reserve(len)?)
    }

    /// Makes room for `additional` more records without payloads, in all but the upper levels of the graph. On failure,
    /// no more room is held than before.
    pub(crate) fn reserve(&mut self, additional: usize) -> Result<(), LookupError> {
        let slots = self.slots().checked_add(additional).filter(|&slots| slots <= Slot::MOST).ok_or(OutOfMemory)?;
        // A size that no address space can hold is refused at once: allocating until it fails would take minutes.
        let row = self.codes.slot_bytes() + self.graph.row_bytes() + self.records.dimensions() * size_of::<f32>();
        row.checked_mul(additional).ok_or(OutOfMemory)?;
        let reserved = self.reserve_each(slots, additional);
        if reserved.is_err() {
            self.give_back();
        }
        reserved
    }

    fn reserve_each(&mut self, slots: usize, additional: usize) -> Result<(), LookupError> {
        self.ids.reserve(additional)?;
        self.tombstones.reserve(slots)?;
        self.codes.reserve(slots)?;
        self.graph.reserve(slots)?;
        Ok(self.records.reserve_ahead(slots, additional)?)
    }

    /// Gives back the room for slots that do not exist. The warm arena does this for its own.
    fn give_back(&mut self) {
        self.truncate(self.slots());
        (0..IdMap::PARTS).for_each(|part| self.ids.shrink_part(part));
    }

    /// Takes a slot into use, with reserved room.
    pub(crate) fn allocate(&mut self) -> Slot {
        let slot = self.ids.allocate();
        self.resize_codes();
        slot
    }

    /// Makes room in this slot, or the next new one, for a record that moves there, apart from its graph node. Records
    /// and expiries are extended to the slot as well: read from bytes, they may cover fewer slots than there are.
    pub(crate) fn reserve_moved(&mut self, to: Slot) -> Result<(), OutOfMemory> {
        let len = self.slots().max(to.index() + 1);
        self.ids.reserve_slots(len)?;
        self.tombstones.reserve(len)?;
        self.records.cover(len)?;
        if !self.expiries.is_empty() {
            self.expiries.reserve(len)?;
        }
        self.codes.reserve(len)
    }

    /// Takes this free slot, or the next new one, into use, with reserved room.
    pub(crate) fn occupy(&mut self, slot: Slot) {
        self.ids.occupy(slot);
        self.resize_codes();
    }

    fn resize_codes(&mut self) {
        if self.codes.len() < self.slots() {
            self.codes.resize(self.slots());
        }
    }

    /// Gives back a slot that no link leads to and that has no id and no record.
    #[inline(never)]
    pub(crate) fn release(&mut self, slot: Slot) {
        self.tombstones.free(slot);
        self.codes.erase(slot);
        self.ids.release(slot);
    }

    /// Drops the free slots at the end, back to the beginning of the last segment. Returns the bytes that the graph and
    /// the codes gave back, and whether more slots may be dropped.
    pub(crate) fn shrink(&mut self) -> (usize, usize, bool) {
        let least = self.slots().saturating_sub(1) / SEGMENT_SLOTS * SEGMENT_SLOTS;
        let len = self.ids.used_len(least);
        let (graph, codes) = self.truncate(len);
        (graph, codes, len == least && len > 0)
    }

    /// Drops the slots from `len` on, none of which is live, whatever else they hold. Returns the bytes that the graph
    /// and the codes gave back.
    #[inline(never)]
    pub(crate) fn truncate(&mut self, len: usize) -> (usize, usize) {
        let graph = self.graph.resident_bytes();
        let codes = self.codes.resident_bytes();
        if cfg!(not(target_arch = "wasm32")) {
            // Codes are overwritten before their memory is given back.
            (len..self.codes.len()).for_each(|slot| self.codes.erase(Slot(slot as u32)));
        }
        self.ids.truncate(len);
        self.tombstones.truncate(len);
        self.codes.resize(len);
        self.graph.truncate(len.min(self.graph.len()));
        self.records.truncate(len);
        self.expiries.truncate(len);
        // Overwriting codes of a mapped file copies them, so that more may be held than before.
        (graph.saturating_sub(self.graph.resident_bytes()), codes.saturating_sub(self.codes.resident_bytes()))
    }
}
