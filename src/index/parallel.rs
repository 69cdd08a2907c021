//! Work that only reads the index, for many items at once: on rayon's threads with the feature `rayon`, else on the
//! caller's thread.

use super::memory::scratch::ScratchPool;
use crate::graph::Scratch;

/// Work on the item at a position, with buffers that no other thread uses in the meantime.
pub(super) trait Work<T, E>: Fn(usize, &mut T, &mut Scratch) -> Result<(), E> + Sync {}

impl<T, E, W: Fn(usize, &mut T, &mut Scratch) -> Result<(), E> + Sync> Work<T, E> for W {}

/// Does the work for each item, in any order. After an error, some may be left undone.
pub(super) fn each<T: Send, E: Send>(items: &mut [T], idle: &ScratchPool, work: impl Work<T, E>) -> Result<(), E> {
    #[cfg(feature = "rayon")]
    if items.len() >= threads::LEAST {
        match threads::wanted() {
            Threads::Any if threads::are_there() => return threads::each(items, idle, work),
            #[cfg(not(target_arch = "wasm32"))]
            Threads::Own => {
                if let Some(pool) = threads::own() {
                    let work = &work;
                    return pool.install(|| threads::each(items, idle, work));
                }
            }
            _ => {}
        }
    }
    let mut scratch = idle.take();
    let done = items.iter_mut().enumerate().try_for_each(|(at, item)| work(at, item, &mut scratch));
    idle.put(scratch);
    done
}

/// Does `work`, for which the caller holds a lock on the index. A rayon thread that waits for others takes up other
/// tasks of its pool, and if such a task wants the lock too, both wait forever. So this work is done by threads that
/// have no other tasks, or, if the caller is a thread of a pool, by the caller alone.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn with_own_threads<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(feature = "rayon")]
    let _until_done = threads::Restored::want(match rayon::current_thread_index() {
        None => Threads::Own,
        Some(_) => Threads::Caller,
    });
    work()
}

/// Which threads do the work that a thread starts.
#[cfg(feature = "rayon")]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "there is one pool, and nobody holds a lock"))]
pub(super) enum Threads {
    /// The threads of its own pool, or of rayon's global one.
    Any,
    /// Threads that do nothing else.
    Own,
    /// The thread alone.
    Caller,
}

#[cfg(feature = "rayon")]
pub(super) mod threads {
    use super::{Scratch, ScratchPool, Threads, Work};
    use core::error::Error as _;
    use rayon::prelude::*;
    use std::sync::OnceLock;

    /// With fewer items, waking threads does not pay.
    pub(super) const LEAST: usize = 8;

    #[cfg(target_arch = "wasm32")]
    pub(super) const fn wanted() -> Threads {
        Threads::Any
    }

    #[cfg(not(target_arch = "wasm32"))]
    thread_local! {
        /// The threads that this one has asked for.
        static WANTED: core::cell::Cell<Threads> = const { core::cell::Cell::new(Threads::Any) };
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn wanted() -> Threads {
        WANTED.get()
    }

    /// Restores the previous choice of a thread when it is dropped.
    #[cfg(not(target_arch = "wasm32"))]
    pub(in crate::index) struct Restored(Threads);

    #[cfg(not(target_arch = "wasm32"))]
    impl Restored {
        pub(in crate::index) fn want(wanted: Threads) -> Self {
            Self(WANTED.replace(wanted))
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    impl Drop for Restored {
        fn drop(&mut self) {
            WANTED.set(self.0);
        }
    }

    /// Threads that do nothing else, started when first needed; `None` if the system refuses them.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn own() -> Option<&'static rayon::ThreadPool> {
        static OWN: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
        let name = |at| format!("thermocline {at}");
        OWN.get_or_init(|| rayon::ThreadPoolBuilder::new().thread_name(name).build().ok()).as_ref()
    }

    /// Whether there are threads to work on. Starts rayon's global pool explicitly: starting it implicitly panics when
    /// the system refuses threads.
    pub(super) fn are_there() -> bool {
        static STARTED: OnceLock<bool> = OnceLock::new();
        let start = || match rayon::ThreadPoolBuilder::new().build_global() {
            Ok(()) => true,
            // An error without a source means that the pool was already started; one with a source, that the system
            // refused threads.
            Err(error) => error.source().is_none(),
        };
        rayon::current_thread_index().is_some() || *STARTED.get_or_init(start)
    }

    /// Buffers that return to the pool when they are dropped.
    struct Lent<'a>(&'a ScratchPool, Scratch);

    impl Drop for Lent<'_> {
        fn drop(&mut self) {
            self.0.put(core::mem::take(&mut self.1));
        }
    }

    pub(super) fn each<T: Send, E: Send>(items: &mut [T], idle: &ScratchPool, work: impl Work<T, E>) -> Result<(), E> {
        let lend = || Lent(idle, idle.take());
        items.par_iter_mut().enumerate().try_for_each_init(lend, |lent, (at, item)| work(at, item, &mut lent.1))
    }
}
