//! One compaction, resumable after any step.

use super::arrange::Order;
use super::{Parts, ReclaimedBytes};
use crate::arena::{Evacuation, MoveError};
use crate::graph::Scratch;
use crate::slot_set::SlotSet;
use crate::types::{OutOfMemory, Slot};

/// How far a compaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Work done, in units of about a microsecond. Never decreases.
    pub done: usize,
    /// Work in all, in the same units.
    pub total: usize,
    /// The part that is being compacted: "graph", "move" or "warm".
    pub phase: &'static str,
}

/// The stages, as `mod.rs` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    CutOut,
    Relink,
    IsolateLeaving,
    Free,
    Arrange,
    MoveDown,
    Redirect,
    IsolateMoved,
    Release,
    ShrinkIds,
    ShrinkArrays,
    Warm,
    Done,
}

impl Stage {
    /// The part of a compaction that callers are told.
    const fn phase(self) -> &'static str {
        match self {
            Self::CutOut | Self::Relink | Self::IsolateLeaving | Self::Free => "graph",
            Self::Arrange
            | Self::MoveDown
            | Self::Redirect
            | Self::IsolateMoved
            | Self::Release
            | Self::ShrinkIds
            | Self::ShrinkArrays => "move",
            Self::Warm | Self::Done => "warm",
        }
    }
}

/// The cost of one slot in each stage, in microseconds, for some hundred dimensions too high rather than too low: the
/// driver relies on it between two looks at its clock, and adapts to what steps really take.
pub(super) mod cost {
    pub(in crate::compact) const CUT_OUT: usize = 20;
    pub(in crate::compact) const RELINK: usize = 20;
    /// What relinking is planned to take for a node, since few of those that stay are relinked unless very many leave.
    pub(in crate::compact) const STAY: usize = 4;
    pub(in crate::compact) const LOOK: usize = 1;
    pub(in crate::compact) const FREE: usize = 1;
    pub(in crate::compact) const MOVE: usize = 3;
    pub(in crate::compact) const SHRINK: usize = 50;
    /// Bytes that a microsecond moves and verifies.
    pub(in crate::compact) const WARM_BYTES: usize = 1 << 10;
}

/// A compaction under way.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) stage: Stage,
    /// The next slot of the current stage, or in `ShrinkIds` the next table. `MoveDown`, `Arrange` and `Warm`
    /// have positions of their own; `ShrinkArrays` goes by what is left of the arrays.
    pub(super) next: usize,
    /// In `MoveDown`, the slot above the next one to look at, which goes down.
    pub(super) move_end: usize,
    /// The tombstones that this job removes: those that existed when it began.
    pub(super) leaving: SlotSet,
    /// The slots whose nodes have moved to other slots.
    pub(super) moved: SlotSet,
    /// Bytes that the graph and the codes have taken for moved nodes. They are subtracted from what is given back at
    /// the end.
    pub(super) grown: [usize; 2],
    /// The state of `Arrange`; `None` if nodes are not put in graph order, or when they are.
    pub(super) order: Option<Order>,
    /// The highest node seen in `Relink`, which can be the entry point.
    pub(super) highest: Option<Slot>,
    warm: Option<Evacuation>,
    pub(super) removed: usize,
    pub(super) reclaimed: ReclaimedBytes,
    done: usize,
    total: usize,
}

impl Job {
    /// Bytes of what grows with the number of slots.
    pub(crate) fn resident_bytes(&self) -> usize {
        let path = self.order.as_ref().map_or(0, Order::resident_bytes);
        self.leaving.resident_bytes() + self.moved.resident_bytes() + path
    }

