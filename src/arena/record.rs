//! The words of one record.
//!
//! | word | holds |
//! |---|---|
//! | 0 | the slot |
//! | 1 | payload length in bytes in the low 30 bits, its kind in the high 2 |
//! | 2 | the inverse norm, as f32 bits |
//! | 3 .. 3 + dimensions | the vector, as f32 bits |
//! | the rest | the payload's bytes, the last word padded with zeros |
//!
//! This is memory, not a stored format: payload bytes lie in it as they came, whatever the machine's byte order.

use core::fmt;

use crate::pages::Pages;
use crate::types::{OutOfMemory, Slot};

/// Words before the vector.
pub(crate) const HEADER_WORDS: usize = 3;
const LENGTH_BITS: u32 = 30;

/// The longest payload, in bytes: the length has 30 bits.
pub(crate) const MAX_PAYLOAD_BYTES: usize = (1 << LENGTH_BITS) - 1;

/// What a payload's bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PayloadKind {
    /// The record has no payload.
    #[default]
    None = 0,
    /// JSON text in UTF-8.
    Json = 1,
    /// The caller's raw bytes.
    Bytes = 2,
}

impl PayloadKind {
    /// The kind as stored.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    /// The kind of a stored number; `None` for an unknown number.
    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::None),
            1 => Some(Self::Json),
            2 => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// Why a record was not taken. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendError {
    /// The allocator refused, or the arena's positions are used up.
    OutOfMemory,
    /// The payload has this many bytes, more than [`MAX_PAYLOAD_BYTES`].
    PayloadTooLong(usize),
    /// The vector does not have the arena's dimensions.
    DimensionMismatch {
        /// Dimensions of the arena.
        expected: usize,
        /// Dimensions of the given vector.
        received: usize,
    },
}

impl From<OutOfMemory> for AppendError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => write!(f, "no memory for the record"),
            Self::PayloadTooLong(bytes) => {
                write!(f, "a payload must have at most {MAX_PAYLOAD_BYTES} bytes, not {bytes}")
            }
            Self::DimensionMismatch { expected, received } => {
                write!(f, "the vector must have {expected} dimensions, not {received}")
            }
        }
    }
}

/// One record, borrowed from its slab.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Record<'a> {
    /// 1 / the vector's Euclidean length, as given.
    pub(crate) inverse_norm: f32,
    /// The full vector; empty in an arena of 0 dimensions.
    pub(crate) vector: &'a [f32],
    /// What the payload's bytes are.
    pub(crate) kind: PayloadKind,
    /// The payload, without padding.
    pub(crate) payload: &'a [u8],
}

/// The three words before the vector.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) slot: Slot,
    pub(super) inverse_norm: f32,
    pub(super) kind: PayloadKind,
    pub(super) payload_bytes: usize,
}

impl Header {
    /// Reads the header at the start of `words`; `None` if they are too few.
    #[inline]
    pub(super) fn read(words: &[u32]) -> Option<Self> {
        let &[slot, length, inverse_norm, ..] = words else { return None };
        Some(Self {
            slot: Slot(slot),
            inverse_norm: f32::from_bits(inverse_norm),
            kind: PayloadKind::from_number((length >> LENGTH_BITS) as u8).unwrap_or_default(),
            payload_bytes: length as usize & MAX_PAYLOAD_BYTES,
        })
    }

    /// Words of the whole record, in an arena of `dimensions`.
    pub(super) const fn record_words(&self, dimensions: usize) -> usize {
        record_words(dimensions, self.payload_bytes)
    }
}

/// Words of a record. The payload must be within [`MAX_PAYLOAD_BYTES`].
pub(super) const fn record_words(dimensions: usize, payload_bytes: usize) -> usize {
    HEADER_WORDS + dimensions + payload_bytes.div_ceil(size_of::<u32>())
}

/// The record at the start of `words`; `None` if they are fewer than its header says.
#[inline]
pub(super) fn read(words: &[u32], dimensions: usize) -> Option<Record<'_>> {
    let header = Header::read(words)?;
    let words = words.get(..header.record_words(dimensions))?;
    let (vector, payload) = words.get(HEADER_WORDS..)?.split_at_checked(dimensions)?;
    let payload = bytemuck::must_cast_slice(payload).get(..header.payload_bytes)?;
    Some(Record {
        inverse_norm: header.inverse_norm,
        vector: bytemuck::must_cast_slice(vector),
        kind: header.kind,
        payload,
    })
}

/// Writes a record of `record_words(vector.len(), record.payload.len())` words at the end of `words`, which has room
/// for it. The payload must be within [`MAX_PAYLOAD_BYTES`].
pub(super) fn write(words: &mut Pages<u32>, slot: Slot, record: &Record<'_>) {
    let length = record.payload.len() as u32 | u32::from(record.kind.number()) << LENGTH_BITS;
    words.extend_from_slice(&[slot.0, length, record.inverse_norm.to_bits()]);
    words.extend_from_slice(bytemuck::must_cast_slice(record.vector));
    let start = words.len();
    words.resize(start + record.payload.len().div_ceil(size_of::<u32>()), 0);
    let tail = words.get_mut(start..).unwrap_or_default();
    if let Some(bytes) = bytemuck::must_cast_slice_mut::<u32, u8>(tail).get_mut(..record.payload.len()) {
        bytes.copy_from_slice(record.payload);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_is_these_words() {
        let record = Record { inverse_norm: 0.5, vector: &[1.0, -2.0], kind: PayloadKind::Bytes, payload: b"abcde" };
        let mut words = Pages::new();
        words.try_reserve_exact(8).unwrap();
        words.resize(1, 99);
        write(&mut words, Slot(7), &record);
        let last = [bytemuck::cast(*b"abcd"), bytemuck::cast(*b"e\0\0\0")];
        let wanted = [7, 5 | 2 << 30, 0.5f32.to_bits(), 1.0f32.to_bits(), (-2.0f32).to_bits(), last[0], last[1]];
        assert_eq!(words[1..], wanted);
        assert_eq!(wanted.len(), record_words(2, 5));
        assert_eq!(read(&words[1..], 2).unwrap(), record);
        for cut in 0..wanted.len() {
            assert_eq!(read(&wanted[..cut], 2), None, "{cut} words are too few");
        }
    }
}
