//! Values in a row: a vector or pages of their own, or what is mapped until the first of them changes.

use super::mapped::Mapped;
use crate::pages::Held;
use bytemuck::Pod;

/// Values of one kind, one after the other, that are held as `O` has them.
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

    /// So many values from `at` on, all of which must be there.
    #[cfg_attr(target_arch = "wasm32", inline)]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(crate) fn slice(&self, at: usize, len: usize) -> &[T] {
        match self {
            Self::Owned(values) => values.slice(at, len),
            Self::Mapped(mapped) => &mapped.as_slice()[at..at + len],
        }
    }

    /// The values, to be changed. Mapped values are copied first, by an allocation that ends the program when it is
    /// refused: otherwise every change of a mapped index would have to reserve, beforehand, each segment that it is
    /// going to touch.
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

    /// Bytes of memory held, spare room included. What is mapped is the system's. Not inlined: in sums of such numbers the
    /// compiler would use vectors, which are fast and long.
    #[inline(never)]
    pub(crate) fn resident_bytes(&self) -> usize {
        match self {
            Self::Owned(values) => values.capacity() * size_of::<T>(),
            Self::Mapped(_) => 0,
        }
    }
}
