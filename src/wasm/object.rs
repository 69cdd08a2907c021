//! Properties of JavaScript's objects and arrays. One function for each access, because at each place where it is written
//! out it takes more bytes of the shipped file than a call.

use super::values::describe;
use crate::store::StoreError;
use js_sys::{Array, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// An array of this realm's that holds the same. Copying another's may throw.
    #[wasm_bindgen(catch, js_namespace = Array, js_name = from)]
    fn copied(array: &JsValue) -> Result<Array, JsValue>;
}

#[inline(never)]
pub(super) fn get(object: &JsValue, name: &str) -> Result<JsValue, StoreError> {
    Ok(Reflect::get(object, &name.into())?)
}

#[inline(never)]
pub(super) fn set(object: &JsValue, name: &str, value: &JsValue) -> Result<(), StoreError> {
    Ok(Reflect::set(object, &name.into(), value).map(drop)?)
}

/// True if the object has this text there.
#[inline(never)]
pub(super) fn says(object: &JsValue, name: &str, text: &str) -> bool {
    get(object, name).is_ok_and(|found| found == text)
}

#[inline(never)]
pub(super) fn pair(first: &str, second: &JsValue) -> Array {
    Array::of2(&first.into(), second)
}

/// What an array of a store's holds.
pub(super) fn items(found: &JsValue) -> Result<Array, StoreError> {
    if Array::is_array(found) { Ok(copied(found)?) } else { Err(unexpected("an array", found)) }
}

/// A store has answered something else.
#[cold]
#[inline(never)]
pub(super) fn unexpected(expected: &str, found: &JsValue) -> StoreError {
    failed(&["a store's answer: expected ", expected, ", received ", &describe(found)])
}

/// A failure, in words.
#[cold]
#[inline(never)]
pub(super) fn failed(words: &[&str]) -> StoreError {
    StoreError::Failed { why: words.concat() }
}
