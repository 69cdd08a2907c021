//! Fixed-stride rows, one per slot, held in segments of [`SEGMENT_SLOTS`] rows.
//!
//! Segments instead of one flat array, because growing must never copy what is already there: a reallocation of
//! hundreds of megabytes would hold the caller's thread, need twice the memory for a moment, and leave holes in a
//! WebAssembly heap that can only grow. A segment is also what a checkpoint writes and what a mapping borrows.

use crate::types::{OutOfMemory, Slot};

/// Rows in one segment. A power of two, so that finding a row is a shift and a mask.
pub(crate) const SEGMENT_SLOTS: usize = 1 << SEGMENT_BITS;
const SEGMENT_BITS: u32 = 10;
const IN_SEGMENT: usize = SEGMENT_SLOTS - 1;

/// One row of `stride` values for each slot in `0..len`.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    stride: usize,
    len: usize,
    segments: Vec<Vec<T>>,
}

impl<T: Copy> Rows<T> {
    pub(crate) const fn new(stride: usize) -> Self {
        Self { stride, len: 0, segments: Vec::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn stride(&self) -> usize {
        self.stride
    }

    /// The row of `slot`, which must be below `len`.
    #[inline]
    pub(crate) fn row(&self, slot: Slot) -> &[T] {
        let at = (slot.index() & IN_SEGMENT) * self.stride;
        &self.segments[slot.index() >> SEGMENT_BITS][at..at + self.stride]
    }

    /// The row of `slot`, which must be below `len`, for writing.
    #[inline]
    pub(crate) fn row_mut(&mut self, slot: Slot) -> &mut [T] {
        let at = (slot.index() & IN_SEGMENT) * self.stride;
        &mut self.segments[slot.index() >> SEGMENT_BITS][at..at + self.stride]
    }

    /// Makes room for rows up to `len`, so that [`Rows::resize`] to it cannot fail.
    ///
    /// Full segments are allocated whole. The last one grows by doubling, so that a small index stays small.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let wanted = len.div_ceil(SEGMENT_SLOTS);
        if wanted > self.segments.capacity() {
            self.segments.try_reserve(wanted - self.segments.len())?;
        }
        for index in self.len / SEGMENT_SLOTS..wanted {
            let rows = if index + 1 < wanted { SEGMENT_SLOTS } else { len - index * SEGMENT_SLOTS };
            if index == self.segments.len() {
                self.segments.push(Vec::new());
            }
            let segment = &mut self.segments[index];
            if segment.capacity() < rows * self.stride {
                let grown = (2 * segment.len() / self.stride.max(1)).max(rows);
                let first = if index == 0 { grown } else { SEGMENT_SLOTS };
                segment.try_reserve_exact(first.min(SEGMENT_SLOTS) * self.stride - segment.len())?;
            }
        }
        Ok(())
    }

    /// Sets the number of rows; new ones are filled with `value`. Growing needs a [`Rows::reserve`] before it; not
    /// growing gives back all room beyond the last row.
    pub(crate) fn resize(&mut self, len: usize, value: T) {
        if len <= self.len {
            let kept = len.div_ceil(SEGMENT_SLOTS);
            self.segments.truncate(kept);
            if let Some(last) = self.segments.last_mut() {
                last.truncate((len - (kept - 1) * SEGMENT_SLOTS) * self.stride);
                shrink(last);
            } else {
                self.segments = Vec::new();
            }
            self.segments.shrink_to_fit();
        } else {
            for index in self.len / SEGMENT_SLOTS..len.div_ceil(SEGMENT_SLOTS) {
                let rows = (len - index * SEGMENT_SLOTS).min(SEGMENT_SLOTS);
                if index == self.segments.len() {
                    self.segments.push(Vec::new());
                }
                self.segments[index].resize(rows * self.stride, value);
            }
        }
        self.len = len;
    }

    /// The segments in order, each a whole number of rows.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &[T]> {
        self.segments.iter().map(Vec::as_slice).filter(|segment| !segment.is_empty())
    }

    /// The segments in order, for filling from stored bytes.
    pub(crate) fn segments_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        self.segments.iter_mut().map(Vec::as_mut_slice).filter(|segment| !segment.is_empty())
    }

    /// Bytes held, spare capacity included.
    pub(crate) fn resident_bytes(&self) -> usize {
        let table = self.segments.capacity() * size_of::<Vec<T>>();
        table + self.segments.iter().map(|segment| segment.capacity() * size_of::<T>()).sum::<usize>()
    }
}

/// Gives back the spare room of a segment. Not by `shrink_to_fit`: what is aligned beyond the allocator's own alignment is
/// copied to be shrunk, and a refusal would be the end of the program. When there is no memory for the copy, the larger
/// segment stays.
fn shrink<T: Copy>(segment: &mut Vec<T>) {
    let mut smaller = Vec::new();
    if segment.capacity() > segment.len() && smaller.try_reserve_exact(segment.len()).is_ok() {
        smaller.extend_from_slice(segment);
        *segment = smaller;
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the sequence of lengths, rows keep their values and spare capacity stays within a segment.
        #[test]
        fn resizing_keeps_rows(stride in 1usize..5, lengths in prop::collection::vec(0usize..4000, 1..12)) {
            let mut rows = Rows::<u32>::new(stride);
            let mut model: Vec<Vec<u32>> = Vec::new();
            for len in lengths {
                rows.reserve(len).unwrap();
                rows.resize(len, 7);
                model.resize(len, vec![7; stride]);
                if len > 0 {
                    let at = len / 2;
                    rows.row_mut(Slot(at as u32)).fill(at as u32);
                    model[at].fill(at as u32);
                }
                prop_assert_eq!(rows.len(), model.len());
                for (at, row) in model.iter().enumerate() {
                    prop_assert_eq!(rows.row(Slot(at as u32)), row.as_slice());
                }
                let held: usize = rows.segments().map(<[u32]>::len).sum();
                prop_assert_eq!(held, len * stride);
                let spare = rows.resident_bytes() - held * 4;
                prop_assert!(spare <= SEGMENT_SLOTS * stride * 4 + 64 * size_of::<Vec<u32>>());
            }
        }
    }

    #[test]
    fn a_small_index_stays_small() {
        let mut rows = Rows::<u8>::new(400);
        rows.reserve(3).unwrap();
        rows.resize(3, 0);
        assert!(rows.resident_bytes() < 400 * 8);
    }

    #[test]
    fn an_impossible_size_is_refused() {
        let mut rows = Rows::<[u64; 1024]>::new(1 << 20);
        assert_eq!(rows.reserve(1 << 29), Err(OutOfMemory));
        assert_eq!(rows.len(), 0);
    }
}
