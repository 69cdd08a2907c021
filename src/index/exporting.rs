//! An export of an index whose records are in the store, some of them read at a time and given up again.
//!
//! 1. How long each record is: those in memory are looked at, the blocks of the others are asked for.
//! 2. Room for all of it. Each record goes where it belongs, in whatever order the blocks come.
//! 3. Everything else, around the records, and the checksums.
//!
//! Each block is read twice, for there is no telling where a record goes before the lengths of all are known. In between the
//! index may be used. When it has changed, the export begins anew.

use super::{Error, Index};
use crate::arena::{ReadPlan, put_record, stored_record_bytes};
use crate::format::{ByteRoom, FormatError, Kind, zeros};
use crate::slot_set::SlotSet;
use crate::types::Slot;

/// So much is read at a time.
const PART_BYTES: u64 = 1 << 20;

/// What an export begun is of. An index of which this is the same has the same records in the same slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    next_sequence: u64,
    live: usize,
    deleted: usize,
    /// A compaction moves records, and may leave as many tombstones as there were, also when it is cut off.
    compaction_steps: u64,
}

/// How often an export begins because the index has changed.
const ATTEMPTS: u32 = 3;

/// An export under way.
#[derive(Debug)]
pub(crate) struct Exporting<B: ByteRoom> {
    moment: Moment,
    /// Slots whose records are still to be looked at.
    left: SlotSet,
    /// Of each slot, how long its record is; and then where among all records it ends.
    ends: Vec<u64>,
    /// None as long as lengths are looked at.
    pub(crate) bytes: Option<B>,
    /// Where in them records begin.
    start: u64,
    /// How often it may still begin, this time included.
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
    fn moment(&self) -> Moment {
        Moment {
            next_sequence: self.journal().map_or(0, |journal| journal.next_sequence()),
            live: self.len(),
            deleted: self.parts.tombstones.deleted(),
            compaction_steps: self.compacted.steps,
        }
    }

    fn with_records(&self) -> Result<SlotSet, Error> {
        Ok(self.parts.tombstones.live_slots().snapshot()?)
    }

    /// Begins an export, once all is linked.
    ///
    /// # Errors
    /// As [`Index::link_step`]; [`Error::OutOfMemory`].
    pub(crate) fn export_begin<B: ByteRoom>(&mut self) -> Result<Exporting<B>, Error> {
        self.link_all()?;
        let (left, ends) = (self.with_records()?, zeros(self.parts.slots())?);
        Ok(Exporting { moment: self.moment(), left, ends, bytes: None, start: 0, attempts: ATTEMPTS })
    }

    /// Goes on with what is in memory, and says what is to be read next; nothing at the end. Begins anew when the index has changed.
    ///
    /// # Errors
    /// [`Error::Busy`] when it has changed too often; [`Error::Corrupt`] when a record is lost; as [`Index::export_begin`].
    pub(crate) fn export_step<B: ByteRoom>(&mut self, exporting: &mut Exporting<B>) -> Result<ReadPlan, Error> {
        loop {
            if exporting.moment != self.moment() {
                let attempts = exporting.attempts - 1;
                if attempts == 0 {
                    return Err(Error::Busy);
                }
                let mut anew = self.export_begin()?;
                anew.attempts = attempts;
                *exporting = anew;
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
            let total = usize::try_from(layout.total_bytes()).map_err(|_| Error::OutOfMemory)?;
            exporting.bytes = Some(B::of_zeros(total)?);
            exporting.left = self.with_records()?;
        }
    }

    /// Looks at the records that are left and in memory.
    fn export_records<B: ByteRoom>(&self, exporting: &mut Exporting<B>) -> Result<ReadPlan, Error> {
        let Exporting { left, ends, bytes, start, .. } = exporting;
        let records = &self.parts.records;
        let (mut plan, mut planned) = (ReadPlan::default(), 0);
        let mut next = left.next_from(Slot(0));
        while let Some(slot) = next {
            next = left.next_from(Slot(slot.0 + 1));
            let Some(record) = records.record(slot) else {
                let block = records.unread(slot).ok_or_else(super::get::lost)?;
                let is_planned = plan.blocks().binary_search(&block.number).is_ok();
                if !is_planned && (plan.is_empty() || planned + block.raw_bytes <= PART_BYTES) {
                    planned += block.raw_bytes;
                    plan.add(block.number)?;
                }
                continue;
            };
            left.remove(slot);
            let len = stored_record_bytes(&record) as u64;
            let Some(bytes) = bytes else {
                *ends.get_mut(slot.index()).ok_or(Error::Busy)? = len;
                continue;
            };
            let end = ends.get(slot.index()).copied().unwrap_or(0);
            let mut at = *start + end.checked_sub(len).ok_or(Error::Busy)?;
            put_record(&record, &mut |part| {
                let has_room = bytes.write(at, part);
                at += part.len() as u64;
                if has_room { Ok(()) } else { Err(FormatError::Io { why: "a record is longer than it was".into() }) }
            })?;
        }
        Ok(plan)
    }

    /// Takes what was read for [`Index::export_step`], goes on, and gives up what was read.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn export_read<B: ByteRoom>(
        &mut self,
        exporting: &mut Exporting<B>,
        plan: &ReadPlan,
        keys: &[String],
        values: Vec<Option<Vec<u8>>>,
    ) -> Result<ReadPlan, Error> {
        self.admit(plan, keys, values)?;
        let next = self.export_step(exporting);
        self.parts.records.cold.give_up(plan);
        next
    }

    /// Writes what is around the records, once they are all there.
    fn export_around<B: ByteRoom>(&self, exporting: &mut Exporting<B>) -> Result<(), Error> {
        let Exporting { ends, bytes: Some(bytes), .. } = exporting else { return Ok(()) };
        let total = ends.last().copied().unwrap_or(0);
        let len = |slot: Slot| {
            let end = |at: usize| ends.get(at).copied().unwrap_or(total);
            end(slot.index()) - slot.index().checked_sub(1).map_or(0, end)
        };
        self.export_with(self.layout_with(total)?, bytes, &len, &mut |to| to.adopt(total))
    }
}
