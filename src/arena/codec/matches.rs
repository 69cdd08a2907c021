//! Finding earlier occurrences: matches of at least four bytes, at most a window back.

use crate::types::OutOfMemory;

/// The farthest back that a match of deflate can refer.
const WINDOW: usize = 1 << 15;
/// The lengths of a match. Deflate allows three bytes, but such a match seldom saves anything.
const LEAST: usize = 4;
const MOST: usize = 258;
const HASH_BITS: u32 = 14;
/// How many earlier places are tried with [`Effort::Much`].
const MOST_TRIED: usize = 24;
/// A match of this length is good enough: no longer one is searched for.
const LONG: usize = 64;
/// After each run of this many places without a match, one more place is skipped at a time, up to [`MOST_PASSED`].
const MISSES: usize = 64;
const MOST_PASSED: usize = 16;

/// A literal byte, or a match with its length and its distance back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Literal(u8),
    Match { len: u16, distance: u16 },
}

/// How hard to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// Tries only the last place with the same beginning, and skips places after a long time without a match.
    Little,
    /// Tries earlier places too, and whether a match that begins a byte later is longer.
    Much,
}

/// Where bytes occurred earlier. Its memory is reused.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// By hash, one more than the last place with that hash; 0 for none.
    heads: Vec<u32>,
    /// By place in the window, one more than the previous place with the same hash.
    before: Vec<u32>,
}

impl Matches {
    /// Makes room and forgets all places.
    pub(super) fn begin(&mut self, effort: Effort) -> Result<(), OutOfMemory> {
        let window = if effort == Effort::Much { WINDOW } else { 0 };
        for (table, len) in [(&mut self.heads, 1 << HASH_BITS), (&mut self.before, window)] {
            table.clear();
            table.try_reserve_exact(len)?;
            table.resize(len, 0);
        }
        Ok(())
    }

    /// Passes the tokens of `data` to `take` in order, each with whether it is the last; the only call for empty data
    /// has `None`. Stops early when `take` returns false.
    pub(super) fn tokens(&mut self, data: &[u8], effort: Effort, mut take: impl FnMut(Option<Token>, bool) -> bool) {
        let (mut at, mut misses, mut passed) = (0, 0, 0);
        // The match at the next place, if it has been searched for already.
        let mut ahead = None;
        let mut goes_on = true;
        while goes_on && at < data.len() {
            let is_passed = ahead.is_none() && passed > 0;
            let found = match ahead.take() {
                Some(found) => Some(found),
                None if is_passed => {
                    passed -= 1;
                    None
                }
                None => self.find(data, at, effort),
            };
            let len = found.map_or(0, |(len, _)| len);
            if effort == Effort::Much && (1..LONG).contains(&len) {
                ahead = self.find(data, at + 1, effort).filter(|&(longer, _)| longer > len);
            }
            let (token, end) = match found.filter(|_| ahead.is_none()) {
                None => {
                    if found.is_none() && !is_passed && effort == Effort::Little {
                        misses += 1;
                        passed = (misses / MISSES).min(MOST_PASSED);
                    }
                    (Token::Literal(data[at]), at + 1)
                }
                Some((len, distance)) => {
                    (misses, passed) = (0, 0);
                    // A place whose match has been searched for is noted already.
                    let (noted, step) = match effort {
                        Effort::Little => (1, 4),
                        Effort::Much if len < LONG => (2, 1),
                        Effort::Much => (1, 1),
                    };
                    for place in (at + noted..at + len).step_by(step) {
                        self.note(data, place, effort);
                    }
                    (Token::Match { len: len as u16, distance: distance as u16 }, at + len)
                }
            };
            at = end;
            goes_on = take(Some(token), at == data.len());
        }
        if data.is_empty() {
            take(None, true);
        }
    }

    /// Notes a place, and returns the last one with the same hash.
    #[inline]
    fn note(&mut self, data: &[u8], at: usize, effort: Effort) -> Option<usize> {
        let first: [u8; LEAST] = data.get(at..at + LEAST)?.try_into().ok()?;
        let hash = u32::from_le_bytes(first).wrapping_mul(0x9E37_79B1) >> (u32::BITS - HASH_BITS);
        let head = &mut self.heads[hash as usize];
        let last = *head;
        *head = at as u32 + 1;
        if effort == Effort::Much {
            self.before[at % WINDOW] = last;
        }
        (last as usize).checked_sub(1)
    }

    /// Notes a place, and returns the length and the distance of the longest match that begins there.
    #[inline(never)]
    fn find(&mut self, data: &[u8], at: usize, effort: Effort) -> Option<(usize, usize)> {
        let mut from = self.note(data, at, effort);
        let mut best = None;
        let mut len = LEAST - 1;
        let mut left = if effort == Effort::Much { MOST_TRIED } else { 1 };
        while let Some(place) = from.filter(|&place| left > 0 && at - place <= WINDOW) {
            left -= 1;
            let common = common_bytes(data, place, at);
            if common > len {
                (best, len) = (Some((common, at - place)), common);
            }
            if len >= LONG || effort == Effort::Little {
                break;
            }
            // An entry that does not point further back has been overwritten.
            from = (self.before[place % WINDOW] as usize).checked_sub(1).filter(|&next| next < place);
        }
        best
    }
}

/// How many bytes from `at` on equal those from `before` on.
#[inline]
fn common_bytes(data: &[u8], before: usize, at: usize) -> usize {
    let most = MOST.min(data.len() - at);
    let word = |from: usize| data.get(from..).and_then(<[u8]>::first_chunk).map(|bytes| u64::from_le_bytes(*bytes));
    let mut len = 0;
    while len < most
        && let (Some(old), Some(new)) = (word(before + len), word(at + len))
    {
        let differing = old ^ new;
        if differing != 0 {
            return most.min(len + differing.trailing_zeros() as usize / 8);
        }
        len += 8;
    }
    // Near the end there are no whole words.
    while len < most && data[before + len] == data[at + len] {
        len += 1;
    }
    most.min(len)
}
