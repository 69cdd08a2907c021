//! Bytes in two halves, as [`Kernels::dot_nibbles_x4`](crate::metric::Kernels::dot_nibbles_x4) multiplies them.
//!
//! The upper four bits of all components lie apart from the lower four. Either half is nibbles in blocks of 64
//! components: 32 bytes, or sixteen little-endian words. Word `j` holds components `j`, `j + 16`, `j + 32` and `j + 48`
//! from its lowest bits to its highest. An upper half `q >> 4` is stored as `(q >> 4) + 8`, and the highest bit of
//! every word is flipped. So an arithmetic shift of a word right by 12 bits gives its last nibble minus 8, and the
//! words shifted by 0, 4, 8 and 12 bits differ by one nibble each. For numbers `p` and nibbles `u`, both in four groups
//! as above,
//!
//! ```text
//! sum of p u  =  p0 w + (p1 - 16 p0) (w >> 4) + (p2 - 16 p1) (w >> 8) + (p3 - 16 p2) (w >> 12) + 8 p3
//! ```
//!
//! which takes no instructions to mask nibbles or to widen bytes.

/// Components in a block.
pub(super) const BLOCK: usize = 64;
/// Words of a block of either half.
const WORDS: usize = BLOCK / 4;
/// The most blocks whose numbers can be summed, place by place, in sixteen bits: four numbers of up to 127 from each.
const MOST_BLOCKS: usize = 64;
/// Flips the highest bit of a word.
const TURN: u16 = 1 << 15;

/// Writes whole blocks of components, -127 to 127, as two halves.
pub(super) fn split(components: &[i16], upper: &mut [u8], lower: &mut [u8]) {
    let blocks = components.as_chunks::<BLOCK>().0;
    let halves = words_mut(upper).zip(words_mut(lower));
    for (block, (upper, lower)) in blocks.iter().zip(halves) {
        for j in 0..WORDS {
            let (mut high, mut low) = (TURN, TURN);
            for i in 0..4 {
                let q = block[WORDS * i + j];
                high ^= (((q >> 4) + 8).cast_unsigned() & 15) << (4 * i);
                low ^= (q & 15).cast_unsigned() << (4 * i);
            }
            upper[j] = high.to_le_bytes();
            lower[j] = low.to_le_bytes();
        }
    }
}

/// Writes the components of two halves. Each caller has a copy of its own, by a number: the package's files share no
/// code that is this short (`pkg/build/split.mjs`).
pub(super) fn join<const COPY: usize>(upper: &[u8], lower: &[u8], components: &mut [i16]) {
    let blocks = components.as_chunks_mut::<BLOCK>().0;
    for (block, (upper, lower)) in blocks.iter_mut().zip(words(upper).zip(words(lower))) {
        // A quarter of the block at a time, so that a loop over words is a few vector instructions.
        for (i, quarter) in block.as_chunks_mut::<WORDS>().0.iter_mut().enumerate() {
            for ((q, upper), lower) in quarter.iter_mut().zip(upper).zip(lower) {
                let [high, low] = [upper, lower].map(|word| ((u16::from_le_bytes(*word) ^ TURN) >> (4 * i)) & 15);
                *q = (16 * high + low).cast_signed() - 128;
            }
        }
    }
}

/// Writes the components as far as an upper half alone gives them: the middle of the range that each lies in.
pub(super) fn join_upper(upper: &[u8], components: &mut [i16]) {
    let blocks = components.as_chunks_mut::<BLOCK>().0;
    for (block, upper) in blocks.iter_mut().zip(words(upper)) {
        // All quarters of a word at once: a quarter at a time, as above, does not become vector instructions here.
        let [first, second, third, fourth] = block.as_chunks_mut::<WORDS>().0 else { continue };
        for j in 0..WORDS {
            let word = u16::from_le_bytes(upper[j]) ^ TURN;
            first[j] = ((word << 4) & 240).cast_signed() - 120;
            second[j] = (word & 240).cast_signed() - 120;
            third[j] = ((word >> 4) & 240).cast_signed() - 120;
            fourth[j] = ((word >> 8) & 240).cast_signed() - 120;
        }
    }
}

