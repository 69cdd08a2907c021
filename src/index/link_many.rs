//! Linking many waiting records, for a caller who lets others have the index in between (`SharedIndex::insert_many`).
//!
//! 1. [`Index::insert_many_waiting`] inserts the records without links, all at once. Nothing can fail from here on: a
//!    record that there is no memory to link keeps waiting, and searches find it all the same.
//! 2. [`Index::plan_waiting`] plans the links of some of the next batch, which takes longest and only reads the index.
//! 3. Once all of the batch is planned, [`Index::link_batch`] gives its nodes their links.
//!
//! A batch holds the records that a batch of [`Index::insert_many`] would, so the index becomes the same. A plan is of
//! no use once the index has changed; who plans must see to that, and may link the same records by
//! [`Index::link_together`] instead.

use super::insert_many::batch_len;
use super::pending::queue::Change;
use super::{Error, Index, NewRecord, Parts, Payload};
use crate::graph::{NewNode, Plan};
use crate::types::{Id, OutOfMemory};

/// How many records are planned at a time. Alone, a thread takes some milliseconds for these.
const PLANNED_TOGETHER: usize = 32;

/// The waiting records that are linked next, and the plans of the first of them.
#[derive(Debug, Default)]
pub(crate) struct LinkBatch {
    nodes: Vec<NewNode>,
    plans: Vec<Plan>,
    planned: usize,
}

impl LinkBatch {
    /// Empties the batch, but keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.planned = 0;
    }

    /// How many records have plans.
    pub(crate) const fn planned(&self) -> usize {
        self.planned
    }

    /// Whether there is a batch and all of it is planned.
    pub(crate) const fn is_ready(&self) -> bool {
        self.planned > 0 && self.planned == self.nodes.len()
    }
}

impl Index {
    /// Inserts many records like [`Index::insert_many`], and leaves them waiting for their links. With untrained codes,
    /// whose rows are whole vectors, and where a budget has no room for the queue, it links them as well.
    ///
    /// # Errors
    /// As [`Index::insert_many`].
    pub(crate) fn insert_many_waiting(&mut self, records: &[NewRecord<'_>]) -> Result<Vec<Id>, Error> {
        let payloads = records.iter().map(|record| Payload::to_parts(record.payload).1.len());
        // Each record may have to be deleted again, and each that can expire may do so meanwhile. The queue also notes
        // of every slot whether it waits, and whether it was live.
        let changes = 2 * records.len() + self.parts.expiries.len();
        let queue = changes * size_of::<Change>() + (self.parts.slots() + records.len()) / 4;
        let has_room = self.has_room_for(records.len(), payloads.fold(queue, usize::saturating_add));
        if self.parts.codes.is_untrained() || !has_room || self.lacks_room_for_bulk(records.len()) {
            return self.insert_many(records);
        }
        let put = self.put_many(records, Self::put_waiting);
        self.make_room();
        put
    }

    /// Plans the links of a few records of the batch, which the first call chooses if it is empty. Returns true while
    /// some of the batch is not planned. The batch stays empty if the next step is not that of linking records one by
    /// one.
    pub(crate) fn plan_waiting(&self, batch: &mut LinkBatch) -> Result<bool, OutOfMemory> {
        let Self { parts: Parts { codes, .. }, pending, .. } = self;
        let links_alone = pending.bulk_bytes.is_none() && !self.suits_bulk(self.pending());
        if pending.trains || !self.is_proven() || codes.is_untrained() || !links_alone {
            return Ok(false);
        }
        let LinkBatch { nodes, plans, planned } = batch;
        let live = pending.queue.live_before();
        if nodes.is_empty() {
            let len = batch_len(live.count());
            nodes.try_reserve(len).map_err(|_| OutOfMemory)?;
            nodes.extend(pending.queue.first_nodes().take(len));
        }
        let until = nodes.len().min(*planned + PLANNED_TOGETHER);
        self.plan_links(nodes, *planned..until, live, plans)?;
        *planned = until;
        Ok(until < nodes.len())
    }

    /// Links the records of a batch, which is ready and has been planned for this index as it is.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]: nothing has changed.
    pub(crate) fn link_batch(&mut self, batch: &mut LinkBatch) -> Result<(), Error> {
        let linked = self.link_ready(batch);
        batch.clear();
        self.make_room();
        Ok(linked?)
    }

    fn link_ready(&mut self, LinkBatch { nodes, plans, .. }: &mut LinkBatch) -> Result<(), OutOfMemory> {
        self.pending.queue.reserve_live(self.parts.slots())?;
        let Parts { graph, codes, .. } = &mut self.parts;
        let mut scratch = self.scratch.take();
        let prepared = scratch.points_mut().into_iter().try_for_each(|point| codes.prepare(point));
        let mut added = 0;
        let ready = prepared.and_then(|()| {
            nodes.iter().try_for_each(|node| {
                graph.reserve_node(node.slot, node.level)?;
                graph.add_node(node.slot, node.level);
                added += 1;
                Ok(())
            })
        });
        if ready.is_err() {
            nodes[..added].iter().for_each(|node| graph.free(node.slot));
        } else {
            for (&node, plan) in nodes.iter().zip(plans) {
                graph.link_planned(codes.space(), node, plan, &mut scratch);
                self.pending.queue.pop();
            }
        }
        self.scratch.put(scratch);
        ready
    }
}
