//! Linking many new nodes: the slow part only reads the graph, so it can be done for a whole batch at once.
//!
//! 1. All nodes of the batch are put into their slots, without links ([`Graph::add_node`]).
//! 2. A plan is made for each, in any order and on any thread ([`Graph::plan_beside`]): a walk through the graph as it
//!    was before the batch, plus the distances to all nodes that precede it in the batch. No walk meets those, yet they
//!    are often the nearest.
//! 3. In the order of the batch, the plans are carried out ([`Graph::link_planned`]). Every node that a plan names has
//!    its links by then.
//!
//! So the resulting graph depends on the batch, not on how many threads plan it.

use super::build::{Mates, NewNode, Plan};
use super::links::Graph;
use super::pool::Pool;
use super::scan::score_each;
use super::search::Scratch;
use crate::quantize::{Scorer, Space};
use crate::slot_set::SlotSet;
use crate::types::{Level, OutOfMemory};

/// The nodes that come before a given one in its batch.
struct Earlier<'a>(&'a [NewNode]);

impl Mates for Earlier<'_> {
    const ANY: bool = true;

    fn top(&self) -> Level {
        self.0.iter().map(|node| node.level).max().unwrap_or(Level::BASE)
    }

    fn offer(&self, level: Level, point: Scorer<'_>, pool: &mut Pool) {
        let there = self.0.iter().filter(|node| node.level >= level).map(|node| node.slot);
        score_each(point, there, |candidate| {
            if pool.admits(candidate.distance) {
                pool.insert_unless_twin(candidate.distance, candidate.slot, true, &|a, b| point.are_twins(a, b));
            }
        });
    }
}

impl Graph {
    /// Plans the links of a node: to nodes of `live`, and to the `earlier` nodes of its batch. Like the node itself,
    /// those have their slots and codes already, and no links yet.
    pub(crate) fn plan_beside(
        &self,
        space: &dyn Space,
        node: NewNode,
        live: &SlotSet,
        earlier: &[NewNode],
        scratch: &mut Scratch,
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        self.plan(space, node, live, &Earlier(earlier), scratch, plan)
    }

    /// Gives a node its planned links, once all nodes before it in its batch have theirs.
    pub(crate) fn link_planned(&mut self, space: &dyn Space, node: NewNode, plan: &mut Plan, scratch: &mut Scratch) {
        self.carry_out(space, node, plan, scratch);
    }
}
