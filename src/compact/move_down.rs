//! Stages 6 to 11: the highest nodes move to free slots, and the arrays shrink.

use super::Parts;
use super::job::{Job, Stage, cost};
use crate::arena::MoveError;
use crate::ids::IdMap;
use crate::types::Slot;

impl Job {
    /// Enters `MoveDown`, for an index of this many slots.
    pub(super) const fn begin_move_down(&mut self, slots: usize) {
        self.enter(Stage::MoveDown);
        self.move_end = slots;
    }

    /// Does `MoveDown` for one node.
    pub(super) fn move_down(&mut self, parts: &mut Parts) -> Result<usize, MoveError> {
        // This goes down from the end, while records that are inserted meanwhile fill the free slots from below.
        let to = parts.ids.advance_next();
        let Some(from) = self.move_end.checked_sub(1).map(|at| Slot(at as u32)).filter(|from| to < *from) else {
            self.enter(Stage::Redirect);
            return Ok(0);
        };
        if parts.graph.has_node(from) {
            self.carry(parts, from, to)?;
            self.move_end -= 1;
            return Ok(cost::MOVE);
        }
        self.move_end -= 1;
        Ok(cost::LOOK)
    }

    /// Moves a node to a free slot, or the next new one. Its old node stays behind as a tombstone with a link to the
    /// new one.
    #[inline(never)]
    pub(super) fn carry(&mut self, parts: &mut Parts, from: Slot, to: Slot) -> Result<(), MoveError> {
        let Some(level) = parts.graph.level(from) else { return Ok(()) };
        parts.records.copy_if_mapped(from)?;
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

    /// Does `Redirect` for one node.
    pub(super) fn redirect(&mut self, parts: &mut Parts) -> usize {
        let slot = Slot(self.next as u32);
        if slot.index() >= parts.graph.len() || self.moved.is_empty() {
            self.enter(Stage::IsolateMoved);
            return 0;
        }
        self.next += 1;
        if !self.moved.contains(slot) {
            parts.graph.redirect(slot, |other| self.moved.contains(other));
        }
        cost::LOOK
    }

    /// Does `IsolateMoved` for one old node. Its own links lead to other old nodes, some of which are freed before it.
    pub(super) fn isolate_moved(&mut self, parts: &mut Parts) -> usize {
        let Some(slot) = self.moved.next_from(Slot(self.next as u32)) else {
            self.enter(Stage::Release);
            return 0;
        };
        self.next = slot.index() + 1;
        parts.graph.isolate(slot);
        cost::LOOK
    }

    /// Does `Release` for one old node. The arrays shrink next, unless `Arrange` has more nodes to move.
    pub(super) fn release(&mut self, parts: &mut Parts) -> usize {
        let Some(slot) = self.moved.next_from(Slot(self.next as u32)) else {
            self.enter(if self.order.is_some() { Stage::Arrange } else { Stage::ShrinkIds });
            return 0;
        };
        self.next = slot.index() + 1;
        parts.graph.free(slot);
        parts.release(slot);
        self.moved.remove(slot);
        cost::FREE
    }

    /// Does `ShrinkIds` for one table, which is rewritten whole.
    pub(super) fn shrink_ids(&mut self, parts: &mut Parts) -> usize {
        if self.next >= IdMap::PARTS {
            self.enter(Stage::ShrinkArrays);
            return 0;
        }
        parts.ids.shrink_part(self.next);
        self.next += 1;
        cost::SHRINK
    }

    /// Does `ShrinkArrays` for the last segment.
    pub(super) fn shrink_arrays(&mut self, parts: &mut Parts) -> usize {
        let (graph, codes, more) = parts.shrink();
        // Bytes that moved nodes have taken are not counted as reclaimed.
        let [graph_grown, codes_grown] = &mut self.grown;
        self.reclaimed.graph += beyond(graph_grown, graph);
        self.reclaimed.codes += beyond(codes_grown, codes);
        if !more {
            // As in `Job::begin`: without stale bytes there is nothing to evacuate.
            self.enter(if parts.records.stale_bytes() > 0 { Stage::Warm } else { Stage::Done });
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
