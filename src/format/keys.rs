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
    key(MANIFESTS, "", &[(generation, LONG)])
}

pub(crate) fn log_key(number: u64) -> String {
    key(LOGS, "", &[(number, LONG)])
}

pub(crate) fn segment_key(kind: Kind, index: u32, generation: u64, piece: u32) -> String {
    key(SEGMENTS, letter(kind), &[(index.into(), SHORT), (generation, LONG), (piece.into(), SHORT)])
}

pub(crate) fn block_key(number: u32, piece: u32) -> String {
    key(BLOCKS, "", &[(number.into(), SHORT), (piece.into(), SHORT)])
}

/// A sort's beginning, perhaps a letter, and numbers between dots.
fn key(sort: &str, letter: &str, numbers: &[(u64, usize)]) -> String {
    let mut key = [sort, letter].concat();
    let mut before = if letter.is_empty() { "" } else { "/" };
    for &(number, digits) in numbers {
        key.push_str(before);
        push_digits(&mut key, number, digits);
        before = ".";
    }
    key
}

/// Adds the last so many decimal digits of a number, zeros in front. What formats numbers in general is larger.
pub(crate) fn push_digits(to: &mut String, number: u64, digits: usize) {
    let mut place = 10_u64.pow(digits as u32 - 1);
    while place > 0 {
        to.push(char::from(b'0' + (number / place % 10) as u8));
        place /= 10;
    }
}

impl Key {
    /// What a key names; none for a key that none of the functions above gives.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        let rest = &mut key.as_bytes();
        let key = if skip(rest, MANIFESTS) {
            Self::Manifest { generation: number(rest, LONG)? }
        } else if skip(rest, LOGS) {
            Self::Log { number: number(rest, LONG)? }
        } else if skip(rest, BLOCKS) {
            Self::Block { number: short(rest)?, piece: dot(rest).and_then(short)? }
        } else if skip(rest, SEGMENTS) {
            let kind = Kind::ALL.into_iter().find(|&kind| kind != Kind::Meta && skip(rest, letter(kind)))?;
            let index = if skip(rest, "/") { short(rest)? } else { return None };
            Self::Segment { kind, index, generation: number(dot(rest)?, LONG)?, piece: dot(rest).and_then(short)? }
        } else {
            return None;
        };
        rest.is_empty().then_some(key)
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

fn dot<'a, 'b>(rest: &'b mut &'a [u8]) -> Option<&'b mut &'a [u8]> {
    skip(rest, ".").then_some(rest)
}

fn short(rest: &mut &[u8]) -> Option<u32> {
    number(rest, SHORT)?.try_into().ok()
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
