//! One compaction, resumable after any step.

use super::arrange::Order;
use super::{Parts, ReclaimedBytes};
use crate::arena::{Evacuation, EvacuationError};
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

/// The steps, in the order of the list in `mod.rs`. Step 3 is in two phases, `IsolateLeaving` and `Free`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    CutOut,
    Relink,
    IsolateLeaving,
    Free,
    Arrange,
    MoveDown,
    Redirect,
    IsolateMoved,
    Release,
    Warm,
    Done,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::CutOut | Self::Relink | Self::IsolateLeaving | Self::Free => "graph",
            Self::Arrange | Self::MoveDown | Self::Redirect | Self::IsolateMoved | Self::Release => "move",
            Self::Warm | Self::Done => "warm",
        }
    }
}

/// The cost of one slot in each step, in microseconds, for some hundred dimensions too high rather than too low: the
/// driver relies on it between two looks at its clock, and adapts to what steps really take.
pub(super) mod cost {
    pub(in crate::compact) const CUT_OUT: usize = 20;
    pub(in crate::compact) const RELINK: usize = 20;
    /// What step 2 is planned to take for a node, since few of those that stay are relinked unless very many leave.
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
    pub(super) phase: Phase,
    /// The next slot of the current phase.
    pub(super) cursor: usize,
    /// The tombstones that this job removes: those that existed when it began.
    pub(super) leaving: SlotSet,
    /// The slots whose nodes have moved to other slots.
    pub(super) moved: SlotSet,
    /// Bytes that the graph and the codes have taken for moved nodes. They are subtracted from what is given back at
    /// the end.
    pub(super) grown: [usize; 2],
    /// The state of step 4; `None` if nodes are not put in graph order, or when they are.
    pub(super) order: Option<Order>,
    /// The highest node seen in step 2, which can be the entry point.
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
        let phase = match (gone, warm) {
            (0, _) if order.is_some() => Phase::Arrange,
            (0, _) if has_free => Phase::MoveDown,
            (0, 0) => Phase::Done,
            (0, _) => Phase::Warm,
            _ => Phase::CutOut,
        };
        Ok(Self {
            phase,
            cursor: if phase == Phase::MoveDown { slots } else { 0 },
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
        })
    }

    /// Does about `budget_us` microseconds of work, of one phase only. Returns false when no work is left.
    ///
    /// After an error the job must be dropped; the index is consistent.
    pub(crate) fn step(
        &mut self,
        parts: &mut Parts,
        scratch: &mut Scratch,
        budget_us: usize,
    ) -> Result<bool, EvacuationError> {
        let mut left_us = budget_us.max(1);
        let phase = self.phase;
        let held = parts.graph_and_codes();
        while left_us > 0 && self.phase == phase && phase != Phase::Done {
            let spent_us = match self.phase {
                Phase::CutOut => self.cut_out(parts, scratch)?,
                Phase::Relink => self.relink(parts, scratch)?,
                Phase::IsolateLeaving => self.isolate_leaving(parts),
                Phase::Free => self.free(parts),
                Phase::Arrange => self.arrange(parts)?,
                Phase::MoveDown => self.move_down(parts)?,
                Phase::Redirect => self.redirect(parts),
                Phase::IsolateMoved => self.isolate_moved(parts),
                Phase::Release => self.release(parts),
                Phase::Warm => self.reclaim_warm(parts, left_us)?,
                Phase::Done => 0,
            };
            self.count_done(spent_us);
            left_us = left_us.saturating_sub(spent_us.max(1));
        }
        for ((grown, before), after) in self.grown.iter_mut().zip(held).zip(parts.graph_and_codes()) {
            *grown += after.saturating_sub(before);
        }
        if self.phase == Phase::Done {
            self.done = self.total;
        }
        Ok(self.phase != Phase::Done)
    }

    /// Counts planned work as done.
    pub(super) fn count_done(&mut self, planned: usize) {
        self.done = (self.done + planned).min(self.total);
    }

    /// Makes up for counting more work as done than was planned, before it is counted.
    pub(super) const fn discount(&mut self, excess: usize) {
        self.done = self.done.saturating_sub(excess);
    }

    pub(super) const fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.cursor = 0;
    }

    /// Does about `budget_us` microseconds of step 9.
    fn reclaim_warm(&mut self, parts: &mut Parts, budget_us: usize) -> Result<usize, EvacuationError> {
        let warm = match &mut self.warm {
            Some(warm) => warm,
            None => self.warm.insert(Evacuation::plan(&parts.records.warm, 0)?),
        };
        let before = warm.done_bytes();
        let more = warm.step(&mut parts.records.warm, budget_us.saturating_mul(cost::WARM_BYTES));
        self.reclaimed.warm = warm.reclaimed_bytes();
        let moved = warm.done_bytes() - before;
        if !more? {
            self.phase = Phase::Done;
        }
        Ok((moved / cost::WARM_BYTES).max(1))
    }

    /// The current phase as a number.
    pub(crate) const fn stage(&self) -> u8 {
        self.phase as u8
    }

    pub(crate) const fn progress(&self) -> Progress {
        Progress { done: self.done, total: self.total, phase: self.phase.name() }
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
