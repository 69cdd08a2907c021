//! What the core does not do itself: looking at a clock, and waiting for a store.
//!
//! | file          | what                                                                        |
//! |---------------|-----------------------------------------------------------------------------|
//! | `slices`      | linking and compaction for a given time, by a clock that it is given        |
//! | `time`        | the time of day, by which records expire                                    |
//! | `compact`     | what a compaction does in the store                                         |
//! | `open`        | reading a stored index: the newest checkpoint that is whole, and its logs   |
//! | `records`     | calls that need records from the store                                      |
//! | `compression` | which way to compress blocks pays best on this machine                      |
//! | `stored`      | an index and the store that keeps it                                        |
//! | `identity`    | whether an index is still the one that its store belongs to                 |
//! | `write`       | appending to the log, writing checkpoints                                   |
//!
//! The core returns what must be read or written, the driver has the store do it, and tells the core how that ended.
//! The index is not borrowed meanwhile: the driver reaches it through a [`Host`] between two waits.

mod compact;
mod compression;
mod identity;
mod open;
mod records;
mod slices;
mod stored;
mod time;
mod write;

pub(crate) use compact::{Rewrite, compact, complete};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use identity::Identity;
pub(crate) use open::{create, open};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use records::after;
#[cfg(target_arch = "wasm32")]
pub(crate) use records::{carry_out, read_some};
pub(crate) use records::{export, read_ahead, with_records};
pub use slices::Clock;
pub use stored::{OpenOptions, StoredIndex};
pub use time::WallClock;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use time::{expire, has_expired, system_time_ms};
pub(crate) use write::{checkpoint, commit};

use crate::index::{Error, Index};
use crate::store::StoreError;

/// Gives the driver access to an index between two waits for a store.
pub(crate) trait Host {
    /// Calls `work` with the index, or returns an error when it is not available just now.
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error>;

    /// Tells the index how an append has ended, and returns that. A host whose index may not be available just now must
    /// tell it later: until it knows, it commits nothing else.
    fn tell(&self, appended: Result<(), StoreError>) -> Result<(), Error> {
        self.with(|index| index.journal_mut().map_or(Ok(()), |journal| journal.committed(appended)))
    }

    /// Lets other threads have the index between two slices, where there are threads.
    fn give_way(&self) {}

    /// Milliseconds from some fixed moment, where there is a clock.
    fn clock_ms(&self) -> Option<f64>;
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
