//! Typed arrays as places for an index's bytes. They lie outside the WebAssembly heap, so an index is written and read
//! without being held twice.

use crate::format::{ByteSink, ByteSource};
use crate::index::Error;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    /// The byte array, by a constructor whose refusal comes back instead of unwinding through the caller.
    #[wasm_bindgen(js_name = Uint8Array)]
    type NewBytes;

    #[wasm_bindgen(constructor, js_class = "Uint8Array", catch)]
    fn of_length(len: f64) -> Result<NewBytes, JsValue>;
}

/// A byte array, or the platform's refusal as a typed error.
pub(super) fn new_bytes(len: usize) -> Result<Uint8Array, Error> {
    NewBytes::of_length(len as f64).map(JsCast::unchecked_into).map_err(|_| Error::OutOfMemory)
}

/// The part of `array` that a piece of `len` bytes at `offset` takes.
fn piece(array: &Uint8Array, offset: u64, len: usize) -> Option<Uint8Array> {
    let start = u32::try_from(offset).ok()?;
    let end = start.checked_add(u32::try_from(len).ok()?)?;
    (end <= array.length()).then(|| array.subarray(start, end))
}

impl ByteSource for Uint8Array {
    fn len(&self) -> u64 {
        u64::from(self.length())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        piece(self, offset, into.len()).map(|piece| piece.copy_to(into)).is_some()
    }
}

impl ByteSink for Uint8Array {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> bool {
        piece(self, offset, bytes.len()).map(|piece| piece.copy_from(bytes)).is_some()
    }
}
