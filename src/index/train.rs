//! The training of product codes, a little at a time, once there are enough records for it.

use super::{Error, Index};
use crate::quantize::TRAINING_VECTORS;
#[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
use crate::types::OutOfMemory;

impl Index {
    /// Begins the training of product codes once there are enough records. The training begins later when a checkpoint
    /// is being written, because all records must be linked when it ends, or when there is no room for the deletions
    /// that may come before the next insert, which would have to wait from here on.
    pub(super) fn owe_training(&mut self) {
        let is_writing = self.journal().is_some_and(|journal| journal.writing.is_some());
        if self.pending.trains || is_writing || !self.parts.codes.is_untrained() || self.len() < TRAINING_VECTORS {
            return;
        }
        // Set first, so that `reserve_pending` records which slots are live.
        self.pending.trains = true;
        self.pending.trains = self.reserve_pending(0).is_ok();
        // The sample is taken at once, since most records may be deleted before the next step. If there is no memory
        // for it, the next step reports that and tries again.
        drop(self.train_step());
    }

    /// Makes room for `count` deletions, should they have to wait because training begins in the meantime.
    #[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
    pub(super) fn reserve_deletions(&mut self, count: usize) -> Result<(), OutOfMemory> {
        if self.parts.codes.is_untrained() {
            self.pending.queue.reserve_changes(2 * count + self.parts.expiries.len())?;
        }
        Ok(())
    }

    /// Trains product codes a little, if that is left to do. Returns true while more is left.
    pub(super) fn train_step(&mut self) -> Result<bool, Error> {
        self.pending.trains = self.pending.trains && self.parts.codes.train_step(self.parts.tombstones.live_slots())?;
        Ok(self.pending.trains)
    }
}
