//! The structural proof: what must hold of a graph after any operation, checked from the arrays alone.
//!
//! It is also the gate for stored bytes: nothing read is followed before it is known to be in range.

use super::links::{END, Graph, TREE, target, used};
use super::visited::Visited;
use crate::types::{Level, OutOfMemory, Slot};
use core::fmt::Arguments;

/// What an inspection found.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// How many live nodes a walk over level 0 from the entry point meets.
    pub(crate) reachable: usize,
    /// What is wrong, in words; at most [`MOST_PROBLEMS`]. Empty means that all is well.
    pub(crate) problems: Vec<String>,
}

/// Beyond this many, more problems say nothing new.
const MOST_PROBLEMS: usize = 16;

impl Shape {
    /// Not inlined, so that the many places that find a problem are small.
    #[cold]
    #[inline(never)]
    fn found(&mut self, problem: Arguments<'_>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem.to_string());
        }
    }
}

/// The stages of an inspection, in order. Each rests on what those before it have checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Whether the lists above level 0 belong to nodes.
    Upper,
    /// Each list, by itself and against the lists that it leads to.
    Lists,
    /// Where searches begin.
    Entry,
    /// The tree of the entry point.
    Tree,
    /// Whether that tree holds every live node. It usually does, and then no other link need be followed.
    Members,
    /// The other trees: a tree has no cycle, and one of them has all live nodes. It may lack the entry point, which a
    /// compaction cuts out before it has another.
    Trees,
    /// All links from the entry point on, where its tree does not have every live node.
    Reach,
    /// Whether those links reach every live node.
    Reached,
    Done,
}

/// An inspection of a whole graph, a part at a time. Linear in the number of links.
///
/// Between two steps records may be deleted; the lists stay as they are.
#[derive(Debug)]
pub(crate) struct Inspection {
    shape: Shape,
    stage: Stage,
    /// The slot that comes next in this stage.
    at: u32,
    /// For each slot, the number of the last list that leads there.
    last: Vec<u32>,
    lists: u32,
    uppers: usize,
    walk: Walk,
    nodes: usize,
    halves: usize,
    trees: u32,
    /// How many of the trees have a live node, and the last of these.
    living: u32,
    last_living: u32,
    is_missing: bool,
}

impl Inspection {
    pub(crate) fn begin(graph: &Graph) -> Result<Self, OutOfMemory> {
        let mut last = Vec::new();
        last.try_reserve_exact(graph.len())?;
        last.resize(graph.len(), 0);
        Ok(Self {
            shape: Shape::default(),
            stage: Stage::Upper,
            at: 0,
            last,
            lists: 0,
            uppers: 0,
            walk: Walk::begin(graph)?,
            nodes: 0,
            halves: 0,
            trees: 0,
            living: 0,
            last_living: 0,
            is_missing: false,
        })
    }

    /// Inspects about `slots` more slots. Returns true while some are left.
    pub(crate) fn step(&mut self, graph: &Graph, is_live: &dyn Fn(Slot) -> bool, slots: usize) -> bool {
        let mut left = slots;
        while left > 0 && self.stage != Stage::Done {
            left -= 1;
            let is_walking = matches!(self.stage, Stage::Tree | Stage::Trees | Stage::Reach);
            if is_walking && self.walk_on(graph, is_live) {
                continue;
            }
            let slot = Slot(self.at);
            if slot.index() < graph.len() && self.look_at(slot, graph, is_live) {
                self.at += 1;
            } else {
                self.next(graph, is_live);
            }
        }
        self.stage != Stage::Done
    }

    /// Bytes held.
    pub(crate) const fn resident_bytes(&self) -> usize {
        let queue = self.walk.queue.capacity() * size_of::<Slot>();
        self.last.capacity() * size_of::<u32>() + queue + self.walk.seen.resident_bytes()
    }

    /// What was found.
    pub(crate) fn into_shape(self) -> Shape {
        self.shape
    }

