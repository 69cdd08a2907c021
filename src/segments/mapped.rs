//! Values that lie in borrowed bytes: a mapped file, or any bytes that stand in for one.

use bytemuck::Pod;
use core::marker::PhantomData;

/// Borrowed, shared bytes that never change, viewed as values.
#[cfg(feature = "mmap")]
#[derive(Clone, Debug)]
pub(crate) struct Mapped<T> {
    bytes: bytes::Bytes,
    values: PhantomData<T>,
}

#[cfg(feature = "mmap")]
impl<T: Pod> Mapped<T> {
    /// Returns `None` unless the bytes are a whole number of values, suitably aligned.
    pub(crate) fn new(bytes: bytes::Bytes) -> Option<Self> {
        bytemuck::try_cast_slice::<u8, T>(&bytes).ok()?;
        Some(Self { bytes, values: PhantomData })
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        // The cast was checked in `new`.
        bytemuck::try_cast_slice(&self.bytes).unwrap_or_default()
    }
}

/// Without the feature `mmap` there are no mapped values.
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
