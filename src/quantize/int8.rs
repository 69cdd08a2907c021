//! One byte per dimension, in two halves. Each vector has its own scale; there is no training.
//!
//! A component is stored as `q` in `-127..=127` with `x ~ scale * q`. The upper four bits of all components lie apart
//! from the lower four, because a search waits for memory most of the time: it walks by the upper halves alone, which
//! are half the cache lines, and reads both for the few candidates that it ends with. An inner product is an exact
//! integer times two floats, combined in one fixed order, so equal input gives equal graphs, byte for byte, natively
//! and in WebAssembly.
//!
//! Each half is nibbles in whole cache lines (`nibbles.rs`). Beside the halves a slot has its scale and, unless the
//! metric is cosine, the squared length of the decoded vector. Recall by these codes alone ends near 0.993 on
//! 384-dimensional sentence embeddings; the exact rerank lifts it.

use super::block::{Block, BlockSpace, CODES_TOGETHER, Side, hashed, pair_of};
use super::nibbles::{Sums, join, join_upper, split, spread};
use super::space::are_equal;
use super::{Point, Space};
use crate::metric::{BURST, Gathered, Kernels, LINE_BYTES, Line, Metric};
use crate::segments::Rows;
use crate::types::{Candidate, Distance, OutOfMemory, Slot};

/// The standard deviation of the error of a component without its lower half (up to 8 either way), in scales.
const UPPER_ERROR: f32 = 4.62;
/// The standard deviation of the rounding error of a whole component (up to a half either way), in scales.
const HALF_ERROR: f32 = 0.29;
/// Codes of up to this many dimensions are compared whole: one more line costs little, and the upper halves of few
/// dimensions tell too little.
const MOST_WHOLE_DIMENSIONS: usize = 128;
/// How many codes ahead the lines of a code are prefetched where many are packed.
const AHEAD: usize = 4;

/// The int8 codes of an index.
#[derive(Debug)]
pub(crate) struct Int8Codes {
    metric: Metric,
    kernels: Kernels,
    dimensions: usize,
    /// Dimensions, rounded up to whole lines of nibbles.
    padded: usize,
    upper: Rows<Line>,
    lower: Rows<Line>,
    /// The scale, and unless the metric is cosine the squared length.
    scales: Rows<f32>,
}

impl Int8Codes {
    pub(crate) fn new(dimensions: usize, metric: Metric, kernels: Kernels) -> Self {
        let padded = dimensions.next_multiple_of(2 * LINE_BYTES);
        let lines = padded / 2 / LINE_BYTES;
        let scales = if metric == Metric::Cosine { 1 } else { 2 };
        Self {
            metric,
            kernels,
            dimensions,
            padded,
            upper: Rows::new(lines),
            lower: Rows::new(lines),
            scales: Rows::new(scales),
        }
    }

    /// The stored arrays: upper halves, lower halves, scales.
    pub(super) const fn arrays(&self) -> ([&Rows<Line>; 2], &Rows<f32>) {
        ([&self.upper, &self.lower], &self.scales)
    }

    /// The stored arrays, for writing.
    pub(super) const fn arrays_mut(&mut self) -> ([&mut Rows<Line>; 2], &mut Rows<f32>) {
        ([&mut self.upper, &mut self.lower], &mut self.scales)
    }

    /// Writes the code of `vector` into the rows of `slot`. `inverse_norm` scales it first; 1 leaves it as it is.
    #[inline(never)]
    pub(super) fn encode(&mut self, slot: Slot, vector: &[f32], inverse_norm: f64, point: &mut Point) {
        let scale = quantize(vector, inverse_norm, &mut point.plain);
        let [upper, lower] = [self.upper.row_mut(slot), self.lower.row_mut(slot)].map(bytemuck::must_cast_slice_mut);
        split(&point.plain, upper, lower);
        let values = [scale, squared_length(scale, &point.plain)];
        let stored = self.scales.row_mut(slot);
        stored.copy_from_slice(&values[..stored.len()]);
    }

