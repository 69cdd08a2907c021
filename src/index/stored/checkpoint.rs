//! Writing what has changed since the last checkpoint, in steps, while the index keeps changing.
//!
//! 1. Records that are not stored are encoded in blocks (`blocks.rs`), and written under numbers that no block has had.
//! 2. Each changed segment of each array is encoded and written under a name of the new generation, which nothing
//!    refers to yet. Segments that change again in the meantime are written again.
//! 3. When little is left, the rest is encoded at once, together with the manifest. The checkpoint represents the index
//!    at that moment. One commit writes these values, and deletes those that only the checkpoint before the last named.
//!
//! From step 3 on, changes go to a new log that follows both checkpoints: if the store cannot tell whether it has taken
//! the new one, either may be in effect. A checkpoint that fails or is abandoned leaves the last one intact. Whatever
//! it wrote is deleted by the first batch of the next one, which finds it after the next opening, too (`stock.rs`).

use super::blocks::Gathering;
use super::cold::block_keys;
use super::journal::LogSwitch;
use super::values::{keys_of, pieces};
use crate::arena::{Compression, Compressor};
use crate::format::{Key, Kind, Manifest, StoredBlock, StoredSegment, xxh64};
use crate::index::{Error, Index};
use crate::segments::segments_of;
use crate::store::Batch;
use crate::types::OutOfMemory;
use crate::wipe::{Wiped, reserve};

/// After this many rounds over all segments the rest is written at once, however much it is.
const MOST_ROUNDS: usize = 3;

/// A checkpoint under way.
#[derive(Debug)]
pub(crate) struct Writing {
    generation: u64,
    /// The next value to look at ([`Index::value_at`]).
    at: usize,
    rounds: usize,
    /// How many of the stock's `abandoned` values the last batch deletes.
    deleting: usize,
    /// What has been written of this generation.
    written: Segments,
    /// The segments of `written`, each in its longest version. The store may hold any of their pieces.
    longest: Segments,
    /// Blocks of this checkpoint are numbered from here on.
    first_block: u32,
    pub(in crate::index) blocks: Vec<StoredBlock>,
    pub(in crate::index) gathering: Gathering,
    pub(in crate::index) compressor: Compressor,
    /// What takes effect once its last step has been written.
    ending: Option<Ending>,
}

impl Writing {
    /// The segments of the new checkpoint: the first `count` of each array.
    fn segments_after(&self, before: &Manifest, count: usize) -> Result<Segments, OutOfMemory> {
        let mut segments = Segments::default();
        for &segment in before.segments.iter().chain(&self.written.0) {
            if (segment.index as usize) < count {
                segments.put(segment)?;
            }
        }
        Ok(segments)
    }

    /// The values that a new checkpoint of these segments and blocks does not name: those of the previous one that it
    /// replaces, its logs included, and those that it wrote in an earlier step for slots and records that are gone.
    fn retired(
        &self,
        before: &Manifest,
        logs: &[u64],
        segments: &Segments,
        blocks: &[StoredBlock],
    ) -> Result<Vec<Key>, OutOfMemory> {
        let gone = before.segments.iter().chain(&self.written.0);
        let gone = gone.filter(|segment| segments.like(segment) != Some(*segment));
        let gone = gone.flat_map(|segment| keys_of(segment, before.piece_bytes));
        let is_named = |number| blocks.binary_search_by_key(&number, |block: &StoredBlock| block.number).is_ok();
        let gone_blocks = before.blocks.iter().chain(&self.blocks).filter(|block| !is_named(block.number));
        let gone_blocks = gone_blocks.flat_map(|block| block_keys(block, before.piece_bytes));
        let logs = logs.iter().map(|&number| Key::Log { number });
        let mut retired = Vec::new();
        for key in gone.chain(gone_blocks).chain(logs).chain([Key::Manifest { generation: before.generation }]) {
            retired.try_reserve(1)?;
            retired.push(key);
        }
        Ok(retired)
    }
}

/// What changes in the journal once the last step has been written.
#[derive(Debug)]
struct Ending {
    manifest: Manifest,
    retired: Vec<Key>,
    /// The journal's `log_bytes` before that step.
    log_bytes: u64,
    /// Bytes of the [`LogSwitch`]'s frames, which that step also writes, and its `taken`.
    frames: usize,
    taken: u64,
    was_reshaped: bool,
    has_waiting: bool,
}

/// What to do after a step of a checkpoint.
#[derive(Debug)]
pub(crate) enum Step {
    /// Write this batch, then take the next step.
    More(Batch),
    /// Write this batch, which ends the checkpoint.
    Last(Batch),
}

