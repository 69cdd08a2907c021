//! One bit a dimension: the signs of a rotated vector (RaBitQ, arXiv 2405.12497), and how far a query is from them.
//!
//! A vector `o` is rotated, and `s` are the signs of the result. The inner product with a query `q`, rotated alike, is
//! estimated without bias by
//!
//! ```text
//! <o, q>  ~  |o|^2 / sum |o_i|  *  sum s_i q_i
//! ```
//!
//! whose error has a standard deviation of about `0.75 / sqrt(n)` times the product of the two lengths. The first
//! factor is stored with the signs. Of two stored codes only signs are left: their inner product is estimated from the
//! angle that the share of differing signs implies. A query's components are rounded to 16 steps and laid out in four
//! planes of bits, so that the sum is 24 bit counts for 384 dimensions; the error of this rounding is far smaller than
//! that of the signs.
//!
//! A sketch fills whole cache lines: at 384 dimensions one, of which 48 bytes are signs. It is computed from integers
//! in a fixed order, so that equal input gives equal bytes on every platform.

use super::rotate::{BLOCK, rotate};
use crate::metric::{LINE_BYTES, Line};

/// Floats behind the signs: see [`Facts`].
const FLOATS: usize = 4;
/// The standard deviation of an estimate, relative to both lengths, times the square root of the dimensions.
const SIGN_ERROR: f32 = 0.76;
/// The number of steps that a query's components are rounded to, less one.
const STEPS: f32 = 15.0;

/// Words of signs for `dimensions` dimensions.
pub(super) const fn words(dimensions: usize) -> usize {
    dimensions.div_ceil(BLOCK)
}

/// Lines of a sketch of `dimensions` dimensions.
pub(super) const fn lines(dimensions: usize) -> usize {
    (8 * words(dimensions) + 4 * FLOATS).div_ceil(LINE_BYTES)
}

/// The numbers stored behind the signs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Facts {
    /// The first factor of the estimate.
    pub(super) factor: f32,
    /// How many signs are positive.
    pub(super) ones: f32,
    /// The squared length of the vector.
    pub(super) squared_length: f32,
}

/// A sketch as it is read.
#[derive(Clone, Copy)]
pub(super) struct Sketch<'a>(&'a [Line]);

impl<'a> Sketch<'a> {
    pub(super) const fn new(row: &'a [Line]) -> Self {
        Self(row)
    }

    /// The facts behind `words` words of signs.
    #[inline]
    pub(super) fn facts(self, words: usize) -> Facts {
        let floats: &[f32] = bytemuck::must_cast_slice(self.0);
        match floats.get(2 * words..2 * words + FLOATS) {
            Some(&[factor, ones, squared_length, _]) => Facts { factor, ones, squared_length },
            _ => Facts::default(),
        }
    }

    /// The signs, 64 in each word.
    pub(super) fn signs(self, words: usize) -> &'a [u64] {
        &bytemuck::must_cast_slice(self.0)[..words]
    }
}

/// Writes the sketch of `scale * plain`, whose components are up to 127 either way, and zero beyond the last dimension.
#[inline(never)]
pub(super) fn write(plain: &[i16], scale: f32, scratch: &mut Scratch, row: &mut [Line]) {
    scratch.turn(plain);
    row.fill(Line::ZERO);
    let words = plain.len() / BLOCK;
    let (mut sum, mut ones) = (0i64, 0u32);
    let stored: &mut [u64] = bytemuck::must_cast_slice_mut(row);
    for (word, block) in stored.iter_mut().zip(scratch.turned.as_chunks::<BLOCK>().0) {
        for (at, &x) in block.iter().enumerate() {
            *word |= u64::from(x >= 0) << at;
            sum += i64::from(x.abs());
        }
        ones += word.count_ones();
    }
    let squares: i64 = plain.iter().map(|&q| i64::from(q) * i64::from(q)).sum();
    let factor = if sum > 0 { f64::from(scale) * (squares as f64 / sum as f64) } else { 0.0 };
    let squared_length = f64::from(scale) * f64::from(scale) * squares as f64;
    let floats: &mut [f32] = bytemuck::must_cast_slice_mut(row);
    let facts = [factor as f32, ones as f32, squared_length as f32, 0.0];
    for (float, fact) in floats[2 * words..].iter_mut().zip(facts) {
        *float = fact;
    }
}

/// Buffers that vectors are rotated in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    turned: Vec<i32>,
    spare: Vec<i32>,
}

impl Scratch {
    /// Makes room for `padded` components, a whole number of blocks.
    pub(super) fn prepare(&mut self, padded: usize) -> Result<(), crate::types::OutOfMemory> {
        for numbers in [&mut self.turned, &mut self.spare] {
            numbers.try_reserve(padded.saturating_sub(numbers.len()))?;
            numbers.resize(padded, 0);
        }
        Ok(())
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        (self.turned.capacity() + self.spare.capacity()) * size_of::<i32>()
    }

