//! A store in memory: a map, the simplest store.
//!
//! It is stricter than a store must be, because other code is tested on it: it refuses strings that are not keys, and a
//! batch that names a key twice.

use super::{Batch, Store, StoreError, is_key};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The default of [`Store::value_bytes`].
const VALUE_BYTES: usize = 64 << 10;

/// A store in memory. A clone is the same place, so to close and reopen it, keep a clone and drop the store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    values: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    value_bytes: usize,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_value_bytes(VALUE_BYTES)
    }
}

impl MemoryStore {
    /// Makes a new place with this [`Store::value_bytes`]. With a small number, even a small index has many values.
    pub fn with_value_bytes(value_bytes: usize) -> Self {
        Self { values: Arc::default(), value_bytes }
    }

    /// Locks the values. Each change is one step, so a thread that panicked while holding the lock left nothing half
    /// changed.
    fn values(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let values = self.values();
        let mut found = Vec::new();
        found.try_reserve_exact(keys.len())?;
        for key in keys {
            found.push(values.get(key).map(|value| copy(value)).transpose()?);
        }
        Ok(found)
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut named = BTreeSet::new();
        for key in batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes) {
            expect_key(key)?;
            if !named.insert(key) {
                return Err(StoreError::failed(format!("a batch names {key} twice")));
            }
        }
        let mut values = self.values();
        for key in &batch.deletes {
            values.remove(key);
        }
        values.extend(batch.puts);
        Ok(())
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        expect_key(key)?;
        let mut values = self.values();
        let value = values.entry(key.to_owned()).or_default();
        value.try_reserve(bytes.len())?;
        value.extend_from_slice(bytes);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.values().keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn value_bytes(&self) -> usize {
        self.value_bytes
    }
}

fn copy(value: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(value.len())?;
    copy.extend_from_slice(value);
    Ok(copy)
}

fn expect_key(key: &str) -> Result<(), StoreError> {
    if is_key(key) { Ok(()) } else { Err(StoreError::failed(format!("{key:?} is no key"))) }
}
