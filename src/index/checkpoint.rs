//! Writing what has changed since the last checkpoint, some of it at a time, while the index goes on changing.
//!
//! 1. Each segment of each array that has changed is encoded and written under a name of the new generation, which nothing
//!    refers to yet. What changes again meanwhile is written again.
//! 2. When little is left, all of it is encoded at once, together with the manifest: the state of that moment. One commit
//!    writes them, and drops what only the checkpoint before the last one named.
//!
//! A checkpoint that is dropped, or fails, leaves the last one as it was; what it wrote is found by the next opening.

use super::encode::Put;
use super::{Error, Index};
use crate::format::{FormatError, Kind, Manifest, StoredSegment, log_key, manifest_key, piece_count, segment_key};
use crate::segments::{Changes, segments_of};
use crate::store::Batch;
use crate::types::OutOfMemory;
use xxhash_rust::xxh64::xxh64;

/// The arrays that are stored as one value, by the kind of the value. An array of its own each would be more values than
/// a store opens quickly.
pub(super) const VALUES: [(Kind, &[Kind]); 4] = [
    (Kind::Codes, &Kind::CODES),
    (Kind::BaseLinks, &[Kind::Levels, Kind::BaseLinks, Kind::UpperLinks]),
    (Kind::Ids, &[Kind::Ids, Kind::IdTexts]),
    (Kind::Records, &[Kind::RecordOffsets, Kind::Records]),
];

/// After so many rounds over all segments the rest is written at once, however much it is.
const MOST_ROUNDS: usize = 3;

/// A checkpoint under way.
#[derive(Debug)]
pub(crate) struct Writing {
    generation: u64,
    /// The next value to look at: a segment, and which of its [`VALUES`].
    at: usize,
    rounds: usize,
    /// What has been written of this generation, ascending by kind and index.
    written: Vec<StoredSegment>,
}

/// What a step of a checkpoint asks of the store.
#[derive(Debug)]
pub(crate) enum Step {
    /// To write this, and to come back.
    More(Batch),
    /// To write this, which ends the checkpoint. What it is to be told then.
    Last(Batch, Box<Ended>),
}

/// What becomes of the journal when the last step has been written.
#[derive(Debug)]
pub(crate) struct Ended {
    manifest: Manifest,
    retired: Vec<String>,
}

impl Index {
    /// Encodes about `bytes` bytes of what has changed. The steps of a checkpoint follow one another, each after the last
    /// one's batch has been written; changes between them are legal.
    pub(crate) fn checkpoint_step(&mut self, bytes: usize) -> Result<Step, Error> {
        self.check_writable()?;
        let Some(journal) = self.journal_mut() else { return Err(Error::ReadOnly) };
        let mut writing = match journal.writing.take() {
            Some(writing) => writing,
            None => {
                let generation = journal.new_generation();
                Box::new(Writing { generation, at: 0, rounds: 0, written: Vec::new() })
            }
        };
        let stepped = self.step(&mut writing, bytes);
        match stepped {
            Ok(Step::Last(..)) => {}
            Ok(Step::More(_)) => {
                if let Some(journal) = self.journal_mut() {
                    journal.writing = Some(writing);
                }
            }
            Err(_) => self.abandon(&writing.written),
        }
        stepped
    }

    /// The last step has been written.
    pub(crate) fn checkpoint_ended(&mut self, ended: Box<Ended>) {
        if let Some(journal) = self.journal_mut() {
            let Ended { manifest, retired } = *ended;
            journal.begin_log(manifest, retired);
        }
    }

    /// A step was not written: all is as if the checkpoint had not begun.
    pub(crate) fn checkpoint_failed(&mut self, ended: Option<Box<Ended>>) {
        let writing = self.journal_mut().and_then(|journal| journal.writing.take());
        if let Some(writing) = writing {
            self.abandon(&writing.written);
        }
        if let Some(ended) = ended {
            let Manifest { generation, mut segments, .. } = ended.manifest;
            segments.retain(|segment| segment.generation == generation);
            self.abandon(&segments);
        }
    }

    /// What has been written of a generation that there will not be: it is to be written again, and what there is of it goes
    /// with the next checkpoint.
    fn abandon(&mut self, written: &[StoredSegment]) {
        for segment in written {
            self.changes(segment.kind).note_segment(segment.index as usize);
        }
        if let Some(journal) = self.journal_mut() {
            let piece_bytes = journal.manifest.piece_bytes;
            for segment in written {
                add_keys(segment, piece_bytes, &mut journal.retired);
            }
        }
    }

