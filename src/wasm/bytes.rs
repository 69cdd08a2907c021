//! Typed arrays as places for an index's bytes. They lie outside the WebAssembly heap, so an index is written and read
//! without being held twice. Also the arrays that stores take and return.

use super::object::{get, unexpected};
use crate::format::{ByteRoom, ByteSink, ByteSource};
use crate::index::Error;
use crate::store::StoreError;
use crate::types::OutOfMemory;
use core::ops::Range;
use js_sys::{ArrayBuffer, Reflect, Symbol, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    /// The byte array, with a constructor whose refusal is returned instead of unwinding through the caller.
    #[wasm_bindgen(js_name = Uint8Array)]
    type NewBytes;

    #[wasm_bindgen(constructor, js_class = "Uint8Array", catch)]
    fn of_length(len: f64) -> Result<NewBytes, JsValue>;
}

/// Makes a byte array, or returns the platform's refusal as a typed error.
pub(super) fn new_bytes(len: usize) -> Result<Uint8Array, Error> {
    NewBytes::of_length(len as f64).map(JsCast::unchecked_into).map_err(|_| Error::OutOfMemory)
}

/// Returns the part of `array` for a piece of `len` bytes at `offset`.
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

impl ByteRoom for Uint8Array {
    fn of_zeros(len: usize) -> Result<Self, OutOfMemory> {
        new_bytes(len).map_err(|_| OutOfMemory)
    }

    fn show(&self, start: u64, len: u64, to: &mut dyn FnMut(&[u8])) -> bool {
        let mut part = [0; 1024];
        let end = start.saturating_add(len);
        let mut at = start;
        while at < end {
            let bytes = &mut part[..(end - at).min(1024) as usize];
            if !self.read(at, bytes) {
                return false;
            }
            to(bytes);
            at += bytes.len() as u64;
        }
        true
    }
}

/// This program's memory as JavaScript sees it.
pub(super) fn buffer() -> Result<JsValue, StoreError> {
    get(&wasm_bindgen::memory(), "buffer")
}

/// Returns this program's bytes as an array that others may write to. It is valid until the memory grows.
pub(super) fn own_memory(bytes: &mut [u8]) -> Result<JsValue, StoreError> {
    let start = bytes.as_mut_ptr() as usize;
    Ok(Uint8Array::new_with_byte_offset_and_length(&buffer()?, start as u32, bytes.len() as u32).into())
}

/// Returns where in `memory` a found value is: either the store put it there, or, if `used` is given, it is copied to
/// the end of the used part. Returns an empty range if there is no room or the value is not bytes.
pub(super) fn lay(found: &JsValue, memory: &mut [u8], used: &mut Option<usize>) -> Result<Range<usize>, StoreError> {
    if memory.is_empty() || !is_bytes(found) {
        return Ok(0..0);
    }
    let array: &Uint8Array = found.unchecked_ref();
    let len = array.length() as usize;
    let start = match *used {
        Some(used) => used,
        None if buffer()? == JsValue::from(array.buffer()) => {
            (array.byte_offset() as usize).wrapping_sub(memory.as_ptr() as usize)
        }
        None => return Ok(0..0),
    };
    let place = start..start.saturating_add(len);
    let Some(bytes) = memory.get_mut(place.clone()) else { return Ok(0..0) };
    if let Some(used) = used {
        array.copy_to(bytes);
        *used = place.end;
    }
    Ok(place)
}

/// `instanceof` fails for arrays from another realm, such as an iframe or a test sandbox.
fn is_bytes(found: &JsValue) -> bool {
    ArrayBuffer::is_view(found) && Reflect::get(found, &Symbol::to_string_tag()).is_ok_and(|name| name == "Uint8Array")
}

/// Appends what a store has found to a value: the bytes of a `Uint8Array`, or nothing.
pub(super) fn join(found: &JsValue, value: &mut Option<Vec<u8>>) -> Result<(), StoreError> {
    if found.is_undefined() {
        return Ok(());
    }
    if !is_bytes(found) {
        return Err(unexpected("a Uint8Array or undefined", found));
    }
    let (array, value): (&Uint8Array, _) = (found.unchecked_ref(), value.get_or_insert_default());
    let (start, len) = (value.len(), array.length() as usize);
    // An array whose buffer was transferred has no length and nothing to copy, and copying would throw.
    if len == 0 {
        return Ok(());
    }
    value.try_reserve(len).map_err(|_| StoreError::OutOfMemory)?;
    if start == 0 {
        // Copy into memory that was never filled. There is room for it: it is freed here and allocated again.
        *value = Vec::new();
        *value = array.to_vec();
        return Ok(());
    }
    value.resize(start + len, 0);
    array.copy_to(&mut value[start..]);
    Ok(())
}
