//! insert_many: inserts many records, a batch at a time. Planning the links of a batch, which takes longest, uses all
//! cores.
//!
//! 1. Every record is checked, and all are logged. From here on only an allocation can fail.
//! 2. Batch by batch, each record gets its slot, code, id and bytes, and a node without links.
//! 3. The links of the whole batch are planned ([`crate::graph`], `batch.rs`), by as many threads as there are.
//! 4. In the order of the batch, one after another, the nodes are linked and the records become live.
//!
//! Where there is no graph yet and the records are many, steps 2 to 4 are done for all of them together: they wait
//! without links, and are then linked in bulk (`bulk.rs`).
//!
//! The length of a batch depends on the number of live records only, so the resulting index does not depend on the
//! number of threads.
//!
//! When memory is refused in the middle, what is undone depends on how far each record has come: those of the batch
//! under way, which nothing refers to, are taken out again; those of earlier batches, which others have links to,
//! become tombstones, and so do those that wait. Levels are drawn anew, and nothing of the call is in the log.

use super::expire::check_expiry;
use super::parallel::each;
use super::payload::too_long;
use super::{Error, Index, Parts, Payload};
use crate::arena::MAX_PAYLOAD_BYTES;
use crate::graph::{NewNode, Plan, draw_level};
use crate::ids::wipe_id;
use crate::slot_set::SlotSet;
use crate::types::{Id, OutOfMemory, Slot};
use core::ops::Range;

/// A record for [`Index::insert_many`]. Start from [`NewRecord::new`] and change fields.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRecord<'a> {
    /// The record's id; `None`: the next number that was never an id in the index.
    pub id: Option<Id>,
    /// The vector.
    pub vector: &'a [f32],
    /// The payload, if any.
    pub payload: Option<Payload<'a>>,
    /// When the record expires, in milliseconds since 1970; `None`: never.
    pub expires_ms: Option<f64>,
}

impl<'a> NewRecord<'a> {
    /// A record of this vector, without an id, a payload or an expiry.
    pub const fn new(vector: &'a [f32]) -> Self {
        Self { id: None, vector, payload: None, expires_ms: None }
    }
}

/// Most records in a batch.
const MOST_TOGETHER: usize = 128;
/// One record in a batch for this many live ones. Planning does not walk through the other nodes of the batch, so they
/// must be few.
const SHARE: usize = 32;

/// How many records make a batch when `live` records are live.
pub(crate) fn batch_len(live: usize) -> usize {
    (live / SHARE).clamp(1, MOST_TOGETHER)
}

/// The buffers of a batch.
#[derive(Debug, Default)]
struct BatchBuffers {
    nodes: Vec<NewNode>,
    plans: Vec<Plan>,
}

/// Adds the position of the record that the error concerns.
#[cfg(not(target_arch = "wasm32"))]
fn in_record(at: usize, error: Error) -> Error {
    Error::InRecord { at, error: Box::new(error) }
}

/// Returns the error unchanged: in WebAssembly the caller knows which record it concerns.
#[cfg(target_arch = "wasm32")]
fn in_record(_: usize, error: Error) -> Error {
    error
}

/// What checking a record has told.
pub(super) struct Checked {
    /// The id that the record will have.
    id: Id,
    /// The reciprocal of its vector's length.
    inverse_norm: f64,
}

/// The checked records of a call. Their ids are copies of the caller's, overwritten before their memory is given back.
struct CheckedRecords(Vec<Checked>);

impl Drop for CheckedRecords {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|checked| wipe_id(checked.id));
    }
}