    /// Follows the links of one node of a walk. Returns false at the end of the walk.
    fn walk_on(&mut self, graph: &Graph, is_live: &dyn Fn(Slot) -> bool) -> bool {
        let is_of_trees = self.stage != Stage::Reach;
        let met = self.walk.step(graph, |link| !is_of_trees || link & TREE != 0);
        if met.is_some_and(is_live) {
            self.shape.reachable += usize::from(self.stage != Stage::Trees);
            self.living += u32::from(core::mem::replace(&mut self.last_living, self.trees) != self.trees);
        }
        met.is_some()
    }

    /// Checks one slot as the current stage requires. Returns false if the stage checks no slots.
    fn look_at(&mut self, slot: Slot, graph: &Graph, is_live: &dyn Fn(Slot) -> bool) -> bool {
        match self.stage {
            Stage::Upper => self.upper_lists(slot, graph),
            Stage::Lists => self.lists_of(slot, graph),
            Stage::Members => self.is_missing |= is_live(slot) && !self.walk.seen.contains(slot),
            Stage::Trees => self.tree_of(slot, graph),
            Stage::Reached if is_live(slot) && !self.walk.seen.contains(slot) => {
                self.shape.found(format_args!("live slot {} is not reachable", slot.0));
            }
            Stage::Reached => {}
            Stage::Entry | Stage::Tree | Stage::Reach | Stage::Done => return false,
        }
        true
    }

    /// Moves on to the next stage.
    fn next(&mut self, graph: &Graph, is_live: &dyn Fn(Slot) -> bool) {
        self.at = 0;
        self.stage = match self.stage {
            Stage::Upper => {
                if self.uppers != graph.upper_len() {
                    let (held, all) = (self.uppers, graph.upper_len());
                    self.shape.found(format_args!("{held} upper lists of nodes, of {all} in all"));
                }
                if self.shape.problems.is_empty() { Stage::Lists } else { Stage::Entry }
            }
            Stage::Lists => Stage::Entry,
            Stage::Entry => {
                entry_point(graph, &mut self.shape, is_live);
                // Only after these stages is every link known to lead somewhere.
                if self.shape.problems.is_empty() {
                    self.trees += u32::from(self.walk.start(graph));
                    Stage::Tree
                } else {
                    Stage::Done
                }
            }
            Stage::Tree => Stage::Members,
            Stage::Members => Stage::Trees,
            Stage::Trees => {
                let Self { nodes, halves, trees, living, .. } = *self;
                if halves != 2 * (nodes - trees as usize) {
                    self.shape.found(format_args!(
                        "{halves} ends of tree links over {nodes} nodes in {trees} trees: there is a cycle"
                    ));
                }
                // A compaction keeps nothing connected but the tree.
                if living > 1 {
                    self.shape.found(format_args!("live nodes are in {living} trees"));
                }
                if self.is_missing {
                    self.shape.reachable = 0;
                    self.walk.start(graph);
                    Stage::Reach
                } else {
                    Stage::Done
                }
            }
            Stage::Reach => Stage::Reached,
            Stage::Reached | Stage::Done => Stage::Done,
        };
    }

    /// A node has a list on each level up to its own, and nothing else has one.
    fn upper_lists(&mut self, slot: Slot, graph: &Graph) {
        for level in (1..=graph.level(slot).map_or(0, |top| top.0)).map(Level) {
            self.uppers += 1;
            if !graph.reaches(slot, level) {
                self.shape.found(format_args!("slot {} has no list on level {}", slot.0, level.0));
            }
        }
    }

