//! Slabs: fixed-size pieces of memory that records are appended to, with counts of their live words.
//!
//! One slab is *open*: records are appended to it until the next one does not fit. Then it is sealed, and another is
//! opened. A record longer than a quarter of the longest slab gets a slab of exactly its own size, so that the tail
//! left empty in a sealed slab is small, and so that moving records never copies a long one: such a slab is all live or
//! all stale.
//!
//! Where a program can ask for huge pages, a slab of a large arena fills one: searches read records from all over it,
//! and a processor holds the translations of few pages at a time. A slab of a small arena is half as long.
//!
//! Counting: every word of a slab is *live* (part of a record that its slot points to), *stale* (part of one that no
//! slot points to), or *spare* (room). `resident = live + stale + spare`, exactly, at every moment.

use crate::order::sort_by;
use crate::pages::{Pages, reserve_slab};
use crate::types::OutOfMemory;

/// log2 of the words in a slab: 2^18 words are 1 MiB, and a huge page has 2. Fewer only in tests.
pub(super) const SLAB_BITS: u32 = if HAS_HUGE_PAGES { 19 } else { 18 };
const HAS_HUGE_PAGES: bool = cfg!(all(feature = "mmap", target_os = "linux"));
/// While an arena holds less than so many of these would, its slabs are half as long: a compaction needs one more.
const FEW_SLABS: usize = 16;
const WORD_BYTES: usize = size_of::<u32>();

/// Identifies a slab for good: its index is reused once the slab is dropped, its birth never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlabName {
    pub(super) index: u32,
    birth: u64,
}

#[derive(Debug, Default)]
struct Slab {
    words: Pages<u32>,
    live_words: usize,
    /// 0 when there is no slab at this index.
    birth: u64,
}

#[cfg(not(target_arch = "wasm32"))]
impl Drop for Slab {
    fn drop(&mut self) {
        crate::wipe::wipe(&mut self.words);
    }
}

#[derive(Debug)]
pub(super) struct Slabs<const BITS: u32> {
    slabs: Vec<Slab>,
    open: Option<usize>,
    births: u64,
    used_words: usize,
    live_words: usize,
    /// The capacity of all slabs, of `spares` and of `oversize` together, in words.
    capacity_words: usize,
    /// Empty slabs of full size, allocated ahead of their use.
    spares: Vec<Pages<u32>>,
    /// The room reserved for the next record that needs a slab of its own.
    oversize: Pages<u32>,
}

impl<const BITS: u32> Slabs<BITS> {
    pub(super) const SLAB_WORDS: usize = 1 << BITS;
    const MAX_SLABS: usize = 1 << (u32::BITS - BITS);
    /// A record of more words gets a slab of its own.
    const MAX_SHARED_WORDS: usize = Self::SLAB_WORDS / 4;

    pub(super) const fn new() -> Self {
        Self {
            slabs: Vec::new(),
            open: None,
            births: 0,
            used_words: 0,
            live_words: 0,
            capacity_words: 0,
            spares: Vec::new(),
            oversize: Pages::new(),
        }
    }

    /// How long the open slab may become.
    const fn full_words(&self) -> usize {
        let is_huge = HAS_HUGE_PAGES && BITS == SLAB_BITS;
        if is_huge && self.used_words < FEW_SLABS << BITS { Self::SLAB_WORDS / 2 } else { Self::SLAB_WORDS }
    }

