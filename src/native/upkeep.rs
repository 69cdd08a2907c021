//! Compaction without being asked for: a thread that looks from time to time whether it would pay.

use super::SharedIndex;
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

/// A thread that looks after an index. Dropping this ends it: after the slice that it is at, or after what it is writing to a
/// store, for which the drop waits. A compaction that is cut off so stays where it is, and goes on with the next.
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
    /// Starts a thread that calls `look` at once and then after each interval, and tells `on_report` what comes of it.
    fn start(
        interval: Duration,
        mut look: impl FnMut(&Ending) -> Result<Option<CompactionReport>, Error> + Send + 'static,
        mut on_report: impl FnMut(Result<CompactionReport, Error>) + Send + 'static,
    ) -> Result<Self, Error> {
        let ending = Arc::new(Ending::default());
        let theirs = Arc::clone(&ending);
        let work = move || {
            loop {
                if let Some(report) = look(&theirs).transpose() {
                    on_report(report);
                }
                if theirs.within(interval) {
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
    /// Compacts if that would pay. None when it would not, or when the end has come first.
    fn compact_if_needed(&self, slice_ms: f64, ending: &Ending) -> Result<Option<CompactionReport>, Error> {
        if ending.has_come() || !self.read(Index::needs_compaction) {
            return Ok(None);
        }
        self.compact_until(slice_ms, || ending.has_come())
    }
}

impl SharedIndex {
    /// Compacts whenever that would pay ([`Index::needs_compaction`]), in a thread of its own, as long as what is returned
    /// lives: at once, and then after each interval. `on_report` is told of each compaction that ended or failed; a failure leaves the
    /// index as it was, and the next interval tries again.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when the system starts no thread.
    pub fn compact_when_needed(
        &self,
        options: UpkeepOptions,
        on_report: impl FnMut(Result<CompactionReport, Error>) + Send + 'static,
    ) -> Result<Upkeep, Error> {
        let index = self.clone();
        let look = move |ending: &Ending| index.compact_if_needed(options.slice_ms, ending);
        Upkeep::start(options.interval, look, on_report)
    }
}

impl<S: Store + Send + 'static> SharedIndex<S> {
    /// [`SharedIndex::compact_when_needed`], each compaction brought to its end in the store; and writes the checkpoints that
    /// are due ([`StoredIndex::checkpoint_due`](crate::StoredIndex::checkpoint_due)). Commits wait while it writes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when the system starts no thread.
    pub fn maintain_when_needed(
        &self,
        options: UpkeepOptions,
        on_report: impl FnMut(Result<CompactionReport, Error>) + Send + 'static,
    ) -> Result<Upkeep, Error> {
        let index = self.clone();
        let look = move |ending: &Ending| {
            // The long part first, for which no commit has to wait.
            let Some(mut report) = index.compact_if_needed(options.slice_ms, ending)? else {
                let is_due = !ending.has_come() && index.read(Index::checkpoint_due);
                return if is_due { index.checkpoint().map(|()| None) } else { Ok(None) };
            };
            report.reclaimed_bytes.cold = index.complete()? as usize;
            Ok(Some(report))
        };
        Upkeep::start(options.interval, look, on_report)
    }
}
