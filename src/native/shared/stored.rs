//! What a shared index has that is kept in a store.

use super::{SharedIndex, StoreState, check_slice};
use crate::compact::CompactionReport;
use crate::driver::{
    OpenOptions, Rewrite, StoredIndex, after, checkpoint, commit, compact, complete, export, read_ahead,
};
use crate::index::{Error, Hit, Index, Record, SearchOptions};
use crate::native::{SystemClock, block_on};
use crate::store::Store;
use crate::types::Id;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError, TryLockError};

impl<S: Store> SharedIndex<S> {
    /// Opens the index in a store, or makes a new one in it.
    ///
    /// # Errors
    /// As [`StoredIndex::open`].
    pub fn open(store: S, options: OpenOptions) -> Result<Self, Error> {
        let (store, index, now_ms, clock) = block_on(StoredIndex::open(store, options))?.into_parts();
        Ok(Self::around(index, store, now_ms, clock))
    }

    /// Puts an index that is in memory, or was imported, into a store that has no index.
    ///
    /// # Errors
    /// As [`StoredIndex::create`].
    pub fn create(store: S, index: Index) -> Result<Self, Error> {
        Self::create_with(store, index, OpenOptions::default())
    }

    /// Puts an index into a store as [`SharedIndex::create`] does, with options as [`StoredIndex::create_with`] takes
    /// them.
    ///
    /// # Errors
    /// As [`StoredIndex::create_with`].
    pub fn create_with(store: S, index: Index, options: OpenOptions) -> Result<Self, Error> {
        let (store, index, now_ms, clock) = block_on(StoredIndex::create_with(store, index, options))?.into_parts();
        Ok(Self::around(index, store, now_ms, clock))
    }

    /// Searches as [`SharedIndex::search`] does, and reads the records that it needs from the store. One such search at
    /// a time reads from the store.
    ///
    /// # Errors
    /// As [`StoredIndex::search`]; [`Error::Closed`] when the store is closed and records are missing.
    pub fn search_stored(&self, query: &[f32], mut options: SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        self.with_records(|index| index.search(query, options.again()))
    }

