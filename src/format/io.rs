//! Sources and sinks of bytes.
//!
//! Both are random access, so that an index of any size is read and written a piece at a time and is never held twice:
//! a JavaScript array outside the WebAssembly heap is as good a place as a native buffer.

use super::FormatError;
use crate::types::OutOfMemory;
use crate::wipe::wipe;

/// Bytes that can be read at any offset.
pub(crate) trait ByteSource {
    /// Number of bytes.
    fn len(&self) -> u64;

    /// Fills `into` with the bytes from `offset` on. Returns whether all of them exist.
    fn read(&self, offset: u64, into: &mut [u8]) -> bool;
}

/// A place for a known number of bytes, all zero at first, that can be written at any offset.
pub(crate) trait ByteSink {
    /// Writes `bytes` at `offset`. Returns whether there was room for all of them.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> bool;
}

/// A place that can be allocated, and read again.
pub(crate) trait ByteRoom: ByteSink + Sized {
    /// Allocates a place of `len` bytes, all zero.
    fn of_zeros(len: usize) -> Result<Self, OutOfMemory>;

    /// Overwrites the contents before the place is dropped: they may be of a record deleted in the meantime. Does
    /// nothing for memory that the allocator of this program does not manage, such as a JavaScript array.
    fn wipe(&mut self) {}

    /// Passes `len` bytes from `start` on to `to`, a part at a time. Returns whether they exist.
    fn show(&self, start: u64, len: u64, to: &mut dyn FnMut(&[u8])) -> bool;
}

impl ByteRoom for Vec<u8> {
    fn of_zeros(len: usize) -> Result<Self, OutOfMemory> {
        zeros(len)
    }

    fn wipe(&mut self) {
        wipe(self);
    }

    fn show(&self, start: u64, len: u64, to: &mut dyn FnMut(&[u8])) -> bool {
        let range = usize::try_from(start).ok().zip(start.checked_add(len).and_then(|end| usize::try_from(end).ok()));
        range.and_then(|(start, end)| self.get(start..end)).map(to).is_some()
    }
}

impl ByteSource for [u8] {
    fn len(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        let found = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(into.len())?))
            .map(|bytes| into.copy_from_slice(bytes));
        found.is_some()
    }
}

impl ByteSink for Vec<u8> {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let place = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get_mut(start..start.checked_add(bytes.len())?))
            .map(|place| place.copy_from_slice(bytes));
        place.is_some()
    }
}

/// A buffer of `len` zeros.
pub(crate) fn zeros<T: bytemuck::Zeroable + Clone>(len: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(len)?;
    zeros.resize(len, T::zeroed());
    Ok(zeros)
}

/// Reads as [`ByteSource::read`] does. Bytes that end too early are corrupt.
pub(super) fn read_all<S: ByteSource + ?Sized>(source: &S, offset: u64, into: &mut [u8]) -> Result<(), FormatError> {
    if source.read(offset, into) {
        Ok(())
    } else {
        Err(FormatError::corrupt(format_args!("{} bytes expected at {offset}, of {} in all", into.len(), source.len())))
    }
}
