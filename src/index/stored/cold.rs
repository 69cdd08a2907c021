//! Records that are only in the store: which blocks a call must read, and taking in what was read.

use crate::arena::{MOST_RECORDS, ReadPlan};
use crate::format::{Key, StoredBlock, piece_count};
use crate::index::{Error, Index};
use crate::store::Room;
use crate::types::{OutOfMemory, Slot};
use crate::wipe::wipe;
use core::ops::Range;
use std::borrow::Cow;

/// Bytes of blocks that are read at a time when all of them are needed.
const PART_BYTES: u64 = 4 << 20;
/// A block is rewritten when less than one part in this many of its records' bytes is live…
const WORN_PART: u64 = 2;
/// …or when at least this many blocks each hold less than that share of what a block may hold.
const FEW_SMALL: usize = 4;

impl Index {
    /// Checks that the records of all these slots are in memory; the error [`Error::Cold`] says which blocks to read.
    pub(crate) fn need(&self, slots: impl Iterator<Item = Slot> + Clone) -> Result<(), Error> {
        refuse(self.parts.records.plan(slots)?)
    }

    /// The next blocks to read ahead, about `bytes` bytes of them; empty when every record is in memory, or when there
    /// is a budget.
    pub(crate) fn unread(&self, bytes: u64) -> Result<ReadPlan, OutOfMemory> {
        // Under a budget, blocks that no call has asked for would push out blocks that a call has asked for.
        if self.config.max_bytes.is_some() {
            Ok(ReadPlan::default())
        } else {
            part(self.parts.records.cold.unread(), bytes)
        }
    }

    /// Checks that every record is in memory; the error [`Error::Cold`] names some of the blocks to read.
    ///
    /// # Errors
    /// [`Error::Cold`]; [`Error::Corrupt`] when some are lost; [`Error::OutOfMemory`].
    pub(in crate::index) fn need_all(&self) -> Result<(), Error> {
        if let Some(lost) = self.parts.records.cold.lost().next() {
            return Err(Error::Corrupt { what: format!("the records of block {} are lost", lost.number) });
        }
        refuse(part(self.parts.records.cold.unread(), PART_BYTES)?)
    }

    /// The keys of the values that hold the blocks of a plan.
    pub(crate) fn keys_of_plan(&self, plan: &ReadPlan) -> Result<Vec<String>, OutOfMemory> {
        let mut keys = Vec::new();
        for stored in plan.blocks().iter().filter_map(|&number| self.parts.records.cold.stored(number)) {
            for key in block_keys(stored, self.piece_bytes()) {
                keys.try_reserve(1)?;
                keys.push(key.to_text()?);
            }
        }
        Ok(keys)
    }

