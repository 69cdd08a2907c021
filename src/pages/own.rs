//! Contiguous values, as in a vector: in the allocator's memory while they are short, then in a mapping.

use super::Held;
#[cfg(target_os = "linux")]
use super::give_back::give_back;
use crate::types::OutOfMemory;
use crate::wipe;
use bytemuck::Pod;
use core::ops::{Deref, DerefMut};
use memmap2::MmapMut;

/// Values of at least this many bytes get a mapping. For shorter ones, the system calls would cost more than they gain.
const LEAST_BYTES: usize = 256 << 10;

/// An anonymous mapping. Pages of it that were never written take no memory.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: MmapMut,
    len: usize,
    /// How many values there is room for. The mapping may be longer: the rest was never written, or was given back.
    capacity: usize,
}

impl Mapping {
    #[inline(always)]
    fn all<T: Pod>(&self) -> &[T] {
        // A mapping begins at the start of a page, and is as long as its values.
        bytemuck::try_cast_slice(&self.map).unwrap_or_default()
    }

    #[inline]
    fn all_mut<T: Pod>(&mut self) -> &mut [T] {
        bytemuck::try_cast_slice_mut(&mut self.map).unwrap_or_default()
    }
}

/// Contiguous values, held as the module documentation describes. The methods are those of [`Vec`] of the same names.
#[derive(Debug)]
pub(crate) enum Pages<T> {
    Heap(Vec<T>),
    Mapped(Mapping),
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Pages<T> {
    pub(crate) const fn new() -> Self {
        Self::Heap(Vec::new())
    }

    pub(crate) const fn capacity(&self) -> usize {
        match self {
            Self::Heap(values) => values.capacity(),
            Self::Mapped(mapping) => mapping.capacity,
        }
    }
}

impl<T: Pod> Pages<T> {
    /// Makes room for `additional` more values, leaving no copy of the present ones where they were.
    pub(crate) fn try_reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        self.reserve(additional, anonymous)
    }

    /// Makes room for `additional` more values, leaving no copy of the present ones where they were. If a new mapping
    /// is needed, `map` makes it, of at least the given number of bytes.
    pub(super) fn reserve(
        &mut self,
        additional: usize,
        map: impl FnOnce(usize) -> Result<MmapMut, OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        let needed = self.len().checked_add(additional).ok_or(OutOfMemory)?;
        if needed <= self.capacity() {
            return Ok(());
        }
        if let Self::Mapped(mapping) = self
            && needed <= mapping.all::<T>().len()
        {
            mapping.capacity = needed;
            return Ok(());
        }
        let bytes = needed.checked_mul(size_of::<T>()).ok_or(OutOfMemory)?;
        match self {
            Self::Heap(values) if bytes < LEAST_BYTES => wipe::reserve_exact(values, additional),
            _ => {
                let mut mapping = Mapping { map: map(bytes)?, len: self.len(), capacity: needed };
                if let Some(start) = mapping.all_mut::<T>().get_mut(..self.len()) {
                    start.copy_from_slice(self);
                }
                wipe::wipe(self);
                *self = Self::Mapped(mapping);
                Ok(())
            }
        }
    }

    /// Appends values. Room must have been made for them.
    pub(crate) fn extend_from_slice(&mut self, more: &[T]) {
        let len = self.len();
        debug_assert!(len + more.len() <= self.capacity());
        match self {
            Self::Heap(values) => values.extend_from_slice(more),
            Self::Mapped(mapping) => {
                if let Some(room) = mapping.all_mut::<T>().get_mut(len..len + more.len()) {
                    room.copy_from_slice(more);
                    mapping.len = len + more.len();
                }
            }
        }
    }

    /// Sets the number of values. Room must have been made for new ones.
    pub(crate) fn resize(&mut self, len: usize, value: T) {
        debug_assert!(len <= self.capacity());
        match self {
            Self::Heap(values) => values.resize(len, value),
            Self::Mapped(mapping) => {
                let before = mapping.len;
                if len <= mapping.all::<T>().len() {
                    mapping.len = len;
                    self.get_mut(before..).unwrap_or_default().fill(value);
                }
            }
        }
    }

    /// Drops the values from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        match self {
            Self::Heap(values) => values.truncate(len),
            Self::Mapped(mapping) => mapping.len = mapping.len.min(len),
        }
    }

    /// Gives back spare room: in place for a mapping whose end the system takes back, otherwise by copying.
    pub(crate) fn shrink_to_fit(&mut self) {
        if let Self::Heap(values) = self {
            return values.shrink_to_fit();
        }
        #[cfg(target_os = "linux")]
        if let Self::Mapped(Mapping { map, len, capacity }) = self
            && give_back(map, *len * size_of::<T>())
        {
            *capacity = *len;
            return;
        }
        self.shrink_by_copying();
    }

    /// Gives back spare room by copying. When there is no memory for the shorter copy, the longer one stays.
    fn shrink_by_copying(&mut self) {
        let mut shorter = Self::new();
        if self.capacity() > self.len() && shorter.try_reserve_exact(self.len()).is_ok() {
            shorter.extend_from_slice(self);
            wipe::wipe(self);
            *self = shorter;
        }
    }
}

