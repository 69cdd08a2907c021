//! The codes of an index behind one enum, as they are kept and stored; the graph sees them as a [`Space`].

use super::{BinaryCodes, F32Codes, Int8Codes, Point, Space};
use crate::metric::{Kernels, LINE_BYTES, Line, Metric};
use crate::segments::{Changes, Rows};
use crate::types::{OutOfMemory, Slot};

/// How the codes that search walks over are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quantization {
    /// f32: 4 bytes a dimension and 4 a vector. Needs no rerank.
    None,
    /// 1 byte a dimension, in two halves of whole cache lines, and 4 or 8 a vector; reranked from the full vectors. No
    /// training. Suits embeddings of any metric whose components are around zero.
    Int8,
    /// 1 bit a dimension and 16 bytes a vector, in whole cache lines: 64 bytes at 384 dimensions. No training. Needs full vectors, and a wider
    /// search, for the recall of int8. Suits embeddings of 256 dimensions or more whose components are around zero.
    Binary,
}

impl Quantization {
    /// The name used in options and in error messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Int8 => "int8",
            Self::Binary => "binary",
        }
    }
}

/// The codes of an index.
#[derive(Debug)]
pub(crate) enum Codes {
    None(F32Codes),
    Int8(Int8Codes),
    Binary(BinaryCodes),
}

impl Codes {
    /// How many arrays are stored; of some there is nothing.
    pub(crate) const ARRAYS: usize = 3;

    pub(crate) fn new(quantization: Quantization, dimensions: usize, metric: Metric) -> Self {
        let kernels = Kernels::detect();
        match quantization {
            Quantization::None => Self::None(F32Codes::new(dimensions, metric, kernels)),
            Quantization::Int8 => Self::Int8(Int8Codes::new(dimensions, metric, kernels)),
            Quantization::Binary => Self::Binary(BinaryCodes::new(dimensions, metric, kernels)),
        }
    }

    pub(crate) const fn quantization(&self) -> Quantization {
        match self {
            Self::None(_) => Quantization::None,
            Self::Int8(_) => Quantization::Int8,
            Self::Binary(_) => Quantization::Binary,
        }
    }

    /// What the graph sees of them.
    pub(crate) fn space(&self) -> &dyn Space {
        match self {
            Self::None(codes) => codes,
            Self::Int8(codes) => codes,
            Self::Binary(codes) => codes,
        }
    }

