//! The structural proof: what must hold of a graph after any operation, checked from the arrays alone.
//!
//! It is also the gate for stored bytes: nothing read is followed before it has been seen to be in range.

use super::links::{END, Graph, TREE, target, used};
use super::visited::Visited;
use crate::types::{Level, OutOfMemory, Slot};

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
    fn found(&mut self, problem: impl FnOnce() -> String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem());
        }
    }
}

/// Inspects the whole graph. Linear in the number of links.
pub(crate) fn inspect(graph: &Graph, is_live: impl Fn(Slot) -> bool) -> Result<Shape, OutOfMemory> {
    let mut shape = Shape::default();
    upper_lists(graph, &mut shape);
    if shape.problems.is_empty() {
        lists(graph, &mut shape)?;
    }
    entry_point(graph, &mut shape, &is_live);
    // Only now is every link known to lead somewhere.
    if shape.problems.is_empty() {
        forest(graph, &mut shape, &is_live)?;
        // The tree of the entry point mostly has all live nodes, and then no other link need be followed.
        if shape.reachable < slots(graph).filter(|&slot| is_live(slot)).count() {
            reach(graph, &mut shape, &is_live)?;
        }
    }
    Ok(shape)
}

fn slots(graph: &Graph) -> impl Iterator<Item = Slot> + use<> {
    (0..graph.len() as u32).map(Slot)
}

/// A node has a list on each level up to its own, and nothing else has one.
fn upper_lists(graph: &Graph, shape: &mut Shape) {
    let mut held = 0;
    for slot in slots(graph) {
        for level in (1..=graph.level(slot).map_or(0, |top| top.0)).map(Level) {
            held += 1;
            if !graph.reaches(slot, level) {
                shape.found(|| format!("slot {} has no list on level {}", slot.0, level.0));
            }
        }
    }
    if held != graph.upper_len() {
        shape.found(|| format!("{held} upper lists of nodes, of {} in all", graph.upper_len()));
    }
}

/// Lists within bounds; no link to a free slot, to itself, twice, or to a node that does not reach so high; tree links
/// held by both ends.
fn lists(graph: &Graph, shape: &mut Shape) -> Result<(), OutOfMemory> {
    // By slot, the last list that leads there.
    let mut last = Vec::new();
    last.try_reserve_exact(graph.len())?;
    last.resize(graph.len(), 0_u32);
    let mut number = 0;
    for slot in slots(graph) {
        let Some(top) = graph.level(slot) else {
            if graph.list(slot, Level(0)).iter().any(|&link| link != END) {
                shape.found(|| format!("free slot {} has links", slot.0));
            }
            continue;
        };
        for level in (0..=top.0).map(Level) {
            let list = graph.list(slot, level);
            let links = used(list);
            if list[links.len()..].iter().any(|&link| link != END) {
                shape.found(|| format!("the list of slot {} on level {} has a hole", slot.0, level.0));
            }
            number += 1;
            for &link in links {
                let other = target(link);
                if !graph.reaches(other, level) {
                    shape.found(|| {
                        format!("slot {} links on level {} to {}, which is not there", slot.0, level.0, other.0)
                    });
                } else if other == slot || core::mem::replace(&mut last[other.index()], number) == number {
                    shape.found(|| format!("slot {} links twice, or to itself, on level {}", slot.0, level.0));
                } else if link & TREE != 0 && (level.0 > 0 || !graph.list(other, level).contains(&(slot.0 | TREE))) {
                    shape.found(|| format!("the tree link {} to {} has one end", slot.0, other.0));
                }
            }
        }
    }
    Ok(())
}

fn entry_point(graph: &Graph, shape: &mut Shape, is_live: &impl Fn(Slot) -> bool) {
    match graph.entry() {
        Some(entry) if graph.level(entry).is_none() => {
            shape.found(|| format!("the entry point {} is not a node", entry.0));
        }
        None if slots(graph).any(is_live) => shape.found(|| "there are nodes and no entry point".to_owned()),
        _ => {}
    }
}

/// The tree links make no cycle: as many as nodes, less one for each tree. Counts the live nodes of the entry point's tree.
fn forest(graph: &Graph, shape: &mut Shape, is_live: &impl Fn(Slot) -> bool) -> Result<(), OutOfMemory> {
    let (mut nodes, mut halves, mut trees) = (0, 0, 0);
    let mut walk = Walk::begin(graph)?;
    if let Some(entry) = graph.entry() {
        trees += 1;
        walk.seen.insert(entry);
        walk.queue.push(entry);
        walk.run(graph, |link| link & TREE != 0, |slot| shape.reachable += usize::from(is_live(slot)));
    }
    for slot in slots(graph).filter(|&slot| graph.level(slot).is_some()) {
        nodes += 1;
        halves += graph.links(slot, Level(0)).iter().filter(|&&link| link & TREE != 0).count();
        if walk.seen.insert(slot) {
            trees += 1;
            walk.queue.push(slot);
            walk.run(graph, |link| link & TREE != 0, |_| {});
        }
    }
    if halves != 2 * (nodes - trees) {
        shape.found(|| format!("{halves} ends of tree links over {nodes} nodes in {trees} trees: there is a cycle"));
    }
    Ok(())
}

/// Every live node is met by a walk from the entry point.
fn reach(graph: &Graph, shape: &mut Shape, is_live: &impl Fn(Slot) -> bool) -> Result<(), OutOfMemory> {
    let mut walk = Walk::begin(graph)?;
    shape.reachable = 0;
    if let Some(entry) = graph.entry() {
        walk.seen.insert(entry);
        walk.queue.push(entry);
        walk.run(graph, |_| true, |slot| shape.reachable += usize::from(is_live(slot)));
    }
    for slot in slots(graph).filter(|&slot| is_live(slot)) {
        if walk.seen.insert(slot) {
            shape.found(|| format!("live slot {} is not reachable", slot.0));
        }
    }
    Ok(())
}

/// A walk over level 0 that meets each node once.
struct Walk {
    seen: Visited,
    queue: Vec<Slot>,
}

impl Walk {
    fn begin(graph: &Graph) -> Result<Self, OutOfMemory> {
        let mut seen = Visited::default();
        seen.begin(graph.len())?;
        let mut queue = Vec::new();
        queue.try_reserve(graph.len())?;
        Ok(Self { seen, queue })
    }

    fn run(&mut self, graph: &Graph, follows: impl Fn(u32) -> bool, mut meet: impl FnMut(Slot)) {
        while let Some(slot) = self.queue.pop() {
            meet(slot);
            for &link in graph.links(slot, Level(0)).iter().filter(|&&link| follows(link)) {
                if self.seen.insert(target(link)) {
                    self.queue.push(target(link));
                }
            }
        }
    }
}
