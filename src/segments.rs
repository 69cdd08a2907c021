//! Fixed-stride rows, one per slot, held in segments of [`SEGMENT_SLOTS`] rows.
//!
//! Segments instead of one flat array, because growing must never copy what is already there: a reallocation of
//! hundreds of megabytes would hold the caller's thread, need twice the memory for a moment, and leave holes in a
//! WebAssembly heap that can only grow. A segment is also what a checkpoint writes and what a mapping borrows.

mod array;
mod mapped;
mod run;

pub(crate) use array::Array;

#[cfg(feature = "mmap")]
pub(crate) use mapped::Mapped;
pub(crate) use run::Run;

use crate::types::{OutOfMemory, Slot};
use bytemuck::Pod;

/// Rows in one segment. A power of two, so that finding a row is a shift and a mask.
pub(crate) const SEGMENT_SLOTS: usize = 1 << SEGMENT_BITS;
const SEGMENT_BITS: u32 = 10;
const IN_SEGMENT: usize = SEGMENT_SLOTS - 1;

/// How many segments hold `slots` slots.
pub(crate) const fn segments_of(slots: usize) -> usize {
    slots.div_ceil(SEGMENT_SLOTS)
}

/// Which segments have changed since they were last stored, a byte each.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<bool>);

impl Changes {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes room for notes of the slots `0..len`.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        Ok(self.0.try_reserve(segments_of(len).saturating_sub(self.0.len()))?)
    }

    /// Notes the slots from `from` to `len`, for which room has been reserved.
    pub(crate) fn grow(&mut self, from: usize, len: usize) {
        self.0.resize(segments_of(len).max(self.0.len()), true);
        if from < len {
            self.note(Slot(from as u32));
        }
    }

    /// Notes that a slot has changed. One store: this is in the way of every change.
    #[inline]
    pub(crate) fn note(&mut self, slot: Slot) {
        self.note_segment(slot.index() >> SEGMENT_BITS);
    }

    /// Notes that a segment has changed.
    #[inline]
    pub(crate) fn note_segment(&mut self, segment: usize) {
        if let Some(changed) = self.0.get_mut(segment) {
            *changed = true;
        }
    }

    /// Forgets the slots from `len` on. The last segment has changed: it is shorter.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(segments_of(len));
        self.0.shrink_to_fit();
        if let Some(last) = self.0.last_mut() {
            *last = true;
        }
    }

    /// Whether a segment has changed since.
    pub(crate) fn has(&self, segment: usize) -> bool {
        self.0.get(segment).copied().unwrap_or(false)
    }

    /// A segment is stored as it is.
    pub(crate) fn clear(&mut self, segment: usize) {
        if let Some(changed) = self.0.get_mut(segment) {
            *changed = false;
        }
    }

    pub(crate) const fn resident_bytes(&self) -> usize {
        self.0.capacity()
    }
}

/// One row of `stride` values for each slot in `0..len`.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    stride: usize,
    len: usize,
    segments: Vec<Run<T>>,
    changes: Changes,
}

impl<T: Pod> Rows<T> {
    pub(crate) const fn new(stride: usize) -> Self {
        Self { stride, len: 0, segments: Vec::new(), changes: Changes::new() }
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
        &self.segments[slot.index() >> SEGMENT_BITS].as_slice()[at..at + self.stride]
    }

    /// The row of `slot`, which must be below `len`, for writing.
    #[inline]
    pub(crate) fn row_mut(&mut self, slot: Slot) -> &mut [T] {
        let at = (slot.index() & IN_SEGMENT) * self.stride;
        self.changes.note(slot);
        &mut self.segments[slot.index() >> SEGMENT_BITS].to_mut()[at..at + self.stride]
    }

