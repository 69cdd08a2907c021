//! Vectors from a seed, stores that wait and count, and helpers for driving them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub(crate) use crate::random::Rng;
use thermocline::bench_support::{Call, FaultPlan, FaultStore};
use thermocline::{Batch, MemoryStore, Store, StoreError};

thread_local! {
    static NOW_MS: Cell<f64> = const { Cell::new(0.0) };
}

/// The time that tests can advance.
pub(crate) fn now_ms() -> f64 {
    NOW_MS.get()
}

pub(crate) fn set_now_ms(now_ms: f64) {
    NOW_MS.set(now_ms);
}

impl Rng {
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A vector whose length every metric accepts.
    pub(crate) fn vector(&mut self, dimensions: usize) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..dimensions).map(|_| self.unit()).collect();
        vector[0] += 0.01;
        vector
    }
}

/// A place in memory whose store can be made to fail, and to wait before and after each call.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Rc<FaultStore<MemoryStore>>);

impl Shared {
    pub(crate) fn new(place: &MemoryStore, plan: Option<FaultPlan>) -> Self {
        Self(Rc::new(FaultStore::new(place.clone(), plan)))
    }

    /// The same for a test that changes the index and its store while a checkpoint waits.
    pub(crate) fn that_queues(place: &MemoryStore) -> Self {
        Self(Rc::new(FaultStore::new(place.clone(), None).that_queues()))
    }

    pub(crate) fn set_waits(&self, waits: bool) {
        self.0.set_waits(waits);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.calls()
    }
}

impl Store for Shared {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.0.read(keys).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.0.commit(batch).await
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.append(key, bytes).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.0.list(prefix).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.0.close().await
    }

    fn value_bytes(&self) -> usize {
        self.0.value_bytes()
    }
}

/// Drives a future to its end, and calls `meanwhile` whenever it waits.
pub(crate) fn drive<T>(future: impl Future<Output = T>, mut meanwhile: impl FnMut()) -> T {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return output,
            Poll::Pending => meanwhile(),
        }
    }
}

/// Returns the output of a future that does not wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    drive(future, || panic!("it waits"))
}

/// Returns everything that a store holds.
pub(crate) fn content(store: &impl Store) -> BTreeMap<String, Vec<u8>> {
    let keys = now(store.list("")).unwrap();
    let values = now(store.read(&keys)).unwrap();
    keys.into_iter().zip(values.into_iter().map(Option::unwrap)).collect()
}

/// Returns a separate place with the same content.
pub(crate) fn copied(place: &MemoryStore) -> MemoryStore {
    place_of(content(place), place.value_bytes())
}

pub(crate) fn place_of(content: BTreeMap<String, Vec<u8>>, value_bytes: usize) -> MemoryStore {
    let place = MemoryStore::with_value_bytes(value_bytes);
    now(place.commit(Batch { puts: content.into_iter().collect(), deletes: Vec::new() })).unwrap();
    place
}

pub(crate) fn delete(place: &impl Store, key: &str) {
    now(place.commit(Batch { puts: Vec::new(), deletes: vec![key.to_owned()] })).unwrap();
}

pub(crate) fn put(place: &impl Store, key: &str, value: Vec<u8>) {
    now(place.commit(Batch { puts: vec![(key.to_owned(), value)], deletes: Vec::new() })).unwrap();
}
