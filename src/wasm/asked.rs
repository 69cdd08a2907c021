//! A pending question to a store.

use super::error::forget_thrown;
use crate::store::StoreError;
use js_sys::futures::JsFuture;
use js_sys::{Array, Promise};
use wasm_bindgen::JsValue;

/// The awaited promise, and where the answer is once it is fulfilled. A handler catches its rejection from the start,
/// so that it is not an unhandled rejection when the call that asked is abandoned.
#[derive(Debug)]
pub(super) struct Asked {
    promise: JsFuture,
    requests: Option<Array>,
}

impl Asked {
    /// The promise is fulfilled with the answer.
    pub(super) fn for_value(promise: Promise) -> Self {
        Self { promise: promise.into(), requests: None }
    }

    /// The requests have their results when the promise is fulfilled.
    pub(super) fn for_results(promise: Promise, requests: Array) -> Self {
        Self { promise: promise.into(), requests: Some(requests) }
    }

    pub(super) async fn answer(self) -> Result<JsValue, StoreError> {
        let given = self.promise.await?;
        forget_thrown();
        Ok(self.requests.map_or(given, JsValue::from))
    }
}
