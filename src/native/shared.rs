//! One index for many threads.
//!
//! | file     | what                                      |
//! |----------|-------------------------------------------|
//! | `many`   | inserting many records, a slice at a time |
//! | `stored` | the part that uses a store                |

mod many;
mod stored;

use super::SystemClock;
use crate::compact::CompactionReport;
use crate::driver::{ClockFunction, Host, Identity, WallClock, expire, has_expired, system_time_ms};
use crate::index::{Answer, Answers, Error, Hit, Index, Payload, Record, SearchOptions, Stats, with_own_threads};
use crate::types::Id;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An index that any number of threads can search at once, and one thread at a time can change. A clone is the same
/// index.
///
/// Readers never wait for long: a change holds the index while it lasts, a compaction or [`SharedIndex::insert_many`]
/// holds it for one slice at a time, and no thread holds it while waiting for a store.
///
/// A closure or filter passed to one of these calls must not call the same index: the thread would wait for itself. Nor
/// may it wait for tasks of a rayon pool (`install`, or a parallel iterator within it), because they may want the same
/// index. What the index itself does in parallel does not wait for such tasks.
///
/// ```
/// use thermocline::{Config, Index, SearchOptions, SharedIndex};
///
/// let notes = SharedIndex::new(Index::new(Config::new(3))?);
/// let writer = notes.clone();
/// let inserted = std::thread::spawn(move || writer.insert(&[1.0, 0.0, 0.1], None));
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
    /// How often the index was locked for a change. It grows only while the index is locked so.
    changes: AtomicU64,
    /// Locked by a call that inserts many records, for as long as it lasts, and before the index. With a second such
    /// call the queue of waiting records might never become empty.
    many: Mutex<()>,
    identity: Identity,
    /// Locked by each call that uses the store, for as long as it does: by those that write, so that commits and
    /// checkpoints come one after the other, and by those that read.
    store: Mutex<StoreState<S>>,
    /// Set while the index is locked for a change. Once it is set, callers can change nothing any more.
    is_closed: AtomicBool,
    now_ms: WallClock,
    clock: Option<ClockFunction>,
}

/// The state of the store that keeps the index.
#[derive(Debug)]
enum StoreState<S> {
    Open(S),
    Closed {
        /// The outcome of the last commit, which covered all changes.
        committed: Result<(), Error>,
    },
}

impl<S> Clone for SharedIndex<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S> Shared<S> {
    // A panic in a caller's closure poisons the lock but does not interrupt an operation of the index, so poison is
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
        self.changes.fetch_add(1, Ordering::Relaxed);
        expire(&mut index, self.now_ms);
        index
    }

    /// Refuses changes once the index is closed.
    fn check_open(&self) -> Result<(), Error> {
        if self.is_closed.load(Ordering::Relaxed) { Err(Error::Closed) } else { Ok(()) }
    }
}

impl<S> Host for Shared<S> {
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        let mut index = self.write();
        self.identity.check(&index)?;
        with_own_threads(|| work(&mut index))
    }

    fn give_way(&self) {
        // A thread that takes the lock again at once would get it before the threads that wait for it.
        std::thread::yield_now();
    }

    fn clock_ms(&self) -> Option<f64> {
        self.clock.map(|clock| clock())
    }
}

impl SharedIndex {
    /// Shares an index that is only in memory.
    pub fn new(index: Index) -> Self {
        Self::around(index, (), system_time_ms, None)
    }
}

impl<S> SharedIndex<S> {
    fn around(index: Index, store: S, now_ms: WallClock, clock: Option<ClockFunction>) -> Self {
        let identity = Identity::of(&index);
        let (index, store) = (RwLock::new(index), Mutex::new(StoreState::Open(store)));
        let is_closed = AtomicBool::new(false);
        let (changes, many) = (AtomicU64::new(0), Mutex::new(()));
        Self { shared: Arc::new(Shared { index, changes, many, identity, store, is_closed, now_ms, clock }) }
    }

