//! A store whose calls can be watched.

use thermocline::{Batch, Store, StoreError};

/// What a store is about to be asked.
pub(crate) enum Asked<'a> {
    Read(&'a [String]),
    Commit(&'a Batch),
    Append(&'a str, &'a [u8]),
}

/// Passes every call on, unless `before` returns an error for it.
#[derive(Clone)]
pub(crate) struct Watched<S, F> {
    inner: S,
    value_bytes: usize,
    before: F,
}

impl<S: Store, F: Fn(Asked<'_>) -> Result<(), StoreError>> Watched<S, F> {
    pub(crate) fn new(inner: S, before: F) -> Self {
        Self { value_bytes: inner.value_bytes(), inner, before }
    }

    /// Sets the value length, whatever `inner` says.
    pub(crate) fn with_value_bytes(self, value_bytes: usize) -> Self {
        Self { value_bytes, ..self }
    }
}

impl<S: Store, F: Fn(Asked<'_>) -> Result<(), StoreError>> Store for Watched<S, F> {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        (self.before)(Asked::Read(keys))?;
        self.inner.read(keys).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        (self.before)(Asked::Commit(&batch))?;
        self.inner.commit(batch).await
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        (self.before)(Asked::Append(key, bytes))?;
        self.inner.append(key, bytes).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(prefix).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }

    fn value_bytes(&self) -> usize {
        self.value_bytes
    }
}
