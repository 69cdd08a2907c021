//! Huge pages on Linux, where the system lets programs ask for them: for pieces of rows, each of which is many segments
//! in one mapping, and for slabs of records.

use super::Pages;
use super::own::anonymous;
use crate::types::OutOfMemory;
use bytemuck::Pod;
use memmap2::MmapMut;

/// The size of a huge page, on every supported processor with SIMD.
pub(crate) const HUGE_BYTES: usize = 2 << 20;

/// Makes room in a piece of rows for `additional` more values. There will be at most `whole` in all: the mapping is
/// that long if the system grants it, because pages that are not written take no memory, and then nothing has to be
/// copied again. Huge pages are requested, but not for the start of the first piece: a small index would take a whole
/// one for each of its arrays.
pub(crate) fn reserve_within<T: Pod>(
    values: &mut Pages<T>,
    additional: usize,
    whole: Option<usize>,
    is_first: bool,
) -> Result<(), OutOfMemory> {
    // Linux aligns a mapping of whole huge pages to a huge page.
    let whole_bytes = whole.and_then(|whole| whole.checked_mul(size_of::<T>())).ok_or(OutOfMemory)?;
    let whole_bytes = whole_bytes.checked_next_multiple_of(HUGE_BYTES).ok_or(OutOfMemory)?;
    values.reserve(additional, |bytes| {
        let map = anonymous(whole_bytes.max(bytes)).or_else(|_| anonymous(bytes))?;
        advise_huge(&map, if is_first { HUGE_BYTES } else { 0 });
        Ok(map)
    })
}

/// Makes room in a slab for `additional` more values, as [`Pages::try_reserve_exact`] does. Huge pages are requested if
/// all values together fill whole ones.
pub(crate) fn reserve_slab<T: Pod>(values: &mut Pages<T>, additional: usize) -> Result<(), OutOfMemory> {
    values.reserve(additional, |bytes| {
        let map = anonymous(bytes)?;
        if bytes.is_multiple_of(HUGE_BYTES) {
            advise_huge(&map, 0);
        }
        Ok(map)
    })
}

/// Requests huge pages from `start` on. A system without them ignores the request.
fn advise_huge(map: &MmapMut, start: usize) {
    let _ = map.advise_range(memmap2::Advice::HugePage, start, map.len().saturating_sub(start));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
            pages.shrink_to_fit();
            assert!(pages.as_ptr() == start && pages.iter().all(|&value| value == 7));
            assert_eq!(pages.capacity(), len);
        }
        let more = WHOLE - pages.len();
        reserve_within(&mut pages, more, Some(WHOLE), true).unwrap();
        pages.resize(WHOLE, 8);
        assert!(pages.as_ptr() == start && pages[WHOLE / 2..].iter().all(|&value| value == 8));
    }
}
