//! An index and the store that keeps it.

use super::identity::Identity;
use super::time::{WallClock, expire, has_expired, system_time_ms};
use super::{Clock, Host, Rewrite, checkpoint, commit, compact, create, export, open, read_ahead, with_records};
use crate::compact::CompactionReport;
use crate::index::{Config, Error, Hit, Index, Record, SearchOptions};
use crate::store::{Mode, Store};
use crate::types::Id;
use core::cell::{Ref, RefCell};

/// How often a reader begins anew whose records are dropped while it reads them.
const READ_ATTEMPTS: usize = 3;

/// How often the clock is looked at while a compaction runs to its end.
const SLICE_MS: f64 = 50.0;

/// How a stored index is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// What a new index is made with. Of one that is there, the dimensions, the metric, the quantization and `m` must be
    /// the same, the seed stays, and the rest applies from now on. None: only what is there is opened, as it is.
    pub config: Option<Config>,
    /// What is not needed for the first search is left for later. Records are read when they are needed, by the calls that
    /// wait for a store, and not all at once; so it is in any case when the config has a budget ([`Config::max_bytes`]). And
    /// those that come from logs are not linked into the graph yet ([`Index::pending`]): each insert links some of them, a
    /// checkpoint or a compaction all, and [`Index::link_slice`] as many as there is time for.
    pub lazy: bool,
    /// For writing, which only one may at a time (the store sees to that), or for reading only.
    pub mode: Mode,
    /// By which records expire: before each call that reads or changes the index it loses those whose moment has come. The
    /// default is the system's time.
    pub now_ms: WallClock,
    /// Milliseconds from some fixed moment. With it, how records are packed is chosen by how long that takes on this machine, and
    /// else by how long it typically does, so that equal calls write equal bytes. The default is none.
    pub stopwatch: Option<fn() -> f64>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { config: None, lazy: false, mode: Mode::default(), now_ms: system_time_ms, stopwatch: None }
    }
}

/// An index that is kept in a store.
///
/// Changes happen in memory at once; [`StoredIndex::commit`] makes all those before it durable together, so that many
/// changes may share one write. What was committed is found by the next opening, whatever happens in between.
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
    stopwatch: Option<fn() -> f64>,
}

impl<S> Host for StoredIndex<S> {
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        let mut index = self.index.try_borrow_mut().map_err(|_| Error::Busy)?;
        self.identity.check(&index)?;
        expire(&mut index, self.now_ms);
        work(&mut index)
    }

    fn stopwatch_ms(&self) -> Option<f64> {
        self.stopwatch.map(|stopwatch| stopwatch())
    }
}

