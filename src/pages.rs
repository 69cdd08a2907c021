//! Values in a row that have pages of their own from the system, once they are long.
//!
//! An allocator may keep what is given back to it for whoever asks next: glibc does so with every piece shorter than the
//! longest that it has ever got back, up to 32 MiB, and the process holds that memory until it ends. A mapping is gone the
//! moment it is dropped. WebAssembly has no other memory than its heap, and there, as without the feature `mmap`, these
//! values are a vector.

#[cfg(any(not(feature = "mmap"), target_arch = "wasm32"))]
pub(crate) use crate::wipe::reserve_exact;
#[cfg(any(not(feature = "mmap"), target_arch = "wasm32"))]
pub(crate) type Pages<T> = Vec<T>;

#[cfg(all(feature = "mmap", not(target_arch = "wasm32")))]
pub(crate) use own::{Pages, reserve_exact, reserve_within};

#[cfg(all(feature = "mmap", not(target_arch = "wasm32")))]
mod own;

use core::ops::DerefMut;

/// What is the same of a vector and of pages.
pub(crate) trait Held<T>: DerefMut<Target = [T]> + Default + From<Vec<T>> {
    fn capacity(&self) -> usize;

    /// So many values from `at` on, all of which must be there.
    #[cfg_attr(target_arch = "wasm32", inline)]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn slice(&self, at: usize, len: usize) -> &[T] {
        &self[at..at + len]
    }
}

impl<T> Held<T> for Vec<T> {
    #[inline]
    fn capacity(&self) -> usize {
        self.capacity()
    }
}

/// Makes room in a piece of rows for so many values more, of which there will be `whole` at most.
#[cfg(any(not(feature = "mmap"), target_arch = "wasm32"))]
#[inline]
pub(crate) fn reserve_within<T>(
    values: &mut Pages<T>,
    additional: usize,
    _whole: Option<usize>,
    _is_first: bool,
) -> Result<(), crate::types::OutOfMemory> {
    Ok(values.try_reserve_exact(additional)?)
}