    fn step(&mut self, writing: &mut Writing, bytes: usize) -> Result<Step, Error> {
        let mut batch = Batch::default();
        let mut left = bytes as u64;
        while let Some((segment, kind)) = self.value_at(writing.at) {
            if left == 0 {
                return Ok(Step::More(batch));
            }
            if self.changes(kind).has(segment) {
                left = left.saturating_sub(self.write(writing, kind, segment, &mut batch)?);
            }
            writing.at += 1;
        }
        writing.rounds += 1;
        writing.at = 0;
        let rest = self.unwritten();
        if rest > bytes as u64 && writing.rounds < MOST_ROUNDS {
            return Ok(Step::More(batch));
        }
        // The moment that this checkpoint is of.
        while let Some((segment, kind)) = self.value_at(writing.at) {
            if self.changes(kind).has(segment) {
                self.write(writing, kind, segment, &mut batch)?;
            }
            writing.at += 1;
        }
        self.last(writing, batch)
    }

    fn value_at(&self, at: usize) -> Option<(usize, Kind)> {
        let (segment, value) = (at / VALUES.len(), at % VALUES.len());
        let kind = VALUES.get(value)?.0;
        (segment < segments_of(self.parts.slots())).then_some((segment, kind))
    }

    /// About how many bytes have changed and are not written.
    fn unwritten(&mut self) -> u64 {
        let mut bytes = 0;
        let mut at = 0;
        while let Some((segment, kind)) = self.value_at(at) {
            if self.changes(kind).has(segment) {
                bytes += self.value_bytes(kind, segment);
            }
            at += 1;
        }
        bytes
    }

    /// About how long a value will be.
    fn value_bytes(&self, kind: Kind, segment: usize) -> u64 {
        let slots = self.slots_in(segment).len() as u64;
        let row = match kind {
            Kind::Codes => self.parts.codes.slot_bytes(),
            Kind::BaseLinks => self.parts.graph.row_bytes(),
            Kind::Ids => 8,
            _ => 8 + 4 * self.config.dimensions,
        };
        slots * row as u64
    }

    /// Encodes one value into the batch, and returns its length.
    fn write(&mut self, writing: &mut Writing, kind: Kind, segment: usize, batch: &mut Batch) -> Result<u64, Error> {
        let mut bytes = Vec::new();
        bytes.try_reserve(self.value_bytes(kind, segment) as usize).map_err(|_| OutOfMemory)?;
        let mut put = |part: &[u8]| {
            bytes.try_reserve(part.len()).map_err(|_| OutOfMemory)?;
            bytes.extend_from_slice(part);
            Ok(())
        };
        self.put_value(kind, segment, &mut put)?;
        let (index, generation, len) = (segment as u32, writing.generation, bytes.len() as u64);
        let stored = StoredSegment { kind, index, generation, bytes: len, checksum: xxh64(&bytes, 0) };
        let piece_bytes = self.piece_bytes()?;
        // Writing it a second time may take fewer pieces.
        let before = find(&writing.written, kind, index).map_or(0, |before| pieces(before, piece_bytes));
        let now = pieces(&stored, piece_bytes);
        for piece in 0..now.max(before) {
            let key = key_of(&stored, piece);
            batch.puts.retain(|(held, _)| *held != key);
            if piece >= now {
                batch.deletes.push(key);
                continue;
            }
            // From the end of the last piece on, which for most values is all there is.
            let rest = split_off(&mut bytes, piece_bytes as usize)?;
            batch.puts.push((key, core::mem::replace(&mut bytes, rest)));
        }
        put_in(&mut writing.written, stored)?;
        self.changes(kind).clear(segment);
        Ok(len)
    }

    fn put_value(&self, kind: Kind, segment: usize, put: &mut Put<'_>) -> Result<(), FormatError> {
        match kind {
            Kind::Codes => (0..Kind::CODES.len()).try_for_each(|array| put(self.parts.codes.segment(array, segment))),
            Kind::BaseLinks => {
                self.put_levels(segment, put)?;
                self.put_base_links(segment, put)?;
                self.put_upper_links(segment, put)
            }
            Kind::Ids => {
                self.put_ids(segment, &mut 0, put)?;
                self.put_texts(segment, put)
            }
            _ => {
                let mut end = 0u64;
                put(&end.to_le_bytes())?;
                self.put_record_ends(segment, &mut end, put)?;
                self.put_records(segment, put)
            }
        }
    }