    /// Makes room for one record of `words` words, so that the next [`Slabs::push`] of that many cannot fail.
    pub(super) fn reserve(&mut self, words: usize) -> Result<(), OutOfMemory> {
        if words > Self::MAX_SHARED_WORDS {
            self.vacancy()?;
            // Room reserved for a much longer record that never came would stay with this one for its whole life.
            if !(words..=words + words / 16).contains(&self.oversize.capacity()) {
                let mut oversize = Pages::new();
                oversize.try_reserve_exact(words)?;
                self.capacity_words = self.capacity_words - self.oversize.capacity() + oversize.capacity();
                self.oversize = oversize;
            }
            return Ok(());
        }
        let full_words = self.full_words();
        match self.open.and_then(|open| self.slabs.get_mut(open)) {
            Some(open) if open.words.len() + words <= full_words.max(open.words.capacity()) => {
                let needed = open.words.len() + words;
                let before = open.words.capacity();
                if before < needed {
                    let size = needed.max(2 * before).min(full_words);
                    let additional = size - open.words.len();
                    reserve_slab(&mut open.words, additional)?;
                    self.capacity_words += open.words.capacity() - before;
                }
                Ok(())
            }
            _ => self.open_slab(words),
        }
    }

    /// Allocates the slabs that `words` more words of records will need beyond the room there is. A hint.
    pub(super) fn reserve_ahead(&mut self, words: usize) -> Result<(), OutOfMemory> {
        let full_words = self.full_words();
        let left = |open: &Slab| full_words.max(open.words.capacity()) - open.words.len();
        let open = self.open.and_then(|open| self.slabs.get(open)).map_or(0, left);
        let room = open + self.spares.len() * Self::SLAB_WORDS;
        let missing = words.saturating_sub(room) / Self::SLAB_WORDS;
        let before = self.spares.len();
        self.spares.try_reserve(missing)?;
        for _ in 0..missing {
            let mut spare = Pages::new();
            if reserve_slab(&mut spare, Self::SLAB_WORDS).is_err() {
                self.drop_spares(before);
                return Err(OutOfMemory);
            }
            self.capacity_words += spare.capacity();
            self.spares.push(spare);
        }
        Ok(())
    }

    /// Gives back all but `kept` of the slabs allocated ahead, and the room for a long record that never came.
    pub(super) fn drop_spares(&mut self, kept: usize) {
        for spare in self.spares.drain(kept.min(self.spares.len())..) {
            self.capacity_words -= spare.capacity();
        }
        if kept == 0 {
            self.spares = Vec::new();
            self.capacity_words -= core::mem::take(&mut self.oversize).capacity();
        }
    }

    /// Returns the lowest index without a slab, with room for it in the table. The lowest, so that the same calls give
    /// the same positions wherever slabs are equally long. O(slabs), once for each slab opened.
    fn vacancy(&mut self) -> Result<usize, OutOfMemory> {
        let index = self.slabs.iter().position(|slab| slab.birth == 0).unwrap_or(self.slabs.len());
        if index >= Self::MAX_SLABS {
            return Err(OutOfMemory);
        }
        if index == self.slabs.len() {
            self.slabs.try_reserve(1)?;
        }
        Ok(index)
    }

    /// Opens a slab with room for `words`. A slab of an arena that holds little starts small and doubles.
    fn open_slab(&mut self, words: usize) -> Result<(), OutOfMemory> {
        let index = self.vacancy()?;
        let buffer = if let Some(spare) = self.spares.pop() {
            spare
        } else {
            let mut buffer = Pages::new();
            reserve_slab(&mut buffer, (self.used_words / 4).min(self.full_words()).max(words))?;
            self.capacity_words += buffer.capacity();
            buffer
        };
        self.seal();
        self.place(index, buffer);
        self.open = Some(index);
        Ok(())
    }

    /// Puts a buffer whose capacity is counted already at a vacant index.
    fn place(&mut self, index: usize, words: Pages<u32>) {
        self.births += 1;
        let slab = Slab { words, live_words: 0, birth: self.births };
        match self.slabs.get_mut(index) {
            Some(vacant) => *vacant = slab,
            None => self.slabs.push(slab),
        }
    }