    fn turn(&mut self, plain: &[i16]) {
        for (turned, &x) in self.turned.iter_mut().zip(plain) {
            *turned = i32::from(x);
        }
        rotate(&mut self.turned, &mut self.spare);
    }
}

/// A query in the form that sketches are compared with: four planes of bits, and how to interpret their sum.
#[derive(Debug, Default)]
pub(super) struct Planes {
    /// Bit `j` of every component, for each word of signs.
    pub(super) bits: Vec<[u64; 4]>,
    /// The sum over the signs is `by_sum * sum + by_ones * ones + constant`.
    by_sum: f32,
    by_ones: f32,
    constant: f32,
}

impl Planes {
    /// Makes room for `words` words of signs.
    pub(super) fn prepare(&mut self, words: usize) -> Result<(), crate::types::OutOfMemory> {
        self.bits.try_reserve(words.saturating_sub(self.bits.len()))?;
        self.bits.resize(words, [0; 4]);
        Ok(())
    }

    /// Sets the query `scale * plain`.
    #[inline(never)]
    pub(super) fn set(&mut self, plain: &[i16], scale: f32, scratch: &mut Scratch) {
        scratch.turn(plain);
        let turned = &scratch.turned;
        let (mut least, mut most) = (i32::MAX, i32::MIN);
        for &x in turned {
            (least, most) = (least.min(x), most.max(x));
        }
        // Integers far below 2^24: only the quotient and the products are rounded, in the same way on every platform.
        let range = (most - least).max(1) as f32;
        let inverse = STEPS / range;
        let mut sum = 0;
        for (planes, block) in self.bits.iter_mut().zip(turned.as_chunks::<BLOCK>().0) {
            let mut bits = [0u64; 4];
            for (at, &x) in block.iter().enumerate() {
                let step = ((x - least) as f32 * inverse + 0.5) as u32;
                sum += step;
                for (plane, bits) in bits.iter_mut().enumerate() {
                    *bits |= u64::from(step >> plane & 1) << at;
                }
            }
            *planes = bits;
        }
        // With components x = least + step * u and signs of 1 and -1: twice the positive part, less the whole.
        let step = range / STEPS;
        self.by_sum = scale * (2.0 * step);
        self.by_ones = scale * (2.0 * least as f32);
        self.constant = -scale * (least as f32 * turned.len() as f32 + step * sum as f32);
    }

    /// Sets the signs of a sketch, which are all that is left of its vector.
    pub(super) fn set_signs(&mut self, signs: &[u64], facts: Facts) {
        for (planes, &word) in self.bits.iter_mut().zip(signs) {
            *planes = [word, 0, 0, 0];
        }
        // Signs agree where both are positive or neither is. The agreement is twice the share of such places, less one.
        let share = 1.0 / (BLOCK * signs.len()) as f32;
        self.by_sum = 4.0 * share;
        self.by_ones = -2.0 * share;
        self.constant = 1.0 - 2.0 * share * facts.ones;
    }

    /// The inner product with the vector of [`Planes::set_signs`]; `lengths` is the product of both lengths. Two
    /// directions agree in a share of all signs, which falls from 1 to 0 in proportion to the angle between them.
    #[inline]
    pub(super) fn between_codes(&self, sum: u32, facts: Facts, lengths: f32) -> f32 {
        let agreement = self.by_sum * sum as f32 + (self.by_ones * facts.ones + self.constant);
        lengths * sine_of_quarters(agreement)
    }

    /// The estimate of an inner product from the sum over the planes.
    #[inline]
    pub(super) fn estimate(&self, sum: u32, facts: Facts) -> f32 {
        facts.factor * (self.by_sum * sum as f32 + (self.by_ones * facts.ones + self.constant))
    }
}

/// The sine of `part` quarter turns, -1 to 1, to some .0002, in a fixed order of operations, unlike any library's.
#[inline]
fn sine_of_quarters(part: f32) -> f32 {
    let x = core::f32::consts::FRAC_PI_2 * part;
    let square = x * x;
    x * (1.0 - square * (1.0 / 6.0 - square * (1.0 / 120.0 - square * (1.0 / 5040.0))))
}

/// The standard deviation of the error of an estimate; `lengths` is the product of both lengths.
pub(super) fn error(dimensions: usize, lengths: f32) -> f32 {
    SIGN_ERROR / (dimensions as f32).sqrt() * lengths
}

#[cfg(test)]
mod tests {
    use super::super::int8::quantize;
    use super::*;

