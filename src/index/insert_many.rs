//! insert_many: what takes long of inserting, planning the links, on all cores, for a batch of records at a time.
//!
//! 1. Every record is looked at, and the log is told of all: from here on only memory can be refused.
//! 2. Batch by batch, each record gets its slot, code, id and bytes, and a node without links.
//! 3. The links of the whole batch are planned ([`crate::graph`], `batch.rs`), by as many threads as there are.
//! 4. One after another, in their order, the nodes are linked, and the records are live.
//!
//! How long a batch is depends on how many records are live, and on nothing else, so that the index does not depend on threads.

use super::expire::check_expiry;
use super::parallel::each;
use super::payload::too_long;
use super::{Error, Index, Parts, Payload};
use crate::arena::MAX_PAYLOAD_BYTES;
use crate::graph::{NewNode, Plan, draw_level};
use crate::types::{Id, OutOfMemory, Slot};
use core::ops::Range;

/// A record for [`Index::insert_many`]. Start from [`NewRecord::new`] and change fields.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRecord<'a> {
    /// Its id; none: the next number that was never an id in the index.
    pub id: Option<Id>,
    /// Its vector.
    pub vector: &'a [f32],
    /// What it carries beside that.
    pub payload: Option<Payload<'a>>,
    /// When it expires, in milliseconds since 1970; none: never.
    pub expires_ms: Option<f64>,
}

impl<'a> NewRecord<'a> {
    /// Of a vector and nothing else.
    pub const fn new(vector: &'a [f32]) -> Self {
        Self { id: None, vector, payload: None, expires_ms: None }
    }
}

/// The longest batch.
const MOST_TOGETHER: usize = 128;
/// A batch is no more than this part of the live records: those that its nodes do not walk through are few then.
const SHARE: usize = 32;

/// How many records are planned together when so many are live.
pub(crate) fn batch_len(live: usize) -> usize {
    (live / SHARE).clamp(1, MOST_TOGETHER)
}

/// The buffers of a batch.
#[derive(Debug, Default)]
struct Batch {
    nodes: Vec<NewNode>,
    plans: Vec<Plan>,
}

/// The error of one of the records.
#[cfg(not(target_arch = "wasm32"))]
fn in_record(at: usize, error: Error) -> Error {
    Error::InRecord { at, error: Box::new(error) }
}

/// The same where the caller knows.
#[cfg(target_arch = "wasm32")]
fn in_record(_: usize, error: Error) -> Error {
    error
}

/// What a record will be stored under, and the reciprocal of its vector's length.
type Named = (Id, f64);