    /// Makes room in `point`, so that nothing that uses it can fail.
    pub(super) fn prepare(&self, point: &mut Point) -> Result<(), OutOfMemory> {
        for numbers in [&mut point.plain, &mut point.wide] {
            numbers.try_reserve(self.padded.saturating_sub(numbers.len()))?;
            numbers.resize(self.padded, 0);
        }
        Ok(())
    }

    /// Completes a point whose components are in its `plain`.
    ///
    /// A component `q` of a code is `16 (u - 8) + l`, of an upper half `u` and a lower half `l`. For halves `h` and the
    /// components `p` of the point, a kernel returns `S(h) = sum p h - 8 last` (`nibbles.rs`). So the doubled product,
    /// where `all` is the sum of `p`, is
    ///
    /// ```text
    /// 2 sum p q = 32 sum p u - 256 all + 2 sum p l = 32 S(u) + 2 S(l) + 256 (last - all) + 16 last
    ///          ~= 32 S(u)                                            + 256 (last - all) + 15 all      if l is 7.5
    /// ```
    #[inline(never)]
    fn finish(&self, scale: f32, squared_length: f32, point: &mut Point) {
        let Sums { all, last } = spread(&point.plain, &mut point.wide);
        let (base, by_length, by_product) = match self.metric {
            Metric::Cosine => (1.0, 0.0, 1.0),
            Metric::Dot => (0.0, 0.0, 1.0),
            Metric::L2 => (squared_length, 1.0, 2.0),
        };
        point.terms = Int8Terms {
            base,
            by_length,
            by_integer: -0.5 * by_product * scale,
            // Of the doubled product, so that twice the mean of a lower half, 7.5, is an integer.
            upper_bias: 256 * (last - all) + 15 * all,
            full_bias: 256 * (last - all) + 16 * last,
            by_product,
            scale,
            length: self.length(squared_length),
        };
    }

    /// The length of a vector whose squared length is stored, or is 1 and not stored.
    fn length(&self, squared_length: f32) -> f32 {
        if self.metric == Metric::Cosine { 1.0 } else { squared_length.sqrt() }
    }

    /// The codes as a bulk build compares them. Short ones it does not: packed, they tell too little.
    pub(super) fn block_space(&self) -> Option<&dyn BlockSpace> {
        if self.is_short() { None } else { Some(self) }
    }

    /// Returns whether a search walks by whole codes.
    #[inline]
    pub(super) const fn is_short(&self) -> bool {
        self.padded <= MOST_WHOLE_DIMENSIONS
    }

    /// The scale of a slot and its squared length, which is 0 if it is not stored: nothing depends on it then.
    #[inline(always)]
    fn scale(&self, slot: Slot) -> [f32; 2] {
        pair(self.scales.row(slot))
    }

    /// Distances to up to [`BURST`] codes, by their upper halves and `lower`, the inner products with the lower ones,
    /// or by the upper halves alone if `lower` is empty.
    #[inline(never)]
    fn score_burst(&self, point: &Point, slots: &[Slot], lower: &[i32], distances: &mut [Distance]) {
        let terms = point.terms;
        let bias = if lower.is_empty() { terms.upper_bias } else { terms.full_bias };
        let (mut upper, mut scales) = (Gathered::new(self.upper.stride()), Gathered::new(self.scales.stride()));
        upper.gather(slots.iter().map(|&slot| self.upper.row(slot)));
        scales.gather(slots.iter().map(|&slot| self.scales.row(slot)));
        upper.touch(self.kernels);
        scales.touch_firsts(self.kernels);
        for (group, distances) in distances[..slots.len()].chunks_mut(4).enumerate() {
            let sums = self.kernels.dot_nibbles_x4(&point.wide, upper.four(4 * group).map(bytemuck::must_cast_slice));
            let scales = scales.four(4 * group);
            for (i, ((distance, sum), scale)) in distances.iter_mut().zip(sums).zip(scales).enumerate() {
                let [scale, squared_length] = pair(scale);
                let doubled = 32 * sum + 2 * lower.get(4 * group + i).copied().unwrap_or(0) + bias;
                // One fixed order of operations: the result must have the same bits on every platform.
                *distance =
                    (terms.base + terms.by_length * squared_length) + (terms.by_integer * scale) * doubled as f32;
            }
        }
    }

