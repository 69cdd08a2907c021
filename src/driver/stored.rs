//! An index and the store that keeps it.

use super::identity::Identity;
use super::time::{WallClock, expire, has_expired, system_time_ms};
use super::{Clock, Host, Rewrite, checkpoint, commit, compact, create, export, open, read_ahead, with_records};
use crate::compact::CompactionReport;
#[cfg(not(target_arch = "wasm32"))]
use crate::index::{Answer, Answers};
use crate::index::{Config, Error, Hit, Index, Record, SearchOptions};
use crate::store::{Mode, Store, StoreError};
use crate::types::Id;
use core::cell::{Ref, RefCell};

/// How many more times a reader opens the store when a writer deletes records that it is reading.
const READ_ATTEMPTS: usize = 3;

/// How long a slice is when a compaction runs to its end.
const SLICE_MS: f64 = 50.0;

/// A function that is a [`Clock`].
type ClockFunction = fn() -> f64;

/// How a stored index is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// The options of a new index. For an existing index, the dimensions, the metric, the quantization and `m` must be
    /// the same, the seed stays as it is, and the other options apply from now on. None: only an existing index is
    /// opened, with its own options.
    pub config: Option<Config>,
    /// Whether to leave for later what the first search does not need.
    ///
    /// Records are then not read all at once, but when calls that can wait for the store need them. (An index with a
    /// budget, [`Config::max_bytes`], always reads its records this way.) Records from logs are not linked into the
    /// graph yet ([`Index::pending`]): each insert links some of them, a checkpoint or a compaction all, and
    /// [`Index::link_slice`] as many as there is time for.
    pub lazy: bool,
    /// Whether to open for writing, which only one owner may at a time (the store sees to that), or for reading only. In
    /// a store that was opened for reading only ([`Store::mode`]) it is for reading only in any case.
    pub mode: Mode,
    /// The time of day, by which records expire: each call that reads or changes the index first deletes records whose
    /// time has come. The default is the system's time.
    pub now_ms: WallClock,
    /// A function that is a [`Clock`], such as `|| SystemClock::default().now_ms()`. With one, how records are compressed
    /// is chosen by the time that it takes on this machine. Without one, it is chosen by the time that it typically
    /// takes, so that equal calls write equal bytes. The default is none.
    pub clock: Option<fn() -> f64>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { config: None, lazy: false, mode: Mode::default(), now_ms: system_time_ms, clock: None }
    }
}

/// An index that is kept in a store.
///
/// Changes happen in memory at once; [`StoredIndex::commit`] makes all those before it durable together, so that many
/// changes may share one write. What was committed is found by the next opening, also when the program is killed in
/// between. When the machine loses its power, a place opened with [`Durability::Relaxed`], the default, may lose the
/// latest changes, the newest first and each as a whole; one opened with [`Durability::Strict`] loses none.
///
/// [`Durability::Relaxed`]: crate::store::Durability::Relaxed
/// [`Durability::Strict`]: crate::store::Durability::Strict
///
/// ```
/// use thermocline::{block_on, Config, MemoryStore, OpenOptions, StoredIndex};
///
/// let store = MemoryStore::default();
/// let options = OpenOptions { config: Some(Config::new(3)), ..Default::default() };
/// let notes = block_on(StoredIndex::open(store.clone(), options))?;
/// notes.change(|index| index.insert_with_id("north", &[0.0, 1.0, 0.0], None))?;
/// block_on(notes.commit())?;
/// drop(notes); // as if the program had been killed
///
/// let again = block_on(StoredIndex::open(store, OpenOptions::default()))?;
/// assert!(again.index()?.contains(&"north".into())?);
/// # Ok::<(), thermocline::Error>(())
/// ```
#[derive(Debug)]
pub struct StoredIndex<S> {
    store: S,
    index: RefCell<Index>,
    identity: Identity,
    now_ms: WallClock,
    clock: Option<ClockFunction>,
    /// How the last append has ended, if the index was borrowed at that moment and has not been told yet.
    untold: RefCell<Option<Result<(), StoreError>>>,
}

