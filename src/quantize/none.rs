//! No quantization: the code is the vector as it was given, in f32, followed by the reciprocal of its length.
//!
//! The vector is then held once, here, and the record beside it carries the payload only. Float sums are taken in a
//! different order by each instruction set, so the graph is a function of the input on one platform, not across them.

use super::{PointBuffer, Scorer, Space};
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

    /// The stored vector, as it was given.
    pub(super) fn vector(&self, slot: Slot) -> &[f32] {
        &self.rows.row(slot)[..self.dimensions]
    }

    fn around<'a>(&'a self, vector: &'a [f32], inverse_norm: f32) -> F32Point<'a> {
        F32Point { codes: self, vector, inverse_norm }
    }
}

impl Space for F32Codes {
    type Point<'a> = F32Point<'a>;

    fn point<'a>(&'a self, slot: Slot, _: &'a mut PointBuffer) -> F32Point<'a> {
        let row = self.rows.row(slot);
        self.around(&row[..self.dimensions], row[self.dimensions])
    }

    fn query<'a>(
        &'a self,
        vector: &[f32],
        inverse_norm: f64,
        buffer: &'a mut PointBuffer,
    ) -> Result<F32Point<'a>, OutOfMemory> {
        buffer.full.clear();
        buffer.full.try_reserve(vector.len())?;
        buffer.full.extend_from_slice(vector);
        Ok(self.around(&buffer.full, inverse_norm as f32))
    }

    fn kernels(&self) -> Kernels {
        self.kernels
    }
}

/// Distances from one f32 vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct F32Point<'a> {
    codes: &'a F32Codes,
    vector: &'a [f32],
    inverse_norm: f32,
}

impl<'a> Scorer for F32Point<'a> {
    type Row = &'a [f32];

    #[inline]
    fn row(&self, slot: Slot) -> &'a [f32] {
        self.codes.rows.row(slot)
    }

    #[inline]
    fn touch(&self, row: &'a [f32]) {
        self.codes.kernels.touch(bytemuck::cast_slice(row));
    }

    fn error(&self, _: Slot) -> Distance {
        0.0
    }

    fn has_zero(&self) -> bool {
        self.codes.metric != Metric::Dot
    }

    #[inline]
    fn score_row(&self, row: &'a [f32]) -> Distance {
        let (vector, norm) = row.split_at(self.vector.len());
        match self.codes.metric {
            Metric::Cosine => 1.0 - self.codes.kernels.dot_f32(self.vector, vector) * (self.inverse_norm * norm[0]),
            Metric::L2 => self.codes.kernels.l2_f32(self.vector, vector),
            Metric::Dot => -self.codes.kernels.dot_f32(self.vector, vector),
        }
    }

    #[inline]
    fn score_rows(&self, rows: [&'a [f32]; 4]) -> [Distance; 4] {
        let rows = rows.map(|row| row.split_at(self.vector.len()));
        let vectors = rows.map(|(vector, _)| vector);
        match self.codes.metric {
            Metric::Cosine => {
                let products = self.codes.kernels.dot_f32x4(self.vector, vectors);
                [0, 1, 2, 3].map(|i| 1.0 - products[i] * (self.inverse_norm * rows[i].1[0]))
            }
            Metric::L2 => self.codes.kernels.l2_f32x4(self.vector, vectors),
            Metric::Dot => self.codes.kernels.dot_f32x4(self.vector, vectors).map(|product| -product),
        }
    }
}
