//! Steps 5 to 8: the highest nodes move to free slots, and the arrays shrink.

use super::Parts;
use super::job::{Job, Phase, cost};
use crate::ids::IdMap;
use crate::types::{OutOfMemory, Slot};

/// Where the cursor of step 8 is moved after the last old node: beyond any slot. From here on it counts tables of ids.
const IDS_AT: usize = 1 << 31;

impl Job {
    /// Does step 5 for one node.
    pub(super) fn move_down(&mut self, parts: &mut Parts) -> Result<usize, OutOfMemory> {
        // The cursor moves down from the end, while records that are inserted meanwhile fill the free slots from below.
        let to = parts.ids.advance_next();
        let Some(from) = self.cursor.checked_sub(1).map(|at| Slot(at as u32)).filter(|from| to < *from) else {
            self.enter(Phase::Redirect);
            return Ok(0);
        };
        if parts.graph.has_node(from) {
            self.carry(parts, from, to)?;
            self.cursor -= 1;
            return Ok(cost::MOVE);
        }
        self.cursor -= 1;
        Ok(cost::LOOK)
    }

    /// Moves a node to a free slot, or the next new one. Its old node stays behind as a tombstone with a link to the
    /// new one.
    #[inline(never)]
    pub(super) fn carry(&mut self, parts: &mut Parts, from: Slot, to: Slot) -> Result<(), OutOfMemory> {
        let Some(level) = parts.graph.level(from) else { return Ok(()) };
        self.moved.reserve(parts.slots())?;
        parts.reserve_moved(to)?;
        parts.graph.reserve_node(to, level)?;
        parts.occupy(to);
        parts.codes.copy(from, to);
        parts.graph.relocate(from, to);
        parts.ids.swap(from, to);
        parts.records.swap(from, to);
        parts.expiries.relocate(from, to);
        // The state moves with the record. The old slot becomes a tombstone.
        parts.tombstones.swap(from, to);
        parts.tombstones.add(from);
        parts.tombstones.delete(from);
        self.moved.insert(from);
        Ok(())
    }

    /// Does step 6 for one node.
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

    /// Does step 7 for one old node. Its own links lead to other old nodes, some of which are freed before it.
    pub(super) fn isolate_moved(&mut self, parts: &mut Parts) -> usize {
        let Some(slot) = self.moved.next_from(Slot(self.cursor as u32)) else {
            self.enter(Phase::Release);
            return 0;
        };
        self.cursor = slot.index() + 1;
        parts.graph.isolate(slot);
        cost::LOOK
    }

    /// Does step 8 for one old node. After the last one, the tables of ids and the arrays shrink, a part at a time,
    /// unless step 4 has more nodes to move.
    pub(super) fn release(&mut self, parts: &mut Parts) -> usize {
        if let Some(slot) = self.moved.next_from(Slot(self.cursor as u32)) {
            self.cursor = slot.index() + 1;
            parts.graph.free(slot);
            parts.release(slot);
            self.moved.remove(slot);
            return cost::FREE;
        }
        if self.order.is_some() {
            self.enter(Phase::Arrange);
            return 0;
        }
        // After the old nodes, the tables of ids shrink one at a time, because each is rewritten whole.
        let part = self.cursor.saturating_sub(IDS_AT);
        if part < IdMap::PARTS {
            parts.ids.shrink_part(part);
            self.cursor = IDS_AT + part + 1;
            return cost::SHRINK;
        }
        let (graph, codes, more) = parts.shrink();
        // Bytes that moved nodes have taken are not counted as reclaimed.
        let [graph_grown, codes_grown] = &mut self.grown;
        self.reclaimed.graph += beyond(graph_grown, graph);
        self.reclaimed.codes += beyond(codes_grown, codes);
        if !more {
            // As in `Job::begin`: without stale bytes there is nothing to evacuate.
            self.enter(if parts.records.stale_bytes() > 0 { Phase::Warm } else { Phase::Done });
        }
        cost::SHRINK
    }
}

/// Returns how much of `given_back` exceeds `taken`, and subtracts the rest from `taken`.
const fn beyond(taken: &mut usize, given_back: usize) -> usize {
    let repaid = if *taken < given_back { *taken } else { given_back };
    *taken -= repaid;
    given_back - repaid
}
