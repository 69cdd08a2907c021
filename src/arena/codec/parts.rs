//! A block split into parts, so that similar bytes lie together.
//!
//! A vector's numbers hardly compress as they lie: the highest byte of each, its sign and most of its exponent, takes
//! few values, but stands between bytes that are noise. So a block becomes five parts, each compressed or not:
//!
//! | part | holds, for all records in order |
//! |---|---|
//! | 0 to 3 | the lowest, second, third and highest byte of each number of the vectors |
//! | 4 | the words with payload length and kind; then the payloads, each padded to whole words |
//!
//! Five words give each part's compressed length. A length equal to the uncompressed one means that the part is stored
//! uncompressed.

use super::super::place::MOST_RECORDS;
use super::compression::Compression;
use super::deflate::{Deflate, SPARE_BYTES};
use super::inflate;
use super::lz4;
use super::matches::Effort;
use crate::format::{FormatError, RecordHeader, zeros};
use crate::types::OutOfMemory;
use crate::wipe::{Wiped, reserve_exact};

const WORD: usize = size_of::<u32>();
/// Parts for the bytes of the vectors' numbers: one for each byte of a number.
const PLANES: usize = WORD;
/// Bytes of the table of lengths in front.
const TABLE_BYTES: usize = WORD * (PLANES + 1);
/// A compressed byte stands for at most this many bytes: deflate's longest match in its shortest codes.
const MOST_EXPANSION: usize = 1032;
/// Compression must save more than one byte in this many, or the part is stored uncompressed.
const LEAST_SAVED: usize = 32;
/// A part is worth compressing if equal pairs of bytes are this many times as frequent as in noise.
const LEAST_ALIKE: f64 = 1.25;

/// Compresses blocks, reusing its memory.
#[derive(Debug, Default)]
pub(crate) struct Compressor {
    deflate: Deflate,
    part: Wiped,
    compressed: Wiped,
}

impl Compressor {
    /// Compresses a block of records with vectors of `dimensions`; `None` if it would not be shorter.
    pub(crate) fn compress(
        &mut self,
        compression: Compression,
        block: &[u8],
        dimensions: usize,
    ) -> Result<Option<&[u8]>, OutOfMemory> {
        let Some(records) = Records::of(block, dimensions).filter(|_| compression != Compression::AsItIs) else {
            return Ok(None);
        };
        let Self { deflate, part, compressed } = self;
        let part = room(part, block.len())?;
        let compressed = room(compressed, block.len() + SPARE_BYTES)?;
        let mut end = TABLE_BYTES;
        for plane in 0..=PLANES {
            let len = records.clone().gather(plane, part);
            let part = part.get(..len).unwrap_or_default();
            let most = len - len / LEAST_SAVED;
            let to = compressed.get_mut(end..).unwrap_or_default();
            // The numbers of vectors seldom repeat: more effort would find nothing.
            let effort = compression.effort().map(|effort| if plane == PLANES { effort } else { Effort::Little });
            let room = to.len().min(most + SPARE_BYTES);
            let compressed_to = to.get_mut(..room).unwrap_or_default();
            let shorter = match effort {
                _ if plane < PLANES && !is_uneven(part) => None,
                Some(effort) => deflate.compress(part, effort, compressed_to)?,
                None => lz4::compress(&mut deflate.matches, part, compressed_to)?,
            };
            // Equal lengths mark an uncompressed part, so a compressed one must be shorter.
            let shorter = shorter.filter(|&shorter| shorter < most);
            let taken = shorter.unwrap_or(len);
            if shorter.is_none() {
                let Some(to) = to.get_mut(..len) else { return Ok(None) };
                to.copy_from_slice(part);
            }
            let Some(word) = compressed.get_mut(WORD * plane..).and_then(<[u8]>::first_chunk_mut) else {
                return Ok(None);
            };
            *word = (taken as u32).to_le_bytes();
            end += taken;
        }
        Ok(compressed.get(..end).filter(|compressed| compressed.len() < block.len()))
    }
}

