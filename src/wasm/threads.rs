//! The threads of a shared memory. On this platform only JavaScript can start a thread: a worker that instantiates this
//! module on the same memory and gets its work from here.

use super::raw_index::RawIndex;
use crate::index::Error;
use rayon::{ThreadBuilder, ThreadPoolBuilder};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// The threads that workers have yet to run.
static WAITING: Mutex<VecDeque<ThreadBuilder>> = Mutex::new(VecDeque::new());

/// Memory reserved for reporting a fault, which may be that memory is exhausted.
static RESERVE: Mutex<Vec<u8>> = Mutex::new(Vec::new());

const RESERVE_BYTES: usize = 4096;

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[wasm_bindgen]
impl RawIndex {
    /// Makes the calls of `raw_many` share their work among this many threads, including the caller's; the others take
    /// part as soon as they run. Call this before there is an index.
    #[wasm_bindgen(js_name = startThreads)]
    pub fn start_threads(count: usize) -> Result<(), JsValue> {
        locked(&RESERVE).try_reserve(RESERVE_BYTES).map_err(|_| Error::OutOfMemory)?;
        let threads = ThreadPoolBuilder::new().num_threads(count).use_current_thread().spawn_handler(|thread| {
            locked(&WAITING).push_back(thread);
            Ok(())
        });
        // The pool is never dropped: its threads end with their workers.
        threads.build().map(core::mem::forget).map_err(|error| js_sys::Error::new(&error.to_string()).into())
    }

    /// Runs one of those threads in a worker. Does not return; if it throws, the worker must call `threadFailed`.
    #[wasm_bindgen(js_name = runThread)]
    pub fn run_thread() {
        // A separate statement, so that the lock is released before the thread runs.
        let thread = locked(&WAITING).pop_front();
        if let Some(thread) = thread {
            thread.run();
        }
    }

    /// Ends all threads by a fault after this worker's thread has ended: threads waiting for its work would wait
    /// forever. The call under way fails as if by a fault of its own.
    #[wasm_bindgen(js_name = threadFailed)]
    pub fn thread_failed() {
        // A separate statement, so that the lock is released before the memory is freed.
        let reserve = core::mem::take(&mut *locked(&RESERVE));
        drop(reserve);
        rayon::spawn_broadcast(|_| std::process::abort());
    }
}