    /// Begins a job, which puts the index in graph order if `order` says how. Fixes which tombstones it will remove.
    pub(crate) fn begin(parts: &Parts, order: Option<Order>) -> Result<Self, OutOfMemory> {
        let leaving = parts.tombstones.deleted_slots().snapshot()?;
        let warm = parts.records.stale_bytes();
        let gone = leaving.count();
        let (slots, stay) = (parts.slots(), parts.tombstones.live());
        let graph = gone * (cost::CUT_OUT + cost::FREE + cost::MOVE + cost::FREE + 2 * cost::LOOK) + stay * cost::STAY;
        let looks = 2 * slots * cost::LOOK;
        // A job that was dropped may have left free slots, which nothing but moving nodes into them gives back.
        let has_free = slots > stay + gone;
        let total = if gone > 0 { graph } else { 0 }
            + if gone > 0 || has_free { looks } else { 0 }
            + order.as_ref().map_or(0, Order::cost_us)
            + if warm > 0 { parts.records.warm.resident_bytes() / cost::WARM_BYTES } else { 0 };
        // Without stale bytes there is nothing to evacuate: spare room of the open slab does not count as reclaimed.
        let stage = match (gone, warm) {
            (0, _) if order.is_some() => Stage::Arrange,
            (0, _) if has_free => Stage::MoveDown,
            (0, 0) => Stage::Done,
            (0, _) => Stage::Warm,
            _ => Stage::CutOut,
        };
        let mut job = Self {
            stage,
            next: 0,
            move_end: 0,
            leaving,
            moved: SlotSet::new(),
            grown: [0; 2],
            order,
            highest: None,
            warm: None,
            removed: 0,
            reclaimed: ReclaimedBytes::default(),
            done: 0,
            total: total.max(1),
        };
        if stage == Stage::MoveDown {
            job.begin_move_down(slots);
        }
        Ok(job)
    }

    /// Does about `budget_us` microseconds of work, of one stage only. Returns false when no work is left.
    ///
    /// After an error the job must be dropped; the index is consistent.
    pub(crate) fn step(
        &mut self,
        parts: &mut Parts,
        scratch: &mut Scratch,
        budget_us: usize,
    ) -> Result<bool, MoveError> {
        let mut left_us = budget_us.max(1);
        let stage = self.stage;
        let held = parts.graph_and_codes();
        while left_us > 0 && self.stage == stage && stage != Stage::Done {
            let spent_us = match self.stage {
                Stage::CutOut => self.cut_out(parts, scratch)?,
                Stage::Relink => self.relink(parts, scratch)?,
                Stage::IsolateLeaving => self.isolate_leaving(parts),
                Stage::Free => self.free(parts),
                Stage::Arrange => self.arrange(parts)?,
                Stage::MoveDown => self.move_down(parts)?,
                Stage::Redirect => self.redirect(parts),
                Stage::IsolateMoved => self.isolate_moved(parts),
                Stage::Release => self.release(parts),
                Stage::ShrinkIds => self.shrink_ids(parts),
                Stage::ShrinkArrays => self.shrink_arrays(parts),
                Stage::Warm => self.reclaim_warm(parts, left_us)?,
                Stage::Done => 0,
            };
            self.count_done(spent_us);
            left_us = left_us.saturating_sub(spent_us.max(1));
        }
        for ((grown, before), after) in self.grown.iter_mut().zip(held).zip(parts.graph_and_codes()) {
            *grown += after.saturating_sub(before);
        }
        if self.stage == Stage::Done {
            self.done = self.total;
        }
        Ok(self.stage != Stage::Done)
    }

    /// Counts planned work as done.
    pub(super) fn count_done(&mut self, planned: usize) {
        self.done = (self.done + planned).min(self.total);
    }

    /// Makes up for counting more work as done than was planned, before it is counted.
    pub(super) const fn discount(&mut self, excess: usize) {
        self.done = self.done.saturating_sub(excess);
    }

    pub(super) const fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.next = 0;
    }

    /// Does about `budget_us` microseconds of `Warm`.
    fn reclaim_warm(&mut self, parts: &mut Parts, budget_us: usize) -> Result<usize, MoveError> {
        let warm = match &mut self.warm {
            Some(warm) => warm,
            None => self.warm.insert(Evacuation::plan(&parts.records.warm, 0)?),
        };
        let before = warm.done_bytes();
        let more = warm.step(&mut parts.records.warm, budget_us.saturating_mul(cost::WARM_BYTES));
        self.reclaimed.warm = warm.reclaimed_bytes();
        let moved = warm.done_bytes() - before;
        if !more? {
            self.stage = Stage::Done;
        }
        Ok((moved / cost::WARM_BYTES).max(1))
    }

    /// The current stage as a number.
    pub(crate) const fn stage(&self) -> u8 {
        self.stage as u8
    }

    pub(crate) const fn progress(&self) -> Progress {
        Progress { done: self.done, total: self.total, phase: self.stage.phase() }
    }

    /// How many of the present tombstones stand for records that only moved.
    pub(crate) const fn moved(&self) -> usize {
        self.moved.count()
    }

    /// The number of tombstones removed and the bytes freed so far.
    pub(crate) const fn outcome(&self) -> (usize, ReclaimedBytes) {
        (self.removed, self.reclaimed)
    }
}
