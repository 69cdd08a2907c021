//! Fixed-stride rows, one per slot, held in segments of [`SEGMENT_SLOTS`] rows.
//!
//! Segments instead of one flat array, because growing must never copy what is already there: a reallocation of
//! hundreds of megabytes would hold the caller's thread, need twice the memory for a moment, and leave holes in a
//! WebAssembly heap that can only grow. A segment is also what a checkpoint writes and what a mapping borrows.
//!
//! Segments lie in *pieces*. On Linux, with the feature `mmap`, a piece is as many segments as fit in some megabytes of
//! one mapping: a search visits rows far apart, and a processor holds the translations of only a few pages at a time,
//! so it waits less with pages of 2 MiB. Elsewhere a piece is one segment.

mod array;
mod mapped;
mod run;

pub(crate) use array::Array;

#[cfg(feature = "mmap")]
pub(crate) use mapped::Mapped;
pub(crate) use run::Run;

use crate::pages::Pages;
use crate::types::{OutOfMemory, Slot};
use bytemuck::Pod;

/// Rows in one segment. A power of two, so that finding a row is a shift and a mask.
pub(crate) const SEGMENT_SLOTS: usize = 1 << SEGMENT_BITS;
const SEGMENT_BITS: u32 = 10;
/// The longest segment that is written from end to end when its first row comes.
const MOST_FILLED_BYTES: usize = 4 << 20;
/// The most rows of a piece, as a power of two, and about the most bytes where rows are long.
#[cfg(all(feature = "mmap", target_os = "linux"))]
const MOST_PIECE: (u32, usize) = (16, 16 << 20);

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

    /// Adds the slots from `from` to `len`, as changed. Room must have been reserved.
    pub(crate) fn grow(&mut self, from: usize, len: usize) {
        self.0.resize(segments_of(len).max(self.0.len()), true);
        if from < len {
            self.note(Slot(from as u32));
        }
    }

    /// Notes that a slot has changed. A single store, because every change does this.
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

    /// Forgets the slots from `len` on. Notes the last segment as changed, because it is shorter.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(segments_of(len));
        self.0.shrink_to_fit();
        if let Some(last) = self.0.last_mut() {
            *last = true;
        }
    }

    /// Returns whether a segment has changed since it was last stored.
    pub(crate) fn has(&self, segment: usize) -> bool {
        self.0.get(segment).copied().unwrap_or(false)
    }

    /// Notes that a segment is unchanged since it was stored.
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
    /// Rows in a piece, as a power of two.
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    piece_bits: u32,
    pieces: Vec<Run<T, Pages<T>>>,
    changes: Changes,
}

impl<T> Rows<T> {
    pub(crate) const fn new(stride: usize) -> Self {
        Self {
            stride,
            len: 0,
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            piece_bits: piece_bits(stride.saturating_mul(size_of::<T>())),
            pieces: Vec::new(),
            changes: Changes::new(),
        }
    }

    #[inline(always)]
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    const fn piece_bits(&self) -> u32 {
        self.piece_bits
    }

    #[inline(always)]
    #[cfg(not(all(feature = "mmap", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "elsewhere it is a field")]
    const fn piece_bits(&self) -> u32 {
        SEGMENT_BITS
    }

    const fn piece_slots(&self) -> usize {
        1 << self.piece_bits()
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn stride(&self) -> usize {
        self.stride
    }
}

/// How many rows of this many bytes make a piece, as a power of two: one segment if no piece fills a huge page.
#[cfg(all(feature = "mmap", target_os = "linux"))]
const fn piece_bits(row_bytes: usize) -> u32 {
    let (most_bits, most_bytes) = MOST_PIECE;
    if row_bytes < crate::pages::HUGE_BYTES >> most_bits {
        return SEGMENT_BITS;
    }
    let mut bits = most_bits;
    while bits > SEGMENT_BITS && row_bytes > most_bytes >> bits {
        bits -= 1;
    }
    bits
}

impl<T: Pod> Rows<T> {
    /// Which piece the row of a slot is in, and where it begins there.
    #[inline(always)]
    const fn place(&self, slot: usize) -> (usize, usize) {
        let bits = self.piece_bits();
        (slot >> bits, (slot & ((1 << bits) - 1)) * self.stride)
    }

