//! Automatic compaction: a thread that checks from time to time whether compaction would pay.

use super::SharedIndex;
use super::shared::check_slice;
use crate::compact::CompactionReport;
use crate::index::{Error, Index};
use crate::store::Store;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How an [`Upkeep`] thread maintains an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpkeepOptions {
    /// The time between two checks, and the minimum time between two compactions. The default is a second.
    pub interval: Duration,
    /// About how long a compaction makes other threads wait at a time, in milliseconds. The default is 4.
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

/// A thread that maintains an index, of which it holds a clone. Dropping this value ends the thread after its current
/// slice, store write or `on_report` call. The drop waits for that, so the dropping thread must hold nothing that the
/// upkeep thread needs: not the index (within [`SharedIndex::read`] or [`SharedIndex::change`]), nor anything that
/// `on_report` waits for. An unfinished compaction stays where it is, and the next upkeep continues it.
///
/// A panic in `on_report` ends the thread. If `on_report` itself drops this value, the thread ends when `on_report`
/// returns.
#[derive(Debug)]
#[must_use = "dropping it ends the upkeep"]
pub struct Upkeep {
    shutdown: Arc<Shutdown>,
    thread: Option<JoinHandle<()>>,
}

/// Tells the thread to end.
#[derive(Debug, Default)]
struct Shutdown {
    has_come: Mutex<bool>,
    changed: Condvar,
}

impl Shutdown {
    fn has_come(&self) -> bool {
        *self.has_come.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn come(&self) {
        *self.has_come.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits for the end, at most for `time`. Returns whether it has come.
    fn within(&self, time: Duration) -> bool {
        let has_come = self.has_come.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(has_come, time, |has_come| !*has_come);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Upkeep {
    /// Starts a thread that calls `look` at once and then after each interval, and passes the results to `on_report`.
    /// Reports only the first of several equal failures in a row. [`Error::Closed`] ends the thread.
    fn start(
        options: UpkeepOptions,
        mut look: impl FnMut(&Shutdown) -> Result<Option<CompactionReport>, Error> + Send + 'static,
        mut on_report: impl FnMut(Result<CompactionReport, Error>) + Send + 'static,
    ) -> Result<Self, Error> {
        options.check()?;
        let shutdown = Arc::new(Shutdown::default());
        let theirs = Arc::clone(&shutdown);
        let work = move || {
            let mut failed = None;
            loop {
                let looked = look(&theirs);
                // A closed index is never opened again, and it was closed on purpose.
                if matches!(looked, Err(Error::Closed)) {
                    return;
                }
                let fails = looked.as_ref().err().cloned();
                // Skip a failure equal to the previous one: it has been reported already.
                if let Some(report) = looked.transpose().filter(|_| fails.is_none() || fails != failed) {
                    on_report(report);
                }
                failed = fails;
                if theirs.within(options.interval) {
                    return;
                }
            }
        };
        // The system refuses a thread if there is no memory for its stack or there are too many threads.
        let thread =
            Builder::new().name("thermocline upkeep".to_owned()).spawn(work).map_err(|_| Error::OutOfMemory)?;
        Ok(Self { shutdown, thread: Some(thread) })
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.shutdown.come();
        let Some(thread) = self.thread.take() else { return };
        // `on_report` runs in the upkeep thread: if it drops this value, a join would make the thread wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            // The panic hook has already reported a panic of `on_report`.
            drop(thread.join());
        }
    }
}

impl<S> SharedIndex<S> {
    /// Compacts if that would pay, or continues a compaction already begun. Returns `None` if there was nothing to do,
    /// or if the end came first.
    fn compact_if_needed(&self, slice_ms: f64, shutdown: &Shutdown) -> Result<Option<CompactionReport>, Error> {
        let is_needed = |index: &Index| index.needs_compaction() || index.compact_progress().is_some();
        if shutdown.has_come() || !self.read(is_needed) {
            return Ok(None);
        }
        self.compact_until(slice_ms, || shutdown.has_come())
    }
}

impl SharedIndex {
    /// Compacts whenever that would pay ([`Index::needs_compaction`]) in a thread of its own: at once, and then after
    /// each interval, until the returned [`Upkeep`] is dropped. Each finished compaction is passed to `on_report`. A
    /// failure is passed once, and again only if it changes or something succeeded in between. A failure loses nothing:
    /// each interval tries again.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an interval of zero or slices that are not above 0 ms; [`Error::OutOfMemory`] if
    /// the system cannot start a thread.
    pub fn compact_when_needed(
        &self,
        options: UpkeepOptions,
        on_report: impl FnMut(Result<CompactionReport, Error>) + Send + 'static,
    ) -> Result<Upkeep, Error> {
        let index = self.clone();
        let look = move |shutdown: &Shutdown| index.compact_if_needed(options.slice_ms, shutdown);
        Upkeep::start(options, look, on_report)
    }
}

impl<S: Store + Send + 'static> SharedIndex<S> {
    /// Compacts like [`SharedIndex::compact_when_needed`], completes each compaction in the store, and writes the
    /// checkpoints that are due ([`StoredIndex::checkpoint_due`](crate::StoredIndex::checkpoint_due)). A checkpoint is
    /// passed to `on_report` only if it fails. While the store cannot complete a compaction, no other is begun. While
    /// the thread writes to the store, other calls that need the store wait: commits, and searches for records that are
    /// not in memory.
    ///
    /// [`SharedIndex::close`] ends the thread too, at the latest at the end of the interval unless the thread is at
    /// work. A compaction that is not completed in the store by then is not reported.
    ///
    /// # Errors
    /// As [`SharedIndex::compact_when_needed`]; [`Error::ReadOnly`]; [`Error::Closed`]; the error with which the store
    /// failed.
    pub fn maintain_when_needed(
        &self,
        options: UpkeepOptions,
        on_report: impl FnMut(Result<CompactionReport, Error>) + Send + 'static,
    ) -> Result<Upkeep, Error> {
        self.check_writable()?;
        let index = self.clone();
        // The report of a compaction that is done in memory but not yet in the store.
        let mut unfinished = None;
        let look = move |shutdown: &Shutdown| {
            index.check_open()?;
            // Complete a pending one in the store first: its report has no room beside that of another.
            let mut compacted = Ok(None);
            if unfinished.is_none() {
                // Compacting in memory takes longest, and makes no commit wait.
                compacted = index.compact_if_needed(options.slice_ms, shutdown);
            }
            if let Ok(Some(report)) = compacted {
                unfinished = Some(report);
            }
            if shutdown.has_come() {
                return Ok(None);
            }
            if let Some(mut report) = unfinished {
                report.reclaimed_bytes.cold = index.complete()? as usize;
                unfinished = None;
                return Ok(Some(report));
            }
            // Also after a compaction that failed for lack of memory: a checkpoint frees some.
            if index.read(Index::checkpoint_due) {
                index.checkpoint()?;
            }
            compacted
        };
        Upkeep::start(options, look, on_report)
    }
}
