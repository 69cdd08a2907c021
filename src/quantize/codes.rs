//! The codes of an index behind one enum, as they are kept and stored; the graph sees them as a [`Space`].

use super::{BinaryCodes, BlockSpace, F32Codes, Int8Codes, Point, ProductCodes, Space};
use crate::metric::{Kernels, Metric};
use crate::segments::{Array, Changes};
use crate::slot_set::SlotSet;
use crate::types::{OutOfMemory, Slot, UnknownName};

/// The [`Codes::stored_number`] of product codes that are trained.
const TRAINED: u8 = 4;

/// How the codes that search walks over are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quantization {
    /// f32: 4 bytes per dimension and 4 per vector. Needs no rerank.
    None,
    /// 1 byte per dimension, in two halves of whole cache lines, and 4 or 8 per vector; reranked from the full vectors.
    /// No training. Suits embeddings of any metric whose components are around zero.
    #[default]
    Int8,
    /// 1 bit per dimension and 16 bytes per vector, in whole cache lines: 64 bytes at 384 dimensions. No training.
    /// Needs full vectors, and a wider search, for the recall of int8. Suits embeddings of 256 dimensions or more whose
    /// components are around zero.
    Binary,
    /// 1 byte for each six dimensions or fewer, in whole cache lines: 64 bytes for each 384 dimensions begun. Each byte
    /// names a centroid. The centroids are chosen from the first 1,024 records
    /// ([`Error::Untrained`](crate::Error::Untrained) until there are so many;
    /// [`Index::link_step`](crate::Index::link_step) chooses them). Needs full vectors for good recall, and as wide a
    /// search as `Binary` or wider. Suits vectors of any kind, if later ones are like the first; the codebook holds
    /// averages of some of these. An index that is emptied and compacted is trained again. Links of the first records
    /// are made by f32 distances, so equal input gives equal bytes on one platform only.
    Product,
}

impl Quantization {
    /// All quantizations.
    pub const ALL: [Self; 4] = [Self::None, Self::Int8, Self::Binary, Self::Product];

    /// The name used in options and in error messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Int8 => "int8",
            Self::Binary => "binary",
            Self::Product => "product",
        }
    }
}

impl core::fmt::Display for Quantization {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl core::str::FromStr for Quantization {
    type Err = UnknownName;

    /// The quantization that [`Quantization::name`] gives this name.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|quantization| quantization.name() == name);
        found.ok_or_else(|| UnknownName::new("quantization", &Self::ALL.map(Self::name), name))
    }
}

/// The codes of an index.
#[derive(Debug)]
pub(crate) enum Codes {
    None(F32Codes),
    Int8(Int8Codes),
    Binary(BinaryCodes),
    Product(ProductCodes),
}

impl Codes {
    /// The most arrays that are stored; some quantizations have fewer.
    pub(crate) const ARRAYS: usize = 3;

    pub(crate) fn new(quantization: Quantization, dimensions: usize, metric: Metric) -> Self {
        let kernels = Kernels::detect();
        match quantization {
            Quantization::None => Self::None(F32Codes::new(dimensions, metric, kernels)),
            Quantization::Int8 => Self::Int8(Int8Codes::new(dimensions, metric, kernels)),
            Quantization::Binary => Self::Binary(BinaryCodes::new(dimensions, metric, kernels)),
            Quantization::Product => Self::Product(ProductCodes::new(dimensions, metric, kernels)),
        }
    }

    pub(crate) const fn quantization(&self) -> Quantization {
        match self {
            Self::None(_) => Quantization::None,
            Self::Int8(_) => Quantization::Int8,
            Self::Binary(_) => Quantization::Binary,
            Self::Product(_) => Quantization::Product,
        }
    }

    /// The codes as the graph sees them.
    pub(crate) fn space(&self) -> &dyn Space {
        match self {
            Self::None(codes) => codes,
            Self::Int8(codes) => codes,
            Self::Binary(codes) => codes,
            Self::Product(codes) => codes.space(),
        }
    }

    /// Whether a walk reads only a part of each code, and whole codes are left to [`Scorer::refine`].
    pub(crate) const fn are_read_in_part(&self) -> bool {
        if let Self::Int8(codes) = self { !codes.is_short() } else { false }
    }

    /// The codes as a bulk build sees them; `None` if it cannot compare them. Those that it can are why it is fast.
    pub(crate) fn block_space(&self) -> Option<&dyn BlockSpace> {
        if let Self::Int8(codes) = self { codes.block_space() } else { None }
    }

    /// The arrays that are stored; the first is never missing.
    fn arrays(&self) -> [Option<&dyn Array>; Self::ARRAYS] {
        match self {
            Self::None(codes) => [Some(codes.rows()), None, None],
            Self::Binary(codes) => [Some(codes.rows()), None, None],
            Self::Product(codes) => [Some(codes.rows()), None, None],
            Self::Int8(codes) => {
                let ([upper, lower], scales) = codes.arrays();
                [Some(upper), Some(lower), Some(scales)]
            }
        }
    }