/// Sums that are needed to correct a product with nibbles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    /// The sum of all numbers.
    pub(super) all: i32,
    /// The sum of the numbers in the last quarter of each block.
    pub(super) last: i32,
}

/// Writes the factors that shifted words are multiplied with, for the inner product of `numbers` with nibbles.
pub(super) fn spread(numbers: &[i16], factors: &mut [i16]) -> Sums {
    let mut sums = Sums { all: 0, last: 0 };
    for (numbers, factors) in numbers.chunks(MOST_BLOCKS * BLOCK).zip(factors.chunks_mut(MOST_BLOCKS * BLOCK)) {
        // Sum place by place, and add up at the end: within a block, that would take as long as everything else.
        let (mut all, mut last) = ([0i16; WORDS], [0i16; WORDS]);
        for (p, factors) in numbers.as_chunks::<BLOCK>().0.iter().zip(factors.as_chunks_mut::<BLOCK>().0) {
            for j in 0..WORDS {
                let [p0, p1, p2, p3] = [0, 1, 2, 3].map(|i| p[WORDS * i + j]);
                factors[j] = p0;
                factors[WORDS + j] = p1 - 16 * p0;
                factors[2 * WORDS + j] = p2 - 16 * p1;
                factors[3 * WORDS + j] = p3 - 16 * p2;
                all[j] += (p0 + p1) + (p2 + p3);
                last[j] += p3;
            }
        }
        sums.all += all.into_iter().map(i32::from).sum::<i32>();
        sums.last += last.into_iter().map(i32::from).sum::<i32>();
    }
    sums
}

fn words(half: &[u8]) -> impl Iterator<Item = &[[u8; 2]; WORDS]> {
    half.as_chunks::<2>().0.as_chunks::<WORDS>().0.iter()
}

fn words_mut(half: &mut [u8]) -> impl Iterator<Item = &mut [[u8; 2]; WORDS]> {
    half.as_chunks_mut::<2>().0.as_chunks_mut::<WORDS>().0.iter_mut()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::metric::Kernels;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn halves_are_put_together_again(components in prop::collection::vec(-127i16..=127, 3 * BLOCK)) {
            let (mut upper, mut lower) = (vec![0; 96], vec![0; 96]);
            split(&components, &mut upper, &mut lower);
            let mut again = vec![0; 3 * BLOCK];
            join::<0>(&upper, &lower, &mut again);
            prop_assert_eq!(&again, &components);
            join_upper(&upper, &mut again);
            prop_assert!(again.iter().zip(&components).all(|(again, q)| (again - 8..again + 8).contains(q)));
        }

        /// The identity above, for both halves, with every kernel.
        #[test]
        fn products_with_halves_are_exact(
            numbers in prop::collection::vec(-127i16..=127, 2 * BLOCK),
            components in prop::collection::vec(-127i16..=127, 2 * BLOCK),
        ) {
            let (mut upper, mut lower) = (vec![0; 64], vec![0; 64]);
            split(&components, &mut upper, &mut lower);
            let mut factors = vec![0; 2 * BLOCK];
            let sums = spread(&numbers, &mut factors);
            let exact = |half: fn(i16) -> i16| -> i32 {
                numbers.iter().zip(&components).map(|(&p, &q)| i32::from(p) * i32::from(half(q))).sum()
            };
            for kernels in Kernels::available() {
                let [high, low] =
                    [&upper, &lower].map(|half| kernels.dot_nibbles_x4(&factors, [half; 4])[0] + 8 * sums.last);
                prop_assert_eq!(high - 8 * sums.all, exact(|q| q >> 4));
                prop_assert_eq!(low, exact(|q| q & 15));
            }
        }
    }
}
