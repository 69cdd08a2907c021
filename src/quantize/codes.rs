//! The codes of an index behind one enum. Hot loops take the variant out once, with [`with_space`].

use super::{F32Codes, Int8Codes, PointBuffer};
use crate::metric::{Kernels, Metric};
use crate::types::{OutOfMemory, Slot};

/// How the codes that search walks over are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quantization {
    /// f32: 4 bytes a dimension and 4 a vector. Needs no rerank.
    None,
    /// 1 byte a dimension and 16 a vector; reranked from the full vectors. No training. Suits embeddings of any metric.
    Int8,
}

impl Quantization {
    /// The name used in options and in error messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Int8 => "int8",
        }
    }
}

/// The codes of an index.
#[derive(Debug)]
pub(crate) enum Codes {
    None(F32Codes),
    Int8(Int8Codes),
}

/// Runs `$body` with `$space` bound to the concrete codes, so that it is compiled for each of them.
macro_rules! with_space {
    ($codes:expr, $space:ident => $body:expr) => {
        match $codes {
            $crate::quantize::Codes::None($space) => $body,
            $crate::quantize::Codes::Int8($space) => $body,
        }
    };
}
pub(crate) use with_space;

impl Codes {
    pub(crate) fn new(quantization: Quantization, dimensions: usize, metric: Metric) -> Self {
        let kernels = Kernels::detect();
        match quantization {
            Quantization::None => Self::None(F32Codes::new(dimensions, metric, kernels)),
            Quantization::Int8 => Self::Int8(Int8Codes::new(dimensions, metric, kernels)),
        }
    }

    pub(crate) const fn quantization(&self) -> Quantization {
        match self {
            Self::None(_) => Quantization::None,
            Self::Int8(_) => Quantization::Int8,
        }
    }

    /// The number of rows, those of free slots included.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::None(codes) => codes.rows().len(),
            Self::Int8(codes) => codes.rows().len(),
        }
    }

    /// Makes room for rows up to `len`.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        match self {
            Self::None(codes) => codes.rows_mut().reserve(len),
            Self::Int8(codes) => codes.reserve(len),
        }
    }

    /// Sets the number of rows; growing needs a [`Codes::reserve`] before it, and new rows are zero.
    pub(crate) fn resize(&mut self, len: usize) {
        match self {
            Self::None(codes) => codes.rows_mut().resize(len, 0.0),
            Self::Int8(codes) => codes.rows_mut().resize(len, 0),
        }
    }

    /// Writes the code of `vector`; `inverse_norm` is the reciprocal of its length under cosine, else 1.
    pub(crate) fn encode(&mut self, slot: Slot, vector: &[f32], inverse_norm: f64) {
        match self {
            Self::None(codes) => codes.encode(slot, vector, inverse_norm),
            Self::Int8(codes) => codes.encode(slot, vector, inverse_norm),
        }
    }

    /// Copies the code of one slot to another.
    pub(crate) fn copy(&mut self, from: Slot, to: Slot) {
        fn copy_row<T: Copy>(rows: &mut crate::segments::Rows<T>, from: Slot, to: Slot) {
            for i in 0..rows.stride() {
                let value = rows.row(from)[i];
                rows.row_mut(to)[i] = value;
            }
        }
        match self {
            Self::None(codes) => copy_row(codes.rows_mut(), from, to),
            Self::Int8(codes) => copy_row(codes.rows_mut(), from, to),
        }
    }

    /// Overwrites the code of a slot that has become free with zeros.
    pub(crate) fn erase(&mut self, slot: Slot) {
        match self {
            Self::None(codes) => codes.rows_mut().row_mut(slot).fill(0.0),
            Self::Int8(codes) => codes.rows_mut().row_mut(slot).fill(0),
        }
    }

    /// The full vector, where the code is the vector.
    pub(crate) fn vector(&self, slot: Slot) -> Option<&[f32]> {
        match self {
            Self::None(codes) => Some(codes.vector(slot)),
            Self::Int8(_) => None,
        }
    }

    /// Makes room in `buffer` for the fixed point of a scorer.
    pub(crate) fn prepare(&self, buffer: &mut PointBuffer) -> Result<(), OutOfMemory> {
        match self {
            Self::None(_) => Ok(()),
            Self::Int8(codes) => codes.prepare(buffer),
        }
    }

    /// Bytes of one row.
    pub(crate) fn row_bytes(&self) -> usize {
        match self {
            Self::None(codes) => codes.rows().stride() * size_of::<f32>(),
            Self::Int8(codes) => codes.rows().stride(),
        }
    }

    /// The name of the instruction set that the distances are computed with.
    pub(crate) fn simd(&self) -> &'static str {
        with_space!(self, codes => super::Space::kernels(codes).simd())
    }

    /// Bytes held, spare capacity included.
    pub(crate) fn resident_bytes(&self) -> usize {
        match self {
            Self::None(codes) => codes.rows().resident_bytes(),
            Self::Int8(codes) => codes.rows().resident_bytes(),
        }
    }

    /// The rows as stored bytes, segment by segment. Host order is little-endian on every platform that is built for.
    pub(crate) fn each_segment<E>(&self, mut put: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::None(codes) => codes.rows().segments().try_for_each(|rows| put(bytemuck::cast_slice(rows))),
            Self::Int8(codes) => codes.rows().segments().try_for_each(put),
        }
    }

    /// The rows as bytes to be filled from a store, segment by segment.
    pub(crate) fn each_segment_mut<E>(&mut self, mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::None(codes) => {
                codes.rows_mut().segments_mut().try_for_each(|rows| fill(bytemuck::cast_slice_mut(rows)))
            }
            Self::Int8(codes) => codes.rows_mut().segments_mut().try_for_each(fill),
        }
    }
}
