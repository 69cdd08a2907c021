//! One index for many threads.

use super::{SystemClock, block_on};
use crate::compact::CompactionReport;
use crate::driver::{
    Host, Identity, OpenOptions, Rewrite, StoredIndex, WallClock, after, checkpoint, commit, compact, complete, expire,
    has_expired, system_time_ms,
};
use crate::index::{Error, Hit, Index, Record, SearchOptions};
use crate::store::Store;
use crate::types::Id;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

/// An index that any number of threads search at once, and one thread at a time changes. A clone is the same index.
///
/// Nothing keeps readers waiting for long: a change holds the index while it lasts, a compaction holds it for one slice
/// at a time, and no thread holds it while waiting for a store.
///
/// ```
/// use thermocline::{Config, Index, SearchOptions, SharedIndex};
///
/// let notes = SharedIndex::new(Index::new(Config::new(3))?);
/// let writer = notes.clone();
/// let inserted = std::thread::spawn(move || writer.change(|index| index.insert(&[1.0, 0.0, 0.1], None)));
/// let id = inserted.join().expect("the writer does not panic")?;
/// assert_eq!(notes.search(&[0.9, 0.1, 0.0], SearchOptions::top(1))?[0].id, id);
/// # Ok::<(), thermocline::Error>(())
/// ```
#[derive(Debug)]
pub struct SharedIndex<S = ()> {
    shared: Arc<Shared<S>>,
}

#[derive(Debug)]
struct Shared<S> {
    index: RwLock<Index>,
    identity: Identity,
    /// Locked by each writing call while it lasts, so that commits and checkpoints come one after the other.
    store: Mutex<S>,
    now_ms: WallClock,
    stopwatch: Option<fn() -> f64>,
}

impl<S> Clone for SharedIndex<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S> Shared<S> {
    // A panic in a caller's closure poisons the lock, but does not interrupt an operation of the index, so poison is
    // ignored.
    fn read(&self) -> RwLockReadGuard<'_, Index> {
        loop {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            if !has_expired(&index, self.now_ms) {
                return index;
            }
            drop(index);
            drop(self.write());
        }
    }

    /// Locks the index for a change, and deletes the records that have expired.
    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        expire(&mut index, self.now_ms);
        index
    }
}

impl<S> Host for Shared<S> {
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        let mut index = self.write();
        self.identity.check(&index)?;
        work(&mut index)
    }

    fn give_way(&self) {
        // A thread that takes a lock again at once gets it before the threads that wait for it.
        std::thread::yield_now();
    }

    fn stopwatch_ms(&self) -> Option<f64> {
        self.stopwatch.map(|stopwatch| stopwatch())
    }
}

impl SharedIndex {
    /// Shares an index that is in memory only.
    pub fn new(index: Index) -> Self {
        Self::around(index, (), system_time_ms, None)
    }
}

impl<S> SharedIndex<S> {
    fn around(index: Index, store: S, now_ms: WallClock, stopwatch: Option<fn() -> f64>) -> Self {
        let identity = Identity::of(&index);
        let (index, store) = (RwLock::new(index), Mutex::new(store));
        Self { shared: Arc::new(Shared { index, identity, store, now_ms, stopwatch }) }
    }

