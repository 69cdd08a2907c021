//! Ids, vectors and payloads.

use crate::index::{Error, Index, Payload};
use crate::types::Id;
use js_sys::{Float32Array, JsString, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

/// Describes a value for an error message: numbers and strings as they are, anything else by its type.
pub(super) fn describe(value: &JsValue) -> String {
    if let Some(number) = value.as_f64() {
        // JavaScript formats the number; Rust's formatting would add twenty kilobytes to the package (size).
        return js_sys::Number::from(number)
            .to_string_with_radix(10)
            .map_or_else(|_| "a number".to_owned(), String::from);
    }
    match value.dyn_ref::<JsString>() {
        Some(text) if text.length() == 0 => "an empty string".to_owned(),
        Some(text) if text.length() <= 64 => format!("\"{}\"", String::from(text)),
        Some(text) => format!("a string of length {}", text.length()),
        None if value.is_null() => "null".to_owned(),
        None => value.js_typeof().as_string().unwrap_or_default(),
    }
}

/// A whole number that a double holds exactly.
pub(super) fn whole(value: &JsValue) -> Option<u64> {
    let number = value.as_f64()?;
    let is_whole = number >= 0.0 && number <= Id::MAX_NUMBER as f64 && number.fract() == 0.0;
    is_whole.then_some(number as u64)
}

pub(super) fn id(value: &JsValue) -> Result<Id, Error> {
    if let Some(number) = whole(value) {
        return Ok(Id::Number(number));
    }
    // A lone surrogate would turn into a replacement character, which could merge two ids into one.
    match value.dyn_ref::<JsString>() {
        Some(text) if (1..=Id::MAX_TEXT_BYTES as u32).contains(&text.length()) && text.is_valid_utf16() => {
            // The glue allocates while copying: up to three times the length, in addition to a first attempt of the
            // length itself.
            room(4 * text.length() as usize)?;
            let id = Id::Text(String::from(text).into());
            // Lengths were checked in UTF-16 units so far; the id may be too long in UTF-8.
            Index::check_id(&id)?;
            Ok(id)
        }
        _ => Err(Error::InvalidId { received: describe(value) }),
    }
}

pub(super) fn id_to_js(id: &Id) -> JsValue {
    match id {
        Id::Number(number) => (*number as f64).into(),
        Id::Text(text) => JsValue::from_str(text),
    }
}

/// Fails unless this many bytes can be allocated now, for code that allocates by itself and cannot report a failure.
/// The bytes are freed again, and nothing else runs in between.
pub(super) fn room(bytes: usize) -> Result<(), Error> {
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(bytes).map_err(|_| Error::OutOfMemory)?;
    // Otherwise the compiler would remove the unused allocation.
    core::hint::black_box(&mut room);
    Ok(())
}

/// Empties a buffer and makes it `len` long.
pub(super) fn resize<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) -> Result<(), Error> {
    buffer.clear();
    buffer.try_reserve(len).map_err(|_| Error::OutOfMemory)?;
    buffer.resize(len, T::default());
    Ok(())
}

/// Copies a vector in.
pub(super) fn vector(array: &Float32Array, into: &mut Vec<f32>) -> Result<(), Error> {
    resize(into, array.length() as usize)?;
    array.copy_to(into);
    Ok(())
}

/// The kinds of payload, as numbered by the facade.
pub(super) mod kind {
    pub(in crate::wasm) const JSON: u8 = 1;
    pub(in crate::wasm) const BYTES: u8 = 2;
}

/// Copies a payload in.
pub(super) fn payload<'a>(
    payload_kind: u8,
    bytes: Option<&Uint8Array>,
    into: &'a mut Vec<u8>,
) -> Result<Option<Payload<'a>>, Error> {
    let Some(bytes) = bytes else { return Ok(None) };
    resize(into, bytes.length() as usize)?;
    bytes.copy_to(into);
    payload_of(payload_kind, into).map(Some)
}

/// Makes a payload of this kind from these bytes.
#[inline(always)]
pub(super) fn payload_of(payload_kind: u8, bytes: &[u8]) -> Result<Payload<'_>, Error> {
    let invalid = |received: &str| Error::InvalidOption {
        option: "payload",
        expected: "JSON text or bytes".to_owned(),
        received: received.to_owned(),
    };
    match payload_kind {
        kind::JSON => str::from_utf8(bytes).map(Payload::Json).map_err(|_| invalid("text that is not UTF-8")),
        kind::BYTES => Ok(Payload::Bytes(bytes)),
        _ => Err(invalid("another kind")),
    }
}

/// Returns the kind and the bytes of a payload.
pub(super) const fn payload_parts(payload: Payload<'_>) -> (u8, &[u8]) {
    match payload {
        Payload::Json(text) => (kind::JSON, text.as_bytes()),
        Payload::Bytes(bytes) => (kind::BYTES, bytes),
    }
}