    /// Closes the open slab. A tail of more than a sixteenth of a slab is given back; a smaller one is kept, because
    /// returning odd pieces would keep the allocator from reusing the whole slab later.
    pub(super) fn seal(&mut self) {
        let full_words = self.full_words();
        if let Some(open) = self.open.take().and_then(|open| self.slabs.get_mut(open)) {
            let before = open.words.capacity();
            if before - open.words.len() > full_words / 16 {
                open.words.shrink_to_fit();
                self.capacity_words -= before - open.words.capacity();
            }
        }
    }

    /// Appends a record of `words` words, which `write` must append to the given vector, and returns its position.
    pub(super) fn push(&mut self, words: usize, write: impl FnOnce(&mut Pages<u32>)) -> Result<u32, OutOfMemory> {
        self.reserve(words)?;
        let index = if words > Self::MAX_SHARED_WORDS {
            let index = self.vacancy()?;
            let oversize = core::mem::take(&mut self.oversize);
            self.place(index, oversize);
            index
        } else {
            self.open.ok_or(OutOfMemory)?
        };
        let slab = self.slabs.get_mut(index).ok_or(OutOfMemory)?;
        let offset = slab.words.len();
        write(&mut slab.words);
        debug_assert_eq!(slab.words.len(), offset + words);
        slab.live_words += words;
        self.used_words += words;
        self.live_words += words;
        // `vacancy` bounds the index and a slab its offset, so that both fit side by side.
        Ok((index << BITS | offset) as u32)
    }

    /// The words from `position` to the end of its slab.
    #[inline]
    pub(super) fn get(&self, position: u32) -> Option<&[u32]> {
        let (index, offset) = Self::split(position);
        self.slabs.get(index)?.words.get(offset..)
    }

    /// The first word at `position`, for writing.
    pub(super) fn first_mut(&mut self, position: u32) -> Option<&mut u32> {
        let (index, offset) = Self::split(position);
        self.slabs.get_mut(index)?.words.get_mut(offset)
    }

    #[inline]
    const fn split(position: u32) -> (usize, usize) {
        ((position >> BITS) as usize, position as usize & (Self::SLAB_WORDS - 1))
    }

    /// Marks the live record of `words` words at `position` as stale.
    pub(super) fn retire(&mut self, position: u32, words: usize) {
        if let Some(slab) = self.slabs.get_mut(Self::split(position).0) {
            slab.live_words -= words;
            self.live_words -= words;
        }
    }

    /// Copies the live record of `words` words at `position` to the open slab and compares the copy. Both count as live
    /// until one of them is retired. Returns `Ok(None)` if the copy differs, and discards it.
    pub(super) fn copy(&mut self, position: u32, words: usize) -> Result<Option<u32>, OutOfMemory> {
        self.reserve(words)?;
        let (from, start) = Self::split(position);
        let to = self.open.ok_or(OutOfMemory)?;
        let Ok([source, target]) = self.slabs.get_disjoint_mut([from, to]) else { return Ok(None) };
        let Some(record) = source.words.get(start..start + words) else { return Ok(None) };
        let offset = target.words.len();
        target.words.extend_from_slice(record);
        // No early exit, so that this compiles to vector instructions. WebAssembly's `memcmp` compares byte by byte.
        let differ = target.words[offset..].iter().zip(record).fold(0, |differ, (a, b)| differ | (a ^ b));
        if differ != 0 {
            target.words.truncate(offset);
            return Ok(None);
        }
        target.live_words += words;
        self.used_words += words;
        self.live_words += words;
        Ok(Some((to << BITS | offset) as u32))
    }

    /// Every slab with at least `min_stale_words` (and at least one) stale words. The stalest come first, to a
    /// sixteenth of a slab: sixteen passes instead of a sort, because a large arena has thousands of slabs.
    pub(super) fn stale(&self, min_stale_words: usize) -> Result<Vec<SlabName>, OutOfMemory> {
        let stale = |slab: &Slab| slab.words.len() - slab.live_words;
        let sixteenths = |slab: &Slab| (stale(slab) / (Self::SLAB_WORDS / 16)).min(15);
        let chosen = || self.slabs.iter().enumerate().filter(|(_, slab)| stale(slab) >= min_stale_words.max(1));
        let mut names = Vec::new();
        names.try_reserve_exact(chosen().count())?;
        for share in (0..16).rev() {
            let alike = chosen().filter(|(_, slab)| sixteenths(slab) == share);
            names.extend(alike.map(|(index, slab)| SlabName { index: index as u32, birth: slab.birth }));
        }
        Ok(names)
    }

