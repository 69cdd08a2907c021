//! The keys of the values of a stored index.
//!
//! | key                                | value                                                             |
//! |------------------------------------|-------------------------------------------------------------------|
//! | `m/GENERATION`                     | a manifest                                                        |
//! | `log/NUMBER`                       | a log                                                             |
//! | `s/KIND/INDEX.GENERATION.PIECE`    | a piece of a segment, as it was written in that generation        |
//! | `b/NUMBER.PIECE`                   | a piece of a block of records                                     |
//!
//! Numbers are decimal and padded to the length of the largest one, so that keys sort as their numbers do.

use super::sections::Kind;
use crate::types::OutOfMemory;
use core::fmt;

/// The prefixes of each sort of key.
pub(crate) const MANIFESTS: &str = "m/";
pub(crate) const LOGS: &str = "log/";
pub(super) const SEGMENTS: &str = "s/";
pub(super) const BLOCKS: &str = "b/";
/// What the keys of an index begin with.
pub(crate) const PREFIXES: [&str; 4] = [MANIFESTS, LOGS, SEGMENTS, BLOCKS];

/// The largest generation and log number that is read, so that counting on from one does not overflow.
pub(super) const MOST_NUMBER: u64 = 1 << 63;
/// The longest key: a segment's.
const LONGEST: usize = SEGMENTS.len() + 2 + U32_DIGITS + 1 + U64_DIGITS + 1 + U32_DIGITS;

/// Digits of the largest `u32`.
const U32_DIGITS: usize = 10;
/// Digits of the largest `u64`.
const U64_DIGITS: usize = 20;

/// The value of a stored index that a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Manifest { generation: u64 },
    Log { number: u64 },
    Segment { kind: Kind, index: u32, generation: u64, piece: u32 },
    Block { number: u32, piece: u32 },
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text().map_err(|_| fmt::Error)?)
    }
}

impl Key {
    /// The text of the key.
    pub(crate) fn to_text(self) -> Result<String, OutOfMemory> {
        let mut text = String::new();
        text.try_reserve_exact(LONGEST)?;
        match self {
            Self::Manifest { generation } => add(&mut text, MANIFESTS, &[(generation, U64_DIGITS)]),
            Self::Log { number } => add(&mut text, LOGS, &[(number, U64_DIGITS)]),
            Self::Segment { kind, index, generation, piece } => {
                text.push_str(SEGMENTS);
                text.push_str(letter(kind));
                add(
                    &mut text,
                    "/",
                    &[(index.into(), U32_DIGITS), (generation, U64_DIGITS), (piece.into(), U32_DIGITS)],
                );
            }
            Self::Block { number, piece } => {
                add(&mut text, BLOCKS, &[(number.into(), U32_DIGITS), (piece.into(), U32_DIGITS)])
            }
        }
        Ok(text)
    }

    /// Parses a key; `None` for any other text.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        let rest = &mut key.as_bytes();
        let key = if skip(rest, MANIFESTS) {
            Self::Manifest { generation: count(rest)? }
        } else if skip(rest, LOGS) {
            Self::Log { number: count(rest)? }
        } else if skip(rest, BLOCKS) {
            Self::Block { number: short(rest)?, piece: dot(rest).and_then(short)? }
        } else if skip(rest, SEGMENTS) {
            let kind = Kind::STORED.into_iter().find(|&kind| skip(rest, letter(kind)))?;
            let index = if skip(rest, "/") { short(rest)? } else { return None };
            Self::Segment { kind, index, generation: dot(rest).and_then(count)?, piece: dot(rest).and_then(short)? }
        } else {
            return None;
        };
        rest.is_empty().then_some(key)
    }
}

/// Adds a prefix, and numbers separated by dots.
fn add(text: &mut String, start: &str, numbers: &[(u64, usize)]) {
    let mut before = start;
    for &(number, digits) in numbers {
        text.push_str(before);
        push_digits(text, number, digits);
        before = ".";
    }
}

/// Adds the last `digits` decimal digits of a number, with leading zeros, without the standard formatting (size).
pub(crate) fn push_digits(to: &mut String, number: u64, digits: usize) {
    let mut place = 10_u64.pow(digits as u32 - 1);
    while place > 0 {
        to.push(char::from(b'0' + (number / place % 10) as u8));
        place /= 10;
    }
}

/// How many pieces a value of `bytes` bytes is stored in; `None` if that exceeds a `u32`, or if `piece_bytes` is 0.
pub(crate) fn piece_count(bytes: u64, piece_bytes: u32) -> Option<u32> {
    (piece_bytes > 0).then(|| bytes.div_ceil(u64::from(piece_bytes)))?.try_into().ok()
}

/// The letter of the value that holds this kind.
const fn letter(kind: Kind) -> &'static str {
    match kind {
        Kind::Codes | Kind::LowerCodes | Kind::Scales => "c",
        Kind::Levels | Kind::BaseLinks | Kind::UpperLinks => "l",
        Kind::Ids | Kind::IdTexts => "i",
        Kind::Meta | Kind::RecordOffsets | Kind::Records | Kind::Places | Kind::Expiries => "p",
    }
}

/// Skips `start` and returns true, if `rest` begins with it.
fn skip(rest: &mut &[u8], start: &str) -> bool {
    let behind = rest.strip_prefix(start.as_bytes());
    *rest = behind.unwrap_or(rest);
    behind.is_some()
}

fn dot<'a, 'b>(rest: &'b mut &'a [u8]) -> Option<&'b mut &'a [u8]> {
    skip(rest, ".").then_some(rest)
}

fn count(rest: &mut &[u8]) -> Option<u64> {
    number(rest, U64_DIGITS).filter(|&count| count <= MOST_NUMBER)
}

fn short(rest: &mut &[u8]) -> Option<u32> {
    number(rest, U32_DIGITS)?.try_into().ok()
}

/// Reads exactly `len` digits and accepts nothing else, so that each number has only one key.
fn number(rest: &mut &[u8], len: usize) -> Option<u64> {
    let (digits, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| number.checked_mul(10)?.checked_add(digit.into()))?
    })
}
