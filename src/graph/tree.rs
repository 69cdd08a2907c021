//! Tree links: at least one for each node on level 0, held by both ends, never pruned. They are what makes every live
//! node reachable, by construction instead of by chance.

use super::build::score_list;
use super::links::{END, Graph, TREE, target};
use super::list_copy::ListCopy;
use super::select::Neighbour;
use crate::quantize::{Point, Space};
use crate::types::{Level, Slot};

/// The nodes that `slot` shares a tree link with.
pub(super) fn tree_neighbours(graph: &Graph, slot: Slot) -> impl Iterator<Item = Slot> {
    graph.links(slot, Level::BASE).iter().filter(|&&link| link & TREE != 0).map(|&link| target(link))
}

pub(super) fn degree(graph: &Graph, slot: Slot) -> usize {
    graph.links(slot, Level::BASE).iter().filter(|&&link| link & TREE != 0).count()
}

/// The node that a new one should share its tree link with: the nearest of `chosen` that holds fewer than M tree links,
/// or else one not far from it in the tree. Half of each list is thus left to the heuristic.
///
/// If the nearest is a twin of the new node, a twin found on a path from it takes precedence over all others. Few links
/// other than its tree link lead to a twin, so that is how a walk that follows twins meets the rest of them.
pub(super) fn place_to_attach(
    graph: &Graph,
    new: Slot,
    chosen: &[Neighbour],
    is_twin: &dyn Fn(Slot) -> bool,
) -> Option<Slot> {
    let (nearest, most) = (chosen.first()?.slot, graph.m());
    let among_twins = if is_twin(nearest) { near_in_tree(graph, nearest, most, new, is_twin) } else { None };
    let mut slots = chosen.iter().map(|neighbour| neighbour.slot);
    among_twins
        .or_else(|| slots.find(|&slot| degree(graph, slot) < most))
        .or_else(|| near_in_tree(graph, nearest, most, new, &|_| true))
}

/// Returns a node with fewer than `most` tree links: `start`, or else the first found on a path from it that checks all
/// tree neighbours of a node before it moves on to one of them. A path that never turns back ends at a leaf, which has
/// one tree link, because the tree is finite. It needs no memory, whereas a search in all directions would need a
/// queue. The slot that the place is `meant` for decides where the path turns, so that successive nodes fill the tree
/// evenly and paths stay short. Apart from `start`, only nodes that pass are considered.
#[inline(never)]
fn near_in_tree(graph: &Graph, start: Slot, most: usize, meant: Slot, passes: &dyn Fn(Slot) -> bool) -> Option<Slot> {
    let mut turn = meant.index();
    let has_room = |slot: &Slot| degree(graph, *slot) < most;
    let (mut slot, mut from) = (start, Slot::NONE);
    if has_room(&slot) {
        return Some(slot);
    }
    loop {
        let onwards = || tree_neighbours(graph, slot).filter(|&next| next != from && passes(next));
        if let Some(found) = onwards().find(has_room) {
            return Some(found);
        }
        let ways = onwards().count();
        (slot, from) = (onwards().nth(turn.checked_rem(ways)?)?, slot);
        turn /= ways;
    }
}

/// Makes a tree link between two nodes. Each must hold fewer tree links than a list has places. If the list is full,
/// the farthest link that is not a tree link gives way.
#[inline(never)]
pub(super) fn join(graph: &mut Graph, space: &dyn Space, a: Slot, b: Slot, buffer: &mut Point) {
    for (here, there) in [(a, b), (b, a)] {
        let list = graph.list_mut(here, Level::BASE);
        if let Some(link) = list.iter_mut().find(|link| target(**link) == there) {
            *link |= TREE;
        } else if !graph.append(here, Level::BASE, there.0 | TREE) {
            let (mut at, mut farthest) = (0, None);
            score_list(space.around(here, buffer), graph.links(here, Level::BASE), |distance, link| {
                if link & TREE == 0 && farthest.is_none_or(|(_, most)| distance >= most) {
                    farthest = Some((at, distance));
                }
                at += 1;
            });
            if let Some((at, _)) = farthest {
                graph.list_mut(here, Level::BASE)[at] = there.0 | TREE;
            }
        }
    }
}

/// Takes a node out of the tree: its tree links become ordinary ones, and the nodes that it held together are joined
/// directly, each to the nearest of those before it. Expected cost: a few distances, because a node of a tree has two
/// tree links on average.
#[inline(never)]
pub(crate) fn cut_out(graph: &mut Graph, space: &dyn Space, slot: Slot, buffer: &mut Point) {
    let parts = parted(graph, slot);
    let parts = || parts.iter().copied().map(Slot);
    let full = 2 * graph.m();
    for (at, part) in parts().enumerate().skip(1) {
        let nearest = {
            let point = space.around(part, buffer);
            let with_room = parts().take(at).filter(|&other| degree(graph, other) < full);
            // Among twins, the one with the fewest tree links: otherwise one of them would get them all.
            with_room.min_by(|&a, &b| {
                let order = point.score(a).total_cmp(&point.score(b));
                order.then_with(|| degree(graph, a).cmp(&degree(graph, b)))
            })
        };
        let nearest = nearest.or_else(|| near_in_tree(graph, parts().next()?, full, part, &|_| true));
        // The part has just lost a tree link, so it has room for this one.
        if let Some(nearest) = nearest {
            join(graph, space, part, nearest, buffer);
        }
    }
}

/// Takes a node out of the tree without joining the parts that it held together, for when they are not needed.
pub(crate) fn detach(graph: &mut Graph, slot: Slot) {
    parted(graph, slot);
}

/// Turns the tree links of a node into ordinary ones, in its list and at their other ends, and returns those ends.
fn parted(graph: &mut Graph, slot: Slot) -> ListCopy {
    let parts: ListCopy = tree_neighbours(graph, slot).map(|part| part.0).collect();
    for link in graph.list_mut(slot, Level::BASE) {
        if *link != END {
            *link &= !TREE;
        }
    }
    for part in parts.iter().copied().map(Slot) {
        for link in graph.list_mut(part, Level::BASE).iter_mut().filter(|link| target(**link) == slot) {
            *link &= !TREE;
        }
    }
    parts
}

/// Gives the tree links of `from` to `to`, a fresh copy of it: in the lists of the nodes at their other ends, and in
/// the list of `from` itself, where they become ordinary links.
pub(super) fn hand_over(graph: &mut Graph, from: Slot, to: Slot) {
    let held: ListCopy = tree_neighbours(graph, to).map(|neighbour| neighbour.0).collect();
    for neighbour in held.iter().copied().map(Slot) {
        for link in graph.list_mut(neighbour, Level::BASE).iter_mut().filter(|link| **link == from.0 | TREE) {
            *link = to.0 | TREE;
        }
    }
    for link in graph.list_mut(from, Level::BASE).iter_mut().filter(|link| **link != END) {
        *link &= !TREE;
    }
}
