//! Writes the compressed format of RFC 1951, in blocks with codes of their own.

use super::huffman::{MOST_BITS, code_lengths, codes};
use super::matches::{Effort, Matches, Token};
use crate::types::OutOfMemory;

/// Number of symbols: for literals, the end and lengths; for distances; for the lengths of codes.
pub(super) const LITERALS: usize = 286;
pub(super) const DISTANCES: usize = 30;
pub(super) const CODE_LENGTHS: usize = 19;
/// The symbol at the end of a block.
pub(super) const END: usize = 256;
/// The order in which the code lengths of the code length alphabet are written.
pub(super) const ORDER: [usize; CODE_LENGTHS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// The longest code of the code length alphabet.
const MOST_SHORT_BITS: usize = 7;
/// Number of tokens that share their codes.
const BLOCK_TOKENS: usize = 1 << 14;
/// The two bits that announce a block with its own codes.
const OWN_CODES: u32 = 2;

/// Compresses bytes, reusing its memory.
#[derive(Debug, Default)]
pub(super) struct Deflate {
    pub(super) matches: Matches,
    tokens: Vec<Token>,
}

#[cfg(not(target_arch = "wasm32"))]
impl Drop for Deflate {
    fn drop(&mut self) {
        // Literals are the bytes of records.
        self.tokens.clear();
        self.tokens.resize(self.tokens.capacity(), Token::Literal(0));
        core::hint::black_box(&self.tokens);
    }
}

impl Deflate {
    /// Writes the compressed form of `data` to the beginning of `to`, and returns its length; `None` if it would leave
    /// fewer than [`SPARE_BYTES`] of `to`.
    pub(super) fn compress(
        &mut self,
        data: &[u8],
        effort: Effort,
        to: &mut [u8],
    ) -> Result<Option<usize>, OutOfMemory> {
        self.matches.begin(effort)?;
        let Self { matches, tokens } = self;
        tokens.clear();
        tokens.try_reserve_exact(BLOCK_TOKENS)?;
        let most = to.len().saturating_sub(SPARE_BYTES);
        let mut bits = Bits { to, at: 0, word: 0, count: 0 };
        matches.tokens(data, effort, |token, is_last| {
            tokens.extend(token);
            if tokens.len() == BLOCK_TOKENS || is_last {
                bits.block(tokens, is_last);
                tokens.clear();
            }
            bits.at <= most
        });
        let len = bits.at + bits.count.div_ceil(8) as usize;
        Ok((len <= most).then_some(len))
    }
}

/// Room needed behind what is written, because whole words are written.
pub(super) const SPARE_BYTES: usize = 8;

/// A length's symbol, the number of its extra bits, and those bits.
fn length_symbol(len: u16) -> (usize, u32, u32) {
    let above = u32::from(len) - 3;
    match above {
        0..8 => (END + 1 + above as usize, 0, 0),
        255 => (LITERALS - 1, 0, 0),
        _ => {
            let extra = above.ilog2() - 2;
            (END + 1 + (4 * extra + (above >> extra)) as usize, extra, above & ((1 << extra) - 1))
        }
    }
}

/// A distance's symbol, the number of its extra bits, and those bits.
fn distance_symbol(distance: u16) -> (usize, u32, u32) {
    let above = u32::from(distance) - 1;
    if above < 4 {
        return (above as usize, 0, 0);
    }
    let extra = above.ilog2() - 1;
    ((2 * extra + (above >> extra)) as usize, extra, above & ((1 << extra) - 1))
}

/// Writes bits, the first one lowest. Bits that find no room are dropped.
struct Bits<'a> {
    to: &'a mut [u8],
    at: usize,
    word: u64,
    count: u32,
}

