//! In-place repair: the neighbours of deleted nodes get new links, so that the deleted nodes can be freed.
//!
//! As in FreshDiskANN's consolidation (arXiv 2105.09613), the candidates for a gap are the nodes that the deleted
//! neighbour led to. Unlike there, links that are still good are kept and only the gaps are filled: choosing whole
//! lists anew was measured to lose recall. Each deleted neighbour contributes the nearest few of its own neighbours:
//! deleted neighbours lay in different directions, so candidates from each of them do too. The heuristic chooses among
//! these, and the nearest it refused take the places that it leaves empty.

use super::aside::Aside;
use super::build::score_list;
use super::growth::StopRule;
use super::links::{Graph, TREE, target};
use super::search::{Accept, LevelSearch, Scratch, SearchSpace, neighbours};
use super::select::{Neighbour, select, sort};
use super::tree::hand_over;
use super::twins::{Twins, drop_twins};
use crate::metric::Kernels;
use crate::quantize::Space;
use crate::types::{Level, OutOfMemory, Slot};

/// The most leaving nodes that are walked through in search of live ones, where deletes cluster.
const REACH: usize = 64;

/// Marks the first of the candidates that a deleted node contributes.
const FIRST: u32 = TREE;

/// How many candidates each deleted node contributes.
const EACH: usize = 2;

/// How many of the nearest candidates the heuristic looks at: where much has been deleted, there may be more.
const MOST_CANDIDATES: usize = 24;

/// Which nodes may be linked to, and which must not be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fates<G, L> {
    /// True for a node that is about to be freed.
    pub(crate) is_leaving: G,
    /// True for a node that holds a live record.
    pub(crate) is_live: L,
}

impl Graph {
    /// Replaces the links of `slot` that lead to leaving nodes, on all of its levels. Returns whether there were any.
    ///
    /// On an error the lists of the levels not yet repaired are as they were.
    pub(crate) fn relink(
        &mut self,
        space: &dyn Space,
        slot: Slot,
        fates: &Fates<impl Fn(Slot) -> bool, impl Fn(Slot) -> bool>,
        scratch: &mut Scratch,
    ) -> Result<bool, OutOfMemory> {
        let Some(top) = self.level(slot) else { return Ok(false) };
        let mut list = core::mem::take(&mut scratch.plan.list);
        let mut changed = Ok(false);
        for level in (0..=top.0).map(Level) {
            if neighbours(self.list(slot, level)).any(&fates.is_leaving) {
                changed = self.relink_level(space, slot, level, fates, scratch, &mut list).map(|()| true);
                if changed.is_err() {
                    break;
                }
            }
        }
        scratch.plan.list = list;
        changed
    }

    fn relink_level(
        &mut self,
        space: &dyn Space,
        slot: Slot,
        level: Level,
        fates: &Fates<impl Fn(Slot) -> bool, impl Fn(Slot) -> bool>,
        scratch: &mut Scratch,
        list: &mut Vec<Neighbour>,
    ) -> Result<(), OutOfMemory> {
        let kernels = space.kernels();
        let (mut search, query, buffer) = scratch.split();
        let point = space.around(slot, query);
        let wanted = self.links(slot, level).len();
        list.clear();
        list.try_reserve(EACH * REACH + self.capacity(level) + 2 * self.m())?;
        let kept = self.candidates(kernels, slot, level, fates, &mut search)?;
        let mut start = 0;
        score_list(point, search.found, |distance, link| {
            if list.len() < kept {
                list.push(Neighbour::marked(distance, target(link), true, link & TREE));
                return;
            }
            if link & FIRST != 0 {
                start = list.len();
            }
            let candidate = Neighbour::new(distance, target(link));
            if list.len() < start + EACH {
                list.push(candidate);
            } else if let Some(farthest) = list[start..].iter_mut().max_by(|a, b| a.distance.total_cmp(&b.distance))
                && distance < farthest.distance
            {
                *farthest = candidate;
            }
        });
        let most = kept + MOST_CANDIDATES;
        if list.len() > most {
            sort(&mut list[kept..]);
            list.truncate(most);
        }
        let few = self.m() / 2;
        // A node with many twins has few links and needs fewer: a search for each such node would take long.
        if list.len() < few.min(wanted.div_ceil(2)) {
            // Everything around is leaving too: search for neighbours from the entry point.
            if let Some(entry) = self.entry().filter(|&entry| self.level(entry) >= Some(level)) {
                let ef = 2 * self.m();
                let is_known = |other| list.iter().any(|found| found.slot == other);
                let mut passes = |other| other != slot && (fates.is_live)(other) && !is_known(other);
                let accept = &mut Accept::If(&mut passes);
                let limit = 16 * ef;
                let (twins, stop_rule) = (Twins::Few, StopRule::NEVER);
                LevelSearch { graph: self, level, scorer: point, start: entry, ef, limit, twins, stop_rule }
                    .run(&mut search, accept)?;
                // A search that overflowed has found some as well; the tree keeps the node reachable in any case.
                list.extend(search.pool.accepted().map(|c| Neighbour::new(c.distance, c.slot)));
            }
        }
        sort(list);
        drop_twins(space, list);
        // A quarter of the gaps is left for links back from nodes that fill their own, which are about as many.
        let gaps = wanted - kept;
        let wanted = (wanted - gaps / 4).max(few).min(self.capacity(level));
        let count = select(space, list, wanted, true, buffer);
        let is_new = |neighbour: &&Neighbour| !neighbour.kept;
        for neighbour in list[..count].iter().filter(is_new) {
            self.touch_list(kernels, neighbour.slot, level);
        }
        self.set_links(slot, level, list[..count].iter().map(|neighbour| neighbour.link()));
        // A new link is worth as much the other way, where there is room for it: without that, in-links thin out from
        // one repair to the next, and recall with them.
        for neighbour in list[..count].iter().filter(is_new) {
            if !neighbours(self.list(neighbour.slot, level)).any(|other| other == slot) {
                self.append(neighbour.slot, level, slot.0);
            }
        }
        Ok(())
    }

