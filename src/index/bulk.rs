//! Linking many waiting records together, in an index without links (`graph/bulk`). With embeddings that takes half the
//! time of linking them one by one.
//!
//! The package loads this code in a wasm file of its own when many rows come to an empty index
//! (`pkg/build/split.mjs`). So there nothing but [`Index::begin_bulk`] leads here: it leaves a pointer to
//! [`step`] in the index. Elsewhere [`Index::insert_many`] and every [`Index::link_step`] use it by themselves.

#[cfg(not(target_arch = "wasm32"))]
mod threads;

use super::pending::queue::Change;
use super::{Index, Parts};
use crate::graph::{Built, BulkBuild, NewNode, Scratch, Task};
use crate::segments::segments_of;
use crate::types::OutOfMemory;
use core::mem::ManuallyDrop;

/// With fewer records, linking them one by one is as fast.
pub(super) const LEAST: usize = 4096;
/// The most records that are linked together.
const MOST: usize = BulkBuild::MOST;
/// The `ef_construction` for which a bulk build is as good as inserts and faster. Who asks for less wants it faster
/// still, and who asks for more wants better links.
const WIDTHS: core::ops::RangeInclusive<usize> = 80..=256;
/// The least `m` with which a bulk build is as good. Shorter lists have too little room for links out of a cluster,
/// which inserts make while there are few nodes.
const LEAST_M: usize = 12;

/// Whether this code is in a file of its own, which may not be there.
const IS_APART: bool = cfg!(all(target_arch = "wasm32", not(feature = "rayon")));

/// Does a step of a bulk build. Returns false if there is none to be done.
type Step = fn(&mut Index) -> bool;

/// A bulk build under way.
#[derive(Debug)]
struct Bulk {
    build: BulkBuild,
    tasks: Vec<Task>,
    /// How many changes of the queue are part of it.
    changes: usize,
}

/// The way to do a step, and the build under way.
pub(super) struct Linker {
    step: Step,
    /// A vector of one, because a `Box` could not be refused memory. Where this code is apart, others cannot drop it;
    /// there the next call of [`step`] or [`Index::begin_bulk`] does.
    bulk: ManuallyDrop<Vec<Bulk>>,
    /// How many parts are compared together, by threads if there are several: one, but in [`Index::insert_many`]. A
    /// thread that waits for others takes up other tasks of its pool, so a caller must know that it may have to wait.
    together: usize,
}

impl core::fmt::Debug for Linker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Linker")
    }
}

impl Drop for Linker {
    fn drop(&mut self) {
        if !IS_APART {
            drop(self.take());
        }
    }
}

impl Linker {
    fn new() -> Self {
        Self { step, bulk: ManuallyDrop::default(), together: 1 }
    }

    /// What a new index has: in the package nothing, until the code is there, and with threads nothing at all, since
    /// they get batches that are too short.
    pub(super) fn at_first() -> Option<Self> {
        (!cfg!(target_arch = "wasm32")).then(Self::new)
    }

    /// Takes the build out, in its vector.
    fn take(&mut self) -> Vec<Bulk> {
        ManuallyDrop::into_inner(core::mem::take(&mut self.bulk))
    }

    fn put(&mut self, bulk: Vec<Bulk>) {
        self.bulk = ManuallyDrop::new(bulk);
    }
}

impl Index {
    /// Drops the build under way, when the index is cleared. In the package, where that takes code that may not be
    /// there, its memory is given back when the next one begins.
    pub(super) fn drop_bulk(&mut self) {
        if !IS_APART {
            drop(self.bulk.as_mut().map(Linker::take));
        }
    }

    /// Makes records that come from here on wait, to be linked together. Returns false, and makes none wait, if there
    /// are nodes already, if codes or options do not suit, or if records wait for another reason.
    #[cfg(any(test, all(target_arch = "wasm32", not(feature = "rayon"))))]
    pub(crate) fn begin_bulk(&mut self) -> bool {
        let begins = self.suits_bulk(LEAST) && !self.pending.defers();
        if begins {
            self.pending.holds = true;
            drop(self.bulk.as_mut().map(Linker::take));
        }
        // In any case, records that wait already can now be linked together.
        self.bulk.get_or_insert_with(Linker::new);
        begins
    }

    /// Ends what [`Index::begin_bulk`] began. The records that wait are linked by whatever links waiting records.
    #[cfg(any(test, all(target_arch = "wasm32", not(feature = "rayon"))))]
    pub(crate) const fn end_bulk(&mut self) {
        self.pending.holds = false;
    }

