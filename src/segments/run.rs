//! Contiguous values: owned, in a vector or in pages, or mapped until the first of them changes.

use super::mapped::Mapped;
use crate::pages::Held;
use bytemuck::Pod;

/// Contiguous values of one type. `O` holds them when they are owned.
#[derive(Debug)]
pub(crate) enum Run<T, O = Vec<T>> {
    Owned(O),
    #[cfg_attr(not(feature = "mmap"), expect(dead_code, reason = "nothing is mapped without the feature"))]
    Mapped(Mapped<T>),
}

impl<T, O: Default> Default for Run<T, O> {
    fn default() -> Self {
        Self::Owned(O::default())
    }
}

impl<T: Pod, O: Held<T>> Run<T, O> {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            Self::Mapped(mapped) => mapped.as_slice(),
        }
    }

    /// `len` values from `at` on, all of which must exist.
    #[cfg_attr(target_arch = "wasm32", inline)]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(crate) fn slice(&self, at: usize, len: usize) -> &[T] {
        match self {
            Self::Owned(values) => values.slice(at, len),
            Self::Mapped(mapped) => &mapped.as_slice()[at..at + len],
        }
    }

    /// The values, for writing. Mapped values are copied first, by an allocation that aborts the program if it fails:
    /// otherwise every change of a mapped index would have to reserve each segment that it may touch in advance.
    #[inline]
    pub(crate) fn to_mut(&mut self) -> &mut O {
        if let Self::Mapped(mapped) = self {
            *self = Self::Owned(mapped.as_slice().to_vec().into());
        }
        loop {
            match self {
                Self::Owned(values) => return values,
                Self::Mapped(_) => *self = Self::default(),
            }
        }
    }

    /// Bytes of memory held, spare room included. Mapped values belong to the system and do not count. Not inlined: the
    /// compiler would vectorize sums of such numbers, which is fast but long (size).
    #[inline(never)]
    pub(crate) fn resident_bytes(&self) -> usize {
        match self {
            Self::Owned(values) => values.capacity() * size_of::<T>(),
            Self::Mapped(_) => 0,
        }
    }
}
