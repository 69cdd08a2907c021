//! The part of a shared index that uses a store.

use super::{SharedIndex, StoreState};
use crate::compact::CompactionReport;
use crate::driver::{
    OpenOptions, Rewrite, StoredIndex, checkpoint, checkpoint_if_due, commit, commit_and_complete, complete_in_store,
    export, read_ahead, retry_cold,
};
use crate::index::{Error, Hit, Index, Record, SearchOptions};
use crate::native::block_on;
use crate::store::Store;
use crate::types::Id;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError, TryLockError};

impl<S: Store> SharedIndex<S> {
    /// Opens the index in the store, or creates one there.
    ///
    /// # Errors
    /// As [`StoredIndex::open`].
    pub fn open(store: S, options: OpenOptions) -> Result<Self, Error> {
        let (store, index, now_ms, clock) = block_on(StoredIndex::open(store, options))?.into_parts();
        Ok(Self::around(index, store, now_ms, clock))
    }

    /// Puts an index from memory or from an import into a store that has no index.
    ///
    /// # Errors
    /// As [`StoredIndex::create`].
    pub fn create(store: S, index: Index) -> Result<Self, Error> {
        Self::create_with(store, index, OpenOptions::default())
    }

    /// Puts an index into a store like [`SharedIndex::create`], with options like [`StoredIndex::create_with`].
    ///
    /// # Errors
    /// As [`StoredIndex::create_with`].
    pub fn create_with(store: S, index: Index, options: OpenOptions) -> Result<Self, Error> {
        let (store, index, now_ms, clock) = block_on(StoredIndex::create_with(store, index, options))?.into_parts();
        Ok(Self::around(index, store, now_ms, clock))
    }

    /// Searches like [`SharedIndex::search`], and reads the records that it needs from the store. Only one such search
    /// at a time reads from the store.
    ///
    /// # Errors
    /// As [`StoredIndex::search`]; [`Error::Closed`] if the store is closed and records are missing.
    pub fn search_stored(&self, query: &[f32], mut options: SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        self.with_records(|index| index.search(query, options.again()))
    }

