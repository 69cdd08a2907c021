//! Groups records into blocks, nearest neighbours first, so that the records of one result are in few blocks.

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
use crate::wipe::{Wiped, reserve};

/// Most bytes of records in a block of several records. Reading one of them reads and holds the whole block.
const MOST_BLOCK_BYTES: u32 = 128 << 10;

/// Cost of choosing a record for a block, on top of its own bytes: as many bytes could be encoded in the same time.
const MEMBER_COST_BYTES: u64 = 1024;
/// A block is full when less than one part in this many of its capacity is left…
const SPARE_PART: usize = 8;
/// …or when this many records have been passed over because they are too long for the room left.
const MOST_PASSED: usize = 32;
/// About how many records a block holds, for progress.
const USUAL_RECORDS: usize = 64;
/// The pull between two records is the inverse of their distance, raised to this power.
const PULL_POWER: i32 = 3;
/// Smaller distances, as a fraction of the usual distance, are rounded up to this.
const LEAST_DISTANCE: f32 = 0.001;
/// The pull of a record that has been passed over for the block being filled.
const PASSED: f32 = -1.0;
/// Time to encode one byte. It converts the time of compression to a cost in bytes.
const ENCODED_BYTE_NS: f64 = 4.0;

/// Compressions are tried on this many sample blocks of about this many bytes each, of a long payload the beginning…
const SAMPLES: usize = 2;
const SAMPLE_BYTES: usize = 16 << 10;
/// …and only if the samples have at least this many bytes in all.
const LEAST_SAMPLE_BYTES: usize = 8 << 10;

/// The records still to be written, and the progress so far.
#[derive(Debug)]
pub(in crate::index) struct Gathering {
    pending: SlotSet,
    /// No slot below this one is pending.
    cursor: Slot,
    /// The slot that the next block begins with, if one was chosen.
    start: Option<Slot>,
    /// Pending neighbours of the block's records, each once, in the order found, and the slots passed over.
    met: Vec<Slot>,
    /// By slot, the pull of the block being filled: 0 for a slot not in `met`.
    pulls: Vec<f32>,
    /// The first positive distance, as the unit of all others; 0 until there is one.
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

    /// About how many blocks are still to be gathered.
    pub(in crate::index) fn blocks_left(&self) -> usize {
        self.pending.count().div_ceil(USUAL_RECORDS)
    }
}

impl Index {
    /// Most bytes of records in a block of several records.
    pub(crate) fn block_bytes(&self) -> usize {
        self.piece_bytes().min(MOST_BLOCK_BYTES) as usize
    }

    /// Marks every slot whose record is not stored as pending.
    pub(in crate::index) fn collect_unstored(&mut self, gathering: &mut Gathering) -> Result<(), OutOfMemory> {
        let slots = self.parts.slots();
        self.parts.records.reserve_read_marks(slots)?;
        gathering.pending.reserve(slots)?;
        gathering.cursor = Slot(0);
        gathering.pulls.try_reserve(slots.saturating_sub(gathering.pulls.len()))?;
        gathering.pulls.resize(slots, 0.0);
        for segment in 0..segments_of(slots) {
            // Appending a record marks its segment of places as changed: an unchanged one has only stored records.
            if !self.parts.records.changes_mut().has(segment) {
                continue;
            }
            for slot in self.slots_in(segment).map(|slot| Slot(slot as u32)) {
                if self.parts.records.is_unstored(slot) {
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
        let records =
            self.slots_in(segment).filter_map(|slot| self.parts.records.unstored(Slot(slot as u32)).ok().flatten());
        records.map(|record| stored_record_bytes(&record) as u64).sum()
    }

    /// Encodes one block of pending records. Returns the cost, as a number of bytes encoded in the same time; 0 when
    /// nothing is pending.
    pub(in crate::index) fn write_block(&mut self, writing: &mut Writing, batch: &mut Batch) -> Result<u64, Error> {
        let (members, raw) = self.fill_block(&mut writing.gathering, self.block_bytes(), usize::MAX)?;
        let raw = &raw.0;
        if members.is_empty() {
            // A caller that repeats this until nothing is pending must not do so for ever.
            let why = "records that are to be stored were passed over";
            return if writing.gathering.is_empty() { Ok(0) } else { Err(Error::StoreFailed { why: why.to_owned() }) };
        }
        let piece_bytes = self.piece_bytes();
        let Some(number) = self.journal_mut().and_then(|journal| journal.stock.new_block(MOST_BLOCKS)) else {
            let why = "all numbers for blocks are used: import an export into a new place".to_owned();
            return Err(Error::StoreFailed { why });
        };
        let moments = members.iter().filter_map(|&slot| self.parts.expiries.get(slot));
        let earliest_expiry_ms = moments.fold(f64::INFINITY, f64::min);
        let compression = self.journal().and_then(|journal| journal.compression).unwrap_or(Compression::AsItIs);
        let (count, dimensions) = (members.len() as u32, self.parts.records.dimensions());
        // Without memory to compress it, a block is stored uncompressed, and also if decompressing does not give the
        // same bytes: what is lost here is lost for good.
        let compressed = writing.compressor.compress(compression, raw, dimensions).ok().flatten();
        let compressed =
            compressed.filter(|compressed| decompresses_to(raw, compression, compressed, count, dimensions));
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
            let (key, mut piece) = (key.to_text()?, Vec::new());
            batch.puts.try_reserve(1).map_err(|_| OutOfMemory)?;
            piece.try_reserve_exact(part.len()).map_err(|_| OutOfMemory)?;
            // From here on nothing fails: a piece that is dropped would be freed as it is.
            piece.extend_from_slice(part);
            batch.puts.push((key, piece));
        }
        self.parts.records.cold.add(stored)?;
        writing.blocks.try_reserve(1).map_err(|_| OutOfMemory)?;
        writing.blocks.push(stored);
        let (compress_ns, decompress_ns) = compression.typical_ns();
        let compression_cost = 1.0 + (compress_ns + decompress_ns) / ENCODED_BYTE_NS;
        let cost = (raw.len() as f64 * compression_cost) as u64 + MEMBER_COST_BYTES * members.len() as u64;
        for (slot, ordinal) in members.into_iter().zip(0..=u8::MAX) {
            self.parts.records.set_place(slot, Place { block: number, ordinal });
        }
        Ok(cost)
    }

    /// Returns sample blocks to try compressions on; `None` if no choice is due or too little is to be written.
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
            if gathering.start.is_some() {
                // Only the beginning of a long payload: compressing all of it would cause a noticeable pause.
                let (members, bytes) = self.fill_block(&mut gathering, SAMPLE_BYTES, SAMPLE_BYTES)?;
                sample.blocks.push((members.len() as u32, bytes));
            }
        }
        let bytes: usize = sample.blocks.iter().map(|(_, block)| block.0.len()).sum();
        Ok((bytes >= LEAST_SAMPLE_BYTES).then_some(sample))
    }