    /// Makes room for rows up to `len`, so that [`Rows::resize`] to it cannot fail.
    ///
    /// Full segments are allocated whole. The last one grows by doubling, so that a small index stays small.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let wanted = len.div_ceil(SEGMENT_SLOTS);
        self.changes.reserve(len)?;
        if wanted > self.segments.capacity() {
            self.segments.try_reserve(wanted - self.segments.len())?;
        }
        for index in self.len / SEGMENT_SLOTS..wanted {
            let rows = if index + 1 < wanted { SEGMENT_SLOTS } else { len - index * SEGMENT_SLOTS };
            if index == self.segments.len() {
                self.segments.push(Run::default());
            }
            let segment = self.segments[index].to_mut();
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
                let values = (len - (kept - 1) * SEGMENT_SLOTS) * self.stride;
                // What is mapped has no spare room.
                if values < last.as_slice().len() || matches!(last, Run::Owned(_)) {
                    let last = last.to_mut();
                    last.truncate(values);
                    shrink(last);
                }
            } else {
                self.segments = Vec::new();
            }
            self.segments.shrink_to_fit();
            self.changes.truncate(len);
        } else {
            self.changes.grow(self.len, len);
            for index in self.len / SEGMENT_SLOTS..len.div_ceil(SEGMENT_SLOTS) {
                let rows = (len - index * SEGMENT_SLOTS).min(SEGMENT_SLOTS);
                if index == self.segments.len() {
                    self.segments.push(Run::default());
                }
                self.segments[index].to_mut().resize(rows * self.stride, value);
            }
        }
        self.len = len;
    }

    /// The rows of `bytes`, which are borrowed until they change. None unless they are `len` rows where such may lie.
    #[cfg(feature = "mmap")]
    pub(crate) fn map(&self, len: usize, bytes: &bytes::Bytes) -> Option<Self> {
        let row = self.stride * size_of::<T>();
        if bytes.len() != len * row {
            return None;
        }
        let segment = |at: usize| {
            let rows = at * SEGMENT_SLOTS..((at + 1) * SEGMENT_SLOTS).min(len);
            Mapped::new(bytes.slice(rows.start * row..rows.end * row)).map(Run::Mapped)
        };
        let segments = (0..segments_of(len)).map(segment).collect::<Option<Vec<_>>>()?;
        let mut changes = Changes::new();
        changes.grow(0, len);
        Some(Self { stride: self.stride, len, segments, changes })
    }

    /// Which segments have changed since they were last stored.
    pub(crate) const fn changes_mut(&mut self) -> &mut Changes {
        &mut self.changes
    }

    /// One segment; empty when there is none.
    pub(crate) fn segment(&self, at: usize) -> &[T] {
        self.segments.get(at).map_or(&[], Run::as_slice)
    }

    /// One segment, for filling from stored bytes.
    pub(crate) fn segment_mut(&mut self, at: usize) -> &mut [T] {
        self.segments.get_mut(at).map_or(&mut [], |segment| segment.to_mut().as_mut_slice())
    }

    /// Overwrites what is held, natively, before it is given back. What is mapped is the system's.
    pub(crate) fn wipe(&mut self) {
        for segment in &mut self.segments {
            if let Run::Owned(values) = segment {
                crate::wipe::wipe(values);
            }
        }
    }

    /// Bytes held, spare capacity included.
    pub(crate) fn resident_bytes(&self) -> usize {
        let table = self.segments.capacity() * size_of::<Run<T>>() + self.changes.resident_bytes();
        table + self.segments.iter().map(Run::resident_bytes).sum::<usize>()
    }
}

/// Gives back the spare room of a segment. Not by `shrink_to_fit`: what is aligned beyond the allocator's own alignment is
/// copied to be shrunk, and a refusal would be the end of the program. When there is no memory for the copy, the larger
/// segment stays.
fn shrink<T: Pod>(segment: &mut Vec<T>) {
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
                let held: usize = (0..segments_of(len)).map(|at| rows.segment(at).len()).sum();
                prop_assert_eq!(held, len * stride);
                let spare = rows.resident_bytes() - held * 4;
                prop_assert!(spare <= SEGMENT_SLOTS * stride * 4 + 64 * size_of::<Run<u32>>());
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
        let mut rows = Rows::<u64>::new(1 << 30);
        assert_eq!(rows.reserve(1 << 29), Err(OutOfMemory));
        assert_eq!(rows.len(), 0);
    }
}
