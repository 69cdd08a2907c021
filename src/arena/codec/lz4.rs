//! LZ4's blocks, written and read: runs of literals and matches, with no codes at all.

use super::matches::{Effort, Matches, Token};
use crate::types::OutOfMemory;

/// Matches are at least so long, and their lengths are counted from there.
const LEAST_MATCH: usize = 4;
/// Half a byte says a length up to here, and bytes that follow say the rest.
const MOST_SHORT: usize = 15;
/// A reader may rely on this: no match begins in the last so many bytes of a block…
const LAST_MATCH: usize = 12;
/// …and that so many of the last are literals.
const LAST_LITERALS: usize = 5;

/// Writes the compressed form of `data` to the beginning of `to`, and gives its length; none when there is no room for it.
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
    /// None when there was no room for something.
    at: Option<usize>,
}

impl Out<'_> {
    /// Adds literals, and the match behind them.
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

    /// Adds the part of a length that half a byte cannot say.
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

/// Decompresss `compressed`, to its last byte, into all of `to`. None when it is not the compressed form of that many bytes.
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

/// Repeats the `len` bytes from `distance` before `at` on, which may reach into what is being written. None when there is no
/// such place, or no room.
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

/// A length of which half a byte has been read.
fn length(half: usize, from: &mut &[u8]) -> Option<usize> {
    let (mut len, mut goes_on) = (half, half == MOST_SHORT);
    while goes_on {
        let more = byte(from)?;
        len = len.checked_add(usize::from(more))?;
        goes_on = more == 255;
    }
    Some(len)
}
