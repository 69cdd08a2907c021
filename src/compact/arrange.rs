//! Stage 5 of a compaction that also puts the index in graph order: nodes that link to each other come to lie side by
//! side, so that a search finds more of what it reads in pages and cache lines that it has already visited.
//!
//! The order is that in which a depth-first walk meets the nodes. It is put into the slots from the lowest on, a window
//! of slots at a time: the nodes in the window move out of it, to free slots behind it (*clearing*), then the nodes
//! that come next in the order move in (*filling*). Stages 7 to 9 follow each clearing and each filling, because only
//! they free the slots that the nodes have left. So at most a window of codes and links is held besides, and a job that
//! is dropped leaves the finished windows in order. The path of the walk takes up to eight bytes a node.
//!
//! The package loads this code in the wasm file of bulk builds (`pkg/build/split.mjs`). So there nothing but
//! [`Order::new`] leads here: it puts a pointer to [`go_on`] into the job.

use super::Parts;
use super::job::{Job, Stage, cost};
use crate::arena::MoveError;
use crate::segments::SEGMENT_SLOTS;
use crate::types::{OutOfMemory, Slot};

/// Into about so many windows the slots are divided: fewer where a window would not be whole segments.
const WINDOWS: usize = 4;

/// Does `Arrange` for one slot, and returns the cost.
type Work = fn(&mut Job, &mut Parts) -> Result<usize, MoveError>;

/// How far the order has come.
#[derive(Debug)]
pub(crate) struct Order {
    work: Work,
    /// How many slots are to be put in order: one for each node that stays when the job begins. Later nodes are left to
    /// `MoveDown`, so that this stage ends however many come.
    slots: usize,
    /// The window: its first slot, below which all is in order, and the slot behind its last. The end is at most
    /// `slots`: otherwise a node that leaves the window for the next new slot could be in the window again.
    start: usize,
    end: usize,
    /// The next slot of the window to look at.
    at: usize,
    is_filling: bool,
    /// No slot behind the window and below this one is free.
    spare: Slot,
    /// Where the search goes on for nodes that no visited node links to. Each of them begins a new tree of the walk.
    seed: usize,
    /// The path of the walk: slots that are in order, none of which moves again.
    path: Vec<Slot>,
    is_through: bool,
}

/// The number of slots in a window when there are `slots` in all: whole segments, except for the last window.
pub(crate) fn window(slots: usize) -> usize {
    (slots / WINDOWS + 1).next_multiple_of(SEGMENT_SLOTS).min(slots)
}

impl Order {
    /// The order in which a job puts the nodes of an index with these parts.
    pub(crate) fn new(parts: &Parts) -> Self {
        let slots = parts.tombstones.live();
        let end = window(slots);
        Self {
            work: go_on,
            slots,
            start: 0,
            end,
            at: 0,
            is_filling: false,
            spare: Slot(end as u32),
            seed: 0,
            path: Vec::new(),
            is_through: false,
        }
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        self.path.capacity() * size_of::<Slot>()
    }

    /// The cost of the whole stage, in microseconds.
    pub(super) const fn cost_us(&self) -> usize {
        // Each node moves twice, and after each clearing and filling all links are looked at.
        2 * self.slots * (cost::MOVE + cost::LOOK + cost::FREE) + 2 * (WINDOWS + 2) * self.slots * cost::LOOK
    }
}

fn go_on(job: &mut Job, parts: &mut Parts) -> Result<usize, MoveError> {
    match &job.order {
        Some(order) if !order.is_through && order.start < order.slots => {
            if order.is_filling {
                job.fill(parts)
            } else {
                job.clear_window(parts)
            }
        }
        _ => Ok(job.end_order(parts)),
    }
}

impl Job {
    /// Does `Arrange` for one slot.
    pub(super) fn arrange(&mut self, parts: &mut Parts) -> Result<usize, MoveError> {
        match &self.order {
            Some(order) => (order.work)(self, parts),
            None => Ok(self.end_order(parts)),
        }
    }

    fn end_order(&mut self, parts: &Parts) -> usize {
        self.order = None;
        self.begin_move_down(parts.slots());
        0
    }

    /// Clears one slot of the window: its node moves to a free slot behind the window.
    fn clear_window(&mut self, parts: &mut Parts) -> Result<usize, MoveError> {
        let Some(order) = &mut self.order else { return Ok(0) };
        let from = Slot(order.at as u32);
        if order.at >= order.end {
            (order.at, order.seed, order.is_filling) = (order.start, order.end, true);
            self.enter(Stage::Redirect);
            return Ok(0);
        }
        order.at += 1;
        if !parts.graph.has_node(from) {
            return Ok(cost::LOOK);
        }
        let to = parts.ids.free_from(order.spare).unwrap_or(Slot(parts.slots() as u32));
        order.spare = to;
        self.carry(parts, from, to)?;
        Ok(cost::MOVE)
    }

    /// Fills one slot of the window with the next node of the order, or takes the walk one step back.
    fn fill(&mut self, parts: &mut Parts) -> Result<usize, MoveError> {
        let Some(order) = &mut self.order else { return Ok(0) };
        if order.at >= order.end {
            order.start = order.end;
            order.end = (order.end + window(order.slots)).min(order.slots);
            (order.is_filling, order.spare) = (false, Slot(order.end as u32));
            self.enter(Stage::Redirect);
            return Ok(0);
        }
        let to = Slot(order.at as u32);
        if !parts.ids.is_free(to) {
            // A record that was inserted in the meantime is in this slot.
            order.at += 1;
            return Ok(cost::LOOK);
        }
        let (end, moved, graph) = (order.end, &self.moved, &parts.graph);
        let is_due = |slot: &Slot| slot.index() >= end && !moved.contains(*slot) && graph.has_node(*slot);
        let next = match order.path.last() {
            Some(&last) => {
                let next = graph.neighbours(last).find(is_due);
                if next.is_none() {
                    order.path.pop();
                }
                next
            }
            None if order.seed >= parts.slots() => {
                order.is_through = true;
                self.enter(Stage::Redirect);
                return Ok(0);
            }
            None => {
                order.seed += 1;
                Some(Slot(order.seed as u32 - 1)).filter(is_due)
            }
        };
        let Some(from) = next else { return Ok(cost::LOOK) };
        order.path.try_reserve(1).map_err(OutOfMemory::from)?;
        order.path.push(to);
        order.at += 1;
        self.carry(parts, from, to)?;
        Ok(cost::MOVE)
    }
}