    /// Refuses if the index is closed.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        self.shared.check_open()
    }

    /// Calls `read` with the index, together with other readers.
    pub fn read<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        let index = self.shared.read();
        with_own_threads(|| read(&index))
    }

    /// Searches like [`Index::search`], together with other readers.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn search(&self, query: &[f32], options: SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        self.read(|index| index.search(query, options))
    }

    /// Searches for many queries like [`Index::search_many`], a few at a time, together with other readers. Other
    /// threads may change the index in between: to get the hits of a single moment, use [`SharedIndex::read`] with
    /// [`Index::search_many`]. On a thread of a rayon pool, that thread does all the work alone.
    ///
    /// # Errors
    /// As [`Index::search_many`].
    pub fn search_many<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        options: SearchOptions<'_>,
    ) -> Result<Vec<Vec<Hit>>, Error> {
        self.answers_by(queries, options, |call| self.read(call))
    }

    /// Searches for many queries: `with` calls the given closure with the index, for a few queries at a time.
    fn answers_by<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        mut options: SearchOptions<'_>,
        with: impl Fn(&mut dyn FnMut(&Index) -> Result<(), Error>) -> Result<(), Error>,
    ) -> Result<Vec<Vec<Hit>>, Error> {
        self.read(|index| index.check_queries(queries, &options))?;
        let mut answers = Answers::new(queries.len())?;
        for (queries, answers) in answers.together(queries) {
            while answers.iter().any(Answer::is_open) {
                with(&mut |index| index.answer(queries, options.again(), answers))?;
            }
        }
        answers.into_hits()
    }

    /// Calls `read` with the live record of this id and returns the result, or `None` if there is no such record.
    ///
    /// # Errors
    /// As [`Index::get`].
    pub fn get<T>(&self, id: &Id, read: impl FnOnce(Record<'_>) -> T) -> Result<Option<T>, Error> {
        self.read(|index| Ok(index.get(id)?.map(read)))
    }

    /// Returns whether there is a live record with this id.
    ///
    /// # Errors
    /// As [`Index::contains`].
    pub fn contains(&self, id: &Id) -> Result<bool, Error> {
        self.shared.read().contains(id)
    }

    /// Returns the ids of all records that are live at this moment, like [`Index::ids`].
    pub fn ids(&self) -> Vec<Id> {
        self.shared.read().ids().collect()
    }

    /// Returns the number of live records at this moment.
    pub fn len(&self) -> usize {
        self.shared.read().len()
    }

    /// Returns counts and bytes at this moment, like [`Index::stats`].
    pub fn stats(&self) -> Stats {
        self.shared.read().stats()
    }

    /// Returns true when no record is live at this moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `change` with exclusive access to the index. Keep it short: other threads wait.
    ///
    /// # Errors
    /// The error of `change`. [`Error::StoreFailed`] as [`StoredIndex::change`](crate::StoredIndex::change);
    /// [`Error::Closed`].
    pub fn change<T>(&self, change: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        self.shared.with(|index| {
            self.shared.check_open()?;
            self.shared.identity.change(index, change)
        })
    }

    /// Inserts a record like [`Index::insert`].
    ///
    /// # Errors
    /// As [`Index::insert`] and [`SharedIndex::change`].
    pub fn insert(&self, vector: &[f32], payload: Option<Payload<'_>>) -> Result<Id, Error> {
        self.change(|index| index.insert(vector, payload))
    }

    /// Inserts a record that expires, like [`Index::insert_expiring`].
    ///
    /// # Errors
    /// As [`Index::insert_expiring`] and [`SharedIndex::change`].
    pub fn insert_expiring(
        &self,
        vector: &[f32],
        payload: Option<Payload<'_>>,
        expires_ms: Option<f64>,
    ) -> Result<Id, Error> {
        self.change(|index| index.insert_expiring(vector, payload, expires_ms))
    }

    /// Inserts a record under exactly this id, like [`Index::insert_with_id`].
    ///
    /// # Errors
    /// As [`Index::insert_with_id`] and [`SharedIndex::change`].
    pub fn insert_with_id(&self, id: impl Into<Id>, vector: &[f32], payload: Option<Payload<'_>>) -> Result<(), Error> {
        self.change(|index| index.insert_with_id(id, vector, payload))
    }

    /// Inserts a record that expires under exactly this id, like [`Index::insert_with_id_expiring`].
    ///
    /// # Errors
    /// As [`Index::insert_with_id_expiring`] and [`SharedIndex::change`].
    pub fn insert_with_id_expiring(
        &self,
        id: impl Into<Id>,
        vector: &[f32],
        payload: Option<Payload<'_>>,
        expires_ms: Option<f64>,
    ) -> Result<(), Error> {
        self.change(|index| index.insert_with_id_expiring(id, vector, payload, expires_ms))
    }

    /// Inserts a record or replaces the one with its id, like [`Index::upsert`].
    ///
    /// # Errors
    /// As [`Index::upsert`] and [`SharedIndex::change`].
    pub fn upsert(&self, id: impl Into<Id>, vector: &[f32], payload: Option<Payload<'_>>) -> Result<(), Error> {
        self.change(|index| index.upsert(id, vector, payload))
    }

    /// Inserts or replaces a record with one that expires, like [`Index::upsert_expiring`].
    ///
    /// # Errors
    /// As [`Index::upsert_expiring`] and [`SharedIndex::change`].
    pub fn upsert_expiring(
        &self,
        id: impl Into<Id>,
        vector: &[f32],
        payload: Option<Payload<'_>>,
        expires_ms: Option<f64>,
    ) -> Result<(), Error> {
        self.change(|index| index.upsert_expiring(id, vector, payload, expires_ms))
    }

    /// Deletes a record like [`Index::delete`].
    ///
    /// # Errors
    /// As [`Index::delete`] and [`SharedIndex::change`].
    pub fn delete(&self, id: &Id) -> Result<bool, Error> {
        self.change(|index| index.delete(id))
    }

    /// Deletes every record like [`Index::clear`].
    ///
    /// # Errors
    /// As [`Index::clear`] and [`SharedIndex::change`].
    pub fn clear(&self) -> Result<(), Error> {
        self.change(Index::clear)
    }

    /// Links all pending records ([`Index::pending`]) one after the other; in between, other threads can use the index.
    ///
    /// # Errors
    /// As [`Index::link_step`] and [`SharedIndex::change`].
    pub fn link(&self) -> Result<(), Error> {
        while self.change(Index::link_step)? {
            // A waiting thread gets the lock only if it gets to run.
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Compacts to the end, in slices of about `slice_ms` milliseconds, between which other threads can use the index.
    /// Threads that compact at the same time share one compaction, and each returns its report. If the compaction is
    /// dropped meanwhile, by [`Index::compact_abort`] or because it failed in another thread, it starts over.
    ///
    /// # Errors
    /// As [`Index::compact_step`] and [`SharedIndex::change`]; [`Error::InvalidOption`] if `slice_ms` is not a number
    /// above 0.
    pub fn compact(&self, slice_ms: f64) -> Result<CompactionReport, Error> {
        self.compact_until(slice_ms, || false).map(Option::unwrap_or_default)
    }

    /// Compacts like [`SharedIndex::compact`], but stops without a report when `is_over` returns true.
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
            // A waiting thread gets the lock only if it gets to run.
            std::thread::yield_now();
        }
        Ok(None)
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
