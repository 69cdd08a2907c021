//! The manifest of a checkpoint: names all other values that make up the index.
//!
//! ```text
//! 0     magic, version, zeros, length of the whole, checksum of everything else       32 bytes
//! 32    generation, log, next frame, piece length, next block, compression, lengths        48 bytes
//! 80    the meta, and zeros up to a multiple of 8
//! ...   the segments, ascending by kind and index                                      32 bytes each
//! ...   the blocks of records, ascending by number                                     48 bytes each
//! ```
//!
//! The same rules are checked before writing and after reading, so no manifest is ever written that cannot be read
//! again.

use super::FormatError;
use super::checksum::xxh64;
use super::cursor::Cursor;
use super::keys::{MOST_NUMBER, piece_count};
use super::meta::Meta;
use super::sections::Kind;
use crate::segments::SEGMENT_SLOTS;
use crate::types::{OutOfMemory, Slot};
use xxhash_rust::xxh64::Xxh64;

/// The version that is written. Readers refuse higher ones.
pub(crate) const MANIFEST_VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"\x93thmani\n";
/// Everything before the checksum, and the whole header. Both are the same in every future version.
const SEALED_BYTES: usize = 24;
const HEADER_BYTES: usize = 32;
const FIXED_BYTES: u64 = 80;
const SEGMENT_BYTES: u64 = 32;
const BLOCK_BYTES: u64 = 48;
/// The codec of an uncompressed block.
pub(crate) const AS_IT_IS: u32 = 0;

/// An index at a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    /// Grows by one with each checkpoint.
    pub(crate) generation: u64,
    /// The first log after the checkpoint. Later ones are numbered from it on, without gaps.
    pub(crate) log: u64,
    /// The number of the first frame that the checkpoint does not contain.
    pub(crate) next_sequence: u64,
    /// Segments and blocks are cut into values of this length.
    pub(crate) piece_bytes: u32,
    /// A number that no block has ever had. Numbers are not reused, because the previous manifest may still name blocks
    /// that this one does not.
    pub(crate) next_block: u32,
    /// How new blocks are compressed; 0 while nothing has been chosen. The arena defines the other values.
    pub(crate) compression: u32,
    pub(crate) meta: Meta,
    /// Ascending by kind and index.
    pub(crate) segments: Vec<StoredSegment>,
    /// Ascending by number.
    pub(crate) blocks: Vec<StoredBlock>,
}

/// An array's rows for a run of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredSegment {
    pub(crate) kind: Kind,
    /// Its first slot is this number times the slots of a segment.
    pub(crate) index: u32,
    /// The generation that last wrote it.
    pub(crate) generation: u64,
    pub(crate) bytes: u64,
    /// XXH64 of its bytes.
    pub(crate) checksum: u64,
}

/// Records that are stored together, and perhaps compressed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StoredBlock {
    pub(crate) number: u32,
    /// How it is compressed: [`AS_IT_IS`], or a number that the codecs define. They refuse unknown numbers.
    pub(crate) codec: u32,
    pub(crate) stored_bytes: u64,
    pub(crate) raw_bytes: u64,
    /// XXH64 of the stored bytes.
    pub(crate) checksum: u64,
    pub(crate) records: u32,
    /// How many of them are deleted or replaced.
    pub(crate) dead: u32,
    /// When the first of them expires, in milliseconds since 1970; infinity when none does.
    pub(crate) earliest_expiry_ms: f64,
}

