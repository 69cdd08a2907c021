//! Compaction without being asked for: a thread that looks from time to time whether it would pay.

use super::SharedIndex;
use super::shared::check_slice;
use crate::compact::CompactionReport;
use crate::index::{Error, Index};
use crate::store::Store;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How a thread looks after an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpkeepOptions {
    /// The time between two looks, and at least so much between two compactions. A second, unless it is said.
    pub interval: Duration,
    /// About how long a compaction keeps others waiting at once, in milliseconds. 4, unless it is said.
    pub slice_ms: f64,
}

impl Default for UpkeepOptions {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), slice_ms: 4.0 }
    }
}

impl UpkeepOptions {
    fn check(self) -> Result<(), Error> {
        if self.interval.is_zero() {
            let (expected, received) = ("more than nothing".to_owned(), format!("{:?}", self.interval));
            return Err(Error::InvalidOption { option: "interval", expected, received });
        }
        check_slice(self.slice_ms)
    }
}

/// A thread that looks after an index, and a share of it. Dropping this ends it: after the slice that it is at, or after what it
/// is writing to a store, or telling `on_report`. The drop waits for that, so nothing may be held meanwhile that the thread
/// needs: not the index (within [`SharedIndex::read`] or [`SharedIndex::change`]), and nothing that `on_report` waits for. A
/// compaction that is cut off so stays where it is, and the next upkeep goes on with it.
///
/// A panic in `on_report` ends the thread. Dropped there, it ends when `on_report` has returned.
#[derive(Debug)]
#[must_use = "dropping it ends the upkeep"]
pub struct Upkeep {
    ending: Arc<Ending>,
    thread: Option<JoinHandle<()>>,
}

/// Whether the thread is to end, for it to wait for.
#[derive(Debug, Default)]
struct Ending {
    has_come: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    fn has_come(&self) -> bool {
        *self.has_come.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn come(&self) {
        *self.has_come.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits for it as long as this. True when it has come.
    fn within(&self, time: Duration) -> bool {
        let has_come = self.has_come.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(has_come, time, |has_come| !*has_come);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Upkeep {
    /// Starts a thread that calls `look` at once and then after each interval, and tells `on_report` what comes of it: of one failure
    /// after another that is the same only once.
    fn start(
        options: UpkeepOptions,
        mut look: impl FnMut(&Ending) -> Result<Option<CompactionReport>, Error> + Send + 'static,
        mut on_report: impl FnMut(Result<CompactionReport, Error>) + Send + 'static,
    ) -> Result<Self, Error> {
        options.check()?;
        let ending = Arc::new(Ending::default());
        let theirs = Arc::clone(&ending);
        let work = move || {
            let mut failed = None;
            loop {
                let looked = look(&theirs);
                let fails = looked.as_ref().err().cloned();
                // What fails as it did at the last look has been told of.
                if let Some(report) = looked.transpose().filter(|_| fails.is_none() || fails != failed) {
                    on_report(report);
                }
                failed = fails;
                if theirs.within(options.interval) {
                    return;
                }
            }
        };
        // A system that starts no thread has no memory for its stack, or too many of them.
        let thread =
            Builder::new().name("thermocline upkeep".to_owned()).spawn(work).map_err(|_| Error::OutOfMemory)?;
        Ok(Self { ending, thread: Some(thread) })
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.ending.come();
        let Some(thread) = self.thread.take() else { return };
        // Whoever drops it in `on_report` would wait for himself.
        if thread.thread().id() != std::thread::current().id() {
            // A panic in `on_report` has been told of by the thread that it ended.
            drop(thread.join());
        }
    }
}

impl<S> SharedIndex<S> {
    /// Compacts if that would pay, or goes on with what was begun. None when neither is so, or when the end has come first.
    fn compact_if_needed(&self, slice_ms: f64, ending: &Ending) -> Result<Option<CompactionReport>, Error> {
        let is_needed = |index: &Index| index.needs_compaction() || index.compact_progress().is_some();
        if ending.has_come() || !self.read(is_needed) {
            return Ok(None);
        }
        self.compact_until(slice_ms, || ending.has_come())
    }
}

impl SharedIndex {
    /// Compacts whenever that would pay ([`Index::needs_compaction`]), in a thread of its own, as long as what is returned
    /// lives: at once, and then after each interval. `on_report` is told of each compaction that ended, and of a failure once,
    /// until it is another or something went well in between. A failure loses nothing, and is tried again after the next interval, as
    /// long as that takes.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an interval of nothing, and slices that are not above 0 ms; [`Error::OutOfMemory`] when the
    /// system starts no thread.
    pub fn compact_when_needed(
        &self,
        options: UpkeepOptions,
        on_report: impl FnMut(Result<CompactionReport, Error>) + Send + 'static,
    ) -> Result<Upkeep, Error> {
        let index = self.clone();
        let look = move |ending: &Ending| index.compact_if_needed(options.slice_ms, ending);
        Upkeep::start(options, look, on_report)
    }
}

impl<S: Store + Send + 'static> SharedIndex<S> {
    /// [`SharedIndex::compact_when_needed`], each compaction brought to its end in the store; and writes the checkpoints that
    /// are due ([`StoredIndex::checkpoint_due`](crate::StoredIndex::checkpoint_due)), of which `on_report` hears when they fail. What
    /// else needs the store waits while it is written to: commits, and searches for records that are not in memory.
    ///
    /// # Errors
    /// As [`SharedIndex::compact_when_needed`]; [`Error::ReadOnly`], and what the store has failed with.
    pub fn maintain_when_needed(
        &self,
        options: UpkeepOptions,
        on_report: impl FnMut(Result<CompactionReport, Error>) + Send + 'static,
    ) -> Result<Upkeep, Error> {
        self.read(Index::check_writable)?;
        let index = self.clone();
        // What was compacted in memory, and not in the store yet.
        let mut unfinished = None;
        let look = move |ending: &Ending| {
            // The long part first, for which no commit has to wait.
            let compacted = index.compact_if_needed(options.slice_ms, ending);
            if let Ok(Some(report)) = compacted {
                unfinished = Some(report);
            }
            if ending.has_come() {
                return Ok(None);
            }
            if let Some(mut report) = unfinished {
                report.reclaimed_bytes.cold = index.complete()? as usize;
                unfinished = None;
                return Ok(Some(report));
            }
            // Also beside a compaction that fails for want of memory: a checkpoint gives some up.
            if index.read(Index::checkpoint_due) {
                index.checkpoint()?;
            }
            compacted
        };
        Upkeep::start(options, look, on_report)
    }
}
