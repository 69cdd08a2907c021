//! Exports an index whose records are in the store. Some of them are read at a time, and evicted again.
//!
//! 1. Find the length of each record: of those in memory at once, of the others as their blocks are read.
//! 2. Allocate the whole export, and write each record to its place, in whatever order the blocks come.
//! 3. Write everything else around the records, and the checksums.
//!
//! Each block is read twice, because the place of a record is known only when the lengths of all are. Records are
//! visited in the order of their blocks, so that each part continues where the last one ended. The index may be used in
//! between. When it has changed, the export begins again.

use crate::arena::{ReadPlan, put_record, stored_record_bytes};
use crate::format::{ByteRoom, FormatError, Kind, Mark, zeros};
use crate::index::{Error, Index};
use crate::store::Room;
use crate::types::Slot;

/// How many bytes of blocks are read at a time.
const PART_BYTES: u64 = 1 << 20;

/// The state of an index when its export began. While an index has the same `Version`, it has the same records in the
/// same slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    /// The end of the changes that are logged. A frame of the log can stay open from one change to the next, so its
    /// number alone is not enough.
    logged: Option<Mark>,
    /// For an index without a log, which is open for reading only: records that expire change this.
    live: usize,
    /// Steps of compactions, which move records. A compaction that is dropped counts too.
    compaction_steps: u64,
    /// Training replaces the codes, whose sections are then of other lengths. No log tells of it.
    is_untrained: bool,
}