impl Index {
    /// Begins a checkpoint and returns its generation. A checkpoint that was not ended is abandoned.
    ///
    /// # Errors
    /// [`Error::Unlinked`] while the graph is not proven or codes are being trained; [`Error::OutOfMemory`];
    /// [`Error::ReadOnly`]; the error with which the store has failed.
    pub(crate) fn checkpoint_begin(&mut self) -> Result<u64, Error> {
        self.check_writable()?;
        self.check_storable()?;
        if let Some(left) = self.journal().and_then(|journal| journal.writing.as_ref()).map(|left| left.generation) {
            self.checkpoint_failed(left);
        }
        let Some(journal) = self.journal_mut() else { return Err(not_stored()) };
        let (generation, first_block) = (journal.stock.new_generation(), journal.next_block());
        let mut writing = Writing {
            generation,
            at: 0,
            rounds: 0,
            deleting: 0,
            written: Segments::default(),
            longest: Segments::default(),
            first_block,
            blocks: Vec::new(),
            gathering: Gathering::new(),
            compressor: Compressor::default(),
            ending: None,
        };
        self.collect_unstored(&mut writing.gathering)?;
        if let Some(journal) = self.journal_mut() {
            journal.writing = Some(writing);
        }
        Ok(generation)
    }

    /// Encodes about `bytes` bytes of what has changed. Take each step only after the previous batch has been written.
    /// The index may change between steps. After an error, call [`Index::checkpoint_failed`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Busy`] when another checkpoint has begun; at the last step, during a commit;
    /// [`Error::Unlinked`] as [`Index::checkpoint_begin`].
    pub(crate) fn checkpoint_step(&mut self, generation: u64, bytes: usize) -> Result<Step, Error> {
        self.check_writable()?;
        self.check_storable()?;
        let mut writing = self.take_writing(generation).ok_or(Error::Busy)?;
        let mut batch = Batch::default();
        let is_last =
            self.delete_abandoned(&mut writing, &mut batch).and_then(|()| self.step(&mut writing, bytes, &mut batch));
        if is_last.is_err() {
            batch.wipe();
        }
        if let Some(journal) = self.journal_mut() {
            journal.writing = Some(writing);
        }
        self.make_room();
        Ok(if is_last? { Step::Last(batch) } else { Step::More(batch) })
    }

    /// Deletes what earlier checkpoints have left, in the first batch. One of them may have come to its end without the
    /// driver's knowing. Its manifest is then the newest, and is deleted with all that it alone names; the current
    /// checkpoint with its logs leads to the same state.
    fn delete_abandoned(&mut self, writing: &mut Writing, batch: &mut Batch) -> Result<(), Error> {
        let Some(journal) = self.journal_mut() else { return Err(not_stored()) };
        // The batch before has been written.
        journal.stock.abandoned.drain(..core::mem::take(&mut writing.deleting));
        batch.deletes.try_reserve(journal.stock.abandoned.len()).map_err(|_| OutOfMemory)?;
        for key in &journal.stock.abandoned {
            batch.deletes.push(key.to_text()?);
        }
        writing.deleting = journal.stock.abandoned.len();
        Ok(())
    }

    /// How much of the checkpoint being written is done, as a share of the values and blocks it consists of.
    pub(crate) fn checkpoint_share(&self) -> f64 {
        let Some(writing) = self.journal().and_then(|journal| journal.writing.as_ref()) else { return 1.0 };
        let done = writing.at + writing.blocks.len();
        let left = (self.values() - writing.at.min(self.values())) + writing.gathering.blocks_left();
        done as f64 / (done + left).max(1) as f64
    }

    /// Notes that the last step has been written: its manifest is now the current one.
    pub(crate) fn checkpoint_ended(&mut self, generation: u64) {
        let Some(Writing { ending, deleting, .. }) = self.take_writing(generation) else { return };
        if let Some(ending) = &ending {
            self.parts.records.cold.keep_below(ending.manifest.next_block);
            self.parts.records.leave_mapped();
        }
        if let (Some(ending), Some(journal)) = (ending, self.journal_mut()) {
            journal.logs.retain(|&log| log >= ending.manifest.log);
            journal.log_bytes -= ending.log_bytes;
            journal.appends = 0;
            journal.log_switched(ending.frames, ending.taken);
            journal.manifest = ending.manifest;
            journal.has_waiting = ending.has_waiting;
            journal.has_unstored_blocks = false;
            journal.stock.retired = ending.retired;
            journal.stock.abandoned.drain(..deleting);
        }
    }

