//! One byte per few dimensions, naming one of 256 centroids ([`Codebook`]), which are chosen from the first vectors.
//!
//! Until there are enough vectors and the choice is made, the codes are the vectors themselves, in f32: the graph is
//! built on exact distances meanwhile, so nothing has to be built again. Distances from a query are looked up in tables
//! of what each centroid adds (asymmetric distances, section 3.1 of the paper), and distances from a code are computed
//! from the centroids that it names (symmetric ones).

use super::codebook::{CENTROIDS, Codebook, bytes, lines, subspaces};
use super::space::{are_equal, score_rows};
use super::train::Training;
use super::{F32Codes, Point, Space};
use crate::metric::{Kernels, Line, Metric, coded, looked_up};
use crate::segments::{Array, Rows};
use crate::slot_set::SlotSet;
use crate::types::{Distance, OutOfMemory, Slot};

/// Vectors that are encoded in one step.
const ENCODED_A_STEP: usize = 16;
/// The standard deviation of a distance, as a multiple of what it would be if residuals pointed in random directions:
/// measured.
const RESIDUAL_ERROR: f32 = 1.25;
/// The standard deviation of the error of rounding to an integer: the square root of 1/12.
const ROUNDING: f32 = 0.288_675_13;

/// The state before there is a codebook.
#[derive(Debug)]
struct Untrained {
    /// The codes until then: the vectors themselves.
    staged: F32Codes,
    training: Option<Training>,
    /// The result of the training.
    codebook: Codebook,
    /// How many slots have been encoded with it, in [`ProductCodes::rows`].
    coded: usize,
}

/// The product codes of an index.
#[derive(Debug)]
pub(crate) struct ProductCodes {
    metric: Metric,
    kernels: Kernels,
    dimensions: usize,
    untrained: Option<Box<Untrained>>,
    codebook: Codebook,
    rows: Rows<Line>,
}

/// The terms of a distance, other than the sum over the subspaces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProductTerms {
    is_query: bool,
    base: f32,
    /// What 1 in a sum of integers is worth, in distances from a code.
    unit: f32,
    length: f32,
}

impl ProductCodes {
    pub(crate) fn new(dimensions: usize, metric: Metric, kernels: Kernels) -> Self {
        let staged = F32Codes::new(dimensions, metric, kernels);
        let untrained = Some(Box::new(Untrained { staged, training: None, codebook: Codebook::default(), coded: 0 }));
        let rows = Rows::new(lines(dimensions));
        Self { metric, kernels, dimensions, untrained, codebook: Codebook::default(), rows }
    }

    pub(super) const fn is_trained(&self) -> bool {
        self.untrained.is_none()
    }

    pub(super) fn space(&self) -> &dyn Space {
        self.untrained.as_ref().map_or(self, |untrained| &untrained.staged)
    }

    /// The codes, or the vectors in their place while there is no codebook.
    pub(super) fn rows(&self) -> &dyn Array {
        self.untrained.as_ref().map_or(&self.rows, |untrained| untrained.staged.rows())
    }

    pub(super) fn rows_mut(&mut self) -> &mut dyn Array {
        match &mut self.untrained {
            Some(untrained) => untrained.staged.rows_mut(),
            None => &mut self.rows,
        }
    }

    pub(super) const fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    pub(super) const fn codebook_mut(&mut self) -> &mut Codebook {
        &mut self.codebook
    }

    /// Writes the code of `vector` into the row of `slot`. `inverse_norm` scales it first; 1 leaves it as it is.
    pub(super) fn encode(&mut self, slot: Slot, vector: &[f32], inverse_norm: f64) {
        match &mut self.untrained {
            Some(untrained) => untrained.staged.encode(slot, vector, inverse_norm),
            None => self.codebook.encode(
                vector,
                inverse_norm as f32,
                bytemuck::must_cast_slice_mut(self.rows.row_mut(slot)),
            ),
        }
    }

    /// Notes that the vector of a slot has changed: this slot and those behind it have to be encoded again.
    pub(super) fn note(&mut self, slot: Slot) {
        if let Some(untrained) = &mut self.untrained {
            untrained.coded = slot.index().min(untrained.coded);
        }
    }