#[cfg(test)]
thread_local! {
    /// How many records have been looked at, by all exports.
    static LOOKS: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

/// How many times an export begins, the first time included, when the index changes.
const ATTEMPTS: u32 = 3;

/// An export under way.
#[derive(Debug)]
pub(crate) struct Exporting<B: ByteRoom> {
    version: Version,
    /// The slots with records, each in the lower half of a word, in the order of the records' places.
    order: Vec<u64>,
    /// Blocks were numbered below this when `order` was sorted. If new blocks have been written since, it is sorted
    /// again.
    next_block: u32,
    /// How many slots of `order` have been visited.
    passed: usize,
    /// For each slot, first the length of its record, later the end of its record among all records.
    ends: Vec<u64>,
    /// The bytes of the export; `None` during the pass that finds the lengths.
    pub(crate) bytes: Option<B>,
    /// Where records begin in `bytes`.
    start: u64,
    /// The length of `bytes`.
    total: u64,
    /// How many times the export may still begin, the current time included.
    attempts: u32,
}

impl<B: ByteRoom> Drop for Exporting<B> {
    fn drop(&mut self) {
        if let Some(bytes) = &mut self.bytes {
            bytes.wipe();
        }
    }
}

impl Index {
    fn version(&self) -> Version {
        Version {
            logged: self.journal().map(|journal| journal.sealed),
            live: self.len(),
            compaction_steps: self.compacted.steps,
            is_untrained: self.parts.codes.is_untrained(),
        }
    }

    /// Links all records, and begins an export.
    ///
    /// # Errors
    /// As [`Index::link_step`]; [`Error::OutOfMemory`].
    pub(crate) fn export_begin<B: ByteRoom>(&mut self) -> Result<Exporting<B>, Error> {
        self.link_all()?;
        let (live, ends) = (self.parts.tombstones.live_slots(), zeros(self.parts.slots())?);
        let mut order = zeros(live.count())?;
        // Not the set's iterator, which would be compiled here once more (size).
        let mut next = Slot(0);
        for word in &mut order {
            let Some(slot) = live.next_from(next) else { break };
            (*word, next) = (u64::from(slot.0), Slot(slot.0 + 1));
        }
        let (version, next_block) = (self.version(), u32::MAX);
        Ok(Exporting {
            version,
            order,
            next_block,
            passed: 0,
            ends,
            bytes: None,
            start: 0,
            total: 0,
            attempts: ATTEMPTS,
        })
    }

    /// Continues with what is in memory, and returns what must be read next; an empty plan at the end. Begins again
    /// when the index has changed.
    ///
    /// # Errors
    /// [`Error::Busy`] when the index has changed too often; [`Error::Corrupt`] when a record is lost; as
    /// [`Index::export_begin`].
    pub(crate) fn export_step<B: ByteRoom>(&mut self, exporting: &mut Exporting<B>) -> Result<ReadPlan, Error> {
        loop {
            if exporting.version != self.version() {
                let attempts = exporting.attempts - 1;
                if attempts == 0 {
                    return Err(Error::Busy);
                }
                let mut anew = self.export_begin()?;
                anew.attempts = attempts;
                *exporting = anew;
            }
            let next_block = self.journal().map_or(0, |journal| journal.next_block());
            if exporting.next_block != next_block {
                // Slots that were visited stay in front: records that come into new blocks are not read again.
                let rest = exporting.order.get_mut(exporting.passed..).unwrap_or_default();
                self.parts.records.cold.sort_by_place(rest);
                exporting.next_block = next_block;
            }
            let plan = self.export_records(exporting)?;
            if !plan.is_empty() {
                return Ok(plan);
            }
            if exporting.bytes.is_some() {
                self.export_around(exporting)?;
                return Ok(plan);
            }
            let mut end = 0;
            for bytes in &mut exporting.ends {
                end += *bytes;
                *bytes = end;
            }
            let layout = self.layout_with(end)?;
            exporting.start = layout.start(Kind::Records);
            exporting.total = layout.total_bytes();
            let total = usize::try_from(exporting.total).map_err(|_| Error::OutOfMemory)?;
            exporting.bytes = Some(B::of_zeros(total)?);
            // All slots are visited again, in a new order: records written to new blocks in the meantime have other
            // places.
            (exporting.passed, exporting.next_block) = (0, u32::MAX);
        }
    }

    /// Visits records as long as they are in memory, and then finds what must be read for the following ones.
    fn export_records<B: ByteRoom>(&self, exporting: &mut Exporting<B>) -> Result<ReadPlan, Error> {
        let Exporting { order, passed, ends, bytes, start, .. } = exporting;
        let records = &self.parts.records;
        let (mut plan, mut planned) = (ReadPlan::default(), 0_u64);
        let mut at = *passed;
        while let Some(&slot) = order.get(at) {
            let slot = Slot(slot as u32);
            at += 1;
            #[cfg(test)]
            LOOKS.set(LOOKS.get() + 1);
            let Some(record) = records.record(slot) else {
                let block = records.unread(slot).ok_or_else(crate::index::get::lost)?;
                if plan.blocks().last() != Some(&block.number) {
                    planned = planned.saturating_add(block.raw_bytes);
                    if planned > PART_BYTES && !plan.is_empty() {
                        break;
                    }
                    plan.add(block.number)?;
                }
                continue;
            };
            if !plan.is_empty() {
                continue;
            }
            *passed = at;
            let len = stored_record_bytes(&record) as u64;
            let end = ends.get_mut(slot.index()).ok_or(Error::Busy)?;
            let Some(bytes) = bytes else {
                *end = len;
                continue;
            };
            let mut at = *start + end.checked_sub(len).ok_or(Error::Busy)?;
            put_record(&record, &mut |part| {
                let has_room = bytes.write(at, part);
                at += part.len() as u64;
                if has_room { Ok(()) } else { Err(FormatError::corrupt("a record is longer than it was")) }
            })?;
        }
        Ok(plan)
    }

    /// Takes in what was read for [`Index::export_step`], continues, and evicts it again.
    ///
    /// # Errors
    /// As [`Index::export_step`] and [`Index::admit`].
    pub(crate) fn export_read<B: ByteRoom>(
        &mut self,
        exporting: &mut Exporting<B>,
        plan: &ReadPlan,
        keys: &[String],
        room: &mut Room,
    ) -> Result<ReadPlan, Error> {
        let admitted = self.admit(plan, keys, room);
        let next = admitted.and_then(|()| self.export_step(exporting));
        self.parts.records.cold.give_up(plan);
        next
    }

    /// Writes everything but the records, once all of them are written.
    fn export_around<B: ByteRoom>(&self, exporting: &mut Exporting<B>) -> Result<(), Error> {
        let Exporting { ends, bytes: Some(bytes), total: room, .. } = exporting else { return Ok(()) };
        let total = ends.last().copied().unwrap_or(0);
        let layout = self.layout_with(total)?;
        if layout.total_bytes() != *room {
            return Err(Error::Busy);
        }
        let len = |slot: Slot| {
            let end = |at: usize| ends.get(at).copied().unwrap_or(total);
            end(slot.index()) - slot.index().checked_sub(1).map_or(0, end)
        };
        self.export_with(layout, bytes, &len, &mut |to| to.adopt(total))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::index::stored::checkpoint::Step;
    use crate::index::stored::inventory::Inventory;
    use crate::index::{Config, Payload};
    use std::collections::BTreeMap;

    const PAYLOAD_BYTES: usize = 4000;

    fn insert(index: &mut Index, number: u64) {
        let payload = [number as u8; PAYLOAD_BYTES];
        index.insert_with_id(number, &[number as f32, 1.0], Some(Payload::Bytes(&payload))).unwrap();
    }

    fn empty() -> Index {
        Index::new(Config { m: 4, ef_construction: 8, ..Config::new(2) }).unwrap()
    }

    /// Writes a part of a checkpoint. Returns false after the last part.
    fn step(index: &mut Index, place: &mut BTreeMap<String, Vec<u8>>, generation: u64, bytes: usize) -> bool {
        let (Step::More(batch) | Step::Last(batch), more) = match index.checkpoint_step(generation, bytes).unwrap() {
            step @ Step::More(_) => (step, true),
            step @ Step::Last(_) => (step, false),
        };
        place.extend(batch.puts);
        more
    }

    /// Writes a checkpoint, after which no record is in memory.
    fn store(index: &mut Index, place: &mut BTreeMap<String, Vec<u8>>) {
        let generation = index.checkpoint_begin().unwrap();
        while step(index, place, generation, 1 << 20) {}
        index.checkpoint_ended(generation);
        index.config.max_bytes = Some(1);
        index.demote().unwrap();
        index.config.max_bytes = None;
        assert_eq!(index.parts.records.warm.live_bytes(), 0);
    }

    /// Exports, and calls `before` each time before the requested values are taken. Returns how often that was, and how
    /// many records were visited.
    fn export(
        index: &mut Index,
        place: &mut BTreeMap<String, Vec<u8>>,
        mut before: impl FnMut(&mut Index, &mut BTreeMap<String, Vec<u8>>, usize),
    ) -> (Vec<u8>, usize, usize) {
        LOOKS.set(0);
        let mut exporting = index.export_begin().unwrap();
        let mut plan = index.export_step(&mut exporting).unwrap();
        let mut parts = 0;
        while !plan.is_empty() {
            let keys = index.keys_of_plan(&plan).unwrap();
            let mut room = Room::default();
            room.own(keys.iter().map(|key| place.get(key).cloned()).collect());
            before(index, place, parts);
            plan = index.export_read(&mut exporting, &plan, &keys, &mut room).unwrap();
            parts += 1;
        }
        (exporting.bytes.take().unwrap(), parts, LOOKS.get())
    }

    const RECORDS: usize = 4000;
    /// In each of two rounds a record is visited once when its block is not in memory, and once when it is.
    const MOST_LOOKS: usize = 5 * RECORDS;

    #[test]
    fn what_an_export_costs_is_linear() {
        let (mut index, mut place) = (empty(), BTreeMap::new());
        (0..RECORDS as u64).for_each(|number| insert(&mut index, number));
        let expected = index.export().unwrap();
        index.attach(&Inventory::default(), 1 << 16).unwrap();
        store(&mut index, &mut place);
        let (bytes, parts, looks) = export(&mut index, &mut place, |_, _, _| ());
        assert!(bytes == expected);
        // Each of the two rounds reads a megabyte at a time.
        let fewest = 2 * RECORDS * PAYLOAD_BYTES / PART_BYTES as usize;
        assert!((fewest..=50).contains(&parts), "{parts}");
        assert!(looks <= MOST_LOOKS, "{looks} looks at {RECORDS} records in {parts} parts");
    }

    /// Half of the records come into blocks while the others are read. That does not change what is exported, and
    /// nothing is read again for it.
    #[test]
    fn an_export_beside_a_checkpoint_is_linear_too() {
        let (mut index, mut place) = (empty(), BTreeMap::new());
        index.attach(&Inventory::default(), 1 << 16).unwrap();
        for number in (0..RECORDS as u64).step_by(2) {
            insert(&mut index, number);
        }
        store(&mut index, &mut place);
        for number in (1..RECORDS as u64).step_by(2) {
            insert(&mut index, number);
        }
        let generation = index.checkpoint_begin().unwrap();
        let mut steps = 0;
        let (bytes, parts, looks) = export(&mut index, &mut place, |index, place, part| {
            if part % 2 == 0 && step(index, place, generation, 1 << 18) {
                steps += 1;
            }
        });
        assert!(steps > 5, "{steps}");
        let again = Index::import(&bytes).unwrap();
        assert!(again.check().unwrap().ok);
        for number in 0..RECORDS as u64 {
            let payload = [number as u8; PAYLOAD_BYTES];
            assert_eq!(again.get(&number.into()).unwrap().unwrap().payload, Some(Payload::Bytes(&payload)));
        }
        assert!(parts <= 50 && looks <= MOST_LOOKS, "{looks} looks at {RECORDS} records in {parts} parts");
    }
}
