//! Work that only reads the index, for many items at once: on rayon's threads with the feature `rayon`, else on the
//! caller's thread.

use super::memory::scratch::ScratchPool;
use crate::graph::Scratch;

/// Work on the item at a position, with buffers that no other thread uses meanwhile.
pub(super) trait Work<T, E>: Fn(usize, &mut T, &mut Scratch) -> Result<(), E> + Sync {}

impl<T, E, W: Fn(usize, &mut T, &mut Scratch) -> Result<(), E> + Sync> Work<T, E> for W {}

/// Does the work for each item, in any order. After an error, some may be left undone.
pub(super) fn each<T: Send, E: Send>(items: &mut [T], idle: &ScratchPool, work: impl Work<T, E>) -> Result<(), E> {
    #[cfg(feature = "rayon")]
    if items.len() >= threads::LEAST && threads::are_wanted() && threads::are_there() {
        return threads::each(items, idle, work);
    }
    let mut scratch = idle.take();
    let done = items.iter_mut().enumerate().try_for_each(|(at, item)| work(at, item, &mut scratch));
    idle.put(scratch);
    done
}

#[cfg(feature = "rayon")]
pub(super) mod threads {
    use super::{Scratch, ScratchPool, Work};
    use core::error::Error as _;
    use rayon::prelude::*;
    use std::sync::OnceLock;

    /// For fewer items it does not pay to wake threads.
    pub(super) const LEAST: usize = 8;

    #[cfg(not(test))]
    pub(super) const fn are_wanted() -> bool {
        true
    }

    #[cfg(test)]
    thread_local! {
        /// Lets a test run as without the feature.
        pub(in crate::index) static WANTED: core::cell::Cell<bool> = const { core::cell::Cell::new(true) };
    }

    #[cfg(test)]
    pub(super) fn are_wanted() -> bool {
        WANTED.get()
    }

    /// Whether there are threads to work on. Rayon panics when it cannot start its own, unless they have been asked for
    /// explicitly, as here.
    pub(super) fn are_there() -> bool {
        static STARTED: OnceLock<bool> = OnceLock::new();
        let start = || match rayon::ThreadPoolBuilder::new().build_global() {
            Ok(()) => true,
            // Without a source the error says that the pool was started before; with one, that the system refused
            // threads.
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
