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
pub(crate) use own::{Pages, reserve_exact};

#[cfg(all(feature = "mmap", not(target_arch = "wasm32")))]
mod own;