    /// The row of `slot`, which must be below `len`. On the path of every distance. Native compilers do not inline it
    /// unless they are told to; for WebAssembly they decide well by themselves.
    #[cfg_attr(target_arch = "wasm32", inline)]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(crate) fn row(&self, slot: Slot) -> &[T] {
        let (piece, at) = self.place(slot.index());
        self.pieces[piece].slice(at, self.stride)
    }

    /// The row of `slot`, which must be below `len`, for writing.
    #[inline]
    pub(crate) fn row_mut(&mut self, slot: Slot) -> &mut [T] {
        let (piece, at) = self.place(slot.index());
        self.changes.note(slot);
        &mut self.pieces[piece].to_mut()[at..at + self.stride]
    }

    /// Makes room for rows up to `len`, so that [`Rows::resize`] to it cannot fail.
    ///
    /// Room is for whole segments. The first one grows by doubling, so that a small index stays small.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let (stride, slots) = (self.stride, self.piece_slots());
        let wanted = len.div_ceil(slots);
        self.changes.reserve(len)?;
        if wanted > self.pieces.capacity() {
            self.pieces.try_reserve(wanted - self.pieces.len())?;
        }
        for index in self.len / slots..wanted {
            let rows = (len - index * slots).min(slots);
            if index == self.pieces.len() {
                self.pieces.push(Run::default());
            }
            let piece = self.pieces[index].to_mut();
            if piece.capacity() < rows * stride {
                let grown = (2 * piece.len() / stride.max(1)).max(rows);
                let is_small = index == 0 && grown < SEGMENT_SLOTS;
                let room = if is_small { grown } else { rows.next_multiple_of(SEGMENT_SLOTS) };
                crate::pages::reserve_within(
                    piece,
                    room * stride - piece.len(),
                    slots.checked_mul(stride),
                    index == 0,
                )?;
            }
        }
        Ok(())
    }

    /// Sets the number of rows; new ones are filled with `value`. Growing needs a [`Rows::reserve`] before it; not
    /// growing gives back all room beyond the last row.
    pub(crate) fn resize(&mut self, len: usize, value: T) {
        let slots = self.piece_slots();
        if len <= self.len {
            let kept = len.div_ceil(slots);
            self.pieces.truncate(kept);
            if let Some(last) = self.pieces.last_mut() {
                let values = (len - (kept - 1) * slots) * self.stride;
                // Mapped rows have no spare room.
                if values < last.as_slice().len() || matches!(last, Run::Owned(_)) {
                    let last = last.to_mut();
                    last.truncate(values);
                    crate::pages::shrink(last);
                }
            } else {
                self.pieces = Vec::new();
            }
            self.pieces.shrink_to_fit();
            self.changes.truncate(len);
        } else {
            self.changes.grow(self.len, len);
            let is_segment = self.piece_bits() == SEGMENT_BITS;
            for index in self.len / slots..len.div_ceil(slots) {
                let rows = (len - index * slots).min(slots);
                if index == self.pieces.len() {
                    self.pieces.push(Run::default());
                }
                let piece = self.pieces[index].to_mut();
                // A new segment is written from end to end at once. If its pages came in one by one, between pages of
                // other arrays, the system would scatter it over its memory, and in a virtual machine searches would
                // take a fifteenth longer. Writing one of very long rows would hold the caller's thread.
                if is_segment && piece.is_empty() && self.stride * size_of::<T>() <= MOST_FILLED_BYTES / SEGMENT_SLOTS {
                    piece.resize(piece.capacity(), value);
                }
                piece.resize(rows * self.stride, value);
            }
        }
        self.len = len;
    }

    /// Borrows the rows of `bytes` until they change. Returns `None` unless they are `len` rows, suitably aligned.
    #[cfg(feature = "mmap")]
    pub(crate) fn map(&self, len: usize, bytes: &bytes::Bytes) -> Option<Self> {
        let row = self.stride * size_of::<T>();
        if len.checked_mul(row) != Some(bytes.len()) {
            return None;
        }
        let segment = |at: usize| {
            let rows = at * SEGMENT_SLOTS..((at + 1) * SEGMENT_SLOTS).min(len);
            Mapped::new(bytes.slice(rows.start * row..rows.end * row)).map(Run::Mapped)
        };
        let pieces = (0..segments_of(len)).map(segment).collect::<Option<Vec<_>>>()?;
        let mut changes = Changes::new();
        changes.grow(0, len);
        Some(Self {
            stride: self.stride,
            len,
            // A change copies one segment and no more.
            #[cfg(target_os = "linux")]
            piece_bits: SEGMENT_BITS,
            pieces,
            changes,
        })
    }

    /// Which segments have changed since they were last stored.
    pub(crate) const fn changes_mut(&mut self) -> &mut Changes {
        &mut self.changes
    }

    /// One segment; empty if it does not exist.
    pub(crate) fn segment(&self, at: usize) -> &[T] {
        let (piece, start) = self.place(at * SEGMENT_SLOTS);
        let piece = self.pieces.get(piece).map_or(&[][..], Run::as_slice);
        // Always true except on Linux, so that the compiler drops the rest in WebAssembly (size).
        if self.piece_bits() == SEGMENT_BITS {
            return piece;
        }
        let rest = piece.get(start..).unwrap_or_default();
        &rest[..rest.len().min(SEGMENT_SLOTS * self.stride)]
    }

    /// One segment, for filling from stored bytes.
    pub(crate) fn segment_mut(&mut self, at: usize) -> &mut [T] {
        let (piece, start) = self.place(at * SEGMENT_SLOTS);
        let (is_whole, most) = (self.piece_bits() == SEGMENT_BITS, SEGMENT_SLOTS * self.stride);
        let piece = self.pieces.get_mut(piece).map_or(&mut [][..], |piece| &mut **piece.to_mut());
        if is_whole {
            return piece;
        }
        let rest = piece.get_mut(start..).unwrap_or_default();
        let len = rest.len().min(most);
        &mut rest[..len]
    }

    /// Overwrites owned values before their memory is given back, natively. Mapped values belong to the system.
    pub(crate) fn wipe(&mut self) {
        for piece in &mut self.pieces {
            if let Run::Owned(values) = piece {
                crate::wipe::wipe(values);
            }
        }
    }

    /// Bytes held, spare capacity included.
    pub(crate) fn resident_bytes(&self) -> usize {
        let table = self.pieces.capacity() * size_of::<Run<T, Pages<T>>>() + self.changes.resident_bytes();
        table + self.pieces.iter().map(Run::resident_bytes).sum::<usize>()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Rows keep their values and spare capacity stays within a segment, for any sequence of lengths, and with
        /// pieces of one segment or of many.
        #[test]
        fn resizing_keeps_rows(
            stride in prop_oneof![1usize..5, Just(64), Just(700)],
            lengths in prop::collection::vec(0usize..4000, 1..12),
        ) {
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
                prop_assert!(spare <= SEGMENT_SLOTS * stride * 4 + 64 * size_of::<Run<u32, Pages<u32>>>());
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

    /// The product wrapped around to 0 where `usize` has 32 bits, for 2^26 rows of 64 bytes: a file of little more than
    /// a header then had rows without end. Here the same happens with 2^61 rows.
    #[cfg(feature = "mmap")]
    #[test]
    fn more_rows_than_can_be_counted_in_bytes_are_not_mapped() {
        let rows = Rows::<u64>::new(1);
        assert!(rows.map(1 << (usize::BITS - 3), &bytes::Bytes::new()).is_none());
        assert!(rows.map(0, &bytes::Bytes::new()).is_some());
    }
}
