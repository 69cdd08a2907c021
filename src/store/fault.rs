//! Any store, made to fail at a chosen call.
//!
//! A simulation runs once without a plan and reads [`FaultStore::calls`]. Then it runs again for each of them and each
//! fault that the call can have, opens the place that is left, and looks at what is there.

use super::{Batch, Store, StoreError};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A call of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Store::read`].
    Read,
    /// [`Store::commit`].
    Commit,
    /// [`Store::append`].
    Append {
        /// How many there were, which says how many ways there are to tear it.
        bytes: usize,
    },
    /// [`Store::list`].
    List,
    /// [`Store::close`].
    Close,
}

/// How far the call that fails gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing.
    Before,
    /// It does everything. The caller is told that it failed all the same.
    After,
    /// An append adds no more than the first `bytes` of its bytes. Any other call does nothing.
    Torn {
        /// How many.
        bytes: usize,
    },
}

/// What goes wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The call that fails, counted from 0.
    pub call: usize,
    /// How far it gets.
    pub fault: Fault,
    /// What it says.
    pub error: StoreError,
    /// Every later call fails too and does nothing, as after a kill.
    pub is_dead_after: bool,
}

/// A store that counts calls, and fails as planned.
#[derive(Debug)]
pub struct FaultStore<S> {
    inner: S,
    plan: Option<Plan>,
    calls: Mutex<Vec<Call>>,
}

/// What the plan has for one call.
enum Turn {
    Works,
    Fails(Fault, StoreError),
}

impl<S: Store> FaultStore<S> {
    /// Passes every call on to `inner`, except for what the plan says.
    pub fn new(inner: S, plan: Option<Plan>) -> Self {
        Self { inner, plan, calls: Mutex::default() }
    }

    /// Every call that was made, in order, those that failed included.
    pub fn calls(&self) -> Vec<Call> {
        self.made().clone()
    }

    fn made(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, call: Call) -> Turn {
        let mut made = self.made();
        let number = made.len();
        made.push(call);
        match &self.plan {
            Some(plan) if number == plan.call => Turn::Fails(plan.fault, plan.error.clone()),
            Some(plan) if number > plan.call && plan.is_dead_after => {
                Turn::Fails(Fault::Before, StoreError::failed(format!("the store stopped at call {}", plan.call)))
            }
            _ => Turn::Works,
        }
    }

    /// Makes the call, unless it is this one's turn to fail.
    async fn pass<T>(&self, call: Call, run: impl AsyncFnOnce(&S) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match self.turn(call) {
            Turn::Works => run(&self.inner).await,
            Turn::Fails(Fault::After, error) => {
                run(&self.inner).await?;
                Err(error)
            }
            Turn::Fails(_, error) => Err(error),
        }
    }
}

impl<S: Store> Store for FaultStore<S> {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.pass(Call::Read, async |inner| inner.read(keys).await).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.pass(Call::Commit, async |inner| inner.commit(batch).await).await
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (added, fails) = match self.turn(Call::Append { bytes: bytes.len() }) {
            Turn::Works => (bytes, None),
            Turn::Fails(Fault::Before, error) => return Err(error),
            Turn::Fails(Fault::After, error) => (bytes, Some(error)),
            Turn::Fails(Fault::Torn { bytes: first }, error) => (&bytes[..first.min(bytes.len())], Some(error)),
        };
        self.inner.append(key, added).await?;
        fails.map_or(Ok(()), Err)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.pass(Call::List, async |inner| inner.list(prefix).await).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.pass(Call::Close, async |inner| inner.close().await).await
    }

    fn value_bytes(&self) -> usize {
        self.inner.value_bytes()
    }
}
