//! Giving stale bytes back: one stale slab after another is emptied into the open slab and dropped.
//!
//! 1. The plan: the slabs that have stale bytes now, the most stale first.
//! 2. Every live record of a slab is copied to the open slab, the copy is compared with the original, and only then
//!    does the slot point to the copy.
//! 3. A slab without live records is dropped; its index is used again.
//! 4. When the plan is done, the open slab's spare room is given back.
//!
//! Between two steps everything is legal, reads, appends, removes and swaps, and dropping the [`Evacuation`] too: a
//! record is in its old place or in its new one, and the half-emptied slab's stale bytes are counted. At most one slab
//! is held beyond what was held before, and beyond that only the tails that records of unlike length leave in it.

use super::slab::SlabName;
use super::warm::WarmArena;
use crate::types::{OutOfMemory, Slot};

/// Cost of passing over a stale record, in the unit of a step's budget: about the time of copying as many bytes.
const STALE_RECORD_COST_BYTES: usize = 64;
/// Cost of dropping a slab, likewise.
const DROP_COST_BYTES: usize = 16 * 1024;

/// Why a record was not moved. All records are as before, and the same step may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MoveError {
    /// No memory for another slab.
    OutOfMemory,
    /// The copy of this slot's record differs from the original, which stays in use: the memory is faulty.
    CopyDiffers(Slot),
    /// The record of this slot, in a mapped file, is malformed.
    Malformed(Slot),
}

impl From<OutOfMemory> for MoveError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

/// A resumable job. It holds no part of the arena.
#[derive(Debug)]
pub(crate) struct Evacuation {
    plan: Vec<SlabName>,
    next: usize,
    /// Word in the slab `plan[next]` up to which its records have been moved.
    offset: usize,
    done_bytes: usize,
    total_bytes: usize,
    reclaimed_bytes: i64,
}

impl Evacuation {
    /// Plans to empty every slab that has at least `min_stale_bytes` of stale bytes; 0 for every slab that has any.
    pub(crate) fn plan<const BITS: u32>(arena: &WarmArena<BITS>, min_stale_bytes: usize) -> Result<Self, OutOfMemory> {
        let plan = arena.slabs.stale(min_stale_bytes.div_ceil(size_of::<u32>()))?;
        let total_bytes = plan.iter().map(|&slab| arena.slabs.used_bytes(slab)).sum();
        Ok(Self { plan, next: 0, offset: 0, done_bytes: 0, total_bytes, reclaimed_bytes: 0 })
    }

    /// Works for about as long as copying `budget_bytes` takes, and on at least one record. Returns false when done.
    pub(crate) fn step<const BITS: u32>(
        &mut self,
        arena: &mut WarmArena<BITS>,
        budget_bytes: usize,
    ) -> Result<bool, MoveError> {
        let before = arena.slabs.resident_bytes();
        let outcome = self.run(arena, budget_bytes);
        self.reclaimed_bytes += before as i64 - arena.slabs.resident_bytes() as i64;
        outcome
    }

    fn run<const BITS: u32>(&mut self, arena: &mut WarmArena<BITS>, budget_bytes: usize) -> Result<bool, MoveError> {
        let mut spent = 0;
        while let Some(&slab) = self.plan.get(self.next) {
            if spent >= budget_bytes.max(1) {
                return Ok(true);
            }
            spent += self.advance(arena, slab)?;
        }
        arena.slabs.release_spares();
        Ok(false)
    }

    /// Moves or passes over the next record of `slab`, or drops the slab, and returns the cost.
    fn advance<const BITS: u32>(&mut self, arena: &mut WarmArena<BITS>, slab: SlabName) -> Result<usize, MoveError> {
        let Some((used, live)) = arena.slabs.begin(slab) else {
            self.leave(0);
            return Ok(0);
        };
        if live == 0 {
            arena.slabs.drop_slab(slab);
            self.leave(used);
            return Ok(DROP_COST_BYTES);
        }
        let Some((words, slot, live_position)) = arena.walk(slab, self.offset).filter(|_| self.offset < used) else {
            self.leave(used);
            return Ok(0);
        };
        let bytes = words * size_of::<u32>();
        let Some(position) = live_position else {
            self.offset += words;
            self.done_bytes += bytes;
            return Ok(STALE_RECORD_COST_BYTES);
        };
        let copy = arena.slabs.copy(position, words)?.ok_or(MoveError::CopyDiffers(slot))?;
        arena.repoint(slot, copy);
        self.offset += words;
        self.done_bytes += bytes;
        Ok(bytes)
    }

    /// Goes on to the next slab of the plan, from one of `used` words.
    fn leave(&mut self, used: usize) {
        self.done_bytes += used.saturating_sub(self.offset) * size_of::<u32>();
        self.next += 1;
        self.offset = 0;
    }

    /// Bytes of the planned slabs passed so far.
    pub(crate) fn done_bytes(&self) -> usize {
        self.done_bytes.min(self.total_bytes)
    }

    /// Bytes of the planned slabs.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(super) const fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    /// Bytes freed so far less bytes allocated for the copies; 0 while the copies need more.
    pub(crate) fn reclaimed_bytes(&self) -> usize {
        usize::try_from(self.reclaimed_bytes).unwrap_or(0)
    }

    /// Bytes freed less bytes allocated so far, in all steps: below 0 while the copies need more.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(super) const fn signed(&self) -> i64 {
        self.reclaimed_bytes
    }
}
