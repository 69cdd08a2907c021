//! Links back, the tree, and what the chosen links leave apart.

use super::nodes::Nodes;
use crate::graph::build::pool_limit_without_scan;
use crate::graph::links::{Graph, target};
use crate::graph::search::{Accept, LevelSearch, Scratch, descend};
use crate::graph::select::Neighbour;
use crate::graph::tree::{degree, join, place_to_attach};
use crate::quantize::Space;
use crate::types::{Level, OutOfMemory, Slot};

/// The width of a search for a node that a tree could be joined to.
const WIDTH: usize = 32;

/// Which members are in one tree: a forest in which each leads to another of its tree, or to itself.
#[derive(Debug)]
pub(super) struct Trees(Vec<u32>);

impl Trees {
    /// Each member is a tree of its own.
    pub(super) fn new(members: usize) -> Result<Self, OutOfMemory> {
        let mut heads = Vec::new();
        heads.try_reserve_exact(members)?;
        heads.extend(0..members as u32);
        Ok(Self(heads))
    }

    /// The member that stands for the tree of this one.
    pub(super) fn head(&self, member: u32) -> u32 {
        let mut at = member;
        while self.0[at as usize] != at {
            at = self.0[at as usize];
        }
        at
    }

    /// The same; all members on the way lead there from then on.
    fn shortened(&mut self, member: u32) -> u32 {
        let (head, mut at) = (self.head(member), member);
        while at != head {
            at = core::mem::replace(&mut self.0[at as usize], head);
        }
        head
    }

    /// Makes one tree of two. Returns false if they are one.
    fn unite(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.shortened(a), self.shortened(b));
        self.0[a.max(b) as usize] = a.min(b);
        a != b
    }

    /// Bytes held.
    pub(super) const fn resident_bytes(&self) -> usize {
        self.0.capacity() * size_of::<u32>()
    }
}

/// Makes the links back of a member, whose chosen ones are in its list. A link between two trees becomes a tree link.
#[inline(never)]
pub(super) fn attach(
    graph: &mut Graph,
    space: &dyn Space,
    nodes: &Nodes,
    member: u32,
    chosen: impl Iterator<Item = u32>,
    trees: &mut Trees,
    scratch: &mut Scratch,
) {
    let (slot, most) = (nodes.slot(member), graph.m());
    for chosen in chosen {
        let other = nodes.slot(chosen);
        // Half of each list is left to the heuristic.
        if degree(graph, slot) < most && degree(graph, other) < most && trees.unite(member, chosen) {
            join(graph, space, slot, other, &mut scratch.point);
            continue;
        }
        let links = graph.links(other, Level::BASE);
        if links.iter().any(|&link| target(link) == slot) {
            continue;
        }
        let is_full = links.len() == graph.capacity(Level::BASE);
        let mut list = core::mem::take(&mut scratch.plan.list);
        let (_, query, buffer) = scratch.split();
        // Only a full list is chosen anew, by distance.
        let distance = if is_full { space.around(slot, query).score(other) } else { 0.0 };
        graph.link_back(space, Neighbour::new(distance, other), slot, Level::BASE, &mut list, [query, buffer]);
        scratch.plan.list = list;
    }
}

/// Joins the tree of a member, if it is not yet that of `main`, the entry point, to a near node there.
#[inline(never)]
pub(super) fn rejoin(
    graph: &mut Graph,
    space: &dyn Space,
    nodes: &Nodes,
    member: u32,
    main: u32,
    trees: &mut Trees,
    scratch: &mut Scratch,
) -> Result<(), OutOfMemory> {
    let Some(entry) = graph.entry().filter(|_| trees.head(member) != trees.head(main)) else { return Ok(()) };
    let slot = nodes.slot(member);
    let (mut search_space, query, buffer) = scratch.split();
    let scorer = space.around(slot, query);
    let start = descend(graph, scorer, Level::BASE, &mut search_space)?.unwrap_or(entry);
    let head = trees.head(main);
    let mut is_main = |slot: Slot| nodes.index_of(slot).is_some_and(|member| trees.head(member) == head);
    let limit = pool_limit_without_scan(WIDTH);
    LevelSearch::for_links(graph, Level::BASE, scorer, start, WIDTH, limit)
        .run(&mut search_space, &mut Accept::If(&mut is_main))?;
    let mut candidates: Vec<Neighbour> = Vec::new();
    candidates.try_reserve(WIDTH + 1)?;
    candidates.extend(search_space.pool.accepted().map(|near| Neighbour::new(near.distance, near.slot)));
    if candidates.is_empty() {
        candidates.push(Neighbour::new(0.0, entry));
    }
    let is_twin = |other| space.are_twins(slot, other);
    if let Some(other) = place_to_attach(graph, slot, &candidates, &is_twin) {
        join(graph, space, slot, other, buffer);
        trees.unite(member, main);
    }
    Ok(())
}