impl Index {
    /// Inserts many records, all or none, and returns their ids in the same order. With the feature `rayon` all cores
    /// work on it, or, if it is called from within a rayon pool, the threads of that pool. The resulting index is the
    /// same, byte for byte, without the feature and with any number of threads.
    ///
    /// While a thread waits for others of its pool, it takes up other tasks. If the caller holds a lock on the index
    /// and such a task wants it, both wait forever; `SharedIndex::insert_many` avoids this, and lets other threads use
    /// the index meanwhile.
    ///
    /// It differs slightly from the index that [`Index::insert`] of one record after another gives: links are chosen
    /// for up to 128 records at a time. Recall is the same to within .001 at `ef` 24 and more (docs/EXPERIMENTS.md,
    /// "Batches of `insert_many`"). In a stored index all records are one change: after a crash, all are
    /// there or none.
    ///
    /// Into an index without links, with int8 codes of more than 128 dimensions, an `ef_construction` of 80 to 256 and
    /// an `m` of at least 12, 4,096 records or more, up to 2^18 of them, are linked together (arXiv 2602.21247). With
    /// embeddings that takes half the time of inserting them one by one, and recall is at least as high. (If one vector
    /// comes more than `m` + 1 times, one thread links one record at a time.) It needs some 350 bytes of memory a
    /// record until it is done, and up to 5 MB for each of up to 16 parts that threads compare. Where a budget has no
    /// room for that, links are chosen as for fewer records; if the memory is refused, for one record at a time.
    ///
    /// ```
    /// use thermocline::{Config, Index, NewRecord, Payload};
    ///
    /// let mut index = Index::new(Config::new(3))?;
    /// let ids = index.insert_many(&[
    ///     NewRecord::new(&[1.0, 0.0, 0.1]),
    ///     NewRecord { id: Some("north".into()), ..NewRecord::new(&[0.0, 1.0, 0.0]) },
    ///     NewRecord { payload: Some(Payload::Json("[1]")), ..NewRecord::new(&[0.0, 0.1, 1.0]) },
    /// ])?;
    /// assert_eq!(ids, [0.into(), "north".into(), 1.into()]);
    /// # Ok::<(), thermocline::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InRecord`] with the position of a record and the error that [`Index::insert_with_id_expiring`] has for
    /// it, or [`Error::DuplicateId`] when an earlier record of the call has its id (in WebAssembly the inner error
    /// alone); [`Error::OutOfMemory`], in a stored index also for 2 GiB of records or more, which are too many for one
    /// change; [`Error::OverBudget`]; [`Error::ReadOnly`]; the error with which the store has failed;
    /// [`Error::Corrupt`] as [`Index::link_step`], because records that wait to be linked are linked first.
    ///
    /// On an error nothing has changed, with one exception: when memory is refused, or the budget used up, in the
    /// middle, the records that were already inserted become tombstones, and their numbers are not given again.
    pub fn insert_many(&mut self, records: &[NewRecord<'_>]) -> Result<Vec<Id>, Error> {
        let put = self.put_many(records, Self::put_checked);
        self.make_room();
        put
    }

    /// Checks and logs records, and inserts them by `put`. On an error that leaves the slots of those that have been
    /// inserted.
    pub(super) fn put_many(
        &mut self,
        records: &[NewRecord<'_>],
        put: impl FnOnce(&mut Self, &[NewRecord<'_>], &[Checked], &mut Vec<Slot>) -> Result<(), Error>,
    ) -> Result<Vec<Id>, Error> {
        let CheckedRecords(checked) = &self.check_many(records)?;
        let mut ids = reserved(records.len())?;
        for Checked { id, .. } in checked {
            ids.push(id.try_clone()?);
        }
        // Waiting records are linked as if they had been linked at once, so they come before these.
        self.link_all()?;
        self.check_linked()?;
        self.reserve(records.len())?;
        let mut slots = reserved(records.len())?;
        let draws = self.draws;
        let logged = records.iter().zip(checked).try_for_each(|(record, Checked { id, .. })| {
            self.log_put(id, record.vector, record.payload, record.expires_ms)
        });
        if let Err(error) = logged.and_then(|()| put(self, records, checked, &mut slots)) {
            slots.into_iter().for_each(|slot| self.delete_slot(slot));
            self.draws = draws;
            self.unlog();
            return Err(error);
        }
        self.logged();
        Ok(ids)
    }

    /// Inserts and links records. On an error `slots` are those of the records that have been inserted.
    fn put_checked(
        &mut self,
        records: &[NewRecord<'_>],
        checked: &[Checked],
        slots: &mut Vec<Slot>,
    ) -> Result<(), Error> {
        let mut batch = BatchBuffers::default();
        loop {
            // Product codes are trained as soon as there are enough records for it, between two batches. Until that has
            // ended, deletions wait, and those of the records so far must have room.
            self.reserve_deletions(slots.len())?;
            self.owe_training();
            #[cfg(not(target_arch = "wasm32"))]
            self.link_shared()?;
            #[cfg(target_arch = "wasm32")]
            self.link_all()?;
            let from = slots.len();
            if from == records.len() {
                return Ok(());
            }
            // With threads in WebAssembly a call gets fewer records.
            #[cfg(not(target_arch = "wasm32"))]
            if let Some(count) = self.count_for_bulk(records.len() - from) {
                let until = from + count;
                self.put_waiting(&records[from..until], &checked[from..until], slots)?;
                continue;
            }
            let range = from..records.len().min(from + batch_len(self.len()));
            self.put_batch(records, checked, range, &mut batch)?;
            slots.extend(batch.nodes.drain(..).map(|node| node.slot));
        }
    }

    /// Checks records as [`Index::insert_many`] does, at once.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn check_records(&self, records: &[NewRecord<'_>]) -> Result<(), Error> {
        self.check_many(records).map(drop)
    }

    /// Checks all records before anything changes.
    fn check_many(&self, records: &[NewRecord<'_>]) -> Result<CheckedRecords, Error> {
        self.check_writable()?;
        let mut all = CheckedRecords(reserved(records.len())?);
        let mut next_number = self.parts.ids.numbers_used();
        let mut payload_bytes = 0;
        for (at, record) in records.iter().enumerate() {
            let checked = self.check_one(record, next_number).map_err(|error| match error {
                // This error concerns no particular record.
                Error::OutOfMemory => error,
                _ => in_record(at, error),
            })?;
            payload_bytes = usize::saturating_add(payload_bytes, Payload::to_parts(record.payload).1.len());
            if let Id::Number(number) = checked.id {
                next_number = next_number.max(number + 1);
            }
            all.0.push(checked);
        }
        let mut sorted = reserved(records.len())?;
        sorted.extend(all.0.iter().zip(0..).map(|(checked, at)| (&checked.id, at)));
        sorted.sort_unstable();
        if let Some([_, (id, at)]) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(in_record(*at, Error::DuplicateId { id: id.try_clone()? }));
        }
        if records.len() > Slot::MOST - self.parts.slots().min(Slot::MOST) {
            return Err(Error::OutOfMemory);
        }
        if self.has_room_for(records.len(), payload_bytes) { Ok(all) } else { Err(Error::OverBudget) }
    }

    /// Checks one record. `next_number` is its id if it has none.
    fn check_one(&self, record: &NewRecord<'_>, next_number: u64) -> Result<Checked, Error> {
        check_expiry(record.expires_ms)?;
        let inverse_norm = self.inverse_norm(record.vector)?;
        let (_, bytes) = Payload::to_parts(record.payload);
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(too_long(bytes.len()));
        }
        let id = match &record.id {
            Some(id) => {
                self.check_new_id(id)?;
                id.try_clone()?
            }
            None if next_number > Id::MAX_NUMBER => return Err(Self::no_number()),
            None => Id::Number(next_number),
        };
        Ok(Checked { id, inverse_norm })
    }

    /// Inserts records without links: they wait to be linked.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn put_waiting(
        &mut self,
        records: &[NewRecord<'_>],
        checked: &[Checked],
        slots: &mut Vec<Slot>,
    ) -> Result<(), Error> {
        self.pending.holds = true;
        // Also for deleting all of them, should one be refused memory.
        let room = self.reserve_pending(2 * records.len()).map_err(Error::from);
        let put = room.and_then(|()| {
            records.iter().zip(checked).try_for_each(|(record, checked)| {
                let node = self.prepare_record(record)?;
                self.reserve_pending(1)?;
                self.add_unlinked(node, record, checked)?;
                // A checkpoint stores the level of a node that waits.
                self.parts.graph.changes_mut().note(node.slot);
                self.pending.queue.push_link(node);
                self.parts.tombstones.add(node.slot);
                slots.push(node.slot);
                Ok(())
            })
        });
        self.pending.holds = false;
        put
    }

    /// Inserts the records of a range, and leaves their nodes in `batch`. On an error none of them is inserted.
    fn put_batch(
        &mut self,
        records: &[NewRecord<'_>],
        checked: &[Checked],
        range: Range<usize>,
        batch: &mut BatchBuffers,
    ) -> Result<(), Error> {
        let planned = self.plan_batch(records, checked, range, batch);
        let mut scratch = self.scratch.take();
        let ready = planned.and_then(|()| {
            // These buffers may be new, and linking must not fail half-way.
            let mut points = scratch.points_mut().into_iter();
            points.try_for_each(|point| self.parts.codes.prepare(point)).map_err(Error::from)
        });
        if let Err(error) = ready {
            batch.nodes.drain(..).for_each(|node| self.remove_unlinked(node.slot));
            return Err(error);
        }
        let Parts { graph, codes, tombstones, .. } = &mut self.parts;
        for (&node, plan) in batch.nodes.iter().zip(&mut batch.plans) {
            graph.link_planned(codes.space(), node, plan, &mut scratch);
            tombstones.add(node.slot);
        }
        self.scratch.put(scratch);
        Ok(())
    }

    /// Adds the nodes of a range without links, and plans these. On an error those in `batch` have been added.
    fn plan_batch(
        &mut self,
        records: &[NewRecord<'_>],
        checked: &[Checked],
        range: Range<usize>,
        batch: &mut BatchBuffers,
    ) -> Result<(), Error> {
        let BatchBuffers { nodes, plans } = batch;
        nodes.try_reserve(range.len()).map_err(|_| OutOfMemory)?;
        for (record, checked) in records[range.clone()].iter().zip(&checked[range]) {
            let node = self.prepare_record(record)?;
            self.parts.graph.reserve_node(node.slot, node.level)?;
            self.add_unlinked(node, record, checked)?;
            self.parts.graph.add_node(node.slot, node.level);
            nodes.push(node);
        }
        Ok(self.plan_links(nodes, 0..nodes.len(), self.parts.tombstones.live_slots(), plans)?)
    }

    /// Makes room for a record, in all but the graph, and returns the node that it will have.
    fn prepare_record(&mut self, record: &NewRecord<'_>) -> Result<NewNode, Error> {
        let (_, bytes) = Payload::to_parts(record.payload);
        if !self.has_room(bytes.len()) {
            return Err(Error::OverBudget);
        }
        self.reserve_record(bytes.len(), record.expires_ms.is_some())?;
        let (slot, level) = (self.parts.ids.next_slot(), draw_level(self.config.seed, self.draws, self.config.m));
        Ok(NewNode { slot, level, ef_construction: self.config.ef_construction })
    }

    /// Gives a prepared record everything but its node. On an error nothing has changed.
    fn add_unlinked(
        &mut self,
        NewNode { slot, .. }: NewNode,
        record: &NewRecord<'_>,
        Checked { id, inverse_norm }: &Checked,
    ) -> Result<(), Error> {
        let (kind, bytes) = Payload::to_parts(record.payload);
        let id = id.try_clone()?;
        let mut scratch = self.scratch.take();
        let [point, _] = scratch.points_mut();
        self.parts.codes.prepare(point)?;

        self.parts.allocate();
        self.parts.codes.encode(slot, record.vector, *inverse_norm, point);
        self.scratch.put(scratch);
        let in_record = if self.parts.records.dimensions() == 0 { &[] } else { record.vector };
        if let Err(error) = self.parts.records.append(slot, *inverse_norm as f32, in_record, kind, bytes) {
            // Room was reserved, so this is a defect.
            self.give_up_slot(slot);
            return Err(error.into());
        }
        self.draws = self.draws.wrapping_add(1);
        let is_bound = self.parts.ids.bind(slot, id);
        debug_assert!(is_bound, "a checked id binds to a slot just allocated");
        if let Some(at_ms) = record.expires_ms {
            self.parts.expiries.set(slot, at_ms);
        }
        Ok(())
    }

    /// Undoes [`Index::add_unlinked`], and takes out the node.
    fn remove_unlinked(&mut self, slot: Slot) {
        self.parts.expiries.remove(slot);
        self.parts.ids.unbind(slot);
        self.parts.records.remove(slot);
        self.parts.graph.free(slot);
        self.parts.release(slot);
    }

    /// Plans the links of those nodes of a batch that are in `range`, to nodes of `live`. The candidates of each node
    /// include the earlier nodes of the batch.
    pub(super) fn plan_links(
        &self,
        nodes: &[NewNode],
        range: Range<usize>,
        live: &SlotSet,
        plans: &mut Vec<Plan>,
    ) -> Result<(), OutOfMemory> {
        plans.try_reserve(nodes.len().saturating_sub(plans.len()))?;
        plans.resize_with(nodes.len(), Plan::default);
        let Parts { graph, codes, .. } = &self.parts;
        let from = range.start;
        each(&mut plans[range], &self.scratch, |at, plan, scratch| {
            scratch.points_mut().into_iter().try_for_each(|point| codes.prepare(point))?;
            graph.plan_beside(codes.space(), nodes[from + at], live, &nodes[..from + at], scratch, plan)
        })
    }
}

/// An empty vector with room for `count` items.
fn reserved<T>(count: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut items = Vec::new();
    items.try_reserve_exact(count)?;
    Ok(items)
}