/// The first `len` bytes of a buffer, which is lengthened if necessary.
#[inline(never)]
fn room(Wiped(buffer): &mut Wiped, len: usize) -> Result<&mut [u8], OutOfMemory> {
    if let Some(more) = len.checked_sub(buffer.len()) {
        reserve_exact(buffer, more)?;
        buffer.resize(len, 0);
    }
    Ok(buffer.get_mut(..len).unwrap_or_default())
}

/// Iterates over the records of a block: header, vector and padded payload of each.
#[derive(Clone)]
struct Records<'a> {
    left: &'a [u8],
    dimensions: usize,
}

impl<'a> Records<'a> {
    /// The records of `block`; `None` if they do not fill it exactly.
    fn of(block: &'a [u8], dimensions: usize) -> Option<Self> {
        let all = Self { left: block, dimensions };
        let mut records = all.clone();
        records.by_ref().for_each(drop);
        records.left.is_empty().then_some(all)
    }

    /// Writes one part of the block to the beginning of `to`, which is as long as the block, and returns its length.
    fn gather(self, plane: usize, to: &mut [u8]) -> usize {
        let all = to.len();
        let mut to = to;
        let mut put = |bytes: &[u8]| {
            if let Some((place, rest)) = core::mem::take(&mut to).split_at_mut_checked(bytes.len()) {
                place.copy_from_slice(bytes);
                to = rest;
            }
        };
        if plane == PLANES {
            self.clone().for_each(|(header, ..)| put(header));
            self.for_each(|(.., payload)| put(payload));
        } else {
            for (_, vector, _) in self {
                let bytes = vector.iter().skip(plane).step_by(PLANES);
                let (place, rest) = core::mem::take(&mut to).split_at_mut(vector.len() / PLANES);
                place.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = byte);
                to = rest;
            }
        }
        all - to.len()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (&'a [u8], &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.left.split_at_checked(WORD)?;
        let word = u32::from_le_bytes(header.try_into().ok()?);
        let payload = RecordHeader::from_word(word).ok()?.payload_bytes as usize;
        let (vector, rest) = rest.split_at_checked(WORD * self.dimensions)?;
        let (payload, rest) = rest.split_at_checked(payload.next_multiple_of(WORD))?;
        self.left = rest;
        Some((header, vector, payload))
    }
}

/// Whether some bytes are more frequent than others, by more than chance.
fn is_uneven(part: &[u8]) -> bool {
    let mut counts = [0_u32; 256];
    part.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let pairs: f64 = counts.iter().map(|&count| f64::from(count) * (f64::from(count) - 1.0)).sum();
    let len = part.len() as f64;
    pairs * counts.len() as f64 >= LEAST_ALIKE * len * (len - 1.0)
}

/// Decompresses a block of the given record and byte counts into words. The input is untrusted.
///
/// Each of its two buffers has at most about [`MOST_EXPANSION`] times the compressed length.
pub(in super::super) fn decompress(
    codec: u32,
    compressed: &[u8],
    raw_bytes: u64,
    records: u32,
    dimensions: usize,
) -> Result<Vec<u32>, FormatError> {
    let raw_bytes = usize::try_from(raw_bytes).map_err(|_| not_whole())?;
    let records = records as usize;
    if records > MOST_RECORDS || !raw_bytes.is_multiple_of(WORD) || raw_bytes / MOST_EXPANSION > compressed.len() {
        return Err(not_whole());
    }
    let plane_bytes = records * dimensions;
    let rest_bytes = raw_bytes.checked_sub(WORD * plane_bytes).filter(|&rest| rest >= WORD * records);
    let rest_bytes = rest_bytes.ok_or_else(not_whole)?;
    let (table, mut compressed) = compressed.split_at_checked(TABLE_BYTES).ok_or_else(not_whole)?;
    let mut parts: [&[u8]; PLANES + 1] = [&[]; PLANES + 1];
    for (part, word) in parts.iter_mut().zip(table.chunks_exact(WORD)) {
        let len = u32::from_le_bytes(word.try_into().map_err(|_| not_whole())?) as usize;
        (*part, compressed) = compressed.split_at_checked(len).ok_or_else(not_whole)?;
    }
    if !compressed.is_empty() {
        return Err(not_whole());
    }
    let mut whole = Wiped(zeros::<u32>(raw_bytes / WORD)?);
    let mut plane = Wiped(zeros::<u8>(rest_bytes.max(plane_bytes))?);
    let (words, part) = (&mut whole.0, &mut plane.0);
    let [planes @ .., rest] = parts;
    decompress_part(codec, rest, part.get_mut(..rest_bytes).unwrap_or_default())?;
    let starts = place_rest(&part[..rest_bytes], words, records, dimensions).ok_or_else(not_whole)?;
    for (compressed, shift) in planes.into_iter().zip((0..).step_by(8)) {
        let plane = part.get_mut(..plane_bytes).unwrap_or_default();
        decompress_part(codec, compressed, plane)?;
        for (&start, bytes) in starts.iter().zip(plane.chunks_exact(dimensions.max(1))) {
            let vector = words.get_mut(start as usize..).unwrap_or_default();
            for (word, &byte) in vector.iter_mut().zip(bytes) {
                *word |= u32::from(byte) << shift;
            }
        }
    }
    Ok(whole.take())
}

