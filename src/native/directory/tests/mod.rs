//! The directory store at every step at which it may be cut off.

mod crash;
mod damage;
mod order;
mod power;

use super::{DirectoryStore, Folder};
use crate::native::block_on;
use crate::store::{Batch, Durability, Mode, Store, StoreError, StoreOptions};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

const READ_ONLY: StoreOptions = StoreOptions { durability: Durability::Relaxed, mode: Mode::ReadOnly };
const RELAXED: StoreOptions = StoreOptions { durability: Durability::Relaxed, mode: Mode::ReadWrite };
const STRICT: StoreOptions = StoreOptions { durability: Durability::Strict, mode: Mode::ReadWrite };

/// The content of a place.
type Content = BTreeMap<String, Vec<u8>>;

/// A temporary directory, removed when this is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        Self::under(std::env::temp_dir())
    }

    /// In a file system that lies in memory, where there is one: for many places that no medium need keep.
    fn in_memory() -> Self {
        let memory = PathBuf::from("/dev/shm");
        Self::under(if memory.is_dir() { memory } else { std::env::temp_dir() })
    }

    fn under(parent: PathBuf) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self(parent.join(format!("thermocline-unit-{}-{number}", std::process::id())))
    }

    /// Creates a place with this content.
    fn with(content: &[(&str, &str)]) -> Self {
        let place = Self::new();
        let store = place.open(RELAXED);
        for (key, value) in content {
            block_on(store.append(key, value.as_bytes())).unwrap();
        }
        block_on(store.close()).unwrap();
        place
    }

    fn open(&self, options: StoreOptions) -> DirectoryStore {
        DirectoryStore::open(&self.0, options).unwrap()
    }

    /// Opens the place, stopping the opening after this many steps.
    fn open_until(&self, steps: usize) -> Result<DirectoryStore, StoreError> {
        let folder = Folder::new(&self.0);
        folder.watch.stop_after(steps);
        DirectoryStore::open_folder(folder, STRICT)
    }

    /// Returns what a reader finds.
    fn content(&self) -> Content {
        content(&self.open(READ_ONLY))
    }

    /// Returns every file and its bytes.
    fn files(&self) -> Content {
        let entries = fs::read_dir(&self.0).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
    }

    fn put(&self, name: &str, bytes: &str) {
        fs::write(self.0.join(name), bytes).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn content(store: &DirectoryStore) -> Content {
    let keys = block_on(store.list("")).unwrap();
    let values = block_on(store.read(&keys)).unwrap();
    keys.into_iter().zip(values.into_iter().map(|value| value.expect("a key that is listed has a value"))).collect()
}

fn batch(puts: &[(&str, &str)], deletes: &[&str]) -> Batch {
    let puts = puts.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Batch { puts, deletes: deletes.iter().map(|key| (*key).into()).collect() }
}

fn map(content: &[(&str, &str)]) -> Content {
    content.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}
