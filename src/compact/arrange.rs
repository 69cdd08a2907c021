//! Step 4 of a compaction that also puts the index in graph order: nodes that link to each other come to lie side by side, so that a
//! search finds more of what it reads in pages and lines that it has been to.
//!
//! The order is that in which a depth-first walk meets the nodes. Slots are filled with it from the lowest on, a window of them at a
//! time: who is in the window moves out of it, to free slots beyond (*clearing*), and then those who come next move in (*filling*). Behind
//! either come steps 6 to 8, because only then are the slots free that were left. So of codes and links no more is held than a window
//! besides, and a job that is dropped leaves the windows behind it in order. The way of the walk takes up to four bytes a node.

use super::Parts;
use super::job::{Job, Phase, cost};
use crate::segments::SEGMENT_SLOTS;
use crate::types::{OutOfMemory, Slot};

/// A window is this part of the slots.
const WINDOW: usize = 8;

/// How far the order has come.
#[derive(Debug)]
pub(super) struct Order {
    /// So many slots there were. Those that have come since are for the next step: it ends however many come.
    slots: usize,
    /// Where the window begins, below which all is in order, and the first slot behind it: no more than there were, or what leaves it
    /// for the next new slot would be in it again.
    start: usize,
    end: usize,
    /// The next slot of the window.
    at: usize,
    is_filling: bool,
    /// No slot below this is free and beyond the window.
    spare: Slot,
    /// Who is there, and linked to from nobody that has been met, is looked for from here on.
    seed: usize,
    /// The way that the walk has come: slots in order, none of which moves again.
    path: Vec<Slot>,
    is_through: bool,
}

/// Slots of a window, where there are so many in all: whole segments, but for the last.
pub(crate) fn window(slots: usize) -> usize {
    (slots / WINDOW + 1).next_multiple_of(SEGMENT_SLOTS).min(slots)
}

impl Order {
    pub(super) fn new(slots: usize) -> Self {
        let end = window(slots);
        Self {
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

    /// What all of it takes when there are so many slots, in units.
    pub(super) const fn units(slots: usize) -> usize {
        // Each node moves twice, and behind each clearing and filling all links are looked at.
        2 * slots * (cost::MOVE + cost::LOOK + cost::FREE) + 2 * (WINDOW + 2) * slots * cost::LOOK
    }
}

impl Job {
    /// Step 4, for one slot.
    pub(super) fn arrange(&mut self, parts: &mut Parts) -> Result<usize, OutOfMemory> {
        match &self.order {
            Some(order) if !order.is_through && order.start < order.slots => {
                if order.is_filling {
                    self.fill(parts)
                } else {
                    self.clear_window(parts)
                }
            }
            _ => {
                self.order = None;
                self.enter(Phase::Pack);
                self.cursor = parts.slots();
                Ok(0)
            }
        }
    }

    /// One slot of the window is left by its node.
    fn clear_window(&mut self, parts: &mut Parts) -> Result<usize, OutOfMemory> {
        let Some(order) = &mut self.order else { return Ok(0) };
        let from = Slot(order.at as u32);
        if order.at >= order.end {
            (order.at, order.seed, order.is_filling) = (order.start, order.end, true);
            self.enter(Phase::Redirect);
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

    /// One free slot of the window gets the node that comes next, or the walk takes a step back.
    fn fill(&mut self, parts: &mut Parts) -> Result<usize, OutOfMemory> {
        let Some(order) = &mut self.order else { return Ok(0) };
        if order.at >= order.end {
            order.start = order.end;
            order.end = (order.end + window(order.slots)).min(order.slots);
            (order.is_filling, order.spare) = (false, Slot(order.end as u32));
            self.enter(Phase::Redirect);
            return Ok(0);
        }
        let to = Slot(order.at as u32);
        if !parts.ids.is_free(to) {
            // Whoever was inserted meanwhile is there.
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
                self.enter(Phase::Redirect);
                return Ok(0);
            }
            None => {
                order.seed += 1;
                Some(Slot(order.seed as u32 - 1)).filter(is_due)
            }
        };
        let Some(from) = next else { return Ok(cost::LOOK) };
        order.path.try_reserve(1)?;
        order.path.push(to);
        order.at += 1;
        self.carry(parts, from, to)?;
        Ok(cost::MOVE)
    }
}