    /// Call when a step failed or its outcome is unknown. Everything this checkpoint wrote is marked changed again, and
    /// values that did reach the store are deleted by the next checkpoint, at its beginning.
    pub(crate) fn checkpoint_failed(&mut self, generation: u64) {
        let Some(Writing { longest, blocks, first_block, ending, .. }) = self.take_writing(generation) else { return };
        self.parts.records.withdraw(first_block);
        for segment in &longest.0 {
            self.changes(segment.kind).note_segment(segment.index as usize);
        }
        let Some(journal) = self.journal_mut() else { return };
        journal.is_reshaped |= ending.as_ref().is_some_and(|ending| ending.was_reshaped);
        let manifest = ending.map(|_| Key::Manifest { generation });
        let piece_bytes = journal.manifest.piece_bytes;
        // The manifest first, should memory run out.
        let keys = manifest.into_iter().chain(longest.0.iter().flat_map(|segment| keys_of(segment, piece_bytes)));
        let keys = keys.chain(blocks.iter().flat_map(|block| block_keys(block, piece_bytes)));
        keys.for_each(|key| journal.stock.abandon(key));
    }

    fn take_writing(&mut self, generation: u64) -> Option<Writing> {
        self.journal_mut()?.writing.take_if(|writing| writing.generation == generation)
    }

    /// Encodes the next step into the batch. Returns whether it is the last.
    fn step(&mut self, writing: &mut Writing, bytes: usize, batch: &mut Batch) -> Result<bool, Error> {
        let bytes = bytes as u64;
        // The last records may all wait to be linked.
        self.parts.graph.cover(self.parts.slots())?;
        if !self.write_changes(writing, Some(bytes), batch)? {
            return Ok(false);
        }
        writing.rounds += 1;
        writing.at = 0;
        let rest = self.unwritten();
        self.collect_unstored(&mut writing.gathering)?;
        if rest > bytes && writing.rounds < MOST_ROUNDS {
            return Ok(false);
        }
        // The checkpoint represents the index at this moment.
        self.write_changes(writing, None, batch)?;
        self.last(writing, batch)?;
        Ok(true)
    }

    /// Encodes the gathered records and then the changed values, until about `budget_bytes` are in the batch. Returns
    /// true when nothing is left of this round, as is always the case without a budget.
    fn write_changes(
        &mut self,
        writing: &mut Writing,
        budget_bytes: Option<u64>,
        batch: &mut Batch,
    ) -> Result<bool, Error> {
        let mut left = budget_bytes.unwrap_or(u64::MAX);
        while !writing.gathering.is_empty() {
            if left == 0 {
                return Ok(false);
            }
            left = left.saturating_sub(self.write_block(writing, batch)?);
        }
        while let Some((segment, kind)) = self.value_at(writing.at) {
            if left == 0 {
                return Ok(false);
            }
            // While another round follows, places wait until the segment's new records are stored.
            let waits = budget_bytes.is_some() && kind == Kind::Places && self.unstored_in(segment) > 0;
            if self.changes(kind).has(segment) && !waits {
                left = left.saturating_sub(self.write(writing, kind, segment, batch)?);
            }
            writing.at += 1;
        }
        Ok(true)
    }

    /// Approximate number of bytes that have changed and are not written.
    fn unwritten(&mut self) -> u64 {
        let mut bytes = self.unstored_bytes();
        let mut at = 0;
        while let Some((segment, kind)) = self.value_at(at) {
            if self.changes(kind).has(segment) {
                bytes += self.value_bytes(kind, segment);
            }
            at += 1;
        }
        bytes
    }

