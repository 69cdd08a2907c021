//! Copies of bytes for stores. Each commit and each append has some, of 100 KiB and more, and most last for
//! milliseconds. As arrays of their own they would wait for the garbage collector, some 30 MB of them, and leave holes
//! of as much in the allocator's memory. So a store that is done with its bytes once it has answered gets parts of one
//! array, which is used again.

use super::bytes::new_bytes;
use crate::store::StoreError;
use core::cell::RefCell;
use js_sys::Uint8Array;
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// A longer array is left to the garbage collector.
const MOST_KEPT_BYTES: u32 = 4 << 20;

/// The array that is used again, while no call has it.
pub(super) type Kept = Rc<RefCell<Option<Uint8Array>>>;

/// The copies of one call. By default the store may keep them, and each has a buffer of its own.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// The array that all of them are parts of, and where to keep it.
    room: Option<(Uint8Array, Kept)>,
    used: u32,
}

impl Outgoing {
    /// For copies of `total` bytes in all, for a store that is done with them once it has answered.
    pub(super) fn again(kept: &Kept, total: usize) -> Result<Self, StoreError> {
        let room = match kept.take() {
            Some(room) if room.length() as usize >= total => room,
            _ => new_bytes(total).map_err(|_| StoreError::OutOfMemory)?,
        };
        Ok(Self { room: Some((room, kept.clone())), used: 0 })
    }

    /// Makes a copy. With a view, a store would keep the whole heap, or see it change.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Result<JsValue, StoreError> {
        let start = self.used;
        self.used += bytes.len() as u32;
        let array = match &self.room {
            Some((room, _)) => room.subarray(start, self.used),
            None => new_bytes(bytes.len()).map_err(|_| StoreError::OutOfMemory)?,
        };
        array.copy_from(bytes);
        Ok(array.into())
    }

    /// Ends a call that has succeeded. After any other the store may still read the bytes.
    pub(super) fn end(self) {
        if let Some((room, kept)) = self.room
            && room.length() <= MOST_KEPT_BYTES
        {
            // It may be kept for long, and records are deleted and erased meanwhile.
            room.fill(0, 0, self.used);
            kept.replace(Some(room));
        }
    }
}
