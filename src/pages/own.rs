//! Values in a row, as a vector has them: in memory of the allocator's while they are short, and then in a mapping.

use super::Held;
use super::give_back::give_back;
use crate::types::OutOfMemory;
use crate::wipe;
use bytemuck::Pod;
use core::ops::{Deref, DerefMut};
use memmap2::MmapMut;

/// What is at least this long has a mapping. Shorter pieces would take more calls of the system than they give back.
const LEAST_BYTES: usize = 256 << 10;
/// What a huge page holds, on every processor that is built for with SIMD.
pub(crate) const HUGE_BYTES: usize = 2 << 20;

/// An anonymous mapping, of which pages that were never written to take no memory.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: MmapMut,
    len: usize,
    /// As many values as there is room for. The mapping may be longer: what is beyond was never written to, or was given back.
    capacity: usize,
}

impl Mapping {
    #[inline(always)]
    fn all<T: Pod>(&self) -> &[T] {
        // A mapping begins where a page does, and is as long as its values.
        bytemuck::try_cast_slice(&self.map).unwrap_or_default()
    }

    #[inline]
    fn all_mut<T: Pod>(&mut self) -> &mut [T] {
        bytemuck::try_cast_slice_mut(&mut self.map).unwrap_or_default()
    }
}

/// See the module; for the calls, [`Vec`].
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
    /// Makes room for so many values more, and leaves no copy of those that there are where they were.
    pub(crate) fn try_reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        self.reserve(additional, anonymous)
    }

    fn reserve(
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

    /// Appends values, for which room was made before.
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

    /// Sets how many values there are, with room for new ones made before.
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

    /// Forgets the values from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        match self {
            Self::Heap(values) => values.truncate(len),
            Self::Mapped(mapping) => mapping.len = mapping.len.min(len),
        }
    }

    /// Gives back spare room. What the system does not take back of a mapping stays spare room.
    pub(crate) fn shrink_to_fit(&mut self) {
        match self {
            Self::Heap(values) => values.shrink_to_fit(),
            Self::Mapped(Mapping { map, len, capacity }) => {
                if give_back(map, *len * size_of::<T>()) {
                    *capacity = *len;
                }
            }
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
            // In the way of every distance, so neither the last value is asked for, only the mapping's end, nor is there another
            // answer than its values: it begins where a page does and is whole pages, so the cast is always right.
            Self::Mapped(mapping) => &bytemuck::cast_slice(&mapping.map)[at..at + len],
        }
    }
}

/// Makes room in a piece of rows for so many values more, of which there will be `whole` at most. The mapping is as long as
/// all of them where the system grants it, because what is not written to takes no memory, and nothing has to be copied again. The
/// system is asked for huge pages, but not for the start of the first piece: a small index would take a whole one for each of its
/// arrays.
pub(crate) fn reserve_within<T: Pod>(
    values: &mut Pages<T>,
    additional: usize,
    whole: Option<usize>,
    is_first: bool,
) -> Result<(), OutOfMemory> {
    // Where Linux puts a mapping of whole huge pages is where one begins.
    let whole_bytes = whole.and_then(|whole| whole.checked_mul(size_of::<T>())).ok_or(OutOfMemory)?;
    let whole_bytes = whole_bytes.checked_next_multiple_of(HUGE_BYTES).ok_or(OutOfMemory)?;
    values.reserve(additional, |bytes| {
        let map = anonymous(whole_bytes.max(bytes)).or_else(|_| anonymous(bytes))?;
        advise_huge(&map, if is_first { HUGE_BYTES } else { 0 });
        Ok(map)
    })
}

/// Gives back the spare room of a piece of rows. A vector not by `shrink_to_fit`: what is aligned beyond the allocator's own
/// alignment is copied to be shrunk, and a refusal would be the end of the program.
pub(crate) fn shrink<T: Pod>(values: &mut Pages<T>) {
    match values {
        Pages::Heap(values) => super::shrink_vector(values),
        Pages::Mapped(_) => values.shrink_to_fit(),
    }
}

fn anonymous(bytes: usize) -> Result<MmapMut, OutOfMemory> {
    MmapMut::map_anon(bytes).map_err(|_| OutOfMemory)
}

/// Asks for huge pages from `start` on. A system that has none goes on as it would.
#[cfg(target_os = "linux")]
fn advise_huge(map: &MmapMut, start: usize) {
    let _ = map.advise_range(memmap2::Advice::HugePage, start, map.len().saturating_sub(start));
}

#[cfg(not(target_os = "linux"))]
const fn advise_huge(_map: &MmapMut, _start: usize) {}

/// As [`Pages::try_reserve_exact`]; a vector has it by itself.
#[inline]
pub(crate) fn reserve_exact<T: Pod>(values: &mut Pages<T>, additional: usize) -> Result<(), OutOfMemory> {
    values.try_reserve_exact(additional)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Short or long, they are the values of a vector to which the same is done.
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
                        prop_assert_eq!(made.is_ok(), whole.is_some());
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
                        prop_assert!(pages.capacity() == pages.len() || !cfg!(target_os = "linux"));
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

    /// A compaction drops rows a segment at a time: none of these steps may copy what stays.
    #[test]
    fn a_piece_is_shortened_where_it_lies() {
        const WHOLE: usize = 3 << 20;
        let mut pages = Pages::<u32>::new();
        reserve_within(&mut pages, WHOLE, Some(WHOLE), true).unwrap();
        pages.resize(WHOLE, 7);
        let start = pages.as_ptr();
        for len in (0..WHOLE).rev().step_by(WHOLE / 50) {
            pages.truncate(len);
            shrink(&mut pages);
            assert!(pages.as_ptr() == start && pages.iter().all(|&value| value == 7));
            assert!(pages.capacity() == len || !cfg!(target_os = "linux"));
        }
        let more = WHOLE - pages.len();
        reserve_within(&mut pages, more, Some(WHOLE), true).unwrap();
        pages.resize(WHOLE, 8);
        assert!(pages.as_ptr() == start && pages[WHOLE / 2..].iter().all(|&value| value == 8));
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
