//! Reads the compressed format of RFC 1951. The input is untrusted: it fills its room exactly, or is refused.

use super::deflate::{CODE_LENGTHS, DISTANCES, END, LITERALS, ORDER};
use super::huffman::{MOST_BITS, MOST_SYMBOLS, first_codes};
use super::lz4::copy_match;

/// Codes up to this length are found by one table lookup.
const TABLE_BITS: usize = 10;
/// Number of fixed distance codes, with the two that complete the code space and have no meaning.
const FIXED_DISTANCES: usize = 32;

/// Decompresses all of `compressed` into all of `to`; `None` unless it is the compressed form of `to.len()` bytes.
pub(super) fn decompress(compressed: &[u8], to: &mut [u8]) -> Option<()> {
    let mut from = Bits { compressed, at: 0, word: 0, count: 0 };
    let mut at = 0;
    loop {
        let is_last = from.take(1)? == 1;
        match from.take(2)? {
            0 => at = stored(&mut from, to, at)?,
            1 => {
                let (literals, distances) = fixed_lengths();
                at = coded(&mut from, &HuffmanCodes::new(&literals)?, &HuffmanCodes::new(&distances)?, to, at)?;
            }
            2 => {
                let (literals, distances) = own_codes(&mut from)?;
                at = coded(&mut from, &literals, &distances, to, at)?;
            }
            _ => return None,
        }
        if is_last {
            // The remaining bits of the last byte have no meaning.
            return (at == to.len() && from.is_at_end()).then_some(());
        }
    }
}

/// Reads bits, the first one lowest.
struct Bits<'a> {
    compressed: &'a [u8],
    at: usize,
    word: u64,
    count: u32,
}

impl Bits<'_> {
    /// Makes at least 48 bits available, or all that are left.
    #[inline(never)]
    fn fill(&mut self) {
        let next = self.compressed.get(self.at..).unwrap_or_default();
        if let Some(&word) = next.first_chunk() {
            self.word |= u64::from_le_bytes(word) << self.count;
            let bytes = (63 - self.count) / 8;
            self.at += bytes as usize;
            self.count += 8 * bytes;
        } else {
            // Near the end there is no whole word to read.
            for &byte in next {
                if self.count >= 56 {
                    break;
                }
                self.word |= u64::from(byte) << self.count;
                self.at += 1;
                self.count += 8;
            }
        }
    }

    /// Reads up to 16 bits.
    #[inline(never)]
    fn take(&mut self, count: u32) -> Option<u32> {
        if self.count < count {
            self.fill();
        }
        let bits = self.word as u32 & ((1 << count) - 1);
        self.skip(count)?;
        Some(bits)
    }

    #[inline]
    fn skip(&mut self, count: u32) -> Option<()> {
        self.count = self.count.checked_sub(count)?;
        self.word >>= count;
        Some(())
    }

    /// Skips the rest of the current byte, and returns the position of the next one.
    fn align(&mut self) -> usize {
        let at = self.at - (self.count / 8) as usize;
        (self.word, self.count) = (0, 0);
        at
    }

    const fn is_at_end(&self) -> bool {
        self.at == self.compressed.len() && self.count < 8
    }
}

/// Reads an uncompressed block.
#[inline(never)]
fn stored(from: &mut Bits<'_>, to: &mut [u8], at: usize) -> Option<usize> {
    let start = from.align();
    let &[low, high, not_low, not_high] = from.compressed.get(start..)?.first_chunk()?;
    if [low, high] != [!not_low, !not_high] {
        return None;
    }
    let (start, len) = (start + 4, usize::from(u16::from_le_bytes([low, high])));
    to.get_mut(at..at + len)?.copy_from_slice(from.compressed.get(start..start + len)?);
    from.at = start + len;
    Some(at + len)
}

/// The lengths of the fixed codes, which are not written in a block.
fn fixed_lengths() -> ([u8; MOST_SYMBOLS], [u8; FIXED_DISTANCES]) {
    let mut literals = [8; MOST_SYMBOLS];
    literals[144..END].fill(9);
    literals[END..280].fill(7);
    (literals, [5; FIXED_DISTANCES])
}

