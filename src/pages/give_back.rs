//! Gives the end of a mapping back to the system, while the rest stays in place.

#![allow(unsafe_code, reason = "the system is told to take pages away; the argument is with the call")]

use memmap2::MmapMut;

/// The longest page on any supported processor, apart from huge ones, which the system splits.
const MOST_PAGE_BYTES: usize = 64 << 10;

/// Gives back the whole pages of an anonymous mapping from byte `from` on. They read as zeros when they are next used.
/// Returns false if the system refused.
pub(super) fn give_back(map: &mut MmapMut, from: usize) -> bool {
    let start = from.next_multiple_of(MOST_PAGE_BYTES);
    let Some(len) = map.len().checked_sub(start).filter(|len| *len > 0) else { return true };
    // SAFETY: the mapping is private, anonymous and borrowed for writing, so no other reference sees its bytes change.
    // From `start`, where a page begins, to its end they become zeros, which are valid values of bytes.
    unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, len) }.is_ok()
}