    /// Encodes one value into the batch, and returns its length.
    fn write(&mut self, writing: &mut Writing, kind: Kind, segment: usize, batch: &mut Batch) -> Result<u64, Error> {
        let mut value = Wiped(Vec::new());
        let bytes = &mut value.0;
        bytes.try_reserve(self.value_bytes(kind, segment) as usize).map_err(|_| OutOfMemory)?;
        let mut put = |part: &[u8]| {
            reserve(bytes, part.len())?;
            bytes.extend_from_slice(part);
            Ok(())
        };
        self.put_value(kind, segment, &mut put)?;
        let (index, generation, len) = (segment as u32, writing.generation, bytes.len() as u64);
        let stored = StoredSegment { kind, index, generation, bytes: len, checksum: xxh64(bytes, 0) };
        let piece_bytes = self.journal().map(|journal| journal.manifest.piece_bytes).ok_or_else(not_stored)?;
        let key = |piece| Key::Segment { kind, index, generation, piece }.to_text();
        // A rewritten value may have fewer pieces: the others are deleted.
        let before = writing.written.like(&stored).map_or(0, |before| pieces(before, piece_bytes));
        let now = pieces(&stored, piece_bytes);
        batch.deletes.try_reserve(before.saturating_sub(now) as usize).map_err(|_| OutOfMemory)?;
        for piece in now..before {
            batch.deletes.push(key(piece)?);
        }
        batch.puts.try_reserve(now as usize).map_err(|_| OutOfMemory)?;
        if now == 1 {
            batch.puts.push((key(0)?, value.take()));
        } else {
            for (piece, part) in (0..).zip(bytes.chunks(piece_bytes as usize)) {
                batch.puts.push((key(piece)?, copy(part)?));
            }
        }
        if writing.longest.like(&stored).is_none_or(|longest| longest.bytes < len) {
            writing.longest.put(stored)?;
        }
        writing.written.put(stored)?;
        self.changes(kind).clear(segment);
        Ok(len)
    }

    /// Completes the last batch: adds the manifest of the index at this moment, and deletes the retired values.
    fn last(&mut self, writing: &mut Writing, batch: &mut Batch) -> Result<(), Error> {
        let (meta, has_waiting) = (self.meta(), self.pending() > 0);
        let count = segments_of(self.parts.slots());
        self.parts.records.cold.drop_dead();
        let mut blocks = Vec::new();
        for &block in self.parts.records.cold.with_live_records() {
            blocks.try_reserve(1).map_err(|_| OutOfMemory)?;
            blocks.push(block);
        }
        let Some(journal) = self.journal_mut() else { return Err(not_stored()) };
        let before = &journal.manifest;
        let segments = writing.segments_after(before, count)?;
        let retired = writing.retired(before, &journal.logs, &segments, &blocks)?;
        batch.deletes.try_reserve(journal.stock.retired.len()).map_err(|_| OutOfMemory)?;
        for key in &journal.stock.retired {
            batch.deletes.push(key.to_text()?);
        }
        let (generation, next_sequence) = (writing.generation, journal.next_sequence());
        let (piece_bytes, next_block) = (before.piece_bytes, journal.next_block());
        let log_bytes = journal.log_bytes;
        batch.puts.try_reserve(2).map_err(|_| OutOfMemory)?;
        let LogSwitch { log, frames, taken } = journal.switch_log()?;
        let compression = Compression::to_word(journal.compression);
        let manifest = Manifest {
            generation,
            log,
            next_sequence,
            piece_bytes,
            next_block,
            compression,
            meta,
            segments: segments.0,
            blocks,
        };
        let mut frames = Wiped(frames);
        let frames_bytes = frames.0.len();
        if frames_bytes > 0 {
            batch.puts.push((Key::Log { number: log }.to_text()?, frames.take()));
        }
        batch.puts.push((Key::Manifest { generation }.to_text()?, manifest.encode()?));
        let was_reshaped = core::mem::take(&mut journal.is_reshaped);
        writing.ending =
            Some(Ending { manifest, retired, log_bytes, frames: frames_bytes, taken, was_reshaped, has_waiting });
        Ok(())
    }
}

/// Segments, ascending by kind and index.
#[derive(Debug, Default)]
struct Segments(Vec<StoredSegment>);

impl Segments {
    fn place(&self, segment: &StoredSegment) -> Result<usize, usize> {
        self.0.binary_search_by_key(&(segment.kind, segment.index), |held| (held.kind, held.index))
    }

    /// The segment of the same kind and index.
    fn like(&self, segment: &StoredSegment) -> Option<&StoredSegment> {
        self.place(segment).ok().and_then(|at| self.0.get(at))
    }

    /// Puts a segment in, replacing one of the same kind and index.
    fn put(&mut self, segment: StoredSegment) -> Result<(), OutOfMemory> {
        match self.place(&segment) {
            Ok(at) => self.0[at] = segment,
            Err(at) => {
                self.0.try_reserve(1)?;
                self.0.insert(at, segment);
            }
        }
        Ok(())
    }
}

fn copy(part: &[u8]) -> Result<Vec<u8>, OutOfMemory> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(part.len())?;
    copy.extend_from_slice(part);
    Ok(copy)
}

/// The error of what only a stored index can do.
fn not_stored() -> Error {
    Error::NotFound { what: "the index is in no store".to_owned() }
}