    /// Distances to up to [`BURST`] codes, by both halves.
    #[inline(never)]
    fn score_whole(&self, point: &Point, slots: &[Slot], distances: &mut [Distance]) {
        let mut products = [0; BURST];
        let mut lower = Gathered::new(self.lower.stride());
        lower.gather(slots.iter().map(|&slot| self.lower.row(slot)));
        lower.touch(self.kernels);
        for (group, products) in products.chunks_exact_mut(4).enumerate().take(slots.len().div_ceil(4)) {
            let four = lower.four(4 * group).map(bytemuck::must_cast_slice);
            products.copy_from_slice(&self.kernels.dot_nibbles_x4(&point.wide, four));
        }
        self.score_burst(point, slots, &products, distances);
    }
}

/// A scale, and a squared length, where it is stored.
#[inline(always)]
const fn pair(stored: &[f32]) -> [f32; 2] {
    match *stored {
        [scale, squared_length] => [scale, squared_length],
        [scale] => [scale, 0.0],
        _ => [0.0; 2],
    }
}

/// Adding this to a float of magnitude below 2^22 rounds it to the nearest integer (ties to even): the integer is the
/// sum's bits minus this constant's bits. Unlike a float-to-int conversion, it vectorizes on every target.
const ROUNDING: f32 = 12_582_912.0;

/// Quantizes `vector * inverse_norm` into `plain`, which is as long as a padded row; returns the scale. Simple passes,
/// each of which becomes vector code.
#[inline(never)]
pub(super) fn quantize(vector: &[f32], inverse_norm: f64, plain: &mut [i16]) -> f32 {
    let mut most = [0f32; 8];
    for group in vector.chunks(8) {
        for (most, &x) in most.iter_mut().zip(group) {
            *most = if x.abs() > *most { x.abs() } else { *most };
        }
    }
    let most = f64::from(most.into_iter().fold(0.0, f32::max));
    // At least 127 / `f32::MAX`, even for the shortest vectors: an infinite factor would turn zeros into NaN.
    let longest = most.max(127.0 / f64::from(f32::MAX));
    let (scale, factor) =
        if most > 0.0 { ((longest * inverse_norm / 127.0) as f32, (127.0 / longest) as f32) } else { (0.0, 0.0) };
    for (q, &x) in plain.iter_mut().zip(vector) {
        // Within the range of a code up to rounding, so the sum's last bits are the integer.
        let rounded = (x * factor + ROUNDING).to_bits().wrapping_sub(ROUNDING.to_bits()).cast_signed();
        *q = rounded.clamp(-127, 127) as i16;
    }
    plain[vector.len()..].fill(0);
    scale
}

fn squared_length(scale: f32, plain: &[i16]) -> f32 {
    let squares: i32 = plain.iter().map(|&q| i32::from(q) * i32::from(q)).sum();
    (f64::from(scale) * f64::from(scale) * f64::from(squares)) as f32
}

/// How far apart the fifteen steps are to which components are rounded when many codes are compared with many.
const STEP: i16 = 17;
const STEP_SQUARED: f32 = (STEP * STEP) as f32;

/// Rounds components to steps, -7 to 7, and packs them in pairs, as
/// [`Kernels::dot_pairs_x4`](crate::metric::Kernels::dot_pairs_x4) multiplies them.
fn pack_pairs(plain: &[i16], words: &mut [i16], side: Side) {
    // The nearest step without a division: 241 / 4096 is 1 / 17 to within a thousandth, and no product leaves an i16.
    let step = |q: i16| (q * 241 + 2048) >> 12;
    let (first, second) = plain.split_at(words.len());
    let (low, high) = if side == Side::Few { (second, first) } else { (first, second) };
    for ((word, &low), &high) in words.iter_mut().zip(low).zip(high) {
        *word = pair_of(step(low), step(high));
    }
}

impl Space for Int8Codes {
    fn touch_point(&self, slot: Slot) {
        self.kernels.touch_lines(self.lower.row(slot));
    }