impl Manifest {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        let mut buffer = [0; Meta::MOST_BYTES];
        let meta = self.meta.to_bytes(&mut buffer)?;
        let counts = (u32::try_from(self.segments.len()), u32::try_from(self.blocks.len()));
        let (Ok(segments), Ok(blocks)) = counts else { return Err(FormatError::OutOfMemory) };
        let total = total_bytes(meta.len() as u32, segments, blocks);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(total).map_err(|_| OutOfMemory)?).map_err(|_| OutOfMemory)?;
        bytes.extend_from_slice(&MAGIC);
        words(&mut bytes, &[MANIFEST_VERSION, 0]);
        longs(&mut bytes, &[total, 0, self.generation, self.log, self.next_sequence]);
        words(&mut bytes, &[self.piece_bytes, self.next_block, meta.len() as u32, self.compression, segments, blocks]);
        bytes.extend_from_slice(meta);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        for segment in &self.segments {
            words(&mut bytes, &[segment.kind as u32, segment.index]);
            longs(&mut bytes, &[segment.generation, segment.bytes, segment.checksum]);
        }
        for block in &self.blocks {
            words(&mut bytes, &[block.number, block.codec]);
            longs(&mut bytes, &[block.stored_bytes, block.raw_bytes, block.checksum]);
            words(&mut bytes, &[block.records, block.dead]);
            longs(&mut bytes, &[block.earliest_expiry_ms.to_bits()]);
        }
        let checksum = checksum_of_the_rest(&bytes);
        if let Some(place) = bytes.get_mut(SEALED_BYTES..HEADER_BYTES) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        Ok(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut from = Cursor::new(bytes);
        let header = (from.take(MAGIC.len()), from.u32(), from.u32(), from.u64(), from.u64());
        let (Some(magic), Some(version), Some(_), Some(total), Some(checksum)) = header else {
            return Err(FormatError::corrupt("a manifest is longer"));
        };
        // A flipped bit must not pass for a later version, so the checksum is verified first.
        if magic != MAGIC || total != bytes.len() as u64 || checksum != checksum_of_the_rest(bytes) {
            return Err(FormatError::corrupt("the manifest does not match its checksum"));
        }
        if version > MANIFEST_VERSION {
            return Err(FormatError::UnsupportedVersion { found: version });
        }
        let manifest = if version == 0 { None } else { Self::read(&mut from, total)? };
        let manifest = manifest.ok_or_else(|| FormatError::corrupt("the manifest's parts are not its whole"))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Reads what follows the header; `None` if it is malformed.
    fn read(from: &mut Cursor<'_>, total: u64) -> Result<Option<Self>, FormatError> {
        let longs = (from.u64(), from.u64(), from.u64());
        let (Some(generation), Some(log), Some(next_sequence)) = longs else { return Ok(None) };
        let words = (from.u32(), from.u32(), from.u32(), from.u32(), from.u32(), from.u32());
        let (Some(piece_bytes), Some(next_block), Some(meta), Some(compression), Some(segments), Some(blocks)) = words
        else {
            return Ok(None);
        };
        // From here on, all the bytes that the counts imply are there.
        if total_bytes(meta, segments, blocks) != total {
            return Ok(None);
        }
        let Some(padded) = from.take(meta as usize + padding(meta)) else { return Ok(None) };
        let meta = Meta::from_bytes(padded.get(..meta as usize).unwrap_or_default())?;
        let segments = collect(segments, || StoredSegment::read(from))?;
        let blocks = collect(blocks, || StoredBlock::read(from))?;
        let (Some(segments), Some(blocks)) = (segments, blocks) else { return Ok(None) };
        Ok(Some(Self { generation, log, next_sequence, piece_bytes, next_block, compression, meta, segments, blocks }))
    }

    /// Checks everything except the meta's own fields, which the index checks.
    fn check(&self) -> Result<(), FormatError> {
        let slots = self.meta.slots as usize;
        let numbers = [self.generation, self.log, self.next_sequence];
        let has_zero = self.next_sequence == 0 || self.piece_bytes == 0;
        if slots > Slot::MOST || has_zero || numbers.iter().any(|number| *number > MOST_NUMBER) {
            return Err(FormatError::corrupt("the manifest counts what cannot be"));
        }
        // Strictly ascending, so that none occurs twice.
        let segments_ascend = self.segments.is_sorted_by(|a, b| (a.kind, a.index) < (b.kind, b.index));
        if !segments_ascend || !self.segments.iter().all(|segment| self.may_have(segment)) {
            return Err(FormatError::corrupt("the manifest names segments that cannot be"));
        }
        let blocks_ascend = self.blocks.is_sorted_by(|a, b| a.number < b.number);
        if !blocks_ascend || !self.blocks.iter().all(|block| self.may_hold(block)) {
            return Err(FormatError::corrupt("the manifest names blocks that cannot be"));
        }
        Ok(())
    }

    fn may_have(&self, segment: &StoredSegment) -> bool {
        Kind::STORED.contains(&segment.kind)
            && (segment.index as usize) < (self.meta.slots as usize).div_ceil(SEGMENT_SLOTS)
            && segment.generation <= self.generation
            && piece_count(segment.bytes, self.piece_bytes).is_some()
    }

    fn may_hold(&self, block: &StoredBlock) -> bool {
        block.number < self.next_block
            && block.dead <= block.records
            && (block.codec != AS_IT_IS || block.stored_bytes == block.raw_bytes)
            // False for NaN.
            && block.earliest_expiry_ms > f64::NEG_INFINITY
            && piece_count(block.stored_bytes, self.piece_bytes).is_some()
    }
}

impl StoredSegment {
    fn read(from: &mut Cursor<'_>) -> Option<Self> {
        let number = u32::from(from.u16()?);
        let kind = Kind::STORED.into_iter().find(|kind| *kind as u32 == number)?;
        from.u16()?;
        let index = from.u32()?;
        Some(Self { kind, index, generation: from.u64()?, bytes: from.u64()?, checksum: from.u64()? })
    }
}

impl StoredBlock {
    /// Whether these are the bytes that were written.
    pub(crate) fn is_content(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.stored_bytes && xxh64(bytes, 0) == self.checksum
    }

    fn read(from: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            number: from.u32()?,
            codec: from.u32()?,
            stored_bytes: from.u64()?,
            raw_bytes: from.u64()?,
            checksum: from.u64()?,
            records: from.u32()?,
            dead: from.u32()?,
            earliest_expiry_ms: from.f64()?,
        })
    }
}

/// Number of zeros after a meta of `meta` bytes.
const fn padding(meta: u32) -> usize {
    (meta as usize).wrapping_neg() % 8
}

/// The sum cannot overflow: each term is at most a 32-bit count times a small length.
fn total_bytes(meta: u32, segments: u32, blocks: u32) -> u64 {
    let meta = u64::from(meta) + padding(meta) as u64;
    FIXED_BYTES + meta + u64::from(segments) * SEGMENT_BYTES + u64::from(blocks) * BLOCK_BYTES
}

fn checksum_of_the_rest(bytes: &[u8]) -> u64 {
    let mut checksum = Xxh64::new(0);
    checksum.update(bytes.get(..SEALED_BYTES).unwrap_or_default());
    checksum.update(bytes.get(HEADER_BYTES..).unwrap_or_default());
    checksum.digest()
}

/// Reads `count` rows, whose bytes are known to be there; `None` if one of them is malformed.
fn collect<T>(count: u32, mut read: impl FnMut() -> Option<T>) -> Result<Option<Vec<T>>, OutOfMemory> {
    let mut rows = Vec::new();
    rows.try_reserve_exact(count as usize)?;
    for _ in 0..count {
        let Some(row) = read() else { return Ok(None) };
        rows.push(row);
    }
    Ok(Some(rows))
}

fn words(to: &mut Vec<u8>, words: &[u32]) {
    to.extend_from_slice(bytemuck::must_cast_slice(words));
}

fn longs(to: &mut Vec<u8>, longs: &[u64]) {
    to.extend_from_slice(bytemuck::must_cast_slice(longs));
}
