//! Records -> blocks. Neighbours come together, the nearest first of all, so that the records of one answer are in few blocks.

use super::checkpoint::Writing;
use super::cold::block_keys;
use crate::arena::{
    Compression, MOST_BLOCKS, MOST_RECORDS, Measured, Place, Sample, decompresses_to, put_record, stored_record_bytes,
};
use crate::format::{AS_IT_IS, StoredBlock, xxh64};
use crate::index::{Error, Index};
use crate::quantize::{Point, Space};
use crate::segments::segments_of;
use crate::slot_set::SlotSet;
use crate::store::Batch;
use crate::types::{OutOfMemory, Slot};
use crate::wipe::wipe;

/// The most bytes of records in a block that several share: so much is read and held for one of them.
const MOST_BLOCK_BYTES: u32 = 128 << 10;

/// What choosing a record for a block costs beside its bytes.
const MEMBER_COST_BYTES: u64 = 1024;
/// A block that has all but this part of what it may hold is full…
const SPARE_PART: usize = 8;
/// …and of one that has less, no more than so many records are passed over because they are too long for the rest.
const MOST_PASSED: usize = 32;
/// A record draws another one by the inverse of their distance, to this power.
const PULL_POWER: i32 = 3;
/// Nearer than this part of a usual distance is as near as can be.
const LEAST_DISTANCE: f32 = 0.001;
/// The pull of what does not go into the block under way.
const PASSED: f32 = -1.0;
/// What compression costs: as many bytes are encoded in so much time.
const ENCODED_BYTE_NS: f64 = 4.0;

/// The ways to compress are tried on so many pieces of what is to be written, of about so many bytes each…
const SAMPLES: usize = 2;
const SAMPLE_BYTES: usize = 16 << 10;
/// …and not before there are as many in all.
const LEAST_SAMPLE_BYTES: usize = 8 << 10;

/// The slots whose records are to be written, and how far that is.
#[derive(Debug)]
pub(in crate::index) struct Gathering {
    pending: SlotSet,
    /// Before it nothing is pending.
    cursor: Slot,
    /// With which the next block begins.
    start: Option<Slot>,
    /// Neighbours of what is in the block under way, in the order in which they were met, each once, and what was passed over.
    met: Vec<Slot>,
    /// By slot, how much the block under way draws it: 0 unless it was met.
    pulls: Vec<f32>,
    /// Any of the distances between neighbours, by which others are measured; 0 before the first.
    usual: f32,
    buffer: Point,
}

impl Gathering {
    pub(in crate::index) fn new() -> Self {
        let (pending, met, pulls, buffer) = (SlotSet::new(), Vec::new(), Vec::new(), Point::default());
        Self { pending, cursor: Slot(0), start: None, met, pulls, usual: 0.0, buffer }
    }

    pub(in crate::index) const fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

impl Index {
    /// What a block may hold.
    pub(crate) fn block_bytes(&self) -> usize {
        self.piece_bytes().min(MOST_BLOCK_BYTES) as usize
    }

    /// Notes every slot whose record is not stored.
    pub(in crate::index) fn collect_unstored(&mut self, gathering: &mut Gathering) -> Result<(), OutOfMemory> {
        let slots = self.parts.slots();
        self.parts.records.note_reads(slots)?;
        gathering.pending.reserve(slots)?;
        gathering.cursor = Slot(0);
        gathering.pulls.try_reserve(slots.saturating_sub(gathering.pulls.len()))?;
        gathering.pulls.resize(slots, 0.0);
        self.parts.codes.prepare(&mut gathering.buffer)?;
        for segment in 0..segments_of(slots) {
            // A record that is not stored has no place, and the segment of places has changed since it had.
            if !self.parts.records.changes_mut().has(segment) {
                continue;
            }
            for slot in self.slots_in(segment).map(|slot| Slot(slot as u32)) {
                if self.parts.records.unstored(slot).is_some() {
                    gathering.pending.insert(slot);
                }
            }
        }
        Ok(())
    }

    /// About how many bytes of records are not stored.
    pub(in crate::index) fn unstored_bytes(&mut self) -> u64 {
        let segments = 0..segments_of(self.parts.slots());
        segments.map(|at| if self.parts.records.changes_mut().has(at) { self.unstored_in(at) } else { 0 }).sum()
    }

    /// About how many bytes of records are not stored in one segment of slots.
    pub(in crate::index) fn unstored_in(&self, segment: usize) -> u64 {
        let records = self.slots_in(segment).filter_map(|slot| self.parts.records.unstored(Slot(slot as u32)));
        records.map(|record| stored_record_bytes(&record) as u64).sum()
    }

