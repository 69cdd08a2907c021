//! An index and the store that keeps it.

use super::identity::Identity;
use super::slices::SLICE_MS;
use super::time::{WallClock, expire, has_expired, system_time_ms};
use super::{
    Clock, Host, Rewrite, checkpoint, checkpoint_if_due, commit, compact, create, export, open, read_ahead,
    with_records,
};
use crate::compact::CompactionReport;
#[cfg(not(target_arch = "wasm32"))]
use crate::index::{Answer, Answers};
use crate::index::{Config, Error, Hit, Index, Record, SearchOptions};
use crate::store::{Mode, Store, StoreError};
use crate::types::Id;
use core::cell::{Ref, RefCell};

/// How many times a reader opens the store again after a writer deleted records that it was reading.
const READ_ATTEMPTS: usize = 3;

/// A function that is a [`Clock`].
pub(crate) type ClockFunction = fn() -> f64;

/// How a stored index is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// The options of a new index. For an existing index, the dimensions, metric, quantization and `m` must match, the
    /// seed is kept, and the other options replace those of the index, also where they are the defaults of
    /// [`Config::new`]; all but [`Config::max_bytes`] are stored by the next checkpoint, which is then due. With
    /// `None`, only an existing index is opened, with its own options.
    pub config: Option<Config>,
    /// If given, replaces [`Config::max_bytes`], of which no index stores a value. It needs no `config`, which would
    /// have to repeat all options of the index.
    ///
    /// ```
    /// use thermocline::{block_on, Config, MemoryStore, OpenOptions, StoredIndex};
    ///
    /// let store = MemoryStore::default();
    /// let config = Config { ef: 100, ..Config::new(3) };
    /// let options = OpenOptions { config: Some(config), ..Default::default() };
    /// block_on(block_on(StoredIndex::open(store.clone(), options))?.close())?;
    ///
    /// let options = OpenOptions { max_bytes: Some(50_000_000), ..Default::default() };
    /// let again = block_on(StoredIndex::open(store, options))?;
    /// let found = *again.index()?.config();
    /// assert_eq!((found.ef, found.max_bytes), (100, Some(50_000_000)));
    /// # Ok::<(), thermocline::Error>(())
    /// ```
    pub max_bytes: Option<usize>,
    /// Whether to defer what the first search does not need.
    ///
    /// Records are then read only when calls that can wait for the store need them. (An index with a budget,
    /// [`Config::max_bytes`], always reads its records this way.) Records from logs are not yet linked into the graph
    /// ([`Index::pending`]): each insert links some of them, a compaction links all, a checkpoint all but those that
    /// are being linked together, and [`Index::link_slice`] links as many as there is time for.
    pub lazy: bool,
    /// Whether to open for writing, which only one owner may do at a time (the store enforces this), or for reading
    /// only. A store that was itself opened for reading only ([`Store::mode`]) is always opened for reading only.
    pub mode: Mode,
    /// The time of day, by which records expire: each call that reads or changes the index first deletes the records
    /// that have expired. The default is the system's time.
    pub now_ms: WallClock,
    /// A function that is a [`Clock`], such as `|| SystemClock::default().now_ms()`. With a clock, the compression of
    /// records is chosen by measuring on this machine. Without one, it is chosen by typical times, so that equal calls
    /// write equal bytes. The default is `None`.
    pub clock: Option<fn() -> f64>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        let (config, max_bytes, lazy, mode) = (None, None, false, Mode::default());
        Self { config, max_bytes, lazy, mode, now_ms: system_time_ms, clock: None }
    }
}

impl OpenOptions {
    /// The options for a new index, or those that replace `own`; `None` leaves an existing index as it is.
    fn config_over(&self, own: Option<&Config>) -> Option<Config> {
        let Some(max_bytes) = self.max_bytes else { return self.config };
        Some(Config { max_bytes: Some(max_bytes), ..self.config.or(own.copied())? })
    }
}

/// An index that is kept in a store.
///
/// Changes take effect in memory at once. [`StoredIndex::commit`] makes all earlier changes durable together, so that
/// many changes can share one write. The next opening finds everything that was committed, even if the program was
/// killed. After a power failure, a place opened with [`Durability::Relaxed`], the default, may have lost the latest
/// changes, newest first and each as a whole; a place opened with [`Durability::Strict`] has lost none.
///
/// It belongs to one thread: its futures are not `Send`. `SharedIndex` is for several threads, and for tasks that an
/// executor moves between threads.
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
    untold: RefCell<Untold>,
}

