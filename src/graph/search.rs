//! Descent through the upper levels and best-first search of one level (Algorithms 2 and 5 of the paper).

use super::build::Plan;
use super::growth::StopRule;
use super::links::{END, Graph, target, used};
use super::pool::Pool;
use super::twins::Twins;
use super::visited::Visited;
use crate::metric::Kernels;
use crate::quantize::{Point, Scorer};
use crate::slot_set::SlotSet;
use crate::types::{Distance, Level, OutOfMemory, Slot};

/// At least as long as any list, and a power of two, so that an index into a batch needs no test.
const BATCH: usize = 256;

/// Nodes that a search has just met, and how far away they are.
#[derive(Debug)]
struct Batch {
    slots: [Slot; BATCH],
    distances: [Distance; BATCH],
}

/// Everything that a search writes to, kept from one to the next so that none allocates.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(super) visited: Visited,
    /// The result of the last search of a level, or of the last scan.
    pub(crate) pool: Pool,
    /// The fixed point of the search under way.
    pub(crate) query: Point,
    /// The fixed point of a comparison between candidates.
    pub(super) point: Point,
    batch: Batch,
    found: Vec<u32>,
    pub(super) plan: Plan,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            visited: Visited::default(),
            pool: Pool::default(),
            query: Point::default(),
            point: Point::default(),
            batch: Batch { slots: [Slot::NONE; BATCH], distances: [0.0; BATCH] },
            found: Vec::new(),
            plan: Plan::default(),
        }
    }
}

impl Scratch {
    /// Bytes held, those of the struct included.
    pub(crate) const fn resident_bytes(&self) -> usize {
        let Self { visited, pool, query, point, found, plan, .. } = self;
        size_of::<Self>()
            + visited.resident_bytes()
            + pool.resident_bytes()
            + query.resident_bytes()
            + point.resident_bytes()
            + found.capacity() * size_of::<u32>()
            + plan.resident_bytes()
    }

    /// The buffers for fixed points, to be made ready before a change that must not fail half-way.
    pub(crate) const fn points_mut(&mut self) -> [&mut Point; 2] {
        [&mut self.query, &mut self.point]
    }
}

/// Which nodes a search may return. An enum, so that a search is compiled once for all of them (size): it is asked only
/// about candidates near enough to be kept.
pub(crate) enum Accept<'a> {
    /// Every node: nothing is deleted, and no slot is free.
    All,
    /// Those that hold a live record.
    Live(&'a SlotSet),
    /// Those that pass a test.
    If(&'a mut dyn FnMut(Slot) -> bool),
}

impl Accept<'_> {
    #[inline]
    pub(crate) fn passes(&mut self, slot: Slot) -> bool {
        match self {
            Self::All => true,
            Self::Live(live) => live.contains(slot),
            Self::If(passes) => passes(slot),
        }
    }
}

/// How a search of a level ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing nearer is left to follow.
    Complete,
    /// An exact scan of those that qualify is called for: so many candidates were refused that it is cheaper, or a twin
    /// left no room for a nearer candidate.
    Overflow,
}

/// The nearest node found by following the nearest link from level to level, from the entry point down to the level
/// above `until`. `None` in an empty graph. No node is measured twice, on whatever levels it is met.
pub(crate) fn descend(
    graph: &Graph,
    scorer: Scorer<'_>,
    until: Level,
    space: &mut SearchSpace<'_>,
) -> Result<Option<Slot>, OutOfMemory> {
    let Some((mut nearest, top)) = graph.entry().and_then(|entry| Some((entry, graph.level(entry)?))) else {
        return Ok(None);
    };
    let SearchSpace { visited, batch: Batch { slots, distances }, .. } = space;
    visited.begin(graph.len())?;
    visited.insert(nearest);
    let mut distance = scorer.score(nearest);
    for level in (until.0 + 1..=top.0).rev().map(Level) {
        loop {
            let before = nearest;
            let mut fresh = 0;
            for &link in graph.links(before, level) {
                slots[fresh % BATCH] = target(link);
                fresh += usize::from(visited.insert(target(link)));
            }
            let slots = &slots[..fresh];
            scorer.score_all(slots, &mut distances[..fresh]);
            for (&slot, &d) in slots.iter().zip(&*distances) {
                if d < distance || (d == distance && slot < nearest) {
                    (distance, nearest) = (d, slot);
                }
            }
            if nearest == before {
                break;
            }
        }
    }
    Ok(Some(nearest))
}

