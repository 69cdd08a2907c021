//! A store that fails at a chosen call.
//!
//! A simulation runs once without a plan and reads [`FaultStore::calls`]. Then it runs again for each of these calls
//! and each fault possible there, opens the place that is left, and checks what it holds.
//!
//! No fault reorders calls, because no two of them can take effect in another order: what changes a place is called
//! alone ([`Store`]), and this store panics if it is not. So a kill leaves what all earlier calls wrote, and of the
//! call under way what [`Fault`] says. A loss of power can reorder the operations that a store makes of its calls,
//! which is tried where they are seen: `native/directory/tests/power.rs`, and for Node `pkg/test/store/power.test.mjs`.

use super::{Batch, Mode, Store, StoreError};
use core::future::poll_fn;
use core::task::Poll;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// A store that counts calls and fails as planned. It can be made to wait, so that other things happen during a call.
#[derive(Debug)]
pub struct FaultStore<S> {
    inner: S,
    plan: Option<FaultPlan>,
    made: Mutex<Made>,
    waits: AtomicBool,
    queues: bool,
}

/// The calls so far.
#[derive(Debug, Default)]
struct Made {
    calls: Vec<Call>,
    /// How many reads, and how many other calls, are under way.
    reads: usize,
    others: usize,
}

/// A call under way, until it is dropped.
struct UnderWay<'a> {
    made: &'a Mutex<Made>,
    is_read: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut made = lock(self.made);
        *(if self.is_read { &mut made.reads } else { &mut made.others }) -= 1;
    }
}

fn lock(made: &Mutex<Made>) -> MutexGuard<'_, Made> {
    made.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What happens to one call.
enum Turn {
    Works,
    Fails(Fault, StoreError),
}

impl<S: Store> FaultStore<S> {
    /// Passes every call on to `inner`, except where the plan says otherwise.
    pub fn new(inner: S, plan: Option<FaultPlan>) -> Self {
        Self { inner, plan, made: Mutex::default(), waits: AtomicBool::new(false), queues: false }
    }

    /// The same for a caller that does not wait for a call before it makes the next: like a store that makes them one
    /// after the other by itself.
    #[must_use]
    pub fn that_queues(self) -> Self {
        Self { queues: true, ..self }
    }

    /// Returns all calls made so far, in order, including those that failed.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.made).calls.clone()
    }

    /// From then on every call but [`Store::close`] is pending once before it begins, and one that changes the place
    /// once more after it. Nothing wakes its task: the caller polls again.
    pub fn set_waits(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    async fn wait(&self) {
        let mut waits = self.waits.load(Ordering::Relaxed);
        poll_fn(|_| if core::mem::take(&mut waits) { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    /// Notes a call as under way.
    ///
    /// # Panics
    /// If it may not overlap another one that is: only reads may, with anything but the closing.
    fn begin(&self, call: Call) -> UnderWay<'_> {
        let is_read = call == Call::Read;
        let mut made = lock(&self.made);
        *(if is_read { &mut made.reads } else { &mut made.others }) += 1;
        let under_way = (made.reads, made.others);
        drop(made);
        let is_alone = under_way.1 <= 1 && (call != Call::Close || under_way.0 == 0);
        assert!(is_alone || self.queues, "{call:?} during another call");
        UnderWay { made: &self.made, is_read }
    }

    fn turn(&self, call: Call) -> Turn {
        let calls = &mut lock(&self.made).calls;
        let number = calls.len();
        calls.push(call);
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

    async fn add(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (added, fails) = match self.turn(Call::Append { bytes: bytes.len() }) {
            Turn::Works => (bytes, None),
            Turn::Fails(Fault::Before, error) => return Err(error),
            Turn::Fails(Fault::After, error) => (bytes, Some(error)),
            Turn::Fails(Fault::Torn { bytes: first }, error) => (&bytes[..first.min(bytes.len())], Some(error)),
        };
        self.inner.append(key, added).await?;
        fails.map_or(Ok(()), Err)
    }
}

impl<S: Store> Store for FaultStore<S> {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let _read = self.begin(Call::Read);
        self.wait().await;
        self.pass(Call::Read, async |inner| inner.read(keys).await).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let _commit = self.begin(Call::Commit);
        self.wait().await;
        let done = self.pass(Call::Commit, async |inner| inner.commit(batch).await).await;
        self.wait().await;
        done
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let _append = self.begin(Call::Append { bytes: bytes.len() });
        self.wait().await;
        let done = self.add(key, bytes).await;
        self.wait().await;
        done
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let _list = self.begin(Call::List);
        self.wait().await;
        self.pass(Call::List, async |inner| inner.list(prefix).await).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        let _close = self.begin(Call::Close);
        self.pass(Call::Close, async |inner| inner.close().await).await
    }

    fn mode(&self) -> Mode {
        self.inner.mode()
    }

    fn value_bytes(&self) -> usize {
        self.inner.value_bytes()
    }
}