    /// Encodes one block of what is pending, and returns what that cost, in the time of as many bytes; 0 when nothing is.
    pub(in crate::index) fn write_block(&mut self, writing: &mut Writing, batch: &mut Batch) -> Result<u64, Error> {
        let (members, mut raw) = self.fill_block(&mut writing.gathering, self.block_bytes())?;
        if members.is_empty() {
            return Ok(0);
        }
        let piece_bytes = self.piece_bytes();
        let Some(number) = self.journal_mut().and_then(|journal| journal.new_block(MOST_BLOCKS)) else {
            let why = "all numbers for blocks are used: import an export into a new place".to_owned();
            return Err(Error::StoreFailed { why });
        };
        let moments = members.iter().filter_map(|&slot| self.parts.expiries.get(slot));
        let earliest_expiry_ms = moments.fold(f64::INFINITY, f64::min);
        let compression = self.journal().and_then(|journal| journal.compression).unwrap_or(Compression::AsItIs);
        let (count, dimensions) = (members.len() as u32, self.parts.records.dimensions());
        // Without the memory for it, a block is stored as it is; and when it would not come back as it was, because what is lost
        // here is lost for ever.
        let compressed = writing.compressor.compress(compression, &raw, dimensions).ok().flatten();
        let compressed =
            compressed.filter(|compressed| decompresses_to(&raw, compression, compressed, count, dimensions));
        let (codec, bytes) = compressed.map_or((AS_IT_IS, &raw[..]), |compressed| (compression.codec(), compressed));
        let stored = StoredBlock {
            number,
            codec,
            stored_bytes: bytes.len() as u64,
            raw_bytes: raw.len() as u64,
            checksum: xxh64(bytes, 0),
            records: count,
            dead: 0,
            earliest_expiry_ms,
        };
        for (key, part) in block_keys(&stored, piece_bytes).zip(bytes.chunks(piece_bytes as usize)) {
            let mut piece = Vec::new();
            piece.try_reserve_exact(part.len()).map_err(|_| OutOfMemory)?;
            piece.extend_from_slice(part);
            batch.puts.try_reserve(1).map_err(|_| OutOfMemory)?;
            batch.puts.push((key.to_text()?, piece));
        }
        self.parts.records.cold.add(stored)?;
        writing.blocks.try_reserve(1).map_err(|_| OutOfMemory)?;
        writing.blocks.push(stored);
        let (compress_ns, decompress_ns) = compression.typical_ns();
        let compression_cost = 1.0 + (compress_ns + decompress_ns) / ENCODED_BYTE_NS;
        let cost = (raw.len() as f64 * compression_cost) as u64 + MEMBER_COST_BYTES * members.len() as u64;
        wipe(&mut raw);
        for (slot, ordinal) in members.into_iter().zip(0..=u8::MAX) {
            self.parts.records.set_place(slot, Place { block: number, ordinal });
        }
        Ok(cost)
    }

    /// Some blocks as they would be written, to try the ways to compress on; none while that is not due, or little is to be written.
    pub(crate) fn compression_sample(&mut self) -> Result<Option<Sample>, Error> {
        if !self.journal().is_some_and(|journal| journal.is_compression_due) {
            return Ok(None);
        }
        let mut gathering = Gathering::new();
        self.collect_unstored(&mut gathering)?;
        let slots = self.parts.slots();
        let mut sample = Sample { blocks: Vec::new(), dimensions: self.parts.records.dimensions() };
        sample.blocks.try_reserve_exact(SAMPLES).map_err(|_| OutOfMemory)?;
        for part in 0..SAMPLES {
            gathering.start = gathering.pending.next_from(Slot((slots * part / SAMPLES) as u32));
            let len = |slot| self.parts.records.unstored(slot).map_or(0, |record| stored_record_bytes(&record));
            // A record of a length that would be felt is no sample of anything.
            if gathering.start.is_some_and(|slot| len(slot) <= MOST_BLOCK_BYTES as usize) {
                let (members, bytes) = self.fill_block(&mut gathering, SAMPLE_BYTES)?;
                sample.blocks.push((members.len() as u32, bytes));
            }
        }
        let bytes: usize = sample.blocks.iter().map(|(_, block)| block.len()).sum();
        Ok((bytes >= LEAST_SAMPLE_BYTES).then_some(sample))
    }

    /// From here on blocks are compressed as it pays best by what was measured.
    pub(crate) fn settle_compression(&mut self, measured: &[Measured]) {
        let compression = Compression::choose(measured, self.block_bytes());
        if let Some(journal) = self.journal_mut() {
            (journal.compression, journal.is_compression_due) = (Some(compression), false);
        }
    }