impl<S> Host for StoredIndex<S> {
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        let mut index = self.index.try_borrow_mut().map_err(|_| Error::Busy)?;
        self.identity.check(&index)?;
        if let (Some(appended), Some(journal)) = (self.untold.take(), index.journal_mut()) {
            // The journal keeps a failure, and refuses with it whatever depends on it.
            let _ = journal.committed(appended);
        }
        expire(&mut index, self.now_ms);
        work(&mut index)
    }

    fn tell(&self, appended: Result<(), StoreError>) -> Result<(), Error> {
        *self.untold.borrow_mut() = Some(appended.clone());
        match self.with(|index| index.check_writable()) {
            // It is told by the next call that has it. What was appended is in the store all the same.
            Err(Error::Busy) => appended.map_err(Error::from),
            told => told,
        }
    }

    fn clock_ms(&self) -> Option<f64> {
        self.clock.map(|clock| clock())
    }
}

impl<S: Store> StoredIndex<S> {
    /// Opens the index in the store, or makes a new one in it. On an error the store is dropped without being closed.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no index, and none is to be made; [`Error::Corrupt`], but not for unsound
    /// links that only the proof finds ([`Index::link_step`]); [`Error::UnsupportedVersion`];
    /// [`Error::DimensionMismatch`] or [`Error::InvalidOption`] when an option contradicts the existing index;
    /// [`Error::OutOfMemory`]; the error of the store.
    pub async fn open(store: S, options: OpenOptions) -> Result<Self, Error> {
        let OpenOptions { config, mode, lazy, now_ms, clock } = options;
        let mut store = store;
        // A change that the store will refuse must not happen in memory.
        let mode = if store.mode() == Mode::ReadOnly { Mode::ReadOnly } else { mode };
        let mut left = READ_ATTEMPTS;
        loop {
            let mut opened = Self::open_once(store, config, mode, now_ms).await?;
            opened.clock = clock;
            if lazy {
                return Ok(opened);
            }
            match opened.read_ahead().await {
                Ok(()) => {
                    return match opened.with(Index::link_all) {
                        // Unsound links are reported by the calls that need sound ones, whether the opening was lazy or
                        // not.
                        Ok(()) | Err(Error::Corrupt { .. }) => Ok(opened),
                        Err(error) => Err(error),
                    };
                }
                // A writer has deleted blocks that this reader still needed, so there is a newer checkpoint.
                Err(Error::StoreFailed { .. }) if mode == Mode::ReadOnly && left > 0 => left -= 1,
                Err(error) => return Err(error),
            }
            store = opened.store;
        }
    }

    async fn open_once(store: S, config: Option<Config>, mode: Mode, now_ms: WallClock) -> Result<Self, Error> {
        let found = open(&store, mode).await?;
        let around = |store, index| {
            let identity = Identity::of(&index);
            Self::around(store, index, identity, now_ms)
        };
        match (found, config) {
            (Some(index), config) => {
                let index = if let Some(config) = config { index.reopened_with(config)? } else { index };
                Ok(around(store, index))
            }
            (None, Some(config)) if mode == Mode::ReadWrite => around(store, Index::new(config)?).created().await,
            (None, _) => Err(Error::NotFound { what: "there is no index in this place".to_owned() }),
        }
    }

    /// Puts an index that is in memory, or was imported, into a store that has no index.
    ///
    /// # Errors
    /// `Error::AlreadyExists` when the store has an index; [`Error::ReadOnly`] when it was opened for reading only;
    /// [`Error::OutOfMemory`]; the error of the store. The index is then dropped: a caller that still needs it makes an
    /// export of it first.
    pub async fn create(store: S, index: Index) -> Result<Self, Error> {
        Self::create_with(store, index, OpenOptions::default()).await
    }

