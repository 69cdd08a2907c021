//! A store in a directory: a file for each key (docs/FORMAT.md, "A store").
//!
//! | file      | what                                                                        |
//! |-----------|-----------------------------------------------------------------------------|
//! | `names`   | file names of keys                                                          |
//! | `folder`  | the operations on files, and their errors                                   |
//! | `journal` | the changes still to be made by a commit, as text                           |
//! | `commit`  | how several files change together, and recovery after a crash               |
//! | `watch`   | lets tests watch operations and stop at one                                 |
//!
//! Files are read and written while the caller waits, so every future is ready when it is first polled.

mod commit;
mod folder;
mod journal;
mod names;
#[cfg(test)]
mod tests;
mod watch;

pub(super) use folder::Folder;
pub(super) use names::LOCK;

use super::lock::{self, Lock};
use crate::store::{Batch, Durability, Mode, Store, StoreError, StoreOptions};
use journal::{Change, Changes};
use names::{JOURNAL, is_log, is_of_index, key_of, name_of, staged};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values up to this length are read and written in one go without blocking the caller for long.
const VALUE_BYTES: usize = 4 << 20;

/// How often a reader beside a busy writer retries until no commit begins or ends during a read.
const TRIES: usize = 100;

/// A store in a directory.
///
/// Open for writing, the directory has one owner at a time, in this process or another. The lock file of an owner that
/// was killed does not block later openings. Open for reading only, the store changes nothing and may coexist with a
/// writer: each value that it reads was whole at some moment of the call, but two calls may see different moments.
#[derive(Debug)]
pub struct DirectoryStore {
    folder: Folder,
    options: StoreOptions,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Reads,
    Writes(Lock),
    /// A commit failed after its commit point: it counts, and nothing more may be written, for this reason.
    Stuck {
        why: StoreError,
        _lock: Lock,
    },
    Closed,
}

impl DirectoryStore {
    /// Opens the directory at `path`. For writing, creates the directory if it does not exist, and completes or undoes
    /// a commit that was cut off.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if the directory has an owner; [`StoreError::NotFound`] if it is opened for reading only
    /// and does not exist; [`StoreError::Failed`] if it contains a journal that is not understood; errors of the
    /// operating system.
    pub fn open(path: impl AsRef<Path>, options: StoreOptions) -> Result<Self, StoreError> {
        Self::open_folder(Folder::new(path.as_ref()), options)
    }

    fn open_folder(folder: Folder, options: StoreOptions) -> Result<Self, StoreError> {
        let state = match options.mode {
            Mode::ReadOnly => {
                if !folder.exists()? {
                    let what = format!("there is no directory {}", folder.path().display());
                    return Err(StoreError::NotFound { what });
                }
                folder.names()?;
                State::Reads
            }
            Mode::ReadWrite => {
                folder.make()?;
                let lock = lock::claim(&folder)?;
                commit::recover(&folder)?;
                State::Writes(lock)
            }
        };
        Ok(Self { folder, options, state: Mutex::new(state) })
    }