    /// Chooses the compression of later blocks: the one that pays best by what was measured.
    pub(crate) fn set_compression(&mut self, measured: &[Measured]) {
        let compression = Compression::choose(measured, self.block_bytes());
        if let Some(journal) = self.journal_mut() {
            (journal.compression, journal.is_compression_due) = (Some(compression), false);
        }
    }

    /// Fills one block: a pending record, then always the one that the block pulls most, until the block is full or
    /// nothing is pending. Records too long for the room left are passed over. Of each payload at most
    /// `most_payload_bytes` bytes are encoded, which is for samples only. Returns the slots and the encoded bytes.
    fn fill_block(
        &self,
        gathering: &mut Gathering,
        most_bytes: usize,
        most_payload_bytes: usize,
    ) -> Result<(Vec<Slot>, Wiped), Error> {
        // Here and not once a checkpoint: codes may have been trained or cleared since the last block.
        self.parts.codes.prepare(&mut gathering.buffer)?;
        let (mut members, mut filled) = (Vec::new(), Wiped(Vec::new()));
        let bytes = &mut filled.0;
        members.try_reserve_exact(MOST_RECORDS).map_err(|_| OutOfMemory)?;
        let mut passed = 0;
        while members.len() < MOST_RECORDS
            && let Some(slot) = gathering.next()
        {
            // Skip records that were deleted or written in the meantime.
            let Some(mut record) = self.parts.records.unstored(slot)? else {
                gathering.take_out(slot);
                continue;
            };
            record.payload = record.payload.get(..most_payload_bytes).unwrap_or(record.payload);
            let len = stored_record_bytes(&record);
            if !members.is_empty() && bytes.len() + len > most_bytes {
                if bytes.len() > most_bytes - most_bytes / SPARE_PART || passed == MOST_PASSED {
                    break;
                }
                passed += 1;
                gathering.pass_over(slot)?;
                continue;
            }
            reserve(bytes, len)?;
            put_record(&record, &mut |part| {
                bytes.extend_from_slice(part);
                Ok(())
            })?;
            gathering.take_out(slot);
            members.push(slot);
            gathering.meet(self.parts.codes.space(), slot, self.parts.graph.neighbours(slot))?;
        }
        gathering.leave();
        Ok((members, filled))
    }
}

impl Gathering {
    /// The pending slot with the strongest pull, the first found of equals; without any pull, `start` or the next slot.
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

    /// Adds the pull of a record that joined the block to its pending neighbours.
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

    /// Removes a slot that was written or whose record is gone. It may be pending again in a later block, which must
    /// not find a pull of this one.
    fn take_out(&mut self, slot: Slot) {
        self.pending.remove(slot);
        if let Some(pull) = self.pulls.get_mut(slot.index()) {
            *pull = 0.0;
        }
    }

    /// Passes over a record that is too long for the block being filled.
    fn pass_over(&mut self, slot: Slot) -> Result<(), OutOfMemory> {
        let Some(pull) = self.pulls.get_mut(slot.index()) else { return Ok(()) };
        if *pull == 0.0 {
            self.met.try_reserve(1)?;
            self.met.push(slot);
        }
        *pull = PASSED;
        Ok(())
    }

    /// Ends the block. The next one begins with the first slot passed over, or with the one that this block pulls most.
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

/// The pull between records at this distance: positive, and small enough that sums stay finite.
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
