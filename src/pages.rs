//! Contiguous values that get pages of their own from the system once they are long.
//!
//! An allocator may keep freed memory for later requests: glibc does so with every piece shorter than the longest that
//! was ever freed, up to 32 MiB, and the process holds that memory until it ends. A mapping is gone the moment it is
//! dropped. WebAssembly has no other memory than its heap: there, as without the feature `mmap`, this is a vector.

#[cfg(any(not(feature = "mmap"), target_arch = "wasm32"))]
pub(crate) use crate::wipe::reserve_exact;
#[cfg(any(not(feature = "mmap"), target_arch = "wasm32"))]
pub(crate) type Pages<T> = Vec<T>;

#[cfg(all(feature = "mmap", target_os = "linux"))]
pub(crate) use huge::{HUGE_BYTES, reserve_slab, reserve_within};
#[cfg(all(feature = "mmap", not(any(target_arch = "wasm32", target_os = "linux"))))]
pub(crate) use own::reserve_exact;
#[cfg(all(feature = "mmap", not(target_arch = "wasm32")))]
pub(crate) use own::{Pages, shrink};
#[cfg(not(all(feature = "mmap", target_os = "linux")))]
pub(crate) use reserve_exact as reserve_slab;

#[cfg(all(feature = "mmap", target_os = "linux"))]
mod give_back;
#[cfg(all(feature = "mmap", target_os = "linux"))]
mod huge;
#[cfg(all(feature = "mmap", not(target_arch = "wasm32")))]
mod own;

use core::ops::DerefMut;

/// The operations that a vector and pages have in common.
pub(crate) trait Held<T>: DerefMut<Target = [T]> + Default + From<Vec<T>> {
    fn capacity(&self) -> usize;

    /// `len` values from `at` on, all of which must exist.
    #[cfg_attr(target_arch = "wasm32", inline)]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn slice(&self, at: usize, len: usize) -> &[T] {
        // Hot path: two splits compile to fewer instructions than one range check.
        let (_, rest) = self.split_at(at);
        let (row, _) = rest.split_at(len);
        row
    }
}

impl<T> Held<T> for Vec<T> {
    #[inline]
    fn capacity(&self) -> usize {
        self.capacity()
    }
}

/// Makes room in a piece of rows for `additional` more values. A piece is one segment here, whatever its final size.
#[cfg(not(all(feature = "mmap", target_os = "linux")))]
#[inline]
pub(crate) fn reserve_within<T: bytemuck::Pod>(
    values: &mut Pages<T>,
    additional: usize,
    _whole: Option<usize>,
    _is_first: bool,
) -> Result<(), crate::types::OutOfMemory> {
    reserve_exact(values, additional)
}

#[cfg(any(not(feature = "mmap"), target_arch = "wasm32"))]
pub(crate) use shrink_vector as shrink;

/// Gives back the spare room of a vector, leaving no copy of its values where they were. If there is no memory for the
/// shorter vector, the longer one stays.
pub(crate) fn shrink_vector<T: bytemuck::Pod>(values: &mut Vec<T>) {
    let mut smaller = Vec::new();
    if values.capacity() > values.len() && smaller.try_reserve_exact(values.len()).is_ok() {
        smaller.extend_from_slice(values);
        crate::wipe::wipe(values);
        *values = smaller;
    }
}