    /// Checks that lists are within bounds, that no link leads to a free slot, to its own node, to the same node twice,
    /// or to a node that does not reach so high, and that tree links are held by both ends.
    fn lists_of(&mut self, slot: Slot, graph: &Graph) {
        let Self { shape, last, lists, .. } = self;
        let Some(top) = graph.level(slot) else {
            if graph.list(slot, Level::BASE).iter().any(|&link| link != END) {
                shape.found(format_args!("free slot {} has links", slot.0));
            }
            return;
        };
        for level in (0..=top.0).map(Level) {
            let list = graph.list(slot, level);
            let links = used(list);
            if list[links.len()..].iter().any(|&link| link != END) {
                shape.found(format_args!("the list of slot {} on level {} has a hole", slot.0, level.0));
            }
            *lists += 1;
            for &link in links {
                let other = target(link);
                if !graph.reaches(other, level) {
                    shape.found(format_args!(
                        "slot {} links on level {} to {}, which is not there",
                        slot.0, level.0, other.0
                    ));
                } else if other == slot || core::mem::replace(&mut last[other.index()], *lists) == *lists {
                    shape.found(format_args!("slot {} links twice, or to itself, on level {}", slot.0, level.0));
                } else if link & TREE != 0 && (level.0 > 0 || !graph.list(other, level).contains(&(slot.0 | TREE))) {
                    shape.found(format_args!("the tree link {} to {} has one end", slot.0, other.0));
                }
            }
        }
    }

    /// Counts nodes, ends of tree links and trees. Without a cycle, tree links are as many as nodes, less one per tree.
    fn tree_of(&mut self, slot: Slot, graph: &Graph) {
        if graph.level(slot).is_none() {
            return;
        }
        self.nodes += 1;
        self.halves += graph.links(slot, Level::BASE).iter().filter(|&&link| link & TREE != 0).count();
        self.trees += u32::from(self.walk.add(slot));
    }
}

/// Inspects the whole graph at once.
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) fn inspect(graph: &Graph, is_live: impl Fn(Slot) -> bool) -> Result<Shape, OutOfMemory> {
    let mut inspection = Inspection::begin(graph)?;
    while inspection.step(graph, &is_live, usize::MAX) {}
    Ok(inspection.into_shape())
}

fn slots(graph: &Graph) -> impl Iterator<Item = Slot> + use<> {
    (0..graph.len() as u32).map(Slot)
}

fn entry_point(graph: &Graph, shape: &mut Shape, is_live: &dyn Fn(Slot) -> bool) {
    match graph.entry() {
        Some(entry) if graph.level(entry).is_none() => {
            shape.found(format_args!("the entry point {} is not a node", entry.0));
        }
        None if slots(graph).any(is_live) => shape.found(format_args!("there are nodes and no entry point")),
        _ => {}
    }
}

/// A walk over level 0 that meets each node once.
#[derive(Debug)]
struct Walk {
    seen: Visited,
    queue: Vec<Slot>,
}

impl Walk {
    fn begin(graph: &Graph) -> Result<Self, OutOfMemory> {
        let mut queue = Vec::new();
        queue.try_reserve_exact(graph.len())?;
        let mut seen = Visited::default();
        seen.begin(graph.len())?;
        Ok(Self { seen, queue })
    }

    /// Starts again at the entry point. Returns false if there is none.
    fn start(&mut self, graph: &Graph) -> bool {
        // There is room: the walk before reserved it.
        let is_ready = self.seen.begin(graph.len()).is_ok();
        is_ready && graph.entry().is_some_and(|entry| self.add(entry))
    }

    /// Adds a node to the walk, unless it has been met. Returns whether it was added.
    fn add(&mut self, slot: Slot) -> bool {
        let is_new = self.seen.insert(slot);
        if is_new {
            self.queue.push(slot);
        }
        is_new
    }

    /// Follows the links of the next node, and returns that node.
    fn step(&mut self, graph: &Graph, follows: impl Fn(u32) -> bool) -> Option<Slot> {
        let slot = self.queue.pop()?;
        for &link in graph.links(slot, Level::BASE).iter().filter(|&&link| follows(link)) {
            self.add(target(link));
        }
        Some(slot)
    }
}