    /// The number of rows, those of free slots included.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::None(codes) => codes.rows().len(),
            Self::Int8(codes) => codes.arrays().1.len(),
            Self::Binary(codes) => codes.rows().len(),
        }
    }

    /// Makes room for rows up to `len`.
    #[inline(never)]
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        match self {
            Self::None(codes) => codes.rows_mut().reserve(len),
            Self::Binary(codes) => codes.rows_mut().reserve(len),
            Self::Int8(codes) => {
                let (halves, scales) = codes.arrays_mut();
                for half in halves {
                    half.reserve(len)?;
                }
                scales.reserve(len)
            }
        }
    }

    /// Sets the number of rows; growing needs a [`Codes::reserve`] before it, and new rows are zero.
    #[inline(never)]
    pub(crate) fn resize(&mut self, len: usize) {
        match self {
            Self::None(codes) => codes.rows_mut().resize(len, 0.0),
            Self::Binary(codes) => codes.rows_mut().resize(len, Line::ZERO),
            Self::Int8(codes) => {
                let (halves, scales) = codes.arrays_mut();
                for half in halves {
                    half.resize(len, Line::ZERO);
                }
                scales.resize(len, 0.0);
            }
        }
    }

    /// Writes the code of `vector`; `inverse_norm` is the reciprocal of its length under cosine, else 1. The `buffer` is one
    /// that [`Codes::prepare`] has made ready.
    pub(crate) fn encode(&mut self, slot: Slot, vector: &[f32], inverse_norm: f64, buffer: &mut Point) {
        match self {
            Self::None(codes) => codes.encode(slot, vector, inverse_norm),
            Self::Int8(codes) => codes.encode(slot, vector, inverse_norm, buffer),
            Self::Binary(codes) => codes.encode(slot, vector, inverse_norm, buffer),
        }
    }

    /// Copies the code of one slot to another.
    #[inline(never)]
    pub(crate) fn copy(&mut self, from: Slot, to: Slot) {
        fn copy_row<T: bytemuck::Pod>(rows: &mut Rows<T>, from: Slot, to: Slot) {
            for i in 0..rows.stride() {
                let value = rows.row(from)[i];
                rows.row_mut(to)[i] = value;
            }
        }
        match self {
            Self::None(codes) => copy_row(codes.rows_mut(), from, to),
            Self::Binary(codes) => copy_row(codes.rows_mut(), from, to),
            Self::Int8(codes) => {
                let (halves, scales) = codes.arrays_mut();
                for half in halves {
                    copy_row(half, from, to);
                }
                copy_row(scales, from, to);
            }
        }
    }

    /// Overwrites the code of a slot that has become free with zeros.
    #[inline(never)]
    pub(crate) fn erase(&mut self, slot: Slot) {
        match self {
            Self::None(codes) => codes.rows_mut().row_mut(slot).fill(0.0),
            Self::Binary(codes) => codes.rows_mut().row_mut(slot).fill(Line::ZERO),
            Self::Int8(codes) => {
                let (halves, scales) = codes.arrays_mut();
                for half in halves {
                    half.row_mut(slot).fill(Line::ZERO);
                }
                scales.row_mut(slot).fill(0.0);
            }
        }
    }

    /// The full vector, where the code is the vector.
    pub(crate) fn vector(&self, slot: Slot) -> Option<&[f32]> {
        match self {
            Self::None(codes) => Some(codes.vector(slot)),
            Self::Int8(_) | Self::Binary(_) => None,
        }
    }

    /// Makes room in `buffer` for the fixed point of a scorer.
    pub(crate) fn prepare(&self, buffer: &mut Point) -> Result<(), OutOfMemory> {
        match self {
            Self::None(codes) => codes.prepare(buffer),
            Self::Int8(codes) => codes.prepare(buffer),
            Self::Binary(codes) => codes.prepare(buffer),
        }
    }

    /// Bytes that a slot has in each of the stored arrays.
    pub(crate) fn row_bytes(&self) -> [usize; Self::ARRAYS] {
        match self {
            Self::None(codes) => [codes.rows().stride() * size_of::<f32>(), 0, 0],
            Self::Binary(codes) => [codes.rows().stride() * LINE_BYTES, 0, 0],
            Self::Int8(codes) => {
                let ([upper, lower], scales) = codes.arrays();
                [upper.stride() * LINE_BYTES, lower.stride() * LINE_BYTES, scales.stride() * size_of::<f32>()]
            }
        }
    }

    /// Bytes that a slot has in all of them.
    pub(crate) fn slot_bytes(&self) -> usize {
        self.row_bytes().iter().sum()
    }

    /// The name of the instruction set that the distances are computed with.
    pub(crate) fn simd(&self) -> &'static str {
        self.space().kernels().simd()
    }

    /// Bytes held, spare capacity included.
    pub(crate) fn resident_bytes(&self) -> usize {
        match self {
            Self::None(codes) => codes.rows().resident_bytes(),
            Self::Binary(codes) => codes.rows().resident_bytes(),
            Self::Int8(codes) => {
                let (halves, scales) = codes.arrays();
                halves.map(Rows::resident_bytes).iter().sum::<usize>() + scales.resident_bytes()
            }
        }
    }

    /// One segment of one of the stored arrays as bytes. Host order is little-endian on every platform that is built for.
    pub(crate) fn segment(&self, array: usize, at: usize) -> &[u8] {
        match (self, array) {
            (Self::None(codes), 0) => bytemuck::cast_slice(codes.rows().segment(at)),
            (Self::Binary(codes), 0) => bytemuck::cast_slice(codes.rows().segment(at)),
            (Self::None(_) | Self::Binary(_), _) => &[],
            (Self::Int8(codes), 2) => bytemuck::cast_slice(codes.arrays().1.segment(at)),
            (Self::Int8(codes), _) => bytemuck::cast_slice(codes.arrays().0[array].segment(at)),
        }
    }

    /// The same, to be filled from stored bytes.
    pub(crate) fn segment_mut(&mut self, array: usize, at: usize) -> &mut [u8] {
        match (self, array) {
            (Self::None(codes), 0) => bytemuck::cast_slice_mut(codes.rows_mut().segment_mut(at)),
            (Self::Binary(codes), 0) => bytemuck::cast_slice_mut(codes.rows_mut().segment_mut(at)),
            (Self::None(_) | Self::Binary(_), _) => &mut [],
            (Self::Int8(codes), 2) => bytemuck::cast_slice_mut(codes.arrays_mut().1.segment_mut(at)),
            (Self::Int8(codes), _) => {
                let [upper, lower] = codes.arrays_mut().0;
                bytemuck::cast_slice_mut(if array == 0 { upper } else { lower }.segment_mut(at))
            }
        }
    }

    /// The stored arrays of `len` slots, which are borrowed until they change. None unless each is as long as it has to be.
    #[cfg(feature = "mmap")]
    pub(crate) fn map(&mut self, len: usize, arrays: [&bytes::Bytes; Self::ARRAYS]) -> Option<()> {
        match self {
            Self::None(codes) => {
                let rows = codes.rows_mut();
                *rows = rows.map(len, arrays[0])?;
                arrays[1..].iter().all(|array| array.is_empty()).then_some(())
            }
            Self::Binary(codes) => {
                let rows = codes.rows_mut();
                *rows = rows.map(len, arrays[0])?;
                arrays[1..].iter().all(|array| array.is_empty()).then_some(())
            }
            Self::Int8(codes) => {
                let ([upper, lower], scales) = codes.arrays_mut();
                *upper = upper.map(len, arrays[0])?;
                *lower = lower.map(len, arrays[1])?;
                *scales = scales.map(len, arrays[2])?;
                Some(())
            }
        }
    }

    /// Which segments have changed since they were last stored. A code is written to all arrays at once.
    pub(crate) fn changes_mut(&mut self) -> &mut Changes {
        match self {
            Self::None(codes) => codes.rows_mut().changes_mut(),
            Self::Binary(codes) => codes.rows_mut().changes_mut(),
            Self::Int8(codes) => codes.arrays_mut().1.changes_mut(),
        }
    }
}