    /// Calls `read` with the index, together with other readers. Not to be called from within itself, from
    /// [`SharedIndex::change`] or from a filter: the thread would wait for itself.
    pub fn read<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        read(&self.shared.read())
    }

    /// Searches as [`Index::search`] does, together with other readers.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn search(&self, query: &[f32], options: SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        self.shared.read().search(query, options)
    }

    /// Calls `change` with the index, while no other thread has it. The shorter it takes, the less other threads wait.
    ///
    /// # Errors
    /// The error of `change`. [`Error::StoreFailed`] as [`StoredIndex::change`].
    pub fn change<T>(&self, change: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        self.shared.with(|index| self.shared.identity.change(index, change))
    }

    /// Deletes a record as [`Index::delete`] does.
    ///
    /// # Errors
    /// As [`Index::delete`].
    pub fn delete(&self, id: &Id) -> Result<bool, Error> {
        self.change(|index| index.delete(id))
    }

    /// Links all records that wait to be linked ([`Index::pending`]), one after the other; in between other threads
    /// have the index.
    ///
    /// # Errors
    /// As [`Index::link_step`].
    pub fn link(&self) -> Result<(), Error> {
        while self.change(Index::link_step)? {
            // The lock goes to a waiting thread only if that thread gets to run.
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Compacts to the end, in slices of about `slice_ms` milliseconds, between which other threads have the index.
    /// Threads that compact at once work on one compaction, and each returns its report. If it is dropped meanwhile, by
    /// [`Index::compact_abort`] or because it failed in another thread, it is begun anew.
    ///
    /// # Errors
    /// As [`Index::compact_step`]; [`Error::InvalidOption`] when `slice_ms` is not a number above 0.
    pub fn compact(&self, slice_ms: f64) -> Result<CompactionReport, Error> {
        self.compact_until(slice_ms, || false).map(Option::unwrap_or_default)
    }

    /// Compacts as [`SharedIndex::compact`] does, but stops when `is_over` returns true, which gives no report.
    pub(super) fn compact_until(
        &self,
        slice_ms: f64,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<CompactionReport>, Error> {
        check_slice(slice_ms)?;
        let clock = SystemClock::default();
        let before = self.change(|index| index.compact_start().map(|()| index.compactions()))?;
        while !is_over() {
            let ended = self.change(|index| {
                if index.compactions() > before {
                    return Ok(index.last_compaction().copied());
                }
                index.compact_start()?;
                let more = index.compact_slice(&clock, slice_ms)?;
                Ok(if more { None } else { index.compact_finish() })
            })?;
            if ended.is_some() {
                return Ok(ended);
            }
            // The lock goes to a waiting thread only if that thread gets to run.
            std::thread::yield_now();
        }
        Ok(None)
    }
}

impl<S: Store> SharedIndex<S> {
    /// Opens the index in a store, or makes a new one in it.
    ///
    /// # Errors
    /// As [`StoredIndex::open`].
    pub fn open(store: S, options: OpenOptions) -> Result<Self, Error> {
        let stopwatch = options.stopwatch;
        let (store, index, now_ms) = block_on(StoredIndex::open(store, options))?.into_parts();
        Ok(Self::around(index, store, now_ms, stopwatch))
    }

    /// Searches as [`SharedIndex::search`] does, and reads the records that it needs from the store. One such search at
    /// a time reads from the store.
    ///
    /// # Errors
    /// As [`StoredIndex::search`].
    pub fn search_stored(&self, query: &[f32], mut options: SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        self.with_records(|index| index.search(query, options.again()))
    }

    /// Calls `read` with the record of this id, which is read from the store if necessary, and returns its result; none
    /// when there is no record.
    ///
    /// # Errors
    /// As [`StoredIndex::get`].
    pub fn get_stored<T>(&self, id: &Id, mut read: impl FnMut(Record<'_>) -> T) -> Result<Option<T>, Error> {
        self.with_records(|index| Ok(index.get(id)?.map(&mut read)))
    }

    /// Makes a call together with other readers. When records are missing for it, reads them from the store and makes
    /// the call again, while no other thread has the index.
    fn with_records<T>(&self, mut call: impl FnMut(&Index) -> Result<T, Error>) -> Result<T, Error> {
        let mut outcome = call(&self.shared.read());
        if !matches!(outcome, Err(Error::Cold(_))) {
            return outcome;
        }
        let store = match self.shared.store.try_lock() {
            Ok(store) => store,
            Err(TryLockError::Poisoned(store)) => store.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let store = self.shared.store.lock().unwrap_or_else(PoisonError::into_inner);
                // The thread that had the store may have read the same records.
                outcome = call(&self.shared.read());
                store
            }
        };
        block_on(after(outcome, &*store, &*self.shared, |index| call(index)))
    }

    /// Makes all changes so far durable, those of other threads included: a thread that has waited for another thread's
    /// commit finds little or nothing left to do.
    ///
    /// # Errors
    /// As [`StoredIndex::commit`].
    pub fn commit(&self) -> Result<(), Error> {
        let store = self.shared.store.lock().unwrap_or_else(PoisonError::into_inner);
        block_on(commit(&*store, &*self.shared))
    }

    /// Compacts as [`SharedIndex::compact`] does, and then completes the compaction in the store.
    ///
    /// # Errors
    /// As [`StoredIndex::compact`] and [`SharedIndex::compact`].
    pub fn compact_stored(&self, slice_ms: f64) -> Result<CompactionReport, Error> {
        self.compact_both(slice_ms, Rewrite::Worn)
    }

    /// Compacts as [`SharedIndex::compact_stored`] does, and erases what is left of records that were deleted before,
    /// as [`StoredIndex::erase`].
    ///
    /// # Errors
    /// As [`StoredIndex::erase`] and [`SharedIndex::compact`].
    pub fn erase(&self, slice_ms: f64) -> Result<CompactionReport, Error> {
        self.compact_both(slice_ms, Rewrite::AnyDead)
    }

    /// Completes in the store what was compacted in memory. Returns how many bytes that freed in the store.
    pub(super) fn complete(&self) -> Result<u64, Error> {
        let store = self.shared.store.lock().unwrap_or_else(PoisonError::into_inner);
        block_on(complete(&*store, &*self.shared, Rewrite::Worn))
    }

    fn compact_both(&self, slice_ms: f64, rewrite: Rewrite) -> Result<CompactionReport, Error> {
        check_slice(slice_ms)?;
        let store = self.shared.store.lock().unwrap_or_else(PoisonError::into_inner);
        block_on(compact(&*store, &*self.shared, &SystemClock::default(), slice_ms, rewrite))
    }

    /// Writes the segments that have changed, as [`StoredIndex::checkpoint`]; other threads use the index meanwhile.
    ///
    /// # Errors
    /// As [`StoredIndex::checkpoint`].
    pub fn checkpoint(&self) -> Result<(), Error> {
        let store = self.shared.store.lock().unwrap_or_else(PoisonError::into_inner);
        block_on(checkpoint(&*store, &*self.shared))
    }
}

/// Refuses a slice that is not a number of milliseconds above 0.
pub(super) fn check_slice(slice_ms: f64) -> Result<(), Error> {
    if slice_ms > 0.0 && slice_ms.is_finite() {
        return Ok(());
    }
    let expected = "milliseconds above 0".to_owned();
    Err(Error::InvalidOption { option: "sliceMs", expected, received: slice_ms.to_string() })
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<SharedIndex>();
};