    /// Whether all blocks of a plan that the index still needs are as they were written. The arguments are those of
    /// [`Index::admit`].
    pub(crate) fn is_as_written(&self, plan: &ReadPlan, keys: &[String], room: &Room) -> Result<bool, OutOfMemory> {
        for (number, values) in blocks_of(plan, keys) {
            let Some(stored) = self.parts.records.cold.stored(number) else { continue };
            if values.clone().any(|at| !room.has(at)) {
                return Ok(false);
            }
            let mut bytes = room.joined(values)?;
            let is_content = stored.is_content(&bytes);
            if let Cow::Owned(joined) = &mut bytes {
                wipe(joined);
            }
            if !is_content {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes in the blocks that were read for a plan. `keys` are the keys that its blocks had when they were read, and
    /// `room` has the values of them. A block that is missing or differs from what was written is lost, and its
    /// records with it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn admit(&mut self, plan: &ReadPlan, keys: &[String], room: &mut Room) -> Result<(), Error> {
        for (number, values) in blocks_of(plan, keys) {
            // A block that has been rewritten since is not needed.
            if self.parts.records.cold.stored(number).is_none() {
                continue;
            }
            let is_there = values.clone().all(|at| room.has(at));
            let mut bytes = if is_there { Some(room.joined(values.clone())?) } else { None };
            let Self { parts, config, .. } = self;
            let mut inverse_norm = |vector: &[f32]| {
                // Where the codes are the vectors, records have none.
                if vector.is_empty() { Some(0.0) } else { Some(config.inverse_norm(vector).ok()? as f32) }
            };
            let admitted = parts.records.admit(number, bytes.as_deref(), &mut inverse_norm);
            if let Some(Cow::Owned(joined)) = &mut bytes {
                wipe(joined);
            }
            drop(bytes);
            room.free(values);
            admitted?;
        }
        Ok(())
    }

    /// Tells the cache that a plan has been carried out and the call that needed it is made next.
    pub(crate) fn expect_retry(&self, plan: &ReadPlan) {
        self.parts.records.cold.expect_retry(plan);
    }

    /// The blocks numbered below `below` that should be rewritten: those that are mostly dead, and small ones when
    /// there are several. At most as many as are read at a time.
    pub(crate) fn worn_blocks(&self, below: u32) -> Result<ReadPlan, OutOfMemory> {
        let block_bytes = self.block_bytes() as u64;
        let cold = &self.parts.records.cold;
        let live = |block: &StoredBlock| {
            // An estimate: which records are dead is not known here, so each counts as the average of the block.
            let live = u64::from(block.records - block.dead);
            block.raw_bytes / u64::from(block.records.max(1)) * live
        };
        let is_small = |block: &&StoredBlock| {
            let records = (block.records - block.dead) as usize;
            live(block) < block_bytes / WORN_PART && records < MOST_RECORDS / 2
        };
        let is_worn = |block: &&StoredBlock| live(block) < block.raw_bytes / WORN_PART;
        let several = cold.sound().filter(is_small).count() >= FEW_SMALL;
        let chosen = cold.sound().filter(|block| is_worn(block) || (several && is_small(block)));
        part(chosen.filter(|block| block.number < below), self.part_bytes(PART_BYTES))
    }

    /// The worn blocks to rewrite with the next checkpoint, together with new records. None while those of an attempt
    /// that failed are not stored again: their records must stay in memory until then, and would become ever more.
    ///
    /// # Errors
    /// When no checkpoint can be written: [`Error::ReadOnly`]; the error with which the store has failed.
    /// [`Error::OutOfMemory`].
    pub(crate) fn blocks_to_rewrite(&self) -> Result<ReadPlan, Error> {
        self.check_writable()?;
        let is_behind = self.journal().is_none_or(|journal| journal.has_unstored_blocks);
        Ok(if is_behind { ReadPlan::default() } else { self.worn_blocks(u32::MAX)? })
    }

    /// The blocks numbered below `below` that hold a deleted record. At most as many as are read at a time.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when one of them is lost, because it is not known what is in it; [`Error::OutOfMemory`].
    pub(crate) fn blocks_with_dead(&self, below: u32) -> Result<ReadPlan, Error> {
        let cold = &self.parts.records.cold;
        if let Some(lost) = cold.lost().find(|lost| lost.number < below && lost.dead > 0) {
            let what = format!("deleted records may be in block {}, which is not as it was written", lost.number);
            return Err(Error::Corrupt { what });
        }
        let with_dead = cold.sound().filter(|block| block.number < below && block.dead > 0);
        Ok(part(with_dead, self.part_bytes(PART_BYTES))?)
    }

    /// Makes the records of these blocks warm and unstored, so that the next checkpoint writes them. The error
    /// [`Error::Cold`] says which of the blocks must be read first.
    pub(crate) fn unstore_blocks(&mut self, plan: &ReadPlan) -> Result<(), Error> {
        let cold = &self.parts.records.cold;
        let mut unread = ReadPlan::default();
        for block in cold.unread().filter(|block| plan.blocks().contains(&block.number)) {
            unread.add(block.number)?;
        }
        refuse(unread)?;
        if let Some(journal) = self.journal_mut() {
            journal.has_unstored_blocks = true;
        }
        let decompressed = self.parts.records.unstore_blocks(plan.blocks());
        self.make_room();
        Ok(decompressed?)
    }
}

/// The blocks of a plan, with the positions of their values. `keys` are the keys of these values.
fn blocks_of(plan: &ReadPlan, keys: &[String]) -> impl Iterator<Item = (u32, Range<usize>)> {
    let mut end = 0;
    plan.blocks().iter().map(move |&number| {
        let is_of = |key: &String| matches!(Key::parse(key), Some(Key::Block { number: of, .. }) if of == number);
        let start = end;
        end += keys.get(start..).unwrap_or_default().iter().take_while(|key| is_of(key)).count();
        (number, start..end)
    })
}

/// Returns the plan as an [`Error::Cold`], unless it is empty.
fn refuse(plan: ReadPlan) -> Result<(), Error> {
    if plan.is_empty() { Ok(()) } else { Err(Error::Cold(plan)) }
}

/// A plan of the first of these blocks, about `bytes` bytes of them and at least one.
fn part<'a>(blocks: impl Iterator<Item = &'a StoredBlock>, bytes: u64) -> Result<ReadPlan, OutOfMemory> {
    let mut plan = ReadPlan::default();
    let mut left = bytes;
    for block in blocks {
        let rest = left.checked_sub(block.raw_bytes);
        if rest.is_none() && !plan.is_empty() {
            break;
        }
        left = rest.unwrap_or(0);
        plan.add(block.number)?;
    }
    Ok(plan)
}

/// The keys of the values that hold a block.
pub(in crate::index) fn block_keys(stored: &StoredBlock, piece_bytes: u32) -> impl Iterator<Item = Key> + use<> {
    let StoredBlock { number, stored_bytes, .. } = *stored;
    (0..piece_count(stored_bytes, piece_bytes).unwrap_or(0)).map(move |piece| Key::Block { number, piece })
}
