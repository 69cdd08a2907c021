//! Linking a new node (Algorithm 1 of the paper).
//!
//! 1. From the entry point, descend to the node's level.
//! 2. On each level from there down, search with a width derived from `efConstruction` and choose up to M of the live
//!    nodes found. Up to here the graph is only read, and everything that can fail (allocation) is done.
//! 3. Put the node in its slot, with its links, and link back from each chosen node. A full list is chosen anew by the
//!    same heuristic.
//! 4. On level 0, one link is made the node's tree link.

use super::growth::{FEWEST, Growth};
use super::links::{Graph, TREE, target, used};
use super::pool::Pool;
use super::scan::scan;
use super::search::{Accept, LevelSearch, Outcome, Scratch, descend};
use super::select::{Gaps, Neighbour, select, sort};
use super::tree;
use super::twins::{Twins, drop_twins};
use crate::quantize::{Point, Scorer, Space};
use crate::slot_set::SlotSet;
use crate::types::{Distance, Level, OutOfMemory, Slot};

/// Buffers of the build, kept from one insert to the next.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The candidates of the level at hand.
    candidates: Vec<Neighbour>,
    /// The chosen neighbours of all levels, and how many each level has, highest level first.
    chosen: Vec<Neighbour>,
    counts: Vec<(Level, usize)>,
    /// A neighbour's list while it is chosen anew.
    pub(super) list: Vec<Neighbour>,
    /// The growth of distances observed among the candidates.
    pub(super) growth: Growth,
}

impl Plan {
    /// Bytes held.
    pub(super) const fn resident_bytes(&self) -> usize {
        (self.candidates.capacity() + self.chosen.capacity() + self.list.capacity()) * size_of::<Neighbour>()
            + self.counts.capacity() * size_of::<(Level, usize)>()
    }
}

/// Nodes that get their links right before a new one. No link leads to them yet, so no walk meets them.
pub(super) trait Mates {
    /// Whether there can be any.
    const ANY: bool;

    /// The highest level of any of them.
    fn top(&self) -> Level;

    /// The lowest level on which the node is to be linked.
    fn lowest(&self) -> Level {
        Level::BASE
    }

    /// Offers the pool those on `level`, which adds the ones that are near enough.
    fn offer(&self, level: Level, point: Scorer<'_>, pool: &mut Pool);
}

/// No mates: the node is inserted alone.
pub(super) struct Alone {
    pub(super) lowest: Level,
}

impl Mates for Alone {
    const ANY: bool = false;

    fn top(&self) -> Level {
        Level::BASE
    }

    fn lowest(&self) -> Level {
        self.lowest
    }

    fn offer(&self, _: Level, _: Scorer<'_>, _: &mut Pool) {}
}

/// A node about to be linked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewNode {
    pub(crate) slot: Slot,
    pub(crate) level: Level,
    /// The searches for its neighbours keep about three quarters of this many candidates.
    pub(crate) ef_construction: usize,
}

/// The width of a search for neighbours: three quarters of `ef_construction`. That saves a sixth of the building time;
/// among 100,000 records, queries then measure 2 % more distances at recall .99, and 1 % more at .95
/// (docs/EXPERIMENTS.md). Ending these searches by the growth of distances, as queries do, costs more recall for the
/// same saving: among near neighbours it ends before any farther ones are found.
fn width(ef_construction: usize) -> usize {
    (ef_construction - ef_construction / 4).max(ef_construction.min(FEWEST))
}

/// How many candidates a search of width `ef` may hold before it gives way to an exact scan.
pub(crate) const fn pool_limit(ef: usize) -> usize {
    pool_limit_without_scan(ef) + 1024
}

/// How many candidates a search of width `ef` may hold if it ends there, with what it has found.
pub(super) const fn pool_limit_without_scan(ef: usize) -> usize {
    16 * ef
}

impl Graph {
    /// Links a new node to nodes of `live`. Its code is already in `space`; its slot is not in `live` yet.
    ///
    /// On an error nothing has changed. Expected cost: O(efConstruction log n) distances.
    pub(crate) fn insert(
        &mut self,
        space: &dyn Space,
        node: NewNode,
        live: &SlotSet,
        scratch: &mut Scratch,
    ) -> Result<(), OutOfMemory> {
        self.reserve_node(node.slot, node.level)?;
        let mut plan = core::mem::take(&mut scratch.plan);
        let planned = self.plan(space, node, live, &Alone { lowest: Level::BASE }, scratch, &mut plan);
        if planned.is_ok() {
            self.add_node(node.slot, node.level);
            self.carry_out(space, node, &mut plan, scratch);
        }
        scratch.plan = plan;
        planned
    }

    /// Steps 3 and 4 for a node that is in its slot, without links yet.
    #[inline]
    pub(super) fn carry_out(&mut self, space: &dyn Space, node: NewNode, plan: &mut Plan, scratch: &mut Scratch) {
        let NewNode { slot, level, .. } = node;
        self.set_growth(self.growth().plus(plan.growth));
        self.link(space, slot, plan, scratch);
        let is_highest = self.entry().and_then(|entry| self.level(entry)).is_none_or(|top| level > top);
        // With no live node to link to, the node starts a tree of its own, and searches must start there.
        if is_highest || plan.chosen.is_empty() {
            self.set_entry(Some(slot));
        }
    }

