//! Places, and helpers for opening and reading them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use thermocline::{Batch, DirectoryStore, Durability, Mode, Store, StoreError, StoreOptions, block_on};

pub(crate) const RELAXED: StoreOptions = StoreOptions { durability: Durability::Relaxed, mode: Mode::ReadWrite };
pub(crate) const STRICT: StoreOptions = StoreOptions { durability: Durability::Strict, mode: Mode::ReadWrite };
pub(crate) const READ_ONLY: StoreOptions = StoreOptions { durability: Durability::Relaxed, mode: Mode::ReadOnly };

/// A directory path of its own. Nothing exists there at first; it is removed when dropped.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("thermocline-store-{}-{number}", std::process::id())))
    }

    pub(crate) fn open(&self, options: StoreOptions) -> Result<DirectoryStore, StoreError> {
        DirectoryStore::open(&self.0, options)
    }

    /// Returns the names of all files, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap().map(Result::unwrap);
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns everything that the store holds.
pub(crate) fn content(store: &impl Store) -> BTreeMap<String, Vec<u8>> {
    let keys = block_on(store.list("")).unwrap();
    let values = block_on(store.read(&keys)).unwrap();
    keys.into_iter().zip(values.into_iter().map(|value| value.expect("a key that is listed has a value"))).collect()
}

pub(crate) fn batch(puts: &[(&str, &[u8])], deletes: &[&str]) -> Batch {
    let puts = puts.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect();
    Batch { puts, deletes: deletes.iter().map(|key| (*key).to_owned()).collect() }
}

/// Passes the place to a test that runs in a process of its own.
const PLACE: &str = "THERMOCLINE_TEST_PLACE";

/// Another process, which ends with the one that started it.
pub(crate) struct Elsewhere(pub(crate) Child);

impl Elsewhere {
    /// Runs one test of this program in another process, which gets the place from [`given_place`].
    pub(crate) fn run(test: &str, place: &Place) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(PLACE, &place.0)
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Kills the process and waits until it has ended.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the place passed by another process, or `None` if no other process started the test.
pub(crate) fn given_place() -> Option<PathBuf> {
    std::env::var_os(PLACE).map(PathBuf::from)
}