impl Index {
    /// Inserts many records, all or none, and returns their ids in the same order. With the feature `rayon` all cores work on it,
    /// or the threads of the pool from within which it is called; the index that comes of it is the same, byte for byte, without
    /// the feature and with any number of threads.
    ///
    /// It is not quite the one that [`Index::insert`] of one after the other gives: links are chosen for up to 128 records at a
    /// time, with the same recall to within .001 at `ef` 24 and more (docs/BENCHMARKS.md). In a stored index all of them are one change: after a crash, all are there or none.
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
    /// [`Error::InRecord`] with the place of a record and what [`Index::insert_with_id_expiring`] says of it, [`Error::DuplicateId`] also when one
    /// before it has its id (where the target is WebAssembly, the latter alone); [`Error::OutOfMemory`];
    /// [`Error::Corrupt`] as [`Index::link_step`], which comes first where records wait to be linked. Nothing has changed then,
    /// but for one case: memory that is refused in the middle leaves of those that were in already what deleted records leave,
    /// and their numbers are not given again.
    pub fn insert_many(&mut self, records: &[NewRecord<'_>]) -> Result<Vec<Id>, Error> {
        let named = self.check_many(records)?;
        let mut ids = reserved(records.len())?;
        for (id, _) in &named {
            ids.push(id.try_clone()?);
        }
        // What waits is linked as if it had been linked at once, so it comes before these.
        self.link_all()?;
        self.check_linked()?;
        self.reserve(records.len())?;
        self.reserve_burials(records.len())?;
        let mut slots = reserved(records.len())?;
        let mut batch = Batch::default();
        let mut put = records.iter().zip(&named).try_for_each(|(record, (id, _))| {
            let NewRecord { vector, payload, expires_ms, .. } = *record;
            self.log_put(id, vector, payload, expires_ms)
        });
        let draws = self.draws;
        while put.is_ok() {
            // Product codes are trained as soon as there are enough records for it, between two batches.
            self.owe_training();
            put = self.link_all();
            if put.is_err() || slots.len() == records.len() {
                break;
            }
            let from = slots.len();
            let range = from..records.len().min(from + batch_len(self.len()));
            put = self.put_batch(records, &named, range, &mut batch);
            slots.extend(batch.nodes.drain(..).map(|node| node.slot));
        }
        if let Err(error) = put {
            slots.into_iter().for_each(|slot| self.bury(slot));
            self.draws = draws;
            self.unlog();
            return Err(error);
        }
        self.logged();
        self.trim();
        Ok(ids)
    }

    /// Finds what is wrong with the records, before anything changes.
    fn check_many(&self, records: &[NewRecord<'_>]) -> Result<Vec<Named>, Error> {
        self.check_writable()?;
        let mut named: Vec<Named> = reserved(records.len())?;
        let mut next_number = self.parts.ids.numbers_used();
        let mut payload_bytes = 0;
        for (at, record) in records.iter().enumerate() {
            let (id, inverse_norm) = self.check_one(record, next_number).map_err(|error| match error {
                // That is of no record in particular.
                Error::OutOfMemory => error,
                _ => in_record(at, error),
            })?;
            payload_bytes += Payload::to_parts(record.payload).1.len();
            if let Id::Number(number) = id {
                next_number = next_number.max(number + 1);
            }
            named.push((id, inverse_norm));
        }
        let mut sorted = reserved(records.len())?;
        sorted.extend(named.iter().zip(0..).map(|((id, _), at)| (id, at)));
        sorted.sort_unstable();
        if let Some([_, (id, at)]) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(in_record(*at, Error::DuplicateId { id: id.try_clone()? }));
        }
        let is_room = records.len() <= Slot::MOST - self.parts.slots().min(Slot::MOST);
        if is_room && self.has_room_for(records.len(), payload_bytes) { Ok(named) } else { Err(Error::OutOfMemory) }
    }

    /// What a record will be stored under, if nothing is wrong with it.
    fn check_one(&self, record: &NewRecord<'_>, next_number: u64) -> Result<Named, Error> {
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
        Ok((id, inverse_norm))
    }

    /// Takes in the records of a range, whose nodes are in the batch then. On an error nothing of them is in.
    fn put_batch(
        &mut self,
        records: &[NewRecord<'_>],
        named: &[Named],
        range: Range<usize>,
        batch: &mut Batch,
    ) -> Result<(), Error> {
        let Batch { nodes, plans } = batch;
        nodes.try_reserve(range.len()).map_err(|_| OutOfMemory)?;
        let mut put = (records[range.clone()].iter().zip(&named[range]))
            .try_for_each(|(record, named)| self.settle(record, named, nodes));
        if put.is_ok() {
            put = self.plan_links(nodes, plans).map_err(Error::from);
        }
        if put.is_err() {
            nodes.drain(..).for_each(|node| self.unsettle(node.slot));
            return put;
        }
        let mut scratch = self.scratch.take();
        let Parts { graph, codes, tombstones, .. } = &mut self.parts;
        for (&node, plan) in nodes.iter().zip(plans) {
            graph.link_planned(codes.space(), node, plan, &mut scratch);
            tombstones.add(node.slot);
        }
        self.scratch.put(scratch);
        Ok(())
    }

    /// Gives a record all but its links and its being live. All that can fail comes first.
    fn settle(
        &mut self,
        record: &NewRecord<'_>,
        (id, inverse_norm): &Named,
        nodes: &mut Vec<NewNode>,
    ) -> Result<(), Error> {
        let (kind, bytes) = Payload::to_parts(record.payload);
        if !self.has_room(bytes.len()) {
            return Err(Error::OutOfMemory);
        }
        let slot = self.parts.ids.next_slot();
        let level = draw_level(self.config.seed, self.draws, self.config.m);
        self.parts.reserve_slot()?;
        self.parts.records.reserve(slot, bytes.len())?;
        if record.expires_ms.is_some() {
            self.parts.expiries.reserve(slot.index() + 1)?;
        }
        self.parts.graph.reserve_node(slot, level)?;
        let id = id.try_clone()?;
        let mut scratch = self.scratch.take();
        let [point, _] = scratch.points_mut();
        self.parts.codes.prepare(point)?;

        self.parts.allocate();
        self.parts.codes.encode(slot, record.vector, *inverse_norm, point);
        self.scratch.put(scratch);
        self.parts.graph.place(slot, level);
        nodes.push(NewNode { slot, level, ef_construction: self.config.ef_construction });
        self.draws = self.draws.wrapping_add(1);
        let in_record = if self.parts.records.dimensions() == 0 { &[] } else { record.vector };
        self.parts.records.append(slot, *inverse_norm as f32, in_record, kind, bytes)?;
        let is_bound = self.parts.ids.bind(slot, id);
        debug_assert!(is_bound, "a checked id binds to a slot just allocated");
        if let Some(at_ms) = record.expires_ms {
            self.parts.expiries.set(slot, at_ms);
        }
        Ok(())
    }

    /// Takes that back.
    fn unsettle(&mut self, slot: Slot) {
        self.parts.expiries.remove(slot);
        self.parts.ids.unbind(slot);
        self.parts.records.remove(slot);
        self.parts.graph.free(slot);
        self.parts.release(slot);
    }

    /// Plans the links of a batch, each node's beside those before it.
    fn plan_links(&self, nodes: &[NewNode], plans: &mut Vec<Plan>) -> Result<(), OutOfMemory> {
        plans.try_reserve(nodes.len().saturating_sub(plans.len()))?;
        plans.resize_with(nodes.len(), Plan::default);
        let Parts { graph, codes, tombstones, .. } = &self.parts;
        each(plans, &self.scratch, |at, plan, scratch| {
            scratch.points_mut().into_iter().try_for_each(|point| codes.prepare(point))?;
            graph.plan_beside(codes.space(), nodes[at], tombstones.live_slots(), &nodes[..at], scratch, plan)
        })
    }
}

/// An empty vector with room for so many.
fn reserved<T>(count: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut items = Vec::new();
    items.try_reserve_exact(count)?;
    Ok(items)
}