    /// Forgets the codebook when there is no slot left, because a stored index without slots has none when it is
    /// opened.
    pub(super) fn emptied(&mut self) {
        if self.is_trained() && self.rows.len() == 0 {
            *self = Self::new(self.dimensions, self.metric, self.kernels);
        }
    }

    /// Makes room in `point`, so that nothing that uses it can fail, except making it a query.
    pub(super) fn prepare(&self, point: &mut Point) -> Result<(), OutOfMemory> {
        if let Some(untrained) = &self.untrained {
            untrained.staged.prepare(point)?;
        }
        let parts = subspaces(self.dimensions);
        point.parts.try_reserve(parts.saturating_sub(point.parts.len()))?;
        point.parts.resize(parts, [0; 8]);
        Ok(())
    }

    /// Bytes held besides the array that is stored.
    pub(super) fn bytes_beside(&self) -> usize {
        let codebook = self.codebook.resident_bytes();
        self.untrained.as_ref().map_or(codebook, |untrained| {
            let training = untrained.training.as_ref().map_or(0, Training::resident_bytes);
            training + untrained.codebook.resident_bytes() + self.rows.resident_bytes()
        })
    }

    /// Makes room for a codebook that will be filled from stored bytes, while there is no code.
    pub(super) fn expect_codebook(&mut self) -> Result<(), OutOfMemory> {
        self.codebook = Codebook::new(self.dimensions)?;
        self.untrained = None;
        Ok(())
    }

    pub(super) fn is_possible(&self) -> bool {
        self.codebook.is_possible()
    }

    /// Does one step of the training, or of encoding all slots, which follows it. Returns true while there is more to
    /// do.
    pub(super) fn train_step(&mut self, live: &SlotSet) -> Result<bool, OutOfMemory> {
        let Some(untrained) = &mut self.untrained else { return Ok(false) };
        let Untrained { staged, training, codebook, coded } = &mut **untrained;
        let normalizes = self.metric == Metric::Cosine;
        if let Some(running) = training {
            if let Some(made) = running.step() {
                (*training, *codebook) = (None, made);
            }
            return Ok(true);
        }
        if codebook.as_bytes().is_empty() {
            let mut slots = Vec::new();
            slots.try_reserve_exact(live.iter().count())?;
            slots.extend(live.iter());
            if slots.is_empty() {
                return Ok(false);
            }
            let vector = |at: usize| staged.scaled(slots[at], normalizes);
            // Under dot, searches find long vectors, so fewer of these may be cut off.
            let part = if self.metric == Metric::Dot { 256 } else { 16 };
            *training = Some(Training::begin(self.dimensions, slots.len(), part, &vector)?);
            return Ok(true);
        }
        let len = staged.rows().len();
        self.rows.reserve(len)?;
        self.rows.resize(len, Line::ZERO);
        let end = len.min(*coded + ENCODED_A_STEP);
        for slot in (*coded..end).map(|slot| Slot(slot as u32)) {
            let (vector, factor) = staged.scaled(slot, normalizes);
            codebook.encode(vector, factor, bytemuck::must_cast_slice_mut(self.rows.row_mut(slot)));
        }
        *coded = end;
        if end < len {
            return Ok(true);
        }
        self.codebook = core::mem::take(codebook);
        self.untrained = None;
        Ok(false)
    }

    /// About how many more calls of [`ProductCodes::train_step`] it takes until every slot has its code.
    pub(super) fn training_steps(&self) -> usize {
        self.untrained.as_ref().map_or(0, |untrained| {
            let rows = untrained.staged.rows().len().saturating_sub(untrained.coded);
            let all = if untrained.codebook.as_bytes().is_empty() { Training::steps(self.dimensions) } else { 0 };
            rows / ENCODED_A_STEP + untrained.training.as_ref().map_or(all, Training::steps_left)
        })
    }

