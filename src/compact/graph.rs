//! Stages 1 to 4: taking the leaving nodes out of the graph.

use super::Parts;
use super::job::{Job, Stage, cost};
use crate::graph::{Fates, Graph, Scratch, cut_out, detach};
use crate::segments::SEGMENT_SLOTS;
use crate::types::{OutOfMemory, Slot};

/// An index without live records and with at most this many slots is emptied in one step.
const EMPTIED_AT_ONCE: usize = 4 * SEGMENT_SLOTS;

impl Job {
    /// Does `CutOut` for one leaving node.
    pub(super) fn cut_out(&mut self, parts: &mut Parts, scratch: &mut Scratch) -> Result<usize, OutOfMemory> {
        let is_empty = parts.tombstones.live() == 0;
        if is_empty && parts.slots() <= EMPTIED_AT_ONCE {
            return Ok(self.clear(parts));
        }
        let Some(slot) = self.leaving.next_from(Slot(self.next as u32)) else {
            self.enter(Stage::Relink);
            return Ok(0);
        };
        self.next = slot.index() + 1;
        let Parts { graph, codes, .. } = parts;
        if is_empty {
            // Nothing is live, so the graph need not stay connected. The next node that is inserted becomes the root of
            // a new tree.
            detach(graph, slot);
            return Ok(cost::LOOK);
        }
        let (_, _, buffer) = scratch.split();
        codes.prepare(buffer)?;
        cut_out(graph, codes.space(), slot, buffer);
        graph.bridge(codes.space(), slot, &|other| self.leaving.contains(other), buffer);
        Ok(cost::CUT_OUT)
    }

    /// Drops the graph and all slots at once, because nothing is live.
    fn clear(&mut self, parts: &mut Parts) -> usize {
        let graph = parts.graph.resident_bytes();
        self.removed += parts.tombstones.deleted();
        parts.graph = Graph::new(parts.graph.m());
        let (_, codes) = parts.truncate(0);
        self.reclaimed.graph += graph - parts.graph.resident_bytes();
        self.reclaimed.codes += codes;
        // There is nothing to put in order, and no node has moved.
        self.order = None;
        self.enter(Stage::ShrinkIds);
        cost::FREE
    }

    /// Does `Relink` for one node that stays.
    pub(super) fn relink(&mut self, parts: &mut Parts, scratch: &mut Scratch) -> Result<usize, OutOfMemory> {
        let slot = Slot(self.next as u32);
        let Parts { graph, codes, tombstones, .. } = parts;
        if slot.index() >= graph.len() {
            let entry = graph.entry();
            if entry.is_none_or(|entry| self.leaving.contains(entry)) {
                graph.set_entry(self.highest);
            }
            self.enter(Stage::IsolateLeaving);
            return Ok(0);
        }
        self.next += 1;
        if graph.level(slot).is_none() || self.leaving.contains(slot) {
            return Ok(cost::LOOK);
        }
        for buffer in scratch.points_mut() {
            codes.prepare(buffer)?;
        }
        let fates = Fates { is_leaving: |slot| self.leaving.contains(slot), is_live: |slot| tombstones.is_live(slot) };
        let has_relinked = graph.relink(codes.space(), slot, &fates, scratch)?;
        // The highest node is the next entry point, if the present one leaves. Every node that stays is seen here or
        // was added since; one added above the entry point became the entry point then. One added on the entry point's
        // own level, in a slot that has been passed, is overlooked: the next entry point may then be lower, which
        // costs a few hops at most.
        let level = graph.level(slot);
        if self.highest.is_none_or(|highest| graph.level(highest) < level) {
            self.highest = Some(slot);
        }
        if has_relinked {
            // Planned like every node that stays: otherwise, if most are relinked, what comes later has no share left.
            self.discount(cost::RELINK - cost::STAY);
            return Ok(cost::RELINK);
        }
        // The node lost few links or none: count the rest of its planned cost as done.
        self.count_done(cost::STAY - cost::LOOK);
        Ok(cost::LOOK)
    }

    /// Does `IsolateLeaving` for one leaving node: removes its links. No link leads to it any more, but its own
    /// links lead to leaving nodes that are freed before it, and the job may be dropped in between.
    pub(super) fn isolate_leaving(&mut self, parts: &mut Parts) -> usize {
        let Some(slot) = self.leaving.next_from(Slot(self.next as u32)) else {
            self.enter(Stage::Free);
            return 0;
        };
        self.next = slot.index() + 1;
        parts.graph.isolate(slot);
        cost::LOOK
    }

    /// Does `Free` for one leaving node.
    pub(super) fn free(&mut self, parts: &mut Parts) -> usize {
        let Some(slot) = self.leaving.next_from(Slot(self.next as u32)) else {
            if self.order.is_some() {
                self.enter(Stage::Arrange);
                return 0;
            }
            self.begin_move_down(parts.slots());
            return 0;
        };
        self.next = slot.index() + 1;
        parts.graph.free(slot);
        parts.release(slot);
        self.leaving.remove(slot);
        self.removed += 1;
        cost::FREE
    }
}