/// Reads the codes of a block that has its own.
#[inline(never)]
fn own_codes(from: &mut Bits<'_>) -> Option<(HuffmanCodes, HuffmanCodes)> {
    let literals = from.take(5)? as usize + 257;
    let distances = from.take(5)? as usize + 1;
    let shorts = from.take(4)? as usize + 4;
    if literals > LITERALS || distances > DISTANCES {
        return None;
    }
    let mut short = [0; CODE_LENGTHS];
    for &symbol in ORDER.get(..shorts)? {
        short[symbol] = from.take(3)? as u8;
    }
    let short = HuffmanCodes::new(&short)?;
    let mut lengths = [0; LITERALS + DISTANCES];
    let lengths = &mut lengths[..literals + distances];
    let mut at = 0;
    while at < lengths.len() {
        let symbol = short.next(from)?;
        let (length, times) = match symbol {
            0..16 => (symbol as u8, 1),
            16 => (*lengths.get(at.checked_sub(1)?)?, from.take(2)? + 3),
            17 => (0, from.take(3)? + 3),
            _ => (0, from.take(7)? + 11),
        };
        lengths.get_mut(at..at + times as usize)?.fill(length);
        at += times as usize;
    }
    let (of_literals, of_distances) = lengths.split_at(literals);
    Some((HuffmanCodes::new(of_literals)?, HuffmanCodes::new(of_distances)?))
}

/// The symbol of each code.
pub(super) struct HuffmanCodes {
    /// By the next bits, symbol · 16 + length of its code; 0 if the code is longer or does not exist.
    table: [u16; 1 << TABLE_BITS],
    firsts: [u32; MOST_BITS + 1],
    counts: [u32; MOST_BITS + 1],
    /// The symbols that have a code, in order of code.
    symbols: [u16; MOST_SYMBOLS],
}

impl HuffmanCodes {
    /// The codes of these lengths. `None` if they do not fill the code space exactly. There are two exceptions: a
    /// single code of one bit, and no codes at all.
    pub(super) fn new(lengths: &[u8]) -> Option<Self> {
        let (firsts, counts) = first_codes(lengths);
        let mut codes = Self { table: [0; 1 << TABLE_BITS], firsts, counts, symbols: [0; MOST_SYMBOLS] };
        let mut starts = [0_u32; MOST_BITS + 1];
        let mut start = 0;
        for bits in 1..=MOST_BITS {
            if firsts[bits] + counts[bits] > 1 << bits {
                return None;
            }
            starts[bits] = start;
            start += counts[bits];
        }
        if start > counts[1] && firsts[MOST_BITS] + counts[MOST_BITS] < 1 << MOST_BITS {
            return None;
        }
        for (symbol, &length) in (0_u16..).zip(lengths).filter(|(_, length)| **length > 0) {
            let bits = usize::from(length);
            let rank = starts[bits];
            starts[bits] += 1;
            *codes.symbols.get_mut(rank as usize)? = symbol;
            if bits <= TABLE_BITS {
                let before: u32 = counts[1..bits].iter().sum();
                let code = (firsts[bits] + rank - before).reverse_bits() >> (u32::BITS - bits as u32);
                for place in codes.table.iter_mut().skip(code as usize).step_by(1 << bits) {
                    *place = symbol << 4 | u16::from(length);
                }
            }
        }
        Some(codes)
    }

    /// The next symbol.
    #[inline]
    fn next(&self, from: &mut Bits<'_>) -> Option<usize> {
        if from.count < MOST_BITS as u32 {
            from.fill();
        }
        let found = self.table[from.word as usize % (1 << TABLE_BITS)];
        if found != 0 {
            from.skip(u32::from(found % 16))?;
            return Some(usize::from(found / 16));
        }
        self.long(from)
    }

    /// The next symbol, whose code is longer than the table's: bit by bit.
    #[cold]
    fn long(&self, from: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut rank) = (0, 0);
        for bits in 1..=MOST_BITS {
            code = code << 1 | (from.word >> (bits - 1)) as u32 & 1;
            let offset = code.wrapping_sub(self.firsts[bits]);
            if offset < self.counts[bits] {
                from.skip(bits as u32)?;
                return self.symbols.get((rank + offset) as usize).map(|&symbol| usize::from(symbol));
            }
            rank += self.counts[bits];
        }
        None
    }
}

/// A block of literals and matches.
#[inline(never)]
fn coded(
    from: &mut Bits<'_>,
    literals: &HuffmanCodes,
    distances: &HuffmanCodes,
    to: &mut [u8],
    mut at: usize,
) -> Option<usize> {
    loop {
        let symbol = literals.next(from)?;
        let Some(length) = symbol.checked_sub(END + 1) else {
            if symbol == END {
                return Some(at);
            }
            *to.get_mut(at)? = symbol as u8;
            at += 1;
            continue;
        };
        let len = 3 + match length {
            0..8 => length,
            28 => 255,
            8..28 => {
                let extra = length / 4 - 1;
                ((4 + length % 4) << extra) + from.take(extra as u32)? as usize
            }
            _ => return None,
        };
        let far = distances.next(from)?;
        let distance = 1 + match far {
            0..4 => far,
            4..DISTANCES => {
                let extra = far / 2 - 1;
                ((2 + far % 2) << extra) + from.take(extra as u32)? as usize
            }
            _ => return None,
        };
        copy_match(to, at, distance, len)?;
        at += len;
    }
}