    /// Searches as [`SharedIndex::search_many`] does, and reads the records that it needs from the store: those of
    /// several queries together.
    ///
    /// # Errors
    /// As [`StoredIndex::search_many`]; [`Error::Closed`] when the store is closed and records are missing.
    pub fn search_many_stored<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        options: SearchOptions<'_>,
    ) -> Result<Vec<Vec<Hit>>, Error> {
        self.answers_by(queries, options, |call| self.with_records(call))
    }

    /// Calls `read` with the record of this id, which is read from the store if necessary, and returns its result; none
    /// when there is no record.
    ///
    /// # Errors
    /// As [`StoredIndex::get`]; [`Error::Closed`] when the store is closed and the record is missing.
    pub fn get_stored<T>(&self, id: &Id, mut read: impl FnMut(Record<'_>) -> T) -> Result<Option<T>, Error> {
        self.with_records(|index| Ok(index.get(id)?.map(&mut read)))
    }

    /// Makes a call together with other readers. When records are missing for it, reads them from the store and makes
    /// the call again, while no other thread has the index.
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
                // The thread that had the store may have read the same records.
                outcome = self.read(&mut call);
                state
            }
        };
        match &*state {
            StoreState::Open(store) => block_on(after(outcome, store, &*self.shared, |index| call(index))),
            // What is missing may have been read since, before it was closed.
            StoreState::Closed { .. } if matches!(outcome, Err(Error::Cold(_))) => match self.read(&mut call) {
                Err(Error::Cold(_)) => Err(Error::Closed),
                outcome => outcome,
            },
            StoreState::Closed { .. } => outcome,
        }
    }

    /// Calls `work` with the store, while no other thread has it.
    fn with_store<T>(&self, work: impl FnOnce(&S) -> Result<T, Error>) -> Result<T, Error> {
        match &*self.store() {
            StoreState::Open(store) => work(store),
            StoreState::Closed { .. } => Err(Error::Closed),
        }
    }

    /// What has become of the store, once no other thread has it.
    fn store(&self) -> MutexGuard<'_, StoreState<S>> {
        self.shared.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses changes of an index that is read only or closed, or whose store has failed, before they begin.
    pub(in crate::native) fn check_writable(&self) -> Result<(), Error> {
        self.check_open()?;
        self.read(Index::check_writable)
    }

    /// Reads the records that are only in the store, as [`StoredIndex::read_ahead`].
    ///
    /// # Errors
    /// As [`StoredIndex::read_ahead`]; [`Error::Closed`].
    pub fn read_ahead(&self) -> Result<(), Error> {
        self.with_store(|store| block_on(read_ahead(store, &*self.shared)))
    }

    /// Links all records and exports the index, with the records that are only in the store, as
    /// [`StoredIndex::export`]. When nothing has to be read for it, other threads search meanwhile, and a change waits for
    /// its end. Otherwise other threads use the index between two reads, but what needs the store waits: commits, and
    /// searches and [`SharedIndex::get_stored`] that lack records.
    ///
    /// # Errors
    /// As [`StoredIndex::export`]: [`Error::Busy`] when other threads have changed the index each time that the export
    /// was begun; [`Error::Closed`] when the index is closed, and something has to be linked or read for it.
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

    /// Makes all changes so far durable, those of other threads included: a thread that has waited for another thread's
    /// commit finds little or nothing left to do. After [`SharedIndex::close`] it returns how the commit of that ended,
    /// which was of all changes.
    ///
    /// # Errors
    /// As [`StoredIndex::commit`].
    pub fn commit(&self) -> Result<(), Error> {
        match &*self.store() {
            StoreState::Open(store) => block_on(commit(store, &*self.shared)),
            StoreState::Closed { committed } => committed.clone(),
        }
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
    pub(in crate::native) fn complete(&self) -> Result<u64, Error> {
        self.with_store(|store| block_on(complete(store, &*self.shared, Rewrite::Worn)))
    }

    fn compact_both(&self, slice_ms: f64, rewrite: Rewrite) -> Result<CompactionReport, Error> {
        check_slice(slice_ms)?;
        self.with_store(|store| block_on(compact(store, &*self.shared, &SystemClock::default(), slice_ms, rewrite)))
    }

    /// Writes the segments that have changed, as [`StoredIndex::checkpoint`]; other threads use the index meanwhile.
    ///
    /// # Errors
    /// As [`StoredIndex::checkpoint`]; [`Error::Closed`].
    pub fn checkpoint(&self) -> Result<(), Error> {
        self.with_store(|store| block_on(checkpoint(store, &*self.shared)))
    }

    /// Whether [`SharedIndex::checkpoint`] would pay, as [`StoredIndex::checkpoint_due`].
    pub fn checkpoint_due(&self) -> bool {
        self.read(Index::checkpoint_due)
    }

    /// Commits, and closes the store, for all clones: from then on the index is changed no more, and what is in memory
    /// is still found. Waits for what other threads do with the store, and ends the threads of
    /// [`SharedIndex::maintain_when_needed`]. Closing again does nothing.
    ///
    /// # Errors
    /// As [`StoredIndex::commit`]; the error of the store. It is closed all the same.
    pub fn close(&self) -> Result<(), Error> {
        let mut state = self.store();
        let StoreState::Open(store) = &*state else { return Ok(()) };
        // Before the commit: a change after it would be lost.
        let index = self.shared.write();
        self.shared.is_closed.store(true, Ordering::Relaxed);
        drop(index);
        let committed = block_on(commit(store, &*self.shared));
        let closed = block_on(store.close());
        *state = StoreState::Closed { committed: committed.clone() };
        // A failed commit matters more than a failed close.
        committed.and(closed.map_err(Error::from))
    }
}
