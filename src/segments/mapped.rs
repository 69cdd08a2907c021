//! Values that lie in bytes of somebody else's: a mapped file, or any bytes that are taken for one.

use bytemuck::Pod;
use core::marker::PhantomData;

/// Bytes that are borrowed, shared and never change, as values.
#[cfg(feature = "mmap")]
#[derive(Clone, Debug)]
pub(crate) struct Mapped<T> {
    bytes: bytes::Bytes,
    values: PhantomData<T>,
}

#[cfg(feature = "mmap")]
impl<T: Pod> Mapped<T> {
    /// None unless the bytes are whole values where such may lie in memory.
    pub(crate) fn new(bytes: bytes::Bytes) -> Option<Self> {
        bytemuck::try_cast_slice::<u8, T>(&bytes).ok()?;
        Some(Self { bytes, values: PhantomData })
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        // As has been seen when it was made.
        bytemuck::try_cast_slice(&self.bytes).unwrap_or_default()
    }
}

/// There is nothing mapped without the feature.
#[cfg(not(feature = "mmap"))]
#[derive(Clone, Debug)]
pub(crate) struct Mapped<T> {
    never: core::convert::Infallible,
    values: PhantomData<T>,
}

#[cfg(not(feature = "mmap"))]
impl<T: Pod> Mapped<T> {
    #[inline]
    pub(crate) const fn as_slice(&self) -> &[T] {
        match self.never {}
    }
}
