//! Properties of JavaScript objects and arrays. One function for each access: a call is smaller than the inlined code
//! (size).

use super::values::describe;
use crate::store::StoreError;
use js_sys::{Array, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// Copies an array into one of this realm. Copying from another realm's array may throw.
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

/// Returns whether the object has this text in this property.
#[inline(never)]
pub(super) fn says(object: &JsValue, name: &str, text: &str) -> bool {
    get(object, name).is_ok_and(|found| found == text)
}

#[inline(never)]
pub(super) fn pair(first: &str, second: &JsValue) -> Array {
    Array::of2(&first.into(), second)
}

/// Returns the items of a store's array.
pub(super) fn items(found: &JsValue) -> Result<Array, StoreError> {
    if Array::is_array(found) { Ok(copied(found)?) } else { Err(unexpected("an array", found)) }
}

/// Returns the error for a store that answered something else.
#[cold]
#[inline(never)]
pub(super) fn unexpected(expected: &str, found: &JsValue) -> StoreError {
    failed(&["a store's answer: expected ", expected, ", received ", &describe(found)])
}

/// Makes an error with this message.
#[cold]
#[inline(never)]
pub(super) fn failed(words: &[&str]) -> StoreError {
    StoreError::Failed { why: words.concat() }
}
