//! Steps 4 to 6: the highest nodes move to free slots, and the arrays shrink.

use super::Parts;
use super::job::{Job, Phase, cost};
use crate::ids::IdMap;
use crate::types::{OutOfMemory, Slot};

/// Where the cursor of step 6 stands once the last old node is gone: beyond any slot.
const IDS_AT: usize = 1 << 31;

impl Job {
    /// Step 4, for one node.
    pub(super) fn pack(&mut self, parts: &mut Parts) -> Result<usize, OutOfMemory> {
        // The cursor comes down from the end; what is inserted meanwhile fills the free slots from below.
        let to = parts.ids.next_slot();
        let Some(from) = self.cursor.checked_sub(1).map(|at| Slot(at as u32)).filter(|from| to < *from) else {
            self.enter(Phase::Redirect);
            return Ok(0);
        };
        let Some(level) = parts.graph.level(from) else {
            self.cursor -= 1;
            return Ok(cost::LOOK);
        };
        self.moved.reserve(parts.slots())?;
        self.grown += parts.graph.reserve_node(to, level)?;
        self.cursor -= 1;
        let to = parts.allocate();
        parts.codes.copy(from, to);
        parts.graph.relocate(from, to);
        parts.ids.swap(from, to);
        parts.records.swap(from, to);
        parts.expiries.relocate(from, to);
        // The state goes with the record, and what stays behind is a tombstone.
        parts.tombstones.swap(from, to);
        parts.tombstones.add(from);
        parts.tombstones.delete(from);
        self.moved.insert(from);
        Ok(cost::MOVE)
    }

    /// Step 5, for one node.
    pub(super) fn redirect(&mut self, parts: &mut Parts) -> usize {
        let slot = Slot(self.cursor as u32);
        if slot.index() >= parts.graph.len() || self.moved.is_empty() {
            self.enter(Phase::IsolateMoved);
            return 0;
        }
        self.cursor += 1;
        if !self.moved.contains(slot) {
            parts.graph.redirect(slot, |other| self.moved.contains(other));
        }
        cost::LOOK
    }

    /// Before step 6, for one old node: its own links lead to other old nodes, some of them freed before it is.
    pub(super) fn isolate_moved(&mut self, parts: &mut Parts) -> usize {
        let Some(slot) = self.moved.next_from(Slot(self.cursor as u32)) else {
            self.enter(Phase::Release);
            return 0;
        };
        self.cursor = slot.index() + 1;
        parts.graph.isolate(slot);
        cost::LOOK
    }

    /// Step 6, for one old node; after the last, the arrays shrink, a segment at a time.
    pub(super) fn release(&mut self, parts: &mut Parts) -> usize {
        if let Some(slot) = self.moved.next_from(Slot(self.cursor as u32)) {
            self.cursor = slot.index() + 1;
            parts.graph.free(slot);
            parts.release(slot);
            self.moved.remove(slot);
            return cost::FREE;
        }
        // Behind the old nodes come the tables of ids, a part at a time: each is rewritten whole.
        let part = self.cursor.saturating_sub(IDS_AT);
        if part < IdMap::PARTS {
            parts.ids.shrink_part(part);
            self.cursor = IDS_AT + part + 1;
            return cost::SHRINK;
        }
        let (graph, codes, more) = parts.shrink();
        // What moved nodes took comes off first.
        let taken = self.grown.min(graph);
        self.grown -= taken;
        self.reclaimed.graph += graph - taken;
        self.reclaimed.codes += codes;
        if !more {
            self.enter(Phase::Warm);
        }
        cost::SHRINK
    }
}