/// What the index has not been told yet, because it was borrowed when it happened.
#[derive(Debug, Default)]
struct Untold {
    /// The outcome of the last append.
    append: Option<Result<(), StoreError>>,
    /// The generation of a checkpoint that has failed.
    failed_checkpoint: Option<u64>,
    /// Whether a call has ended for which blocks were read.
    retry_ended: bool,
}

impl Untold {
    fn tell(self, index: &mut Index) {
        if let (Some(appended), Some(journal)) = (self.append, index.journal_mut()) {
            // The journal remembers a failure and refuses everything that depends on it.
            let _ = journal.committed(appended);
        }
        if let Some(generation) = self.failed_checkpoint {
            index.checkpoint_failed(generation);
        }
        if self.retry_ended {
            index.end_retry();
        }
    }
}

impl<S> Host for StoredIndex<S> {
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        let mut index = self.index.try_borrow_mut().map_err(|_| Error::Busy)?;
        self.identity.check(&index)?;
        self.untold.take().tell(&mut index);
        expire(&mut index, self.now_ms);
        work(&mut index)
    }

    fn tell_appended(&self, appended: Result<(), StoreError>) -> Result<(), Error> {
        self.untold.borrow_mut().append = Some(appended.clone());
        match self.with(|index| index.check_writable()) {
            // The next call that gets the index tells it. What was appended is in the store all the same.
            Err(Error::Busy) => appended.map_err(Error::from),
            told => told,
        }
    }

    fn tell_checkpoint_failed(&self, generation: u64) {
        self.untold.borrow_mut().failed_checkpoint = Some(generation);
        // The next call that gets the index tells it, if this one does not.
        let _ = self.with(|_| Ok(()));
    }

    fn tell_retry_ended(&self) {
        self.untold.borrow_mut().retry_ended = true;
        // The next call that gets the index tells it, if this one does not.
        let _ = self.with(|_| Ok(()));
    }

    fn clock_ms(&self) -> Option<f64> {
        self.clock.map(|clock| clock())
    }
}