    #[inline(never)]
    fn fix(&self, slot: Slot, point: &mut Point) {
        let [upper, lower] = [self.upper.row(slot), self.lower.row(slot)].map(bytemuck::must_cast_slice);
        join::<0>(upper, lower, &mut point.plain);
        let [scale, squared_length] = self.scale(slot);
        self.finish(scale, squared_length, point);
    }

    #[inline(never)]
    fn fix_coarse(&self, slot: Slot, point: &mut Point) {
        if self.is_short() {
            return self.fix(slot, point);
        }
        join_upper(bytemuck::must_cast_slice(self.upper.row(slot)), &mut point.plain);
        // Padding components are exactly zero, not the middle of a range.
        point.plain[self.dimensions..].fill(0);
        let [scale, squared_length] = self.scale(slot);
        self.finish(scale, squared_length, point);
    }

    fn fix_query(&self, vector: &[f32], inverse_norm: f64, point: &mut Point) -> Result<(), OutOfMemory> {
        self.prepare(point)?;
        let scale = quantize(vector, inverse_norm, &mut point.plain);
        self.finish(scale, squared_length(scale, &point.plain), point);
        Ok(())
    }

    fn score(&self, point: &Point, slots: &[Slot], distances: &mut [Distance]) {
        for (slots, distances) in slots.chunks(BURST).zip(distances.chunks_mut(BURST)) {
            if self.is_short() {
                self.score_whole(point, slots, distances);
            } else {
                self.score_burst(point, slots, &[], distances);
            }
        }
    }

    fn error(&self, point: &Point, near: Slot) -> Distance {
        let [scale, _] = self.scale(near);
        let off_by = if self.is_short() { HALF_ERROR } else { UPPER_ERROR };
        point.terms.by_product * off_by * scale * point.terms.length
    }

    fn has_zero(&self) -> bool {
        self.metric != Metric::Dot
    }

    fn refine(&self, point: &Point, candidates: &mut [Candidate]) -> Distance {
        let mut most = 0.0f64;
        for candidates in candidates.chunks_mut(BURST) {
            let (mut slots, mut distances) = ([Slot(0); BURST], [0.0; BURST]);
            for (slot, candidate) in slots.iter_mut().zip(&*candidates) {
                *slot = candidate.slot;
            }
            self.score_whole(point, &slots[..candidates.len()], &mut distances);
            for (candidate, distance) in candidates.iter_mut().zip(distances) {
                candidate.distance = distance;
                let [scale, squared_length] = self.scale(candidate.slot);
                // Both sides are rounded, each by its own scale. As `f32` the squares for short vectors would be 0.
                let (ours, theirs) = (point.terms.scale * self.length(squared_length), scale * point.terms.length);
                let [ours, theirs] = [ours, theirs].map(f64::from);
                let variance = ours * ours + theirs * theirs;
                most = if variance > most { variance } else { most };
            }
        }
        point.terms.by_product * HALF_ERROR * most.sqrt() as f32
    }

    fn are_twins(&self, a: Slot, b: Slot) -> bool {
        are_equal(&self.scales, a, b)
            && are_equal(&self.upper, a, b)
            && (!self.is_short() || are_equal(&self.lower, a, b))
    }

    fn kernels(&self) -> Kernels {
        self.kernels
    }
}

impl BlockSpace for Int8Codes {
    fn fingerprint(&self, slot: Slot) -> u64 {
        hashed(&self.scales, slot, hashed(&self.upper, slot, 0))
    }

    fn pack(&self, block: &mut Block, side: Side) -> Result<(), OutOfMemory> {
        let Block { slots, words, scales, plain } = block;
        let len = self.padded / 2;
        words.try_reserve(slots.len() * len)?;
        words.resize(slots.len() * len, 0);
        scales.clear();
        scales.try_reserve(slots.len())?;
        plain.try_reserve(self.padded.saturating_sub(plain.len()))?;
        plain.resize(self.padded, 0);
        for (at, (&slot, words)) in slots.iter().zip(words.chunks_exact_mut(len)).enumerate() {
            if Kernels::PREFETCHES
                && let Some(&ahead) = slots.get(at + AHEAD)
            {
                self.kernels.prefetch(self.upper.row(ahead));
                self.kernels.prefetch(self.lower.row(ahead));
            }
            let [upper, lower] = [self.upper.row(slot), self.lower.row(slot)].map(bytemuck::must_cast_slice);
            join::<1>(upper, lower, plain);
            pack_pairs(plain, words, side);
            scales.push(self.scale(slot));
        }
        Ok(())
    }