/// Whether `compressed` decompresses to exactly `block`. Returns false if memory cannot be allocated.
pub(crate) fn decompresses_to(
    block: &[u8],
    compression: Compression,
    compressed: &[u8],
    records: u32,
    dimensions: usize,
) -> bool {
    let Ok(words) = decompress(compression.codec(), compressed, block.len() as u64, records, dimensions) else {
        return false;
    };
    let words = Wiped(words);
    let bytes = block.chunks_exact(WORD);
    let differ = words
        .0
        .iter()
        .zip(bytes)
        .fold(0, |differ, (word, bytes)| differ | (word ^ bytes.try_into().map_or(0, u32::from_le_bytes)));
    differ == 0
}

/// Puts the headers and the payloads in their places, and returns where the vectors begin; `None` if the lengths do not
/// add up to the block's.
fn place_rest(rest: &[u8], words: &mut [u32], records: usize, dimensions: usize) -> Option<[u32; MOST_RECORDS]> {
    let mut starts = [0; MOST_RECORDS];
    let (headers, mut payloads) = rest.split_at_checked(WORD * records)?;
    let mut left = words;
    let mut at = 0;
    for (start, header) in starts.iter_mut().zip(headers.chunks_exact(WORD)) {
        let word = u32::from_le_bytes(header.try_into().ok()?);
        let bytes = (RecordHeader::from_word(word).ok()?.payload_bytes as usize).next_multiple_of(WORD);
        let (payload, others) = payloads.split_at_checked(bytes)?;
        let (record, rest) = left.split_at_mut_checked(1 + dimensions + bytes / WORD)?;
        *record.first_mut()? = word;
        bytemuck::must_cast_slice_mut(record.get_mut(1 + dimensions..)?).copy_from_slice(payload);
        *start = at + 1;
        at += record.len() as u32;
        (payloads, left) = (others, rest);
    }
    (payloads.is_empty() && left.is_empty()).then_some(starts)
}

fn decompress_part(codec: u32, compressed: &[u8], to: &mut [u8]) -> Result<(), FormatError> {
    if compressed.len() == to.len() {
        to.copy_from_slice(compressed);
        return Ok(());
    }
    // A part that compression does not shorten is stored uncompressed, so no compressed part is longer.
    if compressed.len() > to.len() {
        return Err(not_whole());
    }
    let is_whole = match codec {
        _ if codec == Compression::Lz4.codec() => lz4::decompress(compressed, to).is_some(),
        _ if codec == Compression::Deflate.codec() => inflate::decompress(compressed, to).is_some(),
        _ => false,
    };
    if is_whole { Ok(()) } else { Err(not_whole()) }
}

fn not_whole() -> FormatError {
    FormatError::corrupt("it cannot be decompressed")
}