    /// Components that are about normally distributed, from a seed.
    fn vector(len: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..len).map(|_| (0..6).map(|_| uniform()).sum()).collect()
    }

    fn product(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    /// The error of an estimate of the inner product of two vectors, relative to the product of both lengths.
    fn off_by(a: &[f32], b: &[f32], is_query: bool) -> f64 {
        let words = words(a.len());
        let padded = words * BLOCK;
        let (mut scratch, mut planes, mut plain) = (Scratch::default(), Planes::default(), vec![0; padded]);
        scratch.prepare(padded).unwrap();
        planes.prepare(words).unwrap();
        let rows = [a, b].map(|vector| {
            let scale = quantize(vector, 1.0, &mut plain);
            let mut row = vec![Line::ZERO; lines(vector.len())];
            write(&plain, scale, &mut scratch, &mut row);
            row
        });
        if is_query {
            let scale = quantize(a, 1.0, &mut plain);
            planes.set(&plain, scale, &mut scratch);
        } else {
            let sketch = Sketch::new(&rows[0]);
            planes.set_signs(sketch.signs(words), sketch.facts(words));
        }
        let sketch = Sketch::new(&rows[1]);
        let ones = sketch.signs(words).iter().map(|word| word.count_ones()).sum::<u32>();
        let facts = sketch.facts(words);
        assert_eq!(facts.ones, ones as f32);
        let squares = product(b, b);
        assert!((f64::from(facts.squared_length) - squares).abs() < 0.01 * squares);
        let counts = |planes: &[u64; 4], word: &u64| (0..4).map(|i| (planes[i] & word).count_ones() << i).sum::<u32>();
        let sum = planes.bits.iter().zip(sketch.signs(words)).map(|(planes, word)| counts(planes, word)).sum();
        let lengths = (product(a, a) * squares).sqrt();
        let estimate =
            if is_query { planes.estimate(sum, facts) } else { planes.between_codes(sum, facts, lengths as f32) };
        (f64::from(estimate) - product(a, b)) / lengths
    }

    /// Unbiased, and off by as much as [`error`] says, for vectors that have little or much in common.
    #[test]
    fn estimates_are_unbiased_and_their_error_is_known() {
        for len in [60, 128, 384, 1536] {
            for nearness in [0.0, 0.5, 0.9] {
                let offs: Vec<f64> = (0..400)
                    .map(|seed| {
                        let (a, other) = (vector(len, 2 * seed + 1), vector(len, 2 * seed + 2));
                        let b: Vec<f32> =
                            a.iter().zip(&other).map(|(a, b)| nearness * a + (1.0 - nearness) * b).collect();
                        off_by(&a, &b, true)
                    })
                    .collect();
                let count = offs.len() as f64;
                let mean = offs.iter().sum::<f64>() / count;
                let deviation = (offs.iter().map(|off| off * off).sum::<f64>() / count).sqrt();
                let stated = f64::from(error(len, 1.0));
                assert!(mean.abs() < 0.2 * stated, "{len} {nearness}: on average {mean}, {stated} as the deviation");
                assert!(deviation < 1.1 * stated, "{len} {nearness}: {deviation}, stated {stated}");
            }
        }
    }

    /// A stored code has only signs left, so its error is larger than a query's, but at most twice as large, and
    /// unbiased, however near the two are. It is zero where they are the same.
    #[test]
    fn codes_are_compared_with_one_another() {
        for nearness in [0.0, 0.5, 0.7, 0.9] {
            let offs: Vec<f64> = (0..400)
                .map(|seed| {
                    let (a, other) = (vector(384, 2 * seed + 1), vector(384, 2 * seed + 2));
                    let b: Vec<f32> =
                        a.iter().zip(&other).map(|(a, b)| 1.5 * (nearness * a + (1.0 - nearness) * b)).collect();
                    off_by(&a, &b, false)
                })
                .collect();
            let mean = offs.iter().sum::<f64>() / offs.len() as f64;
            let deviation = (offs.iter().map(|off| off * off).sum::<f64>() / offs.len() as f64).sqrt();
            let stated = f64::from(error(384, 1.0));
            assert!(mean.abs() < 0.2 * stated, "{nearness}: on average {mean}");
            assert!(deviation < 2.0 * stated, "{nearness}: {deviation}");
        }
        let same = vector(384, 1);
        assert!(off_by(&same, &same, false).abs() < 0.001);
        assert!((sine_of_quarters(0.5) - core::f32::consts::FRAC_1_SQRT_2).abs() < 0.0002);
        assert!((sine_of_quarters(-1.0) + 1.0).abs() < 0.0002);
    }

    #[test]
    fn a_vector_of_zeros_is_as_far_from_all() {
        assert_eq!(words(384), 6);
        assert_eq!(lines(384), 1);
        let (mut scratch, mut row) = (Scratch::default(), vec![Line::ZERO; 1]);
        scratch.prepare(384).unwrap();
        write(&[0; 384], 0.0, &mut scratch, &mut row);
        let facts = Sketch::new(&row).facts(6);
        assert_eq!((facts.factor, facts.squared_length), (0.0, 0.0));
        let mut planes = Planes::default();
        planes.prepare(6).unwrap();
        planes.set(&[0; 384], 0.0, &mut scratch);
        assert_eq!(planes.estimate(123, facts), 0.0);
    }
}
