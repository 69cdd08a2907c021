//! Buffers of searches and inserts, shared by those that run at the same time.

use crate::graph::Scratch;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A stack of buffers: a search takes one, or makes one when all are in use, and puts it back.
#[derive(Debug)]
pub(super) struct ScratchPool {
    idle: Mutex<Idle>,
    /// How many bytes of idle buffers the budget has room for.
    room: usize,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: Vec<Scratch>,
    /// Bytes of buffers for which there was no room, until there is.
    refused: usize,
}

impl Idle {
    fn resident_bytes(&self) -> usize {
        self.buffers.iter().map(Scratch::resident_bytes).sum()
    }

    /// Drops buffers, and asks for room for them.
    fn refuse(&mut self, scratch: Option<Scratch>) {
        self.refused = self.refused.max(scratch.map_or(0, |scratch| scratch.resident_bytes()));
    }
}

impl ScratchPool {
    pub(super) fn new() -> Self {
        Self { idle: Mutex::default(), room: usize::MAX }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&mut self) -> &mut Idle {
        self.idle.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes idle buffers, or new ones when there are none.
    pub(super) fn take(&self) -> Scratch {
        self.lock().buffers.pop().unwrap_or_default()
    }

    /// Puts buffers back. They are dropped when the budget has no room for them, or the stack no memory to keep them: the
    /// call that used them has succeeded.
    pub(super) fn put(&self, scratch: Scratch) {
        let mut idle = self.lock();
        if self.room < usize::MAX {
            if idle.resident_bytes() + scratch.resident_bytes() > self.room {
                return idle.refuse(Some(scratch));
            }
            idle.refused = 0;
        }
        if idle.buffers.try_reserve(1).is_ok() {
            idle.buffers.push(scratch);
        }
    }

    /// Drops the idle buffers, which still contain parts of what was last searched for or inserted.
    pub(super) fn forget(&self) {
        *self.lock() = Idle::default();
    }

    /// Lets idle buffers have at most so many bytes.
    pub(super) fn set_room(&mut self, bytes: usize) {
        self.room = bytes;
        let idle = self.idle();
        while !idle.buffers.is_empty() && idle.resident_bytes() > bytes {
            let last = idle.buffers.pop();
            idle.refuse(last);
        }
    }

    /// Drops all idle buffers but those of one call.
    pub(super) fn keep_one(&mut self) {
        self.idle().buffers.truncate(1);
    }

    /// Bytes of the idle buffers, and of those that there was no room for.
    pub(super) fn wanted_bytes(&self) -> usize {
        let idle = self.lock();
        idle.resident_bytes() + idle.refused
    }

    pub(super) fn resident_bytes(&self) -> usize {
        self.lock().resident_bytes()
    }
}
