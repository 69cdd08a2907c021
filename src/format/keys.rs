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
use crate::types::OutOfMemory;
use core::fmt::{self, Write};

/// What the keys of each sort begin with.
pub(super) const MANIFESTS: &str = "m/";
pub(super) const LOGS: &str = "log/";
pub(super) const SEGMENTS: &str = "s/";
pub(super) const BLOCKS: &str = "b/";

/// Generations and logs count up to here, so that counting on from one that was read does not overflow.
pub(super) const MOST: u64 = 1 << 63;
/// The longest key: a segment's.
const LONGEST: usize = SEGMENTS.len() + 2 + SHORT + 1 + LONG + 1 + SHORT;

/// Digits of the largest `u32` and `u64`.
const SHORT: usize = 10;
const LONG: usize = 20;

/// What a value of a stored index is, which its key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Manifest { generation: u64 },
    Log { number: u64 },
    Segment { kind: Kind, index: u32, generation: u64, piece: u32 },
    Block { number: u32, piece: u32 },
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Manifest { generation } => write!(f, "{MANIFESTS}{generation:0LONG$}"),
            Self::Log { number } => write!(f, "{LOGS}{number:0LONG$}"),
            Self::Segment { kind, index, generation, piece } => {
                write!(f, "{SEGMENTS}{}/{index:0SHORT$}.{generation:0LONG$}.{piece:0SHORT$}", letter(kind))
            }
            Self::Block { number, piece } => write!(f, "{BLOCKS}{number:0SHORT$}.{piece:0SHORT$}"),
        }
    }
}

impl Key {
    /// The key itself.
    pub(crate) fn to_text(self) -> Result<String, OutOfMemory> {
        let mut text = String::new();
        text.try_reserve_exact(LONGEST)?;
        // Writing to a string with room has no way to fail.
        let _ = write!(text, "{self}");
        Ok(text)
    }

    /// What a key names; none for a key that none of these has.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        if let Some(generation) = key.strip_prefix(MANIFESTS) {
            return Some(Self::Manifest { generation: count(generation)? });
        }
        if let Some(number) = key.strip_prefix(LOGS) {
            return Some(Self::Log { number: count(number)? });
        }
        if let Some(block) = key.strip_prefix(BLOCKS) {
            let (number, piece) = block.split_once('.')?;
            return Some(Self::Block { number: short(number)?, piece: short(piece)? });
        }
        let (kind, rest) = key.strip_prefix(SEGMENTS)?.split_once('/')?;
        let kind = Kind::ALL.into_iter().find(|&known| kind == letter(known) && known != Kind::Meta)?;
        let (index, rest) = rest.split_once('.')?;
        let (generation, piece) = rest.split_once('.')?;
        Some(Self::Segment { kind, index: short(index)?, generation: count(generation)?, piece: short(piece)? })
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

/// Passes over `start`, if what is left begins with it.
fn skip(rest: &mut &[u8], start: &str) -> bool {
    let behind = rest.strip_prefix(start.as_bytes());
    *rest = behind.unwrap_or(rest);
    behind.is_some()
}

fn count(digits: &str) -> Option<u64> {
    number(digits, LONG).filter(|&count| count <= MOST)
}

/// One number has one key, so its digits are exactly so many, and nothing else that a parser of numbers would take.
fn number(rest: &mut &[u8], len: usize) -> Option<u64> {
    let (digits, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| number.checked_mul(10)?.checked_add(digit.into()))?
    })
}
