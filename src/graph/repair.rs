//! In-place repair: nodes with many links to deleted ones get others, so that the deleted nodes can be freed. Most gaps
//! have been bridged before (`bridge.rs`). What is left are links that the deleted node did not return, or for which
//! there was no other.
//!
//! As in FreshDiskANN's consolidation (arXiv 2105.09613), the candidates for a gap are the nodes that the deleted
//! neighbour led to. Unlike there, links that are still good are kept and only the gaps are filled: choosing whole
//! lists anew was measured to lose recall. The heuristic chooses among the nearest candidates, and the nearest that it
//! refused take the places that it leaves empty.

use super::build::{pool_limit_without_scan, score_list};
use super::links::{Graph, TREE, target};
use super::list_copy::ListCopy;
use super::search::{Accept, LevelSearch, Scratch, SearchSpace, neighbours};
use super::select::{Gaps, Neighbour, select, sort};
use super::tree::hand_over;
use super::twins::drop_twins;
use crate::quantize::{Scorer, Space};
use crate::types::{Level, OutOfMemory, Slot};

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
    /// Removes the links of `slot` that lead to leaving nodes, on all of its levels. If they are many on a level,
    /// others take their places. Returns whether any did.
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
        let mut has_relinked = Ok(false);
        for level in (0..=top.0).map(Level) {
            if neighbours(self.list(slot, level)).any(&fates.is_leaving) {
                match self.relink_level(space, slot, level, fates, scratch, &mut list) {
                    Ok(false) => {}
                    others => has_relinked = others,
                }
                if has_relinked.is_err() {
                    break;
                }
            }
        }
        scratch.plan.list = list;
        has_relinked
    }

    /// Returns whether a list of `links`, of which `kept` lead to nodes that stay, needs no others in their place.
    const fn has_lost_few(&self, links: usize, kept: usize) -> bool {
        6 * (links - kept) <= links && kept >= self.m() / 2
    }

    /// [`Graph::relink`] on one level.
    fn relink_level(
        &mut self,
        space: &dyn Space,
        slot: Slot,
        level: Level,
        fates: &Fates<impl Fn(Slot) -> bool, impl Fn(Slot) -> bool>,
        scratch: &mut Scratch,
        list: &mut Vec<Neighbour>,
    ) -> Result<bool, OutOfMemory> {
        let (mut search, query, buffer) = scratch.split();
        let wanted = self.links(slot, level).len();
        let kept = self.candidates(slot, level, fates, &mut search)?;
        if self.has_lost_few(wanted, kept) {
            self.set_links(slot, level, search.found.iter().copied());
            return Ok(false);
        }
        let point = space.around(slot, query);
        list.clear();
        list.try_reserve(search.found.len() + 2 * self.m())?;
        score_list(point, search.found, |distance, link| {
            list.push(Neighbour::marked(distance, target(link), list.len() < kept, link & TREE));
        });
        let most = kept + MOST_CANDIDATES;
        if list.len() > most {
            sort(&mut list[kept..]);
            list.truncate(most);
        }
        let few = self.m() / 2;
        // Where everything around is leaving too, a search finds others. A node with many twins has few links and needs
        // fewer: a search for each such node would take long.
        if list.len() < few.min(wanted.div_ceil(2)) {
            self.search_for_neighbours(slot, level, point, &fates.is_live, &mut search, list)?;
        }
        sort(list);
        drop_twins(space, list);
        // A quarter of the gaps is left for links back from nodes that fill their own, which are about as many.
        let gaps = wanted - kept;
        let wanted = (wanted - gaps / 4).max(few).min(self.capacity(level));
        let count = select(space, list, wanted, Gaps::FillTo(wanted), buffer);
        self.set_links(slot, level, list[..count].iter().map(|neighbour| neighbour.link()));
        // A new link is worth as much the other way, where there is room for it: without that, in-links thin out from
        // one repair to the next, and recall with them.
        for neighbour in list[..count].iter().filter(|neighbour| !neighbour.kept) {
            if !neighbours(self.list(neighbour.slot, level)).any(|other| other == slot) {
                self.append(neighbour.slot, level, slot.0);
            }
        }
        Ok(true)
    }

    /// Adds to `list`, which has room for `2M` more, live nodes that a search from the entry point finds near `slot`.
    fn search_for_neighbours(
        &self,
        slot: Slot,
        level: Level,
        point: Scorer<'_>,
        is_live: impl Fn(Slot) -> bool,
        search: &mut SearchSpace<'_>,
        list: &mut Vec<Neighbour>,
    ) -> Result<(), OutOfMemory> {
        let Some(entry) = self.entry().filter(|&entry| self.level(entry) >= Some(level)) else { return Ok(()) };
        let ef = 2 * self.m();
        let is_known = |other| list.iter().any(|found| found.slot == other);
        let mut passes = |other| other != slot && is_live(other) && !is_known(other);
        LevelSearch::for_links(self, level, point, entry, ef, pool_limit_without_scan(ef))
            .run(search, &mut Accept::If(&mut passes))?;
        // A search that overflowed has found some as well; the tree keeps the node reachable in any case.
        list.extend(search.pool.accepted().map(|c| Neighbour::new(c.distance, c.slot)));
        Ok(())
    }

    /// Collects the links of `slot` that are kept and, unless few are not, the live nodes that its leaving neighbours
    /// lead to. Returns how many links are kept.
    fn candidates(
        &self,
        slot: Slot,
        level: Level,
        fates: &Fates<impl Fn(Slot) -> bool, impl Fn(Slot) -> bool>,
        search: &mut SearchSpace<'_>,
    ) -> Result<usize, OutOfMemory> {
        let SearchSpace { visited, found, .. } = search;
        let links = self.links(slot, level);
        found.clear();
        found.try_reserve(links.len())?;
        found.extend(links.iter().copied().filter(|&link| !(fates.is_leaving)(target(link))));
        let kept = found.len();
        if self.has_lost_few(links.len(), kept) {
            return Ok(kept);
        }
        visited.begin(self.len())?;
        visited.insert(slot);
        for &link in found.iter() {
            visited.insert(target(link));
        }
        for gone in neighbours(links).filter(|&other| (fates.is_leaving)(other)) {
            found.try_reserve(self.m())?;
            // A list begins with the node's own choice, nearest first; what comes later adds time, not recall.
            for next in neighbours(self.list(gone, level)).take(self.m() - self.m() / 4) {
                if visited.insert(next) && (fates.is_live)(next) {
                    found.push(next.0);
                }
            }
        }
        Ok(kept)
    }

    /// Copies a node to a free slot. The copy takes the tree links; the original stays traversable and leads to the
    /// copy, until [`Graph::redirect`] has passed over every node and it can be freed. Room must have been reserved.
    pub(crate) fn relocate(&mut self, from: Slot, to: Slot) {
        let Some(top) = self.level(from) else { return };
        self.add_node(to, top);
        for level in (0..=top.0).map(Level) {
            let links: ListCopy = self.links(from, level).iter().copied().collect();
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
            let mut links = ListCopy::new();
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
