//! One byte a dimension, in two halves: each vector has its own scale, and nothing is trained.
//!
//! A component is stored as `q` in `-127..=127` with `x ~ scale * q`. The upper four bits of all components lie apart from
//! the lower four, because a search waits for memory most of the time: it walks by the upper halves alone, half the
//! cache lines, and looks at both for the few candidates that it ends with. An inner product is an exact integer times
//! two floats, combined in one fixed order, so equal input gives equal graphs, byte for byte, natively and in
//! WebAssembly.
//!
//! Each half is nibbles in whole cache lines (`nibbles.rs`). Beside the halves a slot has its scale and, unless the metric
//! is cosine, the squared length of the decoded vector. Recall by these codes alone ends near 0.993 on 384-dimensional
//! sentence embeddings; the exact rerank lifts it.

use super::nibbles::{Sums, pack, spread, unpack, unpack_upper};
use super::{PointBuffer, Scorer, Space};
use crate::metric::{Kernels, LINE_BYTES, Line, Metric};
use crate::segments::Rows;
use crate::types::{Candidate, Distance, OutOfMemory, Slot};

/// How far off a component is without its lower half, in scales: by up to 8 either way, as a standard deviation.
const UPPER_ERROR: f32 = 4.62;
/// How far off a whole component is by rounding, in scales: by up to a half either way, as a standard deviation.
const HALF_ERROR: f32 = 0.29;
/// Codes of up to so many dimensions are compared whole: one line more is little, and of few dimensions the upper halves
/// tell too little.
const SHORT: usize = 128;

/// The int8 codes of an index.
#[derive(Debug)]
pub(crate) struct Int8Codes {
    metric: Metric,
    kernels: Kernels,
    dimensions: usize,
    /// The same in whole lines of nibbles.
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
    pub(super) fn encode(&mut self, slot: Slot, vector: &[f32], inverse_norm: f64, buffer: &mut PointBuffer) {
        let scale = quantize(vector, inverse_norm, &mut buffer.plain);
        let [upper, lower] = [self.upper.row_mut(slot), self.lower.row_mut(slot)].map(bytemuck::cast_slice_mut);
        pack(&buffer.plain, upper, lower);
        let values = [scale, squared_length(scale, &buffer.plain)];
        let stored = self.scales.row_mut(slot);
        stored.copy_from_slice(&values[..stored.len()]);
    }

    /// Makes room in `buffer`, so that nothing that uses it can fail.
    pub(super) fn prepare(&self, buffer: &mut PointBuffer) -> Result<(), OutOfMemory> {
        for wide in [&mut buffer.plain, &mut buffer.wide] {
            wide.try_reserve(self.padded.saturating_sub(wide.len()))?;
            wide.resize(self.padded, 0);
        }
        Ok(())
    }

    /// The point whose components are in `buffer.plain`.
    #[inline(never)]
    fn around<'a>(&'a self, scale: f32, squared_length: f32, buffer: &'a mut PointBuffer) -> Int8Point<'a> {
        let PointBuffer { plain, wide, .. } = buffer;
        let Sums { all, last } = spread(plain, wide);
        let (base, by_length, by_product) = match self.metric {
            Metric::Cosine => (1.0, 0.0, 1.0),
            Metric::Dot => (0.0, 0.0, 1.0),
            Metric::L2 => (squared_length, 1.0, 2.0),
        };
        Int8Point {
            codes: self,
            wide,
            base,
            by_length,
            by_integer: -0.5 * by_product * scale,
            // Doubled, so that the mean of a lower half, 7.5, is an integer.
            upper_bias: 256 * (last - all) + 15 * all,
            full_bias: 256 * (last - all) + 16 * last,
            by_product,
            scale,
            length: self.length(squared_length),
        }
    }

    /// The length of a vector whose squared length is stored, or is 1 and not stored.
    fn length(&self, squared_length: f32) -> f32 {
        if self.metric == Metric::Cosine { 1.0 } else { squared_length.sqrt() }
    }

