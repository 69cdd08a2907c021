//! Buffers of searches and inserts, shared by those that run at the same time.

use crate::graph::Scratch;
use std::sync::{Mutex, PoisonError};

/// A stack of buffers: a search takes one, or makes one when all are in use, and puts it back.
#[derive(Debug, Default)]
pub(super) struct ScratchPool {
    idle: Mutex<Vec<Scratch>>,
}

impl ScratchPool {
    /// Takes idle buffers, or new ones when there are none.
    pub(super) fn take(&self) -> Scratch {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Puts buffers back. They are dropped when the stack has no memory to keep them: the call that used them has
    /// succeeded.
    pub(super) fn put(&self, scratch: Scratch) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.try_reserve(1).is_ok() {
            idle.push(scratch);
        }
    }

    /// Drops the idle buffers, which still contain parts of what was last searched for or inserted.
    pub(super) fn forget(&self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Vec::new();
    }

    pub(super) fn resident_bytes(&self) -> usize {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().map(|scratch| size_of::<Scratch>() + scratch.resident_bytes()).sum()
    }
}