impl<T: Pod> Deref for Pages<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::Heap(values) => values,
            Self::Mapped(mapping) => mapping.all().get(..mapping.len).unwrap_or_default(),
        }
    }
}

impl<T: Pod> DerefMut for Pages<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Heap(values) => values,
            Self::Mapped(mapping) => {
                let len = mapping.len;
                mapping.all_mut().get_mut(..len).unwrap_or_default()
            }
        }
    }
}

impl<T> From<Vec<T>> for Pages<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Heap(values)
    }
}

impl<T: Pod> Held<T> for Pages<T> {
    fn capacity(&self) -> usize {
        self.capacity()
    }

    #[inline(always)]
    fn slice(&self, at: usize, len: usize) -> &[T] {
        match self {
            Self::Heap(values) => &values[at..at + len],
            // On the path of every distance, so only the mapping's end is checked, not the last value, and the cast has
            // no fallback: a mapping begins at the start of a page and is whole pages, so the cast always succeeds.
            Self::Mapped(mapping) => &bytemuck::cast_slice(&mapping.map)[at..at + len],
        }
    }
}

/// Gives back the spare room of a piece of rows. Not by `shrink_to_fit` for a vector: values aligned beyond the
/// allocator's own alignment are copied to be shrunk, and a failed allocation would abort the program.
pub(crate) fn shrink<T: Pod>(values: &mut Pages<T>) {
    match values {
        Pages::Heap(values) => super::shrink_vector(values),
        Pages::Mapped(_) => values.shrink_to_fit(),
    }
}

pub(super) fn anonymous(bytes: usize) -> Result<MmapMut, OutOfMemory> {
    MmapMut::map_anon(bytes).map_err(|_| OutOfMemory)
}

/// [`Pages::try_reserve_exact`] as a function, like that of `wipe` for vectors.
#[cfg(not(target_os = "linux"))]
#[inline]
pub(crate) fn reserve_exact<T: Pod>(values: &mut Pages<T>, additional: usize) -> Result<(), OutOfMemory> {
    values.try_reserve_exact(additional)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pages::reserve_within;
    use proptest::prelude::*;

    proptest! {
        /// Short or long, the values are those of a vector after the same operations.
        #[test]
        fn they_are_what_a_vector_is(changes in prop::collection::vec((0usize..6, 0usize..90_000), 1..30)) {
            let (mut pages, mut vector) = (Pages::<u32>::new(), Vec::new());
            for (number, (kind, amount)) in changes.into_iter().enumerate() {
                let value = number as u32 + 1;
                match kind {
                    0 => {
                        pages.try_reserve_exact(amount).unwrap();
                        prop_assert!(pages.capacity() >= pages.len() + amount);
                        pages.extend_from_slice(&vec![value; amount]);
                        vector.extend_from_slice(&vec![value; amount]);
                    }
                    1 => {
                        pages.try_reserve_exact(amount).unwrap();
                        pages.resize(pages.len() + amount, value);
                        vector.resize(vector.len() + amount, value);
                    }
                    5 => {
                        let whole = [None, Some(100), Some(2_000_000)][amount % 3];
                        let made = reserve_within(&mut pages, amount, whole, amount % 2 == 0);
                        prop_assert_eq!(made.is_ok(), whole.is_some() || !cfg!(target_os = "linux"));
                        prop_assert!(made.is_err() || pages.capacity() >= pages.len() + amount);
                    }
                    2 => {
                        let len = amount.min(vector.len());
                        pages.resize(len, value);
                        vector.resize(len, value);
                    }
                    3 => {
                        pages.truncate(amount);
                        vector.truncate(amount);
                    }
                    _ => {
                        pages.shrink_to_fit();
                        prop_assert_eq!(pages.capacity(), pages.len());
                    }
                }
                if let Some(last) = pages.last_mut() {
                    *last += 7;
                    *vector.last_mut().unwrap() += 7;
                }
                prop_assert!(*pages == *vector);
            }
        }
    }

    /// What happens where the system does not take back the end of a mapping.
    #[test]
    fn shortened_by_copying_it_holds_no_more_than_its_values() {
        let mut pages = Pages::<u32>::new();
        for (room, len) in [(500_000, 499_999), (500_000, 70_000), (500_000, 7), (500_000, 0), (9, 9), (9, 3)] {
            pages.truncate(0);
            pages.try_reserve_exact(room).unwrap();
            pages.resize(len, 7);
            pages.shrink_by_copying();
            assert_eq!((pages.len(), pages.capacity()), (len, len));
            assert!(pages.iter().all(|&value| value == 7));
        }
    }

    #[test]
    fn what_no_system_has_is_refused() {
        let mut pages = Pages::<u64>::new();
        for len in [1 << 50, usize::MAX / 8, usize::MAX] {
            assert_eq!(pages.try_reserve_exact(len), Err(OutOfMemory));
        }
        assert_eq!((pages.len(), pages.capacity()), (0, 0));
    }
}