    /// Whether a search walks by whole codes.
    #[inline]
    const fn is_short(&self) -> bool {
        self.padded <= SHORT
    }

    /// The scale of a slot and its squared length. Where that is not stored, nothing depends on it.
    #[inline(always)]
    fn scale(&self, slot: Slot) -> (f32, f32) {
        match *self.scales.row(slot) {
            [scale, squared_length] => (scale, squared_length),
            [scale] => (scale, 0.0),
            _ => (0.0, 0.0),
        }
    }
}

/// Adding this and taking it away again rounds a float below 2^22 to the nearest integer, ties to even, in plain
/// arithmetic that a compiler turns into vector instructions everywhere.
const ROUNDING: f32 = 12_582_912.0;

/// Quantizes `vector * inverse_norm` into `plain`, which is as long as a padded row; returns the scale. Plain passes, each
/// of which becomes vector code.
#[inline(never)]
fn quantize(vector: &[f32], inverse_norm: f64, plain: &mut [i16]) -> f32 {
    let mut most = [0f32; 8];
    for group in vector.chunks(8) {
        for (most, &x) in most.iter_mut().zip(group) {
            *most = if x.abs() > *most { x.abs() } else { *most };
        }
    }
    let most = f64::from(most.into_iter().fold(0.0, f32::max));
    let scale = (most * inverse_norm / 127.0) as f32;
    let factor = if most > 0.0 { (127.0 / most) as f32 } else { 0.0 };
    for (q, &x) in plain.iter_mut().zip(vector) {
        // Within the range of a code but for rounding, so neither the sum nor the conversion can lose anything.
        let rounded = (x * factor + ROUNDING) - ROUNDING;
        let rounded = if rounded > 127.0 { 127.0 } else { rounded };
        *q = if rounded < -127.0 { -127.0 } else { rounded } as i16;
    }
    plain[vector.len()..].fill(0);
    scale
}

fn squared_length(scale: f32, plain: &[i16]) -> f32 {
    let squares: i32 = plain.iter().map(|&q| i32::from(q) * i32::from(q)).sum();
    (f64::from(scale) * f64::from(scale) * f64::from(squares)) as f32
}

impl Space for Int8Codes {
    type Point<'a> = Int8Point<'a>;

    fn touch_point(&self, slot: Slot) {
        self.kernels.touch_lines(self.lower.row(slot));
    }

    #[inline(never)]
    fn point<'a>(&'a self, slot: Slot, buffer: &'a mut PointBuffer) -> Int8Point<'a> {
        let [upper, lower] = [self.upper.row(slot), self.lower.row(slot)].map(bytemuck::cast_slice);
        unpack(upper, lower, &mut buffer.plain);
        let (scale, squared_length) = self.scale(slot);
        self.around(scale, squared_length, buffer)
    }

    #[inline(never)]
    fn coarse_point<'a>(&'a self, slot: Slot, buffer: &'a mut PointBuffer) -> Int8Point<'a> {
        if self.is_short() {
            return self.point(slot, buffer);
        }
        unpack_upper(bytemuck::cast_slice(self.upper.row(slot)), &mut buffer.plain);
        // Beyond the last dimension is nothing, and nothing is known exactly.
        buffer.plain[self.dimensions..].fill(0);
        let (scale, squared_length) = self.scale(slot);
        self.around(scale, squared_length, buffer)
    }

    fn query<'a>(
        &'a self,
        vector: &[f32],
        inverse_norm: f64,
        buffer: &'a mut PointBuffer,
    ) -> Result<Int8Point<'a>, OutOfMemory> {
        self.prepare(buffer)?;
        let scale = quantize(vector, inverse_norm, &mut buffer.plain);
        let squared_length = squared_length(scale, &buffer.plain);
        Ok(self.around(scale, squared_length, buffer))
    }

    fn kernels(&self) -> Kernels {
        self.kernels
    }
}

