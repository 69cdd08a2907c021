//! The small fixed part of an index, in bincode: fixed-width little-endian integers.

use super::FormatError;
use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

/// Everything that is not an array.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Meta {
    pub(crate) dimensions: u32,
    pub(crate) metric: u8,
    pub(crate) quantization: u8,
    pub(crate) m: u32,
    pub(crate) ef_construction: u32,
    pub(crate) ef: u32,
    pub(crate) seed: u64,
    pub(crate) compaction_threshold: f64,
    /// How many levels have been drawn.
    pub(crate) draws: u64,
    /// The next number that was never an id.
    pub(crate) next_number: u64,
    /// Slots, free ones included.
    pub(crate) slots: u32,
    /// The entry point, or `u32::MAX`.
    pub(crate) entry: u32,
    /// Growth of distances over a doubling of rank, beyond 1: the sum and the number of the measurements.
    pub(crate) growth_sum: f64,
    pub(crate) growth_count: u64,
}

/// Far more bytes than a [`Meta`] takes. A decoder stops before it reads beyond this.
const LIMIT: usize = 1024;

const fn config() -> Configuration<LittleEndian, Fixint, Limit<LIMIT>> {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT>()
}

impl Meta {
    /// Far more bytes than a [`Meta`] takes, for a buffer on the stack.
    pub(crate) const MOST_BYTES: usize = LIMIT;

    /// Encodes it at the start of `buffer`.
    pub(crate) fn to_bytes(self, buffer: &mut [u8; LIMIT]) -> Result<&[u8], FormatError> {
        bincode::encode_into_slice(self, buffer, config())
            .ok()
            .and_then(|len| buffer.get(..len))
            .ok_or_else(|| FormatError::corrupt("the meta cannot be encoded"))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        match bincode::decode_from_slice(bytes, config()) {
            Ok((meta, used)) if used == bytes.len() => Ok(meta),
            Ok((_, used)) => Err(FormatError::corrupt(format_args!("meta takes {used} bytes, not {}", bytes.len()))),
            // Not the decoder's own message, which would bring in its whole error formatting (size).
            Err(_) => Err(FormatError::corrupt("the meta section does not decode")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    fn meta() -> Meta {
        Meta {
            dimensions: 384,
            metric: 0,
            quantization: 1,
            m: 16,
            ef_construction: 200,
            ef: 64,
            seed: 1 << 60,
            compaction_threshold: 0.3,
            draws: 5,
            next_number: 6,
            slots: 7,
            entry: 3,
            growth_sum: 0.5,
            growth_count: 7,
        }
    }

    #[test]
    fn goes_there_and_back() {
        assert_eq!(Meta::from_bytes(meta().to_bytes(&mut [0; LIMIT]).unwrap()).unwrap(), meta());
    }

    #[test]
    fn cut_short_or_too_long_is_corrupt() {
        let mut bytes = meta().to_bytes(&mut [0; LIMIT]).unwrap().to_vec();
        for len in 0..bytes.len() {
            assert!(Meta::from_bytes(&bytes[..len]).is_err(), "{len}");
        }
        bytes.push(0);
        assert!(Meta::from_bytes(&bytes).is_err());
    }
}
