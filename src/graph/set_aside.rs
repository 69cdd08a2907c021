//! What a search leaves out of its pool for the sake of twins, and what it has no room for.

use super::pool_entry::PoolEntry;
use super::twins::{TWINS_IN_POOL, Twins};
use crate::order::sort_numbers;
use crate::types::{Candidate, OutOfMemory};

/// The most twins that a search for links walks over. Without a limit, an insert into one of a few large sets of twins
/// would take time proportional to the set.
const MOST_WALKED: usize = 64;

/// Twins that wait until nothing else is left to follow, and the nearest entry that there was no room for.
#[derive(Debug, Default)]
pub(super) struct SetAside {
    /// Which twins the pool takes.
    which: Twins,
    /// How many twins the pool keeps before further ones are set aside.
    most: usize,
    /// More than `ef` are kept, because many may be deleted, and the path to the others leads through those.
    waiting: Vec<u64>,
    /// How many may wait. When there are as many, only the nearest half is kept.
    limit: usize,
    /// How many were walked over.
    walked: usize,
    /// The nearest entry that there was no room for.
    nearest_lost: u64,
}

impl SetAside {
    /// Begins a search whose pool holds at most `limit` entries.
    pub(super) fn begin(&mut self, which: Twins, limit: usize) -> Result<(), OutOfMemory> {
        self.which = which;
        self.most = if which == Twins::All { usize::MAX } else { TWINS_IN_POOL };
        self.waiting.clear();
        self.limit = limit;
        self.walked = 0;
        self.nearest_lost = u64::MAX;
        if which != Twins::All {
            self.waiting.try_reserve(limit)?;
        }
        Ok(())
    }

    /// How many twins the pool keeps before further ones are set aside.
    #[inline(always)]
    pub(super) const fn most_in_pool(&self) -> usize {
        self.most
    }

    /// Sets an entry aside.
    #[cold]
    pub(super) fn put(&mut self, entry: PoolEntry) {
        if self.waiting.len() == self.limit {
            sort_numbers(&mut self.waiting);
            let kept = self.limit / 2;
            if let Some(&nearest) = self.waiting.get(kept) {
                self.lose(PoolEntry(nearest));
            }
            self.waiting.truncate(kept);
        }
        self.waiting.push(entry.0);
    }

    /// Notes that there was no room for an entry.
    #[cold]
    pub(super) fn lose(&mut self, entry: PoolEntry) {
        self.nearest_lost = self.nearest_lost.min(entry.0);
    }

    /// Returns true when a search of [`Twins::FewFirst`] has left out an entry before `bound`.
    pub(super) fn has_lost(&self, bound: u64) -> bool {
        self.which == Twins::FewFirst && self.nearest_lost < bound
    }

    /// Takes out the twins that wait in a search of [`Twins::FewFirst`], in order; from then on the pool keeps all. The
    /// list comes back by [`SetAside::put_back`]. `None` in other searches.
    pub(super) fn take_sorted(&mut self) -> Option<Vec<u64>> {
        if self.which != Twins::FewFirst {
            return None;
        }
        if self.most < usize::MAX && self.waiting.is_empty() {
            // No twin was set aside, so no entry was left out because of twins.
            self.nearest_lost = u64::MAX;
        }
        self.most = usize::MAX;
        let mut waiting = core::mem::take(&mut self.waiting);
        sort_numbers(&mut waiting);
        Some(waiting)
    }

    /// Takes back the emptied list of [`SetAside::take_sorted`], for its memory.
    pub(super) fn put_back(&mut self, emptied: Vec<u64>) {
        self.waiting = emptied;
    }

    /// The next twin that a search for links walks over, if it may walk over another.
    #[cold]
    pub(super) fn next_to_walk(&mut self) -> Option<Candidate> {
        if self.which != Twins::Few || self.walked == MOST_WALKED {
            return None;
        }
        self.walked += 1;
        Some(PoolEntry(self.waiting.pop()?).candidate())
    }

    /// Bytes held.
    pub(super) const fn resident_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<u64>()
    }
}