    /// Steps 1 and 2, on all levels from the lowest that the mates name: fills `plan` without changing the graph.
    pub(super) fn plan<M: Mates>(
        &self,
        space: &dyn Space,
        node: NewNode,
        live: &SlotSet,
        mates: &M,
        scratch: &mut Scratch,
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        let NewNode { slot, level, ef_construction } = node;
        let ef = width(ef_construction);
        let Plan { candidates, chosen, counts, list, growth } = plan;
        *growth = Growth::default();
        chosen.clear();
        counts.clear();
        candidates.clear();
        candidates.try_reserve(ef)?;
        chosen.try_reserve(self.m() * (usize::from(level.0) + 1))?;
        counts.try_reserve(usize::from(level.0) + 1)?;
        list.clear();
        list.try_reserve(2 * self.m() + 1)?;
        if live.is_empty() {
            return Ok(());
        }
        let (mut space_of_search, query, buffer) = scratch.split();
        let point = space.around(slot, query);
        let Some(mut start) = descend(self, point, level, &mut space_of_search)? else { return Ok(()) };
        let top = self.entry().and_then(|entry| self.level(entry)).unwrap_or(Level::BASE);
        for level in (mates.lowest().0..=level.min(top.max(mates.top())).0).rev().map(Level) {
            let limit = pool_limit(ef);
            if M::ANY && level > top {
                space_of_search.pool.begin(ef, limit, Twins::Few)?;
            } else {
                let search = LevelSearch::for_links(self, level, point, start, ef, limit);
                let outcome = search.run(&mut space_of_search, &mut Accept::Live(live))?;
                if let Some(nearest) = space_of_search.pool.nearest() {
                    start = nearest;
                }
                if level == Level::BASE && (outcome == Outcome::Overflow || space_of_search.pool.accepted_len() == 0) {
                    scan(point, live, &mut Accept::All, ef, space_of_search.pool)?;
                }
            }
            mates.offer(level, point, space_of_search.pool);
            candidates.clear();
            // A node that is in the graph already finds itself.
            let others = space_of_search.pool.accepted().filter(|candidate| candidate.slot != slot);
            candidates.extend(others.map(|other| Neighbour::new(other.distance, other.slot)));
            drop_twins(space, candidates);
            if level == Level::BASE {
                *growth = Growth::default().and(|nth| candidates[nth].distance, candidates.len());
            }
            let count = select(space, candidates, self.m(), Gaps::FillTo(self.m()), buffer);
            chosen.extend_from_slice(&candidates[..count]);
            counts.push((level, count));
        }
        Ok(())
    }

    /// Steps 3 and 4.
    fn link(&mut self, space: &dyn Space, slot: Slot, plan: &mut Plan, scratch: &mut Scratch) {
        let (_, query, buffer) = scratch.split();
        let mut rest = plan.chosen.as_mut_slice();
        for &(level, count) in &plan.counts {
            let (chosen, others) = rest.split_at_mut(count);
            rest = others;
            let mut attached = None;
            if level == Level::BASE {
                attached = tree::place_to_attach(self, slot, chosen, &|other| space.are_twins(slot, other));
                if let Some(neighbour) = chosen.iter_mut().find(|neighbour| Some(neighbour.slot) == attached) {
                    neighbour.mark = TREE;
                    attached = None;
                }
            }
            self.set_links(slot, level, chosen.iter().map(|neighbour| neighbour.link()));
            for neighbour in chosen {
                self.link_back(space, *neighbour, slot, level, &mut plan.list, [&mut *query, &mut *buffer]);
            }
            // Every chosen node already holds as many tree links as it should, so the tree link leads further away.
            if let Some(other) = attached {
                tree::join(self, space, slot, other, buffer);
            }
        }
    }

    /// Adds the link from `neighbour` back to `slot`. If the neighbour's list is full, it is chosen anew.
    #[inline(never)]
    pub(super) fn link_back(
        &mut self,
        space: &dyn Space,
        neighbour: Neighbour,
        slot: Slot,
        level: Level,
        list: &mut Vec<Neighbour>,
        [query, buffer]: [&mut Point; 2],
    ) {
        if self.append(neighbour.slot, level, slot.0 | neighbour.mark) {
            return;
        }
        list.clear();
        let is_tree = neighbour.is_tree();
        list.push(Neighbour::marked(neighbour.distance, slot, is_tree, neighbour.mark));
        score_list(space.around(neighbour.slot, query), self.links(neighbour.slot, level), |distance, link| {
            let mark = link & TREE;
            list.push(Neighbour::marked(distance, target(link), mark != 0, mark));
        });
        sort(list);
        drop_twins(space, list);
        let count = select(space, list, self.capacity(level), Gaps::Leave, buffer);
        self.set_links(neighbour.slot, level, list[..count].iter().map(|neighbour| neighbour.link()));
    }
}

/// How many links of a list are scored together.
const TOGETHER: usize = 32;

/// Passes to `put` the distance from one node to each node of a list, with the link, in order.
#[inline(never)]
pub(super) fn score_list(scorer: Scorer<'_>, list: &[u32], mut put: impl FnMut(Distance, u32)) {
    for links in used(list).chunks(TOGETHER) {
        let (mut slots, mut distances) = ([Slot::NONE; TOGETHER], [0.0; TOGETHER]);
        for (slot, &link) in slots.iter_mut().zip(links) {
            *slot = target(link);
        }
        scorer.score_all(&slots[..links.len()], &mut distances);
        for (&link, distance) in links.iter().zip(distances) {
            put(distance, link);
        }
    }
}

// A link must be able to hold any slot and its mark.
const _: () = assert!(Slot::MOST < TREE as usize);