/// A best-first search of one level, about to be run.
pub(crate) struct LevelSearch<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) level: Level,
    pub(crate) scorer: Scorer<'a>,
    pub(crate) start: Slot,
    /// How many candidates are kept.
    pub(crate) ef: usize,
    /// How many entries the pool may hold, those that may not be returned included.
    pub(crate) limit: usize,
    pub(crate) twins: Twins,
    pub(crate) stop_rule: StopRule,
}

impl<'a> LevelSearch<'a> {
    /// A search for nodes to link to: few twins of a set, and no end before all near candidates have been followed.
    #[inline]
    pub(super) const fn for_links(
        graph: &'a Graph,
        level: Level,
        scorer: Scorer<'a>,
        start: Slot,
        ef: usize,
        limit: usize,
    ) -> Self {
        Self { graph, level, scorer, start, ef, limit, twins: Twins::Few, stop_rule: StopRule::NEVER }
    }

    /// Leaves in the pool the `ef` nearest nodes that pass. Others are walked over.
    #[inline(never)]
    pub(crate) fn run(&self, space: &mut SearchSpace<'_>, accept: &mut Accept<'_>) -> Result<Outcome, OutOfMemory> {
        let Self { graph, level, scorer, start, stop_rule, .. } = *self;
        let SearchSpace { visited, pool, batch: Batch { slots, distances }, .. } = space;
        let kernels = scorer.kernels();
        visited.begin(graph.len())?;
        pool.begin(self.ef, self.limit, self.twins)?;
        visited.insert(start);
        pool.insert(scorer.score(start), start, accept.passes(start));
        loop {
            let next = pool.pop();
            let next =
                next.filter(|next| !pool.kth(stop_rule.k).is_some_and(|kth| stop_rule.applies(next.distance, kth)));
            let Some(nearest) = next.or_else(|| pool.walk_over()) else {
                if pool.take_back() {
                    continue;
                }
                return Ok(if pool.has_lost() { Outcome::Overflow } else { Outcome::Complete });
            };
            // Two candidates at a time: their neighbours' codes are loaded together, and by the end nearly all of the
            // pool has been followed anyway. The list of the second is requested before the first's is waited for.
            let second = pool.pop();
            if let Some(candidate) = second {
                kernels.touch(bytemuck::must_cast_slice(graph.list(candidate.slot, level)));
            }
            let mut fresh = 0;
            for candidate in [Some(nearest), second].into_iter().flatten() {
                for &link in graph.list(candidate.slot, level) {
                    if link == END {
                        break;
                    }
                    // Written for every link, and counted only when the node is new: a branch would be mispredicted
                    // every other time.
                    slots[fresh % BATCH] = target(link);
                    fresh += usize::from(visited.insert(target(link)));
                }
            }
            if Kernels::PREFETCHES {
                for following in pool.upcoming() {
                    kernels.prefetch(graph.list(following, level));
                }
            }
            let (slots, distances) = (&slots[..fresh], &mut distances[..fresh]);
            scorer.score_all(slots, distances);
            for (&slot, &distance) in slots.iter().zip(&*distances) {
                if pool.admits(distance) {
                    pool.insert_unless_twin(distance, slot, accept.passes(slot), &|a, b| scorer.are_twins(a, b));
                }
            }
            if pool.is_overflowing() {
                return Ok(Outcome::Overflow);
            }
        }
    }
}

/// The parts of [`Scratch`] that a search of a level writes to. Its fixed point is borrowed separately.
#[derive(Debug)]
pub(crate) struct SearchSpace<'a> {
    pub(super) visited: &'a mut Visited,
    pub(crate) pool: &'a mut Pool,
    batch: &'a mut Batch,
    /// The links that a repair has found to choose from.
    pub(super) found: &'a mut Vec<u32>,
}

impl Scratch {
    /// Splits the scratch into three parts to borrow separately: for searching, for the query, for comparisons.
    pub(crate) const fn split(&mut self) -> (SearchSpace<'_>, &mut Point, &mut Point) {
        let Self { visited, pool, query, point, batch, found, .. } = self;
        (SearchSpace { visited, pool, batch, found }, query, point)
    }
}

/// The slots that a list leads to.
pub(super) fn neighbours(list: &[u32]) -> impl Iterator<Item = Slot> {
    used(list).iter().map(|&link| target(link))
}