    fn arrays_mut(&mut self) -> [Option<&mut dyn Array>; Self::ARRAYS] {
        match self {
            Self::None(codes) => [Some(codes.rows_mut()), None, None],
            Self::Binary(codes) => [Some(codes.rows_mut()), None, None],
            Self::Product(codes) => [Some(codes.rows_mut()), None, None],
            Self::Int8(codes) => {
                let ([upper, lower], scales) = codes.arrays_mut();
                [Some(upper), Some(lower), Some(scales)]
            }
        }
    }

    /// The number of rows, those of free slots included.
    pub(crate) fn len(&self) -> usize {
        self.arrays()[0].map_or(0, Array::len)
    }

    /// Makes room for rows up to `len`.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.arrays_mut().into_iter().flatten().try_for_each(|array| array.reserve(len))
    }

    /// Sets the number of rows; growing needs a [`Codes::reserve`] before it, and new rows are zero.
    pub(crate) fn resize(&mut self, len: usize) {
        self.arrays_mut().into_iter().flatten().for_each(|array| array.resize(len));
        self.note(Slot(len as u32));
        if let (Self::Product(codes), 0) = (self, len) {
            codes.emptied();
        }
    }

    /// Writes the code of `vector`; `inverse_norm` is the reciprocal of its length under cosine, else 1.
    /// [`Codes::prepare`] must have made `buffer` ready.
    pub(crate) fn encode(&mut self, slot: Slot, vector: &[f32], inverse_norm: f64, buffer: &mut Point) {
        match self {
            Self::None(codes) => codes.encode(slot, vector, inverse_norm),
            Self::Int8(codes) => codes.encode(slot, vector, inverse_norm, buffer),
            Self::Binary(codes) => codes.encode(slot, vector, inverse_norm, buffer),
            Self::Product(codes) => codes.encode(slot, vector, inverse_norm),
        }
        self.note(slot);
    }

    /// Copies the code of one slot to another.
    pub(crate) fn copy(&mut self, from: Slot, to: Slot) {
        self.arrays_mut().into_iter().flatten().for_each(|array| array.copy(from, to));
        self.note(to);
    }

    /// Overwrites the code of a slot that has become free with zeros.
    pub(crate) fn erase(&mut self, slot: Slot) {
        self.arrays_mut().into_iter().flatten().for_each(|array| array.erase(slot));
        self.note(slot);
    }

    /// Notes that the contents of a slot have changed.
    fn note(&mut self, slot: Slot) {
        if let Self::Product(codes) = self {
            codes.note(slot);
        }
    }

    /// The full vector, if the code is the vector.
    pub(crate) fn vector(&self, slot: Slot) -> Option<&[f32]> {
        if let Self::None(codes) = self { Some(codes.vector(slot)) } else { None }
    }

    /// Makes room in `buffer` for the fixed point of a scorer.
    pub(crate) fn prepare(&self, buffer: &mut Point) -> Result<(), OutOfMemory> {
        match self {
            Self::None(codes) => codes.prepare(buffer),
            Self::Int8(codes) => codes.prepare(buffer),
            Self::Binary(codes) => codes.prepare(buffer),
            Self::Product(codes) => codes.prepare(buffer),
        }
    }

    /// Bytes that a slot has in each of the stored arrays.
    fn row_bytes(&self) -> [usize; Self::ARRAYS] {
        self.arrays().map(|array| array.map_or(0, Array::row_bytes))
    }

    /// Bytes of each of the stored arrays for `slots` slots, from the first of a segment on. Those of the first segment
    /// include the part that belongs to no slot.
    pub(crate) fn array_bytes(&self, segment: usize, slots: usize) -> [usize; Self::ARRAYS] {
        let mut bytes = self.row_bytes().map(|row| row * slots);
        if let (Self::Product(codes), 0, 1..) = (self, segment, slots) {
            bytes[1] += codes.codebook().as_bytes().len();
        }
        bytes
    }

    /// The number that the kind of codes is stored as: that of the quantization, or [`TRAINED`] for trained product
    /// codes. Without slots no codebook is stored, so these count as untrained.
    pub(crate) fn stored_number(&self) -> u8 {
        match self {
            Self::Product(codes) if codes.is_trained() && codes.rows().len() > 0 => TRAINED,
            _ => self.quantization() as u8,
        }
    }

    /// The quantization of a stored number, and whether its codes are trained.
    pub(crate) fn of_number(number: u8) -> Option<(Quantization, bool)> {
        let quantization = Quantization::ALL.into_iter().find(|quantization| *quantization as u8 == number);
        quantization
            .map(|quantization| (quantization, false))
            .or((number == TRAINED).then_some((Quantization::Product, true)))
    }

    /// Makes room for the codebook of trained codes, which will be filled from stored bytes.
    pub(crate) fn expect_codebook(&mut self) -> Result<(), OutOfMemory> {
        if let Self::Product(codes) = self { codes.expect_codebook() } else { Ok(()) }
    }

    /// Returns whether the codebook, the only part that belongs to no slot, is valid.
    pub(crate) fn is_possible(&self) -> bool {
        if let Self::Product(codes) = self { codes.is_possible() } else { true }
    }

    /// Returns whether the codes still have to be trained, from the vectors.
    pub(crate) const fn is_untrained(&self) -> bool {
        if let Self::Product(codes) = self { !codes.is_trained() } else { false }
    }

    /// Does one step of the training, from the vectors of `live` slots. Returns true while there is more to do.
    pub(crate) fn train_step(&mut self, live: &SlotSet) -> Result<bool, OutOfMemory> {
        if let Self::Product(codes) = self { codes.train_step(live) } else { Ok(false) }
    }

    /// About how many more calls of [`Codes::train_step`] the training takes.
    pub(crate) fn training_steps(&self) -> usize {
        if let Self::Product(codes) = self { codes.training_steps() } else { 0 }
    }

    /// Bytes of a slot in all stored arrays together.
    pub(crate) fn slot_bytes(&self) -> usize {
        self.row_bytes().iter().sum()
    }

    /// The name of the instruction set that the distances are computed with.
    pub(crate) fn simd(&self) -> &'static str {
        self.space().kernels().simd()
    }

    /// Bytes held, spare capacity included.
    pub(crate) fn resident_bytes(&self) -> usize {
        let beside = if let Self::Product(codes) = self { codes.bytes_beside() } else { 0 };
        beside + self.arrays().into_iter().flatten().map(Array::resident_bytes).sum::<usize>()
    }

    /// One segment of one of the stored arrays as bytes.
    pub(crate) fn segment(&self, array: usize, at: usize) -> &[u8] {
        match (self, array, at) {
            (Self::Product(codes), 1, 0) => codes.codebook().as_bytes(),
            _ => self.arrays()[array].map_or(&[], |array| array.segment_bytes(at)),
        }
    }

    /// One segment of one of the stored arrays as bytes, to be filled from stored bytes.
    pub(crate) fn segment_mut(&mut self, array: usize, at: usize) -> &mut [u8] {
        match (self, array, at) {
            (Self::Product(codes), 1, 0) => codes.codebook_mut().as_bytes_mut(),
            (codes, ..) => {
                let array = codes.arrays_mut().into_iter().nth(array).flatten();
                array.map_or(&mut [], |array| array.segment_bytes_mut(at))
            }
        }
    }

    /// Borrows the stored arrays of `len` slots until they change. Returns `None` unless each has the right length and
    /// the codebook is valid.
    #[cfg(feature = "mmap")]
    pub(crate) fn map(&mut self, len: usize, arrays: [&bytes::Bytes; Self::ARRAYS]) -> Option<()> {
        if self.row_bytes().iter().any(|row| row.checked_mul(len).is_none()) {
            return None;
        }
        let lengths = self.array_bytes(0, len);
        for (array, (stored, length)) in self.arrays_mut().into_iter().zip(arrays.into_iter().zip(lengths)) {
            if stored.len() != length {
                return None;
            }
            if let Some(array) = array {
                array.borrow(len, stored)?;
            }
        }
        if let Self::Product(codes) = self {
            codes.codebook_mut().as_bytes_mut().copy_from_slice(arrays[1]);
        }
        self.is_possible().then_some(())
    }

    /// Which segments have changed since they were last stored. A code is written to all arrays at once.
    pub(crate) fn changes_mut(&mut self) -> &mut Changes {
        match self {
            Self::None(codes) => codes.rows_mut().changes_mut(),
            Self::Binary(codes) => codes.rows_mut().changes_mut(),
            Self::Product(codes) => codes.rows_mut().changes_mut(),
            Self::Int8(codes) => codes.arrays_mut().1.changes_mut(),
        }
    }
}

#[cfg(all(test, feature = "mmap", not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    /// The number of slots is from the file, and so may be one that makes the length of the codes wrap around to 0.
    #[test]
    fn more_codes_than_can_be_counted_in_bytes_are_not_mapped() {
        for quantization in Quantization::ALL {
            let mut codes = Codes::new(quantization, 64, Metric::Cosine);
            let none = bytes::Bytes::new();
            assert!(codes.map(1 << (usize::BITS - 2), [&none, &none, &none]).is_none(), "{quantization:?}");
        }
    }
}