    /// Puts an index into a store as [`StoredIndex::create`] does, with options as an opening takes them. `lazy` means
    /// nothing here: all records are in memory.
    ///
    /// # Errors
    /// As [`StoredIndex::create`]; [`Error::ReadOnly`] for [`Mode::ReadOnly`], of the options or of the store
    /// ([`Store::mode`]), which is then asked for nothing; [`Error::DimensionMismatch`] or [`Error::InvalidOption`] when
    /// an option contradicts the index.
    pub async fn create_with(store: S, index: Index, options: OpenOptions) -> Result<Self, Error> {
        let OpenOptions { config, mode, lazy: _, now_ms, clock } = options;
        if mode == Mode::ReadOnly || store.mode() == Mode::ReadOnly {
            return Err(Error::ReadOnly);
        }
        let seed = index.config().seed;
        let index = if let Some(asked) = config { index.reopened_with(Config { seed, ..asked })? } else { index };
        let mut created = Self::around(store, index, Identity::default(), now_ms);
        created.clock = clock;
        created.created().await
    }

    const fn around(store: S, index: Index, identity: Identity, now_ms: WallClock) -> Self {
        Self { store, index: RefCell::new(index), identity, now_ms, clock: None, untold: RefCell::new(None) }
    }

    /// Writes the first checkpoint.
    async fn created(mut self) -> Result<Self, Error> {
        create(&self.store, &self).await?;
        self.identity = Identity::of(self.index.get_mut());
        Ok(self)
    }

    /// Takes apart the store, the index and the two clocks, for [`SharedIndex`](crate::SharedIndex).
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn into_parts(self) -> (S, Index, WallClock, Option<ClockFunction>) {
        (self.store, self.index.into_inner(), self.now_ms, self.clock)
    }

