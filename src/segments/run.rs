//! The values of one segment: a vector, or what is mapped until the first of them changes.

use super::mapped::Mapped;
use bytemuck::Pod;

/// Values of one kind, one after the other.
#[derive(Debug)]
pub(crate) enum Run<T> {
    Owned(Vec<T>),
    #[cfg_attr(not(feature = "mmap"), expect(dead_code, reason = "nothing is mapped without the feature"))]
    Mapped(Mapped<T>),
}

impl<T> Default for Run<T> {
    fn default() -> Self {
        Self::Owned(Vec::new())
    }
}

impl<T: Pod> Run<T> {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            Self::Mapped(mapped) => mapped.as_slice(),
        }
    }

    /// The values, to be changed. What is mapped is copied first, by an allocation that ends the program when it is refused:
    /// whoever changes a mapped index would otherwise have to say beforehand which segments it will be.
    #[inline]
    pub(crate) fn to_mut(&mut self) -> &mut Vec<T> {
        if let Self::Mapped(mapped) = self {
            *self = Self::Owned(mapped.as_slice().to_vec());
        }
        loop {
            match self {
                Self::Owned(values) => return values,
                Self::Mapped(_) => *self = Self::default(),
            }
        }
    }

    /// Bytes of memory held, spare room included. What is mapped is the system's.
    pub(crate) const fn resident_bytes(&self) -> usize {
        match self {
            Self::Owned(values) => values.capacity() * size_of::<T>(),
            Self::Mapped(_) => 0,
        }
    }
}