    /// Removes the index at `path`, and the directory if nothing else is in it. Other files are left alone, even if
    /// their names are keys, unless an index uses them. If this is cut off, a part of the index is left: call it again.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if the directory has an owner; [`StoreError::Failed`] if it contains a file `commit` that
    /// is not understood; errors of the operating system. It is not an error if the directory does not exist.
    pub fn destroy(path: impl AsRef<Path>) -> Result<(), StoreError> {
        let folder = Folder::new(path.as_ref());
        if !folder.exists()? {
            return Ok(());
        }
        let lock = lock::claim(&folder)?;
        // Complete the commit first, so that no journal remains that names removed files.
        commit::recover(&folder)?;
        for name in folder.names()?.iter().filter(|name| is_of_index(name)) {
            folder.remove(name)?;
        }
        folder.sync()?;
        drop(lock);
        folder.remove_if_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect_open(&self) -> Result<(), StoreError> {
        match *self.state() {
            State::Closed => Err(closed(&self.folder)),
            _ => Ok(()),
        }
    }

    fn expect_writable(&self) -> Result<(), StoreError> {
        match &*self.state() {
            State::Reads => Err(StoreError::ReadOnly),
            State::Writes(_) => Ok(()),
            State::Stuck { why, .. } => Err(StoreError::failed(format!("an earlier commit was cut off: {why}"))),
            State::Closed => Err(closed(&self.folder)),
        }
    }

    /// Refuses all later writes, because a commit failed after its commit point: it counts, and only opening the
    /// directory again shows its outcome.
    fn get_stuck(&self, why: &StoreError) {
        let mut state = self.state();
        if let State::Writes(lock) = std::mem::replace(&mut *state, State::Closed) {
            *state = State::Stuck { why: why.clone(), _lock: lock };
        }
    }

    /// Reads as if the pending commit were complete. Its writer may be in the middle of it, may have been killed, or
    /// may be this store after a failed commit. The result counts only if no commit began or ended meanwhile, because
    /// another commit may have staged different values under the same names.
    fn read_through<T>(&self, read: impl Fn(Option<&Changes<'_>>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.expect_open()?;
        for _ in 0..TRIES {
            let file = self.folder.open(JOURNAL)?;
            let journal = file.as_ref().map(|file| commit::read(&self.folder, file)).transpose()?.flatten();
            let pending = journal.as_ref().map(|journal| journal.by_name()).transpose()?;
            let found = read(pending.as_ref());
            if self.folder.is_still(JOURNAL, file.as_ref())? {
                return found;
            }
        }
        Err(StoreError::failed(format!("{} changes faster than it can be read", self.folder.path().display())))
    }

    fn value(&self, key: &str, pending: Option<&Changes<'_>>) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name_of(key)?;
        match pending.and_then(|pending| pending.of_name(&name)) {
            Some(Change::Delete(_)) => Ok(None),
            Some(Change::Put(_)) => match self.folder.read(&staged(&name))? {
                Some(value) => Ok(Some(value)),
                None => self.folder.read(&name),
            },
            None => self.folder.read(&name),
        }
    }

    fn keys(&self, prefix: &str, pending: Option<&Changes<'_>>) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        let mut keep = |name: &str| {
            if let Some(key) = key_of(name).filter(|key| key.starts_with(prefix)) {
                keys.try_reserve(1)?;
                keys.push(key);
            }
            Ok::<(), StoreError>(())
        };
        for name in self.folder.names()?.iter().filter(|name| pending.is_none_or(|it| it.of_name(name).is_none())) {
            keep(name)?;
        }
        for change in pending.iter().flat_map(|pending| pending.iter()) {
            if let Change::Put(name) = change {
                keep(name)?;
            }
        }
        Ok(keys)
    }
}

impl Store for DirectoryStore {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.read_through(|pending| {
            let mut values = Vec::new();
            values.try_reserve_exact(keys.len())?;
            for key in keys {
                values.push(self.value(key, pending)?);
            }
            Ok(values)
        })
    }

    async fn commit(&self, mut batch: Batch) -> Result<(), StoreError> {
        self.expect_writable().inspect_err(|_| batch.wipe())?;
        if batch == Batch::default() {
            return Ok(());
        }
        let staged = commit::stage(&self.folder, &batch);
        batch.wipe();
        let staged = staged?;
        commit::apply(&self.folder, &staged).inspect_err(|why| self.get_stuck(why))
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.expect_writable()?;
        let name = name_of(key)?;
        if is_log(&name) && !self.folder.has(&name) {
            // A new log continues the others, which need not be on the medium unless every append is.
            if commit::sync_logs(&self.folder, &self.folder.names()?)? {
                self.folder.sync()?;
            }
        }
        self.folder.append(&name, bytes, self.options.durability == Durability::Strict)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.read_through(|pending| self.keys(prefix, pending))
    }

    async fn close(&self) -> Result<(), StoreError> {
        *self.state() = State::Closed;
        Ok(())
    }

    fn mode(&self) -> Mode {
        self.options.mode
    }

    fn value_bytes(&self) -> usize {
        VALUE_BYTES
    }
}

fn closed(folder: &Folder) -> StoreError {
    StoreError::failed(format!("{} is closed", folder.path().display()))
}
