//! Tree links: at least one for each node on level 0, held by both ends, never pruned. They are what makes every live
//! node reachable, by construction instead of by chance.

use super::links::{Graph, TREE, target};
use super::search::neighbours;
use super::select::Neighbour;
use crate::quantize::{PointBuffer, Scorer, Space};
use crate::types::{Level, Slot};
use std::collections::VecDeque;

const BASE: Level = Level(0);

/// The nodes that `slot` shares a tree link with.
pub(super) fn tree_neighbours(graph: &Graph, slot: Slot) -> impl Iterator<Item = Slot> {
    graph.links(slot, BASE).iter().filter(|&&link| link & TREE != 0).map(|&link| target(link))
}

fn degree(graph: &Graph, slot: Slot) -> usize {
    graph.links(slot, BASE).iter().filter(|&&link| link & TREE != 0).count()
}

/// The node that a new one should share its tree link with: the nearest of `chosen` that holds fewer than M of them,
/// or else the nearest to it in the tree. Half of each list is thus left to the heuristic.
pub(super) fn place_to_attach(graph: &Graph, chosen: &[Neighbour]) -> Option<Slot> {
    let has_room = |slot: Slot| degree(graph, slot) < graph.m();
    let nearest = chosen.first()?.slot;
    chosen
        .iter()
        .map(|neighbour| neighbour.slot)
        .find(|&slot| has_room(slot))
        .or_else(|| nearest_in_tree(graph, nearest, has_room))
}

/// The first node, walking the tree outwards from `start`, that passes. A finite tree has leaves, so one does.
#[inline(never)]
fn nearest_in_tree(graph: &Graph, start: Slot, passes: impl Fn(Slot) -> bool) -> Option<Slot> {
    let mut queue = VecDeque::from([(start, Slot::NONE)]);
    while let Some((slot, from)) = queue.pop_front() {
        if passes(slot) {
            return Some(slot);
        }
        queue.extend(tree_neighbours(graph, slot).filter(|&next| next != from).map(|next| (next, slot)));
    }
    None
}

/// Makes a tree link between two nodes. Each holds fewer tree links than a list is long; where the list is full, the
/// farthest link that is not a tree link gives way.
#[inline(never)]
pub(super) fn join<S: Space>(graph: &mut Graph, space: &S, a: Slot, b: Slot, buffer: &mut PointBuffer) {
    for (here, there) in [(a, b), (b, a)] {
        let list = graph.list_mut(here, BASE);
        if let Some(link) = list.iter_mut().find(|link| target(**link) == there) {
            *link |= TREE;
        } else if !graph.append(here, BASE, there.0 | TREE) {
            let point = space.point(here, buffer);
            let farthest = graph
                .links(here, BASE)
                .iter()
                .enumerate()
                .filter(|&(_, &link)| link & TREE == 0)
                .max_by(|a, b| point.score(target(*a.1)).total_cmp(&point.score(target(*b.1))))
                .map(|(at, _)| at);
            if let Some(at) = farthest {
                graph.list_mut(here, BASE)[at] = there.0 | TREE;
            }
        }
    }
}

/// Takes a node out of the tree: its tree links become ordinary ones, and the nodes that it held together are joined
/// directly, each to the nearest of those before it. Expected cost: a few distances, for a node of a tree has two tree
/// links on average.
#[inline(never)]
pub(crate) fn cut_out<S: Space>(graph: &mut Graph, space: &S, slot: Slot, buffer: &mut PointBuffer) {
    let parts: Vec<Slot> = tree_neighbours(graph, slot).collect();
    for link in graph.list_mut(slot, BASE) {
        if *link != super::links::END {
            *link &= !TREE;
        }
    }
    for &part in &parts {
        for link in graph.list_mut(part, BASE).iter_mut().filter(|link| target(**link) == slot) {
            *link &= !TREE;
        }
    }
    let full = 2 * graph.m();
    for (at, &part) in parts.iter().enumerate().skip(1) {
        let nearest = {
            let point = space.point(part, buffer);
            let with_room = parts[..at].iter().copied().filter(|&other| degree(graph, other) < full);
            with_room.min_by(|&a, &b| point.score(a).total_cmp(&point.score(b)))
        };
        let nearest = nearest.or_else(|| nearest_in_tree(graph, parts[0], |other| degree(graph, other) < full));
        // The part has just lost a tree link, so it has room for this one.
        if let Some(nearest) = nearest {
            join(graph, space, part, nearest, buffer);
        }
    }
}

/// Gives the tree links of `from` to `to`, a fresh copy of it: in the lists of the nodes at their other ends, and in
/// the list of `from` itself, where they become ordinary links.
pub(super) fn hand_over(graph: &mut Graph, from: Slot, to: Slot) {
    let held: Vec<Slot> = tree_neighbours(graph, to).collect();
    for neighbour in held {
        for link in graph.list_mut(neighbour, BASE).iter_mut().filter(|link| **link == from.0 | TREE) {
            *link = to.0 | TREE;
        }
    }
    let plain: Vec<u32> = neighbours(graph.list(from, BASE)).map(|slot| slot.0).collect();
    graph.set_links(from, BASE, plain);
}