impl<S: Store> StoredIndex<S> {
    /// Opens what is in the store, or makes an index in it. The store stays open when that fails, and is dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no index, and none is to be made; [`Error::Corrupt`], but not for links of which only
    /// the proof finds that they are wrong ([`Index::link_step`]); [`Error::UnsupportedVersion`];
    /// [`Error::DimensionMismatch`] or [`Error::InvalidOption`] when an option contradicts what is there;
    /// [`Error::OutOfMemory`]; what the store said.
    pub async fn open(store: S, options: OpenOptions) -> Result<Self, Error> {
        let OpenOptions { config, mode, lazy, now_ms, stopwatch } = options;
        let mut store = store;
        let mut left = READ_ATTEMPTS;
        loop {
            let mut opened = Self::open_once(store, config, mode, now_ms).await?;
            opened.stopwatch = stopwatch;
            if lazy {
                return Ok(opened);
            }
            match opened.read_ahead().await {
                Ok(()) => {
                    return match opened.with(Index::link_all) {
                        // Links that are not as they must be are said by the calls that need them, however it was opened.
                        Ok(()) | Err(Error::Corrupt { .. }) => Ok(opened),
                        Err(error) => Err(error),
                    };
                }
                // A writer has dropped meanwhile what this one was to read. There is a newer checkpoint.
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
            Self { store, index: RefCell::new(index), identity, now_ms, stopwatch: None }
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

    /// Puts an index that was in memory, or imported, into a place where there is none.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when there is one; [`Error::OutOfMemory`]; what the store said. The index is then dropped: whoever needs it
    /// still has an export of it.
    pub async fn create(store: S, index: Index) -> Result<Self, Error> {
        let (index, identity) = (RefCell::new(index), Identity::default());
        Self { store, index, identity, now_ms: system_time_ms, stopwatch: None }.created().await
    }

    /// The same, once its index is in the store.
    async fn created(mut self) -> Result<Self, Error> {
        create(&self.store, &self).await?;
        self.identity = Identity::of(self.index.get_mut());
        Ok(self)
    }

    /// The two apart, for a holder of another kind.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn into_parts(self) -> (S, Index, WallClock) {
        (self.store, self.index.into_inner(), self.now_ms)
    }

    /// The index, for searching and reading. To be given back before the next wait: while it is held, nobody can tell the
    /// index how a commit or a checkpoint has ended, and that call is [`Error::Busy`].
    ///
    /// # Errors
    /// [`Error::Busy`] from within [`StoredIndex::change`]; and while it is lent already and a record has expired since.
    pub fn index(&self) -> Result<Ref<'_, Index>, Error> {
        let index = self.index.try_borrow().map_err(|_| Error::Busy)?;
        if !has_expired(&index, self.now_ms) {
            return Ok(index);
        }
        drop(index);
        self.with(|_| Ok(()))?;
        self.index.try_borrow().map_err(|_| Error::Busy)
    }

    /// Reads the records that are in the store only, as many as may be in memory, so that later calls need not. Opening has done
    /// it already, unless it was lazy.
    ///
    /// # Errors
    /// What the store said; [`Error::OutOfMemory`]; [`Error::Busy`] while the index is borrowed.
    pub async fn read_ahead(&self) -> Result<(), Error> {
        read_ahead(&self.store, self).await
    }

    /// [`Index::search`]. What it needs of records that are in the store only is read, all at once.
    ///
    /// # Errors
    /// As there, but never [`Error::Cold`]; what the store said; [`Error::Busy`] while the index is borrowed.
    pub async fn search(&self, query: &[f32], mut options: SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        with_records(&self.store, self, |index| index.search(query, options.again())).await
    }

    /// What `read` makes of the record of this id; none when there is none. It is read from the store if need be.
    ///
    /// # Errors
    /// As [`Index::get`], but never [`Error::Cold`]; what the store said; [`Error::Busy`] while the index is borrowed.
    pub async fn get<T>(&self, id: &Id, mut read: impl FnMut(Record<'_>) -> T) -> Result<Option<T>, Error> {
        with_records(&self.store, self, |index| Ok(index.get(id)?.map(&mut read))).await
    }

    /// [`Index::export`], with all that is in the store only, once all is linked. Beside the export itself no more is held than
    /// before but for a megabyte, and 16 bytes for each record: blocks are read in parts, twice each, and given up again.
    ///
    /// # Errors
    /// As there, but never [`Error::Cold`] or [`Error::Unlinked`]; what the store said. [`Error::Busy`] when the index changed
    /// each time while it waited for the store.
    pub async fn export(&self) -> Result<Vec<u8>, Error> {
        export(&self.store, self, || true).await
    }

    /// Changes the index in memory. [`StoredIndex::commit`] makes it durable.
    ///
    /// # Errors
    /// What `change` says; [`Error::Busy`] while the index is borrowed. [`Error::StoreFailed`] when it has put another index in its place: from
    /// then on nothing is kept, and the place has what was committed before. An index that is to be kept goes into a place of its own by
    /// [`StoredIndex::create`].
    pub fn change<T>(&self, change: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        self.with(|index| self.identity.change(index, change))
    }

    /// Makes all changes so far durable: they are appended to the log. This and
    /// [`StoredIndex::checkpoint`] are called one after the other; searches may run beside them. A future that is dropped before
    /// its end is a failure like any other.
    ///
    /// # Errors
    /// What the store said. The index then takes no changes any more, and opening it again finds what the store has.
    /// [`Error::Busy`] beside another commit.
    pub async fn commit(&self) -> Result<(), Error> {
        commit(&self.store, self).await
    }

    /// Whether the log has grown so long, a compaction has changed so much, or so many records are in memory, that [`StoredIndex::checkpoint`] would pay.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn checkpoint_due(&self) -> Result<bool, Error> {
        Ok(self.index()?.checkpoint_due())
    }

    /// Writes the segments that have changed, so that opening need not read the log so far. More records in memory than the
    /// budget allows are then given up. A change made while it runs is
    /// in it or in the log.
    ///
    /// # Errors
    /// What the store said; nothing is lost, and the next one may succeed. [`Error::Busy`] beside a commit, and when another
    /// checkpoint has begun meanwhile.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        checkpoint(&self.store, self).await
    }

    /// Compacts to the end, without letting others have the thread, and brings that to its end in the store: blocks of which
    /// too much is dead are written anew, and `reclaimed_bytes.cold` says by how much the blocks in the store have become
    /// shorter. To be called as [`StoredIndex::checkpoint`].
    ///
    /// # Errors
    /// As [`Index::compact_step`], [`StoredIndex::commit`] and [`StoredIndex::checkpoint`]. What was compacted stays so.
    pub async fn compact(&self, clock: &impl Clock) -> Result<CompactionReport, Error> {
        compact(&self.store, self, clock, SLICE_MS, Rewrite::Worn).await
    }

    /// The same, after which nothing is left in the store, nor in memory that the index holds, of a record that was deleted or
    /// replaced before: vector, code, payload or id. Natively memory that held records is overwritten before it is given back to
    /// the allocator. What the caller held of them, what the store did, and what a medium keeps of files that are gone, is not.
    ///
    /// # Errors
    /// As [`StoredIndex::compact`]; some may then be erased. [`Error::Corrupt`] when deleted records may be in a block that
    /// is not as it was written.
    pub async fn erase(&self, clock: &impl Clock) -> Result<CompactionReport, Error> {
        compact(&self.store, self, clock, SLICE_MS, Rewrite::AnyDead).await
    }

    /// Commits, and gives the place back.
    ///
    /// # Errors
    /// As [`StoredIndex::commit`].
    pub async fn close(self) -> Result<(), Error> {
        let committed = self.commit().await;
        // The place is given back in any case; what was not kept matters more than what was not closed.
        let closed = self.store.close().await;
        committed.and(closed.map_err(Error::from))
    }
}