    /// The manifest of this moment, and what goes with it.
    fn last(&mut self, writing: &mut Writing, mut batch: Batch) -> Result<Step, Error> {
        let meta = self.meta();
        let count = segments_of(self.parts.slots());
        let Some(journal) = self.journal_mut() else { return Err(Error::ReadOnly) };
        let before = &journal.manifest;
        let mut segments = Vec::new();
        for &segment in before.segments.iter().chain(&writing.written) {
            if (segment.index as usize) < count {
                put_in(&mut segments, segment)?;
            }
        }
        // Those of before that give way, and those written in an earlier step of slots that are no more.
        let mut retired = vec![manifest_key(before.generation)];
        for segment in before.segments.iter().chain(&writing.written) {
            if find(&segments, segment.kind, segment.index) != Some(segment) {
                add_keys(segment, before.piece_bytes, &mut retired);
            }
        }
        retired.extend(journal.logs.iter().map(|&log| log_key(log)));
        let manifest = Manifest {
            generation: writing.generation,
            log: journal.logs.last().map_or(before.log, |last| last + 1),
            next_sequence: journal.next_sequence(),
            piece_bytes: before.piece_bytes,
            next_block: before.next_block,
            meta,
            segments,
            blocks: Vec::new(),
        };
        batch.deletes.append(&mut journal.retired.clone());
        batch.puts.push((manifest_key(manifest.generation), manifest.encode()?));
        Ok(Step::Last(batch, Box::new(Ended { manifest, retired })))
    }

    fn piece_bytes(&self) -> Result<u32, Error> {
        self.journal().map(|journal| journal.manifest.piece_bytes).ok_or(Error::ReadOnly)
    }

    fn changes(&mut self, kind: Kind) -> &mut Changes {
        match kind {
            Kind::Codes => self.parts.codes.changes_mut(),
            Kind::BaseLinks => self.parts.graph.changes_mut(),
            Kind::Ids => self.parts.ids.changes_mut(),
            _ => self.parts.records.changes_mut(),
        }
    }

    /// All that there is, is as it is stored.
    pub(super) fn forget_changes(&mut self) {
        let mut at = 0;
        while let Some((segment, kind)) = self.value_at(at) {
            self.changes(kind).clear(segment);
            at += 1;
        }
    }
}

/// The segment of this kind and index in an ascending list.
pub(super) fn find(list: &[StoredSegment], kind: Kind, index: u32) -> Option<&StoredSegment> {
    place(list, kind, index).ok().map(|at| &list[at])
}

#[inline(never)]
fn place(list: &[StoredSegment], kind: Kind, index: u32) -> Result<usize, usize> {
    list.binary_search_by_key(&(kind, index), |held| (held.kind, held.index))
}

/// Puts a segment into an ascending list, in place of an earlier one of the same kind and index.
fn put_in(list: &mut Vec<StoredSegment>, segment: StoredSegment) -> Result<(), OutOfMemory> {
    match place(list, segment.kind, segment.index) {
        Ok(at) => list[at] = segment,
        Err(at) => {
            list.try_reserve(1)?;
            list.insert(at, segment);
        }
    }
    Ok(())
}

/// Takes what lies behind the first `len` bytes away from them.
fn split_off(bytes: &mut Vec<u8>, len: usize) -> Result<Vec<u8>, OutOfMemory> {
    let mut rest = Vec::new();
    if let Some(behind) = bytes.get(len..) {
        rest.try_reserve_exact(behind.len())?;
        rest.extend_from_slice(behind);
        bytes.truncate(len);
    }
    Ok(rest)
}

pub(super) fn pieces(segment: &StoredSegment, piece_bytes: u32) -> u32 {
    piece_count(segment.bytes, piece_bytes).unwrap_or(0)
}

/// What a piece of a segment's value is called.
pub(super) fn key_of(segment: &StoredSegment, piece: u32) -> String {
    segment_key(segment.kind, segment.index, segment.generation, piece)
}

/// Adds what all of its pieces are called.
pub(super) fn add_keys(segment: &StoredSegment, piece_bytes: u32, to: &mut Vec<String>) {
    for piece in 0..pieces(segment, piece_bytes) {
        to.push(key_of(segment, piece));
    }
}
