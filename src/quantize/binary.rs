//! One bit per dimension (RaBitQ, arXiv 2405.12497): the signs of the rotated vector, in whole cache lines. No
//! training.
//!
//! A code of 384 dimensions is one line of 64 bytes, so a search waits for a sixth of the memory that int8 codes take.
//! A distance is off by some 4 % of the product of the two lengths at 384 dimensions, and by less the more dimensions
//! there are: a search needs a wider pool, and full vectors to choose from it. Without them (`rerank: false`) recall is
//! poor. Suits embeddings of 256 dimensions or more whose components are around zero.

use super::int8::quantize;
use super::sketch::{self, Facts, Sketch};
use super::space::{are_equal, score_rows};
use super::{Point, Space};
use crate::metric::{Kernels, Line, Metric};
use crate::segments::Rows;
use crate::types::{Candidate, Distance, OutOfMemory, Slot};

/// The binary codes of an index.
#[derive(Debug)]
pub(crate) struct BinaryCodes {
    metric: Metric,
    kernels: Kernels,
    dimensions: usize,
    words: usize,
    rows: Rows<Line>,
}

/// The terms of a distance, other than the estimated inner product.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BinaryTerms {
    base: f32,
    by_length: f32,
    by_product: f32,
    length: f32,
    /// Whether distances are measured from a code, and not from a query.
    is_code: bool,
}

impl BinaryCodes {
    pub(crate) fn new(dimensions: usize, metric: Metric, kernels: Kernels) -> Self {
        let words = sketch::words(dimensions);
        Self { metric, kernels, dimensions, words, rows: Rows::new(sketch::lines(dimensions)) }
    }

    pub(super) const fn rows(&self) -> &Rows<Line> {
        &self.rows
    }

    pub(super) const fn rows_mut(&mut self) -> &mut Rows<Line> {
        &mut self.rows
    }

    /// Writes the code of `vector` into the row of `slot`. `inverse_norm` scales it first; 1 leaves it as it is.
    pub(super) fn encode(&mut self, slot: Slot, vector: &[f32], inverse_norm: f64, point: &mut Point) {
        let scale = quantize(vector, inverse_norm, &mut point.plain);
        sketch::write(&point.plain, scale, &mut point.turning, self.rows.row_mut(slot));
    }

    /// Makes room in `point`, so that nothing that uses it can fail.
    pub(super) fn prepare(&self, point: &mut Point) -> Result<(), OutOfMemory> {
        let padded = self.words * 64;
        point.plain.try_reserve(padded.saturating_sub(point.plain.len()))?;
        point.plain.resize(padded, 0);
        point.turning.prepare(padded)?;
        point.planes.prepare(self.words)
    }

    fn finish(&self, squared_length: f32, is_code: bool, point: &mut Point) {
        let length = if self.metric == Metric::Cosine { 1.0 } else { squared_length.sqrt() };
        point.binary = match self.metric {
            Metric::Cosine => BinaryTerms { base: 1.0, by_length: 0.0, by_product: 1.0, length, is_code },
            Metric::Dot => BinaryTerms { base: 0.0, by_length: 0.0, by_product: 1.0, length, is_code },
            Metric::L2 => BinaryTerms { base: squared_length, by_length: 1.0, by_product: 2.0, length, is_code },
        };
    }

    fn facts(&self, slot: Slot) -> Facts {
        Sketch::new(self.rows.row(slot)).facts(self.words)
    }
}

impl Space for BinaryCodes {
    fn fix(&self, slot: Slot, point: &mut Point) {
        let sketch = Sketch::new(self.rows.row(slot));
        let facts = sketch.facts(self.words);
        point.planes.set_signs(sketch.signs(self.words), facts);
        self.finish(facts.squared_length, true, point);
    }

    fn fix_query(&self, vector: &[f32], inverse_norm: f64, point: &mut Point) -> Result<(), OutOfMemory> {
        self.prepare(point)?;
        let scale = quantize(vector, inverse_norm, &mut point.plain);
        point.planes.set(&point.plain, scale, &mut point.turning);
        let squares: i64 = point.plain.iter().map(|&q| i64::from(q) * i64::from(q)).sum();
        self.finish((f64::from(scale) * f64::from(scale) * squares as f64) as f32, false, point);
        Ok(())
    }

    fn score(&self, point: &Point, slots: &[Slot], distances: &mut [Distance]) {
        let terms = point.binary;
        score_rows(&self.rows, slots, distances, self.kernels, |row| {
            let sum = self.kernels.count_planes(&point.planes.bits, bytemuck::must_cast_slice(row));
            let facts = Sketch::new(row).facts(self.words);
            let product = if terms.is_code {
                let lengths =
                    if self.metric == Metric::Cosine { 1.0 } else { terms.length * facts.squared_length.sqrt() };
                point.planes.between_codes(sum, facts, lengths)
            } else {
                point.planes.estimate(sum, facts)
            };
            // One fixed order of operations: the result must have the same bits on every platform.
            (terms.base + terms.by_length * facts.squared_length) - terms.by_product * product
        });
    }

    fn error(&self, point: &Point, near: Slot) -> Distance {
        let terms = point.binary;
        let length = if self.metric == Metric::Cosine { 1.0 } else { self.facts(near).squared_length.sqrt() };
        terms.by_product * sketch::error(self.dimensions, terms.length * length)
    }

    fn has_zero(&self) -> bool {
        self.metric != Metric::Dot
    }

    /// Leaves the distances as they are: only the full vectors tell more.
    fn refine(&self, point: &Point, candidates: &mut [Candidate]) -> Distance {
        candidates.iter().map(|candidate| self.error(point, candidate.slot)).fold(0.0, f32::max)
    }

    fn are_twins(&self, a: Slot, b: Slot) -> bool {
        are_equal(&self.rows, a, b)
    }

    fn kernels(&self) -> Kernels {
        self.kernels
    }
}
