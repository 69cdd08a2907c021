//! No quantization: the code is the vector as it was given, in f32, followed by the reciprocal of its length.
//!
//! The vector is then held once, here, and the record beside it carries the payload only. Float sums are taken in a
//! different order by each instruction set, so the graph is a function of the input on one platform, not across them.

use super::space::are_equal;
use super::{Point, Space};
use crate::metric::{Kernels, Metric};
use crate::segments::Rows;
use crate::types::{Distance, OutOfMemory, Slot};

/// The uncompressed codes of an index.
#[derive(Debug)]
pub(crate) struct F32Codes {
    dimensions: usize,
    metric: Metric,
    kernels: Kernels,
    rows: Rows<f32>,
}

impl F32Codes {
    pub(crate) fn new(dimensions: usize, metric: Metric, kernels: Kernels) -> Self {
        Self { dimensions, metric, kernels, rows: Rows::new(dimensions + 1) }
    }

    pub(super) const fn rows(&self) -> &Rows<f32> {
        &self.rows
    }

    pub(super) const fn rows_mut(&mut self) -> &mut Rows<f32> {
        &mut self.rows
    }

    /// Writes `vector` into the row of `slot`.
    pub(super) fn encode(&mut self, slot: Slot, vector: &[f32], inverse_norm: f64) {
        let (components, norm) = self.rows.row_mut(slot).split_at_mut(self.dimensions);
        components.copy_from_slice(vector);
        norm[0] = inverse_norm as f32;
    }

    /// Makes room in `point`, so that nothing that uses it can fail.
    pub(super) fn prepare(&self, point: &mut Point) -> Result<(), OutOfMemory> {
        point.full.try_reserve(self.dimensions.saturating_sub(point.full.len()))?;
        point.full.resize(self.dimensions, 0.0);
        Ok(())
    }

    /// The stored vector, and what to multiply it by where vectors are compared by direction.
    pub(super) fn scaled(&self, slot: Slot, normalizes: bool) -> (&[f32], f32) {
        let (vector, norm) = self.rows.row(slot).split_at(self.dimensions);
        (vector, if normalizes { norm[0] } else { 1.0 })
    }

    /// The stored vector, as it was given.
    pub(super) fn vector(&self, slot: Slot) -> &[f32] {
        &self.rows.row(slot)[..self.dimensions]
    }
}

impl Space for F32Codes {
    fn fix(&self, slot: Slot, point: &mut Point) {
        let (vector, norm) = self.rows.row(slot).split_at(self.dimensions);
        point.full.copy_from_slice(vector);
        point.inverse_norm = norm[0];
    }

    fn fix_query(&self, vector: &[f32], inverse_norm: f64, point: &mut Point) -> Result<(), OutOfMemory> {
        self.prepare(point)?;
        point.full.copy_from_slice(vector);
        point.inverse_norm = inverse_norm as f32;
        Ok(())
    }

    fn score(&self, point: &Point, slots: &[Slot], distances: &mut [Distance]) {
        for &slot in slots {
            self.kernels.touch(bytemuck::must_cast_slice(self.rows.row(slot)));
        }
        for (slots, distances) in slots.chunks(4).zip(distances.chunks_mut(4)) {
            // The last group may have fewer than four: its first slot stands in for the missing ones.
            let four = [0, 1, 2, 3].map(|i| slots.get(i).unwrap_or(&slots[0]));
            let rows = four.map(|&slot| self.rows.row(slot).split_at(self.dimensions));
            let vectors = rows.map(|(vector, _)| vector);
            let four = match self.metric {
                Metric::Cosine => {
                    let products = self.kernels.dot_f32x4(&point.full, vectors);
                    [0, 1, 2, 3].map(|i| 1.0 - products[i] * (point.inverse_norm * rows[i].1[0]))
                }
                Metric::L2 => self.kernels.l2_f32x4(&point.full, vectors),
                Metric::Dot => self.kernels.dot_f32x4(&point.full, vectors).map(|product| -product),
            };
            distances.copy_from_slice(&four[..distances.len()]);
        }
    }

    fn error(&self, _: &Point, _: Slot) -> Distance {
        0.0
    }

    fn has_zero(&self) -> bool {
        self.metric != Metric::Dot
    }

    fn are_twins(&self, a: Slot, b: Slot) -> bool {
        are_equal(&self.rows, a, b)
    }

    fn kernels(&self) -> Kernels {
        self.kernels
    }
}