impl<S: Store> StoredIndex<S> {
    /// Opens the index in the store, or creates one there. On an error the store is dropped without being closed.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no index and none is to be created; [`Error::Corrupt`], except for unsound links
    /// that only the proof finds ([`Index::link_step`]); [`Error::UnsupportedVersion`]; [`Error::DimensionMismatch`] or
    /// [`Error::InvalidOption`] if an option contradicts the existing index; [`Error::OutOfMemory`]; the error of the
    /// store.
    pub async fn open(store: S, options: OpenOptions) -> Result<Self, Error> {
        let mut store = store;
        // A change that the store will refuse must not be made in memory.
        let mode = if store.mode() == Mode::ReadOnly { Mode::ReadOnly } else { options.mode };
        let mut left = READ_ATTEMPTS;
        loop {
            let mut opened = Self::open_once(store, OpenOptions { mode, ..options }).await?;
            opened.clock = options.clock;
            if options.lazy {
                return Ok(opened);
            }
            match opened.read_ahead().await {
                Ok(()) => {
                    return match opened.with(Index::link_all) {
                        // Unsound links are reported by the calls that need sound ones, whether or not the opening was
                        // lazy.
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

    async fn open_once(store: S, options: OpenOptions) -> Result<Self, Error> {
        let found = open(&store, options.mode).await?;
        let config = options.config_over(found.as_ref().map(Index::config));
        let around = |store, index| {
            let identity = Identity::of(&index);
            Self::around(store, index, identity, options.now_ms)
        };
        match (found, config) {
            (Some(index), config) => {
                let index = if let Some(config) = config { index.reopened_with(config)? } else { index };
                Ok(around(store, index))
            }
            (None, Some(config)) if options.mode == Mode::ReadWrite => {
                around(store, Index::new(config)?).created().await
            }
            (None, _) => Err(Error::NotFound { what: "there is no index in this place".to_owned() }),
        }
    }

    /// Puts an index from memory or from an import into a store that has no index.
    ///
    /// # Errors
    /// `Error::AlreadyExists` if the store has an index; [`Error::InvalidOption`] if the index is in a store already,
    /// since its records may be only there; [`Error::ReadOnly`] if the store was opened for reading only;
    /// [`Error::OutOfMemory`]; the error of the store. On an error the index is dropped: a caller that still needs it
    /// should export it first.
    pub async fn create(store: S, index: Index) -> Result<Self, Error> {
        Self::create_with(store, index, OpenOptions::default()).await
    }

    /// Puts an index into a store like [`StoredIndex::create`], with the options of an opening. All records stay in
    /// memory as far as a budget, [`Config::max_bytes`], allows. Those of a mapped index are copied to it first, unless
    /// there is a budget or `lazy` is set: then they go from the file to the store, block by block, and are read from
    /// there when they are needed. They may thus take more than the memory there is.
    ///
    /// # Errors
    /// As [`StoredIndex::create`]; [`Error::ReadOnly`] for [`Mode::ReadOnly`], in the options or of the store
    /// ([`Store::mode`]), in which case the store is not accessed; [`Error::DimensionMismatch`] or
    /// [`Error::InvalidOption`] if an option contradicts the index.
    pub async fn create_with(store: S, index: Index, options: OpenOptions) -> Result<Self, Error> {
        if options.mode == Mode::ReadOnly || store.mode() == Mode::ReadOnly {
            return Err(Error::ReadOnly);
        }
        let seed = index.config().seed;
        let config = options.config_over(Some(index.config()));
        let mut index = if let Some(asked) = config { index.reopened_with(Config { seed, ..asked })? } else { index };
        if !options.lazy && index.config().max_bytes.is_none() {
            index.copy_mapped()?;
        }
        let mut created = Self::around(store, index, Identity::default(), options.now_ms);
        created.clock = options.clock;
        created.created().await
    }

    fn around(store: S, index: Index, identity: Identity, now_ms: WallClock) -> Self {
        let index = RefCell::new(index);
        Self { store, index, identity, now_ms, clock: None, untold: RefCell::default() }
    }

    /// Writes the first checkpoint.
    async fn created(mut self) -> Result<Self, Error> {
        create(&self.store, &self).await?;
        self.identity = Identity::of(self.index.get_mut());
        Ok(self)
    }

    /// Returns the store, the index and the two clocks, for [`SharedIndex`](crate::SharedIndex).
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn into_parts(self) -> (S, Index, WallClock, Option<ClockFunction>) {
        (self.store, self.index.into_inner(), self.now_ms, self.clock)
    }

    /// Borrows the index for searching and reading. Drop the borrow before the next wait: until then nothing else can
    /// use the index, and a commit that begins or a checkpoint under way returns [`Error::Busy`].
    ///
    /// # Errors
    /// [`Error::Busy`] from within [`StoredIndex::change`], and if a record has expired while the index is already
    /// borrowed.
    pub fn index(&self) -> Result<Ref<'_, Index>, Error> {
        let index = self.index.try_borrow().map_err(|_| Error::Busy)?;
        if !has_expired(&index, self.now_ms) {
            return Ok(index);
        }
        drop(index);
        self.with(|_| Ok(()))?;
        self.index.try_borrow().map_err(|_| Error::Busy)
    }

    /// Reads the records that are only in the store, as many as may be held in memory, so that later calls need not. An
    /// opening that is not lazy has already done so.
    ///
    /// # Errors
    /// The error of the store; [`Error::OutOfMemory`]; [`Error::Busy`] while the index is borrowed.
    pub async fn read_ahead(&self) -> Result<(), Error> {
        read_ahead(&self.store, self).await
    }

    /// Searches like [`Index::search`], and reads the records that it needs from the store, all at once.
    ///
    /// # Errors
    /// As [`Index::search`], but never [`Error::Cold`]; the error of the store; [`Error::Busy`] while the index is
    /// borrowed.
    pub async fn search(&self, query: &[f32], mut options: SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        with_records(&self.store, self, |index| index.search(query, options.again())).await
    }

    /// Searches for many queries like [`Index::search_many`], and reads the records that it needs from the store, for
    /// several queries together. If the index changes during such a wait, some hits reflect the earlier state.
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

    /// Calls `read` with the record of this id, reading it from the store if necessary, and returns the result, or
    /// `None` if there is no such record.
    ///
    /// # Errors
    /// As [`Index::get`], but never [`Error::Cold`]; the error of the store; [`Error::Busy`] while the index is
    /// borrowed.
    pub async fn get<T>(&self, id: &Id, mut read: impl FnMut(Record<'_>) -> T) -> Result<Option<T>, Error> {
        with_records(&self.store, self, |index| Ok(index.get(id)?.map(&mut read))).await
    }

    /// Links all records and exports the index like [`Index::export`], including the records that are only in the
    /// store. Needs at most one megabyte and 16 bytes per record beyond the export itself: blocks are read in parts,
    /// twice each, and released again.
    ///
    /// # Errors
    /// As [`Index::export`], but never [`Error::Cold`] or [`Error::Unlinked`]; the error of the store. [`Error::Busy`]
    /// if the index changed every time the call waited for the store.
    pub async fn export(&self) -> Result<Vec<u8>, Error> {
        export(&self.store, self, || true).await
    }

    /// Changes the index in memory. [`StoredIndex::commit`] makes it durable.
    ///
    /// # Errors
    /// The error of `change`; [`Error::Busy`] while the index is borrowed. [`Error::StoreFailed`] if `change` replaced
    /// the index by another one: from then on nothing is kept, and the store has what was committed before. To keep
    /// another index, put it into a store of its own with [`StoredIndex::create`].
    pub fn change<T>(&self, change: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        self.with(|index| self.identity.change(index, change))
    }

    /// Makes all changes so far as durable as the store can, by appending them to the log. Call this and
    /// [`StoredIndex::checkpoint`] one after the other; searches may run at the same time. Dropping the future before
    /// it completes counts as a failure.
    ///
    /// # Errors
    /// The error of the store. The index then accepts no more changes, and opening it again finds what the store has.
    /// [`Error::Busy`] during another commit.
    pub async fn commit(&self) -> Result<(), Error> {
        commit(&self.store, self).await
    }

    /// Returns whether [`StoredIndex::checkpoint`] would pay: the log has grown long, a compaction has changed much,
    /// options have changed, or too many records are in memory.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn checkpoint_due(&self) -> Result<bool, Error> {
        Ok(self.index()?.checkpoint_due())
    }

    /// Writes the segments that have changed, so that an opening need not read the log up to here. Then drops records
    /// that exceed the budget from memory. A change made meanwhile is in the checkpoint or in the log.
    ///
    /// # Errors
    /// The error of the store; as [`Index::link_step`], since records are linked first, unless many are being linked
    /// together: those are written without links. Nothing is lost, and the next checkpoint may succeed. [`Error::Busy`]
    /// during a commit, or if another checkpoint began meanwhile.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        checkpoint(&self.store, self).await
    }

    /// Compacts to the end without yielding the thread, and completes the compaction in the store: rewrites blocks that
    /// are mostly dead, and sets `reclaimed_bytes.cold`. Call it under the same conditions as
    /// [`StoredIndex::checkpoint`].
    ///
    /// # Errors
    /// As [`Index::compact_step`], [`StoredIndex::commit`] and [`StoredIndex::checkpoint`]. What was compacted stays
    /// compacted.
    pub async fn compact(&self, clock: &impl Clock) -> Result<CompactionReport, Error> {
        compact(&self.store, self, clock, SLICE_MS, Rewrite::Worn).await
    }

    /// Compacts like [`StoredIndex::compact`], and erases all remains of records deleted or replaced before: vector,
    /// code, payload and id, in the store and in the memory that the index holds. Natively, memory that held records is
    /// overwritten before it is returned to the allocator. Not erased are copies that the caller or the store holds in
    /// memory, and what the medium retains of deleted files.
    ///
    /// # Errors
    /// As [`StoredIndex::compact`]; a part may then be erased. [`Error::Corrupt`] if a damaged block may hold deleted
    /// records.
    pub async fn erase(&self, clock: &impl Clock) -> Result<CompactionReport, Error> {
        compact(&self.store, self, clock, SLICE_MS, Rewrite::AnyDead).await
    }

    /// Commits, writes a checkpoint if one is due ([`StoredIndex::checkpoint_due`]), and closes the store.
    ///
    /// # Errors
    /// As [`StoredIndex::commit`] and [`StoredIndex::checkpoint`]; the error of the store. It is closed all the same.
    pub async fn close(self) -> Result<(), Error> {
        let mut written = self.commit().await;
        if written.is_ok() {
            written = checkpoint_if_due(&self.store, &self).await;
        }
        // Close the store in any case. A failed write matters more than a failed close.
        let closed = self.store.close().await;
        written.and(closed.map_err(Error::from))
    }
}
