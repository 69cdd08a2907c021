//! What the core does not do itself: read a clock and wait for a store.
//!
//! | file          | what                                                                        |
//! |---------------|-----------------------------------------------------------------------------|
//! | `slices`      | linking and compaction in slices, timed by the caller's clock               |
//! | `time`        | the time of day, by which records expire                                    |
//! | `compact`     | what a compaction does in the store                                         |
//! | `open`        | reading a stored index: the newest intact checkpoint and its logs           |
//! | `records`     | calls that need records from the store                                      |
//! | `compression` | choosing how to compress blocks on this machine                             |
//! | `stored`      | an index and the store that keeps it                                        |
//! | `identity`    | checking that an index is the one its store belongs to                      |
//! | `write`       | appending to the log, writing checkpoints                                   |
//!
//! The core returns what must be read or written; the driver has the store do it and tells the core the outcome. The
//! index is not borrowed during the wait: the driver reaches it through a [`Host`] between two waits.

mod compact;
mod compression;
mod identity;
mod open;
mod records;
mod slices;
mod stored;
mod time;
mod write;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use compact::commit_and_complete;
pub(crate) use compact::{Rewrite, compact, complete_in_store};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use identity::Identity;
pub(crate) use open::{create, open};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use records::retry_cold;
#[cfg(target_arch = "wasm32")]
pub(crate) use records::{carry_out, read_some};
pub(crate) use records::{export, read_ahead, with_records};
pub use slices::Clock;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use slices::SLICE_MS;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use stored::ClockFunction;
pub use stored::{OpenOptions, StoredIndex};
pub use time::WallClock;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use time::{expire, has_expired, system_time_ms};
pub(crate) use write::{checkpoint, checkpoint_if_due, commit};

use crate::index::{Error, Index};
use crate::store::StoreError;

/// Gives the driver access to an index between two waits for a store.
pub(crate) trait Host {
    /// Calls `work` with the index, or returns an error if the index is currently unavailable.
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error>;

    /// Tells the index the outcome of an append, and returns it. A host whose index may be unavailable must tell it
    /// later: until the index knows the outcome, it commits nothing else.
    fn tell_appended(&self, appended: Result<(), StoreError>) -> Result<(), Error> {
        self.with(|index| index.journal_mut().map_or(Ok(()), |journal| journal.committed(appended)))
    }

    /// Tells the index that its checkpoint of this generation has failed. A host whose index may be unavailable must
    /// tell it later: until the index knows, no product codes are trained.
    fn tell_checkpoint_failed(&self, generation: u64) {
        // An index that cannot be had even so has ended, or is not the one that the checkpoint is of.
        let _ = self.with(|index| {
            index.checkpoint_failed(generation);
            Ok(())
        });
    }

    /// Tells the index that no call is to be repeated for which blocks were read. A host whose index may be unavailable
    /// must tell it later: until the index knows, it exceeds its budget.
    fn tell_retry_ended(&self) {
        // An index that cannot be had even so has ended, or is another one.
        let _ = self.with(|index| {
            index.end_retry();
            Ok(())
        });
    }

    /// Tells how much of what a compaction does in the store is done: a share from 0 to 1.
    fn tell_completed(&self, _share: f64) {}

    /// Lets other threads use the index between two slices, where there are threads.
    fn give_way(&self) {}

    /// Returns the milliseconds since some fixed moment, or `None` without a clock.
    fn clock_ms(&self) -> Option<f64>;
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