    #[inline(never)]
    fn score_packed(&self, few: &Block, many: &Block, from: usize, distances: &mut [[Distance; CODES_TOGETHER]]) {
        let len = self.padded / 2;
        let last = few.slots.len().min(CODES_TOGETHER).saturating_sub(1);
        let turned = [0, 1, 2, 3].map(|at: usize| &few.words[at.min(last) * len..][..len]);
        let ours = [0, 1, 2, 3].map(|at: usize| few.scales[at.min(last)]);
        let is_l2 = self.metric == Metric::L2;
        let base = if self.metric == Metric::Cosine { 1.0 } else { 0.0 };
        let by_product = if is_l2 { -2.0 * STEP_SQUARED } else { -STEP_SQUARED };
        let rows = many.words[from * len..].chunks(2 * len);
        let scales = many.scales[from..].chunks(2);
        for ((rows, scales), distances) in rows.zip(scales).zip(distances.chunks_mut(2)) {
            let (row, next) = rows.split_at(len);
            let sums = self.kernels.dot_pairs_x4(turned, [row, if next.is_empty() { row } else { next }]);
            for ((distances, sums), &[scale, length]) in distances.iter_mut().zip(sums).zip(scales) {
                for i in 0..CODES_TOGETHER {
                    let [our_scale, our_length] = ours[i];
                    let lengths = if is_l2 { our_length + length } else { base };
                    distances[i] = lengths + (our_scale * scale) * (by_product * sums[i] as f32);
                }
            }
        }
    }
}

/// The terms of a fixed point's distances, other than its integers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Int8Terms {
    base: f32,
    by_length: f32,
    by_integer: f32,
    upper_bias: i32,
    full_bias: i32,
    by_product: f32,
    scale: f32,
    length: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where 127 divided by the longest component is beyond every f32, zeros still become zeros.
    #[test]
    fn the_shortest_vectors_have_codes() {
        for least in [1e-38, 3e-37, f32::MIN_POSITIVE, 1e-45] {
            let mut plain = [1; 4];
            let scale = quantize(&[0.0, least, -least], 1.0, &mut plain);
            assert_eq!([plain[0], plain[1] + plain[2], plain[3]], [0; 3], "{least}");
            let off_by = (f32::from(plain[1]) * scale - least).abs();
            assert!(off_by <= 0.6 * scale && scale.is_finite(), "{least}: {plain:?} {scale}");
        }
    }

    /// Up to 128 dimensions scores read whole codes; beyond that, the scores of a walk read upper halves.
    #[test]
    fn twins_are_equal_in_all_that_scores_read() {
        for (dimensions, are_twins) in [(MOST_WHOLE_DIMENSIONS, false), (MOST_WHOLE_DIMENSIONS + 1, true)] {
            let mut codes = Int8Codes::new(dimensions, Metric::L2, Kernels::detect());
            let mut point = Point::default();
            codes.prepare(&mut point).unwrap();
            let ([upper, lower], scales) = codes.arrays_mut();
            for rows in [upper, lower] {
                rows.reserve(2).unwrap();
                rows.resize(2, Line::ZERO);
            }
            scales.reserve(2).unwrap();
            scales.resize(2, 0.0);
            let mut vector = vec![0.0; dimensions];
            vector[..3].copy_from_slice(&[127.0, 1.0, 2.0]);
            codes.encode(Slot(0), &vector, 1.0, &mut point);
            vector.swap(1, 2);
            codes.encode(Slot(1), &vector, 1.0, &mut point);
            assert_eq!(codes.are_twins(Slot(0), Slot(1)), are_twins, "{dimensions} dimensions");
        }
    }
}