impl Bits<'_> {
    /// Adds up to 48 bits.
    #[inline]
    fn put(&mut self, bits: u64, count: u32) {
        self.word |= bits << self.count;
        self.count += count;
        if let Some(place) = self.to.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            *place = self.word.to_le_bytes();
        }
        self.at += (self.count / 8) as usize;
        self.word >>= self.count / 8 * 8;
        self.count %= 8;
    }

    /// Adds up to 48 bits where speed does not matter: not inlined (size).
    #[inline(never)]
    fn put_few(&mut self, bits: u32, count: u32) {
        self.put(bits.into(), count);
    }

    /// Writes a block of tokens, with the best codes for them.
    fn block(&mut self, tokens: &[Token], is_last: bool) {
        let (mut literals, mut distances) = ([0; LITERALS], [0; DISTANCES]);
        literals[END] = 1;
        for &token in tokens {
            match token {
                Token::Literal(byte) => literals[usize::from(byte)] += 1,
                Token::Match { len, distance } => {
                    literals[length_symbol(len).0] += 1;
                    distances[distance_symbol(distance).0] += 1;
                }
            }
        }
        // The code lengths of both alphabets are written as one sequence.
        let mut lengths = [0; LITERALS + DISTANCES];
        let (of_literals, of_distances) = lengths.split_at_mut(LITERALS);
        code_lengths(&literals, MOST_BITS, of_literals);
        code_lengths(&distances, MOST_BITS, of_distances);
        let (mut literal_codes, mut distance_codes) = ([0; LITERALS], [0; DISTANCES]);
        codes(of_literals, &mut literal_codes);
        codes(of_distances, &mut distance_codes);
        self.put_few(u32::from(is_last) | OWN_CODES << 1, 3);
        self.lengths(&lengths);
        let (of_literals, of_distances) = lengths.split_at(LITERALS);
        for &token in tokens {
            let (symbol, far) = match token {
                Token::Literal(byte) => ((usize::from(byte), 0, 0), None),
                Token::Match { len, distance } => (length_symbol(len), Some(distance_symbol(distance))),
            };
            let (symbol, extra, more) = symbol;
            let mut bits = u64::from(literal_codes[symbol]);
            let mut count = u32::from(of_literals[symbol]);
            bits |= u64::from(more) << count;
            count += extra;
            if let Some((symbol, extra, more)) = far {
                bits |= u64::from(distance_codes[symbol]) << count;
                count += u32::from(of_distances[symbol]);
                bits |= u64::from(more) << count;
                count += extra;
            }
            self.put(bits, count);
        }
        self.put_few(literal_codes[END].into(), of_literals[END].into());
    }

    /// Writes the lengths of a block's codes, run-length encoded and then coded in turn.
    #[inline(never)]
    fn lengths(&mut self, lengths: &[u8; LITERALS + DISTANCES]) {
        // Each is a symbol, the number of its extra bits, and those bits.
        let mut runs = [(0_u8, 0_u32, 0_u32); LITERALS + DISTANCES];
        let (mut count, mut at) = (0, 0);
        while at < lengths.len() {
            let length = lengths[at];
            let same = lengths[at..].iter().take_while(|&&other| other == length).count();
            let is_again = at > 0 && lengths[at - 1] == length;
            let (run, taken) = match (length, same) {
                (0, 11..) => ((18, 7, same.min(138) as u32 - 11), same.min(138)),
                (0, 3..) => ((17, 3, same as u32 - 3), same),
                (1.., 3..) if is_again => ((16, 2, same.min(6) as u32 - 3), same.min(6)),
                _ => ((length, 0, 0), 1),
            };
            runs[count] = run;
            count += 1;
            at += taken;
        }
        let runs = &runs[..count];
        let mut frequencies = [0; CODE_LENGTHS];
        for &(symbol, ..) in runs {
            frequencies[usize::from(symbol)] += 1;
        }
        let (mut short, mut short_codes) = ([0; CODE_LENGTHS], [0; CODE_LENGTHS]);
        code_lengths(&frequencies, MOST_SHORT_BITS, &mut short);
        codes(&short, &mut short_codes);
        // The size of each alphabet, less its minimum.
        self.put_few(LITERALS as u32 - 257, 5);
        self.put_few(DISTANCES as u32 - 1, 5);
        self.put_few(CODE_LENGTHS as u32 - 4, 4);
        for symbol in ORDER {
            self.put_few(short[symbol].into(), 3);
        }
        for &(symbol, extra, bits) in runs {
            let symbol = usize::from(symbol);
            self.put_few(short_codes[symbol].into(), short[symbol].into());
            self.put_few(bits, extra);
        }
    }
}
