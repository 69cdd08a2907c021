//! Writes and reads LZ4 blocks: runs of literals and matches, without entropy coding.

use super::matches::{Effort, Matches, Token};
use crate::types::OutOfMemory;

/// The shortest match. Lengths of matches are counted from here.
const LEAST_MATCH: usize = 4;
/// The largest value of half a byte. A length from here on continues in the following bytes.
const MOST_SHORT: usize = 15;
/// Readers may rely on this: no match begins in the last this many bytes of a block…
const LAST_MATCH: usize = 12;
/// …and this many of the last are literals.
const LAST_LITERALS: usize = 5;

/// Writes the compressed form of `data` to the beginning of `to`, and returns its length; `None` if it does not fit.
pub(super) fn compress(matches: &mut Matches, data: &[u8], to: &mut [u8]) -> Result<Option<usize>, OutOfMemory> {
    matches.begin(Effort::Little)?;
    let mut out = Out { to, at: Some(0) };
    let (mut at, mut literals) = (0, 0);
    matches.tokens(data, Effort::Little, |token, _| {
        match token {
            Some(Token::Match { len, distance }) => {
                let end = at + usize::from(len);
                let len = usize::from(len).min(data.len().saturating_sub(at + LAST_LITERALS));
                if at + LAST_MATCH <= data.len() && len >= LEAST_MATCH {
                    out.run(data.get(literals..at).unwrap_or_default(), Some((len, distance)));
                    literals = at + len;
                }
                at = end;
            }
            Some(Token::Literal(_)) => at += 1,
            None => {}
        }
        out.at.is_some()
    });
    out.run(data.get(literals..).unwrap_or_default(), None);
    Ok(out.at)
}

struct Out<'a> {
    to: &'a mut [u8],
    /// The end of what has been written; `None` once something did not fit.
    at: Option<usize>,
}

impl Out<'_> {
    /// Adds literals and the match after them.
    fn run(&mut self, literals: &[u8], then: Option<(usize, u16)>) {
        let match_len = then.map_or(0, |(len, _)| len - LEAST_MATCH);
        let halves = literals.len().min(MOST_SHORT) << 4 | match_len.min(MOST_SHORT);
        self.put(&[halves as u8]);
        self.rest(literals.len());
        self.put(literals);
        if let Some((_, distance)) = then {
            self.put(&distance.to_le_bytes());
            self.rest(match_len);
        }
    }

    /// Adds the part of a length that does not fit in half a byte.
    fn rest(&mut self, len: usize) {
        if let Some(mut rest) = len.checked_sub(MOST_SHORT) {
            while rest >= 255 {
                self.put(&[255]);
                rest -= 255;
            }
            self.put(&[rest as u8]);
        }
    }

    #[inline(never)]
    fn put(&mut self, bytes: &[u8]) {
        let end = self.at.map(|at| (at, at + bytes.len()));
        self.at = end.and_then(|(at, end)| {
            self.to.get_mut(at..end)?.copy_from_slice(bytes);
            Some(end)
        });
    }
}

/// Decompresses all of `compressed` into all of `to`; `None` unless it is the compressed form of `to.len()` bytes.
pub(super) fn decompress(compressed: &[u8], to: &mut [u8]) -> Option<()> {
    let (mut from, mut at) = (compressed, 0_usize);
    loop {
        let halves = usize::from(byte(&mut from)?);
        let literals = length(halves >> 4, &mut from)?;
        let (run, rest) = from.split_at_checked(literals)?;
        to.get_mut(at..at.checked_add(literals)?)?.copy_from_slice(run);
        at += literals;
        from = rest;
        if from.is_empty() {
            return (at == to.len()).then_some(());
        }
        let distance = usize::from(u16::from_le_bytes([byte(&mut from)?, byte(&mut from)?]));
        let len = length(halves & MOST_SHORT, &mut from)?.checked_add(LEAST_MATCH)?;
        copy_match(to, at, distance, len)?;
        at += len;
    }
}

/// Copies `len` bytes from `distance` before `at` to `at`. The source may overlap the copy. `None` if it begins before
/// `to`, or there is no room.
#[inline]
pub(super) fn copy_match(to: &mut [u8], at: usize, distance: usize, len: usize) -> Option<()> {
    let start = at.checked_sub(distance).filter(|_| distance > 0)?;
    let place = to.get_mut(start..at.checked_add(len)?)?;
    if distance >= len {
        place.copy_within(..len, distance);
    } else {
        for behind in distance..place.len() {
            place[behind] = place[behind - distance];
        }
    }
    Some(())
}

fn byte(from: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = from.split_first()?;
    *from = rest;
    Some(first)
}

/// Reads the rest of a length whose first half byte has been read.
fn length(half: usize, from: &mut &[u8]) -> Option<usize> {
    let (mut len, mut goes_on) = (half, half == MOST_SHORT);
    while goes_on {
        let more = byte(from)?;
        len = len.checked_add(usize::from(more))?;
        goes_on = more == 255;
    }
    Some(len)
}
