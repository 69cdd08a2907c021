//! A store that fails at a chosen call.
//!
//! A simulation runs once without a plan and reads [`FaultStore::calls`]. Then it runs again for each of these calls
//! and each fault possible there, opens the place that is left, and checks what it holds.

use super::{Batch, Mode, Store, StoreError};
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
        /// The number of bytes, which determines in how many ways the append can be torn.
        bytes: usize,
    },
    /// [`Store::list`].
    List,
    /// [`Store::close`].
    Close,
}

/// How far the failing call gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call does nothing and fails.
    Before,
    /// The call does everything, but the caller is told that it failed.
    After,
    /// An append adds at most the first `bytes` of its bytes. Any other call does nothing.
    Torn {
        /// The number of bytes.
        bytes: usize,
    },
}

/// What goes wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// The call that fails, counted from 0.
    pub call: usize,
    /// How far the call gets.
    pub fault: Fault,
    /// The error that the call returns.
    pub error: StoreError,
    /// Whether every later call fails too and does nothing, as after a kill.
    pub is_dead_after: bool,
}

/// A store that counts calls and fails as planned.
#[derive(Debug)]
pub struct FaultStore<S> {
    inner: S,
    plan: Option<FaultPlan>,
    calls: Mutex<Vec<Call>>,
}

/// What happens to one call.
enum Turn {
    Works,
    Fails(Fault, StoreError),
}

impl<S: Store> FaultStore<S> {
    /// Passes every call on to `inner`, except where the plan says otherwise.
    pub fn new(inner: S, plan: Option<FaultPlan>) -> Self {
        Self { inner, plan, calls: Mutex::default() }
    }

    /// Returns all calls made so far, in order, including those that failed.
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

    /// Makes the call, unless the plan makes it fail.
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

    fn mode(&self) -> Mode {
        self.inner.mode()
    }

    fn value_bytes(&self) -> usize {
        self.inner.value_bytes()
    }
}