    /// Collects the links of `slot` that are kept, followed by the live nodes that its leaving neighbours lead to.
    /// Where those are few, leaving nodes further away are walked through too. The first node from each leaving one is
    /// marked with [`FIRST`]. Returns how many links are kept.
    fn candidates(
        &self,
        kernels: Kernels,
        slot: Slot,
        level: Level,
        fates: &Fates<impl Fn(Slot) -> bool, impl Fn(Slot) -> bool>,
        search: &mut SearchSpace<'_>,
    ) -> Result<usize, OutOfMemory> {
        let SearchSpace { visited, found, .. } = search;
        found.clear();
        found.try_reserve(self.capacity(level))?;
        visited.begin(self.len())?;
        visited.insert(slot);
        // No more leaving nodes are looked at than there is room for here.
        let mut leaving = [Slot::NONE; REACH];
        let mut seen = 0;
        for &link in self.links(slot, level) {
            let neighbour = target(link);
            visited.insert(neighbour);
            if !(fates.is_leaving)(neighbour) {
                found.push(link);
            } else if seen < REACH {
                leaving[seen] = neighbour;
                seen += 1;
                self.touch_list(kernels, neighbour, level);
            }
        }
        let kept = found.len();
        let direct = seen;
        let enough = kept + self.capacity(level);
        let mut at = 0;
        while at < seen && (at < direct || found.len() < enough) {
            found.try_reserve(self.m())?;
            let mut first = FIRST;
            // A list begins with the node's own choice, nearest first; what comes later adds time, not recall.
            for next in neighbours(self.list(leaving[at], level)).take(self.m() - self.m() / 4) {
                if !visited.insert(next) {
                    continue;
                }
                if (fates.is_live)(next) {
                    found.push(next.0 | first);
                    first = 0;
                } else if (fates.is_leaving)(next) && seen < REACH {
                    leaving[seen] = next;
                    seen += 1;
                }
            }
            at += 1;
        }
        Ok(kept)
    }

    /// Starts bringing a list into the cache.
    fn touch_list(&self, kernels: Kernels, slot: Slot, level: Level) {
        kernels.touch(bytemuck::cast_slice(self.list(slot, level)));
    }

    /// Copies a node to a free slot. The copy takes the tree links; the original stays traversable and leads to the
    /// copy, until [`Graph::redirect`] has passed over every node and it can be freed. Room must have been reserved.
    pub(crate) fn relocate(&mut self, from: Slot, to: Slot) {
        let Some(top) = self.level(from) else { return };
        self.add_node(to, top);
        for level in (0..=top.0).map(Level) {
            let links: Aside = self.links(from, level).iter().copied().collect();
            self.set_links(to, level, links.iter().copied());
            // The first link of the original leads to the copy.
            let list = self.list_mut(from, level);
            list.rotate_right(1);
            if let Some(first) = list.first_mut() {
                *first = to.0;
            }
        }
        hand_over(self, from, to);
        if self.entry() == Some(from) {
            self.set_entry(Some(to));
        }
    }

    /// Removes every link of `slot`, which must have no tree links. Links that still lead to it reach a dead end.
    pub(crate) fn isolate(&mut self, slot: Slot) {
        let Some(top) = self.level(slot) else { return };
        for level in (0..=top.0).map(Level) {
            self.set_links(slot, level, []);
        }
    }

    /// Points the links of `slot` that lead to relocated nodes to where those have moved.
    pub(crate) fn redirect(&mut self, slot: Slot, has_moved: impl Fn(Slot) -> bool) {
        let Some(top) = self.level(slot) else { return };
        for level in (0..=top.0).map(Level) {
            if !neighbours(self.list(slot, level)).any(&has_moved) {
                continue;
            }
            let mut links = Aside::new();
            for &link in self.links(slot, level) {
                let mut goal = target(link);
                while has_moved(goal) {
                    let Some(next) = neighbours(self.list(goal, level)).next() else { break };
                    goal = next;
                }
                // A tree link outranks an ordinary one to the same node.
                match links.iter_mut().find(|other| target(**other) == goal) {
                    Some(other) => *other |= link & TREE,
                    None if goal != slot => links.push(goal.0 | link & TREE),
                    None => {}
                }
            }
            self.set_links(slot, level, links.iter().copied());
        }
    }
}
