//! Buffers of searches and inserts, shared by those that run at the same time.

use crate::graph::Scratch;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A stack of buffers: a search takes one, or creates one when all are in use, and puts it back.
#[derive(Debug)]
pub(in crate::index) struct ScratchPool {
    idle: Mutex<Idle>,
    /// Bytes of idle buffers that the budget has room for.
    room: usize,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: Vec<Scratch>,
    /// Bytes of the largest buffers that did not fit, until some do.
    refused: usize,
}

impl Idle {
    fn resident_bytes(&self) -> usize {
        self.buffers.iter().map(Scratch::resident_bytes).sum()
    }
}

impl ScratchPool {
    pub(in crate::index) fn new() -> Self {
        Self { idle: Mutex::default(), room: usize::MAX }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes idle buffers, or new ones if there are none.
    pub(in crate::index) fn take(&self) -> Scratch {
        self.lock().buffers.pop().unwrap_or_default()
    }

    /// Puts buffers back. They are dropped if the budget has no room for them or the stack cannot grow: the call that
    /// used them must still succeed.
    pub(in crate::index) fn put(&self, scratch: Scratch) {
        let mut idle = self.lock();
        if self.room < usize::MAX {
            let bytes = scratch.resident_bytes();
            if idle.resident_bytes() + bytes > self.room {
                idle.refused = idle.refused.max(bytes);
                return;
            }
            idle.refused = 0;
        }
        if idle.buffers.try_reserve(1).is_ok() {
            idle.buffers.push(scratch);
        }
    }

    /// Drops the idle buffers, which still contain parts of what was last searched for or inserted.
    pub(in crate::index) fn forget(&self) {
        *self.lock() = Idle::default();
    }

    /// Limits idle buffers to `bytes` bytes. If they have more, all are dropped, and those of one call still count as
    /// wanted.
    #[inline(never)]
    pub(in crate::index) fn set_room(&mut self, bytes: usize) {
        self.room = bytes;
        let mut idle = self.lock();
        if idle.resident_bytes() > bytes {
            idle.refused = idle.refused.max(idle.buffers.first().map_or(0, Scratch::resident_bytes));
            idle.buffers = Vec::new();
        }
    }

    /// Bytes of the idle buffers, and of the largest that did not fit.
    pub(in crate::index) fn wanted_bytes(&self) -> usize {
        let idle = self.lock();
        idle.resident_bytes() + idle.refused
    }

    pub(in crate::index) fn resident_bytes(&self) -> usize {
        self.lock().resident_bytes()
    }
}
