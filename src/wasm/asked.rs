//! A pending question to a store.

use super::error::forget_thrown;
use super::outgoing::Outgoing;
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
    outgoing: Outgoing,
}

impl Asked {
    /// The promise is fulfilled with the answer.
    pub(super) fn for_value(promise: Promise) -> Self {
        Self { promise: promise.into(), requests: None, outgoing: Outgoing::default() }
    }

    /// The requests have their results when the promise is fulfilled.
    pub(super) fn for_results(promise: Promise, requests: Array) -> Self {
        Self { promise: promise.into(), requests: Some(requests), outgoing: Outgoing::default() }
    }

    /// The question consists of these copies.
    pub(super) fn of(self, outgoing: Outgoing) -> Self {
        Self { outgoing, ..self }
    }

    pub(super) async fn answer(self) -> Result<JsValue, StoreError> {
        let given = self.promise.await?;
        forget_thrown();
        self.outgoing.end();
        Ok(self.requests.map_or(given, JsValue::from))
    }
}
