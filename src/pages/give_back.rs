//! The end of a mapping goes back to the system, while the rest stays where it is.

#![allow(unsafe_code, reason = "the system is told to take pages away; the argument is with the call")]

use memmap2::MmapMut;

/// No page is longer, on any processor that is built for. Huge ones are taken apart by the system.
const MOST_PAGE_BYTES: usize = 64 << 10;

/// Gives back the pages of an anonymous mapping from byte `from` on, as far as they are whole; they are zeros when they are next
/// asked for. False when nothing was given back.
pub(super) fn give_back(map: &mut MmapMut, from: usize) -> bool {
    let start = from.next_multiple_of(MOST_PAGE_BYTES);
    let Some(len) = map.len().checked_sub(start).filter(|len| *len > 0) else { return true };
    // SAFETY: the mapping is private, anonymous and borrowed for writing, so its bytes change under no other reference;
    // from `start`, where a page begins, to its end they become zeros, which are values of the bytes that it is a slice
    // of.
    unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, len) }.is_ok()
}