    /// Borrows the index, for searching and reading. Give it back before the next wait: while it is borrowed, nothing
    /// else has it, and a commit that begins, or a checkpoint that is under way, returns [`Error::Busy`].
    ///
    /// # Errors
    /// [`Error::Busy`] from within [`StoredIndex::change`], and while the index is borrowed already and a record has
    /// expired since.
    pub fn index(&self) -> Result<Ref<'_, Index>, Error> {
        let index = self.index.try_borrow().map_err(|_| Error::Busy)?;
        if !has_expired(&index, self.now_ms) {
            return Ok(index);
        }
        drop(index);
        self.with(|_| Ok(()))?;
        self.index.try_borrow().map_err(|_| Error::Busy)
    }

    /// Reads the records that are only in the store, as many as may be in memory, so that later calls need not. Opening
    /// has already done it, unless it was lazy.
    ///
    /// # Errors
    /// The error of the store; [`Error::OutOfMemory`]; [`Error::Busy`] while the index is borrowed.
    pub async fn read_ahead(&self) -> Result<(), Error> {
        read_ahead(&self.store, self).await
    }

    /// Searches as [`Index::search`] does, and reads the records that it needs from the store, all at once.
    ///
    /// # Errors
    /// As [`Index::search`], but never [`Error::Cold`]; the error of the store; [`Error::Busy`] while the index is
    /// borrowed.
    pub async fn search(&self, query: &[f32], mut options: SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        with_records(&self.store, self, |index| index.search(query, options.again())).await
    }

    /// Searches for many queries as [`Index::search_many`] does, and reads the records that it needs from the store: those
    /// of several queries together. When the index is changed while it waits for the store, some hits are as of before.
    ///
    /// # Errors
    /// As [`Index::search_many`], but never [`Error::Cold`]; the error of the store; [`Error::Busy`] while the index is
    /// borrowed.
    #[cfg(not(target_arch = "wasm32"))]
    pub async fn search_many<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        mut options: SearchOptions<'_>,
    ) -> Result<Vec<Vec<Hit>>, Error> {
        self.with(|index| index.check_queries(queries, &options))?;
        let mut answers = Answers::new(queries.len())?;
        for (queries, answers) in answers.together(queries) {
            while answers.iter().any(Answer::is_open) {
                with_records(&self.store, self, |index| index.answer(queries, options.again(), answers)).await?;
            }
        }
        answers.into_hits()
    }

    /// Calls `read` with the record of this id, which is read from the store if necessary, and returns its result; none
    /// when there is no record.
    ///
    /// # Errors
    /// As [`Index::get`], but never [`Error::Cold`]; the error of the store; [`Error::Busy`] while the index is
    /// borrowed.
    pub async fn get<T>(&self, id: &Id, mut read: impl FnMut(Record<'_>) -> T) -> Result<Option<T>, Error> {
        with_records(&self.store, self, |index| Ok(index.get(id)?.map(&mut read))).await
    }

    /// Links all records and exports the index as [`Index::export`] does, with the records that are only in the store.
    /// Beside the export itself this holds at most one more megabyte, and 16 bytes for each record: blocks are read in
    /// parts, twice each, and given up again.
    ///
    /// # Errors
    /// As [`Index::export`], but never [`Error::Cold`] or [`Error::Unlinked`]; the error of the store. [`Error::Busy`]
    /// when the index changed each time while the call waited for the store.
    pub async fn export(&self) -> Result<Vec<u8>, Error> {
        export(&self.store, self, || true).await
    }

    /// Changes the index in memory. [`StoredIndex::commit`] makes it durable.
    ///
    /// # Errors
    /// The error of `change`; [`Error::Busy`] while the index is borrowed. [`Error::StoreFailed`] when `change` has put
    /// another index in the place of this one: from then on nothing is kept, and the store has what was committed
    /// before. An index that is to be kept goes into a store of its own by [`StoredIndex::create`].
    pub fn change<T>(&self, change: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        self.with(|index| self.identity.change(index, change))
    }

    /// Makes all changes so far durable, as durable as the store does, by appending them to the log. This and
    /// [`StoredIndex::checkpoint`] are called one after the other; searches may run beside them. A future that is
    /// dropped before its end is a failure like any other.
    ///
    /// # Errors
    /// The error of the store. The index then takes no changes any more, and opening it again finds what the store has.
    /// [`Error::Busy`] beside another commit.
    pub async fn commit(&self) -> Result<(), Error> {
        commit(&self.store, self).await
    }

    /// Whether [`StoredIndex::checkpoint`] would pay: the log has grown long, a compaction has changed much, or too
    /// many records are in memory.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn checkpoint_due(&self) -> Result<bool, Error> {
        Ok(self.index()?.checkpoint_due())
    }

    /// Writes the segments that have changed, so that opening need not read the log so far. Then drops records from
    /// memory that exceed the budget. A change that is made meanwhile is in the checkpoint or in the log.
    ///
    /// # Errors
    /// The error of the store. Nothing is lost, and the next checkpoint may succeed. [`Error::Busy`] beside a commit,
    /// and when another checkpoint has begun meanwhile.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        checkpoint(&self.store, self).await
    }

    /// Compacts to the end, without letting others have the thread, and completes that in the store: blocks that are
    /// mostly dead are rewritten, and `reclaimed_bytes.cold` is set. To be called as [`StoredIndex::checkpoint`].
    ///
    /// # Errors
    /// As [`Index::compact_step`], [`StoredIndex::commit`] and [`StoredIndex::checkpoint`]. What was compacted stays
    /// compacted.
    pub async fn compact(&self, clock: &impl Clock) -> Result<CompactionReport, Error> {
        compact(&self.store, self, clock, SLICE_MS, Rewrite::Worn).await
    }

    /// Compacts as [`StoredIndex::compact`] does, and erases what is left of records that were deleted or replaced
    /// before: vector, code, payload and id, in the store and in the memory that the index holds. Natively, memory that
    /// held records is overwritten before it is given back to the allocator. Not erased are copies that the caller or
    /// the store held in memory, and what a medium keeps of deleted files.
    ///
    /// # Errors
    /// As [`StoredIndex::compact`]; a part may then be erased. [`Error::Corrupt`] when deleted records may be in a
    /// block that is not as it was written.
    pub async fn erase(&self, clock: &impl Clock) -> Result<CompactionReport, Error> {
        compact(&self.store, self, clock, SLICE_MS, Rewrite::AnyDead).await
    }

    /// Commits, and closes the store.
    ///
    /// # Errors
    /// As [`StoredIndex::commit`].
    pub async fn close(self) -> Result<(), Error> {
        let committed = self.commit().await;
        // The store is closed in any case. A failed commit matters more than a failed close.
        let closed = self.store.close().await;
        committed.and(closed.map_err(Error::from))
    }
}