    /// Does a step of linking waiting records together, if they are many and there are no links yet. Returns false if
    /// records have to be linked one by one.
    pub(super) fn bulk_step(&mut self) -> bool {
        let step = self.bulk.as_ref().map(|linker| linker.step);
        step.is_some_and(|step| step(self))
    }

    /// Whether so many waiting records would be linked together.
    pub(super) fn suits_bulk(&self, records: usize) -> bool {
        records >= LEAST
            && self.parts.graph.is_empty()
            && self.parts.codes.block_space().is_some()
            && WIDTHS.contains(&self.config.ef_construction)
            && self.config.m >= LEAST_M
    }

    /// Whether so many records are to be linked together: whether that suits them, and a budget has room for it.
    fn begins_bulk(&self, records: usize) -> bool {
        // As if no parts were compared together, so that the same index results with threads and without.
        self.suits_bulk(records) && self.has_room_for_bulk(BulkBuild::bytes_of(records.min(MOST)))
    }

    /// Notes that the links of all nodes are new.
    fn note_links(&mut self) {
        for segment in 0..segments_of(self.parts.slots()) {
            self.parts.graph.changes_mut().note_segment(segment);
        }
    }

    #[inline(never)]
    fn new_bulk(&mut self) -> Result<Vec<Bulk>, OutOfMemory> {
        self.pending.queue.reserve_live(self.parts.slots())?;
        let mut nodes: Vec<NewNode> = Vec::new();
        let mut changes = 0;
        nodes.try_reserve_exact(self.pending().min(MOST))?;
        for change in self.pending.queue.changes() {
            if nodes.len() == MOST {
                break;
            }
            if let Change::Link(node) = change {
                nodes.push(node);
            }
            changes += 1;
        }
        let mut bulk = Vec::new();
        bulk.try_reserve_exact(1)?;
        bulk.push(Bulk { build: BulkBuild::new(nodes, self.config.seed)?, tasks: Vec::new(), changes });
        Ok(bulk)
    }

    #[inline(never)]
    fn advance(&mut self, bulk: &mut Bulk, together: usize) -> Result<Built, OutOfMemory> {
        let Parts { graph, codes, .. } = &mut self.parts;
        let Bulk { build, tasks, .. } = bulk;
        // There is one, as before the build began. Without it records would be linked one by one, as without memory.
        let Some(space) = codes.block_space() else { return Err(OutOfMemory) };
        let mut scratch = self.scratch.take();
        let prepare =
            |scratch: &mut Scratch| scratch.points_mut().into_iter().try_for_each(|point| codes.prepare(point));
        let made = prepare(&mut scratch).and_then(|()| build.plan_tasks(space, together, tasks));
        let worked = made.and_then(|()| {
            #[cfg(not(target_arch = "wasm32"))]
            if together > 1 {
                return super::parallel::each(tasks, &self.scratch, |_, task, scratch| {
                    prepare(scratch)?;
                    build.do_task(graph, space, task, scratch)
                });
            }
            tasks.iter_mut().try_for_each(|task| build.do_task(graph, space, task, &mut scratch))
        });
        let taken = worked.and_then(|()| build.finish_step(graph, space, tasks, &mut scratch));
        self.scratch.put(scratch);
        taken
    }
}

/// See [`Step`]. Without memory for a build, or if it does not suit the records, they are linked one by one.
fn step(index: &mut Index) -> bool {
    let is_under_way = index.pending.bulk_bytes.is_some();
    if !is_under_way && !index.begins_bulk(index.pending()) {
        return false;
    }
    let together = index.bulk.as_ref().map_or(1, |linker| linker.together);
    let mut bulk = index.bulk.as_mut().map(Linker::take).unwrap_or_default();
    if !is_under_way {
        bulk = index.new_bulk().unwrap_or_default();
    }
    let Some(one) = bulk.first_mut() else { return false };
    let advanced = index.advance(one, together);
    index.pending.bulk_bytes = None;
    match (advanced, &mut index.bulk) {
        (Ok(Built::More), Some(linker)) => {
            index.pending.bulk_bytes = Some(one.build.resident_bytes());
            linker.put(bulk);
            true
        }
        (Ok(Built::All), _) => {
            index.pending.queue.pop_built(one.changes, one.build.left_out());
            index.note_links();
            true
        }
        // The records are still in the queue.
        _ => {
            one.build.undo(&mut index.parts.graph);
            false
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
