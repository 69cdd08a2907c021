//! The threads of a shared memory. Here only JavaScript can start one: a worker with an instance of this module on the same memory,
//! which comes for what it is to run.

use super::raw_index::RawIndex;
use rayon::{ThreadBuilder, ThreadPoolBuilder};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// What workers are to come for.
static WAITING: Mutex<VecDeque<ThreadBuilder>> = Mutex::new(VecDeque::new());

fn waiting() -> MutexGuard<'static, VecDeque<ThreadBuilder>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[wasm_bindgen]
impl RawIndex {
    /// From here on the calls of `raw_many` share their work among so many threads, the caller's among them; the others as soon as
    /// they are run.
    #[wasm_bindgen(js_name = startThreads)]
    pub fn start_threads(&self, count: usize) -> Result<(), JsValue> {
        let threads = ThreadPoolBuilder::new().num_threads(count).use_current_thread().spawn_handler(|thread| {
            waiting().push_back(thread);
            Ok(())
        });
        // They are there as long as the memory is: their end is the end of their workers.
        threads.build().map(core::mem::forget).map_err(|error| js_sys::Error::new(&error.to_string()).into())
    }

    /// Runs one of those threads, in a worker. Does not return.
    #[wasm_bindgen(js_name = runThread)]
    pub fn run_thread() {
        // Not within what holds the lock, which others wait for.
        let thread = waiting().pop_front();
        if let Some(thread) = thread {
            thread.run();
        }
    }
}