    /// Searches like [`SharedIndex::search_many`], and reads the records that it needs from the store, for several
    /// queries together.
    ///
    /// # Errors
    /// As [`StoredIndex::search_many`]; [`Error::Closed`] if the store is closed and records are missing.
    pub fn search_many_stored<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        options: SearchOptions<'_>,
    ) -> Result<Vec<Vec<Hit>>, Error> {
        self.answers_by(queries, options, |call| self.with_records(call))
    }

    /// Calls `read` with the record of this id, reading it from the store if necessary, and returns the result, or
    /// `None` if there is no such record.
    ///
    /// # Errors
    /// As [`StoredIndex::get`]; [`Error::Closed`] if the store is closed and the record is missing.
    pub fn get_stored<T>(&self, id: &Id, mut read: impl FnMut(Record<'_>) -> T) -> Result<Option<T>, Error> {
        self.with_records(|index| Ok(index.get(id)?.map(&mut read)))
    }

    /// Makes a call together with other readers. If records are missing, reads them from the store and repeats the call
    /// with exclusive access to the index.
    fn with_records<T>(&self, mut call: impl FnMut(&Index) -> Result<T, Error>) -> Result<T, Error> {
        let mut outcome = self.read(&mut call);
        if !matches!(outcome, Err(Error::Cold(_))) {
            return outcome;
        }
        let state = match self.shared.store.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let state = self.store();
                // The thread that held the store may have read the same records.
                outcome = self.read(&mut call);
                state
            }
        };
        match &*state {
            StoreState::Open(store) => block_on(retry_cold(outcome, store, &*self.shared, |index| call(index))),
            // The missing records may have been read before the store was closed.
            StoreState::Closed { .. } if matches!(outcome, Err(Error::Cold(_))) => match self.read(&mut call) {
                Err(Error::Cold(_)) => Err(Error::Closed),
                outcome => outcome,
            },
            StoreState::Closed { .. } => outcome,
        }
    }

    /// Calls `work` with exclusive access to the store.
    fn with_store<T>(&self, work: impl FnOnce(&S) -> Result<T, Error>) -> Result<T, Error> {
        match &*self.store() {
            StoreState::Open(store) => work(store),
            StoreState::Closed { .. } => Err(Error::Closed),
        }
    }

    /// Locks the state of the store.
    fn store(&self) -> MutexGuard<'_, StoreState<S>> {
        self.shared.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses changes before they begin if the index is read only or closed, or its store has failed.
    pub(in crate::native) fn check_writable(&self) -> Result<(), Error> {
        self.check_open()?;
        self.read(Index::check_writable)
    }

    /// Reads the records that are only in the store, like [`StoredIndex::read_ahead`].
    ///
    /// # Errors
    /// As [`StoredIndex::read_ahead`]; [`Error::Closed`].
    pub fn read_ahead(&self) -> Result<(), Error> {
        self.with_store(|store| block_on(read_ahead(store, &*self.shared)))
    }

    /// Links all records and exports the index, including the records that are only in the store, like
    /// [`StoredIndex::export`]. If nothing has to be read, other threads can search meanwhile, and a change waits for
    /// the end. Otherwise other threads can use the index between two reads, but whatever needs the store waits:
    /// commits, searches and [`SharedIndex::get_stored`] calls that lack records.
    ///
    /// # Errors
    /// As [`StoredIndex::export`]: [`Error::Busy`] if other threads changed the index during every attempt;
    /// [`Error::Closed`] if the index is closed and something has to be linked or read.
    pub fn export_stored(&self) -> Result<Vec<u8>, Error> {
        let mut exported = self.read(Index::export);
        if matches!(exported, Err(Error::Unlinked)) {
            self.link()?;
            exported = self.read(Index::export);
        }
        match exported {
            Err(Error::Cold(_) | Error::Unlinked) => {
                self.with_store(|store| block_on(export(store, &*self.shared, || true)))
            }
            exported => exported,
        }
    }

    /// Makes all changes so far durable, including those of other threads: a thread that waited for another thread's
    /// commit finds little or nothing left to do. After [`SharedIndex::close`], returns the outcome of the commit made
    /// there, which covered all changes.
    ///
    /// # Errors
    /// As [`StoredIndex::commit`].
    pub fn commit(&self) -> Result<(), Error> {
        match &*self.store() {
            StoreState::Open(store) => block_on(commit(store, &*self.shared)),
            StoreState::Closed { committed } => committed.clone(),
        }
    }

    /// Compacts like [`SharedIndex::compact`], and then completes the compaction in the store. Other calls that need
    /// the store wait only for the latter.
    ///
    /// # Errors
    /// As [`StoredIndex::compact`] and [`SharedIndex::compact`].
    pub fn compact_stored(&self, slice_ms: f64) -> Result<CompactionReport, Error> {
        self.compact_both(slice_ms, Rewrite::Worn)
    }

    /// Compacts like [`SharedIndex::compact_stored`], and erases all remains of records deleted before, like
    /// [`StoredIndex::erase`].
    ///
    /// # Errors
    /// As [`StoredIndex::erase`] and [`SharedIndex::compact`].
    pub fn erase(&self, slice_ms: f64) -> Result<CompactionReport, Error> {
        self.compact_both(slice_ms, Rewrite::AnyDead)
    }

    /// Completes in the store what was compacted in memory. Returns how many bytes this freed in the store.
    pub(in crate::native) fn complete(&self) -> Result<u64, Error> {
        self.with_store(|store| block_on(complete_in_store(store, &*self.shared, Rewrite::Worn)))
    }

    fn compact_both(&self, slice_ms: f64, rewrite: Rewrite) -> Result<CompactionReport, Error> {
        // A compaction that is under way leaves records that were deleted after it began.
        if rewrite == Rewrite::AnyDead && self.read(|index| index.compact_progress().is_some()) {
            self.compact(slice_ms)?;
        }
        // Compacting in memory takes longest, and nothing that needs the store has to wait for it.
        let mut report = self.compact(slice_ms)?;
        // Not the last compaction's report: by now that may be another thread's.
        let freed = self.with_store(|store| block_on(commit_and_complete(store, &*self.shared, rewrite)))?;
        report.reclaimed_bytes.cold = freed as usize;
        Ok(report)
    }

    /// Writes the segments that have changed, like [`StoredIndex::checkpoint`]; other threads can use the index
    /// meanwhile.
    ///
    /// # Errors
    /// As [`StoredIndex::checkpoint`]; [`Error::Closed`].
    pub fn checkpoint(&self) -> Result<(), Error> {
        self.with_store(|store| block_on(checkpoint(store, &*self.shared)))
    }

    /// Returns whether [`SharedIndex::checkpoint`] would pay, like [`StoredIndex::checkpoint_due`].
    pub fn checkpoint_due(&self) -> bool {
        self.read(Index::checkpoint_due)
    }

    /// Commits, writes a checkpoint if one is due ([`SharedIndex::checkpoint_due`]), and closes the store, for all
    /// clones: from then on the index cannot be changed, but what is in memory is still found. Waits for other threads
    /// to finish using the store, and ends the threads of [`SharedIndex::maintain_when_needed`]. Closing again does
    /// nothing.
    ///
    /// # Errors
    /// As [`StoredIndex::commit`] and [`StoredIndex::checkpoint`]; the error of the store. It is closed nevertheless.
    pub fn close(&self) -> Result<(), Error> {
        let mut state = self.store();
        let StoreState::Open(store) = &*state else { return Ok(()) };
        // Set this before the commit: a change after it would be lost.
        let index = self.shared.write();
        self.shared.is_closed.store(true, Ordering::Relaxed);
        drop(index);
        let committed = block_on(commit(store, &*self.shared));
        let written = committed.clone().and_then(|()| block_on(checkpoint_if_due(store, &*self.shared)));
        let closed = block_on(store.close());
        *state = StoreState::Closed { committed };
        // What was not written matters more than a failed close.
        written.and(closed.map_err(Error::from))
    }
}
