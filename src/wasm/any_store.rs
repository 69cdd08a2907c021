//! The stores of this platform as one type, so that whoever drives a store is compiled once.

use super::indexed_db::IndexedDb;
use super::js_store::JsStore;
use crate::store::{Batch, Store, StoreError};

/// One of the stores of this platform.
#[derive(Debug)]
pub enum AnyStore {
    /// The browser's database.
    IndexedDb(IndexedDb),
    /// An object of the caller's.
    Js(JsStore),
}

impl Store for AnyStore {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        match self {
            Self::IndexedDb(store) => store.read(keys).await,
            Self::Js(store) => store.read(keys).await,
        }
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        match self {
            Self::IndexedDb(store) => store.commit(batch).await,
            Self::Js(store) => store.commit(batch).await,
        }
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match self {
            Self::IndexedDb(store) => store.append(key, bytes).await,
            Self::Js(store) => store.append(key, bytes).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        match self {
            Self::IndexedDb(store) => store.list(prefix).await,
            Self::Js(store) => store.list(prefix).await,
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        match self {
            Self::IndexedDb(store) => store.close().await,
            Self::Js(store) => store.close().await,
        }
    }

    fn value_bytes(&self) -> usize {
        match self {
            Self::IndexedDb(store) => store.value_bytes(),
            Self::Js(store) => store.value_bytes(),
        }
    }
}
