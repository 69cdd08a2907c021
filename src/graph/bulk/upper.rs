//! The lists above level 0, which inserts make.

use super::nodes::Nodes;
use crate::graph::build::{Alone, NewNode};
use crate::graph::links::Graph;
use crate::graph::search::Scratch;
use crate::quantize::Space;
use crate::types::{Level, OutOfMemory};

/// The most that the lists above level 0 are built with for `efConstruction`: they only lead to where a search begins.
const UPPER_WIDTH: usize = 80;

/// Inserts members into the levels above level 0.
pub(super) fn raise_some(
    graph: &mut Graph,
    space: &dyn Space,
    nodes: &Nodes,
    members: &[u32],
    scratch: &mut Scratch,
) -> Result<(), OutOfMemory> {
    members.iter().try_for_each(|&member| raise(graph, space, nodes.get(member), scratch))
}

/// Inserts a node into the levels above level 0, if it is on any. The first of all is the entry point until then.
#[inline(never)]
fn raise(graph: &mut Graph, space: &dyn Space, node: NewNode, scratch: &mut Scratch) -> Result<(), OutOfMemory> {
    let node = NewNode { ef_construction: node.ef_construction.min(UPPER_WIDTH), ..node };
    if node.level == Level::BASE && graph.entry().is_some() {
        return Ok(());
    }
    graph.reserve_node(node.slot, node.level)?;
    graph.add_node(node.slot, node.level);
    let mut plan = core::mem::take(&mut scratch.plan);
    let planned = graph.plan(space, node, &graph.nodes, &Alone { lowest: Level(1) }, scratch, &mut plan);
    if planned.is_ok() {
        graph.carry_out(space, node, &mut plan, scratch);
    }
    scratch.plan = plan;
    planned
}