    fn finish(&self, squared_length: f32, is_query: bool, point: &mut Point) {
        let scale = self.codebook.scale() * self.codebook.scale();
        let length = if self.metric == Metric::Cosine { 1.0 } else { squared_length.sqrt() };
        let (base, unit) = match self.metric {
            Metric::Cosine => (1.0, -scale),
            Metric::Dot => (0.0, -scale),
            Metric::L2 => (if is_query { squared_length } else { 0.0 }, scale),
        };
        point.product = ProductTerms { is_query, base, unit, length };
    }
}

impl Drop for Untrained {
    fn drop(&mut self) {
        self.staged.rows_mut().wipe();
    }
}

impl Drop for ProductCodes {
    fn drop(&mut self) {
        self.rows.wipe();
    }
}

impl Space for ProductCodes {
    fn fix(&self, slot: Slot, point: &mut Point) {
        let code: &[u8] = bytemuck::must_cast_slice(self.rows.row(slot));
        for ((part, centroids), &at) in point.parts.iter_mut().zip(self.codebook.centroids()).zip(code) {
            *part = centroids[usize::from(at)];
        }
        self.finish(0.0, false, point);
    }

    fn fix_query(&self, vector: &[f32], inverse_norm: f64, point: &mut Point) -> Result<(), OutOfMemory> {
        let tables = subspaces(self.dimensions);
        point.table.try_reserve(tables.saturating_sub(point.table.len()))?;
        point.table.resize(tables, [0.0; CENTROIDS]);
        let (factor, squared_length) = match self.metric {
            Metric::Cosine => (inverse_norm as f32, 1.0),
            Metric::L2 | Metric::Dot => (1.0, vector.iter().map(|x| x * x).sum()),
        };
        let by = if self.metric == Metric::L2 { [-2.0, 1.0] } else { [-1.0, 0.0] };
        self.codebook.tabulate(vector, factor, by, &mut point.table);
        self.finish(squared_length, true, point);
        Ok(())
    }

    fn score(&self, point: &Point, slots: &[Slot], distances: &mut [Distance]) {
        let ProductTerms { is_query, base, unit, .. } = point.product;
        let centroids = self.codebook.centroids();
        score_rows(&self.rows, slots, distances, self.kernels, |row| {
            let code = bytemuck::must_cast_slice(row);
            // One fixed order of operations: the result must have the same bits on every platform.
            base + if is_query {
                looked_up(&point.table, code)
            } else if self.metric == Metric::L2 {
                unit * coded::<true>(&point.parts, centroids, code) as f32
            } else {
                unit * coded::<false>(&point.parts, centroids, code) as f32
            }
        });
    }

    fn error(&self, point: &Point, _: Slot) -> Distance {
        let by_product = if self.metric == Metric::L2 { 2.0 } else { 1.0 };
        // Per component: the residual of the integers, and at most what rounding to integers loses.
        let residual = self.codebook.residual() / (self.dimensions as f32).sqrt() + ROUNDING * self.codebook.scale();
        by_product * RESIDUAL_ERROR * point.product.length * residual
    }

    fn has_zero(&self) -> bool {
        self.metric != Metric::Dot
    }

    /// Leaves the distances as they are: only the full vectors tell more.
    fn refine(&self, point: &Point, _: &mut [crate::types::Candidate]) -> Distance {
        self.error(point, Slot(0))
    }

    fn are_twins(&self, a: Slot, b: Slot) -> bool {
        are_equal(&self.rows, a, b)
    }

    fn kernels(&self) -> Kernels {
        self.kernels
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    /// A codebook whose sample was all zeros once rounded has no residual.
    #[test]
    fn rounding_is_part_of_the_error() {
        let mut codes = ProductCodes::new(6, Metric::L2, Kernels::detect());
        codes.expect_codebook().unwrap();
        codes.codebook_mut().set_facts(2.0, 0.0);
        let mut point = Point::default();
        codes.prepare(&mut point).unwrap();
        codes.fix_query(&[3.0, 4.0, 0.0, 0.0, 0.0, 0.0], 1.0, &mut point).unwrap();
        let expected = 2.0 * RESIDUAL_ERROR * 5.0 * (2.0 / 12f32.sqrt());
        assert!((codes.error(&point, Slot(0)) - expected).abs() < 1e-4 * expected);
    }
}

const _: () = assert!(bytes(1) == 64 + 64 * 4096);
