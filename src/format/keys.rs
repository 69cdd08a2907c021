//! What the values of a stored index are called.
//!
//! | key                                | value                                                             |
//! |------------------------------------|-------------------------------------------------------------------|
//! | `m/GENERATION`                     | a manifest                                                        |
//! | `log/NUMBER`                       | a log                                                             |
//! | `s/KIND/INDEX.GENERATION.PIECE`    | a piece of a segment, as it was written in that generation        |
//! | `b/NUMBER.PIECE`                   | a piece of a block of records                                     |
//!
//! Numbers are decimal, and as long as the largest one, so that keys sort as their numbers do.

use super::sections::Kind;

/// What the keys of each sort begin with.
pub(crate) const MANIFESTS: &str = "m/";
pub(crate) const LOGS: &str = "log/";
pub(crate) const SEGMENTS: &str = "s/";
pub(crate) const BLOCKS: &str = "b/";

/// Digits of the largest `u32` and `u64`.
const SHORT: usize = 10;
const LONG: usize = 20;

/// A key that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Manifest { generation: u64 },
    Log { number: u64 },
    Segment { kind: Kind, index: u32, generation: u64, piece: u32 },
    Block { number: u32, piece: u32 },
}

pub(crate) fn manifest_key(generation: u64) -> String {
    format!("{MANIFESTS}{generation:0LONG$}")
}

pub(crate) fn log_key(number: u64) -> String {
    format!("{LOGS}{number:0LONG$}")
}

pub(crate) fn segment_key(kind: Kind, index: u32, generation: u64, piece: u32) -> String {
    format!("{SEGMENTS}{}/{index:0SHORT$}.{generation:0LONG$}.{piece:0SHORT$}", letter(kind))
}

pub(crate) fn block_key(number: u32, piece: u32) -> String {
    format!("{BLOCKS}{number:0SHORT$}.{piece:0SHORT$}")
}

impl Key {
    /// What a key names; none for a key that none of the functions above gives.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        if let Some(generation) = key.strip_prefix(MANIFESTS) {
            return Some(Self::Manifest { generation: long(generation)? });
        }
        if let Some(number) = key.strip_prefix(LOGS) {
            return Some(Self::Log { number: long(number)? });
        }
        if let Some(block) = key.strip_prefix(BLOCKS) {
            let (number, piece) = block.split_once('.')?;
            return Some(Self::Block { number: short(number)?, piece: short(piece)? });
        }
        let (kind, rest) = key.strip_prefix(SEGMENTS)?.split_once('/')?;
        let kind = Kind::ALL.into_iter().find(|&known| kind == letter(known) && known != Kind::Meta)?;
        let (index, rest) = rest.split_once('.')?;
        let (generation, piece) = rest.split_once('.')?;
        Some(Self::Segment { kind, index: short(index)?, generation: long(generation)?, piece: short(piece)? })
    }
}

/// How many pieces a value of so many bytes is stored in; none when they are more than can be counted, or of no length.
pub(crate) fn piece_count(bytes: u64, piece_bytes: u32) -> Option<u32> {
    (piece_bytes > 0).then(|| bytes.div_ceil(u64::from(piece_bytes)))?.try_into().ok()
}

/// The meta is part of the manifest, so nothing is ever stored under its letter.
const fn letter(kind: Kind) -> &'static str {
    match kind {
        Kind::Meta => "m",
        Kind::Codes => "c",
        Kind::LowerCodes => "h",
        Kind::Scales => "s",
        Kind::Levels => "v",
        Kind::BaseLinks => "l",
        Kind::UpperLinks => "u",
        Kind::Ids => "i",
        Kind::IdTexts => "t",
        Kind::RecordOffsets => "o",
        Kind::Records => "r",
    }
}

fn short(digits: &str) -> Option<u32> {
    number(digits, SHORT)?.try_into().ok()
}

fn long(digits: &str) -> Option<u64> {
    number(digits, LONG)
}

/// One number has one key, so its digits are exactly so many, and nothing else that a parser of numbers would take.
fn number(digits: &str, len: usize) -> Option<u64> {
    (digits.len() == len && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok())?
}
