//! The unit of the log: the entries of one change, under one checksum. A frame is read as a whole or not at all.
//!
//! ```text
//! 0     length of the entries in bytes, u32        8     sequence number, u64
//! 4     number of entries, u32                    16     checksum of bytes 0 to 15 and of all from 24 on
//! 24    the entries, and zeros up to a multiple of 8
//! ```

use super::cursor::Cursor;
use super::entry::Entry;
use xxhash_rust::xxh64::Xxh64;

pub(super) const HEADER_BYTES: usize = 24;
/// The header up to its checksum.
const SEALED_BYTES: usize = 16;
/// Frames begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;

/// A frame as it lies in the log. It is complete, but nothing else has been checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawFrame<'a> {
    pub(super) entries: u32,
    pub(super) sequence: u64,
    checksum: u64,
    sealed: &'a [u8],
    body: &'a [u8],
    padded: &'a [u8],
}

fn checksum(sealed: &[u8], padded: &[u8]) -> u64 {
    let mut checksum = Xxh64::new(0);
    checksum.update(sealed);
    checksum.update(padded);
    checksum.digest()
}

impl<'a> RawFrame<'a> {
    /// The frame at the start of `bytes`; `None` if it reaches beyond their end.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let mut words = Cursor::new(header);
        let (len, entries) = (words.u32()? as usize, words.u32()?);
        let (sequence, checksum) = (words.u64()?, words.u64()?);
        let padded = rest.get(..len.checked_next_multiple_of(ALIGNMENT)?)?;
        Some(Self {
            entries,
            sequence,
            checksum,
            sealed: header.get(..SEALED_BYTES)?,
            body: padded.get(..len)?,
            padded,
        })
    }

    pub(super) fn is_sound(&self) -> bool {
        checksum(self.sealed, self.padded) == self.checksum
    }

    /// The length of the frame in the log, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        HEADER_BYTES + self.padded.len()
    }

    /// Decodes the frame; `None` if a log of vectors of `dimensions` may not hold all of it.
    pub(super) fn decode(&self, dimensions: usize) -> Option<Frame<'a>> {
        let mut body = Cursor::new(self.body);
        for _ in 0..self.entries {
            Entry::read(&mut body, dimensions)?;
        }
        (self.entries > 0 && body.is_empty()).then_some(Frame { dimensions, body: self.body })
    }
}

/// The entries of one change, all of them valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    dimensions: usize,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The entries, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let (mut body, dimensions) = (Cursor::new(self.body), self.dimensions);
        // All entries were read once when the frame was decoded, so only the end of the body ends this.
        core::iter::from_fn(move || Entry::read(&mut body, dimensions))
    }
}

/// Writes the header of a frame, which is followed in `frame` by its entries, `len` bytes, and padding.
pub(super) fn seal(frame: &mut [u8], len: usize, entries: u32, sequence: u64) {
    let Some((header, padded)) = frame.split_first_chunk_mut::<HEADER_BYTES>() else { return };
    let word = (len as u64) | u64::from(entries) << 32;
    let mut words = [word, sequence, 0];
    let sealed: &[u8] = bytemuck::must_cast_slice(&words);
    let checksum = checksum(sealed.get(..SEALED_BYTES).unwrap_or_default(), padded);
    words[2] = checksum;
    header.copy_from_slice(bytemuck::bytes_of(&words));
}