    /// The records of one block: one that is pending, then always the one that those in the block draw most, until it is full or
    /// nothing is pending. What is too long for the room that is left is passed over.
    fn fill_block(&self, gathering: &mut Gathering, most_bytes: usize) -> Result<(Vec<Slot>, Vec<u8>), Error> {
        let (mut members, mut bytes) = (Vec::new(), Vec::new());
        members.try_reserve_exact(MOST_RECORDS).map_err(|_| OutOfMemory)?;
        let mut passed = 0;
        while members.len() < MOST_RECORDS
            && let Some(slot) = gathering.next()
        {
            // What was deleted meanwhile, or written, is not to be.
            let Some(record) = self.parts.records.unstored(slot) else {
                gathering.pending.remove(slot);
                continue;
            };
            let len = stored_record_bytes(&record);
            if !members.is_empty() && bytes.len() + len > most_bytes {
                if bytes.len() > most_bytes - most_bytes / SPARE_PART || passed == MOST_PASSED {
                    break;
                }
                passed += 1;
                gathering.pass_over(slot)?;
                continue;
            }
            bytes.try_reserve(len).map_err(|_| OutOfMemory)?;
            put_record(&record, &mut |part| {
                bytes.extend_from_slice(part);
                Ok(())
            })?;
            gathering.pending.remove(slot);
            members.push(slot);
            gathering.meet(self.parts.codes.space(), slot, self.parts.graph.neighbours(slot))?;
        }
        gathering.leave();
        Ok((members, bytes))
    }
}

impl Gathering {
    /// The pending slot that is drawn most, the one met first of several; any when none is.
    fn next(&mut self) -> Option<Slot> {
        let Self { pending, cursor, start, met, pulls, .. } = self;
        let pull = |slot: Slot| pulls.get(slot.index()).copied().unwrap_or(0.0);
        met.retain(|&slot| pending.contains(slot));
        let mut most = 0.0;
        let mut drawn = None;
        for &slot in &*met {
            if pull(slot) > most {
                (most, drawn) = (pull(slot), Some(slot));
            }
        }
        drawn.or_else(|| start.take().filter(|&slot| pending.contains(slot))).or_else(|| {
            let mut slot = pending.next_from(*cursor)?;
            *cursor = slot;
            while pull(slot) == PASSED {
                slot = pending.next_from(Slot(slot.0 + 1))?;
            }
            Some(slot)
        })
    }

    /// A record has come into the block, and draws its neighbours.
    fn meet(
        &mut self,
        codes: &dyn Space,
        slot: Slot,
        neighbours: impl Iterator<Item = Slot>,
    ) -> Result<(), OutOfMemory> {
        let Self { pending, met, pulls, usual, buffer, .. } = self;
        let point = codes.around(slot, buffer);
        for neighbour in neighbours.filter(|&neighbour| pending.contains(neighbour)) {
            let Some(pull) = pulls.get_mut(neighbour.index()) else { continue };
            if *pull == PASSED {
                continue;
            }
            if *pull == 0.0 {
                met.try_reserve(1)?;
                met.push(neighbour);
            }
            *pull += if point.has_zero() { strength(point.score(neighbour), usual) } else { 1.0 };
        }
        Ok(())
    }

    /// A record is too long for the block under way.
    fn pass_over(&mut self, slot: Slot) -> Result<(), OutOfMemory> {
        let Some(pull) = self.pulls.get_mut(slot.index()) else { return Ok(()) };
        if *pull == 0.0 {
            self.met.try_reserve(1)?;
            self.met.push(slot);
        }
        *pull = PASSED;
        Ok(())
    }

    /// Forgets what was met. The next block begins with what was passed over first, or with what this one draws most.
    fn leave(&mut self) {
        let passed = |slot: &Slot| self.pulls.get(slot.index()) == Some(&PASSED) && self.pending.contains(*slot);
        let passed = self.met.iter().copied().find(passed);
        let next = passed.or_else(|| self.next());
        for slot in &self.met {
            if let Some(pull) = self.pulls.get_mut(slot.index()) {
                *pull = 0.0;
            }
        }
        self.met.clear();
        self.start = next;
    }
}

/// How much records at this distance draw one another: more than nothing, and no more than can be added up.
fn strength(distance: f32, usual: &mut f32) -> f32 {
    if *usual <= 0.0 && distance.is_finite() {
        *usual = distance;
    }
    let ratio = distance.abs() / usual.max(f32::MIN_POSITIVE);
    ratio.max(LEAST_DISTANCE).powi(-PULL_POWER).max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_the_stronger_whatever_the_unit() {
        let mut usual = 0.0;
        let most = strength(0.0, &mut usual);
        assert!((0.9e9..1.1e9).contains(&most), "{most}");
        assert_eq!((strength(5e9, &mut usual), usual), (1.0, 5e9));
        assert_eq!(strength(2.5e9, &mut usual), 8.0);
        for odd in [f32::NAN, f32::INFINITY, f32::MAX, -1.0, 0.0] {
            let strength = strength(odd, &mut usual);
            assert!(strength > 0.0 && strength <= most, "{odd}: {strength}");
        }
    }
}
