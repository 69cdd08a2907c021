//! A block of records, as stored and in memory.
//!
//! The records follow one another, each as in an export: a word with its payload's length and kind, the vector, the
//! payload padded to whole words.

use super::codec::decompress;
use super::place::MOST_RECORDS;
use super::record::{PayloadKind, Record};
use crate::format::{AS_IT_IS, FormatError, RecordHeader, StoredBlock, zeros};
use crate::types::OutOfMemory;
#[cfg(not(target_arch = "wasm32"))]
use crate::wipe::wipe;

/// Computes the inverse norm of a vector; `None` for a vector that cannot be indexed.
pub(crate) type InverseNorm<'a> = dyn FnMut(&[f32]) -> Option<f32> + 'a;

/// The records of one block, in memory.
#[derive(Debug)]
pub(super) struct Block {
    words: Vec<u32>,
    /// Where each record begins, and its inverse norm.
    records: Vec<(u32, f32)>,
}

#[cfg(not(target_arch = "wasm32"))]
impl Drop for Block {
    fn drop(&mut self) {
        wipe(&mut self.words);
    }
}

impl Block {
    /// Reads the records of stored bytes, which are untrusted.
    pub(super) fn read(
        stored: &StoredBlock,
        bytes: &[u8],
        dimensions: usize,
        inverse_norm: &mut InverseNorm<'_>,
    ) -> Result<Self, FormatError> {
        let records = stored.records;
        let words = if stored.codec == AS_IT_IS {
            whole_words(bytes)?
        } else {
            decompress(stored.codec, bytes, stored.raw_bytes, records, dimensions)?
        };
        if records as usize > MOST_RECORDS {
            return Err(too_short());
        }
        // Dropped on an error, it overwrites the words.
        let mut block = Self { words, records: Vec::new() };
        let Self { words, records: starts } = &mut block;
        starts.try_reserve_exact(records as usize).map_err(|_| OutOfMemory)?;
        let mut start = 0;
        for _ in 0..records {
            let record = words.get(start..).and_then(|words| view(words, dimensions)).ok_or_else(too_short)?;
            let (header, vector, payload) = record?;
            if header.kind == PayloadKind::Json.number() && str::from_utf8(payload).is_err() {
                return Err(FormatError::corrupt("a payload is not UTF-8"));
            }
            let norm = inverse_norm(vector).ok_or_else(|| FormatError::corrupt("a vector that cannot be indexed"))?;
            // Only a record in a block of its own is long, so the start of a record fits in 32 bits.
            starts.push((start as u32, norm));
            start += 1 + dimensions + payload.len().div_ceil(size_of::<u32>());
        }
        if start == words.len() { Ok(block) } else { Err(too_short()) }
    }

    #[inline]
    pub(super) fn record(&self, ordinal: u8, dimensions: usize) -> Option<Record<'_>> {
        let &(start, inverse_norm) = self.records.get(usize::from(ordinal))?;
        let (header, vector, payload) = view(self.words.get(start as usize..)?, dimensions)?.ok()?;
        Some(Record { inverse_norm, vector, kind: PayloadKind::from_number(header.kind)?, payload })
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>() + self.records.capacity() * size_of::<(u32, f32)>()
    }
}

fn whole_words(bytes: &[u8]) -> Result<Vec<u32>, FormatError> {
    if !bytes.len().is_multiple_of(size_of::<u32>()) {
        return Err(FormatError::corrupt("it has no whole words"));
    }
    let mut words = zeros::<u32>(bytes.len() / size_of::<u32>())?;
    bytemuck::must_cast_slice_mut::<u32, u8>(&mut words).copy_from_slice(bytes);
    Ok(words)
}

fn too_short() -> FormatError {
    FormatError::corrupt("its records are not as long as it is")
}

type View<'a> = (RecordHeader, &'a [f32], &'a [u8]);

/// The record at the start of `words`; `None` if they are too few for it.
pub(super) fn view(words: &[u32], dimensions: usize) -> Option<Result<View<'_>, FormatError>> {
    let (&word, rest) = words.split_first()?;
    let header = match RecordHeader::from_word(word) {
        Ok(header) => header,
        Err(error) => return Some(Err(error)),
    };
    let (vector, rest) = rest.split_at_checked(dimensions)?;
    let payload = bytemuck::must_cast_slice(rest).get(..header.payload_bytes as usize)?;
    Some(Ok((header, bytemuck::must_cast_slice(vector), payload)))
}

/// Bytes of a record in a block.
pub(crate) const fn stored_record_bytes(record: &Record<'_>) -> usize {
    4 + 4 * record.vector.len() + record.payload.len().next_multiple_of(4)
}

/// Writes a record as it is stored.
pub(crate) fn put_record(
    record: &Record<'_>,
    to: &mut dyn FnMut(&[u8]) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let header = RecordHeader { kind: record.kind.number(), payload_bytes: record.payload.len() as u32 };
    to(&header.to_word().to_le_bytes())?;
    to(bytemuck::must_cast_slice(record.vector))?;
    to(record.payload)?;
    let padding = [0; 3];
    to(padding.get(..record.payload.len().next_multiple_of(4) - record.payload.len()).unwrap_or_default())
}