    /// Every slab, in the order in which they were opened.
    pub(super) fn oldest(&self) -> Result<Vec<SlabName>, OutOfMemory> {
        let there = || self.slabs.iter().enumerate().filter(|(_, slab)| slab.birth > 0);
        let mut names = Vec::new();
        names.try_reserve_exact(there().count())?;
        names.extend(there().map(|(index, slab)| SlabName { index: index as u32, birth: slab.birth }));
        sort_by(&mut names, |a, b| a.birth < b.birth);
        Ok(names)
    }

    /// Bytes of the records, live and stale, in a slab; 0 when it has been dropped.
    pub(super) fn used_bytes(&self, name: SlabName) -> usize {
        let slab = self.slabs.get(name.index as usize).filter(|slab| slab.birth == name.birth);
        slab.map_or(0, |slab| slab.words.len() * WORD_BYTES)
    }

    /// Closes the slab if it is the open one, and returns its words (all, live); `None` when it has been dropped or has
    /// nothing stale.
    pub(super) fn begin(&mut self, name: SlabName) -> Option<(usize, usize)> {
        let index = name.index as usize;
        let slab =
            self.slabs.get(index).filter(|slab| slab.birth == name.birth && slab.live_words < slab.words.len())?;
        let words = (slab.words.len(), slab.live_words);
        if self.open == Some(index) {
            self.open = None;
        }
        Some(words)
    }

    /// Drops a slab without live words. Returns false and changes nothing if it has some or is gone.
    pub(super) fn drop_slab(&mut self, name: SlabName) -> bool {
        let index = name.index as usize;
        let Some(slab) = self.slabs.get_mut(index).filter(|slab| slab.birth == name.birth && slab.live_words == 0)
        else {
            return false;
        };
        self.used_words -= slab.words.len();
        self.capacity_words -= slab.words.capacity();
        *slab = Slab::default();
        while self.slabs.pop_if(|last| last.birth == 0).is_some() {}
        true
    }

    /// Gives back the slabs allocated ahead, and the open slab's spare room if that is more than an eighth of all
    /// records: a small arena becomes tiny, a large one keeps the room that it is about to use.
    pub(super) fn release_spares(&mut self) {
        self.drop_spares(0);
        if let Some(open) = self.open.and_then(|open| self.slabs.get_mut(open)) {
            let before = open.words.capacity();
            if before - open.words.len() > self.used_words / 8 {
                open.words.shrink_to_fit();
                self.capacity_words -= before - open.words.capacity();
            }
        }
        self.slabs.shrink_to_fit();
    }

    /// Gives back all room not taken by records.
    pub(super) fn tighten(&mut self) {
        self.drop_spares(0);
        for slab in &mut self.slabs {
            let before = slab.words.capacity();
            slab.words.shrink_to_fit();
            self.capacity_words -= before - slab.words.capacity();
        }
    }

    pub(super) const fn stale_bytes(&self) -> usize {
        (self.used_words - self.live_words) * WORD_BYTES
    }

    pub(super) const fn live_bytes(&self) -> usize {
        self.live_words * WORD_BYTES
    }

    /// Bytes of all slabs, spare ones included, and of the tables that hold them.
    pub(super) fn resident_bytes(&self) -> usize {
        let tables = self.slabs.capacity() * size_of::<Slab>() + self.spares.capacity() * size_of::<Pages<u32>>();
        self.capacity_words * WORD_BYTES + tables
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod audit;
