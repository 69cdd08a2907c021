//! Levels, ids and record headers as stored: little-endian words.

use super::FormatError;
use crate::types::Id;

/// The stored level of a slot without a node.
pub(crate) const NO_NODE: u8 = u8::MAX;
/// In a checkpoint, the stored level of a record that is not linked yet is so much higher than that of its node will
/// be.
pub(crate) const WAITING: u8 = 16;

/// The id of a slot as one word: a number as it is, a string as its position among the texts, and all ones for a slot
/// without an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdWord {
    None,
    Number(u64),
    Text { start: u64, len: u64 },
}

const TEXT: u64 = 1 << 63;
const START_BITS: u32 = 48;
/// The texts of all string ids together must be shorter than this.
pub(crate) const MAX_TEXTS: u64 = 1 << START_BITS;

impl IdWord {
    pub(crate) const fn to_word(self) -> u64 {
        match self {
            Self::None => u64::MAX,
            Self::Number(number) => number,
            Self::Text { start, len } => TEXT | len << START_BITS | start,
        }
    }

    pub(crate) fn from_word(word: u64) -> Result<Self, FormatError> {
        if word == u64::MAX {
            return Ok(Self::None);
        }
        if word & TEXT == 0 {
            return if word <= Id::MAX_NUMBER {
                Ok(Self::Number(word))
            } else {
                Err(FormatError::corrupt(format_args!("{word} is no id")))
            };
        }
        let (start, len) = (word & (MAX_TEXTS - 1), (word & !TEXT) >> START_BITS);
        if len == 0 || len > Id::MAX_TEXT_BYTES as u64 {
            return Err(FormatError::corrupt(format_args!("a string id of {len} bytes")));
        }
        Ok(Self::Text { start, len })
    }
}

/// The word before a record: the length and the kind of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// 0: no payload, 1: JSON text, 2: raw bytes.
    pub(crate) kind: u8,
    pub(crate) payload_bytes: u32,
}

const LENGTH_BITS: u32 = 30;

impl RecordHeader {
    /// The longest payload, in bytes.
    pub(super) const MOST_PAYLOAD_BYTES: usize = (1 << LENGTH_BITS) - 1;

    pub(crate) fn to_word(self) -> u32 {
        u32::from(self.kind) << LENGTH_BITS | self.payload_bytes
    }

    pub(crate) fn from_word(word: u32) -> Result<Self, FormatError> {
        let header = Self { kind: (word >> LENGTH_BITS) as u8, payload_bytes: word & Self::MOST_PAYLOAD_BYTES as u32 };
        if header.kind > 2 || (header.kind == 0 && header.payload_bytes > 0) {
            return Err(FormatError::corrupt(format_args!("a payload of kind {}", header.kind)));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_there_and_back() {
        let words = [
            IdWord::None,
            IdWord::Number(0),
            IdWord::Number(Id::MAX_NUMBER),
            IdWord::Text { start: 0, len: 1 },
            IdWord::Text { start: MAX_TEXTS - 1, len: Id::MAX_TEXT_BYTES as u64 },
        ];
        for word in words {
            assert_eq!(IdWord::from_word(word.to_word()), Ok(word));
        }
        let header = RecordHeader { kind: 2, payload_bytes: (1 << LENGTH_BITS) - 1 };
        assert_eq!(RecordHeader::from_word(header.to_word()), Ok(header));
    }

    #[test]
    fn impossible_words_are_corrupt() {
        assert!(IdWord::from_word(Id::MAX_NUMBER + 1).is_err());
        assert!(IdWord::from_word(TEXT).is_err(), "an empty string");
        assert!(IdWord::from_word(TEXT | 4097 << START_BITS).is_err(), "a string too long");
        assert!(RecordHeader::from_word(3 << 30).is_err());
        assert!(RecordHeader::from_word(7).is_err(), "bytes of no kind");
    }
}
