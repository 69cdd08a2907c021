//! Rows of any value type behind one trait, so that code for all arrays is compiled once (size).

use super::{Changes, Rows};
use crate::types::{OutOfMemory, Slot};
use bytemuck::Pod;
#[cfg(feature = "mmap")]
use bytes::Bytes;

/// The operations of [`Rows`] that do not depend on the type of the values: see there.
pub(crate) trait Array {
    fn len(&self) -> usize;
    fn row_bytes(&self) -> usize;
    fn resident_bytes(&self) -> usize;
    fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory>;
    /// Sets the number of rows. New rows are zeros.
    fn resize(&mut self, len: usize);
    fn row(&self, slot: Slot) -> &[u8];
    fn row_mut(&mut self, slot: Slot) -> &mut [u8];
    /// One segment as bytes. Host order is little-endian on every supported platform.
    fn segment_bytes(&self, at: usize) -> &[u8];
    /// One segment as bytes, to be filled from stored bytes.
    fn segment_bytes_mut(&mut self, at: usize) -> &mut [u8];
    /// Borrows `len` rows of `bytes`. Returns `None` unless these are exactly `len` rows, suitably aligned.
    #[cfg(feature = "mmap")]
    fn borrow(&mut self, len: usize, bytes: &Bytes) -> Option<()>;
    fn changes_mut(&mut self) -> &mut Changes;
}

impl dyn Array + '_ {
    /// Copies one row to another.
    pub(crate) fn copy(&mut self, from: Slot, to: Slot) {
        let mut piece = [0; 64];
        for start in (0..self.row_bytes()).step_by(piece.len()) {
            let row = self.row(from);
            let end = row.len().min(start + piece.len());
            let piece = &mut piece[..end - start];
            piece.copy_from_slice(&row[start..end]);
            self.row_mut(to)[start..end].copy_from_slice(piece);
        }
    }

    /// Overwrites a row with zeros.
    pub(crate) fn erase(&mut self, slot: Slot) {
        self.row_mut(slot).fill(0);
    }
}

impl<T: Pod> Array for Rows<T> {
    fn len(&self) -> usize {
        self.len()
    }

    fn row_bytes(&self) -> usize {
        self.stride() * size_of::<T>()
    }

    fn resident_bytes(&self) -> usize {
        self.resident_bytes()
    }

    #[inline(never)]
    fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.reserve(len)
    }

    #[inline(never)]
    fn resize(&mut self, len: usize) {
        self.resize(len, T::zeroed());
    }

    fn row(&self, slot: Slot) -> &[u8] {
        bytemuck::must_cast_slice(self.row(slot))
    }

    fn row_mut(&mut self, slot: Slot) -> &mut [u8] {
        bytemuck::must_cast_slice_mut(self.row_mut(slot))
    }

    fn segment_bytes(&self, at: usize) -> &[u8] {
        bytemuck::must_cast_slice(self.segment(at))
    }

    fn segment_bytes_mut(&mut self, at: usize) -> &mut [u8] {
        bytemuck::must_cast_slice_mut(self.segment_mut(at))
    }

    #[cfg(feature = "mmap")]
    fn borrow(&mut self, len: usize, bytes: &Bytes) -> Option<()> {
        *self = self.map(len, bytes)?;
        Some(())
    }

    fn changes_mut(&mut self) -> &mut Changes {
        self.changes_mut()
    }
}