/// Distances from one int8 code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Int8Point<'a> {
    codes: &'a Int8Codes,
    wide: &'a [i16],
    base: f32,
    by_length: f32,
    by_integer: f32,
    upper_bias: i32,
    full_bias: i32,
    by_product: f32,
    scale: f32,
    length: f32,
}

impl Int8Point<'_> {
    /// The distance for twice an inner product of integers.
    #[inline]
    fn combine(&self, doubled: i32, row: Int8Row<'_>) -> Distance {
        // One fixed order of operations: the result must have the same bits on every platform.
        (self.base + self.by_length * row.squared_length) + (self.by_integer * row.scale) * doubled as f32
    }

    /// Apart, because most codes are long, and this would be in the way of theirs.
    #[cold]
    #[inline(never)]
    fn score_whole_rows(&self, rows: [Int8Row<'_>; 4]) -> [Distance; 4] {
        rows.map(|row| self.score_whole(row))
    }

    /// The distance by both halves.
    #[inline(never)]
    fn score_whole(&self, row: Int8Row<'_>) -> Distance {
        let [high, low] = [row.upper, self.codes.lower.row(row.slot)]
            .map(|half| self.codes.kernels.dot_nibbles(self.wide, bytemuck::cast_slice(half)));
        self.combine(32 * high + 2 * low + self.full_bias, row)
    }
}

/// What is read of a code while walking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Int8Row<'a> {
    upper: &'a [Line],
    slot: Slot,
    scale: f32,
    squared_length: f32,
}

impl<'a> Scorer for Int8Point<'a> {
    type Row = Int8Row<'a>;

    #[inline(always)]
    fn row(&self, slot: Slot) -> Int8Row<'a> {
        let (scale, squared_length) = self.codes.scale(slot);
        Int8Row { upper: self.codes.upper.row(slot), slot, scale, squared_length }
    }

    #[inline]
    fn touch(&self, row: Int8Row<'a>) {
        self.codes.kernels.touch_lines(row.upper);
        if self.codes.is_short() {
            self.codes.kernels.touch_lines(self.codes.lower.row(row.slot));
        }
    }

    #[inline]
    fn score_row(&self, row: Int8Row<'a>) -> Distance {
        if self.codes.is_short() {
            return self.score_whole(row);
        }
        self.combine(
            32 * self.codes.kernels.dot_nibbles(self.wide, bytemuck::cast_slice(row.upper)) + self.upper_bias,
            row,
        )
    }

    #[inline(always)]
    fn score_rows(&self, rows: [Int8Row<'a>; 4]) -> [Distance; 4] {
        if self.codes.is_short() {
            return self.score_whole_rows(rows);
        }
        let products = self.codes.kernels.dot_nibbles_x4(self.wide, rows.map(|row| bytemuck::cast_slice(row.upper)));
        [0, 1, 2, 3].map(|i| self.combine(32 * products[i] + self.upper_bias, rows[i]))
    }

    fn error(&self, near: Slot) -> Distance {
        let (scale, _) = self.codes.scale(near);
        let off_by = if self.codes.is_short() { HALF_ERROR } else { UPPER_ERROR };
        self.by_product * off_by * scale * self.length
    }

    fn has_zero(&self) -> bool {
        self.codes.metric != Metric::Dot
    }

    fn refine(&self, candidates: &mut [Candidate]) -> Distance {
        for candidate in &*candidates {
            self.codes.kernels.touch_lines(self.codes.lower.row(candidate.slot));
        }
        let mut most = 0.0;
        for candidate in candidates {
            let row = self.row(candidate.slot);
            candidate.distance = self.score_whole(row);
            let length = self.codes.length(row.squared_length);
            // Both sides are rounded, each by its own scale.
            let (ours, theirs) = (self.scale * length, row.scale * self.length);
            let variance = ours * ours + theirs * theirs;
            most = if variance > most { variance } else { most };
        }
        self.by_product * HALF_ERROR * most.sqrt()
    }
}
